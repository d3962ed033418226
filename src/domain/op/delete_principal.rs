//! `DeletePrincipal`: deletes a user or a role (`iam:DeleteUser`, `iam:DeleteRole`).

use crate::domain::ids::PrincipalArn;

/// Deletes a user or a role (`iam:DeleteUser`, `iam:DeleteRole`).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DeletePrincipal {
    /// User or role ARN.
    pub arn: PrincipalArn,
}
