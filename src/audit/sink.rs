//! Where a replica tells what it has applied.

use crate::domain::op::{Applied, Entry};
use crate::domain::time::Revision;

/// Takes every applied command of a node, in the order of revisions, each after its entry was published and before whoever
/// asked for it has its answer: what a reader of the sink looks up it finds, and what was answered is on its way.
///
/// It is called on the replica's own task: nothing here may block.
pub trait Sink: Send + Sync + 'static {
    /// What it was told in earlier lives of the node: up to here nothing is told again, though a restart applies the log
    /// behind the newest snapshot once more.
    fn told(&self) -> Revision;

    /// `entry` took effect, or was rejected, at `revision`.
    fn applied(&self, revision: Revision, entry: &Entry, applied: &Applied);

    /// Everything up to `revision` was told; some entries are no commands.
    fn reached(&self, revision: Revision);

    /// A snapshot took the place of the entries after `after` up to `to`: what they changed is told by other nodes alone.
    fn installed(&self, after: Revision, to: Revision);
}

/// Forgets everything.
#[derive(Clone, Copy, Debug, Default)]
pub struct Discard;

impl Sink for Discard {
    fn told(&self) -> Revision {
        Revision(0)
    }

    fn applied(&self, _revision: Revision, _entry: &Entry, _applied: &Applied) {}

    fn reached(&self, _revision: Revision) {}

    fn installed(&self, _after: Revision, _to: Revision) {}
}
