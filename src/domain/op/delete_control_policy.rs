//! `DeleteControlPolicy`: detaches a control policy from a node of an organization.

use super::context::{Change, Context};
use super::refusal::{Said, refusals, said};
use super::table::Operation;
use super::{ErrorCode, Event, Output, organizations};
use crate::domain::authz::{Allowed, Denied};
use crate::domain::ids::NodeId;
use crate::domain::state::State;
use crate::domain::state::organization::{ControlKind, Node};
use std::sync::Arc;

/// Detaches a control policy from a node of an organization (`organizations:DetachPolicy`).
///
/// Some policy of the kind must stay: a node without any would allow nothing. `RCPFullAWSAccess` cannot be detached at all,
/// for resource control policies take away alone. Both are as in AWS.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DeleteControlPolicy {
    /// Root, unit or account.
    pub node: NodeId,
    /// Service or resource control.
    pub kind: ControlKind,
    /// Its name.
    pub name: Arc<str>,
}

refusals! {
    /// Why DeleteControlPolicy is refused, in the order of its checks.
    Refusal {
        /// A name that cannot be.
        Shape(Said),
        /// Not permitted.
        Denied(Denied),
        /// The node is not there.
        NotThere(Said),
        /// The node has no such policy.
        NoPolicy(Said),
        /// The policy must stay.
        Stays(Said),
    }
}

/// The refusal for a policy that a node does not have.
pub fn no_policy(node: &NodeId, kind: ControlKind, name: &str) -> Said {
    let what = shown(kind);
    said(
        ErrorCode::NoSuchEntity,
        format_args!("The {what} with name {name} cannot be found at {node}."),
    )
}

const fn shown(kind: ControlKind) -> &'static str {
    match kind {
        ControlKind::Service => "service control policy",
        ControlKind::Resource => "resource control policy",
    }
}

impl Change for DeleteControlPolicy {
    type Refusal = Refusal;
    type Plan = Node;

    fn plan(&self, cx: &Context<'_>) -> Result<(Allowed, Node), Refusal> {
        organizations::check_name(&self.name, "policyName").map_err(Refusal::Shape)?;
        let organization = organizations::of_node(cx, &self.node);
        let allowed =
            organizations::allow_kind(cx, Operation::DeleteControlPolicy, organization, self.kind)?;
        let node = organizations::existing_node(cx, &self.node).map_err(Refusal::NotThere)?;
        let mut node = (**node).clone();
        let controls = node.controls_mut(self.kind);
        let before = controls.len();
        controls.retain(|(name, _)| *name != self.name);
        if controls.len() == before {
            let why = no_policy(&self.node, self.kind, &self.name);
            return Err(Refusal::NoPolicy(why));
        }
        let must_stay = |why: String| Refusal::Stays(said(ErrorCode::ConstraintViolation, why));
        if self.kind == ControlKind::Resource && *self.name == *self.kind.full_access_name() {
            return Err(must_stay(format!(
                "The policy {} cannot be detached: a resource control policy takes away by its denials alone.",
                self.name
            )));
        }
        if controls.is_empty() {
            return Err(must_stay(format!(
                "The policy {} is the last {} of {}, which would then allow nothing: attach another one first.",
                self.name,
                shown(self.kind),
                self.node
            )));
        }
        Ok((allowed, node))
    }

    fn enact(node: Node, state: &mut State) -> (Output, Vec<Event>) {
        organizations::store_node(node, state)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::op::testing::{
        ADMIN, ALLOW_ALL, Cluster, MANAGEMENT, OWNER, caller, check_rows,
    };
    use crate::domain::op::{Command, put_control_policy};

    fn delete(node: &str, name: &str) -> Command {
        Command::DeleteControlPolicy(DeleteControlPolicy {
            node: node.parse().unwrap(),
            kind: ControlKind::Service,
            name: name.into(),
        })
    }

    #[test]
    fn delete_control_policy_refuses_in_the_order_of_its_checks() {
        let mut cluster = Cluster::new();
        cluster.organize(OWNER);
        let rcp = Command::DeleteControlPolicy(DeleteControlPolicy {
            node: "r-root".parse().unwrap(),
            kind: ControlKind::Resource,
            name: "RCPFullAWSAccess".into(),
        });
        check_rows(vec![
            (
                "no name, no permission",
                cluster.refusal(ADMIN, delete("r-root", "")),
                "ValidationException",
                "policyName",
            ),
            (
                "a member's administrator",
                cluster.refusal(ADMIN, delete("r-root", "p")),
                "AccessDeniedException",
                "organizations:DetachPolicy",
            ),
            (
                "no node",
                cluster.refusal("operator", delete("r-none", "p")),
                "NoSuchEntity",
                "The root r-none",
            ),
            (
                "no such policy",
                cluster.refusal(MANAGEMENT, delete("r-root", "p")),
                "NoSuchEntity",
                "The service control policy with name p cannot be found at r-root.",
            ),
            (
                "the one that must stay",
                cluster.refusal(MANAGEMENT, rcp),
                "ConstraintViolationException",
                "RCPFullAWSAccess cannot be detached",
            ),
            (
                "the last one",
                cluster.refusal(MANAGEMENT, delete("r-root", "FullAWSAccess")),
                "ConstraintViolationException",
                "the last service control policy of r-root",
            ),
        ]);
        let deny = put_control_policy::PutControlPolicy {
            node: "r-root".parse().unwrap(),
            kind: ControlKind::Service,
            name: "p".into(),
            policy: ALLOW_ALL.replace("Allow", "Deny").into(),
        };
        cluster.done(MANAGEMENT, Command::PutControlPolicy(deny));
        assert!(!cluster.decision(&caller(ADMIN), "kms:Decrypt").is_allow());
        cluster.done(MANAGEMENT, delete("r-root", "p"));
        assert!(cluster.decision(&caller(ADMIN), "kms:Decrypt").is_allow());
        // With another one there, it may go, and that one is then the last.
        let deny = put_control_policy::PutControlPolicy {
            node: "r-root".parse().unwrap(),
            kind: ControlKind::Service,
            name: "p".into(),
            policy: ALLOW_ALL.into(),
        };
        cluster.done(MANAGEMENT, Command::PutControlPolicy(deny));
        cluster.done(MANAGEMENT, delete("r-root", "FullAWSAccess"));
        let (code, _) = cluster.refusal(MANAGEMENT, delete("r-root", "p"));
        assert_eq!(code, "ConstraintViolationException");
    }
}
