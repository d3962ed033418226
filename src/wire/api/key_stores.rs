//! Custom key stores. Secrets leave the request here: what goes on is a command without them, and the one secret to be
//! sealed into it.

use std::fmt;

use super::headed::Headed;
use super::reply::{done, outputs, pages};
use super::request::{changes, queries};
use super::shape::{self, Violations};
use super::{Change, Drawn, IntoChange, Invalid, arc, page};
use crate::domain::ids::{AccountId, CustomKeyStoreId, ParseIdError, UniqueId};
use crate::domain::op::connect_custom_key_store::ConnectCustomKeyStore;
use crate::domain::op::create_custom_key_store::CreateCustomKeyStore;
use crate::domain::op::delete_custom_key_store::DeleteCustomKeyStore;
use crate::domain::op::describe_custom_key_stores::DescribeCustomKeyStores;
use crate::domain::op::disconnect_custom_key_store::DisconnectCustomKeyStore;
use crate::domain::op::key_stores::ProxyMembers;
use crate::domain::op::list_key_store_work::ListKeyStoreWork;
use crate::domain::op::report_custom_key_store::{Report, ReportCustomKeyStore};
use crate::domain::op::update_custom_key_store::UpdateCustomKeyStore;
use crate::domain::op::{Command, ErrorCode, Output, Scope};
use crate::domain::state::key_store::{
    Backing, Connection, ConnectionErrorCode, ConnectionState, Credential, CustomKeyStore,
    KeyStoreType, Secret, XksConnectivity, XksProxy, XksRoute,
};
use crate::domain::time::Revision;
use crate::wire::v1;

/// Shows nothing of the secret, wherever a request is printed.
impl fmt::Debug for v1::SecretText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretText(..)")
    }
}

/// The store that a caller names: an id that no store can have names none (K-10).
pub(super) fn store_id(text: &str) -> Result<CustomKeyStoreId, Invalid> {
    let mut violations = Violations::new();
    violations.text("customKeyStoreId", text, shape::CUSTOM_KEY_STORE_ID);
    violations.finish()?;
    text.parse().map_err(|_: ParseIdError| {
        Invalid::new(
            ErrorCode::CustomKeyStoreNotFound,
            format!("Custom key store '{text}' does not exist"),
        )
    })
}

/// A member that its shape has let through.
fn parsed<T: std::str::FromStr<Err = ParseIdError>>(
    text: Option<String>,
) -> Result<Option<T>, Invalid> {
    text.map(|text| {
        text.parse()
            .map_err(|error: ParseIdError| Invalid::validation(error.to_string()))
    })
    .transpose()
}

/// What Create and Update say of a proxy, as sent.
struct Proxy {
    endpoint: Option<String>,
    path: Option<String>,
    vpc_service: Option<String>,
    vpc_owner: Option<String>,
    connectivity: Option<String>,
}

impl Proxy {
    fn check(&self, violations: &mut Violations) -> Option<XksConnectivity> {
        let Self {
            endpoint,
            path,
            vpc_service,
            vpc_owner,
            connectivity,
        } = self;
        for (member, value, shape) in [
            ("xksProxyUriEndpoint", endpoint, shape::XKS_PROXY_ENDPOINT),
            ("xksProxyUriPath", path, shape::XKS_PROXY_PATH),
            (
                "xksProxyVpcEndpointServiceName",
                vpc_service,
                shape::XKS_VPC_SERVICE,
            ),
            (
                "xksProxyVpcEndpointServiceOwner",
                vpc_owner,
                shape::ACCOUNT_ID,
            ),
        ] {
            violations.optional(member, value.as_deref(), shape);
        }
        connectivity.as_deref().and_then(|text| {
            violations.member(
                "xksProxyConnectivity",
                text,
                XksConnectivity::ALL,
                XksConnectivity::as_str,
            )
        })
    }

    fn into_members(self, connectivity: Option<XksConnectivity>) -> Result<ProxyMembers, Invalid> {
        let Self {
            endpoint,
            path,
            vpc_service,
            vpc_owner,
            connectivity: _, // read by `check`
        } = self;
        Ok(ProxyMembers {
            connectivity,
            endpoint: parsed(endpoint)?,
            path: parsed(path)?,
            vpc_service: parsed(vpc_service)?,
            vpc_service_owner: parsed::<AccountId>(vpc_owner)?,
        })
    }
}

/// The credential of a request, its secret beside it.
fn credential(
    violations: &mut Violations,
    password: Option<v1::SecretText>,
    access_key: Option<v1::XksProxyAuthenticationCredential>,
) -> Option<(Credential, Secret)> {
    let unsealed = || [].into();
    if let Some(v1::SecretText { text }) = password {
        violations.secret("keyStorePassword", &text, shape::KEY_STORE_PASSWORD);
        if access_key.is_some() {
            violations.excess(
                "xksProxyAuthenticationCredential",
                "not be given beside keyStorePassword",
            );
        }
        let credential = Credential::Password { sealed: unsealed() };
        return Some((credential, Secret::new(text)));
    }
    let v1::XksProxyAuthenticationCredential {
        access_key_id,
        raw_secret_access_key,
    } = access_key?;
    let v1::SecretText { text } = raw_secret_access_key.unwrap_or_default();
    let at = "xksProxyAuthenticationCredential";
    violations.text(
        &format!("{at}.accessKeyId"),
        &access_key_id,
        shape::XKS_ACCESS_KEY_ID,
    );
    violations.secret(
        &format!("{at}.rawSecretAccessKey"),
        &text,
        shape::XKS_SECRET_ACCESS_KEY,
    );
    // One that does not parse has been noted above, and the request is refused for it.
    let id = access_key_id.parse().ok()?;
    let sealed = unsealed();
    Some((Credential::AccessKey { id, sealed }, Secret::new(text)))
}

fn change(command: Command, secret: Option<Secret>) -> Change {
    match secret {
        None => Change::of(command),
        Some(secret) => Change::Sealing { command, secret },
    }
}

impl IntoChange for v1::CreateCustomKeyStoreRequest {
    fn into_change(self, _: &Scope, drawn: &Drawn) -> Result<Change, Invalid> {
        let Self {
            header: _,
            custom_key_store_name,
            custom_key_store_type,
            cloud_hsm_cluster_id,
            trust_anchor_certificate,
            key_store_password,
            xks_proxy_uri_endpoint,
            xks_proxy_uri_path,
            xks_proxy_vpc_endpoint_service_name,
            xks_proxy_vpc_endpoint_service_owner,
            xks_proxy_authentication_credential,
            xks_proxy_connectivity,
        } = self;
        let proxy = Proxy {
            endpoint: xks_proxy_uri_endpoint,
            path: xks_proxy_uri_path,
            vpc_service: xks_proxy_vpc_endpoint_service_name,
            vpc_owner: xks_proxy_vpc_endpoint_service_owner,
            connectivity: xks_proxy_connectivity,
        };
        let mut violations = Violations::new();
        violations.text(
            "customKeyStoreName",
            &custom_key_store_name,
            shape::CUSTOM_KEY_STORE_NAME,
        );
        let kind = match custom_key_store_type {
            None => Some(KeyStoreType::AwsCloudHsm),
            Some(kind) => violations.member(
                "customKeyStoreType",
                &kind,
                KeyStoreType::ALL,
                KeyStoreType::as_str,
            ),
        };
        violations.optional(
            "cloudHsmClusterId",
            cloud_hsm_cluster_id.as_deref(),
            shape::CLOUD_HSM_CLUSTER_ID,
        );
        violations.optional(
            "trustAnchorCertificate",
            trust_anchor_certificate.as_deref(),
            shape::TRUST_ANCHOR_CERTIFICATE,
        );
        let sent = credential(
            &mut violations,
            key_store_password,
            xks_proxy_authentication_credential,
        );
        let connectivity = proxy.check(&mut violations);
        violations.finish()?;
        let kind =
            kind.ok_or_else(|| Invalid::validation("customKeyStoreType is of no known value"))?;
        let (credential, secret) = sent.unzip();
        let (of_store, of_role) = drawn.halves();
        let command = Command::CreateCustomKeyStore(CreateCustomKeyStore {
            id: CustomKeyStoreId::of_new(&of_store),
            role_id: UniqueId::of_new_role(&of_role),
            name: arc(custom_key_store_name),
            kind,
            cluster: parsed(cloud_hsm_cluster_id)?,
            trust_anchor: trust_anchor_certificate.map(arc),
            credential,
            proxy: proxy.into_members(connectivity)?,
        });
        Ok(change(command, secret))
    }
}

impl IntoChange for v1::UpdateCustomKeyStoreRequest {
    fn into_change(self, _: &Scope, _: &Drawn) -> Result<Change, Invalid> {
        let Self {
            header: _,
            custom_key_store_id,
            new_custom_key_store_name,
            key_store_password,
            cloud_hsm_cluster_id,
            xks_proxy_uri_endpoint,
            xks_proxy_uri_path,
            xks_proxy_vpc_endpoint_service_name,
            xks_proxy_vpc_endpoint_service_owner,
            xks_proxy_authentication_credential,
            xks_proxy_connectivity,
        } = self;
        let proxy = Proxy {
            endpoint: xks_proxy_uri_endpoint,
            path: xks_proxy_uri_path,
            vpc_service: xks_proxy_vpc_endpoint_service_name,
            vpc_owner: xks_proxy_vpc_endpoint_service_owner,
            connectivity: xks_proxy_connectivity,
        };
        let mut violations = Violations::new();
        violations.optional(
            "newCustomKeyStoreName",
            new_custom_key_store_name.as_deref(),
            shape::CUSTOM_KEY_STORE_NAME,
        );
        violations.optional(
            "cloudHsmClusterId",
            cloud_hsm_cluster_id.as_deref(),
            shape::CLOUD_HSM_CLUSTER_ID,
        );
        let sent = credential(
            &mut violations,
            key_store_password,
            xks_proxy_authentication_credential,
        );
        let connectivity = proxy.check(&mut violations);
        violations.finish()?;
        let (credential, secret) = sent.unzip();
        let command = Command::UpdateCustomKeyStore(UpdateCustomKeyStore {
            id: store_id(&custom_key_store_id)?,
            new_name: new_custom_key_store_name.map(arc),
            cluster: parsed(cloud_hsm_cluster_id)?,
            credential,
            proxy: proxy.into_members(connectivity)?,
        });
        Ok(change(command, secret))
    }
}

impl IntoChange for v1::ReportCustomKeyStoreRequest {
    fn into_change(self, _: &Scope, _: &Drawn) -> Result<Change, Invalid> {
        let Self {
            header: _,
            custom_key_store_id,
            attempt,
            connection_state,
            connection_error_code,
        } = self;
        const ENDS: &[ConnectionState] = &[
            ConnectionState::Connected,
            ConnectionState::Failed,
            ConnectionState::Disconnected,
        ];
        let mut violations = Violations::new();
        let state = violations.member(
            "connectionState",
            &connection_state,
            ENDS,
            ConnectionState::as_str,
        );
        let code = connection_error_code.as_deref().and_then(|code| {
            violations.member(
                "connectionErrorCode",
                code,
                ConnectionErrorCode::ALL,
                ConnectionErrorCode::as_str,
            )
        });
        violations.finish()?;
        let report = match (state, code) {
            (Some(ConnectionState::Connected), None) => Report::Connected,
            (Some(ConnectionState::Disconnected), None) => Report::Disconnected,
            (Some(ConnectionState::Failed), Some(code)) => Report::Failed(code),
            _ => {
                return Err(Invalid::validation(
                    "an attempt ends as CONNECTED or DISCONNECTED without a connectionErrorCode, or as FAILED with one",
                ));
            }
        };
        Ok(Change::of(Command::ReportCustomKeyStore(
            ReportCustomKeyStore {
                id: store_id(&custom_key_store_id)?,
                attempt: attempt.map(Revision),
                report,
            },
        )))
    }
}

changes! {
    ConnectCustomKeyStoreRequest { custom_key_store_id } => ConnectCustomKeyStore {
        id: store_id(&custom_key_store_id)?,
    }

    DisconnectCustomKeyStoreRequest { custom_key_store_id } => DisconnectCustomKeyStore {
        id: store_id(&custom_key_store_id)?,
    }

    DeleteCustomKeyStoreRequest { custom_key_store_id } => DeleteCustomKeyStore {
        id: store_id(&custom_key_store_id)?,
    }
}

queries! {
    DescribeCustomKeyStoresRequest { custom_key_store_id, custom_key_store_name, page: sent }
        check |violations| {
            violations.optional(
                "customKeyStoreName",
                custom_key_store_name.as_deref(),
                shape::CUSTOM_KEY_STORE_NAME,
            );
            violations.page(sent.as_ref());
        }
        => DescribeCustomKeyStores {
            id: custom_key_store_id.as_deref().map(store_id).transpose()?,
            name: custom_key_store_name.map(arc),
            page: page(sent),
        }

    ListKeyStoreWorkRequest { page: sent }
        check |violations| { violations.page(sent.as_ref()); }
        => ListKeyStoreWork { page: page(sent) }
}

impl From<CustomKeyStore> for v1::CustomKeyStoresListEntry {
    fn from(store: CustomKeyStore) -> Self {
        let CustomKeyStore {
            id,
            account: _, // the caller's own, or told beside it
            partition: _,
            region: _,
            name,
            created_at,
            born: _,
            connection,
            attempt: _, // the connector's alone
            backing,
        } = store;
        let custom_key_store_type = backing.kind().to_string();
        let (cluster, trust_anchor, proxy) = match backing {
            Backing::CloudHsm {
                cluster,
                trust_anchor,
                sealed_password: _, // never told
            } => (
                Some(cluster.to_string()),
                Some(trust_anchor.to_string()),
                None,
            ),
            Backing::External(XksProxy {
                route,
                endpoint,
                path,
                access_key_id,
                sealed_secret: _, // never told
            }) => {
                let connectivity = route.connectivity().to_string();
                let (service, owner) = match route {
                    XksRoute::Public => (None, None),
                    XksRoute::Vpc { service, owner } => {
                        (Some(service.to_string()), Some(owner.to_string()))
                    }
                };
                let proxy = v1::XksProxyConfiguration {
                    connectivity,
                    access_key_id: access_key_id.to_string(),
                    uri_endpoint: endpoint.to_string(),
                    uri_path: path.to_string(),
                    vpc_endpoint_service_name: service,
                    vpc_endpoint_service_owner: owner,
                };
                (None, None, Some(proxy))
            }
        };
        Self {
            custom_key_store_id: id.to_string(),
            custom_key_store_name: name.to_string(),
            cloud_hsm_cluster_id: cluster,
            trust_anchor_certificate: trust_anchor,
            connection_state: connection.state().to_string(),
            connection_error_code: match connection {
                Connection::Failed(code) => Some(code.to_string()),
                Connection::Disconnected
                | Connection::Connecting
                | Connection::Connected
                | Connection::Disconnecting => None,
            },
            creation_date_ms: created_at.as_millis(),
            custom_key_store_type,
            xks_proxy_configuration: proxy,
        }
    }
}

impl From<CustomKeyStore> for v1::KeyStoreWork {
    fn from(store: CustomKeyStore) -> Self {
        let sealed = match &store.backing {
            Backing::CloudHsm {
                sealed_password, ..
            } => sealed_password,
            Backing::External(proxy) => &proxy.sealed_secret,
        };
        Self {
            account_id: store.account.to_string(),
            region: store.region.to_string(),
            attempt: store.attempt.0,
            sealed_credential: sealed.to_vec().into(),
            store: Some(store.into()),
        }
    }
}

done!(
    ConnectCustomKeyStoreResponse,
    DisconnectCustomKeyStoreResponse,
    UpdateCustomKeyStoreResponse,
    DeleteCustomKeyStoreResponse,
    ReportCustomKeyStoreResponse,
);

outputs! {
    CreateCustomKeyStoreResponse from Output::KeyStore(id) => {
        custom_key_store_id: id.to_string(),
    }
}

pages! {
    DescribeCustomKeyStoresResponse { custom_key_stores } of KeyStores by Into::into;
    ListKeyStoreWorkResponse { work } of KeyStores by Into::into;
}

/// What an idempotency key is bound to is kept, and a short password could be guessed from a hash of it: so it is bound
/// to everything but the secret.
fn without_secret(credential: &mut Option<v1::XksProxyAuthenticationCredential>) {
    if let Some(credential) = credential {
        credential.raw_secret_access_key = None;
    }
}

macro_rules! headed_with_secret {
    ($($request:ident = $operation:literal;)+) => {$(
        impl Headed for v1::$request {
            const OPERATION: &'static str = $operation;

            fn take_header(&mut self) -> Option<v1::RequestHeader> {
                self.header.take()
            }

            fn without_secrets(&self) -> Option<Self> {
                let mut bound = self.clone();
                bound.key_store_password = None;
                without_secret(&mut bound.xks_proxy_authentication_credential);
                Some(bound)
            }
        }
    )+};
}

headed_with_secret! {
    CreateCustomKeyStoreRequest = "CreateCustomKeyStore";
    UpdateCustomKeyStoreRequest = "UpdateCustomKeyStore";
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::api::testing::{drawn, scope};

    const PASSWORD: &str = "kmsPswd1";
    const SECRET: &str = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJ+/";

    fn secret(text: &str) -> Option<v1::SecretText> {
        Some(v1::SecretText {
            text: text.to_owned(),
        })
    }

    fn hsm() -> v1::CreateCustomKeyStoreRequest {
        v1::CreateCustomKeyStoreRequest {
            custom_key_store_name: "hsm".to_owned(),
            cloud_hsm_cluster_id: Some("cluster-2a3b4cdefgh".to_owned()),
            trust_anchor_certificate: Some("-----BEGIN CERTIFICATE-----".to_owned()),
            key_store_password: secret(PASSWORD),
            ..Default::default()
        }
    }

    fn external() -> v1::CreateCustomKeyStoreRequest {
        v1::CreateCustomKeyStoreRequest {
            custom_key_store_name: "xks".to_owned(),
            custom_key_store_type: Some("EXTERNAL_KEY_STORE".to_owned()),
            xks_proxy_uri_endpoint: Some("https://xks.example.com".to_owned()),
            xks_proxy_uri_path: Some("/kms/xks/v1".to_owned()),
            xks_proxy_connectivity: Some("PUBLIC_ENDPOINT".to_owned()),
            xks_proxy_authentication_credential: Some(v1::XksProxyAuthenticationCredential {
                access_key_id: "ABCDE22345677ABCDEFG".to_owned(),
                raw_secret_access_key: secret(SECRET),
            }),
            ..Default::default()
        }
    }

    /// K-11: every member arrives where it belongs, and the secret beside the command, in no command and no text.
    #[test]
    fn secret_travels_beside_the_command_and_is_never_shown() {
        for (request, wanted) in [(hsm(), PASSWORD), (external(), SECRET)] {
            assert!(!format!("{request:?}").contains(wanted));
            let change = request.into_change(&scope(), &drawn()).unwrap();
            let Change::Sealing { command, secret } = &change else {
                panic!("{change:?}");
            };
            assert_eq!(secret.expose(), wanted);
            assert!(!format!("{change:?}").contains(wanted));
            let Command::CreateCustomKeyStore(made) = command else {
                panic!("{command:?}");
            };
            assert!(made.credential.as_ref().unwrap().sealed().is_empty());
            assert!(made.id.as_str().starts_with("cks-"));
        }
    }

    /// W-3, W-7: a secret is not repeated by its violation; other members are.
    #[test]
    fn bad_member_is_refused_and_a_secret_never_repeated() {
        let refusal = |change: fn(&mut v1::CreateCustomKeyStoreRequest)| {
            let mut request = hsm();
            change(&mut request);
            request.into_change(&scope(), &drawn()).unwrap_err().message
        };
        assert_eq!(
            refusal(|r| r.key_store_password = secret("short")),
            "1 validation error detected: Value at 'keyStorePassword' failed to satisfy constraint: Member must have length greater than or equal to 7"
        );
        assert_eq!(
            refusal(|r| {
                r.xks_proxy_authentication_credential =
                    external().xks_proxy_authentication_credential;
            }),
            "1 validation error detected: Value at 'xksProxyAuthenticationCredential' failed to satisfy constraint: Member must not be given beside keyStorePassword"
        );
        assert!(
            refusal(|r| {
                r.key_store_password = None;
                r.xks_proxy_authentication_credential =
                    external().xks_proxy_authentication_credential;
                if let Some(credential) = &mut r.xks_proxy_authentication_credential {
                    credential.raw_secret_access_key = secret("!".repeat(43).as_str());
                }
            })
            .ends_with("Value at 'xksProxyAuthenticationCredential.rawSecretAccessKey' failed to satisfy constraint: Member must satisfy regular expression pattern: ^[a-zA-Z0-9\\/+=]+$")
        );
        assert_eq!(
            refusal(|r| r.custom_key_store_name = String::new()),
            "1 validation error detected: Value '' at 'customKeyStoreName' failed to satisfy constraint: Member must have length greater than or equal to 1"
        );
        assert!(
            refusal(|r| r.cloud_hsm_cluster_id = Some("cluster-1a23b4cdefg".to_owned()))
                .contains("pattern: cluster-[2-7a-zA-Z]{11,16}")
        );
        assert!(
            refusal(|r| r.trust_anchor_certificate = Some("x".repeat(5_001)))
                .contains("less than or equal to 5000")
        );
        assert!(
            refusal(|r| r.custom_key_store_type = Some("HSM".to_owned()))
                .contains("enum value set: [AWS_CLOUDHSM, EXTERNAL_KEY_STORE]")
        );
    }

    /// a hash that is kept is not one of the secret.
    #[test]
    fn idempotency_is_bound_to_the_request_without_its_secret() {
        let mut other = hsm();
        other.key_store_password = secret("another1");
        assert_eq!(hsm().without_secrets(), other.without_secrets());
        let mut other = external();
        without_secret(&mut other.xks_proxy_authentication_credential);
        assert_eq!(external().without_secrets(), Some(other));
        assert_ne!(hsm().without_secrets(), external().without_secrets());
    }

    /// K-6: what a connector can report.
    #[test]
    fn report_is_of_an_end_with_a_code_only_when_it_failed() {
        let report = |state: &str, code: Option<&str>| {
            v1::ReportCustomKeyStoreRequest {
                custom_key_store_id: "cks-1".to_owned(),
                connection_state: state.to_owned(),
                connection_error_code: code.map(str::to_owned),
                ..Default::default()
            }
            .into_change(&scope(), &drawn())
            .is_ok()
        };
        assert!(report("CONNECTED", None) && report("DISCONNECTED", None));
        assert!(report("FAILED", Some("INTERNAL_ERROR")));
        assert!(!report("FAILED", None) && !report("CONNECTED", Some("INTERNAL_ERROR")));
        assert!(!report("CONNECTING", None) && !report("FAILED", Some("TIRED")));
    }

    /// K-10: an id that no store can have names none.
    #[test]
    fn store_id_of_another_form_names_no_store() {
        let refused = store_id("nope").unwrap_err();
        assert_eq!(refused.code, ErrorCode::CustomKeyStoreNotFound);
        assert_eq!(store_id("").unwrap_err().code, ErrorCode::Validation);
    }
}
