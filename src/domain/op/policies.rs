//! Key policies that are put: read, their principals bound, and not a lockout (P-1 to P-8).

use std::sync::Arc;

use super::context::Context;
use super::parts::Part;
use super::refusal::{BadPolicy, Said, said};
use super::{ErrorCode, LockoutCheck, Rejection};
use crate::domain::authz::explain::shortfall;
use crate::domain::authz::request::{Parameter, Parameters, RequestTags};
use crate::domain::ids::{PrincipalArn, PrincipalKind};
use crate::domain::policy::{KnownKey, Policy, PolicyKind, PolicyPrincipal};
use crate::domain::state::Bindings;

/// The policy of this text.
pub fn read(text: &str, kind: PolicyKind) -> Result<Arc<Policy>, BadPolicy> {
    Policy::parse(text, kind).map_err(BadPolicy)
}

/// The immutable ids of the users, roles and sessions that a key policy names (ID-18). One that does not exist is
/// refused, by name, statement and place (P-5, X-11).
pub fn bind(cx: &Context<'_>, policy: &Policy) -> Result<Arc<Bindings>, Said> {
    let mut bindings = Bindings::new();
    for (index, principal, place) in policy.principals() {
        let missing = |name: &dyn std::fmt::Display| {
            let sid = policy
                .statements()
                .get(index)
                .and_then(|statement| statement.sid());
            let sid = sid.map_or_else(String::new, |sid| format!(" (Sid `{sid}`)"));
            said(
                ErrorCode::MalformedPolicyDocument,
                format_args!(
                    "Policy contains a statement with one or more invalid principals. Statement {}{sid}, line {}, column {}: the principal `{name}` does not exist",
                    index + 1,
                    place.line,
                    place.column,
                ),
            )
        };
        match principal {
            PolicyPrincipal::Everyone
            | PolicyPrincipal::Service(_)
            | PolicyPrincipal::Federated(_) => {}
            PolicyPrincipal::Account(account) => {
                if cx.state.account(*account).is_none() {
                    return Err(missing(account));
                }
            }
            PolicyPrincipal::Arn(arn) => {
                let id = cx.state.immutable_id(arn).ok_or_else(|| missing(arn))?;
                bindings.insert(arn.clone(), id);
            }
        }
    }
    // An account or a federated user has nothing that could be re-created under its name.
    bindings.retain(|arn, _| {
        !matches!(
            arn.kind(),
            PrincipalKind::Root | PrincipalKind::FederatedUser { .. }
        )
    });
    Ok(Arc::new(bindings))
}

/// The policy of a key for which none is given (P-8).
pub fn default_text(root: &PrincipalArn) -> Arc<str> {
    format!(
        r#"{{
  "Version" : "2012-10-17",
  "Id" : "key-default-1",
  "Statement" : [ {{
    "Sid" : "Enable IAM User Permissions",
    "Effect" : "Allow",
    "Principal" : {{
      "AWS" : "{root}"
    }},
    "Action" : "kms:*",
    "Resource" : "*"
  }} ]
}}"#
    )
    .into()
}

/// A policy that would lock the caller out (P-7), and which half is missing: that it lets the caller or its account put
/// another, or that the caller's account lets it (X-11).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Lockout {
    half: Arc<str>,
}

/// AWS's sentence; the half is the help behind it.
impl From<Lockout> for Rejection {
    fn from(Lockout { half }: Lockout) -> Self {
        let said = said(
            ErrorCode::MalformedPolicyDocument,
            "The new key policy will not allow you to update the key policy in the future.",
        );
        Self {
            help: Some(half),
            ..said.into()
        }
    }
}

/// Refuses a key whose policy would not let the caller put another one (P-7). `part` is about the key as it would be.
pub fn check_lockout(cx: &Context<'_>, part: &Part<'_>) -> Result<(), Lockout> {
    match cx.allow_part(part) {
        Ok(_) => Ok(()),
        Err(_) => Err(Lockout {
            half: shortfall(cx.state, &part.request(cx), cx.effort).into(),
        }),
    }
}

/// `kms:BypassPolicyLockoutSafetyCheck` as it was sent (CK-1).
pub fn lockout_parameter(check: LockoutCheck) -> Option<(KnownKey, Parameter<'static>)> {
    let sent = match check {
        LockoutCheck::Unset => return None,
        LockoutCheck::Run => false,
        LockoutCheck::Bypass => true,
    };
    Some((
        KnownKey::BypassPolicyLockoutSafetyCheck,
        Parameter::Bool(sent),
    ))
}

/// The one policy of a key that can be read and put (P-1).
pub const KEY_POLICY_NAME: &str = "default";

/// `kms:PolicyName` (CK-22).
pub fn name_parameter(name: Option<&str>) -> Parameters<'_> {
    let name = name.unwrap_or(KEY_POLICY_NAME);
    let known = vec![(KnownKey::PolicyName, Parameter::Text(name))];
    Parameters::Known(known, RequestTags::Absent)
}

/// Refuses any other name (P-1).
pub fn check_name(name: Option<&str>) -> Result<(), Said> {
    match name {
        None | Some(KEY_POLICY_NAME) => Ok(()),
        Some("AWS_RAM") => Err(said(
            ErrorCode::Validation,
            "The AWS_RAM policy can only be managed by the RAM service",
        )),
        Some(_) => Err(said(ErrorCode::NotFound, "No such policy exists")),
    }
}
