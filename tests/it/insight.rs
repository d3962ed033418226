//! Why, what if, who and what, asked of a running node over gRPC; who may ask is part of it.

use grantd::client::api::proposed_change::Change;
use grantd::client::api::{
    DisableKeyRequest, ExplainRequest, Outcome, ProposedChange, Question, RevokeGrantRequest,
    WhatCanRequest, WhatIfRequest, WhoCanRequest,
};

use crate::support::api::{
    Api, make_account, make_grant, make_key, make_principal, question, user,
};
use crate::support::cluster::{Cluster, folder};

const ACCOUNT: &str = "111122223333";
const ALICE: &str = "arn:aws:iam::111122223333:user/Alice";
const BOB: &str = "arn:aws:iam::111122223333:user/Bob";

struct World {
    _cluster: Cluster,
    api: Api,
    key: String,
    grant: String,
}

/// One node, a key, a grant of Decrypt to Bob.
async fn world() -> World {
    let cluster = Cluster::start_with(1, folder, |_| {}).await;
    let api = cluster.api(cluster.leader().await);
    make_account(&api, ACCOUNT).await;
    for arn in [ALICE, BOB] {
        make_principal(&api, arn, &[]).await;
    }
    let key = make_key(&api, ACCOUNT, None).await.arn;
    let (made, _) = make_grant(&api, ACCOUNT, &key, BOB).await;
    World {
        _cluster: cluster,
        api,
        key,
        grant: made.grant_id,
    }
}

fn about(arn: &str, action: &str, key: &str) -> Question {
    Question {
        subject: Some(user(arn)),
        ..question(action, key)
    }
}

fn why(arn: &str, action: &str, key: &str) -> ExplainRequest {
    ExplainRequest {
        header: None,
        question: Some(about(arn, action, key)),
    }
}

/// The explanation agrees with Authorize, shows the grant and the nearest miss, and is for those who may read it.
#[tokio::test(flavor = "multi_thread")]
async fn explanation_is_told_to_those_who_may_read_it() {
    let World {
        _cluster,
        api,
        key,
        grant,
    } = world().await;
    for (who, action) in [
        (BOB, "kms:Decrypt"),
        (BOB, "kms:Encrypt"),
        (ALICE, "kms:Decrypt"),
    ] {
        let told = api.call(why(who, action, &key)).await.unwrap();
        let decided = api
            .by(user(who))
            .authorize(question(action, &key))
            .await
            .unwrap();
        assert_eq!(told.decision, decided.decision, "{who} {action}");
        assert!(!told.nearest.is_empty(), "{}", told.text);
        assert!(told.text.contains("[D-2"), "{}", told.text);
    }
    let told = api.call(why(BOB, "kms:Decrypt", &key)).await.unwrap();
    let lines: Vec<_> = told
        .sections
        .iter()
        .flat_map(|section| &section.lines)
        .collect();
    let by_grant = lines
        .iter()
        .find(|line| line.grant_id.as_ref() == Some(&grant));
    assert!(by_grant.unwrap().applies, "{}", told.text);
    assert_eq!(told.key_arn, Some(key.clone()));

    // The account's root may read policy and grants; Bob, who holds a grant alone, may not.
    api.by_root(ACCOUNT)
        .call(why(BOB, "kms:Decrypt", &key))
        .await
        .unwrap();
    let refused = api
        .by(user(BOB))
        .call(why(BOB, "kms:Decrypt", &key))
        .await
        .unwrap_err();
    assert_eq!(refused.code, "AccessDeniedException");
    assert!(
        refused.message.contains("kms:GetKeyPolicy"),
        "{}",
        refused.message
    );
}

/// Authorize says what AWS would answer: a state in the way, a dry run; a decision is the same either way.
#[tokio::test(flavor = "multi_thread")]
async fn answer_says_whether_the_key_could_be_used() {
    let World {
        _cluster, api, key, ..
    } = world().await;
    let bob = api.by(user(BOB));
    let code = |answer: grantd::client::api::AuthorizeResponse| {
        let outcome = answer.decision.unwrap().outcome();
        (outcome, answer.refusal.map(|refusal| refusal.code))
    };
    let ask = || question("kms:Decrypt", &key);
    assert_eq!(
        code(bob.authorize(ask()).await.unwrap()),
        (Outcome::Allow, None)
    );
    let dry = Question {
        dry_run: true,
        ..ask()
    };
    let dry_run = Some("DryRunOperationException".to_owned());
    assert_eq!(
        code(bob.authorize(dry).await.unwrap()),
        (Outcome::Allow, dry_run)
    );
    let denied = Some("AccessDeniedException".to_owned());
    let encrypt = question("kms:Encrypt", &key);
    assert_eq!(
        code(bob.authorize(encrypt).await.unwrap()),
        (Outcome::ImplicitDeny, denied)
    );
    let disable = DisableKeyRequest {
        header: None,
        key_id: key.clone(),
    };
    api.by_root(ACCOUNT).call(disable).await.unwrap();
    let disabled = Some("DisabledException".to_owned());
    assert_eq!(
        code(bob.authorize(ask()).await.unwrap()),
        (Outcome::Allow, disabled)
    );
}

/// Changes are tried and not made, by whoever could make them.
#[tokio::test(flavor = "multi_thread")]
async fn what_if_flips_answers_and_changes_nothing() {
    let World {
        _cluster,
        api,
        key,
        grant,
    } = world().await;
    let what_if = || WhatIfRequest {
        header: None,
        changes: vec![ProposedChange {
            change: Some(Change::RevokeGrant(RevokeGrantRequest {
                key_id: key.clone(),
                grant_id: grant.clone(),
                ..RevokeGrantRequest::default()
            })),
        }],
        questions: vec![
            about(BOB, "kms:Decrypt", &key),
            about(ALICE, "kms:Decrypt", &key),
        ],
    };
    let told = api.by_root(ACCOUNT).call(what_if()).await.unwrap();
    let flips: Vec<bool> = told.flips.iter().map(|flip| flip.flips).collect();
    assert_eq!(flips, [true, false]);
    assert!(api.by(user(BOB)).may("kms:Decrypt", &key).await);
    // The operator could not revoke it, so it cannot try to.
    let refused = api.call(what_if()).await.unwrap_err();
    assert_eq!(refused.code, "AccessDeniedException");
    assert!(
        refused.message.starts_with("change 1"),
        "{}",
        refused.message
    );
}

/// Who reaches the key, and what Bob reaches, are two sides of one grant.
#[tokio::test(flavor = "multi_thread")]
async fn access_is_told_from_both_sides() {
    let World {
        _cluster,
        api,
        key,
        grant,
    } = world().await;
    let who = WhoCanRequest {
        header: None,
        key_id: key.clone(),
        actions: vec!["kms:Decrypt".to_owned()],
        page: None,
    };
    let told = api.call(who.clone()).await.unwrap();
    let of_bob = told
        .access
        .iter()
        .find(|access| access.principal == BOB)
        .unwrap();
    assert_eq!(of_bob.by, format!("grant {grant}"));
    assert!(of_bob.conditions.is_empty());
    assert!(!told.access.iter().any(|access| access.principal == ALICE));
    let what = WhatCanRequest {
        header: None,
        principal: BOB.to_owned(),
        page: None,
    };
    let told = api.by(user(BOB)).call(what.clone()).await.unwrap();
    assert_eq!(told.access.len(), 1, "{:?}", told.access);
    assert_eq!(told.access[0].actions, ["kms:Decrypt"]);
    assert_eq!(told.access[0].key_arn, Some(key));
    let refused = api.by(user(ALICE)).call(what).await.unwrap_err();
    assert_eq!(refused.code, "AccessDeniedException");
    let refused = api.by(user(ALICE)).call(who).await.unwrap_err();
    assert_eq!(refused.code, "AccessDeniedException");
}

/// `grantd test` as a CI job runs it: what it prints last, and what its exit code says.
#[test]
fn command_line_tests_policies_and_says_how_it_went() {
    let examples = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/examples");
    let folder = tempfile::tempdir().unwrap();
    let run = |args: &[&str]| {
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_grantd"))
            .arg("test")
            .args(args)
            .env_remove("GRANTD_OUTPUT")
            .output()
            .unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        (output.status.code().unwrap(), text)
    };
    let (code, text) = run(&[examples]);
    assert_eq!((code, text.as_str()), (0, "5 passed, 0 failed\n"));

    let wrong = std::fs::read_to_string(format!("{examples}/orders.json")).unwrap();
    let wrong = wrong.replacen("\"implicit_deny\"", "\"allow\"", 1);
    let wrong = wrong.replace("@policies/", &format!("@{examples}/policies/"));
    let file = folder.path().join("wrong.json");
    std::fs::write(&file, &wrong).unwrap();
    let file = file.to_str().unwrap();
    let junit = folder.path().join("junit.xml");
    let (code, text) = run(&[file, "--junit", junit.to_str().unwrap()]);
    assert_eq!(code, 1, "{text}");
    assert!(text.ends_with("4 passed, 1 failed\n"), "{text}");
    assert!(
        text.contains("FAILED ORDERS-3") && text.contains("nearest miss:"),
        "{text}"
    );
    assert!(
        std::fs::read_to_string(junit)
            .unwrap()
            .contains("failures=\"1\"")
    );
    let (code, text) = run(&[file, "--output", "json"]);
    let told: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!((code, &told["Passed"]), (1, &serde_json::json!(4)));

    let (code, text) = run(&[examples, "--filter", "ORDERS-2", "--explain"]);
    assert_eq!(code, 0);
    assert!(
        text.contains("EXPLICIT DENY") && text.contains("`OnlyForOrders`"),
        "{text}"
    );
    std::fs::write(file, wrong.replacen("\"kind\"", "\"kin\"", 1)).unwrap();
    let (code, text) = run(&[file]);
    assert_eq!(code, 2, "{text}");
    assert!(
        text.contains("unknown member `kin`") && text.contains("cases[0]"),
        "{text}"
    );
    assert_eq!(run(&["no/such/folder"]).0, 2);
}
