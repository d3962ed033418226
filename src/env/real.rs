//! The real clocks, the operating system's randomness and TCP: the only home of `now()`.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::time::Duration;

use async_trait::async_trait;
use rustix::time::{ClockId, clock_gettime};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

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

    fn in_place(&self, work: &mut (dyn FnMut() + Send)) {
        let flavor = Handle::try_current().map(|runtime| runtime.runtime_flavor());
        match flavor {
            Ok(RuntimeFlavor::MultiThread) => tokio::task::block_in_place(work),
            // One thread, or none of a runtime's: there is nowhere for the others to go.
            _ => work(),
        }
    }

    fn apart(&self, name: &str, task: Pin<Box<dyn Future<Output = ()> + Send>>) -> JoinHandle<()> {
        let (send, ended) = oneshot::channel::<()>();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build();
        let started = runtime.and_then(|runtime| {
            std::thread::Builder::new()
                .name(name.to_owned())
                .spawn(move || {
                    runtime.block_on(task);
                    drop(send);
                })
        });
        if let Err(error) = started {
            tracing::error!(%error, name, "the system gives no thread for it");
        }
        tokio::spawn(async move {
            // Nothing is ever sent: it ends with the thread.
            let _ = ended.await;
        })
    }
}

/// How much less than others a thread that evaluates wants of the processor: whoever serves goes first.
const NICENESS: i32 = 10;

/// Work for a thread of [`Evaluators`], and whom to tell that it has ended.
type Job = (Box<dyn FnOnce() + Send>, oneshot::Sender<()>);

/// Threads for evaluations that take long: half the cores, one at the least, behind everything else that wants a core. They
/// are not those for blocking work, so that no question stands before a write to the disk.
#[derive(Clone, Debug)]
pub struct Evaluators {
    jobs: mpsc::Sender<Job>,
    threads: usize,
}

impl Evaluators {
    /// Starts the threads; they end with the last clone.
    ///
    /// # Errors
    /// The system gives no thread.
    pub fn start() -> io::Result<Self> {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let threads = (cores / 2).max(1);
        let (jobs, queue) = mpsc::channel::<Job>();
        let queue = Arc::new(Mutex::new(queue));
        for n in 1..=threads {
            let queue = Arc::clone(&queue);
            std::thread::Builder::new()
                .name(format!("evaluator-{n}"))
                .spawn(move || evaluate(&queue))?;
        }
        Ok(Self { jobs, threads })
    }
}

fn evaluate(queue: &Mutex<mpsc::Receiver<Job>>) {
    // Of this thread alone, as Linux has it. One that keeps its priority works all the same.
    let _ = rustix::process::nice(NICENESS);
    loop {
        let next = queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok((work, ended)) = next else {
            return;
        };
        // A panic of the work shows as its missing value; the thread goes on with the next.
        let _ = catch_unwind(AssertUnwindSafe(work));
        let _ = ended.send(());
    }
}

#[async_trait]
impl Offload for Evaluators {
    async fn run(&self, work: Box<dyn FnOnce() + Send>) {
        let (send, ended) = oneshot::channel();
        if self.jobs.send((work, send)).is_ok() {
            let _ = ended.await;
        }
    }

    fn at_once(&self) -> usize {
        self.threads
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

    /// How nice the calling thread is, as the kernel has it.
    #[cfg(target_os = "linux")]
    fn niceness() -> i32 {
        let told = std::fs::read_to_string("/proc/thread-self/stat").unwrap();
        // Behind the thread's name, which may have spaces: the state is the third column, the niceness the nineteenth.
        let (_, columns) = told.rsplit_once(')').unwrap();
        columns.split_whitespace().nth(16).unwrap().parse().unwrap()
    }

    /// Whoever serves goes before whoever evaluates: every thread of the evaluators has a lower priority than others.
    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn evaluators_have_a_lower_priority_than_those_who_serve() {
        let evaluators = Evaluators::start().unwrap();
        let own = niceness();
        let all_there = Arc::new(std::sync::Barrier::new(evaluators.at_once()));
        let works = (0..evaluators.at_once()).map(|_| {
            let all_there = Arc::clone(&all_there);
            let work = move || {
                // None takes a second work before each has one.
                all_there.wait();
                (std::thread::current().id(), niceness())
            };
            super::super::offload(&evaluators, work)
        });
        let told = futures::future::join_all(works).await;
        let told: Vec<_> = told.into_iter().map(Result::unwrap).collect();
        let threads: std::collections::BTreeSet<String> = told
            .iter()
            .map(|(thread, _)| format!("{thread:?}"))
            .collect();
        assert_eq!(threads.len(), evaluators.at_once());
        for (_, niceness) in told {
            // 19 is the kernel's most.
            assert_eq!(niceness, (own + NICENESS).min(19));
        }
        assert_eq!(self::niceness(), own);
    }
}
