//! `RotateTokenEpoch`: revokes the token epochs so far and begins a new one.

use std::sync::Arc;

/// Revokes every token epoch so far at once and begins a new one; for the operator alone.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RotateTokenEpoch {
    /// The new epoch's secret, sealed under the cluster's seal key.
    pub sealed_epoch_secret: Arc<[u8]>,
}
