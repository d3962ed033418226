//! The store on a real disk: sled for the log, `node.state` and snapshot files beside it, one writer thread.
//!
//! The writer takes what has gathered in its queue, writes it as one batch, flushes sled, calls `fdatasync` on sled's
//! `db` file itself (sled's own flush only calls `sync_file_range`, which a power loss undoes), raises the mark in
//! `node.state`, and only then acknowledges all of it (group commit). Readers see queued records at once, from a tail
//! kept in memory. Any fault closes the store for good. This is the only file that names sled; openraft knows nothing
//! of it, and it knows nothing of openraft.

use std::collections::VecDeque;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use async_trait::async_trait;
use tokio::sync::{Semaphore, oneshot};

use super::bounds::{
    BATCH_BYTES, ENGINE_CACHE_BYTES, ENGINE_LOCK_ATTEMPTS, ENGINE_LOCK_WAIT, MAX_QUEUED_BYTES,
    MAX_READ_BYTES, MAX_SNAPSHOT_EXTRA_BYTES, PURGE_STEP, SEGMENT_BYTES, TAIL_BYTES,
};
use super::disk::{Disk, Probe, Step, failed};
use super::node_state::{self, NodeState};
use super::record::{self, Assembler};
use super::recovery::{LogFacts, NodeFacts, examine};
use super::snapshot::{self, Finished};
use super::{
    Done, Hold, Identity, LetGo, LogId, LogState, Record, Recovered, Refusal, SnapshotMeta,
    SnapshotSink, SnapshotSource, Storage, StorageError, StoredVote, check_append,
};

const LOG_FOLDER: &str = "log";
const LOCK_FILE: &str = "lock";
const RECORDS: &str = "records";
const META: &str = "meta";
const META_IDENTITY: &str = "identity";

/// How to open a store.
#[derive(Clone, Default)]
pub struct SledOptions {
    /// The node id of the configuration: a folder of another node is refused.
    pub expected_node: Option<u64>,
    /// Watches the steps on the disk, or makes one fail. `None` in production.
    pub probe: Option<Arc<dyn Probe>>,
}

/// The store of one node in one folder. Dropping it finishes what is queued, stops the writer and unlocks the folder.
pub struct SledStorage {
    shared: Arc<Shared>,
    recovered: Recovered,
    writer: Option<JoinHandle<()>>,
    // Held for the life of the store; released last, and then told.
    _lock: File,
    hold: Hold,
}

/// What the callers and the writer thread share.
struct Shared {
    inner: Mutex<Inner>,
    wake: Condvar,
    room: Semaphore,
    /// For reads; taken away when the store closes, so that a forgotten snapshot stream does not keep sled open.
    reader: Mutex<Option<sled::Tree>>,
    snapshots: PathBuf,
    disk: Disk,
}

struct Inner {
    queue: VecDeque<Job>,
    closing: bool,
    poisoned: Option<String>,
    /// As the callers see it: queued changes included.
    identity: Option<Identity>,
    vote: Option<StoredVote>,
    committed: Option<LogId>,
    log: LogState,
    /// The last records, without a gap up to `log.last`. Older ones are in sled, all of them durable.
    tail: VecDeque<Record>,
    tail_bytes: usize,
    /// Everything below is durable, so it may leave the tail.
    durable_below: u64,
    /// Counts truncations: a read of sled that crossed one is made again.
    truncations: u64,
    newest: Option<Finished>,
    next_serial: u64,
}

enum Job {
    Append(Append),
    Truncate(Option<LogId>, Reply),
    Purge(LogId, Reply),
    Vote(StoredVote, Reply),
    Identity(Identity, Reply),
}

struct Append {
    previous: Option<LogId>,
    records: Vec<Record>,
    bytes: usize,
    /// The truncations that were asked for before it.
    truncations: u64,
    done: Done,
}

type Reply = oneshot::Sender<Result<(), StorageError>>;

impl SledStorage {
    /// Opens the store of a node, or creates it in a folder that is empty or not there. Blocks; call it where that is
    /// allowed. Everything that it reports is verified and durable.
    ///
    /// # Errors
    /// [`StorageError::Refused`] or [`StorageError::Damaged`] when the node must not start on what is there.
    pub fn open(folder: impl AsRef<Path>, options: SledOptions) -> Result<Self, StorageError> {
        let folder = folder.as_ref();
        let disk = Disk {
            probe: options.probe,
        };
        create_folder(folder, &disk)?;
        let lock = lock(folder)?;
        node_state::remove_temporary(folder)?;
        let log_folder = folder.join(LOG_FOLDER);
        let snapshots = folder.join(snapshot::FOLDER);

        let mut state = match NodeState::open(folder, &disk)? {
            Some(state) => state,
            None if log_folder.exists() || snapshot::any(&snapshots)? => {
                return Err(Refusal::StateMissing.into());
            }
            None => NodeState::create(folder, &disk)?,
        };
        let mut facts = state.facts();
        let unused = facts == NodeFacts::default();
        let log_is_there = log_folder.join("db").exists() && log_folder.join("conf").exists();
        if !unused && !log_is_there {
            return Err(Refusal::LogMissing.into());
        }
        create_plain_folder(&snapshots)?;
        let db = match open_engine(&log_folder) {
            // Nothing was stored yet: an interrupted creation is begun again.
            Err(_) if unused => {
                fs::remove_dir_all(&log_folder)
                    .map_err(|error| failed("removing", &log_folder, &error))?;
                open_engine(&log_folder)?
            }
            opened => opened?,
        };
        let (records, meta) = guard("opening the log", || {
            Ok((db.open_tree(RECORDS)?, db.open_tree(META)?))
        })?;
        check_bound(&meta, &facts)?;

        let newest = snapshot::recover(&snapshots)?;
        let mut tail = Tail::default();
        let found = scan(&records, &facts, &mut tail)?;
        let recovered = examine(
            &facts,
            &found,
            newest.as_ref().map(|newest| &newest.meta),
            options.expected_node,
        )?;

        // What was found may be in a page cache alone: after a killed process, for example. From here on it counts, so
        // it is made durable, the names included, before the mark says so.
        let db_path = log_folder.join("db");
        let db_file = File::open(&db_path).map_err(|error| failed("opening", &db_path, &error))?;
        remove_torn_end(&records, &recovered)?;
        flush(&db)?;
        sync_engine_files(&disk, &log_folder)?;
        disk.sync_data(Step::LogSync, &db_file, &db_path)?;
        disk.sync_folder(Step::LogFolderSync, &log_folder)?;
        if let Some(newest) = &newest {
            let file = File::open(&newest.path)
                .map_err(|error| failed("opening", &newest.path, &error))?;
            disk.sync_all(Step::SnapshotSync, &file, &newest.path)?;
        }
        disk.sync_folder(Step::SnapshotFolderSync, &snapshots)?;
        disk.sync_folder(Step::NodeFolderSync, folder)?;
        facts.acknowledged = recovered.acknowledged;
        facts.committed = recovered.committed;
        state.save_twice(facts)?;

        let shared = Arc::new(Shared {
            inner: Mutex::new(Inner {
                queue: VecDeque::new(),
                closing: false,
                poisoned: None,
                identity: recovered.identity,
                vote: recovered.vote,
                committed: recovered.committed,
                log: recovered.log,
                tail: tail.records,
                tail_bytes: tail.bytes,
                durable_below: recovered.log.last.map_or(0, |last| last.index + 1),
                truncations: 0,
                newest,
                next_serial: 0,
            }),
            wake: Condvar::new(),
            room: Semaphore::new(MAX_QUEUED_BYTES),
            reader: Mutex::new(Some(records.clone())),
            snapshots,
            disk: disk.clone(),
        });
        let worker = Worker {
            shared: shared.clone(),
            db,
            records,
            meta,
            db_file,
            db_path,
            disk,
            state,
            to_remove: facts.purged.map(|purged| purged.index),
        };
        let writer = std::thread::Builder::new()
            .name("storage".to_owned())
            .spawn(move || worker.run())
            .map_err(|error| StorageError::io("starting the writer thread", &error))?;
        Ok(SledStorage {
            shared,
            recovered,
            writer: Some(writer),
            _lock: lock,
            hold: Hold::new(),
        })
    }

    async fn submit(
        &self,
        job: impl FnOnce(&mut Inner, Reply) -> Result<Job, StorageError>,
    ) -> Result<(), StorageError> {
        let (tell, told) = oneshot::channel();
        {
            let mut inner = self.shared.lock();
            inner.alive()?;
            let job = job(&mut inner, tell)?;
            inner.queue.push_back(job);
        }
        self.shared.wake.notify_one();
        told.await.unwrap_or(Err(StorageError::Closed))
    }
}

impl Drop for SledStorage {
    fn drop(&mut self) {
        self.shared.lock().closing = true;
        self.shared.wake.notify_one();
        if let Some(writer) = self.writer.take() {
            // The writer catches what sled panics with; there is nobody left to tell.
            let _ = writer.join();
        }
        let reader = self
            .shared
            .reader
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        // sled writes a little when its last handle goes; it may panic on a disk that failed.
        let _ = catch_unwind(AssertUnwindSafe(move || drop(reader)));
    }
}

#[async_trait]
impl Storage for SledStorage {
    fn recovered(&self) -> Recovered {
        self.recovered.clone()
    }

    fn let_go(&self) -> LetGo {
        self.hold.let_go()
    }

    async fn save_identity(&self, identity: Identity) -> Result<(), StorageError> {
        self.submit(|inner, reply| {
            if let Some(bound) = inner.identity {
                bound.admits(&identity)?;
            }
            inner.identity = Some(identity);
            Ok(Job::Identity(identity, reply))
        })
        .await
    }

    fn identity(&self) -> Option<Identity> {
        self.shared.lock().identity
    }

    async fn save_vote(&self, vote: StoredVote) -> Result<(), StorageError> {
        self.submit(|inner, reply| {
            inner.vote = Some(vote);
            Ok(Job::Vote(vote, reply))
        })
        .await
    }

    fn vote(&self) -> Option<StoredVote> {
        self.shared.lock().vote
    }

    fn note_committed(&self, committed: Option<LogId>) {
        self.shared.lock().committed = committed;
    }

    fn committed(&self) -> Option<LogId> {
        self.shared.lock().committed
    }

    fn log_state(&self) -> LogState {
        self.shared.lock().log
    }

    async fn append(&self, records: Vec<Record>, done: Done) -> Result<(), StorageError> {
        let bytes: usize = records
            .iter()
            .map(|record| record.payload.len() + 128)
            .sum();
        let permits = u32::try_from(bytes.min(MAX_QUEUED_BYTES)).unwrap_or(u32::MAX);
        match self.shared.room.acquire_many(permits).await {
            Ok(room) => room.forget(),
            Err(_) => {
                // Closed by a fault.
                self.shared.lock().alive()?;
                return Err(StorageError::Closed);
            }
        }
        let queued = self.shared.lock().queue_append(records, bytes, done);
        match queued {
            Ok(()) => {
                self.shared.wake.notify_one();
                Ok(())
            }
            Err(error) => {
                self.shared.room.add_permits(permits as usize);
                Err(error)
            }
        }
    }

    async fn truncate_after(&self, last: Option<LogId>) -> Result<(), StorageError> {
        self.submit(|inner, reply| {
            inner.truncate_after(last);
            Ok(Job::Truncate(last, reply))
        })
        .await
    }

    async fn purge(&self, upto: LogId) -> Result<(), StorageError> {
        self.submit(|inner, reply| {
            let covered = inner.newest.as_ref().and_then(|newest| newest.meta.last);
            if covered.is_none_or(|covered| covered.index < upto.index) {
                return Err(StorageError::purge_uncovered(upto, covered));
            }
            inner.purge(upto);
            Ok(Job::Purge(upto, reply))
        })
        .await
    }

    async fn read(&self, range: Range<u64>, max_bytes: usize) -> Result<Vec<Record>, StorageError> {
        let max_bytes = max_bytes.min(MAX_READ_BYTES);
        loop {
            let (range, truncations) = {
                let inner = self.shared.lock();
                inner.alive()?;
                let Some(range) = inner.present(&range) else {
                    return Ok(Vec::new());
                };
                if let Some(found) = inner.read_tail(&range, max_bytes) {
                    return Ok(found);
                }
                (range, inner.truncations)
            };
            let reader = self.shared.reader();
            let wanted = range.clone();
            let found = blocking(move || read_engine(&reader?, wanted, max_bytes)).await;
            let inner = self.shared.lock();
            inner.alive()?;
            let crossed = inner.truncations != truncations
                || inner
                    .log
                    .purged
                    .is_some_and(|purged| purged.index >= range.start);
            match found {
                _ if crossed => {}
                Ok(found) if found.is_empty() => {
                    let error = StorageError::damaged(
                        "the log",
                        format!("record {} is not there any more", range.start),
                    );
                    drop(inner);
                    self.shared.poison(&error);
                    return Err(error);
                }
                Ok(found) => return Ok(found),
                Err(error) => {
                    drop(inner);
                    self.shared.poison(&error);
                    return Err(error);
                }
            }
        }
    }

    async fn create_snapshot(
        &self,
        meta: SnapshotMeta,
    ) -> Result<Box<dyn SnapshotSink>, StorageError> {
        if meta.extra.len() > MAX_SNAPSHOT_EXTRA_BYTES {
            return Err(StorageError::extra_too_long(meta.extra.len()));
        }
        let serial = {
            let mut inner = self.shared.lock();
            inner.alive()?;
            inner.next_serial += 1;
            inner.next_serial
        };
        let shared = self.shared.clone();
        blocking(move || {
            let created = snapshot::Writer::create(&shared.snapshots, &shared.disk, meta, serial);
            let writer = shared.note_fault(created)?;
            let sink: Box<dyn SnapshotSink> = Box::new(Sink { shared, writer });
            Ok(sink)
        })
        .await
    }

    fn snapshot(&self) -> Option<SnapshotMeta> {
        let inner = self.shared.lock();
        inner.newest.as_ref().map(|newest| newest.meta.clone())
    }

    async fn open_snapshot(&self) -> Result<Option<SnapshotSource>, StorageError> {
        let shared = self.shared.clone();
        blocking(move || {
            // The lock is held while the file is opened: a snapshot that just became surplus is still there.
            let inner = shared.lock();
            inner.alive()?;
            let Some(newest) = &inner.newest else {
                return Ok(None);
            };
            let content = snapshot::open(&newest.path)?;
            Ok(Some(SnapshotSource {
                meta: newest.meta.clone(),
                bytes: newest.bytes,
                content: Box::new(content) as Box<dyn Read + Send>,
            }))
        })
        .await
    }
}

struct Sink {
    shared: Arc<Shared>,
    writer: snapshot::Writer,
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.shared.lock().alive()?;
        self.writer.write(bytes).map_err(|error| {
            let error = StorageError::io("writing a snapshot", &error);
            self.shared.poison(&error);
            io::Error::from(error)
        })
    }

    fn flush(&mut self) -> io::Result<()> {
        self.writer.flush()
    }
}

#[async_trait]
impl SnapshotSink for Sink {
    async fn finish(self: Box<Self>) -> Result<SnapshotMeta, StorageError> {
        blocking(move || {
            let Sink { shared, writer } = *self;
            shared.lock().alive()?;
            let finished = shared.note_fault(writer.finish())?;
            let mut inner = shared.lock();
            let meta = finished.meta.clone();
            if inner
                .newest
                .as_ref()
                .is_none_or(|newest| newest.meta.last <= meta.last)
            {
                inner.newest = Some(finished);
            }
            Ok(meta)
        })
        .await
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Only a panic of a caller's closure could poison it; the few lines under the lock leave it whole.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn reader(&self) -> Result<sled::Tree, StorageError> {
        let reader = self.reader.lock().unwrap_or_else(PoisonError::into_inner);
        reader.clone().ok_or(StorageError::Closed)
    }

    fn poison(&self, error: &StorageError) {
        self.lock().poisoned.get_or_insert(error.to_string());
        // Whoever waits for room would wait for ever.
        self.room.close();
        self.wake.notify_one();
    }

    fn note_fault<T>(&self, result: Result<T, StorageError>) -> Result<T, StorageError> {
        if let Err(error) = &result
            && !matches!(error, StorageError::Misuse(_))
        {
            self.poison(error);
        }
        result
    }
}

impl Inner {
    fn alive(&self) -> Result<(), StorageError> {
        match &self.poisoned {
            Some(cause) => Err(StorageError::Poisoned {
                cause: cause.clone(),
            }),
            None if self.closing => Err(StorageError::Closed),
            None => Ok(()),
        }
    }

    fn queue_append(
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

    fn truncate_after(&mut self, last: Option<LogId>) {
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
        self.durable_below = self.durable_below.min(from);
        self.truncations += 1;
        self.log.last = self.log.last.min(last).max(self.log.purged);
    }

    fn purge(&mut self, upto: LogId) {
        while self
            .tail
            .front()
            .is_some_and(|record| record.id.index <= upto.index)
        {
            if let Some(record) = self.tail.pop_front() {
                self.tail_bytes = self.tail_bytes.saturating_sub(record.payload.len());
            }
        }
        self.log.purged = self.log.purged.max(Some(upto));
        if self.log.last.is_none_or(|last| last.index <= upto.index) {
            self.log.last = self.log.purged;
        }
    }

    /// The next job, if it is an append.
    fn pop_append(&mut self) -> Option<Append> {
        match self.queue.pop_front()? {
            Job::Append(append) => Some(append),
            other => {
                self.queue.push_front(other);
                None
            }
        }
    }

    /// Lets durable records leave the tail.
    fn shrink_tail(&mut self) {
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
    fn present(&self, range: &Range<u64>) -> Option<Range<u64>> {
        let last = self.log.last?;
        let first = self.log.purged.map_or(0, |purged| purged.index + 1);
        let end = range.end.min(last.index.saturating_add(1));
        (range.start >= first && range.start < end).then_some(range.start..end)
    }

    /// Reads from memory, when the range begins there.
    fn read_tail(&self, range: &Range<u64>, max_bytes: usize) -> Option<Vec<Record>> {
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

/// The one writer.
struct Worker {
    shared: Arc<Shared>,
    db: sled::Db,
    records: sled::Tree,
    meta: sled::Tree,
    db_file: File,
    db_path: PathBuf,
    disk: Disk,
    state: NodeState,
    /// Records up to this index, inclusive, are purged and may still lie in sled.
    to_remove: Option<u64>,
}

/// What the writer does next.
enum Turn {
    Appends(Vec<Append>),
    One(Job),
    RemovePurged,
    Stop,
}

impl Worker {
    fn run(mut self) {
        loop {
            match self.next_turn() {
                Turn::Stop => break,
                Turn::RemovePurged => {
                    let removed = self.remove_purged();
                    let _ = self.shared.note_fault(removed);
                }
                Turn::Appends(appends) => self.append(appends),
                Turn::One(job) => self.one(job),
            }
        }
        // sled may panic when it goes on a disk that failed; the thread ends here either way.
        let _ = catch_unwind(AssertUnwindSafe(move || drop(self)));
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
            let removed = self.remove_purged();
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

    /// Removes a few of the purged records. They become durable with the next batch; coming back is harmless.
    fn remove_purged(&mut self) -> Result<(), StorageError> {
        let Some(upto) = self.to_remove else {
            return Ok(());
        };
        let end = record::page_key(upto, u16::MAX);
        let removed = guard("purging the log", || {
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
            self.records.apply_batch(batch)?;
            Ok(removed)
        })?;
        if removed < PURGE_STEP {
            self.to_remove = None;
        }
        Ok(())
    }

    /// ORDER: the log knows its node before `node.state` does, so a log that does not is not this node's.
    fn bind(&mut self, identity: Identity) -> Result<(), StorageError> {
        guard("writing the log", || {
            self.meta
                .insert(META_IDENTITY, identity_bytes(identity).as_slice())
        })?;
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

/// Runs what may block on a thread that may; in place when there is no runtime.
async fn blocking<T: Send + 'static>(
    act: impl FnOnce() -> Result<T, StorageError> + Send + 'static,
) -> Result<T, StorageError> {
    match tokio::runtime::Handle::try_current() {
        Err(_) => act(),
        Ok(runtime) => runtime
            .spawn_blocking(act)
            .await
            .unwrap_or(Err(StorageError::Closed)),
    }
}

/// Calls sled. It panics on some kinds of damage; that is an error like any other here.
fn guard<T>(doing: &str, act: impl FnOnce() -> sled::Result<T>) -> Result<T, StorageError> {
    match catch_unwind(AssertUnwindSafe(act)) {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(sled::Error::Io(error))) => Err(StorageError::io(doing, &error)),
        Ok(Err(error)) => Err(StorageError::damaged(
            "the log",
            format!("{doing} failed: {error}"),
        )),
        Err(_) => Err(StorageError::damaged(
            "the log",
            format!("{doing} failed inside the engine"),
        )),
    }
}

fn flush(db: &sled::Db) -> Result<(), StorageError> {
    guard("flushing the log", || db.flush()).map(|_| ())
}

/// Opens sled. The caller holds the folder's own lock, so whoever still holds sled's is a thread that a store closed in
/// this process has left to end by itself. Sled says neither when that happens nor that it has.
#[expect(
    clippy::disallowed_methods,
    reason = "sled raises no event when its last thread ends, and blocking on its lock could block for ever"
)]
fn open_engine(folder: &Path) -> Result<sled::Db, StorageError> {
    let mut attempts = 0;
    loop {
        let opened = guard("opening the log", || {
            sled::Config::new()
                .path(folder)
                .segment_size(SEGMENT_BYTES)
                .cache_capacity(ENGINE_CACHE_BYTES)
                .flush_every_ms(None)
                .open()
        });
        attempts += 1;
        if opened.is_ok() || attempts >= ENGINE_LOCK_ATTEMPTS || !engine_is_locked(folder)? {
            return opened;
        }
        std::thread::sleep(ENGINE_LOCK_WAIT);
    }
}

fn engine_is_locked(folder: &Path) -> Result<bool, StorageError> {
    let path = folder.join("db");
    match File::open(&path) {
        Ok(file) => match file.try_lock() {
            Ok(()) => Ok(false),
            Err(TryLockError::WouldBlock) => Ok(true),
            Err(TryLockError::Error(error)) => Err(failed("locking", &path, &error)),
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(failed("opening", &path, &error)),
    }
}

fn create_plain_folder(folder: &Path) -> Result<(), StorageError> {
    fs::create_dir_all(folder).map_err(|error| failed("creating the folder", folder, &error))
}

fn create_folder(folder: &Path, disk: &Disk) -> Result<(), StorageError> {
    create_plain_folder(folder)?;
    // Always: an interrupted start may have created it without this.
    match folder.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => {
            disk.sync_folder(Step::ParentFolderSync, parent)
        }
        _ => disk.sync_folder(Step::ParentFolderSync, Path::new(".")),
    }
}

fn lock(folder: &Path) -> Result<File, StorageError> {
    let path = folder.join(LOCK_FILE);
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .open(&path)
        .map_err(|error| failed("opening", &path, &error))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(Refusal::InUse {
            folder: folder.display().to_string(),
        }
        .into()),
        Err(TryLockError::Error(error)) => Err(failed("locking", &path, &error)),
    }
}

/// fsync of what sled writes beside its `db` and never syncs with its name.
fn sync_engine_files(disk: &Disk, folder: &Path) -> Result<(), StorageError> {
    let unread = |error: io::Error| failed("reading the folder", folder, &error);
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder).map_err(unread)? {
        let entry = entry.map_err(unread)?;
        if entry.file_type().map_err(unread)?.is_file() && entry.file_name() != "db" {
            paths.push(entry.path());
        }
    }
    paths.sort();
    for path in paths {
        let file = File::open(&path).map_err(|error| failed("opening", &path, &error))?;
        disk.sync_all(Step::LogFilesSync, &file, &path)?;
    }
    Ok(())
}

fn identity_bytes(identity: Identity) -> Vec<u8> {
    let mut bytes = identity.node_id.to_be_bytes().to_vec();
    if let Some(incarnation) = identity.incarnation {
        bytes.extend_from_slice(&incarnation);
    }
    bytes
}

/// Whether the log is the one that `node.state` is about.
fn check_bound(meta: &sled::Tree, facts: &NodeFacts) -> Result<(), StorageError> {
    let Some(identity) = facts.identity else {
        return Ok(());
    };
    let Some(found) = guard("reading the log", || meta.get(META_IDENTITY))? else {
        return Err(Refusal::LogMissing.into());
    };
    let (node, incarnation) = match found.split_first_chunk::<8>() {
        Some((node, incarnation)) => (u64::from_be_bytes(*node), incarnation),
        None => {
            return Err(StorageError::damaged(
                "the log",
                "its identity is cut short",
            ));
        }
    };
    if node != identity.node_id {
        return Err(Refusal::OtherNode {
            expected: identity.node_id,
            found: node,
        }
        .into());
    }
    // The log learns an incarnation first, so it may know one that `node.state` was not told before a crash.
    if let Some(expected) = identity.incarnation
        && incarnation != expected
    {
        let found: String = incarnation
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        return Err(Refusal::OtherIncarnation {
            expected: super::hex(expected),
            found,
        }
        .into());
    }
    Ok(())
}

/// The last records, gathered while the log is verified.
#[derive(Default)]
struct Tail {
    records: VecDeque<Record>,
    bytes: usize,
}

impl Tail {
    fn push(&mut self, record: Record) {
        self.bytes = self.bytes.saturating_add(record.payload.len());
        self.records.push_back(record);
        while self.bytes > TAIL_BYTES
            && let Some(old) = self.records.pop_front()
        {
            self.bytes = self.bytes.saturating_sub(old.payload.len());
        }
    }
}

/// Verifies every record after the purge, and that each follows the one before. A last record of which pages are
/// missing was never acknowledged (or the mark will say so) and is left out.
fn scan(
    records: &sled::Tree,
    facts: &NodeFacts,
    tail: &mut Tail,
) -> Result<LogFacts, StorageError> {
    let mut found = LogFacts::default();
    let mut current: Option<Assembler> = None;
    let start = match facts.purged {
        None => record::page_key(0, 0),
        Some(purged) => record::page_key(purged.index.saturating_add(1), 0),
    };
    let mut items = records.range(start.as_slice()..);
    while let Some((key, value)) = guard("reading the log", || items.next().transpose())? {
        let page = record::decode(&value)?;
        if record::read_key(&key) != Some((page.id.index, page.page)) {
            return Err(StorageError::damaged(
                "the log",
                format!(
                    "page {} of {} stands in another's place",
                    page.page, page.id
                ),
            ));
        }
        let assembled = match current.take() {
            None => Assembler::begin(page)?,
            Some(mut assembled) => {
                assembled.add(&page)?;
                assembled
            }
        };
        if !assembled.is_complete() {
            current = Some(assembled);
            continue;
        }
        let (previous, record) = assembled.finish()?;
        match found.last {
            None => {
                found.before_first = previous;
                found.first = Some(record.id);
            }
            Some(last) if previous == Some(last) && last.index + 1 == record.id.index => {}
            Some(last) => {
                return Err(StorageError::damaged(
                    "the log",
                    format!(
                        "{} follows {last}, which is not what came before it",
                        record.id
                    ),
                ));
            }
        }
        found.last = Some(record.id);
        if facts
            .acknowledged
            .is_some_and(|mark| mark.index == record.id.index)
        {
            found.at_mark = Some(record.id);
        }
        tail.push(record);
    }
    Ok(found)
}

/// Removes the pages of a last record that was torn.
fn remove_torn_end(records: &sled::Tree, recovered: &Recovered) -> Result<(), StorageError> {
    let from = recovered
        .log
        .last
        .map_or(0, |last| last.index.saturating_add(1));
    let from = record::page_key(from, 0);
    guard("removing a torn record", || {
        let mut batch = sled::Batch::default();
        for key in records.range(from.as_slice()..).keys() {
            batch.remove(key?);
        }
        records.apply_batch(batch)
    })
}

/// Reads a range that is present, from sled.
fn read_engine(
    records: &sled::Tree,
    range: Range<u64>,
    max_bytes: usize,
) -> Result<Vec<Record>, StorageError> {
    let mut found: Vec<Record> = Vec::new();
    let mut room = max_bytes;
    let mut current: Option<Assembler> = None;
    let from = record::page_key(range.start, 0);
    let to = record::page_key(range.end, 0);
    let mut items = records.range(from.as_slice()..to.as_slice());
    while let Some((_, value)) = guard("reading the log", || items.next().transpose())? {
        let page = record::decode(&value)?;
        let assembled = match current.take() {
            None => {
                let expected = range.start.saturating_add(found.len() as u64);
                let fits = page.whole <= room || found.is_empty();
                if page.id.index != expected || !fits {
                    break;
                }
                Assembler::begin(page)?
            }
            Some(mut assembled) => {
                assembled.add(&page)?;
                assembled
            }
        };
        if assembled.is_complete() {
            let (_, record) = assembled.finish()?;
            room = room.saturating_sub(record.payload.len());
            found.push(record);
        } else {
            current = Some(assembled);
        }
    }
    Ok(found)
}
