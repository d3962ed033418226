//! Grants, and the indexes that find them without scanning a key's grants.
//!
//! A decision asks by (key, grantee): the grants of one such pair are a lot ([`super::grant_lot`]), which is searched by
//! what the request offers. The other indexes serve listings, quotas, the clean-up of what has expired, and the grants that
//! descend from one. Imports ids and the facts.

use std::collections::BTreeMap;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use imbl::{OrdMap, OrdSet};

use super::cow_map::{CowMap, HashKey, keyed_hash};
use super::deep::IndexSum;
use super::grant::{Grant, GrantPrincipal};
use super::grant_lot::{ID_MIN, Lot};
use crate::domain::ids::{
    AccountId, GrantId, KeyArn, KeyId, Partition, PrincipalArn, PrincipalKind, Region,
    ServicePrincipal, UniqueId,
};
use crate::domain::time::Timestamp;

pub use super::grant_lot::{Offer, Purse, constraint_pairs, folded_key, heeds_context, outranks};

/// Who holds a grant or may retire it, as an index key: an ARN counts only with its immutable id (ID-18).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Holder {
    /// Every principal of an account to whom it delegates (U-3).
    Account(AccountId),
    /// A user, role, session or federated user, with the immutable id behind it.
    Arn(PrincipalArn, UniqueId),
    /// A service.
    Service(ServicePrincipal),
}

/// Hashed by as little as tells holders apart: a user or a role by its immutable id, which sessions share with their role
/// and federated users with their account.
impl Hash for Holder {
    fn hash<H: Hasher>(&self, state: &mut H) {
        match self {
            Self::Account(account) => account.hash(state),
            Self::Arn(arn, unique_id) => {
                unique_id.hash(state);
                if matches!(
                    arn.kind(),
                    PrincipalKind::AssumedRole { .. } | PrincipalKind::FederatedUser { .. }
                ) {
                    arn.hash(state);
                }
            }
            Self::Service(service) => service.hash(state),
        }
    }
}

impl From<&GrantPrincipal> for Holder {
    fn from(principal: &GrantPrincipal) -> Self {
        match principal {
            GrantPrincipal::Arn { arn, .. } if arn.is_root() => Self::Account(arn.account()),
            GrantPrincipal::Arn { arn, unique_id } => Self::Arn(arn.clone(), unique_id.clone()),
            GrantPrincipal::Service(service) => Self::Service(service.clone()),
        }
    }
}

/// No account has a smaller number.
const FIRST_ACCOUNT: AccountId = match AccountId::from_number(0) {
    Some(account) => account,
    None => unreachable!(),
};

/// Every grant, with its indexes.
#[derive(Clone, Debug, Default)]
pub struct GrantIndex {
    by_id: CowMap<GrantId, Arc<Grant>>,
    by_grantee: CowMap<(KeyArn, Holder), Lot>,
    /// The number of grants of a key (G-19).
    counts: CowMap<KeyArn, u32>,
    of_key: OrdSet<(KeyArn, GrantId)>,
    by_retiring: OrdSet<(Holder, KeyArn, GrantId)>,
    /// The keys on which somebody holds grants: their lots are in `by_grantee`.
    keys_of: OrdSet<(Holder, KeyArn)>,
    /// Grants that expire, the first first (EC-13).
    by_expiry: OrdSet<(Timestamp, GrantId)>,
    /// Each grant under every ancestor that it remembers, whether that one still lives or not (EC-12).
    descendants: OrdSet<(GrantId, GrantId)>,
    /// Named grants by key and the hash of all that a retry must repeat (G-17).
    by_name: CowMap<(KeyArn, u64), Vec<GrantId>>,
    /// How many grants have tokens of an epoch: it is kept as long as one has.
    of_epoch: OrdMap<u32, u64>,
    key: HashKey,
}

/// All that a retry of a named CreateGrant must repeat (G-17, G-18), hashed.
fn retry_hash(key: HashKey, grant: &Grant) -> u64 {
    keyed_hash(
        key,
        &(
            &grant.name,
            &grant.grantee,
            &grant.retiring,
            &grant.operations,
            &grant.constraints,
            grant.issuing_account,
        ),
    )
}

/// Whether `a` and `b` agree in everything that a retry must repeat (G-17, G-18).
fn is_retry(a: &Grant, b: &Grant) -> bool {
    a.key == b.key
        && a.name == b.name
        && a.grantee == b.grantee
        && a.retiring == b.retiring
        && a.operations == b.operations
        && a.constraints == b.constraints
        && a.issuing_account == b.issuing_account
}

impl GrantIndex {
    /// Nothing yet, under the cluster's key.
    pub fn keyed(key: HashKey) -> Self {
        Self {
            by_id: CowMap::keyed(key),
            by_grantee: CowMap::keyed(key),
            counts: CowMap::keyed(key),
            by_name: CowMap::keyed(key),
            key,
            ..Self::default()
        }
    }

    /// How many living grants have tokens of an epoch.
    pub fn count_of_epoch(&self, number: u32) -> u64 {
        self.of_epoch.get(&number).copied().unwrap_or_default()
    }

    /// The grant with this id.
    pub fn get(&self, id: &GrantId) -> Option<&Arc<Grant>> {
        self.by_id.get(id)
    }

    /// How many grants a key has (G-19).
    pub fn count(&self, key: &KeyArn) -> u32 {
        self.counts.get(key).copied().unwrap_or_default()
    }

    /// Of the grants on `key` held by `holder` that have the operation and that the offer can satisfy, the best that
    /// `accept` takes: the one that lives longest, and among equals the one with the smallest id. `accept` must check the
    /// constraints: selectors are hashes.
    pub fn find(
        &self,
        key: &KeyArn,
        holder: &Holder,
        offer: &Offer<'_>,
        accept: &dyn Fn(&Grant) -> bool,
    ) -> Option<&Arc<Grant>> {
        self.lot(key, holder)?.find(offer, accept)
    }

    /// How many grants on `key` are held by `holder`.
    pub fn count_held(&self, key: &KeyArn, holder: &Holder) -> usize {
        self.lot(key, holder).map_or(0, Lot::len)
    }

    /// The grants on `key` held by `holder`, each once, in the order of their ids.
    pub fn held_on<'a>(
        &'a self,
        key: &KeyArn,
        holder: &Holder,
    ) -> impl Iterator<Item = &'a Arc<Grant>> + use<'a> {
        self.in_lot(self.lot(key, holder), None)
    }

    /// The grants of a lot from after `after`. Piece by piece: a lot may have 50,000, a page takes few of them.
    fn in_lot<'a>(
        &'a self,
        lot: Option<&'a Lot>,
        mut after: Option<GrantId>,
    ) -> impl Iterator<Item = &'a Arc<Grant>> + use<'a> {
        std::iter::from_fn(move || {
            let ids = lot?.ids(after);
            after = Some(*ids.last()?);
            Some(ids)
        })
        .flatten()
        .filter_map(|id| self.by_id.get(&id))
    }

    fn lot(&self, key: &KeyArn, holder: &Holder) -> Option<&Lot> {
        // Found by its parts: to count references of the key's own texts would make every reader of the key wait for
        // every other.
        self.by_grantee
            .get_like(&(key, holder), |(k, h)| k == key && h == holder)
    }

    /// The grant that a named CreateGrant with these properties made before, the oldest first (G-17).
    pub fn same_named(&self, wanted: &Grant) -> Option<&Arc<Grant>> {
        wanted.name.as_ref()?;
        self.by_name
            .get(&(wanted.key.clone(), retry_hash(self.key, wanted)))?
            .iter()
            .filter_map(|id| self.by_id.get(id))
            .find(|grant| is_retry(grant, wanted))
    }

    /// The grants of a key in the order of their ids, from after `after`.
    pub fn of_key(
        &self,
        key: &KeyArn,
        after: Option<GrantId>,
    ) -> impl Iterator<Item = &Arc<Grant>> {
        let from = (key.clone(), after.unwrap_or(ID_MIN));
        let key = key.clone();
        self.of_key
            .range(from..)
            .take_while(move |(k, _)| *k == key)
            .filter(move |(_, id)| Some(*id) != after)
            .filter_map(|(_, id)| self.by_id.get(id))
    }

    /// The grants on `key` that were given to a principal of this name other than the one that has the id `now` (ID-18);
    /// and, if asked for, those that such a one could retire.
    pub fn of_former<'a>(
        &'a self,
        key: &KeyArn,
        name: &PrincipalArn,
        now: &UniqueId,
        with_retirable: bool,
    ) -> impl Iterator<Item = &'a Arc<Grant>> + use<'a> {
        let first = Holder::Arn(name.clone(), UniqueId::of_account(FIRST_ACCOUNT));
        let is_former = {
            let (name, now) = (name.clone(), now.clone());
            move |holder: &Holder| match holder {
                Holder::Arn(arn, id) if *arn == name => Some(*id != now),
                Holder::Account(_) | Holder::Arn(..) | Holder::Service(_) => None,
            }
        };
        let is_retired = is_former.clone();
        let (of, on) = (key.clone(), key.clone());
        let held = self
            .keys_of
            .range((first.clone(), key.clone())..)
            .map_while(move |(holder, key)| Some((holder, key, is_former(holder)?)))
            .filter(move |(_, key, is_former)| *is_former && **key == of)
            .flat_map(|(holder, key, _)| self.in_lot(self.lot(key, holder), None));
        let retirable = self
            .by_retiring
            .range((first, key.clone(), ID_MIN)..)
            .take_while(move |_| with_retirable)
            .map_while(move |(holder, key, id)| Some((key, id, is_retired(holder)?)))
            .filter(move |(key, _, is_former)| *is_former && **key == on)
            .filter_map(|(_, id, _)| self.by_id.get(id));
        held.chain(retirable)
    }

    /// The grants of a Region that `holder` may retire as their retiring principal (G-34), in the order of their keys
    /// and ids, from after `after`.
    pub fn retirable_by(
        &self,
        holder: &Holder,
        partition: Partition,
        region: &Region,
        after: Option<(KeyArn, GrantId)>,
    ) -> impl Iterator<Item = &Arc<Grant>> {
        let (first_key, first_id) = after
            .clone()
            .unwrap_or_else(|| (first_key(partition, region), ID_MIN));
        let (holder, region) = (holder.clone(), region.clone());
        self.by_retiring
            .range((holder.clone(), first_key, first_id)..)
            .take_while(move |(h, key, _)| {
                *h == holder && key.partition == partition && key.region == region
            })
            .filter(move |(_, key, id)| after.as_ref().is_none_or(|(k, i)| (k, i) != (key, id)))
            .filter_map(|(_, _, id)| self.by_id.get(id))
    }

    /// The grants of a Region that `holder` holds on any key, in the order of their keys and ids, from after
    /// `after`.
    pub fn held_by(
        &self,
        holder: &Holder,
        partition: Partition,
        region: &Region,
        after: Option<(KeyArn, GrantId)>,
    ) -> impl Iterator<Item = &Arc<Grant>> {
        let first = match &after {
            None => first_key(partition, region),
            Some((key, _)) => key.clone(),
        };
        let (holder, region) = (holder.clone(), region.clone());
        self.keys_of
            .range((holder.clone(), first)..)
            .take_while(move |(h, key)| {
                *h == holder && key.partition == partition && key.region == region
            })
            .flat_map(move |(holder, key)| {
                let after = after.clone().filter(|(k, _)| k == key).map(|(_, id)| id);
                self.in_lot(self.lot(key, holder), after)
            })
    }

    /// Grants whose time is over at `now` and that are still here, the first that expired first.
    pub fn expired(&self, now: Timestamp) -> impl Iterator<Item = &Arc<Grant>> {
        self.by_expiry
            .iter()
            .take_while(move |(end, _)| *end <= now)
            .filter_map(|(_, id)| self.by_id.get(id))
    }

    /// Every grant that descends from `id`, in the order of their ids; `None` if there are more than `max` (EC-12).
    pub fn descendants(&self, id: GrantId, max: usize) -> Option<Vec<Arc<Grant>>> {
        let mut found: BTreeMap<GrantId, Arc<Grant>> = BTreeMap::new();
        let mut open = vec![id];
        while let Some(ancestor) = open.pop() {
            let below = self
                .descendants
                .range((ancestor, ID_MIN)..)
                .take_while(|(of, _)| *of == ancestor);
            for (_, id) in below {
                if let Some(grant) = self.by_id.get(id)
                    && !found.contains_key(id)
                {
                    if found.len() == max {
                        return None;
                    }
                    found.insert(*id, Arc::clone(grant));
                    open.push(*id);
                }
            }
        }
        Some(found.into_values().collect())
    }

    /// The grant with the smallest id on `key` that `holder` may retire as its retiring principal and that has not expired.
    pub fn retirable_on(
        &self,
        holder: &Holder,
        key: &KeyArn,
        now: Timestamp,
    ) -> Option<&Arc<Grant>> {
        self.all_retirable_on(holder, key)
            .find(|grant| !grant.is_expired(now))
    }

    /// The grants on `key` that `holder` may retire as their retiring principal, in the order of their ids.
    pub fn all_retirable_on(
        &self,
        holder: &Holder,
        key: &KeyArn,
    ) -> impl Iterator<Item = &Arc<Grant>> {
        let from = (holder.clone(), key.clone(), ID_MIN);
        let (holder, key) = (holder.clone(), key.clone());
        self.by_retiring
            .range(from..)
            .take_while(move |(h, k, _)| *h == holder && *k == key)
            .filter_map(|(_, _, id)| self.by_id.get(id))
    }

    /// How many grants there are.
    pub fn len(&self) -> usize {
        self.by_id.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }

    /// Counts the entries of every index, and of each lot what a question would find there.
    pub(super) fn sum_indexes(&self, sum: &mut IndexSum) {
        for (key, id) in &self.of_key {
            sum.add(1, &(key, id));
            let named = self.by_id.get(id).is_some_and(|grant| {
                grant.name.is_none()
                    || self
                        .by_name
                        .get(&(key.clone(), retry_hash(self.key, grant)))
                        .is_some_and(|ids| ids.contains(id))
            });
            sum.add(2, &(id, named));
        }
        self.by_retiring.iter().for_each(|entry| sum.add(3, entry));
        for (holder, key) in &self.keys_of {
            sum.add(4, &(holder, key, self.count(key)));
            let Some(lot) = self.lot(key, holder) else {
                continue;
            };
            for (id, bits, end, sound) in lot.members(|id| self.by_id.get(&id)) {
                sum.add(5, &(holder, key, id, bits, end, sound));
            }
        }
        self.by_expiry.iter().for_each(|entry| sum.add(6, entry));
        self.descendants.iter().for_each(|entry| sum.add(7, entry));
        self.of_epoch.iter().for_each(|entry| sum.add(8, &entry));
    }

    /// Every grant, in the order of keys and ids.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Grant>> {
        self.of_key.iter().filter_map(|(_, id)| self.by_id.get(id))
    }

    /// Adds a grant; one with the same id must have been taken out.
    pub fn put(&mut self, grant: Arc<Grant>) {
        let key = &grant.key;
        let lot_key = (key.clone(), Holder::from(&grant.grantee));
        let mut lot = self.by_grantee.get(&lot_key).cloned().unwrap_or_default();
        if lot.is_empty() {
            self.keys_of.insert((lot_key.1.clone(), key.clone()));
        }
        lot.put(&grant);
        self.by_grantee.insert(lot_key, lot);
        self.counts
            .insert(key.clone(), self.count(key).saturating_add(1));
        self.of_key.insert((key.clone(), grant.id));
        if let Some(retiring) = &grant.retiring {
            self.by_retiring
                .insert((Holder::from(retiring), key.clone(), grant.id));
        }
        if grant.name.is_some() {
            let name_key = (key.clone(), retry_hash(self.key, &grant));
            let mut ids = self.by_name.get(&name_key).cloned().unwrap_or_default();
            // In order, so that it does not matter in which order they came: a snapshot brings them by id.
            let at = ids.partition_point(|id| *id < grant.id);
            ids.insert(at, grant.id);
            self.by_name.insert(name_key, ids);
        }
        if let Some(end) = grant.constraints.term.expires_at {
            self.by_expiry.insert((end, grant.id));
        }
        for ancestor in &grant.ancestors {
            self.descendants.insert((*ancestor, grant.id));
        }
        let of_epoch = self.count_of_epoch(grant.epoch).saturating_add(1);
        self.of_epoch.insert(grant.epoch, of_epoch);
        self.by_id.insert(grant.id, grant);
    }

    /// Takes a grant out.
    pub fn take(&mut self, id: &GrantId) -> Option<Arc<Grant>> {
        let grant = self.by_id.remove(id)?;
        match self.count_of_epoch(grant.epoch).saturating_sub(1) {
            0 => drop(self.of_epoch.remove(&grant.epoch)),
            left => drop(self.of_epoch.insert(grant.epoch, left)),
        }
        let key = &grant.key;
        let lot_key = (key.clone(), Holder::from(&grant.grantee));
        if let Some(mut lot) = self.by_grantee.get(&lot_key).cloned() {
            lot.take(&grant);
            if lot.is_empty() {
                self.by_grantee.remove(&lot_key);
                let (key, holder) = lot_key;
                self.keys_of.remove(&(holder, key));
            } else {
                self.by_grantee.insert(lot_key, lot);
            }
        }
        match self.count(key).saturating_sub(1) {
            0 => drop(self.counts.remove(key)),
            left => drop(self.counts.insert(key.clone(), left)),
        }
        self.of_key.remove(&(key.clone(), grant.id));
        if let Some(retiring) = &grant.retiring {
            self.by_retiring
                .remove(&(Holder::from(retiring), key.clone(), grant.id));
        }
        if grant.name.is_some() {
            let name_key = (key.clone(), retry_hash(self.key, &grant));
            let mut ids = self.by_name.get(&name_key).cloned().unwrap_or_default();
            ids.retain(|other| other != id);
            if ids.is_empty() {
                self.by_name.remove(&name_key);
            } else {
                self.by_name.insert(name_key, ids);
            }
        }
        if let Some(end) = grant.constraints.term.expires_at {
            self.by_expiry.remove(&(end, grant.id));
        }
        for ancestor in &grant.ancestors {
            self.descendants.remove(&(*ancestor, grant.id));
        }
        Some(grant)
    }
}

/// Where the keys of a Region begin.
fn first_key(partition: Partition, region: &Region) -> KeyArn {
    KeyArn {
        partition,
        region: region.clone(),
        account: FIRST_ACCOUNT,
        key_id: KeyId::Uuid([0; 16]),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proptest::strategy::ValueTree;

    use super::*;
    use crate::domain::state::grant::{
        ConstraintKeyCase, ContextConstraint, EncryptionContext, GrantConstraints, GrantOperation,
        GrantOperations, Term,
    };
    use crate::domain::time::{Revision, Timestamp};

    fn key(n: u8) -> KeyArn {
        format!("arn:aws:kms:eu-west-1:111122223333:key/00000000-0000-0000-0000-0000000000{n:02x}")
            .parse()
            .unwrap()
    }

    fn principal(n: u8, id: u8) -> GrantPrincipal {
        let arn = match n {
            0 => "arn:aws:iam::111122223333:root".to_string(),
            n => format!("arn:aws:iam::111122223333:user/u{n}"),
        };
        GrantPrincipal::Arn {
            arn: arn.parse().unwrap(),
            unique_id: format!("AIDA{id}").parse().unwrap(),
        }
    }

    fn digest(index: &GrantIndex) -> IndexSum {
        let mut sum = IndexSum::default();
        index.sum_indexes(&mut sum);
        sum
    }

    proptest! {
        /// Whatever the order in which grants came, and whatever came and went between: replicas that took another way to
        /// the same grants have the same sum, and one entry that is missing from an index, or a grant that is another in its
        /// lot, makes another.
        #[test]
        fn sum_of_the_indexes_tells_wrong_ones_and_not_their_history(
            grants in proptest::collection::vec(grant(), 1..60),
            gone in proptest::collection::vec(grant(), 0..20),
        ) {
            let mut one = GrantIndex::default();
            let mut other = GrantIndex::default();
            for grant in &grants {
                one.put(Arc::new(grant.clone()));
            }
            for grant in &gone {
                other.put(Arc::new(grant.clone()));
            }
            for grant in grants.iter().rev() {
                other.put(Arc::new(grant.clone()));
            }
            for grant in &gone {
                other.take(&grant.id);
            }
            let whole = digest(&one);
            prop_assert_eq!(whole, digest(&other));

            let first = &grants[0];
            let mut wrong = one.clone();
            wrong.of_key.remove(&(first.key.clone(), first.id));
            prop_assert_ne!(whole, digest(&wrong));
            let mut wrong = one.clone();
            wrong.keys_of.remove(&(Holder::from(&first.grantee), first.key.clone()));
            prop_assert_ne!(whole, digest(&wrong));
            let mut wrong = one.clone();
            let place = (first.key.clone(), Holder::from(&first.grantee));
            let mut lot = wrong.by_grantee.get(&place).cloned().unwrap();
            lot.take(first);
            wrong.by_grantee.insert(place, lot);
            prop_assert_ne!(whole, digest(&wrong));
            let mut wrong = one.clone();
            let mut spent = first.clone();
            spent.issuing_account = AccountId::from_number(999_999_999_999).unwrap();
            wrong.by_id.insert(first.id, Arc::new(spent));
            prop_assert_ne!(whole, digest(&wrong));
            let mut wrong = one.clone();
            wrong.counts.insert(first.key.clone(), 99);
            prop_assert_ne!(whole, digest(&wrong));
        }
    }

    /// Keys of contexts: some differ in letter case only (G-26), some of those sort apart, and one is longer than what is
    /// hashed at once.
    const KEYS: [&str; 8] = [
        "a",
        "A",
        "b",
        "B",
        "ä",
        "Ä",
        "\u{212a}",
        "A-Key-That-Is-Longer-Than-What-Is-Hashed-At-Once",
    ];

    fn context() -> impl Strategy<Value = EncryptionContext> {
        let key = prop_oneof![2 => 0..3_usize, 1 => 0..KEYS.len()];
        proptest::collection::btree_map(key, 0..2u8, 0..4).prop_map(|pairs| {
            pairs
                .into_iter()
                .map(|(k, v)| (KEYS[k].into(), v.to_string().into()))
                .collect()
        })
    }

    /// As a constraint whose keys may be in any letter case sees a context: by hand, and `None` if it cannot say which of
    /// two values is meant.
    fn in_any_case(context: &EncryptionContext) -> Option<Vec<(String, &str)>> {
        let mut seen: Vec<(String, &str)> = Vec::new();
        for (key, value) in context {
            let key: String = key.chars().flat_map(char::to_lowercase).collect();
            match seen.iter().find(|(other, _)| *other == key) {
                Some((_, other)) if *other != &**value => return None,
                Some(_) => {}
                None => seen.push((key, value)),
            }
        }
        seen.sort();
        Some(seen)
    }

    fn source_arn() -> impl Strategy<Value = Option<String>> {
        proptest::option::weighted(0.2, Just("arn:aws:s3::111122223333:b".to_string()))
    }

    fn grant() -> impl Strategy<Value = Grant> {
        let constraint = prop_oneof![
            2 => Just(None),
            2 => context().prop_map(|pairs| Some(ContextConstraint::Equals(Arc::new(pairs)))),
            2 => context().prop_map(|pairs| Some(ContextConstraint::Subset(Arc::new(pairs)))),
        ];
        let constraint = constraint.prop_filter("empty counts as absent", |constraint| {
            constraint.is_none() || !constraint_pairs(constraint.as_ref()).is_empty()
        });
        let places = (0..2u8, 0..3u8, 0..2u8, proptest::option::of(0..3u8));
        (
            any::<[u8; 32]>(),
            places,
            1..(1u32 << 19),
            constraint,
            source_arn(),
            term(),
            proptest::collection::vec(0..4u8, 0..3),
        )
            .prop_map(
                |(
                    id,
                    (on, grantee, unique, retiring),
                    bits,
                    context,
                    source_arn,
                    (term, spent),
                    ancestors,
                )| Grant {
                    id: GrantId(id),
                    key: key(on),
                    grantee: principal(grantee, unique),
                    retiring: retiring.map(|n| principal(n, 0)),
                    operations: GrantOperations::from_bits(bits).unwrap(),
                    constraints: GrantConstraints {
                        context,
                        source_arn: source_arn.map(|text| text.parse().unwrap()),
                        term,
                    },
                    name: (bits % 3 == 0).then(|| "n".into()),
                    issuing_account: AccountId::from_number(111_122_223_333).unwrap(),
                    created_at: Timestamp::from_millis(0),
                    born: Revision(1),
                    spent,
                    ancestors: ancestors.into_iter().map(|n| GrantId([n; 32])).collect(),
                    epoch: 1,
                },
            )
    }

    /// When the questions are asked: about half of what expires has expired.
    const NOW: Timestamp = Timestamp::from_millis(5);

    fn term() -> impl Strategy<Value = (Term, u32)> {
        let end = proptest::option::weighted(0.4, 1..10u64);
        let budget = proptest::option::weighted(0.4, (1..3u32, 0..3u32));
        (end, budget).prop_map(|(end, budget)| {
            let term = Term {
                expires_at: end.map(Timestamp::from_millis),
                uses: budget.map(|(uses, _)| uses),
            };
            (term, budget.map_or(0, |(_, spent)| spent))
        })
    }

    /// Whether a grant admits an offer, written from G-25 to G-28 and G-13's first steps alone.
    fn admits(case: ConstraintKeyCase, grant: &Grant, offer: &Offer<'_>) -> bool {
        use ConstraintKeyCase::{Insensitive, Sensitive};
        let context = match (&grant.constraints.context, case) {
            (Some(_), _) if !heeds_context(offer.operation) => true,
            (None, _) => true,
            (Some(ContextConstraint::Equals(pairs)), Sensitive) => **pairs == *offer.context,
            (Some(ContextConstraint::Subset(pairs)), Sensitive) => {
                pairs.iter().all(|(k, v)| offer.context.get(k) == Some(v))
            }
            (Some(constraint), Insensitive) => {
                let pairs = in_any_case(constraint_pairs(Some(constraint)));
                match (pairs, in_any_case(offer.context), constraint) {
                    (Some(pairs), Some(offered), ContextConstraint::Equals(_)) => pairs == offered,
                    (Some(pairs), Some(offered), ContextConstraint::Subset(_)) => {
                        pairs.iter().all(|pair| offered.contains(pair))
                    }
                    (None, _, _) | (_, None, _) => false,
                }
            }
        };
        // G-28: it does not limit RetireGrant.
        let source = match offer.operation {
            GrantOperation::RetireGrant => None,
            _ => grant.constraints.source_arn.as_ref(),
        };
        let lives = grant
            .constraints
            .term
            .expires_at
            .is_none_or(|end| end > offer.now);
        let purse = match grant.constraints.term.uses {
            None => Purse::Unbudgeted,
            Some(uses) if grant.spent < uses => Purse::Budgeted,
            Some(_) => Purse::Spent,
        };
        grant.operations.contains(offer.operation)
            && lives
            && purse == offer.purse
            && context
            && source.is_none_or(|arn| Some(arn.as_str()) == offer.source_arn)
    }

    fn index_of(grants: &[Grant]) -> GrantIndex {
        let mut index = GrantIndex::default();
        grants
            .iter()
            .for_each(|grant| index.put(Arc::new(grant.clone())));
        index
    }

    /// Every question that the index can be asked, against a scan of all grants.
    fn agree(index: &GrantIndex, all: &[Grant], offers: &[(EncryptionContext, Option<String>)]) {
        let mut ordered: Vec<&Grant> = all.iter().collect();
        ordered.sort_by_key(|grant| grant.id);
        let scan = |keep: &dyn Fn(&Grant) -> bool| -> Vec<GrantId> {
            ordered
                .iter()
                .filter(|grant| keep(grant))
                .map(|grant| grant.id)
                .collect()
        };
        let ids = |found: Vec<&Arc<Grant>>| found.iter().map(|g| g.id).collect::<Vec<_>>();
        for on in (0..2).map(key) {
            let wanted = scan(&|grant| grant.key == on);
            assert_eq!(index.count(&on) as usize, wanted.len());
            assert_eq!(ids(index.of_key(&on, None).collect()), wanted);
            if let Some(first) = wanted.first() {
                assert_eq!(ids(index.of_key(&on, Some(*first)).collect()), wanted[1..]);
            }
            for named in [
                principal(0, 0),
                principal(1, 0),
                principal(1, 1),
                principal(2, 1),
            ] {
                let holder = Holder::from(&named);
                for (context, source_arn) in offers {
                    let purses = [Purse::Unbudgeted, Purse::Budgeted, Purse::Spent];
                    let cases = ConstraintKeyCase::ALL;
                    let asked = GrantOperation::ALL
                        .iter()
                        .flat_map(|operation| purses.map(|purse| (operation, purse)))
                        .flat_map(|asked| cases.iter().map(move |case| (asked, *case)));
                    for ((operation, purse), case) in asked {
                        let source_arn = source_arn.as_deref();
                        let offer = Offer {
                            operation: *operation,
                            context,
                            source_arn,
                            purse,
                            now: NOW,
                        };
                        let found =
                            index.find(&on, &holder, &offer, &|grant| admits(case, grant, &offer));
                        let wanted = ordered
                            .iter()
                            .filter(|grant| {
                                grant.key == on
                                    && Holder::from(&grant.grantee) == holder
                                    && admits(case, grant, &offer)
                            })
                            .min_by_key(|grant| {
                                let end = grant.constraints.term.expires_at;
                                (
                                    std::cmp::Reverse(
                                        end.unwrap_or(Timestamp::from_millis(u64::MAX)),
                                    ),
                                    grant.id,
                                )
                            });
                        assert_eq!(found.map(|grant| grant.id), wanted.map(|grant| grant.id));
                    }
                }
            }
            for named in [principal(0, 0), principal(1, 0), principal(1, 1)] {
                let holder = Holder::from(&named);
                let wanted =
                    scan(&|grant| grant.key == on && Holder::from(&grant.grantee) == holder);
                assert_eq!(index.count_held(&on, &holder), wanted.len());
            }
        }
        let expired = index.expired(NOW).map(|grant| grant.id);
        let wanted = scan(&|grant| grant.is_expired(NOW));
        assert_eq!(
            expired.collect::<std::collections::BTreeSet<_>>(),
            wanted.into_iter().collect()
        );
        for n in 0..4 {
            let ancestor = GrantId([n; 32]);
            let below = index.descendants(ancestor, usize::MAX).unwrap();
            let wanted = scan(&|grant| grant.ancestors.contains(&ancestor));
            assert_eq!(
                below.iter().map(|grant| grant.id).collect::<Vec<_>>(),
                wanted
            );
            let few = index.descendants(ancestor, wanted.len().saturating_sub(1));
            assert_eq!(few.is_none(), !wanted.is_empty());
        }
        for n in 0..3 {
            let holder = Holder::from(&principal(n, 0));
            let retires =
                |grant: &Grant| grant.retiring.as_ref().map(Holder::from) == Some(holder.clone());
            let region = "eu-west-1".parse().unwrap();
            let found = index
                .retirable_by(&holder, Partition::Aws, &region, None)
                .collect();
            let wanted: Vec<GrantId> = (0..2)
                .flat_map(|on| scan(&|grant| grant.key == key(on) && retires(grant)))
                .collect();
            assert_eq!(ids(found), wanted);
            let region = "eu-west-1".parse().unwrap();
            let held = index.held_by(&holder, Partition::Aws, &region, None);
            let wanted: Vec<(KeyArn, GrantId)> = (0..2)
                .flat_map(|on| {
                    let of = scan(&|grant| {
                        grant.key == key(on) && Holder::from(&grant.grantee) == holder
                    });
                    of.into_iter().map(move |id| (key(on), id))
                })
                .collect();
            let held: Vec<(KeyArn, GrantId)> = held.map(|g| (g.key.clone(), g.id)).collect();
            assert_eq!(held, wanted);
            for (at, after) in wanted.iter().enumerate() {
                let rest = index.held_by(&holder, Partition::Aws, &region, Some(after.clone()));
                assert_eq!(
                    rest.map(|g| g.id).collect::<Vec<_>>(),
                    wanted[at + 1..]
                        .iter()
                        .map(|(_, id)| *id)
                        .collect::<Vec<_>>()
                );
            }
        }
        for grant in all {
            let found = index.same_named(grant).map(|found| is_retry(found, grant));
            assert_eq!(found, grant.name.as_ref().map(|_| true));
        }
    }

    /// G-26: a context in which one pair stands under two spellings of its key is found as that one pair, in a small lot
    /// and in a large one.
    #[test]
    fn context_with_one_pair_in_two_spellings_finds_the_grant() {
        let strategy = grant();
        let mut runner = proptest::test_runner::TestRunner::deterministic();
        let mut any = || strategy.new_tree(&mut runner).unwrap().current();
        let pairs = |pairs: &[(&str, &str)]| -> EncryptionContext {
            let pairs = pairs.iter();
            pairs.map(|(k, v)| ((*k).into(), (*v).into())).collect()
        };
        let offered = pairs(&[("Tenant", "Blue"), ("tenant", "Blue"), ("z", "1")]);
        for more in [0_u8, 40] {
            let all: Vec<Grant> = (0..=more)
                .map(|n| {
                    let mut made = any();
                    let other = ["Blue".to_owned(), n.to_string()];
                    let wanted = pairs(&[("TENANT", &other[usize::from(n > 0)]), ("Z", "1")]);
                    made.id = GrantId([n; 32]);
                    made.key = key(0);
                    made.grantee = principal(0, 0);
                    made.operations = [GrantOperation::Decrypt].into_iter().collect();
                    made.constraints = GrantConstraints {
                        context: Some(ContextConstraint::Equals(wanted.into())),
                        source_arn: None,
                        term: Default::default(),
                    };
                    made
                })
                .collect();
            let index = index_of(&all);
            let offer = Offer {
                operation: GrantOperation::Decrypt,
                context: &offered,
                source_arn: None,
                purse: Purse::Unbudgeted,
                now: NOW,
            };
            let case = ConstraintKeyCase::Insensitive;
            let holder = Holder::from(&principal(0, 0));
            let found = index.find(&key(0), &holder, &offer, &|grant| {
                admits(case, grant, &offer)
            });
            assert_eq!(found.map(|grant| grant.id), Some(GrantId([0; 32])));
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        /// The index finds what a scan of all grants finds, however large a lot, whatever was taken out again, in
        /// whatever order grants came, and whether or not the keys of constraints are case sensitive (G-26, U-12); a
        /// clone never changes.
        #[test]
        fn index_finds_what_a_full_scan_finds(
            grants in proptest::collection::vec(grant(), 0..200),
            offers in proptest::collection::vec((context(), source_arn()), 1..4),
            gone in proptest::collection::vec(any::<proptest::sample::Index>(), 0..40),
        ) {
            let mut all = grants;
            let mut index = index_of(&all);
            agree(&index, &all, &offers);
            let (before, frozen) = (all.clone(), index.clone());
            for at in gone {
                if !all.is_empty() {
                    let grant = all.remove(at.index(all.len()));
                    prop_assert_eq!(&*index.take(&grant.id).unwrap(), &grant);
                    prop_assert!(index.take(&grant.id).is_none());
                }
            }
            agree(&index, &all, &offers);
            agree(&frozen, &before, &offers);
            let reversed: Vec<Grant> = all.iter().rev().cloned().collect();
            agree(&index_of(&reversed), &all, &offers);
        }
    }
}
