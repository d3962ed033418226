//! `WhatIf`: what requests would be answered after changes that are not made.
//!
//! The changes are commands like any other, carried out by the asker on a copy of the state that is thrown away: who may
//! make a change may ask what it would do, and one that would be refused is refused here with the same words.

use std::sync::Arc;

use super::context::{Context, Question};
use super::insight;
use super::parts::Found;
use super::posed::{NotPosed, Posed};
use super::refusal::{Said, refusals, said};
use super::{Answer, Command, DryRun, Entry, ErrorCode, Rejection, Semantics, apply};
use crate::domain::authz::Denied;
use crate::domain::authz::claim;
use crate::domain::authz::decision::{Decision, Source};
use crate::domain::effort::spend;
use crate::domain::ids::RequestId;
use crate::domain::limits::{WHAT_IF_CHANGES_MAX, WHAT_IF_QUESTIONS_MAX};
use crate::domain::time::Revision;

/// What a change costs at the least, in units of [`crate::domain::effort::Effort`]: a copy of what it touches.
const WORK_OF_CHANGE: u64 = 2_000;

/// What a request costs besides its decisions.
const WORK_OF_QUESTION: u64 = 200;

/// Tells how requests would be decided after changes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct WhatIf {
    /// The changes, in order.
    pub changes: Changes,
    /// The requests.
    pub questions: Vec<claim::Question>,
}

/// Commands that are not carried out.
#[derive(Clone, Debug)]
pub struct Changes(pub Arc<[Command]>);

/// Commands are not compared one by one: changes are equal to themselves.
impl PartialEq for Changes {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Changes {}

/// How a request is answered in a state.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Side {
    /// How it is decided. A rejection says why it cannot be, or that it is permitted and something else stands in its way:
    /// the state or the kind of the key (ST-4, U-14), the lockout check (P-7), as Authorize tells beside its decision.
    pub outcome: Result<Decision, Rejection>,
    /// Of what is asked for in several parts, each.
    pub parts: Vec<Found<Decision>>,
}

impl Side {
    /// Whether it would be carried out.
    pub fn allows(&self) -> bool {
        self.outcome.as_ref().is_ok_and(Decision::is_allow)
    }

    /// It cannot be decided.
    const fn cannot(why: Rejection) -> Self {
        Self {
            outcome: Err(why),
            parts: Vec::new(),
        }
    }
}

/// How a request is decided now, and how it would be.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Flip {
    /// Now.
    pub before: Side,
    /// After the changes.
    pub after: Side,
}

impl Flip {
    /// Whether what is allowed now would not be then, or the other way round.
    pub fn flips(&self) -> bool {
        self.before.allows() != self.after.allows()
    }
}

refusals! {
    /// Why WhatIf is refused, in the order of its checks.
    Refusal {
        /// Too many changes or requests.
        Bound(Said),
        /// A request about nobody.
        Subject(Said),
        /// A request on no key or alias, with no action of KMS, or one that does not say enough to be decided.
        Question(NotPosed),
        /// The asker may not read what decides a request.
        Denied(Denied),
        /// A change that would be refused.
        Change(Rejection),
    }
}

impl Question for WhatIf {
    type Refusal = Refusal;

    fn answer(&self, cx: &Context<'_>) -> Result<Answer, Refusal> {
        let Self { changes, questions } = self;
        for (what, count, max) in [
            ("changes", changes.0.len(), WHAT_IF_CHANGES_MAX),
            ("requests", questions.len(), WHAT_IF_QUESTIONS_MAX),
        ] {
            if count > max {
                return Err(Refusal::Bound(said(
                    ErrorCode::Validation,
                    format_args!("{count} {what} were sent; at most {max} are taken in one call"),
                )));
            }
        }
        let mut before = Vec::with_capacity(questions.len());
        for question in questions {
            if !spend(cx.effort, WORK_OF_QUESTION) {
                break;
            }
            let subject = insight::subject_of(cx, question).map_err(Refusal::Subject)?;
            let its = Context {
                caller: &subject,
                ..*cx
            };
            let posed = Posed::read(its, question)?;
            let refused = |why| Refusal::Question(NotPosed::Refused(Box::new(why)));
            let keys = posed.keys().map_err(refused)?;
            let reads_identity = insight::may_read(cx, &subject.identity, &keys)?;
            before.push((side(&posed), reads_identity));
        }
        let mut state = cx.state.clone();
        for (n, command) in changes.0.iter().enumerate() {
            if !spend(cx.effort, WORK_OF_CHANGE) {
                break;
            }
            let entry = Entry {
                proposed_at: cx.now,
                semantics: cx.state.semantics().max(Semantics::FIRST),
                caller: cx.caller.clone(),
                scope: cx.scope.clone(),
                request_id: RequestId([0; 16]),
                idempotency: None,
                command: command.clone(),
            };
            let at = Revision(state.revision().0.saturating_add(1));
            if let Err(rejection) = apply(&mut state, at, &entry).outcome {
                let why = format!("change {} would be refused: {}", n + 1, rejection.message);
                return Err(Refusal::Change(Rejection {
                    message: why.into(),
                    decision: None,
                    ..rejection
                }));
            }
        }
        let then = Context {
            state: &state,
            ..*cx
        };
        let flips = questions
            .iter()
            .zip(before)
            .map(|(question, (before, reads_identity))| {
                let mut flip = Flip {
                    before,
                    after: after(&then, question),
                };
                for side in [&mut flip.before, &mut flip.after] {
                    side.withhold(|source| insight::is_withheld(cx, reads_identity, source));
                }
                flip
            });
        Ok(Answer::WhatIf(flips.collect()))
    }
}

/// What a request is answered after the changes, which may have taken away what it is about.
fn after(then: &Context<'_>, question: &claim::Question) -> Side {
    let subject = match insight::subject_of(then, question) {
        Ok(subject) => subject,
        Err(why) => return Side::cannot(why.into()),
    };
    let its = Context {
        caller: &subject,
        ..*then
    };
    match Posed::read(its, question) {
        Ok(posed) => side(&posed),
        Err(why) => Side::cannot(why.into()),
    }
}

/// What a request is answered in a state.
fn side(posed: &Posed<'_>) -> Side {
    let verdict = match posed.verdict(DryRun::No) {
        Ok(verdict) => verdict,
        Err(why) => return Side::cannot(why),
    };
    Side {
        outcome: match verdict.refusal {
            Some(refusal) if refusal.code != ErrorCode::AccessDenied => Err(refusal),
            Some(_) | None => Ok(verdict.decision),
        },
        parts: verdict.parts,
    }
}

impl Side {
    /// Leaves out which statement of a policy decided that the asker may not read.
    fn withhold(&mut self, is_withheld: impl Fn(Source) -> bool) {
        let own = self.outcome.as_mut().ok();
        for decision in own
            .into_iter()
            .chain(self.parts.iter_mut().map(|part| &mut part.found))
        {
            decision.withhold(&is_withheld);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::authz::claim::Subject;
    use crate::domain::authz::decision::Outcome;
    use crate::domain::op::testing::{
        ADMIN, ALLOW_ALL, BOB, CAROL, Cluster, arn, check_rows, create_grant, key,
    };
    use crate::domain::op::{
        Query, delete_alias, disable_key, put_key_policy, revoke_grant, tag_resource,
    };
    use crate::domain::policy::{Policy, PolicyKind};

    fn question(subject: &str, action: &str) -> claim::Question {
        claim::Question {
            subject: Some(Subject::Principal(arn(subject))),
            action: action.into(),
            key: Some(key(1)),
            encryption_context: Default::default(),
            grant_tokens: Vec::new(),
            facts: Default::default(),
            dry_run: false,
            random_source: None,
            members: Default::default(),
        }
    }

    fn what_if(changes: Vec<Command>, questions: Vec<claim::Question>) -> Query {
        Query::WhatIf(WhatIf {
            changes: Changes(changes.into()),
            questions,
        })
    }

    fn flips(
        cluster: &Cluster,
        changes: Vec<Command>,
        questions: Vec<claim::Question>,
    ) -> Vec<Flip> {
        match cluster.ask(ADMIN, what_if(changes, questions)) {
            Ok(Answer::WhatIf(flips)) => flips,
            other => panic!("{other:?}"),
        }
    }

    fn policy(text: &str) -> Command {
        Command::PutKeyPolicy(put_key_policy::PutKeyPolicy {
            key: key(1),
            policy_name: None,
            policy: text.into(),
            lockout_check: super::super::LockoutCheck::Bypass,
        })
    }

    /// Changes are tried one after the other, on a copy: which answers flip is told, and nothing is changed.
    #[test]
    fn changes_flip_answers_and_are_not_made() {
        let mut cluster = Cluster::new();
        cluster.done(ADMIN, Command::CreateGrant(create_grant(1, BOB)));
        cluster.put_policy(CAROL, ALLOW_ALL);
        let before = cluster.state.fingerprint();
        let revoke = Command::RevokeGrant(revoke_grant::RevokeGrant {
            key: key(1),
            grant_id: "01".repeat(32).into(),
            descendants: Default::default(),
            dry_run: Default::default(),
        });
        let asked = vec![
            question(BOB, "kms:Decrypt"),
            question(BOB, "kms:Encrypt"),
            question(CAROL, "kms:Encrypt"),
        ];
        let told = flips(&cluster, vec![revoke.clone()], asked.clone());
        assert_eq!(
            told.iter().map(Flip::flips).collect::<Vec<_>>(),
            [true, false, false]
        );
        let only_bob = policy(
            r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111122223333:user/bob"},"Action":"kms:Encrypt","Resource":"*"}]}"#,
        );
        let told = flips(&cluster, vec![only_bob], asked.clone());
        assert_eq!(
            told.iter().map(Flip::flips).collect::<Vec<_>>(),
            [false, true, true]
        );
        let tagged = Command::TagResource(tag_resource::TagResource {
            key: key(1),
            tags: vec![("a".into(), "b".into())],
        });
        let disabled = Command::DisableKey(disable_key::DisableKey { key: key(1) });
        let told = flips(&cluster, vec![tagged, disabled], asked);
        // ST-4: what is permitted is refused by the state of the key; what is denied is denied before.
        assert_eq!(
            told.iter().map(Flip::flips).collect::<Vec<_>>(),
            [true, false, true]
        );
        let after = |n: usize| {
            let side = told[n].after.outcome.as_ref();
            side.map(Decision::outcome).map_err(|error| error.code)
        };
        assert_eq!(after(0), Err(ErrorCode::Disabled));
        assert_eq!(after(1), Ok(Outcome::ImplicitDeny));
        assert_eq!(after(2), Err(ErrorCode::Disabled));
        assert_eq!(cluster.state.fingerprint(), before);
    }

    /// CK-41, U-19: a change that puts a key policy with condition keys of identity policies is refused in the words of the
    /// operation, and so is a request that brings one. A policy that the state holds all the same is evaluated as it stands.
    #[test]
    fn key_policy_by_keys_of_identity_policies_is_refused_as_a_change_and_evaluated_as_a_fact() {
        const AWS: &str = "These condition keys are not permitted in a key policy: aws:ResourceTag, kms:ResourceTag, kms:ResourceAliases";
        let mut cluster = Cluster::new();
        cluster.put_policy(CAROL, ALLOW_ALL);
        let by = |condition: &str| {
            format!(
                r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Principal":{{"AWS":"{ADMIN}"}},"Action":"kms:*","Resource":"*"}},{{"Effect":"Allow","Principal":{{"AWS":"{BOB}"}},"Action":"kms:*","Resource":"*","Condition":{condition}}}]}}"#
            )
        };
        let tagged = by(r#"{"StringEquals":{"aws:ResourceTag/open":"yes"}}"#);
        let asked = || vec![question(BOB, "kms:Decrypt")];
        for condition in [
            r#"{"StringEquals":{"aws:ResourceTag/open":"yes"}}"#,
            r#"{"StringEquals":{"kms:resourcetag/open":"yes"}}"#,
            r#"{"ForAnyValue:StringEquals":{"kms:ResourceAliases":"alias/a"}}"#,
        ] {
            let change = policy(&by(condition));
            let (of_operation, words) = cluster.refusal(ADMIN, change.clone());
            assert!(words.starts_with(AWS), "{words}");
            let refused = cluster.ask(ADMIN, what_if(vec![change], asked()));
            let (code, message) = refused.unwrap_err();
            assert_eq!(code, of_operation);
            assert_eq!(code, "MalformedPolicyDocumentException");
            assert_eq!(message, format!("change 1 would be refused: {words}"));
        }
        // Of a request, on both sides.
        let disabled = || vec![Command::DisableKey(disable_key::DisableKey { key: key(1) })];
        let mut put = question(ADMIN, "kms:PutKeyPolicy");
        put.members.policy = Some(tagged.as_str().into());
        let told = flips(&cluster, disabled(), vec![put]).remove(0);
        for side in [told.before, told.after] {
            let refused = side.outcome.unwrap_err();
            assert_eq!(refused.code.as_str(), "MalformedPolicyDocumentException");
            assert!(refused.message.starts_with(AWS), "{}", refused.message);
        }
        // Of the state, which no operation brings there: before the key is tagged, and after.
        let read = Policy::parse_unstored(&tagged, PolicyKind::Key).unwrap();
        cluster.set_key(|key| key.policy = read);
        let tag = Command::TagResource(tag_resource::TagResource {
            key: key(1),
            tags: vec![("open".into(), "yes".into())],
        });
        let told = flips(&cluster, vec![tag], asked()).remove(0);
        assert!(!told.before.allows() && told.after.allows(), "{told:?}");
    }

    #[test]
    fn what_if_refuses_in_the_order_of_its_checks() {
        let cluster = Cluster::new();
        let refused = |who: &str, query| cluster.ask(who, query).unwrap_err();
        let one = || vec![question(BOB, "kms:Decrypt")];
        let gone = || {
            vec![Command::DeleteAlias(delete_alias::DeleteAlias {
                alias: "alias/none".into(),
            })]
        };
        let nobody = vec![question(
            "arn:aws:iam::111122223333:user/nobody",
            "kms:Decrypt",
        )];
        let nowhere = vec![claim::Question {
            key: Some(key(9)),
            ..question(BOB, "kms:Decrypt")
        }];
        let many = vec![question(BOB, "kms:Decrypt"); WHAT_IF_QUESTIONS_MAX + 1];
        let changes = |n: usize| gone().into_iter().cycle().take(n).collect::<Vec<_>>();
        check_rows(vec![
            (
                "too many changes",
                refused(
                    BOB,
                    what_if(changes(WHAT_IF_CHANGES_MAX + 1), nobody.clone()),
                ),
                "ValidationException",
                "changes",
            ),
            (
                "too many requests",
                refused(BOB, what_if(gone(), many)),
                "ValidationException",
                "requests",
            ),
            (
                "nobody",
                refused(BOB, what_if(gone(), nobody)),
                "NoSuchEntity",
                "nobody",
            ),
            (
                "no key",
                refused(BOB, what_if(gone(), nowhere)),
                "NotFoundException",
                "does not exist",
            ),
            (
                "no right to read",
                refused(BOB, what_if(gone(), one())),
                "AccessDeniedException",
                "kms:GetKeyPolicy",
            ),
            (
                "a change that is refused",
                refused(ADMIN, what_if(gone(), one())),
                "NotFoundException",
                "change 1 would be refused: Alias",
            ),
        ]);
    }
}
