//! What this node has proven about how old its state is.
//!
//! The as-of is an instant of the node's own boot clock such that everything acknowledged anywhere before it is in the
//! published state. Never: a proof by another clock, or by "I am the leader".

use std::time::Duration;

use crate::domain::time::Revision;
use crate::env::{BootTime, Clock, WallTime};
use crate::replica::NoReadIndex;

/// How far CLOCK_REALTIME minus CLOCK_BOOTTIME may move within the life of one proof, in milliseconds.
///
/// A hypervisor that freezes a guest's clocks and sets its wall clock right afterwards shows as a jump. Slewing by ntpd
/// moves it by half a millisecond a second, and a proof lives a second; a step by hand costs one round, which is fine.
const CLOCK_JUMP_MS: u64 = 250;

/// How far the wall clock may move while both clocks are read, in milliseconds, and how often they are read again. What
/// is left of an interruption counts as a jump, which costs a round and never an old answer.
const READ_SPREAD_MS: u64 = 10;
const READ_TRIES: usize = 4;

/// One proof of freshness.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Proof {
    /// Read before the leader was asked.
    pub as_of: BootTime,
    /// What the leader answered, and the published state has reached.
    pub read_index: Revision,
    /// CLOCK_REALTIME minus CLOCK_BOOTTIME when it was read.
    pub offset: ClockOffset,
}

impl Proof {
    /// True when the clocks have moved against each other since the proof was begun: the boot clock may have stood still.
    pub fn jumped(&self, now: ClockOffset) -> bool {
        self.offset.0.abs_diff(now.0) > CLOCK_JUMP_MS
    }
}

/// CLOCK_REALTIME minus CLOCK_BOOTTIME, in milliseconds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ClockOffset(i64);

/// Both clocks at once.
#[derive(Clone, Copy, Debug)]
pub struct Instant {
    /// The clock that freshness goes by.
    pub boot: BootTime,
    /// Whether the two clocks still move together.
    pub offset: ClockOffset,
}

impl Instant {
    /// Reads both clocks as one: the wall clock stands still around the boot clock, or they are read again. A thread
    /// that loses its processor between two readings would else see a jump that no clock has made.
    pub fn read(clock: &dyn Clock) -> Self {
        let mut best = Self::attempt(clock);
        for _ in 1..READ_TRIES {
            if best.1 <= READ_SPREAD_MS {
                break;
            }
            let next = Self::attempt(clock);
            if next.1 <= best.1 {
                best = next;
            }
        }
        best.0
    }

    /// One reading, and by how many milliseconds the wall clock moved meanwhile.
    fn attempt(clock: &dyn Clock) -> (Self, u64) {
        let WallTime(before_ms) = clock.wall();
        let boot = clock.boot();
        let WallTime(wall_ms) = clock.wall();
        let boot_ms = i64::try_from(boot.since_boot().as_millis()).unwrap_or(i64::MAX);
        let signed_ms = i64::try_from(wall_ms).unwrap_or(i64::MAX);
        let read = Self {
            boot,
            offset: ClockOffset(signed_ms.saturating_sub(boot_ms)),
        };
        (read, wall_ms.abs_diff(before_ms))
    }
}

/// Why the last round proved nothing.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum WhyNotFresh {
    /// No round has ended since the node started.
    #[error("the node has just started")]
    JustStarted,
    /// The leader gave no read index.
    #[error(transparent)]
    NoReadIndex(#[from] NoReadIndex),
    /// The state has not reached the read index in time.
    #[error("the state is at revision {applied} and has not reached {read_index} within {} ms", within.as_millis())]
    Lagging {
        /// Where the state is.
        applied: Revision,
        /// What the leader has committed.
        read_index: Revision,
        /// How long the round waited.
        within: Duration,
    },
    /// The last round has not failed: a proof takes its time, and the bound is shorter.
    #[error("to prove it takes longer than that")]
    Proven,
    /// CLOCK_REALTIME and CLOCK_BOOTTIME have moved against each other.
    #[error("the clocks of this machine have jumped, so it may have been paused")]
    ClockJump,
}

impl WhyNotFresh {
    /// Whether a leader has said that this node is no member.
    pub const fn is_removal(&self) -> bool {
        matches!(self, Self::NoReadIndex(NoReadIndex::NotAMember))
    }
}

/// Whether the node could decide at the end of each round, for the lines that say when that changes.
#[derive(Debug, Default)]
pub enum Watched {
    /// Nothing was proven yet.
    #[default]
    Never,
    /// The last proof is young enough.
    Fresh,
    /// It is not, since this instant.
    Lost(BootTime),
}

/// A change of [`Watched`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Turn {
    /// The first proof.
    First,
    /// No proof is young enough any more.
    Lost,
    /// One is again, after this span without.
    Regained(Duration),
}

impl Watched {
    /// Takes note of the end of a round at `now`, at which the last proof has this age, if there is one, under this bound.
    pub fn round(&mut self, now: BootTime, age: Option<Duration>, bound: Duration) -> Option<Turn> {
        let is_fresh = age.is_some_and(|age| age <= bound);
        let (next, turn) = match (&*self, is_fresh) {
            (Self::Never, true) => (Self::Fresh, Turn::First),
            (Self::Fresh, false) => (Self::Lost(now), Turn::Lost),
            (Self::Lost(since), true) => (Self::Fresh, Turn::Regained(now.since(*since))),
            (Self::Never | Self::Lost(_), false) | (Self::Fresh, true) => return None,
        };
        *self = next;
        Some(turn)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use async_trait::async_trait;

    use super::*;

    /// Time that goes on by a millisecond at each reading, and by more at one of them.
    struct Interrupted {
        readings: AtomicU64,
        at: u64,
    }

    impl Interrupted {
        fn now(&self) -> u64 {
            let n = self.readings.fetch_add(1, Ordering::Relaxed) + 1;
            n + if n >= self.at { 400 } else { 0 }
        }
    }

    #[async_trait]
    impl Clock for Interrupted {
        fn boot(&self) -> BootTime {
            BootTime::from_boot(Duration::from_millis(self.now()))
        }

        fn wall(&self) -> WallTime {
            WallTime(1_000_000 + self.now())
        }

        async fn sleep(&self, _: Duration) {}
    }

    /// a reader that is interrupted between the two clocks has seen no clock jump.
    #[test]
    fn interruption_between_two_readings_is_no_jump() {
        for at in 1..=4 {
            let clock = Interrupted {
                readings: AtomicU64::new(0),
                at,
            };
            let read = Instant::read(&clock);
            assert!(!proof(1_000_000).jumped(read.offset), "{at}: {read:?}");
            assert!(read.offset.0.abs_diff(1_000_000) <= 1, "{at}: {read:?}");
        }
    }

    #[test]
    fn each_turn_of_freshness_is_told_once_with_its_span() {
        let bound = Duration::from_secs(1);
        let mut watched = Watched::default();
        let at = |s| BootTime::from_boot(Duration::from_secs(s));
        let mut round =
            |s, age_ms: Option<u64>| watched.round(at(s), age_ms.map(Duration::from_millis), bound);
        assert_eq!(round(1, None), None);
        assert_eq!(round(2, Some(1_000)), Some(Turn::First));
        assert_eq!(round(3, Some(900)), None);
        assert_eq!(round(4, Some(1_001)), Some(Turn::Lost));
        assert_eq!(round(5, Some(2_000)), None);
        assert_eq!(round(6, None), None);
        let span = Duration::from_secs(3);
        assert_eq!(round(7, Some(3)), Some(Turn::Regained(span)));
        assert_eq!(round(8, None), Some(Turn::Lost));
    }

    fn proof(offset: i64) -> Proof {
        Proof {
            as_of: BootTime::from_boot(Duration::from_secs(1)),
            read_index: Revision(1),
            offset: ClockOffset(offset),
        }
    }

    #[test]
    fn proof_is_void_when_the_wall_clock_jumps_either_way() {
        assert!(!proof(1_000).jumped(ClockOffset(1_250)));
        assert!(!proof(1_000).jumped(ClockOffset(750)));
        assert!(proof(1_000).jumped(ClockOffset(1_251)));
        assert!(proof(1_000).jumped(ClockOffset(749)));
    }
}
