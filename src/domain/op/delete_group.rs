//! `DeleteGroup`: deletes a group that has neither members nor policies (`iam:DeleteGroup`).

use super::context::{Change, Context};
use super::refusal::{Said, refusals, said};
use super::table::Operation;
use super::{Change as What, ErrorCode, Event, Output, groups};
use crate::domain::authz::{Allowed, Denied};
use crate::domain::ids::GroupArn;
use crate::domain::state::State;

/// Deletes a group that has neither members nor policies (`iam:DeleteGroup`).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DeleteGroup {
    /// The group's ARN.
    pub arn: GroupArn,
}

refusals! {
    /// Why DeleteGroup is refused, in the order of its checks.
    Refusal {
        /// Not permitted.
        Denied(Denied),
        /// It is not there.
        NotThere(Said),
        /// It has members.
        HasMembers(Said),
        /// It has policies.
        HasPolicies(Said),
    }
}

impl Change for DeleteGroup {
    type Refusal = Refusal;
    type Plan = GroupArn;

    fn plan(&self, cx: &Context<'_>) -> Result<(Allowed, GroupArn), Refusal> {
        let allowed = groups::allow(cx, Operation::DeleteGroup, &self.arn)?;
        let group = groups::existing(cx, &self.arn).map_err(Refusal::NotThere)?;
        if cx.state.members(&self.arn, None).next().is_some() {
            return Err(Refusal::HasMembers(said(
                ErrorCode::DeleteConflict,
                "Cannot delete entity, must remove users from group first.",
            )));
        }
        if !group.policies.is_empty() {
            return Err(Refusal::HasPolicies(said(
                ErrorCode::DeleteConflict,
                "Cannot delete entity, must delete policies first.",
            )));
        }
        Ok((allowed, self.arn.clone()))
    }

    fn enact(arn: GroupArn, state: &mut State) -> (Output, Vec<Event>) {
        state.take_group(&arn);
        (Output::Done, vec![Event::GroupChanged(arn, What::Deleted)])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::op::testing::{ADMIN, ALLOW_ALL, BOB, Cluster, arn, check_rows, group};
    use crate::domain::op::{
        Command, delete_group_policy, put_group_policy, remove_user_from_group,
    };

    fn delete(name: &str) -> Command {
        Command::DeleteGroup(DeleteGroup { arn: group(name) })
    }

    #[test]
    fn delete_group_refuses_in_the_order_of_its_checks() {
        let mut cluster = Cluster::new();
        cluster.make_group("readers", &[BOB]);
        cluster.done(
            ADMIN,
            Command::PutGroupPolicy(put_group_policy::PutGroupPolicy {
                arn: group("readers"),
                name: "p".into(),
                policy: ALLOW_ALL.into(),
            }),
        );
        let in_use = cluster.refusal(ADMIN, delete("readers"));
        cluster.done(
            ADMIN,
            Command::RemoveUserFromGroup(remove_user_from_group::RemoveUserFromGroup {
                group: group("readers"),
                user: arn(BOB),
            }),
        );
        check_rows(vec![
            (
                "no permission, not there",
                cluster.refusal(BOB, delete("nobody")),
                "AccessDeniedException",
                "iam:DeleteGroup",
            ),
            (
                "not there",
                cluster.refusal(ADMIN, delete("nobody")),
                "NoSuchEntity",
                "The group with name nobody cannot be found.",
            ),
            (
                "with members and policies",
                in_use,
                "DeleteConflict",
                "Cannot delete entity, must remove users from group first.",
            ),
            (
                "with policies",
                cluster.refusal(ADMIN, delete("readers")),
                "DeleteConflict",
                "Cannot delete entity, must delete policies first.",
            ),
        ]);
        cluster.done(
            ADMIN,
            Command::DeleteGroupPolicy(delete_group_policy::DeleteGroupPolicy {
                arn: group("readers"),
                name: "p".into(),
            }),
        );
        cluster.done(ADMIN, delete("readers"));
        assert!(cluster.state.group(&group("readers")).is_none());
        cluster.make_group("Readers", &[]);
    }
}
