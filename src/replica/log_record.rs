//! How an entry of the replicated log is kept as a record of `storage`: one byte that says what it is, then its body.
//!
//! The bytes are persisted, so the numbers below never change their meaning. Never: what a command means.

use bytes::{BufMut, Bytes, BytesMut};
use prost::Message;

use super::convert::{BadMessage, membership_in, membership_out};
use super::types::{Command, Entry, LeaderId, LogId, Membership, Payload};
use crate::storage;
use crate::wire::peer;

const BLANK: u8 = 0;
/// Followed by the stored form of a `domain::op::Entry`, which has a header and a checksum of its own.
const COMMAND: u8 = 1;
/// Followed by a `grantd.peer.v1.Membership`.
const MEMBERSHIP: u8 = 2;

/// Why a record of the log cannot be read. It was written by another version, or `storage` has missed damage.
#[derive(Debug, thiserror::Error)]
#[error(
    "record {id} of the log cannot be read: {why}; it was written by a newer version of grantd, or the disk is damaged"
)]
pub struct BadRecord {
    id: storage::LogId,
    why: String,
}

pub fn stored_log_id(id: LogId) -> storage::LogId {
    let LogId {
        leader_id: LeaderId { term, node_id },
        index,
    } = id;
    storage::LogId {
        term,
        node: node_id,
        index,
    }
}

pub fn raft_log_id(id: storage::LogId) -> LogId {
    let storage::LogId { term, node, index } = id;
    super::convert::log_id_in(peer::LogId { term, node, index })
}

pub fn to_record(entry: Entry) -> storage::Record {
    let Entry { log_id, payload } = entry;
    let mut bytes = BytesMut::new();
    match payload {
        Payload::Blank => bytes.put_u8(BLANK),
        Payload::Normal(Command(command)) => {
            bytes.reserve(1 + command.len());
            bytes.put_u8(COMMAND);
            bytes.put(command);
        }
        Payload::Membership(membership) => {
            bytes.put_u8(MEMBERSHIP);
            bytes.put_slice(&membership_out(&membership).encode_to_vec());
        }
    }
    storage::Record {
        id: stored_log_id(log_id),
        payload: bytes.freeze(),
    }
}

pub fn from_record(record: storage::Record) -> Result<Entry, BadRecord> {
    let storage::Record { id, payload } = record;
    let bad = |why: String| BadRecord { id, why };
    let payload = match payload.first() {
        Some(&BLANK) if payload.len() == 1 => Payload::Blank,
        Some(&COMMAND) => Payload::Normal(Command(payload.slice(1..))),
        Some(&MEMBERSHIP) => {
            Payload::Membership(membership_from_bytes(payload.slice(1..)).map_err(bad)?)
        }
        Some(kind) => return Err(bad(format!("kind {kind} is not known"))),
        None => return Err(bad("it is empty".to_owned())),
    };
    Ok(Entry {
        log_id: raft_log_id(id),
        payload,
    })
}

fn membership_from_bytes(bytes: Bytes) -> Result<Membership, String> {
    let membership = peer::Membership::decode(bytes).map_err(|error| error.to_string())?;
    membership_in(Some(membership)).map_err(|error: BadMessage| error.to_string())
}

impl From<BadRecord> for std::io::Error {
    fn from(error: BadRecord) -> Self {
        std::io::Error::new(std::io::ErrorKind::InvalidData, error)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::super::types::{DiskId, Member};
    use super::*;

    fn entry(payload: Payload) -> Entry {
        use openraft::vote::RaftLeaderId;
        Entry {
            log_id: LogId::new(LeaderId::new(3, 1), 9),
            payload,
        }
    }

    fn membership() -> Membership {
        let member = Member {
            peer_address: "a:1".to_owned(),
            disk: DiskId(*b"disk of node 5  "),
        };
        Membership::new(vec![BTreeSet::from([5])], BTreeMap::from([(5, member)])).unwrap()
    }

    /// The bytes of version 0.1.0: a log written by it must be readable for ever.
    #[test]
    fn records_have_their_golden_bytes() {
        let golden: [(Payload, &[u8]); 3] = [
            (Payload::Blank, &[0]),
            (
                Payload::Normal(Command(Bytes::from_static(b"xyz"))),
                b"\x01xyz",
            ),
            (
                Payload::Membership(membership()),
                b"\x02\x0a\x03\x0a\x01\x05\x12\x19\x08\x05\x12\x03a:1\x1a\x10disk of node 5  ",
            ),
        ];
        for (payload, bytes) in golden {
            let record = to_record(entry(payload.clone()));
            assert_eq!(record.payload, bytes);
            assert_eq!(from_record(record).unwrap(), entry(payload));
        }
    }

    #[test]
    fn record_of_an_unknown_kind_or_with_junk_is_refused() {
        for bytes in [
            &b""[..],
            b"\x00x",
            b"\x03",
            b"\x02\xff\xff",
            b"\x02\x0a\x03\x0a\x01\x05",
        ] {
            let record = storage::Record {
                id: stored_log_id(entry(Payload::Blank).log_id),
                payload: Bytes::copy_from_slice(bytes),
            };
            let error = from_record(record).unwrap_err().to_string();
            assert!(
                error.starts_with("record 3-1.9 of the log cannot be read"),
                "{error}"
            );
        }
    }
}
