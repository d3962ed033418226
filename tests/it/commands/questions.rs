//! What is decided, why, and what would be.

use serde_json::{Value, json};

use super::story::Story;
use super::{ALICE, BOB, OPERATOR, ROOT};
use crate::support::process::text;

pub fn answers_are_explained_and_tried_out(story: &mut Story, key: &str) {
    let asked = ["--principal", BOB, "--action", "kms:Encrypt", "--key", key];
    let explain = [["explain"].as_slice(), &asked].concat();
    let why = story.exits(OPERATOR, &explain, 1);
    assert_eq!(why["Decision"], "implicitDeny");
    assert!(!why["Nearest"].as_array().unwrap().is_empty(), "{why:#}");
    assert!(
        why.to_string().contains("all of its uses are spent"),
        "{why:#}"
    );
    let unknown = story.fails(
        OPERATOR,
        &["explain", "--principal", BOB, "--action", "kms:Fly"],
    );
    assert!(unknown.contains("no action of KMS"), "{unknown}");

    // Each kind of change that an option names; none is made.
    let allow = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"kms:*","Resource":"*"}]}"#;
    let deny = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"kms:*","Resource":"*"}]}"#;
    let bobs = format!("{BOB}#All={allow}");
    let boundary = format!("{ALICE}={deny}");
    let scp = format!("111122223333#Deny={deny}");
    let alice = [
        "--principal",
        ALICE,
        "--action",
        "kms:Encrypt",
        "--key",
        key,
    ];
    let flips = |story: &mut Story, caller: &str, change: &[&str], asked: &[&str], after: &str| {
        let line = [["what-if"].as_slice(), change, asked].concat();
        let told = story.exits(caller, &line, 1);
        assert_eq!(told["Flips"], 1, "{line:?}: {told:#}");
        assert_eq!(
            told["Requests"][0]["After"]["Decision"], after,
            "{line:?}: {told:#}"
        );
    };
    flips(story, ROOT, &["--put-policy", &bobs], &asked, "allow");
    flips(
        story,
        ROOT,
        &["--put-boundary", &boundary],
        &alice,
        "explicitDeny",
    );
    flips(
        story,
        ROOT,
        &["--disable-key", key],
        &alice,
        "DisabledException",
    );
    flips(
        story,
        OPERATOR,
        &["--put-scp", &scp],
        &alice,
        "explicitDeny",
    );
    let group = "arn:aws:iam::111122223333:group/Writers";
    story.ok(ROOT, &["group", "create", group]);
    let (member, policy) = (format!("{group}={BOB}"), format!("{group}#All={allow}"));
    flips(
        story,
        ROOT,
        &["--put-group-policy", &policy, "--add-to-group", &member],
        &asked,
        "allow",
    );
    let changes = story.file(
        "changes.jsonl",
        &format!(
            "{}\n{}\n",
            json!({"PutGroupPolicy": {"Group": group, "PolicyName": "All", "Policy": serde_json::from_str::<Value>(allow).unwrap()}}),
            json!({"AddUserToGroup": {"Group": group, "User": BOB}})
        ),
    );
    let requests = story.file(
        "requests.jsonl",
        &format!(
            "{}\n\n{}\n",
            json!({"principal": BOB, "action": "kms:Encrypt", "key": key}),
            json!({"principal": ALICE, "action": "kms:Encrypt", "key": key})
        ),
    );
    let line = ["what-if", "--changes", &changes, "--requests", &requests];
    let told = story.exits(ROOT, &line, 1);
    assert_eq!(told["Flips"], 1, "{told:#}");
    assert!(
        !story.may(BOB, "kms:Encrypt", key, &[]),
        "a change was made"
    );
    let refused = story.fails(
        BOB,
        &[["what-if", "--disable-key", key].as_slice(), &asked].concat(),
    );
    assert!(refused.contains("AccessDeniedException"), "{refused}");

    let who = story.ok(OPERATOR, &["access", "who-can", key, "kms:Decrypt"]);
    let reached: Vec<&Value> = who["Access"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| &one["Principal"])
        .collect();
    for principal in [ROOT, ALICE, BOB] {
        assert!(reached.contains(&&json!(principal)), "{principal}: {who:#}");
    }
    let what = story.ok(ROOT, &["access", "what-can", BOB]);
    assert_eq!(what["Access"][0]["KeyArn"], json!(key), "{what:#}");
    operations_are_asked_about_whole(story, key);
    principals_that_are_gone_are_reported(story, key);
}

/// D-57, P-7: every part decides; a lockout check that fails says which half is missing, when asked about and when tried.
fn operations_are_asked_about_whole(story: &mut Story, key: &str) {
    let allow = format!(
        r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Action":["kms:CreateAlias","kms:PutKeyPolicy"],"Resource":{key:?}}}]}}"#
    );
    story.ok(ROOT, &["identity", "put-policy", BOB, "KeyHalf", &allow]);
    let asked = ["--principal", BOB, "--action", "kms:CreateAlias"];
    let about = |command| {
        [
            &[command][..],
            &asked,
            &["--key", key, "--alias", "alias/whole"],
        ]
        .concat()
    };
    let decided = story.exits(ROOT, &about("authorize"), 1);
    assert_eq!(decided["Decision"], "implicitDeny", "{decided:#}");
    assert_eq!(decided["Parts"][0]["Decision"], "allow", "{decided:#}");
    assert_eq!(
        decided["Parts"][1]["Decision"], "implicitDeny",
        "{decided:#}"
    );
    let told = story.exits(ROOT, &about("explain"), 1);
    assert_eq!(told["Decision"], "implicitDeny", "{told:#}");
    assert_eq!(
        told["Parts"][1]["Resource"],
        "arn:aws:kms:us-west-2:111122223333:alias/whole"
    );
    let unsaid = [&["explain"][..], &asked, &["--key", key]].concat();
    let why = story.fails(ROOT, &unsaid);
    assert!(
        why.contains("name the alias") && why.contains("help: `--alias ALIAS`"),
        "{why}"
    );
    let policy = r#"{"Version":"2012-10-17","Statement":[{"Sid":"Root","Effect":"Allow","Principal":{"AWS":"444455556666"},"Action":"kms:*","Resource":"*"}]}"#;
    let put = [
        "explain",
        "--principal",
        BOB,
        "--action",
        "kms:PutKeyPolicy",
        "--key",
        key,
    ];
    let told = story.exits(ROOT, &[&put[..], &["--policy", policy]].concat(), 1);
    assert_eq!(
        told["Refusal"]["Code"], "MalformedPolicyDocumentException",
        "{told:#}"
    );
    let half = told["Refusal"]["Help"].as_str().unwrap();
    assert!(
        half.contains("no statement of the new policy lets"),
        "{half}"
    );
    let tried = story.fails(BOB, &["key", "put-policy", key, policy]);
    assert!(
        tried.contains("help: no statement of the new policy lets"),
        "{tried}"
    );
    story.ok(ROOT, &["identity", "delete-policy", BOB, "KeyHalf"]);
    for command in [
        &["grant", "list", "alias/whole"][..],
        &["key", "put-policy", "alias/whole", policy],
    ] {
        let alias = story.fails(ROOT, command);
        assert!(alias.contains("an alias is not taken here"), "{alias}");
    }
}

/// ID-18, X-57
fn principals_that_are_gone_are_reported(story: &mut Story, key: &str) {
    let leaver = "arn:aws:iam::111122223333:user/Leaver";
    story.ok(ROOT, &["identity", "create", leaver]);
    let grant = [
        "grant",
        "create",
        key,
        "--grantee",
        leaver,
        "--operations",
        "Decrypt",
    ];
    let grant = story.member(ROOT, &grant, "GrantId");
    story.ok(ROOT, &["identity", "delete", leaver]);
    let report = story.ok(ROOT, &["access", "dangling-principals"]);
    let of_leaver = report["Dangling"].as_array().unwrap().iter();
    let of_leaver: Vec<&Value> = of_leaver.filter(|one| one["FormerArn"] == leaver).collect();
    assert_eq!(of_leaver.len(), 1, "{report:#}");
    assert_eq!(of_leaver[0]["GrantId"], json!(grant), "{report:#}");
    assert_eq!(of_leaver[0]["NameIsTakenAgain"], false, "{report:#}");
    story.ok(ROOT, &["grant", "revoke", key, &grant]);
}

pub fn policies_are_checked_offline(story: &mut Story) {
    let examples = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples");
    let good = format!("{examples}/key-consolepolicy-2.json");
    let told = story.text(OPERATOR, &["policy", "check", &good]);
    assert!(told.contains("valid key policy of 4 statements"), "{told}");
    let scp =
        r#"{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"*","Resource":"*"}]}"#;
    let told = story.text(OPERATOR, &["policy", "check", "--kind", "scp", scp]);
    assert!(told.contains("service control policy"), "{told}");
    let odd = format!("{examples}/identity-policy-alias-deny.json");
    let linted = story.exits(OPERATOR, &["policy", "lint", &odd], 1);
    assert!(linted["Warnings"].as_u64().unwrap() > 0, "{linted:#}");

    let cases = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/examples");
    let tested = story.ok(OPERATOR, &["test", cases]);
    assert_eq!(tested["Failed"], 0, "{tested:#}");

    let lines = include_str!("../../decisions/decisions.jsonl");
    let two: String = lines
        .lines()
        .take(2)
        .map(|line| format!("{line}\n"))
        .collect();
    let decided = story.run("127.0.0.1:1", OPERATOR, &["decide"], &two);
    assert_eq!(decided.status.code(), Some(0), "{}", text(&decided.stderr));
    assert_eq!(text(&decided.stdout).lines().count(), 2);
}
