//! `PutPrincipalPolicy`: stores an identity policy of a user or a role (`iam:PutUserPolicy`, `iam:PutRolePolicy`).

use crate::domain::ids::PrincipalArn;
use std::sync::Arc;

/// Stores an identity policy of a user or a role (`iam:PutUserPolicy`, `iam:PutRolePolicy`).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PutPrincipalPolicy {
    /// User or role ARN.
    pub arn: PrincipalArn,
    /// The policy's name; a policy of this name is replaced.
    pub name: Arc<str>,
    /// The JSON text; validated and compiled by `plan`.
    pub policy: Arc<str>,
}
