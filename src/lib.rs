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
//! | `telemetry` | log lines, and how a line gets out without anybody waiting for its reader; no logic |
//! | `wire` | generated code and every conversion between domain and bytes |
//!
//! # Walk 1, a question
//! bytes → [`grpc`] (strings die here; the claim is taken, not yet believed) → `app::decide` → `gate::read`
//! (linearizable → ReadIndex; at-least → wait; bounded → as-of check) → view → `authn` on that view → tokens opened by
//! [`crypto`] → `domain::authz::authorize` → [`audit`] → second look at the clock → the answer with its revision, its
//! staleness and its reason.
//!
//! # Walk 2, a change
//! bytes → [`grpc`] → `app::mutate` (claim verified on a view; command built whole; ids, nonces and salts drawn here) →
//! `gate::write` (leader: stamp the time, propose; else forward) → log → quorum → `domain::op::apply` on every node (plan,
//! authorized inside, then enact) → the outcome to the caller, events to [`audit`].
//!
//! # Imports
//! Which module may use which is a table in `tests/it/house.rs`, and a test: it fails on an arrow that is not listed, on
//! openraft, sled, tonic and others outside their homes, and on clocks, randomness or I/O in `domain`.
//!
//! # Deliberately absent
//! Behaviour under `cfg(test)` or a simulator's `cfg`; a second write path for administrators; `Serialize` on domain
//! types; one error enum for all layers; a task that changes the state other than by a command; a cache of decisions.

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
