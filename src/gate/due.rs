//! What time makes due, proposed by whoever leads (`domain::op::due`): keys whose waiting period is over, and what else
//! ends by itself.
//!
//! A command is proposed only when the wall clocks of a majority of the voters agree that it is due; it is stamped with
//! the time that they agree on, and `apply` checks it again. A node that does not lead does nothing. Never: a change of
//! the state by any other way than the log.

use std::sync::Arc;
use std::time::Duration;

use super::write::{Draft, WriteGate};
use crate::domain::authz::caller::{Caller, Identity, RequestFacts};
use crate::domain::ids::RequestId;
use crate::domain::op::due::{due, endpoint};
use crate::domain::op::{Command, Scope, Semantics};
use crate::domain::time::Timestamp;
use crate::env::{Clock, Rng, WallTime};
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
        let leads = self.replica.leader().map(|(leader, _)| leader);
        if leads != Some(self.replica.node_id()) {
            return false;
        }
        let Some(WallTime(agreed_ms)) = self.replica.agreed_wall() else {
            return false;
        };
        let agreed = Timestamp::from_millis(agreed_ms);
        let published = self.replica.board().load();
        let commands = due(&published.state, agreed);
        let Some(scope) = endpoint(&published.state) else {
            return false;
        };
        let any = !commands.is_empty();
        for command in commands {
            if !self.propose(command, scope.clone(), agreed).await {
                return false;
            }
        }
        any
    }

    /// Whether it was done.
    async fn propose(&self, command: Command, scope: Scope, at: Timestamp) -> bool {
        let name = command.operation().name();
        let draft = Draft {
            semantics: Semantics::CURRENT,
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
