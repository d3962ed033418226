//! Keys, aliases, tags, regions, custom key stores.

use serde_json::{Value, json};

use super::story::Story;
use super::{ACCOUNT, ALICE, OPERATOR, ROOT};

/// A key that the account's identity policies decide about; its ARN.
pub fn key_is_made_and_described(story: &mut Story) -> String {
    let made = story.ok(
        ROOT,
        &[
            "key",
            "create",
            "--description",
            "orders",
            "--tag",
            "team=blue",
        ],
    );
    let key = made["KeyMetadata"]["Arn"].as_str().unwrap().to_owned();
    let listed = story.ok(ROOT, &["key", "list"]);
    assert_eq!(listed["Keys"][0]["KeyArn"], json!(key));
    let usage = story.ok(ROOT, &["key", "get-last-usage", &key]);
    assert_eq!(usage["KeyLastUsage"], json!({}));
    assert_eq!(usage["TrackingStartDate"], usage["KeyCreationDate"]);
    let names = story.ok(ROOT, &["key", "list-policies", &key]);
    assert_eq!(names["PolicyNames"], json!(["default"]));
    let policy = story.member(ROOT, &["key", "get-policy", &key], "Policy");
    let file = story.file("key-policy.json", &policy);
    story.ok(ROOT, &["key", "put-policy", &key, &file]);
    story.ok(
        ROOT,
        &["key", "set-description", &key, "orders of 2026 – naïve €"],
    );
    story.ok(ROOT, &["key", "tag", &key, "cost=", "stage=test"]);
    story.ok(ROOT, &["key", "untag", &key, "cost", "nothing"]);
    let tags = story.ok(ROOT, &["key", "tags", &key]);
    assert_eq!(
        tags["Tags"],
        json!([{"TagKey": "stage", "TagValue": "test"}, {"TagKey": "team", "TagValue": "blue"}])
    );

    story.ok(ROOT, &["alias", "create", "alias/orders", &key]);
    let other = story.member(ROOT, &["key", "create"], "KeyMetadata.KeyId");
    story.ok(ROOT, &["alias", "create", "alias/old-orders", &other]);
    story.ok(ROOT, &["alias", "update", "alias/old-orders", &key]);
    let aliases = story.ok(ROOT, &["alias", "list", "--key", &key]);
    assert_eq!(
        aliases["Aliases"].as_array().unwrap().len(),
        2,
        "{aliases:#}"
    );
    story.ok(ROOT, &["alias", "delete", "alias/old-orders"]);
    let gone = story.fails(ROOT, &["key", "describe", "alias/old-orders"]);
    assert!(
        gone.contains("NotFoundException") && gone.contains("alias list"),
        "{gone}"
    );

    let described = story.ok(ROOT, &["key", "describe", "alias/orders"]);
    assert_eq!(
        described["KeyMetadata"]["Description"],
        "orders of 2026 – naïve €"
    );
    let wrong = story.fails(ROOT, &["key", "describe", &key, "--region", "eu-west-1"]);
    assert!(wrong.contains("--region"), "{wrong}");
    let wrong = story.fails(ROOT, &["key", "list", "--print", "Keys.9"]);
    assert!(wrong.contains("entries 0 to 1"), "{wrong}");
    key
}

fn state(story: &mut Story, key: &str) -> String {
    story.member(ROOT, &["key", "describe", key], "KeyMetadata.KeyState")
}

pub fn key_is_deleted_and_kept(story: &mut Story, key: &str) {
    assert!(story.may(ALICE, "kms:Decrypt", key, &[]));
    story.ok(ROOT, &["key", "disable", key]);
    // Permitted, and refused by the state of the key: what a script asks is answered by no.
    let asked = [
        "authorize",
        "--principal",
        ALICE,
        "--action",
        "kms:Decrypt",
        "--key",
        key,
    ];
    let told = story.exits(OPERATOR, &asked, 1);
    assert_eq!(told["Decision"], "allow");
    assert_eq!(told["Refusal"]["Code"], "DisabledException");
    story.ok(ROOT, &["key", "enable", key]);
    assert!(story.may(ALICE, "kms:Decrypt", key, &[]));

    let early = story.fails(
        ROOT,
        &[
            "key",
            "schedule-deletion",
            key,
            "--pending-window-in-days",
            "6",
        ],
    );
    assert!(early.contains("greater than or equal to 7"), "{early}");
    let scheduled = story.ok(
        ROOT,
        &[
            "key",
            "schedule-deletion",
            key,
            "--pending-window-in-days",
            "7",
        ],
    );
    assert_eq!(scheduled["KeyState"], "PendingDeletion");
    assert!(!story.may(ALICE, "kms:Decrypt", key, &[]));
    story.ok(ROOT, &["key", "cancel-deletion", key]);
    assert_eq!(state(story, key), "Disabled");
    story.ok(ROOT, &["key", "enable", key]);
    assert_eq!(state(story, key), "Enabled");
}

/// ID-46, W-38: a cluster serves the Region that it was made for, until the operator says more; a request for another is
/// refused, and no key goes there.
fn regions_are_served(story: &mut Story, key: &str) {
    let elsewhere = story.fails(ROOT, &["key", "list", "--region", "eu-west-1"]);
    let served = "does not serve the Region eu-west-1 of the partition aws: it serves us-west-2";
    assert!(elsewhere.contains("OptInRequired"), "{elsewhere}");
    assert!(elsewhere.contains(served), "{elsewhere}");
    for caller in [ALICE, OPERATOR] {
        let ask = [
            "authorize",
            "--principal",
            ALICE,
            "--action",
            "kms:ListKeys",
        ];
        let ask = [ask.as_slice(), &["--region", "eu-west-1"]].concat();
        let refused = story.fails(caller, &ask);
        assert!(refused.contains(served), "{refused}");
    }
    for region in ["eu-west-1", "cn-north-1", "nowhere-mars-9"] {
        let refused = story.fails(ROOT, &["key", "replicate", key, region]);
        assert!(
            refused.contains("UnsupportedOperationException"),
            "{refused}"
        );
    }
    let settings = ["cluster", "settings", "--regions"];
    for (regions, said) in [
        (
            "us-west-2,cn-north-1",
            "a cluster serves Regions of one partition",
        ),
        (
            "us-west-2,nowhere-mars-9",
            "there is no Region nowhere-mars-9",
        ),
        ("eu-west-1", "the Region us-west-2 has keys"),
    ] {
        let refused = story.fails(OPERATOR, &[settings.as_slice(), &[regions]].concat());
        assert!(refused.contains(said), "{refused}");
    }
    let told = story.ok(
        OPERATOR,
        &[settings.as_slice(), &["us-west-2,eu-west-1"]].concat(),
    );
    assert_eq!(
        told["Settings"]["Regions"],
        json!(["eu-west-1", "us-west-2"])
    );
    story.ok(ROOT, &["key", "list", "--region", "eu-west-1"]);
}

pub fn key_spans_regions(story: &mut Story) {
    let here = story.member(
        ROOT,
        &["key", "create", "--multi-region"],
        "KeyMetadata.Arn",
    );
    regions_are_served(story, &here);
    let there = story.member(
        ROOT,
        &[
            "key",
            "replicate",
            &here,
            "eu-west-1",
            "--description",
            "copy",
        ],
        "ReplicaKeyMetadata.Arn",
    );
    assert_eq!(there, here.replace("us-west-2", "eu-west-1"));
    story.ok(ROOT, &["key", "update-primary-region", &here, "eu-west-1"]);
    let kind = story.member(
        ROOT,
        &["key", "describe", &there, "--region", "eu-west-1"],
        "KeyMetadata.MultiRegionConfiguration.MultiRegionKeyType",
    );
    assert_eq!(kind, "PRIMARY");
    let elsewhere = story.fails(ROOT, &["key", "update-primary-region", &there, "us-west-2"]);
    assert!(
        elsewhere.contains("help: that ARN is of another Region"),
        "{elsewhere}"
    );
}

pub fn key_lives_in_a_custom_key_store(story: &mut Story) {
    let password = story.file("password", "kmsPswd1\n");
    let anchor = story.file("anchor.pem", "-----BEGIN CERTIFICATE-----\n");
    connector_tells_what_it_knows(story, &anchor);
    let store = story.member(
        ROOT,
        &[
            "key-store",
            "create",
            "hsm",
            "--cluster",
            "cluster-abcdefghijk",
            "--trust-anchor-file",
            &anchor,
            "--password-file",
            &password,
        ],
        "CustomKeyStoreId",
    );
    let create = [
        "key",
        "create",
        "--origin",
        "AWS_CLOUDHSM",
        "--custom-key-store",
        &store,
    ];
    let early = story.fails(ROOT, &create);
    assert!(
        early.contains("CustomKeyStoreInvalidStateException"),
        "{early}"
    );
    story.ok(ROOT, &["key-store", "connect", &store]);
    // The connector of the operator is told, connects, and reports.
    let work = story.ok(OPERATOR, &["key-store", "work"]);
    let waiting = &work["Work"][0];
    assert_eq!(
        waiting["CustomKeyStore"]["CustomKeyStoreId"],
        json!(store),
        "{work:#}"
    );
    let attempt = waiting["Attempt"].to_string();
    story.ok(
        OPERATOR,
        &[
            "key-store",
            "report",
            &store,
            "connected",
            "--attempt",
            &attempt,
        ],
    );
    assert_eq!(of_store(story, &store)["ConnectionState"], "CONNECTED");
    let key = story.member(ROOT, &create, "KeyMetadata.KeyId");
    assert_eq!(state(story, &key), "Enabled");

    story.ok(ROOT, &["key-store", "disconnect", &store]);
    assert_eq!(state(story, &key), "Unavailable");
    story.ok(OPERATOR, &["key-store", "report", &store, "disconnected"]);
    story.ok(ROOT, &["key-store", "update", &store, "--name", "vault"]);
    assert_eq!(of_store(story, &store)["CustomKeyStoreName"], "vault");
    let full = story.fails(ROOT, &["key-store", "delete", &store]);
    assert!(full.contains("CustomKeyStoreHasCMKsException"), "{full}");
}

fn of_store(story: &mut Story, store: &str) -> Value {
    let listed = story.ok(ROOT, &["key-store", "list", "--id", store]);
    listed["CustomKeyStores"][0].clone()
}

/// K-11: what the connector told is known; a cluster that it did not name is not there.
fn connector_tells_what_it_knows(story: &mut Story, anchor: &str) {
    let mut tell = |what: &[&str]| {
        let line = [
            ["key-store", "backend"].as_slice(),
            what,
            &["--account", ACCOUNT],
        ]
        .concat();
        story.ok(OPERATOR, &line)
    };
    let (proxy, path) = ("https://xks.example.com", "/kms/xks/v1");
    tell(&[
        "cluster",
        "cluster-abcdefghijk",
        "--trust-anchor-file",
        anchor,
    ]);
    tell(&["proxy", proxy, path]);
    tell(&["external-key", proxy, path, "key-1"]);
    let service = "com.amazonaws.vpce.us-west-2.vpce-svc-0a1b";
    tell(&["vpc-service", service]);
    tell(&["forget", service]);
    let known = tell(&["list"]);
    let names: Vec<&str> = known["Backends"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["Name"].as_str().unwrap())
        .collect();
    assert_eq!(
        names,
        [
            "cluster-abcdefghijk",
            "https://xks.example.com/kms/xks/v1",
            "https://xks.example.com/kms/xks/v1#key-1"
        ]
    );
    let elsewhere = [
        "key-store",
        "create",
        "other",
        "--cluster",
        "cluster-zzzzzzzzzzz",
        "--trust-anchor-file",
        anchor,
        "--password-file",
        anchor,
    ];
    let refused = story.fails(ROOT, &elsewhere);
    assert!(
        refused.contains("CloudHsmClusterNotFoundException"),
        "{refused}"
    );
}
