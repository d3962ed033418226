//! CreateCustomKeyStore, its permissions, and the service-linked role.

use super::key_store_tests::*;

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
        Event::PrincipalChanged(made, crate::domain::op::Change::Created),
        Event::KeyStoreChanged(store, KeyStoreChange::Created),
    ] if made.as_str() == SLR && *store == id(2)));
    let role = Arc::clone(cluster.state.principal(&arn(SLR)).unwrap());
    assert_eq!(role.service, Some("cks.kms.amazonaws.com".parse().unwrap()));
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
    let bounded =
        crate::domain::op::put_principal_permissions_boundary::PutPrincipalPermissionsBoundary {
            arn: arn(SLR),
            policy: ALLOW_ALL.into(),
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
            "InvalidInput",
            "can only be used for AWS Service linked Roles",
        ),
        (
            "made again",
            cluster.refusal(ADMIN, by_hand(SLR)),
            "InvalidInput",
            "can only be used for AWS Service linked Roles",
        ),
        (
            "another name there",
            cluster.refusal(
                ADMIN,
                by_hand(
                    "arn:aws:iam::111122223333:role/aws-service-role/cks.kms.amazonaws.com/other",
                ),
            ),
            "InvalidInput",
            "can only be used for AWS Service linked Roles",
        ),
        (
            "made by hand by the operator",
            Cluster::new().refusal("operator", by_hand(SLR)),
            "ValidationException",
            "cannot be made by hand",
        ),
        (
            "deleted by the operator",
            cluster.refusal(
                "operator",
                Command::DeletePrincipal(delete_principal::DeletePrincipal { arn: arn(SLR) }),
            ),
            "UnmodifiableEntity",
            "protected role",
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
            "bounded",
            cluster.refusal(ADMIN, Command::PutPrincipalPermissionsBoundary(bounded)),
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
    // IAM TagRole: the role can be a regular one or a service-linked one.
    let tag = crate::domain::op::tag_principal::TagPrincipal {
        arn: arn(SLR),
        tags: [("team".into(), "keys".into())].into(),
    };
    cluster.done(ADMIN, Command::TagPrincipal(tag));
    let untag = crate::domain::op::untag_principal::UntagPrincipal {
        arn: arn(SLR),
        tag_keys: ["team".into()].into(),
    };
    cluster.done(ADMIN, Command::UntagPrincipal(untag));
    let unchanged = cluster.state.principal(&arn(SLR)).unwrap();
    let texts = |role: &crate::domain::state::principal::Principal| {
        let texts = role
            .policies
            .values()
            .map(|policy| policy.text().to_owned());
        texts.collect::<Vec<_>>()
    };
    assert_eq!(unchanged.unique_id, role.unique_id);
    assert_eq!(texts(unchanged), texts(&role));
    assert_eq!(cluster.state.principal(&arn(APP)).unwrap().service, None);
}
