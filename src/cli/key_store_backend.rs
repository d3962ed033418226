//! `grantd key-store backend`: what the connector knows of what is behind custom key stores, for the operator.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::common::Paging;
use super::error::CliError;
use super::input::read_file;
use super::output::{Shown, object, time};
use crate::client::{Client, api};
use api::key_store_backend::Backend;
use api::xks_proxy::Fault;

/// What is behind custom key stores, as the connector knows it.
///
/// Each command tells of one account in the Region of `--region`. Until anything is told of its clusters, or of its
/// proxies, the account is unmanaged there: stores are made without a look at what is behind them. Once anything is, what
/// was not told of is not found.
#[derive(Subcommand, Debug)]
pub enum BackendCommand {
    /// Tell of a CloudHSM cluster.
    Cluster(ClusterArgs),
    /// Tell of an external key store proxy.
    Proxy(ProxyArgs),
    /// Tell of a VPC endpoint service in front of a proxy.
    VpcService(ServiceArgs),
    /// Tell of keys of the key manager behind a proxy.
    ExternalKey(KeyArgs),
    /// Take back what was told: as if it had never been.
    Forget {
        /// Names as `list` shows them, at most 100.
        #[arg(required = true)]
        names: Vec<String>,
        /// The account whose stores it is for
        #[arg(long)]
        account: String,
    },
    /// List what was told.
    List {
        /// The account whose stores it is for
        #[arg(long)]
        account: String,
        #[command(flatten)]
        paging: Paging,
    },
}

/// A CloudHSM cluster.
#[derive(Args, Debug)]
pub struct ClusterArgs {
    /// Its id, `cluster-…`
    cluster: String,
    /// The account whose stores it is for
    #[arg(long)]
    account: String,
    /// It is not initialized, or not active
    #[arg(long)]
    inactive: bool,
    /// In how many Availability Zones it has an active HSM
    #[arg(long, value_name = "NUMBER", default_value_t = 2)]
    zones: u32,
    /// File with its trust anchor certificate; without it any is taken
    #[arg(long, value_name = "FILE")]
    trust_anchor_file: Option<PathBuf>,
    /// A cluster that shares a backup history with it; may be given more than once
    #[arg(long, value_name = "CLUSTER_ID")]
    related: Vec<String>,
    /// What else is wrong with its configuration, in words
    #[arg(long, value_name = "TEXT")]
    fault: Option<String>,
    /// It is not there
    #[arg(long)]
    gone: bool,
}

/// An external key store proxy.
#[derive(Args, Debug)]
pub struct ProxyArgs {
    /// Its address, as `https://xks.example.com`
    address: String,
    /// The path of its API, as `/kms/xks/v1`
    path: String,
    /// The account whose stores it is for
    #[arg(long)]
    account: String,
    /// An access key id that it takes; may be given more than once; without one any is taken
    #[arg(long, value_name = "ID")]
    access_key_id: Vec<String>,
    /// It does not answer: why, in words
    #[arg(long, value_name = "TEXT", conflicts_with_all = ["invalid_response", "invalid_configuration"])]
    unreachable: Option<String>,
    /// What it answers cannot be interpreted: why, in words
    #[arg(long, value_name = "TEXT", conflicts_with = "invalid_configuration")]
    invalid_response: Option<String>,
    /// It is not configured correctly: how, in words
    #[arg(long, value_name = "TEXT")]
    invalid_configuration: Option<String>,
    /// It is not there
    #[arg(long)]
    gone: bool,
}

/// A VPC endpoint service.
#[derive(Args, Debug)]
pub struct ServiceArgs {
    /// Its name, as `com.amazonaws.vpce.us-east-1.vpce-svc-…`
    name: String,
    /// The account whose stores it is for
    #[arg(long)]
    account: String,
    /// What is wrong with its configuration, in words
    #[arg(long, value_name = "TEXT")]
    fault: Option<String>,
    /// It is not there
    #[arg(long)]
    gone: bool,
}

/// Keys of an external key manager.
#[derive(Args, Debug)]
pub struct KeyArgs {
    /// The address of the proxy
    address: String,
    /// The path of its API
    path: String,
    /// The keys' ids there, at most 100
    #[arg(required = true)]
    keys: Vec<String>,
    /// The account whose stores they are for
    #[arg(long)]
    account: String,
    /// Why no KMS key can be made of them, in words
    #[arg(long, value_name = "TEXT")]
    fault: Option<String>,
    /// They are not there
    #[arg(long)]
    gone: bool,
}

pub(super) async fn run(client: &Client, command: &BackendCommand) -> Result<Shown, CliError> {
    let request = match command {
        BackendCommand::Cluster(args) => cluster(args)?,
        BackendCommand::Proxy(args) => proxy(args),
        BackendCommand::VpcService(args) => {
            let ServiceArgs {
                name,
                account,
                fault,
                gone,
            } = args;
            let service = api::XksVpcEndpointService {
                service_name: name.clone(),
                fault: fault.clone(),
            };
            report(account, *gone, [Backend::XksVpcEndpointService(service)])
        }
        BackendCommand::ExternalKey(args) => {
            let KeyArgs {
                address,
                path,
                keys,
                account,
                fault,
                gone,
            } = args;
            let keys = keys.iter().map(|key| {
                Backend::XksExternalKey(api::XksExternalKey {
                    uri_endpoint: address.clone(),
                    uri_path: path.clone(),
                    xks_key_id: key.clone(),
                    fault: fault.clone(),
                })
            });
            report(account, *gone, keys)
        }
        BackendCommand::Forget { names, account } => api::ReportKeyStoreBackendsRequest {
            header: None,
            account_id: account.clone(),
            backends: Vec::new(),
            forgotten: names.clone(),
        },
        BackendCommand::List { account, paging } => return list(client, account, paging).await,
    };
    let answer = client.call(request).await?.answer;
    Ok(Shown::answer(json!({}), answer.header.as_ref()))
}

fn report(
    account: &str,
    gone: bool,
    backends: impl IntoIterator<Item = Backend>,
) -> api::ReportKeyStoreBackendsRequest {
    let backends = backends.into_iter().map(|backend| api::KeyStoreBackend {
        backend: Some(backend),
        gone,
    });
    api::ReportKeyStoreBackendsRequest {
        header: None,
        account_id: account.to_owned(),
        backends: backends.collect(),
        forgotten: Vec::new(),
    }
}

fn cluster(args: &ClusterArgs) -> Result<api::ReportKeyStoreBackendsRequest, CliError> {
    let ClusterArgs {
        cluster,
        account,
        inactive,
        zones,
        trust_anchor_file,
        related,
        fault,
        gone,
    } = args;
    let cluster = api::CloudHsmCluster {
        cloud_hsm_cluster_id: cluster.clone(),
        active: !inactive,
        active_zones: *zones,
        trust_anchor_certificate: trust_anchor_file.as_deref().map(read_file).transpose()?,
        related_cluster_ids: related.clone(),
        fault: fault.clone(),
    };
    Ok(report(account, *gone, [Backend::CloudHsmCluster(cluster)]))
}

fn proxy(args: &ProxyArgs) -> api::ReportKeyStoreBackendsRequest {
    let ProxyArgs {
        address,
        path,
        account,
        access_key_id,
        unreachable,
        invalid_response,
        invalid_configuration,
        gone,
    } = args;
    let unreachable = unreachable.clone().map(Fault::Unreachable);
    let response = invalid_response.clone().map(Fault::InvalidResponse);
    let configuration = invalid_configuration.clone();
    let configuration = configuration.map(Fault::InvalidConfiguration);
    let proxy = api::XksProxy {
        uri_endpoint: address.clone(),
        uri_path: path.clone(),
        access_key_ids: access_key_id.clone(),
        fault: unreachable.or(response).or(configuration),
    };
    report(account, *gone, [Backend::XksProxy(proxy)])
}

async fn list(client: &Client, account: &str, paging: &Paging) -> Result<Shown, CliError> {
    let mut pages = paging.pages();
    let mut backends = Vec::new();
    loop {
        let request = api::ListKeyStoreBackendsRequest {
            header: None,
            account_id: account.to_owned(),
            page: Some(pages.page()),
        };
        let answer = client.call(request).await?.answer;
        backends.extend(answer.backends.iter().map(show));
        if !pages.turn(answer.next_marker) {
            let value = object([("Backends", Value::Array(backends)), pages.marker()]);
            return Ok(Shown::answer(value, answer.header.as_ref()));
        }
    }
}

fn show(known: &api::KnownKeyStoreBackend) -> Value {
    let api::KnownKeyStoreBackend {
        name,
        backend,
        told_at_ms,
    } = known;
    let gone = backend.as_ref().is_some_and(|backend| backend.gone);
    let kind = backend.as_ref().and_then(|told| told.backend.as_ref());
    let facts = kind.filter(|_| !gone).map_or(Value::Null, facts);
    object([
        ("Name", json!(name)),
        ("ToldDate", time(*told_at_ms)),
        ("Gone", if gone { json!(true) } else { Value::Null }),
        ("Known", facts),
    ])
}

fn facts(backend: &Backend) -> Value {
    let some = |texts: &[String]| match texts {
        [] => Value::Null,
        texts => json!(texts),
    };
    match backend {
        Backend::CloudHsmCluster(cluster) => {
            let api::CloudHsmCluster {
                cloud_hsm_cluster_id: _, // the name
                active,
                active_zones,
                trust_anchor_certificate,
                related_cluster_ids,
                fault,
            } = cluster;
            object([
                ("Active", json!(active)),
                ("ActiveZones", json!(active_zones)),
                ("TrustAnchorCertificate", json!(trust_anchor_certificate)),
                ("RelatedClusterIds", some(related_cluster_ids)),
                ("Fault", json!(fault)),
            ])
        }
        Backend::XksProxy(proxy) => {
            let api::XksProxy {
                uri_endpoint: _, // the name
                uri_path: _,
                access_key_ids,
                fault,
            } = proxy;
            let (kind, why) = match fault {
                None => (None, None),
                Some(Fault::Unreachable(why)) => (Some("unreachable"), Some(why)),
                Some(Fault::InvalidResponse(why)) => (Some("invalid response"), Some(why)),
                Some(Fault::InvalidConfiguration(why)) => {
                    (Some("invalid configuration"), Some(why))
                }
            };
            object([
                ("AccessKeyIds", some(access_key_ids)),
                ("FaultKind", json!(kind)),
                ("Fault", json!(why)),
            ])
        }
        Backend::XksVpcEndpointService(api::XksVpcEndpointService {
            service_name: _, // the name
            fault,
        })
        | Backend::XksExternalKey(api::XksExternalKey {
            uri_endpoint: _, // the name
            uri_path: _,
            xks_key_id: _,
            fault,
        }) => object([("Fault", json!(fault))]),
    }
}
