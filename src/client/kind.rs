//! What kind of no a call ended in: the one table from errors to what a caller does next.

use super::api;
use super::error::ClientError;
use crate::domain::op::ErrorCode;

/// What a caller does about a call that has no answer.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Kind {
    /// The request is wrong: it is malformed, contradicts itself, or names what does not exist. Mend it.
    Wrong,
    /// The request is right, and a rule or the state of things says no. It is refused again until that changes.
    Refused,
    /// Nobody could answer now, and nothing was done. Try again.
    Unavailable,
    /// It may have been done, now or later. Look before it is sent again, or send it under the same key.
    Unknown,
}

impl ClientError {
    /// Its kind.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Setup(_) => Kind::Wrong,
            Self::Unreachable { .. } => Kind::Unavailable,
            Self::Unknown(_) => Kind::Unknown,
            Self::Refused(refusal) => of_refusal(&refusal.detail),
        }
    }
}

fn of_refusal(detail: &api::ErrorDetail) -> Kind {
    if detail.retryable {
        return Kind::Unavailable;
    }
    match detail.code.parse::<ErrorCode>() {
        Ok(code) => of_code(code),
        Err(_) => of_word(&detail.code),
    }
}

/// Of the codes that operations do not end in: the nodes' own and those of the transport.
fn of_word(code: &str) -> Kind {
    match code {
        // More work than any answer may take: a smaller question is answered.
        "TooLong"
        | "IdempotencyBirthMissing"
        | "InvalidPosition"
        | "InvalidArgument"
        | "OutOfRange"
        | "Unimplemented" => Kind::Wrong,
        // A fault of the node: the request is not to blame, and another node may do better.
        "KMSInternalException" | "Internal" | "DataLoss" | "ResourceExhausted" => Kind::Unavailable,
        // `ClusterRefused`, and what a later version may say.
        _ => Kind::Refused,
    }
}

fn of_code(code: ErrorCode) -> Kind {
    match code {
        ErrorCode::Validation
        | ErrorCode::InvalidInput
        | ErrorCode::InvalidArn
        | ErrorCode::InvalidAliasName
        | ErrorCode::InvalidGrantId
        | ErrorCode::InvalidGrantToken
        | ErrorCode::InvalidMarker
        | ErrorCode::MalformedPolicyDocument
        | ErrorCode::NotFound
        | ErrorCode::InvalidKeyUsage
        | ErrorCode::IncorrectKey
        | ErrorCode::Tag
        | ErrorCode::UnsupportedOperation
        | ErrorCode::CustomKeyStoreNotFound
        | ErrorCode::CloudHsmClusterNotFound
        | ErrorCode::CloudHsmClusterNotRelated
        | ErrorCode::IncorrectTrustAnchor
        | ErrorCode::XksProxyIncorrectAuthenticationCredential
        | ErrorCode::XksProxyVpcEndpointServiceNotFound
        | ErrorCode::XksKeyNotFound
        | ErrorCode::RegionNotServed
        | ErrorCode::NoSuchEntity
        | ErrorCode::IdempotencyMismatch => Kind::Wrong,
        ErrorCode::AccessDenied
        | ErrorCode::NotAuthorized
        | ErrorCode::CallerInvalid
        | ErrorCode::NoLongerPermitted
        | ErrorCode::AlreadyExists
        | ErrorCode::EntityAlreadyExists
        | ErrorCode::Disabled
        | ErrorCode::KmsInvalidState
        | ErrorCode::KeyUnavailable
        | ErrorCode::LimitExceeded
        | ErrorCode::QuotaExceeded
        | ErrorCode::DryRunOperation
        | ErrorCode::CustomKeyStoreInvalidState
        | ErrorCode::CustomKeyStoreNameInUse
        | ErrorCode::CustomKeyStoreHasCmks
        | ErrorCode::CloudHsmClusterInUse
        | ErrorCode::CloudHsmClusterNotActive
        | ErrorCode::CloudHsmClusterInvalidConfiguration
        | ErrorCode::XksProxyUriInUse
        | ErrorCode::XksProxyUriEndpointInUse
        | ErrorCode::XksProxyVpcEndpointServiceInUse
        | ErrorCode::XksProxyUriUnreachable
        | ErrorCode::XksProxyInvalidResponse
        | ErrorCode::XksProxyInvalidConfiguration
        | ErrorCode::XksProxyVpcEndpointServiceInvalidConfiguration
        | ErrorCode::XksKeyAlreadyInUse
        | ErrorCode::XksKeyInvalidConfiguration
        | ErrorCode::UnmodifiableEntity
        | ErrorCode::ConstraintViolation
        | ErrorCode::DeleteConflict => Kind::Refused,
        // Its room comes back by itself.
        ErrorCode::IdempotencyFull => Kind::Unavailable,
        // Nobody can tell any more what the earlier attempts came to.
        ErrorCode::IdempotencyExpired => Kind::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::Refusal;

    fn refused(code: &str, retryable: bool) -> Kind {
        ClientError::Refused(Box::new(Refusal {
            endpoint: "127.0.0.1:1".to_owned(),
            detail: api::ErrorDetail {
                code: code.to_owned(),
                retryable,
                ..api::ErrorDetail::default()
            },
        }))
        .kind()
    }

    #[test]
    fn kind_follows_from_the_code() {
        for (code, kind) in [
            ("ValidationException", Kind::Wrong),
            ("MalformedPolicyDocumentException", Kind::Wrong),
            ("NotFoundException", Kind::Wrong),
            ("NoSuchEntity", Kind::Wrong),
            ("IdempotencyBirthMissing", Kind::Wrong),
            ("AccessDeniedException", Kind::Refused),
            ("UnrecognizedClientException", Kind::Refused),
            ("KMSInvalidStateException", Kind::Refused),
            ("LimitExceededException", Kind::Refused),
            ("ClusterRefused", Kind::Refused),
            ("SomethingOfALaterVersion", Kind::Refused),
            ("KMSInternalException", Kind::Unavailable),
            ("IdempotencyKeyExpired", Kind::Unknown),
        ] {
            assert_eq!(refused(code, false), kind, "{code}");
        }
    }

    /// Whatever its name: what may be tried again was not possible now.
    #[test]
    fn what_may_be_tried_again_is_unavailable() {
        for code in [
            "TooStale",
            "Unavailable",
            "Overloaded",
            "DeadlineExceeded",
            "TooManyIdempotencyKeys",
        ] {
            assert_eq!(refused(code, true), Kind::Unavailable, "{code}");
        }
    }

    #[test]
    fn what_no_node_said_has_a_kind_too() {
        assert_eq!(ClientError::Setup(String::new()).kind(), Kind::Wrong);
        let unreachable = ClientError::Unreachable { tried: Vec::new() };
        assert_eq!(unreachable.kind(), Kind::Unavailable);
        let unknown = ClientError::Unknown(Box::new(Refusal {
            endpoint: String::new(),
            detail: api::ErrorDetail::default(),
        }));
        assert_eq!(unknown.kind(), Kind::Unknown);
    }
}
