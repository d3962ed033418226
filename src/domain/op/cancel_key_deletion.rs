//! `CancelKeyDeletion`: keeps a key whose deletion was scheduled (W-5).

use super::context::{Change, Context};
use super::key_rules::BadState;
use super::refusal::{Said, refusals};
use super::{Event, Output, key_edit};
use crate::domain::authz::request::Parameters;
use crate::domain::authz::resolve::Unresolved;
use crate::domain::authz::{Allowed, Denied};
use crate::domain::ids::KeyRef;
use crate::domain::policy::KmsAction;
use crate::domain::state::State;
use crate::domain::state::key::{Key, KeyState};
use std::sync::Arc;

/// Keeps a key whose deletion was scheduled.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CancelKeyDeletion {
    /// The key as the caller named it (ID-6 says which forms an operation takes).
    pub key: KeyRef,
}

refusals! {
    /// Why CancelKeyDeletion is refused, in the order of its checks.
    Refusal {
        /// No such key.
        Key(Unresolved),
        /// Not permitted.
        Denied(Denied),
        /// A key of AWS's (ST-5).
        Managed(Said),
        /// The key is not pending deletion (ST-2).
        State(BadState),
    }
}

impl Change for CancelKeyDeletion {
    type Refusal = Refusal;
    type Plan = Arc<Key>;

    fn plan(&self, cx: &Context<'_>) -> Result<(Allowed, Arc<Key>), Refusal> {
        let action = KmsAction::CancelKeyDeletion;
        let (allowed, key) =
            key_edit::editable(cx, &self.key, action, Parameters::NONE, Refusal::Managed)?;
        let state = match key.deletion.map(|deletion| deletion.was) {
            // Without material it cannot be enabled.
            Some(KeyState::PendingImport) => KeyState::PendingImport,
            _ => KeyState::Disabled,
        };
        let key = Arc::new(Key {
            state,
            deletion: None,
            ..(**key).clone()
        });
        Ok((allowed, key))
    }

    fn enact(key: Arc<Key>, state: &mut State) -> (Output, Vec<Event>) {
        key_edit::store_and_tell(key, state)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::op::testing::{
        ADMIN, BOB, Cluster, check_rows, create_grant, create_key, key, key_arn,
    };
    use crate::domain::op::{Command, enable_key, schedule_key_deletion};
    use crate::domain::state::key::{KeyManager, KeyOrigin};

    fn cancel(n: u8) -> Command {
        Command::CancelKeyDeletion(CancelKeyDeletion { key: key(n) })
    }

    fn schedule(n: u8) -> Command {
        Command::ScheduleKeyDeletion(schedule_key_deletion::ScheduleKeyDeletion {
            key: key(n),
            window_days: None,
        })
    }

    /// ST-2: code 4 in every state but two.
    #[test]
    fn cancel_key_deletion_refuses_in_the_order_of_its_checks() {
        let mut managed = Cluster::new();
        managed.set_key(|key| key.manager = KeyManager::Aws);
        let alias = CancelKeyDeletion {
            key: "alias/a".parse().unwrap(),
        };
        let mut rows = vec![
            (
                "an alias",
                managed.refusal(BOB, Command::CancelKeyDeletion(alias)),
                "NotFoundException",
                "Invalid keyId",
            ),
            (
                "no permission",
                managed.refusal(BOB, cancel(1)),
                "AccessDeniedException",
                "kms:CancelKeyDeletion",
            ),
            (
                "AWS's own key",
                managed.refusal(ADMIN, cancel(1)),
                "NotAuthorizedException",
                "AWS managed",
            ),
        ];
        for state in KeyState::ALL {
            let mut cluster = Cluster::new();
            cluster.set_key_state(*state);
            match state {
                KeyState::PendingDeletion | KeyState::PendingReplicaDeletion => {
                    drop(cluster.done(ADMIN, cancel(1)));
                    let key = cluster.state.key(&key_arn(1)).unwrap();
                    assert_eq!(key.state, KeyState::Disabled);
                }
                _ => rows.push((
                    "4",
                    cluster.refusal(ADMIN, cancel(1)),
                    "KMSInvalidStateException",
                    "is not pending deletion.",
                )),
            }
        }
        check_rows(rows);
    }

    /// ST-2, G-57: the key becomes Disabled, whatever it was, and is never due any more; enabled, its grants work again.
    #[test]
    fn cancelled_key_is_disabled_and_keeps_its_grants() {
        let mut cluster = Cluster::new();
        cluster.done(ADMIN, Command::CreateGrant(create_grant(1, BOB)));
        cluster.done(ADMIN, schedule(1));
        cluster.done(ADMIN, cancel(1));
        let kept = cluster.state.key(&key_arn(1)).unwrap();
        assert_eq!((kept.state, kept.deletion), (KeyState::Disabled, None));
        assert_eq!(cluster.state.first_deletion(), None);
        let enable = enable_key::EnableKey { key: key(1) };
        cluster.done(ADMIN, Command::EnableKey(enable));
        cluster.done(ADMIN, Command::CreateGrant(create_grant(2, BOB)));
        assert_eq!(cluster.state.grants().count(&key_arn(1)), 2);
    }

    /// ST-1: a key that waits for its material waits for it again.
    #[test]
    fn key_without_material_waits_for_it_again() {
        let mut cluster = Cluster::new();
        let mut command = create_key(2);
        command.origin = KeyOrigin::External;
        cluster.done(ADMIN, Command::CreateKey(command));
        cluster.done(ADMIN, schedule(2));
        cluster.done(ADMIN, cancel(2));
        let key = cluster.state.key(&key_arn(2)).unwrap();
        assert_eq!(key.state, KeyState::PendingImport);
    }
}
