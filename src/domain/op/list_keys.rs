//! `ListKeys`: lists the keys of the caller's account and Region.

use super::Page;

/// Lists the keys of the caller's account and Region.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ListKeys {
    /// Which page (G-32).
    pub page: Page,
}
