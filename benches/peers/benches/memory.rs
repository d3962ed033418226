//! What a stored policy and a stored grant keep on the heap, in grantd, Cedar and Rego.
//!
//! `cargo bench -p grantd-peers --bench memory` prints a table. Counted by the allocator itself: bytes that are still
//! held once the facts stand, divided by their number. Without `--bench` it runs at a small size.

use std::alloc::System;

use grantd::domain::policy::{Policy, PolicyKind};
use grantd_peers::scene::{Engine, Facts};
use grantd_peers::{cedar, ours, rego, world};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

fn main() {
    let is_measuring = std::env::args().any(|argument| argument == "--bench");
    let (policies, grants) = if is_measuring {
        (1_000, 50_000)
    } else {
        (10, 100)
    };
    println!(
        "{:<46} {:>12} {:>12} {:>12}",
        "bytes each", "grantd", "cedar", "rego"
    );
    let user = |n: u32| format!("KMSUser{n}");
    row(
        "console key policy (3 or 4 statements)",
        [
            held(policies, |n| {
                let text = world::CONSOLE_POLICY.replace("KMSUser", &user(n));
                Policy::parse(&text, PolicyKind::Key).unwrap()
            }),
            held(policies, |n| cedar::console(&user(n))),
            held(policies, |n| rego::console(&user(n))),
        ],
    );
    for (name, facts) in [
        (
            "grant, each of another grantee",
            Facts::GrantsOfMany as fn(u32) -> Facts,
        ),
        (
            "grant, all of one grantee, with a context",
            Facts::GrantsOfOne,
        ),
    ] {
        row(
            name,
            [
                each::<ours::Ours>(grants, facts),
                each::<cedar::Cedar>(grants, facts),
                each::<rego::Rego>(grants, facts),
            ],
        );
    }
}

fn row(name: &str, [ours, cedar, rego]: [isize; 3]) {
    println!("{name:<46} {ours:>12} {cedar:>12} {rego:>12}");
}

/// Bytes that each of `count` things holds.
fn held<T>(count: u32, make: impl Fn(u32) -> T) -> isize {
    let mut things = Vec::with_capacity(usize::try_from(count).unwrap());
    let region = Region::new(ALLOCATOR);
    for n in 0..count {
        things.push(make(n));
    }
    let bytes = change(&region);
    drop(things);
    bytes / isize::try_from(count).unwrap()
}

/// Bytes that each of `count` grants adds to an engine that has one.
fn each<E: Engine>(count: u32, facts: impl Fn(u32) -> Facts) -> isize {
    let one = Region::new(ALLOCATOR);
    let few = E::with(facts(1));
    let base = change(&one);
    drop(few);
    let all = Region::new(ALLOCATOR);
    let many = E::with(facts(count));
    let bytes = change(&all) - base;
    drop(many);
    bytes / isize::try_from(count - 1).unwrap()
}

fn change(region: &Region<'_, System>) -> isize {
    let change = region.change();
    let signed = |bytes: usize| isize::try_from(bytes).unwrap();
    signed(change.bytes_allocated) - signed(change.bytes_deallocated) + change.bytes_reallocated
}
