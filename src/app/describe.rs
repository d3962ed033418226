//! What the state says, to those who may know it.

use std::sync::Arc;

use super::aside::{Progress, in_place};
use super::tokens::Opened;
use super::{Answered, App, AppError, Arrival, Terms, bounds};
use crate::authn::{self, Trusted};
use crate::domain::authz::claim::TokenText;
use crate::domain::effort::Effort;
use crate::domain::limits::ANSWER_WORK;
use crate::domain::op::{self, Answer, Cut, Query};
use crate::domain::time::Timestamp;
use crate::gate::read::{Staleness, View, millis_up};

impl App {
    /// Answers a question about the state.
    ///
    /// # Errors
    /// [`AppError`]; a denial is [`AppError::Rejected`].
    pub async fn describe(
        &self,
        arrival: &Arrival,
        terms: &Terms,
        query: Query,
        tokens: &[TokenText],
    ) -> Result<(Answer, Answered), AppError> {
        let query = Arc::new(query);
        // What the longest messages ask is some hundred thousand texts.
        let _held = query.is_long().then(|| self.aside.hold(Arc::clone(&query)));
        let trusted = self.admit(arrival)?;
        if !query.is_long() {
            let (view, opened) = self.view_for(arrival, terms, tokens).await?;
            let now = self.now(view.state());
            let answered =
                in_place(|effort| answer(trusted, terms, &view, now, &opened, &query, effort));
            if let Some(answered) = answered {
                return finish(&view, answered?);
            }
        }
        let place = self.aside.place(self.remaining(arrival, terms)).await?;
        let (view, opened) = self.view_for(arrival, terms, tokens).await?;
        let now = self.now(view.state());
        let bounds = bounds(arrival, terms, &view, ANSWER_WORK);
        let terms = terms.clone();
        let work = move |effort: &Effort<'_>, _: &Progress| {
            let answered = answer(trusted, &terms, &view, now, &opened, &query, effort);
            (view, answered)
        };
        let (view, answered) = self.aside.run(place, bounds, work).await?;
        finish(&view, answered?)
    }

    /// A view that has reached what `tokens` need, and what they mean on it.
    async fn view_for(
        &self,
        arrival: &Arrival,
        terms: &Terms,
        tokens: &[TokenText],
    ) -> Result<(View, Opened), AppError> {
        let view = self.view(arrival, terms, terms.consistency).await?;
        self.unmask(arrival, &view);
        let opened = self.opened(arrival, &view, tokens)?;
        let Some(revision) = opened.wait_for else {
            return Ok((view, opened));
        };
        let view = self
            .catch_up_with_tokens(arrival, terms, &view, tokens, revision)
            .await?;
        let opened = self.opened(arrival, &view, tokens)?;
        Ok((view, opened))
    }
}

/// The answer on a view; of work that was cut one that is never told.
fn answer(
    trusted: Trusted,
    terms: &Terms,
    view: &View,
    now: Timestamp,
    opened: &Opened,
    query: &Query,
    effort: &Effort<'_>,
) -> Result<Answer, AppError> {
    let state = view.state();
    let caller = authn::verify(trusted, &terms.claim, state).map_err(AppError::Refused)?;
    let ahead = &opened.ahead;
    let answered = op::query_within(state, &caller, &terms.scope, now, ahead, query, effort);
    if effort.take_dated() {
        view.check_wall().map_err(AppError::Stale)?;
    }
    match answered {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(rejection)) => Err(AppError::Rejected {
            rejection,
            position: view.position(),
            settled_at: None,
        }),
        Err(Cut) => Err(AppError::Internal("an answer was cut")),
    }
}

fn finish(view: &View, answer: Answer) -> Result<(Answer, Answered), AppError> {
    let Staleness(age) = view.finish().map_err(AppError::Stale)?;
    let answered = Answered {
        position: view.position(),
        staleness_ms: Some(millis_up(age)),
        settled_at: None,
    };
    Ok((answer, answered))
}
