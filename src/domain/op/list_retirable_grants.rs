//! `ListRetirableGrants`: lists the grants that a principal may retire (G-34).

use super::Page;
use super::context::{Context, Question};
use super::grants::{ByKey, ListedGrant};
use super::page::{Cursor, Sizes};
use super::principals::Named;
use super::refusal::{Said, refusals, said};
use super::{Answer, ErrorCode};
use crate::domain::authz::Denied;
use crate::domain::authz::caller::Identity;
use crate::domain::authz::request::{Parameters, Scope};
use crate::domain::policy::KmsAction;
use crate::domain::state::grant::Grant;
use crate::domain::state::grant_index::Holder;
use std::sync::Arc;

/// Lists the grants that a principal may retire (G-34).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ListRetirableGrants {
    /// `RetiringPrincipal`: a principal of the caller's account.
    pub retiring: Option<Arc<str>>,
    /// `RetiringServicePrincipal`; for service callers.
    pub retiring_service: Option<Arc<str>>,
    /// Which page (G-32).
    pub page: Page,
}

refusals! {
    /// Why ListRetirableGrants is refused, in the order of its checks.
    Refusal {
        /// Not exactly one retiring principal, or one that cannot be (G-34).
        Shape(Said),
        /// A limit or marker that cannot be.
        Page(Said),
        /// Not permitted on the retiring principal.
        Denied(Denied),
        /// It does not exist.
        NotThere(Said),
    }
}

impl Question for ListRetirableGrants {
    type Refusal = Refusal;

    fn answer(&self, cx: &Context<'_>) -> Result<Answer, Refusal> {
        let retiring = Named::one_of(
            self.retiring.as_deref(),
            self.retiring_service.as_deref(),
            "RetiringPrincipal and RetiringServicePrincipal",
        )
        .map_err(Refusal::Shape)?;
        let listing = format!("grants retirable by {retiring} in {}", cx.scope.region);
        let cursor: Cursor<ByKey> =
            Cursor::read(&self.page, Sizes::GRANTS, &listing).map_err(Refusal::Page)?;
        match &retiring {
            // A service may ask about itself alone; it has no identity policies.
            Named::Service(service) => {
                if !matches!(&cx.caller.identity, Identity::Service(own) if own == service) {
                    let why = "RetiringServicePrincipal can only be used by that service";
                    return Err(Refusal::Shape(said(ErrorCode::Validation, why)));
                }
            }
            Named::Arn(arn) => {
                cx.allow_principal(KmsAction::ListRetirableGrants, arn, Parameters::NONE)?;
            }
        }
        let holder = Holder::from(&retiring.bind(cx.state).map_err(Refusal::NotThere)?);
        let grants = cx.state.grants();
        let after = cursor.after.clone().map(|ByKey(key, id)| (key, id));
        let Scope { partition, region } = cx.scope;
        let retirable = grants.retirable_by(&holder, *partition, region, after);
        let position = |grant: &&Arc<Grant>| ByKey(grant.key.clone(), grant.id);
        let keep = |grant: &&Arc<Grant>| ListedGrant::of(cx, grant);
        Ok(Answer::Grants(cursor.page(retirable, position, keep)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::op::testing::{
        ADMIN, BOB, CAROL, Cluster, EXT, OWNER, all_pages, check_rows, create_grant, create_key,
        key, page,
    };
    use crate::domain::op::{Command, Query};

    fn list(retiring: Option<&str>, service: Option<&str>, page: Page) -> Query {
        let (retiring, retiring_service) = (retiring.map(Into::into), service.map(Into::into));
        Query::ListRetirableGrants(ListRetirableGrants {
            retiring,
            retiring_service,
            page,
        })
    }

    /// G-34.
    #[test]
    fn list_retirable_grants_refuses_in_the_order_of_its_checks() {
        let cluster = Cluster::new();
        let nobody = format!("arn:aws:iam::{OWNER}:user/nobody");
        check_rows(vec![
            (
                "none",
                cluster
                    .ask(BOB, list(None, None, page(0, None)))
                    .unwrap_err(),
                "ValidationException",
                "exactly one",
            ),
            (
                "both",
                cluster
                    .ask(BOB, list(Some(BOB), Some("a.b.c"), page(0, None)))
                    .unwrap_err(),
                "ValidationException",
                "exactly one",
            ),
            (
                "no ARN",
                cluster
                    .ask(BOB, list(Some("bob"), None, page(0, None)))
                    .unwrap_err(),
                "InvalidArnException",
                "bob",
            ),
            (
                "no entry a page",
                cluster
                    .ask(BOB, list(Some(BOB), None, page(0, None)))
                    .unwrap_err(),
                "ValidationException",
                "limit",
            ),
            (
                "another service",
                cluster
                    .ask(BOB, list(None, Some("a.b.c"), page(1, None)))
                    .unwrap_err(),
                "ValidationException",
                "by that service",
            ),
            (
                "no permission",
                cluster
                    .ask(BOB, list(Some(&nobody), None, page(1, None)))
                    .unwrap_err(),
                "AccessDeniedException",
                "kms:ListRetirableGrants",
            ),
            (
                "another account",
                cluster
                    .ask(ADMIN, list(Some(EXT), None, page(1, None)))
                    .unwrap_err(),
                "AccessDeniedException",
                "kms:ListRetirableGrants",
            ),
            (
                "nobody",
                cluster
                    .ask(ADMIN, list(Some(&nobody), None, page(1, None)))
                    .unwrap_err(),
                "InvalidArnException",
                "does not exist",
            ),
        ]);
    }

    /// G-34: exactly its grants, of all keys, page by page.
    #[test]
    fn grants_of_all_keys_with_exactly_this_retiring_principal_are_listed() {
        let mut cluster = Cluster::new();
        cluster.done(ADMIN, Command::CreateKey(create_key(2)));
        for (n, on, retiring) in [
            (9, 1, Some(CAROL)),
            (3, 2, Some(CAROL)),
            (4, 1, Some(BOB)),
            (5, 1, None),
            (6, 1, Some(CAROL)),
        ] {
            let mut grant = create_grant(n, BOB);
            (grant.key, grant.retiring) = (key(on), retiring.map(Into::into));
            cluster.done(ADMIN, Command::CreateGrant(grant));
        }
        let (all, pages) = all_pages(
            |page| match cluster.ask(ADMIN, list(Some(CAROL), None, page)) {
                Ok(Answer::Grants(paged)) => paged,
                other => panic!("{other:?}"),
            },
            2,
        );
        let ids: Vec<u8> = all.iter().map(|grant| grant.id.0[0]).collect();
        assert_eq!((ids, pages), (vec![6, 9, 3], 2));
    }
}
