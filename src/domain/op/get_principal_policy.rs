//! `GetPrincipalPolicy`: tells an identity policy as it was put (`iam:GetUserPolicy`, `iam:GetRolePolicy`).

use crate::domain::ids::PrincipalArn;
use std::sync::Arc;

/// Tells an identity policy as it was put (`iam:GetUserPolicy`, `iam:GetRolePolicy`).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct GetPrincipalPolicy {
    /// User or role ARN.
    pub arn: PrincipalArn,
    /// The policy's name.
    pub name: Arc<str>,
}
