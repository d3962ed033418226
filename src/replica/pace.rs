//! A bounded rate for each of the other members.
//!
//! Pure: the instants come from the caller, who also waits.

use std::collections::BTreeMap;
use std::time::Duration;

use super::types::NodeId;
use crate::domain::limits::MEMBERS_MAX;
use crate::env::BootTime;

/// Lets each node do something `per_second` times a second, and as often at once after a second of silence.
#[derive(Debug)]
pub(super) struct Pace {
    between: Duration,
    /// When each node would have used up all that it was let do, at an even pace.
    used_until: BTreeMap<NodeId, BootTime>,
}

impl Pace {
    /// `per_second` times a second.
    pub(super) fn new(per_second: u32) -> Self {
        Self {
            between: Duration::from_secs(1) / per_second.max(1),
            used_until: BTreeMap::new(),
        }
    }

    /// How long `node` has to wait before it does it once more; its turn is then its own. `None`: longer than `patience`,
    /// and no turn was taken.
    pub(super) fn turn(
        &mut self,
        node: NodeId,
        now: BootTime,
        patience: Duration,
    ) -> Option<Duration> {
        if self.used_until.len() >= MEMBERS_MAX {
            // One that has been silent counts like one that never was.
            self.used_until.retain(|_, until| *until > now);
        }
        let used_until = self.used_until.get(&node).copied().unwrap_or(now).max(now);
        let next = used_until.after(self.between);
        let wait = next.since(now.after(Duration::from_secs(1)));
        if wait > patience {
            return None;
        }
        self.used_until.insert(node, next);
        Some(wait)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> BootTime {
        BootTime::from_boot(Duration::from_millis(ms))
    }

    /// A second's worth at once, and then one at a time; each node by itself.
    #[test]
    fn node_that_is_too_fast_waits_and_the_others_do_not() {
        let mut pace = Pace::new(10);
        let ms = Duration::from_millis;
        for _ in 0..10 {
            assert_eq!(pace.turn(1, at(5_000), ms(0)), Some(ms(0)));
        }
        assert_eq!(pace.turn(1, at(5_000), ms(1_000)), Some(ms(100)));
        assert_eq!(pace.turn(1, at(5_000), ms(1_000)), Some(ms(200)));
        // Whoever cannot wait so long takes nobody's turn.
        assert_eq!(pace.turn(1, at(5_000), ms(299)), None);
        assert_eq!(pace.turn(1, at(5_000), ms(300)), Some(ms(300)));
        assert_eq!(pace.turn(2, at(5_000), ms(0)), Some(ms(0)));
        // After a second of silence beyond what is owed all is as it was at first.
        for _ in 0..10 {
            assert_eq!(pace.turn(1, at(6_300), ms(0)), Some(ms(0)));
        }
        assert_eq!(pace.turn(1, at(6_300), ms(0)), None);
    }

    /// What is kept of silent nodes is let go.
    #[test]
    fn silent_nodes_are_forgotten() {
        let mut pace = Pace::new(10);
        for node in 0..2 * MEMBERS_MAX as u64 {
            assert!(pace.turn(node, at(node * 1_000), Duration::ZERO).is_some());
        }
        assert!(pace.used_until.len() <= MEMBERS_MAX);
    }
}
