//! `WhatCan`: effective access of a principal: which keys it may do what to, and what lets it.

use super::context::{Context, Question};
use super::page::{Cursor, Sizes};
use super::refusal::{Said, refusals, said};
use super::who_can::reached;
use super::{Answer, ErrorCode, Page, insight};
use crate::domain::authz::Denied;
use crate::domain::authz::access::OfAccount;
use crate::domain::ids::{KeyArn, PrincipalArn};
use crate::domain::policy::{ActionTarget, KmsAction};

/// Tells what a principal may do, key by key, in the Region of the request.
///
/// The operator is told of every key. Anybody else must be allowed to read the principal's policies, unless it asks about
/// itself, and is told of the keys whose policy and grants it may read, or, about itself, of every key.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct WhatCan {
    /// A user, a role or an account's root user.
    pub principal: PrincipalArn,
    /// Which page, in keys that are looked at.
    pub page: Page,
}

refusals! {
    /// Why WhatCan is refused, in the order of its checks.
    Refusal {
        /// A limit or marker that cannot be, or no user, role or root user.
        Shape(Said),
        /// The asker may not read the principal's policies.
        Denied(Denied),
        /// It is not there.
        NotThere(Said),
    }
}

impl Question for WhatCan {
    type Refusal = Refusal;

    fn answer(&self, cx: &Context<'_>) -> Result<Answer, Refusal> {
        let principal = &self.principal;
        if !principal.is_root() {
            super::identity::kind_of(principal).map_err(Refusal::Shape)?;
        }
        let listing = format!("what can {principal} in {}", cx.scope.region);
        let cursor: Cursor<KeyArn> =
            Cursor::read(&self.page, Sizes::ACCESS, &listing).map_err(Refusal::Shape)?;
        let own = match cx.caller.identity.stored() {
            Some((arn, _)) => arn == principal,
            None => {
                principal.is_root() && cx.caller.identity.account() == Some(principal.account())
            }
        };
        if !own {
            if principal.is_root() && !insight::is_operator(cx) {
                return Err(Refusal::Denied(Denied {
                    decision: None,
                    message: format!("what the root user of account {} may do is told to itself and to the operator alone", principal.account()).into(),
                }));
            }
            insight::may_read_principal(cx, principal)?;
        }
        let is_there = if principal.is_root() {
            cx.state.account(principal.account()).is_some()
        } else {
            cx.state.principal(principal).is_some()
        };
        if !is_there {
            return Err(Refusal::NotThere(said(
                ErrorCode::NoSuchEntity,
                format_args!("the principal {principal} does not exist here"),
            )));
        }
        let (with_key, without): (Vec<KmsAction>, Vec<KmsAction>) = KmsAction::ALL
            .iter()
            .partition(|action| action.target() != ActionTarget::None);
        let mut items = Vec::new();
        let mut of_account = OfAccount::default();
        if cursor.after.is_none() {
            items.extend(reached(cx, principal, None, &without, &mut of_account));
        }
        let after = cursor.after.clone();
        let from = after.as_ref().map(|arn| arn.account);
        let (partition, region) = (cx.scope.partition, &cx.scope.region);
        let accounts = cx.state.accounts(None).map(|account| account.id);
        let keys = accounts
            .filter(|account| from.is_none_or(|from| *account >= from))
            .flat_map(|account| {
                let after = after.as_ref().filter(|arn| arn.account == account);
                cx.state
                    .keys(partition, region, account, after.map(|arn| arn.key_id))
            });
        let found = cursor.page_within(
            cx.effort,
            keys,
            |key| key.arn.clone(),
            |key| {
                let is_shown = own || insight::may_read_key(cx, key).is_ok();
                is_shown.then(|| reached(cx, principal, Some(key), &with_key, &mut of_account))
            },
        );
        items.extend(found.items.into_iter().flatten());
        Ok(Answer::Access {
            items,
            next: found.next,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::authz::access::Access;
    use crate::domain::op::testing::{
        ADMIN, ALLOW_ALL, BOB, CAROL, Cluster, EXT, OTHER, OWNER, arn, check_rows, create_grant,
        create_key, key_arn,
    };
    use crate::domain::op::who_can::Reached;
    use crate::domain::op::{Command, Query};

    fn what_can(principal: &str, page: Page) -> Query {
        Query::WhatCan(WhatCan {
            principal: arn(principal),
            page,
        })
    }

    fn told(cluster: &Cluster, who: &str, principal: &str) -> Vec<Reached> {
        let mut page = Page {
            limit: Some(1),
            marker: None,
        };
        let mut all = Vec::new();
        loop {
            match cluster.ask(who, what_can(principal, page.clone())) {
                Ok(Answer::Access { items, next }) => {
                    all.extend(items);
                    if next.is_none() {
                        return all;
                    }
                    page.marker = next;
                }
                other => panic!("{other:?}"),
            }
        }
    }

    /// Keys of every account, by policy and by grant, page by page; what has no key stands first.
    #[test]
    fn what_can_tells_of_every_key_that_is_reached() {
        let mut cluster = Cluster::new();
        cluster.done(ADMIN, Command::CreateKey(create_key(2)));
        cluster.put_policy(CAROL, ALLOW_ALL);
        cluster.done(ADMIN, Command::CreateGrant(create_grant(1, EXT)));
        let of_carol = told(&cluster, ADMIN, CAROL);
        let mut keys: Vec<_> = of_carol.iter().map(|one| one.key.clone()).collect();
        // What lets it retire is another thing than what lets it do the rest (G-52).
        keys.dedup();
        assert_eq!(keys, [None, Some(key_arn(1)), Some(key_arn(2))]);
        assert!(of_carol[0].actions.contains(&KmsAction::CreateKey));
        let puts = |one: &Reached| one.actions.contains(&KmsAction::PutKeyPolicy);
        assert_eq!(of_carol.iter().filter(|one| puts(one)).count(), 2);
        let of_ext = told(&cluster, EXT, EXT);
        assert_eq!(of_ext.len(), 1, "{of_ext:?}");
        assert_eq!(of_ext[0].actions, [KmsAction::Decrypt]);
        assert!(matches!(&of_ext[0].access, Access::Always { by } if by.starts_with("grant ")));
        // Bob is told of himself, and that is nothing.
        assert_eq!(told(&cluster, BOB, BOB), []);
        let root = format!("arn:aws:iam::{OWNER}:root");
        assert!(!told(&cluster, &root, &root).is_empty());
    }

    #[test]
    fn what_can_refuses_in_the_order_of_its_checks() {
        let cluster = Cluster::new();
        let refused = |who: &str, query| cluster.ask(who, query).unwrap_err();
        let session = format!("arn:aws:sts::{OWNER}:assumed-role/app/s");
        let nobody = format!("arn:aws:iam::{OWNER}:user/nobody");
        let other = format!("arn:aws:iam::{OTHER}:root");
        let bad = Page {
            limit: Some(0),
            marker: None,
        };
        check_rows(vec![
            (
                "a session",
                refused(BOB, what_can(&session, Page::default())),
                "ValidationException",
                "neither a user nor a role",
            ),
            (
                "a bad page",
                refused(BOB, what_can(CAROL, bad)),
                "ValidationException",
                "limit",
            ),
            (
                "another's policies",
                refused(BOB, what_can(CAROL, Page::default())),
                "AccessDeniedException",
                "iam:GetUserPolicy",
            ),
            (
                "another account's root",
                refused(ADMIN, what_can(&other, Page::default())),
                "AccessDeniedException",
                "operator alone",
            ),
            (
                "nobody",
                refused(ADMIN, what_can(&nobody, Page::default())),
                "NoSuchEntity",
                "does not exist",
            ),
        ]);
    }
}
