//! What `authorize` gathers from a state, tested on states that operations made: that is why it stands here and not
//! beside `gather`, which must not know the operations.

use std::sync::Arc;

use crate::domain::authz::authorize;
use crate::domain::authz::caller::Caller;
use crate::domain::authz::caller::ContextEntry;
use crate::domain::authz::caller::Identity;
use crate::domain::authz::decision::Decision;
use crate::domain::authz::decision::Outcome;
use crate::domain::authz::request::Parameters;
use crate::domain::authz::request::{About, Request, Target};
use crate::domain::op::create_grant::CreateGrant;
use crate::domain::op::testing::{
    ADMIN, ALLOW_ALL, APP, BOB, CAROL, Cluster, EXT, OWNER, arn, caller, create_grant, key_arn,
    scope, session,
};
use crate::domain::op::{Command, Output};
use crate::domain::policy::KmsAction;
use crate::domain::state::grant::EncryptionContext;
use crate::domain::state::grant::{Grant, GrantOperation};

fn ask(cluster: &Cluster, who: &Caller, action: KmsAction, tokens: &[Arc<Grant>]) -> Decision {
    let key = cluster.state.key(&key_arn(1)).unwrap();
    authorize(
        &cluster.state,
        &Request {
            caller: who,
            scope: &scope(),
            action: action.into(),
            target: Target::Key { key, alias: None },
            encryption_context: &EncryptionContext::new(),
            about: About::Nothing,
            token_grants: tokens,
            parameters: Parameters::FromFront,
            now: cluster.state.clock(),
        },
    )
}

fn allows(cluster: &Cluster, who: &Caller, action: KmsAction) -> bool {
    ask(cluster, who, action, &[]).is_allow()
}

/// CK-0: what the server computes itself, nobody can say otherwise; what it cannot know, a front adds.
#[test]
fn facts_of_a_front_add_to_the_context_and_replace_nothing() {
    for (key, truth, forged) in [
        ("aws:PrincipalArn", BOB, ADMIN),
        ("aws:PrincipalAccount", OWNER, "444455556666"),
        ("aws:PrincipalType", "User", "AssumedRole"),
        ("aws:username", "bob", "admin"),
        ("aws:RequestedRegion", "eu-west-1", "us-east-1"),
        ("aws:ResourceAccount", OWNER, "444455556666"),
        ("aws:ViaAWSService", "false", "true"),
        ("kms:CallerAccount", OWNER, "444455556666"),
        ("kms:KeySpec", "SYMMETRIC_DEFAULT", "RSA_2048"),
        ("kms:KeyOrigin", "AWS_KMS", "EXTERNAL"),
        ("kms:MultiRegion", "false", "true"),
    ] {
        for (wanted, allowed) in [(truth, true), (forged, false)] {
            let mut cluster = Cluster::new();
            cluster.put_policy(BOB, &format!(r#"{{"Version":"2012-10-17","Statement":{{"Effect":"Allow","Action":"*","Resource":"*","Condition":{{"StringEquals":{{"{key}":"{wanted}"}}}}}}}}"#));
            let mut bob = caller(BOB);
            bob.facts.context.insert(
                key.to_lowercase().into(),
                ContextEntry::Single(forged.into()),
            );
            assert_eq!(
                allows(&cluster, &bob, KmsAction::Decrypt),
                allowed,
                "{key} {wanted}"
            );
        }
    }
    for absent in [
        "aws:PrincipalTag/x",
        "aws:ResourceTag/x",
        "kms:RequestAlias",
        "kms:ViaService",
        "kms:EncryptionContext:x",
        "kms:EncryptionContextKeys",
    ] {
        let mut cluster = Cluster::new();
        cluster.put_policy(BOB, &format!(r#"{{"Version":"2012-10-17","Statement":{{"Effect":"Allow","Action":"*","Resource":"*","Condition":{{"Null":{{"{absent}":"false"}}}}}}}}"#));
        let mut bob = caller(BOB);
        bob.facts.context.insert(
            absent.to_lowercase().into(),
            ContextEntry::Single("x".into()),
        );
        assert!(!allows(&cluster, &bob, KmsAction::Decrypt), "{absent}");
    }
    let mut cluster = Cluster::new();
    cluster.put_policy(BOB, r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"IpAddress":{"aws:SourceIp":"10.0.0.0/8"}}}}"#);
    let mut bob = caller(BOB);
    assert!(!allows(&cluster, &bob, KmsAction::Decrypt));
    bob.facts.context.insert(
        "aws:sourceip".into(),
        ContextEntry::Single("10.1.2.3".into()),
    );
    assert!(allows(&cluster, &bob, KmsAction::Decrypt));
}

/// D-16, U-24: a service that calls on somebody's behalf is said by the front alone.
#[test]
fn service_on_behalf_sets_its_keys() {
    let mut cluster = Cluster::new();
    cluster.put_policy(BOB, r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"kms:CreateGrant","Resource":"*","Condition":{"Bool":{"kms:GrantIsForAWSResource":"true"},"StringEquals":{"kms:ViaService":"ec2.eu-west-1.amazonaws.com"}}}}"#);
    let mut bob = caller(BOB);
    assert!(!allows(&cluster, &bob, KmsAction::CreateGrant));
    bob.facts.via_service = Some("ec2.eu-west-1.amazonaws.com".into());
    assert!(allows(&cluster, &bob, KmsAction::CreateGrant));
}

/// Q-6, ID-13: a grant of a token counts for its grantee, on its key, and for nobody else.
#[test]
fn grant_of_a_token_joins_the_decision_of_its_grantee() {
    let cluster = Cluster::new();
    let mut ahead = cluster.copy();
    let Output::Grant(created) = ahead.done(ADMIN, Command::CreateGrant(create_grant(1, BOB)))
    else {
        panic!("no grant")
    };
    let grant = Arc::new(created.grant.unwrap());
    let tokens = [Arc::clone(&grant)];
    assert!(!allows(&cluster, &caller(BOB), KmsAction::Decrypt));
    let decision = ask(&cluster, &caller(BOB), KmsAction::Decrypt, &tokens);
    assert_eq!(
        decision.decided_by().and_then(|by| by.grant),
        Some(grant.id)
    );
    assert!(!ask(&cluster, &caller(BOB), KmsAction::Encrypt, &tokens).is_allow());
    assert!(!ask(&cluster, &caller(CAROL), KmsAction::Decrypt, &tokens).is_allow());
    let elsewhere = Arc::new(Grant {
        key: key_arn(2),
        ..(*grant).clone()
    });
    assert!(!ask(&cluster, &caller(BOB), KmsAction::Decrypt, &[elsewhere]).is_allow());
}

/// G-4, U-3: whom a grant to a role, a session and an account is for.
#[test]
fn grant_is_found_by_each_name_of_its_grantee() {
    let one = format!("arn:aws:sts::{OWNER}:assumed-role/app/one");
    let account = format!("arn:aws:iam::{OWNER}:root");
    for (grantee, callers) in [
        (APP, [true, true, false]),
        (&*one, [true, false, false]),
        (&*account, [false, false, false]),
        (BOB, [false, false, true]),
    ] {
        let mut cluster = Cluster::new();
        cluster.put_key_policy(&format!(r#"{{"Version":"2012-10-17","Statement":{{"Effect":"Allow","Principal":{{"AWS":"{ADMIN}"}},"Action":"kms:*","Resource":"*"}}}}"#));
        cluster.done(ADMIN, Command::CreateGrant(create_grant(1, grantee)));
        let found = [session("one"), session("two"), caller(BOB)]
            .map(|who| allows(&cluster, &who, KmsAction::Decrypt));
        assert_eq!(found, callers, "{grantee}");
        assert_eq!(
            allows(&cluster, &caller(&account), KmsAction::Decrypt),
            grantee == account
        );
        // U-3: an account delegates: with an identity policy its principals may, too.
        cluster.put_policy(BOB, ALLOW_ALL);
        let bob = allows(&cluster, &caller(BOB), KmsAction::Decrypt);
        assert_eq!(bob, grantee == account || grantee == BOB);
    }
}

/// G-27, G-28, G-55: no constraint stands in the way of RetireGrant, asked without naming a grant; DescribeKey is
/// limited by the source, not by the context.
#[test]
fn constraints_limit_what_they_are_for() {
    let pairs = || Arc::new(EncryptionContext::from([("a".into(), "b".into())]));
    let source = || Some("arn:aws:s3::111122223333:b".into());
    let equals = CreateGrant {
        context_equals: pairs(),
        ..create_grant(1, BOB)
    };
    let subset = CreateGrant {
        context_subset: pairs(),
        ..create_grant(1, BOB)
    };
    let from = CreateGrant {
        source_arn: source(),
        ..create_grant(1, BOB)
    };
    let both = CreateGrant {
        context_subset: pairs(),
        ..from.clone()
    };
    for (made, describes) in [(equals, true), (subset, true), (from, false), (both, false)] {
        let mut cluster = Cluster::new();
        let operations = vec![
            GrantOperation::Decrypt,
            GrantOperation::DescribeKey,
            GrantOperation::RetireGrant,
        ];
        let shown = format!("{made:?}");
        let made = CreateGrant { operations, ..made };
        cluster.done(ADMIN, Command::CreateGrant(made));
        let bob = caller(BOB);
        let may = |action| allows(&cluster, &bob, action);
        assert!(may(KmsAction::RetireGrant), "{shown}");
        assert_eq!(may(KmsAction::DescribeKey), describes, "{shown}");
        assert!(!may(KmsAction::Decrypt), "{shown}");
    }
}

/// D-16: the operator and the cluster itself are in no account; another account needs the key policy (D-8).
#[test]
fn nobody_without_a_place_is_allowed() {
    let cluster = Cluster::new();
    for who in ["operator", "system", "s3.amazonaws.com", EXT] {
        let decision = ask(&cluster, &caller(who), KmsAction::Decrypt, &[]);
        assert_eq!(decision.outcome(), Outcome::ImplicitDeny, "{who}");
        assert!(decision.message().contains("kms:Decrypt"), "{who}");
    }
    assert!(cluster.state.principal(&arn(EXT)).is_some());
}

/// CK-0: session tags stand over the role's, which the session inherits.
#[test]
fn session_tags_stand_over_the_tags_of_the_role() {
    let mut cluster = Cluster::new();
    let (role, tags) = (
        arn(APP),
        [("team".into(), "a".into()), ("kept".into(), "k".into())].into(),
    );
    cluster.done(
        ADMIN,
        Command::TagPrincipal(crate::domain::op::tag_principal::TagPrincipal { arn: role, tags }),
    );
    let mut who = session("one");
    if let Identity::RoleSession { session_tags, .. } = &mut who.identity {
        session_tags.insert("Team".into(), "b".into());
    }
    for (value, allowed) in [("a", false), ("b", true)] {
        cluster.put_policy(APP, &format!(r#"{{"Version":"2012-10-17","Statement":{{"Effect":"Allow","Action":"*","Resource":"*","Condition":{{"StringEquals":{{"aws:PrincipalTag/team":"{value}","aws:PrincipalTag/kept":"k"}}}}}}}}"#));
        assert_eq!(
            allows(&cluster, &who, KmsAction::Decrypt),
            allowed,
            "{value}"
        );
    }
}
