//! The algorithms that a key works with, as DescribeKey lists them (W-8).
//!
//! A table of the key's spec and usage; imports nothing else.

use super::key::{KeySpec, KeyUsage};

/// The algorithms of a key: at most one of the lists is not empty.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Algorithms {
    /// `EncryptionAlgorithms`.
    pub encryption: &'static [&'static str],
    /// `SigningAlgorithms`.
    pub signing: &'static [&'static str],
    /// `MacAlgorithms`.
    pub mac: &'static [&'static str],
    /// `KeyAgreementAlgorithms`.
    pub agreement: &'static [&'static str],
    /// `EncapsulationAlgorithms`.
    pub encapsulation: &'static [&'static str],
}

const RSA_SIGNING: &[&str] = &[
    "RSASSA_PKCS1_V1_5_SHA_256",
    "RSASSA_PKCS1_V1_5_SHA_384",
    "RSASSA_PKCS1_V1_5_SHA_512",
    "RSASSA_PSS_SHA_256",
    "RSASSA_PSS_SHA_384",
    "RSASSA_PSS_SHA_512",
];

impl Algorithms {
    /// Those of a key of this spec and usage.
    pub const fn of(spec: KeySpec, usage: KeyUsage) -> Self {
        const NONE: Algorithms = Algorithms {
            encryption: &[],
            signing: &[],
            mac: &[],
            agreement: &[],
            encapsulation: &[],
        };
        match usage {
            KeyUsage::EncryptDecrypt => Self {
                encryption: encryption(spec),
                ..NONE
            },
            KeyUsage::SignVerify => Self {
                signing: signing(spec),
                ..NONE
            },
            KeyUsage::GenerateVerifyMac => Self {
                mac: mac(spec),
                ..NONE
            },
            KeyUsage::KeyAgreement => Self {
                agreement: &["ECDH"],
                ..NONE
            },
            KeyUsage::EncapsulateDecapsulate => Self {
                encapsulation: &["ML_KEM"],
                ..NONE
            },
        }
    }
}

const fn encryption(spec: KeySpec) -> &'static [&'static str] {
    match spec {
        KeySpec::SymmetricDefault => &["SYMMETRIC_DEFAULT"],
        KeySpec::Rsa2048 | KeySpec::Rsa3072 | KeySpec::Rsa4096 => {
            &["RSAES_OAEP_SHA_1", "RSAES_OAEP_SHA_256"]
        }
        KeySpec::Sm2 => &["SM2PKE"],
        _ => &[],
    }
}

const fn signing(spec: KeySpec) -> &'static [&'static str] {
    match spec {
        KeySpec::Rsa2048 | KeySpec::Rsa3072 | KeySpec::Rsa4096 => RSA_SIGNING,
        KeySpec::EccNistP256 | KeySpec::EccSecgP256k1 => &["ECDSA_SHA_256"],
        KeySpec::EccNistP384 => &["ECDSA_SHA_384"],
        KeySpec::EccNistP521 => &["ECDSA_SHA_512"],
        KeySpec::EccNistEdwards25519 => &["ED25519_SHA_512", "ED25519_PH_SHA_512"],
        KeySpec::Sm2 => &["SM2DSA"],
        KeySpec::MlDsa44 | KeySpec::MlDsa65 | KeySpec::MlDsa87 => &["ML_DSA_SHAKE_256"],
        _ => &[],
    }
}

const fn mac(spec: KeySpec) -> &'static [&'static str] {
    match spec {
        KeySpec::Hmac224 => &["HMAC_SHA_224"],
        KeySpec::Hmac256 => &["HMAC_SHA_256"],
        KeySpec::Hmac384 => &["HMAC_SHA_384"],
        KeySpec::Hmac512 => &["HMAC_SHA_512"],
        _ => &[],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// W-8: each algorithm by the specs that work with it; a key has algorithms of its own usage and of no other.
    #[test]
    fn keys_work_with_the_algorithms_of_their_spec_and_usage() {
        let listed = |spec: KeySpec, usage: KeyUsage| {
            let Algorithms {
                encryption,
                signing,
                mac,
                agreement,
                encapsulation,
            } = Algorithms::of(spec, usage);
            let lists = [encryption, signing, mac, agreement, encapsulation];
            assert!(lists.iter().filter(|list| !list.is_empty()).count() <= 1);
            lists.concat().join(" ")
        };
        for (spec, usage, wanted) in [
            (
                KeySpec::SymmetricDefault,
                KeyUsage::EncryptDecrypt,
                "SYMMETRIC_DEFAULT",
            ),
            (
                KeySpec::Rsa3072,
                KeyUsage::EncryptDecrypt,
                "RSAES_OAEP_SHA_1 RSAES_OAEP_SHA_256",
            ),
            (KeySpec::Sm2, KeyUsage::EncryptDecrypt, "SM2PKE"),
            (KeySpec::Sm2, KeyUsage::SignVerify, "SM2DSA"),
            (KeySpec::Sm2, KeyUsage::KeyAgreement, "ECDH"),
            (KeySpec::EccNistP256, KeyUsage::SignVerify, "ECDSA_SHA_256"),
            (
                KeySpec::EccSecgP256k1,
                KeyUsage::SignVerify,
                "ECDSA_SHA_256",
            ),
            (KeySpec::EccNistP384, KeyUsage::SignVerify, "ECDSA_SHA_384"),
            (KeySpec::EccNistP521, KeyUsage::SignVerify, "ECDSA_SHA_512"),
            (
                KeySpec::EccNistEdwards25519,
                KeyUsage::SignVerify,
                "ED25519_SHA_512 ED25519_PH_SHA_512",
            ),
            (KeySpec::MlDsa87, KeyUsage::SignVerify, "ML_DSA_SHAKE_256"),
            (KeySpec::EccNistP384, KeyUsage::KeyAgreement, "ECDH"),
            (
                KeySpec::Hmac224,
                KeyUsage::GenerateVerifyMac,
                "HMAC_SHA_224",
            ),
            (
                KeySpec::Hmac256,
                KeyUsage::GenerateVerifyMac,
                "HMAC_SHA_256",
            ),
            (
                KeySpec::Hmac384,
                KeyUsage::GenerateVerifyMac,
                "HMAC_SHA_384",
            ),
            (
                KeySpec::Hmac512,
                KeyUsage::GenerateVerifyMac,
                "HMAC_SHA_512",
            ),
            (
                KeySpec::MlKem768,
                KeyUsage::EncapsulateDecapsulate,
                "ML_KEM",
            ),
        ] {
            assert_eq!(listed(spec, usage), wanted, "{spec} {usage}");
        }
        let rsa = Algorithms::of(KeySpec::Rsa4096, KeyUsage::SignVerify);
        assert_eq!((rsa.signing.len(), rsa.encryption.len()), (6, 0));
    }
}
