//! A node's clocks: its own rate, its own offsets, and a process that can stand still.
//!
//! The rate is a deviation from the world's time in parts per million; a node is inside the product's clock model when
//! any two of a cluster differ by at most rho. A *pause* is what a stopped process sees: between two readings the clock
//! has leapt, and while the world catches up the clock shows that same instant, timers that wait on it do not fire,
//! and (the world sees to it) nothing reaches the node or leaves it. May import `env`; never reads a real clock.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use grantd::env::{BootTime, Clock, WallTime};

/// Tells the time of the world: what has been simulated so far.
pub type WorldTime = Arc<dyn Fn() -> Duration + Send + Sync>;

/// Told that the node stands still until this time of the world.
pub type OnPause = Box<dyn Fn(Duration) + Send + Sync>;

/// How a node's clocks differ from the world's time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Face {
    /// How much faster than the world, in parts per million; negative: slower.
    pub drift_ppm: i64,
    /// What `CLOCK_BOOTTIME` showed when the world began.
    pub boot_offset: Duration,
    /// What `CLOCK_REALTIME` showed when the world began, in milliseconds since the Unix epoch.
    pub wall_offset_ms: u64,
}

enum Stall {
    Running,
    /// The process will be stopped for `span` at its `readings`th reading of the boot clock from now.
    Armed {
        readings: u64,
        span: Duration,
    },
    /// The process stands still until the world's time is this.
    Until(Duration),
}

/// The clocks of one node. They go on while the node's process is down.
pub struct SimClock {
    face: Face,
    world: WorldTime,
    on_pause: OnPause,
    stall: Mutex<Stall>,
}

impl SimClock {
    pub fn new(face: Face, world: WorldTime, on_pause: OnPause) -> Self {
        Self {
            face,
            world,
            on_pause,
            stall: Mutex::new(Stall::Running),
        }
    }

    /// Stops the process for `span` at its `readings`th reading of the boot clock from now (the first is 1): between
    /// two steps of whatever reads the clock there.
    pub fn pause_at_reading(&self, readings: u64, span: Duration) {
        let mut stall = self.stall.lock().unwrap_or_else(PoisonError::into_inner);
        if matches!(*stall, Stall::Running) {
            *stall = Stall::Armed {
                readings: readings.max(1),
                span,
            };
        }
    }

    /// The process is gone: what would have stopped it, stops nothing.
    pub fn process_ended(&self) {
        *self.stall.lock().unwrap_or_else(PoisonError::into_inner) = Stall::Running;
    }

    /// The instant of the world that this node's process lives in. `counted`: a reading that a pause may hang on.
    fn instant(&self, counted: bool) -> Duration {
        let now = (self.world)();
        let mut stall = self.stall.lock().unwrap_or_else(PoisonError::into_inner);
        match &mut *stall {
            Stall::Running => now,
            Stall::Until(until) if now < *until => *until,
            Stall::Until(_) => {
                *stall = Stall::Running;
                now
            }
            Stall::Armed { readings, span } if counted => {
                *readings = readings.saturating_sub(1);
                if *readings > 0 {
                    return now;
                }
                let until = now + *span;
                *stall = Stall::Until(until);
                (self.on_pause)(until);
                until
            }
            Stall::Armed { .. } => now,
        }
    }

    /// World's time to node's time.
    fn on_face(&self, world: Duration) -> Duration {
        scale(world, 1_000_000 + self.face.drift_ppm, 1_000_000)
    }

    /// A span of node's time to the world's, rounded up.
    fn in_world(&self, span: Duration) -> Duration {
        scale(span, 1_000_000, 1_000_000 + self.face.drift_ppm) + Duration::from_nanos(1)
    }
}

fn scale(span: Duration, by: i64, over: i64) -> Duration {
    let nanos = span.as_nanos().saturating_mul(by.max(0) as u128) / (over.max(1) as u128);
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}

#[async_trait]
impl Clock for SimClock {
    fn boot(&self) -> BootTime {
        BootTime::from_boot(self.face.boot_offset + self.on_face(self.instant(true)))
    }

    fn wall(&self) -> WallTime {
        let passed = self.on_face(self.instant(false)).as_millis();
        WallTime(
            self.face
                .wall_offset_ms
                .saturating_add(u64::try_from(passed).unwrap_or(u64::MAX)),
        )
    }

    async fn sleep(&self, span: Duration) {
        let wake = self.instant(false) + self.in_world(span);
        loop {
            let now = (self.world)();
            // While the process stands still its instant lies ahead of the world: no timer fires before the world is there.
            let until = self.instant(false).max(wake);
            if now >= until {
                return;
            }
            tokio::time::sleep(until - now).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU64, Ordering};

    fn clock(drift_ppm: i64) -> (SimClock, Arc<AtomicU64>, Arc<Mutex<Vec<Duration>>>) {
        let now = Arc::new(AtomicU64::new(0));
        let pauses = Arc::new(Mutex::new(Vec::new()));
        let (world, told) = (now.clone(), pauses.clone());
        let clock = SimClock::new(
            Face {
                drift_ppm,
                boot_offset: Duration::from_secs(100),
                wall_offset_ms: 1_000_000,
            },
            Arc::new(move || Duration::from_millis(world.load(Ordering::Relaxed))),
            Box::new(move |until| told.lock().unwrap().push(until)),
        );
        (clock, now, pauses)
    }

    #[test]
    fn clock_with_a_drift_runs_at_its_own_rate() {
        let (fast, now, _) = clock(5_000);
        now.store(1_000, Ordering::Relaxed);
        assert_eq!(fast.boot().since_boot(), Duration::from_millis(101_005));
        assert_eq!(fast.wall(), WallTime(1_001_005));
        let (slow, now, _) = clock(-5_000);
        now.store(1_000, Ordering::Relaxed);
        assert_eq!(slow.boot().since_boot(), Duration::from_millis(100_995));
    }

    #[test]
    fn pause_leaps_between_two_readings_and_stands_until_the_world_has_caught_up() {
        let (clock, now, pauses) = clock(0);
        now.store(10, Ordering::Relaxed);
        clock.pause_at_reading(2, Duration::from_millis(500));
        let before = clock.boot();
        let after = clock.boot();
        assert_eq!(after.since(before), Duration::from_millis(500));
        now.store(300, Ordering::Relaxed);
        assert_eq!(clock.boot(), after);
        now.store(510, Ordering::Relaxed);
        assert_eq!(clock.boot(), after);
        now.store(511, Ordering::Relaxed);
        assert_eq!(clock.boot().since(after), Duration::from_millis(1));
        assert_eq!(*pauses.lock().unwrap(), [Duration::from_millis(510)]);
    }

    #[test]
    fn pause_of_a_process_that_ended_stops_nothing() {
        let (clock, _, pauses) = clock(0);
        clock.pause_at_reading(1, Duration::from_millis(500));
        clock.process_ended();
        assert_eq!(clock.boot().since_boot(), Duration::from_secs(100));
        assert!(pauses.lock().unwrap().is_empty());
    }

    #[test]
    fn sleep_lasts_its_span_on_the_nodes_own_clock_and_through_a_pause() {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        runtime.block_on(async {
            let begin = tokio::time::Instant::now();
            let make = |drift_ppm| {
                SimClock::new(
                    Face {
                        drift_ppm,
                        boot_offset: Duration::ZERO,
                        wall_offset_ms: 0,
                    },
                    Arc::new(move || begin.elapsed()),
                    Box::new(|_| ()),
                )
            };
            let slow = make(-10_000);
            let before = slow.boot();
            slow.sleep(Duration::from_secs(99)).await;
            assert!(slow.boot().since(before) >= Duration::from_secs(99));
            assert!(begin.elapsed() >= Duration::from_secs(100));
            assert!(begin.elapsed() < Duration::from_millis(100_010));

            let paused = make(0);
            let start = begin.elapsed();
            paused.pause_at_reading(1, Duration::from_secs(5));
            paused.boot();
            paused.sleep(Duration::from_secs(1)).await;
            assert!(begin.elapsed() - start >= Duration::from_secs(6));
        });
    }
}
