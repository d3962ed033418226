//! What the operations that end or name a grant share (ID-11, G-56, U-2).

use std::sync::Arc;

use super::context::Context;
use super::refusal::{Said, bad_member, said};
use super::{ErrorCode, Event, GrantChange, Output};
use crate::domain::ids::KeyArn;
use crate::domain::limits::GRANT_ID_TEXT_MAX;
use crate::domain::state::State;
use crate::domain::state::grant::Grant;

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

/// The grant of this id on this key.
pub fn of_key(cx: &Context<'_>, key: &KeyArn, id: &str) -> Result<Arc<Grant>, Said> {
    let grant = id.parse().ok().and_then(|id| cx.state.grants().get(&id));
    match grant.filter(|grant| grant.key == *key) {
        Some(grant) => Ok(Arc::clone(grant)),
        None => Err(said(
            ErrorCode::NotFound,
            format_args!("Grant ID {id} not found"),
        )),
    }
}

/// Takes a grant out.
pub fn end(grant: &Grant, change: GrantChange, state: &mut State) -> (Output, Vec<Event>) {
    state.take_grant(&grant.id);
    let event = Event::GrantChanged {
        grant: grant.id,
        key: grant.key.clone(),
        change,
    };
    (Output::Done, vec![event])
}
