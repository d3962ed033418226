//! Grants (ID-11). Tokens are not ids: they live in `crypto`.

use std::fmt;
use std::str::FromStr;

use super::{IdFault, IdKind, ParseIdError, check_len, fault, read_hex, write_hex};
use crate::domain::limits;

/// The id of a grant: 64 lower-case hexadecimal digits (ID-11).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GrantId(pub [u8; 32]);

impl FromStr for GrantId {
    type Err = ParseIdError;

    fn from_str(text: &str) -> Result<Self, ParseIdError> {
        check_len(IdKind::GrantId, text, limits::GRANT_ID_TEXT_MAX)?;
        read_hex(text.as_bytes()).map(Self).ok_or_else(|| {
            let expected = "64 lower-case hexadecimal digits";
            fault(IdKind::GrantId, IdFault::BadForm { expected }, text)
        })
    }
}

impl fmt::Display for GrantId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(f, &self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// ID-11: 64 lower-case hexadecimal digits, nothing else.
    #[test]
    fn grant_id_in_another_spelling_is_refused() {
        assert!("0a".repeat(32).parse::<GrantId>().is_ok());
        for text in [
            "",
            "0a",
            &"0A".repeat(32),
            &"0a".repeat(33),
            &"x".repeat(64),
            &"0".repeat(129),
        ] {
            assert!(text.parse::<GrantId>().is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn grant_id_of_any_bytes_prints_and_reads_back(bytes: [u8; 32]) {
            prop_assert_eq!(GrantId(bytes).to_string().parse::<GrantId>(), Ok(GrantId(bytes)));
        }
    }
}
