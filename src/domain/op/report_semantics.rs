//! `ReportSemantics`: the cluster's own command by which a member tells the newest semantics that its binary knows.

use super::context::{Change, Context};
use super::refusal::{Said, refusals, said};
use super::{ErrorCode, Event, Output, Semantics};
use crate::domain::authz::{Allowed, Denied, require_system};
use crate::domain::state::State;
use crate::domain::state::semantics::Member;

/// A member knows every semantics up to these. It tells when it joins, and at a start when it differs from what the state
/// has of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ReportSemantics {
    /// Which member.
    pub node: u64,
    /// The newest that it knows.
    pub newest: Semantics,
}

refusals! {
    /// Why ReportSemantics is refused, in the order of its checks.
    Refusal {
        /// It is for the cluster itself.
        Denied(Denied),
        /// The node is no member.
        NotAMember(Said),
        /// It knows less than the cluster has been raised to: it cannot be one that applies what it does.
        Behind(Said),
    }
}

impl Change for ReportSemantics {
    type Refusal = Refusal;
    type Plan = Member;

    fn plan(&self, cx: &Context<'_>) -> Result<(Allowed, Member), Refusal> {
        let allowed = require_system(cx.caller, "grantd:ReportSemantics")?;
        let Self { node, newest } = *self;
        if cx.state.cluster_member(node).is_none() {
            return Err(Refusal::NotAMember(said(
                ErrorCode::NoSuchEntity,
                format_args!("node {node} is no member of the cluster"),
            )));
        }
        if newest < cx.state.semantics() {
            return Err(Refusal::Behind(said(
                ErrorCode::ConstraintViolation,
                format_args!(
                    "node {node} knows semantics {} at most, and the cluster is at {}",
                    newest.0,
                    cx.state.semantics().0
                ),
            )));
        }
        Ok((allowed, Member { node, newest }))
    }

    fn enact(member: Member, state: &mut State) -> (Output, Vec<Event>) {
        state.put_member(member);
        (Output::Done, Vec::new())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::op::testing::{Cluster, check_rows};
    use crate::domain::op::{Command, members_changed};
    use crate::domain::time::Revision;

    #[test]
    fn report_refuses_in_the_order_of_its_checks() {
        let mut cluster = Cluster::new();
        cluster.at += 1;
        members_changed(&mut cluster.state, Revision(cluster.at), &[1, 2]);
        let report = |node, newest| {
            let newest = Semantics(newest);
            Command::ReportSemantics(ReportSemantics { node, newest })
        };
        check_rows(vec![
            (
                "the operator, of a stranger",
                cluster.refusal("operator", report(7, 0)),
                "AccessDeniedException",
                "the cluster itself",
            ),
            (
                "a stranger that knows nothing",
                cluster.refusal("system", report(7, 0)),
                "NoSuchEntity",
                "node 7",
            ),
            (
                "one that knows less than the cluster's",
                cluster.refusal("system", report(2, 0)),
                "ConstraintViolationException",
                "at most",
            ),
        ]);
        cluster.done("system", report(2, 5));
        assert_eq!(cluster.state.cluster_member(2), Some(Semantics(5)));
        // One that leaves and comes back has told nothing yet.
        for (members, known) in [(&[1][..], None), (&[1, 2], Some(Semantics(0)))] {
            cluster.at += 1;
            members_changed(&mut cluster.state, Revision(cluster.at), members);
            assert_eq!(cluster.state.cluster_member(2), known);
        }
    }
}
