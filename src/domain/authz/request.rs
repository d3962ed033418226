//! What is asked of the engine: caller, action, target, and the request's own parameters as condition keys.
//!
//! Imports ids, time, policy, state. Holds references only: `gather` looks up what they mean.

use std::sync::Arc;

use super::caller::Caller;
use crate::domain::ids::{
    AccountId, AliasArn, AliasName, GrantId, GroupArn, Partition, PrincipalArn, Region,
};
use crate::domain::policy::Action;
use crate::domain::policy::KnownKey;
use crate::domain::state::Tags;
use crate::domain::state::grant::{EncryptionContext, Grant, GrantConstraints, GrantOperations};
use crate::domain::state::grant_index::Purse;
use crate::domain::state::key::Key;
use crate::domain::time::Timestamp;

/// The partition and Region of the endpoint that a request names: bare key ids and aliases resolve here (ID-4).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Scope {
    /// `aws`, `aws-cn`, …
    pub partition: Partition,
    /// The endpoint's Region.
    pub region: Region,
}

/// One question to the engine.
#[derive(Clone, Debug)]
pub struct Request<'a> {
    /// Who asks, verified.
    pub caller: &'a Caller,
    /// The endpoint.
    pub scope: &'a Scope,
    /// What is to be done.
    pub action: Action,
    /// To what.
    pub target: Target<'a>,
    /// The encryption context; for ReEncryptFrom the source's, for ReEncryptTo the destination's (G-27).
    pub encryption_context: &'a EncryptionContext,
    /// The grant that the action is about, if it is about one.
    pub about: About<'a>,
    /// Authentic grants of verified tokens that this state has not reached yet.
    pub token_grants: &'a [Arc<Grant>],
    /// The request's parameters as condition keys.
    pub parameters: Parameters<'a>,
    /// The time of the decision: the later of the state's clock and the node's.
    pub now: Timestamp,
}

/// The grant that an action is about.
#[derive(Clone, Copy, Debug)]
pub enum About<'a> {
    /// No grant.
    Nothing,
    /// CreateGrant: the grant to be made, which a parent grant must cover (G-12, G-13).
    NewGrant(&'a GrantOperations, &'a GrantConstraints),
    /// Consume: a grant with a budget may allow, for a use of it will be spent (EC-13).
    Use(Use),
    /// RetireGrant: the grant to be retired (G-50).
    Retired(&'a Grant),
}

/// What a Consume may spend.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Use {
    /// Of the grants with a budget only this one; `None`: any.
    pub only: Option<GrantId>,
    /// Grants with which purse may allow beside those without a budget: with uses left to spend one; spent ones to learn
    /// that nothing but their budget stands in the way.
    pub purse: Purse,
}

/// What an action is done to.
#[derive(Clone, Copy, Debug)]
pub enum Target<'a> {
    /// A key, already resolved (ID-1 to ID-9).
    Key {
        /// The key.
        key: &'a Arc<Key>,
        /// The alias by which the request named it (CK-27).
        alias: Option<&'a AliasName>,
    },
    /// The alias part of an alias operation: identity policies on the alias's ARN (D-14).
    Alias(&'a AliasArn),
    /// A user, role or retiring principal: identity policies on its ARN.
    Principal(&'a PrincipalArn),
    /// A group: identity policies on its ARN.
    Group(&'a GroupArn),
    /// No resource: identity policies on `*` (P-12).
    Account(AccountId),
}

impl Target<'_> {
    /// The account that owns the target.
    pub fn account(&self) -> AccountId {
        match self {
            Self::Key { key, .. } => key.arn.account,
            Self::Alias(arn) => arn.account,
            Self::Principal(arn) => arn.account(),
            Self::Group(arn) => arn.account(),
            Self::Account(account) => *account,
        }
    }
}

/// Where the condition keys of a request's parameters come from.
#[derive(Clone, Debug)]
pub enum Parameters<'a> {
    /// The operation is carried out here: exactly these, and nobody can add to them.
    Known(Vec<(KnownKey, Parameter<'a>)>, RequestTags<'a>),
    /// The operation is carried out elsewhere: what the front says of it (`RequestFacts::context`).
    FromFront,
    /// The same, of a request that is only imagined: what is said of it counts even where a server would know better.
    /// Nothing that comes over a network is ever asked so. The tags are those of the request.
    Stated(RequestTags<'a>),
}

impl Parameters<'_> {
    /// An operation without parameters that are condition keys.
    pub const NONE: Self = Self::Known(Vec::new(), RequestTags::Absent);
}

impl<'a> Parameters<'a> {
    /// The tags that the request is known to set or remove; what a front says of tags, it says as condition keys.
    pub const fn tags(&self) -> RequestTags<'a> {
        match self {
            Self::Known(_, tags) | Self::Stated(tags) => *tags,
            Self::FromFront => RequestTags::Absent,
        }
    }
}

/// The value of a parameter.
#[derive(Clone, Debug)]
pub enum Parameter<'a> {
    /// A text.
    Text(&'a str),
    /// `true` or `false`.
    Bool(bool),
    /// A whole number.
    Integer(i64),
    /// Several texts (CK-12).
    Many(Vec<&'a str>),
}

/// The tags that a request sets or removes (CK-37, CK-38).
#[derive(Clone, Copy, Debug)]
pub enum RequestTags<'a> {
    /// The request is not about tags.
    Absent,
    /// `aws:RequestTag/<k>` and `aws:TagKeys`.
    Set(&'a Tags),
    /// `aws:TagKeys` alone.
    Removed(&'a [Arc<str>]),
}
