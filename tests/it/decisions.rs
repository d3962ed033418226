//! The published decision cases: every line must be decided as two independent implementations decided it. Beside
//! them lines of our own, which a model written from the specification alone decided.

use std::collections::BTreeMap;
use std::io::BufReader;

use grantd::cli::Exit;
use grantd::cli::decide::decide_lines;
use serde_json::Value;

#[test]
fn every_published_decision_agrees() {
    assert_eq!(all_agree("tests/decisions/decisions.jsonl"), 2_737);
}

/// C-1 to C-14, P-10 to P-26, D-1 to D-11, G-25: decisions of our own, by a model that was written from the
/// specification alone, rich in what is rare among the published ones: set operators, variables with defaults, Null,
/// numbers, dates, NotAction, NotResource, NotPrincipal, both versions, services, grants, session policies, SCP levels.
#[test]
fn every_decision_of_our_own_agrees() {
    assert_eq!(all_agree("tests/decisions-own.jsonl"), 1_500);
}

/// Decides every line of a file, and tells how many there are.
fn all_agree(file: &str) -> usize {
    let path = format!("{}/{file}", env!("CARGO_MANIFEST_DIR"));
    let input = std::fs::read_to_string(path).unwrap();
    let mut output = Vec::new();
    let exit = decide_lines(BufReader::new(input.as_bytes()), &mut output).unwrap();
    let answers: BTreeMap<String, Value> = String::from_utf8(output)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .map(|answer| (answer["id"].as_str().unwrap().to_string(), answer))
        .collect();
    let mut differ = Vec::new();
    let mut count = 0;
    for line in input.lines() {
        let case: Value = serde_json::from_str(line).unwrap();
        let answer = &answers[case["id"].as_str().unwrap()];
        count += 1;
        if answer["decision"] != case["expect"] {
            differ.push(format!(
                "{} expected {} {}: {answer}",
                case["id"], case["expect"], case["features"]
            ));
        }
    }
    assert!(
        differ.is_empty(),
        "{} of {count} differ:\n{}",
        differ.len(),
        differ.join("\n")
    );
    assert_eq!(exit, Exit::Success);
    count
}
