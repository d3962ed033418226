//! `CreatePrincipal`: makes a user or a role (`iam:CreateUser`, `iam:CreateRole`).

use super::context::{Change, Context};
use super::refusal::{Said, refusals, said};
use super::table::Operation;
use super::{Change as What, ErrorCode, Event, Output, identity, tags};
use crate::domain::authz::request::{Parameters, RequestTags};
use crate::domain::authz::{Allowed, Denied};
use crate::domain::ids::UniqueIdKind;
use crate::domain::ids::{PrincipalArn, UniqueId};
use crate::domain::limits::PRINCIPALS_PER_ACCOUNT_MAX;
use crate::domain::state::State;
use crate::domain::state::Tags;
use crate::domain::state::principal::{Principal, PrincipalType};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Makes a user or a role (`iam:CreateUser`, `iam:CreateRole`).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CreatePrincipal {
    /// User or role ARN, with its path.
    pub arn: PrincipalArn,
    /// The immutable id, drawn before the log (ID-18).
    pub unique_id: UniqueId,
    /// Tags from the start.
    pub tags: Tags,
}

refusals! {
    /// Why CreatePrincipal is refused, in the order of its checks.
    Refusal {
        /// No user or role, or tags that cannot be.
        Shape(Said),
        /// Not permitted.
        Denied(Denied),
        /// The account is not there.
        NoAccount(Said),
        /// A user or role of this name is there.
        Exists(Said),
        /// The account has no room for another.
        TooMany(Said),
    }
}

impl Change for CreatePrincipal {
    type Refusal = Refusal;
    type Plan = Principal;

    fn plan(&self, cx: &Context<'_>) -> Result<(Allowed, Principal), Refusal> {
        let kind = identity::kind_of(&self.arn).map_err(Refusal::Shape)?;
        let fits = match kind {
            PrincipalType::User => self.unique_id.kind() == UniqueIdKind::User,
            PrincipalType::Role => self.unique_id.kind() == UniqueIdKind::Role,
        };
        if !fits {
            let why = format!("`{}` is no unique id of a {kind}", self.unique_id);
            return Err(Refusal::Shape(said(ErrorCode::Validation, why)));
        }
        tags::read(self.tags.iter()).map_err(Refusal::Shape)?;
        let parameters = Parameters::Known(Vec::new(), RequestTags::Set(&self.tags));
        let allowed = identity::allow(cx, Operation::CreatePrincipal, kind, &self.arn, parameters)?;
        let account = self.arn.account();
        if cx.state.account(account).is_none() {
            return Err(Refusal::NoAccount(said(
                ErrorCode::NoSuchEntity,
                format_args!("the account {account} does not exist"),
            )));
        }
        let (_, name) = identity::shown(&self.arn);
        if cx.state.principal_named(account, kind, name).is_some() {
            return Err(Refusal::Exists(said(
                ErrorCode::EntityAlreadyExists,
                format_args!("{kind} with name {name} already exists."),
            )));
        }
        if cx.state.principal_count(account) >= PRINCIPALS_PER_ACCOUNT_MAX {
            return Err(Refusal::TooMany(said(
                ErrorCode::LimitExceeded,
                format_args!(
                    "the account {account} has {PRINCIPALS_PER_ACCOUNT_MAX} users and roles, as many as it can have"
                ),
            )));
        }
        let principal = Principal {
            arn: self.arn.clone(),
            unique_id: self.unique_id.clone(),
            kind,
            created_at: cx.now,
            born: cx.at,
            tags: self.tags.clone(),
            policies: BTreeMap::new(),
        };
        Ok((allowed, principal))
    }

    fn enact(principal: Principal, state: &mut State) -> (Output, Vec<Event>) {
        state.put_principal(Arc::new(principal.clone()));
        let events = vec![Event::PrincipalChanged(
            principal.arn.clone(),
            What::Created,
        )];
        (Output::Principal(principal), events)
    }
}
