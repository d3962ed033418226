//! The use of a key, decided and not performed: permission, state, usage, algorithm, dry run.
//!
//! Whoever holds the key material asks here and carries out what is not refused. Imports authz's decision and the tables
//! of `key_rules`. The order is that of ST-4 and U-14: permission first, then state, then usage.

use super::key_kinds::check_usable;
use super::key_rules::{StateRule, check_customer_managed, check_state};
use super::refusal::{Said, said};
use super::use_members::{self, UseMembers};
use super::{DryRun, ErrorCode, Rejection, Scope, key_stores};
use crate::domain::authz::decision::Decision;
use crate::domain::ids::{AccountId, CustomKeyStoreId};
use crate::domain::policy::KmsAction;
use crate::domain::state::State;
use crate::domain::state::key::{Key, KeyFamily, KeyOrigin, KeySpec};

/// What a request to use a key says beyond action and key.
#[derive(Clone, Copy, Debug, Default)]
pub struct Use<'a> {
    /// The algorithm that the request names, or the default.
    pub algorithm: Option<&'a str>,
    /// Its other members.
    pub members: UseMembers<'a>,
    /// The custom key store that it takes random bytes from (K-7).
    pub source: Option<RandomSource<'a>>,
    /// Whether it is only to be said whether it would succeed (G-20).
    pub dry_run: DryRun,
}

/// A custom key store as the source of GenerateRandom, named by a caller of an account.
#[derive(Clone, Copy, Debug)]
pub struct RandomSource<'a> {
    /// In this Region.
    pub scope: &'a Scope,
    /// The caller's account.
    pub account: AccountId,
    /// The store.
    pub store: &'a CustomKeyStoreId,
}

/// The error that AWS would answer the request with, were it made; `None`: it would be carried out.
///
/// `key` is absent for an action without a key, `action` for one that is not of KMS.
pub fn refusal(
    state: &State,
    decision: &Decision,
    action: Option<KmsAction>,
    key: Option<&Key>,
    asked: Use<'_>,
) -> Option<Rejection> {
    if !decision.is_allow() {
        return Some(Rejection {
            code: ErrorCode::AccessDenied,
            message: decision.message().into(),
            decision: Some(Box::new(decision.clone())),
            help: None,
        });
    }
    if let (Some(action), Some(key)) = (action, key)
        && let Err(rejection) = check_request(action, state, key, &asked)
    {
        return Some(rejection);
    }
    if let (Some(KmsAction::GenerateRandom), Some(source)) = (action, asked.source) {
        let RandomSource {
            scope,
            account,
            store,
        } = source;
        if let Err(rejection) = key_stores::check_random_source(state, scope, account, store) {
            return Some(rejection);
        }
    }
    match asked.dry_run {
        DryRun::No => None,
        DryRun::Yes => Some(
            said(
                ErrorCode::DryRunOperation,
                "The request would have succeeded, but the DryRun option is set.",
            )
            .into(),
        ),
    }
}

/// The key first, then what the members say together and of it (W-33, W-34).
fn check_request(
    action: KmsAction,
    state: &State,
    key: &Key,
    asked: &Use<'_>,
) -> Result<(), Rejection> {
    check(action, state, key, asked.algorithm)?;
    let members = UseMembers {
        algorithm: asked.algorithm,
        ..asked.members
    };
    Ok(use_members::check(action, key, &members)?)
}

/// The key that is named is not the one that made the ciphertext (ST-3).
pub fn incorrect_key() -> Rejection {
    said(
        ErrorCode::IncorrectKey,
        "The key ID in the request does not identify a CMK that can perform this operation.",
    )
    .into()
}

/// Whether a key can be used for a permitted action: ST-2, then ST-3, then the algorithm.
///
/// # Errors
/// The exception that AWS answers with.
pub fn check(
    action: KmsAction,
    state: &State,
    key: &Key,
    algorithm: Option<&str>,
) -> Result<(), Rejection> {
    // ST-5: of the key material of an AWS managed key, too.
    if matches!(
        action,
        KmsAction::PutKeyPolicy
            | KmsAction::EnableKey
            | KmsAction::DisableKey
            | KmsAction::UpdateKeyDescription
            | KmsAction::ScheduleKeyDeletion
            | KmsAction::CancelKeyDeletion
            | KmsAction::TagResource
            | KmsAction::UntagResource
            | KmsAction::EnableKeyRotation
            | KmsAction::DisableKeyRotation
            | KmsAction::RotateKeyOnDemand
            | KmsAction::GetParametersForImport
            | KmsAction::ImportKeyMaterial
            | KmsAction::DeleteImportedKeyMaterial
    ) {
        check_customer_managed(key)?;
    }
    check_state(StateRule::of(action), state, key)?;
    let usable = check_usable(action, state, key);
    // ST-3: the ciphertext is not of this key, for such a key makes none.
    if usable.is_err() && action == KmsAction::Decrypt {
        return Err(incorrect_key());
    }
    usable?;
    check_spec(action, key)?;
    match algorithm {
        Some(algorithm) if !fits(action, algorithm, key.spec) => {
            let spec = key.spec;
            Err(said(
                ErrorCode::InvalidKeyUsage,
                format_args!("Algorithm {algorithm} is incompatible with key spec {spec}."),
            )
            .into())
        }
        Some(_) | None => Ok(()),
    }
}

/// What the usage alone does not say: data keys come from symmetric keys, public keys from asymmetric ones (G-7, K-5).
fn check_spec(action: KmsAction, key: &Key) -> Result<(), Said> {
    let is_symmetric = key.spec.is_symmetric();
    let in_store = matches!(
        key.origin,
        KeyOrigin::AwsCloudHsm | KeyOrigin::ExternalKeyStore
    );
    let (arn, spec, name) = (&key.arn, key.spec, action.name());
    match action {
        KmsAction::GenerateDataKeyPair | KmsAction::GenerateDataKeyPairWithoutPlaintext
            if in_store =>
        {
            let origin = key.origin;
            Err(said(
                ErrorCode::UnsupportedOperation,
                format_args!("{arn} origin is {origin} which is not valid for this operation."),
            ))
        }
        KmsAction::GenerateDataKey
        | KmsAction::GenerateDataKeyWithoutPlaintext
        | KmsAction::GenerateDataKeyPair
        | KmsAction::GenerateDataKeyPairWithoutPlaintext
            if !is_symmetric =>
        {
            Err(said(
                ErrorCode::InvalidKeyUsage,
                format_args!("{arn} key spec is {spec} which is not valid for {name}."),
            ))
        }
        KmsAction::GetPublicKey if is_symmetric || spec.family() == KeyFamily::Hmac => Err(said(
            ErrorCode::UnsupportedOperation,
            format_args!("{arn} key spec is {spec} which is not valid for {name}."),
        )),
        _ => Ok(()),
    }
}

/// Whether an algorithm is one of the spec's (W-8). One that the action does not look at always fits.
fn fits(action: KmsAction, algorithm: &str, spec: KeySpec) -> bool {
    let (encryption, signing, mac): (&[&str], &[&str], &[&str]) = match spec {
        KeySpec::SymmetricDefault => (&["SYMMETRIC_DEFAULT"], &[], &[]),
        KeySpec::Rsa2048 | KeySpec::Rsa3072 | KeySpec::Rsa4096 => (
            &["RSAES_OAEP_SHA_1", "RSAES_OAEP_SHA_256"],
            &[
                "RSASSA_PSS_SHA_256",
                "RSASSA_PSS_SHA_384",
                "RSASSA_PSS_SHA_512",
                "RSASSA_PKCS1_V1_5_SHA_256",
                "RSASSA_PKCS1_V1_5_SHA_384",
                "RSASSA_PKCS1_V1_5_SHA_512",
            ],
            &[],
        ),
        KeySpec::EccNistP256 | KeySpec::EccSecgP256k1 => (&[], &["ECDSA_SHA_256"], &[]),
        KeySpec::EccNistP384 => (&[], &["ECDSA_SHA_384"], &[]),
        KeySpec::EccNistP521 => (&[], &["ECDSA_SHA_512"], &[]),
        KeySpec::EccNistEdwards25519 => (&[], &["ED25519_SHA_512", "ED25519_PH_SHA_512"], &[]),
        KeySpec::Hmac224 => (&[], &[], &["HMAC_SHA_224"]),
        KeySpec::Hmac256 => (&[], &[], &["HMAC_SHA_256"]),
        KeySpec::Hmac384 => (&[], &[], &["HMAC_SHA_384"]),
        KeySpec::Hmac512 => (&[], &[], &["HMAC_SHA_512"]),
        KeySpec::Sm2 => (&["SM2PKE"], &["SM2DSA"], &[]),
        KeySpec::MlDsa44 | KeySpec::MlDsa65 | KeySpec::MlDsa87 => (&[], &["ML_DSA_SHAKE_256"], &[]),
        KeySpec::MlKem512 | KeySpec::MlKem768 | KeySpec::MlKem1024 => (&[], &[], &[]),
    };
    let own = match action {
        KmsAction::Encrypt
        | KmsAction::Decrypt
        | KmsAction::ReEncryptFrom
        | KmsAction::ReEncryptTo => encryption,
        KmsAction::Sign | KmsAction::Verify => signing,
        KmsAction::GenerateMac | KmsAction::VerifyMac => mac,
        _ => return true,
    };
    own.contains(&algorithm)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::authz::decision::{DecidedBy, Denial, Missing, Source};
    use crate::domain::op::testing::{Cluster, key_arn};
    use crate::domain::state::key::{KeyState, KeyUsage};

    fn key(spec: KeySpec, usage: KeyUsage) -> Key {
        let cluster = Cluster::new();
        Key {
            spec,
            usage,
            ..(**cluster.state.key(&key_arn(1)).unwrap()).clone()
        }
    }

    fn refused(action: KmsAction, key: &Key, algorithm: Option<&str>) -> (&'static str, String) {
        let rejection = check(action, &State::default(), key, algorithm).unwrap_err();
        (rejection.code.as_str(), rejection.message.to_string())
    }

    /// ST-3, with AWS's recorded texts.
    #[test]
    fn key_that_cannot_be_used_is_refused_in_the_words_of_aws() {
        let signing = key(KeySpec::Rsa2048, KeyUsage::SignVerify);
        assert_eq!(
            refused(KmsAction::Decrypt, &signing, None),
            (
                "IncorrectKeyException",
                "The key ID in the request does not identify a CMK that can perform this operation."
                    .to_owned()
            )
        );
        assert_eq!(
            refused(KmsAction::Encrypt, &signing, None).1,
            format!(
                "{} key usage is SIGN_VERIFY which is not valid for Encrypt.",
                signing.arn
            )
        );
        let mac = key(KeySpec::Hmac224, KeyUsage::GenerateVerifyMac);
        assert_eq!(
            refused(KmsAction::GenerateMac, &mac, Some("HMAC_SHA_256")),
            (
                "InvalidKeyUsageException",
                "Algorithm HMAC_SHA_256 is incompatible with key spec HMAC_224.".to_owned()
            )
        );
        assert!(
            check(
                KmsAction::GenerateMac,
                &State::default(),
                &mac,
                Some("HMAC_SHA_224")
            )
            .is_ok()
        );
        assert!(
            check(
                KmsAction::Sign,
                &State::default(),
                &signing,
                Some("RSASSA_PSS_SHA_256")
            )
            .is_ok()
        );
    }

    /// G-7, K-5: data keys come from symmetric keys, pairs of them not from custom key stores; public keys from
    /// asymmetric keys.
    #[test]
    fn spec_and_origin_stand_in_the_way_of_some_actions() {
        let plain = key(KeySpec::SymmetricDefault, KeyUsage::EncryptDecrypt);
        let rsa = key(KeySpec::Rsa2048, KeyUsage::EncryptDecrypt);
        let stored = Key {
            origin: KeyOrigin::AwsCloudHsm,
            ..plain.clone()
        };
        assert!(
            check(
                KmsAction::GenerateDataKeyPair,
                &State::default(),
                &plain,
                None
            )
            .is_ok()
        );
        assert_eq!(
            refused(KmsAction::GenerateDataKeyPair, &stored, None).0,
            "UnsupportedOperationException"
        );
        assert!(check(KmsAction::GenerateDataKey, &State::default(), &stored, None).is_ok());
        assert_eq!(
            refused(KmsAction::GenerateDataKey, &rsa, None).0,
            "InvalidKeyUsageException"
        );
        assert_eq!(
            refused(KmsAction::GetPublicKey, &plain, None).0,
            "UnsupportedOperationException"
        );
        assert!(check(KmsAction::GetPublicKey, &State::default(), &rsa, None).is_ok());
    }

    /// ST-4, U-14, G-20: permission, then state, then usage, then the dry run.
    #[test]
    fn refusals_come_in_their_order() {
        let denied = Decision::implicit_deny(
            Missing::KeyPolicy,
            Denial {
                caller: "c".into(),
                action: KmsAction::Encrypt.into(),
                resource: None,
            },
        );
        let allowed = Decision::allow(DecidedBy::of(Source::KeyPolicy));
        let wrong = Key {
            state: KeyState::Disabled,
            ..key(KeySpec::Rsa2048, KeyUsage::SignVerify)
        };
        let dry = Use {
            dry_run: DryRun::Yes,
            ..Use::default()
        };
        let code = |decision: &Decision, key: &Key, asked: Use<'_>| {
            refusal(
                &State::default(),
                decision,
                Some(KmsAction::Encrypt),
                Some(key),
                asked,
            )
            .map(|rejection| rejection.code.as_str())
        };
        assert_eq!(code(&denied, &wrong, dry), Some("AccessDeniedException"));
        assert_eq!(code(&allowed, &wrong, dry), Some("DisabledException"));
        let enabled = Key {
            state: KeyState::Enabled,
            ..wrong.clone()
        };
        assert_eq!(
            code(&allowed, &enabled, dry),
            Some("InvalidKeyUsageException")
        );
        let fine = key(KeySpec::SymmetricDefault, KeyUsage::EncryptDecrypt);
        assert_eq!(code(&allowed, &fine, dry), Some("DryRunOperationException"));
        assert_eq!(code(&allowed, &fine, Use::default()), None);
    }
}
