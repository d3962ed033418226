//! All integration tests, in one binary.

mod cluster;
mod house;
mod support;
