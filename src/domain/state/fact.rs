//! A state as a list of facts: what a snapshot holds. Indexes are derived again when facts are read back.
//!
//! Imports the facts. Never: bytes; their stored form is `wire`'s.

use std::sync::Arc;

use super::alias::Alias;
use super::cow_map::HashKey;
use super::grant::Grant;
use super::group::Group;
use super::idempotency::IdempotencyRecord;
use super::key::Key;
use super::key_store::CustomKeyStore;
use super::key_store_backend::KeyStoreBackend;
use super::organization::{Node, Organization, VpcEndpoint};
use super::principal::{Account, Principal};
use super::semantics::{Member, Semantics};
use super::settings::Settings;
use super::token_epoch::{SealCheck, TokenEpoch};
use crate::domain::time::{Incarnation, Revision, Timestamp};

/// What a state says of itself beside its facts.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Header {
    /// The life of the cluster; all zeros before Bootstrap.
    pub incarnation: Incarnation,
    /// The last entry that was applied.
    pub revision: Revision,
    /// The greatest time that an applied entry was stamped with.
    pub clock: Timestamp,
    /// The replicated settings.
    pub settings: Settings,
    /// The newest idempotency records that were forgotten.
    pub forgotten: Forgotten,
    /// What the hashes of its maps are keyed with.
    pub hash_key: HashKey,
    /// Tells the seal key of the cluster from any other.
    pub seal_check: SealCheck,
    /// What the cluster's entries mean, from the command on that raised it.
    pub semantics: Semantics,
    /// Why the cluster decides nothing: it was forced from one disk, and what that may lack nobody has accepted yet
    ///
    pub closed: Option<Gap>,
}

/// What a cluster may lack that was forced from one disk.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Gap {
    /// The last revision that the disk had: whatever was acknowledged after it may be missing.
    pub after: Revision,
    /// The state's time then.
    pub since: Timestamp,
    /// The life of the cluster that ended there.
    pub was: Incarnation,
}

/// Up to which revision idempotency records may have been forgotten: a key that was born before it may have been settled
/// and cannot be told from a new one.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Forgotten {
    /// Of changes.
    pub changes: Revision,
    /// Of uses of keys.
    pub uses: Revision,
}

/// One fact.
#[derive(Clone, Debug)]
pub enum Fact {
    /// A member of the cluster.
    Member(Member),
    /// An epoch of grant tokens.
    TokenEpoch(Arc<TokenEpoch>),
    /// An account.
    Account(Arc<Account>),
    /// An organization.
    Organization(Arc<Organization>),
    /// A node of an organization's tree.
    Node(Arc<Node>),
    /// A VPC endpoint.
    VpcEndpoint(Arc<VpcEndpoint>),
    /// A group of users.
    Group(Arc<Group>),
    /// A user or role.
    Principal(Arc<Principal>),
    /// A custom key store.
    KeyStore(Arc<CustomKeyStore>),
    /// What was told of something behind custom key stores.
    KeyStoreBackend(Arc<KeyStoreBackend>),
    /// A key.
    Key(Arc<Key>),
    /// A key that is deleted, while grants of it remain to be removed: no reader sees it or them.
    DyingKey(Arc<Key>),
    /// An alias.
    Alias(Arc<Alias>),
    /// A grant.
    Grant(Arc<Grant>),
    /// What was done under an idempotency key.
    Idempotency(Arc<IdempotencyRecord>),
}

impl Fact {
    /// What kind of fact it is, for a message.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Member(_) => "member",
            Self::TokenEpoch(_) => "token epoch",
            Self::Account(_) => "account",
            Self::Organization(_) => "organization",
            Self::Node(_) => "organization node",
            Self::VpcEndpoint(_) => "VPC endpoint",
            Self::Group(_) => "group",
            Self::Principal(_) => "principal",
            Self::KeyStore(_) => "custom key store",
            Self::KeyStoreBackend(_) => "key store backend",
            Self::Key(_) => "key",
            Self::DyingKey(_) => "deleted key",
            Self::Alias(_) => "alias",
            Self::Grant(_) => "grant",
            Self::Idempotency(_) => "idempotency record",
        }
    }
}

/// Facts that are no state: `State::import` names the first that does not fit.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ImportError {
    /// A fact stands twice.
    #[error("the {kind} `{name}` stands twice")]
    Twice {
        /// What kind of fact.
        kind: &'static str,
        /// Which.
        name: String,
    },
    /// A fact needs another that does not come before it.
    #[error("the {kind} `{name}` belongs to the {wanted_kind} `{wanted}`, which is not there")]
    Missing {
        /// What kind of fact.
        kind: &'static str,
        /// Which.
        name: String,
        /// What kind it needs.
        wanted_kind: &'static str,
        /// Which it needs.
        wanted: String,
    },
}
