//! Giving the lead away: to whom, and without a write that nobody knows the outcome of.
//!
//! Who asks for it: a node that is to stop, one that is to leave the cluster, and one that cannot go on leading. openraft's transfer does the rest: the heir
//! is elected once its log has all of ours; if it is not, the others elect as after any leader that falls silent.

use std::time::Duration;

use openraft::Instant as _;
use tokio::sync::watch;

use super::handle::Replica;
use super::types::NodeId;
use crate::domain::limits::{HAND_OVER_MS_MAX, QUIESCE_MS_MAX};
use crate::domain::time::Revision;
use crate::env::timeout;

/// How long the heir may take to show that it is there.
const ANSWERS_WITHIN: Duration = Duration::from_millis(300);

/// The way to the log of this node. Closed, whoever comes is sent to the node that leads next; those inside go on.
#[derive(Debug, Default)]
pub struct Door {
    state: watch::Sender<Doorway>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Doorway {
    closed: bool,
    inside: usize,
}

impl Door {
    /// Enters, unless it is closed. Dropping what is returned leaves.
    pub fn enter(&self) -> Option<Inside<'_>> {
        self.state
            .send_if_modified(|doorway| {
                if !doorway.closed {
                    doorway.inside += 1;
                }
                !doorway.closed
            })
            .then(|| Inside { door: self })
    }

    fn close(&self) {
        self.state.send_modify(|doorway| doorway.closed = true);
    }

    fn open(&self) {
        self.state.send_modify(|doorway| doorway.closed = false);
    }

    async fn empty(&self) {
        let mut state = self.state.subscribe();
        // The sender is `self`.
        let _ = state.wait_for(|doorway| doorway.inside == 0).await;
    }
}

/// One write between its proposal and its outcome.
#[derive(Debug)]
pub struct Inside<'a> {
    door: &'a Door,
}

impl Drop for Inside<'_> {
    fn drop(&mut self) {
        self.door
            .state
            .send_modify(|doorway| doorway.inside = doorway.inside.saturating_sub(1));
    }
}

impl Replica {
    /// Who leads next if this leader gives the lead away: of the voters that were heard lately the one whose log is the
    /// furthest, of those that apply if there are any. `None`: there is none, or this node does not lead.
    pub fn heir(&self) -> Option<NodeId> {
        self.heirs().first().map(|(heir, _)| *heir)
    }

    /// Who could lead next, the one whose log is the furthest first.
    fn heirs(&self) -> Vec<(NodeId, String)> {
        let lately = Duration::from_millis(self.timings().election_ms_max.saturating_mul(2));
        let metrics = self.raft().metrics();
        let metrics = openraft::async_runtime::WatchReceiver::borrow_watched(&metrics);
        let (Some(matched), Some(heard)) = (&metrics.replication, &metrics.heartbeat) else {
            return Vec::new();
        };
        let membership = &metrics.membership_config;
        let mut heirs: Vec<NodeId> = membership
            .voter_ids()
            .filter(|voter| *voter != self.node_id())
            .filter(|voter| {
                let heard = heard.get(voter).copied().flatten();
                heard.is_some_and(|at| at.elapsed() < lately)
            })
            .collect();
        // One that does not apply what it has could answer nobody: it comes last.
        heirs.sort_by_key(|voter| {
            let log = std::cmp::Reverse(matched.get(voter).copied().flatten());
            (self.watched().stands_still(*voter), log)
        });
        heirs
            .into_iter()
            .filter_map(|heir| Some((heir, membership.get_node(&heir)?.peer_address.clone())))
            .collect()
    }

    /// The best of them that answers now: one that has just gone was heard lately, too.
    async fn heir_that_answers(&self) -> Option<NodeId> {
        for (heir, address) in self.heirs() {
            if self
                .ask_cluster_info(&address, ANSWERS_WITHIN)
                .await
                .is_ok()
            {
                return Some(heir);
            }
        }
        None
    }

    /// Gives the lead away, and returns who leads then; `None` where it did not lead, there is nobody to take it, or it took
    /// too long. Writes that come meanwhile are sent to the next leader; those that this node has proposed are finished
    /// first. A node that does not stop afterwards may [lead again](Replica::lead_again).
    pub async fn hand_over(&self) -> Option<NodeId> {
        let (_, leads) = self.committed_and_leads();
        if !leads {
            return None;
        }
        let heir = self.heir_that_answers().await?;
        let clock = self.clock();
        self.door().close();
        let quiesce = Duration::from_millis(QUIESCE_MS_MAX);
        // Those that take longer are finished by the next leader.
        let _ = timeout(&**clock, quiesce, self.door().empty()).await;
        let last = self.last_logged();
        tracing::info!(heir, "handing the lead over");
        let began = clock.boot();
        if self.raft().trigger().transfer_leader(heir).await.is_err() {
            return None;
        }
        let settled = async {
            let next = self.led_by_another().await;
            // What was proposed here has its outcome once it is applied here.
            self.applied(last).await;
            next
        };
        let next = timeout(&**clock, Duration::from_millis(HAND_OVER_MS_MAX), settled).await;
        match next {
            Some(next) => tracing::info!(
                leader = next,
                took_ms = u64::try_from(clock.boot().since(began).as_millis()).unwrap_or(u64::MAX),
                "the lead is handed over"
            ),
            None => {
                tracing::warn!(heir, "nobody has taken the lead in time");
                self.door().open();
            }
        }
        next
    }

    /// After it has handed the lead over, this node takes writes again once it leads.
    pub(super) fn lead_again(&self) {
        self.door().open();
    }

    fn last_logged(&self) -> Revision {
        let metrics = self.raft().metrics();
        let metrics = openraft::async_runtime::WatchReceiver::borrow_watched(&metrics);
        Revision(metrics.last_log_index.unwrap_or(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn closed_door_lets_nobody_in_and_those_inside_out() {
        let door = Door::default();
        let first = door.enter().expect("is open");
        door.close();
        assert!(door.enter().is_none());
        let mut empty = Box::pin(door.empty());
        assert!(futures::poll!(&mut empty).is_pending());
        drop(first);
        empty.await;
        door.open();
        assert!(door.enter().is_some());
    }
}
