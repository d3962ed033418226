//! The decision: request, gather, combine, explain.

pub mod caller;
pub mod combine;
pub mod decision;
