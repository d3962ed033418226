//! ReadIndex: an index that covers everything acknowledged before it was asked for.
//!
//! The leader captures its commit index and then confirms its leadership with a quorum; no lease and no earlier
//! acknowledgement will do, for those bring in clocks that stop in suspend. Never: what the index is used for.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use openraft::ReadPolicy;
use openraft::errors::{LinearizableReadError, RaftError};
use openraft::vote::RaftLeaderId;

use super::convert::{held_in, log_id_in, member_in, vote_in};
use super::handle::Replica;
use super::held::lacks;
use super::log_record::stored_log_id;
use super::peers::{CallError, Lane};
use super::readers::Reader;
use super::types::{LeaderId, LogId, Member, NodeId, Vote};
use crate::domain::time::Revision;
use crate::env::{BootTime, WallTime, timeout};
use crate::storage::{self, Refusal, StorageError};
use crate::wire::peer;

/// How often a node that knows of no leader asks another member who leads, and for how long it waits for the answer.
const LOOK_AROUND_EVERY: Duration = Duration::from_millis(500);

/// Why a leader gives no read index.
#[derive(Clone, Debug)]
pub enum Denied {
    /// This node does not lead.
    NotLeader { leader: Option<(NodeId, Member)> },
    /// The asking node is no member.
    NotAMember,
    /// A quorum has not confirmed the leadership.
    NoQuorum(String),
    /// The node has stopped.
    Stopped(String),
}

/// Why this node got no read index.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum NoReadIndex {
    /// Nobody is known to lead.
    #[error("no leader is known")]
    NoLeader,
    /// The cluster has removed this node, or has never had it.
    #[error("this node is not a member of the cluster")]
    NotAMember,
    /// The leader could not confirm that it leads.
    #[error("the leader cannot reach a quorum: {0}")]
    NoQuorum(String),
    /// The leader did not answer.
    #[error("the leader cannot be asked: {0}")]
    Unreachable(String),
    /// This node has stopped.
    #[error("this node has stopped: {0}")]
    Stopped(String),
}

/// When this node last looked for a leader among the members, and how often it has.
#[derive(Debug, Default)]
pub(super) struct LookAround(Mutex<(Option<BootTime>, usize)>);

impl LookAround {
    /// The number of this look; `None`: the last one was a moment ago.
    fn due(&self, now: BootTime) -> Option<usize> {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if last.0.is_some_and(|at| now.since(at) < LOOK_AROUND_EVERY) {
            return None;
        }
        let number = last.1;
        *last = (Some(now), number.wrapping_add(1));
        Some(number)
    }
}

impl Replica {
    /// Asks whoever leads, this node too, for its read index.
    ///
    /// # Errors
    /// As [`NoReadIndex`] says; all but `Stopped` may pass.
    pub async fn read_index(self: &Arc<Self>, deadline: Duration) -> Result<Revision, NoReadIndex> {
        self.must_hold_what_it_held()?;
        let known = self.leader();
        let seen = known.as_ref().map(|(leader, _)| *leader);
        let (leader, member) = match known {
            Some(known) => known,
            None => self.leader_by_hearsay(deadline).await?,
        };
        let applied = self.board().load().revision();
        if leader == self.node_id() {
            let reader = Reader {
                node: leader,
                boot: self.boot_id(),
                asked_at: self.clock().boot(),
                applied,
            };
            return match timeout(&**self.clock(), deadline, self.give_read_index(reader)).await {
                Some(Ok(index)) => Ok(index),
                Some(Err(denied)) => Err(denied.into()),
                None => Err(NoReadIndex::NoQuorum(format!(
                    "no answer within {} ms",
                    deadline.as_millis()
                ))),
            };
        }
        let message = peer::ReadIndexRequest {
            route: Some(self.peers().route(leader, member.disk)),
            boot_id: self.boot_id().0.to_vec().into(),
            applied: applied.0,
            wall_ms: self.clock().wall().0,
        };
        let ask = self.peers().call(
            Lane::Control,
            leader,
            &member.peer_address,
            deadline,
            |mut client| async move { client.read_index(message).await },
        );
        let answer = tokio::select! {
            biased;
            answer = ask => answer?,
            // One that has lost the lead is not waited for.
            () = self.leader_other_than(seen) => return Err(NoReadIndex::NoLeader),
        };
        use peer::read_index_response::Result as Wire;
        let peer::ReadIndexResponse {
            result,
            acknowledged,
            agreed_wall_ms,
            held,
        } = answer;
        self.must_have(acknowledged)?;
        self.hear_held(held)?;
        self.hear_agreed_wall(agreed_wall_ms.map(WallTime));
        match result {
            Some(Wire::Index(index)) => Ok(Revision(index)),
            Some(Wire::NotLeader(peer::NotLeader { leader })) => {
                // The next round asks again; whom, this node's own Raft knows best.
                tracing::debug!(leader = ?leader.and_then(|member| member_in(member).ok()), "the leader has changed");
                Err(NoReadIndex::NoLeader)
            }
            Some(Wire::NotAMember(peer::Blank {})) => Err(NoReadIndex::NotAMember),
            Some(Wire::NoQuorum(why)) => Err(NoReadIndex::NoQuorum(why)),
            None => Err(NoReadIndex::Unreachable(
                "its answer is empty: is it of another version?".to_owned(),
            )),
        }
    }

    /// A node that was removed while it was away hears of no leader any more: the others do not call it. So it asks one of
    /// them, another each time, who leads; that one then tells it that it is no member.
    async fn leader_by_hearsay(&self, deadline: Duration) -> Result<(NodeId, Member), NoReadIndex> {
        let me = self.node_id();
        let membership = self.membership();
        let others: Vec<&Member> = membership
            .nodes()
            .filter(|(id, _)| **id != me)
            .map(|(_, member)| member)
            .collect();
        let number = self
            .look_around()
            .due(self.clock().boot())
            .ok_or(NoReadIndex::NoLeader)?;
        let asked = number
            .checked_rem(others.len())
            .and_then(|at| others.get(at))
            .ok_or(NoReadIndex::NoLeader)?;
        let told = self
            .ask_cluster_info(&asked.peer_address, deadline.min(LOOK_AROUND_EVERY))
            .await
            .map_err(|_| NoReadIndex::NoLeader)?;
        let is_ours = Some(told.incarnation) == self.incarnation();
        told.leader
            .filter(|(leader, _)| is_ours && *leader != me)
            .ok_or(NoReadIndex::NoLeader)
    }

    /// Stops this node if its disk no longer holds what it has acknowledged to the leader: it was replaced by an older
    /// copy, which agrees with itself, so that the start could not tell (F8).
    fn must_have(&self, acknowledged: Option<peer::Acknowledged>) -> Result<(), NoReadIndex> {
        let Some(peer::Acknowledged {
            lead,
            last: Some(last),
        }) = acknowledged
        else {
            return Ok(());
        };
        let malformed =
            |error: super::convert::BadMessage| NoReadIndex::Unreachable(error.to_string());
        let lead: Vote = vote_in(lead).map_err(malformed)?;
        let last = log_id_in(last);
        let storage = &self.workshop().storage;
        // ORDER: the log, then the vote. A later leader may have this node drop what the earlier one counted; its vote is
        // on the disk before that, so a log that was read under the same vote has lost it without leave.
        let held = self.log_end();
        let voted = storage
            .vote()
            .map(|vote| LeaderId::new(vote.term, vote.node));
        let is_lost = held.is_none_or(|held| held.index < last.index);
        if voted != Some(lead.leader_id) || !is_lost {
            return Ok(());
        }
        Err(self.stop_as_short(last, held))
    }

    /// The leader's: notes what each member's disk holds of what is committed, as openraft counts it.
    pub(super) fn note_held_by_members(&self) {
        let metrics = self.raft().metrics();
        let metrics = openraft::async_runtime::WatchReceiver::borrow_watched(&metrics);
        let (Some(matched), Some(applied)) = (&metrics.replication, metrics.last_applied) else {
            return;
        };
        for (node, member) in metrics.membership_config.nodes() {
            if let Some(last) = matched.get(node).copied().flatten() {
                self.peers()
                    .held()
                    .note(*node, member.disk, last.min(applied));
            }
        }
    }

    /// Takes note of what a leader knows of its members' disks, and stops this node if its own holds less.
    fn hear_held(&self, held: Vec<peer::HeldEntries>) -> Result<(), NoReadIndex> {
        for claim in held {
            let (node, disk, last) =
                held_in(claim).map_err(|error| NoReadIndex::Unreachable(error.to_string()))?;
            if self.membership().get_node(&node).is_some() {
                self.peers().held().note(node, disk, last);
            }
        }
        self.must_hold_what_it_held()
    }

    /// Stops this node if its disk lacks a committed entry that it once held, whoever led then: no log ever drops one (F8).
    fn must_hold_what_it_held(&self) -> Result<(), NoReadIndex> {
        let must_hold = self.peers().held().of(self.node_id(), self.disk());
        let end = self.log_end();
        match must_hold {
            Some(last) if lacks(end.map(|end| end.index), must_hold) => {
                Err(self.stop_as_short(last, end))
            }
            Some(_) | None => Ok(()),
        }
    }

    /// Where this node's log ends, what its snapshot covers included.
    fn log_end(&self) -> Option<storage::LogId> {
        let stored = &self.workshop().storage;
        let in_log = stored.log_state().last;
        in_log.max(stored.snapshot().and_then(|snapshot| snapshot.last))
    }

    /// Gives up: the log ends at `found`, before what was acknowledged.
    fn stop_as_short(&self, acknowledged: LogId, found: Option<storage::LogId>) -> NoReadIndex {
        let acknowledged = stored_log_id(acknowledged);
        let why = StorageError::from(Refusal::LogShort {
            acknowledged,
            found,
        })
        .to_string();
        self.give_up(why.clone());
        NoReadIndex::Stopped(why)
    }

    /// What `node` has acknowledged to this leader, as it is told with a read index.
    pub(super) fn acknowledged_by(&self, node: NodeId) -> Option<(LeaderId, LogId)> {
        self.peers().acknowledged(node)
    }

    /// A revision that covers everything acknowledged before this call, once a quorum has confirmed that this node leads.
    /// One round of questions to the members is under way at a time, for all who wait.
    pub(super) async fn confirmed(self: &Arc<Self>) -> Result<Revision, Denied> {
        let replica = self.clone();
        let work = move || {
            let replica = replica.clone();
            async move { replica.confirm().await }
        };
        match self.read_indexes().ask(work).await {
            Some(confirmed) => confirmed,
            None => Err(Denied::Stopped("the round has ended early".to_owned())),
        }
    }

    /// The leader's side. Returns once a quorum has confirmed the leadership; the caller sets the deadline.
    pub(super) async fn give_read_index(
        self: &Arc<Self>,
        reader: Reader,
    ) -> Result<Revision, Denied> {
        if self.leader().map(|(leader, _)| leader) != Some(self.node_id()) {
            return Err(Denied::NotLeader {
                leader: self.leader(),
            });
        }
        if self.watched().is_silent() {
            // Its heartbeats would hold back an election that is due.
            return Err(Denied::NoQuorum("none has answered for seconds".to_owned()));
        }
        if self.membership().get_node(&reader.node).is_none() {
            return Err(Denied::NotAMember);
        }
        // ORDER: noted before the index is captured (see `readers`).
        self.readers().note(reader);
        self.confirmed().await
    }

    async fn confirm(&self) -> Result<Revision, Denied> {
        match self.raft().get_read_linearizer(ReadPolicy::ReadIndex).await {
            Ok(linearizer) => Ok(Revision(linearizer.read_log_id().index())),
            Err(RaftError::APIError(LinearizableReadError::ForwardToLeader(_))) => {
                Err(Denied::NotLeader {
                    leader: self
                        .leader()
                        .filter(|(leader, _)| *leader != self.node_id()),
                })
            }
            Err(RaftError::APIError(LinearizableReadError::QuorumNotEnough(error))) => {
                Err(Denied::NoQuorum(error.to_string()))
            }
            Err(RaftError::Fatal(fatal)) => Err(Denied::Stopped(fatal.to_string())),
        }
    }
}

impl From<Denied> for NoReadIndex {
    fn from(denied: Denied) -> Self {
        match denied {
            Denied::NotLeader { leader: _ } => Self::NoLeader,
            Denied::NotAMember => Self::NotAMember,
            Denied::NoQuorum(why) => Self::NoQuorum(why),
            Denied::Stopped(why) => Self::Stopped(why),
        }
    }
}

impl From<CallError> for NoReadIndex {
    fn from(error: CallError) -> Self {
        Self::Unreachable(error.to_string())
    }
}
