//! What the connector told of what is behind stores, and what is refused for it.

use super::key_store_tests::*;
use super::{list_key_store_backends, report_key_store_backends};
use crate::domain::ids::{BackendName, CloudHsmClusterId, ProxyAddress, XksKeyId, XksVpcService};
use crate::domain::limits;
use crate::domain::op::Change as What;
use crate::domain::state::key_store_backend::{
    Backend, BackendGroup, ClusterFacts, KeyStoreBackend, ProxyFacts, ProxyHealth, Soundness,
};

const ELSEWHERE: &str = "444455556666";
const CERTIFICATE: &str = "-----BEGIN CERTIFICATE-----\nAA\n-----END CERTIFICATE-----\n";

fn cluster_id(n: u8) -> CloudHsmClusterId {
    hsm(n).cluster.unwrap()
}

fn good_cluster() -> ClusterFacts {
    ClusterFacts {
        active: true,
        active_zones: 2,
        trust_anchor: None,
        related: Default::default(),
        fault: None,
    }
}

fn cluster_told(n: u8, change: impl FnOnce(&mut ClusterFacts)) -> Backend {
    let mut facts = good_cluster();
    change(&mut facts);
    let (id, known) = (cluster_id(n), Some(facts));
    Backend::Cluster { id, known }
}

fn cluster_gone(n: u8) -> Backend {
    let (id, known) = (cluster_id(n), None);
    Backend::Cluster { id, known }
}

fn address(n: u8) -> ProxyAddress {
    let proxy = external(n).proxy;
    ProxyAddress {
        endpoint: proxy.endpoint.unwrap(),
        path: proxy.path.unwrap(),
    }
}

fn proxy_told(n: u8, health: ProxyHealth) -> Backend {
    let known = ProxyFacts {
        access_keys: Default::default(),
        health,
    };
    let (at, known) = (address(n), Some(known));
    Backend::Proxy { at, known }
}

fn service_name(n: u8) -> XksVpcService {
    private(n).proxy.vpc_service.unwrap()
}

fn service_told(n: u8, fault: Option<&str>) -> Backend {
    let name = service_name(n);
    let fault = fault.map(Arc::from);
    let known = Some(Soundness { fault });
    Backend::VpcService { name, known }
}

fn key_told(n: u8, id: &str, fault: Option<&str>) -> Backend {
    let fault = fault.map(Arc::from);
    Backend::ExternalKey {
        at: address(n),
        id: id.parse().unwrap(),
        known: Some(Soundness { fault }),
    }
}

fn told_of(account: &str, backends: Vec<Backend>, forgotten: Vec<BackendName>) -> Command {
    Command::ReportKeyStoreBackends(report_key_store_backends::ReportKeyStoreBackends {
        account: account.parse().unwrap(),
        backends,
        forgotten,
    })
}

fn tell(cluster: &mut Cluster, backends: Vec<Backend>) {
    cluster.done("operator", told_of(OWNER, backends, Vec::new()));
}

/// What a copy of a cluster refuses once the connector has told this.
fn refused_once(cluster: &Cluster, backends: Vec<Backend>, command: Command) -> Refused {
    let mut cluster = cluster.copy();
    tell(&mut cluster, backends);
    cluster.refusal(ADMIN, command)
}

fn count(cluster: &Cluster, group: BackendGroup) -> usize {
    let scope = crate::domain::op::testing::scope();
    let account = OWNER.parse().unwrap();
    cluster
        .state
        .key_store_backend_count(scope.partition, &scope.region, account, group)
}

/// K-11: what a connector can tell, and who it is.
#[test]
fn report_key_store_backends_refuses_in_the_order_of_its_checks() {
    let cluster = Cluster::new();
    let no = |backends: Vec<Backend>| cluster.refusal("operator", told_of(OWNER, backends, vec![]));
    let invalid = "ValidationException";
    let mut full = cluster.copy();
    let mut crowded = full.copy();
    let at = |n: usize| ProxyAddress {
        endpoint: format!("https://x{n}.example").parse().unwrap(),
        path: "/kms/xks/v1".parse().unwrap(),
    };
    let many: Vec<_> = (0..limits::KEY_STORE_BACKENDS_MAX)
        .map(|n| Backend::Proxy {
            at: at(n),
            known: None,
        })
        .collect();
    tell(&mut full, many);
    let scope = crate::domain::op::testing::scope();
    for n in 0..limits::EXTERNAL_KEYS_MAX {
        crowded
            .state
            .put_key_store_backend(Arc::new(KeyStoreBackend {
                account: OWNER.parse().unwrap(),
                partition: scope.partition,
                region: scope.region.clone(),
                backend: Backend::ExternalKey {
                    at: address(1),
                    id: format!("k{n}").parse().unwrap(),
                    known: None,
                },
                told_at: crate::domain::time::Timestamp::from_millis(1),
            }));
    }
    check_rows(vec![
        (
            "not the operator",
            cluster.refusal(ADMIN, told_of("999999999999", vec![], vec![])),
            "AccessDeniedException",
            "operator",
        ),
        (
            "no account",
            cluster.refusal("operator", told_of("999999999999", vec![], vec![])),
            "NoSuchEntity",
            "999999999999",
        ),
        ("nothing", no(vec![]), invalid, "1 to 100 backends"),
        (
            "too much",
            no(vec![cluster_gone(1); limits::KEY_STORE_REPORT_MAX + 1]),
            invalid,
            "this one of 101",
        ),
        (
            "twice",
            no(vec![cluster_gone(1), cluster_told(1, |_| ())]),
            invalid,
            "twice of cluster-bbbbb",
        ),
        (
            "told of and forgotten",
            cluster.refusal(
                "operator",
                told_of(
                    OWNER,
                    vec![cluster_gone(1)],
                    vec![BackendName::Cluster(cluster_id(1))],
                ),
            ),
            invalid,
            "twice of",
        ),
        (
            "many relatives",
            no(vec![cluster_told(1, |c| {
                let id = |n: u8| char::from(b'a' + n).to_string().repeat(11);
                let ids = (0..=20).map(|n| format!("cluster-{}", id(n)));
                c.related = ids.map(|id| id.parse().unwrap()).collect();
            })]),
            invalid,
            "21 related clusters: at most 20",
        ),
        (
            "no certificate",
            no(vec![cluster_told(1, |c| c.trust_anchor = Some("".into()))]),
            invalid,
            "1 to 5000 characters",
        ),
        (
            "long certificate",
            no(vec![cluster_told(1, |c| {
                c.trust_anchor = Some("c".repeat(5_001).into())
            })]),
            invalid,
            "1 to 5000 characters",
        ),
        (
            "empty fault",
            no(vec![service_told(1, Some(""))]),
            invalid,
            "1 to 500 characters",
        ),
        (
            "long fault",
            no(vec![proxy_told(
                1,
                ProxyHealth::Unreachable("f".repeat(501).into()),
            )]),
            invalid,
            "1 to 500 characters",
        ),
        (
            "fault of two lines",
            no(vec![key_told(1, "k", Some("a\nb"))]),
            invalid,
            "without control characters",
        ),
        (
            "one proxy more than there is room for",
            full.refusal(
                "operator",
                told_of(OWNER, vec![service_told(1, None)], vec![]),
            ),
            "LimitExceededException",
            "at most 100 proxies and VPC endpoint services",
        ),
        (
            "one key more than there is room for",
            crowded.refusal(
                "operator",
                told_of(OWNER, vec![key_told(2, "k", None)], vec![]),
            ),
            "LimitExceededException",
            "at most 100000 external keys",
        ),
    ]);
    // What is told of may be told of again, and one that is forgotten makes room for another.
    tell(
        &mut full,
        vec![Backend::Proxy {
            at: at(0),
            known: None,
        }],
    );
    let another = told_of(
        OWNER,
        vec![service_told(1, None)],
        vec![BackendName::Proxy(at(0))],
    );
    full.done("operator", another);
    assert_eq!(count(&full, BackendGroup::Proxies), 100);
    // Another account has room of its own.
    full.done(
        "operator",
        told_of(ELSEWHERE, vec![service_told(1, None)], vec![]),
    );
}

/// The names that the operator sees.
#[test]
fn list_key_store_backends_refuses_in_the_order_of_its_checks() {
    let mut cluster = Cluster::new();
    let list = |account: &str, page| {
        Query::ListKeyStoreBackends(list_key_store_backends::ListKeyStoreBackends {
            account: account.parse().unwrap(),
            page,
        })
    };
    let nobody = "999999999999";
    check_rows(vec![
        (
            "no entry a page",
            cluster.ask(ADMIN, list(nobody, page(0, None))).unwrap_err(),
            "ValidationException",
            "limit",
        ),
        (
            "a made-up marker",
            cluster
                .ask(ADMIN, list(nobody, page(1, Some("x".into()))))
                .unwrap_err(),
            "InvalidMarkerException",
            "marker",
        ),
        (
            "not the operator",
            cluster.ask(ADMIN, list(nobody, page(1, None))).unwrap_err(),
            "AccessDeniedException",
            "operator",
        ),
        (
            "no account",
            cluster
                .ask("operator", list(nobody, page(1, None)))
                .unwrap_err(),
            "NoSuchEntity",
            nobody,
        ),
    ]);
    tell(
        &mut cluster,
        vec![
            key_told(1, "b", None),
            service_told(1, None),
            proxy_told(1, ProxyHealth::Sound),
            key_told(1, "a", None),
            cluster_gone(2),
            cluster_told(1, |_| ()),
        ],
    );
    cluster.done(
        "operator",
        told_of(ELSEWHERE, vec![cluster_gone(3)], vec![]),
    );
    let listed = |account: &str| {
        let (all, _) = all_pages(
            |page| match cluster.ask("operator", list(account, page)) {
                Ok(Answer::KeyStoreBackends(paged)) => paged,
                other => panic!("{other:?}"),
            },
            2,
        );
        all.iter()
            .map(|told| told.backend.name())
            .collect::<Vec<_>>()
    };
    let key = |id: &str| BackendName::ExternalKey(address(1), id.parse().unwrap());
    assert_eq!(
        listed(OWNER),
        [
            BackendName::Cluster(cluster_id(1)),
            BackendName::Cluster(cluster_id(2)),
            BackendName::Proxy(address(1)),
            BackendName::VpcService(service_name(1)),
            key("a"),
            key("b"),
        ]
    );
    assert_eq!(listed(ELSEWHERE), [BackendName::Cluster(cluster_id(3))]);
}

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

/// K-11: what is told again replaces what was told, what is forgotten leaves its group unmanaged when it was the last,
/// and each is an event.
#[test]
fn backends_are_told_of_again_and_forgotten() {
    let mut cluster = Cluster::new();
    let name = BackendName::Cluster(cluster_id(1));
    let account = OWNER.parse().unwrap();
    let event = |what| Event::KeyStoreBackendChanged(account, name.clone(), what);
    tell(&mut cluster, vec![cluster_told(1, |_| ())]);
    assert_eq!(cluster.events, [event(What::Created)]);
    assert_eq!(count(&cluster, BackendGroup::Clusters), 1);
    tell(&mut cluster, vec![cluster_gone(1)]);
    assert_eq!(cluster.events, [event(What::Updated)]);
    assert_eq!(count(&cluster, BackendGroup::Clusters), 1);
    let forget = || told_of(OWNER, vec![], vec![name.clone()]);
    cluster.done("operator", forget());
    assert_eq!(cluster.events, [event(What::Deleted)]);
    assert_eq!(count(&cluster, BackendGroup::Clusters), 0);
    cluster.done("operator", forget());
    assert_eq!(cluster.events, []);
    tell(
        &mut cluster,
        vec![key_told(1, "a", None), key_told(2, "a", None)],
    );
    assert_eq!(count(&cluster, BackendGroup::KeysOf(address(1))), 1);
    assert_eq!(count(&cluster, BackendGroup::Keys), 2);
}

/// DESIGN: a snapshot brings back what was told, and every part of it shows in the fingerprint.
#[test]
fn snapshot_brings_back_what_was_told() {
    let told = || {
        vec![
            cluster_told(1, |c| c.related = [cluster_id(2)].into()),
            cluster_gone(2),
            proxy_told(1, ProxyHealth::InvalidResponse("why".into())),
            service_told(1, None),
            key_told(1, "a", Some("why")),
        ]
    };
    let mut cluster = Cluster::new();
    tell(&mut cluster, told());
    let copy = State::import(*cluster.state.header(), cluster.state.export()).unwrap();
    assert_eq!(copy.fingerprint(), cluster.state.fingerprint());
    for group in [
        BackendGroup::Clusters,
        BackendGroup::Proxies,
        BackendGroup::Keys,
    ] {
        let scope = crate::domain::op::testing::scope();
        let account = OWNER.parse().unwrap();
        let again =
            copy.key_store_backend_count(scope.partition, &scope.region, account, group.clone());
        assert_eq!(again, count(&cluster, group));
    }
    let fingerprint = |backends| {
        let mut cluster = Cluster::new();
        tell(&mut cluster, backends);
        cluster.state.fingerprint()
    };
    let first = fingerprint(told());
    assert_eq!(first, fingerprint(told()));
    for (at, other) in [
        (0, cluster_told(1, |_| ())),
        (
            0,
            cluster_told(1, |c| {
                c.related = [cluster_id(2)].into();
                c.active_zones = 3;
            }),
        ),
        (1, cluster_told(2, |_| ())),
        (
            2,
            proxy_told(1, ProxyHealth::InvalidConfiguration("why".into())),
        ),
        (3, service_told(1, Some("why"))),
        (4, key_told(1, "a", None)),
    ] {
        let mut backends = told();
        backends[at] = other;
        assert_ne!(first, fingerprint(backends));
    }
}
