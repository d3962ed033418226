//! A custom key store on a running cluster: from its creation to a key in it and back, with a connector beside it.

use grantd::client::api::{
    ConnectCustomKeyStoreRequest, CreateCustomKeyStoreRequest, CreateKeyRequest,
    DeleteCustomKeyStoreRequest, DescribeCustomKeyStoresRequest, DescribeKeyRequest,
    DisconnectCustomKeyStoreRequest, GetPrincipalRequest, KeyStoreWork, ListKeyStoreWorkRequest,
    ReportCustomKeyStoreRequest, SecretText, UpdateCustomKeyStoreRequest,
    XksProxyAuthenticationCredential,
};
use grantd::crypto::seal::SealKey;
use grantd::domain::ids::CustomKeyStoreId;

use crate::support::api::{Api, make_account};
use crate::support::cluster::{Cluster, SEAL_KEY, folder};

const ACCOUNT: &str = "111122223333";
const PASSWORD: &str = "kmsPswd-never-stored";
const SECRET: &str = "neverStored/0123456789abcdefghijklmnopqrstuvwxyz";

fn secret(text: &str) -> Option<SecretText> {
    Some(SecretText {
        text: text.to_owned(),
    })
}

fn hsm() -> CreateCustomKeyStoreRequest {
    CreateCustomKeyStoreRequest {
        custom_key_store_name: "hsm".to_owned(),
        cloud_hsm_cluster_id: Some("cluster-abcdefghijk".to_owned()),
        trust_anchor_certificate: Some("-----BEGIN CERTIFICATE-----".to_owned()),
        key_store_password: secret(PASSWORD),
        ..Default::default()
    }
}

async fn work(operator: &Api) -> Vec<KeyStoreWork> {
    let request = ListKeyStoreWorkRequest::default();
    operator.call(request).await.unwrap().work
}

async fn report(operator: &Api, work: &KeyStoreWork, state: &str) {
    let store = work.store.as_ref().unwrap();
    let request = ReportCustomKeyStoreRequest {
        custom_key_store_id: store.custom_key_store_id.clone(),
        attempt: Some(work.attempt),
        connection_state: state.to_owned(),
        ..Default::default()
    };
    operator.call(request).await.unwrap();
}

async fn state_of_key(root: &Api, key: &str) -> String {
    let request = DescribeKeyRequest {
        key_id: key.to_owned(),
        ..Default::default()
    };
    let answer = root.call(request).await.unwrap();
    answer.key_metadata.unwrap().key_state
}

/// Every file below a folder.
fn files(folder: &std::path::Path) -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            all.extend(files(&path));
        } else {
            all.push(std::fs::read(&path).unwrap());
        }
    }
    all
}

/// K-4, K-6, K-9, K-11, K-12: the whole way of a store, at a follower; the password is sealed for the connector, and
/// stands in no file in clear.
#[tokio::test(flavor = "multi_thread")]
async fn store_is_connected_by_a_connector_and_its_keys_follow_it() {
    let cluster = Cluster::start_with(3, folder, |_| {}).await;
    let operator = cluster.api(cluster.follower().await);
    make_account(&operator, ACCOUNT).await;
    let root = operator.by_root(ACCOUNT);
    let id = root.call(hsm()).await.unwrap().custom_key_store_id;

    let role = GetPrincipalRequest {
        arn: format!(
            "arn:aws:iam::{ACCOUNT}:role/aws-service-role/cks.kms.amazonaws.com/AWSServiceRoleForKeyManagementServiceCustomKeyStores"
        ),
        ..Default::default()
    };
    assert!(root.call(role).await.unwrap().principal.is_some());

    let store = || id.clone();
    let create_key = || CreateKeyRequest {
        origin: Some("AWS_CLOUDHSM".to_owned()),
        custom_key_store_id: Some(store()),
        ..Default::default()
    };
    let refused = root.call(create_key()).await.unwrap_err();
    assert_eq!(refused.code, "CustomKeyStoreInvalidStateException");

    let connect = ConnectCustomKeyStoreRequest {
        custom_key_store_id: store(),
        ..Default::default()
    };
    root.call(connect).await.unwrap();
    let waiting = work(&operator).await;
    let [connecting] = &waiting[..] else {
        panic!("{waiting:?}")
    };
    let typed: CustomKeyStoreId = id.parse().unwrap();
    let opened = SealKey::from_bytes(SEAL_KEY)
        .open_credential(&typed, &connecting.sealed_credential)
        .unwrap();
    assert_eq!(opened.as_str(), PASSWORD);
    report(&operator, connecting, "CONNECTED").await;
    assert!(work(&operator).await.is_empty());

    let made = root.call(create_key()).await.unwrap().key_metadata.unwrap();
    assert_eq!(made.custom_key_store_id, Some(store()));
    assert_eq!(
        made.cloud_hsm_cluster_id.as_deref(),
        Some("cluster-abcdefghijk")
    );
    let key = made.arn;
    assert_eq!(state_of_key(&root, &key).await, "Enabled");

    let rename = UpdateCustomKeyStoreRequest {
        custom_key_store_id: store(),
        new_custom_key_store_name: Some("renamed".to_owned()),
        ..Default::default()
    };
    root.call(rename).await.unwrap();
    let password = UpdateCustomKeyStoreRequest {
        custom_key_store_id: store(),
        key_store_password: secret(PASSWORD),
        ..Default::default()
    };
    let refused = root.call(password).await.unwrap_err();
    assert_eq!(refused.code, "CustomKeyStoreInvalidStateException");
    assert!(!refused.message.contains(PASSWORD));

    let disconnect = DisconnectCustomKeyStoreRequest {
        custom_key_store_id: store(),
        ..Default::default()
    };
    root.call(disconnect).await.unwrap();
    assert_eq!(state_of_key(&root, &key).await, "Unavailable");
    let waiting = work(&operator).await;
    report(&operator, &waiting[0], "DISCONNECTED").await;
    let delete = DeleteCustomKeyStoreRequest {
        custom_key_store_id: store(),
        ..Default::default()
    };
    let refused = root.call(delete).await.unwrap_err();
    assert_eq!(refused.code, "CustomKeyStoreHasCMKsException");

    let by_name = DescribeCustomKeyStoresRequest {
        custom_key_store_name: Some("renamed".to_owned()),
        ..Default::default()
    };
    let told = root.call(by_name).await.unwrap().custom_key_stores;
    assert_eq!(told[0].connection_state, "DISCONNECTED");
    assert!(!format!("{told:?}").contains(PASSWORD));
}

/// K-11: of an external store the access key id is told, the secret half never; neither secret stands on a disk, though
/// the stores do.
#[tokio::test(flavor = "multi_thread")]
async fn secrets_of_a_store_stand_on_no_disk() {
    let mut cluster = Cluster::start_with(1, folder, |_| {}).await;
    let operator = cluster.api(cluster.leader().await);
    make_account(&operator, ACCOUNT).await;
    let root = operator.by_root(ACCOUNT);
    root.call(hsm()).await.unwrap();
    let external = CreateCustomKeyStoreRequest {
        custom_key_store_name: "external-store-of-the-test".to_owned(),
        custom_key_store_type: Some("EXTERNAL_KEY_STORE".to_owned()),
        xks_proxy_uri_endpoint: Some("https://xks.example.com".to_owned()),
        xks_proxy_uri_path: Some("/kms/xks/v1".to_owned()),
        xks_proxy_connectivity: Some("PUBLIC_ENDPOINT".to_owned()),
        xks_proxy_authentication_credential: Some(XksProxyAuthenticationCredential {
            access_key_id: "ABCDE22345677ABCDEFG".to_owned(),
            raw_secret_access_key: secret(SECRET),
        }),
        ..Default::default()
    };
    root.call(external).await.unwrap();
    let all = DescribeCustomKeyStoresRequest::default();
    let told = root.call(all).await.unwrap().custom_key_stores;
    let proxies: Vec<_> = told
        .iter()
        .filter_map(|store| store.xks_proxy_configuration.as_ref())
        .collect();
    assert_eq!(proxies.len(), 1);
    assert_eq!(proxies[0].access_key_id, "ABCDE22345677ABCDEFG");
    assert!(!format!("{told:?}").contains(SECRET));

    cluster.stop(0).await;
    let files = files(cluster.members[0].disk.path());
    let stands = |text: &str| {
        let holds = |bytes: &Vec<u8>| {
            bytes
                .windows(text.len())
                .any(|part| part == text.as_bytes())
        };
        files.iter().any(holds)
    };
    assert!(stands("external-store-of-the-test"));
    assert!(!stands(PASSWORD) && !stands(SECRET));
}
