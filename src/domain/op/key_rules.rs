//! What a key's state and kind allow, as tables (ST-2, ST-3, W-4, G-7).

use super::ErrorCode;
use super::refusal::{Said, said};
use crate::domain::ids::KeyArn;
use crate::domain::policy::KmsAction;
use crate::domain::state::State;
use crate::domain::state::grant::{GrantOperation, GrantOperations};
use crate::domain::state::key::{
    Key, KeyFamily, KeyManager, KeyOrigin, KeySpec, KeyState, KeyUsage, MultiRegionKeyType,
};

/// A row of the table of key states (ST-2).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum StateRule {
    /// DescribeKey, listings, policies, RetireGrant, RevokeGrant, DeleteAlias: in every state.
    Always,
    /// ScheduleKeyDeletion.
    Schedule,
    /// CancelKeyDeletion.
    Cancel,
    /// ReplicateKey.
    Replicate,
    /// UpdatePrimaryRegion.
    MovePrimary,
    /// ImportKeyMaterial.
    Import,
    /// GetParametersForImport.
    PrepareImport,
    /// DeleteImportedKeyMaterial.
    DropMaterial,
    /// EnableKeyRotation, DisableKeyRotation.
    Rotation,
    /// GetKeyRotationStatus.
    RotationStatus,
    /// RotateKeyOnDemand.
    RotateNow,
    /// CreateGrant.
    Grant,
    /// Cryptographic operations and GetPublicKey.
    Use,
    /// CreateAlias, UpdateAlias (of the new key), TagResource, UntagResource, UpdateKeyDescription.
    Edit,
    /// EnableKey, DisableKey.
    Toggle,
}

/// What the state of a key stands in the way with. The numbers are those of ST-2.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Obstacle {
    /// 1
    Disabled,
    /// 2, 3 and 8
    PendingDeletion,
    /// 4
    NotPendingDeletion,
    /// 6, 9, and 7 by origin
    Origin(KeyOrigin),
    /// 7 by spec
    Spec(KeySpec),
    /// 5
    PendingImport,
    /// 11
    Unavailable,
    /// 14
    Creating,
    /// 15
    Updating,
}

impl StateRule {
    /// The rule of an action of KMS.
    pub const fn of(action: KmsAction) -> Self {
        match action {
            KmsAction::CreateGrant => Self::Grant,
            KmsAction::GetPublicKey => Self::Use,
            KmsAction::CreateAlias
            | KmsAction::UpdateAlias
            | KmsAction::TagResource
            | KmsAction::UntagResource
            | KmsAction::UpdateKeyDescription => Self::Edit,
            KmsAction::EnableKey | KmsAction::DisableKey => Self::Toggle,
            KmsAction::ScheduleKeyDeletion => Self::Schedule,
            KmsAction::CancelKeyDeletion => Self::Cancel,
            KmsAction::ReplicateKey => Self::Replicate,
            KmsAction::UpdatePrimaryRegion => Self::MovePrimary,
            KmsAction::ImportKeyMaterial => Self::Import,
            KmsAction::GetParametersForImport => Self::PrepareImport,
            KmsAction::DeleteImportedKeyMaterial => Self::DropMaterial,
            KmsAction::EnableKeyRotation | KmsAction::DisableKeyRotation => Self::Rotation,
            KmsAction::GetKeyRotationStatus => Self::RotationStatus,
            KmsAction::RotateKeyOnDemand => Self::RotateNow,
            other if other.is_cryptographic() => Self::Use,
            _ => Self::Always,
        }
    }

    /// What stands in the way of this rule on a key of this state and kind.
    const fn obstacle(self, state: KeyState, kind: Kind) -> Option<Obstacle> {
        use KeyState as S;
        use Obstacle as O;
        match self {
            Self::Always => None,
            Self::Grant => match state {
                S::Enabled | S::Unavailable | S::Updating => None,
                other => Some(O::of(other)),
            },
            Self::Use => match state {
                S::Enabled | S::Updating => None,
                other => Some(O::of(other)),
            },
            Self::Edit => match state {
                S::PendingDeletion | S::PendingReplicaDeletion => Some(O::PendingDeletion),
                _ => None,
            },
            Self::Toggle => match state {
                S::Enabled | S::Disabled | S::Unavailable => None,
                other => Some(O::of(other)),
            },
            Self::Schedule => match state {
                S::PendingDeletion | S::PendingReplicaDeletion => Some(O::PendingDeletion),
                S::Updating => Some(O::Updating),
                _ => None,
            },
            Self::Cancel => match state {
                S::PendingDeletion | S::PendingReplicaDeletion => None,
                _ => Some(O::NotPendingDeletion),
            },
            Self::Replicate => match state {
                S::Enabled => None,
                other => Some(O::of(other)),
            },
            Self::MovePrimary => match state {
                S::Enabled | S::Updating => None,
                other => Some(O::of(other)),
            },
            Self::Import | Self::PrepareImport | Self::DropMaterial => match (state, self) {
                (S::Creating, _) => Some(O::Creating),
                _ if !kind.is_imported() => Some(O::Origin(kind.origin)),
                (
                    S::PendingDeletion | S::PendingReplicaDeletion,
                    Self::Import | Self::PrepareImport,
                ) => Some(O::PendingDeletion),
                (S::Updating, Self::PrepareImport | Self::DropMaterial) => Some(O::Updating),
                _ => None,
            },
            Self::Rotation => match (state, kind.cannot_rotate(RotatedOrigins::Own)) {
                (S::Creating, _) => Some(O::Creating),
                (_, Some(obstacle)) => Some(obstacle),
                (S::Enabled | S::Updating, None) => None,
                (other, None) => Some(O::of(other)),
            },
            Self::RotationStatus => kind.cannot_rotate(RotatedOrigins::Own),
            Self::RotateNow => match (state, kind.cannot_rotate(RotatedOrigins::OwnAndImported)) {
                (S::Enabled | S::Updating | S::Unavailable, obstacle) => obstacle,
                (other, _) => Some(O::of(other)),
            },
        }
    }
}

impl Obstacle {
    /// The state itself, for an operation that it stands in the way of.
    const fn of(state: KeyState) -> Self {
        match state {
            KeyState::Disabled => Self::Disabled,
            KeyState::PendingDeletion | KeyState::PendingReplicaDeletion => Self::PendingDeletion,
            KeyState::PendingImport => Self::PendingImport,
            KeyState::Unavailable => Self::Unavailable,
            KeyState::Creating => Self::Creating,
            // An enabled key stands in nobody's way: no rule asks.
            KeyState::Updating | KeyState::Enabled => Self::Updating,
        }
    }
}

/// What of a key, beside its state, the table of states looks at.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Kind {
    origin: KeyOrigin,
    spec: KeySpec,
}

/// Whose material can be rotated.
#[derive(Clone, Copy)]
enum RotatedOrigins {
    /// AWS_KMS.
    Own,
    /// AWS_KMS and EXTERNAL.
    OwnAndImported,
}

impl Kind {
    const fn is_imported(self) -> bool {
        matches!(self.origin, KeyOrigin::External)
    }

    /// Why the material of such a key is never rotated.
    const fn cannot_rotate(self, origins: RotatedOrigins) -> Option<Obstacle> {
        match (self.origin, origins) {
            (KeyOrigin::AwsKms, _) | (KeyOrigin::External, RotatedOrigins::OwnAndImported) => {
                if self.spec.is_symmetric() {
                    None
                } else {
                    Some(Obstacle::Spec(self.spec))
                }
            }
            (origin, _) => Some(Obstacle::Origin(origin)),
        }
    }
}

/// A key in a state in which the operation does not work (ST-2).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BadState {
    key: KeyArn,
    obstacle: Obstacle,
}

impl From<BadState> for super::Rejection {
    fn from(BadState { key, obstacle }: BadState) -> Self {
        let invalid = ErrorCode::KmsInvalidState;
        match obstacle {
            Obstacle::Disabled => said(ErrorCode::Disabled, format_args!("{key} is disabled.")),
            Obstacle::PendingDeletion => said(invalid, format_args!("{key} is pending deletion.")),
            Obstacle::NotPendingDeletion => {
                said(invalid, format_args!("{key} is not pending deletion."))
            }
            Obstacle::Origin(origin) => said(
                ErrorCode::UnsupportedOperation,
                format_args!("{key} origin is {origin} which is not valid for this operation."),
            ),
            Obstacle::Spec(spec) => said(
                ErrorCode::UnsupportedOperation,
                format_args!("{key} key spec is {spec} which is not valid for this operation."),
            ),
            Obstacle::PendingImport => said(invalid, format_args!("{key} is pending import.")),
            Obstacle::Unavailable => said(invalid, format_args!("{key} is unavailable.")),
            Obstacle::Creating => said(invalid, format_args!("{key} is creating.")),
            Obstacle::Updating => said(invalid, format_args!("{key} is updating.")),
        }
        .into()
    }
}

/// Whether the key's state, which its custom key store has a part in (K-12), lets an operation of this rule work.
pub fn check_state(rule: StateRule, state: &State, key: &Key) -> Result<(), BadState> {
    let kind = Kind {
        origin: key.origin,
        spec: key.spec,
    };
    match rule.obstacle(state.key_state(key), kind) {
        None => Ok(()),
        Some(obstacle) => Err(BadState {
            key: key.arn.clone(),
            obstacle,
        }),
    }
}

/// Refuses a key that a customer does not manage (ST-5).
pub fn check_customer_managed(key: &Key) -> Result<(), Said> {
    match key.manager {
        KeyManager::Customer => Ok(()),
        KeyManager::Aws => Err(said(
            ErrorCode::NotAuthorized,
            format_args!(
                "{} is an AWS managed key: customers cannot change it",
                key.arn
            ),
        )),
    }
}

/// Refuses a key that is no multi-Region primary (W-5).
pub fn check_primary(key: &Key) -> Result<(), Said> {
    match key.multi_region {
        Some(MultiRegionKeyType::Primary) => Ok(()),
        Some(MultiRegionKeyType::Replica) | None => Err(said(
            ErrorCode::UnsupportedOperation,
            format_args!("{} is not a multi-region primary key.", key.arn),
        )),
    }
}

/// The state of a key that is enabled or disabled: one whose store is disconnected stays Unavailable (ST-2).
pub const fn toggled(now: KeyState, wanted: KeyState) -> KeyState {
    match now {
        KeyState::Unavailable => KeyState::Unavailable,
        _ => wanted,
    }
}

/// Whether a key could be used for a permitted action now: its state, then its usage (ST-2, ST-3).
pub fn check_usable(action: KmsAction, state: &State, key: &Key) -> Result<(), super::Rejection> {
    check_state(StateRule::of(action), state, key)?;
    let Some(operation) = GrantOperation::ALL
        .iter()
        .find(|op| op.as_str() == action.name())
    else {
        return Ok(());
    };
    let usages = usages_of(*operation);
    if usages.is_empty() || usages.contains(&key.usage) {
        return Ok(());
    }
    if action == KmsAction::Decrypt {
        return Err(said(
            ErrorCode::IncorrectKey,
            "The key ID in the request does not identify a CMK that can perform this operation.",
        )
        .into());
    }
    let Key { arn, usage, .. } = key;
    let name = match action {
        KmsAction::ReEncryptFrom | KmsAction::ReEncryptTo => "ReEncrypt",
        other => other.name(),
    };
    Err(said(
        ErrorCode::InvalidKeyUsage,
        format_args!("{arn} key usage is {usage} which is not valid for {name}."),
    )
    .into())
}

/// The usages that an operation works with; empty: any (G-7).
const fn usages_of(operation: GrantOperation) -> &'static [KeyUsage] {
    match operation {
        GrantOperation::Encrypt
        | GrantOperation::Decrypt
        | GrantOperation::ReEncryptFrom
        | GrantOperation::ReEncryptTo
        | GrantOperation::GenerateDataKey
        | GrantOperation::GenerateDataKeyWithoutPlaintext
        | GrantOperation::GenerateDataKeyPair
        | GrantOperation::GenerateDataKeyPairWithoutPlaintext => &[KeyUsage::EncryptDecrypt],
        GrantOperation::Sign | GrantOperation::Verify => &[KeyUsage::SignVerify],
        GrantOperation::GenerateMac | GrantOperation::VerifyMac => &[KeyUsage::GenerateVerifyMac],
        GrantOperation::DeriveSharedSecret => &[KeyUsage::KeyAgreement],
        GrantOperation::Encapsulate | GrantOperation::Decapsulate => {
            &[KeyUsage::EncapsulateDecapsulate]
        }
        GrantOperation::GetPublicKey
        | GrantOperation::DescribeKey
        | GrantOperation::CreateGrant
        | GrantOperation::RetireGrant => &[],
    }
}

/// What a key of this spec may be for (W-4).
pub const fn usages_of_spec(spec: KeySpec) -> &'static [KeyUsage] {
    match spec.family() {
        KeyFamily::Symmetric => &[KeyUsage::EncryptDecrypt],
        KeyFamily::Hmac => &[KeyUsage::GenerateVerifyMac],
        KeyFamily::Rsa => &[KeyUsage::EncryptDecrypt, KeyUsage::SignVerify],
        KeyFamily::EccNist => &[KeyUsage::SignVerify, KeyUsage::KeyAgreement],
        KeyFamily::EccOther | KeyFamily::MlDsa => &[KeyUsage::SignVerify],
        KeyFamily::MlKem => &[KeyUsage::EncapsulateDecapsulate],
        KeyFamily::Sm2 => &[
            KeyUsage::EncryptDecrypt,
            KeyUsage::SignVerify,
            KeyUsage::KeyAgreement,
        ],
    }
}

/// The operations that a grant on this key may hold (G-7).
pub fn grantable(key: &Key) -> GrantOperations {
    let symmetric = key.spec.is_symmetric();
    let in_store = matches!(
        key.origin,
        KeyOrigin::AwsCloudHsm | KeyOrigin::ExternalKeyStore
    );
    let supported = |operation: GrantOperation| match operation {
        // U-4: not in custom key stores.
        GrantOperation::GenerateDataKeyPair
        | GrantOperation::GenerateDataKeyPairWithoutPlaintext => symmetric && !in_store,
        GrantOperation::GenerateDataKey | GrantOperation::GenerateDataKeyWithoutPlaintext => {
            symmetric
        }
        GrantOperation::GetPublicKey => !symmetric && key.spec.family() != KeyFamily::Hmac,
        GrantOperation::DescribeKey | GrantOperation::CreateGrant | GrantOperation::RetireGrant => {
            true
        }
        GrantOperation::Encrypt
        | GrantOperation::Decrypt
        | GrantOperation::ReEncryptFrom
        | GrantOperation::ReEncryptTo
        | GrantOperation::Sign
        | GrantOperation::Verify
        | GrantOperation::GenerateMac
        | GrantOperation::VerifyMac
        | GrantOperation::DeriveSharedSecret
        | GrantOperation::Encapsulate
        | GrantOperation::Decapsulate => usages_of(operation).contains(&key.usage),
    };
    GrantOperation::ALL
        .iter()
        .copied()
        .filter(|operation| supported(*operation))
        .collect()
}

/// The usage of a key to be made (W-4): as asked for, or the only one that needs no asking.
pub fn usage_for(spec: KeySpec, usage: Option<KeyUsage>) -> Result<KeyUsage, Said> {
    let usage = match usage {
        Some(usage) => usage,
        None if spec.is_symmetric() => KeyUsage::EncryptDecrypt,
        None => {
            return Err(said(
                ErrorCode::Validation,
                "You must specify a KeyUsage value for all KMS keys except for symmetric encryption keys.",
            ));
        }
    };
    if usages_of_spec(spec).contains(&usage) {
        Ok(usage)
    } else {
        Err(said(
            ErrorCode::Validation,
            format_args!("KeyUsage {usage} is not compatible with KeySpec {spec}"),
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::op::testing::{Cluster, key_arn};

    fn key(spec: KeySpec, usage: KeyUsage, origin: KeyOrigin) -> Key {
        let cluster = Cluster::new();
        let key = cluster.state.key(&key_arn(1)).unwrap();
        Key {
            spec,
            usage,
            origin,
            ..(**key).clone()
        }
    }

    fn names(key: &Key) -> String {
        grantable(key)
            .iter()
            .map(GrantOperation::as_str)
            .collect::<Vec<_>>()
            .join(" ")
    }

    /// G-7, U-4: the matrix, a row for each column of the specification.
    #[test]
    fn grants_may_hold_what_the_key_supports() {
        let own = KeyOrigin::AwsKms;
        for (spec, usage, origin, wanted) in [
            (
                KeySpec::SymmetricDefault,
                KeyUsage::EncryptDecrypt,
                own,
                "Decrypt Encrypt GenerateDataKey GenerateDataKeyWithoutPlaintext ReEncryptFrom ReEncryptTo CreateGrant RetireGrant DescribeKey GenerateDataKeyPair GenerateDataKeyPairWithoutPlaintext",
            ),
            (
                KeySpec::SymmetricDefault,
                KeyUsage::EncryptDecrypt,
                KeyOrigin::AwsCloudHsm,
                "Decrypt Encrypt GenerateDataKey GenerateDataKeyWithoutPlaintext ReEncryptFrom ReEncryptTo CreateGrant RetireGrant DescribeKey",
            ),
            (
                KeySpec::Rsa2048,
                KeyUsage::EncryptDecrypt,
                own,
                "Decrypt Encrypt ReEncryptFrom ReEncryptTo GetPublicKey CreateGrant RetireGrant DescribeKey",
            ),
            (
                KeySpec::Sm2,
                KeyUsage::SignVerify,
                own,
                "Sign Verify GetPublicKey CreateGrant RetireGrant DescribeKey",
            ),
            (
                KeySpec::MlDsa44,
                KeyUsage::SignVerify,
                own,
                "Sign Verify GetPublicKey CreateGrant RetireGrant DescribeKey",
            ),
            (
                KeySpec::Hmac384,
                KeyUsage::GenerateVerifyMac,
                own,
                "CreateGrant RetireGrant DescribeKey GenerateMac VerifyMac",
            ),
            (
                KeySpec::EccNistP384,
                KeyUsage::KeyAgreement,
                own,
                "GetPublicKey CreateGrant RetireGrant DescribeKey DeriveSharedSecret",
            ),
            (
                KeySpec::MlKem512,
                KeyUsage::EncapsulateDecapsulate,
                own,
                "GetPublicKey CreateGrant RetireGrant DescribeKey Encapsulate Decapsulate",
            ),
        ] {
            assert_eq!(
                names(&key(spec, usage, origin)),
                wanted,
                "{spec} {usage} {origin}"
            );
        }
    }

    /// W-4: every pair of spec and usage.
    #[test]
    fn specs_have_the_usages_that_aws_lists() {
        let count = |usage| {
            KeySpec::ALL
                .iter()
                .filter(|spec| usage_for(**spec, Some(usage)).is_ok())
                .count()
        };
        assert_eq!(
            KeyUsage::ALL
                .iter()
                .map(|usage| count(*usage))
                .collect::<Vec<_>>(),
            // 1 symmetric + 3 RSA + SM2; 3 RSA + 5 ECC + SM2 + 3 ML_DSA; 4 HMAC; 3 ECC_NIST + SM2; 3 ML_KEM.
            [5, 12, 4, 4, 3]
        );
        assert_eq!(
            usage_for(KeySpec::SymmetricDefault, None),
            Ok(KeyUsage::EncryptDecrypt)
        );
    }

    /// A letter for what stands in the way: `.` nothing, a number as in ST-2, `u`navailable, `c`reating, `w` updating,
    /// `o`rigin, `s`pec.
    fn letter(rule: StateRule, state: KeyState, kind: Kind) -> char {
        match rule.obstacle(state, kind) {
            None => '.',
            Some(Obstacle::Disabled) => '1',
            Some(Obstacle::PendingDeletion) => '3',
            Some(Obstacle::NotPendingDeletion) => '4',
            Some(Obstacle::PendingImport) => '5',
            Some(Obstacle::Unavailable) => 'u',
            Some(Obstacle::Creating) => 'c',
            Some(Obstacle::Updating) => 'w',
            Some(Obstacle::Origin(_)) => 'o',
            Some(Obstacle::Spec(_)) => 's',
        }
    }

    /// ST-2: every row of the table by the operations that it lists, every cell, on each kind of key it tells apart.
    #[test]
    fn states_stand_in_the_way_as_the_table_says() {
        let own = Kind {
            origin: KeyOrigin::AwsKms,
            spec: KeySpec::SymmetricDefault,
        };
        let imported = Kind {
            origin: KeyOrigin::External,
            ..own
        };
        let hsm = Kind {
            origin: KeyOrigin::AwsCloudHsm,
            ..own
        };
        let rsa = Kind {
            spec: KeySpec::Rsa2048,
            ..own
        };
        let any: &[Kind] = &[own, imported, hsm, rsa];
        // Creating Enabled Disabled PendingDeletion PendingImport PendingReplicaDeletion Unavailable Updating
        let table: &[(&str, &[Kind], &str)] = &[
            ("CreateGrant", any, "c.1353.."),
            (
                "ListGrants RetireGrant RevokeGrant DescribeKey GetKeyPolicy PutKeyPolicy ListKeyPolicies ListResourceTags ListAliases DeleteAlias",
                any,
                "........",
            ),
            (
                "Encrypt Decrypt ReEncryptFrom ReEncryptTo GenerateDataKey GenerateDataKeyPair GenerateDataKeyPairWithoutPlaintext GenerateDataKeyWithoutPlaintext",
                any,
                "c.1353u.",
            ),
            (
                "GenerateMac VerifyMac Sign Verify GetPublicKey DeriveSharedSecret Encapsulate Decapsulate",
                any,
                "c.1353u.",
            ),
            (
                "CreateAlias UpdateAlias TagResource UntagResource UpdateKeyDescription",
                any,
                "...3.3..",
            ),
            ("EnableKey DisableKey", any, "c..353.w"),
            ("ScheduleKeyDeletion", any, "...3.3.w"),
            ("CancelKeyDeletion", any, "444.4.44"),
            ("ReplicateKey", any, "c.1353uw"),
            ("UpdatePrimaryRegion", any, "c.1353u."),
            ("ImportKeyMaterial", &[imported], "c..3.3.."),
            ("ImportKeyMaterial", &[own, hsm, rsa], "cooooooo"),
            ("GetParametersForImport", &[imported], "c..3.3.w"),
            ("GetParametersForImport", &[own, hsm, rsa], "cooooooo"),
            ("DeleteImportedKeyMaterial", &[imported], "c......w"),
            ("DeleteImportedKeyMaterial", &[own, hsm, rsa], "cooooooo"),
            ("EnableKeyRotation DisableKeyRotation", &[own], "c.1353u."),
            (
                "EnableKeyRotation DisableKeyRotation",
                &[imported, hsm],
                "cooooooo",
            ),
            ("EnableKeyRotation DisableKeyRotation", &[rsa], "csssssss"),
            ("GetKeyRotationStatus", &[own], "........"),
            ("GetKeyRotationStatus", &[imported, hsm], "oooooooo"),
            ("GetKeyRotationStatus", &[rsa], "ssssssss"),
            ("RotateKeyOnDemand", &[own, imported], "c.1353.."),
            ("RotateKeyOnDemand", &[hsm], "co1353oo"),
            ("RotateKeyOnDemand", &[rsa], "cs1353ss"),
        ];
        for (operations, kinds, wanted) in table {
            for operation in operations.split(' ') {
                let rule = StateRule::of(KmsAction::by_name(operation).unwrap());
                for kind in *kinds {
                    let row: String = KeyState::ALL
                        .iter()
                        .map(|state| letter(rule, *state, *kind))
                        .collect();
                    assert_eq!(row, *wanted, "{operation} {kind:?}");
                }
            }
        }
    }

    /// ST-2: the codes and their texts.
    #[test]
    fn bad_states_are_told_as_aws_tells_them() {
        let imported = key(
            KeySpec::SymmetricDefault,
            KeyUsage::EncryptDecrypt,
            KeyOrigin::External,
        );
        let rsa = key(KeySpec::Rsa2048, KeyUsage::SignVerify, KeyOrigin::AwsKms);
        let said = |rule: StateRule, key: &Key, state: KeyState| {
            let key = Key {
                state,
                ..key.clone()
            };
            let rejection = super::super::Rejection::from(
                check_state(rule, &State::default(), &key).unwrap_err(),
            );
            let message = rejection.message.replace(&key.arn.to_string(), "K");
            (rejection.code.as_str(), message)
        };
        let invalid = "KMSInvalidStateException";
        let unsupported = "UnsupportedOperationException";
        for (rule, key, state, code, message) in [
            (
                StateRule::Use,
                &rsa,
                KeyState::Disabled,
                "DisabledException",
                "K is disabled.",
            ),
            (
                StateRule::Use,
                &rsa,
                KeyState::PendingDeletion,
                invalid,
                "K is pending deletion.",
            ),
            (
                StateRule::Cancel,
                &rsa,
                KeyState::Enabled,
                invalid,
                "K is not pending deletion.",
            ),
            (
                StateRule::Use,
                &rsa,
                KeyState::PendingImport,
                invalid,
                "K is pending import.",
            ),
            (
                StateRule::Rotation,
                &imported,
                KeyState::PendingImport,
                unsupported,
                "K origin is EXTERNAL which is not valid for this operation.",
            ),
            (
                StateRule::RotateNow,
                &rsa,
                KeyState::Enabled,
                unsupported,
                "K key spec is RSA_2048 which is not valid for this operation.",
            ),
            (
                StateRule::Import,
                &rsa,
                KeyState::Enabled,
                unsupported,
                "K origin is AWS_KMS which is not valid for this operation.",
            ),
            (
                StateRule::PrepareImport,
                &imported,
                KeyState::PendingDeletion,
                invalid,
                "K is pending deletion.",
            ),
            (
                StateRule::Use,
                &rsa,
                KeyState::Unavailable,
                invalid,
                "K is unavailable.",
            ),
            (
                StateRule::Grant,
                &rsa,
                KeyState::Creating,
                invalid,
                "K is creating.",
            ),
            (
                StateRule::Schedule,
                &rsa,
                KeyState::Updating,
                invalid,
                "K is updating.",
            ),
        ] {
            assert_eq!(said(rule, key, state), (code, message.to_string()));
        }
    }

    /// ST-3: AWS's text; ReEncrypt is named without its direction.
    #[test]
    fn key_of_another_usage_cannot_be_used() {
        let hmac = key(
            KeySpec::Hmac256,
            KeyUsage::GenerateVerifyMac,
            KeyOrigin::AwsKms,
        );
        let refused = check_usable(KmsAction::ReEncryptFrom, &State::default(), &hmac).unwrap_err();
        let wanted = format!(
            "{} key usage is GENERATE_VERIFY_MAC which is not valid for ReEncrypt.",
            hmac.arn
        );
        assert_eq!(
            (refused.code, &*refused.message),
            (ErrorCode::InvalidKeyUsage, &*wanted)
        );
        let incorrect = check_usable(KmsAction::Decrypt, &State::default(), &hmac).unwrap_err();
        assert_eq!(
            (incorrect.code.as_str(), &*incorrect.message),
            (
                "IncorrectKeyException",
                "The key ID in the request does not identify a CMK that can perform this operation."
            )
        );
        assert!(check_usable(KmsAction::GenerateMac, &State::default(), &hmac).is_ok());
        let disabled = Key {
            state: KeyState::Disabled,
            ..hmac
        };
        assert_eq!(
            check_usable(KmsAction::Sign, &State::default(), &disabled)
                .unwrap_err()
                .code,
            ErrorCode::Disabled
        );
    }
}
