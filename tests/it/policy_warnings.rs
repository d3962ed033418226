//! What is surprising in a policy that is put is told beside AWS's shape, and refuses nothing (X-14).

use grantd::client::api::{CreateKeyRequest, PutPrincipalPolicyRequest};

use crate::support::api::{key_policy, make_account, make_principal};
use crate::support::cluster::{Cluster, folder};

const OWNER: &str = "111122223333";
const BOB: &str = "arn:aws:iam::111122223333:user/bob";
const ALIAS_DENY: &str = include_str!("../examples/identity-policy-alias-deny.json");
const PLAIN: &str = include_str!("../examples/identity-policy-tag.json");

/// A key policy that opens the key to everyone, and lets another account do what works in the own account alone.
const OPEN: &str = r#"{
  "Version": "2012-10-17",
  "Statement": [
    {"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::111122223333:root"}, "Action": "kms:*", "Resource": "*"},
    {"Effect": "Allow", "Principal": "*", "Action": "kms:Decrypt", "Resource": "*"},
    {"Effect": "Allow", "Principal": {"AWS": "444455556666"}, "Action": "kms:TagResource", "Resource": "*"}
  ]
}"#;

/// X-14, P-22, D-8, C-5, C-12: CreateKey, PutKeyPolicy and PutPrincipalPolicy tell their warnings with place and rule.
#[tokio::test(flavor = "multi_thread")]
async fn policy_is_put_and_its_surprises_are_told() {
    let cluster = Cluster::start_with(1, folder, |_| {}).await;
    let api = cluster.api(0);
    for account in [OWNER, "444455556666"] {
        make_account(&api, account).await;
    }
    make_principal(&api, BOB, &[]).await;
    let root = api.by_root(OWNER);
    let made = root
        .call(CreateKeyRequest {
            policy: Some(OPEN.to_owned()),
            ..CreateKeyRequest::default()
        })
        .await
        .unwrap();
    let key = made.key_metadata.unwrap().key_id;
    let told: Vec<_> = made
        .policy_warnings
        .iter()
        .map(|w| {
            (
                w.code.as_str(),
                w.rule.as_str(),
                w.line,
                w.column,
                w.offending.as_str(),
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            ("everyone", "P-22", 5, 38, "*"),
            ("cross-account", "D-8", 6, 73, "kms:TagResource"),
        ]
    );
    let put = root.call(key_policy(&key, OPEN)).await.unwrap();
    assert_eq!(put.policy_warnings, made.policy_warnings);

    for (policy, codes) in [
        (ALIAS_DENY, &["negated-absent-key", "absent-variable"][..]),
        (PLAIN, &[]),
    ] {
        let put = root
            .call(PutPrincipalPolicyRequest {
                arn: BOB.to_owned(),
                policy_name: "p".to_owned(),
                policy: policy.to_owned(),
                ..PutPrincipalPolicyRequest::default()
            })
            .await
            .unwrap();
        let told: Vec<&str> = put
            .policy_warnings
            .iter()
            .map(|w| w.code.as_str())
            .collect();
        assert_eq!(told, codes);
    }
    cluster.shutdown().await;
}
