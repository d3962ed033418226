//! Grants, and the indexes that find them without scanning a key's grants.
//!
//! A decision asks by (key, grantee). Within one such lot the grants are ordered by *selector*: a hash of what their
//! constraints ask of a request. A request knows every selector that can satisfy it: unconstrained, Equals of its whole
//! context, Subset by each of its pairs; each without and with its source ARN. So 50,000 grants of one grantee on one key
//! with different contexts are never looked through. Within a selector, grants are grouped by their operations.
//!
//! A selector is a hash: whoever uses a grant that was found checks its constraints. What is found does not depend on the
//! order in which grants came: the smallest acceptable id wins. Imports ids and the facts.

use std::collections::BTreeMap;
use std::sync::Arc;

use imbl::{OrdMap, OrdSet};

use super::cow_map::{CowMap, fixed_hash};
use super::grant::{
    ContextConstraint, EncryptionContext, Grant, GrantOperation, GrantOperations, GrantPrincipal,
};
use crate::domain::ids::{
    AccountId, GrantId, KeyArn, KeyId, Partition, PrincipalArn, Region, ServicePrincipal, UniqueId,
};

/// A lot up to this size is a sorted array, looked through whole; beyond it, an ordered map that is searched.
const FEW_MAX: usize = 32;

/// How far a Subset's pairs are counted to find the rarest: beyond it they count as equally common.
const RARITY_COUNT_MAX: usize = 256;

/// Who holds a grant or may retire it, as an index key: an ARN counts only with its immutable id (ID-18).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Holder {
    /// Every principal of an account to whom it delegates (U-3).
    Account(AccountId),
    /// A user, role, session or federated user, with the immutable id behind it.
    Arn(PrincipalArn, UniqueId),
    /// A service.
    Service(ServicePrincipal),
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

/// What a request offers to the constraints of grants.
#[derive(Clone, Copy, Debug)]
pub struct Offer<'a> {
    /// The operation that is asked for.
    pub operation: GrantOperation,
    /// The request's encryption context; for CreateGrant, the pairs of the child's constraint (G-13).
    pub context: &'a EncryptionContext,
    /// The request's `aws:SourceArn`; for CreateGrant, the child's (G-28).
    pub source_arn: Option<&'a str>,
}

/// The operations whose context a constraint looks at (G-27), and CreateGrant for its strictness rule (G-13).
const CONTEXT_OPERATIONS: [GrantOperation; 9] = [
    GrantOperation::Encrypt,
    GrantOperation::Decrypt,
    GrantOperation::GenerateDataKey,
    GrantOperation::GenerateDataKeyWithoutPlaintext,
    GrantOperation::GenerateDataKeyPair,
    GrantOperation::GenerateDataKeyPairWithoutPlaintext,
    GrantOperation::ReEncryptFrom,
    GrantOperation::ReEncryptTo,
    GrantOperation::CreateGrant,
];

/// Whether a constraint on the context narrows `operation` (G-27, G-13).
pub fn heeds_context(operation: GrantOperation) -> bool {
    CONTEXT_OPERATIONS.contains(&operation)
}

/// What a constraint asks of a request, as the hash that requests are able to compute too.
#[derive(Hash)]
enum Selector<'a> {
    Anything,
    Exactly(&'a EncryptionContext),
    Pair(&'a str, &'a str),
}

impl Selector<'_> {
    fn hash(&self, source_arn: Option<&str>) -> u64 {
        fixed_hash(&(self, source_arn))
    }
}

/// Where a grant stands in its lot: selector, the operations it gives under that selector, id.
type Place = (u64, u32, GrantId);

/// The grants of one grantee on one key.
#[derive(Clone, Debug)]
enum Lot {
    Few(Vec<(Place, Arc<Grant>)>),
    Many(OrdMap<Place, Arc<Grant>>),
}

impl Default for Lot {
    fn default() -> Self {
        Self::Few(Vec::new())
    }
}

/// No account has a smaller number.
const FIRST_ACCOUNT: AccountId = match AccountId::from_number(0) {
    Some(account) => account,
    None => unreachable!(),
};

const ID_MIN: GrantId = GrantId([0; 32]);
const ID_MAX: GrantId = GrantId([0xff; 32]);

impl Lot {
    fn is_empty(&self) -> bool {
        match self {
            Self::Few(few) => few.is_empty(),
            Self::Many(many) => many.is_empty(),
        }
    }

    fn put(&mut self, place: Place, grant: Arc<Grant>) {
        match self {
            Self::Few(few) => {
                let at = few.partition_point(|(other, _)| *other < place);
                few.insert(at, (place, grant));
                if few.len() > FEW_MAX {
                    *self = Self::Many(few.drain(..).collect());
                }
            }
            Self::Many(many) => {
                many.insert(place, grant);
            }
        }
    }

    fn take(&mut self, place: &Place) {
        match self {
            Self::Few(few) => few.retain(|(other, _)| other != place),
            Self::Many(many) => {
                many.remove(place);
            }
        }
    }

    /// How many places `selector` has, counted up to [`RARITY_COUNT_MAX`].
    fn count(&self, selector: u64) -> usize {
        match self {
            Self::Few(few) => few.iter().filter(|((s, ..), _)| *s == selector).count(),
            Self::Many(many) => many
                .range((selector, 0, ID_MIN)..=(selector, u32::MAX, ID_MAX))
                .take(RARITY_COUNT_MAX)
                .count(),
        }
    }

    /// The grant with the smallest id under `selector` that has `operation` and is acceptable.
    fn smallest(
        &self,
        selector: u64,
        operation: GrantOperation,
        accept: &dyn Fn(&Grant) -> bool,
    ) -> Option<&Arc<Grant>> {
        let holds = |bits: u32| GrantOperations::has_bit(bits, operation);
        match self {
            Self::Few(few) => few
                .iter()
                .filter(|((s, bits, _), grant)| *s == selector && holds(*bits) && accept(grant))
                .map(|(_, grant)| grant)
                .min_by_key(|grant| grant.id),
            Self::Many(many) => {
                let mut best: Option<&Arc<Grant>> = None;
                let mut next = (selector, 0, ID_MIN);
                // One step a group of equal operations, however many grants are in it.
                while let Some(((s, bits, _), _)) = many.range(next..).next() {
                    if *s != selector {
                        break;
                    }
                    if holds(*bits) {
                        let group =
                            many.range((selector, *bits, ID_MIN)..=(selector, *bits, ID_MAX));
                        let found = group.map(|(_, grant)| grant).find(|grant| accept(grant));
                        best = [best, found].into_iter().flatten().min_by_key(|g| g.id);
                    }
                    let Some(after) = bits.checked_add(1) else {
                        break;
                    };
                    next = (selector, after, ID_MIN);
                }
                best
            }
        }
    }
}

/// Every grant, with its indexes.
#[derive(Clone, Debug, Default)]
pub struct GrantIndex {
    by_id: CowMap<GrantId, Arc<Grant>>,
    by_grantee: CowMap<(KeyArn, Holder), Lot>,
    /// The number of grants of a key (G-19).
    counts: CowMap<KeyArn, u32>,
    of_key: OrdSet<(KeyArn, GrantId)>,
    by_retiring: OrdSet<(Holder, KeyArn, GrantId)>,
    /// Named grants by key and the hash of all that a retry must repeat (G-17).
    by_name: CowMap<(KeyArn, u64), Vec<GrantId>>,
}

/// All that a retry of a named CreateGrant must repeat (G-17, G-18), hashed.
fn retry_hash(grant: &Grant) -> u64 {
    fixed_hash(&(
        &grant.name,
        &grant.grantee,
        &grant.retiring,
        &grant.operations,
        &grant.constraints,
        grant.issuing_account,
    ))
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
    /// The grant with this id.
    pub fn get(&self, id: &GrantId) -> Option<&Arc<Grant>> {
        self.by_id.get(id)
    }

    /// How many grants a key has (G-19).
    pub fn count(&self, key: &KeyArn) -> u32 {
        self.counts.get(key).copied().unwrap_or_default()
    }

    /// Of the grants on `key` held by `holder` that have the operation and that the offer can satisfy, the one with the
    /// smallest id that `accept` takes. `accept` must check the constraints: selectors are hashes.
    pub fn find(
        &self,
        key: &KeyArn,
        holder: &Holder,
        offer: &Offer<'_>,
        accept: &dyn Fn(&Grant) -> bool,
    ) -> Option<&Arc<Grant>> {
        // Found by its parts: to count references of the key's own texts would make every reader of the key wait for
        // every other.
        let lot = self
            .by_grantee
            .get_like(&(key, holder), |(k, h)| k == key && h == holder)?;
        let mut best: Option<&Arc<Grant>> = None;
        let mut consider = |selector: &Selector<'_>| {
            for source_arn in [None, offer.source_arn] {
                let found = lot.smallest(selector.hash(source_arn), offer.operation, accept);
                best = [best, found].into_iter().flatten().min_by_key(|g| g.id);
                if offer.source_arn.is_none() {
                    break;
                }
            }
        };
        consider(&Selector::Anything);
        if heeds_context(offer.operation) {
            consider(&Selector::Exactly(offer.context));
            for (name, value) in offer.context {
                consider(&Selector::Pair(name, value));
            }
        }
        best
    }

    /// The grant that a named CreateGrant with these properties made before, the oldest first (G-17).
    pub fn same_named(&self, wanted: &Grant) -> Option<&Arc<Grant>> {
        wanted.name.as_ref()?;
        self.by_name
            .get(&(wanted.key.clone(), retry_hash(wanted)))?
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

    /// The grants of a Region that `holder` may retire as their retiring principal (G-34), in the order of their keys
    /// and ids, from after `after`.
    pub fn retirable_by(
        &self,
        holder: &Holder,
        partition: Partition,
        region: &Region,
        after: Option<(KeyArn, GrantId)>,
    ) -> impl Iterator<Item = &Arc<Grant>> {
        let (first_key, first_id) = after.clone().unwrap_or_else(|| {
            let first = KeyArn {
                partition,
                region: region.clone(),
                account: FIRST_ACCOUNT,
                key_id: KeyId::Uuid([0; 16]),
            };
            (first, ID_MIN)
        });
        let (holder, region) = (holder.clone(), region.clone());
        self.by_retiring
            .range((holder.clone(), first_key, first_id)..)
            .take_while(move |(h, key, _)| {
                *h == holder && key.partition == partition && key.region == region
            })
            .filter(move |(_, key, id)| after.as_ref().is_none_or(|(k, i)| (k, i) != (key, id)))
            .filter_map(|(_, _, id)| self.by_id.get(id))
    }

    /// The grant with the smallest id on `key` that `holder` may retire as its retiring principal.
    pub fn retirable_on(&self, holder: &Holder, key: &KeyArn) -> Option<&Arc<Grant>> {
        let from = (holder.clone(), key.clone(), ID_MIN);
        let (h, k, id) = self.by_retiring.range(from..).next()?;
        (h == holder && k == key)
            .then(|| self.by_id.get(id))
            .flatten()
    }

    /// Every grant, in the order of keys and ids.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Grant>> {
        self.of_key.iter().filter_map(|(_, id)| self.by_id.get(id))
    }

    /// Adds a grant; one with the same id must have been taken out.
    pub fn put(&mut self, grant: Arc<Grant>) {
        let key = &grant.key;
        let holder = Holder::from(&grant.grantee);
        let lot_key = (key.clone(), holder);
        let mut lot = self.by_grantee.get(&lot_key).cloned().unwrap_or_default();
        for place in places_of_new(&grant, &lot) {
            lot.put(place, Arc::clone(&grant));
        }
        self.by_grantee.insert(lot_key, lot);
        self.counts
            .insert(key.clone(), self.count(key).saturating_add(1));
        self.of_key.insert((key.clone(), grant.id));
        if let Some(retiring) = &grant.retiring {
            self.by_retiring
                .insert((Holder::from(retiring), key.clone(), grant.id));
        }
        if grant.name.is_some() {
            let name_key = (key.clone(), retry_hash(&grant));
            let mut ids = self.by_name.get(&name_key).cloned().unwrap_or_default();
            ids.push(grant.id);
            self.by_name.insert(name_key, ids);
        }
        self.by_id.insert(grant.id, grant);
    }

    /// Takes a grant out.
    pub fn take(&mut self, id: &GrantId) -> Option<Arc<Grant>> {
        let grant = self.by_id.remove(id)?;
        let key = &grant.key;
        let lot_key = (key.clone(), Holder::from(&grant.grantee));
        if let Some(mut lot) = self.by_grantee.get(&lot_key).cloned() {
            // A Subset stands under the pair that was rarest when it came: try each, it is one of at most eight.
            for place in places_possible(&grant) {
                lot.take(&place);
            }
            if lot.is_empty() {
                self.by_grantee.remove(&lot_key);
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
            let name_key = (key.clone(), retry_hash(&grant));
            let mut ids = self.by_name.get(&name_key).cloned().unwrap_or_default();
            ids.retain(|other| other != id);
            if ids.is_empty() {
                self.by_name.remove(&name_key);
            } else {
                self.by_name.insert(name_key, ids);
            }
        }
        Some(grant)
    }
}

/// The operations of a grant that its context constraint narrows, and those that it does not, as bits.
fn split_operations(grant: &Grant) -> (u32, u32) {
    let narrowed: GrantOperations = CONTEXT_OPERATIONS.into_iter().collect();
    (
        grant.operations.bits() & narrowed.bits(),
        grant.operations.bits() & !narrowed.bits(),
    )
}

/// The places of a grant whose context constraint, if any, is looked up under `selectors`.
fn places(grant: &Grant, selectors: Vec<Selector<'_>>) -> Vec<Place> {
    let source_arn = grant
        .constraints
        .source_arn
        .as_ref()
        .map(|arn| arn.as_str());
    let anything = Selector::Anything.hash(source_arn);
    if selectors.is_empty() {
        return vec![(anything, grant.operations.bits(), grant.id)];
    }
    let (narrowed, free) = split_operations(grant);
    let mut places = Vec::with_capacity(selectors.len() + 1);
    if narrowed != 0 {
        let of = |s: Selector<'_>| (s.hash(source_arn), narrowed, grant.id);
        places.extend(selectors.into_iter().map(of));
    }
    if free != 0 {
        places.push((anything, free, grant.id));
    }
    places
}

/// Everywhere that a grant can stand: a Subset under any of its pairs.
fn places_possible(grant: &Grant) -> Vec<Place> {
    let selectors = match &grant.constraints.context {
        None => Vec::new(),
        Some(ContextConstraint::Equals(pairs)) => vec![Selector::Exactly(pairs)],
        Some(ContextConstraint::Subset(pairs)) => {
            pairs.iter().map(|(k, v)| Selector::Pair(k, v)).collect()
        }
    };
    places(grant, selectors)
}

/// Where a new grant is to stand: a Subset under the pair that is rarest in the lot, so that a pair which all of them
/// share does not gather them.
fn places_of_new(grant: &Grant, lot: &Lot) -> Vec<Place> {
    let Some(ContextConstraint::Subset(pairs)) = &grant.constraints.context else {
        return places_possible(grant);
    };
    let source_arn = grant
        .constraints
        .source_arn
        .as_ref()
        .map(|arn| arn.as_str());
    let rarest = pairs
        .iter()
        .map(|(k, v)| Selector::Pair(k, v))
        .min_by_key(|selector| {
            let hash = selector.hash(source_arn);
            (lot.count(hash), hash)
        });
    places(grant, rarest.into_iter().collect())
}

/// The pairs of a constraint, none if there is no constraint.
pub fn constraint_pairs(constraint: Option<&ContextConstraint>) -> &EncryptionContext {
    static NONE: EncryptionContext = BTreeMap::new();
    match constraint {
        None => &NONE,
        Some(ContextConstraint::Equals(pairs) | ContextConstraint::Subset(pairs)) => pairs,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::state::grant::GrantConstraints;
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

    fn context() -> impl Strategy<Value = EncryptionContext> {
        proptest::collection::btree_map(0..3u8, 0..3u8, 0..3).prop_map(|pairs| {
            let text = |n: u8| Arc::<str>::from(n.to_string());
            pairs.into_iter().map(|(k, v)| (text(k), text(v))).collect()
        })
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
        )
            .prop_map(
                |(id, (on, grantee, unique, retiring), bits, context, source_arn)| Grant {
                    id: GrantId(id),
                    key: key(on),
                    grantee: principal(grantee, unique),
                    retiring: retiring.map(|n| principal(n, 0)),
                    operations: GrantOperations::from_bits(bits).unwrap(),
                    constraints: GrantConstraints {
                        context,
                        source_arn: source_arn.map(|text| text.parse().unwrap()),
                    },
                    name: (bits % 3 == 0).then(|| "n".into()),
                    issuing_account: AccountId::from_number(111_122_223_333).unwrap(),
                    created_at: Timestamp::from_millis(0),
                    born: Revision(1),
                },
            )
    }

    /// Whether a grant admits an offer, written from G-25 to G-28 and G-13's first steps alone.
    fn admits(grant: &Grant, offer: &Offer<'_>) -> bool {
        let context = match &grant.constraints.context {
            Some(_) if !heeds_context(offer.operation) => true,
            None => true,
            Some(ContextConstraint::Equals(pairs)) => **pairs == *offer.context,
            Some(ContextConstraint::Subset(pairs)) => {
                pairs.iter().all(|(k, v)| offer.context.get(k) == Some(v))
            }
        };
        let source = grant.constraints.source_arn.as_ref();
        grant.operations.contains(offer.operation)
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
                    for operation in GrantOperation::ALL {
                        let source_arn = source_arn.as_deref();
                        let offer = Offer {
                            operation: *operation,
                            context,
                            source_arn,
                        };
                        let found =
                            index.find(&on, &holder, &offer, &|grant| admits(grant, &offer));
                        let wanted = scan(&|grant| {
                            grant.key == on
                                && Holder::from(&grant.grantee) == holder
                                && admits(grant, &offer)
                        });
                        assert_eq!(found.map(|grant| grant.id), wanted.first().copied());
                    }
                }
            }
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
        }
        for grant in all {
            let found = index.same_named(grant).map(|found| is_retry(found, grant));
            assert_eq!(found, grant.name.as_ref().map(|_| true));
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        /// The index finds what a scan of all grants finds, however large a lot, whatever was taken out again, and in
        /// whatever order grants came; a clone never changes.
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

    /// DESIGN: 50,000 grants of one grantee on one key are not looked through: the grants that `accept` is asked about,
    /// for a context that some grant matches and for one that none does, are few.
    #[test]
    fn grants_of_one_grantee_with_different_contexts_are_not_scanned() {
        let base = Grant {
            id: GrantId([0; 32]),
            key: key(0),
            grantee: principal(1, 0),
            retiring: None,
            operations: GrantOperations::from_iter([
                GrantOperation::Decrypt,
                GrantOperation::DescribeKey,
            ]),
            constraints: GrantConstraints::default(),
            name: None,
            issuing_account: AccountId::from_number(1).unwrap(),
            created_at: Timestamp::from_millis(0),
            born: Revision(1),
        };
        let mut index = GrantIndex::default();
        let pairs = |n: u32| -> EncryptionContext {
            [("tenant", "acme".to_string()), ("object", n.to_string())]
                .map(|(k, v)| (k.into(), v.into()))
                .into()
        };
        for n in 0..50_000u32 {
            let mut grant = base.clone();
            grant.id.0[..4].copy_from_slice(&n.to_be_bytes());
            let context = Arc::new(pairs(n));
            grant.constraints.context = Some(if n % 2 == 0 {
                ContextConstraint::Equals(context)
            } else {
                ContextConstraint::Subset(context)
            });
            index.put(Arc::new(grant));
        }
        let asked = std::cell::Cell::new(0);
        let find = |context: &EncryptionContext, operation| {
            asked.set(0);
            let offer = Offer {
                operation,
                context,
                source_arn: None,
            };
            let accept = |grant: &Grant| {
                asked.set(asked.get() + 1);
                admits(grant, &offer)
            };
            let holder = Holder::from(&principal(1, 0));
            index
                .find(&key(0), &holder, &offer, &accept)
                .map(|grant| grant.id.0[..4].to_vec())
        };
        for n in [0u32, 1, 24_998, 49_999] {
            assert_eq!(
                find(&pairs(n), GrantOperation::Decrypt),
                Some(n.to_be_bytes().to_vec())
            );
            assert!(asked.get() <= 300, "{} grants were looked at", asked.get());
        }
        assert_eq!(find(&pairs(50_000), GrantOperation::Decrypt), None);
        assert!(asked.get() <= 300, "{} grants were looked at", asked.get());
        assert_eq!(find(&pairs(0), GrantOperation::Encrypt), None);
        assert!(find(&EncryptionContext::new(), GrantOperation::DescribeKey).is_some());
        assert!(asked.get() <= 300, "{} grants were looked at", asked.get());
    }
}
