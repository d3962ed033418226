//! How answers are shown: one JSON object, or a table that says the same.

use std::io::{IsTerminal, Write};

use serde_json::{Map, Value, json};

use super::Exit;
use super::common::{Common, OutputForm};
use super::error::CliError;
use super::style::{self, Tone};
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
    /// An answer, and its table where that is drawn by hand.
    Drawn(Value, String),
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

    /// An answer with a table of its own.
    pub(super) fn drawn(value: Value, table: String) -> Self {
        Self {
            what: What::Drawn(value, table),
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
        let text = match &self.what {
            What::Text(text) => text.clone(),
            What::Answer(value) | What::Drawn(value, _) => match (&common.print, form(common)) {
                (Some(path), _) => member(value, path)?,
                (None, OutputForm::Json) => json_text(value),
                (None, OutputForm::Table) => self.table(value),
            },
        };
        match write(&text) {
            // The reader had enough (`| head`); what was asked was done.
            Ok(()) | Err(Unwritten::NoReader) => Ok(self.exit),
            Err(Unwritten::Fault(error)) => Err(error),
        }
    }

    /// Prints one of several answers: over the one before it on a terminal, else below it, as JSON a line each. `false`:
    /// nobody reads any more.
    pub(super) fn print_again(&self, common: &Common) -> Result<bool, CliError> {
        let text = match &self.what {
            What::Text(text) => text.clone(),
            What::Answer(value) | What::Drawn(value, _) => match (&common.print, form(common)) {
                (Some(path), _) => member(value, path)?,
                (None, OutputForm::Json) => format!("{value}\n"),
                (None, OutputForm::Table) if std::io::stdout().is_terminal() => {
                    // Home, and away with what is left of a longer one.
                    format!("\x1b[H\x1b[2J{}", self.table(value))
                }
                (None, OutputForm::Table) => format!("{}\n", self.table(value)),
            },
        };
        match write(&text) {
            Ok(()) => Ok(true),
            Err(Unwritten::NoReader) => Ok(false),
            Err(Unwritten::Fault(error)) => Err(error),
        }
    }

    fn table(&self, value: &Value) -> String {
        match &self.what {
            What::Drawn(_, drawn) => drawn.clone(),
            What::Text(_) | What::Answer(_) => table(value),
        }
    }

    #[cfg(test)]
    pub(super) fn as_json(&self) -> Option<&Value> {
        match &self.what {
            What::Answer(value) | What::Drawn(value, _) => Some(value),
            What::Text(_) => None,
        }
    }

    #[cfg(test)]
    pub(super) fn as_text(&self) -> Option<&str> {
        match &self.what {
            What::Answer(_) => None,
            What::Text(text) | What::Drawn(_, text) => Some(text),
        }
    }
}

/// The form that is asked for, or the one that suits the reader.
fn form(common: &Common) -> OutputForm {
    match common.output {
        Some(form) => form,
        None if std::io::stdout().is_terminal() => OutputForm::Table,
        None => OutputForm::Json,
    }
}

/// Why a text did not reach standard output.
enum Unwritten {
    /// Nobody reads it any more.
    NoReader,
    /// The system refuses.
    Fault(CliError),
}

fn write(text: &str) -> Result<(), Unwritten> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Ok(()) => Ok(()),
        Err(e) if e.kind() == std::io::ErrorKind::BrokenPipe => Err(Unwritten::NoReader),
        Err(e) => Err(Unwritten::Fault(CliError::new(format!(
            "cannot write to standard output: {e}"
        )))),
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
    let mut out = decided(&columns(&pairs));
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

/// Pairs with a decision told at a glance.
fn decided(pairs: &str) -> String {
    let line = |line: &str| {
        let Some(decision) = line.strip_prefix("Decision ").map(str::trim_start) else {
            return format!("{line}\n");
        };
        let tone = if decision == "allow" {
            Tone::Good
        } else {
            Tone::Bad
        };
        let before = line.strip_suffix(decision).unwrap_or_default();
        format!("{before}{}\n", style::out(tone, decision))
    };
    pairs.lines().map(line).collect()
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
    // An entry that lacks a member says nothing of its place: those with most members say the order, and what another has
    // besides goes where that one has it.
    let mut by_size = objects.clone();
    by_size.sort_by_key(|object| std::cmp::Reverse(object.len()));
    for object in &by_size {
        // Before the next one of its own entry that has a place, or else last.
        let mut before = heads.len();
        for head in object.keys().rev() {
            match heads.iter().position(|known| known == head) {
                Some(known) => before = known,
                None => heads.insert(before, head),
            }
        }
    }
    if objects.is_empty() {
        return format!("{name}: none\n");
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
    headed(&text)
}

/// A table with its heads told from its rows.
pub(super) fn headed(text: &str) -> String {
    match text.split_once('\n') {
        Some((heads, rows)) => format!("{}\n{rows}", style::out(Tone::Head, heads)),
        None => text.to_owned(),
    }
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

pub(super) fn columns(lines: &[Vec<String>]) -> String {
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
        assert_eq!(table(&json!({"Keys": []})), "Keys: none\n");
    }

    /// A column stands where the entries that have it have it, whichever entry comes first.
    #[test]
    fn columns_do_not_move_when_the_first_entry_lacks_one() {
        let full = json!({"Id": 1, "Age": 2, "Bound": 3, "Name": 4});
        let rows = [
            json!({"Id": 1, "Bound": 3, "Name": 4}),
            json!({"Id": 1, "Error": 9}),
            json!({"Age": 2}),
            full.clone(),
        ];
        for turn in 0..rows.len() {
            let mut list = rows.to_vec();
            list.rotate_left(turn);
            let text = table(&json!({ "Nodes": list }));
            let heads: Vec<&str> = text.lines().next().unwrap().split_whitespace().collect();
            let known: Vec<&&str> = heads.iter().filter(|head| **head != "Error").collect();
            assert_eq!(known, [&"Id", &"Age", &"Bound", &"Name"], "{text}");
            assert_eq!(heads.len(), 5);
        }
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
