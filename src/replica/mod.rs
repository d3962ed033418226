//! The replicated log and the state that it makes: openraft here and nowhere else.
//!
//! Imports storage, wire, env, audit (the sink), domain. Never: an answer from the state without the gate, a proposal
//! that the gate did not make.
//!
//! Reading order: `handle` (the replica as the gate and the node see it), `read_index` with `coalesced`, `propose`,
//! `membership` with `underway`; then `state_machine` and `snapshot`, `log_store` and `log_record`; then `network`,
//! `peers`, `peer_service` with `pace`, `convert`.

mod coalesced;
mod condenser;
mod convert;
mod draft;
mod fingerprints;
mod forced;
mod hand_over;
mod handle;
mod held;
mod log_record;
mod log_store;
mod membership;
mod narrate;
mod network;
mod pace;
mod peer_service;
mod peers;
mod propose;
mod read_index;
mod readers;
mod snapshot;
mod state_machine;
mod types;
mod underway;
mod wall_clocks;
mod watchdog;

pub use draft::Draft;
pub use forced::{ForceError, Found, read_disk, write_disk};
pub use handle::{
    Condensing, Replica, ReplicaError, ReplicaParts, ReplicaStatus, Timings, VoterChange, seeded,
};
pub use membership::{Changed, ClusterInfo, NoClusterInfo};
pub use peer_service::{ForwardedWrites, PeerService};
pub use propose::{NotProposed, Proposed};
pub use read_index::NoReadIndex;
pub use readers::{BootId, Reader, Readers};
pub use snapshot::SnapshotStatus;
pub use state_machine::{Board, Published};
pub use types::{DiskId, Member, NodeId};
pub use underway::{Awaited, Full, Underway};
pub use wall_clocks::WallOff;
