//! `ListGrantsByGrantee`: lists the grants that a principal holds, over all keys of the Region (X-4). AWS has no such call.

use super::Page;
use super::context::{Context, Question};
use super::grants::{ByKey, ListedGrant};
use super::page::{Cursor, Sizes};
use super::principals::Named;
use super::refusal::{Said, refusals, said};
use super::table::Operation;
use super::{Answer, ErrorCode};
use crate::domain::authz::Denied;
use crate::domain::authz::caller::Identity;
use crate::domain::authz::request::{Parameters, Scope};
use crate::domain::state::grant::Grant;
use crate::domain::state::grant_index::Holder;
use crate::domain::state::principal::PrincipalType;
use std::sync::Arc;

/// Lists the grants that a principal holds, over all keys of the Region (X-4).
///
/// It may be asked by whom an identity policy of the grantee's account allows `grantd:ListGrantsByGrantee` on the grantee,
/// by a service about itself, and by the operator. As with ListRetirableGrants, no permission on the keys is asked for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ListGrantsByGrantee {
    /// The grantee, a principal of the caller's account.
    pub grantee: Option<Arc<str>>,
    /// The grantee, a service.
    pub grantee_service: Option<Arc<str>>,
    /// Which page (G-32).
    pub page: Page,
}

refusals! {
    /// Why ListGrantsByGrantee is refused, in the order of its checks.
    Refusal {
        /// Not exactly one grantee, or one that cannot be.
        Shape(Said),
        /// A limit or marker that cannot be.
        Page(Said),
        /// Not permitted on the grantee.
        Denied(Denied),
        /// It does not exist.
        NotThere(Said),
    }
}

impl Question for ListGrantsByGrantee {
    type Refusal = Refusal;

    fn answer(&self, cx: &Context<'_>) -> Result<Answer, Refusal> {
        let grantee = Named::one_of(
            self.grantee.as_deref(),
            self.grantee_service.as_deref(),
            "GranteePrincipal and GranteeServicePrincipal",
        )
        .map_err(Refusal::Shape)?;
        let listing = format!("grants held by {grantee} in {}", cx.scope.region);
        let cursor: Cursor<ByKey> =
            Cursor::read(&self.page, Sizes::OWN_GRANTS, &listing).map_err(Refusal::Page)?;
        let is_operator = matches!(cx.caller.identity, Identity::Operator);
        match &grantee {
            Named::Service(service) => {
                let is_itself =
                    matches!(&cx.caller.identity, Identity::Service(own) if own == service);
                if !is_itself && !is_operator {
                    let why = "GranteeServicePrincipal can only be used by that service";
                    return Err(Refusal::Shape(said(ErrorCode::Validation, why)));
                }
            }
            Named::Arn(arn) => {
                if !is_operator {
                    let action = Operation::ListGrantsByGrantee.action(PrincipalType::User);
                    cx.allow_principal(action, arn, Parameters::NONE)?;
                }
            }
        }
        let holder = Holder::from(&grantee.bind(cx.state).map_err(Refusal::NotThere)?);
        let after = cursor.after.clone().map(|ByKey(key, id)| (key, id));
        let Scope { partition, region } = cx.scope;
        let grants = cx.state.grants();
        let held = grants.held_by(&holder, *partition, region, after);
        let position = |grant: &&Arc<Grant>| ByKey(grant.key.clone(), grant.id);
        let keep = |grant: &&Arc<Grant>| ListedGrant::of(cx, grant);
        Ok(Answer::Grants(cursor.page(held, position, keep)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::op::testing::{
        ADMIN, APP, BOB, CAROL, Cluster, EXT, OWNER, all_pages, check_rows, create_grant,
        create_key, key, page,
    };
    use crate::domain::op::{Command, Query};

    fn list(grantee: Option<&str>, service: Option<&str>, page: Page) -> Query {
        let (grantee, grantee_service) = (grantee.map(Into::into), service.map(Into::into));
        Query::ListGrantsByGrantee(ListGrantsByGrantee {
            grantee,
            grantee_service,
            page,
        })
    }

    /// X-4: in the order of its checks.
    #[test]
    fn list_grants_by_grantee_refuses_in_the_order_of_its_checks() {
        let cluster = Cluster::new();
        let nobody = format!("arn:aws:iam::{OWNER}:user/nobody");
        let no = |who: &str, question| cluster.ask(who, question).unwrap_err();
        check_rows(vec![
            (
                "none",
                no(BOB, list(None, None, page(0, None))),
                "ValidationException",
                "exactly one",
            ),
            (
                "both",
                no(BOB, list(Some(BOB), Some("a.b.c"), page(0, None))),
                "ValidationException",
                "exactly one",
            ),
            (
                "no ARN",
                no(BOB, list(Some("bob"), None, page(0, None))),
                "InvalidArnException",
                "bob",
            ),
            (
                "no service",
                no(BOB, list(None, Some("bob"), page(0, None))),
                "ValidationException",
                "bob",
            ),
            (
                "no entry a page",
                no(BOB, list(Some(BOB), None, page(0, None))),
                "ValidationException",
                "limit",
            ),
            (
                "a service, by another",
                no(ADMIN, list(None, Some("a.b.c"), page(1, None))),
                "ValidationException",
                "by that service",
            ),
            (
                "no permission, not even on oneself",
                no(BOB, list(Some(BOB), None, page(1, None))),
                "AccessDeniedException",
                "grantd:ListGrantsByGrantee",
            ),
            (
                "another account",
                no(ADMIN, list(Some(EXT), None, page(1, None))),
                "AccessDeniedException",
                "grantd:ListGrantsByGrantee",
            ),
            (
                "nobody",
                no(ADMIN, list(Some(&nobody), None, page(1, None))),
                "InvalidArnException",
                "does not exist",
            ),
        ]);
    }

    /// X-4: exactly what the grantee holds, on every key, page by page, in an order that changes in between do not move;
    /// kms:* does not allow it, a policy that names it does.
    #[test]
    fn grants_of_one_grantee_are_listed_over_all_keys() {
        let mut cluster = Cluster::new();
        cluster.done(ADMIN, Command::CreateKey(create_key(2)));
        for n in 1..=120u8 {
            let mut grant = create_grant(n, if n % 10 == 0 { APP } else { CAROL });
            grant.key = key(1 + n % 2);
            cluster.done(ADMIN, Command::CreateGrant(grant));
        }
        let policy = |action: &str| {
            format!(
                r#"{{"Version":"2012-10-17","Statement":{{"Effect":"Allow","Action":"{action}","Resource":"{CAROL}"}}}}"#
            )
        };
        cluster.put_policy(BOB, &policy("kms:*"));
        let refused = cluster.ask(BOB, list(Some(CAROL), None, page(1, None)));
        assert_eq!(refused.unwrap_err().0, "AccessDeniedException");
        cluster.put_policy(BOB, &policy("grantd:ListGrantsByGrantee"));
        for who in [BOB, ADMIN, "operator"] {
            for limit in [7, 1000] {
                let (all, _) = all_pages(
                    |page| match cluster.ask(who, list(Some(CAROL), None, page)) {
                        Ok(Answer::Grants(paged)) => paged,
                        other => panic!("{other:?}"),
                    },
                    limit,
                );
                let ids: Vec<(KeyTail, u8)> = all
                    .iter()
                    .map(|grant| (grant.key.key_id.to_string(), grant.id.0[0]))
                    .collect();
                let mut wanted = ids.clone();
                wanted.sort();
                wanted.dedup();
                assert_eq!(ids, wanted);
                assert_eq!(ids.len(), 108);
            }
        }
    }

    type KeyTail = String;
}
