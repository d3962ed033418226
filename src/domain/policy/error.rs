//! What is wrong with a policy document: where, what text, and how to mend it.

use std::fmt;

use crate::domain::limits;

/// A place in a document, both counted from 1; columns in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
}

/// Which rule the document breaks; fronts map it to their own codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PolicyErrorKind {
    /// The text is not JSON, or has characters that policies may not hold (P-1).
    Syntax,
    /// The text is longer than its kind of policy may be (P-1): `LimitExceededException`.
    TooLarge,
    /// JSON, but no policy: unknown or missing elements, wrong types, wrong values (P-2 to P-5).
    Malformed,
    /// A principal that cannot stand in a policy (P-5).
    InvalidPrincipal,
    /// `ForAllValues` on a key with one value (P-6).
    OverlyPermissiveCondition,
    /// A condition key that no key policy may ask for (CK-41).
    ForbiddenConditionKey,
}

/// Why a policy document was refused. `Display` is one sentence that a person can act on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyError {
    kind: PolicyErrorKind,
    place: Place,
    offending: Box<str>,
    message: Box<str>,
    help: Box<str>,
}

/// The beginning of a text, at most [`limits::ECHO_MAX`] bytes.
pub(super) fn echo(text: &str) -> &str {
    let cut = text
        .char_indices()
        .map(|(at, c)| at + c.len_utf8())
        .take_while(|end| *end <= limits::ECHO_MAX)
        .last()
        .unwrap_or_default();
    text.get(..cut).unwrap_or_default()
}

impl PolicyError {
    pub(super) fn new(
        kind: PolicyErrorKind,
        place: Place,
        offending: &str,
        message: impl Into<Box<str>>,
        help: impl Into<Box<str>>,
    ) -> Self {
        Self {
            kind,
            place,
            offending: echo(offending).into(),
            message: message.into(),
            help: help.into(),
        }
    }

    /// Which rule it breaks.
    pub const fn kind(&self) -> PolicyErrorKind {
        self.kind
    }

    /// Line of the fault, from 1.
    pub const fn line(&self) -> u32 {
        self.place.line
    }

    /// Column of the fault in characters, from 1.
    pub const fn column(&self) -> u32 {
        self.place.column
    }

    /// The text at the fault, cut at [`limits::ECHO_MAX`] bytes.
    pub fn offending(&self) -> &str {
        &self.offending
    }

    /// What is wrong. For the errors that AWS words, AWS's words.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// How to mend it.
    pub fn help(&self) -> &str {
        &self.help
    }
}

impl fmt::Display for PolicyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Place { line, column } = self.place;
        match self.kind {
            // AWS's own words come first, for clients that know them (P-5, P-6, CK-41).
            PolicyErrorKind::InvalidPrincipal
            | PolicyErrorKind::OverlyPermissiveCondition
            | PolicyErrorKind::ForbiddenConditionKey => {
                write!(f, "{} (line {line}, column {column})", self.message)?;
            }
            PolicyErrorKind::Syntax | PolicyErrorKind::TooLarge | PolicyErrorKind::Malformed => {
                write!(f, "line {line}, column {column}: {}", self.message)?;
            }
        }
        if !self.help.is_empty() {
            write!(f, "; {}", self.help)?;
        }
        Ok(())
    }
}

impl std::error::Error for PolicyError {}
