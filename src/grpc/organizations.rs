//! Organizations and VPC endpoints.

use tonic::{Request, Response, Status};

use super::Api;
use crate::wire::v1;
use crate::wire::v1::organizations_server::Organizations;

#[tonic::async_trait]
impl Organizations for Api {
    async fn create_organization(
        &self,
        request: Request<v1::CreateOrganizationRequest>,
    ) -> Result<Response<v1::CreateOrganizationResponse>, Status> {
        self.change(request).await
    }

    async fn delete_organization(
        &self,
        request: Request<v1::DeleteOrganizationRequest>,
    ) -> Result<Response<v1::DeleteOrganizationResponse>, Status> {
        self.change(request).await
    }

    async fn list_organizations(
        &self,
        request: Request<v1::ListOrganizationsRequest>,
    ) -> Result<Response<v1::ListOrganizationsResponse>, Status> {
        self.describe(request).await
    }

    async fn add_account(
        &self,
        request: Request<v1::AddAccountRequest>,
    ) -> Result<Response<v1::AddAccountResponse>, Status> {
        self.change(request).await
    }

    async fn move_account(
        &self,
        request: Request<v1::MoveAccountRequest>,
    ) -> Result<Response<v1::MoveAccountResponse>, Status> {
        self.change(request).await
    }

    async fn remove_account(
        &self,
        request: Request<v1::RemoveAccountRequest>,
    ) -> Result<Response<v1::RemoveAccountResponse>, Status> {
        self.change(request).await
    }

    async fn create_organizational_unit(
        &self,
        request: Request<v1::CreateOrganizationalUnitRequest>,
    ) -> Result<Response<v1::CreateOrganizationalUnitResponse>, Status> {
        self.change(request).await
    }

    async fn delete_organizational_unit(
        &self,
        request: Request<v1::DeleteOrganizationalUnitRequest>,
    ) -> Result<Response<v1::DeleteOrganizationalUnitResponse>, Status> {
        self.change(request).await
    }

    async fn list_nodes(
        &self,
        request: Request<v1::ListNodesRequest>,
    ) -> Result<Response<v1::ListNodesResponse>, Status> {
        self.describe(request).await
    }

    async fn put_control_policy(
        &self,
        request: Request<v1::PutControlPolicyRequest>,
    ) -> Result<Response<v1::PutControlPolicyResponse>, Status> {
        self.change(request).await
    }

    async fn get_control_policy(
        &self,
        request: Request<v1::GetControlPolicyRequest>,
    ) -> Result<Response<v1::GetControlPolicyResponse>, Status> {
        self.describe(request).await
    }

    async fn delete_control_policy(
        &self,
        request: Request<v1::DeleteControlPolicyRequest>,
    ) -> Result<Response<v1::DeleteControlPolicyResponse>, Status> {
        self.change(request).await
    }

    async fn list_control_policies(
        &self,
        request: Request<v1::ListControlPoliciesRequest>,
    ) -> Result<Response<v1::ListControlPoliciesResponse>, Status> {
        self.describe(request).await
    }

    async fn put_vpc_endpoint(
        &self,
        request: Request<v1::PutVpcEndpointRequest>,
    ) -> Result<Response<v1::PutVpcEndpointResponse>, Status> {
        self.change(request).await
    }

    async fn get_vpc_endpoint(
        &self,
        request: Request<v1::GetVpcEndpointRequest>,
    ) -> Result<Response<v1::GetVpcEndpointResponse>, Status> {
        self.describe(request).await
    }

    async fn delete_vpc_endpoint(
        &self,
        request: Request<v1::DeleteVpcEndpointRequest>,
    ) -> Result<Response<v1::DeleteVpcEndpointResponse>, Status> {
        self.change(request).await
    }

    async fn list_vpc_endpoints(
        &self,
        request: Request<v1::ListVpcEndpointsRequest>,
    ) -> Result<Response<v1::ListVpcEndpointsResponse>, Status> {
        self.describe(request).await
    }
}
