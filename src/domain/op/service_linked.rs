//! Roles that are AWS's own: who makes, changes and deletes them (D-18).
//!
//! One the store makes itself: through it KMS reaches the clusters behind custom key stores (K-4). It comes to be with the
//! first CloudHSM store of an account and in no other way, and nobody changes or deletes it. Those of other services the
//! operator makes, as a mirror of what AWS made.

use std::sync::Arc;

use super::context::Context;
use super::refusal::{Said, said};
use super::{ErrorCode, identity};
use crate::domain::authz::caller::Identity;
use crate::domain::ids::{
    AccountId, PrincipalArn, PrincipalKind, ReservedPath, ServicePrincipal, UniqueId,
};
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
    let service = arn.service_of_path();
    Ok(Principal {
        arn,
        unique_id: unique_id.clone(),
        kind: PrincipalType::Role,
        created_at: cx.now,
        born: cx.at,
        service,
        tags: Default::default(),
        policies: [(Arc::from(POLICY_NAME), policy)].into(),
        boundary: None,
        groups: Default::default(),
    })
}

/// Whether an ARN is under the path of the role, which nobody makes by hand.
pub fn is_of_the_store(arn: &PrincipalArn) -> bool {
    matches!(arn.kind(), PrincipalKind::Role { path, .. } if path == PATH)
}

/// Whether the caller is the operator and the role one that it makes itself: under a path that is AWS's own.
pub fn is_operators(cx: &Context<'_>, arn: &PrincipalArn) -> bool {
    matches!(cx.caller.identity, Identity::Operator) && arn.reserved_path().is_some()
}

/// The service that a new user or role is made for; most are made for none. A role under a path that is AWS's own is the
/// operator's to make: who could make one would choose which control policies hold for it (D-18).
pub fn made_for(cx: &Context<'_>, arn: &PrincipalArn) -> Result<Option<ServicePrincipal>, Said> {
    let Some(reserved) = arn.reserved_path() else {
        return Ok(None);
    };
    if !is_operators(cx, arn) {
        return Err(said(
            ErrorCode::InvalidInput,
            format_args!(
                "Path prefix '/{}' can only be used for AWS Service linked Roles",
                reserved.prefix()
            ),
        ));
    }
    if is_of_the_store(arn) {
        return Err(said(
            ErrorCode::Validation,
            format_args!(
                "`{arn}` is a service-linked role: it comes to be with the first custom key store of its account and cannot be made by hand"
            ),
        ));
    }
    match (reserved, arn.service_of_path()) {
        (ReservedPath::Reserved, _) => Ok(None),
        (ReservedPath::ServiceRole, Some(service)) => Ok(Some(service)),
        (ReservedPath::ServiceRole, None) => Err(said(
            ErrorCode::Validation,
            format_args!(
                "the path of `{arn}` names no service: write `/aws-service-role/SERVICE/` with a service principal, such as `/aws-service-role/autoscaling.amazonaws.com/`"
            ),
        )),
    }
}

/// Refuses to change or to delete a role that is AWS's. Those that the operator made it changes; the store's own nobody
/// does (K-4, D-18).
pub fn check_editable(cx: &Context<'_>, principal: &Principal) -> Result<(), Said> {
    let arn = &principal.arn;
    let is_open = !is_protected(principal) || is_operators(cx, arn) && !is_of_the_store(arn);
    if is_open { Ok(()) } else { Err(protected(arn)) }
}

/// The same for a permissions boundary, which nobody sets for a service-linked role (D-18).
pub fn check_boundable(cx: &Context<'_>, principal: &Principal) -> Result<(), Said> {
    if principal.service.is_some() {
        return Err(protected(&principal.arn));
    }
    check_editable(cx, principal)
}

fn is_protected(principal: &Principal) -> bool {
    principal.service.is_some() || principal.arn.reserved_path().is_some()
}

fn protected(arn: &PrincipalArn) -> Said {
    let (_, name) = identity::shown(arn);
    said(
        ErrorCode::UnmodifiableEntity,
        format_args!(
            "Cannot perform the operation on the protected role '{name}' - this role is only modifiable by AWS"
        ),
    )
}
