//! The operations on custom key stores together: their refusals in the order of their checks, the state machine, the
//! service-linked role, and the keys in a store.

use std::sync::Arc;

use super::testing::{
    ADMIN, ALLOW_ALL, APP, BOB, Cluster, EXT, OWNER, Refused, all_pages, arn, check_rows,
    create_grant, create_key, key, key_arn, page,
};
use super::{Answer, Command, ErrorCode, Event, KeyStoreChange, Output, Query};
use super::{
    connect_custom_key_store, create_custom_key_store, create_key as create_key_op,
    create_principal, delete_custom_key_store, delete_principal, delete_principal_policy,
    describe_custom_key_stores, describe_key, disable_key, disconnect_custom_key_store, enable_key,
    key_rules, key_stores, list_key_store_work, put_principal_policy, report_custom_key_store,
    update_custom_key_store,
};
use crate::domain::ids::{CustomKeyStoreId, UniqueId};
use crate::domain::op::key_stores::ProxyMembers;
use crate::domain::op::report_custom_key_store::Report;
use crate::domain::policy::KmsAction;
use crate::domain::state::State;
use crate::domain::state::grant::GrantOperation;
use crate::domain::state::key::{KeyOrigin, KeySpec, KeyState};
use crate::domain::state::key_store::{
    Backing, Connection, ConnectionErrorCode, ConnectionState, Credential, KeyStoreType,
    XksConnectivity, XksRoute,
};
use crate::domain::time::Revision;

const CLUSTER: &str = "cluster-abcdefghijk";
const OTHER_CLUSTER: &str = "cluster-bcdefghijkl";
const SERVICE: &str = "com.amazonaws.vpce.eu-west-1.vpce-svc-0a1b";
const SLR: &str = "arn:aws:iam::111122223333:role/aws-service-role/cks.kms.amazonaws.com/AWSServiceRoleForKeyManagementServiceCustomKeyStores";
const INVALID_STATE: &str = "CustomKeyStoreInvalidStateException";

type Create = create_custom_key_store::CreateCustomKeyStore;
type Update = update_custom_key_store::UpdateCustomKeyStore;

fn id(n: u8) -> CustomKeyStoreId {
    CustomKeyStoreId::of_new(&[n; 16])
}

fn sealed() -> Arc<[u8]> {
    [1].into()
}

fn access_key() -> Option<Credential> {
    Some(Credential::AccessKey {
        id: "ABCDE22345677ABCDEFG".parse().unwrap(),
        sealed: sealed(),
    })
}

fn password() -> Option<Credential> {
    Some(Credential::Password { sealed: sealed() })
}

fn hsm(n: u8) -> Create {
    let letter = char::from(b'a' + n);
    Create {
        id: id(n),
        role_id: UniqueId::of_new_role(&[n; 16]),
        name: format!("hsm {n}").into(),
        kind: KeyStoreType::AwsCloudHsm,
        cluster: Some(
            format!("cluster-{}", letter.to_string().repeat(11))
                .parse()
                .unwrap(),
        ),
        trust_anchor: Some("-".into()),
        credential: password(),
        proxy: ProxyMembers::default(),
    }
}

fn external(n: u8) -> Create {
    Create {
        name: format!("xks {n}").into(),
        kind: KeyStoreType::ExternalKeyStore,
        cluster: None,
        trust_anchor: None,
        credential: access_key(),
        proxy: ProxyMembers {
            connectivity: Some(XksConnectivity::PublicEndpoint),
            endpoint: Some(format!("https://xks-{n}.example.com").parse().unwrap()),
            path: Some("/kms/xks/v1".parse().unwrap()),
            vpc_service: None,
            vpc_service_owner: None,
        },
        ..hsm(n)
    }
}

fn private(n: u8) -> Create {
    let mut create = external(n);
    create.proxy.connectivity = Some(XksConnectivity::VpcEndpointService);
    create.proxy.vpc_service = Some(format!("{SERVICE}{n}").parse().unwrap());
    create
}

fn created(create: Create) -> Command {
    Command::CreateCustomKeyStore(create)
}

fn update(n: u8, change: impl FnOnce(&mut Update)) -> Command {
    let mut update = Update {
        id: id(n),
        new_name: None,
        cluster: None,
        credential: None,
        proxy: ProxyMembers::default(),
    };
    change(&mut update);
    Command::UpdateCustomKeyStore(update)
}

fn connect(n: u8) -> Command {
    Command::ConnectCustomKeyStore(connect_custom_key_store::ConnectCustomKeyStore { id: id(n) })
}

fn disconnect(n: u8) -> Command {
    Command::DisconnectCustomKeyStore(disconnect_custom_key_store::DisconnectCustomKeyStore {
        id: id(n),
    })
}

fn delete(n: u8) -> Command {
    Command::DeleteCustomKeyStore(delete_custom_key_store::DeleteCustomKeyStore { id: id(n) })
}

fn report(n: u8, attempt: Option<u64>, report: Report) -> Command {
    Command::ReportCustomKeyStore(report_custom_key_store::ReportCustomKeyStore {
        id: id(n),
        attempt: attempt.map(Revision),
        report,
    })
}

fn describe(named: Option<u8>, name: Option<&str>, page: super::Page) -> Query {
    Query::DescribeCustomKeyStores(describe_custom_key_stores::DescribeCustomKeyStores {
        id: named.map(id),
        name: name.map(Arc::from),
        page,
    })
}

fn state_of(cluster: &Cluster, n: u8) -> ConnectionState {
    cluster.state.key_store(&id(n)).unwrap().connection.state()
}

/// A store of each type: 1 is CloudHSM, 2 is external, both connected.
fn connected() -> Cluster {
    let mut cluster = Cluster::new();
    cluster.done(ADMIN, created(hsm(1)));
    cluster.done(ADMIN, created(external(2)));
    for n in [1, 2] {
        cluster.done(ADMIN, connect(n));
        cluster.done("operator", report(n, None, Report::Connected));
    }
    cluster
}

/// Store 1 as it is in a state.
fn in_state(connection: Connection) -> Cluster {
    let mut cluster = connected();
    for n in [1, 2] {
        let mut store = (**cluster.state.key_store(&id(n)).unwrap()).clone();
        store.connection = connection;
        cluster.state.put_key_store(Arc::new(store));
    }
    cluster
}

fn key_in(n: u8, store: u8, origin: KeyOrigin) -> create_key_op::CreateKey {
    let mut create = create_key(n);
    create.origin = origin;
    create.custom_key_store = Some(id(store));
    if origin == KeyOrigin::ExternalKeyStore {
        create.xks_key = format!("xks-{n}").parse().ok();
    }
    create
}

fn make_key(cluster: &mut Cluster, create: create_key_op::CreateKey) {
    cluster.done(ADMIN, Command::CreateKey(create));
}

const ALL_STATES: [Connection; 5] = [
    Connection::Connected,
    Connection::Connecting,
    Connection::Failed(ConnectionErrorCode::NetworkErrors),
    Connection::Disconnected,
    Connection::Disconnecting,
];

/// K-1, K-2, K-10, K-11, W-3, W-5: every row is wrong in fewer ways than the one before, or in another.
#[test]
fn create_custom_key_store_refuses_in_the_order_of_its_checks() {
    let cluster = connected();
    let no = |who: &str, change: fn(&mut Create)| -> Refused {
        let mut create = hsm(3);
        change(&mut create);
        cluster.refusal(who, created(create))
    };
    let xks = |change: fn(&mut Create)| -> Refused {
        let mut create = external(3);
        change(&mut create);
        cluster.refusal(ADMIN, created(create))
    };
    let mut kms_only = cluster.copy();
    kms_only.put_policy(BOB, r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"kms:*CustomKeyStore","Resource":"*"}}"#);
    let mut crowd = Cluster::new();
    for n in 0..10 {
        crowd.done(ADMIN, created(external(n)));
    }
    let mut namesake = Cluster::new();
    let by_hand =
        "arn:aws:iam::111122223333:role/AWSServiceRoleForKeyManagementServiceCustomKeyStores";
    namesake.make_principal(by_hand, 0);
    let invalid = "ValidationException";
    check_rows(vec![
        (
            "empty name",
            no(BOB, |c| c.name = "".into()),
            invalid,
            "at 'customKeyStoreName' failed",
        ),
        (
            "long name",
            no(BOB, |c| c.name = "n".repeat(257).into()),
            invalid,
            "less than or equal to 256",
        ),
        (
            "a user's id for the role",
            no(BOB, |c| c.role_id = UniqueId::of_new_user(&[1; 16])),
            invalid,
            "no unique id of a role",
        ),
        (
            "unsealed",
            no(BOB, |c| {
                c.credential = Some(Credential::Password { sealed: [].into() })
            }),
            invalid,
            "sealed credential",
        ),
        (
            "sealed too long",
            no(BOB, |c| {
                c.credential = Some(Credential::Password {
                    sealed: vec![0; 257].into(),
                })
            }),
            invalid,
            "256",
        ),
        (
            "the operator",
            no("operator", |_| ()),
            invalid,
            "no account",
        ),
        (
            "no cluster",
            no(BOB, |c| c.cluster = None),
            invalid,
            "Value null at 'cloudHsmClusterId'",
        ),
        (
            "no certificate",
            no(BOB, |c| c.trust_anchor = None),
            invalid,
            "Value null at 'trustAnchorCertificate'",
        ),
        (
            "long certificate",
            no(BOB, |c| c.trust_anchor = Some("c".repeat(5_001).into())),
            invalid,
            "1 to 5000",
        ),
        (
            "no password",
            no(BOB, |c| c.credential = None),
            invalid,
            "Value null at 'keyStorePassword'",
        ),
        (
            "access key of a cluster",
            no(BOB, |c| c.credential = access_key()),
            invalid,
            "'xksProxyAuthenticationCredential' is not for",
        ),
        (
            "proxy of a cluster",
            no(BOB, |c| c.proxy.path = "/kms/xks/v1".parse().ok()),
            invalid,
            "'xksProxyUriPath' is not for",
        ),
        (
            "cluster of a proxy",
            xks(|c| c.cluster = CLUSTER.parse().ok()),
            invalid,
            "'cloudHsmClusterId' is not for",
        ),
        (
            "certificate of a proxy",
            xks(|c| c.trust_anchor = Some("-".into())),
            invalid,
            "'trustAnchorCertificate' is not for",
        ),
        (
            "password of a proxy",
            xks(|c| c.credential = password()),
            invalid,
            "'keyStorePassword' is not for",
        ),
        (
            "no access key",
            xks(|c| c.credential = None),
            invalid,
            "Value null at 'xksProxyAuthenticationCredential'",
        ),
        (
            "no connectivity",
            xks(|c| c.proxy.connectivity = None),
            invalid,
            "Value null at 'xksProxyConnectivity'",
        ),
        (
            "no endpoint",
            xks(|c| c.proxy.endpoint = None),
            invalid,
            "Value null at 'xksProxyUriEndpoint'",
        ),
        (
            "no path",
            xks(|c| c.proxy.path = None),
            invalid,
            "Value null at 'xksProxyUriPath'",
        ),
        (
            "no service",
            xks(|c| c.proxy.connectivity = Some(XksConnectivity::VpcEndpointService)),
            invalid,
            "Value null at 'xksProxyVpcEndpointServiceName'",
        ),
        (
            "service of a public proxy",
            xks(|c| c.proxy.vpc_service = SERVICE.parse().ok()),
            invalid,
            "leave them out",
        ),
        (
            "no permission",
            no(BOB, |_| ()),
            "AccessDeniedException",
            "kms:CreateCustomKeyStore",
        ),
        (
            "not to look at clusters",
            kms_only.refusal(BOB, created(hsm(3))),
            "AccessDeniedException",
            "cloudhsm:DescribeClusters",
        ),
        (
            "name in use",
            no(ADMIN, |c| c.name = "xks 2".into()),
            "CustomKeyStoreNameInUseException",
            "xks 2",
        ),
        (
            "cluster in use",
            no(ADMIN, |c| c.cluster = hsm(1).cluster),
            "CloudHsmClusterInUseException",
            "cluster-bbbbb",
        ),
        (
            "address in use",
            xks(|c| c.proxy = external(2).proxy),
            "XksProxyUriInUseException",
            "https://xks-2.example.com/kms/xks/v1",
        ),
        (
            "public address made private",
            xks(|c| {
                c.proxy = private(3).proxy;
                c.proxy.endpoint = external(2).proxy.endpoint;
                c.proxy.path = "/b/kms/xks/v1".parse().ok();
            }),
            "XksProxyUriEndpointInUseException",
            "https://xks-2.example.com",
        ),
        (
            "an eleventh",
            crowd.refusal(ADMIN, created(external(10))),
            "LimitExceededException",
            "10 custom key stores in eu-west-1",
        ),
        (
            "the role's name",
            namesake.refusal(ADMIN, created(hsm(3))),
            "EntityAlreadyExists",
            by_hand,
        ),
        (
            "taken",
            no(ADMIN, |c| c.id = id(1)),
            "AlreadyExistsException",
            "already exists",
        ),
    ]);
    let mut cluster = cluster;
    cluster.done(ADMIN, created(private(4)));
    let mut twin = private(5);
    twin.proxy.vpc_service = private(4).proxy.vpc_service;
    let mut twin_name = private(5);
    twin_name.proxy.endpoint = private(4).proxy.endpoint;
    twin_name.proxy.path = "/b/kms/xks/v1".parse().ok();
    check_rows(vec![
        (
            "service in use",
            cluster.refusal(ADMIN, created(twin)),
            "XksProxyVpcEndpointServiceInUseException",
            SERVICE,
        ),
        (
            "private name in use",
            cluster.refusal(ADMIN, created(twin_name)),
            "XksProxyUriEndpointInUseException",
            "xks-4",
        ),
    ]);
    // Two public proxies may share an address, not the path on it.
    let mut shared = external(6);
    shared.proxy.endpoint = external(2).proxy.endpoint;
    shared.proxy.path = "/b/kms/xks/v1".parse().ok();
    cluster.done(ADMIN, created(shared));
    // The same names are free in another account.
    let root = "arn:aws:iam::444455556666:root";
    let mut elsewhere = hsm(7);
    (elsewhere.name, elsewhere.cluster) = (hsm(1).name, hsm(1).cluster);
    cluster.done(root, created(elsewhere));
}

/// K-2: the six permissions of KMS are enough for an external store.
#[test]
fn external_store_needs_permissions_of_kms_alone() {
    let mut cluster = Cluster::new();
    cluster.put_policy(BOB, r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"kms:*","Resource":"*"}}"#);
    cluster.done(BOB, created(external(1)));
    cluster.put_policy(BOB, r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":["kms:*","cloudhsm:DescribeClusters"],"Resource":"*"}}"#);
    let (code, why) = cluster.refusal(BOB, created(hsm(2)));
    assert_eq!(code, "AccessDeniedException");
    assert!(why.contains("iam:CreateServiceLinkedRole"), "{why}");
    cluster.done(ADMIN, created(hsm(2)));
    // The role is there now: the next manager need not make it.
    cluster.done(BOB, created(hsm(3)));
}

/// K-1: one for all operations on stores: identity policies on `*`, with kms:CallerAccount.
#[test]
fn operations_on_stores_are_allowed_by_identity_policies_on_everything() {
    let mut cluster = Cluster::new();
    let policy = |resource: &str, account: &str| {
        format!(
            r#"{{"Version":"2012-10-17","Statement":{{"Effect":"Allow","Action":"kms:*CustomKeyStore*","Resource":"{resource}","Condition":{{"StringEquals":{{"kms:CallerAccount":"{account}"}}}}}}}}"#
        )
    };
    cluster.done(ADMIN, created(external(1)));
    for (resource, account, outcome) in [
        ("*", OWNER, true),
        ("*", "444455556666", false),
        ("arn:aws:kms:*:*:key/*", OWNER, false),
    ] {
        cluster.put_policy(BOB, &policy(resource, account));
        assert_eq!(cluster.copy().run(BOB, connect(1)).is_ok(), outcome);
        let told = cluster.ask(BOB, describe(None, None, page(10, None)));
        assert_eq!(told.is_ok(), outcome);
    }
}

/// K-4: the role comes to be with the first CloudHSM store, belongs to AWS, and nobody makes, changes or deletes it.
#[test]
fn service_linked_role_comes_with_the_first_cluster_and_stays() {
    let mut cluster = Cluster::new();
    cluster.done(ADMIN, created(external(1)));
    assert!(cluster.state.principal(&arn(SLR)).is_none());
    cluster.done(ADMIN, created(hsm(2)));
    assert!(matches!(&cluster.events[..], [
        Event::PrincipalChanged(made, super::Change::Created),
        Event::KeyStoreChanged(store, KeyStoreChange::Created),
    ] if made.as_str() == SLR && *store == id(2)));
    let role = Arc::clone(cluster.state.principal(&arn(SLR)).unwrap());
    assert!(role.arn.is_service_linked_role());
    let (name, policy) = role.policies.first_key_value().unwrap();
    assert_eq!(
        &**name,
        "AWSKeyManagementServiceCustomKeyStoresServiceRolePolicy"
    );
    assert!(policy.text().contains("cloudhsm:DescribeClusters"));
    cluster.done(ADMIN, created(hsm(3)));
    assert_eq!(
        cluster.state.principal(&arn(SLR)).unwrap().unique_id,
        role.unique_id
    );
    for n in [2, 3] {
        cluster.done(ADMIN, delete(n));
    }
    let policy = put_principal_policy::PutPrincipalPolicy {
        arn: arn(SLR),
        name: "more".into(),
        policy: ALLOW_ALL.into(),
    };
    let less = delete_principal_policy::DeletePrincipalPolicy {
        arn: arn(SLR),
        name: Arc::clone(name),
    };
    let by_hand = |text: &str| {
        Command::CreatePrincipal(create_principal::CreatePrincipal {
            arn: arn(text),
            unique_id: UniqueId::of_new_role(&[9; 16]),
            tags: Default::default(),
        })
    };
    check_rows(vec![
        (
            "made by hand",
            Cluster::new().refusal(ADMIN, by_hand(SLR)),
            "ValidationException",
            "service-linked",
        ),
        (
            "another name there",
            cluster.refusal(
                ADMIN,
                by_hand(
                    "arn:aws:iam::111122223333:role/aws-service-role/cks.kms.amazonaws.com/other",
                ),
            ),
            "ValidationException",
            "service-linked",
        ),
        (
            "more rights",
            cluster.refusal(ADMIN, Command::PutPrincipalPolicy(policy)),
            "UnmodifiableEntity",
            "protected role",
        ),
        (
            "fewer rights",
            cluster.refusal(ADMIN, Command::DeletePrincipalPolicy(less)),
            "UnmodifiableEntity",
            "protected role",
        ),
        (
            "deleted",
            cluster.refusal(
                ADMIN,
                Command::DeletePrincipal(delete_principal::DeletePrincipal { arn: arn(SLR) }),
            ),
            "UnmodifiableEntity",
            "protected role",
        ),
    ]);
    // Roles of other services are the operator's to mirror.
    cluster.done(ADMIN, by_hand("arn:aws:iam::111122223333:role/aws-service-role/autoscaling.amazonaws.com/AWSServiceRoleForAutoScaling"));
    assert!(!arn(APP).is_service_linked_role());
}

/// What connect, disconnect and delete share.
fn check_common(name: &str, command: fn(u8) -> Command) {
    let cluster = connected();
    check_rows(vec![
        (
            "the operator",
            cluster.refusal("operator", command(9)),
            "ValidationException",
            "no account",
        ),
        (
            "no permission",
            cluster.refusal(BOB, command(9)),
            "AccessDeniedException",
            name,
        ),
        (
            "not there",
            cluster.refusal(ADMIN, command(9)),
            "CustomKeyStoreNotFoundException",
            id(9).as_str(),
        ),
        (
            "another account's",
            cluster.refusal("arn:aws:iam::444455556666:root", command(1)),
            "CustomKeyStoreNotFoundException",
            id(1).as_str(),
        ),
    ]);
    let mut elsewhere = cluster.copy();
    let mut store = (**elsewhere.state.key_store(&id(1)).unwrap()).clone();
    store.region = "us-east-1".parse().unwrap();
    elsewhere.state.put_key_store(Arc::new(store));
    let (code, _) = elsewhere.refusal(ADMIN, command(1));
    assert_eq!(code, "CustomKeyStoreNotFoundException", "another Region's");
}

/// In which of the states an operation works, a letter a state: CONNECTED, CONNECTING, FAILED, DISCONNECTED,
/// DISCONNECTING; and what becomes of the store.
fn works(command: impl Fn() -> Command, store: u8) -> String {
    ALL_STATES
        .iter()
        .map(|connection| {
            let mut cluster = in_state(*connection);
            match cluster.run(ADMIN, command()) {
                Ok(_) => match cluster.state.key_store(&id(store)) {
                    None => 'x',
                    Some(store) => match store.connection {
                        Connection::Connected => 'C',
                        Connection::Connecting => 'c',
                        Connection::Failed(_) => 'F',
                        Connection::Disconnected => 'D',
                        Connection::Disconnecting => 'd',
                    },
                },
                Err((code, why)) => {
                    assert_eq!(code, INVALID_STATE, "{why}");
                    '.'
                }
            }
        })
        .collect()
}

/// K-6, K-7, K-8: connect.
#[test]
fn connect_custom_key_store_refuses_in_the_order_of_its_checks() {
    check_common("kms:ConnectCustomKeyStore", connect);
    assert_eq!(works(|| connect(1), 1), "Cc.c.");
}

/// K-6, K-7, K-8: disconnect.
#[test]
fn disconnect_custom_key_store_refuses_in_the_order_of_its_checks() {
    check_common("kms:DisconnectCustomKeyStore", disconnect);
    assert_eq!(works(|| disconnect(1), 1), "ddd..");
}

/// K-7, K-9: delete; with keys never, whatever their state.
#[test]
fn delete_custom_key_store_refuses_in_the_order_of_its_checks() {
    check_common("kms:DeleteCustomKeyStore", delete);
    assert_eq!(works(|| delete(1), 1), "...x.");
    let mut cluster = connected();
    make_key(&mut cluster, key_in(5, 1, KeyOrigin::AwsCloudHsm));
    let mut key = (**cluster.state.key(&key_arn(5)).unwrap()).clone();
    key.state = KeyState::PendingDeletion;
    cluster.state.put_key(Arc::new(key));
    assert_eq!(cluster.refusal(ADMIN, delete(1)).0, INVALID_STATE);
    cluster.done(ADMIN, disconnect(1));
    cluster.done("operator", report(1, None, Report::Disconnected));
    let (code, why) = cluster.refusal(ADMIN, delete(1));
    assert_eq!(code, "CustomKeyStoreHasCMKsException");
    assert!(why.contains(&key_arn(5).to_string()), "{why}");
}

/// K-7, K-10, K-11: update.
#[test]
fn update_custom_key_store_refuses_in_the_order_of_its_checks() {
    check_common("kms:UpdateCustomKeyStore", |n| update(n, |_| ()));
    let cluster = in_state(Connection::Disconnected);
    let no = |who: &str, n: u8, change: fn(&mut Update)| cluster.refusal(who, update(n, change));
    let mut kms_only = cluster.copy();
    kms_only.put_policy(BOB, r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"kms:*","Resource":"*"}}"#);
    let mut third = cluster.copy();
    let mut other = hsm(3);
    other.cluster = OTHER_CLUSTER.parse().ok();
    third.done(ADMIN, created(other));
    let invalid = "ValidationException";
    check_rows(vec![
        (
            "empty name",
            no(BOB, 1, |u| u.new_name = Some("".into())),
            invalid,
            "'newCustomKeyStoreName'",
        ),
        (
            "unsealed",
            no(BOB, 1, |u| {
                u.credential = Some(Credential::Password { sealed: [].into() })
            }),
            invalid,
            "sealed",
        ),
        (
            "not to look at clusters",
            kms_only.refusal(BOB, update(1, |u| u.cluster = CLUSTER.parse().ok())),
            "AccessDeniedException",
            "cloudhsm:DescribeClusters",
        ),
        (
            "proxy of a cluster",
            no(ADMIN, 1, |u| u.proxy.endpoint = external(1).proxy.endpoint),
            invalid,
            "'xksProxyUriEndpoint' is not for",
        ),
        (
            "access key of a cluster",
            no(ADMIN, 1, |u| u.credential = access_key()),
            invalid,
            "'xksProxyAuthenticationCredential' is not for",
        ),
        (
            "cluster of a proxy",
            no(ADMIN, 2, |u| u.cluster = CLUSTER.parse().ok()),
            invalid,
            "'cloudHsmClusterId' is not for",
        ),
        (
            "password of a proxy",
            no(ADMIN, 2, |u| u.credential = password()),
            invalid,
            "'keyStorePassword' is not for",
        ),
        (
            "private without a service",
            no(ADMIN, 2, |u| {
                u.proxy.connectivity = Some(XksConnectivity::VpcEndpointService)
            }),
            invalid,
            "'xksProxyVpcEndpointServiceName'",
        ),
        (
            "private at the old address",
            no(ADMIN, 2, |u| {
                u.proxy.connectivity = Some(XksConnectivity::VpcEndpointService);
                u.proxy.vpc_service = SERVICE.parse().ok();
            }),
            invalid,
            "'xksProxyUriEndpoint'",
        ),
        (
            "name in use",
            no(ADMIN, 1, |u| u.new_name = Some("xks 2".into())),
            "CustomKeyStoreNameInUseException",
            "xks 2",
        ),
        (
            "cluster in use",
            third.refusal(ADMIN, update(1, |u| u.cluster = OTHER_CLUSTER.parse().ok())),
            "CloudHsmClusterNotRelatedException",
            OTHER_CLUSTER,
        ),
    ]);
    let mut crowd = cluster.copy();
    crowd.done(ADMIN, created(private(4)));
    crowd.done(ADMIN, created(external(5)));
    let proxy =
        |change: fn(&mut ProxyMembers)| crowd.refusal(ADMIN, update(2, |u| change(&mut u.proxy)));
    check_rows(vec![
        (
            "address in use",
            proxy(|p| p.endpoint = external(5).proxy.endpoint),
            "XksProxyUriInUseException",
            "xks-5",
        ),
        (
            "private name in use",
            proxy(|p| {
                p.endpoint = private(4).proxy.endpoint;
                p.path = "/b/kms/xks/v1".parse().ok();
            }),
            "XksProxyUriEndpointInUseException",
            "xks-4",
        ),
        (
            "service in use",
            proxy(|p| {
                *p = private(6).proxy;
                p.vpc_service = private(4).proxy.vpc_service;
            }),
            "XksProxyVpcEndpointServiceInUseException",
            SERVICE,
        ),
    ]);
}

/// K-7: while connected a name may change, and of an external store the credential and the path.
#[test]
fn connected_store_is_changed_in_what_does_not_part_it_from_its_keys() {
    let name = |u: &mut Update| u.new_name = Some("new".into());
    assert_eq!(works(|| update(1, name), 1), "C..D.");
    assert_eq!(works(|| update(2, name), 2), "C..D.");
    assert_eq!(
        works(|| update(1, |u| u.credential = password()), 1),
        "...D."
    );
    assert_eq!(
        works(|| update(2, |u| u.credential = access_key()), 2),
        "C..D."
    );
    let path = |u: &mut Update| u.proxy.path = "/new/kms/xks/v2".parse().ok();
    assert_eq!(works(|| update(2, path), 2), "C..D.");
    assert_eq!(
        works(|| update(1, |u| u.cluster = CLUSTER.parse().ok()), 1),
        "...D."
    );
    let endpoint = |u: &mut Update| u.proxy.endpoint = external(8).proxy.endpoint;
    assert_eq!(works(|| update(2, endpoint), 2), "...D.");
    let both = |u: &mut Update| {
        name(u);
        endpoint(u);
    };
    assert_eq!(works(|| update(2, both), 2), "...D.");
    assert_eq!(works(|| update(1, |_| ()), 1), "...D.");
}

/// K-11: what is absent stays, what is there is new; a proxy that becomes private and public again.
#[test]
fn update_changes_what_it_names() {
    let mut cluster = in_state(Connection::Disconnected);
    cluster.done(
        ADMIN,
        update(1, |u| {
            u.new_name = Some("new".into());
            u.cluster = CLUSTER.parse().ok();
        }),
    );
    let store = cluster.state.key_store(&id(1)).unwrap();
    assert_eq!(&*store.name, "new");
    assert!(
        matches!(&store.backing, Backing::CloudHsm { cluster, trust_anchor, sealed_password }
        if cluster.as_str() == CLUSTER && &**trust_anchor == "-" && **sealed_password == [1])
    );
    let proxy = |cluster: &Cluster| match &cluster.state.key_store(&id(2)).unwrap().backing {
        Backing::External(proxy) => proxy.clone(),
        Backing::CloudHsm { .. } => panic!("a cluster"),
    };
    let before = proxy(&cluster);
    cluster.done(
        ADMIN,
        update(2, |u| {
            u.proxy.connectivity = Some(XksConnectivity::VpcEndpointService);
            u.proxy.vpc_service = SERVICE.parse().ok();
            u.proxy.endpoint = external(8).proxy.endpoint;
            u.credential = Some(Credential::AccessKey {
                id: "A".repeat(20).parse().unwrap(),
                sealed: [9].into(),
            });
        }),
    );
    let after = proxy(&cluster);
    assert!(matches!(&after.route, XksRoute::Vpc { owner, .. } if owner.to_string() == OWNER));
    assert_eq!(
        (&after.path, &*after.sealed_secret),
        (&before.path, &[9][..])
    );
    cluster.done(
        ADMIN,
        update(2, |u| {
            u.proxy.vpc_service_owner = "444455556666".parse().ok()
        }),
    );
    assert!(
        matches!(&proxy(&cluster).route, XksRoute::Vpc { owner, service } if owner.to_string() == "444455556666" && service.as_str() == SERVICE)
    );
    cluster.done(
        ADMIN,
        update(2, |u| {
            u.proxy.connectivity = Some(XksConnectivity::PublicEndpoint);
            u.proxy.endpoint = Some(before.endpoint.clone());
        }),
    );
    assert_eq!(proxy(&cluster).route, XksRoute::Public);
}

/// K-6: only the attempt that is under way ends, and only as such an attempt can.
#[test]
fn report_custom_key_store_refuses_in_the_order_of_its_checks() {
    let mut cluster = connected();
    cluster.done(ADMIN, disconnect(1));
    let failed = Report::Failed(ConnectionErrorCode::XksProxyTimedOut);
    check_rows(vec![
        (
            "not the operator",
            cluster.refusal(ADMIN, report(9, None, failed)),
            "AccessDeniedException",
            "operator",
        ),
        (
            "not there",
            cluster.refusal("operator", report(9, None, failed)),
            "CustomKeyStoreNotFoundException",
            "does not exist",
        ),
        (
            "a proxy's failure",
            cluster.refusal("operator", report(1, Some(1), failed)),
            "ValidationException",
            "XKS_PROXY_TIMED_OUT",
        ),
        (
            "another attempt",
            cluster.refusal("operator", report(1, Some(1), Report::Connected)),
            INVALID_STATE,
            "another attempt",
        ),
        (
            "connected by disconnecting",
            cluster.refusal("operator", report(1, None, Report::Connected)),
            INVALID_STATE,
            "no attempt",
        ),
    ]);
    let ends = |report_of: Report| -> String {
        ALL_STATES
            .iter()
            .map(|connection| {
                match in_state(*connection).run("operator", report(1, None, report_of)) {
                    Ok(_) => 'y',
                    Err((code, _)) => {
                        assert_eq!(code, INVALID_STATE);
                        '.'
                    }
                }
            })
            .collect()
    };
    assert_eq!(ends(Report::Connected), ".y...");
    assert_eq!(
        ends(Report::Failed(ConnectionErrorCode::UserLockedOut)),
        ".y..."
    );
    assert_eq!(ends(Report::Disconnected), "....y");
}

/// K-6, K-8: the whole way, with a report that comes too late for its attempt.
#[test]
fn store_that_failed_is_disconnected_and_connected_again() {
    let mut cluster = Cluster::new();
    cluster.done(ADMIN, created(hsm(1)));
    assert_eq!(state_of(&cluster, 1), ConnectionState::Disconnected);
    cluster.done(ADMIN, connect(1));
    let first = cluster.at;
    let event = |change| Event::KeyStoreChanged(id(1), KeyStoreChange::Connection(change));
    assert_eq!(cluster.events, [event(ConnectionState::Connecting)]);
    cluster.done(ADMIN, connect(1));
    assert_eq!(cluster.events, []);
    cluster.done(
        "operator",
        report(
            1,
            Some(first),
            Report::Failed(ConnectionErrorCode::UserLockedOut),
        ),
    );
    assert_eq!(cluster.events, [event(ConnectionState::Failed)]);
    cluster.done(ADMIN, disconnect(1));
    cluster.done("operator", report(1, None, Report::Disconnected));
    cluster.done(ADMIN, connect(1));
    let second = cluster.at;
    let late = cluster.refusal("operator", report(1, Some(first), Report::Connected));
    assert_eq!(late.0, INVALID_STATE);
    cluster.done("operator", report(1, Some(second), Report::Connected));
    assert_eq!(state_of(&cluster, 1), ConnectionState::Connected);
}

/// K-10, G-32: describe.
#[test]
fn describe_custom_key_stores_refuses_in_the_order_of_its_checks() {
    let cluster = connected();
    let no = |who: &str, question: Query| cluster.ask(who, question).unwrap_err();
    check_rows(vec![
        (
            "both, the operator",
            no("operator", describe(Some(1), Some("hsm 1"), page(0, None))),
            "ValidationException",
            "not by both",
        ),
        (
            "the operator",
            no("operator", describe(None, None, page(0, None))),
            "ValidationException",
            "no account",
        ),
        (
            "no entry a page",
            no(BOB, describe(None, None, page(0, None))),
            "ValidationException",
            "limit",
        ),
        (
            "a made-up marker",
            no(BOB, describe(None, None, page(1, Some("x".into())))),
            "InvalidMarkerException",
            "marker",
        ),
        (
            "no permission",
            no(BOB, describe(Some(9), None, page(1, None))),
            "AccessDeniedException",
            "kms:DescribeCustomKeyStores",
        ),
        (
            "no such id",
            no(ADMIN, describe(Some(9), None, page(1, None))),
            "CustomKeyStoreNotFoundException",
            id(9).as_str(),
        ),
        (
            "no such name",
            no(ADMIN, describe(None, Some("hsm 9"), page(1, None))),
            "CustomKeyStoreNotFoundException",
            "hsm 9",
        ),
    ]);
    let told = |who: &str, question: Query| match cluster.ask(who, question) {
        Ok(Answer::KeyStores(paged)) => paged,
        other => panic!("{other:?}"),
    };
    let (all, pages) = all_pages(|page| told(ADMIN, describe(None, None, page)), 1);
    let ids: Vec<_> = all.into_iter().map(|store| store.id).collect();
    assert_eq!((ids, pages), (vec![id(1), id(2)], 2));
    let by_name = told(ADMIN, describe(None, Some("xks 2"), page(1, None)));
    assert_eq!(by_name.items.first().unwrap().id, id(2));
    let by_id = told(ADMIN, describe(Some(2), None, page(1, None)));
    assert_eq!((by_id.items.len(), by_id.next), (1, None));
    let root = "arn:aws:iam::444455556666:root";
    assert!(
        told(root, describe(None, None, page(5, None)))
            .items
            .is_empty()
    );
    assert_eq!(
        no(EXT, describe(None, None, page(5, None))).0,
        "AccessDeniedException"
    );
}

/// K-6: the connector sees what waits, of every account, and nothing else.
#[test]
fn list_key_store_work_refuses_in_the_order_of_its_checks() {
    let mut cluster = connected();
    let list = |page| Query::ListKeyStoreWork(list_key_store_work::ListKeyStoreWork { page });
    check_rows(vec![
        (
            "no entry a page",
            cluster.ask(ADMIN, list(page(0, None))).unwrap_err(),
            "ValidationException",
            "limit",
        ),
        (
            "not the operator",
            cluster.ask(ADMIN, list(page(1, None))).unwrap_err(),
            "AccessDeniedException",
            "operator",
        ),
    ]);
    cluster.done(ADMIN, disconnect(1));
    cluster.done("arn:aws:iam::444455556666:root", created(external(3)));
    cluster.done("arn:aws:iam::444455556666:root", connect(3));
    let (all, _) = all_pages(
        |page| match cluster.ask("operator", list(page)) {
            Ok(Answer::KeyStores(paged)) => paged,
            other => panic!("{other:?}"),
        },
        1,
    );
    let waits: Vec<_> = all
        .iter()
        .map(|store| (store.id.clone(), store.connection.state()))
        .collect();
    assert_eq!(
        waits,
        [
            (id(1), ConnectionState::Disconnecting),
            (id(3), ConnectionState::Connecting)
        ]
    );
}

/// K-5, K-7, W-4: CreateKey in a store; the rest of its checks are with the operation.
#[test]
fn create_key_in_a_store_refuses_in_the_order_of_its_checks() {
    let mut cluster = connected();
    make_key(&mut cluster, key_in(5, 2, KeyOrigin::ExternalKeyStore));
    let no = |origin: KeyOrigin, change: fn(&mut create_key_op::CreateKey)| {
        let store = if origin == KeyOrigin::ExternalKeyStore {
            2
        } else {
            1
        };
        let mut create = key_in(6, store, origin);
        change(&mut create);
        cluster.refusal(ADMIN, Command::CreateKey(create))
    };
    let (in_hsm, outside) = (KeyOrigin::AwsCloudHsm, KeyOrigin::ExternalKeyStore);
    let unsupported = "UnsupportedOperationException";
    check_rows(vec![
        (
            "no store",
            no(in_hsm, |c| c.custom_key_store = None),
            "ValidationException",
            "Value null at 'customKeyStoreId'",
        ),
        (
            "no origin",
            no(in_hsm, |c| c.origin = KeyOrigin::AwsKms),
            "ValidationException",
            "'customKeyStoreId' is not for a key of origin AWS_KMS",
        ),
        (
            "no external key",
            no(outside, |c| c.xks_key = None),
            "ValidationException",
            "Value null at 'xksKeyId'",
        ),
        (
            "external key in a cluster",
            no(in_hsm, |c| c.xks_key = "a".parse().ok()),
            "ValidationException",
            "'xksKeyId' is for a key of origin",
        ),
        (
            "another spec",
            no(in_hsm, |c| {
                c.spec = KeySpec::Hmac256;
                c.usage = Some(crate::domain::state::key::KeyUsage::GenerateVerifyMac);
            }),
            unsupported,
            "SYMMETRIC_DEFAULT",
        ),
        (
            "multi-Region",
            no(in_hsm, |c| {
                c.multi_region = create_key_op::MultiRegion::Primary;
                c.key_id = crate::domain::ids::KeyId::MultiRegion([6; 16]);
            }),
            unsupported,
            "multi-Region",
        ),
        (
            "unknown store",
            no(in_hsm, |c| c.custom_key_store = Some(id(9))),
            "CustomKeyStoreNotFoundException",
            "does not exist",
        ),
        (
            "another type",
            no(in_hsm, |c| c.custom_key_store = Some(id(2))),
            unsupported,
            "EXTERNAL_KEY_STORE",
        ),
        (
            "external key in use",
            no(outside, |c| c.xks_key = "xks-5".parse().ok()),
            "XksKeyAlreadyInUseException",
            &key_arn(5).to_string(),
        ),
    ]);
    for connection in ALL_STATES {
        let refused = in_state(connection).run(ADMIN, Command::CreateKey(key_in(7, 1, in_hsm)));
        match connection {
            Connection::Connected => assert!(refused.is_ok()),
            _ => assert_eq!(refused.unwrap_err().0, INVALID_STATE),
        }
    }
    // The same external key of another store is another key.
    let mut twin = connected();
    twin.done(ADMIN, created(private(4)));
    twin.done(ADMIN, connect(4));
    twin.done("operator", report(4, None, Report::Connected));
    make_key(&mut twin, key_in(5, 2, outside));
    let mut other = key_in(6, 4, outside);
    other.xks_key = "xks-5".parse().ok();
    make_key(&mut twin, other);
}

fn seen(cluster: &Cluster, n: u8) -> KeyState {
    let text = key_arn(n).to_string();
    let question = describe_key::DescribeKey {
        key: text.parse().unwrap(),
    };
    match cluster.ask(ADMIN, Query::DescribeKey(question)) {
        Ok(Answer::Key(described)) => described.key.state,
        other => panic!("{other:?}"),
    }
}

/// K-12, ST-2: keys are Unavailable while their store is not connected, can be managed all the while, and have their own
/// state again afterwards; one that is pending deletion stays so.
#[test]
fn keys_of_a_disconnected_store_are_unavailable_and_manageable() {
    let mut cluster = connected();
    for n in [5, 6, 7] {
        make_key(&mut cluster, key_in(n, 1, KeyOrigin::AwsCloudHsm));
    }
    let mut pending = (**cluster.state.key(&key_arn(7)).unwrap()).clone();
    pending.state = KeyState::PendingDeletion;
    cluster.state.put_key(Arc::new(pending));
    assert_eq!(
        [5, 6, 7].map(|n| seen(&cluster, n)),
        [
            KeyState::Enabled,
            KeyState::Enabled,
            KeyState::PendingDeletion
        ]
    );
    cluster.done(ADMIN, disconnect(1));
    for report_of in [None, Some(Report::Disconnected)] {
        if let Some(report_of) = report_of {
            cluster.done("operator", report(1, None, report_of));
        }
        assert_eq!(
            [5, 6, 7].map(|n| seen(&cluster, n)),
            [
                KeyState::Unavailable,
                KeyState::Unavailable,
                KeyState::PendingDeletion
            ]
        );
    }
    let key_5 = cluster.state.key(&key_arn(5)).unwrap();
    let refused = key_rules::check_usable(KmsAction::Decrypt, &cluster.state, key_5).unwrap_err();
    assert_eq!(refused.code, ErrorCode::KmsInvalidState);
    assert_eq!(&*refused.message, format!("{} is unavailable.", key_arn(5)));
    let mut grant = create_grant(1, BOB);
    grant.key = key(5);
    cluster.done(ADMIN, Command::CreateGrant(grant));
    cluster.done(
        ADMIN,
        Command::DisableKey(disable_key::DisableKey { key: key(6) }),
    );
    assert_eq!(seen(&cluster, 6), KeyState::Unavailable);
    cluster.done(ADMIN, connect(1));
    assert_eq!(seen(&cluster, 5), KeyState::Unavailable);
    cluster.done("operator", report(1, None, Report::Connected));
    assert_eq!(
        [5, 6, 7].map(|n| seen(&cluster, n)),
        [
            KeyState::Enabled,
            KeyState::Disabled,
            KeyState::PendingDeletion
        ]
    );
    cluster.done(
        ADMIN,
        Command::EnableKey(enable_key::EnableKey { key: key(6) }),
    );
    assert_eq!(seen(&cluster, 6), KeyState::Enabled);
    let key_5 = cluster.state.key(&key_arn(5)).unwrap();
    assert_eq!(
        key_rules::check_usable(KmsAction::Decrypt, &cluster.state, key_5),
        Ok(())
    );
}

/// K-12: a store of many keys connects and disconnects in one small write.
#[test]
fn keys_of_a_store_are_not_written_when_it_disconnects() {
    let mut cluster = connected();
    make_key(&mut cluster, key_in(5, 1, KeyOrigin::AwsCloudHsm));
    let before = Arc::clone(cluster.state.key(&key_arn(5)).unwrap());
    cluster.done(ADMIN, disconnect(1));
    assert!(Arc::ptr_eq(
        &before,
        cluster.state.key(&key_arn(5)).unwrap()
    ));
    assert_eq!(
        cluster.state.keys_of_store(&id(1)).collect::<Vec<_>>(),
        [&key_arn(5)]
    );
    assert_eq!(cluster.state.keys_of_store(&id(2)).count(), 0);
}

/// K-14, K-13, U-4: grants on the key of a store, but none of data key pairs; what DescribeKey tells of its place.
#[test]
fn key_of_a_store_takes_grants_and_tells_its_place() {
    let mut cluster = connected();
    make_key(&mut cluster, key_in(5, 1, KeyOrigin::AwsCloudHsm));
    let Output::Key(made) = cluster.done(
        ADMIN,
        Command::CreateKey(key_in(6, 2, KeyOrigin::ExternalKeyStore)),
    ) else {
        panic!("no key")
    };
    assert_eq!(made.cloud_hsm_cluster, None);
    let place = made.key.custom_key_store.unwrap();
    assert_eq!((place.store, place.xks_key), (id(2), "xks-6".parse().ok()));
    let described = super::KeyDescription::of(
        &cluster.state,
        (**cluster.state.key(&key_arn(5)).unwrap()).clone(),
    );
    assert_eq!(described.cloud_hsm_cluster, hsm(1).cluster);
    assert_eq!(described.key.origin, KeyOrigin::AwsCloudHsm);
    let mut grant = create_grant(1, BOB);
    grant.key = key(5);
    grant.operations = vec![GrantOperation::GenerateDataKeyPair];
    let (code, _) = cluster.refusal(ADMIN, Command::CreateGrant(grant.clone()));
    assert_eq!(code, "ValidationException");
    grant.operations = vec![GrantOperation::GenerateDataKey];
    cluster.done(ADMIN, Command::CreateGrant(grant));
}

/// K-7: random bytes come from a connected cluster alone.
#[test]
fn random_bytes_come_from_a_connected_cluster_alone() {
    let check = |cluster: &Cluster, n: u8| {
        let account = OWNER.parse().unwrap();
        let checked = key_stores::check_random_source(
            &cluster.state,
            &super::testing::scope(),
            account,
            &id(n),
        );
        checked.map_err(|no| no.code.as_str())
    };
    let cluster = connected();
    assert_eq!(check(&cluster, 1), Ok(()));
    assert_eq!(check(&cluster, 2), Err("UnsupportedOperationException"));
    assert_eq!(check(&cluster, 9), Err("CustomKeyStoreNotFoundException"));
    assert_eq!(
        check(&in_state(Connection::Disconnected), 1),
        Err(INVALID_STATE)
    );
}

/// Q-11: a retry of CreateCustomKeyStore answers with the id and makes no second store.
#[test]
fn retried_create_answers_with_the_first_id() {
    let mut cluster = Cluster::new();
    let birth = cluster.at;
    let mut send = |create: Create| {
        let idempotency = super::Idempotency {
            key: "k".into(),
            birth: Revision(birth),
            request_hash: [1; 32],
        };
        let entry = cluster.entry(
            &super::testing::caller(ADMIN),
            Some(idempotency),
            created(create),
        );
        match cluster.apply(&entry) {
            Ok(Output::KeyStore(id)) => id,
            other => panic!("{other:?}"),
        }
    };
    let mut retry = hsm(1);
    retry.id = id(2);
    assert_eq!((send(hsm(1)), send(retry)), (id(1), id(1)));
}

/// DESIGN: a snapshot brings stores, their keys and the indexes back; a key without its store is no state.
#[test]
fn snapshot_brings_stores_and_their_keys_back() {
    let mut cluster = connected();
    make_key(&mut cluster, key_in(5, 2, KeyOrigin::ExternalKeyStore));
    cluster.done(ADMIN, disconnect(1));
    let copy = State::import(*cluster.state.header(), cluster.state.export()).unwrap();
    assert_eq!(copy.fingerprint(), cluster.state.fingerprint());
    assert_eq!(
        copy.key_of_xks_key(&id(2), &"xks-5".parse().unwrap()),
        Some(&key_arn(5))
    );
    assert_eq!(copy.keys_of_store(&id(2)).count(), 1);
    let without = cluster
        .state
        .export()
        .filter(|fact| fact.kind() != "custom key store");
    let refused = State::import(*cluster.state.header(), without).unwrap_err();
    assert!(
        refused.to_string().contains("custom key store"),
        "{refused}"
    );
}
