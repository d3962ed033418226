//! Whole documents: what is refused, where it points, and what statements say (P-1 to P-13).

use super::context::tests::Context;
use super::*;
use crate::domain::ids::PrincipalArn;
use proptest::prelude::*;

const BOB: &str = "arn:aws:iam::111122223333:user/bob";
const KEY: &str = "arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab";

fn refused(text: &str, kind: PolicyKind) -> PolicyError {
    Policy::parse(text, kind).map(|_| ()).expect_err(text)
}

fn key_policy(statement: &str) -> String {
    format!(r#"{{"Version":"2012-10-17","Statement":[{statement}]}}"#)
}

fn verdict_of(policy: &Policy, action: &str, context: &Context, profile: Profile) -> String {
    let (arn, action): (PrincipalArn, _) = (BOB.parse().unwrap(), Action::parse(action));
    let ask = Ask {
        action: &action,
        resource: ResourceName::arn(KEY).unwrap(),
        who: Who::User {
            arn: &arn,
            unique_id: None,
        },
        has_boundary: false,
        context,
        profile,
    };
    match policy.statements()[0].verdict(&ask, None) {
        Verdict::Applies { ways } => format!("applies {ways:?}"),
        Verdict::ActionMismatch => "action".into(),
        Verdict::PrincipalMismatch => "principal".into(),
        Verdict::ResourceMismatch => "resource".into(),
        Verdict::ConditionFailed(condition) => {
            format!("{} {}", condition.operator(), condition.key())
        }
        Verdict::Void => "void".into(),
    }
}

/// The published policies are read; the one with its faults is refused at the first of them.
#[test]
fn published_policy_with_faults_is_refused_at_the_missing_comma() {
    let text = include_str!("../../../tests/examples/identity-policy-tag-as-published.json");
    let error = refused(text, PolicyKind::Identity);
    assert_eq!((error.line(), error.column()), (9, 31));
    assert_eq!(
        error.to_string(),
        "line 9, column 31: a comma is missing after \"kms:GenerateDataKey*\"; \
         write a `,` at the end of line 9, before \"kms:DescribeKey\""
    );
    for (text, kind) in [
        (
            include_str!("../../../tests/examples/identity-policy-tag.json"),
            PolicyKind::Identity,
        ),
        (
            include_str!("../../../tests/examples/identity-policy-alias-deny.json"),
            PolicyKind::Identity,
        ),
        (
            include_str!("../../../tests/examples/key-consolepolicy-2.json"),
            PolicyKind::Key,
        ),
        (
            include_str!("../../../tests/examples/key-policy-enable-iam.json"),
            PolicyKind::Key,
        ),
    ] {
        assert!(Policy::parse(text, kind).is_ok());
    }
}

/// P-1: 32,768 bytes are a key policy, one more is too large.
#[test]
fn key_policy_of_the_largest_size_is_read() {
    let policy =
        key_policy(r#"{"Effect":"Allow","Principal":"*","Action":"kms:*","Resource":"*"}"#);
    let fill = |size: usize| format!("{policy}{}", " ".repeat(size - policy.len()));
    assert!(Policy::parse(&fill(32_768), PolicyKind::Key).is_ok());
    assert_eq!(
        refused(&fill(32_769), PolicyKind::Key).kind(),
        PolicyErrorKind::TooLarge
    );
}

/// P-1: quotas and characters bind what is stored; what is only asked about has the one bound of all texts.
#[test]
fn policy_that_is_not_stored_has_no_quota_of_its_kind() {
    let statement = r#"{"Effect":"Allow","Action":"kms:*","Resource":"*","Condition":{"StringEquals":{"aws:PrincipalTag/t":["€"]}}}"#;
    let long = key_policy(&vec![statement; 40].join(","));
    assert!(long.len() > 2_048);
    assert_eq!(
        refused(&long, PolicyKind::Session).kind(),
        PolicyErrorKind::TooLarge
    );
    assert!(Policy::parse_unstored(&long, PolicyKind::Session).is_ok());
    let endless = format!("{long}{}", " ".repeat(131_072));
    let error = Policy::parse_unstored(&endless, PolicyKind::Session).expect_err("too large");
    assert_eq!(error.kind(), PolicyErrorKind::TooLarge);
}

/// P-1: characters beyond U+00FF are refused where they stand.
#[test]
fn character_outside_the_set_is_refused() {
    let error = refused("{\n \"Id\": \"€\"}", PolicyKind::Key);
    assert_eq!(
        (error.kind(), error.line(), error.column()),
        (PolicyErrorKind::Syntax, 2, 9)
    );
    let latin = key_policy(
        r#"{"Sid":"für alle","Effect":"Allow","Principal":"*","Action":"kms:*","Resource":"*"}"#,
    );
    assert!(Policy::parse(&latin, PolicyKind::Key).is_ok());
}

/// P-2, P-3: each broken rule of the shape, and where the error points.
#[test]
fn malformed_documents_are_refused_with_place_and_help() {
    for (text, column, part) in [
        (r#"[]"#, 1, "is a list, not an object"),
        (r#"{"Version":"2012-10-17"}"#, 1, "no `Statement`"),
        (
            r#"{"Version":"2012-10-18","Statement":[]}"#,
            12,
            "version `2012-10-18` is unknown",
        ),
        (r#"{"Statement":[]}"#, 2, "no statement"),
        (r#"{"statement":[]}"#, 2, "did you mean `Statement`?"),
        (r#"{"Statement":[{"Principal":"*"}]}"#, 15, "no `Effect`"),
        (
            r#"{"Statement":[{"Effect":"allow","Principal":"*"}]}"#,
            25,
            "effect `allow` is unknown",
        ),
        (
            r#"{"Statement":[{"Effect":"Allow"}]}"#,
            15,
            "no `Principal`",
        ),
        (
            r#"{"Statement":[{"Effect":"Allow","Principal":"*","Actions":"*"}]}"#,
            49,
            "did you mean `Action`?",
        ),
        (
            r#"{"Statement":[{"Effect":"Allow","Principal":"*","Action":1}]}"#,
            58,
            "`Action` is a number",
        ),
        (
            r#"{"Statement":[{"Effect":"Allow","Principal":"*","Action":"*","NotAction":"*"}]}"#,
            62,
            "both `Action` and `NotAction`",
        ),
        (
            r#"{"Statement":[{"Effect":"Allow","Principal":"*","Action":"Decrypt"}]}"#,
            58,
            "`Decrypt` is no action",
        ),
        (
            r#"{"Statement":[{"Effect":"Allow","Principal":"*","Action":"*","Resource":"key/*"}]}"#,
            73,
            "neither `*` nor an ARN",
        ),
        (
            r#"{"Statement":[{"Effect":"Allow","Principal":"*","Condition":{"StringEqual":{"k":"v"}}}]}"#,
            62,
            "did you mean `StringEquals`?",
        ),
        (
            r#"{"Statement":[{"Effect":"Allow","Principal":"*","Condition":{"Bool":{"k":"yes"}}}]}"#,
            74,
            "compares booleans",
        ),
        (
            r#"{"Statement":[{"Effect":"Allow","Principal":"*","Condition":{"Bool":{"k":null}}}]}"#,
            74,
            "is null",
        ),
        (
            r#"{"Statement":[{"Effect":"Allow","Principal":"*","Sid":"a","Sid":"b"}]}"#,
            59,
            "stands twice",
        ),
    ] {
        let error = refused(text, PolicyKind::Key);
        assert_eq!(error.column(), column, "{text}: {error}");
        assert!(error.to_string().contains(part), "{text}: {error}");
        assert!(!error.help().is_empty(), "{text}: {error}");
    }
}

/// P-3: identity policies have no principal, a Sid without spaces, an action and a resource.
#[test]
fn identity_policy_with_key_policy_elements_is_refused() {
    let statement = |rest: &str| key_policy(&format!(r#"{{"Effect":"Allow",{rest}}}"#));
    for (rest, part) in [
        (
            r#""Principal":"*","Action":"*","Resource":"*""#,
            "has a `Principal`",
        ),
        (
            r#""NotPrincipal":"*","Action":"*","Resource":"*""#,
            "has a `Principal`",
        ),
        (
            r#""Sid":"a b","Action":"*","Resource":"*""#,
            "letters and digits",
        ),
        (r#""Resource":"*""#, "no `Action`"),
        (r#""Action":"*""#, "no `Resource`"),
    ] {
        for kind in [
            PolicyKind::Identity,
            PolicyKind::Boundary,
            PolicyKind::Session,
        ] {
            let error = refused(&statement(rest), kind);
            assert!(error.to_string().contains(part), "{rest}: {error}");
        }
    }
    assert!(
        Policy::parse(
            &statement(r#""Action":"*","Resource":"*""#),
            PolicyKind::Identity
        )
        .is_ok()
    );
}

fn place_of(text: &str, kind: PolicyKind, said: &str) -> (u32, u32) {
    let error = refused(text, kind);
    assert!(error.to_string().contains(said), "{text}: {error}");
    (error.line(), error.column())
}

/// P-51: what a resource control policy of a customer's may not hold, each with its place; AWS's own is read as it is, and
/// a world's as it stands.
#[test]
fn resource_control_policy_denies_named_services_alone() {
    let kind = PolicyKind::ResourceControl;
    let with = |rest: &str| format!("{{\"Version\":\"2012-10-17\",\n\"Statement\":[{{{rest}}}]}}");
    for (rest, said, place) in [
        (
            r#""Effect":"Allow","Principal":"*","Action":"kms:*","Resource":"*""#,
            "the effect `Allow`",
            Some((2, 24)),
        ),
        (
            r#""Effect":"Deny","Principal":"*","NotAction":"kms:*","Resource":"*""#,
            "a `NotAction`",
            Some((2, 59)),
        ),
        (
            r#""Effect":"Deny","Principal":"*","Action":"*","Resource":"*""#,
            "the action `*` of a resource control policy names no service",
            Some((2, 56)),
        ),
        (
            r#""Effect":"Deny","Principal":"*","Action":["kms:*","*:*"],"Resource":"*""#,
            "`*:*`",
            Some((2, 65)),
        ),
        (
            r#""Effect":"Deny","Principal":"*","Action":"k?s:Decrypt","Resource":"*""#,
            "names no service",
            None,
        ),
        (
            r#""Effect":"Deny","Principal":"*","Action":"k*","Resource":"*""#,
            "names no service",
            None,
        ),
        (
            r#""Effect":"Deny","Principal":"*","Resource":"*""#,
            "no `Action`",
            None,
        ),
        (
            r#""Effect":"Deny","Principal":"*","Action":"kms:*""#,
            "no `Resource`",
            None,
        ),
        (
            r#""Effect":"Deny","NotPrincipal":"*","Action":"kms:*","Resource":"*""#,
            "names principals",
            None,
        ),
        (
            r#""Effect":"Deny","Principal":{"AWS":"111122223333"},"Action":"kms:*","Resource":"*""#,
            "names principals",
            None,
        ),
    ] {
        let found = place_of(&with(rest), kind, said);
        assert!(
            place.is_none_or(|place| place == found),
            "{rest}: {found:?}"
        );
    }
    for fine in [
        r#""Effect":"Deny","Principal":"*","Action":"kms:*","Resource":"*""#,
        r#""Effect":"Deny","Principal":"*","Action":["kms:*Key","s3:Get?bject"],"NotResource":"*""#,
        r#""Effect":"Deny","Principal":{"AWS":"*"},"Action":"kms:Decrypt","Resource":"*","Condition":{"Bool":{"aws:SecureTransport":"false"}}"#,
    ] {
        assert!(Policy::parse(&with(fine), kind).is_ok(), "{fine}");
    }
    assert!(Policy::parse(super::RCP_FULL_ACCESS, kind).is_ok());
    let spaced = super::RCP_FULL_ACCESS.replace(',', " ,\n ");
    assert!(Policy::parse(&spaced, kind).is_ok());
    let allow = with(r#""Effect":"Allow","Principal":"*","Action":"*","Resource":"*""#)
        .replace("2012-10-17", "2008-10-17");
    assert!(Policy::parse(&allow, kind).is_err());
    assert!(Policy::parse_unstored(&allow, kind).is_ok());
    // Facts hold AWS's own as they please: nobody would store it.
    let said = with(r#""Resource":["*"],"Action":"*","Principal":"*","Effect":"Allow""#);
    let unstorable = |text: &str| {
        let policy = Policy::parse_unstored(text, kind).unwrap();
        policy.unstorable().is_some()
    };
    assert!(!unstorable(&said));
    assert!(unstorable(&allow));
    assert!(unstorable(
        &said.replace(r#""Action":"*""#, r#""Action":"kms:*""#)
    ));
    assert!(unstorable(&said.replace(
        r#""Effect""#,
        r#""Condition":{"Bool":{"aws:SecureTransport":"true"}},"Effect""#
    )));
}

/// P-51, P-52: policies of an organization say their version; a service control policy holds everything else that IAM's
/// language has, but for principals.
#[test]
fn control_policy_says_its_version() {
    for (kind, principal) in [
        (PolicyKind::ServiceControl, ""),
        (PolicyKind::ResourceControl, r#""Principal":"*","#),
    ] {
        let statement =
            format!(r#"{{"Effect":"Deny",{principal}"Action":"kms:*","Resource":"*"}}"#);
        let without = format!(r#" {{"Statement":[{statement}]}}"#);
        assert_eq!(place_of(&without, kind, "no `Version`"), (1, 2));
        let old = format!(r#"{{"Version":"2008-10-17","Statement":{statement}}}"#);
        assert_eq!(place_of(&old, kind, "2008-10-17"), (1, 12));
        assert!(Policy::parse_unstored(&old, kind).is_ok());
        assert!(Policy::parse_unstored(&without, kind).is_ok());
        assert!(Policy::parse(&old.replace("2008", "2012"), kind).is_ok());
    }
    for fine in [
        r#""Effect":"Allow","NotAction":"s3:*","Resource":"*""#,
        r#""Effect":"Allow","Action":"kms:*Key","NotResource":"arn:aws:s3:::b""#,
        r#""Effect":"Allow","Action":"kms:*","Resource":"arn:aws:kms:*:*:key/*","Condition":{"Bool":{"aws:SecureTransport":"true"}}"#,
        r#""Sid":"a b","Effect":"Deny","Action":"*","Resource":"*""#,
    ] {
        let text = format!(r#"{{"Version":"2012-10-17","Statement":[{{{fine}}}]}}"#);
        assert!(
            Policy::parse(&text, PolicyKind::ServiceControl).is_ok(),
            "{fine}"
        );
    }
}

/// P-53: of IAM's own policies each Sid is unique, but an empty one names nothing; elsewhere it may stand twice.
#[test]
fn sid_is_unique_in_policies_of_iam() {
    let twice = |sid: &str, principal: &str| {
        let one = |effect: &str| {
            format!(
                r#"{{"Sid":"{sid}","Effect":"{effect}",{principal}"Action":"kms:*","Resource":"*"}}"#
            )
        };
        let (first, second) = (one("Deny"), one("Deny"));
        format!("{{\"Version\":\"2012-10-17\",\"Statement\":[{first},\n{second}]}}")
    };
    for kind in [
        PolicyKind::Identity,
        PolicyKind::Boundary,
        PolicyKind::Session,
    ] {
        let text = twice("S", "");
        assert_eq!(place_of(&text, kind, "the Sid `S` stands twice"), (2, 8));
        assert!(Policy::parse_unstored(&text, kind).is_ok());
        assert!(Policy::parse(&twice("", ""), kind).is_ok());
    }
    let everyone = r#""Principal":"*","#;
    assert!(Policy::parse(&twice("S", everyone), PolicyKind::Key).is_ok());
    assert!(Policy::parse(&twice("S", everyone), PolicyKind::ResourceControl).is_ok());
    assert!(Policy::parse(&twice("S", ""), PolicyKind::ServiceControl).is_ok());
}

/// P-54: what counts as the size of a policy, by its kind.
#[test]
fn size_counts_what_the_kind_counts() {
    let (plain, everyone) = ("", r#""Principal":"*","#);
    for (kind, max, principal, counts_space) in [
        (PolicyKind::Identity, 10_240, plain, false),
        (PolicyKind::Boundary, 6_144, plain, false),
        (PolicyKind::Session, 2_048, plain, true),
        (PolicyKind::ServiceControl, 10_240, plain, true),
        (PolicyKind::ResourceControl, 5_120, everyone, true),
        (PolicyKind::VpcEndpoint, 20_480, everyone, true),
        (PolicyKind::Key, 32_768, everyone, true),
    ] {
        let text = |filling: &str, resource: &str| {
            format!(
                r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Deny",{principal}"Action":"kms:*",{filling}"Resource":"{resource}"}}]}}"#
            )
        };
        let room = max - text("", "").len();
        assert!(Policy::parse(&text(&" ".repeat(room - 1), "*"), kind).is_ok());
        let spaced = Policy::parse(&text(&" ".repeat(room), "*"), kind);
        assert_eq!(spaced.is_err(), counts_space, "{kind:?}");
        let long = text("", &format!("arn:aws:s3:::{}", "b".repeat(room - 12)));
        let refused = Policy::parse(&long, kind).unwrap_err();
        assert_eq!(refused.kind(), PolicyErrorKind::TooLarge, "{kind:?}");
    }
}

/// P-4: a key policy's statement without action or resource is accepted and has no effect.
#[test]
fn key_policy_statement_without_action_or_resource_is_void() {
    for rest in [
        r#""Action":"kms:*""#,
        r#""Resource":"*""#,
        r#""Action":[],"Resource":"*""#,
        r#""NotAction":[],"Resource":"*""#,
    ] {
        let text = key_policy(&format!(r#"{{"Effect":"Allow","Principal":"*",{rest}}}"#));
        let policy = Policy::parse(&text, PolicyKind::Key).unwrap();
        assert_eq!(
            verdict_of(
                &policy,
                "kms:Decrypt",
                &Context::default(),
                Profile::Current
            ),
            "void"
        );
    }
}

/// P-5, P-21: principals that cannot stand in a policy, in AWS's words.
#[test]
fn invalid_principal_is_refused_in_the_words_of_aws() {
    for principal in [
        r#"{"AWS":"arn:aws:iam::111122223333:user/*"}"#,
        r#"{"AWS":"arn:aws:iam::111122223333:group/dev"}"#,
        r#"{"AWS":"bob"}"#,
        r#"{"AWS":"1111"}"#,
        r#"{"AWS":[]}"#,
        r#"{"Service":"*"}"#,
        r#"{"CanonicalUser":"79a59df900b949e55d96a1e698fbacedfd6e09d98eacf8f8d5218e7cd47ef2be"}"#,
        r#"{}"#,
    ] {
        let text = key_policy(&format!(
            r#"{{"Effect":"Allow","Principal":{principal},"Action":"kms:*","Resource":"*"}}"#
        ));
        let error = refused(&text, PolicyKind::Key);
        assert_eq!(
            error.kind(),
            PolicyErrorKind::InvalidPrincipal,
            "{principal}"
        );
        assert_eq!(
            error.message(),
            "Policy contains a statement with one or more invalid principals."
        );
        assert!(error.to_string().starts_with(error.message()), "{error}");
    }
    let alone = key_policy(&format!(
        r#"{{"Effect":"Allow","Principal":"{BOB}","Action":"kms:*","Resource":"*"}}"#
    ));
    assert_eq!(
        refused(&alone, PolicyKind::Key).kind(),
        PolicyErrorKind::InvalidPrincipal
    );
}

/// CK-58: a statement is refused that asks, as a condition or a variable, for what nobody tells of an action decided
/// here. CK-60: keys of other services are never refused.
#[test]
fn key_that_nobody_tells_is_refused_where_it_would_be_absent() {
    let statement = |actions: &str, condition: &str| {
        format!(
            r#"{{"Version":"2012-10-17","Statement":{{"Effect":"Deny",{actions},"Resource":"*","Condition":{condition}}}}}"#
        )
    };
    let boundary = r#"{"StringNotEquals":{"IAM:PermissionsBoundary":"arn:aws:iam::1:policy/b"}}"#;
    let variable = r#"{"StringEquals":{"aws:PrincipalTag/b":"${iam:PermissionsBoundary}"}}"#;
    for (actions, condition) in [
        (r#""Action":"iam:CreateUser""#, boundary),
        (r#""Action":["s3:*","iam:Put*"]"#, boundary),
        (r#""Action":"*""#, boundary),
        (r#""NotAction":"kms:*""#, boundary),
        (r#""Action":"iam:DeleteRolePolicy""#, variable),
    ] {
        let text = statement(actions, condition);
        let error = refused(&text, PolicyKind::Identity);
        assert_eq!(error.kind(), PolicyErrorKind::Malformed, "{text}");
        assert!(
            error.message().contains("iam:PermissionsBoundary"),
            "{error}"
        );
        let asked = Policy::parse_unstored(&text, PolicyKind::Identity).unwrap();
        assert_eq!(asked.unstorable(), Some(&error));
    }
    for (actions, condition) in [
        (r#""Action":"iam:ListUsers""#, boundary),
        (r#""Action":"kms:*""#, boundary),
        (r#""Action":"*""#, r#"{"StringEquals":{"s3:prefix":"a"}}"#),
        (r#""Action":"*""#, r#"{"StringEquals":{"ec2:Region":"a"}}"#),
        (r#""Action":"*""#, r#"{"StringEquals":{"saml:aud":"a"}}"#),
        (
            r#""Action":"*""#,
            r#"{"Bool":{"aws:IsMcpServiceAction":"true"}}"#,
        ),
        (
            r#""Action":"*""#,
            r#"{"StringEquals":{"kms:Foo":"a","aws:Foo":"a"}}"#,
        ),
    ] {
        let text = statement(actions, condition);
        let policy = Policy::parse(&text, PolicyKind::Identity);
        assert!(
            policy.is_ok_and(|policy| policy.unstorable().is_none()),
            "{text}"
        );
    }
}

/// P-6: `ForAllValues` on single-valued keys, in any letter case.
#[test]
fn for_all_values_on_a_single_valued_key_is_refused() {
    for key in [
        "kms:EncryptionContext:Dept",
        "KMS:encryptioncontext:x",
        "aws:RequestTag/team",
    ] {
        let condition = format!(r#"{{"ForAllValues:StringEquals":{{"{key}":"v"}}}}"#);
        let text = key_policy(&format!(
            r#"{{"Effect":"Allow","Principal":"*","Action":"kms:*","Resource":"*","Condition":{condition}}}"#
        ));
        let error = refused(&text, PolicyKind::Key);
        assert_eq!(error.kind(), PolicyErrorKind::OverlyPermissiveCondition);
        assert!(error.message().starts_with("OverlyPermissiveCondition: "));
        // AWS's words first, then the place, for clients that know the beginning.
        let told = error.to_string();
        assert!(told.starts_with("OverlyPermissiveCondition: "), "{told}");
        assert!(told.contains("(line 1, column "), "{told}");
        assert!(
            Policy::parse(
                &text.replace("ForAllValues:", "ForAnyValue:"),
                PolicyKind::Key
            )
            .is_ok()
        );
    }
}

/// P-5: a policy lists whom it names, and where, so that whoever stores it can ask whether they exist.
#[test]
fn principals_are_listed_with_their_places() {
    let text = key_policy(
        "{\"Effect\":\"Allow\",\"Principal\":{\"AWS\":[\"111122223333\",\n\"arn:aws:iam::111122223333:user/bob\"]},\"Action\":\"kms:*\",\"Resource\":\"*\"}",
    );
    let policy = Policy::parse(&text, PolicyKind::Key).unwrap();
    let listed: Vec<_> = policy.principals().collect();
    assert_eq!(listed.len(), 2);
    assert_eq!(
        *listed[0].1,
        PolicyPrincipal::Account("111122223333".parse().unwrap())
    );
    assert_eq!(*listed[1].1, PolicyPrincipal::Arn(BOB.parse().unwrap()));
    assert_eq!((listed[1].2.line, listed[1].2.column), (2, 1));
}

/// The verdict says which part of a statement did not fit.
#[test]
fn verdict_names_the_part_that_does_not_fit() {
    let policy = |principal: &str, resource: &str, condition: &str| {
        let text = key_policy(&format!(
            r#"{{"Effect":"Deny","Principal":{principal},"Action":"kms:Decrypt","Resource":"{resource}","Condition":{condition}}}"#
        ));
        Policy::parse(&text, PolicyKind::Key).unwrap()
    };
    let fits = policy(r#""*""#, "*", "{}");
    let context = Context::default();
    let says =
        |policy: &Policy, action: &str| verdict_of(policy, action, &context, Profile::Current);
    assert_eq!(says(&fits, "KMS:DECRYPT"), "applies {\"everyone\"}");
    assert_eq!(says(&fits, "kms:Encrypt"), "action");
    assert_eq!(
        says(
            &policy(r#"{"AWS":"444455556666"}"#, "*", "{}"),
            "kms:Decrypt"
        ),
        "principal"
    );
    assert_eq!(
        says(
            &policy(r#""*""#, "arn:aws:kms:*:*:alias/*", "{}"),
            "kms:Decrypt"
        ),
        "resource"
    );
    let conditional = policy(
        r#""*""#,
        "*",
        r#"{"Null":{"kms:viaservice":"false"},"Bool":{"aws:SecureTransport":true}}"#,
    );
    assert_eq!(says(&conditional, "kms:Decrypt"), "Null kms:ViaService");
}

/// C-12: a null variable is null today and voided the statement in 2020.
#[test]
fn statement_with_a_null_variable_follows_the_profile() {
    let text = key_policy(
        r#"{"Effect":"Deny","Principal":"*","Action":"kms:*","Resource":"*","Condition":{"StringNotEquals":{"kms:RequestAlias":"alias/${aws:PrincipalTag/Project}"}}}"#,
    );
    let policy = Policy::parse(&text, PolicyKind::Key).unwrap();
    let without = Context::default().one("kms:RequestAlias", "alias/x");
    let empty = Context::default()
        .one("kms:RequestAlias", "alias/x")
        .one("aws:PrincipalTag/Project", "");
    assert_eq!(
        verdict_of(&policy, "kms:DescribeKey", &without, Profile::Current),
        "applies {\"everyone\"}"
    );
    assert_eq!(
        verdict_of(&policy, "kms:DescribeKey", &without, Profile::Legacy2020),
        "void"
    );
    assert_eq!(
        verdict_of(&policy, "kms:DescribeKey", &empty, Profile::Legacy2020),
        "applies {\"everyone\"}"
    );
}

/// P-2: without a version, and in the version of 2008, `${…}` is literal.
#[test]
fn document_without_a_version_knows_no_variables() {
    let statement = r#"{"Effect":"Allow","Principal":"*","Action":"kms:*","Resource":"*","Condition":{"StringEquals":{"kms:RequestAlias":"${aws:username}"}}}"#;
    let context = Context::default()
        .one("kms:RequestAlias", "bob")
        .one("aws:username", "bob");
    for (version, applies) in [
        ("", false),
        (r#""Version":"2008-10-17","#, false),
        (r#""Version":"2012-10-17","#, true),
    ] {
        let policy = Policy::parse(
            &format!(r#"{{{version}"Statement":{statement}}}"#),
            PolicyKind::Key,
        )
        .unwrap();
        let says = verdict_of(&policy, "kms:Decrypt", &context, Profile::Current);
        assert_eq!(says.starts_with("applies"), applies, "{version}");
    }
}

proptest! {
    /// No text panics; what is read keeps its text.
    #[test]
    fn any_mutation_of_a_policy_is_read_or_refused(at in 0usize..900, with in "[\\[\\]{}\",:a-z*0 ]{0,3}", cut in 0usize..4) {
        let text = include_str!("../../../tests/examples/key-consolepolicy-2.json");
        let at = at.min(text.len());
        let end = (at + cut).min(text.len());
        let mutated = format!("{}{with}{}", &text[..at], &text[end..]);
        match Policy::parse(&mutated, PolicyKind::Key) {
            Ok(policy) => prop_assert_eq!(&**policy.text(), mutated.as_str()),
            Err(error) => prop_assert!(error.line() >= 1 && error.column() >= 1 && !error.message().is_empty()),
        }
    }
}

/// C-1, C-8: a condition without values is valid: no value matches, so a positive operator fails and a negated one holds,
/// `ForAnyValue` fails, and `ForAllValues` and `IfExists` hold only when the key is absent.
#[test]
fn condition_without_values_matches_no_value() {
    let with = Context::default().one("k", "v").many("m", &["v"]);
    let without = Context::default();
    for (operator, key, when_present, when_absent) in [
        ("StringEquals", "k", false, false),
        ("StringNotEquals", "k", true, true),
        ("StringEqualsIfExists", "k", false, true),
        ("ForAnyValue:StringEquals", "m", false, false),
        ("ForAllValues:StringEquals", "m", false, true),
        ("NumericLessThan", "k", false, false),
        ("NotIpAddress", "k", true, true),
        ("Null", "k", false, false),
    ] {
        let text = key_policy(&format!(
            r#"{{"Effect":"Allow","Principal":"*","Action":"kms:*","Resource":"*","Condition":{{"{operator}":{{"{key}":[]}}}}}}"#
        ));
        let policy = Policy::parse(&text, PolicyKind::Key).unwrap();
        for (context, holds) in [(&with, when_present), (&without, when_absent)] {
            let verdict = verdict_of(&policy, "kms:Decrypt", context, Profile::Current);
            assert_eq!(
                verdict.starts_with("applies"),
                holds,
                "{operator}: {verdict}"
            );
        }
    }
}

/// P-3, P-4: an empty list of actions or resources is valid and without effect; a statement without the element is not
/// valid outside key policies.
#[test]
fn empty_list_of_actions_or_resources_has_no_effect() {
    for rest in [
        r#""Action":[],"Resource":"*""#,
        r#""Action":"kms:*","Resource":[]"#,
        r#""NotAction":[],"Resource":"*""#,
    ] {
        let text = key_policy(&format!(r#"{{"Effect":"Allow",{rest}}}"#));
        let policy = Policy::parse(&text, PolicyKind::Identity).unwrap();
        let verdict = verdict_of(
            &policy,
            "kms:Decrypt",
            &Context::default(),
            Profile::Current,
        );
        assert_eq!(verdict, "void", "{rest}");
    }
    for rest in [r#""Resource":"*""#, r#""Action":"kms:*""#] {
        let text = key_policy(&format!(r#"{{"Effect":"Allow",{rest}}}"#));
        assert!(
            Policy::parse(&text, PolicyKind::Identity).is_err(),
            "{rest}"
        );
    }
}

/// P-1: the largest object is read in a time that does not grow with the square of its members.
#[test]
fn object_with_very_many_names_is_read() {
    let names: Vec<String> = (0..9_000).map(|i| format!(r#""k{i}":"v""#)).collect();
    let text = key_policy(&format!(
        r#"{{"Effect":"Allow","Action":"*","Resource":"*","Condition":{{"StringEquals":{{{}}}}}}}"#,
        names.join(",")
    ));
    assert!(text.len() > 100_000);
    assert!(Policy::parse_unstored(&text, PolicyKind::Identity).is_ok());
    let twice = text.replace(r#""k8999":"#, r#""k0":"#);
    let error = Policy::parse_unstored(&twice, PolicyKind::Identity)
        .map(|_| ())
        .expect_err("twice");
    assert!(error.to_string().contains("stands twice"), "{error}");
}
