//! Condition operators: compiled once, evaluated without parsing policy text (C-1 to C-14).

use std::fmt;
use std::net::IpAddr;

use super::Reading;
use super::context::{ContextKey, ContextSource, ContextValue, Scalar, in_doubt};
use super::text::{Case, Syntax, Template};
use super::value::{Cidr, parse_binary, parse_bool, parse_date, parse_number};
use crate::domain::effort::spend;

/// How the values of a multivalued key are taken together (C-8).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quantifier {
    /// `ForAllValues:`
    All,
    /// `ForAnyValue:`
    Any,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Order {
    Equal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Order {
    fn holds<T: PartialOrd>(self, value: T, bound: T) -> bool {
        match self {
            Self::Equal => value == bound,
            Self::Less => value < bound,
            Self::LessOrEqual => value <= bound,
            Self::Greater => value > bound,
            Self::GreaterOrEqual => value >= bound,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Family {
    String { wildcards: bool, case: Case },
    Numeric(Order),
    Date(Order),
    Bool,
    Binary,
    Ip,
    Arn,
    Null,
}

struct Base {
    name: &'static str,
    family: Family,
    negated: bool,
}

const fn base(name: &'static str, family: Family, negated: bool) -> Base {
    Base {
        name,
        family,
        negated,
    }
}

const EXACT: Family = Family::String {
    wildcards: false,
    case: Case::Exact,
};
const IGNORE_CASE: Family = Family::String {
    wildcards: false,
    case: Case::Folded,
};
const LIKE: Family = Family::String {
    wildcards: true,
    case: Case::Exact,
};

/// Every operator (C-3, C-4, C-7), without its set form and `IfExists`.
static BASES: [Base; 27] = [
    base("StringEquals", EXACT, false),
    base("StringNotEquals", EXACT, true),
    base("StringEqualsIgnoreCase", IGNORE_CASE, false),
    base("StringNotEqualsIgnoreCase", IGNORE_CASE, true),
    base("StringLike", LIKE, false),
    base("StringNotLike", LIKE, true),
    base("NumericEquals", Family::Numeric(Order::Equal), false),
    base("NumericNotEquals", Family::Numeric(Order::Equal), true),
    base("NumericLessThan", Family::Numeric(Order::Less), false),
    base(
        "NumericLessThanEquals",
        Family::Numeric(Order::LessOrEqual),
        false,
    ),
    base("NumericGreaterThan", Family::Numeric(Order::Greater), false),
    base(
        "NumericGreaterThanEquals",
        Family::Numeric(Order::GreaterOrEqual),
        false,
    ),
    base("DateEquals", Family::Date(Order::Equal), false),
    base("DateNotEquals", Family::Date(Order::Equal), true),
    base("DateLessThan", Family::Date(Order::Less), false),
    base(
        "DateLessThanEquals",
        Family::Date(Order::LessOrEqual),
        false,
    ),
    base("DateGreaterThan", Family::Date(Order::Greater), false),
    base(
        "DateGreaterThanEquals",
        Family::Date(Order::GreaterOrEqual),
        false,
    ),
    base("Bool", Family::Bool, false),
    base("BinaryEquals", Family::Binary, false),
    base("IpAddress", Family::Ip, false),
    base("NotIpAddress", Family::Ip, true),
    base("ArnEquals", Family::Arn, false),
    base("ArnLike", Family::Arn, false),
    base("ArnNotEquals", Family::Arn, true),
    base("ArnNotLike", Family::Arn, true),
    base("Null", Family::Null, false),
];

/// An operator as a policy names it. Letter case does not matter in its name.
#[derive(Clone, Copy)]
pub struct Operator {
    base: &'static Base,
    quantifier: Option<Quantifier>,
    if_exists: bool,
}

impl Operator {
    /// Reads an operator's name; `None` if there is no such operator.
    pub fn parse(text: &str) -> Option<Self> {
        let (quantifier, rest) = match text.split_once(':') {
            None => (None, text),
            Some((set, rest)) if set.eq_ignore_ascii_case("ForAllValues") => {
                (Some(Quantifier::All), rest)
            }
            Some((set, rest)) if set.eq_ignore_ascii_case("ForAnyValue") => {
                (Some(Quantifier::Any), rest)
            }
            Some(_) => return None,
        };
        let split = rest
            .len()
            .checked_sub("IfExists".len())
            .filter(|at| rest.is_char_boundary(*at));
        let (name, if_exists) = match split.map(|at| rest.split_at(at)) {
            Some((name, suffix)) if suffix.eq_ignore_ascii_case("IfExists") => (name, true),
            _ => (rest, false),
        };
        let base = BASES
            .iter()
            .find(|base| base.name.eq_ignore_ascii_case(name))?;
        // C-6, C-7: `Null` asks for existence itself, so neither form applies to it.
        let alone = !if_exists && quantifier.is_none();
        (base.family != Family::Null || alone).then_some(Self {
            base,
            quantifier,
            if_exists,
        })
    }

    /// The names of all operators, for suggestions.
    pub(super) fn names() -> impl Iterator<Item = &'static str> {
        BASES.iter().map(|base| base.name)
    }

    /// Its set form, if it has one.
    pub const fn quantifier(&self) -> Option<Quantifier> {
        self.quantifier
    }

    /// Whether it holds when no value matches (C-1).
    pub const fn is_negated(&self) -> bool {
        self.base.negated
    }

    /// Whether it is the `IfExists` form (C-6).
    pub const fn is_if_exists(&self) -> bool {
        self.if_exists
    }

    /// Whether it asks for existence itself (C-7).
    pub const fn is_null(&self) -> bool {
        matches!(self.base.family, Family::Null)
    }

    pub(super) const fn is_string(&self) -> bool {
        matches!(self.base.family, Family::String { .. })
    }

    pub(super) const fn is_arn(&self) -> bool {
        matches!(self.base.family, Family::Arn)
    }

    pub(super) const fn is_bool(&self) -> bool {
        matches!(self.base.family, Family::Bool)
    }

    pub(super) const fn is_numeric(&self) -> bool {
        matches!(self.base.family, Family::Numeric(_))
    }

    pub(super) const fn is_date(&self) -> bool {
        matches!(self.base.family, Family::Date(_))
    }

    pub(super) const fn ignores_case(&self) -> bool {
        matches!(
            self.base.family,
            Family::String {
                case: Case::Folded,
                ..
            }
        )
    }

    /// Whether `*` and `?` are wildcards in its values (C-3, C-4).
    pub(super) const fn takes_wildcards(&self) -> bool {
        matches!(
            self.base.family,
            Family::Arn
                | Family::String {
                    wildcards: true,
                    ..
                }
        )
    }

    /// Whether variables are replaced in its values (C-11).
    pub(super) const fn takes_variables(&self) -> bool {
        self.is_string() || self.is_arn()
    }
}

impl fmt::Display for Operator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.quantifier {
            None => "",
            Some(Quantifier::All) => "ForAllValues:",
            Some(Quantifier::Any) => "ForAnyValue:",
        })?;
        f.write_str(self.base.name)?;
        f.write_str(if self.if_exists { "IfExists" } else { "" })
    }
}

impl fmt::Debug for Operator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The values of one key under one operator.
#[derive(Debug)]
enum Bounds {
    String {
        values: Box<[Template]>,
        case: Case,
    },
    Numeric {
        values: Box<[f64]>,
        order: Order,
    },
    Date {
        values: Box<[i64]>,
        order: Order,
    },
    Bool(Box<[bool]>),
    Binary(Box<[Box<[u8]>]>),
    Ip(Box<[Cidr]>),
    Arn(Box<[ArnPattern]>),
    /// For each value, whether the key must be absent.
    Null(Box<[bool]>),
}

/// One operator on one key.
#[derive(Debug)]
pub struct Condition {
    operator: Operator,
    key: ContextKey,
    bounds: Bounds,
    /// What it costs to compare one value of a request with it, its wildcards not counted.
    work: u64,
    /// Whether a value holds a variable.
    has_variables: bool,
}

/// What a condition costs besides its values, in units of [`crate::domain::effort::Effort`].
const WORK: u64 = 4;

/// A value that the operator cannot compare with: its index, what is wrong, what to write.
pub(super) struct BadValue {
    pub index: usize,
    pub message: &'static str,
    pub help: &'static str,
}

impl Condition {
    pub(super) fn compile<'a>(
        operator: Operator,
        key: ContextKey,
        values: impl Iterator<Item = &'a str>,
        variables: bool,
        reading: Reading,
    ) -> Result<Self, BadValue> {
        fn read<'a, T>(
            (values, reading): (impl Iterator<Item = &'a str>, Reading),
            parse: impl Fn(&'a str) -> Option<T>,
            message: &'static str,
            help: &'static str,
        ) -> Result<Box<[T]>, BadValue> {
            let read = |(index, text)| match (parse(text), reading) {
                (Some(value), _) => Some(Ok(value)),
                (None, Reading::Lenient) => None,
                (None, Reading::Strict) => Some(Err(BadValue {
                    index,
                    message,
                    help,
                })),
            };
            values.enumerate().filter_map(read).collect()
        }
        let template = |text, wildcards| {
            Template::parse(
                text,
                Syntax {
                    wildcards,
                    variables,
                },
            )
        };
        let variable_help = "write `${key}` or `${key, 'default'}`, and `${$}` for a dollar sign";
        let bounds = match operator.base.family {
            Family::String { wildcards, case } => {
                let parse = |(index, text)| {
                    template(text, wildcards).map_err(|fault| BadValue {
                        index,
                        message: fault.message,
                        help: variable_help,
                    })
                };
                Bounds::String {
                    values: values.enumerate().map(parse).collect::<Result<_, _>>()?,
                    case,
                }
            }
            Family::Numeric(order) => Bounds::Numeric {
                values: read(
                    (values, reading),
                    parse_number,
                    "the operator compares numbers",
                    "write a number, such as 7 or \"7\"",
                )?,
                order,
            },
            Family::Date(order) => Bounds::Date {
                values: read(
                    (values, reading),
                    parse_date,
                    "the operator compares dates",
                    "write a date such as 2026-07-14T16:10:00Z, or seconds since 1970",
                )?,
                order,
            },
            Family::Bool => Bounds::Bool(read(
                (values, reading),
                parse_bool,
                "the operator compares booleans",
                "write true or false",
            )?),
            Family::Binary => {
                let parse = |text| parse_binary(text).map(Vec::into_boxed_slice);
                Bounds::Binary(read(
                    (values, reading),
                    parse,
                    "the operator compares bytes",
                    "write them in base 64",
                )?)
            }
            Family::Ip => Bounds::Ip(read(
                (values, reading),
                Cidr::parse,
                "the operator compares addresses",
                "write an address or a range such as 203.0.113.0/24 or 2001:db8::/32",
            )?),
            Family::Arn => {
                let parse = |(index, text)| {
                    ArnPattern::parse(text, variables).map_err(|fault| BadValue {
                        index,
                        message: fault.message,
                        help: variable_help,
                    })
                };
                Bounds::Arn(values.enumerate().map(parse).collect::<Result<_, _>>()?)
            }
            Family::Null => Bounds::Null(read(
                (values, reading),
                parse_bool,
                "`Null` takes true (the key is absent) or false (it is present)",
                "write true or false",
            )?),
        };
        let count = match &bounds {
            Bounds::String { values, .. } => values.len(),
            Bounds::Numeric { values, .. } => values.len(),
            Bounds::Date { values, .. } => values.len(),
            Bounds::Bool(values) | Bounds::Null(values) => values.len(),
            Bounds::Binary(values) => values.len(),
            Bounds::Ip(values) => values.len(),
            Bounds::Arn(values) => values.len(),
        };
        let mut condition = Self {
            operator,
            key,
            bounds,
            work: WORK.saturating_add(u64::try_from(count).unwrap_or(u64::MAX)),
            has_variables: false,
        };
        let has_variables = condition.variable_keys().next().is_some();
        condition.has_variables = has_variables;
        Ok(condition)
    }

    /// The operator.
    pub const fn operator(&self) -> &Operator {
        &self.operator
    }

    /// The key it looks at.
    pub const fn key(&self) -> &ContextKey {
        &self.key
    }

    /// The keys of the variables in its values (C-11).
    pub fn variable_keys(&self) -> impl Iterator<Item = &ContextKey> {
        let (templates, arns): (&[Template], &[ArnPattern]) = match &self.bounds {
            Bounds::String { values, .. } => (values, &[]),
            Bounds::Arn(values) => (&[], values),
            Bounds::Numeric { .. }
            | Bounds::Date { .. }
            | Bounds::Bool(_)
            | Bounds::Binary(_)
            | Bounds::Ip(_)
            | Bounds::Null(_) => (&[], &[]),
        };
        let of_arns = arns.iter().flat_map(|pattern| match pattern {
            ArnPattern::Any => &[],
            ArnPattern::Whole(whole) => std::slice::from_ref(whole),
            ArnPattern::Segments(segments) => &**segments,
        });
        templates.iter().chain(of_arns).flat_map(Template::keys)
    }

    /// Whether a variable in its values has neither a value nor a default (C-12).
    pub(super) fn has_null(&self, context: &dyn ContextSource) -> bool {
        match &self.bounds {
            Bounds::String { values, .. } => values.iter().any(|value| value.is_null(context)),
            Bounds::Arn(values) => values.iter().any(|value| value.is_null(context)),
            Bounds::Numeric { .. }
            | Bounds::Date { .. }
            | Bounds::Bool(_)
            | Bounds::Binary(_)
            | Bounds::Ip(_)
            | Bounds::Null(_) => false,
        }
    }

    /// Whether the condition holds for a request, in a statement that denies or allows (CK-59).
    pub fn holds(&self, context: &dyn ContextSource, is_deny: bool) -> bool {
        let value = context.get(&self.key);
        if self.has_variables || matches!(value, Some(ContextValue::Spelled(_))) {
            let keys = std::iter::once(&self.key).chain(self.variable_keys());
            return in_doubt(context, keys, is_deny, &|chosen| {
                self.holds_with(chosen.get(&self.key), chosen)
            });
        }
        self.holds_with(value, context)
    }

    fn holds_with(&self, value: Option<ContextValue<'_>>, context: &dyn ContextSource) -> bool {
        let Operator {
            base,
            quantifier,
            if_exists,
        } = self.operator;
        if let Bounds::Null(wanted) = &self.bounds {
            let absent = match value {
                None => true,
                Some(ContextValue::One(_) | ContextValue::Spelled(_)) => false,
                Some(ContextValue::Many(values)) => values.is_empty(),
            };
            return wanted.contains(&absent);
        }
        let Some(value) = value else {
            return if_exists
                || match quantifier {
                    Some(Quantifier::All) => true,
                    Some(Quantifier::Any) => false,
                    None => base.negated,
                };
        };
        // C-1: for a negated operator the values act as NOR.
        let one = |scalar: Scalar<'_>| self.matches(scalar, context) != base.negated;
        match (value, quantifier) {
            (ContextValue::One(scalar), _) => one(scalar),
            // One spelling was chosen before.
            (ContextValue::Spelled(_), _) => false,
            (ContextValue::Many(values), Some(Quantifier::Any)) => {
                values.any(&mut |text| one(Scalar::Text(text)))
            }
            (ContextValue::Many(values), Some(Quantifier::All)) => {
                !values.any(&mut |text| !one(Scalar::Text(text)))
            }
            // C-10 leaves this open; a positive operator wants some value to match, a negated one none.
            (ContextValue::Many(values), None) => {
                values.any(&mut |text| self.matches(Scalar::Text(text), context)) != base.negated
            }
        }
    }

    /// Whether some value of the policy matches this value of the request. A value of the wrong type matches none.
    fn matches(&self, scalar: Scalar<'_>, context: &dyn ContextSource) -> bool {
        if !spend(context.effort(), self.work) {
            return false;
        }
        match &self.bounds {
            Bounds::String { values, case } => {
                let text = scalar.into_text();
                values
                    .iter()
                    .any(|value| value.matches(&text, *case, context))
            }
            Bounds::Numeric { values, order } => {
                let number = match scalar {
                    Scalar::Integer(number) => Some(number as f64),
                    Scalar::Text(text) => parse_number(text),
                    Scalar::Time(_) | Scalar::Bool(_) | Scalar::Account(_) => None,
                };
                number.is_some_and(|number| values.iter().any(|bound| order.holds(number, *bound)))
            }
            Bounds::Date { values, order } => {
                let at = match scalar {
                    Scalar::Time(at) => Some(at),
                    Scalar::Integer(seconds) => seconds.checked_mul(1000),
                    Scalar::Text(text) => parse_date(text),
                    Scalar::Bool(_) | Scalar::Account(_) => None,
                };
                at.is_some_and(|at| values.iter().any(|bound| order.holds(at, *bound)))
            }
            Bounds::Bool(values) => {
                let truth = match scalar {
                    Scalar::Bool(truth) => Some(truth),
                    Scalar::Text(text) => parse_bool(text),
                    Scalar::Integer(_) | Scalar::Time(_) | Scalar::Account(_) => None,
                };
                truth.is_some_and(|truth| values.contains(&truth))
            }
            Bounds::Binary(values) => match scalar {
                Scalar::Text(text) => parse_binary(text)
                    .is_some_and(|bytes| values.iter().any(|value| **value == *bytes)),
                Scalar::Bool(_) | Scalar::Integer(_) | Scalar::Time(_) | Scalar::Account(_) => {
                    false
                }
            },
            Bounds::Ip(values) => match scalar {
                Scalar::Text(text) => text
                    .parse::<IpAddr>()
                    .is_ok_and(|address| values.iter().any(|range| range.contains(address))),
                Scalar::Bool(_) | Scalar::Integer(_) | Scalar::Time(_) | Scalar::Account(_) => {
                    false
                }
            },
            Bounds::Arn(values) => match scalar {
                Scalar::Text(text) => values.iter().any(|pattern| pattern.matches(text, context)),
                Scalar::Bool(_) | Scalar::Integer(_) | Scalar::Time(_) | Scalar::Account(_) => {
                    false
                }
            },
            // Answered by `holds`, before any value is looked at.
            Bounds::Null(_) => false,
        }
    }
}

/// Segments of an ARN.
const ARN_SEGMENTS: usize = 6;

/// An ARN pattern: each of the six segments is matched by itself, the last may hold colons (C-4).
#[derive(Debug)]
enum ArnPattern {
    /// `*` alone matches every text.
    Any,
    /// The text has its segments itself: a variable's value stays within its own. Fewer than six match nothing.
    Segments(Box<[Template]>),
    /// Fewer than six segments, but variables, whose values may hold the others: `${aws:PrincipalArn}` (C-11).
    Whole(Template),
}

impl ArnPattern {
    fn parse(text: &str, variables: bool) -> Result<Self, super::text::Fault> {
        let syntax = Syntax {
            wildcards: true,
            variables,
        };
        if text == "*" {
            return Ok(Self::Any);
        }
        let segments = split_segments(text, variables);
        if segments.len() < ARN_SEGMENTS {
            let whole = Template::parse(text, syntax)?;
            if whole.has_variables() {
                return Ok(Self::Whole(whole));
            }
        }
        segments
            .into_iter()
            .map(|segment| Template::parse(segment, syntax))
            .collect::<Result<_, _>>()
            .map(Self::Segments)
    }

    fn matches(&self, text: &str, context: &dyn ContextSource) -> bool {
        match self {
            Self::Any => true,
            Self::Whole(whole) => whole.matches_by_segment(text, ARN_SEGMENTS, context),
            Self::Segments(segments) => {
                let mut parts = text.splitn(ARN_SEGMENTS, ':');
                segments.len() == ARN_SEGMENTS
                    && segments.iter().all(|segment| {
                        parts
                            .next()
                            .is_some_and(|part| segment.matches(part, Case::Exact, context))
                    })
            }
        }
    }

    fn is_null(&self, context: &dyn ContextSource) -> bool {
        match self {
            Self::Any => false,
            Self::Whole(whole) => whole.is_null(context),
            Self::Segments(segments) => segments.iter().any(|segment| segment.is_null(context)),
        }
    }
}

/// Splits at the first five colons that do not belong to a variable.
fn split_segments(text: &str, variables: bool) -> Vec<&str> {
    let mut segments = Vec::with_capacity(ARN_SEGMENTS);
    let (mut from, mut in_variable, mut quoted) = (0, false, false);
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'{' if variables && at > 0 && text.as_bytes().get(at - 1) == Some(&b'$') => {
                in_variable = true
            }
            b'\'' if in_variable => quoted = !quoted,
            b'}' if !quoted => in_variable = false,
            b':' if !in_variable && segments.len() + 1 < ARN_SEGMENTS => {
                segments.push(text.get(from..at).unwrap_or_default());
                from = at + 1;
            }
            _ => {}
        }
    }
    segments.push(text.get(from..).unwrap_or_default());
    segments
}

#[cfg(test)]
mod tests;
