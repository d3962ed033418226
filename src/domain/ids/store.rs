//! Custom key stores (K-1).

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use super::{IdFault, IdKind, ParseIdError, check_len, fault};
use crate::domain::limits;

/// The id of a custom key store, `cks-…`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CustomKeyStoreId(Arc<str>);

impl CustomKeyStoreId {
    /// The whole id.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for CustomKeyStoreId {
    type Err = ParseIdError;

    fn from_str(text: &str) -> Result<Self, ParseIdError> {
        check_len(
            IdKind::CustomKeyStoreId,
            text,
            limits::CUSTOM_KEY_STORE_ID_MAX,
        )?;
        let rest = text.strip_prefix("cks-").unwrap_or_default();
        if rest.is_empty() || !rest.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-') {
            let expected = "`cks-` followed by letters, digits and hyphens";
            return Err(fault(
                IdKind::CustomKeyStoreId,
                IdFault::BadForm { expected },
                text,
            ));
        }
        Ok(Self(text.into()))
    }
}

impl fmt::Display for CustomKeyStoreId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn custom_key_store_id_without_its_prefix_is_refused() {
        assert!("cks-1234567890abcdef0".parse::<CustomKeyStoreId>().is_ok());
        for text in [
            "",
            "cks-",
            "1234567890abcdef0",
            "cks-a b",
            &format!("cks-{}", "0".repeat(61)),
        ] {
            assert!(text.parse::<CustomKeyStoreId>().is_err(), "{text}");
        }
    }
}
