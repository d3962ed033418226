//! The decision: request, gather, combine, explain.
//!
//! [`authorize`] answers with a [`Decision`], a value like any other. An operation that changes or tells something asks
//! through [`require`], whose [`Allowed`] cannot be made in any other way.
//! Imports ids, limits, time, policy, state. Never: a clock, I/O; the time of a decision is given.

pub mod access;
pub mod caller;
pub mod claim;
pub mod combine;
mod context;
pub mod decision;
pub mod explain;
mod gather;
pub mod request;
pub mod resolve;

use std::sync::Arc;

use self::caller::{Caller, Identity};
use self::decision::{DecidedBy, Decision, Reason, Source};
use self::request::Request;
use crate::domain::effort::Effort;
use crate::domain::ids::GrantId;
use crate::domain::state::State;

pub use self::gather::{authorize, authorize_within};

/// Proof that a decision allowed something: without one, nothing can be planned or told.
#[derive(Debug)]
pub struct Allowed {
    /// What allowed it; absent where policies are not asked.
    by: Option<DecidedBy>,
}

impl Allowed {
    /// The grant that allowed it, if it was one.
    pub fn grant(&self) -> Option<GrantId> {
        self.by.as_ref().and_then(|by| by.grant)
    }

    /// What kind of evidence allowed it; absent where policies are not asked.
    pub fn source(&self) -> Option<Source> {
        self.by.as_ref().map(|by| by.source)
    }
}

/// Why somebody may not do something.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Denied {
    /// The decision; absent where policies are not asked: commands of the operator and of the leader.
    pub decision: Option<Box<Decision>>,
    /// AWS's sentence (M-1).
    pub message: Arc<str>,
}

/// The proof that `request` is allowed, or the denial.
pub fn require(state: &State, request: &Request<'_>) -> Result<Allowed, Denied> {
    require_within(state, request, None)
}

/// [`require`], its work counted.
pub fn require_within(
    state: &State,
    request: &Request<'_>,
    effort: Option<&Effort<'_>>,
) -> Result<Allowed, Denied> {
    let decision = match authorize_within(state, request, effort) {
        Decision {
            reason: Reason::Allowed(by),
        } => return Ok(Allowed { by: Some(by) }),
        denied => denied,
    };
    let message = decision.message().into();
    Err(Denied {
        decision: Some(Box::new(decision)),
        message,
    })
}

/// The proof that the caller is the operator of the cluster, who alone may do `action`.
pub fn require_operator(caller: &Caller, action: &str) -> Result<Allowed, Denied> {
    require_that(
        matches!(caller.identity, Identity::Operator),
        action,
        "the operator of the cluster",
    )
}

/// The proof that the leader itself proposed `action`.
pub fn require_system(caller: &Caller, action: &str) -> Result<Allowed, Denied> {
    require_that(
        matches!(caller.identity, Identity::System),
        action,
        "the cluster itself",
    )
}

fn require_that(holds: bool, action: &str, who: &str) -> Result<Allowed, Denied> {
    if holds {
        return Ok(Allowed { by: None });
    }
    Err(Denied {
        decision: None,
        message: format!("{action} is for {who} alone").into(),
    })
}
