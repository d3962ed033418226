//! `grantd cluster status` against real processes: who hangs, who is gone, who was removed, and how it ends.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use grantd::env::Clock;
use grantd::env::real::RealClock;
use serde_json::Value;

use super::support::process::{Process, grantd, run, text};

/// The longest that a state may take to come about on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// A node with a folder of its own, as a process.
fn serve(folder: &Path, id: u64) -> Process {
    let key = folder.join("seal.key");
    if !key.exists() {
        let made = grantd(["cluster", "keygen", key.to_str().unwrap()])
            .output()
            .unwrap();
        assert!(made.status.success(), "{}", text(&made.stderr));
    }
    let config = folder.join(format!("node-{id}.toml"));
    let data = folder.join(format!("data-{id}"));
    fs::write(
        &config,
        format!("node_id = {id}\nlisten = \"127.0.0.1:0\"\ndata_dir = {data:?}\nseal_key_file = {key:?}\n"),
    )
    .unwrap();
    Process::start(
        folder,
        &format!("node-{id}"),
        &["serve", "--config", config.to_str().unwrap()],
    )
}

/// A cluster of processes and their addresses.
fn cluster(folder: &Path, ids: &[u64]) -> (Vec<Process>, Vec<String>) {
    let nodes: Vec<Process> = ids.iter().map(|id| serve(folder, *id)).collect();
    let addresses: Vec<String> = nodes.iter().flat_map(Process::endpoints).collect();
    // Wide enough that a busy machine keeps it.
    run(&addresses[0], ["cluster", "init", "--bound", "3s"]);
    for address in &addresses[1..] {
        join(address, &addresses[0]);
    }
    (nodes, addresses)
}

fn join(address: &str, via: &str) {
    let line = ["cluster", "join", "--via", via, "--deadline", "60s"];
    run(address, line);
}

/// One look: the exit code and the picture.
fn look(endpoints: &str, more: &[&str]) -> (i32, Value) {
    let output = grantd(["cluster", "status", "-o", "json", "--endpoint", endpoints])
        .args(more)
        .output()
        .unwrap();
    let said = text(&output.stderr);
    let picture = serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{e}: {said}"));
    (output.status.code().unwrap(), picture)
}

/// Looks until the picture is as it will be.
#[track_caller]
fn look_until(endpoints: &str, code: i32, is_so: impl Fn(&Value) -> bool) -> Value {
    let began = RealClock.boot();
    loop {
        let (got, picture) = look(endpoints, &["--deadline", "3s"]);
        if got == code && is_so(&picture) {
            return picture;
        }
        assert!(
            RealClock.boot().since(began) < PATIENCE,
            "exit code {got}: {picture:#}"
        );
    }
}

/// The row of a node.
fn node(picture: &Value, id: u64) -> &Value {
    let nodes = picture["Nodes"].as_array().unwrap();
    nodes
        .iter()
        .find(|node| node["NodeId"] == id)
        .unwrap_or_else(|| panic!("{picture:#}"))
}

fn problems(picture: &Value) -> String {
    picture["Problems"].to_string()
}

#[test]
fn status_asks_every_member_at_once_and_ends_by_how_the_cluster_stands() {
    let folder = tempfile::tempdir().unwrap();
    let (mut nodes, addresses) = cluster(folder.path(), &[1, 2, 3]);

    // One endpoint is enough: the members are asked, too.
    let well = look_until(&addresses[1], 0, |picture| picture["State"] == "ok");
    assert_eq!(well["Nodes"].as_array().unwrap().len(), 3, "{well:#}");
    for id in 1..=3 {
        let row = node(&well, id);
        assert!(
            row["StalenessMs"].is_u64() && row["Version"].is_string(),
            "{row:#}"
        );
        assert_eq!(
            row["Lag"].as_u64().map(|lag| lag < 1_000),
            Some(true),
            "{row:#}"
        );
    }
    assert_eq!(problems(&well), "[]");

    // A node that hangs costs the others nothing but the second that it has, and is told from one that is gone.
    let leader = well["LeaderId"].as_u64().unwrap();
    let hung = if leader == 3 { 2 } else { 3 };
    nodes[hung - 1].signal("-STOP");
    let began = RealClock.boot();
    let (code, picture) = look(&addresses.join(","), &[]);
    let took = RealClock.boot().since(began);
    assert_eq!(code, 1, "{picture:#}");
    assert_eq!(node(&picture, hung as u64)["Role"], "hung", "{picture:#}");
    assert!(took < Duration::from_secs(8), "{took:?}");
    let others = (1..=3).filter(|id| *id != hung as u64);
    assert!(
        others
            .clone()
            .all(|id| node(&picture, id)["Revision"].is_u64()),
        "{picture:#}"
    );
    // Since when the leader has not heard it is told.
    look_until(&addresses[leader as usize - 1], 1, |picture| {
        node(picture, hung as u64)["HeardMsAgo"]
            .as_u64()
            .is_some_and(|ago| ago > 1_000)
    });
    nodes[hung - 1].signal("-CONT");
    look_until(&addresses[0], 0, |picture| picture["State"] == "ok");

    // Killed: nothing listens there.
    nodes.remove(hung - 1).kill();
    let picture = look_until(&addresses.join(","), 1, |picture| {
        node(picture, hung as u64)["Role"] == "unreachable"
    });
    assert!(
        problems(&picture).contains("cannot be reached"),
        "{picture:#}"
    );

    // Another one: of two dead out of three nobody decides, though one answers.
    let at = nodes.len() - 1;
    nodes.remove(at).kill();
    let picture = look_until(&addresses.join(","), 4, |picture| {
        picture["State"] == "noQuorum"
    });
    assert!(
        problems(&picture).contains("refuses to decide"),
        "{picture:#}"
    );
}

#[test]
fn status_takes_the_members_from_the_cluster_and_not_from_a_node_that_was_removed() {
    let folder = tempfile::tempdir().unwrap();
    let (mut nodes, addresses) = cluster(folder.path(), &[1, 2, 3]);
    run(
        &addresses[0],
        ["cluster", "remove", "3", "--deadline", "60s"],
    );
    // Asked first.
    let all = format!("{},{}", addresses[2], addresses[..2].join(","));
    let picture = look_until(&all, 1, |picture| {
        picture["Members"].as_array().is_some_and(|m| m.len() == 2)
    });
    assert_eq!(node(&picture, 3)["Role"], "removed", "{picture:#}");
    assert!(problems(&picture).contains("is no member"), "{picture:#}");
    // Not asked, it is nobody's business.
    look_until(&addresses[..2].join(","), 0, |picture| {
        picture["State"] == "ok"
    });

    // A node of another cluster beside it.
    nodes.push(serve(folder.path(), 4));
    let other = nodes.last().unwrap().endpoints().remove(0);
    let both = format!("{},{other}", addresses[0]);
    let picture = look_until(&both, 1, |picture| {
        problems(picture).contains("belongs to no cluster")
    });
    assert_eq!(node(&picture, 4)["Role"], "uninitialized", "{picture:#}");
    run(&other, ["cluster", "init"]);
    let picture = look_until(&both, 1, |picture| {
        problems(picture).contains("another cluster")
    });
    assert_eq!(
        picture["Members"].as_array().unwrap().len(),
        2,
        "{picture:#}"
    );
}

#[test]
fn status_looks_again_every_second_until_it_is_interrupted() {
    let folder = tempfile::tempdir().unwrap();
    let (_nodes, addresses) = cluster(folder.path(), &[1]);
    let mut watch = grantd(["cluster", "status", "--watch", "-o", "json"])
        .args(["--endpoint", &addresses[0]])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(watch.stdout.take().unwrap()).lines();
    for line in lines.take(3) {
        let picture: Value = serde_json::from_str(&line.unwrap()).unwrap();
        assert_eq!(node(&picture, 1)["Role"], "leader", "{picture:#}");
    }
    let told = std::process::Command::new("kill")
        .args(["-INT", &watch.id().to_string()])
        .status()
        .unwrap();
    assert!(told.success());
    assert_eq!(watch.wait().unwrap().code(), Some(0));
}
