//! `grantd access`: who can do what, and what a principal can do.

use clap::Subcommand;
use serde_json::{Value, json};

use super::common::{Common, Fallback, Paging};
use super::error::CliError;
use super::output::{Shown, object};
use crate::client::api;

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
    let paging = match command {
        AccessCommand::WhoCan { paging, .. } | AccessCommand::WhatCan { paging, .. } => paging,
    };
    let mut pages = paging.pages();
    let mut all = Vec::new();
    loop {
        let answer = match command {
            AccessCommand::WhoCan { key, actions, .. } => {
                let request = api::WhoCanRequest {
                    header: None,
                    key_id: key.clone(),
                    actions: actions.clone(),
                    page: Some(pages.page()),
                };
                client.call(request).await?.answer
            }
            AccessCommand::WhatCan { principal, .. } => {
                let request = api::WhatCanRequest {
                    header: None,
                    principal: principal.clone(),
                    page: Some(pages.page()),
                };
                client.call(request).await?.answer
            }
        };
        all.extend(answer.access.iter().map(show));
        if !pages.turn(answer.next_marker) {
            let value = object([("Access", Value::Array(all)), pages.marker()]);
            return Ok(Shown::answer(value, answer.header.as_ref()));
        }
    }
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
