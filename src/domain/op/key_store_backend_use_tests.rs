//! What is refused for what the connector told of what is behind stores.

use super::key_store_backend_tests::*;

/// K-11: CreateCustomKeyStore on a cluster, in the order in which AWS looks.
#[test]
fn create_custom_key_store_on_a_cluster_refuses_what_the_connector_knows_to_be_wrong() {
    let mut made = Cluster::new();
    made.done(ADMIN, created(hsm(1)));
    made.done(ADMIN, delete(1));
    let create = || {
        let mut create = hsm(1);
        create.trust_anchor = Some(CERTIFICATE.into());
        created(create)
    };
    let no = |backends| refused_once(&made, backends, create());
    let bad = |change: fn(&mut ClusterFacts)| no(vec![cluster_told(1, change)]);
    let invalid = "CloudHsmClusterInvalidConfigurationException";
    check_rows(vec![
        (
            "gone",
            no(vec![cluster_gone(1)]),
            "CloudHsmClusterNotFoundException",
            "cluster-bbbbbbbbbbb was not found",
        ),
        (
            "another was told of",
            no(vec![cluster_told(2, |_| ())]),
            "CloudHsmClusterNotFoundException",
            "cluster-bbbbbbbbbbb was not found",
        ),
        (
            "not active",
            bad(|c| {
                c.active = false;
                c.trust_anchor = Some("other".into());
                c.active_zones = 0;
            }),
            "CloudHsmClusterNotActiveException",
            "is not active",
        ),
        (
            "another certificate",
            bad(|c| {
                c.trust_anchor = Some("other".into());
                c.active_zones = 0;
            }),
            "IncorrectTrustAnchorException",
            "customerCA.crt",
        ),
        (
            "one HSM",
            bad(|c| c.active_zones = 1),
            invalid,
            "1 Availability Zones, and this operation needs 2",
        ),
        (
            "no security group",
            bad(|c| c.fault = Some("its security group is gone".into())),
            invalid,
            "its security group is gone",
        ),
    ]);
    // However the lines of the certificate are broken; and with none told, any is taken.
    let mut fine = made.copy();
    let certificate = CERTIFICATE.replace('\n', "\r\n");
    tell(
        &mut fine,
        vec![cluster_told(1, |c| {
            c.trust_anchor = Some(certificate.into())
        })],
    );
    fine.done(ADMIN, create());
    // Nothing is known of the clusters of an account whose proxies alone were told of, or of another account's.
    let mut unmanaged = made.copy();
    tell(&mut unmanaged, vec![proxy_told(1, ProxyHealth::Sound)]);
    unmanaged.done(
        "operator",
        told_of(ELSEWHERE, vec![cluster_gone(1)], vec![]),
    );
    unmanaged.done(ADMIN, create());
    // A local reason is told first, and a name that was forgotten is as if it had never been told.
    let mut again = made.copy();
    tell(&mut again, vec![cluster_gone(1)]);
    let mut twin = external(1);
    twin.name = hsm(1).name;
    again.done(ADMIN, created(twin));
    assert_eq!(
        again.refusal(ADMIN, create()).0,
        "CustomKeyStoreNameInUseException"
    );
    let forget = vec![BackendName::Cluster(cluster_id(1))];
    again.done("operator", told_of(OWNER, vec![], forget));
    let mut other = hsm(1);
    (other.id, other.name) = (id(2), "other".into());
    again.done(ADMIN, created(other));
}

/// K-11: UpdateCustomKeyStore to another cluster.
#[test]
fn update_custom_key_store_to_a_cluster_refuses_what_the_connector_knows_to_be_wrong() {
    let cluster = in_state(Connection::Disconnected);
    let other = || update(1, |u| u.cluster = Some(cluster_id(3)));
    let kin = |change: fn(&mut ClusterFacts)| {
        vec![cluster_told(3, |c| {
            c.related = [cluster_id(1)].into();
            change(c);
        })]
    };
    let no = |backends| refused_once(&cluster, backends, other());
    check_rows(vec![
        (
            "gone",
            no(vec![cluster_gone(3)]),
            "CloudHsmClusterNotFoundException",
            "was not found",
        ),
        (
            "no kin",
            no(vec![cluster_told(3, |c| c.active = false)]),
            "CloudHsmClusterNotRelatedException",
            "does not share a backup history",
        ),
        (
            "another certificate",
            no(kin(|c| {
                c.trust_anchor = Some("other".into());
                c.active = false;
            })),
            "CloudHsmClusterNotRelatedException",
            "certificate",
        ),
        (
            "not active",
            no(kin(|c| {
                c.active = false;
                c.active_zones = 0;
            })),
            "CloudHsmClusterNotActiveException",
            "is not active",
        ),
        (
            "one HSM",
            no(kin(|c| c.active_zones = 1)),
            "CloudHsmClusterInvalidConfigurationException",
            "needs 2",
        ),
    ]);
    let mut fine = cluster.copy();
    tell(&mut fine, kin(|_| ()));
    fine.done(ADMIN, other());
    // Whichever of the two names the other.
    let mut backwards = cluster.copy();
    let old = cluster_told(1, |c| c.related = [cluster_id(3)].into());
    tell(&mut backwards, vec![cluster_told(3, |_| ()), old]);
    backwards.done(ADMIN, other());
    // The same cluster again needs no kin; a new password alone asks for nothing.
    let mut same = cluster.copy();
    tell(&mut same, vec![cluster_told(1, |_| ())]);
    same.done(ADMIN, update(1, |u| u.cluster = Some(cluster_id(1))));
    tell(&mut same, vec![cluster_gone(1)]);
    same.done(ADMIN, update(1, |u| u.credential = password()));
}

/// K-6, K-11: ConnectCustomKeyStore needs an active HSM; that a cluster is gone is told by the connection.
#[test]
fn connect_custom_key_store_refuses_a_cluster_that_the_connector_knows_to_be_unfit() {
    let cluster = in_state(Connection::Disconnected);
    let no = |change: fn(&mut ClusterFacts)| {
        refused_once(&cluster, vec![cluster_told(1, change)], connect(1))
    };
    let invalid = "CloudHsmClusterInvalidConfigurationException";
    check_rows(vec![
        (
            "not active",
            no(|c| {
                c.active = false;
                c.active_zones = 0;
            }),
            "CloudHsmClusterNotActiveException",
            "is not active",
        ),
        (
            "no HSM",
            no(|c| c.active_zones = 0),
            invalid,
            "0 Availability Zones, and this operation needs 1",
        ),
        (
            "no subnet",
            no(|c| c.fault = Some("it has no private subnet".into())),
            invalid,
            "no private subnet",
        ),
    ]);
    let one = cluster_told(1, |c| c.active_zones = 1);
    for fine in [one, cluster_gone(1), cluster_told(2, |_| ())] {
        let mut cluster = cluster.copy();
        tell(&mut cluster, vec![fine]);
        cluster.done(ADMIN, connect(1));
    }
    // A store in the wrong state is refused for that.
    let failed = in_state(Connection::Failed(ConnectionErrorCode::NetworkErrors));
    let unfit = vec![cluster_told(1, |c| c.active = false)];
    assert_eq!(refused_once(&failed, unfit, connect(1)).0, INVALID_STATE);
}

fn sound(health: ProxyHealth) -> Vec<Backend> {
    vec![service_told(3, None), proxy_told(3, health)]
}

/// What is refused of a command that puts the proxy of [`private`] 3 behind a store, in the order in which a call to it
/// would find out.
fn check_proxy_rows(no: impl Fn(Vec<Backend>) -> Refused) {
    let strict = |health| {
        let known = ProxyFacts {
            access_keys: ["A".repeat(20).parse().unwrap()].into(),
            health,
        };
        let (at, known) = (address(3), Some(known));
        vec![service_told(3, None), Backend::Proxy { at, known }]
    };
    let why = || Arc::<str>::from("it is said why");
    check_rows(vec![
        (
            "no such service",
            no(vec![proxy_told(3, ProxyHealth::Unreachable(why()))]),
            "XksProxyVpcEndpointServiceNotFoundException",
            SERVICE,
        ),
        (
            "service gone",
            no(vec![Backend::VpcService {
                name: service_name(3),
                known: None,
            }]),
            "XksProxyVpcEndpointServiceNotFoundException",
            SERVICE,
        ),
        (
            "service not set up",
            no(vec![
                service_told(3, Some("KMS may not use it")),
                proxy_told(3, ProxyHealth::Unreachable(why())),
            ]),
            "XksProxyVpcEndpointServiceInvalidConfigurationException",
            "KMS may not use it",
        ),
        (
            "no such proxy",
            no(vec![service_told(3, None)]),
            "XksProxyUriUnreachableException",
            "no proxy answers there",
        ),
        (
            "no answer",
            no(strict(ProxyHealth::Unreachable(why()))),
            "XksProxyUriUnreachableException",
            "https://xks-3.example.com/kms/xks/v1 cannot be reached: it is said why",
        ),
        (
            "another credential",
            no(strict(ProxyHealth::InvalidResponse(why()))),
            "XksProxyIncorrectAuthenticationCredentialException",
            "does not take the access key id ABCDE22345677ABCDEFG",
        ),
        (
            "no answer of the protocol",
            no(sound(ProxyHealth::InvalidResponse(why()))),
            "XksProxyInvalidResponseException",
            "it is said why",
        ),
        (
            "wrongly configured",
            no(sound(ProxyHealth::InvalidConfiguration(why()))),
            "XksProxyInvalidConfigurationException",
            "it is said why",
        ),
    ]);
}

/// K-11: CreateCustomKeyStore with a proxy.
#[test]
fn create_custom_key_store_on_a_proxy_refuses_what_the_connector_knows_to_be_wrong() {
    let cluster = in_state(Connection::Disconnected);
    check_proxy_rows(|backends| refused_once(&cluster, backends, created(private(3))));
    let mut fine = cluster.copy();
    tell(&mut fine, sound(ProxyHealth::Sound));
    fine.done(ADMIN, created(private(3)));
    // Clusters that were told of say nothing of proxies.
    let mut clusters = cluster.copy();
    tell(&mut clusters, vec![cluster_gone(1)]);
    clusters.done(ADMIN, created(private(3)));
}

/// K-11: UpdateCustomKeyStore to another proxy.
#[test]
fn update_custom_key_store_to_a_proxy_refuses_what_the_connector_knows_to_be_wrong() {
    let cluster = in_state(Connection::Disconnected);
    let to_private = || update(2, |u| u.proxy = private(3).proxy);
    check_proxy_rows(|backends| refused_once(&cluster, backends, to_private()));
    let mut fine = cluster.copy();
    tell(&mut fine, sound(ProxyHealth::Sound));
    fine.copy().done(ADMIN, to_private());
    // A public proxy needs no service; a new name and nothing else asks for nothing; a new credential asks.
    let gone = vec![Backend::Proxy {
        at: address(2),
        known: None,
    }];
    tell(&mut fine, gone);
    fine.done(ADMIN, update(2, |u| u.new_name = Some("new".into())));
    let credential = update(2, |u| u.credential = access_key());
    assert_eq!(
        fine.refusal(ADMIN, credential.clone()).0,
        "XksProxyUriUnreachableException"
    );
    tell(&mut fine, vec![proxy_told(2, ProxyHealth::Sound)]);
    fine.done(ADMIN, credential);
}

/// K-5, K-7, K-11: CreateKey in a store.
#[test]
fn create_key_in_a_store_refuses_what_the_connector_knows_to_be_wrong() {
    let mut cluster = connected();
    make_key(&mut cluster, key_in(5, 2, KeyOrigin::ExternalKeyStore));
    let in_hsm = |backends| {
        let create = Command::CreateKey(key_in(6, 1, KeyOrigin::AwsCloudHsm));
        refused_once(&cluster, backends, create)
    };
    let outside = |xks_key: &str, backends| {
        let mut create = key_in(6, 2, KeyOrigin::ExternalKeyStore);
        create.xks_key = xks_key.parse::<XksKeyId>().ok();
        refused_once(&cluster, backends, Command::CreateKey(create))
    };
    let invalid = "CloudHsmClusterInvalidConfigurationException";
    let mut disconnected = in_state(Connection::Disconnected);
    tell(&mut disconnected, vec![cluster_gone(1)]);
    check_rows(vec![
        (
            "not connected",
            disconnected.refusal(
                ADMIN,
                Command::CreateKey(key_in(6, 1, KeyOrigin::AwsCloudHsm)),
            ),
            INVALID_STATE,
            "connect it",
        ),
        (
            "one HSM",
            in_hsm(vec![cluster_told(1, |c| c.active_zones = 1)]),
            invalid,
            "needs 2",
        ),
        (
            "not active",
            in_hsm(vec![cluster_told(1, |c| c.active = false)]),
            invalid,
            "it is not active",
        ),
        (
            "gone",
            in_hsm(vec![cluster_gone(1)]),
            invalid,
            "not there any more",
        ),
        (
            "in use",
            outside("xks-5", vec![key_told(2, "xks-6", None)]),
            "XksKeyAlreadyInUseException",
            "xks-5",
        ),
        (
            "another was told of",
            outside("xks-6", vec![key_told(2, "xks-5", None)]),
            "XksKeyNotFoundException",
            "knows no external key xks-6",
        ),
        (
            "disabled",
            outside("xks-6", vec![key_told(2, "xks-6", Some("it is disabled"))]),
            "XksKeyInvalidConfigurationException",
            "it is disabled",
        ),
    ]);
    // The keys of a proxy of which none was told are its own affair.
    for told in [
        key_told(2, "xks-6", None),
        key_told(3, "xks-7", None),
        proxy_told(2, ProxyHealth::Unreachable("asleep".into())),
    ] {
        let mut cluster = cluster.copy();
        tell(&mut cluster, vec![told]);
        make_key(&mut cluster, key_in(6, 2, KeyOrigin::ExternalKeyStore));
    }
}
