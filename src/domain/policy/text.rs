//! Texts with wildcards and policy variables (C-3, C-11 to C-13, P-10, P-11).
//!
//! A template is taken apart once, when the policy is stored. Matching allocates only for variables.

use std::borrow::Cow;

use super::context::{ContextKey, ContextSource, ContextValue};
use crate::domain::effort::{Effort, spend};

/// What a text may hold besides itself.
#[derive(Clone, Copy)]
pub(super) struct Syntax {
    /// `*` and `?` are wildcards.
    pub wildcards: bool,
    /// `${…}` is a variable or an escape; false in documents of the 2008 version (P-2).
    pub variables: bool,
}

/// How letters compare.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Case {
    Exact,
    Folded,
}

/// A `${` that is no variable: what is wrong.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Fault {
    pub message: &'static str,
}

#[derive(Debug)]
enum Piece {
    Literal(Box<str>),
    /// `*`
    Run,
    /// `?`
    One,
    Variable {
        key: ContextKey,
        default: Option<Box<str>>,
    },
}

/// A text taken apart into literals, wildcards and variables.
#[derive(Debug)]
pub(super) struct Template {
    pieces: Box<[Piece]>,
    has_variables: bool,
}

impl Template {
    pub fn parse(text: &str, syntax: Syntax) -> Result<Self, Fault> {
        let mut pieces = Vec::new();
        let mut literal = String::new();
        let mut rest = text;
        fn flush(literal: &mut String, pieces: &mut Vec<Piece>) {
            if !literal.is_empty() {
                pieces.push(Piece::Literal(std::mem::take(literal).into()));
            }
        }
        while let Some(c) = rest.chars().next() {
            let after = rest.get(c.len_utf8()..).unwrap_or_default();
            match c {
                '$' if syntax.variables && after.starts_with('{') => {
                    let (inner, tail) = close(after.get(1..).unwrap_or_default())?;
                    match inner {
                        // C-11: the escapes.
                        "*" | "?" | "$" => literal.push_str(inner),
                        _ => {
                            flush(&mut literal, &mut pieces);
                            pieces.push(variable(inner)?);
                        }
                    }
                    rest = tail;
                    continue;
                }
                '*' if syntax.wildcards => {
                    flush(&mut literal, &mut pieces);
                    if !matches!(pieces.last(), Some(Piece::Run)) {
                        pieces.push(Piece::Run);
                    }
                }
                '?' if syntax.wildcards => {
                    flush(&mut literal, &mut pieces);
                    pieces.push(Piece::One);
                }
                _ => literal.push(c),
            }
            rest = after;
        }
        flush(&mut literal, &mut pieces);
        let has_variables = pieces.iter().any(|p| matches!(p, Piece::Variable { .. }));
        Ok(Self {
            pieces: pieces.into(),
            has_variables,
        })
    }

    /// Whether it is one plain text without wildcards or variables.
    pub fn is_literal(&self) -> bool {
        matches!(&*self.pieces, [] | [Piece::Literal(_)])
    }

    /// Whether a variable in it has neither a value nor a default (C-12).
    pub fn is_null(&self, context: &dyn ContextSource) -> bool {
        self.has_variables
            && self.pieces.iter().any(|piece| match piece {
                Piece::Variable { key, default: None } => match context.get(key) {
                    Some(ContextValue::One(_) | ContextValue::Spelled(_)) => false,
                    Some(ContextValue::Many(_)) | None => true,
                },
                Piece::Variable { .. } | Piece::Literal(_) | Piece::Run | Piece::One => false,
            })
    }

    /// The keys of its variables.
    pub fn keys(&self) -> impl Iterator<Item = &ContextKey> {
        self.pieces.iter().filter_map(|piece| match piece {
            Piece::Variable { key, .. } => Some(key),
            Piece::Literal(_) | Piece::Run | Piece::One => None,
        })
    }

    /// Whether it holds variables.
    pub const fn has_variables(&self) -> bool {
        self.has_variables
    }

    /// The keys of its variables, and whether each has a default.
    pub fn variables(&self) -> impl Iterator<Item = (&ContextKey, bool)> {
        self.pieces.iter().filter_map(|piece| match piece {
            Piece::Variable { key, default } => Some((key, default.is_some())),
            Piece::Literal(_) | Piece::Run | Piece::One => None,
        })
    }

    /// Whether it is `*` alone.
    pub fn is_run(&self) -> bool {
        matches!(&*self.pieces, [Piece::Run])
    }

    /// Whether the subject matches; a template with a null variable matches nothing (C-12).
    pub fn matches(&self, subject: &str, case: Case, context: &dyn ContextSource) -> bool {
        let effort = context.effort();
        if !self.has_variables {
            return self.matches_within(subject, case, effort);
        }
        if !spend(effort, work_of(self.pieces.len(), WORK_OF_VARIABLE)) {
            return false;
        }
        let Some(tokens) = self.tokens(context) else {
            return false;
        };
        glob(|at| tokens.get(at).map(Token::step), subject, case, effort)
    }

    /// Whether the subject, split at its first `count - 1` colons, matches segment by segment. The template is split
    /// likewise once its variables are replaced; a null variable matches nothing (C-12).
    pub fn matches_by_segment(
        &self,
        subject: &str,
        count: usize,
        context: &dyn ContextSource,
    ) -> bool {
        if !spend(
            context.effort(),
            work_of(self.pieces.len(), WORK_OF_VARIABLE),
        ) {
            return false;
        }
        let Some(tokens) = self.tokens(context) else {
            return false;
        };
        let mut segments = Vec::with_capacity(count);
        let mut open = Vec::new();
        for token in &tokens {
            let Step::Literal(mut rest) = token.step() else {
                open.push(token.step());
                continue;
            };
            while segments.len() + 1 < count
                && let Some((before, after)) = rest.split_once(':')
            {
                open.push(Step::Literal(before));
                segments.push(std::mem::take(&mut open));
                rest = after;
            }
            open.push(Step::Literal(rest));
        }
        segments.push(open);
        let mut parts = subject.splitn(count, ':');
        segments.len() == count
            && segments.iter().all(|segment| {
                parts.next().is_some_and(|part| {
                    glob(
                        |at| segment.get(at).copied(),
                        part,
                        Case::Exact,
                        context.effort(),
                    )
                })
            })
    }

    /// The pieces with every variable replaced; `None` if one is null.
    fn tokens<'a>(&'a self, context: &'a dyn ContextSource) -> Option<Vec<Token<'a>>> {
        let replace = |piece: &'a Piece| {
            Some(match piece {
                Piece::Literal(text) => Token::Literal(Cow::Borrowed(&**text)),
                Piece::Run => Token::Run,
                Piece::One => Token::One,
                // C-13: a value stands for itself; wildcards in it are literal.
                Piece::Variable { key, default } => match (value_of(key, context), default) {
                    (Some(value), _) => Token::Literal(value),
                    (None, Some(default)) => Token::Literal(Cow::Borrowed(&**default)),
                    (None, None) => return None,
                },
            })
        };
        self.pieces.iter().map(replace).collect()
    }

    /// [`Self::matches`] for a template that cannot hold variables; one that does matches nothing.
    pub fn matches_plain(&self, subject: &str, case: Case) -> bool {
        self.matches_within(subject, case, None)
    }

    fn matches_within(&self, subject: &str, case: Case, effort: Option<&Effort<'_>>) -> bool {
        match (&*self.pieces, case) {
            ([], _) => subject.is_empty(),
            ([Piece::Run], _) => true,
            ([Piece::Literal(text)], Case::Exact) => **text == *subject,
            ([Piece::Literal(text), Piece::Run], Case::Exact) => subject.starts_with(&**text),
            (pieces, case) => {
                if self.has_variables {
                    return false;
                }
                let view = |at: usize| {
                    pieces.get(at).map(|piece| match piece {
                        Piece::Literal(text) => Step::Literal(text),
                        Piece::Run => Step::Run,
                        Piece::One => Step::One,
                        Piece::Variable { .. } => Step::Never,
                    })
                };
                glob(view, subject, case, effort)
            }
        }
    }
}

enum Token<'a> {
    Literal(Cow<'a, str>),
    Run,
    One,
}

impl Token<'_> {
    fn step(&self) -> Step<'_> {
        match self {
            Self::Literal(text) => Step::Literal(text),
            Self::Run => Step::Run,
            Self::One => Step::One,
        }
    }
}

#[derive(Clone, Copy)]
enum Step<'a> {
    Literal(&'a str),
    Run,
    One,
    Never,
}

/// Splits `key}rest` or `key, 'default'}rest` after `${` at its closing brace. A quoted default may hold a brace.
fn close(text: &str) -> Result<(&str, &str), Fault> {
    let mut quoted = false;
    for (at, c) in text.char_indices() {
        match c {
            '\'' => quoted = !quoted,
            '}' if !quoted => {
                return Ok((
                    text.get(..at).unwrap_or_default(),
                    text.get(at + 1..).unwrap_or_default(),
                ));
            }
            _ => {}
        }
    }
    Err(Fault {
        message: "a policy variable that begins with `${` is not closed with `}`",
    })
}

fn variable(inner: &str) -> Result<Piece, Fault> {
    let (key, default) = match inner.split_once(',') {
        None => (inner.trim(), None),
        Some((key, default)) => {
            let quoted = default
                .trim()
                .strip_prefix('\'')
                .and_then(|d| d.strip_suffix('\''));
            let message = "the default of a policy variable stands in single quotes, as in `${aws:PrincipalTag/team, 'none'}`";
            (key.trim(), Some(quoted.ok_or(Fault { message })?.into()))
        }
    };
    if key.is_empty() || key.contains(['*', '?', '$', '{', '\'']) {
        return Err(Fault {
            message: "a policy variable names one condition key, as in `${aws:username}`",
        });
    }
    Ok(Piece::Variable {
        key: ContextKey::parse(key),
        default,
    })
}

/// The value of a variable: only single-valued keys have one (C-11).
fn value_of<'a>(key: &'a ContextKey, context: &'a dyn ContextSource) -> Option<Cow<'a, str>> {
    match context.get(key)? {
        ContextValue::One(scalar) => Some(scalar.into_text()),
        // Of several spellings one was chosen before (CK-59).
        ContextValue::Many(_) | ContextValue::Spelled(_) => None,
    }
}

/// What a variable costs to be replaced, in units of [`Effort`].
const WORK_OF_VARIABLE: u64 = 5;

/// After so much work a pattern looks whether it may go on: some microseconds.
const WORK_STEP: u64 = 256;

/// To begin a search for a text: more than to look at a few bytes.
const WORK_OF_SEARCH: u64 = 8;

/// How many bytes of text are compared or searched for a unit of work.
const BYTES_OF_WORK: usize = 16;

fn work_of(count: usize, each: u64) -> u64 {
    u64::try_from(count)
        .unwrap_or(u64::MAX)
        .saturating_mul(each)
}

/// Matches greedily and goes back to the last `*`: enough, because all that follows a later `*` is independent of an earlier one.
///
/// The text behind a `*` is searched for, and one that stands last is looked for at the end alone: a pattern of stars and
/// texts takes a time that grows with the two lengths and not with their product. `?` can still make it their product,
/// which is why the work is counted.
fn glob<'a>(
    step: impl Fn(usize) -> Option<Step<'a>>,
    subject: &str,
    case: Case,
    effort: Option<&Effort<'_>>,
) -> bool {
    let mut work = 0;
    let is_match = walk(step, subject, case, effort, &mut work);
    // What does not match has been work, too.
    spend(effort, work) && is_match
}

/// [`glob`], which counts in `work` what it has not spent yet.
fn walk<'a>(
    step: impl Fn(usize) -> Option<Step<'a>>,
    subject: &str,
    case: Case,
    effort: Option<&Effort<'_>>,
    work: &mut u64,
) -> bool {
    let mut at = 0;
    let mut rest = subject;
    let mut back: Option<(usize, &str)> = None;
    loop {
        *work += 1;
        if *work > WORK_STEP && !spend(effort, std::mem::take(work)) {
            return false;
        }
        let next = match step(at) {
            None if rest.is_empty() => break,
            None | Some(Step::Never) => None,
            Some(Step::Run) => {
                at += 1;
                let text = match step(at) {
                    // All that is left.
                    None => break,
                    Some(Step::Literal(text)) if case == Case::Exact => text,
                    Some(Step::Literal(_) | Step::Run | Step::One | Step::Never) => {
                        back = Some((at, rest));
                        continue;
                    }
                };
                if step(at + 1).is_none() {
                    return rest.ends_with(text);
                }
                let Some(found) = search(rest, text, work) else {
                    return false;
                };
                rest = found;
                back = Some((at, rest));
                continue;
            }
            Some(Step::One) => {
                let mut chars = rest.chars();
                chars.next().map(|_| chars.as_str())
            }
            Some(Step::Literal(text)) => strip(rest, text, case),
        };
        if let Some(next) = next {
            at += 1;
            rest = next;
            continue;
        }
        let Some((resume, from)) = back else {
            return false;
        };
        let mut chars = from.chars();
        if chars.next().is_none() {
            return false;
        }
        at = resume;
        rest = chars.as_str();
        if let (Some(Step::Literal(text)), Case::Exact) = (step(resume), case) {
            let Some(found) = search(rest, text, work) else {
                return false;
            };
            rest = found;
        }
        back = Some((resume, rest));
    }
    true
}

/// `subject` from the first place on at which `text` stands in it.
fn search<'t>(subject: &'t str, text: &str, work: &mut u64) -> Option<&'t str> {
    let found = subject.find(text);
    let looked_at = found.unwrap_or(subject.len()).saturating_add(text.len());
    *work += WORK_OF_SEARCH + work_of(looked_at / BYTES_OF_WORK, 1);
    subject.get(found?..)
}

/// What is left of `text` after `prefix`.
fn strip<'t>(text: &'t str, prefix: &str, case: Case) -> Option<&'t str> {
    match case {
        Case::Exact => text.strip_prefix(prefix),
        Case::Folded => {
            let mut rest = text.chars();
            for expected in prefix.chars() {
                if !same_letter(rest.next()?, expected) {
                    return None;
                }
            }
            Some(rest.as_str())
        }
    }
}

fn same_letter(one: char, other: char) -> bool {
    one == other
        || one.eq_ignore_ascii_case(&other)
        || (!one.is_ascii() && one.to_lowercase().eq(other.to_lowercase()))
}

/// Whether two texts are equal but for letter case.
pub(super) fn eq_folded(one: &str, other: &str) -> bool {
    strip(one, other, Case::Folded).is_some_and(str::is_empty)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::policy::context::tests::Context;
    use proptest::prelude::*;

    const LIKE: Syntax = Syntax {
        wildcards: true,
        variables: true,
    };

    fn like(pattern: &str, subject: &str) -> bool {
        Template::parse(pattern, LIKE)
            .unwrap()
            .matches(subject, Case::Exact, &Context::default())
    }

    /// C-3: `*` is any run, the empty one included; `?` is one character.
    #[test]
    fn wildcards_match_runs_and_single_characters() {
        for (pattern, subject) in [
            ("", ""),
            ("*", ""),
            ("*", "abc"),
            ("a*", "a"),
            ("a*c", "abbc"),
            ("a?c", "abc"),
            ("*b*", "abc"),
            ("a*b*c", "a-b-b-c"),
            ("?", "ä"),
            ("**a", "bca"),
            ("*ab", "aab"),
            ("a*a", "aa"),
            ("*?", "x"),
            ("alias/test*", "alias/test"),
        ] {
            assert!(like(pattern, subject), "{pattern} {subject}");
        }
        for (pattern, subject) in [
            ("", "a"),
            ("?", ""),
            ("a*c", "abd"),
            ("a?c", "ac"),
            ("A", "a"),
            ("a*a", "a"),
            ("?", "ab"),
            ("*?", ""),
        ] {
            assert!(!like(pattern, subject), "{pattern} {subject}");
        }
    }

    /// C-11: variables, defaults, escapes.
    #[test]
    fn variables_defaults_and_escapes_are_replaced() {
        let context = Context::default()
            .one("aws:username", "bob")
            .many("aws:TagKeys", &["x"]);
        let matches = |pattern: &str, subject: &str| {
            Template::parse(pattern, LIKE)
                .unwrap()
                .matches(subject, Case::Exact, &context)
        };
        assert!(matches("home/${aws:username}/*", "home/bob/x"));
        assert!(matches("${AWS:UserName}", "bob"));
        assert!(matches(
            "${aws:PrincipalTag/team, 'company-wide'}",
            "company-wide"
        ));
        assert!(matches("${aws:PrincipalTag/team,'a}b'}", "a}b"));
        assert!(matches("${aws:username, 'nobody'}", "bob"));
        assert!(matches("${*}${?}${$}{x}", "*?${x}"));
        assert!(!matches("${*}", "x"));
        assert!(!matches("${aws:PrincipalTag/team}", ""));
        assert!(
            !matches("${aws:TagKeys}", "x"),
            "C-11: a multivalued key has no value here"
        );
        assert!(matches("${aws:TagKeys, 'd'}", "d"));
        assert!(matches("$x{", "$x{"));
    }

    /// C-13, U-17: wildcards in a value are literal.
    #[test]
    fn wildcard_inside_a_value_is_literal() {
        let context = Context::default().one("aws:username", "b*");
        let template = Template::parse("${aws:username}", LIKE).unwrap();
        assert!(template.matches("b*", Case::Exact, &context));
        assert!(!template.matches("bob", Case::Exact, &context));
    }

    /// C-12: null means neither a value nor a default.
    #[test]
    fn variable_without_value_and_default_is_null() {
        let context = Context::default().one("aws:PrincipalTag/empty", "");
        let null = |text: &str| Template::parse(text, LIKE).unwrap().is_null(&context);
        assert!(null("a${aws:username}"));
        assert!(!null("a${aws:username, ''}"));
        assert!(!null("${aws:PrincipalTag/empty}"));
        assert!(!null("${*}"));
    }

    /// P-2: in the 2008 version `${…}` is literal text.
    #[test]
    fn variable_in_the_old_version_is_literal() {
        let old = Syntax {
            wildcards: true,
            variables: false,
        };
        let template = Template::parse("${aws:username}", old).unwrap();
        assert!(template.matches(
            "${aws:username}",
            Case::Exact,
            &Context::default().one("aws:username", "bob")
        ));
    }

    #[test]
    fn malformed_variable_is_refused() {
        for text in [
            "${aws:username",
            "${}",
            "${aws:username, none}",
            "${a*}",
            "${, 'x'}",
            "${aws:${x}}",
        ] {
            assert!(Template::parse(text, LIKE).is_err(), "{text}");
        }
    }

    /// `*` and texts are searched for, not tried place by place: the work grows with the lengths, not with their product.
    #[test]
    fn work_of_stars_grows_with_the_lengths_alone() {
        struct Counted<'a>(Effort<'a>);
        impl ContextSource for Counted<'_> {
            fn get<'a>(&'a self, _: &'a ContextKey) -> Option<ContextValue<'a>> {
                None
            }
            fn effort(&self) -> Option<&Effort<'_>> {
                Some(&self.0)
            }
        }
        let all = |_: u64| u64::MAX;
        let work = |pattern: &str, subject: &str, matches: bool| {
            let context = Counted(Effort::new(&all));
            let template = Template::parse(pattern, LIKE).unwrap();
            assert_eq!(template.matches(subject, Case::Exact, &context), matches);
            context.0.spent()
        };
        let subject = "a".repeat(8_000);
        let stars = format!("{}*b", "*a".repeat(4_000));
        assert!(work(&stars, &subject, false) < 60_000);
        let long = format!("*{}b*c", "a".repeat(4_000));
        assert!(work(&long, &subject, false) < 1_000);
        assert!(work(&format!("*{}", "a".repeat(4_000)), &subject, true) < 1_000);
        // What fails early has been work, too.
        let fails = format!("*{}b", "a*".repeat(50));
        assert!(work(&fails, &"a".repeat(4_000), false) > 400);
        let absent = "*b*c";
        assert!(work(absent, &subject, false) > 400);
        // Where it is the product of the lengths, it is counted, and it is cut.
        let ones = format!("*{}b", "?a".repeat(1_000));
        assert!(work(&ones, &subject, false) > 1_000_000);
        let some = |spent: u64| if spent < 10_000 { 1_000 } else { 0 };
        let context = Counted(Effort::new(&some));
        assert!(
            !Template::parse(&ones, LIKE)
                .unwrap()
                .matches(&subject, Case::Exact, &context)
        );
        assert!(context.0.is_cut() && context.0.spent() < 20_000);
    }

    /// Whether a pattern matches, one place after the other.
    fn slowly(pattern: &[char], subject: &[char]) -> bool {
        match (pattern, subject) {
            ([], subject) => subject.is_empty(),
            (['*', rest @ ..], subject) => {
                (0..=subject.len()).any(|from| slowly(rest, &subject[from..]))
            }
            (['?', rest @ ..], [_, left @ ..]) => slowly(rest, left),
            ([own, rest @ ..], [other, left @ ..]) => own == other && slowly(rest, left),
            (_, []) => false,
        }
    }

    proptest! {
        #[test]
        fn pattern_matches_what_it_matches_place_by_place(
            pattern in "[ab\u{e4}*?]{0,10}",
            subject in "[ab\u{e4}]{0,12}",
        ) {
            let chars = |text: &str| text.chars().collect::<Vec<_>>();
            prop_assert_eq!(like(&pattern, &subject), slowly(&chars(&pattern), &chars(&subject)));
        }
    }

    proptest! {
        #[test]
        fn glob_agrees_with_the_definition(pattern in "[ab*?]{0,8}", subject in "[ab]{0,8}") {
            fn naive(p: &[u8], s: &[u8]) -> bool {
                match p.split_first() {
                    None => s.is_empty(),
                    Some((b'*', p)) => (0..=s.len()).any(|n| naive(p, &s[n..])),
                    Some((b'?', p)) => !s.is_empty() && naive(p, &s[1..]),
                    Some((c, p)) => s.first() == Some(c) && naive(p, &s[1..]),
                }
            }
            prop_assert_eq!(like(&pattern, &subject), naive(pattern.as_bytes(), subject.as_bytes()));
        }

        #[test]
        fn any_text_is_taken_apart_without_panic(text in "\\PC{0,40}", subject in "\\PC{0,10}") {
            if let Ok(template) = Template::parse(&text, LIKE) {
                let _ = template.matches(&subject, Case::Folded, &Context::default());
            }
        }
    }
}
