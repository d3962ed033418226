//! A write before the leader has stamped it.

use crate::domain::authz::caller::Caller;
use crate::domain::ids::RequestId;
use crate::domain::op::{Command, Entry, Idempotency, Scope, Semantics};
use crate::domain::time::Timestamp;
use crate::wire::stored::{DraftParts, DraftRef};

/// Everything of an [`Entry`] but its time, which the leader stamps just before it proposes.
#[derive(Clone, Debug)]
pub struct Draft {
    /// What `apply` means for this entry.
    pub semantics: Semantics,
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
    /// The entry that is proposed at `proposed_at`.
    pub fn stamp(self, proposed_at: Timestamp) -> Entry {
        let Self {
            semantics,
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
            semantics,
            caller,
            scope,
            request_id,
            idempotency,
            command,
        } = self;
        DraftRef {
            semantics: *semantics,
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
            semantics,
            caller,
            scope,
            request_id,
            idempotency,
            command,
        } = parts;
        Self {
            semantics,
            caller,
            scope,
            request_id,
            idempotency,
            command,
        }
    }
}
