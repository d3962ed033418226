//! Denials that do not meet what they are meant for, or meet what they are not (C-5, C-8, X-67, X-68, X-69).

use super::super::action::{ActionTarget, KmsAction};
use super::super::condition::Quantifier;
use super::super::context::ContextKey;
use super::super::keys::{KnownKey, Presence, Says};
use super::super::principal::PolicyPrincipal;
use super::super::validate::PolicyKind;
use super::conditions::{Read, presence_over};
use super::services::is_of_people;
use super::whole::{Mask, Whole};
use super::{Found, Lint, Subject};

pub(super) fn check(
    subject: &Subject<'_>,
    conditions: &[Read<'_>],
    whole: &Whole<'_>,
    found: &mut Found,
) {
    if subject.is_allow() {
        return;
    }
    for condition in conditions {
        disarmed(subject, condition, conditions, whole, found);
    }
    network(subject, conditions, found);
    services(subject, conditions, whole, found);
}

/// Whether a key tells by which endpoint a request came.
pub(super) fn is_endpoint(key: &ContextKey) -> bool {
    key.says() == Says::Endpoint
}

/// Whether a key tells by which network a request came.
pub(super) fn is_network(key: &ContextKey) -> bool {
    match key.says() {
        Says::Address | Says::PrivateAddress | Says::Endpoint => true,
        Says::Person
        | Says::CallerAccount
        | Says::Organization
        | Says::CalledVia
        | Says::ByService
        | Says::ViaService
        | Says::Source
        | Says::Key
        | Says::Pair
        | Says::Tag
        | Says::Other => false,
    }
}

/// Whether a condition denies what does not come by some network.
pub(super) fn is_by_network(subject: &Subject<'_>, condition: &Read<'_>) -> bool {
    !subject.is_allow()
        && condition.operator.is_negated()
        && condition.operator.quantifier() != Some(Quantifier::Any)
        && is_network(&condition.key)
}

/// Whether services call an action on somebody's behalf.
pub(super) fn is_asked_by_services(action: KmsAction) -> bool {
    action == KmsAction::CreateGrant
        || action.is_cryptographic() && matches!(action.target(), ActionTarget::Key)
}

/// Whether a condition tells the calls of services from direct ones.
pub(super) fn tells_services(condition: &Read<'_>) -> bool {
    match condition.key.says() {
        Says::CalledVia | Says::ByService | Says::ViaService => true,
        Says::Person
        | Says::CallerAccount
        | Says::Organization
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

/// what a service does on somebody's behalf comes by the service's network.
fn network(subject: &Subject<'_>, conditions: &[Read<'_>], found: &mut Found) {
    if subject.kind == PolicyKind::VpcEndpoint
        || conditions.iter().any(tells_services)
        || !subject.reached().any(is_asked_by_services)
    {
        return;
    }
    let denying = conditions.iter().find(|condition| {
        let is_made_sure = |other: &Read<'_>| other.key == condition.key && other.wants_presence();
        is_by_network(subject, condition) && !conditions.iter().any(is_made_sure)
    });
    let Some(condition) = denying else { return };
    let also = if subject.kind.has_principals() {
        ", \"aws:PrincipalIsAWSService\": \"false\""
    } else {
        ""
    };
    found.add(
        Lint::NetworkDeny,
        &condition.ast.key,
        format!("a service that calls KMS on somebody's behalf does not come by the caller's network, nor through the caller's endpoint: `{}` denies what S3, EBS and others do for those whom it lets through", condition.name()),
        format!("add {{\"Bool\": {{\"aws:ViaAWSService\": \"false\"{also}}}}}, which leaves direct calls denied; to let single services through, {{\"StringNotEquals\": {{\"kms:ViaService\": \"s3.eu-west-1.amazonaws.com\"}}}}"),
    );
}

/// a denial for everyone that a service meets by having nothing of a person.
fn services(subject: &Subject<'_>, conditions: &[Read<'_>], whole: &Whole<'_>, found: &mut Found) {
    let is_for_everyone = subject.principals.is_some_and(|read| {
        let is_everyone =
            |(entry, _): &(PolicyPrincipal, _)| matches!(entry, PolicyPrincipal::Everyone);
        !read.negated && read.entries.iter().any(is_everyone)
    });
    if subject.kind != PolicyKind::Key || !is_for_everyone {
        return;
    }
    let is_met = |condition: &Read<'_>| {
        let is_direct = condition.key == ContextKey::Known(KnownKey::ViaAwsService)
            && condition.operator.is_bool()
            && condition.says("false");
        is_direct
            || condition.holds_when_absent()
                && (is_of_people(&condition.key) || is_network(&condition.key))
    };
    let Some(service) = whole.service_with(Mask::of(subject)) else {
        return;
    };
    let named = conditions
        .iter()
        .find(|condition| condition.key != ContextKey::Known(KnownKey::ViaAwsService));
    if let Some(condition) = named.filter(|_| conditions.iter().all(is_met)) {
        found.add(
            Lint::ServiceDenied,
            &condition.ast.key,
            format!("another statement allows `{service}`, and this one denies it: a service that calls for itself has no `{}`, and the condition holds without it", condition.name()),
            "add {\"Bool\": {\"aws:PrincipalIsAWSService\": \"false\"}}, which leaves people denied",
        );
    }
}

/// a condition by which a denial spares who has no such key, where that is who should be denied.
fn disarmed(
    subject: &Subject<'_>,
    condition: &Read<'_>,
    all: &[Read<'_>],
    whole: &Whole<'_>,
    found: &mut Found,
) {
    let Some((who, help)) = escape(condition) else {
        return;
    };
    let says_so = |other: &Read<'_>| {
        other.key == condition.key && other.operator.is_null() && other.wants_presence()
    };
    if condition.holds_when_absent()
        || presence_over(subject.reached(), &condition.key) != Some(Presence::Sometimes)
        || all.iter().any(says_so)
        || whole.denies_without(&condition.key, Mask::of(subject))
    {
        return;
    }
    found.add(
        Lint::DisarmedDeny,
        &condition.ast.key,
        format!(
            "this deny spares every request without `{}`: {who}",
            condition.name()
        ),
        help,
    );
}

/// Who escapes a denial by not having the key, and how to deny them too.
fn escape(condition: &Read<'_>) -> Option<(&'static str, String)> {
    let name = condition.name();
    let operator = &condition.ast.operator.text;
    let is = |known: KnownKey| condition.key == ContextKey::Known(known);
    if condition.operator.quantifier() == Some(Quantifier::Any) && condition.operator.is_negated() {
        let plain = super::shown(operator.split_once(':').map_or("", |(_, plain)| plain));
        // Whoever names no tag and grants no operation names none that is not listed.
        return if is(KnownKey::TagKeys) || is(KnownKey::GrantOperations) {
            None
        } else if is(KnownKey::CalledVia) {
            Some((
                "those are the direct calls, and all of them",
                format!(
                    "to deny them, write `ForAllValues:{plain}`; if the calls of services alone shall be spared, write {{\"Bool\": {{\"aws:ViaAWSService\": \"false\"}}}} in its place"
                ),
            ))
        } else if condition.key.is_multivalued() {
            Some((
                "`ForAnyValue` finds no value there",
                format!("to deny them too, write `ForAllValues:{plain}`"),
            ))
        } else {
            Some((
                "`ForAnyValue` finds no value there",
                format!("to deny them too, write `{plain}`"),
            ))
        };
    }
    let if_exists = || {
        format!(
            "to deny them too, write `{}IfExists`",
            super::shown(operator)
        )
    };
    if is(KnownKey::MultiFactorAuthPresent)
        && condition.operator.is_bool()
        && condition.says("false")
    {
        return Some((
            "those signed with long-term access keys have none",
            if_exists(),
        ));
    }
    if is(KnownKey::MultiFactorAuthAge) && is_lower_bound(condition) {
        return Some(("those made without a second factor have none", if_exists()));
    }
    if is(KnownKey::ValidTo) && is_lower_bound(condition) {
        return Some(("those are for key material that never expires", if_exists()));
    }
    (is(KnownKey::RequestAlias) && condition.wants_presence() && !condition.operator.is_null()).then(|| (
        "whoever names the key by its id or ARN escapes it",
        format!("deny it on the key itself: by its ARN in `Resource`, or in an identity policy with {{\"ForAnyValue:{}\": {{\"kms:ResourceAliases\": …}}}} in place of `{name}`", super::shown(operator)),
    ))
}

/// Whether it holds for what is greater than its values.
fn is_lower_bound(condition: &Read<'_>) -> bool {
    let text = &condition.ast.operator.text;
    let plain = text.rsplit(':').next().unwrap_or_default();
    ["NumericGreaterThan", "DateGreaterThan"]
        .iter()
        .any(|name| {
            plain
                .get(..name.len())
                .is_some_and(|start| start.eq_ignore_ascii_case(name))
        })
}
