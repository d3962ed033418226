//! How many of how many published decisions and cases agree, in one table (issue 2, item 7).
//!
//! What a case uses is read from the case itself, and whether that is built from the operation table and from what a
//! state can hold; a case is left out for what it uses, never by its number.

use std::collections::{BTreeMap, BTreeSet};
use std::io::BufReader;

use grantd::cli::decide::decide_lines;
use grantd::domain::op::table::{Asks, Operation};
use grantd::domain::policy::KmsAction;
use serde_json::Value;

use crate::{cases, cases_state};

/// Agreed of asked.
#[derive(Default, Clone, Copy, PartialEq, Eq, Debug)]
struct Score {
    agreed: u32,
    asked: u32,
}

impl Score {
    fn add(&mut self, agrees: bool) {
        self.asked += 1;
        self.agreed += u32::from(agrees);
    }
}

/// What a case uses, and whether it is built: an operation is when the table has it, a decision about use when its
/// action is cryptographic.
struct Feature {
    name: String,
    is_built: bool,
}

fn of_operation(request: &Value) -> Feature {
    let name = request["action"].as_str().unwrap();
    let name = name.strip_prefix("kms:").unwrap_or(name);
    let action = KmsAction::by_name(name);
    let is_operation = Operation::ALL
        .iter()
        .any(|operation| matches!(operation.row().asks, Asks::Kms(kms) if Some(kms) == action));
    let is_use = action.is_some_and(KmsAction::is_cryptographic);
    Feature {
        name: format!("operation {name}"),
        is_built: is_operation || is_use,
    }
}

/// The operations that a case asks for. What its world holds, a whole state holds too; a decision needs no operation.
fn features(case: &Value) -> Vec<Feature> {
    if case["kind"] == "authz" {
        return Vec::new();
    }
    cases_state::requests(case)
        .into_iter()
        .map(of_operation)
        .collect()
}

fn decisions(by_feature: &mut BTreeMap<String, Score>) -> (Score, Vec<String>) {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/decisions/decisions.jsonl"
    );
    let input = std::fs::read_to_string(path).unwrap();
    let mut output = Vec::new();
    decide_lines(BufReader::new(input.as_bytes()), &mut output).unwrap();
    let output = String::from_utf8(output).unwrap();
    let (mut score, mut differ) = (Score::default(), Vec::new());
    // One answer a line, in the order of the questions.
    assert_eq!(input.lines().count(), output.lines().count());
    for (question, answer) in input.lines().zip(output.lines()) {
        let question: Value = serde_json::from_str(question).unwrap();
        let answer: Value = serde_json::from_str(answer).unwrap();
        assert_eq!(question["id"], answer["id"]);
        let agrees = question["expect"] == answer["decision"];
        score.add(agrees);
        for feature in question["features"].as_array().unwrap() {
            let feature = feature.as_str().unwrap().to_owned();
            by_feature.entry(feature).or_default().add(agrees);
        }
        if !agrees {
            differ.push(format!("{}: {answer}", question["id"]));
        }
    }
    (score, differ)
}

/// Every published decision, every published case of kind `authz` on the engine, and every case of every kind that
/// uses only what is built on a whole state: all agree. The rest is listed by what it uses.
#[test]
fn everything_published_that_uses_only_what_is_built_agrees() {
    let mut by_feature = BTreeMap::new();
    let (decided, mut differ) = decisions(&mut by_feature);
    let mut engine = Score::default();
    let mut state: BTreeMap<String, Score> = BTreeMap::new();
    let mut published: BTreeMap<String, u32> = BTreeMap::new();
    let mut not_built: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for case in cases_state::cases() {
        let id = case["id"].as_str().unwrap();
        let kind = case["kind"].as_str().unwrap();
        *published.entry(kind.to_owned()).or_default() += 1;
        if kind == "authz" {
            let outcome = cases::run(&case);
            engine.add(outcome.is_ok());
            differ.extend(
                outcome
                    .err()
                    .map(|why| format!("{id} on the engine: {why}")),
            );
        }
        let missing: Vec<String> = features(&case)
            .into_iter()
            .filter(|feature| !feature.is_built)
            .map(|feature| feature.name)
            .collect();
        // Two readings of what is built, made apart: neither may hide a case from the other.
        assert_eq!(
            missing.is_empty(),
            cases_state::beyond_the_store(&case).is_none(),
            "{id} is left out by one reading alone: {missing:?}"
        );
        if missing.is_empty() {
            let outcome = cases_state::run(&case);
            state
                .entry(kind.to_owned())
                .or_default()
                .add(outcome.is_ok());
            differ.extend(outcome.err().map(|why| format!("{id} on a state: {why}")));
        }
        for feature in missing {
            not_built.entry(feature).or_default().insert(id.to_owned());
        }
    }

    println!("decisions: {} of {} agree", decided.agreed, decided.asked);
    for (feature, Score { agreed, asked }) in &by_feature {
        println!("  {feature}: {agreed} of {asked}");
    }
    println!(
        "cases of kind authz, on the engine: {} of {} agree",
        engine.agreed, engine.asked
    );
    for (kind, Score { agreed, asked }) in &state {
        println!(
            "cases of kind {kind}, on a whole state: {agreed} of {asked} agree, of {} published",
            published[kind]
        );
    }
    println!("not built, so not run on a whole state:");
    for (feature, ids) in &not_built {
        let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
        println!("  {feature}: {} ({})", ids.len(), ids.join(", "));
    }

    assert!(differ.is_empty(), "{}", differ.join("\n"));
    // Nothing was lost on the way: what is published was either run or is listed.
    let run: u32 = state.values().map(|score| score.asked).sum();
    let listed: BTreeSet<&String> = not_built.values().flatten().collect();
    let all: u32 = published.values().sum();
    assert_eq!(run + listed.len() as u32, all);
    assert_eq!(engine.asked, published["authz"]);
    assert!(
        decided.asked > 2_000 && all > 400,
        "the files are not whole"
    );
}
