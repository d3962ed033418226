//! The fingerprint of a state as it lies in memory: of its facts, worked out anew, and of the indexes that decide.
//!
//! [`State::fingerprint`] is a sum that every change keeps, so it costs nothing to read and says nothing of an index that was
//! kept wrong, or of a fact that changed by itself. This one walks all of it. It does not depend on the order in which facts
//! came, so that a node which read them from a snapshot has the same as one that applied them. Imports the state.

use std::fmt;
use std::hash::Hash;

use super::State;
use super::cow_map::fixed_hash;
use super::fingerprint::{Fingerprint, Sum};

/// The deep fingerprint of a state at its revision.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct DeepFingerprint(pub [u8; 32]);

impl fmt::Display for DeepFingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Fingerprint(self.0).fmt(f)
    }
}

impl fmt::Debug for DeepFingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A sum over the entries of indexes, whatever the order in which they are walked.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct IndexSum(u64);

impl IndexSum {
    /// Counts an entry of the index that has the number `index`.
    pub fn add<T: Hash + ?Sized>(&mut self, index: u8, entry: &T) {
        self.0 = self.0.wrapping_add(fixed_hash(&(index, fixed_hash(entry))));
    }
}

impl State {
    /// Worked out from all that is here: about a microsecond for each fact. Equal for every replica at the same revision
    /// that runs the same version.
    pub fn deep_fingerprint(&self) -> DeepFingerprint {
        let mut sum = Sum::default();
        self.export().for_each(|fact| sum.add(&fact));
        let mut indexes = IndexSum::default();
        self.grants().sum_indexes(&mut indexes);
        self.sum_indexes(&mut indexes);
        let mut hasher = blake3::Hasher::new();
        hasher.update(&sum.fingerprint(self.header()).0);
        hasher.update(&indexes.0.to_le_bytes());
        DeepFingerprint(*hasher.finalize().as_bytes())
    }

    /// How many facts a deep fingerprint walks that there may be many of: the grants.
    pub fn grant_count(&self) -> usize {
        self.grants().len()
    }
}
