//! Three nodes over real TCP: writes, demands, cut links, restarts, snapshots, removal, faults.

use std::time::Duration;

use grantd::domain::time::{Incarnation, Position, Revision};
use grantd::gate::{Consistency, Demand, Staleness, TooStale, WriteError};
use grantd::replica::Condensing;
use grantd::storage::memory::DiskFault;

use crate::support::cluster::{Cluster, PATIENCE, account, folder, memory};

/// The default bound B.
const BOUND: Duration = Duration::from_secs(1);
/// A bound within which a busy machine has time for a write, and what the clock assumption adds (rho = 1 %).
const LONG_BOUND: Duration = Duration::from_millis(4_000);
const LONG_WINDOW: Duration = Duration::from_millis(4_040);

/// Waits until `node` refuses a bounded demand, and returns what it said and how long it went on answering: until when
/// questions came that were answered. An answer says how old it is, and so until when there may be another one.
async fn until_refused(cluster: &Cluster, at: usize) -> (TooStale, Duration) {
    let began = tokio::time::Instant::now();
    let mut answered_for = Duration::ZERO;
    let refused = async {
        loop {
            let asked = began.elapsed();
            match cluster.view(at, Consistency::Bounded, Duration::ZERO).await {
                Ok(view) => {
                    if let Ok(Staleness(age)) = view.finish() {
                        answered_for = asked;
                        let bound = view.state().settings().max_staleness_ms;
                        let rest = Duration::from_millis(bound).saturating_sub(age);
                        tokio::time::sleep(rest).await;
                    }
                }
                Err(refusal) => return (refusal, answered_for),
            }
        }
    };
    tokio::time::timeout(PATIENCE, refused)
        .await
        .expect("a cut node refuses")
}

/// a write through a follower is forwarded, committed, and seen by a linearizable read at every node.
#[tokio::test(flavor = "multi_thread")]
async fn write_at_a_follower_is_forwarded_and_seen_linearizably_everywhere() {
    let cluster = Cluster::start(3).await;
    let follower = cluster.follower().await;
    let committed = cluster.write(follower, 1).await.unwrap();
    committed.outcome.unwrap();
    for at in 0..3 {
        let view = cluster
            .view(at, Consistency::Linearizable, PATIENCE)
            .await
            .unwrap();
        assert!(view.position().revision >= committed.position.revision);
        assert_eq!(view.position().incarnation, committed.position.incarnation);
        assert!(view.state().account(account(1)).is_some(), "node {at}");
        assert!(view.finish().unwrap().0 <= BOUND);
    }
    cluster.shutdown().await;
}

/// hundreds of writes forwarded at once all commit, and the forwarding node stays fresh meanwhile.
#[tokio::test(flavor = "multi_thread")]
async fn crowd_of_writers_at_a_follower_all_commit_and_leave_it_fresh() {
    let cluster = Cluster::start(3).await;
    let follower = cluster.follower().await;
    let writes = (1..=300).map(|number| cluster.write(follower, number));
    let (written, view) = tokio::join!(futures::future::join_all(writes), async {
        let view = cluster
            .view(follower, Consistency::Linearizable, PATIENCE)
            .await;
        view.unwrap().finish()
    },);
    view.unwrap();
    for committed in written {
        committed.unwrap().outcome.unwrap();
    }
    let view = cluster
        .view(follower, Consistency::Linearizable, PATIENCE)
        .await
        .unwrap();
    assert_eq!(view.state().account_count(), 300);
    cluster.shutdown().await;
}

/// bounded, at-least and its refusals, at a follower and at the leader.
#[tokio::test(flavor = "multi_thread")]
async fn each_demand_is_met_or_refused_with_its_reason() {
    let cluster = Cluster::start(3).await;
    let leader = cluster.leader().await;
    for (number, at) in [(1, leader), (2, cluster.follower().await)] {
        let position = cluster.write(leader, number).await.unwrap().position;
        let view = cluster
            .view(at, Consistency::AtLeast(position), PATIENCE)
            .await
            .unwrap();
        assert!(view.position().revision >= position.revision);
        assert!(view.state().account(account(number)).is_some());

        let view = cluster
            .view(at, Consistency::Bounded, Duration::ZERO)
            .await
            .unwrap();
        assert!(view.finish().unwrap().0 <= BOUND);

        let foreign = Position {
            incarnation: Incarnation([9; 16]),
            ..position
        };
        let refusal = cluster
            .view(at, Consistency::AtLeast(foreign), PATIENCE)
            .await
            .err()
            .unwrap();
        assert_eq!(refusal, TooStale::OtherIncarnation);

        let forged = Position {
            revision: Revision(u64::MAX),
            ..position
        };
        let refusal = cluster
            .view(at, Consistency::AtLeast(forged), PATIENCE)
            .await
            .err()
            .unwrap();
        assert!(
            matches!(refusal, TooStale::BeyondCommitted { .. }),
            "{refusal}"
        );
        assert!(!refusal.is_retryable());
    }
    // A bound that no round can meet is refused, one that a round can meet is met.
    let tight = Demand {
        max_staleness: Some(Duration::from_nanos(1)),
        ..Demand::default()
    };
    let refusal = cluster
        .node(leader)
        .doors()
        .read
        .view(&tight)
        .await
        .err()
        .unwrap();
    assert!(matches!(refusal, TooStale::TooOld { .. }), "{refusal}");
    cluster.shutdown().await;
}

/// a follower whose links are cut answers within the bound, refuses after it and says why, and recovers by itself.
#[tokio::test(flavor = "multi_thread")]
async fn cut_follower_answers_within_the_bound_refuses_after_it_and_recovers() {
    let cluster = Cluster::start_bounded(3, memory, LONG_BOUND).await;
    let follower = cluster.follower().await;
    let before = cluster
        .view(follower, Consistency::Linearizable, PATIENCE)
        .await
        .unwrap()
        .position();
    cluster.cut_off(follower);
    let unseen = cluster
        .write(cluster.leader().await, 1)
        .await
        .unwrap()
        .position;

    let view = cluster
        .view(follower, Consistency::Bounded, Duration::ZERO)
        .await
        .unwrap();
    assert!(
        view.state().account(account(1)).is_none(),
        "the link is cut"
    );
    assert_eq!(view.position().revision, before.revision);
    view.finish().unwrap();

    let (refusal, answered_for) = until_refused(&cluster, follower).await;
    let TooStale::TooOld { age, bound, .. } = &refusal else {
        panic!("{refusal}")
    };
    assert!(*age > LONG_BOUND && *bound == LONG_BOUND, "{refusal}");
    // A view that was given within the bound must not be finished after it.
    assert!(matches!(view.finish(), Err(TooStale::Overtaken { .. })));
    assert!(answered_for <= LONG_WINDOW, "{answered_for:?}");
    let linearizable = cluster
        .view(
            follower,
            Consistency::Linearizable,
            Duration::from_millis(100),
        )
        .await;
    assert!(linearizable.is_err());

    cluster.heal(follower);
    let view = cluster
        .view(follower, Consistency::AtLeast(unseen), PATIENCE)
        .await
        .unwrap();
    assert!(view.state().account(account(1)).is_some());
    view.finish().unwrap();
    cluster.shutdown().await;
}

/// a leader that is cut off refuses reads, and a write at it is never reported as failed.
#[tokio::test(flavor = "multi_thread")]
async fn cut_leader_refuses_reads_and_reports_its_write_as_unknown() {
    let cluster = Cluster::start(3).await;
    let old = cluster.leader().await;
    cluster.cut_off(old);
    let draft = crate::support::cluster::create_account(7);
    let lost = cluster
        .node(old)
        .doors()
        .write
        .propose(draft, Duration::from_millis(400))
        .await;
    assert!(matches!(lost, Err(WriteError::Unknown { .. })), "{lost:?}");
    assert!(!lost.unwrap_err().is_safe_to_retry());
    until_refused(&cluster, old).await;

    // The others elect a leader of their own and go on.
    cluster.leader_other_than(old).await;
    let other = (old + 1) % 3;
    let committed = cluster.write(other, 1).await.unwrap().position;
    cluster.heal(old);
    let view = cluster
        .view(old, Consistency::AtLeast(committed), PATIENCE)
        .await
        .unwrap();
    assert!(view.state().account(account(1)).is_some());
    cluster.shutdown().await;
}

/// when the leader stops, the survivors elect another and decide and write on.
#[tokio::test(flavor = "multi_thread")]
async fn survivors_go_on_when_the_leader_stops() {
    let mut cluster = Cluster::start(3).await;
    cluster.write(0, 1).await.unwrap();
    let old = cluster.leader().await;
    cluster.stop(old).await;
    cluster.leader_other_than(old).await;
    let other = (old + 1) % 3;
    cluster.write(other, 2).await.unwrap();
    let third = (old + 2) % 3;
    let view = cluster
        .view(third, Consistency::Linearizable, PATIENCE)
        .await
        .unwrap();
    assert!(
        view.state().account(account(1)).is_some() && view.state().account(account(2)).is_some()
    );
    cluster.shutdown().await;
}

/// a restart begins with no as-of, and answers only once it is at or beyond what it had answered.
#[tokio::test(flavor = "multi_thread")]
async fn restarted_node_never_goes_back() {
    let mut cluster = Cluster::start(3).await;
    let follower = cluster.follower().await;
    for number in 1..=20 {
        cluster.write(cluster.leader().await, number).await.unwrap();
    }
    let before = cluster
        .view(follower, Consistency::Linearizable, PATIENCE)
        .await
        .unwrap()
        .position();
    cluster.stop(follower).await;
    cluster.cut_off(follower);
    cluster.restart(follower).await;
    let refusal = cluster
        .view(follower, Consistency::Bounded, Duration::from_millis(400))
        .await
        .err()
        .unwrap();
    assert!(matches!(refusal, TooStale::NoProof { .. }), "{refusal}");
    cluster.heal(follower);
    let view = cluster
        .view(follower, Consistency::Bounded, PATIENCE)
        .await
        .unwrap();
    assert!(view.position().revision >= before.revision);
    assert!(view.state().account(account(20)).is_some());
    cluster.shutdown().await;
}

async fn restart_all(mut cluster: Cluster) {
    for number in 1..=10 {
        cluster.write(0, number).await.unwrap().outcome.unwrap();
    }
    for at in 0..3 {
        cluster.stop(at).await;
    }
    for at in 0..3 {
        cluster.restart(at).await;
    }
    for at in 0..3 {
        let view = cluster
            .view(at, Consistency::Linearizable, PATIENCE)
            .await
            .unwrap();
        let missing: Vec<u64> = (1..=10)
            .filter(|number| view.state().account(account(*number)).is_none())
            .collect();
        let status = || {
            let all = (0..3).map(|at| cluster.node(at).cluster().status());
            all.collect::<Vec<_>>()
        };
        assert_eq!(
            missing,
            Vec::<u64>::new(),
            "node {at} at {}: {:#?}",
            view.position(),
            status()
        );
    }
    cluster.shutdown().await;
}

/// all nodes down and up again: nothing acknowledged is lost.
#[tokio::test(flavor = "multi_thread")]
async fn whole_cluster_restarts_with_everything_acknowledged() {
    restart_all(Cluster::start(3).await).await;
}

/// the same on real disks; a clean stop leaves the folders free for the next start.
#[tokio::test(flavor = "multi_thread")]
async fn whole_cluster_restarts_from_its_folders() {
    restart_all(Cluster::start_with(3, folder, |_| {}).await).await;
}

/// A node that joins after the log was purged takes the state in as a snapshot, and restarts from it.
#[tokio::test(flavor = "multi_thread")]
async fn new_node_gets_a_snapshot_when_the_log_is_purged() {
    let mut cluster = Cluster::start_with(1, memory, |settings| {
        settings.condensing = Condensing {
            snapshot_every: 20,
            kept: 2,
            ..Condensing::default()
        };
    })
    .await;
    for number in 1..=100 {
        cluster.write(0, number).await.unwrap().outcome.unwrap();
    }
    tokio::time::timeout(PATIENCE, cluster.node(0).replica().purged())
        .await
        .expect("the log is purged");
    let new = cluster.add().await;
    let via = cluster.node(0).address().to_owned();
    cluster
        .node(new)
        .cluster()
        .join(&via, PATIENCE)
        .await
        .unwrap();
    for round in ["joined", "restarted"] {
        let view = cluster
            .view(new, Consistency::Linearizable, PATIENCE)
            .await
            .unwrap();
        assert!(
            (1..=100).all(|number| view.state().account(account(number)).is_some()),
            "{round}"
        );
        let original = cluster
            .view(0, Consistency::Linearizable, PATIENCE)
            .await
            .unwrap();
        assert_eq!(
            view.state().revision(),
            original.state().revision(),
            "{round}"
        );
        assert_eq!(
            view.state().fingerprint(),
            original.state().fingerprint(),
            "{round}"
        );
        cluster.stop(new).await;
        cluster.restart(new).await;
    }
    cluster.shutdown().await;
}

/// A removed node refuses to decide, and says that it is no member.
#[tokio::test(flavor = "multi_thread")]
async fn removed_node_refuses() {
    let cluster = Cluster::start(3).await;
    let gone = cluster.follower().await;
    let id = cluster.node(gone).node_id();
    // It has decided before: one that never could has nothing to say but that it knows no leader.
    cluster
        .view(gone, Consistency::Bounded, PATIENCE)
        .await
        .unwrap();
    cluster
        .node(gone)
        .cluster()
        .remove(id, PATIENCE)
        .await
        .unwrap();
    // Until it is told so its last proof may grow too old, which is no answer to why.
    crate::support::api::until(PATIENCE, "it knows that it is no member", async || {
        match until_refused(&cluster, gone).await.0 {
            TooStale::NotAMember => Some(()),
            TooStale::TooOld { .. } => None,
            other => panic!("{other}"),
        }
    })
    .await;
    let leader = cluster.leader().await;
    assert_eq!(
        cluster.node(leader).cluster().status().replica.voters.len(),
        2
    );
    cluster.write(leader, 1).await.unwrap();
    cluster.shutdown().await;
}

/// A voter whose disk was lost must not come back under its id: it has forgotten its votes.
#[tokio::test(flavor = "multi_thread")]
async fn voter_with_an_emptied_disk_is_refused_under_its_old_id() {
    let mut cluster = Cluster::start(3).await;
    let lost = cluster.follower().await;
    cluster.stop(lost).await;
    cluster.members[lost].disk = memory();
    cluster.restart(lost).await;
    let via = cluster.node(cluster.leader().await).address().to_owned();
    let refusal = cluster
        .node(lost)
        .cluster()
        .join(&via, PATIENCE)
        .await
        .unwrap_err()
        .to_string();
    assert!(refusal.contains("new node id"), "{refusal}");
    cluster.shutdown().await;
}

/// A node whose disk fails stops by itself and says why; the others go on.
#[tokio::test(flavor = "multi_thread")]
async fn disk_fault_stops_the_node_with_its_reason() {
    let cluster = Cluster::start(3).await;
    let follower = cluster.follower().await;
    cluster.members[follower]
        .disk
        .memory()
        .set_fault(Some(DiskFault::Full));
    let leader = cluster.leader().await;
    cluster.write(leader, 1).await.unwrap();
    let why = tokio::time::timeout(PATIENCE, cluster.node(follower).failed())
        .await
        .expect("the node stops");
    assert!(why.contains("disk is full"), "{why}");
    cluster.write(leader, 2).await.unwrap();
    cluster.shutdown().await;
}

/// A node that belongs to no cluster refuses both doors.
#[tokio::test(flavor = "multi_thread")]
async fn node_without_a_cluster_refuses_to_read_and_to_write() {
    let mut cluster = Cluster::start(1).await;
    let lone = cluster.add().await;
    assert_eq!(
        cluster
            .view(lone, Consistency::Bounded, Duration::ZERO)
            .await
            .err()
            .unwrap(),
        TooStale::NotAMember
    );
    let refusal = cluster.write(lone, 1).await.unwrap_err();
    assert!(
        matches!(refusal, WriteError::Unavailable { .. }) && refusal.is_safe_to_retry(),
        "{refusal}"
    );
    // Nor does a node that has a cluster found another.
    let again = cluster
        .node(0)
        .cluster()
        .initialize(crate::support::cluster::new_cluster())
        .await;
    assert!(again.is_err());
    cluster.shutdown().await;
}
