//! A KMS key as stored, and the closed sets its members come from (W-8).
//!
//! Imports ids, time, policy. Holds facts; decides nothing.

use std::sync::Arc;

use super::closed_set;
use super::key_store::StoreKey;
use super::key_usage::KeyUse;
use super::{Bindings, Tags};
use crate::domain::ids::KeyArn;
use crate::domain::policy::Policy;
use crate::domain::time::{Revision, Timestamp};

closed_set! {
    /// The kind of key material (W-8).
    pub enum KeySpec {
        SymmetricDefault = "SYMMETRIC_DEFAULT",
        Rsa2048 = "RSA_2048",
        Rsa3072 = "RSA_3072",
        Rsa4096 = "RSA_4096",
        EccNistP256 = "ECC_NIST_P256",
        EccNistP384 = "ECC_NIST_P384",
        EccNistP521 = "ECC_NIST_P521",
        EccSecgP256k1 = "ECC_SECG_P256K1",
        EccNistEdwards25519 = "ECC_NIST_EDWARDS25519",
        Hmac224 = "HMAC_224",
        Hmac256 = "HMAC_256",
        Hmac384 = "HMAC_384",
        Hmac512 = "HMAC_512",
        Sm2 = "SM2",
        MlDsa44 = "ML_DSA_44",
        MlDsa65 = "ML_DSA_65",
        MlDsa87 = "ML_DSA_87",
        MlKem512 = "ML_KEM_512",
        MlKem768 = "ML_KEM_768",
        MlKem1024 = "ML_KEM_1024",
    }
}

closed_set! {
    /// What a key is for (W-8).
    pub enum KeyUsage {
        EncryptDecrypt = "ENCRYPT_DECRYPT",
        SignVerify = "SIGN_VERIFY",
        GenerateVerifyMac = "GENERATE_VERIFY_MAC",
        KeyAgreement = "KEY_AGREEMENT",
        EncapsulateDecapsulate = "ENCAPSULATE_DECAPSULATE",
    }
}

closed_set! {
    /// Where the key material comes from (W-8).
    pub enum KeyOrigin {
        AwsKms = "AWS_KMS",
        External = "EXTERNAL",
        AwsCloudHsm = "AWS_CLOUDHSM",
        ExternalKeyStore = "EXTERNAL_KEY_STORE",
    }
}

closed_set! {
    /// The state of a key (ST-1).
    pub enum KeyState {
        Creating = "Creating",
        Enabled = "Enabled",
        Disabled = "Disabled",
        PendingDeletion = "PendingDeletion",
        PendingImport = "PendingImport",
        PendingReplicaDeletion = "PendingReplicaDeletion",
        Unavailable = "Unavailable",
        Updating = "Updating",
    }
}

closed_set! {
    /// The part a multi-Region key plays (CK-21).
    pub enum MultiRegionKeyType {
        Primary = "PRIMARY",
        Replica = "REPLICA",
    }
}

closed_set! {
    /// Who manages a key (ST-5).
    pub enum KeyManager {
        Customer = "CUSTOMER",
        Aws = "AWS",
    }
}

/// Specs that behave alike (W-4, G-7).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum KeyFamily {
    /// SYMMETRIC_DEFAULT.
    Symmetric,
    /// RSA_*.
    Rsa,
    /// ECC_NIST_P256, P384, P521.
    EccNist,
    /// ECC_SECG_P256K1, ECC_NIST_EDWARDS25519: no key agreement.
    EccOther,
    /// HMAC_*.
    Hmac,
    /// SM2.
    Sm2,
    /// ML_DSA_*.
    MlDsa,
    /// ML_KEM_*.
    MlKem,
}

impl KeySpec {
    /// The family it belongs to.
    pub const fn family(self) -> KeyFamily {
        match self {
            Self::SymmetricDefault => KeyFamily::Symmetric,
            Self::Rsa2048 | Self::Rsa3072 | Self::Rsa4096 => KeyFamily::Rsa,
            Self::EccNistP256 | Self::EccNistP384 | Self::EccNistP521 => KeyFamily::EccNist,
            Self::EccSecgP256k1 | Self::EccNistEdwards25519 => KeyFamily::EccOther,
            Self::Hmac224 | Self::Hmac256 | Self::Hmac384 | Self::Hmac512 => KeyFamily::Hmac,
            Self::Sm2 => KeyFamily::Sm2,
            Self::MlDsa44 | Self::MlDsa65 | Self::MlDsa87 => KeyFamily::MlDsa,
            Self::MlKem512 | Self::MlKem768 | Self::MlKem1024 => KeyFamily::MlKem,
        }
    }

    /// Whether it is the one symmetric encryption spec: the only one with an encryption context (G-23).
    pub const fn is_symmetric(self) -> bool {
        matches!(self, Self::SymmetricDefault)
    }
}

/// A deletion that was scheduled (W-5, ST-2).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Deletion {
    /// The waiting period, in days.
    pub window_days: u32,
    /// When the waiting period ends. `None`: it has not begun, for replicas of the key are still there
    /// (PendingReplicaDeletion).
    pub due: Option<Timestamp>,
    /// The state that the key had before.
    pub was: KeyState,
}

impl Deletion {
    /// The same, with its waiting period beginning at `now`.
    #[must_use]
    pub const fn begun(self, now: Timestamp) -> Self {
        Self {
            due: Some(now.after_days(self.window_days)),
            ..self
        }
    }
}

/// A KMS key (SPEC A.1, B.8).
#[derive(Clone, Debug)]
pub struct Key {
    /// The key's ARN; its account and Region say where it lives.
    pub arn: KeyArn,
    /// The revision that created it: a token of a grant on it depends on this one.
    pub born: Revision,
    /// When it was created.
    pub created_at: Timestamp,
    /// Free text, at most 8,192 characters.
    pub description: Arc<str>,
    /// The kind of key material.
    pub spec: KeySpec,
    /// What it is for.
    pub usage: KeyUsage,
    /// Where its material comes from.
    pub origin: KeyOrigin,
    /// Its own state. What callers see is [`super::State::key_state`]: it depends on the key's store, too (K-12).
    pub state: KeyState,
    /// Its part in a multi-Region set; `None` for a single-Region key.
    pub multi_region: Option<MultiRegionKeyType>,
    /// Who manages it.
    pub manager: KeyManager,
    /// Its tags (E-1).
    pub tags: Tags,
    /// Its key policy, compiled when stored (P-1).
    pub policy: Arc<Policy>,
    /// The users and roles that the key policy names, with the immutable ids that they had when it was put (ID-18).
    pub bindings: Arc<Bindings>,
    /// Its scheduled deletion, while it is pending.
    pub deletion: Option<Deletion>,
    /// The custom key store that it lives in (K-5).
    pub custom_key_store: Option<StoreKey>,
    /// The last use that is known (EC-23).
    pub last_use: Option<KeyUse>,
}
