//! `ListAccounts`: lists the accounts; for the operator alone.

use super::Page;

/// Lists the accounts; for the operator alone.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ListAccounts {
    /// Which page (G-32).
    pub page: Page,
}
