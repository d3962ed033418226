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
