//! What a case file says: world, requests, what is expected. `schema` reads it.
//!
//! Imports ids, policy, state's closed sets. Never: a decision.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use super::read::{Node, Problem};
use crate::domain::ids::{AccountId, AliasName, KeyArn, PrincipalArn, Region, Regions};
use crate::domain::policy::{Policy, Profile};
use crate::domain::state::Tags;
use crate::domain::state::grant::{GrantConstraints, GrantOperations};
use crate::domain::state::key::{
    KeyManager, KeyOrigin, KeySpec, KeyState, KeyUsage, MultiRegionKeyType,
};
use crate::domain::time::Timestamp;

/// What a case is about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// A pure decision: key state, key usage and parameters do not matter.
    Authz,
    /// One API call with all of its checks.
    Api,
    /// Calls in order against one evolving world.
    Scenario,
}

/// One case.
#[derive(Clone, Debug)]
pub struct Case {
    /// Unique in its files.
    pub id: String,
    /// What it shows.
    pub title: String,
    /// What it is about.
    pub kind: Kind,
    /// The rules that it shows; the first is the deciding one.
    pub rules: Vec<String>,
    /// How a policy variable without a value is taken (C-12).
    pub profile: Profile,
    /// The facts before the first step.
    pub world: World,
    /// Its requests, each with what is expected; one unless it is a scenario.
    pub steps: Vec<Step>,
}

/// A request and what is expected of it.
#[derive(Clone, Debug)]
pub struct Step {
    /// The request.
    pub request: Request,
    /// What is expected.
    pub expected: Expected,
    /// Fields of the answer and the names that they are given.
    pub bind: Vec<(String, String)>,
    /// Whether to follow the markers to the end.
    pub paginate: bool,
    /// What must hold of the answer.
    pub asserts: Vec<Assert>,
}

/// The facts of a case.
#[derive(Clone, Debug)]
pub struct World {
    /// Where it stands in the file.
    pub path: String,
    /// The endpoint's Region.
    pub region: Region,
    /// The Regions that are served; absent: every Region of the partition (ID-46).
    pub regions: Option<Regions>,
    /// Accounts, with their organization.
    pub accounts: BTreeMap<AccountId, AccountLine>,
    /// Users, roles and others, by ARN or service name.
    pub principals: BTreeMap<String, PrincipalLine>,
    /// Keys by symbolic name.
    pub keys: BTreeMap<String, KeyLine>,
    /// Grants by symbolic name, in the order of the file.
    pub grants: Vec<(String, GrantLine)>,
    /// Custom key stores by id.
    pub stores: BTreeMap<String, StoreLine>,
}

/// An account of the world.
#[derive(Clone, Debug, Default)]
pub struct AccountLine {
    /// Its organization.
    pub org_id: Option<Arc<str>>,
    /// Service control policies, one level; `None`: none is attached.
    pub scps: Option<Vec<Arc<Policy>>>,
    /// Resource control policies, one level; `None`: none is attached.
    pub rcps: Option<Vec<Arc<Policy>>>,
}

/// A principal of the world.
#[derive(Clone, Debug, Default)]
pub struct PrincipalLine {
    /// Where it stands in the file.
    pub path: String,
    /// `user`, `role`, `root`, `federated_user`, `service`; empty for one that only a request names.
    pub kind: String,
    /// Its tags.
    pub tags: Tags,
    /// Its identity policies.
    pub identity_policies: Vec<Arc<Policy>>,
    /// Those of its groups.
    pub group_policies: Vec<Arc<Policy>>,
    /// Its permissions boundary.
    pub boundary: Option<Arc<Policy>>,
}

impl PrincipalLine {
    /// Whether it has policies of its own, its groups' or a boundary.
    pub fn has_policies(&self) -> bool {
        !self.identity_policies.is_empty()
            || !self.group_policies.is_empty()
            || self.boundary.is_some()
    }
}

/// A key of the world.
#[derive(Clone, Debug)]
pub struct KeyLine {
    /// Its ARN.
    pub arn: KeyArn,
    /// Its spec.
    pub spec: KeySpec,
    /// Its usage.
    pub usage: KeyUsage,
    /// Its origin.
    pub origin: KeyOrigin,
    /// Its state.
    pub state: KeyState,
    /// Its tags.
    pub tags: Tags,
    /// Its aliases.
    pub aliases: Vec<AliasName>,
    /// Its key policy.
    pub policy: Arc<Policy>,
    /// Its part in a multi-Region set.
    pub multi_region: Option<MultiRegionKeyType>,
    /// Who manages it.
    pub manager: KeyManager,
    /// How many grants that concern nobody it has.
    pub grant_count: u64,
    /// When it was created.
    pub created: Option<Timestamp>,
    /// When it was last used.
    pub last_used: Option<Timestamp>,
}

/// A grant of the world.
#[derive(Clone, Debug)]
pub struct GrantLine {
    /// Where it stands in the file.
    pub path: String,
    /// The symbolic name of its key.
    pub key: String,
    /// Its grantee.
    pub grantee: String,
    /// Its retiring principal.
    pub retiring: Option<String>,
    /// Its operations.
    pub operations: GrantOperations,
    /// Its constraints.
    pub constraints: GrantConstraints,
    /// Its name.
    pub name: Option<Arc<str>>,
    /// The account that made it.
    pub issuing_account: AccountId,
}

/// A custom key store of the world.
#[derive(Clone, Debug)]
pub struct StoreLine {
    /// Where it stands in the file.
    pub path: String,
    /// Its account.
    pub account: AccountId,
    /// Its name.
    pub name: Arc<str>,
    /// `AWS_CLOUDHSM` or `EXTERNAL_KEY_STORE`.
    pub kind: KeyOrigin,
    /// Its connection state.
    pub state: String,
    /// The symbolic names of its keys.
    pub keys: Vec<String>,
}

/// A request. Members that are the caller's own are texts: what they name is found out when it is carried out.
#[derive(Clone, Debug)]
pub struct Request {
    /// Where it stands in the file.
    pub path: String,
    /// The caller, as AWS would print it.
    pub principal: String,
    /// The role behind a session.
    pub session_of: Option<PrincipalArn>,
    /// The session's policy.
    pub session_policy: Option<Arc<Policy>>,
    /// The session's tags.
    pub session_tags: Tags,
    /// The user behind a federated user.
    pub federated_by: Option<PrincipalArn>,
    /// `kms:X`
    pub action: String,
    /// The key, as sent.
    pub key_id: Option<String>,
    /// The resource that is asked about instead of the key.
    pub resource: Option<String>,
    /// The encryption context.
    pub encryption_context: Tags,
    /// Grant tokens: symbolic grants or bound names.
    pub grant_tokens: Vec<String>,
    /// The grant that RetireGrant is about.
    pub grant: Option<String>,
    /// The service that calls for the principal.
    pub via_service: Option<Arc<str>>,
    /// The policy of the VPC endpoint that the request comes through.
    pub endpoint_policy: Option<Arc<Policy>>,
    /// Members of the API.
    pub params: Value,
    /// Condition keys given verbatim.
    pub context: BTreeMap<String, ContextLine>,
}

/// The value of a condition key.
#[derive(Clone, Debug)]
pub enum ContextLine {
    /// One value.
    One(Arc<str>),
    /// Several.
    Many(Vec<Arc<str>>),
}

impl Case {
    /// What is to be told of policies that a server would refuse to store: the facts of a case hold them, and they are
    /// evaluated as they stand.
    pub fn warnings(&self) -> Vec<String> {
        let mut told: Vec<String> = Vec::new();
        let mut look = |owner: &str, policy: &Policy| {
            if let Some(error) = policy.unstorable() {
                let kind = policy.kind().name();
                told.push(format!(
                    "{owner}: a server would refuse to store this as {kind}: {}",
                    error.message()
                ));
            }
        };
        for (id, line) in &self.world.accounts {
            let AccountLine {
                org_id: _,
                scps,
                rcps,
            } = line;
            for policy in scps.iter().chain(rcps).flatten() {
                look(&id.to_string(), policy);
            }
        }
        for (name, line) in &self.world.principals {
            let own = line.identity_policies.iter().chain(&line.group_policies);
            for policy in own.chain(&line.boundary) {
                look(name, policy);
            }
        }
        for (name, line) in &self.world.keys {
            look(name, &line.policy);
        }
        for Step { request, .. } in &self.steps {
            for policy in request
                .session_policy
                .iter()
                .chain(&request.endpoint_policy)
            {
                look(&request.principal, policy);
            }
        }
        told.sort();
        told.dedup();
        told
    }
}

impl Request {
    /// The members of the API with their places.
    pub fn params(&self) -> Node<'_> {
        Node::new(&self.params, format!("{}.params", self.path))
    }

    /// The action without its prefix.
    pub fn operation(&self) -> &str {
        self.action.strip_prefix("kms:").unwrap_or(&self.action)
    }
}

/// What is expected of a request.
#[derive(Clone, Debug)]
pub struct Expected {
    /// `allow`, `explicit_deny`, `implicit_deny`, `deny` or `error`.
    pub decision: String,
    /// What decided.
    pub decided_by: Option<ExpectedBy>,
    /// Codes of which any one is right; `*`: any.
    pub error_codes: Vec<String>,
    /// The message, exactly.
    pub message: Option<String>,
    /// How the message begins.
    pub message_prefix: Option<String>,
}

/// What is expected to decide; absent members are not looked at.
#[derive(Clone, Debug)]
pub struct ExpectedBy {
    /// The type of the evidence.
    pub kind: Option<String>,
    /// The Sid of the statement.
    pub sid: Option<String>,
    /// The symbolic grant.
    pub id: Option<String>,
}

/// What must hold of an answer.
#[derive(Clone, Debug)]
pub enum Assert {
    /// Both are the same.
    Eq(Value, Value),
    /// They differ.
    Ne(Value, Value),
    /// The list has so many entries.
    Count(String, u64),
    /// The entries' members are these, as a set, without duplicates.
    Ids(String, String, Vec<Value>),
    /// No entry has the member.
    Absent(String, String),
    /// The field has the value.
    Value(String, Value),
    /// No page has more entries.
    PageMax(u64),
}

/// A case, or its id and what is wrong with it.
pub type ReadCase = Result<Case, (String, Problem)>;
