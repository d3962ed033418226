//! What grantd adds to AWS's grants.

use tonic::{Request, Response, Status};

use super::Api;
use crate::wire::v1;
use crate::wire::v1::grants_server::Grants;

#[tonic::async_trait]
impl Grants for Api {
    async fn consume(
        &self,
        request: Request<v1::ConsumeRequest>,
    ) -> Result<Response<v1::ConsumeResponse>, Status> {
        self.change(request).await
    }

    async fn list_grants_by_grantee(
        &self,
        request: Request<v1::ListGrantsByGranteeRequest>,
    ) -> Result<Response<v1::ListGrantsByGranteeResponse>, Status> {
        self.describe(request).await
    }

    async fn list_duplicate_grants(
        &self,
        request: Request<v1::ListDuplicateGrantsRequest>,
    ) -> Result<Response<v1::ListDuplicateGrantsResponse>, Status> {
        self.describe(request).await
    }

    async fn describe_grants(
        &self,
        request: Request<v1::DescribeGrantsRequest>,
    ) -> Result<Response<v1::DescribeGrantsResponse>, Status> {
        self.describe(request).await
    }
}
