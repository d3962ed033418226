//! JSON nodes → the shape of a policy: known elements of the right types, each with its place (P-2, P-3).

use super::error::{Place, PolicyError, PolicyErrorKind};
use super::json::{Node, Value};

/// A text and where it stands.
#[derive(Clone, Debug)]
pub(super) struct Item {
    pub text: Box<str>,
    pub place: Place,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Version {
    V2008,
    V2012,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Effect {
    Allow,
    Deny,
}

#[derive(Debug)]
pub(super) struct Document {
    /// `None`: it says none, and is of 2008 (P-2).
    pub stated_version: Option<(Version, Place)>,
    /// Where the document begins.
    pub place: Place,
    pub statements: Vec<Statement>,
}

#[derive(Debug)]
pub(super) struct Statement {
    pub place: Place,
    pub sid: Option<Item>,
    pub effect: Effect,
    pub effect_place: Place,
    pub principal: Option<Principals>,
    pub action: Option<Texts>,
    pub resource: Option<Texts>,
    pub conditions: Vec<Condition>,
}

/// `Action` or `NotAction`, `Resource` or `NotResource`.
#[derive(Debug)]
pub(super) struct Texts {
    pub negated: bool,
    pub place: Place,
    pub items: Vec<Item>,
}

/// `Principal` or `NotPrincipal`.
#[derive(Debug)]
pub(super) struct Principals {
    pub negated: bool,
    pub place: Place,
    pub entries: Vec<(PrincipalType, Item)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PrincipalType {
    Everyone,
    Aws,
    Service,
    Federated,
    CanonicalUser,
}

#[derive(Debug)]
pub(super) struct Condition {
    pub operator: Item,
    pub key: Item,
    pub values: Vec<Item>,
}

pub(super) fn malformed(
    place: Place,
    offending: &str,
    message: impl Into<Box<str>>,
    help: impl Into<Box<str>>,
) -> PolicyError {
    PolicyError::new(PolicyErrorKind::Malformed, place, offending, message, help)
}

const TOP: [&str; 3] = ["Version", "Id", "Statement"];
const STATEMENT: [&str; 9] = [
    "Sid",
    "Effect",
    "Principal",
    "NotPrincipal",
    "Action",
    "NotAction",
    "Resource",
    "NotResource",
    "Condition",
];

pub(super) fn document(node: Node) -> Result<Document, PolicyError> {
    let place = node.place;
    let members = object(node, "a policy")?;
    let mut stated_version = None;
    let mut statements = None;
    for member in members {
        match &*member.name {
            "Version" => {
                let item = text(member.value, "Version")?;
                let place = item.place;
                stated_version = Some((read_version(item)?, place));
            }
            "Id" => {
                text(member.value, "Id")?;
            }
            "Statement" => statements = Some((member.place, member.value)),
            name => return Err(unknown(member.place, name, &TOP, "a policy")),
        }
    }
    let Some((at, node)) = statements else {
        return Err(malformed(
            place,
            "",
            "the policy has no `Statement`",
            "add a `Statement` with at least one statement",
        ));
    };
    let statements = match node.value {
        Value::List(nodes) => nodes
            .into_iter()
            .map(statement)
            .collect::<Result<Vec<_>, _>>()?,
        _ => vec![statement(node)?],
    };
    if statements.is_empty() {
        return Err(malformed(
            at,
            "Statement",
            "the policy has no statement",
            "write at least one statement",
        ));
    }
    Ok(Document {
        stated_version,
        place,
        statements,
    })
}

impl Document {
    /// The language that it is written in (P-2).
    pub fn version(&self) -> Version {
        self.stated_version
            .map_or(Version::V2008, |(version, _)| version)
    }
}

fn read_version(item: Item) -> Result<Version, PolicyError> {
    match &*item.text {
        "2012-10-17" => Ok(Version::V2012),
        "2008-10-17" => Ok(Version::V2008),
        other => Err(malformed(
            item.place,
            other,
            format!("the policy version `{}` is unknown", other.escape_debug()),
            "write \"2012-10-17\": it names the policy language, not the date of this policy",
        )),
    }
}

fn statement(node: Node) -> Result<Statement, PolicyError> {
    let place = node.place;
    let members = object(node, "a statement")?;
    let (mut sid, mut effect, mut principal, mut action, mut resource) =
        (None, None, None, None, None);
    let mut conditions = Vec::new();
    for member in members {
        let name = &*member.name;
        match name {
            "Sid" => sid = Some(text(member.value, "Sid")?),
            "Effect" => {
                let item = text(member.value, "Effect")?;
                let place = item.place;
                effect = Some((read_effect(item)?, place));
            }
            "Principal" | "NotPrincipal" => {
                only_one(&principal, member.place, "Principal")?;
                principal = Some(principals(member.value, name == "NotPrincipal")?);
            }
            "Action" | "NotAction" => {
                only_one(&action, member.place, "Action")?;
                action = Some(texts(member.value, "Action", name == "NotAction")?);
            }
            "Resource" | "NotResource" => {
                only_one(&resource, member.place, "Resource")?;
                resource = Some(texts(member.value, "Resource", name == "NotResource")?);
            }
            "Condition" => conditions = read_conditions(member.value)?,
            _ => return Err(unknown(member.place, name, &STATEMENT, "a statement")),
        }
    }
    let Some((effect, effect_place)) = effect else {
        return Err(malformed(
            place,
            "",
            "the statement has no `Effect`",
            "add \"Effect\": \"Allow\" or \"Effect\": \"Deny\"",
        ));
    };
    Ok(Statement {
        place,
        sid,
        effect,
        effect_place,
        principal,
        action,
        resource,
        conditions,
    })
}

fn only_one<T>(seen: &Option<T>, place: Place, name: &str) -> Result<(), PolicyError> {
    if seen.is_none() {
        return Ok(());
    }
    let message = format!("the statement has both `{name}` and `Not{name}`");
    Err(malformed(
        place,
        name,
        message,
        "keep one of them, or make two statements",
    ))
}

fn read_effect(item: Item) -> Result<Effect, PolicyError> {
    match &*item.text {
        "Allow" => Ok(Effect::Allow),
        "Deny" => Ok(Effect::Deny),
        other => {
            let message = format!("the effect `{}` is unknown", other.escape_debug());
            Err(malformed(
                item.place,
                other,
                message,
                "write \"Allow\" or \"Deny\", in this letter case",
            ))
        }
    }
}

fn principals(node: Node, negated: bool) -> Result<Principals, PolicyError> {
    let place = node.place;
    let mut entries = Vec::new();
    match node.value {
        Value::Text(text) if &*text == "*" => {
            entries.push((PrincipalType::Everyone, Item { text, place }))
        }
        Value::Text(text) => {
            let message = format!("`{}` stands alone as a principal", text.escape_debug());
            let help =
                "write \"*\", or an object such as {\"AWS\": \"arn:aws:iam::111122223333:root\"}";
            return Err(PolicyError::new(
                PolicyErrorKind::InvalidPrincipal,
                place,
                &text,
                message,
                help,
            ));
        }
        Value::Object(members) => {
            for member in members {
                let kind = match &*member.name {
                    "AWS" => PrincipalType::Aws,
                    "Service" => PrincipalType::Service,
                    "Federated" => PrincipalType::Federated,
                    "CanonicalUser" => PrincipalType::CanonicalUser,
                    name => {
                        return Err(unknown(
                            member.place,
                            name,
                            &["AWS", "Service", "Federated"],
                            "a principal",
                        ));
                    }
                };
                for item in texts(member.value, "Principal", negated)?.items {
                    let kind = if kind == PrincipalType::Aws && &*item.text == "*" {
                        PrincipalType::Everyone
                    } else {
                        kind
                    };
                    entries.push((kind, item));
                }
            }
        }
        other => {
            let message = format!("`Principal` is {}", other.type_name());
            let help =
                "write \"*\", or an object such as {\"AWS\": \"arn:aws:iam::111122223333:root\"}";
            return Err(malformed(place, "Principal", message, help));
        }
    }
    Ok(Principals {
        negated,
        place,
        entries,
    })
}

fn read_conditions(node: Node) -> Result<Vec<Condition>, PolicyError> {
    let mut conditions = Vec::new();
    for operator in object(node, "`Condition`")? {
        let place = operator.place;
        for key in object(operator.value, "an operator of `Condition`")? {
            let key_place = key.place;
            // No values: no value of a request matches one of them (C-1). The lint warns of it.
            let values = values(key.value)?;
            conditions.push(Condition {
                operator: Item {
                    text: operator.name.clone(),
                    place,
                },
                key: Item {
                    text: key.name,
                    place: key_place,
                },
                values,
            });
        }
    }
    Ok(conditions)
}

/// The values of a condition: strings, numbers and booleans, each kept as text.
fn values(node: Node) -> Result<Vec<Item>, PolicyError> {
    let place = node.place;
    match node.value {
        Value::List(nodes) => nodes.into_iter().map(value).collect(),
        value_ => Ok(vec![value(Node {
            place,
            value: value_,
        })?]),
    }
}

fn value(node: Node) -> Result<Item, PolicyError> {
    let place = node.place;
    let text: Box<str> = match node.value {
        Value::Text(text) | Value::Number(text) => text,
        Value::Bool(true) => "true".into(),
        Value::Bool(false) => "false".into(),
        other @ (Value::Null | Value::List(_) | Value::Object(_)) => {
            let message = format!("a condition value is {}", other.type_name());
            return Err(malformed(
                place,
                "",
                message,
                "write a string, a number or a boolean, or one list of them",
            ));
        }
    };
    Ok(Item { text, place })
}

fn object(node: Node, what: &str) -> Result<Vec<super::json::Member>, PolicyError> {
    match node.value {
        Value::Object(members) => Ok(members),
        other => {
            let message = format!("{what} is {}, not an object", other.type_name());
            Err(malformed(
                node.place,
                "",
                message,
                "write an object in braces",
            ))
        }
    }
}

fn text(node: Node, name: &str) -> Result<Item, PolicyError> {
    match node.value {
        Value::Text(text) => Ok(Item {
            text,
            place: node.place,
        }),
        other => {
            let message = format!("`{name}` is {}, not a string", other.type_name());
            Err(malformed(
                node.place,
                name,
                message,
                "write one string in double quotes",
            ))
        }
    }
}

fn texts(node: Node, name: &str, negated: bool) -> Result<Texts, PolicyError> {
    let place = node.place;
    let items = match node.value {
        Value::List(nodes) => nodes
            .into_iter()
            .map(|node| text(node, name))
            .collect::<Result<Vec<_>, _>>()?,
        value => vec![text(Node { place, value }, name)?],
    };
    Ok(Texts {
        negated,
        place,
        items,
    })
}

fn unknown(place: Place, name: &str, known: &[&str], what: &str) -> PolicyError {
    let message = format!("`{}` is no element of {what}", name.escape_debug());
    let help = match nearest(name, known.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("{what} has {}", known.join(", ")),
    };
    malformed(place, name, message, help)
}

/// The candidate that a slip of the keyboard turns into this name, if there is one.
pub(super) fn nearest<'a>(
    name: &str,
    candidates: impl Iterator<Item = &'a str>,
) -> Option<&'a str> {
    if name.len() > 64 {
        return None;
    }
    let lower = name.to_ascii_lowercase();
    candidates
        .map(|candidate| (distance(&lower, &candidate.to_ascii_lowercase()), candidate))
        .filter(|(distance, candidate)| *distance <= candidate.len() / 4 + 1)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Levenshtein's distance.
fn distance(one: &str, other: &str) -> usize {
    let mut row: Vec<usize> = (0..=other.chars().count()).collect();
    for (i, a) in one.chars().enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        if let Some(first) = row.first_mut() {
            *first = left;
        }
        for (cell, b) in row.iter_mut().skip(1).zip(other.chars()) {
            let best = (diagonal + usize::from(a != b))
                .min(left + 1)
                .min(*cell + 1);
            diagonal = *cell;
            *cell = best;
            left = best;
        }
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slip_of_the_keyboard_finds_its_element() {
        assert_eq!(nearest("action", STATEMENT.into_iter()), Some("Action"));
        assert_eq!(nearest("Actions", STATEMENT.into_iter()), Some("Action"));
        assert_eq!(nearest("Efect", STATEMENT.into_iter()), Some("Effect"));
        assert_eq!(nearest("Quantum", STATEMENT.into_iter()), None);
    }
}
