//! A write before the leader has stamped it.

use crate::domain::authz::caller::Caller;
use crate::domain::ids::RequestId;
use crate::domain::op::{Command, Entry, Idempotency, Scope, Semantics};
use crate::domain::time::Timestamp;
use crate::wire::stored::{DraftParts, DraftRef};

/// Everything of an [`Entry`] but its time and what it means, with which the leader stamps it just before it proposes.
#[derive(Clone, Debug)]
pub struct Draft {
    /// Who asks.
    pub caller: Caller,
    /// Where bare names resolve.
    pub scope: Scope,
    /// Drawn by the node that took the request.
    pub request_id: RequestId,
    /// For exactly-once retries, if the client asked for it.
    pub idempotency: Option<Idempotency>,
    /// What to do.
    pub command: Command,
}

impl Draft {
    /// The entry that is proposed at `proposed_at` to a cluster of these semantics.
    pub fn stamp(self, proposed_at: Timestamp, semantics: Semantics) -> Entry {
        let Self {
            caller,
            scope,
            request_id,
            idempotency,
            command,
        } = self;
        Entry {
            proposed_at,
            semantics,
            caller,
            scope,
            request_id,
            idempotency,
            command,
        }
    }

    /// For the way to the leader.
    pub(super) fn parts(&self) -> DraftRef<'_> {
        let Self {
            caller,
            scope,
            request_id,
            idempotency,
            command,
        } = self;
        DraftRef {
            caller,
            scope,
            request_id: *request_id,
            idempotency: idempotency.as_ref(),
            command,
        }
    }
}

impl From<DraftParts> for Draft {
    fn from(parts: DraftParts) -> Self {
        let DraftParts {
            caller,
            scope,
            request_id,
            idempotency,
            command,
        } = parts;
        Self {
            caller,
            scope,
            request_id,
            idempotency,
            command,
        }
    }
}
