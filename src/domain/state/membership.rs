//! The part of a state that holds groups, with their indexes. Who is a member stands in the user; this is the way back.
//!
//! Imports ids, the facts. Never: a decision.

use std::sync::Arc;

use imbl::OrdSet;

use super::State;
use super::cow_map::{CowMap, HashKey};
use super::fact::Fact;
use super::group::Group;
use super::principal::Principal;
use crate::domain::ids::{AccountId, GroupArn, PrincipalArn};

/// Groups with their indexes.
#[derive(Clone, Debug, Default)]
pub(super) struct Groups {
    groups: CowMap<GroupArn, Arc<Group>>,
    /// The last member is always present: its absence sorts first and makes the lower bound of a range.
    in_order: OrdSet<(AccountId, Option<GroupArn>)>,
    counts: CowMap<AccountId, usize>,
    /// By account and lower-cased name: a name is unique there whatever its path and letter case (IAM).
    by_name: CowMap<(AccountId, String), GroupArn>,
    /// The last member is always present, as above.
    members: OrdSet<(GroupArn, Option<PrincipalArn>)>,
}

impl Groups {
    /// Nothing yet, under the cluster's key.
    pub(super) fn keyed(key: HashKey) -> Self {
        Self {
            groups: CowMap::keyed(key),
            counts: CowMap::keyed(key),
            by_name: CowMap::keyed(key),
            ..Self::default()
        }
    }
}

/// Reading.
impl State {
    /// The group with this ARN.
    pub fn group(&self, arn: &GroupArn) -> Option<&Arc<Group>> {
        self.groups.groups.get(arn)
    }

    /// The group of an account with this name, in any letter case and under any path.
    pub fn group_named(&self, account: AccountId, name: &str) -> Option<&Arc<Group>> {
        let arn = self.groups.by_name.get(&(account, name.to_lowercase()))?;
        self.group(arn)
    }

    /// How many groups an account has.
    pub fn group_count(&self, account: AccountId) -> usize {
        self.groups
            .counts
            .get(&account)
            .copied()
            .unwrap_or_default()
    }

    /// Groups of an account in the order of their ARNs, from after `after`.
    pub fn groups(
        &self,
        account: AccountId,
        after: Option<&GroupArn>,
    ) -> impl Iterator<Item = &Arc<Group>> {
        let from = (account, after.cloned());
        let after = after.cloned();
        self.groups
            .in_order
            .range(from..)
            .take_while(move |(a, _)| *a == account)
            .filter_map(|(_, arn)| arn.as_ref())
            .filter(move |arn| Some(*arn) != after.as_ref())
            .filter_map(|arn| self.group(arn))
    }

    /// The users in a group, in the order of their ARNs, from after `after`.
    pub fn members(
        &self,
        group: &GroupArn,
        after: Option<&PrincipalArn>,
    ) -> impl Iterator<Item = &Arc<Principal>> {
        let from = (group.clone(), after.cloned());
        let (group, after) = (group.clone(), after.cloned());
        self.groups
            .members
            .range(from..)
            .take_while(move |(g, _)| *g == group)
            .filter_map(|(_, arn)| arn.as_ref())
            .filter(move |arn| Some(*arn) != after.as_ref())
            .filter_map(|arn| self.principal(arn))
    }

    /// Every group, in canonical order.
    pub(super) fn export_groups(&self) -> impl Iterator<Item = Fact> {
        self.groups
            .in_order
            .iter()
            .filter_map(|(_, arn)| self.group(arn.as_ref()?).cloned())
            .map(Fact::Group)
    }
}

/// Writing: for `op` alone.
impl State {
    /// Puts a group, or replaces it.
    pub(in crate::domain) fn put_group(&mut self, group: Arc<Group>) {
        let arn = group.arn.clone();
        let account = arn.account();
        let old = self.groups.groups.insert(arn.clone(), Arc::clone(&group));
        if old.is_none() {
            let count = self.group_count(account).saturating_add(1);
            self.groups.counts.insert(account, count);
            let place = (account, arn.name().to_lowercase());
            self.groups.by_name.insert(place, arn.clone());
            self.groups.in_order.insert((account, Some(arn)));
        }
        self.count(old.map(Fact::Group), Some(Fact::Group(group)));
    }

    /// Takes a group out; it must have no members.
    pub(in crate::domain) fn take_group(&mut self, arn: &GroupArn) {
        let Some(old) = self.groups.groups.remove(arn) else {
            return;
        };
        let account = arn.account();
        let count = self.group_count(account).saturating_sub(1);
        self.groups.counts.insert(account, count);
        let place = (account, arn.name().to_lowercase());
        self.groups.by_name.remove(&place);
        self.groups.in_order.remove(&(account, Some(arn.clone())));
        self.count(Some(Fact::Group(old)), None);
    }

    /// Keeps the way from groups to members with a user that came, changed or went.
    pub(super) fn index_memberships(&mut self, old: Option<&Principal>, new: Option<&Principal>) {
        let members = &mut self.groups.members;
        if let Some(old) = old {
            for group in &old.groups {
                members.remove(&(group.clone(), Some(old.arn.clone())));
            }
        }
        if let Some(new) = new {
            for group in &new.groups {
                members.insert((group.clone(), Some(new.arn.clone())));
            }
        }
    }
}
