//! Every request by its name, with the policy that it brings.

use crate::domain::policy::PolicyKind;
use crate::domain::state::organization::ControlKind;
use crate::wire::v1;

/// A request with a header, and perhaps with a policy.
pub trait Headed {
    /// The request's own name, as an operation.
    const OPERATION: &'static str;

    /// Takes the header out: what is left is what an idempotency key is bound to.
    fn take_header(&mut self) -> Option<v1::RequestHeader>;

    /// The request without its secrets, if it has any: what is left is what an idempotency key is bound to.
    fn without_secrets(&self) -> Option<Self>
    where
        Self: Sized,
    {
        None
    }

    /// The policy that the request brings, so that its fault can be shown where it stands.
    fn policy(&self) -> Option<(&str, PolicyKind)> {
        None
    }
}

macro_rules! headed {
    ($($request:ident = $operation:literal $(, $policy:expr)?;)+) => {$(
        impl Headed for v1::$request {
            const OPERATION: &'static str = $operation;

            fn take_header(&mut self) -> Option<v1::RequestHeader> {
                self.header.take()
            }

            $(fn policy(&self) -> Option<(&str, PolicyKind)> {
                let of: fn(&Self) -> Option<(&str, PolicyKind)> = $policy;
                of(self)
            })?
        }
    )+};
}

headed! {
    CreateKeyRequest = "CreateKey", |request| request.policy.as_deref().map(|text| (text, PolicyKind::Key));
    DescribeKeyRequest = "DescribeKey";
    GetKeyLastUsageRequest = "GetKeyLastUsage";
    ConnectCustomKeyStoreRequest = "ConnectCustomKeyStore";
    DisconnectCustomKeyStoreRequest = "DisconnectCustomKeyStore";
    DeleteCustomKeyStoreRequest = "DeleteCustomKeyStore";
    ReportCustomKeyStoreRequest = "ReportCustomKeyStore";
    DescribeCustomKeyStoresRequest = "DescribeCustomKeyStores";
    ListKeyStoreWorkRequest = "ListKeyStoreWork";
    ReportKeyStoreBackendsRequest = "ReportKeyStoreBackends";
    ListKeyStoreBackendsRequest = "ListKeyStoreBackends";
    PutKeyPolicyRequest = "PutKeyPolicy", |request| Some((&request.policy, PolicyKind::Key));
    GetKeyPolicyRequest = "GetKeyPolicy";
    EnableKeyRequest = "EnableKey";
    DisableKeyRequest = "DisableKey";
    ListKeysRequest = "ListKeys";
    UpdateKeyDescriptionRequest = "UpdateKeyDescription";
    ListKeyPoliciesRequest = "ListKeyPolicies";
    ScheduleKeyDeletionRequest = "ScheduleKeyDeletion";
    CancelKeyDeletionRequest = "CancelKeyDeletion";
    ReplicateKeyRequest = "ReplicateKey", |request| request.policy.as_deref().map(|text| (text, PolicyKind::Key));
    UpdatePrimaryRegionRequest = "UpdatePrimaryRegion";
    CreateAliasRequest = "CreateAlias";
    UpdateAliasRequest = "UpdateAlias";
    DeleteAliasRequest = "DeleteAlias";
    ListAliasesRequest = "ListAliases";
    TagResourceRequest = "TagResource";
    UntagResourceRequest = "UntagResource";
    ListResourceTagsRequest = "ListResourceTags";
    CreateGrantRequest = "CreateGrant";
    ListGrantsRequest = "ListGrants";
    ListRetirableGrantsRequest = "ListRetirableGrants";
    RetireGrantRequest = "RetireGrant";
    RevokeGrantRequest = "RevokeGrant";
    ConsumeRequest = "Consume";
    ListGrantsByGranteeRequest = "ListGrantsByGrantee";
    ListDuplicateGrantsRequest = "ListDuplicateGrants";
    DescribeGrantsRequest = "DescribeGrants";
    CreateAccountRequest = "CreateAccount";
    ListAccountsRequest = "ListAccounts";
    CreatePrincipalRequest = "CreatePrincipal";
    GetPrincipalRequest = "GetPrincipal";
    DeletePrincipalRequest = "DeletePrincipal";
    ListPrincipalsRequest = "ListPrincipals";
    TagPrincipalRequest = "TagPrincipal";
    UntagPrincipalRequest = "UntagPrincipal";
    PutPrincipalPolicyRequest = "PutPrincipalPolicy", |request| Some((&request.policy, PolicyKind::Identity));
    GetPrincipalPolicyRequest = "GetPrincipalPolicy";
    DeletePrincipalPolicyRequest = "DeletePrincipalPolicy";
    ListPrincipalPoliciesRequest = "ListPrincipalPolicies";
    CreateGroupRequest = "CreateGroup";
    GetGroupRequest = "GetGroup";
    DeleteGroupRequest = "DeleteGroup";
    ListGroupsRequest = "ListGroups";
    ListGroupsForUserRequest = "ListGroupsForUser";
    AddUserToGroupRequest = "AddUserToGroup";
    RemoveUserFromGroupRequest = "RemoveUserFromGroup";
    PutGroupPolicyRequest = "PutGroupPolicy", |request| Some((&request.policy, PolicyKind::Identity));
    GetGroupPolicyRequest = "GetGroupPolicy";
    DeleteGroupPolicyRequest = "DeleteGroupPolicy";
    ListGroupPoliciesRequest = "ListGroupPolicies";
    PutPrincipalPermissionsBoundaryRequest = "PutPrincipalPermissionsBoundary", |request| Some((&request.policy, PolicyKind::Boundary));
    DeletePrincipalPermissionsBoundaryRequest = "DeletePrincipalPermissionsBoundary";
    CreateOrganizationRequest = "CreateOrganization";
    DeleteOrganizationRequest = "DeleteOrganization";
    ListOrganizationsRequest = "ListOrganizations";
    AddAccountRequest = "AddAccount";
    MoveAccountRequest = "MoveAccount";
    RemoveAccountRequest = "RemoveAccount";
    CreateOrganizationalUnitRequest = "CreateOrganizationalUnit";
    DeleteOrganizationalUnitRequest = "DeleteOrganizationalUnit";
    ListNodesRequest = "ListNodes";
    PutControlPolicyRequest = "PutControlPolicy", |request| {
        let kind: ControlKind = request.kind.parse().ok()?;
        Some((&request.policy, kind.policy_kind()))
    };
    GetControlPolicyRequest = "GetControlPolicy";
    DeleteControlPolicyRequest = "DeleteControlPolicy";
    ListControlPoliciesRequest = "ListControlPolicies";
    PutVpcEndpointRequest = "PutVpcEndpoint", |request| request.policy.as_deref().map(|text| (text, PolicyKind::VpcEndpoint));
    GetVpcEndpointRequest = "GetVpcEndpoint";
    DeleteVpcEndpointRequest = "DeleteVpcEndpoint";
    ListVpcEndpointsRequest = "ListVpcEndpoints";
    AuthorizeRequest = "Authorize";
    ExplainRequest = "Explain";
    WhatIfRequest = "WhatIf";
    WhoCanRequest = "WhoCan";
    WhatCanRequest = "WhatCan";
    ListDanglingPrincipalsRequest = "ListDanglingPrincipals";
    BatchAuthorizeRequest = "BatchAuthorize";
    StatusRequest = "Status";
    InitializeRequest = "Initialize";
    JoinRequest = "Join";
    RemoveRequest = "Remove";
    RotateTokenEpochRequest = "RotateTokenEpoch";
    RevokeTokenEpochRequest = "RevokeTokenEpoch";
    RaiseSemanticsRequest = "RaiseSemantics";
    OpenClusterRequest = "OpenCluster";
    UpdateSettingsRequest = "UpdateSettings";
    GetSettingsRequest = "GetSettings";
}
