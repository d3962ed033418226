//! Why a value could not be written, or bytes could not be read.
//!
//! Imports `header`'s kinds. Never repeats stored content beyond what the fault itself names.

use std::fmt;

use super::header::{Kind, VERSION};

/// A value that has no stored form: it exceeds a bound. Nothing was written.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum EncodeError {
    /// The record is longer than [`crate::domain::limits::STORED_RECORD_MAX`].
    #[error(
        "{kind} record of {bytes} bytes exceeds the {max} that a record may have: shorten the request"
    )]
    TooLarge {
        /// Which record.
        kind: Kind,
        /// Its length, in bytes, without the header.
        bytes: usize,
        /// The bound.
        max: usize,
    },
    /// The codec refused the value.
    #[error("{kind} record cannot be encoded: {reason}")]
    Codec {
        /// Which record.
        kind: Kind,
        /// What the codec says.
        reason: String,
    },
}

/// Bytes that are no record of ours, or not the one asked for. Nothing of them was used.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// Fewer bytes than the header or than it announces.
    #[error("{expected} record ends early: {found} of at least {wanted} bytes")]
    Truncated {
        /// Which record was expected.
        expected: Kind,
        /// Bytes there are.
        found: usize,
        /// Bytes there should be.
        wanted: usize,
    },
    /// The first bytes are not ours.
    #[error("expected {expected} record, found bytes that are no record of grantd")]
    NotARecord {
        /// Which record was expected.
        expected: Kind,
    },
    /// Another kind of record.
    #[error("expected {expected} record, found one of kind number {found}")]
    WrongKind {
        /// Which record was expected.
        expected: Kind,
        /// The number in the header.
        found: u16,
    },
    /// Written by a build that knows more.
    #[error(
        "{kind} record has schema version {found}, this binary reads {VERSION}: use a newer binary"
    )]
    NewerVersion {
        /// Which record.
        kind: Kind,
        /// The version in the header.
        found: u16,
    },
    /// Written by a build before the first release.
    #[error(
        "{kind} record has schema version {found}, of a build before the first release, this binary reads {VERSION}; there is no conversion: run one build on every node, and begin with new data folders"
    )]
    EarlierVersion {
        /// Which record.
        kind: Kind,
        /// The version in the header.
        found: u16,
    },
    /// The header announces more than a record may have.
    #[error("{kind} record announces {found} bytes, more than the {max} that a record may have")]
    TooLarge {
        /// Which record.
        kind: Kind,
        /// Announced bytes.
        found: usize,
        /// The bound.
        max: usize,
    },
    /// Bytes after the end.
    #[error("{kind} record is followed by {found} bytes that do not belong to it")]
    Trailing {
        /// Which record.
        kind: Kind,
        /// How many bytes; at least this many in a stream.
        found: usize,
    },
    /// The checksum does not match: the bytes were damaged.
    #[error("{kind} record is damaged: its checksum does not match")]
    Checksum {
        /// Which record.
        kind: Kind,
    },
    /// Undamaged bytes that say nothing valid to this binary.
    #[error("{kind} record: {fault}")]
    Malformed {
        /// Which record.
        kind: Kind,
        /// What is wrong, and where in the record.
        fault: Malformed,
    },
    /// A record of a snapshot cannot be read.
    #[error("snapshot, record {index}: {source}")]
    SnapshotRecord {
        /// Counted from 0, the head.
        index: u64,
        /// Why.
        source: Box<DecodeError>,
    },
    /// The records of a snapshot are each valid, but not together.
    #[error("snapshot, record {index}: {reason}")]
    Snapshot {
        /// Counted from 0, the head.
        index: u64,
        /// Why.
        reason: String,
    },
    /// The stream failed.
    #[error("the stream failed: {0}")]
    Io(#[from] std::io::Error),
}

/// A stored value that no constructor of the domain accepts: where it stands and why.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Malformed {
    /// Names of fields, outermost first, joined by dots; empty for the record as a whole.
    at: String,
    reason: String,
}

impl Malformed {
    /// A fault without a place yet.
    pub(super) fn new(reason: impl fmt::Display) -> Self {
        Self {
            at: String::new(),
            reason: reason.to_string(),
        }
    }

    /// The same fault, seen from the value that holds the field `name`.
    pub(super) fn within(mut self, name: &str) -> Self {
        self.at = if self.at.is_empty() {
            name.to_owned()
        } else {
            format!("{name}.{}", self.at)
        };
        self
    }
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.at.is_empty() {
            f.write_str(&self.reason)
        } else {
            write!(f, "field `{}`: {}", self.at, self.reason)
        }
    }
}
