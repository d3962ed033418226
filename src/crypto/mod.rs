//! Secrets and what is sealed with them: token epochs at rest, and the grant token.
//!
//! Imports env (none so far) and domain. Never: a home-made cipher, a secret in an error or a log line,
//! a digest compared in variable time.

pub mod seal;
pub mod token;
mod token_body;
