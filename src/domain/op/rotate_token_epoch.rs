//! `RotateTokenEpoch`: revokes the token epochs so far and begins a new one.

use super::context::{Change, Context};
use super::refusal::{Said, refusals, said};
use super::{ErrorCode, Event, Output};
use crate::domain::authz::{Allowed, Denied, require_operator};
use crate::domain::limits::{SEALED_SECRET_MAX, TOKEN_EPOCHS_MAX};
use crate::domain::state::State;
use crate::domain::state::token_epoch::TokenEpoch;
use crate::domain::time::Revision;
use std::sync::Arc;

/// Revokes every token epoch so far at once and begins a new one; for the operator alone.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RotateTokenEpoch {
    /// The new epoch's secret, sealed under the cluster's seal key.
    pub sealed_epoch_secret: Arc<[u8]>,
}

refusals! {
    /// Why RotateTokenEpoch is refused, in the order of its checks.
    Refusal {
        /// It is for the operator.
        Denied(Denied),
        /// A secret that cannot be.
        Unfit(Said),
    }
}

/// What RotateTokenEpoch writes.
pub struct Plan {
    sealed_secret: Arc<[u8]>,
    number: u32,
    at: Revision,
}

impl Change for RotateTokenEpoch {
    type Refusal = Refusal;
    type Plan = Plan;

    fn plan(&self, cx: &Context<'_>) -> Result<(Allowed, Plan), Refusal> {
        let allowed = require_operator(cx.caller, "grantd:RotateTokenEpoch")?;
        let unfit = |what: &str| Refusal::Unfit(said(ErrorCode::Validation, what));
        if self.sealed_epoch_secret.is_empty() || self.sealed_epoch_secret.len() > SEALED_SECRET_MAX
        {
            return Err(unfit("the sealed epoch secret is empty or too long"));
        }
        let newest = cx
            .state
            .token_epochs()
            .last()
            .map_or(0, |epoch| epoch.number);
        let number = newest
            .checked_add(1)
            .ok_or_else(|| unfit("no number is left for another token epoch"))?;
        let plan = Plan {
            sealed_secret: Arc::clone(&self.sealed_epoch_secret),
            number,
            at: cx.at,
        };
        Ok((allowed, plan))
    }

    fn enact(plan: Plan, state: &mut State) -> (Output, Vec<Event>) {
        let Plan {
            sealed_secret,
            number,
            at,
        } = plan;
        let living: Vec<Arc<TokenEpoch>> = state
            .token_epochs()
            .filter(|epoch| epoch.revoked.is_none())
            .cloned()
            .collect();
        for epoch in living {
            state.put_token_epoch(Arc::new(TokenEpoch {
                number: epoch.number,
                sealed_secret: Arc::new([]),
                born: epoch.born,
                revoked: Some(at),
            }));
        }
        state.put_token_epoch(Arc::new(TokenEpoch {
            number,
            sealed_secret,
            born: at,
            revoked: None,
        }));
        if state.token_epochs().count() > TOKEN_EPOCHS_MAX {
            state.drop_oldest_token_epoch();
        }
        (
            Output::Done,
            vec![Event::TokenEpochRotated { epoch: number }],
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::op::Command;
    use crate::domain::op::testing::{ADMIN, Cluster, check_rows};

    fn rotate(secret: &[u8]) -> Command {
        Command::RotateTokenEpoch(RotateTokenEpoch {
            sealed_epoch_secret: secret.into(),
        })
    }

    #[test]
    fn rotation_refuses_in_the_order_of_its_checks() {
        let cluster = Cluster::new();
        check_rows(vec![
            (
                "an administrator, no secret",
                cluster.refusal(ADMIN, rotate(&[])),
                "AccessDeniedException",
                "operator",
            ),
            (
                "no secret",
                cluster.refusal("operator", rotate(&[])),
                "ValidationException",
                "secret",
            ),
            (
                "too long",
                cluster.refusal("operator", rotate(&[0; SEALED_SECRET_MAX + 1])),
                "ValidationException",
                "too long",
            ),
        ]);
    }

    /// DESIGN "The grant token": an epoch can be revoked at once; its secret goes with it.
    #[test]
    fn rotation_revokes_every_epoch_before_and_bounds_how_many_are_kept() {
        let mut cluster = Cluster::new();
        for n in 2..=u32::try_from(TOKEN_EPOCHS_MAX).unwrap() + 5 {
            cluster.done("operator", rotate(&[9]));
            let epochs: Vec<_> = cluster.state.token_epochs().collect();
            let (last, before) = epochs.split_last().unwrap();
            assert_eq!((last.number, last.revoked), (n, None));
            assert!(
                before
                    .iter()
                    .all(|e| e.revoked.is_some() && e.sealed_secret.is_empty())
            );
            assert!(epochs.len() <= TOKEN_EPOCHS_MAX);
        }
    }
}
