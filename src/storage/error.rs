//! What can go wrong with a node's disk, said in sentences that an operator can act upon.
//!
//! Cloneable, because one failed sync fails every append that waited for it. It never carries a payload.

use std::cmp::Ordering;
use std::{fmt, io};

use super::LogId;
use super::bounds::MAX_SNAPSHOT_EXTRA_BYTES;

/// How a node whose disk can no longer be trusted comes back.
const REJOIN: &str = "a node must not go on with less than it acknowledged: move the folder away, start with an empty \
     folder and a new node id, add the node with `grantd cluster join`, and remove the old id with `grantd cluster remove`";

/// A fault of the store. After an `Io`, `Full` or `Damaged` the store is poisoned; after a `Snapshot` it goes on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StorageError {
    /// The operating system refused a read, a write or a sync. Never retried: after a failed fsync nobody knows what
    /// is on the disk.
    #[error(
        "{doing} failed: {message}; the node stops, because after a failed write or sync nobody knows what is on the disk: check the disk and restart"
    )]
    Io {
        doing: String,
        kind: io::ErrorKind,
        message: String,
    },

    /// No space left.
    #[error(
        "the disk is full while {doing}: {message}; nothing that was acknowledged is lost: free some space and restart the node"
    )]
    Full { doing: String, message: String },

    /// A file of a snapshot could not be written or opened. Nothing that counts is touched: the log holds what the
    /// snapshot would have held, and whoever wanted one may try again.
    #[error("{doing} failed: {message}")]
    Snapshot {
        doing: String,
        kind: io::ErrorKind,
        message: String,
    },

    /// The folder cannot be used at all: nothing was read or written in it.
    #[error(
        "{doing} failed: {message}; nothing was stored there: does `data_dir` name the right folder, and may this user write in it?"
    )]
    Unusable { doing: String, message: String },

    /// What was read is not what was written.
    #[error("{what} is damaged: {detail}; {REJOIN}")]
    Damaged { what: String, detail: String },

    /// Starting, or binding to a node, is refused.
    #[error(transparent)]
    Refused(#[from] Refusal),

    /// A caller broke the contract of the store; nothing was written.
    #[error("storage was used wrongly: {0}")]
    Misuse(String),

    /// An earlier fault has closed the store.
    #[error("the storage stopped after an earlier fault: {cause}")]
    Poisoned { cause: String },

    /// The store was closed, or the simulated machine below it has crashed.
    #[error("the storage is closed")]
    Closed,
}

/// Why a node may not start on what it found.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error(
        "the folder `{folder}` is in use by another process: stop that process, or give this node a folder of its own"
    )]
    InUse { folder: String },

    #[error(
        "the folder belongs to node {found}, not to node {expected}: a folder was swapped or the configuration names the wrong node id; put the right folder back"
    )]
    OtherNode { expected: u64, found: u64 },

    #[error(
        "the folder belongs to another incarnation of the cluster ({found}, not {expected}): it must not be mixed with this one; {REJOIN}"
    )]
    OtherIncarnation { expected: String, found: String },

    #[error(
        "`node.state` is missing but the folder holds a log or a snapshot: without it the node does not know what it voted for and acknowledged; {REJOIN}"
    )]
    StateMissing,

    #[error("the log is missing but `node.state` says that the node has used one; {REJOIN}")]
    LogMissing,

    #[error("the log ends at {} but the node has acknowledged up to {acknowledged}; {REJOIN}", shown(*.found))]
    LogShort {
        acknowledged: LogId,
        found: Option<LogId>,
    },

    #[error("the log was purged up to {purged} but the newest snapshot covers only {}; {REJOIN}", shown(*.covered))]
    SnapshotMissing {
        purged: LogId,
        covered: Option<LogId>,
    },

    #[error(
        "`{file}` was written by a newer version of grantd (schema {found}, this one reads {known}): start the newer version"
    )]
    NewerSchema {
        file: String,
        found: u16,
        known: u16,
    },

    #[error(
        "`{file}` was written by an earlier build of grantd, from before the first release (schema {found}, this one reads {known}); there is no conversion: move the folder away and start with a new, empty one, or start the build that wrote it"
    )]
    EarlierSchema {
        file: String,
        found: u16,
        known: u16,
    },
}

/// The version of everything that this build writes to a disk: pages of the log, snapshots, `node.state`. It is raised
/// when one of them changes, or what is stored in them. 1 and 2: builds before the first release, whose answers or forms
/// were others.
pub(super) const SCHEMA: u16 = 3;

/// Whether this build reads what `file` says that it holds. Call it after the checksum has matched: then another schema
/// is another writer, not damage.
pub(super) fn check_schema(file: impl fmt::Display, found: u16) -> Result<(), Refusal> {
    let (file, known) = (file.to_string(), SCHEMA);
    match found.cmp(&known) {
        Ordering::Equal => Ok(()),
        Ordering::Less => Err(Refusal::EarlierSchema { file, found, known }),
        Ordering::Greater => Err(Refusal::NewerSchema { file, found, known }),
    }
}

pub(super) fn shown(id: Option<LogId>) -> String {
    id.map_or_else(|| "nothing".to_owned(), |id| id.to_string())
}

impl StorageError {
    /// True when what is on the disk is not what was acknowledged: the node cannot come back by a restart.
    pub fn is_corruption(&self) -> bool {
        match self {
            StorageError::Damaged { .. } => true,
            StorageError::Refused(refusal) => match refusal {
                Refusal::StateMissing
                | Refusal::LogMissing
                | Refusal::LogShort { .. }
                | Refusal::SnapshotMissing { .. } => true,
                Refusal::InUse { .. }
                | Refusal::OtherNode { .. }
                | Refusal::OtherIncarnation { .. }
                | Refusal::NewerSchema { .. }
                | Refusal::EarlierSchema { .. } => false,
            },
            StorageError::Io { .. }
            | StorageError::Full { .. }
            | StorageError::Snapshot { .. }
            | StorageError::Unusable { .. }
            | StorageError::Misuse(_)
            | StorageError::Poisoned { .. }
            | StorageError::Closed => false,
        }
    }

    /// An I/O error met while `doing` something (a present participle with its object).
    pub(crate) fn io(doing: impl Into<String>, error: &io::Error) -> Self {
        let doing = doing.into();
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => StorageError::Full {
                doing,
                message: error.to_string(),
            },
            kind => StorageError::Io {
                doing,
                kind,
                message: error.to_string(),
            },
        }
    }

    /// The same error where it was met on a file of a snapshot.
    pub(super) fn of_snapshot(self) -> Self {
        match self {
            StorageError::Io {
                doing,
                kind,
                message,
            } => StorageError::Snapshot {
                doing,
                kind,
                message,
            },
            StorageError::Full { doing, message } => StorageError::Snapshot {
                doing,
                kind: io::ErrorKind::StorageFull,
                message,
            },
            other => other,
        }
    }

    /// The same error where it was met before anything was read in the folder of a node.
    pub(super) fn of_folder(self) -> Self {
        match self {
            StorageError::Io { doing, message, .. } => StorageError::Unusable { doing, message },
            other => other,
        }
    }

    pub(super) fn purge_uncovered(upto: LogId, covered: Option<LogId>) -> Self {
        StorageError::Misuse(format!(
            "a purge up to {upto} while the newest snapshot covers {}",
            shown(covered)
        ))
    }

    pub(super) fn extra_too_long(bytes: usize) -> Self {
        StorageError::Misuse(format!(
            "the opaque part of a snapshot has {bytes} bytes, more than {MAX_SNAPSHOT_EXTRA_BYTES}"
        ))
    }

    pub(crate) fn damaged(what: impl Into<String>, detail: impl Into<String>) -> Self {
        StorageError::Damaged {
            what: what.into(),
            detail: detail.into(),
        }
    }
}

impl From<StorageError> for io::Error {
    fn from(error: StorageError) -> Self {
        let kind = match &error {
            StorageError::Io { kind, .. } | StorageError::Snapshot { kind, .. } => *kind,
            StorageError::Full { .. } => io::ErrorKind::StorageFull,
            StorageError::Damaged { .. } => io::ErrorKind::InvalidData,
            StorageError::Misuse(_) => io::ErrorKind::InvalidInput,
            StorageError::Refused(_)
            | StorageError::Unusable { .. }
            | StorageError::Poisoned { .. }
            | StorageError::Closed => io::ErrorKind::Other,
        };
        io::Error::new(kind, error)
    }
}
