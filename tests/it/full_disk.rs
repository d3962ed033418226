//! A disk that is really full when a snapshot is due, under a real process (H-4): told where it hurts, in the log and in the
//! status, nothing else waits, and once there is room the snapshot is taken or installed without a restart.

use std::fs;

use futures::stream::{self, StreamExt};
use grantd::client::api::{StatusResponse, TagResourceRequest};
use grantd::domain::limits::{ACCOUNTS_MAX, LOG_KEPT_ENTRIES, SNAPSHOT_EVERY_ENTRIES};

use crate::support::api::{Api, REGION, make_account, make_key, make_principal, tag, user};
use crate::support::nodes::Nodes;
use crate::support::small_disk::{SmallDisk, again_where_one_may_mount};

const ACCOUNT: &str = "111122223333";
const ALICE: &str = "arn:aws:iam::111122223333:user/Alice";
const AT_ONCE: usize = 64;
/// What is left where a snapshot finds no room and the log does: less than the 8 MiB that a snapshot leaves alone.
const LEFT: u64 = 7 << 20;

/// So many changes, many at a time: accounts while there may be more of them, and then tags.
async fn change(api: &Api, key: &str, made: &mut u64, count: u64) {
    let numbers = *made + 1..=*made + count;
    *made += count;
    stream::iter(numbers)
        .for_each_concurrent(AT_ONCE, |number| async move {
            if number < ACCOUNTS_MAX as u64 / 2 {
                return make_account(api, &format!("{number:012}")).await;
            }
            let tagged = TagResourceRequest {
                key_id: key.to_owned(),
                tags: vec![tag("n", &number.to_string())],
                ..TagResourceRequest::default()
            };
            api.by_root(ACCOUNT).call(tagged).await.unwrap();
        })
        .await;
}

fn is_well(status: &StatusResponse) -> bool {
    status.faults.is_empty() && status.staleness_ms.is_some()
}

fn tells_of_snapshots(status: &StatusResponse) -> bool {
    status.faults.iter().any(|fault| fault.contains("snapshot"))
}

/// The node whose disk is full says so, and goes on.
fn cannot(status: &StatusResponse, what: &str) -> bool {
    let is_told = |fault: &String| fault.contains(what) && fault.contains("MiB are free");
    status.faults.iter().any(is_told) && status.staleness_ms.is_some()
}

#[tokio::test(flavor = "multi_thread")]
async fn snapshot_on_a_full_disk_is_told_blocks_nothing_and_follows_once_there_is_room() {
    let mut nodes = Nodes::start_with(2, &["--region", REGION]);
    let data = nodes.data(3);
    fs::create_dir(&data).unwrap();
    let Some(disk) = SmallDisk::mount(&data, 64) else {
        return again_where_one_may_mount(
            "full_disk::snapshot_on_a_full_disk_is_told_blocks_nothing_and_follows_once_there_is_room",
        );
    };
    nodes.add(3);
    nodes.join(3, 1);
    let leader = nodes.leader(&[1, 2]).await;
    let api = Api::at(nodes.at(leader));
    make_account(&api, ACCOUNT).await;
    make_principal(&api, ALICE, &[]).await;
    let policy = format!(
        r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Principal":{{"AWS":"{ALICE}"}},"Action":"kms:Decrypt","Resource":"*"}},{{"Effect":"Allow","Principal":{{"AWS":"arn:aws:iam::{ACCOUNT}:root"}},"Action":"kms:*","Resource":"*"}}]}}"#
    );
    let key = make_key(&api, ACCOUNT, Some(&policy)).await.arn;
    let decides = async |nodes: &Nodes, at: u64| {
        let alice = Api::at(nodes.at(at)).by(user(ALICE));
        assert!(alice.may("kms:Decrypt", &key).await, "node {at}");
    };

    // A snapshot is due, and cannot be taken.
    let mut made = 0;
    let mut write = async |count: u64| change(&api, &key, &mut made, count).await;
    write(SNAPSHOT_EVERY_ENTRIES - 500).await;
    let status = nodes.status(3).await.unwrap();
    assert!(!tells_of_snapshots(&status), "{status:?}");
    let ballast = disk.fill_up_to(LEFT);
    println!("{} bytes are free on the disk of node 3", disk.free());
    write(600).await;
    nodes
        .tells(3, &["WARN", "a snapshot cannot be taken", "MiB are free"])
        .await;
    let told = |status: &StatusResponse| cannot(status, "a snapshot cannot be taken");
    let status = nodes.until(3, "its status tells", told).await;
    println!("node 3: {:?}", status.faults);
    nodes.tells(leader, &["snapshot taken"]).await;
    write(100).await;
    for at in [1, 2, 3] {
        decides(&nodes, at).await;
    }
    let status = nodes.status(leader).await.unwrap();
    assert!(!tells_of_snapshots(&status), "{status:?}");
    assert!(!nodes.errors(3).contains("snapshot taken"));
    fs::remove_file(&ballast).unwrap();
    nodes.tells(3, &["snapshot taken"]).await;
    nodes.until(3, "the fault is over", is_well).await;

    // It is away until it needs the leader's snapshot, and there is no room for that one.
    nodes.kill(3);
    let has = nodes.status(leader).await.unwrap().applied_revision;
    write(SNAPSHOT_EVERY_ENTRIES + LOG_KEPT_ENTRIES + 500).await;
    let is_purged = |status: &StatusResponse| {
        let covered = status.snapshots.as_ref().and_then(|held| held.revision);
        covered.is_some_and(|covered| covered > has + LOG_KEPT_ENTRIES)
    };
    nodes.until(leader, "its log begins later", is_purged).await;
    disk.fill_up_to(LEFT);
    println!("{} bytes are free on the disk of node 3", disk.free());
    nodes.up(3, &[]);
    let sends = format!("the snapshot that node {leader} sends cannot be taken in");
    nodes.tells(3, &["WARN", &sends, "MiB are free"]).await;
    let not_sent = "node 3 cannot be sent a snapshot";
    nodes
        .tells(leader, &["WARN", not_sent, "MiB are free"])
        .await;
    let taken_in =
        |status: &StatusResponse| status.faults.iter().any(|fault| fault.contains(&sends));
    let status = nodes.until(3, "its status tells", taken_in).await;
    println!("node 3: {:?}", status.faults);
    let told = |status: &StatusResponse| cannot(status, not_sent);
    let status = nodes.until(leader, "the leader's status tells", told).await;
    println!("node {leader}: {:?}", status.faults);
    write(100).await;
    for at in [1, 2] {
        decides(&nodes, at).await;
    }
    assert!(!nodes.errors(3).contains("snapshot installed"));
    fs::remove_file(&ballast).unwrap();
    nodes.tells(3, &["snapshot installed"]).await;
    let has = nodes.status(leader).await.unwrap().applied_revision;
    nodes
        .until(3, "it has everything", |status| {
            is_well(status) && status.applied_revision >= has
        })
        .await;
    decides(&nodes, 3).await;
    nodes.until(leader, "the leader is well", is_well).await;
}
