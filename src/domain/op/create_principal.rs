//! `CreatePrincipal`: makes a user or a role (`iam:CreateUser`, `iam:CreateRole`).

use crate::domain::ids::{PrincipalArn, UniqueId};
use crate::domain::state::Tags;

/// Makes a user or a role (`iam:CreateUser`, `iam:CreateRole`).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CreatePrincipal {
    /// User or role ARN, with its path.
    pub arn: PrincipalArn,
    /// The immutable id, drawn before the log (ID-18).
    pub unique_id: UniqueId,
    /// Tags from the start.
    pub tags: Tags,
}
