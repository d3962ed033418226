//! What a healthy client feels of others who ask long questions at its node: three nodes, each on a runtime of its own as
//! in a process of its own, many grants, four askers of one kind at a time.
//!
//! `cargo bench --bench pressure` measures and prints a table; `GRANTS=20000` in the environment takes so many instead of
//! 160,000, `ONLY="ListGrants of nobody"` measures that row alone. `cargo test` runs all of it once at tiny size, with its
//! checks; speed itself is asserted nowhere.
//!
//! Sketch. A page of who-can or what-can ends after `limits::PAGE_WORK`, about 50 ms of a core, and most pages are shorter:
//! 50 principals with 80 grants each and 45 actions are some 4,000 grants and 2,250 pairs of decisions of 2 µs. A healthy
//! client waits for a worker at the most as long as a request may be tried in place, `limits::IN_PLACE_WORK`, about 1.5 ms,
//! and for a core as long as the scheduler gives a thread of lower priority: p99 some milliseconds.

mod support;

use std::cell::Cell;
use std::collections::BTreeMap;
use std::panic::Location;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use grantd::client::api::proposed_change::Change;
use grantd::client::{Client, api};
use grantd::config::{AuditSettings, AuditTo};
use grantd::env::Clock;
use grantd::env::real::RealClock;
use grantd::node::{ProcessNode, ProcessSettings, create_seal_key, start_process};
use grantd::wire::v1::authorization_client::AuthorizationClient;
use grantd::wire::v1::grants_client::GrantsClient;
use grantd::wire::v1::kms_client::KmsClient;
use rustix::time::{ClockId, clock_gettime};
use tokio::runtime::{Builder, HistogramConfiguration, LogHistogram, Runtime};
use tonic::transport::Channel;
use tonic::{Code, Status};

use support::api::{client, connect, header, machine, principal};
use support::load::{Load, Window, load};

/// As the program has it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const NODES: u64 = 3;
/// Threads of each runtime: as a process of its own has on two cores.
const WORKERS: usize = 2;
const ASKERS: usize = 4;
const ACCOUNT: &str = "111122223333";
const ROOT: &str = "arn:aws:iam::111122223333:root";
/// Calls that make grants at a time.
const MAKERS: usize = 256;
/// Characters of the value that the patterns of a costly policy almost match.
const VALUE_CHARS: usize = 4_000;
/// Patterns of that policy, and stars of each.
const PATTERNS: usize = 230;
const STARS: usize = 50;
/// Pairs of a long context: 1,000 questions with so many are as much as one message takes.
const PAIRS: usize = 450;
const ANSWER_BYTES_MAX: usize = 64 << 20;

struct Scale {
    grants: u64,
    keys: u64,
    users: u64,
    window: Window,
    runs: usize,
    batch: usize,
}

const MEASURED: Scale = Scale {
    grants: 160_000,
    keys: 20,
    users: 100,
    window: Window::Time(Duration::from_secs(3)),
    runs: 5,
    batch: 1_000,
};
const TINY: Scale = Scale {
    grants: 8,
    keys: 2,
    users: 2,
    window: Window::Turns(3),
    runs: 1,
    batch: 3,
};

fn main() {
    // `cargo bench` passes `--bench`; whoever does not asks for a test.
    let is_measuring = std::env::args().any(|arg| arg == "--bench");
    let mut scale = if is_measuring { MEASURED } else { TINY };
    if let Ok(grants) = std::env::var("GRANTS") {
        scale.grants = grants.parse().unwrap();
    }
    let folder = tempfile::tempdir().unwrap();
    let world = World::make(&scale, folder.path());
    let lines = world.measure(&scale);
    if is_measuring {
        println!("{}, {} grants\n", machine(), scale.grants);
        lines.iter().for_each(|line| println!("{line}"));
    }
    world.stop();
}

/// A node on a runtime of its own.
struct Seat {
    runtime: Runtime,
    node: ProcessNode,
    longest: Arc<Longest>,
}

/// The poll of a node's workers that was on a core for longest, and where its task was spawned.
#[derive(Default)]
struct Longest(Mutex<(u64, Option<&'static Location<'static>>)>);

impl Longest {
    fn forget(&self) {
        *self.0.lock().unwrap() = (0, None);
    }

    fn hear(&self, nanos: u64, spawned_at: &'static Location<'static>) {
        let mut longest = self.0.lock().unwrap();
        if nanos > longest.0 {
            *longest = (nanos, Some(spawned_at));
        }
    }

    /// How long it was, and the file and line.
    fn told(&self) -> (Duration, String) {
        let (nanos, spawned_at) = *self.0.lock().unwrap();
        let at = spawned_at.map_or_else(String::new, |at| {
            let file = at.file().rsplit("/src/").next().unwrap_or_default();
            format!("{file}:{}", at.line())
        });
        (Duration::from_nanos(nanos), at)
    }
}

thread_local! {
    /// How long this thread had been on a core when the poll began.
    static BEGAN: Cell<u64> = const { Cell::new(0) };
}

/// How long this thread has been on a core, in nanoseconds.
fn on_core() -> u64 {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    u64::try_from(now.tv_sec * 1_000_000_000 + now.tv_nsec).unwrap()
}

/// A runtime whose polls are timed: by the clock in histograms, and in time on a core, which other processes do not
/// lengthen, by their greatest.
fn runtime(longest: Arc<Longest>) -> Runtime {
    let histogram = LogHistogram::builder()
        .min_value(Duration::from_micros(50))
        .max_value(Duration::from_secs(20))
        .max_error(0.25)
        .build();
    Builder::new_multi_thread()
        .worker_threads(WORKERS)
        .enable_all()
        .enable_metrics_poll_time_histogram()
        .metrics_poll_time_histogram_configuration(HistogramConfiguration::log(histogram))
        .on_before_task_poll(|_| BEGAN.set(on_core()))
        .on_after_task_poll(move |task| {
            longest.hear(on_core() - BEGAN.get(), task.spawned_at());
        })
        .build()
        .unwrap()
}

impl Seat {
    /// How many polls of its workers took a time of each bucket.
    fn polls(&self) -> Vec<u64> {
        let metrics = self.runtime.metrics();
        let buckets = metrics.poll_time_histogram_num_buckets();
        (0..buckets)
            .map(|bucket| {
                let of = |worker| metrics.poll_time_histogram_bucket_count(worker, bucket);
                (0..metrics.num_workers()).map(of).sum()
            })
            .collect()
    }

    /// The greatest time that a poll took since `before`: the upper end of its bucket.
    fn longest_poll(&self, before: &[u64]) -> Duration {
        let metrics = self.runtime.metrics();
        let now = self.polls();
        let grown = now
            .iter()
            .zip(before)
            .rposition(|(now, before)| now > before);
        grown.map_or(Duration::ZERO, |bucket| {
            metrics.poll_time_histogram_bucket_range(bucket).end
        })
    }
}

struct World {
    /// What clients run on.
    runtime: Runtime,
    /// What those run on who ask long questions.
    askers: Runtime,
    seats: Vec<Seat>,
    leader: usize,
    keys: Vec<String>,
    users: Vec<String>,
    costly: String,
}

impl World {
    fn make(scale: &Scale, folder: &Path) -> Self {
        let runtime = runtime(Arc::default());
        let seal_key_file = folder.join("seal.key");
        create_seal_key(&seal_key_file).unwrap();
        let seats: Vec<Seat> = (1..=NODES)
            .map(|node_id| {
                let longest = Arc::<Longest>::default();
                let runtime = self::runtime(longest.clone());
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
                let node = runtime.block_on(start_process(settings)).unwrap();
                Seat {
                    runtime,
                    node,
                    longest,
                }
            })
            .collect();
        let mut world = Self {
            runtime,
            askers: self::runtime(Arc::default()),
            seats,
            leader: 0,
            keys: Vec::new(),
            users: Vec::new(),
            costly: String::new(),
        };
        world.found();
        world.fill(scale);
        world
    }

    fn address(&self) -> &str {
        self.seats[self.leader].node.address()
    }

    fn term(&self) -> u64 {
        self.seats[self.leader].node.replica().status().term
    }

    fn root(&self) -> Client {
        client(self.address(), principal(ROOT))
    }

    fn found(&mut self) {
        let operator = api::claim::Who::Operator(api::Operator {});
        let addresses: Vec<_> = self.seats.iter().map(|seat| seat.node.address()).collect();
        let (first, others) = addresses.split_first().unwrap();
        self.runtime.block_on(async {
            let founder = client(first, operator.clone());
            founder
                .call(api::InitializeRequest::default())
                .await
                .unwrap();
            for other in others {
                let join = api::JoinRequest {
                    via: (*first).to_owned(),
                    ..Default::default()
                };
                client(other, operator.clone()).call(join).await.unwrap();
            }
            let create = api::CreateAccountRequest {
                account_id: ACCOUNT.to_owned(),
                ..Default::default()
            };
            founder.call(create).await.unwrap();
        });
        let (leader, _) = self.seats[0].node.replica().leader().unwrap();
        let leads = |seat: &Seat| seat.node.node_id() == leader;
        self.leader = self.seats.iter().position(leads).unwrap();
    }

    /// Keys, users, grants of every user on every key, each with a context of its own, and a costly policy.
    fn fill(&mut self, scale: &Scale) {
        let root = self.root();
        let (keys, users, costly) = self.runtime.block_on(async {
            let key = |policy: Option<String>| {
                let create = api::CreateKeyRequest {
                    policy,
                    ..Default::default()
                };
                let made = root.call(create);
                async { made.await.unwrap().answer.key_metadata.unwrap().arn }
            };
            let mut keys = Vec::new();
            for _ in 0..scale.keys {
                keys.push(key(None).await);
            }
            let mut users = Vec::new();
            for n in 0..scale.users {
                let arn = format!("arn:aws:iam::{ACCOUNT}:user/u{n}");
                let create = api::CreatePrincipalRequest {
                    arn: arn.clone(),
                    ..Default::default()
                };
                root.call(create).await.unwrap();
                users.push(arn);
            }
            (keys, users, key(Some(costly_policy())).await)
        });
        let channels = self.runtime.block_on(connect(self.address()));
        let next = Arc::new(AtomicU64::new(0));
        let (most, at) = (scale.grants, (keys.clone(), users.clone()));
        let at = Arc::new(at);
        let turns = most.div_ceil(MAKERS as u64);
        let made =
            self.runtime
                .block_on(load(MAKERS, Window::Turns(turns as usize), move |caller| {
                    let mut client = KmsClient::new(channels[caller % channels.len()].clone());
                    let (next, at) = (next.clone(), at.clone());
                    async move {
                        let n = next.fetch_add(1, Ordering::Relaxed);
                        if n >= most {
                            return;
                        }
                        let (keys, users) = &*at;
                        let key = (n % keys.len() as u64) as usize;
                        let user = (n / keys.len() as u64 % users.len() as u64) as usize;
                        let request = api::CreateGrantRequest {
                            header: header(principal(ROOT), None),
                            key_id: keys[key].clone(),
                            grantee_principal: Some(users[user].clone()),
                            operations: vec!["Decrypt".to_owned(), "GenerateDataKey".to_owned()],
                            constraints: Some(api::GrantConstraints {
                                encryption_context_equals: [("file".to_owned(), n.to_string())]
                                    .into(),
                                ..Default::default()
                            }),
                            ..Default::default()
                        };
                        client.create_grant(request).await.unwrap();
                    }
                }));
        assert!(made.count() >= most);
        (self.keys, self.users, self.costly) = (keys, users, costly);
    }

    fn measure(&self, scale: &Scale) -> Vec<String> {
        let mut lines = vec![
            "| a page of | wall, median of five | core time of the evaluators |".to_owned(),
            "|---|---:|---:|".to_owned(),
        ];
        for kind in [Kind::WhoCan, Kind::WhatCan] {
            lines.push(self.page(kind, scale));
        }
        lines.push(String::new());
        lines.push("| four askers of | healthy p50 | healthy p99, median of the runs | p99 of each run | answered, refused | longest poll on a core | of the task spawned at | longest by the clock | term before, after |".to_owned());
        lines.push("|---|---:|---:|---:|---:|---:|---|---:|---:|".to_owned());
        let only = std::env::var("ONLY").unwrap_or_default();
        let chosen = |kind: &Kind| only.is_empty() || kind.name() == only;
        for kind in Kind::ALL.into_iter().filter(chosen) {
            lines.push(self.pressed(kind, scale));
        }
        lines
    }

    /// Pages, one by one, on a quiet node.
    fn page(&self, kind: Kind, scale: &Scale) -> String {
        let (mut walls, mut cores) = (Vec::new(), Vec::new());
        let channel = self.askers.block_on(connect(self.address())).swap_remove(0);
        for n in 0..5 {
            let asked = Asked::new(self, kind, scale);
            let (core, begin) = (evaluators_ran(), RealClock.boot());
            self.askers.block_on(asked.ask(&channel, n)).unwrap();
            walls.push(RealClock.boot().since(begin));
            cores.push(evaluators_ran() - core);
        }
        walls.sort_unstable();
        cores.sort_unstable();
        format!(
            "| {} | {} | {} |",
            kind.name(),
            millis(walls[2]),
            millis(cores[2])
        )
    }

    /// A healthy client at the leader, alone or beside askers of a kind.
    fn pressed(&self, kind: Kind, scale: &Scale) -> String {
        let seat = &self.seats[self.leader];
        let (term, polls) = (self.term(), seat.polls());
        seat.longest.forget();
        let (mut p50s, mut p99s) = (Vec::new(), Vec::new());
        let (answered, refused) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
        for _ in 0..scale.runs {
            let stop = Arc::new(AtomicBool::new(false));
            let channels = self.askers.block_on(connect(self.address()));
            let askers: Vec<_> = (0..if kind == Kind::Nobody { 0 } else { ASKERS })
                .map(|asker| {
                    let channel = channels[asker].clone();
                    let asked = Asked::new(self, kind, scale);
                    let (stop, answered, refused) =
                        (stop.clone(), answered.clone(), refused.clone());
                    self.askers.spawn(async move {
                        let mut n = asker;
                        // Once at the least, so that a tiny run asks, too.
                        loop {
                            match asked.ask(&channel, n).await {
                                Ok(()) => answered.fetch_add(1, Ordering::Relaxed),
                                Err(_) => refused.fetch_add(1, Ordering::Relaxed),
                            };
                            n += ASKERS;
                            if stop.load(Ordering::Relaxed) {
                                return;
                            }
                        }
                    })
                })
                .collect();
            let mut healthy = self.healthy(scale.window);
            stop.store(true, Ordering::Relaxed);
            for asker in askers {
                self.askers.block_on(asker).unwrap();
            }
            p50s.push(healthy.at(0.5));
            p99s.push(healthy.at(0.99));
        }
        p50s.sort_unstable();
        let each: Vec<String> = p99s.iter().map(|span| millis(*span)).collect();
        p99s.sort_unstable();
        let (longest, spawned_at) = seat.longest.told();
        format!(
            "| {} | {} | {} | {} | {}, {} | {} | `{}` | {} | {term}, {} |",
            kind.name(),
            millis(p50s[p50s.len() / 2]),
            millis(p99s[p99s.len() / 2]),
            each.join(", "),
            answered.load(Ordering::Relaxed),
            refused.load(Ordering::Relaxed),
            millis(longest),
            spawned_at,
            millis(seat.longest_poll(&polls)),
            self.term(),
        )
    }

    /// One client that asks one decision after the other.
    fn healthy(&self, window: Window) -> Load {
        let channel = self
            .runtime
            .block_on(connect(self.address()))
            .swap_remove(0);
        let question = api::Question {
            action: "kms:DescribeKey".to_owned(),
            key_id: Some(self.keys[0].clone()),
            ..Default::default()
        };
        let request = api::AuthorizeRequest {
            header: header(principal(ROOT), None),
            question: Some(question),
        };
        self.runtime.block_on(load(1, window, move |_| {
            let (mut client, request) =
                (AuthorizationClient::new(channel.clone()), request.clone());
            async move {
                let answer = client.authorize(request).await.unwrap().into_inner();
                assert_eq!(answer.decision.unwrap().outcome(), api::Outcome::Allow);
            }
        }))
    }

    fn stop(self) {
        for Seat { runtime, node, .. } in self.seats {
            runtime.block_on(node.shutdown());
        }
    }
}

/// What askers ask.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Nobody,
    WhoCan,
    WhatCan,
    Explain,
    WhatIf,
    Batch,
    Pairs,
    Duplicates,
    Listing,
    Put,
}

impl Kind {
    const ALL: [Self; 10] = [
        Self::Nobody,
        Self::WhoCan,
        Self::WhatCan,
        Self::Explain,
        Self::WhatIf,
        Self::Batch,
        Self::Pairs,
        Self::Duplicates,
        Self::Listing,
        Self::Put,
    ];

    const fn name(self) -> &'static str {
        match self {
            Self::Nobody => "nothing",
            Self::WhoCan => "who-can",
            Self::WhatCan => "what-can",
            Self::Explain => "explain",
            Self::WhatIf => "what-if",
            Self::Batch => "BatchAuthorize, costly patterns",
            Self::Pairs => "BatchAuthorize, many pairs",
            Self::Duplicates => "ListDuplicateGrants",
            Self::Listing => "ListGrants of nobody",
            Self::Put => "PutKeyPolicy of a costly policy",
        }
    }
}

/// A question of a kind, and of what it is.
struct Asked {
    kind: Kind,
    keys: Vec<String>,
    users: Vec<String>,
    costly: String,
    batch: usize,
}

impl Asked {
    fn new(world: &World, kind: Kind, scale: &Scale) -> Self {
        Self {
            kind,
            keys: world.keys.clone(),
            users: world.users.clone(),
            costly: world.costly.clone(),
            batch: scale.batch,
        }
    }

    async fn ask(&self, channel: &Channel, n: usize) -> Result<(), Status> {
        let mut client =
            AuthorizationClient::new(channel.clone()).max_decoding_message_size(ANSWER_BYTES_MAX);
        let header = header(principal(ROOT), None);
        let about = |of: usize| api::Question {
            subject: Some(api::Subject {
                kind: Some(api::subject::Kind::Principal(
                    self.users[of % self.users.len()].clone(),
                )),
            }),
            action: "kms:Decrypt".to_owned(),
            key_id: Some(self.costly.clone()),
            encryption_context: BTreeMap::from([("k".to_owned(), "a".repeat(VALUE_CHARS))]),
            ..Default::default()
        };
        let answered = match self.kind {
            Kind::Nobody => Ok(()),
            Kind::WhoCan => {
                let request = api::WhoCanRequest {
                    header,
                    key_id: self.keys[n % self.keys.len()].clone(),
                    ..Default::default()
                };
                client.who_can(request).await.map(drop)
            }
            Kind::WhatCan => {
                let request = api::WhatCanRequest {
                    header,
                    principal: self.users[n % self.users.len()].clone(),
                    ..Default::default()
                };
                client.what_can(request).await.map(drop)
            }
            Kind::Explain => {
                let request = api::ExplainRequest {
                    header,
                    question: Some(about(n)),
                };
                client.explain(request).await.map(drop)
            }
            Kind::WhatIf => {
                let disable = api::DisableKeyRequest {
                    key_id: self.keys[0].clone(),
                    ..Default::default()
                };
                let request = api::WhatIfRequest {
                    header,
                    changes: vec![api::ProposedChange {
                        change: Some(Change::DisableKey(disable)),
                    }],
                    // As many as one answer may be about.
                    questions: (0..self.batch.min(100)).map(about).collect(),
                };
                client.what_if(request).await.map(drop)
            }
            Kind::Batch => {
                let front = api::claim::Who::Front(api::Front {
                    name: "bench".to_owned(),
                    ..Default::default()
                });
                let request = api::BatchAuthorizeRequest {
                    header: self::header(front, None),
                    questions: (0..self.batch).map(about).collect(),
                };
                client.batch_authorize(request).await.map(drop)
            }
            Kind::Pairs => {
                let front = api::claim::Who::Front(api::Front {
                    name: "bench".to_owned(),
                    ..Default::default()
                });
                let pairs: BTreeMap<String, String> =
                    (0..PAIRS).map(|n| (n.to_string(), String::new())).collect();
                let question = |n| api::Question {
                    encryption_context: pairs.clone(),
                    ..about(n)
                };
                let request = api::BatchAuthorizeRequest {
                    header: self::header(front, None),
                    questions: (0..self.batch).map(question).collect(),
                };
                client.batch_authorize(request).await.map(drop)
            }
            Kind::Duplicates => {
                let request = api::ListDuplicateGrantsRequest {
                    header,
                    key_id: self.keys[n % self.keys.len()].clone(),
                    ..Default::default()
                };
                let mut client = GrantsClient::new(channel.clone());
                client.list_duplicate_grants(request).await.map(drop)
            }
            Kind::Listing => {
                let request = api::ListGrantsRequest {
                    header,
                    key_id: self.keys[n % self.keys.len()].clone(),
                    grantee_principal: Some(ROOT.to_owned()),
                    ..Default::default()
                };
                let mut client = KmsClient::new(channel.clone());
                client.list_grants(request).await.map(drop)
            }
            Kind::Put => {
                let request = api::PutKeyPolicyRequest {
                    header,
                    key_id: self.costly.clone(),
                    policy: costly_policy(),
                    ..Default::default()
                };
                let mut client = KmsClient::new(channel.clone());
                client.put_key_policy(request).await.map(drop)
            }
        };
        match answered {
            // What is legal is answered, or refused as too long or too much at a time; never anything else.
            Err(status)
                if !matches!(
                    status.code(),
                    Code::DeadlineExceeded | Code::ResourceExhausted | Code::Unavailable
                ) =>
            {
                panic!("{status:?}")
            }
            other => other,
        }
    }
}

/// A policy that is legal, and whose patterns almost match a long value.
fn costly_policy() -> String {
    let pattern = format!("\"*{}b\"", "a*".repeat(STARS));
    let patterns = vec![pattern; PATTERNS].join(",");
    format!(
        r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Principal":{{"AWS":"{ROOT}"}},"Action":"kms:*","Resource":"*"}},{{"Effect":"Deny","Principal":"*","Action":"kms:*","Resource":"*","Condition":{{"StringLike":{{"kms:EncryptionContext:k":[{patterns}]}}}}}}]}}"#
    )
}

/// How long the threads of long answers have run on a core.
fn evaluators_ran() -> Duration {
    let mut ran = Duration::ZERO;
    for task in std::fs::read_dir("/proc/self/task").into_iter().flatten() {
        let path = task.unwrap().path();
        let read = |name| std::fs::read_to_string(path.join(name)).unwrap_or_default();
        if read("comm").starts_with("evaluator-") {
            let nanos = read("schedstat");
            let nanos = nanos.split(' ').next().and_then(|nanos| nanos.parse().ok());
            ran += Duration::from_nanos(nanos.unwrap_or_default());
        }
    }
    ran
}

fn millis(span: Duration) -> String {
    format!("{:.2} ms", span.as_secs_f64() * 1e3)
}
