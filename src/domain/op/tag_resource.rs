//! `TagResource`: sets tags of a key (E-1).

use super::context::{Change, Context};
use super::key_rules::BadState;
use super::refusal::{Said, refusals};
use super::{Event, KeyChange, Output, key_edit, tags};
use crate::domain::authz::request::{Parameters, RequestTags};
use crate::domain::authz::resolve::Unresolved;
use crate::domain::authz::{Allowed, Denied};
use crate::domain::ids::KeyRef;
use crate::domain::policy::KmsAction;
use crate::domain::state::State;
use crate::domain::state::key::Key;
use std::sync::Arc;

/// Sets tags of a key (E-1).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TagResource {
    /// The key as the caller named it (ID-6 says which forms an operation takes).
    pub key: KeyRef,
    /// Tags as sent: duplicates are refused (E-1).
    pub tags: Vec<(Arc<str>, Arc<str>)>,
}

refusals! {
    /// Why TagResource is refused, in the order of its checks.
    Refusal {
        /// Tags that cannot be (E-1).
        Shape(Said),
        /// No such key.
        Key(Unresolved),
        /// Not permitted.
        Denied(Denied),
        /// A key of AWS's (ST-5).
        Managed(Said),
        /// The key's state stands in the way (ST-2).
        State(BadState),
        /// The key would have more tags than it can.
        TooMany(Said),
    }
}

impl Change for TagResource {
    type Refusal = Refusal;
    type Plan = Arc<Key>;

    fn plan(&self, cx: &Context<'_>) -> Result<(Allowed, Arc<Key>), Refusal> {
        let new = tags::read(self.tags.iter().map(|(k, v)| (k, v))).map_err(Refusal::Shape)?;
        let parameters = Parameters::Known(Vec::new(), RequestTags::Set(&new));
        let action = KmsAction::TagResource;
        let (allowed, key) =
            key_edit::editable(cx, &self.key, action, parameters, Refusal::Managed)?;
        let tags = tags::merged(&key.tags, &new).map_err(Refusal::TooMany)?;
        Ok((
            allowed,
            Arc::new(Key {
                tags,
                ..(**key).clone()
            }),
        ))
    }

    fn enact(key: Arc<Key>, state: &mut State) -> (Output, Vec<Event>) {
        key_edit::store(key, KeyChange::Tagged, state)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::op::Command;
    use crate::domain::op::testing::{ADMIN, BOB, Cluster, check_rows, key, key_arn};
    use crate::domain::state::key::{KeyManager, KeyState};

    fn command(key: KeyRef, tags: &[(&str, &str)]) -> Command {
        Command::TagResource(TagResource {
            key,
            tags: tags
                .iter()
                .map(|(k, v)| ((*k).into(), (*v).into()))
                .collect(),
        })
    }

    /// E-1, ST-2: AWS's texts.
    #[test]
    fn refusals_come_in_the_order_of_the_checks() {
        let mut pending = Cluster::new();
        pending.set_key_state(KeyState::PendingReplicaDeletion);
        let mut managed = pending.copy();
        managed.set_key(|key| key.manager = KeyManager::Aws);
        check_rows(vec![
            (
                "reserved",
                managed.refusal(BOB, command(key(9), &[("aws:a", "")])),
                "TagException",
                "Tags beginning with aws: are reserved",
            ),
            (
                "twice",
                managed.refusal(BOB, command(key(1), &[("a", ""), ("a", "")])),
                "TagException",
                "Duplicate tag keys",
            ),
            (
                "no such key",
                managed.refusal(BOB, command(key(9), &[("a", "")])),
                "NotFoundException",
                "does not exist",
            ),
            (
                "no permission",
                managed.refusal(BOB, command(key(1), &[("a", "")])),
                "AccessDeniedException",
                "kms:TagResource",
            ),
            (
                "AWS's own key",
                managed.refusal(ADMIN, command(key(1), &[("a", "")])),
                "NotAuthorizedException",
                "AWS managed",
            ),
            (
                "pending",
                pending.refusal(ADMIN, command(key(1), &[("a", "")])),
                "KMSInvalidStateException",
                "is pending deletion.",
            ),
        ]);
    }

    /// E-3: what may be tagged is what the policy says of the request's tags.
    #[test]
    fn permission_can_depend_on_the_tags_of_the_request() {
        let mut cluster = Cluster::new();
        cluster.put_policy(BOB, r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"kms:TagResource","Resource":"*","Condition":{"ForAllValues:StringEquals":{"aws:TagKeys":["a","b"]}}}}"#);
        cluster.done(BOB, command(key(1), &[("a", "")]));
        let (code, _) = cluster.refusal(BOB, command(key(1), &[("a", ""), ("c", "")]));
        assert_eq!(code, "AccessDeniedException");
    }

    /// E-1: at most 50, those that are there included; a key that is there is overwritten.
    #[test]
    fn tag_past_the_last_is_refused() {
        let mut cluster = Cluster::new();
        let names: Vec<String> = (0..50).map(|n| n.to_string()).collect();
        let many: Vec<(&str, &str)> = names.iter().map(|n| (&**n, "")).collect();
        cluster.done(ADMIN, command(key(1), &many));
        cluster.done(ADMIN, command(key(1), &[("7", "new")]));
        let (code, why) = cluster.refusal(ADMIN, command(key(1), &[("51", "")]));
        assert_eq!((code, &*why), ("TagException", "Too many tags"));
        assert_eq!(&*cluster.state.key(&key_arn(1)).unwrap().tags["7"], "new");
    }
}
