//! `node.state`: who this node is, what it voted for, and how far it has acknowledged its log.
//!
//! Two slots of 4 KiB in one preallocated file; the newer whole one counts. A write goes to the other slot and is
//! synced, so a torn write leaves the older slot. The mark is raised in one slot: falling back by one raise is
//! harmless, because the log then holds more than the mark. Everything else (identity, vote, a lowered mark, a purge)
//! goes to both slots before it counts, so that damage to one slot never brings back an older vote.
//!
//! A slot is: magic `gNod` · schema u16 · zero u16 · crc32 u32 · sequence u64 · flags u16 · node id · disk · incarnation ·
//! vote (term, node) · acknowledged · committed · purged (term, node, index each) · zeros. Big-endian. The checksum
//! covers the whole slot but itself. It never decides whether a node may start: that is `recovery`.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::disk::{Disk, Step, failed};
use super::error::{SCHEMA, check_schema};
use super::record::{Reader, checksum, put_id};
use super::recovery::NodeFacts;
use super::{Identity, LogId, StorageError, StoredVote};

const MAGIC: [u8; 4] = *b"gNod";
const SLOT: usize = 4096;
const SUM_AT: usize = 8;

const HAS_IDENTITY: u16 = 1;
const HAS_INCARNATION: u16 = 1 << 1;
const HAS_VOTE: u16 = 1 << 2;
const VOTE_COMMITTED: u16 = 1 << 3;
const HAS_ACKNOWLEDGED: u16 = 1 << 4;
const HAS_COMMITTED: u16 = 1 << 5;
const HAS_PURGED: u16 = 1 << 6;

pub(super) const FILE: &str = "node.state";

/// The open file.
pub(super) struct NodeState {
    disk: Disk,
    path: PathBuf,
    file: File,
    facts: NodeFacts,
    sequence: u64,
    /// The slot that the next write goes to.
    next: u64,
    /// One slot was not whole when the file was opened: torn by a power cut, or damaged.
    pub one_slot_lost: bool,
}

impl NodeState {
    /// Creates the file for a node that never was: whole, synced, and only then under its name.
    pub fn create(folder: &Path, disk: &Disk) -> Result<Self, StorageError> {
        let path = folder.join(FILE);
        let temporary = folder.join("node.state.tmp");
        let facts = NodeFacts::default();
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(true)
            .open(&temporary)
            .map_err(|error| failed("creating", &temporary, &error))?;
        for slot in [0, 1] {
            disk.write_at(
                Step::NodeStateWrite,
                &file,
                &temporary,
                &encode(slot, &facts),
                slot * SLOT as u64,
            )?;
        }
        disk.sync_all(Step::NodeStateCreateSync, &file, &temporary)?;
        disk.rename(&temporary, &path)?;
        disk.sync_folder(Step::NodeFolderSync, folder)?;
        Ok(NodeState {
            disk: disk.clone(),
            path,
            file,
            facts,
            sequence: 1,
            next: 0,
            one_slot_lost: false,
        })
    }

    /// Opens the file; `None` when there is none.
    pub fn open(folder: &Path, disk: &Disk) -> Result<Option<Self>, StorageError> {
        let path = folder.join(FILE);
        let file = match OpenOptions::new().read(true).write(true).open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed("opening", &path, &error)),
        };
        let mut best: Option<(u64, u64, NodeFacts)> = None;
        let mut other_build = None;
        let mut whole = 0;
        for slot in [0, 1u64] {
            let mut bytes = [0; SLOT];
            match file.read_exact_at(&mut bytes, slot * SLOT as u64) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => continue,
                Err(error) => return Err(failed("reading", &path, &error)),
            }
            match decode(&bytes, &path) {
                Ok((sequence, facts)) => {
                    whole += 1;
                    if best.is_none_or(|(_, newest, _)| newest < sequence) {
                        best = Some((slot, sequence, facts));
                    }
                }
                Err(error @ StorageError::Refused(_)) => other_build = Some(error),
                // A torn write, or damage: the other slot counts, and the start tells.
                Err(_) => {}
            }
        }
        if let Some(error) = other_build {
            return Err(error);
        }
        let Some((slot, sequence, facts)) = best else {
            return Err(StorageError::damaged(
                format!("`{}`", path.display()),
                "neither of its two slots is whole",
            ));
        };
        Ok(Some(NodeState {
            disk: disk.clone(),
            path,
            file,
            facts,
            sequence,
            next: 1 - slot,
            one_slot_lost: whole < 2,
        }))
    }

    pub fn facts(&self) -> NodeFacts {
        self.facts
    }

    /// Raises the mark: one slot.
    pub fn save(&mut self, facts: NodeFacts) -> Result<(), StorageError> {
        let sequence = self.sequence.saturating_add(1);
        self.disk.write_at(
            Step::NodeStateWrite,
            &self.file,
            &self.path,
            &encode(sequence, &facts),
            self.next * SLOT as u64,
        )?;
        self.disk
            .sync_data(Step::NodeStateSync, &self.file, &self.path)?;
        self.sequence = sequence;
        self.next = 1 - self.next;
        self.facts = facts;
        Ok(())
    }

    /// Everything but a raised mark: both slots, one after the other.
    pub fn save_twice(&mut self, facts: NodeFacts) -> Result<(), StorageError> {
        self.save(facts)?;
        self.save(facts)
    }
}

/// Removes what an interrupted creation left.
pub(super) fn remove_temporary(folder: &Path) -> Result<(), StorageError> {
    let temporary = folder.join("node.state.tmp");
    match fs::remove_file(&temporary) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(failed("removing", &temporary, &error)),
    }
}

fn encode(sequence: u64, facts: &NodeFacts) -> Vec<u8> {
    let NodeFacts {
        identity,
        vote,
        acknowledged,
        committed,
        purged,
    } = *facts;
    let mut flags = 0;
    let mut flag = |set: bool, flag: u16| flags |= if set { flag } else { 0 };
    let incarnation = identity.and_then(|identity| identity.incarnation);
    flag(identity.is_some(), HAS_IDENTITY);
    flag(incarnation.is_some(), HAS_INCARNATION);
    flag(vote.is_some(), HAS_VOTE);
    flag(vote.is_some_and(|vote| vote.committed), VOTE_COMMITTED);
    flag(acknowledged.is_some(), HAS_ACKNOWLEDGED);
    flag(committed.is_some(), HAS_COMMITTED);
    flag(purged.is_some(), HAS_PURGED);

    let mut slot = Vec::with_capacity(SLOT);
    slot.extend_from_slice(&MAGIC);
    slot.extend_from_slice(&SCHEMA.to_be_bytes());
    slot.extend_from_slice(&[0; 2]);
    let mut body = Vec::with_capacity(SLOT);
    body.extend_from_slice(&sequence.to_be_bytes());
    body.extend_from_slice(&flags.to_be_bytes());
    body.extend_from_slice(&identity.map_or(0, |i| i.node_id).to_be_bytes());
    body.extend_from_slice(&identity.map_or([0; 16], |i| i.disk));
    body.extend_from_slice(&incarnation.unwrap_or([0; 16]));
    body.extend_from_slice(&vote.map_or(0, |vote| vote.term).to_be_bytes());
    body.extend_from_slice(&vote.map_or(0, |vote| vote.node).to_be_bytes());
    put_id(&mut body, acknowledged);
    put_id(&mut body, committed);
    put_id(&mut body, purged);
    body.resize(SLOT - SUM_AT - 4, 0);
    let sum = checksum(&slot, &body);
    slot.extend_from_slice(&sum.to_be_bytes());
    slot.extend_from_slice(&body);
    slot
}

/// Reads a slot of the file at `path`.
fn decode(slot: &[u8; SLOT], path: &Path) -> Result<(u64, NodeFacts), StorageError> {
    let damaged = |detail: &str| StorageError::damaged("a slot of `node.state`", detail);
    let mut reader = Reader(slot);
    let magic = reader.take::<4>().map_err(damaged)?;
    let schema = u16::from_be_bytes(reader.take().map_err(damaged)?);
    let _zero = reader.take::<2>().map_err(damaged)?;
    let stated = u32::from_be_bytes(reader.take().map_err(damaged)?);
    if magic != MAGIC || checksum(slot.get(..SUM_AT).unwrap_or(&[]), reader.0) != stated {
        return Err(damaged("its checksum does not match"));
    }
    check_schema(path.display(), schema)?;
    let sequence = u64::from_be_bytes(reader.take().map_err(damaged)?);
    let flags = u16::from_be_bytes(reader.take().map_err(damaged)?);
    let node_id = u64::from_be_bytes(reader.take().map_err(damaged)?);
    let disk = reader.take::<16>().map_err(damaged)?;
    let incarnation = reader.take::<16>().map_err(damaged)?;
    let term = u64::from_be_bytes(reader.take().map_err(damaged)?);
    let node = u64::from_be_bytes(reader.take().map_err(damaged)?);
    let acknowledged = reader.id().map_err(damaged)?;
    let committed = reader.id().map_err(damaged)?;
    let purged = reader.id().map_err(damaged)?;
    let has = |flag: u16| flags & flag != 0;
    let present = |flag: u16, id: LogId| has(flag).then_some(id);
    Ok((
        sequence,
        NodeFacts {
            identity: has(HAS_IDENTITY).then(|| Identity {
                node_id,
                disk,
                incarnation: has(HAS_INCARNATION).then_some(incarnation),
            }),
            vote: has(HAS_VOTE).then(|| StoredVote {
                term,
                node,
                committed: has(VOTE_COMMITTED),
            }),
            acknowledged: present(HAS_ACKNOWLEDGED, acknowledged),
            committed: present(HAS_COMMITTED, committed),
            purged: present(HAS_PURGED, purged),
        },
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(mark: u64) -> NodeFacts {
        let id = |index| LogId {
            term: 4,
            node: 2,
            index,
        };
        NodeFacts {
            identity: Some(Identity {
                node_id: 7,
                disk: [8; 16],
                incarnation: Some([9; 16]),
            }),
            vote: Some(StoredVote {
                term: 5,
                node: 3,
                committed: true,
            }),
            acknowledged: Some(id(mark)),
            committed: Some(id(mark - 1)),
            purged: Some(id(1)),
        }
    }

    /// The newer whole slot counts; a torn one leaves the older.
    #[test]
    fn torn_slot_leaves_the_older_one() {
        let folder = tempfile::tempdir().expect("folder");
        let disk = Disk::default();
        let mut state = NodeState::create(folder.path(), &disk).expect("creates");
        state.save_twice(facts(5)).expect("saves");
        state.save(facts(6)).expect("saves");
        let reopened =
            || NodeState::open(folder.path(), &disk).map(|found| found.map(|s| s.facts()));
        assert_eq!(reopened(), Ok(Some(facts(6))));
        let lost = || {
            let opened = NodeState::open(folder.path(), &disk).expect("opens");
            opened.expect("is there").one_slot_lost
        };
        assert!(!lost());
        let torn = u64::from(state.next == 0) * SLOT as u64;
        state.file.write_all_at(&[0xff; 512], torn).expect("writes");
        assert_eq!(reopened(), Ok(Some(facts(5))));
        assert!(lost(), "it is told");
        state
            .file
            .write_all_at(&[0xff; 512], SLOT as u64 - torn)
            .expect("writes");
        assert!(reopened().is_err_and(|error| error.is_corruption()));
    }

    /// Every flipped bit of a slot is noticed.
    #[test]
    fn flipped_bit_is_damage() {
        let good: [u8; SLOT] = encode(3, &facts(5)).try_into().expect("is a slot");
        assert_eq!(decode(&good, Path::new(FILE)), Ok((3, facts(5))));
        for bit in 0..SLOT * 8 {
            let mut bad = good;
            bad[bit / 8] ^= 1 << (bit % 8);
            assert!(decode(&bad, Path::new(FILE)).is_err(), "bit {bit}");
        }
    }

    /// Schema 3, as it is written: these bytes must stay readable. Those of schema 1 are refused when a store is opened:
    /// `tests/it/storage_damage.rs`.
    #[test]
    fn golden_bytes_of_schema_3_decode() {
        let golden = include_bytes!("../../tests/golden/storage/node-state-slot-3.bin");
        assert_eq!(decode(golden, Path::new(FILE)), Ok((11, facts(5))));
        assert_eq!(
            encode(11, &facts(5)),
            golden,
            "schema 3 is still what is written"
        );
    }
}
