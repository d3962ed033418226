//! The policy sources of a world as facts: groups, organizations, VPC endpoints.
//!
//! Imports ids, policy, state. A world says what limits an account, not where in an organization it is attached: here it
//! is attached to the account itself, below a root that allows everything.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::model::{AccountLine, Case, ContextLine, PrincipalLine, Request};
use super::read::Problem;
use super::world::{NOW, entropy};
use crate::domain::ids::{
    AccountId, GroupArn, NodeId, OrganizationId, PrincipalArn, UniqueId, VpcEndpointId, VpcId,
};
use crate::domain::policy::Policy;
use crate::domain::state::fact::Fact;
use crate::domain::state::group::Group;
use crate::domain::state::organization::{ControlKind, Node, Organization, VpcEndpoint};
use crate::domain::state::principal::Account;
use crate::domain::state::token_epoch::TokenEpoch;
use crate::domain::time::Revision;

/// The epoch of the tokens of grants: without one no grant can be made.
pub(super) fn token_epoch() -> Fact {
    Fact::TokenEpoch(Arc::new(TokenEpoch {
        number: 1,
        sealed_secret: [1].into(),
        born: Revision(1),
        mints: Some(Revision(1)),
        ended: None,
        revoked: None,
    }))
}

/// An account as a fact.
pub fn account(id: AccountId) -> Fact {
    Fact::Account(Arc::new(Account {
        id,
        name: "".into(),
        created_at: NOW,
        born: Revision(1),
    }))
}

/// The group of a user that has policies by one: a world does not name groups, so each user has its own.
pub fn group(arn: &PrincipalArn, line: &PrincipalLine) -> Result<Option<Group>, Problem> {
    if line.group_policies.is_empty() {
        return Ok(None);
    }
    let name = blake3::hash(arn.as_str().as_bytes()).to_hex();
    let text = format!(
        "arn:{}:iam::{}:group/{name}",
        arn.partition(),
        arn.account()
    );
    let group: GroupArn = text
        .parse()
        .map_err(|error| Problem::at(&line.path, format!("{error}")))?;
    Ok(Some(Group {
        arn: group,
        unique_id: UniqueId::of_new_group(&entropy(arn.as_str())),
        created_at: NOW,
        born: Revision(2),
        policies: numbered(&line.group_policies).into_iter().collect(),
    }))
}

/// Policies with names in the order of the file.
pub fn numbered(policies: &[Arc<Policy>]) -> Vec<(Arc<str>, Arc<Policy>)> {
    let named = policies.iter().enumerate();
    named
        .map(|(n, policy)| (format!("p{n:04}").into(), Arc::clone(policy)))
        .collect()
}

/// The organizations of a world. The management account, which nothing would limit, is one that the world does not know.
pub fn organizations(case: &Case, known: &[AccountId]) -> Result<Vec<Fact>, Problem> {
    let mut facts = Vec::new();
    let mut roots: BTreeMap<OrganizationId, NodeId> = BTreeMap::new();
    let mut free = (1..)
        .filter_map(AccountId::from_number)
        .filter(|id| !known.contains(id));
    for (id, line) in &case.world.accounts {
        let AccountLine { org_id, scps, rcps } = line;
        if org_id.is_none() && scps.is_none() && rcps.is_none() {
            continue;
        }
        let path = format!("{}.accounts.{id}", case.world.path);
        let own: Arc<str> = format!("o-of{id}").into();
        let organization: OrganizationId = org_id
            .as_ref()
            .unwrap_or(&own)
            .parse()
            .map_err(|error| Problem::at(format!("{path}.org_id"), format!("{error}")))?;
        let root = match roots.get(&organization) {
            Some(root) => root.clone(),
            None => {
                let root = NodeId::of_new_root(&entropy(organization.as_str()));
                let management = free
                    .next()
                    .ok_or_else(|| Problem::at(&path, "no account id is free".to_owned()))?;
                facts.push(account(management));
                facts.push(Fact::Organization(Arc::new(Organization {
                    id: organization.clone(),
                    management,
                    root: root.clone(),
                    created_at: NOW,
                    born: Revision(1),
                })));
                let top = node(&organization, root.clone(), None);
                facts.push(Fact::Node(Arc::new(top)));
                roots.insert(organization.clone(), root.clone());
                root
            }
        };
        let mut member = node(&organization, NodeId::Account(*id), Some(root));
        // A level that is there without a policy allows nothing.
        if let Some(policies) = scps {
            member.service_control = numbered(policies);
        }
        if let Some(policies) = rcps {
            member.resource_control = numbered(policies);
        }
        facts.push(Fact::Node(Arc::new(member)));
    }
    Ok(facts)
}

fn node(organization: &OrganizationId, id: NodeId, parent: Option<NodeId>) -> Node {
    Node {
        id,
        organization: organization.clone(),
        parent,
        name: "".into(),
        created_at: NOW,
        born: Revision(1),
        service_control: ControlKind::Service.full_access(),
        resource_control: ControlKind::Resource.full_access(),
    }
}

/// The endpoint that a request comes through: as its context says, or one of its policy.
pub fn endpoint_id(request: &Request) -> Option<VpcEndpointId> {
    let stated = context(request, "aws:SourceVpce").and_then(|id| id.parse().ok());
    let of_policy = || {
        let policy = request.endpoint_policy.as_ref()?;
        let hash = blake3::hash(policy.text().as_bytes()).to_hex();
        format!("vpce-{hash}").get(..22)?.parse().ok()
    };
    stated.or_else(of_policy)
}

/// The endpoints of a case's requests. One that requests name without its policy has the default one, which allows
/// everything: a file tells of its whole world.
pub fn endpoints(case: &Case, account: AccountId) -> Result<Vec<Fact>, Problem> {
    let mut endpoints: BTreeMap<VpcEndpointId, VpcEndpoint> = BTreeMap::new();
    for request in case.steps.iter().map(|step| &step.request) {
        let Some(id) = endpoint_id(request) else {
            continue;
        };
        let vpc = context(request, "aws:SourceVpc").unwrap_or("vpc-ofacase");
        let vpc: VpcId = vpc.parse().map_err(|error| {
            Problem::at(format!("{}.context", request.path), format!("{error}"))
        })?;
        let endpoint = VpcEndpoint {
            id: id.clone(),
            vpc,
            account,
            policy: request.endpoint_policy.clone(),
            created_at: NOW,
            born: Revision(1),
        };
        match endpoints.get_mut(&id) {
            None => {
                endpoints.insert(id, endpoint);
            }
            // What names it without a policy says nothing of its policy.
            Some(told) if endpoint.policy.is_none() || *told == endpoint => {}
            Some(told) if told.policy.is_none() => *told = endpoint,
            Some(_) => {
                let why = "two requests come through one endpoint, with different policies or VPCs";
                return Err(Problem::at(
                    format!("{}.vpce_policy", request.path),
                    why.to_owned(),
                ));
            }
        }
    }
    let facts = endpoints.into_values();
    Ok(facts
        .map(|endpoint| Fact::VpcEndpoint(Arc::new(endpoint)))
        .collect())
}

fn context<'a>(request: &'a Request, key: &str) -> Option<&'a str> {
    let mut entries = request.context.iter();
    match entries.find(|(name, _)| name.eq_ignore_ascii_case(key))? {
        (_, ContextLine::One(text)) => Some(text),
        (_, ContextLine::Many(_)) => None,
    }
}
