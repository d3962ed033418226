//! A custom key store as stored (K-1 to K-12): a container of keys whose material lives in a CloudHSM cluster or in an
//! external key manager.
//!
//! Imports ids, time. Holds facts; decides nothing. Never: a secret in clear; what a store needs to log in with is kept
//! sealed under the cluster's seal key, bound to the store's id.

use std::fmt;
use std::sync::Arc;

use super::closed_set;
use crate::domain::ids::{
    AccountId, CloudHsmClusterId, CustomKeyStoreId, Partition, ProxyAddress, Region,
    XksAccessKeyId, XksKeyId, XksProxyEndpoint, XksProxyPath, XksVpcService,
};
use crate::domain::state::key::KeyOrigin;
use crate::domain::time::{Revision, Timestamp};

closed_set! {
    /// What is behind a custom key store (K-5).
    pub enum KeyStoreType {
        AwsCloudHsm = "AWS_CLOUDHSM",
        ExternalKeyStore = "EXTERNAL_KEY_STORE",
    }
}

closed_set! {
    /// Whether a custom key store is connected (K-6).
    pub enum ConnectionState {
        Connected = "CONNECTED",
        Connecting = "CONNECTING",
        Failed = "FAILED",
        Disconnected = "DISCONNECTED",
        Disconnecting = "DISCONNECTING",
    }
}

closed_set! {
    /// Why a custom key store could not be connected (W-8).
    pub enum ConnectionErrorCode {
        InvalidCredentials = "INVALID_CREDENTIALS",
        ClusterNotFound = "CLUSTER_NOT_FOUND",
        NetworkErrors = "NETWORK_ERRORS",
        InternalError = "INTERNAL_ERROR",
        InsufficientCloudHsmHsms = "INSUFFICIENT_CLOUDHSM_HSMS",
        UserLockedOut = "USER_LOCKED_OUT",
        UserNotFound = "USER_NOT_FOUND",
        UserLoggedIn = "USER_LOGGED_IN",
        SubnetNotFound = "SUBNET_NOT_FOUND",
        InsufficientFreeAddressesInSubnet = "INSUFFICIENT_FREE_ADDRESSES_IN_SUBNET",
        XksProxyAccessDenied = "XKS_PROXY_ACCESS_DENIED",
        XksProxyNotReachable = "XKS_PROXY_NOT_REACHABLE",
        XksVpcEndpointServiceNotFound = "XKS_VPC_ENDPOINT_SERVICE_NOT_FOUND",
        XksProxyInvalidResponse = "XKS_PROXY_INVALID_RESPONSE",
        XksProxyInvalidConfiguration = "XKS_PROXY_INVALID_CONFIGURATION",
        XksVpcEndpointServiceInvalidConfiguration = "XKS_VPC_ENDPOINT_SERVICE_INVALID_CONFIGURATION",
        XksProxyTimedOut = "XKS_PROXY_TIMED_OUT",
        XksProxyInvalidTlsConfiguration = "XKS_PROXY_INVALID_TLS_CONFIGURATION",
    }
}

closed_set! {
    /// How an external key store proxy is reached (K-11).
    pub enum XksConnectivity {
        PublicEndpoint = "PUBLIC_ENDPOINT",
        VpcEndpointService = "VPC_ENDPOINT_SERVICE",
    }
}

impl KeyStoreType {
    /// The origin of every key in a store of this type (K-5).
    pub const fn origin(self) -> KeyOrigin {
        match self {
            Self::AwsCloudHsm => KeyOrigin::AwsCloudHsm,
            Self::ExternalKeyStore => KeyOrigin::ExternalKeyStore,
        }
    }

    /// The type of store that keys of this origin live in.
    pub const fn of_origin(origin: KeyOrigin) -> Option<Self> {
        match origin {
            KeyOrigin::AwsKms | KeyOrigin::External => None,
            KeyOrigin::AwsCloudHsm => Some(Self::AwsCloudHsm),
            KeyOrigin::ExternalKeyStore => Some(Self::ExternalKeyStore),
        }
    }
}

impl ConnectionErrorCode {
    /// Whether a store of this type can fail so.
    pub const fn fits(self, kind: KeyStoreType) -> bool {
        match self {
            Self::InvalidCredentials | Self::NetworkErrors | Self::InternalError => true,
            Self::ClusterNotFound
            | Self::InsufficientCloudHsmHsms
            | Self::UserLockedOut
            | Self::UserNotFound
            | Self::UserLoggedIn
            | Self::SubnetNotFound
            | Self::InsufficientFreeAddressesInSubnet => matches!(kind, KeyStoreType::AwsCloudHsm),
            Self::XksProxyAccessDenied
            | Self::XksProxyNotReachable
            | Self::XksVpcEndpointServiceNotFound
            | Self::XksProxyInvalidResponse
            | Self::XksProxyInvalidConfiguration
            | Self::XksVpcEndpointServiceInvalidConfiguration
            | Self::XksProxyTimedOut
            | Self::XksProxyInvalidTlsConfiguration => {
                matches!(kind, KeyStoreType::ExternalKeyStore)
            }
        }
    }
}

/// A secret as a client sent it, on its way to be sealed. Shows nothing of itself.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(zeroize::Zeroizing<String>);

impl Secret {
    /// Takes the text.
    pub fn new(text: String) -> Self {
        Self(zeroize::Zeroizing::new(text))
    }

    /// The text, for whoever seals it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// What a custom key store logs in with; the secret half is sealed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Credential {
    /// The password of the KMS user in a CloudHSM cluster.
    Password {
        /// Sealed.
        sealed: Arc<[u8]>,
    },
    /// What requests to an external key store proxy are signed with.
    AccessKey {
        /// Its public half.
        id: XksAccessKeyId,
        /// Its secret half, sealed.
        sealed: Arc<[u8]>,
    },
}

impl Credential {
    /// The sealed secret.
    pub const fn sealed(&self) -> &Arc<[u8]> {
        match self {
            Self::Password { sealed } | Self::AccessKey { id: _, sealed } => sealed,
        }
    }

    /// The same with this sealed secret.
    #[must_use]
    pub fn with_sealed(self, sealed: Arc<[u8]>) -> Self {
        match self {
            Self::Password { sealed: _ } => Self::Password { sealed },
            Self::AccessKey { id, sealed: _ } => Self::AccessKey { id, sealed },
        }
    }
}

/// How an external key store proxy is reached.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum XksRoute {
    /// Over the internet.
    Public,
    /// Through a VPC endpoint service.
    Vpc {
        /// Its name.
        service: XksVpcService,
        /// The account that owns it.
        owner: AccountId,
    },
}

impl XksRoute {
    /// As AWS names it.
    pub const fn connectivity(&self) -> XksConnectivity {
        match self {
            Self::Public => XksConnectivity::PublicEndpoint,
            Self::Vpc { .. } => XksConnectivity::VpcEndpointService,
        }
    }
}

/// An external key store proxy.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct XksProxy {
    /// How it is reached.
    pub route: XksRoute,
    /// Its address.
    pub endpoint: XksProxyEndpoint,
    /// The path of its API.
    pub path: XksProxyPath,
    /// What requests to it are signed with.
    pub access_key_id: XksAccessKeyId,
    /// The secret half, sealed.
    pub sealed_secret: Arc<[u8]>,
}

impl XksProxy {
    /// Where it answers.
    pub fn address(&self) -> ProxyAddress {
        ProxyAddress {
            endpoint: self.endpoint.clone(),
            path: self.path.clone(),
        }
    }
}

/// What is behind a custom key store (K-5, K-11).
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Backing {
    /// A CloudHSM cluster.
    CloudHsm {
        /// The cluster.
        cluster: CloudHsmClusterId,
        /// Its trust anchor certificate, PEM.
        trust_anchor: Arc<str>,
        /// The password of its KMS user, sealed.
        sealed_password: Arc<[u8]>,
    },
    /// An external key manager behind a proxy.
    External(XksProxy),
}

impl Backing {
    /// The store's type.
    pub const fn kind(&self) -> KeyStoreType {
        match self {
            Self::CloudHsm { .. } => KeyStoreType::AwsCloudHsm,
            Self::External(_) => KeyStoreType::ExternalKeyStore,
        }
    }
}

/// Where the connection of a store stands (K-6).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Connection {
    /// Never connected, or disconnected.
    Disconnected,
    /// Asked for.
    Connecting,
    /// Its keys can be used.
    Connected,
    /// To be ended.
    Disconnecting,
    /// It could not be made.
    Failed(ConnectionErrorCode),
}

impl Connection {
    /// As AWS names it.
    pub const fn state(self) -> ConnectionState {
        match self {
            Self::Disconnected => ConnectionState::Disconnected,
            Self::Connecting => ConnectionState::Connecting,
            Self::Connected => ConnectionState::Connected,
            Self::Disconnecting => ConnectionState::Disconnecting,
            Self::Failed(_) => ConnectionState::Failed,
        }
    }
}

/// A custom key store (K-1): of one account in one Region.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CustomKeyStore {
    /// Drawn before the log; no other store of the cluster has it.
    pub id: CustomKeyStoreId,
    /// The account that it belongs to.
    pub account: AccountId,
    /// The partition of its Region.
    pub partition: Partition,
    /// Its Region.
    pub region: Region,
    /// Unique in account and Region (K-10).
    pub name: Arc<str>,
    /// When it was created.
    pub created_at: Timestamp,
    /// The revision that created it.
    pub born: Revision,
    /// Where its connection stands.
    pub connection: Connection,
    /// The revision at which it was last asked to connect or to disconnect: a report of an earlier attempt is refused.
    pub attempt: Revision,
    /// What is behind it.
    pub backing: Backing,
}

impl CustomKeyStore {
    /// Whether keys can be made in it and used (K-7, K-12).
    pub const fn is_connected(&self) -> bool {
        matches!(self.connection, Connection::Connected)
    }
}

/// The place of a key in a custom key store; it never changes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StoreKey {
    /// The store.
    pub store: CustomKeyStoreId,
    /// The key in the external key manager; `None` in a CloudHSM cluster.
    pub xks_key: Option<XksKeyId>,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// W-8: a code belongs to clusters, to proxies, or to both.
    #[test]
    fn connection_errors_fit_what_can_fail_so() {
        let count = |kind| {
            ConnectionErrorCode::ALL
                .iter()
                .filter(|code| code.fits(kind))
                .count()
        };
        assert_eq!(count(KeyStoreType::AwsCloudHsm), 10);
        assert_eq!(count(KeyStoreType::ExternalKeyStore), 11);
        for code in ConnectionErrorCode::ALL {
            let of_proxy = code.as_str().starts_with("XKS_");
            assert!(
                code.fits(KeyStoreType::ExternalKeyStore) || !of_proxy,
                "{code}"
            );
            assert!(code.fits(KeyStoreType::AwsCloudHsm) || of_proxy, "{code}");
        }
    }

    #[test]
    fn debug_of_a_secret_shows_nothing_of_it() {
        assert_eq!(
            format!("{:?}", Secret::new("hunter22".into())),
            "Secret(..)"
        );
    }
}
