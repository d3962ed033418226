//! `ListKeyStoreWork`: the custom key stores that wait to be connected or disconnected, of every account and Region; for
//! the operator's connector, which reports how each attempt ended (`report_custom_key_store`).

use super::context::{Context, Question};
use super::page::{Cursor, Sizes};
use super::refusal::{Said, refusals};
use super::{Answer, Page};
use crate::domain::authz::{Denied, require_operator};
use crate::domain::ids::CustomKeyStoreId;
use crate::domain::state::key_store::Connection;

/// Lists the custom key stores that wait for the connector.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ListKeyStoreWork {
    /// Which page (G-32).
    pub page: Page,
}

refusals! {
    /// Why ListKeyStoreWork is refused, in the order of its checks.
    Refusal {
        /// A limit or marker that cannot be.
        Page(Said),
        /// It is for the operator.
        Denied(Denied),
    }
}

impl Question for ListKeyStoreWork {
    type Refusal = Refusal;

    fn answer(&self, cx: &Context<'_>) -> Result<Answer, Refusal> {
        let cursor: Cursor<CustomKeyStoreId> =
            Cursor::read(&self.page, Sizes::KEYS, "key store work").map_err(Refusal::Page)?;
        require_operator(cx.caller, "grantd:ListKeyStoreWork")?;
        let after = cursor.after.clone();
        let rest = cx.state.all_key_stores(after.as_ref());
        let paged = cursor.page(
            rest,
            |store| store.id.clone(),
            |store| match store.connection {
                Connection::Connecting | Connection::Disconnecting => Some((***store).clone()),
                Connection::Connected | Connection::Disconnected | Connection::Failed(_) => None,
            },
        );
        Ok(Answer::KeyStores(paged))
    }
}
