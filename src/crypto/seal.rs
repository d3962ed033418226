//! The cluster's seal key, and the sealing of token epoch secrets at rest.
//!
//! Every node holds the same seal key in a file of its own; the log and the snapshots hold only sealed secrets.

use std::fmt;
use std::str::FromStr;

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use zeroize::Zeroizing;

use crate::domain::ids::CustomKeyStoreId;
use crate::domain::state::token_epoch::SealCheck;
use crate::domain::time::Incarnation;

/// Length of a seal key and of an epoch secret, in bytes.
pub const SECRET_LEN: usize = 32;
const NONCE_LEN: usize = 24;
const CONTEXT: &[u8] = b"grantd 2026-11 token epoch secret at rest v1";
const CREDENTIAL_CONTEXT: &[u8] = b"grantd 2026-11 credential of a custom key store at rest v1 ";

const CHECK_CONTEXT: &str = "grantd 2026-12 check value of a cluster's seal key v1";

/// The key under which a cluster's secrets are sealed at rest; the same on every node, never replicated.
#[derive(Clone)]
pub struct SealKey(Zeroizing<[u8; SECRET_LEN]>);

impl SealKey {
    /// A seal key from 32 random bytes.
    pub fn from_bytes(bytes: [u8; SECRET_LEN]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// The file form: 64 lower-case hex digits and a line end.
    pub fn to_file_text(&self) -> Zeroizing<String> {
        let mut text = Zeroizing::new(String::with_capacity(2 * SECRET_LEN + 1));
        for b in self.0.iter() {
            for nibble in [b >> 4, b & 15] {
                text.push(char::from_digit(u32::from(nibble), 16).unwrap_or('0'));
            }
        }
        text.push('\n');
        text
    }

    /// What tells this key from any other, in one life of a cluster. It is derived, and nothing about the key follows from
    /// it, so that it may be replicated and shown to peers.
    pub fn check(&self, incarnation: Incarnation) -> SealCheck {
        let material = Zeroizing::new([self.0.as_slice(), &incarnation.0].concat());
        SealCheck(blake3::derive_key(CHECK_CONTEXT, &material))
    }

    /// Seals an epoch's secret for `incarnation`. `nonce` must be random and used once.
    pub fn seal(
        &self,
        incarnation: Incarnation,
        nonce: [u8; NONCE_LEN],
        secret: &EpochSecret,
    ) -> Result<Vec<u8>, SealError> {
        self.seal_bytes(nonce, secret.0.as_slice(), &aad(incarnation))
    }

    /// Opens what [`SealKey::seal`] sealed.
    ///
    /// # Errors
    /// [`SealError`] if another key or another incarnation sealed it, or if it was damaged.
    pub fn open(&self, incarnation: Incarnation, sealed: &[u8]) -> Result<EpochSecret, SealError> {
        let opened = Zeroizing::new(self.open_bytes(sealed, &aad(incarnation))?);
        let secret: [u8; SECRET_LEN] = opened.as_slice().try_into().map_err(|_| SealError)?;
        Ok(EpochSecret(Zeroizing::new(secret)))
    }

    /// Seals what a custom key store logs in with, bound to the store. `nonce` must be random and used once.
    ///
    /// # Errors
    /// [`SealError`] if the cipher refuses, which it does for no credential that AWS's limits let through.
    pub fn seal_credential(
        &self,
        store: &CustomKeyStoreId,
        nonce: [u8; NONCE_LEN],
        secret: &str,
    ) -> Result<Vec<u8>, SealError> {
        self.seal_bytes(nonce, secret.as_bytes(), &credential_aad(store))
    }

    /// Opens what [`SealKey::seal_credential`] sealed: for a connector that holds the seal key. It survives a restored
    /// backup, unlike what is bound to one life of the cluster.
    ///
    /// # Errors
    /// [`SealError`] if it was sealed for another store or under another key, or if it was damaged.
    pub fn open_credential(
        &self,
        store: &CustomKeyStoreId,
        sealed: &[u8],
    ) -> Result<Zeroizing<String>, SealError> {
        let opened = self.open_bytes(sealed, &credential_aad(store))?;
        String::from_utf8(opened)
            .map(Zeroizing::new)
            .map_err(|_| SealError)
    }

    /// The nonce, then what `msg` is sealed into.
    fn seal_bytes(
        &self,
        nonce: [u8; NONCE_LEN],
        msg: &[u8],
        aad: &[u8],
    ) -> Result<Vec<u8>, SealError> {
        let sealed = self
            .cipher()
            .encrypt(XNonce::from_slice(&nonce), Payload { msg, aad })
            .map_err(|_| SealError)?;
        Ok([nonce.as_slice(), &sealed].concat())
    }

    fn open_bytes(&self, sealed: &[u8], aad: &[u8]) -> Result<Vec<u8>, SealError> {
        let (nonce, msg) = sealed.split_at_checked(NONCE_LEN).ok_or(SealError)?;
        self.cipher()
            .decrypt(XNonce::from_slice(nonce), Payload { msg, aad })
            .map_err(|_| SealError)
    }

    fn cipher(&self) -> XChaCha20Poly1305 {
        XChaCha20Poly1305::new(self.0.as_slice().into())
    }
}

fn credential_aad(store: &CustomKeyStoreId) -> Vec<u8> {
    [CREDENTIAL_CONTEXT, store.as_str().as_bytes()].concat()
}

fn aad(incarnation: Incarnation) -> Vec<u8> {
    [CONTEXT, &incarnation.0].concat()
}

/// Shows nothing of the key.
impl fmt::Debug for SealKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SealKey(..)")
    }
}

/// A text that is no seal key.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("not a seal key: want 64 hex digits, as `grantd cluster keygen` writes them")]
pub struct ParseSealKeyError;

impl FromStr for SealKey {
    type Err = ParseSealKeyError;

    fn from_str(s: &str) -> Result<Self, Self::Err> {
        let digits = s.trim_end_matches(['\r', '\n']);
        let mut bytes = Zeroizing::new([0u8; SECRET_LEN]);
        if digits.len() != 2 * SECRET_LEN {
            return Err(ParseSealKeyError);
        }
        for (byte, pair) in bytes.iter_mut().zip(digits.as_bytes().chunks_exact(2)) {
            let mut value = 0;
            for c in pair {
                let nibble = char::from(*c).to_digit(16).ok_or(ParseSealKeyError)?;
                value = value << 4 | nibble;
            }
            *byte = u8::try_from(value).map_err(|_| ParseSealKeyError)?;
        }
        Ok(Self(bytes))
    }
}

/// The secret of one token epoch: 32 random bytes, drawn before the log and sealed there.
pub struct EpochSecret(pub(super) Zeroizing<[u8; SECRET_LEN]>);

impl EpochSecret {
    /// A secret from 32 random bytes.
    pub fn from_bytes(bytes: [u8; SECRET_LEN]) -> Self {
        Self(Zeroizing::new(bytes))
    }
}

/// Shows nothing of the secret.
impl fmt::Debug for EpochSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EpochSecret(..)")
    }
}

/// A sealed secret that does not open under this key.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error(
    "the sealed secret does not open: this node's seal key differs from the cluster's, or the secret is of another incarnation or damaged; give every node the same seal key file"
)]
pub struct SealError;

#[cfg(test)]
mod tests {
    use super::*;

    const INCARNATION: Incarnation = Incarnation([7; 16]);

    #[test]
    fn sealed_secret_opens_under_the_same_key_and_incarnation_alone() {
        let key = SealKey::from_bytes([1; 32]);
        let sealed = key
            .seal(INCARNATION, [9; 24], &EpochSecret::from_bytes([2; 32]))
            .unwrap();
        assert_eq!(*key.open(INCARNATION, &sealed).unwrap().0, [2; 32]);
        assert!(
            SealKey::from_bytes([3; 32])
                .open(INCARNATION, &sealed)
                .is_err()
        );
        assert!(key.open(Incarnation([8; 16]), &sealed).is_err());
        for i in 0..sealed.len() {
            let mut bad = sealed.clone();
            bad[i] ^= 1;
            assert!(key.open(INCARNATION, &bad).is_err(), "byte {i}");
            assert!(key.open(INCARNATION, &sealed[..i]).is_err(), "cut at {i}");
        }
    }

    /// K-11: a credential opens for its own store alone; what is kept shows nothing of it.
    #[test]
    fn credential_opens_for_its_own_store_alone() {
        let key = SealKey::from_bytes([1; 32]);
        let store = |text: &str| text.parse::<CustomKeyStoreId>().unwrap();
        let sealed = key
            .seal_credential(&store("cks-1"), [9; 24], "kmsPswd1")
            .unwrap();
        assert!(!sealed.windows(8).any(|part| part == b"kmsPswd1"));
        let open = |key: &SealKey, id: &str, sealed: &[u8]| {
            key.open_credential(&store(id), sealed)
                .ok()
                .map(|secret| secret.to_string())
        };
        assert_eq!(open(&key, "cks-1", &sealed).as_deref(), Some("kmsPswd1"));
        assert_eq!(open(&key, "cks-2", &sealed), None);
        let other = SealKey::from_bytes([2; 32]);
        assert_eq!(open(&other, "cks-1", &sealed), None);
        for at in 0..sealed.len() {
            let mut bad = sealed.clone();
            bad[at] ^= 1;
            assert_eq!(open(&key, "cks-1", &bad), None, "byte {at}");
            assert_eq!(open(&key, "cks-1", &sealed[..at]), None, "cut at {at}");
        }
        let longest = "s".repeat(crate::domain::limits::XKS_SECRET_ACCESS_KEY.1);
        let sealed = key.seal_credential(&store("cks-1"), [9; 24], &longest);
        assert!(sealed.unwrap().len() <= crate::domain::limits::SEALED_CREDENTIAL_MAX);
    }

    #[test]
    fn seal_key_file_text_round_trips_and_junk_is_refused() {
        let key = SealKey::from_bytes([0x5a; 32]);
        let text = key.to_file_text();
        assert_eq!(*text.parse::<SealKey>().unwrap().0, [0x5a; 32]);
        for junk in ["", "ab", &"g".repeat(64), &"a".repeat(63), &"é".repeat(32)] {
            assert!(junk.parse::<SealKey>().is_err(), "{junk}");
        }
    }

    /// The check value tells keys apart, and lives of a cluster; the same key has the same one on every node.
    #[test]
    fn check_value_tells_keys_and_incarnations_apart() {
        let check = |key, life| SealKey::from_bytes([key; 32]).check(Incarnation([life; 16]));
        assert_eq!(check(1, 1), check(1, 1));
        assert_ne!(check(1, 1), check(2, 1));
        assert_ne!(check(1, 1), check(1, 2));
        assert_ne!(check(1, 1).0, [1; 32]);
    }

    #[test]
    fn debug_shows_no_secret() {
        assert_eq!(format!("{:?}", SealKey::from_bytes([1; 32])), "SealKey(..)");
        assert_eq!(
            format!("{:?}", EpochSecret::from_bytes([1; 32])),
            "EpochSecret(..)"
        );
    }
}
