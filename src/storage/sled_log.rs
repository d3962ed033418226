//! The store on a real disk: sled for the log, `node.state` and snapshot files beside it, one writer thread.
//!
//! The writer takes what has gathered in its queue, writes it as one batch, flushes sled, calls `fdatasync` on sled's
//! `db` file itself (sled's own flush only calls `sync_file_range`, which a power loss undoes), raises the mark in
//! `node.state`, and only then acknowledges all of it (group commit). Readers see queued records at once, from a tail
//! kept in memory. Any fault closes the store for good. Only this module names sled; openraft knows nothing
//! of it, and it knows nothing of openraft.

mod engine;
mod shared;
mod writer;

use std::collections::VecDeque;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::ops::Range;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;

use async_trait::async_trait;
use tokio::sync::{Semaphore, oneshot};

use self::engine::{
    Tail, check_bound, flush, guard, open_engine, quietly, read_engine, remove_torn_end, scan,
    sync_engine_files,
};
use self::shared::{Inner, Job, Reply, Shared};
use self::writer::Worker;
use super::bounds::{MAX_QUEUED_BYTES, MAX_READ_BYTES, MAX_SNAPSHOT_EXTRA_BYTES};
use super::disk::{Disk, Probe, Step, failed};
use super::node_state::{self, NodeState};
use super::recovery::{NodeFacts, examine};
use super::snapshot;
use super::{
    Done, Hold, Identity, LetGo, LogId, LogState, Record, Recovered, Refusal, SnapshotMeta,
    SnapshotSink, SnapshotSource, Storage, StorageError, StoredVote,
};

const LOG_FOLDER: &str = "log";
const LOCK_FILE: &str = "lock";
const RECORDS: &str = "records";
const META: &str = "meta";

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
    lock: File,
    hold: Hold,
}

impl SledStorage {
    /// Opens the store of a node, or creates it in a folder that is empty or not there. Blocks; call it where that is
    /// allowed. Everything that it reports is verified and durable, but for the content of the newest snapshot: that is
    /// verified as it is read, once.
    ///
    /// # Errors
    /// [`StorageError::Refused`] or [`StorageError::Damaged`] when the node must not start on what is there.
    pub fn open(folder: impl AsRef<Path>, options: SledOptions) -> Result<Self, StorageError> {
        let folder = folder.as_ref();
        let disk = Disk {
            probe: options.probe,
        };
        create_folder(folder, &disk).map_err(StorageError::of_folder)?;
        let lock = lock(folder).map_err(StorageError::of_folder)?;
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
        let mut recovered = examine(
            &facts,
            &found,
            newest.as_ref().map(|newest| &newest.meta),
            options.expected_node,
        )?;
        recovered.mended = state.one_slot_lost.then(|| {
            format!(
                "one of the two slots of `{}` was not whole, so the other was taken and both are written anew: a power cut while it was written, or a disk that errs; look at the disk if there was no power cut",
                folder.join(node_state::FILE).display()
            )
        });

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
                weights: tail.weights,
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
            lock,
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
        let _ = quietly(move || drop(reader));
        // To close it is not enough: a process that was just forked holds it too, until it becomes another program.
        let _ = self.lock.unlock();
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

    fn log_bytes_after(&self, index: u64) -> u64 {
        self.shared.lock().weights.after(index)
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
            let writer = created.map_err(StorageError::of_snapshot)?;
            let sink: Box<dyn SnapshotSink> = Box::new(Sink {
                shared,
                writer: Some(writer),
            });
            Ok(sink)
        })
        .await
    }

    fn snapshot(&self) -> Option<SnapshotMeta> {
        let inner = self.shared.lock();
        inner.newest.as_ref().map(|newest| newest.meta.clone())
    }

    fn snapshot_bytes(&self) -> u64 {
        let inner = self.shared.lock();
        inner.newest.as_ref().map_or(0, |newest| newest.bytes)
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
            let content = snapshot::open(&newest.path).map_err(StorageError::of_snapshot)?;
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
    writer: Option<snapshot::Writer>,
}

impl Sink {
    fn writer(&mut self) -> Result<&mut snapshot::Writer, StorageError> {
        self.shared.lock().alive()?;
        self.writer.as_mut().ok_or_else(|| {
            StorageError::Misuse("a snapshot whose sealing was cut short".to_owned())
        })
    }
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.writer()?.write(bytes).map_err(|error| {
            StorageError::io("writing a snapshot", &error)
                .of_snapshot()
                .into()
        })
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[async_trait]
impl SnapshotSink for Sink {
    async fn seal(&mut self) -> Result<(), StorageError> {
        self.writer()?;
        let Some(mut writer) = self.writer.take() else {
            return Err(StorageError::Closed);
        };
        let sealed = blocking(move || {
            writer.seal().map_err(StorageError::of_snapshot)?;
            Ok(writer)
        })
        .await?;
        self.writer = Some(sealed);
        Ok(())
    }

    async fn finish(mut self: Box<Self>) -> Result<SnapshotMeta, StorageError> {
        self.writer()?;
        blocking(move || {
            let Sink { shared, writer } = *self;
            let Some(writer) = writer else {
                return Err(StorageError::Closed);
            };
            let finished = writer.finish().map_err(StorageError::of_snapshot)?;
            let meta = finished.meta.clone();
            {
                let mut inner = shared.lock();
                if inner
                    .newest
                    .as_ref()
                    .is_none_or(|newest| newest.meta.last <= meta.last)
                {
                    inner.newest = Some(finished);
                }
            }
            // ORDER: afterwards, so that whoever is given the newest finds its file.
            snapshot::remove_surplus(&shared.snapshots);
            Ok(meta)
        })
        .await
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

#[cfg(test)]
mod tests {
    use super::*;

    /// As a child holds it between fork and exec.
    #[test]
    fn folder_is_let_go_whoever_else_holds_its_lock_open() {
        let folder = tempfile::tempdir().unwrap();
        let storage = SledStorage::open(folder.path(), SledOptions::default()).unwrap();
        let elsewhere = storage.lock.try_clone().unwrap();
        drop(storage);
        SledStorage::open(folder.path(), SledOptions::default()).unwrap();
        drop(elsewhere);
    }
}
