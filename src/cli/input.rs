//! What people type: texts from files and standard input, pairs, lists.

use std::io::Read;
use std::path::Path;

use super::error::CliError;
use super::style::{self, Tone};
use crate::client::{ClientError, api};

/// Largest text that is read from a file or from standard input: sixteen times the longest policy.
const TEXT_MAX: u64 = 1 << 20;
/// Longest part of an input that an error repeats.
const ECHO_MAX: usize = 128;

/// A text and where it came from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Text {
    pub name: String,
    pub text: String,
}

impl Text {
    /// A refusal, with the line of this text that it is about, if it is about one.
    pub(super) fn explain(&self, error: ClientError) -> CliError {
        use api::error_detail::Reason;
        let fault = match error.detail().and_then(|detail| detail.reason.clone()) {
            Some(Reason::Policy(fault)) => fault,
            Some(Reason::Denied(_) | Reason::Staleness(_) | Reason::Leader(_)) | None => {
                return error.into();
            }
        };
        let (line, column) = (fault.line, fault.column);
        let place = |n: u32| usize::try_from(n).unwrap_or(usize::MAX);
        let excerpt = super::excerpt::excerpt(
            &self.name,
            &self.text,
            place(line),
            place(column),
            &fault.offending,
        );
        CliError::from(error).excerpt(excerpt)
    }

    /// Tells on standard error what is surprising in this policy, which was put all the same.
    pub(super) fn warn(&self, warnings: &[api::PolicyWarning]) {
        for warning in warnings {
            let text = self.render_warning(warning);
            match text.split_once(':') {
                Some((code, rest)) => eprint!("{}:{rest}", style::err(Tone::Warning, code)),
                None => eprint!("{text}"),
            }
        }
    }

    /// A warning with the line of this text that it is about.
    pub(super) fn render_warning(&self, warning: &api::PolicyWarning) -> String {
        let api::PolicyWarning {
            code,
            rule,
            line,
            column,
            offending,
            message,
            help,
        } = warning;
        let place = |n: &u32| usize::try_from(*n).unwrap_or(usize::MAX);
        let excerpt = super::excerpt::excerpt(
            &self.name,
            &self.text,
            place(line),
            place(column),
            offending,
        );
        format!("warning[{code}]: {message} ({rule})\n{excerpt}help: {help}\n")
    }
}

/// A policy: `-` is standard input, what begins as JSON does is the text itself, all else is a file, with or without `@`.
pub(super) fn read_policy(from: &str) -> Result<Text, CliError> {
    if from == "-" {
        let mut text = String::new();
        std::io::stdin()
            .take(TEXT_MAX + 1)
            .read_to_string(&mut text)
            .map_err(|e| CliError::new(format!("cannot read standard input: {e}")))?;
        if text.len() as u64 > TEXT_MAX {
            return Err(CliError::new(format!(
                "standard input has more than {TEXT_MAX} bytes"
            )));
        }
        return Ok(Text {
            name: "<stdin>".to_owned(),
            text,
        });
    }
    if from.is_empty() {
        return Err(CliError::new("the policy is an empty text")
            .help("give a file, `-` for standard input, or the JSON text itself"));
    }
    if from.trim_start().starts_with(['{', '[', '"']) {
        return Ok(Text {
            name: "<argument>".to_owned(),
            text: from.to_owned(),
        });
    }
    let path = from.strip_prefix('@').unwrap_or(from);
    Ok(Text {
        name: path.to_owned(),
        text: read_file(Path::new(path))?,
    })
}

/// A secret: `-` is standard input, all else is a file. One line end after it is no part of it.
pub(super) fn read_secret(from: &str) -> Result<String, CliError> {
    let mut text = if from == "-" {
        read_policy(from)?.text
    } else {
        read_file(Path::new(from))?
    };
    if text.ends_with('\n') {
        text.pop();
        if text.ends_with('\r') {
            text.pop();
        }
    }
    Ok(text)
}

/// A text file of reasonable size.
pub(super) fn read_file(path: &Path) -> Result<String, CliError> {
    let cannot = |e: std::io::Error| CliError::new(format!("cannot read {}: {e}", path.display()));
    let mut text = String::new();
    let file = std::fs::File::open(path).map_err(cannot)?;
    file.take(TEXT_MAX + 1)
        .read_to_string(&mut text)
        .map_err(cannot)?;
    if text.len() as u64 > TEXT_MAX {
        return Err(CliError::new(format!(
            "{} has more than {TEXT_MAX} bytes",
            path.display()
        )));
    }
    Ok(text)
}

/// `KEY=VALUE`; the value may be empty and may contain `=`.
pub(super) fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err(format!("`{}` is not `KEY=VALUE`", short(text))),
    }
}

/// Pairs as tags.
pub(super) fn tags(pairs: &[(String, String)]) -> Vec<api::Tag> {
    pairs
        .iter()
        .map(|(key, value)| api::Tag {
            tag_key: key.clone(),
            tag_value: value.clone(),
        })
        .collect()
}

/// Pairs as a map.
///
/// # Errors
/// If a key stands twice: one of the two would be lost.
pub(super) fn map<M: FromIterator<(String, String)>>(
    option: &str,
    pairs: &[(String, String)],
) -> Result<M, CliError> {
    let mut seen = std::collections::BTreeSet::new();
    if let Some((key, _)) = pairs.iter().find(|(key, _)| !seen.insert(key)) {
        return Err(CliError::new(format!(
            "`{option}`: `{}` stands twice",
            short(key)
        )));
    }
    Ok(pairs.iter().cloned().collect())
}

/// The beginning of an input, fit to be shown.
pub(super) fn short(text: &str) -> String {
    text.chars()
        .take(ECHO_MAX)
        .flat_map(char::escape_debug)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secret_is_read_without_the_line_end_that_editors_add() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        for (text, wanted) in [
            ("kmsPswd1\n", "kmsPswd1"),
            ("a b\r\n", "a b"),
            ("x\n\n", "x\n"),
        ] {
            std::fs::write(&path, text).unwrap();
            assert_eq!(read_secret(path.to_str().unwrap()).unwrap(), wanted);
        }
        assert!(read_secret("no/such/file").is_err());
    }

    #[test]
    fn pair_keeps_later_equals_signs_and_refuses_a_missing_one() {
        assert_eq!(pair("a=b=c"), Ok(("a".to_owned(), "b=c".to_owned())));
        assert_eq!(pair("a="), Ok(("a".to_owned(), String::new())));
        assert!(pair("a").is_err());
        assert!(pair("=b").is_err());
    }

    #[test]
    fn pair_that_stands_twice_is_refused() {
        let twice = [
            ("a".to_owned(), "1".to_owned()),
            ("a".to_owned(), "2".to_owned()),
        ];
        assert!(map::<std::collections::BTreeMap<_, _>>("--context", &twice).is_err());
    }

    #[test]
    fn warning_is_rendered_with_its_rule_and_the_line_it_is_about() {
        let text = Text {
            name: "p.json".to_owned(),
            text: "{\n  \"a\": \"*\"\n}".to_owned(),
        };
        let warning = api::PolicyWarning {
            code: "everyone".to_owned(),
            rule: "P-22".to_owned(),
            line: 2,
            column: 8,
            offending: "*".to_owned(),
            message: "everyone is allowed".to_owned(),
            help: "name them".to_owned(),
        };
        assert_eq!(
            text.render_warning(&warning),
            "warning[everyone]: everyone is allowed (P-22)\n --> p.json:2:8\n  |\n2 |   \"a\": \"*\"\n  |        ^\nhelp: name them\n"
        );
    }

    #[test]
    fn policy_is_read_from_the_argument_or_a_file() {
        assert_eq!(read_policy(" {}").unwrap().name, "<argument>");
        assert_eq!(read_policy("[]").unwrap().name, "<argument>");
        let empty = read_policy("").unwrap_err().render();
        assert!(empty.contains("empty"), "{empty}");
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("p.json");
        std::fs::write(&path, "{ }").unwrap();
        let name = path.to_str().unwrap();
        assert_eq!(read_policy(name).unwrap().text, "{ }");
        assert_eq!(read_policy(&format!("@{name}")).unwrap().text, "{ }");
        assert!(
            read_policy("no/such/file")
                .unwrap_err()
                .render()
                .contains("no/such/file")
        );
    }
}
