//! Principals that a request names: they must exist, and are bound to their immutable ids (ID-18, P-5).

use std::fmt;

use super::ErrorCode;
use super::refusal::{Said, said};
use crate::domain::ids::{PrincipalArn, PrincipalKind, ServicePrincipal, UniqueId};
use crate::domain::state::State;
use crate::domain::state::grant::GrantPrincipal;
use crate::domain::state::principal::PrincipalType;

/// A principal of grants as a request names it, not yet known to exist.
pub enum Named {
    /// By its ARN.
    Arn(PrincipalArn),
    /// A service.
    Service(ServicePrincipal),
}

impl Named {
    /// The one that is asked about, in one of the two members of a request and not in both; `members` names them.
    pub fn one_of(arn: Option<&str>, service: Option<&str>, members: &str) -> Result<Self, Said> {
        match (arn, service) {
            (Some(arn), None) => arn
                .parse()
                .map(Self::Arn)
                .map_err(|error| said(ErrorCode::InvalidArn, error)),
            (None, Some(service)) => service
                .parse()
                .map(Self::Service)
                .map_err(|error| said(ErrorCode::Validation, error)),
            (None, None) | (Some(_), Some(_)) => Err(said(
                ErrorCode::Validation,
                format_args!("give exactly one of {members}"),
            )),
        }
    }

    /// Binds the principal to its immutable id.
    pub fn bind(self, state: &State) -> Result<GrantPrincipal, Said> {
        match self {
            Self::Service(service) => Ok(GrantPrincipal::Service(service)),
            Self::Arn(arn) => match immutable_id(state, &arn) {
                Some(unique_id) => Ok(GrantPrincipal::Arn { arn, unique_id }),
                // this one can be mended by waiting; a malformed ARN cannot, and reads otherwise.
                None => Err(said(
                    ErrorCode::InvalidArn,
                    format_args!("the principal `{arn}` does not exist in this cluster"),
                )),
            },
        }
    }
}

impl fmt::Display for Named {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Arn(arn) => arn.fmt(f),
            Self::Service(service) => service.fmt(f),
        }
    }
}

/// The immutable id behind a principal that exists in this cluster.
///
/// A user or role has its own; a session its role's; an account, and a federated user, of whom nothing but the name is
/// kept, the account's. `None`: it does not exist here. A principal of an account that this cluster does not know does
/// not exist here either, its account root included: nobody could ever call as it.
pub fn immutable_id(state: &State, arn: &PrincipalArn) -> Option<UniqueId> {
    let account = arn.account();
    state.account(account)?;
    match arn.kind() {
        PrincipalKind::Root | PrincipalKind::FederatedUser { .. } => {
            Some(UniqueId::of_account(account))
        }
        PrincipalKind::User { .. } | PrincipalKind::Role { .. } => state
            .principal(arn)
            .map(|principal| principal.unique_id.clone()),
        PrincipalKind::AssumedRole { role, .. } => {
            let role = state.principal_named(account, PrincipalType::Role, role)?;
            // A session's ARN repeats the role's name letter by letter (ID-17).
            let named = match role.arn.kind() {
                PrincipalKind::Role { name, .. } => arn.as_str().contains(&format!("/{name}/")),
                _ => false,
            };
            named.then(|| role.unique_id.clone())
        }
    }
}
