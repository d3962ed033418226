//! `CreateGrant`: makes a grant on a key (G-9 to G-30).

use super::DryRun;
use crate::domain::ids::{GrantId, KeyRef};
use crate::domain::state::grant::{EncryptionContext, GrantOperation};
use std::sync::Arc;

/// Makes a grant on a key (G-9 to G-30).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CreateGrant {
    /// The key as the caller named it (ID-6 says which forms an operation takes).
    pub key: KeyRef,
    /// The id if a new grant comes to be; drawn before the log.
    pub grant_id: GrantId,
    /// `GranteePrincipal` as sent (ID-14, ID-15).
    pub grantee: Option<Arc<str>>,
    /// `GranteeServicePrincipal` as sent (G-9).
    pub grantee_service: Option<Arc<str>>,
    /// `RetiringPrincipal` as sent.
    pub retiring: Option<Arc<str>>,
    /// `RetiringServicePrincipal` as sent.
    pub retiring_service: Option<Arc<str>>,
    /// `Operations`; must not be empty (G-5).
    pub operations: Vec<GrantOperation>,
    /// `EncryptionContextEquals`; empty counts as absent (U-11).
    pub context_equals: Arc<EncryptionContext>,
    /// `EncryptionContextSubset`; empty counts as absent (U-11).
    pub context_subset: Arc<EncryptionContext>,
    /// `SourceArn` as sent (G-22).
    pub source_arn: Option<Arc<str>>,
    /// `Name` for idempotent retries (G-17).
    pub name: Option<Arc<str>>,
    /// Whether only to authorize and validate (G-20).
    pub dry_run: DryRun,
}
