//! `ListDuplicateGrants`: reports the grants of a key that are equal in all but id, name and time.
//!
//! After one of them is revoked the others still allow, which is easily overlooked. AWS has no such call.

use super::Page;
use super::context::{Context, Question};
use super::grants::ListedGrant;
use super::page::{Cursor, Sizes};
use super::refusal::{Said, refusals};
use super::{Answer, Paged};
use crate::domain::authz::Denied;
use crate::domain::authz::request::Parameters;
use crate::domain::authz::resolve::Unresolved;
use crate::domain::effort::spend;
use crate::domain::ids::{AccountId, GrantId, KeyRef};
use crate::domain::limits::DUPLICATES_SHOWN_MAX;
use crate::domain::policy::KmsAction;
use crate::domain::state::grant::{Grant, GrantConstraints, GrantOperations, GrantPrincipal};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Reports the grants of a key that are equal in all but id, name and time.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ListDuplicateGrants {
    /// The key as the caller named it.
    pub key: KeyRef,
    /// Which page (G-32).
    pub page: Page,
}

/// Grants that are equal in all but id, name and time.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Duplicates {
    /// The one with the smallest id.
    pub grant: ListedGrant,
    /// How many there are, that one included.
    pub count: u32,
    /// The ids of the others, in order, at most [`DUPLICATES_SHOWN_MAX`] of them.
    pub others: Vec<GrantId>,
}

/// What it costs to compare a grant with the others, in units of [`crate::domain::effort::Effort`].
const WORK_OF_GRANT: u64 = 300;

refusals! {
    /// Why ListDuplicateGrants is refused, in the order of its checks.
    Refusal {
        /// No such key.
        Key(Unresolved),
        /// A limit or marker that cannot be.
        Page(Said),
        /// Not permitted.
        Denied(Denied),
    }
}

/// All that two grants of a key must share to be duplicates.
type Likeness<'a> = (
    &'a GrantPrincipal,
    Option<&'a GrantPrincipal>,
    GrantOperations,
    &'a GrantConstraints,
    AccountId,
);

fn likeness(grant: &Grant) -> Likeness<'_> {
    (
        &grant.grantee,
        grant.retiring.as_ref(),
        grant.operations,
        &grant.constraints,
        grant.issuing_account,
    )
}

impl Question for ListDuplicateGrants {
    type Refusal = Refusal;

    fn answer(&self, cx: &Context<'_>) -> Result<Answer, Refusal> {
        let key = cx.key_without_alias(&self.key)?;
        let listing = format!("duplicate grants of {}", key.arn);
        let cursor: Cursor<GrantId> =
            Cursor::read(&self.page, Sizes::OWN_GRANTS, &listing).map_err(Refusal::Page)?;
        cx.allow_key(KmsAction::ListGrants, key, Parameters::NONE)?;
        // All of the key are compared, at most as many as its quota: a report that is asked for seldom pays for itself.
        let mut alike: BTreeMap<Likeness<'_>, Vec<&Arc<Grant>>> = BTreeMap::new();
        let grants = cx.state.grants().of_key(&key.arn, None);
        let grants = grants.take_while(|_| spend(cx.effort, WORK_OF_GRANT));
        for grant in grants.filter(|grant| !grant.is_expired(cx.now)) {
            alike.entry(likeness(grant)).or_default().push(grant);
        }
        let groups: BTreeMap<GrantId, Vec<&Arc<Grant>>> = alike
            .into_values()
            .filter(|group| group.len() > 1)
            .filter_map(|group| Some((group.first()?.id, group)))
            .collect();
        let after = cursor.after;
        let rest = groups
            .into_iter()
            .filter(|(id, _)| after.is_none_or(|after| *id > after));
        let show = |(_, group): &(GrantId, Vec<&Arc<Grant>>)| {
            let (first, others) = group.split_first()?;
            Some(Duplicates {
                grant: ListedGrant::of(cx, first)?,
                count: u32::try_from(group.len()).unwrap_or(u32::MAX),
                others: others
                    .iter()
                    .take(DUPLICATES_SHOWN_MAX)
                    .map(|grant| grant.id)
                    .collect(),
            })
        };
        let paged: Paged<Duplicates> = cursor.page(rest, |(id, _)| *id, show);
        Ok(Answer::Duplicates(paged))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::op::testing::{
        ADMIN, BOB, CAROL, Cluster, all_pages, check_rows, create_grant, key, page,
    };
    use crate::domain::op::{Command, Query};

    fn list(key: KeyRef, page: Page) -> Query {
        Query::ListDuplicateGrants(ListDuplicateGrants { key, page })
    }

    /// in the order of its checks.
    #[test]
    fn list_duplicate_grants_refuses_in_the_order_of_its_checks() {
        let cluster = Cluster::new();
        let no = |who: &str, question| cluster.ask(who, question).unwrap_err();
        check_rows(vec![
            (
                "no such key",
                no(BOB, list(key(9), page(0, None))),
                "NotFoundException",
                "does not exist",
            ),
            (
                "no entry a page",
                no(BOB, list(key(1), page(0, None))),
                "ValidationException",
                "limit",
            ),
            (
                "no permission",
                no(BOB, list(key(1), page(1, None))),
                "AccessDeniedException",
                "kms:ListGrants",
            ),
        ]);
    }

    /// X-1, G-16: grants that differ in name, id and time alone are duplicates; those that differ in anything else are not.
    #[test]
    fn grants_equal_in_all_but_name_and_time_are_reported_once() {
        let mut cluster = Cluster::new();
        let mut make =
            |n: u8, change: &dyn Fn(&mut crate::domain::op::create_grant::CreateGrant)| {
                let mut grant = create_grant(n, BOB);
                change(&mut grant);
                cluster.now += 1;
                cluster.done(ADMIN, Command::CreateGrant(grant));
            };
        make(9, &|_| ());
        make(5, &|g| g.name = Some("n".into()));
        make(7, &|g| g.operations = vec![g.operations[0]; 2]);
        make(1, &|g| g.grantee = Some(CAROL.into()));
        make(2, &|g| g.retiring = Some(CAROL.into()));
        make(3, &|g| g.retiring = Some(CAROL.into()));
        make(4, &|g| {
            g.source_arn = Some("arn:aws:lambda:eu-west-1:111122223333:function:f".into())
        });
        for limit in [1, 50] {
            let (all, pages) = all_pages(
                |page| match cluster.ask(ADMIN, list(key(1), page)) {
                    Ok(Answer::Duplicates(paged)) => paged,
                    other => panic!("{other:?}"),
                },
                limit,
            );
            let told: Vec<(u8, u32, Vec<u8>)> = all
                .iter()
                .map(|group| {
                    let others = group.others.iter().map(|id| id.0[0]).collect();
                    (group.grant.id.0[0], group.count, others)
                })
                .collect();
            assert_eq!(told, [(2, 2, vec![3]), (5, 3, vec![7, 9])]);
            assert_eq!(pages, if limit == 1 { 2 } else { 1 });
        }
    }
}
