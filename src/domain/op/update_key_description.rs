//! `UpdateKeyDescription`: replaces the description of a key.

use super::context::{Change, Context};
use super::key_rules::BadState;
use super::refusal::{Said, bad_member, refusals};
use super::{Event, KeyChange, Output, key_edit};
use crate::domain::authz::request::Parameters;
use crate::domain::authz::resolve::Unresolved;
use crate::domain::authz::{Allowed, Denied};
use crate::domain::ids::KeyRef;
use crate::domain::limits::DESCRIPTION_CHARS_MAX;
use crate::domain::policy::KmsAction;
use crate::domain::state::State;
use crate::domain::state::key::Key;
use std::sync::Arc;

/// Replaces the description of a key.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct UpdateKeyDescription {
    /// The key as the caller named it (ID-6 says which forms an operation takes).
    pub key: KeyRef,
    /// Free text; may be empty.
    pub description: Arc<str>,
}

refusals! {
    /// Why UpdateKeyDescription is refused, in the order of its checks.
    Refusal {
        /// A description that is too long.
        Shape(Said),
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

/// Refuses a description that no key can have (W-7).
pub(super) fn check_description(description: &str) -> Result<(), Said> {
    if description.chars().count() <= DESCRIPTION_CHARS_MAX {
        return Ok(());
    }
    let must = format!("have length less than or equal to {DESCRIPTION_CHARS_MAX}");
    Err(bad_member(description, "description", must))
}

impl Change for UpdateKeyDescription {
    type Refusal = Refusal;
    type Plan = Arc<Key>;

    fn plan(&self, cx: &Context<'_>) -> Result<(Allowed, Arc<Key>), Refusal> {
        check_description(&self.description).map_err(Refusal::Shape)?;
        let action = KmsAction::UpdateKeyDescription;
        let (allowed, key) =
            key_edit::editable(cx, &self.key, action, Parameters::NONE, Refusal::Managed)?;
        let key = Arc::new(Key {
            description: Arc::clone(&self.description),
            ..(**key).clone()
        });
        Ok((allowed, key))
    }

    fn enact(key: Arc<Key>, state: &mut State) -> (Output, Vec<Event>) {
        key_edit::store(key, KeyChange::Described, state)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::op::Command;
    use crate::domain::op::testing::{ADMIN, BOB, Cluster, check_rows, key, key_arn};
    use crate::domain::state::key::{KeyManager, KeyState};

    fn describe(key: KeyRef, description: &str) -> Command {
        let description = description.into();
        Command::UpdateKeyDescription(UpdateKeyDescription { key, description })
    }

    /// W-7, ST-2, ST-5: code 3.
    #[test]
    fn update_key_description_refuses_in_the_order_of_its_checks() {
        let cluster = Cluster::new();
        let in_state = |state| {
            let mut cluster = cluster.copy();
            cluster.set_key_state(state);
            cluster
        };
        let mut managed = in_state(KeyState::PendingDeletion);
        managed.set_key(|key| key.manager = KeyManager::Aws);
        let alias = "alias/a".parse().unwrap();
        check_rows(vec![
            (
                "long",
                managed.refusal(BOB, describe(key(1), &"d".repeat(8_193))),
                "ValidationException",
                "'description'",
            ),
            (
                "an alias",
                managed.refusal(BOB, describe(alias, "")),
                "NotFoundException",
                "Invalid keyId",
            ),
            (
                "no permission",
                managed.refusal(BOB, describe(key(1), "")),
                "AccessDeniedException",
                "kms:UpdateKeyDescription",
            ),
            (
                "AWS's own key",
                managed.refusal(ADMIN, describe(key(1), "")),
                "NotAuthorizedException",
                "AWS managed",
            ),
            (
                "3",
                in_state(KeyState::PendingReplicaDeletion).refusal(ADMIN, describe(key(1), "")),
                "KMSInvalidStateException",
                "is pending deletion.",
            ),
        ]);
    }

    #[test]
    fn description_is_replaced() {
        let mut cluster = Cluster::new();
        for text in ["orders", ""] {
            cluster.done(ADMIN, describe(key(1), text));
            let key = cluster.state.key(&key_arn(1)).unwrap();
            assert_eq!(&*key.description, text);
            let event = Event::KeyChanged(key_arn(1), KeyChange::Described);
            assert_eq!(cluster.events, [event]);
        }
    }
}
