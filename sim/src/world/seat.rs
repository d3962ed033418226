//! The seat of one node: what of a machine outlives the process that runs on it.

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use grantd::audit::Discard;
use grantd::crypto::seal::SealKey;
use grantd::env::Offload;
use grantd::node::{self, DateHeader, NodeParts, NodeSettings};
use grantd::storage::MemoryDisk;

use super::clock::{Face, SimClock};
use super::net::SimNet;
use super::seed::{Seed, SimRng};
use super::{EPOCH_MS, NodeId, Order, Orders, PORT, Plan, address, host, now};

/// How far two nodes' wall clocks may lie apart, in milliseconds. They decide nothing about freshness.
const WALL_SKEW_MS: u64 = 4_000;

/// A node's machine: its disk, its clocks, its randomness.
pub(super) struct Seat {
    node: NodeId,
    pub(super) disk: MemoryDisk,
    pub(super) clock: Arc<SimClock>,
    rng: Arc<SimRng>,
}

impl Seat {
    pub(super) fn new(seed: Seed, plan: &Plan, node: NodeId, orders: Orders) -> Self {
        let mut dice = seed.part("clock", node).dice();
        let face = Face {
            drift_ppm: drift(&mut dice, plan.rho_ppm),
            boot_offset: dice.millis(1_000, 1_000_000_000),
            wall_offset_ms: EPOCH_MS + dice.below(WALL_SKEW_MS),
        };
        let clock = SimClock::new(
            face,
            Arc::new(now),
            Box::new(move |until| orders.give(Order::StandStill { node, until })),
        );
        let (shortest, longest) = plan.disk;
        let disk_dice = Mutex::new(seed.part("disk", node).dice());
        let disk = MemoryDisk::with_delay(Arc::new(move |_| {
            let wait = disk_dice
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .between(shortest, longest);
            Box::pin(tokio::time::sleep(wait))
        }));
        Self {
            node,
            disk,
            clock: Arc::new(clock),
            rng: Arc::new(SimRng::new(seed.part("rng", node))),
        }
    }

    /// One life of the node's process: it ends with an error when the node stops by itself.
    pub(super) async fn live(self: Arc<Self>) -> turmoil::Result {
        let storage = self.disk.open(Some(self.node))?;
        let node = node::start(NodeParts {
            settings: NodeSettings {
                node_id: Some(self.node),
                advertised: Some(address(self.node)),
                date: DateHeader::Constant,
                ..NodeSettings::new(format!("{}:{PORT}", host(self.node)))
            },
            clock: self.clock.clone(),
            rng: self.rng.clone(),
            net: Arc::new(SimNet::new(host(self.node))),
            threads: Arc::new(InPlace),
            evaluators: Arc::new(InPlace),
            storage: Arc::new(storage),
            seal_key: Arc::new(SealKey::from_bytes(SEAL_KEY)),
            sink: Arc::new(Discard),
            front: node::api(Arc::new(Discard)),
        })
        .await?;
        let why = node.failed().await;
        Err(format!("node {} stopped by itself: {why}", self.node).into())
    }
}

/// The operator's key, the same on every node.
const SEAL_KEY: [u8; 32] = [7; 32];

/// A clock rate: often one of the two extremes, as two clocks then differ by just rho.
fn drift(dice: &mut super::seed::Dice, rho_ppm: u32) -> i64 {
    // (1 + d)/(1 - d) <= 1 + rho holds for d = rho/2 - rho²/4, rounded down.
    let rho = i64::from(rho_ppm);
    let extreme = rho / 2 - rho * rho / 4_000_000 - 1;
    match dice.below(4) {
        0 => extreme,
        1 => -extreme,
        _ => dice.below(2 * extreme as u64 + 1) as i64 - extreme,
    }
}

/// Blocking work in a world without threads: done on the spot, in no time.
struct InPlace;

#[async_trait]
impl Offload for InPlace {
    async fn run(&self, work: Box<dyn FnOnce() + Send>) {
        work();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use grantd::env::Rng;

    #[test]
    fn no_two_clocks_differ_by_more_than_rho() {
        let rho = 10_000;
        let mut dice = Seed(3).dice();
        let drifts: Vec<_> = (0..1_000).map(|_| drift(&mut dice, rho)).collect();
        let fastest = *drifts.iter().max().unwrap() as f64;
        let slowest = *drifts.iter().min().unwrap() as f64;
        assert!(fastest > 4_900.0 && slowest < -4_900.0);
        let apart = (1_000_000.0 + fastest) / (1_000_000.0 + slowest);
        assert!(apart <= 1.0 + f64::from(rho) / 1_000_000.0, "{apart}");
    }

    #[test]
    fn seats_of_one_seed_differ_and_repeat() {
        let plan = Plan::draw(Seed(1), 10_000);
        let bytes = |seed, node| {
            let seat = Seat::new(seed, &plan, node, Orders::default());
            let rng: &dyn Rng = &*seat.rng;
            rng.bytes16()
        };
        assert_ne!(bytes(Seed(1), 1), bytes(Seed(1), 2));
        assert_ne!(bytes(Seed(1), 1), bytes(Seed(2), 1));
        assert_eq!(bytes(Seed(1), 1), bytes(Seed(1), 1));
    }
}
