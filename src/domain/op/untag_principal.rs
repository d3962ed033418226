//! `UntagPrincipal`: removes tags of a user or a role (`iam:UntagUser`, `iam:UntagRole`).

use crate::domain::ids::PrincipalArn;
use std::collections::BTreeSet;
use std::sync::Arc;

/// Removes tags of a user or a role (`iam:UntagUser`, `iam:UntagRole`).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct UntagPrincipal {
    /// User or role ARN.
    pub arn: PrincipalArn,
    /// Keys to remove; an absent key is no fault.
    pub tag_keys: BTreeSet<Arc<str>>,
}
