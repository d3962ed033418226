//! `ListGroupsForUser`: lists the groups that a user is in (`iam:ListGroupsForUser`).

use super::context::{Context, Question};
use super::page::{Cursor, Sizes};
use super::refusal::{Said, refusals};
use super::table::Operation;
use super::{Answer, Page, groups, identity};
use crate::domain::authz::Denied;
use crate::domain::authz::request::Parameters;
use crate::domain::ids::{GroupArn, PrincipalArn};
use crate::domain::state::principal::PrincipalType;

/// Lists the groups that a user is in (`iam:ListGroupsForUser`).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ListGroupsForUser {
    /// The user's ARN.
    pub user: PrincipalArn,
    /// Which page (G-32).
    pub page: Page,
}

refusals! {
    /// Why ListGroupsForUser is refused, in the order of its checks.
    Refusal {
        /// No user, or a limit or marker that cannot be.
        Shape(Said),
        /// Not permitted.
        Denied(Denied),
        /// It is not there.
        NotThere(Said),
    }
}

impl Question for ListGroupsForUser {
    type Refusal = Refusal;

    fn answer(&self, cx: &Context<'_>) -> Result<Answer, Refusal> {
        groups::check_user(&self.user).map_err(Refusal::Shape)?;
        let listing = format!("groups of {}", self.user);
        let cursor: Cursor<GroupArn> =
            Cursor::read(&self.page, Sizes::KEYS, &listing).map_err(Refusal::Shape)?;
        let operation = Operation::ListGroupsForUser;
        identity::allow(
            cx,
            operation,
            PrincipalType::User,
            &self.user,
            Parameters::NONE,
        )?;
        let user = identity::existing(cx, &self.user).map_err(Refusal::NotThere)?;
        let after = cursor.after.clone();
        let groups = user
            .groups
            .iter()
            .filter(|arn| after.as_ref().is_none_or(|after| *arn > after))
            .filter_map(|arn| cx.state.group(arn));
        let paged = cursor.page(groups, |g| g.arn.clone(), |g| Some((***g).clone()));
        Ok(Answer::Groups(paged))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::op::Query;
    use crate::domain::op::testing::{
        ADMIN, APP, BOB, Cluster, OWNER, all_pages, arn, check_rows, page,
    };

    fn list(user: &str, page: Page) -> Query {
        let user = arn(user);
        Query::ListGroupsForUser(ListGroupsForUser { user, page })
    }

    #[test]
    fn list_groups_for_user_refuses_in_the_order_of_its_checks() {
        let mut cluster = Cluster::new();
        let nobody = format!("arn:aws:iam::{OWNER}:user/nobody");
        let no = |who, question| cluster.ask(who, question).unwrap_err();
        check_rows(vec![
            (
                "a role, no entry a page",
                no(BOB, list(APP, page(0, None))),
                "ValidationException",
                "only users",
            ),
            (
                "no entry a page, no permission",
                no(BOB, list(&nobody, page(0, None))),
                "ValidationException",
                "limit",
            ),
            (
                "no permission, not there",
                no(BOB, list(&nobody, page(1, None))),
                "AccessDeniedException",
                "iam:ListGroupsForUser",
            ),
            (
                "not there",
                no(ADMIN, list(&nobody, page(1, None))),
                "NoSuchEntity",
                "The user with name nobody",
            ),
        ]);
        for name in ["b", "a", "c"] {
            cluster.make_group(name, &[BOB]);
        }
        cluster.make_group("d", &[]);
        let (all, pages) = all_pages(
            |page| match cluster.ask(ADMIN, list(BOB, page)) {
                Ok(Answer::Groups(groups)) => groups,
                other => panic!("{other:?}"),
            },
            2,
        );
        let names: Vec<&str> = all.iter().map(|group| group.arn.name()).collect();
        assert_eq!((names, pages), (vec!["a", "b", "c"], 2));
    }
}
