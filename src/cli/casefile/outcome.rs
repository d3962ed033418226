//! What happened to a request, as plain words, and whether it is what the case expects.
//!
//! The comparison knows the words of the case file and nothing of how a decision is made. Never: an expectation that
//! is not looked at.

use serde_json::{Value, json};

use super::model::{Assert, Expected, ExpectedBy};
use super::world::World;
use crate::domain::authz::decision::{Decision, Outcome, StatementRef};
use crate::domain::authz::resolve::Unresolved;
use crate::domain::op::Rejection;

/// What happened to a request.
#[derive(Clone, Debug)]
pub enum Happened {
    /// It was carried out, or would be allowed.
    Allowed {
        /// The answer's members, as AWS names them.
        answer: Value,
        /// What decided, where a decision was asked for.
        decision: Option<Box<Decision>>,
    },
    /// A policy or its absence stood in the way.
    Denied {
        /// What decided; absent where policies are not asked.
        decision: Option<Box<Decision>>,
        /// AWS's sentence (M-1).
        message: String,
    },
    /// Anything else.
    Refused {
        /// The exception.
        code: String,
        /// Its text.
        message: String,
    },
}

impl Happened {
    /// A decision as what happens to a pure question.
    pub fn decided(decision: Decision) -> Self {
        if decision.is_allow() {
            return Self::Allowed {
                answer: Value::Null,
                decision: Some(Box::new(decision)),
            };
        }
        let message = decision.message();
        Self::Denied {
            decision: Some(Box::new(decision)),
            message,
        }
    }

    /// An operation's answer.
    pub const fn answered(answer: Value) -> Self {
        Self::Allowed {
            answer,
            decision: None,
        }
    }

    /// A request of a form that cannot be.
    pub fn shape(message: &str) -> Self {
        Self::Refused {
            code: "ValidationException".into(),
            message: message.into(),
        }
    }

    /// A key that is not there (ID-1 to ID-9).
    pub fn unresolved(why: &Unresolved) -> Self {
        let code = if why.is_malformed_arn() {
            "InvalidArnException"
        } else {
            "NotFoundException"
        };
        Self::Refused {
            code: code.into(),
            message: why.to_string(),
        }
    }

    /// An operation's no.
    pub fn rejected(rejection: Rejection) -> Self {
        let Rejection {
            code,
            message,
            decision,
            help: _, // of an explanation, not of what AWS says
        } = rejection;
        if code.as_str() == "AccessDeniedException" {
            return Self::Denied {
                decision,
                message: message.to_string(),
            };
        }
        Self::Refused {
            code: code.as_str().to_owned(),
            message: message.to_string(),
        }
    }

    /// Whether it was done, or would have been if it were not a dry run (G-20).
    pub fn succeeded(&self) -> bool {
        match self {
            Self::Allowed { .. } => true,
            Self::Denied { .. } => false,
            Self::Refused { code, .. } => code == "DryRunOperationException",
        }
    }

    /// The decision behind it.
    pub fn decision(&self) -> Option<&Decision> {
        match self {
            Self::Allowed { decision, .. } | Self::Denied { decision, .. } => decision.as_deref(),
            Self::Refused { .. } => None,
        }
    }
}

/// What happened in the words of a case file.
#[derive(Clone, Debug)]
pub struct Got {
    /// `allow`, `explicit_deny`, `implicit_deny` or `error`.
    pub decision: &'static str,
    /// The exception.
    pub code: Option<String>,
    /// Its text; empty for an allow.
    pub message: String,
    /// The type of what decided.
    pub kind: Option<String>,
    /// The Sids of the statements that decided: two where two policies are needed.
    pub sids: Vec<String>,
    /// The symbolic grant that decided.
    pub grant: Option<String>,
    /// Why, in one sentence.
    pub why: String,
}

impl Got {
    /// What happened, told.
    pub fn of(world: &World, happened: &Happened) -> Self {
        let (decision, code, message) = match happened {
            Happened::Allowed { .. } => ("allow", None, String::new()),
            Happened::Denied { decision, message } => {
                let kind = match decision.as_deref().map(Decision::outcome) {
                    Some(Outcome::ExplicitDeny) => "explicit_deny",
                    _ => "implicit_deny",
                };
                (
                    kind,
                    Some("AccessDeniedException".to_owned()),
                    message.clone(),
                )
            }
            Happened::Refused { code, message } => ("error", Some(code.clone()), message.clone()),
        };
        let by = happened.decision().and_then(Decision::decided_by);
        let sid = |statement: &Option<StatementRef>| {
            statement
                .as_ref()
                .and_then(|statement| statement.sid.as_ref())
                .map(ToString::to_string)
        };
        let kind = by.map(|by| by.source.as_str().to_owned());
        let needs_both = kind.as_deref().is_some_and(|kind| kind.contains('+'));
        let sids = by.map_or_else(Vec::new, |by| {
            let enabling = if needs_both {
                sid(&by.enabled_by)
            } else {
                None
            };
            sid(&by.statement).into_iter().chain(enabling).collect()
        });
        let grant = by.and_then(|by| by.grant).map(|id| {
            let symbol = world.grants.get(&id).cloned();
            symbol.unwrap_or_else(|| id.to_string())
        });
        let why = happened
            .decision()
            .map_or_else(|| message.clone(), ToString::to_string);
        Self {
            decision,
            code,
            message,
            kind,
            sids,
            grant,
            why,
        }
    }

    /// Whether it says `message` and, behind it, where in a policy the fault is.
    fn adds_a_place_to(&self, message: &str) -> bool {
        let added = self.message.strip_prefix(message).unwrap_or_default();
        self.code.as_deref() == Some("MalformedPolicyDocumentException")
            && (added.starts_with(" (line ") || added.starts_with(" Statement "))
    }

    /// In one line.
    pub fn line(&self) -> String {
        let mut line = self.decision.to_owned();
        if let (Some(code), "error") = (&self.code, self.decision) {
            line.push_str(&format!(" {code}"));
        }
        if let Some(kind) = &self.kind {
            line.push_str(&format!(" by {kind}"));
        }
        for sid in &self.sids {
            line.push_str(&format!(" sid {sid}"));
        }
        if let Some(grant) = &self.grant {
            line.push_str(&format!(" grant {grant}"));
        }
        if !self.message.is_empty() {
            line.push_str(&format!(": {}", self.message));
        }
        line
    }
}

/// What was expected, in one line.
pub fn line(expected: &Expected) -> String {
    let mut line = expected.decision.clone();
    if !expected.error_codes.is_empty() {
        line.push_str(&format!(" {}", expected.error_codes.join(" or ")));
    }
    if let Some(ExpectedBy { kind, sid, id }) = &expected.decided_by {
        for (name, value) in [(" by", kind), (" sid", sid), (" grant", id)] {
            if let Some(value) = value {
                line.push_str(&format!("{name} {value}"));
            }
        }
    }
    if let Some(message) = &expected.message {
        line.push_str(&format!(": {message}"));
    }
    if let Some(prefix) = &expected.message_prefix {
        line.push_str(&format!(": {prefix}…"));
    }
    line
}

/// Whether what happened is what is expected; what differs otherwise.
pub fn compare(expected: &Expected, got: &Got) -> Result<(), String> {
    let Expected {
        decision,
        decided_by,
        error_codes,
        message,
        message_prefix,
    } = expected;
    let names_code = |code: &str| {
        error_codes
            .iter()
            .any(|wanted| wanted == code || wanted == "*")
    };
    let is_denied = got.decision.ends_with("_deny");
    let fits = match decision.as_str() {
        "deny" => is_denied,
        // A denial is an error too, where its code is one of those expected.
        "error" => got.decision == "error" || (is_denied && names_code("AccessDeniedException")),
        wanted => got.decision == wanted,
    };
    if !fits {
        return Err(format!("the decision is {}, not {decision}", got.decision));
    }
    if let Some(code) = got.code.as_deref()
        && got.decision == "error"
        && !error_codes.is_empty()
        && !names_code(code)
    {
        return Err(format!(
            "the code is {code}, not {}",
            error_codes.join(" or ")
        ));
    }
    if let Some(message) = message
        && *message != got.message
        && !got.adds_a_place_to(message)
    {
        return Err("the message is another one".into());
    }
    if let Some(prefix) = message_prefix
        && !got.message.starts_with(prefix)
    {
        return Err("the message begins otherwise".into());
    }
    let Some(ExpectedBy { kind, sid, id }) = decided_by else {
        return Ok(());
    };
    // A denial for want of an allow has nothing that decided it, and an operation that is carried out does not tell
    // what allowed it.
    let Some(found) = &got.kind else {
        return Ok(());
    };
    if let Some(kind) = kind
        && kind != found
    {
        return Err(format!("decided by another type of policy than {kind}"));
    }
    if let Some(sid) = sid
        && !got.sids.contains(sid)
    {
        return Err(format!("decided by another statement than `{sid}`"));
    }
    if let Some(id) = id
        && got.grant.as_ref() != Some(id)
    {
        return Err(format!("decided by another grant than `{id}`"));
    }
    Ok(())
}

/// Whether an assertion holds of an answer.
pub fn check(world: &World, assert: &Assert, answer: &Value, largest: usize) -> Result<(), String> {
    let entries = |name: &str| {
        answer
            .get(name)
            .and_then(Value::as_array)
            .cloned()
            .ok_or_else(|| format!("the answer has no list `{name}`"))
    };
    let member = |entry: &Value, name: &str| entry.get(name).cloned().unwrap_or(Value::Null);
    match assert {
        Assert::Eq(one, other) => {
            let (one, other) = (world.named(one), world.named(other));
            expect(one == other, || format!("{one} and {other} differ"))
        }
        Assert::Ne(one, other) => {
            let (one, other) = (world.named(one), world.named(other));
            expect(one != other, || format!("both are {one}"))
        }
        Assert::Count(name, wanted) => {
            let found = entries(name)?.len() as u64;
            expect(found == *wanted, || {
                format!("`{name}` has {found} entries, not {wanted}")
            })
        }
        Assert::Ids(list, name, wanted) => {
            let sorted = |values: Vec<Value>| {
                let mut texts: Vec<String> = values.iter().map(Value::to_string).collect();
                texts.sort();
                texts
            };
            let entries = entries(list)?;
            let found = sorted(entries.iter().map(|entry| member(entry, name)).collect());
            let wanted = sorted(wanted.iter().map(|id| world.named(id)).collect());
            expect(found == wanted, || {
                format!("`{list}` has {name} {found:?}, not {wanted:?}")
            })
        }
        Assert::Absent(list, name) => {
            let has = |entry: &Value| entry.get(name).is_some_and(|value| !value.is_null());
            expect(!entries(list)?.iter().any(has), || {
                format!("an entry of `{list}` has `{name}`")
            })
        }
        Assert::Value(name, wanted) => {
            let found = field(answer, name).unwrap_or(Value::Null);
            let wanted = world.named(wanted);
            expect(found == wanted, || {
                format!("`{name}` is {found}, not {wanted}")
            })
        }
        Assert::PageMax(wanted) => expect(largest as u64 <= *wanted, || {
            format!("a page has {largest} entries, more than {wanted}")
        }),
    }
}

fn expect(holds: bool, why: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(why()) }
}

/// A field of an answer; with dots, one of a structure in it.
pub fn field(answer: &Value, name: &str) -> Option<Value> {
    name.split('.')
        .try_fold(answer, |value, name| value.get(name))
        .filter(|value| !value.is_null())
        .cloned()
}

/// A grant in a listing, as AWS shows it (G-33).
pub fn grant_entry(grant: &crate::domain::op::ListedGrant) -> Value {
    use crate::domain::state::grant::{ContextConstraint, GrantPrincipal};
    let mut entry = json!({
        "KeyId": grant.key.to_string(),
        "GrantId": grant.id.to_string(),
        "IssuingAccount": format!("arn:{}:iam::{}:root", grant.key.partition, grant.issuing_account),
        "Operations": grant.operations.iter().map(|op| op.as_str()).collect::<Vec<_>>(),
    });
    let mut put = |name: &str, value: Value| {
        if let Some(members) = entry.as_object_mut() {
            members.insert(name.to_owned(), value);
        }
    };
    match &grant.grantee {
        // ID-18: who was deleted is shown by its immutable id.
        GrantPrincipal::Arn { unique_id, .. } if grant.is_grantee_gone => {
            put("GranteePrincipal", json!(unique_id.as_str()));
        }
        GrantPrincipal::Arn { arn, .. } => put("GranteePrincipal", json!(arn.as_str())),
        GrantPrincipal::Service(name) => put("GranteeServicePrincipal", json!(name.as_str())),
    }
    match &grant.retiring {
        Some(GrantPrincipal::Arn { unique_id, .. }) if grant.is_retiring_gone => {
            put("RetiringPrincipal", json!(unique_id.as_str()));
        }
        Some(GrantPrincipal::Arn { arn, .. }) => put("RetiringPrincipal", json!(arn.as_str())),
        Some(GrantPrincipal::Service(name)) => {
            put("RetiringServicePrincipal", json!(name.as_str()));
        }
        None => {}
    }
    if let Some(name) = &grant.name {
        put("Name", json!(&**name));
    }
    let mut constraints = serde_json::Map::new();
    let pairs = |pairs: &super::Pairs| -> Value {
        let pairs = pairs.iter();
        Value::Object(pairs.map(|(k, v)| (k.to_string(), json!(&**v))).collect())
    };
    match &grant.constraints.context {
        Some(ContextConstraint::Equals(all)) => {
            constraints.insert("EncryptionContextEquals".into(), pairs(all));
        }
        Some(ContextConstraint::Subset(all)) => {
            constraints.insert("EncryptionContextSubset".into(), pairs(all));
        }
        None => {}
    }
    if let Some(arn) = &grant.constraints.source_arn {
        constraints.insert("SourceArn".into(), json!(arn.as_str()));
    }
    if !constraints.is_empty() {
        put("Constraints", Value::Object(constraints));
    }
    entry
}

#[cfg(test)]
mod tests {
    use super::*;

    fn got(decision: &'static str) -> Got {
        Got {
            decision,
            code: None,
            message: String::new(),
            kind: None,
            sids: Vec::new(),
            grant: None,
            why: String::new(),
        }
    }

    fn wanted(decision: &str) -> Expected {
        Expected {
            decision: decision.into(),
            decided_by: None,
            error_codes: Vec::new(),
            message: None,
            message_prefix: None,
        }
    }

    #[test]
    fn every_expected_member_is_looked_at() {
        let by = |kind: Option<&str>, sid: Option<&str>, id: Option<&str>| Expected {
            decided_by: Some(ExpectedBy {
                kind: kind.map(Into::into),
                sid: sid.map(Into::into),
                id: id.map(Into::into),
            }),
            ..wanted("allow")
        };
        let allow = Got {
            kind: Some("grant".into()),
            sids: vec!["S".into()],
            grant: Some("g1".into()),
            ..got("allow")
        };
        assert!(compare(&by(Some("grant"), Some("S"), Some("g1")), &allow).is_ok());
        assert!(compare(&by(Some("key_policy"), None, None), &allow).is_err());
        assert!(compare(&by(None, Some("T"), None), &allow).is_err());
        assert!(compare(&by(None, None, Some("g2")), &allow).is_err());
        assert!(compare(&wanted("deny"), &allow).is_err());
        for (expected, found, fits) in [
            ("deny", "explicit_deny", true),
            ("deny", "implicit_deny", true),
            ("deny", "error", false),
            ("explicit_deny", "implicit_deny", false),
            ("error", "implicit_deny", false),
            ("error", "error", true),
            ("allow", "error", false),
        ] {
            assert_eq!(
                compare(&wanted(expected), &got(found)).is_ok(),
                fits,
                "{expected} {found}"
            );
        }
    }

    #[test]
    fn codes_and_messages_are_compared() {
        let error = Got {
            code: Some("DisabledException".into()),
            message: "k is disabled.".into(),
            ..got("error")
        };
        let with = |codes: &[&str], message: Option<&str>, prefix: Option<&str>| Expected {
            error_codes: codes.iter().map(|code| (*code).to_owned()).collect(),
            message: message.map(Into::into),
            message_prefix: prefix.map(Into::into),
            ..wanted("error")
        };
        assert!(
            compare(
                &with(&["X", "DisabledException"], None, Some("k is")),
                &error
            )
            .is_ok()
        );
        assert!(compare(&with(&["*"], Some("k is disabled."), None), &error).is_ok());
        assert!(compare(&with(&["X"], None, None), &error).is_err());
        assert!(compare(&with(&["*"], Some("other"), None), &error).is_err());
        assert!(compare(&with(&["*"], None, Some("other")), &error).is_err());
        let denied = Got {
            code: Some("AccessDeniedException".into()),
            ..got("implicit_deny")
        };
        assert!(compare(&with(&["*"], None, None), &denied).is_ok());
        assert!(compare(&with(&["DisabledException"], None, None), &denied).is_err());
    }
}
