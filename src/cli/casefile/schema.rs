//! The schema of case files, which is that of `docs/testing-policies.md`, read whole and strictly.
//!
//! Imports ids, policy, state's closed sets. Never: a decision, a member that it does not know, a value of the wrong
//! type.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use serde_json::Value;

use super::ask::civil_millis;
use super::model::{
    AccountLine, Assert, Case, ContextLine, Expected, ExpectedBy, GrantLine, KeyLine, Kind,
    PrincipalLine, ReadCase, Request, Step, StoreLine, World,
};
use super::read::{Node, Problem, short};
use crate::domain::ids::{Region, Regions};
use crate::domain::policy::{Policy, PolicyKind, Profile};
use crate::domain::state::grant::{ContextConstraint, GrantConstraints, Term};
use crate::domain::time::Timestamp;

/// The one version of the schema.
const SCHEMA: u64 = 1;

/// Every type that `decided_by` can name.
const SOURCES: &[&str] = &[
    "key_policy",
    "identity_policy",
    "key_policy+identity_policy",
    "grant",
    "account",
    "service_control_policy",
    "resource_control_policy",
    "permissions_boundary",
    "session_policy",
    "vpce_policy",
];

/// Reads cases; policies may stand in files of their own beside the case file.
#[derive(Clone, Copy, Debug)]
pub struct Reader<'a> {
    /// The folder that `@FILE` is looked for in; `None`: no files are read.
    pub folder: Option<&'a Path>,
}

/// Largest policy file: what a policy may have, with room for white space.
const POLICY_FILE_MAX: u64 = 1 << 20;

impl Reader<'_> {
    /// Every case of a file; one that cannot be read is told in its place, and the others are read all the same.
    ///
    /// # Errors
    /// [`Problem`] of the file as a whole.
    pub fn file(self, file: &Value) -> Result<Vec<ReadCase>, Problem> {
        let node = Node::new(file, "");
        node.only(&["schema", "group", "title", "cases"])?;
        let schema = node.need("schema")?;
        if schema.number()? != SCHEMA {
            return Err(schema.problem(format!("this version reads schema {SCHEMA} alone")));
        }
        for name in ["group", "title"] {
            if let Some(member) = node.get(name) {
                member.text()?;
            }
        }
        let cases = node.need("cases")?.items()?;
        Ok(cases
            .into_iter()
            .map(|case| {
                self.case(&case).map_err(|problem| {
                    let id = case.get("id").and_then(|id| id.text().ok().map(short));
                    (id.unwrap_or_else(|| case.path().to_owned()), problem)
                })
            })
            .collect())
    }

    /// One case.
    ///
    /// # Errors
    /// [`Problem`]
    pub fn case(self, node: &Node<'_>) -> Result<Case, Problem> {
        node.only(&[
            "id", "group", "title", "kind", "rules", "evidence", "source", "profile", "world",
            "request", "expected", "steps",
        ])?;
        let kind = match node.need("kind")?.word(&["authz", "api", "scenario"])? {
            "authz" => Kind::Authz,
            "api" => Kind::Api,
            _ => Kind::Scenario,
        };
        for name in ["group", "evidence", "source"] {
            if let Some(member) = node.get(name) {
                member.text()?;
            }
        }
        let profile = match node.get("profile") {
            None => Profile::Current,
            Some(profile) => match profile.word(&["current", "legacy-2020"])? {
                "current" => Profile::Current,
                _ => Profile::Legacy2020,
            },
        };
        let steps = if kind == Kind::Scenario {
            for name in ["request", "expected"] {
                if let Some(member) = node.get(name) {
                    return Err(member.problem("a scenario has `steps` instead"));
                }
            }
            let steps = node.need("steps")?.items()?;
            steps
                .iter()
                .map(|step| self.step(step))
                .collect::<Result<_, _>>()?
        } else {
            if let Some(steps) = node.get("steps") {
                return Err(steps.problem("only a case of kind `scenario` has steps"));
            }
            vec![Step {
                request: self.request(&node.need("request")?)?,
                expected: expected(&node.need("expected")?)?,
                bind: Vec::new(),
                paginate: false,
                asserts: Vec::new(),
            }]
        };
        let title = node.get("title");
        Ok(Case {
            id: node.need("id")?.text()?.to_owned(),
            title: title.map_or(Ok(""), |title| title.text())?.to_owned(),
            kind,
            rules: node.texts("rules")?,
            profile,
            world: self.world(&node.need("world")?)?,
            steps,
        })
    }

    fn step(self, node: &Node<'_>) -> Result<Step, Problem> {
        node.only(&["request", "expected", "bind", "paginate", "assert"])?;
        let bind = match node.get("bind") {
            None => Vec::new(),
            Some(bind) => bind
                .members()?
                .into_iter()
                .map(|(field, name)| {
                    let text = name.text()?;
                    if !text.starts_with('$') {
                        return Err(name.problem("a name begins with `$`"));
                    }
                    Ok((field.to_owned(), text.to_owned()))
                })
                .collect::<Result<_, _>>()?,
        };
        Ok(Step {
            request: self.request(&node.need("request")?)?,
            expected: expected(&node.need("expected")?)?,
            bind,
            paginate: node.get("paginate").map_or(Ok(false), |n| n.flag())?,
            asserts: node
                .list("assert")?
                .iter()
                .map(assert)
                .collect::<Result<_, _>>()?,
        })
    }

    fn world(self, node: &Node<'_>) -> Result<World, Problem> {
        node.only(&[
            "region",
            "regions",
            "accounts",
            "principals",
            "keys",
            "grants",
            "custom_key_stores",
        ])?;
        let of = |name: &str| -> Result<Vec<(String, Node<'_>)>, Problem> {
            let Some(node) = node.get(name) else {
                return Ok(Vec::new());
            };
            let members = node.members()?.into_iter();
            Ok(members
                .map(|(name, node)| (name.to_owned(), node))
                .collect())
        };
        let mut accounts = BTreeMap::new();
        for (id, line) in of("accounts")? {
            let id = id
                .parse()
                .map_err(|error| line.problem(format!("{error}")))?;
            accounts.insert(id, self.account(&line)?);
        }
        let mut principals = BTreeMap::new();
        for (name, line) in of("principals")? {
            principals.insert(name, self.principal(&line)?);
        }
        let mut keys = BTreeMap::new();
        for (name, line) in of("keys")? {
            keys.insert(name, self.key(&line)?);
        }
        let mut grants = Vec::new();
        for (name, line) in of("grants")? {
            grants.push((name, grant(&line)?));
        }
        let mut stores = BTreeMap::new();
        for (id, line) in of("custom_key_stores")? {
            stores.insert(id, store(&line)?);
        }
        Ok(World {
            path: node.path().to_owned(),
            region: node.need("region")?.parse()?,
            regions: regions(node)?,
            accounts,
            principals,
            keys,
            grants,
            stores,
        })
    }

    fn account(self, node: &Node<'_>) -> Result<AccountLine, Problem> {
        node.only(&["org_id", "scps", "rcps"])?;
        let level = |name: &str, kind| match node.get(name) {
            None => Ok(None),
            Some(_) => self.policies(node, name, kind).map(Some),
        };
        Ok(AccountLine {
            org_id: optional(node, "org_id")?,
            scps: level("scps", PolicyKind::ServiceControl)?,
            rcps: level("rcps", PolicyKind::ResourceControl)?,
        })
    }

    fn principal(self, node: &Node<'_>) -> Result<PrincipalLine, Problem> {
        node.only(&[
            "type",
            "tags",
            "identity_policies",
            "group_policies",
            "boundary",
        ])?;
        let kinds = ["user", "role", "root", "federated_user", "service"];
        Ok(PrincipalLine {
            path: node.path().to_owned(),
            kind: node.need("type")?.word(&kinds)?.to_owned(),
            tags: node.pairs("tags")?,
            identity_policies: self.policies(node, "identity_policies", PolicyKind::Identity)?,
            group_policies: self.policies(node, "group_policies", PolicyKind::Identity)?,
            boundary: self.optional_policy(node, "boundary", PolicyKind::Boundary)?,
        })
    }

    fn key(self, node: &Node<'_>) -> Result<KeyLine, Problem> {
        node.only(&[
            "arn",
            "spec",
            "usage",
            "origin",
            "state",
            "tags",
            "aliases",
            "policy",
            "multi_region",
            "manager",
            "grant_count",
            "created",
            "last_used",
        ])?;
        let aliases = node.list("aliases")?;
        let or = |name: &str, default: &str| match node.get(name) {
            None => Ok(default.to_owned()),
            Some(node) => node.text().map(str::to_owned),
        };
        let word = |name: &str, default: &str| {
            let text = or(name, default)?;
            Ok::<_, Problem>((text, format!("{}.{name}", node.path())))
        };
        let spec = word("spec", "SYMMETRIC_DEFAULT")?;
        let usage = word("usage", "ENCRYPT_DECRYPT")?;
        let origin = word("origin", "AWS_KMS")?;
        let state = word("state", "Enabled")?;
        let manager = word("manager", "CUSTOMER")?;
        let created = node.get("created").map(|n| date(&n)).transpose()?;
        let last_used = node.get("last_used").map(|n| date(&n)).transpose()?;
        if let (Some(created), Some(last_used)) = (created, last_used)
            && last_used < created
        {
            return Err(node.problem("the key was used before it was created"));
        }
        Ok(KeyLine {
            arn: node.need("arn")?.parse()?,
            spec: closed(spec)?,
            usage: closed(usage)?,
            origin: closed(origin)?,
            state: closed(state)?,
            tags: node.pairs("tags")?,
            aliases: aliases.iter().map(Node::parse).collect::<Result<_, _>>()?,
            policy: self.policy(&node.need("policy")?, PolicyKind::Key)?,
            multi_region: node.get("multi_region").map(|n| n.parse()).transpose()?,
            manager: closed(manager)?,
            grant_count: node.get("grant_count").map_or(Ok(0), |n| n.number())?,
            created,
            last_used,
        })
    }

    fn request(self, node: &Node<'_>) -> Result<Request, Problem> {
        node.only(&[
            "principal",
            "session_of",
            "session_policy",
            "session_tags",
            "federated_by",
            "action",
            "key_id",
            "resource",
            "encryption_context",
            "grant_tokens",
            "grant",
            "via_service",
            "vpce_policy",
            "params",
            "context",
        ])?;
        let text = |name: &str| match node.get(name) {
            None => Ok(None),
            Some(node) => node.text().map(|text| Some(text.to_owned())),
        };
        let action = node.need("action")?;
        if !action.text()?.starts_with("kms:") {
            return Err(action.problem("an action is written `kms:Name`"));
        }
        let params = match node.get("params") {
            None => Value::Object(serde_json::Map::new()),
            Some(params) => {
                params.members()?;
                params.value().clone()
            }
        };
        let mut context = BTreeMap::new();
        if let Some(lines) = node.get("context") {
            for (key, line) in lines.members()? {
                context.insert(key.to_owned(), context_line(&line)?);
            }
        }
        Ok(Request {
            path: node.path().to_owned(),
            principal: node.need("principal")?.text()?.to_owned(),
            session_of: node.get("session_of").map(|n| n.parse()).transpose()?,
            session_policy: self.optional_policy(node, "session_policy", PolicyKind::Session)?,
            session_tags: node.pairs("session_tags")?,
            federated_by: node.get("federated_by").map(|n| n.parse()).transpose()?,
            action: action.text()?.to_owned(),
            key_id: text("key_id")?,
            resource: text("resource")?,
            encryption_context: node.pairs("encryption_context")?,
            grant_tokens: node.texts("grant_tokens")?,
            grant: text("grant")?,
            via_service: optional(node, "via_service")?,
            endpoint_policy: self.optional_policy(node, "vpce_policy", PolicyKind::VpcEndpoint)?,
            params,
            context,
        })
    }

    fn policies(
        self,
        node: &Node<'_>,
        name: &str,
        kind: PolicyKind,
    ) -> Result<Vec<Arc<Policy>>, Problem> {
        let list = node.list(name)?;
        list.iter()
            .map(|policy| self.policy(policy, kind))
            .collect()
    }

    fn optional_policy(
        self,
        node: &Node<'_>,
        name: &str,
        kind: PolicyKind,
    ) -> Result<Option<Arc<Policy>>, Problem> {
        node.get(name)
            .map(|policy| self.policy(&policy, kind))
            .transpose()
    }

    /// A policy: an object, or `@FILE` for one that stands in a file of its own.
    fn policy(self, node: &Node<'_>, kind: PolicyKind) -> Result<Arc<Policy>, Problem> {
        if let Value::Object(_) = node.value() {
            let text = node.value().to_string();
            return Policy::parse_unstored(&text, kind).map_err(|error| {
                let (at, what, help) = (error.offending(), error.message(), error.help());
                let mut message = format!("this is no policy: {what}");
                if !at.is_empty() {
                    message.push_str(&format!(" (at `{}`)", short(at)));
                }
                if !help.is_empty() {
                    message.push_str(&format!("; {help}"));
                }
                node.problem(message)
            });
        }
        let file = node.text()?.strip_prefix('@').ok_or_else(|| {
            node.problem("a policy is an object, or `@FILE` for one in a file of its own")
        })?;
        let folder = self
            .folder
            .ok_or_else(|| node.problem("policies in files of their own are not read here"))?;
        let path = folder.join(file);
        let text = super::read_bounded(&path, POLICY_FILE_MAX).map_err(|why| node.problem(why))?;
        Policy::parse_unstored(&text, kind)
            .map_err(|error| node.problem(format!("{}: {error}", path.display())))
    }
}

/// A date, with a time of day or without.
fn date(node: &Node<'_>) -> Result<Timestamp, Problem> {
    let millis = civil_millis(node.text()?);
    millis.map(Timestamp::from_millis).ok_or_else(|| {
        node.problem("want a date such as 2026-07-14 or 2026-07-14T16:10:00Z, from 1970 on")
    })
}

/// The Regions of a world that does not have them all; its own is one of them.
fn regions(node: &Node<'_>) -> Result<Option<Regions>, Problem> {
    let Some(list) = node.get("regions") else {
        return Ok(None);
    };
    let listed: Vec<Region> = list
        .items()?
        .iter()
        .map(Node::parse)
        .collect::<Result<_, _>>()?;
    let regions = Regions::new(&listed).map_err(|error| list.problem(error.to_string()))?;
    let own: Region = node.need("region")?.parse()?;
    if !regions.contains(regions.partition(), &own) {
        let why = format!("the world's own Region {own} is none of them: {regions}");
        return Err(list.problem(why));
    }
    Ok(Some(regions))
}

/// A word of one of our closed sets.
fn closed<T: std::str::FromStr>((text, path): (String, String)) -> Result<T, Problem>
where
    T::Err: std::fmt::Display,
{
    text.parse()
        .map_err(|error: T::Err| Problem::at(path, error.to_string()))
}

fn optional(node: &Node<'_>, name: &str) -> Result<Option<Arc<str>>, Problem> {
    match node.get(name) {
        None => Ok(None),
        Some(node) => node.text().map(|text| Some(text.into())),
    }
}

/// A value of a condition key: a scalar or a list of them.
pub fn context_line(node: &Node<'_>) -> Result<ContextLine, Problem> {
    if node.value().is_array() {
        let items = node.items()?;
        let items: Result<_, _> = items.iter().map(Node::scalar).collect();
        return items.map(ContextLine::Many);
    }
    node.scalar().map(ContextLine::One)
}

fn grant(node: &Node<'_>) -> Result<GrantLine, Problem> {
    node.only(&[
        "key",
        "grantee",
        "retiring",
        "operations",
        "constraints",
        "name",
        "issuing_account",
    ])?;
    let operations = node.need("operations")?.items()?;
    let constraints = match node.get("constraints") {
        None => GrantConstraints::default(),
        Some(constraints) => read_constraints(&constraints)?,
    };
    let retiring = node.get("retiring");
    Ok(GrantLine {
        path: node.path().to_owned(),
        key: node.need("key")?.text()?.to_owned(),
        grantee: node.need("grantee")?.text()?.to_owned(),
        retiring: retiring.map(|n| n.text().map(str::to_owned)).transpose()?,
        operations: operations
            .iter()
            .map(Node::parse)
            .collect::<Result<_, _>>()?,
        constraints,
        name: optional(node, "name")?,
        issuing_account: node.need("issuing_account")?.parse()?,
    })
}

/// The constraints of a grant. An empty map counts as absent (U-21).
pub fn read_constraints(node: &Node<'_>) -> Result<GrantConstraints, Problem> {
    node.only(&[
        "EncryptionContextEquals",
        "EncryptionContextSubset",
        "SourceArn",
    ])?;
    let equals = node.pairs("EncryptionContextEquals")?;
    let subset = node.pairs("EncryptionContextSubset")?;
    let context = match (equals.is_empty(), subset.is_empty()) {
        (false, _) => Some(ContextConstraint::Equals(Arc::new(equals))),
        (true, false) => Some(ContextConstraint::Subset(Arc::new(subset))),
        (true, true) => None,
    };
    Ok(GrantConstraints {
        context,
        source_arn: node.get("SourceArn").map(|n| n.parse()).transpose()?,
        term: Term::default(),
    })
}

fn store(node: &Node<'_>) -> Result<StoreLine, Problem> {
    node.only(&["account", "name", "type", "state", "keys"])?;
    let states = [
        "CONNECTED",
        "CONNECTING",
        "FAILED",
        "DISCONNECTED",
        "DISCONNECTING",
    ];
    let kind = node.need("type")?;
    kind.word(&["AWS_CLOUDHSM", "EXTERNAL_KEY_STORE"])?;
    Ok(StoreLine {
        path: node.path().to_owned(),
        account: node.need("account")?.parse()?,
        name: node.need("name")?.text()?.into(),
        kind: kind.parse()?,
        state: node.need("state")?.word(&states)?.to_owned(),
        keys: node.texts("keys")?,
    })
}

fn expected(node: &Node<'_>) -> Result<Expected, Problem> {
    node.only(&[
        "decision",
        "decided_by",
        "error_codes",
        "message",
        "message_prefix",
    ])?;
    let decisions = ["allow", "explicit_deny", "implicit_deny", "deny", "error"];
    let text = |node: &Node<'_>, name: &str| match node.get(name) {
        None => Ok(None),
        Some(node) => node.text().map(|text| Some(text.to_owned())),
    };
    let decided_by = match node.get("decided_by") {
        None => None,
        Some(by) => {
            by.only(&["type", "sid", "id"])?;
            Some(ExpectedBy {
                kind: match by.get("type") {
                    None => None,
                    Some(kind) => Some(kind.word(SOURCES)?.to_owned()),
                },
                sid: text(&by, "sid")?,
                id: text(&by, "id")?,
            })
        }
    };
    Ok(Expected {
        decision: node.need("decision")?.word(&decisions)?.to_owned(),
        decided_by,
        error_codes: node.texts("error_codes")?,
        message: text(node, "message")?,
        message_prefix: text(node, "message_prefix")?,
    })
}

fn assert(node: &Node<'_>) -> Result<Assert, Problem> {
    let items = node.items()?;
    let text = |n: usize| -> Result<String, Problem> {
        let item = items
            .get(n)
            .ok_or_else(|| node.problem(format!("entry {n} is missing")))?;
        item.text().map(str::to_owned)
    };
    let item = |n: usize| -> Result<&Node<'_>, Problem> {
        items
            .get(n)
            .ok_or_else(|| node.problem(format!("entry {n} is missing")))
    };
    let name = text(0)?;
    let (assert, count) = match name.as_str() {
        "eq" => (
            Assert::Eq(item(1)?.value().clone(), item(2)?.value().clone()),
            3,
        ),
        "ne" => (
            Assert::Ne(item(1)?.value().clone(), item(2)?.value().clone()),
            3,
        ),
        "count" => (Assert::Count(text(1)?, item(2)?.number()?), 3),
        "ids" => {
            let wanted = item(3)?.items()?;
            let wanted = wanted.iter().map(|id| id.value().clone()).collect();
            (Assert::Ids(text(1)?, text(2)?, wanted), 4)
        }
        "absent" => (Assert::Absent(text(1)?, text(2)?), 3),
        "value" => (Assert::Value(text(1)?, item(2)?.value().clone()), 3),
        "page_max" => (Assert::PageMax(item(1)?.number()?), 2),
        other => {
            let known = "eq, ne, count, ids, absent, value, page_max";
            return Err(node.problem(format!(
                "`{}` is no assertion; known: {known}",
                short(other)
            )));
        }
    };
    if items.len() == count {
        Ok(assert)
    } else {
        Err(node.problem(format!("`{name}` takes {} values", count - 1)))
    }
}
