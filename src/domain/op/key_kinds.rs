//! What a key's spec and usage allow, as tables (ST-3, W-4, G-7).

use super::ErrorCode;
use super::key_rules::{StateRule, check_state};
use super::refusal::{Said, said};
use crate::domain::policy::KmsAction;
use crate::domain::state::State;
use crate::domain::state::grant::{GrantOperation, GrantOperations};
use crate::domain::state::key::{Key, KeyFamily, KeyOrigin, KeySpec, KeyUsage};

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
    use crate::domain::state::key::KeyState;

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
