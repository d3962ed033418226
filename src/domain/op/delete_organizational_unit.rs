//! `DeleteOrganizationalUnit`: removes a unit that nothing stands below.

use super::context::{Change, Context};
use super::refusal::{Said, bad_member, refusals, said};
use super::table::Operation;
use super::{Change as What, ErrorCode, Event, Output, organizations};
use crate::domain::authz::{Allowed, Denied};
use crate::domain::ids::NodeId;
use crate::domain::state::State;

/// Removes a unit that nothing stands below, with its control policies (`organizations:DeleteOrganizationalUnit`).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DeleteOrganizationalUnit {
    /// Which.
    pub id: NodeId,
}

refusals! {
    /// Why DeleteOrganizationalUnit is refused, in the order of its checks.
    Refusal {
        /// No unit.
        Shape(Said),
        /// Not permitted.
        Denied(Denied),
        /// It is not there.
        NotThere(Said),
        /// Something stands below it.
        NotEmpty(Said),
    }
}

impl Change for DeleteOrganizationalUnit {
    type Refusal = Refusal;
    type Plan = NodeId;

    fn plan(&self, cx: &Context<'_>) -> Result<(Allowed, NodeId), Refusal> {
        if !matches!(self.id, NodeId::Unit(_)) {
            let must = "be an organizational unit";
            return Err(Refusal::Shape(bad_member(&self.id, "id", must)));
        }
        let organization = organizations::of_node(cx, &self.id);
        let allowed = organizations::allow(cx, Operation::DeleteOrganizationalUnit, organization)?;
        organizations::existing_node(cx, &self.id).map_err(Refusal::NotThere)?;
        if cx.state.children(&self.id, None).next().is_some() {
            return Err(Refusal::NotEmpty(said(
                ErrorCode::DeleteConflict,
                "Cannot delete entity, must move accounts and organizational units out of it first.",
            )));
        }
        Ok((allowed, self.id.clone()))
    }

    fn enact(id: NodeId, state: &mut State) -> (Output, Vec<Event>) {
        state.take_node(&id);
        (Output::Done, vec![Event::NodeChanged(id, What::Deleted)])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::op::Command;
    use crate::domain::op::testing::{ADMIN, Cluster, MANAGEMENT, OWNER, check_rows};

    fn delete(id: &str) -> Command {
        Command::DeleteOrganizationalUnit(DeleteOrganizationalUnit {
            id: id.parse().unwrap(),
        })
    }

    #[test]
    fn delete_organizational_unit_refuses_in_the_order_of_its_checks() {
        let mut cluster = Cluster::new();
        cluster.organize(OWNER);
        cluster.make_unit("ou-root-1", "r-root");
        cluster.make_unit("ou-root-2", "ou-root-1");
        check_rows(vec![
            (
                "a root",
                cluster.refusal(ADMIN, delete("r-root")),
                "ValidationException",
                "organizational unit",
            ),
            (
                "no permission, not there",
                cluster.refusal(ADMIN, delete("ou-root-1")),
                "AccessDeniedException",
                "organizations:DeleteOrganizationalUnit",
            ),
            (
                "not there",
                cluster.refusal(MANAGEMENT, delete("ou-root-9")),
                "NoSuchEntity",
                "ou-root-9",
            ),
            (
                "not empty",
                cluster.refusal(MANAGEMENT, delete("ou-root-1")),
                "DeleteConflict",
                "move accounts",
            ),
        ]);
        cluster.done(MANAGEMENT, delete("ou-root-2"));
        cluster.done("operator", delete("ou-root-1"));
        let organization = cluster.state.organizations(None).next().unwrap();
        assert_eq!(cluster.state.unit_count(&organization.id), 0);
    }
}
