//! `GetGroup`: tells a group and its members (`iam:GetGroup`).

use super::context::{Context, Question};
use super::page::{Cursor, Sizes};
use super::refusal::{Said, refusals};
use super::table::Operation;
use super::{Answer, Page, groups};
use crate::domain::authz::Denied;
use crate::domain::ids::{GroupArn, PrincipalArn};

/// Tells a group and its members (`iam:GetGroup`).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct GetGroup {
    /// The group's ARN.
    pub arn: GroupArn,
    /// Which page of the members (G-32).
    pub page: Page,
}

refusals! {
    /// Why GetGroup is refused, in the order of its checks.
    Refusal {
        /// A limit or marker that cannot be.
        Page(Said),
        /// Not permitted.
        Denied(Denied),
        /// It is not there.
        NotThere(Said),
    }
}

impl Question for GetGroup {
    type Refusal = Refusal;

    fn answer(&self, cx: &Context<'_>) -> Result<Answer, Refusal> {
        let listing = format!("members of {}", self.arn);
        let cursor: Cursor<PrincipalArn> =
            Cursor::read(&self.page, Sizes::KEYS, &listing).map_err(Refusal::Page)?;
        groups::allow(cx, Operation::GetGroup, &self.arn)?;
        let group = groups::existing(cx, &self.arn).map_err(Refusal::NotThere)?;
        let after = cursor.after.clone();
        let members = cx.state.members(&self.arn, after.as_ref());
        let paged = cursor.page(members, |p| p.arn.clone(), |p| Some(p.arn.clone()));
        Ok(Answer::Group((**group).clone(), paged))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::op::Query;
    use crate::domain::op::testing::{
        ADMIN, BOB, CAROL, Cluster, all_pages, check_rows, group, page,
    };

    fn get(name: &str, page: Page) -> Query {
        let arn = group(name);
        Query::GetGroup(GetGroup { arn, page })
    }

    #[test]
    fn get_group_refuses_in_the_order_of_its_checks() {
        let mut cluster = Cluster::new();
        cluster.make_group("readers", &[BOB, CAROL]);
        let no = |who, question| cluster.ask(who, question).unwrap_err();
        check_rows(vec![
            (
                "no entry a page, no permission",
                no(BOB, get("nothing", page(0, None))),
                "ValidationException",
                "limit",
            ),
            (
                "no permission, not there",
                no(BOB, get("nothing", page(1, None))),
                "AccessDeniedException",
                "iam:GetGroup",
            ),
            (
                "not there",
                no(ADMIN, get("nothing", page(1, None))),
                "NoSuchEntity",
                "The group with name nothing",
            ),
        ]);
        let (users, pages) = all_pages(
            |page| match cluster.ask(ADMIN, get("readers", page)) {
                Ok(Answer::Group(group, users)) => {
                    assert_eq!(group.arn.name(), "readers");
                    users
                }
                other => panic!("{other:?}"),
            },
            1,
        );
        let users: Vec<String> = users.iter().map(ToString::to_string).collect();
        assert_eq!((users, pages), (vec![BOB.to_owned(), CAROL.to_owned()], 2));
    }
}
