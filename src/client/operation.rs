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
    /// Nothing but work, of which there may be much: it goes to another node late.
    Question,
    /// It is made harmless by an idempotency key.
    Write,
    /// It changes the node that is asked, or the cluster through it: it goes to no other, and is sent once.
    Node,
    /// It looks at the node that is asked: it goes to no other, and changes nothing.
    NodeRead,
}

impl Access {
    /// Whether it may change something, so that its outcome can be in doubt.
    pub const fn changes(self) -> bool {
        match self {
            Self::Write | Self::Node => true,
            Self::Read | Self::Question | Self::NodeRead => false,
        }
    }

    /// Whether it goes to no other node than the one that is asked.
    pub const fn is_of_one_node(self) -> bool {
        match self {
            Self::Node | Self::NodeRead => true,
            Self::Read | Self::Question | Self::Write => false,
        }
    }
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
    (@header $answer:ident) => { $answer.header.as_ref() };
    (@header $answer:ident without $header:ident) => {{
        let _ = $answer;
        None
    }};
    ($($client:ident {
        $($access:ident $request:ident => $answer:ident, $method:ident $(, without $header:ident)?;)+
    })+) => { $($(
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
                operations!(@header answer $(without $header)?)
            }
        }
    )+)+ };
}

operations! {
    KmsClient {
        Write CreateKeyRequest => CreateKeyResponse, create_key;
        Read DescribeKeyRequest => DescribeKeyResponse, describe_key;
        Read GetKeyLastUsageRequest => GetKeyLastUsageResponse, get_key_last_usage;
        Write PutKeyPolicyRequest => PutKeyPolicyResponse, put_key_policy;
        Read GetKeyPolicyRequest => GetKeyPolicyResponse, get_key_policy;
        Write EnableKeyRequest => EnableKeyResponse, enable_key;
        Write DisableKeyRequest => DisableKeyResponse, disable_key;
        Read ListKeysRequest => ListKeysResponse, list_keys;
        Write UpdateKeyDescriptionRequest => UpdateKeyDescriptionResponse, update_key_description;
        Read ListKeyPoliciesRequest => ListKeyPoliciesResponse, list_key_policies;
        Write ScheduleKeyDeletionRequest => ScheduleKeyDeletionResponse, schedule_key_deletion;
        Write CancelKeyDeletionRequest => CancelKeyDeletionResponse, cancel_key_deletion;
        Write ReplicateKeyRequest => ReplicateKeyResponse, replicate_key;
        Write UpdatePrimaryRegionRequest => UpdatePrimaryRegionResponse, update_primary_region;
        Write CreateAliasRequest => CreateAliasResponse, create_alias;
        Write UpdateAliasRequest => UpdateAliasResponse, update_alias;
        Write DeleteAliasRequest => DeleteAliasResponse, delete_alias;
        Read ListAliasesRequest => ListAliasesResponse, list_aliases;
        Write TagResourceRequest => TagResourceResponse, tag_resource;
        Write UntagResourceRequest => UntagResourceResponse, untag_resource;
        Read ListResourceTagsRequest => ListResourceTagsResponse, list_resource_tags;
        Write CreateGrantRequest => CreateGrantResponse, create_grant;
        Read ListGrantsRequest => ListGrantsResponse, list_grants;
        Read ListRetirableGrantsRequest => ListRetirableGrantsResponse, list_retirable_grants;
        Write RetireGrantRequest => RetireGrantResponse, retire_grant;
        Write RevokeGrantRequest => RevokeGrantResponse, revoke_grant;
    }
    KeyStoresClient {
        Write CreateCustomKeyStoreRequest => CreateCustomKeyStoreResponse, create_custom_key_store;
        Write ConnectCustomKeyStoreRequest => ConnectCustomKeyStoreResponse, connect_custom_key_store;
        Write DisconnectCustomKeyStoreRequest => DisconnectCustomKeyStoreResponse, disconnect_custom_key_store;
        Write UpdateCustomKeyStoreRequest => UpdateCustomKeyStoreResponse, update_custom_key_store;
        Write DeleteCustomKeyStoreRequest => DeleteCustomKeyStoreResponse, delete_custom_key_store;
        Write ReportCustomKeyStoreRequest => ReportCustomKeyStoreResponse, report_custom_key_store;
        Read DescribeCustomKeyStoresRequest => DescribeCustomKeyStoresResponse, describe_custom_key_stores;
        Read ListKeyStoreWorkRequest => ListKeyStoreWorkResponse, list_key_store_work;
        Write ReportKeyStoreBackendsRequest => ReportKeyStoreBackendsResponse, report_key_store_backends;
        Read ListKeyStoreBackendsRequest => ListKeyStoreBackendsResponse, list_key_store_backends;
    }
    GrantsClient {
        Write ConsumeRequest => ConsumeResponse, consume;
        Question ListGrantsByGranteeRequest => ListGrantsByGranteeResponse, list_grants_by_grantee;
        Question ListDuplicateGrantsRequest => ListDuplicateGrantsResponse, list_duplicate_grants;
        Read DescribeGrantsRequest => DescribeGrantsResponse, describe_grants;
    }
    IdentityClient {
        Write CreateAccountRequest => CreateAccountResponse, create_account;
        Read ListAccountsRequest => ListAccountsResponse, list_accounts;
        Write CreatePrincipalRequest => CreatePrincipalResponse, create_principal;
        Read GetPrincipalRequest => GetPrincipalResponse, get_principal;
        Write DeletePrincipalRequest => DeletePrincipalResponse, delete_principal;
        Read ListPrincipalsRequest => ListPrincipalsResponse, list_principals;
        Write TagPrincipalRequest => TagPrincipalResponse, tag_principal;
        Write UntagPrincipalRequest => UntagPrincipalResponse, untag_principal;
        Write PutPrincipalPolicyRequest => PutPrincipalPolicyResponse, put_principal_policy;
        Read GetPrincipalPolicyRequest => GetPrincipalPolicyResponse, get_principal_policy;
        Write DeletePrincipalPolicyRequest => DeletePrincipalPolicyResponse, delete_principal_policy;
        Read ListPrincipalPoliciesRequest => ListPrincipalPoliciesResponse, list_principal_policies;
        Write CreateGroupRequest => CreateGroupResponse, create_group;
        Read GetGroupRequest => GetGroupResponse, get_group;
        Write DeleteGroupRequest => DeleteGroupResponse, delete_group;
        Read ListGroupsRequest => ListGroupsResponse, list_groups;
        Read ListGroupsForUserRequest => ListGroupsForUserResponse, list_groups_for_user;
        Write AddUserToGroupRequest => AddUserToGroupResponse, add_user_to_group;
        Write RemoveUserFromGroupRequest => RemoveUserFromGroupResponse, remove_user_from_group;
        Write PutGroupPolicyRequest => PutGroupPolicyResponse, put_group_policy;
        Read GetGroupPolicyRequest => GetGroupPolicyResponse, get_group_policy;
        Write DeleteGroupPolicyRequest => DeleteGroupPolicyResponse, delete_group_policy;
        Read ListGroupPoliciesRequest => ListGroupPoliciesResponse, list_group_policies;
        Write PutPrincipalPermissionsBoundaryRequest => PutPrincipalPermissionsBoundaryResponse, put_principal_permissions_boundary;
        Write DeletePrincipalPermissionsBoundaryRequest => DeletePrincipalPermissionsBoundaryResponse, delete_principal_permissions_boundary;
    }
    OrganizationsClient {
        Write CreateOrganizationRequest => CreateOrganizationResponse, create_organization;
        Write DeleteOrganizationRequest => DeleteOrganizationResponse, delete_organization;
        Read ListOrganizationsRequest => ListOrganizationsResponse, list_organizations;
        Write AddAccountRequest => AddAccountResponse, add_account;
        Write MoveAccountRequest => MoveAccountResponse, move_account;
        Write RemoveAccountRequest => RemoveAccountResponse, remove_account;
        Write CreateOrganizationalUnitRequest => CreateOrganizationalUnitResponse, create_organizational_unit;
        Write DeleteOrganizationalUnitRequest => DeleteOrganizationalUnitResponse, delete_organizational_unit;
        Read ListNodesRequest => ListNodesResponse, list_nodes;
        Write PutControlPolicyRequest => PutControlPolicyResponse, put_control_policy;
        Read GetControlPolicyRequest => GetControlPolicyResponse, get_control_policy;
        Write DeleteControlPolicyRequest => DeleteControlPolicyResponse, delete_control_policy;
        Read ListControlPoliciesRequest => ListControlPoliciesResponse, list_control_policies;
        Write PutVpcEndpointRequest => PutVpcEndpointResponse, put_vpc_endpoint;
        Read GetVpcEndpointRequest => GetVpcEndpointResponse, get_vpc_endpoint;
        Write DeleteVpcEndpointRequest => DeleteVpcEndpointResponse, delete_vpc_endpoint;
        Read ListVpcEndpointsRequest => ListVpcEndpointsResponse, list_vpc_endpoints;
    }
    AuthorizationClient {
        Read AuthorizeRequest => AuthorizeResponse, authorize;
        Question BatchAuthorizeRequest => BatchAuthorizeResponse, batch_authorize;
        Question ExplainRequest => ExplainResponse, explain;
        Question WhatIfRequest => WhatIfResponse, what_if;
        Question WhoCanRequest => AccessResponse, who_can;
        Question WhatCanRequest => AccessResponse, what_can;
        Question ListDanglingPrincipalsRequest => ListDanglingPrincipalsResponse, list_dangling_principals;
    }
    ClusterClient {
        NodeRead StatusRequest => StatusResponse, status, without header;
        Node InitializeRequest => InitializeResponse, initialize;
        Node JoinRequest => JoinResponse, join;
        Node RemoveRequest => RemoveResponse, remove;
        Write RotateTokenEpochRequest => RotateTokenEpochResponse, rotate_token_epoch;
        Write RevokeTokenEpochRequest => RevokeTokenEpochResponse, revoke_token_epoch;
        Write RaiseSemanticsRequest => RaiseSemanticsResponse, raise_semantics;
        Node OpenClusterRequest => OpenClusterResponse, open_cluster;
        Write UpdateSettingsRequest => UpdateSettingsResponse, update_settings;
        Read GetSettingsRequest => GetSettingsResponse, get_settings;
    }
}
