//! The cluster itself.

use std::time::Duration;

use tonic::{Request, Response, Status};

use super::{Api, Call, Fault};
use crate::app::Answered;
use crate::app::cluster::{ClusterStatus, Member, Removed, Snapshots, VoterChange};
use crate::domain::time::{Position, Revision};
use crate::wire::api::Invalid;
use crate::wire::api::shape::{self, Violations};
use crate::wire::v1;
use crate::wire::v1::cluster_server::Cluster;

#[tonic::async_trait]
impl Cluster for Api {
    async fn status(
        &self,
        request: Request<v1::StatusRequest>,
    ) -> Result<Response<v1::StatusResponse>, Status> {
        let arrival = self.arrive(&request);
        let told = async {
            let Call { arrival, terms, .. } = self.read(arrival, request)?;
            let ClusterStatus {
                role,
                leader,
                term,
                incarnation,
                applied,
                staleness,
                max_staleness,
                members,
                changing,
                fingerprint,
                snapshots,
                faults,
                committed,
                heard,
                version,
                closed,
            } = self.0.status(&arrival, &terms.claim).await?;
            Ok::<_, Fault>(Response::new(v1::StatusResponse {
                node_id: self.0.node_id,
                role: role.as_str().to_owned(),
                leader_id: leader,
                term,
                incarnation: incarnation.map(|incarnation| incarnation.to_string()),
                applied_revision: applied.0,
                staleness_ms: staleness.map(millis),
                max_staleness_ms: max_staleness.map(millis),
                members: members
                    .into_iter()
                    .map(|member| {
                        let Member {
                            node,
                            address,
                            voter,
                        } = member;
                        v1::Member {
                            node_id: node,
                            address,
                            voter,
                        }
                    })
                    .collect(),
                fingerprint,
                changing: changing.map(|VoterChange { from, to }| v1::VoterChange { from, to }),
                snapshots: Some(snapshot_status(snapshots)),
                faults,
                version: version.to_owned(),
                heard: heard
                    .into_iter()
                    .map(|(node_id, ago)| v1::Heard {
                        node_id,
                        ago_ms: ago.map(millis),
                    })
                    .collect(),
                committed_revision: committed.0,
                closed_after_revision: closed.map(|gap| gap.after.0),
            }))
        };
        told.await
            .map_err(|fault| self.failed(&arrival, fault, || None))
    }

    async fn initialize(
        &self,
        request: Request<v1::InitializeRequest>,
    ) -> Result<Response<v1::InitializeResponse>, Status> {
        let arrival = self.arrive(&request);
        let made = async {
            let Call {
                arrival,
                terms,
                request,
                ..
            } = self.read(arrival, request)?;
            let v1::InitializeRequest {
                header: _,
                max_staleness_ms,
            } = request;
            let incarnation = self
                .0
                .initialize(
                    &arrival,
                    &terms,
                    max_staleness_ms.map(Duration::from_millis),
                )
                .await?;
            Ok::<_, Fault>(Response::new(v1::InitializeResponse {
                header: Some(self.cluster_header(&arrival).await),
                incarnation: incarnation.to_string(),
            }))
        };
        made.await
            .map_err(|fault| self.failed(&arrival, fault, || None))
    }

    async fn join(
        &self,
        request: Request<v1::JoinRequest>,
    ) -> Result<Response<v1::JoinResponse>, Status> {
        let arrival = self.arrive(&request);
        let joined = async {
            let Call {
                arrival,
                terms,
                request,
                ..
            } = self.read(arrival, request)?;
            let v1::JoinRequest { header: _, via } = request;
            let mut violations = Violations::new();
            violations.text("via", &via, shape::ADDRESS);
            if let Some(message) = violations.message() {
                return Err(Invalid::validation(message).into());
            }
            let incarnation = self.0.join(&arrival, &terms, &via).await?;
            Ok::<_, Fault>(Response::new(v1::JoinResponse {
                header: Some(self.cluster_header(&arrival).await),
                incarnation: incarnation.to_string(),
            }))
        };
        joined
            .await
            .map_err(|fault| self.failed(&arrival, fault, || None))
    }

    async fn remove(
        &self,
        request: Request<v1::RemoveRequest>,
    ) -> Result<Response<v1::RemoveResponse>, Status> {
        let arrival = self.arrive(&request);
        let removed = async {
            let Call {
                arrival,
                terms,
                request,
                ..
            } = self.read(arrival, request)?;
            let v1::RemoveRequest { header: _, node_id } = request;
            let removed = self.0.remove(&arrival, &terms, node_id).await?;
            Ok::<_, Fault>(Response::new(v1::RemoveResponse {
                header: Some(self.cluster_header(&arrival).await),
                removed_already: removed == Removed::Already,
            }))
        };
        removed
            .await
            .map_err(|fault| self.failed(&arrival, fault, || None))
    }

    async fn rotate_token_epoch(
        &self,
        request: Request<v1::RotateTokenEpochRequest>,
    ) -> Result<Response<v1::RotateTokenEpochResponse>, Status> {
        self.change(request).await
    }

    async fn revoke_token_epoch(
        &self,
        request: Request<v1::RevokeTokenEpochRequest>,
    ) -> Result<Response<v1::RevokeTokenEpochResponse>, Status> {
        self.change(request).await
    }

    async fn raise_semantics(
        &self,
        request: Request<v1::RaiseSemanticsRequest>,
    ) -> Result<Response<v1::RaiseSemanticsResponse>, Status> {
        self.change(request).await
    }

    async fn open_cluster(
        &self,
        request: Request<v1::OpenClusterRequest>,
    ) -> Result<Response<v1::OpenClusterResponse>, Status> {
        let arrival = self.arrive(&request);
        let opened = async {
            let Call {
                arrival,
                terms,
                request,
                ..
            } = self.read(arrival, request)?;
            let v1::OpenClusterRequest {
                header: _,
                after_revision,
            } = request;
            let after = Revision(after_revision);
            let answered = self.0.open(&arrival, &terms, after).await?;
            Ok::<_, Fault>(Response::new(v1::OpenClusterResponse {
                header: Some(self.answer_header(&arrival, answered)),
            }))
        };
        opened
            .await
            .map_err(|fault| self.failed(&arrival, fault, || None))
    }

    async fn update_settings(
        &self,
        request: Request<v1::UpdateSettingsRequest>,
    ) -> Result<Response<v1::UpdateSettingsResponse>, Status> {
        self.change(request).await
    }

    async fn get_settings(
        &self,
        request: Request<v1::GetSettingsRequest>,
    ) -> Result<Response<v1::GetSettingsResponse>, Status> {
        self.describe(request).await
    }
}

impl Api {
    /// What an answer about the cluster says of itself: where the node stands now.
    async fn cluster_header(&self, arrival: &crate::app::Arrival) -> v1::ResponseHeader {
        let status = self.0.cluster.status().await;
        let position = Position {
            incarnation: status.incarnation.unwrap_or_default(),
            revision: Revision(status.applied.0),
        };
        let answered = Answered {
            position,
            staleness_ms: None,
            settled_at: None,
        };
        self.answer_header(arrival, answered)
    }
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX)
}

fn snapshot_status(snapshots: Snapshots) -> v1::SnapshotStatus {
    let Snapshots {
        revision,
        bytes,
        log_bytes,
        taking,
        installing,
    } = snapshots;
    v1::SnapshotStatus {
        revision: revision.map(|revision| revision.0),
        bytes,
        log_bytes,
        taking,
        installing,
    }
}
