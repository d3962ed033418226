//! `GetKeyPolicy`: tells the key policy as it was put.

use crate::domain::ids::KeyRef;
use std::sync::Arc;

/// Tells the key policy as it was put.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct GetKeyPolicy {
    /// The key as the caller named it (ID-6 says which forms an operation takes).
    pub key: KeyRef,
    /// `default` or absent (P-1).
    pub policy_name: Option<Arc<str>>,
}
