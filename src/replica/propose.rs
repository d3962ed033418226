//! Putting a write into the log: here if this node leads, else at the node that does.
//!
//! What is not known is said: whatever may have left this node, or may be in a log, is `Unknown`. Only the gate
//! calls this; it is the only proposer.

use std::time::Duration;

use openraft::errors::{ClientWriteError, RaftError};
use openraft::impls::ProgressResponder;

use super::convert::member_in;
use super::draft::Draft;
use super::handle::Replica;
use super::peers::{CallError, Lane};
use super::types::{Command, Fatal, ForwardToLeader, Member, NodeId, Reply};
use crate::domain::op::{Entry, Output, Rejection};
use crate::domain::time::Revision;
use crate::env::timeout;
use crate::wire::{peer, stored};

/// A write that is committed and applied.
#[derive(Debug)]
pub struct Proposed {
    /// Where it took effect.
    pub revision: Revision,
    /// What `apply` said.
    pub outcome: Result<Output, Rejection>,
    /// Where its idempotency key was settled, as [`Applied`](crate::domain::op::Applied) has it.
    pub settled_at: Option<Revision>,
}

/// Why a write is not known to be committed.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum NotProposed {
    /// Provably without effect: the asked node does not lead.
    #[error("the asked node does not lead")]
    NotLeader {
        /// Who leads, if the asked node knows.
        leader: Option<(NodeId, Member)>,
    },
    /// Provably without effect.
    #[error("{0}")]
    Refused(String),
    /// It may have taken effect, or may yet.
    #[error("{0}")]
    Unknown(String),
}

impl NotProposed {
    fn forward(to: ForwardToLeader) -> Self {
        let ForwardToLeader {
            leader_id,
            leader_node,
            reason: _,
        } = to;
        Self::NotLeader {
            leader: leader_id.zip(leader_node),
        }
    }
}

impl Replica {
    /// Proposes `entry` on this node.
    ///
    /// # Errors
    /// As [`NotProposed`] says.
    pub async fn propose(
        &self,
        entry: &Entry,
        deadline: Duration,
    ) -> Result<Proposed, NotProposed> {
        let command =
            stored::encode_entry(entry).map_err(|error| NotProposed::Refused(error.to_string()))?;
        // A node that gives the lead away takes no more.
        let Some(_inside) = self.door().enter() else {
            return Err(NotProposed::NotLeader { leader: None });
        };
        let (responder, mut committed, outcome) = ProgressResponder::new();
        let write = async {
            let sent = self
                .raft()
                .client_write_ff(Command(command), Some(responder))
                .await;
            if let Err(fatal) = sent {
                return Err(RaftError::Fatal(fatal));
            }
            match outcome.await {
                Ok(Ok(written)) => Ok(written),
                Ok(Err(error)) => Err(RaftError::APIError(error)),
                Err(_) => Err(RaftError::Fatal(Fatal::Stopped)),
            }
        };
        match timeout(&**self.clock(), deadline, write).await {
            None => Err(NotProposed::Unknown(match committed.try_recv() {
                Ok(at) => format!(
                    "the write is committed at revision {}, but not applied here within {} ms",
                    at.index,
                    deadline.as_millis()
                ),
                Err(_) => format!(
                    "the write was proposed but not committed within {} ms",
                    deadline.as_millis()
                ),
            })),
            Some(Ok(written)) => match written.data {
                Reply::Outcome {
                    outcome,
                    settled_at,
                } => Ok(Proposed {
                    revision: Revision(written.log_id.index),
                    outcome: *outcome,
                    settled_at,
                }),
                Reply::NoCommand => Err(NotProposed::Unknown(
                    "the state machine took the write for something else".to_owned(),
                )),
            },
            Some(Err(error)) => Err(refusal(error)),
        }
    }

    /// Sends `draft` to `leader`, which stamps and proposes it.
    ///
    /// # Errors
    /// As [`NotProposed`] says.
    pub async fn forward(
        &self,
        leader: NodeId,
        member: &Member,
        draft: &Draft,
        deadline: Duration,
    ) -> Result<Proposed, NotProposed> {
        let bytes = stored::encode_draft(draft.parts())
            .map_err(|error| NotProposed::Refused(error.to_string()))?;
        let message = peer::ProposeRequest {
            route: Some(self.peers().route(leader, member.disk)),
            draft: bytes,
            deadline_ms: u64::try_from(deadline.as_millis()).unwrap_or(u64::MAX),
        };
        let call = self.peers().call(
            Lane::Writes,
            leader,
            &member.peer_address,
            deadline,
            |mut client| async move { client.propose(message).await },
        );
        use peer::propose_response::Result as Wire;
        let peer::ProposeResponse { result } = call.await.map_err(not_sent_or_unknown)?;
        match result {
            Some(Wire::Committed(peer::Committed {
                revision,
                outcome,
                settled_at,
            })) => {
                let outcome = stored::decode_outcome(&outcome).map_err(|error| {
                    NotProposed::Unknown(format!("the write is committed at revision {revision}, but its answer cannot be read: {error}"))
                })?;
                Ok(Proposed {
                    revision: Revision(revision),
                    outcome,
                    settled_at: settled_at.map(Revision),
                })
            }
            Some(Wire::NotLeader(peer::NotLeader { leader })) => Err(NotProposed::NotLeader {
                leader: leader.and_then(|member| member_in(member).ok()),
            }),
            Some(Wire::Refused(why)) => Err(NotProposed::Refused(why)),
            Some(Wire::Unknown(why)) => Err(NotProposed::Unknown(why)),
            None => Err(NotProposed::Unknown(
                "the leader's answer is empty: is it of another version?".to_owned(),
            )),
        }
    }
}

/// A call that provably never left this node did nothing: whoever leads next may be asked again.
pub(super) fn not_sent_or_unknown(error: CallError) -> NotProposed {
    match &error {
        CallError::NotSent { .. } => NotProposed::NotLeader { leader: None },
        // The service refuses a route or a message before it acts on it.
        CallError::Status { status, .. }
            if matches!(
                status.code(),
                tonic::Code::FailedPrecondition | tonic::Code::InvalidArgument
            ) =>
        {
            NotProposed::Refused(error.to_string())
        }
        CallError::Status { .. } | CallError::TimedOut { .. } => {
            NotProposed::Unknown(format!("the leader's answer did not come: {error}"))
        }
    }
}

pub(super) fn refusal(
    error: RaftError<super::types::TypeConfig, ClientWriteError<super::types::TypeConfig>>,
) -> NotProposed {
    match error {
        // Said before the entry was appended, so nothing has happened.
        RaftError::APIError(ClientWriteError::ForwardToLeader(to)) => NotProposed::forward(to),
        RaftError::APIError(error @ ClientWriteError::LogEntryDiscarded(_)) => {
            NotProposed::Unknown(error.to_string())
        }
        RaftError::APIError(
            error @ (ClientWriteError::ChangeMembershipError(_)
            | ClientWriteError::PreconditionFailed(_)),
        ) => NotProposed::Refused(error.to_string()),
        RaftError::Fatal(fatal) => {
            NotProposed::Unknown(format!("this node stopped while it was writing: {fatal}"))
        }
    }
}
