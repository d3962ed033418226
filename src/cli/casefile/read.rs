//! JSON with a place: every value knows its path in the file, so that an error can name it.
//!
//! Imports nothing of ours but limits' neighbours in `domain`. Never: a panic on input, a member that is silently left
//! alone, a member that stands twice.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// What is wrong with a case file or with one case, and where.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Problem {
    /// The path in the file, as `cases[3].world.keys.K`; empty for the file itself.
    pub path: String,
    /// What is wrong, and what to write instead.
    pub message: String,
}

impl Problem {
    /// A problem at a path.
    pub fn at(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            message: message.into(),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.path.is_empty() {
            return f.write_str(&self.message);
        }
        write!(f, "{}: {}", self.path, self.message)
    }
}

/// A value and its path.
#[derive(Clone, Debug)]
pub struct Node<'v> {
    value: &'v Value,
    path: String,
}

impl<'v> Node<'v> {
    /// A value at a path.
    pub fn new(value: &'v Value, path: impl Into<String>) -> Self {
        Self {
            value,
            path: path.into(),
        }
    }

    /// The value itself.
    pub const fn value(&self) -> &'v Value {
        self.value
    }

    /// Where it stands.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// A problem here.
    pub fn problem(&self, message: impl Into<String>) -> Problem {
        Problem::at(self.path.clone(), message)
    }

    /// The member of this name; `None` if it is absent or null.
    pub fn get(&self, name: &str) -> Option<Node<'v>> {
        let value = self.value.get(name).filter(|value| !value.is_null())?;
        Some(Node::new(value, self.join(name)))
    }

    /// The member of this name.
    pub fn need(&self, name: &str) -> Result<Node<'v>, Problem> {
        self.get(name)
            .ok_or_else(|| self.problem(format!("the member `{name}` is missing")))
    }

    fn join(&self, name: &str) -> String {
        if self.path.is_empty() {
            name.to_owned()
        } else {
            format!("{}.{name}", self.path)
        }
    }

    /// Refuses members that are not of this list.
    pub fn only(&self, known: &[&str]) -> Result<(), Problem> {
        let members = self.object()?;
        match members.keys().find(|name| !known.contains(&name.as_str())) {
            None => Ok(()),
            Some(name) => {
                let near = crate::config::closest(name, known.iter().copied());
                let help = near.map_or_else(
                    || format!("known here: {}", known.join(", ")),
                    |near| format!("did you mean `{near}`?"),
                );
                Err(self.problem(format!("unknown member `{}`; {help}", short(name))))
            }
        }
    }

    fn object(&self) -> Result<&'v Map<String, Value>, Problem> {
        self.value
            .as_object()
            .ok_or_else(|| self.wrong("an object"))
    }

    fn wrong(&self, wanted: &str) -> Problem {
        let found = match self.value {
            Value::Null => "null",
            Value::Bool(_) => "a boolean",
            Value::Number(_) => "a number",
            Value::String(_) => "a text",
            Value::Array(_) => "a list",
            Value::Object(_) => "an object",
        };
        self.problem(format!("{wanted} is wanted here, not {found}"))
    }

    /// The members, in the order of the file.
    pub fn members(&self) -> Result<Vec<(&'v str, Node<'v>)>, Problem> {
        let members = self.object()?.iter();
        Ok(members
            .map(|(name, value)| (name.as_str(), Node::new(value, self.join(name))))
            .collect())
    }

    /// The entries of a list.
    pub fn items(&self) -> Result<Vec<Node<'v>>, Problem> {
        let items = self.value.as_array().ok_or_else(|| self.wrong("a list"))?;
        Ok(items
            .iter()
            .enumerate()
            .map(|(n, value)| Node::new(value, format!("{}[{n}]", self.path)))
            .collect())
    }

    /// The entries of the list of this name; none if it is absent.
    pub fn list(&self, name: &str) -> Result<Vec<Node<'v>>, Problem> {
        self.get(name)
            .map_or_else(|| Ok(Vec::new()), |node| node.items())
    }

    /// A text.
    pub fn text(&self) -> Result<&'v str, Problem> {
        self.value.as_str().ok_or_else(|| self.wrong("a text"))
    }

    /// `true` or `false`.
    pub fn flag(&self) -> Result<bool, Problem> {
        self.value
            .as_bool()
            .ok_or_else(|| self.wrong("true or false"))
    }

    /// A whole number that is not negative.
    pub fn number(&self) -> Result<u64, Problem> {
        self.value
            .as_u64()
            .ok_or_else(|| self.wrong("a whole number"))
    }

    /// A whole number of either sign.
    pub fn whole(&self) -> Result<i64, Problem> {
        self.value
            .as_i64()
            .ok_or_else(|| self.wrong("a whole number"))
    }

    /// A text that is one of ours: an ARN, a closed word.
    pub fn parse<T: std::str::FromStr>(&self) -> Result<T, Problem>
    where
        T::Err: fmt::Display,
    {
        self.text()?
            .parse()
            .map_err(|error: T::Err| self.problem(error.to_string()))
    }

    /// One of these words.
    pub fn word<'w>(&self, words: &[&'w str]) -> Result<&'w str, Problem> {
        let text = self.text()?;
        let found = words.iter().find(|word| **word == text);
        found.copied().ok_or_else(|| {
            self.problem(format!("`{}` is none of {}", short(text), words.join(", ")))
        })
    }

    /// The texts of the list of this name; none if it is absent.
    pub fn texts(&self, name: &str) -> Result<Vec<String>, Problem> {
        let list = self.list(name)?;
        list.iter()
            .map(|item| item.text().map(str::to_owned))
            .collect()
    }

    /// The pairs of texts of the object of this name; none if it is absent.
    pub fn pairs(&self, name: &str) -> Result<BTreeMap<Arc<str>, Arc<str>>, Problem> {
        let Some(node) = self.get(name) else {
            return Ok(BTreeMap::new());
        };
        node.members()?
            .into_iter()
            .map(|(name, value)| Ok((name.into(), value.text()?.into())))
            .collect()
    }

    /// A text, a boolean or a number, as text.
    pub fn scalar(&self) -> Result<Arc<str>, Problem> {
        match self.value {
            Value::String(text) => Ok(text.as_str().into()),
            Value::Bool(truth) => Ok(truth.to_string().into()),
            Value::Number(number) => Ok(number.to_string().into()),
            Value::Null | Value::Array(_) | Value::Object(_) => {
                Err(self.wrong("a text, a number or a boolean"))
            }
        }
    }
}

/// The beginning of a text, fit to be shown.
pub fn short(text: &str) -> String {
    const SHOWN: usize = 200;
    let mut shown: String = text
        .chars()
        .take(SHOWN)
        .flat_map(char::escape_debug)
        .collect();
    if text.chars().nth(SHOWN).is_some() {
        shown.push('…');
    }
    shown
}

/// Reads JSON; a member that stands twice in one object is refused, for one of the two would be lost.
pub fn json(text: &str) -> Result<Value, Problem> {
    serde_json::from_str::<Strict>(text)
        .map(|Strict(value)| value)
        .map_err(|error| Problem::at("", format!("this is no JSON: {error}")))
}

struct Strict(Value);

impl<'de> Deserialize<'de> for Strict {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(StrictVisitor).map(Strict)
    }
}

struct StrictVisitor;

impl<'de> Visitor<'de> for StrictVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, truth: bool) -> Result<Value, E> {
        Ok(Value::Bool(truth))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Value, E> {
        Ok(Value::Number(number.into()))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Value, E> {
        Ok(Value::Number(number.into()))
    }

    fn visit_f64<E: serde::de::Error>(self, number: f64) -> Result<Value, E> {
        let number =
            Number::from_f64(number).ok_or_else(|| E::custom("the number is too large"))?;
        Ok(Value::Number(number))
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(Value::String(text.to_owned()))
    }

    fn visit_string<E>(self, text: String) -> Result<Value, E> {
        Ok(Value::String(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(Strict(item)) = items.next_element()? {
            list.push(item);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut members = Map::new();
        while let Some((name, Strict(value))) = entries.next_entry::<String, Strict>()? {
            if members.contains_key(&name) {
                let twice = format!("the member `{}` stands twice", short(&name));
                return Err(A::Error::custom(twice));
            }
            members.insert(name, value);
        }
        Ok(Value::Object(members))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn error_names_the_path() {
        let value = json(r#"{"a": {"b": [1, {"c": true}]}}"#).unwrap();
        let node = Node::new(&value, "");
        let items = node.need("a").unwrap().need("b").unwrap().items().unwrap();
        let wrong = items[1].need("c").unwrap().text().unwrap_err();
        assert_eq!(
            wrong.to_string(),
            "a.b[1].c: a text is wanted here, not a boolean"
        );
        let unknown = items[1].only(&["cc"]).unwrap_err();
        assert_eq!(unknown.path, "a.b[1]");
        assert!(unknown.message.contains("did you mean `cc`?"), "{unknown}");
        assert!(node.need("z").unwrap_err().message.contains("`z`"));
    }

    #[test]
    fn member_that_stands_twice_is_refused_at_any_depth() {
        for text in [r#"{"a":1,"a":1}"#, r#"[{"b":{"a":1,"\u0061":2}}]"#] {
            let problem = json(text).unwrap_err();
            assert!(problem.message.contains("`a` stands twice"), "{problem}");
        }
        assert!(json("{").is_err());
        assert!(json(&"[".repeat(100_000)).is_err());
        let fine = r#"{"a":[null,true,-1,1.5,"x"]}"#;
        assert_eq!(json(fine).unwrap().to_string(), fine);
    }
}
