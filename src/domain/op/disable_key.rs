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
        key_rules::check_state(StateRule::Toggle, cx.state, key)?;
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::op::Command;
    use crate::domain::op::testing::{ADMIN, BOB, Cluster, check_rows, key, key_arn};
    use crate::domain::state::key::KeyManager;

    fn command(key: KeyRef) -> Command {
        Command::DisableKey(DisableKey { key })
    }

    /// ST-2: codes 3, 5, 14 and 15 with their texts.
    #[test]
    fn refusals_come_in_the_order_of_the_checks() {
        let cluster = Cluster::new();
        let in_state = |state| {
            let mut cluster = cluster.copy();
            cluster.set_key_state(state);
            cluster
        };
        let mut managed = in_state(KeyState::Creating);
        managed.set_key(|key| key.manager = KeyManager::Aws);
        let invalid = "KMSInvalidStateException";
        check_rows(vec![
            (
                "an alias",
                managed.refusal(BOB, command("alias/a".parse().unwrap())),
                "NotFoundException",
                "Invalid keyId",
            ),
            (
                "no permission",
                managed.refusal(BOB, command(key(1))),
                "AccessDeniedException",
                "kms:DisableKey",
            ),
            (
                "AWS's own key",
                managed.refusal(ADMIN, command(key(1))),
                "NotAuthorizedException",
                "AWS managed",
            ),
            (
                "3",
                in_state(KeyState::PendingDeletion).refusal(ADMIN, command(key(1))),
                invalid,
                &format!("{} is pending deletion.", key_arn(1)),
            ),
            (
                "3",
                in_state(KeyState::PendingReplicaDeletion).refusal(ADMIN, command(key(1))),
                invalid,
                "is pending deletion.",
            ),
            (
                "5",
                in_state(KeyState::PendingImport).refusal(ADMIN, command(key(1))),
                invalid,
                "is pending import.",
            ),
            (
                "14",
                in_state(KeyState::Creating).refusal(ADMIN, command(key(1))),
                invalid,
                "is creating.",
            ),
            (
                "15",
                in_state(KeyState::Updating).refusal(ADMIN, command(key(1))),
                invalid,
                "is updating.",
            ),
        ]);
    }

    #[test]
    fn key_changes_state_from_either() {
        for from in [KeyState::Enabled, KeyState::Disabled] {
            let mut cluster = Cluster::new();
            cluster.set_key_state(from);
            cluster.done(ADMIN, command(key(1)));
            assert_eq!(
                cluster.state.key(&key_arn(1)).unwrap().state,
                KeyState::Disabled
            );
        }
    }
}
