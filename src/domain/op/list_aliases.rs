//! `ListAliases`: lists the aliases of the caller's account and Region.

use super::Page;
use crate::domain::ids::KeyRef;

/// Lists the aliases of the caller's account and Region.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ListAliases {
    /// Only those of this key.
    pub key: Option<KeyRef>,
    /// Which page (G-32).
    pub page: Page,
}
