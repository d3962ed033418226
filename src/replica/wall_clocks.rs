//! What the wall clocks of the voters say, as this leader has heard it with their questions for a read index.
//!
//! Time makes things due when a majority of the voters says that it has come (DESIGN, "The one clock assumption"): one
//! clock that runs ahead, the leader's own too, makes nothing due, and one that lags holds up nothing.
//! What was heard is carried on by this node's boot clock, and forgotten soon. A leader tells with each read index what
//! they agree on: a node whose own clock differs from that by more than synchronized clocks do decides nothing by it.
//! Never: freshness, order.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::handle::Replica;
use super::types::NodeId;
use crate::domain::limits::STAMP_AHEAD_MS_MAX;
use crate::env::{BootTime, WallTime};

/// For how long a clock that was heard counts: many rounds of questions, and short enough that clock rates do not matter.
const HEARD_FOR: Duration = Duration::from_secs(10);

/// The clocks that this node has heard lately.
#[derive(Debug, Default)]
pub(super) struct WallClocks {
    heard: Mutex<BTreeMap<NodeId, Heard>>,
    /// What a leader said last that a majority agrees on.
    told: Mutex<Option<Heard>>,
}

/// This node's wall clock is not known to be right, so nothing may be decided by it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum WallOff {
    /// It differs from what a majority of the voters' clocks say.
    #[error("it is {by_ms} ms {} of that of a majority of the voters", if *is_ahead { "ahead" } else { "behind" })]
    By {
        /// By so many milliseconds.
        by_ms: u64,
        /// Whether it says a later time.
        is_ahead: bool,
    },
    /// No leader has said lately what they agree on.
    #[error("no leader has told lately what time a majority of the voters has")]
    Unknown,
}

#[derive(Clone, Copy, Debug)]
struct Heard {
    wall: WallTime,
    at: BootTime,
}

impl Heard {
    fn now(self, boot: BootTime) -> u64 {
        let passed = boot.since(self.at).as_millis();
        let WallTime(then) = self.wall;
        then.saturating_add(u64::try_from(passed).unwrap_or(u64::MAX))
    }
}

impl WallClocks {
    /// Notes what the clock of `node` said at `at`; the clocks that have fallen silent are forgotten.
    pub(super) fn note(&self, node: NodeId, wall: WallTime, at: BootTime) {
        let mut heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        heard.retain(|_, heard| at.since(heard.at) <= HEARD_FOR);
        heard.insert(node, Heard { wall, at });
    }

    /// The latest time of which a majority of each set of voters says that it has come. `None`: too few were heard.
    fn agreed<'a>(
        &self,
        sets: impl IntoIterator<Item = &'a BTreeSet<NodeId>>,
        now: BootTime,
    ) -> Option<WallTime> {
        let heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        let majority = |voters: &BTreeSet<NodeId>| {
            let lately = |voter| {
                let heard: &Heard = heard.get(voter)?;
                (now.since(heard.at) <= HEARD_FOR).then(|| heard.now(now))
            };
            let mut clocks: Vec<u64> = voters.iter().filter_map(lately).collect();
            clocks.sort_unstable_by(|a, b| b.cmp(a));
            // Of n voters, n/2 + 1 are a majority: the least of the greatest so many.
            clocks.get(voters.len() / 2).copied()
        };
        let mut least = None;
        for voters in sets {
            let agreed = majority(voters)?;
            least = Some(least.map_or(agreed, |least: u64| least.min(agreed)));
        }
        least.map(WallTime)
    }
}

fn compare(own: WallTime, agreed: Option<WallTime>) -> Result<(), WallOff> {
    let (WallTime(own), Some(WallTime(agreed))) = (own, agreed) else {
        return Err(WallOff::Unknown);
    };
    let by_ms = own.abs_diff(agreed);
    if by_ms <= STAMP_AHEAD_MS_MAX {
        return Ok(());
    }
    Err(WallOff::By {
        by_ms,
        is_ahead: own > agreed,
    })
}

impl Replica {
    /// Notes what a leader said with a read index.
    pub(super) fn hear_agreed_wall(&self, agreed: Option<WallTime>) {
        let Some(wall) = agreed else {
            return;
        };
        let at = self.clock().boot();
        let mut told = self
            .wall_clocks()
            .told
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        *told = Some(Heard { wall, at });
    }

    /// Whether this node's wall clock tells the time that a majority of the voters has, as far as clocks that are
    /// synchronized do.
    ///
    /// # Errors
    /// [`WallOff`]: nothing may be decided by it.
    pub fn check_wall(&self) -> Result<(), WallOff> {
        let now = self.clock().boot();
        let agreed = if self.leader().map(|(leader, _)| leader) == Some(self.node_id()) {
            self.agreed_wall()
        } else {
            let told = self.wall_clocks().told.lock();
            let told = *told.unwrap_or_else(PoisonError::into_inner);
            told.filter(|told| now.since(told.at) <= HEARD_FOR)
                .map(|told| WallTime(told.now(now)))
        };
        compare(self.clock().wall(), agreed)
    }

    /// Notes what the clock of a voter says; of others it does not matter.
    pub(super) fn hear_wall_clock(&self, node: NodeId, wall: WallTime, at: BootTime) {
        if self.membership().voter_ids().any(|voter| voter == node) {
            self.wall_clocks().note(node, wall, at);
        }
    }

    /// The latest time of which a majority of the voters says that it has come, as far as this leader has heard.
    pub fn agreed_wall(&self) -> Option<WallTime> {
        let now = self.clock().boot();
        let membership = self.membership();
        let sets = membership.membership().get_joint_config();
        self.wall_clocks()
            .note(self.node_id(), self.clock().wall(), now);
        self.wall_clocks().agreed(sets, now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(s: u64) -> BootTime {
        BootTime::from_boot(Duration::from_secs(s))
    }

    fn set(voters: &[NodeId]) -> BTreeSet<NodeId> {
        voters.iter().copied().collect()
    }

    fn heard(walls: &[(NodeId, u64)]) -> WallClocks {
        let clocks = WallClocks::default();
        for (node, wall) in walls {
            clocks.note(*node, WallTime(*wall), at(100));
        }
        clocks
    }

    fn agreed(clocks: &WallClocks, sets: &[BTreeSet<NodeId>], s: u64) -> Option<u64> {
        clocks.agreed(sets, at(s)).map(|WallTime(ms)| ms)
    }

    /// DESIGN, "The one clock assumption": one clock alone, ahead or behind, moves nothing.
    #[test]
    fn one_wrong_clock_moves_nothing() {
        let three = [set(&[1, 2, 3])];
        let year = 31_536_000_000;
        for (walls, wanted) in [
            ([1_000, 1_001, 1_002], 1_001),
            ([1_000, 1_001, year], 1_001),
            ([year, 1_000, 1_001], 1_001),
            ([1_000, 1_001, 0], 1_000),
            ([year, year, 1_000], year),
        ] {
            let walls: Vec<_> = (1..).zip(walls).collect();
            assert_eq!(
                agreed(&heard(&walls), &three, 100),
                Some(wanted),
                "{walls:?}"
            );
        }
        // Of two voters, both are a majority.
        let two = [set(&[1, 2])];
        assert_eq!(agreed(&heard(&[(1, year), (2, 5)]), &two, 100), Some(5));
        assert_eq!(agreed(&heard(&[(1, 7)]), &[set(&[1])], 100), Some(7));
    }

    /// A minority decides nothing, nor does one that is heard no more, nor a node that does not vote.
    #[test]
    fn too_few_clocks_agree_on_nothing() {
        let three = [set(&[1, 2, 3])];
        assert_eq!(agreed(&heard(&[(1, 5)]), &three, 100), None);
        assert_eq!(agreed(&heard(&[(1, 5), (4, 5)]), &three, 100), None);
        assert_eq!(agreed(&heard(&[]), &three, 100), None);
        let clocks = heard(&[(1, 5), (2, 5), (3, 5)]);
        assert_eq!(agreed(&clocks, &three, 111), None);
        clocks.note(1, WallTime(12_000), at(111));
        assert_eq!(agreed(&clocks, &three, 111), None);
        clocks.note(2, WallTime(11_000), at(112));
        assert_eq!(agreed(&clocks, &three, 112), Some(11_000));
        assert_eq!(clocks.heard.lock().unwrap().len(), 2);
    }

    /// F19c: in both directions, from the first millisecond beyond what synchronized clocks differ; and a node that nobody
    /// has told anything does not know.
    #[test]
    fn wall_clock_that_is_off_is_found_out() {
        let at = 1_000_000;
        let of = |own: u64| compare(WallTime(own), Some(WallTime(at)));
        for off in [0, STAMP_AHEAD_MS_MAX] {
            assert_eq!((of(at + off), of(at - off)), (Ok(()), Ok(())));
        }
        let by_ms = STAMP_AHEAD_MS_MAX + 1;
        let off = |is_ahead| Err(WallOff::By { by_ms, is_ahead });
        assert_eq!(of(at + by_ms), off(true));
        assert_eq!(of(at - by_ms), off(false));
        assert_eq!(compare(WallTime(at), None), Err(WallOff::Unknown));
    }

    /// What was heard goes on with this node's own boot clock.
    #[test]
    fn clocks_go_on_after_they_were_heard() {
        let clocks = heard(&[(1, 5_000), (2, 6_000), (3, 7_000)]);
        assert_eq!(agreed(&clocks, &[set(&[1, 2, 3])], 104), Some(10_000));
    }

    /// While the voters change, a majority of the old and of the new must agree.
    #[test]
    fn both_sets_of_voters_must_agree() {
        let clocks = heard(&[(1, 10), (2, 20), (3, 30), (4, 1), (5, 2)]);
        let sets = [set(&[1, 2, 3]), set(&[3, 4, 5])];
        assert_eq!(agreed(&clocks, &sets, 100), Some(2));
    }
}
