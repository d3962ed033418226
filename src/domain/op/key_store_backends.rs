//! Whether what is behind a custom key store stands in the way of an operation (K-7, K-11): the part of AWS's checks that
//! looks outside, answered from what the operator's connector has told (`report_key_store_backends`).
//!
//! An account and Region of which nothing was told of clusters, or of proxies, is unmanaged: there the operation is
//! accepted and the connection finds out. Once anything was told, it is the truth: what was not named is not found. The
//! keys behind a proxy are known or not known by the same rule, each proxy for itself.
//!
//! Imports state. Never: a call outside; the same entry on the same state is judged alike on every replica.

use super::ErrorCode;
use super::context::Context;
use super::refusal::{Said, said};
use crate::domain::ids::{
    AccountId, BackendName, CloudHsmClusterId, ProxyAddress, XksKeyId, XksVpcService,
};
use crate::domain::state::key_store::{XksProxy, XksRoute};
use crate::domain::state::key_store_backend::{
    Backend, BackendGroup, ClusterFacts, KeyStoreBackend, ProxyFacts, ProxyHealth, Soundness,
};

/// Active HSMs, each in an Availability Zone of its own, that CreateCustomKeyStore, UpdateCustomKeyStore and CreateKey
/// need.
const ZONES_TO_WRITE: u32 = 2;
/// Active HSMs that ConnectCustomKeyStore needs.
const ZONES_TO_CONNECT: u32 = 1;

/// What is known of one backend.
enum Known<'a, T> {
    /// Nothing was told of any of its group.
    Unmanaged,
    /// It is not there.
    Absent,
    /// This.
    Facts(&'a T),
}

/// Whether anything was told of a group of backends of the account in the Region.
fn is_managed(cx: &Context<'_>, account: AccountId, group: BackendGroup) -> bool {
    let scope = cx.scope;
    let count = cx
        .state
        .key_store_backend_count(scope.partition, &scope.region, account, group);
    count > 0
}

fn told<'a>(cx: &Context<'a>, account: AccountId, name: BackendName) -> Option<&'a Backend> {
    let scope = cx.scope;
    let told = cx
        .state
        .key_store_backend(scope.partition, &scope.region, account, name);
    told.map(|told| {
        let KeyStoreBackend { backend, .. } = &**told;
        backend
    })
}

fn known<T>(is_managed: bool, facts: Option<&T>) -> Known<'_, T> {
    match facts {
        Some(facts) => Known::Facts(facts),
        None if is_managed => Known::Absent,
        None => Known::Unmanaged,
    }
}

fn cluster<'a>(
    cx: &Context<'a>,
    account: AccountId,
    id: &CloudHsmClusterId,
) -> Known<'a, ClusterFacts> {
    let facts = match told(cx, account, BackendName::Cluster(id.clone())) {
        Some(Backend::Cluster { id: _, known }) => known.as_ref(),
        _ => None,
    };
    known(is_managed(cx, account, BackendGroup::Clusters), facts)
}

fn proxy<'a>(cx: &Context<'a>, account: AccountId, at: &ProxyAddress) -> Known<'a, ProxyFacts> {
    let facts = match told(cx, account, BackendName::Proxy(at.clone())) {
        Some(Backend::Proxy { at: _, known }) => known.as_ref(),
        _ => None,
    };
    known(is_managed(cx, account, BackendGroup::Proxies), facts)
}

fn service<'a>(cx: &Context<'a>, account: AccountId, name: &XksVpcService) -> Known<'a, Soundness> {
    let facts = match told(cx, account, BackendName::VpcService(name.clone())) {
        Some(Backend::VpcService { name: _, known }) => known.as_ref(),
        _ => None,
    };
    known(is_managed(cx, account, BackendGroup::Proxies), facts)
}

/// Refuses a new store on a cluster that is not there, is not active, has another certificate, or is not set up for one.
pub fn check_new_cluster(
    cx: &Context<'_>,
    account: AccountId,
    id: &CloudHsmClusterId,
    trust_anchor: &str,
) -> Result<(), Said> {
    let facts = match cluster(cx, account, id) {
        Known::Unmanaged => return Ok(()),
        Known::Absent => return Err(cluster_not_found(id)),
        Known::Facts(facts) => facts,
    };
    check_active(id, facts)?;
    if !facts.is_anchored_in(trust_anchor) {
        return Err(said(
            ErrorCode::IncorrectTrustAnchor,
            format_args!(
                "the trust anchor certificate is not that of the cluster {id}: send the customerCA.crt that the cluster was initialized with"
            ),
        ));
    }
    check_configuration(id, facts, ZONES_TO_WRITE)
}

/// Refuses another cluster for a store: as [`check_new_cluster`], and one that shares no backup history with the one so
/// far, or has another certificate.
pub fn check_other_cluster(
    cx: &Context<'_>,
    account: AccountId,
    old: &CloudHsmClusterId,
    new: &CloudHsmClusterId,
    trust_anchor: &str,
) -> Result<(), Said> {
    let facts = match cluster(cx, account, new) {
        Known::Unmanaged => return Ok(()),
        Known::Absent => return Err(cluster_not_found(new)),
        Known::Facts(facts) => facts,
    };
    let is_kin = || {
        let backwards = match cluster(cx, account, old) {
            Known::Facts(before) => before.related.contains(new),
            Known::Unmanaged | Known::Absent => false,
        };
        backwards || facts.related.contains(old)
    };
    if (old != new && !is_kin()) || !facts.is_anchored_in(trust_anchor) {
        return Err(said(
            ErrorCode::CloudHsmClusterNotRelated,
            format_args!(
                "the cluster {new} does not share a backup history and its certificate with the cluster {old} that the custom key store was made with"
            ),
        ));
    }
    check_active(new, facts)?;
    check_configuration(new, facts, ZONES_TO_WRITE)
}

/// Refuses to connect a store to a cluster that is not active or not set up for it. That it is gone is told by the
/// connection: ConnectCustomKeyStore has no error for it.
pub fn check_connection(
    cx: &Context<'_>,
    account: AccountId,
    id: &CloudHsmClusterId,
) -> Result<(), Said> {
    let Known::Facts(facts) = cluster(cx, account, id) else {
        return Ok(());
    };
    check_active(id, facts)?;
    check_configuration(id, facts, ZONES_TO_CONNECT)
}

/// Refuses to make a key in a cluster that is not set up for it, is not active any more, or is gone: whichever it is, it
/// lacks the active HSMs that a new key needs, and CreateKey has one error for that.
pub fn check_cluster_for_key(
    cx: &Context<'_>,
    account: AccountId,
    id: &CloudHsmClusterId,
) -> Result<(), Said> {
    match cluster(cx, account, id) {
        Known::Unmanaged => Ok(()),
        Known::Facts(facts) if facts.active => check_configuration(id, facts, ZONES_TO_WRITE),
        Known::Facts(_) => Err(misconfigured(id, "it is not active")),
        Known::Absent => Err(misconfigured(id, "it is not there any more")),
    }
}

/// Refuses a proxy that cannot serve a store, in the order in which a call would find out: the way to it, whether it
/// answers, whether it takes the credential, what it answers.
pub fn check_proxy(cx: &Context<'_>, account: AccountId, wanted: &XksProxy) -> Result<(), Said> {
    if let XksRoute::Vpc { service: name, .. } = &wanted.route {
        match service(cx, account, name) {
            Known::Unmanaged | Known::Facts(Soundness { fault: None }) => {}
            Known::Absent => {
                return Err(said(
                    ErrorCode::XksProxyVpcEndpointServiceNotFound,
                    format_args!("the VPC endpoint service {name} was not found"),
                ));
            }
            Known::Facts(Soundness { fault: Some(fault) }) => {
                return Err(said(
                    ErrorCode::XksProxyVpcEndpointServiceInvalidConfiguration,
                    format_args!(
                        "the VPC endpoint service {name} is not set up for an external key store: {fault}"
                    ),
                ));
            }
        }
    }
    let at = wanted.address();
    let unreachable = |why: &str| {
        Err(said(
            ErrorCode::XksProxyUriUnreachable,
            format_args!("the external key store proxy {at} cannot be reached: {why}"),
        ))
    };
    let ProxyFacts {
        access_keys,
        health,
    } = match proxy(cx, account, &at) {
        Known::Unmanaged => return Ok(()),
        Known::Absent => return unreachable("no proxy answers there"),
        Known::Facts(facts) => facts,
    };
    if let ProxyHealth::Unreachable(why) = health {
        return unreachable(why);
    }
    let id = &wanted.access_key_id;
    if !access_keys.is_empty() && !access_keys.contains(id) {
        return Err(said(
            ErrorCode::XksProxyIncorrectAuthenticationCredential,
            format_args!("the external key store proxy {at} does not take the access key id {id}"),
        ));
    }
    match health {
        ProxyHealth::InvalidResponse(why) => Err(said(
            ErrorCode::XksProxyInvalidResponse,
            format_args!(
                "the response of the external key store proxy {at} cannot be interpreted: {why}"
            ),
        )),
        ProxyHealth::InvalidConfiguration(why) => Err(said(
            ErrorCode::XksProxyInvalidConfiguration,
            format_args!("the external key store proxy {at} is not configured correctly: {why}"),
        )),
        ProxyHealth::Sound | ProxyHealth::Unreachable(_) => Ok(()),
    }
}

/// Refuses an external key that is not there, or that can be behind no KMS key.
pub fn check_external_key(
    cx: &Context<'_>,
    account: AccountId,
    proxy: &XksProxy,
    id: &XksKeyId,
) -> Result<(), Said> {
    let at = proxy.address();
    let group = BackendGroup::KeysOf(at.clone());
    let facts = match told(
        cx,
        account,
        BackendName::ExternalKey(at.clone(), id.clone()),
    ) {
        Some(Backend::ExternalKey { known, .. }) => known.as_ref(),
        _ => None,
    };
    match known(is_managed(cx, account, group), facts) {
        Known::Unmanaged | Known::Facts(Soundness { fault: None }) => Ok(()),
        Known::Absent => Err(said(
            ErrorCode::XksKeyNotFound,
            format_args!("the external key store proxy {at} knows no external key {id}"),
        )),
        Known::Facts(Soundness { fault: Some(fault) }) => Err(said(
            ErrorCode::XksKeyInvalidConfiguration,
            format_args!("the external key {id} cannot be behind a KMS key: {fault}"),
        )),
    }
}

impl ClusterFacts {
    /// Whether a certificate is the cluster's, however its lines are broken.
    fn is_anchored_in(&self, certificate: &str) -> bool {
        let bare = |text: &str| -> String { text.split_whitespace().collect() };
        self.trust_anchor
            .as_deref()
            .is_none_or(|own| bare(own) == bare(certificate))
    }
}

fn cluster_not_found(id: &CloudHsmClusterId) -> Said {
    said(
        ErrorCode::CloudHsmClusterNotFound,
        format_args!("the cluster {id} was not found in this account and Region"),
    )
}

fn check_active(id: &CloudHsmClusterId, facts: &ClusterFacts) -> Result<(), Said> {
    if facts.active {
        return Ok(());
    }
    Err(said(
        ErrorCode::CloudHsmClusterNotActive,
        format_args!("the cluster {id} is not active: initialize and activate it first"),
    ))
}

fn check_configuration(
    id: &CloudHsmClusterId,
    facts: &ClusterFacts,
    zones: u32,
) -> Result<(), Said> {
    if let Some(fault) = &facts.fault {
        return Err(misconfigured(id, fault));
    }
    if facts.active_zones < zones {
        let has = facts.active_zones;
        let why = format!(
            "it has active HSMs in {has} Availability Zones, and this operation needs {zones}"
        );
        return Err(misconfigured(id, &why));
    }
    Ok(())
}

fn misconfigured(id: &CloudHsmClusterId, why: &str) -> Said {
    said(
        ErrorCode::CloudHsmClusterInvalidConfiguration,
        format_args!("the cluster {id} is not set up for a custom key store: {why}"),
    )
}
