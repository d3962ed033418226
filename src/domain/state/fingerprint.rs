//! A sum over the facts of a state that does not depend on their order: equal content, equal fingerprint.
//!
//! Each fact is hashed by BLAKE3 over a canonical form of its own (every field, lengths before texts); the sum adds the
//! hashes as four 64-bit lanes, so a fact that goes is subtracted. It finds replicas that diverged; it is no defence
//! against somebody who can choose facts. Imports the facts. The canonical form is for hashing only and never stored.

use std::fmt;
use std::sync::Arc;

use super::cow_map::HashKey;
use super::fact::{Fact, Forgotten, Gap, Header};
use super::grant::{
    ConstraintKeyCase, ContextConstraint, Grant, GrantConstraints, GrantPrincipal, Term,
};
use super::group::Group;
use super::idempotency::{Consumed, Effect, IdempotencyKey, IdempotencyRecord, Payer};
use super::key::{Deletion, Key};
use super::key_store::{Backing, Connection, CustomKeyStore, StoreKey, XksProxy, XksRoute};
use super::key_store_backend::{
    Backend, ClusterFacts, KeyStoreBackend, ProxyFacts, ProxyHealth, Soundness,
};
use super::key_usage::KeyUse;
use super::organization::{Controls, Node, Organization, VpcEndpoint};
use super::principal::{Account, Principal};
use super::semantics::{Member, Semantics};
use super::settings::Settings;
use super::token_epoch::{SealCheck, TokenEpoch};
use super::{Tags, alias::Alias};
use crate::domain::ids::GrantId;
use crate::domain::time::{Revision, Timestamp};

/// The fingerprint of a state at its revision.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fingerprint(pub [u8; 32]);

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The running sum over the facts.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Sum([u64; 4]);

impl Sum {
    /// Counts a fact that came.
    pub fn add(&mut self, fact: &Fact) {
        for (lane, part) in self.0.iter_mut().zip(lanes(fact)) {
            *lane = lane.wrapping_add(part);
        }
    }

    /// Counts a fact that went.
    pub fn subtract(&mut self, fact: &Fact) {
        for (lane, part) in self.0.iter_mut().zip(lanes(fact)) {
            *lane = lane.wrapping_sub(part);
        }
    }

    /// The fingerprint of a state with this header and these facts.
    pub fn fingerprint(&self, header: &Header) -> Fingerprint {
        let Header {
            incarnation,
            revision,
            clock,
            settings,
            forgotten: Forgotten { changes, uses },
            hash_key: HashKey(hash_key),
            seal_check: SealCheck(seal_check),
            semantics: Semantics(semantics),
            closed,
        } = header;
        let Settings {
            max_staleness_ms,
            clock_rate_permille,
            grants_per_key_max,
            profile,
            grants_per_principal_max,
            constraint_key_case,
            regions,
        } = settings;
        let mut form = Form::default();
        form.fixed(&incarnation.0);
        form.revision(*revision);
        form.time(*clock);
        form.revision(*changes);
        form.revision(*uses);
        form.fixed(hash_key);
        form.fixed(seal_check);
        form.number(u64::from(*semantics));
        form.option(*closed, |form, Gap { after, since, was }| {
            form.revision(after);
            form.time(since);
            form.fixed(&was.0);
        });
        form.number(*max_staleness_ms);
        form.number(u64::from(*clock_rate_permille));
        form.number(u64::from(*grants_per_key_max));
        form.text(profile.as_str());
        form.option(*grants_per_principal_max, |form, max| {
            form.number(u64::from(max));
        });
        form.text(&regions.to_string());
        self.0.iter().for_each(|lane| form.number(*lane));
        // Only once it is switched on: until then a node that does not know the setting has the same fingerprint.
        match constraint_key_case {
            ConstraintKeyCase::Sensitive => {}
            ConstraintKeyCase::Insensitive => form.text(constraint_key_case.as_str()),
        }
        Fingerprint(*form.0.finalize().as_bytes())
    }
}

fn lanes(fact: &Fact) -> [u64; 4] {
    let mut form = Form::default();
    form.fact(fact);
    let mut lanes = [0; 4];
    let hash = form.0.finalize();
    for (lane, bytes) in lanes.iter_mut().zip(hash.as_bytes().as_chunks::<8>().0) {
        *lane = u64::from_le_bytes(*bytes);
    }
    lanes
}

/// The canonical form of a fact, on its way into the hash.
#[derive(Default)]
struct Form(blake3::Hasher);

impl Form {
    fn fixed(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    fn number(&mut self, n: u64) {
        self.fixed(&n.to_le_bytes());
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.number(bytes.len() as u64);
        self.fixed(bytes);
    }

    fn text(&mut self, text: &str) {
        self.bytes(text.as_bytes());
    }

    fn shown(&mut self, value: &impl fmt::Display) {
        self.text(&value.to_string());
    }

    fn time(&mut self, at: Timestamp) {
        self.number(at.as_millis());
    }

    fn revision(&mut self, at: Revision) {
        self.number(at.0);
    }

    fn option<T>(&mut self, value: Option<T>, form: impl FnOnce(&mut Self, T)) {
        self.number(u64::from(value.is_some()));
        if let Some(value) = value {
            form(self, value);
        }
    }

    fn pairs(&mut self, pairs: &Tags) {
        self.number(pairs.len() as u64);
        for (key, value) in pairs {
            self.text(key);
            self.text(value);
        }
    }

    fn fact(&mut self, fact: &Fact) {
        self.text(fact.kind());
        match fact {
            Fact::Member(Member { node, newest }) => {
                self.number(*node);
                self.number(u64::from(newest.0));
            }
            Fact::TokenEpoch(epoch) => self.token_epoch(epoch),
            Fact::Account(account) => self.account(account),
            Fact::Organization(organization) => self.organization(organization),
            Fact::Node(node) => self.node(node),
            Fact::VpcEndpoint(endpoint) => self.endpoint(endpoint),
            Fact::Group(group) => self.group(group),
            Fact::Principal(principal) => self.principal(principal),
            Fact::KeyStore(store) => self.key_store(store),
            Fact::KeyStoreBackend(backend) => self.backend(backend),
            Fact::Key(key) | Fact::DyingKey(key) => self.key(key),
            Fact::Alias(alias) => self.alias(alias),
            Fact::Grant(grant) => self.grant(grant),
            Fact::Idempotency(record) => self.idempotency(record),
        }
    }

    fn token_epoch(&mut self, epoch: &TokenEpoch) {
        let TokenEpoch {
            number,
            sealed_secret,
            born,
            mints,
            ended,
            revoked,
        } = epoch;
        self.number(u64::from(*number));
        self.bytes(sealed_secret);
        self.revision(*born);
        self.option(*mints, Self::revision);
        self.option(*ended, Self::revision);
        self.option(*revoked, Self::revision);
    }

    fn account(&mut self, account: &Account) {
        let Account {
            id,
            name,
            created_at,
            born,
        } = account;
        self.number(id.number());
        self.text(name);
        self.time(*created_at);
        self.revision(*born);
    }

    fn principal(&mut self, principal: &Principal) {
        let Principal {
            arn,
            unique_id,
            kind,
            created_at,
            born,
            service,
            tags,
            policies,
            boundary,
            groups,
        } = principal;
        self.text(arn.as_str());
        self.text(unique_id.as_str());
        self.text(kind.as_str());
        self.time(*created_at);
        self.revision(*born);
        self.option(service.as_ref(), |form, service| {
            form.text(service.as_str())
        });
        self.pairs(tags);
        self.number(policies.len() as u64);
        for (name, policy) in policies {
            self.text(name);
            self.text(policy.text());
        }
        self.option(boundary.as_ref(), |form, policy| form.text(policy.text()));
        self.number(groups.len() as u64);
        for group in groups {
            self.text(group.as_str());
        }
    }

    fn group(&mut self, group: &Group) {
        let Group {
            arn,
            unique_id,
            created_at,
            born,
            policies,
        } = group;
        self.text(arn.as_str());
        self.text(unique_id.as_str());
        self.time(*created_at);
        self.revision(*born);
        self.number(policies.len() as u64);
        for (name, policy) in policies {
            self.text(name);
            self.text(policy.text());
        }
    }

    fn organization(&mut self, organization: &Organization) {
        let Organization {
            id,
            management,
            root,
            created_at,
            born,
        } = organization;
        self.text(id.as_str());
        self.number(management.number());
        self.shown(root);
        self.time(*created_at);
        self.revision(*born);
    }

    fn node(&mut self, node: &Node) {
        let Node {
            id,
            organization,
            parent,
            name,
            created_at,
            born,
            service_control,
            resource_control,
        } = node;
        self.shown(id);
        self.text(organization.as_str());
        self.option(parent.as_ref(), Self::shown);
        self.text(name);
        self.time(*created_at);
        self.revision(*born);
        self.controls(service_control);
        self.controls(resource_control);
    }

    fn controls(&mut self, controls: &Controls) {
        self.number(controls.len() as u64);
        for (name, policy) in controls {
            self.text(name);
            self.text(policy.text());
        }
    }

    fn endpoint(&mut self, endpoint: &VpcEndpoint) {
        let VpcEndpoint {
            id,
            vpc,
            account,
            policy,
            created_at,
            born,
        } = endpoint;
        self.text(id.as_str());
        self.text(vpc.as_str());
        self.number(account.number());
        self.option(policy.as_ref(), |form, policy| form.text(policy.text()));
        self.time(*created_at);
        self.revision(*born);
    }

    fn key(&mut self, key: &Key) {
        let Key {
            arn,
            born,
            created_at,
            description,
            spec,
            usage,
            origin,
            state,
            multi_region,
            manager,
            tags,
            policy,
            bindings,
            deletion,
            custom_key_store,
            last_use,
        } = key;
        self.shown(arn);
        self.revision(*born);
        self.time(*created_at);
        self.text(description);
        self.text(spec.as_str());
        self.text(usage.as_str());
        self.text(origin.as_str());
        self.text(state.as_str());
        self.option(*multi_region, |form, kind| form.text(kind.as_str()));
        self.text(manager.as_str());
        self.pairs(tags);
        self.text(policy.text());
        self.number(bindings.len() as u64);
        for (arn, unique_id) in bindings.iter() {
            self.text(arn.as_str());
            self.text(unique_id.as_str());
        }
        self.option(*deletion, |form, deletion| {
            let Deletion {
                window_days,
                due,
                was,
            } = deletion;
            form.number(u64::from(window_days));
            form.option(due, Self::time);
            form.text(was.as_str());
        });
        self.option(
            custom_key_store.as_ref(),
            |form, StoreKey { store, xks_key }| {
                form.text(store.as_str());
                form.option(xks_key.as_ref(), |form, key| form.text(key.as_str()));
            },
        );
        self.option(*last_use, |form, used| {
            let KeyUse {
                operation,
                at,
                request_id,
            } = used;
            form.text(operation.as_str());
            form.time(at);
            form.option(request_id, |form, id| form.fixed(&id.0));
        });
    }

    fn key_store(&mut self, store: &CustomKeyStore) {
        let CustomKeyStore {
            id,
            account,
            partition,
            region,
            name,
            created_at,
            born,
            connection,
            attempt,
            backing,
        } = store;
        self.text(id.as_str());
        self.number(account.number());
        self.text(partition.as_str());
        self.text(region.as_str());
        self.text(name);
        self.time(*created_at);
        self.revision(*born);
        self.text(connection.state().as_str());
        let error = match connection {
            Connection::Failed(code) => Some(*code),
            Connection::Disconnected
            | Connection::Connecting
            | Connection::Connected
            | Connection::Disconnecting => None,
        };
        self.option(error, |form, code| form.text(code.as_str()));
        self.revision(*attempt);
        self.text(backing.kind().as_str());
        match backing {
            Backing::CloudHsm {
                cluster,
                trust_anchor,
                sealed_password,
            } => {
                self.text(cluster.as_str());
                self.text(trust_anchor);
                self.bytes(sealed_password);
            }
            Backing::External(XksProxy {
                route,
                endpoint,
                path,
                access_key_id,
                sealed_secret,
            }) => {
                self.text(route.connectivity().as_str());
                if let XksRoute::Vpc { service, owner } = route {
                    self.text(service.as_str());
                    self.number(owner.number());
                }
                self.text(endpoint.as_str());
                self.text(path.as_str());
                self.text(access_key_id.as_str());
                self.bytes(sealed_secret);
            }
        }
    }

    fn backend(&mut self, backend: &KeyStoreBackend) {
        let KeyStoreBackend {
            account,
            partition,
            region,
            backend,
            told_at,
        } = backend;
        self.number(account.number());
        self.text(partition.as_str());
        self.text(region.as_str());
        self.time(*told_at);
        self.shown(&backend.name());
        match backend {
            Backend::Cluster { id: _, known } => self.option(known.as_ref(), Self::cluster),
            Backend::Proxy { at: _, known } => self.option(known.as_ref(), Self::proxy),
            Backend::VpcService { name: _, known } | Backend::ExternalKey { known, .. } => {
                self.option(known.as_ref(), |form, Soundness { fault }| {
                    form.option(fault.as_deref(), Self::text);
                });
            }
        }
    }

    fn cluster(&mut self, cluster: &ClusterFacts) {
        let ClusterFacts {
            active,
            active_zones,
            trust_anchor,
            related,
            fault,
        } = cluster;
        self.number(u64::from(*active));
        self.number(u64::from(*active_zones));
        self.option(trust_anchor.as_deref(), Self::text);
        self.number(related.len() as u64);
        for cluster in related {
            self.text(cluster.as_str());
        }
        self.option(fault.as_deref(), Self::text);
    }

    fn proxy(&mut self, proxy: &ProxyFacts) {
        let ProxyFacts {
            access_keys,
            health,
        } = proxy;
        self.number(access_keys.len() as u64);
        for key in access_keys {
            self.text(key.as_str());
        }
        let (kind, why) = match health {
            ProxyHealth::Sound => ("sound", None),
            ProxyHealth::Unreachable(why) => ("unreachable", Some(why)),
            ProxyHealth::InvalidResponse(why) => ("invalid response", Some(why)),
            ProxyHealth::InvalidConfiguration(why) => ("invalid configuration", Some(why)),
        };
        self.text(kind);
        self.option(why.map(|why| &**why), Self::text);
    }

    fn alias(&mut self, alias: &Alias) {
        let Alias {
            arn,
            target,
            created_at,
            updated_at,
        } = alias;
        self.shown(arn);
        self.shown(target);
        self.time(*created_at);
        self.time(*updated_at);
    }

    fn grant(&mut self, grant: &Grant) {
        let Grant {
            id,
            key,
            grantee,
            retiring,
            operations,
            constraints,
            name,
            issuing_account,
            created_at,
            born,
            spent,
            ancestors,
            epoch,
        } = grant;
        self.fixed(&id.0);
        self.shown(key);
        self.holder(grantee);
        self.option(retiring.as_ref(), Self::holder);
        self.number(u64::from(operations.bits()));
        let GrantConstraints {
            context,
            source_arn,
            term: Term { expires_at, uses },
        } = constraints;
        self.option(context.as_ref(), |form, context| match context {
            ContextConstraint::Equals(pairs) => {
                form.text("Equals");
                form.pairs(pairs);
            }
            ContextConstraint::Subset(pairs) => {
                form.text("Subset");
                form.pairs(pairs);
            }
        });
        self.option(source_arn.as_ref(), |form, arn| form.text(arn.as_str()));
        self.option(name.as_deref(), Self::text);
        self.number(issuing_account.number());
        self.time(*created_at);
        self.revision(*born);
        self.option(*expires_at, Self::time);
        self.option(*uses, |form, uses| form.number(u64::from(uses)));
        self.number(u64::from(*spent));
        self.number(ancestors.len() as u64);
        ancestors.iter().for_each(|GrantId(id)| self.fixed(id));
        self.number(u64::from(*epoch));
    }

    fn holder(&mut self, principal: &GrantPrincipal) {
        match principal {
            GrantPrincipal::Arn { arn, unique_id } => {
                self.text(arn.as_str());
                self.text(unique_id.as_str());
            }
            GrantPrincipal::Service(service) => {
                self.text("service");
                self.text(service.as_str());
            }
        }
    }

    fn consumed(&mut self, consumed: &Consumed) {
        let Consumed {
            policy_type,
            grant,
            uses_left,
        } = consumed;
        self.text("consumed");
        self.text(policy_type);
        self.option(*grant, |form, GrantId(id)| form.fixed(&id));
        self.option(*uses_left, |form, left| form.number(u64::from(left)));
    }

    fn idempotency(&mut self, record: &IdempotencyRecord) {
        let IdempotencyRecord {
            key: IdempotencyKey { caller, key },
            payer: Payer { account, principal },
            request_hash,
            horizon,
            at,
            time,
            effect,
        } = record;
        self.text(caller);
        self.text(key);
        self.option(*account, |form, account| form.number(account.number()));
        self.text(principal);
        self.fixed(request_hash);
        self.text(horizon.as_str());
        self.revision(*at);
        self.time(*time);
        match effect {
            Effect::Done => self.text("done"),
            Effect::Account(account) => self.fact(&Fact::Account(Arc::clone(account))),
            Effect::Principal(principal) => self.fact(&Fact::Principal(Arc::clone(principal))),
            Effect::Group(group) => self.fact(&Fact::Group(Arc::clone(group))),
            Effect::Organization(organization) => {
                self.fact(&Fact::Organization(Arc::clone(organization)));
            }
            Effect::Node(node) => self.fact(&Fact::Node(Arc::clone(node))),
            Effect::Key(key) => self.fact(&Fact::Key(Arc::clone(key))),
            Effect::KeyStore(id) => {
                self.text("key store id");
                self.text(id.as_str());
            }
            Effect::Grant {
                id: GrantId(id),
                depends_on,
            } => {
                self.text("grant id");
                self.fixed(id);
                self.revision(*depends_on);
            }
            Effect::Consumed(consumed) => self.consumed(consumed),
            Effect::TokenEpoch(number) => {
                self.text("token epoch number");
                self.number(u64::from(*number));
            }
            Effect::Refused { code, message } => {
                self.text("refused");
                self.text(code.as_str());
                self.text(message);
            }
        }
    }
}
