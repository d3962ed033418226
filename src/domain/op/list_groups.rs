//! `ListGroups`: lists the groups of the caller's account (`iam:ListGroups`).

use super::context::{Context, Question};
use super::page::{Cursor, Sizes};
use super::refusal::{Said, refusals, said};
use super::table::Operation;
use super::{Answer, ErrorCode, Page};
use crate::domain::authz::Denied;
use crate::domain::authz::request::Parameters;
use crate::domain::ids::GroupArn;
use crate::domain::state::principal::PrincipalType;

/// Lists the groups of the caller's account (`iam:ListGroups`).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ListGroups {
    /// Which page (G-32).
    pub page: Page,
}

refusals! {
    /// Why ListGroups is refused, in the order of its checks.
    Refusal {
        /// The caller is in no account.
        NoAccount(Said),
        /// A limit or marker that cannot be.
        Page(Said),
        /// Not permitted.
        Denied(Denied),
    }
}

impl Question for ListGroups {
    type Refusal = Refusal;

    fn answer(&self, cx: &Context<'_>) -> Result<Answer, Refusal> {
        let account = cx.caller.identity.account().ok_or_else(|| {
            let why = "the caller is in no account: name one by calling as a principal of it";
            Refusal::NoAccount(said(ErrorCode::Validation, why))
        })?;
        let listing = format!("groups of {account}");
        let cursor: Cursor<GroupArn> =
            Cursor::read(&self.page, Sizes::KEYS, &listing).map_err(Refusal::Page)?;
        let action = Operation::ListGroups.action(PrincipalType::User);
        cx.allow_account(action, account, Parameters::NONE)?;
        let after = cursor.after.clone();
        let groups = cx.state.groups(account, after.as_ref());
        let paged = cursor.page(groups, |g| g.arn.clone(), |g| Some((***g).clone()));
        Ok(Answer::Groups(paged))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::op::Query;
    use crate::domain::op::testing::{ADMIN, BOB, Cluster, all_pages, check_rows, page};

    fn list(page: Page) -> Query {
        Query::ListGroups(ListGroups { page })
    }

    #[test]
    fn list_groups_refuses_in_the_order_of_its_checks() {
        let mut cluster = Cluster::new();
        let no = |who| cluster.ask(who, list(page(0, None))).unwrap_err();
        check_rows(vec![
            (
                "the operator, no entry a page",
                no("operator"),
                "ValidationException",
                "no account",
            ),
            (
                "no entry a page, no permission",
                no(BOB),
                "ValidationException",
                "limit",
            ),
            (
                "no permission",
                cluster.ask(BOB, list(page(1, None))).unwrap_err(),
                "AccessDeniedException",
                "iam:ListGroups",
            ),
        ]);
        cluster.make_group("b", &[]);
        cluster.make_group("a", &[BOB]);
        let (all, pages) = all_pages(
            |page| match cluster.ask(ADMIN, list(page)) {
                Ok(Answer::Groups(groups)) => groups,
                other => panic!("{other:?}"),
            },
            1,
        );
        let names: Vec<&str> = all.iter().map(|group| group.arn.name()).collect();
        assert_eq!((names, pages), (vec!["a", "b"], 2));
    }
}
