//! `ScheduleKeyDeletion`: begins the waiting period after which a key is deleted (W-5).

use super::context::{Change, Context};
use super::key_rules::BadState;
use super::refusal::{Said, bad_member, refusals};
use super::{Event, Output, key_edit};
use crate::domain::authz::request::{Parameter, Parameters, RequestTags};
use crate::domain::authz::resolve::Unresolved;
use crate::domain::authz::{Allowed, Denied};
use crate::domain::ids::KeyRef;
use crate::domain::limits::{DELETION_WINDOW_DAYS_MAX, DELETION_WINDOW_DAYS_MIN};
use crate::domain::policy::{KmsAction, KnownKey};
use crate::domain::state::State;
use crate::domain::state::key::{Deletion, Key, KeyState, MultiRegionKeyType};
use std::sync::Arc;

/// Begins the waiting period after which a key is deleted.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ScheduleKeyDeletion {
    /// The key as the caller named it (ID-6 says which forms an operation takes).
    pub key: KeyRef,
    /// `PendingWindowInDays`; absent: 30.
    pub window_days: Option<u32>,
}

refusals! {
    /// Why ScheduleKeyDeletion is refused, in the order of its checks.
    Refusal {
        /// A waiting period that is too short or too long.
        Window(Said),
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

impl ScheduleKeyDeletion {
    fn window(&self) -> Result<u32, Said> {
        let days = self.window_days.unwrap_or(DELETION_WINDOW_DAYS_MAX);
        let must = if days < DELETION_WINDOW_DAYS_MIN {
            format!("have value greater than or equal to {DELETION_WINDOW_DAYS_MIN}")
        } else if days > DELETION_WINDOW_DAYS_MAX {
            format!("have value less than or equal to {DELETION_WINDOW_DAYS_MAX}")
        } else {
            return Ok(days);
        };
        Err(bad_member(days, "pendingWindowInDays", must))
    }
}

impl Change for ScheduleKeyDeletion {
    type Refusal = Refusal;
    type Plan = Arc<Key>;

    fn plan(&self, cx: &Context<'_>) -> Result<(Allowed, Arc<Key>), Refusal> {
        let window_days = self.window().map_err(Refusal::Window)?;
        // CK-31, CK-6: of a parameter with a default, what is really used counts.
        let window = (
            KnownKey::ScheduleKeyDeletionPendingWindowInDays,
            Parameter::Integer(window_days.into()),
        );
        let parameters = Parameters::Known(vec![window], RequestTags::Absent);
        let action = KmsAction::ScheduleKeyDeletion;
        let (allowed, key) =
            key_edit::editable(cx, &self.key, action, parameters, Refusal::Managed)?;
        let is_primary = key.multi_region == Some(MultiRegionKeyType::Primary);
        let deletion = Deletion {
            window_days,
            due: None,
            was: key.state,
        };
        let (state, deletion) = if is_primary && cx.state.related_keys(&key.arn).nth(1).is_some() {
            (KeyState::PendingReplicaDeletion, deletion)
        } else {
            (KeyState::PendingDeletion, deletion.begun(cx.now))
        };
        let key = Arc::new(Key {
            state,
            deletion: Some(deletion),
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
    use crate::domain::op::testing::{ADMIN, BOB, Cluster, check_rows, key, key_arn};
    use crate::domain::op::{Command, KeyChange, create_grant, testing};
    use crate::domain::state::key::KeyManager;

    fn schedule(window_days: Option<u32>) -> Command {
        let key = key(1);
        Command::ScheduleKeyDeletion(ScheduleKeyDeletion { key, window_days })
    }

    /// W-5, ST-2, ST-5: codes 3 and 15.
    #[test]
    fn schedule_key_deletion_refuses_in_the_order_of_its_checks() {
        let cluster = Cluster::new();
        let in_state = |state| {
            let mut cluster = cluster.copy();
            cluster.set_key_state(state);
            cluster
        };
        let mut managed = in_state(KeyState::PendingDeletion);
        managed.set_key(|key| key.manager = KeyManager::Aws);
        let alias = ScheduleKeyDeletion {
            key: "alias/a".parse().unwrap(),
            window_days: None,
        };
        let invalid = "KMSInvalidStateException";
        check_rows(vec![
            (
                "short",
                managed.refusal(BOB, schedule(Some(6))),
                "ValidationException",
                "1 validation error detected: Value '6' at 'pendingWindowInDays' failed to satisfy constraint: Member must have value greater than or equal to 7",
            ),
            (
                "long",
                managed.refusal(BOB, schedule(Some(31))),
                "ValidationException",
                "Member must have value less than or equal to 30",
            ),
            (
                "an alias",
                managed.refusal(BOB, Command::ScheduleKeyDeletion(alias)),
                "NotFoundException",
                "Invalid keyId",
            ),
            (
                "no permission",
                managed.refusal(BOB, schedule(None)),
                "AccessDeniedException",
                "kms:ScheduleKeyDeletion",
            ),
            (
                "AWS's own key",
                managed.refusal(ADMIN, schedule(None)),
                "NotAuthorizedException",
                "AWS managed",
            ),
            (
                "3",
                in_state(KeyState::PendingDeletion).refusal(ADMIN, schedule(None)),
                invalid,
                "is pending deletion.",
            ),
            (
                "3",
                in_state(KeyState::PendingReplicaDeletion).refusal(ADMIN, schedule(None)),
                invalid,
                "is pending deletion.",
            ),
            (
                "15",
                in_state(KeyState::Updating).refusal(ADMIN, schedule(None)),
                invalid,
                "is updating.",
            ),
        ]);
    }

    /// W-5, G-57: 7 to 30 days, 30 if nothing is said; the answer tells state and date; grants stay and allow nothing.
    #[test]
    fn waiting_period_begins() {
        for (asked, days) in [(None, 30), (Some(7), 7), (Some(30), 30)] {
            let mut cluster = Cluster::new();
            let grant = testing::create_grant(1, BOB);
            cluster.done(ADMIN, Command::CreateGrant(grant));
            let Output::Key(described) = cluster.done(ADMIN, schedule(asked)) else {
                panic!("no key")
            };
            let due = cluster.state.clock().after_days(days);
            let deletion = described.key.deletion.unwrap();
            assert_eq!(described.key.state, KeyState::PendingDeletion);
            assert_eq!(
                (deletion.window_days, deletion.due, deletion.was),
                (days, Some(due), KeyState::Enabled)
            );
            let change = KeyChange::State(KeyState::PendingDeletion);
            assert_eq!(cluster.events, [Event::KeyChanged(key_arn(1), change)]);
            assert_eq!(cluster.state.grants().count(&key_arn(1)), 1);
            let another: create_grant::CreateGrant = testing::create_grant(2, BOB);
            let (code, _) = cluster.refusal(ADMIN, Command::CreateGrant(another));
            assert_eq!(code, "KMSInvalidStateException");
        }
    }

    /// CK-31: the waiting period is a numeric condition key, its default too.
    #[test]
    fn waiting_period_is_a_condition_key() {
        let mut cluster = Cluster::new();
        cluster.put_policy(BOB, r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"kms:ScheduleKeyDeletion","Resource":"*","Condition":{"NumericGreaterThanEquals":{"kms:ScheduleKeyDeletionPendingWindowInDays":"21"}}}}"#);
        let (code, _) = cluster.refusal(BOB, schedule(Some(20)));
        assert_eq!(code, "AccessDeniedException");
        for asked in [Some(21), None] {
            cluster.copy().done(BOB, schedule(asked));
        }
    }
}
