//! The operations on custom key stores together: their refusals in the order of their checks, the state machine, the
//! service-linked role, and the keys in a store.

pub(super) use std::sync::Arc;

pub(super) use super::testing::{
    ADMIN, ALLOW_ALL, APP, BOB, Cluster, EXT, OWNER, Refused, all_pages, arn, check_rows,
    create_grant, create_key, key, key_arn, page,
};
pub(super) use super::{Answer, Command, ErrorCode, Event, KeyStoreChange, Output, Query};
pub(super) use super::{
    connect_custom_key_store, create_custom_key_store, create_key as create_key_op,
    create_principal, delete_custom_key_store, delete_principal, delete_principal_policy,
    describe_custom_key_stores, describe_key, disable_key, disconnect_custom_key_store, enable_key,
    key_kinds, key_stores, key_use, list_key_store_work, put_principal_policy,
    report_custom_key_store, update_custom_key_store,
};
pub(super) use crate::domain::ids::{CustomKeyStoreId, UniqueId};
pub(super) use crate::domain::op::key_stores::ProxyMembers;
pub(super) use crate::domain::op::report_custom_key_store::Report;
pub(super) use crate::domain::policy::KmsAction;
pub(super) use crate::domain::state::State;
pub(super) use crate::domain::state::grant::GrantOperation;
pub(super) use crate::domain::state::key::{KeyOrigin, KeySpec, KeyState};
pub(super) use crate::domain::state::key_store::{
    Backing, Connection, ConnectionErrorCode, ConnectionState, Credential, KeyStoreType,
    XksConnectivity, XksRoute,
};
pub(super) use crate::domain::time::Revision;

pub(super) const CLUSTER: &str = "cluster-abcdefghijk";
pub(super) const OTHER_CLUSTER: &str = "cluster-bcdefghijkl";
pub(super) const SERVICE: &str = "com.amazonaws.vpce.eu-west-1.vpce-svc-0a1b";
pub(super) const SLR: &str = "arn:aws:iam::111122223333:role/aws-service-role/cks.kms.amazonaws.com/AWSServiceRoleForKeyManagementServiceCustomKeyStores";
pub(super) const INVALID_STATE: &str = "CustomKeyStoreInvalidStateException";

pub(super) type Create = create_custom_key_store::CreateCustomKeyStore;
pub(super) type Update = update_custom_key_store::UpdateCustomKeyStore;

pub(super) fn id(n: u8) -> CustomKeyStoreId {
    CustomKeyStoreId::of_new(&[n; 16])
}

pub(super) fn sealed() -> Arc<[u8]> {
    [1].into()
}

pub(super) fn access_key() -> Option<Credential> {
    Some(Credential::AccessKey {
        id: "ABCDE22345677ABCDEFG".parse().unwrap(),
        sealed: sealed(),
    })
}

pub(super) fn password() -> Option<Credential> {
    Some(Credential::Password { sealed: sealed() })
}

pub(super) fn hsm(n: u8) -> Create {
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

pub(super) fn external(n: u8) -> Create {
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

pub(super) fn private(n: u8) -> Create {
    let mut create = external(n);
    create.proxy.connectivity = Some(XksConnectivity::VpcEndpointService);
    create.proxy.vpc_service = Some(format!("{SERVICE}{n}").parse().unwrap());
    create
}

pub(super) fn created(create: Create) -> Command {
    Command::CreateCustomKeyStore(create)
}

pub(super) fn update(n: u8, change: impl FnOnce(&mut Update)) -> Command {
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

pub(super) fn connect(n: u8) -> Command {
    Command::ConnectCustomKeyStore(connect_custom_key_store::ConnectCustomKeyStore { id: id(n) })
}

pub(super) fn disconnect(n: u8) -> Command {
    Command::DisconnectCustomKeyStore(disconnect_custom_key_store::DisconnectCustomKeyStore {
        id: id(n),
    })
}

pub(super) fn delete(n: u8) -> Command {
    Command::DeleteCustomKeyStore(delete_custom_key_store::DeleteCustomKeyStore { id: id(n) })
}

pub(super) fn report(n: u8, attempt: Option<u64>, report: Report) -> Command {
    Command::ReportCustomKeyStore(report_custom_key_store::ReportCustomKeyStore {
        id: id(n),
        attempt: attempt.map(Revision),
        report,
    })
}

pub(super) fn describe(named: Option<u8>, name: Option<&str>, page: super::Page) -> Query {
    Query::DescribeCustomKeyStores(describe_custom_key_stores::DescribeCustomKeyStores {
        id: named.map(id),
        name: name.map(Arc::from),
        page,
    })
}

pub(super) fn state_of(cluster: &Cluster, n: u8) -> ConnectionState {
    cluster.state.key_store(&id(n)).unwrap().connection.state()
}

/// A store of each type: 1 is CloudHSM, 2 is external, both connected.
pub(super) fn connected() -> Cluster {
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
pub(super) fn in_state(connection: Connection) -> Cluster {
    let mut cluster = connected();
    for n in [1, 2] {
        let mut store = (**cluster.state.key_store(&id(n)).unwrap()).clone();
        store.connection = connection;
        cluster.state.put_key_store(Arc::new(store));
    }
    cluster
}

pub(super) fn key_in(n: u8, store: u8, origin: KeyOrigin) -> create_key_op::CreateKey {
    let mut create = create_key(n);
    create.origin = origin;
    create.custom_key_store = Some(id(store));
    if origin == KeyOrigin::ExternalKeyStore {
        create.xks_key = format!("xks-{n}").parse().ok();
    }
    create
}

pub(super) fn make_key(cluster: &mut Cluster, create: create_key_op::CreateKey) {
    cluster.done(ADMIN, Command::CreateKey(create));
}

pub(super) const ALL_STATES: [Connection; 5] = [
    Connection::Connected,
    Connection::Connecting,
    Connection::Failed(ConnectionErrorCode::NetworkErrors),
    Connection::Disconnected,
    Connection::Disconnecting,
];

/// What connect, disconnect and delete share.
pub(super) fn check_common(name: &str, command: fn(u8) -> Command) {
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
pub(super) fn works(command: impl Fn() -> Command, store: u8) -> String {
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
