//! The real clocks, the operating system's randomness and TCP: the only home of `now()`.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use async_trait::async_trait;
use rustix::time::{ClockId, clock_gettime};
use tokio::net::{TcpListener, TcpStream};

use super::{BootTime, BoxedIo, Clock, Listener, Net, Offload, Rng, WallTime};

/// The clocks of this machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct RealClock;

#[async_trait]
impl Clock for RealClock {
    fn boot(&self) -> BootTime {
        let now = clock_gettime(ClockId::Boottime);
        BootTime::from_boot(span(now.tv_sec, now.tv_nsec))
    }

    fn wall(&self) -> WallTime {
        let now = clock_gettime(ClockId::Realtime);
        let ms = span(now.tv_sec, now.tv_nsec).as_millis();
        WallTime(u64::try_from(ms).unwrap_or(u64::MAX))
    }

    async fn sleep(&self, span: Duration) {
        tokio::time::sleep(span).await;
    }
}

/// A `timespec` as a duration; a time before the epoch, which only a clock set wrong can show, counts as the epoch.
fn span(secs: i64, nanos: i64) -> Duration {
    let secs = u64::try_from(secs).unwrap_or(0);
    let nanos = u32::try_from(nanos).unwrap_or(0);
    Duration::new(secs, nanos)
}

/// The operating system's generator.
#[derive(Clone, Copy, Debug, Default)]
pub struct OsRng;

impl Rng for OsRng {
    fn fill(&self, buf: &mut [u8]) {
        // Panics if the kernel has no randomness to give; a node must not go on with guessable ids and keys.
        getrandom::fill(buf).expect("the kernel gives randomness");
    }
}

/// The runtime's pool of threads for blocking work.
#[derive(Clone, Copy, Debug, Default)]
pub struct Threads;

#[async_trait]
impl Offload for Threads {
    async fn run(&self, work: Box<dyn FnOnce() + Send>) {
        // A panic of the work shows as its missing value.
        let _ = tokio::task::spawn_blocking(work).await;
    }
}

/// TCP, with `TCP_NODELAY` on every stream.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tcp;

#[async_trait]
impl Net for Tcp {
    async fn bind(&self, address: &str) -> io::Result<Box<dyn Listener>> {
        Ok(Box::new(TcpAcceptor(TcpListener::bind(address).await?)))
    }

    async fn connect(&self, address: &str) -> io::Result<BoxedIo> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Box::new(stream))
    }
}

struct TcpAcceptor(TcpListener);

#[async_trait]
impl Listener for TcpAcceptor {
    async fn accept(&self) -> io::Result<(BoxedIo, SocketAddr)> {
        let (stream, peer) = self.0.accept().await?;
        stream.set_nodelay(true)?;
        Ok((Box::new(stream), peer))
    }

    fn local_address(&self) -> io::Result<String> {
        Ok(self.0.local_addr()?.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clocks_move_forward() {
        let clock = RealClock;
        let (boot, wall) = (clock.boot(), clock.wall());
        assert!(boot.since_boot() > Duration::ZERO);
        assert!(wall.0 > 1_700_000_000_000, "{wall:?}");
        assert!(clock.boot() >= boot);
    }

    #[test]
    fn randomness_differs_between_calls() {
        let rng: &dyn Rng = &OsRng;
        assert_ne!(rng.bytes16(), rng.bytes16());
    }
}
