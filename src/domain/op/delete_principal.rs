//! `DeletePrincipal`: deletes a user or a role (`iam:DeleteUser`, `iam:DeleteRole`).

use super::context::{Change, Context};
use super::refusal::{Said, refusals, said};
use super::table::Operation;
use super::{Change as What, ErrorCode, Event, Output, identity};
use crate::domain::authz::request::Parameters;
use crate::domain::authz::{Allowed, Denied};
use crate::domain::ids::PrincipalArn;
use crate::domain::state::State;

/// Deletes a user or a role (`iam:DeleteUser`, `iam:DeleteRole`).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DeletePrincipal {
    /// User or role ARN.
    pub arn: PrincipalArn,
}

refusals! {
    /// Why DeletePrincipal is refused, in the order of its checks.
    Refusal {
        /// No user or role.
        Shape(Said),
        /// Not permitted.
        Denied(Denied),
        /// It is not there.
        NotThere(Said),
        /// It still has identity policies.
        HasPolicies(Said),
    }
}

/// Grants and key policies that name it stay, bound to an id that nobody has any more (ID-18).
impl Change for DeletePrincipal {
    type Refusal = Refusal;
    type Plan = PrincipalArn;

    fn plan(&self, cx: &Context<'_>) -> Result<(Allowed, PrincipalArn), Refusal> {
        let kind = identity::kind_of(&self.arn).map_err(Refusal::Shape)?;
        let operation = Operation::DeletePrincipal;
        let allowed = identity::allow(cx, operation, kind, &self.arn, Parameters::NONE)?;
        let principal = identity::existing(cx, &self.arn).map_err(Refusal::NotThere)?;
        if !principal.policies.is_empty() {
            return Err(Refusal::HasPolicies(said(
                ErrorCode::DeleteConflict,
                "Cannot delete entity, must delete policies first.",
            )));
        }
        Ok((allowed, self.arn.clone()))
    }

    fn enact(arn: PrincipalArn, state: &mut State) -> (Output, Vec<Event>) {
        state.take_principal(&arn);
        (
            Output::Done,
            vec![Event::PrincipalChanged(arn, What::Deleted)],
        )
    }
}
