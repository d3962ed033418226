//! What the operator does to the cluster itself.

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;

use super::{Answered, App, AppError, Arrival, Terms};
use crate::authn;
use crate::domain::authz::caller::{Caller, Identity, RequestFacts};
use crate::domain::authz::claim::Claim;
use crate::domain::op::due::home;
use crate::domain::op::open_cluster::OpenCluster;
use crate::domain::op::{Command, Scope};
use crate::domain::state::fact::Gap;
use crate::domain::time::{Incarnation, Revision};
use crate::gate::write::Draft;

/// What a node can do to its cluster; the node itself implements it.
#[async_trait]
pub trait ClusterControl: Send + Sync + 'static {
    /// What the node knows now.
    async fn status(&self) -> ClusterStatus;

    /// Makes a new cluster with this node as its only member.
    async fn initialize(
        &self,
        scope: Scope,
        max_staleness: Option<Duration>,
        deadline: Duration,
    ) -> Result<Incarnation, ClusterError>;

    /// Makes this node a member of the cluster that the node at `via` belongs to.
    async fn join(&self, via: &str, deadline: Duration) -> Result<Incarnation, ClusterError>;

    /// Takes a member out.
    async fn remove(&self, node: u64, deadline: Duration) -> Result<Removed, ClusterError>;
}

/// What a node knows of itself and its cluster.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ClusterStatus {
    /// Its part.
    pub role: Role,
    /// Who leads, as far as it knows.
    pub leader: Option<u64>,
    /// The term.
    pub term: u64,
    /// The life of the cluster; `None`: it belongs to none.
    pub incarnation: Option<Incarnation>,
    /// What it has applied.
    pub applied: Revision,
    /// How old its state may be; `None`: it has not proven itself fresh since it started.
    pub staleness: Option<Duration>,
    /// The cluster's bound.
    pub max_staleness: Option<Duration>,
    /// Voters and learners, in the order of their ids.
    pub members: Vec<Member>,
    /// The change of the voters that is under way; `None`: none is.
    pub changing: Option<VoterChange>,
    /// The digest of its state.
    pub fingerprint: String,
    /// What it does with snapshots.
    pub snapshots: Snapshots,
    /// What is wrong although it goes on, in sentences.
    pub faults: Vec<String>,
    /// What it knows to be committed.
    pub committed: Revision,
    /// Of a leader: how long ago it heard each other member; `None`: not since it leads.
    pub heard: BTreeMap<u64, Option<Duration>>,
    /// The version of the program.
    pub version: &'static str,
    /// Why the cluster decides nothing, if it was forced from one disk and is not opened.
    pub closed: Option<Gap>,
}

/// The newest snapshot of a node's state, and what is done with one now.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Snapshots {
    /// What the newest holds; `None`: none was taken yet.
    pub revision: Option<Revision>,
    /// Bytes of it.
    pub bytes: u64,
    /// About how many bytes the log after it has.
    pub log_bytes: u64,
    /// One is being written.
    pub taking: bool,
    /// One is being received or installed.
    pub installing: bool,
}

/// Voters before and after a change that is under way: until it is done a quorum of both is needed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct VoterChange {
    /// Before.
    pub from: Vec<u64>,
    /// Afterwards.
    pub to: Vec<u64>,
}

/// What a removal found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Removed {
    /// A member, which is none any more.
    Now,
    /// A node that had been removed before.
    Already,
}

/// A node's part in its cluster.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Role {
    /// It belongs to no cluster.
    Uninitialized,
    /// It belongs to a cluster whose log, as far as the node has it, does not name it yet.
    Joining,
    /// It follows without a vote.
    Learner,
    /// It follows.
    Follower,
    /// It leads.
    Leader,
    /// It was taken out.
    Removed,
}

impl Role {
    /// One word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Uninitialized => "uninitialized",
            Self::Joining => "joining",
            Self::Learner => "learner",
            Self::Follower => "follower",
            Self::Leader => "leader",
            Self::Removed => "removed",
        }
    }
}

/// A member of a cluster.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Member {
    /// Its id.
    pub node: u64,
    /// Where the others reach it.
    pub address: String,
    /// Whether it votes.
    pub voter: bool,
}

/// Why the cluster could not be changed.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ClusterError {
    /// It is not possible as things are; nothing was done.
    #[error("{0}")]
    Refused(String),
    /// It cannot be done now; nothing was done.
    #[error("{0}")]
    Unavailable(String),
    /// It may or may not have been done.
    #[error("{0}")]
    Unknown(String),
}

impl App {
    /// What the node knows of itself and its cluster; answered even by a node that cannot decide.
    ///
    /// # Errors
    /// [`AppError::Refused`] or [`AppError::NotOperator`].
    pub async fn status(
        &self,
        arrival: &Arrival,
        claim: &Claim,
    ) -> Result<ClusterStatus, AppError> {
        self.operator(arrival, claim)?;
        Ok(self.cluster.status().await)
    }

    /// Makes a new cluster with this node as its only member.
    ///
    /// # Errors
    /// As [`App::status`], and [`AppError::Cluster`].
    pub async fn initialize(
        &self,
        arrival: &Arrival,
        terms: &Terms,
        max_staleness: Option<Duration>,
    ) -> Result<Incarnation, AppError> {
        self.operator(arrival, &terms.claim)?;
        self.cluster
            .initialize(
                terms.scope.clone(),
                max_staleness,
                self.remaining(arrival, terms),
            )
            .await
            .map_err(AppError::Cluster)
    }

    /// Makes this node a member of the cluster that the node at `via` belongs to.
    ///
    /// # Errors
    /// As [`App::status`], and [`AppError::Cluster`].
    pub async fn join(
        &self,
        arrival: &Arrival,
        terms: &Terms,
        via: &str,
    ) -> Result<Incarnation, AppError> {
        self.operator(arrival, &terms.claim)?;
        self.cluster
            .join(via, self.remaining(arrival, terms))
            .await
            .map_err(AppError::Cluster)
    }

    /// Takes a member out.
    ///
    /// # Errors
    /// As [`App::status`], and [`AppError::Cluster`].
    pub async fn remove(
        &self,
        arrival: &Arrival,
        terms: &Terms,
        node: u64,
    ) -> Result<Removed, AppError> {
        self.operator(arrival, &terms.claim)?;
        self.cluster
            .remove(node, self.remaining(arrival, terms))
            .await
            .map_err(AppError::Cluster)
    }

    /// Opens a cluster that was forced from one disk. Asked on no view: a closed cluster gives none.
    ///
    /// # Errors
    /// As [`App::status`]; [`AppError::Untold`]; [`AppError::Rejected`] if it is open or the gap is another one;
    /// [`AppError::Write`].
    pub async fn open(
        &self,
        arrival: &Arrival,
        terms: &Terms,
        after: Revision,
    ) -> Result<Answered, AppError> {
        self.operator(arrival, &terms.claim)?;
        self.audit.accepts().map_err(AppError::Untold)?;
        let draft = Draft {
            caller: Caller {
                identity: Identity::Operator,
                facts: RequestFacts::default(),
            },
            // Of no Region: it is opened whichever it serves, at night too.
            scope: self
                .writes
                .with_state(home)
                .unwrap_or_else(|| terms.scope.clone()),
            request_id: arrival.request_id,
            idempotency: None,
            command: Command::OpenCluster(OpenCluster { after }),
        };
        let committed = self
            .writes
            .propose(draft, self.remaining(arrival, terms))
            .await
            .map_err(AppError::Write)?;
        let answered = Answered {
            position: committed.position,
            staleness_ms: None,
            settled_at: committed.settled_at,
        };
        match committed.outcome {
            Ok(_) => Ok(answered),
            Err(rejection) => Err(AppError::Rejected {
                rejection,
                position: answered.position,
                settled_at: None,
            }),
        }
    }

    fn operator(&self, arrival: &Arrival, claim: &Claim) -> Result<(), AppError> {
        authn::admit(arrival.peer).map_err(AppError::Refused)?;
        match claim {
            Claim::Operator => Ok(()),
            Claim::Front { .. } | Claim::Principal(_) => Err(AppError::NotOperator),
        }
    }
}
