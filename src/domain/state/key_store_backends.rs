//! What was told of the backends of custom key stores, in order, with how many of each group are known.
//!
//! Imports ids, the facts. Never: a decision; which group is known enough to judge by is the operations' to say.

use std::sync::Arc;

use imbl::OrdMap;

use super::State;
use super::cow_map::{CowMap, HashKey};
use super::fact::Fact;
use super::key_store_backend::{BackendGroup, KeyStoreBackend};
use crate::domain::ids::{AccountId, BackendName, Partition, Region};

/// The last member is always present: its absence sorts first and makes the lower bound of a range.
type Place = (Partition, Region, AccountId, Option<BackendName>);

/// The backends and how many of each group there are.
#[derive(Clone, Debug, Default)]
pub(super) struct Backends {
    told: OrdMap<Place, Arc<KeyStoreBackend>>,
    counts: CowMap<(Partition, Region, AccountId, BackendGroup), usize>,
}

impl Backends {
    /// Nothing yet, under the cluster's key.
    pub(super) fn keyed(key: HashKey) -> Self {
        Self {
            counts: CowMap::keyed(key),
            ..Self::default()
        }
    }
}

impl Backends {
    /// All of them, in canonical order.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Arc<KeyStoreBackend>> {
        self.told.values()
    }

    /// Counts one that came or went in its groups.
    fn recount(
        &mut self,
        backend: &KeyStoreBackend,
        name: &BackendName,
        count: fn(usize) -> usize,
    ) {
        for group in BackendGroup::all_of(name) {
            let region = backend.region.clone();
            let place = (backend.partition, region, backend.account, group);
            match count(self.counts.get(&place).copied().unwrap_or_default()) {
                0 => self.counts.remove(&place),
                now => self.counts.insert(place, now),
            };
        }
    }
}

/// Reading.
impl State {
    /// What was told of a backend of an account in a Region.
    pub fn key_store_backend(
        &self,
        partition: Partition,
        region: &Region,
        account: AccountId,
        name: BackendName,
    ) -> Option<&Arc<KeyStoreBackend>> {
        let place = (partition, region.clone(), account, Some(name));
        self.backends.told.get(&place)
    }

    /// What was told of the backends of an account in a Region, in the order of their names, from after `after`.
    pub fn key_store_backends(
        &self,
        partition: Partition,
        region: &Region,
        account: AccountId,
        after: Option<&BackendName>,
    ) -> impl Iterator<Item = &Arc<KeyStoreBackend>> {
        let from = (partition, region.clone(), account, after.cloned());
        let (after, region) = (after.cloned(), region.clone());
        self.backends
            .told
            .range(from..)
            .take_while(move |((p, r, a, _), _)| *p == partition && *r == region && *a == account)
            .filter(move |((.., name), _)| *name != after)
            .map(|(_, backend)| backend)
    }

    /// How many backends of a group were told of in an account and Region.
    pub fn key_store_backend_count(
        &self,
        partition: Partition,
        region: &Region,
        account: AccountId,
        group: BackendGroup,
    ) -> usize {
        let place = (partition, region.clone(), account, group);
        self.backends
            .counts
            .get(&place)
            .copied()
            .unwrap_or_default()
    }
}

/// Writing: for `op` alone.
impl State {
    /// Puts what was told of a backend, or replaces it.
    pub(in crate::domain) fn put_key_store_backend(&mut self, backend: Arc<KeyStoreBackend>) {
        let name = backend.backend.name();
        let place = (
            backend.partition,
            backend.region.clone(),
            backend.account,
            Some(name.clone()),
        );
        let old = self.backends.told.insert(place, Arc::clone(&backend));
        if old.is_none() {
            let more = |count: usize| count.saturating_add(1);
            self.backends.recount(&backend, &name, more);
        }
        let came = Some(Fact::KeyStoreBackend(backend));
        self.count(old.map(Fact::KeyStoreBackend), came);
    }

    /// Forgets what was told of a backend.
    pub(in crate::domain) fn take_key_store_backend(
        &mut self,
        partition: Partition,
        region: &Region,
        account: AccountId,
        name: BackendName,
    ) {
        let place = (partition, region.clone(), account, Some(name.clone()));
        let Some(old) = self.backends.told.remove(&place) else {
            return;
        };
        let fewer = |count: usize| count.saturating_sub(1);
        self.backends.recount(&old, &name, fewer);
        self.count(Some(Fact::KeyStoreBackend(old)), None);
    }
}
