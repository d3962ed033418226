//! `DeletePrincipalPolicy`: removes an identity policy (`iam:DeleteUserPolicy`, `iam:DeleteRolePolicy`).

use super::context::{Change, Context};
use super::refusal::{Said, refusals};
use super::table::Operation;
use super::{Event, Output, identity, service_linked};
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
        /// It is a role that nobody changes (K-4).
        Protected(Said),
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
        service_linked::check_editable(cx, principal).map_err(Refusal::Protected)?;
        let mut principal = (**principal).clone();
        if principal.policies.remove(&self.name).is_none() {
            let why = identity::no_policy(&self.arn, &self.name);
            return Err(Refusal::NoPolicy(why));
        }
        Ok((allowed, principal))
    }

    fn enact(principal: Principal, state: &mut State) -> (Output, Vec<Event>) {
        identity::store(principal, state)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::op::Command;
    use crate::domain::op::testing::{ADMIN, BOB, Cluster, OWNER, arn, check_rows};

    fn delete(text: &str, name: &str) -> Command {
        let (arn, name) = (arn(text), name.into());
        Command::DeletePrincipalPolicy(DeletePrincipalPolicy { arn, name })
    }

    #[test]
    fn delete_principal_policy_refuses_in_the_order_of_its_checks() {
        let cluster = Cluster::new();
        let nobody = format!("arn:aws:iam::{OWNER}:user/nobody");
        let root = format!("arn:aws:iam::{OWNER}:root");
        check_rows(vec![
            (
                "the root",
                cluster.refusal(BOB, delete(&root, "")),
                "ValidationException",
                "neither",
            ),
            (
                "a bad name",
                cluster.refusal(BOB, delete(&nobody, "")),
                "ValidationException",
                "policyName",
            ),
            (
                "no permission",
                cluster.refusal(BOB, delete(&nobody, "p")),
                "AccessDeniedException",
                "iam:DeleteUserPolicy",
            ),
            (
                "not there",
                cluster.refusal(ADMIN, delete(&nobody, "p")),
                "NoSuchEntity",
                "The user with name nobody",
            ),
            (
                "no such policy",
                cluster.refusal(ADMIN, delete(BOB, "p")),
                "NoSuchEntity",
                "The user policy with name p",
            ),
        ]);
    }

    /// D-1, Q-10: what a policy allowed ends with it, at once.
    #[test]
    fn policy_that_is_deleted_allows_nothing_more() {
        let mut cluster = Cluster::new();
        cluster.done(ADMIN, delete(ADMIN, "test"));
        let (code, _) = cluster.refusal(ADMIN, delete(ADMIN, "test"));
        assert_eq!(code, "AccessDeniedException");
    }
}
