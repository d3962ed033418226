//! Any ARN: six segments, the last of which may hold more colons.

use std::str::FromStr;
use std::sync::Arc;

use super::{AccountId, IdFault, IdKind, ParseIdError, by_text, check_len, fault};
use crate::domain::limits;

/// The six segments of an ARN's text, borrowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Segments<'a> {
    pub partition: &'a str,
    pub service: &'a str,
    pub region: &'a str,
    pub account: &'a str,
    pub resource: &'a str,
}

/// Splits a text at its first five colons; `None` if it has fewer or does not begin with `arn:`.
pub(super) fn split_arn(text: &str) -> Option<Segments<'_>> {
    let mut parts = text.splitn(6, ':');
    if parts.next()? != "arn" {
        return None;
    }
    Some(Segments {
        partition: parts.next()?,
        service: parts.next()?,
        region: parts.next()?,
        account: parts.next()?,
        resource: parts.next()?,
    })
}

/// A well-formed ARN of any service, compared by its text.
#[derive(Clone)]
pub struct Arn {
    text: Arc<str>,
    /// Offsets of the second to the fifth colon.
    colons: [u16; 4],
}

impl Arn {
    /// The whole text.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The partition's text, such as `aws`.
    pub fn partition(&self) -> &str {
        self.segment(4, self.colons[0])
    }

    /// The service's text, such as `s3`.
    pub fn service(&self) -> &str {
        self.segment(self.colons[0] + 1, self.colons[1])
    }

    /// The Region's text; empty for global resources.
    pub fn region(&self) -> &str {
        self.segment(self.colons[1] + 1, self.colons[2])
    }

    /// The account, if the ARN has one of twelve digits.
    pub fn account(&self) -> Option<AccountId> {
        AccountId::read(self.segment(self.colons[2] + 1, self.colons[3]))
    }

    /// Everything after the fifth colon.
    pub fn resource(&self) -> &str {
        self.text
            .get(usize::from(self.colons[3]) + 1..)
            .unwrap_or_default()
    }

    fn segment(&self, from: u16, to: u16) -> &str {
        self.text
            .get(usize::from(from)..usize::from(to))
            .unwrap_or_default()
    }
}

impl FromStr for Arn {
    type Err = ParseIdError;

    fn from_str(text: &str) -> Result<Self, ParseIdError> {
        check_len(IdKind::Arn, text, limits::ARN_MAX)?;
        let expected = "arn:partition:service:region:account:resource";
        let form = || fault(IdKind::Arn, IdFault::BadForm { expected }, text);
        let parts = split_arn(text).ok_or_else(form)?;
        if parts.partition.is_empty() || parts.service.is_empty() || parts.resource.is_empty() {
            return Err(form());
        }
        if let Some(at) = text.bytes().position(|byte| byte.is_ascii_control()) {
            return Err(fault(IdKind::Arn, IdFault::BadCharacter { at }, text));
        }
        let mut colons = [0u16; 4];
        let found = text.match_indices(':').skip(1).map(|(at, _)| at);
        for (slot, at) in colons.iter_mut().zip(found) {
            *slot = u16::try_from(at).map_err(|_| form())?;
        }
        Ok(Self {
            text: text.into(),
            colons,
        })
    }
}

by_text!(Arn);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arn_is_split_at_its_first_five_colons() {
        let arn: Arn = "arn:aws:rds:us-east-1:111122223333:db:my:db"
            .parse()
            .unwrap();
        assert_eq!(arn.partition(), "aws");
        assert_eq!(arn.service(), "rds");
        assert_eq!(arn.region(), "us-east-1");
        assert_eq!(arn.account(), "111122223333".parse().ok());
        assert_eq!(arn.resource(), "db:my:db");
    }

    #[test]
    fn arn_of_a_bucket_has_neither_region_nor_account() {
        let arn: Arn = "arn:aws:s3:::bucket/key".parse().unwrap();
        assert_eq!(
            (arn.region(), arn.account(), arn.resource()),
            ("", None, "bucket/key")
        );
    }

    #[test]
    fn arn_with_too_few_segments_is_refused() {
        for text in [
            "",
            "arn",
            "arn:aws:s3:::",
            "arn:aws::::x",
            "urn:aws:s3:::x",
            "arn:aws:s3::x",
        ] {
            assert!(text.parse::<Arn>().is_err(), "{text}");
        }
    }
}
