//! The reading door: freshness demand → [`View`], or [`TooStale`].
//!
//! A round proves freshness every few hundredths of a second on every node, the leader too: read the clock, ask the
//! leader for its read index, wait until the published state has reached it; the clock's first reading is then the
//! as-of. A reader takes the clock after it arrived, the as-of before the state, and the clock again at the end.
//!
//! A hypervisor that freezes every clock of a guest is outside the model; where it sets the wall clock right
//! afterwards, the jump voids the proof.

use std::sync::{Arc, Weak};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use tokio::sync::{Notify, watch};

use super::freshness::{Instant, Proof, Turn, Watched, WhyNotFresh};
use crate::domain::op::closed;
use crate::domain::state::State;
use crate::domain::state::fact::Gap;
use crate::domain::time::{Incarnation, Position, Revision};
use crate::env::{BootTime, Clock, timeout};
use crate::replica::{Published, Replica, WallOff};
use crate::telemetry::Seldom;

/// Least and most time that a round may take. In between it is the bound: a proof that took longer proves nothing.
const ROUND_MIN: Duration = Duration::from_millis(100);
const ROUND_MAX: Duration = Duration::from_secs(2);

/// Least pause after a round that proved nothing, so that waiting readers do not drive it in a circle.
const PAUSE_AFTER_FAILURE: Duration = Duration::from_millis(10);

/// How fresh an answer must be.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Consistency {
    /// Not older than the bound.
    #[default]
    Bounded,
    /// At this position or later, and not older than the bound.
    AtLeast(Position),
    /// Holds everything acknowledged before the request arrived.
    Linearizable,
}

/// What a request asks of the state that it is answered from.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Demand {
    /// How fresh.
    pub consistency: Consistency,
    /// A bound smaller than the cluster's.
    pub max_staleness: Option<Duration>,
    /// How long to wait until the demand can be met; zero: refuse at once.
    pub deadline: Duration,
}

/// How old an answer is at most: everything acknowledged longer ago is in it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Staleness(pub Duration);

/// Why a demand is not met. Nothing was answered, so all of it may be tried again, here or at another node.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum TooStale {
    /// Nothing has been proven since the node started, or since the proof was voided.
    #[error("this node cannot prove how old its state is: {why}")]
    NoProof {
        /// What the last round met.
        why: WhyNotFresh,
    },
    /// The last proof is too old.
    #[error("the state of this node was last proven {} ms ago, more than the bound of {} ms: {why}", millis_up(*age), bound.as_millis())]
    TooOld {
        /// The age of the as-of.
        age: Duration,
        /// The cluster's bound, or the request's if that is smaller.
        bound: Duration,
        /// What the last round met since.
        why: WhyNotFresh,
    },
    /// A linearizable answer needs a proof that was begun after the question arrived, and there was none in time.
    #[error(
        "it could not be confirmed in time that the state of this node holds everything acknowledged before the question: it was last proven {} ms ago: {why}",
        millis_up(*age)
    )]
    NotConfirmed {
        /// The age of the as-of.
        age: Duration,
        /// What the last round met since.
        why: WhyNotFresh,
    },
    /// The evaluation itself took too long: the process was paused, or is starved.
    #[error("the state of this node was last proven {} ms ago when the answer was ready, more than the bound of {} ms", millis_up(*age), bound.as_millis())]
    Overtaken {
        /// The age of the as-of at the end.
        age: Duration,
        /// The bound.
        bound: Duration,
    },
    /// The state has not reached the position.
    #[error("the state of this node is at revision {applied} and has not reached {wanted} in time")]
    NotReached {
        /// What was asked for.
        wanted: Revision,
        /// Where the state is.
        applied: Revision,
    },
    /// The position belongs to another life of the cluster.
    #[error(
        "the position is of another incarnation of the cluster: take a new one from an answer of this one"
    )]
    OtherIncarnation,
    /// The position lies beyond everything that is committed: it is not of this cluster's making.
    #[error(
        "the position's revision {wanted} lies beyond revision {read_index}, the last that the cluster has committed"
    )]
    BeyondCommitted {
        /// What was asked for.
        wanted: Revision,
        /// What the leader answered when it was asked afterwards.
        read_index: Revision,
    },
    /// The answer depends on the time, and this node's clock is not known to tell it: it would open what is not due yet,
    /// or go on with what is over.
    #[error(
        "the answer depends on the time, which the wall clock of this node is not known to tell: {0}"
    )]
    ClockOff(WallOff),
    /// The cluster was forced from one disk and has not been opened.
    #[error("{}", closed(.0))]
    Closed(Gap),
    /// The cluster has removed this node, or has not taken it in yet.
    #[error("this node is not a member of a cluster")]
    NotAMember,
}

/// An age as it is told: milliseconds, rounded up, so that it stays an upper bound and an age beyond a bound is never
/// shown as equal to it.
pub fn millis_up(age: Duration) -> u64 {
    u64::try_from(age.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX)
}

impl TooStale {
    /// True when the same request may succeed later or elsewhere; a position that is not of this cluster never does.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::NoProof { .. }
            | Self::TooOld { .. }
            | Self::NotConfirmed { .. }
            | Self::Overtaken { .. }
            | Self::NotReached { .. }
            | Self::ClockOff(_)
            | Self::NotAMember => true,
            Self::OtherIncarnation | Self::BeyondCommitted { .. } | Self::Closed(_) => false,
        }
    }
}

/// The state at one revision, with the proof of its age.
pub struct View {
    published: Arc<Published>,
    proof: Proof,
    bound: Duration,
    incarnation: Incarnation,
    clock: Arc<dyn Clock>,
    /// Only asked for what time it is: a view keeps no node alive.
    replica: Weak<Replica>,
}

impl View {
    /// The facts: all of one revision.
    pub fn state(&self) -> &State {
        &self.published.state
    }

    /// What an answer from this view carries as its consistency token.
    pub fn position(&self) -> Position {
        Position {
            incarnation: self.incarnation,
            revision: self.published.revision(),
        }
    }

    /// Everything acknowledged anywhere before this instant of the node's boot clock is in the state.
    pub fn as_of(&self) -> BootTime {
        self.proof.as_of
    }

    /// The node's wall clock now: a grant counts as expired when it or the state's time says so.
    pub fn wall(&self) -> crate::env::WallTime {
        self.clock.wall()
    }

    /// That this node's wall clock may decide something, as an answer must ask that depends on the time.
    ///
    /// # Errors
    /// [`TooStale::ClockOff`].
    pub fn check_wall(&self) -> Result<(), TooStale> {
        let replica = self.replica.upgrade();
        let checked = replica.map_or(Err(WallOff::Unknown), |replica| replica.check_wall());
        checked.map_err(TooStale::ClockOff)
    }

    /// The greatest age that an answer from this view may have.
    pub const fn bound(&self) -> Duration {
        self.bound
    }

    /// The second look at the clock: call it when the answer is ready. What it returns bounds the answer's age.
    ///
    /// # Errors
    /// The bound has run out since the view was given: the answer must not leave the node.
    pub fn finish(&self) -> Result<Staleness, TooStale> {
        let now = Instant::read(&*self.clock);
        if self.proof.jumped(now.offset) {
            return Err(TooStale::NoProof {
                why: WhyNotFresh::ClockJump,
            });
        }
        let age = now.boot.since(self.proof.as_of);
        if age > self.bound {
            return Err(TooStale::Overtaken {
                age,
                bound: self.bound,
            });
        }
        Ok(Staleness(age))
    }
}

/// What the rounds have come to.
#[derive(Clone, Debug)]
struct Rounds {
    ended: u64,
    last_failure: WhyNotFresh,
    /// A leader has said that this node is no member, and no proof has come since.
    is_removed: bool,
}

impl Rounds {
    const fn new() -> Self {
        Self {
            ended: 0,
            last_failure: WhyNotFresh::JustStarted,
            is_removed: false,
        }
    }

    fn proven(&mut self) {
        self.ended += 1;
        self.is_removed = false;
        self.last_failure = WhyNotFresh::Proven;
    }

    /// A leader's word that this node is no member outlives later failures: one that has been removed hears of no
    /// leader any more, and must go on saying why it refuses until a proof shows that it was taken in again.
    fn failed(&mut self, why: WhyNotFresh) {
        self.ended += 1;
        self.is_removed |= why.is_removal();
        self.last_failure = why;
    }
}

/// The reading door of one node.
pub struct ReadGate {
    replica: Arc<Replica>,
    clock: Arc<dyn Clock>,
    every: Duration,
    /// Set by the rounds alone, and only to a later as-of; voided by a removal or a jump of the clocks.
    proof: ArcSwapOption<Proof>,
    rounds: watch::Sender<Rounds>,
    wake: Notify,
    /// How often freshness was lost and regained, for the log.
    lost: Seldom,
    regained: Seldom,
}

impl ReadGate {
    /// A door that proves freshness every `every`, once [`ReadGate::run`] runs.
    pub fn new(replica: Arc<Replica>, clock: Arc<dyn Clock>, every: Duration) -> Self {
        Self {
            replica,
            clock,
            every,
            // A restart begins with no as-of.
            proof: ArcSwapOption::empty(),
            rounds: watch::Sender::new(Rounds::new()),
            wake: Notify::new(),
            lost: Seldom::new(),
            regained: Seldom::new(),
        }
    }

    /// The rounds; runs until it is dropped.
    pub async fn run(&self) {
        let mut watched = Watched::default();
        loop {
            let began = self.clock.boot();
            let pause = match self.round().await {
                Ok(proof) => {
                    self.record(proof);
                    Duration::ZERO
                }
                Err(why) => {
                    self.give_up(why);
                    PAUSE_AFTER_FAILURE
                }
            };
            self.narrate(&mut watched);
            if !pause.is_zero() {
                self.clock.sleep(pause).await;
            }
            let rest = self.every.saturating_sub(self.clock.boot().since(began));
            // A reader that needs a proof begun after it arrived does not wait for the interval to end.
            timeout(&*self.clock, rest, self.wake.notified()).await;
        }
    }

    async fn round(&self) -> Result<Proof, WhyNotFresh> {
        // ORDER: the clock before the question: what is acknowledged after this reading may be missing.
        let began = Instant::read(&*self.clock);
        let deadline = self
            .bound(&self.replica.board().load())
            .clamp(ROUND_MIN, ROUND_MAX);
        let read_index = self.replica.read_index(deadline).await?;
        let rest = deadline.saturating_sub(self.clock.boot().since(began.boot));
        if timeout(&*self.clock, rest, self.replica.applied(read_index))
            .await
            .is_none()
        {
            return Err(WhyNotFresh::Lagging {
                applied: self.replica.board().load().revision(),
                read_index,
                within: deadline,
            });
        }
        let proof = Proof {
            as_of: began.boot,
            read_index,
            offset: began.offset,
        };
        if proof.jumped(Instant::read(&*self.clock).offset) {
            return Err(WhyNotFresh::ClockJump);
        }
        Ok(proof)
    }

    /// B: read from applied state, so that a raise takes effect in the order of the log.
    fn bound(&self, published: &Published) -> Duration {
        Duration::from_millis(published.state.settings().max_staleness_ms)
    }

    fn record(&self, proof: Proof) {
        self.proof.store(Some(Arc::new(proof)));
        self.rounds.send_modify(Rounds::proven);
    }

    fn give_up(&self, why: WhyNotFresh) {
        tracing::debug!(%why, "no proof of freshness");
        if why.is_removal() || why == WhyNotFresh::ClockJump {
            self.proof.store(None);
        }
        self.rounds.send_modify(|rounds| rounds.failed(why));
    }

    /// Tells the log when decisions begin to be refused here, and when they are answered again.
    fn narrate(&self, watched: &mut Watched) {
        let node = self.replica.node_id();
        let bound = self.bound(&self.replica.board().load());
        let Some(turn) = watched.round(self.clock.boot(), self.age(), bound) else {
            return;
        };
        match turn {
            Turn::First => tracing::info!(node, "freshness proven: decisions are answered"),
            Turn::Lost => {
                let why = self.rounds.borrow().last_failure.to_string();
                let bound_ms = millis_up(bound);
                if let Some(times) = self.lost.due(self.clock.boot().since_boot()) {
                    tracing::warn!(
                        node,
                        why,
                        bound_ms,
                        times,
                        "freshness lost: decisions are refused"
                    );
                }
            }
            Turn::Regained(span) => {
                let after_ms = millis_up(span);
                if let Some(times) = self.regained.due(self.clock.boot().since_boot()) {
                    tracing::info!(
                        node,
                        after_ms,
                        times,
                        "freshness regained: decisions are answered"
                    );
                }
            }
        }
    }

    /// Whether a leader has said that this node is no member, and no proof has come since.
    pub fn is_removed(&self) -> bool {
        self.rounds.borrow().is_removed
    }

    /// How long ago the last proof was begun; `None` without one.
    pub fn age(&self) -> Option<Duration> {
        let proof = self.proof.load_full()?;
        Some(self.clock.boot().since(proof.as_of))
    }

    /// The state, if it is as fresh as `demand` asks, waiting for that as long as it allows. Call it once the request
    /// has arrived.
    ///
    /// # Errors
    /// The demand cannot be met in time, and why.
    pub async fn view(&self, demand: &Demand) -> Result<View, TooStale> {
        let arrived = Instant::read(&*self.clock);
        let Some(incarnation) = self.replica.incarnation() else {
            return Err(TooStale::NotAMember);
        };
        if let Consistency::AtLeast(position) = demand.consistency
            && position.incarnation != incarnation
        {
            return Err(TooStale::OtherIncarnation);
        }
        // Nearly always one look is enough, and whoever need not wait subscribes to nothing.
        match self.look(demand, arrived, incarnation) {
            Ok(view) => return Ok(view),
            Err(refusal) if demand.deadline.is_zero() || !refusal.is_retryable() => {
                return Err(refusal);
            }
            Err(_) => {}
        }
        let mut rounds = self.rounds.subscribe();
        let mut revisions = self.replica.board().revisions();
        loop {
            // Marked as seen before the look, so that what changes after it ends the wait.
            rounds.mark_unchanged();
            revisions.mark_unchanged();
            let refusal = match self.look(demand, arrived, incarnation) {
                Ok(view) => return Ok(view),
                Err(refusal) => refusal,
            };
            let waited = self.clock.boot().since(arrived.boot);
            let rest = demand.deadline.saturating_sub(waited);
            if rest.is_zero() || !refusal.is_retryable() {
                return Err(refusal);
            }
            self.wake.notify_one();
            let change = async {
                tokio::select! {
                    biased;
                    ended = rounds.changed() => ended.is_ok(),
                    published = revisions.changed() => published.is_ok(),
                }
            };
            if timeout(&*self.clock, rest, change).await != Some(true) {
                return Err(refusal);
            }
        }
    }

    /// One look, without waiting.
    fn look(
        &self,
        demand: &Demand,
        arrived: Instant,
        incarnation: Incarnation,
    ) -> Result<View, TooStale> {
        let now = Instant::read(&*self.clock);
        // ORDER: the as-of before the state, so that the state is at least as new as the as-of says.
        let proof = self.proof.load_full();
        let published = self.replica.board().load();
        let Some(proof) = proof else {
            return Err(self.without_proof());
        };
        if proof.jumped(now.offset) {
            // The next round begins a new proof; this one is void for everybody.
            self.proof.store(None);
            return Err(TooStale::NoProof {
                why: WhyNotFresh::ClockJump,
            });
        }
        let cluster = self.bound(&published);
        let bound = demand
            .max_staleness
            .map_or(cluster, |asked| asked.min(cluster));
        let age = now.boot.since(proof.as_of);
        if age > bound {
            return Err(TooStale::TooOld {
                age,
                bound,
                why: self.rounds.borrow().last_failure.clone(),
            });
        }
        match demand.consistency {
            Consistency::Bounded => {}
            Consistency::Linearizable if proof.as_of >= arrived.boot => {}
            Consistency::Linearizable => {
                return Err(TooStale::NotConfirmed {
                    age,
                    why: self.rounds.borrow().last_failure.clone(),
                });
            }
            Consistency::AtLeast(Position {
                revision: wanted, ..
            }) => {
                let applied = published.revision();
                if applied < wanted {
                    if proof.as_of >= arrived.boot && proof.read_index < wanted {
                        return Err(TooStale::BeyondCommitted {
                            wanted,
                            read_index: proof.read_index,
                        });
                    }
                    return Err(TooStale::NotReached { wanted, applied });
                }
            }
        }
        // Every answer and every change of a client goes by here, so no door is forgotten. Last: who has seen the cluster
        // opened waits for a node that has yet to learn of it.
        if let Some(gap) = published.state.closed() {
            return Err(TooStale::Closed(gap));
        }
        Ok(View {
            published,
            proof: *proof,
            bound,
            incarnation,
            clock: self.clock.clone(),
            replica: Arc::downgrade(&self.replica),
        })
    }

    fn without_proof(&self) -> TooStale {
        let rounds = self.rounds.borrow();
        if rounds.is_removed {
            return TooStale::NotAMember;
        }
        TooStale::NoProof {
            why: rounds.last_failure.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::replica::NoReadIndex;

    /// an age beyond the bound is told as more than the bound, whichever look at the clock found it.
    #[test]
    fn age_beyond_the_bound_is_told_as_more_than_the_bound() {
        let bound = Duration::from_millis(1_000);
        let age = bound + Duration::from_nanos(1);
        let before = TooStale::TooOld {
            age,
            bound,
            why: WhyNotFresh::ClockJump,
        };
        for refusal in [before, TooStale::Overtaken { age, bound }] {
            let text = refusal.to_string();
            assert!(
                text.contains("last proven 1001 ms ago") && text.contains("the bound of 1000 ms"),
                "{text}"
            );
        }
        assert_eq!(millis_up(bound), 1_000);
    }

    /// DESIGN section 1: a removed node refuses, and says so however many rounds find no leader afterwards.
    #[test]
    fn removal_is_remembered_until_a_proof_shows_otherwise() {
        let no_leader = WhyNotFresh::NoReadIndex(NoReadIndex::NoLeader);
        let mut rounds = Rounds::new();
        rounds.failed(WhyNotFresh::NoReadIndex(NoReadIndex::NotAMember));
        rounds.failed(no_leader.clone());
        assert!(rounds.is_removed);
        rounds.proven();
        assert_eq!(rounds.last_failure, WhyNotFresh::Proven);
        rounds.failed(no_leader.clone());
        assert!(!rounds.is_removed);
        assert_eq!((rounds.ended, rounds.last_failure), (4, no_leader));
    }
}
