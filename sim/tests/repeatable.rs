//! The simulator by its command line: runs repeat, and both stories end well.

use std::process::{Command, Output};

fn sim(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_grantd-sim"))
        .args(arguments)
        .output()
        .unwrap()
}

fn succeed(arguments: &[&str]) -> String {
    let output = sim(arguments);
    assert!(
        output.status.success(),
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}

/// The same seed in two processes has the same trace, byte for byte.
#[test]
fn meta_three_seeds_repeat() {
    let said = succeed(&["meta", "--seeds", "3"]);
    assert_eq!(said.matches("identical").count(), 6, "{said}");
}

/// a token at a follower that was cut off before its grant was created.
#[test]
fn token_at_a_cut_follower_keeps_its_promises() {
    succeed(&[
        "sweep",
        "--seeds",
        "11..14",
        "--story",
        "token_at_a_cut_follower",
    ]);
}

/// a revoke and the followers that lag.
#[test]
fn revoke_seen_by_a_lagging_follower_keeps_its_promises() {
    succeed(&[
        "sweep",
        "--seeds",
        "11..14",
        "--story",
        "revoke_seen_by_a_lagging_follower",
    ]);
}

/// Two seeds are two worlds: a trace that never changed would repeat as well.
#[test]
fn traces_of_two_seeds_differ() {
    let hash = |seed: &str| {
        let said = succeed(&["run", "--seed", seed]);
        said.rsplit_once("trace ").unwrap().1.trim().to_owned()
    };
    assert_ne!(hash("1"), hash("2"));
}

#[test]
fn unknown_story_is_refused_with_the_names_there_are() {
    let output = sim(&["run", "--seed", "1", "--story", "no_such"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success());
    assert!(said.contains("token_at_a_cut_follower"), "{said}");
}
