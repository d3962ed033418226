//! `grantd what-if`: which answers changes would flip, without making them.

mod change;

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::Path;

use clap::Args;
use serde::Deserialize;
use serde_json::{Value, json};

use self::change::{ChangeLine, ControlKind, put_key_policy, revoke_grant};
use super::Exit;
use super::authorize::show_parts;
use super::common::{Common, Fallback, OutputForm};
use super::error::CliError;
use super::explain::outcome;
use super::input::{map, pair, read_policy, short};
use super::output::{Shown, object};
use crate::client::api;
use crate::client::api::proposed_change::Change;
use crate::client::api::what_if_response::{Flip, Side, side};
use crate::domain::limits::WHAT_IF_QUESTIONS_MAX;

/// Largest file of requests or of changes.
const FILE_MAX: u64 = 64 << 20;

/// Which answers would changes flip?
///
/// The changes are tried by the caller (`--as`) on a copy that is thrown away: who may make a change may ask what it would
/// do. They are tried in the order: --changes, then the options in the order of this help.
#[derive(Args, Debug)]
#[command(
    after_help = "Exit codes: 0 nothing flips, 1 some answers flip; others: no answer.\n\n\
A line of --requests: {\"principal\": ARN, \"session_of\": ROLE_ARN, \"action\": \"kms:Decrypt\", \"key\": KEY,\n\
\"encryption_context\": {…}, \"context\": {…}}; of an operation of several parts also \"alias\", \"to_region\", \"tags\",\n\
\"policy\", \"destination_key\", \"destination_context\". A line of --changes: {\"PutKeyPolicy\": {\"KeyId\": KEY, \"Policy\": {…}}}, and\n\
likewise, with the members of their requests:\n\
  keys           EnableKey, DisableKey, TagResource, UntagResource, ScheduleKeyDeletion, CancelKeyDeletion\n\
  aliases        CreateAlias, UpdateAlias, DeleteAlias\n\
  grants         CreateGrant, RevokeGrant\n\
  principals     PutPrincipalPolicy, DeletePrincipalPolicy, PutPrincipalPermissionsBoundary,\n\
                 DeletePrincipalPermissionsBoundary, TagPrincipal, UntagPrincipal, DeletePrincipal\n\
  groups         AddUserToGroup, RemoveUserFromGroup, PutGroupPolicy, DeleteGroupPolicy\n\
  organizations  PutControlPolicy, DeleteControlPolicy, MoveAccount, RemoveAccount\n\
  the operator's PutVpcEndpoint, DeleteVpcEndpoint, UpdateSettings\n\n\
Example:\n  grantd what-if --put-key-policy $KEY=new.json --requests requests.jsonl"
)]
pub struct WhatIfArgs {
    /// Changes as JSON lines
    #[arg(long, value_name = "FILE")]
    changes: Option<String>,
    /// The key had this policy
    #[arg(long, value_name = "KEY=POLICY", value_parser = pair)]
    put_key_policy: Vec<(String, String)>,
    /// The user or role had this identity policy
    #[arg(long, value_name = "ARN#NAME=POLICY", value_parser = pair)]
    put_policy: Vec<(String, String)>,
    /// The user or role had this identity policy no more
    #[arg(long, value_name = "ARN#NAME")]
    delete_policy: Vec<String>,
    /// The user or role had this permissions boundary
    #[arg(long, value_name = "ARN=POLICY", value_parser = pair)]
    put_boundary: Vec<(String, String)>,
    /// The group had this policy
    #[arg(long, value_name = "ARN#NAME=POLICY", value_parser = pair)]
    put_group_policy: Vec<(String, String)>,
    /// The user were in the group
    #[arg(long, value_name = "GROUP=USER", value_parser = pair)]
    add_to_group: Vec<(String, String)>,
    /// The user were in the group no more
    #[arg(long, value_name = "GROUP=USER", value_parser = pair)]
    remove_from_group: Vec<(String, String)>,
    /// The root, unit or account had this service control policy
    #[arg(long, value_name = "NODE#NAME=POLICY", value_parser = pair)]
    put_scp: Vec<(String, String)>,
    /// The root, unit or account had this resource control policy
    #[arg(long, value_name = "NODE#NAME=POLICY", value_parser = pair)]
    put_rcp: Vec<(String, String)>,
    /// The key were disabled
    #[arg(long, value_name = "KEY")]
    disable_key: Vec<String>,
    /// The grant were revoked
    #[arg(long, value_name = "KEY=GRANT_ID", value_parser = pair)]
    revoke_grant: Vec<(String, String)>,
    /// The alias were gone
    #[arg(long, value_name = "ALIAS")]
    delete_alias: Vec<String>,
    /// Requests as JSON lines; `-` is standard input
    #[arg(long, value_name = "FILE", required_unless_present = "principal")]
    requests: Option<String>,
    /// One request: whom it is about
    #[arg(
        long,
        value_name = "ARN",
        conflicts_with = "requests",
        requires = "action"
    )]
    principal: Option<String>,
    /// One request: what is to be done
    #[arg(long, conflicts_with = "requests")]
    action: Option<String>,
    /// One request: the key
    #[arg(long, conflicts_with = "requests")]
    key: Option<String>,
    /// One request: the alias of an alias operation, which must be allowed as well as the key
    #[arg(long, value_name = "ALIAS", conflicts_with = "requests")]
    alias: Option<String>,
    /// One request: a pair of the encryption context
    #[arg(long, value_name = "KEY=VALUE", value_parser = pair, conflicts_with = "requests")]
    encryption_context: Vec<(String, String)>,
}

pub(super) async fn run(common: &Common, args: &WhatIfArgs) -> Result<Shown, CliError> {
    if args.changes.as_deref() == Some("-") && args.requests.as_deref() == Some("-") {
        return Err(
            CliError::new("`--changes` and `--requests` cannot both be standard input")
                .help("put one of them into a file"),
        );
    }
    let changes = changes(args)?;
    if changes.is_empty() {
        return Err(CliError::new("no change is proposed")
            .help("propose some with `--changes` or `--put-key-policy`, `--revoke-grant`, …"));
    }
    let requests = requests(common, args)?;
    let client = common.client(Fallback::None)?;
    let (mut told, mut header) = (Vec::new(), None);
    for some in requests.chunks(WHAT_IF_QUESTIONS_MAX) {
        let request = api::WhatIfRequest {
            header: None,
            changes: changes.clone(),
            questions: some.iter().map(|(_, question)| question.clone()).collect(),
        };
        let answer = client.call(request).await?.answer;
        header = answer.header;
        if answer.flips.len() != some.len() {
            return Err(CliError::new(
                "the node answered another number of requests",
            ));
        }
        told.extend(some.iter().map(|(name, _)| name.clone()).zip(answer.flips));
    }
    let flips = told.iter().filter(|(_, flip)| flip.flips).count();
    let shown = match (&common.print, common.output) {
        (None, None | Some(OutputForm::Table)) => Shown::text(text(&told, flips)),
        (Some(_), _) | (None, Some(OutputForm::Json)) => {
            let value = object([
                ("Flips", json!(flips)),
                ("Requests", told.iter().map(show).collect()),
            ]);
            Shown::answer(value, header.as_ref())
        }
    };
    Ok(shown.exit(if flips == 0 {
        Exit::Success
    } else {
        Exit::Denied
    }))
}

fn text(told: &[(String, Flip)], flips: usize) -> String {
    let mut text = String::new();
    for (name, flip) in told.iter().filter(|(_, flip)| flip.flips) {
        let (before, _) = side_of(flip.before.as_ref());
        let (after, why) = side_of(flip.after.as_ref());
        text.push_str(&format!("{name}: {before} -> {after}\n    {why}\n"));
    }
    text.push_str(&format!("{flips} of {} answers flip\n", told.len()));
    text
}

fn show((name, flip): &(String, Flip)) -> Value {
    let side = |side: Option<&Side>| {
        let (decision, why) = side_of(side);
        let parts = side.map_or(&[][..], |side| &side.parts);
        object([
            ("Decision", json!(decision)),
            ("Reason", json!(why)),
            ("Parts", show_parts(parts)),
        ])
    };
    json!({
        "Request": name,
        "Before": side(flip.before.as_ref()),
        "After": side(flip.after.as_ref()),
        "Flips": flip.flips,
    })
}

/// A side's decision or error, and why.
fn side_of(side: Option<&Side>) -> (String, String) {
    match side.and_then(|side| side.result.as_ref()) {
        Some(side::Result::Decision(decision)) => {
            (outcome(decision).to_owned(), decision.why.clone())
        }
        Some(side::Result::Refusal(api::Refusal {
            code,
            message,
            help,
        })) => {
            let behind = if help.is_empty() {
                String::new()
            } else {
                format!(": {help}")
            };
            (code.clone(), format!("{message}{behind}"))
        }
        None => ("unknown".to_owned(), String::new()),
    }
}

/// A request as a line says it.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct RequestLine {
    principal: String,
    session_of: Option<String>,
    action: String,
    key: Option<String>,
    #[serde(default)]
    encryption_context: BTreeMap<String, String>,
    #[serde(default)]
    context: BTreeMap<String, ValueLine>,
    via_service: Option<String>,
    alias: Option<String>,
    to_region: Option<String>,
    #[serde(default)]
    tags: BTreeMap<String, String>,
    policy: Option<Value>,
    destination_key: Option<String>,
    #[serde(default)]
    destination_context: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum ValueLine {
    One(String),
    Many(Vec<String>),
}

fn requests(common: &Common, args: &WhatIfArgs) -> Result<Vec<(String, api::Question)>, CliError> {
    let lines: Vec<(String, RequestLine)> = match (&args.requests, &args.principal) {
        (Some(path), _) => json_lines(path)?,
        (None, Some(principal)) => vec![(
            String::new(),
            RequestLine {
                principal: principal.clone(),
                session_of: common.session_of.clone(),
                action: args.action.clone().unwrap_or_default(),
                key: args.key.clone(),
                encryption_context: map("--encryption-context", &args.encryption_context)?,
                alias: args.alias.clone(),
                ..RequestLine::default()
            },
        )],
        (None, None) => Vec::new(),
    };
    if lines.is_empty() {
        return Err(CliError::new("no request is given").help(
            "give one with `--principal`, `--action` and `--key`, or a file of them with `--requests`",
        ));
    }
    lines
        .into_iter()
        .map(|(place, line)| question(common, &place, line))
        .collect()
}

fn question(
    common: &Common,
    place: &str,
    line: RequestLine,
) -> Result<(String, api::Question), CliError> {
    let RequestLine {
        principal,
        session_of,
        action,
        key,
        encryption_context,
        context,
        via_service,
        alias,
        to_region,
        tags,
        policy,
        destination_key,
        destination_context,
    } = line;
    let tag = |(tag_key, tag_value)| api::Tag { tag_key, tag_value };
    let members = api::RequestMembers {
        alias_name: alias,
        region: to_region,
        tags: tags.into_iter().map(tag).collect(),
        policy: policy.map(|policy| match policy {
            Value::String(text) => text,
            object => object.to_string(),
        }),
        destination_key_id: destination_key,
        destination_encryption_context: destination_context,
        ..api::RequestMembers::default()
    };
    let name = match &key {
        Some(key) => format!("{principal} {action} {key}"),
        None => format!("{principal} {action}"),
    };
    let of = Common {
        session_of,
        ..common.clone()
    };
    let option = if place.is_empty() {
        "--principal"
    } else {
        place
    };
    let subject = of.subject(option, &principal)?;
    let context = context.into_iter().map(|(key, value)| {
        use api::context_value::Value as Form;
        let value = match value {
            ValueLine::One(text) => Form::Single(text),
            ValueLine::Many(values) => Form::Multi(api::StringList { values }),
        };
        (key, api::ContextValue { value: Some(value) })
    });
    let facts = api::RequestFacts {
        via_service,
        context: context.collect(),
        source: None,
    };
    let question = api::Question {
        subject: Some(subject),
        action,
        key_id: key,
        encryption_context,
        facts: (facts != api::RequestFacts::default()).then_some(facts),
        members: (members != api::RequestMembers::default()).then_some(members),
        ..api::Question::default()
    };
    Ok((name, question))
}

/// Every change, in order.
fn changes(args: &WhatIfArgs) -> Result<Vec<api::ProposedChange>, CliError> {
    let named = |option: &str, text: &str| match text.split_once('#') {
        Some((arn, name)) => Ok((arn.to_owned(), name.to_owned())),
        None => Err(CliError::new(format!(
            "`{option}`: `{}` says no policy name: want it after a `#`, as `ARN#NAME`",
            short(text)
        ))),
    };
    let mut changes: Vec<Change> = Vec::new();
    if let Some(path) = &args.changes {
        let lines: Vec<(String, ChangeLine)> = json_lines(path)?;
        changes.extend(lines.into_iter().map(|(_, line)| line.change()));
    }
    for (key, policy) in &args.put_key_policy {
        let policy = read_policy(policy)?.text;
        changes.push(Change::PutKeyPolicy(put_key_policy(key.clone(), policy)));
    }
    for (principal, policy) in &args.put_policy {
        let (arn, policy_name) = named("--put-policy", principal)?;
        changes.push(Change::PutPrincipalPolicy(api::PutPrincipalPolicyRequest {
            header: None,
            arn,
            policy_name,
            policy: read_policy(policy)?.text,
        }));
    }
    for principal in &args.delete_policy {
        let (arn, policy_name) = named("--delete-policy", principal)?;
        changes.push(Change::DeletePrincipalPolicy(
            api::DeletePrincipalPolicyRequest {
                header: None,
                arn,
                policy_name,
            },
        ));
    }
    for (arn, policy) in &args.put_boundary {
        changes.push(Change::PutPermissionsBoundary(
            api::PutPrincipalPermissionsBoundaryRequest {
                header: None,
                arn: arn.clone(),
                policy: read_policy(policy)?.text,
            },
        ));
    }
    for (group, policy) in &args.put_group_policy {
        let (arn, policy_name) = named("--put-group-policy", group)?;
        changes.push(Change::PutGroupPolicy(api::PutGroupPolicyRequest {
            header: None,
            arn,
            policy_name,
            policy: read_policy(policy)?.text,
        }));
    }
    for (group, user) in &args.add_to_group {
        changes.push(Change::AddUserToGroup(api::AddUserToGroupRequest {
            header: None,
            group: group.clone(),
            user: user.clone(),
        }));
    }
    for (group, user) in &args.remove_from_group {
        changes.push(Change::RemoveUserFromGroup(
            api::RemoveUserFromGroupRequest {
                header: None,
                group: group.clone(),
                user: user.clone(),
            },
        ));
    }
    for (option, kind, policies) in [
        ("--put-scp", ControlKind::Service, &args.put_scp),
        ("--put-rcp", ControlKind::Resource, &args.put_rcp),
    ] {
        for (node, policy) in policies {
            let (node_id, policy_name) = named(option, node)?;
            changes.push(Change::PutControlPolicy(api::PutControlPolicyRequest {
                header: None,
                node_id,
                kind: kind.as_str().to_owned(),
                policy_name,
                policy: read_policy(policy)?.text,
            }));
        }
    }
    for key_id in &args.disable_key {
        changes.push(Change::DisableKey(api::DisableKeyRequest {
            header: None,
            key_id: key_id.clone(),
        }));
    }
    for (key, grant_id) in &args.revoke_grant {
        changes.push(Change::RevokeGrant(revoke_grant(
            key.clone(),
            grant_id.clone(),
        )));
    }
    for alias in &args.delete_alias {
        changes.push(Change::DeleteAlias(api::DeleteAliasRequest {
            header: None,
            alias_name: alias.clone(),
        }));
    }
    let propose = |change| api::ProposedChange {
        change: Some(change),
    };
    Ok(changes.into_iter().map(propose).collect())
}

/// A file of JSON lines, each with its place; empty lines are passed over.
fn json_lines<T: for<'de> Deserialize<'de>>(path: &str) -> Result<Vec<(String, T)>, CliError> {
    let cannot = |e: std::io::Error| CliError::new(format!("cannot read {path}: {e}"));
    let mut text = String::new();
    if path == "-" {
        let input = std::io::stdin().lock();
        input.take(FILE_MAX + 1).read_to_string(&mut text)
    } else {
        let file = std::fs::File::open(Path::new(path)).map_err(cannot)?;
        file.take(FILE_MAX + 1).read_to_string(&mut text)
    }
    .map_err(cannot)?;
    if text.len() as u64 > FILE_MAX {
        return Err(CliError::new(format!(
            "{path} has more than {FILE_MAX} bytes"
        )));
    }
    let lines = text.lines().enumerate();
    let lines = lines.filter(|(_, line)| !line.trim().is_empty());
    lines
        .map(|(n, line)| {
            let place = format!("{path}, line {}", n + 1);
            let read = serde_json::from_str(line);
            read.map(|line| (place.clone(), line))
                .map_err(|e| CliError::new(format!("{place}: {e}")))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_and_a_bad_one_is_named_by_its_place() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("changes.jsonl");
        let path = path.to_str().unwrap();
        let good = concat!(
            r#"{"PutKeyPolicy": {"KeyId": "k", "Policy": {"Statement": []}}}"#,
            "\n\n",
            r#"{"RevokeGrant": {"KeyId": "k", "GrantId": "g"}}"#,
        );
        std::fs::write(path, good).unwrap();
        let lines: Vec<(String, ChangeLine)> = json_lines(path).unwrap();
        let changes: Vec<Change> = lines.into_iter().map(|(_, line)| line.change()).collect();
        assert!(
            matches!(&changes[0], Change::PutKeyPolicy(request) if request.policy == r#"{"Statement":[]}"#)
        );
        assert!(matches!(&changes[1], Change::RevokeGrant(request) if request.grant_id == "g"));
        for bad in [
            r#"{"RevokeGrant": {"KeyId": "k"}}"#,
            r#"{"Revoke": {}}"#,
            r#"{"EnableKey": {"KeyId": "k", "X": 1}}"#,
            "{",
        ] {
            std::fs::write(path, format!("{good}\n{bad}")).unwrap();
            let error = json_lines::<ChangeLine>(path).err().unwrap().render();
            assert!(error.contains("line 4: "), "{error}");
        }
    }

    #[test]
    fn request_lines_name_their_subject_and_context() {
        let line = r#"{"principal": "arn:aws:sts::111122223333:assumed-role/R/s", "session_of": "arn:aws:iam::111122223333:role/p/R",
            "action": "kms:Decrypt", "key": "k", "context": {"aws:SourceIp": "192.0.2.1", "aws:TagKeys": ["a", "b"]}}"#;
        let line: RequestLine = serde_json::from_str(line).unwrap();
        let (name, question) = question(&Common::default(), "f, line 1", line).unwrap();
        assert!(name.ends_with("kms:Decrypt k"), "{name}");
        let Some(api::subject::Kind::RoleSession(session)) = question.subject.unwrap().kind else {
            panic!("no session");
        };
        assert_eq!(session.role, "arn:aws:iam::111122223333:role/p/R");
        assert_eq!(question.facts.unwrap().context.len(), 2);
    }

    #[test]
    fn side_is_shown_with_its_reason() {
        let refused = Side {
            result: Some(side::Result::Refusal(api::Refusal {
                code: "NotFoundException".to_owned(),
                message: "gone".to_owned(),
                help: String::new(),
            })),
            parts: Vec::new(),
        };
        let flip = Flip {
            before: None,
            after: Some(refused),
            flips: true,
        };
        let text = text(&[("bob kms:Decrypt k".to_owned(), flip)], 1);
        assert!(
            text.contains("unknown -> NotFoundException\n    gone"),
            "{text}"
        );
        assert!(text.ends_with("1 of 1 answers flip\n"), "{text}");
    }
}
