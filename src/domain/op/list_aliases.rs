//! `ListAliases`: lists the aliases of the caller's account and Region.

use super::Page;
use super::context::{Context, Question};
use super::page::{Cursor, Sizes};
use super::refusal::{Said, refusals, said};
use super::{AliasEntry, Answer, ErrorCode};
use crate::domain::authz::Denied;
use crate::domain::authz::request::Parameters;
use crate::domain::authz::resolve::Unresolved;
use crate::domain::ids::AliasName;
use crate::domain::ids::KeyRef;
use crate::domain::policy::KmsAction;
use crate::domain::state::alias::Alias;
use std::sync::Arc;

/// Lists the aliases of the caller's account and Region.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ListAliases {
    /// Only those of this key.
    pub key: Option<KeyRef>,
    /// Which page (G-32).
    pub page: Page,
}

refusals! {
    /// Why ListAliases is refused, in the order of its checks.
    Refusal {
        /// The caller is in no account.
        NoAccount(Said),
        /// A limit or marker that cannot be.
        Page(Said),
        /// Not permitted.
        Denied(Denied),
        /// No such key, or one of another account.
        Key(Unresolved),
    }
}

impl Question for ListAliases {
    type Refusal = Refusal;

    fn answer(&self, cx: &Context<'_>) -> Result<Answer, Refusal> {
        let account = cx.caller.identity.account().ok_or_else(|| {
            let why = "the caller is in no account: call as a principal of the one to list";
            Refusal::NoAccount(said(ErrorCode::Validation, why))
        })?;
        let (partition, region) = (cx.scope.partition, &cx.scope.region);
        let of = self
            .key
            .as_ref()
            .map(ToString::to_string)
            .unwrap_or_default();
        let listing = format!("aliases of {account} in {partition} {region} {of}");
        let cursor: Cursor<AliasName> =
            Cursor::read(&self.page, Sizes::ALIASES, &listing).map_err(Refusal::Page)?;
        cx.allow_account(KmsAction::ListAliases, account, Parameters::NONE)?;
        let key = match &self.key {
            None => None,
            Some(named) => {
                let key = cx.key_without_alias(named)?;
                if key.arn.account != account {
                    return Err(Unresolved::NoSuchKey(Box::new(key.arn.clone())).into());
                }
                Some(&key.arn)
            }
        };
        let after = cursor.after.clone();
        let position = |alias: &&Arc<Alias>| alias.arn.name.clone();
        let keep = |alias: &&Arc<Alias>| {
            let Alias {
                arn,
                target,
                created_at,
                updated_at,
            } = &***alias;
            key.is_none_or(|key| key == target).then(|| AliasEntry {
                alias: arn.clone(),
                target: target.clone(),
                created_at: *created_at,
                updated_at: *updated_at,
            })
        };
        let aliases = cx.state.aliases(partition, region, account, after.as_ref());
        Ok(Answer::Aliases(cursor.page(aliases, position, keep)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::op::testing::{
        ADMIN, BOB, Cluster, all_pages, check_rows, create_key, key, page,
    };
    use crate::domain::op::{Command, Query, create_alias};

    fn list(key: Option<KeyRef>, page: Page) -> Query {
        Query::ListAliases(ListAliases { key, page })
    }

    #[test]
    fn list_aliases_refuses_in_the_order_of_its_checks() {
        let cluster = Cluster::new();
        let by_alias: KeyRef = "alias/a".parse().unwrap();
        check_rows(vec![
            (
                "the operator",
                cluster
                    .ask("operator", list(None, page(0, None)))
                    .unwrap_err(),
                "ValidationException",
                "no account",
            ),
            (
                "101 entries a page",
                cluster.ask(BOB, list(None, page(101, None))).unwrap_err(),
                "ValidationException",
                "less than or equal to 100",
            ),
            (
                "no permission",
                cluster
                    .ask(BOB, list(Some(by_alias.clone()), page(1, None)))
                    .unwrap_err(),
                "AccessDeniedException",
                "kms:ListAliases",
            ),
            (
                "an alias",
                cluster
                    .ask(ADMIN, list(Some(by_alias), page(1, None)))
                    .unwrap_err(),
                "NotFoundException",
                "Invalid keyId",
            ),
        ]);
    }

    #[test]
    fn aliases_are_listed_in_order_of_all_keys_or_of_one() {
        let mut cluster = Cluster::new();
        cluster.done(ADMIN, Command::CreateKey(create_key(2)));
        for (name, target) in [("alias/c", 1), ("alias/a", 2), ("alias/b", 1)] {
            let alias = create_alias::CreateAlias {
                alias: name.into(),
                target: key(target),
            };
            cluster.done(ADMIN, Command::CreateAlias(alias));
        }
        let names = |of: Option<KeyRef>| {
            let (all, _) = all_pages(
                |page| match cluster.ask(ADMIN, list(of.clone(), page)) {
                    Ok(Answer::Aliases(paged)) => paged,
                    other => panic!("{other:?}"),
                },
                1,
            );
            all.iter()
                .map(|entry| entry.alias.name.to_string())
                .collect::<Vec<_>>()
        };
        assert_eq!(names(None), ["alias/a", "alias/b", "alias/c"]);
        assert_eq!(names(Some(key(1))), ["alias/b", "alias/c"]);
    }
}
