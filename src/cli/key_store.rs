//! `grantd key-store`: custom key stores. Secrets are read from a file or from standard input, never from an argument,
//! which everybody on the machine could read.

use clap::{Args, Subcommand, ValueEnum};
use serde_json::{Value, json};

use super::common::{Common, Fallback, Paging};
use super::error::CliError;
use super::input::{read_file, read_secret};
use super::key_store_backend::{self, BackendCommand};
use super::output::{Shown, object, time};
use crate::client::api;

/// Custom key stores: containers of keys whose material lives in a CloudHSM cluster or an external key manager.
#[derive(Subcommand, Debug)]
#[command(after_help = CONNECTING)]
pub enum KeyStoreCommand {
    /// Make a custom key store, disconnected.
    Create(CreateArgs),
    /// Ask for its connection; the answer does not wait for it.
    Connect {
        /// The store's id.
        store: String,
    },
    /// End its connection: its keys are unavailable at once.
    Disconnect {
        /// The store's id.
        store: String,
    },
    /// Change its properties; most need it disconnected.
    Update(UpdateArgs),
    /// Delete a disconnected store that has no keys.
    Delete {
        /// The store's id.
        store: String,
    },
    /// List the stores of the account and Region, or show one.
    List {
        /// Only the one with this id.
        #[arg(long, conflicts_with = "name")]
        id: Option<String>,
        /// Only the one with this name.
        #[arg(long)]
        name: Option<String>,
        #[command(flatten)]
        paging: Paging,
    },
    /// List the stores of all accounts that wait for the connector; for the operator.
    Work(Paging),
    /// What is behind stores, as the connector knows it: clusters, proxies, external keys; for the operator.
    #[command(subcommand)]
    Backend(BackendCommand),
    /// Report how an attempt to connect or to disconnect ended; for the operator's connector.
    Report {
        /// The store's id.
        store: String,
        /// How it ended.
        #[arg(value_enum)]
        end: End,
        /// With `failed`: why, as AWS names it.
        #[arg(long, value_name = "CODE", required_if_eq("end", "failed"))]
        error_code: Option<String>,
        /// The attempt as `work` listed it: a report that came late is refused
        #[arg(long)]
        attempt: Option<u64>,
    },
}

const CONNECTING: &str = "\
A store connects in the background. What reaches clusters and proxies is a connector beside the cluster: it takes what
waits from `grantd key-store work`, opens the sealed credential with the seal key, and tells how it ended with
`grantd key-store report`. Until then the store is CONNECTING and its keys are Unavailable.

What the connector tells ahead with `grantd key-store backend` is checked when a store is made, changed or connected and
when a key is made in it. Of an account and Region of which it told nothing, all that is found out by the connection.";

/// How an attempt ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum End {
    /// The store is connected.
    Connected,
    /// It could not be connected.
    Failed,
    /// It is disconnected.
    Disconnected,
}

/// What is behind a store, and how to get in.
#[derive(Args, Debug, Default)]
pub struct Behind {
    /// The CloudHSM cluster
    #[arg(long, value_name = "CLUSTER_ID")]
    cluster: Option<String>,
    /// File with the password of the cluster's KMS user, `-` for standard input
    #[arg(long, value_name = "FILE")]
    password_file: Option<String>,
    /// Address of the external key store proxy, as `https://xks.example.com`
    #[arg(long, value_name = "URI")]
    proxy_endpoint: Option<String>,
    /// Path of its API, as `/kms/xks/v1`
    #[arg(long, value_name = "PATH")]
    proxy_path: Option<String>,
    /// How it is reached: PUBLIC_ENDPOINT or VPC_ENDPOINT_SERVICE
    #[arg(long, value_name = "CONNECTIVITY")]
    proxy_connectivity: Option<String>,
    /// The VPC endpoint service in front of it
    #[arg(long, value_name = "NAME")]
    vpc_endpoint_service: Option<String>,
    /// The account that owns the VPC endpoint service [default: the store's own]
    #[arg(long, value_name = "ACCOUNT")]
    vpc_endpoint_service_owner: Option<String>,
    /// Access key id of the proxy's credential
    #[arg(long, value_name = "ID", requires = "secret_access_key_file")]
    access_key_id: Option<String>,
    /// File with the secret access key of the proxy's credential, `-` for standard input
    #[arg(long, value_name = "FILE", requires = "access_key_id")]
    secret_access_key_file: Option<String>,
}

/// A new store.
#[derive(Args, Debug)]
pub struct CreateArgs {
    /// Its name; no other of the account and Region has it
    name: String,
    /// AWS_CLOUDHSM or EXTERNAL_KEY_STORE [default: AWS_CLOUDHSM]
    #[arg(long = "type", value_name = "TYPE")]
    kind: Option<String>,
    /// File with the trust anchor certificate of the cluster
    #[arg(long, value_name = "FILE")]
    trust_anchor_file: Option<std::path::PathBuf>,
    #[command(flatten)]
    behind: Behind,
}

/// What changes of a store.
#[derive(Args, Debug)]
pub struct UpdateArgs {
    /// The store's id
    store: String,
    /// Its new name
    #[arg(long)]
    name: Option<String>,
    #[command(flatten)]
    behind: Behind,
}

impl Behind {
    fn password(&self) -> Result<Option<api::SecretText>, CliError> {
        self.password_file.as_deref().map(secret).transpose()
    }

    fn credential(&self) -> Result<Option<api::XksProxyAuthenticationCredential>, CliError> {
        let (Some(id), Some(file)) = (&self.access_key_id, &self.secret_access_key_file) else {
            return Ok(None);
        };
        Ok(Some(api::XksProxyAuthenticationCredential {
            access_key_id: id.clone(),
            raw_secret_access_key: Some(secret(file)?),
        }))
    }
}

fn secret(from: &str) -> Result<api::SecretText, CliError> {
    Ok(api::SecretText {
        text: read_secret(from)?,
    })
}

pub(super) async fn run(common: &Common, command: &KeyStoreCommand) -> Result<Shown, CliError> {
    let fallback = match command {
        KeyStoreCommand::Work(_) | KeyStoreCommand::Report { .. } | KeyStoreCommand::Backend(_) => {
            Fallback::Operator
        }
        _ => Fallback::None,
    };
    let client = common.client(fallback)?;
    let done = |header: Option<&api::ResponseHeader>| Ok(Shown::answer(json!({}), header));
    match command {
        KeyStoreCommand::Create(args) => {
            let answer = client.call(create(args)?).await?.answer;
            let value = object([("CustomKeyStoreId", json!(answer.custom_key_store_id))]);
            Ok(Shown::answer(value, answer.header.as_ref()))
        }
        KeyStoreCommand::Connect { store } => {
            let request = api::ConnectCustomKeyStoreRequest {
                header: None,
                custom_key_store_id: store.clone(),
            };
            done(client.call(request).await?.answer.header.as_ref())
        }
        KeyStoreCommand::Disconnect { store } => {
            let request = api::DisconnectCustomKeyStoreRequest {
                header: None,
                custom_key_store_id: store.clone(),
            };
            done(client.call(request).await?.answer.header.as_ref())
        }
        KeyStoreCommand::Update(args) => {
            let request = update(args)?;
            done(client.call(request).await?.answer.header.as_ref())
        }
        KeyStoreCommand::Delete { store } => {
            let request = api::DeleteCustomKeyStoreRequest {
                header: None,
                custom_key_store_id: store.clone(),
            };
            done(client.call(request).await?.answer.header.as_ref())
        }
        KeyStoreCommand::List { id, name, paging } => {
            let mut pages = paging.pages();
            let mut stores = Vec::new();
            loop {
                let request = api::DescribeCustomKeyStoresRequest {
                    header: None,
                    custom_key_store_id: id.clone(),
                    custom_key_store_name: name.clone(),
                    page: Some(pages.page()),
                };
                let answer = client.call(request).await?.answer;
                stores.extend(answer.custom_key_stores.iter().map(show));
                if !pages.turn(answer.next_marker) {
                    let stores = ("CustomKeyStores", Value::Array(stores));
                    let value = object([stores, pages.marker()]);
                    return Ok(Shown::answer(value, answer.header.as_ref()));
                }
            }
        }
        KeyStoreCommand::Work(paging) => {
            let mut pages = paging.pages();
            let mut work = Vec::new();
            loop {
                let request = api::ListKeyStoreWorkRequest {
                    header: None,
                    page: Some(pages.page()),
                };
                let answer = client.call(request).await?.answer;
                work.extend(answer.work.iter().map(show_work));
                if !pages.turn(answer.next_marker) {
                    let value = object([("Work", Value::Array(work)), pages.marker()]);
                    return Ok(Shown::answer(value, answer.header.as_ref()));
                }
            }
        }
        KeyStoreCommand::Backend(command) => key_store_backend::run(&client, command).await,
        KeyStoreCommand::Report {
            store,
            end,
            error_code,
            attempt,
        } => {
            let state = match end {
                End::Connected => "CONNECTED",
                End::Failed => "FAILED",
                End::Disconnected => "DISCONNECTED",
            };
            let request = api::ReportCustomKeyStoreRequest {
                header: None,
                custom_key_store_id: store.clone(),
                attempt: *attempt,
                connection_state: state.to_owned(),
                connection_error_code: error_code.clone(),
            };
            done(client.call(request).await?.answer.header.as_ref())
        }
    }
}

fn create(args: &CreateArgs) -> Result<api::CreateCustomKeyStoreRequest, CliError> {
    let CreateArgs {
        name,
        kind,
        trust_anchor_file,
        behind,
    } = args;
    Ok(api::CreateCustomKeyStoreRequest {
        header: None,
        custom_key_store_name: name.clone(),
        custom_key_store_type: kind.clone(),
        trust_anchor_certificate: trust_anchor_file.as_deref().map(read_file).transpose()?,
        key_store_password: behind.password()?,
        xks_proxy_authentication_credential: behind.credential()?,
        cloud_hsm_cluster_id: behind.cluster.clone(),
        xks_proxy_uri_endpoint: behind.proxy_endpoint.clone(),
        xks_proxy_uri_path: behind.proxy_path.clone(),
        xks_proxy_vpc_endpoint_service_name: behind.vpc_endpoint_service.clone(),
        xks_proxy_vpc_endpoint_service_owner: behind.vpc_endpoint_service_owner.clone(),
        xks_proxy_connectivity: behind.proxy_connectivity.clone(),
    })
}

fn update(args: &UpdateArgs) -> Result<api::UpdateCustomKeyStoreRequest, CliError> {
    let UpdateArgs {
        store,
        name,
        behind,
    } = args;
    Ok(api::UpdateCustomKeyStoreRequest {
        header: None,
        custom_key_store_id: store.clone(),
        new_custom_key_store_name: name.clone(),
        key_store_password: behind.password()?,
        xks_proxy_authentication_credential: behind.credential()?,
        cloud_hsm_cluster_id: behind.cluster.clone(),
        xks_proxy_uri_endpoint: behind.proxy_endpoint.clone(),
        xks_proxy_uri_path: behind.proxy_path.clone(),
        xks_proxy_vpc_endpoint_service_name: behind.vpc_endpoint_service.clone(),
        xks_proxy_vpc_endpoint_service_owner: behind.vpc_endpoint_service_owner.clone(),
        xks_proxy_connectivity: behind.proxy_connectivity.clone(),
    })
}

fn show(store: &api::CustomKeyStoresListEntry) -> Value {
    let api::CustomKeyStoresListEntry {
        custom_key_store_id,
        custom_key_store_name,
        cloud_hsm_cluster_id,
        trust_anchor_certificate,
        connection_state,
        connection_error_code,
        creation_date_ms,
        custom_key_store_type,
        xks_proxy_configuration,
    } = store;
    object([
        ("CustomKeyStoreId", json!(custom_key_store_id)),
        ("CustomKeyStoreName", json!(custom_key_store_name)),
        ("CloudHsmClusterId", json!(cloud_hsm_cluster_id)),
        ("TrustAnchorCertificate", json!(trust_anchor_certificate)),
        ("ConnectionState", json!(connection_state)),
        ("ConnectionErrorCode", json!(connection_error_code)),
        ("CreationDate", time(*creation_date_ms)),
        ("CustomKeyStoreType", json!(custom_key_store_type)),
        (
            "XksProxyConfiguration",
            xks_proxy_configuration
                .as_ref()
                .map_or(Value::Null, show_proxy),
        ),
    ])
}

fn show_proxy(proxy: &api::XksProxyConfiguration) -> Value {
    let api::XksProxyConfiguration {
        connectivity,
        access_key_id,
        uri_endpoint,
        uri_path,
        vpc_endpoint_service_name,
        vpc_endpoint_service_owner,
    } = proxy;
    object([
        ("Connectivity", json!(connectivity)),
        ("AccessKeyId", json!(access_key_id)),
        ("UriEndpoint", json!(uri_endpoint)),
        ("UriPath", json!(uri_path)),
        ("VpcEndpointServiceName", json!(vpc_endpoint_service_name)),
        ("VpcEndpointServiceOwner", json!(vpc_endpoint_service_owner)),
    ])
}

fn show_work(work: &api::KeyStoreWork) -> Value {
    use base64::Engine as _;
    let api::KeyStoreWork {
        account_id,
        region,
        store,
        attempt,
        sealed_credential,
    } = work;
    let sealed = base64::engine::general_purpose::STANDARD.encode(sealed_credential);
    object([
        ("AccountId", json!(account_id)),
        ("Region", json!(region)),
        ("Attempt", json!(attempt)),
        ("SealedCredential", json!(sealed)),
        ("CustomKeyStore", store.as_ref().map_or(Value::Null, show)),
    ])
}
