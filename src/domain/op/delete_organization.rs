//! `DeleteOrganization`: ends an organization that has no member but its management account.

use super::context::{Change, Context};
use super::refusal::{Said, refusals, said};
use super::table::Operation;
use super::{Change as What, ErrorCode, Event, Output, organizations};
use crate::domain::authz::{Allowed, Denied};
use crate::domain::ids::{NodeId, OrganizationId};
use crate::domain::state::State;
use crate::domain::state::organization::Organization;

/// Ends an organization that has neither units nor members but its management account (`organizations:DeleteOrganization`).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DeleteOrganization {
    /// Which.
    pub id: OrganizationId,
}

refusals! {
    /// Why DeleteOrganization is refused, in the order of its checks.
    Refusal {
        /// Not permitted.
        Denied(Denied),
        /// It is not there.
        NotThere(Said),
        /// It has units or other members.
        NotEmpty(Said),
    }
}

impl Change for DeleteOrganization {
    type Refusal = Refusal;
    type Plan = Organization;

    fn plan(&self, cx: &Context<'_>) -> Result<(Allowed, Organization), Refusal> {
        let organization = cx.state.organization(&self.id);
        let allowed = organizations::allow(cx, Operation::DeleteOrganization, organization)?;
        let organization = organizations::existing(cx, &self.id).map_err(Refusal::NotThere)?;
        let management = NodeId::Account(organization.management);
        let mut below = cx.state.children(&organization.root, None);
        if below.any(|node| node.id != management) {
            return Err(Refusal::NotEmpty(said(
                ErrorCode::DeleteConflict,
                "Cannot delete entity, must remove member accounts and organizational units first.",
            )));
        }
        Ok((allowed, (**organization).clone()))
    }

    fn enact(organization: Organization, state: &mut State) -> (Output, Vec<Event>) {
        let member = NodeId::Account(organization.management);
        state.take_node(&member);
        state.take_node(&organization.root);
        state.take_organization(&organization.id);
        let events = vec![
            Event::NodeChanged(member, What::Deleted),
            Event::NodeChanged(organization.root, What::Deleted),
            Event::OrganizationChanged(organization.id, What::Deleted),
        ];
        (Output::Done, events)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::op::Command;
    use crate::domain::op::testing::{
        ADMIN, BOB, Cluster, EXT, MANAGEMENT, ORGANIZATION, OWNER, check_rows,
    };

    fn delete(id: &str) -> Command {
        Command::DeleteOrganization(DeleteOrganization {
            id: id.parse().unwrap(),
        })
    }

    #[test]
    fn delete_organization_refuses_in_the_order_of_its_checks() {
        let mut cluster = Cluster::new();
        cluster.organize(OWNER);
        check_rows(vec![
            (
                "no permission, not there",
                cluster.refusal(BOB, delete("o-none")),
                "AccessDeniedException",
                "organizations:DeleteOrganization",
            ),
            (
                "a member's administrator",
                cluster.refusal(ADMIN, delete(ORGANIZATION)),
                "AccessDeniedException",
                "organizations:DeleteOrganization",
            ),
            (
                "a service",
                cluster.refusal("ec2.amazonaws.com", delete(ORGANIZATION)),
                "AccessDeniedException",
                "operator",
            ),
            (
                "another account's user",
                cluster.refusal(EXT, delete(ORGANIZATION)),
                "AccessDeniedException",
                "organizations:DeleteOrganization",
            ),
            (
                "not there",
                cluster.refusal("operator", delete("o-none")),
                "NoSuchEntity",
                "The organization o-none cannot be found.",
            ),
            (
                "with a member",
                cluster.refusal("operator", delete(ORGANIZATION)),
                "DeleteConflict",
                "must remove member accounts",
            ),
        ]);
        cluster.leave(OWNER);
        cluster.done(MANAGEMENT, delete(ORGANIZATION));
        assert_eq!(cluster.state.organization_count(), 0);
        assert!(cluster.state.node(&"r-root".parse().unwrap()).is_none());
    }
}
