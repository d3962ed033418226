//! `RevokeTokenEpoch`: takes every token of one epoch away, at once.

use super::context::{Change, Context};
use super::refusal::{Said, refusals, said};
use super::{ErrorCode, Event, Output, TokenEpochChange};
use crate::domain::authz::{Allowed, Denied, require_operator};
use crate::domain::state::State;
use crate::domain::state::token_epoch::TokenEpoch;
use std::sync::Arc;

/// Revokes a token epoch; for the operator alone. Its secret goes, and whoever brings a token of it is refused. The grants
/// stay: the state decides by them. If it was the one that mints, no grant can be made until another does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RevokeTokenEpoch {
    /// Which.
    pub number: u32,
}

refusals! {
    /// Why RevokeTokenEpoch is refused, in the order of its checks.
    Refusal {
        /// It is for the operator.
        Denied(Denied),
        /// There is no such epoch, or it was dropped because no grant of it lives.
        Unknown(Said),
    }
}

impl Change for RevokeTokenEpoch {
    type Refusal = Refusal;
    /// The epoch as it is from now on; `None`: it was revoked before.
    type Plan = Option<TokenEpoch>;

    fn plan(&self, cx: &Context<'_>) -> Result<(Allowed, Option<TokenEpoch>), Refusal> {
        let allowed = require_operator(cx.caller, "grantd:RevokeTokenEpoch")?;
        let Some(epoch) = cx.state.token_epoch(self.number) else {
            let known: Vec<String> = cx
                .state
                .token_epochs()
                .filter(|epoch| epoch.revoked.is_none())
                .map(|epoch| epoch.number.to_string())
                .collect();
            return Err(Refusal::Unknown(said(
                ErrorCode::NoSuchEntity,
                format_args!(
                    "there is no token epoch {}: tokens are honoured of {}",
                    self.number,
                    if known.is_empty() {
                        "none".to_owned()
                    } else {
                        known.join(", ")
                    }
                ),
            )));
        };
        let revoked = epoch.revoked.is_none().then(|| TokenEpoch {
            sealed_secret: Arc::new([]),
            revoked: Some(cx.at),
            ..TokenEpoch::clone(epoch)
        });
        Ok((allowed, revoked))
    }

    fn enact(revoked: Option<TokenEpoch>, state: &mut State) -> (Output, Vec<Event>) {
        let event = revoked.as_ref().map(|epoch| Event::TokenEpochChanged {
            epoch: epoch.number,
            change: TokenEpochChange::Revoked,
        });
        if let Some(epoch) = revoked {
            state.put_token_epoch(Arc::new(epoch));
        }
        (Output::Done, event.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::op::Command;
    use crate::domain::op::rotate_token_epoch::RotateTokenEpoch;
    use crate::domain::op::testing::{ADMIN, BOB, Cluster, check_rows, create_grant};
    use crate::domain::time::Revision;

    fn revoke(number: u32) -> Command {
        Command::RevokeTokenEpoch(RevokeTokenEpoch { number })
    }

    #[test]
    fn revocation_refuses_in_the_order_of_its_checks() {
        let cluster = Cluster::new();
        check_rows(vec![
            (
                "an administrator, of none",
                cluster.refusal(ADMIN, revoke(7)),
                "AccessDeniedException",
                "operator",
            ),
            (
                "of none",
                cluster.refusal("operator", revoke(7)),
                "NoSuchEntity",
                "honoured of 1",
            ),
        ]);
    }

    /// DESIGN "The grant token": an epoch can be revoked at once; its secret goes with it. Until another mints no grant can
    /// be made, rather than one without a token; a grant that is found again gets a token of the one that mints then.
    #[test]
    fn revoked_epoch_opens_nothing_and_grants_without_a_token_are_not_made() {
        let mut cluster = Cluster::new();
        let named = |n| {
            let mut create = create_grant(n, BOB);
            create.name = Some("again".into());
            Command::CreateGrant(create)
        };
        cluster.done(ADMIN, named(1));
        cluster.done("operator", revoke(1));
        let at = cluster.at;
        let epoch = cluster.state.token_epoch(1).unwrap();
        assert_eq!(
            (epoch.revoked, epoch.sealed_secret.len()),
            (Some(Revision(at)), 0)
        );
        assert_eq!(cluster.state.minting_epoch(), None);
        cluster.done("operator", revoke(1));
        assert_eq!(
            cluster.state.token_epoch(1).unwrap().revoked,
            Some(Revision(at))
        );
        for command in [named(2), Command::CreateGrant(create_grant(3, BOB))] {
            let (code, why) = cluster.refusal(ADMIN, command);
            assert_eq!(code, "UnsupportedOperationException");
            assert!(why.contains("no token epoch"), "{why}");
        }
        let rotate = RotateTokenEpoch {
            sealed_epoch_secret: [1].into(),
        };
        cluster.done("operator", Command::RotateTokenEpoch(rotate));
        assert_eq!(cluster.state.minting_epoch().unwrap().number, 2);
        let Output::Grant(again) = cluster.done(ADMIN, named(4)) else {
            panic!("no grant")
        };
        assert_eq!(again.id, crate::domain::ids::GrantId([1; 32]));
        assert_eq!(again.epoch.unwrap().number, 2);
        assert_eq!(cluster.state.grants().get(&again.id).unwrap().epoch, 2);
        let count = |n| cluster.state.grants().count_of_epoch(n);
        assert_eq!([1, 2].map(count), [0, 1]);
    }
}
