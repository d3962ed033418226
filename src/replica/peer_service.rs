//! What this node answers the others.
//!
//! A route that is not ours is refused before anything else: it was meant for another node, or another life of the
//! cluster. Never: a decision about freshness or about a write; those are the gate's, behind [`ForwardedWrites`].

use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use tonic::{Request, Response, Status, Streaming};

use super::convert::{
    BadMessage, append_in, appended_out, ask_vote_in, boot_in, held_out, log_id_out, member_in,
    member_out, membership_out, snapshot_meta_in, transfer_in, transferred_out, vote_in, vote_out,
    voted_out,
};
use super::draft::Draft;
use super::handle::Replica;
use super::held::lacks;
use super::membership::Changed;
use super::pace::Pace;
use super::propose::{NotProposed, Proposed};
use super::read_index::Denied;
use super::readers::{BootId, Reader};
use super::snapshot::{Head, SnapshotData, UnderWay, Work, stored_meta};
use super::types::{Fatal, Member, NodeId, Snapshot, Vote, VoteRequest};
use crate::domain::authz::caller::Identity;
use crate::domain::limits::{SNAPSHOT_BYTES_MAX, SNAPSHOT_CHUNK_BYTES, SYSTEM_COMMANDS_PER_S_MAX};
use crate::domain::state::token_epoch::SealCheck;
use crate::domain::time::Revision;
use crate::env::{WallTime, offload, timeout};
use crate::storage::SnapshotSink;
use crate::wire::peer::peer_server::Peer;
use crate::wire::{peer, stored};

/// How long a snapshot that is being received may stand still.
const SNAPSHOT_IDLE: Duration = Duration::from_secs(10);

/// Takes the writes that other nodes forward to this one: the gate, which is the only proposer.
#[async_trait]
pub trait ForwardedWrites: Send + Sync + 'static {
    /// Stamps and proposes `draft` here; never forwards it again.
    ///
    /// # Errors
    /// As [`NotProposed`] says.
    async fn propose_here(&self, draft: Draft, deadline: Duration)
    -> Result<Proposed, NotProposed>;
}

/// A message that says from which node to which it goes.
trait Routed {
    fn route(&self) -> Option<&peer::Route>;
}

macro_rules! routed {
    ($($message:ident),+) => {$(
        impl Routed for peer::$message {
            fn route(&self) -> Option<&peer::Route> {
                self.route.as_ref()
            }
        }
    )+};
}

routed!(AppendRequest, VoteRequest, TransferLeaderRequest);

/// The peer service of one node.
pub struct PeerService {
    replica: Arc<Replica>,
    writes: Arc<dyn ForwardedWrites>,
    system_commands: Mutex<Pace>,
}

impl PeerService {
    /// Answers for `replica`; forwarded writes go through `writes`.
    pub fn new(replica: Arc<Replica>, writes: Arc<dyn ForwardedWrites>) -> Self {
        Self {
            replica,
            writes,
            system_commands: Mutex::new(Pace::new(SYSTEM_COMMANDS_PER_S_MAX)),
        }
    }

    fn check(&self, route: Option<&peer::Route>) -> Result<NodeId, Status> {
        let Some(peer::Route {
            incarnation,
            from,
            to,
            to_disk,
        }) = route
        else {
            return Err(Status::invalid_argument("the message has no route"));
        };
        let me = self.replica.node_id();
        if *to != me {
            return Err(Status::failed_precondition(format!(
                "the message is for node {to}, this is node {me}: an address was given to another node"
            )));
        }
        // A sender that does not know the disk yet does not name it.
        if !to_disk.is_empty() && to_disk[..] != self.replica.disk().0[..] {
            return Err(Status::failed_precondition(format!(
                "the message is for the disk that node {me} had before: this node must join under a new node id"
            )));
        }
        match self.replica.incarnation() {
            Some(ours) if incarnation[..] == ours.0[..] => Ok(*from),
            Some(_) => Err(Status::failed_precondition(
                "the message is of another incarnation of the cluster",
            )),
            None => Err(Status::failed_precondition(
                "this node belongs to no cluster yet",
            )),
        }
    }

    /// The same of what only a member may ask: who was removed, or is not taken in yet, writes nothing.
    fn member(&self, route: Option<&peer::Route>) -> Result<NodeId, Status> {
        let from = self.check(route)?;
        if self.replica.membership().get_node(&from).is_none() {
            return Err(Status::failed_precondition(format!(
                "node {from} is no member of the cluster"
            )));
        }
        Ok(from)
    }

    /// A request for a vote, or the answer to a candidate whose disk went back: it lacks an entry that is committed.
    fn ballot(
        &self,
        request: peer::VoteRequest,
    ) -> Result<Result<VoteRequest, peer::VoteResponse>, Status> {
        let from = self.check(request.route.as_ref())?;
        let request = ask_vote_in(request).map_err(bad)?;
        let must_hold = self.replica.peers().must_hold(from);
        if !lacks(request.last_log_id.map(|last| last.index), must_hold) {
            return Ok(Ok(request));
        }
        if let Some(times) = self.replica.peers().went_back() {
            tracing::warn!(
                node = from,
                times,
                "node {from} asks for a vote without revision {}, which it has acknowledged: its disk was replaced by an older copy",
                must_hold.map_or(0, |last| last.index)
            );
        }
        Ok(Err(peer::VoteResponse {
            vote: Some(vote_out(request.vote)),
            granted: false,
            last: None,
            must_hold: must_hold.map(log_id_out),
        }))
    }

    /// Waits until `from` may have `draft` proposed, if it is a command of the system, which no rule of the caller's own
    /// holds back; other drafts need not wait. What is left of `deadline`.
    async fn its_turn(
        &self,
        from: NodeId,
        draft: &Draft,
        deadline: Duration,
    ) -> Result<Duration, NotProposed> {
        if !matches!(draft.caller.identity, Identity::System) {
            return Ok(deadline);
        }
        let clock = self.replica.clock();
        let wait = {
            let mut pace = self
                .system_commands
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            pace.turn(from, clock.boot(), deadline)
        };
        let Some(wait) = wait else {
            return Err(NotProposed::Refused(format!(
                "node {from} has sent more than {SYSTEM_COMMANDS_PER_S_MAX} commands of the system within a second; try again later"
            )));
        };
        if !wait.is_zero() {
            clock.sleep(wait).await;
        }
        Ok(deadline.saturating_sub(wait))
    }

    /// A message of another node: its route first, then its content.
    fn read<M: Routed, T>(
        &self,
        message: Request<M>,
        read: impl FnOnce(M) -> Result<T, BadMessage>,
    ) -> Result<T, Status> {
        let message = message.into_inner();
        self.check(message.route())?;
        read(message).map_err(bad)
    }

    async fn receive(
        &self,
        mut parts: Streaming<peer::SnapshotPart>,
    ) -> Result<(Vote, Snapshot, Work, UnderWay), Status> {
        use peer::snapshot_part::Part;
        let Part::Head(peer::SnapshotHead { route, vote, meta }) =
            self.next_part(&mut parts).await?
        else {
            return Err(Status::invalid_argument("a snapshot begins with its head"));
        };
        let from = self.check(route.as_ref())?;
        let vote = vote_in(vote).map_err(bad)?;
        let (meta, ids) = snapshot_meta_in(meta).map_err(bad)?;
        // openraft takes it for given that a snapshot comes from a leader and holds nothing later than it.
        let later = meta
            .last_log_id
            .is_none_or(|last| last.leader_id > vote.leader_id);
        if !vote.committed || later {
            return Err(bad(BadMessage::Bad("vote")));
        }
        let work = Work::Installing { from };
        let desk = &self.replica.workshop().desk;
        let under_way = desk.begin(work);
        let head = Head { meta, ids };
        let sink = self
            .receive_content(&mut parts, &head)
            .await
            .inspect_err(|refusal| desk.failed(work, &refusal.message()))?;
        let snapshot = SnapshotData::Received(sink);
        let Head { meta, ids: _ } = head;
        Ok((vote, Snapshot { meta, snapshot }, work, under_way))
    }

    async fn receive_content(
        &self,
        parts: &mut Streaming<peer::SnapshotPart>,
        head: &Head,
    ) -> Result<Box<dyn SnapshotSink>, Status> {
        use peer::snapshot_part::Part;
        let workshop = self.replica.workshop();
        let mut sink = workshop
            .storage
            .create_snapshot(stored_meta(head))
            .await
            .map_err(|error| Status::unavailable(error.to_string()))?;
        let mut received = 0u64;
        let mut crc = crc32fast::Hasher::new();
        loop {
            match self.next_part(parts).await? {
                Part::Head(_) => return Err(Status::invalid_argument("a snapshot has one head")),
                Part::Chunk(chunk) => {
                    received = received.saturating_add(chunk.len() as u64);
                    if chunk.len() > SNAPSHOT_CHUNK_BYTES || received > SNAPSHOT_BYTES_MAX {
                        return Err(Status::resource_exhausted(
                            "the snapshot is larger than any may be",
                        ));
                    }
                    crc.update(&chunk);
                    sink = offload(&*workshop.threads, move || {
                        sink.write_all(&chunk).map(|()| sink)
                    })
                    .await
                    .and_then(|written| written)
                    .map_err(unavailable)?;
                }
                Part::End(peer::SnapshotEnd { length, crc32 }) => {
                    if length != received || crc32 != crc.finalize() {
                        return Err(Status::data_loss("the snapshot was damaged on its way"));
                    }
                    // All that the disk can refuse, it refuses before openraft hears of it.
                    sink.seal()
                        .await
                        .map_err(|error| Status::unavailable(error.to_string()))?;
                    return Ok(sink);
                }
            }
        }
    }

    fn joining(&self, request: Request<peer::JoinRequest>) -> Result<Joining, Status> {
        let peer::JoinRequest {
            route,
            member,
            boot_id,
            deadline_ms,
        } = request.into_inner();
        let from = self.check(route.as_ref())?;
        let (node, member) =
            member_in(member.ok_or_else(|| bad(BadMessage::Missing("member")))?).map_err(bad)?;
        if node != from {
            return Err(bad(BadMessage::Bad("member")));
        }
        Ok(Joining {
            node,
            member,
            boot: boot_in(&boot_id).map_err(bad)?,
            deadline: deadline_of(deadline_ms),
        })
    }

    async fn next_part(
        &self,
        parts: &mut Streaming<peer::SnapshotPart>,
    ) -> Result<peer::snapshot_part::Part, Status> {
        let part = timeout(&**self.replica.clock(), SNAPSHOT_IDLE, parts.message())
            .await
            .ok_or_else(|| Status::deadline_exceeded("the snapshot stands still"))??;
        part.and_then(|peer::SnapshotPart { part }| part)
            .ok_or_else(|| Status::invalid_argument("the snapshot has no end"))
    }
}

/// What a node that asks to join says.
struct Joining {
    node: NodeId,
    member: Member,
    boot: BootId,
    deadline: Duration,
}

fn bad(error: BadMessage) -> Status {
    Status::invalid_argument(error.to_string())
}

fn unavailable(error: io::Error) -> Status {
    Status::unavailable(error.to_string())
}

fn stopped(error: &Fatal) -> Status {
    Status::unavailable(format!("this node has stopped: {error}"))
}

fn not_leader(leader: Option<(NodeId, Member)>) -> peer::NotLeader {
    peer::NotLeader {
        leader: leader.map(|(id, member)| member_out(id, &member)),
    }
}

fn changed(result: Result<Changed, NotProposed>) -> peer::MembershipResponse {
    use peer::membership_response::Result as Wire;
    let result = match result {
        Ok(Changed::At(Revision(revision))) => Wire::Revision(revision),
        Ok(Changed::RemovedAlready) => Wire::RemovedAlready(peer::Blank {}),
        Err(NotProposed::NotLeader { leader }) => Wire::NotLeader(not_leader(leader)),
        Err(NotProposed::Refused(why)) => Wire::Refused(why),
        Err(NotProposed::Unknown(why)) => Wire::Unknown(why),
    };
    peer::MembershipResponse {
        result: Some(result),
    }
}

/// How long a call may wait for a change of membership: a new node may first have to take in a snapshot.
const MEMBERSHIP_DEADLINE: Duration = Duration::from_secs(60);

/// The deadline that a caller has named, within ours.
fn deadline_of(deadline_ms: u64) -> Duration {
    Duration::from_millis(deadline_ms).min(MEMBERSHIP_DEADLINE)
}

#[async_trait]
impl Peer for PeerService {
    async fn append(
        &self,
        request: Request<peer::AppendRequest>,
    ) -> Result<Response<peer::AppendResponse>, Status> {
        let request = self.read(request, append_in)?;
        let answer = self.replica.raft().append_entries(request).await;
        let answer = answer.map_err(|error| stopped(&error.unwrap_fatal()))?;
        Ok(Response::new(appended_out(answer)))
    }

    async fn vote(
        &self,
        request: Request<peer::VoteRequest>,
    ) -> Result<Response<peer::VoteResponse>, Status> {
        let request = match self.ballot(request.into_inner())? {
            Ok(request) => request,
            Err(refusal) => return Ok(Response::new(refusal)),
        };
        let answer = self.replica.raft().vote(request).await;
        let answer = answer.map_err(|error| stopped(&error.unwrap_fatal()))?;
        Ok(Response::new(voted_out(answer)))
    }

    async fn pre_vote(
        &self,
        request: Request<peer::VoteRequest>,
    ) -> Result<Response<peer::VoteResponse>, Status> {
        let request = match self.ballot(request.into_inner())? {
            Ok(request) => request,
            Err(refusal) => return Ok(Response::new(refusal)),
        };
        let answer = self.replica.raft().pre_vote(request).await;
        let answer = answer.map_err(|error| stopped(&error.unwrap_fatal()))?;
        Ok(Response::new(voted_out(answer)))
    }

    async fn install_snapshot(
        &self,
        request: Request<Streaming<peer::SnapshotPart>>,
    ) -> Result<Response<peer::SnapshotResponse>, Status> {
        let (vote, snapshot, work, _under_way) = self.receive(request.into_inner()).await?;
        let revision = snapshot.meta.last_log_id.map_or(0, |id| id.index);
        let answer = self
            .replica
            .raft()
            .install_full_snapshot(vote, snapshot)
            .await;
        let answer = answer.map_err(|error| stopped(&error))?;
        self.replica.workshop().desk.succeeded(work);
        tracing::info!(revision, ?work, "snapshot installed");
        Ok(Response::new(peer::SnapshotResponse {
            vote: Some(vote_out(answer.vote)),
        }))
    }

    async fn transfer_leader(
        &self,
        request: Request<peer::TransferLeaderRequest>,
    ) -> Result<Response<peer::TransferLeaderResponse>, Status> {
        let request = self.read(request, transfer_in)?;
        let answer = self.replica.raft().handle_transfer_leader(request).await;
        let answer = answer.map_err(|error| stopped(&error))?;
        Ok(Response::new(transferred_out(answer)))
    }

    async fn read_index(
        &self,
        request: Request<peer::ReadIndexRequest>,
    ) -> Result<Response<peer::ReadIndexResponse>, Status> {
        use peer::read_index_response::Result as Wire;
        let peer::ReadIndexRequest {
            route,
            boot_id,
            applied,
            wall_ms,
        } = request.into_inner();
        let node = self.check(route.as_ref())?;
        let reader = Reader {
            node,
            boot: boot_in(&boot_id).map_err(bad)?,
            asked_at: self.replica.clock().boot(),
            applied: Revision(applied),
        };
        self.replica
            .hear_wall_clock(node, WallTime(wall_ms), reader.asked_at);
        // ORDER: before the answer is begun: the asking node holds it against its log once it has the answer.
        let acknowledged = self.replica.acknowledged_by(node);
        self.replica.note_held_by_members();
        let held = self.replica.peers().held().all();
        let result = match self.replica.give_read_index(reader).await {
            Ok(Revision(index)) => Wire::Index(index),
            Err(Denied::NotLeader { leader }) => Wire::NotLeader(not_leader(leader)),
            Err(Denied::NotAMember) => Wire::NotAMember(peer::Blank {}),
            Err(Denied::NoQuorum(why)) => Wire::NoQuorum(why),
            Err(Denied::Stopped(why)) => return Err(Status::unavailable(why)),
        };
        Ok(Response::new(peer::ReadIndexResponse {
            result: Some(result),
            held: held.into_iter().map(held_out).collect(),
            agreed_wall_ms: self.replica.agreed_wall().map(|WallTime(ms)| ms),
            acknowledged: acknowledged.map(|(lead, last)| peer::Acknowledged {
                lead: Some(vote_out(Vote {
                    leader_id: lead,
                    committed: true,
                })),
                last: Some(log_id_out(last)),
            }),
        }))
    }

    async fn propose(
        &self,
        request: Request<peer::ProposeRequest>,
    ) -> Result<Response<peer::ProposeResponse>, Status> {
        use peer::propose_response::Result as Wire;
        let peer::ProposeRequest {
            route,
            draft,
            deadline_ms,
        } = request.into_inner();
        let from = self.member(route.as_ref())?;
        let draft = stored::decode_draft(&draft)
            .map_err(|error| Status::invalid_argument(error.to_string()))?;
        let draft = Draft::from(draft);
        let deadline = Duration::from_millis(deadline_ms);
        let proposed = match self.its_turn(from, &draft, deadline).await {
            Ok(deadline) => self.writes.propose_here(draft, deadline).await,
            Err(refused) => Err(refused),
        };
        let result = match proposed {
            Ok(Proposed {
                revision,
                outcome,
                settled_at,
            }) => {
                // The entry is committed whatever becomes of its answer.
                match stored::encode_outcome(&outcome) {
                    Ok(outcome) => Wire::Committed(peer::Committed {
                        revision: revision.0,
                        outcome,
                        settled_at: settled_at.map(|at| at.0),
                    }),
                    Err(error) => Wire::Unknown(format!(
                        "the write is committed at revision {revision}, but its answer cannot be sent: {error}"
                    )),
                }
            }
            Err(NotProposed::NotLeader { leader }) => Wire::NotLeader(not_leader(leader)),
            Err(NotProposed::Refused(why)) => Wire::Refused(why),
            Err(NotProposed::Unknown(why)) => Wire::Unknown(why),
        };
        Ok(Response::new(peer::ProposeResponse {
            result: Some(result),
        }))
    }

    async fn fingerprints(
        &self,
        request: Request<peer::FingerprintsRequest>,
    ) -> Result<Response<peer::FingerprintsResponse>, Status> {
        let peer::FingerprintsRequest { route } = request.into_inner();
        self.check(route.as_ref())?;
        let marks = self.replica.own_marks();
        Ok(Response::new(super::fingerprints::marks_out(&marks)))
    }

    async fn cluster_info(
        &self,
        _request: Request<peer::ClusterInfoRequest>,
    ) -> Result<Response<peer::ClusterInfoResponse>, Status> {
        let incarnation = self
            .replica
            .incarnation()
            .map(|incarnation| incarnation.0.to_vec());
        Ok(Response::new(peer::ClusterInfoResponse {
            incarnation: incarnation.unwrap_or_default().into(),
            node: self.replica.node_id(),
            leader: self
                .replica
                .leader()
                .map(|(id, member)| member_out(id, &member)),
            membership: Some(membership_out(self.replica.membership().membership())),
            seal_check: self
                .replica
                .seal_check()
                .map(|SealCheck(check)| check.to_vec().into())
                .unwrap_or_default(),
            disk: self.replica.disk().0.to_vec().into(),
        }))
    }

    async fn may_join(
        &self,
        request: Request<peer::JoinRequest>,
    ) -> Result<Response<peer::MembershipResponse>, Status> {
        let Joining {
            node,
            member,
            deadline,
            ..
        } = self.joining(request)?;
        let asked = self.replica.may_admit(node, &member);
        let result = match timeout(&**self.replica.clock(), deadline, asked).await {
            Some(result) => result,
            None => Err(NotProposed::Unknown(
                "the leader has not proven in time that it leads".to_owned(),
            )),
        };
        Ok(Response::new(changed(result)))
    }

    async fn join(
        &self,
        request: Request<peer::JoinRequest>,
    ) -> Result<Response<peer::MembershipResponse>, Status> {
        let Joining {
            node,
            member,
            boot,
            deadline,
        } = self.joining(request)?;
        let result = self.replica.admit(node, member, boot, deadline).await;
        Ok(Response::new(changed(result)))
    }

    async fn remove(
        &self,
        request: Request<peer::RemoveRequest>,
    ) -> Result<Response<peer::MembershipResponse>, Status> {
        let peer::RemoveRequest {
            route,
            node,
            deadline_ms,
        } = request.into_inner();
        self.check(route.as_ref())?;
        let result = self.replica.expel(node, deadline_of(deadline_ms)).await;
        Ok(Response::new(changed(result)))
    }
}
