//! The story's hand: what callers do to a cluster, over its gRPC services, as any client does.
//!
//! Every call has a deadline on both sides, and a call that ran out of it takes its connection along: turmoil's TCP
//! sends nothing again, so a connection that has lost a segment is lost. Every call and every answer is traced.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::time::Duration;

use grantd::wire::v1;
use hyper_util::rt::TokioIo;
use prost::Message;
use tonic::transport::{Channel, Endpoint};

use crate::oracle::Tag;
use crate::world::{self, NodeId};

/// The account that every story plays in.
pub const ACCOUNT: &str = "111122223333";
const ROOT: &str = "arn:aws:iam::111122223333:root";
/// Who uses the grants. She has no policy: only a grant allows her anything.
pub const GRANTEE: &str = "arn:aws:iam::111122223333:user/alice";
const REGION: &str = "us-west-2";

/// The encryption context by which a question and the only grant that can allow it find each other.
const CONTEXT_KEY: &str = "grant";

/// How much longer than the node the client waits: the way there and back.
const ON_THE_WAY: Duration = Duration::from_millis(150);

/// Why a call gave no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// The node said no.
    Said {
        /// AWS's exception, or ours.
        code: String,
        message: String,
        /// The call certainly had no effect.
        without_effect: bool,
    },
    /// No answer came: nobody knows what happened.
    Lost(String),
}

impl Trouble {
    /// Whether a write that ended so may have taken effect.
    pub fn is_unknown(&self) -> bool {
        match self {
            Trouble::Said { without_effect, .. } => !without_effect,
            Trouble::Lost(_) => true,
        }
    }

    /// The code of the error, empty when nobody said one.
    pub fn code(&self) -> &str {
        match self {
            Trouble::Said { code, .. } => code,
            Trouble::Lost(_) => "",
        }
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Trouble::Said { code, message, .. } => write!(f, "{code}: {message}"),
            Trouble::Lost(why) => write!(f, "no answer: {why}"),
        }
    }
}

/// A grant as its creator knows it.
#[derive(Clone, Debug)]
pub struct Grant {
    pub tag: Tag,
    pub id: String,
    pub token: Option<String>,
    pub revision: u64,
}

/// A decision as its caller knows it.
#[derive(Clone, Debug)]
pub struct Decided {
    pub allowed: bool,
    pub revision: u64,
    pub staleness: Duration,
}

/// The calls of a story.
#[derive(Default)]
pub struct Hand {
    channels: RefCell<BTreeMap<NodeId, Channel>>,
    /// Where the key came to be: the birth of every idempotency key, for all are used afterwards.
    birth: RefCell<Option<String>>,
}

impl Hand {
    pub async fn initialize(&self, node: NodeId, bound: Duration) -> Result<(), Trouble> {
        let request = v1::InitializeRequest {
            header: Some(operator(SETUP)),
            max_staleness_ms: Some(millis(bound)),
        };
        let mut client = v1::cluster_client::ClusterClient::new(self.channel(node));
        self.call(node, "initialize", SETUP, client.initialize(request))
            .await
            .map(drop)
    }

    pub async fn join(&self, node: NodeId, via: NodeId) -> Result<(), Trouble> {
        let request = v1::JoinRequest {
            header: Some(operator(SETUP)),
            via: world::address(via),
        };
        let mut client = v1::cluster_client::ClusterClient::new(self.channel(node));
        self.call(node, "join", SETUP, client.join(request))
            .await
            .map(drop)
    }

    pub async fn status(&self, node: NodeId) -> Result<v1::StatusResponse, Trouble> {
        let request = v1::StatusRequest {
            header: Some(operator(SHORT)),
        };
        let mut client = v1::cluster_client::ClusterClient::new(self.channel(node));
        self.call(node, "status", SHORT, client.status(request))
            .await
    }

    /// Makes the account.
    pub async fn create_account(&self, node: NodeId) -> Result<(), Trouble> {
        let request = v1::CreateAccountRequest {
            header: Some(operator(SETUP)),
            account_id: ACCOUNT.to_owned(),
            name: None,
        };
        let mut client = v1::identity_client::IdentityClient::new(self.channel(node));
        self.call(
            node,
            "create account",
            SETUP,
            client.create_account(request),
        )
        .await
        .map(drop)
    }

    /// Makes the user that uses the grants.
    pub async fn create_grantee(&self, node: NodeId) -> Result<(), Trouble> {
        let request = v1::CreatePrincipalRequest {
            header: Some(principal(ROOT, SETUP)),
            arn: GRANTEE.to_owned(),
            tags: Vec::new(),
        };
        let mut client = v1::identity_client::IdentityClient::new(self.channel(node));
        self.call(
            node,
            "create principal",
            SETUP,
            client.create_principal(request),
        )
        .await
        .map(drop)
    }

    /// Makes a key with the default policy; its ARN, and the revision it is there at.
    pub async fn create_key(&self, node: NodeId) -> Result<(String, u64), Trouble> {
        let request = v1::CreateKeyRequest {
            header: Some(principal(ROOT, SETUP)),
            ..Default::default()
        };
        let mut client = v1::kms_client::KmsClient::new(self.channel(node));
        let answer = self
            .call(node, "create key", SETUP, client.create_key(request))
            .await?;
        let header = answer.header.unwrap_or_default();
        let revision = header.revision;
        self.birth.replace(Some(header.position));
        match answer.key_metadata {
            Some(metadata) => Ok((metadata.arn, revision)),
            None => Err(Trouble::Lost("an answer without a key".to_owned())),
        }
    }

    /// Grants [`GRANTEE`] to decrypt with `key` whatever carries `tag` in its encryption context.
    pub async fn create_grant(
        &self,
        node: NodeId,
        key: &str,
        tag: Tag,
        within: Duration,
    ) -> Result<Grant, Trouble> {
        let request = v1::CreateGrantRequest {
            header: Some(v1::RequestHeader {
                idempotency: Some(v1::Idempotency {
                    key: format!("create-{tag}"),
                    birth_position: self.birth.borrow().clone(),
                }),
                ..principal(ROOT, within)
            }),
            key_id: key.to_owned(),
            grantee_principal: Some(GRANTEE.to_owned()),
            operations: vec!["Decrypt".to_owned()],
            constraints: Some(v1::GrantConstraints {
                encryption_context_equals: context(tag),
                ..Default::default()
            }),
            ..Default::default()
        };
        let mut client = v1::kms_client::KmsClient::new(self.channel(node));
        let answer = self
            .call(node, "create grant", within, client.create_grant(request))
            .await?;
        Ok(Grant {
            tag,
            id: answer.grant_id,
            token: answer.grant_token,
            revision: answer.header.map_or(0, |header| header.revision),
        })
    }

    /// Revokes a grant; the revision at which it was gone.
    pub async fn revoke(
        &self,
        node: NodeId,
        key: &str,
        grant: &Grant,
        within: Duration,
    ) -> Result<u64, Trouble> {
        let request = v1::RevokeGrantRequest {
            header: Some(v1::RequestHeader {
                idempotency: Some(v1::Idempotency {
                    key: format!("remove-{}", grant.tag),
                    birth_position: self.birth.borrow().clone(),
                }),
                ..principal(ROOT, within)
            }),
            key_id: key.to_owned(),
            grant_id: grant.id.clone(),
            dry_run: None,
            descendants: None,
        };
        let mut client = v1::kms_client::KmsClient::new(self.channel(node));
        let answer = self
            .call(node, "revoke grant", within, client.revoke_grant(request))
            .await?;
        Ok(answer.header.map_or(0, |header| header.revision))
    }

    /// Retires a grant by key and grant id, as the account's root; the revision at which it was gone.
    pub async fn retire(
        &self,
        node: NodeId,
        key: &str,
        grant: &Grant,
        within: Duration,
    ) -> Result<u64, Trouble> {
        let request = v1::RetireGrantRequest {
            header: Some(v1::RequestHeader {
                idempotency: Some(v1::Idempotency {
                    key: format!("remove-{}", grant.tag),
                    birth_position: self.birth.borrow().clone(),
                }),
                ..principal(ROOT, within)
            }),
            key_id: Some(key.to_owned()),
            grant_id: Some(grant.id.clone()),
            ..Default::default()
        };
        let mut client = v1::kms_client::KmsClient::new(self.channel(node));
        let answer = self
            .call(node, "retire grant", within, client.retire_grant(request))
            .await?;
        Ok(answer.header.map_or(0, |header| header.revision))
    }

    /// May [`GRANTEE`] decrypt what carries `tag`? The node may take `within`, and may not wait to be fresh enough.
    pub async fn ask(
        &self,
        node: NodeId,
        key: &str,
        tag: Tag,
        token: Option<&str>,
        within: Duration,
    ) -> Result<Decided, Trouble> {
        let request = v1::AuthorizeRequest {
            header: Some(v1::RequestHeader {
                demand: Some(v1::Demand {
                    consistency: None,
                    wait_ms: Some(0),
                }),
                ..principal(GRANTEE, within)
            }),
            question: Some(v1::Question {
                action: "kms:Decrypt".to_owned(),
                key_id: Some(key.to_owned()),
                encryption_context: context(tag),
                grant_tokens: token.map(str::to_owned).into_iter().collect(),
                ..Default::default()
            }),
        };
        let mut client = v1::authorization_client::AuthorizationClient::new(self.channel(node));
        let answer = self
            .call(node, "authorize", within, client.authorize(request))
            .await?;
        let header = answer.header.unwrap_or_default();
        let outcome = answer
            .decision
            .map_or(v1::Outcome::Unspecified, |decision| decision.outcome());
        Ok(Decided {
            allowed: match outcome {
                v1::Outcome::Allow => true,
                v1::Outcome::ExplicitDeny | v1::Outcome::ImplicitDeny => false,
                v1::Outcome::Unspecified => {
                    return Err(Trouble::Lost("an answer without a decision".to_owned()));
                }
            },
            revision: header.revision,
            staleness: Duration::from_millis(header.staleness_ms.ok_or_else(|| {
                Trouble::Lost("a decision that does not say how stale it is".to_owned())
            })?),
        })
    }

    async fn call<T: fmt::Debug>(
        &self,
        node: NodeId,
        what: &str,
        within: Duration,
        call: impl Future<Output = Result<tonic::Response<T>, tonic::Status>>,
    ) -> Result<T, Trouble> {
        tracing::info!(target: "sim", node, what, "call");
        let result = match tokio::time::timeout(within + ON_THE_WAY, call).await {
            Ok(Ok(answer)) => Ok(answer.into_inner()),
            Ok(Err(status)) => Err(trouble(&status)),
            Err(_) => Err(Trouble::Lost(format!("nothing within {within:?}"))),
        };
        match &result {
            Ok(answer) => tracing::info!(target: "sim", node, what, ?answer, "answer"),
            Err(trouble) => {
                tracing::info!(target: "sim", node, what, ?trouble, "trouble");
                if matches!(trouble, Trouble::Lost(_)) {
                    self.channels.borrow_mut().remove(&node);
                }
            }
        }
        result
    }

    fn channel(&self, node: NodeId) -> Channel {
        self.channels
            .borrow_mut()
            .entry(node)
            .or_insert_with(|| connect(node))
            .clone()
    }
}

/// How long a call of the setup may take.
pub const SETUP: Duration = Duration::from_secs(10);
const SHORT: Duration = Duration::from_millis(500);

fn connect(node: NodeId) -> Channel {
    let address = world::address(node);
    // An address of ours is always a URI.
    Endpoint::from_shared(format!("http://{address}"))
        .expect("a host and a port make a URI")
        .connect_timeout(SHORT)
        .connect_with_connector_lazy(tower::service_fn(move |_| {
            let host = world::host(node);
            async move {
                let stream = turmoil::net::TcpStream::connect((host.as_str(), world::PORT)).await?;
                Ok::<_, std::io::Error>(TokioIo::new(stream))
            }
        }))
}

/// What an error status says; one without our detail came from the transport.
fn trouble(status: &tonic::Status) -> Trouble {
    v1::StatusEnvelope::decode(status.details())
        .ok()
        .and_then(|envelope| envelope.details.into_iter().next())
        .and_then(|detail| v1::ErrorDetail::decode(&*detail.value).ok())
        .map_or_else(
            || Trouble::Lost(format!("{:?} {}", status.code(), status.message())),
            |detail| Trouble::Said {
                code: detail.code,
                message: detail.message,
                without_effect: detail.safe_to_retry,
            },
        )
}

fn operator(within: Duration) -> v1::RequestHeader {
    header(v1::claim::Who::Operator(v1::Operator {}), within)
}

fn principal(arn: &str, within: Duration) -> v1::RequestHeader {
    let subject = v1::Subject {
        kind: Some(v1::subject::Kind::Principal(arn.to_owned())),
    };
    header(v1::claim::Who::Principal(subject), within)
}

fn header(who: v1::claim::Who, within: Duration) -> v1::RequestHeader {
    v1::RequestHeader {
        claim: Some(v1::Claim { who: Some(who) }),
        region: REGION.to_owned(),
        deadline_ms: Some(u32::try_from(within.as_millis()).unwrap_or(u32::MAX)),
        ..Default::default()
    }
}

fn context<Map: FromIterator<(String, String)>>(tag: Tag) -> Map {
    Map::from_iter([(CONTEXT_KEY.to_owned(), tag.to_string())])
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}
