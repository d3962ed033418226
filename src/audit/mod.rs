//! What happened, told outside: changes in the order of their revisions, decisions as they are answered. A stream of its own,
//! written by a thread of its own.
//!
//! Imports env and domain. Never: a decision about what may happen, a wait, a grant token, a policy's text.

pub mod decision;
pub mod sink;
pub mod trail;

mod asked;
mod file;
mod line;
mod mark;

pub use decision::{DecisionRecord, DecisionSink, NotTold};
pub use file::Rotation;
pub use sink::{Discard, Sink};
pub use trail::{To, Trail, WhenFull};
