//! The client library: finds a node that works, carries positions forward, retries what is safe to retry.
//!
//! The command line, the tests and the simulator use it alike. Imports wire, env, domain. Never: a decision, a cache of
//! decisions, a retry that could do something twice.

mod call;
mod channel;
mod error;
mod kind;
mod operation;

/// The limits of their members, for who checks a request before it is sent or without a server.
pub use crate::wire::api::shape;
/// The messages of the API.
pub use crate::wire::v1 as api;
pub use call::{Client, Options, OwnKey, Parts, Reply};
pub use error::{ClientError, Refusal};
pub use kind::Kind;
pub use operation::{Access, Operation};
