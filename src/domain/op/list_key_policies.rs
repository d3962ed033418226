//! `ListKeyPolicies`: lists the names of the policies of a key: `default`, the only one there is (P-1).

use super::Page;
use super::context::{Context, Question};
use super::page::{Cursor, Sizes};
use super::refusal::{Said, refusals};
use super::{Answer, policies};
use crate::domain::authz::Denied;
use crate::domain::authz::request::Parameters;
use crate::domain::authz::resolve::Unresolved;
use crate::domain::ids::KeyRef;
use crate::domain::policy::KmsAction;

/// Lists the names of the policies of a key.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ListKeyPolicies {
    /// The key as the caller named it (ID-6 says which forms an operation takes).
    pub key: KeyRef,
    /// Which page (G-32).
    pub page: Page,
}

refusals! {
    /// Why ListKeyPolicies is refused, in the order of its checks.
    Refusal {
        /// A limit or marker that cannot be.
        Page(Said),
        /// No such key.
        Key(Unresolved),
        /// Not permitted.
        Denied(Denied),
    }
}

impl Question for ListKeyPolicies {
    type Refusal = Refusal;

    fn answer(&self, cx: &Context<'_>) -> Result<Answer, Refusal> {
        let listing = format!("key policies of {}", self.key);
        let cursor: Cursor<String> =
            Cursor::read(&self.page, Sizes::KEYS, &listing).map_err(Refusal::Page)?;
        let key = cx.key_without_alias(&self.key)?;
        cx.allow_key(KmsAction::ListKeyPolicies, key, Parameters::NONE)?;
        let names = [policies::KEY_POLICY_NAME];
        let after = cursor.after.clone();
        let names = names
            .iter()
            .filter(|name| after.as_deref().is_none_or(|after| **name > after));
        let paged = cursor.page(names, |name| name.to_string(), |name| Some((**name).into()));
        Ok(Answer::PolicyNames(paged))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::op::Query;
    use crate::domain::op::testing::{ADMIN, BOB, Cluster, check_rows, key, page};
    use crate::domain::state::key::KeyState;

    fn list(key: KeyRef, page: Page) -> Query {
        Query::ListKeyPolicies(ListKeyPolicies { key, page })
    }

    #[test]
    fn list_key_policies_refuses_in_the_order_of_its_checks() {
        let cluster = Cluster::new();
        let refused = |key, page| cluster.ask(BOB, list(key, page)).unwrap_err();
        let alias: KeyRef = "alias/a".parse().unwrap();
        let made_up = Some("marker".into());
        check_rows(vec![
            (
                "limit",
                refused(alias.clone(), page(1_001, None)),
                "ValidationException",
                "'limit'",
            ),
            (
                "marker",
                refused(alias.clone(), page(1, made_up)),
                "InvalidMarkerException",
                "marker",
            ),
            (
                "an alias",
                refused(alias, Page::default()),
                "NotFoundException",
                "Invalid keyId",
            ),
            (
                "no permission",
                refused(key(1), Page::default()),
                "AccessDeniedException",
                "kms:ListKeyPolicies",
            ),
        ]);
    }

    /// P-1, ST-2: one policy, in every state of the key.
    #[test]
    fn there_is_one_policy() {
        for state in KeyState::ALL {
            let mut cluster = Cluster::new();
            cluster.set_key_state(*state);
            match cluster.ask(ADMIN, list(key(1), page(1, None))).unwrap() {
                Answer::PolicyNames(paged) => {
                    assert_eq!((paged.items, paged.next), (vec!["default".into()], None));
                }
                other => panic!("{other:?}"),
            }
        }
    }
}
