//! `DisableKey`: puts a key into the state Disabled.

use super::context::{Change, Context};
use super::key_rules::BadState;
use super::refusal::{Said, refusals};
use super::{Event, KeyChange, Output, key_edit};
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
        let action = KmsAction::DisableKey;
        key_edit::toggled(cx, &self.key, action, KeyState::Disabled, Refusal::Managed)
    }

    fn enact(key: Arc<Key>, state: &mut State) -> (Output, Vec<Event>) {
        let change = KeyChange::State(key.state);
        key_edit::store(key, change, state)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::op::Command;
    use crate::domain::op::key_edit::testing::{check_refusals_of_toggling, check_toggling};

    fn command(key: KeyRef) -> Command {
        Command::DisableKey(DisableKey { key })
    }

    /// ST-2: codes 3, 5, 14 and 15 with their texts.
    #[test]
    fn refusals_come_in_the_order_of_the_checks() {
        check_refusals_of_toggling("kms:DisableKey", command);
    }

    /// ST-2: from Enabled and from Disabled alike.
    #[test]
    fn key_changes_state_from_either() {
        check_toggling(KeyState::Disabled, command);
    }
}
