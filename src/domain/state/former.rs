//! Principals that are gone while something stored still names them (ID-18).
//!
//! A policy or a grant means the principal that it named when it was stored. Once that one is deleted it means nobody, be it
//! that another bears the name now. Imports ids, state. Decides nothing.

use std::fmt;

use super::State;
use super::key::Key;
use super::principal::PrincipalType;
use crate::domain::ids::{PrincipalArn, PrincipalKind, UniqueId};

/// A principal that is gone.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Former {
    /// What it was called.
    pub arn: PrincipalArn,
    /// Its immutable id; of a session its role's.
    pub unique_id: UniqueId,
    /// Whether another bears its name now.
    pub is_remade: bool,
}

impl Former {
    /// How AWS shows it in a policy: the immutable id in place of the ARN, of a session with the session's name.
    pub fn shown(&self) -> String {
        match self.arn.kind() {
            PrincipalKind::AssumedRole { session, .. } => format!("{}:{session}", self.unique_id),
            PrincipalKind::Root
            | PrincipalKind::User { .. }
            | PrincipalKind::Role { .. }
            | PrincipalKind::FederatedUser { .. } => self.unique_id.as_str().to_owned(),
        }
    }

    /// What kind of principal it was.
    pub fn kind(&self) -> &'static str {
        match self.arn.kind() {
            PrincipalKind::Root => "account",
            PrincipalKind::User { .. } => "user",
            PrincipalKind::Role { .. } => "role",
            PrincipalKind::AssumedRole { .. } => "session of the role",
            PrincipalKind::FederatedUser { .. } => "federated user",
        }
    }
}

/// As part of a sentence.
impl fmt::Display for Former {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { arn, is_remade, .. } = self;
        write!(
            f,
            "the former {} `{arn}` ({}), which was deleted",
            self.kind(),
            self.shown()
        )?;
        if *is_remade {
            f.write_str("; the new one of that name does not match")?;
        }
        Ok(())
    }
}

impl State {
    /// The immutable id behind a principal that exists in this cluster.
    ///
    /// A user or role has its own; a session its role's; an account, and a federated user, of whom nothing but the name is
    /// kept, the account's. `None`: it does not exist here. A principal of an account that this cluster does not know does
    /// not exist here either, its account root included: nobody could ever call as it.
    pub fn immutable_id(&self, arn: &PrincipalArn) -> Option<UniqueId> {
        let account = arn.account();
        self.account(account)?;
        match arn.kind() {
            PrincipalKind::Root | PrincipalKind::FederatedUser { .. } => {
                Some(UniqueId::of_account(account))
            }
            PrincipalKind::User { .. } | PrincipalKind::Role { .. } => self
                .principal(arn)
                .map(|principal| principal.unique_id.clone()),
            PrincipalKind::AssumedRole { role, .. } => {
                let role = self.principal_named(account, PrincipalType::Role, role)?;
                // A session's ARN repeats the role's name letter by letter (ID-17).
                let named = match role.arn.kind() {
                    PrincipalKind::Role { name, .. } => arn.as_str().contains(&format!("/{name}/")),
                    _ => false,
                };
                named.then(|| role.unique_id.clone())
            }
        }
    }

    /// The principal that was bound to this id, if it is gone.
    pub fn former(&self, arn: &PrincipalArn, unique_id: &UniqueId) -> Option<Former> {
        let now = self.immutable_id(arn);
        if now.as_ref() == Some(unique_id) {
            return None;
        }
        Some(Former {
            arn: arn.clone(),
            unique_id: unique_id.clone(),
            is_remade: now.is_some(),
        })
    }

    /// The principals that a key's policy names and that are gone, in the order of their names.
    pub fn former_of_policy(&self, key: &Key) -> Vec<Former> {
        let bound = key.bindings.iter();
        bound.filter_map(|(arn, id)| self.former(arn, id)).collect()
    }
}
