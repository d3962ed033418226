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
use crate::domain::authz::request::{About, Parameters, Request, Target};
use crate::domain::authz::resolve::{AliasUse, Unresolved, resolve};
use crate::domain::ids::{AccountId, KeyRef, PrincipalArn, UniqueId};
use crate::domain::policy::{Action, ActionTarget, KmsAction};
use crate::domain::state::State;
use crate::domain::state::grant::{EncryptionContext, Grant};
use crate::domain::state::key::Key;
use crate::domain::state::principal::PrincipalType;

/// A question, looked up.
pub struct Posed<'a> {
    /// Whom it is about.
    pub caller: Caller,
    /// What it asks.
    pub action: Action,
    /// On which key.
    pub key: Option<&'a Arc<Key>>,
    named: Option<&'a KeyRef>,
    account: AccountId,
    pairs: &'a EncryptionContext,
    tokens: Vec<Arc<Grant>>,
}

/// Why a question cannot be looked up.
pub enum NotPosed {
    /// It names nobody, or nothing that can be asked.
    Said(Said),
    /// It names no key.
    Key(Unresolved),
}

impl<'a> Posed<'a> {
    /// Looks a question up. What it says of its request is taken as it is: nothing is allowed by an explanation.
    pub fn read(cx: &Context<'a>, question: &'a Question) -> Result<Self, NotPosed> {
        let Question {
            subject,
            action,
            key: named,
            encryption_context,
            grant_tokens: _,
            facts,
            dry_run: _,
            random_source: _, // a refusal's, not a decision's
        } = question;
        let caller = match subject {
            Some(subject) => of_subject(cx.state, subject, facts).map_err(NotPosed::Said)?,
            None => own(cx, facts).map_err(NotPosed::Said)?,
        };
        let action = Action::parse(action);
        let Some(kms) = action.kms() else {
            return Err(NotPosed::Said(said(
                ErrorCode::Validation,
                format_args!("`{action}` is no action of KMS: write it as kms:Decrypt"),
            )));
        };
        let named = named
            .as_ref()
            .filter(|_| kms.target() != ActionTarget::None);
        let account = match (caller.identity.account(), named) {
            (Some(account), _) => account,
            (None, Some(KeyRef::KeyArn(arn))) => arn.account,
            (None, Some(KeyRef::AliasArn(arn))) => arn.account,
            (None, _) => {
                return Err(NotPosed::Said(said(
                    ErrorCode::Validation,
                    "a service has no account in which a key id or alias could resolve: name the key by its ARN",
                )));
            }
        };
        let alias_use = if kms.accepts_alias() {
            AliasUse::Accepted
        } else {
            AliasUse::Refused
        };
        let key = named
            .map(|named| resolve(cx.state, cx.scope, account, named, alias_use))
            .transpose()
            .map_err(NotPosed::Key)?;
        let of_key = |grant: &&Arc<Grant>| key.is_some_and(|key| key.arn == grant.key);
        Ok(Self {
            tokens: cx
                .token_grants
                .iter()
                .filter(of_key)
                .map(Arc::clone)
                .collect(),
            caller,
            action,
            key,
            named,
            account,
            pairs: encryption_context,
        })
    }

    /// The question as the engine takes it.
    pub fn request<'p>(&'p self, cx: &'p Context<'_>) -> Request<'p> {
        Request {
            caller: &self.caller,
            scope: cx.scope,
            action: self.action.clone(),
            target: match self.key {
                Some(key) => Target::Key {
                    key,
                    alias: self.named.and_then(KeyRef::alias),
                },
                None => Target::Account(self.account),
            },
            encryption_context: self.pairs,
            about: About::Nothing,
            token_grants: &self.tokens,
            parameters: Parameters::FromFront,
            now: cx.now,
        }
    }
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
