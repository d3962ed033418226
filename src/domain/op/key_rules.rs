//! What a key's state allows, as a table (ST-2), and who manages it (ST-5).

use super::ErrorCode;
use super::refusal::{Said, said};
use crate::domain::ids::KeyArn;
use crate::domain::policy::KmsAction;
use crate::domain::state::State;
use crate::domain::state::key::{
    Key, KeyManager, KeyOrigin, KeySpec, KeyState, MultiRegionKeyType,
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
    /// 7 of a multi-Region replica: its primary key is rotated (ST-30)
    Replica,
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
            Self::Rotation => match (state, kind.cannot_start(RotatedOrigins::Own)) {
                (S::Creating, _) => Some(O::Creating),
                (_, Some(obstacle)) => Some(obstacle),
                (S::Enabled | S::Updating, None) => None,
                (other, None) => Some(O::of(other)),
            },
            Self::RotationStatus => kind.cannot_rotate(RotatedOrigins::Own),
            Self::RotateNow => match (state, kind.cannot_start(RotatedOrigins::OwnAndImported)) {
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
    multi_region: Option<MultiRegionKeyType>,
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

    /// Why rotation is not begun or ended at such a key (ST-30).
    const fn cannot_start(self, origins: RotatedOrigins) -> Option<Obstacle> {
        match (self.cannot_rotate(origins), self.multi_region) {
            (Some(obstacle), _) => Some(obstacle),
            (None, Some(MultiRegionKeyType::Replica)) => Some(Obstacle::Replica),
            (None, Some(MultiRegionKeyType::Primary) | None) => None,
        }
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
            Obstacle::Replica => said(
                ErrorCode::UnsupportedOperation,
                format_args!(
                    "{key} is a multi-Region replica key: its rotation is set and begun on the primary key."
                ),
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
        multi_region: key.multi_region,
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::op::testing::{Cluster, key_arn};
    use crate::domain::state::key::KeyUsage;

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

    /// A letter for what stands in the way: `.` nothing, a number as in ST-2, `u`navailable, `c`reating, `w` updating,
    /// `o`rigin, `s`pec, `r`eplica.
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
            Some(Obstacle::Replica) => 'r',
        }
    }

    /// ST-2, ST-30: every row of the table by the operations that it lists, every cell, on each kind of key it tells apart.
    #[test]
    fn states_stand_in_the_way_as_the_table_says() {
        let own = Kind {
            origin: KeyOrigin::AwsKms,
            spec: KeySpec::SymmetricDefault,
            multi_region: None,
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
        let replica = Kind {
            multi_region: Some(MultiRegionKeyType::Replica),
            ..own
        };
        let primary = Kind {
            multi_region: Some(MultiRegionKeyType::Primary),
            ..own
        };
        let any: &[Kind] = &[own, imported, hsm, rsa, primary, replica];
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
            (
                "EnableKeyRotation DisableKeyRotation",
                &[own, primary],
                "c.1353u.",
            ),
            // ST-30
            (
                "EnableKeyRotation DisableKeyRotation",
                &[replica],
                "crrrrrrr",
            ),
            (
                "EnableKeyRotation DisableKeyRotation",
                &[imported, hsm],
                "cooooooo",
            ),
            ("EnableKeyRotation DisableKeyRotation", &[rsa], "csssssss"),
            ("GetKeyRotationStatus", &[own, primary, replica], "........"),
            ("GetKeyRotationStatus", &[imported, hsm], "oooooooo"),
            ("GetKeyRotationStatus", &[rsa], "ssssssss"),
            ("RotateKeyOnDemand", &[own, imported, primary], "c.1353.."),
            ("RotateKeyOnDemand", &[replica], "cr1353rr"),
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
}
