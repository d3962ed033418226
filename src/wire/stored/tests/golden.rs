//! Old bytes as a fixture: they decode to the expected value, and the value encodes to the same bytes.
//!
//! `GRANTD_BLESS=1 cargo test --lib wire::stored` writes them anew.

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::fs;
use std::path::PathBuf;

use super::samples;
use crate::domain::authz::caller::Identity;
use crate::wire::stored::caller::IdentityRow;
use crate::wire::stored::command::CommandRow;
use crate::wire::stored::entry::DraftRef;
use crate::wire::stored::outcome::OutputRow;
use crate::wire::stored::{
    decode_draft, decode_entry, decode_outcome, encode_draft, encode_entry, encode_outcome,
};

fn directory() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden/stored/v4")
}

/// Compares `bytes` with the golden file `name`, or writes it when blessing; gives the file's bytes.
pub(super) fn golden(name: &str, bytes: &[u8]) -> Vec<u8> {
    let path = directory().join(format!("{name}.bin"));
    if std::env::var_os("GRANTD_BLESS").is_some_and(|value| value == "1") {
        fs::write(&path, bytes).unwrap();
    }
    let stored = fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    assert!(
        stored == bytes,
        "{name}: this binary writes other bytes than those in {}",
        path.display()
    );
    stored
}

fn same<T: Debug>(name: &str, found: &T, expected: &T) {
    assert_eq!(format!("{found:#?}"), format!("{expected:#?}"), "{name}");
}

/// The name of the variant in the text that `Debug` gives.
fn variant(value: &impl Debug) -> String {
    let text = format!("{value:?}");
    let end = text.find(|c: char| !c.is_alphanumeric());
    text[..end.unwrap_or(text.len())].to_owned()
}

fn names(numbers: &[(u32, &str)]) -> BTreeSet<String> {
    numbers.iter().map(|(_, name)| (*name).to_owned()).collect()
}

#[test]
fn entry_of_every_command_keeps_its_bytes() {
    let mut seen = BTreeSet::new();
    for (name, command) in samples::commands() {
        seen.insert(variant(&command));
        let name = format!("entry-{name}");
        let entry = samples::entry(Identity::Operator, command);
        let stored = golden(&name, &encode_entry(&entry).unwrap());
        same(&name, &decode_entry(&stored).unwrap(), &entry);
    }
    assert_eq!(
        seen,
        names(CommandRow::NUMBERS),
        "commands without a sample"
    );
}

#[test]
fn entry_of_every_identity_keeps_its_bytes() {
    let mut seen = BTreeSet::new();
    for (name, identity) in samples::identities() {
        seen.insert(variant(&identity));
        let name = format!("entry-by-{name}");
        let (_, command) = samples::commands().swap_remove(0);
        let entry = samples::entry(identity, command);
        let stored = golden(&name, &encode_entry(&entry).unwrap());
        same(&name, &decode_entry(&stored).unwrap(), &entry);
    }
    assert_eq!(
        seen,
        names(IdentityRow::NUMBERS),
        "identities without a sample"
    );
}

#[test]
fn draft_keeps_its_bytes_and_every_field() {
    let (_, command) = samples::commands().swap_remove(0);
    let entry = samples::entry(Identity::System, command);
    let draft = DraftRef {
        caller: &entry.caller,
        scope: &entry.scope,
        request_id: entry.request_id,
        idempotency: entry.idempotency.as_ref(),
        command: &entry.command,
    };
    let parts = decode_draft(&golden("draft", &encode_draft(draft).unwrap())).unwrap();
    let stamped = crate::domain::op::Entry {
        proposed_at: entry.proposed_at,
        semantics: entry.semantics,
        caller: parts.caller,
        scope: parts.scope,
        request_id: parts.request_id,
        idempotency: parts.idempotency,
        command: parts.command,
    };
    same("draft", &stamped, &entry);
}

#[test]
fn outcome_of_every_output_keeps_its_bytes() {
    let mut seen = BTreeSet::new();
    for (name, outcome) in samples::outcomes() {
        if let Ok(output) = &outcome {
            seen.insert(variant(output));
        }
        let name = format!("outcome-{name}");
        let stored = golden(&name, &encode_outcome(&outcome).unwrap());
        same(&name, &decode_outcome(&stored).unwrap(), &outcome);
    }
    assert_eq!(seen, names(OutputRow::NUMBERS), "outputs without a sample");
}

#[test]
fn numbers_of_a_sum_are_used_once() {
    for numbers in [
        CommandRow::NUMBERS,
        IdentityRow::NUMBERS,
        OutputRow::NUMBERS,
    ] {
        let distinct: BTreeSet<u32> = numbers.iter().map(|(number, _)| *number).collect();
        assert_eq!(distinct.len(), numbers.len(), "{numbers:?}");
    }
}

#[test]
fn golden_file_belongs_to_a_sample() {
    let commands = samples::commands().into_iter();
    let identities = samples::identities().into_iter();
    let outcomes = samples::outcomes().into_iter();
    let known: BTreeSet<String> = ["draft".to_owned(), "snapshot".to_owned()]
        .into_iter()
        .chain(commands.map(|(name, _)| format!("entry-{name}")))
        .chain(identities.map(|(name, _)| format!("entry-by-{name}")))
        .chain(outcomes.map(|(name, _)| format!("outcome-{name}")))
        .collect();
    let found: BTreeSet<String> = fs::read_dir(directory())
        .unwrap()
        .filter_map(|file| file.unwrap().file_name().into_string().ok())
        .filter_map(|name| name.strip_suffix(".bin").map(str::to_owned))
        .collect();
    assert_eq!(
        found, known,
        "golden files (left) and samples (right) differ"
    );
}

/// An entry of a build before the first release, as it was written then.
#[test]
fn entry_of_an_earlier_build_is_refused_as_such() {
    let old = include_bytes!("../../../../tests/golden/stored/v1/entry-disable-key.bin");
    let text = decode_entry(old).unwrap_err().to_string();
    assert!(
        text.starts_with("entry record has schema version 1, of a build before the first release"),
        "{text}"
    );
}
