//! Runs a case with criterion under `cargo bench`, and once under `cargo test`.
//!
//! Not criterion's own test mode: it refuses the arguments that `cargo test` passes on to every target.

use std::hint::black_box;
use std::time::Duration;

use criterion::{BatchSize, Criterion};

/// Inputs made at a time: enough to hide the clock, few enough that copies of large states fit the cache as in a node.
const INPUTS_AT_A_TIME: u64 = 16;

pub enum Harness {
    Measure(Box<Criterion>),
    Once,
}

impl Harness {
    /// `cargo bench` passes `--bench`; whoever does not asks for a test.
    pub fn from_args() -> Self {
        if std::env::args().any(|arg| arg == "--bench") {
            let criterion = Criterion::default()
                .sample_size(50)
                .warm_up_time(Duration::from_millis(500))
                .measurement_time(Duration::from_secs(2));
            Self::Measure(Box::new(criterion.configure_from_args()))
        } else {
            Self::Once
        }
    }

    pub fn is_measuring(&self) -> bool {
        matches!(self, Self::Measure(_))
    }

    /// A case that changes nothing.
    pub fn bench<O>(&mut self, name: &str, n: u32, mut case: impl FnMut() -> O) {
        match self {
            Self::Measure(criterion) => {
                let id = format!("{name}/{n}");
                criterion.bench_function(&id, |bencher| bencher.iter(&mut case));
            }
            Self::Once => drop(black_box(case())),
        }
    }

    /// A case that changes its input, which is made anew for each run; neither making nor dropping it counts.
    pub fn bench_on<I, O>(
        &mut self,
        name: &str,
        n: u32,
        mut make: impl FnMut() -> I,
        mut case: impl FnMut(&mut I) -> O,
    ) {
        match self {
            Self::Measure(criterion) => {
                let id = format!("{name}/{n}");
                let batch = BatchSize::NumIterations(INPUTS_AT_A_TIME);
                criterion.bench_function(&id, |bencher| {
                    bencher.iter_batched_ref(&mut make, &mut case, batch);
                });
            }
            Self::Once => drop(black_box(case(&mut make()))),
        }
    }

    pub fn finish(self) {
        if let Self::Measure(criterion) = self {
            criterion.final_summary();
        }
    }
}
