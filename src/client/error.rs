//! What can come of a call other than an answer.

use std::fmt;

use prost::Message;
use tonic::{Code, Status};

use super::api;

/// Why there is no answer.
#[derive(Clone, PartialEq, Debug)]
pub enum ClientError {
    /// A node said no. For a write: it had no effect.
    Refused(Box<Refusal>),
    /// A write whose outcome is not known: it may have taken effect, now or later.
    Unknown(Box<Refusal>),
    /// No node could be reached; nothing was sent.
    Unreachable {
        /// Each address with what went wrong there last.
        tried: Vec<(String, String)>,
    },
    /// What the client was given cannot be used.
    Setup(String),
}

/// A node's no.
#[derive(Clone, PartialEq, Debug)]
pub struct Refusal {
    /// The address that gave it.
    pub endpoint: String,
    /// What it said.
    pub detail: api::ErrorDetail,
}

impl fmt::Display for ClientError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(refusal) => refusal.fmt(f),
            Self::Unknown(refusal) => {
                write!(
                    f,
                    "the outcome is unknown, the change may have taken effect: {refusal}"
                )
            }
            Self::Unreachable { tried } => {
                f.write_str("no node could be reached: ")?;
                for (at, (endpoint, why)) in tried.iter().enumerate() {
                    let comma = if at == 0 { "" } else { "; " };
                    write!(f, "{comma}{endpoint}: {why}")?;
                }
                Ok(())
            }
            Self::Setup(what) => f.write_str(what),
        }
    }
}

impl std::error::Error for ClientError {}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let api::ErrorDetail { code, message, .. } = &self.detail;
        match (code.is_empty(), message.is_empty()) {
            (false, false) => write!(f, "{code}: {message}"),
            (false, true) => f.write_str(code),
            (true, _) => f.write_str(message),
        }
    }
}

impl ClientError {
    /// What a node said, if one said anything.
    pub fn detail(&self) -> Option<&api::ErrorDetail> {
        match self {
            Self::Refused(refusal) | Self::Unknown(refusal) => Some(&refusal.detail),
            Self::Unreachable { .. } | Self::Setup(_) => None,
        }
    }

    /// The code of a refusal, or one of ours.
    pub fn code(&self) -> &str {
        match self {
            Self::Refused(refusal) => &refusal.detail.code,
            Self::Unknown(_) => "OutcomeUnknown",
            Self::Unreachable { .. } => "Unreachable",
            Self::Setup(_) => "Setup",
        }
    }
}

/// What one attempt came to.
pub(super) enum Failure {
    /// The connection was not made, so nothing was sent.
    NotSent(String),
    /// A node answered with an error of ours.
    Said(api::ErrorDetail),
    /// Something between us and the node failed, or the node spoke without our detail.
    Broken(api::ErrorDetail),
}

impl Failure {
    /// Reads what a status says.
    pub(super) fn of(status: &Status) -> Self {
        if let Some(detail) = detail_of(status) {
            return Self::Said(detail);
        }
        let mut message = status.message().to_owned();
        let mut source = std::error::Error::source(status);
        let mut connecting = false;
        while let Some(error) = source {
            connecting |= error.is::<tonic::ConnectError>();
            if let Some(io) = error.downcast_ref::<std::io::Error>() {
                message = io.to_string();
            }
            source = error.source();
        }
        if connecting {
            return Self::NotSent(message);
        }
        let retryable = matches!(
            status.code(),
            Code::Unavailable
                | Code::DeadlineExceeded
                | Code::Cancelled
                | Code::Unknown
                | Code::Aborted
        );
        Self::Broken(api::ErrorDetail {
            code: format!("{:?}", status.code()),
            message,
            retryable,
            // These come from the transport of a node before any handler of ours, or mean that there is none.
            safe_to_retry: matches!(
                status.code(),
                Code::Unimplemented
                    | Code::ResourceExhausted
                    | Code::InvalidArgument
                    | Code::Unauthenticated
                    | Code::PermissionDenied
            ),
            header: None,
            reason: None,
            help: String::new(),
        })
    }
}

/// Our typed detail in the details of a status.
fn detail_of(status: &Status) -> Option<api::ErrorDetail> {
    let envelope = api::StatusEnvelope::decode(status.details()).ok()?;
    envelope
        .details
        .iter()
        .find(|detail| detail.type_url.ends_with("/grantd.v1.ErrorDetail"))
        .and_then(|detail| api::ErrorDetail::decode(detail.value.clone()).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status_with(type_url: &str, value: Vec<u8>) -> Status {
        let envelope = api::StatusEnvelope {
            code: 9,
            message: "m".to_owned(),
            details: vec![api::status_envelope::Detail {
                type_url: type_url.to_owned(),
                value: value.into(),
            }],
        };
        Status::with_details(
            Code::FailedPrecondition,
            "m",
            envelope.encode_to_vec().into(),
        )
    }

    #[test]
    fn typed_detail_is_read_from_a_status() {
        let detail = api::ErrorDetail {
            code: "DisabledException".to_owned(),
            message: "x is disabled.".to_owned(),
            ..api::ErrorDetail::default()
        };
        let status = status_with(
            "type.googleapis.com/grantd.v1.ErrorDetail",
            detail.encode_to_vec(),
        );
        assert!(matches!(Failure::of(&status), Failure::Said(said) if said == detail));
    }

    #[test]
    fn foreign_or_broken_details_are_no_detail() {
        for status in [
            status_with("type.googleapis.com/other", vec![1, 2, 3]),
            status_with("type.googleapis.com/grantd.v1.ErrorDetail", vec![0xff; 4]),
            Status::with_details(Code::Internal, "m", vec![0xff; 9].into()),
            Status::internal("m"),
        ] {
            assert!(matches!(Failure::of(&status), Failure::Broken(_)));
        }
    }

    #[test]
    fn broken_connection_is_never_taken_as_proof_that_nothing_happened() {
        for code in [
            Code::Unavailable,
            Code::DeadlineExceeded,
            Code::Cancelled,
            Code::Unknown,
            Code::Internal,
        ] {
            let Failure::Broken(detail) = Failure::of(&Status::new(code, "m")) else {
                panic!("{code:?}");
            };
            assert!(!detail.safe_to_retry, "{code:?}");
        }
    }
}
