//! `UntagResource`: removes tags of a key (E-1).

use crate::domain::ids::KeyRef;
use std::sync::Arc;

/// Removes tags of a key (E-1).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct UntagResource {
    /// The key as the caller named it (ID-6 says which forms an operation takes).
    pub key: KeyRef,
    /// Keys as sent; an absent key is no fault.
    pub tag_keys: Vec<Arc<str>>,
}
