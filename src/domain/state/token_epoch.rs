//! The epochs of grant tokens as stored (DESIGN "The grant token").
//!
//! Imports time. The secret is sealed: only `crypto` with the cluster's seal key can open it.

use std::fmt;
use std::sync::Arc;

use crate::domain::time::Revision;

/// One epoch: the tokens minted in it open with its secret, until it is revoked.
#[derive(Clone, PartialEq, Eq)]
pub struct TokenEpoch {
    /// 1, 2, 3, …
    pub number: u32,
    /// The secret, sealed; empty once the epoch is revoked, for then it opens nothing any more.
    pub sealed_secret: Arc<[u8]>,
    /// The revision that began it.
    pub born: Revision,
    /// The revision that revoked it.
    pub revoked: Option<Revision>,
}

/// Shows nothing of the secret.
impl fmt::Debug for TokenEpoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenEpoch")
            .field("number", &self.number)
            .field("born", &self.born)
            .field("revoked", &self.revoked)
            .finish_non_exhaustive()
    }
}
