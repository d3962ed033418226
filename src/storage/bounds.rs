//! The bounds of the storage, each with its reason. They are the engine's own: nothing outside `storage` depends on
//! their values, and `storage` may not import `domain::limits`. It never holds a bound of the product.

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
