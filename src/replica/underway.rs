//! Work that goes on when whoever asked for it is gone, and that is waited for, not begun again, by whoever asks the same.
//!
//! A change of membership takes several steps: cut short between two of them it would leave the cluster in a state that
//! nobody wanted. So it runs in a task of the node, and a call only waits for it. Bounded by the number of tasks.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;

type Tasks<K, T> = Mutex<BTreeMap<K, watch::Receiver<Option<T>>>>;

/// The work in hand, by what was asked.
pub struct Underway<K, T> {
    tasks: Arc<Tasks<K, T>>,
    most: usize,
}

/// So much is in hand already.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Full(pub usize);

/// Work that can be waited for; to drop it stops nothing.
#[derive(Clone, Debug)]
pub struct Awaited<T>(watch::Receiver<Option<T>>);

impl<T: Clone> Awaited<T> {
    /// What came of it. `None`: its task has ended without a result.
    pub async fn result(mut self) -> Option<T> {
        let told = self.0.wait_for(Option::is_some).await.ok()?;
        told.clone()
    }
}

impl<K, T> Underway<K, T>
where
    K: Ord + Clone + Send + 'static,
    T: Clone + Send + Sync + 'static,
{
    /// At most `most` at once.
    pub fn new(most: usize) -> Self {
        Self {
            tasks: Arc::default(),
            most,
        }
    }

    /// The work of this name: what is in hand, or `work`, begun now.
    ///
    /// # Errors
    /// Too much is in hand.
    pub fn begin(
        &self,
        name: K,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Result<Awaited<T>, Full> {
        let (tell, told) = watch::channel(None);
        {
            let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(known) = tasks.get(&name) {
                return Ok(Awaited(known.clone()));
            }
            if tasks.len() >= self.most {
                return Err(Full(tasks.len()));
            }
            tasks.insert(name.clone(), told.clone());
        }
        let in_hand = InHand {
            tasks: self.tasks.clone(),
            name,
        };
        tokio::spawn(async move {
            let result = work.await;
            // ORDER: whoever asks from now on begins anew.
            drop(in_hand);
            tell.send_replace(Some(result));
        });
        Ok(Awaited(told))
    }

    /// What is in hand.
    pub fn names(&self) -> Vec<K> {
        let tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        tasks.keys().cloned().collect()
    }
}

struct InHand<K: Ord, T> {
    tasks: Arc<Tasks<K, T>>,
    name: K,
}

impl<K: Ord, T> Drop for InHand<K, T> {
    fn drop(&mut self) {
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        tasks.remove(&self.name);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::sync::Semaphore;

    use super::*;

    /// F2: the same asked twice is done once, goes on when those who asked have gone, and is told to all.
    #[tokio::test]
    async fn work_is_done_once_and_outlives_who_asked() {
        let underway = Underway::new(1);
        let (go, done) = (Arc::new(Semaphore::new(0)), Arc::new(AtomicUsize::new(0)));
        let work = || {
            let (go, done) = (go.clone(), done.clone());
            async move {
                go.acquire().await.unwrap().forget();
                done.fetch_add(1, Ordering::SeqCst) + 1
            }
        };
        drop(underway.begin("a", work()).unwrap());
        let again = underway.begin("a", work()).unwrap();
        assert_eq!(underway.begin("b", work()).unwrap_err(), Full(1));
        assert_eq!(underway.names(), ["a"]);
        go.add_permits(1);
        assert_eq!(again.result().await, Some(1));
        assert_eq!(underway.names(), Vec::<&str>::new());
        go.add_permits(1);
        let anew = underway.begin("a", work()).unwrap();
        assert_eq!(anew.result().await, Some(2));
    }

    /// Work that ends by a panic is told as ended and makes room.
    #[tokio::test]
    async fn work_that_panics_is_told_as_ended() {
        let underway = Underway::<_, ()>::new(1);
        let lost = underway
            .begin(1, async { panic!("as the test wants it") })
            .unwrap();
        assert_eq!(lost.result().await, None);
        assert_eq!(
            underway.begin(1, async {}).unwrap().result().await,
            Some(())
        );
    }
}
