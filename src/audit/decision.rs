//! Where a node tells what it has decided.

use crate::domain::authz::caller::Identity;
use crate::domain::authz::decision::Decision;
use crate::domain::ids::{KeyArn, KeyRef, RequestId};
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
    /// To which key, as sent.
    pub asked: Option<&'a KeyRef>,
    /// To which key.
    pub key: Option<&'a KeyArn>,
    /// What was decided.
    pub decision: &'a Decision,
    /// On which state.
    pub position: Position,
    /// An upper bound of that state's age in milliseconds when it was told; the answer states its own, which may be more.
    pub staleness_ms: u64,
    /// How many grant tokens came with it; a token itself is never told.
    pub grant_tokens: usize,
}

/// The audit trail takes nothing at the moment, and the node is set to refuse service then. Nothing was done.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error(
    "this node's audit trail cannot be written at the moment, and the node is set to refuse service until it can; try another node, or again in a moment"
)]
pub struct NotTold;

/// Takes every decision of a node, in no order: decisions are taken at once and carry their position.
///
/// It is called on the path of the answer: nothing here may block.
pub trait DecisionSink: Send + Sync + 'static {
    /// Whether what is done from now on will be told.
    ///
    /// # Errors
    /// [`NotTold`]: nothing must be done.
    fn accepts(&self) -> Result<(), NotTold>;

    /// A decision is about to be answered.
    ///
    /// # Errors
    /// [`NotTold`]: it must not be answered.
    fn decided(&self, record: &DecisionRecord<'_>) -> Result<(), NotTold>;

    /// The decisions that were told under this request were not answered after all.
    fn withdrawn(&self, request_id: RequestId, why: &str);

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
    fn accepts(&self) -> Result<(), NotTold> {
        Ok(())
    }

    fn decided(&self, _record: &DecisionRecord<'_>) -> Result<(), NotTold> {
        Ok(())
    }

    fn withdrawn(&self, _request_id: RequestId, _why: &str) {}

    fn token_forged(&self, _: RequestId, _: u32, _: u64, _: u64) {}
}
