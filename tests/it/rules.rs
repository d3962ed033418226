//! `docs/RULES.md`: for every numbered rule of the specification the tests that cite it, made by this script from the
//! tests' doc lines and names and from the rules that the conformance cases list. A rule without a test stands in
//! `tests/rules-without-test.txt` with its reason.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::evidence::{check_or_bless, root};

/// A numbered rule of the specification.
pub struct Rule {
    pub id: String,
    text: String,
}

/// The families of rules; `Q` is of the design, not of the specification.
const FAMILIES: [&str; 14] = [
    "CK", "EC", "ID", "ST", "C", "D", "E", "G", "K", "M", "P", "U", "W", "X",
];

/// Tests that are named for a rule; the others are counted.
const NAMES_SHOWN: usize = 8;

/// The rule that a text begins with, and what follows it: `C-5`, `CK-13a`.
fn rule_at(text: &str) -> Option<(String, &str)> {
    let family = FAMILIES.iter().find(|family| {
        text.strip_prefix(**family)
            .is_some_and(|rest| rest.starts_with('-'))
    })?;
    let rest = &text[family.len() + 1..];
    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    if digits == 0 {
        return None;
    }
    let (number, mut rest) = rest.split_at(digits);
    let mut id = format!("{family}-{number}");
    if rest.starts_with('a') && !rest[1..].starts_with(|c: char| c.is_ascii_alphanumeric()) {
        id.push('a');
        rest = &rest[1..];
    }
    (!rest.starts_with(|c: char| c.is_ascii_alphanumeric())).then_some((id, rest))
}

/// The rules of the specification, in its order.
pub fn rules() -> Vec<Rule> {
    let spec = fs::read_to_string(root().join("docs/KMS-SEMANTICS.md")).unwrap();
    let mut rules: Vec<Rule> = Vec::new();
    for line in spec.lines() {
        let found = if let Some(rest) = line.strip_prefix("- **") {
            rule_at(rest).map(|(id, rest)| (id, rest.trim_start_matches("**").trim().to_string()))
        } else if let Some(rest) = line.strip_prefix("| ") {
            rule_at(rest)
                .filter(|(_, rest)| rest.starts_with(" | "))
                .map(|(id, rest)| (id, rest[3..].to_string()))
        } else {
            None
        };
        if let Some((id, text)) = found {
            assert!(
                rules.iter().all(|rule| rule.id != id),
                "{id} stands twice in the specification"
            );
            rules.push(Rule { id, text });
        }
    }
    rules
}

/// Every rule that a text cites; `C-1 to C-4`, `C-1..C-4` and `C-1–C-4` are all of them that are known.
fn cited(text: &str, known: &BTreeSet<String>) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut last: Option<(String, usize)> = None;
    let mut at = 0;
    while let Some(rest) = text.get(at..) {
        let starts_word = !text[..at].ends_with(|c: char| c.is_ascii_alphanumeric() || c == '-');
        match rule_at(rest).filter(|_| starts_word) {
            Some((id, after)) => {
                let between = last.as_ref().map(|(_, end)| text[*end..at].trim());
                if let (Some((from, _)), Some("to" | ".." | "–")) = (&last, between) {
                    found.extend(range(from, &id).filter(|id| known.contains(id)));
                }
                at = text.len() - after.len();
                found.insert(id.clone());
                last = Some((id, at));
            }
            None => at += rest.chars().next().map_or(1, char::len_utf8),
        }
        if at >= text.len() {
            break;
        }
    }
    found
}

fn range(from: &str, to: &str) -> impl Iterator<Item = String> {
    let parts = |id: &str| {
        let (family, number) = id.split_once('-')?;
        Some((family.to_string(), number.parse::<u32>().ok()?))
    };
    let (family, numbers) = match (parts(from), parts(to)) {
        (Some((a, first)), Some((b, last))) if a == b => (a, first..last),
        _ => (String::new(), 0..0),
    };
    numbers.map(move |n| format!("{family}-{n}"))
}

fn rust_files(dir: &Path, found: &mut Vec<PathBuf>) {
    let mut entries: Vec<_> = fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            rust_files(&path, found);
        } else if path.extension().is_some_and(|x| x == "rs") {
            found.push(path);
        }
    }
}

/// Every test that cites a rule in its doc lines or its rows: rule → names.
fn tests(known: &BTreeSet<String>) -> BTreeMap<String, Vec<String>> {
    let mut files = Vec::new();
    for dir in ["src", "tests/it", "sim"] {
        rust_files(&root().join(dir), &mut files);
    }
    let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for path in files {
        let name = path.strip_prefix(root()).unwrap().to_str().unwrap();
        let module = name
            .trim_end_matches(".rs")
            .trim_start_matches("src/")
            .trim_end_matches("/mod")
            .replace('/', "::");
        let source = fs::read_to_string(&path).unwrap();
        let (mut doc, mut is_test) = (String::new(), false);
        let mut lines = source.lines();
        while let Some(line) = lines.next() {
            let text = line.trim();
            if let Some(text) = text.strip_prefix("///") {
                doc.push_str(text);
                doc.push(' ');
            } else if text.starts_with("#[") {
                is_test |= text.starts_with("#[test]") || text.starts_with("#[tokio::test");
            } else {
                let function = text
                    .strip_prefix("async fn ")
                    .or_else(|| text.strip_prefix("fn "))
                    .and_then(|rest| rest.split('(').next());
                if let (true, Some(function)) = (is_test, function) {
                    let end = format!("{}}}", &line[..line.len() - line.trim_start().len()]);
                    let mut rules = cited(&doc, known);
                    for line in lines.by_ref().take_while(|line| **line != end) {
                        rules.extend(cited(line, known));
                    }
                    for rule in rules {
                        let test = format!("{module}::{function}");
                        found.entry(rule).or_default().push(test);
                    }
                }
                doc.clear();
                is_test = false;
            }
        }
    }
    found
}

/// Every conformance case that lists a rule: rule → ids.
fn cases() -> BTreeMap<String, Vec<String>> {
    let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut paths: Vec<_> = fs::read_dir(root().join("tests/cases"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|x| x == "json"))
        .collect();
    paths.sort();
    for path in paths {
        let group: Value = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
        for case in group["cases"].as_array().unwrap() {
            for rule in case["rules"].as_array().unwrap() {
                let id = case["id"].as_str().unwrap().to_string();
                found
                    .entry(rule.as_str().unwrap().to_string())
                    .or_default()
                    .push(id);
            }
        }
    }
    found
}

/// The rules that no test can show here, each with its reason.
fn reasons() -> BTreeMap<String, String> {
    let text = fs::read_to_string(root().join("tests/rules-without-test.txt")).unwrap();
    text.lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(|line| {
            let (rule, reason) = line.split_once(": ").unwrap();
            (rule.to_string(), reason.to_string())
        })
        .collect()
}

/// The first words of a rule, for a table.
fn short(text: &str) -> String {
    let words: String = text.chars().take(90).collect();
    let cut = if words.len() < text.len() { "…" } else { "" };
    format!("{}{cut}", words.replace('|', "\\|"))
}

#[test]
fn every_rule_has_a_test_or_a_reason() {
    let rules = rules();
    let known: BTreeSet<String> = rules.iter().map(|rule| rule.id.clone()).collect();
    let (tests, cases, reasons) = (tests(&known), cases(), reasons());
    let mut faults = Vec::new();
    let mut text = String::from(
        "# Rules and their tests\n\n\
         Every numbered rule of [the specification](KMS-SEMANTICS.md) and the tests that show it: those that cite its number,\n\
         and the conformance cases (`tests/cases`, all run by `grantd test`) that list it. `tests/rules-without-test.txt` says\n\
         why a rule has none. Written by `GRANTD_BLESS=1 cargo test --test it rules`; a rule without either fails there.\n\n\
         | rule | says | tests | cases |\n|---|---|---|---|\n",
    );
    let (none, mut without) = (Vec::new(), 0);
    for Rule { id, text: says } in &rules {
        let own = tests.get(id).unwrap_or(&none);
        let listed = cases.get(id).unwrap_or(&none);
        let shown = match (own.is_empty() && listed.is_empty(), reasons.get(id)) {
            (true, Some(reason)) => {
                without += 1;
                format!("none: {reason}")
            }
            (true, None) => {
                faults.push(format!(
                    "{id} has neither a test nor a reason: {}",
                    short(says)
                ));
                continue;
            }
            (false, Some(_)) => {
                faults.push(format!(
                    "{id} has a test: its reason for having none is stale"
                ));
                continue;
            }
            (false, None) => {
                let names = own.iter().take(NAMES_SHOWN).map(|name| format!("`{name}`"));
                let mut shown = names.collect::<Vec<_>>().join("<br>");
                if own.len() > NAMES_SHOWN {
                    write!(shown, "<br>and {} more", own.len() - NAMES_SHOWN).unwrap();
                }
                shown
            }
        };
        writeln!(
            text,
            "| {id} | {} | {shown} | {} |",
            short(says),
            listed.join(" ")
        )
        .unwrap();
    }
    for rule in tests.keys().chain(reasons.keys()) {
        if !known.contains(rule) {
            faults.push(format!("there is no rule {rule}"));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    write!(text, "\n{} rules, {without} without a test.\n", rules.len()).unwrap();
    check_or_bless("docs/RULES.md", &text);
}

#[test]
fn citations_are_read_with_their_ranges() {
    let known: BTreeSet<String> = rules().into_iter().map(|rule| rule.id).collect();
    let text = "G-25 to G-27, CK-13a; X-3b xD-1 Q-7, `P-2`, P-13..P-20";
    let found: Vec<String> = cited(text, &known).into_iter().collect();
    let wanted = ["CK-13a", "G-25", "G-26", "G-27", "P-13", "P-2", "P-20"];
    assert_eq!(found, wanted, "only rules that exist");
}
