//! `grantd alias`: aliases of keys.

use clap::Subcommand;
use serde_json::{Value, json};

use super::ask::{done, paged};
use super::common::{Common, Fallback, Paging};
use super::error::CliError;
use super::output::{Shown, object, time};
use crate::client::api;

/// Aliases. A name begins with `alias/`.
#[derive(Subcommand, Debug)]
pub enum AliasCommand {
    /// Give a key an alias.
    Create {
        /// The name, as `alias/orders`.
        name: String,
        /// Key id or key ARN.
        key: String,
    },
    /// Give an alias another key of the same type and usage.
    Update {
        /// The name, as `alias/orders`.
        name: String,
        /// Key id or key ARN of the new key.
        key: String,
    },
    /// Take an alias away; its key stays.
    Delete {
        /// The name, as `alias/orders`.
        name: String,
    },
    /// List the aliases of the account and Region.
    List {
        /// Only those of this key: key id or key ARN.
        #[arg(long)]
        key: Option<String>,
        #[command(flatten)]
        paging: Paging,
    },
}

pub(super) async fn run(common: &Common, command: &AliasCommand) -> Result<Shown, CliError> {
    let client = common.client(Fallback::None)?;
    match command {
        AliasCommand::Create { name, key } => {
            let request = api::CreateAliasRequest {
                header: None,
                alias_name: name.clone(),
                target_key_id: key.clone(),
            };
            done(&client, request).await
        }
        AliasCommand::Update { name, key } => {
            let request = api::UpdateAliasRequest {
                header: None,
                alias_name: name.clone(),
                target_key_id: key.clone(),
            };
            done(&client, request).await
        }
        AliasCommand::Delete { name } => {
            let request = api::DeleteAliasRequest {
                header: None,
                alias_name: name.clone(),
            };
            done(&client, request).await
        }
        AliasCommand::List { key, paging } => {
            let request = |page| api::ListAliasesRequest {
                header: None,
                key_id: key.clone(),
                page: Some(page),
            };
            paged(&client, paging, "Aliases", request, |answer| {
                (
                    answer.aliases.iter().map(show).collect(),
                    answer.next_marker,
                )
            })
            .await
        }
    }
}

fn show(alias: &api::AliasListEntry) -> Value {
    let api::AliasListEntry {
        alias_name,
        alias_arn,
        target_key_id,
        creation_date_ms,
        last_updated_date_ms,
    } = alias;
    object([
        ("AliasName", json!(alias_name)),
        ("AliasArn", json!(alias_arn)),
        ("TargetKeyId", json!(target_key_id)),
        ("CreationDate", time(*creation_date_ms)),
        ("LastUpdatedDate", time(*last_updated_date_ms)),
    ])
}
