//! `DeletePrincipalPolicy`: removes an identity policy (`iam:DeleteUserPolicy`, `iam:DeleteRolePolicy`).

use super::context::{Change, Context};
use super::refusal::{Said, refusals, said};
use super::table::Operation;
use super::{Change as What, ErrorCode, Event, Output, identity};
use crate::domain::authz::request::Parameters;
use crate::domain::authz::{Allowed, Denied};
use crate::domain::ids::PrincipalArn;
use crate::domain::state::State;
use crate::domain::state::principal::Principal;
use std::sync::Arc;

/// Removes an identity policy (`iam:DeleteUserPolicy`, `iam:DeleteRolePolicy`).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DeletePrincipalPolicy {
    /// User or role ARN.
    pub arn: PrincipalArn,
    /// The policy's name.
    pub name: Arc<str>,
}

refusals! {
    /// Why DeletePrincipalPolicy is refused, in the order of its checks.
    Refusal {
        /// No user or role, or a policy name that cannot be.
        Shape(Said),
        /// Not permitted.
        Denied(Denied),
        /// It is not there.
        NotThere(Said),
        /// It has no such policy.
        NoPolicy(Said),
    }
}

impl Change for DeletePrincipalPolicy {
    type Refusal = Refusal;
    type Plan = Principal;

    fn plan(&self, cx: &Context<'_>) -> Result<(Allowed, Principal), Refusal> {
        let kind = identity::kind_of(&self.arn).map_err(Refusal::Shape)?;
        identity::check_policy_name(&self.name).map_err(Refusal::Shape)?;
        let operation = Operation::DeletePrincipalPolicy;
        let allowed = identity::allow(cx, operation, kind, &self.arn, Parameters::NONE)?;
        let principal = identity::existing(cx, &self.arn).map_err(Refusal::NotThere)?;
        let mut principal = (**principal).clone();
        if principal.policies.remove(&self.name).is_none() {
            let (kind, _) = identity::shown(&self.arn);
            return Err(Refusal::NoPolicy(said(
                ErrorCode::NoSuchEntity,
                format_args!("The {kind} policy with name {} cannot be found.", self.name),
            )));
        }
        Ok((allowed, principal))
    }

    fn enact(principal: Principal, state: &mut State) -> (Output, Vec<Event>) {
        let events = vec![Event::PrincipalChanged(
            principal.arn.clone(),
            What::Updated,
        )];
        state.put_principal(Arc::new(principal));
        (Output::Done, events)
    }
}
