//! Which committed entries the members' disks are known to hold, so that a disk that went back in time is found by
//! whoever meets it, in whatever term (F8).
//!
//! A leader knows what each member has acknowledged; as far as it is committed, no log ever drops it. It tells this to
//! everybody who asks for a read index, so that the next leader, and whoever is asked for a vote, knows it too. Kept in
//! memory alone: it takes one member that has not been restarted since. Imports: types. Never: a claim about an entry
//! that is not committed.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use super::types::{DiskId, LogId, NodeId, StoredMembership};

/// The last committed entry that each member's disk has acknowledged, as far as this node has heard.
#[derive(Debug, Default)]
pub struct HeldEntries(Mutex<BTreeMap<NodeId, (DiskId, LogId)>>);

impl HeldEntries {
    /// Notes that `disk`, node `node`'s, holds every entry up to `last`, which is committed.
    pub fn note(&self, node: NodeId, disk: DiskId, last: LogId) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = all.entry(node).or_insert((disk, last));
        if known.0 == disk {
            known.1 = known.1.max(last);
        } else {
            *known = (disk, last);
        }
    }

    /// What `node` must still hold if its disk is `disk`.
    pub fn of(&self, node: NodeId, disk: DiskId) -> Option<LogId> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (known, last) = all.get(&node)?;
        (*known == disk).then_some(*last)
    }

    /// All of it, by node.
    pub fn all(&self) -> Vec<(NodeId, DiskId, LogId)> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.iter()
            .map(|(node, (disk, last))| (*node, *disk, *last))
            .collect()
    }

    /// Forgets who is no member any more.
    pub fn retain(&self, membership: &StoredMembership) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|node, _| membership.membership().get_node(node).is_some());
    }
}

/// Whether a log whose last entry has the index `end` lacks an entry that it must hold.
pub fn lacks(end: Option<u64>, must_hold: Option<LogId>) -> bool {
    must_hold.is_some_and(|last| end.is_none_or(|end| end < last.index))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::replica::types::LeaderId;

    fn id(index: u64) -> LogId {
        LogId {
            leader_id: LeaderId {
                term: 1,
                node_id: 1,
            },
            index,
        }
    }

    /// A claim grows, whoever brings an older one, and is of one disk: a node on another disk owes nothing of it.
    #[test]
    fn claims_grow_and_are_of_one_disk() {
        let (disk, other) = (DiskId([1; 16]), DiskId([2; 16]));
        let held = HeldEntries::default();
        assert_eq!(held.of(4, disk), None);
        held.note(4, disk, id(7));
        held.note(4, disk, id(5));
        assert_eq!(held.of(4, disk), Some(id(7)));
        assert_eq!(held.of(4, other), None);
        assert_eq!(held.of(5, disk), None);
        held.note(4, other, id(2));
        assert_eq!(held.of(4, other), Some(id(2)));
        assert_eq!(held.all(), [(4, other, id(2))]);
    }

    #[test]
    fn log_lacks_what_lies_behind_its_end() {
        for (end, must_hold, is_lacking) in [
            (None, None, false),
            (Some(3), None, false),
            (None, Some(id(3)), true),
            (Some(2), Some(id(3)), true),
            (Some(3), Some(id(3)), false),
            (Some(4), Some(id(3)), false),
        ] {
            assert_eq!(lacks(end, must_hold), is_lacking, "{end:?} {must_hold:?}");
        }
    }
}
