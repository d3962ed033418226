//! `ListAccounts`: lists the accounts; for the operator alone.

use super::Answer;
use super::Page;
use super::context::{Context, Question};
use super::page::{Cursor, Sizes};
use super::refusal::{Said, refusals};
use crate::domain::authz::{Denied, require_operator};
use crate::domain::ids::AccountId;

/// Lists the accounts; for the operator alone.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ListAccounts {
    /// Which page (G-32).
    pub page: Page,
}

refusals! {
    /// Why ListAccounts is refused, in the order of its checks.
    Refusal {
        /// A limit or marker that cannot be.
        Page(Said),
        /// It is for the operator.
        Denied(Denied),
    }
}

impl Question for ListAccounts {
    type Refusal = Refusal;

    fn answer(&self, cx: &Context<'_>) -> Result<Answer, Refusal> {
        let cursor: Cursor<AccountId> =
            Cursor::read(&self.page, Sizes::KEYS, "accounts").map_err(Refusal::Page)?;
        require_operator(cx.caller, "grantd:ListAccounts")?;
        let accounts = cx.state.accounts(cursor.after);
        let paged = cursor.page(
            accounts,
            |account| account.id,
            |account| Some((***account).clone()),
        );
        Ok(Answer::Accounts(paged))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::op::Query;
    use crate::domain::op::testing::{ADMIN, Cluster, OTHER, OWNER, all_pages, check_rows, page};

    fn list(page: Page) -> Query {
        Query::ListAccounts(ListAccounts { page })
    }

    #[test]
    fn list_accounts_refuses_in_the_order_of_its_checks() {
        let cluster = Cluster::new();
        check_rows(vec![
            (
                "no entry a page, not the operator",
                cluster.ask(ADMIN, list(page(0, None))).unwrap_err(),
                "ValidationException",
                "limit",
            ),
            (
                "a made-up marker",
                cluster
                    .ask("operator", list(page(1, Some("x".into()))))
                    .unwrap_err(),
                "InvalidMarkerException",
                "marker",
            ),
            (
                "not the operator",
                cluster.ask(ADMIN, list(page(1, None))).unwrap_err(),
                "AccessDeniedException",
                "operator",
            ),
        ]);
    }

    #[test]
    fn accounts_are_listed_in_order_page_by_page() {
        let cluster = Cluster::new();
        let (all, pages) = all_pages(
            |page| match cluster.ask("operator", list(page)) {
                Ok(Answer::Accounts(paged)) => paged,
                other => panic!("{other:?}"),
            },
            1,
        );
        let ids: Vec<String> = all.iter().map(|account| account.id.to_string()).collect();
        assert_eq!(
            (ids, pages),
            (vec![OWNER.to_string(), OTHER.to_string()], 2)
        );
    }
}
