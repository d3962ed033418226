//! The writing door: the only proposer.
//!
//! The leader stamps the time and proposes; any other node forwards to it within the deadline. What is not known to be
//! without effect is reported as unknown. Never: an authorization (that is `apply`'s, at the entry's own position).
//!
//! A fenced write will wait here: `Replica::readers` knows which starts of which nodes may be acting under an
//! as-of that this leader gave, and what each has applied.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::Semaphore;

use crate::domain::authz::caller::{Caller, Identity, RequestFacts};
use crate::domain::ids::{KeyArn, RequestId};
use crate::domain::limits::{PROPOSALS_IN_FLIGHT_MAX, STAMP_AHEAD_MS_MAX};
use crate::domain::op::due::{endpoint, home};
use crate::domain::op::report_key_usage::ReportKeyUsage;
use crate::domain::op::report_semantics::ReportSemantics;
use crate::domain::op::{Command, Output, Rejection, Semantics};
use crate::domain::state::State;
use crate::domain::state::key_usage::KeyUse;
use crate::domain::time::{Position, Revision, Timestamp};
use crate::env::{Clock, WallTime, timeout};
pub use crate::replica::Draft;
use crate::replica::{ForwardedWrites, Member, NodeId, NotProposed, Proposed, Replica};

/// How long to wait for news of a leader before it is looked for again.
const LEADER_POLL: Duration = Duration::from_millis(20);

/// How long a leader that was deposed may still answer for a write that was forwarded to it.
const LAST_WORDS: Duration = Duration::from_millis(250);

/// Longest that a forwarded write may hold this leader's attention.
const FORWARDED_DEADLINE_MAX: Duration = Duration::from_secs(60);

/// A write that is committed on a quorum and applied on the leader.
#[derive(Debug)]
pub struct Committed {
    /// Where it took effect.
    pub position: Position,
    /// What `apply` said; a rejection is an outcome too.
    pub outcome: Result<Output, Rejection>,
    /// The revision at which the write's idempotency key was settled: what a fence of a retry has to wait for, and
    /// an earlier one than the position's if nothing was done now. `None`: no key was settled.
    pub settled_at: Option<Revision>,
}

/// Why a write is not known to be committed.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum WriteError {
    /// Provably without effect: there is no leader, or it refused.
    #[error("the write was not taken: {why}")]
    Unavailable {
        /// What stood in the way.
        why: String,
    },
    /// It may have taken effect, or may yet.
    #[error(
        "the outcome of the write is unknown: {why}; read before you write again, or retry with the same idempotency key"
    )]
    Unknown {
        /// What was lost.
        why: String,
    },
}

impl WriteError {
    /// True when nothing has happened, so that a retry cannot do it twice.
    pub fn is_safe_to_retry(&self) -> bool {
        match self {
            Self::Unavailable { .. } => true,
            Self::Unknown { .. } => false,
        }
    }
}

/// The writing door of one node.
pub struct WriteGate {
    replica: Arc<Replica>,
    clock: Arc<dyn Clock>,
    in_flight: Semaphore,
    last_stamp_ms: AtomicU64,
}

impl WriteGate {
    /// The door of `replica`.
    pub fn new(replica: Arc<Replica>, clock: Arc<dyn Clock>) -> Self {
        Self {
            replica,
            clock,
            in_flight: Semaphore::new(PROPOSALS_IN_FLIGHT_MAX),
            last_stamp_ms: AtomicU64::new(0),
        }
    }

    /// Proposes `draft`, at whichever node leads, and returns once it is applied there.
    ///
    /// # Errors
    /// As [`WriteError`] says: provably without effect, or unknown.
    pub async fn propose(&self, draft: Draft, deadline: Duration) -> Result<Committed, WriteError> {
        let began = self.clock.boot();
        let Ok(_permit) = self.in_flight.try_acquire() else {
            return Err(WriteError::Unavailable {
                why: format!(
                    "this node has {PROPOSALS_IN_FLIGHT_MAX} writes in flight; try again in a moment"
                ),
            });
        };
        let incarnation = self
            .replica
            .incarnation()
            .ok_or_else(|| WriteError::Unavailable {
                why: "this node belongs to no cluster yet".to_owned(),
            })?;
        loop {
            let rest = deadline.saturating_sub(self.clock.boot().since(began));
            if rest.is_zero() {
                return Err(WriteError::Unavailable {
                    why: format!("no leader was found within {} ms", deadline.as_millis()),
                });
            }
            let leader = self.replica.leader();
            let seen = leader.as_ref().map(|(leader, _)| *leader);
            let tried = match leader {
                None => Err(NotProposed::NotLeader { leader: None }),
                Some((leader, _)) if leader == self.replica.node_id() => {
                    self.stamp_and_propose(draft.clone(), rest).await
                }
                Some((leader, member)) => self.forward(leader, &member, &draft, rest).await,
            };
            match tried {
                Ok(Proposed {
                    revision,
                    outcome,
                    settled_at,
                }) => {
                    return Ok(Committed {
                        position: Position {
                            incarnation,
                            revision,
                        },
                        outcome,
                        settled_at,
                    });
                }
                // The only one that is tried again: it was refused before anything was appended.
                Err(NotProposed::NotLeader { leader: _ }) => {
                    let pause = LEADER_POLL.min(rest);
                    timeout(&*self.clock, pause, self.replica.leader_other_than(seen)).await;
                }
                Err(NotProposed::Refused(why)) => return Err(WriteError::Unavailable { why }),
                Err(NotProposed::Unknown(why)) => return Err(WriteError::Unknown { why }),
            }
        }
    }

    /// Forwards, and does not sit out the deadline at a node that has lost the lead meanwhile.
    async fn forward(
        &self,
        leader: NodeId,
        member: &Member,
        draft: &Draft,
        deadline: Duration,
    ) -> Result<Proposed, NotProposed> {
        let deposed = async {
            self.replica.leader_other_than(Some(leader)).await;
            self.clock.sleep(LAST_WORDS).await;
        };
        tokio::select! {
            biased;
            answer = self.replica.forward(leader, member, draft, deadline) => answer,
            () = deposed => Err(NotProposed::Unknown(format!(
                "node {leader} lost the lead while the write was on its way to it"
            ))),
        }
    }

    async fn stamp_and_propose(
        &self,
        draft: Draft,
        deadline: Duration,
    ) -> Result<Proposed, NotProposed> {
        let entry = draft.stamp(self.stamp(), self.semantics());
        self.replica.propose(&entry, deadline).await
    }

    /// Tells the cluster of uses of keys, from whichever node (EC-23).
    ///
    /// # Errors
    /// As [`WriteError`] says; to tell again is harmless.
    pub async fn report_key_usage(
        &self,
        uses: Vec<(KeyArn, KeyUse)>,
        request_id: RequestId,
        deadline: Duration,
    ) -> Result<Committed, WriteError> {
        let Some(scope) = self.with_state(endpoint) else {
            return Err(WriteError::Unavailable {
                why: "there are no keys".to_owned(),
            });
        };
        let draft = Draft {
            caller: Caller {
                identity: Identity::System,
                facts: RequestFacts::default(),
            },
            scope,
            request_id,
            idempotency: None,
            command: Command::ReportKeyUsage(ReportKeyUsage { uses }),
        };
        self.propose(draft, deadline).await
    }

    /// Looks at the state as this node has it, however old.
    pub fn with_state<T>(&self, look: impl FnOnce(&State) -> T) -> T {
        look(&self.replica.board().load().state)
    }

    /// Proposes what time has made due, here and now or not at all: by a leader that has heard a majority of the voters
    /// say that `at` has come.
    pub(super) async fn propose_due(
        &self,
        draft: Draft,
        at: Timestamp,
        deadline: Duration,
    ) -> Result<Proposed, NotProposed> {
        let Ok(_permit) = self.in_flight.try_acquire() else {
            return Err(NotProposed::Refused("the node is busy".to_owned()));
        };
        let entry = draft.stamp(self.no_earlier(at.as_millis()), self.semantics());
        self.replica.propose(&entry, deadline).await
    }

    /// What an entry means: what the cluster's state says, whatever newer this binary knows.
    fn semantics(&self) -> Semantics {
        self.with_state(State::semantics).max(Semantics::FIRST)
    }

    /// Tells the cluster which semantics this node's binary knows, if the state has something else of it.
    ///
    /// # Errors
    /// As [`WriteError`] says; to tell again is harmless.
    pub async fn report_semantics(
        &self,
        request_id: RequestId,
        deadline: Duration,
    ) -> Result<(), WriteError> {
        let node = self.replica.node_id();
        let newest = Semantics::CURRENT;
        let (told, scope) = self.with_state(|state| (state.cluster_member(node), home(state)));
        let (Some(told), Some(scope)) = (told, scope) else {
            return Ok(());
        };
        if told == newest {
            return Ok(());
        }
        let draft = Draft {
            caller: Caller {
                identity: Identity::System,
                facts: RequestFacts::default(),
            },
            scope,
            request_id,
            idempotency: None,
            command: Command::ReportSemantics(ReportSemantics { node, newest }),
        };
        self.propose(draft, deadline).await.map(drop)
    }

    /// The time of an entry: the wall clock as far as a majority of the voters' bears it out, so that one wrong clock
    /// cannot push the cluster's time; before any was heard, the time stands still.
    fn stamp(&self) -> Timestamp {
        let WallTime(own_ms) = self.clock.wall();
        let wall_ms = match self.replica.agreed_wall() {
            None => 0,
            Some(WallTime(agreed_ms)) => own_ms.clamp(
                agreed_ms.saturating_sub(STAMP_AHEAD_MS_MAX),
                agreed_ms.saturating_add(STAMP_AHEAD_MS_MAX),
            ),
        };
        self.no_earlier(wall_ms)
    }

    /// `wall_ms`, but never before an earlier stamp of this leader or the state's own time.
    fn no_earlier(&self, wall_ms: u64) -> Timestamp {
        let state_ms = self.replica.board().load().state.clock().as_millis();
        let floor = wall_ms.max(state_ms);
        let before = self.last_stamp_ms.fetch_max(floor, Ordering::Relaxed);
        Timestamp::from_millis(before.max(floor))
    }
}

#[async_trait]
impl ForwardedWrites for WriteGate {
    async fn propose_here(
        &self,
        draft: Draft,
        deadline: Duration,
    ) -> Result<Proposed, NotProposed> {
        let Ok(_permit) = self.in_flight.try_acquire() else {
            return Err(NotProposed::Refused(format!(
                "the leader has {PROPOSALS_IN_FLIGHT_MAX} writes in flight; try again in a moment"
            )));
        };
        match self.replica.leader() {
            Some((leader, _)) if leader == self.replica.node_id() => {
                self.stamp_and_propose(draft, deadline.min(FORWARDED_DEADLINE_MAX))
                    .await
            }
            leader => Err(NotProposed::NotLeader { leader }),
        }
    }
}
