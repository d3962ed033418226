//! openraft's calls to the other nodes.
//!
//! Never: a retry of its own (openraft retries), a call without a deadline.

use std::future::Future;
use std::io::{self, Read};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use openraft::alias::VoteOf;
use openraft::errors::{NetworkError, ReplicationClosed, StreamingError, Unreachable};
use openraft::network::{RPCOption, RaftNetworkFactory, RaftNetworkV2};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Channel;

use super::convert::{
    BadMessage, append_out, appended_in, ask_vote_out, log_id_in, snapshot_meta_out, transfer_out,
    transferred_in, vote_in, vote_out, voted_in,
};
use super::held::lacks;
use super::peers::{CallError, Lane, Peers};
use super::snapshot::{Head, SnapshotData, Work, Workshop, open_newest};
use super::types::{
    AppendEntriesRequest, AppendEntriesResponse, LogId, Member, NodeId, RpcError, Snapshot,
    SnapshotResponse, TransferLeaderError, TransferLeaderRequest, TypeConfig, VoteRequest,
    VoteResponse,
};
use crate::domain::limits::SNAPSHOT_CHUNK_BYTES;
use crate::env::{BootTime, Offload, offload};
use crate::wire::peer;
use crate::wire::peer::peer_client::PeerClient;

/// How long an append that carries entries may take: the follower's disk has to sync them.
const APPEND_DEADLINE: Duration = Duration::from_secs(1);

/// How long a snapshot may take: a while for the peer to sync and load it, and its bytes over a slow link. A dead link
/// is noticed when this runs out.
fn snapshot_deadline(bytes: u64) -> Duration {
    const BASE: Duration = Duration::from_secs(10);
    const BYTES_PER_SEC_MIN: u64 = 5_000_000;
    BASE + Duration::from_secs(bytes / BYTES_PER_SEC_MIN)
}

/// Makes a client for each peer and purpose; all share the node's channels.
pub struct Network {
    pub peers: Arc<Peers>,
    pub workshop: Workshop,
}

impl RaftNetworkFactory<TypeConfig> for Network {
    type Network = PeerNetwork;

    async fn new_client(&mut self, target: NodeId, node: &Member) -> PeerNetwork {
        PeerNetwork {
            to: target,
            first: node.clone(),
            peers: self.peers.clone(),
            workshop: self.workshop.clone(),
            refusals: 0,
        }
    }
}

/// Calls to one peer.
pub struct PeerNetwork {
    to: NodeId,
    /// Where it was when the client was made. openraft makes none anew for a member that moves.
    first: Member,
    peers: Arc<Peers>,
    workshop: Workshop,
    /// How many snapshots in a row the peer did not take.
    refusals: u32,
}

/// Until a peer is sent a snapshot again that it did not take, doubled with each failure up to the second: it may have
/// taken all of it before its disk was full.
const SEND_AGAIN_FIRST: Duration = Duration::from_millis(200);
/// See [`SEND_AGAIN_FIRST`].
const SEND_AGAIN_MAX: Duration = Duration::from_secs(5);

fn rpc_error(error: CallError) -> RpcError {
    // openraft waits for its backoff before it calls an unreachable node again.
    RpcError::Unreachable(Unreachable::new(&error))
}

fn bad_answer(error: BadMessage) -> RpcError {
    RpcError::Network(NetworkError::new(&error))
}

/// A peer's disk is older than what it has acknowledged.
#[derive(Debug, thiserror::Error)]
#[error(
    "node {node} no longer has revision {acknowledged}, which it has acknowledged: its disk was replaced by an older copy"
)]
struct WentBack {
    node: NodeId,
    acknowledged: u64,
}

impl PeerNetwork {
    fn member(&self) -> Member {
        let known = self.peers.member(self.to);
        known.unwrap_or_else(|| self.first.clone())
    }

    fn route(&self) -> peer::Route {
        self.peers.route(self.to, self.member().disk)
    }

    /// A peer that has lost what it acknowledged is not replicated to: openraft would send it the same again without a
    /// pause, and count it as one that follows. It stops by itself once it has asked for a read index.
    fn went_back(&self, previous: Option<LogId>) -> RpcError {
        let lost = WentBack {
            node: self.to,
            acknowledged: previous.map_or(0, |id| id.index),
        };
        if let Some(times) = self.peers.went_back() {
            tracing::warn!(node = self.to, times, "{lost}");
        }
        RpcError::Unreachable(Unreachable::new(&lost))
    }

    /// The vote of a peer, unless its disk went back: it has forgotten what it acknowledged, and a leader that such votes
    /// elect might lack an entry that is committed.
    fn counted(&self, answer: peer::VoteResponse) -> Result<VoteResponse, RpcError> {
        if let Some(last) = answer.must_hold {
            self.peers.note_held_here(log_id_in(last));
        }
        let answer = voted_in(answer).map_err(bad_answer)?;
        let must_hold = self.peers.must_hold(self.to);
        if answer.vote_granted && lacks(answer.last_log_id.map(|last| last.index), must_hold) {
            return Err(self.went_back(must_hold));
        }
        Ok(answer)
    }

    /// Calls the peer on the lane that snapshots do not travel on.
    async fn control<T, F>(
        &self,
        deadline: Duration,
        call: impl FnOnce(PeerClient<Channel>) -> F,
    ) -> Result<T, RpcError>
    where
        F: Future<Output = Result<tonic::Response<T>, tonic::Status>>,
    {
        self.peers
            .call(
                Lane::Control,
                self.to,
                &self.member().peer_address,
                deadline,
                call,
            )
            .await
            .map_err(rpc_error)
    }
}

impl RaftNetworkV2<TypeConfig> for PeerNetwork {
    type SnapshotData = SnapshotData;

    async fn append_entries(
        &mut self,
        request: AppendEntriesRequest,
        option: RPCOption,
    ) -> Result<AppendEntriesResponse, RpcError> {
        let deadline = if request.entries.is_empty() {
            // openraft itself gives a heartbeat up after this; a late answer confirms no leadership.
            option.hard_ttl()
        } else {
            APPEND_DEADLINE
        };
        let previous = request.prev_log_id;
        let last = request
            .entries
            .last()
            .map(|entry| entry.log_id)
            .or(previous);
        let lead = request.vote.leader_id;
        // ORDER: before the request is sent: what is acknowledged then, the peer must still have when it is asked.
        let had = self
            .peers
            .acknowledged(self.to)
            .filter(|(acknowledged_to, _)| *acknowledged_to == lead)
            .map(|(_, last)| last);
        let message = append_out(self.route(), request);
        let send = |mut client: PeerClient<Channel>| async move { client.append(message).await };
        let answer = self.control(deadline, send).await?;
        let answer = appended_in(answer, previous, last).map_err(bad_answer)?;
        match &answer {
            AppendEntriesResponse::Success => {
                self.peers.note_acknowledged(self.to, lead, last);
            }
            AppendEntriesResponse::PartialSuccess(matched) => {
                self.peers.note_acknowledged(self.to, lead, *matched);
            }
            AppendEntriesResponse::Conflict if previous <= had => {
                return Err(self.went_back(previous));
            }
            AppendEntriesResponse::Conflict | AppendEntriesResponse::HigherVote(_) => {}
        }
        Ok(answer)
    }

    async fn vote(
        &mut self,
        request: VoteRequest,
        option: RPCOption,
    ) -> Result<VoteResponse, RpcError> {
        let message = ask_vote_out(self.route(), request);
        let send = |mut client: PeerClient<Channel>| async move { client.vote(message).await };
        let answer = self.control(option.soft_ttl(), send).await?;
        self.counted(answer)
    }

    async fn pre_vote(
        &mut self,
        request: VoteRequest,
        option: RPCOption,
    ) -> Result<VoteResponse, RpcError> {
        let message = ask_vote_out(self.route(), request);
        let send = |mut client: PeerClient<Channel>| async move { client.pre_vote(message).await };
        let answer = self.control(option.soft_ttl(), send).await?;
        self.counted(answer)
    }

    async fn full_snapshot(
        &mut self,
        vote: VoteOf<TypeConfig>,
        snapshot: Snapshot,
        cancel: impl Future<Output = ReplicationClosed> + Send + 'static,
        _option: RPCOption,
    ) -> Result<SnapshotResponse, StreamingError<TypeConfig>> {
        let work = Work::Sending { to: self.to };
        let desk = self.workshop.desk.clone();
        let mut cancel = std::pin::pin!(cancel);
        if self.refusals > 0 {
            let pause = SEND_AGAIN_FIRST
                .saturating_mul(1 << self.refusals.min(10))
                .min(SEND_AGAIN_MAX);
            let clock = self.peers.clock().clone();
            tokio::select! {
                biased;
                closed = &mut cancel => return Err(StreamingError::Closed(closed)),
                () = clock.sleep(pause) => {}
            }
        }
        let began = self.peers.clock().boot();
        let _under_way = desk.begin(work);
        let sent = tokio::select! {
            biased;
            closed = &mut cancel => return Err(StreamingError::Closed(closed)),
            sent = self.send_snapshot(vote, snapshot, began) => sent,
        };
        match sent {
            Ok(answer) => {
                self.refusals = 0;
                desk.succeeded(work);
                Ok(answer)
            }
            Err(error) => {
                self.refusals = self.refusals.saturating_add(1);
                desk.failed(work, &error);
                Err(match error {
                    // openraft waits for its backoff.
                    NotSent::Call(error) => StreamingError::Unreachable(Unreachable::new(&error)),
                    NotSent::Read(error) => StreamingError::Network(NetworkError::new(&error)),
                    NotSent::Answer(error) => StreamingError::Network(NetworkError::new(&error)),
                })
            }
        }
    }

    async fn transfer_leader(
        &mut self,
        request: TransferLeaderRequest,
        option: RPCOption,
    ) -> Result<Result<(), TransferLeaderError>, RpcError> {
        let message = transfer_out(self.route(), &request);
        let send =
            |mut client: PeerClient<Channel>| async move { client.transfer_leader(message).await };
        let answer = self.control(option.soft_ttl(), send).await?;
        transferred_in(answer).map_err(bad_answer)
    }
}

/// Why a snapshot did not get to a peer.
#[derive(Debug, thiserror::Error)]
enum NotSent {
    /// The peer refused it, or did not answer.
    #[error(transparent)]
    Call(CallError),
    /// This node cannot read it.
    #[error(transparent)]
    Read(io::Error),
    /// The answer is not understood.
    #[error(transparent)]
    Answer(BadMessage),
}

impl PeerNetwork {
    async fn send_snapshot(
        &self,
        vote: VoteOf<TypeConfig>,
        snapshot: Snapshot,
        began: BootTime,
    ) -> Result<SnapshotResponse, NotSent> {
        let Snapshot { meta: _, snapshot } = snapshot;
        match snapshot {
            SnapshotData::Held => {}
            SnapshotData::Received(_) => {
                let error = io::Error::other("a snapshot that is being received cannot be sent on");
                return Err(NotSent::Read(error));
            }
        }
        // The newest now, which may be newer than the one that openraft has in mind: then the peer is further on.
        let newest = open_newest(&*self.workshop.storage)
            .await
            .map_err(NotSent::Read)?;
        let Some((head, source)) = newest else {
            return Err(NotSent::Read(io::Error::other("there is no snapshot")));
        };
        let Head { meta, ids } = head;
        let bytes = source.bytes;
        let head = peer::SnapshotHead {
            route: Some(self.route()),
            vote: Some(vote_out(vote)),
            meta: Some(snapshot_meta_out(&meta, &ids)),
        };
        let (lead, last) = (vote.leader_id, meta.last_log_id);
        // Two chunks under way: one is read while the other is sent.
        let (send, receive) = mpsc::channel(2);
        let deadline = snapshot_deadline(source.bytes);
        let feed = feed(head, source.content, send, self.workshop.threads.clone());
        let parts = ReceiverStream::new(receive);
        let address = self.member().peer_address;
        let call = self.peers.call(
            Lane::Bulk,
            self.to,
            &address,
            deadline,
            |mut client| async move { client.install_snapshot(parts).await },
        );
        // A read that failed ends the stream without an end part, so the peer installs nothing.
        let (answer, fed) = tokio::join!(call, feed);
        fed.map_err(|error| {
            if error.kind() == io::ErrorKind::InvalidData {
                // It is damaged on this node's disk, and the state in memory is not.
                self.workshop.desk.ask_for_a_new_one();
            }
            NotSent::Read(error)
        })?;
        let peer::SnapshotResponse { vote } = answer.map_err(NotSent::Call)?;
        let vote = vote_in(vote).map_err(NotSent::Answer)?;
        if vote.leader_id == lead {
            self.peers.note_acknowledged(self.to, lead, last);
        }
        tracing::info!(
            to = self.to,
            revision = meta.last_log_id.map_or(0, |id| id.index),
            bytes,
            took_ms = u64::try_from(self.peers.clock().boot().since(began).as_millis())
                .unwrap_or(u64::MAX),
            "snapshot sent"
        );
        Ok(SnapshotResponse::new(vote))
    }
}

/// Reads a snapshot chunk by chunk into the stream that is being sent, and ends it with its length and checksum.
async fn feed(
    head: peer::SnapshotHead,
    content: Box<dyn Read + Send>,
    send: mpsc::Sender<peer::SnapshotPart>,
    threads: Arc<dyn Offload>,
) -> io::Result<()> {
    use peer::snapshot_part::Part;
    let part = |part| peer::SnapshotPart { part: Some(part) };
    let mut content = content;
    let mut length = 0u64;
    let mut crc = crc32fast::Hasher::new();
    // When the receiving end is gone the call has ended, and its answer says why.
    if send.send(part(Part::Head(head))).await.is_err() {
        return Ok(());
    }
    loop {
        let (rest, chunk) = offload(&*threads, move || {
            let mut chunk = Vec::with_capacity(SNAPSHOT_CHUNK_BYTES);
            let read = (&mut content)
                .take(SNAPSHOT_CHUNK_BYTES as u64)
                .read_to_end(&mut chunk);
            read.map(|_| (content, chunk))
        })
        .await??;
        content = rest;
        if chunk.is_empty() {
            break;
        }
        length += chunk.len() as u64;
        crc.update(&chunk);
        if send
            .send(part(Part::Chunk(Bytes::from(chunk))))
            .await
            .is_err()
        {
            return Ok(());
        }
    }
    let end = peer::SnapshotEnd {
        length,
        crc32: crc.finalize(),
    };
    let _ = send.send(part(Part::End(end))).await;
    Ok(())
}
