//! What became of a command under an idempotency key: enough to answer a retry without doing it again.
//!
//! Everything that `apply` decides under a key is recorded, refusals too: the first attempt that arrives settles the
//! key, and one that comes late finds it settled. Imports ids, limits, time, and the other facts. Holds facts; `op`
//! decides what a retry is told and how long a record is kept.

use std::sync::Arc;

use super::Tags;
use super::closed_set;
use super::error_code::ErrorCode;
use super::group::Group;
use super::key::Key;
use super::organization::{Node, Organization};
use super::principal::{Account, Principal};
use crate::domain::ids::{AccountId, CustomKeyStoreId, GrantId};
use crate::domain::limits::IDEMPOTENCY_RECORD_BYTES;
use crate::domain::time::{Revision, Timestamp};

/// Whose key it is: the caller's identity and the key that it chose.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct IdempotencyKey {
    /// The caller, as a text that no other caller has: its ARN and, where it has one, its immutable id.
    pub caller: Arc<str>,
    /// The key as the client chose it.
    pub key: Arc<str>,
}

/// Whose share of the memory a record takes: sessions of one role share one, or a caller could give himself any number.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Payer {
    /// The account; `None` of the operator and of services.
    pub account: Option<AccountId>,
    /// Who of the account: the immutable id of a user or role, or what stands in its place.
    pub principal: Arc<str>,
}

closed_set! {
    /// How long a record is kept: that of a change as long as it is young by revisions or by time, that of a use of a key,
    /// which is a decision, for seconds.
    pub enum Horizon {
        Change = "change",
        Use = "use",
    }
}

/// What Consume answers: what allowed the use, and what is left (EC-13).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Consumed {
    /// The kind of evidence that allowed it, as decisions name it.
    pub policy_type: Arc<str>,
    /// The grant that allowed it, if it was one.
    pub grant: Option<GrantId>,
    /// What that grant has left; `None`: nothing was spent, for what allowed the use has no budget.
    pub uses_left: Option<u32>,
}

/// What became of a command, as its first answer told it.
#[derive(Clone, Debug)]
pub enum Effect {
    /// Nothing to tell beyond that it was done.
    Done,
    /// The account that was made.
    Account(Arc<Account>),
    /// The user or role, as it was then.
    Principal(Arc<Principal>),
    /// The group, as it was then.
    Group(Arc<Group>),
    /// The organization, as it was then.
    Organization(Arc<Organization>),
    /// The node of an organization's tree, as it was then.
    Node(Arc<Node>),
    /// The key, as it was then.
    Key(Arc<Key>),
    /// The custom key store that was made; its secrets are not repeated.
    KeyStore(CustomKeyStoreId),
    /// The grant that was made or found again.
    Grant {
        /// Its id; whether it still lives is the state's to say.
        id: GrantId,
        /// As the first answer had it.
        depends_on: Revision,
    },
    /// A use that was allowed, and spent where it had a budget. A retry spends nothing, and is decided again.
    Consumed(Consumed),
    /// The number of the token epoch that was installed.
    TokenEpoch(u32),
    /// It was refused, and had no effect.
    Refused {
        /// The exception.
        code: ErrorCode,
        /// Its text.
        message: Arc<str>,
    },
}

/// What became of a command under an idempotency key.
#[derive(Clone, Debug)]
pub struct IdempotencyRecord {
    /// Whose.
    pub key: IdempotencyKey,
    /// Whose share of the memory it takes.
    pub payer: Payer,
    /// The hash of the request as first sent: another request under the same key is refused.
    pub request_hash: [u8; 32],
    /// How long it is kept.
    pub horizon: Horizon,
    /// The revision that settled the key.
    pub at: Revision,
    /// The state's time then.
    pub time: Timestamp,
    /// What became of it.
    pub effect: Effect,
}

impl IdempotencyRecord {
    /// What it takes of its payer's share: what it carries is counted whole, shared with the state or not, for a snapshot
    /// writes it whole.
    pub fn bytes(&self) -> u64 {
        let carried = match &self.effect {
            Effect::Done
            | Effect::Grant { .. }
            | Effect::Consumed(_)
            | Effect::KeyStore(_)
            | Effect::TokenEpoch(_) => 0,
            Effect::Account(account) => account.name.len(),
            Effect::Principal(principal) => {
                let policies = principal.policies.values().chain(&principal.boundary);
                let texts: usize = policies.map(|policy| policy.text().len()).sum();
                texts + tags_bytes(&principal.tags)
            }
            Effect::Group(group) => group.policies.values().map(|p| p.text().len()).sum(),
            Effect::Organization(organization) => organization.id.as_str().len(),
            Effect::Node(node) => {
                let controls = node.service_control.iter().chain(&node.resource_control);
                controls.map(|(name, p)| name.len() + p.text().len()).sum()
            }
            Effect::Key(key) => {
                key.policy.text().len() + key.description.len() + tags_bytes(&key.tags)
            }
            Effect::Refused { code, message } => code.as_str().len() + message.len(),
        };
        let texts = self.key.caller.len() + self.key.key.len() + self.payer.principal.len();
        let beside = u64::try_from(carried.saturating_add(texts)).unwrap_or(u64::MAX);
        IDEMPOTENCY_RECORD_BYTES.saturating_add(beside)
    }
}

fn tags_bytes(tags: &Tags) -> usize {
    tags.iter()
        .map(|(key, value)| key.len() + value.len())
        .sum()
}
