//! What a decision says.

/// How a request was decided.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// Something allows and nothing denies.
    Allow,
    /// A policy denies (D-2).
    ExplicitDeny,
    /// Nothing allows (D-1).
    ImplicitDeny,
}

/// A decision, with what decided it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Decision {
    /// How it was decided.
    pub outcome: Outcome,
}
