//! The two doors of a node: reading from its state, and writing to the log.
//!
//! Nothing answers from the state without `read`'s proof of how old it is; nothing is proposed but by `write`.
//! Imports replica, env, domain. Never: who may do what (that is `domain::authz`, on the view that is given out here).

pub mod due;
pub mod read;
pub mod write;

mod freshness;

pub use due::DueTask;
pub use freshness::WhyNotFresh;
pub use read::{Consistency, Demand, ReadGate, Staleness, TooStale, View};
pub use write::{Committed, Draft, WriteError, WriteGate};
