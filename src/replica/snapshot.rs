//! Snapshots: building one from a clone of the state, and taking one in.
//!
//! The state is written and read on a thread that may block, in a stream: never as one buffer. What travels between
//! nodes is the same content; `network` and `peer_service` carry it.

use std::io::{self, BufReader, BufWriter, Write};
use std::sync::Arc;

use prost::Message;

use super::convert::{snapshot_meta_in, snapshot_meta_out};
use super::log_record::stored_log_id;
use super::types::{NodeIds, SnapshotMeta};
use crate::domain::state::State;
use crate::env::{Offload, offload};
use crate::storage::{self, SnapshotSink, SnapshotSource, Storage};
use crate::wire::{peer, stored};

/// A snapshot in openraft's hands.
pub enum SnapshotData {
    /// One that this node holds, opened for reading.
    Held(SnapshotSource),
    /// One that came from a peer: complete, not yet durable.
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

/// Reads the state that a snapshot holds; all of it is verified.
pub async fn read(threads: &dyn Offload, source: SnapshotSource) -> io::Result<State> {
    let SnapshotSource { content, .. } = source;
    offload(threads, move || {
        let mut buffered = BufReader::with_capacity(64 * 1024, content);
        stored::read_snapshot(&mut buffered)
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
    })
    .await?
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

/// The pieces that snapshots need, shared by the builder and the state machine.
#[derive(Clone)]
pub struct Workshop {
    pub storage: Arc<dyn Storage>,
    pub threads: Arc<dyn Offload>,
}
