//! `CreateKey`: makes a KMS key.

use super::LockoutCheck;
use crate::domain::ids::{AccountId, KeyId, Partition, Region};
use crate::domain::state::Tags;
use crate::domain::state::key::{KeyOrigin, KeySpec, KeyUsage};
use std::sync::Arc;

/// Makes a KMS key.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CreateKey {
    /// The account that owns the key: the caller's.
    pub account: AccountId,
    /// The partition of the key's ARN.
    pub partition: Partition,
    /// The Region that the request names.
    pub region: Region,
    /// Drawn before the log; a multi-Region id when `multi_region`.
    pub key_id: KeyId,
    /// Free text.
    pub description: Arc<str>,
    /// The kind of key material.
    pub spec: KeySpec,
    /// Required unless the spec is SYMMETRIC_DEFAULT (W-4).
    pub usage: Option<KeyUsage>,
    /// Where the material comes from.
    pub origin: KeyOrigin,
    /// Whether the key is the primary of a multi-Region set.
    pub multi_region: MultiRegion,
    /// The key policy's JSON text; absent: the default policy (P-8).
    pub policy: Option<Arc<str>>,
    /// Whether the lockout safety check runs (P-7).
    pub lockout_check: LockoutCheck,
    /// Tags from the start; needs `kms:TagResource` too (D-15).
    pub tags: Tags,
}

/// Whether a key is of a single Region or the primary of a multi-Region set.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum MultiRegion {
    /// A single-Region key.
    #[default]
    No,
    /// The primary key of a multi-Region set.
    Primary,
}
