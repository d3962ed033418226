//! The use cases: decide, mutate, describe, and the cluster itself. The only layer that sequences the others.
//!
//! A question: gate → view → claim verified → tokens opened → decided → audit → second clock check → answer.
//! A change: view → claim verified → command built whole, ids drawn → gate → outcome → token minted.
//! Imports gate, authn, audit, crypto, env, domain. Never: a transport, a second way to write.

pub mod aside;
pub mod cluster;
pub mod decide;
pub mod describe;
pub mod error;
pub mod mutate;
pub mod tokens;
pub mod usage;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::audit::DecisionSink;
use crate::authn::{self, Trusted};
use crate::domain::authz::claim::Claim;
use crate::domain::ids::RequestId;
use crate::domain::limits;
use crate::domain::op::{Scope, regions};
use crate::domain::state::State;
use crate::domain::time::{Position, Revision, Timestamp};
use crate::env::{BootTime, Clock, Rng};
pub use crate::gate::read::Consistency;
use crate::gate::read::{Demand, ReadGate, View};
use crate::gate::write::WriteGate;
use aside::{Aside, Bounds};
use cluster::ClusterControl;
pub use error::AppError;
use tokens::{Forged, TokenVault};
use usage::UsageLog;

/// What the use cases work with; one a node.
pub struct App {
    /// The node's id, told in every answer.
    pub node_id: u64,
    /// The door of reads.
    pub reads: Arc<ReadGate>,
    /// The door of writes.
    pub writes: Arc<WriteGate>,
    /// The node's clocks.
    pub clock: Arc<dyn Clock>,
    /// Where ids, nonces and salts come from.
    pub rng: Arc<dyn Rng>,
    /// Where decisions are told.
    pub audit: Arc<dyn DecisionSink>,
    /// The keys of the grant tokens.
    pub vault: TokenVault,
    /// The uses of keys that the state does not know of yet.
    pub usage: Arc<UsageLog>,
    /// Where long answers are worked out.
    pub aside: Aside,
    /// What the node can do to its cluster.
    pub cluster: Arc<dyn ClusterControl>,
}

/// When the first byte of a request came, which its deadline counts from: a listener puts it among what a request carries.
#[derive(Clone, Copy, Debug)]
pub struct Began(pub BootTime);

/// A request as it came in.
#[derive(Clone, Copy, Debug)]
pub struct Arrival {
    /// Drawn for this request.
    pub request_id: RequestId,
    /// When its first byte came.
    pub began: BootTime,
    /// When all of it had come, tokens included.
    pub at: BootTime,
    /// The address of the connection's other end.
    pub peer: Option<IpAddr>,
}

/// What a request says of itself.
#[derive(Clone, Debug)]
pub struct Terms {
    /// Who calls; not yet believed.
    pub claim: Claim,
    /// Where bare names resolve.
    pub scope: Scope,
    /// How fresh the answer must be.
    pub consistency: Consistency,
    /// A bound smaller than the cluster's, if the caller wants one.
    pub max_staleness: Option<Duration>,
    /// How long the node may wait to be fresh enough; `None`: until the deadline.
    pub wait: Option<Duration>,
    /// How long the node may take; `None`: [`limits::REQUEST_DEADLINE_MS`].
    pub deadline: Option<Duration>,
}

/// What an answer says of itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Answered {
    /// What it was answered at; of a write, where it took effect.
    pub position: Position,
    /// An upper bound of its age, rounded up to milliseconds; `None` of a write.
    pub staleness_ms: Option<u64>,
    /// Of a write under an idempotency key: the revision at which the key was settled.
    pub settled_at: Option<Revision>,
}

/// How long a request may take.
fn deadline(terms: &Terms) -> Duration {
    terms
        .deadline
        .unwrap_or(Duration::from_millis(limits::REQUEST_DEADLINE_MS))
        .min(Duration::from_millis(limits::REQUEST_DEADLINE_MS_MAX))
}

/// What bounds work that is done aside for a request.
fn bounds(arrival: &Arrival, terms: &Terms, view: &View, work: u64) -> Bounds {
    Bounds {
        arrived: arrival.began,
        deadline: deadline(terms),
        as_of: view.as_of(),
        staleness: view.bound(),
        work,
    }
}

impl App {
    /// Takes note of a request, before anything of it is read.
    pub fn arrive(&self, peer: Option<IpAddr>, began: Option<Began>) -> Arrival {
        let at = self.clock.boot();
        Arrival {
            request_id: RequestId(self.rng.bytes16()),
            began: began.map_or(at, |Began(began)| began.min(at)),
            at,
            peer,
        }
    }

    /// Whether a decision could be answered now: the cluster is made, and the state of this node is within the bound.
    pub async fn is_ready(&self) -> bool {
        let demand = Demand {
            consistency: Consistency::Bounded,
            max_staleness: None,
            deadline: Duration::ZERO,
        };
        let view = self.reads.view(&demand).await;
        view.is_ok_and(|view| view.state().is_bootstrapped())
    }

    fn admit(&self, arrival: &Arrival) -> Result<Trusted, AppError> {
        authn::admit(arrival.peer).map_err(AppError::Refused)
    }

    /// What is left of the request's time.
    fn remaining(&self, arrival: &Arrival, terms: &Terms) -> Duration {
        deadline(terms).saturating_sub(self.clock.boot().since(arrival.began))
    }

    async fn view(
        &self,
        arrival: &Arrival,
        terms: &Terms,
        consistency: Consistency,
    ) -> Result<View, AppError> {
        let left = self.remaining(arrival, terms);
        let demand = Demand {
            consistency,
            max_staleness: terms.max_staleness,
            deadline: terms.wait.map_or(left, |wait| wait.min(left)),
        };
        let view = self.reads.view(&demand).await.map_err(AppError::Stale)?;
        self.check_region(terms, &view)?;
        Ok(view)
    }

    /// Refuses a request for a Region that the cluster does not serve, before who asks is looked at (ID-46). What the
    /// operator asks for says itself whether it is done in a Region.
    fn check_region(&self, terms: &Terms, view: &View) -> Result<(), AppError> {
        match terms.claim {
            Claim::Operator => Ok(()),
            Claim::Principal(_) | Claim::Front { .. } => self.check_served(terms, view),
        }
    }

    fn check_served(&self, terms: &Terms, view: &View) -> Result<(), AppError> {
        regions::check_served(view.state(), &terms.scope).map_err(|rejection| AppError::Rejected {
            rejection,
            position: view.position(),
            settled_at: None,
        })
    }

    /// The time of a decision: what expires has expired when either clock says so.
    fn now(&self, state: &State) -> Timestamp {
        state
            .clock()
            .max(Timestamp::from_millis(self.clock.wall().0))
    }

    /// Looks whether an earlier token has turned out to be forged, now that the view knows more.
    fn unmask(&self, arrival: &Arrival, view: &View) {
        if let Some(forged) =
            self.vault
                .unmask(view.state(), view.position().revision, view.as_of())
        {
            self.alarm(arrival, forged, view.state());
        }
    }

    fn alarm(&self, arrival: &Arrival, forged: Forged, state: &State) {
        self.audit.token_forged(
            arrival.request_id,
            forged.epoch.0,
            forged.claimed.0,
            state.revision().0,
        );
    }
}
