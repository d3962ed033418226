//! `AddUserToGroup`: makes a user a member of a group (`iam:AddUserToGroup`).

use super::context::{Change, Context};
use super::refusal::{Said, refusals, said};
use super::table::Operation;
use super::{ErrorCode, Event, Output, groups, identity};
use crate::domain::authz::{Allowed, Denied};
use crate::domain::ids::{GroupArn, PrincipalArn};
use crate::domain::limits::GROUPS_PER_USER_MAX;
use crate::domain::state::State;
use crate::domain::state::principal::Principal;

/// Makes a user a member of a group (`iam:AddUserToGroup`): the group's policies are the user's from then on.
/// A member stays one.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AddUserToGroup {
    /// The group's ARN.
    pub group: GroupArn,
    /// The user's ARN.
    pub user: PrincipalArn,
}

refusals! {
    /// Why AddUserToGroup is refused, in the order of its checks.
    Refusal {
        /// No user, or one of another account.
        Shape(Said),
        /// Not permitted.
        Denied(Denied),
        /// The group or the user is not there.
        NotThere(Said),
        /// The user is in as many groups as it can be.
        TooMany(Said),
    }
}

impl Change for AddUserToGroup {
    type Refusal = Refusal;
    type Plan = (GroupArn, Principal);

    fn plan(&self, cx: &Context<'_>) -> Result<(Allowed, Self::Plan), Refusal> {
        groups::check_home(&self.group, &self.user).map_err(Refusal::Shape)?;
        let allowed = groups::allow(cx, Operation::AddUserToGroup, &self.group)?;
        groups::existing(cx, &self.group).map_err(Refusal::NotThere)?;
        let user = identity::existing(cx, &self.user).map_err(Refusal::NotThere)?;
        let mut user = (**user).clone();
        user.groups.insert(self.group.clone());
        if user.groups.len() > GROUPS_PER_USER_MAX {
            return Err(Refusal::TooMany(said(
                ErrorCode::QuotaExceeded,
                format_args!("Cannot exceed quota for GroupsPerUser: {GROUPS_PER_USER_MAX}"),
            )));
        }
        Ok((allowed, (self.group.clone(), user)))
    }

    fn enact((group, user): Self::Plan, state: &mut State) -> (Output, Vec<Event>) {
        groups::store_member(group, user, state)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::op::Command;
    use crate::domain::op::testing::{
        ADMIN, APP, BOB, Cluster, EXT, OWNER, arn, check_rows, group,
    };

    fn add(name: &str, user: &str) -> Command {
        Command::AddUserToGroup(AddUserToGroup {
            group: group(name),
            user: arn(user),
        })
    }

    #[test]
    fn add_user_to_group_refuses_in_the_order_of_its_checks() {
        let mut cluster = Cluster::new();
        cluster.make_group("readers", &[]);
        let nobody = format!("arn:aws:iam::{OWNER}:user/nobody");
        check_rows(vec![
            (
                "a role, no permission",
                cluster.refusal(BOB, add("readers", APP)),
                "ValidationException",
                "only users are in groups",
            ),
            (
                "a user of another account",
                cluster.refusal(BOB, add("readers", EXT)),
                "ValidationException",
                "different accounts",
            ),
            (
                "no permission, no group",
                cluster.refusal(BOB, add("nothing", BOB)),
                "AccessDeniedException",
                "iam:AddUserToGroup",
            ),
            (
                "no group, no user",
                cluster.refusal(ADMIN, add("nothing", &nobody)),
                "NoSuchEntity",
                "The group with name nothing cannot be found.",
            ),
            (
                "no user",
                cluster.refusal(ADMIN, add("readers", &nobody)),
                "NoSuchEntity",
                "The user with name nobody cannot be found.",
            ),
        ]);
    }

    #[test]
    fn user_is_in_ten_groups_at_the_most_and_joins_each_once() {
        let mut cluster = Cluster::new();
        for n in 0..GROUPS_PER_USER_MAX {
            cluster.make_group(&format!("g{n}"), &[BOB]);
        }
        cluster.done(ADMIN, add("g3", BOB));
        cluster.make_group("more", &[]);
        let (code, why) = cluster.refusal(ADMIN, add("more", BOB));
        assert_eq!(
            (code, &*why),
            ("LimitExceeded", "Cannot exceed quota for GroupsPerUser: 10")
        );
        let members: Vec<_> = cluster.state.members(&group("g3"), None).collect();
        assert_eq!(members.len(), 1);
    }
}
