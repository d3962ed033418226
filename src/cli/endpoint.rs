//! `grantd endpoint`: VPC endpoints, for the operator.

use clap::Subcommand;
use serde_json::{Value, json};

use super::ask::{done, paged};
use super::common::{Common, Fallback, Paging};
use super::error::CliError;
use super::input::read_policy;
use super::output::{Shown, object, time};
use crate::client::api;

/// VPC endpoints; for the operator. A front says through which one a request came (aws:SourceVpce): one that is known
/// here judges the request by its policy; through one that is not, nothing is allowed.
#[derive(Subcommand, Debug)]
pub enum EndpointCommand {
    /// Make an endpoint known, or replace what is known of it.
    Put {
        /// Its id, `vpce-…`.
        id: String,
        /// Its VPC, `vpc-…`.
        vpc: String,
        /// The account that owns it.
        account: String,
        /// File of the policy's JSON text, `-` for standard input, or the text itself; else everything is allowed.
        #[arg(long)]
        policy: Option<String>,
    },
    /// Show an endpoint with its policy.
    Get {
        /// Its id, `vpce-…`.
        id: String,
    },
    /// List the endpoints.
    List(Paging),
    /// Forget an endpoint: from then on nothing is allowed through it.
    Delete {
        /// Its id, `vpce-…`.
        id: String,
    },
}

pub(super) async fn run(common: &Common, command: &EndpointCommand) -> Result<Shown, CliError> {
    let client = common.client(Fallback::Operator)?;
    match command {
        EndpointCommand::Put {
            id,
            vpc,
            account,
            policy,
        } => {
            let policy = policy.as_deref().map(read_policy).transpose()?;
            let request = api::PutVpcEndpointRequest {
                header: None,
                vpc_endpoint_id: id.clone(),
                vpc_id: vpc.clone(),
                account_id: account.clone(),
                policy: policy.as_ref().map(|policy| policy.text.clone()),
            };
            let answer = client.call(request).await.map_err(|e| match &policy {
                Some(policy) => policy.explain(e),
                None => e.into(),
            })?;
            if let Some(policy) = &policy {
                policy.warn(&answer.answer.policy_warnings);
            }
            Ok(Shown::answer(json!({}), answer.answer.header.as_ref()))
        }
        EndpointCommand::Get { id } => {
            let request = api::GetVpcEndpointRequest {
                header: None,
                vpc_endpoint_id: id.clone(),
            };
            let answer = client.call(request).await?.answer;
            let endpoint = answer.vpc_endpoint.as_ref().map_or(Value::Null, show);
            Ok(Shown::answer(
                object([("VpcEndpoint", endpoint)]),
                answer.header.as_ref(),
            ))
        }
        EndpointCommand::List(paging) => {
            let request = |page| api::ListVpcEndpointsRequest {
                header: None,
                page: Some(page),
            };
            paged(&client, paging, "VpcEndpoints", request, |answer| {
                (
                    answer.vpc_endpoints.iter().map(show).collect(),
                    answer.next_marker,
                )
            })
            .await
        }
        EndpointCommand::Delete { id } => {
            let request = api::DeleteVpcEndpointRequest {
                header: None,
                vpc_endpoint_id: id.clone(),
            };
            done(&client, request).await
        }
    }
}

fn show(endpoint: &api::VpcEndpoint) -> Value {
    let api::VpcEndpoint {
        vpc_endpoint_id,
        vpc_id,
        account_id,
        policy,
        created_at_ms,
    } = endpoint;
    object([
        ("VpcEndpointId", json!(vpc_endpoint_id)),
        ("VpcId", json!(vpc_id)),
        ("AccountId", json!(account_id)),
        ("Policy", json!(policy)),
        ("CreateDate", time(*created_at_ms)),
    ])
}
