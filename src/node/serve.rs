//! The one listener of a node: peers and clients over HTTP/2.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::Stream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tonic::service::Routes;
use tonic::transport::server::{Connected, TcpConnectInfo};

use crate::domain::limits::STREAMS_PER_CONNECTION_MAX;
use crate::env::{BoxedIo, Clock, Listener};

/// Pause after a connection could not be taken (out of file descriptors): the next try would fail as well.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// A connection that shows no life for so long is closed.
const KEEPALIVE: Duration = Duration::from_secs(10);

/// The `date` header of answers.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum DateHeader {
    /// The wall clock's, as hyper sets it.
    #[default]
    Real,
    /// A constant: the one place where a wall clock would leak into a simulated run.
    Constant,
}

/// Serves `routes` on `listener` until `stop` resolves; then no new connection is taken, and those that are open end
/// with what they have under way.
pub async fn serve(
    listener: Box<dyn Listener>,
    clock: Arc<dyn Clock>,
    routes: Routes,
    date: DateHeader,
    stop: impl Future<Output = ()>,
) -> Result<(), tonic::transport::Error> {
    tonic::transport::Server::builder()
        .max_concurrent_streams(Some(STREAMS_PER_CONNECTION_MAX))
        .http2_keepalive_interval(Some(KEEPALIVE))
        .http2_keepalive_timeout(Some(KEEPALIVE))
        .layer(tower::layer::layer_fn(move |inner| SetDate { inner, date }))
        .add_routes(routes)
        .serve_with_incoming_shutdown(incoming(listener, clock), stop)
        .await
}

/// The connections of a listener. It never ends and never fails: a connection that could not be taken is passed over.
fn incoming(
    listener: Box<dyn Listener>,
    clock: Arc<dyn Clock>,
) -> impl Stream<Item = io::Result<ServedIo>> {
    futures::stream::unfold((listener, clock), |(listener, clock)| async move {
        loop {
            match listener.accept().await {
                Ok((io, peer)) => {
                    let from = TcpConnectInfo {
                        local_addr: None,
                        remote_addr: Some(peer),
                    };
                    return Some((Ok(ServedIo { io, from }), (listener, clock)));
                }
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be taken");
                    clock.sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    })
}

/// A connection that knows where it comes from, in the form that `tonic::Request::remote_addr` looks for.
struct ServedIo {
    io: BoxedIo,
    from: TcpConnectInfo,
}

impl Connected for ServedIo {
    type ConnectInfo = TcpConnectInfo;

    fn connect_info(&self) -> TcpConnectInfo {
        self.from.clone()
    }
}

impl AsyncRead for ServedIo {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(cx, buf)
    }
}

impl AsyncWrite for ServedIo {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(cx, parts)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }
}

/// Sets the `date` header before hyper does, if it is to be constant.
#[derive(Clone)]
struct SetDate<S> {
    inner: S,
    date: DateHeader,
}

impl<S, B> tower::Service<http::Request<B>> for SetDate<S>
where
    S: tower::Service<http::Request<B>, Response = http::Response<tonic::body::Body>>,
    S::Future: Send + 'static,
    S::Error: Send + 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<S::Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: http::Request<B>) -> Self::Future {
        let date = self.date;
        let answer = self.inner.call(request);
        Box::pin(async move {
            let mut answer = answer.await?;
            match date {
                DateHeader::Real => {}
                DateHeader::Constant => {
                    let epoch = http::HeaderValue::from_static("Thu, 01 Jan 1970 00:00:00 GMT");
                    answer.headers_mut().insert(http::header::DATE, epoch);
                }
            }
            Ok(answer)
        })
    }
}
