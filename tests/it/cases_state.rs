//! The published conformance cases against a whole state, by the product's own runner (`grantd test`): a world is
//! imported as facts, API calls go through `apply` and `query`, decisions through `authorize`.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use grantd::cli::casefile::{Ended, explain_paths, read_case, run_paths};
use serde_json::Value;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases")
}

/// Every request of a case.
pub fn requests(case: &Value) -> Vec<&Value> {
    match case.get("steps") {
        Some(steps) => steps
            .as_array()
            .unwrap()
            .iter()
            .map(|step| &step["request"])
            .collect(),
        None => vec![&case["request"]],
    }
}

/// Every case of every file.
pub fn cases() -> Vec<Value> {
    let mut files: Vec<_> = fs::read_dir(folder())
        .unwrap()
        .map(|e| e.unwrap().path())
        .collect();
    files.retain(|path| path.extension().is_some_and(|x| x == "json"));
    files.sort();
    let read = |path: &Path| -> Value {
        serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
    };
    files
        .iter()
        .flat_map(|path| read(path)["cases"].as_array().unwrap().clone())
        .collect()
}

/// What a case comes to on a whole state; `Err` says how it differs, or why it cannot be run.
pub fn run(case: &Value) -> Result<(), String> {
    let case = read_case(case).map_err(|problem| problem.to_string())?;
    match grantd::cli::casefile::run(&case) {
        Ended::Passed => Ok(()),
        Ended::Failed(difference) => Err(format!("{difference:?}")),
        Ended::Broken(problem) => Err(problem.to_string()),
    }
}

/// Why a case cannot be run on the store as it is.
pub fn beyond_the_store(case: &Value) -> Option<String> {
    let case = read_case(case).unwrap_or_else(|problem| panic!("{problem}"));
    match grantd::cli::casefile::run(&case) {
        Ended::Broken(problem) => Some(problem.message),
        Ended::Passed | Ended::Failed(_) => None,
    }
}

/// EC-8: every case that the store can hold agrees, and the rest is known by number and reason.
#[test]
fn cases_agree_with_a_whole_state() {
    let report = run_paths(&[folder()], None).unwrap();
    let mut beyond = BTreeMap::<String, u32>::new();
    let mut failed = String::new();
    for ran in &report.cases {
        match &ran.ended {
            Ended::Passed => {}
            Ended::Broken(problem) => *beyond.entry(problem.message.clone()).or_default() += 1,
            Ended::Failed(difference) => {
                failed.push_str(&format!("{} {difference:#?}\n", ran.id));
            }
        }
    }
    assert!(report.files.is_empty(), "{}", report.text());
    assert!(failed.is_empty(), "{failed}");
    assert_eq!(report.cases.len(), 410, "the published cases");
    let beyond: Vec<(&str, u32)> = beyond.iter().map(|(why, n)| (why.as_str(), *n)).collect();
    assert_eq!(beyond, [], "cases that cannot be run");
}

/// The examples of docs/testing-policies.md, policies in files of their own included.
#[test]
fn examples_of_the_documentation_pass() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/examples");
    let report = run_paths(&[folder], None).unwrap();
    assert_eq!(
        (report.passed(), report.failed()),
        (5, 0),
        "{}",
        report.text()
    );
}

/// Every published question is explained, and every explanation begins with the decision that the case expects.
#[test]
fn explanations_of_the_published_cases_agree_with_them() {
    let expected: BTreeMap<String, String> = cases()
        .iter()
        .filter(|case| case["kind"] == "authz")
        .map(|case| {
            let text = |value: &Value| value.as_str().unwrap().to_owned();
            (text(&case["id"]), text(&case["expected"]["decision"]))
        })
        .collect();
    let mut explained = 0;
    for told in explain_paths(&[folder()], None).unwrap() {
        let id = told.split(',').next().unwrap();
        let (Some(wanted), Some(first)) = (expected.get(id), told.lines().nth(2)) else {
            continue;
        };
        let prefixes: &[&str] = match wanted.as_str() {
            "allow" => &["ALLOW: "],
            "explicit_deny" => &["EXPLICIT DENY: "],
            "implicit_deny" => &["IMPLICIT DENY: "],
            "error" => &["REFUSED: "],
            _ => &["EXPLICIT DENY: ", "IMPLICIT DENY: "],
        };
        assert!(prefixes.iter().any(|p| first.starts_with(p)), "{told}");
        // What is refused before it is decided misses nothing.
        let is_decided = wanted != "error";
        assert_eq!(told.contains("nearest miss: "), is_decided, "{told}");
        explained += 1;
    }
    assert_eq!(explained, expected.len());
}
