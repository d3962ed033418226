//! `grantd grant`: grants.

use std::time::Duration;

use clap::{ArgGroup, Args, Subcommand};
use serde_json::{Value, json};

use super::ask::paged;
use super::common::{Common, Fallback, Paging};
use super::error::{CliError, near};
use super::input::{map, pair, short};
use super::output::{Shown, object, time};
use crate::client::{Client, Operation, Parts, api};
use crate::config::parse_span;
use crate::domain::policy::parse_instant;
use crate::domain::state::grant::GrantOperation;
use crate::domain::time::Timestamp;

/// Grants.
#[derive(Subcommand, Debug)]
pub enum GrantCommand {
    /// Make a grant; its token works at every node at once.
    Create(CreateArgs),
    /// List the grants of a key; without a key, those that a principal holds on any.
    List {
        /// Key id or key ARN.
        #[arg(required_unless_present_any = ["grantee", "grantee_service"])]
        key: Option<String>,
        /// Only this grant.
        #[arg(long, requires = "key")]
        grant_id: Option<String>,
        /// Only grants to this principal: its ARN, or with a key the immutable id of one that was deleted.
        #[arg(long, value_name = "ARN")]
        grantee: Option<String>,
        /// Only grants to this service; for services.
        #[arg(long, value_name = "SERVICE")]
        grantee_service: Option<String>,
        #[command(flatten)]
        paging: Paging,
    },
    /// List the grants of a key that are equal in all but id, name and time: while one of them is left, all are.
    Duplicates {
        /// Key id or key ARN.
        key: String,
        #[command(flatten)]
        paging: Paging,
    },
    /// Show how many grants a key has against its quota, and who holds most of them.
    Figures {
        /// Key id or key ARN.
        key: String,
    },
    /// Ask for a use of a key and spend it, where a grant with a budget allows it.
    Consume {
        /// Key id, key ARN, alias name or alias ARN.
        key: String,
        /// What is to be done with the key, as `Decrypt`.
        operation: String,
        /// Encryption context of the use.
        #[arg(long, value_name = "KEY=VALUE", value_parser = pair)]
        encryption_context: Vec<(String, String)>,
        /// The only grant that may pay.
        #[arg(long)]
        grant_id: Option<String>,
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
    /// End a grant by token, or by key and grant id: as its retiring principal, or as its grantee if it holds RetireGrant.
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
        /// Only check whether it would be done: exit code 0 if it would.
        #[arg(long)]
        dry_run: bool,
    },
    /// End a grant, as somebody whom a policy allows it.
    Revoke {
        /// Key id or key ARN.
        key: String,
        /// The grant's id.
        grant_id: String,
        /// End the grants that descend from it, too.
        #[arg(long)]
        descendants: bool,
        /// Only check whether it would be done: exit code 0 if it would.
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
    /// How long it holds, as `90s`, `15m`, `8h` or `30d`; without it, until it is ended
    #[arg(long, value_name = "SPAN", value_parser = parse_span)]
    expires_in: Option<Duration>,
    /// Until when it holds, as `2026-12-24T18:00:00Z`; with `--name` a retry must give the same time, which
    /// `--expires-in` does not
    #[arg(long, value_name = "TIME", value_parser = instant, conflicts_with = "expires_in")]
    expires_at: Option<u64>,
    /// How many uses it has, which `grant consume` alone spends; without it, it allows as often as it is asked
    #[arg(long, value_name = "COUNT")]
    uses: Option<u32>,
    /// Only check whether it would be done: exit code 0 if it would
    #[arg(long)]
    dry_run: bool,
}

/// An instant in milliseconds since the Unix epoch.
fn instant(text: &str) -> Result<u64, String> {
    parse_instant(text).map(Timestamp::as_millis).ok_or_else(|| {
        format!(
            "`{}` is not a time: want ISO 8601, as `2026-12-24T18:00:00Z` or `2026-12-24T19:00:00+01:00`, or seconds since 1970",
            short(text)
        )
    })
}

/// The instant `span` from now by this machine's clock, as the API has it.
fn from_now(span: Duration) -> u64 {
    let span = u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
    Parts::real().clock.wall().0.saturating_add(span)
}

pub(super) async fn run(common: &Common, command: &GrantCommand) -> Result<Shown, CliError> {
    let client = common.client(Fallback::None)?;
    match command {
        GrantCommand::Create(args) => {
            let Some(answer) = attempt(&client, create_request(args)?).await? else {
                return Ok(would_succeed());
            };
            let value = object([
                ("GrantId", json!(answer.grant_id)),
                ("GrantToken", json!(answer.grant_token)),
            ]);
            Ok(Shown::answer(value, answer.header.as_ref()))
        }
        GrantCommand::List {
            key: Some(key),
            grant_id,
            grantee,
            grantee_service,
            paging,
        } => {
            let request = |page| api::ListGrantsRequest {
                header: None,
                key_id: key.clone(),
                grant_id: grant_id.clone(),
                grantee_principal: grantee.clone(),
                grantee_service_principal: grantee_service.clone(),
                page: Some(page),
            };
            paged(&client, paging, "Grants", request, |answer| {
                (answer.grants.iter().map(show).collect(), answer.next_marker)
            })
            .await
        }
        GrantCommand::List {
            key: None,
            grant_id: _,
            grantee,
            grantee_service,
            paging,
        } => {
            let request = |page| api::ListGrantsByGranteeRequest {
                header: None,
                grantee_principal: grantee.clone(),
                grantee_service_principal: grantee_service.clone(),
                page: Some(page),
            };
            paged(&client, paging, "Grants", request, |answer| {
                (answer.grants.iter().map(show).collect(), answer.next_marker)
            })
            .await
        }
        GrantCommand::Duplicates { key, paging } => {
            let request = |page| api::ListDuplicateGrantsRequest {
                header: None,
                key_id: key.clone(),
                page: Some(page),
            };
            paged(&client, paging, "Duplicates", request, |answer| {
                (
                    answer.duplicates.iter().map(show_duplicates).collect(),
                    answer.next_marker,
                )
            })
            .await
        }
        GrantCommand::Figures { key } => {
            let request = api::DescribeGrantsRequest {
                header: None,
                key_id: key.clone(),
            };
            let answer = client.call(request).await?.answer;
            Ok(Shown::answer(show_figures(&answer), answer.header.as_ref()))
        }
        GrantCommand::Consume {
            key,
            operation,
            encryption_context,
            grant_id,
        } => {
            self::operation(operation)?;
            let request = api::ConsumeRequest {
                header: None,
                key_id: key.clone(),
                operation: operation.clone(),
                encryption_context: map("--encryption-context", encryption_context)?,
                grant_id: grant_id.clone(),
            };
            let answer = client.call(request).await?.answer;
            let value = object([
                ("PolicyType", json!(answer.policy_type)),
                ("GrantId", json!(answer.grant_id)),
                ("UsesLeft", json!(answer.uses_left)),
                ("Replayed", json!(answer.replayed)),
                (
                    "DecidedAt",
                    json!(answer.replayed.then_some(answer.decided_at)),
                ),
            ]);
            Ok(Shown::answer(value, answer.header.as_ref()))
        }
        GrantCommand::ListRetirable {
            retiring,
            retiring_service,
            paging,
        } => {
            let request = |page| api::ListRetirableGrantsRequest {
                header: None,
                retiring_principal: retiring.clone(),
                retiring_service_principal: retiring_service.clone(),
                page: Some(page),
            };
            paged(&client, paging, "Grants", request, |answer| {
                (answer.grants.iter().map(show).collect(), answer.next_marker)
            })
            .await
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
            let Some(answer) = attempt(&client, request).await? else {
                return Ok(would_succeed());
            };
            Ok(Shown::answer(json!({}), answer.header.as_ref()))
        }
        GrantCommand::Revoke {
            key,
            grant_id,
            descendants,
            dry_run,
        } => {
            let request = api::RevokeGrantRequest {
                header: None,
                key_id: key.clone(),
                grant_id: grant_id.clone(),
                dry_run: dry_run.then_some(true),
                descendants: descendants.then_some(true),
            };
            let Some(answer) = attempt(&client, request).await? else {
                return Ok(would_succeed());
            };
            Ok(Shown::answer(json!({}), answer.header.as_ref()))
        }
    }
}

/// Calls; `None`: a dry run would have succeeded, which AWS, and so the API, says in the form of an error (G-20).
async fn attempt<O: Operation>(client: &Client, request: O) -> Result<Option<O::Answer>, CliError> {
    match client.call(request).await {
        Ok(reply) => Ok(Some(reply.answer)),
        Err(error) if error.code() == "DryRunOperationException" => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// What a dry run shows that would have succeeded.
fn would_succeed() -> Shown {
    let text = "The request would have succeeded, but the DryRun option is set.";
    Shown::answer(object([("DryRun", json!(text))]), None)
}

/// Refuses an operation that is nearly one: the cluster's answer would list them all. What is like none is the cluster's to
/// judge, which may know more of them.
fn operation(text: &str) -> Result<(), CliError> {
    if text.parse::<GrantOperation>().is_ok() {
        return Ok(());
    }
    match near(text, GrantOperation::ALL.iter().map(|known| known.as_str())) {
        Some(near) => Err(
            CliError::new(format!("`{}` is no operation of a grant", short(text)))
                .help(format!("did you mean `{near}`?")),
        ),
        None => Ok(()),
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
        expires_in,
        expires_at,
        uses,
        dry_run,
    } = args;
    let constraints = api::GrantConstraints {
        encryption_context_equals: map("--context-equals", context_equals)?,
        encryption_context_subset: map("--context-subset", context_subset)?,
        source_arn: source_arn.clone(),
    };
    operations.iter().try_for_each(|text| operation(text))?;
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
        expires_at_ms: expires_at.or_else(|| expires_in.map(from_now)),
        uses: *uses,
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
        expires_at_ms,
        uses,
        uses_left,
        parent_grant_id,
        grantee_unique_id,
        grantee_former_arn,
        retiring_unique_id: _, // told by its ARN, or instead of it
        retiring_former_arn,
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
        ("ExpirationDate", expires_at_ms.map_or(Value::Null, time)),
        ("Uses", json!(uses)),
        ("UsesLeft", json!(uses_left)),
        ("ParentGrantId", json!(parent_grant_id)),
        ("GranteeUniqueId", json!(grantee_unique_id)),
        ("GranteeFormerArn", json!(grantee_former_arn)),
        ("RetiringFormerArn", json!(retiring_former_arn)),
    ])
}

fn show_duplicates(group: &api::DuplicateGrants) -> Value {
    let api::DuplicateGrants {
        grant,
        count,
        other_grant_ids,
    } = group;
    object([
        ("Count", json!(count)),
        ("Grant", grant.as_ref().map_or(Value::Null, show)),
        ("OtherGrantIds", json!(other_grant_ids)),
    ])
}

fn show_figures(figures: &api::DescribeGrantsResponse) -> Value {
    let api::DescribeGrantsResponse {
        header: _, // shown for itself
        key_arn,
        grants,
        quota,
        expiring,
        budgeted,
        spent,
        grantees,
        top_grantees,
    } = figures;
    let count = |of: &api::GranteeCount| {
        let api::GranteeCount {
            grantee_principal,
            grantee_service_principal,
            grantee_unique_id,
            grants,
        } = of;
        object([
            ("GranteePrincipal", json!(grantee_principal)),
            ("GranteeServicePrincipal", json!(grantee_service_principal)),
            ("GranteeUniqueId", json!(grantee_unique_id)),
            ("Grants", json!(grants)),
        ])
    };
    object([
        ("KeyId", json!(key_arn)),
        ("Grants", json!(grants)),
        ("Quota", json!(quota)),
        ("Expiring", json!(expiring)),
        ("Budgeted", json!(budgeted)),
        ("Spent", json!(spent)),
        ("Grantees", json!(grantees)),
        (
            "TopGrantees",
            Value::Array(top_grantees.iter().map(count).collect()),
        ),
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

#[cfg(test)]
mod tests {
    use super::*;

    /// What is nearly an operation is refused with the one that is meant; what is like none goes to the cluster.
    #[test]
    fn operation_that_is_nearly_one_is_refused_with_it() {
        for (text, meant) in [
            ("decrypt", "Decrypt"),
            ("kms:Decrypt", "Decrypt"),
            ("Encrpyt", "Encrypt"),
            ("generatedatakey", "GenerateDataKey"),
        ] {
            let said = operation(text).unwrap_err().render();
            assert!(said.contains(&format!("did you mean `{meant}`?")), "{said}");
        }
        for known in GrantOperation::ALL {
            assert_eq!(operation(known.as_str()), Ok(()));
        }
        assert_eq!(operation("SomethingOfALaterVersion"), Ok(()));
    }
}
