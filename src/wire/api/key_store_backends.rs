//! What the operator's connector tells of the backends of custom key stores, in and out.

use super::organizations::account;
use super::reply::{done, pages};
use super::request::queries;
use super::shape::{self, Violations};
use super::{Change, Drawn, IntoChange, Invalid, arc, page};
use crate::domain::ids::{BackendName, ParseIdError, ProxyAddress};
use crate::domain::limits::{BACKEND_NAMES_MAX, KEY_STORE_REPORT_MAX};
use crate::domain::op::list_key_store_backends::ListKeyStoreBackends;
use crate::domain::op::report_key_store_backends::ReportKeyStoreBackends;
use crate::domain::op::{Command, Scope};
use crate::domain::state::key_store_backend::{
    Backend, ClusterFacts, KeyStoreBackend, ProxyFacts, ProxyHealth, Soundness,
};
use crate::wire::v1;
use v1::key_store_backend::Backend as Sent;
use v1::xks_proxy::Fault;

fn parsed<T: std::str::FromStr<Err = ParseIdError>>(text: &str) -> Result<T, Invalid> {
    text.parse()
        .map_err(|error: ParseIdError| Invalid::validation(error.to_string()))
}

/// Texts of one kind, as a set of what they name.
fn names<T: std::str::FromStr<Err = ParseIdError> + Ord>(
    path: &str,
    sent: &[String],
    shape: shape::Text,
) -> Result<std::collections::BTreeSet<T>, Invalid> {
    let mut violations = Violations::new();
    violations.list(path, sent, BACKEND_NAMES_MAX);
    for (at, text) in sent.iter().enumerate() {
        violations.text(&format!("{path}.{}.member", at + 1), text, shape);
    }
    violations.finish()?;
    sent.iter().map(|text| parsed(text)).collect()
}

fn address(at: &str, endpoint: &str, path: &str) -> Result<ProxyAddress, Invalid> {
    let mut violations = Violations::new();
    violations.text(
        &format!("{at}.uriEndpoint"),
        endpoint,
        shape::XKS_PROXY_ENDPOINT,
    );
    violations.text(&format!("{at}.uriPath"), path, shape::XKS_PROXY_PATH);
    violations.finish()?;
    Ok(ProxyAddress {
        endpoint: parsed(endpoint)?,
        path: parsed(path)?,
    })
}

/// A text that names one thing, by a member of its own.
fn named<T: std::str::FromStr<Err = ParseIdError>>(
    path: &str,
    text: &str,
    shape: shape::Text,
) -> Result<T, Invalid> {
    let mut violations = Violations::new();
    violations.text(path, text, shape);
    violations.finish()?;
    parsed(text)
}

fn sound(fault: Option<String>) -> Soundness {
    Soundness {
        fault: fault.map(arc),
    }
}

fn backend(at: usize, sent: v1::KeyStoreBackend) -> Result<Backend, Invalid> {
    let v1::KeyStoreBackend {
        backend: sent,
        gone,
    } = sent;
    let path = format!("backends.{}.member", at + 1);
    let is_there = !gone;
    match sent {
        None => Err(Invalid::validation(format!(
            "'{path}' tells of nothing: name a cluster, a proxy, a VPC endpoint service or an external key"
        ))),
        Some(Sent::CloudHsmCluster(cluster)) => {
            let v1::CloudHsmCluster {
                cloud_hsm_cluster_id,
                active,
                active_zones,
                trust_anchor_certificate,
                related_cluster_ids,
                fault,
            } = cluster;
            let shape = shape::CLOUD_HSM_CLUSTER_ID;
            let known = ClusterFacts {
                active,
                active_zones,
                trust_anchor: trust_anchor_certificate.map(arc),
                related: names(
                    &format!("{path}.relatedClusterIds"),
                    &related_cluster_ids,
                    shape,
                )?,
                fault: fault.map(arc),
            };
            Ok(Backend::Cluster {
                id: named(
                    &format!("{path}.cloudHsmClusterId"),
                    &cloud_hsm_cluster_id,
                    shape,
                )?,
                known: is_there.then_some(known),
            })
        }
        Some(Sent::XksProxy(proxy)) => {
            let v1::XksProxy {
                uri_endpoint,
                uri_path,
                access_key_ids,
                fault,
            } = proxy;
            let known = ProxyFacts {
                access_keys: names(
                    &format!("{path}.accessKeyIds"),
                    &access_key_ids,
                    shape::XKS_ACCESS_KEY_ID,
                )?,
                health: match fault {
                    None => ProxyHealth::Sound,
                    Some(Fault::Unreachable(why)) => ProxyHealth::Unreachable(arc(why)),
                    Some(Fault::InvalidResponse(why)) => ProxyHealth::InvalidResponse(arc(why)),
                    Some(Fault::InvalidConfiguration(why)) => {
                        ProxyHealth::InvalidConfiguration(arc(why))
                    }
                },
            };
            Ok(Backend::Proxy {
                at: address(&path, &uri_endpoint, &uri_path)?,
                known: is_there.then_some(known),
            })
        }
        Some(Sent::XksVpcEndpointService(service)) => {
            let v1::XksVpcEndpointService {
                service_name,
                fault,
            } = service;
            Ok(Backend::VpcService {
                name: named(
                    &format!("{path}.serviceName"),
                    &service_name,
                    shape::XKS_VPC_SERVICE,
                )?,
                known: is_there.then(|| sound(fault)),
            })
        }
        Some(Sent::XksExternalKey(key)) => {
            let v1::XksExternalKey {
                uri_endpoint,
                uri_path,
                xks_key_id,
                fault,
            } = key;
            Ok(Backend::ExternalKey {
                at: address(&path, &uri_endpoint, &uri_path)?,
                id: named(&format!("{path}.xksKeyId"), &xks_key_id, shape::XKS_KEY_ID)?,
                known: is_there.then(|| sound(fault)),
            })
        }
    }
}

impl IntoChange for v1::ReportKeyStoreBackendsRequest {
    fn into_change(self, _: &Scope, _: &Drawn) -> Result<Change, Invalid> {
        let Self {
            header: _,
            account_id,
            backends,
            forgotten,
        } = self;
        let account = account(&account_id)?;
        let count = backends.len().saturating_add(forgotten.len());
        if count > KEY_STORE_REPORT_MAX {
            return Err(Invalid::validation(format!(
                "a report tells of 1 to {KEY_STORE_REPORT_MAX} backends, this one of {count}"
            )));
        }
        let backends = backends.into_iter().enumerate();
        let forgotten = forgotten.iter().map(|name| parsed::<BackendName>(name));
        Ok(Change::of(Command::ReportKeyStoreBackends(
            ReportKeyStoreBackends {
                account,
                backends: backends
                    .map(|(at, sent)| backend(at, sent))
                    .collect::<Result<_, _>>()?,
                forgotten: forgotten.collect::<Result<_, _>>()?,
            },
        )))
    }
}

queries! {
    ListKeyStoreBackendsRequest { account_id, page: sent } check |violations| {
        violations.page(sent.as_ref());
    } => ListKeyStoreBackends { account: account(&account_id)?, page: page(sent) }
}

fn texts<T: ToString>(names: impl IntoIterator<Item = T>) -> Vec<String> {
    names.into_iter().map(|name| name.to_string()).collect()
}

impl From<Backend> for v1::KeyStoreBackend {
    fn from(backend: Backend) -> Self {
        let text = |fault: Option<std::sync::Arc<str>>| fault.map(|fault| fault.to_string());
        let (gone, sent) = match backend {
            Backend::Cluster { id, known } => {
                let gone = known.is_none();
                let mut cluster = v1::CloudHsmCluster {
                    cloud_hsm_cluster_id: id.to_string(),
                    ..Default::default()
                };
                if let Some(ClusterFacts {
                    active,
                    active_zones,
                    trust_anchor,
                    related,
                    fault,
                }) = known
                {
                    cluster.active = active;
                    cluster.active_zones = active_zones;
                    cluster.trust_anchor_certificate = text(trust_anchor);
                    cluster.related_cluster_ids = texts(related);
                    cluster.fault = text(fault);
                }
                (gone, Sent::CloudHsmCluster(cluster))
            }
            Backend::Proxy {
                at: ProxyAddress { endpoint, path },
                known,
            } => {
                let gone = known.is_none();
                let mut proxy = v1::XksProxy {
                    uri_endpoint: endpoint.to_string(),
                    uri_path: path.to_string(),
                    ..Default::default()
                };
                if let Some(ProxyFacts {
                    access_keys,
                    health,
                }) = known
                {
                    proxy.access_key_ids = texts(access_keys);
                    proxy.fault = match health {
                        ProxyHealth::Sound => None,
                        ProxyHealth::Unreachable(why) => Some(Fault::Unreachable(why.to_string())),
                        ProxyHealth::InvalidResponse(why) => {
                            Some(Fault::InvalidResponse(why.to_string()))
                        }
                        ProxyHealth::InvalidConfiguration(why) => {
                            Some(Fault::InvalidConfiguration(why.to_string()))
                        }
                    };
                }
                (gone, Sent::XksProxy(proxy))
            }
            Backend::VpcService { name, known } => {
                let gone = known.is_none();
                let service = v1::XksVpcEndpointService {
                    service_name: name.to_string(),
                    fault: text(known.and_then(|Soundness { fault }| fault)),
                };
                (gone, Sent::XksVpcEndpointService(service))
            }
            Backend::ExternalKey {
                at: ProxyAddress { endpoint, path },
                id,
                known,
            } => {
                let gone = known.is_none();
                let key = v1::XksExternalKey {
                    uri_endpoint: endpoint.to_string(),
                    uri_path: path.to_string(),
                    xks_key_id: id.to_string(),
                    fault: text(known.and_then(|Soundness { fault }| fault)),
                };
                (gone, Sent::XksExternalKey(key))
            }
        };
        Self {
            backend: Some(sent),
            gone,
        }
    }
}

impl From<KeyStoreBackend> for v1::KnownKeyStoreBackend {
    fn from(told: KeyStoreBackend) -> Self {
        let KeyStoreBackend {
            account: _, // named by the request
            partition: _,
            region: _,
            backend,
            told_at,
        } = told;
        Self {
            name: backend.name().to_string(),
            backend: Some(backend.into()),
            told_at_ms: told_at.as_millis(),
        }
    }
}

done!(ReportKeyStoreBackendsResponse);

pages! {
    ListKeyStoreBackendsResponse { backends } of KeyStoreBackends by Into::into;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::api::testing::{drawn, scope};

    fn read(backends: Vec<v1::KeyStoreBackend>) -> Result<Vec<Backend>, Invalid> {
        let request = v1::ReportKeyStoreBackendsRequest {
            account_id: "111122223333".to_owned(),
            backends,
            ..Default::default()
        };
        match request.into_change(&scope(), &drawn())? {
            Change::Command {
                command: Command::ReportKeyStoreBackends(report),
                ..
            } => Ok(report.backends),
            other => panic!("{other:?}"),
        }
    }

    fn sent(backend: Sent) -> v1::KeyStoreBackend {
        v1::KeyStoreBackend {
            backend: Some(backend),
            gone: false,
        }
    }

    fn proxy(fault: Option<Fault>) -> v1::XksProxy {
        v1::XksProxy {
            uri_endpoint: "https://xks.example.com".to_owned(),
            uri_path: "/kms/xks/v1".to_owned(),
            access_key_ids: vec!["ABCDE22345677ABCDEFG".to_owned()],
            fault,
        }
    }

    /// K-11: what a connector tells comes back as it was told, whatever it is of.
    #[test]
    fn backends_are_told_and_listed_alike() {
        let why = || "why".to_owned();
        let mut all = vec![
            sent(Sent::CloudHsmCluster(v1::CloudHsmCluster {
                cloud_hsm_cluster_id: "cluster-abcdefghijk".to_owned(),
                active: true,
                active_zones: 2,
                trust_anchor_certificate: Some("-----BEGIN".to_owned()),
                related_cluster_ids: vec!["cluster-bcdefghijkl".to_owned()],
                fault: Some(why()),
            })),
            sent(Sent::XksVpcEndpointService(v1::XksVpcEndpointService {
                service_name: "com.amazonaws.vpce.us-west-2.vpce-svc-0a1b".to_owned(),
                fault: Some(why()),
            })),
            sent(Sent::XksExternalKey(v1::XksExternalKey {
                uri_endpoint: "https://xks.example.com".to_owned(),
                uri_path: "/kms/xks/v1".to_owned(),
                xks_key_id: "key-1".to_owned(),
                fault: None,
            })),
        ];
        for fault in [
            None,
            Some(Fault::Unreachable(why())),
            Some(Fault::InvalidResponse(why())),
            Some(Fault::InvalidConfiguration(why())),
        ] {
            all.push(sent(Sent::XksProxy(proxy(fault))));
        }
        let gone = v1::XksProxy {
            access_key_ids: Vec::new(),
            ..proxy(None)
        };
        all.push(v1::KeyStoreBackend {
            gone: true,
            ..sent(Sent::XksProxy(gone))
        });
        let read = read(all.clone()).unwrap();
        let back: Vec<v1::KeyStoreBackend> = read.into_iter().map(Into::into).collect();
        assert_eq!(back, all);
    }

    /// W-3: a member that cannot be is named by its place.
    #[test]
    fn bad_member_of_a_report_is_refused_by_its_place() {
        let refusal = |backend: Sent| read(vec![sent(backend)]).unwrap_err().message;
        assert!(
            refusal(Sent::CloudHsmCluster(Default::default()))
                .contains("'backends.1.member.cloudHsmClusterId'")
        );
        let bad = v1::XksProxy {
            uri_path: "/v1".to_owned(),
            ..proxy(None)
        };
        assert!(refusal(Sent::XksProxy(bad)).contains("'backends.1.member.uriPath'"));
        let bad = v1::XksProxy {
            access_key_ids: vec!["x".to_owned()],
            ..proxy(None)
        };
        assert!(refusal(Sent::XksProxy(bad)).contains("'backends.1.member.accessKeyIds.1.member'"));
        let nothing = read(vec![v1::KeyStoreBackend::default()]).unwrap_err();
        assert!(nothing.message.contains("tells of nothing"), "{nothing:?}");
        let many = read(vec![sent(Sent::XksProxy(proxy(None))); 101]).unwrap_err();
        assert!(many.message.contains("1 to 100"), "{many:?}");
    }
}
