//! Damaged, cut, foreign and malicious bytes: an error, never a panic, never another value.

use proptest::prelude::*;

use super::samples;
use crate::domain::authz::caller::Identity;
use crate::wire::stored::header::{self, HEADER_LEN};
use crate::wire::stored::{
    DecodeError, Kind, decode_draft, decode_entry, decode_outcome, encode_entry, encode_outcome,
};

fn sealed(kind: Kind, payload: &[u8]) -> Vec<u8> {
    let mut record = vec![0; HEADER_LEN];
    record.extend_from_slice(payload);
    header::seal(kind, &mut record).unwrap();
    record
}

fn entries() -> Vec<Vec<u8>> {
    samples::commands()
        .into_iter()
        .map(|(_, command)| {
            encode_entry(&samples::entry(Identity::System, command))
                .unwrap()
                .to_vec()
        })
        .collect()
}

#[test]
fn entry_with_any_byte_changed_is_refused() {
    for record in entries() {
        for at in 0..record.len() {
            for change in [0x01, 0x80, 0xff] {
                let mut damaged = record.clone();
                damaged[at] ^= change;
                assert!(decode_entry(&damaged).is_err(), "byte {at}");
            }
        }
    }
}

#[test]
fn entry_cut_anywhere_or_followed_by_more_is_refused() {
    for record in entries() {
        for end in 0..record.len() {
            assert!(decode_entry(&record[..end]).is_err(), "cut at {end}");
        }
        let mut longer = record;
        longer.push(0);
        assert!(matches!(
            decode_entry(&longer),
            Err(DecodeError::Trailing { found: 1, .. })
        ));
    }
}

#[test]
fn entry_whose_payload_is_cut_under_a_valid_checksum_is_refused() {
    for record in entries() {
        let payload = &record[HEADER_LEN..];
        for end in 0..payload.len() {
            let cut = sealed(Kind::Entry, &payload[..end]);
            assert!(decode_entry(&cut).is_err(), "cut at {end}");
        }
        let longer = sealed(Kind::Entry, &[payload, &[0]].concat());
        assert!(matches!(
            decode_entry(&longer),
            Err(DecodeError::Trailing { .. })
        ));
    }
}

#[test]
fn record_of_one_kind_is_not_read_as_another() {
    for record in entries() {
        assert!(matches!(
            decode_draft(&record),
            Err(DecodeError::WrongKind { .. })
        ));
        assert!(matches!(
            decode_outcome(&record),
            Err(DecodeError::WrongKind { .. })
        ));
    }
}

#[test]
fn command_number_that_this_binary_does_not_know_is_refused_by_name() {
    let mut record = entries().swap_remove(0);
    // The command is the last field: its number is the first byte after everything that two entries share.
    let other = entries().swap_remove(1);
    let shared = record[HEADER_LEN..]
        .iter()
        .zip(&other[HEADER_LEN..])
        .take_while(|(a, b)| a == b)
        .count();
    assert_eq!(
        (record[HEADER_LEN + shared], other[HEADER_LEN + shared]),
        (1, 2)
    );
    record[HEADER_LEN + shared] = 250;
    let error = decode_entry(&sealed(Kind::Entry, &record[HEADER_LEN..])).unwrap_err();
    let text = error.to_string();
    assert!(text.contains("Command has no variant 250"), "{text}");
}

#[test]
fn lengths_beyond_the_record_are_refused_without_being_believed() {
    // bincode writes a length of eight bytes behind the mark 253.
    let huge = [253, 255, 255, 255, 255, 255, 255, 255, 255];
    for record in entries() {
        let payload = &record[HEADER_LEN..];
        for at in 0..payload.len() {
            let lying = [&payload[..at], &huge, &payload[at + 1..]].concat();
            // Most places hold a length or the number of a variant; in text or a hash the bytes may be valid.
            if let Ok(entry) = decode_entry(&sealed(Kind::Entry, &lying)) {
                assert!(encode_entry(&entry).is_ok());
            }
        }
    }
    let tags_without_end = [&[2u8][..], &huge].concat();
    assert!(decode_outcome(&sealed(Kind::Outcome, &tags_without_end)).is_err());
}

#[test]
fn stored_policy_that_no_longer_parses_names_the_record_and_the_place() {
    let mut outcomes = samples::outcomes().into_iter();
    let (_, outcome) = outcomes.find(|(name, _)| *name == "key").unwrap();
    let record = encode_outcome(&outcome).unwrap();
    let payload = &record[HEADER_LEN..];
    let at = payload
        .windows(11)
        .position(|window| window == b"\"Statement\"")
        .unwrap();
    let mut broken = payload.to_vec();
    broken[at] = b'!';
    let error = decode_outcome(&sealed(Kind::Outcome, &broken)).unwrap_err();
    let text = error.to_string();
    assert!(text.contains("outcome record"), "{text}");
    assert!(text.contains("key.policy"), "{text}");
}

#[test]
fn stored_id_that_no_constructor_takes_names_its_field() {
    let mut outcomes = samples::outcomes().into_iter();
    let (_, outcome) = outcomes.find(|(name, _)| *name == "key").unwrap();
    let record = encode_outcome(&outcome).unwrap();
    let mut payload = record[HEADER_LEN..].to_vec();
    let at = payload.windows(7).position(|text| text == b"ENABLED");
    assert_eq!(at, None, "states are stored as AWS writes them");
    let at = payload
        .windows(7)
        .position(|text| text == b"Enabled")
        .unwrap();
    payload[at] = b'e';
    let text = decode_outcome(&sealed(Kind::Outcome, &payload))
        .unwrap_err()
        .to_string();
    assert!(text.contains("field `Ok.Key.key.state`"), "{text}");
}

proptest! {
    #[test]
    fn payload_of_any_bytes_never_panics(payload in proptest::collection::vec(any::<u8>(), 0..512)) {
        let _ = decode_entry(&sealed(Kind::Entry, &payload));
        let _ = decode_draft(&sealed(Kind::Draft, &payload));
        let _ = decode_outcome(&sealed(Kind::Outcome, &payload));
        prop_assert!(decode_entry(&payload).is_err());
    }

    #[test]
    fn payload_with_bytes_replaced_is_refused_or_a_value_with_a_record(
        sample in 0usize..20,
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let record = &entries()[sample];
        let mut payload = record[HEADER_LEN..].to_vec();
        for (at, byte) in changes {
            let at = at.index(payload.len());
            payload[at] = byte;
        }
        if let Ok(entry) = decode_entry(&sealed(Kind::Entry, &payload)) {
            let again = encode_entry(&entry).unwrap();
            prop_assert_eq!(
                format!("{:?}", decode_entry(&again).unwrap()),
                format!("{:?}", entry)
            );
        }
    }
}
