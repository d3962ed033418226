//! `grantd access`: who can do what, and what a principal can do.

use clap::Subcommand;
use serde_json::{Value, json};

use super::ask::paged;
use super::common::{Common, Fallback, Paging};
use super::error::CliError;
use super::output::{Shown, object};
use crate::client::{Client, api};

/// Effective access: what is allowed whatever a request says, and what only under conditions.
#[derive(Subcommand, Debug)]
pub enum AccessCommand {
    /// Which users, roles and root users may do what to a key, and what lets them.
    ///
    /// The operator is told of every account's principals, anybody else of its own account's. `Conditions` are those that
    /// depend on the request; what has none is allowed whatever the request says.
    WhoCan {
        /// Key id or key ARN; for the operator the ARN.
        key: String,
        /// Only these actions, as `kms:Decrypt`.
        actions: Vec<String>,
        #[command(flatten)]
        paging: Paging,
    },
    /// Which key policies and grants name users and roles that are gone.
    ///
    /// What names one means nobody, be it that another bears the name now: put the policy again, make the grant again, or
    /// take them away. Told of the keys whose policy and grants the caller may read; `KeysWithheld` counts the others.
    DanglingPrincipals {
        /// Whose keys, for the operator; without it, the caller's account's.
        #[arg(long, value_name = "ACCOUNT")]
        account: Option<String>,
        #[command(flatten)]
        paging: Paging,
    },
    /// Which keys a user, a role or an account's root user may do what to, and what lets it.
    WhatCan {
        /// ARN of a user, a role or an account's root.
        principal: String,
        #[command(flatten)]
        paging: Paging,
    },
}

pub(super) async fn run(common: &Common, command: &AccessCommand) -> Result<Shown, CliError> {
    let client = common.client(Fallback::Operator)?;
    match command {
        AccessCommand::WhoCan {
            key,
            actions,
            paging,
        } => {
            let request = |page| api::WhoCanRequest {
                header: None,
                key_id: key.clone(),
                actions: actions.clone(),
                page: Some(page),
            };
            paged(&client, paging, "Access", request, shown).await
        }
        AccessCommand::WhatCan { principal, paging } => {
            let request = |page| api::WhatCanRequest {
                header: None,
                principal: principal.clone(),
                page: Some(page),
            };
            paged(&client, paging, "Access", request, shown).await
        }
        AccessCommand::DanglingPrincipals { account, paging } => {
            dangling(&client, account.as_deref(), paging).await
        }
    }
}

fn shown(answer: api::AccessResponse) -> (Vec<Value>, Option<String>) {
    (answer.access.iter().map(show).collect(), answer.next_marker)
}

/// Every page, with how many keys were passed over in all of them.
async fn dangling(
    client: &Client,
    account: Option<&str>,
    paging: &Paging,
) -> Result<Shown, CliError> {
    let mut pages = paging.pages();
    let (mut all, mut withheld) = (Vec::new(), 0_u64);
    loop {
        let request = api::ListDanglingPrincipalsRequest {
            header: None,
            account_id: account.map(str::to_owned),
            page: Some(pages.page()),
        };
        let answer = client.call(request).await?.answer;
        all.extend(answer.dangling.iter().map(show_dangling));
        withheld = withheld.saturating_add(answer.keys_withheld.into());
        if !pages.turn(answer.next_marker) {
            let withheld = if withheld == 0 {
                Value::Null
            } else {
                json!(withheld)
            };
            let value = object([
                ("Dangling", Value::Array(all)),
                ("KeysWithheld", withheld),
                pages.marker(),
            ]);
            return Ok(Shown::answer(value, answer.header.as_ref()));
        }
    }
}

fn show_dangling(dangling: &api::list_dangling_principals_response::Dangling) -> Value {
    let api::list_dangling_principals_response::Dangling {
        key_arn,
        principal_arn,
        unique_id,
        is_remade,
        statement,
        sid,
        grant_id,
        is_retiring,
    } = dangling;
    let part = match (grant_id, is_retiring) {
        (None, _) => "keyPolicy",
        (Some(_), false) => "grantee",
        (Some(_), true) => "retiringPrincipal",
    };
    object([
        ("KeyArn", json!(key_arn)),
        ("NamedBy", json!(part)),
        ("Statement", json!(statement)),
        ("Sid", json!(sid)),
        ("GrantId", json!(grant_id)),
        ("FormerArn", json!(principal_arn)),
        ("UniqueId", json!(unique_id)),
        ("NameIsTakenAgain", json!(is_remade)),
    ])
}

fn show(access: &api::access_response::Access) -> Value {
    let api::access_response::Access {
        principal,
        key_arn,
        actions,
        by,
        conditions,
    } = access;
    object([
        ("Principal", json!(principal)),
        ("KeyArn", json!(key_arn)),
        ("Actions", json!(actions)),
        ("By", json!(by)),
        ("Conditions", json!(conditions)),
    ])
}
