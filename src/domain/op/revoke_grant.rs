//! `RevokeGrant`: ends a grant by those whom a policy allows it (G-40).

use super::DryRun;
use crate::domain::ids::KeyRef;
use std::sync::Arc;

/// Ends a grant by those whom a policy allows it (G-40).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RevokeGrant {
    /// The key as the caller named it (ID-6 says which forms an operation takes).
    pub key: KeyRef,
    /// The grant id as sent (ID-11).
    pub grant_id: Arc<str>,
    /// Whether only to authorize and validate (G-20).
    pub dry_run: DryRun,
}
