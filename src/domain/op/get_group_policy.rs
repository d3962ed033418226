//! `GetGroupPolicy`: tells a policy of a group as it was put (`iam:GetGroupPolicy`).

use super::context::{Context, Question};
use super::refusal::{Said, refusals};
use super::table::Operation;
use super::{Answer, groups, identity};
use crate::domain::authz::Denied;
use crate::domain::ids::GroupArn;
use std::sync::Arc;

/// Tells a policy of a group as it was put (`iam:GetGroupPolicy`).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct GetGroupPolicy {
    /// The group's ARN.
    pub arn: GroupArn,
    /// The policy's name.
    pub name: Arc<str>,
}

refusals! {
    /// Why GetGroupPolicy is refused, in the order of its checks.
    Refusal {
        /// A policy name that cannot be.
        Shape(Said),
        /// Not permitted.
        Denied(Denied),
        /// It is not there.
        NotThere(Said),
        /// It has no such policy.
        NoPolicy(Said),
    }
}

impl Question for GetGroupPolicy {
    type Refusal = Refusal;

    fn answer(&self, cx: &Context<'_>) -> Result<Answer, Refusal> {
        identity::check_policy_name(&self.name).map_err(Refusal::Shape)?;
        groups::allow(cx, Operation::GetGroupPolicy, &self.arn)?;
        let group = groups::existing(cx, &self.arn).map_err(Refusal::NotThere)?;
        let Some(policy) = group.policies.get(&self.name) else {
            return Err(Refusal::NoPolicy(groups::no_policy(&self.name)));
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
    use crate::domain::op::testing::{ADMIN, ALLOW_ALL, BOB, Cluster, check_rows, group};
    use crate::domain::op::{Command, Query, put_group_policy};

    fn get(name: &str, policy_name: &str) -> Query {
        Query::GetGroupPolicy(GetGroupPolicy {
            arn: group(name),
            name: policy_name.into(),
        })
    }

    #[test]
    fn get_group_policy_refuses_in_the_order_of_its_checks() {
        let mut cluster = Cluster::new();
        cluster.make_group("readers", &[]);
        let no = |who, question| cluster.ask(who, question).unwrap_err();
        check_rows(vec![
            (
                "a bad name, no permission",
                no(BOB, get("nothing", "")),
                "ValidationException",
                "policyName",
            ),
            (
                "no permission, not there",
                no(BOB, get("nothing", "p")),
                "AccessDeniedException",
                "iam:GetGroupPolicy",
            ),
            (
                "not there",
                no(ADMIN, get("nothing", "p")),
                "NoSuchEntity",
                "The group with name nothing",
            ),
            (
                "no such policy",
                no(ADMIN, get("readers", "p")),
                "NoSuchEntity",
                "The group policy with name p cannot be found.",
            ),
        ]);
        let (arn, name, policy) = (group("readers"), "p".into(), ALLOW_ALL.into());
        let put = put_group_policy::PutGroupPolicy { arn, name, policy };
        cluster.done(ADMIN, Command::PutGroupPolicy(put));
        let told = cluster.ask(ADMIN, get("readers", "p"));
        assert!(matches!(told, Ok(Answer::Policy { text, .. }) if &*text == ALLOW_ALL));
    }
}
