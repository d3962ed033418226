//! `ListGroupPolicies`: lists the names of a group's policies (`iam:ListGroupPolicies`).

use super::context::{Context, Question};
use super::page::{Cursor, Sizes};
use super::refusal::{Said, refusals};
use super::table::Operation;
use super::{Answer, Page, groups};
use crate::domain::authz::Denied;
use crate::domain::ids::GroupArn;

/// Lists the names of a group's policies (`iam:ListGroupPolicies`).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ListGroupPolicies {
    /// The group's ARN.
    pub arn: GroupArn,
    /// Which page (G-32).
    pub page: Page,
}

refusals! {
    /// Why ListGroupPolicies is refused, in the order of its checks.
    Refusal {
        /// A limit or marker that cannot be.
        Page(Said),
        /// Not permitted.
        Denied(Denied),
        /// It is not there.
        NotThere(Said),
    }
}

impl Question for ListGroupPolicies {
    type Refusal = Refusal;

    fn answer(&self, cx: &Context<'_>) -> Result<Answer, Refusal> {
        let listing = format!("policies of {}", self.arn);
        let cursor = Cursor::read(&self.page, Sizes::KEYS, &listing).map_err(Refusal::Page)?;
        groups::allow(cx, Operation::ListGroupPolicies, &self.arn)?;
        let group = groups::existing(cx, &self.arn).map_err(Refusal::NotThere)?;
        Ok(Answer::PolicyNames(cursor.names(group.policies.keys())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::op::testing::{
        ADMIN, ALLOW_ALL, BOB, Cluster, all_pages, check_rows, group, page,
    };
    use crate::domain::op::{Command, Query, put_group_policy};

    fn list(name: &str, page: Page) -> Query {
        let arn = group(name);
        Query::ListGroupPolicies(ListGroupPolicies { arn, page })
    }

    #[test]
    fn list_group_policies_refuses_in_the_order_of_its_checks() {
        let mut cluster = Cluster::new();
        cluster.make_group("readers", &[]);
        let no = |who, question| cluster.ask(who, question).unwrap_err();
        check_rows(vec![
            (
                "no entry a page, no permission",
                no(BOB, list("nothing", page(0, None))),
                "ValidationException",
                "limit",
            ),
            (
                "no permission, not there",
                no(BOB, list("nothing", page(1, None))),
                "AccessDeniedException",
                "iam:ListGroupPolicies",
            ),
            (
                "not there",
                no(ADMIN, list("nothing", page(1, None))),
                "NoSuchEntity",
                "The group with name nothing",
            ),
        ]);
        for name in ["b", "a"] {
            let (arn, name, policy) = (group("readers"), name.into(), ALLOW_ALL.into());
            let put = put_group_policy::PutGroupPolicy { arn, name, policy };
            cluster.done(ADMIN, Command::PutGroupPolicy(put));
        }
        let (names, pages) = all_pages(
            |page| match cluster.ask(ADMIN, list("readers", page)) {
                Ok(Answer::PolicyNames(names)) => names,
                other => panic!("{other:?}"),
            },
            1,
        );
        assert_eq!((names, pages), (vec!["a".into(), "b".into()], 2));
    }
}
