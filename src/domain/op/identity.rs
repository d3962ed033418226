//! What the operations on users and roles share: the kind behind an ARN, permission, existence.

use std::sync::Arc;

use super::context::Context;
use super::refusal::{Said, said};
use super::table::Operation;
use super::{Change, ErrorCode, Event, Output, service_linked};
use crate::domain::authz::request::Parameters;
use crate::domain::authz::{Allowed, Denied, require_operator};
use crate::domain::ids::{PrincipalArn, PrincipalKind};
use crate::domain::limits::POLICY_NAME_MAX;
use crate::domain::state::State;
use crate::domain::state::principal::{Principal, PrincipalType};

/// Whether an ARN is a user's or a role's; any other is refused.
pub fn kind_of(arn: &PrincipalArn) -> Result<PrincipalType, Said> {
    match arn.kind() {
        PrincipalKind::User { .. } => Ok(PrincipalType::User),
        PrincipalKind::Role { .. } => Ok(PrincipalType::Role),
        PrincipalKind::Root
        | PrincipalKind::AssumedRole { .. }
        | PrincipalKind::FederatedUser { .. } => Err(said(
            ErrorCode::Validation,
            format_args!("`{arn}` is neither a user nor a role: give the ARN of one"),
        )),
    }
}

/// Asks for the operation's action on a user or role, by the caller's identity policies. The roles under AWS's own paths
/// are the operator's, whom no policy speaks for (D-18).
pub fn allow(
    cx: &Context<'_>,
    operation: Operation,
    kind: PrincipalType,
    arn: &PrincipalArn,
    parameters: Parameters<'_>,
) -> Result<Allowed, Denied> {
    let action = operation.action(kind);
    if service_linked::is_operators(cx, arn) {
        return require_operator(cx.caller, action.as_str());
    }
    cx.allow_principal(action, arn, parameters)
}

/// The user or role, which must be there.
pub fn existing<'a>(cx: &Context<'a>, arn: &PrincipalArn) -> Result<&'a Arc<Principal>, Said> {
    cx.state.principal(arn).ok_or_else(|| {
        let (kind, name) = shown(arn);
        said(
            ErrorCode::NoSuchEntity,
            format_args!("The {kind} with name {name} cannot be found."),
        )
    })
}

/// The refusal for a policy that a user or role does not have.
pub fn no_policy(arn: &PrincipalArn, name: &str) -> Said {
    let (kind, _) = shown(arn);
    said(
        ErrorCode::NoSuchEntity,
        format_args!("The {kind} policy with name {name} cannot be found."),
    )
}

/// Stores a user or role as it has become.
pub fn store(principal: Principal, state: &mut State) -> (Output, Vec<Event>) {
    let events = vec![Event::PrincipalChanged(
        principal.arn.clone(),
        Change::Updated,
    )];
    state.put_principal(Arc::new(principal));
    (Output::Done, events)
}

/// `user` or `role` and the name, for a message.
pub fn shown(arn: &PrincipalArn) -> (&'static str, &str) {
    match arn.kind() {
        PrincipalKind::User { name, .. } => ("user", name),
        PrincipalKind::Role { name, .. } => ("role", name),
        PrincipalKind::AssumedRole { session, .. } => ("session", session),
        PrincipalKind::FederatedUser { name } => ("federated user", name),
        PrincipalKind::Root => ("account", "root"),
    }
}

/// Refuses a name that no identity policy can have (IAM `policyNameType`).
pub fn check_policy_name(name: &str) -> Result<(), Said> {
    let allowed = |b: u8| {
        b.is_ascii_alphanumeric() || matches!(b, b'_' | b'+' | b'=' | b',' | b'.' | b'@' | b'-')
    };
    if name.is_empty() || name.len() > POLICY_NAME_MAX || !name.bytes().all(allowed) {
        return Err(super::refusal::bad_member(
            name,
            "policyName",
            "satisfy regular expression pattern: [\\w+=,.@-]{1,128}",
        ));
    }
    Ok(())
}
