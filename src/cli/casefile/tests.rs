//! Cases that pass, that fail, that cannot be run; and files that are none.

use super::outcome::Got;
use super::world::{NOW, World};
use super::*;

/// One key, one user that its policy names, one grant.
const CASE: &str = r#"{
  "id": "T-1", "title": "bob may decrypt", "kind": "authz", "rules": ["D-4"],
  "world": {
    "region": "us-west-2",
    "accounts": {"111122223333": {}},
    "principals": {"arn:aws:iam::111122223333:user/bob": {"type": "user"}},
    "keys": {"K": {
      "arn": "arn:aws:kms:us-west-2:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab",
      "policy": {"Version": "2012-10-17", "Statement": [{
        "Sid": "S", "Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::111122223333:user/bob"},
        "Action": "kms:Decrypt", "Resource": "*"}]}
    }}
  },
  "request": {"principal": "arn:aws:iam::111122223333:user/bob", "action": "kms:Decrypt",
    "key_id": "1234abcd-12ab-34cd-56ef-1234567890ab"},
  "expected": {"decision": "allow", "decided_by": {"type": "key_policy", "sid": "S"}}
}"#;

fn file(cases: &[&str]) -> String {
    format!(r#"{{"schema": 1, "cases": [{}]}}"#, cases.join(","))
}

fn ended(case: &str) -> Ended {
    let mut cases = read_cases(&file(&[case]), None).unwrap();
    match cases.pop().unwrap() {
        Ok(case) => run(&case),
        Err((_, problem)) => Ended::Broken(problem),
    }
}

fn broken(case: &str) -> Problem {
    match ended(case) {
        Ended::Broken(problem) => problem,
        other => panic!("{other:?}\n{case}"),
    }
}

#[test]
fn case_passes_or_fails_with_what_differs() {
    assert!(matches!(ended(CASE), Ended::Passed));
    let Ended::Failed(difference) = ended(&CASE.replace("\"allow\"", "\"deny\"")) else {
        panic!("a wrong expectation passed");
    };
    assert_eq!(difference.what, "the decision is allow, not deny");
    assert_eq!(difference.got, "allow by key_policy sid S");
    let Ended::Failed(difference) = ended(&CASE.replace("\"sid\": \"S\"", "\"sid\": \"T\"")) else {
        panic!("a wrong Sid passed");
    };
    assert!(difference.what.contains("`T`"), "{}", difference.what);
}

/// A run is told, never passed, when this version does not know a part of it.
#[test]
fn case_that_cannot_be_run_names_where_and_what() {
    for (from, to, path, part) in [
        (
            "\"kind\": \"authz\"",
            "\"kind\": \"authn\"",
            "cases[0].kind",
            "authn",
        ),
        (
            "\"rules\"",
            "\"rulez\"",
            "cases[0]",
            "did you mean `rules`?",
        ),
        (
            "\"kms:Decrypt\",\n",
            "\"kms:Frobnicate\",\n",
            "cases[0].request.action",
            "no action",
        ),
        (
            "\"type\": \"user\"",
            "\"type\": \"role\"",
            "cases[0].world.principals",
            "no ARN of a role",
        ),
        (
            "\"type\": \"user\"",
            "\"type\": 7",
            "cases[0].world.principals",
            "a number",
        ),
        (
            "\"Effect\": \"Allow\"",
            "\"Efect\": \"Allow\"",
            "cases[0].world.keys.K.policy",
            "Efect",
        ),
        (":key/1234", ":kez/1234", "cases[0].world.keys.K.arn", ""),
        (
            "\"decision\": \"allow\"",
            "\"decision\": \"yes\"",
            "cases[0].expected.decision",
            "yes",
        ),
        (
            "\"region\": \"us-west-2\",",
            "",
            "cases[0].world",
            "`region`",
        ),
    ] {
        let changed = CASE.replacen(from, to, 1);
        assert_ne!(changed, CASE, "{from}");
        let problem = broken(&changed);
        assert!(problem.path.starts_with(path), "{problem}");
        assert!(problem.message.contains(part), "{problem}");
    }
    let unknown = CASE
        .replace("\"authz\"", "\"api\"")
        .replace("kms:Decrypt\",\n", "kms:SynchronizeMultiRegionKey\",\n");
    assert!(broken(&unknown).message.contains("does not carry out"));
    let unread = CASE.replace("\"authz\"", "\"api\"").replace(
        "\"key_id\":",
        "\"params\": {\"Plaintexd\": \"x\"}, \"key_id\":",
    );
    assert!(
        broken(&unread)
            .message
            .contains("did you mean `Plaintext`?")
    );
}

/// G-20, ST-2: a use is permitted, then possible, then a dry run.
#[test]
fn use_of_a_key_is_decided_in_order() {
    let api = CASE.replace("\"authz\"", "\"api\"");
    let whole = api.replace(
        "\"key_id\":",
        "\"params\": {\"CiphertextBlob\": \"AA==\"}, \"key_id\":",
    );
    assert!(matches!(
        ended(&whole.replace(
            ", \"decided_by\": {\"type\": \"key_policy\", \"sid\": \"S\"}",
            ""
        )),
        Ended::Passed
    ));
    let expect = |case: &str, code: &str| {
        let a = case.find("\"expected\"").unwrap();
        let expected =
            format!("\"expected\": {{\"decision\": \"error\", \"error_codes\": [\"{code}\"]}}}}");
        ended(&format!("{}{expected}", &case[..a]))
    };
    // W-36: what the call lacks is told last.
    assert!(matches!(expect(&api, "ValidationException"), Ended::Passed));
    let dry = whole.replace(
        "{\"CiphertextBlob\"",
        "{\"DryRun\": true, \"CiphertextBlob\"",
    );
    assert!(matches!(
        expect(&dry, "DryRunOperationException"),
        Ended::Passed
    ));
    let disabled = dry.replace("\"policy\":", "\"state\": \"Disabled\", \"policy\":");
    assert!(matches!(
        expect(&disabled, "DisabledException"),
        Ended::Passed
    ));
    let lacking = disabled.replace(
        "\"params\": {\"DryRun\": true, \"CiphertextBlob\": \"AA==\"}, ",
        "",
    );
    assert_ne!(lacking, disabled);
    assert!(matches!(
        expect(&lacking, "DisabledException"),
        Ended::Passed
    ));
    let other = disabled.replace(
        "\"Sid\": \"S\", \"Effect\": \"Allow\"",
        "\"Sid\": \"S\", \"Effect\": \"Deny\"",
    );
    assert!(matches!(
        expect(&other, "AccessDeniedException"),
        Ended::Passed
    ));
}

/// In a scenario whoever is named exists; in an `api` case nobody who is not listed.
#[test]
fn principals_that_are_named_exist_in_scenarios_alone() {
    let root = "\"arn:aws:iam::111122223333:root\"";
    let request = format!(
        r#"{{"principal": {root}, "action": "kms:CreateGrant", "key_id": "1234abcd-12ab-34cd-56ef-1234567890ab",
            "params": {{"GranteePrincipal": "arn:aws:iam::444455556666:user/new", "Operations": ["Decrypt"]}}}}"#
    );
    let at = CASE.find("\"request\"").unwrap();
    let world = CASE[..at]
        .replace("arn:aws:iam::111122223333:user/bob\"}", "111122223333\"}")
        .replace("kms:Decrypt", "kms:*");
    let api = world.replace("\"authz\"", "\"api\"");
    let expected = r#""expected": {"decision": "error", "error_codes": ["InvalidArnException"]}"#;
    let outcome = ended(&format!("{api} \"request\": {request}, {expected}}}"));
    assert!(matches!(outcome, Ended::Passed), "{outcome:?}");
    let scenario = world.replace("\"authz\"", "\"scenario\"");
    let steps =
        format!(r#""steps": [{{"request": {request}, "expected": {{"decision": "allow"}}}}]"#);
    let outcome = ended(&format!("{scenario} {steps}}}"));
    assert!(matches!(outcome, Ended::Passed), "{outcome:?}");
}

#[test]
fn files_and_folders_are_run_and_policies_are_taken_from_files() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::create_dir_all(at("sub/policies")).unwrap();
    let a = CASE.find("{\"Version\"").unwrap();
    let b = CASE.find("}\n    }}").unwrap();
    fs::write(at("sub/policies/key.json"), &CASE[a..b + 1]).unwrap();
    let by_file = format!("{}\"@policies/key.json\"{}", &CASE[..a], &CASE[b + 1..]);
    fs::write(at("sub/cases.json"), file(&[&by_file])).unwrap();
    fs::write(at("bad.json"), "{").unwrap();
    fs::write(at("notes.txt"), "not a case").unwrap();
    let report = run_paths(&[folder.path().to_owned()], None).unwrap();
    assert_eq!(
        (report.passed(), report.failed(), report.files.len()),
        (1, 0, 1)
    );
    let report = run_paths(&[at("sub/cases.json")], Some("D-4")).unwrap();
    assert_eq!(report.passed(), 1, "{}", report.text());
    let report = run_paths(&[at("sub/cases.json")], Some("nothing")).unwrap();
    assert!(report.cases.is_empty());
    assert!(run_paths(&[at("none")], None).is_err());
    // Without a folder to look in, no file is read.
    assert!(broken(&by_file).message.contains("are not read here"));
}

/// U-19, CK-41: facts hold policies that a server would refuse to store; they are evaluated, and warned of in every form.
#[test]
fn policy_that_would_not_be_stored_is_evaluated_and_warned_of() {
    let forbidden = CASE.replace(
        r#""Action": "kms:Decrypt", "Resource": "*"}]"#,
        r#""Action": "kms:Decrypt", "Resource": "*", "Condition": {"Null": {"aws:ResourceTag/t": "true"}}}]"#,
    );
    assert_ne!(forbidden, CASE);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cases.json");
    fs::write(&path, file(&[&forbidden])).unwrap();
    let report = run_paths(&[path], None).unwrap();
    assert_eq!((report.passed(), report.failed()), (1, 0));
    let told = "K: a server would refuse to store this as a key policy: These condition keys are not permitted";
    let text = report.text();
    assert!(
        text.contains("WARNING T-1") && text.contains(told),
        "{text}"
    );
    assert!(text.ends_with("1 passed, 0 failed\n"), "{text}");
    let warning = report.json()["Cases"][0]["Warnings"][0].clone();
    assert!(warning.as_str().is_some_and(|text| text.starts_with(told)));
    assert!(report.junit().contains("<system-out>K: a server"));
    let case = read_cases(&file(&[CASE]), None).unwrap().pop().unwrap();
    assert_eq!(case.unwrap().warnings(), Vec::<String>::new());
}

/// C-2: names of condition keys are not case sensitive, so that two spellings say one thing twice; but for pairs (CK-59).
#[test]
fn condition_key_given_twice_is_a_problem_of_the_case() {
    let with = |context: &str| {
        let context = format!(r#""action": "kms:Decrypt", "context": {context},"#);
        CASE.replace(r#""action": "kms:Decrypt","#, &context)
    };
    let twice = with(r#"{"aws:UserAgent": "a", "aws:useragent": "b"}"#);
    assert!(broken(&twice).message.contains("twice"));
    let pairs = with(r#"{"kms:EncryptionContext:a": "1", "kms:EncryptionContext:A": "2"}"#);
    assert!(matches!(ended(&pairs), Ended::Passed));
}

/// A text that is no case file is an error, whatever it is.
#[test]
fn anything_else_is_refused_without_a_panic() {
    for text in [
        "",
        "[]",
        "7",
        "{}",
        r#"{"schema":2,"cases":[]}"#,
        r#"{"schema":1,"cases":{}}"#,
    ] {
        assert!(read_cases(text, None).is_err(), "{text}");
    }
    // Every value of a good case replaced by another: it runs, fails or is refused.
    let whole: Value = serde_json::from_str(CASE).unwrap();
    let mut pointers = Vec::new();
    fn walk(value: &Value, at: String, pointers: &mut Vec<String>) {
        pointers.push(at.clone());
        match value {
            Value::Object(members) => members.iter().for_each(|(name, value)| {
                let name = name.replace('~', "~0").replace('/', "~1");
                walk(value, format!("{at}/{name}"), pointers);
            }),
            Value::Array(items) => items
                .iter()
                .enumerate()
                .for_each(|(n, value)| walk(value, format!("{at}/{n}"), pointers)),
            _ => {}
        }
    }
    walk(&whole, String::new(), &mut pointers);
    let mut refused = 0;
    for pointer in &pointers {
        for other in [
            Value::Null,
            7.into(),
            "é".into(),
            Value::Array(vec![]),
            serde_json::json!({}),
        ] {
            let mut changed = whole.clone();
            *changed.pointer_mut(pointer).unwrap() = other;
            if let Err(problem) = read_case(&changed) {
                refused += 1;
                assert!(!problem.message.is_empty());
            } else if let Ok(case) = read_case(&changed) {
                run(&case);
            }
        }
    }
    assert!(refused > pointers.len(), "{refused}");
}

/// W-5, ST-2: a key through its scheduled deletion and back, with the members that AWS answers.
#[test]
fn scenario_follows_a_key_that_was_to_be_deleted() {
    let mut case: serde_json::Value = serde_json::from_str(CASE).unwrap();
    let key = case["request"]["key_id"].clone();
    let principal = case["request"]["principal"].clone();
    case["world"]["keys"]["K"]["policy"]["Statement"][0]["Action"] = "kms:*".into();
    let step =
        |action: &str, params: serde_json::Value, decision: &str, assert: serde_json::Value| {
            serde_json::json!({
                "request": {
                    "principal": principal, "action": action, "key_id": key, "params": params
                },
                "expected": {"decision": decision},
                "assert": assert
            })
        };
    let none = || serde_json::json!({});
    let steps = [
        step(
            "kms:ScheduleKeyDeletion",
            serde_json::json!({"PendingWindowInDays": 7}),
            "allow",
            serde_json::json!([
                ["value", "KeyState", "PendingDeletion"],
                ["value", "PendingWindowInDays", 7],
                ["value", "DeletionDate", NOW.after_days(7).as_secs()]
            ]),
        ),
        step("kms:Decrypt", none(), "error", serde_json::json!([])),
        step(
            "kms:CancelKeyDeletion",
            none(),
            "allow",
            serde_json::json!([]),
        ),
        step(
            "kms:CancelKeyDeletion",
            none(),
            "error",
            serde_json::json!([]),
        ),
        step("kms:EnableKey", none(), "allow", serde_json::json!([])),
        step("kms:Decrypt", none(), "allow", serde_json::json!([])),
    ];
    case["kind"] = "scenario".into();
    case["steps"] = steps.into_iter().collect();
    let members = case.as_object_mut().unwrap();
    members.remove("request");
    members.remove("expected");
    let ended = ended(&case.to_string());
    assert!(matches!(ended, Ended::Passed), "{ended:#?}");
}

/// A member that the caller cannot have is refused, and not left out: left out, the case would pass though a part of it
/// was not run.
#[test]
fn member_without_a_meaning_for_its_caller_is_refused() {
    const ACCOUNT: &str = "111122223333";
    let user = format!("arn:aws:iam::{ACCOUNT}:user/bob");
    let root = format!("arn:aws:iam::{ACCOUNT}:root");
    let session = format!("arn:aws:sts::{ACCOUNT}:assumed-role/App/s");
    let federated = format!("arn:aws:sts::{ACCOUNT}:federated-user/ann");
    let policy =
        r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}"#;
    let members = [
        (
            "session_of",
            format!(r#""arn:aws:iam::{ACCOUNT}:role/team/App""#),
        ),
        ("session_policy", policy.to_owned()),
        ("session_tags", r#"{"team":"a"}"#.to_owned()),
        (
            "federated_by",
            format!(r#""arn:aws:iam::{ACCOUNT}:user/bob""#),
        ),
    ];
    let callers: [(&str, &[&str], &[&str]); 5] = [
        (&user, &[], &[]),
        (&root, &["session_policy"], &[]),
        (
            &session,
            &["session_of", "session_policy", "session_tags"],
            &["session_of"],
        ),
        (
            &federated,
            &["federated_by", "session_policy", "session_tags"],
            &[],
        ),
        ("ec2.amazonaws.com", &[], &[]),
    ];
    let with = |principal: &str, more: &[&(&str, String)]| {
        let more = more
            .iter()
            .map(|(name, value)| format!(r#""{name}": {value}, "#));
        let request = format!(
            r#""request": {{"principal": "{principal}", {}"#,
            more.collect::<String>()
        );
        CASE.replace(
            &format!(r#""request": {{"principal": "{user}", "#),
            &request,
        )
    };
    for (principal, meant, needed) in callers {
        let always: Vec<_> = members
            .iter()
            .filter(|(name, _)| needed.contains(name))
            .collect();
        for member in &members {
            let mut more = always.clone();
            if !needed.contains(&member.0) {
                more.push(member);
            }
            let case = with(principal, &more);
            assert_ne!(case, CASE);
            if meant.contains(&member.0) {
                assert!(!matches!(ended(&case), Ended::Broken(_)), "{case}");
            } else {
                let problem = broken(&case);
                assert_eq!(problem.path, format!("cases[0].request.{}", member.0));
                assert!(problem.message.contains(member.0), "{}", problem.message);
            }
        }
    }
    for (principal, member, value, part) in [
        (
            &session,
            "session_of",
            format!("arn:aws:iam::{ACCOUNT}:role/Other"),
            "no session of",
        ),
        (
            &session,
            "session_of",
            "arn:aws:iam::444455556666:role/App".to_owned(),
            "no session of",
        ),
        (&session, "session_of", user.clone(), "no session of"),
        (
            &federated,
            "federated_by",
            "arn:aws:iam::444455556666:user/bob".to_owned(),
            "is no user of account",
        ),
        (
            &federated,
            "federated_by",
            root.clone(),
            "is no user of account",
        ),
    ] {
        let problem = broken(&with(principal, &[&(member, format!(r#""{value}""#))]));
        assert_eq!(problem.path, format!("cases[0].request.{member}"));
        assert!(problem.message.contains(part), "{}", problem.message);
    }
    let task = ("session_policy", policy.to_owned());
    let denied = ("context", r#"{"aws:AssumedRoot": "false"}"#.to_owned());
    let problem = broken(&with(&root, &[&task, &denied]));
    assert_eq!(problem.path, "cases[0].request.context.aws:AssumedRoot");
}

/// The same of the world's principals.
#[test]
fn principal_with_what_its_type_cannot_have_is_refused() {
    const ACCOUNT: &str = "111122223333";
    let policies = r#""identity_policies": [{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}]"#;
    let boundary = r#""boundary": {"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}"#;
    let groups = policies.replace("identity", "group");
    let bob = format!(r#""arn:aws:iam::{ACCOUNT}:user/bob": {{"type": "user"}}"#);
    let with = |line: &str| CASE.replace(&bob, &format!("{bob}, {line}"));
    let of =
        |name: &str, kind: &str, member: &str| format!(r#""{name}": {{"type": "{kind}"{member}}}"#);
    let (root, role, federated) = (
        format!("arn:aws:iam::{ACCOUNT}:root"),
        format!("arn:aws:iam::{ACCOUNT}:role/App"),
        format!("arn:aws:sts::{ACCOUNT}:federated-user/ann"),
    );
    for (name, kind) in [
        (&*root, "root"),
        (&role, "role"),
        (&federated, "federated_user"),
        ("ec2.amazonaws.com", "service"),
    ] {
        assert!(
            matches!(ended(&with(&of(name, kind, ""))), Ended::Passed),
            "{name}"
        );
    }
    for (name, kind, member, path) in [
        (&*root, "root", policies, "identity_policies"),
        (&root, "root", &groups, "group_policies"),
        (&root, "root", boundary, "boundary"),
        (&root, "root", r#""tags": {"a": "b"}"#, "tags"),
        (
            "ec2.amazonaws.com",
            "service",
            policies,
            "identity_policies",
        ),
        (&role, "role", &groups, "group_policies"),
    ] {
        let problem = broken(&with(&of(name, kind, &format!(", {member}"))));
        assert_eq!(
            problem.path,
            format!("cases[0].world.principals.{name}.{path}")
        );
        assert!(problem.message.contains("has no"), "{}", problem.message);
    }
    for (name, kind) in [
        (&*role, "root"),
        (&root, "federated_user"),
        (&root, "service"),
        ("ec2", "service"),
        ("ec2.amazonaws.com", "user"),
    ] {
        let problem = broken(&with(&of(name, kind, "")));
        assert_eq!(
            problem.path,
            format!("cases[0].world.principals.{name}.type")
        );
    }
    // The policies of a federated user stand for those of the user that federated it, unless that user is named.
    let held = with(&of(&federated, "federated_user", &format!(", {policies}")));
    let request = format!(r#""request": {{"principal": "arn:aws:iam::{ACCOUNT}:user/bob", "#);
    let alone = held.replace(
        &request,
        &format!(r#""request": {{"principal": "{federated}", "#),
    );
    assert!(matches!(ended(&alone), Ended::Failed(_)));
    let named = held.replace(
        &request,
        &format!(r#""request": {{"principal": "{federated}", "federated_by": "arn:aws:iam::{ACCOUNT}:user/bob", "#),
    );
    let problem = broken(&named);
    assert_eq!(
        problem.path,
        format!("cases[0].world.principals.{federated}")
    );
    assert!(
        problem.message.contains("federated_by"),
        "{}",
        problem.message
    );
}

/// D-18: a world says which roles there are and not who made them, so the path of one tells for which service it was made:
/// no control policy limits it.
#[test]
fn role_of_a_world_is_linked_to_the_service_of_its_path() {
    const ACCOUNT: &str = "111122223333";
    let user = format!("arn:aws:iam::{ACCOUNT}:user/bob");
    for (path, decision) in [
        ("aws-service-role/ec2.amazonaws.com/", "allow"),
        ("aws-service-role/evil.example/", "deny"),
        ("", "deny"),
    ] {
        let role = format!("arn:aws:iam::{ACCOUNT}:role/{path}Svc");
        let case = CASE
            .replace(
                r#""111122223333": {}"#,
                r#""111122223333": {"scps": [{"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Action": "kms:*", "Resource": "*"}]}]}"#,
            )
            .replace(
                &format!(r#""request": {{"principal": "{user}""#),
                &format!(r#""request": {{"principal": "arn:aws:sts::{ACCOUNT}:assumed-role/Svc/s", "session_of": "{role}""#),
            )
            .replace(r#""type": "user""#, r#""type": "role""#)
            .replace(&user, &role);
        let expected = case.find("\"expected\"").unwrap();
        let case = format!(
            r#"{}"expected": {{"decision": "{decision}"}}}}"#,
            &case[..expected]
        );
        let ended = ended(&case);
        assert!(matches!(ended, Ended::Passed), "{path}: {ended:?}");
    }
}

/// CK-52: an explanation is of what the operation met, however the case says for how long the key was not used.
#[test]
fn explanation_of_an_operation_agrees_with_what_it_met() {
    const KEY: &str = "kms:TrailingDaysWithoutKeyUsage";
    let mut case: serde_json::Value = serde_json::from_str(CASE).unwrap();
    let key = case["request"]["key_id"].clone();
    let principal = case["request"]["principal"].clone();
    let policy = &mut case["world"]["keys"]["K"]["policy"];
    policy["Statement"][0]["Action"] = "kms:*".into();
    policy["Statement"][0]["Condition"] = serde_json::json!({"NumericGreaterThan": {KEY: "365"}});
    case["kind"] = "api".into();
    for action in ["kms:DisableKey", "kms:ScheduleKeyDeletion"] {
        for (days, used, decision, told) in [
            ("400", None, "allow", "ALLOW"),
            ("365", None, "deny", "IMPLICIT DENY"),
            ("", Some("2026-11-21"), "deny", "IMPLICIT DENY"),
            ("", Some("2025-11-21"), "allow", "ALLOW"),
        ] {
            let mut context = serde_json::json!({});
            if used.is_none() {
                context[KEY] = days.into();
            }
            case["world"]["keys"]["K"]["last_used"] = used.into();
            case["request"] = serde_json::json!({
                "principal": principal, "action": action, "key_id": key, "context": context
            });
            case["expected"] = serde_json::json!({"decision": decision});
            let ended = ended(&case.to_string());
            assert!(
                matches!(ended, Ended::Passed),
                "{action} {days}: {ended:#?}"
            );
            let explained = super::run::explain(&read_case(&case).unwrap()).join("");
            assert!(
                explained.contains(&format!("\n{told}: ")),
                "{action} {days}: {explained}"
            );
        }
    }
}

/// ST-4, W-3: whatever a case asks and of whichever kind it is, `--explain` begins with what the run gives.
#[test]
fn explanation_of_every_case_agrees_with_its_outcome() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let mut cases = Vec::new();
    for folder in ["cases", "cases-own"] {
        let mut files = Vec::new();
        collect(&root.join(folder), 0, &mut files).unwrap();
        for file in files {
            let text = fs::read_to_string(&file).unwrap();
            let read = read_cases(&text, file.parent()).unwrap().into_iter();
            cases.extend(read.map(Result::unwrap));
        }
    }
    // Five thousand explanations: each core has a share.
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let (compared, differ) = std::thread::scope(|scope| {
        let shares: Vec<_> = (0..cores)
            .map(|first| {
                let share = cases.iter().skip(first).step_by(cores);
                scope.spawn(move || share.map(explanation_beside_outcome).collect::<Vec<_>>())
            })
            .collect();
        let (mut compared, mut differ) = (BTreeMap::<_, usize>::new(), Vec::new());
        for (kinds, faults) in shares.into_iter().flat_map(|share| share.join().unwrap()) {
            for kind in kinds {
                *compared.entry(kind).or_default() += 1;
            }
            differ.extend(faults);
        }
        (compared, differ)
    });
    assert!(
        differ.is_empty(),
        "{} of {} differ:\n{}",
        differ.len(),
        compared.values().sum::<usize>(),
        differ.join("\n")
    );
    // Every kind of case with every outcome.
    assert_eq!(compared.len(), 12, "{compared:?}");
}

/// Of each request of a case the kind and the outcome, and where its explanation begins otherwise.
fn explanation_beside_outcome(case: &Case) -> (Vec<(String, &'static str)>, Vec<String>) {
    const HEADS: [&str; 4] = ["ALLOW: ", "EXPLICIT DENY: ", "IMPLICIT DENY: ", "REFUSED: "];
    let told = run::explain(case);
    assert_eq!(told.len(), case.steps.len(), "{}", case.id);
    let mut world = World::of(case).unwrap();
    let (mut kinds, mut differ) = (Vec::new(), Vec::new());
    for (n, (step, told)) in case.steps.iter().zip(told).enumerate() {
        let (happened, _) = run::run_step(&mut world, case.kind, step).unwrap();
        let got = Got::of(&world, &happened);
        let (outcome, wanted) = match got.decision {
            "allow" => (HEADS[0], HEADS[0].to_owned()),
            "explicit_deny" => (HEADS[1], HEADS[1].to_owned()),
            "implicit_deny" => (HEADS[2], HEADS[2].to_owned()),
            _ => (
                HEADS[3],
                format!("REFUSED: {}: {}\n", got.code.unwrap(), got.message),
            ),
        };
        // Behind the lines that name the request.
        let begins = |line: &&str| HEADS.iter().any(|head| line.starts_with(head));
        let first = told.lines().find(begins);
        let from = first.and_then(|first| told.find(first));
        if !from.is_some_and(|from| told[from..].starts_with(&wanted)) {
            let first = first.unwrap_or("nothing");
            differ.push(format!(
                "{} request {}: {wanted}; told {first}",
                case.id,
                n + 1
            ));
        }
        kinds.push((format!("{:?}", case.kind), outcome));
    }
    (kinds, differ)
}
