//! `grantd account`: accounts, for the operator.

use clap::Subcommand;
use serde_json::{Value, json};

use super::ask::paged;
use super::common::{Common, Fallback};
use super::error::CliError;
use super::output::{Shown, object, time};
use crate::client::{Client, api};

/// Accounts; for the operator.
#[derive(Subcommand, Debug)]
pub enum AccountCommand {
    /// Make an account with its root principal.
    Create {
        /// Its twelve digits.
        account: String,
        /// A name to show.
        #[arg(long)]
        name: Option<String>,
    },
    /// List the accounts.
    List(super::common::Paging),
}

pub(super) async fn run(common: &Common, command: &AccountCommand) -> Result<Shown, CliError> {
    let client = common.client(Fallback::Operator)?;
    match command {
        AccountCommand::Create { account, name } => {
            let answer = create(&client, account, name.as_deref()).await?;
            let value = object([("Account", answer.account.as_ref().map_or(Value::Null, show))]);
            Ok(Shown::answer(value, answer.header.as_ref()))
        }
        AccountCommand::List(paging) => {
            let request = |page| api::ListAccountsRequest {
                header: None,
                page: Some(page),
            };
            paged(&client, paging, "Accounts", request, |answer| {
                (
                    answer.accounts.iter().map(show).collect(),
                    answer.next_marker,
                )
            })
            .await
        }
    }
}

/// Makes an account.
///
/// # Errors
/// As the call's.
pub async fn create(
    client: &Client,
    account: &str,
    name: Option<&str>,
) -> Result<api::CreateAccountResponse, CliError> {
    let request = api::CreateAccountRequest {
        header: None,
        account_id: account.to_owned(),
        name: name.map(str::to_owned),
    };
    Ok(client.call(request).await?.answer)
}

fn show(account: &api::Account) -> Value {
    let api::Account {
        account_id,
        name,
        created_at_ms,
    } = account;
    object([
        ("AccountId", json!(account_id)),
        ("Name", json!(name)),
        ("CreateDate", time(*created_at_ms)),
    ])
}
