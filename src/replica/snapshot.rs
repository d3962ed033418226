//! Snapshots: building one from a clone of the state, and taking one in.
//!
//! The state is written and read on a thread that may block, in a stream: never as one buffer. What travels between
//! nodes is the same content; `network` and `peer_service` carry it. A snapshot that cannot be written, sent or taken in
//! is told and tried again ([`Desk`]); it stops nothing else, and openraft never hears of it, for it would stop the node.

use std::collections::BTreeMap;
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use prost::Message;
use tokio::sync::Notify;

use super::convert::{snapshot_meta_in, snapshot_meta_out};
use super::log_record::stored_log_id;
use super::types::{NodeId, NodeIds, SnapshotMeta};
use crate::domain::limits;
use crate::domain::state::State;
use crate::domain::time::Revision;
use crate::env::{BootTime, Clock, Offload, offload};
use crate::storage::{self, SnapshotSink, SnapshotSource, Storage};
use crate::telemetry::Seldom;
use crate::wire::stored::DecodeError;
use crate::wire::{peer, stored};

/// A snapshot in openraft's hands.
pub enum SnapshotData {
    /// The newest that this node holds. It is opened by whoever sends it: a file that cannot be opened is no reason for
    /// openraft to stop the node.
    Held,
    /// One that came from a peer: complete and durable, not yet under its name.
    Received(Box<dyn SnapshotSink>),
}

/// The head of a snapshot.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Head {
    /// As openraft knows it.
    pub meta: SnapshotMeta,
    /// Every id that was ever a member's.
    pub ids: NodeIds,
}

/// What `storage` keeps of a snapshot's head. The membership goes into its opaque part.
pub fn stored_meta(head: &Head) -> storage::SnapshotMeta {
    let Head { meta, ids } = head;
    storage::SnapshotMeta {
        last: meta.last_log_id.map(stored_log_id),
        extra: snapshot_meta_out(meta, ids).encode_to_vec().into(),
    }
}

/// The head that `storage` has kept.
///
/// # Errors
/// `InvalidData` when it was written by another version.
pub fn head_of(meta: &storage::SnapshotMeta) -> io::Result<Head> {
    let storage::SnapshotMeta { last, extra } = meta;
    let invalid = |why: String| {
        io::Error::new(
            io::ErrorKind::InvalidData,
            format!(
                "the head of the newest snapshot cannot be read: {why}; it was written by a newer version of grantd, or the disk is damaged"
            ),
        )
    };
    let head =
        peer::SnapshotMeta::decode(extra.clone()).map_err(|error| invalid(error.to_string()))?;
    let (meta, ids) = snapshot_meta_in(Some(head)).map_err(|error| invalid(error.to_string()))?;
    if meta.last_log_id.map(stored_log_id) != *last {
        return Err(invalid("it contradicts itself".to_owned()));
    }
    Ok(Head { meta, ids })
}

/// Opens the newest snapshot that this node holds.
pub async fn open_newest(storage: &dyn Storage) -> io::Result<Option<(Head, SnapshotSource)>> {
    let Some(source) = storage.open_snapshot().await? else {
        return Ok(None);
    };
    Ok(Some((head_of(&source.meta)?, source)))
}

/// Writes `state` as the newest snapshot; durable when it returns.
pub async fn write(
    storage: &dyn Storage,
    threads: &dyn Offload,
    head: &Head,
    state: State,
) -> io::Result<()> {
    let sink = storage.create_snapshot(stored_meta(head)).await?;
    let sink = offload(threads, move || {
        let mut buffered = BufWriter::with_capacity(64 * 1024, SinkWriter(sink));
        stored::write_snapshot(&state, &mut buffered)?;
        buffered
            .into_inner()
            .map(|SinkWriter(sink)| sink)
            .map_err(io::IntoInnerError::into_error)
    })
    .await??;
    sink.finish().await?;
    Ok(())
}

/// The head of the newest snapshot that this node holds; no file is opened.
pub fn newest_head(storage: &dyn Storage) -> io::Result<Option<Head>> {
    storage.snapshot().as_ref().map(head_of).transpose()
}

/// Reads the state that a snapshot holds; all of it is verified. `moves` counts on as it goes.
pub async fn read(
    threads: &dyn Offload,
    source: SnapshotSource,
    moves: Arc<Moves>,
) -> io::Result<State> {
    let SnapshotSource { content, .. } = source;
    offload(threads, move || {
        let counted = Counted { content, moves };
        let mut buffered = BufReader::with_capacity(64 * 1024, counted);
        stored::read_snapshot(&mut buffered).map_err(|error| match error {
            // What the storage says of its own file, in its own words.
            DecodeError::Io(error) => error,
            error => io::Error::new(io::ErrorKind::InvalidData, error),
        })
    })
    .await?
}

/// Counts whatever moves the state machine on: an entry applied, a piece of a snapshot read. Who looks on can tell one
/// that works from one that stands still.
#[derive(Debug, Default)]
pub struct Moves(AtomicU64);

impl Moves {
    /// One more.
    pub fn step(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    /// How many there were.
    pub fn count(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

struct Counted {
    content: Box<dyn Read + Send>,
    moves: Arc<Moves>,
}

impl Read for Counted {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.moves.step();
        self.content.read(into)
    }
}

struct SinkWriter(Box<dyn SnapshotSink>);

impl Write for SinkWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// The pieces that snapshots need, shared by all that take, send and install them.
#[derive(Clone)]
pub struct Workshop {
    pub storage: Arc<dyn Storage>,
    pub threads: Arc<dyn Offload>,
    pub desk: Arc<Desk>,
    pub moves: Arc<Moves>,
}

/// What is done with a snapshot.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Work {
    /// Written from this node's own state.
    Taking,
    /// Received from the node that leads, and installed.
    Installing {
        /// Who sends it.
        from: NodeId,
    },
    /// Sent to a node whose log is too far behind.
    Sending {
        /// Who gets it.
        to: NodeId,
    },
}

impl Work {
    fn in_words(self) -> String {
        match self {
            Self::Taking => "a snapshot cannot be taken".to_owned(),
            Self::Installing { from } => {
                format!("the snapshot that node {from} sends cannot be taken in")
            }
            Self::Sending { to } => format!("node {to} cannot be sent a snapshot"),
        }
    }
}

/// What a node does with snapshots now, and what stood in the way lately.
pub struct Desk {
    clock: Arc<dyn Clock>,
    now: Mutex<Now>,
    wish: Notify,
}

#[derive(Default)]
struct Now {
    under_way: BTreeMap<Work, usize>,
    faults: BTreeMap<Work, Fault>,
    renew: bool,
}

struct Fault {
    why: String,
    last: BootTime,
    told: Seldom,
}

/// A fault that was not met again for so long is over: everything is tried again within seconds.
const FAULT_LASTS: Duration = Duration::from_secs(60);

/// What a node does with snapshots now.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct SnapshotStatus {
    /// What the newest holds; `None`: none was taken yet.
    pub revision: Option<Revision>,
    /// Bytes of the newest.
    pub bytes: u64,
    /// About how many bytes the log after the newest has.
    pub log_bytes: u64,
    /// One is being written.
    pub taking: bool,
    /// One is being received or installed.
    pub installing: bool,
    /// What stands in the way of taking, installing or sending one, in sentences.
    pub faults: Vec<String>,
}

impl Desk {
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            clock,
            now: Mutex::default(),
            wish: Notify::new(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Now> {
        // A few lines of map handling; what they leave is whole.
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Work that goes on until what is returned is dropped.
    pub fn begin(self: &Arc<Self>, work: Work) -> UnderWay {
        *self.lock().under_way.entry(work).or_default() += 1;
        UnderWay {
            desk: self.clone(),
            work,
        }
    }

    /// Tells that something has failed, and remembers it. The same fault is told once in a while, with how often it was
    /// met.
    pub fn failed(&self, work: Work, why: &dyn std::fmt::Display) {
        let at = self.clock.boot();
        let why = why.to_string();
        let mut now = self.lock();
        now.faults
            .retain(|_, fault| at.since(fault.last) < FAULT_LASTS);
        if now.faults.len() >= limits::MEMBERS_MAX && !now.faults.contains_key(&work) {
            return;
        }
        let fault = now.faults.entry(work).or_insert_with(|| Fault {
            why: String::new(),
            last: at,
            told: Seldom::new(),
        });
        fault.last = at;
        if let Some(times) = fault.told.due(at.since_boot()) {
            tracing::warn!(
                %why,
                times,
                "{}: it is tried again; nothing else waits for it",
                work.in_words()
            );
        }
        fault.why = why;
    }

    /// Forgets what stood in the way of `work`.
    pub fn succeeded(&self, work: Work) {
        if self.lock().faults.remove(&work).is_some() {
            tracing::info!("it was said before: {}: it can now", work.in_words());
        }
    }

    /// Asks for a snapshot whatever the log is like: the newest cannot be read.
    pub fn ask_for_a_new_one(&self) {
        self.lock().renew = true;
        self.wish.notify_one();
    }

    /// Returns once one is asked for.
    pub async fn wished(&self) {
        self.wish.notified().await;
    }

    /// Whether one was asked for, once.
    pub fn take_wish(&self) -> bool {
        std::mem::take(&mut self.lock().renew)
    }

    /// Whether a snapshot is on its way to `node`.
    pub fn is_sending_to(&self, node: NodeId) -> bool {
        let work = Work::Sending { to: node };
        self.lock().under_way.contains_key(&work)
    }

    fn status(&self) -> SnapshotStatus {
        let at = self.clock.boot();
        let now = self.lock();
        SnapshotStatus {
            taking: now.under_way.contains_key(&Work::Taking),
            installing: now
                .under_way
                .keys()
                .any(|work| matches!(work, Work::Installing { .. })),
            faults: now
                .faults
                .iter()
                .filter(|(_, fault)| at.since(fault.last) < FAULT_LASTS)
                .map(|(work, fault)| format!("{}: {}", work.in_words(), fault.why))
                .collect(),
            ..SnapshotStatus::default()
        }
    }
}

/// Work on a snapshot that goes on.
pub struct UnderWay {
    desk: Arc<Desk>,
    work: Work,
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        let mut now = self.desk.lock();
        if let Some(count) = now.under_way.get_mut(&self.work) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                now.under_way.remove(&self.work);
            }
        }
    }
}

impl Workshop {
    pub fn new(
        storage: Arc<dyn Storage>,
        threads: Arc<dyn Offload>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            storage,
            threads,
            desk: Arc::new(Desk::new(clock)),
            moves: Arc::default(),
        }
    }

    /// What the node does with snapshots now.
    pub fn status(&self) -> SnapshotStatus {
        let covered = self.storage.snapshot().and_then(|meta| meta.last);
        SnapshotStatus {
            revision: covered.map(|last| Revision(last.index)),
            bytes: self.storage.snapshot_bytes(),
            log_bytes: self
                .storage
                .log_bytes_after(covered.map_or(0, |last| last.index)),
            ..self.desk.status()
        }
    }
}
