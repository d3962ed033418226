//! `GetPrincipalPolicy`: tells an identity policy as it was put (`iam:GetUserPolicy`, `iam:GetRolePolicy`).

use super::context::{Context, Question};
use super::refusal::{Said, refusals};
use super::table::Operation;
use super::{Answer, identity};
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
            let why = identity::no_policy(&self.arn, &self.name);
            return Err(Refusal::NoPolicy(why));
        };
        Ok(Answer::Policy {
            name: Arc::clone(&self.name),
            text: Arc::clone(policy.text()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::op::Query;
    use crate::domain::op::testing::{ADMIN, ALLOW_ALL, BOB, Cluster, OWNER, arn, check_rows};

    fn get(text: &str, name: &str) -> Query {
        let (arn, name) = (arn(text), name.into());
        Query::GetPrincipalPolicy(GetPrincipalPolicy { arn, name })
    }

    #[test]
    fn get_principal_policy_refuses_in_the_order_of_its_checks() {
        let cluster = Cluster::new();
        let nobody = format!("arn:aws:iam::{OWNER}:user/nobody");
        check_rows(vec![
            (
                "the root",
                cluster
                    .ask(BOB, get(&format!("arn:aws:iam::{OWNER}:root"), ""))
                    .unwrap_err(),
                "ValidationException",
                "neither",
            ),
            (
                "a bad name",
                cluster.ask(BOB, get(&nobody, "")).unwrap_err(),
                "ValidationException",
                "policyName",
            ),
            (
                "no permission",
                cluster.ask(BOB, get(&nobody, "p")).unwrap_err(),
                "AccessDeniedException",
                "iam:GetUserPolicy",
            ),
            (
                "not there",
                cluster.ask(ADMIN, get(&nobody, "p")).unwrap_err(),
                "NoSuchEntity",
                "nobody",
            ),
            (
                "no such policy",
                cluster.ask(ADMIN, get(BOB, "p")).unwrap_err(),
                "NoSuchEntity",
                "policy with name p",
            ),
        ]);
        let told = cluster.ask(ADMIN, get(ADMIN, "test"));
        assert!(matches!(told, Ok(Answer::Policy { text, .. }) if &*text == ALLOW_ALL));
    }
}
