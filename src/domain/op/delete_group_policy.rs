//! `DeleteGroupPolicy`: removes a policy of a group (`iam:DeleteGroupPolicy`).

use super::context::{Change, Context};
use super::refusal::{Said, refusals};
use super::table::Operation;
use super::{Event, Output, groups, identity};
use crate::domain::authz::{Allowed, Denied};
use crate::domain::ids::GroupArn;
use crate::domain::state::State;
use crate::domain::state::group::Group;
use std::sync::Arc;

/// Removes a policy of a group (`iam:DeleteGroupPolicy`).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DeleteGroupPolicy {
    /// The group's ARN.
    pub arn: GroupArn,
    /// The policy's name.
    pub name: Arc<str>,
}

refusals! {
    /// Why DeleteGroupPolicy is refused, in the order of its checks.
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

impl Change for DeleteGroupPolicy {
    type Refusal = Refusal;
    type Plan = Group;

    fn plan(&self, cx: &Context<'_>) -> Result<(Allowed, Group), Refusal> {
        identity::check_policy_name(&self.name).map_err(Refusal::Shape)?;
        let allowed = groups::allow(cx, Operation::DeleteGroupPolicy, &self.arn)?;
        let group = groups::existing(cx, &self.arn).map_err(Refusal::NotThere)?;
        let mut group = (**group).clone();
        if group.policies.remove(&self.name).is_none() {
            return Err(Refusal::NoPolicy(groups::no_policy(&self.name)));
        }
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
        ADMIN, ALLOW_ALL, BOB, Cluster, check_rows, create_key, group,
    };
    use crate::domain::op::{Command, put_group_policy};

    fn delete(name: &str, policy_name: &str) -> Command {
        Command::DeleteGroupPolicy(DeleteGroupPolicy {
            arn: group(name),
            name: policy_name.into(),
        })
    }

    #[test]
    fn delete_group_policy_refuses_in_the_order_of_its_checks() {
        let mut cluster = Cluster::new();
        cluster.make_group("readers", &[BOB]);
        check_rows(vec![
            (
                "a bad name, no permission",
                cluster.refusal(BOB, delete("readers", "")),
                "ValidationException",
                "policyName",
            ),
            (
                "no permission, not there",
                cluster.refusal(BOB, delete("nothing", "p")),
                "AccessDeniedException",
                "iam:DeleteGroupPolicy",
            ),
            (
                "not there",
                cluster.refusal(ADMIN, delete("nothing", "p")),
                "NoSuchEntity",
                "The group with name nothing",
            ),
            (
                "no such policy",
                cluster.refusal(ADMIN, delete("readers", "p")),
                "NoSuchEntity",
                "The group policy with name p cannot be found.",
            ),
        ]);
        let (arn, name, policy) = (group("readers"), "p".into(), ALLOW_ALL.into());
        let put = put_group_policy::PutGroupPolicy { arn, name, policy };
        cluster.done(ADMIN, Command::PutGroupPolicy(put));
        cluster.done(BOB, Command::CreateKey(create_key(8)));
        cluster.done(BOB, delete("readers", "p"));
        let (code, _) = cluster.refusal(BOB, Command::CreateKey(create_key(9)));
        assert_eq!(code, "AccessDeniedException");
    }
}
