//! Operations that are asked for in several parts: questions about them say what the operations themselves do.

use proptest::prelude::*;

use super::context::Context;
use super::create_key::MultiRegion;
use super::explain::Explain;
use super::parts::Purpose;
use super::posed::{Posed, Told, Verdict};
use super::replicate_key::tests::{primary_arn, replicate};
use super::testing::{
    ADMIN, ALLOW_ALL, APP, BOB, Cluster, OWNER, arn, caller, create_grant, create_key, key,
    key_arn, scope, session,
};
use super::what_if::{Changes, WhatIf};
use super::{
    Answer, Command, DryRun, ErrorCode, LockoutCheck, Output, Query, Rejection, create_alias,
    delete_alias, delete_principal, get_key_policy, put_key_policy,
    put_principal_permissions_boundary, update_alias, update_primary_region,
};
use crate::domain::authz::caller::{ContextEntry, RequestFacts};
use crate::domain::authz::claim::{Members, Question, Subject};
use crate::domain::authz::decision::Decision;
use crate::domain::ids::KeyRef;
use crate::domain::state::key::KeyState;

fn question(action: &str, key: Option<KeyRef>, members: Members) -> Question {
    Question {
        subject: Some(Subject::Principal(arn(BOB))),
        action: action.into(),
        key,
        encryption_context: Default::default(),
        grant_tokens: Vec::new(),
        facts: RequestFacts::default(),
        dry_run: false,
        random_source: None,
        members,
    }
}

fn told(cluster: &Cluster, question: &Question) -> Told {
    let explain = Explain {
        question: question.clone(),
    };
    match cluster.ask("operator", Query::Explain(explain)) {
        Ok(Answer::Explanation { told, .. }) => *told,
        other => panic!("{other:?}"),
    }
}

fn verdict(cluster: &Cluster, question: &Question) -> Verdict {
    let mut bob = caller(BOB);
    bob.facts = question.facts.clone();
    let cx = Context {
        state: &cluster.state,
        caller: &bob,
        scope: &scope(),
        now: cluster.state.clock(),
        at: cluster.state.revision(),
        token_grants: &[],
        effort: None,
    };
    let posed = Posed::read(cx, question).unwrap();
    posed.verdict(DryRun::No).unwrap()
}

fn refused(cluster: &Cluster, question: &Question) -> String {
    let explain = Explain {
        question: question.clone(),
    };
    cluster
        .ask("operator", Query::Explain(explain))
        .unwrap_err()
        .1
}

/// What comes of a command, tried on a copy.
fn attempt(cluster: &Cluster, who: &str, command: Command) -> Result<Output, Rejection> {
    let mut copy = cluster.copy();
    let entry = copy.entry(&caller(who), None, command);
    copy.apply(&entry)
}

fn alias(name: &str) -> Members {
    Members {
        alias: Some(name.into()),
        ..Members::default()
    }
}

/// Keys 1 and 2, `alias/a` of key 1, a multi-Region primary with a replica in us-east-1.
fn cluster() -> Cluster {
    let mut cluster = super::replicate_key::tests::cluster();
    cluster.done(ADMIN, Command::CreateKey(create_key(2)));
    let make = create_alias::CreateAlias {
        alias: "alias/a".into(),
        target: key(1),
    };
    cluster.done(ADMIN, Command::CreateAlias(make));
    cluster.done(ADMIN, Command::ReplicateKey(replicate("us-east-1")));
    cluster
}

fn permit(cluster: &mut Cluster, statements: &[&str]) {
    let policy = format!(
        r#"{{"Version":"2012-10-17","Statement":[{}]}}"#,
        statements.join(",")
    );
    cluster.put_policy(BOB, &policy);
}

fn allow(action: &str, resource: &str) -> String {
    format!(r#"{{"Effect":"Allow","Action":"{action}","Resource":"{resource}"}}"#)
}

fn parts(verdict: &Verdict) -> Vec<(String, bool)> {
    let part = |part: &super::parts::Found<Decision>| (part.to_string(), part.found.is_allow());
    verdict.parts.iter().map(part).collect()
}

const KEYS: &str = "arn:aws:kms:*:*:key/*";
const ALIASES: &str = "arn:aws:kms:*:*:alias/*";

/// D-14, D-57: key and alias, each with its own verdict; whichever is denied denies the whole, in decision, explanation, text
/// and what-if.
#[test]
fn alias_operation_is_decided_on_the_key_and_on_the_alias() {
    let of_key = format!("kms:CreateAlias on {}", key_arn(1));
    let of_alias = "kms:CreateAlias on arn:aws:kms:eu-west-1:111122223333:alias/new".to_owned();
    let create = question("kms:CreateAlias", Some(key(1)), alias("alias/new"));
    for (resource, on_key, on_alias) in [
        (KEYS, true, false),
        (ALIASES, false, true),
        ("*", true, true),
        ("arn:aws:kms:*:*:key/none", false, false),
    ] {
        let mut cluster = cluster();
        permit(&mut cluster, &[&allow("kms:CreateAlias", resource)]);
        let verdict = verdict(&cluster, &create);
        let whole = on_key && on_alias;
        assert_eq!(
            parts(&verdict),
            [(of_key.clone(), on_key), (of_alias.clone(), on_alias)]
        );
        assert_eq!(verdict.decision.is_allow(), whole);
        assert_eq!(verdict.refusal.is_none(), whole);
        assert_eq!(verdict.key, Some(key_arn(1)));
        let told = told(&cluster, &create);
        let text = told.to_string();
        assert_eq!(text.starts_with("ALLOW: "), whole, "{text}");
        if !whole {
            assert!(text.starts_with("IMPLICIT DENY: "), "{text}");
            assert_eq!(
                told.deciding().map(|part| part.found.decision.is_allow()),
                Some(false)
            );
        }
        assert!(
            text.contains(&format!("--- part 2 of 2: {of_alias}")),
            "{text}"
        );
    }
}

/// D-14: three of UpdateAlias; DeleteAlias finds its key by the alias, which may stand where a key does.
#[test]
fn alias_finds_its_key_and_may_stand_where_a_key_does() {
    let mut cluster = cluster();
    permit(
        &mut cluster,
        &[
            &allow("kms:*Alias", &key_arn(1).to_string()),
            &allow("kms:*Alias", ALIASES),
        ],
    );
    let update = verdict(
        &cluster,
        &question("kms:UpdateAlias", Some(key(2)), alias("alias/a")),
    );
    let allowed: Vec<bool> = parts(&update)
        .into_iter()
        .map(|(_, allows)| allows)
        .collect();
    assert_eq!(allowed, [true, false, true]);
    assert!(!update.decision.is_allow());
    let named = Some("alias/a".parse().unwrap());
    let by_arn = Some(
        "arn:aws:kms:eu-west-1:111122223333:alias/a"
            .parse()
            .unwrap(),
    );
    for (key, members) in [
        (None, alias("alias/a")),
        (None, alias("arn:aws:kms:eu-west-1:111122223333:alias/a")),
        (named.clone(), Members::default()),
        (by_arn, Members::default()),
        (Some(key(1)), alias("alias/a")),
    ] {
        let delete = question("kms:DeleteAlias", key, members);
        let found = verdict(&cluster, &delete);
        assert_eq!(parts(&found).len(), 2);
        assert!(found.refusal.is_none(), "{:?}", found.refusal);
    }
    let unsaid = [
        (
            question("kms:CreateAlias", Some(key(1)), Members::default()),
            "name the alias",
        ),
        (
            question("kms:CreateAlias", named.clone(), Members::default()),
            "name the key",
        ),
        (
            question("kms:UpdateAlias", named, Members::default()),
            "name the new key",
        ),
        (
            question("kms:DeleteAlias", Some(key(1)), Members::default()),
            "name the alias",
        ),
        (
            question("kms:DeleteAlias", Some(key(2)), alias("alias/a")),
            "leave the key out",
        ),
        (
            question("kms:DeleteAlias", None, alias("alias/none")),
            "alias/none is not found",
        ),
        (
            question("kms:DeleteAlias", None, alias("a")),
            "must start with the prefix",
        ),
        (
            question("kms:ReplicateKey", Some(key(1)), Members::default()),
            "the other Region",
        ),
        (
            question("kms:UpdatePrimaryRegion", None, Members::default()),
            "done to a key",
        ),
        (
            question("kms:ReEncrypt", Some(key(1)), Members::default()),
            "the destination key",
        ),
    ];
    for (question, part) in unsaid {
        let why = refused(&cluster, &question);
        assert!(why.contains(part), "{why}");
    }
}

/// D-15: tags are asked for by kms:TagResource, whether they come as tags or as the condition keys that they become.
#[test]
fn tags_of_a_new_key_are_a_part_of_it() {
    let mut cluster = cluster();
    let tag = r#"{"Effect":"Allow","Action":"kms:TagResource","Resource":"*","Condition":{"StringEquals":{"aws:RequestTag/Team":"blue"}}}"#;
    permit(&mut cluster, &[&allow("kms:CreateKey", "*"), tag]);
    let with = |value: &str| Members {
        tags: [("Team".into(), value.into())].into(),
        ..Members::default()
    };
    let plain = verdict(
        &cluster,
        &question("kms:CreateKey", None, Members::default()),
    );
    assert_eq!((parts(&plain).len(), plain.refusal), (1, None));
    let blue = verdict(&cluster, &question("kms:CreateKey", None, with("blue")));
    assert_eq!((parts(&blue).len(), blue.refusal), (2, None));
    let red = verdict(&cluster, &question("kms:CreateKey", None, with("red")));
    assert!(!red.decision.is_allow());
    assert_eq!(
        parts(&red)[1],
        ("kms:TagResource in the account".to_owned(), false)
    );
    let mut by_facts = question("kms:CreateKey", None, Members::default());
    let context = &mut by_facts.facts.context;
    context.insert(
        "aws:requesttag/team".into(),
        ContextEntry::Single("red".into()),
    );
    context.insert(
        "aws:tagkeys".into(),
        ContextEntry::Multi(["Team".into()].into()),
    );
    assert!(!verdict(&cluster, &by_facts).decision.is_allow());
    by_facts.facts.context.remove("aws:requesttag/team");
    assert!(refused(&cluster, &by_facts).contains("aws:RequestTag/Team"));
}

/// D-15: a replica is made in its own Region, a primary is moved on both keys.
#[test]
fn keys_of_a_set_are_asked_for_in_both_regions() {
    let mut cluster = cluster();
    let here = r#"{"Effect":"Allow","Action":["kms:ReplicateKey","kms:CreateKey","kms:UpdatePrimaryRegion"],"Resource":"*","Condition":{"StringEquals":{"aws:RequestedRegion":"eu-west-1"}}}"#;
    permit(&mut cluster, &[here]);
    let to = |region: &str| Members {
        region: region.parse().ok(),
        ..Members::default()
    };
    let primary = || Some(KeyRef::Id(primary_arn().key_id));
    let replica = verdict(
        &cluster,
        &question("kms:ReplicateKey", primary(), to("us-west-2")),
    );
    let allowed = |verdict: &Verdict| -> Vec<bool> {
        parts(verdict)
            .into_iter()
            .map(|(_, allows)| allows)
            .collect()
    };
    assert_eq!(allowed(&replica), [true, false]);
    let moved = verdict(
        &cluster,
        &question("kms:UpdatePrimaryRegion", primary(), to("us-east-1")),
    );
    assert_eq!(allowed(&moved), [true, false]);
    assert!(!moved.decision.is_allow());
    // What stands in the way beside permission is told too, and as the operation tells it.
    cluster.put_policy(BOB, ALLOW_ALL);
    let there = verdict(
        &cluster,
        &question("kms:ReplicateKey", primary(), to("us-east-1")),
    );
    assert_eq!(allowed(&there), [true, true]);
    assert_eq!(
        there.refusal.map(|r| r.code),
        Some(ErrorCode::AlreadyExists)
    );
    let told = told(
        &cluster,
        &question("kms:ReplicateKey", primary(), to("us-east-1")),
    );
    assert!(
        told.to_string()
            .starts_with("REFUSED: AlreadyExistsException: "),
        "{told}"
    );
}

/// D-57, G-8: from one key and to the other; on the same key both halves know it.
#[test]
fn re_encrypt_is_asked_of_both_keys() {
    let mut cluster = cluster();
    let same = r#"{"Effect":"Allow","Action":"kms:ReEncrypt*","Resource":"*","Condition":{"Bool":{"kms:ReEncryptOnSameKey":"true"}}}"#;
    permit(&mut cluster, &[same, &allow("kms:ReEncryptFrom", "*")]);
    let to = |n| Members {
        destination: Some(key(n)),
        ..Members::default()
    };
    for action in ["kms:ReEncrypt", "kms:ReEncryptFrom"] {
        let found = verdict(&cluster, &question(action, Some(key(1)), to(1)));
        assert_eq!((parts(&found).len(), found.refusal), (2, None));
        let found = verdict(&cluster, &question(action, Some(key(1)), to(2)));
        assert!(parts(&found)[0].1 && !parts(&found)[1].1);
        assert!(!found.decision.is_allow());
    }
    cluster.put_policy(BOB, ALLOW_ALL);
    cluster.set_key_state(KeyState::Disabled);
    let found = verdict(&cluster, &question("kms:ReEncrypt", Some(key(2)), to(1)));
    assert!(found.decision.is_allow());
    assert_eq!(found.refusal.map(|r| r.code), Some(ErrorCode::Disabled));
}

fn naming(principal: &str) -> String {
    format!(
        r#"{{"Version":"2012-10-17","Statement":[{{"Sid":"Mine","Effect":"Allow","Principal":{{"AWS":"{principal}"}},"Action":"kms:*","Resource":"*"}}]}}"#
    )
}

fn put(policy: &str) -> put_key_policy::PutKeyPolicy {
    put_key_policy::PutKeyPolicy {
        key: key(1),
        policy_name: None,
        policy: policy.into(),
        lockout_check: LockoutCheck::Unset,
    }
}

/// P-7, X-11: AWS's sentence stays; behind it stands which half is missing, the new policy's or the account's.
#[test]
fn lockout_says_which_half_is_missing() {
    let mut cluster = cluster();
    permit(
        &mut cluster,
        &[
            &allow("kms:PutKeyPolicy", &key_arn(1).to_string()),
            &allow("kms:CreateKey", "*"),
        ],
    );
    let help = |cluster: &Cluster, who: &str, command: Command| {
        let rejection = attempt(cluster, who, command).unwrap_err();
        assert_eq!(rejection.code, ErrorCode::MalformedPolicyDocument);
        assert_eq!(
            &*rejection.message,
            "The new key policy will not allow you to update the key policy in the future."
        );
        rejection.help.unwrap().to_string()
    };
    let put = |policy: &str| Command::PutKeyPolicy(put(policy));
    let first = help(&cluster, BOB, put(&naming(ADMIN)));
    assert!(
        first.starts_with("no statement of the new policy lets "),
        "{first}"
    );
    assert!(
        first.contains("statement `Mine` wants Principal"),
        "{first}"
    );
    let mut make = create_key(9);
    make.policy = Some(naming(OWNER).into());
    let second = help(&cluster, BOB, Command::CreateKey(make.clone()));
    assert!(
        second.contains("leaves kms:PutKeyPolicy to account 111122223333"),
        "{second}"
    );
    assert!(
        second.contains("no identity policy of the caller allows the action"),
        "{second}"
    );
    make.policy = Some(naming(ADMIN).into());
    let neither = help(&cluster, BOB, Command::CreateKey(make));
    assert!(
        neither.starts_with("no statement of the new policy lets "),
        "{neither}"
    );
    let denying = naming(BOB).replace(
        "]}",
        r#",{"Sid":"Never","Effect":"Deny","Principal":"*","Action":"kms:PutKeyPolicy","Resource":"*"}]}"#,
    );
    let denied = help(&cluster, BOB, put(&denying));
    assert!(denied.contains("`Never`"), "{denied}");
    // The boundary stands in the way of what the account lets.
    let bound = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"kms:Decrypt","Resource":"*"}}"#;
    cluster.put_key_policy(&naming(BOB));
    cluster.put_policy(BOB, ALLOW_ALL);
    let bound = put_principal_permissions_boundary::PutPrincipalPermissionsBoundary {
        arn: arn(BOB),
        policy: bound.into(),
    };
    cluster.done(ADMIN, Command::PutPrincipalPermissionsBoundary(bound));
    let limited = help(&cluster, BOB, put(&naming(OWNER)));
    assert!(
        limited.contains("permissions boundary does not allow"),
        "{limited}"
    );
}

/// P-7: the check is a part, and denies the whole though the permission is there.
#[test]
fn lockout_check_is_a_part_of_the_operation() {
    let mut cluster = cluster();
    permit(&mut cluster, &[&allow("kms:PutKeyPolicy", "*")]);
    let with = |policy: &str, bypass| Members {
        policy: Some(policy.into()),
        bypass_lockout_check: bypass,
        ..Members::default()
    };
    let asked = |members| question("kms:PutKeyPolicy", Some(key(1)), members);
    let bad = verdict(&cluster, &asked(with(&naming(ADMIN), None)));
    assert_eq!(bad.parts[1].purpose, Purpose::Lockout);
    assert!(bad.parts[0].found.is_allow() && !bad.parts[1].found.is_allow());
    assert!(!bad.decision.is_allow());
    assert_eq!(
        bad.refusal.as_ref().map(|r| r.code),
        Some(ErrorCode::MalformedPolicyDocument)
    );
    let text = told(&cluster, &asked(with(&naming(ADMIN), None))).to_string();
    assert!(
        text.starts_with("REFUSED: MalformedPolicyDocumentException: "),
        "{text}"
    );
    assert!(
        text.contains("no statement of the new policy lets"),
        "{text}"
    );
    assert!(!text.contains("\nALLOW: it is asked for"), "{text}");
    for members in [
        with(&naming(BOB), None),
        with(&naming(OWNER), None),
        with(&naming(ADMIN), Some(true)),
        Members::default(),
    ] {
        assert_eq!(verdict(&cluster, &asked(members)).refusal, None);
    }
    let broken = verdict(&cluster, &asked(with("{", None)));
    assert!(broken.decision.is_allow());
    assert_eq!(
        broken.refusal.map(|r| r.code),
        Some(ErrorCode::MalformedPolicyDocument)
    );
    let change = Command::PutKeyPolicy(put(&naming(ADMIN)));
    let what_if = |changes: Vec<Command>, who: &str| {
        let query = WhatIf {
            changes: Changes(changes.into()),
            questions: vec![asked(with(&naming(ADMIN), None))],
        };
        cluster.ask(who, Query::WhatIf(query))
    };
    match what_if(Vec::new(), "operator") {
        Ok(Answer::WhatIf(flips)) => {
            let [flip] = &flips[..] else {
                panic!("{flips:?}")
            };
            assert!(!flip.before.allows());
            assert_eq!(flip.before.parts.len(), 2);
        }
        other => panic!("{other:?}"),
    }
    // A change that is refused is refused with the half that is missing.
    let root = "arn:aws:iam::111122223333:root";
    let (_, message) = what_if(vec![change], root).unwrap_err();
    assert!(
        message.starts_with("change 1 would be refused: The new key policy"),
        "{message}"
    );
}

/// ST-4, ST-5: what is permitted and refused all the same is told before the explanation, of one part too.
#[test]
fn explanation_tells_what_stands_in_the_way_beside_permission() {
    let mut cluster = cluster();
    cluster.put_policy(BOB, ALLOW_ALL);
    cluster.set_key_state(KeyState::Disabled);
    let decrypt = told(
        &cluster,
        &question("kms:Decrypt", Some(key(1)), Members::default()),
    );
    assert!(
        decrypt
            .to_string()
            .starts_with("REFUSED: DisabledException: "),
        "{decrypt}"
    );
    cluster.set_key(|key| key.manager = crate::domain::state::key::KeyManager::Aws);
    for action in ["kms:PutKeyPolicy", "kms:DisableKey", "kms:TagResource"] {
        let told = told(
            &cluster,
            &question(action, Some(key(1)), Members::default()),
        );
        assert!(
            told.to_string()
                .starts_with("REFUSED: NotAuthorizedException: "),
            "{told}"
        );
    }
}

fn delete(who: &str) -> Command {
    Command::DeletePrincipal(delete_principal::DeletePrincipal { arn: arn(who) })
}

fn policy_of(cluster: &Cluster) -> String {
    let query = get_key_policy::GetKeyPolicy {
        key: key(1),
        policy_name: None,
    };
    match cluster.ask(ADMIN, Query::GetKeyPolicy(query)) {
        Ok(Answer::Policy { text, .. }) => text.to_string(),
        other => panic!("{other:?}"),
    }
}

/// ID-18, ID-61: a principal that was deleted, and made again, is shown by its id; what is shown cannot be put.
#[test]
fn key_policy_shows_the_ids_of_principals_that_are_gone() {
    let mut cluster = Cluster::new();
    let session = "arn:aws:sts::111122223333:assumed-role/app/s\\u0031";
    let text = format!(
        "{{\n \"Version\":\"2012-10-17\",\"Statement\":[\n  {{\"Sid\":\"Own\",\"Effect\":\"Allow\",\"Principal\":{{\"AWS\":\"{OWNER}\"}},\"Action\":\"kms:*\",\"Resource\":\"*\"}},\n  {{\"Sid\":\"Two\",\"Effect\":\"Deny\",\"NotPrincipal\":{{\"AWS\":[\"{APP}\", \"{BOB}\",\n  \"{session}\"]}},\"Action\":\"kms:Sign\",\"Resource\":\"*\",\"Condition\":{{\"ArnEquals\":{{\"aws:PrincipalArn\":\"{APP}\"}}}}}}]}}"
    );
    cluster.put_key_policy(&text);
    assert_eq!(policy_of(&cluster), text);
    let id = super::testing::unique_id(&arn(APP), 0);
    cluster.done(ADMIN, delete(APP));
    let shown = text
        .replace(&format!("[\"{APP}\""), &format!("[\"{id}\""))
        .replace(session, &format!("{id}:s1"));
    assert_eq!(policy_of(&cluster), shown);
    cluster.make_principal(APP, 1);
    assert_eq!(policy_of(&cluster), shown);
    let refusal = cluster.refusal(ADMIN, Command::PutKeyPolicy(put(&shown)));
    assert_eq!(refusal.0, "MalformedPolicyDocumentException");
    assert!(
        refusal
            .1
            .starts_with("Policy contains a statement with one or more invalid principals."),
        "{refusal:?}"
    );
    assert!(refusal.1.contains("Statement 2 (Sid `Two`)"), "{refusal:?}");
    cluster.put_key_policy(&text);
    assert_eq!(policy_of(&cluster), text);
}

fn session_question(action: &str) -> Question {
    Question {
        subject: Some(Subject::RoleSession {
            arn: arn("arn:aws:sts::111122223333:assumed-role/app/one"),
            role: arn(APP),
            session_policy: None,
            session_tags: Default::default(),
        }),
        ..question(action, Some(key(1)), Members::default())
    }
}

/// ID-18, X-57: a statement or a grant that names the former role of a name says so, and that it would do to name the
/// present one.
#[test]
fn statement_and_grant_of_a_former_role_are_told_as_such() {
    let mut cluster = Cluster::new();
    let id = super::testing::unique_id(&arn(APP), 0);
    let own = format!(
        r#"{{"Sid":"Own","Effect":"Allow","Principal":{{"AWS":"{ADMIN}"}},"Action":"kms:*","Resource":"*"}}"#
    );
    cluster.put_key_policy(&format!(
        r#"{{"Version":"2012-10-17","Statement":[{own},{{"Sid":"App","Effect":"Allow","Principal":{{"AWS":"{APP}"}},"Action":"kms:Decrypt","Resource":"*"}}]}}"#
    ));
    let why = |cluster: &Cluster| told(cluster, &session_question("kms:Decrypt")).to_string();
    assert!(why(&cluster).starts_with("ALLOW: "));
    cluster.done(ADMIN, delete(APP));
    cluster.make_principal(APP, 1);
    let text = why(&cluster);
    let former = format!(
        "it names the former role `{APP}` ({id}), which was deleted; the new one of that name does not match"
    );
    assert!(text.starts_with("IMPLICIT DENY: "), "{text}");
    assert!(text.contains(&former), "{text}");
    assert!(
        text.contains("- [ID-18] allow statement 2 `App` of key_policy"),
        "{text}"
    );
    let nearest = text
        .split("nearest miss: it would be allowed\n")
        .nth(1)
        .unwrap();
    assert!(
        nearest.starts_with(
            "   if statement `App` of the key policy named the role of that name that is there now"
        ),
        "{nearest}"
    );
    // Somebody else is told that the role is gone.
    cluster.done(ADMIN, delete(APP));
    let text = told(
        &cluster,
        &question("kms:Decrypt", Some(key(1)), Members::default()),
    )
    .to_string();
    let gone = format!("it names the former role `{APP}` ({id}), which was deleted, found");
    assert!(text.contains(&gone), "{text}");

    let mut cluster = Cluster::new();
    cluster.done(ADMIN, Command::CreateGrant(create_grant(1, APP)));
    cluster.done(ADMIN, delete(APP));
    cluster.make_principal(APP, 1);
    let text = why(&cluster);
    assert!(
        text.contains("there is one of a former principal of its name"),
        "{text}"
    );
    assert!(
        text.contains(&format!(
            "[ID-18] grantee FAILS: wants the former role `{APP}` ({id})"
        )),
        "{text}"
    );
    assert!(
        text.contains(&format!(
            "if the grant {} were given to the role",
            "01".repeat(32)
        )),
        "{text}"
    );
    assert!(session("one").identity.stored().is_some());
}

/// X-14: what a negated operator wants is anything else; a statement of other services is no near miss.
#[test]
fn negated_condition_and_other_services_read_as_what_they_are() {
    let mut cluster = Cluster::new();
    permit(
        &mut cluster,
        &[
            r#"{"Sid":"Ecr","Effect":"Allow","Action":"ecr:*","Resource":"*"}"#,
            r#"{"Sid":"Not","Effect":"Allow","Action":"kms:Decrypt","Resource":"*","Condition":{"StringNotEquals":{"aws:SourceVpc":"vpc-11112222"}}}"#,
            r#"{"Sid":"In","Effect":"Allow","Action":"kms:Decrypt","Resource":"*","Condition":{"StringEquals":{"aws:SourceVpce":"vpce-1"}}}"#,
            r#"{"Sid":"Rest","Effect":"Allow","NotAction":"kms:*","Resource":"*"}"#,
        ],
    );
    let mut decrypt = question("kms:Decrypt", Some(key(1)), Members::default());
    let context = &mut decrypt.facts.context;
    context.insert(
        "aws:sourcevpc".into(),
        ContextEntry::Single("vpc-11112222".into()),
    );
    let text = told(&cluster, &decrypt).to_string();
    assert!(
        text.contains("FAILS: wants anything but `vpc-11112222`, found `vpc-11112222`"),
        "{text}"
    );
    let nearest = text.split("nearest miss").nth(1).unwrap();
    assert!(!nearest.contains("`Ecr`"), "{text}");
    assert!(nearest.contains("`Rest`"), "{text}");
    assert!(!text.contains("endpoint"), "{text}");
    decrypt.facts.via_service = Some("s3.eu-west-1.amazonaws.com".into());
    let text = told(&cluster, &decrypt).to_string();
    assert!(
        text.contains("does not come through that one's endpoint"),
        "{text}"
    );
}

/// CK-43: of every key that tells of an endpoint, and of the address behind it, an explanation says why what a service calls
/// has none; of others it does not.
#[test]
fn keys_of_an_endpoint_are_told_to_be_absent_from_what_a_service_calls() {
    for (condition, is_told) in [
        (r#"{"StringEquals":{"aws:SourceVpc":"vpc-1"}}"#, true),
        (
            r#"{"ArnEquals":{"aws:SourceVpcArn":"arn:aws:ec2:us-west-2:111122223333:vpc/vpc-1"}}"#,
            true,
        ),
        (r#"{"StringEquals":{"aws:SourceVpce":"vpce-1"}}"#, true),
        (r#"{"IpAddress":{"aws:VpcSourceIp":"10.0.0.0/8"}}"#, true),
        (
            r#"{"StringEquals":{"aws:VpceAccount":"111122223333"}}"#,
            true,
        ),
        (r#"{"StringEquals":{"aws:VpceOrgID":"o-a1b2c3d4e5"}}"#, true),
        (
            r#"{"ForAnyValue:StringLike":{"aws:VpceOrgPaths":"o-a1b2c3d4e5/*"}}"#,
            true,
        ),
        (r#"{"StringEquals":{"aws:UserAgent":"a"}}"#, false),
        (r#"{"StringEquals":{"kms:RequestAlias":"alias/a"}}"#, false),
    ] {
        let mut cluster = Cluster::new();
        let statement = format!(
            r#"{{"Sid":"In","Effect":"Allow","Action":"kms:Decrypt","Resource":"*","Condition":{condition}}}"#
        );
        permit(&mut cluster, &[&statement]);
        let mut decrypt = question("kms:Decrypt", Some(key(1)), Members::default());
        decrypt.facts.via_service = Some("s3.eu-west-1.amazonaws.com".into());
        let text = told(&cluster, &decrypt).to_string();
        assert!(text.contains("the request has no such key"), "{text}");
        assert_eq!(
            text.contains("does not come through that one's endpoint"),
            is_told,
            "{condition}: {text}"
        );
    }
}

/// What may stand in the caller's policy, or deny.
const STATEMENTS: &[&str] = &[
    r#"{"Effect":"Allow","Action":["kms:CreateAlias","kms:UpdateAlias","kms:DeleteAlias"],"Resource":"arn:aws:kms:*:*:alias/*"}"#,
    r#"{"Effect":"Allow","Action":"kms:*Alias","Resource":"arn:aws:kms:*:*:key/01010101-0101-0101-0101-010101010101"}"#,
    r#"{"Effect":"Allow","Action":"kms:*Alias","Resource":"arn:aws:kms:*:*:key/02020202-0202-0202-0202-020202020202"}"#,
    r#"{"Effect":"Allow","Action":"kms:CreateKey","Resource":"*"}"#,
    r#"{"Effect":"Allow","Action":"kms:CreateKey","Resource":"*","Condition":{"StringEquals":{"aws:RequestedRegion":"us-west-2"}}}"#,
    r#"{"Effect":"Allow","Action":"kms:TagResource","Resource":"*"}"#,
    r#"{"Effect":"Allow","Action":"kms:TagResource","Resource":"*","Condition":{"StringEquals":{"aws:RequestTag/team":"blue"}}}"#,
    r#"{"Effect":"Allow","Action":["kms:ReplicateKey","kms:UpdatePrimaryRegion"],"Resource":"arn:aws:kms:eu-west-1:*:key/*"}"#,
    r#"{"Effect":"Allow","Action":"kms:UpdatePrimaryRegion","Resource":"arn:aws:kms:us-east-1:*:key/*"}"#,
    r#"{"Effect":"Allow","Action":"kms:PutKeyPolicy","Resource":"*"}"#,
    r#"{"Effect":"Allow","Action":"kms:PutKeyPolicy","Resource":"*","Condition":{"Null":{"kms:BypassPolicyLockoutSafetyCheck":"false"}}}"#,
    r#"{"Effect":"Deny","Action":"kms:*","Resource":"arn:aws:kms:*:*:alias/a"}"#,
    r#"{"Effect":"Deny","Action":"kms:TagResource","Resource":"*"}"#,
    r#"{"Effect":"Deny","Action":"kms:PutKeyPolicy","Resource":"*","Condition":{"StringEquals":{"aws:RequestedRegion":"us-west-2"}}}"#,
];

/// An operation and the question that is about it, by numbers.
fn operation(which: u8, detail: u8) -> (Question, Command) {
    let policy: Option<String> = match detail % 4 {
        0 => None,
        1 => Some(naming(OWNER)),
        2 => Some(naming(BOB)),
        _ => Some(naming(ADMIN)),
    };
    let tags: crate::domain::state::Tags = match detail / 4 % 3 {
        0 => Default::default(),
        1 => [("team".into(), "blue".into())].into(),
        _ => [("team".into(), "red".into())].into(),
    };
    let bypass = (detail / 12 % 3 == 2).then_some(true);
    let lockout_check = match bypass {
        Some(true) => LockoutCheck::Bypass,
        Some(false) | None => LockoutCheck::Unset,
    };
    let (name, n) = (
        ["alias/a", "alias/b"][usize::from(detail % 2)],
        1 + detail / 2 % 2,
    );
    let region = ["us-east-1", "us-west-2", "eu-west-1"][usize::from(detail / 36 % 3)];
    let made = Members {
        policy: policy.clone().map(Into::into),
        tags: tags.clone(),
        bypass_lockout_check: bypass,
        ..Members::default()
    };
    let primary = KeyRef::Id(primary_arn().key_id);
    match which % 7 {
        0 => (
            question("kms:CreateAlias", Some(key(n)), alias(name)),
            Command::CreateAlias(create_alias::CreateAlias {
                alias: name.into(),
                target: key(n),
            }),
        ),
        1 => (
            question("kms:UpdateAlias", Some(key(n)), alias("alias/a")),
            Command::UpdateAlias(update_alias::UpdateAlias {
                alias: "alias/a".into(),
                target: key(n),
            }),
        ),
        2 => (
            question("kms:DeleteAlias", None, alias("alias/a")),
            Command::DeleteAlias(delete_alias::DeleteAlias {
                alias: "alias/a".into(),
            }),
        ),
        3 => {
            let mut command = create_key(0);
            command.policy = policy.map(Into::into);
            command.tags = tags;
            command.lockout_check = lockout_check;
            command.multi_region = MultiRegion::No;
            (
                question("kms:CreateKey", None, made),
                Command::CreateKey(command),
            )
        }
        4 => {
            let mut command = replicate(region);
            command.policy = policy.map(Into::into);
            command.tags = tags;
            command.lockout_check = lockout_check;
            let members = Members {
                region: region.parse().ok(),
                ..made
            };
            (
                question("kms:ReplicateKey", Some(primary), members),
                Command::ReplicateKey(command),
            )
        }
        5 => {
            let key = [primary, key(1)][usize::from(detail % 2)].clone();
            let members = Members {
                region: region.parse().ok(),
                ..Members::default()
            };
            let command = update_primary_region::UpdatePrimaryRegion {
                key: key.clone(),
                region: region.parse().unwrap(),
            };
            (
                question("kms:UpdatePrimaryRegion", Some(key), members),
                Command::UpdatePrimaryRegion(command),
            )
        }
        _ => {
            let text = policy.unwrap_or_else(|| naming(BOB));
            let mut command = put(&text);
            command.key = key(n);
            command.lockout_check = lockout_check;
            let members = Members {
                policy: Some(text.into()),
                bypass_lockout_check: bypass,
                ..Members::default()
            };
            (
                question("kms:PutKeyPolicy", Some(key(n)), members),
                Command::PutKeyPolicy(command),
            )
        }
    }
}

proptest! {
    /// D-14, D-15, D-57, P-7: whatever the caller may do, the verdict and the explanation of an operation of several parts say
    /// what the operation does: never ALLOW of what is refused for permission or by the lockout check, the same refusal
    /// word for word, and nothing is refused that they allow.
    #[test]
    fn questions_say_what_operations_do(
        allowed in proptest::sample::subsequence(STATEMENTS, 0..=STATEMENTS.len()),
        which in 0_u8..7,
        detail in 0_u8..108,
        state in 0_u8..8,
    ) {
        let mut cluster = cluster();
        permit(&mut cluster, &[&["{\"Effect\":\"Allow\",\"Action\":\"ecr:*\",\"Resource\":\"*\"}"], &allowed[..]].concat());
        cluster.set_key_state(match state {
            0 => KeyState::Disabled,
            1 => KeyState::PendingDeletion,
            _ => KeyState::Enabled,
        });
        let (question, command) = operation(which, detail);
        let verdict = verdict(&cluster, &question);
        let told = told(&cluster, &question);
        prop_assert_eq!(told.decision(), Some(&verdict.decision));
        let plain = |refusal: &Rejection| (refusal.code, refusal.message.to_string(), refusal.help.clone());
        prop_assert_eq!(told.refusal.as_ref().map(plain), verdict.refusal.as_ref().map(plain));
        let done = attempt(&cluster, BOB, command);
        prop_assert_eq!(verdict.refusal.as_ref().map(plain), done.as_ref().err().map(plain));
        let refused_for_permission = done.as_ref().err().is_some_and(|rejection| {
            rejection.code == ErrorCode::AccessDenied || rejection.help.is_some()
        });
        if refused_for_permission {
            prop_assert!(!verdict.decision.is_allow());
        }
        if done.is_ok() {
            prop_assert!(verdict.decision.is_allow());
        }
        let text = told.to_string();
        if text.starts_with("ALLOW") {
            prop_assert!(done.is_ok(), "{}", text);
        }
    }
}
