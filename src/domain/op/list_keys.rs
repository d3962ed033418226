//! `ListKeys`: lists the keys of the caller's account and Region.

use super::Page;
use super::context::{Context, Question};
use super::page::{Cursor, Sizes};
use super::refusal::{Said, bad_member, refusals, said};
use super::{Answer, ErrorCode};
use crate::domain::authz::Denied;
use crate::domain::authz::request::Parameters;
use crate::domain::ids::KeyId;
use crate::domain::policy::KmsAction;

crate::domain::state::closed_set! {
    /// Whose keys are listed (`ResourceOwnerType`, W-37).
    pub enum ResourceOwner {
        Own = "SELF",
        OtherAccountsViaRam = "OTHER_ACCOUNTS_VIA_RAM",
    }
}

/// Lists the keys of the caller's account and Region.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ListKeys {
    /// Which page (G-32).
    pub page: Page,
    /// `ResourceOwners`; none: the caller's account alone. No key is shared through Resource Access Manager here, so of
    /// other accounts there is none to list (W-37).
    pub owners: Vec<ResourceOwner>,
}

refusals! {
    /// Why ListKeys is refused, in the order of its checks.
    Refusal {
        /// A limit or marker that cannot be, or more owners than there are.
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
        if self.owners.len() > ResourceOwner::ALL.len() {
            let must = format!(
                "have length less than or equal to {}",
                ResourceOwner::ALL.len()
            );
            let owners: Vec<&str> = self.owners.iter().map(|owner| owner.as_str()).collect();
            let echo = format!("[{}]", owners.join(", "));
            return Err(Refusal::Page(bad_member(echo, "resourceOwners", must)));
        }
        let has_own = self.owners.is_empty() || self.owners.contains(&ResourceOwner::Own);
        // A marker is good for the owners that it was given for.
        let of_others = if has_own { "" } else { "shared with " };
        let listing = format!("keys of {of_others}{account} in {partition} {region}");
        let cursor: Cursor<KeyId> =
            Cursor::read(&self.page, Sizes::KEYS, &listing).map_err(Refusal::Page)?;
        cx.allow_account(KmsAction::ListKeys, account, Parameters::NONE)?;
        let keys = cx.state.keys(partition, region, account, cursor.after);
        let keys = keys.filter(|_| has_own);
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
    use crate::domain::op::{Command, Paged, Query};

    fn list(page: Page) -> Query {
        let owners = Vec::new();
        Query::ListKeys(ListKeys { page, owners })
    }

    /// W-37: the account's own keys unless others are asked for, of whom there are none; a marker is bound to the owners.
    #[test]
    fn keys_are_listed_of_the_owners_that_are_asked_for() {
        use ResourceOwner::{OtherAccountsViaRam, Own};
        let mut cluster = Cluster::new();
        cluster.done(ADMIN, Command::CreateKey(create_key(3)));
        let ask = |owners: &[ResourceOwner], page| {
            let owners = owners.to_vec();
            match cluster.ask(ADMIN, Query::ListKeys(ListKeys { page, owners })) {
                Ok(Answer::Keys(Paged { items, next })) => Ok((items.len(), next)),
                Ok(other) => panic!("{other:?}"),
                Err((code, _)) => Err(code),
            }
        };
        let count = |owners: &[ResourceOwner]| ask(owners, Page::default()).map(|(n, _)| n);
        assert_eq!(count(&[]), Ok(2));
        assert_eq!(count(&[Own]), Ok(2));
        assert_eq!(count(&[OtherAccountsViaRam]), Ok(0));
        assert_eq!(count(&[Own, OtherAccountsViaRam]), Ok(2));
        assert_eq!(count(&[OtherAccountsViaRam, Own]), Ok(2));
        assert_eq!(count(&[Own, Own, Own]), Err("ValidationException"));
        let (_, next) = ask(&[Own], page(1, None)).unwrap();
        let rest = |owners: &[ResourceOwner]| ask(owners, page(1, next.clone())).map(|(n, _)| n);
        assert_eq!(rest(&[Own]), Ok(1));
        assert_eq!(rest(&[OtherAccountsViaRam]), Err("InvalidMarkerException"));
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
