//! `RetireGrant`: ends a grant by those that may retire it (G-41, G-50).

use super::DryRun;
use crate::domain::ids::KeyRef;
use std::sync::Arc;

/// Ends a grant by those that may retire it (G-41, G-50).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RetireGrant {
    /// The key; from the opened token or as sent.
    pub key: KeyRef,
    /// The grant id, from the opened token or as sent (ID-11).
    pub grant_id: Arc<str>,
    /// Whether only to authorize and validate (G-20).
    pub dry_run: DryRun,
}
