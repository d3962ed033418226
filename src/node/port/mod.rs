//! The one listener of a node: peers and clients over HTTP/2, and what each of them may take of the node.
//!
//! A connection has a place among the new ones until its first call shows whether it is a peer's or a client's; then one
//! among those ([`seats`]). So clients never take a place of a peer, and the sum of all places is what the process has
//! descriptors for. Every call is counted, as is what is sent of it, in all and by connection ([`gate`], [`body`]); a
//! connection may have as much as is still free, so that there is always something left for the next who comes. Its
//! deadline begins with its first byte. Never: what a call means, who calls.

mod body;
mod gate;
mod io;
mod seats;

use std::io::{Error, ErrorKind};
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures::{Stream, StreamExt as _};
use hyper::server::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tonic::service::Routes;

use crate::domain::limits;
use crate::env::{BoxedIo, Clock, Listener, timeout};
use gate::{Desk, Gate};
use io::{Greeted, secure};
use seats::{Conn, Order, Seats};

pub use seats::PortLimits;

/// Pause after a connection could not be taken for want of something that the system lacks: the next try would fail as
/// well.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// A connection that shows no life for so long is asked for a sign, and closed if none comes within the same time.
const KEEPALIVE: Duration = Duration::from_secs(10);

/// How long a new connection has until it speaks HTTP/2.
const HANDSHAKE: Duration = Duration::from_millis(limits::HANDSHAKE_MS_MAX);

/// Between two looks at a connection that nothing else ends.
const LOOK: Duration = Duration::from_secs(5);

/// How long a connection that was asked to end may take.
const GOING: Duration = Duration::from_secs(1);

/// The `date` header of answers.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum DateHeader {
    /// The wall clock's, as hyper sets it.
    #[default]
    Real,
    /// A constant: the one place where a wall clock would leak into a simulated run.
    Constant,
}

/// What a port is made of.
pub(super) struct Port {
    /// The node's number, told in its errors.
    pub node_id: u64,
    /// The node's clock.
    pub clock: Arc<dyn Clock>,
    /// What is served.
    pub routes: Routes,
    /// How many places there are.
    pub limits: PortLimits,
    /// The `date` header of answers.
    pub date: DateHeader,
}

/// Serves on `listener` until `stop` resolves; then no new connection is taken, and those that are open end with what
/// they have under way. Whoever drops the future cuts them.
pub(super) async fn serve(port: Port, listener: Box<dyn Listener>, stop: impl Future<Output = ()>) {
    let Port {
        node_id,
        clock,
        routes,
        limits,
        date,
    } = port;
    let seats = Arc::new(Seats::new(limits, clock.clone()));
    let (stopping, stopped) = watch::channel(false);
    let desk = Arc::new(Desk {
        node_id,
        clock: clock.clone(),
        routes: routes.prepare(),
        date,
        seats: seats.clone(),
        stopped: stopped.clone(),
    });
    let mut open = JoinSet::new();
    {
        let mut stop = pin!(stop);
        let mut incoming = pin!(incoming(listener, clock.clone(), seats.clone()));
        loop {
            tokio::select! {
                biased;
                () = &mut stop => break,
                Some(_) = open.join_next(), if !open.is_empty() => {}
                Some((io, from)) = incoming.next() => {
                    let conn = seats.arrive(from, clock.boot());
                    open.spawn(connection(desk.clone(), conn, io, stopped.clone()));
                }
            }
        }
        // The listener is gone here: whoever comes now is refused by the system and goes to another node.
    }
    stopping.send_replace(true);
    while open.join_next().await.is_some() {}
}

/// The connections of a listener. It never ends and never fails: a connection that could not be taken is passed over.
fn incoming(
    listener: Box<dyn Listener>,
    clock: Arc<dyn Clock>,
    seats: Arc<Seats>,
) -> impl Stream<Item = (BoxedIo, SocketAddr)> {
    futures::stream::unfold((listener, clock, seats), |(listener, clock, seats)| async {
        loop {
            match listener.accept().await {
                Ok(taken) => return Some((taken, (listener, clock, seats))),
                Err(error) => {
                    if let Some(count) = seats.untaken.due(clock.boot().since_boot()) {
                        tracing::warn!(%error, count, "a connection could not be taken");
                    }
                    if !is_of_one_connection(&error) {
                        clock.sleep(ACCEPT_PAUSE).await;
                    }
                }
            }
        }
    })
}

/// Whether it was the other end that was at fault: the next connection may be taken at once.
fn is_of_one_connection(error: &Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::ConnectionAborted | ErrorKind::ConnectionReset | ErrorKind::NotConnected
    )
}

/// One connection from its beginning to its end.
async fn connection(
    desk: Arc<Desk>,
    conn: Arc<Conn>,
    io: BoxedIo,
    mut stopped: watch::Receiver<bool>,
) {
    let clock = desk.clock.clone();
    let date = desk.date;
    let _place = desk.seats.place(&conn);
    let mut orders = conn.orders();
    let secured = tokio::select! {
        biased;
        secured = timeout(&*clock, HANDSHAKE, secure(io)) => secured,
        _ = orders.wait_for(|told| *told == Order::Cut) => None,
        _ = stopped.wait_for(|stopped| *stopped) => None,
    };
    let Some(Ok(io)) = secured else {
        return;
    };
    let mut http = http2::Builder::new(TokioExecutor::new());
    http.timer(TokioTimer::new())
        .max_concurrent_streams(limits::STREAMS_PER_CONNECTION_MAX)
        .max_header_list_size(limits::HEADER_BYTES_MAX)
        .max_pending_accept_reset_streams(limits::RESETS_UNSEEN_MAX)
        .max_local_error_reset_streams(limits::RESETS_OF_OURS_MAX)
        .initial_stream_window_size(limits::STREAM_WINDOW_BYTES)
        .initial_connection_window_size(limits::CONNECTION_WINDOW_BYTES)
        .keep_alive_interval(KEEPALIVE)
        .keep_alive_timeout(KEEPALIVE)
        .auto_date_header(date == DateHeader::Real);
    let io = TokioIo::new(Greeted::new(io, conn.clone()));
    let mut served = pin!(http.serve_connection(io, Gate::new(desk, conn.clone())));
    let mut look = clock.sleep(HANDSHAKE);
    let mut going = false;
    loop {
        tokio::select! {
            biased;
            ended = &mut served => {
                if let Err(error) = ended {
                    tracing::debug!(%error, from = %conn.from, "a connection ended");
                }
                return;
            }
            Ok(()) = orders.changed() => match *orders.borrow_and_update() {
                Order::Stay => {}
                Order::Go => {
                    going = true;
                    served.as_mut().graceful_shutdown();
                    look = clock.sleep(GOING);
                }
                Order::Cut => return,
            },
            _ = stopped.wait_for(|stopped| *stopped), if !going => {
                // What is under way may end; the node as a whole waits no longer than its own time to stop.
                if !conn.has_greeted() {
                    return;
                }
                going = true;
                served.as_mut().graceful_shutdown();
            }
            () = &mut look => {
                let over = conn.is_over(clock.boot());
                let asked_to_go = *orders.borrow() == Order::Go;
                if over || asked_to_go || !conn.has_greeted() {
                    return;
                }
                look = clock.sleep(LOOK);
            }
        }
    }
}
