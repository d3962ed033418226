//! Messages that are read where long answers are worked out, because to read them takes long: a thousand questions with
//! thousands of pairs each are some hundred thousand texts.
//!
//! The transport takes such a message as it is; short ones are read in place, long ones aside. Imports app. Never: what a
//! message means.

use std::convert::Infallible;
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::{Buf, BufMut, Bytes};
use prost::encoding::{DecodeContext, WireType};
use prost::{DecodeError, Message};
use tonic::body::Body;
use tonic::server::{Grpc, NamedService, UnaryService};
use tonic::{Request, Response, Status};
use tonic_prost::ProstCodec;
use tower::Service;

use super::Api;
use crate::app::AppError;
use crate::app::aside::Held;
use crate::domain::limits;
use crate::wire::v1;
use crate::wire::v1::authorization_server::{Authorization, AuthorizationServer};

/// Longest message that is read where clients are served: a millisecond, if all of it are the shortest of texts.
const IN_PLACE_BYTES: usize = 32 * 1024;

/// A message as it came.
#[derive(Clone, PartialEq, Debug)]
struct Unread<M> {
    bytes: Bytes,
    of: PhantomData<fn() -> M>,
}

impl<M> Default for Unread<M> {
    fn default() -> Self {
        Self {
            bytes: Bytes::new(),
            of: PhantomData,
        }
    }
}

impl<M> Message for Unread<M> {
    fn encode_raw(&self, buf: &mut impl BufMut) {
        buf.put_slice(&self.bytes);
    }

    fn merge_field(
        &mut self,
        tag: u32,
        wire_type: WireType,
        buf: &mut impl Buf,
        context: DecodeContext,
    ) -> Result<(), DecodeError> {
        // It is taken whole and never field by field.
        prost::encoding::skip_field(wire_type, tag, buf, context)
    }

    fn encoded_len(&self) -> usize {
        self.bytes.len()
    }

    fn clear(&mut self) {
        self.bytes.clear();
    }

    fn decode(mut buf: impl Buf) -> Result<Self, DecodeError> {
        Ok(Self {
            bytes: buf.copy_to_bytes(buf.remaining()),
            of: PhantomData,
        })
    }
}

/// How long something is to read, and to let go.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Heft {
    /// It is read in place.
    Light,
    /// It is not.
    Heavy,
}

impl Api {
    /// Reads what came, and turns it into what it says, where that keeps nobody waiting.
    async fn read_through<M: Message + Default + 'static>(
        &self,
        request: Request<Unread<M>>,
    ) -> Result<(Request<M>, Heft), Status> {
        let arrival = self.arrive(&request);
        let (metadata, extensions, Unread { bytes, .. }) = request.into_parts();
        let (message, heft) = if bytes.len() <= IN_PLACE_BYTES {
            (M::decode(bytes), Heft::Light)
        } else {
            let read = self.0.aside.soon(move || M::decode(bytes)).await;
            let read = read.map_err(|error| self.failed(&arrival, error.into(), || None))?;
            (read, Heft::Heavy)
        };
        // As the transport says it of a message that it reads itself.
        let message = message.map_err(|error| Status::internal(error.to_string()))?;
        Ok((Request::from_parts(metadata, extensions, message), heft))
    }

    /// Holds what came of a message, if that is heavy, so that it is let go aside.
    pub(super) fn hold_by_heft<T: Send + Sync + ?Sized + 'static>(
        &self,
        heft: Heft,
        value: &Arc<T>,
    ) -> Option<Held> {
        match heft {
            Heft::Light => None,
            Heft::Heavy => Some(self.0.aside.hold(Arc::clone(value))),
        }
    }

    /// Does what grows with a message aside, if that is heavy.
    pub(super) async fn by_heft<T: Send + 'static>(
        &self,
        heft: Heft,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, AppError> {
        match heft {
            Heft::Light => Ok(work()),
            Heft::Heavy => self.0.aside.soon(work).await,
        }
    }
}

/// The service of questions, whose messages can be long.
#[derive(Clone)]
pub(super) struct Questions {
    api: Api,
    read: AuthorizationServer<Api>,
}

impl Questions {
    pub fn new(api: Api) -> Self {
        Self {
            read: AuthorizationServer::new(api.clone())
                .max_decoding_message_size(limits::BATCH_REQUEST_BYTES_MAX),
            api,
        }
    }
}

impl NamedService for Questions {
    const NAME: &'static str = <AuthorizationServer<Api> as NamedService>::NAME;
}

type Served = Pin<Box<dyn Future<Output = Result<http::Response<Body>, Infallible>> + Send>>;
type Answering<A> = Pin<Box<dyn Future<Output = Result<A, Status>> + Send>>;

/// Each method of the service, by the message that it takes.
macro_rules! method {
    ($name:ident, $message:ty, $answer:ty, |$api:ident, $request:ident, $heft:ident| $call:expr) => {
        struct $name(Api);

        impl UnaryService<Unread<$message>> for $name {
            type Response = $answer;
            type Future = Answering<Response<$answer>>;

            fn call(&mut self, request: Request<Unread<$message>>) -> Self::Future {
                let $api = self.0.clone();
                Box::pin(async move {
                    let ($request, $heft) = $api.read_through(request).await?;
                    $call.await
                })
            }
        }
    };
}

method!(
    Authorize,
    v1::AuthorizeRequest,
    v1::AuthorizeResponse,
    |api, request, _heft| api.authorize(request)
);
method!(
    BatchAuthorize,
    v1::BatchAuthorizeRequest,
    v1::BatchAuthorizeResponse,
    |api, request, heft| api.decide_batch(request, heft)
);
method!(
    Explain,
    v1::ExplainRequest,
    v1::ExplainResponse,
    |api, request, heft| api.describe_of_heft(request, heft)
);
method!(
    WhatIf,
    v1::WhatIfRequest,
    v1::WhatIfResponse,
    |api, request, heft| api.describe_of_heft(request, heft)
);

impl Service<http::Request<Body>> for Questions {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Served;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        fn unary<M, S>(method: S, request: http::Request<Body>) -> Served
        where
            M: 'static,
            S: UnaryService<Unread<M>, Future: Send> + Send + 'static,
            S::Response: Message + 'static,
        {
            Box::pin(async move {
                let codec = ProstCodec::<S::Response, Unread<M>>::default();
                let mut grpc =
                    Grpc::new(codec).max_decoding_message_size(limits::BATCH_REQUEST_BYTES_MAX);
                Ok(grpc.unary(method, request).await)
            })
        }
        let api = self.api.clone();
        let method = request.uri().path().rsplit('/').next().unwrap_or_default();
        match method {
            "Authorize" => unary(Authorize(api), request),
            "BatchAuthorize" => unary(BatchAuthorize(api), request),
            "Explain" => unary(Explain(api), request),
            "WhatIf" => unary(WhatIf(api), request),
            _ => self.read.call(request),
        }
    }
}
