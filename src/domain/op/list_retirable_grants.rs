//! `ListRetirableGrants`: lists the grants that a principal may retire (G-34).

use super::Page;
use std::sync::Arc;

/// Lists the grants that a principal may retire (G-34).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ListRetirableGrants {
    /// `RetiringPrincipal`: a principal of the caller's account.
    pub retiring: Option<Arc<str>>,
    /// `RetiringServicePrincipal`; for service callers.
    pub retiring_service: Option<Arc<str>>,
    /// Which page (G-32).
    pub page: Page,
}
