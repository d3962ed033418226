//! `DeletePrincipalPolicy`: removes an identity policy (`iam:DeleteUserPolicy`, `iam:DeleteRolePolicy`).

use crate::domain::ids::PrincipalArn;
use std::sync::Arc;

/// Removes an identity policy (`iam:DeleteUserPolicy`, `iam:DeleteRolePolicy`).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DeletePrincipalPolicy {
    /// User or role ARN.
    pub arn: PrincipalArn,
    /// The policy's name.
    pub name: Arc<str>,
}
