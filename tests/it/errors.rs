//! The refusals of every operation, in the order of its checks: `docs/ERRORS.md` is made of what the operations declare
//! and of what their tests met (`tests/golden/errors`, written by the tests themselves), and may not be stale.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;

use grantd::domain::op::table::{Access, Asks, Operation};
use grantd::domain::state::principal::PrincipalType;

use crate::evidence::{check_or_bless, root};

/// What a test met: case, error, text.
type Met = (String, String, String);

/// `EnableKey` → `enable_key`.
fn module_of(operation: Operation) -> String {
    let mut module = String::new();
    for (at, c) in operation.name().char_indices() {
        if c.is_ascii_uppercase() && at > 0 {
            module.push('_');
        }
        module.push(c.to_ascii_lowercase());
    }
    module
}

/// The checks that an operation declares, in order: its refusals' own words.
fn checks(source: &str) -> Vec<String> {
    let Some((_, block)) = source.split_once("\nrefusals! {\n") else {
        return Vec::new();
    };
    let block = block.split("\n}").next().unwrap_or_default();
    let Some((_, variants)) = block.split_once("Refusal {") else {
        return Vec::new();
    };
    let (mut all, mut words) = (Vec::new(), Vec::new());
    for line in variants.lines().map(str::trim) {
        match line.strip_prefix("///") {
            Some(text) => words.push(text.trim().to_string()),
            None if line.contains('(') => all.push(std::mem::take(&mut words).join(" ")),
            None => {}
        }
    }
    all
}

/// Every test that recorded refusals, by the operation that it is about: its name, what it met. A test that does not
/// stand in its operation's own file begins with the operation's name.
fn recorded() -> BTreeMap<String, Vec<(String, Vec<Met>)>> {
    let mut all: BTreeMap<String, Vec<(String, Vec<Met>)>> = BTreeMap::new();
    let mut paths: Vec<_> = fs::read_dir(root().join("tests/golden/errors"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.sort();
    for path in paths {
        let text = fs::read_to_string(&path).unwrap();
        let mut lines = text.lines();
        let (module, test) = lines.next().unwrap().rsplit_once("::").unwrap();
        let file = format!("src/domain/op/{}.rs", module.replace("::", "/"));
        let source = fs::read_to_string(root().join(file));
        let stands = source.is_ok_and(|source| source.contains(&format!("fn {test}()")));
        assert!(
            stands,
            "{} is of a test that does not exist any more: remove it",
            path.display()
        );
        let met = lines.map(|line| {
            let mut fields = line.split('\t').map(str::to_string);
            let mut next = || fields.next().unwrap();
            (next(), next(), next())
        });
        let met = met.collect();
        let about = Operation::ALL
            .iter()
            .map(|operation| module_of(*operation))
            .filter(|name| test.starts_with(&format!("{name}_")))
            .max_by_key(String::len)
            .filter(|_| module.contains("_tests"));
        all.entry(about.unwrap_or_else(|| module.to_string()))
            .or_default()
            .push((test.to_string(), met));
    }
    all
}

/// Item 6 of the specification's section G: no operation without a row for each error that it can give.
#[test]
fn every_operation_has_its_refusals_tested_and_listed() {
    let recorded = recorded();
    let mut text = String::from(
        "# Refusals\n\n\
         What every operation can be refused with, in the order of its checks, and what its tests met: the error's code and\n\
         its text. Before them all come the caller's own troubles (`UnrecognizedClientException`), the shape of the message\n\
         (`ValidationException`) and idempotency keys (`IdempotentParameterMismatch`, `IdempotencyKeyExpired`,\n\
         `TooManyIdempotencyKeys`). That each\n\
         refusal is met by some test is shown by `tests/mutants/run.py --refusals`.\n\n\
         Written by the tests: `GRANTD_BLESS=1 cargo test --lib domain::op && GRANTD_BLESS=1 cargo test --test it errors`.\n",
    );
    let mut faults = Vec::new();
    for operation in Operation::ALL {
        let module = module_of(*operation);
        let path = root().join(format!("src/domain/op/{module}.rs"));
        let source = fs::read_to_string(&path).unwrap_or_default();
        let checks = checks(&source);
        write!(text, "\n## {}\n\n", operation.name()).unwrap();
        for (at, check) in checks.iter().enumerate() {
            writeln!(text, "{}. {check}", at + 1).unwrap();
        }
        if checks.is_empty() {
            faults.push(format!("{module}: declares no refusals"));
        }
        let empty = Vec::new();
        let tests = recorded.get(&module).unwrap_or(&empty);
        if tests.is_empty() {
            faults.push(format!("{module}: no test records its refusals"));
            continue;
        }
        text.push_str("\n| case | error | text |\n|---|---|---|\n");
        let mut denied = false;
        let is_of_aws = matches!(
            operation.row().asks,
            Asks::Kms(_) | Asks::Iam { .. } | Asks::Office(_)
        );
        for (what, code, message) in tests.iter().flat_map(|(_, met)| met) {
            let cell = message.replace('|', "\\|");
            writeln!(text, "| {} | {code} | {cell} |", what.replace('|', "\\|")).unwrap();
            // An operation that is none of AWS's may ask for several actions, or for the one that its request names.
            let asked =
                [PrincipalType::User, PrincipalType::Role].map(|kind| operation.action(kind));
            denied |= code == "AccessDeniedException"
                && (!is_of_aws || asked.iter().any(|action| message.contains(action.as_str())));
        }
        if !denied && operation.row().access != Access::System {
            faults.push(format!(
                "{module}: no row in which its own action is denied"
            ));
        }
    }
    check_or_bless("docs/ERRORS.md", &text);
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}
