//! What the operations on organizations share: permission, existence, places, names.
//!
//! The operator may do all of them. So may principals of the management account, by its identity policies on
//! `organizations:…`; what another organization does is no business of theirs.

use std::sync::Arc;

use super::context::Context;
use super::refusal::{Said, bad_member, said};
use super::table::Operation;
use super::{Change, ErrorCode, Event, Output};
use crate::domain::authz::caller::Identity;
use crate::domain::authz::request::{Parameter, Parameters, RequestTags};
use crate::domain::authz::{Allowed, Denied, require_operator};
use crate::domain::ids::{NodeId, OrganizationId};
use crate::domain::limits::ORGANIZATION_NAME_CHARS_MAX;
use crate::domain::policy::KnownKey;
use crate::domain::state::State;
use crate::domain::state::organization::{ControlKind, Node, Organization};
use crate::domain::state::principal::PrincipalType;

/// Asks for the operation's action on an organization, as the operator or by policies of its management account. Of an
/// organization that is not there, the caller's own account is asked: whether it is there is told afterwards.
pub fn allow(
    cx: &Context<'_>,
    operation: Operation,
    organization: Option<&Arc<Organization>>,
) -> Result<Allowed, Denied> {
    ask(cx, operation, organization, Parameters::NONE)
}

/// [`allow`] for an operation on policies of one kind: `organizations:PolicyType`.
pub fn allow_kind(
    cx: &Context<'_>,
    operation: Operation,
    organization: Option<&Arc<Organization>>,
    kind: ControlKind,
) -> Result<Allowed, Denied> {
    let known = vec![(
        KnownKey::OrganizationsPolicyType,
        Parameter::Text(kind.as_str()),
    )];
    let parameters = Parameters::Known(known, RequestTags::Absent);
    ask(cx, operation, organization, parameters)
}

fn ask(
    cx: &Context<'_>,
    operation: Operation,
    organization: Option<&Arc<Organization>>,
    parameters: Parameters<'_>,
) -> Result<Allowed, Denied> {
    let action = operation.action(PrincipalType::User);
    let home = match organization {
        Some(organization) => Some(organization.management),
        None => cx.caller.identity.account(),
    };
    match (&cx.caller.identity, home) {
        (Identity::Operator | Identity::System | Identity::Service(_), _) | (_, None) => {
            require_operator(cx.caller, &action.to_string())
        }
        (_, Some(account)) => cx.allow_account(action, account, parameters),
    }
}

/// The organization of a node, if both are there.
pub fn of_node<'a>(cx: &Context<'a>, node: &NodeId) -> Option<&'a Arc<Organization>> {
    let node = cx.state.node(node)?;
    cx.state.organization(&node.organization)
}

/// The organization, which must be there.
pub fn existing<'a>(cx: &Context<'a>, id: &OrganizationId) -> Result<&'a Arc<Organization>, Said> {
    cx.state.organization(id).ok_or_else(|| {
        let why = format!("The organization {id} cannot be found.");
        said(ErrorCode::NoSuchEntity, why)
    })
}

/// Stores a node as it has become.
pub fn store_node(node: Node, state: &mut State) -> (Output, Vec<Event>) {
    let events = vec![Event::NodeChanged(node.id.clone(), Change::Updated)];
    state.put_node(Arc::new(node));
    (Output::Done, events)
}

/// The node, which must be there.
pub fn existing_node<'a>(cx: &Context<'a>, id: &NodeId) -> Result<&'a Arc<Node>, Said> {
    cx.state.node(id).ok_or_else(|| {
        let why = match id {
            NodeId::Root(_) => format!("The root {id} cannot be found."),
            NodeId::Unit(_) => format!("The organizational unit {id} cannot be found."),
            NodeId::Account(_) => format!("The account {id} is in no organization."),
        };
        said(ErrorCode::NoSuchEntity, why)
    })
}

/// Refuses an account where a root or unit is needed.
pub fn check_parent(parent: &NodeId) -> Result<(), Said> {
    match parent {
        NodeId::Root(_) | NodeId::Unit(_) => Ok(()),
        NodeId::Account(_) => {
            let must = "be a root or an organizational unit: nothing stands below an account";
            Err(bad_member(parent, "parentId", must))
        }
    }
}

/// Refuses a name that a unit or a control policy cannot have.
pub fn check_name(name: &str, path: &str) -> Result<(), Said> {
    let length = name.chars().count();
    if length == 0 || length > ORGANIZATION_NAME_CHARS_MAX || name.chars().any(char::is_control) {
        let must = format!(
            "have 1 to {ORGANIZATION_NAME_CHARS_MAX} characters, none of them a control character"
        );
        return Err(bad_member(name.escape_debug(), path, must));
    }
    Ok(())
}
