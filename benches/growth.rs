//! What a change costs on the disk, and a start in time, as the state grows: one node as `grantd serve` starts it.
//!
//! `cargo bench --bench growth` measures up to 100,000 grants, `cargo bench --bench growth -- 1000000` up to a million.
//! `cargo test` runs it once at tiny size, with its checks; figures are asserted nowhere.
//!
//! Sketch. A change writes its entry to the log, some hundred bytes that sled pads and later copies; and snapshots write
//! together as much as the log does, whatever the size of the state. So bytes a change stay flat. A start reads the
//! snapshot once and applies a log that is at most as large: linear in the state.

mod support;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use grantd::client::api;
use grantd::config::{AuditSettings, AuditTo};
use grantd::env::Clock;
use grantd::env::real::RealClock;
use grantd::node::{ProcessNode, ProcessSettings, create_seal_key, start_process};
use grantd::wire::v1::kms_client::KmsClient;

use support::api::{client, connect, header, machine, options, principal};
use support::load::{Window, load};
use support::world::APP;

const ACCOUNT: &str = "111122223333";
const ROOT: &str = "arn:aws:iam::111122223333:root";
const CALLERS: usize = 256;
/// Below the quota of a key.
const GRANTS_A_KEY: u64 = 40_000;

fn main() {
    // `cargo bench` passes `--bench`; whoever does not asks for a test.
    let args: Vec<String> = std::env::args().collect();
    let is_measuring = args.iter().any(|arg| arg == "--bench");
    let most = args.iter().find_map(|arg| arg.parse::<u64>().ok());
    let sizes: Vec<u64> = if is_measuring {
        let most = most.unwrap_or(100_000);
        [10_000, 30_000, 100_000, 300_000, 1_000_000]
            .into_iter()
            .filter(|size| *size <= most)
            .collect()
    } else {
        vec![256, 512]
    };
    // On a disk: a file system in memory writes nothing.
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    let lines = runtime.block_on(run(&sizes, folder.path()));
    if is_measuring {
        println!("{}\n", machine());
        println!("| grants | bytes written a change | snapshots | restart | folder |");
        println!("|---:|---:|---:|---:|---:|");
        lines.iter().for_each(|line| println!("{line}"));
    }
}

async fn start(folder: &Path) -> ProcessNode {
    start_process(ProcessSettings {
        node_id: 1,
        listen: "127.0.0.1:0".to_owned(),
        advertise: None,
        data_dir: folder.join("node"),
        seal_key_file: folder.join("seal.key"),
        audit: AuditSettings {
            to: AuditTo::Off,
            ..AuditSettings::default()
        },
        client_connections: grantd::domain::limits::CLIENT_CONNECTIONS,
        nodes: 1,
    })
    .await
    .unwrap()
}

async fn run(sizes: &[u64], folder: &Path) -> Vec<String> {
    create_seal_key(&folder.join("seal.key")).unwrap();
    let mut node = start(folder).await;
    let operator = client(node.address(), api::claim::Who::Operator(api::Operator {}));
    operator
        .call(api::InitializeRequest::default())
        .await
        .unwrap();
    let account = api::CreateAccountRequest {
        account_id: ACCOUNT.to_owned(),
        ..Default::default()
    };
    operator.call(account).await.unwrap();
    let root = operator.with(options(principal(ROOT)));
    let app = api::CreatePrincipalRequest {
        arn: APP.to_owned(),
        ..Default::default()
    };
    root.call(app).await.unwrap();
    let (mut made, mut lines) = (0, Vec::new());
    for &size in sizes {
        // The second half of the way is what is measured: the first may end the last snapshot of a smaller state.
        let half = made + size.saturating_sub(made) / 2;
        made += grow(&node, half - made).await;
        let before = Written::now();
        let snapshots = snapshot_revision(&node);
        let more = grow(&node, size.saturating_sub(made)).await;
        made += more;
        let written = Written::now().since(before);
        let taken = u64::from(snapshot_revision(&node) != snapshots);
        let revision = node.replica().status().applied;
        node.shutdown().await;
        let on_disk = folder_bytes(&folder.join("node"));
        let began = RealClock.boot();
        node = start(folder).await;
        node.replica().applied(revision).await;
        let took = RealClock.boot().since(began);
        let held = node.replica().board().load().state.grants().len() as u64;
        assert_eq!(held, made, "all are there after the restart");
        lines.push(format!(
            "| {made} | {} | {} | {:.2} s | {} MiB |",
            written / more.max(1),
            if taken > 0 { "some" } else { "none" },
            took.as_secs_f64(),
            on_disk >> 20,
        ));
    }
    node.shutdown().await;
    lines
}

fn snapshot_revision(node: &ProcessNode) -> u64 {
    let snapshots = node.replica().status().snapshots;
    snapshots.revision.map_or(0, |revision| revision.0)
}

/// Makes about so many grants, on as many keys as they need; how many.
async fn grow(node: &ProcessNode, count: u64) -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let channels = connect(node.address()).await;
    let root = client(node.address(), principal(ROOT));
    let mut made = 0;
    while made < count {
        let key = root.call(api::CreateKeyRequest::default()).await.unwrap();
        let key = key.answer.key_metadata.unwrap().arn;
        let wanted = (count - made).min(GRANTS_A_KEY);
        let turns = usize::try_from(wanted).unwrap().div_ceil(CALLERS).max(1);
        let callers = CALLERS.min(usize::try_from(wanted).unwrap().max(1));
        let clients: Arc<Vec<_>> = Arc::new(channels.iter().cloned().map(KmsClient::new).collect());
        let load = load(callers, Window::Turns(turns), move |caller| {
            let mut client = clients[caller % clients.len()].clone();
            let file = NEXT.fetch_add(1, Ordering::Relaxed);
            let request = api::CreateGrantRequest {
                header: header(principal(ROOT), None),
                key_id: key.clone(),
                grantee_principal: Some(APP.to_owned()),
                operations: vec!["Decrypt".to_owned(), "GenerateDataKey".to_owned()],
                constraints: Some(api::GrantConstraints {
                    encryption_context_equals: [("file".to_owned(), format!("2026/{file}"))].into(),
                    ..Default::default()
                }),
                ..Default::default()
            };
            async move {
                client.create_grant(request).await.unwrap();
            }
        });
        made += load.await.count();
    }
    made
}

/// What this process has had written to storage, in bytes.
#[derive(Clone, Copy)]
struct Written(u64);

impl Written {
    fn now() -> Self {
        let io = std::fs::read_to_string("/proc/self/io").unwrap_or_default();
        let bytes = io
            .lines()
            .find_map(|line| line.strip_prefix("write_bytes: "));
        Self(bytes.and_then(|bytes| bytes.parse().ok()).unwrap_or(0))
    }

    fn since(self, before: Self) -> u64 {
        self.0.saturating_sub(before.0)
    }
}

fn folder_bytes(folder: &Path) -> u64 {
    let entries = std::fs::read_dir(folder).unwrap();
    entries
        .map(|entry| {
            let entry = entry.unwrap();
            if entry.file_type().unwrap().is_dir() {
                folder_bytes(&entry.path())
            } else {
                entry.metadata().unwrap().len()
            }
        })
        .sum()
}
