//! What the connector told of what is behind stores: told, listed, forgotten; and what its tests share.

pub(super) use super::key_store_tests::*;
use super::{list_key_store_backends, report_key_store_backends};
pub(super) use crate::domain::ids::{
    BackendName, CloudHsmClusterId, ProxyAddress, XksKeyId, XksVpcService,
};
use crate::domain::limits;
use crate::domain::op::Change as What;
pub(super) use crate::domain::state::key_store_backend::{
    Backend, BackendGroup, ClusterFacts, KeyStoreBackend, ProxyFacts, ProxyHealth, Soundness,
};

pub(super) const ELSEWHERE: &str = "444455556666";
pub(super) const CERTIFICATE: &str = "-----BEGIN CERTIFICATE-----\nAA\n-----END CERTIFICATE-----\n";

pub(super) fn cluster_id(n: u8) -> CloudHsmClusterId {
    hsm(n).cluster.unwrap()
}

pub(super) fn good_cluster() -> ClusterFacts {
    ClusterFacts {
        active: true,
        active_zones: 2,
        trust_anchor: None,
        related: Default::default(),
        fault: None,
    }
}

pub(super) fn cluster_told(n: u8, change: impl FnOnce(&mut ClusterFacts)) -> Backend {
    let mut facts = good_cluster();
    change(&mut facts);
    let (id, known) = (cluster_id(n), Some(facts));
    Backend::Cluster { id, known }
}

pub(super) fn cluster_gone(n: u8) -> Backend {
    let (id, known) = (cluster_id(n), None);
    Backend::Cluster { id, known }
}

pub(super) fn address(n: u8) -> ProxyAddress {
    let proxy = external(n).proxy;
    ProxyAddress {
        endpoint: proxy.endpoint.unwrap(),
        path: proxy.path.unwrap(),
    }
}

pub(super) fn proxy_told(n: u8, health: ProxyHealth) -> Backend {
    let known = ProxyFacts {
        access_keys: Default::default(),
        health,
    };
    let (at, known) = (address(n), Some(known));
    Backend::Proxy { at, known }
}

pub(super) fn service_name(n: u8) -> XksVpcService {
    private(n).proxy.vpc_service.unwrap()
}

pub(super) fn service_told(n: u8, fault: Option<&str>) -> Backend {
    let name = service_name(n);
    let fault = fault.map(Arc::from);
    let known = Some(Soundness { fault });
    Backend::VpcService { name, known }
}

pub(super) fn key_told(n: u8, id: &str, fault: Option<&str>) -> Backend {
    let fault = fault.map(Arc::from);
    Backend::ExternalKey {
        at: address(n),
        id: id.parse().unwrap(),
        known: Some(Soundness { fault }),
    }
}

pub(super) fn told_of(
    account: &str,
    backends: Vec<Backend>,
    forgotten: Vec<BackendName>,
) -> Command {
    Command::ReportKeyStoreBackends(report_key_store_backends::ReportKeyStoreBackends {
        account: account.parse().unwrap(),
        backends,
        forgotten,
    })
}

pub(super) fn tell(cluster: &mut Cluster, backends: Vec<Backend>) {
    cluster.done("operator", told_of(OWNER, backends, Vec::new()));
}

/// What a copy of a cluster refuses once the connector has told this.
pub(super) fn refused_once(cluster: &Cluster, backends: Vec<Backend>, command: Command) -> Refused {
    let mut cluster = cluster.copy();
    tell(&mut cluster, backends);
    cluster.refusal(ADMIN, command)
}

pub(super) fn count(cluster: &Cluster, group: BackendGroup) -> usize {
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
