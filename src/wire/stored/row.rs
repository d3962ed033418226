//! How values of the domain become rows, and rows values: the trait, the leaves, and the two macros that tie a row
//! to its domain type field by field, without `..`, so that a new field or variant fails to compile here.
//!
//! A row is a structure of ours with serde's derive; bincode writes its fields in the order in which they stand.
//! That order, and every number below, is the persisted form: a change of either is a new schema version.
//! A closed set with AWS names is stored by its name, any other sum by the explicit number of the variant.
//!
//! Imports domain's ids and time. Never derives anything on a domain type.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::marker::PhantomData;
use std::str::FromStr;
use std::sync::Arc;

use serde::de::{Error as _, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::error::Malformed;
use crate::domain::ids::{AccountId, GrantId, RequestId};
use crate::domain::state::cow_map::HashKey;
use crate::domain::state::token_epoch::SealCheck;
use crate::domain::time::{Incarnation, Revision, Timestamp};

/// The stored form of a `T`.
pub(super) trait Stored<T>: Sized {
    /// The row of a value.
    fn store(value: &T) -> Self;

    /// The value of a row, through the constructors of the domain that validate it.
    fn load(self) -> Result<T, Malformed>;
}

/// Text, read without a copy in between.
#[derive(Clone, Debug)]
pub(super) struct Str(pub(super) Arc<str>);

impl Serialize for Str {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Str {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl Visitor<'_> for Text {
            type Value = Str;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("text")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Str, E> {
                Ok(Str(text.into()))
            }
        }
        deserializer.deserialize_str(Text)
    }
}

impl Stored<Arc<str>> for Str {
    fn store(value: &Arc<str>) -> Self {
        Self(Arc::clone(value))
    }

    fn load(self) -> Result<Arc<str>, Malformed> {
        Ok(self.0)
    }
}

/// Bytes, read without a copy in between.
pub(super) struct Blob(Arc<[u8]>);

impl Serialize for Blob {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

impl<'de> Deserialize<'de> for Blob {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Bytes;
        impl Visitor<'_> for Bytes {
            type Value = Blob;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("bytes")
            }

            fn visit_bytes<E: serde::de::Error>(self, bytes: &[u8]) -> Result<Blob, E> {
                Ok(Blob(bytes.into()))
            }
        }
        deserializer.deserialize_bytes(Bytes)
    }
}

impl Stored<Arc<[u8]>> for Blob {
    fn store(value: &Arc<[u8]>) -> Self {
        Self(Arc::clone(value))
    }

    fn load(self) -> Result<Arc<[u8]>, Malformed> {
        Ok(self.0)
    }
}

/// An identifier or a member of a closed set, stored as its text and parsed again when it is read. A text that does not
/// parse is kept as the reason why, until `load` can say where it stood.
pub(super) struct Text<T>(Result<T, String>);

impl<T: fmt::Display> Serialize for Text<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.0 {
            Ok(value) => serializer.serialize_str(&value.to_string()),
            Err(reason) => Err(serde::ser::Error::custom(reason)),
        }
    }
}

impl<'de, T> Deserialize<'de> for Text<T>
where
    T: FromStr,
    T::Err: fmt::Display,
{
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Parsed<T>(PhantomData<T>);
        impl<T> Visitor<'_> for Parsed<T>
        where
            T: FromStr,
            T::Err: fmt::Display,
        {
            type Value = Text<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("text")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Text<T>, E> {
                Ok(Text(
                    text.parse().map_err(|error: T::Err| error.to_string()),
                ))
            }
        }
        deserializer.deserialize_str(Parsed(PhantomData))
    }
}

impl<T: Clone> Stored<T> for Text<T> {
    fn store(value: &T) -> Self {
        Self(Ok(value.clone()))
    }

    fn load(self) -> Result<T, Malformed> {
        self.0.map_err(Malformed::new)
    }
}

/// A map as pairs in the strict order of their keys: one map, one spelling.
#[derive(Serialize, Deserialize)]
pub(super) struct Pairs<K, V>(Vec<(K, V)>);

impl<K, V, RK, RV> Stored<BTreeMap<K, V>> for Pairs<RK, RV>
where
    K: Ord,
    RK: Stored<K>,
    RV: Stored<V>,
{
    fn store(value: &BTreeMap<K, V>) -> Self {
        let pair = |(key, value)| (RK::store(key), RV::store(value));
        Self(value.iter().map(pair).collect())
    }

    fn load(self) -> Result<BTreeMap<K, V>, Malformed> {
        let mut map = BTreeMap::new();
        for (key, value) in self.0 {
            let key = key.load()?;
            if map.last_key_value().is_some_and(|(last, _)| *last >= key) {
                return Err(Malformed::new("keys stand twice or out of order"));
            }
            map.insert(key, value.load()?);
        }
        Ok(map)
    }
}

impl<K, V, RK, RV> Stored<Arc<BTreeMap<K, V>>> for Pairs<RK, RV>
where
    Self: Stored<BTreeMap<K, V>>,
{
    fn store(value: &Arc<BTreeMap<K, V>>) -> Self {
        Self::store(value.as_ref())
    }

    fn load(self) -> Result<Arc<BTreeMap<K, V>>, Malformed> {
        let map: BTreeMap<K, V> = self.load()?;
        Ok(Arc::new(map))
    }
}

/// A set in the strict order of its members.
#[derive(Serialize, Deserialize)]
pub(super) struct Members<R>(Vec<R>);

impl<T: Ord, R: Stored<T>> Stored<BTreeSet<T>> for Members<R> {
    fn store(value: &BTreeSet<T>) -> Self {
        Self(value.iter().map(R::store).collect())
    }

    fn load(self) -> Result<BTreeSet<T>, Malformed> {
        let mut set = BTreeSet::new();
        for member in self.0 {
            let member = member.load()?;
            if set.last().is_some_and(|last| *last >= member) {
                return Err(Malformed::new("members stand twice or out of order"));
            }
            set.insert(member);
        }
        Ok(set)
    }
}

impl Stored<Arc<[Arc<str>]>> for Vec<Str> {
    fn store(value: &Arc<[Arc<str>]>) -> Self {
        value.iter().map(Str::store).collect()
    }

    fn load(self) -> Result<Arc<[Arc<str>]>, Malformed> {
        self.into_iter().map(Str::load).collect()
    }
}

/// A value behind a shared pointer; its row is the value's own.
#[derive(Serialize, Deserialize)]
pub(super) struct Shared<R>(R);

impl<T, R: Stored<T>> Stored<Arc<T>> for Shared<R> {
    fn store(value: &Arc<T>) -> Self {
        Self(R::store(value))
    }

    fn load(self) -> Result<Arc<T>, Malformed> {
        self.0.load().map(Arc::new)
    }
}

impl<T, R: Stored<T>> Stored<Option<T>> for Option<R> {
    fn store(value: &Option<T>) -> Self {
        value.as_ref().map(R::store)
    }

    fn load(self) -> Result<Option<T>, Malformed> {
        self.map(R::load).transpose()
    }
}

impl<T, R: Stored<T>> Stored<Vec<T>> for Vec<R> {
    fn store(value: &Vec<T>) -> Self {
        value.iter().map(R::store).collect()
    }

    fn load(self) -> Result<Vec<T>, Malformed> {
        self.into_iter().map(R::load).collect()
    }
}

impl<T, R: Stored<T>> Stored<Box<T>> for Box<R> {
    fn store(value: &Box<T>) -> Self {
        Self::new(R::store(value))
    }

    fn load(self) -> Result<Box<T>, Malformed> {
        (*self).load().map(Box::new)
    }
}

impl<A, B, RA: Stored<A>, RB: Stored<B>> Stored<(A, B)> for (RA, RB) {
    fn store((a, b): &(A, B)) -> Self {
        (RA::store(a), RB::store(b))
    }

    fn load(self) -> Result<(A, B), Malformed> {
        let (a, b) = self;
        Ok((a.load()?, b.load()?))
    }
}

/// Leaves that need no check: what is stored, of which type, and how to go there and back.
macro_rules! leaves {
    ($($stored:ty as $domain:ty: $store:expr, $load:expr;)+) => {$(
        impl Stored<$domain> for $stored {
            fn store(value: &$domain) -> Self {
                let store: fn(&$domain) -> $stored = $store;
                store(value)
            }

            fn load(self) -> Result<$domain, Malformed> {
                let load: fn($stored) -> $domain = $load;
                Ok(load(self))
            }
        }
    )+};
}

leaves! {
    bool as bool: |is| *is, |is| is;
    u32 as u32: |n| *n, |n| n;
    u64 as u64: |n| *n, |n| n;
    [u8; 32] as [u8; 32]: |bytes| *bytes, |bytes| bytes;
    u64 as Timestamp: |time| time.as_millis(), Timestamp::from_millis;
    u64 as Revision: |revision| revision.0, Revision;
    [u8; 16] as Incarnation: |incarnation| incarnation.0, Incarnation;
    [u8; 16] as HashKey: |key| key.0, HashKey;
    [u8; 32] as SealCheck: |check| check.0, SealCheck;
    [u8; 16] as RequestId: |id| id.0, RequestId;
    [u8; 32] as GrantId: |id| id.0, GrantId;
}

impl Stored<AccountId> for u64 {
    fn store(value: &AccountId) -> Self {
        value.number()
    }

    fn load(self) -> Result<AccountId, Malformed> {
        AccountId::from_number(self)
            .ok_or_else(|| Malformed::new("an account has at most twelve digits"))
    }
}

/// Ties a row to a structure of the domain with the same fields: `Row: Domain { field: row of the field, … }`.
macro_rules! row {
    (
        $(#[$meta:meta])* $row:ident: $domain:path { $($field:ident: $stored:ty),* $(,)? }
    ) => {
        $(#[$meta])*
        #[derive(serde::Serialize, serde::Deserialize)]
        pub(in $crate::wire::stored) struct $row { $($field: $stored),* }

        impl $crate::wire::stored::row::Stored<$domain> for $row {
            fn store(value: &$domain) -> Self {
                type Domain = $domain;
                let Domain { $($field),* } = value;
                Self { $($field: $crate::wire::stored::row::Stored::store($field)),* }
            }

            fn load(self) -> Result<$domain, $crate::wire::stored::error::Malformed> {
                type Domain = $domain;
                let Self { $($field),* } = self;
                Ok(Domain { $(
                    $field: $crate::wire::stored::row::Stored::load($field)
                        .map_err(|fault| fault.within(stringify!($field)))?,
                )* })
            }
        }
    };
}
pub(super) use row;

/// Most fields of one variant of a sum, and so most elements that follow its number. bincode writes no length of a tuple:
/// this bound is not stored, and a variant takes only the bytes of the fields that it has.
pub(super) const VARIANT_FIELDS_MAX: usize = 15;

/// Reads the next element of a sum's variant.
pub(super) fn next<'de, A: SeqAccess<'de>, T: Deserialize<'de>>(
    seq: &mut A,
) -> Result<T, A::Error> {
    seq.next_element()?
        .ok_or_else(|| A::Error::custom("a variant ends before its last field"))
}

/// Ties a row to a sum of the domain with the same variants, each under the number by which it is stored:
/// `Row: Domain { 1 = Unit, 2 = Tuple(it: row of it), 3 = Struct { field: row of the field } }`.
macro_rules! numbered {
    ($(#[$meta:meta])* $row:ident: $domain:ident {
        $($number:literal = $variant:ident
            $(($inner:ident: $inner_row:ty))?
            $({ $($field:ident: $field_row:ty),* $(,)? })?
        ),+ $(,)?
    }) => {
        $(#[$meta])*
        #[allow(clippy::large_enum_variant, reason = "a row lives no longer than its conversion")]
        pub(in $crate::wire::stored) enum $row {
            $($variant $(($inner_row))? $({ $($field: $field_row),* })?,)+
        }

        #[cfg(test)]
        impl $row {
            /// Every variant with its number.
            #[allow(dead_code, reason = "only some sums are listed by a test")]
            pub(in $crate::wire::stored) const NUMBERS: &'static [(u32, &'static str)] =
                &[
                    $(($number, stringify!($variant)),)+
                ];
        }

        impl serde::Serialize for $row {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                use serde::ser::SerializeTuple as _;
                let mut tuple =
                    serializer.serialize_tuple($crate::wire::stored::row::VARIANT_FIELDS_MAX + 1)?;
                match self {$(
                    Self::$variant $(($inner))? $({ $($field),* })? => {
                        let number: u32 = $number;
                        tuple.serialize_element(&number)?;
                        $(tuple.serialize_element($inner)?;)?
                        $($(tuple.serialize_element($field)?;)*)?
                    }
                )+}
                tuple.end()
            }
        }

        impl<'de> serde::Deserialize<'de> for $row {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Sum;
                impl<'de> serde::de::Visitor<'de> for Sum {
                    type Value = $row;

                    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                        f.write_str("a number and what belongs to it")
                    }

                    fn visit_seq<A: serde::de::SeqAccess<'de>>(
                        self,
                        mut seq: A,
                    ) -> Result<Self::Value, A::Error> {
                        let number: u32 = $crate::wire::stored::row::next(&mut seq)?;
                        match number {
                            $($number => Ok($row::$variant
                                $(({
                                    let $inner: $inner_row = $crate::wire::stored::row::next(&mut seq)?;
                                    $inner
                                }))?
                                $({ $($field: $crate::wire::stored::row::next(&mut seq)?),* })?
                            ),)+
                            unknown => Err(serde::de::Error::custom(format_args!(
                                "{} has no variant {unknown} that this binary knows",
                                stringify!($domain)
                            ))),
                        }
                    }
                }
                deserializer.deserialize_tuple($crate::wire::stored::row::VARIANT_FIELDS_MAX + 1, Sum)
            }
        }

        impl $crate::wire::stored::row::Stored<$domain> for $row {
            fn store(value: &$domain) -> Self {
                match value {$(
                    $domain::$variant $(($inner))? $({ $($field),* })? => Self::$variant
                        $(($crate::wire::stored::row::Stored::store($inner)))?
                        $({ $($field: $crate::wire::stored::row::Stored::store($field)),* })?,
                )+}
            }

            fn load(self) -> Result<$domain, $crate::wire::stored::error::Malformed> {
                Ok(match self {$(
                    Self::$variant $(($inner))? $({ $($field),* })? => $domain::$variant
                        $(($crate::wire::stored::row::Stored::load($inner)
                            .map_err(|fault| fault.within(stringify!($variant)))?))?
                        $({ $($field: $crate::wire::stored::row::Stored::load($field)
                            .map_err(|fault| fault.within(stringify!($field)))?),* })?,
                )+})
            }
        }
    };
}
pub(super) use numbered;
