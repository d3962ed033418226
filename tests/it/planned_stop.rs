//! A planned stop of the leader: the lead is handed over first, and nobody is left with a write of unknown outcome.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use grantd::gate::WriteError;

use crate::support::cluster::{Cluster, PATIENCE, create_account, polled};

/// Under writes at every node: the next leader is there before the old one has stopped, and every write is either done or
/// provably not.
#[tokio::test(flavor = "multi_thread")]
async fn leader_that_is_stopped_hands_the_lead_over_and_no_write_fails_unknown() {
    let mut cluster = Cluster::start(3).await;
    let old = cluster.leader().await;
    let stop = Arc::new(AtomicBool::new(false));
    let next = Arc::new(AtomicU64::new(1));
    let writers: Vec<_> = cluster
        .running()
        .map(|at| {
            let write = cluster.node(at).doors().write.clone();
            let (stop, next) = (stop.clone(), next.clone());
            tokio::spawn(async move {
                let (mut done, mut longest) = (0, Duration::ZERO);
                while !stop.load(Ordering::SeqCst) {
                    let number = next.fetch_add(1, Ordering::SeqCst);
                    let began = tokio::time::Instant::now();
                    let written = write.propose(create_account(number), PATIENCE).await;
                    match written {
                        Ok(written) => {
                            written.outcome.unwrap();
                            done += 1;
                            longest = longest.max(began.elapsed());
                        }
                        // The node that is stopped takes no more.
                        Err(WriteError::Unavailable { .. }) if at == old => break,
                        Err(error) => panic!("node {at}: {error}"),
                    }
                }
                (at, done, longest)
            })
        })
        .collect();
    let begun = async |target: u64| {
        polled("writes go on", || {
            (next.load(Ordering::SeqCst) >= target).then_some(())
        })
        .await;
    };
    begun(100).await;
    let stopping = cluster.members[old].node.take().unwrap();
    let heir = stopping.replica().hand_over().await;
    let heir = heir.expect("another node leads before this one stops");
    assert_ne!(heir, stopping.node_id());
    stopping.shutdown().await;
    begun(next.load(Ordering::SeqCst) + 100).await;
    stop.store(true, Ordering::SeqCst);
    for writer in writers {
        let (at, done, longest) = writer.await.unwrap();
        eprintln!("node {at}: {done} writes, the longest took {longest:?}");
        assert!(at == old || done > 0);
    }
    cluster.shutdown().await;
}

/// A stop of the whole node does the same by itself.
#[tokio::test(flavor = "multi_thread")]
async fn stop_of_the_leader_leaves_a_leader_behind_without_an_election_timeout() {
    let mut cluster = Cluster::start(3).await;
    let old = cluster.leader().await;
    cluster.write(old, 1).await.unwrap();
    cluster.stop(old).await;
    let leads = cluster.running().find(|at| {
        let status = cluster.node(*at).replica().status();
        status.leader == Some(status.node_id)
    });
    let leader = leads.expect("one of the others leads already");
    cluster.write(leader, 2).await.unwrap();
    cluster.shutdown().await;
}

/// A follower has no lead to give, and the only node of a cluster nobody to give it to: both stop at once.
#[tokio::test(flavor = "multi_thread")]
async fn node_without_a_lead_or_without_an_heir_just_stops() {
    let mut cluster = Cluster::start(3).await;
    let follower = cluster.follower().await;
    assert_eq!(cluster.node(follower).replica().hand_over().await, None);
    cluster.stop(follower).await;
    cluster.write(cluster.leader().await, 1).await.unwrap();
    cluster.shutdown().await;
    let alone = Cluster::start(1).await;
    assert_eq!(alone.node(0).replica().hand_over().await, None);
    alone.write(0, 1).await.unwrap();
    alone.shutdown().await;
}
