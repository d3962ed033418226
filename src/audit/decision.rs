//! Where a node tells what it has decided.

use crate::domain::authz::caller::Identity;
use crate::domain::authz::decision::Decision;
use crate::domain::ids::{KeyArn, RequestId};
use crate::domain::time::Position;

/// One decision as it was answered.
#[derive(Clone, Copy, Debug)]
pub struct DecisionRecord<'a> {
    /// The request that asked.
    pub request_id: RequestId,
    /// The front that carried it, by its own name.
    pub front: Option<&'a str>,
    /// Whom it was about.
    pub subject: &'a Identity,
    /// What was to be done, as sent.
    pub action: &'a str,
    /// To which key.
    pub key: Option<&'a KeyArn>,
    /// What was decided.
    pub decision: &'a Decision,
    /// On which state.
    pub position: Position,
    /// An upper bound of that state's age in milliseconds.
    pub staleness_ms: u64,
    /// How many grant tokens came with it; a token itself is never told.
    pub grant_tokens: usize,
}

/// Takes every decision of a node, in no order: decisions are taken at once and carry their position.
pub trait DecisionSink: Send + Sync + 'static {
    /// A decision is about to be answered. It is called on the path of the answer: it must not block.
    fn decided(&self, record: &DecisionRecord<'_>);

    /// An authentic token claims a revision that the cluster never reached: its epoch's secret is known outside.
    fn token_forged(
        &self,
        request_id: RequestId,
        epoch: u32,
        claimed_revision: u64,
        applied_revision: u64,
    );
}

impl DecisionSink for super::Discard {
    fn decided(&self, _record: &DecisionRecord<'_>) {}

    fn token_forged(&self, _: RequestId, _: u32, _: u64, _: u64) {}
}
