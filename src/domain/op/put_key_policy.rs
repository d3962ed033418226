//! `PutKeyPolicy`: replaces the key policy.

use super::LockoutCheck;
use super::context::{Change, Context};
use super::key_rules;
use super::refusal::{BadPolicy, Said, refusals};
use super::{Event, KeyChange, Output, policies};
use crate::domain::authz::request::Parameters;
use crate::domain::authz::resolve::Unresolved;
use crate::domain::authz::{Allowed, Denied};
use crate::domain::ids::KeyRef;
use crate::domain::policy::{KmsAction, PolicyKind};
use crate::domain::state::State;
use crate::domain::state::key::Key;
use std::sync::Arc;

/// Replaces the key policy.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PutKeyPolicy {
    /// The key as the caller named it (ID-6 says which forms an operation takes).
    pub key: KeyRef,
    /// `default` or absent (P-1).
    pub policy_name: Option<Arc<str>>,
    /// The JSON text; validated and compiled by `plan`.
    pub policy: Arc<str>,
    /// Whether the lockout safety check runs (P-7).
    pub lockout_check: LockoutCheck,
}

refusals! {
    /// Why PutKeyPolicy is refused, in the order of its checks. No state of a key stands in its way (ST-2).
    Refusal {
        /// No such key.
        Key(Unresolved),
        /// Not permitted.
        Denied(Denied),
        /// A key of AWS's (ST-5).
        Managed(Said),
        /// No such policy.
        Name(Said),
        /// The text is no key policy.
        Policy(BadPolicy),
        /// The policy names a principal that does not exist.
        Principal(Said),
        /// The policy would lock the caller out.
        Lockout(Said),
    }
}

impl Change for PutKeyPolicy {
    type Refusal = Refusal;
    type Plan = Arc<Key>;

    fn plan(&self, cx: &Context<'_>) -> Result<(Allowed, Arc<Key>), Refusal> {
        let key = cx.key_without_alias(&self.key)?;
        let mut parameters = policies::name_parameter(self.policy_name.as_deref());
        if let Parameters::Known(known, _) = &mut parameters {
            known.extend(policies::lockout_parameter(self.lockout_check));
        }
        let allowed = cx.allow_key(KmsAction::PutKeyPolicy, key, parameters)?;
        key_rules::check_customer_managed(key).map_err(Refusal::Managed)?;
        policies::check_name(self.policy_name.as_deref()).map_err(Refusal::Name)?;
        let policy = policies::read(&self.policy, PolicyKind::Key)?;
        let bindings = policies::bind(cx, &policy).map_err(Refusal::Principal)?;
        let key = Arc::new(Key {
            policy,
            bindings,
            ..(**key).clone()
        });
        policies::check_lockout(cx, &key, self.lockout_check).map_err(Refusal::Lockout)?;
        Ok((allowed, key))
    }

    fn enact(key: Arc<Key>, state: &mut State) -> (Output, Vec<Event>) {
        let events = vec![Event::KeyChanged(key.arn.clone(), KeyChange::PolicyPut)];
        state.put_key(key);
        (Output::Done, events)
    }
}
