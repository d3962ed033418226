//! Who belongs to the cluster: the leader's side of joining and leaving, and the way to it.
//!
//! A node joins as a learner, catches up, and then votes. Never: two changes at once (openraft refuses the second).

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use openraft::ChangeMembers;

use super::convert::{member_in, member_out, membership_in};
use super::handle::Replica;
use super::peers::{CallError, Lane};
use super::propose::{NotProposed, not_sent_or_unknown, refusal};
use super::types::{Member, Membership, NodeId};
use crate::domain::state::token_epoch::SealCheck;
use crate::domain::time::{Incarnation, Revision};
use crate::env::timeout;
use crate::wire::peer;

/// What a node that asks to join has kept of an earlier membership.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum History {
    /// Nothing: it is new, or its disk was lost.
    None,
    /// It was told of the cluster before, and remembers its votes and its log.
    Kept,
}

/// What a node says of its cluster to one that is not a member yet.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ClusterInfo {
    /// The life of the cluster.
    pub incarnation: Incarnation,
    /// The node that answered.
    pub node: NodeId,
    /// Who leads, if it knows.
    pub leader: Option<(NodeId, Member)>,
    /// Who belongs to it.
    pub membership: Membership,
    /// What tells its seal key from any other; `None`: the node does not know that yet.
    pub seal_check: Option<SealCheck>,
}

impl Replica {
    /// Asks the node at `address` which cluster it belongs to.
    ///
    /// # Errors
    /// A sentence: it cannot be reached, or belongs to no cluster.
    pub async fn ask_cluster_info(
        &self,
        address: &str,
        deadline: Duration,
    ) -> Result<ClusterInfo, String> {
        let answer = self
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
            })?;
        let peer::ClusterInfoResponse {
            incarnation,
            node,
            leader,
            membership,
            seal_check,
        } = answer;
        if incarnation.is_empty() {
            return Err(format!(
                "the node at {address} belongs to no cluster yet: initialize it first, or name a member"
            ));
        }
        let incarnation = <[u8; 16]>::try_from(&incarnation[..]).map_err(|_| {
            format!("the node at {address} speaks another version of the peer protocol")
        })?;
        Ok(ClusterInfo {
            incarnation: Incarnation(incarnation),
            node,
            leader: leader.and_then(|member| member_in(member).ok()),
            membership: membership_in(membership).map_err(|error| error.to_string())?,
            seal_check: <[u8; 32]>::try_from(&seal_check[..]).ok().map(SealCheck),
        })
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

    /// The leader's side of joining: adds a learner, waits until it has caught up, makes it a voter. Asked again, it
    /// goes on where it stopped.
    ///
    /// # Errors
    /// As [`NotProposed`] says.
    pub async fn admit(
        &self,
        node: NodeId,
        member: Member,
        history: History,
        deadline: Duration,
    ) -> Result<Revision, NotProposed> {
        match timeout(
            &**self.clock(),
            deadline,
            self.admit_now(node, member, history),
        )
        .await
        {
            Some(result) => result,
            None => Err(NotProposed::Unknown(format!(
                "node {node} has not caught up within {} s; ask again to go on",
                deadline.as_secs()
            ))),
        }
    }

    async fn admit_now(
        &self,
        node: NodeId,
        member: Member,
        history: History,
    ) -> Result<Revision, NotProposed> {
        self.must_lead()?;
        let membership = self.membership();
        if let Some(known) = membership.get_node(&node) {
            // A learner that comes back with nothing harms nobody: it has no vote to forget.
            let votes = membership.voter_ids().any(|voter| voter == node);
            if votes && history == History::None {
                return Err(NotProposed::Refused(lost_its_disk(node)));
            }
            if *known != member {
                let moved = ChangeMembers::SetNodes(BTreeMap::from([(node, member.clone())]));
                self.change(moved, Retain::Learners).await?;
            }
        }
        let is_voter = membership.voter_ids().any(|voter| voter == node);
        if is_voter {
            return Ok(Revision(membership.log_id().map_or(0, |id| id.index)));
        }
        // Waits until the learner has caught up.
        self.raft()
            .add_learner(node, member, true)
            .await
            .map_err(refusal)?;
        self.change(
            ChangeMembers::AddVoterIds(BTreeSet::from([node])),
            Retain::Learners,
        )
        .await
    }

    /// The leader's side of removing a node. A leader that is to go hands over first, and the next one is asked again.
    ///
    /// # Errors
    /// As [`NotProposed`] says.
    pub async fn expel(&self, node: NodeId, deadline: Duration) -> Result<Revision, NotProposed> {
        match timeout(&**self.clock(), deadline, self.expel_now(node)).await {
            Some(result) => result,
            None => Err(NotProposed::Unknown(format!(
                "the removal of node {node} was not committed within {} s; look at the cluster's status",
                deadline.as_secs()
            ))),
        }
    }

    async fn expel_now(&self, node: NodeId) -> Result<Revision, NotProposed> {
        self.must_lead()?;
        let membership = self.membership();
        if membership.get_node(&node).is_none() {
            return Ok(Revision(membership.log_id().map_or(0, |id| id.index)));
        }
        let voters: BTreeSet<NodeId> = membership.voter_ids().collect();
        if voters == BTreeSet::from([node]) {
            return Err(NotProposed::Refused(format!(
                "node {node} is the only voter: without it there is no cluster"
            )));
        }
        if node == self.node_id() {
            let heir = voters.into_iter().find(|voter| *voter != node);
            if let Some(heir) = heir {
                self.raft()
                    .trigger()
                    .transfer_leader(heir)
                    .await
                    .map_err(|fatal| NotProposed::Refused(fatal.to_string()))?;
            }
            return Err(NotProposed::NotLeader { leader: None });
        }
        let one = BTreeSet::from([node]);
        if voters.contains(&node) {
            self.change(ChangeMembers::RemoveVoters(one), Retain::Nothing)
                .await
        } else {
            self.change(ChangeMembers::RemoveNodes(one), Retain::Nothing)
                .await
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
        let written = self
            .raft()
            .change_membership(change, retain)
            .await
            .map_err(refusal)?;
        Ok(Revision(written.log_id.index))
    }

    /// Asks the leader `leader` to admit this node.
    ///
    /// # Errors
    /// As [`NotProposed`] says.
    pub async fn ask_to_join(
        &self,
        leader: NodeId,
        address: &str,
        member: &Member,
        history: History,
        deadline: Duration,
    ) -> Result<Revision, NotProposed> {
        let message = peer::JoinRequest {
            route: Some(self.peers().route(leader)),
            member: Some(member_out(self.node_id(), member)),
            first_time: history == History::None,
        };
        let answer = self
            .peers()
            .call(
                Lane::Bulk,
                leader,
                address,
                deadline,
                |mut client| async move { client.join(message).await },
            )
            .await;
        changed(answer)
    }

    /// Removes `node`: here if this node leads, else at the node that does.
    ///
    /// # Errors
    /// As [`NotProposed`] says.
    pub async fn remove(&self, node: NodeId, deadline: Duration) -> Result<Revision, NotProposed> {
        match self.leader() {
            None => Err(NotProposed::NotLeader { leader: None }),
            Some((leader, _)) if leader == self.node_id() => self.expel(node, deadline).await,
            Some((leader, member)) => {
                let message = peer::RemoveRequest {
                    route: Some(self.peers().route(leader)),
                    node,
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

/// Why a voter without a past is not taken back under its id.
pub fn lost_its_disk(node: NodeId) -> String {
    format!(
        "node {node} is a voter already, and what asks in its name has lost its disk: it must join under a new node id; remove node {node} with `grantd cluster remove`"
    )
}

/// What becomes of a voter that a change takes out.
#[derive(Clone, Copy)]
enum Retain {
    /// It stays as a learner.
    Learners,
    /// It goes.
    Nothing,
}

fn changed(answer: Result<peer::MembershipResponse, CallError>) -> Result<Revision, NotProposed> {
    use peer::membership_response::Result as Wire;
    let peer::MembershipResponse { result } = answer.map_err(not_sent_or_unknown)?;
    match result {
        Some(Wire::Revision(revision)) => Ok(Revision(revision)),
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
