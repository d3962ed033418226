//! The names of things: parsed once at the edge, never strings again (rules ID-1 to ID-21).
//!
//! One file a family. Every type is immutable, cheap to clone, ordered and hashed by its AWS text,
//! parses with `FromStr` into itself or a [`ParseIdError`], and prints its AWS text with `Display`.
//! Imports only `domain::limits`. Never resolves, never checks that something exists, never serializes.

mod account;
mod alias;
mod arn;
mod error;
mod grant;
mod key;
mod principal;
mod request;
mod service;
mod store;
mod unique;

pub use account::{AccountId, Partition, Region};
pub use alias::{ALIAS_PREFIX, AliasArn, AliasName};
pub use arn::Arn;
pub use error::{IdFault, IdKind, ParseIdError};
pub use grant::GrantId;
pub use key::{KeyArn, KeyId, KeyRef};
pub use principal::{PrincipalArn, PrincipalKind};
pub use request::RequestId;
pub use service::ServicePrincipal;
pub use store::CustomKeyStoreId;
pub use unique::{UniqueId, UniqueIdKind};

use arn::split_arn;
use error::{check_len, fault};

/// Writes bytes as lower-case hexadecimal digits.
fn write_hex(f: &mut std::fmt::Formatter<'_>, bytes: &[u8]) -> std::fmt::Result {
    for byte in bytes {
        write!(f, "{byte:02x}")?;
    }
    Ok(())
}

/// Reads exactly `N` bytes of lower-case hexadecimal digits; `None` for anything else.
fn read_hex<const N: usize>(text: &[u8]) -> Option<[u8; N]> {
    if text.len() != N * 2 {
        return None;
    }
    let mut out = [0u8; N];
    for (slot, pair) in out.iter_mut().zip(text.chunks_exact(2)) {
        let [high, low] = pair else { return None };
        *slot = (digit(*high)? << 4) | digit(*low)?;
    }
    Some(out)
}

fn digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    }
}

/// Writes sixteen bytes as a lower-case UUID (8-4-4-4-12).
fn write_uuid(f: &mut std::fmt::Formatter<'_>, bytes: &[u8; 16]) -> std::fmt::Result {
    for (at, byte) in bytes.iter().enumerate() {
        if matches!(at, 4 | 6 | 8 | 10) {
            f.write_str("-")?;
        }
        write!(f, "{byte:02x}")?;
    }
    Ok(())
}

/// Reads a lower-case UUID (8-4-4-4-12); `None` for anything else.
fn read_uuid(text: &str) -> Option<[u8; 16]> {
    let bytes = text.as_bytes();
    if bytes.len() != 36 {
        return None;
    }
    let mut digits = [0u8; 32];
    let mut slots = digits.iter_mut();
    for (at, byte) in bytes.iter().enumerate() {
        if matches!(at, 8 | 13 | 18 | 23) {
            if *byte != b'-' {
                return None;
            }
        } else {
            *slots.next()? = *byte;
        }
    }
    read_hex(&digits)
}
