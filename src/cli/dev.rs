//! `grantd dev`: three nodes in one process, each with its own folder and its own listener, talking over real TCP.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::time::Duration;

use futures::future::{join_all, select_all};
use serde_json::{Value, json};

use super::Exit;
use super::account;
use super::common::Common;
use super::error::CliError;
use super::process::DevArgs;
use super::ready::{ReadyFile, write_whole};
use super::serve::TRUST_WARNING;
use super::signals::Signals;
use super::tour::tour;
use crate::client::{Client, ClientError, Options, Parts, api};
use crate::config::{AuditSettings, AuditTo};
use crate::domain::limits;
use crate::node::{ProcessNode, ProcessSettings, create_seal_key, start_process};
use crate::telemetry;

/// How many nodes there are.
const NODES: u16 = 3;
/// The first port unless it is taken or another is asked for.
const PORT: u16 = 7400;
/// Holds what the next start needs to know, in the folder given with `--data`.
const RECORD: &str = "dev.json";
/// The longest wait for a leader, a join, or the first answer.
const PATIENCE: Duration = Duration::from_secs(30);

pub(super) async fn run(common: &Common, args: &DevArgs) -> Result<Exit, CliError> {
    // Kept to the end: the last lines are waited for when it is dropped.
    let _log = telemetry::start(&args.log_level, telemetry::Form::Text).map_err(CliError::new)?;
    let mut signals = Signals::listen()?;
    // Kept to the end: dropping it removes the folder.
    let (folder, _temporary) = match &args.data {
        Some(folder) => (folder.clone(), None),
        None => {
            let temporary = tempfile::Builder::new()
                .prefix("grantd-dev-")
                .tempdir()
                .map_err(|e| CliError::new(format!("cannot make a temporary folder: {e}")))?;
            (temporary.path().to_owned(), Some(temporary))
        }
    };
    let plan = Plan::make(common, args, &folder)?;
    let mut nodes = Vec::new();
    let outcome = serve(&plan, args, &mut nodes, &mut signals).await;
    join_all(nodes.into_iter().map(ProcessNode::shutdown)).await;
    outcome.map(|()| Exit::Success)
}

/// Starts all, tells of it, and waits for the end. The nodes that were started stay in `nodes` for the caller to stop.
async fn serve(
    plan: &Plan,
    args: &DevArgs,
    nodes: &mut Vec<ProcessNode>,
    signals: &mut Signals,
) -> Result<(), CliError> {
    let ready = tokio::select! {
        ready = bring_up(plan, args, nodes) => ready?,
        () = signals.stop() => return Ok(()),
    };
    let failure = tokio::select! {
        (why, at, _) = select_all(nodes.iter().map(|node| Box::pin(node.failed()))) => Some((why, at + 1)),
        () = signals.stop() => None,
    };
    drop(ready);
    match failure {
        Some((why, node)) => Err(CliError::new(format!(
            "node {node} stopped by itself: {why}"
        ))),
        None => Ok(()),
    }
}

/// Where and as what the cluster runs.
struct Plan {
    folder: PathBuf,
    account: String,
    region: String,
    /// The listeners, in the order of the nodes; port 0 where a free one is taken.
    listen: Vec<String>,
    /// Whether the folder holds a cluster already.
    exists: bool,
}

impl Plan {
    fn make(common: &Common, args: &DevArgs, folder: &Path) -> Result<Self, CliError> {
        std::fs::create_dir_all(folder).map_err(|e| {
            CliError::new(format!("cannot make the folder {}: {e}", folder.display()))
        })?;
        let folder = folder.canonicalize().map_err(|e| {
            CliError::new(format!("cannot find the folder {}: {e}", folder.display()))
        })?;
        let record = folder.join(RECORD);
        if record.exists() {
            return Self::go_on(common, args, folder, &record);
        }
        let mut listen = match args.port {
            None if ports_are_free(PORT) => addresses(PORT)?,
            None | Some(0) => vec!["127.0.0.1:0".to_owned(); usize::from(NODES)],
            Some(port) => addresses(port)?,
        };
        listen.truncate(usize::from(NODES));
        // What stands there without a record is a start that was cut off before anybody was told of it.
        for node in 1..=NODES {
            let path = folder.join(format!("node-{node}"));
            if path.exists() {
                std::fs::remove_dir_all(&path)
                    .map_err(|e| CliError::new(format!("cannot remove {}: {e}", path.display())))?;
            }
        }
        Ok(Self {
            account: args.account.clone(),
            region: common.region(),
            listen,
            exists: false,
            folder,
        })
    }

    /// A cluster goes on where its members know one another to be.
    fn go_on(
        common: &Common,
        args: &DevArgs,
        folder: PathBuf,
        record: &Path,
    ) -> Result<Self, CliError> {
        let text = super::input::read_file(record)?;
        let parsed: Option<(Vec<String>, String, String)> = serde_json::from_str(&text)
            .ok()
            .and_then(|value: Value| {
                let text_of = |name: &str| value.get(name)?.as_str().map(str::to_owned);
                let endpoints = value.get("endpoints")?.as_array()?;
                let listen = endpoints.iter().map(|e| e.as_str().map(str::to_owned));
                Some((
                    listen.collect::<Option<_>>()?,
                    text_of("account")?,
                    text_of("region")?,
                ))
            })
            .filter(|(listen, _, _): &(Vec<String>, _, _)| listen.len() == usize::from(NODES));
        let Some((listen, account, region)) = parsed else {
            return Err(CliError::new(format!(
                "{} is not what `grantd dev` wrote there",
                record.display()
            ))
            .help("give another folder with `--data`"));
        };
        if let Some(port) = args.port.filter(|port| *port != 0)
            && listen != addresses(port)?
        {
            return Err(CliError::new(format!(
                "the cluster in {} listens at {}: its members know one another there",
                folder.display(),
                listen.join(", ")
            ))
            .help("leave `--port` out, or give another folder with `--data`"));
        }
        Ok(Self {
            account,
            region: common.region.clone().unwrap_or(region),
            listen,
            exists: true,
            folder,
        })
    }

    fn seal_key_file(&self) -> PathBuf {
        self.folder.join("seal.key")
    }

    /// Three nodes share one standard output, which is for people here.
    fn audit_file(&self, node: u64) -> PathBuf {
        self.folder.join(format!("audit-{node}.jsonl"))
    }
}

fn addresses(first: u16) -> Result<Vec<String>, CliError> {
    (0..NODES)
        .map(|at| {
            let port = first.checked_add(at);
            port.map(|port| format!("127.0.0.1:{port}")).ok_or_else(|| {
                CliError::new(format!(
                    "`--port {first}`: there are no {NODES} ports from there on"
                ))
            })
        })
        .collect()
}

/// Whether the default ports can be had; what is free now is taken a moment later, and if not, the start says so.
fn ports_are_free(first: u16) -> bool {
    addresses(first).is_ok_and(|all| {
        let listeners: Vec<_> = all.iter().map(TcpListener::bind).collect();
        listeners.iter().all(Result::is_ok)
    })
}

async fn bring_up(
    plan: &Plan,
    args: &DevArgs,
    nodes: &mut Vec<ProcessNode>,
) -> Result<Option<ReadyFile>, CliError> {
    if !plan.seal_key_file().exists() {
        create_seal_key(&plan.seal_key_file())
            .map_err(|e| CliError::new(format!("{}: {e}", plan.seal_key_file().display())))?;
    }
    for (id, listen) in (1..=u64::from(NODES)).zip(&plan.listen) {
        let settings = ProcessSettings {
            node_id: id,
            listen: listen.clone(),
            advertise: None,
            data_dir: plan.folder.join(format!("node-{id}")),
            seal_key_file: plan.seal_key_file(),
            audit: AuditSettings {
                to: AuditTo::File(plan.audit_file(id)),
                ..AuditSettings::default()
            },
            client_connections: limits::CLIENT_CONNECTIONS,
            nodes: NODES,
        };
        let node = start_process(settings)
            .await
            .map_err(|error| CliError::new(format!("node {id} does not start: {error}")))?;
        nodes.push(node);
    }
    let endpoints: Vec<String> = nodes.iter().map(|node| node.address().to_owned()).collect();
    let told = json!({
        "endpoints": endpoints,
        "node_ids": nodes.iter().map(|node| node.node_id()).collect::<Vec<_>>(),
        "region": plan.region,
        "account": plan.account,
        "data_dir": plan.folder,
    });
    if !plan.exists {
        make_cluster(plan, &endpoints).await?;
        write_whole(&plan.folder.join(RECORD), format!("{told:#}\n").as_bytes())?;
    }
    // Each answers with everything that was acknowledged: then it serves.
    for endpoint in &endpoints {
        let client = operator(plan, endpoint)?;
        client
            .call(api::ListAccountsRequest::default())
            .await
            .map_err(|e| CliError::new(format!("the node at {endpoint} does not serve: {e}")))?;
    }
    let ready = match &args.ready_file {
        Some(path) => Some(ReadyFile::write(path, &told)?),
        None => None,
    };
    welcome(plan, args, &endpoints);
    Ok(ready)
}

/// Makes the cluster and its account; each step may be the second try of itself.
async fn make_cluster(plan: &Plan, endpoints: &[String]) -> Result<(), CliError> {
    let Some((first, others)) = endpoints.split_first() else {
        return Err(CliError::new("there is no node"));
    };
    let operator_of_first = operator(plan, first)?;
    operator_of_first
        .call(api::InitializeRequest::default())
        .await
        .map_err(|e| CliError::new(format!("the cluster could not be made: {e}")))?;
    for endpoint in others {
        let join = api::JoinRequest {
            header: None,
            via: first.clone(),
        };
        operator(plan, endpoint)?
            .call(join)
            .await
            .map_err(|e| CliError::new(format!("the node at {endpoint} could not join: {e}")))?;
    }
    account::create(&operator_of_first, &plan.account, Some("dev")).await?;
    Ok(())
}

/// A client of one node, as the operator.
fn operator(plan: &Plan, endpoint: &str) -> Result<Client, ClientError> {
    let options = Options {
        claim: api::Claim {
            who: Some(api::claim::Who::Operator(api::Operator {})),
        },
        region: plan.region.clone(),
        partition: None,
        demand: Some(api::Demand {
            consistency: Some(api::demand::Consistency::Linearizable(api::Linearizable {})),
            wait_ms: None,
        }),
        deadline: PATIENCE,
        idempotency_key: None,
    };
    Client::new([endpoint], options, Parts::real())
}

/// What people see.
fn welcome(plan: &Plan, args: &DevArgs, endpoints: &[String]) {
    let Plan {
        folder,
        account,
        region,
        listen: _,
        exists,
    } = plan;
    println!(
        "grantd dev: {} nodes serve, account {account}, Region {region}",
        endpoints.len()
    );
    for (id, endpoint) in (1..).zip(endpoints) {
        println!("  node {id}  {endpoint}");
    }
    match (&args.data, exists) {
        (None, _) => println!(
            "  data    {} (removed at the end; `--data FOLDER` keeps it)",
            folder.display()
        ),
        (Some(_), false) => println!("  data    {}", folder.display()),
        (Some(_), true) => println!("  data    {} (going on where it stopped)", folder.display()),
    }
    println!(
        "  audit   audit-1.jsonl to audit-{NODES}.jsonl there, a line for each decision and each change"
    );
    println!("warning: {TRUST_WARNING}");
    if args.quiet {
        return;
    }
    println!(
        "\nCtrl-C stops it. A tour, to paste into another terminal at the top of the repository:\n"
    );
    println!("{}", tour(&endpoints.join(","), region, account));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(port: Option<u16>) -> DevArgs {
        DevArgs {
            account: "111122223333".to_owned(),
            port,
            data: None,
            ready_file: None,
            log_level: "off".to_owned(),
            quiet: false,
        }
    }

    #[test]
    fn first_port_is_followed_by_two_more_or_refused() {
        assert_eq!(
            addresses(7000).unwrap(),
            ["127.0.0.1:7000", "127.0.0.1:7001", "127.0.0.1:7002"]
        );
        assert!(addresses(65_534).is_err());
    }

    #[test]
    fn folder_with_a_record_goes_on_at_the_recorded_addresses() {
        let folder = tempfile::tempdir().unwrap();
        let record = r#"{"endpoints": ["127.0.0.1:1", "127.0.0.1:2", "127.0.0.1:3"], "account": "444455556666", "region": "eu-west-1"}"#;
        std::fs::write(folder.path().join(RECORD), record).unwrap();
        let plan = Plan::make(&Common::default(), &args(None), folder.path()).unwrap();
        assert!(plan.exists);
        assert_eq!(
            (plan.account.as_str(), plan.region.as_str()),
            ("444455556666", "eu-west-1")
        );
        assert_eq!(plan.listen.len(), 3);
        let Err(error) = Plan::make(&Common::default(), &args(Some(7000)), folder.path()) else {
            panic!("another port was accepted");
        };
        assert!(error.render().contains("127.0.0.1:1"), "{}", error.render());
    }

    #[test]
    fn folder_of_a_start_that_was_cut_off_is_begun_anew() {
        let folder = tempfile::tempdir().unwrap();
        let node = folder.path().join("node-2");
        std::fs::create_dir(&node).unwrap();
        std::fs::write(node.join("left"), "over").unwrap();
        let plan = Plan::make(&Common::default(), &args(Some(0)), folder.path()).unwrap();
        assert!(!plan.exists && !node.exists());
    }

    #[test]
    fn record_that_is_none_is_refused_and_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let record = folder.path().join(RECORD);
        std::fs::write(&record, "{}").unwrap();
        assert!(Plan::make(&Common::default(), &args(None), folder.path()).is_err());
        assert!(record.exists());
    }
}
