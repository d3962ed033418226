//! `ListPrincipals`: lists the users or the roles of the caller's account (`iam:ListUsers`, `iam:ListRoles`).

use super::Page;
use super::context::{Context, Question};
use super::page::{Cursor, Sizes};
use super::refusal::{Said, refusals, said};
use super::table::Operation;
use super::{Answer, ErrorCode};
use crate::domain::authz::Denied;
use crate::domain::authz::request::Parameters;
use crate::domain::ids::PrincipalArn;
use crate::domain::state::principal::PrincipalType;

/// Lists the users or the roles of the caller's account (`iam:ListUsers`, `iam:ListRoles`).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ListPrincipals {
    /// Users or roles.
    pub kind: PrincipalType,
    /// Which page (G-32).
    pub page: Page,
}

refusals! {
    /// Why ListPrincipals is refused, in the order of its checks.
    Refusal {
        /// A limit or marker that cannot be.
        Page(Said),
        /// The caller is in no account.
        NoAccount(Said),
        /// Not permitted.
        Denied(Denied),
    }
}

impl Question for ListPrincipals {
    type Refusal = Refusal;

    fn answer(&self, cx: &Context<'_>) -> Result<Answer, Refusal> {
        let account = cx.caller.identity.account().ok_or_else(|| {
            let why = "the caller is in no account: name one by calling as a principal of it";
            Refusal::NoAccount(said(ErrorCode::Validation, why))
        })?;
        let listing = format!("{} of {account}", self.kind);
        let cursor: Cursor<PrincipalArn> =
            Cursor::read(&self.page, Sizes::KEYS, &listing).map_err(Refusal::Page)?;
        let action = Operation::ListPrincipals.action(self.kind);
        cx.allow_account(action, account, Parameters::NONE)?;
        let after = cursor.after.clone();
        let principals = cx.state.principals(account, self.kind, after.as_ref());
        let paged = cursor.page(principals, |p| p.arn.clone(), |p| Some((***p).clone()));
        Ok(Answer::Principals(paged))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::op::Page;
    use crate::domain::op::Query;
    use crate::domain::op::testing::{
        ADMIN, APP, BOB, CAROL, Cluster, all_pages, check_rows, page,
    };

    fn list(kind: PrincipalType, page: Page) -> Query {
        Query::ListPrincipals(ListPrincipals { kind, page })
    }

    #[test]
    fn list_principals_refuses_in_the_order_of_its_checks() {
        let cluster = Cluster::new();
        let users = PrincipalType::User;
        check_rows(vec![
            (
                "the operator",
                cluster
                    .ask("operator", list(users, page(0, None)))
                    .unwrap_err(),
                "ValidationException",
                "no account",
            ),
            (
                "no entry a page",
                cluster.ask(BOB, list(users, page(0, None))).unwrap_err(),
                "ValidationException",
                "limit",
            ),
            (
                "no permission",
                cluster.ask(BOB, list(users, page(1, None))).unwrap_err(),
                "AccessDeniedException",
                "iam:ListUsers",
            ),
        ]);
    }

    #[test]
    fn users_and_roles_of_the_account_are_listed_apart() {
        let cluster = Cluster::new();
        let all = |kind| {
            all_pages(
                |page| match cluster.ask(ADMIN, list(kind, page)) {
                    Ok(Answer::Principals(paged)) => paged,
                    other => panic!("{other:?}"),
                },
                2,
            )
        };
        let texts = |kind| {
            all(kind)
                .0
                .iter()
                .map(|p| p.arn.to_string())
                .collect::<Vec<_>>()
        };
        assert_eq!(texts(PrincipalType::User), [ADMIN, BOB, CAROL]);
        assert_eq!(texts(PrincipalType::Role), [APP]);
    }
}
