//! sled itself: opened, verified, read, and its panics caught.

use std::cell::Cell;
use std::collections::VecDeque;
use std::fs::{self, File, TryLockError};
use std::io;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Once;

use crate::storage::bounds::{
    ENGINE_CACHE_BYTES, ENGINE_LOCK_ATTEMPTS, ENGINE_LOCK_WAIT, SEGMENT_BYTES, TAIL_BYTES,
};
use crate::storage::disk::{Disk, Step, failed};
use crate::storage::log_bytes::LogBytes;
use crate::storage::record::{self, Assembler};
use crate::storage::recovery::{LogFacts, NodeFacts};
use crate::storage::{Identity, Record, Recovered, Refusal, StorageError, hex};

const META_IDENTITY: &str = "identity";

thread_local! {
    /// Whether this thread is inside sled, where a panic is an error like any other.
    static INSIDE: Cell<bool> = const { Cell::new(false) };
}

/// How sled names the threads that it starts itself.
const ENGINE_THREADS: [&str; 2] = ["sled-io-", "log flusher"];

/// Runs `act`, of which a panic is caught and told in the log at `debug` alone: what comes of it is told as an error, in
/// words that help, and the engine's own text with fifty frames of its inside before it would only mislead.
pub(super) fn quietly<T>(act: impl FnOnce() -> T) -> std::thread::Result<T> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let otherwise = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            let of_engine = std::thread::current()
                .name()
                .is_some_and(|name| ENGINE_THREADS.iter().any(|own| name.starts_with(own)));
            if of_engine || INSIDE.with(Cell::get) {
                tracing::debug!(%panic, "the engine of the log panicked");
            } else {
                otherwise(panic);
            }
        }));
    });
    let outer = INSIDE.with(|inside| inside.replace(true));
    let result = catch_unwind(AssertUnwindSafe(act));
    INSIDE.with(|inside| inside.set(outer));
    result
}

/// Calls sled. It panics on some kinds of damage; that is an error like any other here.
pub(super) fn guard<T>(
    doing: &str,
    act: impl FnOnce() -> sled::Result<T>,
) -> Result<T, StorageError> {
    match quietly(act) {
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

pub(super) fn flush(db: &sled::Db) -> Result<(), StorageError> {
    guard("flushing the log", || db.flush()).map(|_| ())
}

/// Opens sled. The caller holds the folder's own lock, so whoever still holds sled's is a thread that a store closed in
/// this process has left to end by itself. Sled says neither when that happens nor that it has.
#[expect(
    clippy::disallowed_methods,
    reason = "sled raises no event when its last thread ends, and blocking on its lock could block for ever"
)]
pub(super) fn open_engine(folder: &Path) -> Result<sled::Db, StorageError> {
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

/// fsync of what sled writes beside its `db` and never syncs with its name.
pub(super) fn sync_engine_files(disk: &Disk, folder: &Path) -> Result<(), StorageError> {
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

/// Tells the log which node it is of; durable with the next flush.
pub(super) fn write_identity(meta: &sled::Tree, identity: Identity) -> Result<(), StorageError> {
    let mut bytes = identity.node_id.to_be_bytes().to_vec();
    if let Some(incarnation) = identity.incarnation {
        bytes.extend_from_slice(&incarnation);
    }
    guard("writing the log", || {
        meta.insert(META_IDENTITY, bytes.as_slice())
    })?;
    Ok(())
}

/// Whether the log is the one that `node.state` is about.
pub(super) fn check_bound(meta: &sled::Tree, facts: &NodeFacts) -> Result<(), StorageError> {
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
            expected: hex(expected),
            found,
        }
        .into());
    }
    Ok(())
}

/// The last records, gathered while the log is verified.
#[derive(Default)]
pub(super) struct Tail {
    pub(super) records: VecDeque<Record>,
    pub(super) bytes: usize,
    pub(super) weights: LogBytes,
}

impl Tail {
    fn push(&mut self, record: Record) {
        self.weights.push(record.id.index, record.payload.len());
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
pub(super) fn scan(
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
pub(super) fn remove_torn_end(
    records: &sled::Tree,
    recovered: &Recovered,
) -> Result<(), StorageError> {
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
pub(super) fn read_engine(
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
