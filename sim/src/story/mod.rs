//! The stories: what happens to a cluster, and what every answer must then be.
//!
//! A story orders faults, plays the callers and gives what it sees to the oracle. It ends with an error when a promise
//! was broken, or when the cluster did not serve: refusing everything would break no promise.

mod revoke_seen_by_a_lagging_follower;
mod token_at_a_cut_follower;

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use crate::hand::{Decided, Grant, Hand, Trouble};
use crate::oracle::{Acknowledged, Answer, Oracle, Promise, Tag, Tally};
use crate::trace::{Digest, Trace};
use crate::world::seed::Seed;
use crate::world::{self, Failure, NodeId, Order, Orders, Plan};

/// rho of every story: the product's default, 1 %.
const RHO_PPM: u32 = 10_000;

/// How long a cluster whose faults are over may take to serve again.
const RECOVERY: Duration = Duration::from_secs(10);

/// The stories by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
#[value(rename_all = "snake_case")]
pub enum Name {
    /// A grant is created while a follower is cut off, and its token is used there.
    TokenAtACutFollower,
    /// Grants come and go under cuts, pauses, crashes and skewed clocks.
    RevokeSeenByALaggingFollower,
}

impl Name {
    pub const ALL: [Name; 2] = [
        Name::TokenAtACutFollower,
        Name::RevokeSeenByALaggingFollower,
    ];

    /// As it is typed.
    pub fn text(self) -> &'static str {
        match self {
            Name::TokenAtACutFollower => "token_at_a_cut_follower",
            Name::RevokeSeenByALaggingFollower => "revoke_seen_by_a_lagging_follower",
        }
    }
}

/// What a story that ended well has to tell.
#[derive(Clone, Debug)]
pub struct Ended {
    /// Simulated time.
    pub lasted: Duration,
    pub trace: Digest,
    pub tally: Tally,
}

/// Tells one story with one seed.
///
/// # Errors
/// A promise was broken, the cluster did not serve, or a node ended.
pub fn tell(name: Name, seed: u64, trace: Trace) -> Result<Ended, Failure> {
    let seed = Seed(seed).part(name.text(), 0);
    let plan = Plan::draw(seed, RHO_PPM);
    let bound = seed
        .part("bound", 0)
        .dice()
        .pick(&[500, 1_000, 1_000, 2_000]);
    let promise = Promise {
        bound: Duration::from_millis(bound),
        rho_ppm: RHO_PPM,
    };
    let orders = Orders::default();
    let tally = Rc::new(RefCell::new(Tally::default()));
    let scene = Scene {
        seed,
        nodes: plan.nodes,
        longest_way: plan.latency.1,
        promise,
        orders: orders.clone(),
        hand: Hand::default(),
        oracle: RefCell::new(Oracle::new(promise)),
        broken: RefCell::new(None),
    };
    let told = tally.clone();
    let story = async move {
        let scene = Rc::new(scene);
        let result = match name {
            Name::TokenAtACutFollower => token_at_a_cut_follower::play(scene.clone()).await,
            Name::RevokeSeenByALaggingFollower => {
                revoke_seen_by_a_lagging_follower::play(scene.clone()).await
            }
        };
        *told.borrow_mut() = scene.oracle.borrow().tally();
        let result = scene.unbroken().and(result);
        tracing::info!(target: "sim", ?result, tally = ?told.borrow(), "story ends");
        result
    };
    let lasted = trace.record(|| world::run(seed, &plan, &orders, story))?;
    let trace = trace
        .finish()
        .map_err(|error| Failure(format!("writing the trace: {error}")))?;
    let tally = *tally.borrow();
    Ok(Ended {
        lasted,
        trace,
        tally,
    })
}

/// What a story plays with.
struct Scene {
    seed: Seed,
    nodes: u64,
    /// What a message takes at most while nothing is wrong.
    longest_way: Duration,
    promise: Promise,
    orders: Orders,
    hand: Hand,
    oracle: RefCell<Oracle>,
    /// The first promise that was broken.
    broken: RefCell<Option<Failure>>,
}

impl Scene {
    fn nodes(&self) -> impl Iterator<Item = NodeId> + use<> {
        1..=self.nodes
    }

    /// Makes a cluster of all nodes with an account, the grantee and a key; the key's ARN.
    async fn set_up(&self) -> Result<String, Failure> {
        let first = 1;
        self.until_done("initialize", || {
            self.hand.initialize(first, self.promise.bound)
        })
        .await?;
        for node in self.nodes().filter(|node| *node != first) {
            self.until_done("join", || self.hand.join(node, first))
                .await?;
        }
        self.until_done("create account", || self.hand.create_account(first))
            .await?;
        self.until_done("create grantee", || self.hand.create_grantee(first))
            .await?;
        let (key, revision) = self
            .until_done("create key", || self.hand.create_key(first))
            .await?;
        self.oracle.borrow_mut().written(Acknowledged {
            at: world::now(),
            revision,
            exact: true,
        });
        for node in self.nodes() {
            self.until_it_decides(node, &key).await?;
        }
        Ok(key)
    }

    /// Tries again until it works: nothing is cut yet, or nothing any more.
    async fn until_done<T, F>(&self, what: &str, attempt: impl Fn() -> F) -> Result<T, Failure>
    where
        F: Future<Output = Result<T, Trouble>>,
    {
        let begun = world::now();
        loop {
            let result = attempt().await;
            // A broken promise is not mended by asking again.
            self.unbroken()?;
            match result {
                Ok(value) => return Ok(value),
                Err(trouble) if world::now() - begun > RECOVERY => {
                    return Err(Failure(format!(
                        "{what} did not work within {RECOVERY:?} of a healthy cluster: {trouble}"
                    )));
                }
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            }
        }
    }

    /// # Errors
    /// The first promise that was broken.
    fn unbroken(&self) -> Result<(), Failure> {
        self.broken.borrow().clone().map_or(Ok(()), Err)
    }

    /// Waits until a node decides about a grant that nobody has asked for.
    async fn until_it_decides(&self, node: NodeId, key: &str) -> Result<u64, Failure> {
        let within = Duration::from_millis(200);
        self.until_done("a decision", || async move {
            match self.ask(node, key, NOBODYS, None, within).await {
                Ok(Ok(decided)) => Ok(decided.revision),
                Ok(Err(trouble)) => Err(trouble),
                Err(failure) => Err(Trouble::Lost(failure.0)),
            }
        })
        .await
    }

    /// The node that most recently said that it leads.
    async fn leader(&self) -> Result<NodeId, Failure> {
        self.until_done("finding the leader", || async move {
            let mut leader = None;
            for node in self.nodes() {
                if let Ok(status) = self.hand.status(node).await
                    && status.role == "leader"
                {
                    leader = leader.max(Some((status.term, node)));
                }
            }
            leader
                .map(|(_, node)| node)
                .ok_or_else(|| Trouble::Lost("nobody leads".to_owned()))
        })
        .await
    }

    /// Asks for a decision and has the oracle judge it. The outer error is a broken promise.
    async fn ask(
        &self,
        node: NodeId,
        key: &str,
        tag: Tag,
        token: Option<&str>,
        within: Duration,
    ) -> Result<Result<Decided, Trouble>, Failure> {
        let sent = world::now();
        let result = self.hand.ask(node, key, tag, token, within).await;
        let mut oracle = self.oracle.borrow_mut();
        match &result {
            Err(_) => oracle.refused(),
            Ok(decided) => oracle
                .judge(&Answer {
                    node,
                    sent,
                    received: world::now(),
                    allowed: decided.allowed,
                    revision: decided.revision,
                    staleness: decided.staleness,
                    candidates: vec![tag],
                    tokens: token.map(|_| tag).into_iter().collect(),
                })
                .map_err(|violation| {
                    let failure = Failure(violation.to_string());
                    self.broken.borrow_mut().get_or_insert(failure.clone());
                    failure
                })?,
        }
        Ok(result)
    }

    /// Creates a grant and lets the oracle know; tried again under its idempotency key while its outcome is unknown.
    async fn create_grant(
        &self,
        via: &[NodeId],
        key: &str,
        tag: Tag,
        within: Duration,
    ) -> Result<Grant, Trouble> {
        self.oracle.borrow_mut().create_sent(tag, world::now());
        let mut doubtful = false;
        let mut last = Trouble::Lost("no node to ask".to_owned());
        for node in via {
            match self.hand.create_grant(*node, key, tag, within).await {
                Ok(grant) => {
                    self.oracle.borrow_mut().created(
                        tag,
                        Acknowledged {
                            at: world::now(),
                            revision: grant.revision,
                            exact: !doubtful,
                        },
                    );
                    return Ok(grant);
                }
                Err(trouble) => {
                    doubtful |= trouble.is_unknown();
                    last = trouble;
                }
            }
        }
        Err(last)
    }

    /// Takes a grant away and lets the oracle know; tried again under its idempotency key while its outcome is unknown.
    async fn remove(
        &self,
        via: &[NodeId],
        key: &str,
        grant: &Grant,
        how: Removal,
        within: Duration,
    ) -> Result<u64, Trouble> {
        self.oracle
            .borrow_mut()
            .removal_sent(grant.tag, world::now());
        let mut doubtful = false;
        let mut last = Trouble::Lost("no node to ask".to_owned());
        for node in via {
            let result = match how {
                Removal::Revoke => self.hand.revoke(*node, key, grant, within).await,
                Removal::Retire => self.hand.retire(*node, key, grant, within).await,
            };
            match result {
                Ok(revision) => {
                    self.oracle.borrow_mut().removed(
                        grant.tag,
                        Acknowledged {
                            at: world::now(),
                            revision,
                            exact: !doubtful,
                        },
                    );
                    return Ok(revision);
                }
                Err(trouble) => {
                    doubtful |= trouble.is_unknown();
                    last = trouble;
                }
            }
        }
        Err(last)
    }

    /// Cuts a node off from every other node; callers still reach it.
    fn cut_off(&self, node: NodeId) {
        for other in self.nodes().filter(|other| *other != node) {
            self.orders
                .give(Order::Cut(world::host(node), world::host(other)));
        }
    }

    fn heal(&self, node: NodeId) {
        for other in self.nodes().filter(|other| *other != node) {
            self.orders
                .give(Order::Heal(world::host(node), world::host(other)));
        }
    }
}

/// How a grant is taken away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Removal {
    Revoke,
    Retire,
}

/// A tag that no grant ever carries.
const NOBODYS: Tag = 0;
