//! `Explain`: why a request would be decided as it is, and what would change it.

use super::Answer;
use super::context::{Context, Question};
use super::insight::{self, NotPosed, Posed};
use super::refusal::{Said, refusals};
use crate::domain::authz::Denied;
use crate::domain::authz::claim;
use crate::domain::authz::explain::explain_within;
use crate::domain::authz::resolve::Unresolved;

/// Tells why a request would be decided as it is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Explain {
    /// The request. Any subject may be named: nothing is allowed by an explanation.
    pub question: claim::Question,
}

refusals! {
    /// Why Explain is refused, in the order of its checks.
    Refusal {
        /// Nobody whom it could be about, or no action of KMS.
        Question(Said),
        /// No such key.
        Key(Unresolved),
        /// The asker may not read the key's policy and grants, or, without a key, the principal's policies.
        Denied(Denied),
    }
}

impl From<NotPosed> for Refusal {
    fn from(why: NotPosed) -> Self {
        match why {
            NotPosed::Said(said) => Self::Question(said),
            NotPosed::Key(unresolved) => Self::Key(unresolved),
        }
    }
}

impl Question for Explain {
    type Refusal = Refusal;

    fn answer(&self, cx: &Context<'_>) -> Result<Answer, Refusal> {
        let posed = Posed::read(cx, &self.question)?;
        let reads_identity = insight::may_read_identity(cx, &posed.caller.identity);
        let reads_identity = match posed.key {
            Some(key) => {
                insight::may_read_key(cx, key)?;
                reads_identity.is_ok()
            }
            None => {
                reads_identity?;
                true
            }
        };
        let mut explanation = explain_within(cx.state, &posed.request(cx), cx.effort);
        explanation.withhold(|source| insight::is_withheld(cx, reads_identity, source));
        Ok(Answer::Explanation {
            explanation: Box::new(explanation),
            key: posed.key.map(|key| key.arn.clone()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::authz::claim::Subject;
    use crate::domain::op::Query;
    use crate::domain::op::testing::{
        ADMIN, ALLOW_ALL, BOB, CAROL, Cluster, EXT, arn, check_rows, key, key_arn,
    };

    fn explain(subject: &str, action: &str, key: Option<crate::domain::ids::KeyRef>) -> Query {
        Query::Explain(Explain {
            question: claim::Question {
                subject: Some(Subject::Principal(arn(subject))),
                action: action.into(),
                key,
                encryption_context: Default::default(),
                grant_tokens: Vec::new(),
                facts: Default::default(),
                dry_run: false,
                random_source: None,
            },
        })
    }

    /// K-4 too.
    #[test]
    fn explain_refuses_in_the_order_of_its_checks() {
        let cluster = Cluster::new();
        let refused = |who: &str, query| cluster.ask(who, query).unwrap_err();
        let itself = Query::Explain(Explain {
            question: claim::Question {
                subject: None,
                action: "kms:Decrypt".into(),
                key: Some(key(1)),
                encryption_context: Default::default(),
                grant_tokens: Vec::new(),
                facts: Default::default(),
                dry_run: false,
                random_source: None,
            },
        });
        let nobody = "arn:aws:iam::111122223333:user/nobody";
        let session = Subject::RoleSession {
            arn: arn("arn:aws:sts::111122223333:assumed-role/R/s1"),
            role: arn("arn:aws:iam::111122223333:role/aws-service-role/cks.kms.amazonaws.com/R"),
            session_policy: None,
            session_tags: Default::default(),
        };
        let of_service_linked_role = match explain(BOB, "kms:Decrypt", Some(key(9))) {
            Query::Explain(mut explain) => {
                explain.question.subject = Some(session);
                Query::Explain(explain)
            }
            other => other,
        };
        check_rows(vec![
            (
                "the operator about itself",
                refused("operator", itself),
                "ValidationException",
                "whom",
            ),
            (
                "nobody",
                refused(ADMIN, explain(nobody, "kms:Decrypt", Some(key(9)))),
                "NoSuchEntity",
                "nobody",
            ),
            (
                "a session that nobody has",
                refused(ADMIN, of_service_linked_role),
                "ValidationException",
                "trusts cks.kms.amazonaws.com alone",
            ),
            (
                "no action",
                refused(ADMIN, explain(BOB, "iam:GetUser", Some(key(9)))),
                "ValidationException",
                "kms:Decrypt",
            ),
            (
                "no key",
                refused(BOB, explain(BOB, "kms:Decrypt", Some(key(9)))),
                "NotFoundException",
                "does not exist",
            ),
            (
                "no right to read the key",
                refused(BOB, explain(BOB, "kms:Decrypt", Some(key(1)))),
                "AccessDeniedException",
                "kms:GetKeyPolicy",
            ),
            (
                "no right to read the principal",
                refused(CAROL, explain(BOB, "kms:ListKeys", None)),
                "AccessDeniedException",
                "iam:GetUserPolicy",
            ),
        ]);
    }

    /// What decides is shown to those who may read it: never the identity policies of another account.
    #[test]
    fn policies_are_shown_to_those_who_may_read_them() {
        let mut cluster = Cluster::new();
        cluster.put_policy(BOB, ALLOW_ALL);
        cluster.put_policy(EXT, ALLOW_ALL);
        let shown = |who: &str, about: &str| {
            let key = crate::domain::ids::KeyRef::KeyArn(key_arn(1));
            match cluster.ask(who, explain(about, "kms:Decrypt", Some(key))) {
                Ok(Answer::Explanation { explanation, .. }) => explanation.to_string(),
                other => panic!("{other:?}"),
            }
        };
        assert!(shown(ADMIN, BOB).contains("`All` of identity_policy"));
        assert!(!shown(ADMIN, EXT).contains("`All`"));
        assert!(shown("operator", EXT).contains("`All` of identity_policy"));
    }
}
