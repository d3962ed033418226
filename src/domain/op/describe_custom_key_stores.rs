//! `DescribeCustomKeyStores`: tells the custom key stores of the caller's account and Region (K-10). Their secrets are
//! never told.

use std::sync::Arc;

use super::context::{Context, Question};
use super::page::{Cursor, Sizes};
use super::refusal::{Said, refusals, said};
use super::{Answer, ErrorCode, Page, Paged, key_stores};
use crate::domain::authz::Denied;
use crate::domain::ids::CustomKeyStoreId;
use crate::domain::policy::KmsAction;
use crate::domain::state::key_store::CustomKeyStore;

/// Tells the custom key stores of the caller's account and Region: all, or one by its id or its name.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DescribeCustomKeyStores {
    /// The one with this id.
    pub id: Option<CustomKeyStoreId>,
    /// The one with this name.
    pub name: Option<Arc<str>>,
    /// Which page (G-32).
    pub page: Page,
}

refusals! {
    /// Why DescribeCustomKeyStores is refused, in the order of its checks.
    Refusal {
        /// An id and a name.
        Both(Said),
        /// The caller is in no account.
        NoAccount(Said),
        /// A limit or marker that cannot be.
        Page(Said),
        /// Not permitted.
        Denied(Denied),
        /// No such store.
        NotThere(Said),
    }
}

impl Question for DescribeCustomKeyStores {
    type Refusal = Refusal;

    fn answer(&self, cx: &Context<'_>) -> Result<Answer, Refusal> {
        if self.id.is_some() && self.name.is_some() {
            return Err(Refusal::Both(said(
                ErrorCode::Validation,
                "a custom key store is named by its id or by its name, not by both",
            )));
        }
        let account = key_stores::account(cx).map_err(Refusal::NoAccount)?;
        let (partition, region) = (cx.scope.partition, &cx.scope.region);
        let listing = format!("custom key stores of {account} in {partition} {region}");
        let cursor: Cursor<CustomKeyStoreId> =
            Cursor::read(&self.page, Sizes::KEYS, &listing).map_err(Refusal::Page)?;
        key_stores::allow(cx, KmsAction::DescribeCustomKeyStores, account)?;
        let one = |item: Option<_>, named: &str| {
            item.map(|store: &Arc<CustomKeyStore>| Paged {
                items: vec![(**store).clone()],
                next: None,
            })
            .ok_or_else(|| Refusal::NotThere(key_stores::not_found(named)))
        };
        let mut stores = cx.state.key_stores(partition, region, account, None);
        let paged = match (&self.id, &self.name) {
            (Some(id), _) => one(stores.find(|store| store.id == *id), id.as_str())?,
            (None, Some(name)) => one(stores.find(|store| store.name == *name), name)?,
            (None, None) => {
                let after = cursor.after.clone();
                let rest = cx
                    .state
                    .key_stores(partition, region, account, after.as_ref());
                cursor.page(
                    rest,
                    |store| store.id.clone(),
                    |store| Some((***store).clone()),
                )
            }
        };
        Ok(Answer::KeyStores(paged))
    }
}
