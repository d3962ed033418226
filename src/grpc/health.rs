//! How the node is, by `grpc.health.v1`, and what it serves, by `grpc.reflection.v1`.
//!
//! Ready means that a decision could be answered now: the cluster is made, this node is a member, and its state is proven
//! to be within the bound. That the process lives is another question, with a name of its own, and answered as long as
//! anything is.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures::Stream;
use tonic::service::Routes;
use tonic::{Request, Response, Status};
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_server::{self, Health, HealthServer};
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse};
use tonic_reflection::server::Builder;

use crate::app::App;
use crate::wire;
use crate::wire::v1;

/// The name of the health service.
pub const HEALTH: &str = health_server::SERVICE_NAME;

/// The name of the reflection service.
pub const REFLECTION: &str = "grpc.reflection.v1.ServerReflection";

/// What to ask for to learn whether the process lives.
const LIVE: &str = "grantd.live";

/// What is ready when a decision can be answered: the node as a whole, and each service of the API.
const READY: [&str; 8] = [
    "",
    v1::authorization_server::SERVICE_NAME,
    v1::cluster_server::SERVICE_NAME,
    v1::grants_server::SERVICE_NAME,
    v1::identity_server::SERVICE_NAME,
    v1::key_stores_server::SERVICE_NAME,
    v1::kms_server::SERVICE_NAME,
    v1::organizations_server::SERVICE_NAME,
];

/// Between two looks of somebody who watches: a few freshness rounds.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// Longest question of either service: a name.
const MESSAGE_BYTES_MAX: usize = 16 * 1024;

/// `routes` and these two services.
pub(super) fn routes(routes: Routes, app: Arc<App>) -> Routes {
    let health = HealthServer::new(Condition(app)).max_decoding_message_size(MESSAGE_BYTES_MAX);
    let routes = routes.add_service(health);
    let reflection = Builder::configure()
        .register_encoded_file_descriptor_set(wire::DESCRIPTORS)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
        .build_v1();
    match reflection {
        Ok(reflection) => {
            routes.add_service(reflection.max_decoding_message_size(MESSAGE_BYTES_MAX))
        }
        Err(error) => {
            tracing::error!(%error, "what this node serves cannot be told by reflection");
            routes
        }
    }
}

#[derive(Clone)]
struct Condition(Arc<App>);

impl Condition {
    /// The condition of what is named so, or `None` if nothing is.
    async fn of(&self, name: &str) -> Option<ServingStatus> {
        if name == LIVE {
            return Some(ServingStatus::Serving);
        }
        if !READY.contains(&name) {
            return None;
        }
        Some(if self.0.is_ready().await {
            ServingStatus::Serving
        } else {
            ServingStatus::NotServing
        })
    }
}

fn answer(status: ServingStatus) -> HealthCheckResponse {
    HealthCheckResponse {
        status: status.into(),
    }
}

#[tonic::async_trait]
impl Health for Condition {
    async fn check(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<HealthCheckResponse>, Status> {
        let HealthCheckRequest { service } = request.into_inner();
        match self.of(&service).await {
            Some(status) => Ok(Response::new(answer(status))),
            None => Err(Status::not_found(
                "no service of this name; `grantd.live` tells whether the process lives, the empty name whether the node is ready",
            )),
        }
    }

    type WatchStream = Pin<Box<dyn Stream<Item = Result<HealthCheckResponse, Status>> + Send>>;

    async fn watch(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        let HealthCheckRequest { service } = request.into_inner();
        let watching = (self.clone(), service, None);
        let told = futures::stream::unfold(watching, |(condition, service, told)| async move {
            loop {
                // A name that nothing has may be one of a later version.
                let status = condition.of(&service).await;
                let status = status.unwrap_or(ServingStatus::ServiceUnknown);
                if told != Some(status) {
                    return Some((Ok(answer(status)), (condition, service, Some(status))));
                }
                condition.0.clock.sleep(LOOK_EVERY).await;
            }
        });
        Ok(Response::new(Box::pin(told)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reflection_can_be_built_of_what_is_served() {
        let built = Builder::configure()
            .register_encoded_file_descriptor_set(wire::DESCRIPTORS)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
            .build_v1();
        assert!(built.is_ok());
    }
}
