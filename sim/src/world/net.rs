//! The network of the simulated world, over turmoil's TCP. Addresses are `host:port`.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use super::STORY;
use async_trait::async_trait;
use grantd::env::{BoxedIo, Listener, Net};
use turmoil::net::{TcpListener, TcpStream};

/// The network as one host sees it.
pub struct SimNet {
    /// The host's own name: what its listeners are reached by.
    host: String,
}

impl SimNet {
    pub fn new(host: impl Into<String>) -> Self {
        Self { host: host.into() }
    }
}

#[async_trait]
impl Net for SimNet {
    async fn bind(&self, address: &str) -> io::Result<Box<dyn Listener>> {
        let (_, port) = split(address)?;
        // turmoil binds to every address of a host or to its loopback only.
        let listener = TcpListener::bind(("0.0.0.0", port)).await?;
        Ok(Box::new(SimListener {
            host: self.host.clone(),
            listener,
        }))
    }

    async fn connect(&self, address: &str) -> io::Result<BoxedIo> {
        let (host, port) = split(address)?;
        Ok(Box::new(TcpStream::connect((host, port)).await?))
    }
}

/// `host:port` in its two parts.
fn split(address: &str) -> io::Result<(&str, u16)> {
    address
        .rsplit_once(':')
        .and_then(|(host, port)| Some((host, port.parse().ok()?)))
        .ok_or_else(|| {
            io::Error::new(
                io::ErrorKind::InvalidInput,
                format!("{address} is not host:port"),
            )
        })
}

struct SimListener {
    host: String,
    listener: TcpListener,
}

#[async_trait]
impl Listener for SimListener {
    async fn accept(&self) -> io::Result<(BoxedIo, SocketAddr)> {
        let (stream, mut peer) = self.listener.accept().await?;
        // The callers that a story plays run beside the node: only from loopback is a claim believed. Their way is one
        // of the simulated network nevertheless.
        if turmoil::reverse_lookup(peer.ip()).as_deref() == Some(STORY) {
            peer.set_ip(IpAddr::V4(Ipv4Addr::LOCALHOST));
        }
        Ok((Box::new(stream), peer))
    }

    fn local_address(&self) -> io::Result<String> {
        let port = self.listener.local_addr()?.port();
        Ok(format!("{}:{port}", self.host))
    }
}
