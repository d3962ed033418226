//! What the operator's connector has told of what is behind custom key stores (K-11): facts that grantd cannot find out
//! by itself, for it reaches neither clusters nor proxies.
//!
//! Imports ids, time. Holds facts; decides nothing. Never: a secret. Of the credentials that a proxy takes the access key
//! ids are told alone: the secret half of a request is sealed before it reaches the log, so that nothing here could be
//! compared with it, and a digest of it would let whoever reads a snapshot try guesses.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::domain::ids::{
    AccountId, BackendName, CloudHsmClusterId, Partition, ProxyAddress, Region, XksAccessKeyId,
    XksKeyId, XksVpcService,
};
use crate::domain::time::Timestamp;

/// What is known of a CloudHSM cluster.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ClusterFacts {
    /// Whether it is initialized and active.
    pub active: bool,
    /// In how many Availability Zones it has an active HSM.
    pub active_zones: u32,
    /// The certificate that its trust is anchored in, PEM; `None`: not told, and any is taken.
    pub trust_anchor: Option<Arc<str>>,
    /// Clusters that share a backup history with it.
    pub related: BTreeSet<CloudHsmClusterId>,
    /// What else is wrong with its configuration (subnets, security group); `None`: nothing.
    pub fault: Option<Arc<str>>,
}

/// How a proxy answers.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ProxyHealth {
    /// As it should.
    Sound,
    /// Not at all, or none of its key managers does.
    Unreachable(Arc<str>),
    /// With something that is no answer.
    InvalidResponse(Arc<str>),
    /// As one that is configured wrongly.
    InvalidConfiguration(Arc<str>),
}

/// What is known of an external key store proxy.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ProxyFacts {
    /// The access key ids that it takes; empty: not told, and any is taken.
    pub access_keys: BTreeSet<XksAccessKeyId>,
    /// How it answers.
    pub health: ProxyHealth,
}

/// What is known of a VPC endpoint service, or of a key in an external key manager.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Soundness {
    /// What is wrong with its configuration; `None`: nothing.
    pub fault: Option<Arc<str>>,
}

/// Something behind custom key stores, and what is known of it; `None`: that it is not there.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Backend {
    /// A CloudHSM cluster.
    Cluster {
        /// Its id.
        id: CloudHsmClusterId,
        /// What is known of it.
        known: Option<ClusterFacts>,
    },
    /// An external key store proxy.
    Proxy {
        /// Where it answers.
        at: ProxyAddress,
        /// What is known of it.
        known: Option<ProxyFacts>,
    },
    /// A VPC endpoint service in front of a proxy.
    VpcService {
        /// Its name.
        name: XksVpcService,
        /// What is known of it.
        known: Option<Soundness>,
    },
    /// A key of the key manager behind a proxy.
    ExternalKey {
        /// The proxy.
        at: ProxyAddress,
        /// Its id there.
        id: XksKeyId,
        /// What is known of it.
        known: Option<Soundness>,
    },
}

impl Backend {
    /// Its name.
    pub fn name(&self) -> BackendName {
        match self {
            Self::Cluster { id, .. } => BackendName::Cluster(id.clone()),
            Self::Proxy { at, .. } => BackendName::Proxy(at.clone()),
            Self::VpcService { name, .. } => BackendName::VpcService(name.clone()),
            Self::ExternalKey { at, id, .. } => BackendName::ExternalKey(at.clone(), id.clone()),
        }
    }
}

/// What the connector has told of something behind the custom key stores of an account in a Region.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct KeyStoreBackend {
    /// The account whose stores it is for.
    pub account: AccountId,
    /// The partition of the Region.
    pub partition: Partition,
    /// The Region.
    pub region: Region,
    /// What was told.
    pub backend: Backend,
    /// When.
    pub told_at: Timestamp,
}

/// Backends that are known or not known together: of a group of which nothing was told nothing is known, and in one of
/// which anything was told, what was not told of is not there.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum BackendGroup {
    /// CloudHSM clusters.
    Clusters,
    /// Proxies and VPC endpoint services.
    Proxies,
    /// The keys behind one proxy.
    KeysOf(ProxyAddress),
    /// The keys behind all proxies together: for their quota alone.
    Keys,
}

impl BackendGroup {
    /// The groups that a backend is in.
    pub fn all_of(name: &BackendName) -> Vec<Self> {
        match name {
            BackendName::Cluster(_) => vec![Self::Clusters],
            BackendName::Proxy(_) | BackendName::VpcService(_) => vec![Self::Proxies],
            BackendName::ExternalKey(at, _) => vec![Self::KeysOf(at.clone()), Self::Keys],
        }
    }
}
