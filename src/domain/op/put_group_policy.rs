//! `PutGroupPolicy`: stores a policy of a group (`iam:PutGroupPolicy`).

use super::context::{Change, Context};
use super::refusal::{BadPolicy, Said, refusals};
use super::table::Operation;
use super::{Event, Output, groups, identity, policies};
use crate::domain::authz::{Allowed, Denied};
use crate::domain::ids::GroupArn;
use crate::domain::policy::PolicyKind;
use crate::domain::state::State;
use crate::domain::state::group::Group;
use std::sync::Arc;

/// Stores a policy of a group (`iam:PutGroupPolicy`): an identity policy of every member (D-2).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PutGroupPolicy {
    /// The group's ARN.
    pub arn: GroupArn,
    /// The policy's name; a policy of this name is replaced.
    pub name: Arc<str>,
    /// The JSON text; validated and compiled by `plan`.
    pub policy: Arc<str>,
}

refusals! {
    /// Why PutGroupPolicy is refused, in the order of its checks.
    Refusal {
        /// A policy name that cannot be.
        Shape(Said),
        /// Not permitted.
        Denied(Denied),
        /// It is not there.
        NotThere(Said),
        /// The text is no identity policy.
        Policy(BadPolicy),
        /// Its policies would be too large together.
        TooLarge(Said),
    }
}

impl Change for PutGroupPolicy {
    type Refusal = Refusal;
    type Plan = Group;

    fn plan(&self, cx: &Context<'_>) -> Result<(Allowed, Group), Refusal> {
        identity::check_policy_name(&self.name).map_err(Refusal::Shape)?;
        let allowed = groups::allow(cx, Operation::PutGroupPolicy, &self.arn)?;
        let group = groups::existing(cx, &self.arn).map_err(Refusal::NotThere)?;
        let policy = policies::read(&self.policy, PolicyKind::Identity)?;
        let mut group = (**group).clone();
        group.policies.insert(Arc::clone(&self.name), policy);
        groups::check_size(&group).map_err(Refusal::TooLarge)?;
        Ok((allowed, group))
    }

    fn enact(group: Group, state: &mut State) -> (Output, Vec<Event>) {
        groups::store(group, state)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::op::testing::{
        ADMIN, ALLOW_ALL, BOB, CAROL, Cluster, caller, check_rows, create_key, group, key, session,
    };
    use crate::domain::op::{Command, Query, describe_key};

    fn put(name: &str, policy_name: &str, policy: &str) -> Command {
        Command::PutGroupPolicy(PutGroupPolicy {
            arn: group(name),
            name: policy_name.into(),
            policy: policy.into(),
        })
    }

    #[test]
    fn put_group_policy_refuses_in_the_order_of_its_checks() {
        let mut cluster = Cluster::new();
        cluster.make_group("readers", &[]);
        let large = ALLOW_ALL.replace("\"All\"", &format!("\"{}\"", "A".repeat(5_100)));
        check_rows(vec![
            (
                "a bad name, no permission",
                cluster.refusal(BOB, put("readers", "a b", "{")),
                "ValidationException",
                "policyName",
            ),
            (
                "no permission, not there",
                cluster.refusal(BOB, put("nothing", "p", "{")),
                "AccessDeniedException",
                "iam:PutGroupPolicy",
            ),
            (
                "not there",
                cluster.refusal(ADMIN, put("nothing", "p", "{")),
                "NoSuchEntity",
                "The group with name nothing cannot be found.",
            ),
            (
                "no policy",
                cluster.refusal(ADMIN, put("readers", "p", "{")),
                "MalformedPolicyDocumentException",
                "line 1, column",
            ),
            (
                "too large",
                cluster.refusal(ADMIN, put("readers", "p", &large)),
                "LimitExceeded",
                "Maximum policy size of 5120 bytes exceeded for group readers",
            ),
        ]);
    }

    /// D-2: what a group's policy allows or denies, it allows or denies to its members alone, and the decision names both.
    #[test]
    fn policy_of_a_group_counts_for_its_members_alone() {
        let mut cluster = Cluster::new();
        cluster.make_group("readers", &[BOB]);
        let policy = |effect: &str| {
            format!(
                r#"{{"Version":"2012-10-17","Statement":[{{"Sid":"Read","Effect":"{effect}","Action":"kms:DescribeKey","Resource":"*"}}]}}"#
            )
        };
        let describe = || Query::DescribeKey(describe_key::DescribeKey { key: key(1) });
        assert!(cluster.ask(BOB, describe()).is_err());
        cluster.done(ADMIN, put("readers", "p", &policy("Allow")));
        assert!(cluster.ask(BOB, describe()).is_ok());
        assert!(cluster.ask(CAROL, describe()).is_err());
        assert!(cluster.ask_as(&session("s"), describe()).is_err());
        let decision = cluster.decision(&caller(BOB), "kms:DescribeKey");
        let statement = decision.decided_by().unwrap().statement.clone().unwrap();
        assert_eq!(statement.policy.as_deref(), Some("group readers / p"));
        cluster.put_policy(BOB, ALLOW_ALL);
        cluster.done(ADMIN, put("readers", "p", &policy("Deny")));
        let (_, why) = cluster.ask(BOB, describe()).unwrap_err();
        assert!(
            why.contains("explicit deny in an identity-based policy"),
            "{why}"
        );
        cluster.done(BOB, Command::CreateKey(create_key(9)));
    }
}
