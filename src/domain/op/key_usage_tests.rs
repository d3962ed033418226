//! The last use of a key over several operations: what it keeps from being done, what counts as one, who can say it
//! (CK-52, CK-53).

use std::sync::Arc;

use super::Command;
use super::consume::Consume;
use super::disable_key::DisableKey;
use super::report_key_usage::ReportKeyUsage;
use super::schedule_key_deletion::ScheduleKeyDeletion;
use super::testing::{ADMIN, BOB, CAROL, Cluster, caller, key, key_arn, scope};
use crate::domain::authz::authorize;
use crate::domain::authz::caller::{Caller, ContextEntry};
use crate::domain::authz::explain::explain;
use crate::domain::authz::request::{About, Parameters, Request, Target};
use crate::domain::policy::KmsAction;
use crate::domain::state::grant::{EncryptionContext, GrantOperation};
use crate::domain::state::key_usage::{KeyUse, UsageOperation};
use crate::domain::time::Timestamp;

/// Everything, but for keys that were used within a year.
const GUARDED: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"kms:*","Resource":"*"},{"Sid":"Guard","Effect":"Deny","Action":["kms:DisableKey","kms:ScheduleKeyDeletion"],"Resource":"*","Condition":{"NumericLessThanEquals":{"kms:TrailingDaysWithoutKeyUsage":"365"}}}]}"#;

/// A cluster whose key 1 is 400 days old, and BOB under the guardrail.
fn old_key() -> Cluster {
    let mut cluster = Cluster::new();
    cluster.put_policy(BOB, GUARDED);
    let made = cluster.state.key(&key_arn(1)).unwrap().created_at;
    cluster.now = made.after_days(400).as_millis();
    cluster
}

fn report(cluster: &mut Cluster, days_ago: u64) {
    let used = KeyUse {
        operation: UsageOperation::Encrypt,
        at: Timestamp::from_millis(cluster.now - days_ago * Timestamp::DAY_MS),
        request_id: None,
    };
    let uses = vec![(key_arn(1), used)];
    cluster.done("system", Command::ReportKeyUsage(ReportKeyUsage { uses }));
}

/// BOB, with what it says of the key itself.
fn lying(days: &str) -> Caller {
    let mut bob = caller(BOB);
    let entry = ContextEntry::Single(days.into());
    let name = "kms:trailingdayswithoutkeyusage";
    bob.facts.context.insert(name.into(), entry);
    bob
}

/// Whether BOB may disable the key, asked as the operation, as a question, and as an explanation; all say the same.
fn may(cluster: &Cluster, who: &Caller) -> bool {
    let mut answers = Vec::new();
    for (action, command) in [
        (
            KmsAction::DisableKey,
            Command::DisableKey(DisableKey { key: key(1) }),
        ),
        (
            KmsAction::ScheduleKeyDeletion,
            Command::ScheduleKeyDeletion(ScheduleKeyDeletion {
                key: key(1),
                window_days: None,
            }),
        ),
    ] {
        let request = Request {
            caller: who,
            scope: &scope(),
            action: action.into(),
            target: Target::Key {
                key: cluster.state.key(&key_arn(1)).unwrap(),
                alias: None,
            },
            encryption_context: &EncryptionContext::new(),
            about: About::Nothing,
            token_grants: &[],
            parameters: Parameters::FromFront,
            now: Timestamp::from_millis(cluster.now),
        };
        answers.push(authorize(&cluster.state, &request).is_allow());
        answers.push(explain(&cluster.state, &request).decision.is_allow());
        answers.push(cluster.copy().run_as(who, command).is_ok());
    }
    assert!(
        answers.iter().all(|answer| *answer == answers[0]),
        "{answers:?}"
    );
    answers[0]
}

/// CK-52: operation, question and explanation compute it alike, and nobody else says it.
#[test]
fn guardrail_holds_for_operation_and_question_alike() {
    let mut cluster = old_key();
    for days in ["0", "365", "366", "x"] {
        assert!(may(&cluster, &lying(days)), "never used, told {days}");
    }
    assert!(may(&cluster, &caller(BOB)));
    report(&mut cluster, 366);
    assert!(may(&cluster, &lying("3")));
    report(&mut cluster, 365);
    for days in ["0", "366", "1000"] {
        assert!(!may(&cluster, &lying(days)), "used, told {days}");
    }
    report(&mut cluster, 0);
    assert!(!may(&cluster, &caller(BOB)));
    cluster.now += 365 * Timestamp::DAY_MS;
    assert!(!may(&cluster, &caller(BOB)));
    cluster.now += Timestamp::DAY_MS;
    assert!(may(&cluster, &caller(BOB)));
}

/// CK-53: a Consume that is allowed is a use, at its own place in the log; one that is refused is none, and neither is one
/// that uses no key material.
#[test]
fn consume_is_a_use_if_it_is_allowed() {
    let mut cluster = old_key();
    let consume = |operation| {
        Command::Consume(Consume {
            key: key(1),
            operation,
            encryption_context: Arc::default(),
            grant_id: None,
        })
    };
    let last = |cluster: &Cluster| cluster.state.key(&key_arn(1)).unwrap().last_use;
    let refused = cluster.run(CAROL, consume(GrantOperation::Decrypt));
    assert!(refused.is_err());
    let unusable = cluster.run(BOB, consume(GrantOperation::Sign));
    assert!(unusable.is_err());
    cluster.done(BOB, consume(GrantOperation::DescribeKey));
    assert_eq!(last(&cluster), None);
    assert!(may(&cluster, &caller(BOB)));
    for (operation, told) in [
        (GrantOperation::Decrypt, UsageOperation::Decrypt),
        (GrantOperation::ReEncryptTo, UsageOperation::ReEncrypt),
    ] {
        cluster.now += 1_000;
        cluster.done(BOB, consume(operation));
        let used = last(&cluster).unwrap();
        assert_eq!((used.operation, used.at), (told, cluster.state.clock()));
        assert!(!may(&cluster, &caller(BOB)));
    }
    cluster.put_policy(ADMIN, GUARDED);
    assert!(!may(&cluster, &caller(ADMIN)));
}
