//! Members compare what their states are at equal revisions; the one that differs from a majority stops.
//!
//! At fixed revisions each node marks the fingerprint of its facts, which costs nothing, and more seldom, at revisions that go
//! by the number of grants, the deep one: of the facts worked out anew and of the indexes that decide. That is worked out on a
//! clone of the state, aside. Every few seconds each node asks the others for their marks, and judges itself: no other's word
//! stops it, only that more than half of at least three agree on something else. Between nodes of different versions nothing
//! is compared. Without a majority nobody knows who is right: all go on, and say so. Never: a change of the state.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::future::join_all;
use tokio::sync::Notify;

use super::handle::Replica;
use super::peers::Lane;
use super::types::{Member, NodeId};
use crate::domain::limits::{
    FINGERPRINT_DEEP_EVERY_MAX, FINGERPRINT_DEEP_EVERY_MIN, FINGERPRINT_DEEP_MARKS_MAX,
    FINGERPRINT_DEEP_PART, FINGERPRINT_EVERY, FINGERPRINT_MARKS_MAX, FINGERPRINT_PEERS_MAX,
};
use crate::domain::state::State;
use crate::domain::state::deep::DeepFingerprint;
use crate::domain::state::fingerprint::Fingerprint;
use crate::domain::time::Revision;
use crate::env::offload;
use crate::wire::peer;

/// Between two comparisons.
const COMPARE_EVERY: Duration = Duration::from_secs(5);

/// How long another node may take to tell its marks.
const ASK_DEADLINE: Duration = Duration::from_secs(2);

/// What must be equal for fingerprints to be comparable: the build, and by its last part the form of what is hashed.
pub const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), "/1");

/// What a state was at a revision.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Mark {
    /// Index of the last entry that was in it, whatever that was.
    pub revision: Revision,
    /// Of its facts.
    pub facts: Fingerprint,
    /// Of its facts worked out anew, and of its indexes; `None`: it was not worked out.
    pub deep: Option<DeepFingerprint>,
}

/// The marks of this node, the newest last.
#[derive(Debug, Default)]
pub struct Marks {
    marks: Mutex<VecDeque<Mark>>,
    /// Those with a deep fingerprint, which are few and must outlast a comparison.
    deep_marks: Mutex<VecDeque<Mark>>,
    /// A state whose deep fingerprint is to be worked out; while it is, the next ones are passed over.
    deep: Mutex<Deep>,
    wanted: Notify,
    fault: Mutex<Option<String>>,
}

#[derive(Debug, Default)]
struct Deep {
    next: Option<(Revision, State)>,
    busy: bool,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A few lines of handling; what they leave is whole.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How many revisions lie between two deep fingerprints of a state with so many grants: so many that each revision costs the
/// same. A power of two, so that nodes meet.
fn deep_every(grants: usize) -> u64 {
    let every = (grants as u64 / FINGERPRINT_DEEP_PART).next_power_of_two();
    every.clamp(FINGERPRINT_DEEP_EVERY_MIN, FINGERPRINT_DEEP_EVERY_MAX)
}

impl Marks {
    /// The state after the entry at `revision` was applied. Called for each, by `apply`.
    pub fn applied(&self, revision: Revision, state: &State) {
        if !revision.0.is_multiple_of(FINGERPRINT_EVERY) {
            return;
        }
        self.put(Mark {
            revision,
            facts: state.fingerprint(),
            deep: None,
        });
        if !revision.0.is_multiple_of(deep_every(state.grant_count())) {
            return;
        }
        let mut deep = lock(&self.deep);
        if !deep.busy && deep.next.is_none() {
            deep.next = Some((revision, state.clone()));
            self.wanted.notify_one();
        }
    }

    fn put(&self, mark: Mark) {
        let (marks, most) = match mark.deep {
            None => (&self.marks, FINGERPRINT_MARKS_MAX),
            Some(_) => (&self.deep_marks, FINGERPRINT_DEEP_MARKS_MAX),
        };
        let mut marks = lock(marks);
        while marks.len() >= most {
            marks.pop_front();
        }
        marks.push_back(mark);
    }

    fn all(&self) -> Vec<Mark> {
        let mut all: Vec<Mark> = lock(&self.deep_marks).iter().copied().collect();
        let deep = all.len();
        for mark in lock(&self.marks).iter() {
            let known = all.iter().take(deep);
            if !known
                .map(|mark| mark.revision)
                .any(|at| at == mark.revision)
            {
                all.push(*mark);
            }
        }
        all
    }

    /// What is wrong, for whoever asks for the node's status.
    pub fn fault(&self) -> Option<String> {
        lock(&self.fault).clone()
    }

    fn take_deep(&self) -> Option<(Revision, State)> {
        let mut deep = lock(&self.deep);
        let next = deep.next.take();
        deep.busy = next.is_some();
        next
    }
}

/// What one node has at one revision, as text: of its facts, or the deep one.
type Told = BTreeMap<NodeId, String>;

/// What comes of a comparison at one revision.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Verdict {
    /// All that compare are equal.
    Equal,
    /// This node has `mine`, the majority something else.
    Wrong { mine: String, theirs: String },
    /// This node is with the majority, `others` are not.
    OthersWrong { others: Vec<NodeId> },
    /// They differ, and no majority of at least three says who is right.
    Undecided,
}

fn judge(me: NodeId, told: &Told) -> Verdict {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for value in told.values() {
        *counts.entry(value).or_default() += 1;
    }
    if counts.len() <= 1 {
        return Verdict::Equal;
    }
    let majority = counts
        .iter()
        .find(|(_, count)| told.len() >= 3 && **count * 2 > told.len())
        .map(|(value, _)| *value);
    match (majority, told.get(&me)) {
        (Some(theirs), Some(mine)) if mine != theirs => Verdict::Wrong {
            mine: mine.clone(),
            theirs: theirs.to_owned(),
        },
        (Some(theirs), _) => Verdict::OthersWrong {
            others: told
                .iter()
                .filter(|(_, value)| *value != theirs)
                .map(|(node, _)| *node)
                .collect(),
        },
        (None, _) => Verdict::Undecided,
    }
}

/// The marks of each node at the revisions at which this one has one, of the facts and the deep ones apart.
fn at_equal_revisions(
    me: NodeId,
    mine: &[Mark],
    others: &BTreeMap<NodeId, Vec<Mark>>,
) -> Vec<(Revision, &'static str, Told)> {
    let mut compared = Vec::new();
    for mark in mine {
        let mut facts = Told::from([(me, mark.facts.to_string())]);
        let mut deep = Told::new();
        if let Some(own) = mark.deep {
            deep.insert(me, own.to_string());
        }
        for (node, marks) in others {
            let Some(theirs) = marks.iter().find(|other| other.revision == mark.revision) else {
                continue;
            };
            facts.insert(*node, theirs.facts.to_string());
            if let (Some(_), Some(theirs)) = (mark.deep, theirs.deep) {
                deep.insert(*node, theirs.to_string());
            }
        }
        compared.push((mark.revision, "facts", facts));
        compared.push((mark.revision, "facts and indexes", deep));
    }
    compared
}

impl Replica {
    /// Works out deep fingerprints as they are wanted; never returns.
    pub async fn deepen_fingerprints(self: Arc<Self>) {
        loop {
            self.marks().wanted.notified().await;
            while let Some((revision, state)) = self.marks().take_deep() {
                let worked = offload(&*self.workshop().threads, move || {
                    (state.fingerprint(), state.deep_fingerprint())
                });
                if let Ok((facts, deep)) = worked.await {
                    self.marks().put(Mark {
                        revision,
                        facts,
                        deep: Some(deep),
                    });
                }
            }
        }
    }

    /// Compares with the others; returns the reason once this node must stop.
    pub async fn compare_fingerprints(self: Arc<Self>) -> String {
        loop {
            self.clock().sleep(COMPARE_EVERY).await;
            if let Some(why) = self.compare_once().await {
                // What is wrong here must not lead; who takes over has applied the same log.
                self.hand_over().await;
                return why;
            }
        }
    }

    async fn compare_once(&self) -> Option<String> {
        let others = self.ask_for_marks().await;
        if others.is_empty() {
            return None;
        }
        // ORDER: afterwards, so that what is current here is what the others may have had.
        let mine = self.own_marks();
        let mut wrong = Vec::new();
        for (revision, what, told) in at_equal_revisions(self.node_id(), &mine, &others) {
            match judge(self.node_id(), &told) {
                Verdict::Equal => {}
                Verdict::Wrong { mine, theirs } => {
                    let why = format!(
                        "the state of this node is not that of the others: at revision {revision} its {what} have the fingerprint {mine}, those of the majority {theirs}; it must not decide any more: keep its folder for whoever looks into it, start with an empty folder and a new node id, add the node with `grantd cluster join`, and remove the old id with `grantd cluster remove`"
                    );
                    tracing::error!("{why}");
                    return Some(why);
                }
                Verdict::OthersWrong { others } => wrong.push(format!(
                    "the state of node {others:?} is not that of the majority, at revision {revision}: its {what} differ, and it stops once it has found out"
                )),
                Verdict::Undecided => wrong.push(format!(
                    "the states of the members differ at revision {revision}, and there is no majority of three to say which is right: the {what} have the fingerprints {told:?}; every node goes on: compare them with a backup"
                )),
            }
        }
        let fault = wrong.into_iter().next_back();
        if let Some(why) = &fault {
            tracing::error!("{why}");
        }
        *lock(&self.marks().fault) = fault;
        None
    }

    /// The marks of this node, and what it has now.
    pub(super) fn own_marks(&self) -> Vec<Mark> {
        let mut marks = self.marks().all();
        let now = self.board().load();
        let revision = now.revision();
        if marks.iter().all(|mark| mark.revision != revision) {
            marks.push(Mark {
                revision,
                facts: now.state.fingerprint(),
                deep: None,
            });
        }
        marks
    }

    /// Asks the others, voters first, at most so many.
    async fn ask_for_marks(&self) -> BTreeMap<NodeId, Vec<Mark>> {
        let status = self.membership();
        let voters: Vec<NodeId> = status.voter_ids().collect();
        let mut members: Vec<(bool, NodeId, Member)> = status
            .nodes()
            .filter(|(node, _)| **node != self.node_id())
            .map(|(node, member)| (!voters.contains(node), *node, member.clone()))
            .collect();
        members.sort();
        members.truncate(FINGERPRINT_PEERS_MAX);
        let asked = members.into_iter().map(|(_, node, member)| async move {
            let request = peer::FingerprintsRequest {
                route: Some(self.peers().route(node, member.disk)),
            };
            let answer = self
                .peers()
                .call(
                    Lane::Bulk,
                    node,
                    &member.peer_address,
                    ASK_DEADLINE,
                    |mut client| async move { client.fingerprints(request).await },
                )
                .await
                .ok()?;
            Some((node, marks_in(answer)?))
        });
        join_all(asked).await.into_iter().flatten().collect()
    }
}

/// The marks of another node; `None` if they cannot be compared with ours.
fn marks_in(answer: peer::FingerprintsResponse) -> Option<Vec<Mark>> {
    let peer::FingerprintsResponse { version, marks } = answer;
    if version != VERSION {
        return None;
    }
    // And what it has now.
    let most = FINGERPRINT_MARKS_MAX + FINGERPRINT_DEEP_MARKS_MAX + 1;
    let marks = marks.into_iter().take(most);
    marks
        .map(|mark| {
            let peer::FingerprintMark {
                revision,
                facts,
                deep,
            } = mark;
            Some(Mark {
                revision: Revision(revision),
                facts: Fingerprint(<[u8; 32]>::try_from(&facts[..]).ok()?),
                deep: match deep.len() {
                    0 => None,
                    _ => Some(DeepFingerprint(<[u8; 32]>::try_from(&deep[..]).ok()?)),
                },
            })
        })
        .collect()
}

/// The marks of this node, for another.
pub(super) fn marks_out(marks: &[Mark]) -> peer::FingerprintsResponse {
    peer::FingerprintsResponse {
        version: VERSION.to_owned(),
        marks: marks
            .iter()
            .map(|mark| {
                let Mark {
                    revision,
                    facts,
                    deep,
                } = mark;
                peer::FingerprintMark {
                    revision: revision.0,
                    facts: facts.0.to_vec().into(),
                    deep: deep.map_or_else(Default::default, |deep| deep.0.to_vec().into()),
                }
            })
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(values: &[(NodeId, &str)]) -> Told {
        values
            .iter()
            .map(|(node, value)| (*node, (*value).to_owned()))
            .collect()
    }

    /// Only a majority of at least three decides; whoever is not in it stops, whether it leads or not.
    #[test]
    fn node_that_differs_from_a_majority_of_three_is_wrong_and_no_other() {
        let two_to_one = told(&[(1, "a"), (2, "a"), (3, "b")]);
        assert_eq!(
            judge(3, &two_to_one),
            Verdict::Wrong {
                mine: "b".to_owned(),
                theirs: "a".to_owned()
            }
        );
        for right in [1, 2] {
            assert_eq!(
                judge(right, &two_to_one),
                Verdict::OthersWrong { others: vec![3] }
            );
        }
        for undecided in [
            told(&[(1, "a"), (2, "b")]),
            told(&[(1, "a"), (2, "b"), (3, "c")]),
            told(&[(1, "a"), (2, "a"), (3, "b"), (4, "b")]),
        ] {
            for me in 1..=2 {
                assert_eq!(judge(me, &undecided), Verdict::Undecided, "{undecided:?}");
            }
        }
        for equal in [
            told(&[]),
            told(&[(1, "a")]),
            told(&[(1, "a"), (2, "a"), (3, "a")]),
        ] {
            assert_eq!(judge(1, &equal), Verdict::Equal);
        }
        assert!(matches!(
            judge(
                5,
                &told(&[(1, "a"), (2, "a"), (3, "a"), (4, "b"), (5, "b")])
            ),
            Verdict::Wrong { .. }
        ));
    }

    fn mark(revision: u64, facts: u8, deep: Option<u8>) -> Mark {
        Mark {
            revision: Revision(revision),
            facts: Fingerprint([facts; 32]),
            deep: deep.map(|deep| DeepFingerprint([deep; 32])),
        }
    }

    /// Revisions that only one has, and deep fingerprints that only one has worked out, say nothing.
    #[test]
    fn only_equal_revisions_are_compared() {
        let mine = [mark(64, 1, None), mark(128, 2, Some(3)), mark(192, 4, None)];
        let others = BTreeMap::from([
            (2, vec![mark(128, 2, Some(3)), mark(256, 9, None)]),
            (3, vec![mark(64, 7, Some(1)), mark(128, 2, None)]),
        ]);
        let compared = at_equal_revisions(1, &mine, &others);
        let nodes = |at: usize| compared[at].2.keys().copied().collect::<Vec<_>>();
        assert_eq!(nodes(0), [1, 3]);
        assert!(nodes(1).is_empty(), "deep, at 64");
        assert_eq!(nodes(2), [1, 2, 3]);
        assert_eq!(nodes(3), [1, 2], "deep, at 128");
        assert_eq!(nodes(4), [1]);
        assert_eq!(judge(1, &compared[0].2), Verdict::Undecided);
        assert_eq!(judge(1, &compared[2].2), Verdict::Equal);
    }

    /// What travels is what comes, and of another version nothing does.
    #[test]
    fn marks_of_another_version_are_not_compared() {
        let marks = [mark(64, 1, None), mark(128, 2, Some(3))];
        let wire = marks_out(&marks);
        assert_eq!(marks_in(wire.clone()).as_deref(), Some(&marks[..]));
        let other = peer::FingerprintsResponse {
            version: "0.0.9/1".to_owned(),
            ..wire.clone()
        };
        assert_eq!(marks_in(other), None);
        let mut cut = wire;
        cut.marks[0].facts = vec![1; 31].into();
        assert_eq!(marks_in(cut), None);
    }

    /// A mark at fixed revisions, a bounded number of them, and a deep one at its own.
    #[test]
    fn marks_are_bounded_and_the_deep_ones_as_rare_as_the_state_is_large() {
        let marks = Marks::default();
        let state = State::default();
        for revision in 1..=FINGERPRINT_EVERY * (FINGERPRINT_MARKS_MAX as u64 + 10) {
            marks.applied(Revision(revision), &state);
        }
        let all = marks.all();
        assert_eq!(all.len(), FINGERPRINT_MARKS_MAX);
        assert!(
            all.iter()
                .all(|mark| mark.revision.0.is_multiple_of(FINGERPRINT_EVERY))
        );
        let (revision, state) = marks.take_deep().expect("is wanted");
        assert_eq!(revision, Revision(FINGERPRINT_DEEP_EVERY_MIN));
        assert!(marks.take_deep().is_none());
        for _ in 0..FINGERPRINT_DEEP_MARKS_MAX + 5 {
            marks.put(Mark {
                revision,
                facts: state.fingerprint(),
                deep: Some(state.deep_fingerprint()),
            });
        }
        let all = marks.all();
        let deep = all.iter().filter(|mark| mark.deep.is_some());
        assert_eq!(deep.count(), FINGERPRINT_DEEP_MARKS_MAX);
        assert!(all.len() <= FINGERPRINT_MARKS_MAX + FINGERPRINT_DEEP_MARKS_MAX);
        assert_eq!(deep_every(0), FINGERPRINT_DEEP_EVERY_MIN);
        assert_eq!(deep_every(1_000_000), 65_536);
        assert_eq!(deep_every(usize::MAX), FINGERPRINT_DEEP_EVERY_MAX);
    }
}
