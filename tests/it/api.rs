//! The API end to end: real nodes, real gRPC on loopback, from an empty cluster to a decision.

use grantd::wire::api::error::decode_details;
use grantd::wire::v1::authorization_client::AuthorizationClient;
use grantd::wire::v1::batch_authorize_response::item;
use grantd::wire::v1::cluster_client::ClusterClient;
use grantd::wire::v1::identity_client::IdentityClient;
use grantd::wire::v1::kms_client::KmsClient;
use grantd::wire::v1::{self, Outcome};
use tonic::transport::Channel;
use tonic::{Code, Status};

use super::support::cluster::{Cluster, WIDE_BOUND, memory};

const ACCOUNT: &str = "111122223333";
const ROOT: &str = "arn:aws:iam::111122223333:root";
const ALICE: &str = "arn:aws:iam::111122223333:user/alice";
const BOB: &str = "arn:aws:iam::111122223333:user/bob";
const REGION: &str = "us-west-2";

/// One node's services, and the position of the last answer.
struct Api {
    kms: KmsClient<Channel>,
    identity: IdentityClient<Channel>,
    authorization: AuthorizationClient<Channel>,
    cluster: ClusterClient<Channel>,
}

impl Api {
    async fn of(cluster: &Cluster, at: usize) -> Self {
        let address = cluster.node(at).address();
        let channel = Channel::from_shared(format!("http://{address}"))
            .unwrap()
            .connect()
            .await
            .unwrap();
        Self {
            kms: KmsClient::new(channel.clone()),
            identity: IdentityClient::new(channel.clone()),
            authorization: AuthorizationClient::new(channel.clone()),
            cluster: ClusterClient::new(channel),
        }
    }

    /// Account, users alice and bob, and a key with the default policy: its ARN and the last position.
    async fn furnish(&mut self) -> (String, String) {
        let account = v1::CreateAccountRequest {
            header: header(operator()),
            account_id: ACCOUNT.to_owned(),
            name: None,
        };
        let mut position = told(self.identity.create_account(account).await.unwrap()).header;
        for arn in [ALICE, BOB] {
            let user = v1::CreatePrincipalRequest {
                header: after(principal(ROOT), &position_of(&position)),
                arn: arn.to_owned(),
                tags: Vec::new(),
            };
            let made = told(self.identity.create_principal(user).await.unwrap());
            assert!(made.principal.unwrap().unique_id.starts_with("AIDA"));
            position = made.header;
        }
        let key = v1::CreateKeyRequest {
            header: after(principal(ROOT), &position_of(&position)),
            ..Default::default()
        };
        let made = told(self.kms.create_key(key).await.unwrap());
        (made.key_metadata.unwrap().arn, position_of(&made.header))
    }

    async fn grant(&mut self, key: &str, grantee: &str, position: &str) -> v1::CreateGrantResponse {
        let request = v1::CreateGrantRequest {
            header: after(principal(ROOT), position),
            key_id: key.to_owned(),
            grantee_principal: Some(grantee.to_owned()),
            operations: vec!["Decrypt".to_owned()],
            ..Default::default()
        };
        told(self.kms.create_grant(request).await.unwrap())
    }

    async fn may(
        &mut self,
        header: Option<v1::RequestHeader>,
        question: v1::Question,
    ) -> Result<v1::AuthorizeResponse, Status> {
        let request = v1::AuthorizeRequest {
            header,
            question: Some(question),
        };
        self.authorization.authorize(request).await.map(told)
    }
}

fn told<T>(response: tonic::Response<T>) -> T {
    response.into_inner()
}

fn operator() -> v1::claim::Who {
    v1::claim::Who::Operator(v1::Operator {})
}

fn subject(arn: &str) -> v1::Subject {
    v1::Subject {
        kind: Some(v1::subject::Kind::Principal(arn.to_owned())),
    }
}

fn principal(arn: &str) -> v1::claim::Who {
    v1::claim::Who::Principal(subject(arn))
}

fn front() -> v1::claim::Who {
    v1::claim::Who::Front(v1::Front {
        name: "test".to_owned(),
        ..Default::default()
    })
}

fn header(who: v1::claim::Who) -> Option<v1::RequestHeader> {
    Some(v1::RequestHeader {
        claim: Some(v1::Claim { who: Some(who) }),
        region: REGION.to_owned(),
        ..Default::default()
    })
}

fn after(who: v1::claim::Who, position: &str) -> Option<v1::RequestHeader> {
    let mut header = header(who)?;
    header.demand = Some(v1::Demand {
        consistency: Some(v1::demand::Consistency::AtLeast(position.to_owned())),
        wait_ms: None,
    });
    Some(header)
}

/// Answered at once or refused at once.
fn now(who: v1::claim::Who) -> Option<v1::RequestHeader> {
    let mut header = header(who)?;
    header.demand = Some(v1::Demand {
        consistency: None,
        wait_ms: Some(0),
    });
    Some(header)
}

fn position_of(header: &Option<v1::ResponseHeader>) -> String {
    header.as_ref().unwrap().position.clone()
}

fn decrypt(key: &str, who: &str) -> v1::Question {
    v1::Question {
        subject: Some(subject(who)),
        action: "kms:Decrypt".to_owned(),
        key_id: Some(key.to_owned()),
        ..Default::default()
    }
}

fn detail(status: &Status) -> v1::ErrorDetail {
    decode_details(status.details()).expect("every error of ours has its detail")
}

fn outcome(answer: &v1::AuthorizeResponse) -> Outcome {
    answer.decision.as_ref().unwrap().outcome()
}

/// Walk 1 and 2: from an empty cluster to an allowed and a denied request, each with what decided it.
#[tokio::test]
async fn grant_allows_its_grantee_and_nobody_else() {
    let cluster = Cluster::start(1).await;
    let mut api = Api::of(&cluster, 0).await;
    let (key, position) = api.furnish().await;

    let before = api
        .may(after(front(), &position), decrypt(&key, ALICE))
        .await
        .unwrap();
    assert_eq!(outcome(&before), Outcome::ImplicitDeny);
    let text = before.decision.unwrap().message;
    assert!(
        text.starts_with(&format!(
            "User: {ALICE} is not authorized to perform: kms:Decrypt on resource: {key} because no "
        )),
        "{text}"
    );

    let made = api.grant(&key, ALICE, &position).await;
    let position = position_of(&made.header);
    let allowed = api
        .may(after(front(), &position), decrypt(&key, ALICE))
        .await
        .unwrap();
    assert_eq!(outcome(&allowed), Outcome::Allow);
    assert_eq!(allowed.key_arn.as_deref(), Some(key.as_str()));
    let decision = allowed.decision.unwrap();
    let by = decision.decided_by.unwrap();
    assert_eq!(by.policy_type, "grant");
    assert_eq!(by.grant_id.as_ref(), Some(&made.grant_id));
    assert!(decision.why.contains(&made.grant_id), "{}", decision.why);
    let answer = allowed.header.unwrap();
    assert!(answer.revision >= made.header.unwrap().revision);
    assert!(answer.staleness_ms.unwrap() <= 1000);
    assert_eq!(answer.node_id, 1);

    let other = api
        .may(after(front(), &position), decrypt(&key, BOB))
        .await
        .unwrap();
    assert_eq!(outcome(&other), Outcome::ImplicitDeny);

    // The grant holds Decrypt alone.
    let mut encrypt = decrypt(&key, ALICE);
    encrypt.action = "kms:Encrypt".to_owned();
    let other = api.may(after(front(), &position), encrypt).await.unwrap();
    assert_eq!(outcome(&other), Outcome::ImplicitDeny);

    let listed = v1::ListGrantsRequest {
        header: after(principal(ROOT), &position),
        key_id: key.clone(),
        ..Default::default()
    };
    let listed = told(api.kms.list_grants(listed).await.unwrap());
    assert_eq!(listed.grants.len(), 1);
    assert_eq!(listed.grants[0].grant_id, made.grant_id);
    assert_eq!(listed.grants[0].grantee_principal.as_deref(), Some(ALICE));
    assert_eq!(listed.grants[0].issuing_account, ROOT);
    assert_eq!(listed.next_marker, None);

    let revoke = v1::RevokeGrantRequest {
        header: after(principal(ROOT), &position),
        key_id: key.clone(),
        grant_id: made.grant_id.clone(),
        dry_run: None,
        descendants: None,
    };
    let revoked = told(api.kms.revoke_grant(revoke).await.unwrap());
    let mut with_token = decrypt(&key, ALICE);
    with_token.grant_tokens = made.grant_token.into_iter().collect();
    // ID-13, EC-3: the token is authentic and its grant is gone: it is ignored.
    let gone = api
        .may(after(front(), &position_of(&revoked.header)), with_token)
        .await
        .unwrap();
    assert_eq!(outcome(&gone), Outcome::ImplicitDeny);
    cluster.shutdown().await;
}

/// CK-0: what the server computes is not taken from a principal, and a principal speaks for itself alone.
#[tokio::test]
async fn principal_that_says_what_only_a_front_may_say_is_refused() {
    let cluster = Cluster::start(1).await;
    let mut api = Api::of(&cluster, 0).await;
    let (key, position) = api.furnish().await;

    let own = api
        .may(after(principal(ALICE), &position), decrypt(&key, ALICE))
        .await
        .unwrap();
    assert_eq!(outcome(&own), Outcome::ImplicitDeny);

    let refusal = |answer: Result<v1::AuthorizeResponse, Status>| {
        let status = answer.unwrap_err();
        let detail = detail(&status);
        assert!(detail.safe_to_retry && !detail.retryable, "{detail:?}");
        (status.code(), detail.code, detail.message)
    };
    let other = refusal(
        api.may(after(principal(ALICE), &position), decrypt(&key, BOB))
            .await,
    );
    assert_eq!(other.0, Code::PermissionDenied);
    assert!(other.2.contains("only for itself"), "{}", other.2);

    for (name, value) in [("kms:ViaService", "x"), ("AWS:SourceIp", "10.0.0.1")] {
        let mut question = decrypt(&key, ALICE);
        question.subject = None;
        let value = v1::ContextValue {
            value: Some(v1::context_value::Value::Single(value.to_owned())),
        };
        question.facts = Some(v1::RequestFacts {
            context: [(name.to_owned(), value)].into(),
            ..Default::default()
        });
        let reserved = refusal(api.may(after(principal(ALICE), &position), question).await);
        assert_eq!(reserved.0, Code::PermissionDenied);
        assert!(reserved.2.contains("CK-0"), "{}", reserved.2);
    }

    let unknown = refusal(
        api.may(
            after(principal("arn:aws:iam::111122223333:user/carol"), &position),
            v1::Question {
                action: "kms:Decrypt".to_owned(),
                key_id: Some(key.clone()),
                ..Default::default()
            },
        )
        .await,
    );
    assert_eq!(unknown.0, Code::Unauthenticated);
    assert_eq!(unknown.1, "UnrecognizedClientException");

    // A principal's account is not the operator's business, nor the operator's the principal's.
    let account = v1::CreateAccountRequest {
        header: after(principal(ROOT), &position),
        account_id: "444455556666".to_owned(),
        name: None,
    };
    let status = api.identity.create_account(account).await.unwrap_err();
    assert_eq!(status.code(), Code::PermissionDenied);
    let status = api
        .cluster
        .status(v1::StatusRequest {
            header: header(principal(ROOT)),
        })
        .await
        .unwrap_err();
    assert_eq!(status.code(), Code::PermissionDenied);
    let status = told(
        api.cluster
            .status(v1::StatusRequest {
                header: header(operator()),
            })
            .await
            .unwrap(),
    );
    assert_eq!((status.role.as_str(), status.members.len()), ("leader", 1));
    cluster.shutdown().await;
}

/// W-3, ID-1 to ID-3: errors in AWS's words, each with the typed detail.
#[tokio::test]
async fn wrong_request_is_refused_in_the_words_of_aws() {
    let cluster = Cluster::start(1).await;
    let mut api = Api::of(&cluster, 0).await;
    let (key, position) = api.furnish().await;
    let describe = |key_id: &str| v1::DescribeKeyRequest {
        header: after(principal(ROOT), &position),
        key_id: key_id.to_owned(),
        grant_tokens: Vec::new(),
    };
    let missing = "arn:aws:kms:us-west-2:111122223333:key/11111111-2222-4333-8444-555555555555";
    let foreign = "arn:aws:kms:eu-west-1:111122223333:key/11111111-2222-4333-8444-555555555555";
    let rows = [
        ("fake-key-id", "NotFoundException", "Invalid keyId 'fake-key-id'".to_owned()),
        (missing, "NotFoundException", format!("Key '{missing}' does not exist")),
        (foreign, "NotFoundException", "Invalid arn eu-west-1".to_owned()),
        (
            "alias/none",
            "NotFoundException",
            "Alias arn:aws:kms:us-west-2:111122223333:alias/none is not found.".to_owned(),
        ),
        (
            "",
            "ValidationException",
            "1 validation error detected: Value '' at 'keyId' failed to satisfy constraint: Member must have length greater than or equal to 1".to_owned(),
        ),
    ];
    for (key_id, code, message) in rows {
        let status = api.kms.describe_key(describe(key_id)).await.unwrap_err();
        let detail = detail(&status);
        assert_eq!((detail.code.as_str(), &detail.message), (code, &message));
        assert_eq!(status.message(), format!("{code}: {message}"));
        assert_eq!(detail.header.unwrap().node_id, 1);
    }

    // The place of a fault in a policy is told apart from its text.
    let put = v1::PutKeyPolicyRequest {
        header: after(principal(ROOT), &position),
        key_id: key.clone(),
        policy: "{\n  \"Version\": \"2012-10-17\"\n  \"Statement\": []\n}".to_owned(),
        ..Default::default()
    };
    let status = api.kms.put_key_policy(put).await.unwrap_err();
    let told = detail(&status);
    assert_eq!(told.code, "MalformedPolicyDocumentException");
    let Some(v1::error_detail::Reason::Policy(fault)) = told.reason else {
        panic!("{told:?}");
    };
    assert!((2..=3).contains(&fault.line), "{fault:?}");
    assert!(!fault.help.is_empty());

    // A denial carries its decision.
    let denied = v1::DescribeKeyRequest {
        header: after(principal(BOB), &position),
        key_id: key.clone(),
        grant_tokens: Vec::new(),
    };
    let status = api.kms.describe_key(denied).await.unwrap_err();
    assert_eq!(status.code(), Code::PermissionDenied);
    let told = detail(&status);
    assert_eq!(told.code, "AccessDeniedException");
    assert!(matches!(
        told.reason,
        Some(v1::error_detail::Reason::Denied(_))
    ));

    // A read has no effect to repeat.
    let mut keyed = describe(&key);
    if let Some(header) = &mut keyed.header {
        header.idempotency = Some(v1::Idempotency {
            key: "k".to_owned(),
            birth_position: None,
        });
    }
    let status = api.kms.describe_key(keyed).await.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument);

    // Q-12: a position of another life of the cluster.
    let strange = format!("{}.1", "0".repeat(32));
    let mut elsewhere = describe(&key);
    elsewhere.header = after(principal(ROOT), &strange);
    let status = api.kms.describe_key(elsewhere).await.unwrap_err();
    let told = detail(&status);
    assert_eq!(told.code, "InvalidPosition");
    assert!(!told.retryable);
    cluster.shutdown().await;
}

/// Q-11: a retry under an idempotency key does nothing twice, and never a token for a grant that is gone.
#[tokio::test]
async fn retry_under_an_idempotency_key_is_told_what_was_done() {
    let cluster = Cluster::start(1).await;
    let mut api = Api::of(&cluster, 0).await;
    let (key, position) = api.furnish().await;
    let mut sent = after(principal(ROOT), &position);
    if let Some(header) = &mut sent {
        header.idempotency = Some(v1::Idempotency {
            key: "once".to_owned(),
            birth_position: Some(position.clone()),
        });
    }
    let create = v1::CreateGrantRequest {
        header: sent,
        key_id: key.clone(),
        grantee_principal: Some(ALICE.to_owned()),
        operations: vec!["Decrypt".to_owned()],
        ..Default::default()
    };
    let first = told(api.kms.create_grant(create.clone()).await.unwrap());
    let again = told(api.kms.create_grant(create.clone()).await.unwrap());
    assert_eq!(again.grant_id, first.grant_id);
    // ID-12: a fresh token each time.
    assert!(again.grant_token.is_some());
    assert_ne!(again.grant_token, first.grant_token);

    let mut other = create.clone();
    other.operations = vec!["Encrypt".to_owned()];
    let status = api.kms.create_grant(other).await.unwrap_err();
    assert_eq!(detail(&status).code, "IdempotentParameterMismatch");

    let revoke = v1::RevokeGrantRequest {
        header: after(principal(ROOT), &position_of(&again.header)),
        key_id: key,
        grant_id: first.grant_id.clone(),
        dry_run: None,
        descendants: None,
    };
    api.kms.revoke_grant(revoke).await.unwrap();
    let gone = told(api.kms.create_grant(create).await.unwrap());
    assert_eq!(gone.grant_id, first.grant_id);
    assert_eq!(gone.grant_token, None);
    cluster.shutdown().await;
}

/// G-41, EC-4: a grant is retired by its token by those who may.
#[tokio::test]
async fn grant_is_retired_by_its_token() {
    let cluster = Cluster::start(1).await;
    let mut api = Api::of(&cluster, 0).await;
    let (key, position) = api.furnish().await;
    let made = api.grant(&key, ALICE, &position).await;
    let retire = |who: &str, token: Option<String>| v1::RetireGrantRequest {
        header: after(principal(who), &position_of(&made.header)),
        grant_token: token,
        ..Default::default()
    };
    // Half of a pair is no request.
    let status = api.kms.retire_grant(retire(ROOT, None)).await.unwrap_err();
    assert_eq!(detail(&status).code, "ValidationException");
    // Bob has no part in the grant (ID-13).
    let status = api
        .kms
        .retire_grant(retire(BOB, made.grant_token.clone()))
        .await
        .unwrap_err();
    assert_eq!(detail(&status).code, "AccessDeniedException");
    let retired = told(
        api.kms
            .retire_grant(retire(ROOT, made.grant_token.clone()))
            .await
            .unwrap(),
    );
    let listed = v1::ListGrantsRequest {
        header: after(principal(ROOT), &position_of(&retired.header)),
        key_id: key,
        ..Default::default()
    };
    let listed = told(api.kms.list_grants(listed).await.unwrap());
    assert!(listed.grants.is_empty());
    cluster.shutdown().await;
}

/// Q-6: a follower that is cut off while a grant is created allows by its token at once, denies without it, and goes
/// back to its own state when it has caught up.
#[tokio::test]
async fn token_of_a_grant_that_a_cut_off_follower_lacks_allows_there_at_once() {
    let cluster = Cluster::start_bounded(3, memory, WIDE_BOUND).await;
    let leader = cluster.leader().await;
    let mut api = Api::of(&cluster, leader).await;
    let (key, position) = api.furnish().await;
    let follower = cluster.follower().await;
    let mut far = Api::of(&cluster, follower).await;
    // The follower has applied what the grant depends on.
    let before = far
        .may(after(front(), &position), decrypt(&key, ALICE))
        .await
        .unwrap();
    assert_eq!(outcome(&before), Outcome::ImplicitDeny);

    cluster.cut_off(follower);
    let made = api.grant(&key, ALICE, &position).await;
    let mut with_token = decrypt(&key, ALICE);
    with_token.grant_tokens = made.grant_token.into_iter().collect();
    let allowed = far.may(now(front()), with_token.clone()).await.unwrap();
    assert_eq!(outcome(&allowed), Outcome::Allow);
    let decision = allowed.decision.unwrap();
    assert_eq!(
        decision.token_grant_ids,
        std::slice::from_ref(&made.grant_id)
    );
    assert_eq!(
        decision.decided_by.unwrap().grant_id.as_ref(),
        Some(&made.grant_id)
    );
    assert!(allowed.header.unwrap().revision < made.header.as_ref().unwrap().revision);

    let without = far.may(now(front()), decrypt(&key, ALICE)).await.unwrap();
    assert_eq!(outcome(&without), Outcome::ImplicitDeny);
    // Only the grantee profits from a token (ID-13).
    let mut stolen = with_token.clone();
    stolen.subject = Some(subject(BOB));
    let stolen = far.may(now(front()), stolen).await.unwrap();
    assert_eq!(outcome(&stolen), Outcome::ImplicitDeny);
    // A smaller bound than the state's age is refused with its reason.
    let mut tight = now(front());
    if let Some(header) = &mut tight {
        header.demand = Some(v1::Demand {
            consistency: Some(v1::demand::Consistency::Bounded(v1::Bounded {
                max_staleness_ms: Some(0),
            })),
            wait_ms: Some(0),
        });
    }
    let status = far.may(tight, with_token.clone()).await.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable);
    let told_why = detail(&status);
    assert_eq!(told_why.code, "TooStale");
    assert!(told_why.retryable && told_why.safe_to_retry);
    assert!(matches!(
        told_why.reason,
        Some(v1::error_detail::Reason::Staleness(_))
    ));

    // Retired while the follower was away: once it has caught up, the token revives nothing.
    let retire = v1::RetireGrantRequest {
        header: after(principal(ROOT), &position_of(&made.header)),
        key_id: Some(key.clone()),
        grant_id: Some(made.grant_id.clone()),
        ..Default::default()
    };
    let retired = told(api.kms.retire_grant(retire).await.unwrap());
    cluster.heal(follower);
    let fenced = far
        .may(after(front(), &position_of(&retired.header)), with_token)
        .await
        .unwrap();
    assert_eq!(outcome(&fenced), Outcome::ImplicitDeny);
    cluster.shutdown().await;
}

/// ID-12, Q-12: whatever is not exactly a token of this cluster is refused, never a panic, never an allow.
#[tokio::test]
async fn mutated_token_is_refused_as_invalid() {
    let cluster = Cluster::start_bounded(1, memory, WIDE_BOUND).await;
    let mut api = Api::of(&cluster, 0).await;
    let (key, position) = api.furnish().await;
    let made = api.grant(&key, ALICE, &position).await;
    let good = made.grant_token.unwrap();
    let position = position_of(&made.header);

    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=";
    // A small generator of its own: the same mutations on every run.
    let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
    let mut draw = |below: usize| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        (seed % below as u64) as usize
    };
    let mut mutated: Vec<String> = Vec::new();
    while mutated.len() < 10_000 {
        let mut bytes = good.clone().into_bytes();
        match draw(5) {
            0 => bytes.truncate(draw(bytes.len()).max(1)),
            1 => bytes.push(alphabet[draw(alphabet.len())]),
            2 => {
                let (a, b) = (draw(bytes.len()), draw(bytes.len()));
                bytes.swap(a, b);
            }
            _ => {
                let at = draw(bytes.len());
                bytes[at] = alphabet[draw(alphabet.len())];
            }
        }
        let text = String::from_utf8(bytes).unwrap();
        if text != good {
            mutated.push(text);
        }
    }
    mutated.extend([
        "not a token".to_owned(),
        format!("{good}\n"),
        good.to_lowercase(),
        "A".repeat(8192),
    ]);
    let mut refused = 0;
    for batch in mutated.chunks(1000) {
        let questions = batch
            .iter()
            .map(|token| v1::Question {
                grant_tokens: vec![token.clone()],
                ..decrypt(&key, BOB)
            })
            .collect();
        let request = v1::BatchAuthorizeRequest {
            header: after(front(), &position),
            questions,
        };
        let answer = told(api.authorization.batch_authorize(request).await.unwrap());
        for item in answer.items {
            match item.result.unwrap() {
                item::Result::Error(error) => {
                    assert_eq!(error.code, "InvalidGrantTokenException");
                    refused += 1;
                }
                item::Result::Answered(answered) => panic!("{answered:?}"),
            }
        }
    }
    assert_eq!(refused, mutated.len());
    // The good one is none of them.
    let mut fine = decrypt(&key, ALICE);
    fine.grant_tokens = vec![good];
    let answer = api.may(after(front(), &position), fine).await.unwrap();
    assert_eq!(outcome(&answer), Outcome::Allow);
    cluster.shutdown().await;
}

/// Q-2: a batch is decided on one view; a question that cannot be decided spoils no other.
#[tokio::test]
async fn batch_is_answered_at_one_revision_each_question_for_itself() {
    let cluster = Cluster::start(1).await;
    let mut api = Api::of(&cluster, 0).await;
    let (key, position) = api.furnish().await;
    let made = api.grant(&key, ALICE, &position).await;
    let request = v1::BatchAuthorizeRequest {
        header: after(front(), &position_of(&made.header)),
        questions: vec![
            decrypt(&key, ALICE),
            decrypt("fake-key-id", ALICE),
            decrypt(&key, BOB),
            v1::Question {
                action: "s3:GetObject".to_owned(),
                ..decrypt(&key, ALICE)
            },
        ],
    };
    let answer = told(api.authorization.batch_authorize(request).await.unwrap());
    let got: Vec<String> = answer
        .items
        .into_iter()
        .map(|item| match item.result.unwrap() {
            item::Result::Answered(answered) => {
                format!("{:?}", answered.decision.unwrap().outcome())
            }
            item::Result::Error(error) => error.code,
        })
        .collect();
    assert_eq!(
        got,
        [
            "Allow",
            "NotFoundException",
            "ImplicitDeny",
            "ValidationException"
        ]
    );
    cluster.shutdown().await;
}

/// The token epoch can be revoked at once, by the operator alone.
#[tokio::test]
async fn token_of_a_revoked_epoch_is_refused() {
    let cluster = Cluster::start(1).await;
    let mut api = Api::of(&cluster, 0).await;
    let (key, position) = api.furnish().await;
    let made = api.grant(&key, ALICE, &position).await;
    let rotate = |who| v1::RotateTokenEpochRequest {
        header: after(who, &position_of(&made.header)),
    };
    let status = api
        .cluster
        .rotate_token_epoch(rotate(principal(ROOT)))
        .await
        .unwrap_err();
    assert_eq!(status.code(), Code::PermissionDenied);
    let rotated = told(
        api.cluster
            .rotate_token_epoch(rotate(operator()))
            .await
            .unwrap(),
    );
    let revoked = v1::RevokeTokenEpochRequest {
        header: after(operator(), &position_of(&rotated.header)),
        epoch: rotated.epoch - 1,
    };
    let revoked = told(api.cluster.revoke_token_epoch(revoked).await.unwrap());
    let position = position_of(&revoked.header);
    let mut old = decrypt(&key, ALICE);
    old.grant_tokens = made.grant_token.into_iter().collect();
    let status = api.may(after(front(), &position), old).await.unwrap_err();
    assert_eq!(detail(&status).code, "InvalidGrantTokenException");
    // New tokens are minted in the new epoch, once it has settled.
    let mints = |state: &grantd::domain::state::State| state.minting_epoch().map(|_| ());
    cluster.until_state(0, "the new epoch mints", mints).await;
    let again = api.grant(&key, BOB, &position).await;
    let mut new = decrypt(&key, BOB);
    new.grant_tokens = again.grant_token.into_iter().collect();
    let answer = api
        .may(after(front(), &position_of(&again.header)), new)
        .await
        .unwrap();
    assert_eq!(outcome(&answer), Outcome::Allow);
    cluster.shutdown().await;
}

/// The caller's own deadline ends the wait with a reason, not with a bare timeout.
#[tokio::test]
async fn demand_that_cannot_be_met_ends_at_the_deadline_with_its_reason() {
    let cluster = Cluster::start(1).await;
    let mut api = Api::of(&cluster, 0).await;
    let (key, position) = api.furnish().await;
    let (incarnation, revision) = position.split_once('.').unwrap();
    let ahead = format!("{incarnation}.{}", revision.parse::<u64>().unwrap() + 1000);
    let mut sent = after(front(), &ahead);
    if let Some(header) = &mut sent {
        header.deadline_ms = Some(30_000);
    }
    let status = api.may(sent, decrypt(&key, ALICE)).await.unwrap_err();
    // Q-4: beyond a read index asked for afterwards: refused for that, and not for the deadline.
    assert_eq!(detail(&status).code, "InvalidPosition");
    cluster.shutdown().await;
}

const KMS_USER: &str = "arn:aws:iam::111122223333:user/KMSUser";
const KMS_ADMIN: &str = "arn:aws:iam::111122223333:user/KMSAdminUser";
const FOREIGN_ROLE: &str = "arn:aws:iam::444455556666:role/app";
const CONSOLE_POLICY: &str = include_str!("../examples/key-consolepolicy-2.json");
const UNREADABLE_POLICY: &str = include_str!("../examples/identity-policy-tag-as-published.json");

fn foreign_session() -> v1::Subject {
    v1::Subject {
        kind: Some(v1::subject::Kind::RoleSession(v1::RoleSession {
            role: FOREIGN_ROLE.to_owned(),
            session_name: "s1".to_owned(),
            ..Default::default()
        })),
    }
}

/// P-9, D-8, CK-11: the console's key policy as AWS publishes it, put on a key by the API.
#[tokio::test]
async fn console_key_policy_separates_its_users_from_its_administrators() {
    let cluster = Cluster::start(1).await;
    let mut api = Api::of(&cluster, 0).await;
    let (_, mut position) = api.furnish().await;
    let foreign_account = v1::CreateAccountRequest {
        header: after(operator(), &position),
        account_id: "444455556666".to_owned(),
        name: None,
    };
    let made = told(api.identity.create_account(foreign_account).await.unwrap());
    position = position_of(&made.header);
    let foreign_root = "arn:aws:iam::444455556666:root";
    for (by, arn) in [
        (ROOT, KMS_USER),
        (ROOT, KMS_ADMIN),
        (ROOT, "arn:aws:iam::111122223333:role/KMSRole"),
        (ROOT, "arn:aws:iam::111122223333:role/KMSAdminRole"),
        (foreign_root, FOREIGN_ROLE),
    ] {
        let request = v1::CreatePrincipalRequest {
            header: after(principal(by), &position),
            arn: arn.to_owned(),
            tags: Vec::new(),
        };
        let made = told(api.identity.create_principal(request).await.unwrap());
        position = position_of(&made.header);
    }
    let request = v1::CreateKeyRequest {
        header: after(principal(ROOT), &position),
        ..Default::default()
    };
    let made = told(api.kms.create_key(request).await.unwrap());
    let key = made.key_metadata.unwrap().arn;
    let put = v1::PutKeyPolicyRequest {
        header: after(principal(ROOT), &position_of(&made.header)),
        key_id: key.clone(),
        policy: CONSOLE_POLICY.to_owned(),
        ..Default::default()
    };
    position = position_of(&told(api.kms.put_key_policy(put).await.unwrap()).header);

    for (who, action, allowed) in [
        (KMS_USER, "kms:Decrypt", true),
        (KMS_USER, "kms:PutKeyPolicy", false),
        (KMS_ADMIN, "kms:Decrypt", false),
        (KMS_ADMIN, "kms:PutKeyPolicy", true),
        (ALICE, "kms:Decrypt", false),
    ] {
        let mut question = decrypt(&key, who);
        question.action = action.to_owned();
        let answer = api.may(after(front(), &position), question).await.unwrap();
        assert_eq!(
            outcome(&answer) == Outcome::Allow,
            allowed,
            "{who} {action}"
        );
    }

    // Another account's role needs its own identity policy, too.
    let encrypt = || v1::Question {
        subject: Some(foreign_session()),
        action: "kms:Encrypt".to_owned(),
        ..decrypt(&key, ALICE)
    };
    let before = api.may(after(front(), &position), encrypt()).await.unwrap();
    assert_eq!(outcome(&before), Outcome::ImplicitDeny);
    let put = |header, policy: &str| v1::PutPrincipalPolicyRequest {
        header,
        arn: FOREIGN_ROLE.to_owned(),
        policy_name: "use".to_owned(),
        policy: policy.to_owned(),
    };
    let foreign = || principal(foreign_root);
    let status = api
        .identity
        .put_principal_policy(put(after(foreign(), &position), UNREADABLE_POLICY))
        .await
        .unwrap_err();
    let told_why = detail(&status);
    assert_eq!(told_why.code, "MalformedPolicyDocumentException");
    assert!(matches!(
        told_why.reason,
        Some(v1::error_detail::Reason::Policy(v1::PolicyFault { line, column, .. })) if line > 0 && column > 0
    ));
    let policy = r#"{"Version":"2012-10-17","Statement":{"Sid":"Use","Effect":"Allow","Action":"kms:Encrypt","Resource":"*"}}"#;
    let stored = api
        .identity
        .put_principal_policy(put(after(foreign(), &position), policy))
        .await
        .unwrap();
    position = position_of(&told(stored).header);
    let after_policy = api.may(after(front(), &position), encrypt()).await.unwrap();
    let decision = after_policy.decision.unwrap();
    assert_eq!(decision.outcome(), Outcome::Allow);
    let by = decision.decided_by.unwrap();
    assert_eq!(by.policy_type, "key_policy+identity_policy");
    assert_eq!(by.sid.as_deref(), Some("Use"));
    assert_eq!(by.enabled_by.as_deref(), Some("Allow use of the key"));

    // A grant only where an integrated service asks for it on the user's behalf.
    let create = |claim| v1::CreateGrantRequest {
        header: after(claim, &position),
        key_id: key.clone(),
        grantee_principal: Some(ALICE.to_owned()),
        operations: vec!["Decrypt".to_owned()],
        ..Default::default()
    };
    let status = api
        .kms
        .create_grant(create(principal(KMS_USER)))
        .await
        .unwrap_err();
    assert_eq!(detail(&status).code, "AccessDeniedException");
    let behalf = v1::claim::Who::Front(v1::Front {
        name: "volumes".to_owned(),
        on_behalf_of: Some(subject(KMS_USER)),
        facts: Some(v1::RequestFacts {
            via_service: Some("ec2.us-west-2.amazonaws.com".to_owned()),
            ..Default::default()
        }),
    });
    let made = told(api.kms.create_grant(create(behalf)).await.unwrap());
    assert!(made.grant_token.is_some());
    cluster.shutdown().await;
}
