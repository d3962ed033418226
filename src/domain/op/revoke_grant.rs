//! `RevokeGrant`: ends a grant by those whom a policy allows it (G-40).

use super::DryRun;
use super::context::{Change, Context};
use super::refusal::{Said, refusals, said};
use super::{ErrorCode, Event, GrantChange, Output, grants};
use crate::domain::authz::request::Parameters;
use crate::domain::authz::resolve::Unresolved;
use crate::domain::authz::{Allowed, Denied};
use crate::domain::ids::KeyRef;
use crate::domain::limits::REVOKE_TREE_MAX;
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
    /// Whether the grants that descend from it end with it (EC-12).
    pub descendants: Descendants,
}

/// What becomes of the grants that a grant's holder passed on, and of those that they passed on.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Descendants {
    /// They stay (G-14).
    #[default]
    Stay,
    /// They end at the same position (EC-12).
    End,
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
        /// More grants descend from it than can end at once (EC-12).
        TooMany(Said),
        /// It would have succeeded (G-20).
        DryRun(Said),
    }
}

impl Change for RevokeGrant {
    type Refusal = Refusal;
    type Plan = Vec<Arc<Grant>>;

    fn plan(&self, cx: &Context<'_>) -> Result<(Allowed, Vec<Arc<Grant>>), Refusal> {
        grants::check_id(&self.grant_id).map_err(Refusal::Shape)?;
        let key = cx.key_without_alias(&self.key)?;
        let allowed = cx.allow_key(KmsAction::RevokeGrant, key, Parameters::NONE)?;
        let grant = grants::of_key(cx, &key.arn, &self.grant_id).map_err(Refusal::NotThere)?;
        let mut ended = match self.descendants {
            Descendants::Stay => Vec::new(),
            Descendants::End => cx
                .state
                .grants()
                .descendants(grant.id, REVOKE_TREE_MAX)
                .ok_or_else(|| {
                    let why = format_args!(
                        "more than {REVOKE_TREE_MAX} grants descend from the grant {}: revoke grants that it led to first, each with its descendants",
                        grant.id
                    );
                    Refusal::TooMany(said(ErrorCode::LimitExceeded, why))
                })?,
        };
        if self.dry_run == DryRun::Yes {
            return Err(Refusal::DryRun(super::refusal::dry_run()));
        }
        ended.insert(0, grant);
        Ok((allowed, ended))
    }

    fn enact(ended: Vec<Arc<Grant>>, state: &mut State) -> (Output, Vec<Event>) {
        let events = ended
            .iter()
            .map(|grant| grants::end(grant, GrantChange::Revoked, state))
            .collect();
        (Output::Done, events)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ids::GrantId;
    use crate::domain::op::Command;
    use crate::domain::op::testing::{
        ADMIN, BOB, Cluster, check_rows, create_grant, create_key, key,
    };
    use crate::domain::state::key::KeyState;

    fn revoke(key: KeyRef, id: &str, dry_run: DryRun) -> Command {
        Command::RevokeGrant(RevokeGrant {
            key,
            grant_id: id.into(),
            dry_run,
            descendants: Descendants::Stay,
        })
    }

    /// G-40, U-2, G-20: a grant of another key is not there.
    #[test]
    fn revoke_grant_refuses_in_the_order_of_its_checks() {
        let mut cluster = Cluster::new();
        cluster.done(ADMIN, Command::CreateKey(create_key(2)));
        cluster.done(ADMIN, Command::CreateGrant(create_grant(1, BOB)));
        let id = GrantId([1; 32]).to_string();
        let no = DryRun::No;
        check_rows(vec![
            (
                "no id",
                cluster.refusal(BOB, revoke(key(9), "", no)),
                "ValidationException",
                "grantId",
            ),
            (
                "a long id",
                cluster.refusal(BOB, revoke(key(9), &"g".repeat(129), no)),
                "ValidationException",
                "grantId",
            ),
            (
                "no such key",
                cluster.refusal(BOB, revoke(key(9), &id, no)),
                "NotFoundException",
                "Key '",
            ),
            (
                "its grantee",
                cluster.refusal(BOB, revoke(key(1), &id, no)),
                "AccessDeniedException",
                "kms:RevokeGrant",
            ),
            (
                "another key's",
                cluster.refusal(ADMIN, revoke(key(2), &id, no)),
                "NotFoundException",
                &format!("Grant ID {id} not found"),
            ),
            (
                "malformed",
                cluster.refusal(ADMIN, revoke(key(1), "g1", no)),
                "NotFoundException",
                "Grant ID g1 not found",
            ),
            (
                "a dry run",
                cluster.refusal(ADMIN, revoke(key(1), &id, DryRun::Yes)),
                "DryRunOperationException",
                "would have succeeded",
            ),
        ]);
    }

    /// G-55, G-56: in every state of its key; and once only.
    #[test]
    fn grant_is_revoked_in_every_state_of_its_key_and_only_once() {
        for state in KeyState::ALL {
            let mut cluster = Cluster::new();
            cluster.done(ADMIN, Command::CreateGrant(create_grant(1, BOB)));
            cluster.set_key_state(*state);
            let id = GrantId([1; 32]).to_string();
            cluster.done(ADMIN, revoke(key(1), &id, DryRun::No));
            assert_eq!(cluster.events.len(), 1);
            assert_eq!(
                cluster.refusal(ADMIN, revoke(key(1), &id, DryRun::No)).0,
                "NotFoundException"
            );
        }
    }
}
