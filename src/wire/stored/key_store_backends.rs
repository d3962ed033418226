//! The stored forms of what was told of the backends of custom key stores: the fact, and the command that brings it.
//!
//! Imports domain's state and op.

use super::row::{Members, Str, Text, numbered, row};
use crate::domain::ids::{
    BackendName, CloudHsmClusterId, Partition, ProxyAddress, Region, XksAccessKeyId, XksKeyId,
    XksProxyEndpoint, XksProxyPath, XksVpcService,
};
use crate::domain::op;
use crate::domain::state::key_store_backend::{
    Backend, ClusterFacts, KeyStoreBackend, ProxyFacts, ProxyHealth, Soundness,
};

row! {
    KeyStoreBackendRow: KeyStoreBackend {
        account: u64,
        partition: Text<Partition>,
        region: Text<Region>,
        backend: BackendRow,
        told_at: u64,
    }
}

numbered! {
    BackendRow: Backend {
        1 = Cluster {
            id: Text<CloudHsmClusterId>,
            known: Option<ClusterFactsRow>,
        },
        2 = Proxy {
            at: ProxyAddressRow,
            known: Option<ProxyFactsRow>,
        },
        3 = VpcService {
            name: Text<XksVpcService>,
            known: Option<SoundnessRow>,
        },
        4 = ExternalKey {
            at: ProxyAddressRow,
            id: Text<XksKeyId>,
            known: Option<SoundnessRow>,
        },
    }
}

row! {
    ProxyAddressRow: ProxyAddress {
        endpoint: Text<XksProxyEndpoint>,
        path: Text<XksProxyPath>,
    }
}

row! {
    ClusterFactsRow: ClusterFacts {
        active: bool,
        active_zones: u32,
        trust_anchor: Option<Str>,
        related: Members<Text<CloudHsmClusterId>>,
        fault: Option<Str>,
    }
}

row! {
    ProxyFactsRow: ProxyFacts {
        access_keys: Members<Text<XksAccessKeyId>>,
        health: ProxyHealthRow,
    }
}

numbered! {
    ProxyHealthRow: ProxyHealth {
        1 = Sound,
        2 = Unreachable(why: Str),
        3 = InvalidResponse(why: Str),
        4 = InvalidConfiguration(why: Str),
    }
}

row! {
    SoundnessRow: Soundness {
        fault: Option<Str>,
    }
}

row! {
    ReportKeyStoreBackendsRow: op::report_key_store_backends::ReportKeyStoreBackends {
        account: u64,
        backends: Vec<BackendRow>,
        forgotten: Vec<Text<BackendName>>,
    }
}
