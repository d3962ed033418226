//! What refusals of operations have in common: their way into a [`Rejection`], and the reasons that several share.
//!
//! An operation declares its refusals in the order of its checks. Those that it shares come with their own types,
//! so `?` carries them; its own are [`Said`] with code and text.

use std::fmt;
use std::sync::Arc;

use super::{ErrorCode, Rejection};
use crate::domain::authz::Denied;
use crate::domain::authz::resolve::Unresolved;
use crate::domain::policy::{PolicyError, PolicyErrorKind};

/// A refusal of one operation alone: its code and its text.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Said {
    /// The exception.
    pub code: ErrorCode,
    /// The text.
    pub message: Arc<str>,
}

/// A [`Said`] with this code and text.
pub fn said(code: ErrorCode, message: impl fmt::Display) -> Said {
    let message = message.to_string().into();
    Said { code, message }
}

/// A member whose value breaks its shape: AWS's sentence for it (W-3).
pub fn bad_member(value: impl fmt::Display, path: &str, must: impl fmt::Display) -> Said {
    said(
        ErrorCode::Validation,
        format_args!(
            "1 validation error detected: Value '{value}' at '{path}' failed to satisfy constraint: Member must {must}"
        ),
    )
}

impl From<Said> for Rejection {
    fn from(Said { code, message }: Said) -> Self {
        Self {
            code,
            message,
            decision: None,
            help: None,
        }
    }
}

impl From<Denied> for Rejection {
    fn from(Denied { decision, message }: Denied) -> Self {
        Self {
            code: ErrorCode::AccessDenied,
            message,
            decision,
            help: None,
        }
    }
}

impl From<Unresolved> for Rejection {
    fn from(unresolved: Unresolved) -> Self {
        let code = if unresolved.is_malformed_arn() {
            ErrorCode::InvalidArn
        } else {
            ErrorCode::NotFound
        };
        said(code, unresolved).into()
    }
}

/// A policy document that is not one (P-1 to P-6), with the place of the fault.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BadPolicy(pub PolicyError);

impl From<BadPolicy> for Rejection {
    fn from(BadPolicy(error): BadPolicy) -> Self {
        let code = match error.kind() {
            PolicyErrorKind::TooLarge => ErrorCode::LimitExceeded,
            PolicyErrorKind::Syntax
            | PolicyErrorKind::Malformed
            | PolicyErrorKind::InvalidPrincipal
            | PolicyErrorKind::OverlyPermissiveCondition
            | PolicyErrorKind::ForbiddenConditionKey => ErrorCode::MalformedPolicyDocument,
        };
        said(code, error).into()
    }
}

/// Declares the refusals of an operation in the order of its checks, each with the type that says it.
macro_rules! refusals {
    ($(#[$meta:meta])* $name:ident { $($(#[$doc:meta])* $variant:ident ( $payload:tt )),+ $(,)? }) => {
        $(#[$meta])*
        #[derive(Clone, PartialEq, Eq, Debug)]
        pub enum $name { $($(#[$doc])* $variant($payload)),+ }

        $($crate::domain::op::refusal::refusals!(@from $name $variant $payload);)+

        impl From<$name> for $crate::domain::op::Rejection {
            fn from(refusal: $name) -> Self {
                match refusal { $($name::$variant(why) => why.into()),+ }
            }
        }
    };
    (@from $name:ident $variant:ident Said) => {};
    (@from $name:ident $variant:ident $payload:ident) => {
        impl From<$payload> for $name {
            fn from(why: $payload) -> Self {
                Self::$variant(why)
            }
        }
    };
}
pub(in crate::domain) use refusals;

/// The error that says that a dry run would have succeeded (G-20).
pub fn dry_run() -> Said {
    said(
        ErrorCode::DryRunOperation,
        "The request would have succeeded, but the DryRun option is set.",
    )
}
