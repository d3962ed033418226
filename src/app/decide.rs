//! May this subject do this to this key now?

use std::sync::Arc;

use super::aside::{Progress, in_place};
use super::error::WriteError;
use super::tokens::Opened;
use super::usage::Noted;
use super::{Answered, App, AppError, Arrival, Consistency, Terms, bounds};
use crate::audit::DecisionRecord;
use crate::authn::{self, Trusted};
use crate::crypto::token::TokenError;
use crate::domain::authz::caller::Identity;
use crate::domain::authz::claim::{Claim, Question, TokenText};
use crate::domain::effort::Effort;
use crate::domain::ids::KeyArn;
use crate::domain::op::posed::{NotPosed, Posed, Verdict};
use crate::domain::op::{Context, DryRun};
use crate::domain::policy::KmsAction;
use crate::domain::state::key_usage::ReportDue;
use crate::domain::time::{Position, Revision, Timestamp};
use crate::gate::read::{Staleness, TooStale, View, millis_up};

/// A question's answer.
#[derive(Clone, Debug)]
pub struct Decided {
    /// Whom it is about.
    pub subject: Identity,
    /// What comes of it.
    pub verdict: Verdict,
    /// The uses that are allowed, if the state knows too little of their keys' last ones (EC-23).
    pub untold: Vec<(KeyArn, KmsAction, Timestamp)>,
}

/// The answers to a batch, all of one view.
pub type DecidedAll = Vec<Result<Decided, AppError>>;

impl App {
    /// Decides one question.
    ///
    /// # Errors
    /// [`AppError`]: a deny is not one of them.
    pub async fn decide(
        &self,
        arrival: &Arrival,
        terms: &Terms,
        question: Question,
    ) -> Result<(Decided, Answered), AppError> {
        let questions = [question].into();
        let (mut decided, answered) = self.decide_all(arrival, terms, questions).await?;
        let one = decided
            .pop()
            .ok_or(AppError::Internal("a question got no answer"))??;
        Ok((one, answered))
    }

    /// Decides many questions at one revision. A question that cannot be decided spoils no other.
    ///
    /// # Errors
    /// [`AppError`], if none of them can be decided: caller not believed, node not fresh enough.
    pub async fn decide_all(
        &self,
        arrival: &Arrival,
        terms: &Terms,
        questions: Arc<[Question]>,
    ) -> Result<(DecidedAll, Answered), AppError> {
        let trusted = self.admit(arrival)?;
        self.audit.accepts().map_err(AppError::Untold)?;
        let (mut view, mut decided) = self
            .decide_once(arrival, terms, trusted, &questions)
            .await?;
        let noted = self.note_uses(arrival, &view, &decided);
        if !noted.is_empty() {
            (view, decided) = self
                .decide_recorded(arrival, terms, trusted, &questions, view, noted)
                .await?;
        }
        // What is too old already is not told as a decision.
        let told_at = answered(&view)?;
        self.record(arrival, terms, &questions, &decided, told_at)
            .await?;
        // ORDER: the last look at the clock comes after all else, so that no decision leaves older than it says.
        match answered(&view) {
            Ok(answered) => Ok((decided, answered)),
            Err(error) => {
                self.audit
                    .withdrawn(arrival.request_id, "it had grown too old to be answered");
                Err(error)
            }
        }
    }

    /// Takes note of the uses among the answers. What must be known to the cluster before its answer, by its place.
    fn note_uses(
        &self,
        arrival: &Arrival,
        view: &View,
        decided: &DecidedAll,
    ) -> Vec<(usize, Noted)> {
        let mut noted = Vec::new();
        for (at, decided) in decided.iter().enumerate() {
            let untold = decided.iter().flat_map(|decided| &decided.untold);
            for (key, action, now) in untold {
                let Some(key) = view.state().key(key) else {
                    continue;
                };
                match self.usage.note(key, *action, *now, arrival.request_id) {
                    Noted::Enough => {}
                    wait => noted.push((at, wait)),
                }
            }
        }
        noted
    }

    /// Decides once the cluster knows of the uses in `noted`. Anew, on a view that knows of them too: the first has grown
    /// old meanwhile. A use that the cluster does not know of is not allowed.
    async fn decide_recorded(
        &self,
        arrival: &Arrival,
        terms: &Terms,
        trusted: Trusted,
        questions: &Arc<[Question]>,
        view: View,
        noted: Vec<(usize, Noted)>,
    ) -> Result<(View, DecidedAll), AppError> {
        let mut known = view.position();
        drop(view);
        let mut refused = Vec::new();
        for (at, noted) in noted {
            let why = match noted {
                Noted::Enough => continue,
                Noted::Refused(why) => why,
                Noted::Wait(waiting) => {
                    let left = self.remaining(arrival, terms);
                    match waiting.recorded(&*self.clock, left).await {
                        Some(revision) => {
                            known.revision = known.revision.max(revision);
                            continue;
                        }
                        None => "the cluster did not take it in time",
                    }
                }
            };
            refused.push((at, why));
        }
        let consistency = match terms.consistency {
            Consistency::Linearizable => Consistency::Linearizable,
            Consistency::AtLeast(asked) if asked.revision > known.revision => {
                Consistency::AtLeast(asked)
            }
            Consistency::AtLeast(_) | Consistency::Bounded => Consistency::AtLeast(known),
        };
        let terms = Terms {
            consistency,
            ..terms.clone()
        };
        let (view, mut decided) = self
            .decide_once(arrival, &terms, trusted, questions)
            .await?;
        for (at, why) in refused {
            if let Some(decided) = decided.get_mut(at) {
                *decided = Err(AppError::Write(WriteError::Unavailable {
                    why: format!(
                        "the first use of the key in 24 hours must be known to the cluster before it is allowed, and {why}"
                    ),
                }));
            }
        }
        Ok((view, decided))
    }

    /// Decides on one view.
    async fn decide_once(
        &self,
        arrival: &Arrival,
        terms: &Terms,
        trusted: Trusted,
        questions: &Arc<[Question]>,
    ) -> Result<(View, DecidedAll), AppError> {
        let view = self.view(arrival, terms, terms.consistency).await?;
        if matches!(terms.claim, Claim::Operator) && terms.scope.region.partition().is_some() {
            self.check_served(terms, &view)?;
        }
        let (view, opened) = self.reach(arrival, terms, view, questions).await?;
        let now = self.now(view.state());
        let progress = Progress::default();
        let decided = in_place(|effort| {
            let asker = Asker {
                trusted,
                terms,
                view: &view,
                now,
                effort,
            };
            asker.decide_each(questions, opened, &progress)
        });
        match decided {
            Some(decided) => Ok((view, decided)),
            None => {
                drop(view);
                self.decide_aside(arrival, terms, trusted, questions).await
            }
        }
    }

    /// Decides where what takes long is worked out, on a view that is taken once there is a place.
    async fn decide_aside(
        &self,
        arrival: &Arrival,
        terms: &Terms,
        trusted: Trusted,
        questions: &Arc<[Question]>,
    ) -> Result<(View, DecidedAll), AppError> {
        let place = self.aside.place(self.remaining(arrival, terms)).await?;
        let view = self.view(arrival, terms, terms.consistency).await?;
        let (view, opened) = self.reach(arrival, terms, view, questions).await?;
        let now = self.now(view.state());
        // What bounds a batch is its time: how many questions may be asked at once is bounded already.
        let bounds = bounds(arrival, terms, &view, u64::MAX);
        let (terms, questions) = (terms.clone(), Arc::clone(questions));
        let work = move |effort: &Effort<'_>, progress: &Progress| {
            let asker = Asker {
                trusted,
                terms: &terms,
                view: &view,
                now,
                effort,
            };
            let decided = asker.decide_each(&questions, opened, progress);
            (view, decided)
        };
        self.aside.run(place, bounds, work).await
    }

    /// The tokens of each question, opened on a view that has reached what they need.
    async fn reach(
        &self,
        arrival: &Arrival,
        terms: &Terms,
        view: View,
        questions: &[Question],
    ) -> Result<(View, Vec<Result<Opened, AppError>>), AppError> {
        self.unmask(arrival, &view);
        let opened = self.open_each(arrival, &view, questions);
        let Some(wait_for) = furthest(&opened, Revision(u64::MAX)) else {
            return Ok((view, opened));
        };
        let error = match self.catch_up(arrival, terms, &view, wait_for).await {
            Ok(later) => {
                let opened = self.open_each(arrival, &later, questions);
                return Ok((later, opened));
            }
            Err(error) => error,
        };
        let Some(read_index) = beyond_committed(&error) else {
            // Those that need no wait are answered on the view there is.
            return Ok((view, fail_waiting(opened, Revision(u64::MAX), &error)));
        };
        // A token claims what never was: its question is refused, and the others get what they wait for all the same.
        for question in questions {
            self.unmask_beyond(arrival, &view, &question.grant_tokens, read_index);
        }
        let (view, opened) = match furthest(&opened, read_index) {
            None => (view, opened),
            Some(wait_for) => match self.catch_up(arrival, terms, &view, wait_for).await {
                Ok(later) => {
                    let opened = self.open_each(arrival, &later, questions);
                    (later, opened)
                }
                Err(error) => (view, fail_waiting(opened, read_index, &error)),
            },
        };
        let refused = AppError::Token(TokenError::BeyondCommitted);
        Ok((view, fail_waiting(opened, Revision(u64::MAX), &refused)))
    }

    fn open_each(
        &self,
        arrival: &Arrival,
        view: &View,
        questions: &[Question],
    ) -> Vec<Result<Opened, AppError>> {
        questions
            .iter()
            .map(|question| self.opened(arrival, view, &question.grant_tokens))
            .collect()
    }

    /// What `tokens` mean on `view`.
    pub(super) fn opened(
        &self,
        arrival: &Arrival,
        view: &View,
        tokens: &[TokenText],
    ) -> Result<Opened, AppError> {
        self.vault
            .open(view.state(), view.position().revision, tokens, arrival.at)
            .map_err(AppError::Token)
    }

    /// A view that has applied what `tokens` claim.
    ///
    /// # Errors
    /// [`AppError::Token`] if the cluster has not reached that, even now: a token is minted after apply.
    pub(super) async fn catch_up_with_tokens(
        &self,
        arrival: &Arrival,
        terms: &Terms,
        view: &View,
        tokens: &[TokenText],
        revision: Revision,
    ) -> Result<View, AppError> {
        let error = match self.catch_up(arrival, terms, view, revision).await {
            Ok(later) => return Ok(later),
            Err(error) => error,
        };
        let Some(read_index) = beyond_committed(&error) else {
            return Err(error);
        };
        self.unmask_beyond(arrival, view, tokens, read_index);
        Err(AppError::Token(TokenError::BeyondCommitted))
    }

    /// A view that has applied `revision` of the same life of the cluster.
    async fn catch_up(
        &self,
        arrival: &Arrival,
        terms: &Terms,
        view: &View,
        revision: Revision,
    ) -> Result<View, AppError> {
        let position = Position {
            incarnation: view.position().incarnation,
            revision,
        };
        self.view(arrival, terms, Consistency::AtLeast(position))
            .await
    }

    /// Distrusts the epochs of tokens that claim more than a read index asked for after they came.
    fn unmask_beyond(
        &self,
        arrival: &Arrival,
        view: &View,
        tokens: &[TokenText],
        read_index: Revision,
    ) {
        let applied = view.position().revision;
        if let Some(forged) = self
            .vault
            .distrust_beyond(view.state(), applied, tokens, read_index)
        {
            self.alarm(arrival, forged, view.state());
        }
    }

    async fn record(
        &self,
        arrival: &Arrival,
        terms: &Terms,
        questions: &[Question],
        decided: &DecidedAll,
        answered: Answered,
    ) -> Result<(), AppError> {
        let front = match &terms.claim {
            Claim::Front { name, .. } => Some(name.as_ref()),
            Claim::Operator | Claim::Principal(_) => None,
        };
        for (n, (question, decided)) in questions.iter().zip(decided).enumerate() {
            if n % RECORDS_AT_ONCE == RECORDS_AT_ONCE - 1 {
                tokio::task::yield_now().await;
            }
            if let Ok(decided) = decided {
                let told = self.audit.decided(&DecisionRecord {
                    request_id: arrival.request_id,
                    front,
                    subject: &decided.subject,
                    action: &question.action,
                    asked: question.key.as_ref(),
                    key: decided.verdict.key.as_ref(),
                    decision: &decided.verdict.decision,
                    position: answered.position,
                    staleness_ms: answered.staleness_ms.unwrap_or_default(),
                    grant_tokens: question.grant_tokens.len(),
                });
                if let Err(not_told) = told {
                    self.audit
                        .withdrawn(arrival.request_id, "not all of it could be told");
                    return Err(AppError::Untold(not_told));
                }
            }
        }
        Ok(())
    }
}

/// What an answer from `view` says of itself if it leaves now.
fn answered(view: &View) -> Result<Answered, AppError> {
    let Staleness(age) = view.finish().map_err(AppError::Stale)?;
    Ok(Answered {
        position: view.position(),
        staleness_ms: Some(millis_up(age)),
        settled_at: None,
    })
}

/// Decisions that are told before others get their turn: each is a line of some hundred bytes.
const RECORDS_AT_ONCE: usize = 100;

/// Who asks, on which view.
struct Asker<'a> {
    trusted: Trusted,
    terms: &'a Terms,
    view: &'a View,
    now: Timestamp,
    effort: &'a Effort<'a>,
}

impl Asker<'_> {
    /// Decides each question; of work that was cut, as many as there was time for.
    fn decide_each(
        &self,
        questions: &[Question],
        opened: Vec<Result<Opened, AppError>>,
        progress: &Progress,
    ) -> DecidedAll {
        let of = questions.len();
        questions
            .iter()
            .zip(opened)
            .enumerate()
            .take_while(|_| !self.effort.is_cut())
            .map(|(done, (question, opened))| {
                progress.is(done, of);
                self.decide_on(question, &opened?)
            })
            .collect()
    }

    fn decide_on(&self, question: &Question, opened: &Opened) -> Result<Decided, AppError> {
        let Self {
            trusted,
            terms,
            view,
            now,
            effort,
        } = *self;
        // What an earlier question looked at is none of this one's.
        effort.take_dated();
        let state = view.state();
        let caller = authn::verify_question(trusted, &terms.claim, question, state)
            .map_err(AppError::Refused)?;
        let cx = Context {
            state,
            caller: &caller,
            scope: &terms.scope,
            now,
            at: state.revision(),
            token_grants: &opened.ahead,
            effort: Some(effort),
        };
        let refused = |rejection| AppError::Rejected {
            rejection,
            position: view.position(),
            settled_at: None,
        };
        let posed = Posed::read(cx, question).map_err(|why| match why {
            NotPosed::Action(action) => AppError::UnknownAction(action),
            NotPosed::NeedsKeyArn => AppError::Refused(authn::Refusal::NeedsKeyArn),
            NotPosed::Key(unresolved) => AppError::Unresolved(unresolved),
            NotPosed::Said(_) | NotPosed::Refused(_) => refused(why.into()),
        })?;
        let dry_run = if question.dry_run {
            DryRun::Yes
        } else {
            DryRun::No
        };
        let verdict = posed.verdict(dry_run);
        if effort.take_dated() {
            view.check_wall().map_err(AppError::Stale)?;
        }
        let verdict = verdict.map_err(refused)?;
        // Only what is carried out is a use: not what is refused, and no dry run.
        let is_carried_out = verdict.refusal.is_none();
        let untold = posed
            .uses()
            .filter(|(_, key)| is_carried_out && key.report_due(now) != ReportDue::No)
            .map(|(action, key)| (key.arn.clone(), action, now))
            .collect();
        drop(posed);
        Ok(Decided {
            untold,
            subject: caller.identity,
            verdict,
        })
    }
}

/// The furthest revision, up to `limit`, that a question waits for.
fn furthest(opened: &[Result<Opened, AppError>], limit: Revision) -> Option<Revision> {
    opened
        .iter()
        .filter_map(|opened| opened.as_ref().ok()?.wait_for)
        .filter(|wait_for| *wait_for <= limit)
        .max()
}

/// Ends the questions that wait for a revision up to `limit` with `error`.
fn fail_waiting(
    opened: Vec<Result<Opened, AppError>>,
    limit: Revision,
    error: &AppError,
) -> Vec<Result<Opened, AppError>> {
    opened
        .into_iter()
        .map(|opened| match opened {
            Ok(Opened {
                wait_for: Some(wait_for),
                ..
            }) if wait_for <= limit => Err(error.clone()),
            other => other,
        })
        .collect()
}

/// The read index beyond which a revision was asked for, if that is what went wrong.
fn beyond_committed(error: &AppError) -> Option<Revision> {
    match error {
        AppError::Stale(TooStale::BeyondCommitted { read_index, .. }) => Some(*read_index),
        _ => None,
    }
}
