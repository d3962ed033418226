//! Grants beyond AWS's, on running nodes: those that expire, those with a budget, those that end with their ancestors,
//! and the listings that AWS does not have (EC-11 to EC-13, X-1 to X-4).

use std::time::Duration;

use grantd::client::api::{
    ConsumeRequest, CreateGrantRequest, DescribeGrantsRequest, ListDuplicateGrantsRequest,
    ListGrantsByGranteeRequest, ListGrantsRequest, RevokeGrantRequest,
};
use grantd::domain::state::State;
use grantd::env::Clock;
use grantd::env::real::RealClock;

use crate::support::api::{
    Api, grant_of_decrypt, make_account, make_grant, make_key, make_principal, question, user, via,
    with_tokens,
};
use crate::support::cluster::Cluster;
use crate::support::process::{Process, grantd, run, text};

const ACCOUNT: &str = "111122223333";
const ALICE: &str = "arn:aws:iam::111122223333:user/Alice";
const BOB: &str = "arn:aws:iam::111122223333:user/Bob";

/// Nodes in memory, a key, and two users that its policy gives nothing.
struct World {
    cluster: Cluster,
    key: String,
}

impl World {
    async fn start(nodes: usize) -> Self {
        let cluster = Cluster::start(nodes).await;
        let api = cluster.api(cluster.leader().await);
        make_account(&api, ACCOUNT).await;
        for arn in [ALICE, BOB] {
            make_principal(&api, arn, &[]).await;
        }
        let key = make_key(&api, ACCOUNT, None).await.arn;
        Self { cluster, key }
    }

    fn by(&self, node: usize, arn: &str) -> Api {
        self.cluster.api(node).by(user(arn))
    }

    fn root(&self) -> Api {
        self.cluster.api(0).by_root(ACCOUNT)
    }

    fn grant(&self, grantee: &str) -> CreateGrantRequest {
        grant_of_decrypt(&self.key, grantee)
    }

    fn consume(&self) -> ConsumeRequest {
        ConsumeRequest {
            key_id: self.key.clone(),
            operation: "Decrypt".to_owned(),
            ..ConsumeRequest::default()
        }
    }
}

fn now_ms() -> u64 {
    RealClock.wall().0
}

/// EC-13: a grant holds up to its end and not beyond, at every node, though nothing is written that could tell them; then
/// the cluster itself takes it out.
#[tokio::test]
async fn grant_expires_at_every_node_without_a_write() {
    let world = World::start(3).await;
    let end = now_ms() + 1_500;
    let request = CreateGrantRequest {
        expires_at_ms: Some(end),
        ..world.grant(ALICE)
    };
    let made = world.root().call(request).await.unwrap();
    let token = made.grant_token.unwrap();
    for node in 0..3 {
        let alice = world.by(node, ALICE);
        // Asked while it holds: a slow machine may be past that.
        let allowed = alice.may("kms:Decrypt", &world.key).await;
        assert!(allowed || now_ms() >= end, "node {node} denied too early");
        while now_ms() < end {
            RealClock
                .sleep(Duration::from_millis(end.saturating_sub(now_ms())))
                .await;
        }
        assert!(!alice.may("kms:Decrypt", &world.key).await, "node {node}");
        let asked = with_tokens("kms:Decrypt", &world.key, &[&token]);
        assert_ne!(
            alice.outcome(asked).await,
            grantd::client::api::Outcome::Allow
        );
    }
    let listed = ListGrantsRequest {
        key_id: world.key.clone(),
        ..ListGrantsRequest::default()
    };
    assert!(world.root().call(listed).await.unwrap().grants.is_empty());
    // The leader sees to it that its place is free again.
    let key = world.key.parse().unwrap();
    let look = |state: &State| (state.grants().count(&key) == 0).then_some(());
    let what = "the expired grant is taken out";
    world.cluster.until_state(0, what, look).await;
    let figures = DescribeGrantsRequest {
        key_id: world.key.clone(),
        ..DescribeGrantsRequest::default()
    };
    let figures = world.root().call(figures).await.unwrap();
    assert_eq!(figures.grants, 0);
}

/// EC-13: ten uses are spent ten times, by many at once at every node, for the grantee itself and by a front for it; and
/// nothing is allowed without spending, not even by token at a node that lags behind.
#[tokio::test]
async fn budget_is_spent_exactly_by_many_at_once() {
    let world = World::start(3).await;
    let request = CreateGrantRequest {
        uses: Some(10),
        ..world.grant(ALICE)
    };
    let made = world.root().call(request).await.unwrap();
    let token = made.grant_token.unwrap();
    for node in 0..3 {
        let alice = world.by(node, ALICE);
        let asked = with_tokens("kms:Decrypt", &world.key, &[&token]);
        for asked in [asked, question("kms:Decrypt", &world.key)] {
            assert_ne!(
                alice.outcome(asked).await,
                grantd::client::api::Outcome::Allow
            );
        }
    }
    let calls = (0..30).map(|n: usize| {
        let api = match n % 2 {
            0 => world.by(n % 3, ALICE),
            _ => world
                .cluster
                .api(n % 3)
                .by_front(user(ALICE), via("s3.eu-central-1.amazonaws.com")),
        };
        let request = world.consume();
        tokio::spawn(async move { api.call(request).await })
    });
    let (mut left, mut refused) = (Vec::new(), 0);
    for call in calls.collect::<Vec<_>>() {
        match call.await.unwrap() {
            Ok(answer) => {
                assert_eq!(answer.policy_type, "grant");
                assert_eq!(answer.grant_id.as_deref(), Some(&*made.grant_id));
                left.push(answer.uses_left.unwrap());
            }
            Err(error) => {
                assert_eq!(error.code, "LimitExceededException", "{}", error.message);
                refused += 1;
            }
        }
    }
    left.sort_unstable();
    assert_eq!(left, (0..10).collect::<Vec<u32>>());
    assert_eq!(refused, 20);
    let stranger = world.by(0, BOB).call(world.consume()).await.unwrap_err();
    assert_eq!(stranger.code, "AccessDeniedException");
    let listed = ListGrantsRequest {
        key_id: world.key.clone(),
        ..ListGrantsRequest::default()
    };
    let listed = world.root().call(listed).await.unwrap();
    let budget: Vec<_> = listed
        .grants
        .iter()
        .map(|grant| (grant.uses, grant.uses_left))
        .collect();
    assert_eq!(budget, [(Some(10), Some(0))]);
}

/// EC-12, G-14: what descends ends with its ancestor if it is asked for, for every node.
#[tokio::test]
async fn descendants_are_revoked_with_their_ancestor() {
    let world = World::start(1).await;
    let mut parent = world.grant(ALICE);
    parent.operations.push("CreateGrant".to_owned());
    let parent = world.root().call(parent).await.unwrap();
    let child = world.by(0, ALICE).call(world.grant(BOB)).await.unwrap();
    let (other, _) = make_grant(&world.cluster.api(0), ACCOUNT, &world.key, ALICE).await;
    let list = || ListGrantsRequest {
        key_id: world.key.clone(),
        ..ListGrantsRequest::default()
    };
    let listed = world.root().call(list()).await.unwrap().grants;
    let of_child = listed.iter().find(|grant| grant.grant_id == child.grant_id);
    assert_eq!(
        of_child.unwrap().parent_grant_id.as_deref(),
        Some(&*parent.grant_id)
    );
    assert!(world.by(0, BOB).may("kms:Decrypt", &world.key).await);
    let revoke = RevokeGrantRequest {
        key_id: world.key.clone(),
        grant_id: parent.grant_id,
        descendants: Some(true),
        ..RevokeGrantRequest::default()
    };
    world.root().call(revoke).await.unwrap();
    assert!(!world.by(0, BOB).may("kms:Decrypt", &world.key).await);
    let left = world.root().call(list()).await.unwrap().grants;
    assert_eq!(ids(&left), [other.grant_id]);
}

fn ids(grants: &[grantd::client::api::GrantListEntry]) -> Vec<String> {
    grants.iter().map(|grant| grant.grant_id.clone()).collect()
}

/// by grantee over two keys, duplicates, figures; a grantee that was deleted is shown by both its names
/// (ID-18, X-9).
#[tokio::test]
async fn listings_beyond_aws_tell_what_there_is() {
    let world = World::start(1).await;
    let root = world.root();
    let second = make_key(&world.cluster.api(0), ACCOUNT, None).await.arn;
    for key in [&world.key, &second] {
        for grantee in [ALICE, ALICE, BOB] {
            root.call(grant_of_decrypt(key, grantee)).await.unwrap();
        }
    }
    let by_grantee = ListGrantsByGranteeRequest {
        grantee_principal: Some(ALICE.to_owned()),
        ..ListGrantsByGranteeRequest::default()
    };
    for api in [&root, &world.cluster.api(0)] {
        let held = api.call(by_grantee.clone()).await.unwrap().grants;
        let mut keys: Vec<&str> = held.iter().map(|grant| grant.key_id.as_str()).collect();
        keys.dedup();
        assert_eq!((held.len(), keys.len()), (4, 2));
    }
    let refused = world.by(0, BOB).call(by_grantee).await.unwrap_err();
    assert_eq!(refused.code, "AccessDeniedException");

    let duplicates = ListDuplicateGrantsRequest {
        key_id: world.key.clone(),
        ..ListDuplicateGrantsRequest::default()
    };
    let duplicates = root.call(duplicates).await.unwrap().duplicates;
    assert_eq!(duplicates.len(), 1);
    assert_eq!(
        (duplicates[0].count, duplicates[0].other_grant_ids.len()),
        (2, 1)
    );
    let first = duplicates[0].grant.as_ref().unwrap();
    assert_eq!(first.grantee_principal.as_deref(), Some(ALICE));

    let figures = DescribeGrantsRequest {
        key_id: world.key.clone(),
        ..DescribeGrantsRequest::default()
    };
    let figures = root.call(figures).await.unwrap();
    assert_eq!(
        (figures.grants, figures.quota, figures.grantees),
        (3, Some(50_000), 2)
    );
    assert_eq!(
        figures.top_grantees[0].grantee_principal.as_deref(),
        Some(ALICE)
    );
    assert_eq!(figures.top_grantees[0].grants, 2);

    root.call(grantd::client::api::DeletePrincipalRequest {
        arn: BOB.to_owned(),
        ..Default::default()
    })
    .await
    .unwrap();
    let listed = root
        .call(ListGrantsRequest {
            key_id: world.key.clone(),
            ..ListGrantsRequest::default()
        })
        .await
        .unwrap();
    let gone = listed
        .grants
        .iter()
        .find(|grant| grant.grantee_former_arn.is_some())
        .unwrap();
    assert_eq!(gone.grantee_former_arn.as_deref(), Some(BOB));
    assert!(
        gone.grantee_principal
            .as_deref()
            .unwrap()
            .starts_with("AIDA")
    );
    assert_eq!(gone.grantee_principal, gone.grantee_unique_id);
}

/// EC-11 to EC-13, X-1 to: the same by the command line, as people type it.
#[test]
fn command_line_makes_spends_lists_and_ends_grants() {
    let folder = tempfile::tempdir().unwrap();
    let dev = Process::start(folder.path(), "dev", &["dev", "--port", "0"]);
    let endpoint = dev.endpoints().join(",");
    let root = ["--as", "arn:aws:iam::111122223333:root"];
    let by_root = |args: &[&str]| {
        let output = run(&endpoint, args.iter().copied().chain(root));
        text(&output.stdout).trim().to_owned()
    };
    by_root(&["identity", "create", ALICE, BOB]);
    let key = by_root(&["key", "create", "--print", "KeyMetadata.Arn"]);
    let create = |more: &[&str]| {
        let args = [
            "grant",
            "create",
            &key,
            "--grantee",
            ALICE,
            "--operations",
            "Decrypt",
        ];
        by_root(&[&args, more, &["--print", "GrantId"]].concat())
    };
    // Unnamed creates: one for each call, but for calls under one key of the caller's own (EC-11).
    let birth = by_root(&["key", "describe", &key, "--print", "Meta.Position"]);
    let own = |name: &'static str| ["--idempotency-key", name, "--idempotency-birth", &birth];
    let under = own("mine");
    let first = create(&under);
    assert_eq!(create(&under), first);
    let second = create(&[]);
    assert_ne!(second, first);
    let duplicates = ["grant", "duplicates", &key, "--print", "Duplicates.0.Count"];
    assert_eq!(by_root(&duplicates), "2");
    for grant in [&first, &second] {
        by_root(&["grant", "revoke", &key, grant, "--descendants"]);
    }
    let budget = create(&["--uses", "1", "--expires-in", "30d"]);
    let consume = |more: &[&str]| {
        let args = ["grant", "consume", &key, "Decrypt", "--as", ALICE];
        let output = grantd(args.iter().chain(more).copied())
            .args(["--endpoint", &endpoint])
            .output()
            .unwrap();
        (
            output.status.code(),
            text(&output.stdout),
            text(&output.stderr),
        )
    };
    for replayed in ["false", "true"] {
        for (member, wanted) in [("UsesLeft", "0"), ("Replayed", replayed)] {
            // The key is the same, so the second question about one and the same use is a retry.
            if (member, replayed) == ("UsesLeft", "false") {
                continue;
            }
            let spend = [own("use-1").as_slice(), &["--print", member]].concat();
            let (code, told, errors) = consume(&spend);
            assert_eq!((code, told.trim()), (Some(0), wanted), "{errors}");
        }
    }
    // Without a birth a retry could not be told from a new request: nothing is done, and the birth to give is told.
    let (code, _, errors) = consume(&["--idempotency-key", "use-2"]);
    assert_eq!(code, Some(2), "{errors}");
    assert!(errors.contains("--idempotency-birth"), "{errors}");
    let (code, _, errors) = consume(&["--grant-id", &budget]);
    assert_eq!(code, Some(3));
    assert!(errors.contains("has no uses left"), "{errors}");
    let by_grantee = ["grant", "list", "--grantee", ALICE];
    let member = |name: &str| by_root(&[&by_grantee, ["--print", name].as_slice()].concat());
    assert_eq!(member("Grants.0.GrantId"), budget);
    assert_eq!(member("Grants.0.UsesLeft"), "0");
    assert!(member("Grants.0.ExpirationDate").starts_with("20"));
    let figures = ["grant", "figures", &key, "--print", "Spent"];
    assert_eq!(by_root(&figures), "1");
    let (status, errors) = dev.stop("-TERM");
    assert_eq!(status.code(), Some(0), "{errors}");
}
