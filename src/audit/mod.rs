//! What happened, told outside: changes in the order of their revisions, decisions as they are answered.
//!
//! Imports env and domain. Never: a decision about what may happen, a grant token, a policy's text.

pub mod decision;
pub mod log;
pub mod sink;

pub use decision::{DecisionRecord, DecisionSink};
pub use log::Log;
pub use sink::{Discard, Sink};
