//! Conditions that hold, or fail, when nobody expects it (C-5 to C-12, CK-40, CK-41, P-2).

use super::super::action::KmsAction;
use super::super::ast::{self, Item};
use super::super::condition::{Operator, Quantifier};
use super::super::context::ContextKey;
use super::super::keys::{KnownKey, Presence, Says};
use super::super::text::{Syntax, Template};
use super::super::validate::PolicyKind;
use super::{Found, Lint, Subject, contradiction, shown, values};

/// A condition with its operator and key read.
pub(super) struct Read<'a> {
    pub ast: &'a ast::Condition,
    pub operator: Operator,
    pub key: ContextKey,
}

impl Read<'_> {
    /// The key's name as it stands in the text.
    pub fn name(&self) -> impl std::fmt::Display {
        shown(&self.ast.key.text)
    }

    /// Whether it fails for every request without the key.
    pub fn wants_presence(&self) -> bool {
        if self.operator.is_null() {
            return self
                .ast
                .values
                .iter()
                .all(|value| value.text.eq_ignore_ascii_case("false"));
        }
        match self.operator.quantifier() {
            Some(Quantifier::All) => false,
            Some(Quantifier::Any) => !self.operator.is_if_exists(),
            None => !self.operator.is_negated() && !self.operator.is_if_exists(),
        }
    }

    /// Whether it holds for a request without the key (C-5 to C-8).
    pub fn holds_when_absent(&self) -> bool {
        if self.operator.is_null() {
            let says_true = |value: &Item| value.text.eq_ignore_ascii_case("true");
            return self.ast.values.iter().any(says_true);
        }
        match self.operator.quantifier() {
            Some(Quantifier::All) => true,
            Some(Quantifier::Any) => self.operator.is_if_exists(),
            None => self.operator.is_negated() || self.operator.is_if_exists(),
        }
    }

    /// What comes of a value that no request has.
    pub fn outcome_of_no_match(&self, subject: &Subject<'_>) -> &'static str {
        if self.operator.is_negated() && self.ast.values.len() > 1 {
            "no request is spared by it"
        } else if self.operator.is_negated() {
            "the condition holds whatever it is"
        } else if self.ast.values.len() > 1 {
            "it matches nothing"
        } else if self.wants_presence() {
            subject.never()
        } else {
            "the condition holds for requests without the key alone"
        }
    }

    /// Whether all its values say this, of a Boolean or of `Null`.
    pub fn says(&self, text: &str) -> bool {
        (self.operator.is_bool() || self.operator.is_null() || self.operator.is_string())
            && !self.ast.values.is_empty()
            && self
                .ast
                .values
                .iter()
                .all(|value| value.text.eq_ignore_ascii_case(text))
    }

    /// Whether it holds only for requests without the key.
    pub fn wants_absence(&self) -> bool {
        self.operator.is_null()
            && !self.ast.values.is_empty()
            && self
                .ast
                .values
                .iter()
                .all(|value| value.text.eq_ignore_ascii_case("true"))
    }
}

/// C-1: a list of no values.
fn no_values(subject: &Subject<'_>, condition: &Read<'_>, found: &mut Found) {
    if condition.ast.values.is_empty() {
        let outcome = match (
            condition.operator.is_negated(),
            condition.operator.quantifier(),
        ) {
            (true, _) => "the condition holds whatever the value is",
            (false, Some(Quantifier::All)) => "the condition holds only when the key is absent",
            (false, _) if condition.operator.is_if_exists() => {
                "the condition holds only when the key is absent"
            }
            (false, _) => subject.never(),
        };
        found.add(
            Lint::NoValues,
            &condition.ast.key,
            format!(
                "the condition on `{}` has no values: {outcome}",
                condition.name()
            ),
            "write at least one value; without the condition the statement would hold for every value",
        );
    }
}

/// The conditions of a statement, read.
pub(super) fn read<'a>(subject: &Subject<'a>) -> Vec<Read<'a>> {
    let read = |condition: &'a ast::Condition| {
        Some(Read {
            ast: condition,
            operator: Operator::parse(&condition.operator.text)?,
            key: ContextKey::parse(&condition.key.text),
        })
    };
    subject.ast.conditions.iter().filter_map(read).collect()
}

pub(super) fn check(subject: &Subject<'_>, read: &[Read<'_>], found: &mut Found) {
    let mut tells_if_exists = !is_perimeter(subject, read);
    for condition in read {
        let is_made_sure = read
            .iter()
            .any(|other| other.key == condition.key && other.wants_presence());
        if !presence(subject, condition, found) {
            absent(
                subject,
                condition,
                is_made_sure,
                &mut tells_if_exists,
                found,
            );
        }
        sets(subject, condition, is_made_sure, found);
        variables(subject, condition, read, found);
        no_values(subject, condition, found);
        identity_only(subject, condition, found);
        advice(subject, condition, found);
        values::check(subject, condition, found);
    }
    resource_variables(subject, read, found);
    contradiction::check(subject, read, found);
}

/// Whether a denial is written as AWS writes its data perimeters: it spares services, or compares organizations. There
/// `IfExists` says of each negated condition that the key may be absent, and is meant to change nothing.
fn is_perimeter(subject: &Subject<'_>, read: &[Read<'_>]) -> bool {
    const SIGNS: [KnownKey; 8] = [
        KnownKey::PrincipalIsAwsService,
        KnownKey::ViaAwsService,
        KnownKey::PrincipalOrgId,
        KnownKey::PrincipalOrgPaths,
        KnownKey::ResourceOrgId,
        KnownKey::ResourceOrgPaths,
        KnownKey::SourceOrgId,
        KnownKey::VpceOrgId,
    ];
    let is_sign = |key: &ContextKey| SIGNS.iter().any(|sign| *key == ContextKey::Known(*sign));
    !subject.is_allow() && read.iter().any(|condition| is_sign(&condition.key))
}

/// How often the requests of the statement's actions have a key: never, sometimes, always.
pub(super) fn presence_over(
    actions: impl Iterator<Item = KmsAction>,
    key: &ContextKey,
) -> Option<Presence> {
    let (mut least, mut most) = (None, None);
    for action in actions {
        let presence = key.presence(action);
        least = Some(least.map_or(presence, |least: Presence| least.min(presence)));
        most = Some(most.map_or(presence, |most: Presence| most.max(presence)));
    }
    match (least?, most?) {
        (Presence::Always, _) => Some(Presence::Always),
        (_, Presence::Never) => Some(Presence::Never),
        _ => Some(Presence::Sometimes),
    }
}

/// CK-40. True if there is nothing more to say of the key's absence.
fn presence(subject: &Subject<'_>, condition: &Read<'_>, found: &mut Found) -> bool {
    let key = &condition.ast.key;
    if let ContextKey::Other(name) = &condition.key
        && subject.reached().next().is_some()
    {
        let (lint, what, otherwise) = match name.as_str().split_once(':') {
            Some(("kms", _)) => (
                Lint::UnknownKey,
                "is no condition key of KMS: no request has it",
                "write a key that KMS has; without any condition in its place the statement would hold for more requests",
            ),
            Some(("aws", _)) => (
                Lint::UnknownKey,
                "is no global condition key of AWS: no request has it unless a front states it by this name",
                "write a key that AWS has, unless your front states this one; without any condition in its place the statement would hold for more requests",
            ),
            Some(_) | None => (
                Lint::ForeignKey,
                "is no key that requests of KMS have: they lack it unless a front states it by this name",
                "write a condition on a key that requests of KMS have, unless your front states this one",
            ),
        };
        let near = (lint == Lint::UnknownKey)
            .then(|| found.nearest(&key.text, KnownKey::ALL.iter().map(|known| known.name())))
            .flatten();
        found.add(
            lint,
            key,
            format!(
                "`{}` {what}, and then {}",
                condition.name(),
                outcome_of_absence(subject, condition)
            ),
            near.map_or_else(
                || otherwise.to_string(),
                |near| format!("did you mean `{near}`?"),
            ),
        );
        return true;
    }
    // Of other services' actions nothing is known here.
    if presence_over(subject.reached(), &condition.key) == Some(Presence::Never) {
        found.add(
            Lint::NeverPresent,
            key,
            format!(
                "no request of these actions has the key `{}`: {}",
                condition.name(),
                outcome_of_absence(subject, condition)
            ),
            elsewhere(&condition.key, "write a condition on a key that they have, or put this one into a statement about the actions that have it"),
        );
        return true;
    }
    if !condition.wants_presence() {
        return false;
    }
    let never: Vec<&Item> = subject
        .action_items()
        .iter()
        .filter(|item| {
            let named = item
                .text
                .split_once(':')
                .filter(|(service, _)| service.eq_ignore_ascii_case("kms"));
            let action = named.and_then(|(_, name)| KmsAction::by_name(name));
            action.is_some_and(|action| condition.key.presence(action) == Presence::Never)
        })
        .collect();
    for item in never {
        let effect = if subject.is_allow() {
            "allowed"
        } else {
            "denied"
        };
        found.add(
            Lint::NeverPresent,
            item,
            format!("no request of `{}` has the key `{}` that the statement asks for: it is never {effect} by it", shown(&item.text), condition.name()),
            elsewhere(
                &condition.key,
                "put the action into a statement of its own, under conditions on what its requests have",
            ),
        );
    }
    false
}

/// Where to look instead for a key that an action's requests do not have.
fn elsewhere(key: &ContextKey, otherwise: &'static str) -> &'static str {
    if matches!(key, ContextKey::RequestTag(_)) {
        // CK-37: a request to remove tags names their keys alone.
        "for kms:UntagResource choose the tags by their keys, with ForAllValues:StringEquals on aws:TagKeys: it sends no values; put other actions into a statement of their own"
    } else if *key == ContextKey::Known(KnownKey::RequestAlias) {
        "name the keys in `Resource`, or in an identity policy choose them by the aliases that they have, with ForAnyValue:StringLike on kms:ResourceAliases"
    } else {
        otherwise
    }
}

/// What a condition on a key that is never there comes to.
fn outcome_of_absence(subject: &Subject<'_>, condition: &Read<'_>) -> &'static str {
    if condition.wants_presence() {
        subject.never()
    } else {
        "the condition always holds"
    }
}

/// C-5, C-6: what holds when the key is absent.
fn absent(
    subject: &Subject<'_>,
    condition: &Read<'_>,
    is_made_sure: bool,
    tells_if_exists: &mut bool,
    found: &mut Found,
) {
    let operator = &condition.operator;
    if !operator.is_negated() || operator.quantifier().is_some() {
        return;
    }
    let text = &condition.ast.operator;
    if operator.is_if_exists() {
        // Once for a statement: who writes it writes it on every key.
        if std::mem::take(tells_if_exists) {
            found.at(
                Lint::NegatedIfExists,
                text.place,
                &text.text,
                format!("`IfExists` changes nothing for a negated operator: without `{}` the condition holds with and without it", condition.name()),
                format!("leave `IfExists` out, which changes nothing either; {}", without_key(subject, condition)),
            );
        }
        return;
    }
    // `network-deny` and `service-denied` tell of it.
    if super::denials::is_by_network(subject, condition) {
        return;
    }
    if is_made_sure || presence_over(subject.reached(), &condition.key) == Some(Presence::Always) {
        return;
    }
    let outcome = if subject.is_allow() {
        "and the statement allows"
    } else {
        "and the statement denies"
    };
    found.add(
        Lint::NegatedAbsentKey,
        &condition.ast.key,
        format!(
            "`{}` holds too when a request has no `{}`, {outcome}",
            shown(&text.text),
            condition.name()
        ),
        without_key(subject, condition),
    );
}

/// What to do about requests without the key. To spare them is to weaken a Deny, and that has to be said.
fn without_key(subject: &Subject<'_>, condition: &Read<'_>) -> String {
    let name = condition.name();
    if subject.is_allow() {
        return format!(
            "if requests without the key are not meant, add {{\"Null\": {{\"{name}\": \"false\"}}}}"
        );
    }
    if condition.key.says() == Says::Organization {
        return "it is right so for callers of no organization; to spare AWS services alone, add {\"Bool\": {\"aws:PrincipalIsAWSService\": \"false\"}}".to_string();
    }
    format!(
        "if they shall be denied too, it is right so; {{\"Null\": {{\"{name}\": \"false\"}}}} would spare them all"
    )
}

/// C-8, C-10.
fn sets(subject: &Subject<'_>, condition: &Read<'_>, is_made_sure: bool, found: &mut Found) {
    let item = &condition.ast.operator;
    let is_many = condition.key.is_multivalued();
    match condition.operator.quantifier() {
        None => {
            if is_many && !condition.operator.is_null() {
                found.add(
                    Lint::MultivaluedWithoutSet,
                    &condition.ast.key,
                    format!(
                        "`{}` has several values, and `{}` is not defined for them",
                        condition.name(),
                        shown(&item.text)
                    ),
                    format!(
                        "write `ForAnyValue:{0}` (some value) or `ForAllValues:{0}` (every value)",
                        shown(&item.text)
                    ),
                );
            }
        }
        Some(quantifier) => {
            if !is_many && condition.key.is_known() {
                found.at(
                    Lint::SetOnSingle,
                    item.place,
                    &item.text,
                    format!(
                        "`{}` has one value{}",
                        condition.name(),
                        match (quantifier, condition.operator.is_negated()) {
                            (Quantifier::All, _) => ", and `ForAllValues` holds when it is absent",
                            (Quantifier::Any, false) => ": `ForAnyValue` says nothing",
                            (Quantifier::Any, true) =>
                                ", and `ForAnyValue` fails when it is absent",
                        }
                    ),
                    single(subject, condition, quantifier),
                );
            } else if quantifier == Quantifier::All
                && !is_made_sure
                && presence_over(subject.reached(), &condition.key) != Some(Presence::Always)
            {
                let outcome = if subject.is_allow() {
                    "allows"
                } else {
                    "denies"
                };
                found.at(
                    Lint::ForAllValuesAbsent,
                    item.place,
                    &item.text,
                    format!("`ForAllValues` holds too when a request has no `{}` at all, and the statement {outcome}", condition.name()),
                    without_key(subject, condition),
                );
            }
        }
    }
}

/// How to write a set operator on a key with one value: as what it means, or as what it is taken for, where that is
/// stricter.
fn single(subject: &Subject<'_>, condition: &Read<'_>, quantifier: Quantifier) -> String {
    let name = condition.name();
    let operator = &condition.ast.operator.text;
    let plain = shown(operator.split_once(':').map_or("", |(_, plain)| plain));
    let is_negated = condition.operator.is_negated();
    let is_if_exists = condition.operator.is_if_exists();
    match (quantifier, is_negated || is_if_exists, subject.is_allow()) {
        (Quantifier::All, false, false) => {
            format!("write `{plain}IfExists`, which denies requests without the key as this does")
        }
        (Quantifier::All, false, true) => {
            format!("leave the set operator out: `{plain}` does not allow requests without the key")
        }
        (Quantifier::Any, true, true) if is_negated && !is_if_exists => format!(
            "write `{plain}` with {{\"Null\": {{\"{name}\": \"false\"}}}}, which means the same"
        ),
        (Quantifier::Any, true, false) if is_negated && !is_if_exists => {
            format!("leave the set operator out: `{plain}` denies requests without the key as well")
        }
        _ => "leave the set operator out, which changes nothing".to_string(),
    }
}

/// The variables of a text: the key, and whether it has a default.
fn variables_of(text: &str) -> Vec<(ContextKey, bool)> {
    let syntax = Syntax {
        wildcards: true,
        variables: true,
    };
    match Template::parse(text, syntax) {
        Ok(template) => template
            .variables()
            .map(|(key, has_default)| (key.clone(), has_default))
            .collect(),
        Err(_) => Vec::new(),
    }
}

/// P-2, C-11, C-12.
fn variables(subject: &Subject<'_>, condition: &Read<'_>, all: &[Read<'_>], found: &mut Found) {
    if !condition.operator.takes_variables() {
        return;
    }
    for value in &condition.ast.values {
        let is_negated = condition.operator.is_negated();
        let outcome = if is_negated {
            "is not equal to anything, so the condition holds"
        } else {
            "matches nothing, so the condition fails"
        };
        let denies = is_negated && !subject.is_allow();
        variables_in(subject, value, all, (outcome, denies), found);
    }
}

fn resource_variables(subject: &Subject<'_>, all: &[Read<'_>], found: &mut Found) {
    let Some(resource) = &subject.ast.resource else {
        return;
    };
    let outcome = if resource.negated {
        "matches nothing, so `NotResource` covers everything"
    } else {
        "matches nothing"
    };
    let denies = resource.negated && !subject.is_allow();
    for item in &resource.items {
        variables_in(subject, item, all, (outcome, denies), found);
    }
}

fn variables_in(
    subject: &Subject<'_>,
    item: &Item,
    all: &[Read<'_>],
    // What comes of a variable without a value, and whether that denies.
    (outcome, denies): (&str, bool),
    found: &mut Found,
) {
    if !item.text.contains("${") {
        return;
    }
    if !subject.variables {
        found.add(
            Lint::LiteralVariable,
            item,
            "in a policy without \"Version\": \"2012-10-17\" a variable stands for its own text",
            "write \"Version\": \"2012-10-17\" at the top of the policy",
        );
        return;
    }
    for (key, has_default) in variables_of(&item.text) {
        if key.is_multivalued() {
            found.add(
                Lint::MultivaluedVariable,
                item,
                format!(
                    "`{key}` has several values, and a variable of it has none: the text {outcome}"
                ),
                "use a key with one value",
            );
        } else if !has_default
            && presence_over(subject.reached(), &key) != Some(Presence::Always)
            && !all
                .iter()
                .any(|other| other.key == key && other.wants_presence())
        {
            found.add(
                Lint::AbsentVariable,
                item,
                format!("for a request without `{key}` the text {outcome}"),
                if denies {
                    format!("give it a default, as in `${{{key}, 'none'}}`; {{\"Null\": {{\"{key}\": \"false\"}}}} would spare such requests")
                } else {
                    format!("give it a default, as in `${{{key}, 'none'}}`, or add {{\"Null\": {{\"{key}\": \"false\"}}}}")
                },
            );
        }
    }
}

/// CK-41: as a condition key AWS refuses it in a key policy; of a variable its text says nothing.
fn identity_only(subject: &Subject<'_>, condition: &Read<'_>, found: &mut Found) {
    if subject.kind != PolicyKind::Key || !condition.operator.takes_variables() {
        return;
    }
    for value in &condition.ast.values {
        for (key, _) in variables_of(&value.text) {
            if matches!(key, ContextKey::ResourceTag(_)) {
                found.add(
                    Lint::IdentityOnlyKey,
                    value,
                    format!("AWS documents `{key}` for identity policies alone; in a key policy it says what the key's owner knows anyway"),
                    "write the tag's value itself, or put the condition into the identity policies that this statement enables",
                );
            }
        }
    }
}

///
fn advice(subject: &Subject<'_>, condition: &Read<'_>, found: &mut Found) {
    if condition.key != ContextKey::Known(KnownKey::GrantConstraintType)
        || !subject.is_allow()
        || condition.operator.is_negated()
        || condition.operator.is_null()
    {
        return;
    }
    for value in &condition.ast.values {
        if &*value.text == "EncryptionContextSubset" {
            found.add(
                Lint::SubsetConstraint,
                value,
                "a Subset constraint lets the grantee use any encryption context that contains its pairs",
                "ask for EncryptionContextEquals, unless the context has parts that nobody knows beforehand",
            );
        }
    }
}
