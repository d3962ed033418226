//! `TagResource`: sets tags of a key (E-1).

use crate::domain::ids::KeyRef;
use std::sync::Arc;

/// Sets tags of a key (E-1).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TagResource {
    /// The key as the caller named it (ID-6 says which forms an operation takes).
    pub key: KeyRef,
    /// Tags as sent: duplicates are refused (E-1).
    pub tags: Vec<(Arc<str>, Arc<str>)>,
}
