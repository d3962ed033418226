//! The whole command line as one story: the built binary, run as processes against a cluster of processes, each command
//! and subcommand at least once.
//!
//! What each part asserts is what the commands print and how they exit. The last test of the story is that it left no
//! command of the command line out.

mod grants;
mod keys;
mod people;
mod questions;
mod story;
mod walk;

use std::fs;

use serde_json::json;

use self::story::Story;

/// The account of the story; its organization's management account; an account of partners.
const ACCOUNT: &str = "111122223333";
const MANAGEMENT: &str = "777788889999";
const PARTNER: &str = "444455556666";

const OPERATOR: &str = "operator";
const ROOT: &str = "arn:aws:iam::111122223333:root";
const ALICE: &str = "arn:aws:iam::111122223333:user/Alice";
const BOB: &str = "arn:aws:iam::111122223333:user/team/Bob";

#[test]
fn story_uses_every_command_of_the_command_line() {
    let mut story = Story::begin();
    cluster_is_made(&mut story);
    people::accounts_form_an_organization(&mut story);
    people::identities_are_limited_by_boundaries_and_groups(&mut story);
    let key = keys::key_is_made_and_described(&mut story);
    people::control_policies_and_endpoints_limit_everybody(&mut story, &key);
    grants::grants_are_made_used_and_ended(&mut story, &key);
    questions::answers_are_explained_and_tried_out(&mut story, &key);
    keys::key_is_deleted_and_kept(&mut story, &key);
    keys::key_spans_regions(&mut story);
    keys::key_lives_in_a_custom_key_store(&mut story);
    questions::policies_are_checked_offline(&mut story);
    cluster_is_changed(&mut story);
    story.start("dev", &["dev", "--port", "0"]);
    story.has_used_everything();
}

/// Three nodes from nothing, as the README says.
fn cluster_is_made(story: &mut Story) {
    let key = story.path("seal.key");
    story.text(OPERATOR, &["cluster", "keygen", &key]);
    let again = story.fails(OPERATOR, &["cluster", "keygen", &key]);
    assert!(again.contains("exists already"), "{again}");
    let sample = story.text(OPERATOR, &["config", "sample"]);
    assert!(sample.contains("node_id = 1"), "{sample}");
    for id in 1..=3 {
        let (config, data) = (
            story.path(&format!("node-{id}.toml")),
            story.path(&format!("data-{id}")),
        );
        let text = format!(
            "node_id = {id}\nlisten = \"127.0.0.1:0\"\ndata_dir = {data:?}\nseal_key_file = {key:?}\n"
        );
        fs::write(&config, text).unwrap();
        let checked = story.text(OPERATOR, &["config", "check", &config]);
        assert!(checked.ends_with("is right\n"), "{checked}");
        story.serve(&format!("node-{id}"), &["serve", "--config", &config]);
    }
    let addresses = story.endpoints().to_vec();
    story.ok_at(&addresses[0], &["cluster", "init", "--bound", "5s"]);
    let twice = story.fails_at(&addresses[0], &["cluster", "init"]);
    assert!(twice.contains("belongs to a cluster already"), "{twice}");
    for address in &addresses[1..] {
        let join = [
            "cluster",
            "join",
            "--via",
            &addresses[0],
            "--deadline",
            "60s",
        ];
        let made = story.ok_at(address, &join);
        // Asked again, it is found done.
        let again = story.ok_at(address, &join);
        assert_eq!(made["Incarnation"], again["Incarnation"]);
    }
    let status = story.ok(OPERATOR, &["cluster", "status"]);
    assert_eq!(status["Members"].as_array().unwrap().len(), 3, "{status:#}");
    let settings = story.ok(
        OPERATOR,
        &["cluster", "settings", "--grants-per-key", "1000"],
    );
    assert_eq!(settings["Settings"]["GrantsPerKeyMax"], 1000);
    assert_eq!(settings["Settings"]["MaxStalenessMs"], 5000);
    assert_eq!(settings["Settings"]["ConstraintKeyCase"], "sensitive");
    let switch = ["cluster", "settings", "--constraint-key-case"];
    for case in ["insensitive", "sensitive"] {
        let settings = story.ok(OPERATOR, &[&switch[..], &[case]].concat());
        assert_eq!(settings["Settings"]["ConstraintKeyCase"], case);
    }
    let refused = story.fails(OPERATOR, &[&switch[..], &["any"]].concat());
    assert!(refused.contains("[sensitive, insensitive]"), "{refused}");
    for (line, part) in [
        (&["cluster", "status"][..], "--as operator"),
        (&["account", "list"], "--as operator"),
        (&["cluster", "settings"], "--as operator"),
    ] {
        // Nobody's root is known yet, and the cluster is the operator's.
        let refused = story.fails(ROOT, line);
        assert!(
            refused.contains(part) || refused.contains("does not exist"),
            "{line:?}: {refused}"
        );
    }
}

/// The last pages: tokens are revoked, a node leaves.
fn cluster_is_changed(story: &mut Story) {
    let refused = story.fails(OPERATOR, &["cluster", "open", "--gap", "7"]);
    assert!(refused.contains("the cluster is open"), "{refused}");
    let (nowhere, new) = (story.path("nowhere"), story.path("new"));
    let force = ["cluster", "force-new", "--advertise", "127.0.0.1:1"];
    let folders = ["--data-dir", &nowhere, "--into", &new];
    let key = ["--seal-key-file", &nowhere];
    let refused = story.fails(OPERATOR, &[&force[..], &folders, &key].concat());
    assert!(refused.contains("the seal key cannot be read"), "{refused}");
    let refused = story.fails(OPERATOR, &["cluster", "raise-semantics", "2"]);
    assert!(refused.contains("node 1 knows 1 at most"), "{refused}");
    let rotated = story.ok(OPERATOR, &["cluster", "rotate-token-epoch"]);
    assert_eq!(rotated["Epoch"], 2);
    story.ok(OPERATOR, &["cluster", "revoke-token-epoch", "1"]);
    let refused = story.fails(OPERATOR, &["cluster", "revoke-token-epoch", "7"]);
    assert!(refused.contains("tokens are honoured of 2"), "{refused}");
    story.ok(OPERATOR, &["cluster", "remove", "3", "--deadline", "60s"]);
    // The endpoints are still three, and one of them is no member any more.
    let status = story.exits(OPERATOR, &["cluster", "status"], 1);
    let members: Vec<_> = status["Members"].as_array().unwrap().iter().collect();
    assert_eq!(
        members
            .iter()
            .map(|m| m["NodeId"].clone())
            .collect::<Vec<_>>(),
        [json!(1), json!(2)]
    );
    let words = story.text(OPERATOR, &["completions", "bash"]);
    assert!(words.contains("what-if"));
}
