//! The world that a cluster is simulated in: hosts, links, clocks, disks, and the faults that a story orders.
//!
//! A host runs [`grantd::node::start`] and nothing else of its own; the story is a client host. The story changes the
//! world by [`Order`]s, which take effect between two steps of a millisecond. Everything that can differ between two
//! runs comes from the one [`Seed`]. Never: a judgement about an answer (that is `oracle`'s).

pub mod clock;
mod links;
pub mod net;
mod seat;
pub mod seed;

use std::cell::Cell;
use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use links::{LinkState, Links};
use seat::Seat;
use seed::Seed;

/// The host that the story runs on.
pub const STORY: &str = "story";

/// The port that every node listens on.
pub const PORT: u16 = 7600;

/// One step of the world.
const TICK: Duration = Duration::from_millis(1);

/// When the world begins, in milliseconds since the Unix epoch: 2026-01-01.
const EPOCH_MS: u64 = 1_767_225_600_000;

/// A story that has not ended after so much simulated time hangs.
const LONGEST_STORY: Duration = Duration::from_secs(120);

/// A node of the cluster, from 1.
pub type NodeId = u64;

/// The name of a node's host.
pub fn host(node: NodeId) -> String {
    format!("n{node}")
}

/// Where a node is reached, by peers and by callers.
pub fn address(node: NodeId) -> String {
    format!("{}:{PORT}", host(node))
}

/// How the world of a story is made.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    pub nodes: u64,
    /// rho, in parts per million: no two nodes' clocks differ by more.
    pub rho_ppm: u32,
    /// Shortest and longest way of a message.
    pub latency: (Duration, Duration),
    /// Shortest and longest time until a write is durable.
    pub disk: (Duration, Duration),
}

impl Plan {
    /// A cluster of three in one of many networks.
    pub fn draw(seed: Seed, rho_ppm: u32) -> Self {
        let mut dice = seed.part("plan", 0).dice();
        let shortest = dice.millis(1, 2);
        Self {
            nodes: 3,
            rho_ppm,
            latency: (shortest, shortest + dice.millis(1, 12)),
            disk: (Duration::from_millis(0), dice.millis(1, 6)),
        }
    }
}

/// A change of the world that a story, or a pause, asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Order {
    /// Everything between two hosts is lost from now on.
    Cut(String, String),
    Heal(String, String),
    /// A node's process stands still for `span`, from its `readings`th reading of the boot clock on.
    Pause {
        node: NodeId,
        readings: u64,
        span: Duration,
    },
    /// A node's clock has been caught by a pause.
    StandStill {
        node: NodeId,
        until: Duration,
    },
    /// The power of a node fails.
    Crash(NodeId),
    /// A crashed node is started again.
    Start(NodeId),
    /// The longest way of a message between two hosts.
    Slow(String, String, Duration),
}

/// Orders on their way to the world. Cheap to clone; every clone is the same queue.
#[derive(Clone, Default)]
pub struct Orders(Arc<Mutex<VecDeque<Order>>>);

impl Orders {
    pub fn give(&self, order: Order) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push_back(order);
    }

    fn take(&self) -> Option<Order> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .pop_front()
    }
}

thread_local! {
    /// The world's time while it is between two steps.
    static BETWEEN: Cell<Option<Duration>> = const { Cell::new(None) };
}

/// The time of the world; zero outside of it.
///
/// Between two steps turmoil would add to its own time what a real clock has run since the last one: no runtime is
/// entered then, and what a crash drops, reads the time.
pub fn now() -> Duration {
    BETWEEN
        .get()
        .or_else(turmoil::sim_elapsed)
        .unwrap_or_default()
}

/// The instant of this host's runtime at which the world's time is `at`; now if that is over.
pub fn instant(at: Duration) -> tokio::time::Instant {
    tokio::time::Instant::now() + at.saturating_sub(now())
}

/// Returns once every order given so far is in force.
pub async fn next_step() {
    tokio::time::sleep(2 * TICK).await;
}

/// Why a run failed: a broken promise, a node that ended, a story that hangs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure(pub String);

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Failure {}

/// Runs `story` in a new world until it ends.
///
/// # Errors
/// The story failed or hung, or a node ended with an error that nobody ordered.
pub fn run<F>(seed: Seed, plan: &Plan, orders: &Orders, story: F) -> Result<Duration, Failure>
where
    F: Future<Output = Result<(), Failure>> + 'static,
{
    let mut sim = turmoil::Builder::new()
        .rng_seed(seed.part("turmoil", 0).0)
        .epoch(std::time::UNIX_EPOCH + Duration::from_millis(EPOCH_MS))
        .simulation_duration(LONGEST_STORY)
        .tick_duration(TICK)
        .min_message_latency(plan.latency.0)
        .max_message_latency(plan.latency.1)
        // turmoil counts segments, and drops the connection when there are more: room enough for every window of HTTP/2.
        .tcp_capacity(65_536)
        .enable_random_order()
        .build();
    let mut seats = BTreeMap::new();
    for node in 1..=plan.nodes {
        let seat = Arc::new(Seat::new(seed, plan, node, orders.clone()));
        let host_seat = seat.clone();
        sim.host(host(node), move || host_seat.clone().live());
        seats.insert(node, seat);
    }
    sim.client(STORY, async move { story.await.map_err(Into::into) });
    let mut faults = Faults {
        seed,
        hosts: (1..=plan.nodes)
            .map(host)
            .chain([STORY.to_owned()])
            .collect(),
        links: Links::default(),
        standing: BTreeMap::new(),
        crashes: 0,
    };
    loop {
        BETWEEN.set(Some(sim.elapsed()));
        while let Some(order) = orders.take() {
            faults.carry_out(&mut sim, &seats, order);
        }
        faults.let_go(&mut sim);
        BETWEEN.set(None);
        match sim.step() {
            Ok(false) => {}
            Ok(true) => return Ok(sim.elapsed()),
            Err(error) => return Err(Failure(error.to_string())),
        }
    }
}

/// The faults that are in force.
struct Faults {
    seed: Seed,
    hosts: Vec<String>,
    links: Links,
    /// Nodes that stand still, and until when.
    standing: BTreeMap<NodeId, Duration>,
    crashes: u64,
}

impl Faults {
    fn carry_out(
        &mut self,
        sim: &mut turmoil::Sim<'_>,
        seats: &BTreeMap<NodeId, Arc<Seat>>,
        order: Order,
    ) {
        tracing::info!(target: "sim", ?order);
        match order {
            Order::Cut(a, b) => apply(sim, &a, &b, self.links.cut(&a, &b)),
            Order::Heal(a, b) => apply(sim, &a, &b, self.links.heal(&a, &b)),
            Order::Slow(a, b, longest) => sim.set_link_max_message_latency(&*a, &*b, longest),
            Order::Pause {
                node,
                readings,
                span,
            } => {
                if let Some(seat) = seats.get(&node)
                    && sim.is_host_running(host(node))
                {
                    seat.clock.pause_at_reading(readings, span);
                }
            }
            Order::StandStill { node, until } => {
                if self.standing.insert(node, until).is_none() {
                    self.each_link(sim, node, Links::stand);
                }
            }
            Order::Crash(node) => {
                if let Some(seat) = seats.get(&node)
                    && sim.is_host_running(host(node))
                {
                    self.crashes += 1;
                    // The disk first: what the dying process would still write must not reach it.
                    seat.disk.crash(self.seed.part("crash", self.crashes).0);
                    seat.clock.process_ended();
                    sim.crash(host(node));
                    if self.standing.remove(&node).is_some() {
                        self.each_link(sim, node, Links::go_on);
                    }
                }
            }
            Order::Start(node) => {
                if !sim.is_host_running(host(node)) {
                    sim.bounce(host(node));
                }
            }
        }
    }

    /// Lets the nodes go on that have stood still long enough.
    fn let_go(&mut self, sim: &mut turmoil::Sim<'_>) {
        let now = sim.elapsed();
        let over: Vec<_> = self
            .standing
            .iter()
            .filter(|(_, until)| **until <= now)
            .map(|(node, _)| *node)
            .collect();
        for node in over {
            self.standing.remove(&node);
            tracing::info!(target: "sim", node, "goes on");
            self.each_link(sim, node, Links::go_on);
        }
    }

    fn each_link(
        &mut self,
        sim: &mut turmoil::Sim<'_>,
        node: NodeId,
        how: impl Fn(&mut Links, &str, &str) -> LinkState,
    ) {
        let one = host(node);
        for other in self.hosts.iter().filter(|other| **other != one) {
            apply(sim, &one, other, how(&mut self.links, &one, other));
        }
    }
}

fn apply(sim: &mut turmoil::Sim<'_>, a: &str, b: &str, state: LinkState) {
    match state {
        LinkState::Carries => sim.release(a, b),
        LinkState::Holds => sim.hold(a, b),
        LinkState::Drops => sim.partition(a, b),
    }
}
