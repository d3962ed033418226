//! Questions in, decisions out.

use super::header::{read_facts, read_subject};
use super::key_stores::store_id;
use super::shape::{self, Violations};
use super::{Invalid, arc, key_ref, tokens};
use crate::domain::authz::claim::Question;
use crate::domain::authz::decision::{DecidedBy, Decision, Outcome, StatementRef};
use crate::domain::ids::GrantId;
use crate::domain::limits;
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
        } = question;
        let mut violations = Violations::new();
        violations.text("action", &action, shape::ACTION);
        violations.optional("keyId", key_id.as_deref(), shape::KEY_ID);
        violations.grant_tokens("grantTokens", &grant_tokens);
        violations.finish()?;
        let random_source = custom_key_store_id.as_deref().map(store_id).transpose()?;
        let asked = Action::parse(&action).kms();
        if random_source.is_some() && asked != Some(KmsAction::GenerateRandom) {
            return Err(Invalid::validation(format!(
                "'customKeyStoreId' says where kms:GenerateRandom takes its bytes from: leave it out of a question about `{action}`"
            )));
        }
        let pairs = encryption_context.iter();
        if let Some(why) = shape::oversized_context(pairs.map(|(k, v)| (k.as_str(), v.as_str()))) {
            return Err(Invalid::validation(why));
        }
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
        })
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
