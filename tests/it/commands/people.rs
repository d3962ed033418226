//! Accounts, organizations, users, roles, groups, endpoints.

use serde_json::json;

use super::story::Story;
use super::{ACCOUNT, ALICE, BOB, MANAGEMENT, OPERATOR, PARTNER, ROOT};

const OPS: &str = "arn:aws:iam::111122223333:group/Ops";
const CAROL: &str = "arn:aws:iam::111122223333:user/Carol";
const DEPLOY: &str = "arn:aws:iam::111122223333:role/Deploy";
const LINKED: &str = "arn:aws:iam::111122223333:role/aws-service-role/autoscaling.amazonaws.com/L";
const MANAGER: &str = "arn:aws:iam::777788889999:root";

fn allow(action: &str) -> String {
    format!(
        r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Action":"{action}","Resource":"*"}}]}}"#
    )
}

fn entries<'v>(answer: &'v serde_json::Value, list: &str, member: &str) -> Vec<&'v str> {
    let list = answer[list].as_array().unwrap();
    list.iter()
        .map(|one| one[member].as_str().unwrap())
        .collect()
}

fn names(answer: &serde_json::Value) -> Vec<&str> {
    let list = answer["PolicyNames"].as_array().unwrap();
    list.iter().map(|name| name.as_str().unwrap()).collect()
}

pub fn accounts_form_an_organization(story: &mut Story) {
    for account in [ACCOUNT, MANAGEMENT, PARTNER] {
        story.ok(OPERATOR, &["account", "create", account, "--name", "a"]);
    }
    let refused = story.fails(ROOT, &["account", "create", "123456789012"]);
    assert!(refused.contains("--as operator"), "{refused}");
    let listed = story.ok(OPERATOR, &["account", "list"]);
    assert_eq!(
        entries(&listed, "Accounts", "AccountId"),
        [ACCOUNT, PARTNER, MANAGEMENT]
    );

    story.ok(OPERATOR, &["organization", "create", MANAGEMENT]);
    let root = story.member(
        OPERATOR,
        &["organization", "list"],
        "Organizations.0.RootId",
    );
    for account in [ACCOUNT, PARTNER] {
        story.ok(OPERATOR, &["organization", "add-account", account, &root]);
    }
    let unit = story.member(
        MANAGER,
        &["organization", "create-unit", &root, "Work"],
        "OrganizationalUnit.NodeId",
    );
    let spare = story.member(
        MANAGER,
        &["organization", "create-unit", &unit, "Spare"],
        "OrganizationalUnit.NodeId",
    );
    story.ok(MANAGER, &["organization", "move-account", ACCOUNT, &unit]);
    let below = story.ok(MANAGER, &["organization", "list-nodes", &unit]);
    assert_eq!(entries(&below, "Nodes", "NodeId"), [&spare, ACCOUNT]);
    let full = story.fails(MANAGER, &["organization", "delete-unit", &unit]);
    assert!(full.contains("DeleteConflict"), "{full}");
    story.ok(MANAGER, &["organization", "delete-unit", &spare]);
    story.ok(MANAGER, &["organization", "remove-account", PARTNER]);
    let nowhere = story.fails(MANAGER, &["organization", "move-account", PARTNER, &unit]);
    assert!(nowhere.contains("is in no organization"), "{nowhere}");

    // An organization of one account can be made and ended.
    let id = story.member(
        OPERATOR,
        &["organization", "create", PARTNER, "--id", "o-partner001"],
        "Organization.OrganizationId",
    );
    assert_eq!(id, "o-partner001");
    story.ok(
        "arn:aws:iam::444455556666:root",
        &["organization", "delete", &id],
    );
}

pub fn identities_are_limited_by_boundaries_and_groups(story: &mut Story) {
    let made = story.ok(
        ROOT,
        &[
            "identity",
            "create",
            ALICE,
            BOB,
            DEPLOY,
            "--tag",
            "team=blue",
        ],
    );
    assert_eq!(entries(&made, "Principals", "Arn"), [ALICE, BOB, DEPLOY]);
    let one = story.ok(ROOT, &["identity", "create", CAROL]);
    assert_eq!(entries(&one, "Principals", "Arn"), [CAROL]);
    story.ok(ROOT, &["identity", "delete", CAROL]);
    let half = story.fails(ROOT, &["identity", "create", CAROL, ALICE]);
    assert!(
        half.contains(&format!("note: done before: {CAROL}\n")),
        "{half}"
    );
    let twice = story.fails(ROOT, &["identity", "create", ALICE]);
    assert!(twice.contains("EntityAlreadyExists"), "{twice}");
    story.ok(ROOT, &["identity", "tag", ALICE, "cost=42", "team=red"]);
    story.ok(ROOT, &["identity", "untag", ALICE, "cost"]);
    let alice = story.ok(ROOT, &["identity", "get", ALICE]);
    assert_eq!(
        alice["Principal"]["Tags"],
        json!([{"TagKey": "team", "TagValue": "red"}])
    );
    let roles = story.ok(ROOT, &["identity", "list", "--kind", "role"]);
    assert_eq!(entries(&roles, "Principals", "Arn"), [DEPLOY]);
    // D-18: a role is linked to a service by who made it.
    let spoofed = story.fails(ROOT, &["identity", "create", LINKED]);
    let text = "Path prefix '/aws-service-role/' can only be used for AWS Service linked Roles";
    assert!(
        spoofed.contains("InvalidInput") && spoofed.contains(text),
        "{spoofed}"
    );
    story.ok(OPERATOR, &["identity", "create", LINKED]);
    let linked = story.ok(ROOT, &["identity", "get", LINKED]);
    assert_eq!(
        linked["Principal"]["LinkedService"],
        "autoscaling.amazonaws.com"
    );
    let kept = story.fails(ROOT, &["identity", "delete", LINKED]);
    assert!(kept.contains("UnmodifiableEntity"), "{kept}");
    story.ok(OPERATOR, &["identity", "delete", LINKED]);

    let all = allow("kms:*");
    story.ok(ROOT, &["identity", "put-policy", ALICE, "All", &all]);
    let put = story.ok(ROOT, &["identity", "get-policy", ALICE, "All"]);
    assert_eq!(put["Policy"], json!(all));
    let file = story.file("describe.json", &allow("kms:DescribeKey"));
    story.ok(ROOT, &["identity", "put-policy", ALICE, "Describe", &file]);
    let listed = story.ok(ROOT, &["identity", "list-policies", ALICE]);
    assert_eq!(names(&listed), ["All", "Describe"]);
    story.ok(ROOT, &["identity", "delete-policy", ALICE, "Describe"]);
    let gone = story.fails(ROOT, &["identity", "delete-policy", ALICE, "Describe"]);
    assert!(gone.contains("help: `list-policies`"), "{gone}");
    for bad in ["", "[]", "no/such/file", r#"{"Version":"2012-10-17"}"#] {
        let refused = story.fails(ROOT, &["identity", "put-policy", ALICE, "Bad", bad]);
        assert!(refused.starts_with("error: "), "{bad}: {refused}");
    }

    // A boundary gives nothing and takes away what it does not name.
    let ask = |story: &mut Story| story.may(ALICE, "kms:ListKeys", "alias/none", &[]);
    assert!(ask(story));
    story.ok(
        ROOT,
        &["identity", "put-boundary", ALICE, &allow("kms:Decrypt")],
    );
    assert!(!ask(story));
    story.ok(ROOT, &["identity", "delete-boundary", ALICE]);
    assert!(ask(story));

    story.ok(ROOT, &["group", "create", OPS]);
    story.ok(ROOT, &["group", "add", OPS, ALICE, BOB]);
    story.ok(ROOT, &["group", "remove", OPS, ALICE]);
    let group = story.ok(ROOT, &["group", "get", OPS]);
    assert_eq!(group["Users"], json!([BOB]), "{group:#}");
    let of_bob = story.ok(ROOT, &["group", "list", "--user", BOB]);
    assert_eq!(entries(&of_bob, "Groups", "Arn"), [OPS]);
    assert!(!story.may(BOB, "kms:ListKeys", "alias/none", &[]));
    story.ok(
        ROOT,
        &["group", "put-policy", OPS, "List", &allow("kms:ListKeys")],
    );
    assert!(story.may(BOB, "kms:ListKeys", "alias/none", &[]));
    story.ok(ROOT, &["group", "get-policy", OPS, "List"]);
    let policies = story.ok(ROOT, &["group", "list-policies", OPS]);
    assert_eq!(names(&policies), ["List"]);
    let full = story.fails(ROOT, &["group", "delete", OPS]);
    assert!(full.contains("DeleteConflict"), "{full}");
    story.ok(ROOT, &["group", "delete-policy", OPS, "List"]);
    story.ok(ROOT, &["group", "remove", OPS, BOB]);
    story.ok(ROOT, &["group", "delete", OPS]);
    story.ok(ROOT, &["identity", "delete", DEPLOY]);
    let gone = story.fails(ROOT, &["identity", "get", DEPLOY]);
    assert!(gone.contains("NoSuchEntity"), "{gone}");
}

pub fn control_policies_and_endpoints_limit_everybody(story: &mut Story, key: &str) {
    let deny = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"kms:Encrypt","Resource":"*"}]}"#;
    let deny_all = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Principal":"*","Action":"kms:Sign","Resource":"*"}]}"#;
    assert!(story.may(ROOT, "kms:Encrypt", key, &[]));
    for (kind, policy) in [("scp", deny), ("rcp", deny_all)] {
        let at = |verb: &'static str| ["organization", verb, ACCOUNT, kind];
        let named = |verb| [at(verb).as_slice(), &["Deny"]].concat();
        story.ok(
            MANAGER,
            &[named("put-policy").as_slice(), &[policy]].concat(),
        );
        let put = story.ok(MANAGER, &named("get-policy"));
        assert_eq!(put["Policy"], json!(policy));
        let listed = story.ok(MANAGER, &at("list-policies"));
        assert!(names(&listed).contains(&"Deny"), "{listed:#}");
        if kind == "scp" {
            // D-3: an SCP limits the root user of a member account, too.
            assert!(!story.may(ROOT, "kms:Encrypt", key, &[]));
        }
        story.ok(MANAGER, &named("delete-policy"));
    }
    assert!(story.may(ROOT, "kms:Encrypt", key, &[]));
    // D-20: a session of the root user does what its task policy allows.
    for (action, is_allowed) in [("kms:*", true), ("s3:*", false)] {
        let task = allow(action);
        let task = ["--session-policy", &task];
        assert_eq!(story.may(ROOT, "kms:Encrypt", key, &task), is_allowed);
    }

    let only_decrypt = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"kms:Decrypt","Resource":"*"}]}"#;
    let id = "vpce-1a2b3c4d";
    let through = ["--context", "aws:SourceVpce=vpce-1a2b3c4d"];
    story.ok(
        OPERATOR,
        &[
            "endpoint",
            "put",
            id,
            "vpc-11aa22bb",
            ACCOUNT,
            "--policy",
            only_decrypt,
        ],
    );
    assert!(story.may(ROOT, "kms:Decrypt", key, &through));
    assert!(!story.may(ROOT, "kms:Encrypt", key, &through));
    let got = story.ok(OPERATOR, &["endpoint", "get", id]);
    assert_eq!(got["VpcEndpoint"]["VpcId"], "vpc-11aa22bb");
    let listed = story.ok(OPERATOR, &["endpoint", "list"]);
    assert_eq!(entries(&listed, "VpcEndpoints", "VpcEndpointId"), [id]);
    story.ok(OPERATOR, &["endpoint", "delete", id]);
    let gone = story.fails(OPERATOR, &["endpoint", "get", id]);
    assert!(gone.contains("help: `grantd endpoint list"), "{gone}");
}
