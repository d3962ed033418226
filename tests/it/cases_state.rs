//! The conformance cases of `tests/cases` against a whole state: a world is imported as facts, API calls go through
//! `apply` and `query`, decisions through `authorize`. What is expected is read from the case alone.
//!
//! Cases that need what the store does not hold yet are named with their reason, and the list may only shrink.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use super::cases_key_stores as key_stores;
use grantd::domain::authz::authorize;
use grantd::domain::authz::caller::{Caller, ContextEntry, Identity, RequestFacts};
use grantd::domain::authz::decision::{Decision, Outcome};
use grantd::domain::authz::request::{About, Parameters, Request, Target};
use grantd::domain::authz::resolve::{AliasUse, Unresolved, alias_arn, resolve};
use grantd::domain::ids::{
    AccountId, AliasName, GrantId, KeyArn, KeyId, KeyRef, Partition, PrincipalArn, PrincipalKind,
    RequestId, UniqueId,
};
use grantd::domain::limits::GRANT_TOKENS_MAX;
use grantd::domain::op::key_rules::check_usable;
use grantd::domain::op::{
    Answer, Command, DryRun, Entry, LockoutCheck, Output, Page, Paged, Query, Rejection, Scope,
    Semantics, apply, query,
};
use grantd::domain::op::{
    create_alias, create_grant, create_key, describe_key, disable_key, enable_key, list_grants,
    list_retirable_grants, put_key_policy, retire_grant, revoke_grant, tag_resource,
    untag_resource,
};
use grantd::domain::policy::{Action, ActionTarget, KmsAction, Policy, PolicyKind};
use grantd::domain::state::alias::Alias;
use grantd::domain::state::fact::{Fact, Header};
use grantd::domain::state::grant::{
    ContextConstraint, EncryptionContext, Grant, GrantConstraints, GrantOperation, GrantOperations,
    GrantPrincipal,
};
use grantd::domain::state::key::{Key, KeyManager, MultiRegionKeyType};
use grantd::domain::state::principal::{Account, Principal, PrincipalType};
use grantd::domain::state::settings::Settings;
use grantd::domain::state::{State, Tags};
use grantd::domain::time::{Incarnation, Revision, Timestamp};
use serde_json::{Value, json};

/// 2026-11-22T00:00:00Z
const NOW: Timestamp = Timestamp::from_millis(1_795_305_600_000);

/// Why a case cannot be run on the store as it is.
pub fn beyond_the_store(case: &Value) -> Option<&'static str> {
    let world = &case["world"];
    if case["profile"] == "legacy-2020" {
        return Some("the profile of 2020 is not a setting of the store");
    }
    let accounts = world["accounts"].as_object().unwrap().values();
    if accounts
        .clone()
        .any(|a| a.get("scps").is_some() || a.get("rcps").is_some())
    {
        return Some("organizations");
    }
    let principals = world["principals"].as_object().unwrap().values();
    if principals.clone().any(|p| p.get("boundary").is_some()) {
        return Some("permissions boundaries");
    }
    for request in requests(case) {
        if request.get("vpce_policy").is_some() {
            return Some("VPC endpoint policies");
        }
        if case["kind"] == "authz" {
            continue;
        }
        let action = request["action"].as_str().unwrap();
        match action.strip_prefix("kms:").unwrap() {
            "ScheduleKeyDeletion" | "CancelKeyDeletion" => return Some("key deletion"),
            "UpdateAlias" => return Some("UpdateAlias"),
            _ => {}
        }
        let is_dry = request.pointer("/params/DryRun") == Some(&json!(true));
        if is_dry && action == "kms:GenerateDataKeyPair" {
            return Some("cryptographic operations are carried out elsewhere, dry runs too");
        }
    }
    None
}

/// Every request of a case.
pub fn requests(case: &Value) -> Vec<&Value> {
    match case.get("steps") {
        Some(steps) => steps
            .as_array()
            .unwrap()
            .iter()
            .map(|step| &step["request"])
            .collect(),
        None => vec![&case["request"]],
    }
}

/// Every case of every file.
pub fn cases() -> Vec<Value> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases");
    let mut files: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|e| e.unwrap().path())
        .collect();
    files.retain(|path| path.extension().is_some_and(|x| x == "json"));
    files.sort();
    let read = |path: &Path| -> Value {
        serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
    };
    files
        .iter()
        .flat_map(|path| read(path)["cases"].as_array().unwrap().clone())
        .collect()
}

fn text(value: &Value) -> Arc<str> {
    value
        .as_str()
        .unwrap_or_else(|| panic!("no text: {value}"))
        .into()
}

fn optional(value: &Value) -> Option<Arc<str>> {
    value.as_str().map(Into::into)
}

fn entropy(text: &str) -> [u8; 16] {
    let hash = blake3::hash(text.as_bytes());
    hash.as_bytes()[..16].try_into().unwrap()
}

fn pairs(value: &Value) -> Tags {
    let Some(map) = value.as_object() else {
        return Tags::new();
    };
    map.iter()
        .map(|(k, v)| (k.as_str().into(), text(v)))
        .collect()
}

fn user_or_role_id(arn: &PrincipalArn) -> UniqueId {
    match arn.kind() {
        PrincipalKind::User { .. } => UniqueId::of_new_user(&entropy(arn.as_str())),
        PrincipalKind::Role { .. } => UniqueId::of_new_role(&entropy(arn.as_str())),
        _ => UniqueId::of_account(arn.account()),
    }
}

/// A world as a state, and the names that its case uses.
struct World {
    state: State,
    scope: Scope,
    /// What a name in a later request stands for: symbolic grants, bound response fields.
    names: BTreeMap<String, Value>,
    /// The grant ids behind symbolic grants, for `decided_by`.
    grants: BTreeMap<GrantId, String>,
    /// The organization of each account that is in one.
    orgs: BTreeMap<AccountId, String>,
    /// Ids drawn and tokens minted so far.
    drawn: u32,
}

impl World {
    fn of(case: &Value) -> Self {
        let world = &case["world"];
        let scope = Scope {
            partition: Partition::Aws,
            region: world["region"].as_str().unwrap().parse().unwrap(),
        };
        let mut facts = Vec::new();
        let mut accounts: Vec<AccountId> = world["accounts"]
            .as_object()
            .unwrap()
            .keys()
            .map(|id| id.parse().unwrap())
            .collect();
        let mut principals = BTreeMap::new();
        for (arn, principal) in world["principals"].as_object().unwrap() {
            if matches!(principal["type"].as_str(), Some("user" | "role")) {
                principals.insert(arn.parse::<PrincipalArn>().unwrap(), principal.clone());
            }
        }
        // A caller may be assumed to exist; where existence is tested, callers are listed.
        for request in requests(case) {
            let own = ["principal", "session_of", "federated_by"];
            for arn in own
                .iter()
                .filter_map(|member| request.get(*member)?.as_str())
            {
                if let Ok(arn) = arn.parse::<PrincipalArn>() {
                    accounts.push(arn.account());
                    match arn.kind() {
                        PrincipalKind::User { .. } | PrincipalKind::Role { .. } => {
                            principals.entry(arn).or_insert_with(|| json!({}));
                        }
                        PrincipalKind::FederatedUser { .. } => {
                            let held = world["principals"][arn.as_str()].clone();
                            principals
                                .entry(federating_user(request, &arn))
                                .or_insert(held);
                        }
                        PrincipalKind::Root | PrincipalKind::AssumedRole { .. } => {}
                    }
                }
            }
        }
        for key in world["keys"].as_object().unwrap().values() {
            accounts.push(
                key["arn"]
                    .as_str()
                    .unwrap()
                    .parse::<KeyArn>()
                    .unwrap()
                    .account,
            );
        }
        accounts.extend(principals.keys().map(PrincipalArn::account));
        accounts.sort();
        accounts.dedup();
        for id in accounts {
            facts.push(Fact::Account(Arc::new(Account {
                id,
                name: "".into(),
                created_at: NOW,
                born: Revision(1),
            })));
        }
        for (arn, principal) in &principals {
            facts.push(Fact::Principal(Arc::new(principal_fact(arn, principal))));
        }
        let mut keys = BTreeMap::new();
        for (name, key) in world["keys"].as_object().unwrap() {
            let fact = Arc::new(key_fact(key));
            for alias in key["aliases"].as_array().unwrap() {
                let alias: AliasName = alias.as_str().unwrap().parse().unwrap();
                facts.push(Fact::Alias(Arc::new(Alias {
                    arn: alias_arn(&scope, fact.arn.account, &alias),
                    target: fact.arn.clone(),
                    created_at: NOW,
                    updated_at: NOW,
                })));
            }
            keys.insert(name.clone(), (key.clone(), fact));
        }
        let stores = key_stores::stores(world, &scope, NOW);
        key_stores::place_keys(world, &stores, &mut keys);
        let firsts = keys.values().map(|(_, fact)| Fact::Key(Arc::clone(fact)));
        let stores = stores.into_iter().map(|s| Fact::KeyStore(Arc::new(s)));
        let firsts = stores.chain(firsts).collect::<Vec<_>>();
        let at = facts
            .iter()
            .position(|fact| matches!(fact, Fact::Alias(_)))
            .unwrap_or(facts.len());
        facts.splice(at..at, firsts);
        let (mut names, mut grants) = (BTreeMap::new(), BTreeMap::new());
        for (symbol, grant) in world["grants"].as_object().unwrap() {
            let key = &keys[grant["key"].as_str().unwrap()].1;
            let fact = grant_fact(symbol, grant, key, principals.keys());
            names.insert(symbol.clone(), json!(fact.id.to_string()));
            grants.insert(fact.id, symbol.clone());
            facts.push(Fact::Grant(Arc::new(fact)));
        }
        for (key, fact) in keys.values() {
            let count = key.get("grant_count").map_or(0, |n| n.as_u64().unwrap());
            facts.extend((0..count).map(|n| Fact::Grant(Arc::new(unrelated_grant(n, fact)))));
        }
        let header = Header {
            incarnation: Incarnation([7; 16]),
            revision: Revision(10),
            clock: NOW,
            settings: Settings::default(),
        };
        let orgs = world["accounts"]
            .as_object()
            .unwrap()
            .iter()
            .filter_map(|(id, account)| {
                Some((id.parse().unwrap(), account["org_id"].as_str()?.to_string()))
            });
        let orgs = orgs.collect();
        let state = State::import(header, facts).unwrap_or_else(|e| panic!("{}: {e}", case["id"]));
        Self {
            state,
            scope,
            names,
            grants,
            orgs,
            drawn: 0,
        }
    }

    fn draw(&mut self, what: &str) -> [u8; 16] {
        self.drawn += 1;
        entropy(&format!("{what} {}", self.drawn))
    }

    /// The text that a name stands for, or the text itself.
    fn named(&self, value: &Value) -> Value {
        match value {
            Value::String(s) => self.names.get(s).cloned().unwrap_or_else(|| value.clone()),
            Value::Array(all) => all.iter().map(|v| self.named(v)).collect(),
            other => other.clone(),
        }
    }
}

fn policy(document: &Value, kind: PolicyKind) -> Arc<Policy> {
    let text = document.to_string();
    Policy::parse(&text, kind).unwrap_or_else(|e| panic!("{e}\n{text}"))
}

fn principal_fact(arn: &PrincipalArn, principal: &Value) -> Principal {
    let own = principal["identity_policies"]
        .as_array()
        .into_iter()
        .flatten();
    let group = principal["group_policies"].as_array().into_iter().flatten();
    let policies = own
        .chain(group)
        .enumerate()
        .map(|(n, document)| {
            (
                format!("p{n}").into(),
                policy(document, PolicyKind::Identity),
            )
        })
        .collect();
    Principal {
        arn: arn.clone(),
        unique_id: user_or_role_id(arn),
        kind: match arn.kind() {
            PrincipalKind::User { .. } => PrincipalType::User,
            _ => PrincipalType::Role,
        },
        created_at: NOW,
        born: Revision(2),
        tags: pairs(&principal["tags"]),
        policies,
    }
}

fn key_fact(key: &Value) -> Key {
    Key {
        arn: key["arn"].as_str().unwrap().parse().unwrap(),
        born: Revision(3),
        created_at: NOW,
        description: "".into(),
        spec: key["spec"].as_str().unwrap().parse().unwrap(),
        usage: key["usage"].as_str().unwrap().parse().unwrap(),
        origin: key["origin"].as_str().unwrap().parse().unwrap(),
        state: key["state"].as_str().unwrap().parse().unwrap(),
        multi_region: key["multi_region"].as_str().map(|kind| match kind {
            "PRIMARY" => MultiRegionKeyType::Primary,
            _ => MultiRegionKeyType::Replica,
        }),
        manager: match key["manager"].as_str() {
            Some("AWS") => KeyManager::Aws,
            _ => KeyManager::Customer,
        },
        tags: pairs(&key["tags"]),
        policy: policy(&key["policy"], PolicyKind::Key),
        bindings: Arc::default(),
        custom_key_store: None,
    }
}

fn grant_principal<'a>(
    text: &str,
    principals: impl Iterator<Item = &'a PrincipalArn>,
) -> GrantPrincipal {
    let Ok(arn) = text.parse::<PrincipalArn>() else {
        return GrantPrincipal::Service(text.parse().unwrap());
    };
    let unique_id = match arn.kind() {
        PrincipalKind::AssumedRole { role, .. } => principals
            .filter(|other| other.account() == arn.account())
            .find(|other| matches!(other.kind(), PrincipalKind::Role { name, .. } if name == role))
            .map_or_else(|| UniqueId::of_account(arn.account()), user_or_role_id),
        _ => user_or_role_id(&arn),
    };
    GrantPrincipal::Arn { arn, unique_id }
}

fn constraints_of(value: &Value) -> GrantConstraints {
    let equals = pairs(&value["EncryptionContextEquals"]);
    let subset = pairs(&value["EncryptionContextSubset"]);
    let context = match (equals.is_empty(), subset.is_empty()) {
        (false, _) => Some(ContextConstraint::Equals(Arc::new(equals))),
        (true, false) => Some(ContextConstraint::Subset(Arc::new(subset))),
        (true, true) => None,
    };
    let source_arn = value["SourceArn"].as_str().map(|arn| arn.parse().unwrap());
    GrantConstraints {
        context,
        source_arn,
    }
}

fn operations_of(value: &Value) -> Option<Vec<GrantOperation>> {
    let list = value.as_array()?.iter();
    list.map(|op| op.as_str()?.parse().ok()).collect()
}

fn grant_fact<'a>(
    symbol: &str,
    grant: &Value,
    key: &Key,
    principals: impl Iterator<Item = &'a PrincipalArn> + Clone,
) -> Grant {
    let named = |text: &Value| grant_principal(text.as_str().unwrap(), principals.clone());
    Grant {
        id: GrantId(*blake3::hash(symbol.as_bytes()).as_bytes()),
        key: key.arn.clone(),
        grantee: named(&grant["grantee"]),
        retiring: grant.get("retiring").filter(|r| !r.is_null()).map(named),
        operations: operations_of(&grant["operations"])
            .unwrap()
            .into_iter()
            .collect(),
        constraints: constraints_of(&grant["constraints"]),
        name: optional(&grant["name"]),
        issuing_account: grant["issuing_account"].as_str().unwrap().parse().unwrap(),
        created_at: NOW,
        born: Revision(5),
    }
}

fn unrelated_grant(n: u64, key: &Key) -> Grant {
    let root = PrincipalArn::root_of(Partition::Aws, key.arn.account);
    Grant {
        id: GrantId(*blake3::hash(&n.to_le_bytes()).as_bytes()),
        key: key.arn.clone(),
        grantee: grant_principal(root.as_str(), [].iter()),
        retiring: None,
        operations: GrantOperations::from_iter([GrantOperation::Sign]),
        constraints: GrantConstraints::default(),
        name: None,
        issuing_account: key.arn.account,
        created_at: NOW,
        born: Revision(5),
    }
}

fn caller(request: &Value) -> Caller {
    let principal = request["principal"].as_str().unwrap();
    let session_policy = request.get("session_policy").filter(|p| !p.is_null());
    let session_policy = session_policy.map(|p| policy(p, PolicyKind::Session));
    let session_tags = pairs(&request["session_tags"]);
    let identity = match principal.parse::<PrincipalArn>() {
        Err(_) => Identity::Service(principal.parse().unwrap()),
        Ok(arn) => match arn.kind() {
            PrincipalKind::Root => Identity::Root {
                account: arn.account(),
            },
            PrincipalKind::User { .. } => {
                let unique_id = user_or_role_id(&arn);
                Identity::User { arn, unique_id }
            }
            PrincipalKind::AssumedRole { .. } => {
                let role: PrincipalArn = request["session_of"].as_str().unwrap().parse().unwrap();
                let unique_id = user_or_role_id(&role);
                Identity::RoleSession {
                    arn,
                    role,
                    unique_id,
                    session_policy,
                    session_tags,
                }
            }
            PrincipalKind::FederatedUser { .. } => {
                let federated_by = federating_user(request, &arn);
                let unique_id = user_or_role_id(&federated_by);
                Identity::FederatedUser {
                    arn,
                    federated_by,
                    unique_id,
                    session_policy,
                    session_tags,
                }
            }
            PrincipalKind::Role { .. } => panic!("a role calls as a session: {principal}"),
        },
    };
    let mut context: BTreeMap<Arc<str>, ContextEntry> = BTreeMap::new();
    context.insert(
        "aws:sourceip".into(),
        ContextEntry::Single("203.0.113.10".into()),
    );
    context.insert(
        "aws:securetransport".into(),
        ContextEntry::Single("true".into()),
    );
    for (key, value) in request["context"].as_object().into_iter().flatten() {
        context.insert(key.to_lowercase().into(), entry(value));
    }
    Caller {
        identity,
        facts: RequestFacts {
            via_service: optional(&request["via_service"]),
            context,
        },
    }
}

/// The user that made a federated user: as the request says, or one that holds the policies which the world gives it.
fn federating_user(request: &Value, arn: &PrincipalArn) -> PrincipalArn {
    let stand_in = format!("arn:aws:iam::{}:user/federator", arn.account());
    let named = request["federated_by"].as_str().unwrap_or(&stand_in);
    named.parse().unwrap()
}

fn entry(value: &Value) -> ContextEntry {
    let scalar = |v: &Value| match v {
        Value::String(s) => s.as_str().into(),
        other => other.to_string().into(),
    };
    match value {
        Value::Array(all) => ContextEntry::Multi(all.iter().map(scalar).collect()),
        one => ContextEntry::Single(scalar(one)),
    }
}

/// What happened to a request.
#[derive(Debug)]
enum Happened {
    /// It was carried out, or would be allowed.
    Allowed(Value, Option<Box<Decision>>),
    /// A policy or its absence stood in the way.
    Denied(Option<Box<Decision>>, String),
    /// Anything else: code and message.
    Refused(String, String),
}

fn rejected(
    Rejection {
        code,
        message,
        decision,
    }: Rejection,
) -> Happened {
    if code.as_str() == "AccessDeniedException" {
        return Happened::Denied(decision, message.to_string());
    }
    Happened::Refused(code.as_str().to_string(), message.to_string())
}

fn shape(message: &str) -> Happened {
    Happened::Refused("ValidationException".into(), message.into())
}

fn unresolved(why: Unresolved) -> Happened {
    let code = if why.is_malformed_arn() {
        "InvalidArnException"
    } else {
        "NotFoundException"
    };
    Happened::Refused(code.into(), why.to_string())
}

fn key_ref(text: &Value) -> Result<KeyRef, Happened> {
    let Some(text) = text.as_str() else {
        return Err(shape("KeyId is required"));
    };
    text.parse()
        .map_err(|error| unresolved(Unresolved::from(&error)))
}

/// The condition keys of the parameters of an operation that is only asked about.
fn parameter_facts(action: &str, params: &Value, caller: &mut Caller) {
    let context = &mut caller.facts.context;
    let mut add = |key: String, value: ContextEntry| {
        context.insert(key.to_lowercase().into(), value);
    };
    for (name, value) in params.as_object().into_iter().flatten() {
        match (action, name.as_str()) {
            ("CreateGrant", "Operations") => add("kms:GrantOperations".into(), entry(value)),
            ("CreateGrant", "Constraints") => {
                for kind in ["EncryptionContextEquals", "EncryptionContextSubset"] {
                    if value[kind]
                        .as_object()
                        .is_some_and(|pairs| !pairs.is_empty())
                    {
                        add(
                            "kms:GrantConstraintType".into(),
                            ContextEntry::Single(kind.into()),
                        );
                    }
                }
            }
            ("TagResource" | "CreateKey", "Tags") => {
                let tags = value.as_array().unwrap();
                for tag in tags {
                    let key = format!("aws:RequestTag/{}", tag["TagKey"].as_str().unwrap());
                    add(key, entry(&tag["TagValue"]));
                }
                let keys = tags.iter().map(|tag| text(&tag["TagKey"])).collect();
                add("aws:TagKeys".into(), ContextEntry::Multi(keys));
            }
            ("GenerateDataKeyPair", "KeyPairSpec") => {
                add("kms:DataKeyPairSpec".into(), entry(value))
            }
            ("ReEncryptTo" | "ReEncryptFrom", "same_key") => {
                add("kms:ReEncryptOnSameKey".into(), entry(value));
            }
            ("ScheduleKeyDeletion", "PendingWindowInDays") => {
                add(
                    "kms:ScheduleKeyDeletionPendingWindowInDays".into(),
                    entry(value),
                );
            }
            ("CreateKey", "Origin") => add("kms:KeyOrigin".into(), entry(value)),
            (_, other) => add(format!("kms:{other}"), entry(value)),
        }
    }
    if action == "CreateKey" {
        for (key, default) in [
            ("kms:keyspec", "SYMMETRIC_DEFAULT"),
            ("kms:keyusage", "ENCRYPT_DECRYPT"),
            ("kms:keyorigin", "AWS_KMS"),
        ] {
            context
                .entry(key.into())
                .or_insert_with(|| ContextEntry::Single(default.into()));
        }
    }
}

/// The time of a request: as its context says, for the server computes `aws:CurrentTime` itself.
fn time_of(request: &Value) -> Timestamp {
    let Some(wanted) = request["context"]["aws:CurrentTime"].as_str() else {
        return NOW;
    };
    // Years before and after NOW, day by day: dates in cases are whole days.
    let day = 86_400_000;
    let first = NOW.as_millis() % day;
    let days = (first..).step_by(day as usize).map(Timestamp::from_millis);
    let found = days
        .take(40_000)
        .find(|at| at.to_string().get(..10) == wanted.get(..10));
    let midnight = found
        .unwrap_or_else(|| panic!("no such day: {wanted}"))
        .as_millis();
    let clock = |at: std::ops::Range<usize>| wanted[at].parse::<u64>().unwrap();
    let seconds = clock(11..13) * 3600 + clock(14..16) * 60 + clock(17..19);
    Timestamp::from_millis(midnight + seconds * 1000)
}

/// Asks the engine, without carrying anything out.
fn decide(world: &World, request: &Value) -> Result<(Decision, Option<Arc<Key>>), Happened> {
    let full = request["action"].as_str().unwrap();
    let name = full.strip_prefix("kms:").unwrap();
    let mut caller = caller(request);
    if let Some(org) = caller.identity.account().and_then(|id| world.orgs.get(&id)) {
        // The store knows no organizations; the front that authenticated the caller does.
        let org = ContextEntry::Single(org.as_str().into());
        caller
            .facts
            .context
            .insert("aws:principalorgid".into(), org);
    }
    let params = &request["params"];
    parameter_facts(name, params, &mut caller);
    let action = Action::parse(full);
    let kms = action
        .kms()
        .unwrap_or_else(|| panic!("no action of KMS: {full}"));
    let account = caller
        .identity
        .account()
        .unwrap_or(AccountId::from_number(0).unwrap());
    let state = &world.state;
    let alias: Option<grantd::domain::ids::AliasArn> = request["resource"]
        .as_str()
        .and_then(|arn| arn.parse().ok());
    let retiring: Option<PrincipalArn> = params["RetiringPrincipal"]
        .as_str()
        .and_then(|arn| arn.parse().ok());
    let named = request
        .get("grant")
        .or(params.get("GrantId"))
        .map(|g| world.named(g));
    let retired = named.and_then(|id| state.grants().get(&id.as_str()?.parse().ok()?));
    let key_ref = match request.get("key_id").filter(|id| !id.is_null()) {
        Some(id) => Some(key_ref(id)?),
        None => retired.map(|grant| KeyRef::KeyArn(grant.key.clone())),
    };
    let key = match (kms.target(), &key_ref) {
        (ActionTarget::Key | ActionTarget::KeyAndAlias, Some(key)) => Some(
            resolve(state, &world.scope, account, key, AliasUse::Accepted).map_err(unresolved)?,
        ),
        _ => None,
    };
    let target = match (&alias, key) {
        (Some(alias), _) => Target::Alias(alias),
        (None, Some(key)) => Target::Key {
            key,
            alias: key_ref.as_ref().and_then(KeyRef::alias),
        },
        (None, None) => match &retiring {
            Some(arn) if kms == KmsAction::ListRetirableGrants => Target::Principal(arn),
            _ => Target::Account(account),
        },
    };
    let operations = operations_of(&params["Operations"]).unwrap_or_default();
    let operations: GrantOperations = operations.into_iter().collect();
    let constraints = constraints_of(&params["Constraints"]);
    let mut encryption_context: EncryptionContext = pairs(&request["encryption_context"]);
    if let (
        KmsAction::CreateGrant,
        Some(ContextConstraint::Equals(p) | ContextConstraint::Subset(p)),
    ) = (kms, &constraints.context)
    {
        encryption_context = (**p).clone();
    }
    let about = match (kms, retired) {
        (KmsAction::CreateGrant, _) => About::NewGrant(&operations, &constraints),
        (KmsAction::RetireGrant, Some(grant)) => About::Retired(grant),
        _ => About::Nothing,
    };
    let decision = authorize(
        state,
        &Request {
            caller: &caller,
            scope: &world.scope,
            action,
            target,
            encryption_context: &encryption_context,
            about,
            token_grants: &[],
            parameters: Parameters::FromFront,
            now: time_of(request),
        },
    );
    Ok((decision, key.cloned()))
}

/// Carries out an API call.
fn call(world: &mut World, request: &Value) -> Happened {
    carry_out(world, request).unwrap_or_else(|happened| happened)
}

fn carry_out(world: &mut World, request: &Value) -> Result<Happened, Happened> {
    let name = request["action"]
        .as_str()
        .unwrap()
        .strip_prefix("kms:")
        .unwrap()
        .to_string();
    let none = json!({});
    let params = request.get("params").unwrap_or(&none);
    let tokens = params["GrantTokens"]
        .as_array()
        .or(request["grant_tokens"].as_array());
    if tokens.is_some_and(|tokens| tokens.len() > GRANT_TOKENS_MAX) {
        return Err(shape("at most 10 grant tokens"));
    }
    let key_id = request
        .get("key_id")
        .or(params.get("KeyId"))
        .unwrap_or(&Value::Null);
    let dry_run = match &params["DryRun"] {
        Value::Bool(true) => DryRun::Yes,
        _ => DryRun::No,
    };
    let lockout_check = match &params["BypassPolicyLockoutSafetyCheck"] {
        Value::Bool(true) => LockoutCheck::Bypass,
        Value::Bool(false) => LockoutCheck::Run,
        _ => LockoutCheck::Unset,
    };
    let policy = match (&params["Policy"], &params["PolicyText"]) {
        (_, Value::String(text)) | (Value::String(text), _) => Some(text.as_str().into()),
        (Value::Null, _) => None,
        (document, _) => Some(document.to_string().into()),
    };
    let page = Page {
        limit: params["Limit"].as_u64().map(|n| u32::try_from(n).unwrap()),
        marker: optional(&params["Marker"]),
    };
    let drawn = world.draw("key store");
    if let Some(call) = key_stores::call(&name, params, &page, drawn) {
        return Ok(match call.map_err(|why| shape(&why))? {
            key_stores::Call::Change(command) => change(world, request, command),
            key_stores::Call::Question(question) => ask(world, request, &question),
        });
    }
    let change = |world: &mut World, command| Ok(change(world, request, command));
    match name.as_str() {
        "CreateKey" => {
            let account = caller(request).identity.account().unwrap();
            let multi_region = params["MultiRegion"] == json!(true);
            let bytes = world.draw("key");
            let spec = params["KeySpec"].as_str().unwrap_or("SYMMETRIC_DEFAULT");
            let command = create_key::CreateKey {
                account,
                partition: world.scope.partition,
                region: world.scope.region.clone(),
                key_id: if multi_region {
                    KeyId::MultiRegion(bytes)
                } else {
                    KeyId::Uuid(bytes)
                },
                description: optional(&params["Description"]).unwrap_or_default(),
                spec: spec.parse().map_err(|_| shape("KeySpec"))?,
                usage: match params["KeyUsage"].as_str() {
                    None => None,
                    Some(usage) => Some(usage.parse().map_err(|_| shape("KeyUsage"))?),
                },
                origin: params["Origin"]
                    .as_str()
                    .unwrap_or("AWS_KMS")
                    .parse()
                    .map_err(|_| shape("Origin"))?,
                multi_region: if multi_region {
                    create_key::MultiRegion::Primary
                } else {
                    create_key::MultiRegion::No
                },
                policy,
                lockout_check,
                tags: tag_list(&params["Tags"]).into_iter().collect(),
                custom_key_store: key_stores::parsed(params, "CustomKeyStoreId")
                    .map_err(|why| shape(&why))?,
                xks_key: key_stores::parsed(params, "XksKeyId").map_err(|why| shape(&why))?,
            };
            change(world, Command::CreateKey(command))
        }
        "PutKeyPolicy" => {
            let command = put_key_policy::PutKeyPolicy {
                key: key_ref(key_id)?,
                policy_name: optional(&params["PolicyName"]),
                policy: policy.ok_or_else(|| shape("Policy is required"))?,
                lockout_check,
            };
            change(world, Command::PutKeyPolicy(command))
        }
        "EnableKey" => {
            let key = key_ref(key_id)?;
            change(world, Command::EnableKey(enable_key::EnableKey { key }))
        }
        "DisableKey" => {
            let key = key_ref(key_id)?;
            change(world, Command::DisableKey(disable_key::DisableKey { key }))
        }
        "CreateAlias" => {
            let command = create_alias::CreateAlias {
                alias: text(&params["AliasName"]),
                target: key_ref(key_id)?,
            };
            change(world, Command::CreateAlias(command))
        }
        "TagResource" => {
            let command = tag_resource::TagResource {
                key: key_ref(key_id)?,
                tags: tag_list(&params["Tags"]),
            };
            change(world, Command::TagResource(command))
        }
        "UntagResource" => {
            let keys = params["TagKeys"]
                .as_array()
                .unwrap()
                .iter()
                .map(text)
                .collect();
            let command = untag_resource::UntagResource {
                key: key_ref(key_id)?,
                tag_keys: keys,
            };
            change(world, Command::UntagResource(command))
        }
        "CreateGrant" => {
            let operations = match &params["Operations"] {
                Value::Null => Vec::new(),
                list => operations_of(list).ok_or_else(|| shape("Operations"))?,
            };
            let context = |kind: &str| Arc::new(pairs(&params["Constraints"][kind]));
            let (first, second) = (world.draw("grant"), world.draw("grant"));
            let command = create_grant::CreateGrant {
                key: key_ref(key_id)?,
                grant_id: GrantId([first, second].concat().try_into().unwrap()),
                grantee: optional(&params["GranteePrincipal"]),
                grantee_service: optional(&params["GranteeServicePrincipal"]),
                retiring: optional(&params["RetiringPrincipal"]),
                retiring_service: optional(&params["RetiringServicePrincipal"]),
                operations,
                context_equals: context("EncryptionContextEquals"),
                context_subset: context("EncryptionContextSubset"),
                source_arn: optional(&params["Constraints"]["SourceArn"]),
                name: optional(&params["Name"]),
                dry_run,
            };
            change(world, Command::CreateGrant(command))
        }
        "RetireGrant" => {
            // A token locates its grant; ours are bound as `token <n> <key ARN> <grant id>`.
            let (key, grant_id) = match world.named(&params["GrantToken"]).as_str() {
                Some(token) => {
                    let mut parts = token.split(' ').skip(2);
                    let key = KeyRef::KeyArn(parts.next().unwrap().parse().unwrap());
                    (key, parts.next().unwrap().into())
                }
                None if params["GrantId"].is_null() => return Err(shape("GrantId is required")),
                None => (key_ref(key_id)?, text(&world.named(&params["GrantId"]))),
            };
            let command = retire_grant::RetireGrant {
                key,
                grant_id,
                dry_run,
            };
            change(world, Command::RetireGrant(command))
        }
        "RevokeGrant" => {
            let grant_id = text(&world.named(&params["GrantId"]));
            let command = revoke_grant::RevokeGrant {
                key: key_ref(key_id)?,
                grant_id,
                dry_run,
            };
            change(world, Command::RevokeGrant(command))
        }
        "DescribeKey" => {
            let key = key_ref(key_id)?;
            Ok(ask(
                world,
                request,
                &Query::DescribeKey(describe_key::DescribeKey { key }),
            ))
        }
        "ListGrants" => {
            let question = list_grants::ListGrants {
                key: key_ref(key_id)?,
                grant_id: optional(&world.named(&params["GrantId"])),
                grantee: optional(&params["GranteePrincipal"]),
                grantee_service: optional(&params["GranteeServicePrincipal"]),
                page,
            };
            Ok(ask(world, request, &Query::ListGrants(question)))
        }
        "ListRetirableGrants" => {
            let question = list_retirable_grants::ListRetirableGrants {
                retiring: optional(&params["RetiringPrincipal"]),
                retiring_service: optional(&params["RetiringServicePrincipal"]),
                page,
            };
            Ok(ask(world, request, &Query::ListRetirableGrants(question)))
        }
        // Carried out elsewhere, by whoever holds the key material, if it is permitted and the key can be used.
        _ => {
            let (decision, key) = decide(world, request)?;
            if !decision.is_allow() {
                return Err({
                    let message = decision.message();
                    Happened::Denied(Some(Box::new(decision)), message)
                });
            }
            let action = Action::parse(request["action"].as_str().unwrap())
                .kms()
                .unwrap();
            assert!(
                action.is_cryptographic(),
                "{name} is not carried out by this runner"
            );
            if let Some(key) = key {
                check_usable(action, &world.state, &key).map_err(rejected)?;
            }
            Ok(Happened::Allowed(Value::Null, Some(Box::new(decision))))
        }
    }
}

fn tag_list(value: &Value) -> Vec<(Arc<str>, Arc<str>)> {
    let tags = value.as_array().into_iter().flatten();
    tags.map(|tag| (text(&tag["TagKey"]), text(&tag["TagValue"])))
        .collect()
}

fn change(world: &mut World, request: &Value, command: Command) -> Happened {
    let before = world.state.fingerprint();
    let entry = Entry {
        proposed_at: NOW,
        semantics: Semantics::CURRENT,
        caller: caller(request),
        scope: world.scope.clone(),
        request_id: RequestId(world.draw("request")),
        idempotency: None,
        command,
    };
    let at = Revision(world.state.revision().0 + 1);
    let mut after = world.state.clone();
    let applied = apply(&mut after, at, &entry);
    assert_eq!(
        world.state.fingerprint(),
        before,
        "a clone was written through"
    );
    world.state = after;
    match applied.outcome {
        Err(rejection) => rejected(rejection),
        Ok(Output::Grant(created)) => {
            let grant = created.grant.unwrap();
            world.drawn += 1;
            let token = format!("token {} {} {}", world.drawn, grant.key, grant.id);
            let answer = json!({ "GrantId": grant.id.to_string(), "GrantToken": token });
            Happened::Allowed(answer, None)
        }
        Ok(_) => Happened::Allowed(json!({}), None),
    }
}

fn ask(world: &World, request: &Value, question: &Query) -> Happened {
    match query(
        &world.state,
        &caller(request),
        &world.scope,
        NOW,
        &[],
        question,
    ) {
        Err(rejection) => rejected(rejection),
        Ok(Answer::Grants(Paged { items, next })) => {
            let list: Vec<Value> = items
                .iter()
                .map(|grant| json!({ "GrantId": grant.id.to_string() }))
                .collect();
            let mut answer = json!({ "Grants": list, "Truncated": next.is_some() });
            if let Some(next) = next {
                answer["NextMarker"] = json!(&*next);
            }
            Happened::Allowed(answer, None)
        }
        Ok(_) => Happened::Allowed(json!({}), None),
    }
}

/// Whether what happened is what the case expects; the difference otherwise.
fn compare(world: &World, expected: &Value, happened: &Happened) -> Result<(), String> {
    let wanted = expected["decision"].as_str().unwrap();
    let (found, decision, message) = match happened {
        Happened::Allowed(_, decision) => ("allow", decision.as_deref(), String::new()),
        Happened::Denied(decision, message) => {
            let kind = match decision.as_deref().map(Decision::outcome) {
                Some(Outcome::ExplicitDeny) => "explicit_deny",
                _ => "implicit_deny",
            };
            (kind, decision.as_deref(), message.clone())
        }
        Happened::Refused(_, message) => ("error", None, message.clone()),
    };
    let is_denied = found.ends_with("_deny");
    if !(wanted == found || (wanted == "deny" && is_denied)) {
        // A denial is an error, too, where any is expected.
        let any = expected["error_codes"] == json!(["*"]);
        let named = expected["error_codes"]
            .as_array()
            .is_some_and(|codes| codes.contains(&json!("AccessDeniedException")));
        if !(wanted == "error" && is_denied && (any || named)) {
            return Err(format!("wanted {wanted}, found {happened:?}"));
        }
    }
    if let (Some(codes), Happened::Refused(code, _)) =
        (expected["error_codes"].as_array(), happened)
        && !codes.contains(&json!("*"))
        && !codes.contains(&json!(code))
    {
        return Err(format!("wanted {codes:?}, found {happened:?}"));
    }
    if let Some(exact) = expected["message"].as_str()
        && exact != message
    {
        return Err(format!("wanted the message `{exact}`, found `{message}`"));
    }
    if let Some(prefix) = expected["message_prefix"].as_str()
        && !message.starts_with(prefix)
    {
        return Err(format!(
            "wanted a message beginning `{prefix}`, found `{message}`"
        ));
    }
    let Some(wanted) = expected.get("decided_by").filter(|by| !by.is_null()) else {
        return Ok(());
    };
    let Some(by) = decision.and_then(Decision::decided_by) else {
        return Ok(());
    };
    let sid = by
        .statement
        .as_ref()
        .and_then(|statement| statement.sid.as_deref());
    let grant = by.grant.and_then(|id| world.grants.get(&id));
    let checks = [
        ("type", Some(by.source.as_str().to_string())),
        ("sid", sid.map(Into::into)),
        ("id", grant.cloned()),
    ];
    for (member, found) in checks {
        if let Some(wanted) = wanted[member].as_str()
            && found.as_deref() != Some(wanted)
        {
            return Err(format!(
                "wanted {member} {wanted}, found {found:?} in {by:?}"
            ));
        }
    }
    Ok(())
}

/// What a case comes to on a whole state; `Err` says how it differs.
pub fn run(case: &Value) -> Result<(), String> {
    let mut world = World::of(case);
    if case["kind"] == "authz" {
        let happened = match decide(&world, &case["request"]) {
            Err(happened) => happened,
            Ok((decision, _)) if decision.is_allow() => {
                Happened::Allowed(Value::Null, Some(Box::new(decision)))
            }
            Ok((decision, _)) => {
                let message = decision.message();
                Happened::Denied(Some(Box::new(decision)), message)
            }
        };
        return compare(&world, &case["expected"], &happened);
    }
    if case["kind"] == "api" {
        let happened = call(&mut world, &case["request"]);
        return compare(&world, &case["expected"], &happened);
    }
    for (n, step) in case["steps"].as_array().unwrap().iter().enumerate() {
        let fail = |why: String| format!("step {}: {why}", n + 1);
        let mut happened = call(&mut world, &step["request"]);
        compare(&world, &step["expected"], &happened).map_err(fail)?;
        let mut largest = 0;
        if step["paginate"] == json!(true) {
            (happened, largest) = all_pages(&mut world, &step["request"], happened);
        }
        let Happened::Allowed(answer, _) = &happened else {
            continue;
        };
        for (field, name) in step["bind"].as_object().into_iter().flatten() {
            world
                .names
                .insert(name.as_str().unwrap().into(), answer[field].clone());
        }
        for assert in step["assert"].as_array().into_iter().flatten() {
            check(&world, assert, answer, largest).map_err(fail)?;
        }
    }
    Ok(())
}

/// Follows the markers to the end; the answer with every entry, and the size of the largest page.
fn all_pages(world: &mut World, request: &Value, first: Happened) -> (Happened, usize) {
    let mut request = request.clone();
    let (mut all, mut largest, mut happened) = (Vec::new(), 0, first);
    while let Happened::Allowed(answer, _) = &happened {
        let page = answer["Grants"].as_array().unwrap();
        largest = largest.max(page.len());
        all.extend(page.iter().cloned());
        let Some(next) = answer.get("NextMarker") else {
            break;
        };
        request["params"]["Marker"] = next.clone();
        happened = call(world, &request);
    }
    (
        Happened::Allowed(json!({ "Grants": all, "Truncated": false }), None),
        largest,
    )
}

fn check(world: &World, assert: &Value, answer: &Value, largest: usize) -> Result<(), String> {
    let at = |n: usize| world.named(&assert[n]);
    let entries = || {
        answer[assert[1].as_str().unwrap()]
            .as_array()
            .cloned()
            .unwrap_or_default()
    };
    let holds = match assert[0].as_str().unwrap() {
        "eq" => at(1) == at(2),
        "ne" => at(1) != at(2),
        "count" => json!(entries().len()) == assert[2],
        "ids" => {
            let member = assert[2].as_str().unwrap();
            let mut found: Vec<String> = entries().iter().map(|e| e[member].to_string()).collect();
            let wanted = at(3);
            let mut wanted: Vec<String> = wanted
                .as_array()
                .unwrap()
                .iter()
                .map(Value::to_string)
                .collect();
            found.sort();
            wanted.sort();
            found == wanted
        }
        "absent" => entries()
            .iter()
            .all(|entry| entry.get(assert[2].as_str().unwrap()).is_none()),
        "value" => answer[assert[1].as_str().unwrap()] == at(2),
        "page_max" => largest as u64 <= assert[1].as_u64().unwrap(),
        other => return Err(format!("unknown assertion {other}")),
    };
    if holds {
        Ok(())
    } else {
        Err(format!("{assert} does not hold of {answer}"))
    }
}

/// Every case that the store can hold agrees, and the rest is known by number and reason.
#[test]
fn cases_agree_with_a_whole_state() {
    let (mut agreed, mut failed) = (BTreeMap::<String, u32>::new(), Vec::new());
    let mut beyond = BTreeMap::<&str, u32>::new();
    for case in cases() {
        if let Some(reason) = beyond_the_store(&case) {
            *beyond.entry(reason).or_default() += 1;
            continue;
        }
        match run(&case) {
            Ok(()) => {
                *agreed
                    .entry(case["kind"].as_str().unwrap().into())
                    .or_default() += 1
            }
            Err(why) => failed.push(format!("{} {}: {why}", case["id"], case["title"])),
        }
    }
    assert!(
        failed.is_empty(),
        "{} disagree:\n{}",
        failed.len(),
        failed.join("\n")
    );
    let numbers = |pairs: &[(&str, u32)]| -> BTreeMap<String, u32> {
        pairs
            .iter()
            .map(|(name, n)| (name.to_string(), *n))
            .collect()
    };
    assert_eq!(
        agreed,
        numbers(&[("api", 74), ("authz", 294), ("scenario", 15)])
    );
    let beyond = beyond.into_iter().map(|(why, n)| (why.to_string(), n));
    assert_eq!(
        beyond.collect::<BTreeMap<_, _>>(),
        numbers(&[
            ("UpdateAlias", 1),
            ("VPC endpoint policies", 2),
            (
                "cryptographic operations are carried out elsewhere, dry runs too",
                1
            ),
            ("key deletion", 5),
            ("organizations", 11),
            ("permissions boundaries", 6),
            ("the profile of 2020 is not a setting of the store", 1),
        ])
    );
}
