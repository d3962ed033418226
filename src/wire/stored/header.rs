//! The frame around everything that is stored: sixteen bytes that say what follows and prove that it is whole.
//!
//! ```text
//! 0   4   magic      "GRTD"
//! 4   2   kind       little endian, see `Kind`
//! 6   2   version    of the schema, see `VERSION`
//! 8   4   length     of the payload, in bytes
//! 12  4   checksum   CRC-32 of bytes 0 to 12 and the payload
//! 16  …   payload
//! ```
//!
//! CRC-32 finds every change of up to 32 neighbouring bits, so of any one byte. It is no protection against an enemy:
//! peers and disks are authenticated elsewhere.
//!
//! Imports limits. Knows no payload.

use std::cmp::Ordering;
use std::fmt;

use super::error::{DecodeError, EncodeError};
use crate::domain::limits::STORED_RECORD_MAX;

/// Length of the header, in bytes.
pub(super) const HEADER_LEN: usize = 16;

const MAGIC: [u8; 4] = *b"GRTD";

/// The schema version of every kind that this build writes and reads. Raised when the stored form of anything changes:
/// a build reads no other. 1 to 3: builds before the first release.
pub(super) const VERSION: u16 = 4;

/// What a record holds. The numbers are persisted: they are never changed and never used again.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u16)]
pub enum Kind {
    /// One entry of the replicated log.
    Entry = 1,
    /// An entry that has not been stamped: what a node forwards to the leader.
    Draft = 2,
    /// What an entry led to: what the leader answers to the node that forwarded it.
    Outcome = 3,
    /// The first record of a snapshot.
    SnapshotHead = 4,
    /// One fact of a snapshot.
    SnapshotFact = 5,
    /// The last record of a snapshot.
    SnapshotEnd = 6,
}

impl Kind {
    const fn number(self) -> u16 {
        self as u16
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Entry => "entry",
            Self::Draft => "draft",
            Self::Outcome => "outcome",
            Self::SnapshotHead => "snapshot head",
            Self::SnapshotFact => "snapshot fact",
            Self::SnapshotEnd => "snapshot end",
        })
    }
}

/// A header that has been read: its payload is still to be proven.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Header {
    kind: Kind,
    length: usize,
    checksum: u32,
}

impl Header {
    /// Reads a header of one of the `kinds`; the first of them names the record in errors.
    pub(super) fn read(bytes: &[u8; HEADER_LEN], kinds: &[Kind]) -> Result<Self, DecodeError> {
        let [
            m0,
            m1,
            m2,
            m3,
            k0,
            k1,
            v0,
            v1,
            l0,
            l1,
            l2,
            l3,
            c0,
            c1,
            c2,
            c3,
        ] = *bytes;
        let expected = kinds.first().copied().unwrap_or(Kind::Entry);
        if [m0, m1, m2, m3] != MAGIC {
            return Err(DecodeError::NotARecord { expected });
        }
        let found = u16::from_le_bytes([k0, k1]);
        let Some(kind) = kinds.iter().copied().find(|kind| kind.number() == found) else {
            return Err(DecodeError::WrongKind { expected, found });
        };
        let found = u16::from_le_bytes([v0, v1]);
        match found.cmp(&VERSION) {
            Ordering::Equal => {}
            Ordering::Less => return Err(DecodeError::EarlierVersion { kind, found }),
            Ordering::Greater => return Err(DecodeError::NewerVersion { kind, found }),
        }
        let length = usize::try_from(u32::from_le_bytes([l0, l1, l2, l3])).unwrap_or(usize::MAX);
        if length > STORED_RECORD_MAX {
            return Err(DecodeError::TooLarge {
                kind,
                found: length,
                max: STORED_RECORD_MAX,
            });
        }
        Ok(Self {
            kind,
            length,
            checksum: u32::from_le_bytes([c0, c1, c2, c3]),
        })
    }

    /// What the record holds.
    pub(super) const fn kind(&self) -> Kind {
        self.kind
    }

    /// Bytes of the payload, at most [`STORED_RECORD_MAX`].
    pub(super) const fn length(&self) -> usize {
        self.length
    }

    /// Proves that `payload` is the one that was written under this header.
    pub(super) fn prove(&self, payload: &[u8]) -> Result<(), DecodeError> {
        let Self {
            kind,
            length,
            checksum,
        } = *self;
        if payload.len() < length {
            return Err(DecodeError::Truncated {
                expected: kind,
                found: payload.len(),
                wanted: length,
            });
        }
        if payload.len() > length {
            return Err(DecodeError::Trailing {
                kind,
                found: payload.len() - length,
            });
        }
        // The length was bounded when it was read, so it fits.
        let announced = u32::try_from(length).unwrap_or(u32::MAX);
        if checksum != checksum_of(&head(kind, announced), payload) {
            return Err(DecodeError::Checksum { kind });
        }
        Ok(())
    }
}

fn head(kind: Kind, length: u32) -> [u8; 12] {
    let [m0, m1, m2, m3] = MAGIC;
    let [k0, k1] = kind.number().to_le_bytes();
    let [v0, v1] = VERSION.to_le_bytes();
    let [l0, l1, l2, l3] = length.to_le_bytes();
    [m0, m1, m2, m3, k0, k1, v0, v1, l0, l1, l2, l3]
}

fn checksum_of(head: &[u8; 12], payload: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(head);
    hasher.update(payload);
    hasher.finalize()
}

/// Sets the header of `record`, whose first [`HEADER_LEN`] bytes were left free for it.
pub(super) fn seal(kind: Kind, record: &mut [u8]) -> Result<(), EncodeError> {
    let too_large = |bytes| EncodeError::TooLarge {
        kind,
        bytes,
        max: STORED_RECORD_MAX,
    };
    let Some((header, payload)) = record.split_first_chunk_mut::<HEADER_LEN>() else {
        let reason = "no room for the header".to_owned();
        return Err(EncodeError::Codec { kind, reason });
    };
    if payload.len() > STORED_RECORD_MAX {
        return Err(too_large(payload.len()));
    }
    let length = u32::try_from(payload.len()).map_err(|_| too_large(payload.len()))?;
    let head = head(kind, length);
    let checksum = checksum_of(&head, payload).to_le_bytes();
    for (slot, byte) in header.iter_mut().zip(head.into_iter().chain(checksum)) {
        *slot = byte;
    }
    Ok(())
}

/// The payload of a whole record of this kind.
pub(super) fn open(kind: Kind, record: &[u8]) -> Result<&[u8], DecodeError> {
    let Some((header, payload)) = record.split_first_chunk::<HEADER_LEN>() else {
        return Err(DecodeError::Truncated {
            expected: kind,
            found: record.len(),
            wanted: HEADER_LEN,
        });
    };
    Header::read(header, &[kind])?.prove(payload)?;
    Ok(payload)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(kind: Kind, payload: &[u8]) -> Vec<u8> {
        let mut record = vec![0; HEADER_LEN];
        record.extend_from_slice(payload);
        seal(kind, &mut record).unwrap();
        record
    }

    #[test]
    fn record_opens_to_the_payload_that_was_sealed() {
        let sealed = record(Kind::Draft, b"payload");
        assert_eq!(open(Kind::Draft, &sealed).unwrap(), b"payload");
        assert_eq!(open(Kind::Draft, &record(Kind::Draft, b"")).unwrap(), b"");
    }

    #[test]
    fn record_of_another_kind_or_version_is_refused_by_name() {
        let sealed = record(Kind::Draft, b"payload");
        let error = open(Kind::Entry, &sealed).unwrap_err();
        assert!(matches!(error, DecodeError::WrongKind { found: 2, .. }));
        let mut newer = sealed.clone();
        newer[6] = 5;
        let error = open(Kind::Draft, &newer).unwrap_err();
        assert!(matches!(error, DecodeError::NewerVersion { found: 5, .. }));
        for version in 0..VERSION {
            let mut earlier = sealed.clone();
            earlier[6..8].copy_from_slice(&version.to_le_bytes());
            let error = open(Kind::Draft, &earlier).unwrap_err();
            assert!(matches!(error, DecodeError::EarlierVersion { found, .. } if found == version));
        }
    }

    #[test]
    fn record_that_announces_too_much_is_refused_before_its_payload_is_looked_at() {
        let mut sealed = record(Kind::Entry, b"payload");
        sealed[8..12].copy_from_slice(&u32::MAX.to_le_bytes());
        let error = open(Kind::Entry, &sealed).unwrap_err();
        assert!(matches!(error, DecodeError::TooLarge { .. }), "{error}");
        let mut large = vec![0; HEADER_LEN + STORED_RECORD_MAX + 1];
        assert!(matches!(
            seal(Kind::Entry, &mut large),
            Err(EncodeError::TooLarge { .. })
        ));
    }

    #[test]
    fn record_with_any_bit_flipped_or_any_length_but_its_own_is_refused() {
        let sealed = record(Kind::Outcome, b"what an entry led to");
        for at in 0..sealed.len() {
            for bit in 0..8 {
                let mut damaged = sealed.clone();
                damaged[at] ^= 1 << bit;
                assert!(
                    open(Kind::Outcome, &damaged).is_err(),
                    "byte {at}, bit {bit}"
                );
            }
            assert!(open(Kind::Outcome, &sealed[..at]).is_err(), "cut at {at}");
        }
        let mut longer = sealed;
        longer.push(0);
        let error = open(Kind::Outcome, &longer).unwrap_err();
        assert!(matches!(error, DecodeError::Trailing { found: 1, .. }));
    }
}
