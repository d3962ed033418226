//! What the warnings say is true: the mended text is not told of, and where one says never, no request is found.

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::Value;

use super::super::action::{Action, ActionTarget};
use super::super::context::{ContextKey, ContextSource, ContextValue};
use super::super::keys::{KnownKey, Presence};
use super::super::principal::Who;
use super::super::resource::ResourceName;
use super::super::statement::{Ask, Profile, Verdict};
use super::super::{Operator, PolicyPrincipal};
use super::tests::rows;
use super::*;
use crate::domain::ids::{AliasName, KeyId, PrincipalArn, Region, ServicePrincipal};

const OWNER: &str = "111122223333";
const OTHER: &str = "444455556666";
const BOB: &str = "arn:aws:iam::111122223333:user/bob";
const KEY_ID: &str = "1234abcd-12ab-34cd-56ef-1234567890ab";
const KEY: &str = "arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab";
const ALIAS: &str = "arn:aws:kms:eu-west-1:111122223333:alias/app";

fn of(kind: PolicyKind, text: &str) -> Vec<Warning> {
    lint(text, kind, OWNER.parse().ok()).unwrap_or_else(|error| panic!("{error}: {text}"))
}

fn document(statements: &str) -> String {
    format!(r#"{{"Version":"2012-10-17","Statement":[{statements}]}}"#)
}

/// A request of a test: who, on what, and the keys it has.
struct Sample {
    service: Option<ServicePrincipal>,
    caller: PrincipalArn,
    resource: String,
    action: Action,
    keys: BTreeMap<ContextKey, Vec<String>>,
}

impl Sample {
    fn new(action: &str) -> Self {
        Self {
            service: None,
            caller: BOB.parse().unwrap(),
            resource: KEY.to_owned(),
            action: Action::parse(action),
            keys: BTreeMap::new(),
        }
    }

    fn with(mut self, key: &str, value: &str) -> Self {
        let key = ContextKey::parse(key);
        self.keys.insert(key, vec![value.to_owned()]);
        self
    }

    fn by(mut self, service: &str) -> Self {
        self.service = Some(service.parse().unwrap());
        self
    }

    fn on(mut self, resource: &str) -> Self {
        self.resource = resource.to_owned();
        self
    }

    /// The effect of a policy's statements alone: a deny, else an allow, else nothing.
    fn effect(&self, kind: PolicyKind, text: &str) -> &'static str {
        let policy = Policy::parse(text, kind).unwrap();
        let mut effect = "nothing";
        for index in 0..policy.statements().len() {
            if self.meets(&policy, index) {
                effect = if policy.statements()[index].is_deny() {
                    return "deny";
                } else {
                    "allow"
                };
            }
        }
        effect
    }

    fn meets(&self, policy: &Policy, statement: usize) -> bool {
        let who = match &self.service {
            Some(name) => Who::Service { name },
            None => Who::User {
                arn: &self.caller,
                unique_id: None,
            },
        };
        let ask = Ask {
            action: &self.action,
            resource: ResourceName::arn(&self.resource)
                .unwrap_or_else(|| ResourceName::none("aws", "kms", "eu-west-1", OWNER)),
            who,
            has_boundary: false,
            context: self,
            profile: Profile::Current,
        };
        matches!(
            policy.statements()[statement].verdict(&ask, None),
            Verdict::Applies { .. }
        )
    }
}

impl ContextSource for Sample {
    fn get<'a>(&'a self, key: &'a ContextKey) -> Option<ContextValue<'a>> {
        let action = self.action.kms()?;
        let values = self.keys.get(key)?;
        let is_absent = key.presence(action) == Presence::Never
            || self.service.is_some() && super::services::is_of_people(key)
            || self.resource.contains(":alias/") && is_of_keys(key);
        if is_absent || values.is_empty() {
            return None;
        }
        Some(if key.is_multivalued() {
            ContextValue::Many(values)
        } else {
            ContextValue::text(&values[0])
        })
    }
}

/// D-14: what the request of an alias does not have, as the context of a request is built.
fn is_of_keys(key: &ContextKey) -> bool {
    let name = key.to_string();
    name.starts_with("kms:") || name.starts_with("aws:ResourceTag/")
}

/// A warning, the text that its help names, and the statement written so.
struct Mend {
    code: &'static str,
    kind: PolicyKind,
    statements: String,
    says: &'static str,
    mended: String,
    /// A request that shows the difference, and the effect of each of the two texts on it.
    shown: Option<(Sample, &'static str, &'static str)>,
}

fn mends() -> Vec<Mend> {
    use PolicyKind::{Identity, Key, ServiceControl};
    let enable =
        r#"{"Effect":"Allow","Principal":{"AWS":"111122223333"},"Action":"kms:*","Resource":"*"}"#;
    let identity = |effect: &str, action: &str, resource: &str, condition: &str| {
        format!(
            r#"{{"Effect":"{effect}","Action":{action},"Resource":{resource},"Condition":{condition}}}"#
        )
    };
    let service = |effect: &str, service: &str, action: &str, condition: &str| {
        format!(
            r#"{{"Effect":"{effect}","Principal":{service},"Action":{action},"Resource":"*","Condition":{condition}}}"#
        )
    };
    let logs = r#"{"Service":"logs.eu-west-1.amazonaws.com"}"#;
    let trail = r#"{"Service":"cloudtrail.amazonaws.com"}"#;
    let all = r#""*""#;
    let uses = r#"["kms:Decrypt","kms:GenerateDataKey"]"#;
    let key = |id: &str| format!(r#""arn:aws:kms:eu-west-1:111122223333:{id}""#);
    let both = format!(r#"["{ALIAS}","{KEY}"]"#);
    let linked = "arn:aws:iam::444455556666:role/aws-service-role/autoscaling.amazonaws.com/AWSServiceRoleForAutoScaling";
    let for_aws = r#"{"Bool":{"kms:GrantIsForAWSResource":"true"}}"#;
    let decrypt = || Sample::new("kms:Decrypt");
    vec![
        Mend {
            code: "alias-half",
            kind: Identity,
            statements: identity(
                "Allow",
                r#""kms:CreateAlias""#,
                &key(&format!("key/{KEY_ID}")),
                "{}",
            ),
            says: r#""arn:aws:kms:eu-west-1:111122223333:alias/<name>""#,
            mended: identity("Allow", r#""kms:CreateAlias""#, &both, "{}"),
            shown: Some((Sample::new("kms:CreateAlias").on(ALIAS), "nothing", "allow")),
        },
        Mend {
            code: "alias-half",
            kind: Identity,
            statements: identity(
                "Allow",
                r#"["kms:DeleteAlias","kms:ListAliases"]"#,
                &key("alias/app"),
                "{}",
            ),
            says: r#""arn:aws:kms:eu-west-1:111122223333:key/<key id>""#,
            mended: identity("Allow", r#""kms:DeleteAlias""#, &both, "{}"),
            shown: Some((Sample::new("kms:DeleteAlias"), "nothing", "allow")),
        },
        Mend {
            code: "alias-half",
            kind: Identity,
            statements: identity(
                "Allow",
                r#""kms:*Alias""#,
                all,
                r#"{"StringEquals":{"kms:KeyOrigin":"AWS_KMS"}}"#,
            ),
            says: "without a condition on the key",
            mended: format!(
                "{},{}",
                identity(
                    "Allow",
                    r#""kms:*Alias""#,
                    all,
                    r#"{"StringEquals":{"kms:KeyOrigin":"AWS_KMS"}}"#
                ),
                identity("Allow", r#""kms:*Alias""#, &key("alias/app"), "{}")
            ),
            shown: Some((
                Sample::new("kms:UpdateAlias")
                    .on(ALIAS)
                    .with("kms:KeyOrigin", "AWS_KMS"),
                "nothing",
                "allow",
            )),
        },
        Mend {
            code: "resource-never-matches",
            kind: Identity,
            statements: identity("Allow", uses, &key("key/prod_key"), "{}"),
            says: "key/1234abcd-12ab-34cd-56ef-1234567890ab",
            mended: identity("Allow", uses, &key(&format!("key/{KEY_ID}")), "{}"),
            shown: Some((decrypt(), "nothing", "allow")),
        },
        Mend {
            code: "resource-never-matches",
            kind: ServiceControl,
            statements: identity(
                "Deny",
                uses,
                &key(&format!("key/{}", KEY_ID.to_uppercase())),
                "{}",
            ),
            says: "write key/1234abcd-12ab-34cd-56ef-1234567890ab",
            mended: identity("Deny", uses, &key(&format!("key/{KEY_ID}")), "{}"),
            shown: Some((decrypt(), "nothing", "deny")),
        },
        Mend {
            code: "resource-never-matches",
            kind: Identity,
            statements: identity("Allow", uses, &key(KEY_ID), "{}"),
            says: "write key/1234abcd-12ab-34cd-56ef-1234567890ab",
            mended: identity("Allow", uses, &key(&format!("key/{KEY_ID}")), "{}"),
            shown: Some((decrypt(), "nothing", "allow")),
        },
        Mend {
            code: "resource-never-matches",
            kind: Identity,
            statements: identity("Allow", uses, r#""arn:aws:s3:::bucket/*""#, "{}"),
            says: "arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab",
            mended: identity("Allow", uses, &format!(r#""{KEY}""#), "{}"),
            shown: Some((decrypt(), "nothing", "allow")),
        },
        Mend {
            code: "resource-never-matches",
            kind: Identity,
            statements: identity(
                "Allow",
                uses,
                r#""arn:aws:kms:eu-west-1:11112222333:key/*""#,
                "{}",
            ),
            says: "twelve digits",
            mended: identity("Allow", uses, &key("key/*"), "{}"),
            shown: Some((decrypt(), "nothing", "allow")),
        },
        Mend {
            code: "confused-deputy",
            kind: Key,
            statements: service("Allow", logs, uses, "{}"),
            says: r#"{"ArnLike": {"kms:EncryptionContext:aws:logs:arn": "arn:aws:logs:eu-west-1:111122223333:log-group:*"}}"#,
            mended: service(
                "Allow",
                logs,
                uses,
                r#"{"ArnLike":{"kms:EncryptionContext:aws:logs:arn":"arn:aws:logs:eu-west-1:111122223333:log-group:*"}}"#,
            ),
            shown: Some((
                decrypt().by("logs.eu-west-1.amazonaws.com").with(
                    "kms:EncryptionContext:aws:logs:arn",
                    "arn:aws:logs:eu-west-1:444455556666:log-group:x",
                ),
                "allow",
                "nothing",
            )),
        },
        Mend {
            code: "confused-deputy",
            kind: Key,
            statements: service("Allow", trail, uses, "{}"),
            says: r#"{"StringEquals": {"aws:SourceAccount": "111122223333"}}"#,
            mended: service(
                "Allow",
                trail,
                uses,
                r#"{"StringEquals":{"aws:SourceAccount":"111122223333"}}"#,
            ),
            shown: Some((
                decrypt()
                    .by("cloudtrail.amazonaws.com")
                    .with("aws:SourceAccount", OTHER),
                "allow",
                "nothing",
            )),
        },
        Mend {
            code: "service-without-key",
            kind: Key,
            statements: service(
                "Allow",
                trail,
                uses,
                r#"{"StringEquals":{"aws:PrincipalOrgID":"o-exampleorg"}}"#,
            ),
            says: "write `aws:SourceOrgID` in its place",
            mended: service(
                "Allow",
                trail,
                uses,
                r#"{"StringEquals":{"aws:SourceOrgID":"o-exampleorg"}}"#,
            ),
            shown: Some((
                decrypt()
                    .by("cloudtrail.amazonaws.com")
                    .with("aws:SourceOrgID", "o-exampleorg"),
                "nothing",
                "allow",
            )),
        },
        Mend {
            code: "service-without-key",
            kind: Key,
            statements: service(
                "Allow",
                r#"{"Service":"s3.amazonaws.com"}"#,
                uses,
                r#"{"StringEquals":{"kms:CallerAccount":"111122223333"}}"#,
            ),
            says: "write `aws:SourceAccount` in its place",
            mended: service(
                "Allow",
                r#"{"Service":"s3.amazonaws.com"}"#,
                uses,
                r#"{"StringEquals":{"aws:SourceAccount":"111122223333"}}"#,
            ),
            shown: Some((
                decrypt()
                    .by("s3.amazonaws.com")
                    .with("aws:SourceAccount", OWNER)
                    .with("kms:CallerAccount", OWNER),
                "nothing",
                "allow",
            )),
        },
        Mend {
            code: "service-denied",
            kind: Key,
            statements: format!(
                "{},{}",
                service(
                    "Allow",
                    trail,
                    uses,
                    r#"{"StringEquals":{"aws:SourceAccount":"111122223333"}}"#
                ),
                service(
                    "Deny",
                    all,
                    r#""kms:*""#,
                    r#"{"StringNotEquals":{"aws:PrincipalOrgID":"o-exampleorg"}}"#
                )
            ),
            says: r#"{"Bool": {"aws:PrincipalIsAWSService": "false"}}"#,
            mended: format!(
                "{},{}",
                service(
                    "Allow",
                    trail,
                    uses,
                    r#"{"StringEquals":{"aws:SourceAccount":"111122223333"}}"#
                ),
                service(
                    "Deny",
                    all,
                    r#""kms:*""#,
                    r#"{"StringNotEquals":{"aws:PrincipalOrgID":"o-exampleorg"},"Bool":{"aws:PrincipalIsAWSService":"false"}}"#
                )
            ),
            shown: Some((
                decrypt()
                    .by("cloudtrail.amazonaws.com")
                    .with("aws:SourceAccount", OWNER)
                    .with("aws:PrincipalIsAWSService", "true"),
                "deny",
                "allow",
            )),
        },
        Mend {
            code: "disarmed-deny",
            kind: Identity,
            statements: identity(
                "Deny",
                uses,
                all,
                r#"{"ForAnyValue:StringNotEquals":{"aws:CalledVia":"athena.amazonaws.com"}}"#,
            ),
            says: "write `ForAllValues:StringNotEquals`",
            mended: identity(
                "Deny",
                uses,
                all,
                r#"{"ForAllValues:StringNotEquals":{"aws:CalledVia":"athena.amazonaws.com"}}"#,
            ),
            shown: Some((decrypt(), "nothing", "deny")),
        },
        Mend {
            code: "disarmed-deny",
            kind: Identity,
            statements: identity(
                "Deny",
                uses,
                all,
                r#"{"ForAnyValue:StringNotEquals":{"aws:CalledVia":"athena.amazonaws.com"}}"#,
            ),
            says: r#"{"Bool": {"aws:ViaAWSService": "false"}}"#,
            mended: identity(
                "Deny",
                uses,
                all,
                r#"{"Bool":{"aws:ViaAWSService":"false"}}"#,
            ),
            shown: Some((
                decrypt().with("aws:ViaAWSService", "false"),
                "nothing",
                "deny",
            )),
        },
        Mend {
            code: "disarmed-deny",
            kind: Key,
            statements: format!(
                "{enable},{}",
                service(
                    "Deny",
                    all,
                    uses,
                    r#"{"ForAnyValue:StringNotEquals":{"aws:PrincipalOrgID":"o-exampleorg"}}"#
                )
            ),
            says: "write `StringNotEquals`",
            mended: format!(
                "{enable},{}",
                service(
                    "Deny",
                    all,
                    uses,
                    r#"{"StringNotEquals":{"aws:PrincipalOrgID":"o-exampleorg"}}"#
                )
            ),
            shown: Some((decrypt(), "allow", "deny")),
        },
        Mend {
            code: "disarmed-deny",
            kind: Identity,
            statements: identity(
                "Deny",
                uses,
                all,
                r#"{"Bool":{"aws:MultiFactorAuthPresent":"false"}}"#,
            ),
            says: "write `BoolIfExists`",
            mended: identity(
                "Deny",
                uses,
                all,
                r#"{"BoolIfExists":{"aws:MultiFactorAuthPresent":"false"}}"#,
            ),
            shown: Some((decrypt(), "nothing", "deny")),
        },
        Mend {
            code: "disarmed-deny",
            kind: Identity,
            statements: identity(
                "Deny",
                uses,
                all,
                r#"{"NumericGreaterThan":{"aws:MultiFactorAuthAge":"3600"}}"#,
            ),
            says: "write `NumericGreaterThanIfExists`",
            mended: identity(
                "Deny",
                uses,
                all,
                r#"{"NumericGreaterThanIfExists":{"aws:MultiFactorAuthAge":"3600"}}"#,
            ),
            shown: Some((decrypt(), "nothing", "deny")),
        },
        Mend {
            code: "disarmed-deny",
            kind: Identity,
            statements: identity(
                "Deny",
                r#""kms:ImportKeyMaterial""#,
                all,
                r#"{"DateGreaterThan":{"kms:ValidTo":"2027-01-01T00:00:00Z"}}"#,
            ),
            says: "write `DateGreaterThanIfExists`",
            mended: identity(
                "Deny",
                r#""kms:ImportKeyMaterial""#,
                all,
                r#"{"DateGreaterThanIfExists":{"kms:ValidTo":"2027-01-01T00:00:00Z"}}"#,
            ),
            shown: Some((Sample::new("kms:ImportKeyMaterial"), "nothing", "deny")),
        },
        Mend {
            code: "disarmed-deny",
            kind: Identity,
            statements: identity(
                "Deny",
                uses,
                all,
                r#"{"StringEquals":{"kms:RequestAlias":"alias/secret"}}"#,
            ),
            says: r#"{"ForAnyValue:StringEquals": {"kms:ResourceAliases": "#,
            mended: identity(
                "Deny",
                uses,
                all,
                r#"{"ForAnyValue:StringEquals":{"kms:ResourceAliases":"alias/secret"}}"#,
            ),
            shown: Some((
                decrypt().with("kms:ResourceAliases", "alias/secret"),
                "nothing",
                "deny",
            )),
        },
        Mend {
            code: "network-deny",
            kind: Identity,
            statements: identity(
                "Deny",
                uses,
                all,
                r#"{"NotIpAddress":{"aws:SourceIp":"203.0.113.0/24"}}"#,
            ),
            says: r#"{"Bool": {"aws:ViaAWSService": "false"}}"#,
            mended: identity(
                "Deny",
                uses,
                all,
                r#"{"NotIpAddress":{"aws:SourceIp":"203.0.113.0/24"},"Bool":{"aws:ViaAWSService":"false"}}"#,
            ),
            shown: Some((
                decrypt()
                    .with("aws:ViaAWSService", "true")
                    .with("kms:ViaService", "s3.eu-west-1.amazonaws.com"),
                "deny",
                "nothing",
            )),
        },
        Mend {
            code: "network-deny",
            kind: ServiceControl,
            statements: identity(
                "Deny",
                r#""*""#,
                all,
                r#"{"StringNotEquals":{"aws:SourceVpce":"vpce-1"}}"#,
            ),
            says: r#"{"StringNotEquals": {"kms:ViaService": "s3.eu-west-1.amazonaws.com"}}"#,
            mended: identity(
                "Deny",
                r#""*""#,
                all,
                r#"{"StringNotEquals":{"aws:SourceVpce":"vpce-1","kms:ViaService":"s3.eu-west-1.amazonaws.com"}}"#,
            ),
            shown: Some((
                decrypt().with("kms:ViaService", "s3.eu-west-1.amazonaws.com"),
                "deny",
                "nothing",
            )),
        },
        Mend {
            code: "network-deny",
            kind: Key,
            statements: service(
                "Deny",
                all,
                uses,
                r#"{"StringNotEqualsIfExists":{"aws:SourceVpc":"vpc-1"}}"#,
            ),
            says: r#"{"Bool": {"aws:ViaAWSService": "false", "aws:PrincipalIsAWSService": "false"}}"#,
            mended: service(
                "Deny",
                all,
                uses,
                r#"{"StringNotEqualsIfExists":{"aws:SourceVpc":"vpc-1"},"Bool":{"aws:ViaAWSService":"false","aws:PrincipalIsAWSService":"false"}}"#,
            ),
            shown: Some((
                decrypt()
                    .by("s3.amazonaws.com")
                    .with("aws:ViaAWSService", "false")
                    .with("aws:PrincipalIsAWSService", "true"),
                "deny",
                "nothing",
            )),
        },
        Mend {
            code: "network-allow",
            kind: Identity,
            statements: identity(
                "Allow",
                uses,
                all,
                r#"{"StringEquals":{"aws:SourceVpc":"vpc-1"}}"#,
            ),
            says: r#"{"StringEquals": {"kms:ViaService": "s3.eu-west-1.amazonaws.com"}} in place of this condition"#,
            mended: format!(
                "{},{}",
                identity(
                    "Allow",
                    uses,
                    all,
                    r#"{"StringEquals":{"aws:SourceVpc":"vpc-1"}}"#
                ),
                identity(
                    "Allow",
                    uses,
                    all,
                    r#"{"StringEquals":{"kms:ViaService":"s3.eu-west-1.amazonaws.com"}}"#
                )
            ),
            shown: Some((
                decrypt().with("kms:ViaService", "s3.eu-west-1.amazonaws.com"),
                "nothing",
                "allow",
            )),
        },
        Mend {
            code: "called-via",
            kind: Identity,
            statements: identity(
                "Deny",
                uses,
                all,
                r#"{"ForAllValues:StringNotEquals":{"aws:CalledVia":"ec2.amazonaws.com"}}"#,
            ),
            says: r#"{"StringNotEquals": {"kms:ViaService": "ec2.eu-west-1.amazonaws.com"}}"#,
            mended: identity(
                "Deny",
                uses,
                all,
                r#"{"StringNotEquals":{"kms:ViaService":"ec2.eu-west-1.amazonaws.com"}}"#,
            ),
            shown: Some((
                decrypt().with("kms:ViaService", "ec2.eu-west-1.amazonaws.com"),
                "deny",
                "nothing",
            )),
        },
        Mend {
            code: "value-never-matches",
            kind: Key,
            statements: service(
                "Allow",
                r#"{"AWS":"111122223333"}"#,
                uses,
                r#"{"StringEquals":{"kms:ViaService":"ec2.111122223333.amazonaws.com"}}"#,
            ),
            says: "write the Region in its place",
            mended: service(
                "Allow",
                r#"{"AWS":"111122223333"}"#,
                uses,
                r#"{"StringEquals":{"kms:ViaService":"ec2.eu-west-1.amazonaws.com"}}"#,
            ),
            shown: Some((
                decrypt().with("kms:ViaService", "ec2.eu-west-1.amazonaws.com"),
                "nothing",
                "allow",
            )),
        },
        Mend {
            code: "value-never-matches",
            kind: Key,
            statements: service(
                "Allow",
                r#"{"AWS":"111122223333"}"#,
                uses,
                r#"{"StringLike":{"kms:ViaService":"*.eu-wst-1.amazonaws.com"}}"#,
            ),
            says: "did you mean `eu-west-1`?",
            mended: service(
                "Allow",
                r#"{"AWS":"111122223333"}"#,
                uses,
                r#"{"StringLike":{"kms:ViaService":"*.eu-west-1.amazonaws.com"}}"#,
            ),
            shown: Some((
                decrypt().with("kms:ViaService", "ec2.eu-west-1.amazonaws.com"),
                "nothing",
                "allow",
            )),
        },
        Mend {
            code: "value-never-matches",
            kind: Key,
            statements: service(
                "Allow",
                r#"{"Service":"logs.111122223333.amazonaws.com"}"#,
                uses,
                r#"{"StringEquals":{"aws:SourceAccount":"111122223333"}}"#,
            ),
            says: "write the Region in its place",
            mended: service(
                "Allow",
                logs,
                uses,
                r#"{"StringEquals":{"aws:SourceAccount":"111122223333"}}"#,
            ),
            shown: Some((
                decrypt()
                    .by("logs.eu-west-1.amazonaws.com")
                    .with("aws:SourceAccount", OWNER),
                "nothing",
                "allow",
            )),
        },
        Mend {
            code: "called-via",
            kind: Identity,
            statements: identity(
                "Allow",
                uses,
                all,
                r#"{"ForAnyValue:StringEquals":{"aws:CalledVia":"ec2.amazonaws.com"}}"#,
            ),
            says: r#"{"StringEquals": {"kms:ViaService": "ec2.eu-west-1.amazonaws.com"}}"#,
            mended: identity(
                "Allow",
                uses,
                all,
                r#"{"StringEquals":{"kms:ViaService":"ec2.eu-west-1.amazonaws.com"}}"#,
            ),
            shown: Some((
                decrypt().with("kms:ViaService", "ec2.eu-west-1.amazonaws.com"),
                "nothing",
                "allow",
            )),
        },
        Mend {
            code: "called-via",
            kind: Identity,
            statements: identity(
                "Allow",
                uses,
                all,
                r#"{"StringEquals":{"aws:CalledViaFirst":"dynamodb.eu-west-1.amazonaws.com"}}"#,
            ),
            says: "write dynamodb.amazonaws.com",
            mended: identity(
                "Allow",
                uses,
                all,
                r#"{"StringEquals":{"aws:CalledViaFirst":"dynamodb.amazonaws.com"}}"#,
            ),
            shown: Some((
                decrypt().with("aws:CalledViaFirst", "dynamodb.amazonaws.com"),
                "nothing",
                "allow",
            )),
        },
        Mend {
            code: "bucket-key",
            kind: Identity,
            statements: identity(
                "Allow",
                uses,
                all,
                r#"{"StringLike":{"kms:EncryptionContext:aws:s3:arn":"arn:aws:s3:::b-*/x/*"}}"#,
            ),
            says: r#"list "arn:aws:s3:::b-*" beside it"#,
            mended: identity(
                "Allow",
                uses,
                all,
                r#"{"StringLike":{"kms:EncryptionContext:aws:s3:arn":["arn:aws:s3:::b-*/x/*","arn:aws:s3:::b-*"]}}"#,
            ),
            shown: Some((
                decrypt().with("kms:EncryptionContext:aws:s3:arn", "arn:aws:s3:::b-1"),
                "nothing",
                "allow",
            )),
        },
        Mend {
            code: "bucket-key",
            kind: Identity,
            statements: identity(
                "Deny",
                uses,
                all,
                r#"{"ArnNotLike":{"kms:EncryptionContext:aws:s3:arn":"arn:aws:s3:::b/*"},"Null":{"kms:EncryptionContext:aws:s3:arn":"false"}}"#,
            ),
            says: r#"list "arn:aws:s3:::b" beside it"#,
            mended: identity(
                "Deny",
                uses,
                all,
                r#"{"ArnNotLike":{"kms:EncryptionContext:aws:s3:arn":["arn:aws:s3:::b/*","arn:aws:s3:::b"]},"Null":{"kms:EncryptionContext:aws:s3:arn":"false"}}"#,
            ),
            shown: Some((
                decrypt().with("kms:EncryptionContext:aws:s3:arn", "arn:aws:s3:::b"),
                "deny",
                "nothing",
            )),
        },
        Mend {
            code: "grant-for-aws-resource",
            kind: Key,
            statements: service(
                "Allow",
                &format!(r#"{{"AWS":"{linked}"}}"#),
                r#""kms:CreateGrant""#,
                for_aws,
            ),
            says: r#"allow arn:aws:iam::444455556666:root kms:CreateGrant, under {"StringEquals": {"kms:GranteePrincipal": "arn:aws:iam::444455556666:role/aws-service-role/autoscaling.amazonaws.com/AWSServiceRoleForAutoScaling"}}"#,
            mended: service(
                "Allow",
                r#"{"AWS":"arn:aws:iam::444455556666:root"}"#,
                r#""kms:CreateGrant""#,
                &format!(
                    r#"{{"StringEquals":{{"kms:GranteePrincipal":"{linked}"}},"ForAllValues:StringEquals":{{"kms:GrantOperations":["Decrypt","GenerateDataKeyWithoutPlaintext"]}}}}"#
                ),
            ),
            shown: None,
        },
        Mend {
            code: "grant-for-aws-resource",
            kind: Key,
            statements: service(
                "Allow",
                r#"{"AWS":"444455556666"}"#,
                r#""kms:CreateGrant""#,
                &format!(
                    r#"{{"Bool":{{"kms:GrantIsForAWSResource":"true"}},"StringEquals":{{"kms:GranteePrincipal":"{linked}"}}}}"#
                ),
            ),
            says: "make two statements of it",
            mended: format!(
                "{},{}",
                service(
                    "Allow",
                    r#"{"AWS":"444455556666"}"#,
                    r#""kms:CreateGrant""#,
                    for_aws
                ),
                service(
                    "Allow",
                    r#"{"AWS":"444455556666"}"#,
                    r#""kms:CreateGrant""#,
                    &format!(r#"{{"StringEquals":{{"kms:GranteePrincipal":"{linked}"}}}}"#),
                )
            ),
            shown: None,
        },
        Mend {
            code: "never-present",
            kind: Identity,
            statements: identity(
                "Allow",
                r#"["kms:TagResource","kms:UntagResource"]"#,
                all,
                r#"{"StringEquals":{"aws:RequestTag/team":"a"}}"#,
            ),
            says: "ForAllValues:StringEquals on aws:TagKeys",
            mended: format!(
                "{},{}",
                identity(
                    "Allow",
                    r#""kms:TagResource""#,
                    all,
                    r#"{"StringEquals":{"aws:RequestTag/team":"a"}}"#
                ),
                identity(
                    "Allow",
                    r#""kms:UntagResource""#,
                    all,
                    r#"{"ForAllValues:StringEquals":{"aws:TagKeys":"team"}}"#
                )
            ),
            shown: Some((
                Sample::new("kms:UntagResource")
                    .with("aws:TagKeys", "team")
                    .with("aws:RequestTag/team", "a"),
                "nothing",
                "allow",
            )),
        },
        Mend {
            code: "never-present",
            kind: Identity,
            statements: identity(
                "Deny",
                r#""kms:ScheduleKeyDeletion""#,
                all,
                r#"{"StringEquals":{"kms:RequestAlias":"alias/a"}}"#,
            ),
            says: "ForAnyValue:StringLike on kms:ResourceAliases",
            mended: identity(
                "Deny",
                r#""kms:ScheduleKeyDeletion""#,
                all,
                r#"{"ForAnyValue:StringLike":{"kms:ResourceAliases":"alias/a"}}"#,
            ),
            shown: Some((
                Sample::new("kms:ScheduleKeyDeletion")
                    .with("kms:RequestAlias", "alias/a")
                    .with("kms:ResourceAliases", "alias/a"),
                "nothing",
                "deny",
            )),
        },
        Mend {
            code: "set-on-single",
            kind: Identity,
            statements: identity(
                "Deny",
                uses,
                all,
                r#"{"ForAllValues:StringEquals":{"aws:PrincipalTag/a":"x"}}"#,
            ),
            says: "write `StringEqualsIfExists`, which denies requests without the key as this does",
            mended: identity(
                "Deny",
                uses,
                all,
                r#"{"StringEqualsIfExists":{"aws:PrincipalTag/a":"x"}}"#,
            ),
            shown: Some((decrypt(), "deny", "deny")),
        },
        Mend {
            code: "set-on-single",
            kind: Identity,
            statements: identity(
                "Allow",
                uses,
                all,
                r#"{"ForAllValues:StringEquals":{"aws:PrincipalTag/a":"x"}}"#,
            ),
            says: "leave the set operator out",
            mended: identity(
                "Allow",
                uses,
                all,
                r#"{"StringEquals":{"aws:PrincipalTag/a":"x"}}"#,
            ),
            shown: Some((decrypt(), "allow", "nothing")),
        },
        Mend {
            code: "set-on-single",
            kind: Identity,
            statements: identity(
                "Allow",
                uses,
                all,
                r#"{"ForAnyValue:StringNotEquals":{"aws:PrincipalTag/a":"x"}}"#,
            ),
            says: r#"write `StringNotEquals` with {"Null": {"aws:PrincipalTag/a": "false"}}, which means the same"#,
            mended: identity(
                "Allow",
                uses,
                all,
                r#"{"StringNotEquals":{"aws:PrincipalTag/a":"x"},"Null":{"aws:PrincipalTag/a":"false"}}"#,
            ),
            shown: Some((decrypt(), "nothing", "nothing")),
        },
        Mend {
            code: "set-on-single",
            kind: Identity,
            statements: identity(
                "Deny",
                uses,
                all,
                r#"{"ForAllValues:StringNotEquals":{"aws:PrincipalTag/a":"x"}}"#,
            ),
            says: "leave the set operator out, which changes nothing",
            mended: identity(
                "Deny",
                uses,
                all,
                r#"{"StringNotEquals":{"aws:PrincipalTag/a":"x"}}"#,
            ),
            shown: Some((decrypt(), "deny", "deny")),
        },
    ]
}

/// X-16, X-66 to X-70, CK-37, CK-92, D-14, P-11: each help says what to write; who writes it is not told again, and a
/// request shows that it was worth it.
#[test]
fn mended_statement_is_not_told_of_again() {
    for mend in mends() {
        let (before, after) = (document(&mend.statements), document(&mend.mended));
        let told: Vec<Warning> = of(mend.kind, &before)
            .into_iter()
            .filter(|warning| warning.lint.code() == mend.code)
            .collect();
        assert!(!told.is_empty(), "{} is not told: {before}", mend.code);
        assert!(
            told.iter().any(|warning| warning.help.contains(mend.says)),
            "no help says `{}`: {told:?}",
            mend.says
        );
        let again = of(mend.kind, &after);
        assert!(
            again.iter().all(|warning| warning.lint.code() != mend.code),
            "{again:?}: {after}"
        );
        if let Some((sample, was, is)) = mend.shown {
            let effects = (
                sample.effect(mend.kind, &before),
                sample.effect(mend.kind, &after),
            );
            assert_eq!(effects, (was, is), "{}: {before}\n{after}", mend.code);
        }
    }
}

/// To spare requests without a key is to weaken a Deny: no help advises it in one without saying so.
#[test]
fn null_check_is_advised_in_a_deny_only_with_its_price() {
    for (_, kind, statement, _) in rows() {
        for (effect, other) in [("Deny", "Allow"), ("Allow", "Deny")] {
            let text = document(&statement.replace(
                &format!(r#""Effect":"{other}""#),
                &format!(r#""Effect":"{effect}""#),
            ));
            let Ok(told) = lint(&text, kind, None) else {
                continue;
            };
            for warning in told {
                // A variable in `Resource` matches nothing without a value: there a Null check spares nobody.
                let advises = warning.help.contains(r#""Null""#)
                    && !(warning.lint == Lint::AbsentVariable
                        && warning.message.ends_with("matches nothing"));
                let admits = warning.help.contains("would spare");
                assert!(
                    !(advises && effect == "Deny") || admits,
                    "{warning}: {text}"
                );
            }
        }
    }
}

/// X-16, X-66 to X-70: what AWS publishes gets the warnings that are listed beside it, and no others.
#[test]
fn published_policies_get_the_warnings_that_are_listed() {
    let text = include_str!("../../../../tests/examples/published-policies.json");
    let published: Vec<Value> = serde_json::from_str(text).unwrap();
    assert!(published.len() >= 40, "{}", published.len());
    let mut wrong = String::new();
    for entry in &published {
        let owner = entry["account"].as_str().unwrap().parse().unwrap();
        let policy = entry["policy"].to_string();
        let told = lint(&policy, kind(&entry["kind"]), Some(owner));
        let told = told.unwrap_or_else(|error| panic!("{error}: {entry}"));
        let shown = |warning: &Warning| format!("{} {}", warning.lint.code(), warning.offending);
        let told: Vec<String> = told.iter().map(shown).collect();
        if entry["warnings"] != Value::from(told.clone()) {
            wrong += &format!("{}: {told:?}\n", entry["page"]);
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

fn kind(name: &Value) -> PolicyKind {
    match name.as_str().unwrap() {
        "key" => PolicyKind::Key,
        "identity" => PolicyKind::Identity,
        "service-control" => PolicyKind::ServiceControl,
        "resource-control" => PolicyKind::ResourceControl,
        "vpc-endpoint" => PolicyKind::VpcEndpoint,
        other => panic!("{other}"),
    }
}

/// A small generator of numbers, so that a failure comes again.
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) as usize) % end.max(1)
    }

    fn one_of<'a, T: ?Sized>(&mut self, of: &[&'a T]) -> &'a T {
        of[self.below(of.len())]
    }
}

/// Whether a request can have this value of a key, by the types of the identifiers, not by what the lint knows.
fn is_possible(key: &ContextKey, value: &str) -> bool {
    let known = match key {
        ContextKey::Known(known) => known,
        // Of other services: a front states it, or nobody does.
        ContextKey::Other(_) | ContextKey::IamResourceTag(_) => return false,
        ContextKey::PrincipalTag(_)
        | ContextKey::ResourceTag(_)
        | ContextKey::RequestTag(_)
        | ContextKey::EncryptionContext(_)
        | ContextKey::Pcr(_)
        | ContextKey::NitroTpmPcr(_) => return true,
    };
    let is_service = |text: &str| {
        let (service, rest) = text.split_once('.').unwrap_or_default();
        let region = rest.strip_suffix(".amazonaws.com").unwrap_or_default();
        !service.is_empty() && region.contains('-') && region.parse::<Region>().is_ok()
    };
    match known {
        KnownKey::CallerAccount
        | KnownKey::PrincipalAccount
        | KnownKey::ResourceAccount
        | KnownKey::SourceAccount => value.parse::<AccountId>().is_ok(),
        KnownKey::PrincipalArn => value
            .parse::<PrincipalArn>()
            .is_ok_and(|arn| !value.contains(":assumed-role/") && !arn.is_root()),
        KnownKey::RequestAlias | KnownKey::ResourceAliases => value.parse::<AliasName>().is_ok(),
        KnownKey::ViaService => is_service(value) && !value.contains("wst"),
        KnownKey::GrantOperations => KmsAction::by_name(value)
            .is_some_and(|action| action.is_grantable() && action.name() == value),
        KnownKey::GrantConstraintType => {
            matches!(value, "EncryptionContextEquals" | "EncryptionContextSubset")
        }
        KnownKey::KeySpec => matches!(value, "RSA_2048" | "SYMMETRIC_DEFAULT" | "ECC_NIST_P256"),
        KnownKey::SourceIp | KnownKey::VpcSourceIp => value.parse::<std::net::IpAddr>().is_ok(),
        KnownKey::SecureTransport
        | KnownKey::ViaAwsService
        | KnownKey::PrincipalIsAwsService
        | KnownKey::GrantIsForAwsResource
        | KnownKey::MultiRegion
        | KnownKey::MultiFactorAuthPresent => matches!(value, "true" | "false"),
        KnownKey::KeyUsage => matches!(value, "ENCRYPT_DECRYPT" | "SIGN_VERIFY"),
        KnownKey::KeyOrigin => matches!(value, "AWS_KMS" | "EXTERNAL"),
        KnownKey::PrincipalType => matches!(value, "User" | "AssumedRole"),
        KnownKey::EncryptionContextKeys => true,
        KnownKey::GlueCredentialIssuingService | KnownKey::GlueRoleAssumedBy => {
            value == "glue.amazonaws.com"
        }
        // Of the rest of KMS: numbers, where the key is one.
        other => !other.name().starts_with("kms:") || value.parse::<u32>().is_ok(),
    }
}

/// Requests that come near a policy: of its actions, on keys and aliases, by people and services, with its values.
fn samples(kind: PolicyKind, policy: &Value, dice: &mut Dice, count: usize) -> Vec<Sample> {
    let mut values: BTreeMap<ContextKey, Vec<String>> = BTreeMap::new();
    let mut services = vec!["s3.amazonaws.com".to_owned()];
    let mut callers = vec![
        BOB.to_owned(),
        "arn:aws:iam::444455556666:user/eve".to_owned(),
    ];
    let list = |value: &Value| -> Vec<String> {
        let text = |value: &Value| {
            value
                .as_str()
                .map_or_else(|| value.to_string(), str::to_owned)
        };
        match value {
            Value::Array(items) => items.iter().map(text).collect(),
            Value::Null => Vec::new(),
            other => vec![text(other)],
        }
    };
    let statements = match &policy["Statement"] {
        Value::Array(items) => items.clone(),
        one => vec![one.clone()],
    };
    for statement in &statements {
        services.extend(list(&statement["Principal"]["Service"]));
        callers.extend(list(&statement["Principal"]["AWS"]));
        let Some(condition) = statement["Condition"].as_object() else {
            continue;
        };
        for (operator, keys) in condition {
            let is_null = Operator::parse(operator).is_none_or(|operator| operator.is_null());
            for (name, given) in keys.as_object().unwrap() {
                let known = values.entry(ContextKey::parse(name)).or_default();
                for value in list(given).into_iter().filter(|_| !is_null) {
                    let plain = value.replace(['*', '?'], "x");
                    known.extend([value.replace('*', "").replace('?', "1"), plain]);
                    let (address, _) = value.split_once('/').unwrap_or((&value, ""));
                    known.push(address.to_owned());
                }
                known.extend(
                    ["true", "false", "7", OWNER, "alias/app", "Decrypt", "other"]
                        .map(str::to_owned),
                );
                known.push("s3.eu-west-1.amazonaws.com".to_owned());
            }
        }
    }
    for (key, known) in &mut values {
        known.retain(|value| is_possible(key, value));
    }
    services.retain(|name| {
        let region = name
            .strip_suffix(".amazonaws.com")
            .and_then(|rest| rest.split_once('.'));
        name.parse::<ServicePrincipal>().is_ok()
            && region.is_none_or(|(_, region)| region.parse::<Region>().is_ok())
    });
    callers.retain(|name| name.parse::<PrincipalArn>().is_ok_and(|arn| !arn.is_root()));
    assert!(KEY_ID.parse::<KeyId>().is_ok());
    (0..count)
        .map(|_| {
            let action = KmsAction::ALL[dice.below(KmsAction::ALL.len())];
            let mut sample = Sample::new(action.full_name());
            sample.resource = match action.target() {
                ActionTarget::None => String::new(),
                ActionTarget::Key => KEY.to_owned(),
                // A key policy is not asked about aliases.
                ActionTarget::KeyAndAlias if kind == PolicyKind::Key => KEY.to_owned(),
                ActionTarget::KeyAndAlias => dice.one_of(&[KEY, ALIAS]).to_owned(),
            };
            if dice.below(3) == 0 {
                sample.service = services[dice.below(services.len())].parse().ok();
            }
            sample.caller = callers[dice.below(callers.len())].parse().unwrap();
            for (key, known) in &values {
                if !known.is_empty() && dice.below(4) > 0 {
                    let some = (0..=dice.below(2)).map(|_| known[dice.below(known.len())].clone());
                    sample.keys.insert(key.clone(), some.collect());
                }
            }
            sample
        })
        .collect()
}

/// Looks for a request that a statement of which it is said "never" meets; the number of requests that met a statement.
fn look_for_a_request(kind: PolicyKind, text: &str, dice: &mut Dice) -> usize {
    let told = of(kind, text);
    let policy = Policy::parse(text, kind).unwrap();
    let json: Value = serde_json::from_str(text).unwrap();
    let mut met = 0;
    for sample in samples(kind, &json, dice, 200) {
        for index in 0..policy.statements().len() {
            let meets = sample.meets(&policy, index);
            met += usize::from(meets);
            let is_named = |entry: &PolicyPrincipal| matches!(entry, PolicyPrincipal::Federated(_));
            let only = policy.statements()[index].principals().len() < 2;
            let never = told.iter().find(|warning| {
                warning.statement == index
                    && (warning.message.contains("this allow can never match")
                        || warning.message.contains("this deny can never act"))
                    // CK-92 is what AWS lists; a federated principal is one of several.
                    && warning.lint != Lint::CalledVia
                    && (only || !policy.statements()[index].principals().iter().any(is_named))
                    // A value among others.
                    && (warning.lint != Lint::ValueNeverMatches || warning.message.contains("never has"))
            });
            assert!(
                !meets || never.is_none(),
                "{:?} meets it by {:?} {:?}: {text}",
                never.map(ToString::to_string),
                sample.action,
                sample.keys
            );
        }
    }
    met
}

/// X-14, ID-20, P-11, C-14: where a warning says that a statement can never match, no request is found that it does.
#[test]
fn statement_that_can_never_match_is_met_by_no_request() {
    let mut dice = Dice(7);
    let (mut met, mut nevers) = (0, 0);
    let mut texts: Vec<(PolicyKind, String)> = rows()
        .into_iter()
        .map(|(_, kind, statement, _)| (kind, document(&statement)))
        .collect();
    texts.extend(
        mends()
            .into_iter()
            .map(|mend| (mend.kind, document(&mend.statements))),
    );
    texts.extend(
        mends()
            .into_iter()
            .map(|mend| (mend.kind, document(&mend.mended))),
    );
    for (kind, text) in texts {
        met += look_for_a_request(kind, &text, &mut dice);
        nevers += of(kind, &text)
            .iter()
            .filter(|warning| warning.message.contains("can never"))
            .count();
    }
    assert!(met > 2_000 && nevers > 15, "{met} met, {nevers} nevers");
}

/// Texts that a condition may hold: good ones, wrong ones, and ones that are no text of anything.
const TEXTS: &[&str] = &[
    "*",
    "",
    "a",
    "true",
    "false",
    "7",
    "alias/a",
    "arn:aws:s3:::b/*",
    "arn:aws:s3:::b",
    "s3.eu-west-1.amazonaws.com",
    "ec2.111122223333.amazonaws.com",
    "ec2.amazonaws.com",
    ".amazonaws.com",
    "..amazonaws.com",
    "${aws:username}",
    "${",
    "111122223333",
    "203.0.113.0/24",
    "2026-07-14T00:00:00Z",
    "o-exampleorg",
    "é*?",
    "arn:aws:iam::111122223333:role/aws-service-role/x/y",
    "Decrypt",
    "/",
    ":",
    "arn:aws:kms:::",
    "ForAnyValue:",
];
const OPERATORS: &[&str] = &[
    "StringEquals",
    "StringNotEqualsIfExists",
    "ForAllValues:StringLike",
    "ForAnyValue:StringNotLike",
    "ForAnyValue:StringEqualsIfExists",
    "Null",
    "Bool",
    "BoolIfExists",
    "ArnLike",
    "ArnNotEquals",
    "NumericGreaterThan",
    "DateLessThan",
    "IpAddress",
    "NotIpAddressIfExists",
    "StringEqualsIgnoreCase",
];
const RESOURCES: &[&str] = &[
    "*",
    KEY,
    ALIAS,
    "arn:aws:kms:*:*:key/*",
    "arn:aws:kms:eu-west-1:111122223333:key/x",
    "arn:aws:kms:::y",
    "arn:aws:s3:::b/*",
    "arn:*:*:*:*:*",
    "arn:aws:kms:eu-west-1:111122223333:alias/${aws:username}",
    "arn:aws:km?:a:1:ke*",
];
const ACTIONS: &[&str] = &[
    "*",
    "kms:*",
    "kms:Decrypt",
    "kms:CreateAlias",
    "kms:*Alias*",
    "kms:UntagResource",
    "kms:CreateGrant",
    "s3:GetObject",
    "kms:Nope",
    "kms:ScheduleKeyDeletion",
    "kms:ImportKeyMaterial",
];
const PRINCIPALS: &[&str] = &[
    r#""*""#,
    r#"{"AWS":"111122223333"}"#,
    r#"{"Service":"logs.eu-west-1.amazonaws.com"}"#,
    r#"{"Service":["s3.amazonaws.com","a.1.amazonaws.com"]}"#,
    r#"{"AWS":["*","arn:aws:iam::444455556666:role/aws-service-role/autoscaling.amazonaws.com/R"]}"#,
    r#"{"Service":"events.amazonaws.com","AWS":"arn:aws:iam::111122223333:user/bob"}"#,
];

fn statements() -> impl Strategy<Value = String> {
    let key = prop_oneof![
        prop::sample::select(KnownKey::ALL).prop_map(|key| key.name().to_owned()),
        prop::sample::select(vec![
            "kms:EncryptionContext:aws:s3:arn".to_owned(),
            "aws:RequestTag/a".to_owned(),
            "aws:PrincipalTag/a".to_owned(),
            "aws:ResourceTag/a".to_owned(),
            "s3:prefix".to_owned(),
            "kms:Nope".to_owned(),
            "aws:VpceOrgID".to_owned(),
        ]),
    ];
    let condition = (
        prop::sample::select(OPERATORS),
        key,
        prop::collection::vec(prop::sample::select(TEXTS), 0..3),
    );
    (
        any::<(bool, bool, bool)>(),
        prop::sample::select(PRINCIPALS),
        prop::collection::vec(prop::sample::select(ACTIONS), 1..3),
        prop::collection::vec(prop::sample::select(RESOURCES), 1..3),
        prop::collection::vec(condition, 0..4),
    )
        .prop_map(|((allow, not_action, not_resource), principal, actions, resources, conditions)| {
            let effect = if allow { "Allow" } else { "Deny" };
            let not = |negated: bool, name: &str| format!("{}{name}", if negated { "Not" } else { "" });
            let mut block: BTreeMap<&str, BTreeMap<String, Value>> = BTreeMap::new();
            for (operator, key, values) in conditions {
                block.entry(operator).or_default().insert(key, Value::from(values));
            }
            format!(
                r#"{{"Effect":"{effect}","Principal":{principal},"{}":{},"{}":{},"Condition":{}}}"#,
                not(not_action, "Action"),
                Value::from(actions),
                not(not_resource, "Resource"),
                Value::from(resources),
                serde_json::to_value(block).unwrap(),
            )
        })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, max_shrink_iters: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    /// X-14: whatever a policy says, it is looked through, and what is said of it is true of requests that are tried.
    #[test]
    fn any_policy_is_looked_through(many in prop::collection::vec(statements(), 1..4), seed in any::<u64>()) {
        for kind in [PolicyKind::Key, PolicyKind::Identity, PolicyKind::ServiceControl, PolicyKind::VpcEndpoint] {
            let mut values: Vec<Value> = many.iter().map(|text| serde_json::from_str(text).unwrap()).collect();
            if !kind.has_principals() {
                for value in &mut values {
                    value.as_object_mut().unwrap().remove("Principal");
                }
            }
            let text = document(&values.iter().map(ToString::to_string).collect::<Vec<_>>().join(","));
            if Policy::parse(&text, kind).is_ok() {
                look_for_a_request(kind, &text, &mut Dice(seed));
            }
        }
    }
}

/// The largest policies, each of what costs most to look through: it ends, with the bounded number of warnings.
#[test]
fn largest_policies_are_looked_through() {
    let fill = |open: &str, item: &dyn Fn(usize) -> String, close: &str| {
        let mut text = open.to_owned();
        for i in 0.. {
            let next = item(i);
            if text.len() + next.len() + close.len() + 1 > limits::KEY_POLICY_MAX {
                break;
            }
            if i > 0 {
                text.push(',');
            }
            text.push_str(&next);
        }
        text.push_str(close);
        text
    };
    let condition = |operator: &str| {
        format!(
            r#"{{"Statement":{{"Effect":"Deny","Principal":"*","Action":"kms:*","Resource":"*","Condition":{{"{operator}":{{"#
        )
    };
    let values = format!(
        r#"{}"kms:EncryptionContext:aws:s3:arn":["#,
        condition("StringLike")
    );
    let ranges = format!(r#"{}"aws:EpochTime":["#, condition("NumericLessThan"));
    let texts = [
        fill(
            r#"{"Statement":["#,
            &|_| {
                r#"{"Effect":"Allow","Principal":{"Service":"s3.amazonaws.com"},"Action":"kms:*","Resource":"*"}"#.to_owned()
            },
            "]}",
        ),
        fill(
            r#"{"Statement":["#,
            &|i| {
                format!(
                    r#"{{"Effect":"Deny","Principal":"*","Action":"kms:*","Resource":"*","Condition":{{"StringNotLike":{{"aws:PrincipalTag/{i}":"*"}}}}}}"#
                )
            },
            "]}",
        ),
        fill(
            r#"{"Statement":{"Effect":"Allow","Principal":"*","Resource":"*","Action":["#,
            &|i| format!(r#""kms:Decrypt{i}""#),
            "]}}",
        ),
        fill(
            r#"{"Statement":{"Effect":"Allow","Principal":"*","Action":"kms:*","Resource":["#,
            &|i| format!(r#""arn:aws:kms:a:1:key/{i}""#),
            "]}}",
        ),
        fill(
            r#"{"Statement":{"Effect":"Allow","Action":"kms:*","Resource":"*","Principal":{"Service":["#,
            &|i| format!(r#""s{i}.amazonaws.com""#),
            "]}}}",
        ),
        fill(
            &condition("ForAnyValue:StringNotEquals"),
            &|i| format!(r#""aws:PrincipalTag/{i}":"x""#),
            "}}}}",
        ),
        fill(&values, &|i| format!(r#""*a*a*a*a{i}/*""#), "]}}}}"),
        fill(&ranges, &|i| format!(r#""{i}""#), "]}}}}"),
    ];
    for text in texts {
        assert!(text.len() > limits::KEY_POLICY_MAX - 200);
        let told = of(PolicyKind::Key, &text);
        assert!(told.len() <= limits::POLICY_WARNINGS_MAX, "{}", told.len());
    }
}
