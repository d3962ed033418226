//! `grantd identity`: users and roles.

use clap::{Subcommand, ValueEnum};
use serde_json::{Value, json};

use super::ask::{done, paged, policy_members, put_policy};
use super::common::{Common, Fallback, Paging};
use super::error::CliError;
use super::input::{pair, tags};
use super::key::show_tag;
use super::output::{Shown, object, time};
use crate::client::api;

/// Users and roles. They are named by their ARNs, as arn:aws:iam::111122223333:user/Alice.
#[derive(Subcommand, Debug)]
pub enum IdentityCommand {
    /// Make users and roles.
    Create {
        /// ARN of a user or of a role; several are made in turn. A role under /aws-service-role/SERVICE/ is linked to that
        /// service: the operator alone makes it.
        #[arg(required = true)]
        arn: Vec<String>,
        /// A tag of each.
        #[arg(long, value_name = "KEY=VALUE", value_parser = pair)]
        tag: Vec<(String, String)>,
    },
    /// Show a user or a role.
    Get {
        /// ARN of the user or of the role.
        arn: String,
    },
    /// List users or roles.
    List {
        /// Which.
        #[arg(long, value_enum, default_value = "user")]
        kind: Kind,
        #[command(flatten)]
        paging: Paging,
    },
    /// Delete a user or a role.
    Delete {
        /// ARN of the user or of the role.
        arn: String,
    },
    /// Set tags.
    Tag {
        /// ARN of the user or of the role.
        arn: String,
        /// The tags.
        #[arg(required = true, value_name = "KEY=VALUE", value_parser = pair)]
        tag: Vec<(String, String)>,
    },
    /// Remove tags.
    Untag {
        /// ARN of the user or of the role.
        arn: String,
        /// The tags' keys.
        #[arg(required = true, value_name = "KEY")]
        key: Vec<String>,
    },
    /// Give an identity policy; one of the same name is replaced.
    PutPolicy {
        /// ARN of the user or of the role.
        arn: String,
        /// The policy's name.
        name: String,
        /// File of the JSON text, `-` for standard input, or the text itself.
        policy: String,
    },
    /// Show an identity policy.
    GetPolicy {
        /// ARN of the user or of the role.
        arn: String,
        /// The policy's name.
        name: String,
    },
    /// Take an identity policy away.
    DeletePolicy {
        /// ARN of the user or of the role.
        arn: String,
        /// The policy's name.
        name: String,
    },
    /// Limit what identity policies can give by a permissions boundary.
    PutBoundary {
        /// ARN of the user or of the role.
        arn: String,
        /// File of the JSON text, `-` for standard input, or the text itself.
        policy: String,
    },
    /// Take the permissions boundary away.
    DeleteBoundary {
        /// ARN of the user or of the role.
        arn: String,
    },
    /// List the names of the identity policies.
    ListPolicies {
        /// ARN of the user or of the role.
        arn: String,
        #[command(flatten)]
        paging: Paging,
    },
}

/// Users or roles.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum Kind {
    /// Users.
    User,
    /// Roles.
    Role,
}

pub(super) async fn run(common: &Common, command: &IdentityCommand) -> Result<Shown, CliError> {
    let client = common.client(Fallback::None)?;
    match command {
        IdentityCommand::Create { arn, tag } => {
            let mut made = Vec::new();
            let mut header = None;
            for (n, one) in arn.iter().enumerate() {
                let request = api::CreatePrincipalRequest {
                    header: None,
                    arn: one.clone(),
                    tags: tags(tag),
                };
                let answer = match client.call(request).await {
                    Ok(reply) => reply.answer,
                    Err(error) => {
                        let done = arn.get(..n).unwrap_or_default();
                        return Err(CliError::from(error).after(done));
                    }
                };
                made.extend(answer.principal.as_ref().map(show));
                header = answer.header;
            }
            let value = object([("Principals", Value::Array(made))]);
            Ok(Shown::answer(value, header.as_ref()))
        }
        IdentityCommand::Get { arn } => {
            let request = api::GetPrincipalRequest {
                header: None,
                arn: arn.clone(),
            };
            let answer = client.call(request).await?.answer;
            let principal = answer.principal.as_ref().map_or(Value::Null, show);
            Ok(Shown::answer(
                object([("Principal", principal)]),
                answer.header.as_ref(),
            ))
        }
        IdentityCommand::List { kind, paging } => {
            let request = |page| api::ListPrincipalsRequest {
                header: None,
                kind: match kind {
                    Kind::User => "User".to_owned(),
                    Kind::Role => "Role".to_owned(),
                },
                page: Some(page),
            };
            paged(&client, paging, "Principals", request, |answer| {
                (
                    answer.principals.iter().map(show).collect(),
                    answer.next_marker,
                )
            })
            .await
        }
        IdentityCommand::Delete { arn } => {
            let request = api::DeletePrincipalRequest {
                header: None,
                arn: arn.clone(),
            };
            done(&client, request).await
        }
        IdentityCommand::Tag { arn, tag } => {
            let request = api::TagPrincipalRequest {
                header: None,
                arn: arn.clone(),
                tags: tags(tag),
            };
            done(&client, request).await
        }
        IdentityCommand::Untag { arn, key } => {
            let request = api::UntagPrincipalRequest {
                header: None,
                arn: arn.clone(),
                tag_keys: key.clone(),
            };
            done(&client, request).await
        }
        IdentityCommand::PutPolicy { arn, name, policy } => {
            let request = |policy| api::PutPrincipalPolicyRequest {
                header: None,
                arn: arn.clone(),
                policy_name: name.clone(),
                policy,
            };
            put_policy(&client, policy, request, |answer| &answer.policy_warnings).await
        }
        IdentityCommand::GetPolicy { arn, name } => {
            let request = api::GetPrincipalPolicyRequest {
                header: None,
                arn: arn.clone(),
                policy_name: name.clone(),
            };
            let answer = client.call(request).await?.answer;
            let value = policy_members(&answer.policy_name, &answer.policy);
            Ok(Shown::answer(value, answer.header.as_ref()))
        }
        IdentityCommand::DeletePolicy { arn, name } => {
            let request = api::DeletePrincipalPolicyRequest {
                header: None,
                arn: arn.clone(),
                policy_name: name.clone(),
            };
            done(&client, request).await
        }
        IdentityCommand::PutBoundary { arn, policy } => {
            let request = |policy| api::PutPrincipalPermissionsBoundaryRequest {
                header: None,
                arn: arn.clone(),
                policy,
            };
            put_policy(&client, policy, request, |answer| &answer.policy_warnings).await
        }
        IdentityCommand::DeleteBoundary { arn } => {
            let request = api::DeletePrincipalPermissionsBoundaryRequest {
                header: None,
                arn: arn.clone(),
            };
            done(&client, request).await
        }
        IdentityCommand::ListPolicies { arn, paging } => {
            let request = |page| api::ListPrincipalPoliciesRequest {
                header: None,
                arn: arn.clone(),
                page: Some(page),
            };
            paged(&client, paging, "PolicyNames", request, |answer| {
                (
                    answer.policy_names.iter().map(|name| json!(name)).collect(),
                    answer.next_marker,
                )
            })
            .await
        }
    }
}

fn show(principal: &api::Principal) -> Value {
    let api::Principal {
        arn,
        unique_id,
        kind,
        created_at_ms,
        tags,
        permissions_boundary,
        service,
    } = principal;
    object([
        ("Arn", json!(arn)),
        ("Kind", json!(kind)),
        ("UniqueId", json!(unique_id)),
        ("CreateDate", time(*created_at_ms)),
        (
            "LinkedService",
            service.as_ref().map_or(Value::Null, |name| json!(name)),
        ),
        (
            "Tags",
            if tags.is_empty() {
                Value::Null
            } else {
                tags.iter().map(show_tag).collect()
            },
        ),
        (
            "PermissionsBoundary",
            permissions_boundary
                .as_ref()
                .map_or(Value::Null, |text| json!(text)),
        ),
    ])
}
