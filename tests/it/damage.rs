//! Whole nodes on damaged or full disks: the start or the write ends in a refusal that tells what to do, the cluster
//! has everything that it acknowledged, and the damaged node comes back under a new id (issue 2, item 6; Q-1).

use std::fs;
use std::path::{Path, PathBuf};

use grantd::client::api::{ListGrantsRequest, Page};
use grantd::storage::memory::DiskFault;

use crate::storage_common::SplitMix;
use crate::support::api::{
    grant_of_decrypt, make_account, make_grant, make_key, make_principal, until, user,
};
use crate::support::cluster::{Cluster, Disk, PATIENCE, folder, memory};
use crate::support::small_disk::{SmallDisk, again_where_one_may_mount};

const ACCOUNT: &str = "111122223333";
const ALICE: &str = "arn:aws:iam::111122223333:user/Alice";

/// A cluster of three with grants that it has acknowledged.
struct World {
    cluster: Cluster,
    key: String,
    acknowledged: Vec<String>,
}

impl World {
    async fn start(disk: fn() -> Disk) -> Self {
        let cluster = Cluster::start_with(3, disk, |_| {}).await;
        let api = cluster.api(cluster.leader().await);
        make_account(&api, ACCOUNT).await;
        make_principal(&api, ALICE, &[]).await;
        let key = make_key(&api, ACCOUNT, None).await.arn;
        let mut world = Self {
            cluster,
            key,
            acknowledged: Vec::new(),
        };
        for _ in 0..20 {
            world.grant().await;
        }
        world
    }

    /// One more acknowledged grant, through the leader.
    async fn grant(&mut self) {
        let api = self.cluster.api(self.cluster.leader().await);
        let (made, _) = make_grant(&api, ACCOUNT, &self.key, ALICE).await;
        self.acknowledged.push(made.grant_id);
    }

    /// The grants that a node lists, everything acknowledged before included.
    async fn listed(&self, at: usize) -> Vec<String> {
        let root = self.cluster.api(at).by_root(ACCOUNT);
        let (mut ids, mut marker) = (Vec::new(), None);
        loop {
            let list = ListGrantsRequest {
                key_id: self.key.clone(),
                page: Some(Page {
                    limit: Some(100),
                    marker,
                }),
                ..ListGrantsRequest::default()
            };
            let answer = root.call(list).await.unwrap();
            ids.extend(answer.grants.into_iter().map(|grant| grant.grant_id));
            marker = answer.next_marker;
            if marker.is_none() {
                return ids;
            }
        }
    }

    /// Every running node has exactly what was acknowledged.
    async fn assert_nothing_lost(&self) {
        let mut expected = self.acknowledged.clone();
        expected.sort();
        for at in self.cluster.running() {
            let mut listed = self.listed(at).await;
            listed.sort();
            assert_eq!(listed, expected, "node {at}");
            let alice = self.cluster.api(at).by(user(ALICE));
            assert!(alice.may("kms:Decrypt", &self.key).await, "node {at}");
        }
    }

    /// Takes the place of a damaged node, which stays down, with a new node under a new id.
    async fn replace(&mut self, damaged: usize) {
        let leader = self.cluster.leader().await;
        let old = damaged as u64 + 1;
        self.cluster
            .node(leader)
            .cluster()
            .remove(old, PATIENCE)
            .await
            .unwrap();
        let via = self.cluster.node(leader).address().to_owned();
        let new = self.cluster.add().await;
        assert_ne!(self.cluster.node(new).node_id(), old);
        self.cluster
            .node(new)
            .cluster()
            .join(&via, PATIENCE)
            .await
            .unwrap();
        let status = self.cluster.node(leader).cluster().status().replica;
        assert_eq!(status.voters.len(), 3, "{status:?}");
        assert!(!status.voters.contains(&old), "{status:?}");
        self.grant().await;
        self.assert_nothing_lost().await;
    }
}

fn db(folder: &Path) -> PathBuf {
    folder.join("log/db")
}

/// Damages a stopped follower, expects its start to be refused with a text that names the damage and the way back,
/// goes on without it, and replaces it.
async fn refused_and_replaced(damage: impl Fn(&Path), says: &[&str]) {
    let mut world = World::start(folder).await;
    let damaged = world.cluster.follower().await;
    world.cluster.stop(damaged).await;
    damage(world.cluster.members[damaged].disk.path());
    let refusal = match world.cluster.try_restart(damaged).await {
        Ok(()) => panic!("the node started on a damaged disk"),
        Err(refusal) => refusal.to_string(),
    };
    for text in says {
        assert!(refusal.contains(text), "`{text}` is missing in: {refusal}");
    }
    // What a person needs at night: that the node must not come back as it was, and the command.
    for text in ["grantd cluster join", "new node id"] {
        assert!(refusal.contains(text), "`{text}` is missing in: {refusal}");
    }
    world.grant().await;
    world.assert_nothing_lost().await;
    world.replace(damaged).await;
    world.cluster.shutdown().await;
}

/// The log cut in half: the node has acknowledged what is gone.
#[tokio::test(flavor = "multi_thread")]
async fn node_with_a_truncated_log_refuses_to_start_and_is_replaced() {
    let cut = |folder: &Path| {
        let file = fs::OpenOptions::new().write(true).open(db(folder)).unwrap();
        let length = file.metadata().unwrap().len();
        file.set_len(length / 2).unwrap();
    };
    refused_and_replaced(cut, &["the log"]).await;
}

/// One flipped byte in each part of the log file that is in use.
#[tokio::test(flavor = "multi_thread")]
async fn node_with_flipped_bytes_in_its_log_refuses_to_start_and_is_replaced() {
    let flip = |folder: &Path| {
        let mut bytes = fs::read(db(folder)).unwrap();
        let used = bytes.iter().rposition(|byte| *byte != 0).unwrap();
        let mut random = SplitMix(11);
        for part in 0..64 {
            let at = used * part / 64 + random.below((used / 64).max(1) as u64) as usize;
            bytes[at] ^= 1 << random.below(8);
        }
        fs::write(db(folder), bytes).unwrap();
    };
    refused_and_replaced(flip, &["the log"]).await;
}

/// Without its `node.state` a node does not know what it voted for.
#[tokio::test(flavor = "multi_thread")]
async fn node_without_its_node_state_refuses_to_start_and_is_replaced() {
    let delete = |folder: &Path| fs::remove_file(folder.join("node.state")).unwrap();
    refused_and_replaced(delete, &["`node.state` is missing", "voted"]).await;
}

/// Flipped bytes in both slots of `node.state`.
#[tokio::test(flavor = "multi_thread")]
async fn node_with_a_damaged_node_state_refuses_to_start_and_is_replaced() {
    let flip = |folder: &Path| {
        let path = folder.join("node.state");
        let mut bytes = fs::read(&path).unwrap();
        for byte in &mut bytes {
            *byte ^= 0x55;
        }
        fs::write(path, bytes).unwrap();
    };
    refused_and_replaced(flip, &["node.state"]).await;
}

/// A node whose log is gone but whose `node.state` is there.
#[tokio::test(flavor = "multi_thread")]
async fn node_without_its_log_refuses_to_start_and_is_replaced() {
    let delete = |folder: &Path| fs::remove_dir_all(folder.join("log")).unwrap();
    refused_and_replaced(delete, &["the log is missing"]).await;
}

/// An emptied folder cannot be told from a new node's: it starts, decides nothing, and the cluster does not take it
/// back under its old id, for it has forgotten its votes. Under a new id it is taken in.
#[tokio::test(flavor = "multi_thread")]
async fn node_with_an_emptied_folder_decides_nothing_and_rejoins_only_under_a_new_id() {
    let mut world = World::start(folder).await;
    let emptied = world.cluster.follower().await;
    world.cluster.stop(emptied).await;
    let path = world.cluster.members[emptied].disk.path().to_owned();
    for entry in fs::read_dir(&path).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            fs::remove_dir_all(path).unwrap();
        } else {
            fs::remove_file(path).unwrap();
        }
    }
    world.cluster.restart(emptied).await;
    let alice = world.cluster.api(emptied).by(user(ALICE));
    let question = crate::support::api::question("kms:Decrypt", &world.key);
    let refusal = alice.at_once().authorize(question).await.unwrap_err();
    assert_eq!(refusal.code, "TooStale");
    assert!(
        refusal.message.contains("not a member"),
        "{}",
        refusal.message
    );

    let leader = world.cluster.leader().await;
    assert_ne!(leader, emptied);
    let via = world.cluster.node(leader).address().to_owned();
    let refusal = world
        .cluster
        .node(emptied)
        .cluster()
        .join(&via, PATIENCE)
        .await
        .unwrap_err()
        .to_string();
    assert!(refusal.contains("new node id"), "{refusal}");
    // It is bound to nothing: it neither votes nor acknowledges in the name of the voter that it was, and the leader
    // goes on beside it.
    let status = world.cluster.node(emptied).cluster().status().replica;
    assert_eq!(status.incarnation, None);
    world.grant().await;
    assert_eq!(world.cluster.leader().await, leader);
    let status = world.cluster.node(emptied).cluster().status().replica;
    assert_eq!((status.incarnation, status.last_logged.0), (None, 0));
    world.cluster.stop(emptied).await;
    world.grant().await;
    world.assert_nothing_lost().await;
    world.replace(emptied).await;
    world.cluster.shutdown().await;
}

/// The disk of a follower fills up: the node stops and says so, the cluster goes on, and with space again the same node
/// comes back under its own id, for nothing that it acknowledged is gone.
#[tokio::test(flavor = "multi_thread")]
async fn follower_with_a_full_disk_stops_and_comes_back_with_more_space() {
    let mut world = World::start(memory).await;
    let full = world.cluster.follower().await;
    let disk = |world: &World| world.cluster.members[full].disk.memory().clone();
    disk(&world).set_fault(Some(DiskFault::Full));
    world.grant().await;
    let why = tokio::time::timeout(PATIENCE, world.cluster.node(full).failed())
        .await
        .expect("the node stops");
    assert_is_full(&why);
    world.cluster.stop(full).await;
    world.grant().await;
    world.assert_nothing_lost().await;
    disk(&world).set_fault(None);
    world.cluster.restart(full).await;
    world.assert_nothing_lost().await;
    world.cluster.shutdown().await;
}

/// The disk of the leader fills up under a write: whatever the write is told, nothing that was acknowledged is lost,
/// nothing that was refused as without effect appears, and the others elect a leader and go on.
#[tokio::test(flavor = "multi_thread")]
async fn leader_with_a_full_disk_never_acknowledges_what_is_lost() {
    let mut world = World::start(memory).await;
    let full = world.cluster.leader().await;
    let root = world.cluster.api(full).by_root(ACCOUNT);
    world.cluster.members[full]
        .disk
        .memory()
        .set_fault(Some(DiskFault::Full));
    let written = root.call(grant_of_decrypt(&world.key, ALICE)).await;
    let why = tokio::time::timeout(PATIENCE, world.cluster.node(full).failed())
        .await
        .expect("the node stops");
    assert_is_full(&why);
    world.cluster.stop(full).await;
    world.cluster.leader_other_than(full).await;
    let survivor = world.cluster.follower().await;
    let mut expected = world.acknowledged.clone();
    match written {
        Ok(made) => expected.push(made.grant_id),
        Err(error) if error.safe_to_retry => {}
        Err(error) => {
            // Unknown: it may have reached the others, and then it is there for good.
            assert_eq!(error.code, "OutcomeUnknown", "{error:?}");
            let listed = world.listed(survivor).await;
            expected.extend(
                listed
                    .into_iter()
                    .filter(|id| !world.acknowledged.contains(id)),
            );
            assert!(expected.len() <= world.acknowledged.len() + 1);
        }
    }
    world.acknowledged = expected;
    world.grant().await;
    world.assert_nothing_lost().await;
    world.cluster.shutdown().await;
}

fn assert_is_full(why: &str) {
    for text in [
        "the disk is full",
        "nothing that was acknowledged is lost",
        "free some space",
    ] {
        assert!(why.contains(text), "`{text}` is missing in: {why}");
    }
}

/// A real file system of 1 MiB under a whole node, where this user may mount one: the write that fills it is refused,
/// the node stops with the reason, and on a grown file system it has everything that it acknowledged.
#[tokio::test(flavor = "multi_thread")]
async fn node_on_a_file_system_that_fills_up_refuses_and_loses_nothing() {
    let parent = tempfile::tempdir().unwrap();
    let Some(disk) = SmallDisk::mount(parent.path(), 1) else {
        return again_where_one_may_mount(
            "damage::node_on_a_file_system_that_fills_up_refuses_and_loses_nothing",
        );
    };
    // The folder of the node lies inside, so that it goes before the file system does.
    let mut cluster = Cluster::empty(memory);
    let inside = tempfile::tempdir_in(parent.path()).unwrap();
    let at = cluster.add_on(Disk::Folder(inside)).await;
    cluster
        .node(at)
        .cluster()
        .initialize(crate::support::cluster::new_cluster())
        .await
        .unwrap();
    let api = cluster.api(at);
    make_account(&api, ACCOUNT).await;
    make_principal(&api, ALICE, &[]).await;
    let key = make_key(&api, ACCOUNT, None).await.arn;
    let mut world = World {
        cluster,
        key,
        acknowledged: Vec::new(),
    };
    let mut unknown = None;
    let refusal = until(PATIENCE, "the file system fills up", async || {
        let root = api.by_root(ACCOUNT);
        let mut grant = grant_of_decrypt(&world.key, ALICE);
        grant.name = Some("n".repeat(256));
        grant.retiring_principal = Some(ALICE.to_owned());
        grant.constraints = Some(grantd::client::api::GrantConstraints {
            encryption_context_subset: [(format!("{}", world.acknowledged.len()), "v".repeat(300))]
                .into_iter()
                .collect(),
            ..Default::default()
        });
        match root.call(grant).await {
            Ok(made) => {
                world.acknowledged.push(made.grant_id);
                None
            }
            Err(error) => Some(error),
        }
    })
    .await;
    if !refusal.safe_to_retry {
        unknown = Some(refusal.code.clone());
    }
    let why = tokio::time::timeout(PATIENCE, world.cluster.node(at).failed())
        .await
        .expect("the node stops");
    assert_is_full(&why);
    world.cluster.stop(at).await;
    disk.resize(16);
    world.cluster.restart(at).await;
    let listed = world.listed(at).await;
    for id in &world.acknowledged {
        assert!(listed.contains(id), "{id} was acknowledged and is gone");
    }
    assert!(
        listed.len() <= world.acknowledged.len() + usize::from(unknown.is_some()),
        "a grant that was refused is there: {refusal:?}"
    );
    world.cluster.stop(at).await;
    drop(world);
    drop(disk);
}
