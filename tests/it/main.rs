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
mod fuzz_corpus;
mod grants;
mod house;
mod insight;
mod key_deletion;
mod kills;
mod policy_rules;
mod policy_warnings;
mod properties;
mod real_input;
mod renaming;
mod storage_common;
mod storage_damage;
mod storage_log;
mod storage_power_loss;
mod support;
mod tokens;
