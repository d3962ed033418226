//! `GetSettings`: tells the replicated settings; for the operator alone.

use super::Answer;
use super::context::{Context, Question};
use super::refusal::refusals;
use crate::domain::authz::{Denied, require_operator};

/// Tells the replicated settings; for the operator alone.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct GetSettings;

refusals! {
    /// Why GetSettings is refused.
    Refusal {
        /// It is for the operator.
        Denied(Denied),
    }
}

impl Question for GetSettings {
    type Refusal = Refusal;

    fn answer(&self, cx: &Context<'_>) -> Result<Answer, Refusal> {
        require_operator(cx.caller, "grantd:GetSettings")?;
        Ok(Answer::Settings(*cx.state.settings()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::op::Query;
    use crate::domain::op::testing::{ADMIN, Cluster, check_rows};

    #[test]
    fn get_settings_is_for_the_operator() {
        let cluster = Cluster::new();
        let get = || Query::GetSettings(GetSettings);
        check_rows(vec![(
            "an administrator",
            cluster.ask(ADMIN, get()).unwrap_err(),
            "AccessDeniedException",
            "operator",
        )]);
        let told = cluster.ask("operator", get());
        assert!(matches!(told, Ok(Answer::Settings(s)) if s == *cluster.state.settings()));
    }
}
