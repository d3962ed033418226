//! Accounts, users and roles as stored (SPEC A.3).
//!
//! Imports ids, time, policy. Holds facts; decides nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::Tags;
use super::closed_set;
use crate::domain::ids::{AccountId, GroupArn, PrincipalArn, ServicePrincipal, UniqueId};
use crate::domain::policy::Policy;
use crate::domain::time::{Revision, Timestamp};

/// An account: the owner of keys and identities.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Account {
    /// The twelve digits.
    pub id: AccountId,
    /// A display name; may be empty.
    pub name: Arc<str>,
    /// When it was created.
    pub created_at: Timestamp,
    /// The revision that created it.
    pub born: Revision,
}

closed_set! {
    /// The two kinds of stored identities.
    pub enum PrincipalType {
        User = "User",
        Role = "Role",
    }
}

/// A user or a role.
#[derive(Clone, Debug)]
pub struct Principal {
    /// User or role ARN, with its path.
    pub arn: PrincipalArn,
    /// Immutable id, `AIDA…` or `AROA…`: a principal re-created under the same name has another (ID-18).
    pub unique_id: UniqueId,
    /// User or role.
    pub kind: PrincipalType,
    /// When it was created.
    pub created_at: Timestamp,
    /// The revision that created it: a token of a grant to it depends on this one.
    pub born: Revision,
    /// The service that a role was made for: a service-linked role, which no control policy restricts (D-18). Only the
    /// operator and the store itself make such roles. The path of a role says nothing of this.
    pub service: Option<ServicePrincipal>,
    /// `aws:PrincipalTag/<k>` (CK-0).
    pub tags: Tags,
    /// Identity policies by name, compiled when stored.
    pub policies: BTreeMap<Arc<str>, Arc<Policy>>,
    /// The permissions boundary (D-11).
    pub boundary: Option<Arc<Policy>>,
    /// The groups that a user is in. Each exists: a group with members is not deleted.
    pub groups: BTreeSet<GroupArn>,
}
