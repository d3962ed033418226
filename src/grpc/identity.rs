//! Accounts, users, roles and groups.

use tonic::{Request, Response, Status};

use super::Api;
use crate::wire::v1;
use crate::wire::v1::identity_server::Identity;

#[tonic::async_trait]
impl Identity for Api {
    async fn create_account(
        &self,
        request: Request<v1::CreateAccountRequest>,
    ) -> Result<Response<v1::CreateAccountResponse>, Status> {
        self.change(request).await
    }

    async fn list_accounts(
        &self,
        request: Request<v1::ListAccountsRequest>,
    ) -> Result<Response<v1::ListAccountsResponse>, Status> {
        self.describe(request).await
    }

    async fn create_principal(
        &self,
        request: Request<v1::CreatePrincipalRequest>,
    ) -> Result<Response<v1::CreatePrincipalResponse>, Status> {
        self.change(request).await
    }

    async fn get_principal(
        &self,
        request: Request<v1::GetPrincipalRequest>,
    ) -> Result<Response<v1::GetPrincipalResponse>, Status> {
        self.describe(request).await
    }

    async fn delete_principal(
        &self,
        request: Request<v1::DeletePrincipalRequest>,
    ) -> Result<Response<v1::DeletePrincipalResponse>, Status> {
        self.change(request).await
    }

    async fn list_principals(
        &self,
        request: Request<v1::ListPrincipalsRequest>,
    ) -> Result<Response<v1::ListPrincipalsResponse>, Status> {
        self.describe(request).await
    }

    async fn tag_principal(
        &self,
        request: Request<v1::TagPrincipalRequest>,
    ) -> Result<Response<v1::TagPrincipalResponse>, Status> {
        self.change(request).await
    }

    async fn untag_principal(
        &self,
        request: Request<v1::UntagPrincipalRequest>,
    ) -> Result<Response<v1::UntagPrincipalResponse>, Status> {
        self.change(request).await
    }

    async fn put_principal_policy(
        &self,
        request: Request<v1::PutPrincipalPolicyRequest>,
    ) -> Result<Response<v1::PutPrincipalPolicyResponse>, Status> {
        self.change(request).await
    }

    async fn get_principal_policy(
        &self,
        request: Request<v1::GetPrincipalPolicyRequest>,
    ) -> Result<Response<v1::GetPrincipalPolicyResponse>, Status> {
        self.describe(request).await
    }

    async fn delete_principal_policy(
        &self,
        request: Request<v1::DeletePrincipalPolicyRequest>,
    ) -> Result<Response<v1::DeletePrincipalPolicyResponse>, Status> {
        self.change(request).await
    }

    async fn list_principal_policies(
        &self,
        request: Request<v1::ListPrincipalPoliciesRequest>,
    ) -> Result<Response<v1::ListPrincipalPoliciesResponse>, Status> {
        self.describe(request).await
    }

    async fn create_group(
        &self,
        request: Request<v1::CreateGroupRequest>,
    ) -> Result<Response<v1::CreateGroupResponse>, Status> {
        self.change(request).await
    }

    async fn get_group(
        &self,
        request: Request<v1::GetGroupRequest>,
    ) -> Result<Response<v1::GetGroupResponse>, Status> {
        self.describe(request).await
    }

    async fn delete_group(
        &self,
        request: Request<v1::DeleteGroupRequest>,
    ) -> Result<Response<v1::DeleteGroupResponse>, Status> {
        self.change(request).await
    }

    async fn list_groups(
        &self,
        request: Request<v1::ListGroupsRequest>,
    ) -> Result<Response<v1::ListGroupsResponse>, Status> {
        self.describe(request).await
    }

    async fn list_groups_for_user(
        &self,
        request: Request<v1::ListGroupsForUserRequest>,
    ) -> Result<Response<v1::ListGroupsForUserResponse>, Status> {
        self.describe(request).await
    }

    async fn add_user_to_group(
        &self,
        request: Request<v1::AddUserToGroupRequest>,
    ) -> Result<Response<v1::AddUserToGroupResponse>, Status> {
        self.change(request).await
    }

    async fn remove_user_from_group(
        &self,
        request: Request<v1::RemoveUserFromGroupRequest>,
    ) -> Result<Response<v1::RemoveUserFromGroupResponse>, Status> {
        self.change(request).await
    }

    async fn put_group_policy(
        &self,
        request: Request<v1::PutGroupPolicyRequest>,
    ) -> Result<Response<v1::PutGroupPolicyResponse>, Status> {
        self.change(request).await
    }

    async fn get_group_policy(
        &self,
        request: Request<v1::GetGroupPolicyRequest>,
    ) -> Result<Response<v1::GetGroupPolicyResponse>, Status> {
        self.describe(request).await
    }

    async fn delete_group_policy(
        &self,
        request: Request<v1::DeleteGroupPolicyRequest>,
    ) -> Result<Response<v1::DeleteGroupPolicyResponse>, Status> {
        self.change(request).await
    }

    async fn list_group_policies(
        &self,
        request: Request<v1::ListGroupPoliciesRequest>,
    ) -> Result<Response<v1::ListGroupPoliciesResponse>, Status> {
        self.describe(request).await
    }

    async fn put_principal_permissions_boundary(
        &self,
        request: Request<v1::PutPrincipalPermissionsBoundaryRequest>,
    ) -> Result<Response<v1::PutPrincipalPermissionsBoundaryResponse>, Status> {
        self.change(request).await
    }

    async fn delete_principal_permissions_boundary(
        &self,
        request: Request<v1::DeletePrincipalPermissionsBoundaryRequest>,
    ) -> Result<Response<v1::DeletePrincipalPermissionsBoundaryResponse>, Status> {
        self.change(request).await
    }
}
