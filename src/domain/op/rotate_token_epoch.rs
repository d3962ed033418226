//! `RotateTokenEpoch`: installs a new token epoch, which mints once every node has it.
//!
//! No token is harmed: an epoch is kept while a grant of it lives, and at least until the rotation after the one that
//! ended it. To take tokens away at once is another command, `RevokeTokenEpoch`.

use super::context::{Change, Context};
use super::refusal::{Said, refusals, said};
use super::{ErrorCode, Event, Output, TokenEpochChange};
use crate::domain::authz::{Allowed, Denied, require_operator};
use crate::domain::limits::{SEALED_SECRET_MAX, TOKEN_EPOCHS_MAX};
use crate::domain::state::State;
use crate::domain::state::token_epoch::TokenEpoch;
use crate::domain::time::Revision;
use std::sync::Arc;

/// Installs a new token epoch; for the operator alone. It mints when `StartTokenEpoch` says so; where none mints now, at
/// once: a node that lacks it then waits for it, while nobody could make a grant before.
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
        /// One is installed already and does not mint yet.
        Coming(Said),
        /// As many as can be kept have living grants.
        TooMany(Said),
    }
}

/// What RotateTokenEpoch writes.
pub struct Plan {
    epoch: TokenEpoch,
    /// Those that nothing needs any more.
    over: Vec<u32>,
}

/// The epochs that nothing needs any more: ended or revoked, and no token of theirs opens, or no grant of theirs lives.
fn over(state: &State) -> Vec<u32> {
    let over = state.token_epochs().filter(|epoch| {
        let is_needed = epoch.revoked.is_none() && state.grants().count_of_epoch(epoch.number) > 0;
        !epoch.is_ahead() && !is_needed
    });
    over.map(|epoch| epoch.number).collect()
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
        if let Some(coming) = cx.state.coming_epoch() {
            return Err(Refusal::Coming(said(
                ErrorCode::ConstraintViolation,
                format_args!(
                    "the token epoch {} was installed at revision {} and does not mint yet: it does once every node has it, within seconds of a healthy cluster",
                    coming.number, coming.born
                ),
            )));
        }
        let over = over(cx.state);
        if cx.state.token_epochs().count().saturating_sub(over.len()) >= TOKEN_EPOCHS_MAX {
            let oldest = cx
                .state
                .token_epochs()
                .find(|epoch| !over.contains(&epoch.number))
                .map_or(0, |epoch| epoch.number);
            return Err(Refusal::TooMany(said(
                ErrorCode::LimitExceeded,
                format_args!(
                    "{TOKEN_EPOCHS_MAX} token epochs are kept, for each has living grants: the oldest is {oldest}, of which {} live; end them, or revoke the epoch, and with it the tokens of those grants",
                    cx.state.grants().count_of_epoch(oldest)
                ),
            )));
        }
        let is_alone = cx.state.minting_epoch().is_none();
        let epoch = TokenEpoch {
            number,
            sealed_secret: Arc::clone(&self.sealed_epoch_secret),
            born: cx.at,
            mints: is_alone.then_some(cx.at),
            ended: None,
            revoked: None,
        };
        Ok((allowed, Plan { epoch, over }))
    }

    fn enact(plan: Plan, state: &mut State) -> (Output, Vec<Event>) {
        let Plan { epoch, over } = plan;
        let number = epoch.number;
        let mut changes = vec![(number, TokenEpochChange::Installed)];
        if epoch.is_minting() {
            changes.push((number, TokenEpochChange::Mints));
        }
        state.put_token_epoch(Arc::new(epoch));
        for number in over {
            state.drop_token_epoch(number);
        }
        let event = |(epoch, change)| Event::TokenEpochChanged { epoch, change };
        let events = changes.into_iter().map(event).collect();
        (Output::TokenEpoch(number), events)
    }
}

/// How long an installed epoch waits, by the clock of a node that has applied it: no node answers from older state, so
/// every node that answers has it then.
pub fn settles_after_ms(state: &State) -> u64 {
    let settings = state.settings();
    let bound = settings.max_staleness_ms;
    let rho = bound.saturating_mul(u64::from(settings.clock_rate_permille)) / 1_000;
    bound.saturating_add(rho).saturating_add(1)
}

/// The first revision of which an ended epoch has no grant.
pub(super) fn end(epoch: &TokenEpoch, at: Revision) -> TokenEpoch {
    TokenEpoch {
        ended: Some(at),
        ..epoch.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ids::GrantId;
    use crate::domain::op::revoke_grant::RevokeGrant;
    use crate::domain::op::revoke_token_epoch::RevokeTokenEpoch;
    use crate::domain::op::start_token_epoch::StartTokenEpoch;
    use crate::domain::op::testing::{ADMIN, BOB, Cluster, check_rows, create_grant, key};
    use crate::domain::op::{Command, CreatedGrant};

    fn rotate(secret: &[u8]) -> Command {
        Command::RotateTokenEpoch(RotateTokenEpoch {
            sealed_epoch_secret: secret.into(),
        })
    }

    /// Installs the next one and has it mint.
    fn rotated(cluster: &mut Cluster) -> u32 {
        let Output::TokenEpoch(number) = cluster.done("operator", rotate(&[9])) else {
            panic!("no number")
        };
        let start = Command::StartTokenEpoch(StartTokenEpoch { number });
        cluster.done("system", start);
        number
    }

    fn grant(cluster: &mut Cluster, n: u8) -> CreatedGrant {
        let create = Command::CreateGrant(create_grant(n, BOB));
        match cluster.done(ADMIN, create) {
            Output::Grant(created) => created,
            other => panic!("{other:?}"),
        }
    }

    fn numbers(cluster: &Cluster) -> Vec<u32> {
        let epochs = cluster.state.token_epochs();
        epochs.map(|epoch| epoch.number).collect()
    }

    #[test]
    fn rotation_refuses_in_the_order_of_its_checks() {
        let cluster = Cluster::new();
        let mut coming = cluster.copy();
        coming.done("operator", rotate(&[1]));
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
            (
                "one is installed and does not mint yet",
                coming.refusal("operator", rotate(&[1])),
                "ConstraintViolationException",
                "does not mint yet",
            ),
        ]);
    }

    /// a grant's token is of the epoch that mints at the grant's own revision: the old one until the new one has
    /// settled, and whatever an answer told earlier.
    #[test]
    fn new_epoch_mints_once_it_has_settled_and_the_old_one_is_kept() {
        let mut cluster = Cluster::new();
        assert_eq!(grant(&mut cluster, 1).epoch.unwrap().number, 1);
        cluster.done("operator", rotate(&[9]));
        assert_eq!(cluster.state.coming_epoch().unwrap().number, 2);
        assert_eq!(grant(&mut cluster, 2).epoch.unwrap().number, 1);
        cluster.done(
            "system",
            Command::StartTokenEpoch(StartTokenEpoch { number: 2 }),
        );
        let started = cluster.at;
        assert_eq!(cluster.state.coming_epoch(), None);
        let old = cluster.state.token_epoch(1).unwrap();
        assert_eq!(
            (old.ended, old.revoked, old.sealed_secret.is_empty()),
            (Some(Revision(started)), None, false)
        );
        let third = grant(&mut cluster, 3);
        assert_eq!(third.epoch.unwrap().number, 2);
        assert_eq!(third.grant.unwrap().epoch, 2);
        let count = |n| cluster.state.grants().count_of_epoch(n);
        assert_eq!([1, 2, 3].map(count), [2, 1, 0]);
    }

    /// An epoch is kept while a grant of it lives, however often the cluster rotates, and until the rotation after the one
    /// that ended it, so that a token of a grant that is gone stays one that is ignored.
    #[test]
    fn epoch_is_kept_while_a_grant_of_it_lives() {
        let mut cluster = Cluster::new();
        grant(&mut cluster, 1);
        for wanted in [vec![1, 2], vec![1, 2, 3], vec![1, 3, 4]] {
            rotated(&mut cluster);
            assert_eq!(numbers(&cluster), wanted);
        }
        let revoke = RevokeGrant {
            key: key(1),
            grant_id: (&*GrantId([1; 32]).to_string()).into(),
            dry_run: Default::default(),
            descendants: Default::default(),
        };
        cluster.done(ADMIN, Command::RevokeGrant(revoke));
        assert_eq!(numbers(&cluster), [1, 3, 4]);
        rotated(&mut cluster);
        assert_eq!(numbers(&cluster), [4, 5]);
    }

    /// As many epochs as are kept, each with a living grant: one more is refused, and says what to do.
    #[test]
    fn epochs_that_are_kept_are_bounded() {
        let mut cluster = Cluster::new();
        for n in 1..=u8::try_from(TOKEN_EPOCHS_MAX).unwrap() {
            grant(&mut cluster, n);
            if usize::from(n) < TOKEN_EPOCHS_MAX {
                rotated(&mut cluster);
            }
        }
        assert_eq!(numbers(&cluster).len(), TOKEN_EPOCHS_MAX);
        let (code, why) = cluster.refusal("operator", rotate(&[9]));
        assert_eq!(code, "LimitExceededException");
        assert!(why.contains("the oldest is 1, of which 1 live"), "{why}");
        let revoke = Command::RevokeTokenEpoch(RevokeTokenEpoch { number: 1 });
        cluster.done("operator", revoke);
        rotated(&mut cluster);
        assert_eq!(numbers(&cluster).len(), TOKEN_EPOCHS_MAX);
    }
}
