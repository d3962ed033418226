//! What was done under an idempotency key: enough to answer a retry without doing it again.
//!
//! Only what took effect is recorded. A refused command changed nothing, so its retry is judged anew.
//! Imports ids, time, and the other facts. Holds facts; `op` decides what a retry is told.

use std::sync::Arc;

use super::group::Group;
use super::key::Key;
use super::organization::{Node, Organization};
use super::principal::{Account, Principal};
use crate::domain::ids::{CustomKeyStoreId, GrantId};
use crate::domain::time::Revision;

/// Whose key it is: the caller's identity and the key that it chose.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct IdempotencyKey {
    /// The caller, as a text that no other caller has: its ARN and, where it has one, its immutable id.
    pub caller: Arc<str>,
    /// The key as the client chose it.
    pub key: Arc<str>,
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

/// What a command did, as its first answer told it.
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
    /// A use that was allowed, and spent where it had a budget: a retry spends nothing.
    Consumed(Consumed),
}

/// A command that took effect under an idempotency key.
#[derive(Clone, Debug)]
pub struct IdempotencyRecord {
    /// Whose.
    pub key: IdempotencyKey,
    /// The hash of the request as first sent: another request under the same key is refused.
    pub request_hash: [u8; 32],
    /// The revision at which it took effect; the record is dropped a retention horizon later.
    pub at: Revision,
    /// What it did.
    pub effect: Effect,
}
