//! Making a cluster, joining it, leaving it, and looking at it.

use std::sync::Arc;
use std::time::Duration;

use crate::crypto::seal::{EpochSecret, SealKey};
use crate::domain::authz::caller::{Caller, Identity, RequestFacts};
use crate::domain::ids::RequestId;
use crate::domain::op::bootstrap::Bootstrap;
use crate::domain::op::{Command, Scope, Semantics};
use crate::domain::state::cow_map::HashKey;
use crate::domain::state::settings::Settings;
use crate::domain::time::{Incarnation, Revision};
use crate::env::{Clock, Rng, timeout};
use crate::gate::{Draft, ReadGate, WriteGate};
use crate::replica::{
    Changed, ClusterInfo, Member, NoClusterInfo, NodeId, NotProposed, Replica, ReplicaStatus,
    Underway,
};
use crate::storage::{Identity as StoredIdentity, Storage};

use super::start::OTHER_SEAL_KEY;

/// How long one question to another node may take while a node joins.
const ASK_DEADLINE: Duration = Duration::from_secs(2);

/// Pause between two tries to find the leader.
const TRY_AGAIN: Duration = Duration::from_millis(50);

/// What a new cluster begins with.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NewCluster {
    /// The replicated settings.
    pub settings: Settings,
    /// The partition and Region that the first command names.
    pub scope: Scope,
    /// How long to try.
    pub deadline: Duration,
}

/// Why the cluster was not changed as asked.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ClusterError {
    /// It cannot be done in this node's or this cluster's condition.
    #[error("{0}")]
    Refused(String),
    /// Nothing was done; it may work later.
    #[error("{0}")]
    Unavailable(String),
    /// It may have been done.
    #[error("the outcome is unknown: {0}; look at the cluster's status")]
    Unknown(String),
}

/// What a node knows of itself and its cluster.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NodeStatus {
    /// Raft's view.
    pub replica: ReplicaStatus,
    /// Where the other nodes reach this one.
    pub advertised: String,
    /// How long ago its freshness was last proven.
    pub fresh_ago: Option<Duration>,
    /// Whether the cluster's first command is applied here.
    pub bootstrapped: bool,
    /// Whether a leader has said that the node is no member, and nothing since has shown that it is one.
    pub told_removed: bool,
}

/// Joins in hand, by the node through which. Several do no harm: the identity that is stored takes one incarnation.
pub(super) type Joins = Underway<String, Result<Revision, ClusterError>>;

/// Makes, joins and shows the cluster of one node.
#[derive(Clone)]
pub struct Cluster {
    pub(super) replica: Arc<Replica>,
    pub(super) storage: Arc<dyn Storage>,
    pub(super) read: Arc<ReadGate>,
    pub(super) write: Arc<WriteGate>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) rng: Arc<dyn Rng>,
    pub(super) seal_key: Arc<SealKey>,
    pub(super) advertised: String,
    pub(super) joins: Arc<Joins>,
}

impl Cluster {
    /// Makes a new cluster of which this node is the only voter, under a new random incarnation. Cut short after its
    /// first step, it is taken up again where it stopped.
    ///
    /// # Errors
    /// The node belongs to a cluster already, or the first command could not be committed.
    pub async fn initialize(&self, new: NewCluster) -> Result<Incarnation, ClusterError> {
        let incarnation = match self.replica.incarnation() {
            None => self.found().await?,
            Some(incarnation) => self.unfinished(incarnation).await?,
        };
        self.bootstrap(incarnation, new).await?;
        Ok(incarnation)
    }

    async fn found(&self) -> Result<Incarnation, ClusterError> {
        let incarnation = Incarnation(self.rng.bytes16());
        self.adopt(incarnation).await?;
        self.replica
            .initialize_alone(self.me())
            .await
            .map_err(ClusterError::Refused)?;
        Ok(incarnation)
    }

    /// The incarnation, if this node founded it and its first command is still to come.
    async fn unfinished(&self, incarnation: Incarnation) -> Result<Incarnation, ClusterError> {
        let membership = self.replica.membership();
        let voters: Vec<NodeId> = membership.voter_ids().collect();
        let bootstrapped = self.replica.board().load().state.is_bootstrapped();
        match &voters[..] {
            [only] if *only == self.replica.node_id() && !bootstrapped => Ok(incarnation),
            [] => Err(ClusterError::Refused(
                "this node has begun to join a cluster, or an initialization was cut short: join with `grantd cluster join`, or start anew with an empty folder".to_owned(),
            )),
            _ => Err(ClusterError::Refused(format!(
                "this node belongs to a cluster already (incarnation {incarnation})"
            ))),
        }
    }

    async fn bootstrap(
        &self,
        incarnation: Incarnation,
        new: NewCluster,
    ) -> Result<(), ClusterError> {
        let NewCluster {
            settings,
            scope,
            deadline,
        } = new;
        let mut secret = [0; 32];
        self.rng.fill(&mut secret);
        let mut nonce = [0; 24];
        self.rng.fill(&mut nonce);
        let sealed = self
            .seal_key
            .seal(incarnation, nonce, &EpochSecret::from_bytes(secret))
            .map_err(|error| ClusterError::Refused(error.to_string()))?;
        let draft = Draft {
            caller: Caller {
                identity: Identity::System,
                facts: RequestFacts::default(),
            },
            scope,
            request_id: RequestId(self.rng.bytes16()),
            idempotency: None,
            command: Command::Bootstrap(Bootstrap {
                incarnation,
                settings,
                sealed_epoch_secret: sealed.into(),
                hash_key: HashKey(self.rng.bytes16()),
                seal_check: self.seal_key.check(incarnation),
                semantics: Semantics::CURRENT,
            }),
        };
        let committed = self.write.propose(draft, deadline).await.map_err(|error| {
            match error.is_safe_to_retry() {
                true => ClusterError::Unavailable(error.to_string()),
                false => ClusterError::Unknown(error.to_string()),
            }
        })?;
        match committed.outcome {
            Ok(_) => Ok(()),
            Err(rejection) => Err(ClusterError::Refused(format!(
                "the cluster's first command was rejected: {}",
                rejection.message
            ))),
        }
    }

    /// This node as the others are to know it.
    fn me(&self) -> Member {
        Member {
            peer_address: self.advertised.clone(),
            disk: self.replica.disk(),
        }
    }

    /// Binds this node to an incarnation. ORDER: durable before anything is said in its name.
    async fn adopt(&self, incarnation: Incarnation) -> Result<(), ClusterError> {
        let identity = StoredIdentity {
            node_id: self.replica.node_id(),
            disk: self.replica.disk().0,
            incarnation: Some(incarnation.0),
        };
        self.storage
            .save_identity(identity)
            .await
            .map_err(|error| ClusterError::Refused(error.to_string()))?;
        self.replica.set_incarnation(incarnation);
        Ok(())
    }

    /// Joins the cluster of the node at `via`, any member of it: first as a learner, then, when it has caught up, as a
    /// voter. It goes on when nobody waits for it any more; asked again, through another member too, it goes on where it
    /// stands.
    ///
    /// # Errors
    /// The node belongs to another cluster, or the leader refused, or `deadline` ran out.
    pub async fn join(&self, via: &str, deadline: Duration) -> Result<Revision, ClusterError> {
        let (cluster, through) = (self.clone(), via.to_owned());
        let work = async move {
            tokio::select! {
                biased;
                joined = cluster.join_within(&through, deadline) => joined,
                () = cluster.replica.stopped() => {
                    Err(ClusterError::Unknown("the node stops".to_owned()))
                }
            }
        };
        let Ok(awaited) = self.joins.begin(via.to_owned(), work) else {
            return Err(ClusterError::Refused(format!(
                "this node is joining already, through {}: ask again through one of these, or later",
                self.joins.names().join(", ")
            )));
        };
        let ended = || ClusterError::Unknown("the join has ended early".to_owned());
        awaited.result().await.ok_or_else(ended)?
    }

    async fn join_within(&self, via: &str, deadline: Duration) -> Result<Revision, ClusterError> {
        let began = self.clock.boot();
        let mut last = "it was not asked in time".to_owned();
        loop {
            let rest = deadline.saturating_sub(self.clock.boot().since(began));
            // In less than that nothing more would be heard than that there is no answer.
            if rest <= deadline / 8 {
                return Err(ClusterError::Unavailable(format!(
                    "the node has not joined within {} s: {last}",
                    deadline.as_secs()
                )));
            }
            match self.join_once(via, rest).await {
                Ok(revision) => return Ok(revision),
                Err(ClusterError::Refused(why)) => return Err(ClusterError::Refused(why)),
                // To join is idempotent: whatever was done before is found done.
                Err(ClusterError::Unavailable(why) | ClusterError::Unknown(why)) => last = why,
            }
            self.clock.sleep(TRY_AGAIN).await;
        }
    }

    async fn join_once(&self, via: &str, rest: Duration) -> Result<Revision, ClusterError> {
        let ask_deadline = ASK_DEADLINE.min(rest);
        let told = self.replica.ask_cluster_info(via, ask_deadline).await;
        let ClusterInfo {
            incarnation,
            leader,
            seal_check,
            ..
        } = told.map_err(|error| match error {
            NoClusterInfo::NoAnswer(why) => ClusterError::Unavailable(why),
            NoClusterInfo::NoCluster { .. } => ClusterError::Refused(error.to_string()),
        })?;
        if seal_check.is_some_and(|check| check != self.seal_key.check(incarnation)) {
            return Err(ClusterError::Refused(OTHER_SEAL_KEY.to_owned()));
        }
        let Some((leader, its)) = leader else {
            return Err(ClusterError::Unavailable(format!(
                "the node at {via} knows of no leader"
            )));
        };
        let me = self.me();
        match self.replica.incarnation() {
            Some(ours) if ours != incarnation => {
                return Err(ClusterError::Refused(format!(
                    "this node belongs to the cluster of incarnation {ours}, the node at {via} to {incarnation}: start with an empty folder to join it"
                )));
            }
            Some(_) => {}
            None => {
                // ORDER: asked before this node is bound: from then on it votes and acknowledges, and one that has
                // forgotten what it said must do neither under its old id. The leader answers once it has proven that it
                // leads, by the membership that is committed: one that was deposed may know of no such member.
                self.replica
                    .ask_may_join(incarnation, (leader, &its), &me, ask_deadline)
                    .await
                    .map_err(cluster_error)?;
                self.adopt(incarnation).await?;
            }
        }
        // Whatever this node's own log says: it may be that of a time when it was a member.
        let joined = self
            .replica
            .ask_to_join((leader, &its), &me, rest)
            .await
            .map_err(cluster_error)?;
        let Changed::At(joined) = joined else {
            return Err(ClusterError::Unknown(
                "the leader's answer is that of a removal".to_owned(),
            ));
        };
        let applied = timeout(&*self.clock, rest, self.replica.applied(joined)).await;
        if applied.is_none() {
            return Err(ClusterError::Unavailable(format!(
                "the leader has taken this node in at revision {joined}, but this node has not caught up"
            )));
        }
        // By then its own log says so, unless it was removed again.
        if !self.replica.is_settled_voter() {
            return Err(ClusterError::Unavailable(
                "the members have changed again meanwhile".to_owned(),
            ));
        }
        let request_id = RequestId(self.rng.bytes16());
        // It has joined either way; what is not told now is told later.
        if let Err(error) = self.write.report_semantics(request_id, ASK_DEADLINE).await {
            tracing::debug!(%error, "the cluster could not be told which semantics this node knows");
        }
        Ok(joined)
    }

    /// Removes a node from the cluster. From then on it refuses to decide, and its id is never given again.
    ///
    /// # Errors
    /// There is no leader, or it refused, or `deadline` ran out.
    pub async fn remove(&self, node: NodeId, deadline: Duration) -> Result<Changed, ClusterError> {
        let began = self.clock.boot();
        loop {
            let rest = deadline.saturating_sub(self.clock.boot().since(began));
            if rest.is_zero() {
                return Err(ClusterError::Unavailable(format!(
                    "node {node} was not removed within {} s: no leader was found",
                    deadline.as_secs()
                )));
            }
            match self.replica.remove(node, rest).await {
                Ok(changed) => return Ok(changed),
                Err(NotProposed::NotLeader { leader: _ }) => self.clock.sleep(TRY_AGAIN).await,
                Err(error) => return Err(cluster_error(error)),
            }
        }
    }

    /// What this node knows now.
    pub fn status(&self) -> NodeStatus {
        NodeStatus {
            replica: self.replica.status(),
            advertised: self.advertised.clone(),
            fresh_ago: self.read.age(),
            bootstrapped: self.replica.board().load().state.is_bootstrapped(),
            told_removed: self.read.is_removed(),
        }
    }
}

fn cluster_error(error: NotProposed) -> ClusterError {
    match error {
        NotProposed::NotLeader { .. } => ClusterError::Unavailable(error.to_string()),
        NotProposed::Refused(why) => ClusterError::Refused(why),
        NotProposed::Unknown(why) => ClusterError::Unknown(why),
    }
}
