//! openraft's log and vote on our `Storage`.
//!
//! ORDER: `append` hands openraft's callback to the storage, which calls it once the records are durable; a vote is
//! durable when `save_vote` returns. Never: what an entry means; a retry after a failed write.

use std::fmt::Debug;
use std::io;
use std::ops::{Bound, RangeBounds};
use std::sync::Arc;

use futures::Stream;
use openraft::OptionalSend;
use openraft::alias::LogIdOf;
use openraft::storage::{IOFlushed, LogState, RaftLogReader, RaftLogStorage};
use openraft::vote::RaftLeaderId;

use super::log_record::{from_record, raft_log_id, stored_log_id, to_record};
use super::types::{Entry, LeaderId, TypeConfig, Vote};
use crate::domain::limits;
use crate::storage::{Storage, StoredVote};

/// A handle on the node's log; every clone is the same log.
#[derive(Clone)]
pub struct LogStore {
    storage: Arc<dyn Storage>,
}

impl LogStore {
    pub fn new(storage: Arc<dyn Storage>) -> Self {
        Self { storage }
    }

    async fn page(&self, start: u64, end: u64) -> Result<Vec<Entry>, io::Error> {
        let records = self
            .storage
            .read(start..end, limits::LOG_READ_BYTES_MAX)
            .await?;
        let entries = records
            .into_iter()
            .map(from_record)
            .collect::<Result<Vec<_>, _>>()?;
        Ok(entries)
    }
}

/// A range of openraft's as a half-open one.
fn half_open(range: &impl RangeBounds<u64>) -> (u64, u64) {
    let start = match range.start_bound() {
        Bound::Included(index) => *index,
        Bound::Excluded(index) => index.saturating_add(1),
        Bound::Unbounded => 0,
    };
    let end = match range.end_bound() {
        Bound::Included(index) => index.saturating_add(1),
        Bound::Excluded(index) => *index,
        Bound::Unbounded => u64::MAX,
    };
    (start, end)
}

fn stored_vote(vote: &Vote) -> StoredVote {
    let Vote {
        leader_id: LeaderId { term, node_id },
        committed,
    } = *vote;
    StoredVote {
        term,
        node: node_id,
        committed,
    }
}

fn raft_vote(vote: StoredVote) -> Vote {
    let StoredVote {
        term,
        node,
        committed,
    } = vote;
    Vote {
        leader_id: LeaderId::new(term, node),
        committed,
    }
}

impl RaftLogReader<TypeConfig> for LogStore {
    async fn try_get_log_entries<RB: RangeBounds<u64> + Clone + Debug + OptionalSend>(
        &mut self,
        range: RB,
    ) -> Result<Vec<Entry>, io::Error> {
        let (mut start, end) = half_open(&range);
        let mut entries: Vec<Entry> = Vec::new();
        while start < end {
            let page = self.page(start, end).await?;
            let Some(last) = page.last() else { break };
            start = last.log_id.index.saturating_add(1);
            entries.extend(page);
        }
        Ok(entries)
    }

    async fn limited_get_log_entries(
        &mut self,
        start: u64,
        end: u64,
    ) -> Result<Vec<Entry>, io::Error> {
        // One page: what fits into one request to a follower.
        self.page(start, end).await
    }

    async fn entries_stream<RB>(
        &mut self,
        range: RB,
    ) -> impl Stream<Item = Result<Entry, io::Error>> + OptionalSend
    where
        RB: RangeBounds<u64> + Clone + Debug + OptionalSend,
    {
        // Page by page, so that a node that catches up does not hold the whole log in memory.
        let (start, end) = half_open(&range);
        let pages =
            futures::stream::try_unfold((self.clone(), start), move |(log, start)| async move {
                if start >= end {
                    return Ok::<_, io::Error>(None);
                }
                let page = log.page(start, end).await?;
                let Some(last) = page.last() else {
                    return Ok(None);
                };
                let next = last.log_id.index.saturating_add(1);
                Ok(Some((
                    futures::stream::iter(page.into_iter().map(Ok)),
                    (log, next),
                )))
            });
        Box::pin(futures::TryStreamExt::try_flatten(pages))
    }

    async fn read_vote(&mut self) -> Result<Option<Vote>, io::Error> {
        Ok(self.storage.vote().map(raft_vote))
    }
}

impl RaftLogStorage<TypeConfig> for LogStore {
    type LogReader = Self;

    async fn get_log_state(&mut self) -> Result<LogState<TypeConfig>, io::Error> {
        let crate::storage::LogState { purged, last } = self.storage.log_state();
        Ok(LogState {
            last_purged_log_id: purged.map(raft_log_id),
            last_log_id: last.map(raft_log_id),
        })
    }

    async fn get_log_reader(&mut self) -> Self {
        self.clone()
    }

    async fn save_vote(&mut self, vote: &Vote) -> Result<(), io::Error> {
        Ok(self.storage.save_vote(stored_vote(vote)).await?)
    }

    async fn save_committed(
        &mut self,
        committed: Option<LogIdOf<TypeConfig>>,
    ) -> Result<(), io::Error> {
        self.storage.note_committed(committed.map(stored_log_id));
        Ok(())
    }

    async fn read_committed(&mut self) -> Result<Option<LogIdOf<TypeConfig>>, io::Error> {
        Ok(self.storage.committed().map(raft_log_id))
    }

    async fn append<I>(
        &mut self,
        entries: I,
        callback: IOFlushed<TypeConfig>,
    ) -> Result<(), io::Error>
    where
        I: IntoIterator<Item = Entry> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        let records = entries.into_iter().map(to_record).collect();
        self.storage
            .append(
                records,
                Box::new(move |durable| callback.io_completed(durable.map_err(io::Error::from))),
            )
            .await?;
        Ok(())
    }

    async fn truncate_after(&mut self, last: Option<LogIdOf<TypeConfig>>) -> Result<(), io::Error> {
        Ok(self.storage.truncate_after(last.map(stored_log_id)).await?)
    }

    async fn purge(&mut self, upto: LogIdOf<TypeConfig>) -> Result<(), io::Error> {
        Ok(self.storage.purge(stored_log_id(upto)).await?)
    }
}
