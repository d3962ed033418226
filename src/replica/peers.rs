//! Channels to the other nodes, and one call on them.
//!
//! Three channels a peer: one for Raft and reads, one for forwarded writes, one for snapshots, so that neither bulk nor a
//! crowd of writers delays a heartbeat or a proof of freshness. Every call has
//! a deadline and carries the cluster's incarnation. A channel on which nothing was answered for a while is dropped: a
//! connection that lost a segment may never recover by itself. One that is only slow is kept: to connect anew at each
//! late answer would make a busy node slower still. Never: what a message means.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use hyper_util::rt::TokioIo;
use tonic::transport::{Channel, Endpoint, Uri};

use super::held::HeldEntries;
use super::types::{DiskId, LeaderId, LogId, Member, NodeId, StoredMembership};
use crate::domain::limits::PEER_MESSAGE_BYTES_MAX;
use crate::domain::time::Incarnation;
use crate::env::{BootTime, Clock, Net, timeout};
use crate::telemetry::Seldom;
use crate::wire::peer::Route;
use crate::wire::peer::peer_client::PeerClient;

/// A channel is given up when a call fails to end in time and nothing was answered on it for so long.
const SILENCE_MAX: Duration = Duration::from_secs(1);

/// In the place of a node's number: whoever is at the address.
const ANY: NodeId = 0;

/// What a channel is for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Lane {
    /// Small and urgent.
    Control,
    /// Forwarded writes: many at once, each waiting for a quorum's disks.
    Writes,
    /// Large and patient.
    Bulk,
}

/// Why a call gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// Nothing was sent.
    #[error("node {to} at {address} cannot be reached: {why}")]
    NotSent {
        to: NodeId,
        address: String,
        why: String,
    },
    /// Whether the peer got it is unknown.
    #[error("node {to} did not answer within {} ms", after.as_millis())]
    TimedOut { to: NodeId, after: Duration },
    /// The peer refused the call before acting on it, or the connection broke on the way.
    #[error("node {to} answered: {}", status.message())]
    Status {
        to: NodeId,
        status: Box<tonic::Status>,
    },
}

/// The other nodes as this one reaches them.
pub struct Peers {
    me: NodeId,
    net: Arc<dyn Net>,
    clock: Arc<dyn Clock>,
    /// Every view of the state reads it.
    incarnation: ArcSwapOption<Incarnation>,
    channels: Mutex<Channels>,
    members: Mutex<BTreeMap<NodeId, Member>>,
    acknowledged: Mutex<BTreeMap<NodeId, (LeaderId, LogId)>>,
    went_back: Seldom,
    held: HeldEntries,
}

#[derive(Default)]
struct Channels {
    open: BTreeMap<(NodeId, Lane), Open>,
    opened: u64,
    heard: BTreeMap<NodeId, Heard>,
}

/// When a peer was last heard of, for the lines that say when it cannot be reached and when it can again.
#[derive(Clone, Copy, Debug)]
struct Heard {
    last: BootTime,
    /// Since when it cannot be reached, and how many calls have failed since.
    lost: Option<(BootTime, u64)>,
}

/// A change of [`Heard`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Turn {
    Unreachable,
    Back { after: Duration, failed: u64 },
}

/// What a call says of its peer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Sign {
    /// It answered.
    Answered,
    /// There is no connection.
    NotConnected,
    /// Nothing came in time.
    Silent,
}

impl Heard {
    /// Takes note of a call's end.
    fn note(&mut self, now: BootTime, sign: Sign) -> Option<Turn> {
        match (sign, &mut self.lost) {
            (Sign::Answered, lost) => {
                self.last = now;
                let (since, failed) = lost.take()?;
                let after = now.since(since);
                Some(Turn::Back { after, failed })
            }
            (_, Some((_, failed))) => {
                *failed += 1;
                None
            }
            // One late answer is none: a busy peer is there.
            (Sign::Silent, None) if now.since(self.last) < SILENCE_MAX => None,
            (Sign::Silent | Sign::NotConnected, None) => {
                self.lost = Some((now, 1));
                Some(Turn::Unreachable)
            }
        }
    }
}

struct Open {
    address: String,
    channel: Channel,
    /// Tells this channel from one that has taken its place.
    serial: u64,
    /// When something was last answered on it; at first, when it was opened.
    answered: BootTime,
}

impl Peers {
    pub fn new(me: NodeId, net: Arc<dyn Net>, clock: Arc<dyn Clock>) -> Self {
        Self {
            me,
            net,
            clock,
            incarnation: ArcSwapOption::empty(),
            channels: Mutex::default(),
            members: Mutex::default(),
            acknowledged: Mutex::default(),
            went_back: Seldom::new(),
            held: HeldEntries::default(),
        }
    }

    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.clock
    }

    /// Takes on where the members are: a node that has moved is called at its new address from now on.
    pub fn learn(&self, membership: &StoredMembership) {
        let mut members = self.members.lock().unwrap_or_else(PoisonError::into_inner);
        *members = membership
            .nodes()
            .map(|(id, member)| (*id, member.clone()))
            .collect();
        self.held.retain(membership);
    }

    /// Which committed entries the members' disks are known to hold.
    pub fn held(&self) -> &HeldEntries {
        &self.held
    }

    /// Which committed entries `node` must hold, on the disk that is a member's.
    pub fn must_hold(&self, node: NodeId) -> Option<LogId> {
        self.held.of(node, self.member(node)?.disk)
    }

    /// Takes a peer's word for what this node must hold; it is looked at before the next read index is asked for.
    pub fn note_held_here(&self, last: LogId) {
        if let Some(Member { disk, .. }) = self.member(self.me) {
            self.held.note(self.me, disk, last);
        }
    }

    /// Where a member is, as was learnt last.
    pub fn member(&self, node: NodeId) -> Option<Member> {
        let members = self.members.lock().unwrap_or_else(PoisonError::into_inner);
        members.get(&node).cloned()
    }

    /// Notes that `node` has everything up to `last` on its disk, as it said to the leader `lead`, this node in a term of
    /// its own. It is never taken back within that term: openraft's own figure would be the same.
    pub fn note_acknowledged(&self, node: NodeId, lead: LeaderId, last: Option<LogId>) {
        let Some(last) = last else { return };
        let mut all = self
            .acknowledged
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let known = all.entry(node).or_insert((lead, last));
        if known.0 < lead {
            *known = (lead, last);
        } else if known.0 == lead {
            known.1 = known.1.max(last);
        }
    }

    /// How often it is to be told now that a node has lost what it acknowledged.
    pub fn went_back(&self) -> Option<u64> {
        self.went_back.due(self.clock.boot().since_boot())
    }

    /// What `node` has acknowledged to this node in the last term in which this node led it.
    pub fn acknowledged(&self, node: NodeId) -> Option<(LeaderId, LogId)> {
        let all = self
            .acknowledged
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        all.get(&node).copied()
    }

    /// The life of the cluster that this node belongs to, once it does.
    pub fn incarnation(&self) -> Option<Incarnation> {
        self.incarnation.load().as_deref().copied()
    }

    pub fn set_incarnation(&self, incarnation: Incarnation) {
        self.incarnation.store(Some(Arc::new(incarnation)));
    }

    /// What every call to `to` on its `disk` begins with.
    pub fn route(&self, to: NodeId, disk: DiskId) -> Route {
        let incarnation = self.incarnation().map(|incarnation| incarnation.0.to_vec());
        Route {
            incarnation: incarnation.unwrap_or_default().into(),
            from: self.me,
            to,
            to_disk: disk.0.to_vec().into(),
        }
    }

    /// The same of a node that is not bound to the cluster of `incarnation` yet.
    pub fn route_into(&self, incarnation: Incarnation, to: NodeId, disk: DiskId) -> Route {
        Route {
            incarnation: incarnation.0.to_vec().into(),
            ..self.route(to, disk)
        }
    }

    /// Calls the node `to`, whose address is `address`.
    ///
    /// # Errors
    /// No answer within `deadline`, no connection, or a refusal.
    pub async fn call<T, F>(
        &self,
        lane: Lane,
        to: NodeId,
        address: &str,
        deadline: Duration,
        call: impl FnOnce(PeerClient<Channel>) -> F,
    ) -> Result<T, CallError>
    where
        F: Future<Output = Result<tonic::Response<T>, tonic::Status>>,
    {
        let (channel, serial) = self.channel(lane, to, address)?;
        let client = PeerClient::new(channel)
            .max_decoding_message_size(PEER_MESSAGE_BYTES_MAX)
            .max_encoding_message_size(PEER_MESSAGE_BYTES_MAX);
        // Whoever gives up waiting, this function or its caller, leaves the channel to judge.
        let unanswered = Unanswered {
            peers: self,
            lane,
            to,
            serial,
        };
        let answer = timeout(&*self.clock, deadline, call(client)).await;
        if answer.is_some() {
            unanswered.answered();
        }
        let outcome = self.outcome(to, address, deadline, answer);
        self.listen(to, address, &outcome);
        outcome
    }

    fn outcome<T>(
        &self,
        to: NodeId,
        address: &str,
        deadline: Duration,
        answer: Option<Result<tonic::Response<T>, tonic::Status>>,
    ) -> Result<T, CallError> {
        match answer {
            Some(Ok(response)) => Ok(response.into_inner()),
            Some(Err(status)) if never_connected(&status) => Err(CallError::NotSent {
                to,
                address: address.to_owned(),
                why: status.message().to_owned(),
            }),
            Some(Err(status)) => Err(CallError::Status {
                to,
                status: Box::new(status),
            }),
            None => Err(CallError::TimedOut {
                to,
                after: deadline,
            }),
        }
    }

    /// Tells the log when a peer cannot be reached any more, and when it can again.
    fn listen<T>(&self, to: NodeId, address: &str, outcome: &Result<T, CallError>) {
        if to == ANY {
            return;
        }
        let sign = match outcome {
            Ok(_) => Sign::Answered,
            Err(CallError::NotSent { .. }) => Sign::NotConnected,
            Err(CallError::TimedOut { .. }) => Sign::Silent,
            // A refusal comes from the peer; a connection that broke under the call does not.
            Err(CallError::Status { status, .. }) => match std::error::Error::source(&**status) {
                None => Sign::Answered,
                Some(_) => Sign::NotConnected,
            },
        };
        let now = self.clock.boot();
        let turn = {
            let mut channels = self.channels.lock().unwrap_or_else(PoisonError::into_inner);
            let heard = channels.heard.entry(to).or_insert(Heard {
                last: now,
                lost: None,
            });
            heard.note(now, sign)
        };
        let (node, peer) = (self.me, to);
        match (turn, outcome) {
            (Some(Turn::Unreachable), Err(why)) => {
                tracing::warn!(node, peer, address, %why, "peer unreachable");
            }
            (Some(Turn::Back { after, failed }), _) => {
                let after_ms = u64::try_from(after.as_millis()).unwrap_or(u64::MAX);
                tracing::info!(node, peer, address, after_ms, failed, "peer back");
            }
            (Some(Turn::Unreachable), Ok(_)) | (None, _) => {}
        }
    }

    fn channel(&self, lane: Lane, to: NodeId, address: &str) -> Result<(Channel, u64), CallError> {
        let mut channels = self.channels.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(open) = channels.open.get(&(to, lane))
            && open.address == address
        {
            return Ok((open.channel.clone(), open.serial));
        }
        let channel = self.connect(to, address)?;
        channels.opened += 1;
        let serial = channels.opened;
        channels.open.insert(
            (to, lane),
            Open {
                address: address.to_owned(),
                channel: channel.clone(),
                serial,
                answered: self.clock.boot(),
            },
        );
        Ok((channel, serial))
    }

    /// A channel that connects when it is first used, and again when the connection breaks.
    fn connect(&self, to: NodeId, address: &str) -> Result<Channel, CallError> {
        let endpoint = Endpoint::from_shared(format!("http://{address}")).map_err(|error| {
            CallError::NotSent {
                to,
                address: address.to_owned(),
                why: format!("not an address of the form host:port: {error}"),
            }
        })?;
        let net = self.net.clone();
        let address: Arc<str> = address.into();
        Ok(
            endpoint.connect_with_connector_lazy(tower::service_fn(move |_: Uri| {
                let (net, address) = (net.clone(), address.clone());
                async move { net.connect(&address).await.map(TokioIo::new) }
            })),
        )
    }

    fn judge(&self, lane: Lane, to: NodeId, serial: u64, call: Call) {
        let now = self.clock.boot();
        let mut channels = self.channels.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(open) = channels
            .open
            .get_mut(&(to, lane))
            .filter(|open| open.serial == serial)
        else {
            return;
        };
        match call {
            Call::Answered => open.answered = now,
            Call::GivenUp if now.since(open.answered) < SILENCE_MAX => {}
            Call::GivenUp => {
                channels.open.remove(&(to, lane));
            }
        }
    }
}

enum Call {
    Answered,
    GivenUp,
}

/// A call that is under way. Dropped before it was answered, it has the channel judged.
struct Unanswered<'a> {
    peers: &'a Peers,
    lane: Lane,
    to: NodeId,
    serial: u64,
}

impl Unanswered<'_> {
    fn answered(self) {
        self.peers
            .judge(self.lane, self.to, self.serial, Call::Answered);
        std::mem::forget(self);
    }
}

impl Drop for Unanswered<'_> {
    fn drop(&mut self) {
        self.peers
            .judge(self.lane, self.to, self.serial, Call::GivenUp);
    }
}

/// True when the connection could not be made, so that the request never left this node.
fn never_connected(status: &tonic::Status) -> bool {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = std::error::Error::source(status);
    while let Some(error) = cause {
        if error.is::<tonic::ConnectError>() {
            return true;
        }
        cause = error.source();
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::env::real::{RealClock, Tcp};

    /// What was acknowledged to a leader is never taken back within its term, and counts for no other term (F8).
    #[test]
    fn acknowledgements_only_grow_within_a_term_and_begin_anew_with_the_next() {
        let peers = Peers::new(1, Arc::new(Tcp), Arc::new(RealClock));
        let lead = |term| LeaderId { term, node_id: 1 };
        let id = |term, index| LogId {
            leader_id: lead(term),
            index,
        };
        let steps = [
            (2, None, None),
            (2, Some(id(1, 7)), Some((lead(2), id(1, 7)))),
            (2, Some(id(1, 5)), Some((lead(2), id(1, 7)))),
            (2, Some(id(2, 9)), Some((lead(2), id(2, 9)))),
            (3, Some(id(1, 6)), Some((lead(3), id(1, 6)))),
            (2, Some(id(2, 20)), Some((lead(3), id(1, 6)))),
        ];
        for (term, last, known) in steps {
            peers.note_acknowledged(4, lead(term), last);
            assert_eq!(peers.acknowledged(4), known);
        }
        assert_eq!(peers.acknowledged(5), None);
    }

    #[test]
    fn peer_is_told_once_as_unreachable_and_once_as_back() {
        let at = |ms| BootTime::from_boot(Duration::from_millis(ms));
        let mut heard = Heard {
            last: at(0),
            lost: None,
        };
        assert_eq!(heard.note(at(100), Sign::Answered), None);
        // Late once is not away.
        assert_eq!(heard.note(at(1_000), Sign::Silent), None);
        assert_eq!(heard.note(at(1_100), Sign::Silent), Some(Turn::Unreachable));
        assert_eq!(heard.note(at(1_200), Sign::NotConnected), None);
        let (after, failed) = (Duration::from_millis(900), 2);
        let back = Turn::Back { after, failed };
        assert_eq!(heard.note(at(2_000), Sign::Answered), Some(back));
        assert_eq!(heard.note(at(2_100), Sign::Answered), None);
        // No connection is told at once.
        assert_eq!(
            heard.note(at(2_200), Sign::NotConnected),
            Some(Turn::Unreachable)
        );
    }
}
