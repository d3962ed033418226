//! The places of connections, and what those who have one may take.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

use crate::domain::limits;
use crate::env::{BootTime, Clock};
use crate::telemetry::Seldom;

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

/// What one side may take, and what of it is taken.
struct Budget {
    calls: AtomicU64,
    calls_max: u64,
    calls_own: u64,
    bytes: AtomicU64,
    bytes_max: u64,
    bytes_own: u64,
}

impl Budget {
    const fn new(calls_max: u64, bytes_max: u64) -> Self {
        Self {
            calls: AtomicU64::new(0),
            calls_max,
            calls_own: 0,
            bytes: AtomicU64::new(0),
            bytes_max,
            bytes_own: 0,
        }
    }

    /// The same where each connection may have so much whatever the others have.
    const fn with_own(self, calls_own: u64, bytes_own: u64) -> Self {
        Self {
            calls_own,
            bytes_own,
            ..self
        }
    }

    fn take_call(&self, own: u64) -> Result<(), Full> {
        take(&self.calls, self.calls_max, self.calls_own, own, 1).map_err(|()| Full::Calls)
    }

    fn give_call(&self) {
        self.calls.fetch_sub(1, Ordering::Relaxed);
    }

    fn take_bytes(&self, own: u64, more: u64) -> Result<(), Full> {
        take(&self.bytes, self.bytes_max, self.bytes_own, own, more).map_err(|()| Full::Bytes)
    }

    fn give_bytes(&self, bytes: u64) {
        self.bytes.fetch_sub(bytes, Ordering::Relaxed);
    }
}

/// Takes `more` for one that has `own` already: what everybody may have, or else no more than is still free of `max`. One
/// alone gets half, the next half of the rest, and so on; when nothing is left, whoever comes still has the share of his own.
fn take(taken: &AtomicU64, max: u64, share: u64, own: u64, more: u64) -> Result<(), ()> {
    let before = taken.fetch_add(more, Ordering::Relaxed);
    let wanted = own.saturating_add(more);
    if wanted <= share || wanted <= max.saturating_sub(before) {
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
    pub untaken: Seldom,
    /// Calls that were not.
    pub refused: Seldom,
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
            clients: Budget::new(limits::CLIENT_CALLS_MAX, limits::CLIENT_HELD_BYTES_MAX).with_own(
                limits::CONNECTION_CALLS_OWN,
                limits::CONNECTION_HELD_BYTES_OWN,
            ),
            peers: Budget::new(limits::PEER_CALLS_MAX, limits::PEER_HELD_BYTES_MAX),
            probes: Budget::new(limits::PROBE_CALLS_MAX, limits::PROBE_HELD_BYTES_MAX),
            untaken: Seldom::new(),
            refused: Seldom::new(),
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::env::real::RealClock;
    use std::net::Ipv4Addr;

    fn seats(clients: usize, peers: usize, new: usize) -> Arc<Seats> {
        let limits = PortLimits {
            clients,
            peers,
            new,
        };
        Arc::new(Seats::new(limits, Arc::new(RealClock)))
    }

    fn arrive(seats: &Arc<Seats>, now: BootTime) -> Arc<Conn> {
        seats.arrive((Ipv4Addr::LOCALHOST, 1).into(), now)
    }

    fn order(conn: &Conn) -> Order {
        *conn.order.borrow()
    }

    fn call(seats: &Arc<Seats>, conn: &Arc<Conn>, side: Side) -> Result<Call, Full> {
        seats.enter(conn, side, Span::Bounded, RealClock.boot())
    }

    #[test]
    fn places_fit_the_descriptors_and_those_of_peers_stay() {
        assert_eq!(PortLimits::within(4_096, u64::MAX), PortLimits::default());
        assert_eq!(
            PortLimits::within(4_096, 256),
            PortLimits {
                clients: 96,
                peers: 48,
                new: 24
            }
        );
        assert_eq!(PortLimits::within(50, 256).clients, 50);
        for descriptors in 128..20_000 {
            let PortLimits {
                clients,
                peers,
                new,
            } = PortLimits::within(usize::MAX, descriptors);
            // Those that go hold theirs a moment longer.
            let taken = u64::try_from(clients + peers + 2 * new).unwrap();
            assert!(
                taken + OWN_DESCRIPTORS_MIN <= descriptors,
                "{descriptors}: {clients} {peers} {new}"
            );
        }
        let none = PortLimits::within(4_096, 0);
        assert_eq!((none.clients, none.peers, none.new), (8, 8, 8));
    }

    /// Those that come one after the other leave nothing in common, and everybody has his own.
    #[test]
    fn connection_that_comes_last_has_its_own_share() {
        let budget = Budget::new(1_000, 1_000).with_own(2, 10);
        for _ in 0..40 {
            for own in 0.. {
                if budget.take_call(own).is_err() {
                    break;
                }
            }
        }
        assert!(budget.calls.load(Ordering::Relaxed) >= 1_000);
        assert_eq!(budget.take_call(0), Ok(()));
        assert_eq!(budget.take_call(1), Ok(()));
        assert_eq!(budget.take_call(2), Err(Full::Calls));
        while budget.take_bytes(0, 10).is_ok() && budget.bytes.load(Ordering::Relaxed) < 1_000 {}
        assert_eq!(budget.take_bytes(0, 10), Ok(()));
        assert_eq!(budget.take_bytes(10, 1), Err(Full::Bytes));
    }

    #[test]
    fn greedy_connections_leave_as_much_as_each_of_them_has() {
        let budget = Budget::new(2_100, 1_000);
        let mut own = [0u64; 20];
        let mut went_on = true;
        while went_on {
            went_on = false;
            for own in &mut own {
                if budget.take_call(*own).is_ok() {
                    *own += 1;
                    went_on = true;
                }
            }
        }
        let taken: u64 = own.iter().sum();
        let free = 2_100 - taken;
        assert!(
            own.iter().all(|own| *own <= free + 1),
            "{own:?}, {free} free"
        );
        // Whoever comes next is served.
        assert_eq!(budget.take_call(0), Ok(()));
        // One alone gets half.
        let alone = Budget::new(100, 1_000);
        let most = (0..).find(|own| alone.take_call(*own).is_err());
        assert_eq!(most, Some(50));
        assert_eq!(alone.take_bytes(0, 1_001), Err(Full::Bytes));
        assert_eq!(alone.take_bytes(0, 500), Ok(()));
        assert_eq!(alone.take_bytes(500, 1), Err(Full::Bytes));
        assert_eq!(alone.take_bytes(0, 500), Ok(()));
    }

    #[test]
    fn new_connection_that_says_nothing_gives_way_to_the_next() {
        let seats = seats(8, 8, 2);
        let now = RealClock.boot();
        let all: Vec<_> = (0..3).map(|_| arrive(&seats, now)).collect();
        let orders: Vec<_> = all.iter().map(|conn| order(conn)).collect();
        assert_eq!(orders, [Order::Cut, Order::Stay, Order::Stay]);
        // One that has made a call is not among the new any more.
        let called = call(&seats, &all[1], Side::Client).unwrap();
        let later: Vec<_> = (0..2).map(|_| arrive(&seats, now)).collect();
        assert_eq!(order(&all[1]), Order::Stay);
        assert_eq!(order(&all[2]), Order::Cut);
        assert_eq!(order(&later[0]), Order::Stay);
        drop(called);
        // Whoever only asks how the node is stays new.
        drop(call(&seats, &later[0], Side::Probe).unwrap());
        let _ = (arrive(&seats, now), arrive(&seats, now));
        assert_eq!(order(&later[0]), Order::Cut);
    }

    #[test]
    fn clients_take_no_place_of_a_peer() {
        let seats = seats(2, 1, 4);
        let now = RealClock.boot();
        let full: Vec<_> = (0..2)
            .map(|_| {
                let conn = arrive(&seats, now);
                let call = call(&seats, &conn, Side::Client).unwrap();
                (conn, call)
            })
            .collect();
        let refused = arrive(&seats, now);
        assert_eq!(
            call(&seats, &refused, Side::Client).err(),
            Some(Full::Connections)
        );
        assert_eq!(order(&refused), Order::Go);
        // Those that are there go on, a peer comes in, and so does a question about the node's health.
        assert!(call(&seats, &full[0].0, Side::Client).is_ok());
        assert!(call(&seats, &arrive(&seats, now), Side::Probe).is_ok());
        let peer = arrive(&seats, now);
        assert!(call(&seats, &peer, Side::Peer).is_ok());
        // A place that is given back is there for the next.
        drop(seats.place(&full[1].0));
        assert!(call(&seats, &arrive(&seats, now), Side::Client).is_ok());
    }

    #[test]
    fn idle_connection_gives_its_place_to_one_that_needs_it() {
        let seats = seats(2, 1, 4);
        let now = RealClock.boot();
        let [idle, busy] = [(), ()].map(|()| arrive(&seats, now));
        drop(call(&seats, &idle, Side::Client).unwrap());
        let under_way = call(&seats, &busy, Side::Client).unwrap();
        let soon = now.after(IDLE / 2);
        let next = arrive(&seats, soon);
        let refused = seats.enter(&next, Side::Client, Span::Bounded, soon);
        assert_eq!(refused.err(), Some(Full::Connections));
        let late = now.after(IDLE * 2);
        let next = arrive(&seats, late);
        assert!(
            seats
                .enter(&next, Side::Client, Span::Bounded, late)
                .is_ok()
        );
        assert_eq!((order(&idle), order(&busy)), (Order::Go, Order::Stay));
        drop(under_way);
    }

    #[test]
    fn call_that_outlives_every_deadline_ends_its_connection_and_an_open_one_does_not() {
        let seats = seats(8, 8, 8);
        let now = RealClock.boot();
        let conn = arrive(&seats, now);
        let late = now.after(Duration::from_millis(limits::CALL_LIFE_MS_MAX + 1));
        let open = seats.enter(&conn, Side::Client, Span::Open, now).unwrap();
        assert!(!conn.is_over(late));
        let bounded = seats
            .enter(&conn, Side::Client, Span::Bounded, now)
            .unwrap();
        assert!(!conn.is_over(now) && conn.is_over(late));
        drop((bounded, open));
        assert!(!conn.is_over(late));
        assert!(conn.idle_since().is_some());
    }

    #[test]
    fn bytes_are_given_back_when_they_are_released_and_when_the_call_ends() {
        let seats = seats(8, 8, 8);
        let conn = arrive(&seats, RealClock.boot());
        let held = |seats: &Seats| seats.clients.bytes.load(Ordering::Relaxed);
        let one = call(&seats, &conn, Side::Client).unwrap();
        one.hold(1_000).unwrap();
        let half = usize::try_from(limits::CLIENT_HELD_BYTES_MAX / 2).unwrap();
        assert_eq!(one.hold(2 * half), Err(Full::Bytes));
        assert_eq!(held(&seats), 1_000);
        one.release();
        assert_eq!(held(&seats), 0);
        one.hold(half).unwrap();
        drop(one);
        assert_eq!(held(&seats), 0);
        assert_eq!(seats.clients.calls.load(Ordering::Relaxed), 0);
    }
}
