//! The role through which KMS reaches the clusters behind custom key stores (K-4). It comes to be with the first
//! CloudHSM store of an account and in no other way, and nobody changes or deletes it.
//!
//! Roles that other services of AWS own are made like any role: nothing here would make them.

use std::sync::Arc;

use super::ErrorCode;
use super::context::Context;
use super::refusal::{Said, said};
use crate::domain::ids::{AccountId, PrincipalArn, PrincipalKind, UniqueId};
use crate::domain::policy::{Policy, PolicyKind};
use crate::domain::state::principal::{Principal, PrincipalType};

/// The path of the role: it trusts this service alone.
const PATH: &str = "aws-service-role/cks.kms.amazonaws.com/";
/// Its name.
const NAME: &str = "AWSServiceRoleForKeyManagementServiceCustomKeyStores";
/// The name of its one policy.
const POLICY_NAME: &str = "AWSKeyManagementServiceCustomKeyStoresServiceRolePolicy";
/// What it may do: nothing that creates, manages or deletes a cluster, an HSM or a backup.
const POLICY: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["cloudhsm:DescribeClusters","ec2:CreateNetworkInterface","ec2:AuthorizeSecurityGroupIngress","ec2:CreateSecurityGroup","ec2:DescribeSecurityGroups","ec2:RevokeSecurityGroupEgress","ec2:DeleteSecurityGroup"],"Resource":"*"}]}"#;

/// The ARN of the role in an account.
pub fn arn(cx: &Context<'_>, account: AccountId) -> Option<PrincipalArn> {
    let partition = cx.scope.partition;
    format!("arn:{partition}:iam::{account}:role/{PATH}{NAME}")
        .parse()
        .ok()
}

/// The role, new.
pub fn role(cx: &Context<'_>, arn: PrincipalArn, unique_id: &UniqueId) -> Result<Principal, Said> {
    let policy = Policy::parse(POLICY, PolicyKind::Identity)
        .map_err(|error| said(ErrorCode::MalformedPolicyDocument, error))?;
    Ok(Principal {
        arn,
        unique_id: unique_id.clone(),
        kind: PrincipalType::Role,
        created_at: cx.now,
        born: cx.at,
        tags: Default::default(),
        policies: [(Arc::from(POLICY_NAME), policy)].into(),
        boundary: None,
        groups: Default::default(),
    })
}

/// Whether an ARN is under the path of the role, which nobody makes by hand.
pub fn is_reserved(arn: &PrincipalArn) -> bool {
    matches!(arn.kind(), PrincipalKind::Role { path, .. } if path == PATH)
}

/// Refuses to make the role by hand.
pub fn check_creatable(arn: &PrincipalArn) -> Result<(), Said> {
    if is_reserved(arn) {
        return Err(said(
            ErrorCode::Validation,
            format_args!(
                "`{arn}` is a service-linked role: it comes to be with the first custom key store of its account and cannot be made by hand"
            ),
        ));
    }
    Ok(())
}

/// Refuses to change or to delete the role.
pub fn check_editable(arn: &PrincipalArn) -> Result<(), Said> {
    if is_reserved(arn) {
        return Err(said(
            ErrorCode::UnmodifiableEntity,
            format_args!(
                "Cannot perform the operation on the protected role '{NAME}' - this role is only modifiable by AWS"
            ),
        ));
    }
    Ok(())
}
