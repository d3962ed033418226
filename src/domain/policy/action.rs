//! The closed table of KMS actions, and sets of actions as one machine word.
//!
//! Rows from the service authorization reference; `Encapsulate` and `Decapsulate` from the API model (G-6).

use std::fmt;

use super::text::{Case, Fault, Template};

/// What an action is authorized against.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ActionTarget {
    /// No resource: identity policies alone decide, on `*` (P-12).
    None,
    /// One key.
    Key,
    /// A key and an alias, each asked separately (D-14).
    KeyAndAlias,
}

impl ActionTarget {
    /// Whether a key is named.
    pub const fn is_key(self) -> bool {
        matches!(self, Self::Key | Self::KeyAndAlias)
    }
}

macro_rules! kms_actions {
    ($($name:ident: $target:ident, $reach:ident, $grant:ident, $kind:ident;)*) => {
        /// An action of KMS.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[allow(missing_docs, reason = "the names are AWS's own")]
        pub enum KmsAction { $($name,)* }

        impl KmsAction {
            /// Every action, in the order of their names.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The name without `kms:`.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => stringify!($name),)* }
            }

            /// The name with `kms:`.
            pub const fn full_name(self) -> &'static str {
                match self { $(Self::$name => concat!("kms:", stringify!($name)),)* }
            }

            /// What it is authorized against.
            pub const fn target(self) -> ActionTarget {
                match self { $(Self::$name => ActionTarget::$target,)* }
            }

            /// Whether a principal of another account can be allowed it (D-8).
            pub const fn is_cross_account(self) -> bool {
                match self { $(Self::$name => matches!(Reach::$reach, Reach::Across),)* }
            }

            /// Whether a grant may hold it (G-6).
            pub const fn is_grantable(self) -> bool {
                match self { $(Self::$name => matches!(Hold::$grant, Hold::Grantable),)* }
            }

            /// Whether it uses key material.
            pub const fn is_cryptographic(self) -> bool {
                match self { $(Self::$name => matches!(Kind::$kind, Kind::Cryptographic),)* }
            }
        }
    };
}

enum Reach {
    Within,
    Across,
}

enum Hold {
    Grantable,
    NotGrantable,
}

enum Kind {
    Cryptographic,
    Administrative,
}

kms_actions! {
    CancelKeyDeletion: Key, Within, NotGrantable, Administrative;
    ConnectCustomKeyStore: None, Within, NotGrantable, Administrative;
    CreateAlias: KeyAndAlias, Within, NotGrantable, Administrative;
    CreateCustomKeyStore: None, Within, NotGrantable, Administrative;
    CreateGrant: Key, Across, Grantable, Administrative;
    CreateKey: None, Within, NotGrantable, Administrative;
    Decapsulate: Key, Across, Grantable, Cryptographic;
    Decrypt: Key, Across, Grantable, Cryptographic;
    DeleteAlias: KeyAndAlias, Within, NotGrantable, Administrative;
    DeleteCustomKeyStore: None, Within, NotGrantable, Administrative;
    DeleteImportedKeyMaterial: Key, Within, NotGrantable, Administrative;
    DeriveSharedSecret: Key, Across, Grantable, Cryptographic;
    DescribeCustomKeyStores: None, Within, NotGrantable, Administrative;
    DescribeKey: Key, Across, Grantable, Administrative;
    DisableKey: Key, Within, NotGrantable, Administrative;
    DisableKeyRotation: Key, Within, NotGrantable, Administrative;
    DisconnectCustomKeyStore: None, Within, NotGrantable, Administrative;
    EnableKey: Key, Within, NotGrantable, Administrative;
    EnableKeyRotation: Key, Within, NotGrantable, Administrative;
    Encapsulate: Key, Across, Grantable, Cryptographic;
    Encrypt: Key, Across, Grantable, Cryptographic;
    GenerateDataKey: Key, Across, Grantable, Cryptographic;
    GenerateDataKeyPair: Key, Across, Grantable, Cryptographic;
    GenerateDataKeyPairWithoutPlaintext: Key, Across, Grantable, Cryptographic;
    GenerateDataKeyWithoutPlaintext: Key, Across, Grantable, Cryptographic;
    GenerateMac: Key, Across, Grantable, Cryptographic;
    GenerateRandom: None, Within, NotGrantable, Cryptographic;
    GetKeyLastUsage: Key, Within, NotGrantable, Administrative;
    GetKeyPolicy: Key, Within, NotGrantable, Administrative;
    GetKeyRotationStatus: Key, Across, NotGrantable, Administrative;
    GetParametersForImport: Key, Within, NotGrantable, Administrative;
    GetPublicKey: Key, Across, Grantable, Administrative;
    ImportKeyMaterial: Key, Within, NotGrantable, Administrative;
    ListAliases: None, Within, NotGrantable, Administrative;
    ListGrants: Key, Across, NotGrantable, Administrative;
    ListKeyPolicies: Key, Within, NotGrantable, Administrative;
    ListKeyRotations: Key, Within, NotGrantable, Administrative;
    ListKeys: None, Within, NotGrantable, Administrative;
    ListResourceTags: Key, Within, NotGrantable, Administrative;
    ListRetirableGrants: None, Within, NotGrantable, Administrative;
    PutKeyPolicy: Key, Within, NotGrantable, Administrative;
    ReEncryptFrom: Key, Across, Grantable, Cryptographic;
    ReEncryptTo: Key, Across, Grantable, Cryptographic;
    ReplicateKey: Key, Within, NotGrantable, Administrative;
    RetireGrant: Key, Across, Grantable, Administrative;
    RevokeGrant: Key, Across, NotGrantable, Administrative;
    RotateKeyOnDemand: Key, Within, NotGrantable, Administrative;
    ScheduleKeyDeletion: Key, Within, NotGrantable, Administrative;
    Sign: Key, Across, Grantable, Cryptographic;
    SynchronizeMultiRegionKey: Key, Within, NotGrantable, Administrative;
    TagResource: Key, Within, NotGrantable, Administrative;
    UntagResource: Key, Within, NotGrantable, Administrative;
    UpdateAlias: KeyAndAlias, Within, NotGrantable, Administrative;
    UpdateCustomKeyStore: None, Within, NotGrantable, Administrative;
    UpdateKeyDescription: Key, Within, NotGrantable, Administrative;
    UpdatePrimaryRegion: Key, Within, NotGrantable, Administrative;
    Verify: Key, Across, Grantable, Cryptographic;
    VerifyMac: Key, Across, Grantable, Cryptographic;
}

// INVARIANT: a set of KMS actions is one `u64`.
const _: () = assert!(KmsAction::ALL.len() <= 64);

impl KmsAction {
    /// The action with this name, `kms:` left out, in any letter case (P-10).
    pub fn by_name(name: &str) -> Option<Self> {
        Self::ALL
            .iter()
            .copied()
            .find(|action| action.name().eq_ignore_ascii_case(name))
    }

    /// Whether its `KeyId` may be an alias name or alias ARN (ID-6).
    pub const fn accepts_alias(self) -> bool {
        matches!(self, Self::DescribeKey | Self::GetPublicKey)
            || (self.is_cryptographic() && matches!(self.target(), ActionTarget::Key))
    }

    /// Whether its requests carry an encryption context, to which grant constraints apply (G-27).
    pub const fn has_encryption_context(self) -> bool {
        matches!(
            self,
            Self::Encrypt
                | Self::Decrypt
                | Self::GenerateDataKey
                | Self::GenerateDataKeyWithoutPlaintext
                | Self::GenerateDataKeyPair
                | Self::GenerateDataKeyPairWithoutPlaintext
                | Self::ReEncryptFrom
                | Self::ReEncryptTo
        )
    }

    const fn bit(self) -> u64 {
        1 << self as u32
    }
}

impl fmt::Display for KmsAction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.full_name())
    }
}

/// What a request asks to do.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Action {
    /// An action of the closed table.
    Kms(KmsAction),
    /// An action of another service, such as `iam:CreateUser`.
    Other(Box<str>),
}

impl Action {
    /// Reads `service:Name`. A name of `kms:` that the table does not have is kept as text: no grant can hold it.
    pub fn parse(text: &str) -> Self {
        let known = text
            .split_once(':')
            .filter(|(service, _)| service.eq_ignore_ascii_case("kms"))
            .and_then(|(_, name)| KmsAction::by_name(name));
        known.map_or_else(|| Self::Other(text.into()), Self::Kms)
    }

    /// `service:Name`.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Kms(action) => action.full_name(),
            Self::Other(text) => text,
        }
    }

    /// The KMS action, if it is one.
    pub const fn kms(&self) -> Option<KmsAction> {
        match self {
            Self::Kms(action) => Some(*action),
            Self::Other(_) => None,
        }
    }
}

impl From<KmsAction> for Action {
    fn from(action: KmsAction) -> Self {
        Self::Kms(action)
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The compiled `Action` or `NotAction` of a statement (P-10).
#[derive(Debug)]
pub(super) struct ActionSet {
    /// The KMS actions that the patterns match.
    kms: u64,
    /// The patterns that may match actions outside the table.
    others: Box<[Template]>,
    /// Whether a pattern is of KMS, or of every service.
    names_kms: bool,
    negated: bool,
}

impl ActionSet {
    /// Compiles the patterns; the error is the index of the pattern that is none.
    pub fn compile<'a>(
        patterns: impl Iterator<Item = &'a str>,
        negated: bool,
    ) -> Result<Self, usize> {
        let mut kms = 0;
        let mut others = Vec::new();
        let mut names_kms = false;
        for (index, text) in patterns.enumerate() {
            if !is_pattern(text) {
                return Err(index);
            }
            let template = Template::parse(
                text,
                super::text::Syntax {
                    wildcards: true,
                    variables: false,
                },
            )
            .map_err(|Fault { .. }| index)?;
            let service = text.split_once(':').map_or(text, |(service, _)| service);
            names_kms |= service == "*" || service.eq_ignore_ascii_case("kms");
            let mut is_known = false;
            for action in KmsAction::ALL {
                if template.matches_plain(action.full_name(), Case::Folded) {
                    kms |= action.bit();
                    is_known = true;
                }
            }
            // A literal that names a row of the table names nothing else.
            if !is_known || !template.is_literal() {
                others.push(template);
            }
        }
        Ok(Self {
            kms,
            others: others.into(),
            names_kms,
            negated,
        })
    }

    /// Whether it is about KMS at all: it names an action or a pattern of KMS or of every service, or what it is not about.
    pub const fn is_of_kms(&self) -> bool {
        self.names_kms || self.negated
    }

    pub fn contains(&self, action: &Action) -> bool {
        let hit = match action {
            Action::Kms(action) => self.kms & action.bit() != 0,
            Action::Other(text) => self
                .others
                .iter()
                .any(|t| t.matches_plain(text, Case::Folded)),
        };
        hit != self.negated
    }
}

/// `*`, or `service:name` with wildcards in the name alone (`*:*` is taken as `*`).
fn is_pattern(text: &str) -> bool {
    if matches!(text, "*" | "*:*") {
        return true;
    }
    let Some((service, name)) = text.split_once(':') else {
        return false;
    };
    let in_service = |b: u8| b.is_ascii_alphanumeric() || b == b'-';
    let in_name = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'*' | b'?' | b'-' | b'_');
    !service.is_empty()
        && service.bytes().all(in_service)
        && !name.is_empty()
        && name.bytes().all(in_name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(patterns: &[&str], negated: bool) -> ActionSet {
        ActionSet::compile(patterns.iter().copied(), negated).unwrap()
    }

    fn has(set: &ActionSet, action: &str) -> bool {
        set.contains(&Action::parse(action))
    }

    /// P-10: prefix and name in any letter case; wildcards in the name.
    #[test]
    fn action_pattern_in_another_letter_case_matches() {
        let some = set(&["KMS:decrypt", "kms:GenerateDataKey*", "kms:?ign"], false);
        for yes in [
            "kms:Decrypt",
            "KMS:DECRYPT",
            "kms:GenerateDataKey",
            "kms:GenerateDataKeyPair",
            "kms:Sign",
        ] {
            assert!(has(&some, yes), "{yes}");
        }
        for no in ["kms:Encrypt", "kms:Verify", "iam:Decrypt", "kms:CreateKey"] {
            assert!(!has(&some, no), "{no}");
        }
    }

    /// P-10: `NotAction` is every action not matched, of other services too.
    #[test]
    fn not_action_is_every_other_action() {
        let rest = set(&["kms:Decrypt", "iam:*"], true);
        assert!(!has(&rest, "kms:decrypt"));
        assert!(!has(&rest, "iam:CreateUser"));
        assert!(has(&rest, "kms:Encrypt"));
        assert!(has(&rest, "s3:GetObject"));
    }

    /// P-10: `*` and `kms:*`.
    #[test]
    fn star_matches_every_action_of_its_reach() {
        assert!(has(&set(&["*"], false), "iam:CreateUser"));
        assert!(has(&set(&["*"], false), "kms:CreateKey"));
        assert!(has(&set(&["kms:*"], false), "kms:CreateKey"));
        assert!(has(&set(&["kms:*"], false), "kms:NotInTheTable"));
        assert!(!has(&set(&["kms:*"], false), "iam:CreateUser"));
    }

    /// P-10: an action that the table lacks is matched by its own name like any other.
    #[test]
    fn action_outside_the_table_matches_its_own_name() {
        let some = set(&["kms:NotInTheTable"], false);
        assert!(has(&some, "KMS:notinthetable"));
        assert!(!has(&some, "kms:Decrypt"));
        assert!(!has(
            &set(&["kms:NotInTheTable"], true),
            "kms:NotInTheTable"
        ));
    }

    /// P-9: `kms:Delete*` does not reach key deletion, `kms:Create*` reaches CreateGrant.
    #[test]
    fn console_administrator_patterns_reach_what_aws_says() {
        let some = set(&["kms:Create*", "kms:Delete*"], false);
        assert!(has(&some, "kms:CreateGrant"));
        assert!(has(&some, "kms:DeleteAlias"));
        assert!(!has(&some, "kms:ScheduleKeyDeletion"));
    }

    #[test]
    fn action_pattern_without_a_service_is_refused() {
        for text in [
            "Decrypt",
            "kms:",
            ":Decrypt",
            "k*:Decrypt",
            "kms:De crypt",
            "",
            "kms:Decrypt:x",
            "kms/Decrypt",
        ] {
            assert_eq!(
                ActionSet::compile([text].into_iter(), false).err(),
                Some(0),
                "{text}"
            );
        }
    }

    /// D-8, ID-6, G-27: the columns of the table.
    #[test]
    fn table_knows_reach_aliases_and_contexts() {
        assert!(
            KmsAction::Decrypt.is_cross_account() && !KmsAction::PutKeyPolicy.is_cross_account()
        );
        assert!(
            KmsAction::DescribeKey.accepts_alias() && !KmsAction::GenerateRandom.accepts_alias()
        );
        assert!(!KmsAction::CreateGrant.accepts_alias());
        assert!(
            KmsAction::ReEncryptTo.has_encryption_context()
                && !KmsAction::Sign.has_encryption_context()
        );
        assert_eq!(KmsAction::CreateAlias.target(), ActionTarget::KeyAndAlias);
        assert_eq!(
            KmsAction::ALL.iter().filter(|a| a.is_grantable()).count(),
            19
        );
    }
}
