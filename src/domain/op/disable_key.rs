//! `DisableKey`: puts a key into the state Disabled.

use super::context::{Change, Context};
use super::key_rules::{self, BadState, StateRule};
use super::refusal::{Said, refusals};
use super::{Event, KeyChange, Output};
use crate::domain::authz::request::Parameters;
use crate::domain::authz::resolve::Unresolved;
use crate::domain::authz::{Allowed, Denied};
use crate::domain::ids::KeyRef;
use crate::domain::policy::KmsAction;
use crate::domain::state::State;
use crate::domain::state::key::{Key, KeyState};
use std::sync::Arc;

/// Puts a key into the state Disabled.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DisableKey {
    /// The key as the caller named it (ID-6 says which forms an operation takes).
    pub key: KeyRef,
}

refusals! {
    /// Why DisableKey is refused, in the order of its checks.
    Refusal {
        /// No such key.
        Key(Unresolved),
        /// Not permitted.
        Denied(Denied),
        /// A key of AWS's (ST-5).
        Managed(Said),
        /// The key's state stands in the way (ST-2).
        State(BadState),
    }
}

impl Change for DisableKey {
    type Refusal = Refusal;
    type Plan = Arc<Key>;

    fn plan(&self, cx: &Context<'_>) -> Result<(Allowed, Arc<Key>), Refusal> {
        let key = cx.key_without_alias(&self.key)?;
        let allowed = cx.allow_key(KmsAction::DisableKey, key, Parameters::NONE)?;
        key_rules::check_customer_managed(key).map_err(Refusal::Managed)?;
        key_rules::check_state(StateRule::Toggle, key)?;
        let state = key_rules::toggled(key.state, KeyState::Disabled);
        Ok((
            allowed,
            Arc::new(Key {
                state,
                ..(**key).clone()
            }),
        ))
    }

    fn enact(key: Arc<Key>, state: &mut State) -> (Output, Vec<Event>) {
        let events = vec![Event::KeyChanged(
            key.arn.clone(),
            KeyChange::State(key.state),
        )];
        state.put_key(key);
        (Output::Done, events)
    }
}
