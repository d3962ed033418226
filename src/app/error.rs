//! Why a use case ended without an answer. Fronts map it once, exhaustively.

use crate::audit::NotTold;
use crate::authn::Refusal;
use crate::crypto::token::TokenError;
use crate::domain::authz::resolve::Unresolved;
use crate::domain::op::Rejection;
use crate::domain::time::{Position, Revision};
pub use crate::gate::read::{TooStale, millis_up};
pub use crate::gate::write::WriteError;

pub use super::aside::TooLong;
use super::cluster::ClusterError;

/// Why there is no answer.
#[derive(Clone, Debug)]
pub enum AppError {
    /// The claim is not believed.
    Refused(Refusal),
    /// A grant token is not this cluster's.
    Token(TokenError),
    /// The key that a question names does not resolve.
    Unresolved(Unresolved),
    /// The action that a question names is none of KMS's.
    UnknownAction(Box<str>),
    /// A deterministic no of the operation, at this position.
    Rejected {
        /// The no.
        rejection: Rejection,
        /// Where it was said.
        position: Position,
        /// The revision at which it became the outcome of the request's idempotency key; `None`: it did not.
        settled_at: Option<Revision>,
    },
    /// The node cannot prove that it is fresh enough.
    Stale(TooStale),
    /// The answer takes too long.
    TooLong(TooLong),
    /// The write was not taken, or its outcome is unknown.
    Write(WriteError),
    /// The audit trail cannot be written, and nothing may be done that it does not tell of.
    Untold(NotTold),
    /// The request was not understood by the front's own reading of it.
    NotOperator,
    /// No token epoch mints, so a grant could not be told by its token.
    NoMintingEpoch,
    /// An idempotency key without its birth.
    BirthMissing {
        /// What a request that is first sent now may give.
        now: Position,
    },
    /// An idempotency key that was born in another life of the cluster.
    ForeignBirth {
        /// Where this one is.
        now: Position,
    },
    /// The cluster could not be changed as asked.
    Cluster(ClusterError),
    /// A fault of ours.
    Internal(&'static str),
}
