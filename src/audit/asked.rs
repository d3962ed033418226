//! What a command asks for, of what: what a line of the audit trail says of it, refused or done.
//!
//! Never: a policy's text, a secret, a tag's value.

use std::borrow::Cow;

use serde::Serialize;

use super::line::cut;
use crate::domain::ids::KeyRef;
use crate::domain::op::Command;
use crate::domain::state::grant::{GrantOperation, GrantPrincipal};

/// What was asked of what.
#[derive(Clone, Default, PartialEq, Eq, Debug, Serialize)]
pub(super) struct Asked<'a> {
    /// The key, as the caller named it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grant: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grantee: Option<Cow<'a, str>>,
    /// The operations that a grant is about.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub operations: Vec<&'static str>,
    /// What else it was about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on: Option<Cow<'a, str>>,
}

/// A grantee as the trail names it.
pub(super) fn holder(of: &GrantPrincipal) -> &str {
    match of {
        GrantPrincipal::Arn { arn, .. } => arn.as_str(),
        GrantPrincipal::Service(service) => service.as_str(),
    }
}

fn key(key: &KeyRef) -> Asked<'static> {
    Asked {
        key: Some(key.to_string().into()),
        ..Asked::default()
    }
}

fn on(subject: &impl ToString) -> Asked<'static> {
    Asked {
        on: Some(subject.to_string().into()),
        ..Asked::default()
    }
}

/// What `command` asks for.
pub(super) fn asked(command: &Command) -> Asked<'_> {
    match command {
        Command::Bootstrap(_)
        | Command::RotateTokenEpoch(_)
        | Command::UpdateSettings(_)
        | Command::ExpireGrants(_)
        | Command::ReportKeyUsage(_) => Asked::default(),
        Command::StartTokenEpoch(c) => on(&c.number),
        Command::RevokeTokenEpoch(c) => on(&c.number),
        Command::ReportSemantics(c) => on(&c.node),
        Command::RaiseSemantics(c) => on(&c.to.0),
        Command::OpenCluster(c) => on(&c.after),
        Command::CreateAccount(c) => on(&c.account),
        Command::CreateOrganization(c) => on(&c.id),
        Command::DeleteOrganization(c) => on(&c.id),
        Command::AddAccount(c) => on(&format_args!("{} {}", c.account, c.parent)),
        Command::MoveAccount(c) => on(&format_args!("{} {}", c.account, c.parent)),
        Command::RemoveAccount(c) => on(&c.account),
        Command::CreateOrganizationalUnit(c) => on(&c.id),
        Command::DeleteOrganizationalUnit(c) => on(&c.id),
        Command::PutControlPolicy(c) => on(&format_args!("{} {}", c.node, cut(&c.name))),
        Command::DeleteControlPolicy(c) => on(&format_args!("{} {}", c.node, cut(&c.name))),
        Command::PutVpcEndpoint(c) => on(&c.id),
        Command::DeleteVpcEndpoint(c) => on(&c.id),
        Command::CreateGroup(c) => on(&c.arn),
        Command::DeleteGroup(c) => on(&c.arn),
        Command::AddUserToGroup(c) => on(&format_args!("{} {}", c.group, c.user)),
        Command::RemoveUserFromGroup(c) => on(&format_args!("{} {}", c.group, c.user)),
        Command::PutGroupPolicy(c) => on(&format_args!("{} {}", c.arn, cut(&c.name))),
        Command::DeleteGroupPolicy(c) => on(&format_args!("{} {}", c.arn, cut(&c.name))),
        Command::CreatePrincipal(c) => on(&c.arn),
        Command::DeletePrincipal(c) => on(&c.arn),
        Command::TagPrincipal(c) => on(&c.arn),
        Command::UntagPrincipal(c) => on(&c.arn),
        Command::PutPrincipalPolicy(c) => on(&format_args!("{} {}", c.arn, cut(&c.name))),
        Command::DeletePrincipalPolicy(c) => on(&format_args!("{} {}", c.arn, cut(&c.name))),
        Command::PutPrincipalPermissionsBoundary(c) => on(&c.arn),
        Command::DeletePrincipalPermissionsBoundary(c) => on(&c.arn),
        Command::CreateCustomKeyStore(c) => on(&c.id),
        Command::UpdateCustomKeyStore(c) => on(&c.id),
        Command::ConnectCustomKeyStore(c) => on(&c.id),
        Command::DisconnectCustomKeyStore(c) => on(&c.id),
        Command::DeleteCustomKeyStore(c) => on(&c.id),
        Command::ReportCustomKeyStore(c) => on(&c.id),
        Command::ReportKeyStoreBackends(c) => on(&c.account),
        Command::CreateKey(c) => Asked {
            key: Some(c.key_id.to_string().into()),
            on: Some(c.account.to_string().into()),
            ..Asked::default()
        },
        Command::PutKeyPolicy(c) => key(&c.key),
        Command::EnableKey(c) => key(&c.key),
        Command::DisableKey(c) => key(&c.key),
        Command::UpdateKeyDescription(c) => key(&c.key),
        Command::ScheduleKeyDeletion(c) => key(&c.key),
        Command::CancelKeyDeletion(c) => key(&c.key),
        Command::FinishKeyDeletion(c) => Asked {
            key: Some(c.key.to_string().into()),
            ..Asked::default()
        },
        Command::ReplicateKey(c) => Asked {
            on: Some(c.region.to_string().into()),
            ..key(&c.key)
        },
        Command::UpdatePrimaryRegion(c) => Asked {
            on: Some(c.region.to_string().into()),
            ..key(&c.key)
        },
        Command::CreateAlias(c) => Asked {
            on: Some(cut(&c.alias).into()),
            ..key(&c.target)
        },
        Command::UpdateAlias(c) => Asked {
            on: Some(cut(&c.alias).into()),
            ..key(&c.target)
        },
        Command::DeleteAlias(c) => on(&cut(&c.alias)),
        Command::TagResource(c) => key(&c.key),
        Command::UntagResource(c) => key(&c.key),
        Command::CreateGrant(c) => Asked {
            grant: Some(c.grant_id.to_string().into()),
            grantee: c
                .grantee
                .as_deref()
                .or(c.grantee_service.as_deref())
                .map(|grantee| cut(grantee).into()),
            operations: c.operations.iter().map(|of| of.as_str()).collect(),
            ..key(&c.key)
        },
        Command::RetireGrant(c) => Asked {
            grant: Some(cut(&c.grant_id).into()),
            ..key(&c.key)
        },
        Command::RevokeGrant(c) => Asked {
            grant: Some(cut(&c.grant_id).into()),
            ..key(&c.key)
        },
        Command::Consume(c) => Asked {
            grant: c.grant_id.as_deref().map(|grant| cut(grant).into()),
            operations: vec![GrantOperation::as_str(c.operation)],
            ..key(&c.key)
        },
    }
}
