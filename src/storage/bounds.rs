//! The bounds of the storage, each with its reason. They are the engine's own: nothing outside `storage` depends on
//! their values, and `storage` may not import `domain::limits`. It never holds a bound of the product.

/// Most bytes of a payload in one page of the engine. A leaf of sled holds up to 17 items and is written as one item when it
/// is consolidated; above a quarter of a segment it would go to a blob file, which nobody syncs: 17 × (20 KiB + head)
/// stays well below 512 KiB, a quarter of [`SEGMENT_BYTES`].
pub(super) const PAGE_BYTES: usize = 20 * 1024;

/// A segment of sled's file: see [`PAGE_BYTES`]. Fixed for the life of a store.
pub(super) const SEGMENT_BYTES: usize = 2 * 1024 * 1024;

/// Most bytes that go to sled between two syncs, so that within one segment nothing is reused before it is durable.
pub(super) const BATCH_BYTES: usize = 512 * 1024;

/// Records kept in memory for followers that are close behind. Anything older is read from sled.
pub(super) const TAIL_BYTES: usize = 32 * 1024 * 1024;

/// Memory that sled may use for its pages: it serves reads of lagging followers and the start alone.
pub(super) const ENGINE_CACHE_BYTES: u64 = 64 * 1024 * 1024;

/// How often a start looks whether the threads of a store closed before it, in the same process, have let go: 10 s in all.
pub(super) const ENGINE_LOCK_ATTEMPTS: u32 = 2_000;

/// And how long it waits in between.
pub(super) const ENGINE_LOCK_WAIT: std::time::Duration = std::time::Duration::from_millis(5);

/// Items that one step of a purge removes before appends get their turn: about a millisecond.
pub(super) const PURGE_STEP: usize = 256;

/// Longest payload of one record. A record is one Raft entry; the largest command (a key policy of 32 KiB with its
/// identities) is two orders of magnitude smaller, a membership change far smaller still.
pub const MAX_RECORD_BYTES: usize = 8 * 1024 * 1024;

/// Most records of one append: openraft sends a follower at most a few hundred entries a request.
pub const MAX_APPEND_RECORDS: usize = 65_536;

/// Bytes that may wait for the disk before `append` waits too: 64 MiB is about half a second of a fast disk.
pub const MAX_QUEUED_BYTES: usize = 64 * 1024 * 1024;

/// Most bytes that one `read` returns: four of these per follower stay well below a gigabyte.
pub const MAX_READ_BYTES: usize = 16 * 1024 * 1024;

/// The opaque part of a snapshot's head. The membership of the largest cluster that Raft is sane for takes a few KiB.
pub const MAX_SNAPSHOT_EXTRA_BYTES: usize = 1024 * 1024;

/// Room that a snapshot leaves free for the log: it is given up before it would take it. A second and more of the fastest
/// writing, so that the log does not find the disk full because of a snapshot that is written beside it.
pub(super) const SNAPSHOT_ROOM_KEPT_BYTES: u64 = 8 * 1024 * 1024;

/// How much of a snapshot is written between two looks at the room.
pub(super) const SNAPSHOT_ROOM_CHECK_BYTES: u64 = 2 * 1024 * 1024;

/// A piece of a snapshot, verified as one: large enough for streaming, small enough for a buffer per stream.
pub(super) const SNAPSHOT_PIECE_BYTES: usize = 64 * 1024;
