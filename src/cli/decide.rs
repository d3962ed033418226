//! `grantd decide`: decides JSON lines offline, without a cluster.
//!
//! One line in, one line out, in order. A line that cannot be read is answered with its error, and the next one is
//! taken. Imports domain. Never: an input beyond its bound, a condition key that the line does not give.

use std::collections::BTreeMap;
use std::io::{self, BufRead, Read, Write};
use std::sync::Arc;

use clap::Args;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Exit;
use super::casefile::strict_json;
use super::common::{Common, OutputForm};
use super::error::CliError;
use crate::domain::authz::combine::{
    Endpoint, Evidence, Level, NamedPolicy, Object, Subject, combine,
};
use crate::domain::authz::decision::{Decision, Outcome};
use crate::domain::authz::explain::explain_evidence;
use crate::domain::ids::{
    AccountId, AliasArn, GrantId, KeyArn, KeyId, Partition, PrincipalArn, PrincipalKind,
    ServicePrincipal, UniqueId,
};
use crate::domain::policy::{
    Action, ActionTarget, Ask, ContextKey, ContextSource, ContextValue, DefaultIf, Folded,
    KmsAction, KnownKey, Policy, PolicyKind, Profile, ResourceName, Spellings, Who,
};
use crate::domain::state::grant::{
    ConstraintKeyCase, ContextConstraint, EncryptionContext, Grant, GrantConstraints,
    GrantOperation, GrantOperations, GrantPrincipal,
};
use crate::domain::time::{Revision, Timestamp};

/// Longest line: the policies of 20 levels at their largest, with room. A longer one is answered with an error.
const LINE_MAX: usize = 4 * 1024 * 1024;

/// How lines are answered.
#[derive(Args, Debug)]
pub struct DecideArgs {
    /// Tell why, as `grantd explain` does: a text for each line; with `--output json` as the member `explanation`
    #[arg(long)]
    explain: bool,
}

/// What is written for a line.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Form {
    /// Its answer.
    Answer,
    /// Its answer with the explanation in it.
    Explained,
    /// The explanation as a text.
    Text,
}

/// Answers standard input on standard output.
pub(super) fn run(common: &Common, args: &DecideArgs) -> Result<Exit, CliError> {
    let form = match (args.explain, common.output) {
        (false, _) => Form::Answer,
        (true, Some(OutputForm::Json)) => Form::Explained,
        (true, Some(OutputForm::Table) | None) => Form::Text,
    };
    answer_lines(io::stdin().lock(), io::stdout().lock(), form)
        .map_err(|e| CliError::new(format!("cannot go on deciding: {e}")))
}

/// Decides every line of `input`. [`Exit::Wrong`] if some line could not be read.
///
/// # Errors
/// Reading or writing failed.
pub fn decide_lines(input: impl BufRead, output: impl Write) -> io::Result<Exit> {
    answer_lines(input, output, Form::Answer)
}

fn answer_lines(mut input: impl BufRead, mut output: impl Write, form: Form) -> io::Result<Exit> {
    let mut exit = Exit::Success;
    let mut line = Vec::new();
    loop {
        line.clear();
        let mut bounded = (&mut input).take(LINE_MAX as u64 + 1);
        if bounded.read_until(b'\n', &mut line)? == 0 {
            break;
        }
        let is_whole = line.ends_with(b"\n");
        if is_whole {
            line.pop();
        } else if line.len() > LINE_MAX {
            skip_line(&mut input)?;
        }
        let answer = if line.len() > LINE_MAX {
            Answer::refused(
                Value::Null,
                format!("the line is longer than {LINE_MAX} bytes"),
            )
        } else if line.iter().all(u8::is_ascii_whitespace) {
            continue;
        } else {
            answer(&line, form)
        };
        if answer.error.is_some() {
            exit = Exit::Wrong;
        }
        let written = match form {
            Form::Answer | Form::Explained => serde_json::to_writer(&mut output, &answer)
                .map_err(io::Error::from)
                .and_then(|()| output.write_all(b"\n")),
            Form::Text => output.write_all(answer.text().as_bytes()),
        };
        match written {
            Ok(()) => {}
            // The reader had enough (`| head`): nobody misses the rest.
            Err(e) if e.kind() == io::ErrorKind::BrokenPipe => return Ok(exit),
            Err(e) => return Err(e),
        }
    }
    match output.flush() {
        Err(e) if e.kind() != io::ErrorKind::BrokenPipe => Err(e),
        Ok(()) | Err(_) => Ok(exit),
    }
}

fn skip_line(input: &mut impl BufRead) -> io::Result<()> {
    loop {
        let buffer = input.fill_buf()?;
        let (used, done) = match buffer.iter().position(|byte| *byte == b'\n') {
            Some(at) => (at + 1, true),
            None => (buffer.len(), buffer.is_empty()),
        };
        input.consume(used);
        if done {
            return Ok(());
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    id: Value,
    #[serde(skip_serializing_if = "Option::is_none")]
    decision: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    decided_by: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    /// Policies that a server would refuse to store, which are evaluated here all the same.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    explanation: Option<String>,
}

impl Answer {
    /// For people: which line it is, then why.
    fn text(&self) -> String {
        let id = match &self.id {
            Value::String(id) => id.clone(),
            other => other.to_string(),
        };
        let why = match (&self.explanation, &self.error) {
            (Some(explanation), _) => explanation.trim_end(),
            (None, Some(error)) => error,
            (None, None) => "",
        };
        let kind = if self.error.is_some() { "error: " } else { "" };
        let mut text = String::new();
        for warning in &self.warnings {
            text.push_str(&format!("{id}: warning: {warning}\n"));
        }
        text.push_str(&format!("{id}: {kind}{why}\n\n"));
        text
    }

    fn refused(id: Value, error: String) -> Self {
        Self {
            id,
            decision: None,
            decided_by: None,
            reason: None,
            error: Some(error),
            warnings: Vec::new(),
            explanation: None,
        }
    }
}

fn answer(line: &[u8], form: Form) -> Answer {
    let text = match std::str::from_utf8(line) {
        Ok(text) => text,
        Err(error) => return Answer::refused(Value::Null, format!("the line is no JSON: {error}")),
    };
    let value = match strict_json(text) {
        Ok(value) => value,
        Err(error) => {
            // One that is JSON after all, with a member that stands twice, is answered under its id.
            let id = serde_json::from_str(text)
                .ok()
                .and_then(|value: Value| value.get("id").cloned());
            return Answer::refused(id.unwrap_or_default(), error.to_string());
        }
    };
    let id = value.get("id").cloned().unwrap_or(Value::Null);
    let case: Case = match serde_json::from_value(value) {
        Ok(case) => case,
        Err(error) => return Answer::refused(id, format!("the line is no decision case: {error}")),
    };
    match decide(&case, form) {
        Ok((told, grant_names)) => {
            let Told {
                decision,
                explanation,
                warnings,
            } = told;
            let outcome = match decision.outcome() {
                Outcome::Allow => "allow",
                Outcome::ExplicitDeny => "explicitDeny",
                Outcome::ImplicitDeny => "implicitDeny",
            };
            let decided_by = decided_by(&decision, &grant_names);
            Answer {
                id,
                decision: Some(outcome),
                decided_by: Some(decided_by),
                reason: Some(decision.to_string()),
                error: None,
                warnings,
                explanation,
            }
        }
        Err(error) => Answer::refused(id, error),
    }
}

fn decided_by(decision: &Decision, grant_names: &BTreeMap<GrantId, String>) -> Value {
    let Some(by) = decision.decided_by() else {
        return Value::Null;
    };
    let mut members = serde_json::Map::new();
    members.insert("type".into(), by.source.as_str().into());
    if let Some(statement) = &by.statement {
        // Statements count from 1 for people, as in the API.
        members.insert("statement".into(), (statement.index + 1).into());
        if let Some(sid) = &statement.sid {
            members.insert("sid".into(), (**sid).into());
        }
        if let Some(policy) = &statement.policy {
            members.insert("policy".into(), (**policy).into());
        }
    }
    if let Some(name) = by.grant.as_ref().and_then(|grant| grant_names.get(grant)) {
        members.insert("id".into(), name.as_str().into());
    }
    if let Some(statement) = &by.enabled_by {
        let sid = statement.sid.as_deref().map_or(Value::Null, Into::into);
        members.insert(
            "enabledBy".into(),
            serde_json::json!({"statement": statement.index + 1, "sid": sid}),
        );
    }
    Value::Object(members)
}

/// A line. Members that it does not know (`expect`, `features`, …) are left alone.
#[derive(Deserialize)]
struct Case {
    request: RequestLine,
    #[serde(default)]
    policies: PoliciesLine,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RequestLine {
    principal: String,
    principal_entity: Option<String>,
    action: String,
    resource: String,
    resource_account: Option<String>,
    #[serde(default)]
    wildcard_only: bool,
    #[serde(default)]
    encryption_context: BTreeMap<String, String>,
    #[serde(default)]
    context: BTreeMap<String, ValueLine>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum ValueLine {
    One(ScalarLine),
    Many(Vec<ScalarLine>),
}

#[derive(Deserialize)]
#[serde(untagged)]
enum ScalarLine {
    Text(String),
    Bool(bool),
    Number(serde_json::Number),
}

impl ScalarLine {
    fn text(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Bool(truth) => truth.to_string(),
            Self::Number(number) => number.to_string(),
        }
    }
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct PoliciesLine {
    identity: Vec<IdentityLine>,
    key: Option<Value>,
    boundary: Option<Value>,
    session: Option<Value>,
    scps: Vec<Vec<Value>>,
    rcps: Vec<Vec<Value>>,
    grants: Vec<GrantLine>,
}

#[derive(Deserialize)]
struct IdentityLine {
    name: Option<String>,
    policy: Value,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct GrantLine {
    grant_id: String,
    grantee_principal: String,
    retiring_principal: Option<String>,
    operations: Vec<String>,
    #[serde(default)]
    constraints: Option<ConstraintsLine>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct ConstraintsLine {
    encryption_context_equals: BTreeMap<String, String>,
    encryption_context_subset: BTreeMap<String, String>,
    source_arn: Option<String>,
}

/// The condition keys of a line, and no others but the defaults of the action's parameters (CK-57).
struct LineContext {
    values: BTreeMap<ContextKey, LineValue>,
    action: Option<KmsAction>,
}

enum LineValue {
    One(String),
    Many(Vec<String>),
    /// Of a tag or a pair, by the name as it was written (CK-59).
    Pairs(Folded, BTreeMap<Arc<str>, Arc<str>>),
}

impl ContextSource for LineContext {
    fn get<'a>(&'a self, key: &'a ContextKey) -> Option<ContextValue<'a>> {
        if let Some(value) = self.values.get(key) {
            return match value {
                LineValue::One(text) => Some(ContextValue::text(text)),
                LineValue::Many(texts) => Some(ContextValue::Many(texts)),
                LineValue::Pairs(name, pairs) => Spellings::find(pairs, name),
            };
        }
        match key {
            ContextKey::Known(known) => known
                .default_for(self.action?, |what| match what {
                    DefaultIf::NotSaid => true,
                    // What the key decides is the line's to say: it tells of no key.
                    DefaultIf::Symmetric => false,
                    DefaultIf::ValidTo => {
                        let key = ContextKey::Known(KnownKey::ValidTo);
                        self.values.contains_key(&key)
                    }
                })
                .map(ContextValue::One),
            ContextKey::PrincipalTag(_)
            | ContextKey::ResourceTag(_)
            | ContextKey::RequestTag(_)
            | ContextKey::IamResourceTag(_)
            | ContextKey::EncryptionContext(_)
            | ContextKey::Pcr(_)
            | ContextKey::NitroTpmPcr(_)
            | ContextKey::Other(_) => None,
        }
    }
}

/// The caller of a line, owned.
enum Principal {
    Root(PrincipalArn),
    User(PrincipalArn),
    Session {
        session: PrincipalArn,
        role: PrincipalArn,
        /// A line says which roles there are, not who made them: here the path counts (D-18).
        service: Option<ServicePrincipal>,
    },
    Federated {
        arn: PrincipalArn,
        by: Option<PrincipalArn>,
    },
    Service(ServicePrincipal),
}

impl Principal {
    fn read(request: &RequestLine) -> Result<Self, String> {
        let text = &request.principal;
        let entity = request.principal_entity.as_deref();
        let is_itself = entity.is_none_or(|entity| entity == text);
        let only_itself = |who: &str| {
            let why = format!(
                "request.principalEntity: the caller is {who}, behind whom there is no other principal"
            );
            if is_itself { Ok(()) } else { Err(why) }
        };
        if !text.starts_with("arn:") {
            only_itself("a service")?;
            return text
                .parse()
                .map(Self::Service)
                .map_err(|error| format!("request.principal: {error}"));
        }
        let arn: PrincipalArn = text
            .parse()
            .map_err(|error| format!("request.principal: {error}"))?;
        let entity = match entity {
            Some(text) => Some(
                text.parse::<PrincipalArn>()
                    .map_err(|error| format!("request.principalEntity: {error}"))?,
            ),
            None => None,
        };
        let of_account = |entity: &PrincipalArn| entity.account() == arn.account();
        Ok(match arn.kind() {
            PrincipalKind::Root => {
                only_itself("a root user")?;
                Self::Root(arn)
            }
            PrincipalKind::User { .. } => {
                only_itself("a user")?;
                Self::User(arn)
            }
            // A role by itself: any session of it.
            PrincipalKind::Role { .. } => {
                only_itself("a role")?;
                Self::session(arn.clone(), arn)
            }
            PrincipalKind::AssumedRole { role: named, .. } => {
                // ID-19: a session's ARN has lost the role's path, so the role cannot be made up from it.
                let role =
                    entity.ok_or("request.principalEntity: a session needs the ARN of its role")?;
                let fits = match role.kind() {
                    PrincipalKind::Role { name, .. } => name == named && of_account(&role),
                    _ => false,
                };
                if !fits {
                    return Err(format!(
                        "request.principalEntity: `{arn}` is no session of `{role}`"
                    ));
                }
                Self::session(arn, role)
            }
            PrincipalKind::FederatedUser { .. } => {
                let by = entity.filter(|_| !is_itself);
                let fits = |by: &PrincipalArn| {
                    matches!(by.kind(), PrincipalKind::User { .. }) && of_account(by)
                };
                match by {
                    Some(by) if !fits(&by) => {
                        return Err(format!(
                            "request.principalEntity: `{by}` is no user of account {}",
                            arn.account()
                        ));
                    }
                    by => Self::Federated { arn, by },
                }
            }
        })
    }

    fn session(session: PrincipalArn, role: PrincipalArn) -> Self {
        Self::Session {
            service: role.service_of_path(),
            session,
            role,
        }
    }

    /// Refuses policies that such a caller cannot have: left out, they would be taken for heeded.
    fn check_policies(&self, policies: &PoliciesLine) -> Result<(), String> {
        let has_session = match &policies.session {
            None => false,
            Some(Value::Array(values)) => !values.is_empty(),
            Some(_) => true,
        };
        let (who, has) = match self {
            // A root user with one is in a session of AssumeRoot (D-20).
            Self::Root(_) => ("a root user", [true, false, false]),
            Self::User(_) => ("a user", [false, true, true]),
            Self::Session { .. } | Self::Federated { .. } => ("a session", [true; 3]),
            Self::Service(_) => ("a service", [false; 3]),
        };
        let members = [
            ("session", has_session),
            ("boundary", policies.boundary.is_some()),
            ("identity", !policies.identity.is_empty()),
        ];
        let wrong = members
            .iter()
            .zip(has)
            .find(|((_, is_there), may_have)| *is_there && !may_have);
        match wrong {
            None => Ok(()),
            Some(((member, _), _)) => Err(format!(
                "policies.{member}: the caller is {who}, which has none"
            )),
        }
    }

    fn who(&self) -> Who<'_> {
        match self {
            Self::Root(root) => Who::Root {
                partition: root.partition(),
                account: root.account(),
            },
            Self::User(arn) => Who::User {
                arn,
                unique_id: None,
            },
            Self::Session {
                session,
                role,
                service,
            } => Who::RoleSession {
                session,
                role,
                unique_id: None,
                service: service.as_ref(),
            },
            Self::Federated { arn, by } => Who::FederatedUser {
                arn,
                federated_by: by.as_ref(),
                unique_id: None,
            },
            Self::Service(name) => Who::Service { name },
        }
    }
}

/// What is said of a line that can be decided.
struct Told {
    decision: Decision,
    explanation: Option<String>,
    warnings: Vec<String>,
}

fn decide(case: &Case, form: Form) -> Result<(Told, BTreeMap<GrantId, String>), String> {
    let Case { request, policies } = case;
    let principal = Principal::read(request)?;
    principal.check_policies(policies)?;
    let who = principal.who();
    let action = Action::parse(&request.action);
    let context = read_context(request, action.kms())?;

    let owner = owner(request, &who)?;
    let account_text = owner.to_string();
    let region = match context.get(&ContextKey::parse("aws:RequestedRegion")) {
        Some(ContextValue::One(value)) => value.into_text().into_owned(),
        Some(ContextValue::Many(_) | ContextValue::Spelled(_)) | None => "*".to_string(),
    };
    let service = request.action.split(':').next().unwrap_or_default();
    let has_no_resource = request.wildcard_only || request.resource == "*";
    let resource = if has_no_resource {
        ResourceName::none(partition(request), service, &region, &account_text)
    } else {
        ResourceName::arn(&request.resource).ok_or_else(|| {
            format!(
                "request.resource: `{}` is neither an ARN nor `*`",
                request.resource
            )
        })?
    };

    let key_policy = policies
        .key
        .as_ref()
        .map(|value| read_policy(value, PolicyKind::Key, "policies.key"))
        .transpose()?;
    let boundary = policies
        .boundary
        .as_ref()
        .map(|value| read_policy(value, PolicyKind::Boundary, "policies.boundary"))
        .transpose()?;
    let session = match &policies.session {
        None => Vec::new(),
        Some(Value::Array(values)) => {
            read_policies(values, PolicyKind::Session, "policies.session")?
        }
        Some(value) => vec![read_policy(value, PolicyKind::Session, "policies.session")?],
    };
    let mut identity = Vec::with_capacity(policies.identity.len());
    for (index, line) in policies.identity.iter().enumerate() {
        let place = format!("policies.identity[{index}]");
        let name: Option<Arc<str>> = line.name.as_deref().map(Into::into);
        identity.push((
            name,
            read_policy(&line.policy, PolicyKind::Identity, &place)?,
        ));
    }
    let scps = read_levels(&policies.scps, PolicyKind::ServiceControl, "policies.scps")?;
    let rcps = read_levels(&policies.rcps, PolicyKind::ResourceControl, "policies.rcps")?;

    let mut warnings = Vec::new();
    let mut warn = |place: &str, policy: &Policy| {
        warnings.extend(unstorable(place, policy));
    };
    if let Some(policy) = &key_policy {
        warn("policies.key", policy);
    }
    if let Some(policy) = &boundary {
        warn("policies.boundary", policy);
    }
    for policy in &session {
        warn("policies.session", policy);
    }
    for (index, (_, policy)) in identity.iter().enumerate() {
        warn(&format!("policies.identity[{index}]"), policy);
    }
    for (place, levels) in [("policies.scps", &scps), ("policies.rcps", &rcps)] {
        for (index, level) in levels.iter().enumerate() {
            for (_, policy) in level {
                warn(&format!("{place}[{index}]"), policy);
            }
        }
    }

    let is_on_key = !has_no_resource
        && resource.tail().starts_with("key/")
        && action
            .kms()
            .is_some_and(|action| action.target() != ActionTarget::None);
    let object = if is_on_key {
        Object::Key {
            owner,
            policy: key_policy.as_deref(),
            bindings: None,
            is_aws_managed: false,
        }
    } else {
        Object::Other { owner }
    };
    let (mut grants, grant_names) = read_grants(&policies.grants, owner, request)?;
    let encryption_context = pairs(&request.encryption_context);
    let new_grant = match new_grant(&context, &encryption_context) {
        NewGrant::Unsaid => None,
        NewGrant::Said(operations, constraints) => Some((operations, constraints)),
        NewGrant::Impossible => {
            grants.retain(|grant| !grant.operations.contains(GrantOperation::CreateGrant));
            None
        }
    };

    let evidence = Evidence {
        ask: Ask {
            action: &action,
            resource,
            who,
            has_boundary: boundary.is_some(),
            context: &context,
            profile: Profile::Current,
        },
        resource: (!has_no_resource).then_some(&request.resource),
        object,
        identity: || {
            identity.iter().map(|(name, policy)| NamedPolicy {
                name: name.as_ref(),
                group: None,
                policy,
            })
        },
        boundary: boundary.as_deref(),
        session: &session,
        service_control: &levels(&scps),
        resource_control: &levels(&rcps),
        endpoint: Endpoint::Open,
        grants: || grants.iter(),
        encryption_context: &encryption_context,
        constraint_key_case: ConstraintKeyCase::Sensitive,
        subject: new_grant
            .as_ref()
            .map_or(Subject::Nothing, |(operations, constraints)| {
                Subject::NewGrant {
                    operations: *operations,
                    constraints,
                }
            }),
    };
    let told = match form {
        Form::Answer => Told {
            decision: combine(&evidence),
            explanation: None,
            warnings,
        },
        Form::Explained | Form::Text => {
            // Grants of a line have no end: any time is as good.
            let told = explain_evidence(
                &evidence,
                grants.iter(),
                Vec::new(),
                Timestamp::from_millis(0),
            );
            Told {
                explanation: Some(told.to_string()),
                decision: told.decision,
                warnings,
            }
        }
    };
    Ok((told, grant_names))
}

/// What is told of a policy that a server would refuse to store.
fn unstorable(place: &str, policy: &Policy) -> Option<String> {
    let error = policy.unstorable()?;
    Some(format!(
        "{place}: a server would refuse to store this policy: {}",
        error.message()
    ))
}

/// The partition of a request without a resource: its caller's.
fn partition(request: &RequestLine) -> &str {
    let mut segments = request.principal.split(':');
    match (segments.next(), segments.next()) {
        (Some("arn"), Some(partition)) => partition,
        _ => Partition::Aws.as_str(),
    }
}

fn owner(request: &RequestLine, who: &Who<'_>) -> Result<AccountId, String> {
    if let Some(text) = &request.resource_account {
        return text
            .parse()
            .map_err(|error| format!("request.resourceAccount: {error}"));
    }
    ResourceName::arn(&request.resource)
        .and_then(|name| name.account().parse().ok())
        .or_else(|| who.account())
        .ok_or_else(|| {
            "request.resourceAccount: it is missing, and the resource's ARN has no account"
                .to_string()
        })
}

/// The condition keys of a line. Names that differ in letter case alone are one key (C-2): of pairs and tags each counts
/// (CK-59), of another key nobody can say which is meant.
fn read_context(request: &RequestLine, action: Option<KmsAction>) -> Result<LineContext, String> {
    let mut values: BTreeMap<ContextKey, LineValue> = BTreeMap::new();
    for (written, line) in &request.context {
        let key = ContextKey::parse(written);
        let folded = match &key {
            ContextKey::PrincipalTag(name)
            | ContextKey::ResourceTag(name)
            | ContextKey::RequestTag(name)
            | ContextKey::IamResourceTag(name)
            | ContextKey::EncryptionContext(name) => Some(name.clone()),
            ContextKey::Known(_)
            | ContextKey::Pcr(_)
            | ContextKey::NitroTpmPcr(_)
            | ContextKey::Other(_) => None,
        };
        let twice = || {
            format!(
                "request.context.{written}: the condition key is given twice in different letter case"
            )
        };
        match (folded, line) {
            (Some(folded), ValueLine::One(scalar)) => {
                let own = named_part(written, &key);
                let value = values
                    .entry(key)
                    .or_insert_with(|| LineValue::Pairs(folded, BTreeMap::new()));
                let LineValue::Pairs(_, pairs) = value else {
                    return Err(twice());
                };
                pairs.insert(own.into(), scalar.text().as_str().into());
            }
            (_, line) => {
                let value = match line {
                    ValueLine::One(scalar) => LineValue::One(scalar.text()),
                    ValueLine::Many(scalars) => {
                        LineValue::Many(scalars.iter().map(ScalarLine::text).collect())
                    }
                };
                if values.insert(key, value).is_some() {
                    return Err(twice());
                }
            }
        }
    }
    Ok(LineContext { values, action })
}

/// The part of a name that varies, as it was written: what follows the fixed part of its family.
fn named_part<'a>(written: &'a str, key: &ContextKey) -> &'a str {
    let fixed = key
        .row()
        .and_then(|row| row.name.split_once('<'))
        .map_or(0, |(fixed, _)| fixed.len());
    written.get(fixed..).unwrap_or(written)
}

fn read_policy(value: &Value, kind: PolicyKind, place: &str) -> Result<Arc<Policy>, String> {
    Policy::parse_unstored(&value.to_string(), kind).map_err(|error| format!("{place}: {error}"))
}

fn read_policies(
    values: &[Value],
    kind: PolicyKind,
    place: &str,
) -> Result<Vec<Arc<Policy>>, String> {
    let read = |(index, value)| read_policy(value, kind, &format!("{place}[{index}]"));
    values.iter().enumerate().map(read).collect()
}

/// The policies of one level, without names.
type ReadLevel = Vec<(Arc<str>, Arc<Policy>)>;

fn read_levels(
    levels: &[Vec<Value>],
    kind: PolicyKind,
    place: &str,
) -> Result<Vec<ReadLevel>, String> {
    let read = |(index, level): (usize, &Vec<Value>)| {
        let policies = read_policies(level, kind, &format!("{place}[{index}]"))?;
        Ok(policies
            .into_iter()
            .map(|policy| ("".into(), policy))
            .collect())
    };
    levels.iter().enumerate().map(read).collect()
}

/// Levels as the engine takes them: a line says neither where its policies are attached nor their names.
fn levels(read: &[ReadLevel]) -> Vec<Level<'_>> {
    let level = |policies| Level {
        node: None,
        policies,
    };
    read.iter().map(|policies| level(&**policies)).collect()
}

/// What a line's condition keys say of the grant that CreateGrant would make.
enum NewGrant {
    /// Nothing: the line asks about CreateGrant as such.
    Unsaid,
    /// Its operations and constraints.
    Said(GrantOperations, GrantConstraints),
    /// It would hold what no grant can hold, so no parent covers it.
    Impossible,
}

/// G-12, G-13: a parent grant must cover the new one, which `kms:GrantOperations`, `kms:GrantConstraintType` and
/// the line's encryption context describe (CK-7, CK-10, CK-12).
fn new_grant(context: &LineContext, pairs: &EncryptionContext) -> NewGrant {
    let texts = |key: KnownKey| match context.values.get(&ContextKey::Known(key)) {
        None | Some(LineValue::Pairs(..)) => &[],
        Some(LineValue::One(text)) => std::slice::from_ref(text),
        Some(LineValue::Many(texts)) => texts.as_slice(),
    };
    let operations = texts(KnownKey::GrantOperations);
    if operations.is_empty() {
        return NewGrant::Unsaid;
    }
    let read = operations.iter().map(|text| text.parse::<GrantOperation>());
    let Ok(operations) = read.collect::<Result<GrantOperations, _>>() else {
        return NewGrant::Impossible;
    };
    let constraint = match texts(KnownKey::GrantConstraintType) {
        [] => None,
        [text] if text == "EncryptionContextEquals" => {
            Some(ContextConstraint::Equals(pairs.clone().into()))
        }
        [text] if text == "EncryptionContextSubset" => {
            Some(ContextConstraint::Subset(pairs.clone().into()))
        }
        _ => return NewGrant::Impossible,
    };
    let constraints = GrantConstraints {
        context: constraint,
        ..GrantConstraints::default()
    };
    NewGrant::Said(operations, constraints)
}

type NamedGrants = (Vec<Grant>, BTreeMap<GrantId, String>);

fn read_grants(
    lines: &[GrantLine],
    owner: AccountId,
    request: &RequestLine,
) -> Result<NamedGrants, String> {
    let key: KeyArn = match request.resource.parse() {
        Ok(key) => key,
        Err(_) => {
            // Grants count on keys alone; one on anything else is harmless, but must name some key.
            let alias: Option<AliasArn> = request.resource.parse().ok();
            let region = alias.map(|alias| alias.region);
            let region = region.map_or_else(|| "us-east-1".parse(), Ok);
            let region = region.map_err(|error| format!("request.resource: {error}"))?;
            KeyArn {
                partition: Partition::Aws,
                region,
                account: owner,
                key_id: KeyId::Uuid([0; 16]),
            }
        }
    };
    let mut grants = Vec::with_capacity(lines.len());
    let mut names = BTreeMap::new();
    for (index, line) in lines.iter().enumerate() {
        let within = |error: String| format!("policies.grants[{index}]: {error}");
        let mut id = [0u8; 32];
        for (slot, byte) in id.iter_mut().rev().zip(index.to_le_bytes()) {
            *slot = byte;
        }
        names.insert(GrantId(id), line.grant_id.clone());
        let operations = line
            .operations
            .iter()
            .map(|text| {
                text.parse::<GrantOperation>()
                    .map_err(|_| within(format!("`{text}` is no operation that a grant may hold")))
            })
            .collect::<Result<_, _>>()?;
        grants.push(Grant {
            id: GrantId(id),
            key: key.clone(),
            grantee: read_grant_principal(&line.grantee_principal).map_err(within)?,
            retiring: line
                .retiring_principal
                .as_deref()
                .map(read_grant_principal)
                .transpose()
                .map_err(within)?,
            operations,
            constraints: read_constraints(line.constraints.as_ref()).map_err(within)?,
            name: None,
            issuing_account: owner,
            created_at: Timestamp::from_millis(0),
            born: Revision(0),
            spent: 0,
            ancestors: Vec::new(),
            epoch: 1,
        });
    }
    Ok((grants, names))
}

fn read_grant_principal(text: &str) -> Result<GrantPrincipal, String> {
    if !text.starts_with("arn:") {
        return text
            .parse()
            .map(GrantPrincipal::Service)
            .map_err(|error| error.to_string());
    }
    let arn: PrincipalArn = text
        .parse()
        .map_err(|error: crate::domain::ids::ParseIdError| error.to_string())?;
    // A line knows no immutable ids, and its callers carry none: names alone are compared.
    let unique_id = UniqueId::of_account(arn.account());
    Ok(GrantPrincipal::Arn { arn, unique_id })
}

fn read_constraints(line: Option<&ConstraintsLine>) -> Result<GrantConstraints, String> {
    let Some(ConstraintsLine {
        encryption_context_equals: equals,
        encryption_context_subset: subset,
        source_arn,
    }) = line
    else {
        return Ok(GrantConstraints::default());
    };
    // U-21: an empty map counts as absent.
    let context = match (equals.is_empty(), subset.is_empty()) {
        (true, true) => None,
        (false, true) => Some(ContextConstraint::Equals(pairs(equals).into())),
        (true, false) => Some(ContextConstraint::Subset(pairs(subset).into())),
        (false, false) => {
            return Err("more than one constraint on the encryption context".to_string());
        }
    };
    let source_arn = source_arn.as_deref().map(str::parse).transpose();
    Ok(GrantConstraints {
        context,
        source_arn: source_arn.map_err(|error| format!("sourceArn: {error}"))?,
        term: Default::default(),
    })
}

fn pairs(map: &BTreeMap<String, String>) -> EncryptionContext {
    map.iter()
        .map(|(key, value)| (key.as_str().into(), value.as_str().into()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(input: &str) -> (Exit, Vec<Value>) {
        let mut output = Vec::new();
        let exit = decide_lines(input.as_bytes(), &mut output).unwrap();
        let lines = String::from_utf8(output).unwrap();
        (
            exit,
            lines
                .lines()
                .map(|line| serde_json::from_str(line).unwrap())
                .collect(),
        )
    }

    const GOOD: &str = r#"{"id":"a","expect":"allow","features":[],"request":{"principal":"arn:aws:iam::111122223333:root","action":"kms:Decrypt","resource":"arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"},"policies":{"key":{"Version":"2012-10-17","Statement":{"Sid":"S","Effect":"Allow","Principal":{"AWS":"111122223333"},"Action":"kms:*","Resource":"*"}}}}"#;

    #[test]
    fn good_lines_are_decided_and_bad_ones_answered_with_their_error() {
        let bad_policy = GOOD.replace("\"a\"", "\"b\"").replace("Allow", "Perhaps");
        let (exit, lines) = run(&format!(
            "{GOOD}\nnot json\n\n{bad_policy}\n{{\"id\":7}}\n{GOOD}"
        ));
        assert_eq!(exit, Exit::Wrong);
        assert_eq!(lines.len(), 5);
        assert_eq!(lines[0]["decision"], "allow");
        assert_eq!(lines[0]["decidedBy"]["sid"], "S");
        assert!(lines[1]["error"].as_str().unwrap().contains("no JSON"));
        assert_eq!(lines[2]["id"], "b");
        assert!(
            lines[2]["error"]
                .as_str()
                .unwrap()
                .contains("policies.key: line 1, column")
        );
        assert_eq!(lines[3]["id"], 7);
        assert_eq!(lines[4]["decision"], "allow");
        assert_eq!(run(GOOD).0, Exit::Success);
    }

    /// Of two members with one name none wins in silence, at whatever depth.
    #[test]
    fn explanation_decides_as_the_answer_does() {
        let lines: String = include_str!("../../tests/decisions/decisions.jsonl")
            .lines()
            .step_by(9)
            .map(|line| format!("{line}\n"))
            .collect();
        let told = |form| {
            let mut output = Vec::new();
            answer_lines(lines.as_bytes(), &mut output, form).unwrap();
            String::from_utf8(output).unwrap()
        };
        let (plain, explained) = (told(Form::Answer), told(Form::Explained));
        assert_eq!(plain.lines().count(), explained.lines().count());
        for (plain, explained) in plain.lines().zip(explained.lines()) {
            let plain: Value = serde_json::from_str(plain).unwrap();
            let mut explained: Value = serde_json::from_str(explained).unwrap();
            let text = explained.as_object_mut().unwrap().remove("explanation");
            assert_eq!(plain, explained);
            let says = match plain["decision"].as_str() {
                Some("allow") => "ALLOW: ",
                Some("explicitDeny") => "EXPLICIT DENY: ",
                _ => "IMPLICIT DENY: ",
            };
            let text = text.unwrap_or_default();
            assert!(text.as_str().unwrap().starts_with(says), "{text}");
        }
        let text = told(Form::Text);
        assert!(
            text.starts_with("d-0001: EXPLICIT DENY: "),
            "{}",
            &text[..200]
        );
    }

    #[test]
    fn reader_that_had_enough_is_no_failure() {
        struct Closed;
        impl Write for Closed {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(io::ErrorKind::BrokenPipe.into())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        assert_eq!(decide_lines(&b"{}\n{}\n"[..], Closed).unwrap(), Exit::Wrong);
        assert_eq!(decide_lines(&b""[..], Closed).unwrap(), Exit::Success);
    }

    #[test]
    fn member_that_stands_twice_is_refused() {
        for (from, to) in [
            (r#""resource":"#, r#""resource":"*","resource":"#),
            (r#""Sid":"S","#, r#""Sid":"S","Sid":"S","#),
            (r#""request":"#, r#""request":{},"request":"#),
        ] {
            let twice = GOOD.replacen(from, to, 1);
            assert_ne!(twice, GOOD);
            let (exit, lines) = run(&twice);
            assert_eq!(exit, Exit::Wrong);
            assert_eq!(lines[0]["id"], "a");
            assert!(
                lines[0]["error"].as_str().unwrap().contains("twice"),
                "{}",
                lines[0]
            );
        }
    }

    #[test]
    fn line_beyond_the_bound_is_refused_and_the_next_one_taken() {
        let long = " ".repeat(LINE_MAX + 10);
        let (exit, lines) = run(&format!("{long}\n{GOOD}\n"));
        assert_eq!(exit, Exit::Wrong);
        assert!(lines[0]["error"].as_str().unwrap().contains("longer than"));
        assert_eq!(lines[1]["decision"], "allow");
    }

    /// G-12, G-13: the parent grant must cover the operations and the constraint of the grant to be made.
    #[test]
    fn create_grant_by_a_grant_is_allowed_only_within_the_parent() {
        let decision = |operations: &str, constraint: &str, parent: &str| {
            let line = format!(
                r#"{{"id":1,"request":{{"principal":"arn:aws:iam::111122223333:user/bob","action":"kms:CreateGrant","resource":"arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab","encryptionContext":{{"a":"1","b":"2"}},"context":{{"kms:GrantOperations":{operations}{constraint}}}}},"policies":{{"grants":[{{"grantId":"g","granteePrincipal":"arn:aws:iam::111122223333:user/bob","operations":["CreateGrant","Decrypt","Encrypt"],"constraints":{parent}}}]}}}}"#
            );
            run(&line).1[0]["decision"].as_str().map(str::to_string)
        };
        let allow = Some("allow".to_string());
        let deny = Some("implicitDeny".to_string());
        let subset = r#","kms:GrantConstraintType":"EncryptionContextSubset""#;
        let equals = r#","kms:GrantConstraintType":"EncryptionContextEquals""#;
        let within = r#"{"encryptionContextSubset":{"a":"1"}}"#;
        let same = r#"{"encryptionContextEquals":{"a":"1","b":"2"}}"#;
        assert_eq!(decision(r#"["Decrypt"]"#, "", "{}"), allow);
        assert_eq!(decision(r#"["Decrypt","CreateGrant"]"#, "", "{}"), allow);
        assert_eq!(decision(r#"["Decrypt","Sign"]"#, "", "{}"), deny);
        assert_eq!(decision(r#"["Decrypt","ListGrants"]"#, "", "{}"), deny);
        assert_eq!(decision(r#"["Decrypt"]"#, "", within), deny);
        assert_eq!(decision(r#"["Decrypt"]"#, subset, within), allow);
        assert_eq!(decision(r#"["Decrypt"]"#, equals, within), allow);
        assert_eq!(decision(r#"["Decrypt"]"#, subset, same), deny);
        assert_eq!(decision(r#"["Decrypt"]"#, equals, same), allow);
        assert_eq!(decision(r#"[]"#, "", within), allow);
    }

    /// P-12: a pattern of the whole account is matched in the caller's own partition.
    #[test]
    fn request_without_a_resource_is_of_the_callers_partition() {
        let decision = |partition: &str| {
            let line = format!(
                r#"{{"id":1,"request":{{"principal":"arn:aws-cn:iam::111122223333:user/bob","action":"kms:ListKeys","resource":"*","resourceAccount":"111122223333","wildcardOnly":true}},"policies":{{"identity":[{{"name":"p","policy":{{"Version":"2012-10-17","Statement":{{"Effect":"Allow","Action":"kms:ListKeys","Resource":"arn:{partition}:kms:*:111122223333:*"}}}}}}]}}}}"#
            );
            run(&line).1[0]["decision"].as_str().map(str::to_string)
        };
        assert_eq!(decision("aws-cn").as_deref(), Some("allow"));
        assert_eq!(decision("aws").as_deref(), Some("implicitDeny"));
    }

    const BOB_LINE: &str = r#"{"id":"a","request":{"principal":"arn:aws:iam::111122223333:user/bob","action":"kms:ACTION","resource":"arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab","context":CONTEXT},"policies":{"key":{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111122223333:user/bob"},"Action":"kms:*","Resource":"*"},{"Effect":"Deny","Principal":"*","Action":"kms:*","Resource":"*","Condition":CONDITION}]}}}"#;

    fn bob(action: &str, context: &str, condition: &str) -> Value {
        let line = BOB_LINE
            .replace("ACTION", action)
            .replace("CONTEXT", context)
            .replace("CONDITION", condition);
        run(&line).1.remove(0)
    }

    /// CK-59: pairs and tags whose names differ in letter case alone count each; another key that stands twice is an error.
    #[test]
    fn names_that_differ_in_letter_case_alone_count_each() {
        let torn =
            r#"{"kms:EncryptionContext:STAGE":"x","kms:EncryptionContext:stage":"Restricted"}"#;
        for (value, decision) in [
            ("Restricted", "explicitDeny"),
            ("x", "explicitDeny"),
            ("y", "allow"),
        ] {
            let condition =
                format!(r#"{{"StringEquals":{{"kms:EncryptionContext:Stage":"{value}"}}}}"#);
            assert_eq!(bob("Decrypt", torn, &condition)["decision"], decision);
        }
        let tags = r#"{"aws:RequestTag/A":"1","aws:RequestTag/a":"2"}"#;
        let condition = r#"{"StringEquals":{"aws:RequestTag/a":"1"}}"#;
        assert_eq!(
            bob("TagResource", tags, condition)["decision"],
            "explicitDeny"
        );
        let twice = r#"{"aws:UserAgent":"1","aws:useragent":"2"}"#;
        let answer = bob("Decrypt", twice, condition);
        assert!(
            answer["error"].as_str().unwrap().contains("twice"),
            "{answer}"
        );
    }

    /// CK-57: the default of a parameter that the line does not give; one that the key decides is the line's to give.
    #[test]
    fn parameter_that_a_line_does_not_give_has_its_default() {
        let window = r#"{"NumericLessThan":{"kms:ScheduleKeyDeletionPendingWindowInDays":"LESS"}}"#;
        let decision = |context: &str, less: &str| {
            bob(
                "ScheduleKeyDeletion",
                context,
                &window.replace("LESS", less),
            )["decision"]
                .clone()
        };
        assert_eq!(decision("{}", "30"), "allow");
        assert_eq!(decision("{}", "31"), "explicitDeny");
        let said = r#"{"kms:ScheduleKeyDeletionPendingWindowInDays":7}"#;
        assert_eq!(decision(said, "30"), "explicitDeny");
        let null = r#"{"Null":{"KEY":"false"}}"#;
        for (action, key, decision) in [
            ("Encrypt", "kms:EncryptionAlgorithm", "allow"),
            ("Sign", "kms:MessageType", "explicitDeny"),
            ("Decrypt", "kms:MessageType", "allow"),
            ("ImportKeyMaterial", "kms:ExpirationModel", "allow"),
            (
                "PutKeyPolicy",
                "kms:BypassPolicyLockoutSafetyCheck",
                "explicitDeny",
            ),
        ] {
            let answer = bob(action, "{}", &null.replace("KEY", key));
            assert_eq!(answer["decision"], decision, "{key}");
        }
    }

    /// U-19: a policy that a server would refuse to store is decided by and warned of.
    #[test]
    fn policy_that_would_not_be_stored_is_warned_of() {
        let condition = r#"{"StringEquals":{"kms:ResourceAliases":"alias/a"}}"#;
        let answer = bob("Decrypt", "{}", condition);
        assert_eq!(answer["decision"], "allow");
        let warning = answer["warnings"][0].as_str().unwrap();
        assert!(
            warning.starts_with(
                "policies.key: a server would refuse to store this policy: These condition keys"
            ),
            "{warning}"
        );
        let mut text = Vec::new();
        let line = BOB_LINE
            .replace("ACTION", "Decrypt")
            .replace("CONTEXT", "{}")
            .replace("CONDITION", condition);
        answer_lines(line.as_bytes(), &mut text, Form::Text).unwrap();
        assert!(
            String::from_utf8(text)
                .unwrap()
                .starts_with("a: warning: policies.key: ")
        );
        assert!(run(GOOD).1[0].get("warnings").is_none());
    }

    #[test]
    fn policy_beyond_the_quotas_of_storing_is_decided() {
        let condition = r#""Condition":{"StringEquals":{"aws:PrincipalTag/t":"€"}},"Action":"#;
        let line = GOOD.replace(r#""Action":"#, condition).replace(
            r#""action":"#,
            r#""context":{"aws:PrincipalTag/t":"€"},"action":"#,
        );
        assert_eq!(run(&line).1[0]["decision"], "allow");
    }

    /// D-18 to D-20: a line's role is linked to the service that its path names; policies and principals that its caller
    /// cannot have are refused, not left out.
    #[test]
    fn line_says_of_its_caller_only_what_it_can_have() {
        let line = |principal: &str, entity: &str, policies: &str| {
            let entity = match entity {
                "" => String::new(),
                entity => format!(r#","principalEntity":"{entity}""#),
            };
            let key = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"kms:Decrypt","Resource":"*"}]}"#;
            let line = format!(
                r#"{{"id":1,"request":{{"principal":"{principal}"{entity},"action":"kms:Decrypt","resource":"arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"}},"policies":{{"key":{key}{policies}}}}}"#
            );
            let answer = run(&line).1.remove(0);
            let text = |member: &str| answer[member].as_str().map(str::to_owned);
            text("decision").or(text("error")).unwrap()
        };
        let all = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}"#;
        let s3 = all.replace(r#""Action":"*""#, r#""Action":"s3:*""#);
        let session = format!(r#","session":{s3}"#);
        let (root, user) = (
            "arn:aws:iam::111122223333:root",
            "arn:aws:iam::111122223333:user/u",
        );
        let of = "arn:aws:sts::111122223333:assumed-role/R/s";
        let role = |path: &str| format!("arn:aws:iam::111122223333:role/{path}R");
        let fed = "arn:aws:sts::111122223333:federated-user/f";
        let denied = r#","scps":[[{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"*","Resource":"*"}]}]],"rcps":[[{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Principal":"*","Action":"*","Resource":"*"}]}]]"#;
        for (path, wanted) in [
            ("aws-service-role/a.amazonaws.com/", "allow"),
            ("aws-service-role/evil.example/", "explicitDeny"),
            ("", "explicitDeny"),
        ] {
            assert_eq!(line(of, &role(path), denied), wanted, "{path}");
            assert_eq!(line(&role(path), "", denied), wanted, "{path}");
        }
        assert_eq!(line(root, "", ""), "allow");
        assert_eq!(line(root, "", r#","session":[]"#), "allow");
        assert_eq!(line(root, "", &session), "implicitDeny");
        assert_eq!(line(root, "", &format!(r#","session":{all}"#)), "allow");
        assert_eq!(line(user, user, ""), "allow");
        assert_eq!(line(fed, user, &session), "allow");
        for (principal, entity, policies, error) in [
            (
                user,
                "",
                &*session,
                "policies.session: the caller is a user",
            ),
            (
                "a.amazonaws.com",
                "",
                &session,
                "policies.session: the caller is a service",
            ),
            (
                root,
                "",
                &format!(r#","boundary":{all}"#),
                "policies.boundary: the caller is a root user",
            ),
            (
                root,
                "",
                &format!(r#","identity":[{{"policy":{all}}}]"#),
                "policies.identity: the caller is a root user",
            ),
            (
                user,
                root,
                "",
                "request.principalEntity: the caller is a user",
            ),
            (
                root,
                user,
                "",
                "request.principalEntity: the caller is a root user",
            ),
            (
                of,
                &role("").replace("/R", "/S"),
                "",
                "request.principalEntity: `arn:aws:sts::111122223333:assumed-role/R/s` is no session of",
            ),
            (
                of,
                "arn:aws:iam::444455556666:role/R",
                "",
                "is no session of",
            ),
            (of, user, "", "is no session of"),
            (fed, &role(""), "", "is no user of account 111122223333"),
            (
                fed,
                "arn:aws:iam::444455556666:user/u",
                "",
                "is no user of account",
            ),
        ] {
            let told = line(principal, entity, policies);
            assert!(told.contains(error), "{told}");
        }
    }
}
