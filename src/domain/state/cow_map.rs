//! A copy-on-write hash map: a clone is one pointer and never changes, a write copies one small shard.
//!
//! Two levels of shared shards: 256 groups of 256 shards. A write copies at most two arrays of 256 pointers, and only
//! while another clone is alive, and one shard: 16 entries at a million. The hash is keyed with the cluster's own key,
//! so that nobody can choose names that share a shard, which is copied whole at each insert; the key is replicated, so
//! that every replica lays the map out alike. There is no way to iterate, so that no order can reach an output. Imports
//! nothing of ours.

use std::borrow::Borrow;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use siphasher::sip::SipHasher13;

/// Children of each of the two levels: one byte of the hash.
const FANOUT: usize = 256;

/// One entry of a shard, with its hash so that keys are seldom compared.
type Slot<K, V> = (u64, K, V);

/// Entries whose hashes share two bytes, in the order of their hashes.
type Shard<K, V> = Vec<Slot<K, V>>;

/// A child is present once something was put under it.
type Group<K, V> = Vec<Option<Arc<Shard<K, V>>>>;

/// The upper level.
type Groups<K, V> = Vec<Option<Arc<Group<K, V>>>>;

/// What the hashes of a cluster are keyed with: drawn before the log, replicated, never shown. All zeros before the
/// cluster's first command.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct HashKey(pub [u8; 16]);

/// A [`HashKey`] as SipHash takes it: its two halves, little-endian.
#[derive(Clone, Copy)]
struct SipKey(u64, u64);

impl From<HashKey> for SipKey {
    fn from(HashKey(key): HashKey) -> Self {
        let key = u128::from_le_bytes(key);
        Self(key as u64, (key >> 64) as u64)
    }
}

impl SipKey {
    /// SipHash 1-3 of a value under this key.
    fn hash<Q: Hash + ?Sized>(self, value: &Q) -> u64 {
        let Self(low, high) = self;
        let mut hasher = SipHasher13::new_with_keys(low, high);
        value.hash(&mut hasher);
        hasher.finish()
    }
}

/// Shows nothing of the key.
impl fmt::Debug for HashKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HashKey(..)")
    }
}

/// A copy-on-write hash map without iteration.
pub struct CowMap<K, V> {
    /// The cluster's key.
    key: SipKey,
    /// Empty until the first insert: an empty map costs nothing.
    groups: Arc<Groups<K, V>>,
    len: usize,
}

/// Shows nothing of the key.
impl<K: fmt::Debug, V: fmt::Debug> fmt::Debug for CowMap<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CowMap")
            .field("groups", &self.groups)
            .field("len", &self.len)
            .finish_non_exhaustive()
    }
}

impl<K, V> Clone for CowMap<K, V> {
    fn clone(&self) -> Self {
        Self {
            key: self.key,
            groups: Arc::clone(&self.groups),
            len: self.len,
        }
    }
}

impl<K, V> Default for CowMap<K, V> {
    fn default() -> Self {
        Self::keyed(HashKey::default())
    }
}

/// The hash of a value without a key, the same in every build; never persisted or shown.
pub fn fixed_hash<Q: Hash + ?Sized>(value: &Q) -> u64 {
    keyed_hash(HashKey::default(), value)
}

/// SipHash 1-3 of a value under a cluster's key (<https://www.aumasson.jp/siphash/siphash.pdf>): whoever does not know
/// the key cannot choose values that share a place.
pub fn keyed_hash<Q: Hash + ?Sized>(key: HashKey, value: &Q) -> u64 {
    SipKey::from(key).hash(value)
}

/// Which group and which shard of it a hash belongs to; the shard orders by the whole hash.
const fn place(hash: u64) -> (usize, usize) {
    ((hash >> 56) as usize, (hash >> 48) as usize % FANOUT)
}

impl<K, V> CowMap<K, V> {
    /// An empty map whose hashes are keyed with `key`.
    pub fn keyed(key: HashKey) -> Self {
        Self {
            key: key.into(),
            groups: Arc::new(Vec::new()),
            len: 0,
        }
    }

    /// How many entries there are.
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether there is no entry.
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }
}

impl<K: Hash + Eq, V> CowMap<K, V> {
    /// The value of `key`.
    pub fn get<Q>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let hash = self.key.hash(key);
        let (group, shard) = place(hash);
        let shard = self.groups.get(group)?.as_ref()?.get(shard)?.as_ref()?;
        let at = find(shard, hash, key)?;
        shard.get(at).map(|(_, _, value)| value)
    }

    /// The value of the key that `is_it` recognizes. `like` stands for that key without being one: it must hash as the
    /// key does, as a tuple of references hashes like the tuple.
    pub fn get_like<Q: Hash>(&self, like: &Q, is_it: impl Fn(&K) -> bool) -> Option<&V> {
        let hash = self.key.hash(like);
        let (group, shard) = place(hash);
        let shard = self.groups.get(group)?.as_ref()?.get(shard)?.as_ref()?;
        let first = shard.partition_point(|slot| slot.0 < hash);
        shard
            .iter()
            .skip(first)
            .take_while(|slot| slot.0 == hash)
            .find(|slot| is_it(&slot.1))
            .map(|slot| &slot.2)
    }

    /// Whether `key` has a value.
    pub fn contains_key<Q>(&self, key: &Q) -> bool
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        self.get(key).is_some()
    }
}

impl<K: Hash + Eq + Clone, V: Clone> CowMap<K, V> {
    /// Gives `key` this value; the value that it had before is returned.
    pub fn insert(&mut self, key: K, value: V) -> Option<V> {
        let hash = self.key.hash(&key);
        let shard = self.shard_mut(hash)?;
        if let Some(at) = find(shard, hash, &key) {
            return shard
                .get_mut(at)
                .map(|slot| std::mem::replace(&mut slot.2, value));
        }
        let at = shard.partition_point(|slot| slot.0 < hash);
        shard.insert(at, (hash, key, value));
        self.len += 1;
        None
    }

    /// Takes `key` out; the value that it had is returned.
    pub fn remove<Q>(&mut self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        // Looked up first: a key that is not there must not copy anything.
        self.get(key)?;
        let hash = self.key.hash(key);
        let shard = self.shard_mut(hash)?;
        let at = find(shard, hash, key)?;
        let (_, _, value) = shard.remove(at);
        self.len -= 1;
        Some(value)
    }

    /// The shard of `hash`, alone in this clone. `None` never happens: every place is below `FANOUT`.
    fn shard_mut(&mut self, hash: u64) -> Option<&mut Shard<K, V>> {
        let (group, shard) = place(hash);
        let groups = Arc::make_mut(&mut self.groups);
        if groups.is_empty() {
            groups.resize_with(FANOUT, || None);
        }
        let group = groups.get_mut(group)?.get_or_insert_with(|| {
            let mut shards = Vec::new();
            shards.resize_with(FANOUT, || None);
            Arc::new(shards)
        });
        let shard = Arc::make_mut(group)
            .get_mut(shard)?
            .get_or_insert_with(Arc::default);
        Some(Arc::make_mut(shard))
    }
}

/// Where `key` is in a shard.
fn find<K, V, Q>(shard: &Shard<K, V>, hash: u64, key: &Q) -> Option<usize>
where
    K: Borrow<Q>,
    Q: Eq + ?Sized,
{
    let first = shard.partition_point(|slot| slot.0 < hash);
    shard
        .iter()
        .enumerate()
        .skip(first)
        .take_while(|(_, slot)| slot.0 == hash)
        .find(|(_, slot)| slot.1.borrow() == key)
        .map(|(at, _)| at)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn map_when_empty_has_nothing() {
        let mut map: CowMap<u8, u8> = CowMap::default();
        assert!(map.is_empty());
        assert_eq!(map.get(&1), None);
        assert_eq!(map.remove(&1), None);
    }

    /// A key that is not at hand whole is found by its parts.
    #[test]
    fn map_finds_a_pair_by_references_to_its_parts() {
        let mut map: CowMap<(String, u8), u8> = CowMap::default();
        for n in 0..50 {
            map.insert((format!("key {n}"), n), n);
        }
        for n in 0..50 {
            let (text, number) = (format!("key {n}"), n);
            let found = map.get_like(&(&text, &number), |(t, m)| *t == text && *m == number);
            assert_eq!(found, Some(&n));
            assert_eq!(map.get_like(&(&text, &(n + 1)), |_| true), None);
        }
    }

    impl<K, V> CowMap<K, V> {
        fn longest_shard(&self) -> usize {
            let groups = self.groups.iter().flatten();
            let shards = groups.flat_map(|group| group.iter().flatten());
            shards.map(|shard| shard.len()).max().unwrap_or(0)
        }
    }

    /// A shard is copied whole at each insert: names that all share one under the hash that everybody knows are spread
    /// under a cluster's own key, and laid out alike by every replica.
    #[test]
    fn names_chosen_to_collide_are_spread_under_the_clusters_key() {
        let chosen: Vec<String> = (0..)
            .map(|n: u64| format!("arn:aws:iam::111122223333:user/{n}"))
            .filter(|name| keyed_hash(HashKey::default(), name) >> 48 == 7)
            .take(24)
            .collect();
        let fill = |key| {
            let mut map = CowMap::keyed(key);
            for (n, name) in chosen.iter().enumerate() {
                map.insert(name.clone(), n);
            }
            for (n, name) in chosen.iter().enumerate() {
                assert_eq!(map.get(name), Some(&n));
            }
            map
        };
        assert_eq!(fill(HashKey::default()).longest_shard(), chosen.len());
        let keyed = fill(HashKey([7; 16]));
        assert!(keyed.longest_shard() <= 3, "{}", keyed.longest_shard());
        assert_eq!(format!("{:?}", HashKey([7; 16])), "HashKey(..)");
    }

    #[derive(Clone, Debug)]
    enum Step {
        Insert(u16, u8),
        Remove(u16),
        Clone,
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            4 => (0..64u16, any::<u8>()).prop_map(|(k, v)| Step::Insert(k, v)),
            2 => (0..64u16).prop_map(Step::Remove),
            1 => Just(Step::Clone),
        ];
        proptest::collection::vec(step, 0..200)
    }

    proptest! {
        /// The map answers as an ordered map does, and no clone ever changes.
        #[test]
        fn map_agrees_with_a_model_and_clones_never_change(steps in steps()) {
            let mut map = CowMap::default();
            let mut model = BTreeMap::new();
            let mut frozen = Vec::new();
            for step in steps {
                match step {
                    Step::Insert(k, v) => prop_assert_eq!(map.insert(k, v), model.insert(k, v)),
                    Step::Remove(k) => prop_assert_eq!(map.remove(&k), model.remove(&k)),
                    Step::Clone => frozen.push((map.clone(), model.clone())),
                }
            }
            frozen.push((map, model));
            for (map, model) in frozen {
                prop_assert_eq!(map.len(), model.len());
                for k in 0..64 {
                    prop_assert_eq!(map.get(&k), model.get(&k));
                }
            }
        }
    }
}
