//! From what a caller types as `KeyId` to the key (ID-1 to ID-9).
//!
//! Imports ids, state. Resolution comes before authorization (ST-4); its errors are values with AWS's texts.

use std::sync::Arc;

use super::request::Scope;
use crate::domain::ids::{
    AccountId, AliasArn, AliasName, IdFault, IdKind, KeyArn, KeyRef, ParseIdError, Region,
};
use crate::domain::state::State;
use crate::domain::state::key::Key;

/// Whether an operation takes an alias as `KeyId` (ID-6).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AliasUse {
    /// Cryptographic operations, DescribeKey, GetPublicKey.
    Accepted,
    /// Every other operation.
    Refused,
}

/// Why a `KeyId` names no key. `Display` is AWS's text.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Unresolved {
    /// Text that is no key id, alias or ARN (ID-1).
    #[error("Invalid keyId '{0}'")]
    NotAKeyId(Box<str>),
    /// An ARN that cannot be read.
    #[error("Invalid arn {0}")]
    NotAnArn(Box<str>),
    /// An ARN of another Region than the endpoint's (ID-3).
    #[error("Invalid arn {0}")]
    OtherRegion(Region),
    /// An alias where only a key id or key ARN is accepted (ID-6).
    #[error("Invalid keyId '{0}'")]
    AliasNotAccepted(KeyRef),
    /// No such key (ID-2).
    #[error("Key '{0}' does not exist")]
    NoSuchKey(Box<KeyArn>),
    /// No such alias (ID-9).
    #[error("Alias {0} is not found.")]
    NoSuchAlias(Box<AliasArn>),
}

impl Unresolved {
    /// Whether the text is no identifier at all, rather than one that names nothing: `InvalidArnException`.
    pub const fn is_malformed_arn(&self) -> bool {
        matches!(self, Self::NotAnArn(_))
    }
}

/// What a text that did not parse as a [`KeyRef`] is told (ID-1).
impl From<&ParseIdError> for Unresolved {
    fn from(error: &ParseIdError) -> Self {
        match (error.kind(), error.fault()) {
            (IdKind::KeyArn | IdKind::AliasArn, _) => Self::NotAnArn(error.text().into()),
            (_, IdFault::Empty | IdFault::TooLong { .. } | _) => {
                Self::NotAKeyId(error.text().into())
            }
        }
    }
}

/// The alias ARN that a bare name stands for at an endpoint (ID-4).
pub fn alias_arn(scope: &Scope, account: AccountId, name: &AliasName) -> AliasArn {
    AliasArn {
        partition: scope.partition,
        region: scope.region.clone(),
        account,
        name: name.clone(),
    }
}

/// The key that a caller of `account` names by `key` at an endpoint.
pub fn resolve<'s>(
    state: &'s State,
    scope: &Scope,
    account: AccountId,
    key: &KeyRef,
    alias_use: AliasUse,
) -> Result<&'s Arc<Key>, Unresolved> {
    let in_region = |region: &Region| {
        if *region == scope.region {
            Ok(())
        } else {
            Err(Unresolved::OtherRegion(region.clone()))
        }
    };
    if key.alias().is_some() && alias_use == AliasUse::Refused {
        return Err(Unresolved::AliasNotAccepted(key.clone()));
    }
    let by_arn = |arn: &KeyArn| {
        state
            .key(arn)
            .ok_or_else(|| Unresolved::NoSuchKey(Box::new(arn.clone())))
    };
    let by_alias = |arn: &AliasArn| {
        let alias = state.alias(arn);
        let alias = alias.ok_or_else(|| Unresolved::NoSuchAlias(Box::new(arn.clone())))?;
        by_arn(&alias.target)
    };
    match key {
        KeyRef::Id(key_id) => by_arn(&KeyArn {
            partition: scope.partition,
            region: scope.region.clone(),
            account,
            key_id: *key_id,
        }),
        KeyRef::KeyArn(arn) => {
            in_region(&arn.region)?;
            by_arn(arn)
        }
        KeyRef::Alias(name) => by_alias(&alias_arn(scope, account, name)),
        KeyRef::AliasArn(arn) => {
            in_region(&arn.region)?;
            by_alias(arn)
        }
    }
}
