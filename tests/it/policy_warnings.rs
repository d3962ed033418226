//! What is surprising in a policy that is put is told beside AWS's shape, and refuses nothing (X-14).

use grantd::client::api::{
    CreateGroupRequest, CreateKeyRequest, CreateOrganizationRequest, PolicyWarning,
    PutControlPolicyRequest, PutGroupPolicyRequest, PutPrincipalPermissionsBoundaryRequest,
    PutPrincipalPolicyRequest, PutVpcEndpointRequest, ReplicateKeyRequest,
};

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

fn codes(warnings: &[PolicyWarning]) -> Vec<&str> {
    warnings
        .iter()
        .map(|warning| warning.code.as_str())
        .collect()
}

fn deny(principal: &str, action: &str) -> String {
    format!(
        r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Deny",{principal}"Action":"{action}","Resource":"*"}}]}}"#
    )
}

/// X-14, D-3, D-11: the policies that limit are looked through as well when they are put, each as what it is for.
#[tokio::test(flavor = "multi_thread")]
async fn every_kind_of_policy_tells_its_surprises_when_it_is_put() {
    const ALLOW_ALL: &str =
        r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}"#;
    let for_all = ALLOW_ALL.replace(
        r#""Effect":"Allow","#,
        r#""Effect":"Allow","Principal":"*","#,
    );
    let cluster = Cluster::start_with(1, folder, |_| {}).await;
    let api = cluster.api(0);
    for account in [OWNER, "444455556666"] {
        make_account(&api, account).await;
    }
    make_principal(&api, BOB, &[]).await;
    let root = api.by_root(OWNER);

    let arn = "arn:aws:iam::111122223333:group/g".to_owned();
    let made = CreateGroupRequest {
        header: None,
        arn: arn.clone(),
    };
    root.call(made).await.unwrap();
    for (policy, told) in [
        (ALIAS_DENY, &["negated-absent-key", "absent-variable"][..]),
        (ALLOW_ALL, &[]),
    ] {
        let put = PutGroupPolicyRequest {
            header: None,
            arn: arn.clone(),
            policy_name: "p".to_owned(),
            policy: policy.to_owned(),
        };
        let put = root.call(put).await.unwrap();
        assert_eq!(codes(&put.policy_warnings), told, "group: {policy}");
    }

    for (policy, told) in [
        (
            deny("", "kms:ReEncrypt"),
            &["allows-nothing", "unknown-action"][..],
        ),
        (ALLOW_ALL.to_owned(), &[]),
    ] {
        let put = PutPrincipalPermissionsBoundaryRequest {
            header: None,
            arn: BOB.to_owned(),
            policy: policy.clone(),
        };
        let put = root.call(put).await.unwrap();
        assert_eq!(codes(&put.policy_warnings), told, "boundary: {policy}");
    }

    let organization = CreateOrganizationRequest {
        header: None,
        organization_id: None,
        management_account_id: "444455556666".to_owned(),
    };
    let organization = api.call(organization).await.unwrap().organization.unwrap();
    let everyone = r#""Principal":"*","#;
    for (kind, policy, told) in [
        (
            "SERVICE_CONTROL_POLICY",
            deny("", "kms:ReEncrypt"),
            &["unknown-action"][..],
        ),
        ("SERVICE_CONTROL_POLICY", ALLOW_ALL.to_owned(), &[]),
        (
            "RESOURCE_CONTROL_POLICY",
            deny(everyone, "kms:RetireGrant"),
            &["retire-grant"],
        ),
        (
            "RESOURCE_CONTROL_POLICY",
            deny(everyone, "kms:Decrypt"),
            &[],
        ),
    ] {
        let put = PutControlPolicyRequest {
            header: None,
            node_id: organization.root_id.clone(),
            kind: kind.to_owned(),
            policy_name: "p".to_owned(),
            policy: policy.clone(),
        };
        let put = api.call(put).await.unwrap();
        assert_eq!(codes(&put.policy_warnings), told, "{kind}: {policy}");
    }

    for (policy, told) in [
        (Some(deny(everyone, "kms:Decrypt")), &["allows-nothing"][..]),
        (Some(for_all), &[]),
        (None, &[]),
    ] {
        let put = PutVpcEndpointRequest {
            header: None,
            vpc_endpoint_id: "vpce-1".to_owned(),
            vpc_id: "vpc-1".to_owned(),
            account_id: OWNER.to_owned(),
            policy: policy.clone(),
        };
        let put = api.call(put).await.unwrap();
        assert_eq!(codes(&put.policy_warnings), told, "endpoint: {policy:?}");
    }

    let made = CreateKeyRequest {
        multi_region: Some(true),
        ..CreateKeyRequest::default()
    };
    let made = root.call(made).await.unwrap();
    assert!(made.policy_warnings.is_empty());
    let replica = ReplicateKeyRequest {
        key_id: made.key_metadata.unwrap().key_id,
        replica_region: "eu-west-1".to_owned(),
        policy: Some(OPEN.to_owned()),
        ..ReplicateKeyRequest::default()
    };
    let replica = root.call(replica).await.unwrap();
    assert_eq!(
        codes(&replica.policy_warnings),
        ["everyone", "cross-account"]
    );
    cluster.shutdown().await;
}
