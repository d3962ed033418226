//! How answers are shown: one JSON object, or a table that says the same.

use std::io::{IsTerminal, Write};

use serde_json::{Map, Value, json};

use super::Exit;
use super::common::{Common, OutputForm};
use super::error::CliError;
use crate::client::api;
use crate::config::closest;
use crate::domain::time::Timestamp;

/// The member that says where an answer comes from and how old it is.
const META: &str = "Meta";

/// Widest row of a table: what a wide terminal shows without folding it.
const ROW_MAX: usize = 200;

/// What a command shows.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Shown {
    what: What,
    exit: Exit,
}

#[derive(Clone, PartialEq, Debug)]
enum What {
    /// An answer; members named as AWS names them.
    Answer(Value),
    /// A text that stands for itself, whatever the output form.
    Text(String),
}

impl Shown {
    /// An answer with the header that came with it.
    pub(super) fn answer(mut value: Value, header: Option<&api::ResponseHeader>) -> Self {
        if let (Value::Object(members), Some(header)) = (&mut value, header) {
            members.insert(META.to_owned(), meta(header));
        }
        Self {
            what: What::Answer(value),
            exit: Exit::Success,
        }
    }

    /// A text.
    pub(super) fn text(text: impl Into<String>) -> Self {
        Self {
            what: What::Text(text.into()),
            exit: Exit::Success,
        }
    }

    /// With this exit code.
    pub(super) fn exit(mut self, exit: Exit) -> Self {
        self.exit = exit;
        self
    }

    /// Prints it to standard output.
    pub(super) fn print(self, common: &Common) -> Result<Exit, CliError> {
        let text = match self.what {
            What::Text(text) => text,
            What::Answer(value) => match (&common.print, common.output) {
                (Some(path), _) => member(&value, path)?,
                (None, Some(OutputForm::Json)) => json_text(&value),
                (None, Some(OutputForm::Table)) => table(&value),
                (None, None) if std::io::stdout().is_terminal() => table(&value),
                (None, None) => json_text(&value),
            },
        };
        let mut out = std::io::stdout().lock();
        match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
            Ok(()) => Ok(self.exit),
            // The reader had enough (`| head`); what was asked was done.
            Err(e) if e.kind() == std::io::ErrorKind::BrokenPipe => Ok(self.exit),
            Err(e) => Err(CliError::new(format!(
                "cannot write to standard output: {e}"
            ))),
        }
    }

    #[cfg(test)]
    pub(super) fn as_json(&self) -> Option<&Value> {
        match &self.what {
            What::Answer(value) => Some(value),
            What::Text(_) => None,
        }
    }

    #[cfg(test)]
    pub(super) fn as_text(&self) -> Option<&str> {
        match &self.what {
            What::Answer(_) => None,
            What::Text(text) => Some(text),
        }
    }
}

fn meta(header: &api::ResponseHeader) -> Value {
    let api::ResponseHeader {
        position,
        revision,
        staleness_ms,
        node_id,
        request_id,
        settled_revision,
    } = header;
    // Only worth a word where it is another: then nothing was done now.
    let settled = settled_revision.filter(|settled| settled < revision);
    object([
        ("Position", json!(position)),
        ("Revision", json!(revision)),
        ("StalenessMs", json!(staleness_ms)),
        ("NodeId", json!(node_id)),
        ("RequestId", json!(request_id)),
        ("SettledRevision", json!(settled)),
    ])
}

/// An object without the members that are null.
pub(super) fn object<const N: usize>(members: [(&str, Value); N]) -> Value {
    let present = members.into_iter().filter(|(_, value)| !value.is_null());
    Value::Object(
        present
            .map(|(name, value)| (name.to_owned(), value))
            .collect(),
    )
}

/// Milliseconds since the Unix epoch as civil time.
pub(super) fn time(ms: u64) -> Value {
    Value::String(Timestamp::from_millis(ms).to_string())
}

fn json_text(value: &Value) -> String {
    format!("{value:#}\n")
}

/// The member at a path of names with dots and positions, as `Grants.0.GrantId`; strings without quotes.
fn member(value: &Value, path: &str) -> Result<String, CliError> {
    let mut at = value;
    for name in path.split('.') {
        let next = match at {
            Value::Object(members) => members.get(name),
            Value::Array(items) => name.parse::<usize>().ok().and_then(|i| items.get(i)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => None,
        };
        at = next.ok_or_else(|| {
            let names: Vec<&str> = match at {
                Value::Object(members) => members.keys().map(String::as_str).collect(),
                _ => Vec::new(),
            };
            let error = CliError::new(format!("`--print {path}`: the answer has no `{name}`"));
            if let Value::Array(items) = at {
                return error.help(match items.len() {
                    0 => "the list is empty".to_owned(),
                    count => format!("the list has the entries 0 to {}", count - 1),
                });
            }
            match closest(name, names.iter().copied()) {
                Some(near) => error.help(format!("did you mean `{near}`?")),
                None if names.is_empty() => error,
                None => error.help(format!("members there: {}", names.join(", "))),
            }
        })?;
    }
    Ok(match at {
        Value::String(text) => format!("{text}\n"),
        other => json_text(other),
    })
}

/// A table that says what the JSON says: lists as rows, the rest as pairs.
fn table(value: &Value) -> String {
    let Value::Object(members) = value else {
        return format!("{}\n", cell(value));
    };
    let mut text = String::new();
    let mut pairs = Vec::new();
    for (name, value) in members.iter().filter(|(name, _)| *name != META) {
        match value {
            Value::Array(items) if items.iter().all(Value::is_object) => {
                text.push_str(&rows(name, items));
            }
            Value::String(long) if long.contains('\n') => {
                text.push_str(&format!("{name}\n{}\n", long.trim_end()));
            }
            value => flatten(name, value, &mut pairs),
        }
    }
    let mut out = columns(&pairs);
    out.push_str(&text);
    if let Some(Value::Object(meta)) = members.get(META) {
        let age = match meta.get("StalenessMs").and_then(Value::as_u64) {
            Some(ms) => format!(", at most {ms} ms old"),
            None => String::new(),
        };
        let number = |name| meta.get(name).map(cell).unwrap_or_default();
        if out.is_empty() {
            out.push_str("done\n");
        }
        let retry = match meta.get("SettledRevision").and_then(Value::as_u64) {
            Some(settled) => {
                format!("; the answer to a retry: it was done at revision {settled}")
            }
            None => String::new(),
        };
        out.push_str(&format!(
            "(revision {} at node {}{age}{retry})\n",
            number("Revision"),
            number("NodeId")
        ));
    }
    out
}

fn flatten(name: &str, value: &Value, pairs: &mut Vec<Vec<String>>) {
    match value {
        Value::Object(members) => {
            for (inner, value) in members {
                flatten(&format!("{name}.{inner}"), value, pairs);
            }
        }
        value => pairs.push(vec![name.to_owned(), cell(value)]),
    }
}

fn rows(name: &str, items: &[Value]) -> String {
    let mut heads: Vec<&str> = Vec::new();
    let objects: Vec<&Map<String, Value>> = items.iter().filter_map(Value::as_object).collect();
    for object in &objects {
        for head in object.keys() {
            if !heads.contains(&head.as_str()) {
                heads.push(head);
            }
        }
    }
    if objects.is_empty() {
        return format!("no {name}\n");
    }
    let mut lines = vec![heads.iter().map(|head| (*head).to_owned()).collect()];
    for object in &objects {
        let of = |head: &&str| object.get(*head).map(cell).unwrap_or_default();
        lines.push(heads.iter().map(of).collect());
    }
    let text = columns(&lines);
    if text.lines().any(|line| line.chars().count() > ROW_MAX) {
        return blocks(&objects);
    }
    text
}

/// Entries that are too wide for rows: each as its pairs, with an empty line between two.
fn blocks(objects: &[&Map<String, Value>]) -> String {
    let block = |object: &&Map<String, Value>| {
        let mut pairs = Vec::new();
        for (name, value) in *object {
            flatten(name, value, &mut pairs);
        }
        columns(&pairs)
    };
    objects.iter().map(block).collect::<Vec<_>>().join("\n")
}

fn cell(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text
            .chars()
            .map(|c| if c.is_control() { ' ' } else { c })
            .collect(),
        Value::Array(items) => items.iter().map(cell).collect::<Vec<_>>().join(","),
        Value::Object(members) => {
            let pairs = members.iter().map(|(name, value)| match value {
                Value::Object(_) => format!("{name}({})", cell(value)),
                value => format!("{name}={}", cell(value)),
            });
            pairs.collect::<Vec<_>>().join(",")
        }
        other => other.to_string(),
    }
}

fn columns(lines: &[Vec<String>]) -> String {
    let mut widths: Vec<usize> = Vec::new();
    for line in lines {
        for (at, cell) in line.iter().enumerate() {
            let width = cell.chars().count();
            match widths.get_mut(at) {
                Some(widest) => *widest = width.max(*widest),
                None => widths.push(width),
            }
        }
    }
    let mut text = String::new();
    for line in lines {
        let padded: Vec<String> = line
            .iter()
            .zip(&widths)
            .map(|(c, w)| format!("{c:w$}", w = *w))
            .collect();
        text.push_str(padded.join("  ").trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header() -> api::ResponseHeader {
        api::ResponseHeader {
            position: "p".to_owned(),
            revision: 7,
            staleness_ms: Some(12),
            node_id: 2,
            request_id: "r".to_owned(),
            settled_revision: Some(7),
        }
    }

    #[test]
    fn list_is_shown_as_rows_under_heads() {
        let value =
            json!({"Keys": [{"KeyId": "a", "KeyArn": "arn"}, {"KeyId": "bbb", "Extra": [1, 2]}]});
        assert_eq!(
            table(&value),
            "KeyId  KeyArn  Extra\na      arn\nbbb            1,2\n"
        );
        assert_eq!(table(&json!({"Keys": []})), "no Keys\n");
    }

    #[test]
    fn object_is_shown_as_pairs_and_its_age_as_a_sentence() {
        let shown = Shown::answer(
            json!({"KeyMetadata": {"Arn": "x", "Enabled": true}}),
            Some(&header()),
        );
        assert_eq!(
            table(shown.as_json().unwrap()),
            "KeyMetadata.Arn      x\nKeyMetadata.Enabled  true\n(revision 7 at node 2, at most 12 ms old)\n"
        );
    }

    /// Q-11: an answer to a retry says that nothing was done now.
    #[test]
    fn answer_to_a_retry_says_when_it_was_done() {
        let settled = |revision| {
            let header = api::ResponseHeader {
                settled_revision: Some(revision),
                ..header()
            };
            table(Shown::answer(json!({}), Some(&header)).as_json().unwrap())
        };
        assert!(settled(5).contains("the answer to a retry: it was done at revision 5"));
        assert!(!settled(7).contains("retry"));
    }

    #[test]
    fn answer_without_members_is_shown_as_done() {
        let shown = Shown::answer(json!({}), Some(&header()));
        assert!(table(shown.as_json().unwrap()).starts_with("done\n"));
    }

    #[test]
    fn one_member_is_printed_raw_and_a_wrong_one_is_suggested() {
        let value = json!({"KeyMetadata": {"Arn": "x"}, "Grants": [{"GrantId": "g"}], "N": 3});
        assert_eq!(member(&value, "KeyMetadata.Arn").unwrap(), "x\n");
        assert_eq!(member(&value, "Grants.0.GrantId").unwrap(), "g\n");
        assert_eq!(member(&value, "N").unwrap(), "3\n");
        let text = member(&value, "KeyMetdata.Arn").unwrap_err().render();
        assert!(text.contains("did you mean `KeyMetadata`?"), "{text}");
        let text = member(&value, "Grants.1").unwrap_err().render();
        assert!(text.contains("entries 0 to 0"), "{text}");
        let text = member(&json!({"Grants": []}), "Grants.0")
            .unwrap_err()
            .render();
        assert!(text.contains("the list is empty"), "{text}");
    }

    #[test]
    fn entry_that_is_too_wide_for_a_row_is_shown_as_pairs() {
        let wide = "x".repeat(ROW_MAX);
        let value = json!({"Grants": [{"Id": "a", "Of": {"Name": wide}}, {"Id": "b"}]});
        assert_eq!(
            table(&value),
            format!("Id       a\nOf.Name  {wide}\n\nId  b\n")
        );
    }

    #[test]
    fn control_characters_do_not_reach_the_terminal() {
        assert_eq!(cell(&json!("a\u{1b}[31mb")), "a [31mb");
    }
}
