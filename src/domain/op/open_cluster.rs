//! `OpenCluster`: a cluster that was forced from one disk decides again.

use super::context::{Change, Context};
use super::refusal::{Said, refusals, said};
use super::{ErrorCode, Event, Output};
use crate::domain::authz::{Allowed, Denied, require_operator};
use crate::domain::state::State;
use crate::domain::time::Revision;

/// Opens a closed cluster; for the operator alone, who names the gap: whatever was acknowledged after it, and so taken away
/// after it, may be missing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct OpenCluster {
    /// The last revision that the disk had, as the cluster's status tells it.
    pub after: Revision,
}

refusals! {
    /// Why OpenCluster is refused, in the order of its checks.
    Refusal {
        /// It is for the operator.
        Denied(Denied),
        /// It is open.
        Open(Said),
        /// The gap is another one.
        OtherGap(Said),
    }
}

impl Change for OpenCluster {
    type Refusal = Refusal;
    type Plan = Revision;

    fn plan(&self, cx: &Context<'_>) -> Result<(Allowed, Revision), Refusal> {
        let allowed = require_operator(cx.caller, "grantd:OpenCluster")?;
        let Some(gap) = cx.state.closed() else {
            return Err(Refusal::Open(said(
                ErrorCode::ConstraintViolation,
                "the cluster is open",
            )));
        };
        if gap.after != self.after {
            return Err(Refusal::OtherGap(said(
                ErrorCode::ConstraintViolation,
                format_args!(
                    "the gap begins after revision {}, not {}: name it to say that you know what may be missing",
                    gap.after, self.after
                ),
            )));
        }
        Ok((allowed, gap.after))
    }

    fn enact(after: Revision, state: &mut State) -> (Output, Vec<Event>) {
        state.open();
        (Output::Done, vec![Event::Opened { after }])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ids::GrantId;
    use crate::domain::op::testing::{
        ADMIN, BOB, Cluster, arn, caller, check_rows, create_grant, key_arn,
    };
    use crate::domain::op::{Command, Idempotency, Semantics, apply, force};
    use crate::domain::state::cow_map::HashKey;
    use crate::domain::state::idempotency::Horizon;
    use crate::domain::state::token_epoch::SealCheck;
    use crate::domain::time::Incarnation;

    fn open(after: u64) -> Command {
        let after = Revision(after);
        Command::OpenCluster(OpenCluster { after })
    }

    fn forced() -> (Cluster, u64) {
        let mut cluster = Cluster::new();
        let command = Command::CreateGrant(create_grant(1, BOB));
        let idempotency = Some(Idempotency {
            key: "k".into(),
            birth: Revision(cluster.at),
            request_hash: [1; 32],
        });
        let entry = cluster.entry(&caller(ADMIN), idempotency, command);
        cluster.apply(&entry).unwrap();
        let last = cluster.at;
        cluster.at += 1;
        force::force(
            &mut cluster.state,
            Revision(cluster.at),
            force::Forced {
                node: 3,
                incarnation: Incarnation([9; 16]),
                sealed_epoch_secret: [8].into(),
                seal_check: SealCheck([7; 32]),
                newest: Semantics::CURRENT,
            },
        );
        (cluster, last)
    }

    /// a new life, in which nothing of the old one opens or repeats anything, and everything that was known is there.
    #[test]
    fn forced_state_is_of_a_new_life_and_closed() {
        let (cluster, last) = forced();
        let state = &cluster.state;
        let gap = state.closed().unwrap();
        assert_eq!((gap.after, gap.was), (Revision(last), Incarnation([7; 16])));
        assert_eq!(gap.since, state.clock());
        assert_eq!(state.incarnation(), Incarnation([9; 16]));
        assert_eq!(state.revision(), Revision(last + 1));
        let epochs: Vec<u32> = state.token_epochs().map(|epoch| epoch.number).collect();
        assert_eq!(epochs, [2]);
        assert_eq!(state.minting_epoch().unwrap().born, Revision(last + 1));
        assert!(state.oldest_idempotency(Horizon::Change).is_none());
        assert_eq!(state.forgotten(Horizon::Change), Revision(last + 1));
        assert_eq!(
            state
                .cluster_members()
                .map(|member| member.node)
                .collect::<Vec<_>>(),
            [3]
        );
        assert!(state.key(&key_arn(1)).is_some() && state.principal(&arn(BOB)).is_some());
        assert!(state.grants().get(&GrantId([1; 32])).is_some());
        assert_ne!(state.header().hash_key, HashKey::default());
    }

    /// until it is opened nothing is changed either, by whomever.
    #[test]
    fn closed_cluster_changes_nothing_until_its_gap_is_named() {
        let (mut cluster, last) = forced();
        for who in [ADMIN, "operator", "system"] {
            let (code, why) = cluster.refusal(who, Command::CreateGrant(create_grant(2, BOB)));
            assert_eq!(code, "UnsupportedOperationException", "{who}");
            assert!(why.contains("closed"), "{why}");
        }
        let none = "ConstraintViolationException";
        check_rows(vec![
            (
                "an administrator, the wrong gap",
                cluster.refusal(ADMIN, open(last + 1)),
                "AccessDeniedException",
                "operator",
            ),
            (
                "the wrong gap",
                cluster.refusal("operator", open(last + 1)),
                none,
                "the gap begins after revision",
            ),
            (
                "an open cluster",
                Cluster::new().refusal("operator", open(last)),
                none,
                "is open",
            ),
        ]);
        cluster.done("operator", open(last));
        assert_eq!(cluster.state.closed(), None);
        let entry = cluster.entry(
            &caller(ADMIN),
            None,
            Command::CreateGrant(create_grant(2, BOB)),
        );
        let applied = apply(&mut cluster.state, Revision(cluster.at + 1), &entry);
        assert!(applied.outcome.is_ok());
    }
}
