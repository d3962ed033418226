//! Long answers, worked out on threads of their own, so that neither a healthy client nor Raft waits for them.
//!
//! An answer whose work is not known to be small is first tried in place, for a millisecond or two of counted work; what is
//! not done by then, and what is known to be long, waits for one of a few places aside. Only then its view is taken, so
//! that its staleness does not grow while it waits. There it stops, between small steps, once nobody waits for it any
//! more, its deadline is over, its view is too old, or it has done as much as one answer may.
//!
//! Imports env, domain. Never: what the work is.

use std::cell::Cell;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::AppError;
use crate::domain::effort::Effort;
use crate::domain::limits;
use crate::env::{BootTime, Clock, Offload, offload, timeout};

/// Work between two looks at the clock: about two milliseconds.
const STEP: u64 = 200_000;

/// How long something is worked on before what is left of it is guessed from what is done.
const GUESS_AFTER: Duration = Duration::from_millis(50);

/// Where long answers are worked out.
pub struct Aside {
    threads: Arc<dyn Offload>,
    clock: Arc<dyn Clock>,
    places: Arc<Semaphore>,
    waiting: AtomicUsize,
}

/// A place aside: whoever has it may work there.
pub struct Place {
    _permit: OwnedSemaphorePermit,
}

/// Why an answer was not worked out.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum TooLong {
    /// As many as may wait for a place do.
    Crowded,
    /// No place became free in time.
    NoPlace {
        /// How long it was waited for.
        waited: Duration,
    },
    /// It takes more work than one answer may.
    Work,
    /// It would not be ready by the request's deadline.
    Deadline {
        /// The time that was left when it was begun.
        left: Duration,
    },
    /// It would be older than its bound of staleness when it is ready.
    Staleness {
        /// The bound.
        bound: Duration,
    },
    /// Nobody waits for it any more.
    Gone,
}

impl TooLong {
    /// Whether the same request may be answered later.
    pub const fn is_retryable(&self) -> bool {
        match self {
            Self::Crowded | Self::NoPlace { .. } => true,
            Self::Work | Self::Deadline { .. } | Self::Staleness { .. } | Self::Gone => false,
        }
    }
}

impl fmt::Display for TooLong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const LESS: &str =
            "ask for less in one call (fewer actions, requests or changes, a smaller page)";
        match self {
            Self::Crowded => write!(
                f,
                "this node works on long questions and {} more wait already: ask again later, or another node",
                limits::LONG_ANSWERS_WAITING_MAX
            ),
            Self::NoPlace { waited } => write!(
                f,
                "this node works on other long questions, and none of them ended within {} ms: ask again later, or another node, or with a longer deadline",
                waited.as_millis()
            ),
            Self::Work => write!(
                f,
                "the answer takes more work than one answer may: {LESS}, or make the policies that it rests on smaller: patterns with many `*` and `?` against long values cost most"
            ),
            Self::Deadline { left } => write!(
                f,
                "the answer takes longer than the {} ms that the request's deadline leaves it: {LESS}, or with a longer deadline",
                left.as_millis()
            ),
            Self::Staleness { bound } => write!(
                f,
                "the answer takes so long that it would be older than the bound of {} ms when it is ready: {LESS}, or allow an older one, up to the bound of the cluster",
                bound.as_millis()
            ),
            Self::Gone => write!(f, "the caller has gone away"),
        }
    }
}

/// Tries work in place, for as much as a thread that serves may take of it; `None`: it is long.
pub fn in_place<T>(work: impl FnOnce(&Effort<'_>) -> T) -> Option<T> {
    let more = |spent: u64| limits::IN_PLACE_WORK.saturating_sub(spent).min(STEP);
    let effort = Effort::new(&more);
    let value = work(&effort);
    (!effort.is_cut()).then_some(value)
}

/// How far work is that knows how much it has to do.
#[derive(Default)]
pub struct Progress(Cell<Option<(usize, usize)>>);

impl Progress {
    /// So many of so many are done.
    pub fn is(&self, done: usize, of: usize) {
        self.0.set(Some((done, of)));
    }

    /// How long all of it takes, if the rest goes as what is done went in `took`.
    fn whole(&self, took: Duration) -> Option<Duration> {
        let (done, of) = self.0.get()?;
        let (done, of) = (u32::try_from(done).ok()?, u32::try_from(of).ok()?);
        took.checked_div(done)?.checked_mul(of)
    }
}

/// How long work may take.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// When the request's time began.
    pub arrived: BootTime,
    /// How long it lasts.
    pub deadline: Duration,
    /// As of when the answer is.
    pub as_of: BootTime,
    /// How old it may be.
    pub staleness: Duration,
    /// The most work, in units of [`Effort`].
    pub work: u64,
}

/// Counts a caller that waits, until it is dropped.
struct Waiting<'a>(&'a AtomicUsize);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Holds what takes long to let go, so that this is done aside, wherever an answer ends.
pub struct Held {
    value: Option<Box<dyn Send>>,
    threads: Arc<dyn Offload>,
}

impl Drop for Held {
    fn drop(&mut self) {
        let Some(value) = self.value.take() else {
            return;
        };
        // Outside of a runtime nobody is kept waiting.
        if let Ok(runtime) = Handle::try_current() {
            let threads = Arc::clone(&self.threads);
            runtime.spawn(async move { threads.run(Box::new(move || drop(value))).await });
        }
    }
}

/// Tells, when it is dropped, that nobody waits for an answer.
struct Present(Arc<AtomicBool>);

impl Drop for Present {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Aside {
    /// Works on `threads`.
    pub fn new(threads: Arc<dyn Offload>, clock: Arc<dyn Clock>) -> Self {
        let places = threads.at_once();
        Self {
            threads,
            clock,
            places: Arc::new(Semaphore::new(places)),
            waiting: AtomicUsize::new(0),
        }
    }

    /// A place, waited for as long as `left`.
    ///
    /// # Errors
    /// There is none, or too many wait.
    pub async fn place(&self, left: Duration) -> Result<Place, AppError> {
        if let Ok(place) = Arc::clone(&self.places).try_acquire_owned() {
            return Ok(Place { _permit: place });
        }
        if self.waiting.fetch_add(1, Ordering::Relaxed) >= limits::LONG_ANSWERS_WAITING_MAX {
            drop(Waiting(&self.waiting));
            return Err(AppError::TooLong(TooLong::Crowded));
        }
        let _waiting = Waiting(&self.waiting);
        let place = Arc::clone(&self.places).acquire_owned();
        match timeout(&*self.clock, left, place).await {
            Some(Ok(place)) => Ok(Place { _permit: place }),
            Some(Err(_)) => Err(AppError::Internal("the places for long answers are gone")),
            None => Err(AppError::TooLong(TooLong::NoPlace { waited: left })),
        }
    }

    /// Holds a value, or the last reference to one, whose letting go would keep others waiting.
    pub fn hold<T: Send + 'static>(&self, value: T) -> Held {
        Held {
            value: Some(Box::new(value)),
            threads: Arc::clone(&self.threads),
        }
    }

    /// Work that is done soon but not here, whoever else works aside: after what is at work there has ended.
    ///
    /// # Errors
    /// It panicked.
    pub async fn soon<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, AppError> {
        let worked = offload(&*self.threads, work).await;
        worked.map_err(|_| AppError::Internal("work aside was cut short"))
    }

    /// Works at a place, which is given up once the work has ended, whoever waits for it.
    ///
    /// # Errors
    /// It could not end within its bounds.
    pub async fn run<T: Send + 'static>(
        &self,
        place: Place,
        bounds: Bounds,
        work: impl FnOnce(&Effort<'_>, &Progress) -> T + Send + 'static,
    ) -> Result<T, AppError> {
        let clock = Arc::clone(&self.clock);
        let gone = Arc::new(AtomicBool::new(false));
        let _present = Present(Arc::clone(&gone));
        let worked = offload(&*self.threads, move || {
            let began = clock.boot();
            let left = bounds.deadline.saturating_sub(began.since(bounds.arrived));
            let progress = Progress::default();
            let why = Cell::new(None);
            let more = |spent: u64| {
                let took = clock.boot().since(began);
                let whole = progress.whole(took).filter(|_| took >= GUESS_AFTER);
                let needs = whole.unwrap_or(took);
                let over = if gone.load(Ordering::Relaxed) {
                    Some(TooLong::Gone)
                } else if spent >= bounds.work {
                    Some(TooLong::Work)
                } else if needs >= left {
                    Some(TooLong::Deadline { left })
                } else if began.since(bounds.as_of) + needs > bounds.staleness {
                    Some(TooLong::Staleness {
                        bound: bounds.staleness,
                    })
                } else {
                    None
                };
                let is_over = over.is_some();
                why.set(over);
                if is_over { 0 } else { STEP }
            };
            let effort = Effort::new(&more);
            let value = work(&effort, &progress);
            drop(place);
            match why.take() {
                Some(over) => Err(over),
                None => Ok(value),
            }
        });
        match worked.await {
            Ok(Ok(worked)) => Ok(worked),
            Ok(Err(over)) => Err(AppError::TooLong(over)),
            Err(_) => Err(AppError::Internal("a long answer was cut short")),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU64;

    use async_trait::async_trait;
    use tokio::sync::oneshot;

    use super::*;
    use crate::env::WallTime;
    use crate::env::real::{Evaluators, Threads};

    /// A clock that is set by hand; its sleeps are over at once.
    #[derive(Default)]
    struct Hand(AtomicU64);

    impl Hand {
        fn set(&self, ms: u64) {
            self.0.store(ms, Ordering::Relaxed);
        }
    }

    #[async_trait]
    impl Clock for Hand {
        fn boot(&self) -> BootTime {
            at(self.0.load(Ordering::Relaxed))
        }

        fn wall(&self) -> WallTime {
            WallTime(0)
        }

        async fn sleep(&self, _: Duration) {
            tokio::task::yield_now().await;
        }
    }

    fn at(ms: u64) -> BootTime {
        BootTime::from_boot(Duration::from_millis(ms))
    }

    fn bounds(deadline: u64, staleness: u64) -> Bounds {
        Bounds {
            arrived: at(0),
            deadline: Duration::from_millis(deadline),
            as_of: at(0),
            staleness: Duration::from_millis(staleness),
            work: limits::ANSWER_WORK,
        }
    }

    fn aside() -> (Arc<Hand>, Aside) {
        let clock = Arc::new(Hand::default());
        (clock.clone(), Aside::new(Arc::new(Threads), clock))
    }

    /// How an answer ends that spends a step every `ms` milliseconds, and after how many steps.
    async fn spending(ms: u64, bounds: Bounds, steps: usize) -> (Result<(), TooLong>, usize) {
        let (clock, aside) = aside();
        let place = aside.place(Duration::ZERO).await.unwrap();
        let (send, done) = std::sync::mpsc::channel();
        let worked = aside.run(
            place,
            bounds,
            move |effort: &Effort<'_>, progress: &Progress| {
                for n in 0..steps {
                    progress.is(n, steps);
                    clock.set(n as u64 * ms);
                    if !effort.spend(STEP) {
                        break;
                    }
                    send.send(()).unwrap();
                }
            },
        );
        let ended = match worked.await {
            Ok(()) => Ok(()),
            Err(AppError::TooLong(why)) => Err(why),
            Err(other) => panic!("{other:?}"),
        };
        (ended, done.try_iter().count())
    }

    /// Work ends at its bounds, and as soon as it can be told that it will not end within them.
    #[tokio::test]
    async fn work_that_cannot_end_in_time_is_given_up_early() {
        assert_eq!(spending(1, bounds(1_000, 1_000), 100).await, (Ok(()), 100));
        // A hundred steps of 20 ms take two seconds: known at the first look after 50 ms, and every other step is looked at.
        let (ended, steps) = spending(20, bounds(1_000, 60_000), 100).await;
        let left = Duration::from_millis(1_000);
        assert_eq!((ended, steps), (Err(TooLong::Deadline { left }), 4));
        let (ended, steps) = spending(20, bounds(60_000, 1_000), 100).await;
        let bound = Duration::from_millis(1_000);
        assert_eq!((ended, steps), (Err(TooLong::Staleness { bound }), 4));
        let most = (limits::ANSWER_WORK / STEP) as usize;
        let (ended, steps) = spending(0, bounds(1_000, 1_000), 10 * most).await;
        assert_eq!(ended, Err(TooLong::Work));
        assert!((most / 2..=most).contains(&steps), "{steps}");
    }

    /// Nobody works for a caller that has hung up.
    #[tokio::test]
    async fn work_stops_when_nobody_waits_for_it_any_more() {
        let (_, aside) = aside();
        let place = aside.place(Duration::ZERO).await.unwrap();
        let (begun, has_begun) = oneshot::channel();
        let (go_on, goes_on) = std::sync::mpsc::channel::<()>();
        let (ended, has_ended) = oneshot::channel();
        let worked = aside.run(
            place,
            bounds(1_000, 1_000),
            move |effort: &Effort<'_>, _: &Progress| {
                begun.send(()).unwrap();
                goes_on.recv().unwrap();
                ended.send(effort.spend(1)).unwrap();
            },
        );
        let caller = async {
            tokio::select! {
                biased;
                _ = worked => panic!("it cannot have ended"),
                begun = has_begun => begun.unwrap(),
            }
        };
        // The caller's future is dropped, and with it whoever waits.
        caller.await;
        go_on.send(()).unwrap();
        assert!(!has_ended.await.unwrap());
        // The place becomes free: the worker gives it up after it has told, and the clock by hand waits for nobody.
        drop(Arc::clone(&aside.places).acquire_owned().await.unwrap());
    }

    /// Tells on which thread it was let go.
    struct Heavy(Option<oneshot::Sender<std::thread::ThreadId>>);

    impl Drop for Heavy {
        fn drop(&mut self) {
            if let Some(told) = self.0.take() {
                let _ = told.send(std::thread::current().id());
            }
        }
    }

    #[tokio::test]
    async fn what_is_held_is_let_go_elsewhere() {
        let aside = Aside::new(
            Arc::new(Evaluators::start().unwrap()),
            Arc::new(Hand::default()),
        );
        let (tell, told) = oneshot::channel();
        drop(aside.hold(Heavy(Some(tell))));
        assert_ne!(told.await.unwrap(), std::thread::current().id());
        // The last reference counts, whoever had the others.
        let (tell, told) = oneshot::channel();
        let shared = Arc::new(Heavy(Some(tell)));
        let held = aside.hold(Arc::clone(&shared));
        drop(shared);
        drop(held);
        assert_ne!(told.await.unwrap(), std::thread::current().id());
    }

    /// Of those who come while all places are taken, a bounded number waits, for as long as they have; others are refused.
    #[tokio::test]
    async fn whoever_finds_too_many_waiting_is_refused() {
        let (_, aside) = aside();
        let place = aside.place(Duration::ZERO).await.unwrap();
        let refused = |place: Result<Place, AppError>| match place {
            Ok(_) => panic!("a place"),
            Err(AppError::TooLong(why)) => why,
            Err(other) => panic!("{other:?}"),
        };
        let waited = Duration::from_millis(7);
        assert_eq!(
            refused(aside.place(waited).await),
            TooLong::NoPlace { waited }
        );
        aside
            .waiting
            .store(limits::LONG_ANSWERS_WAITING_MAX, Ordering::Relaxed);
        assert_eq!(refused(aside.place(waited).await), TooLong::Crowded);
        aside.waiting.store(0, Ordering::Relaxed);
        drop(place);
        assert!(aside.place(Duration::ZERO).await.is_ok());
        assert_eq!(aside.waiting.load(Ordering::Relaxed), 0);
    }

    /// What is tried where clients are served is given up after what such a thread may take.
    #[test]
    fn work_in_place_is_given_up_when_it_grows() {
        let spend = |work: u64| {
            in_place(|effort| {
                let steps = (0..work / 1_000).take_while(|_| effort.spend(1_000));
                steps.count() as u64 * 1_000
            })
        };
        assert_eq!(
            spend(limits::IN_PLACE_WORK - 1_000),
            Some(limits::IN_PLACE_WORK - 1_000)
        );
        assert_eq!(spend(2 * limits::IN_PLACE_WORK), None);
    }

    #[tokio::test]
    async fn evaluators_work_on_after_a_panic_and_are_few() {
        let evaluators = Evaluators::start().unwrap();
        let cores = std::thread::available_parallelism().unwrap().get();
        assert_eq!(evaluators.at_once(), (cores / 2).max(1));
        for _ in 0..2 * evaluators.at_once() {
            let fail = || -> u8 { panic!("on purpose") };
            assert!(offload(&evaluators, fail).await.is_err());
        }
        let name = || std::thread::current().name().map(str::to_owned);
        let name = offload(&evaluators, name).await.unwrap().unwrap();
        assert!(name.starts_with("evaluator-"), "{name}");
    }
}
