//! What a cluster costs: three nodes as `grantd dev` starts them, in one process, with sled on this disk and TCP on
//! loopback; each figure beside the least that it could be, taken in turns in the same run.
//!
//! `cargo bench --bench cluster` measures and prints a table. `cargo test` runs all of it once at tiny size, with its
//! checks; speed itself is asserted nowhere.
//!
//! Sketch. *Authorize*: an empty gRPC call and about a microsecond of deciding, plus the parsing of a claim, a question
//! and the printing of an answer: a quarter more than the echo. It waits for nothing: the proof of age is already there.
//! Wrong: it is about twice the echo, see docs/BENCHMARKS.md.
//! *CreateGrant* with one caller: the leader's log and its `node.state` are synced, a follower does the same, and half of
//! that overlaps: 2 to 3 times a raw fdatasync, all three nodes sharing one disk. With 256 callers one sync carries many
//! entries, so it is bounded by processor time: of the client, of three nodes, on the cores of one machine.

mod support;

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use grantd::client::{Client, api};
use grantd::config::{AuditSettings, AuditTo};
use grantd::node::{ProcessNode, ProcessSettings, create_seal_key, start_process};
use grantd::wire::stored::encode_entry;
use grantd::wire::v1::authorization_client::AuthorizationClient;
use grantd::wire::v1::kms_client::KmsClient;
use tonic::transport::Channel;

use support::api::{client, connect, header, machine, options, principal};
use support::echo::{Echo, EchoClient};
use support::load::{Load, Window, load};
use support::world::{self, APP, World};

const NODES: u64 = 3;
const ACCOUNT: &str = "111122223333";
const ROOT: &str = "arn:aws:iam::111122223333:root";

/// How much is done.
struct Scale {
    window: Window,
    rounds: usize,
    askers: &'static [usize],
    writers: &'static [usize],
    /// Grants on the key that is asked about.
    grants: u64,
}

const MEASURED: Scale = Scale {
    window: Window::Time(Duration::from_secs(1)),
    rounds: 5,
    askers: &[1, 8, 64],
    writers: &[1, 16, 256],
    grants: 2_000,
};
const TINY: Scale = Scale {
    window: Window::Turns(3),
    rounds: 1,
    askers: &[1, 2],
    writers: &[1, 2],
    grants: 4,
};

fn main() {
    // `cargo bench` passes `--bench`; whoever does not asks for a test.
    let is_measuring = std::env::args().any(|arg| arg == "--bench");
    let scale = if is_measuring { MEASURED } else { TINY };
    let folder = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    let lines = runtime.block_on(run(&scale, folder.path()));
    if is_measuring {
        println!("{}\n", machine());
        println!("| what | callers | a second | median | 99th percentile |");
        println!("|---|---:|---:|---:|---:|");
        lines.iter().for_each(|line| println!("{line}"));
    }
}

async fn run(scale: &Scale, folder: &Path) -> Vec<String> {
    let cluster = Cluster::start(folder).await;
    let mut lines = writes(scale, &cluster, folder).await;
    lines.extend(questions(scale, &cluster).await);
    for node in cluster.nodes {
        node.shutdown().await;
    }
    lines
}

/// Durable CreateGrant at the leader, beside a file to which the same bytes are written and synced.
async fn writes(scale: &Scale, cluster: &Cluster, folder: &Path) -> Vec<String> {
    let record = encode_entry(&World::new().create_grant(1)).unwrap();
    let file = Arc::new(File::create_new(folder.join("raw")).unwrap());
    let end = Arc::new(AtomicU64::new(0));
    let channels = connect(&cluster.leader).await;
    let mut lines = Vec::new();
    for &callers in scale.writers {
        let key = cluster.create_key().await;
        let (mut raw, mut made) = (Load::default(), Load::default());
        for _ in 0..scale.rounds {
            let (file, end, bytes) = (file.clone(), end.clone(), record.repeat(callers));
            let window = scale.window;
            let synced = tokio::task::spawn_blocking(move || {
                Load::of_batches(callers, window, || {
                    let at = end.fetch_add(bytes.len() as u64, Ordering::Relaxed);
                    file.write_all_at(&bytes, at).unwrap();
                    file.sync_data().unwrap();
                })
            });
            raw.add(synced.await.unwrap());
            made.add(grants(&channels, &key, callers, scale.window).await);
        }
        // Every acknowledged grant is there, and no other.
        assert_eq!(cluster.grants_of(&key), made.count());
        let each = record.len();
        lines.push(raw.line(&format!("fdatasync of {each} bytes a caller"), callers));
        lines.push(made.line("CreateGrant, durable on a majority", callers));
    }
    lines
}

/// Makes grants on a key, each for another file.
async fn grants(channels: &[Channel], key: &str, callers: usize, window: Window) -> Load {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let clients: Vec<_> = channels.iter().cloned().map(KmsClient::new).collect();
    let request = api::CreateGrantRequest {
        header: header(principal(ROOT), None),
        key_id: key.to_owned(),
        grantee_principal: Some(APP.to_owned()),
        operations: vec!["Decrypt".to_owned(), "GenerateDataKey".to_owned()],
        ..Default::default()
    };
    load(callers, window, move |caller| {
        let mut client = clients[caller % clients.len()].clone();
        let file = NEXT.fetch_add(1, Ordering::Relaxed);
        let request = api::CreateGrantRequest {
            constraints: Some(api::GrantConstraints {
                encryption_context_equals: context(file),
                ..Default::default()
            }),
            ..request.clone()
        };
        async move {
            let made = client.create_grant(request).await.unwrap().into_inner();
            assert!(made.grant_token.is_some());
        }
    })
    .await
}

/// Authorize at a follower, allowed by one of many grants, beside an echo of nothing.
async fn questions(scale: &Scale, cluster: &Cluster) -> Vec<String> {
    let key = cluster.create_key().await;
    let leader = connect(&cluster.leader).await;
    let first = context(u64::MAX);
    let made = KmsClient::new(leader[0].clone())
        .create_grant(api::CreateGrantRequest {
            header: header(principal(ROOT), None),
            key_id: key.clone(),
            grantee_principal: Some(APP.to_owned()),
            operations: vec!["Decrypt".to_owned()],
            constraints: Some(api::GrantConstraints {
                encryption_context_equals: first.clone(),
                ..Default::default()
            }),
            ..Default::default()
        })
        .await
        .unwrap()
        .into_inner();
    let mut more = 1;
    while more < scale.grants {
        more += grants(&leader, &key, 64, Window::Turns(1)).await.count();
    }

    let echo = Echo::start().await;
    let echoing: Vec<_> = connect(echo.address())
        .await
        .into_iter()
        .map(EchoClient::new)
        .collect();
    let deciding: Vec<_> = connect(&cluster.follower)
        .await
        .into_iter()
        .map(AuthorizationClient::new)
        .collect();
    let question = api::Question {
        subject: Some(api::Subject {
            kind: Some(api::subject::Kind::RoleSession(api::RoleSession {
                role: APP.to_owned(),
                session_name: "bench".to_owned(),
                ..Default::default()
            })),
        }),
        action: "kms:Decrypt".to_owned(),
        key_id: Some(key),
        encryption_context: first,
        ..Default::default()
    };
    let front = api::claim::Who::Front(api::Front {
        name: "bench".to_owned(),
        ..Default::default()
    });
    let request = |position| api::AuthorizeRequest {
        header: header(front.clone(), position),
        question: Some(question.clone()),
    };
    // Once at the position of the grant, so that the follower has it; from then on within the bound.
    let position = made.header.map(|header| header.position);
    decide(deciding[0].clone(), request(position)).await;

    let staleness = Arc::new(Staleness::default());
    let mut lines = Vec::new();
    for &callers in scale.askers {
        let (mut empty, mut decided) = (Load::default(), Load::default());
        for _ in 0..scale.rounds {
            let clients = echoing.clone();
            let echoed = load(callers, scale.window, move |caller| {
                let mut client = clients[caller % clients.len()].clone();
                async move { client.echo().await }
            });
            empty.add(echoed.await);
            let (clients, request, seen) = (deciding.clone(), request(None), staleness.clone());
            let answered = load(callers, scale.window, move |caller| {
                let client = clients[caller % clients.len()].clone();
                let (request, seen) = (request.clone(), seen.clone());
                async move { seen.add(decide(client, request).await) }
            });
            decided.add(answered.await);
        }
        lines.push(empty.line("empty gRPC echo", callers));
        lines.push(decided.line("Authorize at a follower", callers));
    }
    lines.push(staleness.line());
    echo.stop().await;
    lines
}

/// Asks, checks that the grant allowed, and returns how old the answer says that it may be, in milliseconds.
async fn decide(mut client: AuthorizationClient<Channel>, request: api::AuthorizeRequest) -> u64 {
    let answer = client.authorize(request).await.unwrap().into_inner();
    let decision = answer.decision.unwrap();
    assert_eq!(decision.outcome(), api::Outcome::Allow, "{}", decision.why);
    answer.header.unwrap().staleness_ms.unwrap()
}

/// How many answers said so many milliseconds; the last counts all beyond.
struct Staleness([AtomicU64; 1_001]);

impl Default for Staleness {
    fn default() -> Self {
        Self(std::array::from_fn(|_| AtomicU64::new(0)))
    }
}

impl Staleness {
    fn add(&self, ms: u64) {
        let at = usize::try_from(ms).unwrap().min(self.0.len() - 1);
        self.0[at].fetch_add(1, Ordering::Relaxed);
    }

    /// The least number of milliseconds that `share` of the answers do not exceed.
    fn at(&self, share: f64) -> usize {
        let counts: Vec<u64> = self.0.iter().map(|n| n.load(Ordering::Relaxed)).collect();
        let wanted = counts.iter().sum::<u64>() as f64 * share;
        let mut sum = 0;
        counts
            .iter()
            .position(|count| {
                sum += count;
                sum as f64 >= wanted
            })
            .unwrap()
    }

    fn line(&self) -> String {
        let (median, high, most) = (self.at(0.5), self.at(0.99), self.at(1.0));
        assert!(most <= 1_000, "an answer older than the bound");
        format!(
            "| staleness that these answers state, at most {most} ms | | | {median} ms | {high} ms |"
        )
    }
}

/// Three nodes, an account, a role.
struct Cluster {
    nodes: Vec<ProcessNode>,
    leader: String,
    follower: String,
    /// Speaks as the account's root.
    root: Client,
}

impl Cluster {
    async fn start(folder: &Path) -> Self {
        let seal_key_file = folder.join("seal.key");
        create_seal_key(&seal_key_file).unwrap();
        let mut nodes = Vec::new();
        for node_id in 1..=NODES {
            let settings = ProcessSettings {
                node_id,
                listen: "127.0.0.1:0".to_owned(),
                advertise: None,
                data_dir: folder.join(format!("node-{node_id}")),
                seal_key_file: seal_key_file.clone(),
                audit: AuditSettings {
                    to: AuditTo::Off,
                    ..AuditSettings::default()
                },
                client_connections: grantd::domain::limits::CLIENT_CONNECTIONS,
                nodes: 3,
            };
            nodes.push(start_process(settings).await.unwrap());
        }
        let addresses: Vec<String> = nodes.iter().map(|n| n.address().to_owned()).collect();
        let operator = api::claim::Who::Operator(api::Operator {});
        let (first, others) = addresses.split_first().unwrap();
        let client = client(first, operator.clone());
        client
            .call(api::InitializeRequest::default())
            .await
            .unwrap();
        for other in others {
            let join = api::JoinRequest {
                via: first.clone(),
                ..Default::default()
            };
            self::client(other, operator.clone())
                .call(join)
                .await
                .unwrap();
        }
        let create = api::CreateAccountRequest {
            account_id: ACCOUNT.to_owned(),
            ..Default::default()
        };
        client.call(create).await.unwrap();
        let root = client.with(options(principal(ROOT)));
        let create = api::CreatePrincipalRequest {
            arn: APP.to_owned(),
            ..Default::default()
        };
        root.call(create).await.unwrap();
        let (leader, _) = nodes[0].replica().leader().unwrap();
        let of = |is_leader: bool| {
            let mut found = nodes
                .iter()
                .filter(|n| (n.node_id() == leader) == is_leader);
            found.next().unwrap().address().to_owned()
        };
        Self {
            leader: of(true),
            follower: of(false),
            nodes,
            root,
        }
    }

    /// Makes a key under the default policy; its ARN.
    async fn create_key(&self) -> String {
        let made = self.root.call(api::CreateKeyRequest::default());
        made.await.unwrap().answer.key_metadata.unwrap().arn
    }

    /// How many grants the leader has on a key.
    fn grants_of(&self, key: &str) -> u64 {
        let leader = self.nodes.iter().find(|n| n.address() == self.leader);
        let published = leader.unwrap().replica().board().load();
        u64::from(published.state.grants().count(&key.parse().unwrap()))
    }
}

fn context(file: u64) -> std::collections::BTreeMap<String, String> {
    let pairs = world::file_context(0);
    let mut pairs: std::collections::BTreeMap<String, String> = pairs
        .iter()
        .map(|(k, v)| (k.to_string(), v.to_string()))
        .collect();
    pairs.insert("file".to_owned(), format!("2026/{file}"));
    pairs
}
