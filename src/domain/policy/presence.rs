//! Which condition keys a request can have: the columns "operations" and "type" of SPEC C.4 (CK-0 to CK-40).
//!
//! The lint warns by it, and the context of a request is held to it. Imports the tables of actions and keys.

use super::action::{ActionTarget, KmsAction};
use super::context::{ContextKey, KnownKey};

/// Whether the requests of an action carry a condition key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Presence {
    /// No request of the action has it (CK-40).
    Never,
    /// Some have it: it is a tag, an optional parameter, or seen by some fronts alone.
    Sometimes,
    /// Every request has it.
    Always,
}

impl ContextKey {
    /// Whether requests of `action` carry this key.
    pub fn presence(&self, action: KmsAction) -> Presence {
        match self {
            Self::Known(key) => key.presence(action),
            Self::PrincipalTag(_) => Presence::Sometimes,
            Self::ResourceTag(_) => sometimes(is_on_key(action) || action == KmsAction::CreateKey),
            // CK-37: a request to remove tags names their keys alone.
            Self::RequestTag(_) => {
                sometimes(takes_tags(action) && action != KmsAction::UntagResource)
            }
            Self::EncryptionContext(_) => sometimes(shows_encryption_context(action)),
            Self::Other(name) => match name.as_str() {
                name if is_attestation(name) => sometimes(takes_attestation(action)),
                "kms:trailingdayswithoutkeyusage" => sometimes(matches!(
                    action,
                    KmsAction::DisableKey | KmsAction::ScheduleKeyDeletion
                )),
                name => sometimes(!name.starts_with("kms:")),
            },
        }
    }

    /// Whether the key has several values (C-8, C-10).
    pub const fn is_multivalued(&self) -> bool {
        match self {
            Self::Known(key) => key.is_multivalued(),
            Self::PrincipalTag(_)
            | Self::ResourceTag(_)
            | Self::RequestTag(_)
            | Self::EncryptionContext(_)
            | Self::Other(_) => false,
        }
    }

    /// Whether it is known how many values the key has: the keys of others may be of either kind.
    pub(super) fn is_known(&self) -> bool {
        match self {
            Self::Other(name) => {
                is_attestation(name.as_str()) || name.as_str() == "kms:trailingdayswithoutkeyusage"
            }
            Self::Known(_)
            | Self::PrincipalTag(_)
            | Self::ResourceTag(_)
            | Self::RequestTag(_)
            | Self::EncryptionContext(_) => true,
        }
    }
}

impl KnownKey {
    /// Whether the key has several values (C-8, C-10).
    pub const fn is_multivalued(self) -> bool {
        matches!(
            self,
            Self::CalledVia
                | Self::EncryptionContextKeys
                | Self::GrantOperations
                | Self::PrincipalOrgPaths
                | Self::PrincipalServiceNamesList
                | Self::ResourceAliases
                | Self::ResourceOrgPaths
                | Self::SourceOrgPaths
                | Self::TagKeys
                | Self::VpceOrgPaths
        )
    }

    /// Whether requests of `action` carry this key.
    pub fn presence(self, action: KmsAction) -> Presence {
        use KmsAction as A;
        match self {
            Self::CurrentTime
            | Self::EpochTime
            | Self::PrincipalAccount
            | Self::PrincipalArn
            | Self::PrincipalIsAwsService
            | Self::PrincipalType
            | Self::RequestedRegion
            | Self::ResourceAccount
            | Self::SecureTransport
            | Self::UserId
            | Self::ViaAwsService => Presence::Always,
            Self::AssumedRoot
            | Self::CalledVia
            | Self::CalledViaFirst
            | Self::CalledViaLast
            | Self::MultiFactorAuthAge
            | Self::MultiFactorAuthPresent
            | Self::PrincipalOrgId
            | Self::PrincipalOrgPaths
            | Self::PrincipalServiceName
            | Self::PrincipalServiceNamesList
            | Self::Referer
            | Self::ResourceOrgId
            | Self::ResourceOrgPaths
            | Self::SourceAccount
            | Self::SourceArn
            | Self::SourceIdentity
            | Self::SourceIp
            | Self::SourceOrgId
            | Self::SourceOrgPaths
            | Self::SourceVpc
            | Self::SourceVpcArn
            | Self::SourceVpce
            | Self::TokenIssueTime
            | Self::UserAgent
            | Self::UserName
            | Self::VpceAccount
            | Self::VpceOrgId
            | Self::VpceOrgPaths
            | Self::VpcSourceIp => Presence::Sometimes,
            Self::TagKeys => match action {
                A::TagResource | A::UntagResource => Presence::Always,
                action => sometimes(takes_tags(action)),
            },
            Self::CallerAccount => always(
                is_on_key(action) || action == A::CreateKey || is_on_custom_key_store(action),
            ),
            Self::ViaService => sometimes(is_on_key(action) || action == A::CreateKey),
            Self::CustomerMasterKeySpec
            | Self::CustomerMasterKeyUsage
            | Self::KeyOrigin
            | Self::KeySpec
            | Self::KeyUsage
            | Self::MultiRegion => always(is_on_key(action) || action == A::CreateKey),
            Self::MultiRegionKeyType => sometimes(is_on_key(action) || action == A::CreateKey),
            Self::RequestAlias => sometimes(action.accepts_alias()),
            Self::ResourceAliases => sometimes(is_on_key(action)),
            Self::BypassPolicyLockoutSafetyCheck => sometimes(matches!(
                action,
                A::CreateKey | A::PutKeyPolicy | A::ReplicateKey
            )),
            Self::DataKeyPairSpec => always(matches!(
                action,
                A::GenerateDataKeyPair | A::GenerateDataKeyPairWithoutPlaintext
            )),
            Self::EncapsulationAlgorithm => {
                sometimes(matches!(action, A::Encapsulate | A::Decapsulate))
            }
            Self::EncryptionAlgorithm => always(action.has_encryption_context()),
            Self::EncryptionContextKeys => sometimes(shows_encryption_context(action)),
            Self::ExpirationModel | Self::ValidTo => sometimes(action == A::ImportKeyMaterial),
            Self::GrantConstraintType => {
                sometimes(matches!(action, A::CreateGrant | A::RetireGrant))
            }
            Self::GrantIsForAwsResource => always(matches!(
                action,
                A::CreateGrant | A::ListGrants | A::RevokeGrant
            )),
            Self::GrantOperations => always(action == A::CreateGrant),
            Self::GrantConstraintSourceArn
            | Self::GranteePrincipal
            | Self::GranteeServicePrincipal
            | Self::RetiringPrincipal
            | Self::RetiringServicePrincipal => sometimes(action == A::CreateGrant),
            Self::KeyAgreementAlgorithm => always(action == A::DeriveSharedSecret),
            Self::MacAlgorithm => always(matches!(action, A::GenerateMac | A::VerifyMac)),
            Self::MessageType | Self::SigningAlgorithm => {
                always(matches!(action, A::Sign | A::Verify))
            }
            Self::PolicyName => always(matches!(action, A::GetKeyPolicy | A::PutKeyPolicy)),
            Self::PrimaryRegion => always(action == A::UpdatePrimaryRegion),
            Self::ReEncryptOnSameKey => always(matches!(action, A::ReEncryptFrom | A::ReEncryptTo)),
            Self::RecipientAttestationImageSha384 => sometimes(takes_attestation(action)),
            Self::ReplicaRegion => always(action == A::ReplicateKey),
            Self::RotationPeriodInDays => sometimes(action == A::EnableKeyRotation),
            Self::ScheduleKeyDeletionPendingWindowInDays => {
                sometimes(action == A::ScheduleKeyDeletion)
            }
            Self::WrappingAlgorithm | Self::WrappingKeySpec => {
                always(action == A::GetParametersForImport)
            }
        }
    }
}

const fn sometimes(applies: bool) -> Presence {
    if applies {
        Presence::Sometimes
    } else {
        Presence::Never
    }
}

const fn always(applies: bool) -> Presence {
    if applies {
        Presence::Always
    } else {
        Presence::Never
    }
}

const fn is_on_key(action: KmsAction) -> bool {
    !matches!(action.target(), ActionTarget::None)
}

const fn is_on_custom_key_store(action: KmsAction) -> bool {
    matches!(
        action,
        KmsAction::ConnectCustomKeyStore
            | KmsAction::CreateCustomKeyStore
            | KmsAction::DeleteCustomKeyStore
            | KmsAction::DescribeCustomKeyStores
            | KmsAction::DisconnectCustomKeyStore
            | KmsAction::UpdateCustomKeyStore
    )
}

/// CK-37, CK-38.
const fn takes_tags(action: KmsAction) -> bool {
    matches!(
        action,
        KmsAction::CreateKey
            | KmsAction::ReplicateKey
            | KmsAction::TagResource
            | KmsAction::UntagResource
    )
}

/// CK-7, CK-8.
const fn shows_encryption_context(action: KmsAction) -> bool {
    action.has_encryption_context()
        || matches!(action, KmsAction::CreateGrant | KmsAction::RetireGrant)
}

/// CK-25.
fn is_attestation(name: &str) -> bool {
    let register = |prefix: &str, count: u8| {
        name.strip_prefix(prefix)
            .and_then(|number| {
                number
                    .parse::<u8>()
                    .ok()
                    .filter(|n| n.to_string() == number)
            })
            .is_some_and(|number| number < count)
    };
    register("kms:recipientattestation:pcr", 32)
        || register("kms:recipientattestation:nitrotpmpcr", 24)
}

const fn takes_attestation(action: KmsAction) -> bool {
    matches!(
        action,
        KmsAction::Decrypt
            | KmsAction::DeriveSharedSecret
            | KmsAction::GenerateDataKey
            | KmsAction::GenerateDataKeyPair
            | KmsAction::GenerateRandom
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    fn reference() -> Value {
        let text = include_str!("../../../docs/kms-authorization-reference.json");
        serde_json::from_str(text).unwrap()
    }

    fn key(name: &str) -> ContextKey {
        ContextKey::parse(
            &name
                .replace("${TagKey}", "t")
                .replace("${EncryptionContextKey}", "c"),
        )
    }

    /// CK-1 to CK-38: every key that AWS's reference lists for an action can be present there.
    #[test]
    fn every_key_of_the_reference_applies_to_its_action() {
        let reference = reference();
        for action in reference["actions"].as_array().unwrap() {
            let known = KmsAction::by_name(action["name"].as_str().unwrap()).unwrap();
            for name in action["conditionKeys"].as_array().unwrap() {
                let name = name.as_str().unwrap();
                assert_ne!(key(name).presence(known), Presence::Never, "{known} {name}");
            }
        }
    }

    /// CK-40: a key that the reference lists for some actions alone is never present elsewhere. The specification
    /// adds what its table says beyond the reference.
    #[test]
    fn key_that_the_reference_does_not_list_for_an_action_is_never_present() {
        let beyond = |name: &str, action: KmsAction| match name {
            "aws:RequestTag/${TagKey}" => action == KmsAction::ReplicateKey,
            "aws:TagKeys" | "kms:BypassPolicyLockoutSafetyCheck" => {
                action == KmsAction::ReplicateKey
            }
            // Properties of the key are listed with the resource, not with the action.
            "aws:ResourceTag/${TagKey}"
            | "kms:KeyOrigin"
            | "kms:KeySpec"
            | "kms:KeyUsage"
            | "kms:MultiRegion"
            | "kms:MultiRegionKeyType"
            | "kms:CallerAccount"
            | "kms:ViaService" => action.target() != ActionTarget::None,
            // The reference does not have the two actions yet (G-6).
            "kms:RequestAlias" => {
                matches!(action, KmsAction::Encapsulate | KmsAction::Decapsulate)
            }
            _ => false,
        };
        let reference = reference();
        let actions = reference["actions"].as_array().unwrap();
        let mut seen = 0;
        for name in reference["conditionKeys"].as_array().unwrap() {
            let name = name["name"].as_str().unwrap();
            let lists = |action: &KmsAction| {
                let row = actions.iter().find(|row| row["name"] == action.name());
                row.is_some_and(|row| {
                    row["conditionKeys"]
                        .as_array()
                        .unwrap()
                        .iter()
                        .any(|k| k == name)
                })
            };
            if !actions.iter().any(|row| {
                row["conditionKeys"]
                    .as_array()
                    .unwrap()
                    .iter()
                    .any(|k| k == name)
            }) {
                continue;
            }
            for action in KmsAction::ALL {
                if !lists(action) && !beyond(name, *action) {
                    seen += 1;
                    assert_eq!(
                        key(name).presence(*action),
                        Presence::Never,
                        "{action} {name}"
                    );
                }
            }
        }
        assert!(seen > 1_000);
    }

    /// C-10: how many values a key has is what the reference says.
    #[test]
    fn number_of_values_is_that_of_the_reference() {
        for row in reference()["conditionKeys"].as_array().unwrap() {
            let name = row["name"].as_str().unwrap();
            assert_eq!(
                key(name).is_multivalued(),
                row["multivalued"] == true,
                "{name}"
            );
            assert!(key(name).is_known(), "{name}");
        }
    }
}
