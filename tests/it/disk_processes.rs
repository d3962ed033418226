//! The same with processes as people run them: a node whose disk cannot take a snapshot, one whose state is another, and a
//! leader that is asked to stop.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use futures::stream::{self, StreamExt};
use grantd::client::{Client, Options, Parts, api};
use grantd::domain::limits::{LOG_KEPT_ENTRIES, SNAPSHOT_EVERY_ENTRIES};

use crate::fingerprints::tamper;
use crate::support::cluster::polled;
use crate::support::process::{Process, free_ports, grantd, run};

struct Nodes {
    folder: tempfile::TempDir,
    endpoints: Vec<String>,
    processes: Vec<Option<Process>>,
}

impl Nodes {
    /// So many processes, of which the first is a cluster of one.
    fn start(count: usize) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let key = folder.path().join("seal.key");
        let made = grantd(["cluster", "keygen", key.to_str().unwrap()]).output();
        assert!(made.unwrap().status.success());
        let ports = free_ports(count);
        let mut nodes = Self {
            endpoints: ports
                .iter()
                .map(|port| format!("127.0.0.1:{port}"))
                .collect(),
            processes: (0..count).map(|_| None).collect(),
            folder,
        };
        for at in 0..count {
            let data = nodes.data(at);
            let config = format!(
                "node_id = {}\nlisten = \"{}\"\ndata_dir = {data:?}\nseal_key_file = {key:?}\n",
                at + 1,
                nodes.endpoints[at]
            );
            fs::write(nodes.config(at), config).unwrap();
            nodes.start_one(at);
        }
        run(&nodes.endpoints[0], ["cluster", "init"]);
        nodes
    }

    fn data(&self, at: usize) -> PathBuf {
        self.folder.path().join(format!("data-{}", at + 1))
    }

    fn config(&self, at: usize) -> PathBuf {
        self.folder.path().join(format!("node-{}.toml", at + 1))
    }

    fn start_one(&mut self, at: usize) {
        let config = self.config(at);
        let args = ["serve", "--config", config.to_str().unwrap()];
        let name = format!("node-{}", at + 1);
        self.processes[at] = Some(Process::start(self.folder.path(), &name, &args));
    }

    fn join(&self, at: usize) {
        let via = self.endpoints[0].clone();
        let join = ["cluster", "join", "--via", &via, "--deadline", "50s"];
        run(&self.endpoints[at], join);
    }

    fn errors(&self, at: usize) -> String {
        self.processes[at].as_ref().unwrap().errors()
    }

    fn stop(&mut self, at: usize) -> String {
        let (status, errors) = self.processes[at].take().unwrap().stop("-TERM");
        assert_eq!(status.code(), Some(0), "{errors}");
        errors
    }

    fn client(&self, at: usize) -> Client {
        let options = Options {
            claim: api::Claim {
                who: Some(api::claim::Who::Operator(api::Operator {})),
            },
            region: "us-west-2".to_owned(),
            partition: None,
            demand: None,
            deadline: Duration::from_secs(30),
            idempotency_key: None,
        };
        Client::new([self.endpoints[at].as_str()], options, Parts::real()).unwrap()
    }

    async fn status(&self, at: usize) -> api::StatusResponse {
        let asked = self.client(at).call(api::StatusRequest::default()).await;
        asked.unwrap().answer
    }

    /// Makes accounts `from` to `to` at a node, many at a time.
    async fn write(&self, at: usize, from: u64, to: u64) {
        let client = self.client(at);
        let make = |number: u64| {
            let account = api::CreateAccountRequest {
                account_id: format!("{number:012}"),
                ..Default::default()
            };
            let client = client.clone();
            async move {
                client.call(account).await.unwrap();
            }
        };
        // The first tells the client a position, which its idempotency keys need.
        make(from).await;
        stream::iter(from + 1..=to)
            .for_each_concurrent(64, make)
            .await;
    }
}

fn is_told(errors: &str, texts: &[&str]) -> Option<()> {
    let told = |line: &str| texts.iter().all(|text| line.contains(text));
    errors.lines().any(told).then_some(())
}

/// Whether a line of the log says so, as soon as it does.
async fn until_told(nodes: &Nodes, at: usize, texts: &[&str]) {
    let what = format!("node {} says {texts:?}", at + 1);
    polled(&what, || is_told(&nodes.errors(at), texts)).await;
}

fn replace_by_a_file(folder: &Path) {
    fs::remove_dir_all(folder).unwrap();
    fs::write(folder, "not a folder").unwrap();
}

/// A node that joins and cannot write the snapshot that it needs: both sides say so in their logs, the others go on, and it
/// joins once it can, without a restart. Then its snapshot is exchanged for another state's with every checksum right: it
/// stops with both fingerprints, and the others go on. (H-4, F11)
#[tokio::test(flavor = "multi_thread")]
async fn snapshot_that_cannot_be_written_and_state_that_is_another_are_told_by_processes() {
    let mut nodes = Nodes::start(3);
    nodes.join(1);
    let written = SNAPSHOT_EVERY_ENTRIES + LOG_KEPT_ENTRIES + 500;
    nodes.write(0, 1, written).await;
    until_told(&nodes, 0, &["snapshot taken"]).await;
    let snapshots = nodes.data(2).join("snapshots");
    replace_by_a_file(&snapshots);
    let joined = tokio::task::spawn_blocking({
        let (via, new) = (nodes.endpoints[0].clone(), nodes.endpoints[2].clone());
        move || {
            run(
                &new,
                ["cluster", "join", "--via", &via, "--deadline", "50s"],
            );
        }
    });
    until_told(&nodes, 2, &["WARN", "cannot be taken in"]).await;
    until_told(&nodes, 0, &["WARN", "node 3 cannot be sent a snapshot"]).await;
    nodes.write(1, written + 1, written + 20).await;
    fs::remove_file(&snapshots).unwrap();
    fs::create_dir(&snapshots).unwrap();
    joined.await.unwrap();
    until_told(&nodes, 2, &["snapshot installed"]).await;
    let status = nodes.status(2).await;
    assert!(status.faults.is_empty(), "{status:?}");
    assert!(status.snapshots.unwrap().revision.is_some());

    nodes.stop(2);
    tamper(&nodes.data(2)).await;
    nodes.start_one(2);
    nodes.write(0, written + 21, written + 40).await;
    let what = "the node with another state stops";
    polled(what, || {
        is_told(&nodes.errors(2), &["error", "is not that of the others"])
    })
    .await;
    nodes.write(0, written + 41, written + 60).await;
    for at in [0, 1] {
        nodes.stop(at);
    }
}

/// SIGTERM at the leader: it says to whom it has given the lead, ends well, and the others write on at once.
#[tokio::test(flavor = "multi_thread")]
async fn process_that_leads_hands_the_lead_over_when_it_is_asked_to_stop() {
    let mut nodes = Nodes::start(3);
    nodes.join(1);
    nodes.join(2);
    nodes.write(1, 1, 50).await;
    let mut leader = None;
    for at in 0..3 {
        if nodes.status(at).await.role == "leader" {
            leader = Some(at);
        }
    }
    let leader = leader.expect("one leads");
    let errors = nodes.stop(leader);
    assert!(
        is_told(&errors, &["the lead is handed over"]).is_some(),
        "{errors}"
    );
    let survivors = (0..3).filter(|at| *at != leader);
    for (n, at) in survivors.enumerate() {
        let from = 100 * (n as u64 + 1);
        nodes.write(at, from, from + 5).await;
    }
}

/// A damaged log is told in the words of this program: the engine panics inside, and nobody needs to see that.
#[tokio::test(flavor = "multi_thread")]
async fn damaged_log_is_told_without_the_inside_of_the_engine() {
    let mut nodes = Nodes::start(1);
    nodes.write(0, 1, 50).await;
    nodes.stop(0);
    let db = nodes.data(0).join("log/db");
    let good = fs::read(&db).unwrap();
    let used = good.iter().rposition(|byte| *byte != 0).unwrap();
    let mut random = crate::storage_common::SplitMix(11);
    for round in 0..4 {
        let mut bytes = good.clone();
        for part in 0..64 {
            let at = used * part / 64 + random.below((used / 64).max(1) as u64) as usize;
            bytes[at] ^= 1 << random.below(8);
        }
        if round == 3 {
            bytes.truncate(used / 2);
        }
        fs::write(&db, bytes).unwrap();
        let config = nodes.config(0);
        let told = nodes.folder.path().join("told");
        let mut serve = grantd(["serve", "--config", config.to_str().unwrap()])
            .env("RUST_BACKTRACE", "1")
            .stdout(std::process::Stdio::null())
            .stderr(fs::File::create(&told).unwrap())
            .spawn()
            .unwrap();
        let status = polled("it does not start", || serve.try_wait().unwrap()).await;
        let errors = fs::read_to_string(&told).unwrap();
        assert!(!status.success(), "{errors}");
        assert!(errors.contains("grantd cluster join"), "{errors}");
        for inside in ["panicked", "Uninitialized", "stack backtrace"] {
            assert!(!errors.contains(inside), "{inside}: {errors}");
        }
    }
}
