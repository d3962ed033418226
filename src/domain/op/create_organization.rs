//! `CreateOrganization`: makes an organization with its root and its management account; for the operator alone.

use super::context::{Change, Context};
use super::refusal::{Said, refusals, said};
use super::{Change as What, ErrorCode, Event, Output};
use crate::domain::authz::{Allowed, Denied, require_operator};
use crate::domain::ids::{AccountId, NodeId, OrganizationId};
use crate::domain::limits::ORGANIZATIONS_MAX;
use crate::domain::state::State;
use crate::domain::state::organization::{ControlKind, Node, Organization};
use std::sync::Arc;

/// Makes an organization with its root and its management account; for the operator alone.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CreateOrganization {
    /// Its id: as the operator says, or drawn before the log.
    pub id: OrganizationId,
    /// The root's id, drawn before the log.
    pub root: NodeId,
    /// The management account.
    pub management: AccountId,
}

refusals! {
    /// Why CreateOrganization is refused, in the order of its checks.
    Refusal {
        /// A root that is none.
        Shape(Said),
        /// It is for the operator.
        Denied(Denied),
        /// The account is not there.
        NoAccount(Said),
        /// The account is in an organization, or the id is in use.
        Exists(Said),
        /// There is no room for another.
        TooMany(Said),
    }
}

/// What CreateOrganization writes.
pub struct Plan {
    organization: Organization,
    root: Node,
    member: Node,
}

impl Change for CreateOrganization {
    type Refusal = Refusal;
    type Plan = Plan;

    fn plan(&self, cx: &Context<'_>) -> Result<(Allowed, Plan), Refusal> {
        let Self {
            id,
            root,
            management,
        } = self;
        if !matches!(root, NodeId::Root(_)) {
            let why = format!("`{root}` is no root of an organization");
            return Err(Refusal::Shape(said(ErrorCode::Validation, why)));
        }
        let allowed = require_operator(cx.caller, "grantd:CreateOrganization")?;
        if cx.state.account(*management).is_none() {
            let why = format!("the account {management} does not exist");
            return Err(Refusal::NoAccount(said(ErrorCode::NoSuchEntity, why)));
        }
        let exists = |why: String| Refusal::Exists(said(ErrorCode::EntityAlreadyExists, why));
        if let Some(node) = cx.state.membership(*management) {
            let organization = &node.organization;
            return Err(exists(format!(
                "The account {management} is already a member of the organization {organization}."
            )));
        }
        if cx.state.organization(id).is_some() {
            return Err(exists(format!("The organization {id} already exists.")));
        }
        if cx.state.node(root).is_some() {
            return Err(exists(format!("The root {root} already exists.")));
        }
        if cx.state.organization_count() >= ORGANIZATIONS_MAX {
            return Err(Refusal::TooMany(said(
                ErrorCode::QuotaExceeded,
                format_args!(
                    "Cannot exceed quota for OrganizationsPerCluster: {ORGANIZATIONS_MAX}"
                ),
            )));
        }
        let node = |id: NodeId, parent: Option<NodeId>, name: &str| Node {
            id,
            organization: self.id.clone(),
            parent,
            name: name.into(),
            created_at: cx.now,
            born: cx.at,
            service_control: ControlKind::Service.full_access(),
            resource_control: ControlKind::Resource.full_access(),
        };
        let plan = Plan {
            organization: Organization {
                id: id.clone(),
                management: *management,
                root: root.clone(),
                created_at: cx.now,
                born: cx.at,
            },
            root: node(root.clone(), None, "Root"),
            member: node(NodeId::Account(*management), Some(root.clone()), ""),
        };
        Ok((allowed, plan))
    }

    fn enact(plan: Plan, state: &mut State) -> (Output, Vec<Event>) {
        let Plan {
            organization,
            root,
            member,
        } = plan;
        let events = vec![
            Event::OrganizationChanged(organization.id.clone(), What::Created),
            Event::NodeChanged(root.id.clone(), What::Created),
            Event::NodeChanged(member.id.clone(), What::Created),
        ];
        state.put_organization(Arc::new(organization.clone()));
        state.put_node(Arc::new(root));
        state.put_node(Arc::new(member));
        (Output::Organization(organization), events)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::op::Command;
    use crate::domain::op::testing::{ADMIN, Cluster, ORGANIZATION, OTHER, OWNER, check_rows};

    fn create(id: &str, root: &str, management: &str) -> Command {
        Command::CreateOrganization(CreateOrganization {
            id: id.parse().unwrap(),
            root: root.parse().unwrap(),
            management: management.parse().unwrap(),
        })
    }

    #[test]
    fn create_organization_refuses_in_the_order_of_its_checks() {
        let mut cluster = Cluster::new();
        cluster.organize(OTHER);
        let no = |who, command| cluster.refusal(who, command);
        check_rows(vec![
            (
                "a unit as root, not the operator",
                no(ADMIN, create("o-x", "ou-a-b", OWNER)),
                "ValidationException",
                "no root",
            ),
            (
                "not the operator",
                no(ADMIN, create("o-x", "r-x", OWNER)),
                "AccessDeniedException",
                "operator",
            ),
            (
                "no account",
                no("operator", create(ORGANIZATION, "r-x", "999999999999")),
                "NoSuchEntity",
                "999999999999",
            ),
            (
                "in an organization",
                no("operator", create(ORGANIZATION, "r-x", OTHER)),
                "EntityAlreadyExists",
                "already a member of the organization",
            ),
            (
                "an id in use",
                no("operator", create(ORGANIZATION, "r-root", OWNER)),
                "EntityAlreadyExists",
                "The organization",
            ),
            (
                "a root in use",
                no("operator", create("o-x", "r-root", OWNER)),
                "EntityAlreadyExists",
                "The root",
            ),
        ]);
    }

    #[test]
    fn organization_past_the_last_is_refused() {
        let mut cluster = Cluster::new();
        for n in 0..ORGANIZATIONS_MAX {
            let organization = Organization {
                id: format!("o-{n}").parse().unwrap(),
                management: OTHER.parse().unwrap(),
                root: format!("r-{n}").parse().unwrap(),
                created_at: Default::default(),
                born: Default::default(),
            };
            cluster.state.put_organization(Arc::new(organization));
        }
        let (code, _) = cluster.refusal("operator", create("o-x", "r-x", OWNER));
        assert_eq!(code, "LimitExceeded");
    }
}
