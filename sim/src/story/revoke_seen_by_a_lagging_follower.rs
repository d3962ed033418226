//! Grants come and go under cuts, slow links, pauses, crashes and skewed clocks; every node is asked all the time.
//!
//! Once a revoke has been acknowledged, no decision that starts after B(1+rho) allows by the old state, at any node
//! and decisions go on: the cluster must allow and deny throughout, and all of it again once the faults are over.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use super::{Failure, Removal, Scene};
use crate::hand::Grant;
use crate::oracle::Tag;
use crate::world::seed::Dice;
use crate::world::{self, NodeId, Order, STORY};

/// How long the faults go on.
const STORM: Duration = Duration::from_secs(6);

/// How many grants the writer keeps alive, so that some are used while others go.
const ALIVE: usize = 3;

/// How many removals every run judges.
const REMOVALS: u64 = 3;

/// How many removed grants are still asked about.
const REMEMBERED: usize = 6;

pub(super) async fn play(scene: Rc<Scene>) -> Result<(), Failure> {
    let key = scene.set_up().await?;
    let stage = Rc::new(Stage {
        scene: scene.clone(),
        key,
        ends: world::now() + STORM,
        grants: RefCell::new(Vec::new()),
        removals: Cell::new(0),
    });
    let mut parts = tokio::task::JoinSet::new();
    for node in scene.nodes() {
        parts.spawn_local(stage.clone().asker(node));
    }
    parts.spawn_local(stage.clone().writer());
    parts.spawn_local(stage.clone().chaos());
    while let Some(part) = parts.join_next().await {
        part.map_err(|error| Failure(format!("a part of the story ended: {error}")))??;
    }
    stage.calm().await
}

struct Stage {
    scene: Rc<Scene>,
    key: String,
    ends: Duration,
    /// What the askers ask about, oldest first.
    grants: RefCell<Vec<Known>>,
    removals: Cell<u64>,
}

#[derive(Clone)]
struct Known {
    grant: Grant,
    removed: bool,
}

impl Stage {
    fn over(&self) -> bool {
        world::now() >= self.ends
    }

    /// Asks one node about one grant after the other.
    async fn asker(self: Rc<Self>, node: NodeId) -> Result<(), Failure> {
        let mut dice = self.scene.seed.part("asker", node).dice();
        while !self.over() {
            let known = {
                let grants = self.grants.borrow();
                let at = dice.below(grants.len() as u64 + 1) as usize;
                grants.get(at).cloned()
            };
            let with_token = dice.percent(40);
            let (tag, token) = match &known {
                Some(known) => (
                    known.grant.tag,
                    known.grant.token.as_deref().filter(|_| with_token),
                ),
                None => (super::NOBODYS, None),
            };
            let within = dice.millis(60, 400);
            // A broken promise ends the story at once.
            let _ = self.scene.ask(node, &self.key, tag, token, within).await?;
            tokio::time::sleep(dice.millis(5, 60)).await;
        }
        Ok(())
    }

    /// Creates and removes grants, through whichever node.
    async fn writer(self: Rc<Self>) -> Result<(), Failure> {
        let mut dice = self.scene.seed.part("writer", 0).dice();
        let mut next: Tag = super::NOBODYS + 1;
        while !self.over() {
            let alive: Vec<_> = self
                .grants
                .borrow()
                .iter()
                .filter(|known| !known.removed)
                .map(|known| known.grant.clone())
                .collect();
            let within = dice.millis(500, 1_500);
            let via: Vec<_> = (0..4).map(|_| self.any_node(&mut dice)).collect();
            if alive.len() < ALIVE {
                let tag = next;
                next += 1;
                // One that failed, or may have: it is not asked about.
                if let Ok(grant) = self.scene.create_grant(&via, &self.key, tag, within).await {
                    self.remember(Known {
                        grant,
                        removed: false,
                    });
                }
            } else {
                let grant = &alive[dice.below(alive.len() as u64) as usize];
                let how = dice.pick(&[Removal::Revoke, Removal::Retire]);
                let result = self.scene.remove(&via, &self.key, grant, how, within).await;
                // Gone, or perhaps gone: in both cases nobody counts on it any more.
                for known in self.grants.borrow_mut().iter_mut() {
                    known.removed |= known.grant.tag == grant.tag;
                }
                if result.is_ok() {
                    self.removals.set(self.removals.get() + 1);
                }
            }
            tokio::time::sleep(dice.millis(10, 250)).await;
        }
        Ok(())
    }

    fn remember(&self, known: Known) {
        let mut grants = self.grants.borrow_mut();
        grants.push(known);
        let removed = grants.iter().filter(|known| known.removed).count();
        if removed > REMEMBERED
            && let Some(oldest) = grants.iter().position(|known| known.removed)
        {
            grants.remove(oldest);
        }
    }

    fn any_node(&self, dice: &mut Dice) -> NodeId {
        dice.below(self.scene.nodes) + 1
    }

    /// One fault after the other, and sometimes two at once.
    async fn chaos(self: Rc<Self>) -> Result<(), Failure> {
        let mut dice = self.scene.seed.part("chaos", 0).dice();
        let orders = &self.scene.orders;
        while !self.over() {
            let node = self.any_node(&mut dice);
            let other = self.any_node(&mut dice);
            match dice.below(10) {
                0..=2 => {
                    self.scene.cut_off(node);
                    if dice.percent(30) {
                        self.pause(other, &mut dice);
                    }
                    tokio::time::sleep(dice.millis(100, 3_000)).await;
                    self.scene.heal(node);
                }
                3..=5 => {
                    self.pause(node, &mut dice);
                    if dice.percent(30) {
                        self.pause(other, &mut dice);
                    }
                    tokio::time::sleep(dice.millis(100, 1_500)).await;
                }
                6 => {
                    orders.give(Order::Crash(node));
                    tokio::time::sleep(dice.millis(50, 2_000)).await;
                    orders.give(Order::Start(node));
                }
                7 if node != other => {
                    let (a, b) = (world::host(node), world::host(other));
                    orders.give(Order::Cut(a.clone(), b.clone()));
                    tokio::time::sleep(dice.millis(100, 2_000)).await;
                    orders.give(Order::Heal(a, b));
                }
                _ => {
                    let far = if node == other {
                        STORY.to_owned()
                    } else {
                        world::host(other)
                    };
                    let near = world::host(node);
                    let slow = dice.millis(20, 400);
                    orders.give(Order::Slow(near.clone(), far.clone(), slow));
                    tokio::time::sleep(dice.millis(200, 2_000)).await;
                    orders.give(Order::Slow(near, far, self.scene.longest_way));
                }
            }
            tokio::time::sleep(dice.millis(0, 600)).await;
        }
        Ok(())
    }

    fn pause(&self, node: NodeId, dice: &mut Dice) {
        let span = if dice.percent(50) {
            dice.millis(10, 300)
        } else {
            dice.millis(300, 3_000)
        };
        self.scene.orders.give(Order::Pause {
            node,
            readings: 1 + dice.below(12),
            span,
        });
    }

    /// The faults are over: every node serves again and knows everything. After a storm that let few writes through the
    /// rest of the removals is made up for.
    async fn calm(&self) -> Result<(), Failure> {
        let missing = REMOVALS.saturating_sub(self.removals.get()).max(1);
        for round in 0..missing {
            self.comes_and_goes(Tag::MAX - round).await?;
        }
        let tally = self.scene.oracle.borrow().tally();
        if tally.allowed < 20 || tally.denied < 20 {
            return Err(Failure(format!("the cluster hardly served: {tally:?}")));
        }
        Ok(())
    }

    /// A grant is created and revoked, and every node says so.
    async fn comes_and_goes(&self, tag: Tag) -> Result<(), Failure> {
        let scene = &self.scene;
        let leader = scene.leader().await?;
        let within = Duration::from_millis(1_000);
        let via = [leader, 1, 2, 3];
        let grant = scene
            .until_done("a grant after the storm", || {
                scene.create_grant(&via, &self.key, tag, within)
            })
            .await?;
        for node in scene.nodes() {
            scene
                .until_done("an allow after the storm", || async move {
                    match scene.ask(node, &self.key, tag, None, within).await {
                        Ok(Ok(decided)) if decided.allowed => Ok(()),
                        Ok(Ok(decided)) => Err(crate::hand::Trouble::Lost(format!(
                            "not yet at the grant's revision: {decided:?}"
                        ))),
                        Ok(Err(trouble)) => Err(trouble),
                        Err(failure) => Err(crate::hand::Trouble::Lost(failure.0)),
                    }
                })
                .await?;
        }
        scene
            .remove(&via, &self.key, &grant, Removal::Revoke, within)
            .await
            .map_err(|trouble| Failure(format!("revoking after the storm: {trouble}")))?;
        tokio::time::sleep(scene.promise.window() + Duration::from_millis(2)).await;
        for node in scene.nodes() {
            for token in [None, grant.token.as_deref()] {
                scene
                    .until_done("a denial after the storm", || async move {
                        match scene.ask(node, &self.key, tag, token, within).await {
                            Ok(Ok(decided)) if !decided.allowed => Ok(()),
                            Ok(Ok(decided)) => Err(crate::hand::Trouble::Lost(format!(
                                "still allowed: {decided:?}"
                            ))),
                            Ok(Err(trouble)) => Err(trouble),
                            Err(failure) => Err(crate::hand::Trouble::Lost(failure.0)),
                        }
                    })
                    .await?;
            }
        }
        Ok(())
    }
}
