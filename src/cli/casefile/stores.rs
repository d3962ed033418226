//! Custom key stores in cases: the stores of a world as facts, and the calls on them as commands and queries.
//!
//! Imports domain. What a world does not say of a store (its cluster, its proxy) is made from its id.

use std::collections::BTreeMap;
use std::str::FromStr;
use std::sync::Arc;

use serde_json::{Value, json};

use super::ask::Outcome;
use super::call::{Members, required, word};
use super::model::{StoreLine, World as Lines};
use super::outcome::Happened;
use super::read::{Node, Problem};
use super::world::{NOW, World, entropy};
use crate::client::shape::{self, Violations};
use crate::domain::authz::request::Scope;
use crate::domain::ids::{AccountId, CustomKeyStoreId, KeyArn, UniqueId};
use crate::domain::limits::KEY_STORE_PASSWORD;
use crate::domain::op::connect_custom_key_store::ConnectCustomKeyStore;
use crate::domain::op::create_custom_key_store::CreateCustomKeyStore;
use crate::domain::op::delete_custom_key_store::DeleteCustomKeyStore;
use crate::domain::op::describe_custom_key_stores::DescribeCustomKeyStores;
use crate::domain::op::disconnect_custom_key_store::DisconnectCustomKeyStore;
use crate::domain::op::key_stores::ProxyMembers;
use crate::domain::op::update_custom_key_store::UpdateCustomKeyStore;
use crate::domain::op::{Command, ErrorCode, Query};
use crate::domain::state::key::{Key, KeyOrigin, KeyState};
use crate::domain::state::key_store::{
    Backing, Connection, ConnectionErrorCode, Credential, CustomKeyStore, KeyStoreType, StoreKey,
    XksProxy, XksRoute,
};
use crate::domain::time::Revision;

/// What stands for a sealed secret: cases are run offline, and nothing opens it.
const SEALED: [u8; 1] = [0];

/// The stores of a world.
///
/// # Errors
/// [`Problem`]: an id that no store can have.
pub fn stores(lines: &Lines, scope: &Scope) -> Result<Vec<CustomKeyStore>, Problem> {
    let stores = lines.stores.iter();
    stores.map(|(id, line)| store(id, line, scope)).collect()
}

fn store(id: &str, line: &StoreLine, scope: &Scope) -> Result<CustomKeyStore, Problem> {
    let name = letters(id);
    let backing = if line.kind == KeyOrigin::ExternalKeyStore {
        Backing::External(XksProxy {
            route: XksRoute::Public,
            endpoint: made(line, &format!("https://{name}.example.com"))?,
            path: made(line, "/kms/xks/v1")?,
            access_key_id: made(line, "AAAAAAAAAAAAAAAAAAAA")?,
            sealed_secret: SEALED.into(),
        })
    } else {
        Backing::CloudHsm {
            cluster: made(line, &format!("cluster-{name}"))?,
            trust_anchor: "-".into(),
            sealed_password: SEALED.into(),
        }
    };
    Ok(CustomKeyStore {
        id: made(line, id)?,
        account: line.account,
        partition: scope.partition,
        region: scope.region.clone(),
        name: Arc::clone(&line.name),
        created_at: NOW,
        born: Revision(3),
        connection: match line.state.as_str() {
            "CONNECTED" => Connection::Connected,
            "CONNECTING" => Connection::Connecting,
            "DISCONNECTING" => Connection::Disconnecting,
            "FAILED" => Connection::Failed(ConnectionErrorCode::InternalError),
            _ => Connection::Disconnected,
        },
        attempt: Revision(3),
        backing,
    })
}

fn made<T: FromStr>(line: &StoreLine, text: &str) -> Result<T, Problem>
where
    T::Err: std::fmt::Display,
{
    text.parse()
        .map_err(|error: T::Err| Problem::at(&line.path, error.to_string()))
}

/// Sixteen letters that stand for a text.
fn letters(text: &str) -> String {
    let letter = |byte: u8| char::from(b'a' + byte % 26);
    entropy(text).into_iter().map(letter).collect()
}

/// The place of each key that a store lists, by its symbolic name.
///
/// # Errors
/// [`Problem`]: a store lists a key that the world does not have, or that another lists, too.
pub fn places(
    lines: &Lines,
    stores: &[CustomKeyStore],
) -> Result<BTreeMap<String, StoreKey>, Problem> {
    let mut places = BTreeMap::new();
    for store in stores {
        let Some(line) = lines.stores.get(store.id.as_str()) else {
            continue;
        };
        for name in &line.keys {
            let problem = |why: String| Problem::at(format!("{}.keys", line.path), why);
            let key = lines
                .keys
                .get(name)
                .ok_or_else(|| problem(format!("no key of the world is called `{name}`")))?;
            let place = StoreKey {
                store: store.id.clone(),
                xks_key: match store.backing {
                    Backing::CloudHsm { .. } => None,
                    Backing::External(_) => Some(made(line, &xks_key(&key.arn))?),
                },
            };
            if places.insert(name.clone(), place).is_some() {
                return Err(problem(format!(
                    "the key `{name}` is in another store, too"
                )));
            }
        }
    }
    Ok(places)
}

fn xks_key(arn: &KeyArn) -> String {
    format!("xks-{}", arn.key_id)
}

/// Puts a key into its store. A world tells the state that callers see: Unavailable says no more of such a key than that
/// its store is not connected (K-12).
pub fn put(key: &mut Key, place: Option<&StoreKey>, stores: &[CustomKeyStore]) {
    let Some(place) = place else { return };
    let store = stores.iter().find(|store| store.id == place.store);
    if key.state == KeyState::Unavailable && !store.is_some_and(CustomKeyStore::is_connected) {
        key.state = KeyState::Enabled;
    }
    key.custom_key_store = Some(place.clone());
}

/// The command that an operation on custom key stores is; `None` for any other operation.
pub fn command(world: &mut World, operation: &str, m: &Members<'_>) -> Outcome<Option<Command>> {
    Ok(Some(match operation {
        "CreateCustomKeyStore" => {
            let (id, role) = (world.draw("key store"), world.draw("role"));
            Command::CreateCustomKeyStore(CreateCustomKeyStore {
                id: CustomKeyStoreId::of_new(&id),
                role_id: UniqueId::of_new_role(&role),
                name: m
                    .text("CustomKeyStoreName")?
                    .ok_or_else(|| required("CustomKeyStoreName"))?,
                kind: word(m, "CustomKeyStoreType")?.unwrap_or(KeyStoreType::AwsCloudHsm),
                cluster: word(m, "CloudHsmClusterId")?,
                trust_anchor: m.text("TrustAnchorCertificate")?,
                credential: credential(m)?,
                proxy: proxy(m)?,
            })
        }
        "UpdateCustomKeyStore" => Command::UpdateCustomKeyStore(UpdateCustomKeyStore {
            id: id(m)?,
            new_name: m.text("NewCustomKeyStoreName")?,
            cluster: word(m, "CloudHsmClusterId")?,
            credential: credential(m)?,
            proxy: proxy(m)?,
        }),
        "ConnectCustomKeyStore" => {
            Command::ConnectCustomKeyStore(ConnectCustomKeyStore { id: id(m)? })
        }
        "DisconnectCustomKeyStore" => {
            Command::DisconnectCustomKeyStore(DisconnectCustomKeyStore { id: id(m)? })
        }
        "DeleteCustomKeyStore" => {
            Command::DeleteCustomKeyStore(DeleteCustomKeyStore { id: id(m)? })
        }
        _ => return Ok(None),
    }))
}

/// DescribeCustomKeyStores.
pub fn describe(m: &Members<'_>) -> Outcome<Query> {
    Ok(Query::DescribeCustomKeyStores(DescribeCustomKeyStores {
        id: store_id(m)?,
        name: m.text("CustomKeyStoreName")?,
        page: m.page()?,
    }))
}

/// `CustomKeyStoreId`: an id that no store can have names none.
pub fn store_id(m: &Members<'_>) -> Outcome<Option<CustomKeyStoreId>> {
    let Some(text) = m.text("CustomKeyStoreId")? else {
        return Ok(None);
    };
    match text.parse() {
        Ok(id) => Ok(Some(id)),
        Err(_) => Err(Happened::Refused {
            code: ErrorCode::CustomKeyStoreNotFound.as_str().into(),
            message: format!("Custom key store '{text}' does not exist"),
        }
        .into()),
    }
}

fn id(m: &Members<'_>) -> Outcome<CustomKeyStoreId> {
    store_id(m)?.ok_or_else(|| required("CustomKeyStoreId"))
}

fn proxy(m: &Members<'_>) -> Outcome<ProxyMembers> {
    Ok(ProxyMembers {
        connectivity: word(m, "XksProxyConnectivity")?,
        endpoint: word(m, "XksProxyUriEndpoint")?,
        path: word(m, "XksProxyUriPath")?,
        vpc_service: word(m, "XksProxyVpcEndpointServiceName")?,
        vpc_service_owner: word::<AccountId>(m, "XksProxyVpcEndpointServiceOwner")?,
    })
}

/// The credential of a request. Its secret goes no further than its length.
fn credential(m: &Members<'_>) -> Outcome<Option<Credential>> {
    let sealed: Arc<[u8]> = SEALED.into();
    let checked = |secret: &str, (min, max): (usize, usize), name: &str| {
        let length = secret.chars().count();
        if (min..=max).contains(&length) {
            Ok(())
        } else {
            Err(Happened::shape(&format!("{name} has {length} characters")))
        }
    };
    let password = m.text("KeyStorePassword")?;
    let access_key = m.get("XksProxyAuthenticationCredential");
    match (password, access_key) {
        (None, None) => Ok(None),
        (Some(_), Some(_)) => Err(Happened::shape("two credentials").into()),
        (Some(password), None) => {
            checked(&password, KEY_STORE_PASSWORD, "KeyStorePassword")?;
            Ok(Some(Credential::Password { sealed }))
        }
        (None, Some(node)) => {
            node.only(&["AccessKeyId", "RawSecretAccessKey"])?;
            let member = |name: &str| node.get(name).map(|node: Node<'_>| node.text()).transpose();
            let secret = member("RawSecretAccessKey")?.unwrap_or_default();
            let mut violations = Violations::new();
            let path = "xksProxyAuthenticationCredential.rawSecretAccessKey";
            violations.secret(path, secret, shape::XKS_SECRET_ACCESS_KEY);
            if let Some(message) = violations.message() {
                return Err(Happened::shape(&message).into());
            }
            match member("AccessKeyId")?.unwrap_or_default().parse() {
                Ok(id) => Ok(Some(Credential::AccessKey { id, sealed })),
                Err(_) => Err(Happened::shape("AccessKeyId").into()),
            }
        }
    }
}

/// A store with its members as AWS names them; its secrets are not among them.
pub fn entry(store: &CustomKeyStore) -> Value {
    let mut entry = json!({
        "CustomKeyStoreId": store.id.as_str(),
        "CustomKeyStoreName": &*store.name,
        "CustomKeyStoreType": store.backing.kind().as_str(),
        "ConnectionState": store.connection.state().as_str(),
    });
    if let (Connection::Failed(code), Some(members)) = (store.connection, entry.as_object_mut()) {
        members.insert("ConnectionErrorCode".into(), json!(code.as_str()));
    }
    if let (Backing::CloudHsm { cluster, .. }, Some(members)) =
        (&store.backing, entry.as_object_mut())
    {
        members.insert("CloudHsmClusterId".into(), json!(cluster.as_str()));
    }
    entry
}
