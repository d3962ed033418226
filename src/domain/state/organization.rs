//! Organizations as stored: a tree of nodes, each with the control policies attached to it (D-3); and VPC endpoints.
//!
//! Imports ids, time, policy. Holds facts; decides nothing.

use std::sync::Arc;

use crate::domain::ids::{AccountId, NodeId, OrganizationId, VpcEndpointId, VpcId};
use crate::domain::policy::{Policy, PolicyKind, RCP_FULL_ACCESS};
use crate::domain::time::{Revision, Timestamp};

use super::closed_set;

/// An organization.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Organization {
    /// Its id: `aws:PrincipalOrgID` of every principal of a member account.
    pub id: OrganizationId,
    /// The management account, which no control policy reaches (D-3).
    pub management: AccountId,
    /// The root of its tree.
    pub root: NodeId,
    /// When it was created.
    pub created_at: Timestamp,
    /// The revision that created it.
    pub born: Revision,
}

/// Control policies of one kind at one node, in the order of their names. One of them must allow (D-3): with none, the
/// node allows nothing. Every node is made with [`ControlKind::full_access`], and keeps one at least.
pub type Controls = Vec<(Arc<str>, Arc<Policy>)>;

/// A node of an organization's tree: its root, a unit, or a member account.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Node {
    /// Its id.
    pub id: NodeId,
    /// The organization.
    pub organization: OrganizationId,
    /// The node above; absent of the root alone.
    pub parent: Option<NodeId>,
    /// A name to show; empty for an account, whose own name shows.
    pub name: Arc<str>,
    /// When it was made, or became a member.
    pub created_at: Timestamp,
    /// The revision that made it.
    pub born: Revision,
    /// Service control policies attached here.
    pub service_control: Controls,
    /// Resource control policies attached here.
    pub resource_control: Controls,
}

closed_set! {
    /// The two kinds of control policies.
    pub enum ControlKind {
        Service = "SERVICE_CONTROL_POLICY",
        Resource = "RESOURCE_CONTROL_POLICY",
    }
}

impl ControlKind {
    /// How policies of the kind are read.
    pub const fn policy_kind(self) -> PolicyKind {
        match self {
            Self::Service => PolicyKind::ServiceControl,
            Self::Resource => PolicyKind::ResourceControl,
        }
    }

    /// The name of the policy that allows everything, which each new node has.
    pub const fn full_access_name(self) -> &'static str {
        match self {
            Self::Service => "FullAWSAccess",
            Self::Resource => "RCPFullAWSAccess",
        }
    }

    /// Its text, as AWS has it.
    pub const fn full_access_text(self) -> &'static str {
        match self {
            Self::Service => {
                r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}"#
            }
            Self::Resource => RCP_FULL_ACCESS,
        }
    }

    /// The policies of the kind that a new node has: the one that allows everything. Were its text no policy, which a
    /// test rules out, the node would have none and allow nothing.
    pub fn full_access(self) -> Controls {
        let read = Policy::parse(self.full_access_text(), self.policy_kind());
        read.into_iter()
            .map(|policy| (self.full_access_name().into(), policy))
            .collect()
    }
}

impl Node {
    /// The policies of a kind.
    pub const fn controls(&self, kind: ControlKind) -> &Controls {
        match kind {
            ControlKind::Service => &self.service_control,
            ControlKind::Resource => &self.resource_control,
        }
    }

    /// The policies of a kind, to be changed.
    pub const fn controls_mut(&mut self, kind: ControlKind) -> &mut Controls {
        match kind {
            ControlKind::Service => &mut self.service_control,
            ControlKind::Resource => &mut self.resource_control,
        }
    }
}

/// A VPC endpoint: requests that come through it are judged by its policy (D-3).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct VpcEndpoint {
    /// Its id: `aws:SourceVpce`.
    pub id: VpcEndpointId,
    /// Its VPC: `aws:SourceVpc`.
    pub vpc: VpcId,
    /// The account that owns it.
    pub account: AccountId,
    /// Its policy; absent: the default, which allows everything.
    pub policy: Option<Arc<Policy>>,
    /// When it was first put.
    pub created_at: Timestamp,
    /// The revision that first put it.
    pub born: Revision,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// D-3: what AWS attaches to each new node, so that nothing is limited before somebody says so.
    #[test]
    fn full_access_is_one_policy_of_its_kind() {
        for kind in ControlKind::ALL {
            let controls = kind.full_access();
            assert_eq!(controls.len(), 1);
            let (name, policy) = &controls[0];
            assert_eq!(&**name, kind.full_access_name());
            assert_eq!(&**policy.text(), kind.full_access_text());
            assert_eq!(policy.statements().len(), 1);
        }
    }
}
