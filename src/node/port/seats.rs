//! The places of connections, and what those who have one may take.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

use crate::domain::limits;
use crate::env::{BootTime, Clock};

/// A client's preface (24 bytes) and the head of the frame that must follow it.
const GREETING_BYTES: u64 = 24 + 9;

/// A connection without a call for so long gives its place to one that needs it.
const IDLE: Duration = Duration::from_secs(10);

/// Descriptors that a node uses beside its connections: the log, snapshots, the runtime, what is open to a few peers.
const OWN_DESCRIPTORS_MIN: u64 = 64;

/// The same of a node in the largest cluster: three channels to each of the others.
const OWN_DESCRIPTORS_MAX: u64 = OWN_DESCRIPTORS_MIN + 3 * limits::MEMBERS_MAX as u64;

/// Fewest places of each kind: a node with fewer is of no use.
const PLACES_MIN: usize = 8;

/// How many connections a node takes at once.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PortLimits {
    /// Of clients.
    pub clients: usize,
    /// Of the other nodes.
    pub peers: usize,
    /// That have not made a call yet.
    pub new: usize,
}

impl Default for PortLimits {
    fn default() -> Self {
        Self {
            clients: limits::CLIENT_CONNECTIONS,
            peers: limits::PEER_CONNECTIONS_MAX,
            new: limits::NEW_CONNECTIONS_MAX,
        }
    }
}

impl PortLimits {
    /// `clients` connections of clients, as far as `descriptors` allow that once the node's own, the peers' and the new
    /// ones' are set aside: a node that clients fill up still hears its peers.
    pub fn within(clients: usize, descriptors: u64) -> Self {
        let own = (descriptors / 8).clamp(OWN_DESCRIPTORS_MIN, OWN_DESCRIPTORS_MAX);
        let rest = usize::try_from(descriptors.saturating_sub(own)).unwrap_or(usize::MAX);
        let peers = (rest / 4).clamp(PLACES_MIN, limits::PEER_CONNECTIONS_MAX);
        let new = (rest / 8).clamp(PLACES_MIN, limits::NEW_CONNECTIONS_MAX);
        // Those that were asked to go hold a descriptor for a moment longer: as many as the new ones, at most.
        let left = rest.saturating_sub(peers + 2 * new);
        Self {
            clients: clients.min(left).max(PLACES_MIN),
            peers,
            new,
        }
    }
}

/// What a connection is told to do; later is worse.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Order {
    /// Go on.
    Stay,
    /// End what is under way, then close.
    Go,
    /// Close.
    Cut,
}

/// Whose calls something is counted among.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Side {
    Client,
    Peer,
    /// Questions about the node's health, which are answered whoever has filled the rest.
    Probe,
}

/// How long a call may last.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Span {
    /// As long as the longest deadline of a request.
    Bounded,
    /// As long as something comes or goes.
    Open,
}

/// Why a call is not taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Full {
    /// All places are taken.
    #[error("this node has no place for another connection")]
    Connections,
    /// Too many calls are open.
    #[error("too many calls are open on this connection, for what is free on this node")]
    Calls,
    /// Too much was sent that is not answered.
    #[error("too much has been sent on this connection, for what is free on this node")]
    Bytes,
}

/// Counts what repeats, and says once a second how often.
#[derive(Default)]
pub struct Untold(Mutex<(Option<BootTime>, u64)>);

impl Untold {
    const EVERY: Duration = Duration::from_secs(1);

    /// One more at `now`; the count since it was told last, if it is time to tell.
    pub fn tell(&self, now: BootTime) -> Option<u64> {
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (told, count) = &mut *inner;
        *count += 1;
        if told.is_some_and(|told| now.since(told) < Self::EVERY) {
            return None;
        }
        *told = Some(now);
        Some(std::mem::take(count))
    }
}

/// What one side may take, and what of it is taken.
struct Budget {
    calls: AtomicU64,
    calls_max: u64,
    bytes: AtomicU64,
    bytes_max: u64,
}

impl Budget {
    const fn new(calls_max: u64, bytes_max: u64) -> Self {
        Self {
            calls: AtomicU64::new(0),
            calls_max,
            bytes: AtomicU64::new(0),
            bytes_max,
        }
    }

    fn take_call(&self, own: u64) -> Result<(), Full> {
        take(&self.calls, self.calls_max, own, 1).map_err(|()| Full::Calls)
    }

    fn give_call(&self) {
        self.calls.fetch_sub(1, Ordering::Relaxed);
    }

    fn take_bytes(&self, own: u64, more: u64) -> Result<(), Full> {
        take(&self.bytes, self.bytes_max, own, more).map_err(|()| Full::Bytes)
    }

    fn give_bytes(&self, bytes: u64) {
        self.bytes.fetch_sub(bytes, Ordering::Relaxed);
    }
}

/// Takes `more` for one that has `own` already: not beyond `max` in all, and nobody may have more than is still free. One
/// alone gets half; where n are greedy each gets the (n+1)th part, and as much is left for whoever comes next.
fn take(taken: &AtomicU64, max: u64, own: u64, more: u64) -> Result<(), ()> {
    let before = taken.fetch_add(more, Ordering::Relaxed);
    let free = max.saturating_sub(before);
    if own.saturating_add(more) <= free {
        return Ok(());
    }
    taken.fetch_sub(more, Ordering::Relaxed);
    Err(())
}

/// Where a connection has its place.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Place {
    New,
    Client,
    Peer,
    Going,
}

/// One connection.
pub struct Conn {
    id: u64,
    /// Who has made it.
    pub from: SocketAddr,
    heard: AtomicU64,
    held: AtomicU64,
    order: watch::Sender<Order>,
    calls: Mutex<Calls>,
}

struct Calls {
    place: Place,
    next: u64,
    /// All that are open.
    open: u64,
    /// When each call began that must end in time.
    bounded: BTreeMap<u64, BootTime>,
    /// When the last call ended.
    idle_since: BootTime,
}

impl Conn {
    /// What it is told to do.
    pub fn orders(&self) -> watch::Receiver<Order> {
        self.order.subscribe()
    }

    fn tell(&self, order: Order) {
        self.order.send_if_modified(|told| {
            let worse = order > *told;
            *told = order.max(*told);
            worse
        });
    }

    /// Takes note of bytes that came in.
    pub fn heard(&self, bytes: usize) {
        self.heard.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// Whether a preface and the frame after it have begun to come. Whether they are right, HTTP/2 says.
    pub fn has_greeted(&self) -> bool {
        self.heard.load(Ordering::Relaxed) >= GREETING_BYTES
    }

    /// Whether a call has lasted longer than any may: its answer is not taken.
    pub fn is_over(&self, now: BootTime) -> bool {
        let calls = self.calls();
        let oldest = calls.bounded.first_key_value();
        oldest.is_some_and(|(_, began)| {
            now.since(*began) > Duration::from_millis(limits::CALL_LIFE_MS_MAX)
        })
    }

    fn calls(&self) -> MutexGuard<'_, Calls> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Since when it has had no call open; `None` if it has one.
    fn idle_since(&self) -> Option<BootTime> {
        let calls = self.calls();
        (calls.open == 0).then_some(calls.idle_since)
    }
}

#[derive(Default)]
struct Books {
    next: u64,
    new: BTreeMap<u64, Arc<Conn>>,
    clients: BTreeMap<u64, Arc<Conn>>,
    peers: BTreeMap<u64, Arc<Conn>>,
    /// Those that were asked to go and are still there.
    going: BTreeMap<u64, Arc<Conn>>,
}

/// All places of a port.
pub struct Seats {
    limits: PortLimits,
    clock: Arc<dyn Clock>,
    books: Mutex<Books>,
    clients: Budget,
    peers: Budget,
    probes: Budget,
    /// Connections that could not be taken.
    pub untaken: Untold,
    /// Calls that were not.
    pub refused: Untold,
}

/// Gives a connection's place back.
pub struct Held {
    seats: Arc<Seats>,
    conn: Arc<Conn>,
}

impl Drop for Held {
    fn drop(&mut self) {
        let mut books = self.seats.books();
        let Books {
            next: _,
            new,
            clients,
            peers,
            going,
        } = &mut *books;
        for places in [new, clients, peers, going] {
            places.remove(&self.conn.id);
        }
    }
}

impl Seats {
    pub fn new(limits: PortLimits, clock: Arc<dyn Clock>) -> Self {
        Self {
            limits,
            clock,
            books: Mutex::default(),
            clients: Budget::new(limits::CLIENT_CALLS_MAX, limits::CLIENT_HELD_BYTES_MAX),
            peers: Budget::new(limits::PEER_CALLS_MAX, limits::PEER_HELD_BYTES_MAX),
            probes: Budget::new(limits::PROBE_CALLS_MAX, limits::PROBE_HELD_BYTES_MAX),
            untaken: Untold::default(),
            refused: Untold::default(),
        }
    }

    fn books(&self) -> MutexGuard<'_, Books> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn budget(&self, side: Side) -> &Budget {
        match side {
            Side::Client => &self.clients,
            Side::Peer => &self.peers,
            Side::Probe => &self.probes,
        }
    }

    /// A place for a connection that has just come. Where there is none among the new, the one that has said nothing for
    /// the longest loses its own: whoever has something to say says it at once.
    pub fn arrive(&self, from: SocketAddr, now: BootTime) -> Arc<Conn> {
        let mut books = self.books();
        books.next += 1;
        let conn = Arc::new(Conn {
            id: books.next,
            from,
            heard: AtomicU64::new(0),
            held: AtomicU64::new(0),
            order: watch::Sender::new(Order::Stay),
            calls: Mutex::new(Calls {
                place: Place::New,
                next: 0,
                open: 0,
                bounded: BTreeMap::new(),
                idle_since: now,
            }),
        });
        if books.new.len() >= self.limits.new
            && let Some((_, silent)) = books.new.pop_first()
        {
            silent.tell(Order::Cut);
        }
        books.new.insert(conn.id, conn.clone());
        conn
    }

    /// What gives the place back when the connection has ended.
    pub fn place(self: &Arc<Self>, conn: &Arc<Conn>) -> Held {
        Held {
            seats: self.clone(),
            conn: conn.clone(),
        }
    }

    /// Takes a call on a connection, which the first one gives its place.
    ///
    /// # Errors
    /// There is no room for it.
    pub fn enter(
        self: &Arc<Self>,
        conn: &Arc<Conn>,
        side: Side,
        span: Span,
        now: BootTime,
    ) -> Result<Call, Full> {
        let place = match side {
            Side::Client => Some(Place::Client),
            Side::Peer => Some(Place::Peer),
            // Whoever only asks how the node is stays among the new.
            Side::Probe => None,
        };
        let is_new = conn.calls().place == Place::New;
        if let Some(place) = place
            && is_new
        {
            self.sit(conn, place, now)?;
        }
        let mut calls = conn.calls();
        self.budget(side).take_call(calls.open)?;
        calls.next += 1;
        let number = calls.next;
        calls.open += 1;
        match span {
            Span::Bounded => drop(calls.bounded.insert(number, now)),
            Span::Open => {}
        }
        Ok(Call {
            seats: self.clone(),
            conn: conn.clone(),
            side,
            number,
            held: AtomicU64::new(0),
        })
    }

    /// A place among its own kind for a connection that has shown what it is.
    fn sit(&self, conn: &Arc<Conn>, place: Place, now: BootTime) -> Result<(), Full> {
        let mut books = self.books();
        let Books {
            next: _,
            new,
            clients,
            peers,
            going,
        } = &mut *books;
        let (seated, max) = match place {
            Place::Peer => (peers, self.limits.peers),
            Place::New | Place::Client | Place::Going => (clients, self.limits.clients),
        };
        if seated.len() >= max {
            // The one without a call for the longest makes room, if it has had none for long.
            let idlest = seated
                .iter()
                .filter_map(|(id, conn)| Some((conn.idle_since()?, *id)))
                .min()
                .filter(|(since, _)| now.since(*since) >= IDLE && going.len() < self.limits.new);
            let Some((_, id)) = idlest else {
                conn.tell(Order::Go);
                return Err(Full::Connections);
            };
            if let Some(idle) = seated.remove(&id) {
                idle.calls().place = Place::Going;
                idle.tell(Order::Go);
                going.insert(id, idle);
            }
        }
        new.remove(&conn.id);
        seated.insert(conn.id, conn.clone());
        conn.calls().place = place;
        Ok(())
    }
}

/// One call, from its head to the last byte of its answer; it counts until it is dropped.
pub struct Call {
    seats: Arc<Seats>,
    conn: Arc<Conn>,
    side: Side,
    number: u64,
    held: AtomicU64,
}

impl Call {
    /// Counts bytes that are held for this call.
    ///
    /// # Errors
    /// There is no room for them; they are not counted.
    pub fn hold(&self, bytes: usize) -> Result<(), Full> {
        let bytes = bytes as u64;
        let own = self.conn.held.load(Ordering::Relaxed);
        self.seats.budget(self.side).take_bytes(own, bytes)?;
        self.conn.held.fetch_add(bytes, Ordering::Relaxed);
        self.held.fetch_add(bytes, Ordering::Relaxed);
        Ok(())
    }

    /// Lets go of all that is held.
    pub fn release(&self) {
        let bytes = self.held.swap(0, Ordering::Relaxed);
        self.conn.held.fetch_sub(bytes, Ordering::Relaxed);
        self.seats.budget(self.side).give_bytes(bytes);
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        self.release();
        self.seats.budget(self.side).give_call();
        let now = self.seats.clock.boot();
        let mut calls = self.conn.calls();
        calls.open -= 1;
        calls.bounded.remove(&self.number);
        calls.idle_since = now;
    }
}
