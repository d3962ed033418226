//! Organizations, the nodes of their trees, VPCs and VPC endpoints.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use super::{AccountId, IdFault, IdKind, ParseIdError, check_len, fault};
use crate::domain::limits;

/// Letters and digits that ids drawn here are made of.
const ALPHABET: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";

/// `count` characters of base 36 from bytes drawn before the log.
fn drawn(entropy: &[u8; 16], count: usize) -> String {
    let mut rest = u128::from_be_bytes(*entropy);
    (0..count)
        .map(|_| {
            let at = usize::try_from(rest % 36).unwrap_or_default();
            rest /= 36;
            char::from(ALPHABET.get(at).copied().unwrap_or(b'0'))
        })
        .collect()
}

/// Letters, digits and hyphens. AWS's ids have small letters and digits alone, and fixed lengths; ids that people make up
/// are taken too.
fn is_named(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
}

fn is_plain(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
}

macro_rules! texts {
    ($($(#[$meta:meta])* $name:ident = $kind:ident, $prefix:literal, $max:expr, $expected:literal;)+) => {$(
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            /// The whole id.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = ParseIdError;

            fn from_str(text: &str) -> Result<Self, ParseIdError> {
                check_len(IdKind::$kind, text, $max)?;
                match text.strip_prefix($prefix) {
                    Some(rest) if is_named(rest) => Ok(Self(text.into())),
                    _ => {
                        let expected = $expected;
                        Err(fault(IdKind::$kind, IdFault::BadForm { expected }, text))
                    }
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    )+};
}

texts! {
    /// The id of an organization, `o-…`: the value of `aws:PrincipalOrgID`.
    OrganizationId = Organization, "o-", limits::ORGANIZATION_ID_MAX, "`o-` followed by letters, digits and hyphens";
    /// The id of a VPC, `vpc-…`.
    VpcId = Vpc, "vpc-", limits::VPC_ID_MAX, "`vpc-` followed by letters, digits and hyphens";
    /// The id of a VPC endpoint, `vpce-…`.
    VpcEndpointId = VpcEndpoint, "vpce-", limits::VPC_ID_MAX, "`vpce-` followed by letters, digits and hyphens";
}

impl OrganizationId {
    /// The id of a new organization, from bytes drawn before the log.
    pub fn of_new(entropy: &[u8; 16]) -> Self {
        Self(format!("o-{}", drawn(entropy, 10)).into())
    }
}

/// A node of an organization's tree: what control policies are attached to (D-3).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum NodeId {
    /// The root, `r-…`.
    Root(Arc<str>),
    /// An organizational unit, `ou-…-…`.
    Unit(Arc<str>),
    /// A member account.
    Account(AccountId),
}

impl NodeId {
    /// The root of a new organization, from bytes drawn before the log.
    pub fn of_new_root(entropy: &[u8; 16]) -> Self {
        Self::Root(format!("r-{}", drawn(entropy, 8)).into())
    }

    /// A new unit below this root or unit, from bytes drawn before the log. `None`: nothing can stand below an account.
    pub fn of_new_unit(parent: &Self, entropy: &[u8; 16]) -> Option<Self> {
        let family = match parent {
            Self::Root(root) => root.strip_prefix("r-")?,
            Self::Unit(unit) => unit.strip_prefix("ou-")?.split_once('-')?.0,
            Self::Account(_) => return None,
        };
        Some(Self::Unit(
            format!("ou-{family}-{}", drawn(entropy, 16)).into(),
        ))
    }
}

impl FromStr for NodeId {
    type Err = ParseIdError;

    fn from_str(text: &str) -> Result<Self, ParseIdError> {
        check_len(IdKind::Node, text, limits::NODE_ID_MAX)?;
        if let Some(account) = AccountId::read(text) {
            return Ok(Self::Account(account));
        }
        if text.strip_prefix("r-").is_some_and(is_plain) {
            return Ok(Self::Root(text.into()));
        }
        let unit = text
            .strip_prefix("ou-")
            .and_then(|rest| rest.split_once('-'));
        if unit.is_some_and(|(family, own)| is_plain(family) && is_plain(own)) {
            return Ok(Self::Unit(text.into()));
        }
        let expected = "a root `r-…`, an organizational unit `ou-…-…` or an account id";
        Err(fault(IdKind::Node, IdFault::BadForm { expected }, text))
    }
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Root(text) | Self::Unit(text) => f.write_str(text),
            Self::Account(account) => fmt::Display::fmt(account, f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drawn_ids_read_back_and_differ() {
        let organization = OrganizationId::of_new(&[7; 16]);
        let root = NodeId::of_new_root(&[7; 16]);
        let unit = NodeId::of_new_unit(&root, &[7; 16]).unwrap();
        assert_eq!(organization.to_string().parse(), Ok(organization.clone()));
        assert_eq!(root.to_string().parse(), Ok(root.clone()));
        assert_eq!(unit.to_string().parse(), Ok(unit.clone()));
        assert!(matches!((&root, &unit), (NodeId::Root(_), NodeId::Unit(_))));
        assert_ne!(organization, OrganizationId::of_new(&[8; 16]));
        assert_ne!(Some(&unit), NodeId::of_new_unit(&root, &[8; 16]).as_ref());
        let below = NodeId::of_new_unit(&unit, &[8; 16]);
        assert_eq!(below, NodeId::of_new_unit(&root, &[8; 16]));
        let account = NodeId::Account(AccountId::from_number(1).unwrap());
        assert_eq!(NodeId::of_new_unit(&account, &[8; 16]), None);
    }

    #[test]
    fn node_is_a_root_a_unit_or_an_account_and_nothing_else() {
        assert!(matches!(
            "111122223333".parse(),
            Ok(NodeId::Account(account)) if account.to_string() == "111122223333"
        ));
        for text in [
            "", "r-", "ou-ab12", "ou--x", "ou-a-", "o-abc", "1111", "R-AB",
        ] {
            let error = text.parse::<NodeId>().unwrap_err();
            assert_eq!(error.kind(), IdKind::Node, "{text}");
        }
    }

    #[test]
    fn organization_and_endpoint_of_another_form_are_refused() {
        assert!("o-a1b2c3d4e5".parse::<OrganizationId>().is_ok());
        assert!("vpce-0a1b".parse::<VpcEndpointId>().is_ok());
        assert!("vpc-0a1b".parse::<VpcId>().is_ok());
        for text in ["", "o-", "o-a b", "x-1", &format!("o-{}", "a".repeat(33))] {
            assert!(text.parse::<OrganizationId>().is_err(), "{text}");
        }
        for text in ["", "vpce-", "vpc-1", "vpce-a b"] {
            assert!(text.parse::<VpcEndpointId>().is_err(), "{text}");
        }
        assert!("vpce-1".parse::<VpcId>().is_err());
    }
}
