//! `RevokeGrant`: ends a grant by those whom a policy allows it (G-40).

use super::DryRun;
use super::context::{Change, Context};
use super::refusal::{Said, refusals};
use super::{Event, GrantChange, Output, grants};
use crate::domain::authz::request::Parameters;
use crate::domain::authz::resolve::Unresolved;
use crate::domain::authz::{Allowed, Denied};
use crate::domain::ids::KeyRef;
use crate::domain::policy::KmsAction;
use crate::domain::state::State;
use crate::domain::state::grant::Grant;
use std::sync::Arc;

/// Ends a grant by those whom a policy allows it (G-40).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RevokeGrant {
    /// The key as the caller named it (ID-6 says which forms an operation takes).
    pub key: KeyRef,
    /// The grant id as sent (ID-11).
    pub grant_id: Arc<str>,
    /// Whether only to authorize and validate (G-20).
    pub dry_run: DryRun,
}

refusals! {
    /// Why RevokeGrant is refused, in the order of its checks. No state of a key stands in its way (G-55).
    Refusal {
        /// A grant id that cannot be (ID-11).
        Shape(Said),
        /// No such key.
        Key(Unresolved),
        /// Not permitted.
        Denied(Denied),
        /// The key has no such grant (U-2).
        NotThere(Said),
        /// It would have succeeded (G-20).
        DryRun(Said),
    }
}

impl Change for RevokeGrant {
    type Refusal = Refusal;
    type Plan = Arc<Grant>;

    fn plan(&self, cx: &Context<'_>) -> Result<(Allowed, Arc<Grant>), Refusal> {
        grants::check_id(&self.grant_id).map_err(Refusal::Shape)?;
        let key = cx.key_without_alias(&self.key)?;
        let allowed = cx.allow_key(KmsAction::RevokeGrant, key, Parameters::NONE)?;
        let grant = grants::of_key(cx, &key.arn, &self.grant_id).map_err(Refusal::NotThere)?;
        if self.dry_run == DryRun::Yes {
            return Err(Refusal::DryRun(super::refusal::dry_run()));
        }
        Ok((allowed, grant))
    }

    fn enact(grant: Arc<Grant>, state: &mut State) -> (Output, Vec<Event>) {
        grants::end(&grant, GrantChange::Revoked, state)
    }
}
