//! What happened, told outside: changes in the order of their revisions.
//!
//! Imports env and domain. Never: a decision about what may happen.

pub mod sink;

pub use sink::{Discard, Sink};
