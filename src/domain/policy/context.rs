//! Condition keys by name, and where the values of a request's come from.
//!
//! A policy's keys are parsed once into [`ContextKey`]; a source answers by matching on it, without formatting names.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use super::keys::{KnownKey, NITRO_TPM_PCR_COUNT, PCR_COUNT};
use super::statement::Suppose;
use super::text::eq_folded;
use super::value::format_time;
use crate::domain::effort::Effort;
use crate::domain::ids::AccountId;

/// A name in lower case, compared by its text.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Folded(Arc<str>);

impl Folded {
    /// The name in lower case.
    pub fn new(text: &str) -> Self {
        Self(text.to_lowercase().into())
    }

    /// The lower-case text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether a name as written equals this one but for letter case (C-2).
    pub fn matches(&self, name: &str) -> bool {
        *self.0 == *name || eq_folded(name, &self.0)
    }
}

/// A condition key. Names are not case sensitive, their variable part included (C-2).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ContextKey {
    /// A key with a fixed name.
    Known(KnownKey),
    /// `aws:PrincipalTag/<k>`
    PrincipalTag(Folded),
    /// `aws:ResourceTag/<k>`
    ResourceTag(Folded),
    /// `aws:RequestTag/<k>`
    RequestTag(Folded),
    /// `iam:ResourceTag/<k>`
    IamResourceTag(Folded),
    /// `kms:EncryptionContext:<k>`
    EncryptionContext(Folded),
    /// `kms:RecipientAttestation:PCR<n>`
    Pcr(u8),
    /// `kms:RecipientAttestation:NitroTPMPCR<n>`
    NitroTpmPcr(u8),
    /// Any other name, in lower case.
    Other(Folded),
}

impl ContextKey {
    /// Reads a key's name. Every text is some key.
    pub fn parse(text: &str) -> Self {
        type Family = (&'static str, fn(Folded) -> ContextKey);
        const FAMILIES: [Family; 5] = [
            ("aws:principaltag/", ContextKey::PrincipalTag),
            ("aws:resourcetag/", ContextKey::ResourceTag),
            ("aws:requesttag/", ContextKey::RequestTag),
            ("iam:resourcetag/", ContextKey::IamResourceTag),
            ("kms:encryptioncontext:", ContextKey::EncryptionContext),
        ];
        type Registers = (&'static str, u8, fn(u8) -> ContextKey);
        const REGISTERS: [Registers; 2] = [
            ("kms:recipientattestation:pcr", PCR_COUNT, ContextKey::Pcr),
            (
                "kms:recipientattestation:nitrotpmpcr",
                NITRO_TPM_PCR_COUNT,
                ContextKey::NitroTpmPcr,
            ),
        ];
        let folded = text.to_lowercase();
        for (prefix, family) in FAMILIES {
            if let Some(name) = folded.strip_prefix(prefix) {
                return family(Folded(name.into()));
            }
        }
        for (prefix, count, register) in REGISTERS {
            let number = folded.strip_prefix(prefix);
            let number = number.and_then(|text| {
                let number = text.parse::<u8>().ok()?;
                (number < count && number.to_string() == text).then_some(number)
            });
            if let Some(number) = number {
                return register(number);
            }
        }
        let known = KnownKey::ALL
            .iter()
            .find(|known| known.name().eq_ignore_ascii_case(&folded));
        known.map_or_else(
            || Self::Other(Folded(folded.into())),
            |known| Self::Known(*known),
        )
    }
}

impl From<KnownKey> for ContextKey {
    fn from(key: KnownKey) -> Self {
        Self::Known(key)
    }
}

impl fmt::Display for ContextKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Known(key) => f.write_str(key.name()),
            Self::PrincipalTag(name) => write!(f, "aws:PrincipalTag/{}", name.0),
            Self::ResourceTag(name) => write!(f, "aws:ResourceTag/{}", name.0),
            Self::RequestTag(name) => write!(f, "aws:RequestTag/{}", name.0),
            Self::IamResourceTag(name) => write!(f, "iam:ResourceTag/{}", name.0),
            Self::EncryptionContext(name) => write!(f, "kms:EncryptionContext:{}", name.0),
            Self::Pcr(number) => write!(f, "kms:RecipientAttestation:PCR{number}"),
            Self::NitroTpmPcr(number) => {
                write!(f, "kms:RecipientAttestation:NitroTPMPCR{number}")
            }
            Self::Other(name) => f.write_str(&name.0),
        }
    }
}

/// The values of a multivalued key.
pub trait Values {
    /// Whether there are none.
    fn is_empty(&self) -> bool;

    /// Whether some value satisfies the test.
    fn any(&self, test: &mut dyn FnMut(&str) -> bool) -> bool;
}

impl<T: AsRef<str>> Values for Vec<T> {
    fn is_empty(&self) -> bool {
        <[T]>::is_empty(self)
    }

    fn any(&self, test: &mut dyn FnMut(&str) -> bool) -> bool {
        self.iter().any(|value| test(value.as_ref()))
    }
}

impl Values for Arc<[Arc<str>]> {
    fn is_empty(&self) -> bool {
        <[Arc<str>]>::is_empty(self)
    }

    fn any(&self, test: &mut dyn FnMut(&str) -> bool) -> bool {
        self.iter().any(|value| test(value))
    }
}

/// One value of a condition key, in the form its source has it.
#[derive(Clone, Copy, Debug)]
pub enum Scalar<'a> {
    /// A text.
    Text(&'a str),
    /// `true` or `false`.
    Bool(bool),
    /// A whole number.
    Integer(i64),
    /// A point of time: milliseconds since the Unix epoch; its text is ISO 8601 in UTC.
    Time(i64),
    /// An account: twelve digits.
    Account(AccountId),
}

impl<'a> Scalar<'a> {
    /// The value as text. Allocates for other forms than text and booleans.
    pub fn into_text(self) -> Cow<'a, str> {
        match self {
            Self::Text(text) => Cow::Borrowed(text),
            Self::Bool(true) => Cow::Borrowed("true"),
            Self::Bool(false) => Cow::Borrowed("false"),
            Self::Integer(number) => Cow::Owned(number.to_string()),
            Self::Time(at) => Cow::Owned(format_time(at)),
            Self::Account(account) => Cow::Owned(account.to_string()),
        }
    }
}

/// What a source has for a key.
#[derive(Clone, Copy)]
pub enum ContextValue<'a> {
    /// A single-valued key.
    One(Scalar<'a>),
    /// A multivalued key, even with one element.
    Many(&'a dyn Values),
    /// A single-valued key whose name stands in the request in several letter cases (CK-59).
    Spelled(Spellings<'a>),
}

/// The pairs of a request whose names differ in letter case alone.
///
/// Condition keys are not case sensitive (C-2), the names of pairs and tags are: which of them a condition means nobody
/// can say. So a Deny holds if any of them satisfies its condition, an Allow only if all of them do (CK-59).
#[derive(Clone, Copy)]
pub struct Spellings<'a> {
    pairs: &'a Pairs,
    name: &'a Folded,
}

/// Pairs of names and values: tags, an encryption context.
type Pairs = BTreeMap<Arc<str>, Arc<str>>;

impl<'a> Spellings<'a> {
    /// What `pairs` have under a name: nothing, one value, or several spellings.
    pub fn find(pairs: &'a Pairs, name: &'a Folded) -> Option<ContextValue<'a>> {
        let all = Self { pairs, name };
        let mut values = all.pairs();
        let (_, first) = values.next()?;
        Some(if values.next().is_some() {
            ContextValue::Spelled(all)
        } else {
            ContextValue::text(first)
        })
    }

    /// The pairs, in the order of their names.
    pub fn pairs(&self) -> impl Iterator<Item = (&'a str, &'a str)> + use<'a> {
        let name = self.name;
        let own = self.pairs.iter().filter(move |(own, _)| name.matches(own));
        own.map(|(own, value)| (&**own, &**value))
    }
}

impl<'a> ContextValue<'a> {
    /// A single text.
    pub const fn text(text: &'a str) -> Self {
        Self::One(Scalar::Text(text))
    }
}

/// Where a request's condition keys come from. `None` means that the request has no such key (CK-40).
pub trait ContextSource {
    /// The value of a key.
    fn get<'a>(&'a self, key: &'a ContextKey) -> Option<ContextValue<'a>>;

    /// What is taken for granted of statements; nothing in a decision.
    fn suppose(&self) -> Option<&dyn Suppose> {
        None
    }

    /// Where the work of evaluating is counted; nowhere, unless whoever asks wants it.
    fn effort(&self) -> Option<&Effort<'_>> {
        None
    }
}

/// The most combinations of values that are tried one by one: of two keys with sixteen values each. A request with
/// more is taken against its caller: its Deny holds, its Allow does not.
const CHOICES_MAX: usize = 256;

/// Whether a test holds for a request in which some of `keys` stand in several letter cases: of a Deny for any choice
/// among them, of an Allow for every one (CK-59).
pub(super) fn in_doubt<'k>(
    context: &dyn ContextSource,
    keys: impl Iterator<Item = &'k ContextKey>,
    is_deny: bool,
    test: &dyn Fn(&dyn ContextSource) -> bool,
) -> bool {
    let mut doubtful: Vec<(&ContextKey, Vec<&str>)> = Vec::new();
    for key in keys {
        if doubtful.iter().all(|(other, _)| *other != key)
            && let Some(ContextValue::Spelled(spellings)) = context.get(key)
        {
            let mut values: Vec<&str> = spellings.pairs().map(|(_, value)| value).collect();
            values.sort_unstable();
            values.dedup();
            doubtful.push((key, values));
        }
    }
    if doubtful.is_empty() {
        return test(context);
    }
    let counts = doubtful.iter().map(|(_, values)| values.len());
    let choices = counts.fold(1_usize, usize::saturating_mul);
    if choices > CHOICES_MAX {
        return is_deny;
    }
    let holds = |choice: usize| {
        let mut rest = choice;
        let chosen = doubtful.iter().filter_map(|(key, values)| {
            let value = values.get(rest % values.len())?;
            rest /= values.len();
            Some((*key, *value))
        });
        test(&Chosen {
            inner: context,
            chosen: chosen.collect(),
        })
    };
    if is_deny {
        (0..choices).any(holds)
    } else {
        (0..choices).all(holds)
    }
}

/// A context in which one spelling of every key is chosen.
struct Chosen<'a> {
    inner: &'a dyn ContextSource,
    chosen: Vec<(&'a ContextKey, &'a str)>,
}

impl ContextSource for Chosen<'_> {
    fn get<'a>(&'a self, key: &'a ContextKey) -> Option<ContextValue<'a>> {
        match self.chosen.iter().find(|(own, _)| *own == key) {
            Some((_, value)) => Some(ContextValue::text(value)),
            None => self.inner.get(key),
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A context for tests: keys as written, values as given.
    #[derive(Default)]
    pub(crate) struct Context {
        values: BTreeMap<ContextKey, (bool, Vec<String>)>,
    }

    impl Context {
        pub(crate) fn one(mut self, key: &str, value: &str) -> Self {
            self.values
                .insert(ContextKey::parse(key), (false, vec![value.to_string()]));
            self
        }

        pub(crate) fn many(mut self, key: &str, values: &[&str]) -> Self {
            let values = values.iter().map(|v| v.to_string()).collect();
            self.values.insert(ContextKey::parse(key), (true, values));
            self
        }
    }

    impl ContextSource for Context {
        fn get<'a>(&'a self, key: &'a ContextKey) -> Option<ContextValue<'a>> {
            let (many, values) = self.values.get(key)?;
            Some(if *many {
                ContextValue::Many(values)
            } else {
                ContextValue::text(&values[0])
            })
        }
    }

    /// C-2: names are not case sensitive, the variable part included.
    #[test]
    fn key_in_another_letter_case_is_the_same_key() {
        for (one, other) in [
            ("kms:RequestAlias", "KMS:requestalias"),
            ("aws:PrincipalTag/Project", "AWS:principaltag/pROJECT"),
            (
                "kms:EncryptionContext:Dept:X",
                "kms:encryptioncontext:dept:x",
            ),
            ("custom:Key", "CUSTOM:KEY"),
        ] {
            assert_eq!(ContextKey::parse(one), ContextKey::parse(other));
        }
        assert_ne!(
            ContextKey::parse("aws:RequestTag/a"),
            ContextKey::parse("aws:ResourceTag/a")
        );
        assert!(matches!(
            ContextKey::parse("kms:EncryptionContextKeys"),
            ContextKey::Known(KnownKey::EncryptionContextKeys)
        ));
    }

    #[test]
    fn known_keys_are_found_by_their_own_names() {
        for known in KnownKey::ALL {
            assert_eq!(ContextKey::parse(known.name()), ContextKey::Known(*known));
            assert_eq!(ContextKey::Known(*known).to_string(), known.name());
        }
    }

    #[test]
    fn folded_name_matches_any_letter_case() {
        let name = Folded::new("StraßeÄ");
        assert!(name.matches("straßeä") && name.matches("STRAßEÄ") && !name.matches("strasse"));
    }
}
