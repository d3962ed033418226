//! What can be wrong with an identifier, in enough detail for every front to say it in its own words.

use std::fmt;

use crate::domain::limits;

/// Which identifier was being read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum IdKind {
    /// Twelve digits.
    Account,
    /// `aws`, `aws-cn`, …
    Partition,
    /// `eu-central-1`, …
    Region,
    /// Any ARN.
    Arn,
    /// `1234abcd-…` or `mrk-…`.
    KeyId,
    /// `arn:aws:kms:…:key/…`.
    KeyArn,
    /// `alias/…`.
    AliasName,
    /// `arn:aws:kms:…:alias/…`.
    AliasArn,
    /// Whatever a caller may send as `KeyId`.
    KeyRef,
    /// 64 hexadecimal digits.
    GrantId,
    /// An IAM or STS principal ARN.
    Principal,
    /// An IAM group's ARN.
    Group,
    /// `o-…`.
    Organization,
    /// `r-…`, `ou-…-…` or an account id.
    Node,
    /// `vpc-…`.
    Vpc,
    /// `vpce-…`.
    VpcEndpoint,
    /// `AIDA…`, `AROA…`, `AGPA…` or an account id.
    UniqueId,
    /// `ec2.amazonaws.com`, …
    ServicePrincipal,
    /// A UUID.
    RequestId,
    /// `cks-…`.
    CustomKeyStoreId,
    /// What a custom key store is told of its cluster or its proxy (K-11), by its name.
    KeyStoreMember(&'static str),
}

impl IdKind {
    /// The identifier's name in a sentence, without an article.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Account => "account id",
            Self::Partition => "partition",
            Self::Region => "region",
            Self::Arn => "ARN",
            Self::KeyId => "key id",
            Self::KeyArn => "key ARN",
            Self::AliasName => "alias name",
            Self::AliasArn => "alias ARN",
            Self::KeyRef => "key identifier",
            Self::GrantId => "grant id",
            Self::Principal => "principal ARN",
            Self::Group => "group ARN",
            Self::Organization => "organization id",
            Self::Node => "node of an organization",
            Self::Vpc => "VPC id",
            Self::VpcEndpoint => "VPC endpoint id",
            Self::UniqueId => "unique id",
            Self::ServicePrincipal => "service principal",
            Self::RequestId => "request id",
            Self::CustomKeyStoreId => "custom key store id",
            Self::KeyStoreMember(name) => name,
        }
    }
}

/// What is wrong with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum IdFault {
    /// Nothing was given.
    Empty,
    /// Longer than `max` characters.
    TooLong {
        /// The longest text that is accepted, in bytes.
        max: usize,
    },
    /// A character outside the alphabet, at a byte offset.
    BadCharacter {
        /// Offset in bytes from the start of the text.
        at: usize,
    },
    /// The text is not of the form `expected`.
    BadForm {
        /// The form that is accepted, for a sentence.
        expected: &'static str,
    },
    /// An alias name that does not begin with `alias/` (ID-5).
    MissingAliasPrefix,
    /// An ARN of another service than the one expected.
    WrongService {
        /// The service that is accepted.
        expected: &'static str,
    },
    /// An ARN whose partition is not a known one.
    BadPartition,
    /// An ARN whose Region is absent, malformed, or present where none belongs.
    BadRegion,
    /// An ARN whose account is not twelve digits.
    BadAccount,
}

/// An identifier that could not be read: which, what text, what is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseIdError {
    kind: IdKind,
    fault: IdFault,
    text: Box<str>,
}

impl ParseIdError {
    /// Which identifier was being read.
    pub const fn kind(&self) -> IdKind {
        self.kind
    }

    /// What is wrong with it.
    pub const fn fault(&self) -> IdFault {
        self.fault
    }

    /// The text as it was given, cut at [`limits::ECHO_MAX`] bytes.
    pub fn text(&self) -> &str {
        &self.text
    }
}

impl fmt::Display for ParseIdError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.kind.name();
        let text = self.text.escape_debug();
        match self.fault {
            IdFault::Empty => write!(f, "the {name} is empty"),
            IdFault::TooLong { max } => {
                write!(f, "the {name} `{text}` is longer than {max} characters")
            }
            IdFault::BadCharacter { at } => {
                write!(
                    f,
                    "the {name} `{text}` has a character at offset {at} that is not allowed there"
                )
            }
            IdFault::BadForm { expected } => {
                write!(f, "`{text}` is no {name}: expected {expected}")
            }
            IdFault::MissingAliasPrefix => {
                write!(f, "the alias name `{text}` must begin with `alias/`")
            }
            IdFault::WrongService { expected } => {
                write!(f, "the {name} `{text}` is not of the service `{expected}`")
            }
            IdFault::BadPartition => write!(
                f,
                "the {name} `{text}` names an unknown partition: expected aws, aws-cn, aws-us-gov or another AWS partition"
            ),
            IdFault::BadRegion => {
                write!(f, "the {name} `{text}` has no valid region")
            }
            IdFault::BadAccount => {
                write!(f, "the {name} `{text}` has no account id of twelve digits")
            }
        }
    }
}

impl std::error::Error for ParseIdError {}

pub(super) fn fault(kind: IdKind, fault: IdFault, text: &str) -> ParseIdError {
    let mut end = text.len().min(limits::ECHO_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    ParseIdError {
        kind,
        fault,
        text: text.get(..end).unwrap_or_default().into(),
    }
}

/// Refuses an empty text and one longer than `max` bytes.
pub(super) fn check_len(kind: IdKind, text: &str, max: usize) -> Result<(), ParseIdError> {
    if text.is_empty() {
        Err(fault(kind, IdFault::Empty, text))
    } else if text.len() > max {
        Err(fault(kind, IdFault::TooLong { max }, text))
    } else {
        Ok(())
    }
}
