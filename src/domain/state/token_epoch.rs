//! The epochs of grant tokens as stored (DESIGN "The grant token").
//!
//! An epoch is installed first and mints later, once every node that still answers has it: so a node can open whatever
//! token comes, at once. It ends when the next one mints, and is kept while a grant of it lives: rotation harms no token.
//! One that is revoked opens nothing from then on. Imports time. The secret is sealed: only `crypto` with the cluster's seal key can open it.

use std::fmt;
use std::sync::Arc;

use crate::domain::time::Revision;

/// What tells the cluster's seal key from any other: a keyed digest of a constant and the incarnation, of which nothing
/// about the key can be learnt. All zeros before the cluster's first command.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct SealCheck(pub [u8; 32]);

/// One epoch: the tokens minted in it open with its secret, until it is revoked.
#[derive(Clone, PartialEq, Eq)]
pub struct TokenEpoch {
    /// 1, 2, 3, …
    pub number: u32,
    /// The secret, sealed; empty once the epoch is revoked, for then it opens nothing any more.
    pub sealed_secret: Arc<[u8]>,
    /// The revision that began it.
    pub born: Revision,
    /// The revision from which on it mints; `None`: not yet.
    pub mints: Option<Revision>,
    /// The revision from which on the next one mints: a token of it that claims a grant of that revision or a later one is
    /// forged.
    pub ended: Option<Revision>,
    /// The revision that revoked it.
    pub revoked: Option<Revision>,
}

impl TokenEpoch {
    /// Whether it mints, or is still to.
    pub const fn is_ahead(&self) -> bool {
        self.ended.is_none() && self.revoked.is_none()
    }

    /// Whether it mints.
    pub const fn is_minting(&self) -> bool {
        self.is_ahead() && self.mints.is_some()
    }
}

/// Shows nothing of the secret.
impl fmt::Debug for TokenEpoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenEpoch")
            .field("number", &self.number)
            .field("born", &self.born)
            .field("mints", &self.mints)
            .field("ended", &self.ended)
            .field("revoked", &self.revoked)
            .finish_non_exhaustive()
    }
}
