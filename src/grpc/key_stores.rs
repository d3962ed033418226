//! Custom key stores.

use super::Api;
use super::calls::calls;
use crate::wire::v1::key_stores_server::KeyStores;

calls! {
    KeyStores {
        change create_custom_key_store(CreateCustomKeyStoreRequest) -> CreateCustomKeyStoreResponse;
        change connect_custom_key_store(ConnectCustomKeyStoreRequest) -> ConnectCustomKeyStoreResponse;
        change disconnect_custom_key_store(DisconnectCustomKeyStoreRequest) -> DisconnectCustomKeyStoreResponse;
        change update_custom_key_store(UpdateCustomKeyStoreRequest) -> UpdateCustomKeyStoreResponse;
        change delete_custom_key_store(DeleteCustomKeyStoreRequest) -> DeleteCustomKeyStoreResponse;
        describe describe_custom_key_stores(DescribeCustomKeyStoresRequest) -> DescribeCustomKeyStoresResponse;
        describe list_key_store_work(ListKeyStoreWorkRequest) -> ListKeyStoreWorkResponse;
        change report_custom_key_store(ReportCustomKeyStoreRequest) -> ReportCustomKeyStoreResponse;
        change report_key_store_backends(ReportKeyStoreBackendsRequest) -> ReportKeyStoreBackendsResponse;
        describe list_key_store_backends(ListKeyStoreBackendsRequest) -> ListKeyStoreBackendsResponse;
    }
}
