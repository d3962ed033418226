//! `CreateCustomKeyStore`: makes a custom key store, disconnected (K-6, K-10, K-11), and with the first CloudHSM store of an
//! account the service-linked role (K-4).

use std::sync::Arc;

use super::context::{Change, Context};
use super::key_stores::{self, ProxyMembers, foreign, required};
use super::refusal::{Said, refusals, said};
use super::{
    Change as What, ErrorCode, Event, KeyStoreChange, Output, identity, key_store_backends,
    service_linked,
};
use crate::domain::authz::request::Parameters;
use crate::domain::authz::{Allowed, Denied};
use crate::domain::ids::{AccountId, CloudHsmClusterId, CustomKeyStoreId, UniqueId, UniqueIdKind};
use crate::domain::limits::CUSTOM_KEY_STORES_MAX;
use crate::domain::policy::{Action, KmsAction};
use crate::domain::state::State;
use crate::domain::state::key_store::{
    Backing, Connection, Credential, CustomKeyStore, KeyStoreType, XksProxy,
};
use crate::domain::state::principal::{Principal, PrincipalType};

/// Makes a custom key store.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CreateCustomKeyStore {
    /// Drawn before the log.
    pub id: CustomKeyStoreId,
    /// The unique id of the service-linked role, should it be made; drawn before the log.
    pub role_id: UniqueId,
    /// Unique in account and Region.
    pub name: Arc<str>,
    /// What is behind it.
    pub kind: KeyStoreType,
    /// `CloudHsmClusterId`.
    pub cluster: Option<CloudHsmClusterId>,
    /// `TrustAnchorCertificate`.
    pub trust_anchor: Option<Arc<str>>,
    /// `KeyStorePassword` or `XksProxyAuthenticationCredential`, sealed.
    pub credential: Option<Credential>,
    /// What it says of a proxy.
    pub proxy: ProxyMembers,
}

refusals! {
    /// Why CreateCustomKeyStore is refused, in the order of its checks.
    Refusal {
        /// Members that cannot be, are missing, or are not for this type.
        Shape(Said),
        /// The caller is in no account.
        NoAccount(Said),
        /// Not permitted (K-1, K-2).
        Denied(Denied),
        /// Another store has the name (K-10).
        Name(Said),
        /// Another store has the cluster or the proxy (K-11).
        InUse(Said),
        /// The account has as many stores as it can have in the Region (K-10).
        TooMany(Said),
        /// What is to be behind it is not there, or not as it must be (K-11).
        Backend(Said),
        /// A role of the service-linked role's name was made by hand.
        Role(Said),
        /// The id is taken.
        Taken(Said),
    }
}

/// What CreateCustomKeyStore writes.
#[derive(Debug)]
pub struct Plan {
    store: CustomKeyStore,
    role: Option<Principal>,
}

impl CreateCustomKeyStore {
    /// What is behind the store, if the members say it whole.
    fn backing(&self, account: AccountId) -> Result<Backing, Said> {
        match self.kind {
            KeyStoreType::AwsCloudHsm => {
                if let Some(path) = self.proxy.first() {
                    return Err(foreign(path, self.kind));
                }
                let cluster = required(self.cluster.as_ref(), "cloudHsmClusterId")?;
                let trust_anchor = required(self.trust_anchor.as_ref(), "trustAnchorCertificate")?;
                key_stores::check_trust_anchor(&trust_anchor)?;
                match required(self.credential.as_ref(), "keyStorePassword")? {
                    Credential::Password { sealed } => Ok(Backing::CloudHsm {
                        cluster,
                        trust_anchor,
                        sealed_password: sealed,
                    }),
                    Credential::AccessKey { .. } => {
                        Err(foreign("xksProxyAuthenticationCredential", self.kind))
                    }
                }
            }
            KeyStoreType::ExternalKeyStore => {
                if self.cluster.is_some() {
                    return Err(foreign("cloudHsmClusterId", self.kind));
                }
                if self.trust_anchor.is_some() {
                    return Err(foreign("trustAnchorCertificate", self.kind));
                }
                let credential = "xksProxyAuthenticationCredential";
                let (access_key_id, sealed_secret) =
                    match required(self.credential.as_ref(), credential)? {
                        Credential::AccessKey { id, sealed } => (id, sealed),
                        Credential::Password { .. } => {
                            return Err(foreign("keyStorePassword", self.kind));
                        }
                    };
                Ok(Backing::External(XksProxy {
                    route: self.proxy.route(account, None)?,
                    endpoint: required(self.proxy.endpoint.as_ref(), "xksProxyUriEndpoint")?,
                    path: required(self.proxy.path.as_ref(), "xksProxyUriPath")?,
                    access_key_id,
                    sealed_secret,
                }))
            }
        }
    }

    /// The service-linked role, if the account has yet to get it; the caller needs the right to make it (K-2, K-4).
    fn role(&self, cx: &Context<'_>, account: AccountId) -> Result<Option<Principal>, Refusal> {
        let Some(arn) = service_linked::arn(cx, account) else {
            let why = "the service-linked role has no ARN in this partition";
            return Err(Refusal::Role(said(ErrorCode::Validation, why)));
        };
        if cx.state.principal(&arn).is_some() {
            return Ok(None);
        }
        let action = Action::parse("iam:CreateServiceLinkedRole");
        cx.allow_principal(action, &arn, Parameters::NONE)?;
        let (_, name) = identity::shown(&arn);
        if let Some(other) = cx.state.principal_named(account, PrincipalType::Role, name) {
            return Err(Refusal::Role(said(
                ErrorCode::EntityAlreadyExists,
                format_args!(
                    "the role {} has the name of the service-linked role: delete it first",
                    other.arn
                ),
            )));
        }
        let role = service_linked::role(cx, arn, &self.role_id).map_err(Refusal::Role)?;
        Ok(Some(role))
    }
}

impl Change for CreateCustomKeyStore {
    type Refusal = Refusal;
    type Plan = Plan;

    fn plan(&self, cx: &Context<'_>) -> Result<(Allowed, Plan), Refusal> {
        key_stores::check_name(&self.name, "customKeyStoreName").map_err(Refusal::Shape)?;
        if self.role_id.kind() != UniqueIdKind::Role {
            let why = format!("`{}` is no unique id of a role", self.role_id);
            return Err(Refusal::Shape(said(ErrorCode::Validation, why)));
        }
        if let Some(credential) = &self.credential {
            key_stores::check_sealed(credential).map_err(Refusal::Shape)?;
        }
        let account = key_stores::account(cx).map_err(Refusal::NoAccount)?;
        let backing = self.backing(account).map_err(Refusal::Shape)?;
        let allowed = key_stores::allow(cx, KmsAction::CreateCustomKeyStore, account)?;
        if self.kind == KeyStoreType::AwsCloudHsm {
            key_stores::allow_clusters(cx, account)?;
        }
        let role = match self.kind {
            KeyStoreType::AwsCloudHsm => self.role(cx, account)?,
            KeyStoreType::ExternalKeyStore => None,
        };
        key_stores::check_name_is_free(cx, account, None, &self.name).map_err(Refusal::Name)?;
        match &backing {
            Backing::CloudHsm { cluster, .. } => {
                let code = ErrorCode::CloudHsmClusterInUse;
                key_stores::check_cluster_is_free(cx, account, None, cluster, code)
            }
            Backing::External(proxy) => key_stores::check_proxy_is_free(cx, account, None, proxy),
        }
        .map_err(Refusal::InUse)?;
        let (partition, region) = (cx.scope.partition, &cx.scope.region);
        let count = cx
            .state
            .key_stores(partition, region, account, None)
            .count();
        if count >= CUSTOM_KEY_STORES_MAX {
            return Err(Refusal::TooMany(said(
                ErrorCode::LimitExceeded,
                format_args!(
                    "the account {account} has {CUSTOM_KEY_STORES_MAX} custom key stores in {region}, as many as it can have"
                ),
            )));
        }
        match &backing {
            Backing::CloudHsm {
                cluster,
                trust_anchor,
                ..
            } => key_store_backends::check_new_cluster(cx, account, cluster, trust_anchor),
            Backing::External(proxy) => key_store_backends::check_proxy(cx, account, proxy),
        }
        .map_err(Refusal::Backend)?;
        if cx.state.key_store(&self.id).is_some() {
            return Err(Refusal::Taken(said(
                ErrorCode::AlreadyExists,
                format_args!(
                    "the custom key store {} already exists: send the request again",
                    self.id
                ),
            )));
        }
        let store = CustomKeyStore {
            id: self.id.clone(),
            account,
            partition,
            region: region.clone(),
            name: Arc::clone(&self.name),
            created_at: cx.now,
            born: cx.at,
            connection: Connection::Disconnected,
            attempt: cx.at,
            backing,
        };
        Ok((allowed, Plan { store, role }))
    }

    fn enact(Plan { store, role }: Plan, state: &mut State) -> (Output, Vec<Event>) {
        let mut events = Vec::new();
        if let Some(role) = role {
            events.push(Event::PrincipalChanged(role.arn.clone(), What::Created));
            state.put_principal(Arc::new(role));
        }
        let id = store.id.clone();
        events.push(Event::KeyStoreChanged(id.clone(), KeyStoreChange::Created));
        state.put_key_store(Arc::new(store));
        (Output::KeyStore(id), events)
    }
}
