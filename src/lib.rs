//! grantd: a distributed grant store and authorization backend with the semantics of AWS KMS.
//!
//! # Code map
//! | module | what it is for |
//! |---|---|
//! | `cli` | the command line: one file a family of commands |
//! | `client` | the client library that the command line uses too |
//! | `config` | the settings of one node, checked whole |
//! | `crypto` | token epochs sealed at rest, the grant token |
//! | `domain` | pure: ids, limits, time ← policy ← state ← authz ← op; the whole meaning of the product |
//! | `env` | the world as arguments: clock, randomness, network; the only home of `now()` |
//! | `storage` | the log, the vote, `node.state` and snapshots; sled here and nowhere else |
//! | `telemetry` | log lines, no logic |
//! | `wire` | generated code and every conversion between domain and bytes |

pub mod cli;
pub mod client;
pub mod config;
pub mod crypto;
pub mod domain;
pub mod env;
pub mod storage;
pub mod telemetry;
pub mod wire;
