//! A TCP proxy between two nodes that can cut the link and heal it, as a network does: while it is cut nothing passes
//! and nothing is refused; once healed, what was under way goes on.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Link {
    Open,
    Cut,
}

/// One directed link: who connects here talks to `to`, as long as it is not cut.
pub struct Proxy {
    address: SocketAddr,
    /// What goes to `to`.
    link: watch::Sender<Link>,
    /// What comes back.
    back: watch::Sender<Link>,
    /// What cuts the link to `to` once it is met on the way there.
    trap: Arc<Mutex<Vec<u8>>>,
    accepting: JoinHandle<()>,
}

impl Proxy {
    /// A proxy on a free port of loopback.
    pub async fn start(to: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (link, seen) = watch::channel(Link::Open);
        let (back, seen_back) = watch::channel(Link::Open);
        let trap = Arc::<Mutex<Vec<u8>>>::default();
        let snare = Snare {
            trap: trap.clone(),
            link: link.clone(),
            passed: Vec::new(),
        };
        let accepting = tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                tokio::spawn(carry(
                    near,
                    to,
                    seen.clone(),
                    seen_back.clone(),
                    snare.clone(),
                ));
            }
        });
        Self {
            address,
            link,
            back,
            trap,
            accepting,
        }
    }

    /// Where to connect.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// From now on nothing passes, either way.
    pub fn cut(&self) {
        self.link.send_replace(Link::Cut);
        self.back.send_replace(Link::Cut);
    }

    /// From now on what is sent through here arrives, and no answer comes back.
    pub fn cut_answers(&self) {
        self.back.send_replace(Link::Cut);
    }

    /// Whatever holds `bytes`, and what follows it, does not arrive at `to` until the link is healed.
    pub fn hold_at(&self, bytes: Vec<u8>) {
        *self.trap.lock().unwrap() = bytes;
    }

    /// Returns once something is held.
    pub async fn held(&self) {
        let mut link = self.link.subscribe();
        link.wait_for(|link| *link == Link::Cut).await.unwrap();
    }

    /// Everything passes again.
    pub fn heal(&self) {
        self.link.send_replace(Link::Open);
        self.back.send_replace(Link::Open);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// Looks for the bytes of the trap in what passes on one connection.
#[derive(Clone)]
struct Snare {
    trap: Arc<Mutex<Vec<u8>>>,
    link: watch::Sender<Link>,
    /// The end of what has passed, as the bytes may come in two pieces.
    passed: Vec<u8>,
}

impl Snare {
    fn look(&mut self, piece: &[u8]) {
        self.passed.extend_from_slice(piece);
        let mut trap = self.trap.lock().unwrap();
        if trap.is_empty() {
            self.passed.clear();
            return;
        }
        if self.passed.windows(trap.len()).any(|part| part == *trap) {
            trap.clear();
            self.link.send_replace(Link::Cut);
        }
        let done = (self.passed.len() + 1).saturating_sub(trap.len().max(1));
        self.passed.drain(..done);
    }
}

/// Returns once the link is open; `Err` when the proxy is gone.
async fn open(seen: &mut watch::Receiver<Link>) -> Result<(), ()> {
    seen.wait_for(|link| *link == Link::Open)
        .await
        .map(|_| ())
        .map_err(|_| ())
}

async fn carry(
    near: TcpStream,
    to: SocketAddr,
    mut seen: watch::Receiver<Link>,
    back: watch::Receiver<Link>,
    mut snare: Snare,
) {
    if open(&mut seen).await.is_err() {
        return;
    }
    let Ok(far) = TcpStream::connect(to).await else {
        return;
    };
    near.set_nodelay(true).unwrap();
    far.set_nodelay(true).unwrap();
    let (near_read, near_write) = near.into_split();
    let (far_read, far_write) = far.into_split();
    tokio::select! {
        () = pump(near_read, far_write, seen, |piece| snare.look(piece)) => {}
        () = pump(far_read, near_write, back, |_| ()) => {}
    }
}

async fn pump(
    mut from: impl AsyncReadExt + Unpin,
    mut to: impl AsyncWriteExt + Unpin,
    mut seen: watch::Receiver<Link>,
    mut look: impl FnMut(&[u8]),
) {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let Ok(read @ 1..) = from.read(&mut buffer).await else {
            return;
        };
        look(&buffer[..read]);
        if open(&mut seen).await.is_err() || to.write_all(&buffer[..read]).await.is_err() {
            return;
        }
    }
}
