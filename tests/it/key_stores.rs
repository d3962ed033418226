//! A custom key store on a running cluster: from its creation to a key in it and back, with a connector beside it.

use std::fs;

use grantd::client::api::key_store_backend::Backend;
use grantd::client::api::{
    BatchAuthorizeRequest, CloudHsmCluster, ConnectCustomKeyStoreRequest,
    CreateCustomKeyStoreRequest, CreateKeyRequest, DeleteCustomKeyStoreRequest,
    DescribeCustomKeyStoresRequest, DescribeKeyRequest, DisconnectCustomKeyStoreRequest,
    GetPrincipalRequest, KeyStoreBackend, KeyStoreWork, ListKeyStoreBackendsRequest,
    ListKeyStoreWorkRequest, Question, ReportCustomKeyStoreRequest, ReportKeyStoreBackendsRequest,
    SecretText, UpdateCustomKeyStoreRequest, XksProxyAuthenticationCredential,
    batch_authorize_response::item::Result as Told,
};
use grantd::crypto::seal::SealKey;
use grantd::domain::ids::CustomKeyStoreId;

use crate::support::api::{Api, make_account};
use crate::support::cluster::{Cluster, SEAL_KEY, folder};
use crate::support::process::{Process, grantd, run, text};

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

/// What the connector tells of the cluster behind [`hsm`].
fn told(change: impl FnOnce(&mut CloudHsmCluster)) -> ReportKeyStoreBackendsRequest {
    let mut cluster = CloudHsmCluster {
        cloud_hsm_cluster_id: "cluster-abcdefghijk".to_owned(),
        active: true,
        active_zones: 2,
        ..Default::default()
    };
    change(&mut cluster);
    ReportKeyStoreBackendsRequest {
        account_id: ACCOUNT.to_owned(),
        backends: vec![KeyStoreBackend {
            backend: Some(Backend::CloudHsmCluster(cluster)),
            gone: false,
        }],
        ..Default::default()
    }
}

/// K-7, K-11: what the connector told of a cluster decides at every node whether a store is made on it; GenerateRandom from
/// the store is refused until it is connected.
#[tokio::test(flavor = "multi_thread")]
async fn what_the_connector_told_decides_whether_a_store_is_made() {
    let cluster = Cluster::start_with(3, folder, |_| {}).await;
    let operator = cluster.api(cluster.follower().await);
    make_account(&operator, ACCOUNT).await;
    let root = operator.by_root(ACCOUNT);
    operator
        .call(told(|cluster| cluster.active_zones = 1))
        .await
        .unwrap();
    let refused = root.call(hsm()).await.unwrap_err();
    assert_eq!(refused.code, "CloudHsmClusterInvalidConfigurationException");
    assert!(!refused.retryable);
    operator.call(told(|_| ())).await.unwrap();
    let store = root.call(hsm()).await.unwrap().custom_key_store_id;

    let list = ListKeyStoreBackendsRequest {
        account_id: ACCOUNT.to_owned(),
        ..Default::default()
    };
    let known = operator.call(list.clone()).await.unwrap().backends;
    assert_eq!(known.len(), 1);
    assert_eq!(known[0].name, "cluster-abcdefghijk");
    assert_eq!(known[0].backend, Some(told(|_| ()).backends[0].clone()));
    assert_eq!(
        root.call(list).await.unwrap_err().code,
        "AccessDeniedException"
    );

    let random = |store: &str| Question {
        action: "kms:GenerateRandom".to_owned(),
        custom_key_store_id: Some(store.to_owned()),
        ..Default::default()
    };
    let invalid = Some("CustomKeyStoreInvalidStateException".to_owned());
    let missing = Some("CustomKeyStoreNotFoundException".to_owned());
    let batch = BatchAuthorizeRequest {
        questions: vec![random(&store), random("cks-0000000000000000f")],
        ..Default::default()
    };
    let answers = root.call(batch).await.unwrap().items;
    let codes: Vec<_> = answers
        .into_iter()
        .map(|item| match item.result {
            Some(Told::Answered(answered)) => answered.refusal.map(|refusal| refusal.code),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(codes, [invalid.clone(), missing]);
    let connect = ConnectCustomKeyStoreRequest {
        custom_key_store_id: store.clone(),
        ..Default::default()
    };
    root.call(connect).await.unwrap();
    let refusal = |answer: grantd::client::api::AuthorizeResponse| answer.refusal.map(|r| r.code);
    let asked = root.authorize(random(&store)).await.unwrap();
    assert_eq!(refusal(asked), invalid);
    for work in work(&operator).await {
        report(&operator, &work, "CONNECTED").await;
    }
    let asked = root.authorize(random(&store)).await.unwrap();
    assert_eq!(refusal(asked), None);
}

/// K-6, K-11: the commands of `grantd key-store`, as people and connectors run them.
#[test]
fn key_store_commands_go_the_whole_way_of_a_store() {
    let folder = tempfile::tempdir().unwrap();
    let dev = Process::start(folder.path(), "dev", &["dev", "--port", "0"]);
    let endpoints = dev.endpoints();
    let endpoint = &*endpoints[0];
    let root = format!("arn:aws:iam::{ACCOUNT}:root");
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let password = file("password", PASSWORD);
    let secret = file("secret", SECRET);
    let anchor = file("anchor.crt", "-----BEGIN CERTIFICATE-----\nAA\n");
    let as_root = |args: &[&str]| {
        let all = args.iter().copied().chain(["--as", &root]);
        text(&run(endpoint, all).stdout).trim().to_owned()
    };
    let as_operator = |args: &[&str]| {
        let told = run(endpoint, args.iter().copied());
        serde_json::from_str::<serde_json::Value>(&text(&told.stdout)).unwrap()
    };
    let refused = |args: &[&str]| {
        let output = grantd(args.iter().copied())
            .args(["--as", &root, "--endpoint", endpoint])
            .output()
            .unwrap();
        let code = output.status.code();
        assert!(matches!(code, Some(2 | 3)), "{}", text(&output.stdout));
        text(&output.stderr)
    };
    let cluster = "cluster-abcdefghijk";
    let account = ["--account", ACCOUNT];
    let tell = |what: &[&str]| {
        let args: Vec<&str> = ["key-store", "backend"]
            .into_iter()
            .chain(what.iter().copied())
            .chain(account)
            .collect();
        as_operator(&args)
    };
    let create = [
        "key-store",
        "create",
        "hsm",
        "--cluster",
        cluster,
        "--password-file",
        &password,
        "--trust-anchor-file",
        &anchor,
    ];
    tell(&["cluster", cluster, "--gone"]);
    assert!(refused(&create).contains("CloudHsmClusterNotFoundException"));
    tell(&["cluster", cluster, "--trust-anchor-file", &password]);
    assert!(refused(&create).contains("IncorrectTrustAnchorException"));
    tell(&[
        "cluster",
        cluster,
        "--trust-anchor-file",
        &anchor,
        "--zones",
        "3",
    ]);
    let printed: Vec<&str> = create
        .into_iter()
        .chain(["--print", "CustomKeyStoreId"])
        .collect();
    let store = as_root(&printed);

    let (endpoint_of_proxy, path) = ("https://xks.example.com", "/kms/xks/v1");
    let external = [
        "key-store",
        "create",
        "xks",
        "--type",
        "EXTERNAL_KEY_STORE",
        "--proxy-endpoint",
        endpoint_of_proxy,
        "--proxy-path",
        path,
        "--proxy-connectivity",
        "PUBLIC_ENDPOINT",
        "--access-key-id",
        "ABCDE22345677ABCDEFG",
        "--secret-access-key-file",
        &secret,
    ];
    tell(&[
        "proxy",
        endpoint_of_proxy,
        path,
        "--unreachable",
        "it sleeps",
    ]);
    let why = refused(&external);
    assert!(
        why.contains("XksProxyUriUnreachableException") && why.contains("it sleeps"),
        "{why}"
    );
    let other = "BBBBB22345677ABCDEFG";
    tell(&["proxy", endpoint_of_proxy, path, "--access-key-id", other]);
    let why = refused(&external);
    assert!(
        why.contains("XksProxyIncorrectAuthenticationCredentialException"),
        "{why}"
    );
    tell(&["external-key", endpoint_of_proxy, path, "key-1", "key-2"]);
    tell(&[
        "vpc-service",
        "com.amazonaws.vpce.us-west-2.vpce-svc-0a1b",
        "--fault",
        "no load balancer",
    ]);
    let listed = tell(&["list"]);
    let names: Vec<&str> = listed["Backends"]
        .as_array()
        .unwrap()
        .iter()
        .map(|told| told["Name"].as_str().unwrap())
        .collect();
    let proxy = format!("{endpoint_of_proxy}{path}");
    let (first, second) = (format!("{proxy}#key-1"), format!("{proxy}#key-2"));
    assert_eq!(
        names,
        [
            cluster,
            &*proxy,
            "com.amazonaws.vpce.us-west-2.vpce-svc-0a1b",
            &*first,
            &*second,
        ]
    );
    assert_eq!(listed["Backends"][0]["Known"]["ActiveZones"], 3);
    assert_eq!(listed["Backends"][2]["Known"]["Fault"], "no load balancer");
    let mut forget = vec!["forget"];
    forget.extend(&names[1..]);
    tell(&forget);
    as_root(&external);

    let random = |wanted: Option<&str>| {
        let ask = [
            "authorize",
            "--action",
            "kms:GenerateRandom",
            "--custom-key-store",
            &store,
        ];
        let output = grantd(ask)
            .args(["--as", &root, "--endpoint", endpoint])
            .output()
            .unwrap();
        // What the store's state refuses is no yes, though it is permitted.
        assert_eq!(output.status.code(), Some(wanted.map_or(0, |_| 1)));
        let asked: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(asked["Refusal"]["Code"].as_str(), wanted, "{asked}");
    };
    random(Some("CustomKeyStoreInvalidStateException"));
    as_root(&["key-store", "connect", &store]);
    let work = as_operator(&["key-store", "work"]);
    assert_eq!(
        work["Work"][0]["CustomKeyStore"]["CustomKeyStoreId"],
        *store
    );
    let attempt = work["Work"][0]["Attempt"].to_string();
    as_operator(&[
        "key-store",
        "report",
        &store,
        "connected",
        "--attempt",
        &attempt,
    ]);
    random(None);
    tell(&["cluster", cluster, "--zones", "1"]);
    let make_key = [
        "key",
        "create",
        "--origin",
        "AWS_CLOUDHSM",
        "--custom-key-store",
        &store,
    ];
    assert!(refused(&make_key).contains("CloudHsmClusterInvalidConfigurationException"));
    tell(&["cluster", cluster]);
    as_root(&make_key);
    let (status, errors) = dev.stop("-TERM");
    assert_eq!(status.code(), Some(0), "{errors}");
}
