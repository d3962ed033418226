//! Where a replica tells what it has applied.

use crate::domain::op::{Applied, Entry};
use crate::domain::time::Revision;

/// Takes every applied command of a node, in the order of revisions. After a restart the log behind the newest
/// snapshot is applied again: a sink that writes elsewhere deduplicates by revision.
pub trait Sink: Send + Sync + 'static {
    /// `entry` took effect, or was rejected, at `revision`. It is called on the replica's own task: it must not block.
    fn applied(&self, revision: Revision, entry: &Entry, applied: &Applied);
}

/// Forgets everything.
#[derive(Clone, Copy, Debug, Default)]
pub struct Discard;

impl Sink for Discard {
    fn applied(&self, _revision: Revision, _entry: &Entry, _applied: &Applied) {}
}
