//! `ListDanglingPrincipals`: reports what on an account's keys still names users and roles that are gone (ID-18).
//!
//! Such a statement or grant means nobody, though it reads as if it meant whoever bears the name now: the cause of access
//! that is lost when a role is deleted and made again. AWS has no such call.

use std::cell::Cell;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use super::Page;
use super::context::{Context, Question};
use super::page::{Cursor, Sizes};
use super::refusal::{Said, refusals, said};
use super::{Answer, ErrorCode, insight};
use crate::domain::authz::Denied;
use crate::domain::authz::request::Parameters;
use crate::domain::effort::spend;
use crate::domain::ids::{AccountId, GrantId, KeyArn};
use crate::domain::policy::{KmsAction, PolicyPrincipal};
use crate::domain::state::State;
use crate::domain::state::former::Former;
use crate::domain::state::grant::{Grant, GrantPrincipal};
use crate::domain::state::key::Key;

/// Reports what on the keys of an account, in the Region of the request, names principals that are gone.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ListDanglingPrincipals {
    /// Whose keys; `None`: the caller's account's. The operator, who is in none, names one.
    pub account: Option<AccountId>,
    /// Which page (G-32), in key policies and grants that name such a principal.
    pub page: Page,
}

/// What names a principal that is gone.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Dangling {
    /// Whom it names.
    pub former: Former,
    /// On which key.
    pub key: KeyArn,
    /// Where.
    pub named_by: NamedBy,
}

/// Where a principal is named.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum NamedBy {
    /// In a statement of the key policy.
    Statement {
        /// Its place in the policy, from 0.
        index: u32,
        /// Its Sid.
        sid: Option<Arc<str>>,
    },
    /// As the grantee of a grant.
    Grantee(GrantId),
    /// As the retiring principal of a grant.
    Retiring(GrantId),
}

refusals! {
    /// Why ListDanglingPrincipals is refused, in the order of its checks.
    Refusal {
        /// A limit or marker that cannot be, an account that is not there, or none.
        Shape(Said),
        /// The asker may not list the account's keys.
        Denied(Denied),
    }
}

/// How far a page got: to a key's policy, or to a grant of it.
#[derive(Clone)]
struct At(KeyArn, Option<GrantId>);

impl fmt::Display for At {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.1 {
            None => self.0.fmt(f),
            Some(id) => write!(f, "{} {id}", self.0),
        }
    }
}

impl FromStr for At {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (key, id) = match text.split_once(' ') {
            None => (text, None),
            Some((key, id)) => (key, Some(id.parse().map_err(drop)?)),
        };
        Ok(Self(key.parse().map_err(drop)?, id))
    }
}

/// What it costs to look at a key's policy or at a grant, in units of [`crate::domain::effort::Effort`].
const WORK_OF_ITEM: u64 = 100;

/// What is looked at: a key's policy, or a grant on it.
#[derive(Clone, Copy)]
struct Looked<'a> {
    key: &'a Arc<Key>,
    grant: Option<&'a Arc<Grant>>,
}

impl Question for ListDanglingPrincipals {
    type Refusal = Refusal;

    fn answer(&self, cx: &Context<'_>) -> Result<Answer, Refusal> {
        let account = self.account_of(cx).map_err(Refusal::Shape)?;
        let region = &cx.scope.region;
        let listing = format!("dangling principals of {account} in {region}");
        let cursor: Cursor<At> =
            Cursor::read(&self.page, Sizes::GRANTS, &listing).map_err(Refusal::Shape)?;
        if !insight::is_operator(cx) {
            cx.allow_account(KmsAction::ListKeys, account, Parameters::NONE)?;
        }
        let withheld = Cell::new(0_u32);
        let (from, begun) = match cursor.after.clone() {
            None => (None, None),
            // The key may be gone since.
            Some(At(arn, grant)) => (Some(arn.key_id), cx.state.key(&arn).zip(Some(grant))),
        };
        let rest_of_key = begun
            .filter(|(key, _)| insight::may_read_key(cx, key).is_ok())
            .into_iter()
            .flat_map(|(key, after)| {
                let rest = cx.state.grants().of_key(&key.arn, after);
                rest.map(move |grant| Looked {
                    key,
                    grant: Some(grant),
                })
            });
        let keys = cx.state.keys(cx.scope.partition, region, account, from);
        let looked = keys
            .filter(|key| {
                let may = insight::may_read_key(cx, key).is_ok();
                if !may {
                    withheld.set(withheld.get().saturating_add(1));
                }
                may
            })
            .flat_map(|key| {
                let policy = Looked { key, grant: None };
                let held = cx.state.grants().of_key(&key.arn, None);
                let held = held.map(move |grant| Looked {
                    key,
                    grant: Some(grant),
                });
                std::iter::once(policy).chain(held)
            });
        let paged = cursor.page_within(
            cx.effort,
            rest_of_key.chain(looked),
            |looked| At(looked.key.arn.clone(), looked.grant.map(|grant| grant.id)),
            |looked| {
                spend(cx.effort, WORK_OF_ITEM);
                let found = dangling(cx, *looked);
                (!found.is_empty()).then_some(found)
            },
        );
        Ok(Answer::Dangling {
            items: paged.items.into_iter().flatten().collect(),
            withheld: withheld.get(),
            next: paged.next,
        })
    }
}

impl ListDanglingPrincipals {
    fn account_of(&self, cx: &Context<'_>) -> Result<AccountId, Said> {
        match (self.account, cx.caller.identity.account()) {
            (Some(account), own) if insight::is_operator(cx) || own == Some(account) => cx
                .state
                .account(account)
                .map(|account| account.id)
                .ok_or_else(|| {
                    said(
                        ErrorCode::NoSuchEntity,
                        format_args!("the account {account} does not exist here"),
                    )
                }),
            (Some(account), _) => Err(said(
                ErrorCode::Validation,
                format_args!(
                    "what dangles in account {account} is told to its own principals and to the operator alone"
                ),
            )),
            (None, Some(own)) => Ok(own),
            (None, None) => Err(said(
                ErrorCode::Validation,
                "the caller is in no account: say whose keys are to be looked at",
            )),
        }
    }
}

/// The principals that a key's policy, or a grant, names and that are gone.
fn dangling(cx: &Context<'_>, Looked { key, grant }: Looked<'_>) -> Vec<Dangling> {
    let found = |former, named_by| Dangling {
        former,
        key: key.arn.clone(),
        named_by,
    };
    let Some(grant) = grant else {
        let former = cx.state.former_of_policy(key);
        let named = key.policy.principals().filter_map(|(index, named, _)| {
            let PolicyPrincipal::Arn(arn) = named else {
                return None;
            };
            let former = former.iter().find(|former| former.arn == *arn)?.clone();
            let sid = key
                .policy
                .statements()
                .get(index)
                .and_then(|s| s.sid().cloned());
            let index = u32::try_from(index).unwrap_or(u32::MAX);
            Some(found(former, NamedBy::Statement { index, sid }))
        });
        return named.collect();
    };
    if grant.is_expired(cx.now) {
        return Vec::new();
    }
    let grantee =
        former_of(cx.state, &grant.grantee).map(|former| found(former, NamedBy::Grantee(grant.id)));
    let retiring = grant.retiring.as_ref();
    let retiring = retiring
        .and_then(|retiring| former_of(cx.state, retiring))
        .map(|former| found(former, NamedBy::Retiring(grant.id)));
    grantee.into_iter().chain(retiring).collect()
}

fn former_of(state: &State, named: &GrantPrincipal) -> Option<Former> {
    match named {
        GrantPrincipal::Arn { arn, unique_id } => state.former(arn, unique_id),
        GrantPrincipal::Service(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::op::testing::{
        ADMIN, APP, BOB, CAROL, Cluster, EXT, OTHER, OWNER, arn, check_rows, create_grant,
        create_key, key_arn, page,
    };
    use crate::domain::op::{Command, Query, delete_principal};

    fn list(account: Option<&str>, page: Page) -> Query {
        Query::ListDanglingPrincipals(ListDanglingPrincipals {
            account: account.map(|account| account.parse().unwrap()),
            page,
        })
    }

    /// Every entry by pages of `limit`, and how many keys were kept back.
    fn all(
        cluster: &Cluster,
        who: &str,
        account: Option<&str>,
        limit: u32,
    ) -> (Vec<Dangling>, u32) {
        let (mut marker, mut all, mut kept) = (None, Vec::new(), 0);
        loop {
            match cluster.ask(who, list(account, page(limit, marker))) {
                Ok(Answer::Dangling {
                    items,
                    withheld,
                    next,
                }) => {
                    all.extend(items);
                    kept += withheld;
                    if next.is_none() {
                        return (all, kept);
                    }
                    marker = next;
                }
                other => panic!("{other:?}"),
            }
        }
    }

    fn delete(who: &str) -> Command {
        Command::DeletePrincipal(delete_principal::DeletePrincipal { arn: arn(who) })
    }

    #[test]
    fn list_dangling_principals_refuses_in_the_order_of_its_checks() {
        let cluster = Cluster::new();
        let no = |who: &str, question| cluster.ask(who, question).unwrap_err();
        check_rows(vec![
            (
                "the operator without an account",
                no("operator", list(None, page(0, None))),
                "ValidationException",
                "say whose keys",
            ),
            (
                "the operator of no account",
                no("operator", list(Some("999999999999"), page(0, None))),
                "NoSuchEntity",
                "999999999999",
            ),
            (
                "another account's",
                no(BOB, list(Some(OTHER), page(0, None))),
                "ValidationException",
                "its own principals",
            ),
            (
                "no entry a page",
                no(BOB, list(None, page(0, None))),
                "ValidationException",
                "greater than or equal to 1",
            ),
            (
                "no permission",
                no(BOB, list(None, page(1, None))),
                "AccessDeniedException",
                "kms:ListKeys",
            ),
        ]);
    }

    /// ID-18, X-57: statements, grantees and retiring principals; with the id that they are bound to, and whether another
    /// bears the name. Nothing is told of a key that the asker may not read, but that there is one.
    #[test]
    fn what_names_a_principal_that_is_gone_is_told_page_by_page() {
        let mut cluster = Cluster::new();
        cluster.done(ADMIN, Command::CreateKey(create_key(2)));
        let statement = |principal: &str| {
            format!(
                r#"{{"Effect":"Allow","Principal":{{"AWS":"{principal}"}},"Action":"kms:Decrypt","Resource":"*"}}"#
            )
        };
        cluster.put_key_policy(&format!(
            r#"{{"Version":"2012-10-17","Statement":[{{"Sid":"Own","Effect":"Allow","Principal":{{"AWS":"{OWNER}"}},"Action":"kms:*","Resource":"*"}},{},{}]}}"#,
            statement(APP),
            statement(BOB),
        ));
        let mut retiring = create_grant(1, CAROL);
        retiring.retiring = Some(APP.into());
        for grant in [retiring, create_grant(2, CAROL), create_grant(3, APP)] {
            cluster.done(ADMIN, Command::CreateGrant(grant));
        }
        assert_eq!(all(&cluster, ADMIN, None, 1), (Vec::new(), 0));
        cluster.done(ADMIN, delete(APP));
        cluster.done(ADMIN, delete(CAROL));
        cluster.make_principal(CAROL, 1);
        let (whole, kept) = all(&cluster, ADMIN, None, 50);
        let told: Vec<(&str, bool, String)> = whole
            .iter()
            .map(|entry| {
                let by = match &entry.named_by {
                    NamedBy::Statement { index, .. } => format!("statement {index}"),
                    NamedBy::Grantee(id) => format!("grantee of {}", &id.to_string()[..2]),
                    NamedBy::Retiring(id) => format!("retires {}", &id.to_string()[..2]),
                };
                assert_eq!(entry.key, key_arn(1));
                (entry.former.arn.as_str(), entry.former.is_remade, by)
            })
            .collect();
        assert_eq!(
            told,
            [
                (APP, false, "statement 1".to_owned()),
                (CAROL, true, "grantee of 01".to_owned()),
                (APP, false, "retires 01".to_owned()),
                (CAROL, true, "grantee of 02".to_owned()),
                (APP, false, "grantee of 03".to_owned()),
            ]
        );
        assert_eq!(kept, 0);
        for limit in [1, 2, 3] {
            assert_eq!(all(&cluster, ADMIN, None, limit).0, whole, "{limit}");
        }
        assert_eq!(all(&cluster, "operator", Some(OWNER), 50).0, whole);
        assert!(all(&cluster, "operator", Some(OTHER), 50).0.is_empty());
        cluster.put_policy(BOB, r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"kms:ListKeys","Resource":"*"}}"#);
        assert_eq!(all(&cluster, BOB, None, 50), (Vec::new(), 2));
        cluster.put_policy(EXT, crate::domain::op::testing::ALLOW_ALL);
        assert_eq!(all(&cluster, EXT, None, 50), (Vec::new(), 0));
    }
}
