//! `grantd organization`: organizations, their units, accounts and control policies.

use clap::{Subcommand, ValueEnum};
use serde_json::{Value, json};

use super::ask::{done, paged, policy_members, put_policy};
use super::common::{Common, Fallback, Paging};
use super::error::CliError;
use super::output::{Shown, object, time};
use crate::client::api;

/// Organizations: a tree of units and accounts, each with its service and resource control policies.
///
/// For the operator; most also for principals of the management account whom its identity policies allow
/// `organizations:…` (--as).
#[derive(Subcommand, Debug)]
pub enum OrganizationCommand {
    /// Make an organization; for the operator.
    Create {
        /// Its management account, which no control policy limits.
        account: String,
        /// Its id, `o-…`; else one is drawn.
        #[arg(long)]
        id: Option<String>,
    },
    /// List the organizations; for the operator.
    List(Paging),
    /// End an organization that has no member but its management account.
    Delete {
        /// Its id, `o-…`.
        id: String,
    },
    /// Make an account a member; for the operator.
    AddAccount {
        /// Its twelve digits.
        account: String,
        /// Root or unit that it stands below.
        parent: String,
    },
    /// Put a member account below another root or unit.
    MoveAccount {
        /// Its twelve digits.
        account: String,
        /// Root or unit that it stands below from then on.
        parent: String,
    },
    /// Take a member account out of its organization.
    RemoveAccount {
        /// Its twelve digits.
        account: String,
    },
    /// Make an organizational unit.
    CreateUnit {
        /// Root or unit that it stands below.
        parent: String,
        /// Its name.
        name: String,
    },
    /// Remove an organizational unit that nothing stands below.
    DeleteUnit {
        /// Its id, `ou-…`.
        id: String,
    },
    /// List the units and accounts right below a root or unit.
    ListNodes {
        /// Root or unit.
        parent: String,
        #[command(flatten)]
        paging: Paging,
    },
    /// Attach a control policy to a root, unit or account; one of the same name is replaced.
    ///
    /// Each has FullAWSAccess (RCPFullAWSAccess) from the start, which allows everything: what is put beside it limits by its
    /// denials. For a list of what alone is allowed, put it and then delete FullAWSAccess.
    PutPolicy {
        /// Root, unit or account.
        node: String,
        /// Which kind.
        kind: Kind,
        /// The policy's name.
        name: String,
        /// File of the JSON text, `-` for standard input, or the text itself.
        policy: String,
    },
    /// Show a control policy.
    GetPolicy {
        /// Root, unit or account.
        node: String,
        /// Which kind.
        kind: Kind,
        /// The policy's name.
        name: String,
    },
    /// Detach a control policy; the last one of a kind, and RCPFullAWSAccess, stay.
    DeletePolicy {
        /// Root, unit or account.
        node: String,
        /// Which kind.
        kind: Kind,
        /// The policy's name.
        name: String,
    },
    /// List the names of the control policies of a kind.
    ListPolicies {
        /// Root, unit or account.
        node: String,
        /// Which kind.
        kind: Kind,
        #[command(flatten)]
        paging: Paging,
    },
}

/// Kinds of control policies.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum Kind {
    /// Service control: limits the principals of an account.
    Scp,
    /// Resource control: limits the use of an account's keys.
    Rcp,
}

impl Kind {
    fn text(self) -> String {
        match self {
            Self::Scp => "SERVICE_CONTROL_POLICY",
            Self::Rcp => "RESOURCE_CONTROL_POLICY",
        }
        .to_owned()
    }
}

pub(super) async fn run(common: &Common, command: &OrganizationCommand) -> Result<Shown, CliError> {
    let client = common.client(Fallback::Operator)?;
    match command {
        OrganizationCommand::Create { account, id } => {
            let request = api::CreateOrganizationRequest {
                header: None,
                organization_id: id.clone(),
                management_account_id: account.clone(),
            };
            let answer = client.call(request).await?.answer;
            let made = answer.organization.as_ref().map_or(Value::Null, show);
            Ok(Shown::answer(
                object([("Organization", made)]),
                answer.header.as_ref(),
            ))
        }
        OrganizationCommand::List(paging) => {
            let request = |page| api::ListOrganizationsRequest {
                header: None,
                page: Some(page),
            };
            paged(&client, paging, "Organizations", request, |answer| {
                (
                    answer.organizations.iter().map(show).collect(),
                    answer.next_marker,
                )
            })
            .await
        }
        OrganizationCommand::Delete { id } => {
            let request = api::DeleteOrganizationRequest {
                header: None,
                organization_id: id.clone(),
            };
            done(&client, request).await
        }
        OrganizationCommand::AddAccount { account, parent } => {
            let request = api::AddAccountRequest {
                header: None,
                account_id: account.clone(),
                parent_id: parent.clone(),
            };
            done(&client, request).await
        }
        OrganizationCommand::MoveAccount { account, parent } => {
            let request = api::MoveAccountRequest {
                header: None,
                account_id: account.clone(),
                parent_id: parent.clone(),
            };
            done(&client, request).await
        }
        OrganizationCommand::RemoveAccount { account } => {
            let request = api::RemoveAccountRequest {
                header: None,
                account_id: account.clone(),
            };
            done(&client, request).await
        }
        OrganizationCommand::CreateUnit { parent, name } => {
            let request = api::CreateOrganizationalUnitRequest {
                header: None,
                parent_id: parent.clone(),
                name: name.clone(),
            };
            let answer = client.call(request).await?.answer;
            let unit = answer.unit.as_ref().map_or(Value::Null, show_node);
            Ok(Shown::answer(
                object([("OrganizationalUnit", unit)]),
                answer.header.as_ref(),
            ))
        }
        OrganizationCommand::DeleteUnit { id } => {
            let request = api::DeleteOrganizationalUnitRequest {
                header: None,
                unit_id: id.clone(),
            };
            done(&client, request).await
        }
        OrganizationCommand::ListNodes { parent, paging } => {
            let request = |page| api::ListNodesRequest {
                header: None,
                parent_id: parent.clone(),
                page: Some(page),
            };
            paged(&client, paging, "Nodes", request, |answer| {
                (
                    answer.nodes.iter().map(show_node).collect(),
                    answer.next_marker,
                )
            })
            .await
        }
        OrganizationCommand::PutPolicy {
            node,
            kind,
            name,
            policy,
        } => {
            let request = |policy| api::PutControlPolicyRequest {
                header: None,
                node_id: node.clone(),
                kind: kind.text(),
                policy_name: name.clone(),
                policy,
            };
            put_policy(&client, policy, request, |answer| &answer.policy_warnings).await
        }
        OrganizationCommand::GetPolicy { node, kind, name } => {
            let request = api::GetControlPolicyRequest {
                header: None,
                node_id: node.clone(),
                kind: kind.text(),
                policy_name: name.clone(),
            };
            let answer = client.call(request).await?.answer;
            let value = policy_members(&answer.policy_name, &answer.policy);
            Ok(Shown::answer(value, answer.header.as_ref()))
        }
        OrganizationCommand::DeletePolicy { node, kind, name } => {
            let request = api::DeleteControlPolicyRequest {
                header: None,
                node_id: node.clone(),
                kind: kind.text(),
                policy_name: name.clone(),
            };
            done(&client, request).await
        }
        OrganizationCommand::ListPolicies { node, kind, paging } => {
            let request = |page| api::ListControlPoliciesRequest {
                header: None,
                node_id: node.clone(),
                kind: kind.text(),
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

fn show(organization: &api::Organization) -> Value {
    let api::Organization {
        organization_id,
        management_account_id,
        root_id,
        created_at_ms,
    } = organization;
    object([
        ("OrganizationId", json!(organization_id)),
        ("ManagementAccountId", json!(management_account_id)),
        ("RootId", json!(root_id)),
        ("CreateDate", time(*created_at_ms)),
    ])
}

fn show_node(node: &api::Node) -> Value {
    let api::Node {
        node_id,
        organization_id,
        parent_id,
        name,
        created_at_ms,
    } = node;
    object([
        ("NodeId", json!(node_id)),
        ("OrganizationId", json!(organization_id)),
        ("ParentId", json!(parent_id)),
        ("Name", json!(name)),
        ("CreateDate", time(*created_at_ms)),
    ])
}
