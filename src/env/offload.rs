//! Work that blocks, kept off the threads that serve.

use std::io;

use std::future::Future;
use std::pin::Pin;

use async_trait::async_trait;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// Where blocking work runs: a pool of threads in production, in place in a simulator, which has no threads.
#[async_trait]
pub trait Offload: Send + Sync + 'static {
    /// Runs `work` and returns once it has ended. Work that was begun is not cut when nobody waits for it any more.
    async fn run(&self, work: Box<dyn FnOnce() + Send>);

    /// Runs `work` on the thread of whoever calls, and lets the other tasks of that thread go on elsewhere meanwhile: a
    /// task that blocks would hold up those that its thread was to run next, and no other thread takes the very next one.
    fn in_place(&self, work: &mut (dyn FnMut() + Send)) {
        work();
    }

    /// Runs `task` where nothing that blocks the threads that serve can hold it up: on a thread of its own in production,
    /// like any other task in a simulator. What is returned ends with it.
    fn apart(&self, name: &str, task: Pin<Box<dyn Future<Output = ()> + Send>>) -> JoinHandle<()> {
        let _ = name;
        tokio::spawn(task)
    }

    /// How many works get on beside one another; more only wait.
    fn at_once(&self) -> usize {
        1
    }
}

/// Runs `work` on `offload` and returns its value.
///
/// # Errors
/// `work` panicked, or the runtime is shutting down.
pub async fn offload<T: Send + 'static>(
    offload: &dyn Offload,
    work: impl FnOnce() -> T + Send + 'static,
) -> io::Result<T> {
    let (send, receive) = oneshot::channel();
    offload
        .run(Box::new(move || {
            // The receiver is gone only when nobody waits for the value any more.
            let _ = send.send(work());
        }))
        .await;
    receive
        .await
        .map_err(|_| io::Error::other("blocking work was cut short"))
}

#[cfg(test)]
mod tests {
    use super::super::real::Threads;
    use super::*;

    #[tokio::test]
    async fn value_of_the_work_comes_back_and_a_panic_is_an_error() {
        assert_eq!(offload(&Threads, || 6 * 7).await.unwrap(), 42);
        let fail = || -> u8 { panic!("on purpose") };
        assert!(offload(&Threads, fail).await.is_err());
    }
}
