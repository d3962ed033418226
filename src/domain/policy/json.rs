//! Text → JSON nodes, each with its place: the first stage of a policy.
//!
//! Our own reader, because errors must point at the fault, numbers must keep their text, and a name that
//! stands twice in an object must be refused rather than silently win.

use std::collections::BTreeSet;

use super::error::{Place, PolicyError, PolicyErrorKind};
use crate::domain::limits;

/// A JSON value and where it begins.
#[derive(Debug)]
pub(super) struct Node {
    pub place: Place,
    pub value: Value,
}

#[derive(Debug)]
pub(super) enum Value {
    Null,
    Bool(bool),
    /// The number's own text.
    Number(Box<str>),
    Text(Box<str>),
    List(Vec<Node>),
    Object(Vec<Member>),
}

#[derive(Debug)]
pub(super) struct Member {
    pub name: Box<str>,
    pub place: Place,
    pub value: Node,
}

impl Value {
    /// The type's name in a sentence.
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "a boolean",
            Self::Number(_) => "a number",
            Self::Text(_) => "a string",
            Self::List(_) => "a list",
            Self::Object(_) => "an object",
        }
    }
}

/// Reads one JSON value that fills the whole text.
pub(super) fn parse(text: &str) -> Result<Node, PolicyError> {
    let mut reader = Reader {
        text,
        at: 0,
        place: Place { line: 1, column: 1 },
        end_of_last: Place { line: 1, column: 1 },
        last: (0, 0),
    };
    reader.skip_space();
    if reader.peek().is_none() {
        let help = "write a JSON object with `Version` and `Statement`";
        return Err(reader.error("the document is empty", help));
    }
    let node = reader.value(0)?;
    reader.skip_space();
    if reader.peek().is_some() {
        let help =
            "remove what follows the closing brace, or check that no brace was closed too early";
        return Err(reader.error("there is text after the end of the document", help));
    }
    Ok(node)
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
    place: Place,
    /// Just after the last token: where a missing comma belongs.
    end_of_last: Place,
    /// The bytes of the last token.
    last: (usize, usize),
}

impl<'a> Reader<'a> {
    fn peek(&self) -> Option<char> {
        self.text.get(self.at..)?.chars().next()
    }

    fn bump(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.at += c.len_utf8();
        if c == '\n' {
            self.place.line += 1;
            self.place.column = 1;
        } else {
            self.place.column += 1;
        }
        Some(c)
    }

    fn skip_space(&mut self) {
        while matches!(self.peek(), Some(' ' | '\t' | '\r' | '\n')) {
            self.bump();
        }
    }

    /// Marks that a token that began at `from` has just ended.
    fn token_from(&mut self, from: usize) {
        self.end_of_last = self.place;
        self.last = (from, self.at);
    }

    fn last_token(&self) -> &'a str {
        self.text.get(self.last.0..self.last.1).unwrap_or_default()
    }

    /// The token that comes next, for an error: up to the next space or punctuation.
    fn upcoming(&self) -> &'a str {
        let rest = self.text.get(self.at..).unwrap_or_default();
        if let Some(inner) = rest.strip_prefix('"') {
            let end = inner.find(['"', '\n']).map_or(rest.len(), |end| end + 2);
            return rest
                .get(..end.min(rest.len()))
                .unwrap_or_default()
                .trim_end_matches('\n');
        }
        let end = rest
            .char_indices()
            .find(|(at, c)| *at > 0 && (c.is_whitespace() || ",:{}[]\"".contains(*c)))
            .map_or(rest.len(), |(at, _)| at);
        rest.get(..end).unwrap_or_default()
    }

    fn error(&self, message: &str, help: &str) -> PolicyError {
        PolicyError::new(
            PolicyErrorKind::Syntax,
            self.place,
            self.upcoming(),
            message,
            help,
        )
    }

    fn value(&mut self, depth: usize) -> Result<Node, PolicyError> {
        if depth > limits::POLICY_DEPTH_MAX {
            let help = "a policy needs no more than a handful of levels: check the brackets";
            return Err(self.error("the document is nested too deeply", help));
        }
        let place = self.place;
        let from = self.at;
        let value = match self.peek() {
            Some('{') => self.object(depth)?,
            Some('[') => self.list(depth)?,
            Some('"') => Value::Text(self.string()?),
            Some('-' | '0'..='9') => self.number()?,
            Some(c) if c.is_ascii_alphabetic() => self.word()?,
            Some(',') => {
                let help = "remove the comma, or write the value that is missing before it";
                return Err(self.error("there is a comma where a value is expected", help));
            }
            Some('\'') => {
                let help = "JSON takes double quotes";
                return Err(self.error("a string begins with a single quote", help));
            }
            Some(_) => {
                let help = "write a string in double quotes, a list or an object";
                return Err(self.error("a value is expected here", help));
            }
            None => {
                let help = "the text ends too early: close every string, list and object";
                return Err(self.error("a value is missing at the end of the text", help));
            }
        };
        self.token_from(from);
        Ok(Node { place, value })
    }

    fn object(&mut self, depth: usize) -> Result<Value, PolicyError> {
        let open = self.place;
        self.bump();
        self.token_from(self.at.saturating_sub(1));
        let mut members: Vec<Member> = Vec::new();
        let mut names: BTreeSet<Box<str>> = BTreeSet::new();
        loop {
            self.skip_space();
            match self.peek() {
                Some('}') => {
                    self.bump();
                    return Ok(Value::Object(members));
                }
                Some('"') => {}
                None => return Err(self.unclosed("object", '}', open)),
                Some(_) => {
                    let help = "names in an object stand in double quotes, followed by a colon";
                    return Err(self.error("a name in double quotes is expected here", help));
                }
            }
            let place = self.place;
            let from = self.at;
            let name = self.string()?;
            self.token_from(from);
            if !names.insert(name.clone()) {
                return Err(PolicyError::new(
                    PolicyErrorKind::Syntax,
                    place,
                    &name,
                    format!(
                        "the name `{}` stands twice in one object",
                        name.escape_debug()
                    ),
                    "keep one of them, or put both values in one list",
                ));
            }
            self.skip_space();
            if self.peek() != Some(':') {
                let token = self.last_token();
                let help = format!("write `:` and a value after {token}");
                return Err(PolicyError::new(
                    PolicyErrorKind::Syntax,
                    self.end_of_last,
                    token,
                    format!("a colon is missing after {token}"),
                    help,
                ));
            }
            self.bump();
            self.token_from(self.at.saturating_sub(1));
            self.skip_space();
            let value = self.value(depth + 1)?;
            members.push(Member { name, place, value });
            if !self.comma('}', "object", open)? {
                return Ok(Value::Object(members));
            }
        }
    }

    fn list(&mut self, depth: usize) -> Result<Value, PolicyError> {
        let open = self.place;
        self.bump();
        self.token_from(self.at.saturating_sub(1));
        let mut items = Vec::new();
        loop {
            self.skip_space();
            match self.peek() {
                Some(']') => {
                    self.bump();
                    return Ok(Value::List(items));
                }
                None => return Err(self.unclosed("list", ']', open)),
                Some(_) => {}
            }
            items.push(self.value(depth + 1)?);
            if !self.comma(']', "list", open)? {
                return Ok(Value::List(items));
            }
        }
    }

    /// After a value: `true` after a comma, `false` after the closing bracket, both consumed.
    fn comma(&mut self, close: char, what: &str, open: Place) -> Result<bool, PolicyError> {
        self.skip_space();
        match self.peek() {
            Some(',') => {
                let comma = self.place;
                self.bump();
                self.skip_space();
                if self.peek() == Some(close) {
                    return Err(PolicyError::new(
                        PolicyErrorKind::Syntax,
                        comma,
                        ",",
                        format!("there is a comma before the closing `{close}`"),
                        "remove it: JSON takes no comma after the last entry",
                    ));
                }
                Ok(true)
            }
            Some(c) if c == close => {
                self.bump();
                Ok(false)
            }
            None => Err(self.unclosed(what, close, open)),
            Some('}' | ']') => {
                let help = format!(
                    "close the {what} that begins at line {}, column {} with `{close}` first",
                    open.line, open.column
                );
                Err(self.error(&format!("`{close}` is expected here"), &help))
            }
            Some(_) => {
                let (before, after) = (self.last_token(), self.upcoming());
                let before = if before.len() > 80 {
                    "the last entry"
                } else {
                    before
                };
                Err(PolicyError::new(
                    PolicyErrorKind::Syntax,
                    self.end_of_last,
                    after,
                    format!("a comma is missing after {before}"),
                    format!(
                        "write a `,` at the end of line {}, before {after}",
                        self.end_of_last.line
                    ),
                ))
            }
        }
    }

    fn unclosed(&self, what: &str, close: char, open: Place) -> PolicyError {
        let Place { line, column } = open;
        let message =
            format!("the {what} that begins at line {line}, column {column} is not closed");
        let help = format!("write the missing `{close}`");
        PolicyError::new(PolicyErrorKind::Syntax, self.place, "", message, help)
    }

    fn string(&mut self) -> Result<Box<str>, PolicyError> {
        let open = self.place;
        self.bump();
        let mut out = String::new();
        loop {
            let place = self.place;
            match self.bump() {
                Some('"') => return Ok(out.into()),
                Some('\\') => out.push(self.escape(place)?),
                // JSON escapes U+0000 to U+001F; what lies behind U+007F is text like any other (P-1).
                Some(c) if c >= ' ' => out.push(c),
                Some(_) | None => {
                    return Err(PolicyError::new(
                        PolicyErrorKind::Syntax,
                        open,
                        &out,
                        "the string is not closed on its line",
                        "write the closing double quote; a line break inside a string is written `\\n`",
                    ));
                }
            }
        }
    }

    fn escape(&mut self, place: Place) -> Result<char, PolicyError> {
        let bad = |text: &str| {
            let help =
                "JSON knows \\\" \\\\ \\/ \\b \\f \\n \\r \\t and \\u with four hexadecimal digits";
            PolicyError::new(
                PolicyErrorKind::Syntax,
                place,
                text,
                "the escape in this string is unknown",
                help,
            )
        };
        Ok(match self.bump() {
            Some('"') => '"',
            Some('\\') => '\\',
            Some('/') => '/',
            Some('b') => '\u{8}',
            Some('f') => '\u{c}',
            Some('n') => '\n',
            Some('r') => '\r',
            Some('t') => '\t',
            Some('u') => {
                let high = self.hex4().ok_or_else(|| bad("\\u"))?;
                let code = if (0xd800..0xdc00).contains(&high) {
                    let low = match (self.bump(), self.bump()) {
                        (Some('\\'), Some('u')) => {
                            self.hex4().filter(|low| (0xdc00..0xe000).contains(low))
                        }
                        _ => None,
                    };
                    let low = low.ok_or_else(|| bad("\\u"))?;
                    0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00)
                } else {
                    high
                };
                char::from_u32(code).ok_or_else(|| bad("\\u"))?
            }
            _ => return Err(bad("\\")),
        })
    }

    fn hex4(&mut self) -> Option<u32> {
        let mut code = 0;
        for _ in 0..4 {
            code = code * 16 + self.bump()?.to_digit(16)?;
        }
        Some(code)
    }

    fn number(&mut self) -> Result<Value, PolicyError> {
        let (from, place) = (self.at, self.place);
        while matches!(self.peek(), Some('-' | '+' | '.' | 'e' | 'E' | '0'..='9')) {
            self.bump();
        }
        let text = self.text.get(from..self.at).unwrap_or_default();
        if !is_number(text) {
            let help = "write it as JSON does, or put it in double quotes";
            return Err(PolicyError::new(
                PolicyErrorKind::Syntax,
                place,
                text,
                "this is no JSON number",
                help,
            ));
        }
        Ok(Value::Number(text.into()))
    }

    fn word(&mut self) -> Result<Value, PolicyError> {
        let (from, place) = (self.at, self.place);
        while self
            .peek()
            .is_some_and(|c| c.is_ascii_alphanumeric() || c == '_')
        {
            self.bump();
        }
        match self.text.get(from..self.at).unwrap_or_default() {
            "true" => Ok(Value::Bool(true)),
            "false" => Ok(Value::Bool(false)),
            "null" => Ok(Value::Null),
            text => Err(PolicyError::new(
                PolicyErrorKind::Syntax,
                place,
                text,
                format!("the word `{text}` is no JSON value"),
                "put it in double quotes",
            )),
        }
    }
}

/// The grammar of JSON numbers.
fn is_number(text: &str) -> bool {
    let digits = |s: &str| !s.is_empty() && s.bytes().all(|b| b.is_ascii_digit());
    let unsigned = text.strip_prefix('-').unwrap_or(text);
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (unsigned, None),
    };
    let (whole, fraction) = match mantissa.split_once('.') {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (mantissa, None),
    };
    digits(whole)
        && (whole == "0" || !whole.starts_with('0'))
        && fraction.is_none_or(digits)
        && exponent.is_none_or(|e| digits(e.strip_prefix(['+', '-']).unwrap_or(e)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn fault(text: &str) -> (u32, u32, String) {
        let error = parse(text).unwrap_err();
        assert_eq!(error.kind(), PolicyErrorKind::Syntax);
        (error.line(), error.column(), error.to_string())
    }

    #[test]
    fn missing_comma_is_pointed_at_where_it_belongs() {
        let (line, column, text) = fault("[\n  \"a\"\n  \"b\"\n]");
        assert_eq!((line, column), (2, 6));
        assert_eq!(
            text,
            "line 2, column 6: a comma is missing after \"a\"; write a `,` at the end of line 2, before \"b\""
        );
    }

    /// P-1: U+0080 to U+009F may stand in a policy, and JSON takes them as they are.
    #[test]
    fn control_characters_behind_the_ascii_set_are_text() {
        let node = parse("\"\u{80}\u{85}\u{9f}\u{7f}\"").unwrap();
        assert!(matches!(node.value, Value::Text(text) if &*text == "\u{80}\u{85}\u{9f}\u{7f}"));
        assert!(parse("\"\u{1f}\"").is_err());
    }

    #[test]
    fn trailing_comma_is_pointed_at() {
        let (line, column, text) = fault("{\"a\": 1,\n}");
        assert_eq!((line, column), (1, 8));
        assert!(text.contains("comma before the closing `}`"), "{text}");
        assert_eq!(fault("[1, ]").1, 3);
    }

    #[test]
    fn unclosed_object_names_where_it_began() {
        let (_, _, text) = fault("{\n \"a\": [1]");
        assert!(
            text.contains("begins at line 1, column 1 is not closed"),
            "{text}"
        );
    }

    #[test]
    fn name_that_stands_twice_is_refused() {
        let (line, column, text) = fault("{\"a\": 1,\n \"a\": 2}");
        assert_eq!((line, column), (2, 2));
        assert!(text.contains("twice"), "{text}");
    }

    #[test]
    fn other_faults_are_refused() {
        for text in [
            "",
            " ",
            "{",
            "[",
            "{\"a\"}",
            "{\"a\":}",
            "{a:1}",
            "[1 2]",
            "[01]",
            "[1.]",
            "[+1]",
            "[.5]",
            "[1e]",
            "[tru]",
            "['a']",
            "[\"a]",
            "[\"\\x\"]",
            "[\"\\u12\"]",
            "[\"\\ud800\"]",
            "[\"\\ud800\\u0041\"]",
            "[\"a\nb\"]",
            "[1]]",
            "{} {}",
            "[1}",
            "[,1]",
            "{,}",
            "\u{feff}{}",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
        assert!(parse(&"[".repeat(1_000_000)).is_err(), "depth is bounded");
    }

    #[test]
    fn escapes_and_numbers_are_read() {
        let node = parse(" [\"\\u00e9\\ud83d\\ude00\\n\\/\", -1.5e+3, true, null] ").unwrap();
        let Value::List(items) = node.value else {
            panic!("a list")
        };
        assert!(matches!(&items[0].value, Value::Text(t) if &**t == "é😀\n/"));
        assert!(matches!(&items[1].value, Value::Number(n) if &**n == "-1.5e+3"));
        assert!(matches!(items[2].value, Value::Bool(true)));
        assert!(matches!(items[3].value, Value::Null));
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused_without_panic(text in "[\\[\\]{}:,\"\\\\a-z0-9.\\-+ \n\\u{e9}]{0,60}") {
            let own = parse(&text).is_ok();
            let other = serde_json::from_str::<serde_json::Value>(&text).is_ok();
            // Ours is stricter (names that stand twice), never laxer; it keeps numbers that do not fit a float.
            prop_assert!(!own || other || text.contains('e'), "{text}");
        }
    }
}
