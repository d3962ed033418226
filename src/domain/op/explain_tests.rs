//! What `explain` says of states that operations made: it stands here and not beside `explain`, which must not know the
//! operations.

use std::sync::Arc;

use proptest::prelude::*;

use crate::domain::authz::authorize;
use crate::domain::authz::caller::{Caller, ContextEntry, Identity};
use crate::domain::authz::decision::{Outcome, Source};
use crate::domain::authz::explain::{Explanation, Line, explain};
use crate::domain::authz::request::{About, Parameters, Request, Target};
use crate::domain::limits::{
    EXPLAINED_GRANTS_MAX, EXPLAINED_NEAREST_MAX, EXPLAINED_STATEMENTS_MAX,
};
use crate::domain::op::Command;
use crate::domain::op::testing::{
    ADMIN, APP, BOB, Cluster, EXT, OWNER, caller, create_grant, key_arn, scope, session,
};
use crate::domain::op::update_settings::UpdateSettings;
use crate::domain::policy::{KmsAction, Policy, PolicyKind};
use crate::domain::state::grant::{ConstraintKeyCase, EncryptionContext, GrantOperation};

/// The explanation, once it is certain that it agrees with the decision.
fn why(cluster: &Cluster, who: &Caller, action: KmsAction, pairs: &[(&str, &str)]) -> Explanation {
    let key = cluster.state.key(&key_arn(1)).unwrap();
    let pairs = context(pairs);
    let request = Request {
        caller: who,
        scope: &scope(),
        action: action.into(),
        target: Target::Key { key, alias: None },
        encryption_context: &pairs,
        about: About::Nothing,
        token_grants: &[],
        parameters: Parameters::FromFront,
        now: cluster.state.clock(),
    };
    let explanation = explain(&cluster.state, &request);
    assert_eq!(explanation.decision, authorize(&cluster.state, &request));
    agrees_with_its_lines(&explanation);
    explanation
}

fn context(pairs: &[(&str, &str)]) -> EncryptionContext {
    pairs
        .iter()
        .map(|(k, v)| ((*k).into(), (*v).into()))
        .collect()
}

fn lines(explanation: &Explanation) -> impl Iterator<Item = &Line> {
    explanation
        .sections
        .iter()
        .flat_map(|section| &section.lines)
}

/// What is told of statements and grants must bear the decision out.
fn agrees_with_its_lines(explanation: &Explanation) {
    let denies = lines(explanation).any(|line| line.is_deny && line.applies);
    let outcome = explanation.decision.outcome();
    assert_eq!(denies, outcome == Outcome::ExplicitDeny, "{explanation}");
    for line in lines(explanation) {
        let failed = line.findings.iter().any(|finding| !finding.holds);
        if line.grant.is_none() {
            assert_eq!(line.applies, !failed, "{explanation}");
        }
        assert!(!line.rule.is_empty());
    }
    if outcome == Outcome::Allow {
        let by = explanation.decision.decided_by().unwrap();
        let source = match by.source {
            Source::KeyAndIdentityPolicy => Source::IdentityPolicy,
            other => other,
        };
        let is_told = source == Source::Account
            || lines(explanation).any(|line| line.applies && line.source == source);
        assert!(is_told, "{explanation}");
    }
}

fn nearest(explanation: &Explanation) -> Vec<String> {
    explanation
        .nearest
        .iter()
        .map(ToString::to_string)
        .collect()
}

const DECRYPT_FROM: &str = r#"{"Version":"2012-10-17","Statement":[
    {"Sid":"Admin","Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111122223333:user/admin"},"Action":"kms:*","Resource":"*"},
    {"Sid":"ViaS3","Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111122223333:user/bob"},"Action":"kms:Decrypt","Resource":"*",
     "Condition":{"StringEquals":{"kms:ViaService":"s3.eu-west-1.amazonaws.com"}}}]}"#;

/// C-5: the condition that failed, with what it wants and what the request has; and the nearest miss is that it held.
#[test]
fn failed_condition_is_shown_with_both_values() {
    let mut cluster = Cluster::new();
    cluster.put_key_policy(DECRYPT_FROM);
    let explanation = why(&cluster, &caller(BOB), KmsAction::Decrypt, &[]);
    assert_eq!(explanation.decision.outcome(), Outcome::ImplicitDeny);
    let line = lines(&explanation)
        .find(|line| line.sid.as_deref() == Some("ViaS3"))
        .unwrap();
    assert_eq!((line.rule.as_str(), line.applies), ("C-5", false));
    let finding = &line.findings[0];
    assert_eq!(finding.element, "condition StringEquals kms:ViaService");
    assert_eq!(finding.wanted, "`s3.eu-west-1.amazonaws.com`");
    assert_eq!(finding.found, "the request has no such key");
    let nearest = nearest(&explanation);
    assert_eq!(
        nearest[0],
        "statement `ViaS3` of the key policy allowed: its condition StringEquals kms:ViaService `s3.eu-west-1.amazonaws.com` held [C-14]",
        "{nearest:#?}"
    );
    let text = explanation.to_string();
    assert!(text.starts_with("IMPLICIT DENY: "), "{text}");
    assert!(
        text.contains("- [C-5] allow statement 2 `ViaS3` of key_policy does not apply"),
        "{text}"
    );

    let mut bob = caller(BOB);
    bob.facts.via_service = Some("ec2.eu-west-1.amazonaws.com".into());
    let explanation = why(&cluster, &bob, KmsAction::Decrypt, &[]);
    let line = lines(&explanation)
        .find(|line| line.sid.as_deref() == Some("ViaS3"))
        .unwrap();
    assert_eq!(line.rule, "C-3");
    assert_eq!(line.findings[0].found, "`ec2.eu-west-1.amazonaws.com`");
}

/// D-5, D-6, X-12: an administrator whom the key policy does not let decide is told the missing account statement.
#[test]
fn missing_account_statement_is_the_nearest_miss() {
    let mut cluster = Cluster::new();
    cluster.put_policy(BOB, crate::domain::op::testing::ALLOW_ALL);
    cluster.put_key_policy(DECRYPT_FROM);
    let explanation = why(&cluster, &caller(BOB), KmsAction::Encrypt, &[]);
    let nearest = nearest(&explanation);
    assert!(
        nearest.iter().any(
            |text| text.contains("the key policy had an account statement")
                && text.contains("[D-5]")
        ),
        "{nearest:#?}"
    );
    assert!(
        explanation
            .to_string()
            .contains("identity policies that allow have no effect")
    );
}

/// D-2: a denial is told with its conditions, and that it would have to go.
#[test]
fn explicit_deny_names_the_statements_that_must_go() {
    let mut cluster = Cluster::new();
    cluster.put_policy(BOB, crate::domain::op::testing::ALLOW_ALL);
    cluster.put_key_policy(&format!(
        r#"{{"Version":"2012-10-17","Statement":[
        {{"Sid":"Own","Effect":"Allow","Principal":{{"AWS":"{OWNER}"}},"Action":"kms:*","Resource":"*"}},
        {{"Sid":"OnlyIt","Effect":"Deny","Principal":"*","Action":"kms:Decrypt","Resource":"*",
          "Condition":{{"StringNotEquals":{{"kms:EncryptionContext:Department":"IT"}}}}}}]}}"#
    ));
    let explanation = why(&cluster, &caller(BOB), KmsAction::Decrypt, &[]);
    assert_eq!(explanation.decision.outcome(), Outcome::ExplicitDeny);
    let found = nearest(&explanation);
    assert_eq!(found.len(), 1, "{found:#?}");
    assert!(found[0].starts_with("statement `OnlyIt` of the key policy did not deny: one of its conditions failed (StringNotEquals"), "{found:#?}");
    // With the pair it is allowed; what would have it denied is the other way round.
    let explanation = why(
        &cluster,
        &caller(BOB),
        KmsAction::Decrypt,
        &[("Department", "IT")],
    );
    let found = nearest(&explanation);
    assert!(found.iter().any(|text| text.starts_with("statement `All` of identity policy `test` did not allow")), "{found:#?}");
    assert!(
        found
            .iter()
            .any(|text| text.starts_with("statement `Own` of the key policy did not allow")),
        "{found:#?}"
    );
    assert!(
        found
            .iter()
            .any(|text| text.starts_with("statement `OnlyIt` of the key policy denied")),
        "{found:#?}"
    );
}

/// G-2, G-25: of a grant what it lacks, and that it were enough.
#[test]
fn grant_that_lacks_an_operation_or_a_pair_is_near() {
    let mut cluster = Cluster::new();
    let mut grant = create_grant(1, BOB);
    let pairs: EncryptionContext = [("Department".into(), "IT".into())].into();
    grant.context_subset = pairs.into();
    cluster.done(ADMIN, Command::CreateGrant(grant));
    let id = "01".repeat(32);
    let with = [("Department", "IT"), ("x", "1")];
    let explanation = why(&cluster, &caller(BOB), KmsAction::Decrypt, &with);
    assert!(explanation.decision.is_allow());
    assert_eq!(
        nearest(&explanation)[0],
        format!("the grant {id} were revoked or retired [G-56]")
    );
    let explanation = why(
        &cluster,
        &caller(BOB),
        KmsAction::Decrypt,
        &[("Department", "HR")],
    );
    let line = lines(&explanation)
        .find(|line| line.grant.is_some())
        .unwrap();
    assert_eq!(line.rule, "G-25");
    assert_eq!(line.findings[0].wanted, "`Department`=`IT`");
    assert_eq!(line.findings[0].found, "`Department`=`HR`");
    assert!(
        nearest(&explanation)[0].contains(&format!(
            "the grant {id} had constraints that the request satisfies"
        )),
        "{explanation}"
    );
    let explanation = why(&cluster, &caller(BOB), KmsAction::Encrypt, &with);
    let line = lines(&explanation)
        .find(|line| line.grant.is_some())
        .unwrap();
    assert_eq!((line.rule.as_str(), line.applies), ("G-2", false));
    let found = nearest(&explanation);
    assert!(
        found
            .iter()
            .any(|text| text.contains("held the operation Encrypt")),
        "{found:#?}"
    );
}

/// D-8: an action that cannot be allowed across accounts has no nearest miss.
#[test]
fn what_no_change_can_allow_is_said_so() {
    let cluster = Cluster::new();
    let explanation = why(&cluster, &caller(EXT), KmsAction::PutKeyPolicy, &[]);
    assert_eq!(explanation.nearest, []);
    let text = explanation.to_string();
    assert!(
        text.contains(
            "[D-8] the accounts of caller and key: the action cannot be allowed across accounts"
        ),
        "{text}"
    );
    assert!(
        text.contains("no change of a policy or a grant alone"),
        "{text}"
    );
    let explanation = why(&cluster, &caller(EXT), KmsAction::Decrypt, &[]);
    assert!(!explanation.nearest.is_empty(), "{explanation}");
}

/// What may not be read is left out, of the decision too.
#[test]
fn withheld_sources_are_left_out() {
    let mut cluster = Cluster::new();
    cluster.put_policy(BOB, crate::domain::op::testing::ALLOW_ALL);
    let mut explanation = why(&cluster, &caller(BOB), KmsAction::Decrypt, &[]);
    assert!(explanation.to_string().contains("`All`"), "{explanation}");
    explanation.withhold(|source| source == Source::IdentityPolicy);
    let text = explanation.to_string();
    assert!(
        !text.contains("`All`") && !text.contains("`test`"),
        "{text}"
    );
    assert!(text.contains("you may not read"), "{text}");
}

/// The bounds of an explanation: what is left out is counted, and what applies is not what is left out.
#[test]
fn explanation_is_bounded_and_says_so() {
    let mut cluster = Cluster::new();
    let more = 3;
    for n in 0..EXPLAINED_GRANTS_MAX + more {
        let mut grant = create_grant(0, BOB);
        let mut id = [0; 32];
        id[..8].copy_from_slice(&n.to_be_bytes());
        grant.grant_id = crate::domain::ids::GrantId(id);
        grant.operations = vec![GrantOperation::DescribeKey];
        cluster.done(ADMIN, Command::CreateGrant(grant));
    }
    let statement = r#"{"Effect":"Deny","Principal":"*","Action":"kms:Sign","Resource":"*"}"#;
    let own = format!(
        r#"{{"Effect":"Allow","Principal":{{"AWS":"{OWNER}"}},"Action":"kms:*","Resource":"*"}}"#
    );
    let mut statements = vec![statement; EXPLAINED_STATEMENTS_MAX + more];
    statements.push(&own);
    let last =
        r#"{"Sid":"Last","Effect":"Deny","Principal":"*","Action":"kms:Encrypt","Resource":"*"}"#;
    statements.push(last);
    cluster.put_key_policy(&format!(
        r#"{{"Version":"2012-10-17","Statement":[{}]}}"#,
        statements.join(",")
    ));
    let explanation = why(&cluster, &caller(BOB), KmsAction::Decrypt, &[]);
    let told = |title: &str| {
        let section = explanation
            .sections
            .iter()
            .find(|s| s.title.contains(title));
        let section = section.unwrap();
        (section.lines.len(), section.untold)
    };
    assert_eq!(told("grants"), (EXPLAINED_GRANTS_MAX, 3));
    // The statement that denies Encrypt is one more.
    assert_eq!(told("denies"), (EXPLAINED_STATEMENTS_MAX, 4));
    assert!(explanation.nearest.len() <= EXPLAINED_NEAREST_MAX);
    assert!(!explanation.nearest.is_empty());
    assert!(explanation.to_string().contains("… and 3 more"));
    // Although it is the last of all, the one that decides is told.
    let explanation = why(&cluster, &caller(BOB), KmsAction::Encrypt, &[]);
    assert!(lines(&explanation).any(|line| line.applies && line.sid.as_deref() == Some("Last")));
}

/// One statement of a random policy, as JSON without its principals.
fn a_statement(is_key: bool) -> impl Strategy<Value = String> {
    let principals = prop::sample::select(vec![
        "{\"AWS\":\"111122223333\"}",
        "{\"AWS\":\"arn:aws:iam::111122223333:user/bob\"}",
        "{\"AWS\":\"arn:aws:iam::111122223333:role/app\"}",
        "{\"AWS\":\"arn:aws:iam::444455556666:user/ext\"}",
        "{\"AWS\":\"444455556666\"}",
        "\"*\"",
    ]);
    let actions = prop::sample::select(vec![
        "\"kms:*\"",
        "\"kms:Decrypt\"",
        "[\"kms:Encrypt\",\"kms:CreateGrant\"]",
        "\"kms:DescribeKey\"",
    ]);
    let conditions = prop::sample::select(vec![
        "",
        "",
        ",\"Condition\":{\"StringEquals\":{\"kms:ViaService\":\"s3.eu-west-1.amazonaws.com\"}}",
        ",\"Condition\":{\"StringNotEquals\":{\"kms:EncryptionContext:a\":\"1\"}}",
        ",\"Condition\":{\"Null\":{\"kms:ViaService\":\"true\"}}",
        ",\"Condition\":{\"StringLike\":{\"custom:x\":[\"a*\",\"b\"]},\"Bool\":{\"aws:ViaAWSService\":\"false\"}}",
    ]);
    let effect = prop::sample::select(vec!["Allow", "Allow", "Allow", "Deny"]);
    (effect, principals, actions, conditions).prop_map(
        move |(effect, principals, actions, conditions)| {
            let principal = if is_key {
                format!("\"Principal\":{principals},")
            } else {
                String::new()
            };
            format!("{{\"Effect\":\"{effect}\",{principal}\"Action\":{actions},\"Resource\":\"*\"{conditions}}}")
        },
    )
}

fn a_policy(is_key: bool) -> impl Strategy<Value = String> {
    prop::collection::vec(a_statement(is_key), 1..5).prop_map(|statements| {
        format!(
            "{{\"Version\":\"2012-10-17\",\"Statement\":[{}]}}",
            statements.join(",")
        )
    })
}

/// A constraint on the context, or none: its kind and its pairs.
fn a_constraint() -> impl Strategy<Value = (&'static str, Vec<(&'static str, &'static str)>)> {
    prop::sample::select(vec![
        ("", vec![]),
        ("Equals", vec![("a", "1")]),
        ("Equals", vec![("A", "1"), ("a", "1")]),
        ("Subset", vec![("A", "1")]),
        ("Subset", vec![("a", "1"), ("B", "2")]),
    ])
}

/// G-26, U-12: an explanation says that letter case does not count, where it does not.
#[test]
fn explanation_of_a_constraint_tells_how_its_keys_compare() {
    let mut cluster = Cluster::new();
    let mut grant = create_grant(1, BOB);
    grant.context_subset = Arc::new(context(&[("Tenant", "Blue")]));
    cluster.done(ADMIN, Command::CreateGrant(grant));
    let told = |cluster: &Cluster, pairs: &[(&str, &str)]| {
        let explanation = why(cluster, &caller(BOB), KmsAction::Decrypt, pairs);
        let finding = lines(&explanation)
            .filter(|line| line.grant.is_some())
            .flat_map(|line| &line.findings)
            .find(|finding| finding.rule == "G-25");
        let finding = finding.unwrap();
        (finding.holds, finding.wanted.clone())
    };
    let sensitive = told(&cluster, &[("tenant", "Blue")]);
    assert_eq!(sensitive, (false, "`Tenant`=`Blue`".to_owned()));
    let change = UpdateSettings {
        constraint_key_case: Some(ConstraintKeyCase::Insensitive),
        ..UpdateSettings::default()
    };
    cluster.done("operator", Command::UpdateSettings(change));
    let wanted = "`Tenant`=`Blue`, keys in any letter case, of which each must fit".to_owned();
    assert_eq!(
        told(&cluster, &[("tenant", "Blue")]),
        (true, wanted.clone())
    );
    let twice = [("tenant", "Blue"), ("TENANT", "Blue")];
    assert_eq!(told(&cluster, &twice), (true, wanted.clone()));
    let torn = [("tenant", "Blue"), ("TENANT", "Red")];
    assert_eq!(told(&cluster, &torn), (false, wanted));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(
        std::env::var("PROPTEST_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(96)
    ))]

    /// Explain and authorize always agree, whether or not the keys of constraints are case sensitive (U-12), and every nearest miss is one (each was tried when it was found; here the
    /// changes that can be made through the front are made again).
    #[test]
    fn explanation_always_agrees_with_the_decision(
        key_policy in a_policy(true),
        own_policy in a_policy(false),
        grants in prop::collection::vec(
            (prop::sample::select(vec![BOB, APP, EXT]), any::<bool>(), a_constraint()),
            0..3,
        ),
        key_case in prop::sample::select(ConstraintKeyCase::ALL),
        who in 0..4_usize,
        action in prop::sample::select(vec![
            KmsAction::Decrypt, KmsAction::Encrypt, KmsAction::DescribeKey, KmsAction::CreateGrant,
            KmsAction::PutKeyPolicy, KmsAction::RetireGrant,
        ]),
        via in any::<bool>(),
        custom in any::<bool>(),
        pairs in prop::sample::select(vec![
            vec![], vec![("a", "1")], vec![("A", "1")], vec![("a", "1"), ("A", "1")], vec![("A", "1"), ("b", "2")],
        ]),
    ) {
        let mut cluster = Cluster::new();
        cluster.done("operator", Command::UpdateSettings(UpdateSettings {
            constraint_key_case: Some(key_case),
            ..UpdateSettings::default()
        }));
        for (n, (grantee, is_wide, (kind, constraint))) in grants.iter().enumerate() {
            let mut grant = create_grant(u8::try_from(n).unwrap() + 1, grantee);
            match *kind {
                "" => {}
                "Equals" => grant.context_equals = Arc::new(context(constraint)),
                _ => grant.context_subset = Arc::new(context(constraint)),
            }
            if *is_wide {
                grant.operations.extend([GrantOperation::DescribeKey, GrantOperation::RetireGrant]);
            }
            cluster.done(ADMIN, Command::CreateGrant(grant));
        }
        let callers = [caller(BOB), session("s"), caller(EXT), caller("arn:aws:iam::111122223333:root")];
        for principal in [BOB, APP, EXT] {
            cluster.put_policy(principal, &own_policy);
        }
        cluster.put_key_policy(&key_policy);
        let mut caller = callers[who].clone();
        if via {
            caller.facts.via_service = Some("s3.eu-west-1.amazonaws.com".into());
        }
        if custom {
            caller.facts.context.insert("custom:x".into(), ContextEntry::Single("abc".into()));
        }
        let explanation = why(&cluster, &caller, action, &pairs);
        // In its own account a caller can always be allowed, and of what allows it something can always go, unless it is
        // the account itself.
        let by = explanation.decision.decided_by().map(|by| by.source);
        if caller.identity.account() == Some(OWNER.parse().unwrap()) && by != Some(Source::Account) {
            prop_assert!(!explanation.nearest.is_empty(), "{explanation}");
        }
    }
}

/// EC-58: what decides is among what is told, however many other grants the caller holds on the key: of those the ones that do not
/// apply are left out first.
#[test]
fn grant_that_decides_is_told_behind_hundreds_of_others() {
    let mut cluster = Cluster::new();
    for n in 0..600_u16 {
        let mut grant = create_grant(1, BOB);
        grant.grant_id.0[..2].copy_from_slice(&n.to_be_bytes());
        grant.operations = vec![GrantOperation::Encrypt];
        cluster.done(ADMIN, Command::CreateGrant(grant));
    }
    cluster.done(ADMIN, Command::CreateGrant(create_grant(0xff, BOB)));
    let explained = why(&cluster, &caller(BOB), KmsAction::Decrypt, &[]);
    assert!(explained.decision.is_allow());
    let told = lines(&explained).filter(|line| line.grant.is_some());
    let applying: Vec<_> = told.filter(|line| line.applies).collect();
    assert_eq!(applying.len(), 1);
    assert!(applying[0].grant.as_ref().unwrap().starts_with("ffff"));
    let grants = explained
        .sections
        .iter()
        .find(|section| section.title.starts_with("grants on the key"));
    assert_eq!(
        grants.map(|section| section.untold as usize),
        Some(601 - EXPLAINED_GRANTS_MAX)
    );
}

/// D-18 to D-20: an explanation says that a role is linked to a service, that a federated user was passed no policy, and
/// that a root session is measured by its task policy; and the nearest miss mends it.
#[test]
fn explanation_tells_what_measures_a_session() {
    let linked = "arn:aws:iam::111122223333:role/aws-service-role/autoscaling.amazonaws.com/L";
    let mut cluster = Cluster::new();
    cluster.organize(OWNER);
    cluster.make_principal(linked, 0);
    cluster.put_policy(linked, crate::domain::op::testing::ALLOW_ALL);
    let role = crate::domain::op::testing::arn(linked);
    let who = |identity| Caller {
        identity,
        facts: Default::default(),
    };
    let arn = crate::domain::op::testing::arn;
    let unique_id = crate::domain::op::testing::unique_id;
    let told = |identity| why(&cluster, &who(identity), KmsAction::Decrypt, &[]).to_string();
    let text = told(Identity::RoleSession {
        arn: arn("arn:aws:sts::111122223333:assumed-role/L/s"),
        unique_id: unique_id(&role, 0),
        role,
        session_policy: None,
        session_tags: Default::default(),
    });
    let part =
        "they do not restrict the role: it is linked to the service autoscaling.amazonaws.com";
    assert!(text.contains(part), "{text}");
    let text = told(Identity::FederatedUser {
        arn: arn("arn:aws:sts::111122223333:federated-user/ann"),
        unique_id: unique_id(&arn(ADMIN), 0),
        federated_by: arn(ADMIN),
        session_policy: None,
        session_tags: Default::default(),
    });
    for part in [
        "[D-19] the policy of the session: none was passed",
        "if a session policy that allows kms:Decrypt were passed [D-19]",
    ] {
        assert!(text.contains(part), "{text}");
    }
    let task = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:*","Resource":"*"}]}"#;
    let text = told(Identity::Root {
        account: OWNER.parse().unwrap(),
        task_policy: Some(Policy::parse(task, PolicyKind::Session).unwrap()),
    });
    for part in [
        "[D-20] the policy of the session: it does not allow the action, and is all that this session of the root user may do",
        "if the session policy allowed kms:Decrypt [D-20]",
    ] {
        assert!(text.contains(part), "{text}");
    }
}
