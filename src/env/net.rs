//! The network: listeners and connections as byte streams.
//!
//! Never: a protocol. What is spoken on a stream is `replica`'s and `grpc`'s affair.

use std::io;
use std::net::SocketAddr;

use async_trait::async_trait;
use tokio::io::{AsyncRead, AsyncWrite};

/// A connection's two halves in one.
pub trait Io: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

/// An open connection. The real one has `TCP_NODELAY` set: without it a write waits for the peer's delayed
/// acknowledgement, 1,027 instead of 2,725 sequential writes a second.
pub type BoxedIo = Box<dyn Io>;

/// Opens listeners and connections. Addresses are `host:port`.
#[async_trait]
pub trait Net: Send + Sync + 'static {
    /// Listens on `address`; port 0 takes a free one.
    async fn bind(&self, address: &str) -> io::Result<Box<dyn Listener>>;

    /// Connects to `address`.
    async fn connect(&self, address: &str) -> io::Result<BoxedIo>;
}

/// A bound listener.
#[async_trait]
pub trait Listener: Send + Sync + 'static {
    /// The next connection, and who has made it.
    async fn accept(&self) -> io::Result<(BoxedIo, SocketAddr)>;

    /// The address that it listens on, with the port that it got.
    fn local_address(&self) -> io::Result<String>;
}
