//! What the operations on custom key stores share: whose they are, which one is meant, what is taken already, and the
//! place of a new key in one.
//!
//! What needs the world outside (whether a cluster or a proxy is there, and lets KMS in) is asked of `key_store_backends`,
//! which knows what the connector has told.

use std::sync::Arc;

use super::ErrorCode;
use super::context::Context;
use super::create_key::{CreateKey, MultiRegion};
use super::key_store_backends::{check_cluster_for_key, check_external_key};
use super::refusal::{Said, bad_member, said};
use crate::domain::authz::request::Parameters;
use crate::domain::authz::{Allowed, Denied};
use crate::domain::ids::{
    AccountId, CloudHsmClusterId, CustomKeyStoreId, XksProxyEndpoint, XksProxyPath, XksVpcService,
};
use crate::domain::limits::{
    CUSTOM_KEY_STORE_NAME_CHARS_MAX, SEALED_CREDENTIAL_MAX, TRUST_ANCHOR_CHARS_MAX,
};
use crate::domain::policy::{Action, KmsAction};
use crate::domain::state::State;
use crate::domain::state::key_store::{
    Backing, Credential, CustomKeyStore, KeyStoreType, StoreKey, XksConnectivity, XksProxy,
    XksRoute,
};

/// What a request says of a proxy; which of it must be there depends on the operation (K-11).
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ProxyMembers {
    /// `XksProxyConnectivity`.
    pub connectivity: Option<XksConnectivity>,
    /// `XksProxyUriEndpoint`.
    pub endpoint: Option<XksProxyEndpoint>,
    /// `XksProxyUriPath`.
    pub path: Option<XksProxyPath>,
    /// `XksProxyVpcEndpointServiceName`.
    pub vpc_service: Option<XksVpcService>,
    /// `XksProxyVpcEndpointServiceOwner`; absent: the store's own account.
    pub vpc_service_owner: Option<AccountId>,
}

/// The account whose stores are meant: the caller's own (K-1).
pub fn account(cx: &Context<'_>) -> Result<AccountId, Said> {
    cx.caller.identity.account().ok_or_else(|| {
        said(
            ErrorCode::Validation,
            "the caller is in no account: call as a principal of the one whose custom key stores are meant",
        )
    })
}

/// Asks for an operation on custom key stores: by identity policies on `*` alone (K-1).
pub fn allow(cx: &Context<'_>, action: KmsAction, account: AccountId) -> Result<Allowed, Denied> {
    cx.allow_account(action, account, Parameters::NONE)
}

/// Asks whether the caller may look at clusters: KMS looks for it (K-2).
pub fn allow_clusters(cx: &Context<'_>, account: AccountId) -> Result<Allowed, Denied> {
    let action = Action::parse("cloudhsm:DescribeClusters");
    cx.allow_account(action, account, Parameters::NONE)
}

/// The store with this id in the caller's account and Region (K-10).
pub fn existing<'a>(
    cx: &Context<'a>,
    account: AccountId,
    id: &CustomKeyStoreId,
) -> Result<&'a Arc<CustomKeyStore>, Said> {
    let scope = cx.scope;
    cx.state
        .key_store(id)
        .filter(|store| {
            store.account == account
                && store.partition == scope.partition
                && store.region == scope.region
        })
        .ok_or_else(|| not_found(id))
}

/// What a store that is not there is told by.
pub fn not_found(named: impl std::fmt::Display) -> Said {
    said(
        ErrorCode::CustomKeyStoreNotFound,
        format_args!("Custom key store '{named}' does not exist"),
    )
}

/// A store in a state in which the operation does not work (K-7), with what to do.
pub fn bad_state(store: &CustomKeyStore, mend: &str) -> Said {
    said(
        ErrorCode::CustomKeyStoreInvalidState,
        format_args!(
            "the custom key store {} is {}: {mend}",
            store.id,
            store.connection.state()
        ),
    )
}

/// Refuses a name that no store can have (K-10).
pub fn check_name(name: &str, member: &str) -> Result<(), Said> {
    let length = name.chars().count();
    if length < 1 {
        let must = "have length greater than or equal to 1";
        return Err(bad_member(name, member, must));
    }
    if length > CUSTOM_KEY_STORE_NAME_CHARS_MAX {
        let must = format!("have length less than or equal to {CUSTOM_KEY_STORE_NAME_CHARS_MAX}");
        return Err(bad_member(name, member, must));
    }
    Ok(())
}

/// Refuses a certificate that is too short or too long (W-7).
pub fn check_trust_anchor(text: &str) -> Result<(), Said> {
    let length = text.chars().count();
    if !(1..=TRUST_ANCHOR_CHARS_MAX).contains(&length) {
        return Err(said(
            ErrorCode::Validation,
            format_args!(
                "trustAnchorCertificate has {length} characters: it must have 1 to {TRUST_ANCHOR_CHARS_MAX}"
            ),
        ));
    }
    Ok(())
}

/// Refuses a credential that was not sealed, or into more than there is room for.
pub fn check_sealed(credential: &Credential) -> Result<(), Said> {
    let length = credential.sealed().len();
    if !(1..=SEALED_CREDENTIAL_MAX).contains(&length) {
        return Err(said(
            ErrorCode::Validation,
            format_args!(
                "a sealed credential has 1 to {SEALED_CREDENTIAL_MAX} bytes, this one {length}"
            ),
        ));
    }
    Ok(())
}

/// A member that must be there (W-3).
pub fn required<T: Clone>(member: Option<&T>, path: &str) -> Result<T, Said> {
    member.cloned().ok_or_else(|| {
        said(
            ErrorCode::Validation,
            format_args!(
                "1 validation error detected: Value null at '{path}' failed to satisfy constraint: Member must not be null"
            ),
        )
    })
}

/// A member that has no meaning for a store of this type.
pub fn foreign(path: &str, kind: KeyStoreType) -> Said {
    said(
        ErrorCode::Validation,
        format_args!("'{path}' is not for a custom key store of type {kind}: leave it out"),
    )
}

impl ProxyMembers {
    /// The first member that is there, by its path.
    pub const fn first(&self) -> Option<&'static str> {
        let Self {
            connectivity,
            endpoint,
            path,
            vpc_service,
            vpc_service_owner,
        } = self;
        if connectivity.is_some() {
            Some("xksProxyConnectivity")
        } else if endpoint.is_some() {
            Some("xksProxyUriEndpoint")
        } else if path.is_some() {
            Some("xksProxyUriPath")
        } else if vpc_service.is_some() {
            Some("xksProxyVpcEndpointServiceName")
        } else if vpc_service_owner.is_some() {
            Some("xksProxyVpcEndpointServiceOwner")
        } else {
            None
        }
    }

    /// The route to a proxy that these members say, where `old` is the one so far (K-11).
    pub fn route(&self, account: AccountId, old: Option<&XksRoute>) -> Result<XksRoute, Said> {
        let (old_service, old_owner) = match old {
            Some(XksRoute::Vpc { service, owner }) => (Some(service), Some(*owner)),
            Some(XksRoute::Public) | None => (None, None),
        };
        let connectivity = required(
            self.connectivity
                .or(old.map(XksRoute::connectivity))
                .as_ref(),
            "xksProxyConnectivity",
        )?;
        match connectivity {
            XksConnectivity::PublicEndpoint => {
                if self.vpc_service.is_some() || self.vpc_service_owner.is_some() {
                    return Err(said(
                        ErrorCode::Validation,
                        "'xksProxyVpcEndpointServiceName' and 'xksProxyVpcEndpointServiceOwner' are for the connectivity VPC_ENDPOINT_SERVICE: leave them out",
                    ));
                }
                Ok(XksRoute::Public)
            }
            XksConnectivity::VpcEndpointService => Ok(XksRoute::Vpc {
                service: required(
                    self.vpc_service.as_ref().or(old_service),
                    "xksProxyVpcEndpointServiceName",
                )?,
                owner: self.vpc_service_owner.or(old_owner).unwrap_or(account),
            }),
        }
    }
}

/// The other stores of an account and Region: at most as many as it may have.
fn others<'a>(
    cx: &Context<'a>,
    account: AccountId,
    own: Option<&CustomKeyStoreId>,
) -> impl Iterator<Item = &'a Arc<CustomKeyStore>> {
    let own = own.cloned();
    cx.state
        .key_stores(cx.scope.partition, &cx.scope.region, account, None)
        .filter(move |store| Some(&store.id) != own.as_ref())
}

/// Refuses a name that another store of the account and Region has (K-10).
pub fn check_name_is_free(
    cx: &Context<'_>,
    account: AccountId,
    own: Option<&CustomKeyStoreId>,
    name: &str,
) -> Result<(), Said> {
    match others(cx, account, own).find(|store| *store.name == *name) {
        None => Ok(()),
        Some(other) => Err(said(
            ErrorCode::CustomKeyStoreNameInUse,
            format_args!(
                "the custom key store {} of this account and Region is called `{name}` already",
                other.id
            ),
        )),
    }
}

/// Refuses a cluster that another store of the account and Region has, with the code of the operation (K-11).
pub fn check_cluster_is_free(
    cx: &Context<'_>,
    account: AccountId,
    own: Option<&CustomKeyStoreId>,
    wanted: &CloudHsmClusterId,
    code: ErrorCode,
) -> Result<(), Said> {
    let has = |store: &&Arc<CustomKeyStore>| matches!(&store.backing, Backing::CloudHsm { cluster, .. } if cluster == wanted);
    match others(cx, account, own).find(has) {
        None => Ok(()),
        Some(other) => Err(said(
            code,
            format_args!(
                "the cluster {wanted} belongs to the custom key store {} already",
                other.id
            ),
        )),
    }
}

/// Refuses a proxy whose address another store of the account and Region has (K-11): address and path together belong to
/// one store; an address is either public or a private name, and a private name and its service belong to one store.
pub fn check_proxy_is_free(
    cx: &Context<'_>,
    account: AccountId,
    own: Option<&CustomKeyStoreId>,
    wanted: &XksProxy,
) -> Result<(), Said> {
    for other in others(cx, account, own) {
        let Backing::External(proxy) = &other.backing else {
            continue;
        };
        let same_endpoint = proxy.endpoint == wanted.endpoint;
        if same_endpoint && proxy.path == wanted.path {
            return Err(said(
                ErrorCode::XksProxyUriInUse,
                format_args!(
                    "{}{} is the proxy of the custom key store {} already",
                    wanted.endpoint, wanted.path, other.id
                ),
            ));
        }
        let both_public = (&proxy.route, &wanted.route) == (&XksRoute::Public, &XksRoute::Public);
        if same_endpoint && !both_public {
            return Err(said(
                ErrorCode::XksProxyUriEndpointInUse,
                format_args!(
                    "{} is the endpoint of the custom key store {} already",
                    wanted.endpoint, other.id
                ),
            ));
        }
        if let (XksRoute::Vpc { service, .. }, XksRoute::Vpc { service: taken, .. }) =
            (&wanted.route, &proxy.route)
            && service == taken
        {
            return Err(said(
                ErrorCode::XksProxyVpcEndpointServiceInUse,
                format_args!(
                    "{service} leads to the proxy of the custom key store {} already",
                    other.id
                ),
            ));
        }
    }
    Ok(())
}

/// Refuses members of CreateKey that do not go together: a store and an origin, an external key and its origin (K-5).
pub fn check_members(create: &CreateKey) -> Result<(), Said> {
    let kind = KeyStoreType::of_origin(create.origin);
    match (kind, &create.custom_key_store) {
        (Some(_), None) => {
            required::<CustomKeyStoreId>(None, "customKeyStoreId")?;
        }
        (None, Some(_)) => {
            return Err(said(
                ErrorCode::Validation,
                format_args!(
                    "'customKeyStoreId' is not for a key of origin {}: give the origin of the store's type, AWS_CLOUDHSM or EXTERNAL_KEY_STORE",
                    create.origin
                ),
            ));
        }
        (Some(_), Some(_)) | (None, None) => {}
    }
    let is_external = kind == Some(KeyStoreType::ExternalKeyStore);
    match &create.xks_key {
        None if is_external => required::<CustomKeyStoreId>(None, "xksKeyId").map(drop),
        Some(_) if !is_external => Err(said(
            ErrorCode::Validation,
            "'xksKeyId' is for a key of origin EXTERNAL_KEY_STORE: leave it out",
        )),
        _ => Ok(()),
    }
}

/// The place of a new key in its custom key store, which must be there, of the type that the origin says, and connected
/// (K-5, K-7); `None` for a key that lives in none.
pub fn place(create: &CreateKey, cx: &Context<'_>) -> Result<Option<StoreKey>, Said> {
    let Some(id) = &create.custom_key_store else {
        return Ok(None);
    };
    let unsupported = |why: &str| Err(said(ErrorCode::UnsupportedOperation, why));
    if !create.spec.is_symmetric() {
        return unsupported("a custom key store holds keys of the spec SYMMETRIC_DEFAULT alone");
    }
    if create.multi_region != MultiRegion::No {
        return unsupported("a custom key store holds no multi-Region keys");
    }
    let store = existing(cx, create.account, id)?;
    if store.backing.kind().origin() != create.origin {
        return Err(said(
            ErrorCode::UnsupportedOperation,
            format_args!(
                "the custom key store {id} is of type {}: it holds keys of that origin, none of origin {}",
                store.backing.kind(),
                create.origin
            ),
        ));
    }
    if !store.is_connected() {
        return Err(bad_state(store, "connect it before a key is made in it"));
    }
    if let Some(xks_key) = &create.xks_key
        && let Some(taken) = cx.state.key_of_xks_key(id, xks_key)
    {
        return Err(said(
            ErrorCode::XksKeyAlreadyInUse,
            format_args!("the external key {xks_key} is behind the key {taken} already"),
        ));
    }
    match (&store.backing, &create.xks_key) {
        (Backing::CloudHsm { cluster, .. }, _) => {
            check_cluster_for_key(cx, create.account, cluster)?;
        }
        (Backing::External(proxy), Some(xks_key)) => {
            check_external_key(cx, create.account, proxy, xks_key)?;
        }
        (Backing::External(_), None) => {} // refused by `check_members`
    }
    Ok(Some(StoreKey {
        store: id.clone(),
        xks_key: create.xks_key.clone(),
    }))
}

/// Whether GenerateRandom could take its bytes from a custom key store now: from a connected cluster alone (K-7).
pub(super) fn check_random_source(
    state: &State,
    scope: &super::Scope,
    account: AccountId,
    id: &CustomKeyStoreId,
) -> Result<(), super::Rejection> {
    let store = state
        .key_store(id)
        .filter(|store| {
            store.account == account
                && store.partition == scope.partition
                && store.region == scope.region
        })
        .ok_or_else(|| not_found(id))?;
    if store.backing.kind() != KeyStoreType::AwsCloudHsm {
        return Err(said(
            ErrorCode::UnsupportedOperation,
            format_args!("the custom key store {id} is external: it makes no random bytes"),
        )
        .into());
    }
    if !store.is_connected() {
        return Err(bad_state(store, "connect it first").into());
    }
    Ok(())
}
