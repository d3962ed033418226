//! AWS services as principals (ID-16).

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use super::{IdFault, IdKind, ParseIdError, check_len, fault};
use crate::domain::limits;

/// An AWS service as a principal, such as `ec2.amazonaws.com`: at least three labels (ID-16).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServicePrincipal(Arc<str>);

impl ServicePrincipal {
    /// The whole name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ServicePrincipal {
    type Err = ParseIdError;

    fn from_str(text: &str) -> Result<Self, ParseIdError> {
        check_len(
            IdKind::ServicePrincipal,
            text,
            limits::SERVICE_PRINCIPAL_MAX,
        )?;
        let label = |part: &str| {
            !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
        };
        if text.split('.').count() < 3 || !text.split('.').all(label) {
            let expected = "a service principal such as `ec2.amazonaws.com`";
            return Err(fault(
                IdKind::ServicePrincipal,
                IdFault::BadForm { expected },
                text,
            ));
        }
        Ok(Self(text.into()))
    }
}

impl fmt::Display for ServicePrincipal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// ID-16: at least three labels of letters, digits and hyphens.
    #[test]
    fn service_principal_with_fewer_than_three_labels_is_refused() {
        assert!("ec2.amazonaws.com".parse::<ServicePrincipal>().is_ok());
        assert!(
            "elasticache.eu-west-1.amazonaws.com"
                .parse::<ServicePrincipal>()
                .is_ok()
        );
        for text in [
            "",
            "ec2",
            "amazonaws.com",
            "ec2..com",
            ".amazonaws.com",
            "e_2.amazonaws.com",
            "*.amazonaws.com",
        ] {
            assert!(text.parse::<ServicePrincipal>().is_err(), "{text}");
        }
    }
}
