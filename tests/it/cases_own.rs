//! Cases of our own, beside the published ones: written from the specification's rules alone, held against the engine.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use grantd::cli::casefile::run_paths;

/// The groups, and how many cases of each there are.
const GROUPS: &[(&str, usize)] = &[
    ("I7L", 200),
    ("IL", 270),
    ("IX", 28),
    ("OC", 237),
    ("OE", 382),
    ("OG", 216),
    ("OK", 137),
    ("OL", 28),
    ("OM", 64),
    ("OO", 118),
    ("OP", 148),
    ("OR", 17),
    ("OS", 551),
    ("OT", 125),
    ("OU", 167),
    ("OV", 69),
    ("OW", 80),
    ("OX", 184),
    ("OZ", 62),
    ("TR", 20),
];

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases-own")
}

/// W-6, CK-40, CK-57 to CK-60, ST-2, D-8, U-41 to U-48: operators, principals, grants, organizations, context keys, states, errors, stores.
#[test]
fn every_case_of_our_own_agrees() {
    let report = run_paths(&[folder()], None).unwrap();
    assert_eq!(report.failed(), 0, "{}", report.text());
    let mut counted = BTreeMap::<&str, usize>::new();
    for ran in &report.cases {
        let group = ran.id.split('-').next().unwrap();
        *counted.entry(group).or_default() += 1;
    }
    let counted: Vec<(&str, usize)> = counted.into_iter().collect();
    assert_eq!(counted, GROUPS);
}
