//! Condition keys, interned, and where their values come from.
//!
//! A policy's keys are parsed once into [`ContextKey`]; a source answers by matching on it, without formatting names.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use super::statement::Suppose;
use super::text::eq_folded;
use super::value::format_time;
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

macro_rules! known_keys {
    ($($name:ident = $text:literal,)*) => {
        /// A condition key with a fixed name.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[allow(missing_docs, reason = "the names are AWS's own")]
        pub enum KnownKey { $($name,)* }

        impl KnownKey {
            /// Every key of the list.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The name as AWS writes it.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }
        }
    };
}

known_keys! {
    AssumedRoot = "aws:AssumedRoot",
    CalledVia = "aws:CalledVia",
    CalledViaFirst = "aws:CalledViaFirst",
    CalledViaLast = "aws:CalledViaLast",
    CurrentTime = "aws:CurrentTime",
    EpochTime = "aws:EpochTime",
    MultiFactorAuthAge = "aws:MultiFactorAuthAge",
    MultiFactorAuthPresent = "aws:MultiFactorAuthPresent",
    PrincipalAccount = "aws:PrincipalAccount",
    PrincipalArn = "aws:PrincipalArn",
    PrincipalIsAwsService = "aws:PrincipalIsAWSService",
    PrincipalOrgId = "aws:PrincipalOrgID",
    PrincipalOrgPaths = "aws:PrincipalOrgPaths",
    PrincipalServiceName = "aws:PrincipalServiceName",
    PrincipalServiceNamesList = "aws:PrincipalServiceNamesList",
    PrincipalType = "aws:PrincipalType",
    Referer = "aws:Referer",
    RequestedRegion = "aws:RequestedRegion",
    ResourceAccount = "aws:ResourceAccount",
    ResourceOrgId = "aws:ResourceOrgID",
    ResourceOrgPaths = "aws:ResourceOrgPaths",
    SecureTransport = "aws:SecureTransport",
    SourceAccount = "aws:SourceAccount",
    SourceArn = "aws:SourceArn",
    SourceIdentity = "aws:SourceIdentity",
    SourceIp = "aws:SourceIp",
    SourceOrgId = "aws:SourceOrgID",
    SourceOrgPaths = "aws:SourceOrgPaths",
    SourceVpc = "aws:SourceVpc",
    SourceVpcArn = "aws:SourceVpcArn",
    SourceVpce = "aws:SourceVpce",
    TagKeys = "aws:TagKeys",
    TokenIssueTime = "aws:TokenIssueTime",
    UserAgent = "aws:UserAgent",
    UserId = "aws:userid",
    UserName = "aws:username",
    ViaAwsService = "aws:ViaAWSService",
    VpceAccount = "aws:VpceAccount",
    VpceOrgId = "aws:VpceOrgID",
    VpceOrgPaths = "aws:VpceOrgPaths",
    VpcSourceIp = "aws:VpcSourceIp",
    BypassPolicyLockoutSafetyCheck = "kms:BypassPolicyLockoutSafetyCheck",
    CallerAccount = "kms:CallerAccount",
    CustomerMasterKeySpec = "kms:CustomerMasterKeySpec",
    CustomerMasterKeyUsage = "kms:CustomerMasterKeyUsage",
    DataKeyPairSpec = "kms:DataKeyPairSpec",
    EncapsulationAlgorithm = "kms:EncapsulationAlgorithm",
    EncryptionAlgorithm = "kms:EncryptionAlgorithm",
    EncryptionContextKeys = "kms:EncryptionContextKeys",
    ExpirationModel = "kms:ExpirationModel",
    GrantConstraintSourceArn = "kms:GrantConstraintSourceArn",
    GrantConstraintType = "kms:GrantConstraintType",
    GrantIsForAwsResource = "kms:GrantIsForAWSResource",
    GrantOperations = "kms:GrantOperations",
    GranteePrincipal = "kms:GranteePrincipal",
    GranteeServicePrincipal = "kms:GranteeServicePrincipal",
    KeyAgreementAlgorithm = "kms:KeyAgreementAlgorithm",
    KeyOrigin = "kms:KeyOrigin",
    KeySpec = "kms:KeySpec",
    KeyUsage = "kms:KeyUsage",
    MacAlgorithm = "kms:MacAlgorithm",
    MessageType = "kms:MessageType",
    MultiRegion = "kms:MultiRegion",
    MultiRegionKeyType = "kms:MultiRegionKeyType",
    PolicyName = "kms:PolicyName",
    PrimaryRegion = "kms:PrimaryRegion",
    ReEncryptOnSameKey = "kms:ReEncryptOnSameKey",
    RecipientAttestationImageSha384 = "kms:RecipientAttestation:ImageSha384",
    ReplicaRegion = "kms:ReplicaRegion",
    RequestAlias = "kms:RequestAlias",
    ResourceAliases = "kms:ResourceAliases",
    RetiringPrincipal = "kms:RetiringPrincipal",
    RetiringServicePrincipal = "kms:RetiringServicePrincipal",
    RotationPeriodInDays = "kms:RotationPeriodInDays",
    ScheduleKeyDeletionPendingWindowInDays = "kms:ScheduleKeyDeletionPendingWindowInDays",
    SigningAlgorithm = "kms:SigningAlgorithm",
    ValidTo = "kms:ValidTo",
    ViaService = "kms:ViaService",
    WrappingAlgorithm = "kms:WrappingAlgorithm",
    WrappingKeySpec = "kms:WrappingKeySpec",
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
    /// `kms:EncryptionContext:<k>`
    EncryptionContext(Folded),
    /// Any other name, in lower case.
    Other(Folded),
}

impl ContextKey {
    /// Reads a key's name. Every text is some key.
    pub fn parse(text: &str) -> Self {
        type Family = (&'static str, fn(Folded) -> ContextKey);
        const FAMILIES: [Family; 4] = [
            ("aws:principaltag/", ContextKey::PrincipalTag),
            ("aws:resourcetag/", ContextKey::ResourceTag),
            ("aws:requesttag/", ContextKey::RequestTag),
            ("kms:encryptioncontext:", ContextKey::EncryptionContext),
        ];
        let folded = text.to_lowercase();
        for (prefix, family) in FAMILIES {
            if let Some(name) = folded.strip_prefix(prefix) {
                return family(Folded(name.into()));
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
            Self::EncryptionContext(name) => write!(f, "kms:EncryptionContext:{}", name.0),
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
    fn get(&self, key: &ContextKey) -> Option<ContextValue<'_>>;

    /// What is taken for granted of statements; nothing in a decision.
    fn suppose(&self) -> Option<&dyn Suppose> {
        None
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::collections::BTreeMap;

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
        fn get(&self, key: &ContextKey) -> Option<ContextValue<'_>> {
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
