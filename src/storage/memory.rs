//! A store without a disk, for tests and for the simulator.
//!
//! [`MemoryDisk`] is the platter: it outlives the [`MemoryStorage`] that a node opens on it, and so a simulated crash.
//! With a delay, writes reach the platter only when the delay's future has ended, in their order, and a crash keeps a
//! prefix of what was on its way, the last write torn, all chosen by a seed. There are no threads and no clock of its
//! own: two runs with the same calls and seeds hold the same bytes. The rule for starting is the one of every engine.

mod platter;

use std::future::Future;
use std::io::{self, Cursor, Write};
use std::ops::Range;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use tokio::sync::oneshot;

use self::platter::{Change, Image, Pending, Platter};
use super::bounds::{MAX_READ_BYTES, MAX_SNAPSHOT_EXTRA_BYTES};
use super::{
    Done, Hold, Identity, LetGo, LogId, LogState, Record, Recovered, Refusal, SnapshotMeta,
    SnapshotSink, SnapshotSource, Storage, StorageError, StoredVote, check_append,
};

/// How long a write of so many bytes takes to reach the platter. The future is awaited on the runtime of the caller.
pub type Delay = Arc<dyn Fn(usize) -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync>;

/// A fault to inject into the next writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DiskFault {
    /// The disk is full.
    Full,
    /// The device answers with an I/O error.
    Io,
    /// There is no room for snapshots, and enough for everything else.
    NoRoomForSnapshots,
}

/// The simulated platter. Cheap to clone; every clone is the same disk.
#[derive(Clone, Default)]
pub struct MemoryDisk {
    shared: Arc<Mutex<Platter>>,
}

impl MemoryDisk {
    /// A disk that is durable at once.
    pub fn new() -> Self {
        Self::default()
    }

    /// A disk on which a write is durable only when `delay` has passed.
    pub fn with_delay(delay: Delay) -> Self {
        let disk = Self::default();
        disk.lock().delay = Some(delay);
        disk
    }

    /// Opens the disk for a node, as a process does when it starts.
    ///
    /// # Errors
    /// [`StorageError::Refused`] or [`StorageError::Damaged`] when the node must not start on what is there.
    pub fn open(&self, expected_node: Option<u64>) -> Result<MemoryStorage, StorageError> {
        let mut platter = self.lock();
        if platter.in_use {
            return Err(Refusal::InUse {
                folder: "(memory)".to_owned(),
            }
            .into());
        }
        let recovered = platter.durable.recover(expected_node)?;
        platter.life += 1;
        platter.in_use = true;
        platter.poisoned = None;
        platter.flusher_runs = false;
        platter.durable.node.acknowledged = recovered.acknowledged;
        platter.live = platter.durable.clone();
        Ok(MemoryStorage {
            life: platter.life,
            recovered,
            disk: self.clone(),
            hold: Hold::new(),
        })
    }

    /// The power fails, or the process is killed: of the writes on their way a prefix has reached the platter, chosen
    /// by `seed`, and the first of the rest may be torn. Every handle is dead from now on.
    pub fn crash(&self, seed: u64) {
        let mut random = SplitMix(seed);
        let dropped = {
            let mut platter = self.lock();
            let pending = std::mem::take(&mut platter.pending);
            let whole = random.below(pending.len() as u64 + 1) as usize;
            let mut dropped = Vec::new();
            for (at, pending) in pending.into_iter().enumerate() {
                if at < whole {
                    platter.durable.apply(&pending.change);
                } else if at == whole
                    && let Change::Append(records) = &pending.change
                {
                    let torn = random.below(records.len() as u64 + 1) as usize;
                    platter.durable.keep(records.get(..torn).unwrap_or(&[]));
                }
                dropped.push(pending.done);
            }
            platter.pending_bytes = 0;
            platter.live = platter.durable.clone();
            platter.life += 1;
            platter.in_use = false;
            platter.flusher_runs = false;
            dropped
        };
        // Nobody is told: the process is gone. The callbacks are dropped outside of the lock.
        drop(dropped);
    }

    /// Injects a fault into every write from now on, or heals the disk with `None`.
    pub fn set_fault(&self, fault: Option<DiskFault>) {
        self.lock().fault = fault;
    }

    /// Forgets every record after the first `keep` of the log although they were acknowledged: a disk that lied.
    pub fn lose_log_after(&self, keep: usize) {
        let mut platter = self.lock();
        let kept: Vec<u64> = platter.durable.log.keys().copied().take(keep).collect();
        platter
            .durable
            .log
            .retain(|index, _| kept.binary_search(index).is_ok());
    }

    /// Writes that are not durable yet.
    pub fn pending_writes(&self) -> usize {
        self.lock().pending.len()
    }

    fn lock(&self) -> MutexGuard<'_, Platter> {
        // A poisoned lock means a panic in a few lines of map handling; the state is still whole.
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Queues a write. Without a delay it is durable before this returns.
    fn submit(&self, life: u64, change: Change, done: Done) -> Result<(), StorageError> {
        let settled = {
            let mut platter = self.lock();
            platter.alive(life)?;
            platter.live.apply(&change);
            platter.pending_bytes = platter.pending_bytes.saturating_add(change.bytes());
            platter.pending.push_back(Pending { change, done });
            if platter.delay.is_none() {
                platter.settle_one()
            } else {
                if !platter.flusher_runs {
                    platter.flusher_runs = true;
                    tokio::spawn(self.clone().flush(life));
                }
                Vec::new()
            }
        };
        for (done, result) in settled {
            done(result);
        }
        Ok(())
    }

    async fn submit_and_wait(&self, life: u64, change: Change) -> Result<(), StorageError> {
        let (tell, told) = oneshot::channel();
        self.submit(
            life,
            change,
            Box::new(move |result| {
                let _ = tell.send(result);
            }),
        )?;
        told.await.unwrap_or(Err(StorageError::Closed))
    }

    /// Makes pending writes durable one after the other, waiting the delay before each group that has gathered.
    async fn flush(self, life: u64) {
        loop {
            let (group, wait) = {
                let mut platter = self.lock();
                if platter.life != life {
                    return;
                }
                if platter.pending.is_empty() {
                    platter.flusher_runs = false;
                    return;
                }
                let wait = platter
                    .delay
                    .as_ref()
                    .map(|delay| delay(platter.pending_bytes));
                (platter.pending.len(), wait)
            };
            if let Some(wait) = wait {
                wait.await;
            }
            for _ in 0..group {
                let settled = {
                    let mut platter = self.lock();
                    if platter.life != life {
                        return;
                    }
                    platter.settle_one()
                };
                for (done, result) in settled {
                    done(result);
                }
            }
        }
    }
}

/// The store that a node has opened on a [`MemoryDisk`]. Closed when dropped.
pub struct MemoryStorage {
    disk: MemoryDisk,
    life: u64,
    recovered: Recovered,
    // Let go of last.
    hold: Hold,
}

impl Drop for MemoryStorage {
    fn drop(&mut self) {
        let settled: Vec<_> = {
            let mut platter = self.disk.lock();
            if platter.life != self.life {
                return;
            }
            // A clean stop waits for its writes.
            let mut settled = Vec::new();
            while !platter.pending.is_empty() {
                settled.extend(platter.settle_one());
            }
            platter.durable.node.committed = platter.live.node.committed;
            platter.in_use = false;
            platter.life += 1;
            settled
        };
        for (done, result) in settled {
            done(result);
        }
    }
}

impl MemoryStorage {
    async fn write(&self, change: Change) -> Result<(), StorageError> {
        self.disk.submit_and_wait(self.life, change).await
    }

    fn live<T>(&self, look: impl FnOnce(&Image) -> T) -> T {
        look(&self.disk.lock().live)
    }
}

#[async_trait]
impl Storage for MemoryStorage {
    fn recovered(&self) -> Recovered {
        self.recovered.clone()
    }

    fn let_go(&self) -> LetGo {
        self.hold.let_go()
    }

    async fn save_identity(&self, identity: Identity) -> Result<(), StorageError> {
        if let Some(bound) = self.identity() {
            bound.admits(&identity)?;
        }
        self.write(Change::Identity(identity)).await
    }

    fn identity(&self) -> Option<Identity> {
        self.live(|image| image.node.identity)
    }

    async fn save_vote(&self, vote: StoredVote) -> Result<(), StorageError> {
        self.write(Change::Vote(vote)).await
    }

    fn vote(&self) -> Option<StoredVote> {
        self.live(|image| image.node.vote)
    }

    fn note_committed(&self, committed: Option<LogId>) {
        let mut platter = self.disk.lock();
        if platter.life == self.life {
            platter.live.node.committed = committed;
        }
    }

    fn committed(&self) -> Option<LogId> {
        self.live(|image| image.node.committed)
    }

    fn log_state(&self) -> LogState {
        self.live(Image::log_state)
    }

    fn log_bytes_after(&self, index: u64) -> u64 {
        self.live(|image| {
            let after = image.log.range(index.saturating_add(1)..);
            after
                .map(|(_, record)| record.payload.len() as u64 + 128)
                .sum()
        })
    }

    async fn append(&self, records: Vec<Record>, done: Done) -> Result<(), StorageError> {
        check_append(self.log_state(), &records)?;
        self.disk.submit(self.life, Change::Append(records), done)
    }

    async fn truncate_after(&self, last: Option<LogId>) -> Result<(), StorageError> {
        self.write(Change::Truncate(last)).await
    }

    async fn purge(&self, upto: LogId) -> Result<(), StorageError> {
        let covered = self.snapshot().and_then(|meta| meta.last);
        if covered.is_none_or(|covered| covered.index < upto.index) {
            return Err(StorageError::purge_uncovered(upto, covered));
        }
        self.write(Change::Purge(upto)).await
    }

    async fn read(&self, range: Range<u64>, max_bytes: usize) -> Result<Vec<Record>, StorageError> {
        let platter = self.disk.lock();
        platter.alive(self.life)?;
        let mut room = max_bytes.min(MAX_READ_BYTES);
        let mut found = Vec::new();
        if range.is_empty() {
            return Ok(found);
        }
        for (expected, (index, record)) in (range.start..).zip(platter.live.log.range(range)) {
            let fits = record.payload.len() <= room;
            if *index != expected || (!fits && !found.is_empty()) {
                break;
            }
            room = room.saturating_sub(record.payload.len());
            found.push(record.clone());
        }
        Ok(found)
    }

    async fn create_snapshot(
        &self,
        meta: SnapshotMeta,
    ) -> Result<Box<dyn SnapshotSink>, StorageError> {
        self.disk.lock().room_for_snapshot(self.life)?;
        if meta.extra.len() > MAX_SNAPSHOT_EXTRA_BYTES {
            return Err(StorageError::extra_too_long(meta.extra.len()));
        }
        Ok(Box::new(MemorySink {
            disk: self.disk.clone(),
            life: self.life,
            meta,
            content: Vec::new(),
        }))
    }

    fn snapshot(&self) -> Option<SnapshotMeta> {
        // The durable image: a snapshot on its way does not count yet.
        let platter = self.disk.lock();
        platter.durable.newest().map(|(meta, _)| meta.clone())
    }

    fn snapshot_bytes(&self) -> u64 {
        let platter = self.disk.lock();
        let newest = platter.durable.newest();
        newest.map_or(0, |(_, content)| content.len() as u64)
    }

    async fn open_snapshot(&self) -> Result<Option<SnapshotSource>, StorageError> {
        let platter = self.disk.lock();
        platter.alive(self.life)?;
        Ok(platter
            .durable
            .newest()
            .map(|(meta, content)| SnapshotSource {
                meta: meta.clone(),
                bytes: content.len() as u64,
                content: Box::new(Cursor::new(content.clone())),
            }))
    }
}

struct MemorySink {
    disk: MemoryDisk,
    life: u64,
    meta: SnapshotMeta,
    content: Vec<u8>,
}

impl Write for MemorySink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.disk.lock().room_for_snapshot(self.life)?;
        self.content.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[async_trait]
impl SnapshotSink for MemorySink {
    async fn seal(&mut self) -> Result<(), StorageError> {
        self.disk.lock().room_for_snapshot(self.life)
    }

    async fn finish(self: Box<Self>) -> Result<SnapshotMeta, StorageError> {
        let MemorySink {
            disk,
            life,
            meta,
            content,
        } = *self;
        disk.submit_and_wait(life, Change::Snapshot(meta.clone(), content.into()))
            .await?;
        Ok(meta)
    }
}

/// SplitMix64: a crash needs a few numbers that depend on nothing but its seed.
struct SplitMix(u64);

impl SplitMix {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound.max(1)
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn id(term: u64, index: u64) -> LogId {
        LogId {
            term,
            node: 1,
            index,
        }
    }

    fn records(term: u64, range: Range<u64>) -> Vec<Record> {
        range
            .map(|index| Record {
                id: id(term, index),
                payload: Bytes::from(format!("{term}/{index}")),
            })
            .collect()
    }

    fn ignore() -> Done {
        Box::new(|_| ())
    }

    fn covers(last: LogId) -> SnapshotMeta {
        SnapshotMeta {
            last: Some(last),
            extra: Bytes::from_static(b"members"),
        }
    }

    async fn bound(disk: &MemoryDisk) -> MemoryStorage {
        let storage = disk.open(Some(1)).expect("opens");
        storage
            .save_identity(Identity {
                node_id: 1,
                disk: [1; 16],
                incarnation: None,
            })
            .await
            .expect("binds");
        storage
    }

    /// what was acknowledged is there after a crash, at every place where it can strike.
    #[tokio::test(start_paused = true)]
    async fn crash_keeps_what_was_acknowledged_and_never_more_than_was_sent() {
        let mut torn = 0;
        for seed in 0..200 {
            let disk = MemoryDisk::with_delay(Arc::new(|_| {
                Box::pin(tokio::time::sleep(std::time::Duration::from_millis(5)))
            }));
            let storage = bound(&disk).await;
            let (noted, mut acknowledged) = tokio::sync::watch::channel(None);
            for batch in 0..4u64 {
                let range = batch * 3..batch * 3 + 3;
                let noted = noted.clone();
                let last = range.end - 1;
                storage
                    .append(
                        records(1, range),
                        Box::new(move |result| {
                            result.expect("durable");
                            noted.send_replace(Some(last));
                        }),
                    )
                    .await
                    .expect("queued");
                if batch < seed % 4 {
                    let told = acknowledged.wait_for(|last_told| *last_told == Some(last));
                    told.await.expect("the batch is acknowledged");
                }
            }
            disk.crash(seed);
            assert_eq!(
                storage.read(0..1, 1).await,
                Err(StorageError::Closed),
                "a handle of the life before the crash is dead"
            );
            let again = disk.open(Some(1)).expect("opens after a crash");
            let found = again.recovered().log.last.map(|last| last.index);
            assert!(found >= *acknowledged.borrow(), "seed {seed}");
            assert!(found <= Some(11), "seed {seed}");
            let kept = again.read(0..100, MAX_READ_BYTES).await.expect("reads");
            assert_eq!(kept, records(1, 0..found.map_or(0, |last| last + 1)));
            torn += usize::from(found.is_some_and(|last| last % 3 != 2));
        }
        assert!(torn > 10, "the seeds tear appends: {torn}");
    }

    /// a disk that forgot acknowledged records is noticed at the start.
    #[tokio::test]
    async fn disk_that_lost_acknowledged_records_is_refused() {
        let disk = MemoryDisk::new();
        let storage = bound(&disk).await;
        storage
            .append(records(1, 0..5), ignore())
            .await
            .expect("appends");
        drop(storage);
        disk.lose_log_after(4);
        let refused = disk.open(Some(1)).err().expect("refuses");
        assert!(refused.is_corruption(), "{refused}");
    }

    /// A full disk fails the write and every later call; what was acknowledged is there afterwards.
    #[tokio::test]
    async fn full_disk_poisons_the_store_and_loses_nothing() {
        let disk = MemoryDisk::new();
        let storage = bound(&disk).await;
        storage
            .append(records(1, 0..2), ignore())
            .await
            .expect("appends");
        disk.set_fault(Some(DiskFault::Full));
        let refused = storage
            .save_vote(StoredVote {
                term: 2,
                node: 1,
                committed: false,
            })
            .await;
        assert!(
            matches!(refused, Err(StorageError::Full { .. })),
            "{refused:?}"
        );
        disk.set_fault(None);
        assert!(matches!(
            storage.read(0..2, 10).await,
            Err(StorageError::Poisoned { .. })
        ));
        drop(storage);
        let again = disk.open(Some(1)).expect("opens");
        assert_eq!(again.recovered().log.last, Some(id(1, 1)));
        assert_eq!(again.vote(), None);
    }

    /// Truncation lowers the mark; purging needs a snapshot and may go beyond the end.
    #[tokio::test]
    async fn truncate_and_purge_keep_the_log_whole_over_a_restart() {
        let disk = MemoryDisk::new();
        let storage = bound(&disk).await;
        storage
            .append(records(1, 0..6), ignore())
            .await
            .expect("appends");
        storage
            .truncate_after(Some(id(1, 2)))
            .await
            .expect("truncates");
        storage
            .append(records(2, 3..5), ignore())
            .await
            .expect("appends");
        assert!(matches!(
            storage.purge(id(1, 1)).await,
            Err(StorageError::Misuse(_))
        ));
        let mut sink = storage
            .create_snapshot(covers(id(2, 9)))
            .await
            .expect("starts");
        sink.write_all(b"state").expect("writes");
        sink.finish().await.expect("finishes");
        storage.purge(id(1, 1)).await.expect("purges");
        assert_eq!(storage.read(0..9, 99).await, Ok(vec![]));
        assert_eq!(storage.read(2..9, 99).await.expect("reads").len(), 3);
        storage.purge(id(2, 9)).await.expect("purges");
        drop(storage);
        let again = disk.open(Some(1)).expect("opens");
        assert_eq!(
            again.log_state(),
            LogState {
                purged: Some(id(2, 9)),
                last: Some(id(2, 9))
            }
        );
        let mut source = again.open_snapshot().await.expect("opens").expect("is one");
        let mut content = Vec::new();
        io::Read::read_to_end(&mut source.content, &mut content).expect("reads");
        assert_eq!(content, b"state");
        again
            .append(records(3, 10..11), ignore())
            .await
            .expect("appends");
    }

    /// A folder is bound to one node, and a gap in the log is refused.
    #[tokio::test]
    async fn wrong_identity_and_gaps_are_refused() {
        let disk = MemoryDisk::new();
        let storage = bound(&disk).await;
        assert!(storage.append(records(1, 1..2), ignore()).await.is_err());
        assert!(
            storage
                .save_identity(Identity {
                    node_id: 2,
                    disk: [1; 16],
                    incarnation: None
                })
                .await
                .is_err()
        );
        assert!(matches!(
            disk.open(Some(1)).err(),
            Some(StorageError::Refused(Refusal::InUse { .. }))
        ));
        drop(storage);
        assert!(matches!(
            disk.open(Some(2)).err(),
            Some(StorageError::Refused(Refusal::OtherNode { .. }))
        ));
    }
}
