//! Helpers of the storage tests: records that can be told apart, appends that can be awaited, temporary folders.

use std::io::{Read, Write};
use std::ops::Range;
use std::path::Path;

use bytes::Bytes;
use grantd::storage::{
    Done, Identity, LogId, MAX_READ_BYTES, Record, SledOptions, SledStorage, SnapshotMeta, Storage,
    StorageError,
};
use tempfile::TempDir;
use tokio::sync::oneshot;

pub const NODE: u64 = 1;

pub fn id(term: u64, index: u64) -> LogId {
    LogId {
        term,
        node: NODE,
        index,
    }
}

/// A record whose bytes depend on where it stands, so that one in the place of another shows.
pub fn record(term: u64, index: u64, bytes: usize) -> Record {
    let seed = term.wrapping_mul(31).wrapping_add(index) as usize;
    Record {
        id: id(term, index),
        payload: (0..bytes).map(|at| ((at + seed) % 251) as u8).collect(),
    }
}

pub fn records(term: u64, range: Range<u64>, bytes: usize) -> Vec<Record> {
    range.map(|index| record(term, index, bytes)).collect()
}

pub fn callback() -> (Done, oneshot::Receiver<Result<(), StorageError>>) {
    let (tell, told) = oneshot::channel();
    let done: Done = Box::new(move |result| {
        let _ = tell.send(result);
    });
    (done, told)
}

/// Appends and waits until it is durable.
pub async fn append(storage: &dyn Storage, records: Vec<Record>) -> Result<(), StorageError> {
    let (done, told) = callback();
    storage.append(records, done).await?;
    told.await.expect("the callback runs")
}

pub async fn bind(storage: &dyn Storage) -> Result<(), StorageError> {
    storage
        .save_identity(Identity {
            node_id: NODE,
            disk: [NODE as u8; 16],
            incarnation: None,
        })
        .await
}

pub async fn write_snapshot(
    storage: &dyn Storage,
    last: LogId,
    content: &[u8],
) -> Result<(), StorageError> {
    let meta = SnapshotMeta {
        last: Some(last),
        extra: Bytes::from_static(b"members"),
    };
    let mut sink = storage.create_snapshot(meta).await?;
    sink.write_all(content)
        .map_err(|error| match error.downcast::<StorageError>() {
            Ok(error) => error,
            Err(error) => panic!("not an error of the storage: {error}"),
        })?;
    sink.finish().await.map(|_| ())
}

pub async fn read_snapshot(storage: &dyn Storage) -> std::io::Result<Option<(LogId, Vec<u8>)>> {
    let Some(mut source) = storage.open_snapshot().await? else {
        return Ok(None);
    };
    let mut content = Vec::new();
    source.content.read_to_end(&mut content)?;
    Ok(source.meta.last.map(|last| (last, content)))
}

/// The whole log, read in small steps.
pub async fn read_all(storage: &dyn Storage) -> Result<Vec<Record>, StorageError> {
    let log = storage.log_state();
    let mut at = log.purged.map_or(0, |purged| purged.index + 1);
    let mut found = Vec::new();
    loop {
        let some = storage.read(at..u64::MAX, MAX_READ_BYTES).await?;
        if some.is_empty() {
            return Ok(found);
        }
        at += some.len() as u64;
        found.extend(some);
    }
}

pub fn open(folder: &Path) -> Result<SledStorage, StorageError> {
    SledStorage::open(
        folder,
        SledOptions {
            expected_node: Some(NODE),
            probe: None,
        },
    )
}

/// A temporary folder, in memory where the system has one: the tests are about order, not about a device's speed.
pub fn folder() -> TempDir {
    let memory = Path::new("/dev/shm");
    if memory.is_dir()
        && let Ok(folder) = tempfile::tempdir_in(memory)
    {
        return folder;
    }
    tempfile::tempdir().expect("a temporary folder")
}

pub fn copy_folder(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("creates");
    for entry in std::fs::read_dir(from).expect("reads") {
        let entry = entry.expect("entry");
        let target = to.join(entry.file_name());
        if entry.file_type().expect("type").is_dir() {
            copy_folder(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), &target).expect("copies");
        }
    }
}

/// SplitMix64: numbers that depend on nothing but their seed.
pub struct SplitMix(pub u64);

impl SplitMix {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound.max(1)
    }
}
