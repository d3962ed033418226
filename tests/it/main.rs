//! All integration tests, in one binary.

mod api;
mod cases;
mod cases_state;
mod cli;
mod cluster;
mod decisions;
mod house;
mod kills;
mod storage_common;
mod storage_damage;
mod storage_log;
mod storage_power_loss;
mod support;
