//! Looks a claim up on a view: the account, user or role must exist there, and gives its immutable id (ID-18, Q-10).

use std::net::IpAddr;
use std::sync::Arc;

use super::Trusted;
use crate::domain::authz::caller::{Caller, Identity, RequestFacts};
use crate::domain::authz::claim::{Claim, Question, Subject};
use crate::domain::ids::{AccountId, PrincipalArn, UniqueId};
use crate::domain::state::State;

/// Why a claim is not believed. `Display` is for the caller.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Refusal {
    /// The peer is not on this machine.
    #[error(
        "callers cannot prove who they are yet, so claims are believed from loopback addresses alone; {}",
        match peer { Some(peer) => format!("this connection comes from {peer}"), None => "the address of this connection is unknown".to_owned() }
    )]
    PeerNotTrusted {
        /// Its address.
        peer: Option<IpAddr>,
    },
    /// The account does not exist at this revision.
    #[error("the account {0} does not exist here; the operator makes accounts with CreateAccount")]
    UnknownAccount(AccountId),
    /// The user or role does not exist at this revision.
    #[error(
        "the principal {0} does not exist here; if it was made a moment ago, send the position of that answer as the demand at_least"
    )]
    UnknownPrincipal(PrincipalArn),
    /// A front that does not say whose request it carries.
    #[error("a front must name the subject on whose behalf it calls")]
    FrontWithoutSubject,
    /// The operator asks what principals ask.
    #[error(
        "the operator is no principal of any account: authorize as a principal, or as a front that names a subject"
    )]
    OperatorAsksForItself,
    /// A caller without an account that names no key by ARN (ID-4).
    #[error(
        "a service has no account in which a key id or alias could resolve: name the key by its ARN"
    )]
    NeedsKeyArn,
    /// A principal that asks about another.
    #[error("a principal may authorize only for itself; only a front may name another subject")]
    OtherSubject,
    /// A principal that says what only a front may say.
    #[error(
        "`{key}` is computed by the server (CK-0) and taken from a front alone: a principal may not say it of itself"
    )]
    ReservedKey {
        /// The condition key, or `via_service`.
        key: Arc<str>,
    },
}

/// The caller that `claim` names, as it is in `state`.
///
/// # Errors
/// [`Refusal`]: unknown account or principal, or a front without a subject.
pub fn verify(_: Trusted, claim: &Claim, state: &State) -> Result<Caller, Refusal> {
    let (identity, facts) = match claim {
        Claim::Operator => (Identity::Operator, RequestFacts::default()),
        Claim::Front {
            name: _,
            on_behalf_of,
            facts,
        } => {
            let subject = on_behalf_of.as_ref().ok_or(Refusal::FrontWithoutSubject)?;
            (identify(subject, state)?, facts.clone())
        }
        Claim::Principal(subject) => (identify(subject, state)?, RequestFacts::default()),
    };
    Ok(Caller { identity, facts })
}

/// The caller that `question` is about, as it is in `state`, with the facts that `claim` may say of it.
///
/// # Errors
/// [`Refusal`], each of its kinds but [`Refusal::PeerNotTrusted`].
pub fn verify_question(
    _: Trusted,
    claim: &Claim,
    question: &Question,
    state: &State,
) -> Result<Caller, Refusal> {
    let asked = question.subject.as_ref();
    match claim {
        Claim::Operator => Err(Refusal::OperatorAsksForItself),
        Claim::Front {
            name: _,
            on_behalf_of,
            facts,
        } => {
            let subject = asked
                .or(on_behalf_of.as_ref())
                .ok_or(Refusal::FrontWithoutSubject)?;
            Ok(Caller {
                identity: identify(subject, state)?,
                facts: merged(facts, &question.facts),
            })
        }
        Claim::Principal(own) => {
            if asked.is_some_and(|asked| !same(asked, own)) {
                return Err(Refusal::OtherSubject);
            }
            Ok(Caller {
                identity: identify(own, state)?,
                facts: unreserved(&question.facts)?,
            })
        }
    }
}

/// What the front says of all its questions, and over it what it says of this one.
fn merged(of_all: &RequestFacts, of_one: &RequestFacts) -> RequestFacts {
    let mut context = of_all.context.clone();
    context.extend(
        of_one
            .context
            .iter()
            .map(|(key, value)| (key.clone(), value.clone())),
    );
    RequestFacts {
        via_service: of_one
            .via_service
            .clone()
            .or_else(|| of_all.via_service.clone()),
        context,
    }
}

/// Facts that a principal may say of itself: condition keys of neither AWS's nor KMS's namespace.
fn unreserved(facts: &RequestFacts) -> Result<RequestFacts, Refusal> {
    if facts.via_service.is_some() {
        let key = "via_service".into();
        return Err(Refusal::ReservedKey { key });
    }
    let reserved = |key: &Arc<str>| key.starts_with("aws:") || key.starts_with("kms:");
    match facts.context.keys().find(|key| reserved(key)) {
        Some(key) => Err(Refusal::ReservedKey { key: key.clone() }),
        None => Ok(facts.clone()),
    }
}

/// Whether two subjects are one identity; what their sessions add is the caller's own to say, and is not compared.
fn same(a: &Subject, b: &Subject) -> bool {
    match (a, b) {
        (Subject::Principal(a), Subject::Principal(b)) => a == b,
        (
            Subject::RoleSession { arn, role, .. },
            Subject::RoleSession {
                arn: other_arn,
                role: other_role,
                ..
            },
        ) => arn == other_arn && role == other_role,
        (
            Subject::FederatedUser {
                arn, federated_by, ..
            },
            Subject::FederatedUser {
                arn: other_arn,
                federated_by: other_by,
                ..
            },
        ) => arn == other_arn && federated_by == other_by,
        (Subject::Service(a), Subject::Service(b)) => a == b,
        (
            Subject::Principal(_)
            | Subject::RoleSession { .. }
            | Subject::FederatedUser { .. }
            | Subject::Service(_),
            _,
        ) => false,
    }
}

fn identify(subject: &Subject, state: &State) -> Result<Identity, Refusal> {
    Ok(match subject {
        Subject::Principal(arn) if arn.is_root() => {
            let account = arn.account();
            state
                .account(account)
                .ok_or(Refusal::UnknownAccount(account))?;
            Identity::Root { account }
        }
        Subject::Principal(arn) => Identity::User {
            arn: arn.clone(),
            unique_id: unique_id(arn, state)?,
        },
        Subject::RoleSession {
            arn,
            role,
            session_policy,
            session_tags,
        } => Identity::RoleSession {
            arn: arn.clone(),
            role: role.clone(),
            unique_id: unique_id(role, state)?,
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
            federated_by: federated_by.clone(),
            unique_id: unique_id(federated_by, state)?,
            session_policy: session_policy.clone(),
            session_tags: session_tags.clone(),
        },
        Subject::Service(name) => Identity::Service(name.clone()),
    })
}

fn unique_id(arn: &PrincipalArn, state: &State) -> Result<UniqueId, Refusal> {
    match state.principal(arn) {
        Some(principal) => Ok(principal.unique_id.clone()),
        None if state.account(arn.account()).is_none() => {
            Err(Refusal::UnknownAccount(arn.account()))
        }
        None => Err(Refusal::UnknownPrincipal(arn.clone())),
    }
}
