//! Members compare what their states are: one whose state is not that of the others stops, and says both values.

use std::io::Write;
use std::path::Path;
use std::time::Duration;

use grantd::domain::state::State;
use grantd::domain::state::fact::Fact;
use grantd::replica::Condensing;
use grantd::storage::{SledOptions, SledStorage, SnapshotMeta, Storage};
use grantd::wire::stored::{read_snapshot, write_snapshot};
use tokio::time::timeout;

use crate::support::cluster::{Cluster, PATIENCE, account, folder, polled};

fn often(settings: &mut grantd::node::NodeSettings) {
    settings.condensing = Condensing {
        snapshot_every: 20,
        kept: 2,
        ..Condensing::default()
    };
}

/// Changes the name of an account in the newest snapshot of a stopped node, as no node ever would: every checksum is right.
pub async fn tamper(folder: &Path) {
    let storage = SledStorage::open(folder, SledOptions::default()).unwrap();
    let source = storage.open_snapshot().await.unwrap().unwrap();
    let SnapshotMeta { last, extra } = source.meta.clone();
    let mut content = std::io::BufReader::new(source.content);
    let state = read_snapshot(&mut content).unwrap();
    let facts = state.export().map(|fact| match fact {
        Fact::Account(known) if known.id == account(1) => {
            let mut other = (*known).clone();
            other.name = "another".into();
            Fact::Account(other.into())
        }
        fact => fact,
    });
    let other = State::import(*state.header(), facts).unwrap();
    assert_ne!(other.fingerprint(), state.fingerprint());
    let mut bytes = Vec::new();
    write_snapshot(&other, &mut bytes).unwrap();
    let mut sink = storage
        .create_snapshot(SnapshotMeta { last, extra })
        .await
        .unwrap();
    sink.write_all(&bytes).unwrap();
    sink.finish().await.unwrap();
}

async fn write(cluster: &Cluster, from: u64, to: u64) {
    let leader = cluster.leader().await;
    for number in from..=to {
        let written = cluster.write(leader, number).await.unwrap();
        written.outcome.unwrap();
    }
}

async fn has_snapshot(cluster: &Cluster, at: usize, revision: u64) {
    polled("a snapshot is taken", || {
        let snapshots = cluster.node(at).replica().status().snapshots;
        let newest = snapshots.revision?;
        (newest.0 >= revision).then_some(())
    })
    .await;
}

/// One of three has another state under the same log: it stops with both values, however it came to it; the others say so
/// and go on.
#[tokio::test(flavor = "multi_thread")]
async fn node_whose_state_differs_from_that_of_two_others_stops() {
    let mut cluster = Cluster::start_with(3, folder, often).await;
    write(&cluster, 1, 80).await;
    let wrong = cluster.follower().await;
    has_snapshot(&cluster, wrong, 40).await;
    cluster.stop(wrong).await;
    tamper(cluster.members[wrong].disk.path()).await;
    cluster.restart(wrong).await;
    write(&cluster, 81, 90).await;
    let why = timeout(PATIENCE, cluster.node(wrong).failed())
        .await
        .expect("it stops");
    let others: Vec<usize> = (0..3).filter(|at| *at != wrong).collect();
    assert!(why.contains("not that of the others"), "{why}");
    assert!(why.contains("grantd cluster join"), "{why}");
    // Both values, each of 64 hex digits.
    let values = why
        .split([' ', ',', ';'])
        .filter(|word| word.len() == 64 && word.bytes().all(|byte| byte.is_ascii_hexdigit()));
    let values: Vec<&str> = values.collect();
    assert_eq!(values.len(), 2, "{why}");
    assert_ne!(values[0], values[1]);
    cluster.stop(wrong).await;
    for at in others {
        let failed = cluster.node(at).failed();
        assert!(
            futures::FutureExt::now_or_never(failed).is_none(),
            "node {at} goes on"
        );
    }
    write(&cluster, 91, 95).await;
    cluster.shutdown().await;
}

/// Two that differ do not know who is right: both go on, and both say so.
#[tokio::test(flavor = "multi_thread")]
async fn two_nodes_that_differ_go_on_and_say_so() {
    let mut cluster = Cluster::start_with(2, folder, often).await;
    write(&cluster, 1, 80).await;
    let wrong = cluster.follower().await;
    has_snapshot(&cluster, wrong, 40).await;
    cluster.stop(wrong).await;
    tamper(cluster.members[wrong].disk.path()).await;
    cluster.restart(wrong).await;
    write(&cluster, 81, 90).await;
    for at in 0..2 {
        polled("the node says that the states differ", || {
            let faults = cluster.node(at).replica().status().faults;
            let told = faults.iter().any(|fault| fault.contains("no majority"));
            told.then_some(())
        })
        .await;
    }
    write(&cluster, 91, 95).await;
    cluster.shutdown().await;
}

/// Nodes that took the same log in other ways, by entries, by a snapshot, after a restart, are equal, their indexes too; and
/// nobody says otherwise.
#[tokio::test(flavor = "multi_thread")]
async fn nodes_that_are_equal_say_nothing() {
    let mut cluster = Cluster::start_with(2, folder, often).await;
    write(&cluster, 1, 300).await;
    let new = cluster.add().await;
    let via = cluster.node(0).address().to_owned();
    cluster
        .node(new)
        .cluster()
        .join(&via, PATIENCE)
        .await
        .unwrap();
    cluster.stop(1).await;
    cluster.restart(1).await;
    write(&cluster, 301, 600).await;
    let states: Vec<_> = {
        let revision = cluster.write(0, 601).await.unwrap().position.revision;
        let mut states = Vec::new();
        for at in 0..3 {
            let replica = cluster.node(at).replica();
            timeout(PATIENCE, replica.applied(revision)).await.unwrap();
            states.push(replica.board().load());
        }
        states
    };
    for state in &states {
        assert_eq!(state.state.fingerprint(), states[0].state.fingerprint());
        assert_eq!(
            state.state.deep_fingerprint(),
            states[0].state.deep_fingerprint()
        );
    }
    // Each has compared from its beginning to its end.
    for at in 0..3 {
        let clock = cluster.members[at].clock.clone();
        clock.rounds(Duration::from_secs(5), 1).await;
    }
    for at in 0..3 {
        let status = cluster.node(at).replica().status();
        assert!(status.faults.is_empty(), "{status:?}");
    }
    cluster.shutdown().await;
}
