//! `TagPrincipal`: sets tags of a user or a role (`iam:TagUser`, `iam:TagRole`).

use super::context::{Change, Context};
use super::refusal::{Said, refusals};
use super::table::Operation;
use super::{Change as What, Event, Output, identity, tags};
use crate::domain::authz::request::{Parameters, RequestTags};
use crate::domain::authz::{Allowed, Denied};
use crate::domain::ids::PrincipalArn;
use crate::domain::state::State;
use crate::domain::state::Tags;
use crate::domain::state::principal::Principal;
use std::sync::Arc;

/// Sets tags of a user or a role (`iam:TagUser`, `iam:TagRole`).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TagPrincipal {
    /// User or role ARN.
    pub arn: PrincipalArn,
    /// Tags to set; a key that exists is overwritten.
    pub tags: Tags,
}

refusals! {
    /// Why TagPrincipal is refused, in the order of its checks.
    Refusal {
        /// No user or role, or tags that cannot be.
        Shape(Said),
        /// Not permitted.
        Denied(Denied),
        /// It is not there.
        NotThere(Said),
        /// It would have more tags than it can.
        TooMany(Said),
    }
}

impl Change for TagPrincipal {
    type Refusal = Refusal;
    type Plan = Principal;

    fn plan(&self, cx: &Context<'_>) -> Result<(Allowed, Principal), Refusal> {
        let kind = identity::kind_of(&self.arn).map_err(Refusal::Shape)?;
        tags::read(self.tags.iter()).map_err(Refusal::Shape)?;
        let parameters = Parameters::Known(Vec::new(), RequestTags::Set(&self.tags));
        let allowed = identity::allow(cx, Operation::TagPrincipal, kind, &self.arn, parameters)?;
        let principal = identity::existing(cx, &self.arn).map_err(Refusal::NotThere)?;
        let tags = tags::merged(&principal.tags, &self.tags).map_err(Refusal::TooMany)?;
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
