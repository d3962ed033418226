//! `Consume`: decides a use of a key and spends it, at one position of the log (EC-13, DESIGN \"Grants beyond AWS's\").
//!
//! It decides as Authorize does, with the difference that grants with a budget may allow, too. What allows without a budget
//! goes first and costs nothing. A use is spent when the answer is an allow, and only then. A retry under the same
//! idempotency key spends nothing and is decided again: an allow that was told once is no allow any more when what allowed
//! it is gone.

use super::context::{Change, Context};
use super::refusal::{Said, refusals, said};
use super::use_members::{self, UseMembers};
use super::{ErrorCode, Event, Output, Rejection, grants, key_kinds, report_key_usage};
use crate::domain::authz::request::{About, Parameters, Target, Use};
use crate::domain::authz::resolve::{AliasUse, Unresolved};
use crate::domain::authz::{Allowed, Denied};
use crate::domain::ids::KeyRef;
use crate::domain::policy::{Action, KmsAction};
use crate::domain::state::State;
use crate::domain::state::grant::{EncryptionContext, Grant, GrantOperation};
use crate::domain::state::grant_index::Purse;
use crate::domain::state::idempotency::Consumed;
use crate::domain::state::key::Key;
use crate::domain::state::key_usage::{KeyUse, UsageOperation};
use crate::domain::time::Revision;
use std::sync::Arc;

/// Decides a use of a key and spends it (EC-13).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Consume {
    /// The key as the caller named it.
    pub key: KeyRef,
    /// What is to be done with the key.
    pub operation: GrantOperation,
    /// The encryption context of the use.
    pub encryption_context: Arc<EncryptionContext>,
    /// Of the grants with a budget, the only one that may pay; absent: any.
    pub grant_id: Option<Arc<str>>,
}

refusals! {
    /// Why Consume is refused, in the order of its checks. A refused use is not spent.
    Refusal {
        /// A grant id that cannot be (ID-11), or an operation that is carried out here and is no use.
        Shape(Said),
        /// No such key.
        Key(Unresolved),
        /// The grant that is to pay is not there.
        NotThere(Said),
        /// A grant would allow if its uses were not spent.
        Spent(Said),
        /// Not permitted.
        Denied(Denied),
        /// The key's state or usage stands in the way (ST-2, ST-3).
        Unusable(Rejection),
    }
}

/// What Consume writes and answers.
pub struct Plan {
    /// The grant with one use less, if one was spent.
    paying: Option<Arc<Grant>>,
    /// The key, used now.
    used: Option<Arc<Key>>,
    consumed: Consumed,
}

impl Consume {
    /// Whether a use that was allowed at revision `at`, as `first` tells, is permitted now: decided anew, what was paid
    /// for it counted as paid.
    ///
    /// # Errors
    /// It is not. Nothing is spent or given back.
    pub fn again(&self, cx: &Context<'_>, first: &Consumed, at: Revision) -> Result<(), Rejection> {
        self.permitted(cx, first).map_err(|refusal| {
            let Rejection {
                code: _,
                message,
                decision,
                help,
            } = refusal.into();
            Rejection {
                code: ErrorCode::NoLongerPermitted,
                message: format!(
                    "the use was allowed at revision {at} and is not permitted any more: {message}"
                )
                .into(),
                decision,
                help,
            }
        })
    }

    fn permitted(&self, cx: &Context<'_>, first: &Consumed) -> Result<(), Refusal> {
        let action = self.action().map_err(Refusal::Shape)?;
        let key = cx.key(&self.key, alias_use(action))?;
        // The grant that allowed it, or nothing does: another that would allow was not asked, nor paid.
        let paid = first
            .grant
            .map(|id| grants::of_key(cx, &key.arn, &id.to_string()))
            .transpose()
            .map_err(Refusal::NotThere)?;
        let using = match paid {
            Some(grant) => Use {
                only: Some(grant.id),
                purse: Purse::of(&grant),
            },
            None => Use {
                only: None,
                purse: Purse::Unbudgeted,
            },
        };
        self.ask(cx, action, key, using)?;
        key_kinds::check_usable(action, cx.state, key)?;
        Ok(())
    }

    fn action(&self) -> Result<KmsAction, Said> {
        let action = Action::parse(&format!("kms:{}", self.operation)).kms();
        let is_use = !matches!(
            self.operation,
            GrantOperation::CreateGrant | GrantOperation::RetireGrant
        );
        action.filter(|_| is_use).ok_or_else(|| {
            said(
                ErrorCode::Validation,
                format_args!(
                    "{} is an operation of this cluster and no use of a key: ask for it itself",
                    self.operation
                ),
            )
        })
    }

    fn ask(
        &self,
        cx: &Context<'_>,
        action: KmsAction,
        key: &Arc<Key>,
        using: Use,
    ) -> Result<Allowed, Denied> {
        let target = Target::Key {
            key,
            alias: self.key.alias(),
        };
        let context = &self.encryption_context;
        cx.ask(
            action.into(),
            target,
            Parameters::FromFront,
            context,
            About::Use(using),
        )
    }
}

impl Change for Consume {
    type Refusal = Refusal;
    type Plan = Plan;

    fn plan(&self, cx: &Context<'_>) -> Result<(Allowed, Plan), Refusal> {
        if let Some(id) = &self.grant_id {
            grants::check_id(id).map_err(Refusal::Shape)?;
        }
        let action = self.action().map_err(Refusal::Shape)?;
        let key = cx.key(&self.key, alias_use(action))?;
        let named = self.grant_id.as_ref();
        let named = named.map(|id| grants::of_key(cx, &key.arn, id)).transpose();
        let only = named.map_err(Refusal::NotThere)?.map(|grant| grant.id);
        let using = |purse| Use { only, purse };
        let allowed = match self.ask(cx, action, key, using(Purse::Budgeted)) {
            Ok(allowed) => allowed,
            Err(denied) => {
                return Err(match self.ask(cx, action, key, using(Purse::Spent)) {
                    Ok(by_spent) => Refusal::Spent(all_spent(cx, &by_spent)),
                    Err(_) => denied.into(),
                });
            }
        };
        key_kinds::check_usable(action, cx.state, key)?;
        // W-33: what a grant is spent on is a use like any other.
        let members = UseMembers {
            now: cx.now,
            has_context: !self.encryption_context.is_empty(),
            ..UseMembers::default()
        };
        use_members::check(action, key, &members).map_err(Rejection::from)?;
        let grant = allowed.grant().and_then(|id| cx.state.grants().get(&id));
        let paying = grant.and_then(|grant| {
            grant.uses_left()?;
            Some(Arc::new(Grant {
                spent: grant.spent.saturating_add(1),
                ..(**grant).clone()
            }))
        });
        let consumed = Consumed {
            policy_type: allowed.source().map_or("", |by| by.as_str()).into(),
            grant: allowed.grant(),
            uses_left: paying.as_ref().and_then(|grant| grant.uses_left()),
        };
        let used = UsageOperation::of(action).and_then(|operation| {
            key.with_use(KeyUse {
                operation,
                at: cx.now,
                request_id: None,
            })
        });
        let plan = Plan {
            paying,
            used: used.map(Arc::new),
            consumed,
        };
        Ok((allowed, plan))
    }

    fn enact(plan: Plan, state: &mut State) -> (Output, Vec<Event>) {
        let Plan {
            paying,
            used,
            consumed,
        } = plan;
        let spent = paying.map(|grant| grants::spend(grant, state));
        let used = used.and_then(|key| report_key_usage::store(key, state));
        (
            Output::Consumed(consumed),
            spent.into_iter().chain(used).collect(),
        )
    }
}

/// Whether the key may be named by an alias (ID-6).
const fn alias_use(action: KmsAction) -> AliasUse {
    if action.accepts_alias() {
        AliasUse::Accepted
    } else {
        AliasUse::Refused
    }
}

/// That nothing but a budget stands in the way: the caller holds the grant, so it may know.
fn all_spent(cx: &Context<'_>, by: &Allowed) -> Said {
    let grant = by.grant().and_then(|id| cx.state.grants().get(&id));
    let (id, uses) = grant.map_or((String::new(), 0), |grant| {
        let uses = grant.constraints.term.uses.unwrap_or_default();
        (grant.id.to_string(), uses)
    });
    said(
        ErrorCode::LimitExceeded,
        format_args!("the grant {id} has no uses left: all {uses} are spent"),
    )
}
