//! The facts that decisions are taken on, and the indexes derived from them.
//!
//! `State` is a consistent snapshot at one revision: cloning it is cheap, and a clone never changes.
//! Only `op::apply` changes one. Imports ids, limits, time, policy.
//! Never: a clock, I/O, an iteration order that reaches an output.

pub mod alias;
pub mod cow_map;
pub mod deep;
pub mod error_code;
pub mod fact;
pub mod fingerprint;
pub mod former;
pub mod grant;
pub mod grant_index;
mod grant_lot;
pub mod group;
pub mod idempotency;
mod idempotency_records;
pub mod key;
pub mod key_algorithms;
pub mod key_life;
pub mod key_store;
pub mod key_store_backend;
mod key_store_backends;
mod key_stores;
pub mod key_usage;
mod membership;
pub mod organization;
pub mod principal;
pub mod semantics;
pub mod settings;
pub mod token_epoch;
mod tree;

use std::collections::BTreeMap;
use std::sync::Arc;

use imbl::{OrdMap, OrdSet};

use self::alias::Alias;
use self::cow_map::{CowMap, HashKey};
use self::fact::{Fact, Gap, Header, ImportError};
use self::fingerprint::{Fingerprint, Sum};
use self::grant::Grant;
use self::grant_index::GrantIndex;
use self::idempotency::{Horizon, IdempotencyKey, IdempotencyRecord, Payer};
use self::idempotency_records::Records;
pub use self::idempotency_records::{Crowded, Share};
use self::key::Key;
use self::key_store_backend::KeyStoreBackend;
use self::key_store_backends::Backends;
use self::key_stores::KeyStores;
use self::membership::Groups;
use self::principal::{Account, Principal, PrincipalType};
use self::semantics::{Member, Semantics};
use self::settings::Settings;
use self::token_epoch::{SealCheck, TokenEpoch};
use self::tree::Tree;
use crate::domain::ids::{
    AccountId, AliasArn, AliasName, GrantId, KeyArn, KeyId, NodeId, Partition, PrincipalArn,
    PrincipalKind, Region, UniqueId,
};
use crate::domain::limits;
use crate::domain::time::{Incarnation, Position, Revision, Timestamp};

/// Tags in the order of their keys (E-1): case sensitive, at most 50 on a key.
pub type Tags = BTreeMap<Arc<str>, Arc<str>>;

/// The immutable ids that principals had when a policy that names them was stored (ID-18).
pub type Bindings = BTreeMap<PrincipalArn, UniqueId>;

impl crate::domain::policy::Bindings for Bindings {
    fn is_bound(&self, named: &PrincipalArn, unique_id: &UniqueId) -> bool {
        self.get(named).is_none_or(|bound| bound == unique_id)
    }
}

/// Everything the cluster knows at one revision.
#[derive(Clone, Debug, Default)]
pub struct State {
    header: Header,
    members: OrdMap<u64, Semantics>,
    token_epochs: OrdMap<u32, Arc<TokenEpoch>>,
    accounts: OrdMap<AccountId, Arc<Account>>,
    tree: Tree,
    groups: Groups,
    principals: CowMap<PrincipalArn, Arc<Principal>>,
    /// The last member is always present: its absence sorts first and makes the lower bound of a range.
    principals_in_order: OrdSet<(AccountId, PrincipalType, Option<PrincipalArn>)>,
    principal_counts: CowMap<AccountId, usize>,
    /// By account, kind and lower-cased name: a name is unique there whatever its path and letter case (IAM).
    principals_by_name: CowMap<(AccountId, PrincipalType, String), PrincipalArn>,
    key_stores: KeyStores,
    backends: Backends,
    keys: CowMap<KeyArn, Arc<Key>>,
    keys_in_order: OrdSet<KeyArn>,
    key_counts: CowMap<(Partition, Region, AccountId), usize>,
    /// Multi-Region keys by what the keys of one set share. The last member is always present, as above.
    related_keys: OrdSet<(Partition, AccountId, KeyId, Option<Region>)>,
    /// Keys whose waiting period has begun, by its end.
    deletions: OrdSet<(Timestamp, KeyArn)>,
    dying_keys: OrdMap<KeyArn, Arc<Key>>,
    aliases: CowMap<AliasArn, Arc<Alias>>,
    /// The last member is always present, as above.
    aliases_in_order: OrdSet<(Partition, Region, AccountId, Option<AliasName>)>,
    aliases_of_key: CowMap<KeyArn, Arc<[AliasName]>>,
    grants: GrantIndex,
    records: Records,
    sum: Sum,
}

/// Reading.
impl State {
    /// The last entry that was applied.
    pub const fn revision(&self) -> Revision {
        self.header.revision
    }

    /// The life of the cluster; all zeros before Bootstrap.
    pub const fn incarnation(&self) -> Incarnation {
        self.header.incarnation
    }

    /// Incarnation and revision.
    pub const fn position(&self) -> Position {
        Position {
            incarnation: self.header.incarnation,
            revision: self.header.revision,
        }
    }

    /// The greatest time that an applied entry was stamped with: never goes back.
    pub const fn clock(&self) -> Timestamp {
        self.header.clock
    }

    /// The replicated settings.
    pub const fn settings(&self) -> &Settings {
        &self.header.settings
    }

    /// Whether Bootstrap was applied.
    pub fn is_bootstrapped(&self) -> bool {
        self.header.incarnation != Incarnation::default()
    }

    /// Equal for every replica at the same revision.
    pub fn fingerprint(&self) -> Fingerprint {
        self.sum.fingerprint(&self.header)
    }

    /// The token epochs, in the order of their numbers.
    pub fn token_epochs(&self) -> impl Iterator<Item = &Arc<TokenEpoch>> {
        self.token_epochs.values()
    }

    /// The token epoch with this number.
    pub fn token_epoch(&self, number: u32) -> Option<&Arc<TokenEpoch>> {
        self.token_epochs.get(&number)
    }

    /// The epoch that mints tokens now.
    pub fn minting_epoch(&self) -> Option<&Arc<TokenEpoch>> {
        let mut newest_first = self.token_epochs.values().rev();
        newest_first.find(|epoch| epoch.is_minting())
    }

    /// The epoch that is installed and still to mint.
    pub fn coming_epoch(&self) -> Option<&Arc<TokenEpoch>> {
        let (_, newest) = self.token_epochs.get_max()?;
        (newest.is_ahead() && newest.mints.is_none()).then_some(newest)
    }

    /// The epoch that tokens of a grant are of, unless it is revoked.
    pub fn epoch_of(&self, grant: &Grant) -> Option<&Arc<TokenEpoch>> {
        let epoch = self.token_epoch(grant.epoch)?;
        epoch.revoked.is_none().then_some(epoch)
    }

    /// What tells the cluster's seal key from any other.
    pub const fn seal_check(&self) -> SealCheck {
        self.header.seal_check
    }

    /// What the cluster's entries mean now.
    pub const fn semantics(&self) -> Semantics {
        self.header.semantics
    }

    /// The members of the cluster, in the order of their ids.
    pub fn cluster_members(&self) -> impl Iterator<Item = Member> {
        let members = self.members.iter();
        members.map(|(node, newest)| Member {
            node: *node,
            newest: *newest,
        })
    }

    /// The newest semantics that a member has told that it knows, 0 before it told; `None`: it is no member.
    pub fn cluster_member(&self, node: u64) -> Option<Semantics> {
        self.members.get(&node).copied()
    }

    /// Why the cluster decides nothing, if it does not.
    pub const fn closed(&self) -> Option<Gap> {
        self.header.closed
    }

    /// The account.
    pub fn account(&self, id: AccountId) -> Option<&Arc<Account>> {
        self.accounts.get(&id)
    }

    /// How many accounts there are.
    pub fn account_count(&self) -> usize {
        self.accounts.len()
    }

    /// Accounts in the order of their ids, from after `after`.
    pub fn accounts(&self, after: Option<AccountId>) -> impl Iterator<Item = &Arc<Account>> {
        let rest = match after {
            None => self.accounts.range(..),
            Some(after) => self
                .accounts
                .range((std::ops::Bound::Excluded(after), std::ops::Bound::Unbounded)),
        };
        rest.map(|(_, account)| account)
    }

    /// The user or role with this ARN.
    pub fn principal(&self, arn: &PrincipalArn) -> Option<&Arc<Principal>> {
        self.principals.get(arn)
    }

    /// The user or role of an account with this name, in any letter case and under any path.
    pub fn principal_named(
        &self,
        account: AccountId,
        kind: PrincipalType,
        name: &str,
    ) -> Option<&Arc<Principal>> {
        let place = (account, kind, name.to_lowercase());
        self.principals.get(self.principals_by_name.get(&place)?)
    }

    /// How many users and roles an account has.
    pub fn principal_count(&self, account: AccountId) -> usize {
        self.principal_counts
            .get(&account)
            .copied()
            .unwrap_or_default()
    }

    /// Users or roles of an account in the order of their ARNs, from after `after`.
    pub fn principals(
        &self,
        account: AccountId,
        kind: PrincipalType,
        after: Option<&PrincipalArn>,
    ) -> impl Iterator<Item = &Arc<Principal>> + use<'_> {
        let from = (account, kind, after.cloned());
        let after = after.cloned();
        self.principals_in_order
            .range(from..)
            .take_while(move |(a, k, _)| *a == account && *k == kind)
            .filter_map(|(_, _, arn)| arn.as_ref())
            .filter(move |arn| Some(*arn) != after.as_ref())
            .filter_map(|arn| self.principals.get(arn))
    }

    /// The key with this ARN.
    pub fn key(&self, arn: &KeyArn) -> Option<&Arc<Key>> {
        self.keys.get(arn)
    }

    /// How many keys an account has in a Region (W-5).
    pub fn key_count(&self, partition: Partition, region: &Region, account: AccountId) -> usize {
        self.key_counts
            .get(&(partition, region.clone(), account))
            .copied()
            .unwrap_or_default()
    }

    /// Keys of an account in a Region in the order of their ids, from after `after`.
    pub fn keys(
        &self,
        partition: Partition,
        region: &Region,
        account: AccountId,
        after: Option<KeyId>,
    ) -> impl Iterator<Item = &Arc<Key>> {
        let from = KeyArn {
            partition,
            region: region.clone(),
            account,
            key_id: after.unwrap_or(KeyId::Uuid([0; 16])),
        };
        let region = region.clone();
        self.keys_in_order
            .range(from..)
            .take_while(move |arn| {
                arn.partition == partition && arn.region == region && arn.account == account
            })
            .filter(move |arn| Some(arn.key_id) != after)
            .filter_map(|arn| self.keys.get(arn))
    }

    /// Whether a Region has keys, of any account.
    pub fn has_keys_in(&self, partition: Partition, region: &Region) -> bool {
        let from = KeyArn {
            partition,
            region: region.clone(),
            account: AccountId::FIRST,
            key_id: KeyId::Uuid([0; 16]),
        };
        let first = self.keys_in_order.range(from..).next();
        first.is_some_and(|arn| arn.partition == partition && arn.region == *region)
    }

    /// The alias with this ARN.
    pub fn alias(&self, arn: &AliasArn) -> Option<&Arc<Alias>> {
        self.aliases.get(arn)
    }

    /// Aliases of an account in a Region in the order of their names, from after `after`.
    pub fn aliases(
        &self,
        partition: Partition,
        region: &Region,
        account: AccountId,
        after: Option<&AliasName>,
    ) -> impl Iterator<Item = &Arc<Alias>> {
        let from = (partition, region.clone(), account, after.cloned());
        let (after, region) = (after.cloned(), region.clone());
        self.aliases_in_order
            .range(from..)
            .take_while(move |(p, r, a, _)| *p == partition && *r == region && *a == account)
            .filter(move |(.., name)| *name != after)
            .filter_map(move |(partition, region, account, name)| {
                self.aliases.get(&AliasArn {
                    partition: *partition,
                    region: region.clone(),
                    account: *account,
                    name: name.clone()?,
                })
            })
    }

    /// The names of the aliases of a key, in order.
    pub fn aliases_of_key(&self, key: &KeyArn) -> &[AliasName] {
        self.aliases_of_key.get(key).map_or(&[], |names| names)
    }

    /// The grants, with their indexes.
    pub const fn grants(&self) -> &GrantIndex {
        &self.grants
    }

    /// What became of a command under an idempotency key.
    pub fn idempotency(&self, key: &IdempotencyKey) -> Option<&Arc<IdempotencyRecord>> {
        self.records.get(key)
    }

    /// The oldest idempotency record of those that are kept equally long.
    pub fn oldest_idempotency(&self, horizon: Horizon) -> Option<&Arc<IdempotencyRecord>> {
        self.records.oldest(horizon)
    }

    /// The greatest revision of which an idempotency record was forgotten; zero before the first.
    pub const fn forgotten(&self, horizon: Horizon) -> Revision {
        match horizon {
            Horizon::Change => self.header.forgotten.changes,
            Horizon::Use => self.header.forgotten.uses,
        }
    }

    /// Whether there is room for another idempotency record of `payer`.
    ///
    /// # Errors
    /// Whose share is full.
    pub fn idempotency_room(&self, payer: &Payer) -> Result<(), Crowded> {
        // The root beside users and roles; the operator and services together count as an account.
        let principals = match payer.account {
            Some(account) => self.principal_count(account).saturating_add(1),
            None => limits::IDEMPOTENCY_STRANGERS,
        };
        let accounts = self.account_count().saturating_add(1);
        self.records.room(payer, accounts, principals)
    }
}

/// Writing: for `op` alone. Every method keeps indexes and fingerprint with the facts.
impl State {
    /// Takes note of an applied entry: the revision, and the time if it is later than any before.
    pub(in crate::domain) fn advance(&mut self, revision: Revision, clock: Timestamp) {
        self.header.revision = self.header.revision.max(revision);
        self.header.clock = self.header.clock.max(clock);
    }

    /// Begins an incarnation. Whatever was there before is gone but its members: nothing else can be.
    pub(in crate::domain) fn begin(&mut self, header: Header) {
        let members: Vec<Member> = self.cluster_members().collect();
        *self = Self::keyed(Header {
            revision: self.header.revision,
            clock: self.header.clock,
            ..header
        });
        for member in members {
            self.put_member(member);
        }
    }

    /// Begins another life with the facts of this one.
    pub(in crate::domain) fn reborn(&mut self, header: Header) {
        self.header = header;
    }

    /// From now on the cluster decides.
    pub(in crate::domain) fn open(&mut self) {
        self.header.closed = None;
    }

    /// Puts a member, or what it has told.
    pub(in crate::domain) fn put_member(&mut self, member: Member) {
        let Member { node, newest } = member;
        let old = self.members.insert(node, newest);
        let old = old.map(|newest| Fact::Member(Member { node, newest }));
        self.count(old, Some(Fact::Member(member)));
    }

    /// Takes a member out.
    pub(in crate::domain) fn take_member(&mut self, node: u64) {
        if let Some(newest) = self.members.remove(&node) {
            self.count(Some(Fact::Member(Member { node, newest })), None);
        }
    }

    /// From now on entries mean this.
    pub(in crate::domain) fn raise_semantics(&mut self, to: Semantics) {
        self.header.semantics = to;
    }

    /// The empty state with this header, its maps keyed as that says.
    fn keyed(header: Header) -> Self {
        let key: HashKey = header.hash_key;
        Self {
            header,
            tree: Tree::keyed(key),
            groups: Groups::keyed(key),
            principals: CowMap::keyed(key),
            principal_counts: CowMap::keyed(key),
            principals_by_name: CowMap::keyed(key),
            key_stores: KeyStores::keyed(key),
            backends: Backends::keyed(key),
            keys: CowMap::keyed(key),
            key_counts: CowMap::keyed(key),
            aliases: CowMap::keyed(key),
            aliases_of_key: CowMap::keyed(key),
            grants: GrantIndex::keyed(key),
            records: Records::keyed(key),
            ..Self::default()
        }
    }

    /// Puts other settings in force.
    pub(in crate::domain) fn put_settings(&mut self, settings: Settings) {
        self.header.settings = settings;
    }

    /// Puts a token epoch, or replaces the one with its number.
    pub(in crate::domain) fn put_token_epoch(&mut self, epoch: Arc<TokenEpoch>) {
        let old = self.token_epochs.insert(epoch.number, Arc::clone(&epoch));
        self.count(old.map(Fact::TokenEpoch), Some(Fact::TokenEpoch(epoch)));
    }

    /// Drops a token epoch.
    pub(in crate::domain) fn drop_token_epoch(&mut self, number: u32) {
        let old = self.token_epochs.remove(&number);
        self.count(old.map(Fact::TokenEpoch), None);
    }

    /// Puts an account, or replaces it.
    pub(in crate::domain) fn put_account(&mut self, account: Arc<Account>) {
        let old = self.accounts.insert(account.id, Arc::clone(&account));
        self.count(old.map(Fact::Account), Some(Fact::Account(account)));
    }

    /// Puts a user or role, or replaces it.
    pub(in crate::domain) fn put_principal(&mut self, principal: Arc<Principal>) {
        let arn = principal.arn.clone();
        let old = self.principals.insert(arn.clone(), Arc::clone(&principal));
        if old.is_none() {
            let account = arn.account();
            self.principal_counts
                .insert(account, self.principal_count(account).saturating_add(1));
        }
        let place = (arn.account(), principal.kind, name_of(&arn));
        self.principals_by_name.insert(place, arn.clone());
        self.principals_in_order
            .insert((arn.account(), principal.kind, Some(arn)));
        self.index_memberships(old.as_deref(), Some(&principal));
        self.count(old.map(Fact::Principal), Some(Fact::Principal(principal)));
    }

    /// Takes a user or role out.
    pub(in crate::domain) fn take_principal(&mut self, arn: &PrincipalArn) {
        let Some(old) = self.principals.remove(arn) else {
            return;
        };
        let account = arn.account();
        self.principal_counts
            .insert(account, self.principal_count(account).saturating_sub(1));
        self.principals_in_order
            .remove(&(account, old.kind, Some(arn.clone())));
        self.principals_by_name
            .remove(&(account, old.kind, name_of(arn)));
        self.index_memberships(Some(&old), None);
        self.count(Some(Fact::Principal(old)), None);
    }

    /// Puts a key, or replaces it.
    pub(in crate::domain) fn put_key(&mut self, key: Arc<Key>) {
        let arn = key.arn.clone();
        let old = self.keys.insert(arn.clone(), Arc::clone(&key));
        self.index_life(old.as_deref(), Some(&key));
        if old.is_none() {
            let count = self.key_count(arn.partition, &arn.region, arn.account);
            let place = (arn.partition, arn.region.clone(), arn.account);
            self.key_counts.insert(place, count.saturating_add(1));
            self.keys_in_order.insert(arn);
        }
        if let Some(old) = &old {
            self.key_stores.leave(old);
        }
        self.key_stores.enter(&key);
        self.count(old.map(Fact::Key), Some(Fact::Key(key)));
    }

    /// Puts an alias, or gives it another key.
    pub(in crate::domain) fn put_alias(&mut self, alias: Arc<Alias>) {
        self.take_alias(&alias.arn);
        let mut names = self.aliases_of_key(&alias.target).to_vec();
        names.push(alias.arn.name.clone());
        names.sort_unstable();
        self.aliases_of_key
            .insert(alias.target.clone(), names.into());
        self.aliases_in_order.insert(alias_place(&alias.arn));
        self.aliases.insert(alias.arn.clone(), Arc::clone(&alias));
        self.count(None, Some(Fact::Alias(alias)));
    }

    /// Takes an alias out.
    pub(in crate::domain) fn take_alias(&mut self, arn: &AliasArn) {
        let Some(old) = self.aliases.remove(arn) else {
            return;
        };
        self.aliases_in_order.remove(&alias_place(arn));
        let mut names = self.aliases_of_key(&old.target).to_vec();
        names.retain(|name| *name != arn.name);
        if names.is_empty() {
            self.aliases_of_key.remove(&old.target);
        } else {
            self.aliases_of_key.insert(old.target.clone(), names.into());
        }
        self.count(Some(Fact::Alias(old)), None);
    }

    /// Puts a grant, or replaces the one with its id.
    pub(in crate::domain) fn put_grant(&mut self, grant: Arc<Grant>) {
        let old = self.grants.take(&grant.id);
        self.grants.put(Arc::clone(&grant));
        self.count(old.map(Fact::Grant), Some(Fact::Grant(grant)));
    }

    /// Takes a grant out.
    pub(in crate::domain) fn take_grant(&mut self, id: &GrantId) {
        let old = self.grants.take(id);
        self.count(old.map(Fact::Grant), None);
    }

    /// Records what became of a command under an idempotency key.
    pub(in crate::domain) fn put_idempotency(&mut self, record: Arc<IdempotencyRecord>) {
        self.take_idempotency(&record.key);
        self.records.put(Arc::clone(&record));
        self.count(None, Some(Fact::Idempotency(record)));
    }

    /// Forgets an idempotency record, and remembers that keys of its time are not known any more.
    pub(in crate::domain) fn forget_idempotency(&mut self, record: &IdempotencyRecord) {
        let forgotten = match record.horizon {
            Horizon::Change => &mut self.header.forgotten.changes,
            Horizon::Use => &mut self.header.forgotten.uses,
        };
        *forgotten = record.at.max(*forgotten);
        self.take_idempotency(&record.key);
    }

    /// Takes an idempotency record out.
    pub(in crate::domain) fn take_idempotency(&mut self, key: &IdempotencyKey) {
        if let Some(old) = self.records.take(key) {
            self.count(Some(Fact::Idempotency(old)), None);
        }
    }

    /// Counts the entries of the indexes that are kept here; those of grants keep their own.
    fn sum_indexes(&self, sum: &mut deep::IndexSum) {
        for place in &self.principals_in_order {
            let known = place.2.as_ref().is_none_or(|arn| {
                let named = (place.0, place.1, name_of(arn));
                self.principals.get(arn).is_some()
                    && self.principals_by_name.get(&named) == Some(arn)
            });
            sum.add(20, &(place, known, self.principal_count(place.0)));
        }
        for arn in &self.keys_in_order {
            let count = self.key_count(arn.partition, &arn.region, arn.account);
            sum.add(
                21,
                &(
                    arn,
                    self.keys.get(arn).is_some(),
                    count,
                    self.aliases_of_key(arn),
                ),
            );
        }
        self.related_keys
            .iter()
            .for_each(|entry| sum.add(22, entry));
        self.deletions.iter().for_each(|entry| sum.add(23, entry));
        self.aliases_in_order
            .iter()
            .for_each(|entry| sum.add(24, entry));
    }

    fn count(&mut self, went: Option<Fact>, came: Option<Fact>) {
        if let Some(fact) = &went {
            self.sum.subtract(fact);
        }
        if let Some(fact) = &came {
            self.sum.add(fact);
        }
    }
}

/// Snapshots.
impl State {
    /// What the state says of itself beside its facts.
    pub const fn header(&self) -> &Header {
        &self.header
    }

    /// Every fact, in canonical order: equal states give equal lists, and whatever a fact needs comes before it.
    pub fn export(&self) -> impl Iterator<Item = Fact> {
        let epochs = self.token_epochs.values().cloned().map(Fact::TokenEpoch);
        let accounts = self.accounts.values().cloned().map(Fact::Account);
        let principals = self.principals_in_order.iter();
        let principals =
            principals.filter_map(|(.., arn)| self.principals.get(arn.as_ref()?).cloned());
        let keys = self.keys_in_order.iter();
        let keys = keys.filter_map(|arn| self.keys.get(arn).cloned());
        let dying = self.dying_keys.values().cloned();
        let aliases = self.aliases_in_order.iter().filter_map(|place| {
            let (partition, region, account, name) = place.clone();
            let name = name?;
            let arn = AliasArn {
                partition,
                region,
                account,
                name,
            };
            self.aliases.get(&arn).cloned()
        });
        let records = self.records.iter().cloned();
        let members = self.cluster_members().map(Fact::Member);
        members
            .chain(epochs)
            .chain(accounts)
            .chain(self.export_tree())
            .chain(self.export_groups())
            .chain(principals.map(Fact::Principal))
            .chain(self.key_stores.iter().cloned().map(Fact::KeyStore))
            .chain(self.backends.iter().cloned().map(Fact::KeyStoreBackend))
            .chain(keys.map(Fact::Key))
            .chain(dying.map(Fact::DyingKey))
            .chain(aliases.map(Fact::Alias))
            .chain(self.grants.iter().cloned().map(Fact::Grant))
            .chain(records.map(Fact::Idempotency))
    }

    /// The state with this header and these facts, as [`State::export`] gave them.
    pub fn import(
        header: Header,
        facts: impl IntoIterator<Item = Fact>,
    ) -> Result<Self, ImportError> {
        let mut state = Self::keyed(header);
        for fact in facts {
            state.import_one(fact)?;
        }
        Ok(state)
    }

    /// Adds one fact of a snapshot.
    pub fn import_one(&mut self, fact: Fact) -> Result<(), ImportError> {
        let kind = fact.kind();
        let missing = |name: &dyn std::fmt::Display,
                       wanted_kind: &'static str,
                       wanted: &dyn std::fmt::Display| ImportError::Missing {
            kind,
            name: name.to_string(),
            wanted_kind,
            wanted: wanted.to_string(),
        };
        let twice = |name: &dyn std::fmt::Display| ImportError::Twice {
            kind,
            name: name.to_string(),
        };
        match fact {
            Fact::Member(member) => {
                if self.members.contains_key(&member.node) {
                    return Err(twice(&member.node));
                }
                self.put_member(member);
            }
            Fact::TokenEpoch(epoch) => {
                if self.token_epochs.contains_key(&epoch.number) {
                    return Err(twice(&epoch.number));
                }
                self.put_token_epoch(epoch);
            }
            Fact::Account(account) => {
                if self.accounts.contains_key(&account.id) {
                    return Err(twice(&account.id));
                }
                self.put_account(account);
            }
            Fact::Organization(organization) => {
                let management = organization.management;
                if self.organization(&organization.id).is_some() {
                    return Err(twice(&organization.id));
                }
                if !self.accounts.contains_key(&management) {
                    return Err(missing(&organization.id, "account", &management));
                }
                self.put_organization(organization);
            }
            Fact::Node(node) => {
                if self.node(&node.id).is_some() {
                    return Err(twice(&node.id));
                }
                if self.organization(&node.organization).is_none() {
                    return Err(missing(&node.id, "organization", &node.organization));
                }
                if let Some(parent) = &node.parent
                    && self.node(parent).is_none()
                {
                    return Err(missing(&node.id, "organization node", parent));
                }
                if let NodeId::Account(account) = &node.id
                    && !self.accounts.contains_key(account)
                {
                    return Err(missing(&node.id, "account", account));
                }
                self.put_node(node);
            }
            Fact::VpcEndpoint(endpoint) => {
                if self.endpoint(&endpoint.id).is_some() {
                    return Err(twice(&endpoint.id));
                }
                if !self.accounts.contains_key(&endpoint.account) {
                    return Err(missing(&endpoint.id, "account", &endpoint.account));
                }
                self.put_endpoint(endpoint);
            }
            Fact::Group(group) => {
                let account = group.arn.account();
                if self.group(&group.arn).is_some() {
                    return Err(twice(&group.arn));
                }
                if !self.accounts.contains_key(&account) {
                    return Err(missing(&group.arn, "account", &account));
                }
                self.put_group(group);
            }
            Fact::Principal(principal) => {
                let account = principal.arn.account();
                if self.principals.contains_key(&principal.arn) {
                    return Err(twice(&principal.arn));
                }
                if !self.accounts.contains_key(&account) {
                    return Err(missing(&principal.arn, "account", &account));
                }
                if let Some(group) = principal.groups.iter().find(|g| self.group(g).is_none()) {
                    return Err(missing(&principal.arn, "group", group));
                }
                self.put_principal(principal);
            }
            Fact::KeyStore(store) => {
                if self.key_stores.get(&store.id).is_some() {
                    return Err(twice(&store.id));
                }
                if !self.accounts.contains_key(&store.account) {
                    return Err(missing(&store.id, "account", &store.account));
                }
                self.put_key_store(store);
            }
            Fact::KeyStoreBackend(backend) => {
                let KeyStoreBackend {
                    account,
                    partition,
                    region,
                    backend: told,
                    told_at: _,
                } = &*backend;
                let (account, name) = (*account, told.name());
                let known = self.key_store_backend(*partition, region, account, name.clone());
                if known.is_some() {
                    return Err(twice(&name));
                }
                if !self.accounts.contains_key(&account) {
                    return Err(missing(&name, "account", &account));
                }
                self.put_key_store_backend(backend);
            }
            Fact::Key(key) => {
                if self.keys.contains_key(&key.arn) {
                    return Err(twice(&key.arn));
                }
                if let Some(place) = &key.custom_key_store
                    && self.key_stores.get(&place.store).is_none()
                {
                    return Err(missing(&key.arn, "custom key store", &place.store));
                }
                if !self.accounts.contains_key(&key.arn.account) {
                    return Err(missing(&key.arn, "account", &key.arn.account));
                }
                self.put_key(key);
            }
            Fact::DyingKey(key) => {
                if self.keys.contains_key(&key.arn) || self.is_dying(&key.arn) {
                    return Err(twice(&key.arn));
                }
                if !self.accounts.contains_key(&key.arn.account) {
                    return Err(missing(&key.arn, "account", &key.arn.account));
                }
                self.put_dying_key(key);
            }
            Fact::Alias(alias) => {
                if self.aliases.contains_key(&alias.arn) {
                    return Err(twice(&alias.arn));
                }
                if !self.keys.contains_key(&alias.target) {
                    return Err(missing(&alias.arn, "key", &alias.target));
                }
                self.put_alias(alias);
            }
            Fact::Grant(grant) => {
                if self.grants.get(&grant.id).is_some() {
                    return Err(twice(&grant.id));
                }
                if !self.keys.contains_key(&grant.key) && !self.is_dying(&grant.key) {
                    return Err(missing(&grant.id, "key", &grant.key));
                }
                self.put_grant(grant);
            }
            Fact::Idempotency(record) => {
                let doubled = self.records.get(&record.key).is_some();
                if doubled || self.records.made_at(record.horizon, record.at).is_some() {
                    return Err(twice(&record.key.key));
                }
                self.put_idempotency(record);
            }
        }
        Ok(())
    }
}

/// The lower-cased name of a user or role.
fn name_of(arn: &PrincipalArn) -> String {
    match arn.kind() {
        PrincipalKind::User { name, .. } | PrincipalKind::Role { name, .. } => name.to_lowercase(),
        PrincipalKind::Root
        | PrincipalKind::AssumedRole { .. }
        | PrincipalKind::FederatedUser { .. } => String::new(),
    }
}

fn alias_place(arn: &AliasArn) -> (Partition, Region, AccountId, Option<AliasName>) {
    let AliasArn {
        partition,
        region,
        account,
        name,
    } = arn.clone();
    (partition, region, account, Some(name))
}

/// A closed set of names: the enum, `ALL` in declared order, `as_str`, `Display` and an exact `FromStr`.
macro_rules! closed_set {
    ($(#[$meta:meta])* pub enum $name:ident { $($variant:ident = $text:literal),+ $(,)? }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        #[allow(missing_docs)]
        pub enum $name { $($variant),+ }

        impl $name {
            /// Every member, in declared order.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The name as AWS writes it.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text),+ }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::domain::state::NotInSet;

            fn from_str(s: &str) -> Result<Self, Self::Err> {
                match s { $($text => Ok(Self::$variant),)+ _ => Err($crate::domain::state::NotInSet) }
            }
        }
    };
}
pub(crate) use closed_set;

/// A text that is no member of a closed set; the edge that parsed it knows the set and says so.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("not a member of the set")]
pub struct NotInSet;
