//! openraft's state machine over `domain::State`: applies committed entries in order and publishes the result.
//!
//! A batch is published with one swap, before any of its writers is answered: whoever was told of a write finds it in
//! the state. Never: an order of its own, a clock, a change of the state other than by `domain::op::apply`.

use std::io;
use std::sync::Arc;

use arc_swap::ArcSwap;
use futures::{Stream, TryStreamExt};
use openraft::OptionalSend;
use openraft::storage::{ApplyResponder, EntryResponder, RaftSnapshotBuilder, RaftStateMachine};
use tokio::sync::watch;

use super::snapshot::{self, SnapshotData, Workshop};
use super::types::{
    Command, Entry, LogId, Payload, Reply, Snapshot, SnapshotMeta, StoredMembership, TypeConfig,
};
use crate::audit::Sink;
use crate::domain::limits;
use crate::domain::op::{self, Semantics};
use crate::domain::state::State;
use crate::domain::time::Revision;
use crate::wire::stored;

/// The state of this node at one point of the log.
#[derive(Clone, Debug, Default)]
pub struct Published {
    /// The facts.
    pub state: State,
    last: Option<LogId>,
    membership: StoredMembership,
}

impl Published {
    /// The index of the last entry that is in it, blanks and membership changes included; zero before the first.
    pub fn revision(&self) -> Revision {
        Revision(self.last.map_or(0, |id| id.index))
    }
}

/// Where the state machine publishes and everybody else looks.
#[derive(Debug)]
pub struct Board {
    current: ArcSwap<Published>,
    revision: watch::Sender<Revision>,
}

impl Board {
    fn new(first: Published) -> Self {
        let revision = first.revision();
        Self {
            current: ArcSwap::from_pointee(first),
            revision: watch::Sender::new(revision),
        }
    }

    /// The newest published state.
    pub fn load(&self) -> Arc<Published> {
        self.current.load_full()
    }

    /// Follows the published revision.
    pub fn revisions(&self) -> watch::Receiver<Revision> {
        self.revision.subscribe()
    }

    fn publish(&self, next: Published) {
        let revision = next.revision();
        // ORDER: the state first: whoever is woken by the revision must find it.
        self.current.store(Arc::new(next));
        self.revision.send_replace(revision);
    }
}

/// The state machine of one node.
pub struct StateMachine {
    board: Arc<Board>,
    workshop: Workshop,
    sink: Arc<dyn Sink>,
}

impl StateMachine {
    /// Opens the state that the newest snapshot holds, or the empty one.
    pub async fn open(workshop: Workshop, sink: Arc<dyn Sink>) -> io::Result<(Self, Arc<Board>)> {
        let first = match snapshot::open_newest(&*workshop.storage).await? {
            Some((meta, source)) => Self::published(&workshop, &meta, source).await?,
            None => Published::default(),
        };
        let board = Arc::new(Board::new(first));
        let machine = Self {
            board: board.clone(),
            workshop,
            sink,
        };
        Ok((machine, board))
    }

    async fn published(
        workshop: &Workshop,
        meta: &SnapshotMeta,
        source: crate::storage::SnapshotSource,
    ) -> io::Result<Published> {
        let SnapshotMeta {
            last_log_id,
            last_membership,
        } = meta;
        let state = snapshot::read(&*workshop.threads, source).await?;
        known(&state).map_err(|why| {
            io::Error::new(
                io::ErrorKind::InvalidData,
                format!(
                    "the newest snapshot is not understood: {why}; start a newer version of grantd"
                ),
            )
        })?;
        Ok(Published {
            state,
            last: *last_log_id,
            membership: last_membership.clone(),
        })
    }

    fn step(&self, working: &mut Published, entry: Entry) -> io::Result<Reply> {
        let Entry { log_id, payload } = entry;
        let reply = match payload {
            Payload::Blank => Reply::NoCommand,
            Payload::Membership(membership) => {
                let members: Vec<u64> = membership.nodes().map(|(id, _)| *id).collect();
                op::members_changed(&mut working.state, Revision(log_id.index), &members);
                working.membership = StoredMembership::new(Some(log_id), membership);
                Reply::NoCommand
            }
            Payload::Normal(Command(bytes)) => {
                let entry =
                    stored::decode_entry(&bytes).map_err(|error| not_understood(log_id, &error))?;
                if entry.semantics > Semantics::CURRENT {
                    return Err(not_understood(
                        log_id,
                        &format!(
                            "it asks for semantics {}, this binary knows {}",
                            entry.semantics.0,
                            Semantics::CURRENT.0
                        ),
                    ));
                }
                let revision = Revision(log_id.index);
                let applied = op::apply(&mut working.state, revision, &entry);
                known(&working.state).map_err(|why| not_understood(log_id, &why))?;
                self.sink.applied(revision, &entry, &applied);
                Reply::Outcome {
                    outcome: Box::new(applied.outcome),
                    settled_at: applied.settled_at,
                }
            }
        };
        working.last = Some(log_id);
        Ok(reply)
    }

    fn publish(&self, working: &Published, answers: &mut Vec<(ApplyResponder<TypeConfig>, Reply)>) {
        self.board.publish(working.clone());
        // ORDER: published first, told afterwards.
        for (responder, reply) in answers.drain(..) {
            responder.send(reply);
        }
    }
}

/// That this binary knows what the cluster's entries mean from here on.
pub(super) fn known(state: &State) -> Result<(), String> {
    let Semantics(raised) = state.semantics();
    let Semantics(newest) = Semantics::CURRENT;
    if raised <= newest {
        return Ok(());
    }
    Err(format!(
        "the cluster is at semantics {raised}, this binary knows {newest}"
    ))
}

/// An entry that this binary cannot apply stops the node: to skip it would be to diverge.
fn not_understood(id: LogId, why: &dyn std::fmt::Display) -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidData,
        format!(
            "the entry at revision {} is not understood: {why}; start a newer version of grantd",
            id.index
        ),
    )
}

impl RaftStateMachine<TypeConfig> for StateMachine {
    type SnapshotData = SnapshotData;
    type SnapshotBuilder = SnapshotBuilder;

    async fn applied_state(&mut self) -> Result<(Option<LogId>, StoredMembership), io::Error> {
        let now = self.board.load();
        Ok((now.last, now.membership.clone()))
    }

    async fn apply<S>(&mut self, mut entries: S) -> Result<(), io::Error>
    where
        S: Stream<Item = Result<EntryResponder<TypeConfig>, io::Error>> + Unpin + OptionalSend,
    {
        let mut working = Published::clone(&self.board.load());
        let mut answers = Vec::new();
        let mut unpublished = 0;
        while let Some((entry, responder)) = entries.try_next().await? {
            let reply = self.step(&mut working, entry)?;
            answers.extend(responder.map(|responder| (responder, reply)));
            unpublished += 1;
            if unpublished >= limits::APPLY_BATCH_MAX {
                self.publish(&working, &mut answers);
                unpublished = 0;
            }
        }
        if unpublished > 0 {
            self.publish(&working, &mut answers);
        }
        Ok(())
    }

    async fn get_snapshot_builder(&mut self) -> SnapshotBuilder {
        SnapshotBuilder {
            of: self.board.load(),
            workshop: self.workshop.clone(),
        }
    }

    async fn install_snapshot(
        &mut self,
        meta: &SnapshotMeta,
        data: SnapshotData,
    ) -> Result<(), io::Error> {
        let source = match data {
            SnapshotData::Held(source) => source,
            SnapshotData::Received(sink) => {
                sink.finish().await?;
                match self.workshop.storage.open_snapshot().await? {
                    Some(source) => source,
                    None => {
                        return Err(io::Error::other(
                            "a snapshot that was just received is gone",
                        ));
                    }
                }
            }
        };
        // What the store holds now may be newer than what was asked for; its own head tells.
        let held = snapshot::raft_meta(&source.meta)?;
        if held.last_log_id < meta.last_log_id {
            return Err(io::Error::other(
                "the newest snapshot is older than the one just received",
            ));
        }
        let next = Self::published(&self.workshop, &held, source).await?;
        // never back to an older revision.
        if next.last >= self.board.load().last {
            self.board.publish(next);
        }
        Ok(())
    }

    async fn get_current_snapshot(&mut self) -> Result<Option<Snapshot>, io::Error> {
        Ok(snapshot::open_newest(&*self.workshop.storage)
            .await?
            .map(|(meta, source)| Snapshot {
                meta,
                snapshot: SnapshotData::Held(source),
            }))
    }
}

/// Builds a snapshot of the state as it was when the builder was made, while entries go on being applied.
pub struct SnapshotBuilder {
    of: Arc<Published>,
    workshop: Workshop,
}

impl RaftSnapshotBuilder<TypeConfig> for SnapshotBuilder {
    type SnapshotData = SnapshotData;

    async fn build_snapshot(&mut self) -> Result<Snapshot, io::Error> {
        let Workshop { storage, threads } = &self.workshop;
        let meta = SnapshotMeta {
            last_log_id: self.of.last,
            last_membership: self.of.membership.clone(),
        };
        snapshot::write(&**storage, &**threads, &meta, self.of.state.clone()).await?;
        let Some((meta, source)) = snapshot::open_newest(&**storage).await? else {
            return Err(io::Error::other("a snapshot that was just written is gone"));
        };
        Ok(Snapshot {
            meta,
            snapshot: SnapshotData::Held(source),
        })
    }
}
