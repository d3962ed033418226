//! Effective access: what a principal may do to a key whatever the request says, and what only if the request fits.
//!
//! The engine is asked twice, with the conditions and constraints that depend on the request taken once against the
//! caller and once for it: what it allows either way is certain, what it allows only then is conditional. Nothing of a
//! request is guessed. Imports policy, state. Never: a decision of its own.

use std::cell::RefCell;
use std::collections::BTreeSet;

use super::combine::{Evidence, Grantee, NamedPolicy, combine, grantee_match};
use super::decision::{DecidedBy, Decision};
use super::gather::{Judge, judge};
use super::request::{Request, Target};
use crate::domain::limits::EXPLAINED_GRANTS_MAX;
use crate::domain::policy::{
    Condition, ContextKey, ContextSource, ContextValue, KmsAction, Statement, Suppose, Supposed,
    Who, Whose,
};
use crate::domain::state::State;
use crate::domain::state::grant::{Grant, GrantConstraints};

/// What a caller may do.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Access {
    /// Nothing, whatever the request says.
    Never,
    /// It may if the request satisfies conditions or constraints.
    Conditional {
        /// What lets it.
        by: String,
        /// The conditions and constraints that depend on the request.
        on: Vec<String>,
    },
    /// It may, whatever the request says.
    Always {
        /// What lets it.
        by: String,
    },
}

/// What the caller of a request may do by it. The request's own context, encryption context and facts are not looked at.
pub fn access(state: &State, request: &Request<'_>) -> Access {
    judge(state, request, Either)
}

struct Either;

impl Judge for Either {
    type Answer = Access;

    fn nobody(self, _: Decision) -> Access {
        Access::Never
    }

    fn somebody<'e, P, G>(
        self,
        evidence: &Evidence<'e, P, G>,
        state: &'e State,
        request: &'e Request<'e>,
    ) -> Access
    where
        P: Iterator<Item = NamedPolicy<'e>> + Clone,
        G: Iterator<Item = &'e Grant> + Clone,
    {
        let is_session = matches!(
            evidence.ask.who,
            Who::RoleSession { .. } | Who::FederatedUser { .. }
        );
        let held = grants(state, request, &evidence.ask.who);
        let identity: Vec<NamedPolicy<'e>> = evidence.identity.clone().collect();
        let ask = |is_for: bool| -> (Decision, BTreeSet<String>) {
            let context = Open {
                inner: evidence.ask.context,
                taken: Taken {
                    is_for,
                    is_session,
                    met: RefCell::default(),
                },
            };
            // For the caller: its grants as if the request satisfied them; against it: those that ask for nothing.
            let bare: Vec<Grant> = held
                .iter()
                .filter(|grant| is_for || asks_for_nothing(grant))
                .map(|grant| Grant {
                    constraints: GrantConstraints::default(),
                    ..(*grant).clone()
                })
                .collect();
            let decision = {
                let mut otherwise = evidence.with(identity.iter().copied(), bare.iter());
                otherwise.ask.context = &context;
                combine(&otherwise)
            };
            (decision, context.taken.met.into_inner())
        };
        let (against, met_against) = ask(false);
        if let Some(by) = allowed_by(&against) {
            return Access::Always { by };
        }
        let (for_it, mut met) = ask(true);
        let Some(by) = allowed_by(&for_it) else {
            return Access::Never;
        };
        met.extend(met_against);
        let decides = for_it.decided_by().and_then(|by| by.grant);
        if let Some(grant) = held.iter().find(|grant| Some(grant.id) == decides) {
            let id = grant.id;
            if grant.constraints.context.is_some() || grant.constraints.source_arn.is_some() {
                met.insert(format!("the constraints of grant {id}"));
            }
            if let Some(left) = grant.uses_left() {
                let s = if left == 1 { "" } else { "s" };
                met.insert(format!(
                    "a use of grant {id}, which has {left} use{s} left: Consume alone spends one"
                ));
            }
        }
        Access::Conditional {
            by,
            on: met.into_iter().collect(),
        }
    }
}

fn allowed_by(decision: &Decision) -> Option<String> {
    if !decision.is_allow() {
        return None;
    }
    let by: &DecidedBy = decision.decided_by()?;
    let mut text = by.source.as_str().to_owned();
    if let Some(grant) = by.grant {
        text.push_str(&format!(" {grant}"));
    }
    if let Some(statement) = &by.statement {
        text.push_str(&format!(", {statement}"));
    }
    if let Some(statement) = &by.enabled_by {
        text.push_str(&format!(", enabled by {statement} of the key policy"));
    }
    Some(text)
}

/// Whether a grant that is there allows whatever the request says.
fn asks_for_nothing(grant: &Grant) -> bool {
    let GrantConstraints {
        context,
        source_arn,
        term,
    } = &grant.constraints;
    context.is_none() && source_arn.is_none() && term.uses.is_none()
}

/// The grants on the request's key that name the caller or its account.
fn grants<'e>(state: &'e State, request: &Request<'e>, who: &Who<'_>) -> Vec<&'e Grant> {
    let Target::Key { key, .. } = request.target else {
        return Vec::new();
    };
    let is_callers = |grant: &&Grant| !matches!(grantee_match(&grant.grantee, who), Grantee::Other);
    let retires = request.action.kms() == Some(KmsAction::RetireGrant);
    let on_key = state.grants().of_key(&key.arn, None).map(|grant| &**grant);
    on_key
        .filter(is_callers)
        .filter(|grant| !grant.is_expired(request.now))
        // The right to retire is no use of a grant: one that is spent still gives it.
        .filter(|grant| grant.uses_left() != Some(0) || retires)
        .take(EXPLAINED_GRANTS_MAX)
        .collect()
}

/// The context of a request that is not there yet.
struct Open<'a> {
    inner: &'a dyn ContextSource,
    taken: Taken,
}

struct Taken {
    /// Whether what depends on the request is taken for the caller.
    is_for: bool,
    /// Whether the caller is a session, whose tags and name are its own.
    is_session: bool,
    /// The conditions that were met on the way and depend on the request.
    met: RefCell<BTreeSet<String>>,
}

impl ContextSource for Open<'_> {
    fn get<'a>(&'a self, key: &'a ContextKey) -> Option<ContextValue<'a>> {
        self.inner.get(key)
    }

    fn suppose(&self) -> Option<&dyn Suppose> {
        Some(&self.taken)
    }
}

impl Suppose for Taken {
    fn of(&self, _: &Statement) -> Supposed {
        Supposed::AsItIs
    }

    fn holds(&self, statement: &Statement, condition: &Condition, holds: bool) -> bool {
        let mut keys = std::iter::once(condition.key()).chain(condition.variable_keys());
        if !keys.any(|key| depends_on_request(key, self.is_session)) {
            return holds;
        }
        let text = format!("{} {}", condition.operator(), condition.key());
        self.met.borrow_mut().insert(text);
        // An allow is for the caller, a denial against it.
        self.is_for != statement.is_deny()
    }
}

/// Whether the value of a condition key is the request's, and not that of the caller, the resource or the cluster. A name
/// that is no key of AWS's is a front's own.
fn depends_on_request(key: &ContextKey, is_session: bool) -> bool {
    match key.row().map(|row| row.of) {
        Some(Whose::Caller | Whose::Resource | Whose::Cluster) => false,
        Some(Whose::Session) => is_session,
        Some(Whose::Request) | None => true,
    }
}
