//! The API as a node serves it: the use cases on the node's doors.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use super::cluster::{Cluster, ClusterError, NewCluster, NodeStatus};
use super::start::{Doors, Front};
use super::version::VERSION;
use crate::app::App;
use crate::app::aside::Aside;
use crate::app::cluster::{self as told, ClusterControl, ClusterStatus, Role};
use crate::app::tokens::TokenVault;
use crate::audit::DecisionSink;
use crate::domain::ids::Regions;
use crate::domain::limits;
use crate::domain::op::Scope;
use crate::domain::state::settings::Settings;
use crate::domain::time::Incarnation;
use crate::grpc;
use crate::replica::{Changed, ReplicaStatus, SnapshotStatus, VoterChange};

/// The API, telling its decisions to `audit`.
pub fn api(audit: Arc<dyn DecisionSink>) -> Front {
    Box::new(move |doors| grpc::routes(Arc::new(app(doors, audit))))
}

/// The use cases on the doors of a node.
pub fn app(doors: &Doors, audit: Arc<dyn DecisionSink>) -> App {
    let Doors {
        node_id,
        read,
        write,
        cluster,
        clock,
        rng,
        seal_key,
        evaluators,
        usage,
    } = doors.clone();
    App {
        node_id,
        reads: read,
        writes: write,
        aside: Aside::new(evaluators, clock.clone()),
        clock,
        rng,
        audit,
        vault: TokenVault::new(seal_key),
        usage,
        cluster,
    }
}

#[async_trait]
impl ClusterControl for Cluster {
    async fn status(&self) -> ClusterStatus {
        let NodeStatus {
            replica,
            advertised: _,
            fresh_ago,
            bootstrapped,
            told_removed,
        } = Cluster::status(self);
        let published = self.replica.board().load();
        let settings = published.state.settings();
        let ReplicaStatus {
            node_id,
            incarnation,
            term,
            leader,
            applied: _,
            committed,
            last_logged: _,
            snapshots,
            faults,
            purged: _,
            voters,
            changing,
            was_member,
            members,
            heard,
        } = replica;
        let is_listed = members.contains_key(&node_id);
        let role = match (incarnation, leader) {
            (None, _) => Role::Uninitialized,
            // What its own log says is of the time when it was a member.
            (Some(_), _) if told_removed || (was_member && !is_listed) => Role::Removed,
            (Some(_), _) if !is_listed => Role::Joining,
            (Some(_), Some(leader)) if leader == node_id => Role::Leader,
            (Some(_), _) if voters.contains(&node_id) => Role::Follower,
            (Some(_), _) => Role::Learner,
        };
        ClusterStatus {
            role,
            leader,
            term,
            incarnation,
            // ORDER: of the same look as the fingerprint; two members at one revision are compared by it.
            applied: published.revision(),
            staleness: fresh_ago,
            max_staleness: bootstrapped.then(|| Duration::from_millis(settings.max_staleness_ms)),
            members: members
                .into_iter()
                .map(|(node, member)| told::Member {
                    node,
                    address: member.peer_address,
                    voter: voters.contains(&node),
                })
                .collect(),
            changing: changing.map(|VoterChange { from, to }| told::VoterChange { from, to }),
            fingerprint: published.state.fingerprint().to_string(),
            snapshots: told_snapshots(&snapshots),
            faults,
            committed,
            heard,
            version: VERSION,
            closed: published.state.closed(),
        }
    }

    async fn initialize(
        &self,
        scope: Scope,
        max_staleness: Option<Duration>,
        deadline: Duration,
    ) -> Result<Incarnation, told::ClusterError> {
        let defaults = Settings::default();
        let max_staleness_ms = match max_staleness {
            None => defaults.max_staleness_ms,
            Some(asked) => bounded_staleness(asked)?,
        };
        let new = NewCluster {
            settings: Settings {
                max_staleness_ms,
                regions: first_region(&scope)?,
                ..defaults
            },
            scope,
            deadline,
        };
        Cluster::initialize(self, new).await.map_err(told_error)
    }

    async fn join(&self, via: &str, deadline: Duration) -> Result<Incarnation, told::ClusterError> {
        Cluster::join(self, via, deadline)
            .await
            .map_err(told_error)?;
        self.replica.incarnation().ok_or_else(|| {
            told::ClusterError::Unknown("the node has joined, but knows no incarnation".to_owned())
        })
    }

    async fn remove(
        &self,
        node: u64,
        deadline: Duration,
    ) -> Result<told::Removed, told::ClusterError> {
        match Cluster::remove(self, node, deadline).await {
            Ok(Changed::At(_)) => Ok(told::Removed::Now),
            Ok(Changed::RemovedAlready) => Ok(told::Removed::Already),
            Err(error) => Err(told_error(error)),
        }
    }
}

fn told_snapshots(snapshots: &SnapshotStatus) -> told::Snapshots {
    let SnapshotStatus {
        revision,
        bytes,
        log_bytes,
        taking,
        installing,
        faults: _,
    } = snapshots;
    told::Snapshots {
        revision: *revision,
        bytes: *bytes,
        log_bytes: *log_bytes,
        taking: *taking,
        installing: *installing,
    }
}

/// The Region that a new cluster serves: that of the request which makes it (ID-46).
fn first_region(scope: &Scope) -> Result<Regions, told::ClusterError> {
    let Scope { partition, region } = scope;
    match Regions::new([region]) {
        Ok(regions) if regions.partition() == *partition => Ok(regions),
        Ok(regions) => Err(told::ClusterError::Refused(format!(
            "the Region {region} is in the partition {}, not in {partition}",
            regions.partition()
        ))),
        Err(error) => Err(told::ClusterError::Refused(format!(
            "{error}: name the Region that the cluster serves at first"
        ))),
    }
}

fn bounded_staleness(asked: Duration) -> Result<u64, told::ClusterError> {
    let ms = u64::try_from(asked.as_millis()).unwrap_or(u64::MAX);
    if (limits::MAX_STALENESS_MS_MIN..=limits::MAX_STALENESS_MS_MAX).contains(&ms) {
        return Ok(ms);
    }
    Err(told::ClusterError::Refused(format!(
        "a maximum staleness of {ms} ms is not taken: it must be from {} to {} ms",
        limits::MAX_STALENESS_MS_MIN,
        limits::MAX_STALENESS_MS_MAX
    )))
}

fn told_error(error: ClusterError) -> told::ClusterError {
    match error {
        ClusterError::Refused(why) => told::ClusterError::Refused(why),
        ClusterError::Unavailable(why) => told::ClusterError::Unavailable(why),
        ClusterError::Unknown(why) => told::ClusterError::Unknown(why),
    }
}
