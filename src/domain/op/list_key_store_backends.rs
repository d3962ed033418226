//! `ListKeyStoreBackends`: what the operator's connector has told of the backends of an account's custom key stores in the
//! Region of the request (`report_key_store_backends`).

use super::context::{Context, Question};
use super::page::{Cursor, Sizes};
use super::refusal::{Said, refusals, said};
use super::{Answer, ErrorCode, Page};
use crate::domain::authz::{Denied, require_operator};
use crate::domain::ids::{AccountId, BackendName};

/// Lists what was told of the backends of an account's custom key stores.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ListKeyStoreBackends {
    /// The account.
    pub account: AccountId,
    /// Which page (G-32).
    pub page: Page,
}

refusals! {
    /// Why ListKeyStoreBackends is refused, in the order of its checks.
    Refusal {
        /// A limit or marker that cannot be.
        Page(Said),
        /// It is for the operator.
        Denied(Denied),
        /// The account is not there.
        NoAccount(Said),
    }
}

impl Question for ListKeyStoreBackends {
    type Refusal = Refusal;

    fn answer(&self, cx: &Context<'_>) -> Result<Answer, Refusal> {
        let account = self.account;
        let (partition, region) = (cx.scope.partition, &cx.scope.region);
        let listing = format!("key store backends of {account} in {partition} {region}");
        let cursor: Cursor<BackendName> =
            Cursor::read(&self.page, Sizes::KEYS, &listing).map_err(Refusal::Page)?;
        require_operator(cx.caller, "grantd:ListKeyStoreBackends")?;
        if cx.state.account(account).is_none() {
            let why = format!("the account {account} does not exist");
            return Err(Refusal::NoAccount(said(ErrorCode::NoSuchEntity, why)));
        }
        let after = cursor.after.clone();
        let rest = cx
            .state
            .key_store_backends(partition, region, account, after.as_ref());
        let paged = cursor.page(
            rest,
            |told| told.backend.name(),
            |told| Some((***told).clone()),
        );
        Ok(Answer::KeyStoreBackends(paged))
    }
}
