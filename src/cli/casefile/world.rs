//! A world as a whole state: its facts are imported, and symbolic names are kept beside them.
//!
//! Imports ids, policy, state. Ids are made from names, so that two runs are the same.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};

use super::ask::{self, time_of};
use super::model::{Case, GrantLine, KeyLine, Kind, PrincipalLine, Request};
use super::read::Problem;
use super::sources;
use super::stores;
use crate::domain::authz::request::Scope;
use crate::domain::authz::resolve::alias_arn;
use crate::domain::ids::{
    AccountId, GrantId, KeyArn, Partition, PrincipalArn, PrincipalKind, Regions, ServicePrincipal,
    UniqueId,
};
use crate::domain::limits::DELETION_WINDOW_DAYS_MAX;
use crate::domain::state::alias::Alias;
use crate::domain::state::fact::{Fact, Header};
use crate::domain::state::grant::{
    Grant, GrantConstraints, GrantOperation, GrantOperations, GrantPrincipal,
};
use crate::domain::state::group::Group;
use crate::domain::state::key::{Deletion, Key, KeyState};
use crate::domain::state::key_usage::{KeyUse, UsageOperation};
use crate::domain::state::principal::{Principal, PrincipalType};
use crate::domain::state::settings::Settings;
use crate::domain::state::{State, Tags};
use crate::domain::time::{Incarnation, Revision, Timestamp};

/// The time of every request that does not say another: 2026-11-22T00:00:00Z.
pub const NOW: Timestamp = Timestamp::from_millis(1_795_305_600_000);

/// A world as a state, and the names that its case uses.
#[derive(Clone)]
pub struct World {
    /// The facts.
    pub state: State,
    /// The endpoint.
    pub scope: Scope,
    /// What a name in a later request stands for: symbolic grants, bound response fields.
    pub names: BTreeMap<String, Value>,
    /// The symbolic names of grants, for `decided_by`.
    pub grants: BTreeMap<GrantId, String>,
    /// The grants that tokens stand for: symbolic ids, and tokens as they were minted.
    pub tokens: BTreeMap<String, (KeyArn, GrantId)>,
    /// The tags that the world gives federated users: those of their sessions, for such a user has no others (CK-0).
    federated_tags: BTreeMap<String, Tags>,
    /// Ids drawn and tokens minted so far.
    drawn: u32,
}

/// Sixteen bytes that stand for a text.
pub fn entropy(text: &str) -> [u8; 16] {
    let mut bytes = [0; 16];
    for (to, from) in bytes
        .iter_mut()
        .zip(blake3::hash(text.as_bytes()).as_bytes())
    {
        *to = *from;
    }
    bytes
}

/// The immutable id of a user or role; of others, their account's.
pub fn unique_id(arn: &PrincipalArn) -> UniqueId {
    match arn.kind() {
        PrincipalKind::User { .. } => UniqueId::of_new_user(&entropy(arn.as_str())),
        PrincipalKind::Role { .. } => UniqueId::of_new_role(&entropy(arn.as_str())),
        PrincipalKind::Root
        | PrincipalKind::AssumedRole { .. }
        | PrincipalKind::FederatedUser { .. } => UniqueId::of_account(arn.account()),
    }
}

/// The user that made a federated user: as the request says, or one that holds the policies which the world gives it.
pub fn federating_user(request: &Request, arn: &PrincipalArn) -> Result<PrincipalArn, Problem> {
    match &request.federated_by {
        Some(by) => Ok(by.clone()),
        None => format!(
            "arn:{}:iam::{}:user/federator",
            arn.partition(),
            arn.account()
        )
        .parse()
        .map_err(|error| Problem::at(&request.path, format!("{error}"))),
    }
}

impl World {
    /// The world of a case.
    ///
    /// # Errors
    /// [`Problem`]: facts that cannot be, or that this version does not hold.
    pub fn of(case: &Case) -> Result<Self, Problem> {
        let lines = &case.world;
        let region = lines.region.partition();
        let partition = lines
            .keys
            .values()
            .next()
            .map_or(region.unwrap_or_default(), |key| key.arn.partition);
        let scope = Scope {
            partition,
            region: lines.region.clone(),
        };
        let regions = lines.regions.unwrap_or(Regions::of(partition));
        if !regions.contains(partition, &scope.region) {
            let why = format!(
                "the Region {} is none of the partition {partition}, which has {regions}",
                scope.region
            );
            return Err(Problem::at(format!("{}.region", lines.path), why));
        }
        let principals = principals_of(case)?;
        let mut accounts: Vec<AccountId> = lines.accounts.keys().copied().collect();
        accounts.extend(principals.keys().map(PrincipalArn::account));
        accounts.extend(lines.keys.values().map(|key| key.arn.account));
        accounts.extend(lines.stores.values().map(|store| store.account));
        for step in &case.steps {
            if let Ok(arn) = step.request.principal.parse::<PrincipalArn>() {
                accounts.push(arn.account());
            }
        }
        // In an `api` case whom nobody lists does not exist, but for the accounts themselves.
        let named = named(case).into_iter();
        accounts.extend(
            named
                .filter(|arn| case.kind == Kind::Scenario || arn.is_root())
                .map(|arn| arn.account()),
        );
        accounts.sort_unstable();
        accounts.dedup();

        let organizations = sources::organizations(case, &accounts)?;
        let endpoints = match accounts.first() {
            Some(first) => sources::endpoints(case, *first)?,
            None => Vec::new(),
        };
        let mut facts: Vec<Fact> = vec![sources::token_epoch()];
        for id in accounts {
            facts.push(sources::account(id));
        }
        facts.extend(organizations);
        facts.extend(endpoints);
        let mut people = Vec::new();
        for (arn, line) in &principals {
            let group = sources::group(arn, line)?;
            people.push(Fact::Principal(Arc::new(principal(
                arn,
                line,
                group.as_ref(),
            ))));
            facts.extend(group.map(|group| Fact::Group(Arc::new(group))));
        }
        facts.extend(people);
        let mut aliases = Vec::new();
        let stores = stores::stores(lines, &scope)?;
        let places = stores::places(lines, &stores)?;
        facts.extend(stores.iter().cloned().map(Arc::new).map(Fact::KeyStore));
        let mut unused_since: BTreeMap<&str, Timestamp> = BTreeMap::new();
        for request in case.steps.iter().map(|step| &step.request) {
            if let (Some(since), Some(named)) = (ask::unused_since(request)?, &request.key_id) {
                unused_since.insert(named, since);
            }
        }
        for (name, line) in &lines.keys {
            let names = [line.arn.to_string(), line.arn.key_id.to_string()];
            let stated = names.iter().find_map(|name| unused_since.get(&**name));
            let mut fact = key(line, stated.copied());
            stores::put(&mut fact, places.get(name), &stores);
            let fact = Arc::new(fact);
            let at = Scope {
                partition: line.arn.partition,
                region: line.arn.region.clone(),
            };
            aliases.extend(line.aliases.iter().map(|alias| {
                Fact::Alias(Arc::new(Alias {
                    arn: alias_arn(&at, fact.arn.account, alias),
                    target: fact.arn.clone(),
                    created_at: NOW,
                    updated_at: NOW,
                }))
            }));
            facts.push(Fact::Key(fact));
        }
        facts.extend(aliases);
        let (mut names, mut grants) = (BTreeMap::new(), BTreeMap::new());
        let mut tokens = BTreeMap::new();
        for (symbol, line) in &lines.grants {
            let key = lines.keys.get(&line.key).ok_or_else(|| {
                let why = format!("no key of the world is called `{}`", line.key);
                Problem::at(format!("{}.key", line.path), why)
            })?;
            let fact = grant(symbol, line, &key.arn, principals.keys())?;
            names.insert(symbol.clone(), json!(fact.id.to_string()));
            grants.insert(fact.id, symbol.clone());
            tokens.insert(symbol.clone(), (fact.key.clone(), fact.id));
            facts.push(Fact::Grant(Arc::new(fact)));
        }
        for line in lines.keys.values() {
            facts.extend(
                (0..line.grant_count).map(|n| Fact::Grant(Arc::new(unrelated_grant(n, &line.arn)))),
            );
        }
        let federated_tags = (lines.principals.iter())
            .filter(|(_, line)| line.kind == "federated_user")
            .map(|(arn, line)| (arn.clone(), line.tags.clone()))
            .collect();
        let header = Header {
            incarnation: Incarnation([7; 16]),
            revision: Revision(10),
            clock: steps_begin(case)?,
            settings: Settings {
                profile: case.profile,
                regions,
                ..Settings::default()
            },
            ..Header::default()
        };
        let state = State::import(header, facts)
            .map_err(|error| Problem::at(&lines.path, error.to_string()))?;
        Ok(Self {
            state,
            scope,
            names,
            grants,
            tokens,
            federated_tags,
            drawn: 0,
        })
    }

    /// Sixteen bytes that no other draw of this run gives.
    pub fn draw(&mut self, what: &str) -> [u8; 16] {
        self.drawn = self.drawn.saturating_add(1);
        entropy(&format!("{what} {}", self.drawn))
    }

    /// A token of a grant, another one each time.
    pub fn mint(&mut self, grant: &Grant) -> String {
        self.drawn = self.drawn.saturating_add(1);
        let token = format!("token-{}-{}", self.drawn, grant.id);
        self.tokens
            .insert(token.clone(), (grant.key.clone(), grant.id));
        token
    }

    /// What a value stands for: a name's meaning, or the value itself; in lists, each entry's.
    pub fn named(&self, value: &Value) -> Value {
        match value {
            Value::String(text) => self
                .names
                .get(text)
                .cloned()
                .unwrap_or_else(|| value.clone()),
            Value::Array(all) => all.iter().map(|item| self.named(item)).collect(),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => value.clone(),
        }
    }

    /// What a text stands for.
    pub fn named_text(&self, text: &str) -> String {
        match self.names.get(text) {
            Some(Value::String(meaning)) => meaning.clone(),
            _ => text.to_owned(),
        }
    }

    /// A request with what earlier answers bound in place of the names, wherever they stand in its members.
    pub fn filled_in(&self, request: &Request) -> Request {
        let mut request = request.clone();
        if let Some(tags) = self.federated_tags.get(&request.principal) {
            let own = std::mem::replace(&mut request.session_tags, tags.clone());
            request.session_tags.extend(own);
        }
        self.fill_in(&mut request.params);
        for text in request.grant_tokens.iter_mut().chain(&mut request.key_id) {
            if text.starts_with('$') {
                *text = self.named_text(text);
            }
        }
        request
    }

    fn fill_in(&self, value: &mut Value) {
        match value {
            Value::String(text) if text.starts_with('$') => *text = self.named_text(text),
            Value::Array(values) => values.iter_mut().for_each(|value| self.fill_in(value)),
            Value::Object(members) => members.values_mut().for_each(|value| self.fill_in(value)),
            _ => {}
        }
    }

    /// The grant of a token: a symbolic grant, or a token that was minted, by its name or as it is.
    pub fn token(&self, text: &str) -> Option<&(KeyArn, GrantId)> {
        self.tokens
            .get(text)
            .or_else(|| self.tokens.get(&self.named_text(text)))
    }
}

/// The earliest time of a step, [`NOW`] at the latest: the state's clock never goes back.
fn steps_begin(case: &Case) -> Result<Timestamp, Problem> {
    case.steps
        .iter()
        .try_fold(NOW, |first, step| Ok(first.min(time_of(&step.request)?)))
}

/// Refuses what a principal of its type cannot have: it would be left alone in silence.
fn check_line(text: &str, line: &PrincipalLine) -> Result<(), Problem> {
    let arn = text.parse::<PrincipalArn>();
    let kind = arn.as_ref().map(PrincipalArn::kind);
    let fits = match (line.kind.as_str(), kind) {
        ("user", Ok(PrincipalKind::User { .. }))
        | ("role", Ok(PrincipalKind::Role { .. }))
        | ("root", Ok(PrincipalKind::Root))
        | ("federated_user", Ok(PrincipalKind::FederatedUser { .. })) => true,
        ("service", Err(_)) => text.parse::<ServicePrincipal>().is_ok(),
        _ => false,
    };
    let kind = line.kind.replace('_', " ");
    if !fits {
        let why = match line.kind.as_str() {
            "service" => format!("`{text}` is no service principal"),
            _ => format!("`{text}` is no ARN of a {kind}"),
        };
        return Err(Problem::at(format!("{}.type", line.path), why));
    }
    let refuse = |member: &str, why: &str| {
        let why = format!("a {kind} has no `{member}`: {why}");
        Err(Problem::at(format!("{}.{member}", line.path), why))
    };
    let is_stored = matches!(line.kind.as_str(), "user" | "role" | "federated_user");
    let has = [
        ("identity_policies", !line.identity_policies.is_empty()),
        ("group_policies", !line.group_policies.is_empty()),
        ("boundary", line.boundary.is_some()),
        ("tags", !line.tags.is_empty()),
    ];
    match has.iter().find(|(_, is_there)| *is_there) {
        Some((member, _)) if !is_stored => refuse(member, "only users and roles have one"),
        Some(_) if line.kind == "role" && !line.group_policies.is_empty() => {
            refuse("group_policies", "only users are in groups")
        }
        Some(_) | None => Ok(()),
    }
}

/// Every user and role: those that are listed, and the callers, which may be assumed to exist.
fn principals_of(case: &Case) -> Result<BTreeMap<PrincipalArn, PrincipalLine>, Problem> {
    let mut principals = BTreeMap::new();
    for (text, line) in &case.world.principals {
        check_line(text, line)?;
        if matches!(line.kind.as_str(), "user" | "role") {
            let arn: PrincipalArn = text
                .parse()
                .map_err(|error| Problem::at(&line.path, format!("{error}")))?;
            principals.insert(arn, line.clone());
        }
    }
    // Of federated users whose user is not named, those whose policies stand for the user's.
    let mut held_for: BTreeMap<PrincipalArn, PrincipalArn> = BTreeMap::new();
    for request in case.steps.iter().map(|step| &step.request) {
        let caller = request.principal.parse::<PrincipalArn>().ok();
        let named = [
            caller.as_ref(),
            request.session_of.as_ref(),
            request.federated_by.as_ref(),
        ];
        for arn in named.into_iter().flatten() {
            match arn.kind() {
                PrincipalKind::User { .. } | PrincipalKind::Role { .. } => {
                    principals.entry(arn.clone()).or_default();
                }
                PrincipalKind::FederatedUser { .. } => {
                    let held = case.world.principals.get(arn.as_str());
                    let by = federating_user(request, arn)?;
                    if let Some(line) = held.filter(|line| line.has_policies()) {
                        let first = held_for.entry(by.clone()).or_insert_with(|| arn.clone());
                        if request.federated_by.is_some() || first != arn {
                            let why = format!(
                                "a federated user has the permissions of its user: give the policies to that user, and name it with `federated_by` (here `{by}`)"
                            );
                            return Err(Problem::at(&line.path, why));
                        }
                    }
                    principals
                        .entry(by)
                        .or_insert_with(|| held.cloned().unwrap_or_default());
                }
                PrincipalKind::Root | PrincipalKind::AssumedRole { .. } => {}
            }
        }
    }
    // In an `api` case those that are not listed do not exist; elsewhere whoever is named does.
    if case.kind == Kind::Scenario {
        let (sessions, others): (Vec<_>, Vec<_>) = named(case)
            .into_iter()
            .partition(|arn| matches!(arn.kind(), PrincipalKind::AssumedRole { .. }));
        for arn in others {
            if matches!(
                arn.kind(),
                PrincipalKind::User { .. } | PrincipalKind::Role { .. }
            ) {
                principals.entry(arn).or_default();
            }
        }
        for session in sessions {
            if role_of(&session, principals.keys()).is_none()
                && let PrincipalKind::AssumedRole { role, .. } = session.kind()
            {
                let (partition, account) = (session.partition(), session.account());
                let text = format!("arn:{partition}:iam::{account}:role/{role}");
                let role = text
                    .parse()
                    .map_err(|error| Problem::at(&case.world.path, format!("{error}")))?;
                principals.insert(role, PrincipalLine::default());
            }
        }
    }
    Ok(principals)
}

/// Every principal that a grant of the world or a member of a request names, in a policy's text too. Twelve digits name
/// an account (ID-19).
fn named(case: &Case) -> Vec<PrincipalArn> {
    fn walk(value: &Value, found: &mut Vec<PrincipalArn>) {
        match value {
            Value::String(text) => match text.parse() {
                Ok(arn) => found.push(arn),
                Err(_) if text.trim_start().starts_with('{') => {
                    if let Ok(document) = super::read::json(text) {
                        walk(&document, found);
                    }
                }
                Err(_) => {
                    let account = text.parse::<AccountId>();
                    found.extend(account.map(|id| PrincipalArn::root_of(Partition::Aws, id)));
                }
            },
            Value::Array(items) => items.iter().for_each(|item| walk(item, found)),
            Value::Object(members) => members.values().for_each(|member| walk(member, found)),
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }
    let mut found = Vec::new();
    for step in &case.steps {
        walk(&step.request.params, &mut found);
    }
    for (_, line) in &case.world.grants {
        let texts = [Some(&line.grantee), line.retiring.as_ref()];
        found.extend(
            texts
                .into_iter()
                .flatten()
                .filter_map(|text| text.parse().ok()),
        );
    }
    found
}

/// The role behind a session. The session's ARN has lost the role's path: the role of that name is meant (ID-19).
fn role_of<'a>(
    session: &PrincipalArn,
    mut principals: impl Iterator<Item = &'a PrincipalArn>,
) -> Option<&'a PrincipalArn> {
    let PrincipalKind::AssumedRole { role, .. } = session.kind() else {
        return None;
    };
    principals.find(|other| {
        other.account() == session.account()
            && matches!(other.kind(), PrincipalKind::Role { name, .. } if name == role)
    })
}

fn principal(arn: &PrincipalArn, line: &PrincipalLine, group: Option<&Group>) -> Principal {
    Principal {
        arn: arn.clone(),
        unique_id: unique_id(arn),
        kind: match arn.kind() {
            PrincipalKind::User { .. } => PrincipalType::User,
            _ => PrincipalType::Role,
        },
        created_at: NOW,
        born: Revision(2),
        // A world says which roles there are, not who made them: there the path counts (D-18).
        service: arn.service_of_path(),
        tags: line.tags.clone(),
        policies: sources::numbered(&line.identity_policies)
            .into_iter()
            .collect(),
        boundary: line.boundary.clone(),
        groups: group.map(|group| group.arn.clone()).into_iter().collect(),
    }
}

/// A key of a world. One of which nothing is said is as old as the day; one of which a request states for how long it has
/// not been used is as old as that.
fn key(line: &KeyLine, unused_since: Option<Timestamp>) -> Key {
    let last_used = line.last_used.filter(|_| unused_since.is_none());
    let created_at = match (line.created, unused_since.or(last_used)) {
        (Some(created), None) => created,
        (Some(created), Some(since)) => created.min(since),
        (None, since) => since.map_or(NOW, |since| since.min(NOW)),
    };
    // A key that was created earlier than it was last used, by what a request states.
    let last_use = last_used.or(unused_since.filter(|since| *since > created_at));
    Key {
        arn: line.arn.clone(),
        born: Revision(3),
        created_at,
        description: "".into(),
        spec: line.spec,
        usage: line.usage,
        origin: line.origin,
        state: line.state,
        multi_region: line.multi_region,
        manager: line.manager,
        tags: line.tags.clone(),
        policy: Arc::clone(&line.policy),
        bindings: Arc::default(),
        deletion: pending(line.state),
        custom_key_store: None,
        last_use: last_use.map(|at| KeyUse {
            operation: UsageOperation::Decrypt,
            at,
            request_id: None,
        }),
    }
}

/// A key that is pending deletion in a case has its whole waiting period before it.
fn pending(state: KeyState) -> Option<Deletion> {
    let waiting = Deletion {
        window_days: DELETION_WINDOW_DAYS_MAX,
        due: None,
        was: KeyState::Enabled,
    };
    match state {
        KeyState::PendingDeletion => Some(waiting.begun(NOW)),
        KeyState::PendingReplicaDeletion => Some(waiting),
        _ => None,
    }
}

fn grant_principal<'a>(
    text: &str,
    path: &str,
    principals: impl Iterator<Item = &'a PrincipalArn>,
) -> Result<GrantPrincipal, Problem> {
    if !text.starts_with("arn:") {
        return text
            .parse()
            .map(GrantPrincipal::Service)
            .map_err(|error| Problem::at(path, format!("{error}")));
    }
    let arn: PrincipalArn = text
        .parse()
        .map_err(|error| Problem::at(path, format!("{error}")))?;
    let unique_id = match arn.kind() {
        PrincipalKind::AssumedRole { .. } => {
            role_of(&arn, principals).map_or_else(|| UniqueId::of_account(arn.account()), unique_id)
        }
        _ => unique_id(&arn),
    };
    Ok(GrantPrincipal::Arn { arn, unique_id })
}

fn grant<'a>(
    symbol: &str,
    line: &GrantLine,
    key: &KeyArn,
    principals: impl Iterator<Item = &'a PrincipalArn> + Clone,
) -> Result<Grant, Problem> {
    let named = |text: &str, name: &str| {
        grant_principal(text, &format!("{}.{name}", line.path), principals.clone())
    };
    let retiring = line.retiring.as_deref();
    Ok(Grant {
        id: GrantId(*blake3::hash(symbol.as_bytes()).as_bytes()),
        key: key.clone(),
        grantee: named(&line.grantee, "grantee")?,
        retiring: retiring.map(|text| named(text, "retiring")).transpose()?,
        operations: line.operations,
        constraints: line.constraints.clone(),
        name: line.name.clone(),
        issuing_account: line.issuing_account,
        created_at: NOW,
        born: Revision(5),
        spent: 0,
        ancestors: Vec::new(),
        epoch: 1,
    })
}

/// One of the grants of `grant_count`: it concerns nobody.
fn unrelated_grant(n: u64, key: &KeyArn) -> Grant {
    let arn = PrincipalArn::root_of(key.partition, key.account);
    let mut bytes = key.to_string().into_bytes();
    bytes.extend(n.to_le_bytes());
    Grant {
        id: GrantId(*blake3::hash(&bytes).as_bytes()),
        key: key.clone(),
        grantee: GrantPrincipal::Arn {
            unique_id: unique_id(&arn),
            arn,
        },
        retiring: None,
        operations: GrantOperations::from_iter([GrantOperation::Sign]),
        constraints: GrantConstraints::default(),
        name: None,
        issuing_account: key.account,
        created_at: NOW,
        born: Revision(5),
        spent: 0,
        ancestors: Vec::new(),
        epoch: 1,
    }
}
