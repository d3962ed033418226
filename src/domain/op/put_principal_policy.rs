//! `PutPrincipalPolicy`: stores an identity policy of a user or a role (`iam:PutUserPolicy`, `iam:PutRolePolicy`).

use super::context::{Change, Context};
use super::refusal::{BadPolicy, Said, refusals, said};
use super::table::Operation;
use super::{ErrorCode, Event, Output, identity, policies, service_linked};
use crate::domain::authz::request::Parameters;
use crate::domain::authz::{Allowed, Denied};
use crate::domain::ids::PrincipalArn;
use crate::domain::limits::POLICIES_PER_PRINCIPAL_MAX;
use crate::domain::policy::PolicyKind;
use crate::domain::state::State;
use crate::domain::state::principal::Principal;
use std::sync::Arc;

/// Stores an identity policy of a user or a role (`iam:PutUserPolicy`, `iam:PutRolePolicy`).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PutPrincipalPolicy {
    /// User or role ARN.
    pub arn: PrincipalArn,
    /// The policy's name; a policy of this name is replaced.
    pub name: Arc<str>,
    /// The JSON text; validated and compiled by `plan`.
    pub policy: Arc<str>,
}

refusals! {
    /// Why PutPrincipalPolicy is refused, in the order of its checks.
    Refusal {
        /// No user or role, or a policy name that cannot be.
        Shape(Said),
        /// Not permitted.
        Denied(Denied),
        /// It is not there.
        NotThere(Said),
        /// It is a role that nobody changes (K-4).
        Protected(Said),
        /// The text is no identity policy.
        Policy(BadPolicy),
        /// It has as many policies as it can have.
        TooMany(Said),
    }
}

impl Change for PutPrincipalPolicy {
    type Refusal = Refusal;
    type Plan = Principal;

    fn plan(&self, cx: &Context<'_>) -> Result<(Allowed, Principal), Refusal> {
        let kind = identity::kind_of(&self.arn).map_err(Refusal::Shape)?;
        identity::check_policy_name(&self.name).map_err(Refusal::Shape)?;
        let operation = Operation::PutPrincipalPolicy;
        let allowed = identity::allow(cx, operation, kind, &self.arn, Parameters::NONE)?;
        let principal = identity::existing(cx, &self.arn).map_err(Refusal::NotThere)?;
        service_linked::check_editable(cx, principal).map_err(Refusal::Protected)?;
        let policy = policies::read(&self.policy, PolicyKind::Identity)?;
        let mut principal = (**principal).clone();
        principal.policies.insert(Arc::clone(&self.name), policy);
        if principal.policies.len() > POLICIES_PER_PRINCIPAL_MAX {
            return Err(Refusal::TooMany(said(
                ErrorCode::QuotaExceeded,
                format_args!(
                    "`{}` has {POLICIES_PER_PRINCIPAL_MAX} policies, as many as it can have",
                    self.arn
                ),
            )));
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
    use crate::domain::op::testing::{ADMIN, ALLOW_ALL, BOB, Cluster, OWNER, arn, check_rows};

    fn put(text: &str, name: &str, policy: &str) -> Command {
        let (arn, name, policy) = (arn(text), name.into(), policy.into());
        Command::PutPrincipalPolicy(PutPrincipalPolicy { arn, name, policy })
    }

    #[test]
    fn put_principal_policy_refuses_in_the_order_of_its_checks() {
        let cluster = Cluster::new();
        let nobody = format!("arn:aws:iam::{OWNER}:role/nobody");
        let root = format!("arn:aws:iam::{OWNER}:root");
        check_rows(vec![
            (
                "the root",
                cluster.refusal(BOB, put(&root, "a b", "{")),
                "ValidationException",
                "neither",
            ),
            (
                "a bad name",
                cluster.refusal(BOB, put(&nobody, "a b", "{")),
                "ValidationException",
                "policyName",
            ),
            (
                "no permission",
                cluster.refusal(BOB, put(&nobody, "p", "{")),
                "AccessDeniedException",
                "iam:PutRolePolicy",
            ),
            (
                "not there",
                cluster.refusal(ADMIN, put(&nobody, "p", "{")),
                "NoSuchEntity",
                "The role with name nobody",
            ),
            (
                "no policy",
                cluster.refusal(ADMIN, put(BOB, "p", "{")),
                "MalformedPolicyDocumentException",
                "line 1, column",
            ),
        ]);
    }

    #[test]
    fn policy_past_the_last_is_refused_and_one_of_the_same_name_replaced() {
        let mut cluster = Cluster::new();
        for n in 0..POLICIES_PER_PRINCIPAL_MAX {
            cluster.done(ADMIN, put(BOB, &format!("p{n}"), ALLOW_ALL));
        }
        let (code, _) = cluster.refusal(ADMIN, put(BOB, "one-more", ALLOW_ALL));
        assert_eq!(code, "LimitExceeded");
        cluster.done(
            ADMIN,
            put(BOB, "p0", &ALLOW_ALL.replace("\"All\"", "\"Else\"")),
        );
        let policies = &cluster.state.principal(&arn(BOB)).unwrap().policies;
        assert!(policies["p0"].text().contains("Else"));
    }
}
