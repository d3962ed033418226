//! The version of what an entry of the log means.
//!
//! It is replicated, raised by a command and never by a binary's version, so that every replica applies an entry alike
//! whichever binary it runs. Imports nothing of ours.

/// The version of what `apply` means. Zero before the cluster's first command.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Semantics(pub u32);

impl Semantics {
    /// The newest that this binary knows; it knows every one from the first on.
    pub const CURRENT: Self = Self(1);

    /// Of a cluster's first command.
    pub const FIRST: Self = Self(1);
}

/// A member of the cluster, voter or learner, and what it has told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Member {
    /// Its id.
    pub node: u64,
    /// The newest semantics that its binary knows; 0: it has not told.
    pub newest: Semantics,
}
