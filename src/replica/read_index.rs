//! ReadIndex: an index that covers everything acknowledged before it was asked for.
//!
//! The leader captures its commit index and then confirms its leadership with a quorum; no lease and no earlier
//! acknowledgement will do, for those bring in clocks that stop in suspend. Never: what the index is used for.

use std::time::Duration;

use openraft::ReadPolicy;
use openraft::errors::{LinearizableReadError, RaftError};

use super::convert::member_in;
use super::handle::Replica;
use super::peers::{CallError, Lane};
use super::readers::Reader;
use super::types::{Member, NodeId};
use crate::domain::time::Revision;
use crate::env::{WallTime, timeout};
use crate::wire::peer;

/// Why a leader gives no read index.
#[derive(Debug)]
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

impl Replica {
    /// Asks whoever leads, this node too, for its read index.
    ///
    /// # Errors
    /// As [`NoReadIndex`] says; all but `Stopped` may pass.
    pub async fn read_index(&self, deadline: Duration) -> Result<Revision, NoReadIndex> {
        let (leader, member) = self.leader().ok_or(NoReadIndex::NoLeader)?;
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
            route: Some(self.peers().route(leader)),
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
            () = self.leader_other_than(Some(leader)) => return Err(NoReadIndex::NoLeader),
        };
        use peer::read_index_response::Result as Wire;
        let peer::ReadIndexResponse {
            result,
            agreed_wall_ms,
        } = answer;
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

    /// The leader's side. Returns once a quorum has confirmed the leadership; the caller sets the deadline.
    pub(super) async fn give_read_index(&self, reader: Reader) -> Result<Revision, Denied> {
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
