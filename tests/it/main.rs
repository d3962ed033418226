//! All integration tests, in one binary.

mod house;
mod storage_common;
mod storage_damage;
mod storage_log;
mod storage_power_loss;
