//! From a question and a state to a decision: looks up what the question names, and lets `combine` judge it.
//!
//! Everything is borrowed from the state. Condition keys and grants are computed only when the rules ask for them:
//! a question that a key policy settles looks at no grant. A cluster without organizations, a user without groups or a
//! boundary, and a request through no endpoint pay a comparison each.

use std::fmt;
use std::sync::Arc;

use super::caller::Identity;
use super::combine::{
    self, Evidence, Iterable, Level, NamedPolicy, Object, Offered, Subject, combine,
};
use super::context::RequestContext;
use super::decision::{Decision, Denial, Missing};
use super::request::{About, Request, Target, Use};
use crate::domain::effort::{Effort, spend};
use crate::domain::ids::{AccountId, Partition, ServicePrincipal, Short, UniqueId, text_of};
use crate::domain::limits::LEVELS_MAX;
use crate::domain::policy::{
    Action, Ask, Bindings, ContextSource, KeyName, Policy, ResourceName, Who,
};
use crate::domain::state::State;
use crate::domain::state::grant::{Grant, GrantOperation};
use crate::domain::state::grant_index::{Holder, Offer, Purse};
use crate::domain::state::key::KeyManager;
use crate::domain::state::organization::ControlKind;

/// Decides a request by a state.
///
/// Total: a caller that does not exist any more, or stands in no account, is denied like any other (Q-10, ID-18).
pub fn authorize(state: &State, request: &Request<'_>) -> Decision {
    authorize_within(state, request, None)
}

/// [`authorize`], its work counted. Of work that was cut the answer is a denial that says nothing.
pub fn authorize_within(
    state: &State,
    request: &Request<'_>,
    effort: Option<&Effort<'_>>,
) -> Decision {
    judge(state, request, effort, Decide)
}

/// What a decision costs whatever its policies are, in units of [`Effort`].
const WORK_OF_DECISION: u64 = 50;

/// What it costs to see whether a grant fits.
const WORK_OF_GRANT: u64 = 5;

/// What is done with gathered evidence: decided, or explained as well. Both are shown the same.
pub(super) trait Judge {
    /// What comes of it.
    type Answer;

    /// The caller is not there; `decision` denies.
    fn nobody(self, decision: Decision) -> Self::Answer;

    /// Everything that the decision rests on, and where it was gathered.
    fn somebody<'e, P, G>(
        self,
        evidence: &Evidence<'e, P, G>,
        state: &'e State,
        request: &'e Request<'e>,
    ) -> Self::Answer
    where
        P: Iterable<NamedPolicy<'e>>,
        G: Iterable<&'e Grant>;
}

struct Decide;

impl Judge for Decide {
    type Answer = Decision;

    fn nobody(self, decision: Decision) -> Decision {
        decision
    }

    fn somebody<'e, P, G>(
        self,
        evidence: &Evidence<'e, P, G>,
        _: &'e State,
        _: &'e Request<'e>,
    ) -> Decision
    where
        P: Iterable<NamedPolicy<'e>>,
        G: Iterable<&'e Grant>,
    {
        combine(evidence)
    }
}

/// Gathers the evidence of a request and has it judged.
pub(super) fn judge<J: Judge>(
    state: &State,
    request: &Request<'_>,
    effort: Option<&Effort<'_>>,
    judge: J,
) -> J::Answer {
    spend(effort, WORK_OF_DECISION);
    let identity = &request.caller.identity;
    let resource = resource(&request.target);
    let deny_caller = || {
        let denial = Denial {
            caller: identity.shown(request.scope.partition),
            action: request.action.clone(),
            resource: resource.map(text_of),
        };
        Decision::implicit_deny(Missing::Caller, denial)
    };
    let Ok(principal) = identity.check(state) else {
        return judge.nobody(deny_caller());
    };
    let linked = principal.and_then(|principal| principal.service.as_ref());
    let Some(who) = who(identity, linked, request.scope.partition) else {
        return judge.nobody(deny_caller());
    };
    let principal = principal.map(|principal| &**principal);
    let context = RequestContext::new(state, request, principal, effort);
    let spelled = Spelled::of(&request.target);
    let session: &[Arc<Policy>] = match identity {
        Identity::RoleSession { session_policy, .. }
        | Identity::FederatedUser { session_policy, .. } => session_policy.as_slice(),
        Identity::Root { task_policy, .. } => task_policy.as_slice(),
        Identity::Operator | Identity::System | Identity::User { .. } | Identity::Service(_) => &[],
    };
    let subject = match request.about {
        About::Nothing => Subject::Nothing,
        About::NewGrant(operations, constraints) => Subject::NewGrant {
            operations: *operations,
            constraints,
        },
        About::Retired(grant) => Subject::Retired(grant),
        About::Use(spending) => Subject::Use(spending),
    };
    let owner = request.target.account();
    let object = match request.target {
        Target::Key { key, .. } => Object::Key {
            owner,
            policy: Some(&key.policy),
            bindings: Some(&*key.bindings as &dyn Bindings),
            is_aws_managed: key.manager == KeyManager::Aws,
        },
        Target::Alias(_) | Target::Principal(_) | Target::Group(_) | Target::Account(_) => {
            Object::Other { owner }
        }
    };
    let identity_policies = || {
        principal.into_iter().flat_map(|principal| {
            let own = principal.policies.iter().map(|(name, policy)| NamedPolicy {
                name: Some(name),
                group: None,
                policy,
            });
            let groups = principal.groups.iter().filter_map(|arn| state.group(arn));
            own.chain(groups.flat_map(|group| {
                let name = group.arn.name();
                group.policies.iter().map(move |(own, policy)| NamedPolicy {
                    name: Some(own),
                    group: Some(name),
                    policy,
                })
            }))
        })
    };
    let boundary = principal.and_then(|principal| principal.boundary.as_deref());
    let service_control = identity.account().map_or_else(Vec::new, |account| {
        levels(state, account, ControlKind::Service)
    });
    let resource_control = match object {
        Object::Key { owner, .. } => levels(state, owner, ControlKind::Resource),
        Object::Other { .. } => Vec::new(),
    };
    let evidence = Evidence {
        ask: Ask {
            action: &request.action,
            resource: spelled.name(request),
            who,
            has_boundary: boundary.is_some(),
            context: &context,
            profile: state.settings().profile,
        },
        resource,
        object,
        identity: identity_policies,
        boundary,
        session,
        service_control: &service_control,
        resource_control: &resource_control,
        endpoint: context.endpoint(),
        grants: || candidates(state, request, &context, &subject),
        encryption_context: request.encryption_context,
        constraint_key_case: state.settings().constraint_key_case,
        subject,
    };
    judge.somebody(&evidence, state, request)
}

/// The control policies of one kind over an account, level by level (D-3). An account outside any organization has none,
/// and costs nothing.
fn levels(state: &State, account: AccountId, kind: ControlKind) -> Vec<Level<'_>> {
    let mut levels = Vec::new();
    for (node, policies) in state.controls(account, kind).take(LEVELS_MAX) {
        levels.push(Level {
            node: Some(node),
            policies,
        });
    }
    levels
}

/// The caller as policies see it; `linked` is the service that its role was made for.
fn who<'a>(
    identity: &'a Identity,
    linked: Option<&'a ServicePrincipal>,
    partition: Partition,
) -> Option<Who<'a>> {
    match identity {
        Identity::Operator | Identity::System => None,
        Identity::Root { account, .. } => Some(Who::Root {
            partition,
            account: *account,
        }),
        Identity::User { arn, unique_id } => Some(Who::User {
            arn,
            unique_id: Some(unique_id),
        }),
        Identity::RoleSession {
            arn,
            role,
            unique_id,
            ..
        } => Some(Who::RoleSession {
            session: arn,
            role,
            unique_id: Some(unique_id),
            service: linked,
        }),
        Identity::FederatedUser {
            arn,
            federated_by,
            unique_id,
            ..
        } => Some(Who::FederatedUser {
            arn,
            federated_by: Some(federated_by),
            unique_id: Some(unique_id),
        }),
        Identity::Service(name) => Some(Who::Service { name }),
    }
}

/// What messages call the resource; absent where there is none (P-12).
fn resource<'a>(target: &Target<'a>) -> Option<&'a dyn fmt::Display> {
    match target {
        Target::Key { key, .. } => Some(&key.arn),
        Target::Alias(arn) => Some(*arn),
        Target::Principal(arn) => Some(*arn),
        Target::Group(arn) => Some(*arn),
        Target::Account(_) => None,
    }
}

/// The parts of a resource's name that the state does not hold as texts, kept for the time of a decision.
struct Spelled<'a> {
    /// Of what is no key.
    account: Option<Short<12>>,
    key: Option<KeyName<'a>>,
    alias: Option<String>,
}

impl<'a> Spelled<'a> {
    fn of(target: &Target<'a>) -> Self {
        let (key, alias) = match target {
            Target::Key { key, .. } => (Some(KeyName::of(&key.arn)), None),
            Target::Alias(arn) => (None, Some(arn.to_string())),
            Target::Principal(_) | Target::Group(_) | Target::Account(_) => (None, None),
        };
        Self {
            account: key.is_none().then(|| target.account().text()),
            key,
            alias,
        }
    }

    /// The resource as policies see it.
    fn name(&'a self, request: &'a Request<'a>) -> ResourceName<'a> {
        let named = match request.target {
            Target::Key { .. } => self.key.as_ref().map(ResourceName::key),
            Target::Alias(_) => self.alias.as_deref().and_then(ResourceName::arn),
            Target::Principal(arn) => ResourceName::arn(arn.as_str()),
            Target::Group(arn) => ResourceName::arn(arn.as_str()),
            Target::Account(_) => None,
        };
        named.unwrap_or_else(|| {
            ResourceName::none(
                request.scope.partition.as_str(),
                service(&request.action),
                request.scope.region.as_str(),
                self.account.as_ref().map_or("", Short::as_str),
            )
        })
    }
}

fn service(action: &Action) -> &str {
    match action {
        Action::Kms(_) => "kms",
        Action::Other(text) => text.split_once(':').map_or("", |(service, _)| service),
    }
}

/// Every name under which a grant can hold for the caller (G-4), each with the immutable id behind it (ID-18).
pub(super) fn holders(identity: &Identity) -> impl Iterator<Item = Holder> + Clone {
    let (first, second) = match identity {
        Identity::Operator | Identity::System | Identity::Root { .. } => (None, None),
        Identity::User { arn, unique_id } => {
            (Some(Holder::Arn(arn.clone(), unique_id.clone())), None)
        }
        Identity::RoleSession {
            arn,
            role,
            unique_id,
            ..
        } => (
            Some(Holder::Arn(role.clone(), unique_id.clone())),
            Some(Holder::Arn(arn.clone(), unique_id.clone())),
        ),
        // Of a federated user nothing but the name is kept: it is bound to its account.
        Identity::FederatedUser { arn, .. } => {
            let unique_id = UniqueId::of_account(arn.account());
            (Some(Holder::Arn(arn.clone(), unique_id)), None)
        }
        Identity::Service(service) => (Some(Holder::Service(service.clone())), None),
    };
    let account = identity.account().map(Holder::Account);
    [first, second, account].into_iter().flatten()
}

/// Grants with which purses may allow, those that cost nothing first (EC-13).
fn purses(operation: GrantOperation, about: &About<'_>) -> impl Iterator<Item = Purse> + Clone {
    let further: &[Purse] = match (operation, about) {
        (GrantOperation::RetireGrant, _) => &[Purse::Budgeted, Purse::Spent],
        (_, About::NewGrant(..)) => &[Purse::Budgeted],
        (
            _,
            About::Use(Use {
                purse: Purse::Budgeted,
                ..
            }),
        ) => &[Purse::Budgeted],
        (
            _,
            About::Use(Use {
                purse: Purse::Spent,
                ..
            }),
        ) => &[Purse::Spent],
        (_, About::Use(_) | About::Nothing | About::Retired(_)) => &[],
    };
    std::iter::once(Purse::Unbudgeted).chain(further.iter().copied())
}

/// The grants that may decide: of each name of the caller the first that admits the action, then those that tokens
/// bring. Nothing is looked up before the first is asked for.
fn candidates<'a>(
    state: &'a State,
    request: &'a Request<'a>,
    context: &'a RequestContext<'a>,
    subject: &'a Subject<'a>,
) -> impl Iterator<Item = &'a Grant> + Clone {
    let wanted = match (request.target, &request.action) {
        (Target::Key { key, .. }, Action::Kms(action)) => {
            combine::operation_of(*action).map(|operation| (&key.arn, *action, operation))
        }
        _ => None,
    };
    wanted
        .into_iter()
        .flat_map(move |(key, action, operation)| {
            let source_arn = match request.about {
                About::NewGrant(_, constraints) => {
                    constraints.source_arn.as_ref().map(|arn| arn.as_str())
                }
                About::Nothing | About::Retired(_) | About::Use(_) => context.source_arn(),
            };
            let offer = move |purse| Offer {
                operation,
                context: request.encryption_context,
                source_arn,
                purse,
                now: request.now,
            };
            let accept = move |grant: &Grant| {
                let offered = Offered {
                    encryption_context: request.encryption_context,
                    keys: context,
                    key_case: state.settings().constraint_key_case,
                };
                spend(context.effort(), WORK_OF_GRANT)
                    && combine::admits(grant, action, offered, subject)
            };
            let stored = holders(&request.caller.identity).flat_map(move |holder| {
                // A question whether the caller could retire any grant is about those that it retires, too (G-50).
                let retired = matches!(
                    (operation, request.about),
                    (GrantOperation::RetireGrant, About::Nothing)
                )
                .then(|| state.grants().retirable_on(&holder, key, request.now))
                .flatten();
                let held = purses(operation, &request.about).filter_map(move |purse| {
                    state.grants().find(key, &holder, &offer(purse), &accept)
                });
                held.chain(retired)
            });
            let brought = request
                .token_grants
                .iter()
                .filter(move |grant| grant.key == *key && !grant.is_expired(request.now));
            stored.chain(brought).map(|grant| &**grant)
        })
}
