//! Properties of every decision, on worlds that are made up: policies, grants and requests are drawn together, so that
//! allows, denials and the lack of both are all frequent, which each test holds too.
//!
//! `GRANTD_PROPTEST_CASES=10000 cargo test --test it properties` runs as many cases of each.

use std::cell::Cell;

use grantd::cli::casefile::{Ended, explained, read_case, run};
use grantd::cli::decide::decide_lines;
use grantd::domain::authz::decision::Outcome;
use proptest::prelude::*;
use proptest::sample::{Index, select, subsequence};
use proptest::test_runner::{Config, TestCaseError, TestRunner};
use serde_json::{Map, Value, json};

const OWNER: &str = "111122223333";
const OTHER: &str = "444455556666";
const KEY: &str = "arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab";
const VIA: &str = "s3.eu-west-1.amazonaws.com";

/// A caller: how it is printed, the user or role behind it, its account, its tag `team`.
#[derive(Clone, Copy, Debug)]
struct Caller {
    arn: &'static str,
    entity: &'static str,
    account: &'static str,
    team: Option<&'static str>,
}

const CALLERS: [Caller; 6] = [
    Caller {
        arn: "arn:aws:iam::111122223333:user/bob",
        entity: "arn:aws:iam::111122223333:user/bob",
        account: OWNER,
        team: Some("red"),
    },
    Caller {
        arn: "arn:aws:iam::111122223333:user/eve",
        entity: "arn:aws:iam::111122223333:user/eve",
        account: OWNER,
        team: None,
    },
    Caller {
        arn: "arn:aws:sts::111122223333:assumed-role/App/one",
        entity: "arn:aws:iam::111122223333:role/x/App",
        account: OWNER,
        team: Some("blue"),
    },
    Caller {
        arn: "arn:aws:iam::444455556666:user/zoe",
        entity: "arn:aws:iam::444455556666:user/zoe",
        account: OTHER,
        team: Some("red"),
    },
    Caller {
        arn: "arn:aws:iam::111122223333:root",
        entity: "arn:aws:iam::111122223333:root",
        account: OWNER,
        team: None,
    },
    Caller {
        arn: "arn:aws:iam::444455556666:root",
        entity: "arn:aws:iam::444455556666:root",
        account: OTHER,
        team: None,
    },
];

const ACTIONS: [&str; 6] = [
    "kms:Decrypt",
    "kms:Encrypt",
    "kms:GenerateDataKey",
    "kms:DescribeKey",
    "kms:ListGrants",
    "kms:PutKeyPolicy",
];

#[derive(Clone, Debug)]
struct Request {
    caller: Caller,
    action: &'static str,
    pairs: Map<String, Value>,
    via: bool,
}

fn request() -> impl Strategy<Value = Request> {
    let caller = prop_oneof![
        4 => Just(CALLERS[0]), 1 => Just(CALLERS[1]), 3 => Just(CALLERS[2]), 3 => Just(CALLERS[3]),
        1 => Just(CALLERS[4]), 1 => Just(CALLERS[5]),
    ];
    let action = prop_oneof![4 => select(&ACTIONS[..3]), 2 => select(&ACTIONS[3..])];
    (caller, action, pairs(), any::<bool>()).prop_map(|(caller, action, pairs, via)| Request {
        caller,
        action,
        pairs: if action == "kms:DescribeKey"
            || action == "kms:ListGrants"
            || action == "kms:PutKeyPolicy"
        {
            Map::new()
        } else {
            pairs
        },
        via,
    })
}

fn pairs() -> impl Strategy<Value = Map<String, Value>> {
    let all = vec![("a", "1"), ("a", "2"), ("b", "1"), ("A", "1")];
    subsequence(all, 0..=3).prop_map(|pairs| {
        pairs
            .into_iter()
            .map(|(key, value)| (key.to_owned(), json!(value)))
            .collect()
    })
}

fn principal() -> impl Strategy<Value = Value> {
    let named = [
        json!(OWNER),
        json!(format!("arn:aws:iam::{OTHER}:root")),
        json!(CALLERS[0].arn),
        json!(CALLERS[2].entity),
        json!(CALLERS[2].arn),
        json!(CALLERS[3].arn),
        json!("*"),
    ];
    prop_oneof![
        1 => Just(json!("*")),
        5 => subsequence(named.to_vec(), 1..=3).prop_map(|names| json!({"AWS": names})),
        1 => Just(json!({"Service": "ec2.amazonaws.com"})),
    ]
}

fn actions() -> impl Strategy<Value = Value> {
    let some = [
        "kms:Decrypt",
        "KMS:encrypt",
        "kms:GenerateDataKey*",
        "kms:De*",
        "kms:ListGrants",
        "kms:Put*",
    ];
    prop_oneof![
        2 => Just(json!("kms:*")),
        1 => Just(json!("*")),
        4 => subsequence(some.to_vec(), 1..=3).prop_map(|texts| json!(texts)),
    ]
}

fn resource() -> impl Strategy<Value = Value> {
    select(vec![
        json!("*"),
        json!("*"),
        json!(KEY),
        json!([
            "arn:aws:kms:*:111122223333:key/*",
            "arn:aws:kms:*:444455556666:key/*"
        ]),
        json!("arn:aws:kms:us-east-1:*:key/*"),
        json!(format!("{}*", &KEY[..50])),
    ])
}

fn condition() -> impl Strategy<Value = Value> {
    select(vec![
        json!({"StringEquals": {"kms:EncryptionContext:a": ["1", "3"]}}),
        json!({"StringNotEquals": {"kms:EncryptionContext:a": "1"}}),
        json!({"ForAnyValue:StringEquals": {"kms:EncryptionContextKeys": ["a", "b"]}}),
        json!({"ForAllValues:StringEquals": {"kms:EncryptionContextKeys": ["a", "b"]}, "Null": {"kms:EncryptionContextKeys": "false"}}),
        json!({"StringEquals": {"kms:ViaService": VIA}}),
        json!({"StringNotLike": {"kms:ViaService": "s3.*"}}),
        json!({"StringEqualsIfExists": {"kms:ViaService": [VIA, "ec2.eu-west-1.amazonaws.com"]}}),
        json!({"StringEquals": {"kms:CallerAccount": OWNER}}),
        json!({"StringNotEquals": {"aws:PrincipalAccount": [OWNER]}}),
        json!({"StringLike": {"aws:PrincipalTag/team": ["r?d", "green"]}}),
        json!({"StringNotEquals": {"aws:PrincipalTag/team": "${aws:PrincipalTag/TEAM, 'none'}"}}),
        json!({"ArnLike": {"aws:PrincipalArn": ["arn:aws:iam::*:user/*", "arn:aws:iam::*:role/x/*"]}}),
        json!({"Null": {"kms:EncryptionContext:b": "true"}}),
        json!({"Bool": {"aws:SecureTransport": "true"}, "IpAddress": {"aws:SourceIp": ["203.0.113.0/24"]}}),
    ])
}

/// A statement; `named` says whether it has principals.
fn statement(named: bool) -> impl Strategy<Value = Value> {
    (
        prop_oneof![3 => Just("Allow"), 1 => Just("Deny")],
        principal(),
        actions(),
        prop::bool::weighted(0.1),
        resource(),
        prop::option::weighted(0.4, condition()),
    )
        .prop_map(
            move |(effect, principal, actions, negated, resource, condition)| {
                let mut statement = json!({"Effect": effect});
                statement[if negated { "NotAction" } else { "Action" }] = actions;
                statement["Resource"] = if named { json!("*") } else { resource };
                if named {
                    statement["Principal"] = principal;
                }
                if let Some(condition) = condition {
                    statement["Condition"] = condition;
                }
                statement
            },
        )
}

fn policy(named: bool, most: usize) -> impl Strategy<Value = Value> {
    prop::collection::vec(statement(named), 1..=most)
        .prop_map(|statements| json!({"Version": "2012-10-17", "Statement": statements}))
}

fn constraints() -> impl Strategy<Value = Value> {
    prop_oneof![
        2 => Just(json!({})),
        2 => pairs().prop_map(|pairs| json!({"encryptionContextSubset": pairs})),
        1 => pairs().prop_map(|pairs| json!({"encryptionContextEquals": pairs})),
    ]
}

const OPERATIONS: [&str; 4] = ["Decrypt", "Encrypt", "GenerateDataKey", "DescribeKey"];

fn grant() -> impl Strategy<Value = Value> {
    let grantee = select(vec![
        CALLERS[0].arn,
        CALLERS[2].entity,
        CALLERS[2].arn,
        CALLERS[3].arn,
        CALLERS[5].arn,
    ]);
    (grantee, subsequence(OPERATIONS.to_vec(), 1..=3), constraints()).prop_map(|(grantee, operations, constraints)| {
        json!({"grantId": "g", "granteePrincipal": grantee, "operations": operations, "constraints": constraints})
    })
}

fn grants(most: usize) -> impl Strategy<Value = Vec<Value>> {
    prop::collection::vec(grant(), 0..=most).prop_map(|mut grants| {
        for (at, grant) in grants.iter_mut().enumerate() {
            grant["grantId"] = json!(format!("g{at}"));
        }
        grants
    })
}

#[derive(Clone, Debug)]
struct World {
    request: Request,
    key: Value,
    identity: Vec<Value>,
    boundary: Option<Value>,
    session: Option<Value>,
    scps: Vec<Vec<Value>>,
    grants: Vec<Value>,
}

/// A policy that allows everything, so that a layer does not always deny.
fn open() -> Value {
    json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]})
}

/// A layer that must allow: often open.
fn layer() -> impl Strategy<Value = Value> {
    prop_oneof![3 => Just(open()), 1 => policy(false, 2)]
}

fn world() -> impl Strategy<Value = World> {
    let enabling = json!({"Effect": "Allow", "Principal": {"AWS": [OWNER, OTHER]}, "Action": "kms:*", "Resource": "*"});
    (
        request(),
        (policy(true, 3), any::<bool>()).prop_map(move |(mut policy, enables)| {
            if enables {
                policy["Statement"]
                    .as_array_mut()
                    .unwrap()
                    .push(enabling.clone());
            }
            policy
        }),
        prop::collection::vec(policy(false, 3), 0..=2),
        prop::option::weighted(0.2, layer()),
        prop::option::weighted(0.2, layer()),
        prop::collection::vec(prop::collection::vec(layer(), 1..=2), 0..=1),
        grants(3),
    )
        .prop_map(
            |(request, key, identity, boundary, session, scps, grants)| {
                let is_session = request.caller.arn.contains(":assumed-role/");
                let is_root = request.caller.arn.ends_with(":root");
                World {
                    key,
                    identity: if is_root { Vec::new() } else { identity },
                    boundary: boundary.filter(|_| !is_root),
                    session: session.filter(|_| is_session),
                    scps,
                    grants,
                    request,
                }
            },
        )
}

impl World {
    fn line(&self) -> Value {
        let Request {
            caller,
            action,
            pairs,
            via,
        } = &self.request;
        let mut context = json!({
            "aws:PrincipalArn": caller.entity, "aws:PrincipalAccount": caller.account, "kms:CallerAccount": caller.account,
            "aws:SecureTransport": "true", "aws:SourceIp": "203.0.113.10", "aws:RequestedRegion": "eu-west-1",
        });
        if let Some(team) = caller.team {
            context["aws:PrincipalTag/team"] = json!(team);
        }
        if *via {
            context["kms:ViaService"] = json!(VIA);
        }
        // Of names that differ in letter case alone each counts (CK-59): every pair speaks under its own spelling.
        for (key, value) in pairs {
            context[format!("kms:EncryptionContext:{key}")] = value.clone();
        }
        if !pairs.is_empty() {
            context["kms:EncryptionContextKeys"] = json!(pairs.keys().collect::<Vec<_>>());
        }
        let identity: Vec<Value> = self
            .identity
            .iter()
            .map(|policy| json!({"policy": policy}))
            .collect();
        let mut policies = json!({"identity": identity, "key": self.key, "scps": self.scps, "grants": self.grants});
        if let Some(boundary) = &self.boundary {
            policies["boundary"] = boundary.clone();
        }
        if let Some(session) = &self.session {
            policies["session"] = session.clone();
        }
        json!({
            "id": 0,
            "request": {
                "principal": caller.arn, "principalEntity": caller.entity, "action": action, "resource": KEY,
                "resourceAccount": OWNER, "encryptionContext": pairs, "context": context,
            },
            "policies": policies,
        })
    }

    fn decide(&self) -> String {
        decide(&self.line())
    }
}

fn decide(line: &Value) -> String {
    let mut output = Vec::new();
    decide_lines(line.to_string().as_bytes(), &mut output).unwrap();
    let answer: Value = serde_json::from_slice(&output).unwrap();
    match answer["decision"].as_str() {
        Some(decision) => decision.to_owned(),
        None => panic!("{answer}: {line}"),
    }
}

/// How often each thing came up.
#[derive(Default)]
struct Mix {
    cases: Cell<u32>,
    allow: Cell<u32>,
    explicit: Cell<u32>,
    implicit: Cell<u32>,
}

impl Mix {
    fn count(&self, decision: &str) {
        let add = |cell: &Cell<u32>| cell.set(cell.get() + 1);
        add(&self.cases);
        match decision {
            "allow" => add(&self.allow),
            "explicitDeny" => add(&self.explicit),
            _ => add(&self.implicit),
        }
    }

    /// Each decision is at least `percent` of all.
    fn assert(&self, percent: u32) {
        for (what, cell) in [
            ("allow", &self.allow),
            ("explicit", &self.explicit),
            ("implicit", &self.implicit),
        ] {
            let share = cell.get() * 100 / self.cases.get().max(1);
            assert!(
                share >= percent,
                "{what}: {share} % of {}",
                self.cases.get()
            );
        }
    }
}

/// Runs a property on as many cases as `GRANTD_PROPTEST_CASES` says.
fn holds<S: Strategy>(strategy: S, property: impl Fn(S::Value) -> Result<(), TestCaseError>) {
    let cases = std::env::var("GRANTD_PROPTEST_CASES")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(256);
    let config = Config {
        cases,
        failure_persistence: None,
        ..Config::default()
    };
    if let Err(error) = TestRunner::new(config).run(&strategy, property) {
        panic!("{error}");
    }
}

/// D-2, G-3: a statement that denies, added to any layer, decides, whatever allows; and nothing that is added to a denied
/// request lifts the denial.
#[test]
fn deny_is_never_outweighed() {
    let mix = Mix::default();
    let deny = json!({"Effect": "Deny", "Action": "kms:*", "Resource": "*"});
    holds(
        (
            world(),
            0..5usize,
            statement(true),
            statement(false),
            grant(),
        ),
        |(world, layer, on_key, of_caller, grant)| {
            let before = world.decide();
            mix.count(&before);

            let mut denied = world.clone();
            // A root user has no policies of its own, and only a session has policies of a session.
            let is_root = world.request.caller.arn.ends_with(":root");
            let layer = match layer {
                1 | 2 if is_root => 0,
                3 if !world.request.caller.arn.contains(":assumed-role/") => 0,
                layer => layer,
            };
            let of_caller_alone = json!({"Version": "2012-10-17", "Statement": deny});
            match layer {
                0 => {
                    let mut deny = deny.clone();
                    deny["Principal"] = json!("*");
                    denied.key["Statement"].as_array_mut().unwrap().push(deny);
                }
                1 => denied.identity.push(of_caller_alone),
                2 => denied.boundary = Some(of_caller_alone),
                3 => denied.session = Some(of_caller_alone),
                _ => denied.scps.push(vec![open(), of_caller_alone]),
            }
            prop_assert_eq!(denied.decide(), "explicitDeny");

            if before == "explicitDeny" {
                let mut more = world.clone();
                more.key["Statement"]
                    .as_array_mut()
                    .unwrap()
                    .insert(0, on_key);
                if !is_root {
                    more.identity.insert(
                        0,
                        json!({"Version": "2012-10-17", "Statement": [of_caller]}),
                    );
                    more.identity.push(open());
                }
                more.grants.insert(0, grant);
                prop_assert_eq!(more.decide(), "explicitDeny");
            }
            Ok(())
        },
    );
    mix.assert(10);
}

/// G-2, D-10: a grant only adds: what was allowed stays allowed, what was denied explicitly stays so, and what nothing
/// allowed is allowed or as before.
#[test]
fn grant_never_turns_allow_into_deny() {
    let (mix, lifted) = (Mix::default(), Cell::new(0));
    holds((world(), grant(), any::<Index>()), |(world, grant, at)| {
        let before = world.decide();
        mix.count(&before);
        let mut more = world.clone();
        more.grants.insert(at.index(more.grants.len() + 1), grant);
        let after = more.decide();
        match before.as_str() {
            "implicitDeny" => {
                prop_assert_ne!(&after, "explicitDeny");
                lifted.set(lifted.get() + u32::from(after == "allow"));
            }
            _ => prop_assert_eq!(after, before),
        }
        Ok(())
    });
    mix.assert(10);
    assert!(lifted.get() > 0, "some grant allowed something");
}

/// G-12, G-13: a child that its parent lets its grantee make never allows what the parent does not.
#[test]
fn narrower_child_never_allows_what_its_parent_does_not() {
    let (covered, refused, allowed) = (Cell::new(0), Cell::new(0), Cell::new(0));
    let bob = CALLERS[0];
    let any_grant = || (subsequence(OPERATIONS.to_vec(), 1..=4), constraints());
    holds(
        (
            any_grant(),
            any_grant(),
            prop::collection::vec((select(&OPERATIONS[..]), pairs()), 8),
        ),
        |(parent, child, requests)| {
            let grant = |(operations, constraints): &(Vec<&str>, Value), more: &[&str]| {
                let operations: Vec<&str> = operations.iter().chain(more).copied().collect();
                json!({"grantId": "g", "granteePrincipal": bob.arn, "operations": operations, "constraints": constraints})
            };
            let ask = |action: &str, pairs: &Value, context: Value, grant: &Value| {
                decide(&json!({
                    "id": 0,
                    "request": {"principal": bob.arn, "action": action, "resource": KEY, "encryptionContext": pairs, "context": context},
                    "policies": {"grants": [grant]},
                })) == "allow"
            };
            let mut context = json!({"kms:GrantOperations": child.0});
            let mut of_child = json!({});
            for (member, kind) in [
                ("encryptionContextSubset", "EncryptionContextSubset"),
                ("encryptionContextEquals", "EncryptionContextEquals"),
            ] {
                // An empty map counts as absent (U-21).
                if child.1[member]
                    .as_object()
                    .is_some_and(|pairs| !pairs.is_empty())
                {
                    context["kms:GrantConstraintType"] = json!(kind);
                    of_child = child.1[member].clone();
                }
            }
            let may_make = ask(
                "kms:CreateGrant",
                &of_child,
                context,
                &grant(&parent, &["CreateGrant"]),
            );
            let count = if may_make { &covered } else { &refused };
            count.set(count.get() + 1);
            if may_make {
                let (parent, child) = (grant(&parent, &[]), grant(&child, &[]));
                for (operation, pairs) in requests {
                    let (action, pairs) = (format!("kms:{operation}"), Value::Object(pairs));
                    if ask(&action, &pairs, json!({}), &child) {
                        allowed.set(allowed.get() + 1);
                        prop_assert!(ask(&action, &pairs, json!({}), &parent), "{action} {pairs}");
                    }
                }
            }
            Ok(())
        },
    );
    let (covered, refused, allowed) = (covered.get(), refused.get(), allowed.get());
    assert!(
        covered * 20 > refused && refused * 20 > covered,
        "{covered} covered, {refused} refused"
    );
    assert!(allowed > covered / 4, "children allowed {allowed} times");
}

/// Turns every list and object about, and lets some entries of lists stand twice.
fn disturbed(value: &Value, seed: &mut u64) -> Value {
    let mut roll = |below: usize| {
        *seed = seed
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(*seed >> 33).unwrap() % below
    };
    match value {
        Value::Array(items) => {
            let mut mixed: Vec<&Value> = Vec::new();
            for item in items {
                mixed.insert(roll(mixed.len() + 1), item);
                if roll(3) == 0 {
                    mixed.insert(roll(mixed.len() + 1), item);
                }
            }
            mixed
                .into_iter()
                .map(|item| disturbed(item, seed))
                .collect()
        }
        Value::Object(members) => {
            let mut mixed: Vec<(&String, &Value)> = Vec::new();
            for member in members {
                mixed.insert(roll(mixed.len() + 1), member);
            }
            let mixed = mixed
                .into_iter()
                .map(|(name, value)| (name.clone(), disturbed(value, seed)));
            Value::Object(mixed.collect())
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value.clone(),
    }
}

/// G-5, G-25, P-26, C-1: order and duplicates of statements, policies, principals, actions, values, operations, pairs and
/// grants carry no meaning.
#[test]
fn order_and_duplicates_do_not_matter() {
    let mix = Mix::default();
    holds((world(), any::<u64>()), |(world, mut seed)| {
        let line = world.line();
        let before = decide(&line);
        mix.count(&before);
        let changed = disturbed(&line, &mut seed);
        prop_assert_eq!(decide(&changed), before, "{}", changed);
        Ok(())
    });
    mix.assert(10);
}

/// The index of grants finds what a scan of all of them finds: a whole state, which looks grants up by their grantees,
/// decides like `decide`, which is handed every grant. Policies are looked up there too, and condition keys computed.
#[test]
fn index_finds_what_a_full_scan_finds() {
    let (mix, by_grant) = (Mix::default(), Cell::new(0));
    holds((world(), grants(24)), |(mut world, many)| {
        world.grants = many;
        world.boundary = None;
        world.scps = Vec::new();
        let line = world.line();
        let decision = decide(&line);
        mix.count(&decision);
        let case = case(&world, &decision);
        let read = read_case(&case).unwrap_or_else(|problem| panic!("{problem}: {case}"));
        match run(&read) {
            Ended::Passed => {}
            other => prop_assert!(
                false,
                "decide says {decision}, the state says {other:?}: {line}"
            ),
        }
        let without = decide(&{
            let mut line = line;
            line["policies"]["grants"] = json!([]);
            line
        });
        by_grant.set(by_grant.get() + u32::from(without != decision));
        Ok(())
    });
    mix.assert(10);
    assert!(
        by_grant.get() * 20 > mix.cases.get(),
        "grants decided {} of {}",
        by_grant.get(),
        mix.cases.get()
    );
}

/// Explain tells the decision that authorize gives, and the lines that make it: a denial names a statement that denies
/// and applies, an allow none of them, but something that allows.
#[test]
fn explain_and_authorize_agree() {
    let mix = Mix::default();
    holds((world(), grants(6)), |(mut world, many)| {
        world.grants = many;
        world.boundary = None;
        world.scps = Vec::new();
        let case = case(&world, "allow");
        let read = read_case(&case).unwrap_or_else(|problem| panic!("{problem}: {case}"));
        let (decision, explanation) = explained(&read).unwrap().unwrap();
        prop_assert_eq!(&decision, &explanation.decision, "{}", case);
        let lines = explanation
            .sections
            .iter()
            .flat_map(|section| &section.lines);
        let applied: Vec<_> = lines.filter(|line| line.applies).collect();
        let denies = applied.iter().any(|line| line.is_deny);
        let told = match decision.outcome() {
            Outcome::Allow => {
                prop_assert!(applied.iter().any(|line| !line.is_deny), "{explanation:?}");
                "allow"
            }
            Outcome::ExplicitDeny => "explicitDeny",
            Outcome::ImplicitDeny => "implicitDeny",
        };
        prop_assert_eq!(denies, told == "explicitDeny", "{:?}", explanation);
        mix.count(told);
        Ok(())
    });
    mix.assert(10);
}

/// A world as a case that expects a decision.
fn case(world: &World, decision: &str) -> Value {
    let mut principals = Map::new();
    for caller in CALLERS
        .iter()
        .filter(|caller| !caller.entity.ends_with(":root"))
    {
        let is_caller = caller.arn == world.request.caller.arn;
        let tags = caller.team.map_or(json!({}), |team| json!({"team": team}));
        principals.insert(
            caller.entity.to_owned(),
            json!({
                "type": if caller.entity.contains(":role/") { "role" } else { "user" },
                "tags": tags,
                "identity_policies": if is_caller { json!(world.identity) } else { json!([]) },
            }),
        );
    }
    let grants: Map<String, Value> = world
        .grants
        .iter()
        .map(|grant| {
            let constraints = &grant["constraints"];
            let mut shown = json!({});
            for (from, to) in [
                ("encryptionContextEquals", "EncryptionContextEquals"),
                ("encryptionContextSubset", "EncryptionContextSubset"),
            ] {
                if constraints[from]
                    .as_object()
                    .is_some_and(|pairs| !pairs.is_empty())
                {
                    shown[to] = constraints[from].clone();
                }
            }
            let value = json!({
                "key": "K", "grantee": grant["granteePrincipal"], "operations": grant["operations"],
                "constraints": shown, "issuing_account": OWNER,
            });
            (grant["grantId"].as_str().unwrap().to_owned(), value)
        })
        .collect();
    let Request {
        caller,
        action,
        pairs,
        via,
    } = &world.request;
    let mut request = json!({"principal": caller.arn, "action": action, "key_id": KEY, "encryption_context": pairs});
    if caller.arn.contains(":assumed-role/") {
        request["session_of"] = json!(caller.entity);
        if let Some(session) = &world.session {
            request["session_policy"] = session.clone();
        }
    }
    if *via {
        request["via_service"] = json!(VIA);
    }
    let expected = match decision {
        "allow" => "allow",
        "explicitDeny" => "explicit_deny",
        _ => "implicit_deny",
    };
    json!({
        "id": "P-1", "group": "P", "title": "made up", "kind": "authz", "rules": ["D-1"], "evidence": "derived", "source": "[S0]",
        "world": {
            "region": "eu-west-1",
            "accounts": {OWNER: {}, OTHER: {}},
            "principals": principals,
            "keys": {"K": {
                "arn": KEY, "spec": "SYMMETRIC_DEFAULT", "usage": "ENCRYPT_DECRYPT", "origin": "AWS_KMS", "state": "Enabled",
                "tags": {}, "aliases": [], "policy": world.key,
            }},
            "grants": grants,
        },
        "request": request,
        "expected": {"decision": expected},
    })
}
