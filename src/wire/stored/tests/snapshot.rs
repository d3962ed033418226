//! Snapshots: the state comes back whole, or an error names the record that is wrong.

use std::collections::BTreeSet;
use std::io::{self, Read, Write};

use super::golden::golden;
use super::samples;
use crate::domain::limits::STORED_RECORD_MAX;
use crate::domain::state::State;
use crate::domain::state::grant::ConstraintKeyCase;
use crate::wire::stored::facts::{EffectRow, FactRow};
use crate::wire::stored::header::{self, HEADER_LEN};
use crate::wire::stored::{DecodeError, Kind, read_snapshot, write_snapshot};

fn bytes(state: &State) -> Vec<u8> {
    let mut bytes = Vec::new();
    write_snapshot(state, &mut bytes).unwrap();
    bytes
}

fn read(mut bytes: &[u8]) -> Result<State, DecodeError> {
    read_snapshot(&mut bytes)
}

/// Where each record begins, and the end of the last.
fn bounds(bytes: &[u8]) -> Vec<usize> {
    let mut bounds = vec![0];
    while bounds[bounds.len() - 1] < bytes.len() {
        let at = bounds[bounds.len() - 1];
        let length = u32::from_le_bytes(bytes[at + 8..at + 12].try_into().unwrap());
        bounds.push(at + HEADER_LEN + length as usize);
    }
    bounds
}

fn records(bytes: &[u8]) -> Vec<&[u8]> {
    let bounds = bounds(bytes);
    bounds.windows(2).map(|w| &bytes[w[0]..w[1]]).collect()
}

#[test]
fn snapshot_keeps_its_bytes_and_gives_the_state_back() {
    let state = samples::state();
    let stored = golden("snapshot", &bytes(&state));
    let again = read(&stored).unwrap();
    assert_eq!(again.fingerprint(), state.fingerprint());
    assert_eq!(again.header(), state.header());
    let facts = |state: &State| format!("{:#?}", state.export().collect::<Vec<_>>());
    assert_eq!(facts(&again), facts(&state));
    assert_eq!(bytes(&again), stored);
}

/// U-12: the letter case of constraint keys is part of what a snapshot keeps.
#[test]
fn snapshot_head_keeps_the_letter_case_of_constraint_keys() {
    let case = |state: &State| state.settings().constraint_key_case;
    let sensitive = read(&bytes(&samples::state())).unwrap();
    assert_eq!(case(&sensitive), ConstraintKeyCase::Sensitive);
    let state = samples::state_in_any_key_case();
    let again = read(&bytes(&state)).unwrap();
    assert_eq!(case(&again), ConstraintKeyCase::Insensitive);
    assert_eq!(again.header(), state.header());
    assert_eq!(again.fingerprint(), state.fingerprint());
    assert_ne!(again.fingerprint(), sensitive.fingerprint());
}

#[test]
fn snapshot_with_a_record_of_another_version_is_refused() {
    let whole = bytes(&samples::state());
    let bounds = bounds(&whole);
    for record in [0, 1, bounds.len() - 2] {
        for version in [0u16, 1, 2, 3, 5] {
            let mut other = whole.clone();
            other[bounds[record] + 6..bounds[record] + 8].copy_from_slice(&version.to_le_bytes());
            let text = read(&other).unwrap_err().to_string();
            assert!(text.contains("schema version"), "{text}");
            assert_eq!(
                text.contains("before the first release"),
                version < 4,
                "{text}"
            );
        }
    }
}

#[test]
fn snapshot_of_the_empty_state_comes_back() {
    let again = read(&bytes(&State::default())).unwrap();
    assert_eq!(again.fingerprint(), State::default().fingerprint());
    assert_eq!(again.export().count(), 0);
}

#[test]
fn every_kind_of_fact_and_effect_has_a_sample() {
    let text = format!("{:?}", samples::facts());
    for (_, name) in FactRow::NUMBERS {
        assert!(text.contains(&format!("{name}(")), "no fact {name}");
    }
    for (_, name) in EffectRow::NUMBERS {
        assert!(
            text.contains(&format!("effect: {name}")),
            "no effect {name}"
        );
    }
    for numbers in [FactRow::NUMBERS, EffectRow::NUMBERS] {
        let distinct: BTreeSet<u32> = numbers.iter().map(|(number, _)| *number).collect();
        assert_eq!(distinct.len(), numbers.len(), "{numbers:?}");
    }
}

#[test]
fn snapshot_with_any_byte_changed_cut_anywhere_or_followed_by_more_is_refused() {
    let whole = bytes(&samples::state());
    for at in 0..whole.len() {
        let mut damaged = whole.clone();
        damaged[at] ^= 0x10;
        assert!(read(&damaged).is_err(), "byte {at}");
        assert!(read(&whole[..at]).is_err(), "cut at {at}");
    }
    let mut longer = whole;
    longer.push(0);
    let error = read(&longer).unwrap_err();
    assert!(matches!(error, DecodeError::SnapshotRecord { source, .. }
        if matches!(*source, DecodeError::Trailing { .. })));
}

#[test]
fn snapshot_with_a_record_left_out_doubled_or_moved_is_refused() {
    let whole = bytes(&samples::state());
    let records = records(&whole);
    for at in 0..records.len() {
        let mut without = records.clone();
        let taken = without.remove(at);
        assert!(read(&without.concat()).is_err(), "without record {at}");
        for to in 0..records.len() {
            if to != at {
                let mut moved = without.clone();
                moved.insert(to, taken);
                assert!(read(&moved.concat()).is_err(), "record {at} at {to}");
            }
        }
        let mut twice = records.clone();
        twice.insert(at, taken);
        assert!(read(&twice.concat()).is_err(), "record {at} twice");
    }
}

#[test]
fn fact_that_belongs_to_none_names_its_record() {
    let whole = bytes(&samples::state());
    let mut records = records(&whole);
    // Records 0 to 4 are the head, a member, two epochs and the account that the role needs.
    records.remove(4);
    let error = read(&records.concat()).unwrap_err();
    let text = error.to_string();
    assert!(
        matches!(error, DecodeError::Snapshot { index: 4, .. }),
        "{text}"
    );
    assert!(text.contains("111122223333"), "{text}");
}

#[test]
fn record_that_announces_more_than_there_is_takes_no_more_memory_than_there_is() {
    let mut record = vec![0; HEADER_LEN + 8];
    header::seal(Kind::SnapshotHead, &mut record).unwrap();
    record[8..12].copy_from_slice(&u32::try_from(STORED_RECORD_MAX).unwrap().to_le_bytes());
    let error = read(&record).unwrap_err();
    assert!(error.to_string().contains("ends early"), "{error}");
    record[8..12].copy_from_slice(&u32::MAX.to_le_bytes());
    let error = read(&record).unwrap_err();
    assert!(error.to_string().contains("announces"), "{error}");
}

#[test]
fn failure_of_the_stream_is_told_as_such() {
    struct Broken;
    impl Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::other("the disk is gone"))
        }
    }
    impl Write for Broken {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::Error::other("the disk is gone"))
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    assert!(matches!(
        read_snapshot(&mut Broken),
        Err(DecodeError::Io(_))
    ));
    let error = write_snapshot(&samples::state(), &mut Broken).unwrap_err();
    assert_eq!(error.to_string(), "the disk is gone");
}
