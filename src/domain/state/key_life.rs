//! The end of keys, and the sets of multi-Region keys: the indexes behind both.
//!
//! A key may hold 50,000 grants, too many to remove in one entry. So it goes in two acts: it becomes *dying*, which
//! takes it from every reader at once, and its grants are then removed in steps that nobody sees. Until the last of them
//! is gone its ARN is taken. Imports ids, time and the facts; decides nothing.

use std::sync::Arc;

use super::State;
use super::fact::Fact;
use super::key::Key;
use crate::domain::ids::KeyArn;
use crate::domain::time::Timestamp;

/// Reading.
impl State {
    /// The keys of the multi-Region set of `key`, itself included, in the order of their Regions; none if it is a
    /// single-Region key.
    pub fn related_keys(&self, key: &KeyArn) -> impl Iterator<Item = &Arc<Key>> {
        let KeyArn {
            partition,
            region: _,
            account,
            key_id,
        } = *key;
        self.related_keys
            .range((partition, account, key_id, None)..)
            .take_while(move |(p, a, id, _)| *p == partition && *a == account && *id == key_id)
            .filter_map(move |(.., region)| {
                self.keys.get(&KeyArn {
                    partition,
                    region: region.clone()?,
                    account,
                    key_id,
                })
            })
    }

    /// Keys whose waiting period ends at `now` or has ended, the earliest first.
    pub fn keys_due(&self, now: Timestamp) -> impl Iterator<Item = &KeyArn> {
        self.deletions
            .iter()
            .take_while(move |(due, _)| *due <= now)
            .map(|(_, arn)| arn)
    }

    /// The first key of all, a dying one if there is no other.
    pub fn first_key(&self) -> Option<&KeyArn> {
        let first = self.keys_in_order.get_min();
        first.or_else(|| self.dying_keys.get_min().map(|(arn, _)| arn))
    }

    /// When the first waiting period of a key ends.
    pub fn first_deletion(&self) -> Option<Timestamp> {
        self.deletions.get_min().map(|(due, _)| *due)
    }

    /// Keys that are deleted and still have grants to be removed.
    pub fn dying_keys(&self) -> impl Iterator<Item = &KeyArn> {
        self.dying_keys.keys()
    }

    /// Whether a key of this ARN is deleted and not yet cleared away.
    pub fn is_dying(&self, key: &KeyArn) -> bool {
        self.dying_keys.contains_key(key)
    }
}

/// Writing: for `op` alone.
impl State {
    /// Deletes a key: no reader finds it any more. It stays as a dying one until [`State::drop_dying_key`].
    pub(in crate::domain) fn take_key(&mut self, arn: &KeyArn) {
        let Some(old) = self.keys.remove(arn) else {
            return;
        };
        self.index_life(Some(&old), None);
        self.key_stores.leave(&old);
        let count = self.key_count(arn.partition, &arn.region, arn.account);
        let place = (arn.partition, arn.region.clone(), arn.account);
        self.key_counts.insert(place, count.saturating_sub(1));
        self.keys_in_order.remove(arn);
        self.count(Some(Fact::Key(Arc::clone(&old))), None);
        self.put_dying_key(old);
    }

    /// Puts a dying key.
    pub(super) fn put_dying_key(&mut self, key: Arc<Key>) {
        let old = self.dying_keys.insert(key.arn.clone(), Arc::clone(&key));
        self.count(old.map(Fact::DyingKey), Some(Fact::DyingKey(key)));
    }

    /// Forgets a dying key, once the last of its grants is gone.
    pub(in crate::domain) fn drop_dying_key(&mut self, arn: &KeyArn) {
        let old = self.dying_keys.remove(arn);
        self.count(old.map(Fact::DyingKey), None);
    }

    /// Keeps the indexes of this module with a key that changes.
    pub(super) fn index_life(&mut self, old: Option<&Key>, new: Option<&Key>) {
        if let Some(key) = old {
            if key.multi_region.is_some() {
                self.related_keys.remove(&place(&key.arn));
            }
            if let Some(due) = due(key) {
                self.deletions.remove(&(due, key.arn.clone()));
            }
        }
        if let Some(key) = new {
            if key.multi_region.is_some() {
                self.related_keys.insert(place(&key.arn));
            }
            if let Some(due) = due(key) {
                self.deletions.insert((due, key.arn.clone()));
            }
        }
    }
}

type Place = (
    crate::domain::ids::Partition,
    crate::domain::ids::AccountId,
    crate::domain::ids::KeyId,
    Option<crate::domain::ids::Region>,
);

fn place(arn: &KeyArn) -> Place {
    let KeyArn {
        partition,
        region,
        account,
        key_id,
    } = arn;
    (*partition, *account, *key_id, Some(region.clone()))
}

fn due(key: &Key) -> Option<Timestamp> {
    key.deletion.and_then(|deletion| deletion.due)
}
