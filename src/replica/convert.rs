//! Between openraft's messages and the peer protocol's.
//!
//! `From` outward, `TryFrom`-like functions inward, full destructuring both ways: a new field on either side fails to
//! compile here. A peer's bytes never panic us: what openraft would panic on is refused here.

use std::collections::{BTreeMap, BTreeSet};

use openraft::vote::RaftLeaderId;

use super::readers::BootId;
use super::types::{
    AppendEntriesRequest, AppendEntriesResponse, Command, DiskId, Entry, LeaderId, LogId, Member,
    Membership, NodeId, NodeIds, Payload, SnapshotMeta, StoredMembership, TransferLeaderError,
    TransferLeaderRequest, Vote, VoteRequest, VoteResponse,
};
use crate::domain::limits::{MEMBERS_MAX, NODE_IDS_MAX, PEER_ADDRESS_MAX};
use crate::wire::peer;

/// Why a peer's message is not taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum BadMessage {
    /// A field that must be there is not.
    #[error("a peer's message lacks `{0}`: is it of another version?")]
    Missing(&'static str),
    /// A field holds what it must not.
    #[error("a peer's message has a bad `{0}`: is it of another version?")]
    Bad(&'static str),
}

pub fn log_id_out(id: LogId) -> peer::LogId {
    let LogId {
        leader_id: LeaderId { term, node_id },
        index,
    } = id;
    peer::LogId {
        term,
        node: node_id,
        index,
    }
}

pub fn log_id_in(id: peer::LogId) -> LogId {
    let peer::LogId { term, node, index } = id;
    LogId::new(LeaderId::new(term, node), index)
}

pub fn vote_out(vote: Vote) -> peer::Vote {
    let Vote {
        leader_id: LeaderId { term, node_id },
        committed,
    } = vote;
    peer::Vote {
        term,
        node: node_id,
        committed,
    }
}

pub fn vote_in(vote: Option<peer::Vote>) -> Result<Vote, BadMessage> {
    let peer::Vote {
        term,
        node,
        committed,
    } = vote.ok_or(BadMessage::Missing("vote"))?;
    Ok(Vote {
        leader_id: LeaderId::new(term, node),
        committed,
    })
}

pub fn member_out(id: NodeId, member: &Member) -> peer::Member {
    let Member {
        peer_address,
        disk: DiskId(disk),
    } = member;
    peer::Member {
        node: id,
        peer_address: peer_address.clone(),
        disk: disk.to_vec().into(),
    }
}

pub fn member_in(member: peer::Member) -> Result<(NodeId, Member), BadMessage> {
    let peer::Member {
        node,
        peer_address,
        disk,
    } = member;
    if peer_address.is_empty() || peer_address.len() > PEER_ADDRESS_MAX {
        return Err(BadMessage::Bad("peer_address"));
    }
    let disk = disk_in(&disk)?;
    Ok((node, Member { peer_address, disk }))
}

pub fn held_out((node, DiskId(disk), last): (NodeId, DiskId, LogId)) -> peer::HeldEntries {
    peer::HeldEntries {
        node,
        disk: disk.to_vec().into(),
        last: Some(log_id_out(last)),
    }
}

pub fn held_in(held: peer::HeldEntries) -> Result<(NodeId, DiskId, LogId), BadMessage> {
    let peer::HeldEntries { node, disk, last } = held;
    let last = last.ok_or(BadMessage::Bad("held"))?;
    Ok((node, disk_in(&disk)?, log_id_in(last)))
}

pub fn disk_in(bytes: &[u8]) -> Result<DiskId, BadMessage> {
    <[u8; 16]>::try_from(bytes)
        .map(DiskId)
        .map_err(|_| BadMessage::Bad("disk"))
}

pub fn boot_in(bytes: &[u8]) -> Result<BootId, BadMessage> {
    <[u8; 16]>::try_from(bytes)
        .map(BootId)
        .map_err(|_| BadMessage::Bad("boot_id"))
}

pub fn membership_out(membership: &Membership) -> peer::Membership {
    peer::Membership {
        voter_sets: membership
            .get_joint_config()
            .iter()
            .map(|set| peer::VoterSet {
                voters: set.iter().copied().collect(),
            })
            .collect(),
        members: membership
            .nodes()
            .map(|(id, member)| member_out(*id, member))
            .collect(),
    }
}

pub fn membership_in(membership: Option<peer::Membership>) -> Result<Membership, BadMessage> {
    let peer::Membership {
        voter_sets,
        members,
    } = membership.ok_or(BadMessage::Missing("membership"))?;
    if members.len() > MEMBERS_MAX || voter_sets.len() > 2 {
        return Err(BadMessage::Bad("membership"));
    }
    let mut nodes = BTreeMap::new();
    for member in members {
        let (id, member) = member_in(member)?;
        if nodes.insert(id, member).is_some() {
            return Err(BadMessage::Bad("membership"));
        }
    }
    if voter_sets.is_empty() && nodes.is_empty() {
        return Ok(Membership::default());
    }
    let sets: Vec<BTreeSet<NodeId>> = voter_sets
        .into_iter()
        .map(|peer::VoterSet { voters }| voters.into_iter().collect())
        .collect();
    Membership::new(sets, nodes).map_err(|_| BadMessage::Bad("membership"))
}

pub fn entry_out(entry: Entry) -> peer::LogEntry {
    let Entry { log_id, payload } = entry;
    let payload = match payload {
        Payload::Blank => peer::log_entry::Payload::Blank(peer::Blank {}),
        Payload::Normal(Command(bytes)) => peer::log_entry::Payload::Command(bytes),
        Payload::Membership(membership) => {
            peer::log_entry::Payload::Membership(membership_out(&membership))
        }
    };
    peer::LogEntry {
        id: Some(log_id_out(log_id)),
        payload: Some(payload),
    }
}

pub fn entry_in(entry: peer::LogEntry) -> Result<Entry, BadMessage> {
    let peer::LogEntry { id, payload } = entry;
    let log_id = log_id_in(id.ok_or(BadMessage::Missing("entry.id"))?);
    let payload = match payload.ok_or(BadMessage::Missing("entry.payload"))? {
        peer::log_entry::Payload::Blank(peer::Blank {}) => Payload::Blank,
        peer::log_entry::Payload::Command(bytes) => Payload::Normal(Command(bytes)),
        peer::log_entry::Payload::Membership(membership) => {
            Payload::Membership(membership_in(Some(membership))?)
        }
    };
    Ok(Entry { log_id, payload })
}

pub fn append_out(route: peer::Route, request: AppendEntriesRequest) -> peer::AppendRequest {
    let AppendEntriesRequest {
        vote,
        prev_log_id,
        entries,
        leader_commit,
    } = request;
    peer::AppendRequest {
        route: Some(route),
        vote: Some(vote_out(vote)),
        previous: prev_log_id.map(log_id_out),
        entries: entries.into_iter().map(entry_out).collect(),
        leader_commit: leader_commit.map(log_id_out),
    }
}

/// The route is the service's to check before it comes here.
pub fn append_in(request: peer::AppendRequest) -> Result<AppendEntriesRequest, BadMessage> {
    let peer::AppendRequest {
        route: _,
        vote,
        previous,
        entries,
        leader_commit,
    } = request;
    let vote = vote_in(vote)?;
    // An append comes from a leader, whose vote a quorum has granted; openraft takes that for given.
    if !vote.committed {
        return Err(BadMessage::Bad("vote"));
    }
    let prev_log_id = previous.map(log_id_in);
    let entries = entries
        .into_iter()
        .map(entry_in)
        .collect::<Result<Vec<_>, _>>()?;
    // Entries follow what is before them without a gap, in the order of log ids.
    let mut before = prev_log_id;
    for entry in &entries {
        let follows = match before {
            Some(id) => {
                id.index.checked_add(1) == Some(entry.log_id.index)
                    && id.leader_id <= entry.log_id.leader_id
            }
            None => entry.log_id.index == 0,
        };
        if !follows || entry.log_id.leader_id > vote.leader_id {
            return Err(BadMessage::Bad("entries"));
        }
        before = Some(entry.log_id);
    }
    Ok(AppendEntriesRequest {
        vote,
        prev_log_id,
        entries,
        leader_commit: leader_commit.map(log_id_in),
    })
}

pub fn appended_out(response: AppendEntriesResponse) -> peer::AppendResponse {
    use peer::append_response::Result as Wire;
    let result = match response {
        AppendEntriesResponse::Success => Wire::Success(peer::Blank {}),
        AppendEntriesResponse::PartialSuccess(last) => Wire::Partial(peer::PartialSuccess {
            last: last.map(log_id_out),
        }),
        AppendEntriesResponse::Conflict => Wire::Conflict(peer::Blank {}),
        AppendEntriesResponse::HigherVote(vote) => Wire::HigherVote(vote_out(vote)),
    };
    peer::AppendResponse {
        result: Some(result),
    }
}

/// `previous` and `last` are what the request asked for: an answer that says more than it was asked is refused, and a
/// conflict before the log's first entry, which cannot be.
pub fn appended_in(
    response: peer::AppendResponse,
    previous: Option<LogId>,
    last: Option<LogId>,
) -> Result<AppendEntriesResponse, BadMessage> {
    use peer::append_response::Result as Wire;
    let peer::AppendResponse { result } = response;
    Ok(match result.ok_or(BadMessage::Missing("result"))? {
        Wire::Success(peer::Blank {}) => AppendEntriesResponse::Success,
        Wire::Partial(peer::PartialSuccess { last: matched }) => {
            let matched = matched.map(log_id_in);
            if matched > last || matched < previous {
                return Err(BadMessage::Bad("partial"));
            }
            AppendEntriesResponse::PartialSuccess(matched)
        }
        Wire::Conflict(peer::Blank {}) if previous.is_some() => AppendEntriesResponse::Conflict,
        Wire::Conflict(peer::Blank {}) => return Err(BadMessage::Bad("conflict")),
        Wire::HigherVote(vote) => AppendEntriesResponse::HigherVote(vote_in(Some(vote))?),
    })
}

pub fn ask_vote_out(route: peer::Route, request: VoteRequest) -> peer::VoteRequest {
    let VoteRequest {
        vote,
        last_log_id,
        leadership_transfer,
    } = request;
    peer::VoteRequest {
        route: Some(route),
        vote: Some(vote_out(vote)),
        last: last_log_id.map(log_id_out),
        leadership_transfer,
    }
}

pub fn ask_vote_in(request: peer::VoteRequest) -> Result<VoteRequest, BadMessage> {
    let peer::VoteRequest {
        route: _,
        vote,
        last,
        leadership_transfer,
    } = request;
    Ok(VoteRequest {
        vote: vote_in(vote)?,
        last_log_id: last.map(log_id_in),
        leadership_transfer,
    })
}

pub fn voted_out(response: VoteResponse) -> peer::VoteResponse {
    let VoteResponse {
        vote,
        vote_granted,
        last_log_id,
    } = response;
    peer::VoteResponse {
        vote: Some(vote_out(vote)),
        granted: vote_granted,
        last: last_log_id.map(log_id_out),
        must_hold: None,
    }
}

pub fn voted_in(response: peer::VoteResponse) -> Result<VoteResponse, BadMessage> {
    let peer::VoteResponse {
        vote,
        granted,
        last,
        must_hold: _,
    } = response;
    Ok(VoteResponse {
        vote: vote_in(vote)?,
        vote_granted: granted,
        last_log_id: last.map(log_id_in),
    })
}

pub fn snapshot_meta_out(meta: &SnapshotMeta, ids: &NodeIds) -> peer::SnapshotMeta {
    let SnapshotMeta {
        last_log_id,
        last_membership,
    } = meta;
    peer::SnapshotMeta {
        last: last_log_id.map(log_id_out),
        membership_id: last_membership.log_id().map(log_id_out),
        membership: Some(membership_out(last_membership.membership())),
        ids: ids.iter().copied().collect(),
    }
}

pub fn snapshot_meta_in(
    meta: Option<peer::SnapshotMeta>,
) -> Result<(SnapshotMeta, NodeIds), BadMessage> {
    let peer::SnapshotMeta {
        last,
        membership_id,
        membership,
        ids,
    } = meta.ok_or(BadMessage::Missing("meta"))?;
    let last_log_id = last.map(log_id_in);
    let membership_id = membership_id.map(log_id_in);
    if membership_id > last_log_id {
        return Err(BadMessage::Bad("membership_id"));
    }
    let membership = membership_in(membership)?;
    let ids = node_ids_in(ids)?;
    // Who is a member now was one at some time.
    if !membership.nodes().all(|(id, _)| ids.contains(id)) {
        return Err(BadMessage::Bad("ids"));
    }
    let meta = SnapshotMeta {
        last_log_id,
        last_membership: StoredMembership::new(membership_id, membership),
    };
    Ok((meta, ids))
}

fn node_ids_in(ids: Vec<u64>) -> Result<NodeIds, BadMessage> {
    if ids.len() > NODE_IDS_MAX || !ids.is_sorted_by(|a, b| a < b) {
        return Err(BadMessage::Bad("ids"));
    }
    Ok(ids.into_iter().collect())
}

pub fn transfer_out(
    route: peer::Route,
    request: &TransferLeaderRequest,
) -> peer::TransferLeaderRequest {
    peer::TransferLeaderRequest {
        route: Some(route),
        from_leader: Some(vote_out(*request.from_leader())),
        to: *request.to_node_id(),
        last: request.last_log_id().copied().map(log_id_out),
    }
}

pub fn transfer_in(
    request: peer::TransferLeaderRequest,
) -> Result<TransferLeaderRequest, BadMessage> {
    let peer::TransferLeaderRequest {
        route: _,
        from_leader,
        to,
        last,
    } = request;
    Ok(TransferLeaderRequest::new(
        vote_in(from_leader)?,
        to,
        last.map(log_id_in),
    ))
}

pub fn transferred_out(response: Result<(), TransferLeaderError>) -> peer::TransferLeaderResponse {
    use peer::transfer_leader_response::Result as Wire;
    let result = match response {
        Ok(()) => Wire::Accepted(peer::Blank {}),
        Err(TransferLeaderError::VoteChanged { expected, actual }) => {
            Wire::VoteChanged(peer::VoteChanged {
                expected: Some(vote_out(expected)),
                actual: Some(vote_out(actual)),
            })
        }
        Err(TransferLeaderError::LogNotFlushed { expected, actual }) => {
            Wire::LogNotFlushed(peer::LogNotFlushed {
                expected: expected.map(log_id_out),
                actual: actual.map(log_id_out),
            })
        }
    };
    peer::TransferLeaderResponse {
        result: Some(result),
    }
}

pub fn transferred_in(
    response: peer::TransferLeaderResponse,
) -> Result<Result<(), TransferLeaderError>, BadMessage> {
    use peer::transfer_leader_response::Result as Wire;
    let peer::TransferLeaderResponse { result } = response;
    Ok(match result.ok_or(BadMessage::Missing("result"))? {
        Wire::Accepted(peer::Blank {}) => Ok(()),
        Wire::VoteChanged(peer::VoteChanged { expected, actual }) => {
            Err(TransferLeaderError::VoteChanged {
                expected: vote_in(expected)?,
                actual: vote_in(actual)?,
            })
        }
        Wire::LogNotFlushed(peer::LogNotFlushed { expected, actual }) => {
            Err(TransferLeaderError::LogNotFlushed {
                expected: expected.map(log_id_in),
                actual: actual.map(log_id_in),
            })
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(term: u64, index: u64) -> LogId {
        LogId::new(LeaderId::new(term, 7), index)
    }

    fn membership() -> Membership {
        Membership::new(
            vec![BTreeSet::from([1, 2]), BTreeSet::from([2, 3])],
            (1..=4)
                .map(|n| {
                    let peer_address = format!("node{n}:1");
                    let disk = DiskId([n as u8; 16]);
                    (n, Member { peer_address, disk })
                })
                .collect::<BTreeMap<_, _>>(),
        )
        .unwrap()
    }

    fn route() -> peer::Route {
        peer::Route {
            incarnation: vec![1; 16].into(),
            from: 1,
            to: 2,
            to_disk: vec![2; 16].into(),
        }
    }

    fn append(entries: Vec<Entry>) -> AppendEntriesRequest {
        AppendEntriesRequest {
            vote: Vote::new_committed(3, 7),
            prev_log_id: Some(id(2, 4)),
            entries,
            leader_commit: Some(id(2, 3)),
        }
    }

    #[test]
    fn append_of_every_payload_survives_the_wire() {
        let entries = vec![
            Entry {
                log_id: id(2, 5),
                payload: Payload::Blank,
            },
            Entry {
                log_id: id(3, 6),
                payload: Payload::Normal(Command(vec![1, 2, 3].into())),
            },
            Entry {
                log_id: id(3, 7),
                payload: Payload::Membership(membership()),
            },
        ];
        let back = append_in(append_out(route(), append(entries.clone()))).unwrap();
        assert_eq!(back.entries, entries);
        assert_eq!(back.vote, Vote::new_committed(3, 7));
        assert_eq!(
            (back.prev_log_id, back.leader_commit),
            (Some(id(2, 4)), Some(id(2, 3)))
        );
    }

    #[test]
    fn append_with_a_gap_or_of_a_later_term_or_from_no_leader_is_refused() {
        let blank = |log_id| Entry {
            log_id,
            payload: Payload::Blank,
        };
        for entries in [
            vec![blank(id(3, 6))],
            vec![blank(id(1, 5))],
            vec![blank(id(4, 5))],
            vec![blank(id(3, 5)), blank(id(3, 5))],
        ] {
            assert_eq!(
                append_in(append_out(route(), append(entries))).unwrap_err(),
                BadMessage::Bad("entries")
            );
        }
        let mut candidate = append(vec![]);
        candidate.vote = Vote::new(3, 7);
        assert_eq!(
            append_in(append_out(route(), candidate)).unwrap_err(),
            BadMessage::Bad("vote")
        );
    }

    #[test]
    fn membership_with_a_voter_that_is_no_member_or_a_member_twice_is_refused() {
        let good = membership_out(&membership());
        assert_eq!(membership_in(Some(good.clone())).unwrap(), membership());
        let mut stranger = good.clone();
        stranger.voter_sets[0].voters.push(9);
        let mut twice = good.clone();
        twice.members.push(twice.members[0].clone());
        let mut three = good;
        three.voter_sets.push(three.voter_sets[0].clone());
        for bad in [stranger, twice, three] {
            assert_eq!(membership_in(Some(bad)), Err(BadMessage::Bad("membership")));
        }
    }

    #[test]
    fn append_answers_survive_the_wire_and_impossible_ones_are_refused() {
        let (previous, last) = (Some(id(2, 4)), Some(id(2, 9)));
        for answer in [
            AppendEntriesResponse::Success,
            AppendEntriesResponse::PartialSuccess(Some(id(2, 6))),
            AppendEntriesResponse::Conflict,
            AppendEntriesResponse::HigherVote(Vote::new(9, 1)),
        ] {
            assert_eq!(
                appended_in(appended_out(answer.clone()), previous, last),
                Ok(answer)
            );
        }
        let beyond = appended_out(AppendEntriesResponse::PartialSuccess(Some(id(2, 10))));
        assert_eq!(
            appended_in(beyond, previous, last),
            Err(BadMessage::Bad("partial"))
        );
        let conflict = appended_out(AppendEntriesResponse::Conflict);
        assert_eq!(
            appended_in(conflict, None, last),
            Err(BadMessage::Bad("conflict"))
        );
    }

    #[test]
    fn votes_transfers_and_snapshot_heads_survive_the_wire() {
        let ask = VoteRequest {
            vote: Vote::new(4, 2),
            last_log_id: Some(id(3, 8)),
            leadership_transfer: true,
        };
        assert_eq!(ask_vote_in(ask_vote_out(route(), ask.clone())), Ok(ask));
        let voted = VoteResponse {
            vote: Vote::new(4, 2),
            vote_granted: true,
            last_log_id: None,
        };
        assert_eq!(voted_in(voted_out(voted.clone())), Ok(voted));
        let transfer = TransferLeaderRequest::new(Vote::new_committed(4, 2), 3, Some(id(3, 8)));
        assert_eq!(transfer_in(transfer_out(route(), &transfer)), Ok(transfer));
        let refused = Err(TransferLeaderError::LogNotFlushed {
            expected: Some(id(3, 8)),
            actual: None,
        });
        assert_eq!(
            transferred_in(transferred_out(refused.clone())),
            Ok(refused)
        );
        let meta = SnapshotMeta {
            last_log_id: Some(id(3, 8)),
            last_membership: StoredMembership::new(Some(id(1, 1)), membership()),
        };
        let ids = NodeIds::from([1, 2, 3, 4, 9]);
        assert_eq!(
            snapshot_meta_in(Some(snapshot_meta_out(&meta, &ids))),
            Ok((meta, ids))
        );
    }

    /// An id that was ever a member's is never given again: a head that has lost one, or holds more than any may, is
    /// refused.
    #[test]
    fn snapshot_head_with_missing_too_many_or_unsorted_ids_is_refused() {
        let meta = SnapshotMeta {
            last_log_id: Some(id(3, 8)),
            last_membership: StoredMembership::new(Some(id(1, 1)), membership()),
        };
        let good = snapshot_meta_out(&meta, &NodeIds::from([1, 2, 3, 4]));
        let with = |ids: Vec<u64>| peer::SnapshotMeta {
            ids,
            ..good.clone()
        };
        let most: Vec<u64> = (1..=NODE_IDS_MAX as u64).collect();
        assert!(snapshot_meta_in(Some(with(most.clone()))).is_ok());
        let more = [most, vec![NODE_IDS_MAX as u64 + 1]].concat();
        for ids in [
            vec![1, 2, 3],
            vec![],
            vec![1, 2, 4, 3],
            vec![1, 1, 2, 3, 4],
            more,
        ] {
            assert_eq!(
                snapshot_meta_in(Some(with(ids))),
                Err(BadMessage::Bad("ids"))
            );
        }
    }

    #[test]
    fn member_without_its_disk_is_refused() {
        let mut member = membership_out(&membership()).members.remove(0);
        member.disk = vec![1; 15].into();
        assert_eq!(member_in(member), Err(BadMessage::Bad("disk")));
    }

    #[test]
    fn messages_without_their_parts_are_refused() {
        assert_eq!(vote_in(None), Err(BadMessage::Missing("vote")));
        assert_eq!(
            append_in(peer::AppendRequest::default()).unwrap_err(),
            BadMessage::Missing("vote")
        );
        assert_eq!(
            entry_in(peer::LogEntry::default()).unwrap_err(),
            BadMessage::Missing("entry.id")
        );
        assert_eq!(
            appended_in(peer::AppendResponse::default(), None, None),
            Err(BadMessage::Missing("result"))
        );
        assert_eq!(
            snapshot_meta_in(None).unwrap_err(),
            BadMessage::Missing("meta")
        );
    }
}
