//! The grant token: a sealed, self-fencing locator of a grant (DESIGN "The grant token", ID-12, ID-13).
//!
//! ```text
//! base64( version 1 | epoch 4 | incarnation 16 | born 8 | depends_on 8 | digest 32 | sealed(salt 16 | body) | tag 16 )
//! ```
//! The digest is keyed BLAKE3 over header, salt and body; its first 24 bytes are the nonce of XChaCha20-Poly1305,
//! header and digest its associated data. So equal grants give different tokens (the salt), nothing of the body is
//! revealed, and the nonce repeats only if header, salt and body all do. Integers are big-endian.
//!
//! An authentic token says what once was; whether the grant still lives is the state's to say. `app` applies the fence.

use std::fmt;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use zeroize::Zeroizing;

use super::seal::EpochSecret;
pub use super::token_body::TokenBody;
use super::token_body::{decode, encode_grant, encode_ids};
use crate::domain::limits::GRANT_TOKEN_CHARS_MAX;
use crate::domain::state::grant::Grant;
use crate::domain::time::{Incarnation, Revision};

const VERSION: u8 = 1;
const HEADER_LEN: usize = 1 + 4 + 16 + 8 + 8;
const DIGEST_LEN: usize = blake3::OUT_LEN;
const NONCE_LEN: usize = 24;
const SALT_LEN: usize = 16;
const TAG_LEN: usize = 16;
/// The longest sealed part whose base64 text keeps within the limit: 6,144 bytes in all.
const BODY_LEN_MAX: usize =
    GRANT_TOKEN_CHARS_MAX / 4 * 3 - HEADER_LEN - DIGEST_LEN - SALT_LEN - TAG_LEN;

/// The number of a token epoch; the first is 1.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Epoch(pub u32);

/// The keys of one epoch of one incarnation, derived from its secret with separate contexts.
pub struct EpochKeys {
    epoch: Epoch,
    incarnation: Incarnation,
    digest_key: Zeroizing<[u8; 32]>,
    cipher: XChaCha20Poly1305,
}

impl EpochKeys {
    /// Derives the keys of `epoch`.
    pub fn derive(epoch: Epoch, incarnation: Incarnation, secret: &EpochSecret) -> Self {
        let key = |context| Zeroizing::new(blake3::derive_key(context, secret.0.as_slice()));
        Self {
            epoch,
            incarnation,
            digest_key: key("grantd 2026-11 grant token digest v1"),
            cipher: XChaCha20Poly1305::new(
                key("grantd 2026-11 grant token body v1").as_slice().into(),
            ),
        }
    }

    /// The epoch that these keys are of.
    pub fn epoch(&self) -> Epoch {
        self.epoch
    }

    fn digest(&self, header: &[u8], opened: &[u8]) -> blake3::Hash {
        blake3::Hasher::new_keyed(&self.digest_key)
            .update(header)
            .update(opened)
            .finalize()
    }
}

/// Shows nothing of the keys.
impl fmt::Debug for EpochKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EpochKeys({:?}, ..)", self.epoch)
    }
}

/// What a token says in clear. Not to be believed before [`open`] found the token authentic.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TokenHeader {
    /// The epoch whose keys sealed it.
    pub epoch: Epoch,
    /// The life of the cluster it belongs to (Q-12).
    pub incarnation: Incarnation,
    /// The revision at which the grant came to be: the fence (Q-6).
    pub born: Revision,
    /// What a node must have applied to judge the grant by the token (Q-6).
    pub depends_on: Revision,
}

impl TokenHeader {
    fn to_bytes(self) -> [u8; HEADER_LEN] {
        let Self {
            epoch,
            incarnation,
            born,
            depends_on,
        } = self;
        let mut bytes = [0; HEADER_LEN];
        let parts: [&[u8]; 5] = [
            &[VERSION],
            &epoch.0.to_be_bytes(),
            &incarnation.0,
            &born.0.to_be_bytes(),
            &depends_on.0.to_be_bytes(),
        ];
        for (to, from) in bytes.iter_mut().zip(parts.into_iter().flatten()) {
            *to = *from;
        }
        bytes
    }

    fn from_bytes(bytes: &[u8; HEADER_LEN]) -> Option<Self> {
        let (version, rest) = bytes.split_first()?;
        let (epoch, rest) = rest.split_first_chunk()?;
        let (incarnation, rest) = rest.split_first_chunk()?;
        let (born, rest) = rest.split_first_chunk()?;
        let (depends_on, rest) = rest.split_first_chunk()?;
        (*version == VERSION && rest.is_empty()).then_some(Self {
            epoch: Epoch(u32::from_be_bytes(*epoch)),
            incarnation: Incarnation(*incarnation),
            born: Revision(u64::from_be_bytes(*born)),
            depends_on: Revision(u64::from_be_bytes(*depends_on)),
        })
    }
}

/// A minted token. `Debug` shows its digest's first bytes alone: a token is never logged.
#[derive(Clone, PartialEq, Eq)]
pub struct GrantToken(String);

impl GrantToken {
    /// The base64 text, for the answer of CreateGrant and nothing else.
    pub fn into_text(self) -> String {
        self.0
    }

    /// The base64 text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for GrantToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "GrantToken({})", token_hint(&self.0))
    }
}

/// What may be logged of a token's text: the first four bytes of its digest in hex, or `malformed`.
pub fn token_hint(text: &str) -> String {
    match split(text) {
        Ok((_, raw)) => raw
            .iter()
            .skip(HEADER_LEN)
            .take(4)
            .map(|b| format!("{b:02x}"))
            .collect(),
        Err(_) => "malformed".to_owned(),
    }
}

/// Why a token is refused; every kind is `InvalidGrantTokenException` outside.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum TokenError {
    /// No canonical base64, too long, too short, or of an unknown version.
    #[error("the grant token is malformed")]
    Malformed,
    /// Of another incarnation of the cluster (Q-12).
    #[error("the grant token belongs to another incarnation of the cluster")]
    Foreign,
    /// Of an epoch that the keys given do not hold: one that was revoked, or one that this node has not applied yet.
    #[error("the grant token belongs to a token epoch that is not known here")]
    UnknownEpoch,
    /// Not sealed by this cluster, or changed since.
    #[error("the grant token is not authentic")]
    Inauthentic,
}

/// Mints a token of `grant`. `salt` must be random and used once; `depends_on` as CreateGrant's output says.
///
/// A grant too large for 8,192 characters gets a token that seals only its ids.
///
/// # Errors
/// [`TokenError::Malformed`] if even the ids do not fit, which valid ids cannot reach.
pub fn mint(
    keys: &EpochKeys,
    grant: &Grant,
    depends_on: Revision,
    salt: [u8; SALT_LEN],
) -> Result<GrantToken, TokenError> {
    let header = TokenHeader {
        epoch: keys.epoch,
        incarnation: keys.incarnation,
        born: grant.born,
        depends_on,
    }
    .to_bytes();
    let body = encode_grant(grant)
        .filter(|body| body.len() <= BODY_LEN_MAX)
        .or_else(|| encode_ids(&grant.key, grant.id))
        .filter(|body| body.len() <= BODY_LEN_MAX)
        .ok_or(TokenError::Malformed)?;
    let opened = [salt.as_slice(), &body].concat();
    let digest = keys.digest(&header, &opened);
    let aad = [header.as_slice(), digest.as_bytes()].concat();
    let sealed = keys
        .cipher
        .encrypt(nonce(&digest), Payload { msg: &opened, aad: &aad })
        .map_err(|_| TokenError::Malformed)?;
    Ok(GrantToken(STANDARD.encode([aad, sealed].concat())))
}

/// Reads a token's header without believing it: which epoch, which incarnation, which revisions it claims.
///
/// # Errors
/// [`TokenError::Malformed`], or [`TokenError::Foreign`] if it is not of `incarnation`.
pub fn peek(text: &str, incarnation: Incarnation) -> Result<TokenHeader, TokenError> {
    let (header, _) = split(text)?;
    if header.incarnation == incarnation {
        Ok(header)
    } else {
        Err(TokenError::Foreign)
    }
}

/// Opens a token with the keys of the epoch that [`peek`] read.
///
/// # Errors
/// Every [`TokenError`]; nothing of the body is used before digest and tag were found right.
pub fn open(text: &str, keys: &EpochKeys) -> Result<(TokenHeader, TokenBody), TokenError> {
    let (header, raw) = split(text)?;
    if header.incarnation != keys.incarnation {
        return Err(TokenError::Foreign);
    }
    if header.epoch != keys.epoch {
        return Err(TokenError::UnknownEpoch);
    }
    let (aad, sealed) = raw
        .split_at_checked(HEADER_LEN + DIGEST_LEN)
        .ok_or(TokenError::Malformed)?;
    let (header_bytes, digest) = aad
        .split_at_checked(HEADER_LEN)
        .ok_or(TokenError::Malformed)?;
    let digest: [u8; DIGEST_LEN] = digest.try_into().map_err(|_| TokenError::Malformed)?;
    let digest = blake3::Hash::from_bytes(digest);
    let opened = keys
        .cipher
        .decrypt(nonce(&digest), Payload { msg: sealed, aad })
        .map_err(|_| TokenError::Inauthentic)?;
    // blake3::Hash compares in constant time.
    if keys.digest(header_bytes, &opened) != digest {
        return Err(TokenError::Inauthentic);
    }
    let body = opened.get(SALT_LEN..).ok_or(TokenError::Inauthentic)?;
    let body = decode(body, header.born).map_err(|_| TokenError::Inauthentic)?;
    Ok((header, body))
}

impl TokenBody {
    /// The grant's id.
    pub fn grant_id(&self) -> crate::domain::ids::GrantId {
        match self {
            Self::Grant(grant) => grant.id,
            Self::Ids { grant_id, .. } => *grant_id,
        }
    }

    /// The grant's key.
    pub fn key(&self) -> &crate::domain::ids::KeyArn {
        match self {
            Self::Grant(grant) => &grant.key,
            Self::Ids { key, .. } => key,
        }
    }

    /// The whole grant, if the token carries it.
    pub fn grant(&self) -> Option<&Arc<Grant>> {
        match self {
            Self::Grant(grant) => Some(grant),
            Self::Ids { .. } => None,
        }
    }
}

fn nonce(digest: &blake3::Hash) -> &XNonce {
    let (nonce, _) = digest.as_bytes().split_at(NONCE_LEN);
    XNonce::from_slice(nonce)
}

/// Strict, canonical base64 of a bounded length, with a header of the known version.
fn split(text: &str) -> Result<(TokenHeader, Vec<u8>), TokenError> {
    if text.len() > GRANT_TOKEN_CHARS_MAX {
        return Err(TokenError::Malformed);
    }
    let raw = STANDARD.decode(text).map_err(|_| TokenError::Malformed)?;
    if raw.len() < HEADER_LEN + DIGEST_LEN + SALT_LEN + TAG_LEN {
        return Err(TokenError::Malformed);
    }
    let header = raw
        .first_chunk()
        .and_then(TokenHeader::from_bytes)
        .ok_or(TokenError::Malformed)?;
    Ok((header, raw))
}
