//! Conditions of one statement that cannot hold together (C-1, C-14).
//!
//! A key's possible values are those that its strictest conditions list, or the ends of its ranges; each is put to all
//! the other conditions, compiled as for a decision. Only what is sure is warned of: patterns are not compared with
//! patterns.

use super::super::Reading;
use super::super::condition::Condition;
use super::super::context::{ContextKey, ContextSource, ContextValue};
use super::super::value::{format_time, parse_date, parse_number};
use super::conditions::Read;
use super::{Found, Lint, Subject};

/// Candidates looked at for one key: a policy with more values than this on one key is not looked into.
const CANDIDATES_MAX: usize = 256;

pub(super) fn check(subject: &Subject<'_>, all: &[Read<'_>], found: &mut Found) {
    let mut done: Vec<&ContextKey> = Vec::new();
    for condition in all {
        if done.contains(&&condition.key) {
            continue;
        }
        done.push(&condition.key);
        let same: Vec<&Read<'_>> = all
            .iter()
            .filter(|other| other.key == condition.key)
            .collect();
        let [.., last] = same.as_slice() else {
            continue;
        };
        let absent = same.iter().any(|read| read.wants_absence());
        let present = same.iter().any(|read| read.wants_presence());
        let is_contradiction = (absent && present)
            || (same.len() > 1 || is_range(condition))
                && !condition.key.is_multivalued()
                && has_no_value(&same, subject.variables);
        if is_contradiction {
            found.add(
                Lint::Contradiction,
                &last.ast.key,
                format!("no request satisfies all conditions on `{}`: {}", last.name(), subject.never()),
                "values of one condition are alternatives, conditions are not: put alternatives into one list, or into statements of their own",
            );
        }
    }
}

fn is_range(condition: &Read<'_>) -> bool {
    condition.operator.is_numeric() || condition.operator.is_date()
}

/// Whether no value of a key satisfies the conditions, as far as that can be listed.
fn has_no_value(same: &[&Read<'_>], variables: bool) -> bool {
    let usable = |read: &&&Read<'_>| {
        read.operator.quantifier().is_none()
            && !read.ast.values.is_empty()
            && !(variables
                && read
                    .ast
                    .values
                    .iter()
                    .any(|value| value.text.contains("${")))
    };
    let usable: Vec<&&Read<'_>> = same.iter().filter(usable).collect();
    let compiled: Vec<Condition> = usable
        .iter()
        .filter_map(|read| {
            let values = read.ast.values.iter().map(|value| &*value.text);
            Condition::compile(
                read.operator,
                read.key.clone(),
                values,
                false,
                Reading::Strict,
            )
            .ok()
        })
        .collect();
    let Some(candidates) = candidates(&usable) else {
        return false;
    };
    let Some(key) = usable.first().map(|read| &read.key) else {
        return false;
    };
    candidates.len() <= CANDIDATES_MAX
        && !candidates.iter().any(|text| {
            let one = One(key, text);
            compiled
                .iter()
                .all(|condition| condition.holds(&one, false))
        })
}

/// Values among which there is one that satisfies all conditions, if any value does; `None` if they cannot be listed.
fn candidates(usable: &[&&Read<'_>]) -> Option<Vec<String>> {
    let listing = usable.iter().find(|read| {
        let operator = &read.operator;
        read.wants_presence()
            && (operator.is_bool()
                || operator.is_string() && !operator.takes_wildcards() && !operator.ignores_case())
    });
    if let Some(read) = listing {
        return Some(
            read.ast
                .values
                .iter()
                .map(|value| value.text.to_string())
                .collect(),
        );
    }
    let ranged = |read: &&&&Read<'_>| read.wants_presence() && is_range(read);
    let first = usable.iter().find(ranged)?;
    let is_date = first.operator.is_date();
    let mut points = Vec::new();
    for read in usable {
        for value in &read.ast.values {
            let point = if is_date {
                parse_date(&value.text).map(|at| at as f64)
            } else {
                parse_number(&value.text)
            };
            points.extend(point);
        }
    }
    points.sort_by(f64::total_cmp);
    let between: Vec<f64> = points
        .windows(2)
        .filter_map(|pair| match pair {
            [one, other] => Some((one + other) / 2.0),
            _ => None,
        })
        .collect();
    let around = points
        .iter()
        .flat_map(|point| [point - 1.0, *point, point + 1.0]);
    let text = |number: f64| {
        if is_date {
            format_time(number as i64)
        } else {
            number.to_string()
        }
    };
    Some(around.chain(between).map(text).collect())
}

/// A request with one key.
struct One<'a>(&'a ContextKey, &'a str);

impl ContextSource for One<'_> {
    fn get<'a>(&'a self, key: &'a ContextKey) -> Option<ContextValue<'a>> {
        (key == self.0).then_some(ContextValue::text(self.1))
    }
}
