//! Watches that what is committed is also applied, and hands the lead over where it is not.
//!
//! Raft elects another leader when one is silent; one whose core goes on while its state machine stands still is not
//! silent: it heartbeats, commits, and answers nobody. So this looks from outside. Movement is whatever the state machine
//! does: an entry applied, a piece of a snapshot read. It runs where a blocked `apply` cannot block it (`Offload::apart`).
//!
//! A leader that can send and not receive is the other one that Raft would keep: its heartbeats hold the others back from an
//! election, and it commits nothing. openraft's own knob for it (`quorum_loss_probe_interval`) silences a leader as soon as
//! its lease has run out, which a busy machine does now and then; here it falls silent after seconds, in turns.
//! Never: a wait for the state machine.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::handle::Replica;
use super::types::NodeId;
use crate::domain::limits::{
    QUORUM_LOST_MS, STALL_HAND_OVER_MS_MIN, STALL_STOP_BOUNDS, STALL_STOP_MS_MIN,
    STALL_TOLD_EVERY_MS,
};
use crate::domain::time::Revision;

/// Between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// A hand-over that has not helped within this is tried again.
const HAND_OVER_AGAIN: Duration = Duration::from_secs(2);

/// A member that has not asked for a read index for so long is told of as unreachable elsewhere, not as standing still.
const ASKS_EVERY_MAX: Duration = Duration::from_secs(2);

/// What a look at the state machine sees.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Seen {
    committed: u64,
    applied: u64,
    moves: u64,
}

/// How long something has stood still although there is something to do.
#[derive(Clone, Copy, Debug, Default)]
struct Stall {
    last: Option<Seen>,
    still: Duration,
}

impl Stall {
    /// Takes a look `span` after the one before. A span in which this node was not running is none of the state machine's:
    /// so it counts for two looks at the most.
    fn look(&mut self, seen: Seen, span: Duration) -> Duration {
        let moved = self
            .last
            .is_none_or(|last| last.applied != seen.applied || last.moves != seen.moves);
        let behind = seen.applied < seen.committed;
        self.still = if behind && !moved {
            self.still.saturating_add(span.min(LOOK_EVERY * 2))
        } else {
            Duration::ZERO
        };
        self.last = Some(seen);
        self.still
    }
}

/// Whether a leader that no quorum answers speaks or is silent: each for one turn.
#[derive(Clone, Copy, Debug, Default)]
struct Voice {
    silent: bool,
    turn: Duration,
}

impl Voice {
    /// `unanswered`: how long no quorum has answered; `None`: this node does not lead, or is alone.
    fn look(&mut self, unanswered: Option<Duration>, span: Duration, turn: Duration) -> bool {
        let lost = unanswered.is_some_and(|span| span >= Duration::from_millis(QUORUM_LOST_MS));
        if !lost {
            *self = Self::default();
        } else if !self.silent && self.turn.is_zero() {
            self.silent = true;
            self.turn = turn;
        } else {
            self.turn = self.turn.saturating_sub(span);
            if self.turn.is_zero() && self.silent {
                *self = Self {
                    silent: false,
                    turn,
                };
            }
        }
        self.silent
    }
}

/// What is to be done about a state machine that has stood still for a while.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Verdict {
    /// Nothing.
    Well,
    /// To tell it.
    Tell,
    /// To tell it and to give the lead away.
    HandOver,
    /// To stop: it leads still, and nothing has helped.
    Stop,
}

/// `led`: for how much of that this node has led; `None`: it does not. `bound` is the cluster's maximum staleness.
///
/// Only the time in which it led counts towards a stop: one that was stuck before it was elected has not tried to give the
/// lead away yet.
fn verdict(still: Duration, led: Option<Duration>, bound: Duration) -> Verdict {
    let hand_over = (bound / 2).max(Duration::from_millis(STALL_HAND_OVER_MS_MIN));
    let stop = (bound * STALL_STOP_BOUNDS).max(Duration::from_millis(STALL_STOP_MS_MIN));
    if still < hand_over {
        Verdict::Well
    } else {
        match led {
            None => Verdict::Tell,
            Some(led) if led < stop => Verdict::HandOver,
            Some(_) => Verdict::Stop,
        }
    }
}

/// What the watchdog has to say to whoever asks for the node's status.
#[derive(Debug, Default)]
pub struct Watched {
    now: Mutex<Told>,
    /// This leader sends no heartbeats for the moment.
    silent: AtomicBool,
}

#[derive(Debug, Default)]
struct Told {
    own: Option<String>,
    others: BTreeMap<NodeId, String>,
}

impl Watched {
    fn lock(&self) -> MutexGuard<'_, Told> {
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether this leader sends no heartbeats for the moment, not for read indexes either.
    pub fn is_silent(&self) -> bool {
        self.silent.load(Ordering::Relaxed)
    }

    /// Whether another member was last seen to apply nothing of what it should.
    pub fn stands_still(&self, node: NodeId) -> bool {
        self.lock().others.contains_key(&node)
    }

    /// What stands still, in sentences.
    pub fn faults(&self) -> Vec<String> {
        let told = self.lock();
        told.own
            .iter()
            .chain(told.others.values())
            .cloned()
            .collect()
    }
}

impl Replica {
    /// Watches; returns the reason once this node must stop.
    pub async fn watch_apply(self: Arc<Self>) -> String {
        let told_every = Duration::from_millis(STALL_TOLD_EVERY_MS);
        let mut own = Stall::default();
        let (mut led, mut stands) = (Duration::ZERO, true);
        let mut voice = Voice::default();
        let mut others: BTreeMap<NodeId, Stall> = BTreeMap::new();
        let (mut told_at, mut handed_at) = (None::<Duration>, None::<Duration>);
        let mut others_told: BTreeMap<NodeId, Duration> = BTreeMap::new();
        let mut before = self.clock().boot();
        loop {
            self.clock().sleep(LOOK_EVERY).await;
            let now = self.clock().boot();
            let span = now.since(before);
            before = now;
            let published = self.board().load();
            let bound = Duration::from_millis(published.state.settings().max_staleness_ms);
            let (committed, leads) = self.committed_and_leads();
            let Revision(applied) = published.revision();
            drop(published);
            let seen = Seen {
                committed,
                applied,
                moves: self.workshop().moves.count(),
            };
            let still = own.look(seen, span);
            led = if leads {
                led.saturating_add(span).min(still)
            } else {
                Duration::ZERO
            };
            let verdict = verdict(still, leads.then_some(led), bound);
            if stands != (verdict == Verdict::Well) {
                // One that does not apply could not lead: the others elect one of themselves.
                stands = !stands;
                self.raft().runtime_config().elect(stands);
            }
            let why = format!(
                "this node has applied revision {applied} and nothing since {} ms ago, though {committed} is committed: whatever applies here is stuck",
                still.as_millis()
            );
            self.watched().lock().own = (verdict != Verdict::Well).then(|| why.clone());
            match verdict {
                Verdict::Well => {
                    if told_at.take().is_some() {
                        tracing::info!(applied, committed, "this node applies again");
                    }
                    handed_at = None;
                }
                Verdict::Tell | Verdict::HandOver => {
                    if told_at.is_none_or(|at| still >= at + told_every) {
                        tracing::error!(applied, committed, leads, "{why}");
                        told_at = Some(still);
                    }
                    if verdict == Verdict::HandOver
                        && handed_at.is_none_or(|at| still >= at + HAND_OVER_AGAIN)
                    {
                        handed_at = Some(still);
                        match self.heir() {
                            Some(heir) => {
                                tracing::warn!(heir, "handing the lead over");
                                // Only sent: nothing here waits for this node.
                                let _ = self.raft().trigger().transfer_leader(heir).await;
                            }
                            None => tracing::warn!(
                                "no other voter was heard lately: there is nobody to hand the lead to"
                            ),
                        }
                    }
                }
                Verdict::Stop => {
                    return format!("{why}; it still leads, so that nobody can write: it stops");
                }
            }
            self.speak_or_not(&mut voice, span);
            if leads {
                self.watch_others(committed, span, bound, &mut others, &mut others_told);
            } else if !others.is_empty() {
                others.clear();
                others_told.clear();
                self.watched().lock().others.clear();
            }
        }
    }

    fn speak_or_not(&self, voice: &mut Voice, span: Duration) {
        // A lease and an election, and as much again.
        let turn = Duration::from_millis(self.timings().election_ms_max.saturating_mul(3));
        let unanswered = self.unanswered();
        let was_silent = voice.silent;
        let silent = voice.look(unanswered, span, turn);
        if silent != was_silent {
            self.watched().silent.store(silent, Ordering::Relaxed);
            self.raft().runtime_config().heartbeat(!silent);
            if silent {
                tracing::warn!(
                    unanswered_ms = unanswered.map_or(0, |span| u64::try_from(span.as_millis())
                        .unwrap_or(u64::MAX)),
                    "no quorum answers this leader: it sends no heartbeats for a while, so that the others may elect"
                );
            }
        }
    }

    /// The leader's side of a member that stands still: it still asks for read indexes, and says what it has applied.
    fn watch_others(
        &self,
        committed: u64,
        span: Duration,
        bound: Duration,
        stalls: &mut BTreeMap<NodeId, Stall>,
        told: &mut BTreeMap<NodeId, Duration>,
    ) {
        let now = self.clock().boot();
        let me = self.node_id();
        let mut heard: BTreeMap<NodeId, u64> = BTreeMap::new();
        for reader in self.readers().all() {
            if reader.node != me && now.since(reader.asked_at) < ASKS_EVERY_MAX {
                let Revision(applied) = reader.applied;
                let most = heard.entry(reader.node).or_default();
                *most = applied.max(*most);
            }
        }
        stalls.retain(|node, _| heard.contains_key(node));
        told.retain(|node, _| heard.contains_key(node));
        let mut sentences = BTreeMap::new();
        for (node, applied) in heard {
            let seen = Seen {
                committed,
                applied,
                moves: 0,
            };
            let stall = stalls.entry(node).or_default();
            if self.workshop().desk.is_sending_to(node) {
                // It is on its way.
                *stall = Stall::default();
            }
            let still = stall.look(seen, span);
            if verdict(still, None, bound) == Verdict::Well {
                told.remove(&node);
                continue;
            }
            let why = format!(
                "node {node} has applied revision {applied} and nothing since {} ms ago, though {committed} is committed; it is reachable: whatever applies there is stuck",
                still.as_millis()
            );
            let every = Duration::from_millis(STALL_TOLD_EVERY_MS);
            if told.get(&node).is_none_or(|at| still >= *at + every) {
                tracing::warn!(node, applied, committed, "{why}");
                told.insert(node, still);
            }
            sentences.insert(node, why);
        }
        self.watched().lock().others = sentences;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUND: Duration = Duration::from_secs(1);

    fn seen(committed: u64, applied: u64, moves: u64) -> Seen {
        Seen {
            committed,
            applied,
            moves,
        }
    }

    fn looks(stall: &mut Stall, seen: Seen, times: u32) -> Duration {
        (0..times).fold(Duration::ZERO, |_, _| stall.look(seen, LOOK_EVERY))
    }

    /// Idle is not stuck, and neither is one that works at a single entry for long or reads a snapshot.
    #[test]
    fn only_one_that_is_behind_and_does_not_move_stands_still() {
        let mut stall = Stall::default();
        assert_eq!(looks(&mut stall, seen(5, 5, 5), 100), Duration::ZERO);
        for moves in 6..100 {
            assert_eq!(stall.look(seen(9, 5, moves), LOOK_EVERY), Duration::ZERO);
        }
        assert_eq!(looks(&mut stall, seen(9, 5, 99), 30), LOOK_EVERY * 30);
        // More is committed meanwhile: that is no movement.
        assert_eq!(looks(&mut stall, seen(12, 5, 99), 10), LOOK_EVERY * 40);
        assert_eq!(stall.look(seen(12, 6, 99), LOOK_EVERY), Duration::ZERO);
    }

    /// A process that was suspended for a minute has not stood still for a minute.
    #[test]
    fn time_in_which_the_node_did_not_run_does_not_count() {
        let mut stall = Stall::default();
        stall.look(seen(9, 5, 5), LOOK_EVERY);
        let still = stall.look(seen(9, 5, 5), Duration::from_secs(60));
        assert_eq!(still, LOOK_EVERY * 2);
        assert_eq!(verdict(still, Some(still), BOUND), Verdict::Well);
    }

    /// Only after seconds without an answer, then in turns, and never once it is answered again.
    #[test]
    fn leader_that_nobody_answers_is_silent_in_turns() {
        let turn = LOOK_EVERY * 3;
        let lost = Some(Duration::from_millis(QUORUM_LOST_MS));
        let mut voice = Voice::default();
        let almost = Some(Duration::from_millis(QUORUM_LOST_MS - 1));
        assert!(!voice.look(almost, LOOK_EVERY, turn));
        assert!(!voice.look(None, LOOK_EVERY, turn));
        let said: Vec<bool> = (0..10)
            .map(|_| voice.look(lost, LOOK_EVERY, turn))
            .collect();
        let turns = [
            true, true, true, false, false, false, false, true, true, true,
        ];
        assert_eq!(said, turns);
        assert!(!voice.look(almost, LOOK_EVERY, turn));
    }

    #[test]
    fn leader_hands_over_and_then_stops_where_a_follower_goes_on_telling() {
        let at = |still, led: Option<u64>| {
            let led = led.map(Duration::from_millis);
            verdict(Duration::from_millis(still), led, BOUND)
        };
        let long = 1_000_000;
        assert_eq!(at(STALL_HAND_OVER_MS_MIN - 1, Some(long)), Verdict::Well);
        let early = at(STALL_HAND_OVER_MS_MIN, Some(STALL_HAND_OVER_MS_MIN));
        assert_eq!(early, Verdict::HandOver);
        assert_eq!(at(long, Some(STALL_STOP_MS_MIN - 1)), Verdict::HandOver);
        assert_eq!(at(long, Some(STALL_STOP_MS_MIN)), Verdict::Stop);
        assert_eq!(at(STALL_HAND_OVER_MS_MIN, None), Verdict::Tell);
        assert_eq!(at(long, None), Verdict::Tell);
        // One that was stuck for long before it was elected gives the lead away first.
        assert_eq!(at(long, Some(0)), Verdict::HandOver);
        // A cluster with a long bound has more patience.
        let slow = |ms| {
            let still = Duration::from_millis(ms);
            verdict(still, Some(still), BOUND * 30)
        };
        assert_eq!(slow(14_999), Verdict::Well);
        assert_eq!(slow(15_000), Verdict::HandOver);
        assert_eq!(slow(30_000 * u64::from(STALL_STOP_BOUNDS)), Verdict::Stop);
    }
}
