//! The one writer: takes what has gathered in the queue, makes it durable in the order that each change needs, and only
//! then acknowledges it.

use std::collections::VecDeque;
use std::fs::File;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError};

use super::engine::{flush, guard, quietly, write_identity};
use super::shared::{Append, Job, Shared};
use crate::storage::bounds::{BATCH_BYTES, MAX_QUEUED_BYTES, PURGE_STEP};
use crate::storage::disk::{Disk, Step, failed};
use crate::storage::node_state::NodeState;
use crate::storage::record;
use crate::storage::recovery::NodeFacts;
use crate::storage::{Identity, LogId, StorageError};

/// The one writer.
pub(super) struct Worker {
    pub(super) shared: Arc<Shared>,
    pub(super) db: sled::Db,
    pub(super) records: sled::Tree,
    pub(super) meta: sled::Tree,
    pub(super) db_file: File,
    pub(super) db_path: PathBuf,
    pub(super) disk: Disk,
    pub(super) state: NodeState,
    /// Records up to this index, inclusive, are purged and may still lie in sled.
    pub(super) to_remove: Option<u64>,
}

/// When what a step of a purge has removed becomes durable.
#[derive(Clone, Copy)]
enum Removal {
    /// With the sync of the append that comes next: the step costs it nothing.
    WithTheNextAppend,
    /// At once: nobody waits for the disk.
    Synced,
}

/// What the writer does next.
enum Turn {
    Appends(Vec<Append>),
    One(Job),
    RemovePurged,
    Stop,
}

impl Worker {
    pub(super) fn run(mut self) {
        loop {
            match self.next_turn() {
                Turn::Stop => break,
                Turn::RemovePurged => {
                    let removed = self.remove_purged(Removal::Synced);
                    let _ = self.shared.note_fault(removed);
                }
                Turn::Appends(appends) => self.append(appends),
                Turn::One(job) => self.one(job),
            }
        }
        // sled may panic when it goes on a disk that failed; the thread ends here either way.
        let _ = quietly(move || drop(self));
    }

    fn next_turn(&mut self) -> Turn {
        let mut inner = self.shared.lock();
        loop {
            if inner.poisoned.is_some() {
                let cause = inner.poisoned.clone().unwrap_or_default();
                let left = std::mem::take(&mut inner.queue);
                if !left.is_empty() {
                    drop(inner);
                    fail_all(left, &StorageError::Poisoned { cause });
                    inner = self.shared.lock();
                    continue;
                }
                if inner.closing {
                    return Turn::Stop;
                }
            } else if let Some(job) = inner.queue.pop_front() {
                let Job::Append(first) = job else {
                    return Turn::One(job);
                };
                let mut gathered = first.bytes;
                let mut appends = vec![first];
                while gathered < BATCH_BYTES
                    && let Some(next) = inner.pop_append()
                {
                    gathered = gathered.saturating_add(next.bytes);
                    appends.push(next);
                }
                return Turn::Appends(appends);
            } else if inner.closing {
                return Turn::Stop;
            } else if self.to_remove.is_some() {
                return Turn::RemovePurged;
            }
            inner = self
                .shared
                .wake
                .wait(inner)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Group commit. ORDER: records durable, mark raised, acknowledged.
    fn append(&mut self, appends: Vec<Append>) {
        let bytes: usize = appends.iter().map(|append| append.bytes).sum();
        let written = self
            .write_records(&appends)
            .and_then(|last| self.raise_mark(last));
        let written = self.shared.note_fault(written);
        if written.is_ok() {
            let mut inner = self.shared.lock();
            for append in &appends {
                // After a truncation that is queued behind, the same indexes may stand for records that are not durable.
                if append.truncations == inner.truncations
                    && let Some(last) = append.records.last()
                {
                    inner.durable_below = last.id.index.saturating_add(1);
                }
            }
            inner.shrink_tail();
        }
        self.shared.room.add_permits(bytes.min(MAX_QUEUED_BYTES));
        for append in appends {
            (append.done)(written.clone());
        }
        if written.is_ok() && self.to_remove.is_some() {
            let removed = self.remove_purged(Removal::WithTheNextAppend);
            let _ = self.shared.note_fault(removed);
        }
    }

    fn write_records(&mut self, appends: &[Append]) -> Result<Option<LogId>, StorageError> {
        let mut batch = sled::Batch::default();
        let mut bytes = 0usize;
        let mut last = None;
        for append in appends {
            let mut previous = append.previous;
            for record in &append.records {
                for (key, page) in record::encode(previous, record)? {
                    if bytes > 0 && bytes + page.len() > BATCH_BYTES {
                        self.write_batch(std::mem::take(&mut batch))?;
                        bytes = 0;
                    }
                    bytes += page.len();
                    batch.insert(key.as_slice(), page);
                }
                previous = Some(record.id);
                last = previous;
            }
        }
        if bytes > 0 {
            self.write_batch(batch)?;
        }
        Ok(last)
    }

    /// Makes a batch durable.
    fn write_batch(&self, batch: sled::Batch) -> Result<(), StorageError> {
        self.disk
            .step(Step::LogWrite, &self.db_path, || Ok(()))
            .map_err(|error| failed("writing", &self.db_path, &error))?;
        guard("writing the log", || self.records.apply_batch(batch))?;
        flush(&self.db)?;
        self.disk
            .sync_data(Step::LogSync, &self.db_file, &self.db_path)
    }

    fn raise_mark(&mut self, last: Option<LogId>) -> Result<(), StorageError> {
        let Some(last) = last else {
            return Ok(());
        };
        let mut facts = self.facts();
        facts.acknowledged = Some(last);
        self.state.save(facts)
    }

    /// The facts on the disk, with the newest hint.
    fn facts(&self) -> NodeFacts {
        NodeFacts {
            committed: self.shared.lock().committed,
            ..self.state.facts()
        }
    }

    fn one(&mut self, job: Job) {
        let (result, reply) = match job {
            Job::Append(Append { done, .. }) => {
                // Appends are gathered in `next_turn`.
                done(Err(StorageError::Misuse(
                    "an append out of turn".to_owned(),
                )));
                return;
            }
            Job::Truncate(last, reply) => (self.truncate_after(last), reply),
            Job::Purge(upto, reply) => (self.purge(upto), reply),
            Job::Vote(vote, reply) => {
                let mut facts = self.facts();
                facts.vote = Some(vote);
                (self.state.save_twice(facts), reply)
            }
            Job::Identity(identity, reply) => (self.bind(identity), reply),
        };
        let _ = reply.send(self.shared.note_fault(result));
    }

    /// ORDER: the mark is lowered durably before a record goes.
    fn truncate_after(&mut self, last: Option<LogId>) -> Result<(), StorageError> {
        let mut facts = self.facts();
        facts.acknowledged = facts.acknowledged.min(last).max(facts.purged);
        self.state.save_twice(facts)?;
        let from = record::page_key(last.map_or(0, |last| last.index.saturating_add(1)), 0);
        // From the end backward, so that a crash in between leaves no hole.
        loop {
            let mut batch = sled::Batch::default();
            let mut removed = 0;
            for item in self.records.range(from.as_slice()..).keys().rev() {
                let key = guard("reading the log", || item.clone())?;
                batch.remove(key);
                removed += 1;
                if removed >= PURGE_STEP {
                    break;
                }
            }
            if removed == 0 {
                return Ok(());
            }
            self.write_batch(batch)?;
        }
    }

    /// ORDER: the purge is durable in `node.state` before a record goes, so a start never misses its head.
    fn purge(&mut self, upto: LogId) -> Result<(), StorageError> {
        let mut facts = self.facts();
        facts.purged = facts.purged.max(Some(upto));
        facts.acknowledged = facts.acknowledged.max(Some(upto));
        self.state.save_twice(facts)?;
        self.to_remove = self.to_remove.max(Some(upto.index));
        Ok(())
    }

    /// Removes a few of the purged records; coming back after a crash is harmless. Never more than two steps without a
    /// sync: sled would use again what is not durable yet.
    fn remove_purged(&mut self, removal: Removal) -> Result<(), StorageError> {
        let Some(upto) = self.to_remove else {
            return Ok(());
        };
        let end = record::page_key(upto, u16::MAX);
        let (removed, batch) = guard("purging the log", || {
            let mut batch = sled::Batch::default();
            let mut removed = 0;
            for key in self
                .records
                .range(..=end.as_slice())
                .keys()
                .take(PURGE_STEP)
            {
                batch.remove(key?);
                removed += 1;
            }
            Ok((removed, batch))
        })?;
        match removal {
            Removal::WithTheNextAppend => {
                guard("purging the log", || self.records.apply_batch(batch))?;
            }
            Removal::Synced => self.write_batch(batch)?,
        }
        if removed < PURGE_STEP {
            self.to_remove = None;
        }
        Ok(())
    }

    /// ORDER: the log knows its node before `node.state` does, so a log that does not is not this node's.
    fn bind(&mut self, identity: Identity) -> Result<(), StorageError> {
        write_identity(&self.meta, identity)?;
        self.write_batch(sled::Batch::default())?;
        let mut facts = self.facts();
        facts.identity = Some(identity);
        self.state.save_twice(facts)
    }
}

fn fail_all(jobs: VecDeque<Job>, error: &StorageError) {
    for job in jobs {
        match job {
            Job::Append(append) => (append.done)(Err(error.clone())),
            Job::Truncate(_, reply)
            | Job::Purge(_, reply)
            | Job::Vote(_, reply)
            | Job::Identity(_, reply) => {
                let _ = reply.send(Err(error.clone()));
            }
        }
    }
}
