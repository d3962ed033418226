//! Published policies, put as they were printed and asked of a running cluster over gRPC (issue 2, item 2; SPEC E-7).

use grantd::client::api::{
    CreateAliasRequest, Decision, DeletePrincipalPolicyRequest, DescribeKeyRequest, ErrorDetail,
    GetKeyPolicyRequest, ListGrantsRequest, Outcome, RequestFacts, RevokeGrantRequest,
    TagPrincipalRequest, TagResourceRequest, UntagPrincipalRequest, error_detail::Reason,
};

use crate::support::api::{
    Api, grant_of_decrypt, key_policy, make_account, make_key, make_principal, put_identity_policy,
    question, session_of, tag, user, via,
};
use crate::support::cluster::{Cluster, folder};

const CONSOLE_POLICY: &str = include_str!("../examples/key-consolepolicy-2.json");
const ENABLE_IAM_POLICY: &str = include_str!("../examples/key-policy-enable-iam.json");
const ALIAS_DENY_POLICY: &str = include_str!("../examples/identity-policy-alias-deny.json");
const TAG_POLICY: &str = include_str!("../examples/identity-policy-tag.json");
const TAG_POLICY_AS_PUBLISHED: &str =
    include_str!("../examples/identity-policy-tag-as-published.json");

const OWNER: &str = "111122223333";
const EXTERNAL: &str = "444455556666";
const ADMIN_USER: &str = "arn:aws:iam::111122223333:user/KMSAdminUser";
const ADMIN_ROLE: &str = "arn:aws:iam::111122223333:role/KMSAdminRole";
const KEY_USER: &str = "arn:aws:iam::111122223333:user/KMSUser";
const KEY_ROLE: &str = "arn:aws:iam::111122223333:role/KMSRole";
const EXTERNAL_ROLE: &str = "arn:aws:iam::444455556666:role/ExternalRole";
const SERVICE: &str = "ec2.eu-central-1.amazonaws.com";

/// What each action comes to for one caller.
async fn expect(api: &Api, key: &str, expected: &[(&str, Outcome)]) {
    for (action, outcome) in expected {
        let answer = api.authorize(question(action, key)).await.unwrap();
        let decision = answer.decision.unwrap();
        assert_eq!(decision.outcome(), *outcome, "{action}: {decision:?}");
    }
}

async fn sid(api: &Api, action: &str, key: &str) -> (String, Option<String>) {
    let answer = api.authorize(question(action, key)).await.unwrap();
    let by = answer.decision.unwrap().decided_by.unwrap();
    (by.policy_type, by.sid)
}

fn denied(error: &ErrorDetail) -> &Decision {
    assert_eq!(error.code, "AccessDeniedException", "{error:?}");
    match &error.reason {
        Some(Reason::Denied(decision)) => decision,
        other => panic!("a denial without its decision: {other:?}"),
    }
}

/// A cluster of three on real disks, in which the console policy guards a key of account 111122223333.
async fn guarded_by_the_console_policy() -> (Cluster, Api, String) {
    let cluster = Cluster::start_with(3, folder, |_| {}).await;
    let api = cluster.api(cluster.follower().await);
    for account in [OWNER, EXTERNAL] {
        make_account(&api, account).await;
    }
    for arn in [ADMIN_USER, ADMIN_ROLE, KEY_USER, KEY_ROLE, EXTERNAL_ROLE] {
        make_principal(&api, arn, &[]).await;
    }
    let key = make_key(&api, OWNER, None).await.arn;
    api.by_root(OWNER)
        .call(key_policy(&key, CONSOLE_POLICY))
        .await
        .unwrap();
    (cluster, api, key)
}

/// P-4, D-7: the key policy's administrators manage and do not use the key, its users use and do not manage it; the
/// policy comes back as it was put.
#[tokio::test(flavor = "multi_thread")]
async fn console_policy_separates_administrators_from_users_at_every_node() {
    use Outcome::{Allow, ImplicitDeny};
    let (cluster, api, key) = guarded_by_the_console_policy().await;
    let put = api
        .by_root(OWNER)
        .call(GetKeyPolicyRequest {
            key_id: key.clone(),
            ..GetKeyPolicyRequest::default()
        })
        .await
        .unwrap();
    assert_eq!(put.policy, CONSOLE_POLICY);

    let users = [
        ("kms:Decrypt", Allow),
        ("kms:Encrypt", Allow),
        ("kms:ReEncryptFrom", Allow),
        ("kms:GenerateDataKeyWithoutPlaintext", Allow),
        ("kms:DescribeKey", Allow),
        ("kms:PutKeyPolicy", ImplicitDeny),
        ("kms:DisableKey", ImplicitDeny),
        ("kms:ScheduleKeyDeletion", ImplicitDeny),
        ("kms:CreateGrant", ImplicitDeny),
    ];
    let administrators = [
        ("kms:Decrypt", ImplicitDeny),
        ("kms:Encrypt", ImplicitDeny),
        ("kms:ReEncryptFrom", ImplicitDeny),
        ("kms:GenerateDataKeyWithoutPlaintext", ImplicitDeny),
        ("kms:DescribeKey", Allow),
        ("kms:PutKeyPolicy", Allow),
        ("kms:DisableKey", Allow),
        ("kms:ScheduleKeyDeletion", Allow),
        // `kms:Create*` covers it: an administrator may make grants.
        ("kms:CreateGrant", Allow),
    ];
    for at in 0..3 {
        let api = cluster.api(at);
        for subject in [user(KEY_USER), session_of(KEY_ROLE)] {
            expect(&api.by(subject), &key, &users).await;
        }
        for subject in [user(ADMIN_USER), session_of(ADMIN_ROLE)] {
            expect(&api.by(subject), &key, &administrators).await;
        }
    }
    let decided = sid(&api.by(user(KEY_USER)), "kms:Decrypt", &key).await;
    assert_eq!(
        decided,
        (
            "key_policy".to_owned(),
            Some("Allow use of the key".to_owned())
        )
    );
    let decided = sid(&api.by(user(ADMIN_USER)), "kms:PutKeyPolicy", &key).await;
    assert_eq!(
        decided,
        (
            "key_policy".to_owned(),
            Some("Allow access for Key Administrators".to_owned())
        )
    );
    // The writes themselves are decided alike, inside the log (Q-10).
    let error = api
        .by(user(KEY_USER))
        .call(key_policy(&key, CONSOLE_POLICY))
        .await
        .unwrap_err();
    assert_eq!(denied(&error).outcome(), ImplicitDeny);
    api.by(user(ADMIN_USER))
        .call(key_policy(&key, CONSOLE_POLICY))
        .await
        .unwrap();
    cluster.shutdown().await;
}

/// X-1: a key policy that names another account opens the key to those of that account who have an identity policy of
/// their own, and to no others.
#[tokio::test(flavor = "multi_thread")]
async fn external_role_may_encrypt_only_while_its_own_identity_policy_allows_it() {
    let (cluster, api, key) = guarded_by_the_console_policy().await;
    let role = api.by(session_of(EXTERNAL_ROLE));
    assert!(!role.may("kms:Encrypt", &key).await);

    let policy = format!(
        r#"{{"Version":"2012-10-17","Statement":[{{"Sid":"UseForeignKey","Effect":"Allow","Action":"kms:Encrypt","Resource":"{key}"}}]}}"#
    );
    put_identity_policy(&api, EXTERNAL_ROLE, "use-foreign-key", &policy)
        .await
        .unwrap();
    let answer = role.authorize(question("kms:Encrypt", &key)).await.unwrap();
    let decision = answer.decision.unwrap();
    assert_eq!(decision.outcome(), Outcome::Allow);
    assert_eq!(
        decision.decided_by.unwrap().policy_type,
        "key_policy+identity_policy"
    );
    // Neither the other actions of the key policy's statement nor those of other statements come with it.
    for action in ["kms:Decrypt", "kms:PutKeyPolicy"] {
        assert!(!role.may(action, &key).await, "{action}");
    }

    api.by_root(EXTERNAL)
        .call(DeletePrincipalPolicyRequest {
            arn: EXTERNAL_ROLE.to_owned(),
            policy_name: "use-foreign-key".to_owned(),
            ..DeletePrincipalPolicyRequest::default()
        })
        .await
        .unwrap();
    assert!(!role.may("kms:Encrypt", &key).await);
    cluster.shutdown().await;
}

/// D-16, CK-0: `kms:GrantIsForAWSResource` is true only of a request that an integrated service makes for the
/// principal, and only a front can say so.
#[tokio::test(flavor = "multi_thread")]
async fn key_user_may_create_a_grant_only_through_an_integrated_service() {
    let (cluster, api, key) = guarded_by_the_console_policy().await;
    let grant = grant_of_decrypt(&key, EXTERNAL_ROLE);
    let direct = api.by(user(KEY_USER));
    let error = direct.call(grant.clone()).await.unwrap_err();
    assert_eq!(denied(&error).outcome(), Outcome::ImplicitDeny);

    // A front that carries the user's own request changes nothing, and the user cannot say it of itself.
    let carried = api.by_front(user(KEY_USER), RequestFacts::default());
    let error = carried.call(grant.clone()).await.unwrap_err();
    assert_eq!(denied(&error).outcome(), Outcome::ImplicitDeny);
    let mut claims_a_service = question("kms:CreateGrant", &key);
    claims_a_service.facts = Some(via(SERVICE));
    let error = direct.authorize(claims_a_service).await.unwrap_err();
    assert_eq!(error.code, "AccessDeniedException");
    assert!(error.message.contains("via_service"), "{}", error.message);

    let through_service = api.by_front(user(KEY_USER), via(SERVICE));
    let made = through_service.call(grant).await.unwrap();
    assert!(made.grant_token.is_some());
    assert!(
        api.by(session_of(EXTERNAL_ROLE))
            .may("kms:Decrypt", &key)
            .await
    );

    // The same statement covers listing and revoking.
    let list = ListGrantsRequest {
        key_id: key.clone(),
        ..ListGrantsRequest::default()
    };
    denied(&direct.call(list.clone()).await.unwrap_err());
    let listed = through_service.call(list).await.unwrap().grants;
    assert_eq!(listed.len(), 1);
    assert_eq!(listed[0].grant_id, made.grant_id);
    let revoke = RevokeGrantRequest {
        key_id: key.clone(),
        grant_id: made.grant_id,
        ..RevokeGrantRequest::default()
    };
    denied(&direct.call(revoke.clone()).await.unwrap_err());
    through_service.call(revoke).await.unwrap();
    assert!(
        !api.by(session_of(EXTERNAL_ROLE))
            .may("kms:Decrypt", &key)
            .await
    );
    cluster.shutdown().await;
}

/// P-1: a policy that is no JSON is refused with the place of its first fault and a way to mend it; nothing of it is
/// kept. Mended, it does what it says (CK-1).
#[tokio::test(flavor = "multi_thread")]
async fn policy_as_published_is_refused_with_its_first_fault_and_works_once_mended() {
    let (cluster, api, _) = guarded_by_the_console_policy().await;
    let key = make_key(&api, OWNER, None).await.arn;
    let refused = put_identity_policy(&api, KEY_USER, "tagged", TAG_POLICY_AS_PUBLISHED)
        .await
        .unwrap_err();
    assert_eq!(refused.code, "MalformedPolicyDocumentException");
    let Some(Reason::Policy(fault)) = refused.reason else {
        panic!("{refused:?}")
    };
    // The comma is missing right after `"kms:GenerateDataKey*"`: the place is its end or the text that follows.
    let lines: Vec<&str> = TAG_POLICY_AS_PUBLISHED.lines().collect();
    let before = lines
        .iter()
        .position(|line| line.contains("kms:GenerateDataKey*"))
        .unwrap();
    let end_of_value = lines[before].trim_end().chars().count() + 1;
    let next_value = lines[before + 1].find('"').unwrap() + 1;
    let place = (fault.line as usize, fault.column as usize);
    assert!(
        place == (before + 1, end_of_value) || place == (before + 2, next_value),
        "{fault:?}"
    );
    assert!(fault.help.contains("`,`"), "{fault:?}");
    assert!(
        refused.message.contains(&format!("line {}", fault.line))
            && refused
                .message
                .contains(&format!("column {}", fault.column)),
        "{}",
        refused.message
    );

    let key_user = api.by(user(KEY_USER));
    put_identity_policy(&api, KEY_USER, "tagged", TAG_POLICY)
        .await
        .unwrap();
    assert!(!key_user.may("kms:Decrypt", &key).await);
    for (value, may) in [("Production", false), ("Test", true), ("test", false)] {
        api.by_root(OWNER)
            .call(TagResourceRequest {
                key_id: key.clone(),
                tags: vec![tag("Purpose", value)],
                ..TagResourceRequest::default()
            })
            .await
            .unwrap();
        assert_eq!(key_user.may("kms:Decrypt", &key).await, may, "{value}");
        assert!(!key_user.may("kms:PutKeyPolicy", &key).await);
    }
    cluster.shutdown().await;
}

const ABAC_ACCOUNT: &str = "000000000000";
const CHIBA: &str = "arn:aws:iam::000000000000:user/chiba-cli";
const ADMINISTRATOR_ACCESS: &str =
    r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}"#;

/// Asks and does: the decision, and DescribeKey itself, which must come to the same.
async fn describe(api: &Api, key: &str, expected: Outcome, step: &str) {
    let chiba = api.by(user(CHIBA));
    let outcome = chiba.outcome(question("kms:DescribeKey", key)).await;
    assert_eq!(outcome, expected, "{step}: {key}");
    let described = chiba
        .call(DescribeKeyRequest {
            key_id: key.to_owned(),
            ..DescribeKeyRequest::default()
        })
        .await;
    match described {
        Ok(_) => assert_eq!(expected, Outcome::Allow, "{step}: {key}"),
        Err(error) => assert_eq!(denied(&error).outcome(), expected, "{step}: {key}"),
    }
}

async fn alias(api: &Api, name: &str, key: &str) {
    api.by_root(ABAC_ACCOUNT)
        .call(CreateAliasRequest {
            alias_name: name.to_owned(),
            target_key_id: key.to_owned(),
            ..CreateAliasRequest::default()
        })
        .await
        .unwrap();
}

/// E-7: the published ABAC experiment with all its steps. The last one, without the tag, is answered by the current
/// rule of C-12, under which the Deny acts; that it did not in 2020 is a profile of the engine (case AB).
#[tokio::test(flavor = "multi_thread")]
async fn abac_experiment_comes_out_as_published() {
    use Outcome::{Allow, ExplicitDeny};
    let cluster = Cluster::start_with(3, folder, |_| {}).await;
    let api = cluster.api(cluster.follower().await);
    make_account(&api, ABAC_ACCOUNT).await;
    make_principal(&api, CHIBA, &[tag("Project", "HOGEHOGE")]).await;
    for (name, policy) in [
        ("AdministratorAccess", ADMINISTRATOR_ACCESS),
        ("alias-deny", ALIAS_DENY_POLICY),
    ] {
        put_identity_policy(&api, CHIBA, name, policy)
            .await
            .unwrap();
    }
    let first = make_key(&api, ABAC_ACCOUNT, Some(ENABLE_IAM_POLICY)).await;
    let second = make_key(&api, ABAC_ACCOUNT, Some(ENABLE_IAM_POLICY)).await;
    alias(&api, "alias/HOGEHOGE", &first.key_id).await;
    alias(&api, "alias/Test-Key", &second.key_id).await;

    let step = "one alias a key";
    describe(&api, "alias/HOGEHOGE", Allow, step).await;
    describe(&api, "alias/Test-Key", ExplicitDeny, step).await;
    describe(&api, &second.key_id, ExplicitDeny, step).await;

    alias(&api, "alias/FUGAFUGA", &first.key_id).await;
    let step = "a second alias on the first key";
    describe(&api, "alias/HOGEHOGE", Allow, step).await;
    describe(&api, "alias/FUGAFUGA", ExplicitDeny, step).await;
    describe(&api, &first.key_id, ExplicitDeny, step).await;

    let aliases = ["alias/HOGEHOGE", "alias/FUGAFUGA", "alias/Test-Key"];
    api.by_root(ABAC_ACCOUNT)
        .call(TagPrincipalRequest {
            arn: CHIBA.to_owned(),
            tags: vec![tag("Project", "")],
            ..TagPrincipalRequest::default()
        })
        .await
        .unwrap();
    for name in aliases {
        describe(&api, name, ExplicitDeny, "an empty tag value").await;
    }

    api.by_root(ABAC_ACCOUNT)
        .call(UntagPrincipalRequest {
            arn: CHIBA.to_owned(),
            tag_keys: vec!["Project".to_owned()],
            ..UntagPrincipalRequest::default()
        })
        .await
        .unwrap();
    for name in aliases {
        describe(&api, name, ExplicitDeny, "no tag").await;
    }
    cluster.shutdown().await;
}
