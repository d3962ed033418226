//! `grantd group`: groups of users.

use clap::Subcommand;
use serde_json::{Value, json};

use super::ask::{done, paged, policy_members, put_policy};
use super::common::{Common, Fallback, Paging};
use super::error::CliError;
use super::output::{Shown, object, time};
use crate::client::api;

/// Groups of users. They are named by their ARNs, as arn:aws:iam::111122223333:group/Readers. A group is never a caller.
#[derive(Subcommand, Debug)]
pub enum GroupCommand {
    /// Make a group.
    Create {
        /// ARN of the group.
        arn: String,
    },
    /// Show a group and its members.
    Get {
        /// ARN of the group.
        arn: String,
        #[command(flatten)]
        paging: Paging,
    },
    /// List groups.
    List {
        /// Only those that this user is in.
        #[arg(long, value_name = "ARN")]
        user: Option<String>,
        #[command(flatten)]
        paging: Paging,
    },
    /// Delete a group that has neither members nor policies.
    Delete {
        /// ARN of the group.
        arn: String,
    },
    /// Make users members.
    Add {
        /// ARN of the group.
        arn: String,
        /// ARNs of the users.
        #[arg(required = true)]
        user: Vec<String>,
    },
    /// End the membership of users.
    Remove {
        /// ARN of the group.
        arn: String,
        /// ARNs of the users.
        #[arg(required = true)]
        user: Vec<String>,
    },
    /// Give a policy, which every member has; one of the same name is replaced.
    PutPolicy {
        /// ARN of the group.
        arn: String,
        /// The policy's name.
        name: String,
        /// File of the JSON text, `-` for standard input, or the text itself.
        policy: String,
    },
    /// Show a policy.
    GetPolicy {
        /// ARN of the group.
        arn: String,
        /// The policy's name.
        name: String,
    },
    /// Take a policy away.
    DeletePolicy {
        /// ARN of the group.
        arn: String,
        /// The policy's name.
        name: String,
    },
    /// List the names of the policies.
    ListPolicies {
        /// ARN of the group.
        arn: String,
        #[command(flatten)]
        paging: Paging,
    },
}

pub(super) async fn run(common: &Common, command: &GroupCommand) -> Result<Shown, CliError> {
    let client = common.client(Fallback::None)?;
    match command {
        GroupCommand::Create { arn } => {
            let request = api::CreateGroupRequest {
                header: None,
                arn: arn.clone(),
            };
            let answer = client.call(request).await?.answer;
            let group = answer.group.as_ref().map_or(Value::Null, show);
            Ok(Shown::answer(
                object([("Group", group)]),
                answer.header.as_ref(),
            ))
        }
        GroupCommand::Get { arn, paging } => {
            let mut pages = paging.pages();
            let mut users = Vec::new();
            loop {
                let request = api::GetGroupRequest {
                    header: None,
                    arn: arn.clone(),
                    page: Some(pages.page()),
                };
                let answer = client.call(request).await?.answer;
                users.extend(answer.users);
                if !pages.turn(answer.next_marker) {
                    let group = answer.group.as_ref().map_or(Value::Null, show);
                    let value = object([("Group", group), ("Users", json!(users)), pages.marker()]);
                    return Ok(Shown::answer(value, answer.header.as_ref()));
                }
            }
        }
        GroupCommand::List { user: None, paging } => {
            let request = |page| api::ListGroupsRequest {
                header: None,
                page: Some(page),
            };
            paged(&client, paging, "Groups", request, |answer| {
                (answer.groups.iter().map(show).collect(), answer.next_marker)
            })
            .await
        }
        GroupCommand::List {
            user: Some(user),
            paging,
        } => {
            let request = |page| api::ListGroupsForUserRequest {
                header: None,
                user: user.clone(),
                page: Some(page),
            };
            paged(&client, paging, "Groups", request, |answer| {
                (answer.groups.iter().map(show).collect(), answer.next_marker)
            })
            .await
        }
        GroupCommand::Delete { arn } => {
            let request = api::DeleteGroupRequest {
                header: None,
                arn: arn.clone(),
            };
            done(&client, request).await
        }
        GroupCommand::Add { arn, user } => {
            let mut header = None;
            for (n, one) in user.iter().enumerate() {
                let request = api::AddUserToGroupRequest {
                    header: None,
                    group: arn.clone(),
                    user: one.clone(),
                };
                header = match client.call(request).await {
                    Ok(reply) => reply.answer.header,
                    Err(error) => {
                        let done = user.get(..n).unwrap_or_default();
                        return Err(CliError::from(error).after(done));
                    }
                };
            }
            Ok(Shown::answer(json!({}), header.as_ref()))
        }
        GroupCommand::Remove { arn, user } => {
            let mut header = None;
            for (n, one) in user.iter().enumerate() {
                let request = api::RemoveUserFromGroupRequest {
                    header: None,
                    group: arn.clone(),
                    user: one.clone(),
                };
                header = match client.call(request).await {
                    Ok(reply) => reply.answer.header,
                    Err(error) => {
                        let done = user.get(..n).unwrap_or_default();
                        return Err(CliError::from(error).after(done));
                    }
                };
            }
            Ok(Shown::answer(json!({}), header.as_ref()))
        }
        GroupCommand::PutPolicy { arn, name, policy } => {
            let request = |policy| api::PutGroupPolicyRequest {
                header: None,
                arn: arn.clone(),
                policy_name: name.clone(),
                policy,
            };
            put_policy(&client, policy, request, |answer| &answer.policy_warnings).await
        }
        GroupCommand::GetPolicy { arn, name } => {
            let request = api::GetGroupPolicyRequest {
                header: None,
                arn: arn.clone(),
                policy_name: name.clone(),
            };
            let answer = client.call(request).await?.answer;
            let value = policy_members(&answer.policy_name, &answer.policy);
            Ok(Shown::answer(value, answer.header.as_ref()))
        }
        GroupCommand::DeletePolicy { arn, name } => {
            let request = api::DeleteGroupPolicyRequest {
                header: None,
                arn: arn.clone(),
                policy_name: name.clone(),
            };
            done(&client, request).await
        }
        GroupCommand::ListPolicies { arn, paging } => {
            let request = |page| api::ListGroupPoliciesRequest {
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

fn show(group: &api::Group) -> Value {
    let api::Group {
        arn,
        unique_id,
        created_at_ms,
    } = group;
    object([
        ("Arn", json!(arn)),
        ("UniqueId", json!(unique_id)),
        ("CreateDate", time(*created_at_ms)),
    ])
}
