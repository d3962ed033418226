//! Key policies that are put: read, their principals bound, and not a lockout (P-1 to P-8).

use std::sync::Arc;

use super::context::Context;
use super::principals::immutable_id;
use super::refusal::{BadPolicy, Said, said};
use super::{ErrorCode, LockoutCheck};
use crate::domain::authz::request::{About, Parameter, Parameters, RequestTags, Target};
use crate::domain::ids::{PrincipalArn, PrincipalKind};
use crate::domain::policy::{KmsAction, KnownKey, Policy, PolicyKind, PolicyPrincipal};
use crate::domain::state::Bindings;
use crate::domain::state::grant::EncryptionContext;
use crate::domain::state::key::Key;

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
                let id = immutable_id(cx.state, arn).ok_or_else(|| missing(arn))?;
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

/// Refuses a key whose policy would not let the caller put another one (P-7). `key` is as it would be.
pub fn check_lockout(cx: &Context<'_>, key: &Arc<Key>, check: LockoutCheck) -> Result<(), Said> {
    if check == LockoutCheck::Bypass {
        return Ok(());
    }
    cx.ask(
        KmsAction::PutKeyPolicy.into(),
        Target::Key { key, alias: None },
        Parameters::NONE,
        &EncryptionContext::new(),
        About::Nothing,
    )
    .map(drop)
    .map_err(|_| {
        said(
            ErrorCode::MalformedPolicyDocument,
            "The new key policy will not allow you to update the key policy in the future.",
        )
    })
}

/// `kms:BypassPolicyLockoutSafetyCheck`, absent unless sent (CK-1).
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
