//! To whom this leader gave a read index, when, and what each had applied: what a fenced write needs to know.
//!
//! ORDER: a reader is noted when its request arrives, before the index is captured. So a write that commits afterwards
//! finds it here, and a reader that is not here holds no as-of that this leader gave it.

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::{Mutex, PoisonError};

use tokio::sync::Notify;

use super::types::NodeId;
use crate::domain::limits::READERS_MAX;
use crate::domain::time::Revision;
use crate::env::BootTime;

/// One start of one node: after a restart it begins without an as-of, so its earlier self need not be waited for once
/// its time is up.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct BootId(pub [u8; 16]);

/// A node that may be deciding under a read index of this leader.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Reader {
    /// The node.
    pub node: NodeId,
    /// Which start of it.
    pub boot: BootId,
    /// When it last asked, on this node's clock: it can act under the answer for at most B(1+rho) from here on.
    pub asked_at: BootTime,
    /// What it had applied when it asked: not what it has matched, which it may not know to be committed.
    pub applied: Revision,
}

/// The readers of this node's leadership. Bounded: when it is full, the one that asked longest ago makes room, and
/// [`Readers::forgotten_until`] says until when that one counts as unknown.
#[derive(Debug, Default)]
pub struct Readers {
    table: Mutex<Table>,
    told: Notify,
}

#[derive(Debug, Default)]
struct Table {
    readers: BTreeMap<(NodeId, BootId), Reader>,
    forgotten: Option<BootTime>,
}

impl Readers {
    /// Notes that a node has asked. An older note of the same start never replaces a newer one.
    pub fn note(&self, reader: Reader) {
        let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (reader.node, reader.boot);
        match table.readers.get_mut(&key) {
            Some(known) => {
                known.asked_at = known.asked_at.max(reader.asked_at);
                known.applied = known.applied.max(reader.applied);
            }
            None => {
                if table.readers.len() >= READERS_MAX {
                    table.drop_oldest();
                }
                table.readers.insert(key, reader);
            }
        }
        drop(table);
        self.told.notify_waiters();
    }

    /// Returns once `look` finds something in what the readers have said; it looks again whenever one asks.
    pub async fn until<T>(&self, look: impl Fn(&Self) -> Option<T>) -> T {
        loop {
            // ORDER: heard from here on, so that nothing is missed between the look and the wait.
            let mut told = pin!(self.told.notified());
            told.as_mut().enable();
            if let Some(found) = look(self) {
                return found;
            }
            told.await;
        }
    }

    /// The last that this start of a node has said.
    pub fn of(&self, node: NodeId, boot: BootId) -> Option<Reader> {
        let table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        table.readers.get(&(node, boot)).copied()
    }

    /// The nodes that have asked at or after `since`, each with when it last did.
    pub fn heard_since(&self, since: BootTime) -> BTreeMap<NodeId, BootTime> {
        let table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        let mut heard = BTreeMap::new();
        for reader in table.readers.values() {
            if reader.asked_at >= since {
                let last = heard.entry(reader.node).or_insert(reader.asked_at);
                *last = reader.asked_at.max(*last);
            }
        }
        heard
    }

    /// Every reader that asked at or after `since`, in the order of node and boot id; those before are dropped.
    pub fn since(&self, since: BootTime) -> Vec<Reader> {
        let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        table.readers.retain(|_, reader| reader.asked_at >= since);
        table.readers.values().copied().collect()
    }

    /// Every reader that is known, in the order of node and boot id; nothing is dropped.
    pub fn all(&self) -> Vec<Reader> {
        let table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        table.readers.values().copied().collect()
    }

    /// The last instant at which a reader asked that had to make room: a fence may not trust the table for readers
    /// up to then.
    pub fn forgotten_until(&self) -> Option<BootTime> {
        self.table
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .forgotten
    }
}

impl Table {
    fn drop_oldest(&mut self) {
        let oldest = self
            .readers
            .iter()
            .min_by_key(|(_, reader)| reader.asked_at);
        if let Some((key, asked_at)) = oldest.map(|(key, reader)| (*key, reader.asked_at)) {
            self.readers.remove(&key);
            self.forgotten = self.forgotten.max(Some(asked_at));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn at(ms: u64) -> BootTime {
        BootTime::from_boot(Duration::from_millis(ms))
    }

    fn reader(node: NodeId, boot: u8, asked_ms: u64, applied: u64) -> Reader {
        Reader {
            node,
            boot: BootId([boot; 16]),
            asked_at: at(asked_ms),
            applied: Revision(applied),
        }
    }

    /// each start of a node counts for itself, with the latest that it said.
    #[test]
    fn reader_that_asks_again_is_one_reader_with_its_latest_facts() {
        let readers = Readers::default();
        readers.note(reader(1, 1, 10, 5));
        readers.note(reader(1, 1, 30, 7));
        readers.note(reader(1, 1, 20, 6));
        readers.note(reader(1, 2, 25, 6));
        assert_eq!(
            readers.since(at(0)),
            [reader(1, 1, 30, 7), reader(1, 2, 25, 6)]
        );
    }

    /// a node that was silent for the whole window slows nobody.
    #[test]
    fn reader_that_asked_before_the_window_is_dropped() {
        let readers = Readers::default();
        readers.note(reader(1, 1, 10, 5));
        readers.note(reader(2, 1, 20, 5));
        assert_eq!(readers.since(at(20)), [reader(2, 1, 20, 5)]);
    }

    /// A node counts as heard by whichever of its starts asked last; what only an earlier start has applied is not what
    /// this one has (F3).
    #[tokio::test]
    async fn reader_is_heard_by_its_node_and_believed_by_its_start() {
        let readers = Readers::default();
        readers.note(reader(1, 1, 10, 50));
        readers.note(reader(1, 2, 30, 4));
        readers.note(reader(2, 1, 20, 9));
        assert_eq!(readers.heard_since(at(21)), BTreeMap::from([(1, at(30))]));
        assert_eq!(
            readers.heard_since(at(0)),
            BTreeMap::from([(1, at(30)), (2, at(20))])
        );
        let applied = |readers: &Readers| readers.of(1, BootId([2; 16])).map(|r| r.applied);
        assert_eq!(applied(&readers), Some(Revision(4)));
        let caught_up = readers.until(|r| applied(r).filter(|at| *at >= Revision(7)));
        let (found, ()) = tokio::join!(caught_up, async {
            readers.note(reader(1, 1, 40, 60));
            readers.note(reader(1, 2, 41, 7));
        });
        assert_eq!(found, Revision(7));
    }

    #[test]
    fn full_table_forgets_the_oldest_and_says_so() {
        let readers = Readers::default();
        for node in 0..=READERS_MAX as u64 {
            readers.note(reader(node, 1, 100 + node, 0));
        }
        assert_eq!(readers.since(at(0)).len(), READERS_MAX);
        assert_eq!(readers.forgotten_until(), Some(at(100)));
    }
}
