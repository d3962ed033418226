//! The stored forms of custom key stores: the fact, and what their commands bring. Secrets are stored sealed alone.
//!
//! Imports domain's state and op.

use super::row::{Blob, Str, Text, numbered, row};
use crate::domain::ids::{
    CloudHsmClusterId, CustomKeyStoreId, Partition, Region, UniqueId, XksAccessKeyId, XksKeyId,
    XksProxyEndpoint, XksProxyPath, XksVpcService,
};
use crate::domain::op;
use crate::domain::op::key_stores::ProxyMembers;
use crate::domain::op::report_custom_key_store::Report;
use crate::domain::state::key_store::{
    Backing, Connection, ConnectionErrorCode, Credential, CustomKeyStore, KeyStoreType, StoreKey,
    XksConnectivity, XksProxy, XksRoute,
};

row! {
    KeyStoreRow: CustomKeyStore {
        id: Text<CustomKeyStoreId>,
        account: u64,
        partition: Text<Partition>,
        region: Text<Region>,
        name: Str,
        created_at: u64,
        born: u64,
        connection: ConnectionRow,
        attempt: u64,
        backing: BackingRow,
    }
}

numbered! {
    ConnectionRow: Connection {
        1 = Disconnected,
        2 = Connecting,
        3 = Connected,
        4 = Disconnecting,
        5 = Failed(code: Text<ConnectionErrorCode>),
    }
}

numbered! {
    BackingRow: Backing {
        1 = CloudHsm {
            cluster: Text<CloudHsmClusterId>,
            trust_anchor: Str,
            sealed_password: Blob,
        },
        2 = External(proxy: XksProxyRow),
    }
}

row! {
    XksProxyRow: XksProxy {
        route: XksRouteRow,
        endpoint: Text<XksProxyEndpoint>,
        path: Text<XksProxyPath>,
        access_key_id: Text<XksAccessKeyId>,
        sealed_secret: Blob,
    }
}

numbered! {
    XksRouteRow: XksRoute {
        1 = Public,
        2 = Vpc {
            service: Text<XksVpcService>,
            owner: u64,
        },
    }
}

row! {
    StoreKeyRow: StoreKey {
        store: Text<CustomKeyStoreId>,
        xks_key: Option<Text<XksKeyId>>,
    }
}

numbered! {
    CredentialRow: Credential {
        1 = Password {
            sealed: Blob,
        },
        2 = AccessKey {
            id: Text<XksAccessKeyId>,
            sealed: Blob,
        },
    }
}

row! {
    ProxyMembersRow: ProxyMembers {
        connectivity: Option<Text<XksConnectivity>>,
        endpoint: Option<Text<XksProxyEndpoint>>,
        path: Option<Text<XksProxyPath>>,
        vpc_service: Option<Text<XksVpcService>>,
        vpc_service_owner: Option<u64>,
    }
}

row! {
    CreateCustomKeyStoreRow: op::create_custom_key_store::CreateCustomKeyStore {
        id: Text<CustomKeyStoreId>,
        role_id: Text<UniqueId>,
        name: Str,
        kind: Text<KeyStoreType>,
        cluster: Option<Text<CloudHsmClusterId>>,
        trust_anchor: Option<Str>,
        credential: Option<CredentialRow>,
        proxy: ProxyMembersRow,
    }
}

row! {
    UpdateCustomKeyStoreRow: op::update_custom_key_store::UpdateCustomKeyStore {
        id: Text<CustomKeyStoreId>,
        new_name: Option<Str>,
        cluster: Option<Text<CloudHsmClusterId>>,
        credential: Option<CredentialRow>,
        proxy: ProxyMembersRow,
    }
}

row! {
    ConnectCustomKeyStoreRow: op::connect_custom_key_store::ConnectCustomKeyStore {
        id: Text<CustomKeyStoreId>,
    }
}

row! {
    DisconnectCustomKeyStoreRow: op::disconnect_custom_key_store::DisconnectCustomKeyStore {
        id: Text<CustomKeyStoreId>,
    }
}

row! {
    DeleteCustomKeyStoreRow: op::delete_custom_key_store::DeleteCustomKeyStore {
        id: Text<CustomKeyStoreId>,
    }
}

row! {
    ReportCustomKeyStoreRow: op::report_custom_key_store::ReportCustomKeyStore {
        id: Text<CustomKeyStoreId>,
        attempt: Option<u64>,
        report: ReportRow,
    }
}

numbered! {
    ReportRow: Report {
        1 = Connected,
        2 = Failed(code: Text<ConnectionErrorCode>),
        3 = Disconnected,
    }
}
