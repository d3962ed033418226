//! `DeleteAlias`: deletes an alias; its key stays (ID-7).

use std::sync::Arc;

/// Deletes an alias; its key stays (ID-7).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DeleteAlias {
    /// The alias name as sent (ID-5).
    pub alias: Arc<str>,
}
