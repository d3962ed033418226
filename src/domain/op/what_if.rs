//! `WhatIf`: what requests would be answered after changes that are not made.
//!
//! The changes are commands like any other, carried out by the asker on a copy of the state that is thrown away: who may
//! make a change may ask what it would do, and one that would be refused is refused here with the same words.

use std::sync::Arc;

use super::context::{Context, Question};
use super::insight::{self, NotPosed, Posed};
use super::key_use;
use super::refusal::{Said, refusals, said};
use super::{Answer, Command, Entry, ErrorCode, Rejection, Semantics, apply};
use crate::domain::authz::Denied;
use crate::domain::authz::authorize_within;
use crate::domain::authz::claim;
use crate::domain::authz::decision::Decision;
use crate::domain::authz::resolve::Unresolved;
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

/// How a request is decided now, and how it would be.
///
/// A rejection says why it cannot be decided, or that it is permitted and the state or the kind of the key stands in its
/// way (ST-4, U-14), as Authorize tells beside its decision.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Flip {
    /// Now.
    pub before: Result<Decision, Rejection>,
    /// After the changes.
    pub after: Result<Decision, Rejection>,
}

impl Flip {
    /// Whether what is allowed now would not be then, or the other way round.
    pub fn flips(&self) -> bool {
        let allows =
            |side: &Result<Decision, Rejection>| side.as_ref().is_ok_and(Decision::is_allow);
        allows(&self.before) != allows(&self.after)
    }
}

refusals! {
    /// Why WhatIf is refused, in the order of its checks.
    Refusal {
        /// Too many changes or requests.
        Bound(Said),
        /// A request about nobody, or about no action of KMS.
        Question(Said),
        /// A request on no key.
        Key(Unresolved),
        /// The asker may not read what decides a request.
        Denied(Denied),
        /// A change that would be refused.
        Change(Said),
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
            let posed = Posed::read(cx, question)?;
            match posed.key {
                Some(key) => insight::may_read_key(cx, key)?,
                None => insight::may_read_identity(cx, &posed.caller.identity)?,
            }
            before.push(side(cx, &posed));
        }
        let mut state = cx.state.clone();
        for (n, command) in changes.0.iter().enumerate() {
            if !spend(cx.effort, WORK_OF_CHANGE) {
                break;
            }
            let entry = Entry {
                proposed_at: cx.now,
                semantics: Semantics::CURRENT,
                caller: cx.caller.clone(),
                scope: cx.scope.clone(),
                request_id: RequestId([0; 16]),
                idempotency: None,
                command: command.clone(),
            };
            let at = Revision(state.revision().0.saturating_add(1));
            if let Err(Rejection { code, message, .. }) = apply(&mut state, at, &entry).outcome {
                let why = format!("change {} would be refused: {message}", n + 1);
                return Err(Refusal::Change(said(code, why)));
            }
        }
        let then = Context {
            state: &state,
            ..*cx
        };
        let flips = questions.iter().zip(before).map(|(question, before)| {
            let after = match Posed::read(&then, question) {
                Ok(posed) => side(&then, &posed),
                Err(NotPosed::Said(said)) => Err(said.into()),
                Err(NotPosed::Key(unresolved)) => Err(unresolved.into()),
            };
            let mut flip = Flip { before, after };
            withhold(cx, question, &mut flip);
            flip
        });
        Ok(Answer::WhatIf(flips.collect()))
    }
}

/// What a request is answered in a state.
fn side(cx: &Context<'_>, posed: &Posed<'_>) -> Result<Decision, Rejection> {
    let decision = authorize_within(cx.state, &posed.request(cx), cx.effort);
    if decision.is_allow()
        && let (Some(action), Some(key)) = (posed.action.kms(), posed.key)
    {
        key_use::check(action, cx.state, key, None)?;
    }
    Ok(decision)
}

/// Leaves out which statement of a policy decided that the asker may not read.
fn withhold(cx: &Context<'_>, question: &claim::Question, flip: &mut Flip) {
    let reads_identity = Posed::read(cx, question)
        .is_ok_and(|posed| insight::may_read_identity(cx, &posed.caller.identity).is_ok());
    for decision in [&mut flip.before, &mut flip.after].into_iter().flatten() {
        decision.withhold(|source| insight::is_withheld(cx, reads_identity, source));
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
            let side = told[n].after.as_ref();
            side.map(Decision::outcome).map_err(|error| error.code)
        };
        assert_eq!(after(0), Err(ErrorCode::Disabled));
        assert_eq!(after(1), Ok(Outcome::ImplicitDeny));
        assert_eq!(after(2), Err(ErrorCode::Disabled));
        assert_eq!(cluster.state.fingerprint(), before);
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
