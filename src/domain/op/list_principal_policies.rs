//! `ListPrincipalPolicies`: lists the names of the identity policies of a user or a role (`iam:ListUserPolicies`, `iam:ListRolePolicies`).

use super::Page;
use super::context::{Context, Question};
use super::page::{Cursor, Sizes};
use super::refusal::{Said, refusals};
use super::table::Operation;
use super::{Answer, identity};
use crate::domain::authz::Denied;
use crate::domain::authz::request::Parameters;
use crate::domain::ids::PrincipalArn;

/// Lists the names of the identity policies of a user or a role (`iam:ListUserPolicies`, `iam:ListRolePolicies`).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ListPrincipalPolicies {
    /// User or role ARN.
    pub arn: PrincipalArn,
    /// Which page (G-32).
    pub page: Page,
}

refusals! {
    /// Why ListPrincipalPolicies is refused, in the order of its checks.
    Refusal {
        /// No user or role, or a limit or marker that cannot be.
        Shape(Said),
        /// Not permitted.
        Denied(Denied),
        /// It is not there.
        NotThere(Said),
    }
}

impl Question for ListPrincipalPolicies {
    type Refusal = Refusal;

    fn answer(&self, cx: &Context<'_>) -> Result<Answer, Refusal> {
        let kind = identity::kind_of(&self.arn).map_err(Refusal::Shape)?;
        let listing = format!("policies of {}", self.arn);
        let cursor = Cursor::read(&self.page, Sizes::KEYS, &listing).map_err(Refusal::Shape)?;
        identity::allow(
            cx,
            Operation::ListPrincipalPolicies,
            kind,
            &self.arn,
            Parameters::NONE,
        )?;
        let principal = identity::existing(cx, &self.arn).map_err(Refusal::NotThere)?;
        Ok(Answer::PolicyNames(cursor.names(principal.policies.keys())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::op::Query;
    use crate::domain::op::testing::{
        ADMIN, BOB, Cluster, OWNER, all_pages, arn, check_rows, page,
    };

    fn list(text: &str, page: Page) -> Query {
        let arn = arn(text);
        Query::ListPrincipalPolicies(ListPrincipalPolicies { arn, page })
    }

    #[test]
    fn list_principal_policies_refuses_in_the_order_of_its_checks() {
        let cluster = Cluster::new();
        let nobody = format!("arn:aws:iam::{OWNER}:user/nobody");
        check_rows(vec![
            (
                "the root",
                cluster
                    .ask(
                        BOB,
                        list(&format!("arn:aws:iam::{OWNER}:root"), page(0, None)),
                    )
                    .unwrap_err(),
                "ValidationException",
                "neither",
            ),
            (
                "no entry a page",
                cluster.ask(BOB, list(&nobody, page(0, None))).unwrap_err(),
                "ValidationException",
                "limit",
            ),
            (
                "no permission",
                cluster.ask(BOB, list(&nobody, page(1, None))).unwrap_err(),
                "AccessDeniedException",
                "iam:ListUserPolicies",
            ),
            (
                "not there",
                cluster
                    .ask(ADMIN, list(&nobody, page(1, None)))
                    .unwrap_err(),
                "NoSuchEntity",
                "nobody",
            ),
        ]);
        let (names, pages) = all_pages(
            |page| match cluster.ask(ADMIN, list(ADMIN, page)) {
                Ok(Answer::PolicyNames(paged)) => paged,
                other => panic!("{other:?}"),
            },
            1,
        );
        assert_eq!((names, pages), (vec!["test".into()], 1));
    }
}
