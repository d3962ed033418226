//! What time makes due, proposed by whoever leads (`domain::op::due`): keys whose waiting period is over, and what else
//! ends by itself; and the token epoch that every node has by now.
//!
//! A command is proposed only when the wall clocks of a majority of the voters agree that it is due; it is stamped with
//! the time that they agree on, and `apply` checks it again. A node that does not lead does nothing. Never: a change of
//! the state by any other way than the log.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::write::{Draft, WriteGate};
use crate::domain::authz::caller::{Caller, Identity, RequestFacts};
use crate::domain::ids::RequestId;
use crate::domain::op::due::{due, home};
use crate::domain::op::rotate_token_epoch::settles_after_ms;
use crate::domain::op::start_token_epoch::StartTokenEpoch;
use crate::domain::op::{Command, Scope};
use crate::domain::state::State;
use crate::domain::time::Timestamp;
use crate::env::{BootTime, Clock, Rng, WallTime};
use crate::replica::{Proposed, Replica};

/// How long one command may take; it is due again afterwards.
const DEADLINE: Duration = Duration::from_secs(10);

/// Proposes what is due, from the start of a node to its end.
pub struct DueTask {
    replica: Arc<Replica>,
    writes: Arc<WriteGate>,
    clock: Arc<dyn Clock>,
    rng: Arc<dyn Rng>,
    every: Duration,
    /// The token epoch that is to mint next, and since when this node has applied it.
    coming: Mutex<Option<(u32, BootTime)>>,
}

impl DueTask {
    /// The task of one node, which looks `every` so often.
    pub fn new(
        replica: Arc<Replica>,
        writes: Arc<WriteGate>,
        clock: Arc<dyn Clock>,
        rng: Arc<dyn Rng>,
        every: Duration,
    ) -> Self {
        Self {
            replica,
            writes,
            clock,
            rng,
            every,
            coming: Mutex::default(),
        }
    }

    /// Looks for ever.
    pub async fn run(&self) {
        loop {
            self.clock.sleep(self.every).await;
            // A backlog is worked off without a pause, a command after the other: what clients write goes between.
            while self.round().await {}
        }
    }

    /// Proposes what is due now. Whether there may be more.
    async fn round(&self) -> bool {
        let published = self.replica.board().load();
        // On every node: how long it has had the epoch counts, whoever led meanwhile.
        let settled = self.settled_epoch(&published.state);
        let leads = self.replica.leader().map(|(leader, _)| leader);
        if leads != Some(self.replica.node_id()) {
            return false;
        }
        let Some(WallTime(agreed_ms)) = self.replica.agreed_wall() else {
            return false;
        };
        let agreed = Timestamp::from_millis(agreed_ms);
        let Some(scope) = home(&published.state) else {
            return false;
        };
        let due = due(&published.state, agreed);
        let any = settled.is_some() || !due.is_empty();
        for command in settled.into_iter().chain(due) {
            if !self.propose(command, scope.clone(), agreed).await {
                return false;
            }
        }
        any
    }

    /// The command from which on the installed token epoch mints, once this node has had it for B(1+rho): no node answers
    /// from a state that lacks it any more.
    fn settled_epoch(&self, state: &State) -> Option<Command> {
        let now = self.clock.boot();
        let mut coming = self.coming.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(number) = state.coming_epoch().map(|epoch| epoch.number) else {
            *coming = None;
            return None;
        };
        let since = match *coming {
            Some((seen, since)) if seen == number => since,
            Some(_) | None => {
                *coming = Some((number, now));
                now
            }
        };
        let wait = Duration::from_millis(settles_after_ms(state));
        (now.since(since) >= wait).then_some(Command::StartTokenEpoch(StartTokenEpoch { number }))
    }

    /// Whether it was done.
    async fn propose(&self, command: Command, scope: Scope, at: Timestamp) -> bool {
        let name = command.operation().name();
        let draft = Draft {
            caller: Caller {
                identity: Identity::System,
                facts: RequestFacts::default(),
            },
            scope,
            request_id: RequestId(self.rng.bytes16()),
            idempotency: None,
            command,
        };
        match self.writes.propose_due(draft, at, DEADLINE).await {
            Ok(Proposed { outcome: Ok(_), .. }) => true,
            Ok(Proposed {
                outcome: Err(rejection),
                ..
            }) => {
                // Somebody was faster: a deletion cancelled, another leader.
                tracing::debug!(command = name, message = %rejection.message, "what was due was refused");
                false
            }
            Err(error) => {
                tracing::warn!(command = name, %error, "what is due was not done; it is tried again");
                false
            }
        }
    }
}
