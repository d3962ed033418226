//! Grants from their creation to their end.

use serde_json::json;

use super::story::Story;
use super::{ALICE, BOB, ROOT};

pub fn grants_are_made_used_and_ended(story: &mut Story, key: &str) {
    assert!(!story.may(BOB, "kms:Decrypt", key, &[]));
    let create = [
        "grant",
        "create",
        key,
        "--grantee",
        BOB,
        "--operations",
        "Decrypt,RetireGrant",
    ];
    let with = |more: &[&'static str]| [create.as_slice(), more].concat();
    // A dry run says what would be, and makes nothing.
    let dry = story.ok(ROOT, &with(&["--dry-run"]));
    assert!(
        dry["DryRun"]
            .as_str()
            .unwrap()
            .contains("would have succeeded"),
        "{dry:#}"
    );
    let dry = story.fails(BOB, &with(&["--dry-run"]));
    assert!(dry.contains("AccessDeniedException"), "{dry}");
    assert_eq!(story.ok(ROOT, &["grant", "list", key])["Grants"], json!([]));

    // G-17: the same request with the same name makes no second grant; with a time it is the same request.
    let named = with(&["--name", "reader", "--expires-at", "2126-12-24T18:00:00Z"]);
    let first = story.member(ROOT, &named, "GrantId");
    assert_eq!(story.member(ROOT, &named, "GrantId"), first);
    let listed = story.ok(ROOT, &["grant", "list", key, "--grant-id", &first]);
    assert_eq!(
        listed["Grants"][0]["ExpirationDate"],
        "2126-12-24T18:00:00Z"
    );
    let past = story.fails(ROOT, &with(&["--expires-at", "2001-01-01"]));
    assert!(past.contains("not after the cluster's time"), "{past}");
    let never = story.fails(ROOT, &with(&["--expires-at", "tomorrow"]));
    assert!(never.contains("want ISO 8601"), "{never}");

    // By its token at every node at once, by the grant itself afterwards.
    let pair = ["--encryption-context", "tenant=1"];
    let token = story.member(
        ROOT,
        &with(&["--context-subset", "tenant=1", "--expires-in", "8h"]),
        "GrantToken",
    );
    assert!(story.may(
        BOB,
        "kms:Decrypt",
        key,
        &[pair.as_slice(), &["--grant-token", &token]].concat()
    ));
    let held = story.ok(ROOT, &["grant", "list", "--grantee", BOB]);
    assert_eq!(held["Grants"].as_array().unwrap().len(), 2, "{held:#}");
    story.ok(BOB, &["grant", "retire", "--token", &token]);

    for _ in 0..2 {
        story.ok(ROOT, &with(&["--retiring", ALICE]));
    }
    let twins = story.ok(ROOT, &["grant", "duplicates", key]);
    assert_eq!(twins["Duplicates"][0]["Count"], 2, "{twins:#}");
    let retirable = story.ok(ROOT, &["grant", "list-retirable", "--retiring", ALICE]);
    let twin = retirable["Grants"][1]["GrantId"]
        .as_str()
        .unwrap()
        .to_owned();
    story.ok(ALICE, &["grant", "retire", key, &twin, "--dry-run"]);
    story.ok(ALICE, &["grant", "retire", key, &twin]);

    // A budget is spent by Consume alone.
    let budget = [
        "grant",
        "create",
        key,
        "--grantee",
        BOB,
        "--operations",
        "Encrypt",
        "--uses",
        "1",
    ];
    let budget = story.member(ROOT, &budget, "GrantId");
    assert!(!story.may(BOB, "kms:Encrypt", key, &[]));
    let reached = story.ok(ROOT, &["access", "who-can", key, "kms:Encrypt"]);
    let of_bob = reached["Access"].as_array().unwrap().iter();
    let of_bob = of_bob
        .filter(|one| one["Principal"] == BOB)
        .collect::<Vec<_>>();
    assert!(
        of_bob[0]["Conditions"][0]
            .as_str()
            .unwrap()
            .contains("1 use left"),
        "{reached:#}"
    );
    let consume = ["grant", "consume", key, "Encrypt", "--grant-id", &budget];
    let spent = story.ok(BOB, &consume);
    assert_eq!(spent["UsesLeft"], 0);
    let empty = story.fails(BOB, &consume);
    assert!(empty.contains("has no uses left"), "{empty}");
    let reached = story.ok(ROOT, &["access", "who-can", key, "kms:Encrypt"]);
    assert!(
        reached["Access"]
            .as_array()
            .unwrap()
            .iter()
            .all(|one| one["Principal"] != BOB),
        "{reached:#}"
    );
    let figures = story.ok(ROOT, &["grant", "figures", key]);
    assert_eq!(
        (&figures["Grants"], &figures["Quota"]),
        (&json!(3), &json!(1000))
    );

    // A grant made by a grant ends with it, if that is asked for.
    let parent = [
        "grant",
        "create",
        key,
        "--grantee",
        BOB,
        "--operations",
        "Decrypt,CreateGrant",
    ];
    let parent = story.member(ROOT, &parent, "GrantId");
    let child = [
        "grant",
        "create",
        key,
        "--grantee",
        ALICE,
        "--operations",
        "Decrypt",
    ];
    let child = story.member(BOB, &child, "GrantId");
    let revoke = ["grant", "revoke", key, &parent, "--descendants"];
    story.ok(ROOT, &revoke);
    let gone = story.fails(ROOT, &["grant", "revoke", key, &child]);
    assert!(gone.contains("grant list KEY"), "{gone}");
    let table = story.text(ROOT, &["grant", "list", key, "--output", "table"]);
    assert!(
        table.contains("GranteePrincipal") && table.contains(BOB),
        "{table}"
    );
    let widest = table.lines().map(|line| line.chars().count()).max();
    assert!(widest.unwrap() <= 200, "{table}");
}
