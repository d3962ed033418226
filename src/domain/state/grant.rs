//! A grant as stored (SPEC B.1 to B.4).
//!
//! Imports ids, time. Holds facts; decides nothing.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use super::closed_set;
use crate::domain::ids::{
    AccountId, Arn, GrantId, KeyArn, PrincipalArn, ServicePrincipal, UniqueId,
};
use crate::domain::time::{Revision, Timestamp};

closed_set! {
    /// An operation that a grant may hold (G-6).
    pub enum GrantOperation {
        Decrypt = "Decrypt",
        Encrypt = "Encrypt",
        GenerateDataKey = "GenerateDataKey",
        GenerateDataKeyWithoutPlaintext = "GenerateDataKeyWithoutPlaintext",
        ReEncryptFrom = "ReEncryptFrom",
        ReEncryptTo = "ReEncryptTo",
        Sign = "Sign",
        Verify = "Verify",
        GetPublicKey = "GetPublicKey",
        CreateGrant = "CreateGrant",
        RetireGrant = "RetireGrant",
        DescribeKey = "DescribeKey",
        GenerateDataKeyPair = "GenerateDataKeyPair",
        GenerateDataKeyPairWithoutPlaintext = "GenerateDataKeyPairWithoutPlaintext",
        GenerateMac = "GenerateMac",
        VerifyMac = "VerifyMac",
        DeriveSharedSecret = "DeriveSharedSecret",
        Encapsulate = "Encapsulate",
        Decapsulate = "Decapsulate",
    }
}

/// A set of [`GrantOperation`]s: order and duplicates carry no meaning (G-5).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct GrantOperations(u32);

impl GrantOperations {
    /// The empty set.
    pub const EMPTY: Self = Self(0);

    const fn bit(op: GrantOperation) -> u32 {
        1 << op as u32
    }

    /// Adds `op`.
    pub fn insert(&mut self, op: GrantOperation) {
        self.0 |= Self::bit(op);
    }

    /// Whether `op` is in the set.
    pub const fn contains(self, op: GrantOperation) -> bool {
        self.0 & Self::bit(op) != 0
    }

    /// Whether a set with these bits contains `op`.
    pub const fn has_bit(bits: u32, op: GrantOperation) -> bool {
        bits & Self::bit(op) != 0
    }

    /// Whether every operation of `self` is in `other` (G-12).
    pub const fn is_subset(self, other: Self) -> bool {
        self.0 & !other.0 == 0
    }

    /// Whether nothing is in the set.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The operations, in the order of the closed list (G-6).
    pub fn iter(self) -> impl Iterator<Item = GrantOperation> {
        GrantOperation::ALL
            .iter()
            .copied()
            .filter(move |op| self.contains(*op))
    }

    /// The set as bits, one for each operation in the order of the closed list; persisted so.
    pub const fn bits(self) -> u32 {
        self.0
    }

    /// The set with these bits, or `None` if a bit stands for no operation.
    pub fn from_bits(bits: u32) -> Option<Self> {
        (bits >> GrantOperation::ALL.len() == 0).then_some(Self(bits))
    }
}

impl FromIterator<GrantOperation> for GrantOperations {
    fn from_iter<I: IntoIterator<Item = GrantOperation>>(ops: I) -> Self {
        let mut set = Self::EMPTY;
        ops.into_iter().for_each(|op| set.insert(op));
        set
    }
}

impl fmt::Debug for GrantOperations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

/// Encryption context pairs, in the order of their keys. An absent and an empty context are the same (G-25).
pub type EncryptionContext = BTreeMap<Arc<str>, Arc<str>>;

/// A constraint on the encryption context (G-22). Never empty: an empty map counts as absent (U-11, U-21).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum ContextConstraint {
    /// The request's context has exactly these pairs.
    Equals(Arc<EncryptionContext>),
    /// The request's context has at least these pairs.
    Subset(Arc<EncryptionContext>),
}

closed_set! {
    /// How the keys of a constraint's pairs compare with those of a request (G-26, U-12). Values are always case sensitive.
    pub enum ConstraintKeyCase {
        Sensitive = "sensitive",
        Insensitive = "insensitive",
    }
}

/// How long and how often a grant holds. AWS has neither bound (G-1): absent means without end, and both are opt-in
/// (EC-13, DESIGN "Grants beyond AWS's").
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Term {
    /// From this instant on the grant counts as absent.
    pub expires_at: Option<Timestamp>,
    /// How many uses it was given; `Consume` alone spends them.
    pub uses: Option<u32>,
}

/// Everything that narrows a grant (G-22, G-28, EC-13).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct GrantConstraints {
    /// At most one constraint on the encryption context (U-21).
    pub context: Option<ContextConstraint>,
    /// `aws:SourceArn` of the request must equal this (G-28).
    pub source_arn: Option<Arn>,
    /// How long and how often it holds (EC-13).
    pub term: Term,
}

/// A principal named in a grant: an ARN bound to the immutable id that it had when stored (ID-18), or a service (G-9).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum GrantPrincipal {
    /// An account, user, role, assumed-role session or federated user (ID-15).
    Arn {
        /// The ARN as given.
        arn: PrincipalArn,
        /// The immutable id of the user or role behind the ARN; of an account, its number.
        unique_id: UniqueId,
    },
    /// A service principal (G-9).
    Service(ServicePrincipal),
}

/// A grant (G-1).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Grant {
    /// Opaque unique id (ID-11).
    pub id: GrantId,
    /// The one key it is attached to.
    pub key: KeyArn,
    /// Who may use it (G-4).
    pub grantee: GrantPrincipal,
    /// Who may retire it without further permission (G-50).
    pub retiring: Option<GrantPrincipal>,
    /// What it allows.
    pub operations: GrantOperations,
    /// What narrows it.
    pub constraints: GrantConstraints,
    /// The name given for idempotent retries; not unique (G-17).
    pub name: Option<Arc<str>>,
    /// The account whose principal created it (G-18, U-8).
    pub issuing_account: AccountId,
    /// When it was created.
    pub created_at: Timestamp,
    /// The revision that created it: a token's fence.
    pub born: Revision,
    /// How many of its uses are spent; zero of a grant without a budget.
    pub spent: u32,
    /// The grants that it descends from, the nearest first: the one that allowed CreateGrant, the one that allowed that
    /// one, …, at most [`crate::domain::limits::GRANT_ANCESTORS_MAX`] of them. Kept when an ancestor ends (EC-12).
    pub ancestors: Vec<GrantId>,
    /// The token epoch that its tokens are of: the one that minted at its own revision, or, once that is revoked,
    /// the one that minted when CreateGrant found it again (G-17). 0: none.
    pub epoch: u32,
}

impl Grant {
    /// Whether its time is over at `now`: it counts as absent from then on (EC-13).
    pub fn is_expired(&self, now: Timestamp) -> bool {
        self.constraints
            .term
            .expires_at
            .is_some_and(|end| end <= now)
    }

    /// How many uses it has left; `None`: it has no budget, and is not spent by use.
    pub fn uses_left(&self) -> Option<u32> {
        self.constraints
            .term
            .uses
            .map(|uses| uses.saturating_sub(self.spent))
    }
}
