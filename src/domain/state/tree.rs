//! The parts of a state that hold organizations and VPC endpoints, with their indexes.
//!
//! A decision walks from an account's node to the root: at most [`LEVELS_MAX`] lookups, and none in a cluster without
//! organizations. Imports ids, limits, the facts. Never: a decision.

use std::ops::Bound;
use std::sync::Arc;

use imbl::{OrdMap, OrdSet};

use super::State;
use super::cow_map::{CowMap, HashKey};
use super::fact::Fact;
use super::organization::{ControlKind, Controls, Node, Organization, VpcEndpoint};
use crate::domain::ids::{AccountId, NodeId, OrganizationId, VpcEndpointId};
use crate::domain::limits::LEVELS_MAX;

/// Organizations and endpoints with their indexes.
#[derive(Clone, Debug, Default)]
pub(super) struct Tree {
    organizations: OrdMap<OrganizationId, Arc<Organization>>,
    nodes: CowMap<NodeId, Arc<Node>>,
    /// By the node above; the last member is always present: its absence sorts first.
    children: OrdSet<(NodeId, Option<NodeId>)>,
    /// Units of each organization.
    units: CowMap<OrganizationId, usize>,
    endpoints: OrdMap<VpcEndpointId, Arc<VpcEndpoint>>,
}

impl Tree {
    /// Nothing yet, under the cluster's key.
    pub(super) fn keyed(key: HashKey) -> Self {
        Self {
            nodes: CowMap::keyed(key),
            units: CowMap::keyed(key),
            ..Self::default()
        }
    }
}

/// Reading.
impl State {
    /// The organization.
    pub fn organization(&self, id: &OrganizationId) -> Option<&Arc<Organization>> {
        self.tree.organizations.get(id)
    }

    /// How many organizations there are.
    pub fn organization_count(&self) -> usize {
        self.tree.organizations.len()
    }

    /// Organizations in the order of their ids, from after `after`.
    pub fn organizations(
        &self,
        after: Option<&OrganizationId>,
    ) -> impl Iterator<Item = &Arc<Organization>> {
        let from = after.map_or(Bound::Unbounded, |after| Bound::Excluded(after.clone()));
        self.tree
            .organizations
            .range((from, Bound::Unbounded))
            .map(|(_, organization)| organization)
    }

    /// The node.
    pub fn node(&self, id: &NodeId) -> Option<&Arc<Node>> {
        if self.tree.nodes.is_empty() {
            return None;
        }
        self.tree.nodes.get(id)
    }

    /// The node of an account, if it is in an organization.
    pub fn membership(&self, account: AccountId) -> Option<&Arc<Node>> {
        self.node(&NodeId::Account(account))
    }

    /// How many units an organization has.
    pub fn unit_count(&self, organization: &OrganizationId) -> usize {
        let count = self.tree.units.get(organization);
        count.copied().unwrap_or_default()
    }

    /// The nodes right below one, in the order of their ids, from after `after`.
    pub fn children<'a>(
        &'a self,
        parent: &NodeId,
        after: Option<&NodeId>,
    ) -> impl Iterator<Item = &'a Arc<Node>> {
        let from = (parent.clone(), after.cloned());
        let (parent, after) = (parent.clone(), after.cloned());
        self.tree
            .children
            .range(from..)
            .take_while(move |(above, _)| *above == parent)
            .filter_map(|(_, id)| id.as_ref())
            .filter(move |id| Some(*id) != after.as_ref())
            .filter_map(|id| self.tree.nodes.get(id))
    }

    /// The nodes from this one up to the root, itself first; never more than [`LEVELS_MAX`].
    pub fn ancestry(&self, node: Option<&'_ Arc<Node>>) -> impl Iterator<Item = &Node> {
        let first = node.and_then(|node| self.node(&node.id));
        std::iter::successors(first, |node| self.node(node.parent.as_ref()?))
            .take(LEVELS_MAX)
            .map(|node| &**node)
    }

    /// What control policies of a kind say of an account, from its own node up to the root; a node that holds none of the
    /// kind allows nothing. Nothing of an account in no organization, nor of a management account (D-3).
    pub fn controls(
        &self,
        account: AccountId,
        kind: ControlKind,
    ) -> impl Iterator<Item = (&NodeId, &Controls)> {
        let node = self.membership(account).filter(|node| {
            let organization = self.organization(&node.organization);
            organization.is_some_and(|organization| organization.management != account)
        });
        self.ancestry(node)
            .map(move |node| (&node.id, node.controls(kind)))
    }

    /// `o-…/r-…/ou-…/` of a node: where an account is, without the account itself (`aws:PrincipalOrgPaths`).
    pub fn organization_path(&self, node: &Node) -> String {
        let mut parts: Vec<String> = self
            .ancestry(self.node(&node.id))
            .filter(|above| !matches!(above.id, NodeId::Account(_)))
            .map(|above| above.id.to_string())
            .collect();
        parts.push(node.organization.to_string());
        parts.reverse();
        parts.join("/") + "/"
    }

    /// The VPC endpoint.
    pub fn endpoint(&self, id: &VpcEndpointId) -> Option<&Arc<VpcEndpoint>> {
        self.tree.endpoints.get(id)
    }

    /// How many VPC endpoints there are.
    pub fn endpoint_count(&self) -> usize {
        self.tree.endpoints.len()
    }

    /// VPC endpoints in the order of their ids, from after `after`.
    pub fn endpoints(
        &self,
        after: Option<&VpcEndpointId>,
    ) -> impl Iterator<Item = &Arc<VpcEndpoint>> {
        let from = after.map_or(Bound::Unbounded, |after| Bound::Excluded(after.clone()));
        self.tree
            .endpoints
            .range((from, Bound::Unbounded))
            .map(|(_, endpoint)| endpoint)
    }

    /// Organizations, their nodes from the root down, and endpoints, in canonical order.
    pub(super) fn export_tree(&self) -> impl Iterator<Item = Fact> {
        let organizations = self.tree.organizations.values();
        let trees = organizations.flat_map(|organization| {
            let nodes = self.below(&organization.root).into_iter().map(Fact::Node);
            std::iter::once(Fact::Organization(Arc::clone(organization))).chain(nodes)
        });
        let endpoints = self.tree.endpoints.values().cloned();
        trees.chain(endpoints.map(Fact::VpcEndpoint))
    }

    /// A node and all below it, each after the one above it.
    fn below(&self, top: &NodeId) -> Vec<Arc<Node>> {
        let mut found: Vec<Arc<Node>> = self.node(top).cloned().into_iter().collect();
        let mut at = 0;
        while let Some(node) = found.get(at).cloned() {
            found.extend(self.children(&node.id, None).cloned());
            at += 1;
        }
        found
    }
}

/// Writing: for `op` alone.
impl State {
    /// Puts an organization, or replaces it.
    pub(in crate::domain) fn put_organization(&mut self, organization: Arc<Organization>) {
        let old = self
            .tree
            .organizations
            .insert(organization.id.clone(), Arc::clone(&organization));
        self.count(
            old.map(Fact::Organization),
            Some(Fact::Organization(organization)),
        );
    }

    /// Takes an organization out; its nodes must be gone.
    pub(in crate::domain) fn take_organization(&mut self, id: &OrganizationId) {
        let old = self.tree.organizations.remove(id);
        self.count(old.map(Fact::Organization), None);
    }

    /// Puts a node, or replaces the one with its id, which may stand below another node then.
    pub(in crate::domain) fn put_node(&mut self, node: Arc<Node>) {
        self.take_node(&node.id);
        if let Some(parent) = &node.parent {
            self.tree
                .children
                .insert((parent.clone(), Some(node.id.clone())));
        }
        if matches!(node.id, NodeId::Unit(_)) {
            let units = self.unit_count(&node.organization).saturating_add(1);
            self.tree.units.insert(node.organization.clone(), units);
        }
        self.tree.nodes.insert(node.id.clone(), Arc::clone(&node));
        self.count(None, Some(Fact::Node(node)));
    }

    /// Takes a node out.
    pub(in crate::domain) fn take_node(&mut self, id: &NodeId) {
        let Some(old) = self.tree.nodes.remove(id) else {
            return;
        };
        if let Some(parent) = &old.parent {
            self.tree
                .children
                .remove(&(parent.clone(), Some(id.clone())));
        }
        if matches!(id, NodeId::Unit(_)) {
            let units = self.unit_count(&old.organization).saturating_sub(1);
            if units == 0 {
                self.tree.units.remove(&old.organization);
            } else {
                self.tree.units.insert(old.organization.clone(), units);
            }
        }
        self.count(Some(Fact::Node(old)), None);
    }

    /// Puts a VPC endpoint, or replaces it.
    pub(in crate::domain) fn put_endpoint(&mut self, endpoint: Arc<VpcEndpoint>) {
        let old = self
            .tree
            .endpoints
            .insert(endpoint.id.clone(), Arc::clone(&endpoint));
        self.count(
            old.map(Fact::VpcEndpoint),
            Some(Fact::VpcEndpoint(endpoint)),
        );
    }

    /// Takes a VPC endpoint out.
    pub(in crate::domain) fn take_endpoint(&mut self, id: &VpcEndpointId) {
        let old = self.tree.endpoints.remove(id);
        self.count(old.map(Fact::VpcEndpoint), None);
    }
}
