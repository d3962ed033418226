//! One call: whose it is, whether there is room for it, and what is said if not.

use std::convert::Infallible;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use http::{HeaderValue, Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use tokio::sync::watch;
use tonic::body::Body;
use tonic::service::Routes;
use tonic::transport::server::TcpConnectInfo;
use tonic::{Code, Status};
use tower::Service as _;

use super::DateHeader;
use super::body::{Answer, Counted, Pace, Unread};
use super::seats::{Call, Conn, Full, Seats, Side, Span};
use crate::app::Began;
use crate::domain::limits;
use crate::env::{BootTime, Clock};
use crate::grpc::{self, HEALTH, REFLECTION};
use crate::wire::api::ErrorInfo;
use crate::wire::api::error::encode_details;
use crate::wire::peer::peer_server;
use crate::wire::v1;

/// What every call of a port is served with.
pub(super) struct Desk {
    /// The node's number, told in its errors.
    pub node_id: u64,
    /// The node's clock.
    pub clock: Arc<dyn Clock>,
    /// What is served.
    pub routes: Routes,
    /// The `date` header of answers.
    pub date: DateHeader,
    /// The places and what they may take.
    pub seats: Arc<Seats>,
    /// Whether the node stops.
    pub stopped: watch::Receiver<bool>,
}

/// The calls of one connection.
pub(super) struct Gate {
    desk: Arc<Desk>,
    conn: Arc<Conn>,
}

impl Gate {
    pub fn new(desk: Arc<Desk>, conn: Arc<Conn>) -> Self {
        Self { desk, conn }
    }
}

/// What kind of call a path is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    /// A client's.
    Client,
    /// Another node's.
    Peer,
    /// A snapshot of another node.
    Snapshot,
    /// How the node is.
    Check,
    /// How the node is, from now on.
    Watch,
    /// What the node serves.
    Reflection,
}

impl Kind {
    fn of(path: &str) -> Self {
        let mut parts = path.split('/').skip(1);
        match (parts.next(), parts.next()) {
            (Some(peer_server::SERVICE_NAME), Some("InstallSnapshot")) => Self::Snapshot,
            (Some(peer_server::SERVICE_NAME), _) => Self::Peer,
            (Some(HEALTH), Some("Watch")) => Self::Watch,
            (Some(HEALTH), _) => Self::Check,
            (Some(REFLECTION), _) => Self::Reflection,
            _ => Self::Client,
        }
    }

    const fn side(self) -> Side {
        match self {
            Self::Client | Self::Watch | Self::Reflection => Side::Client,
            Self::Peer | Self::Snapshot => Side::Peer,
            Self::Check => Side::Probe,
        }
    }

    const fn span(self) -> Span {
        match self {
            Self::Client | Self::Peer | Self::Check => Span::Bounded,
            Self::Snapshot | Self::Watch | Self::Reflection => Span::Open,
        }
    }

    const fn counted(self) -> Counted {
        match self {
            Self::Client | Self::Peer | Self::Check | Self::Watch => Counted::Yes,
            Self::Snapshot | Self::Reflection => Counted::No,
        }
    }

    /// How long its body may take: as long as the call, where the call is short. A peer's deadline is the business of its
    /// service.
    fn pace(self, began: BootTime, deadline: Option<Duration>) -> Pace {
        match self {
            Self::Client | Self::Check | Self::Watch => {
                let longest = Duration::from_millis(limits::REQUEST_DEADLINE_MS_MAX);
                let usual = Duration::from_millis(limits::REQUEST_DEADLINE_MS);
                Pace::Whole(began, deadline.map_or(usual, |asked| asked.min(longest)))
            }
            Self::Peer | Self::Snapshot | Self::Reflection => {
                Pace::Flowing(Duration::from_millis(limits::BODY_IDLE_MS_MAX))
            }
        }
    }
}

type Served = Pin<Box<dyn Future<Output = Result<Response<Answer>, Infallible>> + Send>>;

impl hyper::service::Service<Request<Incoming>> for Gate {
    type Response = Response<Answer>;
    type Error = Infallible;
    type Future = Served;

    fn call(&self, request: Request<Incoming>) -> Served {
        let (desk, conn) = (self.desk.clone(), &self.conn);
        if request.method() != Method::POST {
            let mut answer = Response::new(Answer::plain(Body::empty()));
            *answer.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
            return Box::pin(std::future::ready(Ok(desk.dated(answer))));
        }
        let kind = Kind::of(request.uri().path());
        let began = desk.clock.boot();
        match desk.seats.enter(conn, kind.side(), kind.span(), began) {
            Ok(call) => {
                let from = TcpConnectInfo {
                    local_addr: None,
                    remote_addr: Some(conn.from),
                };
                Box::pin(async move {
                    let answer = desk.serve(request, from, kind, began, Arc::new(call)).await;
                    Ok(desk.dated(answer))
                })
            }
            Err(full) => {
                if let Some(count) = desk.seats.refused.due(began.since_boot()) {
                    tracing::warn!(count, from = %conn.from, "calls are refused: {full}");
                }
                let answer = refusal(overloaded(desk.node_id, full));
                Box::pin(std::future::ready(Ok(desk.dated(answer))))
            }
        }
    }
}

impl Desk {
    async fn serve(
        &self,
        request: Request<Incoming>,
        from: TcpConnectInfo,
        kind: Kind,
        began: BootTime,
        call: Arc<Call>,
    ) -> Response<Answer> {
        let pace = kind.pace(began, grpc::timeout(request.headers()));
        let mut request = request.map(|body| {
            Unread::new(
                body,
                call.clone(),
                self.node_id,
                self.clock.clone(),
                pace,
                kind.counted(),
            )
        });
        request.extensions_mut().insert(from);
        request.extensions_mut().insert(Began(began));
        let Ok(answer) = self.routes.clone().call(request).await;
        // What was sent is done with.
        call.release();
        let answer = match kind.side() {
            Side::Client | Side::Probe => self.unreadable(answer),
            Side::Peer => answer,
        };
        let (head, body) = answer.into_parts();
        match kind.span() {
            Span::Open => {
                let mut stopped = self.stopped.clone();
                let end = Box::pin(async move {
                    // The sender is gone only with the port.
                    let _ = stopped.wait_for(|stopped| *stopped).await;
                });
                Response::from_parts(head, Answer::open(body, call, end))
            }
            Span::Bounded => {
                let mut parts = Some((body, call));
                let whole = poll_fn(|cx| match parts.take() {
                    Some((body, call)) => Poll::Ready(Some(Answer::whole(body, call, cx))),
                    None => Poll::Ready(None),
                });
                match whole.await {
                    Some(Ok(body)) => Response::from_parts(head, body),
                    Some(Err(status)) => refusal(untaken(self.node_id, &status)),
                    None => refusal(Status::internal("an answer was lost")),
                }
            }
        }
    }

    /// What the transport found wrong with a message is no fault of ours. It says so as an internal error, and knows
    /// nothing of our details, which every error of a service carries.
    fn unreadable(&self, answer: Response<Body>) -> Response<Body> {
        let is_internal = answer
            .headers()
            .get("grpc-status")
            .is_some_and(|code| code == "13");
        if !is_internal || answer.headers().contains_key("grpc-status-details-bin") {
            return answer;
        }
        let why = Status::from_header_map(answer.headers());
        let why = why.as_ref().map_or("", Status::message);
        let status = told(
            self.node_id,
            Code::InvalidArgument,
            ErrorInfo {
                code: "SerializationException",
                message: format!("the message cannot be read: {why}"),
                retryable: false,
                safe_to_retry: true,
                header: None,
                reason: None,
                help: String::new(),
            },
        );
        status.into_http()
    }

    fn dated(&self, mut answer: Response<Answer>) -> Response<Answer> {
        match self.date {
            DateHeader::Real => {}
            DateHeader::Constant => {
                let epoch = HeaderValue::from_static("Thu, 01 Jan 1970 00:00:00 GMT");
                answer.headers_mut().insert(http::header::DATE, epoch);
            }
        }
        answer
    }
}

fn refusal(status: Status) -> Response<Answer> {
    status.into_http::<Body>().map(Answer::plain)
}

fn told(node_id: u64, code: Code, mut info: ErrorInfo) -> Status {
    info.header = Some(v1::ResponseHeader {
        node_id,
        ..Default::default()
    });
    let detail = v1::ErrorDetail::from(info);
    let details = encode_details(code as i32, &detail);
    Status::with_details(
        code,
        format!("{}: {}", detail.code, detail.message),
        details,
    )
}

/// Nothing of the call was done, and the same call may go through a moment later or at another node.
pub(super) fn overloaded(node_id: u64, full: Full) -> Status {
    told(
        node_id,
        Code::Unavailable,
        ErrorInfo {
            code: "Overloaded",
            message: full.to_string(),
            retryable: true,
            safe_to_retry: true,
            header: None,
            reason: None,
            help: String::new(),
        },
    )
}

/// What was asked is done, and its answer cannot be kept: of a change that is not known, then.
fn untaken(node_id: u64, why: &Status) -> Status {
    told(
        node_id,
        Code::Unknown,
        ErrorInfo {
            code: "OutcomeUnknown",
            message: why.message().to_owned(),
            retryable: true,
            safe_to_retry: false,
            header: None,
            reason: None,
            help: String::new(),
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kind_of_a_call_is_read_from_its_path() {
        for (path, kind) in [
            ("/grantd.v1.Authorization/Authorize", Kind::Client),
            ("/grantd.peer.v1.Peer/Append", Kind::Peer),
            ("/grantd.peer.v1.Peer/InstallSnapshot", Kind::Snapshot),
            ("/grantd.peer.v1.Peers/Append", Kind::Client),
            ("grantd.peer.v1.Peer/Append", Kind::Client),
            ("/grpc.health.v1.Health/Check", Kind::Check),
            ("/grpc.health.v1.Health/Watch", Kind::Watch),
            (
                "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
                Kind::Reflection,
            ),
            ("", Kind::Client),
            ("/", Kind::Client),
        ] {
            assert_eq!(Kind::of(path), kind, "{path}");
        }
    }

    #[test]
    fn refusal_for_want_of_room_may_be_tried_again_and_one_of_an_answer_is_unknown() {
        let detail = |status: &Status| {
            crate::wire::api::error::decode_details(status.details()).expect("a detail of ours")
        };
        for full in [Full::Connections, Full::Calls, Full::Bytes] {
            let status = overloaded(7, full);
            let told = detail(&status);
            assert_eq!(status.code(), Code::Unavailable);
            assert!(told.retryable && told.safe_to_retry, "{told:?}");
            assert_eq!(told.header.map(|header| header.node_id), Some(7));
        }
        let status = untaken(7, &Status::unknown("x"));
        let told = detail(&status);
        assert_eq!(
            (status.code(), told.code.as_str()),
            (Code::Unknown, "OutcomeUnknown")
        );
        assert!(told.retryable && !told.safe_to_retry);
    }
}
