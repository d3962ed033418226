//! Two of three nodes are lost for good: a new cluster is forced from the third's folder, closed until its gap is named
//! . Real processes.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use grantd::client::api::{Outcome, RetireGrantRequest};
use serde_json::Value;

use crate::support::api::{
    Api, REGION, grant_of_decrypt, make_account, make_grant, make_key, make_principal, question,
    until, user, with_tokens,
};
use crate::support::cluster::PATIENCE;
use crate::support::process::{Process, free_ports, grantd, run, text};

const ACCOUNT: &str = "111122223333";
const BOB: &str = "arn:aws:iam::111122223333:user/Bob";

struct World {
    place: tempfile::TempDir,
    ports: Vec<u16>,
}

impl World {
    fn new() -> Self {
        let place = tempfile::tempdir().unwrap();
        let world = Self {
            place,
            ports: free_ports(5),
        };
        for key in ["seal.key", "other.key"] {
            let path = world.path(key);
            let made = grantd(["cluster", "keygen", path.to_str().unwrap()]).output();
            assert!(made.unwrap().status.success());
        }
        world
    }

    fn path(&self, name: &str) -> PathBuf {
        self.place.path().join(name)
    }

    fn listen(&self, id: usize) -> String {
        format!("127.0.0.1:{}", self.ports[id - 1])
    }

    /// Starts node `id` on a folder.
    fn start(&self, id: usize, folder: &str) -> Process {
        let config = self.path(&format!("{folder}.toml"));
        let (data, key) = (self.path(folder), self.path("seal.key"));
        let listen = self.listen(id);
        fs::write(
            &config,
            format!("node_id = {id}\nlisten = \"{listen}\"\ndata_dir = {data:?}\nseal_key_file = {key:?}\n"),
        )
        .unwrap();
        let args = ["serve", "--config", config.to_str().unwrap()];
        Process::start(self.place.path(), folder, &args)
    }

    fn join(&self, id: usize, via: usize) {
        let via = self.listen(via);
        let join = ["cluster", "join", "--via", &via, "--deadline", "60s"];
        run(&self.listen(id), join);
    }

    fn force(&self, from: &str, key: &str, ends: Option<&str>) -> Output {
        let at = |path: &Path| path.to_str().unwrap().to_owned();
        let mut command = grantd(["cluster", "force-new", "--output", "json"]);
        command
            .args(["--data-dir", &at(&self.path(from))])
            .args(["--into", &at(&self.path("forced"))])
            .args(["--seal-key-file", &at(&self.path(key))])
            .args(["--advertise", &self.listen(3)]);
        if let Some(ends) = ends {
            command.args(["--ends", ends]);
        }
        command.output().unwrap()
    }
}

fn told(output: &Output) -> Value {
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn refused(output: &Output, why: &str) {
    assert_ne!(output.status.code(), Some(0));
    assert!(
        text(&output.stderr).contains(why),
        "{}",
        text(&output.stderr)
    );
}

/// What a question with these tokens comes to.
async fn asked(api: &Api, key: &str, tokens: &[&str]) -> Result<Outcome, String> {
    let bob = api.by(user(BOB));
    match bob.authorize(with_tokens("kms:Decrypt", key, tokens)).await {
        Ok(answer) => Ok(answer.decision.unwrap().outcome()),
        Err(error) => Err(error.code),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cluster_is_forced_from_one_folder_closed_until_its_gap_is_named() {
    let world = World::new();
    let nodes = [1, 2, 3].map(|id| world.start(id, &format!("data-{id}")));
    run(&world.listen(1), ["cluster", "init", "--region", REGION]);
    world.join(2, 1);
    world.join(3, 1);
    let api = Api::at(&world.listen(3));
    make_account(&api, ACCOUNT).await;
    make_principal(&api, BOB, &[]).await;
    let key = make_key(&api, ACCOUNT, None).await.arn;
    let (made, old_token) = make_grant(&api, ACCOUNT, &key, BOB).await;
    assert_eq!(asked(&api, &key, &[&old_token]).await, Ok(Outcome::Allow));
    let old_position = made.header.unwrap().position;

    // A node that runs holds its folder: nothing is forced under its feet.
    let running = world.force("data-3", "seal.key", None);
    assert_ne!(running.status.code(), Some(0));
    // A power cut takes all of them; two never come back.
    nodes.into_iter().for_each(Process::kill);

    refused(
        &world.force("data-3", "other.key", None),
        "seal key is not the cluster's",
    );
    refused(
        &world.force("nowhere", "seal.key", None),
        "there is no folder",
    );
    let looked = told(&world.force("data-3", "seal.key", None));
    assert!(!world.path("forced").exists(), "to look makes nothing");
    assert_eq!(looked["Members"].as_array().unwrap().len(), 3, "{looked:#}");
    let ends = looked["Ends"].as_str().unwrap();
    assert!(old_position.starts_with(ends));
    let gap = looked["Gap"].as_u64().unwrap();
    let wrong = "00000000000000000000000000000001";
    refused(
        &world.force("data-3", "seal.key", Some(wrong)),
        "nothing was done",
    );
    let forced = told(&world.force("data-3", "seal.key", Some(ends)));
    assert_ne!(forced["Incarnation"], looked["Ends"]);
    assert!(forced["Begins"].as_u64().unwrap() > gap);
    refused(&world.force("data-3", "seal.key", Some(ends)), "not empty");

    // It runs, leads, and decides and changes nothing, whoever asks for what.
    let first = world.start(3, "forced");
    let api = Api::at(&world.listen(3));
    let status = || {
        let asked = ["cluster", "status", "-o", "json", "--endpoint"];
        let mut command = grantd(asked);
        let output = command.arg(world.listen(3)).output().unwrap();
        let picture: Value = serde_json::from_slice(&output.stdout).unwrap();
        (output.status.code(), picture)
    };
    let picture = until(PATIENCE, "the node leads and is closed", async || {
        let (code, picture) = status();
        (picture["State"] == "closed").then_some((code, picture))
    });
    let (code, picture) = picture.await;
    let node = &picture["Nodes"][0];
    assert_eq!(code, Some(4), "{picture:#}");
    assert_eq!(
        (&node["Role"], node["ClosedAfter"].as_u64()),
        (&Value::from("leader"), Some(gap))
    );
    let closed = Err("ClusterClosed".to_owned());
    assert_eq!(asked(&api, &key, &[]).await, closed);
    let root = api.by_root(ACCOUNT);
    let retire = RetireGrantRequest {
        grant_token: Some(old_token.clone()),
        ..RetireGrantRequest::default()
    };
    assert_eq!(root.call(retire).await.unwrap_err().code, "ClusterClosed");
    let mut list = grantd(["account", "list", "--as", "operator"]);
    list.args(["--endpoint", &world.listen(3)]);
    refused(&list.output().unwrap(), "grantd cluster open --gap");

    // Opened by whoever knows what may be missing.
    let open = |gap: u64| {
        grantd([
            "cluster",
            "open",
            "--gap",
            &gap.to_string(),
            "--endpoint",
            &world.listen(3),
        ])
        .output()
        .unwrap()
    };
    refused(&open(gap + 1), "the gap begins after revision");
    let opened = open(gap);
    assert_eq!(opened.status.code(), Some(0), "{}", text(&opened.stderr));
    assert_eq!(asked(&api, &key, &[]).await, Ok(Outcome::Allow));
    // Nothing of the old life is honoured.
    let invalid = Err("InvalidGrantTokenException".to_owned());
    assert_eq!(asked(&api, &key, &[&old_token]).await, invalid);
    let before = api.by(user(BOB)).at_least(&old_position);
    let foreign = before.authorize(question("kms:Decrypt", &key)).await;
    assert_eq!(foreign.unwrap_err().code, "InvalidPosition");
    let (again, token) = make_grant(&api, ACCOUNT, &key, BOB).await;
    assert!(again.header.unwrap().revision > gap);
    assert_eq!(asked(&api, &key, &[&token]).await, Ok(Outcome::Allow));

    // Two fresh nodes join; the cluster stands on three again.
    let joined = [4, 5].map(|id| {
        let node = world.start(id, &format!("data-{id}"));
        world.join(id, 3);
        node
    });
    assert_eq!(status().1["Members"].as_array().unwrap().len(), 3);
    for id in [4, 5] {
        let api = Api::at(&world.listen(id));
        assert_eq!(asked(&api, &key, &[&token]).await, Ok(Outcome::Allow));
    }
    // And it goes on with one of them lost.
    first.kill();
    let root = Api::at(&world.listen(4)).by_root(ACCOUNT);
    until(PATIENCE, "another leads", async || {
        root.call(grant_of_decrypt(&key, BOB)).await.ok()
    })
    .await;
    drop(joined);
}
