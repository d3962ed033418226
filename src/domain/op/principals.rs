//! Principals that a request names: they must exist, and are bound to their immutable ids (ID-18, P-5).

use std::fmt;

use super::ErrorCode;
use super::refusal::{Said, said};
use crate::domain::ids::{PrincipalArn, ServicePrincipal};
use crate::domain::state::State;
use crate::domain::state::grant::GrantPrincipal;

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
            Self::Arn(arn) => match state.immutable_id(&arn) {
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
