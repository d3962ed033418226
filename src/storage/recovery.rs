//! When a node may start on what it found: one rule for every engine.
//!
//! Pure: it sees facts that an engine has gathered and answers with [`Recovered`] or a refusal. It never repairs.

use super::error::shown;
use super::{
    Identity, LogId, LogState, Recovered, Refusal, SnapshotMeta, StorageError, StoredVote,
};

/// What `node.state` says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct NodeFacts {
    pub identity: Option<Identity>,
    pub vote: Option<StoredVote>,
    /// The mark: the highest log id acknowledged as durable.
    pub acknowledged: Option<LogId>,
    pub committed: Option<LogId>,
    pub purged: Option<LogId>,
}

/// What an engine found in the log itself. The engine has verified every record and that each follows the one before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct LogFacts {
    /// The log id before the first record, as that record names it; `None` when it is the first of all.
    pub before_first: Option<LogId>,
    pub first: Option<LogId>,
    pub last: Option<LogId>,
    /// What stands at the index of the mark, when the log holds that index.
    pub at_mark: Option<LogId>,
}

/// Decides whether the node may start.
///
/// The mark must be present: in the log, or covered by the newest snapshot. What was purged must be covered by it too.
pub(super) fn examine(
    node: &NodeFacts,
    log: &LogFacts,
    snapshot: Option<&SnapshotMeta>,
    expected_node: Option<u64>,
) -> Result<Recovered, StorageError> {
    if let (Some(expected), Some(identity)) = (expected_node, node.identity)
        && expected != identity.node_id
    {
        return Err(Refusal::OtherNode {
            expected,
            found: identity.node_id,
        }
        .into());
    }
    let covered = snapshot.and_then(|meta| meta.last);
    if let Some(purged) = node.purged
        && covered.is_none_or(|covered| covered.index < purged.index)
    {
        return Err(Refusal::SnapshotMissing { purged, covered }.into());
    }
    // INVARIANT: a purge is durable in `node.state` before a record is removed, so the log begins right after it.
    if let Some(first) = log.first
        && log.before_first != node.purged
    {
        return Err(StorageError::damaged(
            "the log",
            format!(
                "it begins at {first}, which follows {}, but it was purged up to {}",
                shown(log.before_first),
                shown(node.purged)
            ),
        ));
    }
    let last = log.last.max(node.purged);
    if let Some(acknowledged) = node.acknowledged {
        let in_log = last.is_some_and(|last| last.index >= acknowledged.index);
        let in_snapshot = covered.is_some_and(|covered| covered.index >= acknowledged.index);
        if let Some(found) = log.at_mark
            && found != acknowledged
        {
            return Err(StorageError::damaged(
                "the log",
                format!("it holds {found} where the node acknowledged {acknowledged}"),
            ));
        }
        if !in_log && !in_snapshot {
            return Err(Refusal::LogShort {
                acknowledged,
                found: last.max(covered),
            }
            .into());
        }
    }
    Ok(Recovered {
        identity: node.identity,
        vote: node.vote,
        committed: node.committed.min(last),
        log: LogState {
            purged: node.purged,
            last,
        },
        // What was found counts as acknowledged from now on, so the engine makes it durable before it answers: records
        // after the mark may have come from a page cache that a power loss would take away.
        acknowledged: node.acknowledged.max(last),
        snapshot: snapshot.cloned(),
        mended: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    fn id(index: u64) -> LogId {
        LogId {
            term: 1,
            node: 1,
            index,
        }
    }

    fn node(acknowledged: Option<u64>, purged: Option<u64>) -> NodeFacts {
        NodeFacts {
            identity: Some(Identity {
                node_id: 1,
                disk: [1; 16],
                incarnation: None,
            }),
            acknowledged: acknowledged.map(id),
            purged: purged.map(id),
            ..NodeFacts::default()
        }
    }

    fn log(first: u64, last: u64) -> LogFacts {
        LogFacts {
            before_first: first.checked_sub(1).map(id),
            first: Some(id(first)),
            last: Some(id(last)),
            at_mark: None,
        }
    }

    fn covers(last: u64) -> SnapshotMeta {
        SnapshotMeta {
            last: Some(id(last)),
            extra: Bytes::new(),
        }
    }

    /// what was acknowledged is there, or the node does not start.
    #[test]
    fn log_shorter_than_the_mark_is_refused() {
        let found = examine(&node(Some(5), None), &log(0, 4), None, None);
        assert_eq!(
            found,
            Err(Refusal::LogShort {
                acknowledged: id(5),
                found: Some(id(4))
            }
            .into())
        );
        assert!(examine(&node(Some(4), None), &log(0, 4), None, None).is_ok());
        let sentence = found.unwrap_err().to_string();
        assert!(sentence.contains("grantd cluster join"), "{sentence}");
    }

    /// what a snapshot covers counts as present.
    #[test]
    fn log_shorter_than_the_mark_but_covered_by_a_snapshot_is_accepted() {
        let found = examine(
            &node(Some(5), Some(5)),
            &LogFacts::default(),
            Some(&covers(5)),
            None,
        )
        .expect("starts");
        assert_eq!(found.log.last, Some(id(5)));
    }

    /// a purged log needs the snapshot that covers what was purged; an older one is not taken instead.
    #[test]
    fn purged_beyond_the_newest_snapshot_is_refused() {
        let found = examine(&node(Some(9), Some(5)), &log(6, 9), Some(&covers(4)), None);
        assert!(matches!(
            found,
            Err(StorageError::Refused(Refusal::SnapshotMissing { .. }))
        ));
    }

    /// a log that lost its head is damaged.
    #[test]
    fn log_that_begins_late_is_damaged() {
        let found = examine(&node(Some(9), None), &log(3, 9), None, None);
        assert!(matches!(found, Err(StorageError::Damaged { .. })));
    }

    /// A log of another node under this node's `node.state` does not hold what was acknowledged.
    #[test]
    fn other_record_at_the_mark_is_damaged() {
        let mut facts = log(0, 9);
        facts.at_mark = Some(LogId {
            term: 2,
            node: 3,
            index: 5,
        });
        let found = examine(&node(Some(5), None), &facts, None, None);
        assert!(matches!(found, Err(StorageError::Damaged { .. })));
    }

    /// A swapped folder is noticed by the node id.
    #[test]
    fn folder_of_another_node_is_refused() {
        let found = examine(&node(None, None), &LogFacts::default(), None, Some(2));
        assert_eq!(
            found,
            Err(Refusal::OtherNode {
                expected: 2,
                found: 1
            }
            .into())
        );
    }
}
