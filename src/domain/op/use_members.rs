//! What the members of a use of a key say of each other and of the key: what fits no key anywhere, and what does not fit
//! this one (W-33, W-34). Every rule is a sentence of the operation's page in the API reference.
//!
//! Imports the closed sets of keys. Never: whether somebody may; what state a key is in.

use super::ErrorCode;
use super::refusal::{Said, said};
use crate::domain::ids::Partition;
use crate::domain::limits::{IMPORT_VALID_TO_DAYS_MAX, MU_BYTES};
use crate::domain::policy::{KmsAction, parse_instant};
use crate::domain::state::key::{Key, KeyFamily, KeyOrigin, KeySpec, MultiRegionKeyType};
use crate::domain::time::Timestamp;

/// Members of a request to use a key, as far as whoever asks said them. The default of one that has a default counts.
#[derive(Clone, Copy, Debug, Default)]
pub struct UseMembers<'a> {
    /// Whether the request is told whole, so that what is not here was not sent.
    pub whole: bool,
    /// When it is made.
    pub now: Timestamp,
    /// Whether there is an encryption context.
    pub has_context: bool,
    /// `EncryptionAlgorithm`, `SigningAlgorithm` or `MacAlgorithm`.
    pub algorithm: Option<&'a str>,
    /// `MessageType`
    pub message_type: Option<&'a str>,
    /// How many bytes `Message` or `Plaintext` has.
    pub input_bytes: Option<usize>,
    /// `KeyPairSpec`
    pub key_pair_spec: Option<&'a str>,
    /// `WrappingAlgorithm`
    pub wrapping_algorithm: Option<&'a str>,
    /// `WrappingKeySpec`
    pub wrapping_key_spec: Option<&'a str>,
    /// `ExpirationModel`
    pub expiration_model: Option<&'a str>,
    /// `ValidTo`, as a date of a policy is written (C-4).
    pub valid_to: Option<&'a str>,
    /// `ImportType`
    pub import_type: Option<&'a str>,
    /// Whether there is a `KeyMaterialId`.
    pub has_material_id: bool,
    /// Whether there is a `KeyMaterialDescription`.
    pub has_material_description: bool,
    /// Whether there is an `IncludeKeyMaterial`.
    pub has_include_material: bool,
}

/// Refuses members that cannot stand together, or not with this key.
///
/// # Errors
/// The exception, with the members at fault.
pub fn check(action: KmsAction, key: &Key, members: &UseMembers<'_>) -> Result<(), Said> {
    check_context(action, key, members)?;
    match action {
        KmsAction::Sign | KmsAction::Verify => check_message(members),
        KmsAction::Encrypt | KmsAction::ReEncryptTo => check_plaintext(key.spec, members),
        KmsAction::GenerateDataKeyPair | KmsAction::GenerateDataKeyPairWithoutPlaintext => {
            match members.key_pair_spec.map(str::parse) {
                Some(Ok(spec)) => check_available(spec, key.arn.partition, "KeyPairSpec"),
                Some(Err(_)) | None => Ok(()),
            }
        }
        KmsAction::GetParametersForImport => check_wrapping(key, members),
        KmsAction::ImportKeyMaterial => check_import(key, members),
        KmsAction::ListKeyRotations => check_rotations(key, members),
        _ => Ok(()),
    }
}

/// W-34: SM2 is of the China Regions alone, ML-KEM of all others.
pub fn check_available(spec: KeySpec, partition: Partition, member: &str) -> Result<(), Said> {
    let in_china = partition == Partition::AwsCn;
    let only = match spec.family() {
        KeyFamily::Sm2 if !in_china => "it is available in China Regions only",
        KeyFamily::MlKem if in_china => "it is not available in China Regions",
        KeyFamily::Sm2
        | KeyFamily::MlKem
        | KeyFamily::Symmetric
        | KeyFamily::Rsa
        | KeyFamily::EccNist
        | KeyFamily::EccOther
        | KeyFamily::Hmac
        | KeyFamily::MlDsa => return Ok(()),
    };
    Err(said(
        ErrorCode::UnsupportedOperation,
        format_args!("{member} {spec} is not supported in this Region: {only}."),
    ))
}

/// An encryption context is valid only with a symmetric encryption key.
fn check_context(action: KmsAction, key: &Key, members: &UseMembers<'_>) -> Result<(), Said> {
    let is_use = action.is_cryptographic() && action != KmsAction::GenerateRandom;
    if members.has_context && is_use && !key.spec.is_symmetric() {
        let (arn, spec) = (&key.arn, key.spec);
        return Err(said(
            ErrorCode::Validation,
            format_args!(
                "An encryption context is valid only with a symmetric encryption KMS key; {arn} has key spec {spec}."
            ),
        ));
    }
    Ok(())
}

/// The type of the message, which is RAW by default (CK-19), and its length.
fn check_message(members: &UseMembers<'_>) -> Result<(), Said> {
    let Some(algorithm) = members.algorithm else {
        return Ok(());
    };
    let kind = members.message_type.unwrap_or("RAW");
    let wanted = match (algorithm, kind) {
        ("ED25519_SHA_512", "DIGEST" | "EXTERNAL_MU") => Some("RAW"),
        ("ED25519_PH_SHA_512", "RAW" | "EXTERNAL_MU") => Some("DIGEST"),
        ("ML_DSA_SHAKE_256", _) => None,
        // What is signed with ML-DSA alone has such a representative.
        (_, "EXTERNAL_MU") => Some("RAW or DIGEST"),
        _ => None,
    };
    if let Some(wanted) = wanted {
        return Err(said(
            ErrorCode::Validation,
            format_args!(
                "MessageType {kind} is not valid for algorithm {algorithm}: it requires {wanted}."
            ),
        ));
    }
    let length = match kind {
        "DIGEST" => digest_bytes(algorithm),
        "EXTERNAL_MU" => Some(MU_BYTES),
        _ => None,
    };
    match (length, members.input_bytes) {
        (Some(wanted), Some(found)) if wanted != found => Err(said(
            ErrorCode::Validation,
            format_args!("Digest is invalid length for algorithm {algorithm}."),
        )),
        _ => Ok(()),
    }
}

/// How long a digest is that is signed with an algorithm.
fn digest_bytes(algorithm: &str) -> Option<usize> {
    match algorithm.rsplit_once("SHA_") {
        Some((_, "256")) => Some(32),
        Some((_, "384")) => Some(48),
        Some((_, "512")) => Some(64),
        // SM3
        _ if algorithm == "SM2DSA" => Some(32),
        _ => None,
    }
}

/// How much a key of a spec encrypts with an algorithm.
fn check_plaintext(spec: KeySpec, members: &UseMembers<'_>) -> Result<(), Said> {
    let max = match (spec, members.algorithm) {
        (KeySpec::Rsa2048, Some("RSAES_OAEP_SHA_1")) => 214,
        (KeySpec::Rsa2048, Some("RSAES_OAEP_SHA_256")) => 190,
        (KeySpec::Rsa3072, Some("RSAES_OAEP_SHA_1")) => 342,
        (KeySpec::Rsa3072, Some("RSAES_OAEP_SHA_256")) => 318,
        (KeySpec::Rsa4096, Some("RSAES_OAEP_SHA_1")) => 470,
        (KeySpec::Rsa4096, Some("RSAES_OAEP_SHA_256")) => 446,
        (KeySpec::Sm2, Some("SM2PKE")) => 1024,
        // The shape bounds what others encrypt.
        _ => return Ok(()),
    };
    match (members.input_bytes, members.algorithm) {
        (Some(bytes), Some(algorithm)) if bytes > max => Err(said(
            ErrorCode::Validation,
            format_args!(
                "Algorithm {algorithm} and key spec {spec} cannot encrypt data larger than {max} bytes."
            ),
        )),
        _ => Ok(()),
    }
}

/// What material is wrapped with what.
fn check_wrapping(key: &Key, members: &UseMembers<'_>) -> Result<(), Said> {
    let no = |what: std::fmt::Arguments<'_>| Err(said(ErrorCode::UnsupportedOperation, what));
    let in_china = key.arn.partition == Partition::AwsCn;
    let (algorithm, spec) = (members.wrapping_algorithm, members.wrapping_key_spec);
    if !in_china && (algorithm == Some("SM2PKE") || spec == Some("SM2")) {
        return no(format_args!(
            "Wrapping by SM2 is not supported in this Region: it is available in China Regions only."
        ));
    }
    if algorithm == Some("RSAES_PKCS1_V1_5") {
        return no(format_args!(
            "WrappingAlgorithm RSAES_PKCS1_V1_5 is not supported since October 10, 2023: use RSAES_OAEP_SHA_256."
        ));
    }
    if let (Some(algorithm), Some(spec)) = (algorithm, spec)
        && (algorithm == "SM2PKE") != (spec == "SM2")
    {
        return no(format_args!(
            "WrappingAlgorithm {algorithm} is not compatible with WrappingKeySpec {spec}."
        ));
    }
    let is_direct = matches!(algorithm, Some("RSAES_OAEP_SHA_1" | "RSAES_OAEP_SHA_256"));
    let material = key.spec;
    if is_direct && material.family() == KeyFamily::Rsa {
        return no(format_args!(
            "WrappingAlgorithm {} does not wrap {material} key material: use RSA_AES_KEY_WRAP_SHA_256.",
            algorithm.unwrap_or_default()
        ));
    }
    if is_direct && spec == Some("RSA_2048") && material == KeySpec::EccNistP521 {
        return no(format_args!(
            "WrappingKeySpec RSA_2048 does not wrap {material} key material by {}: use a longer one, or RSA_AES_KEY_WRAP_SHA_256.",
            algorithm.unwrap_or_default()
        ));
    }
    Ok(())
}

/// Until when imported material is valid, and what it is to the key.
fn check_import(key: &Key, members: &UseMembers<'_>) -> Result<(), Said> {
    let invalid = |what: &str| Err(said(ErrorCode::Validation, what));
    // KEY_MATERIAL_EXPIRES is the default; of a request that is not told whole, nobody knows.
    let expires = match members.expiration_model {
        Some(model) => Some(model == "KEY_MATERIAL_EXPIRES"),
        None if members.whole => Some(true),
        None => None,
    };
    match (expires, members.valid_to) {
        (Some(true), None) => {
            return invalid(
                "A validTo date must be set if the ExpirationModel is KEY_MATERIAL_EXPIRES",
            );
        }
        (Some(false), Some(_)) => {
            return invalid(
                "A validTo date must not be set if the ExpirationModel is KEY_MATERIAL_DOES_NOT_EXPIRE",
            );
        }
        (_, Some(date)) => {
            let latest = members.now.after_days(IMPORT_VALID_TO_DAYS_MAX);
            let in_time =
                parse_instant(date).is_some_and(|date| date > members.now && date <= latest);
            if !in_time {
                return Err(said(
                    ErrorCode::Validation,
                    format_args!(
                        "The validTo date must be in the future, and at most {IMPORT_VALID_TO_DAYS_MAX} days from now"
                    ),
                ));
            }
        }
        (Some(false) | None, None) => {}
    }
    let is_new = members.import_type == Some("NEW_KEY_MATERIAL");
    if is_new && members.has_material_id {
        return invalid("A KeyMaterialId must not be set if the ImportType is NEW_KEY_MATERIAL");
    }
    let (arn, spec) = (&key.arn, key.spec);
    for (member, is_there) in [
        ("ImportType", members.import_type.is_some()),
        ("KeyMaterialDescription", members.has_material_description),
        ("KeyMaterialId", members.has_material_id),
    ] {
        if is_there && !spec.is_symmetric() {
            return Err(said(
                ErrorCode::UnsupportedOperation,
                format_args!(
                    "{member} is valid only with symmetric encryption keys; {arn} has key spec {spec}."
                ),
            ));
        }
    }
    if is_new && key.multi_region == Some(MultiRegionKeyType::Replica) {
        return Err(said(
            ErrorCode::UnsupportedOperation,
            format_args!(
                "{arn} is a multi-Region replica key: import new key material into its primary key first."
            ),
        ));
    }
    Ok(())
}

/// Which material is listed, of keys that are rotated.
fn check_rotations(key: &Key, members: &UseMembers<'_>) -> Result<(), Said> {
    let can_rotate =
        key.spec.is_symmetric() && matches!(key.origin, KeyOrigin::AwsKms | KeyOrigin::External);
    if members.has_include_material && !can_rotate {
        return Err(said(
            ErrorCode::UnsupportedOperation,
            format_args!(
                "IncludeKeyMaterial is valid only with KMS keys that support rotation; {} does not.",
                key.arn
            ),
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::op::testing::{Cluster, key_arn};
    use crate::domain::state::key::KeyUsage;

    /// 2026-11-22T00:00:00Z
    const NOW: Timestamp = Timestamp::from_millis(1_795_305_600_000);

    fn key(spec: KeySpec) -> Key {
        let cluster = Cluster::new();
        Key {
            spec,
            ..(**cluster.state.key(&key_arn(1)).unwrap()).clone()
        }
    }

    fn code(action: KmsAction, key: &Key, members: UseMembers<'_>) -> &'static str {
        let members = UseMembers {
            now: NOW,
            ..members
        };
        check(action, key, &members).map_or_else(|said| said.code.as_str(), |()| "fine")
    }

    const INVALID: &str = "ValidationException";
    const UNSUPPORTED: &str = "UnsupportedOperationException";

    /// W-33: Sign and Verify: which type of message goes with which algorithm, RAW being the default, and how long a digest is.
    #[test]
    fn type_and_length_of_a_message_fit_the_algorithm() {
        let key = key(KeySpec::EccNistEdwards25519);
        for (algorithm, kind, bytes, wanted) in [
            ("ED25519_SHA_512", None, None, "fine"),
            ("ED25519_SHA_512", Some("RAW"), Some(3), "fine"),
            ("ED25519_SHA_512", Some("DIGEST"), Some(64), INVALID),
            ("ED25519_SHA_512", Some("EXTERNAL_MU"), Some(64), INVALID),
            ("ED25519_PH_SHA_512", None, None, INVALID),
            ("ED25519_PH_SHA_512", Some("RAW"), Some(64), INVALID),
            ("ED25519_PH_SHA_512", Some("DIGEST"), Some(64), "fine"),
            ("ED25519_PH_SHA_512", Some("DIGEST"), Some(63), INVALID),
            ("RSASSA_PSS_SHA_256", Some("EXTERNAL_MU"), Some(64), INVALID),
            ("RSASSA_PSS_SHA_256", Some("DIGEST"), Some(32), "fine"),
            ("RSASSA_PSS_SHA_384", Some("DIGEST"), Some(32), INVALID),
            (
                "RSASSA_PKCS1_V1_5_SHA_512",
                Some("DIGEST"),
                Some(64),
                "fine",
            ),
            ("ECDSA_SHA_384", Some("DIGEST"), Some(48), "fine"),
            ("ECDSA_SHA_384", Some("DIGEST"), None, "fine"),
            ("SM2DSA", Some("DIGEST"), Some(32), "fine"),
            ("SM2DSA", Some("DIGEST"), Some(31), INVALID),
            ("ML_DSA_SHAKE_256", Some("EXTERNAL_MU"), Some(64), "fine"),
            ("ML_DSA_SHAKE_256", Some("EXTERNAL_MU"), Some(65), INVALID),
            ("ML_DSA_SHAKE_256", Some("RAW"), Some(65), "fine"),
        ] {
            let members = UseMembers {
                algorithm: Some(algorithm),
                message_type: kind,
                input_bytes: bytes,
                ..UseMembers::default()
            };
            for action in [KmsAction::Sign, KmsAction::Verify] {
                let got = code(action, &key, members);
                assert_eq!(got, wanted, "{algorithm} {kind:?} {bytes:?}");
            }
        }
    }

    /// W-33: an encryption context belongs to symmetric encryption keys, of every cryptographic operation.
    #[test]
    fn encryption_context_is_for_symmetric_keys_alone() {
        let members = UseMembers {
            has_context: true,
            ..UseMembers::default()
        };
        for spec in KeySpec::ALL {
            let key = key(*spec);
            for action in [
                KmsAction::Encrypt,
                KmsAction::Decrypt,
                KmsAction::ReEncryptFrom,
                KmsAction::ReEncryptTo,
                KmsAction::GenerateMac,
                KmsAction::Sign,
            ] {
                let wanted = if spec.is_symmetric() { "fine" } else { INVALID };
                assert_eq!(code(action, &key, members), wanted, "{action:?} {spec}");
                assert_eq!(code(action, &key, UseMembers::default()), "fine");
            }
            assert_eq!(code(KmsAction::DescribeKey, &key, members), "fine");
        }
    }

    /// W-33: how much RSA and SM2 keys encrypt, as AWS says it.
    #[test]
    fn plaintext_fits_the_key() {
        for (spec, algorithm, max) in [
            (KeySpec::Rsa2048, "RSAES_OAEP_SHA_1", 214),
            (KeySpec::Rsa2048, "RSAES_OAEP_SHA_256", 190),
            (KeySpec::Rsa3072, "RSAES_OAEP_SHA_1", 342),
            (KeySpec::Rsa3072, "RSAES_OAEP_SHA_256", 318),
            (KeySpec::Rsa4096, "RSAES_OAEP_SHA_1", 470),
            (KeySpec::Rsa4096, "RSAES_OAEP_SHA_256", 446),
            (KeySpec::Sm2, "SM2PKE", 1024),
        ] {
            let members = |bytes| UseMembers {
                algorithm: Some(algorithm),
                input_bytes: Some(bytes),
                now: NOW,
                ..UseMembers::default()
            };
            let key = key(spec);
            assert!(check(KmsAction::Encrypt, &key, &members(max)).is_ok());
            let refused = check(KmsAction::Encrypt, &key, &members(max + 1)).unwrap_err();
            let text = format!(
                "Algorithm {algorithm} and key spec {spec} cannot encrypt data larger than {max} bytes."
            );
            assert_eq!(
                (refused.code, &*refused.message),
                (ErrorCode::Validation, &*text)
            );
        }
        let members = UseMembers {
            algorithm: Some("SYMMETRIC_DEFAULT"),
            input_bytes: Some(4096),
            ..UseMembers::default()
        };
        assert_eq!(
            code(KmsAction::Encrypt, &key(KeySpec::SymmetricDefault), members),
            "fine"
        );
    }

    /// W-34: SM2 in China Regions alone, ML-KEM in all others, for keys and data key pairs.
    #[test]
    fn specs_are_available_where_aws_has_them() {
        for partition in Partition::ALL {
            for spec in KeySpec::ALL {
                let wanted = match spec.family() {
                    KeyFamily::Sm2 => partition == Partition::AwsCn,
                    KeyFamily::MlKem => partition != Partition::AwsCn,
                    _ => true,
                };
                let got = check_available(*spec, partition, "KeySpec");
                assert_eq!(got.is_ok(), wanted, "{spec} {partition}");
            }
        }
        let plain = key(KeySpec::SymmetricDefault);
        let pair = |spec| UseMembers {
            key_pair_spec: Some(spec),
            ..UseMembers::default()
        };
        let action = KmsAction::GenerateDataKeyPair;
        assert_eq!(code(action, &plain, pair("SM2")), UNSUPPORTED);
        assert_eq!(code(action, &plain, pair("ML_KEM_768")), "fine");
        let mut chinese = plain;
        chinese.arn.partition = Partition::AwsCn;
        let action = KmsAction::GenerateDataKeyPairWithoutPlaintext;
        assert_eq!(code(action, &chinese, pair("SM2")), "fine");
        assert_eq!(code(action, &chinese, pair("ML_KEM_768")), UNSUPPORTED);
    }

    /// W-33: GetParametersForImport: what wraps what.
    #[test]
    fn wrapping_fits_the_material() {
        for (spec, algorithm, wrapping, wanted) in [
            (
                KeySpec::SymmetricDefault,
                "RSAES_OAEP_SHA_256",
                "RSA_2048",
                "fine",
            ),
            (
                KeySpec::SymmetricDefault,
                "RSAES_PKCS1_V1_5",
                "RSA_2048",
                UNSUPPORTED,
            ),
            (KeySpec::SymmetricDefault, "SM2PKE", "SM2", UNSUPPORTED),
            (
                KeySpec::SymmetricDefault,
                "RSAES_OAEP_SHA_1",
                "SM2",
                UNSUPPORTED,
            ),
            (
                KeySpec::Rsa2048,
                "RSAES_OAEP_SHA_256",
                "RSA_4096",
                UNSUPPORTED,
            ),
            (
                KeySpec::Rsa2048,
                "RSA_AES_KEY_WRAP_SHA_1",
                "RSA_2048",
                "fine",
            ),
            (
                KeySpec::EccNistP521,
                "RSAES_OAEP_SHA_1",
                "RSA_2048",
                UNSUPPORTED,
            ),
            (KeySpec::EccNistP521, "RSAES_OAEP_SHA_1", "RSA_3072", "fine"),
            (
                KeySpec::EccNistP521,
                "RSA_AES_KEY_WRAP_SHA_256",
                "RSA_2048",
                "fine",
            ),
            (
                KeySpec::EccNistP384,
                "RSAES_OAEP_SHA_256",
                "RSA_2048",
                "fine",
            ),
        ] {
            let members = UseMembers {
                wrapping_algorithm: Some(algorithm),
                wrapping_key_spec: Some(wrapping),
                ..UseMembers::default()
            };
            let action = KmsAction::GetParametersForImport;
            let got = code(action, &key(spec), members);
            assert_eq!(got, wanted, "{spec} {algorithm} {wrapping}");
        }
        let mut chinese = key(KeySpec::SymmetricDefault);
        chinese.arn.partition = Partition::AwsCn;
        for (algorithm, wrapping, wanted) in [
            ("SM2PKE", "SM2", "fine"),
            ("SM2PKE", "RSA_2048", UNSUPPORTED),
            ("RSAES_OAEP_SHA_256", "SM2", UNSUPPORTED),
        ] {
            let members = UseMembers {
                wrapping_algorithm: Some(algorithm),
                wrapping_key_spec: Some(wrapping),
                ..UseMembers::default()
            };
            let action = KmsAction::GetParametersForImport;
            assert_eq!(
                code(action, &chinese, members),
                wanted,
                "{algorithm} {wrapping}"
            );
        }
    }

    /// W-33: ImportKeyMaterial: a date if and only if the material expires, in the next year; KEY_MATERIAL_EXPIRES is the
    /// default of a request that is told whole.
    #[test]
    fn imported_material_has_a_date_if_and_only_if_it_expires() {
        let key = key(KeySpec::SymmetricDefault);
        let (expires, stays) = ("KEY_MATERIAL_EXPIRES", "KEY_MATERIAL_DOES_NOT_EXPIRE");
        for (model, date, whole, wanted) in [
            (Some(expires), Some("2027-01-01T00:00:00Z"), true, "fine"),
            (Some(expires), Some("1795305601"), true, "fine"),
            (Some(expires), None, false, INVALID),
            (Some(expires), Some("2026-11-22T00:00:00Z"), true, INVALID),
            (Some(expires), Some("2027-11-22T00:00:00Z"), true, "fine"),
            (Some(expires), Some("2027-11-22T00:00:01Z"), true, INVALID),
            (Some(expires), Some("soon"), true, INVALID),
            (Some(stays), None, true, "fine"),
            (Some(stays), Some("2027-01-01T00:00:00Z"), false, INVALID),
            (None, Some("2027-01-01T00:00:00Z"), true, "fine"),
            (None, None, true, INVALID),
            (None, None, false, "fine"),
        ] {
            let members = UseMembers {
                whole,
                expiration_model: model,
                valid_to: date,
                ..UseMembers::default()
            };
            let got = code(KmsAction::ImportKeyMaterial, &key, members);
            assert_eq!(got, wanted, "{model:?} {date:?} {whole}");
        }
    }

    /// W-33: what is said of material that is imported again.
    #[test]
    fn imported_material_is_described_for_symmetric_keys_alone() {
        let (plain, hmac) = (key(KeySpec::SymmetricDefault), key(KeySpec::Hmac256));
        let replica = Key {
            multi_region: Some(MultiRegionKeyType::Replica),
            usage: KeyUsage::EncryptDecrypt,
            ..plain.clone()
        };
        let of = |change: fn(&mut UseMembers<'static>)| {
            let mut members = UseMembers {
                expiration_model: Some("KEY_MATERIAL_DOES_NOT_EXPIRE"),
                ..UseMembers::default()
            };
            change(&mut members);
            members
        };
        let new = of(|m| m.import_type = Some("NEW_KEY_MATERIAL"));
        let again = of(|m| {
            m.import_type = Some("EXISTING_KEY_MATERIAL");
            m.has_material_id = true;
        });
        let described = of(|m| m.has_material_description = true);
        let both = of(|m| {
            m.import_type = Some("NEW_KEY_MATERIAL");
            m.has_material_id = true;
        });
        for (key, members, wanted) in [
            (&plain, new, "fine"),
            (&plain, again, "fine"),
            (&plain, described, "fine"),
            (&plain, both, INVALID),
            (&hmac, new, UNSUPPORTED),
            (&hmac, again, UNSUPPORTED),
            (&hmac, described, UNSUPPORTED),
            (&replica, new, UNSUPPORTED),
            (&replica, again, "fine"),
        ] {
            let got = code(KmsAction::ImportKeyMaterial, key, members);
            assert_eq!(got, wanted, "{} {members:?}", key.spec);
        }
        let listed = UseMembers {
            has_include_material: true,
            ..UseMembers::default()
        };
        let action = KmsAction::ListKeyRotations;
        assert_eq!(code(action, &plain, listed), "fine");
        assert_eq!(code(action, &hmac, listed), UNSUPPORTED);
        assert_eq!(code(action, &hmac, UseMembers::default()), "fine");
    }
}
