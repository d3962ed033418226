//! `ListGrants`: lists the grants of a key (G-31).

use super::Page;
use crate::domain::ids::KeyRef;
use std::sync::Arc;

/// Lists the grants of a key (G-31).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ListGrants {
    /// The key as the caller named it (ID-6 says which forms an operation takes).
    pub key: KeyRef,
    /// Only this grant.
    pub grant_id: Option<Arc<str>>,
    /// Only grants with exactly this grantee.
    pub grantee: Option<Arc<str>>,
    /// Only grants to this service; for service callers (G-31).
    pub grantee_service: Option<Arc<str>>,
    /// Which page (G-32).
    pub page: Page,
}
