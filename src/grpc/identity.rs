//! Accounts, users and roles.

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
}
