//! The decision: request, gather, combine, explain.

pub mod caller;
pub mod decision;
