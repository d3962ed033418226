//! `CreateAccount`: makes an account with its root principal; for the operator alone.

use super::context::{Change, Context};
use super::refusal::{Said, bad_member, refusals, said};
use super::{ErrorCode, Event, Output};
use crate::domain::authz::{Allowed, Denied, require_operator};
use crate::domain::ids::AccountId;
use crate::domain::limits::{ACCOUNT_NAME_CHARS_MAX, ACCOUNTS_MAX};
use crate::domain::state::State;
use crate::domain::state::principal::Account;
use std::sync::Arc;

/// Makes an account with its root principal; for the operator alone.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CreateAccount {
    /// The twelve digits.
    pub account: AccountId,
    /// A display name; may be empty.
    pub name: Arc<str>,
}

refusals! {
    /// Why CreateAccount is refused, in the order of its checks.
    Refusal {
        /// A name that is too long, or the number that nobody has.
        Shape(Said),
        /// It is for the operator.
        Denied(Denied),
        /// The account is there.
        Exists(Said),
        /// There is no room for another.
        TooMany(Said),
    }
}

impl Change for CreateAccount {
    type Refusal = Refusal;
    type Plan = Account;

    fn plan(&self, cx: &Context<'_>) -> Result<(Allowed, Account), Refusal> {
        if self.name.chars().count() > ACCOUNT_NAME_CHARS_MAX {
            let must = format!("have length less than or equal to {ACCOUNT_NAME_CHARS_MAX}");
            return Err(Refusal::Shape(bad_member(&self.name, "name", must)));
        }
        let allowed = require_operator(cx.caller, "grantd:CreateAccount")?;
        if cx.state.account(self.account).is_some() {
            return Err(Refusal::Exists(said(
                ErrorCode::AlreadyExists,
                format_args!("the account {} already exists", self.account),
            )));
        }
        if cx.state.account_count() >= ACCOUNTS_MAX {
            return Err(Refusal::TooMany(said(
                ErrorCode::LimitExceeded,
                format_args!("the cluster has {ACCOUNTS_MAX} accounts, as many as it can have"),
            )));
        }
        let account = Account {
            id: self.account,
            name: Arc::clone(&self.name),
            created_at: cx.now,
            born: cx.at,
        };
        Ok((allowed, account))
    }

    fn enact(account: Account, state: &mut State) -> (Output, Vec<Event>) {
        state.put_account(Arc::new(account.clone()));
        let events = vec![Event::AccountCreated(account.id)];
        (Output::Account(account), events)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::op::Command;
    use crate::domain::op::testing::{ADMIN, Cluster, OWNER, check_rows};

    fn create(account: &str, name: &str) -> Command {
        let account = account.parse().unwrap();
        Command::CreateAccount(CreateAccount {
            account,
            name: name.into(),
        })
    }

    #[test]
    fn create_account_refuses_in_the_order_of_its_checks() {
        let cluster = Cluster::new();
        let long = "n".repeat(51);
        check_rows(vec![
            (
                "a long name, not the operator",
                cluster.refusal(ADMIN, create(OWNER, &long)),
                "ValidationException",
                "at 'name'",
            ),
            (
                "not the operator, there",
                cluster.refusal(ADMIN, create(OWNER, "")),
                "AccessDeniedException",
                "operator",
            ),
            (
                "there",
                cluster.refusal("operator", create(OWNER, "")),
                "AlreadyExistsException",
                OWNER,
            ),
        ]);
    }

    #[test]
    fn account_past_the_last_is_refused() {
        let mut cluster = Cluster::new();
        for number in 1.. {
            if cluster.state.account_count() == ACCOUNTS_MAX {
                break;
            }
            let id = AccountId::from_number(number).unwrap();
            let (name, created_at) = ("".into(), Default::default());
            let account = Account {
                id,
                name,
                created_at,
                born: Default::default(),
            };
            cluster.state.put_account(Arc::new(account));
        }
        let (code, _) = cluster.refusal("operator", create("999999999999", ""));
        assert_eq!(code, "LimitExceededException");
    }
}
