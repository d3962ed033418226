//! What the state says, to those who may know it.

use super::{Answered, App, AppError, Arrival, Terms};
use crate::authn;
use crate::domain::authz::claim::TokenText;
use crate::domain::op::{self, Answer, Query};
use crate::gate::read::{Staleness, millis_up};

impl App {
    /// Answers a question about the state.
    ///
    /// # Errors
    /// [`AppError`]; a denial is [`AppError::Rejected`].
    pub async fn describe(
        &self,
        arrival: &Arrival,
        terms: &Terms,
        query: &Query,
        tokens: &[TokenText],
    ) -> Result<(Answer, Answered), AppError> {
        let trusted = self.admit(arrival)?;
        let mut view = self.view(arrival, terms, terms.consistency).await?;
        self.unmask(arrival, &view);
        let mut opened = self.opened(arrival, &view, tokens)?;
        if let Some(revision) = opened.wait_for {
            view = self
                .catch_up_with_tokens(arrival, terms, &view, tokens, revision)
                .await?;
            opened = self.opened(arrival, &view, tokens)?;
        }
        let state = view.state();
        let caller = authn::verify(trusted, &terms.claim, state).map_err(AppError::Refused)?;
        let position = view.position();
        let answer = op::query(
            state,
            &caller,
            &terms.scope,
            self.now(state),
            &opened.ahead,
            query,
        )
        .map_err(|rejection| AppError::Rejected {
            rejection,
            position,
            settled_at: None,
        })?;
        let Staleness(age) = view.finish().map_err(AppError::Stale)?;
        let answered = Answered {
            position,
            staleness_ms: Some(millis_up(age)),
            settled_at: None,
        };
        Ok((answer, answered))
    }
}
