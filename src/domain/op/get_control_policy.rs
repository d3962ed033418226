//! `GetControlPolicy`: tells a control policy as it was put.

use super::context::{Context, Question};
use super::delete_control_policy::no_policy;
use super::refusal::{Said, refusals};
use super::table::Operation;
use super::{Answer, organizations};
use crate::domain::authz::Denied;
use crate::domain::ids::NodeId;
use crate::domain::state::organization::ControlKind;
use std::sync::Arc;

/// Tells a control policy as it was put (`organizations:DescribePolicy`).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct GetControlPolicy {
    /// Root, unit or account.
    pub node: NodeId,
    /// Service or resource control.
    pub kind: ControlKind,
    /// Its name.
    pub name: Arc<str>,
}

refusals! {
    /// Why GetControlPolicy is refused, in the order of its checks.
    Refusal {
        /// A name that cannot be.
        Shape(Said),
        /// Not permitted.
        Denied(Denied),
        /// The node is not there.
        NotThere(Said),
        /// The node has no such policy.
        NoPolicy(Said),
    }
}

impl Question for GetControlPolicy {
    type Refusal = Refusal;

    fn answer(&self, cx: &Context<'_>) -> Result<Answer, Refusal> {
        organizations::check_name(&self.name, "policyName").map_err(Refusal::Shape)?;
        let organization = organizations::of_node(cx, &self.node);
        organizations::allow_kind(cx, Operation::GetControlPolicy, organization, self.kind)?;
        let node = organizations::existing_node(cx, &self.node).map_err(Refusal::NotThere)?;
        let mut controls = node.controls(self.kind).iter();
        let Some((name, policy)) = controls.find(|(name, _)| *name == self.name) else {
            let why = no_policy(&self.node, self.kind, &self.name);
            return Err(Refusal::NoPolicy(why));
        };
        Ok(Answer::Policy {
            name: Arc::clone(name),
            text: Arc::clone(policy.text()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::op::testing::{ADMIN, ALLOW_ALL, Cluster, MANAGEMENT, OWNER, check_rows};
    use crate::domain::op::{Command, Query, put_control_policy};

    fn get(node: &str, kind: ControlKind, name: &str) -> Query {
        Query::GetControlPolicy(GetControlPolicy {
            node: node.parse().unwrap(),
            kind,
            name: name.into(),
        })
    }

    #[test]
    fn get_control_policy_refuses_in_the_order_of_its_checks() {
        let mut cluster = Cluster::new();
        cluster.organize(OWNER);
        let put = put_control_policy::PutControlPolicy {
            node: OWNER.parse().unwrap(),
            kind: ControlKind::Service,
            name: "p".into(),
            policy: ALLOW_ALL.into(),
        };
        cluster.done(MANAGEMENT, Command::PutControlPolicy(put));
        let (scp, rcp) = (ControlKind::Service, ControlKind::Resource);
        let no = |who, question| cluster.ask(who, question).unwrap_err();
        check_rows(vec![
            (
                "no name, no permission",
                no(ADMIN, get(OWNER, scp, "")),
                "ValidationException",
                "policyName",
            ),
            (
                "a member's administrator",
                no(ADMIN, get(OWNER, scp, "p")),
                "AccessDeniedException",
                "organizations:DescribePolicy",
            ),
            (
                "no node",
                no(MANAGEMENT, get("r-none", scp, "p")),
                "NoSuchEntity",
                "The root r-none",
            ),
            (
                "of the other kind",
                no(MANAGEMENT, get(OWNER, rcp, "p")),
                "NoSuchEntity",
                "The resource control policy with name p",
            ),
        ]);
        let told = cluster.ask(MANAGEMENT, get(OWNER, scp, "p"));
        assert!(matches!(told, Ok(Answer::Policy { text, .. }) if &*text == ALLOW_ALL));
    }
}
