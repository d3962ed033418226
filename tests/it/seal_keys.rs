//! A node with another seal key than its cluster: it neither joins nor runs, and says why. Real processes.

use std::fs;
use std::path::Path;
use std::time::Duration;

use grantd::env::Clock;
use grantd::env::real::RealClock;

use crate::support::cluster::PATIENCE;
use crate::support::process::{Process, free_ports, grantd, run, text};

const SAYS: &str = "this node's seal key is not the cluster's";

struct Node<'a> {
    id: usize,
    folder: &'a Path,
    name: &'a str,
    listen: String,
}

impl Node<'_> {
    /// Its arguments, with a configuration of its own for each key.
    fn args(&self, seal_key: &str) -> [String; 3] {
        let at = |name: String| self.folder.join(name);
        let config = at(format!("{}-{seal_key}.toml", self.name));
        let (data, key) = (at(self.name.to_owned()), at(seal_key.to_owned()));
        let (id, listen) = (self.id, &self.listen);
        fs::write(
            &config,
            format!("node_id = {id}\nlisten = \"{listen}\"\ndata_dir = {data:?}\nseal_key_file = {key:?}\n"),
        )
        .unwrap();
        let config = config.to_str().unwrap().to_owned();
        ["serve".to_owned(), "--config".to_owned(), config]
    }

    fn start(&self, seal_key: &str) -> Process {
        let args = self.args(seal_key);
        Process::start(self.folder, self.name, &args.each_ref().map(|arg| &**arg))
    }

    /// What it says when it ends by itself, with another exit code than 0.
    fn ends(&self, seal_key: &str) -> String {
        let said = self.folder.join("said");
        let args = self.args(seal_key);
        let mut child = grantd(args.iter().map(String::as_str))
            .stderr(fs::File::create(&said).unwrap())
            .spawn()
            .unwrap();
        let began = RealClock.boot();
        let status = loop {
            if let Some(status) = child.try_wait().unwrap() {
                break status;
            }
            if RealClock.boot().since(began) > PATIENCE {
                child.kill().unwrap();
                panic!("it goes on: {}", fs::read_to_string(&said).unwrap());
            }
            std::thread::park_timeout(Duration::from_millis(20));
        };
        assert_ne!(status.code(), Some(0));
        fs::read_to_string(&said).unwrap()
    }
}

/// The node joins nothing and votes for nothing; a member that comes back with another key does not run; with the
/// right one both do.
#[test]
fn node_with_another_seal_key_neither_joins_nor_runs() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["right.key", "wrong.key"] {
        let path = folder.path().join(name);
        let made = grantd(["cluster", "keygen", path.to_str().unwrap()]).output();
        assert!(made.unwrap().status.success());
    }
    let ports = free_ports(2);
    let node = |name, at: usize| Node {
        id: at + 1,
        folder: folder.path(),
        name,
        listen: format!("127.0.0.1:{}", ports[at]),
    };
    let (first, second) = (node("first", 0), node("second", 1));
    let running = first.start("right.key");
    run(&first.listen, ["cluster", "init"]);

    let stranger = second.start("wrong.key");
    let joined = grantd(["cluster", "join", "--via", &first.listen])
        .args(["--endpoint", &second.listen])
        .output()
        .unwrap();
    assert_ne!(joined.status.code(), Some(0));
    assert!(
        text(&joined.stderr).contains(SAYS),
        "{}",
        text(&joined.stderr)
    );
    let mut status = grantd(["cluster", "status", "-o", "json", "--endpoint"]);
    let status = status.arg(&second.listen).output().unwrap();
    assert!(text(&status.stdout).contains("uninitialized"));
    stranger.kill();

    // The same folder with the right key: nothing was spoilt.
    let joining = second.start("right.key");
    run(
        &second.listen,
        [
            "cluster",
            "join",
            "--via",
            &first.listen,
            "--deadline",
            "60s",
        ],
    );
    // A member that comes back with another key.
    joining.kill();
    let said = second.ends("wrong.key");
    assert!(said.contains(SAYS), "{said}");
    let back = second.start("right.key");
    // And the one that founded the cluster.
    running.kill();
    let said = first.ends("wrong.key");
    assert!(said.contains(SAYS), "{said}");
    back.kill();
}
