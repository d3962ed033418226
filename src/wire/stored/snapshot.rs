//! A state as a stream of records: a head, one record for each fact in canonical order, and an end that counts them
//! and carries the BLAKE3 of every byte before it.
//!
//! Each record proves itself; the end proves that none is missing, doubled or out of place, and that nothing follows.
//! Beside the state itself no more than one record is in memory, so a lying length costs at most
//! `limits::STORED_RECORD_MAX`. Indexes are not stored: `State::import_one` derives them again and refuses facts that
//! do not fit together.
//!
//! Imports domain's state. Knows neither files nor peers.

use std::io::{self, ErrorKind, Read, Write};

use serde::{Deserialize, Serialize};

use super::error::DecodeError;
use super::facts::{FactRow, SettingsRow};
use super::header::{HEADER_LEN, Header, Kind};
use super::row::{Stored, row};
use super::{decode_payload, encode, row_of};
use crate::domain::state::State;
use crate::domain::state::fact;

row! {
    HeadRow: fact::Header {
        incarnation: [u8; 16],
        revision: u64,
        clock: u64,
        settings: SettingsRow,
        forgotten: ForgottenRow,
        hash_key: [u8; 16],
        seal_check: [u8; 32],
        semantics: u32,
        closed: Option<GapRow>,
    }
}

row! {
    GapRow: fact::Gap {
        after: u64,
        since: u64,
        was: [u8; 16],
    }
}

row! {
    ForgottenRow: fact::Forgotten {
        changes: u64,
        uses: u64,
    }
}

/// The last record.
#[derive(Serialize, Deserialize)]
struct EndRow {
    facts: u64,
    digest: [u8; 32],
}

/// Writes `state`: equal states give equal bytes. Writes record by record: give it a buffered writer.
///
/// # Errors
/// The writer failed, or a fact is longer than a record may have (`InvalidInput`).
pub fn write_snapshot(state: &State, writer: &mut dyn Write) -> io::Result<()> {
    let mut digest = blake3::Hasher::new();
    let mut facts: u64 = 0;
    let head = HeadRow::store(state.header());
    digest.update(&put(writer, Kind::SnapshotHead, &head)?);
    for fact in state.export() {
        let row = FactRow::store(&fact);
        digest.update(&put(writer, Kind::SnapshotFact, &row)?);
        facts += 1;
    }
    let digest = *digest.finalize().as_bytes();
    let end = EndRow { facts, digest };
    put(writer, Kind::SnapshotEnd, &end)?;
    Ok(())
}

/// Writes one record and gives its bytes.
fn put<R: Serialize>(writer: &mut dyn Write, kind: Kind, row: &R) -> io::Result<Vec<u8>> {
    let record =
        encode(kind, row).map_err(|error| io::Error::new(ErrorKind::InvalidInput, error))?;
    writer.write_all(&record)?;
    Ok(record)
}

/// Reads the state that was written, and that the stream ends after it. Reads record by record: give it a buffered
/// reader.
///
/// # Errors
/// The reader failed; a record is damaged, cut, missing, out of place or not understood; bytes follow the end.
pub fn read_snapshot(reader: &mut dyn Read) -> Result<State, DecodeError> {
    let mut records = Records::new(reader);
    let Record { kind, payload } = records.next(&[Kind::SnapshotHead])?;
    let header =
        decode_payload::<HeadRow, _>(kind, &payload).map_err(|error| records.fault(error))?;
    let mut state = State::import(header, []).map_err(|error| records.unfit(error))?;
    let mut facts: u64 = 0;
    loop {
        let Record { kind, payload } = records.next(&[Kind::SnapshotFact, Kind::SnapshotEnd])?;
        if kind == Kind::SnapshotEnd {
            let end: EndRow = row_of(kind, &payload).map_err(|error| records.fault(error))?;
            if end.facts != facts {
                let counted = end.facts;
                return Err(records.unfit(format!("{counted} facts were written, {facts} read")));
            }
            if end.digest != *records.digest.finalize().as_bytes() {
                return Err(records.unfit("the records before are not those that were written"));
            }
            records.end()?;
            return Ok(state);
        }
        let fact =
            decode_payload::<FactRow, _>(kind, &payload).map_err(|error| records.fault(error))?;
        state
            .import_one(fact)
            .map_err(|error| records.unfit(error))?;
        facts += 1;
    }
}

/// The records of a stream, one after the other.
struct Records<'a> {
    reader: &'a mut dyn Read,
    /// Of every record but the end.
    digest: blake3::Hasher,
    /// How many were begun.
    begun: u64,
}

/// A record whose header has proven its payload.
struct Record {
    kind: Kind,
    payload: Vec<u8>,
}

impl<'a> Records<'a> {
    fn new(reader: &'a mut dyn Read) -> Self {
        Self {
            reader,
            digest: blake3::Hasher::new(),
            begun: 0,
        }
    }

    /// The next record, which is of one of these kinds.
    fn next(&mut self, kinds: &[Kind]) -> Result<Record, DecodeError> {
        self.begun += 1;
        self.read(kinds).map_err(|error| self.fault(error))
    }

    fn read(&mut self, kinds: &[Kind]) -> Result<Record, DecodeError> {
        let expected = kinds.first().copied().unwrap_or(Kind::SnapshotHead);
        let start = self.up_to(HEADER_LEN)?;
        let Some(start) = start.first_chunk::<HEADER_LEN>() else {
            return Err(DecodeError::Truncated {
                expected,
                found: start.len(),
                wanted: HEADER_LEN,
            });
        };
        let header = Header::read(start, kinds)?;
        let payload = self.up_to(header.length())?;
        header.prove(&payload)?;
        let kind = header.kind();
        if kind != Kind::SnapshotEnd {
            self.digest.update(start);
            self.digest.update(&payload);
        }
        Ok(Record { kind, payload })
    }

    /// The next `length` bytes, or all that are left; memory grows with what is there, not with what is announced.
    fn up_to(&mut self, length: usize) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let length = u64::try_from(length).unwrap_or(u64::MAX);
        Read::take(&mut *self.reader, length).read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    /// That nothing follows.
    fn end(&mut self) -> Result<(), DecodeError> {
        let kind = Kind::SnapshotEnd;
        match self.up_to(1)?.len() {
            0 => Ok(()),
            found => Err(self.fault(DecodeError::Trailing { kind, found })),
        }
    }

    /// Names the record that was begun last.
    fn fault(&self, error: DecodeError) -> DecodeError {
        match error {
            DecodeError::Io(error) => DecodeError::Io(error),
            error => DecodeError::SnapshotRecord {
                index: self.index(),
                source: Box::new(error),
            },
        }
    }

    fn unfit(&self, reason: impl std::fmt::Display) -> DecodeError {
        DecodeError::Snapshot {
            index: self.index(),
            reason: reason.to_string(),
        }
    }

    const fn index(&self) -> u64 {
        self.begun.saturating_sub(1)
    }
}
