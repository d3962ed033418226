//! What a node keeps on its disk: the replicated log, its vote, `node.state` and snapshots.
//!
//! The trait is narrow so that another engine can take sled's place. Payloads are opaque bytes: this module knows
//! nothing of commands, membership or openraft. It may import `domain::ids` and `env`; it never decides anything
//! about consensus, never reads a clock, and never acknowledges what a power loss could take back.
//!
//! Reading order: this file (the contract), `recovery` (when a node may start), `node_state`, `record`, `snapshot`,
//! `sled_log`, `memory`.

mod bounds;
mod disk;
mod error;
mod log_bytes;
pub mod memory;
mod node_state;
mod record;
mod recovery;
mod sled_log;
mod snapshot;

pub use bounds::{
    MAX_APPEND_RECORDS, MAX_QUEUED_BYTES, MAX_READ_BYTES, MAX_RECORD_BYTES,
    MAX_SNAPSHOT_EXTRA_BYTES,
};
pub use disk::{Probe, Step};
pub use error::{Refusal, StorageError};
pub use memory::{MemoryDisk, MemoryStorage};
pub use sled_log::{SledOptions, SledStorage};

use std::io::{Read, Write};
use std::ops::Range;

use async_trait::async_trait;
use bytes::Bytes;
use tokio::sync::watch;

/// What a store keeps until it has let go of everything else: its last field.
#[derive(Debug)]
struct Hold(watch::Sender<()>);

impl Hold {
    fn new() -> Self {
        Self(watch::Sender::new(()))
    }

    fn let_go(&self) -> LetGo {
        LetGo(self.0.subscribe())
    }
}

/// Tells when a store has let go of its folder.
#[derive(Debug)]
pub struct LetGo(watch::Receiver<()>);

impl LetGo {
    /// Returns once the store is dropped and holds no file and no lock any more.
    pub async fn wait(mut self) {
        // Nothing is ever sent: it changes by ending.
        while self.0.changed().await.is_ok() {}
    }
}

/// Where a record stands in the replicated log. Ordered as Raft orders log ids: term, then the leader, then index.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LogId {
    /// Term of the leader that proposed the record.
    pub term: u64,
    /// Node id of that leader.
    pub node: u64,
    /// Position in the log, from 0.
    pub index: u64,
}

impl std::fmt::Display for LogId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}-{}.{}", self.term, self.node, self.index)
    }
}

/// One record of the replicated log. The payload is opaque here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    pub id: LogId,
    pub payload: Bytes,
}

/// The Raft vote: whom this node last voted for, and whether a quorum did too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoredVote {
    pub term: u64,
    pub node: u64,
    pub committed: bool,
}

/// Who this folder belongs to. Written once, before the node takes part in anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    pub node_id: u64,
    /// Which disk this is, drawn at random when the folder is first used: a node id belongs to one disk, so that an
    /// empty folder under an id that was given before is told from the one that had it.
    pub disk: [u8; 16],
    /// The incarnation of the cluster; `None` until the node was initialized or has joined.
    pub incarnation: Option<[u8; 16]>,
}

/// First and last of the log that is present.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LogState {
    /// Everything up to here, inclusive, was purged; a snapshot covers it.
    pub purged: Option<LogId>,
    /// The last record, or `purged` when there is none after it.
    pub last: Option<LogId>,
}

/// What a snapshot is of. `extra` is opaque (the replica keeps the membership there).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnapshotMeta {
    /// The last log id that the snapshot contains; `None` for the empty state.
    pub last: Option<LogId>,
    /// At most [`MAX_SNAPSHOT_EXTRA_BYTES`].
    pub extra: Bytes,
}

/// What opening a store found. It is taken once, when the node starts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recovered {
    /// `None`: this folder has never belonged to a node. A folder that somebody emptied looks the same; such a node is
    /// uninitialized and knows no one, so it takes part in nothing until it was told to join, under a new node id.
    pub identity: Option<Identity>,
    pub vote: Option<StoredVote>,
    /// A hint: at least this much was committed. Never beyond `log.last`.
    pub committed: Option<LogId>,
    pub log: LogState,
    /// The highest log id that counts as durable, everything found included. What an earlier life acknowledged is never
    /// beyond it, or the start is refused.
    pub acknowledged: Option<LogId>,
    pub snapshot: Option<SnapshotMeta>,
    /// Damage that was found and, because everything is kept twice, mended: a sentence for the operator.
    pub mended: Option<String>,
}

impl Recovered {
    /// True when nothing was ever stored here: the node must be initialized, or must join.
    pub fn is_new(&self) -> bool {
        self.identity.is_none()
            && self.vote.is_none()
            && self.log == LogState::default()
            && self.snapshot.is_none()
    }
}

/// Runs once, when the records of one append are durable, or have failed to become so. It must not block.
pub type Done = Box<dyn FnOnce(Result<(), StorageError>) + Send + 'static>;

/// The store of one node. Calls that write (append, truncate, purge, vote, identity) take effect in the order in
/// which they were made. After the first I/O error every later call fails with [`StorageError::Poisoned`].
#[async_trait]
pub trait Storage: Send + Sync + 'static {
    /// What opening found.
    fn recovered(&self) -> Recovered;

    /// Tells when the store, once dropped, has let go of its folder: then it can be opened again.
    fn let_go(&self) -> LetGo;

    /// Binds the store to a node, and later to an incarnation. Durable when it returns. The same identity again is
    /// fine.
    ///
    /// # Errors
    /// [`StorageError::Refused`] when the store belongs to another node or incarnation already.
    async fn save_identity(&self, identity: Identity) -> Result<(), StorageError>;

    /// The identity saved last.
    fn identity(&self) -> Option<Identity>;

    /// Saves the vote. Durable when it returns.
    async fn save_vote(&self, vote: StoredVote) -> Result<(), StorageError>;

    /// The vote saved last.
    fn vote(&self) -> Option<StoredVote>;

    /// Notes how far the log is committed. A hint: it reaches the disk with a later write, or not at all.
    fn note_committed(&self, committed: Option<LogId>);

    /// The hint noted last.
    fn committed(&self) -> Option<LogId>;

    /// First and last of the log, queued records included.
    fn log_state(&self) -> LogState;

    /// About how many bytes the records after `index` take on the disk, queued ones included: never fewer than their
    /// payloads, and seldom those of more than some dozens of records more.
    fn log_bytes_after(&self, index: u64) -> u64;

    /// Queues records. They are readable when this returns; `done` runs once they are durable. Waits when too much is
    /// queued already.
    ///
    /// # Errors
    /// [`StorageError::Misuse`] when the records do not follow the log without a gap or exceed the bounds; `done` is
    /// then not called.
    async fn append(&self, records: Vec<Record>, done: Done) -> Result<(), StorageError>;

    /// Removes everything after `last`. Durable when it returns.
    async fn truncate_after(&self, last: Option<LogId>) -> Result<(), StorageError>;

    /// Removes everything up to `upto`, inclusive, which may lie beyond the log's end. The removal itself goes on in
    /// the background, in small steps.
    ///
    /// # Errors
    /// [`StorageError::Misuse`] when no durable snapshot covers `upto`.
    async fn purge(&self, upto: LogId) -> Result<(), StorageError>;

    /// Records of `range` that are present, from its start on and without a gap, as many as fit in `max_bytes` (capped
    /// by [`MAX_READ_BYTES`]) but at least one if there is one.
    async fn read(&self, range: Range<u64>, max_bytes: usize) -> Result<Vec<Record>, StorageError>;

    /// Starts a new snapshot. It counts for nothing until [`SnapshotSink::finish`] has returned; dropped before, it
    /// leaves nothing behind.
    ///
    /// # Errors
    /// [`StorageError::Snapshot`] when there is no room for it, or the disk refuses: here, at any write, and at
    /// `finish`. The store goes on then, and another may be tried.
    async fn create_snapshot(
        &self,
        meta: SnapshotMeta,
    ) -> Result<Box<dyn SnapshotSink>, StorageError>;

    /// The newest finished snapshot.
    fn snapshot(&self) -> Option<SnapshotMeta>;

    /// Bytes of its content; zero when there is none.
    fn snapshot_bytes(&self) -> u64;

    /// Opens the newest finished snapshot. Every byte is verified as it is read: damage shows as an error of kind
    /// `InvalidData`, never as other bytes or an early end.
    async fn open_snapshot(&self) -> Result<Option<SnapshotSource>, StorageError>;
}

/// A snapshot being written. Writing may block: do it on a thread that may.
#[async_trait]
pub trait SnapshotSink: Write + Send {
    /// Ends the content and makes it durable, under a name that counts for nothing yet. All that a full disk can refuse
    /// is refused here or before. Nothing may be written afterwards.
    ///
    /// # Errors
    /// [`StorageError::Snapshot`]; the sink is of no use any more.
    async fn seal(&mut self) -> Result<(), StorageError>;

    /// Makes the snapshot durable, and the newest unless a newer one is there already.
    async fn finish(self: Box<Self>) -> Result<SnapshotMeta, StorageError>;
}

/// A snapshot being read. Reading may block: do it on a thread that may.
pub struct SnapshotSource {
    pub meta: SnapshotMeta,
    /// Length of the content.
    pub bytes: u64,
    pub content: Box<dyn Read + Send>,
}

impl Identity {
    /// Whether a store bound to `self` may be bound to `next`: the same node on the same disk, and the same incarnation
    /// once it has one.
    fn admits(&self, next: &Identity) -> Result<(), StorageError> {
        if self.node_id != next.node_id {
            return Err(Refusal::OtherNode {
                expected: next.node_id,
                found: self.node_id,
            }
            .into());
        }
        if self.disk != next.disk {
            return Err(StorageError::Misuse(
                "a folder keeps the disk id that it was given first".to_owned(),
            ));
        }
        match (self.incarnation, next.incarnation) {
            (Some(found), expected) if expected != Some(found) => Err(Refusal::OtherIncarnation {
                expected: expected.map_or_else(|| "none".to_owned(), hex),
                found: hex(found),
            }
            .into()),
            _ => Ok(()),
        }
    }
}

fn hex(bytes: [u8; 16]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Whether `records` may be appended to a log in that state: within the bounds, and without a gap.
fn check_append(log: LogState, records: &[Record]) -> Result<(), StorageError> {
    if records.len() > MAX_APPEND_RECORDS {
        return Err(StorageError::Misuse(format!(
            "an append of {} records, more than {MAX_APPEND_RECORDS}",
            records.len()
        )));
    }
    let mut last = log.last;
    for record in records {
        let expected = match last {
            None => Some(0),
            Some(last) => last.index.checked_add(1),
        };
        if expected != Some(record.id.index) {
            return Err(StorageError::Misuse(format!(
                "an append of {} after {}",
                record.id,
                error::shown(last)
            )));
        }
        if record.payload.len() > MAX_RECORD_BYTES {
            return Err(StorageError::Misuse(format!(
                "record {} has {} bytes, more than {MAX_RECORD_BYTES}",
                record.id,
                record.payload.len()
            )));
        }
        last = Some(record.id);
    }
    Ok(())
}
