//! What every operation is planned with: the state, who asks, where and when; and the ways to ask the engine.

use std::sync::Arc;

use super::parts::Parts;
use crate::domain::authz::caller::Caller;
use crate::domain::authz::request::{About, Parameters, Request, Scope, Target};
use crate::domain::authz::resolve::{AliasUse, Unresolved, resolve};
use crate::domain::authz::{Allowed, Denied, require_within};
use crate::domain::effort::Effort;
use crate::domain::ids::{AccountId, GroupArn, KeyRef, PrincipalArn};
use crate::domain::policy::{Action, KmsAction};
use crate::domain::state::State;
use crate::domain::state::grant::{EncryptionContext, Grant};
use crate::domain::state::key::Key;
use crate::domain::time::{Revision, Timestamp};

/// What an operation is planned or answered with.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// The state that it is judged by.
    pub state: &'a State,
    /// Who asks, checked against this state.
    pub caller: &'a Caller,
    /// Where bare names resolve.
    pub scope: &'a Scope,
    /// The time: never before the state's clock.
    pub now: Timestamp,
    /// The revision at which a change takes effect; for a question, the state's.
    pub at: Revision,
    /// Grants of verified tokens that the state has not reached; none inside `apply`.
    pub token_grants: &'a [Arc<Grant>],
    /// Where the work of a question is counted; a change is never cut, or replicas would differ.
    pub effort: Option<&'a Effort<'a>>,
}

/// An operation that changes something. `plan` decides and cannot write; `enact` writes and cannot refuse.
pub trait Change {
    /// Its refusals, in the order of its checks.
    type Refusal: Into<super::Rejection>;
    /// What is to be written.
    type Plan;

    /// What it must be allowed, of an operation that is asked for more than once; `plan` asks for exactly these, in this
    /// order, though it may refuse in between. `None`: it asks for one thing, which its action and target say.
    fn parts<'p>(&'p self, _: &Context<'p>) -> Result<Option<Parts<'p>>, Self::Refusal> {
        Ok(None)
    }

    /// Decides whether and what to write.
    fn plan(&self, cx: &Context<'_>) -> Result<(Allowed, Self::Plan), Self::Refusal>;

    /// Writes it.
    fn enact(plan: Self::Plan, state: &mut State) -> (super::Output, Vec<super::Event>);
}

/// An operation that only tells something.
pub trait Question {
    /// Its refusals, in the order of its checks.
    type Refusal: Into<super::Rejection>;

    /// Decides whether and what to tell.
    fn answer(&self, cx: &Context<'_>) -> Result<super::Answer, Self::Refusal>;
}

static NO_PAIRS: EncryptionContext = EncryptionContext::new();

impl<'a> Context<'a> {
    /// Where a bare key id or alias of the caller resolves (ID-4). A service, the operator and the system have no
    /// account of their own: what they name by ARN says its account, and a bare name of theirs is nowhere.
    fn home(&self, key: &KeyRef) -> Option<AccountId> {
        let stated = match key {
            KeyRef::KeyArn(arn) => Some(arn.account),
            KeyRef::AliasArn(arn) => Some(arn.account),
            KeyRef::Id(_) | KeyRef::Alias(_) => None,
        };
        self.caller.identity.account().or(stated)
    }

    /// The key that the caller names (ID-1 to ID-9).
    pub fn key(&self, key: &KeyRef, alias_use: AliasUse) -> Result<&'a Arc<Key>, Unresolved> {
        let Some(account) = self.home(key) else {
            return Err(Unresolved::NotAKeyId(key.to_string().into()));
        };
        resolve(self.state, self.scope, account, key, alias_use)
    }

    /// The key that the caller names by key id or key ARN, for an operation that takes no alias (ID-6).
    pub fn key_without_alias(&self, key: &KeyRef) -> Result<&'a Arc<Key>, Unresolved> {
        self.key(key, AliasUse::Refused)
    }

    /// Asks for `action` on a key, by policies and grants.
    pub fn allow_key(
        &self,
        action: KmsAction,
        key: &Arc<Key>,
        parameters: Parameters<'_>,
    ) -> Result<Allowed, Denied> {
        self.ask(
            action.into(),
            Target::Key { key, alias: None },
            parameters,
            &NO_PAIRS,
            About::Nothing,
        )
    }

    /// Asks for `action` on a principal's ARN, by identity policies.
    pub fn allow_principal(
        &self,
        action: impl Into<Action>,
        principal: &PrincipalArn,
        parameters: Parameters<'_>,
    ) -> Result<Allowed, Denied> {
        self.ask(
            action.into(),
            Target::Principal(principal),
            parameters,
            &NO_PAIRS,
            About::Nothing,
        )
    }

    /// Asks for `action` on a group's ARN, by identity policies.
    pub fn allow_group(
        &self,
        action: impl Into<Action>,
        group: &GroupArn,
    ) -> Result<Allowed, Denied> {
        self.ask(
            action.into(),
            Target::Group(group),
            Parameters::NONE,
            &NO_PAIRS,
            About::Nothing,
        )
    }

    /// Asks for `action` in the caller's account, by identity policies on `*` (P-12).
    pub fn allow_account(
        &self,
        action: impl Into<Action>,
        account: AccountId,
        parameters: Parameters<'_>,
    ) -> Result<Allowed, Denied> {
        self.ask(
            action.into(),
            Target::Account(account),
            parameters,
            &NO_PAIRS,
            About::Nothing,
        )
    }

    /// Asks the engine.
    pub fn ask(
        &self,
        action: Action,
        target: Target<'_>,
        parameters: Parameters<'_>,
        encryption_context: &EncryptionContext,
        about: About<'_>,
    ) -> Result<Allowed, Denied> {
        require_within(
            self.state,
            &Request {
                caller: self.caller,
                scope: self.scope,
                action,
                target,
                encryption_context,
                about,
                token_grants: self.token_grants,
                parameters,
                now: self.now,
            },
            self.effort,
        )
    }
}
