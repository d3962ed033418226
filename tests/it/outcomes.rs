//! What a caller is told of a write is true for good (Q-11): refusals too, whatever of it arrives afterwards.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use grantd::client::api::{
    ConsumeRequest, CreateGrantRequest, CreateGrantResponse, DisableKeyRequest, EnableKeyRequest,
    ListGrantsRequest, PutPrincipalPolicyRequest, RevokeGrantRequest, claim, subject,
};
use grantd::client::{Client, ClientError, Options, OwnKey, Parts, api};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, oneshot};
use tokio::time::timeout;

use crate::support::api::{
    Api, REGION, grant_of_decrypt, make_account, make_key, make_principal, user,
};
use crate::support::cluster::{Cluster, PATIENCE};

const ACCOUNT: &str = "111122223333";
const ALICE: &str = "arn:aws:iam::111122223333:user/Alice";
const BOB: &str = "arn:aws:iam::111122223333:user/Bob";
const MAY_GRANT: &str =
    r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"kms:*","Resource":"*"}]}"#;

/// A path to a node that delivers the bytes of its first connection only when it is told to, however long the sender has
/// been gone by then.
struct LatePath {
    address: SocketAddr,
    deliver: Arc<Notify>,
    answered: oneshot::Receiver<()>,
}

impl LatePath {
    async fn to(node: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let deliver = Arc::new(Notify::new());
        let (told, answered) = oneshot::channel();
        let wanted = Arc::clone(&deliver);
        tokio::spawn(async move {
            let (mut near, _) = listener.accept().await.unwrap();
            let mut sent = Vec::new();
            // Everything that the sender says until it gives up.
            let _ = near.read_to_end(&mut sent).await;
            wanted.notified().await;
            let mut far = TcpStream::connect(node).await.unwrap();
            far.write_all(request_of(&sent)).await.unwrap();
            until_answered(&mut far).await;
            let _ = told.send(());
        });
        Self {
            address,
            deliver,
            answered,
        }
    }

    /// Delivers what was sent and returns once the node has answered it.
    async fn arrive(self) {
        self.deliver.notify_one();
        timeout(PATIENCE, self.answered)
            .await
            .expect("the node answers what arrives late")
            .unwrap();
    }
}

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const END_STREAM: u8 = 1;

/// What was sent up to the end of the first request: that its sender gave up is lost on the way.
fn request_of(sent: &[u8]) -> &[u8] {
    let mut end = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".len();
    loop {
        let head = &sent[end..end + 9];
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        end += 9 + length as usize;
        if head[3] == DATA && head[4] & END_STREAM != 0 {
            return &sent[..end];
        }
    }
}

/// Reads HTTP/2 frames up to the one that ends a stream.
async fn until_answered(far: &mut TcpStream) {
    loop {
        let mut head = [0; 9];
        far.read_exact(&mut head).await.unwrap();
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let mut payload = vec![0; length as usize];
        far.read_exact(&mut payload).await.unwrap();
        if head[3] == HEADERS && head[4] & END_STREAM != 0 {
            return;
        }
    }
}

/// One node, a key whose policy leaves everything to the account, and two users without rights.
async fn world() -> (Cluster, Api, String) {
    let cluster = Cluster::start(1).await;
    let api = cluster.api(0);
    make_account(&api, ACCOUNT).await;
    for arn in [ALICE, BOB] {
        make_principal(&api, arn, &[]).await;
    }
    let key = make_key(&api, ACCOUNT, None).await.arn;
    (cluster, api, key)
}

fn claiming(arn: &str) -> api::Claim {
    api::Claim {
        who: Some(claim::Who::Principal(api::Subject {
            kind: Some(subject::Kind::Principal(arn.to_owned())),
        })),
    }
}

async fn grants_of(api: &Api, key: &str) -> Vec<String> {
    let request = ListGrantsRequest {
        key_id: key.to_owned(),
        ..ListGrantsRequest::default()
    };
    let listed = api.by_root(ACCOUNT).call(request).await.unwrap();
    listed.grants.into_iter().map(|g| g.grant_id).collect()
}

/// A position of now.
async fn position(api: &Api, key: &str) -> String {
    let no = api.by_root(ACCOUNT).under("any", None);
    let no = no.call(grant_of_decrypt(key, BOB)).await.unwrap_err();
    no.header.unwrap().position
}

/// A client of alice's whose first node is at the end of the late path, with a key of her own.
fn hasty(late: &LatePath, node: &str, key: &str, birth: String) -> Client {
    let options = Options {
        claim: claiming(ALICE),
        region: REGION.to_owned(),
        partition: None,
        demand: None,
        deadline: Duration::from_secs(4),
        idempotency_key: Some(OwnKey {
            key: key.to_owned(),
            birth: Some(birth),
        }),
    };
    let late = late.address.to_string();
    Client::new([late.as_str(), node], options, Parts::real()).unwrap()
}

/// Q-11, EC-69: a client whose first attempt is in doubt is told of a refusal by the second. That is the outcome of both:
/// the first one, which arrives afterwards, when it would be permitted, does nothing.
#[tokio::test(flavor = "multi_thread")]
async fn refusal_that_a_client_was_told_holds_for_the_attempt_that_arrives_late() {
    let (cluster, api, key) = world().await;
    let node = cluster.node(0).address().to_owned();
    let late = LatePath::to(node.parse().unwrap()).await;
    let client = hasty(&late, &node, "k", position(&api, &key).await);
    let told = client.call(grant_of_decrypt(&key, BOB)).await;
    let Err(ClientError::Refused(refusal)) = told else {
        panic!("{told:?}");
    };
    assert_eq!(refusal.detail.code, "AccessDeniedException");
    api.by_root(ACCOUNT)
        .call(PutPrincipalPolicyRequest {
            arn: ALICE.to_owned(),
            policy_name: "grants".to_owned(),
            policy: MAY_GRANT.to_owned(),
            ..PutPrincipalPolicyRequest::default()
        })
        .await
        .unwrap();
    late.arrive().await;
    assert_eq!(grants_of(&api, &key).await, Vec::<String>::new());
    // A new request of the same kind is another one.
    let alice = api.by(user(ALICE));
    alice.call(grant_of_decrypt(&key, BOB)).await.unwrap();
    assert_eq!(grants_of(&api, &key).await.len(), 1);
    cluster.shutdown().await;
}

fn consume(key: &str) -> ConsumeRequest {
    ConsumeRequest {
        key_id: key.to_owned(),
        operation: "Decrypt".to_owned(),
        ..ConsumeRequest::default()
    }
}

async fn grant_one_use(api: &Api, key: &str, grantee: &str) -> CreateGrantResponse {
    let request = CreateGrantRequest {
        uses: Some(1),
        ..grant_of_decrypt(key, grantee)
    };
    api.by_root(ACCOUNT).call(request).await.unwrap()
}

/// EC-68, Q-2, Q-7: a retried Consume, at any node, says that it is one and when it was decided; and it is refused at every
/// node as soon as a revocation or the key's state has taken away what it allowed.
#[tokio::test(flavor = "multi_thread")]
async fn retried_consume_is_decided_again_at_every_node() {
    let cluster = Cluster::start(3).await;
    let api = cluster.api(cluster.leader().await);
    make_account(&api, ACCOUNT).await;
    make_principal(&api, ALICE, &[]).await;
    let key = make_key(&api, ACCOUNT, None).await.arn;
    let root = api.by_root(ACCOUNT);
    let granted = grant_one_use(&api, &key, ALICE).await;
    let birth = granted.header.unwrap().position;
    let at = |node: usize, name: &str| cluster.api(node).by(user(ALICE)).under(name, Some(&birth));
    let first = at(0, "use").call(consume(&key)).await.unwrap();
    assert_eq!((first.uses_left, first.replayed), (Some(0), false));
    let header = first.header.unwrap();
    assert_eq!(
        (first.decided_at, header.settled_revision),
        (header.revision, Some(header.revision))
    );
    let spent = at(1, "other").call(consume(&key)).await.unwrap_err();
    assert_eq!(spent.code, "LimitExceededException");
    for node in 0..3 {
        let again = at(node, "use").call(consume(&key)).await.unwrap();
        assert!(again.replayed, "node {node}");
        assert_eq!(again.decided_at, first.decided_at);
        assert_eq!(again.grant_id, Some(granted.grant_id.clone()));
    }
    let disable = DisableKeyRequest {
        key_id: key.clone(),
        ..DisableKeyRequest::default()
    };
    root.call(disable).await.unwrap();
    for node in 0..3 {
        let no = at(node, "use").call(consume(&key)).await.unwrap_err();
        assert_eq!(no.code, "NoLongerPermitted", "node {node}: {}", no.message);
        assert!(no.message.contains("is disabled"), "{}", no.message);
    }
    let enable = EnableKeyRequest {
        key_id: key.clone(),
        ..EnableKeyRequest::default()
    };
    root.call(enable).await.unwrap();
    assert!(at(2, "use").call(consume(&key)).await.unwrap().replayed);
    let revoke = RevokeGrantRequest {
        key_id: key.clone(),
        grant_id: granted.grant_id,
        ..RevokeGrantRequest::default()
    };
    root.call(revoke).await.unwrap();
    for node in 0..3 {
        let no = at(node, "use").call(consume(&key)).await.unwrap_err();
        assert_eq!(no.code, "NoLongerPermitted", "node {node}: {}", no.message);
        // It is no outcome that the key was settled with: the first answer may become true again.
        let header = no.header.unwrap();
        assert!(header.settled_revision < Some(header.revision));
    }
    cluster.shutdown().await;
}

/// Q-11, EC-70: a key without a birth does nothing at all, ever: the refusal brings the birth that a first attempt may give,
/// and with it the request is done once.
#[tokio::test(flavor = "multi_thread")]
async fn key_without_a_birth_does_nothing_and_is_told_one() {
    let (cluster, api, key) = world().await;
    let root = api.by_root(ACCOUNT);
    for _ in 0..2 {
        let unborn = root.under("mine", None);
        let no = unborn.call(grant_of_decrypt(&key, BOB)).await.unwrap_err();
        assert_eq!(no.code, "IdempotencyBirthMissing");
        assert!(no.safe_to_retry && !no.retryable);
        let header = no.header.unwrap();
        assert_eq!(header.settled_revision, None);
        assert!(no.message.contains(&header.position), "{}", no.message);
        assert_eq!(grants_of(&api, &key).await, Vec::<String>::new());
    }
    let no = root
        .under("mine", None)
        .call(grant_of_decrypt(&key, BOB))
        .await;
    let birth = no.unwrap_err().header.unwrap().position;
    let born = root.under("mine", Some(&birth));
    let first = born.call(grant_of_decrypt(&key, BOB)).await.unwrap();
    let again = born.call(grant_of_decrypt(&key, BOB)).await.unwrap();
    assert_eq!(again.grant_id, first.grant_id);
    assert_eq!(grants_of(&api, &key).await, [first.grant_id]);
    // The refused first attempts settled nothing; the answer to a retry says when it was done.
    let (first, again) = (first.header.unwrap(), again.header.unwrap());
    assert_eq!(first.settled_revision, Some(first.revision));
    assert_eq!(again.settled_revision, Some(first.revision));
    assert!(again.revision > first.revision);
    cluster.shutdown().await;
}

/// Q-11: a client that has seen no position yet begins its first change with the one that the refusal of a key without a
/// birth brings; nobody has to know.
#[tokio::test(flavor = "multi_thread")]
async fn first_change_of_a_new_client_is_done_once() {
    let (cluster, api, key) = world().await;
    let client = Client::new(
        [cluster.node(0).address()],
        Options {
            claim: claiming(&format!("arn:aws:iam::{ACCOUNT}:root")),
            region: REGION.to_owned(),
            partition: None,
            demand: None,
            deadline: PATIENCE,
            idempotency_key: None,
        },
        Parts::real(),
    )
    .unwrap();
    let made = client.call(grant_of_decrypt(&key, BOB)).await.unwrap();
    let header = made.answer.header.unwrap();
    assert_eq!(header.settled_revision, Some(header.revision));
    assert_eq!(grants_of(&api, &key).await, [made.answer.grant_id]);
    cluster.shutdown().await;
}

/// Q-11: a refusal that settles nothing tells nothing of an earlier attempt: the client says that the outcome is unknown.
#[tokio::test(flavor = "multi_thread")]
async fn refusal_that_settles_nothing_leaves_an_attempt_in_doubt_unknown() {
    let (cluster, api, key) = world().await;
    let node = cluster.node(0).address().to_owned();
    let late = LatePath::to(node.parse().unwrap()).await;
    // The node refuses the shape of the key before it looks at anything else.
    let client = hasty(&late, &node, &"k".repeat(65), position(&api, &key).await);
    let told = client.call(grant_of_decrypt(&key, BOB)).await;
    let Err(ClientError::Unknown(refusal)) = told else {
        panic!("{told:?}");
    };
    assert_eq!(refusal.detail.code, "ValidationException");
    late.arrive().await;
    cluster.shutdown().await;
}
