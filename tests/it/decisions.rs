//! The published decision cases: every line must be decided as two independent implementations decided it.

use std::collections::BTreeMap;
use std::io::BufReader;

use grantd::cli::Exit;
use grantd::cli::decide::decide_lines;
use serde_json::Value;

#[test]
fn every_published_decision_agrees() {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/decisions/decisions.jsonl"
    );
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
    assert_eq!(count, 2_737);
    assert!(
        differ.is_empty(),
        "{} of {count} differ:\n{}",
        differ.len(),
        differ.join("\n")
    );
    assert_eq!(exit, Exit::Success);
}
