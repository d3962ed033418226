//! IAM groups as stored: policies that a user has by being a member (D-2).
//!
//! Imports ids, time, policy. Holds facts; who is a member stands in the user.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::domain::ids::{GroupArn, UniqueId};
use crate::domain::policy::Policy;
use crate::domain::time::{Revision, Timestamp};

/// A group: never an identity, nor a principal (ID-16, ID-20).
#[derive(Clone, Debug)]
pub struct Group {
    /// Its ARN, with its path.
    pub arn: GroupArn,
    /// Immutable id, `AGPA…`.
    pub unique_id: UniqueId,
    /// When it was created.
    pub created_at: Timestamp,
    /// The revision that created it.
    pub born: Revision,
    /// Its policies by name, compiled when stored: evaluated as identity policies of every member.
    pub policies: BTreeMap<Arc<str>, Arc<Policy>>,
}
