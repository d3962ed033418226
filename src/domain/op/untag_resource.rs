//! `UntagResource`: removes tags of a key (E-1).

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

/// Removes tags of a key (E-1).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct UntagResource {
    /// The key as the caller named it (ID-6 says which forms an operation takes).
    pub key: KeyRef,
    /// Keys as sent; an absent key is no fault.
    pub tag_keys: Vec<Arc<str>>,
}

refusals! {
    /// Why UntagResource is refused, in the order of its checks.
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
    }
}

impl Change for UntagResource {
    type Refusal = Refusal;
    type Plan = Arc<Key>;

    fn plan(&self, cx: &Context<'_>) -> Result<(Allowed, Arc<Key>), Refusal> {
        tags::check_removed(self.tag_keys.iter()).map_err(Refusal::Shape)?;
        let parameters = Parameters::Known(Vec::new(), RequestTags::Removed(&self.tag_keys));
        let action = KmsAction::UntagResource;
        let (allowed, key) =
            key_edit::editable(cx, &self.key, action, parameters, Refusal::Managed)?;
        let tags = tags::without(&key.tags, self.tag_keys.iter());
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
        Command::UntagResource(UntagResource {
            key,
            tag_keys: tags.iter().map(|(k, _)| (*k).into()).collect(),
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
                "no such key",
                managed.refusal(BOB, command(key(9), &[("a", "")])),
                "NotFoundException",
                "does not exist",
            ),
            (
                "no permission",
                managed.refusal(BOB, command(key(1), &[("a", "")])),
                "AccessDeniedException",
                "kms:UntagResource",
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
        cluster.put_policy(BOB, r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"kms:UntagResource","Resource":"*","Condition":{"ForAllValues:StringEquals":{"aws:TagKeys":["a","b"]}}}}"#);
        cluster.done(BOB, command(key(1), &[("a", "")]));
        let (code, _) = cluster.refusal(BOB, command(key(1), &[("a", ""), ("c", "")]));
        assert_eq!(code, "AccessDeniedException");
    }

    /// E-1: a key that is not there is no fault.
    #[test]
    fn tags_go_and_absent_ones_are_no_fault() {
        let mut cluster = Cluster::new();
        cluster.set_key(|key| {
            key.tags = [("a", "1"), ("b", "2")]
                .map(|(k, v)| (k.into(), v.into()))
                .into()
        });
        cluster.done(ADMIN, command(key(1), &[("a", ""), ("z", "")]));
        let tags = &cluster.state.key(&key_arn(1)).unwrap().tags;
        assert_eq!(tags.keys().map(|k| &**k).collect::<Vec<_>>(), ["b"]);
    }
}
