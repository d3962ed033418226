//! One answer for all who ask the same while it is being worked out.
//!
//! ORDER: whoever asks while a round is under way waits for the next one, which begins after it has asked: an answer may
//! then stand for something that was so after the question, which is what a read index needs. Never: a round whose end
//! depends on one of those who wait, who may go at any time.

use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::oneshot;

/// Questions that are answered together. Those who wait are bounded: by the calls that come in one round, which its own
/// deadline must end (openraft's: a lease).
pub(super) struct Coalesced<T>(Arc<Mutex<Waiting<T>>>);

struct Waiting<T> {
    is_running: bool,
    next: Vec<oneshot::Sender<T>>,
}

impl<T> Default for Coalesced<T> {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(Waiting {
            is_running: false,
            next: Vec::new(),
        })))
    }
}

impl<T: Clone + Send + 'static> Coalesced<T> {
    /// The answer of a round of `work` that begins after this call. `None`: its task has ended without one.
    pub(super) async fn ask<F>(&self, work: impl Fn() -> F + Send + 'static) -> Option<T>
    where
        F: Future<Output = T> + Send + 'static,
    {
        let (answer, told) = oneshot::channel();
        let starts = {
            let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            waiting.next.push(answer);
            !std::mem::replace(&mut waiting.is_running, true)
        };
        if starts {
            tokio::spawn(rounds(self.0.clone(), work));
        }
        told.await.ok()
    }
}

async fn rounds<T: Clone, F: Future<Output = T>>(
    waiting: Arc<Mutex<Waiting<T>>>,
    work: impl Fn() -> F,
) {
    // What ends this task early, a panic of the work too, must not leave the next ones waiting for it.
    let running = Running(waiting);
    while let Some(asked) = running.next() {
        let round = work();
        let answer = round.await;
        for who in asked {
            // Whoever has gone needs no answer.
            let _ = who.send(answer.clone());
        }
    }
}

struct Running<T>(Arc<Mutex<Waiting<T>>>);

impl<T> Running<T> {
    /// Those who wait now; `None`, and the rounds have ended, if nobody does.
    fn next(&self) -> Option<Vec<oneshot::Sender<T>>> {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.next.is_empty() {
            waiting.is_running = false;
            return None;
        }
        Some(std::mem::take(&mut waiting.next))
    }
}

impl<T> Drop for Running<T> {
    fn drop(&mut self) {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // After an orderly end another round may run already.
        if std::thread::panicking() {
            waiting.is_running = false;
            waiting.next.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::sync::Semaphore;

    use super::*;

    /// F18: one round is in flight, and all that asked before the next began share it; nobody gets the answer of a round
    /// that had begun before he asked.
    #[tokio::test]
    async fn those_who_ask_during_a_round_share_the_next() {
        let coalesced = Coalesced::default();
        let rounds = Arc::new(AtomicUsize::new(0));
        let (began, go) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
        let work = || {
            let (rounds, began, go) = (rounds.clone(), began.clone(), go.clone());
            move || {
                let (rounds, began, go) = (rounds.clone(), began.clone(), go.clone());
                async move {
                    let round = rounds.fetch_add(1, Ordering::SeqCst) + 1;
                    began.add_permits(1);
                    go.acquire().await.unwrap().forget();
                    round
                }
            }
        };
        let first = coalesced.ask(work());
        let others = async {
            began.acquire().await.unwrap().forget();
            let all = (0..10).map(|_| coalesced.ask(work()));
            let let_go = async { go.add_permits(2) };
            let (answers, ()) = tokio::join!(futures::future::join_all(all), let_go);
            answers
        };
        let (first, others) = tokio::join!(first, others);
        assert_eq!(first, Some(1));
        assert_eq!(others, vec![Some(2); 10]);
        assert_eq!(rounds.load(Ordering::SeqCst), 2);
        // And it begins anew.
        go.add_permits(1);
        assert_eq!(coalesced.ask(work()).await, Some(3));
    }

    /// Whoever began a round may go: the others are answered all the same.
    #[tokio::test]
    async fn round_goes_on_when_the_one_who_began_it_has_gone() {
        let coalesced = Arc::new(Coalesced::default());
        let go = Arc::new(Semaphore::new(0));
        let work = || {
            let go = go.clone();
            move || {
                let go = go.clone();
                async move { go.acquire().await.unwrap().forget() }
            }
        };
        let (one, two) = (coalesced.clone(), coalesced.clone());
        let gone = tokio::spawn({
            let work = work();
            async move { one.ask(work).await }
        });
        tokio::task::yield_now().await;
        gone.abort();
        let stays = tokio::spawn({
            let work = work();
            async move { two.ask(work).await }
        });
        tokio::task::yield_now().await;
        go.add_permits(2);
        assert_eq!(stays.await.unwrap(), Some(()));
    }
}
