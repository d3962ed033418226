//! Every bound of the system in one place, each with its reason. Sizes are bytes unless a name says otherwise.

/// Longest part of a refused text that an error repeats: enough to recognise it, too little to flood a log.
pub const ECHO_MAX: usize = 256;

/// Longest Region name. The longest of AWS has 17 characters; the rest is room.
pub const REGION_MAX: usize = 64;

/// Longest ARN of any service, as in the IAM model (`arnType`).
pub const ARN_MAX: usize = 2_048;

/// Longest `KeyId` that a caller may send (G-15).
pub const KEY_REF_MAX: usize = 2_048;

/// Longest alias name, `alias/` included (ID-5).
pub const ALIAS_NAME_MAX: usize = 256;

/// Longest grant id accepted on input (ID-11); ours have 64.
pub const GRANT_ID_TEXT_MAX: usize = 128;

/// Longest principal ARN we hold: 37 of frame, 512 of IAM path, 64 of name, with room for long partitions.
pub const PRINCIPAL_ARN_MAX: usize = 640;

/// Longest name of a user, role, session or federated user (IAM: 64).
pub const PRINCIPAL_NAME_MAX: usize = 64;

/// Longest principal that KMS takes as grantee or retiring principal (ID-14).
pub const PRINCIPAL_ID_MAX: usize = 256;

/// Longest immutable principal id (IAM `idType`).
pub const UNIQUE_ID_MAX: usize = 128;

/// Longest service principal (ID-16).
pub const SERVICE_PRINCIPAL_MAX: usize = 128;

/// Longest id of a custom key store (KMS `CustomKeyStoreIdType`).
pub const CUSTOM_KEY_STORE_ID_MAX: usize = 64;

/// Longest grant token (ID-12): 6,144 bytes as base64.
pub const GRANT_TOKEN_CHARS_MAX: usize = 8_192;

/// Grant tokens that one request may carry (ID-12).
pub const GRANT_TOKENS_MAX: usize = 10;

/// Bytes of log entries read, and sent to a follower, at once: several largest entries, yet a fraction of a second on
/// a slow link. A request never exceeds it by more than one entry.
pub const LOG_READ_BYTES_MAX: usize = 1024 * 1024;

/// Most entries in one request to a follower: group commit of 256 callers goes in one.
pub const APPEND_ENTRIES_MAX: u64 = 256;

/// Largest message between nodes: `LOG_READ_BYTES_MAX`, one record of 1 MiB beyond it and 64 bytes of frame an entry
/// make 2.1 MiB; rounded up. A snapshot travels in chunks.
pub const PEER_MESSAGE_BYTES_MAX: usize = 4 * 1024 * 1024;

/// One chunk of a snapshot on its way to a follower.
pub const SNAPSHOT_CHUNK_BYTES: usize = 1024 * 1024;

/// Largest snapshot taken from a peer: a hundred million records of 188 bytes; beyond it the state would not fit.
pub const SNAPSHOT_BYTES_MAX: u64 = 20_000_000_000;

/// Entries applied before they are published together: readers see at most this many late, and pay for one swap.
pub const APPLY_BATCH_MAX: usize = 256;

/// Entries between two snapshots. sled gives back little and purges slowly (900,000 entries: 8.9 s), so early and often.
pub const SNAPSHOT_EVERY_ENTRIES: u64 = 5_000;

/// Entries kept behind the newest snapshot, so that a follower that was away for a moment needs no snapshot.
pub const LOG_KEPT_ENTRIES: u64 = 1_000;

/// Entries purged in one step.
pub const PURGE_STEP_ENTRIES: u64 = 256;

/// Proposals that one node has in flight: beyond it a new one is refused without effect. 4,096 durable writes take
/// about two seconds on one disk; a longer queue would only time out.
pub const PROPOSALS_IN_FLIGHT_MAX: usize = 4_096;

/// (node, boot id) pairs that a leader remembers having given a read index: the members of a large cluster, each
/// restarted a few times within one bound.
pub const READERS_MAX: usize = 4_096;

/// Longest address of a peer: a DNS name of 253 characters, a colon and a port.
pub const PEER_ADDRESS_MAX: usize = 260;

/// Most members that a cluster may have. Raft is sane for a handful of voters; the rest are read replicas.
pub const MEMBERS_MAX: usize = 1_024;
