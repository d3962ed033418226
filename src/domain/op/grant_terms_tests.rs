//! Grants beyond AWS's, over several operations: those that expire, those with a budget of uses, and those that end with
//! their ancestors (EC-12, EC-13, DESIGN "Grants beyond AWS's").

use std::sync::Arc;

use super::consume::Consume;
use super::create_grant::CreateGrant;
use super::disable_key::DisableKey;
use super::expire_grants::ExpireGrants;
use super::explain::Explain;
use super::list_grants::ListGrants;
use super::put_principal_permissions_boundary::PutPrincipalPermissionsBoundary;
use super::retire_grant::RetireGrant;
use super::revoke_grant::{Descendants, RevokeGrant};
use super::testing::{
    ADMIN, ALLOW_ALL, APP, BOB, CAROL, Cluster, EXT, OWNER, Refused, arn, caller, check_rows,
    create_grant, key, key_arn, scope,
};
use super::who_can::WhoCan;
use super::{Answer, Command, Event, GrantChange, Idempotency, KeyChange, Output, Page, Query};
use crate::domain::authz::access::Access;
use crate::domain::authz::authorize;
use crate::domain::authz::claim;
use crate::domain::authz::request::{About, Parameters, Request, Target};
use crate::domain::ids::{GrantId, KeyRef};
use crate::domain::limits::{
    EXPIRE_PER_ENTRY, GRANT_ANCESTORS_MAX, IDEMPOTENCY_USE_HORIZON_MS, REVOKE_TREE_MAX,
};
use crate::domain::policy::KmsAction;
use crate::domain::state::State;
use crate::domain::state::grant::{EncryptionContext, Grant, GrantOperation, Term};
use crate::domain::state::idempotency::Consumed;
use crate::domain::state::key::KeyState;
use crate::domain::state::key_usage::UsageOperation;
use crate::domain::time::{Revision, Timestamp};

fn id(n: u8) -> GrantId {
    GrantId([n; 32])
}

fn grant(cluster: &Cluster, n: u8) -> Option<&Arc<Grant>> {
    cluster.state.grants().get(&id(n))
}

/// Whether `who` may decrypt with key 1 by the state of `cluster`, at `now`.
fn may(cluster: &Cluster, who: &str, now: u64, tokens: &[Arc<Grant>]) -> bool {
    let key = cluster.state.key(&key_arn(1)).unwrap();
    authorize(
        &cluster.state,
        &Request {
            caller: &caller(who),
            scope: &scope(),
            action: KmsAction::Decrypt.into(),
            target: Target::Key { key, alias: None },
            encryption_context: &EncryptionContext::new(),
            about: About::Nothing,
            token_grants: tokens,
            parameters: Parameters::FromFront,
            now: Timestamp::from_millis(now),
        },
    )
    .is_allow()
}

fn expiring(cluster: &Cluster, n: u8, grantee: &str, in_ms: u64) -> CreateGrant {
    let mut command = create_grant(n, grantee);
    command.term.expires_at = Some(Timestamp::from_millis(cluster.now + in_ms));
    command
}

fn budgeted(n: u8, grantee: &str, uses: u32) -> CreateGrant {
    let mut command = create_grant(n, grantee);
    command.term.uses = Some(uses);
    command
}

fn passing_on(mut command: CreateGrant) -> CreateGrant {
    command.operations.push(GrantOperation::CreateGrant);
    command
}

fn make(cluster: &mut Cluster, who: &str, command: CreateGrant) {
    cluster.done(who, Command::CreateGrant(command));
}

fn consume(grant_id: Option<u8>) -> Consume {
    Consume {
        key: key(1),
        operation: GrantOperation::Decrypt,
        encryption_context: Default::default(),
        grant_id: grant_id.map(|n| id(n).to_string().into()),
    }
}

fn use_of(cluster: &mut Cluster, who: &str, grant_id: Option<u8>) -> Result<Consumed, Refused> {
    match cluster.run(who, Command::Consume(consume(grant_id)))? {
        Output::Consumed(consumed) => Ok(consumed),
        other => panic!("{other:?}"),
    }
}

fn revoke(n: u8, descendants: Descendants) -> Command {
    Command::RevokeGrant(RevokeGrant {
        key: key(1),
        grant_id: id(n).to_string().into(),
        dry_run: Default::default(),
        descendants,
    })
}

fn retire(n: u8) -> Command {
    Command::RetireGrant(RetireGrant {
        key: key(1),
        grant_id: id(n).to_string().into(),
        dry_run: Default::default(),
    })
}

fn listed(cluster: &Cluster) -> Vec<u8> {
    let question = ListGrants {
        key: key(1),
        grant_id: None,
        grantee: None,
        grantee_service: None,
        page: Page::default(),
    };
    match cluster.ask(ADMIN, Query::ListGrants(question)) {
        Ok(Answer::Grants(paged)) => paged.items.iter().map(|grant| grant.id.0[0]).collect(),
        other => panic!("{other:?}"),
    }
}

fn expire() -> Command {
    Command::ExpireGrants(ExpireGrants {})
}

/// EC-13: an end that is past and a budget that is none are refused for their shape.
#[test]
fn term_that_cannot_be_is_refused() {
    let cluster = Cluster::new();
    let no = |change: &dyn Fn(&mut Term)| {
        let mut command = create_grant(1, BOB);
        change(&mut command.term);
        cluster.refusal(BOB, Command::CreateGrant(command))
    };
    check_rows(vec![
        (
            "the cluster's own time",
            no(&|term| term.expires_at = Some(Timestamp::from_millis(cluster.now))),
            "ValidationException",
            "not after the cluster's time",
        ),
        (
            "no use",
            no(&|term| term.uses = Some(0)),
            "ValidationException",
            "1 to 1000000000 uses, not 0",
        ),
        (
            "too many uses",
            no(&|term| term.uses = Some(u32::MAX)),
            "ValidationException",
            "uses",
        ),
        (
            "a grant that can be, by one who may not",
            no(&|term| term.uses = Some(1_000_000_000)),
            "AccessDeniedException",
            "kms:CreateGrant",
        ),
    ]);
}

/// EC-13: from its end on a grant counts as absent, whichever clock says so: in decisions, by token, in lists, to whoever
/// would end it; and at the millisecond before, it does not.
#[test]
fn grant_counts_as_absent_from_its_end_on() {
    let mut cluster = Cluster::new();
    let ahead = cluster.copy();
    let command = expiring(&cluster, 1, BOB, 100);
    make(&mut cluster, ADMIN, command);
    make(&mut cluster, ADMIN, create_grant(2, CAROL));
    let end = cluster.now + 100;
    let token = [Arc::clone(grant(&cluster, 1).unwrap())];
    for (now, wanted) in [(end - 1, true), (end, false), (end + 1, false)] {
        assert_eq!(may(&cluster, BOB, now, &[]), wanted, "{now}");
        assert_eq!(may(&ahead, BOB, now, &token), wanted, "{now} by token");
    }
    cluster.now = end - 1;
    assert_eq!(listed(&cluster), [1, 2]);
    assert_eq!(cluster.copy().run(ADMIN, retire(1)).map(drop), Ok(()));
    cluster.now = end;
    assert_eq!(listed(&cluster), [2]);
    for command in [retire(1), revoke(1, Descendants::End)] {
        let (code, why) = cluster.refusal(ADMIN, command);
        assert_eq!(code, "NotFoundException", "{why}");
    }
}

/// EC-13: a named retry of a grant that has expired cannot bring it back: its end is past.
#[test]
fn named_retry_does_not_revive_what_has_expired() {
    let mut cluster = Cluster::new();
    let mut command = expiring(&cluster, 1, BOB, 100);
    command.name = Some("n".into());
    make(&mut cluster, ADMIN, command.clone());
    cluster.now += 50;
    make(&mut cluster, ADMIN, command.clone());
    assert!(cluster.events.is_empty());
    cluster.now += 50;
    let (code, _) = cluster.refusal(ADMIN, Command::CreateGrant(command.clone()));
    assert_eq!(code, "ValidationException");
    // Another end makes another grant (G-17).
    command.term.expires_at = Some(Timestamp::from_millis(cluster.now + 50));
    command.grant_id = id(2);
    make(&mut cluster, ADMIN, command);
    assert_eq!(listed(&cluster), [2]);
}

/// EC-13: the cluster itself takes out what has expired, and nobody else; by the state's clock, a bounded number at once.
#[test]
fn expired_grants_are_taken_out_by_the_cluster_alone() {
    let mut cluster = Cluster::new();
    for who in ["operator", ADMIN] {
        let (code, why) = cluster.refusal(who, expire());
        assert_eq!(code, "AccessDeniedException");
        assert!(why.contains("the cluster itself"), "{why}");
    }
    for n in [3, 1, 2] {
        let command = expiring(&cluster, n, BOB, 100 * u64::from(n));
        make(&mut cluster, ADMIN, command);
    }
    make(&mut cluster, ADMIN, create_grant(4, BOB));
    cluster.now += 200;
    cluster.done("system", expire());
    let gone: Vec<(u8, GrantChange)> = cluster
        .events
        .iter()
        .map(|event| match event {
            Event::GrantChanged { grant, change, .. } => (grant.0[0], *change),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(gone, [(1, GrantChange::Expired), (2, GrantChange::Expired)]);
    assert_eq!(cluster.state.grants().count(&key_arn(1)), 2);
    cluster.done("system", expire());
    assert!(cluster.events.is_empty());

    let like = (**grant(&cluster, 3).unwrap()).clone();
    for n in 0..EXPIRE_PER_ENTRY + 5 {
        let mut one = like.clone();
        one.id.0[..8].copy_from_slice(&n.to_le_bytes());
        one.id.0[31] = 0xff;
        cluster.state.put_grant(Arc::new(one));
    }
    cluster.now += 200;
    cluster.done("system", expire());
    assert_eq!(cluster.events.len(), EXPIRE_PER_ENTRY);
    cluster.done("system", expire());
    assert_eq!(cluster.events.len(), 6);
    assert_eq!(listed(&cluster), [4]);
}

/// EC-13, G-12: a child does not outlive its parent, and an expired parent has none; a policy lifts the limit (G-11).
#[test]
fn child_of_an_expiring_parent_ends_with_it_or_before() {
    let mut cluster = Cluster::new();
    let parent = passing_on(expiring(&cluster, 1, BOB, 100));
    make(&mut cluster, ADMIN, parent);
    let denied = "AccessDeniedException";
    for (what, child) in [
        ("without an end", create_grant(2, CAROL)),
        ("a later end", expiring(&cluster, 2, CAROL, 101)),
    ] {
        let refused = cluster.refusal(BOB, Command::CreateGrant(child.clone()));
        assert_eq!(refused.0, denied, "{what}");
        make(&mut cluster.copy(), ADMIN, child);
    }
    let children = [
        expiring(&cluster, 2, CAROL, 100),
        expiring(&cluster, 3, CAROL, 1),
    ];
    for child in children {
        make(&mut cluster, BOB, child);
    }
    assert_eq!(grant(&cluster, 2).unwrap().ancestors, [id(1)]);
    let late = expiring(&cluster, 4, CAROL, 150);
    cluster.now += 100;
    let (code, _) = cluster.refusal(BOB, Command::CreateGrant(late));
    assert_eq!(code, denied);
}

/// EC-13: a grant with a budget never allows by itself, not even by token; Consume allows by it and spends one use.
#[test]
fn grant_with_a_budget_allows_only_what_is_spent() {
    let mut cluster = Cluster::new();
    let ahead = cluster.copy();
    make(&mut cluster, ADMIN, budgeted(1, BOB, 2));
    let token = [Arc::clone(grant(&cluster, 1).unwrap())];
    assert!(!may(&cluster, BOB, cluster.now, &[]));
    assert!(!may(&ahead, BOB, cluster.now, &token));
    for left in [1, 0] {
        let wanted = Consumed {
            policy_type: "grant".into(),
            grant: Some(id(1)),
            uses_left: Some(left),
        };
        cluster.now += 1;
        assert_eq!(use_of(&mut cluster, BOB, None), Ok(wanted));
        let given = grant(&cluster, 1).unwrap();
        let event = Event::GrantChanged {
            grant: id(1),
            key: key_arn(1),
            grantee: given.grantee.clone(),
            operations: given.operations,
            change: GrantChange::Spent { uses_left: left },
        };
        let used = Event::KeyChanged(key_arn(1), KeyChange::Used(UsageOperation::Decrypt));
        assert_eq!(cluster.events, [event, used]);
        assert_eq!(grant(&cluster, 1).unwrap().uses_left(), Some(left));
        assert!(!may(&cluster, BOB, cluster.now, &[]));
    }
    // A spent grant stays, shows that nothing is left, and can be retired.
    assert_eq!(listed(&cluster), [1]);
    assert_eq!(
        use_of(&mut cluster, BOB, None).unwrap_err(),
        (
            "LimitExceededException",
            format!("the grant {} has no uses left: all 2 are spent", id(1))
        )
    );
    cluster.done(ADMIN, retire(1));
    assert_eq!(
        use_of(&mut cluster, BOB, None).unwrap_err().0,
        "AccessDeniedException"
    );
}

/// EC-13: every error of Consume, in the order of its checks; none of them spends.
#[test]
fn consume_refuses_in_the_order_of_its_checks_and_spends_nothing() {
    let mut cluster = Cluster::new();
    make(&mut cluster, ADMIN, budgeted(1, BOB, 1));
    make(&mut cluster, ADMIN, budgeted(2, CAROL, 1));
    use_of(&mut cluster, CAROL, None).unwrap();
    let mut disabled = cluster.copy();
    disabled.set_key_state(KeyState::Disabled);
    let no = |cluster: &Cluster, who: &str, change: &dyn Fn(&mut Consume)| {
        let mut command = consume(None);
        change(&mut command);
        cluster.refusal(who, Command::Consume(command))
    };
    check_rows(vec![
        (
            "no id",
            no(&disabled, EXT, &|c| c.grant_id = Some("".into())),
            "ValidationException",
            "grantId",
        ),
        (
            "no use of a key",
            no(&disabled, EXT, &|c| {
                c.operation = GrantOperation::CreateGrant;
                c.key = key(9);
            }),
            "ValidationException",
            "CreateGrant is an operation of this cluster",
        ),
        (
            "no such key",
            no(&disabled, EXT, &|c| {
                c.key = key(9);
                c.grant_id = Some("g".into());
            }),
            "NotFoundException",
            "does not exist",
        ),
        (
            "no such grant",
            no(&disabled, BOB, &|c| c.grant_id = Some("g".into())),
            "NotFoundException",
            "Grant ID g not found",
        ),
        (
            "all spent",
            no(&disabled, CAROL, &|_| ()),
            "LimitExceededException",
            "all 1 are spent",
        ),
        (
            "another operation",
            no(&disabled, BOB, &|c| c.operation = GrantOperation::Encrypt),
            "AccessDeniedException",
            "kms:Encrypt",
        ),
        (
            "the grant of another",
            no(&disabled, BOB, &|c| {
                c.grant_id = Some(id(2).to_string().into())
            }),
            "AccessDeniedException",
            "kms:Decrypt",
        ),
        (
            "disabled",
            no(&disabled, BOB, &|_| ()),
            "DisabledException",
            "is disabled",
        ),
    ]);
    cluster.put_policy(
        BOB,
        r#"{"Version":"2012-10-17","Statement":{"Effect":"Deny","Action":"kms:Decrypt","Resource":"*"}}"#,
    );
    let (code, why) = no(&cluster, BOB, &|_| ());
    assert_eq!(code, "AccessDeniedException");
    assert!(why.contains("explicit deny"), "{why}");
    assert_eq!(grant(&cluster, 1).unwrap().spent, 0);
}

/// EC-13: what allows without a budget goes first, and costs nothing; of several with a budget only the named one pays.
#[test]
fn only_what_needs_a_budget_spends_it() {
    let mut cluster = Cluster::new();
    make(&mut cluster, ADMIN, budgeted(1, BOB, 5));
    make(&mut cluster, ADMIN, budgeted(2, BOB, 5));
    assert_eq!(use_of(&mut cluster, BOB, None).unwrap().grant, Some(id(1)));
    let named = use_of(&mut cluster, BOB, Some(2)).unwrap();
    assert_eq!((named.grant, named.uses_left), (Some(id(2)), Some(4)));
    make(&mut cluster, ADMIN, create_grant(3, BOB));
    for named in [None, Some(1)] {
        let free = use_of(&mut cluster, BOB, named).unwrap();
        assert_eq!((free.grant, free.uses_left), (Some(id(3)), None));
        assert!(cluster.events.is_empty());
    }
    cluster.put_policy(BOB, ALLOW_ALL);
    let free = use_of(&mut cluster, BOB, None).unwrap();
    assert_eq!((&*free.policy_type, free.grant), ("identity_policy", None));
    assert_eq!(grant(&cluster, 1).unwrap().uses_left(), Some(4));
}

/// A Consume of bob under the key `k`, as first sent at `birth`.
fn retried(cluster: &mut Cluster, birth: Revision) -> Result<Consumed, Refused> {
    let idempotency = Some(Idempotency {
        key: "k".into(),
        birth,
        request_hash: [1; 32],
    });
    let entry = cluster.entry(&caller(BOB), idempotency, Command::Consume(consume(None)));
    match cluster.apply(&entry) {
        Ok(Output::Consumed(consumed)) => Ok(consumed),
        Ok(other) => panic!("{other:?}"),
        Err(rejection) => Err((rejection.code.as_str(), rejection.message.to_string())),
    }
}

/// Q-11, EC-68: a retried Consume is decided again, without spending: what was allowed once is refused, with a code of its
/// own, when a revocation, a retirement, the key, a Deny or the time has taken it away since; and allowed while nothing has.
#[test]
fn retried_consume_is_refused_once_it_is_not_permitted_any_more() {
    let deny = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"kms:Decrypt","Resource":"*"}]}"#;
    type Row<'a> = (&'a str, &'a str, &'a dyn Fn(&mut Cluster));
    let rows: [Row<'_>; 8] = [
        ("revoked", "not found", &|c| {
            c.done(ADMIN, revoke(1, Descendants::End));
        }),
        ("retired", "not found", &|c| {
            c.done(ADMIN, retire(1));
        }),
        ("expired", "not found", &|c| c.now += 1_000),
        ("disabled", "is disabled", &|c| {
            let disable = DisableKey { key: key(1) };
            c.done(ADMIN, Command::DisableKey(disable));
        }),
        ("pending deletion", "is pending deletion", &|c| {
            c.set_key_state(KeyState::PendingDeletion);
        }),
        ("denied by an identity policy", "explicit deny", &|c| {
            c.put_policy(BOB, deny);
        }),
        ("denied by a boundary", "not authorized", &|c| {
            let put = PutPrincipalPermissionsBoundary {
                arn: BOB.parse().unwrap(),
                policy: deny.into(),
            };
            let root = format!("arn:aws:iam::{OWNER}:root");
            c.done(&root, Command::PutPrincipalPermissionsBoundary(put));
        }),
        (
            "revoked, another grant with a budget given",
            "not found",
            &|c| {
                c.done(ADMIN, revoke(1, Descendants::End));
                make(c, ADMIN, budgeted(2, BOB, 5));
            },
        ),
    ];
    for (what, why, take_away) in rows {
        let mut cluster = Cluster::new();
        let mut command = budgeted(1, BOB, 1);
        command.term.expires_at = Some(Timestamp::from_millis(cluster.now + 1_000));
        make(&mut cluster, ADMIN, command);
        let birth = Revision(cluster.at);
        let first = retried(&mut cluster, birth).unwrap();
        assert_eq!((first.grant, first.uses_left), (Some(id(1)), Some(0)));
        assert_eq!(retried(&mut cluster, birth), Ok(first), "{what}");
        take_away(&mut cluster);
        let (code, message) = retried(&mut cluster, birth).unwrap_err();
        assert_eq!(code, "NoLongerPermitted", "{what}");
        let at = format!("the use was allowed at revision {} and", birth.0 + 1);
        assert!(
            message.starts_with(&at) && message.contains(why),
            "{what}: {message}"
        );
        // Nothing was spent, and nothing given back.
        let spent = grant(&cluster, 1).map(|grant| grant.spent);
        assert!(spent.is_none_or(|spent| spent == 1), "{what}");
        let spent = grant(&cluster, 2).map(|grant| grant.spent);
        assert!(spent.is_none_or(|spent| spent == 0), "{what}");
    }
}

/// EC-68: what was allowed by a policy, and cost nothing, is decided again by what costs nothing: a retry never pays.
#[test]
fn retried_consume_that_a_policy_allowed_is_not_paid_by_a_grant() {
    let mut cluster = Cluster::new();
    cluster.put_policy(BOB, ALLOW_ALL);
    let birth = Revision(cluster.at);
    let first = retried(&mut cluster, birth).unwrap();
    assert_eq!((first.grant, first.uses_left), (None, None));
    make(&mut cluster, ADMIN, budgeted(1, BOB, 5));
    assert_eq!(retried(&mut cluster, birth), Ok(first.clone()));
    let nothing = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:*","Resource":"*"}]}"#;
    cluster.put_policy(BOB, nothing);
    assert_eq!(
        retried(&mut cluster, birth).unwrap_err().0,
        "NoLongerPermitted"
    );
    assert_eq!(grant(&cluster, 1).unwrap().spent, 0);
    // What takes it away may be taken back: then the first answer is true again.
    cluster.put_policy(BOB, ALLOW_ALL);
    assert_eq!(retried(&mut cluster, birth), Ok(first));
}

/// EC-68: the answer to a Consume is repeated for as long as an attempt may be under way, however few or many revisions
/// that are, and not longer.
#[test]
fn retried_consume_is_answered_for_seconds_alone() {
    let mut cluster = Cluster::new();
    make(&mut cluster, ADMIN, budgeted(1, BOB, 2));
    let birth = Revision(cluster.at);
    let first = retried(&mut cluster, birth).unwrap();
    cluster.now += IDEMPOTENCY_USE_HORIZON_MS;
    cluster.at += 1_000_000;
    assert_eq!(retried(&mut cluster, birth), Ok(first));
    cluster.now += 1;
    for _ in 0..2 {
        let (code, why) = retried(&mut cluster, birth).unwrap_err();
        assert_eq!(code, "IdempotencyKeyExpired", "{why}");
    }
    assert_eq!(grant(&cluster, 1).unwrap().spent, 1);
}

/// Q-11, EC-13: a retry under the same idempotency key spends once, and gets the first answer even when all is spent.
#[test]
fn retried_consume_spends_once() {
    let mut cluster = Cluster::new();
    make(&mut cluster, ADMIN, budgeted(1, BOB, 1));
    let birth = Revision(cluster.at);
    for _ in 0..3 {
        let idempotency = Some(Idempotency {
            key: "k".into(),
            birth,
            request_hash: [1; 32],
        });
        let entry = cluster.entry(&caller(BOB), idempotency, Command::Consume(consume(None)));
        let Ok(Output::Consumed(consumed)) = cluster.apply(&entry) else {
            panic!("refused")
        };
        assert_eq!((consumed.grant, consumed.uses_left), (Some(id(1)), Some(0)));
    }
    assert_eq!(grant(&cluster, 1).unwrap().spent, 1);
}

/// EC-13, G-12: a parent with a budget hands on uses that it has left and loses them; together there are never more than
/// were given. The right to retire is no use.
#[test]
fn children_of_a_budget_share_it() {
    let mut cluster = Cluster::new();
    make(&mut cluster, ADMIN, passing_on(budgeted(1, BOB, 5)));
    let unbudgeted = cluster.refusal(BOB, Command::CreateGrant(create_grant(2, CAROL)));
    assert_eq!(unbudgeted.0, "AccessDeniedException");
    let too_many = cluster.refusal(BOB, Command::CreateGrant(budgeted(2, CAROL, 6)));
    assert_eq!(too_many.0, "AccessDeniedException");
    make(&mut cluster, BOB, budgeted(2, CAROL, 3));
    assert_eq!(grant(&cluster, 1).unwrap().uses_left(), Some(2));
    assert_eq!(cluster.events.len(), 2);
    let again = cluster.refusal(BOB, Command::CreateGrant(budgeted(3, CAROL, 3)));
    assert_eq!(again.0, "AccessDeniedException");
    use_of(&mut cluster, BOB, None).unwrap();
    make(&mut cluster, BOB, budgeted(3, CAROL, 1));
    assert_eq!(
        use_of(&mut cluster, BOB, None).unwrap_err().0,
        "LimitExceededException"
    );
    let mut uses = 0;
    while use_of(&mut cluster, CAROL, None).is_ok() {
        uses += 1;
    }
    assert_eq!(uses, 4);
    // A parent without a budget may give any.
    make(&mut cluster, ADMIN, passing_on(create_grant(4, APP)));
    let app = super::testing::session("s");
    cluster
        .run_as(&app, Command::CreateGrant(budgeted(5, CAROL, 9)))
        .unwrap();
    assert_eq!(grant(&cluster, 4).unwrap().uses_left(), None);
    // G-50.
    let mut retirable = budgeted(6, BOB, 1);
    retirable.operations.push(GrantOperation::RetireGrant);
    make(&mut cluster, ADMIN, retirable);
    use_of(&mut cluster, BOB, Some(6)).unwrap();
    cluster.done(BOB, retire(6));
}

/// EC-13: however many budgets are spent or expired, a state read back from its facts is the same, and finds the same.
#[test]
fn terms_survive_a_snapshot() {
    let mut cluster = Cluster::new();
    make(&mut cluster, ADMIN, budgeted(1, BOB, 2));
    let soon = expiring(&cluster, 2, CAROL, 10);
    make(&mut cluster, ADMIN, soon);
    use_of(&mut cluster, BOB, None).unwrap();
    let facts = cluster.state.export();
    let copy = State::import(*cluster.state.header(), facts).unwrap();
    assert_eq!(copy.fingerprint(), cluster.state.fingerprint());
    cluster.state = copy;
    assert_eq!(use_of(&mut cluster, BOB, None).unwrap().uses_left, Some(0));
    cluster.now += 10;
    cluster.done("system", expire());
    assert_eq!(listed(&cluster), [1]);
}

/// A chain of delegation: 1 to BOB, by BOB 2 to CAROL, by CAROL 3 to EXT; and 4 to CAROL by a policy.
fn chain() -> Cluster {
    let mut cluster = Cluster::new();
    make(&mut cluster, ADMIN, passing_on(create_grant(1, BOB)));
    make(&mut cluster, BOB, passing_on(create_grant(2, CAROL)));
    make(&mut cluster, CAROL, create_grant(3, EXT));
    make(&mut cluster, ADMIN, create_grant(4, CAROL));
    cluster
}

/// G-14, U-7, EC-12: children stay unless it is asked for; then all that descends ends at once, and nothing else.
#[test]
fn descendants_end_with_their_ancestor_if_it_is_asked_for() {
    let mut cluster = chain();
    assert_eq!(grant(&cluster, 3).unwrap().ancestors, [id(2), id(1)]);
    assert!(grant(&cluster, 4).unwrap().ancestors.is_empty());
    let mut alone = cluster.copy();
    alone.done(ADMIN, revoke(1, Descendants::Stay));
    assert_eq!(listed(&alone), [2, 3, 4]);
    assert!(may(&alone, CAROL, alone.now, &[]));
    cluster.done(ADMIN, revoke(1, Descendants::End));
    assert_eq!(listed(&cluster), [4]);
    let ended: Vec<u8> = cluster
        .events
        .iter()
        .map(|event| match event {
            Event::GrantChanged {
                grant,
                change: GrantChange::Revoked,
                ..
            } => grant.0[0],
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(ended, [1, 2, 3]);
}

/// EC-12: a link that ended alone does not shelter what came after it, not even after a snapshot.
#[test]
fn descendant_is_found_although_a_link_between_is_gone() {
    let mut cluster = chain();
    cluster.done(ADMIN, revoke(2, Descendants::Stay));
    let facts = cluster.state.export();
    cluster.state = State::import(*cluster.state.header(), facts).unwrap();
    cluster.done(ADMIN, revoke(1, Descendants::End));
    assert_eq!(listed(&cluster), [4]);
}

/// EC-12: only who may revoke on the key; a dry run says so; a grant remembers a bounded number of ancestors, and a
/// longer chain is found link by link.
#[test]
fn long_chain_of_delegation_is_found_link_by_link() {
    let mut cluster = Cluster::new();
    make(&mut cluster, ADMIN, passing_on(create_grant(1, BOB)));
    let length = u8::try_from(GRANT_ANCESTORS_MAX * 2 + 3).unwrap();
    for n in 2..=length {
        let (by, to) = if n % 2 == 0 {
            (BOB, CAROL)
        } else {
            (CAROL, BOB)
        };
        // Only the grant before covers this one: the others ask for a context pair that it does not have.
        let mut child = passing_on(create_grant(n, to));
        child.context_subset = Arc::new(pairs(1));
        make(&mut cluster, by, child);
    }
    let (code, _) = cluster.refusal(CAROL, revoke(1, Descendants::End));
    assert_eq!(code, "AccessDeniedException");
    assert!(
        cluster
            .state
            .grants()
            .iter()
            .all(|grant| grant.ancestors.len() <= GRANT_ANCESTORS_MAX)
    );
    cluster.done(ADMIN, revoke(1, Descendants::End));
    assert!(listed(&cluster).is_empty());
}

fn pairs(n: u8) -> EncryptionContext {
    [("depth".into(), n.to_string().into())].into()
}

/// EC-12: a tree too big for one entry is refused whole, and says what to do.
#[test]
fn tree_too_big_is_refused_whole() {
    let mut cluster = chain();
    let like = (**grant(&cluster, 3).unwrap()).clone();
    for n in 0..REVOKE_TREE_MAX - 2 {
        let mut one = like.clone();
        one.id.0[..8].copy_from_slice(&n.to_le_bytes());
        one.id.0[31] = 0xff;
        cluster.state.put_grant(Arc::new(one));
    }
    let mut fits = cluster.copy();
    fits.done(ADMIN, revoke(1, Descendants::End));
    assert_eq!(fits.events.len(), REVOKE_TREE_MAX + 1);
    assert_eq!(listed(&fits), [4]);
    let mut one = like.clone();
    one.id = id(0xee);
    cluster.state.put_grant(Arc::new(one));
    let (code, why) = cluster.refusal(ADMIN, revoke(1, Descendants::End));
    assert_eq!(code, "LimitExceededException");
    assert!(why.contains("more than 10000"), "{why}");
    cluster.done(ADMIN, revoke(1, Descendants::Stay));
}

/// What is told of `who` by WhoCan about Decrypt with key 1.
fn access_of(cluster: &Cluster, who: &str) -> Vec<Access> {
    let query = Query::WhoCan(WhoCan {
        key: KeyRef::KeyArn(key_arn(1)),
        actions: vec![KmsAction::Decrypt],
        page: Page::default(),
    });
    match cluster.ask("operator", query) {
        Ok(Answer::Access { items, .. }) => items
            .into_iter()
            .filter(|reached| reached.principal.as_str() == who)
            .map(|reached| reached.access)
            .collect(),
        other => panic!("{other:?}"),
    }
}

fn explained(cluster: &Cluster, who: &str) -> String {
    let question = claim::Question {
        subject: Some(claim::Subject::Principal(arn(who))),
        action: "kms:Decrypt".into(),
        key: Some(key(1)),
        encryption_context: Default::default(),
        grant_tokens: Vec::new(),
        facts: Default::default(),
        dry_run: false,
        random_source: None,
        members: Default::default(),
    };
    match cluster.ask(ADMIN, Query::Explain(Explain { question })) {
        Ok(Answer::Explanation { told, .. }) => told.to_string(),
        other => panic!("{other:?}"),
    }
}

/// EC-13: effective access leaves out a grant that is over or spent, takes one that has not ended as one that holds, and
/// tells of a budget as the condition that it is; an explanation names what stands in the way.
#[test]
fn access_and_explanation_tell_of_ends_and_budgets() {
    let mut cluster = Cluster::new();
    make(&mut cluster, ADMIN, budgeted(1, BOB, 1));
    let ends = expiring(&cluster, 2, CAROL, 60_000);
    make(&mut cluster, ADMIN, ends);
    let budget = format!(
        "a use of grant {}, which has 1 use left: Consume alone spends one",
        id(1)
    );
    let of_bob = access_of(&cluster, BOB);
    assert!(
        matches!(of_bob.as_slice(), [Access::Conditional { on, .. }] if *on == [budget.as_str()]),
        "{of_bob:?}"
    );
    assert!(explained(&cluster, BOB).contains("a budget with 1 use left"));
    let of_carol = access_of(&cluster, CAROL);
    assert!(
        matches!(of_carol.as_slice(), [Access::Always { .. }]),
        "{of_carol:?}"
    );

    use_of(&mut cluster, BOB, Some(1)).unwrap();
    assert_eq!(access_of(&cluster, BOB), []);
    let text = explained(&cluster, BOB);
    assert!(text.contains("all of its uses are spent"), "{text}");
    assert!(
        text.contains("if the grant 0101") && text.contains("had no budget"),
        "{text}"
    );
    cluster.now += 60_000;
    assert_eq!(access_of(&cluster, CAROL), []);
    let text = explained(&cluster, CAROL);
    assert!(
        text.contains("it ended at ") && text.contains("had not ended"),
        "{text}"
    );
}
