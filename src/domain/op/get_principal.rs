//! `GetPrincipal`: tells the facts of a user or a role (`iam:GetUser`, `iam:GetRole`).

use super::context::{Context, Question};
use super::refusal::{Said, refusals};
use super::table::Operation;
use super::{Answer, identity};
use crate::domain::authz::Denied;
use crate::domain::authz::request::Parameters;
use crate::domain::ids::PrincipalArn;

/// Tells the facts of a user or a role (`iam:GetUser`, `iam:GetRole`).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct GetPrincipal {
    /// User or role ARN.
    pub arn: PrincipalArn,
}

refusals! {
    /// Why GetPrincipal is refused, in the order of its checks.
    Refusal {
        /// No user or role.
        Shape(Said),
        /// Not permitted.
        Denied(Denied),
        /// It is not there.
        NotThere(Said),
    }
}

impl Question for GetPrincipal {
    type Refusal = Refusal;

    fn answer(&self, cx: &Context<'_>) -> Result<Answer, Refusal> {
        let kind = identity::kind_of(&self.arn).map_err(Refusal::Shape)?;
        identity::allow(
            cx,
            Operation::GetPrincipal,
            kind,
            &self.arn,
            Parameters::NONE,
        )?;
        let principal = identity::existing(cx, &self.arn).map_err(Refusal::NotThere)?;
        Ok(Answer::Principal((**principal).clone()))
    }
}
