//! Keys, aliases, tags and grants.

use tonic::{Request, Response, Status};

use super::Api;
use crate::wire::v1;
use crate::wire::v1::kms_server::Kms;

#[tonic::async_trait]
impl Kms for Api {
    async fn create_key(
        &self,
        request: Request<v1::CreateKeyRequest>,
    ) -> Result<Response<v1::CreateKeyResponse>, Status> {
        self.change(request).await
    }

    async fn describe_key(
        &self,
        request: Request<v1::DescribeKeyRequest>,
    ) -> Result<Response<v1::DescribeKeyResponse>, Status> {
        self.describe(request).await
    }

    async fn put_key_policy(
        &self,
        request: Request<v1::PutKeyPolicyRequest>,
    ) -> Result<Response<v1::PutKeyPolicyResponse>, Status> {
        self.change(request).await
    }

    async fn get_key_policy(
        &self,
        request: Request<v1::GetKeyPolicyRequest>,
    ) -> Result<Response<v1::GetKeyPolicyResponse>, Status> {
        self.describe(request).await
    }

    async fn enable_key(
        &self,
        request: Request<v1::EnableKeyRequest>,
    ) -> Result<Response<v1::EnableKeyResponse>, Status> {
        self.change(request).await
    }

    async fn disable_key(
        &self,
        request: Request<v1::DisableKeyRequest>,
    ) -> Result<Response<v1::DisableKeyResponse>, Status> {
        self.change(request).await
    }

    async fn list_keys(
        &self,
        request: Request<v1::ListKeysRequest>,
    ) -> Result<Response<v1::ListKeysResponse>, Status> {
        self.describe(request).await
    }

    async fn update_key_description(
        &self,
        request: Request<v1::UpdateKeyDescriptionRequest>,
    ) -> Result<Response<v1::UpdateKeyDescriptionResponse>, Status> {
        self.change(request).await
    }

    async fn list_key_policies(
        &self,
        request: Request<v1::ListKeyPoliciesRequest>,
    ) -> Result<Response<v1::ListKeyPoliciesResponse>, Status> {
        self.describe(request).await
    }

    async fn schedule_key_deletion(
        &self,
        request: Request<v1::ScheduleKeyDeletionRequest>,
    ) -> Result<Response<v1::ScheduleKeyDeletionResponse>, Status> {
        self.change(request).await
    }

    async fn cancel_key_deletion(
        &self,
        request: Request<v1::CancelKeyDeletionRequest>,
    ) -> Result<Response<v1::CancelKeyDeletionResponse>, Status> {
        self.change(request).await
    }

    async fn replicate_key(
        &self,
        request: Request<v1::ReplicateKeyRequest>,
    ) -> Result<Response<v1::ReplicateKeyResponse>, Status> {
        self.change(request).await
    }

    async fn update_primary_region(
        &self,
        request: Request<v1::UpdatePrimaryRegionRequest>,
    ) -> Result<Response<v1::UpdatePrimaryRegionResponse>, Status> {
        self.change(request).await
    }

    async fn create_alias(
        &self,
        request: Request<v1::CreateAliasRequest>,
    ) -> Result<Response<v1::CreateAliasResponse>, Status> {
        self.change(request).await
    }

    async fn update_alias(
        &self,
        request: Request<v1::UpdateAliasRequest>,
    ) -> Result<Response<v1::UpdateAliasResponse>, Status> {
        self.change(request).await
    }

    async fn delete_alias(
        &self,
        request: Request<v1::DeleteAliasRequest>,
    ) -> Result<Response<v1::DeleteAliasResponse>, Status> {
        self.change(request).await
    }

    async fn list_aliases(
        &self,
        request: Request<v1::ListAliasesRequest>,
    ) -> Result<Response<v1::ListAliasesResponse>, Status> {
        self.describe(request).await
    }

    async fn tag_resource(
        &self,
        request: Request<v1::TagResourceRequest>,
    ) -> Result<Response<v1::TagResourceResponse>, Status> {
        self.change(request).await
    }

    async fn untag_resource(
        &self,
        request: Request<v1::UntagResourceRequest>,
    ) -> Result<Response<v1::UntagResourceResponse>, Status> {
        self.change(request).await
    }

    async fn list_resource_tags(
        &self,
        request: Request<v1::ListResourceTagsRequest>,
    ) -> Result<Response<v1::ListResourceTagsResponse>, Status> {
        self.describe(request).await
    }

    async fn create_grant(
        &self,
        request: Request<v1::CreateGrantRequest>,
    ) -> Result<Response<v1::CreateGrantResponse>, Status> {
        self.change(request).await
    }

    async fn list_grants(
        &self,
        request: Request<v1::ListGrantsRequest>,
    ) -> Result<Response<v1::ListGrantsResponse>, Status> {
        self.describe(request).await
    }

    async fn list_retirable_grants(
        &self,
        request: Request<v1::ListRetirableGrantsRequest>,
    ) -> Result<Response<v1::ListRetirableGrantsResponse>, Status> {
        self.describe(request).await
    }

    async fn retire_grant(
        &self,
        request: Request<v1::RetireGrantRequest>,
    ) -> Result<Response<v1::RetireGrantResponse>, Status> {
        self.change(request).await
    }

    async fn revoke_grant(
        &self,
        request: Request<v1::RevokeGrantRequest>,
    ) -> Result<Response<v1::RevokeGrantResponse>, Status> {
        self.change(request).await
    }
}
