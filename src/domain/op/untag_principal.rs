//! `UntagPrincipal`: removes tags of a user or a role (`iam:UntagUser`, `iam:UntagRole`).

use super::context::{Change, Context};
use super::refusal::{Said, refusals};
use super::table::Operation;
use super::{Change as What, Event, Output, identity, tags};
use crate::domain::authz::request::{Parameters, RequestTags};
use crate::domain::authz::{Allowed, Denied};
use crate::domain::ids::PrincipalArn;
use crate::domain::state::State;
use crate::domain::state::principal::Principal;
use std::collections::BTreeSet;
use std::sync::Arc;

/// Removes tags of a user or a role (`iam:UntagUser`, `iam:UntagRole`).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct UntagPrincipal {
    /// User or role ARN.
    pub arn: PrincipalArn,
    /// Keys to remove; an absent key is no fault.
    pub tag_keys: BTreeSet<Arc<str>>,
}

refusals! {
    /// Why UntagPrincipal is refused, in the order of its checks.
    Refusal {
        /// No user or role, or tags that cannot be.
        Shape(Said),
        /// Not permitted.
        Denied(Denied),
        /// It is not there.
        NotThere(Said),
    }
}

impl Change for UntagPrincipal {
    type Refusal = Refusal;
    type Plan = Principal;

    fn plan(&self, cx: &Context<'_>) -> Result<(Allowed, Principal), Refusal> {
        let kind = identity::kind_of(&self.arn).map_err(Refusal::Shape)?;
        tags::check_removed(self.tag_keys.iter()).map_err(Refusal::Shape)?;
        let keys: Vec<Arc<str>> = self.tag_keys.iter().cloned().collect();
        let parameters = Parameters::Known(Vec::new(), RequestTags::Removed(&keys));
        let allowed = identity::allow(cx, Operation::UntagPrincipal, kind, &self.arn, parameters)?;
        let principal = identity::existing(cx, &self.arn).map_err(Refusal::NotThere)?;
        let tags = tags::without(&principal.tags, self.tag_keys.iter());
        Ok((
            allowed,
            Principal {
                tags,
                ..(**principal).clone()
            },
        ))
    }

    fn enact(principal: Principal, state: &mut State) -> (Output, Vec<Event>) {
        let events = vec![Event::PrincipalChanged(
            principal.arn.clone(),
            What::Updated,
        )];
        state.put_principal(Arc::new(principal));
        (Output::Done, events)
    }
}
