//! Aliases: friendly names of keys (ID-5, ID-7).

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use super::key::kms_arn;
use super::{AccountId, IdFault, IdKind, ParseIdError, Partition, Region, check_len, fault};
use crate::domain::limits;

/// What every alias name begins with.
pub const ALIAS_PREFIX: &str = "alias/";

/// The name of an alias, `alias/` included (ID-5).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AliasName(Arc<str>);

impl AliasName {
    /// The whole name, `alias/` included.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name after `alias/`.
    pub fn short(&self) -> &str {
        self.0.strip_prefix(ALIAS_PREFIX).unwrap_or_default()
    }

    /// Whether the name is one of those kept for AWS managed keys, `alias/aws/…` (ID-5).
    pub fn is_reserved(&self) -> bool {
        self.0.starts_with("alias/aws/")
    }
}

impl FromStr for AliasName {
    type Err = ParseIdError;

    fn from_str(text: &str) -> Result<Self, ParseIdError> {
        check_len(IdKind::AliasName, text, limits::ALIAS_NAME_MAX)?;
        let Some(name) = text.strip_prefix(ALIAS_PREFIX) else {
            return Err(fault(IdKind::AliasName, IdFault::MissingAliasPrefix, text));
        };
        if name.is_empty() {
            let expected = "a name after `alias/`";
            return Err(fault(
                IdKind::AliasName,
                IdFault::BadForm { expected },
                text,
            ));
        }
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'_' | b'-');
        if let Some(at) = name.bytes().position(|byte| !allowed(byte)) {
            let at = at + ALIAS_PREFIX.len();
            return Err(fault(IdKind::AliasName, IdFault::BadCharacter { at }, text));
        }
        Ok(Self(text.into()))
    }
}

impl fmt::Display for AliasName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The ARN of an alias (ID-7).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AliasArn {
    /// The partition.
    pub partition: Partition,
    /// The Region the alias lives in.
    pub region: Region,
    /// The account that owns the alias and its key.
    pub account: AccountId,
    /// The alias.
    pub name: AliasName,
}

impl FromStr for AliasArn {
    type Err = ParseIdError;

    fn from_str(text: &str) -> Result<Self, ParseIdError> {
        let (parts, partition, region, account) = kms_arn(IdKind::AliasArn, text)?;
        let name = parts
            .resource
            .parse()
            .map_err(|error: ParseIdError| fault(IdKind::AliasArn, error.fault(), text))?;
        Ok(Self {
            partition,
            region,
            account,
            name,
        })
    }
}

impl fmt::Display for AliasArn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            partition,
            region,
            account,
            name,
        } = self;
        write!(f, "arn:{partition}:kms:{region}:{account}:{name}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// ID-5: the prefix, the alphabet, the length; case is kept.
    #[test]
    fn alias_name_outside_its_alphabet_or_length_is_refused() {
        let name: AliasName = "alias/Team_A/key-1".parse().unwrap();
        assert_eq!(
            (name.as_str(), name.short()),
            ("alias/Team_A/key-1", "Team_A/key-1")
        );
        assert_eq!(
            "app".parse::<AliasName>().unwrap_err().fault(),
            IdFault::MissingAliasPrefix
        );
        assert_eq!(
            "Alias/app".parse::<AliasName>().unwrap_err().fault(),
            IdFault::MissingAliasPrefix
        );
        for text in ["alias/", "alias/a b", "alias/a:b", "alias/a.b", "alias/ä"] {
            assert!(text.parse::<AliasName>().is_err(), "{text}");
        }
        assert!(
            format!("alias/{}", "x".repeat(250))
                .parse::<AliasName>()
                .is_ok()
        );
        assert!(
            format!("alias/{}", "x".repeat(251))
                .parse::<AliasName>()
                .is_err()
        );
    }

    /// ID-5: `alias/aws/` is reserved, and only that.
    #[test]
    fn alias_name_under_aws_is_reserved() {
        let reserved = |text: &str| text.parse::<AliasName>().unwrap().is_reserved();
        assert!(reserved("alias/aws/ebs"));
        assert!(!reserved("alias/aws"));
        assert!(!reserved("alias/AWS/ebs"));
        assert!(!reserved("alias/awsome/x"));
    }

    /// ID-7: the ARN of an alias prints back.
    #[test]
    fn alias_arn_prints_back() {
        let text = "arn:aws:kms:eu-west-1:111122223333:alias/app/blue";
        let arn: AliasArn = text.parse().unwrap();
        assert_eq!(arn.name.as_str(), "alias/app/blue");
        assert_eq!(arn.to_string(), text);
    }
}
