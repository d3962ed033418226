//! `ListControlPolicies`: lists the names of the control policies of one kind at a node.

use super::context::{Context, Question};
use super::page::{Cursor, Sizes};
use super::refusal::{Said, refusals};
use super::table::Operation;
use super::{Answer, Page, organizations};
use crate::domain::authz::Denied;
use crate::domain::ids::NodeId;
use crate::domain::state::organization::ControlKind;

/// Lists the names of the control policies of one kind at a node (`organizations:ListPoliciesForTarget`).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ListControlPolicies {
    /// Root, unit or account.
    pub node: NodeId,
    /// Service or resource control.
    pub kind: ControlKind,
    /// Which page (G-32).
    pub page: Page,
}

refusals! {
    /// Why ListControlPolicies is refused, in the order of its checks.
    Refusal {
        /// A limit or marker that cannot be.
        Page(Said),
        /// Not permitted.
        Denied(Denied),
        /// It is not there.
        NotThere(Said),
    }
}

impl Question for ListControlPolicies {
    type Refusal = Refusal;

    fn answer(&self, cx: &Context<'_>) -> Result<Answer, Refusal> {
        let listing = format!("{} of {}", self.kind, self.node);
        let cursor = Cursor::read(&self.page, Sizes::KEYS, &listing).map_err(Refusal::Page)?;
        let organization = organizations::of_node(cx, &self.node);
        organizations::allow_kind(cx, Operation::ListControlPolicies, organization, self.kind)?;
        let node = organizations::existing_node(cx, &self.node).map_err(Refusal::NotThere)?;
        let names = node.controls(self.kind).iter().map(|(name, _)| name);
        Ok(Answer::PolicyNames(cursor.names(names)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::op::testing::{
        ADMIN, ALLOW_ALL, Cluster, MANAGEMENT, OWNER, all_pages, check_rows, page,
    };
    use crate::domain::op::{Command, Query, put_control_policy};

    fn list(node: &str, page: Page) -> Query {
        Query::ListControlPolicies(ListControlPolicies {
            node: node.parse().unwrap(),
            kind: ControlKind::Service,
            page,
        })
    }

    #[test]
    fn list_control_policies_refuses_in_the_order_of_its_checks() {
        let mut cluster = Cluster::new();
        cluster.organize(OWNER);
        for name in ["b", "a"] {
            let put = put_control_policy::PutControlPolicy {
                node: "r-root".parse().unwrap(),
                kind: ControlKind::Service,
                name: name.into(),
                policy: ALLOW_ALL.into(),
            };
            cluster.done(MANAGEMENT, Command::PutControlPolicy(put));
        }
        let no = |who, question| cluster.ask(who, question).unwrap_err();
        check_rows(vec![
            (
                "no entry a page, no permission",
                no(ADMIN, list("r-root", page(0, None))),
                "ValidationException",
                "limit",
            ),
            (
                "a member's administrator",
                no(ADMIN, list("r-root", page(1, None))),
                "AccessDeniedException",
                "organizations:ListPoliciesForTarget",
            ),
            (
                "not there",
                no(MANAGEMENT, list("r-none", page(1, None))),
                "NoSuchEntity",
                "The root r-none",
            ),
        ]);
        let (names, pages) = all_pages(
            |page| match cluster.ask(MANAGEMENT, list("r-root", page)) {
                Ok(Answer::PolicyNames(names)) => names,
                other => panic!("{other:?}"),
            },
            1,
        );
        let full_access = ControlKind::Service.full_access_name();
        assert_eq!(
            (names, pages),
            (vec![full_access.into(), "a".into(), "b".into()], 3)
        );
    }
}
