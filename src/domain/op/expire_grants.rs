//! `ExpireGrants`: the cluster's own command that takes out grants whose time is over (EC-13).
//!
//! They count as absent already; this frees their places. The leader proposes it when it is due (`due`), piece by piece.

use super::context::{Change, Context};
use super::refusal::refusals;
use super::{Event, GrantChange, Output, grants};
use crate::domain::authz::{Allowed, Denied, require_system};
use crate::domain::limits::EXPIRE_PER_ENTRY;
use crate::domain::state::State;
use crate::domain::state::grant::Grant;
use std::sync::Arc;

/// Takes out grants whose time is over by the state's clock: the first that expired first, at most
/// [`EXPIRE_PER_ENTRY`].
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ExpireGrants {}

refusals! {
    /// Why ExpireGrants is refused.
    Refusal {
        /// It is for the cluster itself.
        Denied(Denied),
    }
}

impl Change for ExpireGrants {
    type Refusal = Refusal;
    type Plan = Vec<Arc<Grant>>;

    fn plan(&self, cx: &Context<'_>) -> Result<(Allowed, Vec<Arc<Grant>>), Refusal> {
        let allowed = require_system(cx.caller, "grantd:ExpireGrants")?;
        let expired = cx.state.grants().expired(cx.now);
        Ok((allowed, expired.take(EXPIRE_PER_ENTRY).cloned().collect()))
    }

    fn enact(expired: Vec<Arc<Grant>>, state: &mut State) -> (Output, Vec<Event>) {
        let events = expired
            .iter()
            .map(|grant| grants::end(grant, GrantChange::Expired, state))
            .collect();
        (Output::Done, events)
    }
}
