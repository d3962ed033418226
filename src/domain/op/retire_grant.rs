//! `RetireGrant`: ends a grant by those that may retire it (G-41, G-50).

use super::DryRun;
use super::context::{Change, Context};
use super::refusal::{Said, refusals};
use super::{Event, GrantChange, Output, grants};
use crate::domain::authz::request::{About, Parameter, Parameters, RequestTags, Target};
use crate::domain::authz::resolve::Unresolved;
use crate::domain::authz::{Allowed, Denied};
use crate::domain::ids::KeyRef;
use crate::domain::policy::KmsAction;
use crate::domain::policy::KnownKey;
use crate::domain::state::State;
use crate::domain::state::grant::ContextConstraint;
use crate::domain::state::grant::Grant;
use crate::domain::state::grant_index::constraint_pairs;
use std::sync::Arc;

/// Ends a grant by those that may retire it (G-41, G-50).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RetireGrant {
    /// The key; from the opened token or as sent.
    pub key: KeyRef,
    /// The grant id, from the opened token or as sent (ID-11).
    pub grant_id: Arc<str>,
    /// Whether only to authorize and validate (G-20).
    pub dry_run: DryRun,
}

refusals! {
    /// Why RetireGrant is refused, in the order of its checks. No state of a key stands in its way (G-55).
    ///
    /// Who may retire depends on the grant (G-50), so that it exists comes first.
    Refusal {
        /// A grant id that cannot be (ID-11).
        Shape(Said),
        /// No such key.
        Key(Unresolved),
        /// The key has no such grant (U-2).
        NotThere(Said),
        /// Not permitted.
        Denied(Denied),
        /// It would have succeeded (G-20).
        DryRun(Said),
    }
}

impl Change for RetireGrant {
    type Refusal = Refusal;
    type Plan = Arc<Grant>;

    fn plan(&self, cx: &Context<'_>) -> Result<(Allowed, Arc<Grant>), Refusal> {
        grants::check_id(&self.grant_id).map_err(Refusal::Shape)?;
        let key = cx.key_without_alias(&self.key)?;
        let grant = grants::of_key(cx, &key.arn, &self.grant_id).map_err(Refusal::NotThere)?;
        let kind = grant
            .constraints
            .context
            .as_ref()
            .map(|context| match context {
                ContextConstraint::Equals(_) => "EncryptionContextEquals",
                ContextConstraint::Subset(_) => "EncryptionContextSubset",
            });
        let kind = kind.map(|kind| (KnownKey::GrantConstraintType, Parameter::Text(kind)));
        let allowed = cx.ask(
            KmsAction::RetireGrant.into(),
            Target::Key { key, alias: None },
            Parameters::Known(kind.into_iter().collect(), RequestTags::Absent),
            constraint_pairs(grant.constraints.context.as_ref()),
            About::Retired(&grant),
        )?;
        if self.dry_run == DryRun::Yes {
            return Err(Refusal::DryRun(super::refusal::dry_run()));
        }
        Ok((allowed, grant))
    }

    fn enact(grant: Arc<Grant>, state: &mut State) -> (Output, Vec<Event>) {
        grants::end(&grant, GrantChange::Retired, state)
    }
}
