//! How an error is told: a typed detail in the status of the call, of a size that every client takes.

use prost::Message;
use prost::bytes::Bytes;

use crate::domain::limits;
use crate::domain::policy::PolicyError;
use crate::wire::v1;

/// The type URL of an [`v1::ErrorDetail`] in a [`v1::StatusEnvelope`].
pub const ERROR_DETAIL_URL: &str = "type.googleapis.com/grantd.v1.ErrorDetail";

/// An error on its way out, the same for every front.
#[derive(Clone, Debug)]
pub struct ErrorInfo {
    /// AWS's exception name, or ours.
    pub code: &'static str,
    /// What the caller is told.
    pub message: String,
    /// Whether the same request may succeed later.
    pub retryable: bool,
    /// Whether the request certainly had no effect.
    pub safe_to_retry: bool,
    /// Position, node and request id, as far as they are known.
    pub header: Option<v1::ResponseHeader>,
    /// The fields behind the text.
    pub reason: Option<Reason>,
    /// What is behind a text that AWS words shortly; empty: no more than it says.
    pub help: String,
}

/// The fields behind an error's text.
#[derive(Clone, Debug)]
pub enum Reason {
    /// Of an access denial.
    Denied(v1::Decision),
    /// Of a policy that was refused.
    Policy(Box<PolicyError>),
    /// Of a node that is not fresh enough.
    Staleness {
        /// The bound that could not be met, in milliseconds.
        bound_ms: Option<u64>,
        /// How long ago the node last proved itself fresh, in milliseconds.
        last_proof_ms: Option<u64>,
    },
    /// Of a write that could not be brought to the leader.
    Leader(Option<u64>),
}

impl From<ErrorInfo> for v1::ErrorDetail {
    fn from(info: ErrorInfo) -> Self {
        let ErrorInfo {
            code,
            message,
            retryable,
            safe_to_retry,
            header,
            reason,
            help,
        } = info;
        use v1::error_detail::Reason as Out;
        Self {
            code: code.to_owned(),
            message: bounded(&message),
            retryable,
            safe_to_retry,
            header,
            reason: reason.map(|reason| match reason {
                Reason::Denied(mut decision) => {
                    // The text stands in the error's own message; twice would be too long for a trailer.
                    decision.message.clear();
                    Out::Denied(decision)
                }
                Reason::Policy(error) => Out::Policy((*error).into()),
                Reason::Staleness {
                    bound_ms,
                    last_proof_ms,
                } => Out::Staleness(v1::Staleness {
                    bound_ms,
                    last_proof_ms,
                }),
                Reason::Leader(node_id) => Out::Leader(v1::Leader { node_id }),
            }),
            help: bounded(&help),
        }
    }
}

impl From<PolicyError> for v1::PolicyFault {
    fn from(error: PolicyError) -> Self {
        Self {
            line: error.line(),
            column: error.column(),
            offending: error.offending().to_owned(),
            help: bounded(error.help()),
        }
    }
}

/// The text, cut at a character boundary to what an HTTP/2 trailer can carry.
pub fn bounded(text: &str) -> String {
    if text.len() <= limits::ERROR_MESSAGE_BYTES_MAX {
        return text.to_owned();
    }
    let end = text
        .char_indices()
        .map(|(at, c)| at + c.len_utf8())
        .take_while(|end| *end <= limits::ERROR_MESSAGE_BYTES_MAX)
        .last()
        .unwrap_or_default();
    format!("{}…", text.get(..end).unwrap_or_default())
}

/// The status details of a call that ends in `detail`: a `google.rpc.Status` in all but name.
pub fn encode_details(grpc_code: i32, detail: &v1::ErrorDetail) -> Bytes {
    v1::StatusEnvelope {
        code: grpc_code,
        message: String::new(),
        details: vec![v1::status_envelope::Detail {
            type_url: ERROR_DETAIL_URL.to_owned(),
            value: detail.encode_to_vec().into(),
        }],
    }
    .encode_to_vec()
    .into()
}

/// The detail in a call's status details, or `None` if they are not ours.
pub fn decode_details(details: &[u8]) -> Option<v1::ErrorDetail> {
    let v1::StatusEnvelope {
        code: _,
        message: _,
        details,
    } = v1::StatusEnvelope::decode(details).ok()?;
    details
        .into_iter()
        .find(|detail| detail.type_url == ERROR_DETAIL_URL)
        .and_then(|detail| v1::ErrorDetail::decode(detail.value).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn info(message: &str) -> ErrorInfo {
        ErrorInfo {
            code: "TooStale",
            message: message.to_owned(),
            retryable: true,
            safe_to_retry: true,
            header: Some(v1::ResponseHeader {
                node_id: 3,
                ..Default::default()
            }),
            reason: Some(Reason::Staleness {
                bound_ms: Some(1000),
                last_proof_ms: None,
            }),
            help: "look elsewhere".to_owned(),
        }
    }

    #[test]
    fn detail_comes_back_from_the_status_details() {
        let detail: v1::ErrorDetail = info("too old").into();
        let bytes = encode_details(14, &detail);
        assert_eq!(decode_details(&bytes), Some(detail));
        assert_eq!(decode_details(b"\xff\xff"), None);
        assert_eq!(decode_details(b""), None);
    }

    #[test]
    fn long_message_is_cut_at_a_character_to_fit_a_trailer() {
        let long = "é".repeat(limits::ERROR_MESSAGE_BYTES_MAX);
        let detail: v1::ErrorDetail = info(&long).into();
        assert!(detail.message.len() <= limits::ERROR_MESSAGE_BYTES_MAX + '…'.len_utf8());
        assert!(detail.message.ends_with("é…"));
        // Base64 makes four of three; clients take 16 KiB of trailers, our message text among them.
        assert!(encode_details(3, &detail).len() * 4 / 3 + detail.message.len() < 16 * 1024);
    }
}
