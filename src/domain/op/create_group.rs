//! `CreateGroup`: makes a group of users (`iam:CreateGroup`).

use super::context::{Change, Context};
use super::refusal::{Said, refusals, said};
use super::table::Operation;
use super::{Change as What, ErrorCode, Event, Output, groups};
use crate::domain::authz::{Allowed, Denied};
use crate::domain::ids::{GroupArn, UniqueId, UniqueIdKind};
use crate::domain::limits::GROUPS_PER_ACCOUNT_MAX;
use crate::domain::state::State;
use crate::domain::state::group::Group;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Makes a group of users (`iam:CreateGroup`). A group is never a principal (ID-16, ID-20).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CreateGroup {
    /// The group's ARN, with its path.
    pub arn: GroupArn,
    /// The immutable id, drawn before the log.
    pub unique_id: UniqueId,
}

refusals! {
    /// Why CreateGroup is refused, in the order of its checks.
    Refusal {
        /// An id that is no group's.
        Shape(Said),
        /// Not permitted.
        Denied(Denied),
        /// A group of this name is there.
        Exists(Said),
        /// The account has no room for another.
        TooMany(Said),
    }
}

impl Change for CreateGroup {
    type Refusal = Refusal;
    type Plan = Group;

    fn plan(&self, cx: &Context<'_>) -> Result<(Allowed, Group), Refusal> {
        if self.unique_id.kind() != UniqueIdKind::Group {
            let why = format!("`{}` is no unique id of a group", self.unique_id);
            return Err(Refusal::Shape(said(ErrorCode::Validation, why)));
        }
        let allowed = groups::allow(cx, Operation::CreateGroup, &self.arn)?;
        // Who is allowed it is of this account, so the account is there.
        let (account, name) = (self.arn.account(), self.arn.name());
        if cx.state.group_named(account, name).is_some() {
            let why = format!("Group with name {name} already exists.");
            return Err(Refusal::Exists(said(ErrorCode::EntityAlreadyExists, why)));
        }
        if cx.state.group_count(account) >= GROUPS_PER_ACCOUNT_MAX {
            return Err(Refusal::TooMany(said(
                ErrorCode::QuotaExceeded,
                format_args!("Cannot exceed quota for GroupsPerAccount: {GROUPS_PER_ACCOUNT_MAX}"),
            )));
        }
        let group = Group {
            arn: self.arn.clone(),
            unique_id: self.unique_id.clone(),
            created_at: cx.now,
            born: cx.at,
            policies: BTreeMap::new(),
        };
        Ok((allowed, group))
    }

    fn enact(group: Group, state: &mut State) -> (Output, Vec<Event>) {
        state.put_group(Arc::new(group.clone()));
        let events = vec![Event::GroupChanged(group.arn.clone(), What::Created)];
        (Output::Group(group), events)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::op::Command;
    use crate::domain::op::testing::{ADMIN, BOB, Cluster, OTHER, OWNER, check_rows};

    fn create(account: &str, name: &str) -> CreateGroup {
        CreateGroup {
            arn: format!("arn:aws:iam::{account}:group/{name}")
                .parse()
                .unwrap(),
            unique_id: UniqueId::of_new_group(&[1; 16]),
        }
    }

    #[test]
    fn create_group_refuses_in_the_order_of_its_checks() {
        let mut cluster = Cluster::new();
        cluster.done(ADMIN, Command::CreateGroup(create(OWNER, "eng/readers")));
        let mut wrong = create(OWNER, "readers");
        wrong.unique_id = "AIDAEXAMPLE".parse().unwrap();
        let no = |who, command| cluster.refusal(who, Command::CreateGroup(command));
        check_rows(vec![
            (
                "a user's id, no permission",
                no(BOB, wrong),
                "ValidationException",
                "unique id",
            ),
            (
                "no permission, there",
                no(BOB, create(OWNER, "readers")),
                "AccessDeniedException",
                "iam:CreateGroup on resource: arn:aws:iam::111122223333:group/readers",
            ),
            (
                "another account's",
                no(ADMIN, create(OTHER, "readers")),
                "AccessDeniedException",
                "iam:CreateGroup",
            ),
            (
                "there, under another path and in other letters",
                no(ADMIN, create(OWNER, "READERS")),
                "EntityAlreadyExists",
                "Group with name READERS already exists.",
            ),
        ]);
    }

    #[test]
    fn group_past_the_last_is_refused() {
        let mut cluster = Cluster::new();
        for n in 0..GROUPS_PER_ACCOUNT_MAX {
            cluster.done(ADMIN, Command::CreateGroup(create(OWNER, &format!("g{n}"))));
        }
        let (code, why) = cluster.refusal(ADMIN, Command::CreateGroup(create(OWNER, "more")));
        assert_eq!(
            (code, &*why),
            (
                "LimitExceeded",
                "Cannot exceed quota for GroupsPerAccount: 500"
            )
        );
    }
}
