//! `StartTokenEpoch`: the cluster's own command from which on an installed token epoch mints.
//!
//! The leader proposes it once the epoch has settled: B(1+rho) after its own apply of the rotation, by its boot clock. No
//! node answers from older state, so whoever answers has the epoch and opens its tokens at once.

use super::context::{Change, Context};
use super::refusal::{Said, refusals, said};
use super::rotate_token_epoch::end;
use super::{ErrorCode, Event, Output, TokenEpochChange};
use crate::domain::authz::{Allowed, Denied, require_system};
use crate::domain::state::State;
use crate::domain::state::token_epoch::TokenEpoch;
use std::sync::Arc;

/// From here on the installed epoch mints, and the one that did so far no more.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct StartTokenEpoch {
    /// Which: the one that is installed and does not mint yet.
    pub number: u32,
}

refusals! {
    /// Why StartTokenEpoch is refused, in the order of its checks.
    Refusal {
        /// It is for the cluster itself.
        Denied(Denied),
        /// It is not the one that is to mint next: it mints already, or is revoked.
        NotComing(Said),
    }
}

impl Change for StartTokenEpoch {
    type Refusal = Refusal;
    /// The epochs as they are from now on: the one that begins to mint comes last.
    type Plan = Vec<TokenEpoch>;

    fn plan(&self, cx: &Context<'_>) -> Result<(Allowed, Vec<TokenEpoch>), Refusal> {
        let allowed = require_system(cx.caller, "grantd:StartTokenEpoch")?;
        let coming = cx.state.coming_epoch();
        let Some(coming) = coming.filter(|epoch| epoch.number == self.number) else {
            return Err(Refusal::NotComing(said(
                ErrorCode::ConstraintViolation,
                format_args!("the token epoch {} is not one that is to mint", self.number),
            )));
        };
        let minting = cx.state.minting_epoch().map(|epoch| end(epoch, cx.at));
        let starts = TokenEpoch {
            mints: Some(cx.at),
            ..TokenEpoch::clone(coming)
        };
        Ok((allowed, minting.into_iter().chain([starts]).collect()))
    }

    fn enact(epochs: Vec<TokenEpoch>, state: &mut State) -> (Output, Vec<Event>) {
        let starts = epochs.last().map(|epoch| Event::TokenEpochChanged {
            epoch: epoch.number,
            change: TokenEpochChange::Mints,
        });
        for epoch in epochs {
            state.put_token_epoch(Arc::new(epoch));
        }
        (Output::Done, starts.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::op::Command;
    use crate::domain::op::rotate_token_epoch::RotateTokenEpoch;
    use crate::domain::op::testing::{Cluster, check_rows};

    #[test]
    fn start_refuses_in_the_order_of_its_checks() {
        let mut cluster = Cluster::new();
        let start = |number| Command::StartTokenEpoch(StartTokenEpoch { number });
        let none = cluster.copy();
        cluster.done(
            "operator",
            Command::RotateTokenEpoch(RotateTokenEpoch {
                sealed_epoch_secret: [1].into(),
            }),
        );
        let mut done = cluster.copy();
        done.done("system", start(2));
        let not = "ConstraintViolationException";
        check_rows(vec![
            (
                "the operator, of one that is not coming",
                none.refusal("operator", start(1)),
                "AccessDeniedException",
                "the cluster itself",
            ),
            ("none is coming", none.refusal("system", start(1)), not, "1"),
            ("another is", cluster.refusal("system", start(3)), not, "3"),
            ("again", done.refusal("system", start(2)), not, "2"),
        ]);
    }
}
