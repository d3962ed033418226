//! `ListKeys`: lists the keys of the caller's account and Region.

use super::Page;
use super::context::{Context, Question};
use super::page::{Cursor, Sizes};
use super::refusal::{Said, refusals, said};
use super::{Answer, ErrorCode};
use crate::domain::authz::Denied;
use crate::domain::authz::request::Parameters;
use crate::domain::ids::KeyId;
use crate::domain::policy::KmsAction;

/// Lists the keys of the caller's account and Region.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ListKeys {
    /// Which page (G-32).
    pub page: Page,
}

refusals! {
    /// Why ListKeys is refused, in the order of its checks.
    Refusal {
        /// A limit or marker that cannot be.
        Page(Said),
        /// The caller is in no account.
        NoAccount(Said),
        /// Not permitted.
        Denied(Denied),
    }
}

impl Question for ListKeys {
    type Refusal = Refusal;

    fn answer(&self, cx: &Context<'_>) -> Result<Answer, Refusal> {
        let account = cx.caller.identity.account().ok_or_else(|| {
            let why = "the caller is in no account: call as a principal of the one to list";
            Refusal::NoAccount(said(ErrorCode::Validation, why))
        })?;
        let (partition, region) = (cx.scope.partition, &cx.scope.region);
        let listing = format!("keys of {account} in {partition} {region}");
        let cursor: Cursor<KeyId> =
            Cursor::read(&self.page, Sizes::KEYS, &listing).map_err(Refusal::Page)?;
        cx.allow_account(KmsAction::ListKeys, account, Parameters::NONE)?;
        let keys = cx.state.keys(partition, region, account, cursor.after);
        let paged = cursor.page(keys, |key| key.arn.key_id, |key| Some(key.arn.clone()));
        Ok(Answer::Keys(paged))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::op::testing::{
        ADMIN, BOB, Cluster, EXT, all_pages, check_rows, create_key, key_arn, page,
    };
    use crate::domain::op::{Command, Query};

    fn list(page: Page) -> Query {
        Query::ListKeys(ListKeys { page })
    }

    #[test]
    fn list_keys_refuses_in_the_order_of_its_checks() {
        let cluster = Cluster::new();
        check_rows(vec![
            (
                "the operator",
                cluster.ask("operator", list(page(0, None))).unwrap_err(),
                "ValidationException",
                "no account",
            ),
            (
                "no entry a page",
                cluster.ask(BOB, list(page(0, None))).unwrap_err(),
                "ValidationException",
                "limit",
            ),
            (
                "no permission",
                cluster.ask(BOB, list(page(1, None))).unwrap_err(),
                "AccessDeniedException",
                "kms:ListKeys",
            ),
        ]);
    }

    /// P-12, D-7: identity policies alone decide, and the root needs none.
    #[test]
    fn keys_of_the_account_are_listed_in_order() {
        let mut cluster = Cluster::new();
        for n in [9, 3, 5] {
            cluster.done(ADMIN, Command::CreateKey(create_key(n)));
        }
        let all = |who: &str| {
            all_pages(
                |page| match cluster.ask(who, list(page)) {
                    Ok(Answer::Keys(paged)) => paged,
                    other => panic!("{other:?}"),
                },
                3,
            )
        };
        assert_eq!(all(ADMIN), ([1, 3, 5, 9].map(key_arn).to_vec(), 2));
        let (code, _) = cluster.ask(EXT, list(page(3, None))).unwrap_err();
        assert_eq!(code, "AccessDeniedException");
        assert_eq!(all("arn:aws:iam::444455556666:root"), (vec![], 1));
    }
}
