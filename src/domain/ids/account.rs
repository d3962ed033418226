//! Accounts, partitions, Regions.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use super::{IdFault, IdKind, ParseIdError, Short, check_len, fault};
use crate::domain::limits;

/// An AWS account: twelve digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AccountId(u64);

impl AccountId {
    /// The account that sorts before all others.
    pub const FIRST: Self = Self(0);

    /// The account with this number, if it has at most twelve digits.
    pub const fn from_number(number: u64) -> Option<Self> {
        if number < 1_000_000_000_000 {
            Some(Self(number))
        } else {
            None
        }
    }

    /// The account as a number below 10^12.
    pub const fn number(self) -> u64 {
        self.0
    }

    /// The twelve digits, on the stack.
    pub fn text(self) -> Short<12> {
        // Digit by digit: a decision spells an account out, and the formatter's padding costs as much as the decision.
        let mut digits = [b'0'; 12];
        let mut rest = self.0;
        for digit in digits.iter_mut().rev() {
            *digit += (rest % 10) as u8;
            rest /= 10;
        }
        Short::ascii(digits)
    }

    /// Reads exactly twelve digits, without building an error.
    pub(crate) fn read(text: &str) -> Option<Self> {
        if text.len() != 12 {
            return None;
        }
        let mut number = 0u64;
        for byte in text.bytes() {
            if !byte.is_ascii_digit() {
                return None;
            }
            number = number * 10 + u64::from(byte - b'0');
        }
        Some(Self(number))
    }
}

impl FromStr for AccountId {
    type Err = ParseIdError;

    fn from_str(text: &str) -> Result<Self, ParseIdError> {
        Self::read(text).ok_or_else(|| {
            let expected = "exactly twelve digits";
            fault(IdKind::Account, IdFault::BadForm { expected }, text)
        })
    }
}

impl fmt::Display for AccountId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text().as_str())
    }
}

/// The partition of an ARN. A closed set: an ARN of any other partition names nothing here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Partition {
    /// `aws`
    #[default]
    Aws,
    /// `aws-cn`
    AwsCn,
    /// `aws-eusc`
    AwsEusc,
    /// `aws-iso`
    AwsIso,
    /// `aws-iso-b`
    AwsIsoB,
    /// `aws-iso-e`
    AwsIsoE,
    /// `aws-iso-f`
    AwsIsoF,
    /// `aws-us-gov`
    AwsUsGov,
}

impl Partition {
    /// Every partition, in the order of their texts.
    pub const ALL: [Self; 8] = [
        Self::Aws,
        Self::AwsCn,
        Self::AwsEusc,
        Self::AwsIso,
        Self::AwsIsoB,
        Self::AwsIsoE,
        Self::AwsIsoF,
        Self::AwsUsGov,
    ];

    /// The text in an ARN.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Aws => "aws",
            Self::AwsCn => "aws-cn",
            Self::AwsEusc => "aws-eusc",
            Self::AwsIso => "aws-iso",
            Self::AwsIsoB => "aws-iso-b",
            Self::AwsIsoE => "aws-iso-e",
            Self::AwsIsoF => "aws-iso-f",
            Self::AwsUsGov => "aws-us-gov",
        }
    }

    pub(super) fn read(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.as_str() == text)
    }
}

impl FromStr for Partition {
    type Err = ParseIdError;

    fn from_str(text: &str) -> Result<Self, ParseIdError> {
        Self::read(text).ok_or_else(|| fault(IdKind::Partition, IdFault::BadPartition, text))
    }
}

impl fmt::Display for Partition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A Region such as `eu-central-1`: lower-case letters, digits and hyphens.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Region(Arc<str>);

impl Region {
    /// The Region's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Region {
    type Err = ParseIdError;

    fn from_str(text: &str) -> Result<Self, ParseIdError> {
        check_len(IdKind::Region, text, limits::REGION_MAX)?;
        let wrong = |byte: u8| !matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-');
        if let Some(at) = text.bytes().position(wrong) {
            return Err(fault(IdKind::Region, IdFault::BadCharacter { at }, text));
        }
        if !text.as_bytes().first().is_some_and(u8::is_ascii_lowercase) {
            return Err(fault(IdKind::Region, IdFault::BadCharacter { at: 0 }, text));
        }
        Ok(Self(text.into()))
    }
}

impl fmt::Display for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// ID-3: the account of an ARN is twelve digits, leading zeros kept.
    #[test]
    fn account_with_leading_zeros_keeps_them() {
        let account: AccountId = "000000000042".parse().unwrap();
        assert_eq!(account.to_string(), "000000000042");
        assert_eq!(account.number(), 42);
    }

    #[test]
    fn account_of_other_length_or_alphabet_is_refused() {
        for text in [
            "",
            "42",
            "0000000000421",
            "00000000004x",
            "+00000000042",
            "００００００００００００",
        ] {
            assert!(text.parse::<AccountId>().is_err(), "{text}");
        }
        assert!(AccountId::from_number(1_000_000_000_000).is_none());
    }

    #[test]
    fn partition_texts_are_sorted_and_read_back() {
        let texts: Vec<_> = Partition::ALL.iter().map(|p| p.as_str()).collect();
        let mut sorted = texts.clone();
        sorted.sort_unstable();
        assert_eq!(
            texts, sorted,
            "the derived order must be the order of the texts"
        );
        for known in Partition::ALL {
            assert_eq!(known.as_str().parse::<Partition>(), Ok(known));
        }
        assert!("AWS".parse::<Partition>().is_err());
    }

    #[test]
    fn region_with_other_characters_is_refused() {
        assert!("eu-central-1".parse::<Region>().is_ok());
        for text in ["", "EU", "eu central", "eu_1", "-eu", "1", &"a".repeat(65)] {
            assert!(text.parse::<Region>().is_err(), "{text}");
        }
    }
}
