//! Who belongs to the cluster: the leader's side of joining and leaving, and the way to it.
//!
//! A node joins as a learner, catches up, and then votes. A change runs in a task of the leader, which goes on when whoever
//! asked for it is gone; one is made at a time, by a leader that has proven that it leads and on the membership that is
//! committed. What was cut short between two steps (the leader was lost) is finished by whoever leads next.
//! Never: a node made a voter by what an earlier start of it had; an id given to a second disk, or a second time.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use openraft::ChangeMembers;
use openraft::async_runtime::WatchReceiver;
use tokio::sync::MutexGuard;

use super::convert::{disk_in, member_in, member_out, membership_in};
use super::handle::Replica;
use super::peers::{CallError, Lane};
use super::propose::{NotProposed, not_sent_or_unknown, refusal};
use super::read_index::Denied;
use super::readers::BootId;
use super::state_machine::Published;
use super::types::{DiskId, Member, Membership, NodeId, NodeIds, StoredMembership};
use super::underway::{Awaited, Underway};
use crate::domain::limits::{MEMBERS_MAX, MEMBERSHIP_CHANGES_MAX, NODE_IDS_MAX};
use crate::domain::state::token_epoch::SealCheck;
use crate::domain::time::{Incarnation, Revision};
use crate::env::{BootTime, timeout};
use crate::telemetry::Seldom;
use crate::wire::peer;

/// How long a leader waits for a new node to catch up: it may first have to take in a snapshot. Asked again, it goes on.
const CATCH_UP_MAX: Duration = Duration::from_secs(60);

/// How long a leader listens before a change of the voters: who does not ask for a read index within it counts as dead.
const HEAR_WITHIN: Duration = Duration::from_secs(3);

/// How long the leader waits for a node that it calls back: less than that one waits for the leader's answer.
const CALL_BACK: Duration = Duration::from_secs(1);

/// How long a change may take from the proposal to the commit before the turn is given up: whoever leads finishes it.
const COMMIT_MAX: Duration = Duration::from_secs(10);

/// How long the leader waits for the proof that it leads before a change.
const PROVE_MAX: Duration = Duration::from_secs(5);

/// The same for who only asks: less than that one waits for the answer.
const PROVE_FOR_AN_ANSWER: Duration = Duration::from_millis(1_500);

/// A voter that has not answered for so long is named as what a change may be waiting for.
const SILENT_AFTER: Duration = Duration::from_secs(1);

/// How soon a change that could not be finished is tried again.
const TRY_EVERY: Duration = Duration::from_millis(200);

/// How often a leader looks for a change that was left unfinished, if nothing tells it sooner.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// What a node says of its cluster to one that is not a member yet.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ClusterInfo {
    /// The life of the cluster.
    pub incarnation: Incarnation,
    /// The node that answered.
    pub node: NodeId,
    /// Its disk.
    pub disk: DiskId,
    /// Who leads, if it knows.
    pub leader: Option<(NodeId, Member)>,
    /// Who belongs to it.
    pub membership: Membership,
    /// What tells its seal key from any other; `None`: the node does not know that yet.
    pub seal_check: Option<SealCheck>,
}

/// Why a node was not told which cluster another one belongs to.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum NoClusterInfo {
    /// It did not answer; it may later.
    #[error("{0}")]
    NoAnswer(String),
    /// It is no member of any.
    #[error(
        "the node at {address} belongs to no cluster yet: initialize it first with `grantd cluster init`, or name a member of the cluster"
    )]
    NoCluster {
        /// Where it was asked.
        address: String,
    },
}

/// A change of membership that is done.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Changed {
    /// The membership that was asked for is committed at this revision.
    At(Revision),
    /// The node had been removed before.
    RemovedAlready,
}

/// A change that this node has in hand as the leader.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Asked {
    /// To make a node a voter.
    Admit { node: NodeId, member: Member },
    /// To take a node out.
    Expel { node: NodeId },
    /// To finish what was left unfinished.
    Settle,
}

impl std::fmt::Display for Asked {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Admit { node, .. } => write!(f, "node {node} is taken in"),
            Self::Expel { node } => write!(f, "node {node} is removed"),
            Self::Settle => f.write_str("a change that was cut short is finished"),
        }
    }
}

/// The changes of one node's leadership.
pub(super) struct Changes {
    /// Held while one is made.
    turn: tokio::sync::Mutex<()>,
    in_hand: Underway<Asked, Result<Changed, NotProposed>>,
    /// The start of each node that asked last to be taken in: only what it reports counts.
    boots: Mutex<BTreeMap<NodeId, BootId>>,
    /// Why this node, as the leader of a term, last changed what a member is: for the log alone.
    reasons: Mutex<BTreeMap<NodeId, (u64, String)>>,
    not_made: Seldom,
}

impl Default for Changes {
    fn default() -> Self {
        Self {
            turn: tokio::sync::Mutex::default(),
            in_hand: Underway::new(MEMBERSHIP_CHANGES_MAX),
            boots: Mutex::default(),
            reasons: Mutex::default(),
            not_made: Seldom::new(),
        }
    }
}

impl Changes {
    fn note_boot(&self, node: NodeId, boot: BootId) {
        let mut boots = self.boots.lock().unwrap_or_else(PoisonError::into_inner);
        // Bounded: those whose change is in hand, and this one.
        let in_hand = self.in_hand.names();
        boots.retain(|known, _| {
            in_hand
                .iter()
                .any(|asked| matches!(asked, Asked::Admit { node, .. } if node == known))
        });
        boots.insert(node, boot);
    }

    fn boot_of(&self, node: NodeId) -> Option<BootId> {
        let boots = self.boots.lock().unwrap_or_else(PoisonError::into_inner);
        boots.get(&node).copied()
    }

    fn note_reason(&self, node: NodeId, term: u64, why: String) {
        let mut reasons = self.reasons.lock().unwrap_or_else(PoisonError::into_inner);
        // Bounded: those of earlier terms are told by then, and a term sees one change at a time.
        reasons.retain(|_, (noted_in, _)| *noted_in == term);
        while reasons.len() >= MEMBERS_MAX {
            reasons.pop_first();
        }
        reasons.insert(node, (term, why));
    }

    fn reason_of(&self, node: NodeId, term: u64) -> Option<String> {
        let reasons = self.reasons.lock().unwrap_or_else(PoisonError::into_inner);
        let (_, why) = reasons
            .get(&node)
            .filter(|(noted_in, _)| *noted_in == term)?;
        Some(why.clone())
    }
}

/// How a node that asks to join stands to a membership.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Standing {
    /// It votes.
    Voter,
    /// It follows without a vote.
    Learner,
    /// It was never a member.
    Stranger,
}

/// How `node` stands to `membership`, if it may be a member at all. `ids` are those that were ever given.
fn standing(
    membership: &Membership,
    ids: &NodeIds,
    node: NodeId,
    member: &Member,
) -> Result<Standing, String> {
    let Member { peer_address, disk } = member;
    if node == 0 {
        return Err("a node's id is never 0".to_owned());
    }
    let known = membership.get_node(&node);
    if known.is_some_and(|known| known.disk != *disk) {
        return Err(lost_its_disk(node));
    }
    if known.is_none() && ids.contains(&node) {
        return Err(was_removed(node));
    }
    let other = membership
        .nodes()
        .find(|(id, other)| **id != node && other.peer_address.eq_ignore_ascii_case(peer_address));
    if let Some((other, _)) = other {
        return Err(format!(
            "the address {peer_address} is that of node {other}, a member already: give node {node} an address of its own (`advertise`)"
        ));
    }
    if known.is_some() {
        let votes = membership.voter_ids().any(|voter| voter == node);
        return Ok(if votes {
            Standing::Voter
        } else {
            Standing::Learner
        });
    }
    if membership.nodes().count() >= MEMBERS_MAX {
        return Err(format!(
            "the cluster has {MEMBERS_MAX} members, the most that it may have: remove one first"
        ));
    }
    if ids.len() >= NODE_IDS_MAX {
        return Err(format!(
            "the cluster has given {NODE_IDS_MAX} node ids, the most that it ever gives"
        ));
    }
    Ok(Standing::Stranger)
}

/// Why a member without its past is not taken back under its id.
pub fn lost_its_disk(node: NodeId) -> String {
    format!(
        "node {node} is a member already, and what asks in its name has another disk: a node that has lost its disk must join under a new node id; remove node {node} with `grantd cluster remove {node}`"
    )
}

/// Why a node that was removed is not taken back under its id.
pub fn was_removed(node: NodeId) -> String {
    format!(
        "node {node} was removed from the cluster, and an id is never given again: move the folder of the node away, start it with an empty one and a new node id, and let it join"
    )
}

/// The sets of voters, as they are told.
fn shown<'a>(voters: impl IntoIterator<Item = &'a NodeId>) -> String {
    let voters: Vec<String> = voters.into_iter().map(NodeId::to_string).collect();
    voters.join(", ")
}

fn is_joint(membership: &StoredMembership) -> bool {
    membership.membership().get_joint_config().len() > 1
}

/// Which change of the members this membership is, or is in the midst of.
fn change_in_words(membership: &Membership) -> String {
    match membership.get_joint_config().as_slice() {
        [from, to] => format!(
            "the change of the voters [{}] -> [{}]",
            shown(from),
            shown(to)
        ),
        _ => "the last change of the members".to_owned(),
    }
}

/// Which voters a leader waits for, by how long each has not been `heard`; `None`: it never was.
fn silence_in_words(
    membership: &Membership,
    me: NodeId,
    heard: &BTreeMap<NodeId, Option<Duration>>,
) -> String {
    let voters: BTreeSet<NodeId> = membership.voter_ids().filter(|id| *id != me).collect();
    let silent: Vec<String> = voters
        .into_iter()
        .filter_map(|id| match heard.get(&id).copied().flatten() {
            Some(ago) if ago < SILENT_AFTER => None,
            Some(ago) => Some(format!(
                "node {id} has not been heard for {} s",
                ago.as_secs()
            )),
            None => Some(format!("node {id} has not answered this leader yet")),
        })
        .collect();
    if silent.is_empty() {
        return "every voter is heard".to_owned();
    }
    silent.join(", ")
}

/// How many of `voters` are not heard, if too few are for a quorum.
fn lacks_quorum(voters: &BTreeSet<NodeId>, heard: &BTreeSet<NodeId>) -> Option<Vec<NodeId>> {
    let present = voters.intersection(heard).count();
    let silent = || voters.difference(heard).copied().collect();
    (present < voters.len() / 2 + 1).then(silent)
}

impl Replica {
    /// Asks the node at `address` which cluster it belongs to.
    ///
    /// # Errors
    /// It does not answer, or belongs to none.
    pub async fn ask_cluster_info(
        &self,
        address: &str,
        deadline: Duration,
    ) -> Result<ClusterInfo, NoClusterInfo> {
        let (told, disk) = self.ask_who_is_at(address, deadline).await?;
        let peer::ClusterInfoResponse {
            incarnation,
            node,
            leader,
            membership,
            disk: _,
            seal_check,
        } = told;
        if incarnation.is_empty() {
            return Err(NoClusterInfo::NoCluster {
                address: address.to_owned(),
            });
        }
        let other_version = |_| {
            NoClusterInfo::NoAnswer(format!(
                "the node at {address} speaks another version of the peer protocol"
            ))
        };
        let incarnation = <[u8; 16]>::try_from(&incarnation[..]).map_err(other_version)?;
        Ok(ClusterInfo {
            incarnation: Incarnation(incarnation),
            node,
            disk,
            leader: leader.and_then(|member| member_in(member).ok()),
            membership: membership_in(membership)
                .map_err(|error| NoClusterInfo::NoAnswer(error.to_string()))?,
            seal_check: <[u8; 32]>::try_from(&seal_check[..]).ok().map(SealCheck),
        })
    }

    /// What the node at `address`, whichever it is, says of itself, whether it belongs to a cluster or not.
    async fn ask_who_is_at(
        &self,
        address: &str,
        deadline: Duration,
    ) -> Result<(peer::ClusterInfoResponse, DiskId), NoClusterInfo> {
        let told = self
            .peers()
            .call(Lane::Bulk, 0, address, deadline, |mut client| async move {
                client.cluster_info(peer::ClusterInfoRequest {}).await
            })
            .await
            .map_err(|error| match error {
                CallError::NotSent { address, why, .. } => {
                    format!("{address} cannot be reached: {why}")
                }
                CallError::TimedOut { after, .. } => {
                    format!("{address} did not answer within {} ms", after.as_millis())
                }
                CallError::Status { status, .. } => {
                    format!("{address} answered: {}", status.message())
                }
            })
            .map_err(NoClusterInfo::NoAnswer)?;
        let disk =
            disk_in(&told.disk).map_err(|error| NoClusterInfo::NoAnswer(error.to_string()))?;
        Ok((told, disk))
    }

    /// Makes this node the first and only voter of a new cluster.
    ///
    /// # Errors
    /// A sentence: it belongs to a cluster already, or has stopped.
    pub async fn initialize_alone(&self, member: Member) -> Result<(), String> {
        let members = BTreeMap::from([(self.node_id(), member)]);
        self.raft()
            .initialize(members)
            .await
            .map_err(|error| format!("the cluster cannot be initialized here: {error}"))
    }

    /// True once this node's log holds a membership.
    pub async fn is_initialized(&self) -> Result<bool, String> {
        self.raft()
            .is_initialized()
            .await
            .map_err(|fatal| fatal.to_string())
    }

    /// Whether this node votes, by a membership that is committed and not about to change.
    pub fn is_settled_voter(&self) -> bool {
        let published = self.board().load();
        let membership = published.membership();
        let me = self.node_id();
        !is_joint(membership) && membership.voter_ids().any(|voter| voter == me)
    }

    /// The leader's side of joining: adds a learner, waits until its present start `boot` has reported that it has caught
    /// up, makes it a voter. Asked again, it goes on where it stands; it goes on without being waited for, too.
    ///
    /// # Errors
    /// As [`NotProposed`] says.
    pub async fn admit(
        self: &Arc<Self>,
        node: NodeId,
        member: Member,
        boot: BootId,
        deadline: Duration,
    ) -> Result<Changed, NotProposed> {
        self.must_lead()?;
        let awaited = self.begin(Asked::Admit { node, member }, deadline)?;
        // ORDER: once it is in hand; whoever waits for the node looks again when a reader says something.
        self.changes().note_boot(node, boot);
        match self.within(awaited, deadline).await {
            Some(result) => result,
            None => Err(NotProposed::Unknown(format!(
                "node {node} has not caught up within {} s; ask again to go on",
                deadline.as_secs()
            ))),
        }
    }

    /// The leader's side of removing a node. A leader that is to go hands over first, and the next one is asked again.
    ///
    /// # Errors
    /// As [`NotProposed`] says.
    pub async fn expel(
        self: &Arc<Self>,
        node: NodeId,
        deadline: Duration,
    ) -> Result<Changed, NotProposed> {
        self.must_lead()?;
        let awaited = self.begin(Asked::Expel { node }, deadline)?;
        match self.within(awaited, deadline).await {
            Some(result) => result,
            None => Err(NotProposed::Unknown(format!(
                "the removal of node {node} was not committed within {} s; look at the cluster's status",
                deadline.as_secs()
            ))),
        }
    }

    async fn within(
        &self,
        awaited: Awaited<Result<Changed, NotProposed>>,
        deadline: Duration,
    ) -> Option<Result<Changed, NotProposed>> {
        let told = timeout(&**self.clock(), deadline, awaited.result()).await?;
        let ended = || {
            Err(NotProposed::Unknown(
                "the change has ended early".to_owned(),
            ))
        };
        Some(told.unwrap_or_else(ended))
    }

    fn begin(
        self: &Arc<Self>,
        asked: Asked,
        deadline: Duration,
    ) -> Result<Awaited<Result<Changed, NotProposed>>, NotProposed> {
        let replica = self.clone();
        let (change, told) = (asked.clone(), asked.clone());
        let work = async move {
            // What is left is for the change itself, so that one that has not begun is told as such.
            let patience = deadline * 3 / 4;
            let made = async {
                match change {
                    Asked::Admit { node, member } => {
                        replica.admit_now(node, member, patience).await
                    }
                    Asked::Expel { node } => replica.expel_now(node, patience).await,
                    Asked::Settle => {
                        let _turn = replica.turn(patience).await?;
                        replica.settled().await?;
                        Ok(Changed::At(replica.board().load().revision()))
                    }
                }
            };
            // Nothing of a change may hold up a node that stops.
            let result = tokio::select! {
                biased;
                result = made => result,
                () = replica.stopped() => {
                    Err(NotProposed::Unknown("the leader has stopped".to_owned()))
                }
            };
            if let Err(why) = &result {
                replica.tell_not_made(&told, why);
            }
            result
        };
        let in_hand = &self.changes().in_hand;
        in_hand.begin(asked, work).map_err(|full| {
            NotProposed::Refused(format!(
                "the leader has {} changes of membership in hand; try again when they are done",
                full.0
            ))
        })
    }

    /// Whoever asked may be gone, and what was asked by nobody is waited for by nobody.
    fn tell_not_made(&self, asked: &Asked, why: &NotProposed) {
        let now = self.clock().boot().since_boot();
        let Some(times) = self.changes().not_made.due(now) else {
            return;
        };
        match (asked, why) {
            (Asked::Settle, _) | (_, NotProposed::Unknown(_)) => {
                tracing::warn!(%asked, %why, times, "a change of membership is not made yet");
            }
            (_, NotProposed::NotLeader { .. } | NotProposed::Refused(_)) => {
                tracing::info!(%asked, %why, times, "a change of membership was not made");
            }
        }
    }

    /// What a change that is in the log and not finished waits for; `None`: there is none.
    fn in_the_way(&self) -> Option<String> {
        let effective = self.membership();
        let published = self.board().load();
        let stands = if effective.log_id() > published.membership().log_id() {
            "is in the log and not committed yet"
        } else if is_joint(&effective) {
            "is half done"
        } else {
            return None;
        };
        let membership = effective.membership();
        Some(format!(
            "{} {stands}: {}",
            change_in_words(membership),
            silence_in_words(membership, self.node_id(), &self.heard())
        ))
    }

    /// The right to change the membership.
    async fn turn(&self, patience: Duration) -> Result<MutexGuard<'_, ()>, NotProposed> {
        let turn = self.changes().turn.lock();
        match timeout(&**self.clock(), patience, turn).await {
            Some(turn) => Ok(turn),
            None => {
                let others = self.changes().in_hand.names();
                let others: Vec<String> = others.iter().map(Asked::to_string).collect();
                let way = self
                    .in_the_way()
                    .map_or_else(String::new, |way| format!("; {way}"));
                Err(NotProposed::Refused(format!(
                    "one change of membership is made at a time, and another has not ended within {} s ({}{way}); nothing was done: ask again",
                    patience.as_secs(),
                    others.join("; ")
                )))
            }
        }
    }

    /// What this leader has applied once it has proven that it leads: everything that was committed before the call, the
    /// membership too. One that was deposed and does not know it proves nothing.
    async fn proven(self: &Arc<Self>, patience: Duration) -> Result<Arc<Published>, NotProposed> {
        self.must_lead()?;
        let proof = async {
            let index = self.confirmed().await?;
            self.applied(index).await;
            Ok(())
        };
        match timeout(&**self.clock(), patience, proof).await {
            Some(Ok(())) => Ok(self.board().load()),
            Some(Err(Denied::NotLeader { leader })) => Err(NotProposed::NotLeader { leader }),
            Some(Err(Denied::Stopped(why))) => Err(NotProposed::Refused(why)),
            // Nothing was done. Whoever leads may be asked again, but not before what stands in the way is told.
            None | Some(Err(Denied::NoQuorum(_) | Denied::NotAMember)) => Err(self
                .in_the_way()
                .map_or(NotProposed::NotLeader { leader: None }, |way| {
                    NotProposed::Refused(format!(
                        "{way}; the leader cannot prove that it leads; nothing was done: ask again"
                    ))
                })),
        }
    }

    /// The same with a membership that is not about to change: what was left unfinished is finished first. Call it with
    /// the turn.
    async fn settled(self: &Arc<Self>) -> Result<Arc<Published>, NotProposed> {
        loop {
            let published = self.proven(PROVE_MAX).await?;
            let committed = published.membership();
            if self.membership().log_id() > committed.log_id() {
                match self.in_the_way() {
                    Some(way) => {
                        let why = format!("{way}; nothing was done: ask again");
                        return Err(NotProposed::Refused(why));
                    }
                    // It was committed meanwhile.
                    None => continue,
                }
            }
            if !is_joint(committed) {
                return Ok(published);
            }
            let nobody = ChangeMembers::AddVoterIds(BTreeSet::new());
            self.change(nobody, Retain::Nothing).await?;
            tracing::info!("a change of the voters that was cut short is finished");
        }
    }

    async fn admit_now(
        self: &Arc<Self>,
        node: NodeId,
        member: Member,
        patience: Duration,
    ) -> Result<Changed, NotProposed> {
        let learner_at = {
            let _turn = self.turn(patience).await?;
            let published = self.settled().await?;
            let membership = published.membership();
            let standing = self.may_be(&published, node, &member).await?;
            let at = match membership.get_node(&node) {
                Some(known) if *known == member => revision_of(membership),
                Some(_) => {
                    self.give_reason(
                        node,
                        format!("it asked to join from {}", member.peer_address),
                    );
                    let moved = BTreeMap::from([(node, member.clone())]);
                    self.change(ChangeMembers::SetNodes(moved), Retain::Learners)
                        .await?
                }
                None => {
                    self.give_reason(node, "it asked to join".to_owned());
                    let new = BTreeMap::from([(node, member.clone())]);
                    self.change(ChangeMembers::AddNodes(new), Retain::Learners)
                        .await?
                }
            };
            match standing {
                Standing::Voter => return Ok(Changed::At(at)),
                Standing::Learner | Standing::Stranger => at,
            }
        };
        // Without the turn: others may be removed meanwhile, this node too.
        self.caught_up(node, learner_at).await?;
        let _turn = self.turn(patience).await?;
        let published = self.settled().await?;
        let membership = published.membership();
        match self.may_be(&published, node, &member).await? {
            Standing::Voter => return Ok(Changed::At(revision_of(membership))),
            Standing::Learner => {}
            // It was removed and its id forgotten: that cannot be.
            Standing::Stranger => return Err(NotProposed::Refused(was_removed(node))),
        }
        if membership.get_node(&node) != Some(&member) {
            return Err(NotProposed::Refused(format!(
                "node {node} has asked again from another address"
            )));
        }
        let mut voters: BTreeSet<NodeId> = membership.voter_ids().collect();
        voters.insert(node);
        self.must_hear(&voters, |silent| {
            format!(
                "of the voters that there would be with node {node} ({}) too few are heard for a quorum: {silent} did not ask for a read index within {} s",
                shown(&voters),
                HEAR_WITHIN.as_secs()
            )
        })
        .await?;
        self.give_reason(
            node,
            format!(
                "it asked to join, and has told that it has caught up to revision {learner_at}"
            ),
        );
        let one = ChangeMembers::AddVoterIds(BTreeSet::from([node]));
        let at = self.change(one, Retain::Learners).await?;
        Ok(Changed::At(at))
    }

    /// How `node` stands to the membership, if it may be a member of it.
    async fn may_be(
        self: &Arc<Self>,
        published: &Published,
        node: NodeId,
        member: &Member,
    ) -> Result<Standing, NotProposed> {
        let membership = published.membership();
        let standing = standing(membership.membership(), published.ids(), node, member)
            .map_err(NotProposed::Refused)?;
        if membership.get_node(&node) != Some(member) {
            self.answers_at(node, member).await?;
        }
        Ok(standing)
    }

    /// Whoever is new or has moved is called back: its address must lead to it, under whatever name, and to no other.
    async fn answers_at(&self, node: NodeId, member: &Member) -> Result<(), NotProposed> {
        let Member { peer_address, disk } = member;
        if node == self.node_id() {
            return Ok(());
        }
        let told = self.ask_who_is_at(peer_address, CALL_BACK).await;
        let (there, its_disk) = match told {
            Ok((told, disk)) => (told.node, disk),
            Err(error) => {
                return Err(NotProposed::Unknown(format!(
                    "the leader cannot reach node {node} at the address that it gave: {error}"
                )));
            }
        };
        if (there, its_disk) == (node, *disk) {
            return Ok(());
        }
        Err(NotProposed::Refused(format!(
            "the address {peer_address} leads to node {there}, not to what asks to join as node {node}: give each node an address of its own (`advertise`)"
        )))
    }

    /// Returns once the start of `node` that asked last to be taken in has reported that it has applied `at`. What this
    /// leader has sent, and what an earlier start has acknowledged, say nothing: a disk may have been lost since (F3).
    async fn caught_up(&self, node: NodeId, at: Revision) -> Result<(), NotProposed> {
        let reported = self.readers().until(|readers| {
            let boot = self.changes().boot_of(node)?;
            let reader = readers.of(node, boot)?;
            (reader.applied >= at).then_some(())
        });
        tokio::select! {
            biased;
            () = reported => Ok(()),
            () = self.leader_other_than(Some(self.node_id())) => {
                Err(NotProposed::Unknown(format!(
                    "the lead was lost while node {node} caught up; ask again to go on"
                )))
            }
            () = self.clock().sleep(CATCH_UP_MAX) => Err(NotProposed::Unknown(format!(
                "node {node} has not caught up within {} s, and is a learner; ask again to go on",
                CATCH_UP_MAX.as_secs()
            ))),
        }
    }

    async fn expel_now(
        self: &Arc<Self>,
        node: NodeId,
        patience: Duration,
    ) -> Result<Changed, NotProposed> {
        let _turn = self.turn(patience).await?;
        let published = self.settled().await?;
        let membership = published.membership();
        if membership.get_node(&node).is_none() {
            if published.ever_had(node) {
                return Ok(Changed::RemovedAlready);
            }
            return Err(NotProposed::Refused(format!(
                "there is no node {node} in the cluster, and there never was; its members are {}",
                shown(membership.nodes().map(|(id, _)| id))
            )));
        }
        let mut rest: BTreeSet<NodeId> = membership.voter_ids().collect();
        let one = BTreeSet::from([node]);
        let asked = || "an operator asked for its removal".to_owned();
        if !rest.remove(&node) {
            self.give_reason(node, asked());
            let at = self
                .change(ChangeMembers::RemoveNodes(one), Retain::Nothing)
                .await?;
            return Ok(Changed::At(at));
        }
        if rest.is_empty() {
            return Err(NotProposed::Refused(format!(
                "node {node} is the only voter: without it there is no cluster"
            )));
        }
        self.must_hear(&rest, |silent| {
            format!(
                "without node {node} the voters are {}, and too few of them are heard for a quorum: {silent} did not ask for a read index within {} s; the cluster could commit nothing any more: start those first",
                shown(&rest),
                HEAR_WITHIN.as_secs()
            )
        })
        .await?;
        if node == self.node_id() {
            return Err(self.ask_the_heir().await);
        }
        self.give_reason(node, asked());
        let at = self
            .change(ChangeMembers::RemoveVoters(one), Retain::Nothing)
            .await?;
        Ok(Changed::At(at))
    }

    /// Gives the lead away, and says who may be asked next.
    async fn ask_the_heir(&self) -> NotProposed {
        match self.hand_over().await {
            Some(_) => {
                // It goes on as a follower, if only until the next leader has taken it out.
                self.lead_again();
                NotProposed::NotLeader {
                    leader: self
                        .leader()
                        .filter(|(leader, _)| *leader != self.node_id()),
                }
            }
            None => NotProposed::Refused(
                "this node leads, and no other voter has taken the lead over".to_owned(),
            ),
        }
    }

    /// The nodes that have asked this one for a read index since then, and this one.
    fn heard_since(&self, since: BootTime) -> BTreeSet<NodeId> {
        let mut heard: BTreeSet<NodeId> = self.readers().heard_since(since).into_keys().collect();
        heard.insert(self.node_id());
        heard
    }

    /// Refuses unless a quorum of `voters` is heard from now on: one that died a moment ago was heard lately, too.
    async fn must_hear(
        &self,
        voters: &BTreeSet<NodeId>,
        says: impl Fn(&str) -> String,
    ) -> Result<(), NotProposed> {
        let since = self.clock().boot();
        let lacks = || lacks_quorum(voters, &self.heard_since(since));
        let enough = self.readers().until(|_| lacks().is_none().then_some(()));
        if timeout(&**self.clock(), HEAR_WITHIN, enough)
            .await
            .is_some()
        {
            return Ok(());
        }
        match lacks() {
            None => Ok(()),
            Some(silent) => Err(NotProposed::Refused(says(&shown(&silent)))),
        }
    }

    fn must_lead(&self) -> Result<(), NotProposed> {
        match self.leader() {
            Some((leader, _)) if leader == self.node_id() => Ok(()),
            leader => Err(NotProposed::NotLeader { leader }),
        }
    }

    async fn change(
        &self,
        change: ChangeMembers<NodeId, Member>,
        retain: Retain,
    ) -> Result<Revision, NotProposed> {
        let retain = match retain {
            Retain::Learners => true,
            Retain::Nothing => false,
        };
        let written = self.raft().change_membership(change, retain);
        match timeout(&**self.clock(), COMMIT_MAX, written).await {
            Some(written) => Ok(Revision(written.map_err(refusal)?.log_id.index)),
            None => {
                let way = self
                    .in_the_way()
                    .unwrap_or_else(|| "the change was proposed".to_owned());
                Err(NotProposed::Unknown(format!(
                    "{way}; it did not end within {} s; whoever leads finishes it once a quorum of the voters answers",
                    COMMIT_MAX.as_secs()
                )))
            }
        }
    }

    /// Notes why a member is about to be changed.
    fn give_reason(&self, node: NodeId, why: String) {
        let term = self.raft().metrics().borrow_watched().current_term;
        self.changes().note_reason(node, term, why);
    }

    /// Why a committed membership says something else of a member, or of all, than the one before.
    fn reason_of(&self, node: Option<NodeId>, membership: &StoredMembership) -> String {
        let Some(at) = membership.log_id() else {
            return "the cluster was initialized".to_owned();
        };
        let (leader, term) = (at.leader_id.node_id, at.leader_id.term);
        let noted = node.and_then(|node| self.changes().reason_of(node, term));
        match noted {
            Some(why) if leader == self.node_id() => why,
            _ => format!("node {leader}, which led in term {term}, has made the change"),
        }
    }

    /// Looks after the membership for as long as the node runs: keeps the addresses of the members, tells of each that
    /// comes, votes or goes, and finishes, when this node leads, a change that was cut short.
    pub async fn tend(self: &Arc<Self>) {
        let mut metrics = self.raft().metrics();
        let mut known = self.board().load().membership().clone();
        let mut learnt = None;
        let mut tried: Option<BootTime> = None;
        let mut unfinished: Option<BootTime> = None;
        let stuck = Seldom::new();
        loop {
            let (effective, leads) = {
                let now = metrics.borrow_watched();
                let leads = now.current_leader == Some(self.node_id());
                (now.membership_config.clone(), leads)
            };
            if learnt != Some(*effective.log_id()) {
                self.peers().learn(&effective);
                learnt = Some(*effective.log_id());
                unfinished = None;
            }
            let published = self.board().load();
            let committed = published.membership();
            if committed.log_id() != known.log_id() {
                for News { node, says } in news(known.membership(), committed.membership()) {
                    let why = self.reason_of(node, committed);
                    tracing::info!(revision = revision_of(committed).0, why, "{says}");
                }
                known = committed.clone();
            }
            // No state is held on to while this waits.
            drop(published);
            let now = self.clock().boot();
            match self.in_the_way().filter(|_| leads) {
                Some(why) => {
                    let since = *unfinished.get_or_insert(now);
                    let stands = now.since(since);
                    if stands >= HEAR_WITHIN
                        && let Some(times) = stuck.due(now.since_boot())
                    {
                        let for_s = stands.as_secs();
                        tracing::warn!(why, for_s, times, "a change of membership does not end");
                    }
                }
                None => unfinished = None,
            }
            let is_idle = self.changes().turn.try_lock().is_ok();
            let is_due = tried.is_none_or(|at| now.since(at) >= TRY_EVERY);
            if leads && is_joint(&known) && is_idle && is_due {
                tried = Some(now);
                // What comes of it shows in the membership; if it fails that is told by the change, and it is tried again.
                if let Err(error) = self.begin(Asked::Settle, COMMIT_MAX) {
                    self.tell_not_made(&Asked::Settle, &error);
                }
            }
            tokio::select! {
                biased;
                changed = metrics.changed() => if changed.is_err() {
                    return;
                },
                () = self.clock().sleep(LOOK_EVERY) => {}
            }
        }
    }

    /// Asks the leader of the cluster of `incarnation` whether it would take this node in. Nothing is changed by it.
    ///
    /// # Errors
    /// As [`NotProposed`] says.
    pub async fn ask_may_join(
        &self,
        incarnation: Incarnation,
        (leader, its): (NodeId, &Member),
        member: &Member,
        deadline: Duration,
    ) -> Result<Changed, NotProposed> {
        let route = self.peers().route_into(incarnation, leader, its.disk);
        let message = self.join_request(route, member, deadline);
        let answer = self
            .peers()
            .call(
                Lane::Bulk,
                leader,
                &its.peer_address,
                deadline,
                |mut client| async move { client.may_join(message).await },
            )
            .await;
        changed(answer)
    }

    /// Asks the leader to admit this node.
    ///
    /// # Errors
    /// As [`NotProposed`] says.
    pub async fn ask_to_join(
        &self,
        (leader, its): (NodeId, &Member),
        member: &Member,
        deadline: Duration,
    ) -> Result<Changed, NotProposed> {
        let route = self.peers().route(leader, its.disk);
        let message = self.join_request(route, member, deadline);
        let answer = self
            .peers()
            .call(
                Lane::Bulk,
                leader,
                &its.peer_address,
                deadline,
                |mut client| async move { client.join(message).await },
            )
            .await;
        changed(answer)
    }

    fn join_request(
        &self,
        route: peer::Route,
        member: &Member,
        deadline: Duration,
    ) -> peer::JoinRequest {
        peer::JoinRequest {
            route: Some(route),
            member: Some(member_out(self.node_id(), member)),
            boot_id: self.boot_id().0.to_vec().into(),
            deadline_ms: millis(for_the_other(deadline)),
        }
    }

    /// Whether the leader would admit `node`: its side of [`Replica::ask_may_join`].
    ///
    /// # Errors
    /// As [`NotProposed`] says.
    pub async fn may_admit(
        self: &Arc<Self>,
        node: NodeId,
        member: &Member,
    ) -> Result<Changed, NotProposed> {
        let published = self.proven(PROVE_FOR_AN_ANSWER).await?;
        self.may_be(&published, node, member).await?;
        Ok(Changed::At(published.revision()))
    }

    /// Removes `node`: here if this node leads, else at the node that does.
    ///
    /// # Errors
    /// As [`NotProposed`] says.
    pub async fn remove(
        self: &Arc<Self>,
        node: NodeId,
        deadline: Duration,
    ) -> Result<Changed, NotProposed> {
        match self.leader() {
            None => Err(NotProposed::NotLeader { leader: None }),
            Some((leader, _)) if leader == self.node_id() => self.expel(node, deadline).await,
            Some((leader, member)) => {
                let message = peer::RemoveRequest {
                    route: Some(self.peers().route(leader, member.disk)),
                    node,
                    deadline_ms: millis(for_the_other(deadline)),
                };
                let answer = self
                    .peers()
                    .call(
                        Lane::Bulk,
                        leader,
                        &member.peer_address,
                        deadline,
                        |mut client| async move { client.remove(message).await },
                    )
                    .await;
                changed(answer)
            }
        }
    }
}

/// What is left of a deadline for whoever is asked, so that its own word comes before the wait is given up.
fn for_the_other(deadline: Duration) -> Duration {
    deadline * 9 / 10
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

fn revision_of(membership: &StoredMembership) -> Revision {
    Revision(membership.log_id().as_ref().map_or(0, |id| id.index))
}

/// What has become of a member, or of all.
#[derive(PartialEq, Eq, Debug)]
struct News {
    node: Option<NodeId>,
    says: String,
}

/// What has become of each member between two memberships, in sentences for the log.
fn news(before: &Membership, after: &Membership) -> Vec<News> {
    let votes = |membership: &Membership, node: NodeId| {
        let sets = membership.get_joint_config();
        sets.last().is_some_and(|set| set.contains(&node))
    };
    let of = |id: NodeId, says: String| News {
        node: Some(id),
        says,
    };
    let mut lines = Vec::new();
    for (id, member) in after.nodes() {
        match before.get_node(id) {
            None => lines.push(of(*id, format!("node {id} at {member} was added"))),
            Some(known) if known != member => {
                let says = format!("node {id} has moved from {known} to {member}");
                lines.push(of(*id, says));
            }
            Some(_) => {}
        }
        match (votes(before, *id), votes(after, *id)) {
            (false, true) => lines.push(of(*id, format!("node {id} was promoted: it votes"))),
            (true, false) => lines.push(of(*id, format!("node {id} no longer votes"))),
            (false, false) | (true, true) => {}
        }
    }
    let gone = before
        .nodes()
        .filter(|(id, _)| after.get_node(id).is_none());
    lines.extend(gone.map(|(id, member)| of(*id, format!("node {id} at {member} was removed"))));
    if let [from, to] = after.get_joint_config().as_slice() {
        lines.push(News {
            node: None,
            says: format!(
                "the voters are changing: [{}] -> [{}]",
                shown(from),
                shown(to)
            ),
        });
    }
    lines
}

/// What becomes of a voter that a change takes out.
#[derive(Clone, Copy)]
enum Retain {
    /// It stays as a learner.
    Learners,
    /// It goes.
    Nothing,
}

fn changed(answer: Result<peer::MembershipResponse, CallError>) -> Result<Changed, NotProposed> {
    use peer::membership_response::Result as Wire;
    let peer::MembershipResponse { result } = answer.map_err(not_sent_or_unknown)?;
    match result {
        Some(Wire::Revision(revision)) => Ok(Changed::At(Revision(revision))),
        Some(Wire::RemovedAlready(peer::Blank {})) => Ok(Changed::RemovedAlready),
        Some(Wire::NotLeader(peer::NotLeader { leader })) => Err(NotProposed::NotLeader {
            leader: leader.and_then(|member| member_in(member).ok()),
        }),
        Some(Wire::Refused(why)) => Err(NotProposed::Refused(why)),
        Some(Wire::Unknown(why)) => Err(NotProposed::Unknown(why)),
        None => Err(NotProposed::Unknown(
            "the leader's answer is empty: is it of another version?".to_owned(),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(address: &str, disk: u8) -> Member {
        Member {
            peer_address: address.to_owned(),
            disk: DiskId([disk; 16]),
        }
    }

    fn sets(sets: &[&[NodeId]], members: &[(NodeId, Member)]) -> Membership {
        let sets = sets.iter().map(|set| set.iter().copied().collect());
        let nodes: BTreeMap<NodeId, Member> = members.iter().cloned().collect();
        Membership::new(sets.collect::<Vec<BTreeSet<NodeId>>>(), nodes).unwrap()
    }

    /// Voters 1 and 2 and the learner 3; 4 was removed.
    fn cluster() -> (Membership, NodeIds) {
        let members = [
            (1, member("a:1", 1)),
            (2, member("b:1", 2)),
            (3, member("c:1", 3)),
        ];
        (sets(&[&[1, 2]], &members), NodeIds::from([1, 2, 3, 4]))
    }

    fn stands(node: NodeId, address: &str, disk: u8) -> Result<Standing, String> {
        let (membership, ids) = cluster();
        standing(&membership, &ids, node, &member(address, disk))
    }

    #[track_caller]
    fn refused(node: NodeId, address: &str, disk: u8, says: &str) {
        let why = stands(node, address, disk).unwrap_err();
        assert!(why.contains(says), "`{says}` is missing in: {why}");
    }

    #[test]
    fn member_on_its_own_disk_stands_as_it_did_wherever_it_has_moved() {
        assert_eq!(stands(1, "a:1", 1), Ok(Standing::Voter));
        assert_eq!(stands(3, "c:1", 3), Ok(Standing::Learner));
        assert_eq!(stands(3, "e:1", 3), Ok(Standing::Learner));
        assert_eq!(stands(5, "e:1", 5), Ok(Standing::Stranger));
    }

    /// F3, F15: an id belongs to one disk, a learner's as little as a voter's.
    #[test]
    fn known_id_with_another_disk_is_refused_whether_it_votes_or_not() {
        for node in [1, 3] {
            refused(node, "e:1", 9, "has lost its disk");
            refused(node, "e:1", 9, "new node id");
        }
    }

    /// An id is never given again, to its own disk as little as to another.
    #[test]
    fn removed_id_is_refused_with_its_old_disk_and_with_a_new_one() {
        refused(4, "e:1", 4, "node 4 was removed");
        refused(4, "e:1", 9, "an id is never given again");
    }

    /// An address belongs to one member, in whatever case it is written.
    #[test]
    fn address_of_a_member_is_refused_to_another_in_any_case() {
        refused(5, "A:1", 5, "is that of node 1");
        refused(3, "b:1", 3, "is that of node 2");
    }

    #[test]
    fn cluster_that_has_given_all_its_ids_takes_nobody_new() {
        let (membership, _) = cluster();
        let stranger = member("e:1", 5);
        let full: NodeIds = (1..=NODE_IDS_MAX as u64).collect();
        let new = NODE_IDS_MAX as u64 + 1;
        let why = standing(&membership, &full, new, &stranger).unwrap_err();
        assert!(why.contains("the most that it ever gives"), "{why}");
        let room: NodeIds = (1..NODE_IDS_MAX as u64).collect();
        assert_eq!(
            standing(&membership, &room, new, &stranger),
            Ok(Standing::Stranger)
        );
        assert_eq!(
            standing(&membership, &full, 3, &member("c:1", 3)),
            Ok(Standing::Learner)
        );
        let nodes = |count: usize| -> Vec<(NodeId, Member)> {
            let all = 1..=count as u64;
            all.map(|n| (n, member(&format!("m{n}:1"), 1))).collect()
        };
        let most = sets(&[&[1]], &nodes(MEMBERS_MAX));
        let ids: NodeIds = (1..=MEMBERS_MAX as u64).collect();
        let new = MEMBERS_MAX as u64 + 1;
        let why = standing(&most, &ids, new, &stranger).unwrap_err();
        assert!(why.contains("the most that it may have"), "{why}");
        let room = sets(&[&[1]], &nodes(MEMBERS_MAX - 1));
        assert_eq!(
            standing(&room, &ids, new, &stranger),
            Ok(Standing::Stranger)
        );
    }

    #[test]
    fn quorum_is_more_than_half_of_the_voters_and_the_silent_are_named() {
        let set = |ids: &[NodeId]| ids.iter().copied().collect::<BTreeSet<_>>();
        assert_eq!(lacks_quorum(&set(&[1, 2, 3]), &set(&[1, 3, 9])), None);
        assert_eq!(
            lacks_quorum(&set(&[1, 2]), &set(&[1, 9])),
            Some(vec![2]),
            "one of two is no quorum"
        );
        assert_eq!(lacks_quorum(&set(&[1]), &set(&[1])), None);
        assert_eq!(
            lacks_quorum(&set(&[1, 2, 3, 4]), &set(&[1, 2])),
            Some(vec![3, 4])
        );
    }

    #[test]
    fn each_change_of_the_members_is_told_in_its_own_words() {
        let all = [
            (1, member("a:1", 1)),
            (2, member("b:1", 2)),
            (3, member("c:1", 3)),
        ];
        let two = sets(&[&[1, 2]], &all[..2]);
        let learner = sets(&[&[1, 2]], &all);
        let joint = sets(&[&[1, 2], &[1, 2, 3]], &all);
        let three = sets(&[&[1, 2, 3]], &all);
        let told = |before: &Membership, after: &Membership| -> Vec<String> {
            let lines = news(before, after).into_iter();
            lines.map(|News { says, .. }| says).collect()
        };
        assert_eq!(told(&two, &learner), ["node 3 at c:1 was added"]);
        assert_eq!(
            told(&learner, &joint),
            [
                "node 3 was promoted: it votes",
                "the voters are changing: [1, 2] -> [1, 2, 3]"
            ]
        );
        assert_eq!(told(&joint, &three), Vec::<String>::new());
        assert_eq!(told(&three, &two), ["node 3 at c:1 was removed"]);
        let mut moved = all.clone();
        moved[1].1.peer_address = "d:1".to_owned();
        assert_eq!(
            told(&three, &sets(&[&[1, 2, 3]], &moved)),
            ["node 2 has moved from b:1 to d:1"]
        );
    }

    /// What a change waits for is told by name, and how long already.
    #[test]
    fn voters_that_a_change_waits_for_are_named_with_their_silence() {
        let all = [
            (1, member("a:1", 1)),
            (2, member("b:1", 2)),
            (3, member("c:1", 3)),
        ];
        let joint = sets(&[&[1, 2], &[1, 2, 3]], &all);
        let told = |two: Option<u64>, three: Option<u64>| {
            let heard = [(2, two), (3, three)];
            let heard = heard.map(|(id, ms)| (id, ms.map(Duration::from_millis)));
            silence_in_words(&joint, 1, &heard.into())
        };
        assert_eq!(
            told(Some(14_200), None),
            "node 2 has not been heard for 14 s, node 3 has not answered this leader yet"
        );
        assert_eq!(
            told(Some(999), Some(1_000)),
            "node 3 has not been heard for 1 s"
        );
        assert_eq!(told(Some(50), Some(60)), "every voter is heard");
        assert_eq!(
            change_in_words(&joint),
            "the change of the voters [1, 2] -> [1, 2, 3]"
        );
    }

    /// A reason holds for the term in which it was noted, and they are bounded.
    #[test]
    fn reason_of_a_change_is_known_for_its_term_alone() {
        let changes = Changes::default();
        changes.note_reason(3, 7, "it asked to join".to_owned());
        assert_eq!(changes.reason_of(3, 7).as_deref(), Some("it asked to join"));
        assert_eq!(changes.reason_of(3, 8), None);
        assert_eq!(changes.reason_of(2, 7), None);
        for node in 0..2 * MEMBERS_MAX as u64 {
            changes.note_reason(node, 8, String::new());
        }
        assert_eq!(changes.reason_of(3, 7), None);
        let kept = changes.reasons.lock().unwrap().len();
        assert_eq!(kept, MEMBERS_MAX);
    }
}
