//! `ListAccounts`: lists the accounts; for the operator alone.

use super::Answer;
use super::Page;
use super::context::{Context, Question};
use super::page::{Cursor, Sizes};
use super::refusal::{Said, refusals};
use crate::domain::authz::{Denied, require_operator};
use crate::domain::ids::AccountId;

/// Lists the accounts; for the operator alone.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ListAccounts {
    /// Which page (G-32).
    pub page: Page,
}

refusals! {
    /// Why ListAccounts is refused, in the order of its checks.
    Refusal {
        /// A limit or marker that cannot be.
        Page(Said),
        /// It is for the operator.
        Denied(Denied),
    }
}

impl Question for ListAccounts {
    type Refusal = Refusal;

    fn answer(&self, cx: &Context<'_>) -> Result<Answer, Refusal> {
        let cursor: Cursor<AccountId> =
            Cursor::read(&self.page, Sizes::KEYS, "accounts").map_err(Refusal::Page)?;
        require_operator(cx.caller, "grantd:ListAccounts")?;
        let accounts = cx.state.accounts(cursor.after);
        let paged = cursor.page(
            accounts,
            |account| account.id,
            |account| Some((***account).clone()),
        );
        Ok(Answer::Accounts(paged))
    }
}
