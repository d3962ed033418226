//! What the operations that edit a key share: how the key is named, who may edit it, which keys can be edited in which
//! state, and how the edited key is stored.

use std::sync::Arc;

use super::context::Context;
use super::key_rules::{self, BadState, StateRule};
use super::refusal::Said;
use super::{Event, KeyChange, KeyDescription, Output};
use crate::domain::authz::request::Parameters;
use crate::domain::authz::resolve::Unresolved;
use crate::domain::authz::{Allowed, Denied};
use crate::domain::ids::KeyRef;
use crate::domain::policy::KmsAction;
use crate::domain::state::State;
use crate::domain::state::key::{Key, KeyState};

/// The key that `action` may edit now. In this order: it is not named by an alias (ID-6), the caller may do it, a
/// customer manages the key (ST-5; said as `managed`), and its state does not stand in the way (ST-2).
pub fn editable<'a, R>(
    cx: &Context<'a>,
    named: &KeyRef,
    action: KmsAction,
    parameters: Parameters<'_>,
    managed: impl FnOnce(Said) -> R,
) -> Result<(Allowed, &'a Arc<Key>), R>
where
    R: From<Unresolved> + From<Denied> + From<BadState>,
{
    let key = cx.key_without_alias(named)?;
    let allowed = cx.allow_key(action, key, parameters)?;
    key_rules::check_customer_managed(key).map_err(managed)?;
    key_rules::check_state(StateRule::of(action), cx.state, key)?;
    Ok((allowed, key))
}

/// The key in the state that `action` wants it to have: EnableKey and DisableKey.
pub fn toggled<R>(
    cx: &Context<'_>,
    named: &KeyRef,
    action: KmsAction,
    wanted: KeyState,
    managed: impl FnOnce(Said) -> R,
) -> Result<(Allowed, Arc<Key>), R>
where
    R: From<Unresolved> + From<Denied> + From<BadState>,
{
    let (allowed, key) = editable(cx, named, action, Parameters::NONE, managed)?;
    let key = Key {
        state: key_rules::toggled(key.state, wanted),
        ..(**key).clone()
    };
    Ok((allowed, Arc::new(key)))
}

/// Stores an edited key, and says what has changed of it.
pub fn store(key: Arc<Key>, change: KeyChange, state: &mut State) -> (Output, Vec<Event>) {
    let events = vec![Event::KeyChanged(key.arn.clone(), change)];
    state.put_key(key);
    (Output::Done, events)
}

/// Stores a key whose state has changed; the caller is told the key.
pub fn store_and_tell(key: Arc<Key>, state: &mut State) -> (Output, Vec<Event>) {
    let told = Arc::clone(&key);
    let (_, events) = store(key, KeyChange::State(told.state), state);
    let described = KeyDescription::of(state, (*told).clone());
    (Output::Key(described), events)
}

/// The tests of EnableKey and DisableKey, which differ in nothing but the state that they lead to.
#[cfg(test)]
pub mod testing {
    use crate::domain::ids::KeyRef;
    use crate::domain::op::Command;
    use crate::domain::op::testing::{ADMIN, BOB, Cluster, check_rows, key, key_arn};
    use crate::domain::state::key::{KeyManager, KeyState};

    /// ST-2: codes 3, 5, 14 and 15 with their texts, in the order of the checks of `action`.
    pub fn check_refusals_of_toggling(action: &str, command: fn(KeyRef) -> Command) {
        let cluster = Cluster::new();
        let in_state = |state| {
            let mut cluster = cluster.copy();
            cluster.set_key_state(state);
            cluster
        };
        let mut managed = in_state(KeyState::Creating);
        managed.set_key(|key| key.manager = KeyManager::Aws);
        let refused = |state| in_state(state).refusal(ADMIN, command(key(1)));
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
                action,
            ),
            (
                "AWS's own key",
                managed.refusal(ADMIN, command(key(1))),
                "NotAuthorizedException",
                "AWS managed",
            ),
            (
                "3",
                refused(KeyState::PendingDeletion),
                invalid,
                &format!("{} is pending deletion.", key_arn(1)),
            ),
            (
                "3",
                refused(KeyState::PendingReplicaDeletion),
                invalid,
                "is pending deletion.",
            ),
            (
                "5",
                refused(KeyState::PendingImport),
                invalid,
                "is pending import.",
            ),
            ("14", refused(KeyState::Creating), invalid, "is creating."),
            ("15", refused(KeyState::Updating), invalid, "is updating."),
        ]);
    }

    /// ST-2: a key comes to `wanted` from either state.
    pub fn check_toggling(wanted: KeyState, command: fn(KeyRef) -> Command) {
        for from in [KeyState::Enabled, KeyState::Disabled] {
            let mut cluster = Cluster::new();
            cluster.set_key_state(from);
            cluster.done(ADMIN, command(key(1)));
            assert_eq!(cluster.state.key(&key_arn(1)).unwrap().state, wanted);
        }
    }
}
