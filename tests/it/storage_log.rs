//! The store on sled, whole: against a simple model, big records, group commit, a full disk.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};

use grantd::storage::{
    Identity, LogId, LogState, MAX_RECORD_BYTES, MemoryDisk, Probe, Record, Refusal, SledOptions,
    SledStorage, Step, Storage, StorageError, StoredVote,
};
use proptest::prelude::*;

use crate::storage_common::{
    NODE, append, bind, callback, folder, id, open, read_all, read_snapshot, record, records,
    write_snapshot,
};

/// What a store must hold, as plainly as it can be said.
#[derive(Clone, Debug, Default, PartialEq)]
struct Model {
    log: Vec<Record>,
    purged: Option<LogId>,
    vote: Option<StoredVote>,
    snapshot: Option<(LogId, Vec<u8>)>,
    term: u64,
}

impl Model {
    fn last(&self) -> Option<LogId> {
        self.log.last().map(|record| record.id).or(self.purged)
    }

    fn next_index(&self) -> u64 {
        self.last().map_or(0, |last| last.index + 1)
    }
}

#[derive(Clone, Debug)]
enum Act {
    Append { count: u64, bytes: usize },
    Truncate { back: u64 },
    Snapshot { back: u64 },
    SnapshotBeyond { by: u64 },
    Purge,
    Vote,
    Reopen,
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let act = prop_oneof![
        6 => (1..12u64, prop_oneof![0..600usize, 19_000..45_000usize])
            .prop_map(|(count, bytes)| Act::Append { count, bytes }),
        2 => (0..10u64).prop_map(|back| Act::Truncate { back }),
        2 => (0..10u64).prop_map(|back| Act::Snapshot { back }),
        1 => (1..5u64).prop_map(|by| Act::SnapshotBeyond { by }),
        2 => Just(Act::Purge),
        1 => Just(Act::Vote),
        2 => Just(Act::Reopen),
    ];
    prop::collection::vec(act, 1..25)
}

/// One store under test, that can be closed and opened again.
trait Opener {
    fn open(&self) -> Result<Box<dyn Storage>, StorageError>;
}

struct OnSled(tempfile::TempDir);

impl Opener for OnSled {
    fn open(&self) -> Result<Box<dyn Storage>, StorageError> {
        open(self.0.path()).map(|storage| Box::new(storage) as Box<dyn Storage>)
    }
}

struct InMemory(MemoryDisk);

impl Opener for InMemory {
    fn open(&self) -> Result<Box<dyn Storage>, StorageError> {
        self.0
            .open(Some(NODE))
            .map(|storage| Box::new(storage) as Box<dyn Storage>)
    }
}

async fn compare(storage: &dyn Storage, model: &Model) {
    assert_eq!(
        storage.log_state(),
        LogState {
            purged: model.purged,
            last: model.last()
        }
    );
    assert_eq!(read_all(storage).await.expect("reads"), model.log);
    assert_eq!(storage.vote(), model.vote);
    assert_eq!(read_snapshot(storage).await.expect("reads"), model.snapshot);
}

async fn run(opener: &dyn Opener, acts: &[Act]) {
    let mut model = Model {
        term: 1,
        ..Model::default()
    };
    let mut storage = opener.open().expect("opens");
    assert!(storage.recovered().is_new());
    bind(&*storage).await.expect("binds");
    for act in acts {
        match *act {
            Act::Append { count, bytes } => {
                let from = model.next_index();
                let new = records(model.term, from..from + count, bytes);
                append(&*storage, new.clone()).await.expect("appends");
                model.log.extend(new);
            }
            Act::Truncate { back } => {
                // What a snapshot covers is committed, and is never truncated.
                let covered = model.snapshot.as_ref().map(|(last, _)| last.index);
                let keep = model.log.len().saturating_sub(back as usize);
                let keep = keep.max(
                    model
                        .log
                        .iter()
                        .take_while(|record| Some(record.id.index) <= covered)
                        .count(),
                );
                model.log.truncate(keep);
                model.term += 1;
                storage
                    .truncate_after(model.last())
                    .await
                    .expect("truncates");
            }
            Act::Snapshot { back } => {
                let at = model.log.len().saturating_sub(1 + back as usize);
                let Some(last) = model.log.get(at).map(|record| record.id) else {
                    continue;
                };
                let content = vec![last.index as u8; 70_000];
                write_snapshot(&*storage, last, &content)
                    .await
                    .expect("writes a snapshot");
                if model.snapshot.as_ref().is_none_or(|(old, _)| *old <= last) {
                    model.snapshot = Some((last, content));
                }
            }
            Act::SnapshotBeyond { by } => {
                let last = id(model.term, model.next_index() + by);
                write_snapshot(&*storage, last, b"from the leader")
                    .await
                    .expect("writes a snapshot");
                storage.purge(last).await.expect("purges");
                model.snapshot = Some((last, b"from the leader".to_vec()));
                model.purged = Some(last);
                model.log.clear();
            }
            Act::Purge => {
                let Some((upto, _)) = model.snapshot else {
                    continue;
                };
                storage.purge(upto).await.expect("purges");
                model.log.retain(|record| record.id.index > upto.index);
                model.purged = model.purged.max(Some(upto));
            }
            Act::Vote => {
                let vote = StoredVote {
                    term: model.term,
                    node: 2,
                    committed: model.term.is_multiple_of(2),
                };
                storage.save_vote(vote).await.expect("votes");
                model.vote = Some(vote);
            }
            Act::Reopen => {
                drop(storage);
                storage = opener.open().expect("opens again");
                let found = storage.recovered();
                assert_eq!(found.log, storage.log_state());
                assert_eq!(found.vote, model.vote);
            }
        }
        compare(&*storage, &model).await;
    }
    drop(storage);
    compare(&*opener.open().expect("opens at the end"), &model).await;
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    /// after any sequence of writes and restarts, sled holds what a plain list holds.
    #[test]
    fn sled_agrees_with_a_plain_list_over_restarts(acts in acts()) {
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        runtime.block_on(run(&OnSled(folder()), &acts));
    }

    /// The memory store has the semantics of the one on sled.
    #[test]
    fn memory_agrees_with_a_plain_list_over_restarts(acts in acts()) {
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        runtime.block_on(run(&InMemory(MemoryDisk::new()), &acts));
    }
}

/// Records of every awkward length survive a restart, and sled keeps none of them in a blob file, which nobody syncs.
#[tokio::test]
async fn big_records_survive_and_never_reach_a_blob_file() {
    let folder = folder();
    let storage = open(folder.path()).expect("opens");
    bind(&storage).await.expect("binds");
    let mut sent = Vec::new();
    for (index, bytes) in (0u64..).zip([
        0,
        1,
        20_479,
        20_480,
        20_481,
        100_000,
        131_072,
        600_000,
        MAX_RECORD_BYTES,
    ]) {
        sent.push(record(1, index, bytes));
    }
    for more in 0..60u64 {
        sent.push(record(1, 9 + more, 20_480));
    }
    append(&storage, sent.clone()).await.expect("appends");
    let too_long = record(1, sent.len() as u64, MAX_RECORD_BYTES + 1);
    assert!(matches!(
        append(&storage, vec![too_long]).await,
        Err(StorageError::Misuse(_))
    ));
    drop(storage);
    let storage = open(folder.path()).expect("opens again");
    assert_eq!(read_all(&storage).await.expect("reads"), sent);
    let blobs = std::fs::read_dir(folder.path().join("log/blobs")).expect("reads");
    assert_eq!(blobs.count(), 0, "sled wrote a blob file");
}

/// Followers that are far behind are served from sled, one that is close from memory: the same records.
#[tokio::test]
async fn old_records_are_read_from_the_engine() {
    let folder = folder();
    let storage = open(folder.path()).expect("opens");
    bind(&storage).await.expect("binds");
    let size = 500_000;
    for index in 0..80 {
        append(&storage, vec![record(1, index, size)])
            .await
            .expect("appends");
    }
    let found = storage.read(0..80, 3 * size).await.expect("reads");
    assert_eq!(found, records(1, 0..3, size), "bounded by bytes");
    let found = storage.read(5..6, 1).await.expect("reads");
    assert_eq!(found, records(1, 5..6, size), "at least one");
    assert_eq!(read_all(&storage).await.expect("reads").len(), 80);
}

/// A truncation that overtakes an append still on its way: what is read is what was written last, also once records
/// have left the memory.
#[tokio::test]
async fn truncation_behind_a_queued_append_never_shows_old_records() {
    let folder = folder();
    let probe = Arc::new(SlowFirstSync::default());
    let storage = Arc::new(
        SledStorage::open(
            folder.path(),
            SledOptions {
                expected_node: None,
                probe: Some(probe.clone()),
            },
        )
        .expect("opens"),
    );
    bind(&*storage).await.expect("binds");
    let size = 1_000_000;
    append(&*storage, records(1, 0..3, size))
        .await
        .expect("appends");
    *probe.armed.lock().expect("lock") = true;
    let (old, old_told) = callback();
    storage
        .append(records(1, 3..20, size), old)
        .await
        .expect("queues");
    let truncated = {
        let storage = storage.clone();
        tokio::spawn(async move { storage.truncate_after(Some(id(1, 5))).await })
    };
    while storage.log_state().last != Some(id(1, 5)) {
        tokio::task::yield_now().await;
    }
    let (new, new_told) = callback();
    storage
        .append(records(2, 6..40, size), new)
        .await
        .expect("queues");
    let expected: Vec<Record> = records(1, 0..6, size)
        .into_iter()
        .chain(records(2, 6..40, size))
        .collect();
    *probe.armed.lock().expect("lock") = false;
    probe.reached.notify_all();
    old_told.await.expect("told").expect("durable");
    assert_eq!(read_all(&*storage).await.expect("reads"), expected);
    truncated.await.expect("runs").expect("truncates");
    new_told.await.expect("told").expect("durable");
    assert_eq!(read_all(&*storage).await.expect("reads"), expected);
    drop(storage);
    let storage = open(folder.path()).expect("opens again");
    assert_eq!(read_all(&storage).await.expect("reads"), expected);
}

/// Holds the first sync of the log back until it is told to go on, and counts all of them.
#[derive(Default)]
struct SlowFirstSync {
    armed: Mutex<bool>,
    reached: Condvar,
    syncs: AtomicUsize,
    mark_syncs: AtomicUsize,
}

impl Probe for SlowFirstSync {
    fn before(&self, step: Step, _: &Path) -> std::io::Result<()> {
        match step {
            Step::LogSync => {
                self.syncs.fetch_add(1, Ordering::SeqCst);
                let mut held = self.armed.lock().expect("lock");
                while *held {
                    held = self.reached.wait(held).expect("lock");
                }
            }
            Step::NodeStateSync => {
                self.mark_syncs.fetch_add(1, Ordering::SeqCst);
            }
            _ => {}
        }
        Ok(())
    }

    fn after(&self, _: Step, _: &Path) {}
}

/// Group commit: 256 appends that gather behind one sync are made durable by one more.
#[tokio::test]
async fn appends_that_gather_share_one_sync() {
    let folder = folder();
    let probe = Arc::new(SlowFirstSync::default());
    let storage = SledStorage::open(
        folder.path(),
        SledOptions {
            expected_node: None,
            probe: Some(probe.clone()),
        },
    )
    .expect("opens");
    bind(&storage).await.expect("binds");
    *probe.armed.lock().expect("lock") = true;
    let before = probe.syncs.load(Ordering::SeqCst);
    let marks = probe.mark_syncs.load(Ordering::SeqCst);
    let mut waiting = Vec::new();
    for index in 0..256 {
        let (done, told) = callback();
        storage
            .append(vec![record(1, index, 300)], done)
            .await
            .expect("queues");
        waiting.push(told);
        let seen = storage.read(index..index + 1, 1).await.expect("reads");
        assert_eq!(seen.len(), 1, "readable as soon as it is queued");
    }
    *probe.armed.lock().expect("lock") = false;
    probe.reached.notify_all();
    for told in waiting {
        told.await.expect("told").expect("durable");
    }
    let syncs = probe.syncs.load(Ordering::SeqCst) - before;
    let marks = probe.mark_syncs.load(Ordering::SeqCst) - marks;
    assert!((1..=2).contains(&syncs), "{syncs} syncs of the log");
    assert_eq!(marks, syncs, "one raise of the mark a batch");
}

/// Refuses one kind of step from some point on.
struct Failing {
    step: Step,
    kind: std::io::ErrorKind,
    armed: std::sync::atomic::AtomicBool,
}

impl Probe for Failing {
    fn before(&self, step: Step, _: &Path) -> std::io::Result<()> {
        if step == self.step && self.armed.load(Ordering::SeqCst) {
            return Err(std::io::Error::from(self.kind));
        }
        Ok(())
    }

    fn after(&self, _: Step, _: &Path) {}
}

/// A full or failing disk ends in a clear refusal at whatever step it strikes; nothing acknowledged is lost, and the
/// store never goes on.
#[tokio::test]
async fn fault_at_any_step_poisons_the_store_and_loses_nothing() {
    for kind in [
        std::io::ErrorKind::StorageFull,
        std::io::ErrorKind::PermissionDenied,
    ] {
        for step in [
            Step::LogWrite,
            Step::LogSync,
            Step::NodeStateWrite,
            Step::NodeStateSync,
        ] {
            let folder = folder();
            let probe = Arc::new(Failing {
                step,
                kind,
                armed: false.into(),
            });
            let storage = SledStorage::open(
                folder.path(),
                SledOptions {
                    expected_node: None,
                    probe: Some(probe.clone()),
                },
            )
            .expect("opens");
            bind(&storage).await.expect("binds");
            append(&storage, records(1, 0..3, 100))
                .await
                .expect("appends");
            probe.armed.store(true, Ordering::SeqCst);
            let refused = append(&storage, records(1, 3..4, 100))
                .await
                .expect_err("refuses");
            assert_eq!(
                matches!(refused, StorageError::Full { .. }),
                kind == std::io::ErrorKind::StorageFull,
                "{step:?}: {refused}"
            );
            probe.armed.store(false, Ordering::SeqCst);
            assert!(
                matches!(
                    append(&storage, records(1, 4..5, 1)).await,
                    Err(StorageError::Poisoned { .. })
                ),
                "{step:?}: the store goes on after a fault"
            );
            drop(storage);
            let storage = open(folder.path()).expect("opens again");
            let found = read_all(&storage).await.expect("reads");
            assert!(found.len() >= 3, "{step:?}: lost what was acknowledged");
            assert_eq!(found, records(1, 0..found.len() as u64, 100));
        }
    }
}

/// A snapshot that the disk refuses, at whatever step, is given up and leaves nothing behind that counts; the log goes on,
/// and once there is room the next one is taken.
#[tokio::test]
async fn fault_of_a_snapshot_at_any_step_leaves_the_log_alone() {
    for kind in [
        std::io::ErrorKind::StorageFull,
        std::io::ErrorKind::PermissionDenied,
    ] {
        for step in [
            Step::SnapshotWrite,
            Step::SnapshotSync,
            Step::SnapshotFolderSync,
        ] {
            let folder = folder();
            let probe = Arc::new(Failing {
                step,
                kind,
                armed: false.into(),
            });
            let storage = SledStorage::open(
                folder.path(),
                SledOptions {
                    expected_node: None,
                    probe: Some(probe.clone()),
                },
            )
            .expect("opens");
            bind(&storage).await.expect("binds");
            append(&storage, records(1, 0..3, 100))
                .await
                .expect("appends");
            probe.armed.store(true, Ordering::SeqCst);
            let refused = write_snapshot(&storage, id(1, 2), &[7; 200_000])
                .await
                .expect_err("refuses");
            assert!(
                matches!(&refused, StorageError::Snapshot { kind: found, .. } if *found == kind),
                "{step:?}: {refused}"
            );
            assert_eq!(storage.snapshot(), None, "{step:?}");
            append(&storage, records(1, 3..4, 100))
                .await
                .expect("the log goes on");
            assert!(
                storage.purge(id(1, 2)).await.is_err(),
                "{step:?}: nothing covers it"
            );
            probe.armed.store(false, Ordering::SeqCst);
            write_snapshot(&storage, id(1, 3), &[8; 200_000])
                .await
                .expect("there is room again");
            assert_eq!(storage.snapshot_bytes(), 200_000);
            drop(storage);
            let storage = open(folder.path()).expect("opens again");
            assert_eq!(read_all(&storage).await.expect("reads").len(), 4);
            let (last, content) = read_snapshot(&storage)
                .await
                .expect("reads")
                .expect("is there");
            assert_eq!((last, content), (id(1, 3), vec![8; 200_000]), "{step:?}");
            assert_eq!(storage.snapshot_bytes(), 200_000);
        }
    }
}

/// Something else in the place of the folder of snapshots: the log goes on, and with the folder back the next is taken.
#[tokio::test]
async fn snapshot_without_its_folder_is_refused_and_the_next_one_is_taken() {
    let folder = folder();
    let storage = open(folder.path()).expect("opens");
    bind(&storage).await.expect("binds");
    append(&storage, records(1, 0..3, 100))
        .await
        .expect("appends");
    let snapshots = folder.path().join("snapshots");
    std::fs::remove_dir_all(&snapshots).expect("rm");
    std::fs::write(&snapshots, "not a folder").expect("writes");
    let refused = write_snapshot(&storage, id(1, 2), &[7; 100]).await;
    assert!(
        matches!(refused, Err(StorageError::Snapshot { .. })),
        "{refused:?}"
    );
    append(&storage, records(1, 3..4, 100))
        .await
        .expect("the log goes on");
    std::fs::remove_file(&snapshots).expect("rm");
    std::fs::create_dir(&snapshots).expect("creates");
    write_snapshot(&storage, id(1, 3), &[7; 100])
        .await
        .expect("is taken");
}

/// Two snapshots that finish at once: whichever comes last, the newest can be opened, always.
#[tokio::test(flavor = "multi_thread")]
async fn newest_snapshot_can_be_opened_while_others_finish() {
    let folder = folder();
    let storage = Arc::new(open(folder.path()).expect("opens"));
    bind(&*storage).await.expect("binds");
    append(&*storage, records(1, 0..200, 10))
        .await
        .expect("appends");
    write_snapshot(&*storage, id(1, 0), &[0; 100])
        .await
        .expect("is taken");
    let writers: Vec<_> = (0..2u64)
        .map(|which| {
            let storage = storage.clone();
            tokio::spawn(async move {
                for round in 1..60 {
                    write_snapshot(&*storage, id(1, round * 2 + which), &[1; 100])
                        .await
                        .expect("is taken");
                }
            })
        })
        .collect();
    while !writers.iter().all(tokio::task::JoinHandle::is_finished) {
        let found = read_snapshot(&*storage).await;
        assert!(matches!(found, Ok(Some(_))), "{found:?}");
    }
    for writer in writers {
        writer.await.expect("writes");
    }
    assert_eq!(
        storage.snapshot().and_then(|meta| meta.last),
        Some(id(1, 119))
    );
}

/// What the log weighs after an index is known whatever was written, cut, purged and opened anew.
#[tokio::test]
async fn bytes_of_the_log_after_an_index_are_known() {
    let folder = folder();
    let check = |storage: &dyn Storage, after: u64, records: u64| {
        let told = storage.log_bytes_after(after);
        let least = records * 1000;
        assert!(
            (least..least * 12 / 10 + 200_000).contains(&told),
            "{told} for {records} records"
        );
    };
    let storage = open(folder.path()).expect("opens");
    bind(&storage).await.expect("binds");
    append(&storage, records(1, 0..1000, 1000))
        .await
        .expect("appends");
    check(&storage, 99, 900);
    storage
        .truncate_after(Some(id(1, 699)))
        .await
        .expect("cuts");
    check(&storage, 99, 600);
    write_snapshot(&storage, id(1, 400), &[7; 100])
        .await
        .expect("is taken");
    storage.purge(id(1, 300)).await.expect("purges");
    check(&storage, 400, 299);
    drop(storage);
    check(&open(folder.path()).expect("opens"), 400, 299);
}

/// A folder is bound to one node and one incarnation, and opened by one process at a time.
#[tokio::test]
async fn folder_is_bound_and_locked() {
    let folder = folder();
    let storage = open(folder.path()).expect("opens");
    bind(&storage).await.expect("binds");
    let with = |incarnation| Identity {
        node_id: NODE,
        disk: [NODE as u8; 16],
        incarnation: Some([incarnation; 16]),
    };
    storage.save_identity(with(5)).await.expect("binds");
    assert!(matches!(
        storage.save_identity(with(6)).await,
        Err(StorageError::Refused(Refusal::OtherIncarnation { .. }))
    ));
    let refused = open(folder.path()).err().expect("refuses");
    assert!(
        matches!(refused, StorageError::Refused(Refusal::InUse { .. })),
        "{refused}"
    );
    // Whoever waits for the folder is told when it is free: not before the store is dropped, and once it can be opened.
    let waiting = tokio::spawn(storage.let_go().wait());
    tokio::task::yield_now().await;
    assert!(!waiting.is_finished());
    let dropped = std::thread::spawn(move || drop(storage));
    waiting.await.expect("is told");
    let again = open(folder.path()).expect("opens");
    assert_eq!(again.identity(), Some(with(5)));
    dropped.join().expect("drops");
}
