//! `PutKeyPolicy`: replaces the key policy.

use super::LockoutCheck;
use crate::domain::ids::KeyRef;
use std::sync::Arc;

/// Replaces the key policy.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PutKeyPolicy {
    /// The key as the caller named it (ID-6 says which forms an operation takes).
    pub key: KeyRef,
    /// `default` or absent (P-1).
    pub policy_name: Option<Arc<str>>,
    /// The JSON text; validated and compiled by `plan`.
    pub policy: Arc<str>,
    /// Whether the lockout safety check runs (P-7).
    pub lockout_check: LockoutCheck,
}
