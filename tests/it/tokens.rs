//! Grant tokens that are not what they should be, sent to running nodes over gRPC (issue 2, item 5; Q-6, ID-12, ID-13).

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use grantd::client::api::{
    BatchAuthorizeRequest, DescribeKeyRequest, Outcome, RetireGrantRequest, RevokeGrantRequest,
    RevokeTokenEpochRequest, RotateTokenEpochRequest, batch_authorize_response::item,
};
use grantd::crypto::seal::SealKey;
use grantd::crypto::token::{self, Epoch, EpochKeys};
use grantd::domain::state::grant::Grant;
use grantd::domain::time::{Incarnation, Revision};

use crate::storage_common::SplitMix;
use crate::support::api::{
    Api, grant_of_decrypt, make_account, make_grant, make_key, make_principal, question, until,
    user, with_tokens,
};
use crate::support::cluster::{Cluster, PATIENCE, SEAL_KEY, WIDE_BOUND, folder};

const ACCOUNT: &str = "111122223333";
const ALICE: &str = "arn:aws:iam::111122223333:user/Alice";
const BOB: &str = "arn:aws:iam::111122223333:user/Bob";
const INVALID: &str = "InvalidGrantTokenException";

/// Where the parts of a token's header lie, as `crypto::token` documents.
const EPOCH: std::ops::Range<usize> = 1..5;
const INCARNATION: std::ops::Range<usize> = 5..21;
const BORN: std::ops::Range<usize> = 21..29;
const DEPENDS_ON: std::ops::Range<usize> = 29..37;
const DIGEST: std::ops::Range<usize> = 37..69;

/// One node on a real disk, a key, and two users that its policy gives nothing.
struct World {
    cluster: Cluster,
    api: Api,
    key: String,
}

impl World {
    async fn start() -> Self {
        Self::of(1).await
    }

    async fn of(nodes: usize) -> Self {
        let cluster = Cluster::start_bounded(nodes, folder, WIDE_BOUND).await;
        let api = cluster.api(cluster.leader().await);
        make_account(&api, ACCOUNT).await;
        for arn in [ALICE, BOB] {
            make_principal(&api, arn, &[]).await;
        }
        let key = make_key(&api, ACCOUNT, None).await.arn;
        Self { cluster, api, key }
    }

    async fn grant(&self, grantee: &str) -> (String, String) {
        let (made, token) = make_grant(&self.api, ACCOUNT, &self.key, grantee).await;
        (made.grant_id, token)
    }

    /// What asking with this one token comes to: its outcome, or the code of the refusal.
    async fn asked(&self, api: &Api, token: &str) -> Result<Outcome, String> {
        let question = with_tokens("kms:Decrypt", &self.key, &[token]);
        match api.authorize(question).await {
            Ok(answer) => Ok(answer.decision.unwrap().outcome()),
            Err(error) => {
                assert!(
                    !error.message.contains(token),
                    "the refusal repeats the token"
                );
                Err(error.code)
            }
        }
    }

    /// The keys that seal this cluster's tokens: what a thief of its secret has.
    fn stolen_keys(&self, node: usize, incarnation: Option<Incarnation>) -> EpochKeys {
        let board = self.cluster.node(node).replica().board().load();
        let epoch = board.state.minting_epoch().unwrap();
        let secret = SealKey::from_bytes(SEAL_KEY)
            .open(board.state.incarnation(), &epoch.sealed_secret)
            .unwrap();
        let incarnation = incarnation.unwrap_or(board.state.incarnation());
        EpochKeys::derive(Epoch(epoch.number), incarnation, &secret)
    }

    /// A grant as it stands in the state of a node.
    fn stored(&self, node: usize, grant_id: &str) -> Grant {
        let board = self.cluster.node(node).replica().board().load();
        let grant = board.state.grants().get(&grant_id.parse().unwrap());
        Grant::clone(grant.unwrap())
    }

    fn applied(&self, node: usize) -> u64 {
        self.cluster
            .node(node)
            .replica()
            .board()
            .load()
            .revision()
            .0
    }
}

fn edited(token: &str, edit: impl FnOnce(&mut Vec<u8>)) -> String {
    let mut bytes = STANDARD.decode(token).unwrap();
    edit(&mut bytes);
    STANDARD.encode(bytes)
}

/// ID-12: whatever is wrong with a token, it is refused with one and the same exception by every operation that takes
/// tokens, and the good one goes on working.
#[tokio::test(flavor = "multi_thread")]
async fn token_that_is_not_this_clusters_is_refused_by_every_operation_that_takes_one() {
    let world = World::start().await;
    let other = World::start().await;
    let (grant_id, good) = world.grant(BOB).await;
    let (_, foreign) = other.grant(BOB).await;
    let ours: [u8; 16] = STANDARD.decode(&good).unwrap()[INCARNATION]
        .try_into()
        .unwrap();

    let stored = world.stored(0, &grant_id);
    let later_life = world.stolen_keys(0, Some(Incarnation([7; 16])));
    let of_another_incarnation = token::mint(&later_life, &stored, Revision(1), [3; 16])
        .unwrap()
        .into_text();
    // Base64 of the same bytes, written otherwise: strict decoders tell, lenient ones do not.
    let raw = STANDARD.decode(&good).unwrap();
    let unpadded = edited(&good, |bytes| bytes.truncate(bytes.len() / 3 * 3 - 1));
    assert!(unpadded.ends_with('='));
    let mut stray_bits = unpadded.clone().into_bytes();
    let last = stray_bits.len() - 2;
    stray_bits[last] = if stray_bits[last] == b'B' { b'C' } else { b'B' };
    let url_safe = base64::engine::general_purpose::URL_SAFE.encode(&raw);

    let mut bad: BTreeMap<&str, String> = BTreeMap::from([
        ("no base64", "not a token!".to_owned()),
        ("empty after decoding", "====".to_owned()),
        ("words", "dGhpcyBpcyBubyB0b2tlbg==".to_owned()),
        ("foreign", foreign.clone()),
        (
            "foreign under our incarnation",
            edited(&foreign, |bytes| bytes[INCARNATION].copy_from_slice(&ours)),
        ),
        ("another incarnation", of_another_incarnation),
        ("line end", format!("{good}\n")),
        ("leading blank", format!(" {good}")),
        (
            "split in lines",
            format!("{}\r\n{}", &good[..76], &good[76..]),
        ),
        ("padded", format!("{good}====")),
        (
            "padding left out",
            unpadded.trim_end_matches('=').to_owned(),
        ),
        (
            "stray bits under the padding",
            String::from_utf8(stray_bits).unwrap(),
        ),
        ("twice", format!("{good}{good}")),
        ("trailing byte", edited(&good, |bytes| bytes.push(0))),
        ("oversized by one group", "A".repeat(8_196)),
        ("oversized good", format!("{good}{}", "A".repeat(8_192))),
        ("oversized by far", "A".repeat(1 << 19)),
        ("largest of nothing", "A".repeat(8_192)),
        ("another version", edited(&good, |bytes| bytes[0] = 2)),
        (
            "unknown epoch",
            edited(&good, |bytes| bytes[EPOCH.end - 1] ^= 4),
        ),
        (
            "unknown epoch beyond everything committed",
            edited(&good, |bytes| {
                bytes[EPOCH].copy_from_slice(&[0xff; 4]);
                bytes[BORN].copy_from_slice(&[0xff; 8]);
            }),
        ),
        (
            "born earlier",
            edited(&good, |bytes| bytes[BORN.end - 1] -= 1),
        ),
        (
            "born beyond everything committed",
            edited(&good, |bytes| bytes[BORN].copy_from_slice(&[0x7f; 8])),
        ),
        (
            "depends on less",
            edited(&good, |bytes| bytes[DEPENDS_ON].fill(0)),
        ),
        (
            "digest of zeros",
            edited(&good, |bytes| bytes[DIGEST].fill(0)),
        ),
        (
            "body changed",
            edited(&good, |bytes| *bytes.last_mut().unwrap() ^= 1),
        ),
    ]);
    if url_safe != good {
        bad.insert("url-safe alphabet", url_safe);
    }
    for length in 1..good.len() {
        let truncated = &good[..length];
        let asked = world.asked(&world.api.by(user(BOB)), truncated).await;
        assert_eq!(asked, Err(INVALID.to_owned()), "truncated to {length}");
    }
    for (what, token) in &bad {
        let bob = world.api.by(user(BOB));
        let asked = world.asked(&bob, token).await;
        assert_eq!(asked, Err(INVALID.to_owned()), "Authorize, {what}");
        let described = bob
            .call(DescribeKeyRequest {
                key_id: world.key.clone(),
                grant_tokens: vec![token.clone()],
                ..DescribeKeyRequest::default()
            })
            .await;
        assert_eq!(described.unwrap_err().code, INVALID, "DescribeKey, {what}");
        let root = world.api.by_root(ACCOUNT);
        let mut grant = grant_of_decrypt(&world.key, ALICE);
        grant.grant_tokens = vec![token.clone()];
        let granted = root.call(grant).await;
        assert_eq!(granted.unwrap_err().code, INVALID, "CreateGrant, {what}");
        let retired = root
            .call(RetireGrantRequest {
                grant_token: Some(token.clone()),
                ..RetireGrantRequest::default()
            })
            .await;
        assert_eq!(retired.unwrap_err().code, INVALID, "RetireGrant, {what}");
    }
    let asked = world.asked(&world.api.by(user(BOB)), &good).await;
    assert_eq!(asked, Ok(Outcome::Allow));
    assert!(world.cluster.members[0].alarms.told().is_empty());
    other.cluster.shutdown().await;
    world.cluster.shutdown().await;
}

/// A token changed at random: in its text or in its bytes, by a bit or by much.
fn mutated(good: &str, random: &mut SplitMix) -> String {
    loop {
        let mutant = if random.below(2) == 0 {
            let mut text = good.as_bytes().to_vec();
            let at = random.below(text.len() as u64) as usize;
            match random.below(6) {
                0 => text[at] = b"ABCZabcz0189+/=-_ \n\0"[random.below(20) as usize],
                1 => text[at] = (random.below(128)) as u8,
                2 => text.truncate(at.max(1)),
                3 => drop(text.remove(at)),
                4 => text.insert(at, b'A' + random.below(26) as u8),
                _ => {
                    let to = random.below(text.len() as u64) as usize;
                    text.swap(at, to);
                }
            }
            String::from_utf8(text).unwrap()
        } else {
            edited(good, |bytes| {
                let flips = match random.below(4) {
                    0 => 1 + random.below(16),
                    _ => 1,
                };
                for _ in 0..flips {
                    let at = random.below(bytes.len() as u64) as usize;
                    bytes[at] ^= 1 << random.below(8);
                }
                match random.below(8) {
                    0 => bytes[BORN].copy_from_slice(&random.below(u64::MAX).to_be_bytes()),
                    1 => bytes[EPOCH].copy_from_slice(&(random.below(4) as u32).to_be_bytes()),
                    2 => {
                        bytes[EPOCH].copy_from_slice(&(random.below(9) as u32).to_be_bytes());
                        bytes[BORN].copy_from_slice(&random.below(200).to_be_bytes());
                    }
                    3 => {
                        let length = 1 + random.below(bytes.len() as u64) as usize;
                        bytes.truncate(length);
                    }
                    _ => {}
                }
            })
        };
        if mutant != good && !mutant.is_empty() {
            return mutant;
        }
    }
}

/// 10,000 random mutations of a good token, at a node that has applied the grant and at one that has not: each is
/// refused as invalid, none allows, and the node goes on.
#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_mutations_of_a_good_token_are_refused_and_none_allows() {
    let world = World::of(3).await;
    let follower = world.cluster.follower().await;
    let bob_at = |node: usize| world.cluster.api(node).by(user(BOB));
    // The follower has applied what a grant depends on.
    assert!(!bob_at(follower).may("kms:Decrypt", &world.key).await);
    let (_, good) = world.grant(BOB).await;
    let mut random = SplitMix(20_261_122);
    let mut counted = 0;
    for batch in 0..100 {
        let mutants: Vec<String> = (0..100).map(|_| mutated(&good, &mut random)).collect();
        let node = if batch % 2 == 0 {
            follower
        } else {
            world.cluster.leader().await
        };
        let questions = mutants
            .iter()
            .map(|mutant| with_tokens("kms:Decrypt", &world.key, &[mutant]))
            .collect();
        let answer = bob_at(node)
            .call(BatchAuthorizeRequest {
                header: None,
                questions,
            })
            .await
            .unwrap();
        assert_eq!(answer.items.len(), mutants.len());
        for (mutant, item) in mutants.iter().zip(answer.items) {
            match item.result.unwrap() {
                item::Result::Error(error) if error.code == INVALID => counted += 1,
                other => panic!("{other:?} for {mutant}, a mutant of {good}"),
            }
        }
    }
    assert_eq!(counted, 10_000);
    for node in 0..3 {
        let question = with_tokens("kms:Decrypt", &world.key, &[&good]);
        assert_eq!(bob_at(node).outcome(question).await, Outcome::Allow);
        assert!(world.cluster.members[node].alarms.told().is_empty());
    }
    world.cluster.shutdown().await;
}

/// The mutations again at a follower that is cut off and so can ask nobody: none allows, and what cannot be told
/// without asking is not answered.
#[tokio::test(flavor = "multi_thread")]
async fn mutated_token_never_allows_at_a_follower_that_is_cut_off() {
    let world = World::of(3).await;
    let follower = world.cluster.follower().await;
    let bob = world.cluster.api(follower).by(user(BOB));
    assert!(!bob.may("kms:Decrypt", &world.key).await);
    let bob = bob.at_once();
    world.cluster.cut_off(follower);
    let (_, good) = world.grant(BOB).await;
    let good_question = with_tokens("kms:Decrypt", &world.key, &[&good]);
    assert_eq!(bob.outcome(good_question).await, Outcome::Allow);
    let mut random = SplitMix(5);
    let questions = (0..200)
        .map(|_| with_tokens("kms:Decrypt", &world.key, &[&mutated(&good, &mut random)]))
        .collect();
    let answer = bob
        .call(BatchAuthorizeRequest {
            header: None,
            questions,
        })
        .await
        .unwrap();
    let mut codes: BTreeMap<String, usize> = BTreeMap::new();
    for item in answer.items {
        match item.result.unwrap() {
            item::Result::Error(error) => *codes.entry(error.code).or_default() += 1,
            item::Result::Answered(answered) => panic!("{answered:?}"),
        }
    }
    // An epoch that this node may have missed is the one thing it must ask about.
    let stale = codes.remove("TooStale").unwrap_or_default();
    assert_eq!(codes.keys().collect::<Vec<_>>(), [INVALID]);
    assert_eq!(stale + codes[INVALID], 200);
    assert!(codes[INVALID] > 150, "{codes:?}, {stale} not told");
    world.cluster.shutdown().await;
}

/// an authentic token of a grant that is gone is ignored: neither an error nor an allow.
#[tokio::test(flavor = "multi_thread")]
async fn authentic_token_of_a_gone_grant_is_ignored() {
    let world = World::start().await;
    let bob = world.api.by(user(BOB));
    let root = world.api.by_root(ACCOUNT);
    let (retired_id, retired) = world.grant(BOB).await;
    let (revoked_id, revoked) = world.grant(BOB).await;
    for token in [&retired, &revoked] {
        assert_eq!(world.asked(&bob, token).await, Ok(Outcome::Allow));
    }
    root.call(RetireGrantRequest {
        grant_token: Some(retired.clone()),
        ..RetireGrantRequest::default()
    })
    .await
    .unwrap();
    // The other grant still gives it, with the gone one's token as well.
    assert_eq!(world.asked(&bob, &retired).await, Ok(Outcome::Allow));
    root.call(RevokeGrantRequest {
        key_id: world.key.clone(),
        grant_id: revoked_id.clone(),
        ..RevokeGrantRequest::default()
    })
    .await
    .unwrap();
    for token in [&retired, &revoked] {
        assert_eq!(world.asked(&bob, token).await, Ok(Outcome::ImplicitDeny));
    }
    assert_ne!(retired_id, revoked_id);
    world.cluster.shutdown().await;
}

/// ID-12: ten tokens are taken, also with the good one last; eleven are not.
#[tokio::test(flavor = "multi_thread")]
async fn ten_tokens_are_taken_and_eleven_are_refused() {
    let world = World::start().await;
    let bob = world.api.by(user(BOB));
    let mut tokens = Vec::new();
    for _ in 0..10 {
        tokens.push(world.grant(ALICE).await.1);
    }
    let (_, good) = world.grant(BOB).await;
    let ask = |tokens: &[String]| {
        let tokens: Vec<&str> = tokens.iter().map(String::as_str).collect();
        with_tokens("kms:Decrypt", &world.key, &tokens)
    };
    tokens[9] = good;
    assert_eq!(bob.outcome(ask(&tokens)).await, Outcome::Allow);
    tokens.insert(0, tokens[0].clone());
    let error = bob.authorize(ask(&tokens)).await.unwrap_err();
    assert_eq!(error.code, "ValidationException");
    // One that is not ours among good ones spoils the request.
    tokens.truncate(9);
    tokens.push("dGhpcyBpcyBubyB0b2tlbg==".to_owned());
    let error = bob.authorize(ask(&tokens)).await.unwrap_err();
    assert_eq!(error.code, INVALID);
    world.cluster.shutdown().await;
}

/// ID-13: a token is a locator: in the hands of another than the grantee, or for another key, it gives nothing.
#[tokio::test(flavor = "multi_thread")]
async fn token_gives_nothing_to_another_than_the_grantee_or_for_another_key() {
    let world = World::of(3).await;
    let follower = world.cluster.follower().await;
    let other_key = make_key(&world.api, ACCOUNT, None).await.arn;
    let at_follower = |arn: &str| world.cluster.api(follower).by(user(arn));
    assert!(!at_follower(BOB).may("kms:Decrypt", &other_key).await);
    // Cut off, the follower has nothing but the token to go by.
    world.cluster.cut_off(follower);
    let (_, token) = world.grant(BOB).await;
    let ask = |key: &str| with_tokens("kms:Decrypt", key, &[&token]);
    let (alice, bob) = (at_follower(ALICE).at_once(), at_follower(BOB).at_once());
    assert_eq!(bob.outcome(ask(&world.key)).await, Outcome::Allow);
    assert_eq!(alice.outcome(ask(&world.key)).await, Outcome::ImplicitDeny);
    assert_eq!(bob.outcome(ask(&other_key)).await, Outcome::ImplicitDeny);
    world.cluster.shutdown().await;
}

/// A token made with the stolen secret of the epoch that claims a revision the cluster never reached: it may be
/// believed once, for a node within its bound asks nobody. Then the alarm is raised, the token is refused, and that node
/// honours no body of that epoch any more: a good token waits for its revision instead. A new epoch ends it.
#[tokio::test(flavor = "multi_thread")]
async fn forged_token_ahead_of_everything_raises_the_alarm_and_ends_its_epoch_on_that_node() {
    let world = World::of(3).await;
    let follower = world.cluster.follower().await;
    let (grant_id, _) = world.grant(ALICE).await;
    let bob = world.cluster.api(follower).by(user(BOB));
    assert!(!bob.may("kms:Decrypt", &world.key).await);
    let mut grant = world.stored(follower, &grant_id);
    grant.grantee = match BOB.parse() {
        Ok(arn) => grantd::domain::state::grant::GrantPrincipal::Arn {
            arn,
            unique_id: {
                let board = world.cluster.node(follower).replica().board().load();
                board
                    .state
                    .principal(&BOB.parse().unwrap())
                    .unwrap()
                    .unique_id
                    .clone()
            },
        },
        Err(error) => panic!("{error}"),
    };
    grant.id = "ab".repeat(32).parse().unwrap();
    grant.born = Revision(world.applied(follower) + 1_000_000);
    let keys = world.stolen_keys(follower, None);
    let forged = token::mint(&keys, &grant, Revision(1), [9; 16])
        .unwrap()
        .into_text();
    let ask = with_tokens("kms:Decrypt", &world.key, &[&forged]);

    let alarms = || world.cluster.members[follower].alarms.told();
    assert!(alarms().is_empty());
    let believed = bob.fresh(None).authorize(ask.clone()).await;
    assert!(
        believed.is_ok(),
        "a node within its bound asks nobody about an authentic token: {believed:?}"
    );
    // Believed or, once no body of its epoch is any more, not: the question makes the node ask about the token's revision.
    until(PATIENCE, "the forged token is unmasked", async || {
        let _ = bob.at_once().authorize(ask.clone()).await;
        (!alarms().is_empty()).then_some(())
    })
    .await;
    assert_eq!(alarms(), [(keys.epoch().0, grant.born.0)]);
    // From now on it is refused for what it is, whoever asks and however.
    let refused = bob.authorize(ask.clone()).await.unwrap_err();
    assert_eq!(refused.code, INVALID, "{refused:?}");
    let root = world.cluster.api(follower).by_root(ACCOUNT);
    let retired = root
        .call(RetireGrantRequest {
            grant_token: Some(forged.clone()),
            ..RetireGrantRequest::default()
        })
        .await;
    assert!(retired.is_err());

    // A good token of that epoch is believed no more ahead of the state, only once the node has reached it.
    world.cluster.cut_off(follower);
    let (_, good) = world.grant(BOB).await;
    let ask_good = with_tokens("kms:Decrypt", &world.key, &[&good]);
    let error = bob.at_once().authorize(ask_good.clone()).await.unwrap_err();
    assert_eq!(error.code, "TooStale", "{error:?}");
    assert_eq!(
        bob.at_once()
            .outcome(question("kms:Decrypt", &world.key))
            .await,
        Outcome::ImplicitDeny
    );
    world.cluster.heal(follower);
    assert_eq!(bob.outcome(ask_good.clone()).await, Outcome::Allow);

    // A new epoch takes its place, whose tokens are believed again ahead of the state, and the old one is revoked.
    world
        .api
        .call(RevokeTokenEpochRequest {
            header: None,
            epoch: keys.epoch().0,
        })
        .await
        .unwrap();
    world
        .api
        .call(RotateTokenEpochRequest::default())
        .await
        .unwrap();
    for token in [&forged, &good] {
        let asked = world.asked(&bob, token).await;
        assert_eq!(asked, Err(INVALID.to_owned()));
    }
    world.cluster.cut_off(follower);
    let (new_id, new) = world.grant(BOB).await;
    let answer = bob
        .at_once()
        .authorize(with_tokens("kms:Decrypt", &world.key, &[&new]))
        .await
        .unwrap();
    let decision = answer.decision.unwrap();
    assert_eq!(decision.outcome(), Outcome::Allow);
    assert_eq!(decision.token_grant_ids, [new_id]);
    world.cluster.shutdown().await;
}
