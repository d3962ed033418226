//! `ListNodes`: lists the units and accounts right below a root or unit.

use super::context::{Context, Question};
use super::page::{Cursor, Sizes};
use super::refusal::{Said, refusals};
use super::table::Operation;
use super::{Answer, Page, organizations};
use crate::domain::authz::Denied;
use crate::domain::ids::NodeId;

/// Lists the units and accounts right below a root or unit (`organizations:ListChildren`).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ListNodes {
    /// A root or a unit.
    pub parent: NodeId,
    /// Which page (G-32).
    pub page: Page,
}

refusals! {
    /// Why ListNodes is refused, in the order of its checks.
    Refusal {
        /// An account, or a limit or marker that cannot be.
        Shape(Said),
        /// Not permitted.
        Denied(Denied),
        /// It is not there.
        NotThere(Said),
    }
}

impl Question for ListNodes {
    type Refusal = Refusal;

    fn answer(&self, cx: &Context<'_>) -> Result<Answer, Refusal> {
        organizations::check_parent(&self.parent).map_err(Refusal::Shape)?;
        let listing = format!("nodes below {}", self.parent);
        let cursor: Cursor<NodeId> =
            Cursor::read(&self.page, Sizes::KEYS, &listing).map_err(Refusal::Shape)?;
        let organization = organizations::of_node(cx, &self.parent);
        organizations::allow(cx, Operation::ListNodes, organization)?;
        organizations::existing_node(cx, &self.parent).map_err(Refusal::NotThere)?;
        let after = cursor.after.clone();
        let nodes = cx.state.children(&self.parent, after.as_ref());
        let paged = cursor.page(nodes, |n| n.id.clone(), |n| Some((***n).clone()));
        Ok(Answer::Nodes(paged))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::op::Query;
    use crate::domain::op::testing::{
        ADMIN, Cluster, MANAGEMENT, OWNER, all_pages, check_rows, page,
    };

    fn list(parent: &str, page: Page) -> Query {
        let parent = parent.parse().unwrap();
        Query::ListNodes(ListNodes { parent, page })
    }

    #[test]
    fn list_nodes_refuses_in_the_order_of_its_checks() {
        let mut cluster = Cluster::new();
        cluster.organize(OWNER);
        cluster.make_unit("ou-root-1", "r-root");
        let no = |who, question| cluster.ask(who, question).unwrap_err();
        check_rows(vec![
            (
                "an account, no entry a page",
                no(ADMIN, list(OWNER, page(0, None))),
                "ValidationException",
                "parentId",
            ),
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
                "organizations:ListChildren",
            ),
            (
                "not there",
                no(MANAGEMENT, list("r-none", page(1, None))),
                "NoSuchEntity",
                "The root r-none",
            ),
        ]);
        let (all, pages) = all_pages(
            |page| match cluster.ask(MANAGEMENT, list("r-root", page)) {
                Ok(Answer::Nodes(nodes)) => nodes,
                other => panic!("{other:?}"),
            },
            1,
        );
        let ids: Vec<String> = all.iter().map(|node| node.id.to_string()).collect();
        assert_eq!(
            (ids.join(" "), pages),
            (format!("ou-root-1 {OWNER} 777788889999"), 3)
        );
    }
}
