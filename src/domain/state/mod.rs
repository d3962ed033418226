//! The facts that decisions are taken on, and the indexes derived from them.
//!
//! `State` is a consistent snapshot at one revision: cloning it is cheap, and a clone never changes.
//! Imports ids, limits, time, policy. Never: a clock, I/O, an iteration order that reaches an output.

pub mod grant;
pub mod key;
pub mod principal;
pub mod settings;

use std::collections::BTreeMap;
use std::sync::Arc;

/// Tags in the order of their keys (E-1): case sensitive, at most 50 on a key.
pub type Tags = BTreeMap<Arc<str>, Arc<str>>;

/// A closed set of names: the enum, `ALL` in declared order, `as_str`, `Display` and an exact `FromStr`.
macro_rules! closed_set {
    ($(#[$meta:meta])* pub enum $name:ident { $($variant:ident = $text:literal),+ $(,)? }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        #[allow(missing_docs)]
        pub enum $name { $($variant),+ }

        impl $name {
            /// Every member, in declared order.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The name as AWS writes it.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text),+ }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::domain::state::NotInSet;

            fn from_str(s: &str) -> Result<Self, Self::Err> {
                match s { $($text => Ok(Self::$variant),)+ _ => Err($crate::domain::state::NotInSet) }
            }
        }
    };
}
pub(crate) use closed_set;

/// A text that is no member of a closed set; the edge that parsed it knows the set and says so.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("not a member of the set")]
pub struct NotInSet;
