//! The two clocks of a node: one that never stops and never jumps, one that tells the civil time.
//!
//! Freshness is measured on [`BootTime`] alone; [`WallTime`] decides expiry and deletion. Never reads a clock itself.

use std::future::Future;
use std::time::Duration;

use async_trait::async_trait;

/// An instant of this node's `CLOCK_BOOTTIME`: the time since boot, suspend included.
///
/// Comparable only with instants of the same clock of the same boot; never sent to a peer, never stored.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct BootTime(Duration);

impl BootTime {
    /// The instant `since_boot` after the machine started.
    pub const fn from_boot(since_boot: Duration) -> Self {
        Self(since_boot)
    }

    /// The time since the machine started.
    pub const fn since_boot(self) -> Duration {
        self.0
    }

    /// How much later this instant is than `earlier`; zero if it is not later.
    pub fn since(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }

    /// The instant `span` later; the last representable one if that overflows.
    pub fn after(self, span: Duration) -> Self {
        Self(self.0.saturating_add(span))
    }
}

/// Milliseconds since the Unix epoch on this node's `CLOCK_REALTIME`: may jump either way.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct WallTime(pub u64);

/// A node's clocks and its way of waiting.
#[async_trait]
pub trait Clock: Send + Sync + 'static {
    /// `CLOCK_BOOTTIME` now. `CLOCK_MONOTONIC` would not do: it stops in suspend, and a node that slept would think
    /// its state fresh.
    fn boot(&self) -> BootTime;

    /// `CLOCK_REALTIME` now.
    fn wall(&self) -> WallTime;

    /// Returns once `span` has passed on this clock.
    async fn sleep(&self, span: Duration);
}

/// The result of `work`, or `None` once `span` has passed on `clock` without one.
pub async fn timeout<T>(
    clock: &dyn Clock,
    span: Duration,
    work: impl Future<Output = T>,
) -> Option<T> {
    tokio::select! {
        // The result wins a tie; without `biased` tokio would draw lots from a generator of its own.
        biased;
        value = work => Some(value),
        () = clock.sleep(span) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boot_time_since_a_later_instant_is_zero() {
        let early = BootTime::from_boot(Duration::from_secs(1));
        let late = early.after(Duration::from_secs(2));
        assert_eq!(late.since(early), Duration::from_secs(2));
        assert_eq!(early.since(late), Duration::ZERO);
    }
}
