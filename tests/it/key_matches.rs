//! No `_ =>` over condition keys: a key that is added to the table is decided about wherever keys are told apart, or the
//! build breaks. Looked for in the text, for clippy knows such a rule of every enum or of none.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use super::house::{root, rust_files};

/// The types of condition keys, and what a row of the table says that a key tells of.
const TYPES: [&str; 3] = ["KnownKey", "ContextKey", "Says"];

/// Code without comments, its texts and characters empty: what brackets, commas and arrows are left are code's.
fn bare(code: &str) -> String {
    let chars: Vec<char> = code.chars().collect();
    let at = |n: usize| chars.get(n).copied().unwrap_or_default();
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let (mut bare, mut n) = (String::new(), 0);
    while n < chars.len() {
        let begins = n == 0 || !is_word(at(n - 1));
        let hashes = (n + 1..).take_while(|n| at(*n) == '#').count();
        if at(n) == '/' && at(n + 1) == '/' {
            while n < chars.len() && at(n) != '\n' {
                n += 1;
            }
        } else if at(n) == 'r' && begins && at(n + 1 + hashes) == '"' {
            let ends = |n: usize| at(n) == '"' && (1..=hashes).all(|m| at(n + m) == '#');
            n += 2 + hashes;
            while n < chars.len() && !ends(n) {
                n += 1;
            }
            n += 1 + hashes;
        } else if at(n) == '"' || at(n) == '\'' && (at(n + 1) == '\\' || at(n + 2) == '\'') {
            let quote = at(n);
            n += 1;
            while n < chars.len() && at(n) != quote {
                n += if at(n) == '\\' { 2 } else { 1 };
            }
            n += 1;
        } else {
            bare.push(at(n));
            n += 1;
        }
    }
    bare
}

/// The product's code of a file: up to its tests.
fn product(code: &str) -> &str {
    let tests = code.find("#[cfg(test)]\nmod ");
    let tests = tests.or_else(|| code.find("#[cfg(test)]\npub(super) mod tests {"));
    tests.map_or(code, |at| &code[..at])
}

/// The parts of `code` between `separator` where no bracket is open, up to a bracket that closes what is around it.
fn split<'a>(code: &'a str, separator: &str) -> Vec<&'a str> {
    let (mut depth, mut from, mut parts) = (0usize, 0, Vec::new());
    for (at, c) in code.char_indices() {
        match c {
            _ if depth == 0 && at >= from && code[at..].starts_with(separator) => {
                parts.push(&code[from..at]);
                from = at + separator.len();
            }
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' if depth == 0 => {
                parts.push(&code[from..at]);
                return parts;
            }
            ')' | ']' | '}' => depth -= 1,
            _ => {}
        }
    }
    parts.push(&code[from..]);
    parts
}

/// Up to the first `separator` where no bracket is open, or to the end of what is around it.
fn until<'a>(code: &'a str, separator: &str) -> &'a str {
    split(code, separator)[0]
}

/// What follows `word` wherever it stands.
fn behind<'a>(code: &'a str, word: &'a str) -> impl Iterator<Item = &'a str> {
    code.match_indices(word).filter_map(move |(at, _)| {
        let before = code[..at].chars().next_back();
        let is_word = before.is_some_and(|c| c.is_alphanumeric() || c == '_');
        (!is_word).then(|| &code[at + word.len()..])
    })
}

/// The patterns of the arms, and what stands behind the arms.
fn arms(mut code: &str) -> Vec<&str> {
    let mut found = Vec::new();
    loop {
        let pattern = until(code, "=>");
        let Some(body) = code[pattern.len()..].strip_prefix("=>") else {
            return found;
        };
        found.push(pattern.trim());
        let body = body.trim_start();
        let rest = match body.strip_prefix('{') {
            Some(block) => &block[until(block, "}").len() + 1..],
            None => &body[until(body, ",").len()..],
        };
        code = rest.trim_start().trim_start_matches(',');
    }
}

/// What a pattern says at one place in what is matched.
#[derive(Default)]
struct Place {
    /// The keys that it names there.
    keys: usize,
    /// Whether it takes whatever is there.
    takes_all: bool,
}

/// Reads what a pattern says, place by place: `Some(` and the like lead to a place of their own, as do the members of a tuple.
fn read(pattern: &str, types: &BTreeSet<&str>, at: &str, places: &mut BTreeMap<String, Place>) {
    for alternative in split(pattern, "|") {
        let pattern = alternative.trim().trim_start_matches(['&', ' ']);
        let head = pattern.split(['(', '[', '{']).next().unwrap().trim();
        let rest = pattern[head.len()..].trim_start();
        let mut path = head.rsplit("::");
        let (name, of) = (path.next().unwrap(), path.next().unwrap_or_default());
        if !of.is_empty() && types.contains(of) {
            places.entry(at.to_owned()).or_default().keys += 1;
        }
        let bound = name.trim_start_matches("ref ").trim_start_matches("mut ");
        let is_name = !bound.is_empty()
            && bound
                .chars()
                .all(|c| c.is_lowercase() || c.is_numeric() || c == '_')
            && !matches!(bound, "true" | "false");
        if of.is_empty() && rest.is_empty() && is_name {
            places.entry(at.to_owned()).or_default().takes_all = true;
        }
        let Some(inner) = rest.strip_prefix(['(', '[', '{']) else {
            continue;
        };
        for (n, member) in split(inner, ",").into_iter().enumerate() {
            // Of a structure: `name: pattern`.
            let named = member.split_once(": ").filter(|_| rest.starts_with('{'));
            let (member_name, member) = named.map_or((n.to_string(), member), |(name, pattern)| {
                (name.trim().to_owned(), pattern)
            });
            read(member, types, &format!("{at}/{name}.{member_name}"), places);
        }
    }
}

/// A pattern without its guard, and whether it has one.
fn without_guard(pattern: &str) -> (&str, bool) {
    let bare = until(pattern, " if ");
    (bare, bare.len() < pattern.len())
}

/// The matches over condition keys that say nothing of some: by an arm that takes whatever is left, or because several keys
/// are told from the rest by a `matches!` or a `let`, where the rest has no arm at all. One key may be asked for alone.
fn faults(code: &str) -> Vec<String> {
    let mut types: BTreeSet<&str> = TYPES.into();
    let aliases = TYPES.map(|name| format!("use {name} as "));
    for alias in &aliases {
        types.extend(code.split(alias.as_str()).skip(1).map(|rest| {
            let end = rest.find(|c: char| !c.is_alphanumeric());
            &rest[..end.unwrap_or(rest.len())]
        }));
    }
    if TYPES
        .iter()
        .any(|name| code.contains(&format!("impl {name} {{")))
    {
        types.insert("Self");
    }
    let mut faults = Vec::new();
    for rest in behind(code, "match ") {
        let asked = until(rest, "{");
        let Some(body) = rest[asked.len()..].strip_prefix('{') else {
            continue;
        };
        let (mut named, mut taken) = (BTreeSet::new(), Vec::new());
        for arm in arms(body) {
            let (pattern, is_guarded) = without_guard(arm);
            let mut places = BTreeMap::new();
            read(pattern, &types, "", &mut places);
            for (place, said) in places {
                if said.keys > 0 {
                    named.insert(place.clone());
                }
                if said.takes_all && !is_guarded {
                    taken.push((place, arm));
                }
            }
        }
        for (place, arm) in taken {
            let is_over = |key: &String| *key == place || key.starts_with(&format!("{place}/"));
            if named.iter().any(is_over) {
                faults.push(format!("match {}: `{arm} =>`", asked.trim()));
            }
        }
    }
    let asked = behind(code, "matches!(").filter_map(|rest| split(rest, ",").get(1).copied());
    let lets = behind(code, "let ").map(|rest| until(until(rest, ";"), " = "));
    for pattern in asked.chain(lets) {
        let (pattern, _) = without_guard(pattern);
        let mut places = BTreeMap::new();
        read(pattern, &types, "", &mut places);
        if places.values().any(|said| said.keys > 1) {
            let words: Vec<&str> = pattern.split_whitespace().collect();
            faults.push(format!("several keys and no other: `{}`", words.join(" ")));
        }
    }
    faults
}

/// The files of `src` that are compiled for tests alone.
fn of_tests(files: &[PathBuf]) -> BTreeSet<PathBuf> {
    let mut found = BTreeSet::new();
    for file in files {
        let code = fs::read_to_string(file).unwrap();
        let folder = match file.file_stem().and_then(|name| name.to_str()) {
            Some("mod" | "lib") => file.parent().unwrap().to_owned(),
            _ => file.with_extension(""),
        };
        for declared in code.split("#[cfg(test)]\n").skip(1) {
            let line = declared.lines().next().unwrap();
            if let Some((_, name)) = line.trim_end_matches(';').split_once("mod ") {
                found.insert(folder.join(format!("{name}.rs")));
            }
        }
    }
    found
}

#[test]
fn every_match_over_condition_keys_says_something_of_each() {
    let src = root().join("src");
    let files = rust_files(&src);
    let tests = of_tests(&files);
    assert!(tests.len() > 10, "{tests:?}");
    let mut found = Vec::new();
    let mut looked_at = 0;
    for file in files.iter().filter(|file| !tests.contains(*file)) {
        let code = fs::read_to_string(file).unwrap();
        let code = bare(product(&code));
        if !TYPES.iter().any(|name| code.contains(name)) {
            continue;
        }
        looked_at += 1;
        let name = file.strip_prefix(root()).unwrap_or(Path::new(""));
        found.extend(
            faults(&code)
                .into_iter()
                .map(|fault| format!("{}: {fault}", name.display())),
        );
    }
    assert!(looked_at > 20, "{looked_at}");
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn scanner_sees_keys_that_are_left_out() {
    let seen = |code: &str| faults(&bare(code)).len();
    for code in [
        "match key { KnownKey::A => 1, _ => 2 }",
        "match key { KnownKey::A => { f(\"}\"); }\n other => g(other), }",
        "match key { x if x.is() => { 1 } KnownKey::A | KnownKey::B => { match y { 1 => 2, _ => 3 } } _ => {} }",
        "match (a, key) { (1, ContextKey::Pcr(_)) => 1, (_, _) => 2 }",
        "match found { Some(ContextKey::Known(KnownKey::A)) => 1, Some(_) => 2, None => 3 }",
        "match key { ContextKey::Known(KnownKey::A) => 1, ContextKey::Known(_) => 2, ContextKey::Other(name) => 3 }",
        "use KnownKey as K; match key { K::A => 1, _ => 2 }",
        "impl ContextKey { fn f(&self) { match (a, self) { (1, Self::Other(name)) => 1, (2, _) => 2 } } }",
        "match ask { Ask { key: KnownKey::A, .. } => 1, Ask { key: other, .. } => 2 }",
        "let ContextKey::Known(known) = key else { return; }; matches!(known, KnownKey::A | KnownKey::B)",
        "if matches!(key, ContextKey::Pcr(_) | ContextKey::Known(KnownKey::A)) {}",
        "if let ContextKey::Known(KnownKey::A | KnownKey::B) = key { f() }",
    ] {
        assert_eq!(seen(code), 1, "{code}");
    }
    for code in [
        "match key { KnownKey::A => 1, KnownKey::B | KnownKey::C => match other { 1 => 2, _ => 3 } }",
        "match key { ContextKey::Known(known) => f(known), ContextKey::Other(_) | ContextKey::Pcr(_) => 2 }",
        "match text { \"KnownKey::A =>\" => KnownKey::A, _ => KnownKey::B }",
        "match action { Action::A => Some(KnownKey::A), _ => None } // match key { KnownKey::A => 1, _ => 2 }",
        "if matches!(key, ContextKey::Known(KnownKey::A)) || key == KnownKey::B {}",
        "if let ContextKey::Other(name) = key { f(name) }",
        "match x { 1 => '{', _ => '\\'' }; matches!(c, 'a' | 'b')",
    ] {
        assert_eq!(seen(code), 0, "{code}: {:?}", faults(&bare(code)));
    }
}
