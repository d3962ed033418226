//! Who leads, told to whoever reads the log: elections begun, lead won and lost, leader changed, each with its reason.
//!
//! Never: anything that somebody acts on.

use openraft::ServerState;
use openraft::async_runtime::WatchReceiver;
use openraft::metrics::RaftServerMetrics;

use super::handle::Replica;
use super::types::{NodeId, TypeConfig};
use crate::telemetry::Seldom;

/// What the lines are about, as Raft shows it at one moment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Seen {
    state: ServerState,
    term: u64,
    leader: Option<NodeId>,
}

impl From<&RaftServerMetrics<TypeConfig>> for Seen {
    fn from(metrics: &RaftServerMetrics<TypeConfig>) -> Self {
        Self {
            state: metrics.state,
            term: metrics.vote.leader_id.term,
            leader: metrics.current_leader,
        }
    }
}

/// What happened between two moments.
#[derive(Clone, PartialEq, Eq, Debug)]
enum News {
    ElectionBegun {
        term: u64,
        why: String,
    },
    LeadWon {
        term: u64,
        why: &'static str,
    },
    LeadLost {
        term: u64,
        why: String,
    },
    LeaderChanged {
        from: Option<NodeId>,
        to: NodeId,
        term: u64,
    },
}

/// The news for the node `me`.
fn news(me: NodeId, before: Seen, now: Seen) -> Vec<News> {
    let mut news = Vec::new();
    let term = now.term;
    let led = before.state == ServerState::Leader;
    let leads = now.state == ServerState::Leader;
    // A leader of a new term has lost the old one in between.
    if led && (!leads || now.term != before.term) {
        let why = match now.leader {
            Some(other) if other != me => format!("node {other} leads in term {term}"),
            _ if now.term > before.term => format!("an election was begun in term {term}"),
            _ if now.state == ServerState::Shutdown => "this node stops".to_owned(),
            _ => "this node votes no more".to_owned(),
        };
        news.push(News::LeadLost {
            term: before.term,
            why,
        });
    }
    let stood = before.state == ServerState::Candidate;
    if now.state == ServerState::Candidate && !(stood && now.term == before.term) {
        let why = match before.leader {
            _ if stood => format!("the election in term {} had no winner", before.term),
            Some(leader) if leader != me => {
                format!(
                    "nothing was heard of node {leader}, the leader in term {}",
                    before.term
                )
            }
            _ => "no leader is known".to_owned(),
        };
        news.push(News::ElectionBegun { term, why });
    }
    if leads && !(led && now.term == before.term) {
        let why = "a majority of the voters voted for this node";
        news.push(News::LeadWon { term, why });
    }
    match now.leader {
        Some(to) if to != me && before.leader != Some(to) => news.push(News::LeaderChanged {
            from: before.leader,
            to,
            term,
        }),
        _ => {}
    }
    news
}

/// Tells the news; an election that is begun over and over is told once a second.
#[derive(Default)]
struct Teller {
    elections: Seldom,
}

impl Teller {
    fn tell(&self, node: NodeId, news: &News, now: std::time::Duration) {
        match news {
            News::ElectionBegun { term, why } => {
                if let Some(times) = self.elections.due(now) {
                    tracing::info!(node, term, why, times, "election begun");
                }
            }
            News::LeadWon { term, why } => tracing::info!(node, term, why, "lead won"),
            News::LeadLost { term, why } => tracing::info!(node, term, why, "lead lost"),
            News::LeaderChanged { from, to, term } => {
                let from = from.map_or_else(|| "none".to_owned(), |from| from.to_string());
                let why = "a majority of the voters elected it";
                tracing::info!(node, from, to, term, why, "leader changed");
            }
        }
    }
}

impl Replica {
    /// Tells the log who leads, until Raft has stopped.
    pub async fn narrate(&self) {
        let me = self.node_id();
        let mut metrics = self.raft().server_metrics();
        let teller = Teller::default();
        let mut before = Seen {
            state: ServerState::default(),
            term: 0,
            leader: None,
        };
        loop {
            let now = Seen::from(&*metrics.borrow_watched());
            let at = self.clock().boot().since_boot();
            for news in news(me, before, now) {
                teller.tell(me, &news, at);
            }
            before = now;
            if metrics.changed().await.is_err() {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ME: NodeId = 1;

    fn seen(state: ServerState, term: u64, leader: Option<NodeId>) -> Seen {
        Seen {
            state,
            term,
            leader,
        }
    }

    fn told(steps: &[Seen]) -> Vec<&'static str> {
        let pairs = steps.windows(2);
        pairs
            .flat_map(|pair| news(ME, pair[0], pair[1]))
            .map(|news| match news {
                News::ElectionBegun { .. } => "begun",
                News::LeadWon { .. } => "won",
                News::LeadLost { .. } => "lost",
                News::LeaderChanged { .. } => "changed",
            })
            .collect()
    }

    #[test]
    fn each_turn_of_the_lead_is_told_once() {
        use ServerState::{Candidate, Follower, Leader, Learner};
        let life = [
            seen(Learner, 0, None),
            seen(Follower, 1, Some(2)),
            seen(Follower, 1, Some(2)),
            seen(Candidate, 2, None),
            seen(Candidate, 3, None),
            seen(Leader, 3, Some(ME)),
            seen(Leader, 3, Some(ME)),
            seen(Follower, 4, None),
            seen(Follower, 4, Some(3)),
            seen(Follower, 5, Some(3)),
        ];
        assert_eq!(
            told(&life),
            ["changed", "begun", "begun", "won", "lost", "changed"]
        );
    }

    /// The watch may pass over what lies between two looks.
    #[test]
    fn lead_that_was_lost_and_won_between_two_looks_is_told_as_both() {
        use ServerState::{Follower, Leader};
        let steps = [seen(Leader, 3, Some(ME)), seen(Leader, 5, Some(ME))];
        assert_eq!(told(&steps), ["lost", "won"]);
        let steps = [seen(Leader, 3, Some(ME)), seen(Follower, 4, Some(2))];
        assert_eq!(told(&steps), ["lost", "changed"]);
        let lost = news(ME, steps[0], steps[1]);
        let why = "node 2 leads in term 4".to_owned();
        assert_eq!(lost.first(), Some(&News::LeadLost { term: 3, why }));
    }
}
