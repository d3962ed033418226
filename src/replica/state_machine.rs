//! openraft's state machine over `domain::State`: applies committed entries in order and publishes the result.
//!
//! A batch is published with one swap, before any of its writers is answered: whoever was told of a write finds it in
//! the state. Never: an order of its own, a clock, a change of the state other than by `domain::op::apply`.

use std::io;
use std::sync::Arc;

use arc_swap::ArcSwap;
use futures::{Stream, TryStreamExt};
use openraft::OptionalSend;
use openraft::storage::{ApplyResponder, EntryResponder, RaftSnapshotBuilder, RaftStateMachine};
use tokio::sync::watch;

use super::fingerprints::Marks;
use super::snapshot::{self, Head, SnapshotData, Workshop};
use super::types::{
    Command, Entry, LogId, NodeId, NodeIds, Payload, Reply, Snapshot, SnapshotMeta,
    StoredMembership, TypeConfig,
};
use crate::audit::Sink;
use crate::domain::limits;
use crate::domain::op::{self, Semantics};
use crate::domain::state::State;
use crate::domain::time::Revision;
use crate::wire::stored;

/// The state of this node at one point of the log.
#[derive(Clone, Debug, Default)]
pub struct Published {
    /// The facts.
    pub state: State,
    last: Option<LogId>,
    membership: StoredMembership,
    ids: Arc<NodeIds>,
}

impl Published {
    /// Who belongs to the cluster by the last membership that is committed and applied here.
    pub fn membership(&self) -> &StoredMembership {
        &self.membership
    }

    /// Every id that was ever a member's: it is never given again.
    pub fn ids(&self) -> &NodeIds {
        &self.ids
    }

    /// Whether `node` was a member at some time.
    pub fn ever_had(&self, node: NodeId) -> bool {
        self.ids.contains(&node)
    }

    /// The index of the last entry that is in it, blanks and membership changes included; zero before the first.
    pub fn revision(&self) -> Revision {
        Revision(self.last.map_or(0, |id| id.index))
    }

    /// The head of a snapshot of it.
    pub(super) fn head(&self) -> Head {
        Head {
            meta: SnapshotMeta {
                last_log_id: self.last,
                last_membership: self.membership.clone(),
            },
            ids: NodeIds::clone(&self.ids),
        }
    }
}

/// Where the state machine publishes and everybody else looks.
#[derive(Debug)]
pub struct Board {
    current: ArcSwap<Published>,
    revision: watch::Sender<Revision>,
}

impl Board {
    fn new(first: Published) -> Self {
        let revision = first.revision();
        Self {
            current: ArcSwap::from_pointee(first),
            revision: watch::Sender::new(revision),
        }
    }

    /// The newest published state.
    pub fn load(&self) -> Arc<Published> {
        self.current.load_full()
    }

    /// Follows the published revision.
    pub fn revisions(&self) -> watch::Receiver<Revision> {
        self.revision.subscribe()
    }

    fn publish(&self, next: Published) {
        let revision = next.revision();
        // ORDER: the state first: whoever is woken by the revision must find it.
        self.current.store(Arc::new(next));
        self.revision.send_replace(revision);
    }
}

/// The state machine of one node.
pub struct StateMachine {
    board: Arc<Board>,
    workshop: Workshop,
    sink: Arc<dyn Sink>,
    marks: Arc<Marks>,
}

impl StateMachine {
    /// Opens the state that the newest snapshot holds, or the empty one.
    pub async fn open(
        workshop: Workshop,
        sink: Arc<dyn Sink>,
        marks: Arc<Marks>,
    ) -> io::Result<(Self, Arc<Board>)> {
        let first = match snapshot::open_newest(&*workshop.storage).await? {
            Some((head, source)) => Self::published(&workshop, head, source).await?,
            None => Published::default(),
        };
        let (told, from) = (sink.told(), first.revision());
        let board = Arc::new(Board::new(first));
        if from > told {
            // The node ended before it could tell of all that its snapshot holds, or it came from elsewhere.
            sink.installed(told, from);
        }
        let machine = Self {
            board: board.clone(),
            workshop,
            sink,
            marks,
        };
        Ok((machine, board))
    }

    async fn published(
        workshop: &Workshop,
        head: Head,
        source: crate::storage::SnapshotSource,
    ) -> io::Result<Published> {
        let Head { meta, ids } = head;
        let SnapshotMeta {
            last_log_id,
            last_membership,
        } = meta;
        let state = snapshot::read(&*workshop.threads, source, workshop.moves.clone()).await?;
        known(&state).map_err(|why| {
            io::Error::new(
                io::ErrorKind::InvalidData,
                format!(
                    "the newest snapshot is not understood: {why}; start a newer version of grantd"
                ),
            )
        })?;
        Ok(Published {
            state,
            last: last_log_id,
            membership: last_membership,
            ids: Arc::new(ids),
        })
    }

    fn step(&self, working: &mut Published, entry: Entry) -> io::Result<Step> {
        self.workshop.moves.step();
        let Entry { log_id, payload } = entry;
        let step = match payload {
            Payload::Blank => Step::NoCommand,
            Payload::Membership(membership) => {
                let members: Vec<NodeId> = membership.nodes().map(|(id, _)| *id).collect();
                op::members_changed(&mut working.state, Revision(log_id.index), &members);
                let new = |id: &NodeId| !working.ids.contains(id);
                let new: Vec<NodeId> = members.into_iter().filter(new).collect();
                if !new.is_empty() {
                    Arc::make_mut(&mut working.ids).extend(new);
                }
                working.membership = StoredMembership::new(Some(log_id), membership);
                Step::NoCommand
            }
            Payload::Normal(Command(bytes)) => {
                let entry =
                    stored::decode_entry(&bytes).map_err(|error| not_understood(log_id, &error))?;
                if entry.semantics > Semantics::CURRENT {
                    return Err(not_understood(
                        log_id,
                        &format!(
                            "it asks for semantics {}, this binary knows {}",
                            entry.semantics.0,
                            Semantics::CURRENT.0
                        ),
                    ));
                }
                let revision = Revision(log_id.index);
                let applied = op::apply(&mut working.state, revision, &entry);
                known(&working.state).map_err(|why| not_understood(log_id, &why))?;
                Step::Applied(Box::new((revision, entry, applied)), bytes.len())
            }
        };
        working.last = Some(log_id);
        self.marks.applied(Revision(log_id.index), &working.state);
        Ok(step)
    }

    fn publish(&self, working: &Published, steps: &mut Steps) {
        // Whatever blocks here, the rest of the node goes on: the watchdog could tell nobody otherwise.
        self.workshop
            .threads
            .in_place(&mut || self.publish_here(working, steps));
    }

    fn publish_here(&self, working: &Published, steps: &mut Steps) {
        let told = self.sink.told();
        self.board.publish(working.clone());
        for (step, responder) in steps.drain(..) {
            let reply = match step {
                Step::NoCommand => Reply::NoCommand,
                Step::Applied(applied, _) => {
                    let (revision, entry, applied) = *applied;
                    // ORDER: published first, then told to the sink, then answered. What a restart applies once more was
                    // told in an earlier life.
                    if revision > told {
                        self.sink.applied(revision, &entry, &applied);
                    }
                    Reply::Outcome {
                        outcome: Box::new(applied.outcome),
                        settled_at: applied.settled_at,
                    }
                }
            };
            if let Some(responder) = responder {
                responder.send(reply);
            }
        }
        if working.revision() > told {
            self.sink.reached(working.revision());
        }
    }

    /// Publishes what a snapshot holds. What it stands for was applied elsewhere, so the sink is told of the gap.
    fn publish_installed(&self, next: Published) {
        let (before, to) = (self.board.load().revision(), next.revision());
        self.board.publish(next);
        let after = before.max(self.sink.told());
        if to > after {
            self.sink.installed(after, to);
        }
    }
}

/// What came of an entry, and who waits for it.
type Steps = Vec<(Step, Option<ApplyResponder<TypeConfig>>)>;

/// What came of an entry.
enum Step {
    /// It changes nothing of the state.
    NoCommand,
    /// A command, with the size of its stored form.
    Applied(Box<(Revision, op::Entry, op::Applied)>, usize),
}

impl Step {
    fn bytes(&self) -> usize {
        match self {
            Self::NoCommand => 0,
            Self::Applied(_, bytes) => *bytes,
        }
    }
}

/// That this binary knows what the cluster's entries mean from here on.
pub(super) fn known(state: &State) -> Result<(), String> {
    let Semantics(raised) = state.semantics();
    let Semantics(newest) = Semantics::CURRENT;
    if raised <= newest {
        return Ok(());
    }
    Err(format!(
        "the cluster is at semantics {raised}, this binary knows {newest}"
    ))
}

/// An entry that this binary cannot apply stops the node: to skip it would be to diverge.
fn not_understood(id: LogId, why: &dyn std::fmt::Display) -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidData,
        format!(
            "the entry at revision {} is not understood: {why}; start a newer version of grantd",
            id.index
        ),
    )
}

impl RaftStateMachine<TypeConfig> for StateMachine {
    type SnapshotData = SnapshotData;
    type SnapshotBuilder = SnapshotBuilder;

    async fn applied_state(&mut self) -> Result<(Option<LogId>, StoredMembership), io::Error> {
        let now = self.board.load();
        Ok((now.last, now.membership.clone()))
    }

    async fn apply<S>(&mut self, mut entries: S) -> Result<(), io::Error>
    where
        S: Stream<Item = Result<EntryResponder<TypeConfig>, io::Error>> + Unpin + OptionalSend,
    {
        let mut working = Published::clone(&self.board.load());
        let mut steps = Steps::new();
        let mut bytes = 0;
        while let Some((entry, responder)) = entries.try_next().await? {
            let step = self.step(&mut working, entry)?;
            bytes += step.bytes();
            if step.bytes() >= limits::APPLY_LONG_BYTES {
                // Each is milliseconds of work: others of this thread get their turn in between.
                tokio::task::yield_now().await;
            }
            steps.push((step, responder));
            if steps.len() >= limits::APPLY_BATCH_MAX || bytes >= limits::APPLY_BATCH_BYTES_MAX {
                self.publish(&working, &mut steps);
                bytes = 0;
            }
        }
        if !steps.is_empty() {
            self.publish(&working, &mut steps);
        }
        Ok(())
    }

    async fn get_snapshot_builder(&mut self) -> SnapshotBuilder {
        SnapshotBuilder {
            workshop: self.workshop.clone(),
        }
    }

    async fn try_create_snapshot_builder(&mut self, _force: bool) -> Option<SnapshotBuilder> {
        // Taken already, by the condenser; without one there is nothing to tell openraft of.
        self.workshop.storage.snapshot()?;
        Some(self.get_snapshot_builder().await)
    }

    async fn install_snapshot(
        &mut self,
        meta: &SnapshotMeta,
        data: SnapshotData,
    ) -> Result<(), io::Error> {
        match data {
            SnapshotData::Held => {}
            // Its content is durable; what is left is a name.
            SnapshotData::Received(sink) => {
                sink.finish().await?;
            }
        }
        // What the store holds now may be newer than what was asked for; its own head tells.
        let Some((held, source)) = snapshot::open_newest(&*self.workshop.storage).await? else {
            return Err(io::Error::other(
                "a snapshot that was just received is gone",
            ));
        };
        if held.meta.last_log_id < meta.last_log_id {
            return Err(io::Error::other(
                "the newest snapshot is older than the one just received",
            ));
        }
        let next = Self::published(&self.workshop, held, source).await?;
        // never back to an older revision.
        if next.last >= self.board.load().last {
            self.publish_installed(next);
        }
        Ok(())
    }

    async fn get_current_snapshot(&mut self) -> Result<Option<Snapshot>, io::Error> {
        let newest = snapshot::newest_head(&*self.workshop.storage)?;
        Ok(newest.map(|head| Snapshot {
            meta: head.meta,
            snapshot: SnapshotData::Held,
        }))
    }
}

/// Tells openraft of the snapshot that the condenser has taken: what openraft builds itself must not fail.
pub struct SnapshotBuilder {
    workshop: Workshop,
}

impl RaftSnapshotBuilder<TypeConfig> for SnapshotBuilder {
    type SnapshotData = SnapshotData;

    async fn build_snapshot(&mut self) -> Result<Snapshot, io::Error> {
        let Some(head) = snapshot::newest_head(&*self.workshop.storage)? else {
            return Err(io::Error::other("there is no snapshot to tell of"));
        };
        Ok(Snapshot {
            meta: head.meta,
            snapshot: SnapshotData::Held,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::{Mutex, OnceLock, mpsc};
    use std::time::Duration;

    use super::*;
    use crate::domain::authz::caller::{Caller, Identity, RequestFacts};
    use crate::domain::ids::RequestId;
    use crate::domain::op::create_account::CreateAccount;
    use crate::domain::op::{Applied, Scope};
    use crate::domain::time::Timestamp;
    use crate::env::real::{RealClock, Threads};
    use crate::replica::types::{LeaderId, Member, Membership};
    use crate::storage::MemoryDisk;

    /// Hears what a state machine tells, and holds it against what is published then.
    #[derive(Default)]
    struct Listener {
        told: u64,
        board: OnceLock<Arc<Board>>,
        heard: Mutex<Vec<String>>,
    }

    impl Listener {
        fn hear(&self, what: String, revision: Revision) {
            if let Some(board) = self.board.get() {
                let published = board.load().revision();
                assert!(
                    published >= revision,
                    "{what} before {published} was published"
                );
            }
            self.heard.lock().unwrap().push(what);
        }

        fn heard(&self) -> Vec<String> {
            std::mem::take(&mut self.heard.lock().unwrap())
        }
    }

    impl Sink for Listener {
        fn told(&self) -> Revision {
            Revision(self.told)
        }

        fn applied(&self, revision: Revision, _: &op::Entry, _: &Applied) {
            self.hear(format!("applied {revision}"), revision);
        }

        fn reached(&self, revision: Revision) {
            self.hear(format!("reached {revision}"), revision);
        }

        fn installed(&self, after: Revision, to: Revision) {
            self.hear(format!("installed {after}..{to}"), to);
        }
    }

    fn workshop(disk: &MemoryDisk) -> Workshop {
        let storage = Arc::new(disk.open(None).unwrap());
        Workshop::new(storage, Arc::new(Threads), Arc::new(RealClock))
    }

    async fn machine(disk: &MemoryDisk, told: u64) -> (StateMachine, Arc<Listener>) {
        let workshop = workshop(disk);
        let listener = Arc::new(Listener {
            told,
            ..Listener::default()
        });
        let (machine, board) = StateMachine::open(workshop, listener.clone(), Arc::default())
            .await
            .unwrap();
        listener.board.set(board).unwrap();
        (machine, listener)
    }

    fn id(index: u64) -> LogId {
        let leader_id = LeaderId {
            term: 1,
            node_id: 1,
        };
        LogId { leader_id, index }
    }

    fn command(index: u64) -> Entry {
        let entry = op::Entry {
            proposed_at: Timestamp::from_millis(1_000),
            semantics: Semantics::CURRENT,
            caller: Caller {
                identity: Identity::Operator,
                facts: RequestFacts::default(),
            },
            scope: Scope {
                partition: "aws".parse().unwrap(),
                region: "eu-central-1".parse().unwrap(),
            },
            request_id: RequestId([0; 16]),
            idempotency: None,
            command: op::Command::CreateAccount(CreateAccount {
                account: format!("{index:012}").parse().unwrap(),
                name: "test".into(),
            }),
        };
        Entry {
            log_id: id(index),
            payload: Payload::Normal(Command(stored::encode_entry(&entry).unwrap())),
        }
    }

    fn blank(index: u64) -> Entry {
        Entry {
            log_id: id(index),
            payload: Payload::Blank,
        }
    }

    async fn apply(machine: &mut StateMachine, entries: Vec<Entry>) {
        let entries = entries.into_iter().map(|entry| Ok((entry, None)));
        machine.apply(futures::stream::iter(entries)).await.unwrap();
    }

    /// Told after it was published, in the order of revisions, and nothing that an earlier life was told.
    #[tokio::test]
    async fn sink_is_told_after_publishing_and_of_no_replay() {
        let disk = MemoryDisk::new();
        let (mut first, listener) = machine(&disk, 0).await;
        apply(&mut first, vec![blank(1), command(2), command(3), blank(4)]).await;
        assert_eq!(listener.heard(), ["applied 2", "applied 3", "reached 4"]);
        drop(first);
        // The same log once more, in a life whose earlier one had told up to 3.
        let (mut second, listener) = machine(&disk, 3).await;
        apply(&mut second, vec![blank(1), command(2)]).await;
        assert_eq!(listener.heard(), [""; 0]);
        apply(&mut second, vec![command(3), command(4), blank(5)]).await;
        assert_eq!(listener.heard(), ["applied 4", "reached 5"]);
    }

    fn members(index: u64, ids: &[NodeId]) -> Entry {
        let member = |id: &NodeId| Member {
            peer_address: format!("node{id}:1"),
            ..Member::default()
        };
        let nodes: BTreeMap<NodeId, Member> = ids.iter().map(|id| (*id, member(id))).collect();
        let voters = ids.iter().copied().collect();
        Entry {
            log_id: id(index),
            payload: Payload::Membership(Membership::new(vec![voters], nodes).unwrap()),
        }
    }

    /// An id is never given again: whoever was a member once is known when it has left, after a restart on a snapshot, and to
    /// a node that has only received the snapshot.
    #[tokio::test]
    async fn ids_that_left_are_known_from_a_snapshot_too() {
        let (source, target) = (MemoryDisk::new(), MemoryDisk::new());
        let (mut first, _) = machine(&source, 0).await;
        let log = vec![members(1, &[1, 2, 3]), blank(2), members(3, &[1, 4])];
        apply(&mut first, log).await;
        let of = first.board.load();
        assert_eq!(of.ids(), &NodeIds::from([1, 2, 3, 4]));
        assert!(of.ever_had(2) && !of.ever_had(5));
        // As at a restart: a disk is open once.
        drop(first);
        for disk in [&source, &target] {
            let (mut machine, _) = machine(disk, 0).await;
            let storage = machine.workshop.storage.clone();
            snapshot::write(&*storage, &Threads, &of.head(), of.state.clone())
                .await
                .unwrap();
            machine
                .install_snapshot(&of.head().meta, SnapshotData::Held)
                .await
                .unwrap();
            assert_eq!(machine.board.load().ids(), of.ids());
            apply(&mut machine, vec![members(4, &[1, 5])]).await;
            assert_eq!(machine.board.load().ids(), &NodeIds::from([1, 2, 3, 4, 5]));
        }
    }

    /// What a snapshot stands for was applied elsewhere: the sink hears of the gap, when one is installed and when a node
    /// starts on one that is newer than what it has told.
    #[tokio::test]
    async fn sink_is_told_of_the_gap_that_a_snapshot_leaves() {
        let (source, target) = (MemoryDisk::new(), MemoryDisk::new());
        let (mut ahead, _) = machine(&source, 0).await;
        apply(&mut ahead, (1..=7).map(command).collect()).await;
        let of = ahead.board.load();
        let head = of.head();
        let threads = Threads;
        let source_disk = ahead.workshop.storage.clone();
        snapshot::write(&*source_disk, &threads, &head, of.state.clone())
            .await
            .unwrap();
        let (mut behind, listener) = machine(&target, 0).await;
        apply(&mut behind, vec![command(1), command(2)]).await;
        listener.heard();
        // As a receiver does it: its content is durable before it is installed.
        let target_disk = behind.workshop.storage.clone();
        snapshot::write(&*target_disk, &threads, &head, of.state.clone())
            .await
            .unwrap();
        behind
            .install_snapshot(&head.meta, SnapshotData::Held)
            .await
            .unwrap();
        assert_eq!(listener.heard(), ["installed 2..7"]);
        drop((ahead, behind, source_disk, target_disk));
        for (told, heard) in [(5, vec!["installed 5..7"]), (7, vec![]), (9, vec![])] {
            let (_, listener) = machine(&source, told).await;
            assert_eq!(listener.heard(), heard, "{told}");
        }
    }

    /// Blocks for as long as the other end of its channel is there.
    struct Blocked {
        begun: mpsc::SyncSender<()>,
        until: Mutex<mpsc::Receiver<()>>,
    }

    impl Sink for Blocked {
        fn told(&self) -> Revision {
            Revision(0)
        }

        fn reached(&self, _: Revision) {
            self.begun.send(()).unwrap();
            let _ = self.until.lock().unwrap().recv();
        }

        fn installed(&self, _: Revision, _: Revision) {}

        fn applied(&self, _: Revision, _: &op::Entry, _: &Applied) {}
    }

    /// On one worker thread even: the tasks that it would have run next go on.
    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn sink_that_blocks_holds_up_no_other_task() {
        let disk = MemoryDisk::new();
        let (begun, begins) = mpsc::sync_channel(1);
        let (opens, until) = mpsc::channel();
        let sink = Blocked {
            begun,
            until: Mutex::new(until),
        };
        let opened = StateMachine::open(workshop(&disk), Arc::new(sink), Arc::default());
        let (mut machine, board) = opened.await.unwrap();
        let applying = tokio::spawn(async move { apply(&mut machine, vec![blank(1)]).await });
        let patience = Duration::from_secs(60);
        // This task is on no worker: what it waits for is done by the one there is.
        begins.recv_timeout(patience).unwrap();
        let (send, receive) = mpsc::channel();
        tokio::spawn(async move { send.send(()) });
        let other = receive.recv_timeout(patience);
        drop(opens);
        other.expect("another task runs while this one is blocked");
        applying.await.unwrap();
        assert_eq!(board.load().revision(), Revision(1));
    }
}
