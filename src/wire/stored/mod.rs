//! The persisted forms of the domain: what the log, the snapshots and forwarded writes are made of.
//!
//! A record is bincode behind a header of our own (`header`): magic, kind, schema version, length, checksum. The header
//! is proven before a byte of the payload is believed, a payload is bounded by `limits::STORED_RECORD_MAX`, and bytes
//! after its end are refused. Rows (`row`) mirror the domain field by field; what is read goes through the domain's
//! own constructors, so bytes from a disk or a peer never make a value that could not have been made by a request.
//!
//! bincode is unmaintained in every version (RUSTSEC-2025-0141) and named only here, so that it can be replaced.
//! `tests/golden/stored` keeps the bytes of this version and one record of an earlier build, which is refused as such; `GRANTD_BLESS=1 cargo test --lib wire::stored` writes them
//! anew, which is right only for a record that has never left a developer's machine.
//!
//! Imports `domain` alone. Never: a row outside this module, serde on a domain type, a decoder that does not validate.

mod caller;
mod command;
mod command_sources;
mod decision;
mod entry;
mod error;
mod facts;
mod header;
mod key_store_backends;
mod key_stores;
mod outcome;
mod policy;
mod row;
mod snapshot;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

pub use entry::{DraftParts, DraftRef};
pub use error::{DecodeError, EncodeError, Malformed};
pub use header::Kind;
pub use snapshot::{read_snapshot, write_snapshot};

use crate::domain::limits::STORED_RECORD_MAX;
use crate::domain::op::{Entry, Output, Rejection};
use entry::{DraftRow, EntryRow};
use header::HEADER_LEN;
use outcome::OutcomeRow;
use row::Stored;

/// The record of a log entry.
///
/// # Errors
/// The entry is longer than [`STORED_RECORD_MAX`].
pub fn encode_entry(entry: &Entry) -> Result<Bytes, EncodeError> {
    encode(Kind::Entry, &EntryRow::store(entry)).map(Bytes::from)
}

/// The log entry of a record.
///
/// # Errors
/// The bytes are damaged, no entry, or one that this binary does not understand.
pub fn decode_entry(record: &[u8]) -> Result<Entry, DecodeError> {
    decode::<EntryRow, _>(Kind::Entry, record)
}

/// The record of an entry that has not been stamped.
///
/// # Errors
/// The draft is longer than [`STORED_RECORD_MAX`].
pub fn encode_draft(draft: DraftRef<'_>) -> Result<Bytes, EncodeError> {
    encode(Kind::Draft, &DraftRow::from(draft)).map(Bytes::from)
}

/// The draft of a record.
///
/// # Errors
/// The bytes are damaged, no draft, or one that this binary does not understand.
pub fn decode_draft(record: &[u8]) -> Result<DraftParts, DecodeError> {
    let row: DraftRow = row_of(Kind::Draft, header::open(Kind::Draft, record)?)?;
    row.try_into().map_err(|fault| DecodeError::Malformed {
        kind: Kind::Draft,
        fault,
    })
}

/// The record of what an entry led to.
///
/// # Errors
/// The outcome is longer than [`STORED_RECORD_MAX`].
pub fn encode_outcome(outcome: &Result<Output, Rejection>) -> Result<Bytes, EncodeError> {
    encode(Kind::Outcome, &OutcomeRow::store(outcome)).map(Bytes::from)
}

/// What an entry led to, of a record.
///
/// # Errors
/// The bytes are damaged, no outcome, or one that this binary does not understand.
pub fn decode_outcome(record: &[u8]) -> Result<Result<Output, Rejection>, DecodeError> {
    decode::<OutcomeRow, _>(Kind::Outcome, record)
}

/// Little endian, short integers, and no more than a record may have. Persisted: never changed within a version.
const fn codec() -> impl bincode::config::Config {
    bincode::config::standard().with_limit::<STORED_RECORD_MAX>()
}

/// A whole record: header and row.
fn encode<R: Serialize>(kind: Kind, row: &R) -> Result<Vec<u8>, EncodeError> {
    let mut record = vec![0; HEADER_LEN];
    bincode::serde::encode_into_std_write(row, &mut record, codec()).map_err(|error| {
        let reason = error.to_string();
        EncodeError::Codec { kind, reason }
    })?;
    header::seal(kind, &mut record)?;
    Ok(record)
}

/// The value of a whole record.
fn decode<'de, R, T>(kind: Kind, record: &'de [u8]) -> Result<T, DecodeError>
where
    R: Deserialize<'de> + Stored<T>,
{
    decode_payload::<R, T>(kind, header::open(kind, record)?)
}

/// The value of a payload that has been proven.
fn decode_payload<'de, R, T>(kind: Kind, payload: &'de [u8]) -> Result<T, DecodeError>
where
    R: Deserialize<'de> + Stored<T>,
{
    let row: R = row_of(kind, payload)?;
    row.load()
        .map_err(|fault| DecodeError::Malformed { kind, fault })
}

/// The row of a payload that has been proven.
fn row_of<'de, R: Deserialize<'de>>(kind: Kind, payload: &'de [u8]) -> Result<R, DecodeError> {
    let (row, read) =
        bincode::serde::borrow_decode_from_slice(payload, codec()).map_err(|error| {
            let fault = match error {
                bincode::error::DecodeError::OtherString(reason) => Malformed::new(reason),
                error => Malformed::new(format_args!("not of this record's form: {error}")),
            };
            DecodeError::Malformed { kind, fault }
        })?;
    match payload.len().saturating_sub(read) {
        0 => Ok(row),
        found => Err(DecodeError::Trailing { kind, found }),
    }
}

#[cfg(test)]
mod tests;
