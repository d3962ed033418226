//! What the operations that end, name or list grants share (ID-11, ID-18, G-56, U-2).

use std::fmt;
use std::ops::Deref;
use std::str::FromStr;
use std::sync::Arc;

use super::context::Context;
use super::refusal::{Said, bad_member, said};
use super::{ErrorCode, Event, GrantChange};
use crate::domain::effort;
use crate::domain::ids::{GrantId, KeyArn};
use crate::domain::limits::GRANT_ID_TEXT_MAX;
use crate::domain::state::State;
use crate::domain::state::grant::{Grant, GrantPrincipal};

/// A grant as listings show it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ListedGrant {
    /// The grant.
    pub grant: Arc<Grant>,
    /// Whether its grantee was deleted: it is shown by its immutable id then (ID-18, X-9).
    pub is_grantee_gone: bool,
    /// Whether its retiring principal was deleted.
    pub is_retiring_gone: bool,
}

/// What it costs to look at a stored grant that lies anywhere in memory, in units of [`effort::Effort`].
pub const WORK_OF_LOOK: u64 = 20;

/// What it costs to show a grant: its key and its principals are looked up.
const WORK_OF_GRANT: u64 = 200;

impl ListedGrant {
    /// How `grant` is shown; `None` of one that has expired (EC-13), or whose key is deleted (G-57): it counts as absent.
    pub fn of(cx: &Context<'_>, grant: &Arc<Grant>) -> Option<Self> {
        if !effort::spend(cx.effort, WORK_OF_GRANT) {
            return None;
        }
        if grant.is_expired(cx.now) || cx.state.key(&grant.key).is_none() {
            return None;
        }
        Some(Self {
            is_grantee_gone: is_gone(cx.state, &grant.grantee),
            is_retiring_gone: grant
                .retiring
                .as_ref()
                .is_some_and(|retiring| is_gone(cx.state, retiring)),
            grant: Arc::clone(grant),
        })
    }
}

/// A listed grant is a grant, with what is known of its principals beside it.
impl Deref for ListedGrant {
    type Target = Grant;

    fn deref(&self) -> &Grant {
        &self.grant
    }
}

/// Whether the principal that a grant names is not there any more, be it that another has its name now (ID-18).
fn is_gone(state: &State, principal: &GrantPrincipal) -> bool {
    match principal {
        GrantPrincipal::Arn { arn, unique_id } => state.former(arn, unique_id).is_some(),
        GrantPrincipal::Service(_) => false,
    }
}

/// The last grant of a page of a listing over several keys: its key and its id.
#[derive(Clone)]
pub struct ByKey(pub KeyArn, pub GrantId);

impl fmt::Display for ByKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.1, self.0)
    }
}

impl FromStr for ByKey {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (id, key) = text.split_once(' ').ok_or(())?;
        Ok(Self(key.parse().map_err(drop)?, id.parse().map_err(drop)?))
    }
}

/// Refuses a text that no grant id can have (ID-11).
pub fn check_id(id: &str) -> Result<(), Said> {
    if id.is_empty() {
        return Err(bad_member(
            id,
            "grantId",
            "have length greater than or equal to 1",
        ));
    }
    if id.len() > GRANT_ID_TEXT_MAX {
        let must = format!("have length less than or equal to {GRANT_ID_TEXT_MAX}");
        return Err(bad_member(id, "grantId", must));
    }
    Ok(())
}

/// The grant of this id on this key. One that has expired is not there (EC-13).
pub fn of_key(cx: &Context<'_>, key: &KeyArn, id: &str) -> Result<Arc<Grant>, Said> {
    let grant = id.parse().ok().and_then(|id| cx.state.grants().get(&id));
    match grant.filter(|grant| grant.key == *key && !grant.is_expired(cx.now)) {
        Some(grant) => Ok(Arc::clone(grant)),
        None => Err(said(
            ErrorCode::NotFound,
            format_args!("Grant ID {id} not found"),
        )),
    }
}

/// Puts a grant of which uses were spent.
pub fn spend(grant: Arc<Grant>, state: &mut State) -> Event {
    let event = Event::GrantChanged {
        grant: grant.id,
        key: grant.key.clone(),
        grantee: grant.grantee.clone(),
        operations: grant.operations,
        change: GrantChange::Spent {
            uses_left: grant.uses_left().unwrap_or_default(),
        },
    };
    state.put_grant(grant);
    event
}

/// Takes a grant out.
pub fn end(grant: &Grant, change: GrantChange, state: &mut State) -> Event {
    state.take_grant(&grant.id);
    Event::GrantChanged {
        grant: grant.id,
        key: grant.key.clone(),
        grantee: grant.grantee.clone(),
        operations: grant.operations,
        change,
    }
}
