//! The stored form of the decision behind a rejection.
//!
//! Imports domain's authz::decision.

use super::row::{numbered, row};
use crate::domain::authz::decision::{Decision, Outcome};

row! {
    DecisionRow: Decision {
        outcome: VerdictRow,
    }
}

numbered! {
    VerdictRow: Outcome {
        1 = Allow,
        2 = ExplicitDeny,
        3 = ImplicitDeny,
    }
}
