//! How a record of the log lies in the engine: one page or several, each with its own head.
//!
//! A page is: magic `gRec` · schema u16 · page u16 · pages u16 · flags u16 · crc32 u32 · id (term, node, index) ·
//! the id before it (three u64, zero without one) · length of the whole payload u32 · this page's part of it.
//! All numbers are big-endian. The checksum covers everything but itself. Bytes of this schema stay readable, those of
//! an earlier one are refused as such: see `tests/golden/storage`. It never interprets a payload.

use bytes::{Bytes, BytesMut};

use super::bounds::{MAX_RECORD_BYTES, PAGE_BYTES};
use super::error::{SCHEMA, check_schema};
use super::{LogId, Record, StorageError};

const MAGIC: [u8; 4] = *b"gRec";
const HAS_PREVIOUS: u16 = 1;
const HEAD: usize = 68;

/// Where a page stands: the index in big-endian, then the page. The order of the bytes is the order of the log.
pub(super) type PageKey = [u8; 10];

pub(super) fn page_key(index: u64, page: u16) -> PageKey {
    let mut key = [0; 10];
    let (high, low) = key.split_at_mut(8);
    high.copy_from_slice(&index.to_be_bytes());
    low.copy_from_slice(&page.to_be_bytes());
    key
}

/// The index and the page that a key names.
pub(super) fn read_key(key: &[u8]) -> Option<(u64, u16)> {
    let (index, page) = key.split_first_chunk::<8>()?;
    Some((
        u64::from_be_bytes(*index),
        u16::from_be_bytes(page.try_into().ok()?),
    ))
}

/// The pages of a record that follows `previous`.
pub(super) fn encode(
    previous: Option<LogId>,
    record: &Record,
) -> Result<Vec<(PageKey, Vec<u8>)>, StorageError> {
    let total = record.payload.len();
    let too_long = || {
        StorageError::Misuse(format!(
            "record {} has {total} bytes, more than {MAX_RECORD_BYTES}",
            record.id
        ))
    };
    if total > MAX_RECORD_BYTES {
        return Err(too_long());
    }
    let whole = u32::try_from(total).map_err(|_| too_long())?;
    let pages = u16::try_from(total.div_ceil(PAGE_BYTES).max(1)).map_err(|_| too_long())?;
    let mut parts = record.payload.chunks(PAGE_BYTES);
    let mut encoded = Vec::with_capacity(usize::from(pages));
    for page in 0..pages {
        let part = parts.next().unwrap_or(&[]);
        let mut bytes = Vec::with_capacity(HEAD + part.len());
        bytes.extend_from_slice(&MAGIC);
        bytes.extend_from_slice(&SCHEMA.to_be_bytes());
        bytes.extend_from_slice(&page.to_be_bytes());
        bytes.extend_from_slice(&pages.to_be_bytes());
        let flags = if previous.is_some() { HAS_PREVIOUS } else { 0 };
        bytes.extend_from_slice(&flags.to_be_bytes());
        let mut rest = Vec::with_capacity(HEAD + part.len());
        put_id(&mut rest, Some(record.id));
        put_id(&mut rest, previous);
        rest.extend_from_slice(&whole.to_be_bytes());
        rest.extend_from_slice(part);
        bytes.extend_from_slice(&checksum(&bytes, &rest).to_be_bytes());
        bytes.extend_from_slice(&rest);
        encoded.push((page_key(record.id.index, page), bytes));
    }
    Ok(encoded)
}

/// One page, read back and verified.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Page {
    pub id: LogId,
    pub previous: Option<LogId>,
    pub page: u16,
    pub pages: u16,
    pub whole: usize,
    pub part: Bytes,
}

/// Reads a page and verifies all of it.
pub(super) fn decode(bytes: &[u8]) -> Result<Page, StorageError> {
    let damaged = |detail: &str| StorageError::damaged("a record of the log", detail);
    let mut reader = Reader(bytes);
    if reader.take::<4>().map_err(&damaged)? != MAGIC {
        return Err(damaged("it does not begin with the mark of a record"));
    }
    let schema = u16::from_be_bytes(reader.take().map_err(&damaged)?);
    let page = u16::from_be_bytes(reader.take().map_err(&damaged)?);
    let pages = u16::from_be_bytes(reader.take().map_err(&damaged)?);
    let flags = u16::from_be_bytes(reader.take().map_err(&damaged)?);
    let stated = u32::from_be_bytes(reader.take().map_err(&damaged)?);
    let before = bytes.get(..12).unwrap_or(&[]);
    if checksum(before, reader.0) != stated {
        return Err(damaged("its checksum does not match"));
    }
    check_schema("log", schema)?;
    let id = reader.id().map_err(&damaged)?;
    let previous = reader.id().map_err(&damaged)?;
    let whole = u32::from_be_bytes(reader.take().map_err(&damaged)?);
    let whole = usize::try_from(whole).unwrap_or(usize::MAX);
    if whole > MAX_RECORD_BYTES || page >= pages || flags & !HAS_PREVIOUS != 0 {
        return Err(damaged("its head contradicts itself"));
    }
    Ok(Page {
        id,
        previous: (flags & HAS_PREVIOUS != 0).then_some(previous),
        page,
        pages,
        whole,
        part: Bytes::copy_from_slice(reader.0),
    })
}

/// Puts the pages of one record together again, in their order.
pub(super) struct Assembler {
    first: Page,
    payload: BytesMut,
    next: u16,
}

impl Assembler {
    /// Begins with page 0.
    pub fn begin(page: Page) -> Result<Self, StorageError> {
        if page.page != 0 {
            return Err(StorageError::damaged(
                "a record of the log",
                format!("{} begins at page {}", page.id, page.page),
            ));
        }
        Ok(Assembler {
            payload: BytesMut::from(page.part.as_ref()),
            next: 1,
            first: page,
        })
    }

    /// Adds the next page.
    pub fn add(&mut self, page: &Page) -> Result<(), StorageError> {
        let fits = page.id == self.first.id
            && page.previous == self.first.previous
            && page.pages == self.first.pages
            && page.whole == self.first.whole
            && page.page == self.next;
        if !fits {
            return Err(StorageError::damaged(
                "a record of the log",
                format!(
                    "page {} of {} does not follow page {} of {}",
                    page.page,
                    page.id,
                    self.next.saturating_sub(1),
                    self.first.id
                ),
            ));
        }
        self.next = self.next.saturating_add(1);
        self.payload.extend_from_slice(&page.part);
        Ok(())
    }

    pub fn is_complete(&self) -> bool {
        self.next == self.first.pages
    }

    /// The record and the id before it, once it is complete.
    pub fn finish(self) -> Result<(Option<LogId>, Record), StorageError> {
        if self.payload.len() != self.first.whole {
            return Err(StorageError::damaged(
                "a record of the log",
                format!(
                    "{} has {} bytes and should have {}",
                    self.first.id,
                    self.payload.len(),
                    self.first.whole
                ),
            ));
        }
        Ok((
            self.first.previous,
            Record {
                id: self.first.id,
                payload: self.payload.freeze(),
            },
        ))
    }
}

/// Appends a log id as three numbers; zeros for none.
pub(super) fn put_id(bytes: &mut Vec<u8>, id: Option<LogId>) {
    let LogId { term, node, index } = id.unwrap_or(LogId {
        term: 0,
        node: 0,
        index: 0,
    });
    bytes.extend_from_slice(&term.to_be_bytes());
    bytes.extend_from_slice(&node.to_be_bytes());
    bytes.extend_from_slice(&index.to_be_bytes());
}

/// CRC-32 over two pieces.
pub(super) fn checksum(one: &[u8], two: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(one);
    hasher.update(two);
    hasher.finalize()
}

/// Reads fixed fields off the front of bytes.
pub(super) struct Reader<'a>(pub &'a [u8]);

impl Reader<'_> {
    pub fn take<const N: usize>(&mut self) -> Result<[u8; N], &'static str> {
        let (field, rest) = self.0.split_first_chunk::<N>().ok_or("it is too short")?;
        self.0 = rest;
        Ok(*field)
    }

    pub fn id(&mut self) -> Result<LogId, &'static str> {
        Ok(LogId {
            term: u64::from_be_bytes(self.take()?),
            node: u64::from_be_bytes(self.take()?),
            index: u64::from_be_bytes(self.take()?),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::Refusal;
    use super::*;

    fn id(term: u64, node: u64, index: u64) -> LogId {
        LogId { term, node, index }
    }

    fn assemble(pages: &[(PageKey, Vec<u8>)]) -> Result<(Option<LogId>, Record), StorageError> {
        let mut pages = pages.iter().map(|(_, bytes)| decode(bytes));
        let mut whole = Assembler::begin(pages.next().expect("has a page")?)?;
        for page in pages {
            whole.add(&page?)?;
        }
        assert!(whole.is_complete());
        whole.finish()
    }

    /// A record of any length comes back as it was; no page exceeds its bound.
    #[test]
    fn record_of_any_length_survives_its_pages() {
        for length in [
            0,
            1,
            PAGE_BYTES - 1,
            PAGE_BYTES,
            PAGE_BYTES + 1,
            3 * PAGE_BYTES + 7,
            MAX_RECORD_BYTES,
        ] {
            let record = Record {
                id: id(3, 2, 9),
                payload: (0..length).map(|at| (at % 251) as u8).collect(),
            };
            let pages = encode(Some(id(2, 1, 8)), &record).expect("encodes");
            assert!(
                pages
                    .iter()
                    .all(|(_, bytes)| bytes.len() <= HEAD + PAGE_BYTES)
            );
            assert_eq!(assemble(&pages), Ok((Some(id(2, 1, 8)), record)));
        }
    }

    /// Every flipped bit and every shortened page is noticed.
    #[test]
    fn flipped_bit_or_lost_byte_is_damage() {
        let record = Record {
            id: id(3, 2, 9),
            payload: Bytes::from_static(b"payload"),
        };
        let (_, good) = encode(None, &record).expect("encodes").remove(0);
        for bit in 0..good.len() * 8 {
            let mut bad = good.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert!(decode(&bad).is_err(), "bit {bit}");
        }
        for length in 0..good.len() {
            assert!(decode(&good[..length]).is_err(), "length {length}");
        }
    }

    /// A schema that this binary does not know is not taken for damage.
    #[test]
    fn newer_schema_is_refused_as_newer() {
        let record = Record {
            id: id(1, 1, 1),
            payload: Bytes::from_static(b"x"),
        };
        let (_, mut bytes) = encode(None, &record).expect("encodes").remove(0);
        bytes[5] = 4;
        let sum = checksum(&bytes[..12], &bytes[16..]).to_be_bytes();
        bytes[12..16].copy_from_slice(&sum);
        assert!(matches!(
            decode(&bytes),
            Err(StorageError::Refused(Refusal::NewerSchema { found: 4, .. }))
        ));
    }

    /// A page of a build before the first release, as it was written then.
    #[test]
    fn page_of_an_earlier_build_is_refused_as_such() {
        let golden = include_bytes!("../../tests/golden/storage/record-1.bin");
        assert!(matches!(
            decode(golden),
            Err(StorageError::Refused(Refusal::EarlierSchema {
                found: 1,
                ..
            }))
        ));
    }

    /// Schema 3, as it is written: these bytes must stay readable.
    #[test]
    fn golden_bytes_of_schema_3_decode() {
        let record = Record {
            id: id(7, 3, 42),
            payload: Bytes::from_static(b"golden payload"),
        };
        let golden = include_bytes!("../../tests/golden/storage/record-3.bin");
        let page = decode(golden).expect("decodes");
        let (previous, found) = Assembler::begin(page)
            .expect("first page")
            .finish()
            .expect("whole");
        assert_eq!((previous, &found), (Some(id(6, 1, 41)), &record));
        let (_, written) = encode(previous, &record).expect("encodes").remove(0);
        assert_eq!(written, golden, "schema 3 is still what is written");
    }
}
