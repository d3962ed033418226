//! A cluster of real nodes in one process: real TCP on loopback, every directed link through a proxy, memory disks.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use futures::FutureExt as _;
use grantd::audit::{DecisionRecord, DecisionSink, NotTold, Sink};
use grantd::crypto::seal::SealKey;
use grantd::domain::authz::caller::{Caller, Identity, RequestFacts};
use grantd::domain::ids::{AccountId, RequestId};
use grantd::domain::op::create_account::CreateAccount;
use grantd::domain::op::{Applied, Command, Entry, Scope};
use grantd::domain::state::State;
use grantd::domain::state::settings::Settings;
use grantd::domain::time::Revision;
use grantd::env::real::{OsRng, RealClock, Tcp, Threads};
use grantd::env::{BootTime, BoxedIo, Clock, Listener, Net, Offload, Rng, WallTime};
use grantd::gate::{Committed, Consistency, Demand, Draft, TooStale, View, WriteError};
use grantd::node::{NewCluster, Node, NodeParts, NodeSettings, StartError};
use grantd::replica::Timings;
use grantd::storage::{MemoryDisk, SledOptions, SledStorage, Storage, StorageError};
use tokio::sync::watch;
use tokio::time::timeout;

use super::api::Api;
use super::proxy::Proxy;

/// Seals the replicated secrets of every test cluster.
pub const SEAL_KEY: [u8; 32] = [7; 32];

/// A bound that a busy machine keeps, for a node that must answer while it is cut off.
pub const WIDE_BOUND: Duration = Duration::from_secs(20);

/// Long enough for anything that must happen, so that a test fails instead of hanging.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// The proxies of a cluster, one per (from, to), and where the nodes listen.
#[derive(Default)]
struct Links {
    proxies: Mutex<BTreeMap<(usize, String), Proxy>>,
    cut: Mutex<Vec<(usize, String)>>,
}

/// One node's network: it reaches every other node through a proxy of its own.
struct LinkedNet {
    from: usize,
    links: Arc<Links>,
}

#[async_trait]
impl Net for LinkedNet {
    async fn bind(&self, address: &str) -> io::Result<Box<dyn Listener>> {
        Tcp.bind(address).await
    }

    async fn connect(&self, address: &str) -> io::Result<BoxedIo> {
        let key = (self.from, address.to_owned());
        let known = self
            .links
            .proxies
            .lock()
            .unwrap()
            .get(&key)
            .map(Proxy::address);
        let through = match known {
            Some(through) => through,
            None => {
                let to: SocketAddr = address.parse().map_err(io::Error::other)?;
                let proxy = Proxy::start(to).await;
                if self.links.cut.lock().unwrap().contains(&key) {
                    proxy.cut();
                }
                let through = proxy.address();
                self.links
                    .proxies
                    .lock()
                    .unwrap()
                    .entry(key)
                    .or_insert(proxy);
                through
            }
        };
        Tcp.connect(&through.to_string()).await
    }
}

/// What a node's log is kept on.
pub enum Disk {
    Memory(MemoryDisk),
    Folder(tempfile::TempDir),
}

impl Disk {
    fn open(&self) -> Result<Arc<dyn Storage>, StorageError> {
        Ok(match self {
            Self::Memory(disk) => Arc::new(disk.open(None)?),
            Self::Folder(folder) => {
                Arc::new(SledStorage::open(folder.path(), SledOptions::default())?)
            }
        })
    }

    /// The folder, for tests that damage it.
    pub fn path(&self) -> &Path {
        match self {
            Self::Folder(folder) => folder.path(),
            Self::Memory(_) => panic!("this test needs a folder"),
        }
    }

    /// The memory disk, for tests that break it.
    pub fn memory(&self) -> &MemoryDisk {
        match self {
            Self::Memory(disk) => disk,
            Self::Folder(_) => panic!("this test needs a memory disk"),
        }
    }
}

pub fn memory() -> Disk {
    Disk::Memory(MemoryDisk::new())
}

pub fn folder() -> Disk {
    Disk::Folder(tempfile::tempdir().unwrap())
}

/// One node of a test cluster, running or not.
pub struct Member {
    pub disk: Disk,
    pub node: Option<Node>,
    /// What it has told of forged tokens, over all its starts.
    pub alarms: Arc<Alarms>,
    /// Its clocks, of which the wall clock can be set wrong.
    pub clock: Arc<TestClock>,
    /// Where it tells what it has applied.
    pub sink: Tap,
    address: Option<String>,
}

/// The real clocks, with a wall clock that can be set.
#[derive(Default)]
pub struct TestClock {
    ahead_ms: AtomicU64,
    behind_ms: AtomicU64,
    /// How often somebody went to sleep for a span.
    sleeps: watch::Sender<BTreeMap<Duration, u64>>,
}

impl TestClock {
    /// Sets the wall clock so far ahead of the real one.
    pub fn set_ahead(&self, span: Duration) {
        let ms = u64::try_from(span.as_millis()).unwrap();
        self.ahead_ms.store(ms, Ordering::SeqCst);
    }

    /// Sets the wall clock so far behind the real one.
    pub fn set_behind(&self, span: Duration) {
        let ms = u64::try_from(span.as_millis()).unwrap();
        self.behind_ms.store(ms, Ordering::SeqCst);
    }

    /// Returns once a task that does something every `span` has done it `times` from its beginning to its end.
    pub async fn rounds(&self, span: Duration, times: u64) {
        let count = |sleeps: &BTreeMap<Duration, u64>| sleeps.get(&span).copied().unwrap_or(0);
        let mut sleeps = self.sleeps.subscribe();
        // The round that goes on now may have begun before the call.
        let enough = count(&sleeps.borrow()) + times + 1;
        let done = sleeps.wait_for(|sleeps| count(sleeps) >= enough);
        timeout(PATIENCE, done)
            .await
            .expect("the task goes on")
            .unwrap();
    }
}

#[async_trait]
impl Clock for TestClock {
    fn boot(&self) -> BootTime {
        RealClock.boot()
    }

    fn wall(&self) -> WallTime {
        let WallTime(real) = RealClock.wall();
        let (ahead, behind) = (&self.ahead_ms, &self.behind_ms);
        WallTime(real + ahead.load(Ordering::SeqCst) - behind.load(Ordering::SeqCst))
    }

    async fn sleep(&self, span: Duration) {
        self.sleeps
            .send_modify(|sleeps| *sleeps.entry(span).or_default() += 1);
        RealClock.sleep(span).await;
    }
}

/// A sink that forgets everything, and blocks whoever applies for as long as it is shut: as a pipe does that nobody reads.
#[derive(Default)]
pub struct Valve {
    shut: Mutex<bool>,
    changed: Condvar,
}

impl Valve {
    /// From now on the next entry that is applied blocks.
    pub fn shut(&self) {
        *self.shut.lock().unwrap() = true;
    }

    /// Whatever is blocked goes on.
    pub fn open(&self) {
        *self.shut.lock().unwrap() = false;
        self.changed.notify_all();
    }
}

/// The hand on a valve: dropped, it leaves it open, so that a test that fails ends.
#[derive(Default)]
pub struct Tap(Arc<Valve>);

impl std::ops::Deref for Tap {
    type Target = Valve;

    fn deref(&self) -> &Valve {
        &self.0
    }
}

impl Drop for Tap {
    fn drop(&mut self) {
        self.0.open();
    }
}

impl Sink for Valve {
    /// Asked for before what was applied is published.
    fn told(&self) -> Revision {
        let shut = self.shut.lock().unwrap();
        drop(self.changed.wait_while(shut, |shut| *shut).unwrap());
        Revision(0)
    }

    fn reached(&self, _: Revision) {}

    fn installed(&self, _: Revision, _: Revision) {}

    fn applied(&self, _: Revision, _: &Entry, _: &Applied) {}
}

/// Remembers how often a node has told that a token was forged, and holds up the answers of decisions if it is to.
#[derive(Default)]
pub struct Alarms {
    told: Mutex<Vec<(u32, u64)>>,
    stall: Mutex<Duration>,
    withdrawn: AtomicU64,
}

impl Alarms {
    /// From now on each decision is held up for so long while it is told.
    pub fn stall(&self, span: Duration) {
        *self.stall.lock().unwrap() = span;
    }

    /// How often it was told that decisions were not answered after all.
    pub fn withdrawn(&self) -> u64 {
        self.withdrawn.load(Ordering::SeqCst)
    }

    /// The epoch and the revision that each forged token claimed.
    pub fn told(&self) -> Vec<(u32, u64)> {
        self.told.lock().unwrap().clone()
    }
}

impl DecisionSink for Alarms {
    fn accepts(&self) -> Result<(), NotTold> {
        Ok(())
    }

    fn decided(&self, _: &DecisionRecord<'_>) -> Result<(), NotTold> {
        let stall = *self.stall.lock().unwrap();
        let began = RealClock.boot();
        while let rest = stall.saturating_sub(RealClock.boot().since(began))
            && !rest.is_zero()
        {
            std::thread::park_timeout(rest);
        }
        Ok(())
    }

    fn withdrawn(&self, _: RequestId, _: &str) {
        self.withdrawn.fetch_add(1, Ordering::SeqCst);
    }

    fn token_forged(&self, _: RequestId, epoch: u32, claimed_revision: u64, _: u64) {
        self.told.lock().unwrap().push((epoch, claimed_revision));
    }
}

/// A cluster under test.
pub struct Cluster {
    pub members: Vec<Member>,
    links: Arc<Links>,
    disk: fn() -> Disk,
    tune: fn(&mut NodeSettings),
    evaluators: Arc<dyn Offload>,
}

impl Cluster {
    /// `count` nodes that work out long answers on `evaluators`.
    pub async fn start_evaluating(count: usize, evaluators: Arc<dyn Offload>) -> Self {
        let cluster = Self {
            evaluators,
            ..Self::empty(memory)
        };
        cluster.grow(count, new_cluster()).await
    }

    /// `count` nodes, the first of which founded the cluster and the others joined one by one.
    pub async fn start(count: usize) -> Self {
        Self::start_with(count, memory, |_| {}).await
    }

    /// The same on other disks and with other settings.
    pub async fn start_with(count: usize, disk: fn() -> Disk, tune: fn(&mut NodeSettings)) -> Self {
        Self::found(count, disk, tune, new_cluster()).await
    }

    /// `count` nodes whose state may be `bound` old.
    pub async fn start_bounded(count: usize, disk: fn() -> Disk, bound: Duration) -> Self {
        let mut new = new_cluster();
        new.settings.max_staleness_ms = bound.as_millis().try_into().unwrap();
        Self::found(count, disk, |_| {}, new).await
    }

    async fn found(
        count: usize,
        disk: fn() -> Disk,
        tune: fn(&mut NodeSettings),
        new: NewCluster,
    ) -> Self {
        let cluster = Self {
            tune,
            ..Self::empty(disk)
        };
        cluster.grow(count, new).await
    }

    async fn grow(mut self, count: usize, new: NewCluster) -> Self {
        let cluster = &mut self;
        cluster.add().await;
        cluster.node(0).cluster().initialize(new).await.unwrap();
        for _ in 1..count {
            let at = cluster.add().await;
            let via = cluster.node(0).address().to_owned();
            cluster
                .node(at)
                .cluster()
                .join(&via, PATIENCE)
                .await
                .unwrap();
        }
        self
    }

    /// No node yet.
    pub fn empty(disk: fn() -> Disk) -> Self {
        Self {
            members: Vec::new(),
            links: Arc::default(),
            disk,
            tune: |_| {},
            evaluators: Arc::new(Threads),
        }
    }

    /// Starts a node that belongs to no cluster yet, and returns its place.
    pub async fn add(&mut self) -> usize {
        self.add_on((self.disk)()).await
    }

    /// The same on a disk of its own.
    pub async fn add_on(&mut self, disk: Disk) -> usize {
        self.members.push(Member {
            disk,
            node: None,
            alarms: Arc::default(),
            clock: Arc::default(),
            sink: Tap::default(),
            address: None,
        });
        let at = self.members.len() - 1;
        self.restart(at).await;
        at
    }

    /// Starts a node again on its disk and at its address.
    pub async fn restart(&mut self, at: usize) {
        self.try_restart(at).await.unwrap();
    }

    /// The same, where the start may be refused.
    pub async fn try_restart(&mut self, at: usize) -> Result<(), StartError> {
        let member = &self.members[at];
        let mut settings = NodeSettings::new(
            member
                .address
                .clone()
                .unwrap_or_else(|| "127.0.0.1:0".to_owned()),
        );
        settings.node_id = Some(at as u64 + 1);
        // Many clusters share this process and its few cores: what is tested here is what happens, not how soon.
        settings.timings = Timings {
            heartbeat_ms: 250,
            election_ms_min: 500,
            election_ms_max: 900,
            backoff_ms: 100,
        };
        (self.tune)(&mut settings);
        let storage = member.disk.open()?;
        let node = grantd::node::start(NodeParts {
            settings,
            clock: member.clock.clone(),
            rng: Arc::new(OsRng),
            net: Arc::new(LinkedNet {
                from: at,
                links: self.links.clone(),
            }),
            threads: Arc::new(Threads),
            evaluators: self.evaluators.clone(),
            storage,
            seal_key: Arc::new(SealKey::from_bytes(SEAL_KEY)),
            sink: member.sink.0.clone(),
            front: grantd::node::api(member.alarms.clone()),
        })
        .await?;
        let member = &mut self.members[at];
        member.address = Some(node.address().to_owned());
        member.node = Some(node);
        Ok(())
    }

    /// Stops a node cleanly.
    pub async fn stop(&mut self, at: usize) {
        if let Some(node) = self.members[at].node.take() {
            node.shutdown().await;
        }
    }

    /// The running node at a place.
    pub fn node(&self, at: usize) -> &Node {
        self.members[at].node.as_ref().unwrap()
    }

    /// The operator at the node at `at`.
    pub fn api(&self, at: usize) -> Api {
        Api::at(self.node(at).address())
    }

    /// The places of running nodes.
    pub fn running(&self) -> impl Iterator<Item = usize> + '_ {
        (0..self.members.len()).filter(|at| self.members[*at].node.is_some())
    }

    /// The place of the node that the majority of running nodes takes for the leader.
    pub async fn leader(&self) -> usize {
        timeout(PATIENCE, self.leader_that(|_| true))
            .await
            .expect("a leader is elected")
    }

    /// The same of the leaders that `fits` takes.
    async fn leader_that(&self, fits: impl Fn(usize) -> bool) -> usize {
        loop {
            let seen: Vec<(usize, Option<u64>)> = self
                .running()
                .map(|at| (at, self.node(at).replica().status().leader))
                .collect();
            let mut votes: BTreeMap<u64, usize> = BTreeMap::new();
            for leader in seen.iter().filter_map(|(_, leader)| *leader) {
                *votes.entry(leader).or_default() += 1;
            }
            let leader = votes
                .into_iter()
                .find(|(_, count)| *count * 2 > self.members.len())
                .map(|(leader, _)| leader as usize - 1);
            if let Some(leader) =
                leader.filter(|leader| self.members[*leader].node.is_some() && fits(*leader))
            {
                return leader;
            }
            // Any of them changes its mind.
            let changes = seen
                .iter()
                .map(|(at, leader)| self.node(*at).replica().leader_other_than(*leader).boxed());
            futures::future::select_all(changes).await;
        }
    }

    /// Returns the leader once the others have elected one in the place of `old`.
    pub async fn leader_other_than(&self, old: usize) -> usize {
        timeout(PATIENCE, self.leader_that(|leader| leader != old))
            .await
            .expect("another leader is elected")
    }

    /// What `look` finds in the state of the node at `at`, as soon as that has it.
    pub async fn until_state<T>(
        &self,
        at: usize,
        what: &str,
        look: impl Fn(&State) -> Option<T>,
    ) -> T {
        let board = self.node(at).replica().board();
        let mut revisions = board.revisions();
        let found = async {
            loop {
                revisions.borrow_and_update();
                if let Some(found) = look(&board.load().state) {
                    return found;
                }
                revisions.changed().await.unwrap();
            }
        };
        match timeout(PATIENCE, found).await {
            Ok(found) => found,
            Err(_) => panic!("waited {} s in vain: {what}", PATIENCE.as_secs()),
        }
    }

    /// The place of a running node that does not lead.
    pub async fn follower(&self) -> usize {
        let leader = self.leader().await;
        self.running().find(|at| *at != leader).unwrap()
    }

    /// Cuts every link between a node and the others, both ways.
    pub fn cut_off(&self, at: usize) {
        self.each_link_of(at, |links, key| {
            links.cut.lock().unwrap().push(key.clone());
            if let Some(proxy) = links.proxies.lock().unwrap().get(&key) {
                proxy.cut();
            }
        });
    }

    /// From now on a node hears nothing of the others: what it sends arrives, no answer comes back, and what they send to
    /// it is lost. Of the links that are in use now.
    pub fn deafen(&self, at: usize) {
        let own = self.members[at].address.clone().unwrap();
        for ((from, to), proxy) in &*self.links.proxies.lock().unwrap() {
            if *from == at {
                proxy.cut_answers();
            } else if *to == own {
                proxy.cut();
            }
        }
    }

    /// Heals them.
    pub fn heal(&self, at: usize) {
        self.each_link_of(at, |links, key| {
            links.cut.lock().unwrap().retain(|cut| *cut != key);
            if let Some(proxy) = links.proxies.lock().unwrap().get(&key) {
                proxy.heal();
            }
        });
    }

    fn each_link_of(&self, at: usize, act: impl Fn(&Links, (usize, String))) {
        let address = |at: usize| self.members[at].address.clone().unwrap();
        for other in (0..self.members.len()).filter(|other| *other != at) {
            act(&self.links, (at, address(other)));
            act(&self.links, (other, address(at)));
        }
    }

    /// Makes account number `number` through the node at `at`.
    pub async fn write(&self, at: usize, number: u64) -> Result<Committed, WriteError> {
        self.node(at)
            .doors()
            .write
            .propose(create_account(number), PATIENCE)
            .await
    }

    /// A view of the node at `at`.
    pub async fn view(
        &self,
        at: usize,
        consistency: Consistency,
        deadline: Duration,
    ) -> Result<View, TooStale> {
        let demand = Demand {
            consistency,
            max_staleness: None,
            deadline,
        };
        self.node(at).doors().read.view(&demand).await
    }

    /// Stops every node.
    pub async fn shutdown(mut self) {
        for at in 0..self.members.len() {
            self.stop(at).await;
        }
    }
}

/// What `look` finds, as soon as it does: for what a node says of itself when it is asked, and raises no event about.
pub async fn polled<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let found = async {
        loop {
            if let Some(found) = look() {
                return found;
            }
            RealClock.sleep(Duration::from_millis(20)).await;
        }
    };
    match timeout(PATIENCE, found).await {
        Ok(found) => found,
        Err(_) => panic!("waited {} s in vain: {what}", PATIENCE.as_secs()),
    }
}

pub fn scope() -> Scope {
    Scope {
        partition: "aws".parse().unwrap(),
        region: "eu-central-1".parse().unwrap(),
    }
}

pub fn new_cluster() -> NewCluster {
    NewCluster {
        settings: Settings::default(),
        scope: scope(),
        deadline: PATIENCE,
    }
}

pub fn account(number: u64) -> AccountId {
    format!("{number:012}").parse().unwrap()
}

pub fn create_account(number: u64) -> Draft {
    let rng: &dyn Rng = &OsRng;
    Draft {
        caller: Caller {
            identity: Identity::Operator,
            facts: RequestFacts::default(),
        },
        scope: scope(),
        request_id: RequestId(rng.bytes16()),
        idempotency: None,
        command: Command::CreateAccount(CreateAccount {
            account: account(number),
            name: "test".into(),
        }),
    }
}
