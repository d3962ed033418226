//! `ListOrganizations`: lists the organizations; for the operator alone.

use super::context::{Context, Question};
use super::page::{Cursor, Sizes};
use super::refusal::{Said, refusals};
use super::{Answer, Page};
use crate::domain::authz::{Denied, require_operator};
use crate::domain::ids::OrganizationId;

/// Lists the organizations; for the operator alone.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ListOrganizations {
    /// Which page (G-32).
    pub page: Page,
}

refusals! {
    /// Why ListOrganizations is refused, in the order of its checks.
    Refusal {
        /// A limit or marker that cannot be.
        Page(Said),
        /// It is for the operator.
        Denied(Denied),
    }
}

impl Question for ListOrganizations {
    type Refusal = Refusal;

    fn answer(&self, cx: &Context<'_>) -> Result<Answer, Refusal> {
        let cursor: Cursor<OrganizationId> =
            Cursor::read(&self.page, Sizes::KEYS, "organizations").map_err(Refusal::Page)?;
        require_operator(cx.caller, "grantd:ListOrganizations")?;
        let after = cursor.after.clone();
        let organizations = cx.state.organizations(after.as_ref());
        let paged = cursor.page(organizations, |o| o.id.clone(), |o| Some((***o).clone()));
        Ok(Answer::Organizations(paged))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::op::Query;
    use crate::domain::op::testing::{ADMIN, Cluster, ORGANIZATION, OWNER, check_rows, page};

    #[test]
    fn list_organizations_refuses_in_the_order_of_its_checks() {
        let mut cluster = Cluster::new();
        cluster.organize(OWNER);
        let list = |page| Query::ListOrganizations(ListOrganizations { page });
        check_rows(vec![
            (
                "no entry a page, not the operator",
                cluster.ask(ADMIN, list(page(0, None))).unwrap_err(),
                "ValidationException",
                "limit",
            ),
            (
                "not the operator",
                cluster.ask(ADMIN, list(page(1, None))).unwrap_err(),
                "AccessDeniedException",
                "operator",
            ),
        ]);
        let Ok(Answer::Organizations(all)) = cluster.ask("operator", list(page(1, None))) else {
            panic!("refused")
        };
        assert_eq!(all.items.len(), 1);
        assert_eq!(all.items[0].id.as_str(), ORGANIZATION);
        assert_eq!(all.next, None);
    }
}
