//! Token epochs over their lives, on running nodes: rotated without harm, revoked at once.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use grantd::client::api::{
    GetSettingsRequest, Outcome, RevokeTokenEpochRequest, RotateTokenEpochRequest,
};
use grantd::domain::authz::caller::Identity;
use grantd::domain::op::Command;
use grantd::domain::op::start_token_epoch::StartTokenEpoch;
use grantd::gate::Draft;

use crate::support::api::{
    Api, make_account, make_grant, make_key, make_principal, user, with_tokens,
};
use crate::support::cluster::{Cluster, PATIENCE, create_account, memory};

const ACCOUNT: &str = "111122223333";
const BOB: &str = "arn:aws:iam::111122223333:user/Bob";
const INVALID: &str = "InvalidGrantTokenException";

/// Nodes, a key, and a user that its policy gives nothing.
struct World {
    cluster: Cluster,
    leader: usize,
    key: String,
}

impl World {
    async fn of(nodes: usize) -> Self {
        let cluster = Cluster::start_with(nodes, memory, |_| {}).await;
        let leader = cluster.leader().await;
        let api = cluster.api(leader);
        make_account(&api, ACCOUNT).await;
        make_principal(&api, BOB, &[]).await;
        let key = make_key(&api, ACCOUNT, None).await.arn;
        Self {
            cluster,
            leader,
            key,
        }
    }

    async fn rotate(&self) -> u32 {
        let api = self.cluster.api(self.leader);
        let rotate = RotateTokenEpochRequest::default();
        api.call(rotate).await.unwrap().epoch
    }

    /// Waits until every node that runs says that epoch `number` mints.
    async fn until_it_mints(&self, number: u32) {
        for at in self.cluster.running() {
            let mints = |state: &grantd::domain::state::State| {
                (state.minting_epoch()?.number == number).then_some(())
            };
            self.cluster.until_state(at, "the epoch mints", mints).await;
        }
    }

    /// A token of a new grant to Bob, made at a node, and the epoch that it says it is of.
    async fn token(&self, api: &Api) -> (String, u32) {
        let (_, token) = make_grant(api, ACCOUNT, &self.key, BOB).await;
        let bytes = STANDARD.decode(&token).unwrap();
        let epoch = u32::from_be_bytes(bytes[1..5].try_into().unwrap());
        (token, epoch)
    }

    /// What asking with this token at a node comes to.
    async fn asked(&self, at: usize, token: &str) -> Result<Outcome, String> {
        let bob = self.cluster.api(at).by(user(BOB));
        let question = with_tokens("kms:Decrypt", &self.key, &[token]);
        match bob.authorize(question).await {
            Ok(answer) => Ok(answer.decision.unwrap().outcome()),
            Err(error) => Err(error.code),
        }
    }
}

/// whichever node takes CreateGrant, however far it is behind a change of the epoch, the token is of the epoch that
/// mints at the grant's own revision, and every node takes it at once.
#[tokio::test(flavor = "multi_thread")]
async fn token_minted_at_a_follower_that_lags_is_good_at_once() {
    let world = World::of(3).await;
    let follower = world.cluster.follower().await;
    let mut epochs = BTreeSet::new();
    for _ in 0..20 {
        let number = world.rotate().await;
        // As the leader does once the epoch has settled.
        let start = Draft {
            caller: grantd::domain::authz::caller::Caller {
                identity: Identity::System,
                facts: Default::default(),
            },
            command: Command::StartTokenEpoch(StartTokenEpoch { number }),
            ..create_account(1)
        };
        let writes = &world.cluster.node(world.leader).doors().write;
        let started = writes.propose(start, PATIENCE).await.unwrap();
        assert!(started.outcome.is_ok(), "{:?}", started.outcome);
        let lagging = world.cluster.api(follower).fresh(None);
        let (token, epoch) = world.token(&lagging).await;
        assert_eq!(epoch, number);
        epochs.insert(epoch);
        for at in 0..3 {
            assert_eq!(world.asked(at, &token).await, Ok(Outcome::Allow), "{at}");
        }
    }
    assert_eq!(epochs.len(), 20);
    world.cluster.shutdown().await;
}

/// Rotation harms no token: those of every epoch before go on, and the new one mints by itself once it has settled. Only
/// what is revoked is refused, at once and everywhere, and nothing of another epoch with it.
#[tokio::test(flavor = "multi_thread")]
async fn rotation_harms_no_token_and_revocation_takes_one_epoch_away() {
    let world = World::of(3).await;
    let api = world.cluster.api(world.leader);
    let (first, epoch) = world.token(&api).await;
    assert_eq!(epoch, 1);
    let mut tokens = vec![first];
    for wanted in [2, 3] {
        assert_eq!(world.rotate().await, wanted);
        world.until_it_mints(wanted).await;
        let (token, epoch) = world.token(&api).await;
        assert_eq!(epoch, wanted);
        tokens.push(token);
    }
    for at in 0..3 {
        for token in &tokens {
            assert_eq!(world.asked(at, token).await, Ok(Outcome::Allow), "{at}");
        }
    }
    let revoke = RevokeTokenEpochRequest {
        header: None,
        epoch: 2,
    };
    api.call(revoke).await.unwrap();
    for at in 0..3 {
        let mut asked = Vec::new();
        for token in &tokens {
            asked.push(world.asked(at, token).await);
        }
        let good = || Ok(Outcome::Allow);
        assert_eq!(asked, [good(), Err(INVALID.to_owned()), good()], "{at}");
    }
    world.cluster.shutdown().await;
}

/// a rotation is done once under its idempotency key, and its retry is told the same number.
#[tokio::test(flavor = "multi_thread")]
async fn rotation_is_done_once_under_its_idempotency_key() {
    let world = World::of(1).await;
    let api = world.cluster.api(0);
    let settings = api.call(GetSettingsRequest::default()).await.unwrap();
    let birth = settings.header.unwrap().position;
    let once = api.under("rotate", Some(&birth));
    let rotate = async |api: &Api| api.call(RotateTokenEpochRequest::default()).await;
    assert_eq!(rotate(&once).await.unwrap().epoch, 2);
    assert_eq!(rotate(&once).await.unwrap().epoch, 2);
    world.until_it_mints(2).await;
    assert_eq!(rotate(&once).await.unwrap().epoch, 2);
    assert_eq!(rotate(&api).await.unwrap().epoch, 3);
    world.cluster.shutdown().await;
}
