//! The stored forms of a log entry, and of a draft: an entry that its leader has not stamped yet.
//!
//! Imports domain's op and authz::caller.

use serde::{Deserialize, Serialize};

use super::caller::CallerRow;
use super::command::CommandRow;
use super::error::Malformed;
use super::row::{Stored, Str, Text, row};
use crate::domain::authz::caller::Caller;
use crate::domain::ids::{Partition, Region, RequestId};
use crate::domain::op::{Command, Entry, Idempotency, Scope, Semantics};

row! {
    EntryRow: Entry {
        proposed_at: u64,
        semantics: u32,
        caller: CallerRow,
        scope: ScopeRow,
        request_id: [u8; 16],
        idempotency: Option<IdempotencyRow>,
        command: CommandRow,
    }
}

impl Stored<Semantics> for u32 {
    fn store(value: &Semantics) -> Self {
        let Semantics(number) = *value;
        number
    }

    fn load(self) -> Result<Semantics, Malformed> {
        Ok(Semantics(self))
    }
}

row! {
    ScopeRow: Scope {
        partition: Text<Partition>,
        region: Text<Region>,
    }
}

row! {
    IdempotencyRow: Idempotency {
        key: Str,
        birth: u64,
        request_hash: [u8; 32],
    }
}

/// Everything of an entry but the stamp, which is its leader's: the time and the cluster's semantics. Borrowed.
#[derive(Clone, Copy, Debug)]
pub struct DraftRef<'a> {
    /// Who asks.
    pub caller: &'a Caller,
    /// Where bare names resolve.
    pub scope: &'a Scope,
    /// Drawn by the node that took the request.
    pub request_id: RequestId,
    /// For exactly-once retries.
    pub idempotency: Option<&'a Idempotency>,
    /// What to do.
    pub command: &'a Command,
}

/// Everything of an entry but the stamp, as it was read.
#[derive(Clone, Debug)]
pub struct DraftParts {
    /// Who asks.
    pub caller: Caller,
    /// Where bare names resolve.
    pub scope: Scope,
    /// Drawn by the node that took the request.
    pub request_id: RequestId,
    /// For exactly-once retries.
    pub idempotency: Option<Idempotency>,
    /// What to do.
    pub command: Command,
}

/// A draft's row; its fields are those of [`EntryRow`] without the stamp.
#[derive(Serialize, Deserialize)]
pub(super) struct DraftRow {
    caller: CallerRow,
    scope: ScopeRow,
    request_id: [u8; 16],
    idempotency: Option<IdempotencyRow>,
    command: CommandRow,
}

impl From<DraftRef<'_>> for DraftRow {
    fn from(draft: DraftRef<'_>) -> Self {
        let DraftRef {
            caller,
            scope,
            request_id,
            idempotency,
            command,
        } = draft;
        Self {
            caller: Stored::store(caller),
            scope: Stored::store(scope),
            request_id: Stored::store(&request_id),
            idempotency: idempotency.map(Stored::store),
            command: Stored::store(command),
        }
    }
}

impl TryFrom<DraftRow> for DraftParts {
    type Error = Malformed;

    fn try_from(row: DraftRow) -> Result<Self, Malformed> {
        let DraftRow {
            caller,
            scope,
            request_id,
            idempotency,
            command,
        } = row;
        Ok(Self {
            caller: caller.load().map_err(|fault| fault.within("caller"))?,
            scope: scope.load().map_err(|fault| fault.within("scope"))?,
            request_id: request_id.load()?,
            idempotency: idempotency
                .load()
                .map_err(|fault| fault.within("idempotency"))?,
            command: command.load().map_err(|fault| fault.within("command"))?,
        })
    }
}
