//! The custom key stores of a state, in order, with the keys in each; and the state of a key as its store leaves it.
//!
//! The keys of a store are not written when it connects or disconnects, however many they are: their state follows from
//! the store's whenever it is asked for (K-12). Imports the facts.

use std::ops::Bound;
use std::sync::Arc;

use imbl::{OrdMap, OrdSet};

use super::State;
use super::cow_map::{CowMap, HashKey};
use super::fact::Fact;
use super::key::{Key, KeyState};
use super::key_store::{CustomKeyStore, StoreKey};
use crate::domain::ids::{AccountId, CustomKeyStoreId, KeyArn, Partition, Region, XksKeyId};

/// The stores and their indexes.
#[derive(Clone, Debug, Default)]
pub(super) struct KeyStores {
    stores: OrdMap<CustomKeyStoreId, Arc<CustomKeyStore>>,
    /// The last member is always present: its absence sorts first and makes the lower bound of a range.
    in_order: OrdSet<(Partition, Region, AccountId, Option<CustomKeyStoreId>)>,
    /// The last member is always present, as above.
    keys: OrdSet<(CustomKeyStoreId, Option<KeyArn>)>,
    /// The key of each key in an external key manager: one, in one store.
    xks_keys: CowMap<(CustomKeyStoreId, XksKeyId), KeyArn>,
}

impl KeyStores {
    /// Nothing yet, under the cluster's key.
    pub(super) fn keyed(key: HashKey) -> Self {
        Self {
            xks_keys: CowMap::keyed(key),
            ..Self::default()
        }
    }
}

impl KeyStores {
    pub(super) fn get(&self, id: &CustomKeyStoreId) -> Option<&Arc<CustomKeyStore>> {
        self.stores.get(id)
    }

    /// Every store, in canonical order.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Arc<CustomKeyStore>> {
        self.stores.values()
    }

    /// Notes a new key of a store.
    pub(super) fn enter(&mut self, key: &Key) {
        let Some(StoreKey { store, xks_key }) = &key.custom_key_store else {
            return;
        };
        self.keys.insert((store.clone(), Some(key.arn.clone())));
        if let Some(xks_key) = xks_key {
            self.xks_keys
                .insert((store.clone(), xks_key.clone()), key.arn.clone());
        }
    }

    /// Forgets a key that goes.
    pub(super) fn leave(&mut self, key: &Key) {
        let Some(StoreKey { store, xks_key }) = &key.custom_key_store else {
            return;
        };
        self.keys.remove(&(store.clone(), Some(key.arn.clone())));
        if let Some(xks_key) = xks_key {
            self.xks_keys.remove(&(store.clone(), xks_key.clone()));
        }
    }
}

/// Reading.
impl State {
    /// Whether a Region has custom key stores, of any account.
    pub fn has_key_stores_in(&self, partition: Partition, region: &Region) -> bool {
        let from = (partition, region.clone(), AccountId::FIRST, None);
        let first = self.key_stores.in_order.range(from..).next();
        first.is_some_and(|(p, r, _, _)| *p == partition && r == region)
    }

    /// The custom key store with this id, whoever owns it.
    pub fn key_store(&self, id: &CustomKeyStoreId) -> Option<&Arc<CustomKeyStore>> {
        self.key_stores.get(id)
    }

    /// The custom key stores of an account in a Region in the order of their ids, from after `after`.
    pub fn key_stores(
        &self,
        partition: Partition,
        region: &Region,
        account: AccountId,
        after: Option<&CustomKeyStoreId>,
    ) -> impl Iterator<Item = &Arc<CustomKeyStore>> {
        let from = (partition, region.clone(), account, after.cloned());
        let (after, region) = (after.cloned(), region.clone());
        self.key_stores
            .in_order
            .range(from..)
            .take_while(move |(p, r, a, _)| *p == partition && *r == region && *a == account)
            .filter(move |(.., id)| *id != after)
            .filter_map(|(.., id)| self.key_stores.get(id.as_ref()?))
    }

    /// The custom key stores of the whole cluster in the order of their ids, from after `after`.
    pub fn all_key_stores(
        &self,
        after: Option<&CustomKeyStoreId>,
    ) -> impl Iterator<Item = &Arc<CustomKeyStore>> {
        let from = after.map_or(Bound::Unbounded, |after| Bound::Excluded(after.clone()));
        self.key_stores
            .stores
            .range((from, Bound::Unbounded))
            .map(|(_, store)| store)
    }

    /// The keys in a custom key store, in the order of their ARNs (K-9).
    pub fn keys_of_store(&self, store: &CustomKeyStoreId) -> impl Iterator<Item = &KeyArn> {
        let wanted = store.clone();
        self.key_stores
            .keys
            .range((store.clone(), None)..)
            .take_while(move |(id, _)| *id == wanted)
            .filter_map(|(_, arn)| arn.as_ref())
    }

    /// The key that stands for a key of an external key manager.
    pub fn key_of_xks_key(&self, store: &CustomKeyStoreId, xks_key: &XksKeyId) -> Option<&KeyArn> {
        let place = (store.clone(), xks_key.clone());
        self.key_stores.xks_keys.get(&place)
    }

    /// The state of a key as everybody sees it: one that is neither pending nor being made is Unavailable while its
    /// custom key store is not connected, and has its own state again when it is (K-12, ST-1).
    pub fn key_state(&self, key: &Key) -> KeyState {
        let Some(place) = &key.custom_key_store else {
            return key.state;
        };
        match key.state {
            KeyState::Enabled | KeyState::Disabled => {
                let store = self.key_store(&place.store);
                if store.is_some_and(|store| store.is_connected()) {
                    key.state
                } else {
                    KeyState::Unavailable
                }
            }
            KeyState::Creating
            | KeyState::PendingDeletion
            | KeyState::PendingImport
            | KeyState::PendingReplicaDeletion
            | KeyState::Unavailable
            | KeyState::Updating => key.state,
        }
    }
}

/// Writing: for `op` alone.
impl State {
    /// Puts a custom key store, or replaces it.
    pub(in crate::domain) fn put_key_store(&mut self, store: Arc<CustomKeyStore>) {
        self.key_stores.in_order.insert(place(&store));
        let old = self
            .key_stores
            .stores
            .insert(store.id.clone(), Arc::clone(&store));
        self.count(old.map(Fact::KeyStore), Some(Fact::KeyStore(store)));
    }

    /// Takes a custom key store out; it has no keys any more (K-9).
    pub(in crate::domain) fn take_key_store(&mut self, id: &CustomKeyStoreId) {
        let Some(old) = self.key_stores.stores.remove(id) else {
            return;
        };
        self.key_stores.in_order.remove(&place(&old));
        self.count(Some(Fact::KeyStore(old)), None);
    }
}

fn place(store: &CustomKeyStore) -> (Partition, Region, AccountId, Option<CustomKeyStoreId>) {
    (
        store.partition,
        store.region.clone(),
        store.account,
        Some(store.id.clone()),
    )
}
