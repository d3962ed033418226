//! `ListPrincipalPolicies`: lists the names of the identity policies of a user or a role (`iam:ListUserPolicies`, `iam:ListRolePolicies`).

use super::Page;
use crate::domain::ids::PrincipalArn;

/// Lists the names of the identity policies of a user or a role (`iam:ListUserPolicies`, `iam:ListRolePolicies`).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ListPrincipalPolicies {
    /// User or role ARN.
    pub arn: PrincipalArn,
    /// Which page (G-32).
    pub page: Page,
}
