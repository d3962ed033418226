//! Real processes of one cluster, each with a folder and an address of its own, as an operator runs them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Output, Stdio};
use std::time::Duration;

use grantd::client::api::{StatusRequest, StatusResponse};
use grantd::env::Clock;
use grantd::env::real::RealClock;

use super::api::Api;
use super::cluster::PATIENCE;
use super::cluster::polled;
use super::process::{Process, free_ports, grantd, run, text};

/// One node, running or not.
pub struct Place {
    pub id: u64,
    pub endpoint: String,
    process: Option<Process>,
}

/// The processes of one cluster.
pub struct Nodes {
    folder: tempfile::TempDir,
    places: Vec<Place>,
    starts: usize,
}

impl Nodes {
    /// A cluster of nodes 1 to `count`.
    pub fn start(count: u64) -> Self {
        Self::start_with(count, &[])
    }

    /// The same, initialized with more flags.
    pub fn start_with(count: u64, more: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut nodes = Self {
            folder,
            places: Vec::new(),
            starts: 0,
        };
        let key = nodes.key();
        run_alone(&["cluster", "keygen", key.to_str().unwrap()]);
        for id in 1..=count {
            nodes.add(id);
            if id == 1 {
                let init = ["cluster", "init", "--bound", "1s"];
                run(nodes.at(1), init.into_iter().chain(more.iter().copied()));
            } else {
                nodes.join(id, 1);
            }
        }
        nodes
    }

    fn key(&self) -> PathBuf {
        self.folder.path().join("seal.key")
    }

    /// A folder that a node has for its own.
    pub fn data(&self, id: u64) -> PathBuf {
        self.folder.path().join(format!("data-{id}"))
    }

    /// Starts a new node under `id`, which belongs to no cluster.
    pub fn add(&mut self, id: u64) {
        let endpoint = format!("127.0.0.1:{}", free_ports(1)[0]);
        self.places.push(Place {
            id,
            endpoint,
            process: None,
        });
        self.up(id, &[]);
    }

    /// Gives a node that is down another address.
    pub fn moves(&mut self, id: u64) {
        self.place(id).endpoint = format!("127.0.0.1:{}", free_ports(1)[0]);
    }

    fn place(&mut self, id: u64) -> &mut Place {
        let place = self.places.iter_mut().find(|place| place.id == id);
        place.unwrap()
    }

    /// Where a node listens.
    pub fn at(&self, id: u64) -> &str {
        let place = self.places.iter().find(|place| place.id == id);
        &place.unwrap().endpoint
    }

    /// Starts a node on its folder, with more flags if given.
    pub fn up(&mut self, id: u64, more: &[&str]) {
        let process = self.launch(id, more, Process::start);
        self.place(id).process = Some(process);
    }

    /// The same of a node that stops by itself, maybe before it serves; it is nobody's.
    pub fn up_to_stop(&mut self, id: u64) -> Process {
        self.launch(id, &[], Process::begin)
    }

    fn launch(
        &mut self,
        id: u64,
        more: &[&str],
        start: impl Fn(&Path, &str, &[&str]) -> Process,
    ) -> Process {
        self.starts += 1;
        let name = format!("node-{id}-start-{}", self.starts);
        let (key, data) = (self.key(), self.data(id));
        let listen = self.at(id).to_owned();
        let number = id.to_string();
        let args = [
            "serve",
            "--node-id",
            &number,
            "--listen",
            &listen,
            "--data-dir",
            data.to_str().unwrap(),
            "--seal-key-file",
            key.to_str().unwrap(),
            "--log-level",
            "info",
        ];
        let args: Vec<&str> = args.into_iter().chain(more.iter().copied()).collect();
        start(self.folder.path(), &name, &args)
    }

    /// SIGKILL.
    pub fn kill(&mut self, id: u64) {
        if let Some(process) = self.place(id).process.take() {
            process.kill();
        }
    }

    /// Sends a node that runs a signal, as `-STOP`.
    pub fn signal(&mut self, id: u64, signal: &str) {
        self.place(id).process.as_ref().unwrap().signal(signal);
    }

    /// Returns once one line of a node's log since its last start holds all of `texts`.
    pub async fn tells(&self, id: u64, texts: &[&str]) {
        let what = format!("node {id} says {texts:?}");
        polled(&what, || told(&self.errors(id), texts)).await;
    }

    /// What a node has written to its standard error since its last start.
    pub fn errors(&self, id: u64) -> String {
        let place = self.places.iter().find(|place| place.id == id);
        place.unwrap().process.as_ref().unwrap().errors()
    }

    /// Puts a copy of the folder of a node that is down into the place of its folder.
    pub fn put_back(&self, id: u64, copy: &Path) {
        let data = self.data(id);
        fs::remove_dir_all(&data).unwrap();
        copy_folder(copy, &data);
    }

    /// A copy of the folder of a node that is down.
    pub fn copy(&self, id: u64) -> PathBuf {
        let copy = self.folder.path().join(format!("copy-{id}"));
        if copy.exists() {
            fs::remove_dir_all(&copy).unwrap();
        }
        copy_folder(&self.data(id), &copy);
        copy
    }

    /// Empties the folder of a node that is down.
    pub fn wipe(&self, id: u64) {
        fs::remove_dir_all(self.data(id)).unwrap();
    }

    /// A command about node `id`, run to its end.
    pub fn ask(&self, id: u64, args: &[&str]) -> Output {
        grantd(args.iter().copied())
            .args(["--endpoint", self.at(id)])
            .output()
            .unwrap()
    }

    /// The same, begun.
    pub fn begin(&self, id: u64, args: &[&str]) -> Child {
        grantd(args.iter().copied())
            .args(["--endpoint", self.at(id)])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap()
    }

    /// Makes a node a member through another.
    #[track_caller]
    pub fn join(&self, id: u64, via: u64) {
        let via = self.at(via);
        run(
            self.at(id),
            ["cluster", "join", "--via", via, "--deadline", "30s"],
        );
    }

    /// The same, where it must be refused with a sentence.
    #[track_caller]
    pub fn cannot_join(&self, id: u64, via: u64, says: &str) {
        let via = self.at(via).to_owned();
        let args = ["cluster", "join", "--via", &via, "--deadline", "20s"];
        refused(&self.ask(id, &args), says);
    }

    /// What a node says of itself; `None`: it does not answer.
    pub async fn status(&self, id: u64) -> Option<StatusResponse> {
        let api = Api::at(self.at(id));
        let asked = api.try_call(StatusRequest { header: None });
        tokio::time::timeout(Duration::from_secs(5), asked)
            .await
            .ok()?
    }

    /// What a node says of itself, as soon as `fits` takes it.
    pub async fn until(
        &self,
        id: u64,
        what: &str,
        fits: impl Fn(&StatusResponse) -> bool,
    ) -> StatusResponse {
        let began = RealClock.boot();
        let mut last = None;
        loop {
            if let Some(status) = self.status(id).await {
                if fits(&status) {
                    return status;
                }
                last = Some(status);
            }
            assert!(
                RealClock.boot().since(began) < PATIENCE,
                "node {id}: waited in vain: {what}: {last:?}"
            );
            RealClock.sleep(Duration::from_millis(10)).await;
        }
    }

    /// The node of `among` that leads, as soon as one does.
    pub async fn leader(&self, among: &[u64]) -> u64 {
        let began = RealClock.boot();
        loop {
            for id in among {
                if self.status(*id).await.is_some_and(|s| s.role == "leader") {
                    return *id;
                }
            }
            assert!(RealClock.boot().since(began) < PATIENCE, "no node leads");
            RealClock.sleep(Duration::from_millis(10)).await;
        }
    }
}

fn told(log: &str, texts: &[&str]) -> Option<()> {
    let says = |line: &str| texts.iter().all(|text| line.contains(text));
    log.lines().any(says).then_some(())
}

/// Whether a node says that exactly `ids` vote, and that nothing is about to change.
pub fn voters_are(status: &StatusResponse, ids: &[u64]) -> bool {
    let voters = status.members.iter().filter(|member| member.voter);
    let voters: Vec<u64> = voters.map(|member| member.node_id).collect();
    status.changing.is_none() && voters == ids
}

/// A command that must fail, and say why.
#[track_caller]
pub fn refused(output: &Output, says: &str) {
    let said = format!("{}{}", text(&output.stdout), text(&output.stderr));
    assert_ne!(output.status.code(), Some(0), "it was done: {said}");
    // Long sentences are wrapped for the terminal.
    let said = said.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(said.contains(says), "`{says}` is missing in: {said}");
}

fn run_alone(args: &[&str]) {
    let output = grantd(args.iter().copied()).output().unwrap();
    assert!(output.status.success(), "{output:?}");
}

fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_folder(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}
