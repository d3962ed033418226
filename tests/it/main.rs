//! All integration tests, in one binary.

mod agreement;
mod api;
mod cases;
mod cases_state;
mod cli;
mod cluster;
mod cut_follower;
mod damage;
mod decisions;
mod errors;
mod evidence;
mod grants;
mod house;
mod insight;
mod key_deletion;
mod key_stores;
mod kills;
mod policy_warnings;
mod real_input;
mod storage_common;
mod storage_damage;
mod storage_log;
mod storage_power_loss;
mod support;
mod tokens;
