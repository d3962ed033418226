//! What the operations that look into decisions share: whom a question is about, and who may read what decides it.
//!
//! An explanation shows policies, so whoever asks for one must be allowed to read them: the key policy and the grants by
//! `kms:GetKeyPolicy` and `kms:ListGrants` on the key, the caller's identity policies by `iam:GetUserPolicy` or
//! `iam:GetRolePolicy`. The operator of the cluster may read everything. What the asker may not read is left out.

use std::sync::Arc;

use super::context::Context;
use super::refusal::{Said, said};
use super::table::Operation;
use super::{ErrorCode, identity, policies, service_linked};
use crate::domain::authz::Denied;
use crate::domain::authz::caller::{Caller, Identity, RequestFacts};
use crate::domain::authz::claim::{Question, Subject};
use crate::domain::authz::decision::Source;
use crate::domain::authz::request::Parameters;
use crate::domain::ids::{PrincipalArn, UniqueId};
use crate::domain::policy::KmsAction;
use crate::domain::state::State;
use crate::domain::state::key::Key;
use crate::domain::state::principal::PrincipalType;

/// Whom a question is about. What it says of its request is taken as it is: nothing is allowed by an explanation.
pub fn subject_of(cx: &Context<'_>, question: &Question) -> Result<Caller, Said> {
    match &question.subject {
        Some(subject) => of_subject(cx.state, subject, &question.facts),
        None => own(cx, &question.facts),
    }
}

/// Whether the asker may read what decides a question about `subject`: the policies and grants of its keys, or, without a
/// key, the subject's own policies. Whether it may read those is the answer.
pub fn may_read(cx: &Context<'_>, subject: &Identity, keys: &[Arc<Key>]) -> Result<bool, Denied> {
    let reads_identity = may_read_identity(cx, subject);
    if keys.is_empty() {
        reads_identity?;
        return Ok(true);
    }
    for key in keys {
        may_read_key(cx, key)?;
    }
    Ok(reads_identity.is_ok())
}

/// The asker itself, with what it says of its request.
fn own(cx: &Context<'_>, facts: &RequestFacts) -> Result<Caller, Said> {
    if matches!(cx.caller.identity, Identity::Operator | Identity::System) {
        return Err(said(
            ErrorCode::Validation,
            "the operator is no principal of any account: say whom the question is about",
        ));
    }
    Ok(Caller {
        identity: cx.caller.identity.clone(),
        facts: facts.clone(),
    })
}

/// A subject as it is in the state.
pub fn of_subject(state: &State, subject: &Subject, facts: &RequestFacts) -> Result<Caller, Said> {
    let unique_id = |arn: &PrincipalArn| -> Result<UniqueId, Said> {
        let stored = state.principal(arn).map(|stored| stored.unique_id.clone());
        stored.ok_or_else(|| {
            said(
                ErrorCode::NoSuchEntity,
                format_args!("the principal {arn} does not exist here"),
            )
        })
    };
    if let Subject::RoleSession { role, .. } = subject
        && service_linked::is_of_the_store(role)
    {
        return Err(said(
            ErrorCode::Validation,
            format_args!(
                "the role {role} trusts cks.kms.amazonaws.com alone: there are no sessions of it to ask about"
            ),
        ));
    }
    let identity = match subject {
        Subject::Principal(arn) if arn.is_root() => Identity::Root {
            account: arn.account(),
            task_policy: None,
        },
        Subject::RootSession {
            account,
            task_policy,
        } => Identity::Root {
            account: *account,
            task_policy: Some(Arc::clone(task_policy)),
        },
        Subject::Principal(arn) => Identity::User {
            unique_id: unique_id(arn)?,
            arn: arn.clone(),
        },
        Subject::RoleSession {
            arn,
            role,
            session_policy,
            session_tags,
        } => Identity::RoleSession {
            arn: arn.clone(),
            unique_id: unique_id(role)?,
            role: role.clone(),
            session_policy: session_policy.clone(),
            session_tags: session_tags.clone(),
        },
        Subject::FederatedUser {
            arn,
            federated_by,
            session_policy,
            session_tags,
        } => Identity::FederatedUser {
            arn: arn.clone(),
            unique_id: unique_id(federated_by)?,
            federated_by: federated_by.clone(),
            session_policy: session_policy.clone(),
            session_tags: session_tags.clone(),
        },
        Subject::Service(name) => Identity::Service(name.clone()),
    };
    Ok(Caller {
        identity,
        facts: facts.clone(),
    })
}

/// Whether the asker is the operator, who may read everything.
pub const fn is_operator(cx: &Context<'_>) -> bool {
    matches!(cx.caller.identity, Identity::Operator)
}

/// Whether the asker may read the policy and the grants of a key.
pub fn may_read_key(cx: &Context<'_>, key: &Arc<Key>) -> Result<(), Denied> {
    if is_operator(cx) {
        return Ok(());
    }
    cx.allow_key(KmsAction::GetKeyPolicy, key, policies::name_parameter(None))?;
    cx.allow_key(KmsAction::ListGrants, key, Parameters::NONE)?;
    Ok(())
}

/// Whether the asker may read the identity policies of a principal; there are none to read of a root user or a service.
pub fn may_read_identity(cx: &Context<'_>, of: &Identity) -> Result<(), Denied> {
    if is_operator(cx) {
        return Ok(());
    }
    match of.stored() {
        None => Ok(()),
        Some((arn, _)) => may_read_principal(cx, arn),
    }
}

/// Whether the asker may read the identity policies of a user or role.
pub fn may_read_principal(cx: &Context<'_>, arn: &PrincipalArn) -> Result<(), Denied> {
    if is_operator(cx) {
        return Ok(());
    }
    let kind = identity::kind_of(arn).unwrap_or(PrincipalType::User);
    let read = Operation::GetPrincipalPolicy;
    identity::allow(cx, read, kind, arn, Parameters::NONE).map(drop)
}

/// Whether evidence of this source is kept from the asker, whose right to read identity policies is known.
pub const fn is_withheld(cx: &Context<'_>, reads_identity: bool, source: Source) -> bool {
    match source {
        Source::IdentityPolicy | Source::KeyAndIdentityPolicy | Source::PermissionsBoundary => {
            !reads_identity
        }
        // What an organization or an endpoint imposes is neither the key's nor the principal's to show.
        Source::ServiceControlPolicy
        | Source::ResourceControlPolicy
        | Source::VpcEndpointPolicy => !is_operator(cx),
        Source::KeyPolicy | Source::Grant | Source::Account | Source::SessionPolicy => false,
    }
}
