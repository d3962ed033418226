//! `DeleteAlias`: deletes an alias; its key stays (ID-7).

use super::context::{Change, Context};
use super::refusal::{Said, refusals};
use super::{Change as What, Event, Output, aliases};
use crate::domain::authz::request::Parameters;
use crate::domain::authz::resolve::{AliasUse, Unresolved, alias_arn};
use crate::domain::authz::{Allowed, Denied};
use crate::domain::ids::{AliasArn, KeyRef};
use crate::domain::policy::KmsAction;
use crate::domain::state::State;
use std::sync::Arc;

/// Deletes an alias; its key stays (ID-7).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DeleteAlias {
    /// The alias name as sent (ID-5).
    pub alias: Arc<str>,
}

refusals! {
    /// Why DeleteAlias is refused, in the order of its checks. No state of a key stands in its way (ST-2).
    Refusal {
        /// A name that no alias can have, or that is reserved (ID-5, U-1).
        Name(Said),
        /// No such alias.
        Alias(Unresolved),
        /// Not permitted on the key or on the alias (D-14).
        Denied(Denied),
    }
}

impl Change for DeleteAlias {
    type Refusal = Refusal;
    type Plan = AliasArn;

    fn plan(&self, cx: &Context<'_>) -> Result<(Allowed, AliasArn), Refusal> {
        let name = aliases::read_name(&self.alias).map_err(Refusal::Name)?;
        let key = cx.key(&KeyRef::Alias(name.clone()), AliasUse::Accepted)?;
        let allowed = cx.allow_key(KmsAction::DeleteAlias, key, Parameters::NONE)?;
        let arn = alias_arn(cx.scope, key.arn.account, &name);
        cx.allow_alias(KmsAction::DeleteAlias, &arn)?;
        Ok((allowed, arn))
    }

    fn enact(arn: AliasArn, state: &mut State) -> (Output, Vec<Event>) {
        state.take_alias(&arn);
        (Output::Done, vec![Event::AliasChanged(arn, What::Deleted)])
    }
}
