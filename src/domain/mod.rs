//! The whole meaning of the product, and nothing else: pure values and total functions.
//!
//! No async, clock, randomness, log, I/O or randomly seeded map, and nothing of ours but itself.
//! Inside: `ids`, `limits`, `time`, `effort` ← `policy` ← `state` ← `authz` ← `op`.

pub mod effort;
pub mod ids;
pub mod limits;
pub mod time;

pub mod policy;

pub mod state;

pub mod authz;

pub mod op;
