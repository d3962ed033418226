//! The grants of one grantee on one key, ordered so that a question looks at few of them however many there are.
//!
//! Within a lot the grants are ordered by *selector*: a hash of what their constraints ask of a request, and of whether
//! they have a budget. A request knows every selector that can satisfy it: unconstrained, Equals of its whole context,
//! Subset by each of its pairs; each without and with its source ARN. So 50,000 grants of one grantee on one key with
//! different contexts are never looked through. Within a selector, grants are grouped by their operations; within a
//! group those that never expire come first, then those that expire last: when the first of a group has expired, all have.
//!
//! A selector is a hash, in which the keys of pairs count in lower case, whatever the cluster's `constraint_key_case` is
//! (G-26): a switch of it moves no grant. Where keys are case sensitive, only grants whose constraints differ in nothing
//! but the letter case of keys stand together for it. Whoever uses a grant that was found checks its constraints. What is
//! found does not depend on the order in which grants came: the one that lives longest wins, and among equals the smallest
//! id. Imports ids and facts.

use std::borrow::Cow;
use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use imbl::{OrdMap, OrdSet};

use super::cow_map::fixed_hash;
use super::grant::{ContextConstraint, EncryptionContext, Grant, GrantOperation, GrantOperations};
use crate::domain::ids::GrantId;
use crate::domain::limits::CONSTRAINT_PAIRS_MAX;
use crate::domain::time::Timestamp;

/// A lot with up to this many places is a sorted array, looked through whole; beyond it, an ordered map that is searched.
const FEW_MAX: usize = 32;

/// How far a Subset's pairs are counted to find the rarest: beyond it they count as equally common.
const RARITY_COUNT_MAX: usize = 256;

pub(super) const ID_MIN: GrantId = GrantId([0; 32]);
const ID_MAX: GrantId = GrantId([0xff; 32]);

/// Whether a grant may allow again and again (EC-13).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Purse {
    /// It has no budget.
    Unbudgeted,
    /// It has uses left: what allows by it must spend one.
    Budgeted,
    /// Its uses are spent.
    Spent,
}

impl Purse {
    /// That of a grant.
    pub fn of(grant: &Grant) -> Self {
        match grant.uses_left() {
            None => Self::Unbudgeted,
            Some(0) => Self::Spent,
            Some(_) => Self::Budgeted,
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
    /// Grants with which purse are looked for.
    pub purse: Purse,
    /// When: grants that have expired by then are not found.
    pub now: Timestamp,
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

/// The operations that a constraint on the source does not limit (G-28).
const SOURCE_FREE_OPERATIONS: [GrantOperation; 1] = [GrantOperation::RetireGrant];

/// Whether a constraint on the context narrows `operation` (G-27, G-13).
pub fn heeds_context(operation: GrantOperation) -> bool {
    CONTEXT_OPERATIONS.contains(&operation)
}

/// What a constraint asks of a request, as the hash that requests are able to compute too.
#[derive(Clone, Copy, Hash)]
enum Selector {
    Anything,
    /// The sum of the hashes of all pairs, which does not depend on their order, and how many there are.
    Exactly(u64, usize),
    /// The hash of a pair.
    Pair(u64),
}

impl Selector {
    /// That of a whole context.
    fn exactly(context: &EncryptionContext) -> Self {
        let mut distinct = Distinct::default();
        pair_hashes(context).for_each(|hash| distinct.add(hash));
        distinct.selector().unwrap_or(Self::Anything)
    }

    /// Those of the pairs of a context.
    fn pairs(context: &EncryptionContext) -> impl Iterator<Item = Self> {
        pair_hashes(context).map(Self::Pair)
    }

    /// The number under which a grant stands.
    fn under(self, source_arn: Option<&str>, purse: Purse) -> u64 {
        fixed_hash(&(self, source_arn, purse))
    }
}

/// The pairs of a context but for the letter case of their names: those that differ in nothing else are one (G-26). Of more
/// than a constraint can hold there is no need to know.
#[derive(Default)]
struct Distinct {
    hashes: [u64; CONSTRAINT_PAIRS_MAX],
    count: usize,
}

impl Distinct {
    fn add(&mut self, hash: u64) {
        let known = self.hashes.get(..self.count);
        if known.is_none_or(|known| known.contains(&hash)) {
            return;
        }
        if let Some(free) = self.hashes.get_mut(self.count) {
            *free = hash;
        }
        self.count += 1;
    }

    /// `None` if there are more than a constraint can hold.
    fn selector(&self) -> Option<Selector> {
        let hashes = self.hashes.get(..self.count)?;
        let sum = hashes.iter().copied().fold(0, u64::wrapping_add);
        Some(Selector::Exactly(sum, self.count))
    }
}

fn pair_hashes(context: &EncryptionContext) -> impl Iterator<Item = u64> {
    context
        .iter()
        .map(|(key, value)| fixed_hash(&(FoldedKey(key), &**value)))
}

/// The key of a pair in lower case, for constraints whose keys are not case sensitive (G-26): letter by letter, as
/// condition keys compare (C-2).
pub fn folded_key(key: &str) -> Cow<'_, str> {
    if key.is_ascii() && !key.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return Cow::Borrowed(key);
    }
    Cow::Owned(key.chars().flat_map(char::to_lowercase).collect())
}

/// Hashes as [`folded_key`] does, without an allocation for keys in ASCII.
struct FoldedKey<'a>(&'a str);

impl Hash for FoldedKey<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        if self.0.is_ascii() {
            hash_ascii_folded(self.0, state);
        } else {
            hash_ascii_folded(&folded_key(self.0), state);
        }
        // As `str` does it: what follows does not run into it.
        state.write_u8(0xff);
    }
}

/// In pieces of one length, so that one text is one sequence of writes.
fn hash_ascii_folded<H: Hasher>(text: &str, state: &mut H) {
    for piece in text.as_bytes().chunks(32) {
        let mut lower = [0; 32];
        for (to, byte) in lower.iter_mut().zip(piece) {
            *to = byte.to_ascii_lowercase();
        }
        state.write(lower.get(..piece.len()).unwrap_or_default());
    }
}

/// When a grant ends, the latest first: one that never does before all others.
type End = Reverse<u64>;

const NEVER: End = Reverse(u64::MAX);

/// Where a grant stands in its lot: selector, the operations it gives under that selector, its end, its id.
type Place = (u64, u32, End, GrantId);

fn end_of(grant: &Grant) -> End {
    let end = grant.constraints.term.expires_at;
    end.map_or(NEVER, |end| Reverse(end.as_millis()))
}

/// Which of the grants that can allow is named: the one that lives longest, then the one with the smallest id.
fn rank(grant: &Grant) -> (End, GrantId) {
    (end_of(grant), grant.id)
}

/// Whether a grant is chosen before another, where both can allow.
pub fn outranks(one: &Grant, other: &Grant) -> bool {
    rank(one) < rank(other)
}

/// The better of two finds.
fn better<'a>(a: Option<&'a Arc<Grant>>, b: Option<&'a Arc<Grant>>) -> Option<&'a Arc<Grant>> {
    [a, b].into_iter().flatten().min_by_key(|grant| rank(grant))
}

/// The grants of one grantee on one key.
#[derive(Clone, Debug)]
pub(super) enum Lot {
    Few(Vec<(Place, Arc<Grant>)>),
    Many {
        places: OrdMap<Place, Arc<Grant>>,
        ids: OrdSet<GrantId>,
    },
}

impl Default for Lot {
    fn default() -> Self {
        Self::Few(Vec::new())
    }
}

impl Lot {
    pub(super) fn is_empty(&self) -> bool {
        match self {
            Self::Few(few) => few.is_empty(),
            Self::Many { places, .. } => places.is_empty(),
        }
    }

    /// How many grants there are.
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Few(_) => self.ids(None).len(),
            Self::Many { ids, .. } => ids.len(),
        }
    }

    /// Up to a page of the ids, in order, from after `after`: all of a small lot.
    pub(super) fn ids(&self, after: Option<GrantId>) -> Vec<GrantId> {
        match self {
            Self::Few(few) => {
                let mut ids: Vec<GrantId> = few
                    .iter()
                    .map(|((.., id), _)| *id)
                    .filter(|id| after.is_none_or(|after| *id > after))
                    .collect();
                ids.sort_unstable();
                ids.dedup();
                ids
            }
            Self::Many { ids, .. } => ids
                .range(after.unwrap_or(ID_MIN)..)
                .filter(|id| Some(**id) != after)
                .take(FEW_MAX)
                .copied()
                .collect(),
        }
    }

    /// Adds a grant.
    pub(super) fn put(&mut self, grant: &Arc<Grant>) {
        for place in places_of_new(grant, self) {
            self.put_at(place, grant);
        }
    }

    fn put_at(&mut self, place: Place, grant: &Arc<Grant>) {
        match self {
            Self::Few(few) => {
                let at = few.partition_point(|(other, _)| *other < place);
                few.insert(at, (place, Arc::clone(grant)));
                if few.len() > FEW_MAX {
                    let ids = few.iter().map(|((.., id), _)| *id).collect();
                    let places = few.drain(..).collect();
                    *self = Self::Many { places, ids };
                }
            }
            Self::Many { places, ids } => {
                ids.insert(grant.id);
                places.insert(place, Arc::clone(grant));
            }
        }
    }

    /// Takes a grant out, which is as it was when it was put.
    pub(super) fn take(&mut self, grant: &Grant) {
        // A Subset stands under the pair that was rarest when it came: each is tried, it is one of at most eight.
        match self {
            Self::Few(few) => few.retain(|((.., id), _)| *id != grant.id),
            Self::Many { places, ids } => {
                ids.remove(&grant.id);
                for place in places_possible(grant) {
                    places.remove(&place);
                }
            }
        }
    }

    /// What stands here: the id, what it gives there, until when, and whether it stands where it may and is the grant that
    /// `known` has under its id. Not under which selector: a Subset stands under the pair that was rarest when it came.
    pub(super) fn members<'a>(
        &'a self,
        known: impl Fn(GrantId) -> Option<&'a Arc<Grant>>,
    ) -> Vec<(GrantId, u32, u64, bool)> {
        let member = |place: &Place, grant: &Arc<Grant>| {
            let (_, bits, Reverse(end), id) = *place;
            let sound = known(id).is_some_and(|known| Arc::ptr_eq(known, grant) || known == grant)
                && places_possible(grant).contains(place);
            (id, bits, end, sound)
        };
        match self {
            Self::Few(few) => few
                .iter()
                .map(|(place, grant)| member(place, grant))
                .collect(),
            Self::Many { places, .. } => places
                .iter()
                .map(|(place, grant)| member(place, grant))
                .collect(),
        }
    }

    /// How many places `selector` has, counted up to [`RARITY_COUNT_MAX`].
    fn count(&self, selector: u64) -> usize {
        match self {
            Self::Few(few) => few.iter().filter(|((s, ..), _)| *s == selector).count(),
            Self::Many { places, .. } => places
                .range((selector, 0, NEVER, ID_MIN)..=(selector, u32::MAX, Reverse(0), ID_MAX))
                .take(RARITY_COUNT_MAX)
                .count(),
        }
    }

    /// Of the grants that have the operation, that the offer can satisfy and that `accept` takes, the one that lives
    /// longest, and among equals the one with the smallest id. `accept` must check the constraints.
    pub(super) fn find(
        &self,
        offer: &Offer<'_>,
        accept: &dyn Fn(&Grant) -> bool,
    ) -> Option<&Arc<Grant>> {
        let mut best = None;
        let mut consider = |selector: Selector| {
            for source_arn in [None, offer.source_arn] {
                let hash = selector.under(source_arn, offer.purse);
                best = better(best, self.first(hash, offer, accept));
                if offer.source_arn.is_none() {
                    break;
                }
            }
        };
        consider(Selector::Anything);
        if heeds_context(offer.operation) {
            // One walk for both: most of the cost is in hashing the texts.
            let mut distinct = Distinct::default();
            for hash in pair_hashes(offer.context) {
                distinct.add(hash);
                consider(Selector::Pair(hash));
            }
            if let Some(exactly) = distinct.selector() {
                consider(exactly);
            }
        }
        best
    }

    /// The best grant under one selector.
    fn first(
        &self,
        selector: u64,
        offer: &Offer<'_>,
        accept: &dyn Fn(&Grant) -> bool,
    ) -> Option<&Arc<Grant>> {
        let holds = |bits: u32| GrantOperations::has_bit(bits, offer.operation);
        let lives = |end: End| end.0 > offer.now.as_millis();
        match self {
            Self::Few(few) => few
                .iter()
                .filter(|((s, bits, end, _), grant)| {
                    *s == selector && holds(*bits) && lives(*end) && accept(grant)
                })
                .map(|(_, grant)| grant)
                .min_by_key(|grant| rank(grant)),
            Self::Many { places, .. } => {
                let mut best: Option<&Arc<Grant>> = None;
                let mut next = (selector, 0, NEVER, ID_MIN);
                // One step a group of equal operations, however many grants are in it: the first that is looked at is
                // the one, unless two different constraints have one hash, or a parent covers too little (G-12).
                while let Some((at @ (s, bits, end, _), grant)) = places.get_next(&next) {
                    if *s != selector {
                        break;
                    }
                    if holds(*bits) && lives(*end) {
                        let found = if accept(grant) {
                            Some(grant)
                        } else {
                            places
                                .range(*at..=(selector, *bits, Reverse(0), ID_MAX))
                                .skip(1)
                                .take_while(|((_, _, end, _), _)| lives(*end))
                                .map(|(_, grant)| grant)
                                .find(|grant| accept(grant))
                        };
                        best = better(best, found);
                    }
                    let Some(after) = bits.checked_add(1) else {
                        break;
                    };
                    next = (selector, after, NEVER, ID_MIN);
                }
                best
            }
        }
    }
}

/// The places of a grant whose context constraint, if any, is looked up under `selectors`: what it gives under the
/// context and the source, what under the source alone, and what no constraint limits (G-27, G-28).
fn places(grant: &Grant, selectors: &[Selector]) -> Vec<Place> {
    let source_arn = grant.constraints.source_arn.as_ref();
    let source_arn = source_arn.map(|arn| arn.as_str());
    let (purse, end) = (Purse::of(grant), end_of(grant));
    let at = |selector: Selector, source_arn, bits| {
        (selector.under(source_arn, purse), bits, end, grant.id)
    };
    let mut rest = grant.operations.bits();
    let mut places = Vec::with_capacity(selectors.len() + 2);
    let mut take = |bits: u32| {
        let taken = rest & bits;
        rest &= !bits;
        taken
    };
    if source_arn.is_some() {
        let unlimited = take(bits_of(&SOURCE_FREE_OPERATIONS));
        if unlimited != 0 {
            places.push(at(Selector::Anything, None, unlimited));
        }
    }
    if !selectors.is_empty() {
        let narrowed = take(bits_of(&CONTEXT_OPERATIONS));
        if narrowed != 0 {
            places.extend(selectors.iter().map(|s| at(*s, source_arn, narrowed)));
        }
    }
    if rest != 0 {
        places.push(at(Selector::Anything, source_arn, rest));
    }
    places
}

fn bits_of(operations: &[GrantOperation]) -> u32 {
    operations
        .iter()
        .copied()
        .collect::<GrantOperations>()
        .bits()
}

/// Everywhere that a grant can stand: a Subset under any of its pairs.
fn places_possible(grant: &Grant) -> Vec<Place> {
    let selectors = match &grant.constraints.context {
        None => Vec::new(),
        Some(ContextConstraint::Equals(pairs)) => vec![Selector::exactly(pairs)],
        Some(ContextConstraint::Subset(pairs)) => Selector::pairs(pairs).collect(),
    };
    places(grant, &selectors)
}

/// Where a new grant is to stand: a Subset under the pair that is rarest in the lot, so that a pair which all of them
/// share does not gather them.
fn places_of_new(grant: &Grant, lot: &Lot) -> Vec<Place> {
    let Some(ContextConstraint::Subset(pairs)) = &grant.constraints.context else {
        return places_possible(grant);
    };
    let source_arn = grant.constraints.source_arn.as_ref();
    let source_arn = source_arn.map(|arn| arn.as_str());
    let purse = Purse::of(grant);
    let rarest = Selector::pairs(pairs).min_by_key(|selector| {
        let hash = selector.under(source_arn, purse);
        (lot.count(hash), hash)
    });
    places(grant, rarest.as_slice())
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

    #[test]
    fn folded_key_is_in_lower_case_letter_by_letter() {
        for (key, folded) in [
            ("tenant", "tenant"),
            ("Tenant-ID", "tenant-id"),
            ("STRAßEÄ", "straßeä"),
            ("\u{212a}", "k"),
            ("ΣΑΣ", "σασ"),
            ("", ""),
        ] {
            assert_eq!(folded_key(key), folded);
        }
        assert!(matches!(folded_key("aws:s3:arn"), Cow::Borrowed(_)));
    }

    proptest! {
        /// G-26, U-12: keys that are one in lower case have one hash, others have not, and no pair runs into another.
        #[test]
        fn hash_of_a_key_is_that_of_its_lower_case(
            one in "[aAkK\u{212a}äÄ]{0,3}[bB]{0,70}",
            other in "[aAkK\u{212a}äÄ]{0,3}[bB]{0,70}",
        ) {
            let hash = |key: &str| fixed_hash(&(FoldedKey(key), "v"));
            prop_assert_eq!(hash(&one), hash(&folded_key(&one)));
            prop_assert_eq!(hash(&one), hash(&one.to_uppercase()));
            prop_assert_eq!(hash(&one) == hash(&other), folded_key(&one) == folded_key(&other));
        }
    }
}
