//! Policy documents: text → JSON with places → shape → validated → compiled → verdict; a type a stage, a file a stage.
//!
//! The whole language of IAM policies as KMS uses it (SPEC section C). Parsing happens once, when a policy is
//! stored; a verdict parses nothing of the policy. Imports ids and limits. Never looks up a principal, a key or a
//! clock: whether principals exist is asked by whoever stores the policy.

mod action;
mod ast;
mod condition;
mod context;
mod error;
mod json;
mod keys;
mod lint;
mod outline;
mod principal;
mod resource;
mod statement;
mod text;
mod validate;
mod value;

use std::fmt;
use std::sync::Arc;

use crate::domain::effort::spend;
use crate::domain::time::Timestamp;

pub use action::{Action, ActionTarget, KmsAction};
pub use condition::{Condition, Operator, Quantifier};
pub use context::{ContextKey, ContextSource, ContextValue, Folded, Scalar, Spellings, Values};
pub use error::{Place, PolicyError, PolicyErrorKind};
pub use keys::{
    Count, DefaultIf, Family, Form, KnownKey, Presence, Row, Says, Told, Whose, rows,
    shows_encryption_context,
};
pub use lint::{Lint, Warning, lint};
pub use outline::Outline;
pub use principal::{Bindings, PolicyPrincipal, Ways, Who};
pub use resource::{KeyName, ResourceName};
pub use statement::{
    Ask, Findings, Profile, Statement, Suppose, Supposed, UnknownProfile, Verdict,
};
pub use validate::PolicyKind;

/// The instant that a text names as a date of a condition does (C-4): ISO 8601, or seconds since the Unix epoch. `None`
/// also for what lies before the epoch.
pub fn parse_instant(text: &str) -> Option<Timestamp> {
    let millis = value::parse_date(text)?;
    u64::try_from(millis).ok().map(Timestamp::from_millis)
}

/// The resource control policy `RCPFullAWSAccess`, as AWS has it: the one that allows (P-51).
pub const RCP_FULL_ACCESS: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"*","Resource":"*"}]}"#;

/// Whether two texts differ in white space alone, of which neither has any within its strings.
pub fn same_text(one: &str, other: &str) -> bool {
    let dense = |text: &str| -> String { text.split_ascii_whitespace().collect() };
    dense(one) == dense(other)
}

/// How strictly a document is read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Reading {
    /// As what is to be stored: what cannot be meant is refused, with its place.
    Strict,
    /// As what is only asked about: a value that the operator cannot compare with equals nothing, a variable where none is
    /// replaced is plain text (C-11, P-11), and `ForAllValues` holds as it does (C-8, P-6).
    Lenient,
}

impl Reading {
    /// How a text that is to be stored is read. AWS's own resource control policy is what no customer's may be (P-51).
    fn to_store(text: &str, kind: PolicyKind) -> Self {
        if kind == PolicyKind::ResourceControl && same_text(text, RCP_FULL_ACCESS) {
            return Self::Lenient;
        }
        Self::Strict
    }
}

/// A policy: valid for its kind, compiled once, together with the text it was put as.
pub struct Policy {
    kind: PolicyKind,
    text: Arc<str>,
    statements: Box<[Statement]>,
    /// For each statement, the place of each principal in the text.
    places: Box<[Box<[Place]>]>,
    /// Why it would not be stored, of one that is only asked about.
    unstorable: Option<Box<PolicyError>>,
    /// What a walk through its statements costs, their conditions not counted.
    work: u64,
}

/// How many bytes of a policy's text a walk through its statements passes for a unit of [`crate::domain::effort::Effort`]:
/// a short statement has a hundred, and a principal or a resource of a long one, fifty.
const BYTES_OF_WORK: usize = 50;

impl Policy {
    /// Reads, validates and compiles a policy document.
    ///
    /// Errors name line, column, the text at fault and how to mend it (P-1 to P-6).
    pub fn parse(text: &str, kind: PolicyKind) -> Result<Arc<Self>, PolicyError> {
        validate::check_text(text, kind)?;
        Self::compile(text, kind, Reading::to_store(text, kind)).map(Arc::new)
    }

    /// [`Self::parse`] for a document that is part of a question and is not stored. The quotas of its kind and the
    /// characters of P-1 bind whoever stores a policy; here the length alone is bounded. What whoever stores it is told to
    /// mend, because it can never match or matches too much, is evaluated as it stands ([`Reading::Lenient`]).
    pub fn parse_unstored(text: &str, kind: PolicyKind) -> Result<Arc<Self>, PolicyError> {
        let error = match Self::parse(text, kind) {
            Ok(policy) => return Ok(policy),
            Err(error) => error,
        };
        validate::check_length(text, kind)?;
        let read = Self::compile(text, kind, Reading::Lenient)?;
        let is_awss = kind == PolicyKind::ResourceControl && validate::is_rcp_full_access(text);
        Ok(Arc::new(Self {
            unstorable: (!is_awss).then(|| Box::new(error)),
            ..read
        }))
    }

    fn compile(text: &str, kind: PolicyKind, reading: Reading) -> Result<Self, PolicyError> {
        let document = ast::document(json::parse(text)?)?;
        let validated = validate::validate(document, kind, reading)?;
        let places = validated
            .principals
            .iter()
            .map(|read| {
                read.iter()
                    .flat_map(|read| &read.entries)
                    .map(|(_, place)| *place)
                    .collect()
            })
            .collect();
        let statements = statement::compile(validated, kind, reading)?;
        Ok(Self {
            kind,
            text: text.into(),
            statements,
            places,
            unstorable: None,
            work: u64::try_from(text.len() / BYTES_OF_WORK).unwrap_or(u64::MAX),
        })
    }

    /// Why a server would refuse to store it: of a policy that was read by [`Self::parse_unstored`] alone.
    pub fn unstorable(&self) -> Option<&PolicyError> {
        self.unstorable.as_deref()
    }

    /// What the policy is attached to.
    pub const fn kind(&self) -> PolicyKind {
        self.kind
    }

    /// The JSON text as it was put.
    pub fn text(&self) -> &Arc<str> {
        &self.text
    }

    /// The statements, in the order of the text.
    pub fn statements(&self) -> &[Statement] {
        &self.statements
    }

    /// Every principal that the policy names: the statement's index, the principal, its place in the text.
    pub fn principals(&self) -> impl Iterator<Item = (usize, &PolicyPrincipal, Place)> {
        self.statements
            .iter()
            .zip(&self.places)
            .enumerate()
            .flat_map(|(index, (statement, places))| {
                statement
                    .principals()
                    .iter()
                    .zip(places)
                    .map(move |(principal, place)| (index, principal, *place))
            })
    }

    /// The policy's text with other texts in place of some of its principals; `None` of one: it stays.
    pub fn text_with(&self, shown: impl Fn(&PolicyPrincipal) -> Option<String>) -> Arc<str> {
        let mut places: Vec<(Place, String)> = self
            .principals()
            .filter_map(|(_, principal, place)| Some((place, shown(principal)?)))
            .collect();
        if places.is_empty() {
            return Arc::clone(&self.text);
        }
        places.sort_by_key(|(place, _)| *place);
        let mut places = places.into_iter().peekable();
        let mut text = String::with_capacity(self.text.len());
        let (mut here, mut chars) = (Place { line: 1, column: 1 }, self.text.chars());
        // A principal is a JSON string: from its quote to the next that no backslash escapes.
        while let Some(c) = chars.next() {
            if c == '"' && places.peek().is_some_and(|(place, _)| *place == here) {
                here.column += 1;
                let mut is_escaped = false;
                for inner in chars.by_ref() {
                    here.column += 1;
                    if inner == '"' && !is_escaped {
                        break;
                    }
                    is_escaped = inner == '\\' && !is_escaped;
                }
                if let Some((_, other)) = places.next() {
                    text.push('"');
                    text.push_str(&other);
                    text.push('"');
                }
                continue;
            }
            text.push(c);
            here = match c {
                '\n' => Place {
                    line: here.line + 1,
                    column: 1,
                },
                _ => Place {
                    column: here.column + 1,
                    ..here
                },
            };
        }
        text.into()
    }

    /// Its statements, of which a decision asks; none once the work was cut.
    fn walked(&self, ask: &Ask<'_>) -> &[Statement] {
        if spend(ask.context.effort(), self.work) {
            &self.statements
        } else {
            &[]
        }
    }

    /// The first `Deny` statement that applies.
    pub fn denying(
        &self,
        ask: &Ask<'_>,
        bindings: Option<&dyn Bindings>,
    ) -> Option<(usize, &Statement)> {
        self.walked(ask).iter().enumerate().find(|(_, statement)| {
            statement.is_deny()
                && matches!(statement.verdict(ask, bindings), Verdict::Applies { .. })
        })
    }

    /// The `Allow` statements that apply, each with the ways in which it matches the caller.
    pub fn allowing<'a>(
        &'a self,
        ask: &'a Ask<'a>,
        bindings: Option<&'a dyn Bindings>,
    ) -> impl Iterator<Item = (usize, &'a Statement, Ways)> {
        self.walked(ask)
            .iter()
            .enumerate()
            .filter_map(move |(index, statement)| {
                if statement.is_deny() {
                    return None;
                }
                match statement.verdict(ask, bindings) {
                    Verdict::Applies { ways } => Some((index, statement, ways)),
                    _ => None,
                }
            })
    }
}

/// Two policies are equal when they were put as the same text for the same kind.
impl PartialEq for Policy {
    fn eq(&self, other: &Self) -> bool {
        self.kind == other.kind && self.text == other.text
    }
}

impl Eq for Policy {}

impl fmt::Debug for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Policy")
            .field("kind", &self.kind)
            .field("text", &self.text)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
