//! `ListResourceTags`: lists the tags of a key.

use super::Page;
use crate::domain::ids::KeyRef;

/// Lists the tags of a key.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ListResourceTags {
    /// The key as the caller named it (ID-6 says which forms an operation takes).
    pub key: KeyRef,
    /// Which page (G-32).
    pub page: Page,
}
