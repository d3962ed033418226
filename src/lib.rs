//! grantd: a distributed grant store and authorization backend with the semantics of AWS KMS.
//!
//! # Code map
//! | module | what it is for |
//! |---|---|
//! | `app` | the use cases: decide, mutate, describe, the cluster; sequences the others |
//! | `audit` | what happened, told outside: changes in the order of their revisions, decisions as they are answered |
//! | `authn` | claim → verified caller, on the same view as the decision |
//! | `cli` | the command line: one file a family of commands |
//! | `client` | the client library that the command line uses too |
//! | `config` | the settings of one node, checked whole |
//! | `crypto` | token epochs sealed at rest, the grant token |
//! | `domain` | pure: ids, limits, time ← policy ← state ← authz ← op; the whole meaning of the product |
//! | `env` | the world as arguments: clock, randomness, network; the only home of `now()` |
//! | `gate` | the two doors: reading with a proof of age, and the only proposer |
//! | `grpc` | the services of `proto/grantd/v1`, thin |
//! | `node` | one node put together; the one start of production, tests and simulator |
//! | `replica` | the replicated log and the state it makes; openraft here and nowhere else |
//! | `storage` | the log, the vote, `node.state` and snapshots; sled here and nowhere else |
//! | `telemetry` | log lines, no logic |
//! | `wire` | generated code and every conversion between domain and bytes |

pub mod app;
pub mod audit;
pub mod authn;
pub mod cli;
pub mod client;
pub mod config;
pub mod crypto;
pub mod domain;
pub mod env;
pub mod gate;
pub mod grpc;
pub mod node;
pub mod replica;
pub mod storage;
pub mod telemetry;
pub mod wire;
