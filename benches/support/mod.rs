//! What the benchmarks share: a state worth asking, ways of running a case, callers, an echo.
#![allow(dead_code, reason = "each benchmark uses a part of it")]

pub mod api;
pub mod echo;
pub mod harness;
pub mod load;
pub mod world;
