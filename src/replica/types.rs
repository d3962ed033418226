//! openraft's types with ours in place of its parameters.
//!
//! Imports openraft, bytes, domain. Never: what an entry means, or how anything is sent or stored.

use std::fmt;

use bytes::Bytes;
use openraft_rt::deterministic_rng::DeterministicRng;
use openraft_rt_tokio::TokioRuntime;

use crate::domain::op::{Output, Rejection};
use crate::domain::time::Revision;

/// A node's id: unique among all nodes that a cluster has ever had.
pub type NodeId = u64;

/// Ids of nodes.
pub type NodeIds = std::collections::BTreeSet<NodeId>;

openraft::declare_raft_types!(
    /// A command is opaque bytes, encoded once by the proposer; the runtime draws its election timeouts from a seed
    /// that `env::Rng` gave, so a simulated node and a real one run the same code.
    pub TypeConfig:
        D = Command,
        R = Reply,
        NodeId = NodeId,
        Node = Member,
        AsyncRuntime = DeterministicRng<TokioRuntime>,
);

/// The runtime of every node.
pub type Runtime = DeterministicRng<TokioRuntime>;

pub type LogId = openraft::alias::LogIdOf<TypeConfig>;
pub type LeaderId = openraft::alias::LeaderIdOf<TypeConfig>;
pub type Vote = openraft::alias::VoteOf<TypeConfig>;
pub type Entry = openraft::alias::EntryOf<TypeConfig>;
pub type Payload = openraft::alias::PayloadOf<TypeConfig>;
pub type Membership = openraft::Membership<NodeId, Member>;
pub type StoredMembership = openraft::alias::StoredMembershipOf<TypeConfig>;
pub type SnapshotMeta = openraft::alias::SnapshotMetaOf<TypeConfig>;
pub type Snapshot = openraft::alias::SnapshotOf<TypeConfig, super::snapshot::SnapshotData>;
pub type Raft = openraft::Raft<TypeConfig, super::state_machine::StateMachine>;
pub type AppendEntriesRequest = openraft::raft::AppendEntriesRequest<TypeConfig>;
pub type AppendEntriesResponse = openraft::raft::AppendEntriesResponse<TypeConfig>;
pub type VoteRequest = openraft::raft::VoteRequest<TypeConfig>;
pub type VoteResponse = openraft::raft::VoteResponse<TypeConfig>;
pub type SnapshotResponse = openraft::raft::SnapshotResponse<TypeConfig>;
pub type TransferLeaderRequest = openraft::raft::TransferLeaderRequest<TypeConfig>;
pub type TransferLeaderError = openraft::raft::TransferLeaderError<TypeConfig>;
pub type RpcError = openraft::errors::RPCError<TypeConfig>;
pub type ForwardToLeader = openraft::errors::ForwardToLeader<TypeConfig>;
pub type Fatal = openraft::errors::Fatal<TypeConfig>;

/// The stored form of a `domain::op::Entry`.
#[derive(Clone, PartialEq, Eq)]
pub struct Command(pub Bytes);

// A command may hold policies and encryption contexts: neither is ever printed.
impl fmt::Debug for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Command({} bytes)", self.0.len())
    }
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.0.len())
    }
}

/// What `apply` said of an entry; it never leaves the process in this form.
#[derive(Debug)]
pub enum Reply {
    /// The entry was a command.
    Outcome {
        /// What the caller is told.
        outcome: Box<Result<Output, Rejection>>,
        /// Where the idempotency key of the entry was settled.
        settled_at: Option<Revision>,
    },
    /// The entry was a blank or a membership change.
    NoCommand,
}

/// One disk of a node, told from every other by 16 random bytes that are drawn when its folder is first used.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct DiskId(pub [u8; 16]);

/// A node as the replicated membership knows it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Member {
    /// Where the other nodes reach it: `host:port`.
    pub peer_address: String,
    /// The disk that its id belongs to: what a node with another says under this id is not its word.
    pub disk: DiskId,
}

impl fmt::Display for Member {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.peer_address)
    }
}
