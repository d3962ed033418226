//! What an operation must be allowed, part by part (D-14, D-15, P-7).
//!
//! An operation that is asked for more than once says its parts here, and is judged by them; questions about it and
//! explanations of it go through the same list, so that they cannot say otherwise than the operation does.

use std::fmt;
use std::sync::Arc;

use super::context::Context;
use super::{Command, Rejection, apply};
use crate::domain::authz::request::{About, Parameters, Request, Scope, Target};
use crate::domain::authz::{Allowed, Denied};
use crate::domain::ids::{AccountId, AliasArn, KeyArn};
use crate::domain::policy::KmsAction;
use crate::domain::state::grant::EncryptionContext;
use crate::domain::state::key::Key;

static NO_PAIRS: EncryptionContext = EncryptionContext::new();

/// What a part is asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Purpose {
    /// To do it: a denial is `AccessDeniedException`.
    Permission,
    /// To put another key policy later (P-7): a denial is the lockout check's.
    Lockout,
}

/// What a part is asked of.
#[derive(Clone, Debug)]
pub enum On {
    /// A key; for the lockout check the key as it would be.
    Key(Arc<Key>),
    /// An alias itself, by identity policies alone (D-14).
    Alias(AliasArn),
    /// What the account holds (P-12).
    Account(AccountId),
}

/// One thing that an operation must be allowed.
#[derive(Clone, Debug)]
pub struct Part<'a> {
    /// What.
    pub action: KmsAction,
    /// On what.
    pub on: On,
    /// Where.
    pub scope: Scope,
    /// The parameters that count for it.
    pub parameters: Parameters<'a>,
    /// What for.
    pub purpose: Purpose,
}

/// The parts of an operation, in the order in which they are asked for.
#[derive(Clone, Debug)]
pub struct Parts<'a> {
    /// The first: what allows it is what allowed the operation.
    pub first: Part<'a>,
    /// The others.
    pub rest: Vec<Part<'a>>,
}

impl<'a> Parts<'a> {
    /// One part alone.
    pub const fn one(first: Part<'a>) -> Self {
        Self {
            first,
            rest: Vec::new(),
        }
    }

    /// In their order.
    pub fn iter(&self) -> impl Iterator<Item = &Part<'a>> {
        std::iter::once(&self.first).chain(&self.rest)
    }
}

impl<'a> Part<'a> {
    /// `action` on a key, to do it.
    pub fn on_key(
        cx: &Context<'_>,
        action: KmsAction,
        key: &Arc<Key>,
        parameters: Parameters<'a>,
    ) -> Self {
        Self {
            action,
            on: On::Key(Arc::clone(key)),
            scope: cx.scope.clone(),
            parameters,
            purpose: Purpose::Permission,
        }
    }

    /// `action` on an alias itself (D-14).
    pub fn on_alias(cx: &Context<'_>, action: KmsAction, alias: &AliasArn) -> Self {
        Self {
            action,
            on: On::Alias(alias.clone()),
            scope: cx.scope.clone(),
            parameters: Parameters::NONE,
            purpose: Purpose::Permission,
        }
    }

    /// `action` in an account (P-12).
    pub fn on_account(
        cx: &Context<'_>,
        action: KmsAction,
        account: AccountId,
        parameters: Parameters<'a>,
    ) -> Self {
        Self {
            action,
            on: On::Account(account),
            scope: cx.scope.clone(),
            parameters,
            purpose: Purpose::Permission,
        }
    }

    /// The lockout check: to put another policy on `key`, which is as it would be (P-7).
    pub fn lockout(cx: &Context<'_>, key: &Arc<Key>) -> Self {
        Self {
            purpose: Purpose::Lockout,
            ..Self::on_key(cx, KmsAction::PutKeyPolicy, key, Parameters::NONE)
        }
    }

    /// The key that is there already, if the part is about one.
    pub fn stored_key(&self) -> Option<&Arc<Key>> {
        match (&self.on, self.purpose) {
            (On::Key(key), Purpose::Permission) => Some(key),
            (On::Key(_), Purpose::Lockout) | (On::Alias(_) | On::Account(_), _) => None,
        }
    }

    /// What messages call the thing that it is about.
    pub fn resource(&self) -> Option<Arc<str>> {
        match &self.on {
            On::Key(key) => Some(key.arn.to_string().into()),
            On::Alias(arn) => Some(arn.to_string().into()),
            On::Account(_) => None,
        }
    }

    /// The part as the engine takes it.
    pub fn request<'p>(&'p self, cx: &Context<'p>) -> Request<'p> {
        Request {
            caller: cx.caller,
            scope: &self.scope,
            action: self.action.into(),
            target: match &self.on {
                On::Key(key) => Target::Key { key, alias: None },
                On::Alias(arn) => Target::Alias(arn),
                On::Account(account) => Target::Account(*account),
            },
            encryption_context: &NO_PAIRS,
            about: About::Nothing,
            token_grants: cx.token_grants,
            parameters: self.parameters.clone(),
            now: cx.now,
        }
    }
}

impl Context<'_> {
    /// Asks for one part of an operation.
    pub fn allow_part(&self, part: &Part<'_>) -> Result<Allowed, Denied> {
        crate::domain::authz::require_within(self.state, &part.request(self), self.effort)
    }

    /// Asks for every part of an operation; the first one's proof.
    pub fn allow_parts(&self, parts: &Parts<'_>) -> Result<Allowed, Denied> {
        let allowed = self.allow_part(&parts.first)?;
        for part in &parts.rest {
            self.allow_part(part)?;
        }
        Ok(allowed)
    }
}

/// What is found of a part.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Found<T> {
    /// What is asked.
    pub action: KmsAction,
    /// Of what; absent of what has no resource (P-12).
    pub resource: Option<Arc<str>>,
    /// What for.
    pub purpose: Purpose,
    /// What comes of it.
    pub found: T,
}

/// The title of a part: what is asked, of what, and what for.
impl<T> fmt::Display for Found<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            action,
            resource,
            purpose,
            found: _,
        } = self;
        write!(f, "{action}")?;
        match (purpose, resource) {
            (Purpose::Lockout, Some(resource)) => {
                write!(
                    f,
                    " on {resource} under its new policy (the lockout check, P-7)"
                )
            }
            (Purpose::Lockout, None) => {
                f.write_str(" under the new policy (the lockout check, P-7)")
            }
            (Purpose::Permission, Some(resource)) => write!(f, " on {resource}"),
            (Purpose::Permission, None) => f.write_str(" in the account"),
        }
    }
}

/// What would come of a command of several parts if the context's caller sent it.
pub struct Rehearsed<T> {
    /// The parts, each judged for itself.
    pub parts: Vec<Found<T>>,
    /// The key that it is about, if that is there already.
    pub key: Option<KeyArn>,
    /// The error that it would end in.
    pub refusal: Option<Rejection>,
}

/// Judges every part of a command, and finds out in what error the command would end; nothing is changed. `None`: it is
/// asked for once.
///
/// # Errors
/// What it names is not there, or its form is wrong: there is nothing to judge.
pub fn rehearse<T>(
    command: &Command,
    cx: &Context<'_>,
    judge: impl Fn(&Request<'_>) -> T,
) -> Result<Option<Rehearsed<T>>, Rejection> {
    let Some(parts) = apply::parts(command, cx)? else {
        return Ok(None);
    };
    let key = parts.iter().find_map(Part::stored_key);
    Ok(Some(Rehearsed {
        key: key.map(|key| key.arn.clone()),
        parts: parts
            .iter()
            .map(|part| Found {
                action: part.action,
                resource: part.resource(),
                purpose: part.purpose,
                found: judge(&part.request(cx)),
            })
            .collect(),
        refusal: apply::refusal(command, cx),
    }))
}

/// The keys that a command of several parts is about and that are there already.
///
/// # Errors
/// As [`rehearse`].
pub fn stored_keys(command: &Command, cx: &Context<'_>) -> Result<Vec<Arc<Key>>, Rejection> {
    let parts = apply::parts(command, cx)?;
    let keys = parts.iter().flat_map(Parts::iter);
    Ok(keys.filter_map(Part::stored_key).map(Arc::clone).collect())
}
