//! What the operations on groups share: permission, existence, size.

use std::sync::Arc;

use super::context::Context;
use super::refusal::{Said, said};
use super::table::Operation;
use super::{Change, ErrorCode, Event, Output};
use crate::domain::authz::{Allowed, Denied};
use crate::domain::ids::{GroupArn, PrincipalArn, PrincipalKind};
use crate::domain::limits::GROUP_POLICIES_MAX;
use crate::domain::state::State;
use crate::domain::state::group::Group;
use crate::domain::state::principal::{Principal, PrincipalType};

/// Asks for the operation's action on a group, by the caller's identity policies.
pub fn allow(cx: &Context<'_>, operation: Operation, group: &GroupArn) -> Result<Allowed, Denied> {
    cx.allow_group(operation.action(PrincipalType::User), group)
}

/// The group, which must be there.
pub fn existing<'a>(cx: &Context<'a>, arn: &GroupArn) -> Result<&'a Arc<Group>, Said> {
    cx.state.group(arn).ok_or_else(|| {
        said(
            ErrorCode::NoSuchEntity,
            format_args!("The group with name {} cannot be found.", arn.name()),
        )
    })
}

/// The refusal for a policy that a group does not have.
pub fn no_policy(name: &str) -> Said {
    said(
        ErrorCode::NoSuchEntity,
        format_args!("The group policy with name {name} cannot be found."),
    )
}

/// Stores a group as it has become.
pub fn store(group: Group, state: &mut State) -> (Output, Vec<Event>) {
    let events = vec![Event::GroupChanged(group.arn.clone(), Change::Updated)];
    state.put_group(Arc::new(group));
    (Output::Done, events)
}

/// Stores a user whose membership of a group has begun or ended.
pub fn store_member(group: GroupArn, user: Principal, state: &mut State) -> (Output, Vec<Event>) {
    let events = vec![
        Event::GroupChanged(group, Change::Updated),
        Event::PrincipalChanged(user.arn.clone(), Change::Updated),
    ];
    state.put_principal(Arc::new(user));
    (Output::Done, events)
}

/// Refuses what is no user: roles and sessions are in no group (IAM).
pub fn check_user(arn: &PrincipalArn) -> Result<(), Said> {
    match arn.kind() {
        PrincipalKind::User { .. } => Ok(()),
        PrincipalKind::Role { .. }
        | PrincipalKind::Root
        | PrincipalKind::AssumedRole { .. }
        | PrincipalKind::FederatedUser { .. } => Err(said(
            ErrorCode::Validation,
            format_args!("`{arn}` is no user: only users are in groups"),
        )),
    }
}

/// Refuses a user of another account than the group's.
pub fn check_home(group: &GroupArn, user: &PrincipalArn) -> Result<(), Said> {
    check_user(user)?;
    if group.account() == user.account() && group.partition() == user.partition() {
        return Ok(());
    }
    Err(said(
        ErrorCode::Validation,
        format_args!(
            "`{user}` and `{group}` are of different accounts: a group has users of its own account"
        ),
    ))
}

/// Refuses policies that are together larger than a group's may be.
pub fn check_size(group: &Group) -> Result<(), Said> {
    let size: usize = group
        .policies
        .values()
        .flat_map(|policy| policy.text().chars())
        .filter(|c| !c.is_ascii_whitespace())
        .count();
    if size <= GROUP_POLICIES_MAX {
        return Ok(());
    }
    Err(said(
        ErrorCode::QuotaExceeded,
        format_args!(
            "Maximum policy size of {GROUP_POLICIES_MAX} bytes exceeded for group {}",
            group.arn.name()
        ),
    ))
}
