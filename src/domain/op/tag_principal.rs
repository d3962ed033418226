//! `TagPrincipal`: sets tags of a user or a role (`iam:TagUser`, `iam:TagRole`).

use crate::domain::ids::PrincipalArn;
use crate::domain::state::Tags;

/// Sets tags of a user or a role (`iam:TagUser`, `iam:TagRole`).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TagPrincipal {
    /// User or role ARN.
    pub arn: PrincipalArn,
    /// Tags to set; a key that exists is overwritten.
    pub tags: Tags,
}
