//! Channels to the other nodes, and one call on them.
//!
//! Two channels a peer: one for Raft and reads, one for snapshots, so that bulk never delays a heartbeat. Every call has
//! a deadline, carries the cluster's incarnation, and drops the channel when it runs out: a connection that lost a
//! segment may never recover by itself. Never: what a message means.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hyper_util::rt::TokioIo;
use tonic::transport::{Channel, Endpoint, Uri};

use super::types::NodeId;
use crate::domain::limits::PEER_MESSAGE_BYTES_MAX;
use crate::domain::time::Incarnation;
use crate::env::{Clock, Net, timeout};
use crate::wire::peer::Route;
use crate::wire::peer::peer_client::PeerClient;

/// What a channel is for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Lane {
    /// Small and urgent.
    Control,
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
    incarnation: Mutex<Option<Incarnation>>,
    channels: Mutex<Channels>,
}

#[derive(Default)]
struct Channels {
    open: BTreeMap<(NodeId, Lane), Open>,
    opened: u64,
}

struct Open {
    address: String,
    channel: Channel,
    /// Tells this channel from one that has taken its place.
    serial: u64,
}

impl Peers {
    pub fn new(me: NodeId, net: Arc<dyn Net>, clock: Arc<dyn Clock>) -> Self {
        Self {
            me,
            net,
            clock,
            incarnation: Mutex::new(None),
            channels: Mutex::default(),
        }
    }

    /// The life of the cluster that this node belongs to, once it does.
    pub fn incarnation(&self) -> Option<Incarnation> {
        *self
            .incarnation
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    pub fn set_incarnation(&self, incarnation: Incarnation) {
        *self
            .incarnation
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = Some(incarnation);
    }

    /// What every call to `to` begins with.
    pub fn route(&self, to: NodeId) -> Route {
        let incarnation = self.incarnation().map(|incarnation| incarnation.0.to_vec());
        Route {
            incarnation: incarnation.unwrap_or_default().into(),
            from: self.me,
            to,
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
        match timeout(&*self.clock, deadline, call(client)).await {
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
            None => {
                self.forget(lane, to, serial);
                Err(CallError::TimedOut {
                    to,
                    after: deadline,
                })
            }
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

    fn forget(&self, lane: Lane, to: NodeId, serial: u64) {
        let mut channels = self.channels.lock().unwrap_or_else(PoisonError::into_inner);
        if channels
            .open
            .get(&(to, lane))
            .is_some_and(|open| open.serial == serial)
        {
            channels.open.remove(&(to, lane));
        }
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
