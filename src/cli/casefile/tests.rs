//! Cases that pass, that fail, that cannot be run; and files that are none.

use super::world::NOW;
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
