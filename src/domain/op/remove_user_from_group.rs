//! `RemoveUserFromGroup`: ends a user's membership of a group (`iam:RemoveUserFromGroup`).

use super::context::{Change, Context};
use super::refusal::{Said, refusals, said};
use super::table::Operation;
use super::{ErrorCode, Event, Output, groups, identity};
use crate::domain::authz::{Allowed, Denied};
use crate::domain::ids::{GroupArn, PrincipalArn};
use crate::domain::state::State;
use crate::domain::state::principal::Principal;

/// Ends a user's membership of a group (`iam:RemoveUserFromGroup`), and with it what the group's policies gave.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RemoveUserFromGroup {
    /// The group's ARN.
    pub group: GroupArn,
    /// The user's ARN.
    pub user: PrincipalArn,
}

refusals! {
    /// Why RemoveUserFromGroup is refused, in the order of its checks.
    Refusal {
        /// No user, or one of another account.
        Shape(Said),
        /// Not permitted.
        Denied(Denied),
        /// The group or the user is not there.
        NotThere(Said),
        /// The user is not in the group.
        NoMember(Said),
    }
}

impl Change for RemoveUserFromGroup {
    type Refusal = Refusal;
    type Plan = (GroupArn, Principal);

    fn plan(&self, cx: &Context<'_>) -> Result<(Allowed, Self::Plan), Refusal> {
        groups::check_home(&self.group, &self.user).map_err(Refusal::Shape)?;
        let allowed = groups::allow(cx, Operation::RemoveUserFromGroup, &self.group)?;
        groups::existing(cx, &self.group).map_err(Refusal::NotThere)?;
        let user = identity::existing(cx, &self.user).map_err(Refusal::NotThere)?;
        let mut user = (**user).clone();
        if !user.groups.remove(&self.group) {
            let (_, name) = identity::shown(&self.user);
            let group = self.group.name();
            return Err(Refusal::NoMember(said(
                ErrorCode::NoSuchEntity,
                format_args!("User {name} is not in group {group}"),
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
        ADMIN, APP, BOB, CAROL, Cluster, OWNER, arn, check_rows, group,
    };

    fn remove(name: &str, user: &str) -> Command {
        Command::RemoveUserFromGroup(RemoveUserFromGroup {
            group: group(name),
            user: arn(user),
        })
    }

    #[test]
    fn remove_user_from_group_refuses_in_the_order_of_its_checks() {
        let mut cluster = Cluster::new();
        cluster.make_group("readers", &[BOB]);
        let nobody = format!("arn:aws:iam::{OWNER}:user/nobody");
        check_rows(vec![
            (
                "a role, no permission",
                cluster.refusal(BOB, remove("readers", APP)),
                "ValidationException",
                "only users",
            ),
            (
                "no permission, no group",
                cluster.refusal(BOB, remove("nothing", BOB)),
                "AccessDeniedException",
                "iam:RemoveUserFromGroup",
            ),
            (
                "no group",
                cluster.refusal(ADMIN, remove("nothing", BOB)),
                "NoSuchEntity",
                "The group with name nothing",
            ),
            (
                "no user",
                cluster.refusal(ADMIN, remove("readers", &nobody)),
                "NoSuchEntity",
                "The user with name nobody",
            ),
            (
                "no member",
                cluster.refusal(ADMIN, remove("readers", CAROL)),
                "NoSuchEntity",
                "User carol is not in group readers",
            ),
        ]);
        cluster.done(ADMIN, remove("readers", BOB));
        assert!(
            cluster
                .state
                .members(&group("readers"), None)
                .next()
                .is_none()
        );
        assert!(
            cluster
                .state
                .principal(&arn(BOB))
                .unwrap()
                .groups
                .is_empty()
        );
    }
}
