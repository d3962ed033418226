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
    /// It claims a revision beyond a read index that was asked for after it had come: a token is minted after apply.
    #[error("the grant token claims a revision that the cluster has not reached")]
    BeyondCommitted,
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
        .encrypt(
            nonce(&digest),
            Payload {
                msg: &opened,
                aad: &aad,
            },
        )
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
    let body = read_body(body, header.born, header.epoch).ok_or(TokenError::Inauthentic)?;
    Ok((header, body))
}

/// Reads a body that has been opened: what [`open`] does once digest and tag were found right. `None` if it does not
/// decode.
pub fn read_body(opened: &[u8], born: Revision, epoch: Epoch) -> Option<TokenBody> {
    decode(opened, born, epoch.0).ok()
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ids::{GrantId, KeyArn};
    use crate::domain::state::grant::{
        ContextConstraint, EncryptionContext, GrantConstraints, GrantOperation, GrantPrincipal,
    };
    use crate::domain::time::Timestamp;
    use proptest::prelude::*;

    const INCARNATION: Incarnation = Incarnation([7; 16]);
    const DEPENDS_ON: Revision = Revision(9);

    fn keys(epoch: u32, secret: u8) -> EpochKeys {
        EpochKeys::derive(
            Epoch(epoch),
            INCARNATION,
            &EpochSecret::from_bytes([secret; 32]),
        )
    }

    fn key_arn() -> KeyArn {
        "arn:aws:kms:us-west-2:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
            .parse()
            .unwrap()
    }

    fn grant(pairs: usize, value_len: usize) -> Grant {
        let pairs: EncryptionContext = (0..pairs)
            .map(|i| (Arc::from(format!("k{i}")), Arc::from("v".repeat(value_len))))
            .collect();
        Grant {
            id: GrantId([3; 32]),
            key: key_arn(),
            grantee: GrantPrincipal::Arn {
                arn: "arn:aws:iam::111122223333:user/bob".parse().unwrap(),
                unique_id: "AIDAEXAMPLEEXAMPLEBOB".parse().unwrap(),
            },
            retiring: Some(GrantPrincipal::Service(
                "ec2.amazonaws.com".parse().unwrap(),
            )),
            operations: [GrantOperation::Decrypt, GrantOperation::CreateGrant]
                .into_iter()
                .collect(),
            constraints: GrantConstraints {
                context: (!pairs.is_empty()).then(|| ContextConstraint::Subset(Arc::new(pairs))),
                source_arn: None,
                term: Default::default(),
            },
            name: Some("n1".into()),
            issuing_account: "111122223333".parse().unwrap(),
            created_at: Timestamp::from_millis(1_795_313_425_123),
            born: Revision(42),
            spent: 0,
            ancestors: Vec::new(),
            epoch: 1,
        }
    }

    fn token(salt: u8) -> String {
        mint(&keys(1, 1), &grant(2, 8), DEPENDS_ON, [salt; 16])
            .unwrap()
            .into_text()
    }

    /// Q-6: a token opens to the grant that it was minted of, with its fence and what it depends on.
    #[test]
    fn token_opens_to_the_grant_it_was_minted_of() {
        for pairs in [0, 1, 8] {
            let grant = grant(pairs, 384);
            let token = mint(&keys(1, 1), &grant, DEPENDS_ON, [5; 16]).unwrap();
            let (header, body) = open(token.as_str(), &keys(1, 1)).unwrap();
            assert_eq!(header.born, grant.born);
            assert_eq!(header.depends_on, DEPENDS_ON);
            assert_eq!(body, TokenBody::Grant(Arc::new(grant)));
            assert!(token.as_str().len() <= GRANT_TOKEN_CHARS_MAX);
        }
    }

    /// ID-12: a token reveals nothing, and a fresh salt makes a fresh value.
    #[test]
    fn token_differs_by_salt_and_shows_no_text_of_the_grant() {
        assert_ne!(token(1), token(2));
        let raw = STANDARD.decode(token(1)).unwrap();
        for text in ["bob", "111122223333", "ec2"] {
            assert!(!raw.windows(text.len()).any(|w| w == text.as_bytes()));
        }
    }

    #[test]
    fn grant_too_large_for_a_token_gets_one_of_its_ids() {
        let grant = grant(8, 2_000);
        let token = mint(&keys(1, 1), &grant, DEPENDS_ON, [5; 16]).unwrap();
        let (_, body) = open(token.as_str(), &keys(1, 1)).unwrap();
        assert_eq!(
            body,
            TokenBody::Ids {
                key: key_arn(),
                grant_id: grant.id
            }
        );
    }

    #[test]
    fn largest_body_still_keeps_within_the_limit_of_characters() {
        let longest = HEADER_LEN + DIGEST_LEN + SALT_LEN + BODY_LEN_MAX + TAG_LEN;
        assert_eq!(longest.div_ceil(3) * 4, GRANT_TOKEN_CHARS_MAX);
    }

    /// Q-12: what another incarnation, epoch or secret sealed is refused, and each is told apart.
    #[test]
    fn token_of_another_incarnation_epoch_or_secret_is_refused() {
        let token = token(1);
        let foreign = EpochKeys::derive(
            Epoch(1),
            Incarnation([8; 16]),
            &EpochSecret::from_bytes([1; 32]),
        );
        assert_eq!(open(&token, &foreign), Err(TokenError::Foreign));
        assert_eq!(peek(&token, Incarnation([8; 16])), Err(TokenError::Foreign));
        assert_eq!(open(&token, &keys(2, 1)), Err(TokenError::UnknownEpoch));
        assert_eq!(open(&token, &keys(1, 2)), Err(TokenError::Inauthentic));
    }

    #[test]
    fn token_that_is_no_canonical_base64_of_its_length_is_malformed() {
        let token = token(1);
        let unpadded = token.trim_end_matches('=').to_owned() + "=";
        for bad in [
            String::new(),
            "=".to_owned(),
            "é".to_owned(),
            token.replace('A', "-"),
            format!(" {token}"),
            format!("{token}\n"),
            format!("{token}===="),
            "A".repeat(GRANT_TOKEN_CHARS_MAX + 4),
            "A".repeat(1 << 20),
            token[..token.len() / 2].to_owned(),
        ] {
            let refused = open(&bad, &keys(1, 1));
            assert!(refused.is_err(), "{bad:.60}");
        }
        if token.ends_with("==") {
            assert_eq!(open(&unpadded, &keys(1, 1)), Err(TokenError::Malformed));
        }
    }

    /// Trailing bits of the last character must be zero: one value, one text.
    #[test]
    fn token_with_loose_trailing_bits_is_malformed() {
        for len in 1..4usize {
            let raw = vec![0u8; 200 + len];
            let text = STANDARD.encode(&raw);
            if !text.ends_with('=') {
                continue;
            }
            let at = text.trim_end_matches('=').len() - 1;
            let loose = format!("{}B{}", &text[..at], &text[at + 1..]);
            assert_eq!(split(&loose).err(), Some(TokenError::Malformed));
        }
    }

    /// Ten thousand random mutations of a good token: each refused, none panics.
    #[test]
    fn mutated_token_is_never_opened() {
        let good = token(1);
        let raw = STANDARD.decode(&good).unwrap();
        let keys = keys(1, 1);
        let mut random = blake3::Hasher::new().update(b"mutations").finalize_xof();
        let mut draw = || {
            let mut bytes = [0u8; 8];
            random.fill(&mut bytes);
            usize::try_from(u64::from_le_bytes(bytes) >> 1).unwrap()
        };
        for round in 0..10_000 {
            let text = if round % 2 == 0 {
                let mut bad = raw.clone();
                for _ in 0..=draw() % 3 {
                    match draw() % 4 {
                        0 => {
                            let at = draw() % bad.len();
                            bad[at] ^= 1 << (draw() % 8);
                        }
                        1 => bad.truncate(draw() % bad.len().max(1)),
                        2 => bad.insert(draw() % (bad.len() + 1), (draw() % 256) as u8),
                        _ => {
                            let at = draw() % bad.len().max(1);
                            bad.drain(at.min(bad.len())..(at + draw() % 8).min(bad.len()));
                        }
                    }
                    if bad.is_empty() {
                        bad.push(0);
                    }
                }
                if bad == raw {
                    continue;
                }
                STANDARD.encode(bad)
            } else {
                let mut bad = good.clone().into_bytes();
                let at = draw() % bad.len();
                bad[at] = (draw() % 128) as u8;
                String::from_utf8(bad).unwrap()
            };
            if text == good {
                continue;
            }
            assert!(open(&text, &keys).is_err(), "round {round}: {text}");
        }
    }

    #[test]
    fn debug_and_hint_show_only_the_first_bytes_of_the_digest() {
        let token = mint(&keys(1, 1), &grant(0, 0), DEPENDS_ON, [5; 16]).unwrap();
        assert_eq!(format!("{token:?}").len(), "GrantToken(00000000)".len());
        assert_eq!(token_hint("junk"), "malformed");
    }

    proptest! {
        #[test]
        fn any_text_is_refused_without_a_panic(text in ".{0,400}") {
            prop_assert!(open(&text, &keys(1, 1)).is_err());
        }

        #[test]
        fn any_authentic_looking_bytes_are_refused_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            prop_assert!(open(&STANDARD.encode(bytes), &keys(1, 1)).is_err());
        }

        #[test]
        fn any_body_decodes_or_is_refused_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            let _decoded = decode(&bytes, Revision(1), 1);
        }
    }
}
