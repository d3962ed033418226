//! Services: as principals, by the names that requests carry, and by what they send (P-23, ID-20, CK-34, X-66, X-70).

use super::super::Reading;
use super::super::action::{ActionTarget, KmsAction};
use super::super::ast::Item;
use super::super::condition::Condition;
use super::super::context::{ContextKey, ContextSource, ContextValue};
use super::super::keys::{KnownKey, Says};
use super::super::principal::PolicyPrincipal;
use super::super::validate::PolicyKind;
use super::conditions::Read;
use super::whole::{Mask, Whole};
use super::{Found, Lint, Subject, denials, principals, shown};
use crate::domain::ids::region_names;

/// Services that AWS's own pages and policies show in `aws:CalledVia` (CK-92).
const CALLED_VIA: &[&str] = &[
    "athena",
    "bedrock",
    "bedrock-mantle",
    "cloudformation",
    "dataexchange",
    "dynamodb",
    "imagebuilder",
    "kms",
    "servicecatalog",
];

/// Services whose calls carry no source, so that a condition on it would shut them out: what EventBridge delivers to
/// encrypted topics and queues.
const WITHOUT_SOURCE: &[&str] = &["events.amazonaws.com"];

pub(super) fn check(
    subject: &Subject<'_>,
    conditions: &[Read<'_>],
    whole: &Whole<'_>,
    found: &mut Found,
) {
    network_allow(subject, conditions, whole, found);
    if !without_key(subject, conditions, found) {
        confused_deputy(subject, conditions, found);
    }
    service_principals(subject, found);
    linked_grantee(subject, conditions, found);
    for condition in conditions {
        via_service(subject, condition, found);
        called_via(subject, condition, found);
        bucket_key(subject, condition, found);
    }
}

/// what a service does on somebody's behalf does not come through that person's endpoint.
fn network_allow(
    subject: &Subject<'_>,
    conditions: &[Read<'_>],
    whole: &Whole<'_>,
    found: &mut Found,
) {
    let is_asked = subject.is_allow()
        && subject.kind != PolicyKind::VpcEndpoint
        && subject.reached().any(denials::is_asked_by_services)
        && !conditions.iter().any(denials::tells_services)
        && !whole.allows_by_any_network(Mask::of(subject));
    let by_endpoint = |condition: &&Read<'_>| {
        condition.wants_presence()
            && !condition.operator.is_null()
            && denials::is_endpoint(&condition.key)
            && !conditions
                .iter()
                .any(|other| other.key == condition.key && other.wants_absence())
    };
    let Some(condition) = conditions.iter().find(by_endpoint).filter(|_| is_asked) else {
        return;
    };
    found.add(
        Lint::NetworkAllow,
        &condition.ast.key,
        format!("a service that calls KMS on somebody's behalf does not come through the caller's endpoint: `{}` allows direct calls alone, and S3, EBS and others cannot use the key for whoever is allowed by this", condition.name()),
        "if services shall use the key for them, add a statement that has {\"StringEquals\": {\"kms:ViaService\": \"s3.eu-west-1.amazonaws.com\"}} in place of this condition",
    );
}

/// The services that a statement names as principals, each with its place in the text.
fn services<'a>(subject: &Subject<'a>) -> Vec<(&'a str, &'a Item)> {
    let (Some(read), Some(written)) = (subject.principals, &subject.ast.principal) else {
        return Vec::new();
    };
    read.entries
        .iter()
        .zip(&written.entries)
        .filter_map(|((entry, _), (_, item))| match entry {
            PolicyPrincipal::Service(name) => Some((name.as_str(), item)),
            PolicyPrincipal::Everyone
            | PolicyPrincipal::Account(_)
            | PolicyPrincipal::Arn(_)
            | PolicyPrincipal::Federated(_) => None,
        })
        .collect()
}

/// Whether a key says something of a caller that an AWS service is not: it has no account, no ARN, no organization, no
/// tags, no session (ID-20).
pub(super) fn is_of_people(key: &ContextKey) -> bool {
    match key.says() {
        Says::Person | Says::CallerAccount | Says::Organization => true,
        Says::CalledVia
        | Says::ByService
        | Says::ViaService
        | Says::Address
        | Says::PrivateAddress
        | Says::Endpoint
        | Says::Source
        | Says::Key
        | Says::Pair
        | Says::Tag
        | Says::Other => false,
    }
}

/// ID-20. True if it is told.
fn without_key(subject: &Subject<'_>, conditions: &[Read<'_>], found: &mut Found) -> bool {
    let is_for_services = subject.principals.is_some_and(|read| {
        let is_service =
            |(entry, _): &(PolicyPrincipal, _)| matches!(entry, PolicyPrincipal::Service(_));
        !read.negated && !read.entries.is_empty() && read.entries.iter().all(is_service)
    });
    if !is_for_services {
        return false;
    }
    let mut is_told = false;
    for condition in conditions {
        if !condition.wants_presence() || !is_of_people(&condition.key) {
            continue;
        }
        is_told = true;
        let instead = [
            (KnownKey::PrincipalOrgId, "aws:SourceOrgID"),
            (KnownKey::PrincipalOrgPaths, "aws:SourceOrgPaths"),
            (KnownKey::CallerAccount, "aws:SourceAccount"),
            (KnownKey::PrincipalAccount, "aws:SourceAccount"),
        ]
        .into_iter()
        .find(|(known, _)| condition.key == ContextKey::Known(*known));
        let help = match instead {
            Some((_, name)) => format!(
                "choose by the resource for which the service acts: write `{name}` in its place"
            ),
            None => "choose by the resource for which the service acts, with a condition on aws:SourceArn or aws:SourceAccount; name people in a statement of their own".to_string(),
        };
        found.add(
            Lint::ServiceWithoutKey,
            &condition.ast.key,
            format!(
                "an AWS service that calls for itself has no `{}`, and the statement names services alone: {}",
                condition.name(),
                subject.never()
            ),
            help,
        );
    }
    is_told
}

///
fn confused_deputy(subject: &Subject<'_>, conditions: &[Read<'_>], found: &mut Found) {
    let uses = |action: KmsAction| {
        action.is_cryptographic() && matches!(action.target(), ActionTarget::Key)
            || action == KmsAction::CreateGrant
                && !principals::wants_aws_resource(subject, conditions)
    };
    let is_open = subject.kind == PolicyKind::Key
        && subject.is_allow()
        && subject.principals.is_some_and(|read| !read.negated)
        && !conditions.iter().any(names_source)
        && subject.reached().any(uses);
    if !is_open {
        return;
    }
    for (service, item) in services(subject) {
        if WITHOUT_SOURCE.contains(&service) {
            continue;
        }
        let account = subject
            .owner
            .map_or_else(|| "111122223333".to_string(), |owner| owner.to_string());
        let help = match service
            .strip_prefix("logs.")
            .and_then(|rest| rest.split_once('.'))
        {
            Some((region, _)) if region.contains('-') => format!(
                "add {{\"ArnLike\": {{\"kms:EncryptionContext:aws:logs:arn\": \"arn:aws:logs:{region}:{account}:log-group:*\"}}}}"
            ),
            _ => format!(
                "add the condition that the service's guide names, such as {{\"StringEquals\": {{\"aws:SourceAccount\": \"{account}\"}}}}, or one on aws:SourceArn, aws:SourceOrgID or kms:EncryptionContext:<key>"
            ),
        };
        found.add(
            Lint::ConfusedDeputy,
            item,
            format!("`{}` may use the key for resources of whatever account: no condition says for whose (the confused deputy)", shown(service)),
            help,
        );
    }
}

/// Whether a condition says for which resources a service acts.
fn names_source(condition: &Read<'_>) -> bool {
    let is_source = match condition.key.says() {
        Says::Source | Says::Pair | Says::ViaService => true,
        Says::Person
        | Says::CallerAccount
        | Says::Organization
        | Says::CalledVia
        | Says::ByService
        | Says::Address
        | Says::PrivateAddress
        | Says::Endpoint
        | Says::Key
        | Says::Tag
        | Says::Other => false,
    };
    is_source
        && !condition.operator.is_negated()
        && !condition.operator.is_null()
        && condition
            .ast
            .values
            .iter()
            .all(|value| !value.text.chars().all(|c| c == '*'))
}

/// both conditions together are met by no call that anybody means.
fn linked_grantee(subject: &Subject<'_>, conditions: &[Read<'_>], found: &mut Found) {
    if !principals::wants_aws_resource(subject, conditions) {
        return;
    }
    let is_linked = |value: &&Item| value.text.contains(":role/aws-service-role/");
    for condition in conditions {
        let names_roles = condition.key == ContextKey::Known(KnownKey::GranteePrincipal)
            && condition.wants_presence()
            && condition.ast.values.iter().filter(is_linked).count() == condition.ast.values.len();
        let Some(value) = condition.ast.values.first().filter(|_| names_roles) else {
            continue;
        };
        found.add(
            Lint::GrantForAwsResource,
            value,
            "a grant for a service-linked role is made by a person, and such a call is not kms:GrantIsForAWSResource: the statement asks for both",
            "make two statements of it: one under kms:GrantIsForAWSResource for what services do on somebody's behalf, one under kms:GranteePrincipal and kms:GrantOperations for the grant to the role",
        );
    }
}

/// What is wrong with a text where a Region belongs, and what to write.
fn region_fault(text: &str, found: &mut Found) -> Option<(String, String)> {
    if text.contains(['*', '?', '$']) || region_names().any(|name| name == text) {
        return None;
    }
    let said = shown(text);
    if text.len() == 12 && text.bytes().all(|b| b.is_ascii_digit()) {
        return Some((
            format!("`{said}` is an account, not a Region"),
            "write the Region in its place, as in `s3.eu-west-1.amazonaws.com`".to_string(),
        ));
    }
    if let Some(near) = found.nearest(text, region_names()) {
        return Some((
            format!("`{said}` is no known Region"),
            format!("did you mean `{near}`?"),
        ));
    }
    let mut parts = text.split('-');
    let is_shaped = parts.clone().count() >= 3
        && parts
            .next_back()
            .is_some_and(|number| !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit()))
        && text
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    (!is_shaped).then(|| {
        (
            format!("`{said}` is no Region"),
            "write a Region, as in `s3.eu-west-1.amazonaws.com`".to_string(),
        )
    })
}

/// The service and the Region of `s3.eu-west-1.amazonaws.com`.
fn service_and_region(text: &str) -> Option<(&str, &str)> {
    text.strip_suffix(".amazonaws.com")
        .or_else(|| text.strip_suffix(".amazonaws.com.cn"))?
        .rsplit_once('.')
}

/// CK-34: the Region in the name of a service.
fn via_service(subject: &Subject<'_>, condition: &Read<'_>, found: &mut Found) {
    if condition.key != ContextKey::Known(KnownKey::ViaService) || !condition.operator.is_string() {
        return;
    }
    for value in &condition.ast.values {
        let region = service_and_region(&value.text).map(|(_, region)| region);
        let Some((reason, help)) = region.and_then(|region| region_fault(region, found)) else {
            continue;
        };
        let outcome = condition.outcome_of_no_match(subject);
        found.add(
            Lint::ValueNeverMatches,
            value,
            format!(
                "`{}` never has the value `{}`: {reason}; {outcome}",
                condition.name(),
                shown(&value.text)
            ),
            help,
        );
    }
}

/// P-23: the same in the name of a principal.
fn service_principals(subject: &Subject<'_>, found: &mut Found) {
    for (service, item) in services(subject) {
        let region = service_and_region(service).map(|(_, region)| region);
        // Some names have parts that are no Region: `edgelambda.lambda.amazonaws.com` is none of those.
        let region = region.filter(|region| region.bytes().all(|b| b.is_ascii_digit()));
        if let Some((reason, help)) = region.and_then(|region| region_fault(region, found)) {
            found.add(
                Lint::ValueNeverMatches,
                item,
                format!("no service has the name `{}`: {reason}", shown(service)),
                help,
            );
        }
    }
}

/// CK-92.
fn called_via(subject: &Subject<'_>, condition: &Read<'_>, found: &mut Found) {
    if condition.key.says() != Says::CalledVia || !condition.operator.is_string() {
        return;
    }
    for value in &condition.ast.values {
        let text = &*value.text;
        let name = text
            .strip_suffix(".amazonaws.com")
            .or_else(|| text.strip_suffix(".amazonaws.com.cn"));
        let Some(name) = name.filter(|name| !name.contains(['*', '?', '$'])) else {
            continue;
        };
        if CALLED_VIA.contains(&name) {
            continue;
        }
        let (service, region) = name.split_once('.').unwrap_or((name, ""));
        let (message, help) = if CALLED_VIA.contains(&service) && !region.is_empty() {
            (
                format!(
                    "`{}` names services without a Region: it never has `{}`",
                    condition.name(),
                    shown(text)
                ),
                format!("write {service}.amazonaws.com"),
            )
        } else {
            let outcome = condition.outcome_of_no_match(subject);
            (
                format!(
                    "AWS lists Athena, CloudFormation, DynamoDB and KMS as services that stand in `{}`, and `{}` does not: {outcome}",
                    condition.name(),
                    shown(text)
                ),
                {
                    let (operator, is_via) = if condition.operator.is_negated() {
                        ("StringNotEquals", "false")
                    } else {
                        ("StringEquals", "true")
                    };
                    format!(
                        "for one service write kms:ViaService, as in {{\"{operator}\": {{\"kms:ViaService\": \"{}.eu-west-1.amazonaws.com\"}}}}; for any, {{\"Bool\": {{\"aws:ViaAWSService\": \"{is_via}\"}}}}",
                        shown(service)
                    )
                },
            )
        };
        found.add(Lint::CalledVia, value, message, help);
    }
}

/// with an S3 Bucket Key the encryption context has the bucket's ARN, in which there is no slash.
fn bucket_key(subject: &Subject<'_>, condition: &Read<'_>, found: &mut Found) {
    let ContextKey::EncryptionContext(name) = &condition.key else {
        return;
    };
    let compares = condition.operator.is_string() || condition.operator.is_arn();
    if name.as_str() != "aws:s3:arn" || !compares {
        return;
    }
    let (objects, buckets): (Vec<&Item>, Vec<&Item>) = condition
        .ast
        .values
        .iter()
        .partition(|value| bucket_of(&value.text).is_some());
    let texts = buckets.iter().map(|value| &*value.text);
    // The values for buckets alone, to see which buckets they cover.
    let covers = Condition::compile(
        condition.operator,
        condition.key.clone(),
        texts,
        subject.variables,
        Reading::Lenient,
    );
    for value in objects {
        let Some(bucket) = bucket_of(&value.text) else {
            continue;
        };
        let is_covered = covers.as_ref().is_ok_and(|covers| {
            !buckets.is_empty()
                && covers.holds(&Pair(&condition.key, bucket), false)
                    != condition.operator.is_negated()
        });
        if is_covered {
            continue;
        }
        let outcome = match (subject.is_allow(), condition.operator.is_negated()) {
            (true, false) => "are not allowed by this",
            (true, true) => "are allowed for these objects too",
            (false, false) => "are not denied by this",
            (false, true) => "are denied for these objects too",
        };
        found.add(
            Lint::BucketKey,
            value,
            format!("the pattern covers objects alone, and with an S3 Bucket Key the context is the ARN of the bucket: such requests {outcome}"),
            format!("if the bucket uses a Bucket Key, list \"{}\" beside it", shown(bucket)),
        );
    }
}

/// The bucket of a pattern that objects alone match.
fn bucket_of(text: &str) -> Option<&str> {
    let (bucket, _) = text.split_once('/')?;
    (!bucket.contains("${")).then_some(bucket)
}

/// A request with one key.
struct Pair<'a>(&'a ContextKey, &'a str);

impl ContextSource for Pair<'_> {
    fn get<'a>(&'a self, key: &'a ContextKey) -> Option<ContextValue<'a>> {
        (key == self.0).then_some(ContextValue::text(self.1))
    }
}
