//! `GetPrincipalPolicy`: tells an identity policy as it was put (`iam:GetUserPolicy`, `iam:GetRolePolicy`).

use super::context::{Context, Question};
use super::refusal::{Said, refusals, said};
use super::table::Operation;
use super::{Answer, ErrorCode, identity};
use crate::domain::authz::Denied;
use crate::domain::authz::request::Parameters;
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

refusals! {
    /// Why GetPrincipalPolicy is refused, in the order of its checks.
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

impl Question for GetPrincipalPolicy {
    type Refusal = Refusal;

    fn answer(&self, cx: &Context<'_>) -> Result<Answer, Refusal> {
        let kind = identity::kind_of(&self.arn).map_err(Refusal::Shape)?;
        identity::check_policy_name(&self.name).map_err(Refusal::Shape)?;
        identity::allow(
            cx,
            Operation::GetPrincipalPolicy,
            kind,
            &self.arn,
            Parameters::NONE,
        )?;
        let principal = identity::existing(cx, &self.arn).map_err(Refusal::NotThere)?;
        let Some(policy) = principal.policies.get(&self.name) else {
            let (kind, _) = identity::shown(&self.arn);
            return Err(Refusal::NoPolicy(said(
                ErrorCode::NoSuchEntity,
                format_args!("The {kind} policy with name {} cannot be found.", self.name),
            )));
        };
        Ok(Answer::Policy {
            name: Arc::clone(&self.name),
            text: Arc::clone(policy.text()),
        })
    }
}
