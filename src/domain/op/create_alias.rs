//! `CreateAlias`: makes an alias of a key.

use crate::domain::ids::KeyRef;
use std::sync::Arc;

/// Makes an alias of a key.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CreateAlias {
    /// The alias name as sent, with its prefix `alias/` (ID-5).
    pub alias: Arc<str>,
    /// Key id or key ARN, same account and Region (ID-6).
    pub target: KeyRef,
}
