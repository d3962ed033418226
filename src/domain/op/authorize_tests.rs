//! What `authorize` gathers from a state, tested on states that operations made: that is why it stands here and not
//! beside `gather`, which must not know the operations.

use std::sync::Arc;

use crate::domain::authz::authorize;
use crate::domain::authz::caller::Caller;
use crate::domain::authz::caller::ContextEntry;
use crate::domain::authz::caller::Identity;
use crate::domain::authz::decision::{Decision, Missing, Outcome};
use crate::domain::authz::request::Parameters;
use crate::domain::authz::request::{About, Request, Target};
use crate::domain::op::create_grant::CreateGrant;
use crate::domain::op::delete_principal::DeletePrincipal;
use crate::domain::op::tag_principal::TagPrincipal;
use crate::domain::op::testing::{
    ADMIN, ALLOW_ALL, APP, BOB, CAROL, Cluster, EXT, OWNER, arn, caller, create_grant, key_arn,
    scope, session, unique_id,
};
use crate::domain::op::{Command, Output};
use crate::domain::policy::{KmsAction, Policy, PolicyKind};
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

/// A federated user of ADMIN.
fn federated(session_policy: Option<&str>, tags: &[(&str, &str)]) -> Caller {
    let by = arn(ADMIN);
    let policy = session_policy.map(|text| Policy::parse(text, PolicyKind::Session).unwrap());
    Caller {
        identity: Identity::FederatedUser {
            arn: arn(&format!("arn:aws:sts::{OWNER}:federated-user/ann")),
            unique_id: unique_id(&by, 0),
            federated_by: by,
            session_policy: policy,
            session_tags: tags
                .iter()
                .map(|(k, v)| ((*k).into(), (*v).into()))
                .collect(),
        },
        facts: Default::default(),
    }
}

/// D-19: the session of a federated user to whom no policy was passed has none of its user's permissions.
#[test]
fn federated_user_without_a_session_policy_has_no_permissions_of_its_user() {
    let mut cluster = Cluster::new();
    let bare = federated(None, &[]);
    assert!(allows(&cluster, &caller(ADMIN), KmsAction::Decrypt));
    let decision = ask(&cluster, &bare, KmsAction::Decrypt, &[]);
    assert_eq!(
        decision.missing(),
        Some(Missing::SessionPolicy),
        "{decision}"
    );
    assert!(allows(
        &cluster,
        &federated(Some(ALLOW_ALL), &[]),
        KmsAction::Decrypt
    ));
    cluster.done(
        ADMIN,
        Command::CreateGrant(create_grant(
            1,
            &format!("arn:aws:sts::{OWNER}:federated-user/ann"),
        )),
    );
    assert!(
        allows(&cluster, &bare, KmsAction::Decrypt),
        "a grant of its own"
    );
    assert!(!allows(&cluster, &bare, KmsAction::Encrypt));
}

/// CK-0: its principal tags are its user's and its own, its own first, in whatever letter case.
#[test]
fn federated_user_has_the_tags_of_its_user_and_its_own() {
    let mut cluster = Cluster::new();
    cluster.done(
        ADMIN,
        Command::TagPrincipal(TagPrincipal {
            arn: arn(ADMIN),
            tags: [("team".into(), "blue".into()), ("unit".into(), "a".into())].into(),
        }),
    );
    let policy = |effect: &str, tag: &str, value: &str| {
        format!(
            r#"{{"Version":"2012-10-17","Statement":[
            {{"Effect":"Allow","Principal":{{"AWS":"{ADMIN}"}},"Action":"kms:PutKeyPolicy","Resource":"*"}},
            {{"Effect":"Allow","Principal":"*","Action":"kms:Encrypt","Resource":"*"}},
            {{"Effect":"{effect}","Principal":"*","Action":["kms:Decrypt","kms:Encrypt"],"Resource":"*","Condition":{{"StringEquals":{{"aws:PrincipalTag/{tag}":"{value}"}}}}}}]}}"#
        )
    };
    let own = || federated(Some(ALLOW_ALL), &[("Team", "red")]);
    for (tag, value, by_user, by_own) in [
        ("team", "blue", true, false),
        ("team", "red", false, true),
        ("unit", "a", true, true),
        ("other", "a", false, false),
    ] {
        cluster.put_key_policy(&policy("Allow", tag, value));
        let user = federated(None, &[]);
        assert_eq!(
            allows(&cluster, &user, KmsAction::Decrypt),
            by_user,
            "{tag}={value}"
        );
        assert_eq!(
            allows(&cluster, &own(), KmsAction::Decrypt),
            by_own,
            "{tag}={value}"
        );
        cluster.put_key_policy(&policy("Deny", tag, value));
        assert_eq!(
            allows(&cluster, &user, KmsAction::Encrypt),
            !by_user,
            "{tag}={value}"
        );
        assert_eq!(
            allows(&cluster, &own(), KmsAction::Encrypt),
            !by_own,
            "{tag}={value}"
        );
    }
}

/// P-24, ID-18: a principal that `NotPrincipal` lists, gone and made again, is not the listed one for a Deny; an Allow
/// excludes the name, whoever bears it.
#[test]
fn principal_made_again_is_spared_by_no_deny_and_excluded_from_an_allow() {
    let root = format!("arn:aws:iam::{OWNER}:root");
    let policy = |effect: &str, listed: &[&str]| {
        format!(
            r#"{{"Version":"2012-10-17","Statement":[
            {{"Effect":"Allow","Principal":{{"AWS":"{ADMIN}"}},"Action":"kms:PutKeyPolicy","Resource":"*"}},
            {{"Effect":"Allow","Principal":"*","Action":"kms:Encrypt","Resource":"*"}},
            {{"Effect":"{effect}","NotPrincipal":{{"AWS":["{}"]}},"Action":["kms:Decrypt","kms:Encrypt"],"Resource":"*"}}]}}"#,
            listed.join(r#"",""#)
        )
    };
    let again = |text: &str| {
        let mut who = if text == APP {
            session("one")
        } else {
            caller(text)
        };
        match &mut who.identity {
            Identity::User { unique_id: id, .. } | Identity::RoleSession { unique_id: id, .. } => {
                *id = unique_id(&arn(text), 1);
            }
            _ => unreachable!(),
        }
        who
    };
    for (text, listed) in [(BOB, vec![BOB, &*root]), (APP, vec![APP, &*root])] {
        let was = if text == APP {
            session("one")
        } else {
            caller(text)
        };
        let mut cluster = Cluster::new();
        cluster.put_key_policy(&policy("Deny", &listed));
        assert!(
            allows(&cluster, &was, KmsAction::Encrypt),
            "{text} is spared"
        );
        remake(&mut cluster, text);
        assert!(
            !allows(&cluster, &again(text), KmsAction::Encrypt),
            "{text} is another"
        );

        let mut cluster = Cluster::new();
        cluster.put_key_policy(&policy("Allow", &[text]));
        assert!(
            !allows(&cluster, &was, KmsAction::Decrypt),
            "{text} is excluded"
        );
        assert!(allows(&cluster, &caller(CAROL), KmsAction::Decrypt));
        remake(&mut cluster, text);
        assert!(
            !allows(&cluster, &again(text), KmsAction::Decrypt),
            "{text} stays excluded"
        );
    }
}

fn remake(cluster: &mut Cluster, text: &str) {
    let delete = DeletePrincipal { arn: arn(text) };
    cluster.done(
        &format!("arn:aws:iam::{OWNER}:root"),
        Command::DeletePrincipal(delete),
    );
    cluster.make_principal(text, 1);
}

/// D-20: the task policy of a root session measures it on a state as well, and the session says that it is one.
#[test]
fn root_session_does_what_its_task_policy_allows() {
    let mut cluster = Cluster::new();
    let of = |policy: Option<&str>| Caller {
        identity: Identity::Root {
            account: OWNER.parse().unwrap(),
            task_policy: policy.map(|text| Policy::parse(text, PolicyKind::Session).unwrap()),
        },
        facts: Default::default(),
    };
    let other = ALLOW_ALL.replace(r#""Action":"*""#, r#""Action":"s3:*""#);
    assert!(allows(&cluster, &of(None), KmsAction::Decrypt));
    assert!(allows(&cluster, &of(Some(ALLOW_ALL)), KmsAction::Decrypt));
    assert!(!allows(&cluster, &of(Some(&other)), KmsAction::Decrypt));
    cluster.put_key_policy(&format!(
        r#"{{"Version":"2012-10-17","Statement":[
        {{"Effect":"Allow","Principal":{{"AWS":"{OWNER}"}},"Action":"kms:*","Resource":"*"}},
        {{"Effect":"Deny","Principal":"*","Action":"kms:Decrypt","Resource":"*","Condition":{{"Bool":{{"aws:AssumedRoot":"true"}}}}}}]}}"#
    ));
    let mut said = of(None);
    let fact = ContextEntry::Single("true".into());
    said.facts.context.insert("aws:assumedroot".into(), fact);
    assert!(allows(&cluster, &of(None), KmsAction::Decrypt));
    assert!(
        allows(&cluster, &said, KmsAction::Decrypt),
        "no front says it"
    );
    assert!(!allows(&cluster, &of(Some(ALLOW_ALL)), KmsAction::Decrypt));
}
