//! `DescribeKey`: tells the facts of a key.

use crate::domain::ids::KeyRef;

/// Tells the facts of a key.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DescribeKey {
    /// The key as the caller named it (ID-6 says which forms an operation takes).
    pub key: KeyRef,
}
