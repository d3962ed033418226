//! What the callers and the writer thread share: the queue, the log as the callers see it, and the fault that closed
//! the store.

use std::collections::VecDeque;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Semaphore, oneshot};

use crate::storage::bounds::TAIL_BYTES;
use crate::storage::disk::Disk;
use crate::storage::log_bytes::LogBytes;
use crate::storage::snapshot::Finished;
use crate::storage::{
    Done, Identity, LogId, LogState, Record, StorageError, StoredVote, check_append,
};

/// What the callers and the writer thread share.
pub(super) struct Shared {
    pub(super) inner: Mutex<Inner>,
    pub(super) wake: Condvar,
    pub(super) room: Semaphore,
    /// For reads; taken away when the store closes, so that a forgotten snapshot stream does not keep sled open.
    pub(super) reader: Mutex<Option<sled::Tree>>,
    pub(super) snapshots: PathBuf,
    pub(super) disk: Disk,
}

pub(super) struct Inner {
    pub(super) queue: VecDeque<Job>,
    pub(super) closing: bool,
    pub(super) poisoned: Option<String>,
    /// As the callers see it: queued changes included.
    pub(super) identity: Option<Identity>,
    pub(super) vote: Option<StoredVote>,
    pub(super) committed: Option<LogId>,
    pub(super) log: LogState,
    /// The last records, without a gap up to `log.last`. Older ones are in sled, all of them durable.
    pub(super) tail: VecDeque<Record>,
    pub(super) tail_bytes: usize,
    /// How much of the log lies after an index.
    pub(super) weights: LogBytes,
    /// Everything below is durable, so it may leave the tail.
    pub(super) durable_below: u64,
    /// Counts truncations: a read of sled that crossed one is made again.
    pub(super) truncations: u64,
    pub(super) newest: Option<Finished>,
    pub(super) next_serial: u64,
}

pub(super) enum Job {
    Append(Append),
    Truncate(Option<LogId>, Reply),
    Purge(LogId, Reply),
    Vote(StoredVote, Reply),
    Identity(Identity, Reply),
}

pub(super) struct Append {
    pub(super) previous: Option<LogId>,
    pub(super) records: Vec<Record>,
    pub(super) bytes: usize,
    /// The truncations that were asked for before it.
    pub(super) truncations: u64,
    pub(super) done: Done,
}

pub(super) type Reply = oneshot::Sender<Result<(), StorageError>>;

impl Shared {
    pub(super) fn lock(&self) -> MutexGuard<'_, Inner> {
        // Only a panic of a caller's closure could poison it; the few lines under the lock leave it whole.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn reader(&self) -> Result<sled::Tree, StorageError> {
        let reader = self.reader.lock().unwrap_or_else(PoisonError::into_inner);
        reader.clone().ok_or(StorageError::Closed)
    }

    pub(super) fn poison(&self, error: &StorageError) {
        self.lock().poisoned.get_or_insert(error.to_string());
        // Whoever waits for room would wait for ever.
        self.room.close();
        self.wake.notify_one();
    }

    pub(super) fn note_fault<T>(&self, result: Result<T, StorageError>) -> Result<T, StorageError> {
        if let Err(error) = &result
            && !matches!(error, StorageError::Misuse(_))
        {
            self.poison(error);
        }
        result
    }
}

impl Inner {
    pub(super) fn alive(&self) -> Result<(), StorageError> {
        match &self.poisoned {
            Some(cause) => Err(StorageError::Poisoned {
                cause: cause.clone(),
            }),
            None if self.closing => Err(StorageError::Closed),
            None => Ok(()),
        }
    }

    pub(super) fn queue_append(
        &mut self,
        records: Vec<Record>,
        bytes: usize,
        done: Done,
    ) -> Result<(), StorageError> {
        self.alive()?;
        check_append(self.log, &records)?;
        let previous = self.log.last;
        for record in &records {
            self.log.last = Some(record.id);
            self.weights.push(record.id.index, record.payload.len());
            self.tail_bytes = self.tail_bytes.saturating_add(record.payload.len());
            self.tail.push_back(record.clone());
        }
        self.queue.push_back(Job::Append(Append {
            previous,
            records,
            bytes,
            truncations: self.truncations,
            done,
        }));
        Ok(())
    }

    pub(super) fn truncate_after(&mut self, last: Option<LogId>) {
        let from = last.map_or(0, |last| last.index.saturating_add(1));
        while self
            .tail
            .back()
            .is_some_and(|record| record.id.index >= from)
        {
            if let Some(record) = self.tail.pop_back() {
                self.tail_bytes = self.tail_bytes.saturating_sub(record.payload.len());
            }
        }
        self.weights.truncate(from);
        self.durable_below = self.durable_below.min(from);
        self.truncations += 1;
        self.log.last = self.log.last.min(last).max(self.log.purged);
    }

    pub(super) fn purge(&mut self, upto: LogId) {
        while self
            .tail
            .front()
            .is_some_and(|record| record.id.index <= upto.index)
        {
            if let Some(record) = self.tail.pop_front() {
                self.tail_bytes = self.tail_bytes.saturating_sub(record.payload.len());
            }
        }
        self.weights.purge(upto.index);
        self.log.purged = self.log.purged.max(Some(upto));
        if self.log.last.is_none_or(|last| last.index <= upto.index) {
            self.log.last = self.log.purged;
        }
    }

    /// The next job, if it is an append.
    pub(super) fn pop_append(&mut self) -> Option<Append> {
        match self.queue.pop_front()? {
            Job::Append(append) => Some(append),
            other => {
                self.queue.push_front(other);
                None
            }
        }
    }

    /// Lets durable records leave the tail.
    pub(super) fn shrink_tail(&mut self) {
        while self.tail_bytes > TAIL_BYTES
            && self
                .tail
                .front()
                .is_some_and(|record| record.id.index < self.durable_below)
        {
            if let Some(record) = self.tail.pop_front() {
                self.tail_bytes = self.tail_bytes.saturating_sub(record.payload.len());
            }
        }
    }

    /// The part of `range` that is present from its start on.
    pub(super) fn present(&self, range: &Range<u64>) -> Option<Range<u64>> {
        let last = self.log.last?;
        let first = self.log.purged.map_or(0, |purged| purged.index + 1);
        let end = range.end.min(last.index.saturating_add(1));
        (range.start >= first && range.start < end).then_some(range.start..end)
    }

    /// Reads from memory, when the range begins there.
    pub(super) fn read_tail(&self, range: &Range<u64>, max_bytes: usize) -> Option<Vec<Record>> {
        let first = self.tail.front()?.id.index;
        let from = usize::try_from(range.start.checked_sub(first)?).ok()?;
        let mut room = max_bytes;
        let mut found: Vec<Record> = Vec::new();
        for record in self.tail.iter().skip(from) {
            let fits = record.payload.len() <= room || found.is_empty();
            if record.id.index >= range.end || !fits {
                break;
            }
            room = room.saturating_sub(record.payload.len());
            found.push(record.clone());
        }
        Some(found)
    }
}
