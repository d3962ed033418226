//! What a simulated disk holds: what is durable, what is on its way, and what a running process sees of both.

use std::collections::{BTreeMap, VecDeque};
use std::io;

use bytes::Bytes;

use super::{Delay, DiskFault};
use crate::storage::recovery::{LogFacts, NodeFacts, examine};
use crate::storage::{
    Done, Identity, LogId, LogState, Record, Recovered, SnapshotMeta, StorageError, StoredVote,
};

#[derive(Default)]
pub(super) struct Platter {
    pub(super) durable: Image,
    /// What the running process sees: `durable` with `pending` applied.
    pub(super) live: Image,
    pub(super) pending: VecDeque<Pending>,
    pub(super) pending_bytes: usize,
    pub(super) flusher_runs: bool,
    /// Counts opens and crashes: a handle of an earlier life can do nothing any more.
    pub(super) life: u64,
    pub(super) in_use: bool,
    pub(super) fault: Option<DiskFault>,
    pub(super) poisoned: Option<String>,
    pub(super) delay: Option<Delay>,
}

#[derive(Clone, Default)]
pub(super) struct Image {
    pub(super) node: NodeFacts,
    pub(super) log: BTreeMap<u64, Record>,
    pub(super) snapshots: Vec<(SnapshotMeta, Bytes)>,
}

pub(super) struct Pending {
    pub(super) change: Change,
    pub(super) done: Done,
}

/// One write, as it is queued.
#[derive(Clone)]
pub(super) enum Change {
    Append(Vec<Record>),
    Truncate(Option<LogId>),
    Purge(LogId),
    Vote(StoredVote),
    Identity(Identity),
    Snapshot(SnapshotMeta, Bytes),
}

impl Change {
    pub(super) fn bytes(&self) -> usize {
        match self {
            Change::Append(records) => records.iter().map(|r| r.payload.len() + 64).sum(),
            Change::Snapshot(meta, content) => meta.extra.len() + content.len(),
            Change::Truncate(_) | Change::Purge(_) | Change::Vote(_) | Change::Identity(_) => 4096,
        }
    }
}

impl Image {
    pub(super) fn apply(&mut self, change: &Change) {
        match change {
            Change::Append(records) => {
                self.node.acknowledged = records
                    .last()
                    .map(|last| last.id)
                    .or(self.node.acknowledged);
                self.keep(records);
            }
            Change::Truncate(last) => {
                self.node.acknowledged = self.node.acknowledged.min(*last);
                match last {
                    None => self.log.clear(),
                    Some(last) => {
                        self.log.retain(|index, _| *index <= last.index);
                    }
                }
            }
            Change::Purge(upto) => {
                self.node.purged = self.node.purged.max(Some(*upto));
                self.log.retain(|index, _| *index > upto.index);
            }
            Change::Vote(vote) => self.node.vote = Some(*vote),
            Change::Identity(identity) => self.node.identity = Some(*identity),
            Change::Snapshot(meta, content) => {
                self.snapshots.retain(|(old, _)| old.last != meta.last);
                self.snapshots.push((meta.clone(), content.clone()));
                self.snapshots.sort_by_key(|(meta, _)| meta.last);
                while self.snapshots.len() > 2 {
                    self.snapshots.remove(0);
                }
            }
        }
    }

    /// Keeps records without raising the mark: an append that was torn by a crash.
    pub(super) fn keep(&mut self, records: &[Record]) {
        for record in records {
            self.log.insert(record.id.index, record.clone());
        }
    }

    pub(super) fn newest(&self) -> Option<&(SnapshotMeta, Bytes)> {
        self.snapshots.last()
    }

    pub(super) fn log_state(&self) -> LogState {
        LogState {
            purged: self.node.purged,
            last: self
                .log
                .values()
                .next_back()
                .map(|record| record.id)
                .or(self.node.purged),
        }
    }

    pub(super) fn recover(&self, expected_node: Option<u64>) -> Result<Recovered, StorageError> {
        let first = self.log.values().next().map(|record| record.id);
        let log = LogFacts {
            // The map keeps no log id before a record: contiguity with the purge is what it can say.
            before_first: self
                .node
                .purged
                .filter(|purged| first.is_some_and(|first| first.index == purged.index + 1)),
            first,
            last: self.log.values().next_back().map(|record| record.id),
            at_mark: self
                .node
                .acknowledged
                .and_then(|mark| self.log.get(&mark.index))
                .map(|record| record.id),
        };
        examine(
            &self.node,
            &log,
            self.newest().map(|(meta, _)| meta),
            expected_node,
        )
    }
}

impl Platter {
    pub(super) fn alive(&self, life: u64) -> Result<(), StorageError> {
        if self.life != life {
            return Err(StorageError::Closed);
        }
        match &self.poisoned {
            None => Ok(()),
            Some(cause) => Err(StorageError::Poisoned {
                cause: cause.clone(),
            }),
        }
    }

    /// Whether a snapshot may be written.
    pub(super) fn room_for_snapshot(&self, life: u64) -> Result<(), StorageError> {
        self.alive(life)?;
        match self.fault {
            Some(DiskFault::NoRoomForSnapshots) => Err(StorageError::io(
                "writing a snapshot on the simulated disk",
                &io::Error::from(io::ErrorKind::StorageFull),
            )
            .of_snapshot()),
            None | Some(DiskFault::Full | DiskFault::Io) => Ok(()),
        }
    }

    /// Makes the oldest pending write durable, or fails it and everything after it.
    pub(super) fn settle_one(&mut self) -> Vec<(Done, Result<(), StorageError>)> {
        let fault = match self.fault {
            None | Some(DiskFault::NoRoomForSnapshots) => None,
            Some(DiskFault::Full) => Some(io::Error::from(io::ErrorKind::StorageFull)),
            Some(DiskFault::Io) => Some(io::Error::other("injected fault")),
        };
        if let Some(fault) = fault {
            let error = StorageError::io("writing the simulated disk", &fault);
            self.poisoned = Some(error.to_string());
            self.pending_bytes = 0;
            return self
                .pending
                .drain(..)
                .map(|pending| (pending.done, Err(error.clone())))
                .collect();
        }
        match self.pending.pop_front() {
            None => Vec::new(),
            Some(pending) => {
                self.pending_bytes = self.pending_bytes.saturating_sub(pending.change.bytes());
                self.durable.apply(&pending.change);
                // The hint goes along with the next write, as it does on a real disk.
                self.durable.node.committed = self.live.node.committed;
                vec![(pending.done, Ok(()))]
            }
        }
    }
}
