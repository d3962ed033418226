//! One decision by grantd, Cedar and Rego, side by side in one run.
//!
//! `cargo bench -p grantd-peers --bench decide` measures. With `--test` every scene runs once at a small size, so that
//! none can rot. Requests are made before the clock runs, for every engine.

use std::hint::black_box;
use std::time::Duration;

use criterion::{BenchmarkId, Criterion};
use grantd_peers::cedar::Cedar;
use grantd_peers::ours::Ours;
use grantd_peers::rego::Rego;
use grantd_peers::{Engine, Scene};

fn main() {
    let is_measuring = std::env::args().any(|argument| argument == "--bench");
    let sizes: &[u32] = if is_measuring {
        &[1, 100, 10_000, 50_000]
    } else {
        &[1, 40]
    };
    let mut criterion = Criterion::default()
        .sample_size(30)
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2))
        .configure_from_args();
    for scene in Scene::all(sizes) {
        measure::<Ours>(&mut criterion, &scene, "grantd");
        measure::<Cedar>(&mut criterion, &scene, "cedar");
        measure::<Rego>(&mut criterion, &scene, "rego");
    }
    criterion.final_summary();
}

fn measure<E: Engine>(criterion: &mut Criterion, scene: &Scene, engine: &str) {
    let holder = E::with(scene.facts);
    scene.check(&holder);
    let mut group = criterion.benchmark_group(scene.name);
    for (answer, question) in [("allowed", &scene.allowed), ("denied", &scene.denied)] {
        let asked = holder.ask(question);
        let id = match scene.size() {
            0 => BenchmarkId::from_parameter(format!("{answer}/{engine}")),
            size => BenchmarkId::new(format!("{answer}/{engine}"), size),
        };
        group.bench_function(id, |bencher| {
            bencher.iter(|| holder.decide(black_box(&asked)));
        });
    }
    group.finish();
}
