//! `Explain`: why a request would be decided as it is, and what would change it.
//!
//! Of an operation that is asked for in several parts each part is explained, and what the operation would be refused for
//! beside permission is told first: an explanation never says ALLOW of what would be refused.

use std::fmt;

use super::context::{Context, Question};
use super::parts::Found;
use super::posed::{NotPosed, Posed, Told, overall};
use super::refusal::{Said, refusals};
use super::{Answer, ErrorCode, Rejection, insight};
use crate::domain::authz::Denied;
use crate::domain::authz::claim;
use crate::domain::authz::decision::{Decision, Outcome, Source};
use crate::domain::authz::explain::Explanation;

/// Tells why a request would be decided as it is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Explain {
    /// The request. Any subject may be named: nothing is allowed by an explanation.
    pub question: claim::Question,
}

refusals! {
    /// Why Explain is refused, in the order of its checks.
    Refusal {
        /// Nobody whom it could be about.
        Subject(Said),
        /// No action of KMS, no such key or alias, or a question that does not say enough to be decided.
        Question(NotPosed),
        /// The asker may not read the policy and grants of the keys, or, without a key, the principal's policies.
        Denied(Denied),
    }
}

impl Question for Explain {
    type Refusal = Refusal;

    fn answer(&self, cx: &Context<'_>) -> Result<Answer, Refusal> {
        let subject = insight::subject_of(cx, &self.question).map_err(Refusal::Subject)?;
        let its = Context {
            caller: &subject,
            ..*cx
        };
        let posed = Posed::read(its, &self.question)?;
        let keys = posed.keys().map_err(refused)?;
        let reads_identity = insight::may_read(cx, &subject.identity, &keys)?;
        let mut told = posed.told().map_err(refused)?;
        told.withhold(|source| insight::is_withheld(cx, reads_identity, source));
        Ok(Answer::Explanation {
            told: Box::new(told),
            key: keys.first().map(|key| key.arn.clone()),
        })
    }
}

fn refused(why: Rejection) -> Refusal {
    Refusal::Question(NotPosed::Refused(Box::new(why)))
}

impl Told {
    /// Whether all of it is permitted: of what is denied the first.
    pub fn decision(&self) -> Option<&Decision> {
        overall(&self.parts, |why| &why.decision)
    }

    /// The part that decides: of those that are denied the first.
    pub fn deciding(&self) -> Option<&Found<Explanation>> {
        let is_denied = |part: &&Found<Explanation>| !part.found.decision.is_allow();
        self.parts.iter().find(is_denied).or(self.parts.first())
    }

    /// What it would be refused for beside permission, in any of its parts.
    pub fn beyond_permission(&self) -> Option<&Rejection> {
        let is_other = |refusal: &&Rejection| refusal.code != ErrorCode::AccessDenied;
        self.refusal.as_ref().filter(is_other)
    }

    fn withhold(&mut self, is_withheld: impl Fn(Source) -> bool) {
        for part in &mut self.parts {
            part.found.withhold(&is_withheld);
        }
    }
}

/// For people. What is refused beside permission comes first; then, of several parts, which one denies; then each.
impl fmt::Display for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(Rejection {
            code,
            message,
            help,
            ..
        }) = self.beyond_permission()
        {
            writeln!(f, "REFUSED: {code}: {message}")?;
            if let Some(help) = help {
                writeln!(f, "   {help}")?;
            }
        }
        if let [only] = &self.parts[..] {
            return only.found.fmt(f);
        }
        let count = self.parts.len();
        let denied = self
            .parts
            .iter()
            .enumerate()
            .find(|(_, part)| !part.found.decision.is_allow());
        match denied {
            None => writeln!(
                f,
                "ALLOW: it is asked for in {count} parts, and each is allowed"
            )?,
            Some((n, part)) => writeln!(
                f,
                "{}: it is asked for in {count} parts, and part {} is denied: {part}: {}",
                name(&part.found.decision),
                n + 1,
                part.found.decision
            )?,
        }
        for (n, part) in self.parts.iter().enumerate() {
            writeln!(f, "--- part {} of {count}: {part}", n + 1)?;
            part.found.fmt(f)?;
        }
        Ok(())
    }
}

/// How an explanation begins.
const fn name(decision: &Decision) -> &'static str {
    match decision.outcome() {
        Outcome::Allow => "ALLOW",
        Outcome::ExplicitDeny => "EXPLICIT DENY",
        Outcome::ImplicitDeny => "IMPLICIT DENY",
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
                members: Default::default(),
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
                members: Default::default(),
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
                Ok(Answer::Explanation { told, .. }) => told.to_string(),
                other => panic!("{other:?}"),
            }
        };
        assert!(shown(ADMIN, BOB).contains("`All` of identity_policy"));
        assert!(!shown(ADMIN, EXT).contains("`All`"));
        assert!(shown("operator", EXT).contains("`All` of identity_policy"));
    }
}
