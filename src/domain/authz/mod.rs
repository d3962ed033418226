//! The decision: request, gather, combine, explain.

pub mod caller;
pub mod claim;
pub mod combine;
pub mod decision;
