//! `CreateOrganizationalUnit`: makes a unit below a root or another unit.

use super::context::{Change, Context};
use super::refusal::{Said, refusals, said};
use super::table::Operation;
use super::{Change as What, ErrorCode, Event, Output, organizations};
use crate::domain::authz::{Allowed, Denied};
use crate::domain::ids::NodeId;
use crate::domain::limits::{UNIT_DEPTH_MAX, UNITS_PER_ORGANIZATION_MAX};
use crate::domain::state::State;
use crate::domain::state::organization::{ControlKind, Node};
use std::sync::Arc;

/// Makes a unit below a root or another unit (`organizations:CreateOrganizationalUnit`).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CreateOrganizationalUnit {
    /// Its id, drawn before the log.
    pub id: NodeId,
    /// What it stands below.
    pub parent: NodeId,
    /// Its name: unique below its parent.
    pub name: Arc<str>,
}

refusals! {
    /// Why CreateOrganizationalUnit is refused, in the order of its checks.
    Refusal {
        /// An id that is no unit's, an account as parent, or a name that cannot be.
        Shape(Said),
        /// Not permitted.
        Denied(Denied),
        /// The parent is not there.
        NotThere(Said),
        /// A unit of this name or id is there.
        Exists(Said),
        /// Too deep, or one too many.
        TooMany(Said),
    }
}

impl Change for CreateOrganizationalUnit {
    type Refusal = Refusal;
    type Plan = Node;

    fn plan(&self, cx: &Context<'_>) -> Result<(Allowed, Node), Refusal> {
        let Self { id, parent, name } = self;
        if !matches!(id, NodeId::Unit(_)) {
            let why = format!("`{id}` is no organizational unit");
            return Err(Refusal::Shape(said(ErrorCode::Validation, why)));
        }
        organizations::check_parent(parent).map_err(Refusal::Shape)?;
        organizations::check_name(name, "name").map_err(Refusal::Shape)?;
        let organization = organizations::of_node(cx, parent);
        let allowed = organizations::allow(cx, Operation::CreateOrganizationalUnit, organization)?;
        let above = organizations::existing_node(cx, parent).map_err(Refusal::NotThere)?;
        let mut units = cx
            .state
            .children(parent, None)
            .take_while(|node| matches!(node.id, NodeId::Unit(_)));
        if units.any(|unit| unit.name == *name) || cx.state.node(id).is_some() {
            return Err(Refusal::Exists(said(
                ErrorCode::EntityAlreadyExists,
                format_args!(
                    "An organizational unit with name {name} already exists below {parent}."
                ),
            )));
        }
        let too_many = |quota: &str, max: usize| {
            let why = format!("Cannot exceed quota for {quota}: {max}");
            Refusal::TooMany(said(ErrorCode::QuotaExceeded, why))
        };
        // The root is not a unit: as many nodes from here up as units with the new one.
        if cx.state.ancestry(Some(above)).count() > UNIT_DEPTH_MAX {
            return Err(too_many("OrganizationalUnitDepth", UNIT_DEPTH_MAX));
        }
        if cx.state.unit_count(&above.organization) >= UNITS_PER_ORGANIZATION_MAX {
            let max = UNITS_PER_ORGANIZATION_MAX;
            return Err(too_many("OrganizationalUnitsPerOrganization", max));
        }
        let unit = Node {
            id: id.clone(),
            organization: above.organization.clone(),
            parent: Some(parent.clone()),
            name: Arc::clone(name),
            created_at: cx.now,
            born: cx.at,
            service_control: ControlKind::Service.full_access(),
            resource_control: ControlKind::Resource.full_access(),
        };
        Ok((allowed, unit))
    }

    fn enact(unit: Node, state: &mut State) -> (Output, Vec<Event>) {
        state.put_node(Arc::new(unit.clone()));
        let events = vec![Event::NodeChanged(unit.id.clone(), What::Created)];
        (Output::Node(unit), events)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::op::Command;
    use crate::domain::op::testing::{ADMIN, Cluster, MANAGEMENT, OWNER, check_rows};

    fn create(id: &str, parent: &str, name: &str) -> Command {
        Command::CreateOrganizationalUnit(CreateOrganizationalUnit {
            id: id.parse().unwrap(),
            parent: parent.parse().unwrap(),
            name: name.into(),
        })
    }

    #[test]
    fn create_organizational_unit_refuses_in_the_order_of_its_checks() {
        let mut cluster = Cluster::new();
        cluster.organize(OWNER);
        cluster.done(MANAGEMENT, create("ou-root-1", "r-root", "one"));
        let no = |who, command| cluster.refusal(who, command);
        check_rows(vec![
            (
                "a root's id",
                no(ADMIN, create("r-x", "r-root", "two")),
                "ValidationException",
                "no organizational unit",
            ),
            (
                "below an account",
                no(ADMIN, create("ou-root-2", OWNER, "two")),
                "ValidationException",
                "nothing stands below an account",
            ),
            (
                "no name",
                no(ADMIN, create("ou-root-2", "r-root", "")),
                "ValidationException",
                "at 'name'",
            ),
            (
                "a member's administrator",
                no(ADMIN, create("ou-root-2", "r-root", "one")),
                "AccessDeniedException",
                "organizations:CreateOrganizationalUnit",
            ),
            (
                "no parent",
                no(MANAGEMENT, create("ou-root-2", "ou-root-9", "one")),
                "NoSuchEntity",
                "The organizational unit ou-root-9 cannot be found.",
            ),
            (
                "a name in use",
                no(MANAGEMENT, create("ou-root-2", "r-root", "one")),
                "EntityAlreadyExists",
                "already exists below r-root",
            ),
            (
                "an id in use",
                no(MANAGEMENT, create("ou-root-1", "r-root", "two")),
                "EntityAlreadyExists",
                "already exists",
            ),
        ]);
    }

    #[test]
    fn unit_too_deep_and_unit_past_the_last_are_refused() {
        let mut cluster = Cluster::new();
        cluster.organize(OWNER);
        let mut parent = "r-root".to_owned();
        for depth in 1..=UNIT_DEPTH_MAX {
            let id = format!("ou-root-d{depth}");
            cluster.done(MANAGEMENT, create(&id, &parent, "down"));
            parent = id;
        }
        let (code, why) = cluster.refusal(MANAGEMENT, create("ou-root-d6", &parent, "down"));
        assert!(code == "LimitExceeded" && why.contains("Depth: 5"), "{why}");
        for n in UNIT_DEPTH_MAX..UNITS_PER_ORGANIZATION_MAX {
            let mut unit = (**cluster.state.node(&"ou-root-d1".parse().unwrap()).unwrap()).clone();
            unit.id = format!("ou-root-n{n}").parse().unwrap();
            unit.name = format!("n{n}").into();
            cluster.state.put_node(Arc::new(unit));
        }
        let (code, why) = cluster.refusal(MANAGEMENT, create("ou-root-x", "r-root", "more"));
        assert!(code == "LimitExceeded" && why.contains("2000"), "{why}");
    }
}
