//! Callers that each do one thing after another, and how long each took.

use std::future::Future;
use std::time::Duration;

use futures::future::join_all;
use grantd::env::Clock;
use grantd::env::real::RealClock;

/// How long callers go on.
#[derive(Clone, Copy)]
pub enum Window {
    Time(Duration),
    /// So many calls each.
    Turns(usize),
}

impl Window {
    fn goes_on(self, turns: usize, span: Duration) -> bool {
        match self {
            Self::Time(longest) => span < longest,
            Self::Turns(most) => turns < most,
        }
    }
}

/// What was done, and how long it took.
#[derive(Default)]
pub struct Load {
    spans: Vec<Duration>,
    took: Duration,
}

/// `callers` at a time, each doing `act` with its own number again and again.
pub async fn load<A, F>(callers: usize, window: Window, act: A) -> Load
where
    A: Fn(usize) -> F + Clone + Send + 'static,
    F: Future<Output = ()> + Send,
{
    let begin = RealClock.boot();
    let tasks = (0..callers).map(|caller| {
        let act = act.clone();
        tokio::spawn(async move {
            let mut spans = Vec::new();
            let mut now = begin;
            while window.goes_on(spans.len(), now.since(begin)) {
                act(caller).await;
                let after = RealClock.boot();
                spans.push(after.since(now));
                now = after;
            }
            spans
        })
    });
    let spans = join_all(tasks).await;
    Load {
        spans: spans.into_iter().flat_map(Result::unwrap).collect(),
        took: RealClock.boot().since(begin),
    }
}

impl Load {
    /// One thread that does `act` again and again, each time for `callers` at once.
    pub fn of_batches(callers: usize, window: Window, mut act: impl FnMut()) -> Self {
        let begin = RealClock.boot();
        let mut spans = Vec::new();
        let mut now = begin;
        while window.goes_on(spans.len() / callers, now.since(begin)) {
            act();
            let after = RealClock.boot();
            spans.resize(spans.len() + callers, after.since(now));
            now = after;
        }
        Self {
            spans,
            took: now.since(begin),
        }
    }

    pub fn add(&mut self, other: Self) {
        self.spans.extend(other.spans);
        self.took += other.took;
    }

    pub fn count(&self) -> u64 {
        self.spans.len() as u64
    }

    /// The least time that `share` of the calls do not exceed.
    pub fn at(&mut self, share: f64) -> Duration {
        self.spans.sort_unstable();
        let last = self.spans.len() - 1;
        self.spans[(last as f64 * share) as usize]
    }

    /// A row of a table.
    pub fn line(mut self, what: &str, callers: usize) -> String {
        let rate = self.spans.len() as f64 / self.took.as_secs_f64();
        let (median, high) = (micros(self.at(0.5)), micros(self.at(0.99)));
        format!("| {what} | {callers} | {rate:.0} | {median} | {high} |")
    }
}

fn micros(span: Duration) -> String {
    let micros = span.as_secs_f64() * 1e6;
    if micros < 1_000.0 {
        format!("{micros:.0} µs")
    } else {
        format!("{:.2} ms", micros / 1e3)
    }
}
