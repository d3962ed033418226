//! A cause that comes again and again, told at most once a second with its count.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Between two lines about one cause.
const EVERY_MS: u64 = 1_000;

/// One cause. It reads no clock of its own and waits for nothing: callers bring the time, from a clock that never goes
/// back.
///
/// ```
/// use std::time::Duration;
/// static TURNED_AWAY: grantd::telemetry::Seldom = grantd::telemetry::Seldom::new();
/// let now = Duration::from_secs(7); // `clock.boot().since_boot()`
/// if let Some(times) = TURNED_AWAY.due(now) {
///     tracing::warn!(times, "a connection was turned away");
/// }
/// ```
#[derive(Debug, Default)]
pub struct Seldom {
    /// When it was last told, in milliseconds and one more; zero: never.
    told: AtomicU64,
    /// How often it came since.
    untold: AtomicU64,
}

impl Seldom {
    /// A cause that has not come yet.
    pub const fn new() -> Self {
        Self {
            told: AtomicU64::new(0),
            untold: AtomicU64::new(0),
        }
    }

    /// Counts one more time; `Some` if it is to be told now, with how often it came since it was last told, this time
    /// included. The first time is told at once. Of several threads at one instant one tells.
    pub fn due(&self, now: Duration) -> Option<u64> {
        self.due_of(now, 1)
    }

    /// The same of `times` at once; of none, what is still untold is told when its second is over.
    pub fn due_of(&self, now: Duration, times: u64) -> Option<u64> {
        let untold = self.untold.fetch_add(times, Ordering::Relaxed) + times;
        if untold == 0 {
            return None;
        }
        let now_ms = u64::try_from(now.as_millis()).unwrap_or(u64::MAX - 1);
        let told = self.told.load(Ordering::Relaxed);
        if told != 0 && now_ms.saturating_sub(told - 1) < EVERY_MS {
            return None;
        }
        self.told
            .compare_exchange(told, now_ms + 1, Ordering::Relaxed, Ordering::Relaxed)
            .ok()?;
        // Another thread may have told the rest just before.
        Some(self.rest()).filter(|times| *times > 0)
    }

    /// How often it came since it was last told, and forgets that: for the line that says that it is over.
    pub fn rest(&self) -> u64 {
        self.untold.swap(0, Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn repeated_cause_is_told_at_once_and_then_once_a_second_with_its_count() {
        let cause = Seldom::new();
        // The clock may begin at zero.
        assert_eq!(cause.due(ms(0)), Some(1));
        for at in 1..1_000 {
            assert_eq!(cause.due(ms(at)), None, "{at}");
        }
        assert_eq!(cause.due(ms(1_000)), Some(1_000));
        assert_eq!(cause.due(ms(1_001)), None);
        // What comes after a long silence is told at once, with what was still untold.
        assert_eq!(cause.due(ms(60_000)), Some(2));
    }

    #[test]
    fn what_is_left_is_told_by_who_asks_for_it() {
        let cause = Seldom::new();
        assert_eq!(cause.due_of(ms(5), 0), None);
        assert_eq!(cause.due_of(ms(5), 7), Some(7));
        assert_eq!(cause.due(ms(6)), None);
        assert_eq!(cause.due_of(ms(900), 0), None);
        assert_eq!(cause.due_of(ms(1_005), 0), Some(1));
        assert_eq!(cause.due(ms(1_006)), None);
        assert_eq!((cause.rest(), cause.rest()), (1, 0));
    }

    #[test]
    fn nothing_is_lost_or_counted_twice_between_threads() {
        let cause = Seldom::new();
        let told: u64 = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4)
                .map(|_| {
                    scope.spawn(|| {
                        let each = (0..50_000).filter_map(|at| cause.due(ms(at)));
                        each.sum::<u64>()
                    })
                })
                .collect();
            threads.into_iter().map(|t| t.join().unwrap()).sum()
        });
        assert_eq!(told + cause.rest(), 200_000);
    }
}
