//! UpdateCustomKeyStore.

use super::key_store_tests::*;

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
            "connected",
            connected().refusal(ADMIN, update(1, |u| u.credential = password())),
            INVALID_STATE,
            "disconnect it before it is changed",
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
