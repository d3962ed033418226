//! The one way in which a state changes, and the one way in which it is asked.
//!
//! `apply` is total: every entry has an outcome, and the same entry on the same state the same one on every replica.
//! An entry of semantics that this binary does not know must not come here: the replica stops first.

use std::sync::Arc;

use super::context::{Change, Context, Question};
use super::parts::Parts;
use super::refusal::{Said, said};
use super::{
    Answer, Applied, Command, CreatedGrant, Entry, ErrorCode, Idempotency, KeyDescription, Output,
    Query, Rejection, Semantics,
};
use crate::domain::authz::caller::Caller;
use crate::domain::authz::request::Scope;
use crate::domain::limits::{
    IDEMPOTENCY_DROPS_PER_ENTRY, IDEMPOTENCY_HORIZON, IDEMPOTENCY_KEY_MAX,
};
use crate::domain::state::State;
use crate::domain::state::grant::Grant;
use crate::domain::state::idempotency::{Effect, IdempotencyKey, IdempotencyRecord};
use crate::domain::time::{Revision, Timestamp};

/// Applies the entry at log position `at`.
pub fn apply(state: &mut State, at: Revision, entry: &Entry) -> Applied {
    state.advance(at, entry.proposed_at);
    drop_old_idempotency(state, at);
    let applied = judge(state, at, entry);
    match applied {
        Ok(applied) => applied,
        Err(rejection) => Applied {
            outcome: Err(rejection),
            events: Vec::new(),
        },
    }
}

/// Answers a question about a state, as of `now`, which must be the later of the state's clock and the node's.
/// `token_grants` are those of verified tokens that the state has not reached.
pub fn query(
    state: &State,
    caller: &Caller,
    scope: &Scope,
    now: Timestamp,
    token_grants: &[Arc<Grant>],
    query: &Query,
) -> Result<Answer, Rejection> {
    check_caller(state, caller)?;
    let cx = Context {
        state,
        caller,
        scope,
        now: now.max(state.clock()),
        at: state.revision(),
        token_grants,
    };
    match query {
        Query::ListAccounts(q) => answer(q, &cx),
        Query::GetSettings(q) => answer(q, &cx),
        Query::ListOrganizations(q) => answer(q, &cx),
        Query::ListNodes(q) => answer(q, &cx),
        Query::GetControlPolicy(q) => answer(q, &cx),
        Query::ListControlPolicies(q) => answer(q, &cx),
        Query::GetVpcEndpoint(q) => answer(q, &cx),
        Query::ListVpcEndpoints(q) => answer(q, &cx),
        Query::GetGroup(q) => answer(q, &cx),
        Query::ListGroups(q) => answer(q, &cx),
        Query::ListGroupsForUser(q) => answer(q, &cx),
        Query::GetGroupPolicy(q) => answer(q, &cx),
        Query::ListGroupPolicies(q) => answer(q, &cx),
        Query::GetPrincipal(q) => answer(q, &cx),
        Query::ListPrincipals(q) => answer(q, &cx),
        Query::GetPrincipalPolicy(q) => answer(q, &cx),
        Query::ListPrincipalPolicies(q) => answer(q, &cx),
        Query::DescribeCustomKeyStores(q) => answer(q, &cx),
        Query::ListKeyStoreWork(q) => answer(q, &cx),
        Query::ListKeyStoreBackends(q) => answer(q, &cx),
        Query::DescribeKey(q) => answer(q, &cx),
        Query::GetKeyPolicy(q) => answer(q, &cx),
        Query::ListKeyPolicies(q) => answer(q, &cx),
        Query::ListKeys(q) => answer(q, &cx),
        Query::ListAliases(q) => answer(q, &cx),
        Query::ListResourceTags(q) => answer(q, &cx),
        Query::ListGrants(q) => answer(q, &cx),
        Query::ListRetirableGrants(q) => answer(q, &cx),
        Query::Explain(q) => answer(q, &cx),
        Query::WhatIf(q) => answer(q, &cx),
        Query::WhoCan(q) => answer(q, &cx),
        Query::WhatCan(q) => answer(q, &cx),
        Query::ListGrantsByGrantee(q) => answer(q, &cx),
        Query::ListDanglingPrincipals(q) => answer(q, &cx),
        Query::ListDuplicateGrants(q) => answer(q, &cx),
        Query::DescribeGrants(q) => answer(q, &cx),
    }
}

fn answer<Q: Question>(question: &Q, cx: &Context<'_>) -> Result<Answer, Rejection> {
    question.answer(cx).map_err(Into::into)
}

fn judge(state: &mut State, at: Revision, entry: &Entry) -> Result<Applied, Rejection> {
    let Entry {
        proposed_at: _,
        semantics,
        caller,
        scope,
        request_id: _,
        idempotency,
        command,
    } = entry;
    if *semantics != Semantics::CURRENT {
        return Err(said(
            ErrorCode::UnsupportedOperation,
            format_args!("this cluster does not know semantics {}", semantics.0),
        )
        .into());
    }
    if !state.is_bootstrapped() && !matches!(command, Command::Bootstrap(_)) {
        let why = "the cluster is not initialized yet: nothing can be changed before";
        return Err(said(ErrorCode::UnsupportedOperation, why).into());
    }
    check_caller(state, caller)?;
    let key = match idempotency {
        None => None,
        Some(idempotency) => match check_idempotency(state, at, caller, idempotency)? {
            Seen::Never(key) => Some((key, idempotency.request_hash)),
            Seen::Before(record) => {
                return Ok(Applied {
                    outcome: Ok(replay(state, &record.effect)),
                    events: Vec::new(),
                });
            }
        },
    };
    let applied = run(state, at, caller, scope, command)?;
    if let (Some((key, request_hash)), Ok(output)) = (key, &applied.outcome) {
        state.put_idempotency(Arc::new(IdempotencyRecord {
            key,
            request_hash,
            at,
            effect: effect_of(output),
        }));
    }
    Ok(applied)
}

/// Does the same to a command, whichever operation it is of.
macro_rules! of_each {
    ($command:expr, $c:ident => $does:expr) => {
        match $command {
            Command::Bootstrap($c) => $does,
            Command::RotateTokenEpoch($c) => $does,
            Command::CreateAccount($c) => $does,
            Command::UpdateSettings($c) => $does,
            Command::CreateOrganization($c) => $does,
            Command::DeleteOrganization($c) => $does,
            Command::AddAccount($c) => $does,
            Command::MoveAccount($c) => $does,
            Command::RemoveAccount($c) => $does,
            Command::CreateOrganizationalUnit($c) => $does,
            Command::DeleteOrganizationalUnit($c) => $does,
            Command::PutControlPolicy($c) => $does,
            Command::DeleteControlPolicy($c) => $does,
            Command::PutVpcEndpoint($c) => $does,
            Command::DeleteVpcEndpoint($c) => $does,
            Command::CreateGroup($c) => $does,
            Command::DeleteGroup($c) => $does,
            Command::AddUserToGroup($c) => $does,
            Command::RemoveUserFromGroup($c) => $does,
            Command::PutGroupPolicy($c) => $does,
            Command::DeleteGroupPolicy($c) => $does,
            Command::CreatePrincipal($c) => $does,
            Command::DeletePrincipal($c) => $does,
            Command::TagPrincipal($c) => $does,
            Command::UntagPrincipal($c) => $does,
            Command::PutPrincipalPolicy($c) => $does,
            Command::DeletePrincipalPolicy($c) => $does,
            Command::PutPrincipalPermissionsBoundary($c) => $does,
            Command::DeletePrincipalPermissionsBoundary($c) => $does,
            Command::CreateKey($c) => $does,
            Command::CreateCustomKeyStore($c) => $does,
            Command::UpdateCustomKeyStore($c) => $does,
            Command::ConnectCustomKeyStore($c) => $does,
            Command::DisconnectCustomKeyStore($c) => $does,
            Command::DeleteCustomKeyStore($c) => $does,
            Command::ReportCustomKeyStore($c) => $does,
            Command::ReportKeyStoreBackends($c) => $does,
            Command::PutKeyPolicy($c) => $does,
            Command::EnableKey($c) => $does,
            Command::DisableKey($c) => $does,
            Command::UpdateKeyDescription($c) => $does,
            Command::ScheduleKeyDeletion($c) => $does,
            Command::CancelKeyDeletion($c) => $does,
            Command::FinishKeyDeletion($c) => $does,
            Command::ReplicateKey($c) => $does,
            Command::UpdatePrimaryRegion($c) => $does,
            Command::CreateAlias($c) => $does,
            Command::UpdateAlias($c) => $does,
            Command::DeleteAlias($c) => $does,
            Command::TagResource($c) => $does,
            Command::UntagResource($c) => $does,
            Command::CreateGrant($c) => $does,
            Command::RetireGrant($c) => $does,
            Command::RevokeGrant($c) => $does,
            Command::Consume($c) => $does,
            Command::ExpireGrants($c) => $does,
        }
    };
}

fn run(
    state: &mut State,
    at: Revision,
    caller: &Caller,
    scope: &Scope,
    command: &Command,
) -> Result<Applied, Rejection> {
    of_each!(command, c => change(c, state, at, caller, scope))
}

/// What a command must be allowed, if it is asked for more than once.
pub(super) fn parts<'p>(
    command: &'p Command,
    cx: &Context<'p>,
) -> Result<Option<Parts<'p>>, Rejection> {
    of_each!(command, c => c.parts(cx).map_err(Into::into))
}

/// The error that a command would end in; nothing is changed.
pub(super) fn refusal(command: &Command, cx: &Context<'_>) -> Option<Rejection> {
    of_each!(command, c => c.plan(cx).err().map(Into::into))
}

fn change<C: Change>(
    command: &C,
    state: &mut State,
    at: Revision,
    caller: &Caller,
    scope: &Scope,
) -> Result<Applied, Rejection> {
    let cx = Context {
        state,
        caller,
        scope,
        now: state.clock(),
        at,
        // a token is never evidence inside `apply`; the state here knows.
        token_grants: &[],
    };
    let (_allowed, plan) = command.plan(&cx).map_err(Into::into)?;
    let (output, events) = C::enact(plan, state);
    Ok(Applied {
        outcome: Ok(output),
        events,
    })
}

/// the principal behind the caller must still be the one that was verified.
fn check_caller(state: &State, caller: &Caller) -> Result<(), Rejection> {
    match caller.identity.check(state) {
        Ok(_) => Ok(()),
        Err(vanished) => Err(said(ErrorCode::CallerInvalid, vanished).into()),
    }
}

/// What is known of an idempotency key.
enum Seen {
    Never(IdempotencyKey),
    Before(Arc<IdempotencyRecord>),
}

fn check_idempotency(
    state: &State,
    at: Revision,
    caller: &Caller,
    idempotency: &Idempotency,
) -> Result<Seen, Said> {
    let Idempotency {
        key,
        birth,
        request_hash,
    } = idempotency;
    if key.is_empty() || key.len() > IDEMPOTENCY_KEY_MAX {
        return Err(said(
            ErrorCode::Validation,
            format_args!("an idempotency key has 1 to {IDEMPOTENCY_KEY_MAX} bytes"),
        ));
    }
    if *birth > at {
        return Err(said(
            ErrorCode::Validation,
            format_args!(
                "the idempotency key is said to be born at revision {birth}, which is yet to come"
            ),
        ));
    }
    if at.0.saturating_sub(birth.0) > IDEMPOTENCY_HORIZON {
        return Err(said(
            ErrorCode::IdempotencyExpired,
            format_args!(
                "the idempotency key was born at revision {birth}, more than {IDEMPOTENCY_HORIZON} revisions ago: whether it took effect is not known any more; read the state, then use a new key"
            ),
        ));
    }
    let key = IdempotencyKey {
        caller: caller.identity.unique_text(),
        key: Arc::clone(key),
    };
    match state.idempotency(&key) {
        None => Ok(Seen::Never(key)),
        Some(record) if record.request_hash == *request_hash => {
            Ok(Seen::Before(Arc::clone(record)))
        }
        Some(_) => Err(said(
            ErrorCode::IdempotencyMismatch,
            "the idempotency key was used before for another request",
        )),
    }
}

/// The answer to a retry: as first told, but of a grant what the state has now, so that no token revives it.
fn replay(state: &State, effect: &Effect) -> Output {
    match effect {
        Effect::Done => Output::Done,
        Effect::Account(account) => Output::Account((**account).clone()),
        Effect::Principal(principal) => Output::Principal((**principal).clone()),
        Effect::Group(group) => Output::Group((**group).clone()),
        Effect::Organization(organization) => Output::Organization((**organization).clone()),
        Effect::Node(node) => Output::Node((**node).clone()),
        Effect::Key(key) => Output::Key(KeyDescription::of(state, (**key).clone())),
        Effect::KeyStore(id) => Output::KeyStore(id.clone()),
        Effect::Grant { id, depends_on } => Output::Grant(CreatedGrant {
            grant: state
                .grants()
                .get(id)
                .filter(|grant| state.key(&grant.key).is_some())
                .map(|grant| (**grant).clone()),
            id: *id,
            depends_on: *depends_on,
        }),
        Effect::Consumed(consumed) => Output::Consumed(consumed.clone()),
    }
}

fn effect_of(output: &Output) -> Effect {
    match output {
        Output::Done => Effect::Done,
        Output::Account(account) => Effect::Account(Arc::new(account.clone())),
        Output::Principal(principal) => Effect::Principal(Arc::new(principal.clone())),
        Output::Group(group) => Effect::Group(Arc::new(group.clone())),
        Output::Organization(organization) => Effect::Organization(Arc::new(organization.clone())),
        Output::Node(node) => Effect::Node(Arc::new(node.clone())),
        Output::Key(KeyDescription {
            key,
            related: _,
            cloud_hsm_cluster: _, // the state tells both again
        }) => Effect::Key(Arc::new(key.clone())),
        Output::KeyStore(id) => Effect::KeyStore(id.clone()),
        Output::Grant(CreatedGrant {
            grant: _,
            id,
            depends_on,
        }) => Effect::Grant {
            id: *id,
            depends_on: *depends_on,
        },
        Output::Consumed(consumed) => Effect::Consumed(consumed.clone()),
    }
}

/// A record outlives every key that a client may still bring: keys born at its revision or before are refused by then.
fn drop_old_idempotency(state: &mut State, at: Revision) {
    for _ in 0..IDEMPOTENCY_DROPS_PER_ENTRY {
        match state.oldest_idempotency() {
            Some(record) if at.0.saturating_sub(record.at.0) > IDEMPOTENCY_HORIZON => {
                let key = record.key.clone();
                state.take_idempotency(&key);
            }
            _ => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ids::GrantId;
    use crate::domain::op::testing::{ADMIN, BOB, Cluster, caller, create_grant, create_key, key};
    use crate::domain::op::{revoke_grant, tag_resource};

    fn idempotency(key: &str, birth: u64, hash: u8) -> Option<Idempotency> {
        Some(Idempotency {
            key: key.into(),
            birth: Revision(birth),
            request_hash: [hash; 32],
        })
    }

    fn code(outcome: Result<Output, Rejection>) -> &'static str {
        outcome.map_or_else(|rejection| rejection.code.as_str(), |_| "done")
    }

    #[test]
    fn nothing_is_changed_before_bootstrap_or_under_other_semantics() {
        let mut cluster = Cluster::empty();
        let command = || Command::CreateKey(create_key(3));
        let entry = cluster.entry(&caller("operator"), None, command());
        assert_eq!(code(cluster.apply(&entry)), "UnsupportedOperationException");
        let mut cluster = Cluster::new();
        let mut entry = cluster.entry(&caller(ADMIN), None, command());
        entry.semantics = Semantics(2);
        assert_eq!(code(cluster.apply(&entry)), "UnsupportedOperationException");
        entry.semantics = Semantics::CURRENT;
        assert_eq!(code(cluster.apply(&entry)), "done");
    }

    /// The state's clock never goes back, and what is made is dated by it.
    #[test]
    fn clock_never_goes_back() {
        let mut cluster = Cluster::new();
        cluster.now = 9_000;
        cluster.done(ADMIN, Command::CreateGrant(create_grant(1, BOB)));
        cluster.now = 5_000;
        cluster.done(ADMIN, Command::CreateGrant(create_grant(2, BOB)));
        let created = cluster
            .state
            .grants()
            .get(&GrantId([2; 32]))
            .unwrap()
            .created_at;
        assert_eq!(
            (created.as_millis(), cluster.state.clock().as_millis()),
            (9_000, 9_000)
        );
    }

    /// EC-11, Q-11: a retry is done once; the same key for another request, and one that came too late, are refused.
    #[test]
    fn retry_under_an_idempotency_key_is_done_once() {
        let mut cluster = Cluster::new();
        let (admin, birth) = (caller(ADMIN), cluster.at);
        let mut send = |n: u8, key: &str, birth, hash| {
            let command = Command::CreateGrant(create_grant(n, BOB));
            let entry = cluster.entry(&admin, idempotency(key, birth, hash), command);
            match cluster.apply(&entry) {
                Ok(Output::Grant(created)) => {
                    Ok((created.id.0[0], created.grant.map(|g| g.born.0)))
                }
                Ok(other) => panic!("{other:?}"),
                Err(rejection) => Err(rejection.code.as_str()),
            }
        };
        assert_eq!(send(1, "k", birth, 7), Ok((1, Some(birth + 1))));
        assert_eq!(send(2, "k", birth, 7), Ok((1, Some(birth + 1))));
        assert_eq!(send(3, "k", birth, 8), Err("IdempotentParameterMismatch"));
        assert_eq!(send(3, "", birth, 8), Err("ValidationException"));
        assert_eq!(
            send(3, &"k".repeat(65), birth, 8),
            Err("ValidationException")
        );
        assert_eq!(send(3, "z", u64::MAX, 8), Err("ValidationException"));
        assert_eq!(send(4, "l", birth, 7), Ok((4, Some(birth + 7))));
        let id = GrantId([1; 32]).to_string();
        let revoke = revoke_grant::RevokeGrant {
            key: key(1),
            grant_id: (&*id).into(),
            dry_run: Default::default(),
            descendants: Default::default(),
        };
        cluster.done(ADMIN, Command::RevokeGrant(revoke));
        let command = Command::CreateGrant(create_grant(5, BOB));
        let again = cluster.entry(&admin, idempotency("k", birth, 7), command);
        let Ok(Output::Grant(replayed)) = cluster.apply(&again) else {
            panic!("refused")
        };
        assert_eq!((replayed.id, replayed.grant), (GrantId([1; 32]), None));
        assert!(cluster.state.grants().get(&GrantId([5; 32])).is_none());
        cluster.at += IDEMPOTENCY_HORIZON + 8;
        cluster.done(ADMIN, Command::CreateGrant(create_grant(6, BOB)));
        assert!(cluster.state.oldest_idempotency().is_none());
        assert_eq!(code(cluster.apply(&again)), "IdempotencyKeyExpired");
    }

    /// the key is the caller's own; a refusal is not remembered, for it did nothing.
    #[test]
    fn idempotency_key_is_bound_to_its_caller_and_refusals_are_judged_anew() {
        let mut cluster = Cluster::new();
        let birth = cluster.at;
        let tag = || {
            Command::TagResource(tag_resource::TagResource {
                key: key(1),
                tags: vec![("a".into(), "b".into())],
            })
        };
        let send = |cluster: &mut Cluster, who: &str| {
            let entry = cluster.entry(&caller(who), idempotency("k", birth, 1), tag());
            code(cluster.apply(&entry))
        };
        assert_eq!(send(&mut cluster, BOB), "AccessDeniedException");
        assert_eq!(send(&mut cluster, ADMIN), "done");
        assert_eq!(send(&mut cluster, BOB), "AccessDeniedException");
        cluster.put_policy(BOB, crate::domain::op::testing::ALLOW_ALL);
        assert_eq!(send(&mut cluster, BOB), "done");
        assert!(cluster.events.len() == 1);
        assert_eq!(send(&mut cluster, BOB), "done");
        assert!(cluster.events.is_empty());
    }

    /// DESIGN: replicas that apply the same entries have equal fingerprints; a snapshot keeps them equal.
    #[test]
    fn replicas_and_snapshots_agree() {
        let (mut one, mut other) = (Cluster::new(), Cluster::new());
        for n in 1..50 {
            assert_eq!(one.state.fingerprint(), other.state.fingerprint());
            let command = || Command::CreateGrant(create_grant(n, BOB));
            let entry = one.entry(&caller(ADMIN), idempotency(&n.to_string(), 1, n), command());
            assert_eq!(code(one.apply(&entry)), code(other.apply(&entry)));
            let copy = State::import(*other.state.header(), other.state.export()).unwrap();
            assert_eq!(copy.fingerprint(), other.state.fingerprint());
            other.state = copy;
        }
        one.state.take_grant(&GrantId([7; 32]));
        assert_ne!(one.state.fingerprint(), other.state.fingerprint());
    }
}
