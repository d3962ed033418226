//! Values that a key never has, and wildcards that are none (C-3, CK table, ID-21).

use super::super::action::KmsAction;
use super::super::ast::{Item, nearest};
use super::super::keys::Form;
use super::conditions::Read;
use super::{Found, Lint, Subject, shown};

pub(super) fn check(subject: &Subject<'_>, condition: &Read<'_>, found: &mut Found) {
    let operator = &condition.operator;
    if !operator.is_string() && !operator.is_arn() {
        return;
    }
    for value in &condition.ast.values {
        if operator.is_string() && !operator.takes_wildcards() && has_wildcard(&value.text) {
            found.add(
                Lint::LiteralWildcard,
                value,
                format!(
                    "under `{}` a wildcard stands for itself",
                    shown(&condition.ast.operator.text)
                ),
                if operator.is_negated() {
                    "write `StringNotLike` if a pattern is meant"
                } else {
                    "write `StringLike` if a pattern is meant"
                },
            );
            continue;
        }
        if value.text.contains("${") {
            continue;
        }
        if let Some(help) = wrong_form(condition, value) {
            let outcome = condition.outcome_of_no_match(subject);
            found.add(
                Lint::ValueNeverMatches,
                value,
                format!(
                    "`{}` never has the value `{}`: {outcome}",
                    condition.name(),
                    shown(&value.text)
                ),
                help,
            );
        }
    }
}

fn has_wildcard(text: &str) -> bool {
    text.replace("${*}", "")
        .replace("${?}", "")
        .contains(['*', '?'])
}

/// How to write it, if the key can never have this value.
fn wrong_form(condition: &Read<'_>, value: &Item) -> Option<String> {
    let form = condition.key.row()?.form;
    let text = &*value.text;
    let is_pattern = condition.operator.takes_wildcards() && has_wildcard(text);
    let same = |one: &str, other: &str| {
        if condition.operator.ignores_case() {
            one.eq_ignore_ascii_case(other)
        } else {
            one == other
        }
    };
    let one_of = |known: &mut dyn Iterator<Item = &'static str>| {
        let known: Vec<&str> = known.collect();
        if is_pattern || known.iter().any(|name| same(name, text)) {
            return None;
        }
        Some(match nearest(text, known.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("it is one of {}", known.join(", ")),
        })
    };
    let starts = |prefix: &str| {
        let fixed = if is_pattern {
            text.split(['*', '?']).next().unwrap_or_default()
        } else {
            text
        };
        let head = |s: &str, n: usize| s.get(..n.min(s.len())).map(str::to_owned);
        let length = fixed.len().min(prefix.len());
        (is_pattern || fixed.len() >= prefix.len())
            && matches!((head(fixed, length), head(prefix, length)), (Some(a), Some(b)) if same(&a, &b))
    };
    match form {
        Form::OneOf(known) => one_of(&mut known.iter().copied()),
        Form::GrantOperation => one_of(
            &mut KmsAction::ALL
                .iter()
                .filter(|action| action.is_grantable())
                .map(|action| action.name()),
        ),
        Form::Account => {
            let is_account = text.len() == 12 && text.bytes().all(|b| b.is_ascii_digit());
            (!is_pattern && !is_account).then(|| "write the twelve digits of an account".to_string())
        }
        Form::Alias => (!starts("alias/"))
            .then(|| "write the alias's name, as in `alias/app`, not its ARN".to_string()),
        Form::RegionalService => {
            let labels = text.split('.').count();
            let is_name = text.contains(".amazonaws.com") && labels >= 4;
            (!is_pattern && !is_name).then(|| {
                "write service, Region and domain, as in `s3.eu-west-1.amazonaws.com`".to_string()
            })
        }
        // ID-21.
        Form::PrincipalArn => text.contains(":assumed-role/").then(|| {
            "aws:PrincipalArn of a session is the ARN of its role: write arn:aws:iam::<account>:role/<path and name>".to_string()
        }),
        Form::Address => text
            .contains('/')
            .then(|| "write the operator `IpAddress` or `NotIpAddress` to compare with a range".to_string()),
        Form::Text
        | Form::Arn
        | Form::Bool
        | Form::Number
        | Form::Date
        | Form::DateOrNumber => None,
    }
}
