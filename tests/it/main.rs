//! All integration tests, in one binary.

mod cluster;
mod cases_state;
mod decisions;
mod house;
mod storage_common;
mod storage_damage;
mod storage_log;
mod storage_power_loss;
mod support;
