//! The table of calls: what is asked, of which service, and what a repetition would do.

use std::future::Future;

use tonic::transport::Channel;
use tonic::{Request, Response, Status};

use super::api;
use api::authorization_client::AuthorizationClient;
use api::cluster_client::ClusterClient;
use api::grants_client::GrantsClient;
use api::identity_client::IdentityClient;
use api::key_stores_client::KeyStoresClient;
use api::kms_client::KmsClient;
use api::organizations_client::OrganizationsClient;

/// What sending a call twice would do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Access {
    /// Nothing: it may go to another node at any time.
    Read,
    /// It is made harmless by an idempotency key.
    Write,
    /// It is about the node that is asked, so it goes to no other, and is sent once.
    Node,
}

/// A call of the API.
pub trait Operation: Clone + Send + Sync {
    /// Its name.
    const NAME: &'static str;
    /// What sending it twice would do.
    const ACCESS: Access;
    /// What comes back.
    type Answer: Send;

    /// Puts the header in.
    fn set_header(&mut self, header: api::RequestHeader);

    /// Sends it.
    fn send(
        self,
        channel: Channel,
        max_bytes: usize,
    ) -> impl Future<Output = Result<Response<Self::Answer>, Status>> + Send;

    /// The header of its answer.
    fn header_of(answer: &Self::Answer) -> Option<&api::ResponseHeader>;
}

macro_rules! operations {
    ($($client:ident { $($access:ident $request:ident => $answer:ident, $method:ident, $header:expr;)+ })+) => { $($(
        impl Operation for api::$request {
            const NAME: &'static str = stringify!($method);
            const ACCESS: Access = Access::$access;
            type Answer = api::$answer;

            fn set_header(&mut self, header: api::RequestHeader) {
                self.header = Some(header);
            }

            async fn send(
                self,
                channel: Channel,
                max_bytes: usize,
            ) -> Result<Response<Self::Answer>, Status> {
                $client::new(channel)
                    .max_decoding_message_size(max_bytes)
                    .$method(Request::new(self))
                    .await
            }

            fn header_of(answer: &Self::Answer) -> Option<&api::ResponseHeader> {
                let header: fn(&api::$answer) -> Option<&api::ResponseHeader> = $header;
                header(answer)
            }
        }
    )+)+ };
}

operations! {
    KmsClient {
        Write CreateKeyRequest => CreateKeyResponse, create_key, |a| a.header.as_ref();
        Read DescribeKeyRequest => DescribeKeyResponse, describe_key, |a| a.header.as_ref();
        Write PutKeyPolicyRequest => PutKeyPolicyResponse, put_key_policy, |a| a.header.as_ref();
        Read GetKeyPolicyRequest => GetKeyPolicyResponse, get_key_policy, |a| a.header.as_ref();
        Write EnableKeyRequest => EnableKeyResponse, enable_key, |a| a.header.as_ref();
        Write DisableKeyRequest => DisableKeyResponse, disable_key, |a| a.header.as_ref();
        Read ListKeysRequest => ListKeysResponse, list_keys, |a| a.header.as_ref();
        Write UpdateKeyDescriptionRequest => UpdateKeyDescriptionResponse, update_key_description, |a| a.header.as_ref();
        Read ListKeyPoliciesRequest => ListKeyPoliciesResponse, list_key_policies, |a| a.header.as_ref();
        Write ScheduleKeyDeletionRequest => ScheduleKeyDeletionResponse, schedule_key_deletion, |a| a.header.as_ref();
        Write CancelKeyDeletionRequest => CancelKeyDeletionResponse, cancel_key_deletion, |a| a.header.as_ref();
        Write ReplicateKeyRequest => ReplicateKeyResponse, replicate_key, |a| a.header.as_ref();
        Write UpdatePrimaryRegionRequest => UpdatePrimaryRegionResponse, update_primary_region, |a| a.header.as_ref();
        Write CreateAliasRequest => CreateAliasResponse, create_alias, |a| a.header.as_ref();
        Write UpdateAliasRequest => UpdateAliasResponse, update_alias, |a| a.header.as_ref();
        Write DeleteAliasRequest => DeleteAliasResponse, delete_alias, |a| a.header.as_ref();
        Read ListAliasesRequest => ListAliasesResponse, list_aliases, |a| a.header.as_ref();
        Write TagResourceRequest => TagResourceResponse, tag_resource, |a| a.header.as_ref();
        Write UntagResourceRequest => UntagResourceResponse, untag_resource, |a| a.header.as_ref();
        Read ListResourceTagsRequest => ListResourceTagsResponse, list_resource_tags, |a| a.header.as_ref();
        Write CreateGrantRequest => CreateGrantResponse, create_grant, |a| a.header.as_ref();
        Read ListGrantsRequest => ListGrantsResponse, list_grants, |a| a.header.as_ref();
        Read ListRetirableGrantsRequest => ListRetirableGrantsResponse, list_retirable_grants, |a| a.header.as_ref();
        Write RetireGrantRequest => RetireGrantResponse, retire_grant, |a| a.header.as_ref();
        Write RevokeGrantRequest => RevokeGrantResponse, revoke_grant, |a| a.header.as_ref();
    }
    KeyStoresClient {
        Write CreateCustomKeyStoreRequest => CreateCustomKeyStoreResponse, create_custom_key_store, |a| a.header.as_ref();
        Write ConnectCustomKeyStoreRequest => ConnectCustomKeyStoreResponse, connect_custom_key_store, |a| a.header.as_ref();
        Write DisconnectCustomKeyStoreRequest => DisconnectCustomKeyStoreResponse, disconnect_custom_key_store, |a| a.header.as_ref();
        Write UpdateCustomKeyStoreRequest => UpdateCustomKeyStoreResponse, update_custom_key_store, |a| a.header.as_ref();
        Write DeleteCustomKeyStoreRequest => DeleteCustomKeyStoreResponse, delete_custom_key_store, |a| a.header.as_ref();
        Write ReportCustomKeyStoreRequest => ReportCustomKeyStoreResponse, report_custom_key_store, |a| a.header.as_ref();
        Read DescribeCustomKeyStoresRequest => DescribeCustomKeyStoresResponse, describe_custom_key_stores, |a| a.header.as_ref();
        Read ListKeyStoreWorkRequest => ListKeyStoreWorkResponse, list_key_store_work, |a| a.header.as_ref();
        Write ReportKeyStoreBackendsRequest => ReportKeyStoreBackendsResponse, report_key_store_backends, |a| a.header.as_ref();
        Read ListKeyStoreBackendsRequest => ListKeyStoreBackendsResponse, list_key_store_backends, |a| a.header.as_ref();
    }
    GrantsClient {
        Write ConsumeRequest => ConsumeResponse, consume, |a| a.header.as_ref();
        Read ListGrantsByGranteeRequest => ListGrantsByGranteeResponse, list_grants_by_grantee, |a| a.header.as_ref();
        Read ListDuplicateGrantsRequest => ListDuplicateGrantsResponse, list_duplicate_grants, |a| a.header.as_ref();
        Read DescribeGrantsRequest => DescribeGrantsResponse, describe_grants, |a| a.header.as_ref();
    }
    IdentityClient {
        Write CreateAccountRequest => CreateAccountResponse, create_account, |a| a.header.as_ref();
        Read ListAccountsRequest => ListAccountsResponse, list_accounts, |a| a.header.as_ref();
        Write CreatePrincipalRequest => CreatePrincipalResponse, create_principal, |a| a.header.as_ref();
        Read GetPrincipalRequest => GetPrincipalResponse, get_principal, |a| a.header.as_ref();
        Write DeletePrincipalRequest => DeletePrincipalResponse, delete_principal, |a| a.header.as_ref();
        Read ListPrincipalsRequest => ListPrincipalsResponse, list_principals, |a| a.header.as_ref();
        Write TagPrincipalRequest => TagPrincipalResponse, tag_principal, |a| a.header.as_ref();
        Write UntagPrincipalRequest => UntagPrincipalResponse, untag_principal, |a| a.header.as_ref();
        Write PutPrincipalPolicyRequest => PutPrincipalPolicyResponse, put_principal_policy, |a| a.header.as_ref();
        Read GetPrincipalPolicyRequest => GetPrincipalPolicyResponse, get_principal_policy, |a| a.header.as_ref();
        Write DeletePrincipalPolicyRequest => DeletePrincipalPolicyResponse, delete_principal_policy, |a| a.header.as_ref();
        Read ListPrincipalPoliciesRequest => ListPrincipalPoliciesResponse, list_principal_policies, |a| a.header.as_ref();
        Write CreateGroupRequest => CreateGroupResponse, create_group, |a| a.header.as_ref();
        Read GetGroupRequest => GetGroupResponse, get_group, |a| a.header.as_ref();
        Write DeleteGroupRequest => DeleteGroupResponse, delete_group, |a| a.header.as_ref();
        Read ListGroupsRequest => ListGroupsResponse, list_groups, |a| a.header.as_ref();
        Read ListGroupsForUserRequest => ListGroupsForUserResponse, list_groups_for_user, |a| a.header.as_ref();
        Write AddUserToGroupRequest => AddUserToGroupResponse, add_user_to_group, |a| a.header.as_ref();
        Write RemoveUserFromGroupRequest => RemoveUserFromGroupResponse, remove_user_from_group, |a| a.header.as_ref();
        Write PutGroupPolicyRequest => PutGroupPolicyResponse, put_group_policy, |a| a.header.as_ref();
        Read GetGroupPolicyRequest => GetGroupPolicyResponse, get_group_policy, |a| a.header.as_ref();
        Write DeleteGroupPolicyRequest => DeleteGroupPolicyResponse, delete_group_policy, |a| a.header.as_ref();
        Read ListGroupPoliciesRequest => ListGroupPoliciesResponse, list_group_policies, |a| a.header.as_ref();
        Write PutPrincipalPermissionsBoundaryRequest => PutPrincipalPermissionsBoundaryResponse, put_principal_permissions_boundary, |a| a.header.as_ref();
        Write DeletePrincipalPermissionsBoundaryRequest => DeletePrincipalPermissionsBoundaryResponse, delete_principal_permissions_boundary, |a| a.header.as_ref();
    }
    OrganizationsClient {
        Write CreateOrganizationRequest => CreateOrganizationResponse, create_organization, |a| a.header.as_ref();
        Write DeleteOrganizationRequest => DeleteOrganizationResponse, delete_organization, |a| a.header.as_ref();
        Read ListOrganizationsRequest => ListOrganizationsResponse, list_organizations, |a| a.header.as_ref();
        Write AddAccountRequest => AddAccountResponse, add_account, |a| a.header.as_ref();
        Write MoveAccountRequest => MoveAccountResponse, move_account, |a| a.header.as_ref();
        Write RemoveAccountRequest => RemoveAccountResponse, remove_account, |a| a.header.as_ref();
        Write CreateOrganizationalUnitRequest => CreateOrganizationalUnitResponse, create_organizational_unit, |a| a.header.as_ref();
        Write DeleteOrganizationalUnitRequest => DeleteOrganizationalUnitResponse, delete_organizational_unit, |a| a.header.as_ref();
        Read ListNodesRequest => ListNodesResponse, list_nodes, |a| a.header.as_ref();
        Write PutControlPolicyRequest => PutControlPolicyResponse, put_control_policy, |a| a.header.as_ref();
        Read GetControlPolicyRequest => GetControlPolicyResponse, get_control_policy, |a| a.header.as_ref();
        Write DeleteControlPolicyRequest => DeleteControlPolicyResponse, delete_control_policy, |a| a.header.as_ref();
        Read ListControlPoliciesRequest => ListControlPoliciesResponse, list_control_policies, |a| a.header.as_ref();
        Write PutVpcEndpointRequest => PutVpcEndpointResponse, put_vpc_endpoint, |a| a.header.as_ref();
        Read GetVpcEndpointRequest => GetVpcEndpointResponse, get_vpc_endpoint, |a| a.header.as_ref();
        Write DeleteVpcEndpointRequest => DeleteVpcEndpointResponse, delete_vpc_endpoint, |a| a.header.as_ref();
        Read ListVpcEndpointsRequest => ListVpcEndpointsResponse, list_vpc_endpoints, |a| a.header.as_ref();
    }
    AuthorizationClient {
        Read AuthorizeRequest => AuthorizeResponse, authorize, |a| a.header.as_ref();
        Read BatchAuthorizeRequest => BatchAuthorizeResponse, batch_authorize, |a| a.header.as_ref();
        Read ExplainRequest => ExplainResponse, explain, |a| a.header.as_ref();
        Read WhatIfRequest => WhatIfResponse, what_if, |a| a.header.as_ref();
        Read WhoCanRequest => AccessResponse, who_can, |a| a.header.as_ref();
        Read WhatCanRequest => AccessResponse, what_can, |a| a.header.as_ref();
    }
    ClusterClient {
        Node StatusRequest => StatusResponse, status, |_| None;
        Node InitializeRequest => InitializeResponse, initialize, |a| a.header.as_ref();
        Node JoinRequest => JoinResponse, join, |a| a.header.as_ref();
        Node RemoveRequest => RemoveResponse, remove, |a| a.header.as_ref();
        Write RotateTokenEpochRequest => RotateTokenEpochResponse, rotate_token_epoch, |a| a.header.as_ref();
        Write UpdateSettingsRequest => UpdateSettingsResponse, update_settings, |a| a.header.as_ref();
        Read GetSettingsRequest => GetSettingsResponse, get_settings, |a| a.header.as_ref();
    }
}
