//! The least that a gRPC call can cost: a service that takes nothing and answers nothing.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use http::uri::PathAndQuery;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tonic::body::Body;
use tonic::server::NamedService;
use tonic::transport::server::TcpIncoming;
use tonic::transport::{Channel, Server};
use tonic::{Request, Response, Status};
use tonic_prost::ProstCodec;

/// The service on a listener of its own.
pub struct Echo {
    address: String,
    stop: oneshot::Sender<()>,
    served: JoinHandle<Result<(), tonic::transport::Error>>,
}

impl Echo {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
        let (stop, stopped) = oneshot::channel();
        let served = Server::builder()
            .add_service(EchoService)
            .serve_with_incoming_shutdown(incoming, async move {
                let _ = stopped.await;
            });
        Self {
            address,
            stop,
            served: tokio::spawn(served),
        }
    }

    pub fn address(&self) -> &str {
        &self.address
    }

    /// Stops once its connections are closed.
    pub async fn stop(self) {
        self.stop.send(()).unwrap();
        self.served.await.unwrap().unwrap();
    }
}

#[derive(Clone)]
pub struct EchoClient(tonic::client::Grpc<Channel>);

impl EchoClient {
    pub fn new(channel: Channel) -> Self {
        Self(tonic::client::Grpc::new(channel))
    }

    pub async fn echo(&mut self) {
        self.0.ready().await.unwrap();
        let path = PathAndQuery::from_static("/bench.Echo/Echo");
        let codec = ProstCodec::<(), ()>::default();
        self.0.unary(Request::new(()), path, codec).await.unwrap();
    }
}

#[derive(Clone)]
struct EchoService;

impl NamedService for EchoService {
    const NAME: &'static str = "bench.Echo";
}

impl tower::Service<http::Request<Body>> for EchoService {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let answer =
            tower::service_fn(|_: Request<()>| async { Ok::<_, Status>(Response::new(())) });
        Box::pin(async move {
            let mut grpc = tonic::server::Grpc::new(ProstCodec::<(), ()>::default());
            Ok(grpc.unary(answer, request).await)
        })
    }
}
