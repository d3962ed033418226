//! Custom key stores in the conformance cases: the stores of a world as facts, and the calls on them as commands.

use std::collections::BTreeMap;
use std::sync::Arc;

use grantd::domain::ids::{AccountId, CustomKeyStoreId, KeyArn, UniqueId};
use grantd::domain::op::key_stores::ProxyMembers;
use grantd::domain::op::{
    Command, Page, Query, Scope, connect_custom_key_store, create_custom_key_store,
    delete_custom_key_store, describe_custom_key_stores, disconnect_custom_key_store,
    update_custom_key_store,
};
use grantd::domain::state::key::{Key, KeyState};
use grantd::domain::state::key_store::{
    Backing, Connection, ConnectionErrorCode, Credential, CustomKeyStore, KeyStoreType, StoreKey,
    XksProxy, XksRoute,
};
use grantd::domain::time::{Revision, Timestamp};
use serde_json::Value;

const ACCESS_KEY: &str = "ABCDE22345677ABCDEFG";

/// What a call on custom key stores comes to.
pub enum Call {
    Change(Command),
    Question(Query),
}

/// The stores of a world.
pub fn stores(world: &Value, scope: &Scope, now: Timestamp) -> Vec<CustomKeyStore> {
    let stores = world["custom_key_stores"].as_object().into_iter().flatten();
    let mut facts: Vec<CustomKeyStore> = stores
        .enumerate()
        .map(|(n, (id, store))| store_fact(n, id, store, scope, now))
        .collect();
    facts.sort_by(|a, b| a.id.cmp(&b.id));
    facts
}

fn store_fact(n: usize, id: &str, store: &Value, scope: &Scope, now: Timestamp) -> CustomKeyStore {
    let backing = match store["type"].as_str().unwrap().parse().unwrap() {
        KeyStoreType::AwsCloudHsm => Backing::CloudHsm {
            cluster: format!("cluster-{}", letters(n)).parse().unwrap(),
            trust_anchor: "-----BEGIN CERTIFICATE-----".into(),
            sealed_password: [1].into(),
        },
        KeyStoreType::ExternalKeyStore => Backing::External(XksProxy {
            route: XksRoute::Public,
            endpoint: format!("https://{}.example.com", letters(n))
                .parse()
                .unwrap(),
            path: "/kms/xks/v1".parse().unwrap(),
            access_key_id: ACCESS_KEY.parse().unwrap(),
            sealed_secret: [1].into(),
        }),
    };
    CustomKeyStore {
        id: id.parse().unwrap(),
        account: store["account"].as_str().unwrap().parse().unwrap(),
        partition: scope.partition,
        region: scope.region.clone(),
        name: store["name"].as_str().unwrap().into(),
        created_at: now,
        born: Revision(3),
        connection: match store["state"].as_str().unwrap() {
            "CONNECTED" => Connection::Connected,
            "CONNECTING" => Connection::Connecting,
            "DISCONNECTED" => Connection::Disconnected,
            "DISCONNECTING" => Connection::Disconnecting,
            "FAILED" => Connection::Failed(ConnectionErrorCode::InternalError),
            other => panic!("no state of a store: {other}"),
        },
        attempt: Revision(3),
        backing,
    }
}

/// Twelve letters that no other number has.
fn letters(mut n: usize) -> String {
    (0..12)
        .map(|_| {
            let digit = u8::try_from(n % 26).unwrap();
            n /= 26;
            char::from(b'a' + digit)
        })
        .collect()
}

/// Puts each key into the store that lists it. A world tells the state that callers see: Unavailable says no more of such
/// a key than that its store is not connected.
pub fn place_keys(
    world: &Value,
    stores: &[CustomKeyStore],
    keys: &mut BTreeMap<String, (Value, Arc<Key>)>,
) {
    for store in stores {
        let listed = world["custom_key_stores"][store.id.as_str()]["keys"].as_array();
        for name in listed.into_iter().flatten().filter_map(Value::as_str) {
            let (_, fact) = keys.get_mut(name).unwrap();
            let mut key = (**fact).clone();
            key.custom_key_store = Some(StoreKey {
                store: store.id.clone(),
                xks_key: match store.backing {
                    Backing::CloudHsm { .. } => None,
                    Backing::External(_) => Some(xks_key(&key.arn)),
                },
            });
            if key.state == KeyState::Unavailable && !store.is_connected() {
                key.state = KeyState::Enabled;
            }
            *fact = Arc::new(key);
        }
    }
}

fn xks_key(arn: &KeyArn) -> grantd::domain::ids::XksKeyId {
    format!("xks-{}", arn.key_id).parse().unwrap()
}

/// A member that parses, or none.
pub fn parsed<T: std::str::FromStr>(params: &Value, member: &str) -> Result<Option<T>, String> {
    let text = match &params[member] {
        Value::Null => return Ok(None),
        Value::String(text) => text,
        other => return Err(format!("{member}: {other}")),
    };
    text.parse()
        .map(Some)
        .map_err(|_| format!("{member}: `{text}`"))
}

fn store_id(params: &Value) -> Result<CustomKeyStoreId, String> {
    parsed(params, "CustomKeyStoreId")?.ok_or_else(|| "CustomKeyStoreId is required".to_owned())
}

fn proxy(params: &Value) -> Result<ProxyMembers, String> {
    Ok(ProxyMembers {
        connectivity: parsed(params, "XksProxyConnectivity")?,
        endpoint: parsed(params, "XksProxyUriEndpoint")?,
        path: parsed(params, "XksProxyUriPath")?,
        vpc_service: parsed(params, "XksProxyVpcEndpointServiceName")?,
        vpc_service_owner: parsed::<AccountId>(params, "XksProxyVpcEndpointServiceOwner")?,
    })
}

fn credential(params: &Value) -> Result<Option<Credential>, String> {
    let sealed: Arc<[u8]> = [1].into();
    let access_key = &params["XksProxyAuthenticationCredential"];
    let length = |value: &Value, of: (usize, usize)| {
        let length = value.as_str().map_or(0, str::len);
        (of.0..=of.1).contains(&length)
    };
    if !params["KeyStorePassword"].is_null() {
        let of = grantd::domain::limits::KEY_STORE_PASSWORD;
        if !length(&params["KeyStorePassword"], of) || !access_key.is_null() {
            return Err("KeyStorePassword".to_owned());
        }
        return Ok(Some(Credential::Password { sealed }));
    }
    if access_key.is_null() {
        return Ok(None);
    }
    let of = grantd::domain::limits::XKS_SECRET_ACCESS_KEY;
    match parsed(access_key, "AccessKeyId")? {
        Some(id) if length(&access_key["RawSecretAccessKey"], of) => {
            Ok(Some(Credential::AccessKey { id, sealed }))
        }
        _ => Err("XksProxyAuthenticationCredential".to_owned()),
    }
}

/// The call that an operation on custom key stores is; `None` for any other operation, an error for a bad shape.
pub fn call(
    name: &str,
    params: &Value,
    page: &Page,
    drawn: [u8; 16],
) -> Option<Result<Call, String>> {
    let change = |command: Result<Command, String>| Some(command.map(Call::Change));
    let text = |member: &str| params[member].as_str().map(Arc::<str>::from);
    match name {
        "CreateCustomKeyStore" => change((|| {
            let kind = parsed(params, "CustomKeyStoreType")?;
            Ok(Command::CreateCustomKeyStore(
                create_custom_key_store::CreateCustomKeyStore {
                    id: CustomKeyStoreId::of_new(&drawn),
                    role_id: UniqueId::of_new_role(&drawn),
                    name: text("CustomKeyStoreName").unwrap_or_default(),
                    kind: kind.unwrap_or(KeyStoreType::AwsCloudHsm),
                    cluster: parsed(params, "CloudHsmClusterId")?,
                    trust_anchor: text("TrustAnchorCertificate"),
                    credential: credential(params)?,
                    proxy: proxy(params)?,
                },
            ))
        })()),
        "UpdateCustomKeyStore" => change((|| {
            Ok(Command::UpdateCustomKeyStore(
                update_custom_key_store::UpdateCustomKeyStore {
                    id: store_id(params)?,
                    new_name: text("NewCustomKeyStoreName"),
                    cluster: parsed(params, "CloudHsmClusterId")?,
                    credential: credential(params)?,
                    proxy: proxy(params)?,
                },
            ))
        })()),
        "ConnectCustomKeyStore" => change(store_id(params).map(|id| {
            Command::ConnectCustomKeyStore(connect_custom_key_store::ConnectCustomKeyStore { id })
        })),
        "DisconnectCustomKeyStore" => change(store_id(params).map(|id| {
            Command::DisconnectCustomKeyStore(
                disconnect_custom_key_store::DisconnectCustomKeyStore { id },
            )
        })),
        "DeleteCustomKeyStore" => change(store_id(params).map(|id| {
            Command::DeleteCustomKeyStore(delete_custom_key_store::DeleteCustomKeyStore { id })
        })),
        "DescribeCustomKeyStores" => Some(parsed(params, "CustomKeyStoreId").map(|id| {
            Call::Question(Query::DescribeCustomKeyStores(
                describe_custom_key_stores::DescribeCustomKeyStores {
                    id,
                    name: text("CustomKeyStoreName"),
                    page: page.clone(),
                },
            ))
        })),
        _ => None,
    }
}
