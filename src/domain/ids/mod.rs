//! The names of things: parsed once at the edge, never strings again (rules ID-1 to ID-21).
//!
//! One file a family. Every type is immutable, cheap to clone, ordered and hashed by its AWS text,
//! parses with `FromStr` into itself or a [`ParseIdError`], and prints its AWS text with `Display`.
//! Imports only `domain::limits`. Never resolves, never checks that something exists, never serializes.

mod account;
mod alias;
mod arn;
mod backend;
mod error;
mod grant;
mod group;
mod key;
mod organization;
mod principal;
mod regions;
mod request;
mod service;
mod short;
mod store;
mod unique;

pub use account::{AccountId, Partition, Region};
pub use alias::{ALIAS_PREFIX, AliasArn, AliasName};
pub use arn::Arn;
pub use backend::{BackendName, ProxyAddress};
pub use error::{IdFault, IdKind, ParseIdError};
pub use grant::GrantId;
pub use group::GroupArn;
pub use key::{KeyArn, KeyId, KeyRef};
pub use organization::{NodeId, OrganizationId, VpcEndpointId, VpcId};
pub use principal::{PrincipalArn, PrincipalKind, ReservedPath};
pub use regions::{NotRegions, Regions, region_names};
pub use request::RequestId;
pub use service::ServicePrincipal;
pub use short::{Short, text_of};
pub use store::{
    CloudHsmClusterId, CustomKeyStoreId, XksAccessKeyId, XksKeyId, XksProxyEndpoint, XksProxyPath,
    XksVpcService,
};
pub use unique::{UniqueId, UniqueIdKind};

/// Printed, compared, ordered and hashed by its text alone, which the other members follow from.
macro_rules! by_text {
    ($name:ident) => {
        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.text)
            }
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, "{}({:?})", stringify!($name), &*self.text)
            }
        }

        impl PartialEq for $name {
            fn eq(&self, other: &Self) -> bool {
                self.text == other.text
            }
        }

        impl Eq for $name {}

        impl PartialOrd for $name {
            fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
                Some(self.cmp(other))
            }
        }

        impl Ord for $name {
            fn cmp(&self, other: &Self) -> std::cmp::Ordering {
                self.text.cmp(&other.text)
            }
        }

        impl std::hash::Hash for $name {
            fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
                self.text.hash(state);
            }
        }
    };
}
use by_text;

use arn::split_arn;
use error::{check_len, fault};

/// Writes bytes as lower-case hexadecimal digits.
fn write_hex(f: &mut std::fmt::Formatter<'_>, bytes: &[u8]) -> std::fmt::Result {
    for chunk in bytes.chunks(16) {
        let mut text = [0; 32];
        for (slot, digit) in text.iter_mut().zip(digits(chunk)) {
            *slot = digit;
        }
        let text = text.get(..chunk.len() * 2).unwrap_or_default();
        f.write_str(std::str::from_utf8(text).unwrap_or_default())?;
    }
    Ok(())
}

/// The lower-case hexadecimal digits of bytes.
fn digits(bytes: &[u8]) -> impl Iterator<Item = u8> {
    bytes
        .iter()
        .flat_map(|byte| [nibble(byte >> 4), nibble(byte & 15)])
}

/// The lower-case hexadecimal digit of a number below sixteen.
const fn nibble(number: u8) -> u8 {
    match number {
        0..=9 => b'0' + number,
        _ => b'a' + number - 10,
    }
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

/// Thirty-two lower-case hexadecimal digits.
fn hex_of(bytes: &[u8; 16]) -> [u8; 32] {
    let mut text = [0; 32];
    for (pair, byte) in text.chunks_exact_mut(2).zip(bytes) {
        pair.copy_from_slice(&[nibble(byte >> 4), nibble(byte & 15)]);
    }
    text
}

/// Sixteen bytes as a lower-case UUID (8-4-4-4-12).
fn uuid_of(bytes: &[u8; 16]) -> [u8; 36] {
    let hex = hex_of(bytes);
    let mut text = [b'-'; 36];
    for (from, to, len) in [(0, 0, 8), (8, 9, 4), (12, 14, 4), (16, 19, 4), (20, 24, 12)] {
        if let (Some(digits), Some(slots)) = (hex.get(from..from + len), text.get_mut(to..to + len))
        {
            slots.copy_from_slice(digits);
        }
    }
    text
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
