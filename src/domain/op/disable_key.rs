//! `DisableKey`: puts a key into the state Disabled.

use crate::domain::ids::KeyRef;

/// Puts a key into the state Disabled.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DisableKey {
    /// The key as the caller named it (ID-6 says which forms an operation takes).
    pub key: KeyRef,
}
