//! Calls of the API at one node, each sent once: a refusal is what the test wants to see, so nothing is retried.

use std::time::Duration;

use grantd::client::Operation;
use grantd::client::api::{
    self, AuthorizeRequest, AuthorizeResponse, Claim, CreateAccountRequest, CreateGrantRequest,
    CreateGrantResponse, CreateKeyRequest, CreatePrincipalRequest, Demand, ErrorDetail, Front,
    KeyMetadata, Operator, Outcome, PutKeyPolicyRequest, PutPrincipalPolicyRequest, Question,
    RequestFacts, RequestHeader, RoleSession, StatusEnvelope, Subject, Tag, claim, demand, subject,
};
use prost::Message;
use tonic::Status;
use tonic::transport::{Channel, Endpoint};

/// The Region that every request of the tests names.
pub const REGION: &str = "eu-central-1";

const ANSWER_BYTES_MAX: usize = 16 << 20;

/// One caller at one node.
#[derive(Clone)]
pub struct Api {
    channel: Channel,
    claim: Claim,
    demand: Option<Demand>,
    idempotency: Option<api::Idempotency>,
}

impl Api {
    /// The operator at the node that listens at `address`. Its requests want everything that was acknowledged before
    /// them, so that what a test prepares at one node is there for the next step at any.
    pub fn at(address: &str) -> Self {
        let channel = Endpoint::from_shared(format!("http://{address}"))
            .unwrap()
            .tcp_nodelay(true)
            .connect_lazy();
        Self {
            channel,
            claim: claimed(claim::Who::Operator(Operator {})),
            demand: Some(Demand {
                consistency: Some(demand::Consistency::Linearizable(api::Linearizable {})),
                wait_ms: None,
            }),
            idempotency: None,
        }
    }

    /// The same caller, whose changes carry this idempotency key.
    pub fn under(&self, key: &str, birth: Option<&str>) -> Self {
        Self {
            idempotency: Some(api::Idempotency {
                key: key.to_owned(),
                birth_position: birth.map(str::to_owned),
            }),
            ..self.clone()
        }
    }

    fn claiming(&self, who: claim::Who) -> Self {
        Self {
            claim: claimed(who),
            ..self.clone()
        }
    }

    /// The same node, called by a principal that speaks for itself.
    pub fn by(&self, subject: Subject) -> Self {
        self.claiming(claim::Who::Principal(subject))
    }

    /// The same node, called by the root of an account.
    pub fn by_root(&self, account: &str) -> Self {
        self.by(user(&format!("arn:aws:iam::{account}:root")))
    }

    /// The same node, called by a front for `subject`, with what the front says of the request.
    pub fn by_front(&self, subject: Subject, facts: RequestFacts) -> Self {
        self.claiming(claim::Who::Front(Front {
            name: "tests".to_owned(),
            on_behalf_of: Some(subject),
            facts: Some(facts),
        }))
    }

    /// The same caller under another demand.
    pub fn demanding(&self, demand: Demand) -> Self {
        Self {
            demand: Some(demand),
            ..self.clone()
        }
    }

    /// The same caller, answered from what the node has within the cluster's bound, at once or not at all.
    pub fn at_once(&self) -> Self {
        self.demanding(Demand {
            consistency: Some(demand::Consistency::Bounded(api::Bounded {
                max_staleness_ms: None,
            })),
            wait_ms: Some(0),
        })
    }

    /// The same caller, answered once the node has something that is at most so old (or the cluster's bound).
    pub fn fresh(&self, max_staleness_ms: Option<u64>) -> Self {
        self.demanding(Demand {
            consistency: Some(demand::Consistency::Bounded(api::Bounded {
                max_staleness_ms,
            })),
            wait_ms: None,
        })
    }

    /// The same caller, answered at this position or later.
    pub fn at_least(&self, position: &str) -> Self {
        self.demanding(Demand {
            consistency: Some(demand::Consistency::AtLeast(position.to_owned())),
            wait_ms: None,
        })
    }

    /// Sends one request, once. The detail of an error is one of ours: a status without it fails the test.
    pub async fn call<O: Operation>(&self, mut operation: O) -> Result<O::Answer, ErrorDetail> {
        operation.set_header(self.header());
        match operation.send(self.channel.clone(), ANSWER_BYTES_MAX).await {
            Ok(answer) => Ok(answer.into_inner()),
            Err(status) => Err(detail_of(&status)),
        }
    }

    /// The same of a node that may not be there: `None` when the call fails in whatever way.
    pub async fn try_call<O: Operation>(&self, mut operation: O) -> Option<O::Answer> {
        operation.set_header(self.header());
        let sent = operation.send(self.channel.clone(), ANSWER_BYTES_MAX).await;
        sent.ok().map(tonic::Response::into_inner)
    }

    fn header(&self) -> RequestHeader {
        RequestHeader {
            claim: Some(self.claim.clone()),
            region: REGION.to_owned(),
            partition: None,
            demand: self.demand.clone(),
            idempotency: self.idempotency.clone(),
            deadline_ms: Some(10_000),
        }
    }

    /// Asks whether the caller may do `action` to `key`.
    pub async fn authorize(&self, question: Question) -> Result<AuthorizeResponse, ErrorDetail> {
        self.call(AuthorizeRequest {
            header: None,
            question: Some(question),
        })
        .await
    }

    /// The outcome of a question that is decided.
    pub async fn outcome(&self, question: Question) -> Outcome {
        let asked = format!("{question:?}");
        match self.authorize(question).await {
            Ok(answer) => answer.decision.unwrap().outcome(),
            Err(error) => panic!("{asked} was not decided: {error:?}"),
        }
    }

    /// Whether the caller may do `action` to `key`.
    pub async fn may(&self, action: &str, key: &str) -> bool {
        self.outcome(question(action, key)).await == Outcome::Allow
    }
}

fn claimed(who: claim::Who) -> Claim {
    Claim { who: Some(who) }
}

fn detail_of(status: &Status) -> ErrorDetail {
    let envelope = StatusEnvelope::decode(status.details()).unwrap();
    let detail = envelope
        .details
        .first()
        .unwrap_or_else(|| panic!("an error without our detail: {status:?}"));
    ErrorDetail::decode(detail.value.clone()).unwrap()
}

/// A user, or an account's root.
pub fn user(arn: &str) -> Subject {
    Subject {
        kind: Some(subject::Kind::Principal(arn.to_owned())),
    }
}

/// A session of a role.
pub fn session_of(role: &str) -> Subject {
    Subject {
        kind: Some(subject::Kind::RoleSession(RoleSession {
            role: role.to_owned(),
            session_name: "test".to_owned(),
            session_policy: None,
            session_tags: Default::default(),
        })),
    }
}

/// What a front says of a request that `service` makes for a principal.
pub fn via(service: &str) -> RequestFacts {
    RequestFacts {
        via_service: Some(service.to_owned()),
        ..RequestFacts::default()
    }
}

/// May the caller do `action` to `key`?
pub fn question(action: &str, key: &str) -> Question {
    Question {
        action: action.to_owned(),
        key_id: Some(key.to_owned()),
        ..Question::default()
    }
}

/// The same with grant tokens.
pub fn with_tokens(action: &str, key: &str, tokens: &[&str]) -> Question {
    Question {
        grant_tokens: tokens.iter().map(|token| (*token).to_owned()).collect(),
        ..question(action, key)
    }
}

pub fn tag(key: &str, value: &str) -> Tag {
    Tag {
        tag_key: key.to_owned(),
        tag_value: value.to_owned(),
    }
}

/// Makes an account.
pub async fn make_account(operator: &Api, account: &str) {
    operator
        .call(CreateAccountRequest {
            account_id: account.to_owned(),
            ..CreateAccountRequest::default()
        })
        .await
        .unwrap();
}

/// Makes a user or a role, by the root of its account.
pub async fn make_principal(node: &Api, arn: &str, tags: &[Tag]) {
    let account = arn.split(':').nth(4).unwrap();
    node.by_root(account)
        .call(CreatePrincipalRequest {
            arn: arn.to_owned(),
            tags: tags.to_vec(),
            ..CreatePrincipalRequest::default()
        })
        .await
        .unwrap();
}

/// Puts an identity policy, by the root of the principal's account.
pub async fn put_identity_policy(
    node: &Api,
    arn: &str,
    name: &str,
    policy: &str,
) -> Result<(), ErrorDetail> {
    let account = arn.split(':').nth(4).unwrap();
    node.by_root(account)
        .call(PutPrincipalPolicyRequest {
            arn: arn.to_owned(),
            policy_name: name.to_owned(),
            policy: policy.to_owned(),
            ..PutPrincipalPolicyRequest::default()
        })
        .await
        .map(|_| ())
}

/// Makes a key by the root of an account, under the default policy if none is given.
pub async fn make_key(node: &Api, account: &str, policy: Option<&str>) -> KeyMetadata {
    node.by_root(account)
        .call(CreateKeyRequest {
            policy: policy.map(str::to_owned),
            ..CreateKeyRequest::default()
        })
        .await
        .unwrap()
        .key_metadata
        .unwrap()
}

/// A request to put a key policy.
pub fn key_policy(key: &str, policy: &str) -> PutKeyPolicyRequest {
    PutKeyPolicyRequest {
        key_id: key.to_owned(),
        policy: policy.to_owned(),
        ..PutKeyPolicyRequest::default()
    }
}

/// A request for a grant of Decrypt.
pub fn grant_of_decrypt(key: &str, grantee: &str) -> CreateGrantRequest {
    CreateGrantRequest {
        key_id: key.to_owned(),
        grantee_principal: Some(grantee.to_owned()),
        operations: vec!["Decrypt".to_owned()],
        ..CreateGrantRequest::default()
    }
}

/// Makes a grant of Decrypt by the root of the key's account, with its token.
pub async fn make_grant(
    node: &Api,
    account: &str,
    key: &str,
    grantee: &str,
) -> (CreateGrantResponse, String) {
    let made = node
        .by_root(account)
        .call(grant_of_decrypt(key, grantee))
        .await
        .unwrap();
    let token = made.grant_token.clone().unwrap();
    (made, token)
}

/// Asks one question after the other until `done` says that the answer is the one that is waited for, at most for
/// `patience`. Each is answered by a node before the next, so nothing spins. For what a node publishes or can be told to
/// wait for there are `Cluster::until_state` and `Api::fresh`.
pub async fn until<T>(
    patience: Duration,
    what: &str,
    mut done: impl AsyncFnMut() -> Option<T>,
) -> T {
    let found = async {
        loop {
            if let Some(found) = done().await {
                return found;
            }
        }
    };
    match tokio::time::timeout(patience, found).await {
        Ok(found) => found,
        Err(_) => panic!("waited {} s in vain: {what}", patience.as_secs()),
    }
}
