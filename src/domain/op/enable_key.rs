//! `EnableKey`: puts a key into the state Enabled.

use crate::domain::ids::KeyRef;

/// Puts a key into the state Enabled.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct EnableKey {
    /// The key as the caller named it (ID-6 says which forms an operation takes).
    pub key: KeyRef,
}
