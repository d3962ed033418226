//! The last use of a key on real clusters: who allows it, who knows of it, and what a killed node has told before (EC-23).

use std::time::Duration;

use grantd::client::api::{
    BatchAuthorizeRequest, DescribeKeyRequest, DisableKeyRequest, ExplainRequest,
    GetKeyLastUsageRequest, ProposedChange, Question, WhatCanRequest, WhatIfRequest, WhoCanRequest,
    batch_authorize_response::item, proposed_change::Change, what_if_response::side,
};
use grantd::crypto::seal::SealKey;
use grantd::domain::ids::KeyArn;
use grantd::domain::state::State;
use grantd::domain::state::key_usage::UsageOperation;
use grantd::domain::time::Revision;
use grantd::gate::Consistency;

use super::support::api::{
    Api, make_account, make_key, make_principal, put_identity_policy, question, user,
};
use super::support::cluster::{Cluster, PATIENCE, SEAL_KEY, folder, new_cluster};
use super::support::process::{Process, free_ports, grantd, run, text};

const OWNER: &str = "111122223333";
const ALICE: &str = "arn:aws:iam::111122223333:user/Alice";
const DAY: Duration = Duration::from_secs(86_400);

/// Everything, but for keys that were used within a year.
const GUARDED: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"kms:*","Resource":"*"},{"Effect":"Deny","Action":["kms:DisableKey","kms:ScheduleKeyDeletion"],"Resource":"*","Condition":{"NumericLessThanEquals":{"kms:TrailingDaysWithoutKeyUsage":"365"}}}]}"#;

/// An account with a user under the guardrail, and its keys.
async fn prepare(api: &Api, keys: usize) -> Vec<String> {
    make_account(api, OWNER).await;
    make_principal(api, ALICE, &[]).await;
    put_identity_policy(api, ALICE, "Guarded", GUARDED)
        .await
        .unwrap();
    let mut made = Vec::new();
    for _ in 0..keys {
        made.push(make_key(api, OWNER, None).await.arn);
    }
    made
}

async fn may(api: &Api, action: &str, key: &str) -> bool {
    let answer = api.by(user(ALICE)).authorize(question(action, key)).await;
    answer.unwrap().refusal.is_none()
}

async fn disable(api: &Api, key: &str) -> Result<(), String> {
    let request = DisableKeyRequest {
        key_id: key.to_owned(),
        ..Default::default()
    };
    let done = api.by(user(ALICE)).call(request).await;
    done.map(|_| ()).map_err(|error| error.code)
}

fn last_use(state: &State, key: &str) -> Option<UsageOperation> {
    let arn: KeyArn = key.parse().unwrap();
    Some(state.key(&arn)?.last_use?.operation)
}

fn known_at(cluster: &Cluster, at: usize, key: &str) -> Option<UsageOperation> {
    last_use(&cluster.node(at).replica().board().load().state, key)
}

/// Sets every clock ahead, and comes back once the leader has heard all of them: with its freshness round each node tells
/// its own, and the time of what is written next is as late as a majority says.
async fn set_clocks(cluster: &Cluster, ahead: Duration) {
    for member in &cluster.members {
        member.clock.set_ahead(ahead);
    }
    // Twice: the first time each tells its own, the second time each is told what all have.
    for at in (0..cluster.members.len()).chain(0..cluster.members.len()) {
        let fresh = cluster.view(at, Consistency::Linearizable, PATIENCE).await;
        fresh.unwrap();
    }
}

/// EC-23, CK-53: whichever node allows the first use of a key after 24 hours, the leader knows of it before the answer;
/// what is no use leaves the key as unused as it was.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn first_use_of_an_idle_key_is_known_before_its_answer() {
    let cluster = Cluster::start(3).await;
    let leader = cluster.leader().await;
    let follower = (leader + 1) % 3;
    let keys = prepare(&cluster.api(leader), 4).await;
    set_clocks(&cluster, 400 * DAY).await;
    for (at, key) in [(leader, &keys[0]), (follower, &keys[1])] {
        let api = cluster.api(at);
        let rehearsed = api.by(user(ALICE)).authorize(dry(key)).await.unwrap();
        assert_eq!(rehearsed.refusal.unwrap().code, "DryRunOperationException");
        assert!(!may(&api, "kms:Sign", key).await);
        assert!(may(&api, "kms:DescribeKey", key).await);
        assert_eq!(known_at(&cluster, leader, key), None);
        assert!(may(&api, "kms:Encrypt", key).await);
        assert_eq!(
            known_at(&cluster, leader, key),
            Some(UsageOperation::Encrypt)
        );
        assert_eq!(
            disable(&api, key).await,
            Err("AccessDeniedException".to_owned())
        );
        let request = GetKeyLastUsageRequest {
            key_id: key.clone(),
            ..Default::default()
        };
        let told = api.by_root(OWNER).call(request).await.unwrap();
        let used = told.key_last_usage.unwrap();
        assert_eq!(used.operation.as_deref(), Some("Encrypt"));
        assert!(used.kms_request_id.is_some());
        let days = (used.timestamp_ms.unwrap() - told.key_creation_date_ms) / 86_400_000;
        assert!((399..=400).contains(&days), "{days}");
    }
    // Many at once: each is known before the one answer.
    let questions = keys[2..].iter().map(|key| question("kms:Decrypt", key));
    let batch = BatchAuthorizeRequest {
        questions: questions.collect(),
        ..Default::default()
    };
    let alice = cluster.api(follower).by(user(ALICE));
    let answer = alice.call(batch).await.unwrap();
    for item in answer.items {
        assert!(
            matches!(item.result, Some(item::Result::Answered(_))),
            "{item:?}"
        );
    }
    for key in &keys[2..] {
        assert_eq!(
            known_at(&cluster, leader, key),
            Some(UsageOperation::Decrypt)
        );
        assert!(disable(&cluster.api(leader), key).await.is_err());
    }
}

/// CK-53: what only asks about a use of an idle key is none, each kind of question beside the next; neither at once nor when
/// the node that was asked ends is anything told of it. The use itself is told at once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn questions_about_a_use_of_an_idle_key_are_no_use() {
    let mut cluster = Cluster::start(3).await;
    let leader = cluster.leader().await;
    let follower = (leader + 1) % 3;
    let keys = prepare(&cluster.api(leader), 2).await;
    let [key, other] = &keys[..] else {
        panic!("{keys:?}");
    };
    set_clocks(&cluster, 400 * DAY).await;
    let api = cluster.api(follower);
    let root = api.by_root(OWNER);
    let about = || Question {
        subject: Some(user(ALICE)),
        ..question("kms:Encrypt", key)
    };
    let untouched = |asked: &str| {
        for at in [leader, follower] {
            assert_eq!(known_at(&cluster, at, key), None, "{asked}");
        }
    };

    let explain = ExplainRequest {
        header: None,
        question: Some(about()),
    };
    let told = root.call(explain).await.unwrap();
    assert!(told.text.starts_with("ALLOW: "), "{}", told.text);
    untouched("Explain");

    let what_if = WhatIfRequest {
        header: None,
        changes: vec![ProposedChange {
            change: Some(Change::DisableKey(DisableKeyRequest {
                key_id: other.clone(),
                ..Default::default()
            })),
        }],
        questions: vec![about()],
    };
    let told = api.by_root(OWNER).call(what_if).await.unwrap();
    let flip = &told.flips[0];
    for side in [&flip.before, &flip.after] {
        let result = side.as_ref().unwrap().result.as_ref().unwrap();
        assert!(matches!(result, side::Result::Decision(_)), "{result:?}");
    }
    untouched("WhatIf");

    let who_can = WhoCanRequest {
        header: None,
        key_id: key.clone(),
        actions: vec!["kms:Encrypt".to_owned()],
        page: None,
    };
    let told = root.call(who_can).await.unwrap();
    assert!(told.access.iter().any(|access| access.principal == ALICE));
    untouched("WhoCan");

    let what_can = WhatCanRequest {
        header: None,
        principal: ALICE.to_owned(),
        page: None,
    };
    let told = root.call(what_can).await.unwrap();
    assert!(told.access.iter().any(|access| {
        let may = |action: &str| access.actions.iter().any(|one| one == action);
        access.key_arn.as_ref() == Some(key) && may("kms:Encrypt")
    }));
    untouched("WhatCan");

    let rehearsed = api.by(user(ALICE)).authorize(dry(key)).await.unwrap();
    assert_eq!(rehearsed.refusal.unwrap().code, "DryRunOperationException");
    untouched("Authorize, a dry run");

    let describe = DescribeKeyRequest {
        key_id: key.clone(),
        ..Default::default()
    };
    api.by(user(ALICE)).call(describe).await.unwrap();
    untouched("DescribeKey");

    // What is not urgent would be told before a planned stop.
    assert!(may(&api, "kms:Encrypt", other).await);
    cluster.stop(follower).await;
    assert_eq!(known_at(&cluster, leader, key), None);
    assert_eq!(
        known_at(&cluster, leader, other),
        Some(UsageOperation::Encrypt)
    );
    assert!(may(&cluster.api(leader), "kms:Encrypt", key).await);
    assert_eq!(
        known_at(&cluster, leader, key),
        Some(UsageOperation::Encrypt)
    );
}

fn dry(key: &str) -> Question {
    Question {
        dry_run: true,
        ..question("kms:Encrypt", key)
    }
}

/// EC-23: uses that are not urgent are known soon, and before a planned stop at once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn other_uses_are_known_soon_and_before_a_planned_stop() {
    let mut cluster = Cluster::start(3).await;
    let leader = cluster.leader().await;
    let follower = (leader + 1) % 3;
    let keys = prepare(&cluster.api(leader), 2).await;
    assert!(may(&cluster.api(follower), "kms:Encrypt", &keys[0]).await);
    cluster
        .until_state(leader, "the use is known", |state| {
            last_use(state, &keys[0])
        })
        .await;
    assert!(may(&cluster.api(follower), "kms:Encrypt", &keys[1]).await);
    cluster.stop(follower).await;
    assert_eq!(
        known_at(&cluster, leader, &keys[1]),
        Some(UsageOperation::Encrypt)
    );
}

/// EC-23: a node whose clock runs a year ahead tells of a use once, and the state takes its own time.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn node_with_a_wrong_clock_tells_of_a_use_once() {
    let cluster = Cluster::start(3).await;
    let leader = cluster.leader().await;
    let follower = (leader + 1) % 3;
    let key = prepare(&cluster.api(leader), 1).await.remove(0);
    cluster.members[follower].clock.set_ahead(365 * DAY);
    let api = cluster.api(follower);
    assert!(may(&api, "kms:Encrypt", &key).await);
    let now = || {
        let published = cluster.node(leader).replica().board().load();
        let arn: KeyArn = key.parse().unwrap();
        let used = published.state.key(&arn).unwrap().last_use.unwrap();
        assert!(used.at <= published.state.clock());
        published.state.revision()
    };
    let told: Revision = now();
    for _ in 0..20 {
        assert!(may(&api, "kms:Encrypt", &key).await);
    }
    assert_eq!(now(), told);
}

/// EC-23: a process that is killed as soon as it has allowed the first use of a key after 400 days has told of it: the
/// guardrail holds after its restart. A key that was not used may go.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn use_is_known_though_the_node_is_killed_right_after_its_answer() {
    // A folder of 400 days ago.
    let mut cluster = Cluster::empty(folder);
    let at = cluster.add().await;
    cluster.members[at].clock.set_behind(400 * DAY);
    let founded = cluster.node(at).cluster().initialize(new_cluster()).await;
    founded.unwrap();
    let keys = prepare(&cluster.api(at), 2).await;
    cluster.stop(at).await;

    let place = tempfile::tempdir().unwrap();
    let seal_key = place.path().join("seal.key");
    let made = grantd(["cluster", "keygen", seal_key.to_str().unwrap()]).output();
    assert!(made.unwrap().status.success());
    let ours = SealKey::from_bytes(SEAL_KEY).to_file_text();
    std::fs::write(&seal_key, ours.as_bytes()).unwrap();
    let listen = format!("127.0.0.1:{}", free_ports(1)[0]);
    let config = place.path().join("node.toml");
    std::fs::write(
        &config,
        format!(
            "node_id = 1\nlisten = \"{listen}\"\ndata_dir = {:?}\nseal_key_file = {seal_key:?}\n",
            cluster.members[at].disk.path()
        ),
    )
    .unwrap();
    let start = |name: &str| {
        let config = config.to_str().unwrap();
        Process::start(place.path(), name, &["serve", "--config", config])
    };
    let region = ["--region", super::support::api::REGION];
    let first = start("first");
    let asked = [
        "authorize",
        "--principal",
        ALICE,
        "--action",
        "kms:Decrypt",
        "--key",
        &keys[0],
    ];
    run(&listen, asked.into_iter().chain(region));
    first.kill();

    let second = start("second");
    let as_alice = |command: [&str; 3]| {
        let mut command = grantd(command);
        command
            .args(["--as", ALICE, "--endpoint", &listen])
            .args(region);
        command.output().unwrap()
    };
    let refused = as_alice(["key", "disable", &keys[0]]);
    assert_ne!(refused.status.code(), Some(0));
    let why = text(&refused.stderr);
    assert!(why.contains("explicit deny"), "{why}");
    let told = as_alice(["key", "get-last-usage", &keys[0]]);
    assert!(
        text(&told.stdout).contains("Decrypt"),
        "{}",
        text(&told.stdout)
    );
    let unused = as_alice(["key", "disable", &keys[1]]);
    assert_eq!(unused.status.code(), Some(0), "{}", text(&unused.stderr));
    second.kill();
}
