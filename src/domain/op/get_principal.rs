//! `GetPrincipal`: tells the facts of a user or a role (`iam:GetUser`, `iam:GetRole`).

use crate::domain::ids::PrincipalArn;

/// Tells the facts of a user or a role (`iam:GetUser`, `iam:GetRole`).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct GetPrincipal {
    /// User or role ARN.
    pub arn: PrincipalArn,
}
