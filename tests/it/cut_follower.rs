//! A follower cut off from the others, asked over gRPC (issue 2, item 4; ).

use std::time::Duration;

use grantd::client::api::{
    Bounded, Demand, ErrorDetail, Outcome, RetireGrantRequest, demand, error_detail::Reason,
};

use tokio::time::Instant;

use crate::support::api::{
    Api, make_account, make_grant, make_key, make_principal, question, until, user, with_tokens,
};
use crate::support::cluster::{Cluster, PATIENCE, WIDE_BOUND, folder};

const ACCOUNT: &str = "111122223333";
const ALICE: &str = "arn:aws:iam::111122223333:user/Alice";
const BOB: &str = "arn:aws:iam::111122223333:user/Bob";

/// The default bound B, and what the clock assumption adds to it (rho = 1 %).
const BOUND: Duration = Duration::from_millis(1_000);
const WINDOW: Duration = Duration::from_millis(1_010);
/// The same for a follower that must still answer some questions after the cut.
const LONG_BOUND: Duration = Duration::from_millis(4_000);
const LONG_WINDOW: Duration = Duration::from_millis(4_040);

/// Three nodes on real disks, a key, and two users that its policy gives nothing.
struct World {
    cluster: Cluster,
    key: String,
    leader: usize,
    follower: usize,
}

impl World {
    async fn start(bound: Duration) -> Self {
        let cluster = Cluster::start_bounded(3, folder, bound).await;
        let leader = cluster.leader().await;
        let follower = cluster.follower().await;
        let api = cluster.api(leader);
        make_account(&api, ACCOUNT).await;
        for arn in [ALICE, BOB] {
            make_principal(&api, arn, &[]).await;
        }
        let key = make_key(&api, ACCOUNT, None).await.arn;
        let world = Self {
            cluster,
            key,
            leader,
            follower,
        };
        // The follower has applied what the grants of the test depend on.
        assert!(
            !world
                .at(follower, ALICE)
                .may("kms:Decrypt", &world.key)
                .await
        );
        world
    }

    fn at(&self, node: usize, arn: &str) -> Api {
        self.cluster.api(node).by(user(arn))
    }

    /// `arn` at the follower, answered from what that has at once or not at all.
    fn cut(&self, arn: &str) -> Api {
        self.at(self.follower, arn).at_once()
    }

    /// Cuts the follower off right after a proof of its freshness, so that most of the bound is still to come.
    async fn cut_off(&self) -> Instant {
        let api = self.at(self.follower, ALICE).fresh(Some(200));
        let asked = question("kms:Decrypt", &self.key);
        // Asked anew when a slow machine lets the answer grow old on its way.
        until(PATIENCE, "a fresh answer of the follower", async || {
            api.authorize(asked.clone()).await.ok()
        })
        .await;
        self.cluster.cut_off(self.follower);
        Instant::now()
    }

    async fn grant(&self, grantee: &str) -> (String, String) {
        let api = self.cluster.api(self.leader);
        let (made, token) = make_grant(&api, ACCOUNT, &self.key, grantee).await;
        (made.grant_id, token)
    }

    async fn retire(&self, token: &str) -> String {
        self.cluster
            .api(self.leader)
            .by_root(ACCOUNT)
            .call(RetireGrantRequest {
                grant_token: Some(token.to_owned()),
                ..RetireGrantRequest::default()
            })
            .await
            .unwrap()
            .header
            .unwrap()
            .position
    }

    fn ask(&self, tokens: &[&str]) -> grantd::client::api::Question {
        with_tokens("kms:Decrypt", &self.key, tokens)
    }
}

/// What a follower did from a cut until it refused.
struct CutOff {
    answered: usize,
    last_staleness_ms: u64,
    refusal: ErrorDetail,
}

/// Cuts the follower off and asks until it refuses. An answer is never older than the bound, and none is given to a
/// question that came after the bound has passed since the cut.
async fn cut_until_refused(world: &World, bob: &Api) -> CutOff {
    let cut_at = world.cut_off().await;
    let (mut answered, mut last_staleness_ms) = (0, 0);
    let refusal = until(PATIENCE, "the refusal of a cut follower", async || {
        let asked_at = Instant::now();
        match bob.authorize(world.ask(&[])).await {
            Ok(answer) => {
                let staleness = answer.header.unwrap().staleness_ms.unwrap();
                assert!(u128::from(staleness) <= BOUND.as_millis(), "{staleness} ms");
                assert!(asked_at.duration_since(cut_at) <= WINDOW);
                assert_eq!(answer.decision.unwrap().outcome(), Outcome::Allow);
                last_staleness_ms = staleness;
                answered += 1;
                None
            }
            Err(error) => Some(error),
        }
    })
    .await;
    CutOff {
        answered,
        last_staleness_ms,
        refusal,
    }
}

/// within the bound a cut follower answers and says how old its state is at most; after it, it refuses, says why,
/// and that another try may succeed; healed, it answers again by itself.
#[tokio::test(flavor = "multi_thread")]
async fn cut_follower_answers_within_the_bound_then_refuses_and_says_why_then_recovers() {
    let world = World::start(BOUND).await;
    world.grant(BOB).await;
    assert!(
        world
            .at(world.follower, BOB)
            .may("kms:Decrypt", &world.key)
            .await
    );
    let bob = world.cut(BOB);
    // A machine busy enough leaves the follower no time to answer between the cut and the bound: once is enough.
    let mut seen = Vec::new();
    let refusal = loop {
        let cut = cut_until_refused(&world, &bob).await;
        seen.push((cut.answered, cut.last_staleness_ms));
        if cut.answered > 5 && cut.last_staleness_ms > 300 {
            break cut.refusal;
        }
        assert!(
            seen.len() < 10,
            "answers, and the age of the last: {seen:?}"
        );
        world.cluster.heal(world.follower);
    };
    assert_eq!(refusal.code, "TooStale");
    assert!(refusal.retryable && refusal.safe_to_retry, "{refusal:?}");
    assert!(
        refusal.message.contains("ms ago") && refusal.message.contains("bound of 1000 ms"),
        "{}",
        refusal.message
    );
    let Some(Reason::Staleness(staleness)) = refusal.reason else {
        panic!("{refusal:?}")
    };
    assert_eq!(staleness.bound_ms, Some(1_000));
    assert!(staleness.last_proof_ms.unwrap() >= 1_000);

    // It goes on refusing, also one that would wait; the others decide.
    let waiting = bob.demanding(Demand {
        consistency: Some(demand::Consistency::Bounded(Default::default())),
        wait_ms: Some(100),
    });
    assert_eq!(
        waiting.authorize(world.ask(&[])).await.unwrap_err().code,
        "TooStale"
    );
    assert!(
        world
            .at(world.leader, BOB)
            .may("kms:Decrypt", &world.key)
            .await
    );

    world.cluster.heal(world.follower);
    until(PATIENCE, "the follower answers again", async || {
        bob.fresh(None).authorize(world.ask(&[])).await.ok()
    })
    .await;
    world.cluster.shutdown().await;
}

/// the token of a grant made after the cut allows at once at the cut follower, which without it denies; past the
/// bound the token helps as little as anything else.
#[tokio::test(flavor = "multi_thread")]
async fn token_of_a_grant_made_after_the_cut_allows_at_once_at_the_cut_follower() {
    let world = World::start(WIDE_BOUND).await;
    world.cut_off().await;
    let (grant_id, token) = world.grant(BOB).await;

    let bob = world.cut(BOB);
    assert_eq!(bob.outcome(world.ask(&[])).await, Outcome::ImplicitDeny);
    let allowed = bob.authorize(world.ask(&[&token])).await.unwrap();
    let decision = allowed.decision.unwrap();
    assert_eq!(decision.outcome(), Outcome::Allow);
    let by = decision.decided_by.unwrap();
    assert_eq!(
        (by.policy_type.as_str(), by.grant_id.as_deref()),
        ("grant", Some(grant_id.as_str()))
    );
    // the answer lists what it knew by token alone.
    assert_eq!(decision.token_grant_ids, [grant_id]);
    // The grant is Bob's, and of Decrypt: the token gives nobody else anything, and nothing else to him.
    let alice = world.cut(ALICE);
    assert_eq!(
        alice.outcome(world.ask(&[&token])).await,
        Outcome::ImplicitDeny
    );
    let encrypt = with_tokens("kms:Encrypt", &world.key, &[&token]);
    assert_eq!(bob.outcome(encrypt).await, Outcome::ImplicitDeny);

    // A bound of the request's own, smaller than the cluster's.
    let tight = bob.demanding(Demand {
        consistency: Some(demand::Consistency::Bounded(Bounded {
            max_staleness_ms: Some(50),
        })),
        wait_ms: Some(0),
    });
    let refusal = until(PATIENCE, "the refusal of a cut follower", async || {
        tight.authorize(world.ask(&[&token])).await.err()
    })
    .await;
    assert_eq!(refusal.code, "TooStale");

    // Healed, the state knows the grant, and needs no token.
    world.cluster.heal(world.follower);
    let answer = world
        .at(world.follower, BOB)
        .authorize(world.ask(&[]))
        .await
        .unwrap();
    let decision = answer.decision.unwrap();
    assert_eq!(decision.outcome(), Outcome::Allow);
    assert!(decision.token_grant_ids.is_empty());
    world.cluster.shutdown().await;
}

/// a token whose grant was retired while the follower was cut off allows there at the latest until the bound has
/// run out since the retirement was acknowledged.
#[tokio::test(flavor = "multi_thread")]
async fn token_of_a_grant_retired_during_the_cut_stops_when_the_bound_runs_out() {
    let world = World::start(LONG_BOUND).await;
    world.cut_off().await;
    let (_, token) = world.grant(BOB).await;
    let bob = world.cut(BOB);
    assert_eq!(bob.outcome(world.ask(&[&token])).await, Outcome::Allow);
    world.retire(&token).await;
    let retired_at = Instant::now();
    // Asked until the window has provably passed: an allow that starts after it breaks the promise.
    let mut after_the_window = 0;
    until(PATIENCE, "ten questions after the window", async || {
        let asked_at = Instant::now();
        let answer = bob.authorize(world.ask(&[&token])).await;
        let since = asked_at.duration_since(retired_at);
        if since > LONG_WINDOW {
            let error = answer.expect_err("an answer after the window");
            assert_eq!(error.code, "TooStale", "{since:?} after the retirement");
            after_the_window += 1;
        }
        (after_the_window == 10).then_some(())
    })
    .await;
    world.cluster.shutdown().await;
}

/// Q-6, self-fencing: a follower that has caught up with the retirement trusts its state and ignores the token, at
/// once, whatever the bound says.
#[tokio::test(flavor = "multi_thread")]
async fn token_of_a_retired_grant_is_ignored_as_soon_as_the_follower_has_caught_up() {
    let world = World::start(WIDE_BOUND).await;
    world.cut_off().await;
    let (grant_id, token) = world.grant(BOB).await;
    let bob = world.cut(BOB);
    assert_eq!(bob.outcome(world.ask(&[&token])).await, Outcome::Allow);
    let retired = world.retire(&token).await;
    world.cluster.heal(world.follower);

    let caught_up = world.at(world.follower, BOB).at_least(&retired);
    let answer = caught_up.authorize(world.ask(&[&token])).await.unwrap();
    let decision = answer.decision.unwrap();
    assert_eq!(decision.outcome(), Outcome::ImplicitDeny);
    assert!(decision.token_grant_ids.is_empty());
    // And from then on, without any demand: the node never goes back.
    for _ in 0..20 {
        assert_eq!(
            bob.outcome(world.ask(&[&token])).await,
            Outcome::ImplicitDeny,
            "grant {grant_id}"
        );
    }
    world.cluster.shutdown().await;
}
