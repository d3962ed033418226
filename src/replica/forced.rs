//! A new cluster forced from one node's disk, while no node runs on it.
//!
//! The old folder is read to its end and nothing is taken from it (its log is opened as a start opens it, which may mend a torn
//! end); the new life goes into a folder of its own, as one snapshot
//! whose place in the log lies after everything in the old one, so that no revision is ever given twice. The identity is
//! written last: a folder that was cut short belongs to nobody and can be thrown away.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::Arc;

use openraft::vote::RaftLeaderId;

use super::log_record::{from_record, raft_log_id, stored_log_id};
use super::snapshot::{self, Head, open_newest};
use super::state_machine::known;
use super::types::{
    Command, LeaderId, LogId, Member, Membership, NodeId, NodeIds, Payload, SnapshotMeta,
    StoredMembership,
};
use crate::domain::limits;
use crate::domain::op::{self, force};
use crate::domain::state::State;
use crate::domain::time::Revision;
use crate::env::Offload;
use crate::storage::{Identity, Storage, StorageError, StoredVote};
use crate::wire::stored;

/// What one node's disk holds, to the end of its log.
#[derive(Clone, Debug)]
pub struct Found {
    /// The state after every entry, those too that were perhaps never committed: what was acknowledged is among them.
    pub state: State,
    /// The last entry.
    pub last: LogId,
    /// Who belonged to the cluster.
    pub members: BTreeMap<NodeId, Member>,
    /// Every id that was ever a member's: none is given again in the new life either.
    ids: NodeIds,
    term: u64,
}

/// Why no new cluster can be forced.
#[derive(Debug, thiserror::Error)]
pub enum ForceError {
    /// A disk refused.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// It cannot be read or written.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// There is nothing to begin from, or somebody's folder is in the way.
    #[error("{0}")]
    Refused(String),
}

/// Reads what a stopped node's disk holds.
///
/// # Errors
/// As [`ForceError`] says.
pub async fn read_disk(storage: &dyn Storage, threads: &dyn Offload) -> Result<Found, ForceError> {
    let mut state = State::default();
    let mut last: Option<LogId> = None;
    let mut members = BTreeMap::new();
    let noted = |membership: &Membership| -> BTreeMap<NodeId, Member> {
        let nodes = membership.nodes();
        nodes.map(|(id, member)| (*id, member.clone())).collect()
    };
    let mut ids = NodeIds::new();
    if let Some((head, source)) = open_newest(storage).await? {
        let Head { meta, ids: given } = head;
        ids = given;
        state = snapshot::read(threads, source, Arc::default()).await?;
        last = meta.last_log_id;
        members = noted(meta.last_membership.membership());
    }
    let end = storage.log_state().last.map_or(0, |id| id.index + 1);
    let mut next = last.map_or(0, |id| id.index + 1);
    while next < end {
        let records = storage.read(next..end, limits::LOG_READ_BYTES_MAX).await?;
        if records.is_empty() {
            break;
        }
        for record in records {
            let entry = from_record(record).map_err(io::Error::from)?;
            let revision = Revision(entry.log_id.index);
            match entry.payload {
                Payload::Blank => {}
                Payload::Membership(membership) => {
                    members = noted(&membership);
                    ids.extend(members.keys());
                    let listed: Vec<NodeId> = members.keys().copied().collect();
                    op::members_changed(&mut state, revision, &listed);
                }
                Payload::Normal(Command(bytes)) => {
                    let entry = stored::decode_entry(&bytes)
                        .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
                    op::apply(&mut state, revision, &entry);
                    known(&state).map_err(|why| io::Error::new(io::ErrorKind::InvalidData, why))?;
                }
            }
            last = Some(entry.log_id);
            next = entry.log_id.index + 1;
        }
    }
    let last = last.map(stored_log_id).max(storage.log_state().last);
    let Some(last) = last.filter(|_| state.is_bootstrapped()) else {
        return Err(ForceError::Refused(
            "the folder holds no cluster: its node was never initialized and has joined none"
                .to_owned(),
        ));
    };
    let voted = storage.vote().map_or(0, |vote| vote.term);
    Ok(Found {
        state,
        last: raft_log_id(last),
        members,
        ids,
        term: voted.max(last.term),
    })
}

/// Writes the new life into an empty store; the revision at which it begins.
///
/// # Errors
/// As [`ForceError`] says; the folder is to be thrown away then.
pub async fn write_disk(
    storage: &dyn Storage,
    threads: &dyn Offload,
    found: Found,
    forced: force::Forced,
    member: Member,
) -> Result<Revision, ForceError> {
    if !storage.recovered().is_new() {
        return Err(ForceError::Refused(
            "the new folder is not empty: something was stored there before".to_owned(),
        ));
    }
    let Found {
        mut state,
        last,
        members: _,
        mut ids,
        term,
    } = found;
    let (node, incarnation) = (forced.node, forced.incarnation);
    let term = term + 1;
    let at = LogId::new(LeaderId::new(term, node), last.index + 1);
    force::force(&mut state, Revision(at.index), forced);
    let disk = member.disk.0;
    ids.insert(node);
    let alone = Membership::new(
        vec![BTreeSet::from([node])],
        BTreeMap::from([(node, member)]),
    )
    .map_err(|error| ForceError::Refused(error.to_string()))?;
    let meta = SnapshotMeta {
        last_log_id: Some(at),
        last_membership: StoredMembership::new(Some(at), alone),
    };
    snapshot::write(storage, threads, &Head { meta, ids }, state).await?;
    storage.purge(stored_log_id(at)).await?;
    storage
        .save_vote(StoredVote {
            term,
            node,
            committed: false,
        })
        .await?;
    // ORDER: last.
    storage
        .save_identity(Identity {
            node_id: node,
            disk,
            incarnation: Some(incarnation.0),
        })
        .await?;
    Ok(Revision(at.index))
}
