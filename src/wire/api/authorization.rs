//! Questions in, decisions out.

use std::collections::BTreeMap;

use super::header::{read_facts, read_subject};
use super::key_stores::store_id;
use super::shape::{self, Violations};
use super::{Invalid, arc, key_ref, tokens};
use crate::domain::authz::claim::{Members, Question};
use crate::domain::authz::decision::{DecidedBy, Decision, Outcome, StatementRef};
use crate::domain::ids::GrantId;
use crate::domain::limits;
use crate::domain::op::parts::{Found, Purpose};
use crate::domain::policy::{Action, KmsAction};
use crate::wire::v1;

impl TryFrom<v1::Question> for Question {
    type Error = Invalid;

    fn try_from(question: v1::Question) -> Result<Self, Invalid> {
        let v1::Question {
            subject,
            action,
            key_id,
            encryption_context,
            grant_tokens,
            facts,
            dry_run,
            custom_key_store_id,
            members,
        } = question;
        let mut violations = Violations::new();
        violations.text("action", &action, shape::ACTION);
        violations.optional("keyId", key_id.as_deref(), shape::KEY_ID);
        violations.grant_tokens("grantTokens", &grant_tokens);
        violations.finish()?;
        let random_source = custom_key_store_id.as_deref().map(store_id).transpose()?;
        let asked = Action::parse(&action).kms();
        if random_source.is_some()
            && !matches!(
                asked,
                Some(KmsAction::GenerateRandom | KmsAction::CreateKey)
            )
        {
            return Err(Invalid::validation(format!(
                "'customKeyStoreId' says where kms:GenerateRandom takes its bytes from, or where kms:CreateKey makes the key: leave it out of a question about `{action}`"
            )));
        }
        let members = read_members(&action, asked, members.unwrap_or_default())?;
        check_context(&encryption_context)?;
        Ok(Self {
            subject: subject
                .map(|subject| read_subject("subject", subject))
                .transpose()?,
            action: arc(action),
            key: key_id.as_deref().map(key_ref).transpose()?,
            encryption_context: encryption_context
                .into_iter()
                .map(|(key, value)| (arc(key), arc(value)))
                .collect(),
            grant_tokens: tokens(grant_tokens),
            facts: read_facts("facts", facts)?,
            dry_run,
            random_source,
            members,
        })
    }
}

/// The members of a request. One that its operation does not have is refused: it would be left alone silently.
fn read_members(
    action: &str,
    asked: Option<KmsAction>,
    members: v1::RequestMembers,
) -> Result<Members, Invalid> {
    use KmsAction as A;
    let v1::RequestMembers {
        alias_name,
        region,
        tags,
        policy,
        bypass_policy_lockout_safety_check,
        destination_key_id,
        destination_encryption_context,
        xks_key_id,
    } = members;
    let re_encrypts =
        asked == Some(A::ReEncryptFrom) || action.eq_ignore_ascii_case("kms:ReEncrypt");
    let is = |actions: &[A]| asked.is_some_and(|asked| actions.contains(&asked));
    let makes = is(&[A::CreateKey, A::ReplicateKey]);
    let puts = makes || is(&[A::PutKeyPolicy]);
    for (name, is_sent, fits) in [
        (
            "aliasName",
            alias_name.is_some(),
            is(&[A::CreateAlias, A::UpdateAlias, A::DeleteAlias]),
        ),
        (
            "region",
            region.is_some(),
            is(&[A::ReplicateKey, A::UpdatePrimaryRegion]),
        ),
        ("tags", !tags.is_empty(), makes),
        ("policy", policy.is_some(), puts),
        (
            "bypassPolicyLockoutSafetyCheck",
            bypass_policy_lockout_safety_check.is_some(),
            puts,
        ),
        (
            "destinationKeyId",
            destination_key_id.is_some(),
            re_encrypts,
        ),
        (
            "destinationEncryptionContext",
            !destination_encryption_context.is_empty(),
            re_encrypts,
        ),
        ("xksKeyId", xks_key_id.is_some(), is(&[A::CreateKey])),
    ] {
        if is_sent && !fits {
            return Err(Invalid::validation(format!(
                "`{action}` has no '{name}': leave it out of the question"
            )));
        }
    }
    let mut violations = Violations::new();
    violations.optional("aliasName", alias_name.as_deref(), shape::KEY_ID);
    violations.optional(
        "destinationKeyId",
        destination_key_id.as_deref(),
        shape::KEY_ID,
    );
    violations.tags(&tags);
    violations.finish()?;
    check_context(&destination_encryption_context)?;
    let word =
        |name: &str, text: &str| Invalid::validation(format!("'{name}': `{text}` cannot be one"));
    Ok(Members {
        alias: alias_name.map(arc),
        region: region
            .map(|text| text.parse().map_err(|_| word("region", &text)))
            .transpose()?,
        tags: super::tags::distinct(tags)?,
        policy: policy.map(arc),
        bypass_lockout_check: bypass_policy_lockout_safety_check,
        xks_key: xks_key_id
            .map(|text| text.parse().map_err(|_| word("xksKeyId", &text)))
            .transpose()?,
        destination: destination_key_id.as_deref().map(key_ref).transpose()?,
        destination_context: destination_encryption_context
            .into_iter()
            .map(|(key, value)| (arc(key), arc(value)))
            .collect(),
    })
}

/// Refuses an encryption context that is longer than one can be.
fn check_context(context: &BTreeMap<String, String>) -> Result<(), Invalid> {
    let pairs = context.iter();
    match shape::oversized_context(pairs.map(|(key, value)| (key.as_str(), value.as_str()))) {
        Some(why) => Err(Invalid::validation(why)),
        None => Ok(()),
    }
}

/// What was decided of the parts of an operation.
pub fn parts_out(parts: &[Found<Decision>]) -> Vec<v1::PartDecision> {
    parts
        .iter()
        .map(|part| part_out(part, &part.found))
        .collect()
}

/// What was decided of a part.
pub fn part_out<T>(part: &Found<T>, decision: &Decision) -> v1::PartDecision {
    let Found {
        action,
        resource,
        purpose,
        found: _,
    } = part;
    v1::PartDecision {
        action: action.full_name().to_owned(),
        resource: resource.as_ref().map(ToString::to_string),
        is_lockout_check: match purpose {
            Purpose::Permission => false,
            Purpose::Lockout => true,
        },
        decision: Some(decision_out(decision, &[])),
    }
}

/// A decision as it is told; `token_grants` are those that the state did not know yet.
pub fn decision_out(decision: &Decision, token_grants: &[GrantId]) -> v1::Decision {
    v1::Decision {
        outcome: match decision.outcome() {
            Outcome::Allow => v1::Outcome::Allow,
            Outcome::ExplicitDeny => v1::Outcome::ExplicitDeny,
            Outcome::ImplicitDeny => v1::Outcome::ImplicitDeny,
        }
        .into(),
        decided_by: decision.decided_by().map(decided_by_out),
        why: decision.to_string(),
        message: decision.message(),
        token_grant_ids: token_grants.iter().map(ToString::to_string).collect(),
    }
}

fn decided_by_out(by: &DecidedBy) -> v1::DecidedBy {
    let DecidedBy {
        source,
        statement,
        enabled_by,
        grant,
    } = by;
    let place = |statement: &StatementRef| statement.index.saturating_add(1);
    let statement = statement.as_ref();
    v1::DecidedBy {
        policy_type: source.as_str().to_owned(),
        policy_name: statement
            .and_then(|statement| statement.policy.as_ref())
            .map(ToString::to_string),
        sid: statement
            .and_then(|statement| statement.sid.as_ref())
            .map(ToString::to_string),
        grant_id: grant.as_ref().map(ToString::to_string),
        statement: statement.map(place),
        enabled_by: enabled_by.as_ref().map(|statement| {
            statement
                .sid
                .as_ref()
                .map_or_else(|| place(statement).to_string(), ToString::to_string)
        }),
    }
}

/// The questions of a batch: each is read for itself, so that one wrong question spoils no other.
///
/// # Errors
/// [`Invalid`] if there are too many.
pub fn read_batch(questions: Vec<v1::Question>) -> Result<Vec<Result<Question, Invalid>>, Invalid> {
    if questions.len() > limits::BATCH_QUESTIONS_MAX {
        return Err(Invalid::validation(format!(
            "{} questions were sent; at most {} are taken in one call, all decided at one revision",
            questions.len(),
            limits::BATCH_QUESTIONS_MAX
        )));
    }
    Ok(questions.into_iter().map(Question::try_from).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::op::ErrorCode;

    fn question() -> v1::Question {
        v1::Question {
            action: "kms:Decrypt".to_owned(),
            key_id: Some("alias/app".to_owned()),
            ..Default::default()
        }
    }

    fn refusal(question: v1::Question) -> (ErrorCode, String) {
        match Question::try_from(question) {
            Ok(read) => panic!("{read:?}"),
            Err(invalid) => (invalid.code, invalid.message),
        }
    }

    /// ID-1, ID-3, W-3: what is wrong with a question, in AWS's words.
    #[test]
    fn question_of_bad_form_is_refused_with_the_code_and_text_of_aws() {
        let with = |change: fn(&mut v1::Question)| {
            let mut sent = question();
            change(&mut sent);
            refusal(sent)
        };
        assert_eq!(
            with(|q| q.key_id = Some("fake-key-id".to_owned())),
            (
                ErrorCode::NotFound,
                "Invalid keyId 'fake-key-id'".to_owned()
            )
        );
        assert_eq!(
            with(|q| q.key_id = Some("134f2428cec14b25a1ae9048164dba47".to_owned())),
            (
                ErrorCode::NotFound,
                "Invalid keyId '134f2428cec14b25a1ae9048164dba47'".to_owned()
            )
        );
        assert_eq!(
            with(|q| q.key_id = Some("arn:aws:kms:us-west-2:1:key/x".to_owned())).0,
            ErrorCode::InvalidArn
        );
        assert_eq!(
            with(|q| q.key_id = Some(String::new())),
            (
                ErrorCode::Validation,
                "1 validation error detected: Value '' at 'keyId' failed to satisfy constraint: Member must have length greater than or equal to 1".to_owned()
            )
        );
        assert_eq!(
            with(|q| q.grant_tokens = vec![String::new(); 11]).0,
            ErrorCode::Validation
        );
        assert_eq!(with(|q| q.action.clear()).0, ErrorCode::Validation);
        let store = with(|q| q.custom_key_store_id = Some("cks-1".to_owned()));
        assert!(store.1.contains("kms:GenerateRandom"), "{}", store.1);
        let nowhere = with(|q| {
            q.action = "kms:GenerateRandom".to_owned();
            q.custom_key_store_id = Some("nope".to_owned());
        });
        assert_eq!(nowhere.0, ErrorCode::CustomKeyStoreNotFound);
        let long = with(|q| {
            q.encryption_context
                .insert("k".to_owned(), "v".repeat(8_192));
        });
        assert!(long.1.contains("8193 bytes"), "{}", long.1);
    }

    #[test]
    fn batch_beyond_its_bound_is_refused_and_one_bad_question_spoils_no_other() {
        let too_many = vec![question(); limits::BATCH_QUESTIONS_MAX + 1];
        assert!(read_batch(too_many).is_err());
        let mut bad = question();
        bad.action.clear();
        let read = read_batch(vec![question(), bad, question()]).unwrap();
        let fine: Vec<bool> = read.iter().map(Result::is_ok).collect();
        assert_eq!(fine, [true, false, true]);
    }
}
