//! `ListGrants`: lists the grants of a key (G-31).

use super::Page;
use super::context::{Context, Question};
use super::page::{Cursor, Sizes};
use super::refusal::{Said, refusals, said};
use super::{Answer, ErrorCode, grants};
use crate::domain::authz::Denied;
use crate::domain::authz::caller::Identity;
use crate::domain::authz::request::Parameters;
use crate::domain::authz::resolve::Unresolved;
use crate::domain::ids::KeyRef;
use crate::domain::ids::{GrantId, PrincipalArn};
use crate::domain::policy::KmsAction;
use crate::domain::state::grant::{Grant, GrantPrincipal};
use std::sync::Arc;

/// Lists the grants of a key (G-31).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ListGrants {
    /// The key as the caller named it (ID-6 says which forms an operation takes).
    pub key: KeyRef,
    /// Only this grant.
    pub grant_id: Option<Arc<str>>,
    /// Only grants with exactly this grantee.
    pub grantee: Option<Arc<str>>,
    /// Only grants to this service; for service callers (G-31).
    pub grantee_service: Option<Arc<str>>,
    /// Which page (G-32).
    pub page: Page,
}

refusals! {
    /// Why ListGrants is refused, in the order of its checks.
    Refusal {
        /// Filters that cannot be (G-31).
        Shape(Said),
        /// No such key.
        Key(Unresolved),
        /// A limit or marker that cannot be.
        Page(Said),
        /// Not permitted.
        Denied(Denied),
        /// The key has no such grant (U-2).
        NotThere(Said),
    }
}

impl ListGrants {
    fn check_filters(&self, cx: &Context<'_>) -> Result<(), Said> {
        if let Some(id) = &self.grant_id {
            grants::check_id(id)?;
        }
        if self.grantee.is_some() && self.grantee_service.is_some() {
            let why = "give only one of GranteePrincipal and GranteeServicePrincipal";
            return Err(said(ErrorCode::Validation, why));
        }
        if let Some(grantee) = &self.grantee {
            grantee
                .parse::<PrincipalArn>()
                .map_err(|error| said(ErrorCode::InvalidArn, error))?;
        }
        if self.grantee_service.is_some() && !matches!(cx.caller.identity, Identity::Service(_)) {
            let why = "GranteeServicePrincipal can only be used by a service";
            return Err(said(ErrorCode::Validation, why));
        }
        Ok(())
    }

    fn keeps(&self, grant: &Grant) -> bool {
        match (&self.grantee, &self.grantee_service, &grant.grantee) {
            (None, None, _) => true,
            (Some(wanted), _, GrantPrincipal::Arn { arn, .. }) => arn.as_str() == &**wanted,
            (_, Some(wanted), GrantPrincipal::Service(service)) => service.as_str() == &**wanted,
            (Some(_), _, GrantPrincipal::Service(_))
            | (None, Some(_), GrantPrincipal::Arn { .. }) => false,
        }
    }
}

impl Question for ListGrants {
    type Refusal = Refusal;

    fn answer(&self, cx: &Context<'_>) -> Result<Answer, Refusal> {
        self.check_filters(cx).map_err(Refusal::Shape)?;
        let key = cx.key_without_alias(&self.key)?;
        let filter = (&self.grantee, &self.grantee_service, &self.grant_id);
        let listing = format!("grants of {} {filter:?}", key.arn);
        let cursor: Cursor<GrantId> =
            Cursor::read(&self.page, Sizes::GRANTS, &listing).map_err(Refusal::Page)?;
        cx.allow_key(KmsAction::ListGrants, key, Parameters::NONE)?;
        let position = |grant: &Arc<Grant>| grant.id;
        let keep = |grant: &Arc<Grant>| self.keeps(grant).then(|| (**grant).clone());
        let paged = match &self.grant_id {
            Some(id) => {
                let grant = grants::of_key(cx, &key.arn, id).map_err(Refusal::NotThere)?;
                cursor.page(std::iter::once(grant), position, keep)
            }
            None => {
                let grants = cx.state.grants().of_key(&key.arn, cursor.after);
                cursor.page(grants.map(Arc::clone), position, keep)
            }
        };
        Ok(Answer::Grants(paged))
    }
}
