//! The services of `proto/grantd/v1`, thin: bytes in, the claim taken but not believed, the use case, bytes out.
//!
//! Imports app, wire, domain. Never: an order of checks of its own, a decision.

mod authorization;
mod calls;
mod cluster;
mod grants;
mod health;
mod identity;
mod key_stores;
mod kms;
mod organizations;
mod status;
mod unread;

use std::sync::Arc;
use std::time::Duration;

use prost::Message;
use tonic::service::Routes;
use tonic::{Request, Response, Status};

use crate::app::mutate::{Change, Done, IdempotencyTerms, Material};
use crate::app::{Answered, App, AppError, Arrival, Began, Consistency, Terms};
use crate::domain::ids::AccountId;
use crate::domain::limits;
use crate::domain::policy::{Policy, PolicyError, PolicyKind, lint};
use crate::wire::api::headed::Headed;
use crate::wire::api::header::request_hash;
use crate::wire::api::{
    self, Asked, Drawn, FromAnswer, FromOutput, Header, IdempotencyKey, IntoChange, IntoQuery,
    Invalid,
};
use crate::wire::v1;
use crate::wire::v1::cluster_server::ClusterServer;
use crate::wire::v1::grants_server::GrantsServer;
use crate::wire::v1::identity_server::IdentityServer;
use crate::wire::v1::key_stores_server::KeyStoresServer;
use crate::wire::v1::kms_server::KmsServer;
use crate::wire::v1::organizations_server::OrganizationsServer;
use unread::{Heft, Questions};

pub use health::{HEALTH, REFLECTION};

/// Left of the call's own deadline for the way back, so that a caller hears why rather than of a timeout.
const WAY_BACK: Duration = Duration::from_millis(20);

/// All services of the API on one node.
pub fn routes(app: Arc<App>) -> Routes {
    let api = Api(app.clone());
    health::routes(Routes::default(), app)
        .add_service(
            KmsServer::new(api.clone()).max_decoding_message_size(limits::REQUEST_BYTES_MAX),
        )
        .add_service(
            KeyStoresServer::new(api.clone()).max_decoding_message_size(limits::REQUEST_BYTES_MAX),
        )
        .add_service(
            GrantsServer::new(api.clone()).max_decoding_message_size(limits::REQUEST_BYTES_MAX),
        )
        .add_service(
            IdentityServer::new(api.clone()).max_decoding_message_size(limits::REQUEST_BYTES_MAX),
        )
        .add_service(
            OrganizationsServer::new(api.clone())
                .max_decoding_message_size(limits::REQUEST_BYTES_MAX),
        )
        .add_service(Questions::new(api.clone()))
        .add_service(ClusterServer::new(api).max_decoding_message_size(limits::REQUEST_BYTES_MAX))
}

/// The services; all are one value, for they differ in nothing but their methods.
#[derive(Clone)]
struct Api(Arc<App>);

/// Why a call ends in an error: its form, or the use case.
#[derive(Debug)]
enum Fault {
    Invalid(Invalid),
    App(AppError),
}

impl From<Invalid> for Fault {
    fn from(invalid: Invalid) -> Self {
        Self::Invalid(invalid)
    }
}

impl From<AppError> for Fault {
    fn from(error: AppError) -> Self {
        Self::App(error)
    }
}

impl From<api::Lacking> for Fault {
    fn from(_: api::Lacking) -> Self {
        Self::App(AppError::Internal(
            "the outcome is of another kind than its operation promises",
        ))
    }
}

/// A call as it arrived, its header read.
struct Call<R> {
    arrival: Arrival,
    terms: Terms,
    idempotency: Option<IdempotencyKey>,
    request: R,
}

impl Api {
    fn arrive<R>(&self, request: &Request<R>) -> Arrival {
        let began = request.extensions().get::<Began>().copied();
        self.0
            .arrive(request.remote_addr().map(|peer| peer.ip()), began)
    }

    /// Reads the header; the request is left without it.
    fn read<R: Headed>(&self, arrival: Arrival, request: Request<R>) -> Result<Call<R>, Fault> {
        let of_call = call_deadline(&request);
        let mut request = request.into_inner();
        let (terms, idempotency) = read_header(request.take_header(), of_call)?;
        Ok(Call {
            arrival,
            terms,
            idempotency,
            request,
        })
    }

    /// The same of a message that may be heavy, and is let go accordingly if it is refused.
    fn read_of_heft<R: Headed + Send + 'static>(
        &self,
        arrival: Arrival,
        request: Request<R>,
        heft: Heft,
    ) -> Result<Call<R>, Fault> {
        let of_call = call_deadline(&request);
        let mut request = request.into_inner();
        match (read_header(request.take_header(), of_call), heft) {
            (Ok((terms, idempotency)), _) => Ok(Call {
                arrival,
                terms,
                idempotency,
                request,
            }),
            (Err(invalid), Heft::Light) => Err(invalid.into()),
            (Err(invalid), Heft::Heavy) => {
                drop(self.0.aside.hold(request));
                Err(invalid.into())
            }
        }
    }

    fn answer_header(&self, arrival: &Arrival, answered: Answered) -> v1::ResponseHeader {
        let Answered {
            position,
            staleness_ms,
            settled_at,
        } = answered;
        v1::ResponseHeader {
            position: position.to_string(),
            revision: position.revision.0,
            staleness_ms,
            node_id: self.0.node_id,
            request_id: arrival.request_id.to_string(),
            settled_revision: settled_at.map(|at| at.0),
        }
    }

    /// A write.
    async fn change<R, A>(&self, request: Request<R>) -> Result<Response<A>, Status>
    where
        R: Headed + IntoChange + Message + Send,
        A: FromOutput,
    {
        let arrival = self.arrive(&request);
        let policy = request
            .get_ref()
            .policy()
            .map(|(text, kind)| (text.to_owned(), kind));
        let done = async {
            let call = self.read(arrival, request)?;
            let (done, account) = self.mutate(call).await?;
            let Done {
                output,
                grant_token,
                answered,
            } = done;
            let header = self.answer_header(&arrival, answered);
            let answer = A::from_output(header, output, grant_token)?;
            Ok(Response::new(match &policy {
                Some((text, kind)) => {
                    answer.with_warnings(self.warnings(text, *kind, account).await)
                }
                None => answer,
            }))
        };
        done.await.map_err(|fault| {
            // Parsed again only to show where the fault stands: `apply` has already said no.
            let fault_in_policy = || -> Option<PolicyError> {
                let (text, kind) = policy.as_ref()?;
                Policy::parse(text, *kind).err()
            };
            self.failed(&arrival, fault, fault_in_policy)
        })
    }

    /// What was done, and the caller's account.
    async fn mutate<R>(&self, call: Call<R>) -> Result<(Done, Option<AccountId>), Fault>
    where
        R: Headed + IntoChange + Message + Send,
    {
        let Call {
            arrival,
            terms,
            idempotency,
            request,
        } = call;
        let idempotency = idempotency.map(|IdempotencyKey { key, birth }| IdempotencyTerms {
            key,
            birth,
            request_hash: match request.without_secrets() {
                Some(bound) => request_hash(R::OPERATION, &terms.scope, &bound),
                None => request_hash(R::OPERATION, &terms.scope, &request),
            },
        });
        let mut of_caller = None;
        let build = |material: &Material| -> Result<Change, Fault> {
            let Material { account, entropy } = *material;
            of_caller = account;
            let change = request.into_change(&terms.scope, &Drawn { account, entropy })?;
            Ok(match change {
                api::Change::Command {
                    command,
                    grant_tokens,
                } => Change::Command {
                    command,
                    grant_tokens,
                },
                api::Change::Sealing { command, secret } => Change::Sealing { command, secret },
                api::Change::RetireByToken { token, dry_run } => {
                    Change::RetireByToken { token, dry_run }
                }
                api::Change::RotateTokenEpoch => Change::RotateTokenEpoch,
            })
        };
        let done = self.0.mutate(&arrival, &terms, idempotency, build).await?;
        Ok((done, of_caller))
    }

    /// A read.
    async fn describe<R, A>(&self, request: Request<R>) -> Result<Response<A>, Status>
    where
        R: Headed + IntoQuery + Send + 'static,
        A: FromAnswer,
    {
        self.describe_of_heft(request, Heft::Light).await
    }

    async fn describe_of_heft<R, A>(
        &self,
        request: Request<R>,
        heft: Heft,
    ) -> Result<Response<A>, Status>
    where
        R: Headed + IntoQuery + Send + 'static,
        A: FromAnswer,
    {
        let arrival = self.arrive(&request);
        let described = async {
            let Call {
                arrival,
                terms,
                idempotency,
                request,
            } = self.read_of_heft(arrival, request, heft)?;
            let Asked {
                query,
                grant_tokens,
            } = self.by_heft(heft, move || request.into_query()).await??;
            refuse_idempotency(idempotency)?;
            let (answer, answered) = self
                .0
                .describe(&arrival, &terms, query, &grant_tokens)
                .await?;
            let header = self.answer_header(&arrival, answered);
            Ok(Response::new(A::from_answer(header, answer)?))
        };
        described
            .await
            .map_err(|fault| self.failed(&arrival, fault, || None))
    }
}

/// What the header of a request says of it; `of_call`: how long the call as such may take.
fn read_header(
    header: Option<v1::RequestHeader>,
    of_call: Option<Duration>,
) -> Result<(Terms, Option<IdempotencyKey>), Invalid> {
    let Header {
        claim,
        scope,
        consistency,
        wait,
        idempotency,
        deadline,
    } = Header::try_from(header)?;
    let deadline = match (deadline, of_call) {
        (Some(asked), Some(call)) => Some(asked.min(call)),
        (asked, call) => asked.or(call),
    };
    let (consistency, max_staleness) = match consistency {
        api::Consistency::Bounded(bound) => (Consistency::Bounded, bound),
        api::Consistency::AtLeast(position) => (Consistency::AtLeast(position), None),
        api::Consistency::Linearizable => (Consistency::Linearizable, None),
    };
    let terms = Terms {
        claim,
        scope,
        consistency,
        max_staleness,
        wait,
        deadline,
    };
    Ok((terms, idempotency))
}

/// Longest policy that is looked through where clients are served: a fraction of a millisecond.
const LINT_IN_PLACE_BYTES: usize = 2_048;

impl Api {
    /// What is surprising in a policy that was put into the caller's own account. It is the text that `apply` took,
    /// so it is valid; were it not, there would be nothing to warn of.
    async fn warnings(
        &self,
        text: &str,
        kind: PolicyKind,
        owner: Option<AccountId>,
    ) -> Vec<v1::PolicyWarning> {
        let found = if text.len() <= LINT_IN_PLACE_BYTES {
            lint(text, kind, owner).ok()
        } else {
            let text = text.to_owned();
            let looked = self.0.aside.soon(move || lint(&text, kind, owner)).await;
            // The policy is put: to have nothing to say of it is no error.
            looked.ok().and_then(Result::ok)
        };
        found
            .unwrap_or_default()
            .into_iter()
            .map(Into::into)
            .collect()
    }
}

/// A read has no effect to repeat: an idempotency key on it is a misunderstanding that must not pass in silence.
fn refuse_idempotency(idempotency: Option<IdempotencyKey>) -> Result<(), Invalid> {
    match idempotency {
        None => Ok(()),
        Some(_) => Err(Invalid::validation(
            "an idempotency key is for writes; leave it out of a read",
        )),
    }
}

/// What the caller waits for at most, by `grpc-timeout`, less the way back.
fn call_deadline<R>(request: &Request<R>) -> Option<Duration> {
    timeout(request.metadata().as_ref())
}

/// The same of a call that is not read yet.
pub fn timeout(headers: &http::HeaderMap) -> Option<Duration> {
    let text = headers.get("grpc-timeout")?.to_str().ok()?;
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let number: u64 = digits.parse().ok()?;
    let whole = match unit {
        "H" => Duration::from_secs(number.saturating_mul(3600)),
        "M" => Duration::from_secs(number.saturating_mul(60)),
        "S" => Duration::from_secs(number),
        "m" => Duration::from_millis(number),
        "u" => Duration::from_micros(number),
        "n" => Duration::from_nanos(number),
        _ => return None,
    };
    Some(whole.saturating_sub(WAY_BACK))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn call_deadline_is_read_in_each_unit_and_leaves_time_for_the_way_back() {
        let deadline = |text: &'static str| {
            let mut request = Request::new(());
            request.metadata_mut().insert(
                "grpc-timeout",
                tonic::metadata::MetadataValue::from_static(text),
            );
            call_deadline(&request)
        };
        assert_eq!(deadline("1S"), Some(Duration::from_millis(980)));
        assert_eq!(deadline("250m"), Some(Duration::from_millis(230)));
        assert_eq!(deadline("5m"), Some(Duration::ZERO));
        assert_eq!(deadline("30000u"), Some(Duration::from_millis(10)));
        assert_eq!(deadline("1H"), Some(Duration::from_secs(3600) - WAY_BACK));
        for junk in ["", "m", "1", "1x", "-1S"] {
            assert_eq!(deadline(junk), None, "{junk}");
        }
        assert_eq!(call_deadline(&Request::new(())), None);
    }
}
