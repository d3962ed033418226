//! Starting a node and stopping it.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;
use tonic::service::Routes;

use super::cluster::Cluster;
use super::port::{DateHeader, Port, PortLimits, serve};
use crate::app::usage::{ByGate, UsageLog};
use crate::audit::Sink;
use crate::crypto::seal::SealKey;
use crate::domain::ids::RequestId;
use crate::env::{Clock, Net, Offload, Rng, timeout};
use crate::gate::{DueTask, ReadGate, WriteGate};
use crate::replica::{
    BootId, Condensing, DiskId, NodeId, PeerService, Replica, ReplicaError, ReplicaParts, Timings,
    Underway, seeded,
};
use crate::storage::{Identity, LetGo, Storage, StorageError};
use crate::wire::peer::peer_server::PeerServer;

/// How long Raft of a node that is to stop may take to end: one that is stuck must not keep the node.
const RAFT_ENDS_MAX: Duration = Duration::from_secs(10);

/// How long a stopping node lets open calls end.
const DRAIN: Duration = Duration::from_secs(2);

/// How long a node that is to stop tries to tell of the last uses of keys: longer than an election.
const FLUSH: Duration = Duration::from_secs(2);

/// Between two looks whether the cluster knows which semantics a node knows.
const REPORT_EVERY: Duration = Duration::from_secs(5);

/// How long one try may take to tell which semantics a node knows.
const REPORT: Duration = Duration::from_secs(10);

/// How long a stopped node waits until its storage is let go: connections and streams of Raft that were told to end do
/// so one by one, and what is queued is written.
const LET_GO_MAX: Duration = Duration::from_secs(30);

/// What an operator may change.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NodeSettings {
    /// The node's id when its folder is empty; `None`: a random one. A folder that belongs to a node keeps its id.
    pub node_id: Option<NodeId>,
    /// Where to listen: `host:port`, port 0 for a free one.
    pub listen: String,
    /// Where the other nodes reach this one, if that is not where it listens.
    pub advertised: Option<String>,
    /// How fast Raft acts.
    pub timings: Timings,
    /// How often the log is condensed.
    pub condensing: Condensing,
    /// Between two proofs of freshness.
    pub freshness_every: Duration,
    /// Between two looks at what time has made due.
    pub due_every: Duration,
    /// The `date` header of answers.
    pub date: DateHeader,
    /// How many connections it takes.
    pub port: PortLimits,
}

impl NodeSettings {
    /// The defaults, listening at `listen`.
    pub fn new(listen: impl Into<String>) -> Self {
        Self {
            node_id: None,
            listen: listen.into(),
            advertised: None,
            timings: Timings::default(),
            condensing: Condensing::default(),
            freshness_every: Duration::from_millis(50),
            due_every: Duration::from_secs(1),
            date: DateHeader::Real,
            port: PortLimits::default(),
        }
    }
}

/// What a node serves its clients with; made once the doors are there.
pub type Front = Box<dyn FnOnce(&Doors) -> Routes + Send>;

/// Everything that a node is made of.
pub struct NodeParts {
    /// What an operator may change.
    pub settings: NodeSettings,
    /// Its clock.
    pub clock: Arc<dyn Clock>,
    /// Its randomness.
    pub rng: Arc<dyn Rng>,
    /// Its network.
    pub net: Arc<dyn Net>,
    /// Where its blocking work runs.
    pub threads: Arc<dyn Offload>,
    /// Where it works out answers that take long; never where a write to the disk would wait for them.
    pub evaluators: Arc<dyn Offload>,
    /// Its disk.
    pub storage: Arc<dyn Storage>,
    /// Seals the secrets that are replicated; the same on every node.
    pub seal_key: Arc<SealKey>,
    /// Where it tells what it has applied.
    pub sink: Arc<dyn Sink>,
    /// What it serves its clients with.
    pub front: Front,
}

/// What a front works with.
#[derive(Clone)]
pub struct Doors {
    /// This node.
    pub node_id: NodeId,
    /// Reading.
    pub read: Arc<ReadGate>,
    /// Writing.
    pub write: Arc<WriteGate>,
    /// Making, joining and showing the cluster.
    pub cluster: Arc<Cluster>,
    /// The node's clock.
    pub clock: Arc<dyn Clock>,
    /// The node's randomness.
    pub rng: Arc<dyn Rng>,
    /// Opens the secrets that are replicated.
    pub seal_key: Arc<SealKey>,
    /// Where answers that take long are worked out.
    pub evaluators: Arc<dyn Offload>,
    /// The uses of keys that the state does not know of yet.
    pub usage: Arc<UsageLog>,
}

/// Why a node does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The disk refused.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// The listener could not be opened.
    #[error("cannot listen at {address}: {source}; is another process there already?")]
    Listen {
        /// Where.
        address: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// The replica could not start.
    #[error(transparent)]
    Replica(#[from] ReplicaError),
    /// Its seal key is not the cluster's.
    #[error("{}", OTHER_SEAL_KEY)]
    SealKey,
}

/// What is said of a node whose seal key is not that of its cluster: it could neither open nor make a grant token, and
/// what it sealed nobody else could open.
pub(super) const OTHER_SEAL_KEY: &str = "this node's seal key is not the cluster's: start it with the seal key file that the other nodes have";

/// A running node. Dropping it does not stop it cleanly: await [`Node::shutdown`].
pub struct Node {
    doors: Doors,
    address: String,
    replica: Arc<Replica>,
    stop: watch::Sender<Stop>,
    failure: watch::Receiver<Option<String>>,
    tasks: Vec<JoinHandle<()>>,
    serving: JoinHandle<()>,
    storage: LetGo,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stop {
    /// The node runs.
    Run,
    /// No new call is taken; those that are open end.
    Drain,
    /// Everything ends.
    Now,
}

/// Starts a node: the one start of production, `dev`, tests and simulator.
///
/// # Errors
/// As [`StartError`] says; nothing runs then.
pub async fn start(parts: NodeParts) -> Result<Node, StartError> {
    let seed = parts.rng.u64();
    // Boxed: the future is large, and is awaited once.
    Box::pin(seeded(seed, start_seeded(parts))).await
}

async fn start_seeded(parts: NodeParts) -> Result<Node, StartError> {
    let NodeParts {
        settings,
        clock,
        rng,
        net,
        threads,
        evaluators,
        storage,
        seal_key,
        sink,
        front,
    } = parts;
    let identity = identify(&settings, &*storage, &*rng).await?;
    let node_id = identity.node_id;
    let listener = net
        .bind(&settings.listen)
        .await
        .map_err(|source| StartError::Listen {
            address: settings.listen.clone(),
            source,
        })?;
    let address = listener
        .local_address()
        .map_err(|source| StartError::Listen {
            address: settings.listen.clone(),
            source,
        })?;
    let replica = Replica::start(ReplicaParts {
        node_id,
        disk: DiskId(identity.disk),
        boot_id: BootId(rng.bytes16()),
        timings: settings.timings,
        condensing: settings.condensing,
        storage: storage.clone(),
        net,
        clock: clock.clone(),
        threads: threads.clone(),
        sink,
    })
    .await?;
    // What the disk holds may not have been applied yet: `watch_for_failure` looks again as soon as it is.
    if let (Some(check), Some(life)) = (replica.seal_check(), replica.incarnation())
        && check != seal_key.check(life)
    {
        if let Err(error) = replica.shutdown().await {
            tracing::error!(%error, "Raft did not stop cleanly");
        }
        return Err(StartError::SealKey);
    }
    let let_go = storage.let_go();
    let read = Arc::new(ReadGate::new(
        replica.clone(),
        clock.clone(),
        settings.freshness_every,
    ));
    let write = Arc::new(WriteGate::new(replica.clone(), clock.clone()));
    let cluster = Arc::new(Cluster {
        replica: replica.clone(),
        storage,
        read: read.clone(),
        write: write.clone(),
        clock: clock.clone(),
        rng: rng.clone(),
        seal_key: seal_key.clone(),
        advertised: settings.advertised.unwrap_or_else(|| address.clone()),
        joins: Arc::new(Underway::new(crate::domain::limits::JOINS_MAX)),
    });
    let due = DueTask::new(
        replica.clone(),
        write.clone(),
        clock.clone(),
        rng.clone(),
        settings.due_every,
    );
    let reports = ByGate {
        writes: write.clone(),
        rng: rng.clone(),
    };
    let usage = Arc::new(UsageLog::new(Arc::new(reports), clock.clone()));
    let doors = Doors {
        node_id,
        read,
        write: write.clone(),
        cluster,
        clock: clock.clone(),
        rng,
        seal_key,
        evaluators,
        usage: usage.clone(),
    };
    let peer_service = PeerServer::new(PeerService::new(replica.clone(), write))
        .max_decoding_message_size(crate::domain::limits::PEER_MESSAGE_BYTES_MAX)
        .max_encoding_message_size(crate::domain::limits::PEER_MESSAGE_BYTES_MAX);
    let routes = front(&doors).add_service(peer_service);

    let port = Port {
        node_id,
        clock,
        routes,
        limits: settings.port,
        date: settings.date,
    };
    let stop = watch::Sender::new(Stop::Run);
    let (failed, failure) = watch::channel(None);
    let tasks = vec![
        tokio::spawn(rounds(doors.read.clone(), stop.subscribe())),
        tokio::spawn(narration(replica.clone(), stop.subscribe())),
        tokio::spawn(dues(due, stop.subscribe())),
        tokio::spawn(uses(usage, stop.subscribe())),
        tokio::spawn(snapshots(replica.clone(), stop.subscribe())),
        tokio::spawn(fingerprints(replica.clone(), stop.subscribe())),
        tokio::spawn(membership(replica.clone(), stop.subscribe())),
        tokio::spawn(semantics(doors.clone(), stop.subscribe())),
        tokio::spawn(watch_for_failure(
            replica.clone(),
            doors.seal_key.clone(),
            failed,
            stop.clone(),
        )),
        threads.apart(
            "watchdog",
            Box::pin(watch_apply(replica.clone(), stop.subscribe())),
        ),
    ];
    let serving = tokio::spawn(serve_until(port, listener, stop.subscribe()));
    Ok(Node {
        doors,
        address,
        replica,
        stop,
        failure,
        tasks,
        serving,
        storage: let_go,
    })
}

/// Who the node is: what its folder says, or the configured id or a random one, and a disk id of its own; durable when
/// it returns.
async fn identify(
    settings: &NodeSettings,
    storage: &dyn Storage,
    rng: &dyn Rng,
) -> Result<Identity, StartError> {
    if let Some(identity) = storage.identity() {
        return Ok(identity);
    }
    let node_id = settings.node_id.unwrap_or_else(|| {
        // 53 bits: such an id is a number in JSON too. Zero means "any node" in a route.
        (rng.u64() >> 11).max(1)
    });
    let identity = Identity {
        node_id,
        disk: rng.bytes16(),
        incarnation: None,
    };
    storage.save_identity(identity).await?;
    Ok(identity)
}

async fn stopped(mut stop: watch::Receiver<Stop>) {
    // The sender is gone only with the node itself.
    let _ = stop.wait_for(|stop| *stop == Stop::Now).await;
}

/// Returns once no new call is to be taken.
async fn draining(mut stop: watch::Receiver<Stop>) {
    // As above.
    let _ = stop.wait_for(|stop| *stop != Stop::Run).await;
}

async fn watch_apply(replica: Arc<Replica>, stop: watch::Receiver<Stop>) {
    tokio::select! {
        biased;
        () = stopped(stop) => {}
        why = replica.clone().watch_apply() => replica.give_up(why),
    }
}

async fn rounds(read: Arc<ReadGate>, stop: watch::Receiver<Stop>) {
    tokio::select! {
        biased;
        () = stopped(stop) => {}
        () = read.run() => {}
    }
}

async fn narration(replica: Arc<Replica>, stop: watch::Receiver<Stop>) {
    tokio::select! {
        biased;
        () = stopped(stop) => {}
        () = replica.narrate() => {}
    }
}

async fn dues(due: DueTask, stop: watch::Receiver<Stop>) {
    tokio::select! {
        biased;
        () = stopped(stop) => {}
        () = due.run() => {}
    }
}

async fn snapshots(replica: Arc<Replica>, stop: watch::Receiver<Stop>) {
    tokio::select! {
        biased;
        () = stopped(stop) => {}
        () = replica.condense() => {}
    }
}

async fn fingerprints(replica: Arc<Replica>, stop: watch::Receiver<Stop>) {
    tokio::select! {
        biased;
        () = stopped(stop) => {}
        () = replica.clone().deepen_fingerprints() => {}
        why = replica.clone().compare_fingerprints() => replica.give_up(why),
    }
}

async fn membership(replica: Arc<Replica>, stop: watch::Receiver<Stop>) {
    tokio::select! {
        biased;
        () = stopped(stop) => {}
        () = replica.tend() => {}
    }
}

async fn uses(usage: Arc<UsageLog>, stop: watch::Receiver<Stop>) {
    tokio::select! {
        biased;
        () = stopped(stop) => {}
        () = usage.run() => {}
    }
    usage.end();
}

/// Tells the cluster which semantics this binary knows, until the state has it: after an upgrade, for one that joins has
/// told it then.
async fn semantics(doors: Doors, stop: watch::Receiver<Stop>) {
    let told = async {
        loop {
            doors.clock.sleep(REPORT_EVERY).await;
            let request_id = RequestId(doors.rng.bytes16());
            // What is not known to be told is told again.
            if let Err(error) = doors.write.report_semantics(request_id, REPORT).await {
                tracing::debug!(%error, "the cluster could not be told which semantics this node knows");
            }
        }
    };
    tokio::select! {
        biased;
        () = stopped(stop) => {}
        () = told => {}
    }
}

/// A fault of the disk or of Raft stops the whole node, for what cannot write must not go on answering; and so does a seal
/// key that is not the cluster's.
async fn watch_for_failure(
    replica: Arc<Replica>,
    seal_key: Arc<SealKey>,
    failed: watch::Sender<Option<String>>,
    stop: watch::Sender<Stop>,
) {
    let stopped = stopped(stop.subscribe());
    let why = tokio::select! {
        biased;
        () = stopped => return,
        why = replica.failed() => why,
        () = other_seal_key(&replica, &seal_key) => OTHER_SEAL_KEY.to_owned(),
    };
    tracing::error!(%why, "the node stops");
    failed.send_replace(Some(why));
    stop.send_replace(Stop::Now);
}

/// Returns once the state says that the cluster's seal key is another one; never if it is this one.
async fn other_seal_key(replica: &Replica, seal_key: &SealKey) {
    let check = replica.sealed().await;
    let life = replica.board().load().state.incarnation();
    if check == seal_key.check(life) {
        std::future::pending().await
    }
}

async fn serve_until(
    port: Port,
    listener: Box<dyn crate::env::Listener>,
    stop: watch::Receiver<Stop>,
) {
    let clock = port.clock.clone();
    let serving = serve(port, listener, draining(stop.clone()));
    let drained = async {
        draining(stop).await;
        // Open connections that do not end by themselves are cut.
        clock.sleep(DRAIN).await;
    };
    tokio::select! {
        biased;
        () = serving => {}
        () = drained => {}
    }
}

impl Node {
    /// This node's id.
    pub fn node_id(&self) -> NodeId {
        self.doors.node_id
    }

    /// Where it listens, with the port that it got.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Its doors.
    pub fn doors(&self) -> &Doors {
        &self.doors
    }

    /// Making, joining and showing the cluster.
    pub fn cluster(&self) -> &Cluster {
        &self.doors.cluster
    }

    /// The replica, for what looks on from outside: checkers and benchmarks.
    pub fn replica(&self) -> &Arc<Replica> {
        &self.replica
    }

    /// Returns the reason once the node has stopped by itself; never while it runs or when it is shut down.
    pub async fn failed(&self) -> String {
        let mut failure = self.failure.clone();
        let failed = async {
            loop {
                if let Some(why) = failure.borrow_and_update().clone() {
                    return why;
                }
                if failure.changed().await.is_err() {
                    return std::future::pending().await;
                }
            }
        };
        tokio::select! {
            biased;
            why = failed => why,
            // From itself too: whatever is stuck may have the task that would tell of it with it.
            why = self.replica.given_up() => why,
        }
    }

    /// Stops the node and returns once all of it has stopped and its storage is closed, unless somebody outside of the
    /// node holds on to it. A node that leads hands the lead over first, and answers what is under way.
    pub async fn shutdown(self) {
        let Self {
            doors,
            address: _,
            replica,
            stop,
            failure: _,
            tasks,
            serving,
            storage,
        } = self;
        let clock = doors.clock.clone();
        if *stop.borrow() == Stop::Run {
            // ORDER: while the node can still write.
            doors.usage.flush(FLUSH).await;
            replica.hand_over().await;
            // ORDER: calls end while Raft still runs: one that it is torn away from does not know what became of it.
            stop.send_if_modified(|stop| {
                let runs = *stop == Stop::Run;
                if runs {
                    *stop = Stop::Drain;
                }
                runs
            });
        }
        let served = serving.abort_handle();
        if timeout(&*clock, DRAIN * 2, serving).await.is_none() {
            served.abort();
        }
        stop.send_replace(Stop::Now);
        match timeout(&*clock, RAFT_ENDS_MAX, replica.shutdown()).await {
            Some(Ok(())) => {}
            Some(Err(error)) => tracing::error!(%error, "Raft did not stop cleanly"),
            None => tracing::error!("Raft did not stop in time"),
        }
        for task in tasks {
            let abort = task.abort_handle();
            if timeout(&*clock, DRAIN * 2, task).await.is_none() {
                abort.abort();
            }
        }
        drop((doors, replica));
        if timeout(&*clock, LET_GO_MAX, storage.wait()).await.is_none() {
            tracing::warn!("the storage is still held after the node has stopped");
        }
    }
}
