//! Custom key stores.

use tonic::{Request, Response, Status};

use super::Api;
use crate::wire::v1;
use crate::wire::v1::key_stores_server::KeyStores;

#[tonic::async_trait]
impl KeyStores for Api {
    async fn create_custom_key_store(
        &self,
        request: Request<v1::CreateCustomKeyStoreRequest>,
    ) -> Result<Response<v1::CreateCustomKeyStoreResponse>, Status> {
        self.change(request).await
    }

    async fn connect_custom_key_store(
        &self,
        request: Request<v1::ConnectCustomKeyStoreRequest>,
    ) -> Result<Response<v1::ConnectCustomKeyStoreResponse>, Status> {
        self.change(request).await
    }

    async fn disconnect_custom_key_store(
        &self,
        request: Request<v1::DisconnectCustomKeyStoreRequest>,
    ) -> Result<Response<v1::DisconnectCustomKeyStoreResponse>, Status> {
        self.change(request).await
    }

    async fn update_custom_key_store(
        &self,
        request: Request<v1::UpdateCustomKeyStoreRequest>,
    ) -> Result<Response<v1::UpdateCustomKeyStoreResponse>, Status> {
        self.change(request).await
    }

    async fn delete_custom_key_store(
        &self,
        request: Request<v1::DeleteCustomKeyStoreRequest>,
    ) -> Result<Response<v1::DeleteCustomKeyStoreResponse>, Status> {
        self.change(request).await
    }

    async fn describe_custom_key_stores(
        &self,
        request: Request<v1::DescribeCustomKeyStoresRequest>,
    ) -> Result<Response<v1::DescribeCustomKeyStoresResponse>, Status> {
        self.describe(request).await
    }

    async fn list_key_store_work(
        &self,
        request: Request<v1::ListKeyStoreWorkRequest>,
    ) -> Result<Response<v1::ListKeyStoreWorkResponse>, Status> {
        self.describe(request).await
    }

    async fn report_custom_key_store(
        &self,
        request: Request<v1::ReportCustomKeyStoreRequest>,
    ) -> Result<Response<v1::ReportCustomKeyStoreResponse>, Status> {
        self.change(request).await
    }

    async fn report_key_store_backends(
        &self,
        request: Request<v1::ReportKeyStoreBackendsRequest>,
    ) -> Result<Response<v1::ReportKeyStoreBackendsResponse>, Status> {
        self.change(request).await
    }

    async fn list_key_store_backends(
        &self,
        request: Request<v1::ListKeyStoreBackendsRequest>,
    ) -> Result<Response<v1::ListKeyStoreBackendsResponse>, Status> {
        self.describe(request).await
    }
}
