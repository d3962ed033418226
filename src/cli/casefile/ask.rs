//! A request of a case as a question to the engine: caller, condition keys, target.
//!
//! Imports ids, policy, state, authz. What the server computes itself is left to it; what a front would add is added
//! here, as the rules on condition keys say (SPEC C.4).

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use super::model::{ContextLine, Request};
use super::outcome::Happened;
use super::read::{Node, Problem};
use super::schema::{context_line, read_constraints};
use super::sources;
use super::world::{NOW, World, federating_user, unique_id};
use crate::client::shape::{Violations, oversized_context};
use crate::domain::authz::authorize;
use crate::domain::authz::caller::{Caller, ContextEntry, Identity, RequestFacts};
use crate::domain::authz::decision::Decision;
use crate::domain::authz::explain::{Explanation, explain};
use crate::domain::authz::request::{self, About, Parameters, RequestTags, Target};
use crate::domain::authz::resolve::{AliasUse, Unresolved, resolve};
use crate::domain::ids::{AccountId, AliasArn, KeyArn, KeyRef, PrincipalArn, PrincipalKind};
use crate::domain::policy::{Action, KmsAction, KnownKey};
use crate::domain::state::Tags;
use crate::domain::state::grant::{
    ContextConstraint, GrantConstraints, GrantOperation, GrantOperations,
};
use crate::domain::state::grant_index::constraint_pairs;
use crate::domain::state::key::Key;
use crate::domain::time::Timestamp;

/// Either a problem of the case, or what happened to the request.
pub type Outcome<T> = Result<T, Stop>;

/// Why a request goes no further.
pub enum Stop {
    /// The case cannot be run.
    Problem(Problem),
    /// The request was refused.
    Happened(Happened),
}

impl From<Problem> for Stop {
    fn from(problem: Problem) -> Self {
        Self::Problem(problem)
    }
}

impl From<Happened> for Stop {
    fn from(happened: Happened) -> Self {
        Self::Happened(happened)
    }
}

/// The caller of a request.
pub fn caller(request: &Request) -> Result<Caller, Problem> {
    let at = |member: &str, why: String| Problem::at(format!("{}.{member}", request.path), why);
    let principal = &request.principal;
    let session_policy = request.session_policy.clone();
    let session_tags = request.session_tags.clone();
    let identity = if principal.starts_with("arn:") {
        let arn: PrincipalArn = principal
            .parse()
            .map_err(|error| at("principal", format!("{error}")))?;
        match arn.kind() {
            PrincipalKind::Root => {
                only(request, "a root user", &["session_policy"])?;
                check_root_session(request)?;
                Identity::Root {
                    account: arn.account(),
                    task_policy: session_policy,
                }
            }
            PrincipalKind::User { .. } => {
                only(request, "a user", &[])?;
                let unique_id = unique_id(&arn);
                Identity::User { arn, unique_id }
            }
            PrincipalKind::AssumedRole { role: named, .. } => {
                let members = ["session_of", "session_policy", "session_tags"];
                only(request, "a session of a role", &members)?;
                let role = request.session_of.clone().ok_or_else(|| {
                    at(
                        "principal",
                        "a session needs the ARN of its role: `session_of`".into(),
                    )
                })?;
                let fits = match role.kind() {
                    PrincipalKind::Role { name, .. } => name == named,
                    _ => false,
                };
                if !fits || role.account() != arn.account() {
                    let why = format!("`{arn}` is no session of `{role}`");
                    return Err(at("session_of", why));
                }
                let unique_id = unique_id(&role);
                Identity::RoleSession {
                    arn,
                    role,
                    unique_id,
                    session_policy,
                    session_tags,
                }
            }
            PrincipalKind::FederatedUser { .. } => {
                let members = ["federated_by", "session_policy", "session_tags"];
                only(request, "a federated user", &members)?;
                let federated_by = federating_user(request, &arn)?;
                let is_user = matches!(federated_by.kind(), PrincipalKind::User { .. });
                if !is_user || federated_by.account() != arn.account() {
                    let account = arn.account();
                    let why = format!("`{federated_by}` is no user of account {account}");
                    return Err(at("federated_by", why));
                }
                let unique_id = unique_id(&federated_by);
                Identity::FederatedUser {
                    arn,
                    federated_by,
                    unique_id,
                    session_policy,
                    session_tags,
                }
            }
            PrincipalKind::Role { .. } => {
                let why = "a role does not call by itself: name a session, and the role with `session_of`";
                return Err(at("principal", why.into()));
            }
        }
    } else {
        only(request, "a service", &[])?;
        let service = principal
            .parse()
            .map_err(|error| at("principal", format!("{error}")))?;
        Identity::Service(service)
    };
    let one = |text: &str| ContextEntry::Single(text.into());
    let mut context: BTreeMap<Arc<str>, ContextEntry> = BTreeMap::new();
    context.insert("aws:securetransport".into(), one("true"));
    for (key, line) in &request.context {
        // CK-52: the world holds it, as of every step.
        if is_unused_days(key) {
            continue;
        }
        // CK-59: pairs of the encryption context may differ in letter case alone, whoever states them.
        if pair_name(key).is_some() {
            continue;
        }
        let member = || format!("context.{key}");
        // C-2: two spellings are one key.
        let is_new = request
            .context
            .keys()
            .filter(|other| other.to_lowercase() == key.to_lowercase());
        if is_new.count() > 1 {
            let why = "the condition key is given twice in different letter case";
            return Err(at(&member(), why.into()));
        }
        context.insert(key.to_lowercase().into(), entry(line));
    }
    // CK-0: through a VPC endpoint there is no address, whichever key tells of the endpoint.
    let is_through_endpoint = request.endpoint_policy.is_some()
        || ["aws:sourcevpc", "aws:sourcevpce", "aws:vpcsourceip"]
            .iter()
            .any(|key| context.contains_key(*key));
    if !is_through_endpoint {
        let address = context.entry("aws:sourceip".into());
        address.or_insert_with(|| one("203.0.113.10"));
    }
    if let Some(endpoint) = sources::endpoint_id(request) {
        let endpoint = ContextEntry::Single(endpoint.as_str().into());
        context.insert("aws:sourcevpce".into(), endpoint);
    }
    Ok(Caller {
        identity,
        facts: RequestFacts {
            via_service: request.via_service.clone(),
            context,
        },
    })
}

fn is_unused_days(key: &str) -> bool {
    key.eq_ignore_ascii_case(KnownKey::TrailingDaysWithoutKeyUsage.name())
}

/// Since when the key of a request has not been used, where its context says for how many days it has not (CK-52).
pub fn unused_since(request: &Request) -> Result<Option<Timestamp>, Problem> {
    let mut lines = request.context.iter();
    let Some((key, line)) = lines.find(|(key, _)| is_unused_days(key)) else {
        return Ok(None);
    };
    let days: Option<u64> = match line {
        ContextLine::One(text) => text.parse().ok(),
        ContextLine::Many(_) => None,
    };
    let now = time_of(request)?.as_millis();
    let since = days
        .and_then(|days| days.checked_mul(Timestamp::DAY_MS))
        .and_then(|idle| now.checked_sub(idle));
    since
        .map(|since| Some(Timestamp::from_millis(since)))
        .ok_or_else(|| {
            let why = "want whole days without use, not from before 1970";
            Problem::at(format!("{}.context.{key}", request.path), why)
        })
}

/// The name of the pair of an encryption context that a condition key stands for, as it was written.
fn pair_name(key: &str) -> Option<&str> {
    const PREFIX: &str = "kms:EncryptionContext:";
    let (prefix, name) = key.split_at_checked(PREFIX.len())?;
    prefix.eq_ignore_ascii_case(PREFIX).then_some(name)
}

/// Refuses a member that says something of the caller which such a caller cannot have: left out, the case would pass
/// although a part of it was not run.
fn only(request: &Request, who: &str, meant: &[&str]) -> Result<(), Problem> {
    let members = [
        (
            "session_of",
            request.session_of.is_some(),
            "a session of a role",
        ),
        (
            "session_policy",
            request.session_policy.is_some(),
            "a session of a role, a federated user, or a root user in a session of AssumeRoot",
        ),
        (
            "session_tags",
            !request.session_tags.is_empty(),
            "a session of a role, or a federated user",
        ),
        (
            "federated_by",
            request.federated_by.is_some(),
            "a federated user",
        ),
    ];
    let wrong = members
        .iter()
        .find(|(member, is_there, _)| *is_there && !meant.contains(member));
    match wrong {
        None => Ok(()),
        Some((member, _, has)) => Err(Problem::at(
            format!("{}.{member}", request.path),
            format!("the caller is {who}, which has no `{member}`; {has} has one"),
        )),
    }
}

/// D-20: a root user with a session policy is in a session of AssumeRoot, and its context cannot say otherwise.
fn check_root_session(request: &Request) -> Result<(), Problem> {
    let mut stated = request.context.iter();
    let stated = stated.find(|(key, _)| key.eq_ignore_ascii_case("aws:AssumedRoot"));
    let is_denied = |line: &ContextLine| match line {
        ContextLine::One(text) => !text.eq_ignore_ascii_case("true"),
        ContextLine::Many(_) => true,
    };
    match stated {
        Some((key, line)) if request.session_policy.is_some() && is_denied(line) => {
            let why = "a root user has a session policy, its task policy, in a session of AssumeRoot alone, where this key is true";
            Err(Problem::at(format!("{}.context.{key}", request.path), why))
        }
        Some(_) | None => Ok(()),
    }
}

fn entry(line: &ContextLine) -> ContextEntry {
    match line {
        ContextLine::One(text) => ContextEntry::Single(Arc::clone(text)),
        ContextLine::Many(texts) => ContextEntry::Multi(texts.as_slice().into()),
    }
}

/// The condition keys of the parameters of an operation that is only asked about.
fn parameter_facts(action: &str, params: &Node<'_>, caller: &mut Caller) -> Result<(), Problem> {
    let context = &mut caller.facts.context;
    let mut add = |key: &str, value: ContextEntry| {
        context.insert(key.to_lowercase().into(), value);
    };
    for (name, value) in params.members()? {
        if value.value().is_null() {
            continue;
        }
        match (action, name) {
            ("CreateGrant", "Constraints") => {
                for kind in ["EncryptionContextEquals", "EncryptionContextSubset"] {
                    if !value.pairs(kind)?.is_empty() {
                        add("kms:GrantConstraintType", ContextEntry::Single(kind.into()));
                    }
                }
                if let Some(arn) = value.get("SourceArn") {
                    add(
                        "kms:GrantConstraintSourceArn",
                        ContextEntry::Single(arn.text()?.into()),
                    );
                }
            }
            // Tags are told by themselves.
            (_, "Tags" | "TagKeys") => {}
            (_, "Operations") => add("kms:GrantOperations", entry(&context_line(&value)?)),
            (_, "KeyPairSpec") => add("kms:DataKeyPairSpec", entry(&context_line(&value)?)),
            (_, "same_key") => add("kms:ReEncryptOnSameKey", entry(&context_line(&value)?)),
            (_, "PendingWindowInDays") => add(
                "kms:ScheduleKeyDeletionPendingWindowInDays",
                entry(&context_line(&value)?),
            ),
            ("CreateKey", "KeySpec" | "CustomerMasterKeySpec") => {
                add("kms:KeySpec", entry(&context_line(&value)?));
            }
            ("CreateKey", "MultiRegion") => add("kms:MultiRegion", entry(&context_line(&value)?)),
            ("ReEncryptFrom", "SourceEncryptionAlgorithm")
            | ("ReEncryptTo", "DestinationEncryptionAlgorithm") => {
                add("kms:EncryptionAlgorithm", entry(&context_line(&value)?));
            }
            // Of the data key that is asked for, not of the KMS key.
            (_, "KeySpec") => {}
            ("CreateKey", "Origin") => add("kms:KeyOrigin", entry(&context_line(&value)?)),
            // Members that are no condition keys: structures of their own.
            (_, "Policy" | "PolicyText" | "XksProxyAuthenticationCredential" | "Recipient") => {}
            (_, other) => match value.value() {
                Value::Object(_) => {}
                _ => add(&format!("kms:{other}"), entry(&context_line(&value)?)),
            },
        }
    }
    Ok(())
}

/// The tags that a request sets or removes.
enum TagsAsked {
    None,
    Set(Tags),
    Removed(Vec<Arc<str>>),
}

impl TagsAsked {
    fn read(params: &Node<'_>) -> Result<Self, Problem> {
        let has = |name: &str| params.get(name).is_some_and(|node| !node.value().is_null());
        if has("Tags") {
            return Ok(Self::Set(tag_list(params)?.into_iter().collect()));
        }
        if has("TagKeys") {
            let keys = params.texts("TagKeys")?;
            return Ok(Self::Removed(
                keys.iter().map(|key| key.as_str().into()).collect(),
            ));
        }
        Ok(Self::None)
    }

    fn as_asked(&self) -> RequestTags<'_> {
        match self {
            Self::None => RequestTags::Absent,
            Self::Set(tags) => RequestTags::Set(tags),
            Self::Removed(keys) => RequestTags::Removed(keys),
        }
    }
}

/// `Tags` of the API: a list of `TagKey` and `TagValue`.
pub fn tag_list(params: &Node<'_>) -> Result<super::PairList, Problem> {
    let tags = params.list("Tags")?;
    tags.iter()
        .map(|tag| {
            tag.only(&["TagKey", "TagValue"])?;
            let text = |name: &str| tag.need(name)?.text().map(Arc::from);
            Ok((text("TagKey")?, text("TagValue")?))
        })
        .collect()
}

/// `Operations` of a grant; `None` if one of them can stand in no grant (G-6).
pub fn operations(params: &Node<'_>) -> Result<Option<Vec<GrantOperation>>, Problem> {
    let texts = params.texts("Operations")?;
    Ok(texts.iter().map(|text| text.parse().ok()).collect())
}

/// `Constraints` of a grant.
pub fn constraints(params: &Node<'_>) -> Result<GrantConstraints, Problem> {
    params.get("Constraints").map_or_else(
        || Ok(GrantConstraints::default()),
        |node| read_constraints(&node),
    )
}

/// The time of a request: as its context says, for the server computes `aws:CurrentTime` itself.
pub fn time_of(request: &Request) -> Result<Timestamp, Problem> {
    let given = request
        .context
        .iter()
        .find(|(key, _)| key.eq_ignore_ascii_case("aws:CurrentTime"));
    let Some((key, line)) = given else {
        return epoch_of(request);
    };
    let text = match line {
        ContextLine::One(text) => &**text,
        ContextLine::Many(_) => "",
    };
    civil_millis(text)
        .map(Timestamp::from_millis)
        .ok_or_else(|| {
            let why = "want a time such as 2026-07-14T16:10:00Z, from 1970 on";
            Problem::at(format!("{}.context.{key}", request.path), why)
        })
}

/// The same, told as `aws:EpochTime`.
fn epoch_of(request: &Request) -> Result<Timestamp, Problem> {
    let mut lines = request.context.iter();
    let given = lines.find(|(key, _)| key.eq_ignore_ascii_case("aws:EpochTime"));
    let Some((key, line)) = given else {
        return Ok(NOW);
    };
    let seconds: Option<u64> = match line {
        ContextLine::One(text) => text.parse().ok(),
        ContextLine::Many(_) => None,
    };
    let millis = seconds.and_then(|seconds| seconds.checked_mul(1000));
    millis.map(Timestamp::from_millis).ok_or_else(|| {
        let why = "want whole seconds since 1970";
        Problem::at(format!("{}.context.{key}", request.path), why)
    })
}

/// `YYYY-MM-DD`, with `Thh:mm:ss` and `Z` or without: milliseconds since 1970.
pub fn civil_millis(text: &str) -> Option<u64> {
    let (date, time) = match text.split_once('T') {
        Some((date, time)) => (date, time.strip_suffix('Z')?),
        None => (text, "00:00:00"),
    };
    let number = |text: &str, digits: usize| -> Option<u64> {
        let plain = text.len() == digits && text.bytes().all(|byte| byte.is_ascii_digit());
        plain.then(|| text.parse().ok()).flatten()
    };
    let mut date = date.splitn(3, '-');
    let year = number(date.next()?, 4)?;
    let month = number(date.next()?, 2)?;
    let day = number(date.next()?, 2)?;
    let mut time = time.splitn(3, ':');
    let hour = number(time.next()?, 2)?;
    let minute = number(time.next()?, 2)?;
    let second = number(time.next()?, 2)?;
    let leap = |year: u64| {
        year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
    };
    let days_of = |month: u64, year: u64| match month {
        2 => 28 + u64::from(leap(year)),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    };
    let is_date =
        year >= 1970 && (1..=12).contains(&month) && (1..=days_of(month, year)).contains(&day);
    if !is_date || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let years: u64 = (1970..year).map(|year| 365 + u64::from(leap(year))).sum();
    let months: u64 = (1..month).map(|month| days_of(month, year)).sum();
    let days = years + months + day - 1;
    Some((((days * 24 + hour) * 60 + minute) * 60 + second) * 1000)
}

/// A key as a caller names it.
pub fn key_ref(text: Option<&str>) -> Outcome<KeyRef> {
    let Some(text) = text else {
        let mut violations = Violations::new();
        violations.missing("keyId");
        return Err(Happened::shape(&violations.message().unwrap_or_default()).into());
    };
    text.parse()
        .map_err(|error| Happened::unresolved(&Unresolved::from(&error)).into())
}

/// The resource that a case asks about, whatever key the request names.
enum Resource {
    Alias(AliasArn),
    Key(KeyArn),
    /// The retiring principal of ListRetirableGrants (G-34).
    Principal(PrincipalArn),
}

impl Resource {
    fn read(text: &str, path: &str) -> Result<Self, Problem> {
        let alias = text.parse().map(Self::Alias);
        alias
            .or_else(|_| text.parse().map(Self::Key))
            .or_else(|_| text.parse().map(Self::Principal))
            .map_err(|_| {
                let why = format!("`{text}` is the ARN of no alias, no key and no principal");
                Problem::at(format!("{path}.resource"), why)
            })
    }
}

/// A question to the engine, whole and owned.
pub struct Question {
    /// Who asks.
    pub caller: Caller,
    /// What.
    pub action: Action,
    /// On which key.
    pub key: Option<Arc<Key>>,
    /// The alias by which it was named, or that is meant itself.
    alias: Option<AliasArn>,
    named: Option<KeyRef>,
    retiring: Option<PrincipalArn>,
    account: AccountId,
    operations: GrantOperations,
    constraints: GrantConstraints,
    encryption_context: super::Pairs,
    retired: Option<Arc<crate::domain::state::grant::Grant>>,
    tags: TagsAsked,
    /// When.
    pub now: Timestamp,
}

impl Question {
    /// Reads a request as a question.
    pub fn of(world: &World, request: &Request) -> Outcome<Self> {
        let mut caller = caller(request)?;
        let params = request.params();
        parameter_facts(request.operation(), &params, &mut caller)?;
        let action = Action::parse(&request.action);
        let kms = action.kms().ok_or_else(|| {
            let why = format!("`{}` is no action of KMS", request.action);
            Problem::at(format!("{}.action", request.path), why)
        })?;
        let state = &world.state;
        let text = |name: &str| params.get(name).map(|node| node.text()).transpose();
        let grant_id = match &request.grant {
            Some(grant) => Some(grant.as_str()),
            None => text("GrantId")?,
        };
        let by_id = grant_id.and_then(|id| state.grants().get(&world.named_text(id).parse().ok()?));
        let tokens = text("GrantToken")?.into_iter();
        let by_token = tokens
            .chain(request.grant_tokens.iter().map(String::as_str))
            .find_map(|token| state.grants().get(&world.token(token)?.1));
        let retired = match kms {
            KmsAction::RetireGrant => by_id.or(by_token),
            _ => by_id,
        };
        let resource = request.resource.as_deref();
        let resource = resource.map(|text| Resource::read(text, &request.path));
        let resource = resource.transpose()?;
        let named = match (&resource, &request.key_id) {
            (Some(Resource::Key(arn)), _) => Some(KeyRef::KeyArn(arn.clone())),
            (_, Some(id)) => Some(key_ref(Some(id))?),
            (_, None) => retired.map(|grant| KeyRef::KeyArn(grant.key.clone())),
        };
        let account = match (caller.identity.account(), &named) {
            (Some(account), _) => account,
            // A service is in no account: a bare id names a key of the world.
            (None, named) => account_of_bare(world, named.as_ref())
                .ok_or_else(|| Problem::at(&request.path, "the world has no account"))?,
        };
        let key = match (kms.target(), &named) {
            (target, Some(named)) if target.is_key() => {
                let key = resolve(state, &world.scope, account, named, alias_use(kms));
                let key = match (key, kms, named) {
                    // ID-4: the ciphertext names the key, whosever it is.
                    (Err(why), KmsAction::Decrypt, KeyRef::Id(_)) => key_of_world(world, named)
                        .filter(|key| key.spec.is_symmetric())
                        .ok_or(why),
                    (key, ..) => key,
                };
                let key = key.map_err(|why| Happened::unresolved(&why))?;
                Some(Arc::clone(key))
            }
            _ => None,
        };
        let (alias, retiring) = match resource {
            Some(Resource::Alias(arn)) => (Some(arn), None),
            Some(Resource::Principal(arn)) => (None, Some(arn)),
            Some(Resource::Key(_)) | None => {
                let retiring = text("RetiringPrincipal")?;
                (None, retiring.and_then(|arn| arn.parse().ok()))
            }
        };
        // What no grant can hold no parent covers (G-12): asked for as if it were everything.
        let operations: GrantOperations = match operations(&params)? {
            Some(operations) => operations.into_iter().collect(),
            None => GrantOperation::ALL.iter().copied().collect(),
        };
        let constraints = constraints(&params)?;
        let mut encryption_context = match request.encryption_context.is_empty() {
            true => params.pairs("EncryptionContext")?,
            false => request.encryption_context.clone(),
        };
        check_context(&encryption_context)?;
        // CK-7: of RetireGrant, the pairs of the grant.
        if let (KmsAction::RetireGrant, true, Some(grant)) =
            (kms, encryption_context.is_empty(), retired)
        {
            encryption_context = constraint_pairs(grant.constraints.context.as_ref()).clone();
        }
        for (key, line) in &request.context {
            if let (Some(name), ContextLine::One(value)) = (pair_name(key), line) {
                encryption_context.insert(name.into(), Arc::clone(value));
            }
        }
        if let (
            KmsAction::CreateGrant,
            Some(ContextConstraint::Equals(pairs) | ContextConstraint::Subset(pairs)),
        ) = (kms, &constraints.context)
        {
            encryption_context = (**pairs).clone();
        }
        Ok(Self {
            retiring,
            now: time_of(request)?,
            retired: retired.map(Arc::clone),
            tags: TagsAsked::read(&params)?,
            caller,
            action,
            key,
            alias,
            named,
            account,
            operations,
            constraints,
            encryption_context,
        })
    }

    /// Whether an encryption context comes with it.
    pub fn has_context(&self) -> bool {
        !self.encryption_context.is_empty()
    }

    /// Another encryption context and another key: one half of ReEncrypt.
    pub fn half(self, action: KmsAction, key: Arc<Key>, pairs: super::Pairs) -> Self {
        Self {
            action: Action::Kms(action),
            key: Some(key),
            encryption_context: pairs,
            ..self
        }
    }

    /// The question as the engine takes it.
    pub fn request<'a>(&'a self, world: &'a World) -> request::Request<'a> {
        let target = match (&self.alias, &self.key) {
            (Some(alias), _) => Target::Alias(alias),
            (None, Some(key)) => Target::Key {
                key,
                alias: self.named.as_ref().and_then(KeyRef::alias),
            },
            (None, None) => match &self.retiring {
                Some(arn) if self.action.kms() == Some(KmsAction::ListRetirableGrants) => {
                    Target::Principal(arn)
                }
                _ => Target::Account(self.account),
            },
        };
        let about = match (self.action.kms(), &self.retired) {
            (Some(KmsAction::CreateGrant), _) => {
                About::NewGrant(&self.operations, &self.constraints)
            }
            (Some(KmsAction::RetireGrant), Some(grant)) => About::Retired(grant),
            _ => About::Nothing,
        };
        request::Request {
            caller: &self.caller,
            scope: &world.scope,
            action: self.action.clone(),
            target,
            encryption_context: &self.encryption_context,
            about,
            token_grants: &[],
            parameters: Parameters::Stated(self.tags.as_asked()),
            now: self.now,
        }
    }

    /// What it is asked of, where that has a name.
    pub fn resource(&self) -> Option<String> {
        match (&self.alias, &self.key) {
            (Some(alias), _) => Some(alias.to_string()),
            (None, Some(key)) => Some(key.arn.to_string()),
            (None, None) => self.retiring.as_ref().map(ToString::to_string),
        }
    }

    /// Why it says so.
    pub fn explain(&self, world: &World) -> Explanation {
        explain(&world.state, &self.request(world))
    }

    /// What the engine says.
    pub fn decide(&self, world: &World) -> Decision {
        authorize(&world.state, &self.request(world))
    }
}

/// Refuses an encryption context that is larger than a server takes.
pub fn check_context(pairs: &super::Pairs) -> Outcome<()> {
    match oversized_context(pairs.iter().map(|(key, value)| (&**key, &**value))) {
        None => Ok(()),
        Some(message) => Err(Happened::shape(&message).into()),
    }
}

/// The key of the world that a bare id means to somebody in none of its accounts, or to a ciphertext.
pub fn key_of_world<'a>(world: &'a World, named: &KeyRef) -> Option<&'a Arc<Key>> {
    let account = account_of_bare(world, Some(named))?;
    let (state, scope) = (&world.state, &world.scope);
    resolve(state, scope, account, named, AliasUse::Refused).ok()
}

/// The account of the key that a bare id or alias name means when the caller is in none; the first, if there is no such.
fn account_of_bare(world: &World, named: Option<&KeyRef>) -> Option<AccountId> {
    let accounts = || world.state.accounts(None).map(|account| account.id);
    let holds = |account: &AccountId| {
        named.is_some_and(|named| {
            resolve(
                &world.state,
                &world.scope,
                *account,
                named,
                AliasUse::Accepted,
            )
            .is_ok()
        })
    };
    accounts().find(holds).or_else(|| accounts().next())
}

const fn alias_use(action: KmsAction) -> AliasUse {
    if action.accepts_alias() {
        AliasUse::Accepted
    } else {
        AliasUse::Refused
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn civil_time_is_read_from_1970_on() {
        assert_eq!(civil_millis("1970-01-01"), Some(0));
        assert_eq!(civil_millis("2026-11-22T00:00:00Z"), Some(NOW.as_millis()));
        assert_eq!(civil_millis("2000-02-29T00:00:01Z"), Some(951_782_401_000));
        for bad in [
            "",
            "2026",
            "2026-13-01",
            "2026-02-29",
            "1969-12-31",
            "2026-01-01T24:00:00Z",
            "2026-01-01T00:00:00",
            "2026-01-01T00:00:0éZ",
        ] {
            assert_eq!(civil_millis(bad), None, "{bad}");
        }
    }
}
