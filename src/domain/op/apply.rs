//! The one way in which a state changes, and the one way in which it is asked.
//!
//! `apply` is total: every entry has an outcome, and the same entry on the same state the same one on every replica.
//! An entry of semantics that this binary does not know must not come here: the replica stops first.

use std::sync::Arc;

use super::context::{Change, Context, Question};
use super::parts::Parts;
use super::refusal::{Said, said};
use super::regions;
use super::{
    Answer, Applied, Command, CreatedGrant, Entry, ErrorCode, Event, Idempotency, KeyDescription,
    Output, Query, Rejection, Semantics,
};
use crate::domain::authz::caller::Caller;
use crate::domain::authz::request::Scope;
use crate::domain::effort::Effort;
use crate::domain::limits::{
    IDEMPOTENCY_DROPS_FOR_ROOM, IDEMPOTENCY_DROPS_PER_ENTRY, IDEMPOTENCY_HORIZON,
    IDEMPOTENCY_HORIZON_MS, IDEMPOTENCY_KEY_MAX, IDEMPOTENCY_REFUSAL_MAX,
    IDEMPOTENCY_USE_HORIZON_MS,
};
use crate::domain::state::fact::Gap;
use crate::domain::state::grant::Grant;
use crate::domain::state::idempotency::{
    Effect, Horizon, IdempotencyKey, IdempotencyRecord, Payer,
};
use crate::domain::state::semantics::Member;
use crate::domain::state::{Crowded, State};
use crate::domain::time::{Revision, Timestamp};

/// Applies the entry at log position `at`.
pub fn apply(state: &mut State, at: Revision, entry: &Entry) -> Applied {
    apply_as(state, at, entry, Semantics::CURRENT)
}

/// [`apply`] as a binary does that knows every semantics up to `newest`: what an entry leads to depends on the cluster's
/// own, which the state has, and never on how many more a binary knows.
pub fn apply_as(state: &mut State, at: Revision, entry: &Entry, newest: Semantics) -> Applied {
    state.advance(at, entry.proposed_at);
    forget_old_idempotency(state, at);
    match judge(state, at, entry, newest) {
        Ok(applied) => applied,
        Err(rejection) => Applied {
            outcome: Err(rejection),
            settled_at: None,
            events: Vec::new(),
        },
    }
}

/// Takes note of who belongs to the cluster from log position `at` on: voters and learners.
pub fn members_changed(state: &mut State, at: Revision, members: &[u64]) {
    state.advance(at, Timestamp::default());
    let gone = state.cluster_members().map(|member| member.node);
    let gone: Vec<u64> = gone.filter(|node| !members.contains(node)).collect();
    for node in gone {
        state.take_member(node);
    }
    for node in members {
        if state.cluster_member(*node).is_none() {
            state.put_member(Member {
                node: *node,
                newest: Semantics::default(),
            });
        }
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
    let uncut = |_: u64| u64::MAX;
    ask(
        state,
        caller,
        scope,
        now,
        token_grants,
        query,
        &Effort::new(&uncut),
    )
}

/// The work of a question was cut before there was an answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Cut;

/// [`query`], its work counted. A page ends by work that is done (see [`crate::domain::limits::PAGE_WORK`]) whether or not
/// it can be cut, so that the pages of a listing are the same at every node.
///
/// # Errors
/// [`Cut`], if `effort` was.
pub fn query_within(
    state: &State,
    caller: &Caller,
    scope: &Scope,
    now: Timestamp,
    token_grants: &[Arc<Grant>],
    query: &Query,
    effort: &Effort<'_>,
) -> Result<Result<Answer, Rejection>, Cut> {
    let answered = ask(state, caller, scope, now, token_grants, query, effort);
    if effort.is_cut() {
        Err(Cut)
    } else {
        Ok(answered)
    }
}

fn ask(
    state: &State,
    caller: &Caller,
    scope: &Scope,
    now: Timestamp,
    token_grants: &[Arc<Grant>],
    query: &Query,
    effort: &Effort<'_>,
) -> Result<Answer, Rejection> {
    regions::check_request(state, &caller.identity, scope, query.operation())?;
    check_caller(state, caller)?;
    let cx = &Context {
        state,
        caller,
        scope,
        now: now.max(state.clock()),
        at: state.revision(),
        token_grants,
        effort: Some(effort),
    };
    match query {
        Query::ListAccounts(q) => answer(q, cx),
        Query::GetSettings(q) => answer(q, cx),
        Query::ListOrganizations(q) => answer(q, cx),
        Query::ListNodes(q) => answer(q, cx),
        Query::GetControlPolicy(q) => answer(q, cx),
        Query::ListControlPolicies(q) => answer(q, cx),
        Query::GetVpcEndpoint(q) => answer(q, cx),
        Query::ListVpcEndpoints(q) => answer(q, cx),
        Query::GetGroup(q) => answer(q, cx),
        Query::ListGroups(q) => answer(q, cx),
        Query::ListGroupsForUser(q) => answer(q, cx),
        Query::GetGroupPolicy(q) => answer(q, cx),
        Query::ListGroupPolicies(q) => answer(q, cx),
        Query::GetPrincipal(q) => answer(q, cx),
        Query::ListPrincipals(q) => answer(q, cx),
        Query::GetPrincipalPolicy(q) => answer(q, cx),
        Query::ListPrincipalPolicies(q) => answer(q, cx),
        Query::DescribeCustomKeyStores(q) => answer(q, cx),
        Query::ListKeyStoreWork(q) => answer(q, cx),
        Query::ListKeyStoreBackends(q) => answer(q, cx),
        Query::DescribeKey(q) => answer(q, cx),
        Query::GetKeyLastUsage(q) => answer(q, cx),
        Query::GetKeyPolicy(q) => answer(q, cx),
        Query::ListKeyPolicies(q) => answer(q, cx),
        Query::ListKeys(q) => answer(q, cx),
        Query::ListAliases(q) => answer(q, cx),
        Query::ListResourceTags(q) => answer(q, cx),
        Query::ListGrants(q) => answer(q, cx),
        Query::ListRetirableGrants(q) => answer(q, cx),
        Query::Explain(q) => answer(q, cx),
        Query::WhatIf(q) => answer(q, cx),
        Query::WhoCan(q) => answer(q, cx),
        Query::WhatCan(q) => answer(q, cx),
        Query::ListGrantsByGrantee(q) => answer(q, cx),
        Query::ListDanglingPrincipals(q) => answer(q, cx),
        Query::ListDuplicateGrants(q) => answer(q, cx),
        Query::DescribeGrants(q) => answer(q, cx),
    }
}

fn answer<Q: Question>(question: &Q, cx: &Context<'_>) -> Result<Answer, Rejection> {
    question.answer(cx).map_err(Into::into)
}

/// What whoever asks a closed cluster for anything is told.
pub fn closed(gap: &Gap) -> String {
    format!(
        "the cluster is closed: it was forced from one disk, and whatever was acknowledged after revision {} of incarnation {} may be missing, what was taken away included; the operator opens it with `grantd cluster open --gap {}`",
        gap.after, gap.was, gap.after
    )
}

/// What the cluster's entries mean at this point of its log.
fn semantics_of(state: &State) -> Semantics {
    match state.semantics() {
        Semantics(0) => Semantics::FIRST,
        raised => raised,
    }
}

fn judge(
    state: &mut State,
    at: Revision,
    entry: &Entry,
    newest: Semantics,
) -> Result<Applied, Rejection> {
    let Entry {
        proposed_at: _,
        semantics,
        caller,
        scope,
        request_id: _,
        idempotency,
        command,
    } = entry;
    let ours = semantics_of(state);
    // The replica stops at an entry that its binary does not know, and at a raise beyond it, before it comes here.
    if *semantics < Semantics::FIRST || *semantics > ours || ours > newest {
        return Err(said(
            ErrorCode::UnsupportedOperation,
            format_args!(
                "the cluster is at semantics {}: the entry is of {}",
                ours.0, semantics.0
            ),
        )
        .into());
    }
    if !state.is_bootstrapped() && !matches!(command, Command::Bootstrap(_)) {
        let why = "the cluster is not initialized yet: nothing can be changed before";
        return Err(said(ErrorCode::UnsupportedOperation, why).into());
    }
    // what members tell of themselves changes nothing of what is decided.
    if let Some(gap) = state.closed()
        && !matches!(
            command,
            Command::OpenCluster(_) | Command::ReportSemantics(_)
        )
    {
        return Err(said(ErrorCode::UnsupportedOperation, closed(&gap)).into());
    }
    regions::check_request(state, &caller.identity, scope, command.operation())?;
    check_caller(state, caller)?;
    let Some(idempotency) = idempotency else {
        return Ok(run(state, at, caller, scope, command));
    };
    let horizon = horizon_of(command);
    let key = match check_idempotency(state, at, caller, horizon, idempotency)? {
        Seen::Never(key) => key,
        Seen::Before(record) => {
            let cx = Context {
                state,
                caller,
                scope,
                now: state.clock(),
                at,
                token_grants: &[],
                effort: None,
            };
            return Ok(Applied {
                outcome: replay(&cx, command, &record),
                settled_at: Some(record.at),
                events: Vec::new(),
            });
        }
    };
    let payer = caller.identity.payer();
    make_room(state, &payer).map_err(too_many_keys)?;
    let applied = run(state, at, caller, scope, command);
    // whatever it came to. A refusal that could be judged anew would let an attempt that is still under way do what
    // the caller was told had no effect.
    state.put_idempotency(Arc::new(IdempotencyRecord {
        key,
        payer,
        request_hash: idempotency.request_hash,
        horizon,
        at,
        time: state.clock(),
        effect: match &applied.outcome {
            Ok(output) => effect_of(output),
            Err(rejection) => refused(rejection),
        },
    }));
    Ok(Applied {
        settled_at: Some(at),
        ..applied
    })
}

/// How long what becomes of a command is kept under its key.
const fn horizon_of(command: &Command) -> Horizon {
    if matches!(command, Command::Consume(_)) {
        Horizon::Use
    } else {
        Horizon::Change
    }
}

/// Does the same to a command, whichever operation it is of.
macro_rules! of_each {
    ($command:expr, $c:ident => $does:expr) => {
        match $command {
            Command::Bootstrap($c) => $does,
            Command::RotateTokenEpoch($c) => $does,
            Command::StartTokenEpoch($c) => $does,
            Command::RevokeTokenEpoch($c) => $does,
            Command::ReportSemantics($c) => $does,
            Command::RaiseSemantics($c) => $does,
            Command::OpenCluster($c) => $does,
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
            Command::ReportKeyUsage($c) => $does,
        }
    };
}

fn run(
    state: &mut State,
    at: Revision,
    caller: &Caller,
    scope: &Scope,
    command: &Command,
) -> Applied {
    let changed = of_each!(command, c => change(c, state, at, caller, scope));
    let (outcome, events) = match changed {
        Ok((output, events)) => (Ok(output), events),
        Err(rejection) => (Err(rejection), Vec::new()),
    };
    Applied {
        outcome,
        settled_at: None,
        events,
    }
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
) -> Result<(Output, Vec<Event>), Rejection> {
    let cx = Context {
        state,
        caller,
        scope,
        now: state.clock(),
        at,
        // a token is never evidence inside `apply`; the state here knows.
        token_grants: &[],
        effort: None,
    };
    let (_allowed, plan) = command.plan(&cx).map_err(Into::into)?;
    Ok(C::enact(plan, state))
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
    horizon: Horizon,
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
    let key = IdempotencyKey {
        caller: caller.identity.unique_text(),
        key: Arc::clone(key),
    };
    let expired = |since: &str, revision: Revision| {
        said(
            ErrorCode::IdempotencyExpired,
            format_args!(
                "{since} revision {revision}: what became of its request is not known any more; read the state, then use a new key"
            ),
        )
    };
    match state.idempotency(&key) {
        // A key that was used is used after its birth, so what was settled under it has a later revision.
        None if *birth < state.forgotten(horizon) => Err(expired(
            &format!(
                "the idempotency key was born at revision {birth}, and keys are forgotten up to"
            ),
            state.forgotten(horizon),
        )),
        None => Ok(Seen::Never(key)),
        Some(record) if record.request_hash != *request_hash => Err(said(
            ErrorCode::IdempotencyMismatch,
            "the idempotency key was used before for another request",
        )),
        Some(record) if is_over(record, at, state.clock()) => Err(expired(
            "the idempotency key was used too long ago, at",
            record.at,
        )),
        Some(record) => Ok(Seen::Before(Arc::clone(record))),
    }
}

/// Whether a record is too old to be told again. Whether it is still there does not matter then: what is due to be
/// forgotten is forgotten a little at a time.
fn is_over(record: &IdempotencyRecord, at: Revision, now: Timestamp) -> bool {
    let revisions = at.0.saturating_sub(record.at.0);
    let ms = age_ms(record, now);
    match record.horizon {
        Horizon::Change => revisions > IDEMPOTENCY_HORIZON && ms > IDEMPOTENCY_HORIZON_MS,
        Horizon::Use => ms > IDEMPOTENCY_USE_HORIZON_MS,
    }
}

fn too_many_keys(Crowded { whose, taken }: Crowded) -> Said {
    said(
        ErrorCode::IdempotencyFull,
        format_args!(
            "{whose} has used too many idempotency keys lately: what became of their requests takes {taken} bytes, the whole share; a key's place is free again {} s after it was used, that of a Consume {} s after it",
            IDEMPOTENCY_HORIZON_MS / 1_000,
            IDEMPOTENCY_USE_HORIZON_MS / 1_000
        ),
    )
}

/// The answer to a retry: as first told, but of a grant what the state has now, so that no token revives it, and of a use
/// of a key whether it is permitted now.
fn replay(
    cx: &Context<'_>,
    command: &Command,
    record: &IdempotencyRecord,
) -> Result<Output, Rejection> {
    let state = cx.state;
    Ok(match &record.effect {
        Effect::Done => Output::Done,
        Effect::Account(account) => Output::Account((**account).clone()),
        Effect::Principal(principal) => Output::Principal((**principal).clone()),
        Effect::Group(group) => Output::Group((**group).clone()),
        Effect::Organization(organization) => Output::Organization((**organization).clone()),
        Effect::Node(node) => Output::Node((**node).clone()),
        Effect::Key(key) => Output::Key(KeyDescription::of(state, (**key).clone())),
        Effect::KeyStore(id) => Output::KeyStore(id.clone()),
        Effect::Grant { id, depends_on } => {
            let living = state.grants().get(id);
            let living = living.filter(|grant| state.key(&grant.key).is_some());
            Output::Grant(CreatedGrant {
                grant: living.map(|grant| Grant::clone(grant)),
                id: *id,
                depends_on: *depends_on,
                epoch: living.and_then(|grant| state.epoch_of(grant)).cloned(),
            })
        }
        Effect::TokenEpoch(number) => Output::TokenEpoch(*number),
        Effect::Consumed(consumed) => {
            if let Command::Consume(consume) = command {
                consume.again(cx, consumed, record.at)?;
            }
            Output::Consumed(consumed.clone())
        }
        Effect::Refused { code, message } => {
            return Err(Rejection {
                code: *code,
                message: Arc::clone(message),
                decision: None,
                help: None,
            });
        }
    })
}

/// A refusal as it is kept: without the decision behind it, its text cut where a policy or a name makes it long.
fn refused(rejection: &Rejection) -> Effect {
    let Rejection {
        code,
        message,
        decision: _,
        help: _,
    } = rejection;
    let mut end = message.len().min(IDEMPOTENCY_REFUSAL_MAX);
    while !message.is_char_boundary(end) {
        end -= 1;
    }
    Effect::Refused {
        code: *code,
        message: match message.get(..end) {
            Some(cut) if end < message.len() => format!("{cut}…").into(),
            _ => Arc::clone(message),
        },
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
            epoch: _, // the state tells it again
        }) => Effect::Grant {
            id: *id,
            depends_on: *depends_on,
        },
        Output::TokenEpoch(number) => Effect::TokenEpoch(*number),
        Output::Consumed(consumed) => Effect::Consumed(consumed.clone()),
    }
}

/// Sees whether there is room for another record of `payer`, and forgets, the oldest first, what is kept for its revisions
/// alone as long as there is none: in a cluster where little is written those would fill a share for days.
fn make_room(state: &mut State, payer: &Payer) -> Result<(), Crowded> {
    let now = state.clock();
    for _ in 0..IDEMPOTENCY_DROPS_FOR_ROOM {
        if state.idempotency_room(payer).is_ok() {
            break;
        }
        match state.oldest_idempotency(Horizon::Change) {
            Some(record) if age_ms(record, now) > IDEMPOTENCY_HORIZON_MS => {
                let record = Arc::clone(record);
                state.forget_idempotency(&record);
            }
            _ => break,
        }
    }
    state.idempotency_room(payer)
}

fn age_ms(record: &IdempotencyRecord, now: Timestamp) -> u64 {
    now.as_millis().saturating_sub(record.time.as_millis())
}

/// Forgets what is too old to be told again. Keys born before it are refused from then on.
pub(super) fn forget_old_idempotency(state: &mut State, at: Revision) {
    let now = state.clock();
    for horizon in Horizon::ALL {
        for _ in 0..IDEMPOTENCY_DROPS_PER_ENTRY {
            match state.oldest_idempotency(*horizon) {
                Some(record) if is_over(record, at, now) => {
                    let record = Arc::clone(record);
                    state.forget_idempotency(&record);
                }
                _ => break,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ids::GrantId;
    use crate::domain::op::testing::{
        ADMIN, BOB, CAROL, Cluster, EXT, caller, create_grant, create_key, key, key_arn, session,
    };
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
    }

    /// Q-11, EC-70: a record is kept while it is young by time or by revisions, so that neither a fast cluster nor a quiet
    /// one forgets what a retry asks about; once it is neither, a key of its time is refused, used or not.
    #[test]
    fn idempotency_record_is_kept_while_it_is_young_by_time_or_by_revisions() {
        let young = |revisions: u64, ms: u64| {
            let mut cluster = Cluster::new();
            let (admin, birth) = (caller(ADMIN), cluster.at);
            let send = |cluster: &mut Cluster, n: u8, key: &str| {
                let command = Command::CreateGrant(create_grant(n, BOB));
                let entry = cluster.entry(&admin, idempotency(key, birth, 7), command);
                code(cluster.apply(&entry))
            };
            assert_eq!(send(&mut cluster, 1, "used"), "done");
            let settled = cluster.at;
            cluster.now += ms;
            cluster.at = settled + revisions - 1;
            let retried = send(&mut cluster, 2, "used");
            cluster.at -= 1;
            let other = send(&mut cluster, 3, "never used");
            assert_eq!(cluster.state.grants().get(&GrantId([2; 32])), None);
            (retried, other)
        };
        let (far, long) = (IDEMPOTENCY_HORIZON + 1, IDEMPOTENCY_HORIZON_MS + 1);
        assert_eq!(young(far, long - 1), ("done", "done"));
        assert_eq!(young(far - 1, long), ("done", "done"));
        let expired = "IdempotencyKeyExpired";
        assert_eq!(young(far, long), (expired, expired));
        assert_eq!(young(far * 1_000, long * 1_000), (expired, expired));
        // A key that is born afterwards is a new one.
        let mut cluster = Cluster::new();
        let entry = |cluster: &Cluster, n: u8, birth| {
            let command = Command::CreateGrant(create_grant(n, BOB));
            cluster.entry(&caller(ADMIN), idempotency("k", birth, n), command)
        };
        let first = entry(&cluster, 1, cluster.at);
        assert_eq!(code(cluster.apply(&first)), "done");
        let settled = cluster.at;
        (cluster.at, cluster.now) = (cluster.at + far, cluster.now + long);
        let early = entry(&cluster, 2, settled - 1);
        assert_eq!(code(cluster.apply(&early)), expired);
        let after = entry(&cluster, 3, settled);
        assert_eq!(code(cluster.apply(&after)), "done");
    }

    /// Q-11, EC-70: what is too old to be told again is refused, whether it is forgotten already or still waits for that; and a
    /// backlog is forgotten a few at a time.
    #[test]
    fn backlog_of_old_records_is_forgotten_a_few_at_a_time() {
        let mut cluster = Cluster::new();
        let birth = cluster.at;
        let admin = caller(ADMIN);
        let send = |cluster: &mut Cluster, n: u8| {
            let command = Command::CreateGrant(create_grant(n, BOB));
            let entry = cluster.entry(&admin, idempotency(&n.to_string(), birth, n), command);
            code(cluster.apply(&entry))
        };
        for n in 1..=20 {
            assert_eq!(send(&mut cluster, n), "done");
        }
        cluster.at += IDEMPOTENCY_HORIZON + 20;
        cluster.now += IDEMPOTENCY_HORIZON_MS + 1;
        assert_eq!(send(&mut cluster, 20), "IdempotencyKeyExpired");
        let oldest = cluster.state.oldest_idempotency(Horizon::Change).unwrap();
        assert_eq!(&*oldest.key.key, "9");
    }

    /// Q-11, EC-69: the key is the caller's own, and what became of its request is settled for good, a refusal too: an
    /// attempt that arrives after its caller was told of the refusal does nothing, whatever is permitted by then.
    #[test]
    fn idempotency_key_is_bound_to_its_caller_and_settled_by_a_refusal_too() {
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
        assert_eq!(send(&mut cluster, BOB), "AccessDeniedException");
        assert!(cluster.events.is_empty());
        assert!(
            cluster
                .state
                .key(&key_arn(1))
                .unwrap()
                .tags
                .contains_key("a")
        );
        // Under another key it is another request.
        let again = cluster.entry(&caller(BOB), idempotency("l", birth, 1), tag());
        assert_eq!(code(cluster.apply(&again)), "done");
    }

    /// an outcome says at which revision its key was settled; one that settled none says so, for a later attempt may
    /// be judged otherwise.
    #[test]
    fn outcome_says_where_its_key_was_settled() {
        let mut cluster = Cluster::new();
        let birth = cluster.at;
        let settled = |cluster: &mut Cluster, who: &str, key: Option<(&str, u64)>, n: u8| {
            let idempotency = key.and_then(|(key, birth)| idempotency(key, birth, n));
            let command = Command::CreateGrant(create_grant(n, BOB));
            let entry = cluster.entry(&caller(who), idempotency, command);
            cluster.at += 1;
            let applied = apply(&mut cluster.state, Revision(cluster.at), &entry);
            (code(applied.outcome), applied.settled_at.map(|at| at.0))
        };
        let mine = |key| Some((key, birth));
        let first = settled(&mut cluster, ADMIN, mine("k"), 1);
        assert_eq!(first, ("done", Some(birth + 1)));
        let again = settled(&mut cluster, ADMIN, mine("k"), 1);
        assert_eq!(again, ("done", Some(birth + 1)));
        let denied = ("AccessDeniedException", Some(birth + 3));
        assert_eq!(settled(&mut cluster, BOB, mine("k"), 1), denied);
        assert_eq!(settled(&mut cluster, BOB, mine("k"), 1), denied);
        let other = settled(&mut cluster, ADMIN, mine("k"), 2);
        assert_eq!(other, ("IdempotentParameterMismatch", None));
        let strange = settled(&mut cluster, ADMIN, Some(("l", u64::MAX)), 2);
        assert_eq!(strange, ("ValidationException", None));
        assert_eq!(settled(&mut cluster, ADMIN, None, 2), ("done", None));
        let unkeyed = settled(&mut cluster, BOB, None, 3);
        assert_eq!(unkeyed, ("AccessDeniedException", None));
    }

    /// Q-11, EC-71: a caller without any right who sends without end is refused once his share of the memory is full. The
    /// changes of all others go on, and his own do when his records are forgotten.
    #[test]
    fn caller_who_floods_with_keys_is_refused_himself_and_nobody_else() {
        let mut cluster = Cluster::new();
        let birth = cluster.at;
        let send = |cluster: &mut Cluster, who: &Caller, key: &str| {
            let command = Command::CreateGrant(create_grant(1, BOB));
            let entry = cluster.entry(who, idempotency(key, birth, 1), command);
            code(cluster.apply(&entry))
        };
        // As from many refused requests; each is far larger than a real one, so that fewer do.
        let bob = session("flood-0");
        let text: Arc<str> = "x".repeat(4 << 20).into();
        while cluster
            .state
            .idempotency_room(&bob.identity.payer())
            .is_ok()
        {
            cluster.at += 1;
            cluster.state.put_idempotency(Arc::new(IdempotencyRecord {
                key: IdempotencyKey {
                    caller: bob.identity.unique_text(),
                    key: cluster.at.to_string().into(),
                },
                payer: bob.identity.payer(),
                request_hash: [0; 32],
                horizon: Horizon::Change,
                at: Revision(cluster.at),
                time: cluster.state.clock(),
                effect: Effect::Refused {
                    code: ErrorCode::AccessDenied,
                    message: Arc::clone(&text),
                },
            }));
        }
        assert_eq!(send(&mut cluster, &bob, "k"), "TooManyIdempotencyKeys");
        // Another session of the role has no other share.
        let other = session("flood-1");
        assert_eq!(send(&mut cluster, &other, "k"), "TooManyIdempotencyKeys");
        for (who, wanted) in [
            (CAROL, "AccessDeniedException"),
            (ADMIN, "done"),
            (EXT, "NotFoundException"),
        ] {
            assert_eq!(send(&mut cluster, &caller(who), "k"), wanted, "{who}");
        }
        // Without a key there is nothing to keep.
        let command = Command::CreateGrant(create_grant(2, BOB));
        let entry = cluster.entry(&bob, None, command);
        assert_eq!(code(cluster.apply(&entry)), "AccessDeniedException");
        // Five minutes are kept for everybody, and the revisions beside them as long as there is room.
        cluster.now += IDEMPOTENCY_HORIZON_MS;
        assert_eq!(send(&mut cluster, &bob, "k"), "TooManyIdempotencyKeys");
        cluster.now += 1;
        assert_eq!(send(&mut cluster, &bob, "k"), "AccessDeniedException");
        let forgotten = cluster.state.forgotten(Horizon::Change);
        assert!(forgotten > Revision(birth) && forgotten < Revision(cluster.at));
        // What is forgotten for it is refused, and not done again.
        assert_eq!(send(&mut cluster, &bob, "l"), "IdempotencyKeyExpired");
        let command = Command::CreateGrant(create_grant(1, BOB));
        let entry = cluster.entry(&bob, idempotency("l", cluster.at, 1), command);
        assert_eq!(code(cluster.apply(&entry)), "AccessDeniedException");
    }

    /// A refusal's text is kept up to a bound, cut where a character begins.
    #[test]
    fn kept_refusal_is_cut_at_a_character() {
        for (text, wanted) in [
            ("ü".repeat(256), 512),
            ("ü".repeat(300), 515),
            (format!("x{}", "ü".repeat(300)), 514),
        ] {
            let Effect::Refused { message, .. } =
                refused(&said(ErrorCode::Validation, &text).into())
            else {
                panic!("not refused")
            };
            assert_eq!(message.len(), wanted);
            assert!(text.starts_with(message.trim_end_matches('…')));
        }
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
