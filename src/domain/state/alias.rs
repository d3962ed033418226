//! An alias as stored (ID-5 to ID-9).
//!
//! Imports ids, time. Holds facts; decides nothing.

use crate::domain::ids::{AliasArn, KeyArn};
use crate::domain::time::Timestamp;

/// An alias and the one key that it names (ID-7).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Alias {
    /// Its ARN; account and Region are its key's.
    pub arn: AliasArn,
    /// The key.
    pub target: KeyArn,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it was last given a key.
    pub updated_at: Timestamp,
}
