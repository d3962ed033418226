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
use crate::domain::time::Incarnation;
use crate::node::{ForceNew, ForcedNew, create_seal_key, force_new};

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
    /// Make a new cluster from one stopped node's folder, when a quorum is lost for good. Nothing is taken from the folder.
    #[command(name = "force-new")]
    ForceNew {
        /// The folder of the stopped node
        #[arg(long, value_name = "FOLDER")]
        data_dir: PathBuf,
        /// A new folder, for the first node of the new cluster
        #[arg(long, value_name = "FOLDER")]
        into: PathBuf,
        /// The cluster's seal key
        #[arg(long, value_name = "FILE")]
        seal_key_file: PathBuf,
        /// Where the other nodes will reach this one
        #[arg(long, value_name = "ADDRESS")]
        advertise: String,
        /// The incarnation that ends; without it nothing is done but to show what the folder has
        #[arg(long, value_name = "INCARNATION")]
        ends: Option<Incarnation>,
    },
    /// Open a cluster that was forced from one folder: until then it decides nothing.
    Open {
        /// The last revision that the folder had: what was acknowledged after it may be missing
        #[arg(long, value_name = "REVISION")]
        gap: u64,
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
    /// differ in their state. 4: nobody can decide, or the cluster is closed.
    Status {
        /// Look again every second, until it is interrupted.
        #[arg(long)]
        watch: bool,
    },
    /// Begin a new token epoch: the tokens of grants made so far stay good.
    RotateTokenEpoch,
    /// Take every grant token of one epoch away, at once: whoever brings one is refused. The grants stay.
    RevokeTokenEpoch {
        /// Its number, as `rotate-token-epoch` told it; that of a new cluster is 1
        epoch: u32,
    },
    /// Raise what the cluster's entries mean to what a newer version of grantd says, once it runs on every member.
    RaiseSemantics {
        /// To which; refused if a member does not know them
        to: u32,
    },
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
            let value = object([("Epoch", json!(answer.epoch))]);
            Ok(Shown::answer(value, answer.header.as_ref()))
        }
        ClusterCommand::RaiseSemantics { to } => {
            let request = api::RaiseSemanticsRequest {
                header: None,
                to: *to,
            };
            let answer = common
                .client(Fallback::Operator)?
                .call(request)
                .await?
                .answer;
            Ok(Shown::answer(json!({}), answer.header.as_ref()))
        }
        ClusterCommand::ForceNew {
            data_dir,
            into,
            seal_key_file,
            advertise,
            ends,
        } => {
            let asked = ForceNew {
                data_dir: data_dir.clone(),
                into: into.clone(),
                seal_key_file: seal_key_file.clone(),
                advertise: advertise.clone(),
                ends: *ends,
            };
            let told = force_new(asked).await;
            told.map(|told| show_forced(&told))
                .map_err(|error| CliError::new(error.to_string()))
        }
        ClusterCommand::Open { gap } => {
            let request = api::OpenClusterRequest {
                header: None,
                after_revision: *gap,
            };
            let answer = common
                .client(Fallback::Operator)?
                .call(request)
                .await?
                .answer;
            Ok(Shown::answer(json!({}), answer.header.as_ref()))
        }
        ClusterCommand::RevokeTokenEpoch { epoch } => {
            let request = api::RevokeTokenEpochRequest {
                header: None,
                epoch: *epoch,
            };
            let answer = common
                .client(Fallback::Operator)?
                .call(request)
                .await?
                .answer;
            Ok(Shown::answer(json!({}), answer.header.as_ref()))
        }
    }
}

/// What the folder has, and what was made of it or what would be.
fn show_forced(told: &ForcedNew) -> Shown {
    let ForcedNew {
        node,
        was,
        after,
        since,
        members,
        made,
    } = told;
    let members: Vec<Value> = members
        .iter()
        .map(|(node, member)| {
            object([
                ("NodeId", json!(node)),
                ("Address", json!(member.peer_address)),
            ])
        })
        .collect();
    let next = format!("nothing was done; to make the new cluster, add --ends {was}");
    let (life, begins) = match made {
        Some((life, begins)) => (json!(life.to_string()), json!(begins.0)),
        None => (Value::Null, Value::Null),
    };
    let value = object([
        ("NodeId", json!(node)),
        ("Ends", json!(was.to_string())),
        ("Gap", json!(after.0)),
        ("Since", json!(since.to_string())),
        ("Members", Value::Array(members)),
        ("Incarnation", life),
        ("Begins", begins),
        (
            "Next",
            if made.is_none() {
                json!(next)
            } else {
                Value::Null
            },
        ),
    ]);
    Shown::answer(value, None)
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
