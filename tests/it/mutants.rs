//! The committed mutants (`tests/mutants`, run by `tests/mutants/run.py`) must go on fitting the source, each must break
//! a rule that exists, and `docs/MUTANTS.md` must tell of every one that some test noticed it.

use std::collections::BTreeSet;
use std::fs;

use crate::evidence::root;
use crate::rules::{Rule, rules};

struct Mutant {
    id: String,
    rule: String,
    file: String,
    after: Option<String>,
    old: String,
    new: String,
}

fn mutants() -> Vec<Mutant> {
    let mut all = Vec::new();
    for entry in fs::read_dir(root().join("tests/mutants")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|x| x != "mutant") {
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        let (head, body) = text.split_once("\n---\n").unwrap();
        let (old, new) = body.split_once("\n--- becomes\n").unwrap();
        let field = |name: &str| {
            head.lines()
                .find_map(|line| line.strip_prefix(&format!("{name}: ")))
                .map(|value| value.replace("\\n", "\n"))
        };
        all.push(Mutant {
            id: path.file_stem().unwrap().to_str().unwrap().to_string(),
            rule: field("rule").unwrap(),
            file: field("file").unwrap(),
            after: field("after"),
            old: old.to_string(),
            new: new.trim_end_matches('\n').to_string(),
        });
    }
    all.sort_by(|a, b| a.id.cmp(&b.id));
    all
}

#[test]
fn every_mutant_fits_the_source_at_one_place() {
    let known: BTreeSet<String> = rules().into_iter().map(|Rule { id, .. }| id).collect();
    let mut faults = Vec::new();
    let mutants = mutants();
    for Mutant {
        id,
        rule,
        file,
        after,
        old,
        new,
    } in &mutants
    {
        let source = fs::read_to_string(root().join(file)).unwrap_or_default();
        let anchor = after.as_ref().unwrap_or(old);
        let count = source.matches(anchor.as_str()).count();
        let fits = count == 1
            && source
                .split_once(anchor.as_str())
                .is_some_and(|(_, rest)| after.is_none() || rest.contains(old));
        if !fits {
            faults.push(format!("{id}: its text stands {count} times in {file}"));
        }
        if old == new {
            faults.push(format!("{id}: changes nothing"));
        }
        if !known.contains(rule) {
            faults.push(format!("{id}: there is no rule {rule}"));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    let sections: BTreeSet<&str> = mutants
        .iter()
        .filter_map(|mutant| mutant.rule.split('-').next())
        .collect();
    assert!(mutants.len() >= 50, "{} mutants", mutants.len());
    for section in [
        "ID", "G", "ST", "P", "C", "CK", "D", "M", "E", "K", "W", "EC", "X", "U",
    ] {
        assert!(sections.contains(section), "no mutant of section {section}");
    }
}

#[test]
fn record_tells_of_every_mutant_and_of_no_other() {
    let record = fs::read_to_string(root().join("docs/MUTANTS.md")).unwrap();
    let told: BTreeSet<&str> = record
        .lines()
        .filter(|line| line.starts_with("| "))
        .filter_map(|line| line.split(" | ").nth(1))
        .filter(|id| *id != "mutant")
        .collect();
    let mutants = mutants();
    let are: BTreeSet<&str> = mutants.iter().map(|mutant| &*mutant.id).collect();
    assert_eq!(told, are, "run tests/mutants/run.py");
    assert!(
        !record.contains("**survived**"),
        "a mutant that survives is a rule without a test"
    );
}
