//! `UpdateCustomKeyStore`: changes the properties of a custom key store (K-7, K-11).

use std::sync::Arc;

use super::context::{Change, Context};
use super::key_stores::{self, ProxyMembers, foreign};
use super::refusal::{Said, refusals};
use super::{ErrorCode, Event, KeyStoreChange, Output, key_store_backends};
use crate::domain::authz::{Allowed, Denied};
use crate::domain::ids::{AccountId, CloudHsmClusterId, CustomKeyStoreId};
use crate::domain::policy::KmsAction;
use crate::domain::state::State;
use crate::domain::state::key_store::{
    Backing, Connection, Credential, CustomKeyStore, KeyStoreType, XksProxy,
};

/// Changes the properties of a custom key store; what is absent stays as it is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct UpdateCustomKeyStore {
    /// The store.
    pub id: CustomKeyStoreId,
    /// `NewCustomKeyStoreName`.
    pub new_name: Option<Arc<str>>,
    /// `CloudHsmClusterId`: a cluster that shares a backup history with the one so far.
    pub cluster: Option<CloudHsmClusterId>,
    /// `KeyStorePassword` or `XksProxyAuthenticationCredential`, sealed.
    pub credential: Option<Credential>,
    /// What it says of a proxy.
    pub proxy: ProxyMembers,
}

refusals! {
    /// Why UpdateCustomKeyStore is refused, in the order of its checks.
    Refusal {
        /// A name or a credential that cannot be.
        Shape(Said),
        /// The caller is in no account.
        NoAccount(Said),
        /// Not permitted (K-1, K-2).
        Denied(Denied),
        /// No such store.
        NotThere(Said),
        /// Members that are not for this type, or do not go together.
        Members(Said),
        /// It is not disconnected, and more is to change than may (K-7).
        State(Said),
        /// Another store has the name (K-10).
        Name(Said),
        /// Another store has the cluster or the proxy (K-11).
        InUse(Said),
        /// What is to be behind it is not there, or not as it must be (K-11).
        Backend(Said),
    }
}

impl UpdateCustomKeyStore {
    /// What is behind the store afterwards.
    fn backing(&self, account: AccountId, old: &Backing) -> Result<Backing, Said> {
        let kind = old.kind();
        match old {
            Backing::CloudHsm {
                cluster,
                trust_anchor,
                sealed_password,
            } => {
                if let Some(path) = self.proxy.first() {
                    return Err(foreign(path, kind));
                }
                let sealed_password = match &self.credential {
                    None => sealed_password,
                    Some(Credential::Password { sealed }) => sealed,
                    Some(Credential::AccessKey { .. }) => {
                        return Err(foreign("xksProxyAuthenticationCredential", kind));
                    }
                };
                Ok(Backing::CloudHsm {
                    cluster: self.cluster.as_ref().unwrap_or(cluster).clone(),
                    trust_anchor: Arc::clone(trust_anchor),
                    sealed_password: Arc::clone(sealed_password),
                })
            }
            Backing::External(XksProxy {
                route,
                endpoint,
                path,
                access_key_id,
                sealed_secret,
            }) => {
                if self.cluster.is_some() {
                    return Err(foreign("cloudHsmClusterId", kind));
                }
                let (access_key_id, sealed_secret) = match &self.credential {
                    None => (access_key_id, sealed_secret),
                    Some(Credential::AccessKey { id, sealed }) => (id, sealed),
                    Some(Credential::Password { .. }) => {
                        return Err(foreign("keyStorePassword", kind));
                    }
                };
                let members = &self.proxy;
                let new_route = members.route(account, Some(route))?;
                if new_route.connectivity() != route.connectivity() {
                    // A private name is no public address, nor the other way round.
                    key_stores::required(members.endpoint.as_ref(), "xksProxyUriEndpoint")?;
                }
                Ok(Backing::External(XksProxy {
                    route: new_route,
                    endpoint: members.endpoint.as_ref().unwrap_or(endpoint).clone(),
                    path: members.path.as_ref().unwrap_or(path).clone(),
                    access_key_id: access_key_id.clone(),
                    sealed_secret: Arc::clone(sealed_secret),
                }))
            }
        }
    }

    /// Whether what is to be behind the store is there and as it must be: asked only for what the request names.
    fn check_backend(
        &self,
        cx: &Context<'_>,
        account: AccountId,
        old: &Backing,
        new: &Backing,
    ) -> Result<(), Said> {
        match (old, new) {
            (
                Backing::CloudHsm { cluster: old, .. },
                Backing::CloudHsm {
                    cluster,
                    trust_anchor,
                    ..
                },
            ) if self.cluster.is_some() => {
                key_store_backends::check_other_cluster(cx, account, old, cluster, trust_anchor)
            }
            (_, Backing::External(proxy))
                if self.proxy.first().is_some() || self.credential.is_some() =>
            {
                key_store_backends::check_proxy(cx, account, proxy)
            }
            (_, Backing::CloudHsm { .. } | Backing::External(_)) => Ok(()),
        }
    }

    /// Whether all that is to change may change while the store is connected: the name, and of an external store the
    /// credential and the path (K-7).
    fn is_light(&self, kind: KeyStoreType) -> bool {
        let Self {
            id: _,
            new_name,
            cluster,
            credential,
            proxy:
                ProxyMembers {
                    connectivity,
                    endpoint,
                    path,
                    vpc_service,
                    vpc_service_owner,
                },
        } = self;
        let is_external = kind == KeyStoreType::ExternalKeyStore;
        let heavy = cluster.is_some()
            || connectivity.is_some()
            || endpoint.is_some()
            || vpc_service.is_some()
            || vpc_service_owner.is_some();
        let light = credential.is_some() || path.is_some();
        !heavy && (is_external || !light) && (new_name.is_some() || light)
    }
}

impl Change for UpdateCustomKeyStore {
    type Refusal = Refusal;
    type Plan = CustomKeyStore;

    fn plan(&self, cx: &Context<'_>) -> Result<(Allowed, CustomKeyStore), Refusal> {
        if let Some(name) = &self.new_name {
            key_stores::check_name(name, "newCustomKeyStoreName").map_err(Refusal::Shape)?;
        }
        if let Some(credential) = &self.credential {
            key_stores::check_sealed(credential).map_err(Refusal::Shape)?;
        }
        let account = key_stores::account(cx).map_err(Refusal::NoAccount)?;
        let allowed = key_stores::allow(cx, KmsAction::UpdateCustomKeyStore, account)?;
        if self.cluster.is_some() {
            key_stores::allow_clusters(cx, account)?;
        }
        let store = key_stores::existing(cx, account, &self.id).map_err(Refusal::NotThere)?;
        let backing = self
            .backing(account, &store.backing)
            .map_err(Refusal::Members)?;
        let may = match store.connection {
            Connection::Disconnected => true,
            Connection::Connected => self.is_light(store.backing.kind()),
            Connection::Connecting | Connection::Disconnecting | Connection::Failed(_) => false,
        };
        if !may {
            let bad = key_stores::bad_state(store, "disconnect it before it is changed");
            return Err(Refusal::State(bad));
        }
        let name = self.new_name.as_ref().unwrap_or(&store.name);
        let own = Some(&self.id);
        key_stores::check_name_is_free(cx, account, own, name).map_err(Refusal::Name)?;
        match &backing {
            Backing::CloudHsm { cluster, .. } => {
                // A cluster that shares a backup history with this store's is no other store's.
                let code = ErrorCode::CloudHsmClusterNotRelated;
                key_stores::check_cluster_is_free(cx, account, own, cluster, code)
            }
            Backing::External(proxy) => key_stores::check_proxy_is_free(cx, account, own, proxy),
        }
        .map_err(Refusal::InUse)?;
        self.check_backend(cx, account, &store.backing, &backing)
            .map_err(Refusal::Backend)?;
        let store = CustomKeyStore {
            name: Arc::clone(name),
            backing,
            ..(**store).clone()
        };
        Ok((allowed, store))
    }

    fn enact(store: CustomKeyStore, state: &mut State) -> (Output, Vec<Event>) {
        let events = vec![Event::KeyStoreChanged(
            store.id.clone(),
            KeyStoreChange::Updated,
        )];
        state.put_key_store(Arc::new(store));
        (Output::Done, events)
    }
}
