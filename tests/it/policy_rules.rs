//! Rules of the policy language that show only on a whole state: which condition keys a request has.

use grantd::cli::casefile::{Ended, read_case, run};
use serde_json::{Value, json};

const OWNER: &str = "111122223333";
const BOB: &str = "arn:aws:iam::111122223333:user/bob";
const KEY: &str = "arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab";

/// What bob's request comes to when his one identity policy allows everything under a condition; `context` is what the
/// front adds.
fn outcome(action: &str, condition: Value, context: Value) -> String {
    asked(action, condition, json!({"context": context}))
}

/// The same with further members of the request.
fn asked(action: &str, condition: Value, more: Value) -> String {
    let is_keyless = matches!(
        action,
        "kms:ListKeys" | "kms:ListAliases" | "kms:GenerateRandom"
    );
    let case = |expected: &str| {
        let mut request = json!({"principal": BOB, "action": action});
        for (name, value) in more.as_object().unwrap() {
            request[name] = value.clone();
        }
        if !is_keyless && request.get("key_id").is_none() {
            request["key_id"] = json!(KEY);
        }
        json!({
            "id": "R-1", "group": "R", "title": "one condition", "kind": "authz", "rules": ["CK-40"], "evidence": "derived",
            "source": "[S0]",
            "world": {
                "region": "eu-west-1",
                "accounts": {OWNER: {}},
                "principals": {BOB: {"type": "user", "tags": {"Team": "red"}, "identity_policies": [{
                    "Version": "2012-10-17",
                    "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*", "Condition": condition}],
                }]}},
                "keys": {"K": {
                    "arn": KEY, "spec": "SYMMETRIC_DEFAULT", "usage": "ENCRYPT_DECRYPT", "origin": "AWS_KMS",
                    "state": "Enabled", "tags": {"Dept": "X"}, "aliases": ["alias/app"],
                    "policy": {"Version": "2012-10-17", "Statement": [{
                        "Effect": "Allow", "Principal": {"AWS": OWNER}, "Action": "kms:*", "Resource": "*"}]},
                }},
                "grants": {},
            },
            "request": request,
            "expected": {"decision": expected},
        })
    };
    for expected in ["allow", "implicit_deny"] {
        let case = case(expected);
        let read = read_case(&case).unwrap_or_else(|problem| panic!("{problem}: {case}"));
        match run(&read) {
            Ended::Passed => return expected.to_owned(),
            Ended::Failed(_) => {}
            Ended::Broken(problem) => panic!("{problem}: {case}"),
        }
    }
    panic!("neither allowed nor denied: {}", case("allow"));
}

/// CK-40, CK-2, CK-34: a key that does not apply to the operation is absent, whoever brings it: positive operators fail,
/// negated ones hold (C-5).
#[test]
fn key_that_does_not_apply_to_the_operation_is_absent() {
    let caller = json!({"StringEquals": {"kms:CallerAccount": OWNER}});
    let no_caller = json!({"StringNotEquals": {"kms:CallerAccount": OWNER}});
    for (action, has_it) in [
        ("kms:Decrypt", true),
        ("kms:DescribeKey", true),
        ("kms:ListKeys", false),
        ("kms:GenerateRandom", false),
    ] {
        let (yes, no) = if has_it {
            ("allow", "implicit_deny")
        } else {
            ("implicit_deny", "allow")
        };
        assert_eq!(outcome(action, caller.clone(), json!({})), yes, "{action}");
        assert_eq!(
            outcome(action, no_caller.clone(), json!({})),
            no,
            "{action}"
        );
    }
    // Said by the front of an operation that has no such parameter.
    let operations = json!({"ForAnyValue:StringEquals": {"kms:GrantOperations": "Decrypt"}});
    let front = json!({"kms:GrantOperations": ["Decrypt"]});
    assert_eq!(outcome("kms:Decrypt", operations, front), "implicit_deny");
    let alias = json!({"StringEquals": {"kms:RequestAlias": "alias/a"}});
    assert_eq!(
        outcome(
            "kms:ListGrants",
            alias,
            json!({"kms:RequestAlias": "alias/a"})
        ),
        "implicit_deny"
    );
}

/// CK-1 to CK-38: each key has the value that the request or the key gives it, under the operator of its type, and no other
/// value.
#[test]
fn every_condition_key_has_its_value() {
    let none = || json!({});
    let pair = || json!({"encryption_context": {"Dept": "IT"}});
    let param = |name: &str, value: &str| json!({"params": {name: value}});
    let grant = |more: Value| {
        let mut params = json!({"GranteePrincipal": BOB, "Operations": ["Decrypt", "Encrypt"]});
        for (name, value) in more.as_object().unwrap() {
            params[name] = value.clone();
        }
        json!({"params": params})
    };
    let tags = || json!({"params": {"Tags": [{"TagKey": "Cost", "TagValue": "7"}]}});
    let rows = [
        (
            "CK-0",
            "kms:Decrypt",
            none(),
            "ArnEquals",
            "aws:PrincipalArn",
            BOB,
        ),
        (
            "CK-0",
            "kms:Decrypt",
            none(),
            "StringEquals",
            "aws:PrincipalAccount",
            OWNER,
        ),
        (
            "CK-0",
            "kms:Decrypt",
            none(),
            "StringEquals",
            "aws:PrincipalType",
            "User",
        ),
        (
            "CK-0",
            "kms:Decrypt",
            none(),
            "StringEquals",
            "aws:username",
            "bob",
        ),
        (
            "CK-0",
            "kms:Decrypt",
            none(),
            "StringEquals",
            "aws:PrincipalTag/team",
            "red",
        ),
        (
            "CK-0",
            "kms:Decrypt",
            none(),
            "IpAddress",
            "aws:SourceIp",
            "203.0.113.0/24",
        ),
        (
            "CK-0",
            "kms:Decrypt",
            none(),
            "StringEquals",
            "aws:RequestedRegion",
            "eu-west-1",
        ),
        (
            "CK-0",
            "kms:Decrypt",
            none(),
            "Bool",
            "aws:SecureTransport",
            "true",
        ),
        (
            "CK-0",
            "kms:Decrypt",
            none(),
            "Bool",
            "aws:ViaAWSService",
            "false",
        ),
        (
            "CK-0",
            "kms:Decrypt",
            none(),
            "StringEquals",
            "aws:ResourceAccount",
            OWNER,
        ),
        (
            "CK-2",
            "kms:Decrypt",
            none(),
            "StringEquals",
            "kms:CallerAccount",
            OWNER,
        ),
        (
            "CK-3",
            "kms:Decrypt",
            none(),
            "StringEquals",
            "kms:CustomerMasterKeySpec",
            "SYMMETRIC_DEFAULT",
        ),
        (
            "CK-3",
            "kms:Decrypt",
            none(),
            "StringEquals",
            "kms:CustomerMasterKeyUsage",
            "ENCRYPT_DECRYPT",
        ),
        (
            "CK-4",
            "kms:GenerateDataKeyPair",
            param("KeyPairSpec", "RSA_2048"),
            "StringEquals",
            "kms:DataKeyPairSpec",
            "RSA_2048",
        ),
        (
            "CK-6",
            "kms:Encrypt",
            none(),
            "StringEquals",
            "kms:EncryptionAlgorithm",
            "SYMMETRIC_DEFAULT",
        ),
        (
            "CK-7",
            "kms:Encrypt",
            pair(),
            "StringEquals",
            "kms:EncryptionContext:dept",
            "IT",
        ),
        (
            "CK-8",
            "kms:Encrypt",
            pair(),
            "ForAnyValue:StringEquals",
            "kms:EncryptionContextKeys",
            "Dept",
        ),
        (
            "CK-10",
            "kms:CreateGrant",
            grant(json!({"Constraints": {"EncryptionContextSubset": {"a": "1"}}})),
            "StringEquals",
            "kms:GrantConstraintType",
            "EncryptionContextSubset",
        ),
        (
            "CK-11",
            "kms:CreateGrant",
            grant(json!({})),
            "Bool",
            "kms:GrantIsForAWSResource",
            "false",
        ),
        (
            "CK-12",
            "kms:CreateGrant",
            grant(json!({})),
            "ForAnyValue:StringEquals",
            "kms:GrantOperations",
            "Encrypt",
        ),
        (
            "CK-13",
            "kms:CreateGrant",
            grant(json!({})),
            "StringEquals",
            "kms:GranteePrincipal",
            BOB,
        ),
        (
            "CK-15",
            "kms:Decrypt",
            none(),
            "StringEquals",
            "kms:KeyOrigin",
            "AWS_KMS",
        ),
        (
            "CK-16",
            "kms:Decrypt",
            none(),
            "StringEquals",
            "kms:KeySpec",
            "SYMMETRIC_DEFAULT",
        ),
        (
            "CK-17",
            "kms:Decrypt",
            none(),
            "StringEquals",
            "kms:KeyUsage",
            "ENCRYPT_DECRYPT",
        ),
        (
            "CK-18",
            "kms:VerifyMac",
            param("MacAlgorithm", "HMAC_SHA_256"),
            "StringEquals",
            "kms:MacAlgorithm",
            "HMAC_SHA_256",
        ),
        (
            "CK-19",
            "kms:Sign",
            none(),
            "StringEquals",
            "kms:MessageType",
            "RAW",
        ),
        (
            "CK-20",
            "kms:Decrypt",
            none(),
            "Bool",
            "kms:MultiRegion",
            "false",
        ),
        (
            "CK-22",
            "kms:GetKeyPolicy",
            none(),
            "StringEquals",
            "kms:PolicyName",
            "default",
        ),
        (
            "CK-24",
            "kms:ReEncryptFrom",
            json!({"params": {"same_key": true}}),
            "Bool",
            "kms:ReEncryptOnSameKey",
            "true",
        ),
        (
            "CK-27",
            "kms:Decrypt",
            json!({"key_id": "alias/app"}),
            "StringEquals",
            "kms:RequestAlias",
            "alias/app",
        ),
        (
            "CK-28",
            "kms:Decrypt",
            none(),
            "ForAnyValue:StringEquals",
            "kms:ResourceAliases",
            "alias/app",
        ),
        (
            "CK-29",
            "kms:CreateGrant",
            grant(json!({"RetiringPrincipal": BOB})),
            "StringEquals",
            "kms:RetiringPrincipal",
            BOB,
        ),
        (
            "CK-31",
            "kms:ScheduleKeyDeletion",
            json!({"params": {"PendingWindowInDays": 7}}),
            "NumericEquals",
            "kms:ScheduleKeyDeletionPendingWindowInDays",
            "7",
        ),
        (
            "CK-32",
            "kms:Sign",
            param("SigningAlgorithm", "ECDSA_SHA_256"),
            "StringEquals",
            "kms:SigningAlgorithm",
            "ECDSA_SHA_256",
        ),
        (
            "CK-34",
            "kms:Decrypt",
            json!({"via_service": "s3.eu-west-1.amazonaws.com"}),
            "StringEquals",
            "kms:ViaService",
            "s3.eu-west-1.amazonaws.com",
        ),
        (
            "CK-36",
            "kms:Decrypt",
            none(),
            "StringEquals",
            "aws:ResourceTag/Dept",
            "X",
        ),
        (
            "CK-37",
            "kms:TagResource",
            tags(),
            "StringEquals",
            "aws:RequestTag/Cost",
            "7",
        ),
        (
            "CK-38",
            "kms:TagResource",
            tags(),
            "ForAnyValue:StringEquals",
            "aws:TagKeys",
            "Cost",
        ),
    ];
    for (rule, action, more, operator, key, value) in rows {
        let at = |value: Value| asked(action, json!({operator: {key: value}}), more.clone());
        assert_eq!(at(json!(value)), "allow", "{rule}: {key}");
        // C-1, CK-42: values are alternatives.
        let other = match operator {
            "Bool" if value == "true" => "false",
            "Bool" => "true",
            "IpAddress" => "198.51.100.0/24",
            "NumericEquals" => "8",
            "ArnEquals" => "arn:aws:iam::111122223333:user/eve",
            _ => "something else",
        };
        assert_eq!(at(json!(other)), "implicit_deny", "{rule}: {key}");
        assert_eq!(at(json!([other, value])), "allow", "{rule}: {key}");
    }
}
