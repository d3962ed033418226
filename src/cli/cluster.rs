//! `grantd cluster`: the cluster itself, for the operator.

use std::path::PathBuf;
use std::time::Duration;

use clap::Subcommand;
use serde_json::{Value, json};

use super::common::{Common, Fallback};
use super::error::CliError;
use super::output::{Shown, object};
use super::status;
use crate::client::{Client, api};
use crate::config::parse_span;
use crate::node::create_seal_key;

/// The cluster; for the operator. `init` and `join` are about the node at `--endpoint`.
#[derive(Subcommand, Debug)]
pub enum ClusterCommand {
    /// Write a new seal key to a file, the same for every node of one cluster.
    Keygen {
        /// The file; it must not exist.
        file: PathBuf,
    },
    /// Make a new cluster with the node at `--endpoint` as its only member.
    Init {
        /// No node ever decides from older state than this.
        #[arg(long, value_name = "SPAN", value_parser = parse_span, default_value = "1s")]
        bound: Duration,
    },
    /// Make the node at `--endpoint` a member of the cluster that another node belongs to.
    Join {
        /// Address of any member, `HOST:PORT`.
        #[arg(long, value_name = "ADDRESS")]
        via: String,
    },
    /// Take a member out of the cluster, for good.
    Remove {
        /// Its node id.
        node_id: u64,
    },
    /// Show how the cluster stands: every node at `--endpoint` and every member, all asked at once, within a second.
    ///
    /// Exit code 0: all is well. 1: it serves, and something is not as it should be: a member is down, lags or cannot prove
    /// that it is fresh, the membership is being changed, an endpoint belongs to no or to another cluster, two members
    /// differ in their state. 4: nobody can decide.
    Status {
        /// Look again every second, until it is interrupted.
        #[arg(long)]
        watch: bool,
    },
    /// Revoke every grant token made so far.
    RotateTokenEpoch,
    /// Show the replicated settings, changed before by what is given.
    Settings {
        /// How policy variables without a value are taken: `current` or `legacy-2020`.
        #[arg(long)]
        profile: Option<String>,
        /// Quota of grants of a customer managed key.
        #[arg(long, value_name = "N")]
        grants_per_key: Option<u32>,
        /// Quota of grants of one grantee on one key; 0: none.
        #[arg(long, value_name = "N")]
        grants_per_principal: Option<u32>,
        /// How the keys of grants' constraints on the encryption context compare: `sensitive` or `insensitive`.
        #[arg(long, value_name = "CASE")]
        constraint_key_case: Option<String>,
        /// The Regions that the cluster serves, all of them: `us-west-2,eu-west-1`. A request for another is refused
        #[arg(long, value_name = "REGIONS", value_delimiter = ',')]
        regions: Vec<String>,
    },
}

pub(super) async fn run(common: &Common, command: &ClusterCommand) -> Result<Shown, CliError> {
    match command {
        ClusterCommand::Keygen { file } => match create_seal_key(file) {
            Ok(()) => Ok(Shown::text(format!("wrote {}\n", file.display()))),
            Err(fault) => Err(CliError::new(format!("{}: {fault}", file.display()))),
        },
        ClusterCommand::Init { bound } => {
            let request = api::InitializeRequest {
                header: None,
                max_staleness_ms: Some(u64::try_from(bound.as_millis()).unwrap_or(u64::MAX)),
            };
            let answer = one(common)?.call(request).await?.answer;
            let value = object([("Incarnation", json!(answer.incarnation))]);
            Ok(Shown::answer(value, answer.header.as_ref()))
        }
        ClusterCommand::Join { via } => {
            let request = api::JoinRequest {
                header: None,
                via: via.clone(),
            };
            let answer = one(common)?.call(request).await?.answer;
            let value = object([("Incarnation", json!(answer.incarnation))]);
            Ok(Shown::answer(value, answer.header.as_ref()))
        }
        ClusterCommand::Remove { node_id } => {
            let request = api::RemoveRequest {
                header: None,
                node_id: *node_id,
            };
            let answer = common
                .client(Fallback::Operator)?
                .call(request)
                .await?
                .answer;
            let mut value = json!({});
            if answer.removed_already {
                value = object([("RemovedAlready", json!(true))]);
            }
            Ok(Shown::answer(value, answer.header.as_ref()))
        }
        ClusterCommand::Status { watch } => status::run(common, *watch).await,
        ClusterCommand::Settings {
            profile,
            grants_per_key,
            grants_per_principal,
            constraint_key_case,
            regions,
        } => {
            let client = common.client(Fallback::Operator)?;
            let change = api::UpdateSettingsRequest {
                header: None,
                profile: profile.clone(),
                grants_per_key_max: *grants_per_key,
                grants_per_principal_max: *grants_per_principal,
                constraint_key_case: constraint_key_case.clone(),
                regions: regions.clone(),
            };
            if change != api::UpdateSettingsRequest::default() {
                client.call(change).await?;
            }
            // The client carries the position of its write forward.
            let request = api::GetSettingsRequest { header: None };
            let answer = client.call(request).await?.answer;
            let settings = answer.settings.as_ref().map_or(Value::Null, show_settings);
            Ok(Shown::answer(
                object([("Settings", settings)]),
                answer.header.as_ref(),
            ))
        }
        ClusterCommand::RotateTokenEpoch => {
            let request = api::RotateTokenEpochRequest { header: None };
            let answer = common
                .client(Fallback::Operator)?
                .call(request)
                .await?
                .answer;
            Ok(Shown::answer(json!({}), answer.header.as_ref()))
        }
    }
}

fn show_settings(settings: &api::Settings) -> Value {
    let api::Settings {
        max_staleness_ms,
        clock_rate_permille,
        profile,
        grants_per_key_max,
        grants_per_principal_max,
        constraint_key_case,
        regions,
    } = settings;
    object([
        ("MaxStalenessMs", json!(max_staleness_ms)),
        ("ClockRatePermille", json!(clock_rate_permille)),
        ("Profile", json!(profile)),
        ("GrantsPerKeyMax", json!(grants_per_key_max)),
        ("GrantsPerPrincipalMax", json!(grants_per_principal_max)),
        ("ConstraintKeyCase", json!(constraint_key_case)),
        ("Regions", json!(regions)),
    ])
}

/// A client of the one node that a command is about.
fn one(common: &Common) -> Result<Client, CliError> {
    match common.endpoints()?.as_slice() {
        [_] => common.client(Fallback::Operator),
        several => Err(CliError::new(format!(
            "this is about one node, and {} endpoints are given",
            several.len()
        ))
        .help("name it with `--endpoint HOST:PORT`")),
    }
}
