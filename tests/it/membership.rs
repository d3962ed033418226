//! Who is a member: joins and removals that are cut short, disks that are lost or go back in time, ids and addresses that
//! come twice (issue 8). Real processes where a process must die, nodes in this process where a link must be cut.

use std::time::Duration;

use grantd::client::api::StatusResponse;
use grantd::env::real::RealClock;
use grantd::env::{BootTime, Clock};
use grantd::gate::{Consistency, TooStale};
use grantd::wire::peer;
use prost::Message;

use crate::support::api::{make_account, until};
use crate::support::cluster::{Cluster, PATIENCE, account, memory};
use crate::support::nodes::{Nodes, refused, voters_are};
use crate::support::process::text;
use crate::support::proxy::Proxy;

fn now() -> BootTime {
    RealClock.boot()
}

/// Writes `count` accounts, numbered from `first`, at a node.
async fn write(nodes: &Nodes, at: u64, first: u64, count: u64) {
    let api = crate::support::api::Api::at(nodes.at(at));
    for number in first..first + count {
        make_account(&api, &format!("{number:012}")).await;
    }
}

/// F2: the joining node, or whoever asked for the join, is killed at ten moments: the cluster comes to rest before anybody
/// asks again, and to ask again makes the node a voter. So many moments more follow as it takes to meet a change in hand.
#[tokio::test(flavor = "multi_thread")]
async fn join_that_is_killed_at_any_moment_is_finished_by_asking_again() {
    let mut nodes = Nodes::start(2);
    // How long one takes that nobody disturbs.
    nodes.add(10);
    let began = now();
    nodes.join(10, 1);
    let whole = now().since(began);
    crate::support::process::run(nodes.at(1), ["cluster", "remove", "10"]);
    nodes.kill(10);
    let via = nodes.at(1).to_owned();
    let mut met = Vec::new();
    for moment in 0..30 {
        if moment >= 10 && !met.is_empty() {
            break;
        }
        let id = 11 + moment;
        nodes.add(id);
        let args = ["cluster", "join", "--via", &via, "--deadline", "20s"];
        let mut caller = nodes.begin(id, &args);
        RealClock.sleep(whole * (moment % 10) as u32 / 10).await;
        if moment % 2 == 0 {
            nodes.kill(id);
        }
        let _ = caller.kill();
        let _ = caller.wait().unwrap();
        let leader = nodes.leader(&[1, 2]).await;
        let stands = nodes.status(leader).await.unwrap();
        let is_known = stands.members.iter().any(|member| member.node_id == id);
        if is_known && !voters_are(&stands, &[1, 2, id]) {
            met.push((moment, stands.changing.clone()));
        }
        let rest = nodes.until(leader, "no change is left half done", |status| {
            let node = status.members.iter().find(|member| member.node_id == id);
            // Where the node lives it goes on by itself, once it is known.
            let goes_on = is_known && moment % 2 == 1;
            status.changing.is_none() && (!goes_on || node.is_some_and(|node| node.voter))
        });
        rest.await;
        if moment % 2 == 0 {
            nodes.up(id, &[]);
        }
        nodes.join(id, 1);
        let leader = nodes.leader(&[1, 2, id]).await;
        let what = format!("moment {moment}: it votes and nothing is about to change");
        nodes
            .until(leader, &what, |status| voters_are(status, &[1, 2, id]))
            .await;
        crate::support::process::run(&via, ["cluster", "remove", &id.to_string()]);
        nodes.kill(id);
    }
    println!("a change in hand was met at these moments, with these voters: {met:?}");
    assert!(!met.is_empty(), "no moment met a change in hand");
    write(&nodes, 1, 1, 1).await;
}

/// Both sets of voters, as a message to a follower holds them and nothing else does.
fn joint(from: &[u64], to: &[u64]) -> Vec<u8> {
    let set = |voters: &[u64]| peer::VoterSet {
        voters: voters.to_vec(),
    };
    let membership = peer::Membership {
        voter_sets: vec![set(from), set(to)],
        members: Vec::new(),
    };
    membership.encode_to_vec()
}

/// F2 as it was found: node 3 joins, the other voter is stopped with the joint membership on its way to it, and then node 3
/// and whoever asked are killed. The change stands, the status and the log say what it waits for, and so does each other
/// change that is asked for. Once the voter goes on, whoever leads finishes it without being asked: the leader of then, or
/// one that was elected because that one was killed in the midst.
#[tokio::test(flavor = "multi_thread")]
async fn joint_change_that_a_slow_voter_holds_open_is_finished_by_whoever_leads() {
    for leader_dies in [false, true] {
        let mut nodes = Nodes::start(1);
        nodes.add(2);
        nodes.kill(2);
        let proxy = Proxy::start(nodes.at(2).parse().unwrap()).await;
        nodes.up(2, &["--advertise", &proxy.address().to_string()]);
        nodes.join(2, 1);
        nodes.add(3);
        nodes.add(4);
        assert_eq!(nodes.leader(&[1, 2]).await, 1);
        proxy.hold_at(joint(&[1, 2], &[1, 2, 3]));
        let via = nodes.at(1).to_owned();
        let args = ["cluster", "join", "--via", &via, "--deadline", "30s"];
        let mut caller = nodes.begin(3, &args);
        let held = tokio::time::timeout(PATIENCE, proxy.held()).await;
        held.expect("the joint membership is sent to node 2");
        nodes.signal(2, "-STOP");
        proxy.heal();
        let is_held = |status: &StatusResponse| {
            let change = status.changing.as_ref();
            change.is_some_and(|c| (&c.from[..], &c.to[..]) == (&[1, 2], &[1, 2, 3]))
        };
        nodes.until(1, "the voters are changing", is_held).await;
        nodes.kill(3);
        let _ = caller.kill();
        let _ = caller.wait().unwrap();

        let silent = "node 2 has not been heard for";
        let change = "the change of the voters [1, 2] -> [1, 2, 3]";
        nodes
            .tells(1, &["WARN", "does not end", change, silent])
            .await;
        nodes.cannot_join(4, 1, silent);
        let removal = ["cluster", "remove", "3", "--deadline", "20s"];
        refused(&nodes.ask(1, &removal), silent);
        nodes
            .tells(1, &["WARN", "node 3 is taken in", silent])
            .await;
        let stands = nodes.status(1).await.unwrap();
        assert!(is_held(&stands), "{stands:?}");
        println!("held open in term {}: {:?}", stands.term, stands.changing);

        if leader_dies {
            nodes.kill(1);
        }
        nodes.signal(2, "-CONT");
        if leader_dies {
            nodes.up(1, &[]);
        }
        for id in [1, 2] {
            let what = "three vote, and nothing is about to change";
            let rest = nodes.until(id, what, |status| voters_are(status, &[1, 2, 3]));
            let rest = rest.await;
            println!("node {id} afterwards: term {}", rest.term);
        }
        let leader = nodes.leader(&[1, 2]).await;
        write(&nodes, leader, 1, 1).await;
        // The killed node is what it was made, and the next one is taken in.
        nodes.up(3, &[]);
        nodes.join(3, leader);
        nodes.join(4, leader);
    }
}

/// A node that has become a learner and was killed before it could vote: its id.
async fn learner(nodes: &mut Nodes, leader: u64, voters: &[u64]) -> u64 {
    for id in 10..40 {
        nodes.add(id);
        let via = nodes.at(leader).to_owned();
        let args = ["cluster", "join", "--via", &via, "--deadline", "20s"];
        let mut caller = nodes.begin(id, &args);
        let is_known = |status: &StatusResponse| status.members.iter().any(|m| m.node_id == id);
        nodes.until(leader, "the node is a member", is_known).await;
        nodes.kill(id);
        let _ = caller.kill();
        let _ = caller.wait().unwrap();
        let is_settled = |status: &StatusResponse| status.changing.is_none();
        let status = nodes
            .until(leader, "no change is half done", is_settled)
            .await;
        if voters_are(&status, voters) {
            println!("node {id} is a learner");
            return id;
        }
        // It was faster.
        let removal = nodes.ask(leader, &["cluster", "remove", &id.to_string()]);
        assert!(removal.status.success(), "{}", text(&removal.stderr));
    }
    panic!("each node became a voter before it was killed");
}

/// F3, F15: a learner that has the whole log, as far as the leader knows, and then loses its disk: it is not taken back
/// under its id, by whichever member, and nobody promotes it, this leader or the next. A new id is welcome.
#[tokio::test(flavor = "multi_thread")]
async fn learner_that_has_lost_its_disk_is_not_taken_back_and_nobody_promotes_it() {
    let mut nodes = Nodes::start(3);
    let leader = nodes.leader(&[1, 2, 3]).await;
    let id = learner(&mut nodes, leader, &[1, 2, 3]).await;
    write(&nodes, leader, 1, 5).await;
    nodes.up(id, &[]);
    let has = nodes.status(leader).await.unwrap().applied_revision;
    nodes
        .until(id, "the learner has the log", |status| {
            status.role == "learner" && status.applied_revision >= has
        })
        .await;
    nodes.kill(id);
    nodes.wipe(id);
    nodes.up(id, &[]);
    for via in [1, 2, 3] {
        nodes.cannot_join(id, via, "has lost its disk");
    }
    let told = nodes.status(id).await.unwrap();
    assert_eq!(
        (told.role.as_str(), told.incarnation),
        ("uninitialized", None)
    );
    let is_no_voter = |status: &StatusResponse| {
        voters_are(status, &[1, 2, 3]) && status.members.iter().any(|m| m.node_id == id)
    };
    write(&nodes, leader, 11, 5).await;
    let status = nodes.status(leader).await.unwrap();
    assert!(is_no_voter(&status), "{status:?}");

    // The next leader knows of it by the membership alone.
    nodes.kill(leader);
    let rest: Vec<u64> = (1..=3).filter(|other| *other != leader).collect();
    let next = nodes.leader(&rest).await;
    write(&nodes, next, 21, 5).await;
    nodes.cannot_join(id, next, "has lost its disk");
    nodes.up(leader, &[]);
    nodes.until(leader, "it is no voter", is_no_voter).await;
    nodes.until(next, "it is no voter", is_no_voter).await;
    assert_eq!(nodes.status(id).await.unwrap().role, "uninitialized");

    let new = id + 50;
    nodes.add(new);
    nodes.join(new, next);
    let removal = nodes.ask(next, &["cluster", "remove", &id.to_string()]);
    assert!(removal.status.success(), "{}", text(&removal.stderr));
    nodes
        .until(next, "the new one votes", |status| {
            voters_are(status, &[1, 2, 3, new])
        })
        .await;
}

/// Who was added, promoted and removed is told with its reason: by the leader with what was asked of it, by the others with
/// who made the change.
#[tokio::test(flavor = "multi_thread")]
async fn each_member_that_comes_votes_or_goes_is_told_with_its_reason() {
    let mut nodes = Nodes::start(2);
    let leader = nodes.leader(&[1, 2]).await;
    let other = 3 - leader;
    nodes.add(3);
    nodes.join(3, leader);
    let removal = nodes.ask(other, &["cluster", "remove", "3"]);
    assert!(removal.status.success(), "{}", text(&removal.stderr));
    let stands = nodes.status(leader).await.unwrap();
    assert_eq!(stands.role, "leader", "the lead has changed");
    let made = format!("node {leader}, which led in term {}", stands.term);
    let lines = [
        ("was added", "it asked to join"),
        ("was promoted", "has told that it has caught up to revision"),
        ("was removed", "an operator asked for its removal"),
    ];
    for (says, why) in lines {
        nodes.tells(leader, &["INFO", "node 3", says, why]).await;
        nodes.tells(other, &["INFO", "node 3", says, &made]).await;
    }
}

/// F2: the leader is killed while a node joins: whoever leads next brings the membership to rest by itself, and the node
/// is a voter once it has asked again.
#[tokio::test(flavor = "multi_thread")]
async fn leader_that_is_killed_during_a_join_leaves_nothing_half_done() {
    let mut nodes = Nodes::start(3);
    nodes.add(10);
    let began = now();
    nodes.join(10, 1);
    let whole = now().since(began);
    let members = [1, 2, 3, 10];
    let mut old = nodes.leader(&members).await;
    let mut all = members.to_vec();
    for moment in 1..=3 {
        let id = 10 + moment;
        nodes.add(id);
        let via = nodes.at(old).to_owned();
        let args = ["cluster", "join", "--via", &via, "--deadline", "5s"];
        let mut caller = nodes.begin(id, &args);
        RealClock.sleep(whole * moment as u32 / 4).await;
        nodes.kill(old);
        let mut rest: Vec<u64> = all.iter().copied().filter(|node| *node != old).collect();
        rest.push(id);
        let new = nodes.leader(&rest).await;
        nodes
            .until(new, "no change is left half done", |status| {
                status.leader_id.is_some() && status.changing.is_none()
            })
            .await;
        let _ = caller.kill();
        let _ = caller.wait().unwrap();
        nodes.join(id, new);
        all.push(id);
        let voters = all.clone();
        nodes.up(old, &[]);
        nodes
            .until(new, "all vote", |status| voters_are(status, &voters))
            .await;
        old = nodes.leader(&all).await;
    }
}

/// F15: a voter that has lost its disk is not taken back under its id, nor when it was removed, nor with the disk that it
/// had: an id belongs to one disk and is never given again. What was removed says so itself, after a restart too.
#[tokio::test(flavor = "multi_thread")]
async fn id_is_never_given_again() {
    let mut nodes = Nodes::start(3);
    nodes.kill(3);
    let kept = nodes.copy(3);
    nodes.wipe(3);
    nodes.up(3, &[]);
    nodes.cannot_join(3, 1, "has lost its disk");
    let told = nodes.status(3).await.unwrap();
    assert_eq!(
        (told.role.as_str(), told.incarnation),
        ("uninitialized", None)
    );

    // With its disk it is what it was.
    nodes.kill(3);
    nodes.put_back(3, &kept);
    nodes.up(3, &[]);
    nodes.join(3, 1);

    // Whoever never was a member is refused; whoever was removed before is told of.
    refused(
        &nodes.ask(1, &["cluster", "remove", "99"]),
        "there is no node 99 in the cluster",
    );
    let once = nodes.ask(1, &["cluster", "remove", "3"]);
    assert!(once.status.success(), "{}", text(&once.stderr));
    let again = nodes.ask(1, &["cluster", "remove", "3", "--output", "json"]);
    assert!(again.status.success(), "{}", text(&again.stderr));
    assert!(text(&again.stdout).contains("\"RemovedAlready\": true"));

    let is_removed = |status: &grantd::client::api::StatusResponse| status.role == "removed";
    nodes
        .until(3, "it knows that it was removed", is_removed)
        .await;
    nodes.cannot_join(3, 1, "node 3 was removed from the cluster");
    nodes.kill(3);
    nodes.up(3, &[]);
    nodes
        .until(3, "it knows so after a restart", is_removed)
        .await;
    nodes.cannot_join(3, 1, "an id is never given again");
    nodes.kill(3);
    nodes.wipe(3);
    nodes.up(3, &[]);
    nodes.cannot_join(3, 1, "node 3 was removed from the cluster");
    // Everybody knows the ids, whoever leads, after a restart and from a snapshot too (see the unit tests of its head).
    for id in [1, 2] {
        nodes.kill(id);
        nodes.up(id, &[]);
    }
    nodes.leader(&[1, 2]).await;
    nodes.cannot_join(3, 2, "node 3 was removed from the cluster");
}

/// F8: a folder is replaced by an older copy of itself: the node stops and says how it comes back, the leader says so too
/// and goes on.
#[tokio::test(flavor = "multi_thread")]
async fn voter_on_an_older_copy_of_its_disk_stops() {
    let mut nodes = Nodes::start(3);
    let leader = nodes.leader(&[1, 2, 3]).await;
    let back = if leader == 3 { 2 } else { 3 };
    nodes.kill(back);
    let older = nodes.copy(back);
    nodes.up(back, &[]);
    write(&nodes, leader, 1, 5).await;
    let told = nodes.status(leader).await.unwrap();
    nodes
        .until(back, "it has what was written", |status| {
            status.applied_revision >= told.applied_revision
        })
        .await;
    nodes.kill(back);
    nodes.put_back(back, &older);
    let mut process = nodes.up_to_stop(back);
    let stopped = until(PATIENCE, "the older copy stops", async || {
        process.has_ended()
    })
    .await;
    let errors = process.errors();
    assert!(!stopped.success(), "{errors}");
    for says in ["the log ends at", "has acknowledged up to", "new node id"] {
        assert!(errors.contains(says), "`{says}` is missing in: {errors}");
    }
    let others: Vec<u64> = (1..=3).filter(|id| *id != back).collect();
    let now = nodes.leader(&others).await;
    write(&nodes, now, 51, 5).await;
    let says = "its disk was replaced by an older copy";
    let errors: Vec<String> = others.iter().map(|id| nodes.errors(*id)).collect();
    assert!(errors.iter().any(|told| told.contains(says)), "{errors:?}");
}

/// F8: the copy comes back when the leader that counted its acknowledgements is dead. Who heard of them from that leader
/// neither votes for it nor counts its vote, and tells it: it stops, and the write that only it and the dead leader had is
/// there again with that leader.
#[tokio::test(flavor = "multi_thread")]
async fn voter_on_an_older_copy_of_its_disk_elects_nobody() {
    let mut nodes = Nodes::start(3);
    let leader = nodes.leader(&[1, 2, 3]).await;
    let [back, witness] = match leader {
        1 => [2, 3],
        2 => [1, 3],
        _ => [1, 2],
    };
    nodes.kill(back);
    let older = nodes.copy(back);
    nodes.up(back, &[]);
    write(&nodes, leader, 1, 5).await;
    let told = nodes.status(leader).await.unwrap();
    nodes
        .until(back, "it has what was written", |status| {
            status.applied_revision >= told.applied_revision
        })
        .await;
    // With its answer the leader tells the witness what each disk holds.
    let args = ["account", "list", "--linearizable"];
    crate::support::process::run(nodes.at(witness), args);
    nodes.kill(leader);
    nodes.kill(back);
    nodes.put_back(back, &older);
    let mut process = nodes.up_to_stop(back);
    until(PATIENCE, "the older copy stops", async || {
        process.has_ended()
    })
    .await;
    let errors = process.errors();
    for says in ["the log ends at", "has acknowledged up to", "new node id"] {
        assert!(errors.contains(says), "`{says}` is missing in: {errors}");
    }
    let told = nodes.errors(witness);
    assert!(
        told.contains("its disk was replaced by an older copy"),
        "{told}"
    );
    nodes.up(leader, &[]);
    let now = nodes.leader(&[leader, witness]).await;
    write(&nodes, now, 51, 5).await;
    let list = nodes.ask(now, &["account", "list", "--linearizable"]);
    let list = text(&list.stdout);
    for number in (1..=5).chain(51..=55) {
        assert!(
            list.contains(&format!("{number:012}")),
            "{number} in {list}"
        );
    }
}

/// An address belongs to one member, under whatever name it is given.
#[tokio::test(flavor = "multi_thread")]
async fn second_member_at_an_address_is_refused() {
    let mut nodes = Nodes::start(2);
    nodes.add(3);
    nodes.kill(3);
    let taken = nodes.at(2).to_owned();
    nodes.up(3, &["--advertise", &taken]);
    nodes.cannot_join(3, 1, "is that of node 2");
    nodes.kill(3);
    // The same place under another name.
    let port = taken.rsplit(':').next().unwrap();
    nodes.up(3, &["--advertise", &format!("localhost:{port}")]);
    nodes.cannot_join(3, 1, "leads to node 2");
    let status = nodes.status(3).await.unwrap();
    assert_eq!(status.incarnation, None, "it is bound to nothing");
    nodes.kill(3);
    nodes.up(3, &[]);
    nodes.join(3, 1);
    // A node of no cluster cannot take anybody in, and says so at once.
    nodes.add(4);
    nodes.add(5);
    let began = now();
    nodes.cannot_join(5, 4, "belongs to no cluster yet");
    assert!(now().since(began) < Duration::from_secs(15));
}

/// A node that has moved is called at its new address once it has asked to join again: openraft keeps the client that it
/// made for the old one.
#[tokio::test(flavor = "multi_thread")]
async fn node_that_has_moved_is_reached_at_its_new_address() {
    let mut nodes = Nodes::start(3);
    nodes.kill(3);
    nodes.moves(3);
    nodes.up(3, &[]);
    nodes.join(3, 1);
    write(&nodes, 1, 1, 3).await;
    let leader = nodes.leader(&[1, 2, 3]).await;
    let told = nodes.status(leader).await.unwrap();
    nodes
        .until(3, "it has what was written, and is fresh", |status| {
            status.applied_revision >= told.applied_revision && status.staleness_ms.is_some()
        })
        .await;
}

/// Before a removal the rest must have a quorum of nodes that were heard lately; a leader that goes leaves the lead to one
/// of those.
#[tokio::test(flavor = "multi_thread")]
async fn removal_that_would_leave_no_quorum_is_refused() {
    let mut nodes = Nodes::start(3);
    let leader = nodes.leader(&[1, 2, 3]).await;
    let others: Vec<u64> = (1..=3).filter(|id| *id != leader).collect();
    let (dead, alive) = (others[0], others[1]);
    nodes.kill(dead);
    for node in [alive, leader] {
        let removal = nodes.ask(
            leader,
            &["cluster", "remove", &node.to_string(), "--deadline", "20s"],
        );
        refused(&removal, &format!("{dead} did not ask for a read index"));
    }
    nodes
        .until(leader, "all three are members", |status| {
            voters_are(status, &[1, 2, 3])
        })
        .await;
    // The dead one may go, and then the leader: the other one takes over.
    let removal = nodes.ask(leader, &["cluster", "remove", &dead.to_string()]);
    assert!(removal.status.success(), "{}", text(&removal.stderr));
    let removal = nodes.ask(
        leader,
        &[
            "cluster",
            "remove",
            &leader.to_string(),
            "--deadline",
            "20s",
        ],
    );
    assert!(removal.status.success(), "{}", text(&removal.stderr));
    nodes
        .until(alive, "it leads alone", |status| {
            status.role == "leader" && voters_are(status, &[alive])
        })
        .await;
    nodes
        .until(leader, "it says that it was removed", |status| {
            status.role == "removed"
        })
        .await;
    write(&nodes, alive, 1, 1).await;
}

/// The fourth node never asks for a read index, so that no leader ever hears what it has.
fn silent_fourth(settings: &mut grantd::node::NodeSettings) {
    if settings.node_id == Some(4) {
        settings.freshness_every = Duration::from_secs(3_600);
    }
}

/// F3: a node that has the log, as the leader's own figure says, and has never said so is no voter; a learner that then
/// loses its disk is refused, and becomes none either. It is shown as what it is.
#[tokio::test(flavor = "multi_thread")]
async fn learner_is_promoted_by_its_own_word_and_not_after_its_disk_was_lost() {
    let mut cluster = Cluster::start_with(3, memory, silent_fourth).await;
    let leader = cluster.leader().await;
    let via = cluster.node(leader).address().to_owned();
    let fourth = cluster.add().await;
    let joined = cluster
        .node(fourth)
        .cluster()
        .join(&via, Duration::from_secs(3))
        .await;
    let why = joined.unwrap_err().to_string();
    assert!(why.contains("has not caught up"), "{why}");
    let learner = |cluster: &Cluster, at: usize| {
        let status = cluster.node(at).cluster().status().replica;
        status.members.contains_key(&4) && !status.voters.contains(&4)
    };
    assert!(learner(&cluster, leader));
    cluster.write(leader, 1).await.unwrap().outcome.unwrap();
    let has = |state: &grantd::domain::state::State| state.account(account(1)).map(drop);
    cluster
        .until_state(fourth, "the learner has the log", has)
        .await;
    let shown = cluster
        .api(fourth)
        .call(grantd::client::api::StatusRequest::default())
        .await
        .unwrap();
    assert_eq!(shown.role, "learner");
    assert!(learner(&cluster, leader), "what it has does not promote it");

    cluster.stop(fourth).await;
    cluster.members[fourth].disk = memory();
    cluster.restart(fourth).await;
    let why = cluster
        .node(fourth)
        .cluster()
        .join(&via, PATIENCE)
        .await
        .unwrap_err()
        .to_string();
    assert!(why.contains("has lost its disk"), "{why}");
    assert!(learner(&cluster, leader));
    // Nothing spins, and writes go on: with the empty node in the way one dead voter would be one too many.
    let dead = cluster.follower().await;
    cluster.stop(dead).await;
    cluster.write(leader, 2).await.unwrap().outcome.unwrap();
    cluster.shutdown().await;
}

/// F14: a leader that was deposed and does not know it takes nobody in, and what asks it is bound to nothing.
#[tokio::test(flavor = "multi_thread")]
async fn node_that_asks_a_deposed_leader_is_bound_to_nothing() {
    let mut cluster = Cluster::start(3).await;
    let old = cluster.leader().await;
    cluster.cut_off(old);
    cluster.leader_other_than(old).await;
    let fourth = cluster.add().await;
    let via = cluster.node(old).address().to_owned();
    let joined = cluster
        .node(fourth)
        .cluster()
        .join(&via, Duration::from_secs(2))
        .await;
    assert!(joined.is_err());
    assert_eq!(
        cluster.node(fourth).cluster().status().replica.incarnation,
        None
    );
    cluster.heal(old);
    cluster
        .node(fourth)
        .cluster()
        .join(&via, PATIENCE)
        .await
        .unwrap();
    cluster.shutdown().await;
}

/// A removed node refuses to decide as one that is no member, and its writes are not taken: those of the system come from
/// members alone.
#[tokio::test(flavor = "multi_thread")]
async fn removed_node_decides_nothing_and_writes_nothing() {
    let cluster = Cluster::start(3).await;
    let leader = cluster.leader().await;
    let gone = cluster.follower().await;
    let id = cluster.node(gone).node_id();
    cluster
        .node(leader)
        .cluster()
        .remove(id, PATIENCE)
        .await
        .unwrap();
    let refusal = crate::support::api::until(PATIENCE, "it is no member", async || {
        let view = cluster
            .view(gone, Consistency::Bounded, Duration::ZERO)
            .await;
        RealClock.sleep(Duration::from_millis(10)).await;
        view.err()
            .filter(|refusal| matches!(refusal, TooStale::NotAMember))
    })
    .await;
    assert_eq!(refusal, TooStale::NotAMember);

    let address = format!("http://{}", cluster.node(leader).address());
    let mut client = peer::peer_client::PeerClient::connect(address)
        .await
        .unwrap();
    let incarnation = cluster.node(leader).replica().incarnation().unwrap();
    for from in [id, 77] {
        let draft = peer::ProposeRequest {
            route: Some(peer::Route {
                incarnation: incarnation.0.to_vec().into(),
                from,
                to: cluster.node(leader).node_id(),
                to_disk: Default::default(),
            }),
            draft: Default::default(),
            deadline_ms: 1_000,
        };
        let status = client.propose(draft).await.unwrap_err();
        assert_eq!(status.code(), tonic::Code::FailedPrecondition);
        assert!(
            status.message().contains("is no member of the cluster"),
            "{status:?}"
        );
    }
    // What is meant for another disk than this node's is not taken either: its id may have had one.
    let stray = peer::ProposeRequest {
        route: Some(peer::Route {
            incarnation: incarnation.0.to_vec().into(),
            from: cluster.node(leader).node_id(),
            to: cluster.node(leader).node_id(),
            to_disk: vec![9; 16].into(),
        }),
        draft: Default::default(),
        deadline_ms: 1_000,
    };
    let status = client.propose(stray).await.unwrap_err();
    assert!(status.message().contains("for the disk"), "{status:?}");
    cluster.shutdown().await;
}
