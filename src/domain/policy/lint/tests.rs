//! Each warning beside its silent twin: the statement that surprises, and the one that says what is meant.

use std::collections::BTreeSet;

use super::*;

const OWNER: &str = "111122223333";

fn of(kind: PolicyKind, text: &str) -> Vec<Warning> {
    lint(text, kind, OWNER.parse().ok()).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// The codes and texts of the warnings on one statement.
fn told(kind: PolicyKind, statement: &str) -> Vec<(&'static str, String)> {
    let text = format!(r#"{{"Version":"2012-10-17","Statement":[{statement}]}}"#);
    let show = |warning: Warning| (warning.lint.code(), warning.offending.to_string());
    of(kind, &text).into_iter().map(show).collect()
}

const ROOT: &str = r#""Principal":{"AWS":"111122223333"},"#;

/// A key policy's statement for the account root.
fn key(rest: &str) -> String {
    format!(r#"{{"Effect":"Allow",{ROOT}"Resource":"*",{rest}}}"#)
}

/// A key policy's statement on decryption under a condition.
fn under(condition: &str) -> String {
    key(&format!(
        r#""Action":"kms:Decrypt","Condition":{condition}"#
    ))
}

fn denied(condition: &str) -> String {
    under(condition).replace("Allow", "Deny")
}

fn identity(rest: &str) -> String {
    format!(r#"{{"Effect":"Allow",{rest}}}"#)
}

fn whose(principal: &str, rest: &str) -> String {
    format!(r#"{{"Effect":"Allow","Principal":{principal},"Resource":"*",{rest}}}"#)
}

pub(super) type Row = (
    &'static str,
    PolicyKind,
    String,
    &'static [(&'static str, &'static str)],
);

pub(super) fn rows() -> Vec<Row> {
    use PolicyKind::{
        Boundary, Identity, Key, ResourceControl, ServiceControl, Session, VpcEndpoint,
    };
    let everyone = |rest: &str| whose("\"*\"", rest);
    let linked = r#"{"AWS":"arn:aws:iam::111122223333:role/aws-service-role/autoscaling.amazonaws.com/AWSServiceRoleForAutoScaling"}"#;
    let foreign = r#"{"AWS":"444455556666"}"#;
    let for_aws =
        r#""Action":"kms:CreateGrant","Condition":{"Bool":{"kms:GrantIsForAWSResource":"true"}}"#;
    vec![
        (
            "P-4: no action",
            Key,
            format!(r#"{{"Effect":"Allow",{ROOT}"Resource":"*"}}"#),
            &[("no-effect", "")],
        ),
        (
            "P-4: no resource",
            Key,
            format!(r#"{{"Effect":"Allow",{ROOT}"Action":"kms:*"}}"#),
            &[("no-effect", "")],
        ),
        (
            "P-4: an empty list",
            Key,
            format!(r#"{{"Effect":"Deny",{ROOT}"Action":[],"Resource":"*"}}"#),
            &[("no-effect", "")],
        ),
        (
            "D-11: a boundary of denials alone",
            Boundary,
            r#"{"Effect":"Deny","Action":"kms:Decrypt","Resource":"*"}"#.to_owned(),
            &[("allows-nothing", "")],
        ),
        (
            "D-11: a session policy of denials alone",
            Session,
            r#"{"Effect":"Deny","Action":"kms:Decrypt","Resource":"*"}"#.to_owned(),
            &[("allows-nothing", "")],
        ),
        (
            "D-3: an endpoint policy of denials alone",
            VpcEndpoint,
            r#"{"Effect":"Deny","Principal":"*","Action":"kms:Decrypt","Resource":"*"}"#.to_owned(),
            &[("allows-nothing", "")],
        ),
        (
            "D-3: denials beside FullAWSAccess",
            ServiceControl,
            r#"{"Effect":"Deny","Action":"kms:Decrypt","Resource":"*"}"#.to_owned(),
            &[],
        ),
        (
            "D-3: denials beside RCPFullAWSAccess",
            ResourceControl,
            r#"{"Effect":"Deny","Principal":"*","Action":"kms:Decrypt","Resource":"*"}"#.to_owned(),
            &[],
        ),
        (
            "D-11: a boundary that allows everything",
            Boundary,
            identity(r#""Action":"*","Resource":"*""#),
            &[],
        ),
        (
            "D-3: FullAWSAccess",
            ServiceControl,
            identity(r#""Action":"*","Resource":"*""#),
            &[],
        ),
        (
            "D-3: RCPFullAWSAccess",
            ResourceControl,
            r#"{"Effect":"Allow","Principal":"*","Action":"*","Resource":"*"}"#.to_owned(),
            &[],
        ),
        (
            "D-3: the endpoint's default",
            VpcEndpoint,
            everyone(r#""Action":"*""#),
            &[],
        ),
        (
            "P-10: in a service control policy",
            ServiceControl,
            r#"{"Effect":"Deny","Action":["kms:ReEncrypt","s3:GetObject"],"Resource":"*"}"#
                .to_owned(),
            &[("unknown-action", "kms:ReEncrypt")],
        ),
        (
            "C-8: in a boundary",
            Boundary,
            identity(
                r#""Action":"kms:CreateGrant","Resource":"*","Condition":{"ForAllValues:StringEquals":{"kms:GrantOperations":"Decrypt"}}"#,
            ),
            &[],
        ),
        (
            "G-52: in a resource control policy",
            ResourceControl,
            r#"{"Effect":"Deny","Principal":"*","Action":"kms:RetireGrant","Resource":"*"}"#
                .to_owned(),
            &[("retire-grant", "kms:RetireGrant")],
        ),
        (
            "C-5: in an endpoint policy",
            VpcEndpoint,
            everyone(
                r#""Action":"kms:Decrypt","Condition":{"StringNotEquals":{"aws:PrincipalTag/a":"b"}}"#,
            ),
            &[("negated-absent-key", "aws:PrincipalTag/a")],
        ),
        ("P-4: both", Key, key(r#""Action":"kms:*""#), &[]),
        (
            "P-4: another resource",
            Key,
            format!(
                r#"{{"Effect":"Allow",{ROOT}"Action":"kms:*","Resource":"arn:aws:kms:eu-west-1:111122223333:key/x"}}"#
            ),
            &[(
                "key-policy-resource",
                "arn:aws:kms:eu-west-1:111122223333:key/x",
            )],
        ),
        (
            "P-9: a console statement",
            Key,
            key(r#""Action":["kms:ListKeys","kms:ListAliases","tag:GetResources"]"#),
            &[("console-statement", "")],
        ),
        (
            "P-9: key deletion is no Delete*",
            Key,
            key(r#""Action":["kms:Delete*"]"#),
            &[("delete-is-not-key-deletion", "kms:Delete*")],
        ),
        (
            "P-9: key deletion is named",
            Key,
            key(r#""Action":["kms:Delete*","kms:ScheduleKeyDeletion"]"#),
            &[],
        ),
        (
            "P-12: one action without a key",
            Key,
            key(r#""Action":["kms:ListKeys","kms:Decrypt"]"#),
            &[("keyless-action", "kms:ListKeys")],
        ),
        (
            "P-12: a narrow resource",
            Identity,
            identity(
                r#""Action":["kms:ListKeys","kms:Decrypt"],"Resource":"arn:aws:kms:*:111122223333:key/*""#,
            ),
            &[("keyless-action", "kms:ListKeys")],
        ),
        (
            "P-12: `*`",
            Identity,
            identity(r#""Action":["kms:ListKeys"],"Resource":"arn:aws:kms:*:111122223333:*""#),
            &[],
        ),
        (
            "P-13: another service",
            Key,
            key(r#""Action":["s3:GetObject","kms:Decrypt"]"#),
            &[("foreign-action", "s3:GetObject")],
        ),
        (
            "P-13: in an identity policy",
            Identity,
            identity(r#""Action":["s3:GetObject"],"Resource":"*""#),
            &[],
        ),
        (
            "P-10: no such action",
            Key,
            key(r#""Action":["kms:Decript","kms:*"]"#),
            &[("unknown-action", "kms:Decript")],
        ),
        (
            "P-10: two halves",
            Identity,
            identity(r#""Action":["kms:ReEncrypt"],"Resource":"*""#),
            &[("unknown-action", "kms:ReEncrypt")],
        ),
        (
            "P-10: a pattern without a match",
            Identity,
            identity(r#""Action":["kms:Frob*"],"Resource":"*""#),
            &[("unknown-action", "kms:Frob*")],
        ),
        (
            "P-10: patterns",
            Identity,
            identity(r#""Action":["kms:ReEncrypt*","KMS:decrypt","*"],"Resource":"*""#),
            &[],
        ),
        (
            "G-52: retirement in a key policy",
            Key,
            key(r#""Action":["kms:RetireGrant","kms:Decrypt"]"#),
            &[("retire-grant", "kms:RetireGrant")],
        ),
        (
            "G-52: in an identity policy",
            Identity,
            identity(r#""Action":"kms:RetireGrant","Resource":"*""#),
            &[],
        ),
        (
            "D-8: not across accounts",
            Key,
            whose(
                foreign,
                r#""Action":["kms:PutKeyPolicy","kms:Decrypt","kms:Put*"]"#,
            ),
            &[
                ("cross-account", "kms:PutKeyPolicy"),
                ("cross-account", "kms:Put*"),
            ],
        ),
        (
            "D-8: of another account",
            Identity,
            identity(
                r#""Action":["kms:TagResource","kms:Decrypt"],"Resource":"arn:aws:kms:*:444455556666:key/*""#,
            ),
            &[("cross-account", "kms:TagResource")],
        ),
        (
            "D-8: in the own account",
            Key,
            key(r#""Action":["kms:PutKeyPolicy"]"#),
            &[],
        ),
        (
            "ID-10: an alias",
            Identity,
            identity(r#""Action":"kms:Decrypt","Resource":"arn:aws:kms:*:111122223333:alias/app""#),
            &[("alias-resource", "arn:aws:kms:*:111122223333:alias/app")],
        ),
        (
            "ID-10: an alias operation",
            Identity,
            identity(
                r#""Action":"kms:CreateAlias","Resource":"arn:aws:kms:*:111122223333:alias/app""#,
            ),
            &[("alias-half", "kms:CreateAlias")],
        ),
        (
            "D-14: both halves",
            Identity,
            identity(
                r#""Action":"kms:CreateAlias","Resource":["arn:aws:kms:*:111122223333:alias/app","arn:aws:kms:*:111122223333:key/*"]"#,
            ),
            &[],
        ),
        (
            "D-14: the key's half",
            Session,
            identity(
                r#""Action":["kms:CreateAlias","kms:Decrypt"],"Resource":"arn:aws:kms:*:111122223333:key/*""#,
            ),
            &[("alias-half", "kms:CreateAlias")],
        ),
        (
            "D-14: everything on keys is no mistake about aliases",
            Identity,
            identity(r#""Action":"kms:*","Resource":"arn:aws:kms:*:111122223333:key/*""#),
            &[],
        ),
        (
            "P-22: everyone",
            Key,
            everyone(r#""Action":"kms:Decrypt""#),
            &[("everyone", "*")],
        ),
        (
            "P-22: everyone in a list",
            Key,
            whose(
                r#"{"AWS":["444455556666","*"]}"#,
                r#""Action":"kms:Decrypt""#,
            ),
            &[("everyone", "*")],
        ),
        (
            "P-22: under a condition on something else",
            Key,
            everyone(
                r#""Action":"kms:Decrypt","Condition":{"Bool":{"aws:SecureTransport":"true"}}"#,
            ),
            &[("everyone", "*")],
        ),
        (
            "P-22: under a condition on the caller",
            Key,
            everyone(
                r#""Action":"kms:Decrypt","Condition":{"StringEquals":{"kms:CallerAccount":"111122223333"}}"#,
            ),
            &[],
        ),
        (
            "P-22: a condition that everyone meets",
            Key,
            everyone(
                r#""Action":"kms:Decrypt","Condition":{"StringLike":{"aws:PrincipalArn":"*"}}"#,
            ),
            &[("everyone", "*")],
        ),
        (
            "P-22: everyone is denied",
            Key,
            everyone(r#""Action":"kms:Decrypt""#).replace("Allow", "Deny"),
            &[],
        ),
        (
            "P-24: allow",
            Key,
            format!(
                r#"{{"Effect":"Allow","NotPrincipal":{{"AWS":"{OWNER}"}},"Action":"kms:*","Resource":"*"}}"#
            ),
            &[("not-principal-allow", "NotPrincipal")],
        ),
        (
            "P-24: deny without the account",
            Key,
            format!(
                r#"{{"Effect":"Deny","NotPrincipal":{{"AWS":"arn:aws:iam::{OWNER}:user/bob"}},"Action":"kms:*","Resource":"*"}}"#
            ),
            &[("not-principal-deny", "arn:aws:iam::111122223333:user/bob")],
        ),
        (
            "P-24: deny with the account, of a role without a session",
            Key,
            format!(
                r#"{{"Effect":"Deny","NotPrincipal":{{"AWS":["{OWNER}","arn:aws:iam::{OWNER}:role/app"]}},"Action":"kms:*","Resource":"*"}}"#
            ),
            &[("not-principal-deny", "arn:aws:iam::111122223333:role/app")],
        ),
        (
            "P-24: deny with the account, of a role with a session of another",
            Key,
            format!(
                r#"{{"Effect":"Deny","NotPrincipal":{{"AWS":["{OWNER}","arn:aws:iam::{OWNER}:role/app","arn:aws:sts::{OWNER}:assumed-role/other/s"]}},"Action":"kms:*","Resource":"*"}}"#
            ),
            &[("not-principal-deny", "arn:aws:iam::111122223333:role/app")],
        ),
        (
            "P-24: deny with the account, of a role with a session",
            Key,
            format!(
                r#"{{"Effect":"Deny","NotPrincipal":{{"AWS":["{OWNER}","arn:aws:iam::{OWNER}:role/team/app","arn:aws:sts::{OWNER}:assumed-role/app/s"]}},"Action":"kms:*","Resource":"*"}}"#
            ),
            &[],
        ),
        (
            "P-24: deny with the account",
            Key,
            format!(
                r#"{{"Effect":"Deny","NotPrincipal":{{"AWS":["{OWNER}","arn:aws:iam::{OWNER}:user/bob"]}},"Action":"kms:*","Resource":"*"}}"#
            ),
            &[],
        ),
        (
            "U-16",
            Key,
            whose(
                r#"{"Federated":"cognito-identity.amazonaws.com"}"#,
                r#""Action":"kms:*""#,
            ),
            &[("federated-principal", "cognito-identity.amazonaws.com")],
        ),
        (
            "X-16: a service-linked role of the key's account, as AWS publishes it",
            Key,
            whose(linked, for_aws),
            &[],
        ),
        (
            "X-16: of another account",
            Key,
            whose(&linked.replace(OWNER, "444455556666"), for_aws),
            &[(
                "grant-for-aws-resource",
                "arn:aws:iam::444455556666:role/aws-service-role/autoscaling.amazonaws.com/AWSServiceRoleForAutoScaling",
            )],
        ),
        (
            "X-16: of another account, for what it may do by itself",
            Key,
            whose(
                &linked.replace(OWNER, "444455556666"),
                r#""Action":"kms:ListGrants","Condition":{"Bool":{"kms:GrantIsForAWSResource":"true"}}"#,
            ),
            &[],
        ),
        (
            "X-16: the console's statement for another account",
            Key,
            whose(
                foreign,
                r#""Action":["kms:CreateGrant","kms:ListGrants","kms:RevokeGrant"],"Condition":{"Bool":{"kms:GrantIsForAWSResource":"true"}}"#,
            ),
            &[],
        ),
        (
            "X-16: a person's grant to the role",
            Key,
            whose(
                foreign,
                r#""Action":"kms:CreateGrant","Condition":{"Bool":{"kms:GrantIsForAWSResource":"true"},"ArnLike":{"kms:GranteePrincipal":"arn:aws:iam::444455556666:role/aws-service-role/autoscaling.amazonaws.com/*"}}"#,
            ),
            &[(
                "grant-for-aws-resource",
                "arn:aws:iam::444455556666:role/aws-service-role/autoscaling.amazonaws.com/*",
            )],
        ),
        ("X-16: others", Key, key(for_aws), &[]),
        (
            "C-5: a negated operator",
            Key,
            under(r#"{"StringNotEquals":{"kms:ViaService":"s3.eu-west-1.amazonaws.com"}}"#),
            &[("negated-absent-key", "kms:ViaService")],
        ),
        (
            "C-5: in a deny",
            Key,
            denied(r#"{"NotIpAddress":{"aws:SourceIp":"203.0.113.0/24"}}"#),
            &[("network-deny", "aws:SourceIp")],
        ),
        (
            "C-5: a key that is always there",
            Key,
            denied(r#"{"StringNotEquals":{"kms:CallerAccount":"111122223333"}}"#),
            &[],
        ),
        (
            "C-5: made sure",
            Key,
            denied(
                r#"{"NotIpAddress":{"aws:SourceIp":"203.0.113.0/24"},"Null":{"aws:sourceip":"false"}}"#,
            ),
            &[],
        ),
        (
            "C-6: IfExists",
            Key,
            denied(r#"{"StringNotEqualsIfExists":{"aws:SourceVpc":"vpc-1"}}"#),
            &[
                ("negated-if-exists", "StringNotEqualsIfExists"),
                ("network-deny", "aws:SourceVpc"),
            ],
        ),
        (
            "C-6: on a positive operator",
            Key,
            under(r#"{"StringEqualsIfExists":{"aws:SourceVpc":"vpc-1"}}"#),
            &[],
        ),
        (
            "C-8: ForAllValues",
            Identity,
            identity(
                r#""Action":"kms:Decrypt","Resource":"*","Condition":{"ForAllValues:StringLike":{"kms:ResourceAliases":"alias/app*"}}"#,
            ),
            &[("for-all-values-absent", "ForAllValues:StringLike")],
        ),
        (
            "C-8: with a Null check",
            Identity,
            identity(
                r#""Action":"kms:Decrypt","Resource":"*","Condition":{"ForAllValues:StringLike":{"kms:ResourceAliases":"alias/app*"},"Null":{"kms:ResourceAliases":"false"}}"#,
            ),
            &[],
        ),
        (
            "C-8: always there",
            Key,
            key(
                r#""Action":"kms:CreateGrant","Condition":{"ForAllValues:StringEquals":{"kms:GrantOperations":["Decrypt"]}}"#,
            ),
            &[],
        ),
        (
            "C-8: one value",
            Key,
            under(r#"{"ForAnyValue:StringEquals":{"aws:PrincipalTag/team":"a"}}"#),
            &[("set-on-single", "ForAnyValue:StringEquals")],
        ),
        (
            "C-8: one value, all",
            Key,
            under(r#"{"ForAllValues:StringEquals":{"aws:PrincipalTag/team":"a"}}"#),
            &[("set-on-single", "ForAllValues:StringEquals")],
        ),
        (
            "C-10",
            Key,
            under(r#"{"StringEquals":{"kms:EncryptionContextKeys":"a"}}"#),
            &[("multivalued-without-set", "kms:EncryptionContextKeys")],
        ),
        (
            "C-10: Null",
            Key,
            under(r#"{"Null":{"kms:EncryptionContextKeys":"false"}}"#),
            &[],
        ),
        (
            "CK-40: never there",
            Key,
            under(r#"{"StringEquals":{"kms:GrantOperations":"Decrypt"}}"#),
            &[
                ("multivalued-without-set", "kms:GrantOperations"),
                ("never-present", "kms:GrantOperations"),
            ],
        ),
        (
            "CK-40: never there for one action",
            Key,
            key(
                r#""Action":["kms:Decrypt","kms:DescribeKey"],"Condition":{"StringEquals":{"kms:EncryptionContext:a":"b"}}"#,
            ),
            &[("never-present", "kms:DescribeKey")],
        ),
        (
            "CK-40: a property of no key",
            Identity,
            identity(
                r#""Action":"kms:ListKeys","Resource":"*","Condition":{"StringEquals":{"kms:KeySpec":"RSA_2048"}}"#,
            ),
            &[("never-present", "kms:KeySpec")],
        ),
        (
            "CK-40: IfExists",
            Key,
            key(
                r#""Action":["kms:Decrypt","kms:DescribeKey"],"Condition":{"StringEqualsIfExists":{"kms:EncryptionContext:a":"b"}}"#,
            ),
            &[],
        ),
        (
            "CK-40: no such key",
            Key,
            under(r#"{"StringEquals":{"kms:RequestAliases":"alias/a"}}"#),
            &[("unknown-key", "kms:RequestAliases")],
        ),
        (
            "CK-25: a register",
            Key,
            under(r#"{"StringEquals":{"kms:RecipientAttestation:PCR8":"a"}}"#),
            &[],
        ),
        (
            "C-1: no values",
            Key,
            under(r#"{"StringEquals":{"kms:CallerAccount":[]}}"#),
            &[("no-values", "kms:CallerAccount")],
        ),
        (
            "CK-41: a tag of the key as a variable in a key policy",
            Key,
            under(
                r#"{"StringEquals":{"aws:PrincipalAccount":"${aws:ResourceTag/Purpose, 'none'}"}}"#,
            ),
            &[("identity-only-key", "${aws:ResourceTag/Purpose, 'none'}")],
        ),
        (
            "CK-60: a key of another service",
            Identity,
            identity(
                r#""Action":"*","Resource":"*","Condition":{"StringEquals":{"s3:prefix":"a"}}"#,
            ),
            &[("foreign-key", "s3:prefix")],
        ),
        (
            "CK-60: a key of another service, on its own actions",
            Identity,
            identity(
                r#""Action":"s3:*","Resource":"*","Condition":{"StringEquals":{"s3:prefix":"a"}}"#,
            ),
            &[],
        ),
        (
            "CK-40: no global key",
            Key,
            under(r#"{"StringEquals":{"aws:PrincipalOrg":"o-a"}}"#),
            &[("unknown-key", "aws:PrincipalOrg")],
        ),
        (
            "CK-41: a tag in an identity policy",
            Identity,
            identity(
                r#""Action":"kms:Decrypt","Resource":"*","Condition":{"StringEquals":{"aws:ResourceTag/Purpose":"Test"}}"#,
            ),
            &[],
        ),
        (
            "C-12: a tag",
            Key,
            denied(r#"{"StringNotEquals":{"aws:PrincipalAccount":"${aws:PrincipalTag/a}"}}"#),
            &[("absent-variable", "${aws:PrincipalTag/a}")],
        ),
        (
            "C-12: a default",
            Key,
            denied(
                r#"{"StringNotEquals":{"aws:PrincipalAccount":"${aws:PrincipalTag/a, 'none'}"}}"#,
            ),
            &[],
        ),
        (
            "C-12: in a resource",
            Identity,
            identity(
                r#""Action":"kms:CreateAlias","Resource":"arn:aws:kms:*:111122223333:alias/${aws:username}/*""#,
            ),
            &[
                ("alias-half", "kms:CreateAlias"),
                (
                    "absent-variable",
                    "arn:aws:kms:*:111122223333:alias/${aws:username}/*",
                ),
            ],
        ),
        (
            "C-12: made sure",
            Identity,
            identity(
                r#""Action":"kms:CreateAlias","Resource":"arn:aws:kms:*:111122223333:alias/${aws:username}/*","Condition":{"Null":{"aws:username":"false"}}"#,
            ),
            &[("alias-half", "kms:CreateAlias")],
        ),
        (
            "C-12: always there",
            Key,
            under(
                r#"{"StringEquals":{"kms:EncryptionContext:account":"${aws:PrincipalAccount}"}}"#,
            ),
            &[],
        ),
        (
            "C-11: several values",
            Key,
            under(r#"{"StringEquals":{"aws:PrincipalTag/a":"${aws:TagKeys}"}}"#),
            &[("multivalued-variable", "${aws:TagKeys}")],
        ),
        (
            "C-14: two lists",
            Key,
            under(
                r#"{"StringEquals":{"kms:CallerAccount":"111122223333"},"StringLike":{"KMS:calleraccount":"4444*"}}"#,
            ),
            &[("contradiction", "KMS:calleraccount")],
        ),
        (
            "C-14: absent and present",
            Key,
            under(r#"{"Null":{"aws:SourceVpc":"true"},"StringLike":{"aws:SourceVpc":"vpc-*"}}"#),
            &[("contradiction", "aws:SourceVpc")],
        ),
        (
            "C-14: a range without a number",
            Key,
            key(
                r#""Action":"kms:ScheduleKeyDeletion","Condition":{"NumericLessThan":{"kms:ScheduleKeyDeletionPendingWindowInDays":"7"},"NumericGreaterThanEquals":{"kms:ScheduleKeyDeletionPendingWindowInDays":"7"}}"#,
            ),
            &[(
                "contradiction",
                "kms:ScheduleKeyDeletionPendingWindowInDays",
            )],
        ),
        (
            "C-14: a range with a number",
            Key,
            key(
                r#""Action":"kms:ScheduleKeyDeletion","Condition":{"NumericLessThanEquals":{"kms:ScheduleKeyDeletionPendingWindowInDays":"7"},"NumericGreaterThanEquals":{"kms:ScheduleKeyDeletionPendingWindowInDays":"7"}}"#,
            ),
            &[],
        ),
        (
            "C-14: no day",
            Key,
            under(
                r#"{"DateGreaterThan":{"aws:CurrentTime":"2026-07-14T00:00:00Z"},"DateLessThan":{"aws:CurrentTime":"2026-07-01T00:00:00Z"}}"#,
            ),
            &[("contradiction", "aws:CurrentTime")],
        ),
        (
            "C-14: a week",
            Key,
            under(
                r#"{"DateGreaterThan":{"aws:CurrentTime":"2026-07-07T00:00:00Z"},"DateLessThan":{"aws:CurrentTime":"2026-07-14T00:00:00Z"}}"#,
            ),
            &[],
        ),
        (
            "C-14: equal and not equal",
            Key,
            under(
                r#"{"StringEquals":{"aws:PrincipalTag/a":["x","y"]},"StringNotEquals":{"aws:PrincipalTag/a":["y","x"]}}"#,
            ),
            &[("contradiction", "aws:PrincipalTag/a")],
        ),
        (
            "C-14: one is left",
            Key,
            under(
                r#"{"StringEquals":{"aws:PrincipalTag/a":["x","y"]},"StringNotEquals":{"aws:PrincipalTag/a":"y"}}"#,
            ),
            &[],
        ),
        (
            "C-3: a wildcard that is none",
            Key,
            under(r#"{"StringEquals":{"aws:PrincipalArn":"arn:aws:iam::111122223333:role/*"}}"#),
            &[("literal-wildcard", "arn:aws:iam::111122223333:role/*")],
        ),
        (
            "C-3: a wildcard",
            Key,
            under(
                r#"{"StringLike":{"aws:PrincipalArn":"arn:aws:iam::111122223333:role/*"},"StringEquals":{"aws:PrincipalTag/a":"${*}"}}"#,
            ),
            &[],
        ),
        (
            "CK-16: no such spec",
            Key,
            under(r#"{"StringEquals":{"kms:KeySpec":"RSA_1024"}}"#),
            &[("value-never-matches", "RSA_1024")],
        ),
        (
            "CK-12: no such operation",
            Key,
            key(
                r#""Action":"kms:CreateGrant","Condition":{"ForAllValues:StringEquals":{"kms:GrantOperations":["Decrypt","ListGrants"]}}"#,
            ),
            &[("value-never-matches", "ListGrants")],
        ),
        (
            "CK-34: no Region",
            Key,
            under(r#"{"StringEquals":{"kms:ViaService":"ec2.amazonaws.com"}}"#),
            &[("value-never-matches", "ec2.amazonaws.com")],
        ),
        (
            "CK-27: an ARN",
            Key,
            under(
                r#"{"StringEquals":{"kms:RequestAlias":"arn:aws:kms:eu-west-1:111122223333:alias/a"}}"#,
            ),
            &[(
                "value-never-matches",
                "arn:aws:kms:eu-west-1:111122223333:alias/a",
            )],
        ),
        (
            "CK-27: a pattern",
            Key,
            under(r#"{"StringLike":{"kms:RequestAlias":["alias/a*","*","al?as/x"]}}"#),
            &[],
        ),
        (
            "CK-2: an ARN",
            Key,
            under(r#"{"StringEquals":{"kms:CallerAccount":"arn:aws:iam::111122223333:root"}}"#),
            &[("value-never-matches", "arn:aws:iam::111122223333:root")],
        ),
        (
            "ID-21: a session",
            Key,
            under(
                r#"{"ArnLike":{"aws:PrincipalArn":"arn:aws:sts::111122223333:assumed-role/App/*"}}"#,
            ),
            &[(
                "value-never-matches",
                "arn:aws:sts::111122223333:assumed-role/App/*",
            )],
        ),
        (
            "C-4: a range under a string operator",
            Key,
            under(r#"{"StringEquals":{"aws:SourceIp":"203.0.113.0/24"}}"#),
            &[("value-never-matches", "203.0.113.0/24")],
        ),
        (
            "P-11: no key id",
            Identity,
            identity(r#""Action":"kms:Decrypt","Resource":"arn:aws:kms:eu-west-1:111122223333:key/prod_key""#),
            &[(
                "resource-never-matches",
                "arn:aws:kms:eu-west-1:111122223333:key/prod_key",
            )],
        ),
        (
            "P-11: an alias behind `key/`",
            Identity,
            identity(r#""Action":"kms:Decrypt","Resource":"arn:aws:kms:eu-west-1:111122223333:key/alias/app""#),
            &[(
                "resource-never-matches",
                "arn:aws:kms:eu-west-1:111122223333:key/alias/app",
            )],
        ),
        (
            "P-11: `keys/`",
            Identity,
            identity(r#""Action":"kms:Decrypt","Resource":"arn:aws:kms:eu-west-1:111122223333:keys/*""#),
            &[(
                "resource-never-matches",
                "arn:aws:kms:eu-west-1:111122223333:keys/*",
            )],
        ),
        (
            "P-11: an account in place of the Region",
            ServiceControl,
            r#"{"Effect":"Deny","Action":"kms:*","NotResource":["arn:aws:kms:111122223333:eu-west-1:key/*"]}"#.to_owned(),
            &[(
                "resource-never-matches",
                "arn:aws:kms:111122223333:eu-west-1:key/*",
            )],
        ),
        (
            "P-11: a multi-Region key, patterns, and what is of no service's own",
            Identity,
            identity(
                r#""Action":"kms:Decrypt","Resource":["arn:aws:kms:*:111122223333:key/mrk-1234abcd12ab34cd56ef1234567890ab","arn:aws:kms:eu-*:*:key/prod*","arn:aws:kms:eu-west-1:111122223333:*","arn:*:*:*:*:key/*"]"#,
            ),
            &[],
        ),
        (
            "P-11: of another service, beside its actions",
            Identity,
            identity(r#""Action":["kms:Decrypt","s3:GetObject"],"Resource":["*","arn:aws:s3:::bucket/*"]"#),
            &[],
        ),
        (
            "X-66: a service for whosever resources",
            Key,
            whose(
                r#"{"Service":["sns.amazonaws.com","events.amazonaws.com"],"AWS":"111122223333"}"#,
                r#""Action":["kms:GenerateDataKey*","kms:Decrypt"]"#,
            ),
            &[("confused-deputy", "sns.amazonaws.com")],
        ),
        (
            "X-66: sources that are none",
            Key,
            whose(
                r#"{"Service":"sns.amazonaws.com"}"#,
                r#""Action":"kms:Decrypt","Condition":{"StringLike":{"aws:SourceArn":"*"},"StringNotEquals":{"aws:SourceAccount":"444455556666"},"Null":{"aws:SourceOrgID":"false"}}"#,
            ),
            &[
                ("confused-deputy", "sns.amazonaws.com"),
                ("negated-absent-key", "aws:SourceAccount"),
            ],
        ),
        (
            "X-66: what only tells of the key",
            Key,
            whose(
                r#"{"Service":"cloudtrail.amazonaws.com"}"#,
                r#""Action":["kms:DescribeKey","kms:GetPublicKey"]"#,
            ),
            &[],
        ),
        (
            "X-66: DNSSEC's statement for grants",
            Key,
            whose(r#"{"Service":"dnssec-route53.amazonaws.com"}"#, for_aws),
            &[],
        ),
        (
            "X-66: a denial",
            Key,
            whose(r#"{"Service":"sns.amazonaws.com"}"#, r#""Action":"kms:Decrypt""#).replace("Allow", "Deny"),
            &[],
        ),
        (
            "X-66: via another service",
            Key,
            whose(
                r#"{"Service":"cloudwatch.amazonaws.com"}"#,
                r#""Action":"kms:Decrypt","Condition":{"StringEquals":{"kms:ViaService":"sns.eu-west-1.amazonaws.com"}}"#,
            ),
            &[],
        ),
        (
            "ID-20: a service has no organization",
            Key,
            whose(
                r#"{"Service":"cloudtrail.amazonaws.com"}"#,
                r#""Action":"kms:GenerateDataKey*","Condition":{"StringEquals":{"aws:PrincipalOrgID":"o-exampleorg"}}"#,
            ),
            &[("service-without-key", "aws:PrincipalOrgID")],
        ),
        (
            "ID-20: no ARN and no tags",
            Key,
            whose(
                r#"{"Service":"cloudtrail.amazonaws.com"}"#,
                r#""Action":"kms:Decrypt","Condition":{"ArnLike":{"aws:PrincipalArn":"arn:aws:iam::*:role/x"},"StringEquals":{"aws:PrincipalTag/a":"b"}}"#,
            )
            .replace("Allow", "Deny"),
            &[
                ("service-without-key", "aws:PrincipalArn"),
                ("service-without-key", "aws:PrincipalTag/a"),
            ],
        ),
        (
            "ID-20: beside people",
            Key,
            whose(
                r#"{"Service":"cloudtrail.amazonaws.com","AWS":"111122223333"}"#,
                r#""Action":"kms:DescribeKey","Condition":{"StringEquals":{"aws:PrincipalOrgID":"o-exampleorg"}}"#,
            ),
            &[],
        ),
        (
            "ID-20: if it has one",
            Key,
            whose(
                r#"{"Service":"cloudtrail.amazonaws.com"}"#,
                r#""Action":"kms:DescribeKey","Condition":{"StringEqualsIfExists":{"aws:PrincipalOrgID":"o-exampleorg"}}"#,
            ),
            &[],
        ),
        (
            "X-68: a Deny that spares every direct call",
            Identity,
            r#"{"Effect":"Deny","Action":"kms:*","Resource":"*","Condition":{"NotIpAddress":{"aws:SourceIp":"203.0.113.0/24"},"ForAnyValue:StringNotEquals":{"aws:CalledVia":["athena.amazonaws.com"]}}}"#.to_owned(),
            &[("disarmed-deny", "aws:CalledVia")],
        ),
        (
            "X-68: what the caller chooses not to say",
            Identity,
            r#"{"Effect":"Deny","Action":"kms:Decrypt","Resource":"*","Condition":{"StringLike":{"kms:RequestAlias":"alias/secret*"}}}"#.to_owned(),
            &[("disarmed-deny", "kms:RequestAlias")],
        ),
        (
            "X-68: aliases of the key, tags that mark, tags that are not listed",
            Identity,
            r#"{"Effect":"Deny","Action":["kms:TagResource","kms:CreateKey"],"Resource":"*","Condition":{"ForAnyValue:StringNotEquals":{"aws:TagKeys":["a"]},"StringEquals":{"aws:PrincipalTag/guarded":"true"}}}"#.to_owned(),
            &[],
        ),
        (
            "X-68: an absence that is meant",
            Identity,
            r#"{"Effect":"Deny","Action":"kms:*","Resource":"*","Condition":{"ForAnyValue:StringNotEquals":{"aws:CalledVia":"athena.amazonaws.com"},"Null":{"aws:CalledVia":"false"}}}"#.to_owned(),
            &[],
        ),
        (
            "X-68: a neighbour that denies without the key",
            Identity,
            r#"{"Effect":"Deny","Action":"kms:*","Resource":"*","Condition":{"Bool":{"aws:MultiFactorAuthPresent":"false"}}},{"Effect":"Deny","Action":"kms:*","Resource":"*","Condition":{"Null":{"aws:MultiFactorAuthPresent":"true"}}}"#.to_owned(),
            &[],
        ),
        (
            "X-68: the same in an allow",
            Identity,
            identity(r#""Action":"kms:*","Resource":"*","Condition":{"Bool":{"aws:MultiFactorAuthPresent":"false"}}"#),
            &[],
        ),
        (
            "X-69: by address",
            Identity,
            r#"{"Effect":"Deny","Action":"*","Resource":"*","Condition":{"NotIpAddress":{"aws:SourceIp":"203.0.113.0/24"}}}"#.to_owned(),
            &[("network-deny", "aws:SourceIp")],
        ),
        (
            "X-69: by endpoint, of what no service does",
            Identity,
            r#"{"Effect":"Deny","Action":"kms:PutKeyPolicy","Resource":"*","Condition":{"StringNotEquals":{"aws:SourceVpce":"vpce-1"}}}"#.to_owned(),
            &[],
        ),
        (
            "X-69: direct calls alone",
            ServiceControl,
            r#"{"Effect":"Deny","Action":"kms:*","Resource":"*","Condition":{"StringNotEquals":{"aws:SourceVpc":"vpc-1"},"Bool":{"aws:ViaAWSService":"false"}}}"#.to_owned(),
            &[],
        ),
        (
            "X-69: an allow by endpoint",
            Identity,
            identity(r#""Action":["kms:Decrypt","kms:GenerateDataKey"],"Resource":"*","Condition":{"StringEquals":{"aws:SourceVpce":"vpce-1"}}"#),
            &[("network-allow", "aws:SourceVpce")],
        ),
        (
            "X-69: beside what services may do",
            Identity,
            format!(
                "{},{}",
                identity(r#""Action":"kms:Decrypt","Resource":"*","Condition":{"StringEquals":{"aws:SourceVpce":"vpce-1"}}"#),
                identity(r#""Action":"kms:Decrypt","Resource":"*","Condition":{"StringEquals":{"kms:ViaService":"s3.eu-west-1.amazonaws.com"}}"#),
            ),
            &[],
        ),
        (
            "X-69: an allow by endpoint of what no service does",
            Identity,
            identity(r#""Action":"kms:PutKeyPolicy","Resource":"*","Condition":{"StringEquals":{"aws:SourceVpc":"vpc-1"}}"#),
            &[],
        ),
        (
            "X-67: the service that is allowed",
            Key,
            format!(
                "{},{}",
                whose(
                    r#"{"Service":"cloudtrail.amazonaws.com"}"#,
                    r#""Action":"kms:Decrypt","Condition":{"StringEquals":{"aws:SourceAccount":"111122223333"}}"#,
                ),
                everyone(r#""Action":"kms:*","Condition":{"ArnNotLike":{"aws:PrincipalArn":"arn:aws:iam::111122223333:role/*"}}"#)
                    .replace("Allow", "Deny"),
            ),
            &[("service-denied", "aws:PrincipalArn")],
        ),
        (
            "X-67: a service that another condition spares",
            Key,
            format!(
                "{},{}",
                whose(
                    r#"{"Service":"cloudtrail.amazonaws.com"}"#,
                    r#""Action":"kms:Decrypt","Condition":{"StringEquals":{"aws:SourceAccount":"111122223333"}}"#,
                ),
                everyone(r#""Action":"kms:*","Condition":{"ArnNotLike":{"aws:PrincipalArn":"arn:aws:iam::111122223333:role/*"},"StringEquals":{"aws:PrincipalTag/guarded":"true"}}"#)
                    .replace("Allow", "Deny"),
            ),
            &[],
        ),
        (
            "CK-34: an account in place of the Region",
            Key,
            under(r#"{"StringEquals":{"kms:ViaService":["ec2.111122223333.amazonaws.com","s3.eu-west-9.amazonaws.com"]}}"#),
            &[
                ("value-never-matches", "ec2.111122223333.amazonaws.com"),
                ("value-never-matches", "s3.eu-west-9.amazonaws.com"),
            ],
        ),
        (
            "CK-34: Regions, and one that may be new",
            Key,
            under(r#"{"StringLike":{"kms:ViaService":["ec2.us-gov-west-1.amazonaws.com","s3.cn-north-1.amazonaws.com.cn","s3.nz-northerly-1.amazonaws.com","*.eu-*.amazonaws.com"]}}"#),
            &[],
        ),
        (
            "CK-92: EC2 does not call on behalf so",
            Identity,
            identity(r#""Action":"kms:Decrypt","Resource":"*","Condition":{"ForAnyValue:StringEquals":{"aws:CalledVia":["ec2.amazonaws.com","dynamodb.amazonaws.com"]}}"#),
            &[("called-via", "ec2.amazonaws.com")],
        ),
        (
            "X-70: objects alone",
            Key,
            under(r#"{"StringLike":{"kms:EncryptionContext:aws:s3:arn":["arn:aws:s3:::one/*","arn:aws:s3:::two/*","arn:aws:s3:::two"]}}"#),
            &[("bucket-key", "arn:aws:s3:::one/*")],
        ),
        (
            "X-70: whatever is in the bucket",
            Key,
            under(r#"{"ArnLike":{"kms:EncryptionContext:aws:S3:arn":["arn:aws:s3:::one*","arn:aws:s3:::one/x/*"]}}"#),
            &[],
        ),
        (
            "X-70: of other services",
            Key,
            under(r#"{"StringLike":{"kms:EncryptionContext:aws:cloudtrail:arn":"arn:aws:cloudtrail:*:111122223333:trail/*"}}"#),
            &[],
        ),
        (
            "CK-37: removing a tag",
            Identity,
            identity(r#""Action":["kms:TagResource","kms:UntagResource"],"Resource":"*","Condition":{"StringEquals":{"aws:RequestTag/team":"a"}}"#),
            &[("never-present", "kms:UntagResource")],
        ),
        (
            "C-5: of other services nothing is known here",
            Identity,
            r#"{"Effect":"Deny","Action":"s3:*","Resource":"*","Condition":{"StringNotEquals":{"s3:x":"a"}}}"#.to_owned(),
            &[],
        ),
        (
            "X-15",
            Key,
            key(
                r#""Action":"kms:CreateGrant","Condition":{"StringEquals":{"kms:GrantConstraintType":"EncryptionContextSubset"}}"#,
            ),
            &[("subset-constraint", "EncryptionContextSubset")],
        ),
        (
            "X-15: Equals",
            Key,
            key(
                r#""Action":"kms:CreateGrant","Condition":{"StringEquals":{"kms:GrantConstraintType":"EncryptionContextEquals"}}"#,
            ),
            &[],
        ),
    ]
}

/// X-14, X-15, X-16, P-2 to P-24, C-3 to C-14, CK-40, CK-41, D-8, G-52: each statement, and what is told of it.
#[test]
fn each_surprise_is_told_and_its_mended_form_is_not() {
    for (what, kind, statement, expected) in rows() {
        let told = told(kind, &statement);
        let told: Vec<(&str, &str)> = told.iter().map(|(code, text)| (*code, &**text)).collect();
        assert_eq!(told, expected, "{what}: {statement}");
    }
}

/// P-2: variables of the 2008 version; P-3: a Sid that stands twice.
#[test]
fn surprises_of_a_whole_document_are_told() {
    let text = r#"{"Statement":[
  {"Sid":"a","Effect":"Allow","Principal":{"AWS":"111122223333"},"Action":"kms:*","Resource":"*",
   "Condition":{"StringEquals":{"aws:PrincipalTag/a":"${aws:username}"}}},
  {"Sid":"a","Effect":"Allow","Principal":{"AWS":"111122223333"},"Action":"kms:*","Resource":"*"}]}"#;
    let told = of(PolicyKind::Key, text);
    let places: Vec<_> = told
        .iter()
        .map(|warning| {
            (
                warning.lint.code(),
                warning.statement,
                warning.place.line,
                warning.place.column,
            )
        })
        .collect();
    assert_eq!(
        places,
        [("literal-variable", 0, 3, 54), ("duplicate-sid", 1, 4, 10)]
    );
}

/// Every lint is shown by some row, and each says the rule, what happens and what to do.
#[test]
fn every_lint_is_told_somewhere_with_rule_and_mend() {
    let mut seen = BTreeSet::from([Lint::LiteralVariable.code(), Lint::DuplicateSid.code()]);
    for (what, kind, statement, _) in rows() {
        let text = format!(r#"{{"Version":"2012-10-17","Statement":[{statement}]}}"#);
        for warning in of(kind, &text) {
            seen.insert(warning.lint.code());
            assert!(
                !warning.message.is_empty() && !warning.help.is_empty(),
                "{what}"
            );
            assert!(
                !warning.message.ends_with('.') && !warning.help.ends_with('.'),
                "{what}: {warning}"
            );
            assert!(warning.to_string().contains(warning.lint.rule()), "{what}");
        }
    }
    let all: BTreeSet<&str> = Lint::ALL.iter().map(|lint| lint.code()).collect();
    assert_eq!(seen, all);
}

/// The page that lists the warnings lists them all, in their order and with their rules.
#[test]
fn every_lint_is_listed_in_the_documentation() {
    let page = include_str!("../../../../docs/policy-warnings.md");
    let listed: Vec<(&str, &str)> = page
        .lines()
        .filter_map(|line| {
            let (code, rest) = line.strip_prefix("| `")?.split_once("` | ")?;
            Some((code, rest.split_once(" | ")?.0))
        })
        .collect();
    let all: Vec<(&str, &str)> = Lint::ALL
        .iter()
        .map(|lint| (lint.code(), lint.rule()))
        .collect();
    assert_eq!(listed, all);
}

/// X-14: the published policies. Only the experiment's Deny surprises, and it is the one whose surprise was published:
/// the tag that is absent (C-12), and the request that names no alias (C-5).
#[test]
fn published_policies_come_out_as_expected() {
    let (key, identity) = (PolicyKind::Key, PolicyKind::Identity);
    let codes = |kind, text: &str| -> Vec<(&str, u32, u32)> {
        of(kind, text)
            .into_iter()
            .map(|warning| {
                (
                    warning.lint.code(),
                    warning.place.line,
                    warning.place.column,
                )
            })
            .collect()
    };
    assert_eq!(
        codes(
            key,
            include_str!("../../../../tests/examples/key-consolepolicy-2.json")
        ),
        []
    );
    assert_eq!(
        codes(
            key,
            include_str!("../../../../tests/examples/key-policy-enable-iam.json")
        ),
        []
    );
    assert_eq!(
        codes(
            identity,
            include_str!("../../../../tests/examples/identity-policy-tag.json")
        ),
        []
    );
    assert_eq!(
        codes(
            identity,
            include_str!("../../../../tests/examples/identity-policy-alias-deny.json")
        ),
        [("negated-absent-key", 12, 21), ("absent-variable", 12, 41)]
    );
    let faulty = include_str!("../../../../tests/examples/identity-policy-tag-as-published.json");
    assert!(lint(faulty, identity, None).is_err());
}

/// Neither the number of warnings nor the text that each repeats grows with the policy.
#[test]
fn warnings_are_bounded() {
    let long = "x".repeat(400);
    let statements: Vec<String> = (0..200)
        .map(|i| format!(r#"{{"Sid":"s{i}","Effect":"Allow","Principal":"*","Action":"kms:No{i}","Resource":"*"}}"#))
        .collect();
    let text = format!(r#"{{"Statement":[{}]}}"#, statements.join(","));
    assert_eq!(
        of(PolicyKind::Key, &text).len(),
        limits::POLICY_WARNINGS_MAX
    );
    let text = format!(
        r#"{{"Statement":{}}}"#,
        key(&format!(r#""Action":"kms:{long}""#))
    );
    let told = of(PolicyKind::Key, &text);
    assert_eq!(told.len(), 1);
    assert_eq!(told[0].offending.len(), limits::ECHO_MAX);
}
