//! The replica of one node: openraft with its storage, its network and its state, started and stopped as one.

use std::collections::BTreeMap;
use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use openraft::Instant as _;
use openraft::async_runtime::WatchReceiver;
use openraft::{Config, RaftMetrics, SnapshotPolicy};
use tokio::sync::watch;

use super::coalesced::Coalesced;
use super::fingerprints::Marks;
use super::hand_over::Door;
use super::log_store::LogStore;
use super::membership::Changes;
use super::network::Network;
use super::peers::Peers;
use super::read_index::{Denied, LookAround};
use super::readers::{BootId, Readers};
use super::snapshot::{SnapshotStatus, Workshop};
use super::state_machine::{Board, StateMachine};
use super::types::{DiskId, Fatal, Member, NodeId, Raft, Runtime, StoredMembership, TypeConfig};
use super::wall_clocks::WallClocks;
use super::watchdog::Watched;
use crate::audit::Sink;
use crate::domain::limits;
use crate::domain::state::token_epoch::SealCheck;
use crate::domain::time::{Incarnation, Revision};
use crate::env::{Clock, Net, Offload};
use crate::storage::Storage;

/// How fast Raft notices and acts, in milliseconds. One set of numbers for a whole cluster.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Timings {
    /// Between two heartbeats of a leader.
    pub heartbeat_ms: u64,
    /// Least wait for an election once the leader's lease has run out; at least two heartbeats.
    pub election_ms_min: u64,
    /// Most; and the lease itself, within which a follower grants nobody else its vote.
    pub election_ms_max: u64,
    /// Between two tries to reach a node that could not be reached.
    pub backoff_ms: u64,
}

impl Default for Timings {
    /// A dead leader is replaced after its lease and one wait, 350 + 200 to 350 ms, and an election of some tens of
    /// milliseconds: within a bound of 1 s, so that the others go on deciding.
    fn default() -> Self {
        Self {
            heartbeat_ms: 75,
            election_ms_min: 200,
            election_ms_max: 350,
            backoff_ms: 100,
        }
    }
}

/// How often the log is condensed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Condensing {
    /// Entries between two snapshots, at the least.
    pub snapshot_every: u64,
    /// Entries kept behind the newest one.
    pub kept: u64,
    /// How large the log since the newest one must be against it, in percent.
    pub growth_percent: u64,
    /// How large the log since the newest one may be at the most, in bytes.
    pub log_bytes_max: u64,
}

impl Default for Condensing {
    fn default() -> Self {
        Self {
            snapshot_every: limits::SNAPSHOT_EVERY_ENTRIES,
            kept: limits::LOG_KEPT_ENTRIES,
            growth_percent: limits::SNAPSHOT_GROWTH_PERCENT,
            log_bytes_max: limits::LOG_BYTES_MAX,
        }
    }
}

/// What a replica is made of.
pub struct ReplicaParts {
    /// This node.
    pub node_id: NodeId,
    /// Its disk.
    pub disk: DiskId,
    /// This start of it.
    pub boot_id: BootId,
    /// How fast.
    pub timings: Timings,
    /// How often the log is condensed.
    pub condensing: Condensing,
    /// Where its log is.
    pub storage: Arc<dyn Storage>,
    /// How it reaches the others.
    pub net: Arc<dyn Net>,
    /// Its clock.
    pub clock: Arc<dyn Clock>,
    /// Where blocking work runs.
    pub threads: Arc<dyn Offload>,
    /// Where it tells what it applied.
    pub sink: Arc<dyn Sink>,
}

/// Why a replica does not start.
#[derive(Debug, thiserror::Error)]
pub enum ReplicaError {
    /// A timing that cannot work.
    #[error("the timings of Raft cannot work: {0}")]
    Timings(String),
    /// The state cannot be read from the disk.
    #[error("the state cannot be loaded: {0}")]
    Load(#[source] io::Error),
    /// openraft refused what it found.
    #[error("Raft cannot start on what the disk holds: {0}")]
    Raft(String),
}

/// The replica of one node.
pub struct Replica {
    node_id: NodeId,
    disk: DiskId,
    boot_id: BootId,
    raft: Raft,
    board: Arc<Board>,
    peers: Arc<Peers>,
    readers: Readers,
    read_indexes: Coalesced<Result<Revision, Denied>>,
    look_around: LookAround,
    changes: Changes,
    wall_clocks: WallClocks,
    clock: Arc<dyn Clock>,
    workshop: Workshop,
    condensing: Condensing,
    timings: Timings,
    door: Door,
    watched: Watched,
    marks: Arc<Marks>,
    /// Why this node must stop although Raft goes on.
    gave_up: watch::Sender<Option<String>>,
}

/// What a replica knows of itself and its cluster.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ReplicaStatus {
    /// This node.
    pub node_id: NodeId,
    /// The life of the cluster; `None`: it belongs to none yet.
    pub incarnation: Option<Incarnation>,
    /// Raft's term.
    pub term: u64,
    /// Who leads, if known.
    pub leader: Option<NodeId>,
    /// The last entry that is applied and published.
    pub applied: Revision,
    /// The last entry known to be committed.
    pub committed: Revision,
    /// The last entry in the log.
    pub last_logged: Revision,
    /// What the newest snapshot holds, and what is done with snapshots now.
    pub snapshots: SnapshotStatus,
    /// What is wrong although the node goes on, in sentences.
    pub faults: Vec<String>,
    /// Everything up to here has left the log.
    pub purged: Option<Revision>,
    /// Voters, in the order of their ids; while they change, those of before and of afterwards.
    pub voters: Vec<NodeId>,
    /// The change of the voters that is under way.
    pub changing: Option<VoterChange>,
    /// Whether this node was ever a member, as far as its state tells.
    pub was_member: bool,
    /// All members with their addresses.
    pub members: BTreeMap<NodeId, Member>,
    /// Of a leader: how long ago it heard each other member; `None`: not since it leads. Of others: nothing.
    pub heard: BTreeMap<NodeId, Option<Duration>>,
}

/// Voters before and after a change that is under way: until it is done, a quorum of both is needed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct VoterChange {
    /// Before.
    pub from: Vec<NodeId>,
    /// Afterwards.
    pub to: Vec<NodeId>,
}

/// Runs a node's future, and all that it spawns through openraft, with election timeouts drawn from `seed`.
pub fn seeded<F: Future>(seed: u64, future: F) -> impl Future<Output = F::Output> {
    Runtime::scope(seed, future)
}

impl Replica {
    /// Loads the state and starts Raft. Call it inside [`seeded`].
    ///
    /// # Errors
    /// As [`ReplicaError`] says.
    pub async fn start(parts: ReplicaParts) -> Result<Arc<Self>, ReplicaError> {
        let ReplicaParts {
            node_id,
            disk,
            boot_id,
            timings,
            condensing,
            storage,
            net,
            clock,
            threads,
            sink,
        } = parts;
        let config = raft_config(timings, condensing)?;
        let peers = Arc::new(Peers::new(node_id, net, clock.clone()));
        if let Some(incarnation) = storage.identity().and_then(|identity| identity.incarnation) {
            peers.set_incarnation(Incarnation(incarnation));
        }
        let workshop = Workshop::new(storage.clone(), threads, clock.clone());
        if let Some(mended) = storage.recovered().mended {
            tracing::warn!("{mended}");
        }
        let marks = Arc::new(Marks::default());
        let (machine, board) = StateMachine::open(workshop.clone(), sink, marks.clone())
            .await
            .map_err(ReplicaError::Load)?;
        let network = Network {
            peers: peers.clone(),
            workshop: workshop.clone(),
        };
        let raft = Raft::new(
            node_id,
            Arc::new(config),
            network,
            LogStore::new(storage),
            machine,
        )
        .await
        .map_err(|fatal| ReplicaError::Raft(fatal.to_string()))?;
        Ok(Arc::new(Self {
            node_id,
            disk,
            boot_id,
            raft,
            board,
            peers,
            readers: Readers::default(),
            read_indexes: Coalesced::default(),
            look_around: LookAround::default(),
            changes: Changes::default(),
            wall_clocks: WallClocks::default(),
            clock,
            workshop,
            condensing,
            timings,
            door: Door::default(),
            watched: Watched::default(),
            marks,
            gave_up: watch::Sender::new(None),
        }))
    }

    /// This node.
    pub fn node_id(&self) -> NodeId {
        self.node_id
    }

    /// Its disk.
    pub fn disk(&self) -> DiskId {
        self.disk
    }

    /// This start of it.
    pub fn boot_id(&self) -> BootId {
        self.boot_id
    }

    /// The published state.
    pub fn board(&self) -> &Arc<Board> {
        &self.board
    }

    /// To whom this node gave a read index.
    pub fn readers(&self) -> &Readers {
        &self.readers
    }

    /// The life of the cluster that this node belongs to, once it does.
    pub fn incarnation(&self) -> Option<Incarnation> {
        self.peers.incarnation()
    }

    /// What tells the cluster's seal key from any other, once this node has applied the cluster's first command.
    pub fn seal_check(&self) -> Option<SealCheck> {
        let published = self.board.load();
        let state = &published.state;
        state.is_bootstrapped().then(|| state.seal_check())
    }

    /// Returns what tells the cluster's seal key from any other, as soon as this node has applied it.
    pub async fn sealed(&self) -> SealCheck {
        let mut revisions = self.board.revisions();
        loop {
            revisions.mark_unchanged();
            if let Some(check) = self.seal_check() {
                return check;
            }
            if revisions.changed().await.is_err() {
                return std::future::pending().await;
            }
        }
    }

    /// Takes on an incarnation. ORDER: it must be durable before.
    pub fn set_incarnation(&self, incarnation: Incarnation) {
        self.peers.set_incarnation(incarnation);
    }

    /// Who leads as far as this node knows, and where to reach it.
    pub fn leader(&self) -> Option<(NodeId, Member)> {
        let metrics = self.raft.metrics();
        let metrics = metrics.borrow_watched();
        let leader = metrics.current_leader?;
        let member = metrics.membership_config.get_node(&leader)?.clone();
        Some((leader, member))
    }

    /// Returns once this node takes another node, or none, for the leader than `seen`.
    pub async fn leader_other_than(&self, seen: Option<NodeId>) {
        self.when(|metrics| (metrics.current_leader != seen).then_some(()))
            .await;
    }

    /// Returns once entries that a snapshot covers have left the log.
    pub async fn purged(&self) {
        self.when(|metrics| metrics.purged.map(drop)).await;
    }

    /// Returns once Raft has stopped, for whatever reason.
    pub async fn stopped(&self) {
        let mut metrics = self.raft.metrics();
        loop {
            let is_over = metrics.borrow_watched().running_state.is_err();
            if is_over || metrics.changed().await.is_err() {
                return;
            }
        }
    }

    /// Waits until `look` finds something in what Raft shows; for ever once Raft has stopped.
    async fn when<T>(&self, look: impl Fn(&RaftMetrics<TypeConfig>) -> Option<T>) -> T {
        let mut metrics = self.raft.metrics();
        loop {
            let found = look(&metrics.borrow_watched());
            if let Some(found) = found {
                return found;
            }
            if metrics.changed().await.is_err() {
                return std::future::pending().await;
            }
        }
    }

    /// Who belongs to the cluster as far as this node's log says.
    pub fn membership(&self) -> Arc<StoredMembership> {
        self.raft
            .metrics()
            .borrow_watched()
            .membership_config
            .clone()
    }

    /// Returns once the published state has reached `revision`.
    pub async fn applied(&self, revision: Revision) {
        let mut revisions = self.board.revisions();
        // The sender lives in the board, which lives in `self`.
        let _ = revisions.wait_for(|applied| *applied >= revision).await;
    }

    /// Returns the reason once Raft has stopped by itself, or this node [gave up](Self::give_up); never if it is stopped by
    /// [`Replica::shutdown`].
    pub async fn failed(&self) -> String {
        let failed = self.when(|metrics| match &metrics.running_state {
            Ok(()) | Err(Fatal::Stopped) => None,
            Err(fatal @ (Fatal::StorageError(_) | Fatal::Panicked)) => Some(fatal.to_string()),
        });
        tokio::select! {
            biased;
            why = failed => why,
            why = self.given_up() => why,
        }
    }

    /// Has this node stop: it must not go on as it is.
    pub fn give_up(&self, why: String) {
        self.gave_up.send_if_modified(|known| {
            let first = known.is_none();
            if first {
                *known = Some(why);
            }
            first
        });
    }

    /// Returns the reason once this node gave up. It needs nothing of Raft.
    pub async fn given_up(&self) -> String {
        let mut gave_up = self.gave_up.subscribe();
        loop {
            if let Some(why) = gave_up.borrow_and_update().clone() {
                return why;
            }
            // The sender lives in `self`.
            if gave_up.changed().await.is_err() {
                return std::future::pending().await;
            }
        }
    }

    /// How far this node knows the log to be committed, and whether it takes itself for the leader.
    pub(super) fn committed_and_leads(&self) -> (u64, bool) {
        let metrics = self.raft.metrics();
        let metrics = metrics.borrow_watched();
        (
            metrics.local_committed.map_or(0, |id| id.index),
            metrics.current_leader == Some(self.node_id),
        )
    }

    /// How long no quorum has answered this leader; `None`: it does not lead, is alone, or has just begun.
    pub(super) fn unanswered(&self) -> Option<Duration> {
        let metrics = self.raft.metrics();
        let metrics = metrics.borrow_watched();
        let leads = metrics.current_leader == Some(self.node_id);
        let others = metrics.membership_config.voter_ids().nth(1).is_some();
        let heard = metrics.last_quorum_acked.filter(|_| leads && others)?;
        Some(heard.elapsed())
    }

    /// Returns who leads once that is another node.
    pub(super) async fn led_by_another(&self) -> NodeId {
        self.when(|metrics| {
            metrics
                .current_leader
                .filter(|leader| *leader != self.node_id)
        })
        .await
    }

    /// What it knows of itself and its cluster.
    pub fn status(&self) -> ReplicaStatus {
        let metrics = self.raft.metrics();
        let metrics = metrics.borrow_watched();
        let membership = &metrics.membership_config;
        let snapshots = self.workshop.status();
        let faults = self.faults(&snapshots);
        let published = self.board.load();
        ReplicaStatus {
            node_id: self.node_id,
            incarnation: self.incarnation(),
            term: metrics.current_term,
            leader: metrics.current_leader,
            applied: published.revision(),
            committed: Revision(metrics.local_committed.map_or(0, |id| id.index)),
            last_logged: Revision(metrics.last_log_index.unwrap_or(0)),
            snapshots,
            faults,
            purged: metrics.purged.map(|id| Revision(id.index)),
            voters: membership.voter_ids().collect(),
            changing: changing(membership),
            was_member: published.ever_had(self.node_id),
            members: membership
                .nodes()
                .map(|(id, member)| (*id, member.clone()))
                .collect(),
            heard: heard(&metrics, self.node_id),
        }
    }

    /// How long ago each of the others has answered this leader last; empty: it does not lead.
    pub(super) fn heard(&self) -> BTreeMap<NodeId, Option<Duration>> {
        heard(&self.raft.metrics().borrow_watched(), self.node_id)
    }

    /// What is wrong although the node goes on.
    fn faults(&self, snapshots: &SnapshotStatus) -> Vec<String> {
        let mended = self.workshop.storage.recovered().mended;
        mended
            .into_iter()
            .chain(snapshots.faults.iter().cloned())
            .chain(self.watched.faults())
            .chain(self.marks.fault())
            .collect()
    }

    /// Stops Raft and returns once it has stopped.
    ///
    /// # Errors
    /// A sentence, when a task of Raft had panicked.
    pub async fn shutdown(&self) -> Result<(), String> {
        self.raft
            .shutdown()
            .await
            .map_err(|error| error.to_string())
    }

    pub(super) fn read_indexes(&self) -> &Coalesced<Result<Revision, Denied>> {
        &self.read_indexes
    }

    pub(super) fn look_around(&self) -> &LookAround {
        &self.look_around
    }

    pub(super) fn changes(&self) -> &Changes {
        &self.changes
    }

    pub(super) fn raft(&self) -> &Raft {
        &self.raft
    }

    pub(super) fn peers(&self) -> &Peers {
        &self.peers
    }

    pub(super) fn wall_clocks(&self) -> &WallClocks {
        &self.wall_clocks
    }

    pub(super) fn clock(&self) -> &Arc<dyn Clock> {
        &self.clock
    }

    pub(super) fn timings(&self) -> &Timings {
        &self.timings
    }

    pub(super) fn door(&self) -> &Door {
        &self.door
    }

    pub(super) fn watched(&self) -> &Watched {
        &self.watched
    }

    pub(super) fn marks(&self) -> &Marks {
        &self.marks
    }

    pub(super) fn condensing(&self) -> &Condensing {
        &self.condensing
    }

    pub(super) fn workshop(&self) -> &Workshop {
        &self.workshop
    }
}

fn heard(metrics: &RaftMetrics<TypeConfig>, me: NodeId) -> BTreeMap<NodeId, Option<Duration>> {
    let answers = metrics.heartbeat.iter().flatten();
    answers
        .filter(|(node, _)| **node != me)
        .map(|(node, at)| (*node, at.map(|at| at.elapsed())))
        .collect()
}

fn changing(membership: &StoredMembership) -> Option<VoterChange> {
    match membership.membership().get_joint_config().as_slice() {
        [from, to] => Some(VoterChange {
            from: from.iter().copied().collect(),
            to: to.iter().copied().collect(),
        }),
        _ => None,
    }
}

fn raft_config(timings: Timings, condensing: Condensing) -> Result<Config, ReplicaError> {
    let config = Config {
        cluster_name: "grantd".to_owned(),
        heartbeat_interval: timings.heartbeat_ms,
        election_timeout_min: timings.election_ms_min,
        election_timeout_max: timings.election_ms_max,
        backoff: format!("{}ms", timings.backoff_ms),
        // A node that was cut off must not depose the leader when it comes back.
        enable_pre_vote: Some(true),
        // A leader that restarts must win an election. If it resumed its old term it would take for its read index the
        // commit hint that it finds on its disk, which may lie before what it had acknowledged: a linearizable read
        // and a proof of freshness would both miss the last writes.
        enable_leader_restore: Some(false),
        // A leader that no quorum answers falls silent by itself, later: see `watchdog`.
        quorum_loss_probe_interval: None,
        // By the size of the log, which openraft does not know: see `condenser`.
        snapshot_policy: SnapshotPolicy::Never,
        max_in_snapshot_log_to_keep: condensing.kept,
        purge_batch_size: limits::PURGE_STEP_ENTRIES.min(condensing.kept.max(1)),
        max_payload_entries: limits::APPEND_ENTRIES_MAX,
        // The deadline of a snapshot goes by its size; this one only must not cut it short.
        install_snapshot_timeout: u64::try_from(Duration::from_secs(3_600).as_millis())
            .unwrap_or(u64::MAX),
        ..Config::default()
    };
    config
        .validate()
        .map_err(|error| ReplicaError::Timings(error.to_string()))
}
