//! `ListGrants`: lists the grants of a key (G-31).

use super::Page;
use super::context::{Context, Question};
use super::grants::ListedGrant;
use super::page::{Cursor, Sizes};
use super::refusal::{Said, refusals, said};
use super::{Answer, ErrorCode, grants};
use crate::domain::authz::Denied;
use crate::domain::authz::caller::Identity;
use crate::domain::authz::request::Parameters;
use crate::domain::authz::resolve::Unresolved;
use crate::domain::effort::spend;
use crate::domain::ids::KeyRef;
use crate::domain::ids::{GrantId, PrincipalArn, UniqueId};
use crate::domain::policy::KmsAction;
use crate::domain::state::grant::{Grant, GrantPrincipal};
use std::sync::Arc;

/// Lists the grants of a key (G-31).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ListGrants {
    /// The key as the caller named it (ID-6 says which forms an operation takes).
    pub key: KeyRef,
    /// Only this grant.
    pub grant_id: Option<Arc<str>>,
    /// Only grants with exactly this grantee: its ARN, or its immutable id, by which a deleted one is shown (ID-18).
    pub grantee: Option<Arc<str>>,
    /// Only grants to this service; for service callers (G-31).
    pub grantee_service: Option<Arc<str>>,
    /// Which page (G-32).
    pub page: Page,
}

refusals! {
    /// Why ListGrants is refused, in the order of its checks.
    Refusal {
        /// Filters that cannot be (G-31).
        Shape(Said),
        /// No such key.
        Key(Unresolved),
        /// A limit or marker that cannot be.
        Page(Said),
        /// Not permitted.
        Denied(Denied),
        /// The key has no such grant (U-2).
        NotThere(Said),
    }
}

impl ListGrants {
    fn check_filters(&self, cx: &Context<'_>) -> Result<(), Said> {
        if let Some(id) = &self.grant_id {
            grants::check_id(id)?;
        }
        if self.grantee.is_some() && self.grantee_service.is_some() {
            let why = "give only one of GranteePrincipal and GranteeServicePrincipal";
            return Err(said(ErrorCode::Validation, why));
        }
        if let Some(grantee) = &self.grantee
            && grantee.parse::<UniqueId>().is_err()
        {
            grantee
                .parse::<PrincipalArn>()
                .map_err(|error| said(ErrorCode::InvalidArn, error))?;
        }
        if self.grantee_service.is_some() && !matches!(cx.caller.identity, Identity::Service(_)) {
            let why = "GranteeServicePrincipal can only be used by a service";
            return Err(said(ErrorCode::Validation, why));
        }
        Ok(())
    }

    /// Whether the filters could keep a grant however it is shown: looked at first, for most are kept by none.
    fn could_keep(&self, grant: &Grant) -> bool {
        match (&self.grantee, &self.grantee_service, &grant.grantee) {
            (None, None, _) => true,
            (Some(wanted), _, GrantPrincipal::Arn { arn, unique_id }) => {
                arn.as_str() == &**wanted || unique_id.as_str() == &**wanted
            }
            (_, Some(wanted), GrantPrincipal::Service(service)) => service.as_str() == &**wanted,
            (Some(_), _, GrantPrincipal::Service(_))
            | (None, Some(_), GrantPrincipal::Arn { .. }) => false,
        }
    }

    /// The filters compare with what is shown: of a grantee that was deleted its immutable id, which whoever bears its
    /// name now does not have (ID-18).
    fn keeps(&self, listed: &ListedGrant) -> bool {
        match (&self.grantee, &listed.grantee) {
            (Some(wanted), GrantPrincipal::Arn { unique_id, .. }) => {
                !listed.is_grantee_gone || unique_id.as_str() == &**wanted
            }
            (Some(_), GrantPrincipal::Service(_)) | (None, _) => true,
        }
    }
}

impl Question for ListGrants {
    type Refusal = Refusal;

    fn answer(&self, cx: &Context<'_>) -> Result<Answer, Refusal> {
        self.check_filters(cx).map_err(Refusal::Shape)?;
        let key = cx.key_without_alias(&self.key)?;
        let filter = (&self.grantee, &self.grantee_service, &self.grant_id);
        let listing = format!("grants of {} {filter:?}", key.arn);
        let cursor: Cursor<GrantId> =
            Cursor::read(&self.page, Sizes::GRANTS, &listing).map_err(Refusal::Page)?;
        cx.allow_key(KmsAction::ListGrants, key, Parameters::NONE)?;
        let position = |grant: &Arc<Grant>| grant.id;
        let keep = |grant: &Arc<Grant>| {
            let listed = ListedGrant::of(cx, Some(grant).filter(|grant| self.could_keep(grant))?);
            listed.filter(|listed| self.keeps(listed))
        };
        let paged = match &self.grant_id {
            Some(id) => {
                let grant = grants::of_key(cx, &key.arn, id).map_err(Refusal::NotThere)?;
                cursor.page(std::iter::once(grant), position, keep)
            }
            None => {
                let grants = cx.state.grants().of_key(&key.arn, cursor.after);
                let grants = grants.take_while(|_| spend(cx.effort, grants::WORK_OF_LOOK));
                cursor.page(grants.map(Arc::clone), position, keep)
            }
        };
        Ok(Answer::Grants(paged))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::op::testing::{
        ADMIN, BOB, CAROL, Cluster, EXT, all_pages, check_rows, create_grant, create_key, key, page,
    };
    use crate::domain::op::{Command, Query};

    fn list(key: KeyRef) -> ListGrants {
        ListGrants {
            key,
            grant_id: None,
            grantee: None,
            grantee_service: None,
            page: Page::default(),
        }
    }

    fn refused(
        cluster: &Cluster,
        who: &str,
        change: impl FnOnce(&mut ListGrants),
    ) -> (&'static str, String) {
        let mut question = list(key(1));
        change(&mut question);
        cluster.ask(who, Query::ListGrants(question)).unwrap_err()
    }

    /// G-31, G-32.
    #[test]
    fn list_grants_refuses_in_the_order_of_its_checks() {
        let cluster = Cluster::new();
        check_rows(vec![
            (
                "no id",
                refused(&cluster, BOB, |q| q.grant_id = Some("".into())),
                "ValidationException",
                "grantId",
            ),
            (
                "two filters",
                refused(&cluster, BOB, |q| {
                    q.grantee = Some(BOB.into());
                    q.grantee_service = Some("a.b.c".into());
                }),
                "ValidationException",
                "only one of",
            ),
            (
                "a bad filter",
                refused(&cluster, BOB, |q| q.grantee = Some("bob".into())),
                "InvalidArnException",
                "bob",
            ),
            (
                "a service filter",
                refused(&cluster, BOB, |q| q.grantee_service = Some("a.b.c".into())),
                "ValidationException",
                "by a service",
            ),
            (
                "no such key",
                refused(&cluster, BOB, |q| {
                    q.key = key(9);
                    q.page = page(0, None);
                }),
                "NotFoundException",
                "Key '",
            ),
            (
                "no entry a page",
                refused(&cluster, BOB, |q| q.page = page(0, None)),
                "ValidationException",
                "limit",
            ),
            (
                "no permission",
                refused(&cluster, BOB, |q| q.grant_id = Some("g".into())),
                "AccessDeniedException",
                "kms:ListGrants",
            ),
            (
                "no such grant",
                refused(&cluster, ADMIN, |q| q.grant_id = Some("g".into())),
                "NotFoundException",
                "Grant ID g not found",
            ),
        ]);
    }

    /// G-31, G-32: every grant once, in order, also when grants go in between; filters by exact grantee.
    #[test]
    fn grants_are_listed_once_each_although_some_go_in_between() {
        let mut cluster = Cluster::new();
        cluster.done(ADMIN, Command::CreateKey(create_key(2)));
        for n in 1..=9 {
            let mut grant = create_grant(n, if n % 3 == 0 { CAROL } else { BOB });
            grant.key = key(if n == 9 { 2 } else { 1 });
            cluster.done(ADMIN, Command::CreateGrant(grant));
        }
        let ids = |cluster: &Cluster, page: Page, grantee: Option<&str>| {
            let mut question = list(key(1));
            (question.page, question.grantee) = (page, grantee.map(Into::into));
            match cluster.ask(ADMIN, Query::ListGrants(question)) {
                Ok(Answer::Grants(paged)) => (
                    paged.items.iter().map(|g| g.id.0[0]).collect::<Vec<_>>(),
                    paged.next,
                ),
                other => panic!("{other:?}"),
            }
        };
        let (first, next) = ids(&cluster, page(4, None), None);
        assert_eq!(first, [1, 2, 3, 4]);
        for gone in [4, 5] {
            cluster.state.take_grant(&GrantId([gone; 32]));
        }
        let (second, end) = ids(&cluster, page(4, next.clone()), None);
        assert_eq!((second, end), (vec![6, 7, 8], None));
        assert_eq!(ids(&cluster, Page::default(), Some(CAROL)).0, [3, 6]);
        let (code, _) = refused(&cluster, ADMIN, |q| {
            q.key = key(2);
            q.page = page(4, next);
        });
        assert_eq!(code, "InvalidMarkerException");
        let (all, _) = all_pages(
            |page| {
                let (items, next) = ids(&cluster, page, None);
                crate::domain::op::Paged { items, next }
            },
            1,
        );
        assert_eq!(all, [1, 2, 3, 6, 7, 8]);
        assert_eq!(
            refused(&cluster, EXT, |q| q.key =
                KeyRef::KeyArn(crate::domain::op::testing::key_arn(1)))
            .0,
            "AccessDeniedException"
        );
    }
}
