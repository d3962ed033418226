//! Requests: the id that ties an answer, its log entry and its audit record together.

use std::fmt;
use std::str::FromStr;

use super::{IdFault, IdKind, ParseIdError, Short, fault, read_uuid, uuid_of};

/// The id of one request, printed as a UUID.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub [u8; 16]);

impl FromStr for RequestId {
    type Err = ParseIdError;

    fn from_str(text: &str) -> Result<Self, ParseIdError> {
        read_uuid(text).map(Self).ok_or_else(|| {
            let expected = "a lower-case UUID";
            fault(IdKind::RequestId, IdFault::BadForm { expected }, text)
        })
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(Short::ascii(uuid_of(&self.0)).as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn request_id_prints_as_the_uuid_it_was_read_from() {
        let text = "00010203-0405-0607-0809-0a0b0c0d0e0f";
        let id: RequestId = text.parse().unwrap();
        assert_eq!(id.0[15], 15);
        assert_eq!(id.to_string(), text);
        assert!("00010203".parse::<RequestId>().is_err());
    }
}
