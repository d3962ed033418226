//! `grantd authorize`: one question, its answer as the exit code.

use std::collections::BTreeMap;

use clap::Args;
use serde_json::{Value, json};

use super::Exit;
use super::common::{Common, Fallback};
use super::error::CliError;
use super::explain::outcome;
use super::input::{map, pair, read_policy, tags};
use super::output::{Shown, object};
use crate::client::api;

/// May this principal do this to this key now?
///
/// With `--principal` the question is asked as a front that has authenticated that principal; without it, by the caller
/// (`--as`) about itself.
#[derive(Args, Debug)]
#[command(
    after_help = "Exit codes: 0 allowed; 1 denied (explicitly or not), or allowed of a key whose state or kind forbids it; others: no decision.\n\n\
An operation that is asked for in several parts is decided whole: CreateAlias of the key and of the alias, CreateKey\n\
with tags, a policy under the lockout check. `Parts` tells each.\n\n\
Examples:\n  grantd authorize --principal arn:aws:iam::111122223333:user/Alice --action kms:Decrypt --key alias/orders\n  \
grantd explain --principal arn:aws:iam::111122223333:user/Alice --action kms:CreateAlias --alias alias/new --key $KEY"
)]
pub struct AuthorizeArgs {
    /// Whom it is about: ARN of a user, of an account's root or of a role session; or a service principal
    #[arg(long, value_name = "ARN")]
    principal: Option<String>,
    /// The session's policy: file, `-` or text; of an account's root, the task policy of AssumeRoot
    #[arg(long, value_name = "POLICY", requires = "principal")]
    session_policy: Option<String>,
    /// A tag of the session
    #[arg(long, value_name = "KEY=VALUE", value_parser = pair, requires = "principal")]
    session_tag: Vec<(String, String)>,
    /// What is to be done, as `kms:Decrypt`
    #[arg(long)]
    action: String,
    /// Key id, key ARN, alias name or alias ARN; left out for an action without a key
    #[arg(long)]
    key: Option<String>,
    /// CreateAlias, UpdateAlias, DeleteAlias: the alias, which must be allowed as well as the key
    #[arg(long, value_name = "ALIAS")]
    alias: Option<String>,
    /// ReplicateKey, UpdatePrimaryRegion: the other Region
    #[arg(long, value_name = "REGION")]
    to_region: Option<String>,
    /// CreateKey, ReplicateKey: a tag, for which kms:TagResource must be allowed
    #[arg(long, value_name = "KEY=VALUE", value_parser = pair)]
    tag: Vec<(String, String)>,
    /// CreateKey, ReplicateKey, PutKeyPolicy: the key policy (file, `-` or text), which must pass the lockout check
    #[arg(long, value_name = "POLICY")]
    policy: Option<String>,
    /// Do not check whether the policy locks its caller out
    #[arg(long, requires = "policy")]
    bypass_lockout_check: bool,
    /// kms:ReEncrypt: the key that it encrypts under; `--key` is the one that it decrypts with
    #[arg(long, value_name = "KEY")]
    destination_key: Option<String>,
    /// kms:ReEncrypt: a pair of the encryption context that it encrypts with
    #[arg(long, value_name = "KEY=VALUE", value_parser = pair)]
    destination_context: Vec<(String, String)>,
    /// A pair of the encryption context
    #[arg(long, value_name = "KEY=VALUE", value_parser = pair)]
    encryption_context: Vec<(String, String)>,
    /// A grant token, of a grant that the node may not know yet
    #[arg(long, value_name = "TOKEN")]
    grant_token: Vec<String>,
    /// A condition key of the request; given more than once, it is multivalued
    #[arg(long, value_name = "KEY=VALUE", value_parser = pair)]
    context: Vec<(String, String)>,
    /// The custom key store that kms:GenerateRandom takes its bytes from
    #[arg(long, value_name = "STORE_ID")]
    custom_key_store: Option<String>,
    /// The request is a dry run: only what would be answered is asked
    #[arg(long)]
    dry_run: bool,
}

pub(super) async fn run(common: &Common, args: &AuthorizeArgs) -> Result<Shown, CliError> {
    let (common, question) = question(common, args)?;
    let client = common.client(Fallback::Front)?;
    let request = api::AuthorizeRequest {
        header: None,
        question: Some(question),
    };
    let answer = client.call(request).await?.answer;
    let decision = answer
        .decision
        .ok_or_else(|| CliError::new("the node's answer holds no decision"))?;
    let (name, exit) = match decision.outcome() {
        api::Outcome::Allow => ("allow", Exit::Success),
        api::Outcome::ExplicitDeny => ("explicitDeny", Exit::Denied),
        api::Outcome::ImplicitDeny => ("implicitDeny", Exit::Denied),
        api::Outcome::Unspecified => {
            return Err(CliError::new(
                "the node's answer holds a decision that this version does not know",
            ));
        }
    };
    let by = decision.decided_by.as_ref().map_or(Value::Null, |by| {
        let api::DecidedBy {
            policy_type,
            policy_name,
            sid,
            grant_id,
            statement,
            enabled_by,
        } = by;
        let kind = if policy_type.is_empty() {
            Value::Null
        } else {
            json!(policy_type)
        };
        let shown = object([
            ("PolicyType", kind),
            ("PolicyName", json!(policy_name)),
            ("Sid", json!(sid)),
            ("Statement", json!(statement)),
            ("EnabledBy", json!(enabled_by)),
            ("GrantId", json!(grant_id)),
        ]);
        if shown == json!({}) {
            Value::Null
        } else {
            shown
        }
    });
    let tokens = match decision.token_grant_ids.as_slice() {
        [] => Value::Null,
        ids => json!(ids),
    };
    // AWS's text of a denial; an allow has none.
    let message = if decision.message.is_empty() {
        Value::Null
    } else {
        json!(decision.message)
    };
    // What AWS would answer: of a permitted request the state or the usage of the key that stands in its way.
    let refusal = answer.refusal.as_ref().map_or(Value::Null, show_refusal);
    let exit = if stands_in_the_way(answer.refusal.as_ref()) {
        Exit::Denied
    } else {
        exit
    };
    let value = object([
        ("Decision", json!(name)),
        ("DecidedBy", by),
        ("Reason", json!(decision.why)),
        ("Message", message),
        ("KeyArn", json!(answer.key_arn)),
        ("TokenGrantIds", tokens),
        ("Refusal", refusal),
        ("Parts", show_parts(&answer.parts)),
    ]);
    Ok(Shown::answer(value, answer.header.as_ref()).exit(exit))
}

/// Whether something stands in the way of the request. A dry run that would succeed is said in AWS's form of an error.
pub(super) fn stands_in_the_way(refusal: Option<&api::Refusal>) -> bool {
    refusal.is_some_and(|refusal| refusal.code != "DryRunOperationException")
}

/// An error of AWS, with what is behind it.
pub(super) fn show_refusal(refusal: &api::Refusal) -> Value {
    let api::Refusal {
        code,
        message,
        help,
    } = refusal;
    let help = if help.is_empty() {
        Value::Null
    } else {
        json!(help)
    };
    object([
        ("Code", json!(code)),
        ("Message", json!(message)),
        ("Help", help),
    ])
}

/// What was decided of each part of an operation; nothing of one that has one part.
pub(super) fn show_parts(parts: &[api::PartDecision]) -> Value {
    if parts.is_empty() {
        return Value::Null;
    }
    parts.iter().map(|part| object(show_part(part))).collect()
}

/// What was decided of one part.
pub(super) fn show_part(part: &api::PartDecision) -> [(&'static str, Value); 5] {
    let api::PartDecision {
        action,
        resource,
        is_lockout_check,
        decision,
    } = part;
    let decision = decision.clone().unwrap_or_default();
    let lockout = if *is_lockout_check {
        json!(true)
    } else {
        Value::Null
    };
    [
        ("Action", json!(action)),
        ("Resource", json!(resource)),
        ("LockoutCheck", lockout),
        ("Decision", json!(outcome(&decision))),
        ("Reason", json!(decision.why)),
    ]
}

/// The question, and the options of the one who asks it.
fn question(common: &Common, args: &AuthorizeArgs) -> Result<(Common, api::Question), CliError> {
    let mut common = common.clone();
    let question = ask(&mut common, args)?;
    if args.principal.is_some() {
        // Only a front may ask about another; whoever the other commands speak as does not matter here.
        common.caller = Some("front".to_owned());
    }
    Ok((common, question))
}

/// The question. A service that calls for the principal is a fact of the question, not of who asks.
pub(super) fn ask(common: &mut Common, args: &AuthorizeArgs) -> Result<api::Question, CliError> {
    let AuthorizeArgs {
        principal,
        session_policy,
        session_tag,
        action,
        key,
        alias,
        to_region,
        tag,
        policy,
        bypass_lockout_check,
        destination_key,
        destination_context,
        encryption_context,
        grant_token,
        context,
        custom_key_store,
        dry_run,
    } = args;
    let members = api::RequestMembers {
        alias_name: alias.clone(),
        region: to_region.clone(),
        tags: tags(tag),
        policy: policy
            .as_deref()
            .map(read_policy)
            .transpose()?
            .map(|policy| policy.text),
        bypass_policy_lockout_safety_check: bypass_lockout_check.then_some(true),
        destination_key_id: destination_key.clone(),
        destination_encryption_context: map("--destination-context", destination_context)?,
        xks_key_id: None,
    };
    let subject = match principal {
        Some(principal) => {
            let mut subject = common.subject("--principal", principal)?;
            dress(&mut subject, session_policy.as_deref(), session_tag)?;
            Some(subject)
        }
        None => None,
    };
    let via_service = common.via_service.take();
    let facts = api::RequestFacts {
        via_service,
        context: contexts(context).into_iter().collect(),
        source: None,
    };
    Ok(api::Question {
        subject,
        action: action.clone(),
        key_id: key.clone(),
        encryption_context: map("--encryption-context", encryption_context)?,
        grant_tokens: grant_token.clone(),
        facts: (facts != api::RequestFacts::default()).then_some(facts),
        dry_run: *dry_run,
        custom_key_store_id: custom_key_store.clone(),
        members: (members != api::RequestMembers::default()).then_some(members),
    })
}

/// Gives a session its policy and its tags.
fn dress(
    subject: &mut api::Subject,
    policy: Option<&str>,
    tags: &[(String, String)],
) -> Result<(), CliError> {
    use api::subject::Kind;
    if policy.is_none() && tags.is_empty() {
        return Ok(());
    }
    let policy = policy
        .map(read_policy)
        .transpose()?
        .map(|policy| policy.text);
    if let (Some(Kind::Principal(root)), Some(task_policy)) = (&subject.kind, &policy)
        && root.ends_with(":root")
        && tags.is_empty()
    {
        subject.kind = Some(Kind::RootSession(api::RootSession {
            root: root.clone(),
            task_policy: task_policy.clone(),
        }));
        return Ok(());
    }
    let (session_policy, session_tags) = match &mut subject.kind {
        Some(Kind::RoleSession(session)) => {
            (&mut session.session_policy, &mut session.session_tags)
        }
        Some(Kind::FederatedUser(user)) => (&mut user.session_policy, &mut user.session_tags),
        Some(Kind::Principal(_) | Kind::Service(_) | Kind::RootSession(_)) | None => {
            return Err(
                CliError::new("only a session has a session policy or session tags")
                    .help("name a session: arn:aws:sts::ACCOUNT:assumed-role/ROLE/SESSION; a root user has a policy, its task policy, in a session that AssumeRoot gave"),
            );
        }
    };
    *session_policy = policy;
    *session_tags = map("--session-tag", tags)?;
    Ok(())
}

/// Condition keys: one value is single, several are a list.
fn contexts(pairs: &[(String, String)]) -> BTreeMap<String, api::ContextValue> {
    use api::context_value::Value as Form;
    let mut values: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (key, value) in pairs {
        values.entry(key.clone()).or_default().push(value.clone());
    }
    values
        .into_iter()
        .map(|(key, mut values)| {
            let value = match values.len() {
                1 => values.pop().map(Form::Single),
                _ => Some(Form::Multi(api::StringList { values })),
            };
            (key, api::ContextValue { value })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs
            .iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
            .collect()
    }

    #[test]
    fn context_key_given_twice_is_multivalued() {
        use api::context_value::Value as Form;
        let contexts = contexts(&pairs(&[("a", "1"), ("b", "2"), ("a", "3")]));
        assert_eq!(contexts["b"].value, Some(Form::Single("2".to_owned())));
        let list = api::StringList {
            values: vec!["1".to_owned(), "3".to_owned()],
        };
        assert_eq!(contexts["a"].value, Some(Form::Multi(list)));
    }

    #[test]
    fn session_policy_of_a_user_is_refused() {
        let common = Common::default();
        let mut user = common
            .subject("--principal", "arn:aws:iam::111122223333:user/A")
            .unwrap();
        assert!(dress(&mut user, Some("{}"), &[]).is_err());
        // D-20: of a root user it is the task policy of a session that AssumeRoot gave.
        let mut root = common
            .subject("--principal", "arn:aws:iam::111122223333:root")
            .unwrap();
        assert!(dress(&mut root.clone(), Some("{}"), &pairs(&[("team", "a")])).is_err());
        assert!(dress(&mut root.clone(), None, &pairs(&[("team", "a")])).is_err());
        dress(&mut root, Some("{}"), &[]).unwrap();
        let session = api::RootSession {
            root: "arn:aws:iam::111122223333:root".to_owned(),
            task_policy: "{}".to_owned(),
        };
        assert_eq!(root.kind, Some(api::subject::Kind::RootSession(session)));
        let mut session = common
            .subject("--principal", "arn:aws:sts::111122223333:assumed-role/R/s")
            .unwrap();
        dress(&mut session, Some("{}"), &pairs(&[("team", "a")])).unwrap();
        let Some(api::subject::Kind::RoleSession(session)) = session.kind else {
            panic!("not a session");
        };
        assert_eq!(session.role, "arn:aws:iam::111122223333:role/R");
        assert_eq!(session.session_policy.as_deref(), Some("{}"));
        assert_eq!(session.session_tags.len(), 1);
    }
}
