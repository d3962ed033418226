//! `grantd key`: keys, their policies and their tags.

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::ask::{done, paged, policy_members, put_policy};
use super::common::{Common, Fallback, Paging};
use super::error::CliError;
use super::input::{Text, pair, read_policy, tags};
use super::output::{Shown, object, time};
use crate::client::api;

/// Keys. A key is named by its id or ARN; where AWS allows it, by an alias too.
#[derive(Subcommand, Debug)]
pub enum KeyCommand {
    /// Make a key.
    Create(CreateArgs),
    /// Show a key.
    Describe {
        /// Key id, key ARN, alias name or alias ARN.
        key: String,
        /// A grant token of a grant that may not have arrived yet.
        #[arg(long, value_name = "TOKEN")]
        grant_token: Vec<String>,
    },
    /// Show when a key was last used for a cryptographic operation.
    GetLastUsage {
        /// Key id or key ARN.
        key: String,
    },
    /// List the keys of the account and Region.
    List {
        /// Whose keys: SELF, which is the default, or OTHER_ACCOUNTS_VIA_RAM, of which there are none here
        #[arg(long, value_name = "OWNER")]
        resource_owner: Vec<String>,
        #[command(flatten)]
        paging: Paging,
    },
    /// Replace the key policy.
    PutPolicy {
        /// Key id or key ARN.
        key: String,
        /// File of the JSON text, `-` for standard input, or the text itself.
        policy: String,
        /// Accept a policy that leaves the caller unable to change it again.
        #[arg(long)]
        bypass_policy_lockout_safety_check: bool,
    },
    /// Show the key policy.
    GetPolicy {
        /// Key id or key ARN.
        key: String,
    },
    /// Put a key into use.
    Enable {
        /// Key id or key ARN.
        key: String,
    },
    /// Take a key out of use.
    Disable {
        /// Key id or key ARN.
        key: String,
    },
    /// Replace the description.
    SetDescription {
        /// Key id or key ARN.
        key: String,
        /// Free text; may be empty.
        description: String,
    },
    /// List the names of the key policies.
    ListPolicies {
        /// Key id or key ARN.
        key: String,
        #[command(flatten)]
        paging: Paging,
    },
    /// Delete a key, its aliases and its grants after a waiting period, in which it cannot be used.
    ScheduleDeletion {
        /// Key id or key ARN.
        key: String,
        /// The waiting period in days, 7 to 30 [default: 30]
        #[arg(long, value_name = "DAYS", allow_negative_numbers = true)]
        pending_window_in_days: Option<i32>,
    },
    /// Keep a key whose deletion was scheduled; it is disabled then.
    CancelDeletion {
        /// Key id or key ARN.
        key: String,
    },
    /// Make a replica of a multi-Region primary key in another Region.
    Replicate(ReplicateArgs),
    /// Make a replica the primary key of its multi-Region set, and the primary a replica.
    UpdatePrimaryRegion {
        /// Key id or key ARN of the current primary.
        key: String,
        /// The Region of the replica that becomes the primary.
        primary_region: String,
    },
    /// Set tags.
    Tag {
        /// Key id or key ARN.
        key: String,
        /// The tags.
        #[arg(required = true, value_name = "KEY=VALUE", value_parser = pair)]
        tag: Vec<(String, String)>,
    },
    /// Remove tags.
    Untag {
        /// Key id or key ARN.
        key: String,
        /// The tags' keys.
        #[arg(required = true, value_name = "KEY")]
        tag_key: Vec<String>,
    },
    /// List the tags of a key.
    Tags {
        /// Key id or key ARN.
        key: String,
        #[command(flatten)]
        paging: Paging,
    },
}

/// What a new key is.
#[derive(Args, Debug)]
pub struct CreateArgs {
    /// File of the key policy's JSON text, `-` for standard input, or the text itself; without it the default policy
    #[arg(long)]
    policy: Option<String>,
    /// What it is for
    #[arg(long)]
    description: Option<String>,
    /// As AWS names it [default: SYMMETRIC_DEFAULT]
    #[arg(long, value_name = "KEY_SPEC")]
    spec: Option<String>,
    /// As AWS names it; needed unless the spec is SYMMETRIC_DEFAULT
    #[arg(long, value_name = "KEY_USAGE")]
    usage: Option<String>,
    /// As AWS names it [default: AWS_KMS]
    #[arg(long)]
    origin: Option<String>,
    /// The custom key store that it is to live in; `--origin` is the store's type
    #[arg(long, value_name = "STORE_ID")]
    custom_key_store: Option<String>,
    /// The key of the external key manager; for an external key store alone
    #[arg(long, value_name = "XKS_KEY_ID")]
    xks_key: Option<String>,
    /// Make it the primary of a multi-Region key
    #[arg(long)]
    multi_region: bool,
    /// A tag
    #[arg(long, value_name = "KEY=VALUE", value_parser = pair)]
    tag: Vec<(String, String)>,
    /// Accept a policy that leaves the caller unable to change it again
    #[arg(long)]
    bypass_policy_lockout_safety_check: bool,
}

/// What a replica is.
#[derive(Args, Debug)]
pub struct ReplicateArgs {
    /// Key id or key ARN of the primary
    key: String,
    /// The Region to make the replica in
    replica_region: String,
    /// File of the replica's key policy's JSON text, `-` for standard input, or the text itself; without it the default
    /// policy
    #[arg(long)]
    policy: Option<String>,
    /// What the replica is for
    #[arg(long)]
    description: Option<String>,
    /// A tag of the replica
    #[arg(long, value_name = "KEY=VALUE", value_parser = pair)]
    tag: Vec<(String, String)>,
    /// Accept a policy that leaves the caller unable to change it again
    #[arg(long)]
    bypass_policy_lockout_safety_check: bool,
}

pub(super) async fn run(common: &Common, command: &KeyCommand) -> Result<Shown, CliError> {
    let client = common.client(Fallback::None)?;
    match command {
        KeyCommand::Create(args) => {
            let CreateArgs {
                policy,
                description,
                spec,
                usage,
                origin,
                custom_key_store,
                xks_key,
                multi_region,
                tag,
                bypass_policy_lockout_safety_check,
            } = args;
            let policy: Option<Text> = policy.as_deref().map(read_policy).transpose()?;
            let request = api::CreateKeyRequest {
                header: None,
                policy: policy.as_ref().map(|policy| policy.text.clone()),
                description: description.clone(),
                key_usage: usage.clone(),
                key_spec: spec.clone(),
                origin: origin.clone(),
                bypass_policy_lockout_safety_check: flag(*bypass_policy_lockout_safety_check),
                tags: tags(tag),
                multi_region: flag(*multi_region),
                custom_key_store_id: custom_key_store.clone(),
                xks_key_id: xks_key.clone(),
            };
            let answer = client.call(request).await.map_err(|e| match &policy {
                Some(policy) => policy.explain(e),
                None => e.into(),
            });
            let answer = answer?.answer;
            if let Some(policy) = &policy {
                policy.warn(&answer.policy_warnings);
            }
            Ok(Shown::answer(
                metadata(answer.key_metadata.as_ref()),
                answer.header.as_ref(),
            ))
        }
        KeyCommand::Describe { key, grant_token } => {
            let request = api::DescribeKeyRequest {
                header: None,
                key_id: key.clone(),
                grant_tokens: grant_token.clone(),
            };
            let answer = client.call(request).await?.answer;
            Ok(Shown::answer(
                metadata(answer.key_metadata.as_ref()),
                answer.header.as_ref(),
            ))
        }
        KeyCommand::GetLastUsage { key } => {
            let request = api::GetKeyLastUsageRequest {
                header: None,
                key_id: key.clone(),
            };
            let answer = client.call(request).await?.answer;
            let api::GetKeyLastUsageResponse {
                header,
                key_id,
                key_last_usage,
                tracking_start_date_ms,
                key_creation_date_ms,
            } = answer;
            let value = object([
                ("KeyId", json!(key_id)),
                ("KeyLastUsage", last_usage(key_last_usage.as_ref())),
                ("TrackingStartDate", time(tracking_start_date_ms)),
                ("KeyCreationDate", time(key_creation_date_ms)),
            ]);
            Ok(Shown::answer(value, header.as_ref()))
        }
        KeyCommand::List {
            resource_owner,
            paging,
        } => {
            let request = |page| api::ListKeysRequest {
                header: None,
                page: Some(page),
                resource_owners: resource_owner.clone(),
            };
            paged(&client, paging, "Keys", request, |answer| {
                (
                    answer
                        .keys
                        .iter()
                        .map(|key| {
                            let api::KeyListEntry { key_id, key_arn } = key;
                            object([("KeyId", json!(key_id)), ("KeyArn", json!(key_arn))])
                        })
                        .collect(),
                    answer.next_marker,
                )
            })
            .await
        }
        KeyCommand::PutPolicy {
            key,
            policy,
            bypass_policy_lockout_safety_check,
        } => {
            let request = |policy| api::PutKeyPolicyRequest {
                header: None,
                key_id: key.clone(),
                policy_name: None,
                policy,
                bypass_policy_lockout_safety_check: flag(*bypass_policy_lockout_safety_check),
            };
            put_policy(&client, policy, request, |answer| &answer.policy_warnings).await
        }
        KeyCommand::GetPolicy { key } => {
            let request = api::GetKeyPolicyRequest {
                header: None,
                key_id: key.clone(),
                policy_name: None,
            };
            let answer = client.call(request).await?.answer;
            let value = policy_members(&answer.policy_name, &answer.policy);
            Ok(Shown::answer(value, answer.header.as_ref()))
        }
        KeyCommand::Enable { key } => {
            let request = api::EnableKeyRequest {
                header: None,
                key_id: key.clone(),
            };
            done(&client, request).await
        }
        KeyCommand::Disable { key } => {
            let request = api::DisableKeyRequest {
                header: None,
                key_id: key.clone(),
            };
            done(&client, request).await
        }
        KeyCommand::SetDescription { key, description } => {
            let request = api::UpdateKeyDescriptionRequest {
                header: None,
                key_id: key.clone(),
                description: description.clone(),
            };
            done(&client, request).await
        }
        KeyCommand::ListPolicies { key, paging } => {
            let request = |page| api::ListKeyPoliciesRequest {
                header: None,
                key_id: key.clone(),
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
        KeyCommand::ScheduleDeletion {
            key,
            pending_window_in_days,
        } => {
            let request = api::ScheduleKeyDeletionRequest {
                header: None,
                key_id: key.clone(),
                pending_window_in_days: *pending_window_in_days,
            };
            let answer = client.call(request).await?.answer;
            let value = object([
                ("KeyId", json!(answer.key_id)),
                ("DeletionDate", optional_time(answer.deletion_date_ms)),
                ("KeyState", json!(answer.key_state)),
                ("PendingWindowInDays", json!(answer.pending_window_in_days)),
            ]);
            Ok(Shown::answer(value, answer.header.as_ref()))
        }
        KeyCommand::CancelDeletion { key } => {
            let request = api::CancelKeyDeletionRequest {
                header: None,
                key_id: key.clone(),
            };
            let answer = client.call(request).await?.answer;
            let value = object([("KeyId", json!(answer.key_id))]);
            Ok(Shown::answer(value, answer.header.as_ref()))
        }
        KeyCommand::Replicate(args) => {
            let ReplicateArgs {
                key,
                replica_region,
                policy,
                description,
                tag,
                bypass_policy_lockout_safety_check,
            } = args;
            let policy: Option<Text> = policy.as_deref().map(read_policy).transpose()?;
            let request = api::ReplicateKeyRequest {
                header: None,
                key_id: key.clone(),
                replica_region: replica_region.clone(),
                policy: policy.as_ref().map(|policy| policy.text.clone()),
                bypass_policy_lockout_safety_check: flag(*bypass_policy_lockout_safety_check),
                description: description.clone(),
                tags: tags(tag),
            };
            let answer = client.call(request).await.map_err(|e| match &policy {
                Some(policy) => policy.explain(e),
                None => e.into(),
            });
            let answer = answer?.answer;
            if let Some(policy) = &policy {
                policy.warn(&answer.policy_warnings);
            }
            let value = object([
                (
                    "ReplicaKeyMetadata",
                    answer
                        .replica_key_metadata
                        .as_ref()
                        .map_or(Value::Null, metadata_members),
                ),
                ("ReplicaPolicy", json!(answer.replica_policy)),
                (
                    "ReplicaTags",
                    answer.replica_tags.iter().map(show_tag).collect(),
                ),
            ]);
            Ok(Shown::answer(value, answer.header.as_ref()))
        }
        KeyCommand::UpdatePrimaryRegion {
            key,
            primary_region,
        } => {
            let request = api::UpdatePrimaryRegionRequest {
                header: None,
                key_id: key.clone(),
                primary_region: primary_region.clone(),
            };
            done(&client, request).await
        }
        KeyCommand::Tag { key, tag } => {
            let request = api::TagResourceRequest {
                header: None,
                key_id: key.clone(),
                tags: tags(tag),
            };
            done(&client, request).await
        }
        KeyCommand::Untag { key, tag_key } => {
            let request = api::UntagResourceRequest {
                header: None,
                key_id: key.clone(),
                tag_keys: tag_key.clone(),
            };
            done(&client, request).await
        }
        KeyCommand::Tags { key, paging } => {
            let request = |page| api::ListResourceTagsRequest {
                header: None,
                key_id: key.clone(),
                page: Some(page),
            };
            paged(&client, paging, "Tags", request, |answer| {
                (
                    answer.tags.iter().map(show_tag).collect(),
                    answer.next_marker,
                )
            })
            .await
        }
    }
}

/// A switch that was not given is not sent: its absence means something to condition keys (CK-1).
fn flag(on: bool) -> Option<bool> {
    on.then_some(true)
}

/// A tag under AWS's names.
pub(super) fn show_tag(tag: &api::Tag) -> Value {
    let api::Tag { tag_key, tag_value } = tag;
    json!({"TagKey": tag_key, "TagValue": tag_value})
}

fn optional_time(ms: Option<u64>) -> Value {
    ms.map_or(Value::Null, time)
}

/// The last use of a key under AWS's names; empty without one.
fn last_usage(used: Option<&api::KeyLastUsageData>) -> Value {
    let Some(api::KeyLastUsageData {
        operation,
        timestamp_ms,
        kms_request_id,
    }) = used
    else {
        return json!({});
    };
    object([
        ("Operation", json!(operation)),
        ("Timestamp", optional_time(*timestamp_ms)),
        ("KmsRequestId", json!(kms_request_id)),
    ])
}

/// A list that is not shown when it is empty.
fn names(names: &[String]) -> Value {
    if names.is_empty() {
        Value::Null
    } else {
        json!(names)
    }
}

fn metadata(key: Option<&api::KeyMetadata>) -> Value {
    let Some(key) = key else { return json!({}) };
    object([("KeyMetadata", metadata_members(key))])
}

fn metadata_members(key: &api::KeyMetadata) -> Value {
    let api::KeyMetadata {
        aws_account_id,
        key_id,
        arn,
        creation_date_ms,
        enabled,
        description,
        key_usage,
        key_state,
        origin,
        key_manager,
        key_spec,
        multi_region,
        custom_key_store_id,
        cloud_hsm_cluster_id,
        xks_key_id,
        multi_region_configuration,
        deletion_date_ms,
        pending_deletion_window_in_days,
        encryption_algorithms,
        signing_algorithms,
        mac_algorithms,
        key_agreement_algorithms,
        encapsulation_algorithms,
    } = key;
    object([
        ("AWSAccountId", json!(aws_account_id)),
        ("KeyId", json!(key_id)),
        ("Arn", json!(arn)),
        ("CreationDate", time(*creation_date_ms)),
        ("Enabled", json!(enabled)),
        ("Description", json!(description)),
        ("KeyUsage", json!(key_usage)),
        ("KeyState", json!(key_state)),
        ("DeletionDate", optional_time(*deletion_date_ms)),
        (
            "PendingDeletionWindowInDays",
            json!(pending_deletion_window_in_days),
        ),
        ("Origin", json!(origin)),
        ("KeyManager", json!(key_manager)),
        ("KeySpec", json!(key_spec)),
        ("EncryptionAlgorithms", names(encryption_algorithms)),
        ("SigningAlgorithms", names(signing_algorithms)),
        ("MacAlgorithms", names(mac_algorithms)),
        ("KeyAgreementAlgorithms", names(key_agreement_algorithms)),
        ("EncapsulationAlgorithms", names(encapsulation_algorithms)),
        ("MultiRegion", json!(multi_region)),
        ("CustomKeyStoreId", json!(custom_key_store_id)),
        ("CloudHsmClusterId", json!(cloud_hsm_cluster_id)),
        (
            "XksKeyConfiguration",
            xks_key_id
                .as_ref()
                .map_or(Value::Null, |id| object([("Id", json!(id))])),
        ),
        (
            "MultiRegionConfiguration",
            multi_region_configuration
                .as_ref()
                .map_or(Value::Null, configuration),
        ),
    ])
}

fn configuration(set: &api::MultiRegionConfiguration) -> Value {
    let api::MultiRegionConfiguration {
        multi_region_key_type,
        primary_key,
        replica_keys,
    } = set;
    let key = |key: &api::MultiRegionKey| {
        let api::MultiRegionKey { arn, region } = key;
        json!({"Arn": arn, "Region": region})
    };
    object([
        ("MultiRegionKeyType", json!(multi_region_key_type)),
        ("PrimaryKey", primary_key.as_ref().map_or(Value::Null, key)),
        ("ReplicaKeys", replica_keys.iter().map(key).collect()),
    ])
}
