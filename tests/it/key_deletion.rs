//! Keys whose waiting period ends, on a real cluster with wall clocks that are wrong.

use std::time::Duration;

use grantd::client::api::{
    CancelKeyDeletionRequest, CreateAliasRequest, CreateGrantRequest, DescribeKeyRequest,
    ListGrantsRequest, ScheduleKeyDeletionRequest,
};
use grantd::domain::ids::KeyArn;
use grantd::domain::state::State;
use grantd::domain::time::Timestamp;

use super::support::api::{Api, make_account, make_key};
use super::support::cluster::{Cluster, memory};

const OWNER: &str = "111122223333";
const DAY: Duration = Duration::from_secs(86_400);

/// How often a node looks at what is due; no other task of it sleeps for this span.
const DUE_EVERY: Duration = Duration::from_millis(23);

async fn cluster() -> Cluster {
    Cluster::start_with(3, memory, |settings| {
        settings.due_every = DUE_EVERY;
    })
    .await
}

async fn schedule(api: &Api, key: &str) {
    let request = ScheduleKeyDeletionRequest {
        key_id: key.to_owned(),
        pending_window_in_days: Some(7),
        ..Default::default()
    };
    let scheduled = api.by_root(OWNER).call(request).await.unwrap();
    assert_eq!(scheduled.key_state, "PendingDeletion");
    assert_eq!(scheduled.pending_window_in_days, 7);
}

/// The state of a key, or the code of the refusal.
async fn state_of(api: &Api, key: &str) -> String {
    let request = DescribeKeyRequest {
        key_id: key.to_owned(),
        ..Default::default()
    };
    match api.by_root(OWNER).call(request).await {
        Ok(answer) => answer.key_metadata.unwrap().key_state,
        Err(error) => error.code,
    }
}

async fn until_gone(cluster: &Cluster, at: usize, key: &str) {
    let arn: KeyArn = key.parse().unwrap();
    let look = |state: &State| state.key(&arn).is_none().then_some(());
    cluster.until_state(at, "the key is gone", look).await;
}

fn clock_of(cluster: &Cluster, at: usize) -> Timestamp {
    cluster.node(at).replica().board().load().state.clock()
}

/// W-5, G-57, ID-2, DESIGN "The one clock assumption": the leader's clock alone, a year ahead, deletes nothing and does not
/// push the cluster's time; once a majority of the voters says that the waiting period is over, the key goes, with its
/// alias and grants, at every node, and one that was cancelled stays.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn key_is_deleted_when_a_majority_of_clocks_says_so() {
    let cluster = cluster().await;
    let leader = cluster.leader().await;
    let api = cluster.api(leader);
    make_account(&api, OWNER).await;
    let root = api.by_root(OWNER);
    let key = make_key(&api, OWNER, None).await.arn;
    let kept = make_key(&api, OWNER, None).await.arn;
    root.call(CreateAliasRequest {
        alias_name: "alias/a".to_owned(),
        target_key_id: key.clone(),
        ..Default::default()
    })
    .await
    .unwrap();
    root.call(CreateGrantRequest {
        key_id: key.clone(),
        grantee_principal: Some(format!("arn:aws:iam::{OWNER}:root")),
        operations: vec!["Decrypt".to_owned()],
        ..Default::default()
    })
    .await
    .unwrap();
    schedule(&api, &key).await;
    schedule(&api, &kept).await;

    cluster.members[leader].clock.set_ahead(365 * DAY);
    // Whatever the leader would wrongly do, it has done once it has looked many times; these writes carry its stamps.
    for n in 0..20 {
        cluster.write(leader, 500_000 + n).await.unwrap();
        cluster.members[leader].clock.rounds(DUE_EVERY, 1).await;
    }
    let real = grantd::env::Clock::wall(&grantd::env::real::RealClock).0;
    let stamped = clock_of(&cluster, leader).as_millis();
    assert!(
        stamped < real + 3_600_000,
        "{stamped} is far ahead of {real}"
    );
    assert_eq!(state_of(&api, &key).await, "PendingDeletion");

    root.call(CancelKeyDeletionRequest {
        key_id: kept.clone(),
        ..Default::default()
    })
    .await
    .unwrap();
    let other = cluster.running().find(|at| *at != leader).unwrap();
    cluster.members[other].clock.set_ahead(8 * DAY);
    until_gone(&cluster, leader, &key).await;
    for at in cluster.running() {
        let api = cluster.api(at);
        assert_eq!(state_of(&api, &key).await, "NotFoundException");
        assert_eq!(state_of(&api, "alias/a").await, "NotFoundException");
        assert_eq!(state_of(&api, &kept).await, "Disabled");
        let grants = ListGrantsRequest {
            key_id: key.clone(),
            ..Default::default()
        };
        let refused = api.by_root(OWNER).call(grants).await.unwrap_err();
        assert_eq!(refused.code, "NotFoundException");
        assert!(clock_of(&cluster, at).as_millis() < real + 9 * 86_400_000);
    }
    cluster.shutdown().await;
}

/// DESIGN "The one clock assumption": a leader whose own clock lags holds up nothing that the others say is due.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slow_clock_of_the_leader_holds_up_nothing() {
    let cluster = cluster().await;
    let leader = cluster.leader().await;
    let api = cluster.api(leader);
    make_account(&api, OWNER).await;
    let key = make_key(&api, OWNER, None).await.arn;
    schedule(&api, &key).await;
    for at in cluster.running().filter(|at| *at != leader) {
        cluster.members[at].clock.set_ahead(7 * DAY + DAY / 24);
    }
    until_gone(&cluster, leader, &key).await;
    cluster.shutdown().await;
}
