//! A node that does not apply what is committed: it says so on both sides, does not go on leading, and stops if that does
//! not help. Whatever blocks it must not block who watches it.

use std::time::Duration;

use grantd::gate::WriteError;
use tokio::time::timeout;

use crate::support::cluster::{Cluster, PATIENCE, create_account, polled};

/// Until one of the faults that the node at `at` tells of has `text`.
async fn tells(cluster: &Cluster, at: usize, text: &str) {
    polled("the node tells what is wrong", || {
        let faults = cluster.node(at).replica().status().faults;
        let told = faults.iter().any(|fault| fault.contains(text));
        told.then_some(())
    })
    .await;
}

/// Until it tells of none any more.
async fn is_well(cluster: &Cluster, at: usize) {
    polled("nothing is wrong any more", || {
        let faults = cluster.node(at).replica().status().faults;
        faults.is_empty().then_some(())
    })
    .await;
}

/// Writes at the node at `at` until one is taken.
async fn write_until_taken(cluster: &Cluster, at: usize, first: u64) -> u64 {
    for number in first.. {
        let write = &cluster.node(at).doors().write;
        let tried = write.propose(create_account(number), Duration::from_secs(5));
        if let Ok(Ok(written)) = timeout(PATIENCE, tried).await {
            written.outcome.unwrap();
            return number;
        }
        assert!(number < first + 20, "no write is taken");
    }
    unreachable!("numbers do not end")
}

/// The leader's state machine blocks: it heartbeats and commits, and answers nobody. The others get the lead and go on. (F4)
#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn leader_that_does_not_apply_loses_the_lead_and_writes_go_on() {
    let cluster = Cluster::start(3).await;
    let stuck = cluster.leader().await;
    cluster.write(stuck, 1).await.unwrap();
    cluster.members[stuck].sink.shut();
    let write = &cluster.node(stuck).doors().write;
    let blocked = write
        .propose(create_account(2), Duration::from_secs(4))
        .await;
    match blocked {
        // Where it was committed and not applied it may have been done by another leader meanwhile.
        Ok(_) | Err(WriteError::Unknown { .. }) => {}
        other => panic!("{other:?}"),
    }
    let next = cluster.leader_other_than(stuck).await;
    let taken = write_until_taken(&cluster, next, 10).await;
    tells(&cluster, stuck, "whatever applies here is stuck").await;
    polled("who leads tells of it", || {
        let told = (0..3).filter(|at| *at != stuck).any(|at| {
            let faults = cluster.node(at).replica().status().faults;
            faults
                .iter()
                .any(|fault| fault.contains("whatever applies there is stuck"))
        });
        told.then_some(())
    })
    .await;
    cluster.members[stuck].sink.open();
    for at in 0..3 {
        is_well(&cluster, at).await;
    }
    cluster
        .until_state(stuck, "it catches up", |state| {
            state
                .account(crate::support::cluster::account(taken))
                .map(|_| ())
        })
        .await;
    cluster.shutdown().await;
}

/// A follower's state machine blocks: writes go on, and both sides say so.
#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn follower_that_does_not_apply_is_told_on_both_sides_and_keeps_trying() {
    let cluster = Cluster::start(3).await;
    let stuck = cluster.follower().await;
    let leader = cluster.leader().await;
    cluster.members[stuck].sink.shut();
    cluster.write(leader, 1).await.unwrap();
    cluster.write(leader, 2).await.unwrap();
    tells(&cluster, stuck, "whatever applies here is stuck").await;
    tells(&cluster, leader, "whatever applies there is stuck").await;
    cluster.write(leader, 3).await.unwrap();
    cluster.members[stuck].sink.open();
    is_well(&cluster, stuck).await;
    is_well(&cluster, leader).await;
    cluster.shutdown().await;
}

/// Whoever does not apply is neither an heir nor elected: it could answer nobody.
#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn follower_that_does_not_apply_does_not_come_to_lead() {
    let mut cluster = Cluster::start(3).await;
    let stuck = cluster.follower().await;
    let leader = cluster.leader().await;
    cluster.members[stuck].sink.shut();
    cluster.write(leader, 1).await.unwrap();
    tells(&cluster, stuck, "whatever applies here is stuck").await;
    tells(&cluster, leader, "whatever applies there is stuck").await;
    // It hands the lead over, to one of two whose logs are as long.
    cluster.stop(leader).await;
    let next = cluster.leader_other_than(leader).await;
    assert_ne!(next, stuck);
    let taken = write_until_taken(&cluster, next, 10).await;
    cluster.members[stuck].sink.open();
    is_well(&cluster, stuck).await;
    cluster
        .until_state(stuck, "it catches up", |state| {
            state
                .account(crate::support::cluster::account(taken))
                .map(|_| ())
        })
        .await;
    cluster.shutdown().await;
}

/// A leader that nobody can take the lead from says of a write that it has committed and not applied it, and stops with a
/// sentence: then whoever runs it can start it again.
#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn leader_that_does_not_apply_and_has_no_heir_stops() {
    let cluster = Cluster::start(1).await;
    cluster.members[0].sink.shut();
    let write = &cluster.node(0).doors().write;
    let tried = write.propose(create_account(1), Duration::from_secs(3));
    match tried.await {
        Err(WriteError::Unknown { why }) => {
            assert!(why.contains("is committed at revision"), "{why}");
        }
        other => panic!("{other:?}"),
    }
    let failed = cluster.node(0).failed();
    let why = timeout(PATIENCE, failed).await.expect("it stops");
    assert!(why.contains("whatever applies here is stuck"), "{why}");
    cluster.members[0].sink.open();
    cluster.shutdown().await;
}

/// A leader that can send and hears nobody: its heartbeats must not keep the others from electing one that can work.
#[tokio::test(flavor = "multi_thread")]
async fn leader_that_hears_nobody_falls_silent_and_another_is_elected() {
    let cluster = Cluster::start(3).await;
    let deaf = cluster.leader().await;
    cluster.write(deaf, 1).await.unwrap();
    // Every link is in use.
    for at in cluster.running() {
        cluster
            .view(at, grantd::gate::Consistency::Linearizable, PATIENCE)
            .await
            .unwrap();
    }
    cluster.deafen(deaf);
    let next = timeout(PATIENCE, cluster.leader_other_than(deaf))
        .await
        .expect("the others elect");
    let taken = write_until_taken(&cluster, next, 10).await;
    cluster.heal(deaf);
    cluster
        .until_state(deaf, "it follows again", |state| {
            state
                .account(crate::support::cluster::account(taken))
                .map(|_| ())
        })
        .await;
    cluster.shutdown().await;
}
