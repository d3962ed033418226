//! The conversions between the API's messages and the domain: `TryFrom` in spirit inward, `From` outward, every field
//! named, so that a new member fails to compile at each edge that must think about it.
//!
//! Imports domain and the generated code. Never: a decision, a clock, a random id; what must be drawn before the log
//! comes in as [`Drawn`].

pub mod aliases;
pub mod authorization;
pub mod error;
pub mod grant_figures;
pub mod grants;
pub mod groups;
pub mod headed;
pub mod header;
pub mod identity;
pub mod insight;
pub mod key_life;
pub mod key_store_backends;
pub mod key_stores;
pub mod keys;
pub mod organizations;
mod reply;
mod request;
pub mod shape;
pub mod tags;
#[cfg(test)]
mod testing;

use std::sync::Arc;

pub use error::{ErrorInfo, Reason};
pub use header::{Consistency, Header, IdempotencyKey};

use crate::domain::authz::claim::TokenText;
use crate::domain::ids::{AccountId, KeyRef};
use crate::domain::op::{Answer, Command, DryRun, ErrorCode, Output, Page, Query, Scope};
use crate::domain::policy::{Place, PolicyError, Warning};
use crate::domain::state::key_store::Secret;
use crate::wire::v1;
use shape::Violations;

/// A request that is refused for its form alone.
#[derive(Clone, Debug)]
pub struct Invalid {
    /// The AWS exception.
    pub code: ErrorCode,
    /// The text, exactly as AWS writes it where that is known.
    pub message: String,
    /// What is wrong with a policy, if that is the fault.
    pub policy: Option<Box<PolicyError>>,
}

impl Invalid {
    fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            policy: None,
        }
    }

    /// A `ValidationException` with this text.
    pub fn validation(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::Validation, message)
    }

    fn arn(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::InvalidArn, message)
    }
}

/// What is fixed before the log for a new change: nothing of it is decided inside `apply`.
#[derive(Clone, Copy, Debug)]
pub struct Drawn {
    /// The account of the caller: the owner of a new key. `None` for a caller without a place in any account.
    pub account: Option<AccountId>,
    /// 32 random bytes, drawn for this change alone: the source of its new ids.
    pub entropy: [u8; 32],
}

impl Drawn {
    fn entropy16(&self) -> [u8; 16] {
        let (half, _) = self.halves();
        half
    }

    /// The two halves, for a change that needs two ids.
    fn halves(&self) -> ([u8; 16], [u8; 16]) {
        let (mut first, mut second) = ([0; 16], [0; 16]);
        for (to, from) in first.iter_mut().chain(&mut second).zip(self.entropy) {
            *to = from;
        }
        (first, second)
    }

    /// The other half, for a change that makes two things.
    fn other16(&self) -> [u8; 16] {
        let mut half = [0; 16];
        for (to, from) in half.iter_mut().zip(self.entropy.iter().skip(16)) {
            *to = *from;
        }
        half
    }
}

/// A change as asked for.
#[derive(Clone, Debug)]
#[allow(clippy::large_enum_variant)]
pub enum Change {
    /// A command, whole.
    Command {
        /// The command.
        command: Command,
        /// Grant tokens that came with it; checked, never evidence.
        grant_tokens: Vec<TokenText>,
    },
    /// A command and the one secret that belongs into it: it is sealed before anything is proposed (K-11).
    Sealing {
        /// The command, its credential still without the sealed secret.
        command: Command,
        /// The secret.
        secret: Secret,
    },
    /// RetireGrant by token: which key and grant it names is known once the token is opened (G-41).
    RetireByToken {
        /// The token.
        token: TokenText,
        /// Whether only to authorize and validate (G-20).
        dry_run: DryRun,
    },
    /// A new token epoch, whose secret is drawn and sealed before anything is proposed.
    RotateTokenEpoch,
}

impl Change {
    fn of(command: Command) -> Self {
        Self::Command {
            command,
            grant_tokens: Vec::new(),
        }
    }
}

/// A question about the state as asked.
#[derive(Clone, Debug)]
pub struct Asked {
    /// The question.
    pub query: Query,
    /// Grant tokens that came with it.
    pub grant_tokens: Vec<TokenText>,
}

impl Asked {
    fn of(query: Query) -> Self {
        Self {
            query,
            grant_tokens: Vec::new(),
        }
    }
}

/// A request that asks for a change.
pub trait IntoChange {
    /// The change, whole.
    ///
    /// # Errors
    /// [`Invalid`], with AWS's code and text (W-3).
    fn into_change(self, scope: &Scope, drawn: &Drawn) -> Result<Change, Invalid>;
}

/// A request that only reads.
pub trait IntoQuery {
    /// The question.
    ///
    /// # Errors
    /// [`Invalid`], with AWS's code and text (W-3).
    fn into_query(self) -> Result<Asked, Invalid>;
}

/// An outcome that is not of the kind that its operation promises: a fault of ours, never of the caller.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Lacking;

/// The answer to a change.
pub trait FromOutput: Sized {
    /// The answer; `grant_token` is CreateGrant's alone.
    ///
    /// # Errors
    /// [`Lacking`].
    fn from_output(
        header: v1::ResponseHeader,
        output: Output,
        grant_token: Option<String>,
    ) -> Result<Self, Lacking>;

    /// The answer with what is surprising in the policy that the request brought. An answer that has no place for it
    /// is left as it is.
    #[must_use]
    fn with_warnings(self, _: Vec<v1::PolicyWarning>) -> Self {
        self
    }
}

/// A warning as clients see it.
impl From<Warning> for v1::PolicyWarning {
    fn from(warning: Warning) -> Self {
        let Warning {
            lint,
            statement: _,
            place: Place { line, column },
            offending,
            message,
            help,
        } = warning;
        Self {
            code: lint.code().to_owned(),
            rule: lint.rule().to_owned(),
            line,
            column,
            offending: offending.into(),
            message: message.into(),
            help: help.into(),
        }
    }
}

/// The answer to a question about the state.
pub trait FromAnswer: Sized {
    /// The answer.
    ///
    /// # Errors
    /// [`Lacking`].
    fn from_answer(header: v1::ResponseHeader, answer: Answer) -> Result<Self, Lacking>;
}

impl Violations {
    /// Nothing, or the `ValidationException` that tells all violations.
    fn finish(self) -> Result<(), Invalid> {
        match self.message() {
            None => Ok(()),
            Some(message) => Err(Invalid::validation(message)),
        }
    }

    fn key(&mut self, key_id: &str) {
        self.text("keyId", key_id, shape::KEY_ID);
    }

    fn page(&mut self, page: Option<&v1::Page>) {
        if let Some(v1::Page { limit, marker }) = page {
            self.number("limit", *limit, shape::LIMIT);
            self.optional("marker", marker.as_deref(), shape::MARKER);
        }
    }
}

fn tokens(sent: Vec<String>) -> Vec<TokenText> {
    sent.into_iter().map(TokenText).collect()
}

fn arc(text: String) -> Arc<str> {
    text.into()
}

fn page(page: Option<v1::Page>) -> Page {
    let v1::Page { limit, marker } = page.unwrap_or_default();
    Page {
        // Shape has checked that it is positive.
        limit: limit.and_then(|limit| u32::try_from(limit).ok()),
        marker: marker.map(arc),
    }
}

/// A key as a caller names it. The texts are those of ID-1 and ID-3.
fn key_ref(text: &str) -> Result<KeyRef, Invalid> {
    use crate::domain::ids::IdKind;
    text.parse().map_err(
        |error: crate::domain::ids::ParseIdError| match error.kind() {
            IdKind::KeyArn | IdKind::AliasArn => Invalid::arn(format!("Invalid arn {text}")),
            _ => Invalid::new(ErrorCode::NotFound, format!("Invalid keyId '{text}'")),
        },
    )
}
