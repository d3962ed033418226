//! `ListPrincipals`: lists the users or the roles of the caller's account (`iam:ListUsers`, `iam:ListRoles`).

use super::Page;
use crate::domain::state::principal::PrincipalType;

/// Lists the users or the roles of the caller's account (`iam:ListUsers`, `iam:ListRoles`).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ListPrincipals {
    /// Users or roles.
    pub kind: PrincipalType,
    /// Which page (G-32).
    pub page: Page,
}
