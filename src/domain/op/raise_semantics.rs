//! `RaiseSemantics`: from here on the cluster's entries mean what a newer version of grantd says.

use super::context::{Change, Context};
use super::refusal::{Said, refusals, said};
use super::{ErrorCode, Event, Output, Semantics};
use crate::domain::authz::{Allowed, Denied, require_operator};
use crate::domain::state::State;

/// Raises the cluster's semantics; for the operator alone, once every member has told that it knows them. They are never
/// lowered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RaiseSemantics {
    /// To these.
    pub to: Semantics,
}

refusals! {
    /// Why RaiseSemantics is refused, in the order of its checks.
    Refusal {
        /// It is for the operator.
        Denied(Denied),
        /// The cluster is there or beyond.
        NotRaised(Said),
        /// A member does not know them, or has not told.
        Unknown(Said),
    }
}

impl Change for RaiseSemantics {
    type Refusal = Refusal;
    type Plan = Semantics;

    fn plan(&self, cx: &Context<'_>) -> Result<(Allowed, Semantics), Refusal> {
        let allowed = require_operator(cx.caller, "grantd:RaiseSemantics")?;
        let (now, to) = (cx.state.semantics(), self.to);
        if to <= now {
            return Err(Refusal::NotRaised(said(
                ErrorCode::ConstraintViolation,
                format_args!(
                    "the cluster is at semantics {}, which are never lowered: {} is not above",
                    now.0, to.0
                ),
            )));
        }
        let mut members = cx.state.cluster_members().peekable();
        let unknown = |why: std::fmt::Arguments<'_>| {
            Err(Refusal::Unknown(said(ErrorCode::UnsupportedOperation, why)))
        };
        if members.peek().is_none() {
            return unknown(format_args!("no member has told which semantics it knows"));
        }
        let behind: Vec<String> = members
            .filter(|member| member.newest < to)
            .map(|member| match member.newest {
                Semantics(0) => format!("node {} has not told", member.node),
                Semantics(newest) => format!("node {} knows {newest} at most", member.node),
            })
            .collect();
        if !behind.is_empty() {
            return unknown(format_args!(
                "not every member knows semantics {}: {}; start a newer version of grantd there first, or remove it",
                to.0,
                behind.join(", ")
            ));
        }
        Ok((allowed, to))
    }

    fn enact(to: Semantics, state: &mut State) -> (Output, Vec<Event>) {
        state.raise_semantics(to);
        (Output::Done, vec![Event::SemanticsRaised { to }])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::op::report_semantics::ReportSemantics;
    use crate::domain::op::testing::{ADMIN, BOB, Cluster, caller, check_rows, create_grant};
    use crate::domain::op::{Command, apply_as, members_changed};
    use crate::domain::time::Revision;

    const NEXT: Semantics = Semantics(Semantics::CURRENT.0 + 1);

    fn raise(to: Semantics) -> Command {
        Command::RaiseSemantics(RaiseSemantics { to })
    }

    fn report(cluster: &mut Cluster, node: u64, newest: Semantics) {
        cluster.done(
            "system",
            Command::ReportSemantics(ReportSemantics { node, newest }),
        );
    }

    /// Raised only once every member, learners too, has logged that it knows them.
    #[test]
    fn raise_is_refused_until_every_member_has_told_that_it_knows_them() {
        let mut cluster = Cluster::new();
        let none = cluster.copy();
        cluster.at += 1;
        members_changed(&mut cluster.state, Revision(cluster.at), &[1, 2, 3]);
        report(&mut cluster, 1, NEXT);
        report(&mut cluster, 2, Semantics::CURRENT);
        check_rows(vec![
            (
                "an administrator, to where it is",
                cluster.refusal(ADMIN, raise(Semantics::CURRENT)),
                "AccessDeniedException",
                "operator",
            ),
            (
                "to where it is",
                cluster.refusal("operator", raise(Semantics::CURRENT)),
                "ConstraintViolationException",
                "never lowered",
            ),
            (
                "of a cluster without members",
                none.refusal("operator", raise(NEXT)),
                "UnsupportedOperationException",
                "no member",
            ),
            (
                "one does not know them, one has not told",
                cluster.refusal("operator", raise(NEXT)),
                "UnsupportedOperationException",
                "node 2 knows 1 at most, node 3 has not told;",
            ),
        ]);
        report(&mut cluster, 2, NEXT);
        report(&mut cluster, 3, NEXT);
        cluster.done("operator", raise(NEXT));
        assert_eq!(cluster.state.semantics(), NEXT);
    }

    /// An entry means what the cluster's semantics at its own place say: one that claims newer ones is refused by every
    /// replica alike, whichever binary it runs; one that was stamped before a raise is taken.
    #[test]
    fn entry_of_newer_semantics_than_the_clusters_is_refused_by_every_binary() {
        let cluster = Cluster::new();
        let outcome = |stamp: u32, newest: Semantics| {
            let mut state = cluster.state.clone();
            let command = Command::CreateGrant(create_grant(1, BOB));
            let mut entry = cluster.entry(&caller(ADMIN), None, command);
            entry.semantics = Semantics(stamp);
            let applied = apply_as(&mut state, Revision(cluster.at + 1), &entry, newest);
            (applied.outcome.is_ok(), state.fingerprint())
        };
        for stamp in [0, 1, 2] {
            assert_eq!(outcome(stamp, Semantics::CURRENT), outcome(stamp, NEXT));
            assert_eq!(outcome(stamp, NEXT).0, stamp == 1, "{stamp}");
        }
    }
}
