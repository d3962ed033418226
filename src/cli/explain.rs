//! `grantd explain`: why a request is decided as it is.

use serde_json::{Value, json};

use super::Exit;
use super::authorize::{AuthorizeArgs, ask, show_part, show_refusal, stands_in_the_way};
use super::common::{Common, Fallback, OutputForm};
use super::error::CliError;
use super::output::{Shown, object};
use super::style;
use crate::client::api;
use crate::client::api::explain_response as told;

pub(super) async fn run(common: &Common, args: &AuthorizeArgs) -> Result<Shown, CliError> {
    let mut common = common.clone();
    let question = ask(&mut common, args)?;
    let client = common.client(Fallback::Operator)?;
    let request = api::ExplainRequest {
        header: None,
        question: Some(question),
    };
    let answer = client.call(request).await?.answer;
    let decision = answer.decision.clone().unwrap_or_default();
    let exit = match decision.outcome() {
        api::Outcome::Allow if stands_in_the_way(answer.refusal.as_ref()) => Exit::Denied,
        api::Outcome::Allow => Exit::Success,
        api::Outcome::ExplicitDeny | api::Outcome::ImplicitDeny => Exit::Denied,
        api::Outcome::Unspecified => Exit::Wrong,
    };
    // Made for people: JSON only where it is asked for.
    let shown = match (&common.print, common.output) {
        (None, None | Some(OutputForm::Table)) => Shown::text(style::verdict(&answer.text)),
        (Some(_), _) | (None, Some(OutputForm::Json)) => {
            let value = object([
                ("Decision", json!(outcome(&decision))),
                ("Reason", json!(decision.why)),
                ("KeyArn", json!(answer.key_arn)),
                (
                    "Sections",
                    Value::Array(answer.sections.iter().map(section).collect()),
                ),
                (
                    "Nearest",
                    Value::Array(answer.nearest.iter().map(nearest).collect()),
                ),
                (
                    "Refusal",
                    answer.refusal.as_ref().map_or(Value::Null, show_refusal),
                ),
                ("Parts", parts(&answer.parts)),
            ]);
            Shown::answer(value, answer.header.as_ref())
        }
    };
    Ok(shown.exit(exit))
}

/// A decision's name, as `grantd authorize` prints it.
pub(super) fn outcome(decision: &api::Decision) -> &'static str {
    match decision.outcome() {
        api::Outcome::Allow => "allow",
        api::Outcome::ExplicitDeny => "explicitDeny",
        api::Outcome::ImplicitDeny => "implicitDeny",
        api::Outcome::Unspecified => "unknown",
    }
}

/// The parts of an operation; nothing of one that has one part.
fn parts(parts: &[told::Part]) -> Value {
    if parts.is_empty() {
        return Value::Null;
    }
    let part = |part: &told::Part| {
        let told::Part {
            decided,
            sections,
            nearest: near,
        } = part;
        let [action, resource, lockout, decision, reason] =
            show_part(&decided.clone().unwrap_or_default());
        object([
            action,
            resource,
            lockout,
            decision,
            reason,
            ("Sections", sections.iter().map(section).collect()),
            ("Nearest", near.iter().map(nearest).collect()),
        ])
    };
    parts.iter().map(part).collect()
}

fn section(section: &told::Section) -> Value {
    let told::Section {
        rules,
        title,
        says,
        lines,
        untold,
    } = section;
    object([
        ("Rules", json!(rules)),
        ("Title", json!(title)),
        ("Says", json!(says)),
        ("Lines", Value::Array(lines.iter().map(line).collect())),
        ("Untold", json!(untold)),
    ])
}

fn line(line: &told::Line) -> Value {
    let told::Line {
        rule,
        source,
        policy_name,
        statement,
        sid,
        grant_id,
        is_deny,
        applies,
        findings,
    } = line;
    let findings = findings.iter().map(|finding| {
        let told::Finding {
            rule,
            element,
            holds,
            wanted,
            found,
        } = finding;
        json!({ "Rule": rule, "Element": element, "Holds": holds, "Wanted": wanted, "Found": found })
    });
    object([
        ("Rule", json!(rule)),
        ("Source", json!(source)),
        ("PolicyName", json!(policy_name)),
        ("Statement", json!(statement)),
        ("Sid", json!(sid)),
        ("GrantId", json!(grant_id)),
        ("Effect", json!(if *is_deny { "Deny" } else { "Allow" })),
        ("Applies", json!(applies)),
        ("Findings", findings.collect()),
    ])
}

fn nearest(nearest: &told::Nearest) -> Value {
    let changes = nearest.changes.iter().map(|change| {
        let told::Change { rule, source, text } = change;
        json!({ "Rule": rule, "Source": source, "If": text })
    });
    changes.collect()
}
