//! `TagResource`: sets tags of a key (E-1).

use super::context::{Change, Context};
use super::key_rules::{self, BadState, StateRule};
use super::refusal::{Said, refusals};
use super::{Event, KeyChange, Output, tags};
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
        let key = cx.key_without_alias(&self.key)?;
        let parameters = Parameters::Known(Vec::new(), RequestTags::Set(&new));
        let allowed = cx.allow_key(KmsAction::TagResource, key, parameters)?;
        key_rules::check_customer_managed(key).map_err(Refusal::Managed)?;
        key_rules::check_state(StateRule::Edit, key)?;
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
        let events = vec![Event::KeyChanged(key.arn.clone(), KeyChange::Tagged)];
        state.put_key(key);
        (Output::Done, events)
    }
}
