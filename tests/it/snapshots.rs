//! Snapshots of whole nodes: taken by the size of the log, and never in the way of anything else. One that cannot be taken,
//! sent or taken in is told on both sides and tried again; with room again the node catches up without a restart.

use std::fs;
use std::path::{Path, PathBuf};

use grantd::gate::Consistency;
use grantd::replica::{Condensing, ReplicaStatus};
use grantd::storage::memory::DiskFault;

use crate::support::cluster::{Cluster, PATIENCE, account, folder, memory, polled};

/// A snapshot every few entries, and next to no log behind it.
fn often(settings: &mut grantd::node::NodeSettings) {
    settings.condensing = Condensing {
        snapshot_every: 20,
        kept: 2,
        ..Condensing::default()
    };
}

fn status(cluster: &Cluster, at: usize) -> ReplicaStatus {
    cluster.node(at).replica().status()
}

/// Makes accounts `from` to `to` at the leader.
async fn write(cluster: &Cluster, from: u64, to: u64) {
    let leader = cluster.leader().await;
    for number in from..=to {
        let written = cluster.write(leader, number).await.unwrap();
        written.outcome.unwrap();
    }
}

/// The node at `at` has all accounts up to `last`, and says that nothing is wrong.
async fn is_well(cluster: &Cluster, at: usize, last: u64) {
    let view = cluster
        .view(at, Consistency::Linearizable, PATIENCE)
        .await
        .unwrap();
    for number in 1..=last {
        assert!(view.state().account(account(number)).is_some(), "{number}");
    }
    polled("nothing is wrong any more", || {
        status(cluster, at).faults.is_empty().then_some(())
    })
    .await;
}

/// Until the node at `at` tells of a fault that has all of `texts`.
async fn tells(cluster: &Cluster, at: usize, texts: &[&str]) {
    polled("the node tells what is wrong", || {
        let faults = status(cluster, at).faults;
        let told = |fault: &String| texts.iter().all(|text| fault.contains(text));
        faults.iter().any(told).then_some(())
    })
    .await;
}

/// Until the node at `at` has purged everything up to `revision`.
async fn has_purged(cluster: &Cluster, at: usize, revision: u64) {
    polled("the log is purged", || {
        let purged = status(cluster, at).purged;
        purged
            .is_some_and(|purged| purged.0 >= revision)
            .then_some(())
    })
    .await;
}

/// A node that has no room for its own snapshots goes on, leads, and says so; with room again it takes one by itself.
#[tokio::test(flavor = "multi_thread")]
async fn snapshot_that_cannot_be_taken_is_told_and_taken_later() {
    let cluster = Cluster::start_with(3, memory, often).await;
    let leader = cluster.leader().await;
    let disk = cluster.members[leader].disk.memory();
    disk.set_fault(Some(DiskFault::NoRoomForSnapshots));
    let before = status(&cluster, leader).snapshots.revision;
    write(&cluster, 1, 100).await;
    tells(
        &cluster,
        leader,
        &["a snapshot cannot be taken", "storage space"],
    )
    .await;
    assert_eq!(status(&cluster, leader).snapshots.revision, before);
    assert_eq!(cluster.leader().await, leader, "it goes on leading");
    write(&cluster, 101, 110).await;
    disk.set_fault(None);
    has_purged(&cluster, leader, 50).await;
    is_well(&cluster, leader, 110).await;
    cluster.shutdown().await;
}

/// A member that was away for more than the kept log and has no room for the snapshot: both sides say so, the others go
/// on, and with room again it catches up without a restart.
#[tokio::test(flavor = "multi_thread")]
async fn member_without_room_for_the_snapshot_it_needs_is_told_on_both_sides_and_catches_up() {
    let mut cluster = Cluster::start_with(3, memory, often).await;
    let away = cluster.follower().await;
    cluster.stop(away).await;
    write(&cluster, 1, 100).await;
    let leader = cluster.leader().await;
    has_purged(&cluster, leader, 50).await;
    let disk = cluster.members[away].disk.memory().clone();
    disk.set_fault(Some(DiskFault::NoRoomForSnapshots));
    cluster.restart(away).await;
    let me = cluster.node(leader).node_id();
    let it = cluster.node(away).node_id();
    tells(
        &cluster,
        away,
        &[&format!("node {me} sends"), "storage space"],
    )
    .await;
    tells(
        &cluster,
        leader,
        &[&format!("node {it} cannot be sent"), "storage space"],
    )
    .await;
    // Nobody waits for it, and its own log has not been closed.
    write(&cluster, 101, 110).await;
    assert_eq!(cluster.leader().await, leader);
    disk.set_fault(None);
    is_well(&cluster, away, 110).await;
    is_well(&cluster, leader, 110).await;
    cluster.shutdown().await;
}

/// The same of a node that joins, on a real disk where something else stands in the place of its folder of snapshots.
#[tokio::test(flavor = "multi_thread")]
async fn joining_node_that_cannot_write_a_snapshot_joins_once_it_can() {
    let mut cluster = Cluster::start_with(1, folder, often).await;
    write(&cluster, 1, 100).await;
    has_purged(&cluster, 0, 50).await;
    let new = cluster.add().await;
    let snapshots = cluster.members[new].disk.path().join("snapshots");
    fs::remove_dir_all(&snapshots).unwrap();
    fs::write(&snapshots, "not a folder").unwrap();
    let via = cluster.node(0).address().to_owned();
    let joined = cluster.node(new).cluster().join(&via, PATIENCE);
    let mend = async {
        tells(&cluster, new, &["cannot be taken in"]).await;
        tells(&cluster, 0, &["cannot be sent"]).await;
        fs::remove_file(&snapshots).unwrap();
        fs::create_dir(&snapshots).unwrap();
    };
    let (joined, ()) = tokio::join!(joined, mend);
    joined.unwrap();
    is_well(&cluster, new, 100).await;
    is_well(&cluster, 0, 100).await;
    cluster.shutdown().await;
}

fn snapshot_files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder.join("snapshots")).unwrap();
    let mut files: Vec<_> = entries
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|end| end == "snapshot"))
        .collect();
    files.sort();
    files
}

fn flip(path: &Path, part: usize) {
    let mut bytes = fs::read(path).unwrap();
    let at = bytes.len() * part / 8;
    bytes[at] ^= 1;
    fs::write(path, bytes).unwrap();
}

/// A damaged snapshot is found by the one reading of a start, before the node takes part in anything, and told once.
#[tokio::test(flavor = "multi_thread")]
async fn start_on_a_damaged_snapshot_is_refused_in_one_sentence() {
    let mut cluster = Cluster::start_with(1, folder, often).await;
    write(&cluster, 1, 100).await;
    has_purged(&cluster, 0, 50).await;
    cluster.stop(0).await;
    let newest = snapshot_files(cluster.members[0].disk.path())
        .pop()
        .unwrap();
    let good = fs::read(&newest).unwrap();
    for part in [0, 1, 3, 5, 7] {
        flip(&newest, part);
        let refusal = cluster.try_restart(0).await.unwrap_err().to_string();
        for text in ["is damaged", "grantd cluster join"] {
            assert_eq!(refusal.matches(text).count(), 1, "{part}: {refusal}");
        }
        fs::write(&newest, &good).unwrap();
    }
    cluster.restart(0).await;
    is_well(&cluster, 0, 100).await;
    cluster.shutdown().await;
}

/// A snapshot that is damaged on the leader's disk while it runs: the state in memory is whole, so another is taken, and
/// whoever needs one gets that.
#[tokio::test(flavor = "multi_thread")]
async fn leader_whose_snapshot_file_is_damaged_takes_another() {
    let mut cluster = Cluster::start_with(1, folder, often).await;
    write(&cluster, 1, 100).await;
    has_purged(&cluster, 0, 50).await;
    polled("no snapshot is being taken", || {
        (!status(&cluster, 0).snapshots.taking).then_some(())
    })
    .await;
    for file in snapshot_files(cluster.members[0].disk.path()) {
        flip(&file, 4);
    }
    let new = cluster.add().await;
    let via = cluster.node(0).address().to_owned();
    cluster
        .node(new)
        .cluster()
        .join(&via, PATIENCE)
        .await
        .unwrap();
    is_well(&cluster, new, 100).await;
    is_well(&cluster, 0, 100).await;
    cluster.shutdown().await;
}

/// The larger the state, the rarer the snapshots: what they write stays in proportion to what is written to the log.
#[tokio::test(flavor = "multi_thread")]
async fn snapshots_become_rare_as_the_state_grows() {
    let cluster = Cluster::start_with(1, memory, often).await;
    let mut taken = Vec::new();
    for number in 1..=400 {
        cluster.write(0, number).await.unwrap().outcome.unwrap();
        let SnapshotSeen { revision, bytes } = seen(&cluster);
        if taken.last().is_none_or(|(last, _)| *last != revision) {
            taken.push((revision, bytes));
        }
    }
    let bytes: u64 = taken.iter().map(|(_, bytes)| bytes).sum();
    let last = taken.last().unwrap();
    assert!(last.0 > 100, "they go on: {taken:?}");
    // One every 20 entries would be 20 of them, ten times the last in all.
    assert!(bytes < last.1 * 6, "{bytes} bytes: {taken:?}");
    cluster.shutdown().await;
}

struct SnapshotSeen {
    revision: u64,
    bytes: u64,
}

fn seen(cluster: &Cluster) -> SnapshotSeen {
    let snapshots = status(cluster, 0).snapshots;
    SnapshotSeen {
        revision: snapshots.revision.map_or(0, |revision| revision.0),
        bytes: snapshots.bytes,
    }
}

/// However many entries may lie between two snapshots: the log is bounded by its bytes.
#[tokio::test(flavor = "multi_thread")]
async fn log_is_bounded_by_its_bytes() {
    const LOG_BYTES: u64 = 30_000;
    let cluster = Cluster::start_with(1, memory, |settings| {
        settings.condensing = Condensing {
            snapshot_every: u64::MAX,
            kept: 2,
            log_bytes_max: LOG_BYTES,
            ..Condensing::default()
        };
    })
    .await;
    write(&cluster, 1, 400).await;
    has_purged(&cluster, 0, 200).await;
    polled("the log is short again", || {
        let snapshots = status(&cluster, 0).snapshots;
        (snapshots.log_bytes < LOG_BYTES + 20_000).then_some(())
    })
    .await;
    is_well(&cluster, 0, 400).await;
    cluster.shutdown().await;
}
