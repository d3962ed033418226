//! `grantd grant`: grants.

use clap::{ArgGroup, Args, Subcommand};
use serde_json::{Value, json};

use super::common::{Common, Fallback, Paging};
use super::error::CliError;
use super::input::{map, pair};
use super::output::{Shown, object, time};
use crate::client::api;

/// Grants.
#[derive(Subcommand, Debug)]
pub enum GrantCommand {
    /// Make a grant; its token works at every node at once.
    Create(CreateArgs),
    /// List the grants of a key.
    List {
        /// Key id or key ARN.
        key: String,
        /// Only this grant.
        #[arg(long)]
        grant_id: Option<String>,
        /// Only grants to this principal.
        #[arg(long, value_name = "ARN")]
        grantee: Option<String>,
        /// Only grants to this service; for services.
        #[arg(long, value_name = "SERVICE")]
        grantee_service: Option<String>,
        #[command(flatten)]
        paging: Paging,
    },
    /// List the grants that a principal may retire.
    ListRetirable {
        /// The principal.
        #[arg(long, value_name = "ARN", required_unless_present = "retiring_service")]
        retiring: Option<String>,
        /// The service; for services.
        #[arg(long, value_name = "SERVICE", conflicts_with = "retiring")]
        retiring_service: Option<String>,
        #[command(flatten)]
        paging: Paging,
    },
    /// End a grant, as its grantee or retiring principal: by token, or by key and grant id.
    #[command(group(ArgGroup::new("which").required(true)))]
    Retire {
        /// Key ARN.
        #[arg(requires = "grant_id", group = "which")]
        key: Option<String>,
        /// The grant's id.
        grant_id: Option<String>,
        /// The grant's token.
        #[arg(long, group = "which")]
        token: Option<String>,
        /// Only check whether it would be done.
        #[arg(long)]
        dry_run: bool,
    },
    /// End a grant, as somebody whom a policy allows it.
    Revoke {
        /// Key id or key ARN.
        key: String,
        /// The grant's id.
        grant_id: String,
        /// Only check whether it would be done.
        #[arg(long)]
        dry_run: bool,
    },
}

/// What a new grant is.
#[derive(Args, Debug)]
pub struct CreateArgs {
    /// Key id or key ARN
    key: String,
    /// Who gets it
    #[arg(long, value_name = "ARN", required_unless_present = "grantee_service")]
    grantee: Option<String>,
    /// The service that gets it
    #[arg(long, value_name = "SERVICE", conflicts_with = "grantee")]
    grantee_service: Option<String>,
    /// What it allows, as `Decrypt,GenerateDataKey`
    #[arg(
        long,
        value_delimiter = ',',
        required = true,
        value_name = "OPERATIONS"
    )]
    operations: Vec<String>,
    /// Who may retire it
    #[arg(long, value_name = "ARN")]
    retiring: Option<String>,
    /// The service that may retire it
    #[arg(long, value_name = "SERVICE", conflicts_with = "retiring")]
    retiring_service: Option<String>,
    /// Only with exactly these pairs of encryption context
    #[arg(long, value_name = "KEY=VALUE", value_parser = pair)]
    context_equals: Vec<(String, String)>,
    /// Only with at least these pairs of encryption context
    #[arg(long, value_name = "KEY=VALUE", value_parser = pair, conflicts_with = "context_equals")]
    context_subset: Vec<(String, String)>,
    /// Only for this resource
    #[arg(long, value_name = "ARN")]
    source_arn: Option<String>,
    /// A name: the same request with the same name makes no second grant
    #[arg(long)]
    name: Option<String>,
    /// A token of a grant that this one follows from
    #[arg(long, value_name = "TOKEN")]
    grant_token: Vec<String>,
    /// Only check whether it would be done
    #[arg(long)]
    dry_run: bool,
}

pub(super) async fn run(common: &Common, command: &GrantCommand) -> Result<Shown, CliError> {
    let client = common.client(Fallback::None)?;
    match command {
        GrantCommand::Create(args) => {
            let answer = client.call(create_request(args)?).await?.answer;
            let value = object([
                ("GrantId", json!(answer.grant_id)),
                ("GrantToken", json!(answer.grant_token)),
            ]);
            Ok(Shown::answer(value, answer.header.as_ref()))
        }
        GrantCommand::List {
            key,
            grant_id,
            grantee,
            grantee_service,
            paging,
        } => {
            let mut pages = paging.pages();
            let mut grants = Vec::new();
            loop {
                let request = api::ListGrantsRequest {
                    header: None,
                    key_id: key.clone(),
                    grant_id: grant_id.clone(),
                    grantee_principal: grantee.clone(),
                    grantee_service_principal: grantee_service.clone(),
                    page: Some(pages.page()),
                };
                let answer = client.call(request).await?.answer;
                grants.extend(answer.grants.iter().map(show));
                if !pages.turn(answer.next_marker) {
                    let value = object([("Grants", Value::Array(grants)), pages.marker()]);
                    return Ok(Shown::answer(value, answer.header.as_ref()));
                }
            }
        }
        GrantCommand::ListRetirable {
            retiring,
            retiring_service,
            paging,
        } => {
            let mut pages = paging.pages();
            let mut grants = Vec::new();
            loop {
                let request = api::ListRetirableGrantsRequest {
                    header: None,
                    retiring_principal: retiring.clone(),
                    retiring_service_principal: retiring_service.clone(),
                    page: Some(pages.page()),
                };
                let answer = client.call(request).await?.answer;
                grants.extend(answer.grants.iter().map(show));
                if !pages.turn(answer.next_marker) {
                    let value = object([("Grants", Value::Array(grants)), pages.marker()]);
                    return Ok(Shown::answer(value, answer.header.as_ref()));
                }
            }
        }
        GrantCommand::Retire {
            key,
            grant_id,
            token,
            dry_run,
        } => {
            let request = api::RetireGrantRequest {
                header: None,
                grant_token: token.clone(),
                key_id: key.clone(),
                grant_id: grant_id.clone(),
                dry_run: dry_run.then_some(true),
            };
            let answer = client.call(request).await?.answer;
            Ok(Shown::answer(json!({}), answer.header.as_ref()))
        }
        GrantCommand::Revoke {
            key,
            grant_id,
            dry_run,
        } => {
            let request = api::RevokeGrantRequest {
                header: None,
                key_id: key.clone(),
                grant_id: grant_id.clone(),
                dry_run: dry_run.then_some(true),
            };
            let answer = client.call(request).await?.answer;
            Ok(Shown::answer(json!({}), answer.header.as_ref()))
        }
    }
}

fn create_request(args: &CreateArgs) -> Result<api::CreateGrantRequest, CliError> {
    let CreateArgs {
        key,
        grantee,
        grantee_service,
        operations,
        retiring,
        retiring_service,
        context_equals,
        context_subset,
        source_arn,
        name,
        grant_token,
        dry_run,
    } = args;
    let constraints = api::GrantConstraints {
        encryption_context_equals: map("--context-equals", context_equals)?,
        encryption_context_subset: map("--context-subset", context_subset)?,
        source_arn: source_arn.clone(),
    };
    let constrained = constraints != api::GrantConstraints::default();
    Ok(api::CreateGrantRequest {
        header: None,
        key_id: key.clone(),
        grantee_principal: grantee.clone(),
        retiring_principal: retiring.clone(),
        operations: operations.clone(),
        constraints: constrained.then_some(constraints),
        grant_tokens: grant_token.clone(),
        name: name.clone(),
        dry_run: dry_run.then_some(true),
        grantee_service_principal: grantee_service.clone(),
        retiring_service_principal: retiring_service.clone(),
    })
}

fn show(grant: &api::GrantListEntry) -> Value {
    let api::GrantListEntry {
        key_id,
        grant_id,
        name,
        creation_date_ms,
        grantee_principal,
        grantee_service_principal,
        retiring_principal,
        retiring_service_principal,
        issuing_account,
        operations,
        constraints,
    } = grant;
    object([
        ("GrantId", json!(grant_id)),
        ("Name", json!(name)),
        ("GranteePrincipal", json!(grantee_principal)),
        ("GranteeServicePrincipal", json!(grantee_service_principal)),
        ("Operations", json!(operations)),
        (
            "Constraints",
            constraints.as_ref().map_or(Value::Null, show_constraints),
        ),
        ("RetiringPrincipal", json!(retiring_principal)),
        (
            "RetiringServicePrincipal",
            json!(retiring_service_principal),
        ),
        ("IssuingAccount", json!(issuing_account)),
        ("KeyId", json!(key_id)),
        ("CreationDate", time(*creation_date_ms)),
    ])
}

fn show_constraints(constraints: &api::GrantConstraints) -> Value {
    let api::GrantConstraints {
        encryption_context_equals,
        encryption_context_subset,
        source_arn,
    } = constraints;
    // The wire has no order of pairs; people compare what they see.
    let sorted = |pairs: Vec<(&String, &String)>| {
        let pairs: std::collections::BTreeMap<_, _> = pairs.into_iter().collect();
        if pairs.is_empty() {
            Value::Null
        } else {
            json!(pairs)
        }
    };
    object([
        (
            "EncryptionContextEquals",
            sorted(encryption_context_equals.iter().collect()),
        ),
        (
            "EncryptionContextSubset",
            sorted(encryption_context_subset.iter().collect()),
        ),
        ("SourceArn", json!(source_arn)),
    ])
}
