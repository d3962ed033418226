//! The lines of `grantd what-if --changes`: a change each, named as its operation.
//!
//! Imports client. Never: a change that is made.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use crate::client::api;
use crate::client::api::proposed_change::Change;

/// A change as a line says it, named as the operation.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) enum ChangeLine {
    #[serde(rename_all = "PascalCase")]
    PutKeyPolicy { key_id: String, policy: Value },
    #[serde(rename_all = "PascalCase")]
    EnableKey { key_id: String },
    #[serde(rename_all = "PascalCase")]
    DisableKey { key_id: String },
    #[serde(rename_all = "PascalCase")]
    TagResource {
        key_id: String,
        tags: BTreeMap<String, String>,
    },
    #[serde(rename_all = "PascalCase")]
    UntagResource {
        key_id: String,
        tag_keys: Vec<String>,
    },
    #[serde(rename_all = "PascalCase")]
    CreateAlias {
        alias_name: String,
        target_key_id: String,
    },
    #[serde(rename_all = "PascalCase")]
    DeleteAlias { alias_name: String },
    #[serde(rename_all = "PascalCase")]
    CreateGrant {
        key_id: String,
        grantee_principal: Option<String>,
        retiring_principal: Option<String>,
        operations: Vec<String>,
        #[serde(default)]
        encryption_context_equals: BTreeMap<String, String>,
        #[serde(default)]
        encryption_context_subset: BTreeMap<String, String>,
    },
    #[serde(rename_all = "PascalCase")]
    RevokeGrant { key_id: String, grant_id: String },
    #[serde(rename_all = "PascalCase")]
    PutPrincipalPolicy {
        principal: String,
        policy_name: String,
        policy: Value,
    },
    #[serde(rename_all = "PascalCase")]
    DeletePrincipalPolicy {
        principal: String,
        policy_name: String,
    },
    #[serde(rename_all = "PascalCase")]
    TagPrincipal {
        principal: String,
        tags: BTreeMap<String, String>,
    },
    #[serde(rename_all = "PascalCase")]
    UntagPrincipal {
        principal: String,
        tag_keys: Vec<String>,
    },
    #[serde(rename_all = "PascalCase")]
    DeletePrincipal { principal: String },
    #[serde(rename_all = "PascalCase")]
    PutPrincipalPermissionsBoundary { principal: String, policy: Value },
    #[serde(rename_all = "PascalCase")]
    DeletePrincipalPermissionsBoundary { principal: String },
    #[serde(rename_all = "PascalCase")]
    AddUserToGroup { group: String, user: String },
    #[serde(rename_all = "PascalCase")]
    RemoveUserFromGroup { group: String, user: String },
    #[serde(rename_all = "PascalCase")]
    PutGroupPolicy {
        group: String,
        policy_name: String,
        policy: Value,
    },
    #[serde(rename_all = "PascalCase")]
    DeleteGroupPolicy { group: String, policy_name: String },
    #[serde(rename_all = "PascalCase")]
    PutControlPolicy {
        node_id: String,
        kind: ControlKind,
        policy_name: String,
        policy: Value,
    },
    #[serde(rename_all = "PascalCase")]
    DeleteControlPolicy {
        node_id: String,
        kind: ControlKind,
        policy_name: String,
    },
    #[serde(rename_all = "PascalCase")]
    MoveAccount {
        account_id: String,
        parent_id: String,
    },
    #[serde(rename_all = "PascalCase")]
    RemoveAccount { account_id: String },
    #[serde(rename_all = "PascalCase")]
    PutVpcEndpoint {
        vpc_endpoint_id: String,
        vpc_id: String,
        account_id: String,
        policy: Option<Value>,
    },
    #[serde(rename_all = "PascalCase")]
    DeleteVpcEndpoint { vpc_endpoint_id: String },
    #[serde(rename_all = "PascalCase")]
    UpdateAlias {
        alias_name: String,
        target_key_id: String,
    },
    #[serde(rename_all = "PascalCase")]
    ScheduleKeyDeletion {
        key_id: String,
        pending_window_in_days: Option<i32>,
    },
    #[serde(rename_all = "PascalCase")]
    CancelKeyDeletion { key_id: String },
    #[serde(rename_all = "PascalCase")]
    UpdateSettings {
        profile: Option<String>,
        grants_per_key_max: Option<u32>,
        grants_per_principal_max: Option<u32>,
        constraint_key_case: Option<String>,
        #[serde(default)]
        regions: Vec<String>,
    },
}

/// Which kind of control policy.
#[derive(Clone, Copy, Deserialize)]
pub(super) enum ControlKind {
    /// Of principals.
    #[serde(rename = "SERVICE_CONTROL_POLICY", alias = "scp")]
    Service,
    /// Of resources.
    #[serde(rename = "RESOURCE_CONTROL_POLICY", alias = "rcp")]
    Resource,
}

impl ControlKind {
    /// As the API names it.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Service => "SERVICE_CONTROL_POLICY",
            Self::Resource => "RESOURCE_CONTROL_POLICY",
        }
    }
}

impl ChangeLine {
    /// The change that it names.
    pub(super) fn change(self) -> Change {
        let policy_text = |policy: Value| match policy {
            Value::String(text) => text,
            other => other.to_string(),
        };
        let tags_of = |tags: BTreeMap<String, String>| -> Vec<api::Tag> {
            let tag = |(tag_key, tag_value)| api::Tag { tag_key, tag_value };
            tags.into_iter().map(tag).collect()
        };
        match self {
            Self::PutKeyPolicy { key_id, policy } => {
                Change::PutKeyPolicy(put_key_policy(key_id, policy_text(policy)))
            }
            Self::EnableKey { key_id } => Change::EnableKey(api::EnableKeyRequest {
                header: None,
                key_id,
            }),
            Self::DisableKey { key_id } => Change::DisableKey(api::DisableKeyRequest {
                header: None,
                key_id,
            }),
            Self::TagResource { key_id, tags } => Change::TagResource(api::TagResourceRequest {
                header: None,
                key_id,
                tags: tags_of(tags),
            }),
            Self::UntagResource { key_id, tag_keys } => {
                Change::UntagResource(api::UntagResourceRequest {
                    header: None,
                    key_id,
                    tag_keys,
                })
            }
            Self::CreateAlias {
                alias_name,
                target_key_id,
            } => Change::CreateAlias(api::CreateAliasRequest {
                header: None,
                alias_name,
                target_key_id,
            }),
            Self::DeleteAlias { alias_name } => Change::DeleteAlias(api::DeleteAliasRequest {
                header: None,
                alias_name,
            }),
            Self::CreateGrant {
                key_id,
                grantee_principal,
                retiring_principal,
                operations,
                encryption_context_equals,
                encryption_context_subset,
            } => {
                let constraints = api::GrantConstraints {
                    encryption_context_equals,
                    encryption_context_subset,
                    source_arn: None,
                };
                Change::CreateGrant(api::CreateGrantRequest {
                    key_id,
                    grantee_principal,
                    retiring_principal,
                    operations,
                    constraints: (constraints != api::GrantConstraints::default())
                        .then_some(constraints),
                    ..api::CreateGrantRequest::default()
                })
            }
            Self::RevokeGrant { key_id, grant_id } => {
                Change::RevokeGrant(revoke_grant(key_id, grant_id))
            }
            Self::PutPrincipalPolicy {
                principal,
                policy_name,
                policy,
            } => Change::PutPrincipalPolicy(api::PutPrincipalPolicyRequest {
                header: None,
                arn: principal,
                policy_name,
                policy: policy_text(policy),
            }),
            Self::DeletePrincipalPolicy {
                principal,
                policy_name,
            } => Change::DeletePrincipalPolicy(api::DeletePrincipalPolicyRequest {
                header: None,
                arn: principal,
                policy_name,
            }),
            Self::TagPrincipal { principal, tags } => {
                Change::TagPrincipal(api::TagPrincipalRequest {
                    header: None,
                    arn: principal,
                    tags: tags_of(tags),
                })
            }
            Self::UntagPrincipal {
                principal,
                tag_keys,
            } => Change::UntagPrincipal(api::UntagPrincipalRequest {
                header: None,
                arn: principal,
                tag_keys,
            }),
            Self::DeletePrincipal { principal } => {
                Change::DeletePrincipal(api::DeletePrincipalRequest {
                    header: None,
                    arn: principal,
                })
            }
            Self::PutPrincipalPermissionsBoundary { principal, policy } => {
                Change::PutPermissionsBoundary(api::PutPrincipalPermissionsBoundaryRequest {
                    header: None,
                    arn: principal,
                    policy: policy_text(policy),
                })
            }
            Self::DeletePrincipalPermissionsBoundary { principal } => {
                Change::DeletePermissionsBoundary(api::DeletePrincipalPermissionsBoundaryRequest {
                    header: None,
                    arn: principal,
                })
            }
            Self::AddUserToGroup { group, user } => {
                Change::AddUserToGroup(api::AddUserToGroupRequest {
                    header: None,
                    group,
                    user,
                })
            }
            Self::RemoveUserFromGroup { group, user } => {
                Change::RemoveUserFromGroup(api::RemoveUserFromGroupRequest {
                    header: None,
                    group,
                    user,
                })
            }
            Self::PutGroupPolicy {
                group,
                policy_name,
                policy,
            } => Change::PutGroupPolicy(api::PutGroupPolicyRequest {
                header: None,
                arn: group,
                policy_name,
                policy: policy_text(policy),
            }),
            Self::DeleteGroupPolicy { group, policy_name } => {
                Change::DeleteGroupPolicy(api::DeleteGroupPolicyRequest {
                    header: None,
                    arn: group,
                    policy_name,
                })
            }
            Self::PutControlPolicy {
                node_id,
                kind,
                policy_name,
                policy,
            } => Change::PutControlPolicy(api::PutControlPolicyRequest {
                header: None,
                node_id,
                kind: kind.as_str().to_owned(),
                policy_name,
                policy: policy_text(policy),
            }),
            Self::DeleteControlPolicy {
                node_id,
                kind,
                policy_name,
            } => Change::DeleteControlPolicy(api::DeleteControlPolicyRequest {
                header: None,
                node_id,
                kind: kind.as_str().to_owned(),
                policy_name,
            }),
            Self::MoveAccount {
                account_id,
                parent_id,
            } => Change::MoveAccount(api::MoveAccountRequest {
                header: None,
                account_id,
                parent_id,
            }),
            Self::RemoveAccount { account_id } => {
                Change::RemoveAccount(api::RemoveAccountRequest {
                    header: None,
                    account_id,
                })
            }
            Self::PutVpcEndpoint {
                vpc_endpoint_id,
                vpc_id,
                account_id,
                policy,
            } => Change::PutVpcEndpoint(api::PutVpcEndpointRequest {
                header: None,
                vpc_endpoint_id,
                vpc_id,
                account_id,
                policy: policy.map(policy_text),
            }),
            Self::DeleteVpcEndpoint { vpc_endpoint_id } => {
                Change::DeleteVpcEndpoint(api::DeleteVpcEndpointRequest {
                    header: None,
                    vpc_endpoint_id,
                })
            }
            Self::UpdateAlias {
                alias_name,
                target_key_id,
            } => Change::UpdateAlias(api::UpdateAliasRequest {
                header: None,
                alias_name,
                target_key_id,
            }),
            Self::ScheduleKeyDeletion {
                key_id,
                pending_window_in_days,
            } => Change::ScheduleKeyDeletion(api::ScheduleKeyDeletionRequest {
                header: None,
                key_id,
                pending_window_in_days,
            }),
            Self::CancelKeyDeletion { key_id } => {
                Change::CancelKeyDeletion(api::CancelKeyDeletionRequest {
                    header: None,
                    key_id,
                })
            }
            Self::UpdateSettings {
                profile,
                grants_per_key_max,
                grants_per_principal_max,
                constraint_key_case,
                regions,
            } => Change::UpdateSettings(api::UpdateSettingsRequest {
                header: None,
                profile,
                grants_per_key_max,
                grants_per_principal_max,
                constraint_key_case,
                regions,
            }),
        }
    }
}

/// A new key policy.
pub(super) fn put_key_policy(key_id: String, policy: String) -> api::PutKeyPolicyRequest {
    api::PutKeyPolicyRequest {
        key_id,
        policy,
        ..api::PutKeyPolicyRequest::default()
    }
}

/// The end of a grant.
pub(super) fn revoke_grant(key_id: String, grant_id: String) -> api::RevokeGrantRequest {
    api::RevokeGrantRequest {
        key_id,
        grant_id,
        ..api::RevokeGrantRequest::default()
    }
}
