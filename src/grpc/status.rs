//! The one place where an error becomes a status: exhaustive, so that a new kind fails to compile here.

use tonic::{Code, Status};

use super::{Api, Fault};
use crate::app::cluster::ClusterError;
use crate::app::error::{TooLong, TooStale, WriteError, millis_up};
use crate::app::{Answered, AppError, Arrival};
use crate::authn::Refusal;
use crate::domain::authz::resolve::Unresolved;
use crate::domain::op::{ErrorCode, Rejection};
use crate::domain::policy::PolicyError;
use crate::wire::api::authorization::decision_out;
use crate::wire::api::error::{bounded, encode_details};
use crate::wire::api::{ErrorInfo, Invalid, Reason};
use crate::wire::v1;

impl Api {
    /// The status that a failed call ends in. `policy` tells where a refused policy is at fault.
    pub(super) fn failed(
        &self,
        arrival: &Arrival,
        fault: Fault,
        policy: impl FnOnce() -> Option<PolicyError>,
    ) -> Status {
        let position = match &fault {
            Fault::App(AppError::Rejected {
                position,
                settled_at,
                ..
            }) => Some((*position, *settled_at)),
            Fault::App(AppError::BirthMissing { now } | AppError::ForeignBirth { now }) => {
                Some((*now, None))
            }
            Fault::App(_) | Fault::Invalid(_) => None,
        };
        let (grpc_code, mut info) = told(fault);
        if info.code == ErrorCode::MalformedPolicyDocument.as_str() && info.reason.is_none() {
            info.reason = policy().map(|error| Reason::Policy(Box::new(error)));
        }
        info.header = Some(match position {
            Some((position, settled_at)) => self.answer_header(
                arrival,
                Answered {
                    position,
                    staleness_ms: None,
                    settled_at,
                },
            ),
            None => v1::ResponseHeader {
                node_id: self.0.node_id,
                request_id: arrival.request_id.to_string(),
                ..Default::default()
            },
        });
        if matches!(grpc_code, Code::Internal) {
            tracing::error!(request_id = %arrival.request_id, message = %info.message, "a call failed by a fault of ours");
        }
        let detail = v1::ErrorDetail::from(info);
        let details = encode_details(grpc_code as i32, &detail);
        Status::with_details(grpc_code, summary(&detail), details)
    }

    /// The error of one question of a batch.
    pub(super) fn detail(&self, fault: Fault) -> v1::ErrorDetail {
        let (_, info) = told(fault);
        info.into()
    }
}

/// The status's own text: for those who do not read the details.
fn summary(detail: &v1::ErrorDetail) -> String {
    bounded(&format!("{}: {}", detail.code, detail.message))
}

fn told(fault: Fault) -> (Code, ErrorInfo) {
    match fault {
        Fault::Invalid(Invalid {
            code,
            message,
            policy,
        }) => {
            let mut info = refused(code, message);
            info.reason = policy.map(Reason::Policy);
            (grpc_code(code), info)
        }
        Fault::App(error) => app_error(error),
    }
}

fn app_error(error: AppError) -> (Code, ErrorInfo) {
    match error {
        AppError::Refused(refusal) => refusal_of(&refusal),
        AppError::NotOperator => coded(
            ErrorCode::AccessDenied,
            "the cluster is changed and shown by its operator alone",
        ),
        AppError::Token(error) => coded(ErrorCode::InvalidGrantToken, error.to_string()),
        AppError::Unresolved(unresolved) => coded(code_of(&unresolved), unresolved.to_string()),
        AppError::UnknownAction(action) => coded(
            ErrorCode::Validation,
            format!("`{action}` is no action of KMS; an action reads kms:Decrypt"),
        ),
        AppError::BirthMissing { now } => (
            Code::FailedPrecondition,
            ErrorInfo {
                code: "IdempotencyBirthMissing",
                message: format!(
                    "an idempotency key comes with its birth, a position that was seen before the request was first sent: without it a retry that comes too late could not be told from a new request; for a request that is sent for the first time now: {now}"
                ),
                retryable: false,
                safe_to_retry: true,
                header: None,
                reason: None,
                help: String::new(),
            },
        ),
        AppError::ForeignBirth { now: _ } => coded(
            ErrorCode::IdempotencyExpired,
            "the idempotency key was born in another incarnation of the cluster: whether its request took effect there cannot be told here",
        ),
        AppError::Rejected {
            rejection,
            position: _,
            settled_at: _,
        } => rejected(rejection),
        AppError::Stale(stale) => too_stale(&stale),
        AppError::TooLong(too_long) => self::too_long(&too_long),
        AppError::Write(error) => write_error(&error),
        AppError::Untold(not_told) => unavailable(not_told.to_string()),
        AppError::NoMintingEpoch => unavailable(
            "no token epoch of this cluster mints grant tokens; the operator begins one with RotateTokenEpoch",
        ),
        AppError::Cluster(error) => cluster_error(&error),
        AppError::Internal(why) => (
            Code::Internal,
            ErrorInfo {
                code: "KMSInternalException",
                message: why.to_owned(),
                retryable: false,
                safe_to_retry: false,
                header: None,
                reason: None,
                help: String::new(),
            },
        ),
    }
}

/// A refusal of the request itself: nothing happened, and the same request is refused again.
fn refused(code: ErrorCode, message: impl Into<String>) -> ErrorInfo {
    ErrorInfo {
        code: code.as_str(),
        message: message.into(),
        retryable: false,
        safe_to_retry: true,
        header: None,
        reason: None,
        help: String::new(),
    }
}

fn coded(code: ErrorCode, message: impl Into<String>) -> (Code, ErrorInfo) {
    (grpc_code(code), refused(code, message))
}

fn unavailable(message: impl Into<String>) -> (Code, ErrorInfo) {
    (
        Code::Unavailable,
        ErrorInfo {
            code: "Unavailable",
            message: message.into(),
            retryable: true,
            safe_to_retry: true,
            header: None,
            reason: None,
            help: String::new(),
        },
    )
}

fn unknown(message: impl Into<String>) -> (Code, ErrorInfo) {
    (
        Code::Unknown,
        ErrorInfo {
            code: "OutcomeUnknown",
            message: message.into(),
            retryable: true,
            safe_to_retry: false,
            header: None,
            reason: None,
            help: String::new(),
        },
    )
}

fn rejected(rejection: Rejection) -> (Code, ErrorInfo) {
    let Rejection {
        code,
        message,
        decision,
        help,
    } = rejection;
    let mut info = refused(code, message.as_ref());
    info.help = help.as_deref().unwrap_or_default().to_owned();
    // Room comes back by itself.
    info.retryable = code == ErrorCode::IdempotencyFull;
    info.reason = decision.map(|decision| Reason::Denied(decision_out(&decision, &[])));
    (grpc_code(code), info)
}

fn refusal_of(refusal: &Refusal) -> (Code, ErrorInfo) {
    match refusal {
        Refusal::PeerNotTrusted { .. }
        | Refusal::ServiceLinkedRole(_)
        | Refusal::UnknownAccount(_)
        | Refusal::UnknownPrincipal(_) => coded(ErrorCode::CallerInvalid, refusal.to_string()),
        Refusal::OtherSubject | Refusal::ReservedKey { .. } | Refusal::OperatorAsksForItself => {
            coded(ErrorCode::AccessDenied, refusal.to_string())
        }
        Refusal::FrontWithoutSubject | Refusal::NeedsKeyArn => {
            coded(ErrorCode::Validation, refusal.to_string())
        }
    }
}

fn too_stale(stale: &TooStale) -> (Code, ErrorInfo) {
    let reason = match stale {
        TooStale::TooOld { age, bound, .. } | TooStale::Overtaken { age, bound } => {
            Some(Reason::Staleness {
                bound_ms: Some(millis(*bound)),
                last_proof_ms: Some(millis_up(*age)),
            })
        }
        TooStale::NotConfirmed { age, .. } => Some(Reason::Staleness {
            bound_ms: None,
            last_proof_ms: Some(millis_up(*age)),
        }),
        TooStale::NoProof { .. } | TooStale::NotAMember => Some(Reason::Staleness {
            bound_ms: None,
            last_proof_ms: None,
        }),
        TooStale::NotReached { .. }
        | TooStale::ClockOff(_)
        | TooStale::Closed(_)
        | TooStale::OtherIncarnation
        | TooStale::BeyondCommitted { .. } => None,
    };
    let retryable = stale.is_retryable();
    let grpc_code = if retryable {
        Code::Unavailable
    } else {
        Code::FailedPrecondition
    };
    let info = ErrorInfo {
        code: match stale {
            TooStale::Closed(_) => "ClusterClosed",
            _ if retryable => "TooStale",
            _ => "InvalidPosition",
        },
        message: stale.to_string(),
        retryable,
        safe_to_retry: true,
        header: None,
        reason,
        help: String::new(),
    };
    (grpc_code, info)
}

/// A question has no effect: whether to ask again is all there is to say.
fn too_long(too_long: &TooLong) -> (Code, ErrorInfo) {
    let (grpc_code, code) = match too_long {
        TooLong::Crowded | TooLong::NoPlace { .. } => (Code::Unavailable, "Overloaded"),
        TooLong::Work => (Code::ResourceExhausted, "TooLong"),
        TooLong::Deadline { .. } | TooLong::Staleness { .. } => (Code::DeadlineExceeded, "TooLong"),
        TooLong::Gone => (Code::Cancelled, "TooLong"),
    };
    let info = ErrorInfo {
        code,
        message: too_long.to_string(),
        retryable: too_long.is_retryable(),
        safe_to_retry: true,
        header: None,
        reason: None,
        help: String::new(),
    };
    (grpc_code, info)
}

fn millis(span: std::time::Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

fn write_error(error: &WriteError) -> (Code, ErrorInfo) {
    match error {
        WriteError::Unavailable { .. } => unavailable(error.to_string()),
        WriteError::Unknown { .. } => unknown(error.to_string()),
    }
}

fn cluster_error(error: &ClusterError) -> (Code, ErrorInfo) {
    match error {
        ClusterError::Refused(why) => (
            Code::FailedPrecondition,
            ErrorInfo {
                code: "ClusterRefused",
                message: why.clone(),
                retryable: false,
                safe_to_retry: true,
                header: None,
                reason: None,
                help: String::new(),
            },
        ),
        ClusterError::Unavailable(why) => unavailable(why.as_str()),
        ClusterError::Unknown(why) => unknown(why.as_str()),
    }
}

fn code_of(unresolved: &Unresolved) -> ErrorCode {
    match unresolved {
        Unresolved::NotAnArn(_) => ErrorCode::InvalidArn,
        Unresolved::NotAKeyId(_)
        | Unresolved::OtherRegion(_)
        | Unresolved::AliasNotAccepted(_)
        | Unresolved::NoSuchKey(_)
        | Unresolved::NoSuchAlias(_) => ErrorCode::NotFound,
    }
}

fn grpc_code(code: ErrorCode) -> Code {
    match code {
        ErrorCode::Validation
        | ErrorCode::InvalidInput
        | ErrorCode::InvalidArn
        | ErrorCode::InvalidAliasName
        | ErrorCode::InvalidGrantId
        | ErrorCode::InvalidGrantToken
        | ErrorCode::InvalidMarker
        | ErrorCode::MalformedPolicyDocument
        | ErrorCode::InvalidKeyUsage
        | ErrorCode::CloudHsmClusterNotRelated
        | ErrorCode::IncorrectTrustAnchor
        | ErrorCode::XksProxyIncorrectAuthenticationCredential
        | ErrorCode::IncorrectKey
        | ErrorCode::Tag
        | ErrorCode::UnsupportedOperation => Code::InvalidArgument,
        ErrorCode::NotFound
        | ErrorCode::NoSuchEntity
        | ErrorCode::CustomKeyStoreNotFound
        | ErrorCode::CloudHsmClusterNotFound
        | ErrorCode::XksProxyVpcEndpointServiceNotFound
        | ErrorCode::XksKeyNotFound => Code::NotFound,
        ErrorCode::AccessDenied | ErrorCode::NotAuthorized | ErrorCode::NoLongerPermitted => {
            Code::PermissionDenied
        }
        ErrorCode::AlreadyExists
        | ErrorCode::EntityAlreadyExists
        | ErrorCode::CustomKeyStoreNameInUse
        | ErrorCode::CloudHsmClusterInUse
        | ErrorCode::XksProxyUriInUse
        | ErrorCode::XksProxyUriEndpointInUse
        | ErrorCode::XksProxyVpcEndpointServiceInUse
        | ErrorCode::XksKeyAlreadyInUse => Code::AlreadyExists,
        ErrorCode::Disabled
        | ErrorCode::KmsInvalidState
        | ErrorCode::KeyUnavailable
        | ErrorCode::DryRunOperation
        | ErrorCode::DeleteConflict
        | ErrorCode::CustomKeyStoreInvalidState
        | ErrorCode::CustomKeyStoreHasCmks
        | ErrorCode::CloudHsmClusterNotActive
        | ErrorCode::CloudHsmClusterInvalidConfiguration
        | ErrorCode::XksProxyUriUnreachable
        | ErrorCode::XksProxyInvalidResponse
        | ErrorCode::XksProxyInvalidConfiguration
        | ErrorCode::XksProxyVpcEndpointServiceInvalidConfiguration
        | ErrorCode::XksKeyInvalidConfiguration
        | ErrorCode::RegionNotServed
        | ErrorCode::UnmodifiableEntity
        | ErrorCode::ConstraintViolation
        | ErrorCode::IdempotencyMismatch
        | ErrorCode::IdempotencyExpired => Code::FailedPrecondition,
        ErrorCode::LimitExceeded | ErrorCode::QuotaExceeded | ErrorCode::IdempotencyFull => {
            Code::ResourceExhausted
        }
        ErrorCode::CallerInvalid => Code::Unauthenticated,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// unknown is said, and "unavailable" only of what certainly had no effect.
    #[test]
    fn unavailable_is_safe_to_retry_and_unknown_is_not() {
        let why = || "x".to_owned();
        let (code, info) = app_error(AppError::Write(WriteError::Unavailable { why: why() }));
        assert_eq!(
            (code, info.code, info.retryable, info.safe_to_retry),
            (Code::Unavailable, "Unavailable", true, true)
        );
        let (code, info) = app_error(AppError::Write(WriteError::Unknown { why: why() }));
        assert_eq!(
            (code, info.code, info.retryable, info.safe_to_retry),
            (Code::Unknown, "OutcomeUnknown", true, false)
        );
        let (code, info) = app_error(AppError::Cluster(ClusterError::Unknown(why())));
        assert_eq!((code, info.safe_to_retry), (Code::Unknown, false));
    }

    #[test]
    fn position_of_another_life_is_not_worth_a_retry() {
        let (code, info) = app_error(AppError::Stale(TooStale::OtherIncarnation));
        assert_eq!(
            (code, info.code, info.retryable),
            (Code::FailedPrecondition, "InvalidPosition", false)
        );
    }

    #[test]
    fn exception_names_are_distinct() {
        let names: BTreeSet<&str> = ErrorCode::ALL.iter().map(|code| code.as_str()).collect();
        assert_eq!(names.len(), ErrorCode::ALL.len());
        for code in ErrorCode::ALL {
            assert_ne!(grpc_code(*code), Code::Ok);
            // "unavailable" is kept for the node, never for a refusal of the request.
            assert_ne!(grpc_code(*code), Code::Unavailable);
        }
    }
}
