//! Real processes killed with SIGKILL under a stream of writes and decisions.
//!
//! What is held against the cluster is a history kept by the test alone: what was sent, what was acknowledged and when.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use grantd::client::{Client, ClientError, Options, Parts, api};
use grantd::env::real::RealClock;
use grantd::env::{BootTime, Clock};
use tokio::sync::Notify;

use super::support::process::{Process, free_ports, grantd, run};

const ACCOUNT: &str = "111122223333";
const ROOT: &str = "arn:aws:iam::111122223333:root";
const WORKER: &str = "arn:aws:iam::111122223333:user/Worker";
/// B of the cluster under test.
const BOUND: Duration = Duration::from_secs(1);
/// B(1+rho) with rho = 1 %.
const WINDOW: Duration = Duration::from_millis(1010);
/// Long enough for anything that must happen on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);
const WRITERS: usize = 4;
/// Rounds of: the leader, each node in turn, all at once.
const ROUNDS: usize = 2;
/// What every phase must bring before the next begins: writes acknowledged, decisions answered at each survivor.
const PROGRESS: usize = 15;

fn now() -> BootTime {
    RealClock.boot()
}

fn principal(arn: &str) -> api::Subject {
    api::Subject {
        kind: Some(api::subject::Kind::Principal(arn.to_owned())),
    }
}

fn root() -> api::Claim {
    api::Claim {
        who: Some(api::claim::Who::Principal(principal(ROOT))),
    }
}

fn operator() -> api::Claim {
    api::Claim {
        who: Some(api::claim::Who::Operator(api::Operator {})),
    }
}

fn front() -> api::Claim {
    api::Claim {
        who: Some(api::claim::Who::Front(api::Front {
            name: "kills".to_owned(),
            ..api::Front::default()
        })),
    }
}

fn options(claim: api::Claim, deadline: Duration) -> Options {
    Options {
        claim,
        region: "us-west-2".to_owned(),
        partition: None,
        demand: None,
        deadline,
        idempotency_key: None,
    }
}

fn client(endpoints: &[String], options: Options) -> Client {
    Client::new(endpoints.iter().map(String::as_str), options, Parts::real()).unwrap()
}

/// The context that marks one grant: a second grant with the same mark would be a write done twice.
fn mark<M: FromIterator<(String, String)>>(n: usize) -> M {
    std::iter::once(("n".to_owned(), n.to_string())).collect()
}

/// What became of one grant, as far as the test was told.
#[derive(Clone, Default, Debug)]
struct Fate {
    create_told: Option<Told>,
    created: Option<(String, BootTime)>,
    revoke_told: Option<Told>,
    revoke_sent: Option<BootTime>,
    revoked: Option<BootTime>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Told {
    Done,
    Unknown,
    /// Said to be without effect.
    Nothing,
}

/// Everything that was sent, by the number in its mark.
#[derive(Default)]
struct History {
    fates: Mutex<BTreeMap<usize, Fate>>,
    acknowledged: AtomicUsize,
    unknown: AtomicUsize,
    /// Told of every acknowledged write and every answered decision.
    moved: Notify,
}

impl History {
    fn with<T>(&self, n: usize, change: impl FnOnce(&mut Fate) -> T) -> T {
        change(self.fates.lock().unwrap().entry(n).or_default())
    }

    fn told(&self, told: Told) -> Told {
        match told {
            Told::Done => {
                self.acknowledged.fetch_add(1, Ordering::Relaxed);
                self.moved.notify_waiters();
            }
            Told::Unknown => {
                self.unknown.fetch_add(1, Ordering::Relaxed);
            }
            Told::Nothing => {}
        }
        told
    }
}

fn told_of(error: &ClientError) -> Told {
    match error {
        ClientError::Unknown(_) => Told::Unknown,
        ClientError::Refused(_) | ClientError::Unreachable { .. } => Told::Nothing,
        ClientError::Setup(what) => panic!("{what}"),
    }
}

/// Creates grants with marks of its own, and revokes every third of those it was told of.
async fn write(
    client: Client,
    key: String,
    first: usize,
    history: Arc<History>,
    stop: Arc<AtomicBool>,
) {
    let mut n = first;
    while !stop.load(Ordering::Relaxed) {
        history.with(n, |_| ());
        let made = client
            .call(api::CreateGrantRequest {
                key_id: key.clone(),
                grantee_principal: Some(WORKER.to_owned()),
                operations: vec!["Decrypt".to_owned()],
                constraints: Some(api::GrantConstraints {
                    encryption_context_equals: mark(n),
                    ..api::GrantConstraints::default()
                }),
                ..api::CreateGrantRequest::default()
            })
            .await;
        match made {
            Ok(reply) => {
                let id = reply.answer.grant_id;
                let told = history.told(Told::Done);
                history.with(n, |fate| {
                    fate.create_told = Some(told);
                    fate.created = Some((id.clone(), now()));
                });
                if (n / WRITERS).is_multiple_of(3) {
                    history.with(n, |fate| fate.revoke_sent = Some(now()));
                    let gone = client
                        .call(api::RevokeGrantRequest {
                            key_id: key.clone(),
                            grant_id: id,
                            ..api::RevokeGrantRequest::default()
                        })
                        .await;
                    let told = history.told(gone.as_ref().map_or_else(told_of, |_| Told::Done));
                    history.with(n, |fate| {
                        fate.revoke_told = Some(told);
                        fate.revoked = (told == Told::Done).then(now);
                    });
                }
            }
            Err(error) => {
                let told = history.told(told_of(&error));
                history.with(n, |fate| fate.create_told = Some(told));
            }
        }
        n += WRITERS;
    }
}

/// What one node said to questions, since it was last looked at.
#[derive(Default)]
struct Answers {
    allowed: AtomicUsize,
    denied: AtomicUsize,
    refused: AtomicUsize,
}

impl Answers {
    fn answered(&self) -> usize {
        self.allowed.load(Ordering::Relaxed) + self.denied.load(Ordering::Relaxed)
    }
}

/// Asks one node about grants of which the test was told, and holds the answers against the history.
async fn ask(
    endpoint: String,
    key: String,
    history: Arc<History>,
    answers: Arc<Answers>,
    stop: Arc<AtomicBool>,
    faults: Arc<Mutex<Vec<String>>>,
) {
    let demand = api::Demand {
        consistency: Some(api::demand::Consistency::Bounded(api::Bounded::default())),
        wait_ms: Some(0),
    };
    let client = client(
        std::slice::from_ref(&endpoint),
        Options {
            demand: Some(demand),
            ..options(front(), Duration::from_millis(500))
        },
    );
    let mut revision = 0;
    let mut turn = 0;
    while !stop.load(Ordering::Relaxed) {
        turn += 1;
        // The newest and, in turn, older ones: what was just written is where a lost write would show.
        let picked = {
            let fates = history.fates.lock().unwrap();
            let told: Vec<_> = fates
                .iter()
                .filter(|(_, fate)| fate.created.is_some())
                .collect();
            let at = match turn % 3 {
                0 => told.len().wrapping_sub(1),
                1 => told.len().wrapping_sub(1 + turn % 20),
                _ => turn.wrapping_mul(7919) % told.len().max(1),
            };
            told.get(at).map(|(n, _)| **n)
        };
        let Some(n) = picked else {
            tokio::task::yield_now().await;
            continue;
        };
        let began = now();
        let before = history.with(n, |fate| fate.clone());
        let reply = client
            .call(api::AuthorizeRequest {
                question: Some(api::Question {
                    subject: Some(principal(WORKER)),
                    action: "kms:Decrypt".to_owned(),
                    key_id: Some(key.clone()),
                    encryption_context: mark(n),
                    ..api::Question::default()
                }),
                ..api::AuthorizeRequest::default()
            })
            .await;
        let Ok(reply) = reply else {
            answers.refused.fetch_add(1, Ordering::Relaxed);
            continue;
        };
        let header = reply.answer.header.unwrap_or_default();
        let allowed = match reply.answer.decision.unwrap_or_default().outcome() {
            api::Outcome::Allow => true,
            api::Outcome::ImplicitDeny | api::Outcome::ExplicitDeny => false,
            api::Outcome::Unspecified => panic!("a decision without an outcome"),
        };
        let count = if allowed {
            &answers.allowed
        } else {
            &answers.denied
        };
        count.fetch_add(1, Ordering::Relaxed);
        history.moved.notify_waiters();
        let after = history.with(n, |fate| fate.clone());
        let fault = |what: &str| {
            faults.lock().unwrap().push(format!(
                "{endpoint}: grant {n}: {what}: began {began:?}, revision {}, before {before:?}, after {after:?}",
                header.revision
            ));
        };
        //
        if header.revision < revision {
            fault(&format!("went back from revision {revision}"));
        }
        revision = header.revision;
        //
        if header
            .staleness_ms
            .is_none_or(|ms| Duration::from_millis(ms) > BOUND)
        {
            fault("answered from state older than the bound");
        }
        //
        if allowed && before.revoked.is_some_and(|at| began.since(at) > WINDOW) {
            fault(
                "allowed by a grant whose revocation was acknowledged longer ago than the window",
            );
        }
        // what was acknowledged before the bound is in every answer.
        let old = before
            .created
            .as_ref()
            .is_some_and(|(_, at)| began.since(*at) > WINDOW);
        if !allowed && old && after.revoke_sent.is_none() {
            fault("denied though the grant was acknowledged longer ago than the window");
        }
    }
}

/// Three processes and what is known of them.
struct Cluster {
    folder: tempfile::TempDir,
    endpoints: Vec<String>,
    nodes: Vec<Option<Process>>,
    starts: usize,
}

impl Cluster {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let key = folder.path().join("seal.key");
        let made = grantd(["cluster", "keygen", key.to_str().unwrap()])
            .output()
            .unwrap();
        assert!(made.status.success(), "{made:?}");
        let endpoints: Vec<String> = free_ports(3)
            .into_iter()
            .map(|port| format!("127.0.0.1:{port}"))
            .collect();
        for (at, endpoint) in endpoints.iter().enumerate() {
            let data = folder.path().join(format!("data-{}", at + 1));
            std::fs::write(
                folder.path().join(format!("node-{}.toml", at + 1)),
                format!("node_id = {}\nlisten = \"{endpoint}\"\ndata_dir = {data:?}\nseal_key_file = {key:?}\n", at + 1),
            )
            .unwrap();
        }
        let mut cluster = Self {
            folder,
            endpoints,
            nodes: vec![None, None, None],
            starts: 0,
        };
        (0..3).for_each(|at| cluster.start_node(at));
        run(&cluster.endpoints[0], ["cluster", "init", "--bound", "1s"]);
        for at in 1..3 {
            let via = cluster.endpoints[0].clone();
            run(
                &cluster.endpoints[at],
                ["cluster", "join", "--via", &via, "--deadline", "30s"],
            );
        }
        cluster
    }

    fn start_node(&mut self, at: usize) {
        self.starts += 1;
        let config = self.folder.path().join(format!("node-{}.toml", at + 1));
        let name = format!("node-{}-start-{}", at + 1, self.starts);
        self.nodes[at] = Some(Process::start(
            self.folder.path(),
            &name,
            &["serve", "--config", config.to_str().unwrap()],
        ));
    }

    fn kill(&mut self, at: usize) {
        if let Some(node) = self.nodes[at].take() {
            // SIGKILL, and reaped.
            node.kill();
        }
    }

    /// Which node leads, as the nodes that run say; waits until they say so.
    async fn leader(&self) -> usize {
        let began = now();
        loop {
            for (at, endpoint) in self.endpoints.iter().enumerate() {
                if self.nodes[at].is_none() {
                    continue;
                }
                let asked = client(
                    std::slice::from_ref(endpoint),
                    options(operator(), Duration::from_secs(2)),
                );
                if let Ok(reply) = asked.call(api::StatusRequest::default()).await
                    && reply.answer.role == "leader"
                {
                    return at;
                }
            }
            assert!(
                now().since(began) < PATIENCE,
                "no node leads: {}",
                self.tails()
            );
            tokio::task::yield_now().await;
        }
    }

    fn tails(&self) -> String {
        self.nodes
            .iter()
            .flatten()
            .map(|node| {
                let errors = node.errors();
                let lines: Vec<&str> = errors.lines().rev().take(15).collect();
                lines.into_iter().rev().collect::<Vec<_>>().join("\n")
            })
            .collect::<Vec<_>>()
            .join("\n--\n")
    }
}

struct Watch {
    history: Arc<History>,
    answers: Vec<Arc<Answers>>,
}

impl Watch {
    /// Waits until writes are acknowledged and every one of `nodes` has answered decisions, counted from now on.
    async fn progress(&self, what: &str, cluster: &Cluster, nodes: &[usize]) {
        let acknowledged = self.history.acknowledged.load(Ordering::Relaxed);
        let answered: Vec<_> = self.answers.iter().map(|a| a.answered()).collect();
        let enough = || {
            self.history.acknowledged.load(Ordering::Relaxed) >= acknowledged + PROGRESS
                && nodes
                    .iter()
                    .all(|at| self.answers[*at].answered() >= answered[*at] + PROGRESS)
        };
        let reached = async {
            loop {
                // Listened for before the look, so that nothing is missed in between.
                let moved = self.history.moved.notified();
                if enough() {
                    return;
                }
                moved.await;
            }
        };
        assert!(
            tokio::time::timeout(PATIENCE, reached).await.is_ok(),
            "{what}: not within {PATIENCE:?}\n{}",
            cluster.tails()
        );
    }
}

/// All grants of the key as one node lists them, by mark, linearizable.
async fn listed(endpoint: &String, key: &str) -> BTreeMap<usize, Vec<String>> {
    let demand = api::Demand {
        consistency: Some(api::demand::Consistency::Linearizable(api::Linearizable {})),
        wait_ms: None,
    };
    let client = client(
        std::slice::from_ref(endpoint),
        Options {
            demand: Some(demand),
            ..options(root(), PATIENCE)
        },
    );
    let mut found: BTreeMap<usize, Vec<String>> = BTreeMap::new();
    let mut marker = None;
    loop {
        let page = client
            .call(api::ListGrantsRequest {
                key_id: key.to_owned(),
                page: Some(api::Page {
                    limit: Some(100),
                    marker: marker.take(),
                }),
                ..api::ListGrantsRequest::default()
            })
            .await
            .unwrap()
            .answer;
        for grant in page.grants {
            let marks = grant
                .constraints
                .unwrap_or_default()
                .encryption_context_equals;
            found
                .entry(marks["n"].parse().unwrap())
                .or_default()
                .push(grant.grant_id);
        }
        match page.next_marker {
            Some(next) => marker = Some(next),
            None => return found,
        }
    }
}

/// the leader is killed, each node in turn, and all at once, twice over, under writes and decisions.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_processes_lose_no_acknowledged_write_and_survivors_go_on_deciding() {
    let mut cluster = Cluster::start();
    let all = cluster.endpoints.clone();
    client(&all, options(operator(), PATIENCE))
        .call(api::CreateAccountRequest {
            account_id: ACCOUNT.to_owned(),
            ..api::CreateAccountRequest::default()
        })
        .await
        .unwrap();
    let setup = client(&all, options(root(), PATIENCE));
    setup
        .call(api::CreatePrincipalRequest {
            arn: WORKER.to_owned(),
            ..api::CreatePrincipalRequest::default()
        })
        .await
        .unwrap();
    let made = setup.call(api::CreateKeyRequest::default()).await.unwrap();
    let key = made.answer.key_metadata.unwrap().arn;

    let history = Arc::new(History::default());
    let stop = Arc::new(AtomicBool::new(false));
    let faults = Arc::new(Mutex::new(Vec::new()));
    let mut tasks = Vec::new();
    for writer in 0..WRITERS {
        let mut order = all.clone();
        order.rotate_left(writer % all.len());
        let client = client(&order, options(root(), Duration::from_secs(5)));
        tasks.push(tokio::spawn(write(
            client,
            key.clone(),
            writer,
            history.clone(),
            stop.clone(),
        )));
    }
    let answers: Vec<_> = all.iter().map(|_| Arc::new(Answers::default())).collect();
    for (endpoint, answers) in all.iter().zip(&answers) {
        let asking = ask(
            endpoint.clone(),
            key.clone(),
            history.clone(),
            answers.clone(),
            stop.clone(),
            faults.clone(),
        );
        tasks.push(tokio::spawn(asking));
    }
    let watch = Watch {
        history: history.clone(),
        answers: answers.clone(),
    };
    watch
        .progress("the healthy cluster", &cluster, &[0, 1, 2])
        .await;

    let mut kills = 0;
    for round in 0..ROUNDS {
        let leader = cluster.leader().await;
        for victim in [leader, 0, 1, 2] {
            cluster.kill(victim);
            kills += 1;
            let survivors: Vec<usize> = (0..3).filter(|at| *at != victim).collect();
            let what = format!("round {round}: the survivors of node {}", victim + 1);
            watch.progress(&what, &cluster, &survivors).await;
            cluster.start_node(victim);
            let what = format!("round {round}: all, node {} again among them", victim + 1);
            watch.progress(&what, &cluster, &[0, 1, 2]).await;
        }
        (0..3).for_each(|at| cluster.kill(at));
        kills += 3;
        (0..3).for_each(|at| cluster.start_node(at));
        let what = format!("round {round}: all, after all were killed");
        watch.progress(&what, &cluster, &[0, 1, 2]).await;
    }
    stop.store(true, Ordering::Relaxed);
    for task in tasks {
        task.await.unwrap();
    }

    let faults = std::mem::take(&mut *faults.lock().unwrap());
    assert!(
        faults.is_empty(),
        "{} faults, the first: {}",
        faults.len(),
        faults[0]
    );
    let fates = history.fates.lock().unwrap().clone();
    for endpoint in &all {
        let found = listed(endpoint, &key).await;
        let sent: BTreeSet<usize> = fates.keys().copied().collect();
        for (n, ids) in &found {
            assert!(sent.contains(n), "{endpoint}: grant {n} was never sent");
            assert_eq!(
                ids.len(),
                1,
                "{endpoint}: grant {n} was made more than once: {ids:?}"
            );
        }
        for (n, fate) in &fates {
            let there = found.get(n).map(|ids| &ids[0]);
            let acknowledged = fate.created.as_ref().map(|(id, _)| id);
            match (fate.create_told, fate.revoke_told) {
                (Some(Told::Done), None | Some(Told::Nothing)) => {
                    assert_eq!(
                        there, acknowledged,
                        "{endpoint}: grant {n} was acknowledged: {fate:?}"
                    );
                }
                (Some(Told::Done), Some(Told::Done)) => {
                    assert_eq!(
                        there, None,
                        "{endpoint}: the revocation of grant {n} was acknowledged: {fate:?}"
                    );
                }
                (Some(Told::Nothing), _) => {
                    assert_eq!(
                        there, None,
                        "{endpoint}: grant {n} was said to be without effect: {fate:?}"
                    );
                }
                (Some(Told::Done), Some(Told::Unknown)) | (Some(Told::Unknown) | None, _) => {}
            }
        }
    }
    let count = |of: fn(&Answers) -> &AtomicUsize| -> Vec<usize> {
        answers
            .iter()
            .map(|a| of(a).load(Ordering::Relaxed))
            .collect()
    };
    let (allowed, denied, refused) = (
        count(|a| &a.allowed),
        count(|a| &a.denied),
        count(|a| &a.refused),
    );
    println!(
        "{kills} kills; {} grants sent, {} writes acknowledged, {} unknown; by node: {allowed:?} allowed, {denied:?} denied, {refused:?} refused or unreachable",
        fates.len(),
        history.acknowledged.load(Ordering::Relaxed),
        history.unknown.load(Ordering::Relaxed),
    );
    for at in 0..3 {
        assert!(
            allowed[at] > 0 && denied[at] > 0,
            "node {} decided nothing worth the name",
            at + 1
        );
    }
}
