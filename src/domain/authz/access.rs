//! Effective access: what a principal may do to a key whatever the request says, and what only if the request fits.
//!
//! The engine is asked twice, with the conditions and constraints that depend on the request taken once against the
//! caller and once for it: what it allows either way is certain, what it allows only then is conditional. Nothing of a
//! request is guessed. Imports policy, state. Never: a decision of its own.

use std::cell::RefCell;
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::sync::Arc;

use super::caller::Identity;
use super::combine::{Evidence, Iterable, NamedPolicy, combine, operation_of};
use super::decision::{DecidedBy, Decision};
use super::gather::{Judge, holders, judge};
use super::request::Request;
use crate::domain::effort::{Effort, spend};
use crate::domain::ids::{AccountId, KeyArn};
use crate::domain::policy::{
    Condition, ContextKey, ContextSource, ContextValue, Statement, Suppose, Supposed, Who, Whose,
};
use crate::domain::state::State;
use crate::domain::state::grant::{Grant, GrantConstraints, GrantOperation};
use crate::domain::state::grant_index::{self, Holder, heeds_context};
use crate::domain::time::Timestamp;

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

/// What the caller of a request may do by it. The request's own context, encryption context and facts are not looked at;
/// `holdings` are what its caller holds on its key.
pub fn access(
    state: &State,
    request: &Request<'_>,
    holdings: &Holdings,
    effort: Option<&Effort<'_>>,
) -> Access {
    judge(state, request, effort, Either(holdings))
}

/// The grants on one key by which a principal may do something, looked up once for all actions.
#[derive(Debug)]
pub struct Holdings(Vec<Rc<Held>>);

/// The grants on one key of one holder: of each operation the best of those that give it whatever the request says, and
/// the best of all, by the order in which decisions choose. None is left out of the choice.
#[derive(Debug, Default)]
pub struct Held {
    by_operation: BTreeMap<GrantOperation, Gives>,
    /// A grant that it may retire as its retiring principal (G-50).
    retirable: Option<Arc<Grant>>,
}

#[derive(Debug)]
struct Gives {
    /// Gives the operation to every request.
    always: Option<Arc<Grant>>,
    /// Gives it to every request that satisfies it.
    best: Arc<Grant>,
    /// How many there are.
    count: usize,
}

/// What it costs to look at a grant, in units of [`Effort`].
const WORK_OF_GRANT: u64 = 20;

impl Held {
    /// Looks through what `holder` holds on `key`.
    fn of(
        state: &State,
        key: &KeyArn,
        holder: &Holder,
        now: Timestamp,
        effort: Option<&Effort<'_>>,
    ) -> Self {
        let mut held = Self {
            retirable: state.grants().retirable_on(holder, key, now).cloned(),
            ..Self::default()
        };
        for grant in state.grants().held_on(key, holder) {
            if !spend(effort, WORK_OF_GRANT) {
                break;
            }
            if grant.is_expired(now) {
                continue;
            }
            for operation in grant.operations.iter().filter(|op| is_left(grant, *op)) {
                let always = asks_for_nothing(grant, operation).then(|| Arc::clone(grant));
                match held.by_operation.entry(operation) {
                    Entry::Vacant(entry) => {
                        entry.insert(Gives {
                            always,
                            best: Arc::clone(grant),
                            count: 1,
                        });
                    }
                    Entry::Occupied(mut entry) => {
                        let gives = entry.get_mut();
                        gives.count += 1;
                        if grant_index::outranks(grant, &gives.best) {
                            gives.best = Arc::clone(grant);
                        }
                        let own = gives.always.take();
                        gives.always = match (own, always) {
                            (Some(own), Some(new)) if grant_index::outranks(&new, &own) => {
                                Some(new)
                            }
                            (own, new) => own.or(new),
                        };
                    }
                }
            }
        }
        held
    }
}

/// What an account holds on a key, looked up once for all of its principals.
#[derive(Default)]
pub struct OfAccount(Option<(KeyArn, AccountId, Rc<Held>)>);

impl Holdings {
    /// What a caller holds on a key, by each of its names; without a key nothing.
    pub fn of(
        state: &State,
        identity: &Identity,
        key: Option<&KeyArn>,
        now: Timestamp,
        effort: Option<&Effort<'_>>,
        of_account: &mut OfAccount,
    ) -> Self {
        let Some(key) = key else {
            return Self(Vec::new());
        };
        let look = |holder: &Holder| Rc::new(Held::of(state, key, holder, now, effort));
        let held = holders(identity).map(|holder| match (&holder, &of_account.0) {
            (Holder::Account(account), Some((of, own, held))) if of == key && own == account => {
                Rc::clone(held)
            }
            (Holder::Account(account), _) => {
                let held = look(&holder);
                of_account.0 = Some((key.clone(), *account, Rc::clone(&held)));
                held
            }
            (Holder::Arn(..) | Holder::Service(_), _) => look(&holder),
        });
        Self(held.collect())
    }

    fn giving(&self, operation: GrantOperation) -> impl Iterator<Item = &Gives> {
        self.0
            .iter()
            .filter_map(move |held| held.by_operation.get(&operation))
    }
}

struct Either<'h>(&'h Holdings);

impl Judge for Either<'_> {
    type Answer = Access;

    fn nobody(self, _: Decision) -> Access {
        Access::Never
    }

    fn somebody<'e, P, G>(
        self,
        evidence: &Evidence<'e, P, G>,
        _: &'e State,
        request: &'e Request<'e>,
    ) -> Access
    where
        P: Iterable<NamedPolicy<'e>>,
        G: Iterable<&'e Grant>,
    {
        let Self(holdings) = self;
        let is_session = matches!(
            evidence.ask.who,
            Who::RoleSession { .. } | Who::FederatedUser { .. }
        );
        let operation = request.action.kms().and_then(operation_of);
        let retires = operation == Some(GrantOperation::RetireGrant);
        let identity: Vec<NamedPolicy<'e>> = evidence.identity.iter().collect();
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
            let given = operation.into_iter().flat_map(|op| holdings.giving(op));
            let given = given.filter_map(|gives| match is_for {
                true => Some(&gives.best),
                false => gives.always.as_ref(),
            });
            let retirable = holdings.0.iter().filter_map(|held| held.retirable.as_ref());
            let bare: Vec<Grant> = given
                .map(|grant| Grant {
                    constraints: GrantConstraints::default(),
                    ..Grant::clone(grant)
                })
                .chain(
                    retirable
                        .filter(|_| retires)
                        .map(|grant| Grant::clone(grant)),
                )
                .collect();
            let mut otherwise = evidence.with(|| identity.iter().copied(), || bare.iter());
            otherwise.ask.context = &context;
            let decision = combine(&otherwise);
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
        if let (Some(id), Some(operation)) = (decides, operation)
            && let Some(gives) = holdings.giving(operation).find(|gives| gives.best.id == id)
        {
            let (grant, others) = (&gives.best, gives.count - 1);
            let mut or_others = match others {
                0 => String::new(),
                1 => ", or what another grant that holds the action asks".to_owned(),
                _ => format!(", or what one of {others} other grants that hold the action asks"),
            };
            if narrows_context(grant, operation) || narrows_source(grant, operation) {
                let or_others = std::mem::take(&mut or_others);
                met.insert(format!("the constraints of grant {id}{or_others}"));
            }
            if let Some(left) = grant.uses_left() {
                let s = if left == 1 { "" } else { "s" };
                met.insert(format!(
                    "a use of grant {id}, which has {left} use{s} left: Consume alone spends one{or_others}"
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

/// Whether a grant that is there gives an operation whatever the request says.
fn asks_for_nothing(grant: &Grant, operation: GrantOperation) -> bool {
    let is_spent =
        grant.constraints.term.uses.is_some() && operation != GrantOperation::RetireGrant;
    !is_spent && !narrows_context(grant, operation) && !narrows_source(grant, operation)
}

/// G-27, G-13.
fn narrows_context(grant: &Grant, operation: GrantOperation) -> bool {
    grant.constraints.context.is_some() && heeds_context(operation)
}

/// G-28, G-13.
fn narrows_source(grant: &Grant, operation: GrantOperation) -> bool {
    grant.constraints.source_arn.is_some() && operation != GrantOperation::RetireGrant
}

/// Whether a grant can give an operation: the right to retire is no use of it, one that is spent still has it.
fn is_left(grant: &Grant, operation: GrantOperation) -> bool {
    grant.uses_left() != Some(0) || operation == GrantOperation::RetireGrant
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

    fn effort(&self) -> Option<&Effort<'_>> {
        self.inner.effort()
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
