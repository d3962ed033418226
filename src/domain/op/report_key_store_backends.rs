//! `ReportKeyStoreBackends`: what the operator's connector knows of the clusters, proxies, VPC endpoint services and
//! external keys behind an account's custom key stores (K-11), told ahead of the calls that ask for it.
//!
//! A backend that is told of replaces what was told of it before; one told to be gone is not there, and is still told of;
//! one that is forgotten is as if it had never been told of, and when the last of its group is, the group is unmanaged.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::context::{Change, Context};
use super::refusal::{Said, refusals, said};
use super::{Change as What, ErrorCode, Event, Output};
use crate::domain::authz::{Allowed, Denied, require_operator};
use crate::domain::ids::{AccountId, BackendName, Partition, Region};
use crate::domain::limits::{
    BACKEND_FAULT_CHARS_MAX, BACKEND_NAMES_MAX, EXTERNAL_KEYS_MAX, KEY_STORE_BACKENDS_MAX,
    KEY_STORE_REPORT_MAX, TRUST_ANCHOR_CHARS_MAX,
};
use crate::domain::state::State;
use crate::domain::state::key_store_backend::{
    Backend, BackendGroup, ClusterFacts, KeyStoreBackend, ProxyFacts, ProxyHealth, Soundness,
};

/// Tells of backends of an account in the Region of the request, all at once or not at all.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ReportKeyStoreBackends {
    /// The account whose stores they are for.
    pub account: AccountId,
    /// What is known of each.
    pub backends: Vec<Backend>,
    /// Those that are forgotten.
    pub forgotten: Vec<BackendName>,
}

refusals! {
    /// Why ReportKeyStoreBackends is refused, in the order of its checks.
    Refusal {
        /// It is for the operator.
        Denied(Denied),
        /// The account is not there.
        NoAccount(Said),
        /// Nothing is told, too much, or twice of one; or a text is too long.
        Shape(Said),
        /// There is no room for more.
        TooMany(Said),
    }
}

/// What ReportKeyStoreBackends writes.
#[derive(Debug)]
pub struct Plan {
    account: AccountId,
    partition: Partition,
    region: Region,
    told: Vec<(KeyStoreBackend, What)>,
    forgotten: Vec<BackendName>,
}

impl Change for ReportKeyStoreBackends {
    type Refusal = Refusal;
    type Plan = Plan;

    fn plan(&self, cx: &Context<'_>) -> Result<(Allowed, Plan), Refusal> {
        let Self {
            account,
            backends,
            forgotten,
        } = self;
        let account = *account;
        let allowed = require_operator(cx.caller, "grantd:ReportKeyStoreBackends")?;
        if cx.state.account(account).is_none() {
            let why = format!("the account {account} does not exist");
            return Err(Refusal::NoAccount(said(ErrorCode::NoSuchEntity, why)));
        }
        self.check_shape().map_err(Refusal::Shape)?;
        let (partition, region) = (cx.scope.partition, &cx.scope.region);
        let is_known = |name: &BackendName| {
            let name = name.clone();
            let known = cx.state.key_store_backend(partition, region, account, name);
            known.is_some()
        };
        let gone: Vec<_> = forgotten.iter().filter(|name| is_known(name)).collect();
        let mut told = Vec::with_capacity(backends.len());
        let mut new = Vec::new();
        for backend in backends {
            let name = backend.name();
            let what = if is_known(&name) {
                What::Updated
            } else {
                new.push(name);
                What::Created
            };
            let known = KeyStoreBackend {
                account,
                partition,
                region: region.clone(),
                backend: backend.clone(),
                told_at: cx.now,
            };
            told.push((known, what));
        }
        for (group, max, which) in [
            (BackendGroup::Clusters, KEY_STORE_BACKENDS_MAX, "clusters"),
            (
                BackendGroup::Proxies,
                KEY_STORE_BACKENDS_MAX,
                "proxies and VPC endpoint services",
            ),
            (BackendGroup::Keys, EXTERNAL_KEYS_MAX, "external keys"),
        ] {
            let of_group = |name: &&BackendName| BackendGroup::all_of(name).contains(&group);
            let (more, fewer) = (
                new.iter().filter(of_group).count(),
                gone.iter().copied().filter(of_group).count(),
            );
            let had = cx
                .state
                .key_store_backend_count(partition, region, account, group.clone());
            if more > 0 && had.saturating_add(more).saturating_sub(fewer) > max {
                return Err(Refusal::TooMany(said(
                    ErrorCode::LimitExceeded,
                    format_args!(
                        "at most {max} {which} are known for the account {account} in {region}: forget those that are gone"
                    ),
                )));
            }
        }
        let plan = Plan {
            account,
            partition,
            region: region.clone(),
            told,
            forgotten: gone.into_iter().cloned().collect(),
        };
        Ok((allowed, plan))
    }

    fn enact(plan: Plan, state: &mut State) -> (Output, Vec<Event>) {
        let Plan {
            account,
            partition,
            region,
            told,
            forgotten,
        } = plan;
        let mut events = Vec::with_capacity(told.len() + forgotten.len());
        for (backend, what) in told {
            let name = backend.backend.name();
            events.push(Event::KeyStoreBackendChanged(account, name, what));
            state.put_key_store_backend(Arc::new(backend));
        }
        for name in forgotten {
            state.take_key_store_backend(partition, &region, account, name.clone());
            events.push(Event::KeyStoreBackendChanged(account, name, What::Deleted));
        }
        (Output::Done, events)
    }
}

impl ReportKeyStoreBackends {
    fn check_shape(&self) -> Result<(), Said> {
        let Self {
            account: _,
            backends,
            forgotten,
        } = self;
        let count = backends.len().saturating_add(forgotten.len());
        if !(1..=KEY_STORE_REPORT_MAX).contains(&count) {
            return Err(said(
                ErrorCode::Validation,
                format_args!(
                    "a report tells of 1 to {KEY_STORE_REPORT_MAX} backends, this one of {count}"
                ),
            ));
        }
        let mut names = BTreeSet::new();
        let told = backends.iter().map(Backend::name);
        for name in told.chain(forgotten.iter().cloned()) {
            if !names.insert(name.clone()) {
                return Err(said(
                    ErrorCode::Validation,
                    format_args!("the report tells twice of {name}"),
                ));
            }
        }
        backends.iter().try_for_each(check_backend)
    }
}

fn check_backend(backend: &Backend) -> Result<(), Said> {
    let name = backend.name();
    match backend {
        Backend::Cluster { known: None, .. }
        | Backend::Proxy { known: None, .. }
        | Backend::VpcService { known: None, .. }
        | Backend::ExternalKey { known: None, .. } => Ok(()),
        Backend::Cluster {
            known: Some(facts), ..
        } => {
            let ClusterFacts {
                active: _,
                active_zones: _,
                trust_anchor,
                related,
                fault,
            } = facts;
            check_names(&name, "related clusters", related.len())?;
            if let Some(text) = trust_anchor
                && (!text.is_ascii() || !(1..=TRUST_ANCHOR_CHARS_MAX).contains(&text.len()))
            {
                return Err(said(
                    ErrorCode::Validation,
                    format_args!(
                        "the certificate of {name} must have 1 to {TRUST_ANCHOR_CHARS_MAX} characters, all ASCII"
                    ),
                ));
            }
            check_fault(&name, fault.as_deref())
        }
        Backend::Proxy {
            known: Some(facts), ..
        } => {
            let ProxyFacts {
                access_keys,
                health,
            } = facts;
            check_names(&name, "access key ids", access_keys.len())?;
            let why = match health {
                ProxyHealth::Sound => None,
                ProxyHealth::Unreachable(why)
                | ProxyHealth::InvalidResponse(why)
                | ProxyHealth::InvalidConfiguration(why) => Some(&**why),
            };
            check_fault(&name, why)
        }
        Backend::VpcService {
            known: Some(Soundness { fault }),
            ..
        }
        | Backend::ExternalKey {
            known: Some(Soundness { fault }),
            ..
        } => check_fault(&name, fault.as_deref()),
    }
}

fn check_names(name: &BackendName, which: &str, count: usize) -> Result<(), Said> {
    if count <= BACKEND_NAMES_MAX {
        return Ok(());
    }
    Err(said(
        ErrorCode::Validation,
        format_args!("{name} has {count} {which}: at most {BACKEND_NAMES_MAX} are kept"),
    ))
}

fn check_fault(name: &BackendName, fault: Option<&str>) -> Result<(), Said> {
    let Some(fault) = fault else {
        return Ok(());
    };
    let length = fault.chars().count();
    if (1..=BACKEND_FAULT_CHARS_MAX).contains(&length) && !fault.contains(char::is_control) {
        return Ok(());
    }
    Err(said(
        ErrorCode::Validation,
        format_args!(
            "what is wrong with {name} must be said in 1 to {BACKEND_FAULT_CHARS_MAX} characters, without control characters"
        ),
    ))
}
