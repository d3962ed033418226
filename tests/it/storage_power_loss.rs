//! Power loss: what was acknowledged is there when only what was synced has survived, with any part of the rest.
//!
//! A probe sees every step of the store on the disk. It keeps what is durable: the content of a file as of its last
//! sync, the names of a folder as of its last sync. At every step, before and after, it builds the folder that a power
//! loss at that moment could leave (only what was synced; pages of the rest up to some point; a random part of them),
//! starts a store on it and compares with what was acknowledged by then. A sync that is left out of what counts as
//! durable must make this fail: that is shown for each of them.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use grantd::storage::{
    Identity, LogId, Probe, Record, SledOptions, SledStorage, Step, Storage, StorageError,
    StoredVote,
};

use crate::storage_common::{
    NODE, SplitMix, append, folder, id, read_all, read_snapshot, record, records, write_snapshot,
};

/// A page of the page cache: what survives is whole pages.
const PAGE: usize = 4096;

/// What the outside was promised, and what it must be prepared to see because it was asked for.
#[derive(Clone, Default)]
struct Promise {
    /// The log up to here was acknowledged; what a snapshot covers needs not be in it.
    acknowledged: Option<LogId>,
    /// Every record that was ever sent, by index: the last is the one that counts.
    sent: BTreeMap<u64, Vec<Record>>,
    /// The vote that was acknowledged, and one on its way.
    votes: Vec<Option<StoredVote>>,
    identities: Vec<Option<Identity>>,
    /// The snapshot that was acknowledged, and one on its way.
    snapshots: Vec<Option<(LogId, Vec<u8>)>>,
    /// Everything up to here was purged, and that was acknowledged.
    purged: Option<LogId>,
}

type FileKey = (u64, Option<std::time::SystemTime>);

#[derive(Clone, PartialEq)]
enum Node {
    Folder,
    File(FileKey),
}

/// The names of every folder, by its path below the root.
type Names = BTreeMap<PathBuf, BTreeMap<PathBuf, Node>>;

#[derive(Clone, Default)]
struct Platter {
    names: Names,
    contents: BTreeMap<FileKey, Arc<Vec<u8>>>,
}

struct Recorder {
    root: PathBuf,
    /// A sync that does not count.
    left_out: Option<Step>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    durable: Platter,
    promise: Promise,
    losses: u64,
    violations: Vec<String>,
    steps: BTreeMap<Step, u64>,
    /// Between the opening of sled and our first sync. Sled's own recovery syncs every piece it writes before it writes the
    /// next (its `pagecache/snapshot.rs`), so a mix of pieces cannot be left by a power loss: all of it or nothing.
    recovering: bool,
    /// The next step of this kind fails once.
    fail: Option<Step>,
}

/// How much of what was not synced survives.
#[derive(Clone, Copy, Debug)]
enum Rest {
    Nothing,
    /// The first so many thousandths of each file's changed pages, and the new names.
    Prefix(u64),
    /// Everything: the page cache was written back just in time.
    All,
    /// Each page and each folder's new names by a coin.
    Random(u64),
}

fn key(path: &Path) -> io::Result<FileKey> {
    let metadata = fs::metadata(path)?;
    Ok((metadata.ino(), metadata.created().ok()))
}

fn names(root: &Path, folder: &Path, into: &mut Names) -> io::Result<()> {
    let below = folder.strip_prefix(root).map_err(io::Error::other)?;
    into.insert(below.to_owned(), listing(folder)?);
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            names(root, &entry.path(), into)?;
        }
    }
    Ok(())
}

fn listing(folder: &Path) -> io::Result<BTreeMap<PathBuf, Node>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let node = if entry.file_type()?.is_dir() {
            Node::Folder
        } else {
            Node::File(key(&entry.path())?)
        };
        found.insert(PathBuf::from(entry.file_name()), node);
    }
    Ok(found)
}

impl Recorder {
    fn live(&self) -> io::Result<Platter> {
        let mut live = Platter::default();
        names(&self.root, &self.root, &mut live.names)?;
        for (folder, entries) in &live.names {
            for (name, node) in entries {
                if let Node::File(key) = node {
                    let content = fs::read(self.root.join(folder).join(name))?;
                    live.contents.insert(*key, Arc::new(content));
                }
            }
        }
        Ok(live)
    }

    /// The power fails now.
    fn lose_power(&self, state: &mut State, at: &str, rests: &[Rest]) -> io::Result<()> {
        // Without a sync, the first violation is all that is asked for.
        if self.left_out.is_some() && !state.violations.is_empty() {
            return Ok(());
        }
        let live = self.live()?;
        for rest in rests {
            let target = folder();
            rebuild(target.path(), &state.durable, &live, *rest)?;
            state.losses += 1;
            if let Err(violation) = verify(&target.path().join("node"), &state.promise) {
                state
                    .violations
                    .push(format!("power lost {at}, with {rest:?}: {violation}"));
            }
        }
        Ok(())
    }

    fn promise(&self, change: impl FnOnce(&mut Promise)) {
        change(&mut self.state.lock().expect("lock").promise);
    }
}

impl Probe for Recorder {
    fn before(&self, step: Step, _: &Path) -> io::Result<()> {
        let mut state = self.state.lock().expect("lock");
        if state.fail == Some(step) {
            state.fail = None;
            return Err(io::Error::other("injected"));
        }
        if self.left_out.is_none() && Step::SYNCS.contains(&step) {
            let seed = state.losses;
            let rests = if state.recovering {
                vec![Rest::All]
            } else {
                vec![
                    Rest::Prefix(seed * 37 % 1000),
                    Rest::Random(seed),
                    Rest::Random(seed + 1),
                    Rest::All,
                ]
            };
            self.lose_power(&mut state, &format!("before {step:?}"), &rests)?;
        }
        Ok(())
    }

    fn after(&self, step: Step, path: &Path) {
        let mut state = self.state.lock().expect("lock");
        *state.steps.entry(step).or_default() += 1;
        state.recovering &= step != Step::LogSync;
        if !Step::SYNCS.contains(&step) {
            return;
        }
        if self.left_out != Some(step) {
            if path.is_dir() {
                let below = path
                    .strip_prefix(&self.root)
                    .expect("below the root")
                    .to_owned();
                let found = listing(path).expect("lists");
                state.durable.names.insert(below, found);
            } else {
                let content = fs::read(path).expect("reads");
                let key = key(path).expect("is there");
                state.durable.contents.insert(key, Arc::new(content));
            }
        }
        let at = format!("after {step:?}");
        self.lose_power(&mut state, &at, &[Rest::Nothing])
            .expect("loses power");
    }
}

/// Builds a folder from what is durable and a part of the rest.
fn rebuild(target: &Path, durable: &Platter, live: &Platter, rest: Rest) -> io::Result<()> {
    let mut random = SplitMix(match rest {
        Rest::Random(seed) => seed,
        Rest::Nothing | Rest::Prefix(_) | Rest::All => 0,
    });
    let mut folders = vec![PathBuf::new()];
    while let Some(folder) = folders.pop() {
        let new_names = match rest {
            Rest::Nothing => false,
            Rest::Prefix(_) | Rest::All => true,
            Rest::Random(_) => random.below(2) == 0,
        };
        let platter = if new_names { live } else { durable };
        for (name, node) in platter.names.get(&folder).into_iter().flatten() {
            let path = target.join(&folder).join(name);
            match node {
                Node::Folder => {
                    fs::create_dir_all(&path)?;
                    folders.push(folder.join(name));
                }
                Node::File(key) => {
                    let old = durable.contents.get(key).cloned().unwrap_or_default();
                    let new = live.contents.get(key).cloned().unwrap_or(old.clone());
                    fs::write(&path, mix(&old, &new, rest, &mut random))?;
                }
            }
        }
    }
    Ok(())
}

/// The pages of a file of which some changes did not reach the disk.
fn mix(old: &[u8], new: &[u8], rest: Rest, random: &mut SplitMix) -> Vec<u8> {
    let pages = old.len().max(new.len()).div_ceil(PAGE);
    let mut mixed = Vec::with_capacity(pages * PAGE);
    let changed = |at: usize| page(old, at) != page(new, at);
    let total = (0..pages).filter(|at| changed(*at)).count() as u64;
    let mut seen = 0;
    for at in 0..pages {
        let take_new = if changed(at) {
            seen += 1;
            match rest {
                Rest::Nothing => false,
                Rest::All => true,
                Rest::Prefix(thousandths) => seen * 1000 <= total * thousandths,
                Rest::Random(_) => random.below(2) == 0,
            }
        } else {
            true
        };
        mixed.extend_from_slice(&page(if take_new { new } else { old }, at));
    }
    let length = match rest {
        Rest::Nothing => old.len(),
        Rest::All => return new.to_vec(),
        Rest::Prefix(_) | Rest::Random(_) if random.below(2) == 0 => old.len(),
        Rest::Prefix(_) | Rest::Random(_) => new.len(),
    };
    // A file never shrinks below what both agree on, and never ends inside of nothing.
    mixed.truncate(length.max(old.len().min(new.len())));
    mixed
}

fn page(content: &[u8], at: usize) -> [u8; PAGE] {
    let mut page = [0; PAGE];
    let from = (at * PAGE).min(content.len());
    let to = ((at + 1) * PAGE).min(content.len());
    page[..to - from].copy_from_slice(&content[from..to]);
    page
}

/// Starts on what is left, and compares with what was promised.
fn verify(node: &Path, promise: &Promise) -> Result<(), String> {
    let storage = SledStorage::open(
        node,
        SledOptions {
            expected_node: Some(NODE),
            probe: None,
        },
    )
    .map_err(|error| format!("the start was refused: {error}"))?;
    // Steps run on the writer's thread and on the thread that opens: a runtime of its own needs a thread of its own.
    std::thread::scope(|scope| {
        scope
            .spawn(|| {
                let runtime = tokio::runtime::Builder::new_current_thread()
                    .build()
                    .map_err(|error| error.to_string())?;
                runtime.block_on(compare(&storage, promise))
            })
            .join()
            .unwrap_or_else(|_| Err("the comparison panicked".to_owned()))
    })
}

async fn compare(storage: &SledStorage, promise: &Promise) -> Result<(), String> {
    let found = storage.recovered();
    if !promise.votes.contains(&found.vote) {
        return Err(format!("the vote is {:?}", found.vote));
    }
    if !promise.identities.contains(&found.identity) {
        return Err(format!("the identity is {:?}", found.identity));
    }
    let snapshot = read_snapshot(storage)
        .await
        .map_err(|error| format!("the snapshot cannot be read: {error}"))?;
    if !promise.snapshots.contains(&snapshot) {
        return Err(format!(
            "the snapshot is of {:?}",
            snapshot.map(|(last, _)| last)
        ));
    }
    if found.log.purged < promise.purged {
        return Err(format!("a purge was undone: {:?}", found.log.purged));
    }
    let reached = found.log.last.max(snapshot.map(|(last, _)| last));
    if reached.map(|last| last.index) < promise.acknowledged.map(|last| last.index) {
        return Err(format!(
            "the log ends at {:?}, {:?} was acknowledged",
            found.log.last, promise.acknowledged
        ));
    }
    let log = read_all(storage)
        .await
        .map_err(|error| format!("the log cannot be read: {error}"))?;
    let last = log.last().map(|record| record.id).or(found.log.purged);
    if last != found.log.last {
        return Err(format!("the log reads up to {last:?}"));
    }
    for record in &log {
        let sent = promise.sent.get(&record.id.index);
        let acknowledged = promise.acknowledged.map(|last| last.index) >= Some(record.id.index);
        let fine = match sent {
            None => false,
            Some(sent) if acknowledged => sent.last() == Some(record),
            Some(sent) => sent.contains(record),
        };
        if !fine {
            return Err(format!("record {} is not what was sent", record.id));
        }
    }
    Ok(())
}

/// A node that does a bit of everything, and says what it was promised.
struct Driver {
    recorder: Arc<Recorder>,
    storage: Option<SledStorage>,
    term: u64,
}

impl Driver {
    fn start(root: &Path, left_out: Option<Step>) -> Driver {
        let recorder = Arc::new(Recorder {
            root: root.to_owned(),
            left_out,
            state: Mutex::new(State {
                promise: Promise {
                    votes: vec![None],
                    identities: vec![None],
                    snapshots: vec![None],
                    ..Promise::default()
                },
                ..State::default()
            }),
        });
        let mut driver = Driver {
            recorder,
            storage: None,
            term: 1,
        };
        driver.open();
        driver
    }

    fn open(&mut self) {
        // An empty folder has nothing to recover: there every mix counts.
        let reopened = self.recorder.root.join("node/log/db").exists();
        self.recorder.state.lock().expect("lock").recovering = reopened;
        let storage = SledStorage::open(
            self.recorder.root.join("node"),
            SledOptions {
                expected_node: Some(NODE),
                probe: Some(self.recorder.clone()),
            },
        )
        .expect("opens on the undisturbed disk");
        // What a start reports counts as durable from then on.
        let found = storage.recovered().log.last;
        self.recorder
            .promise(|promise| promise.acknowledged = promise.acknowledged.max(found));
        self.storage = Some(storage);
        self.now("after a start");
    }

    fn storage(&self) -> &SledStorage {
        self.storage.as_ref().expect("is open")
    }

    fn reopen(&mut self) {
        self.storage = None;
        self.open();
    }

    /// Loses the power outside of any step.
    fn now(&self, at: &str) {
        let mut state = self.recorder.state.lock().expect("lock");
        self.recorder
            .lose_power(&mut state, at, &[Rest::Nothing])
            .expect("loses power");
    }

    fn next_index(&self) -> u64 {
        self.storage()
            .log_state()
            .last
            .map_or(0, |last| last.index + 1)
    }

    fn send(&self, count: u64, bytes: usize) -> Vec<Record> {
        let from = self.next_index();
        let new = records(self.term, from..from + count, bytes);
        self.recorder.promise(|promise| {
            for record in &new {
                promise
                    .sent
                    .entry(record.id.index)
                    .or_default()
                    .push(record.clone());
            }
        });
        new
    }

    async fn append(&self, count: u64, bytes: usize) {
        let new = self.send(count, bytes);
        let last = new.last().map(|record| record.id);
        append(self.storage(), new).await.expect("appends");
        self.recorder.promise(|promise| promise.acknowledged = last);
        self.now("after an append");
    }

    async fn vote(&self, term: u64) {
        let vote = StoredVote {
            term,
            node: 2,
            committed: false,
        };
        self.recorder
            .promise(|promise| promise.votes.push(Some(vote)));
        self.storage().save_vote(vote).await.expect("votes");
        self.recorder
            .promise(|promise| promise.votes = vec![Some(vote)]);
        self.now("after a vote");
    }

    async fn bind(&self, incarnation: Option<[u8; 16]>) {
        let identity = Identity {
            node_id: NODE,
            disk: [NODE as u8; 16],
            incarnation,
        };
        self.recorder
            .promise(|promise| promise.identities.push(Some(identity)));
        self.storage().save_identity(identity).await.expect("binds");
        self.recorder
            .promise(|promise| promise.identities = vec![Some(identity)]);
        self.now("after binding");
    }

    async fn truncate_after(&mut self, last: LogId) {
        self.recorder
            .promise(|promise| promise.acknowledged = promise.acknowledged.min(Some(last)));
        self.storage()
            .truncate_after(Some(last))
            .await
            .expect("truncates");
        self.term += 1;
        self.now("after a truncation");
    }

    async fn snapshot(&self, last: LogId) {
        let content: Vec<u8> = (0..150_000).map(|at| (at % 241) as u8).collect();
        let new = Some((last, content.clone()));
        self.recorder
            .promise(|promise| promise.snapshots.push(new.clone()));
        write_snapshot(self.storage(), last, &content)
            .await
            .expect("writes a snapshot");
        self.recorder
            .promise(|promise| promise.snapshots = vec![new]);
        self.now("after a snapshot");
    }

    async fn purge(&self, upto: LogId) {
        self.storage().purge(upto).await.expect("purges");
        self.recorder.promise(|promise| {
            promise.purged = Some(upto);
            promise.acknowledged = promise.acknowledged.max(Some(upto));
        });
        self.now("after a purge");
    }

    /// The process is killed between writing a batch and syncing it: the batch lies in the page cache.
    async fn killed_before_sync(&mut self) {
        let new = self.send(2, 700);
        self.recorder.state.lock().expect("lock").fail = Some(Step::LogSync);
        let refused = append(self.storage(), new).await;
        assert!(
            matches!(refused, Err(StorageError::Io { .. })),
            "{refused:?}"
        );
        self.reopen();
    }

    async fn everything(&mut self) {
        self.bind(None).await;
        self.append(3, 200).await;
        self.vote(1).await;
        self.append(1, 60_000).await;
        self.bind(Some([4; 16])).await;
        self.reopen();
        self.append(4, 300).await;
        self.truncate_after(id(1, 5)).await;
        self.append(2, 300).await;
        self.vote(2).await;
        self.killed_before_sync().await;
        self.append(2, 300).await;
        self.snapshot(id(1, 5)).await;
        self.purge(id(1, 5)).await;
        self.append(2, 300).await;
        self.snapshot(id(self.term, 40)).await;
        self.purge(id(self.term, 40)).await;
        self.append(3, 300).await;
        self.reopen();
        self.vote(3).await;
        self.append(1, 300).await;
    }

    /// Enough to fill, free and use again several of sled's segments.
    async fn wear(&mut self) {
        self.bind(None).await;
        for round in 1..=4u64 {
            for _ in 0..5 {
                self.append(16, 18_000).await;
            }
            let last = self.storage().log_state().last.expect("has a last");
            let upto = id(self.term, last.index - 20);
            self.snapshot(upto).await;
            self.purge(upto).await;
            if round == 3 {
                self.reopen();
            }
        }
    }

    fn violations(&self) -> (u64, Vec<String>) {
        let state = self.recorder.state.lock().expect("lock");
        (state.losses, state.violations.clone())
    }
}

/// at every step of every kind of write, with any part of what was not synced.
#[tokio::test]
async fn power_loss_at_any_step_loses_nothing_that_was_acknowledged() {
    let root = folder();
    let mut driver = Driver::start(root.path(), None);
    driver.everything().await;
    let (losses, violations) = driver.violations();
    assert!(losses > 200, "only {losses} power losses were tried");
    assert!(
        violations.is_empty(),
        "{} violations in {losses} power losses, the first: {}",
        violations.len(),
        violations[0]
    );
    let state = driver.recorder.state.lock().expect("lock");
    for step in Step::SYNCS {
        assert!(state.steps.contains_key(&step), "{step:?} never happened");
    }
}

/// sled moves records and uses its segments again; what was acknowledged long ago survives that too.
#[tokio::test]
async fn power_loss_while_segments_are_reused_loses_nothing() {
    let root = folder();
    let mut driver = Driver::start(root.path(), None);
    driver.wear().await;
    let (losses, violations) = driver.violations();
    assert!(
        violations.is_empty(),
        "{} violations in {losses} power losses, the first: {}",
        violations.len(),
        violations[0]
    );
}

/// The test above can fail: leave any one sync out of what counts as durable, and it finds something lost.
#[tokio::test]
async fn power_loss_without_any_one_sync_is_noticed() {
    let mut unnoticed = Vec::new();
    for step in Step::SYNCS {
        let root = folder();
        let mut driver = Driver::start(root.path(), Some(step));
        driver.everything().await;
        let (_, violations) = driver.violations();
        if violations.is_empty() {
            unnoticed.push(step);
        }
    }
    assert!(
        unnoticed.is_empty(),
        "nothing noticed without {unnoticed:?}"
    );
}

/// A record that was never sent, or another's in its place, is a violation: the comparison itself is checked.
#[tokio::test]
async fn comparison_notices_what_was_never_sent() {
    let root = folder();
    let mut driver = Driver::start(root.path(), None);
    driver.bind(None).await;
    driver.append(2, 10).await;
    driver.recorder.promise(|promise| {
        promise.sent.insert(1, vec![record(1, 1, 11)]);
    });
    driver.now("after the promise was changed");
    assert_eq!(driver.violations().1.len(), 1);
    driver.reopen();
}
