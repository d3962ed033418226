//! The bytes of a connection: what is done to them before HTTP/2, and whether the other end has begun to speak it.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::seats::Conn;
use crate::env::BoxedIo;

/// Turns a connection of the network into one that HTTP/2 is spoken on. All the time that this takes is the handshake's.
///
/// Here TLS begins, once there is a certificate to begin it with.
///
/// # Errors
/// The other end does not keep the protocol.
pub(super) async fn secure(io: BoxedIo) -> io::Result<BoxedIo> {
    Ok(io)
}

/// A connection that tells its place what came in, until that is a client's preface and the frame after it.
pub(super) struct Greeted {
    io: BoxedIo,
    conn: Arc<Conn>,
}

impl Greeted {
    pub fn new(io: BoxedIo, conn: Arc<Conn>) -> Self {
        Self { io, conn }
    }
}

impl AsyncRead for Greeted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let read = Pin::new(&mut self.io).poll_read(cx, buf);
        if !self.conn.has_greeted() {
            self.conn.heard(buf.filled().len().saturating_sub(before));
        }
        read
    }
}

impl AsyncWrite for Greeted {
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
