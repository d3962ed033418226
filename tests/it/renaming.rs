//! An answer rests on what the texts say, not on what they are called or in which order they stand: the published
//! decisions and cases come out the same after every account, principal and key is renamed, and after statements, lists
//! and members are shuffled.
//!
//! A renaming is a permutation of the digits of accounts, of the digits of key ids, and of the letters of names, so that
//! equal texts stay equal, different ones different, and the beginning that a pattern names stays a beginning.
//!
//! `GRANTD_RENAMINGS=10 cargo test --test it renaming` tries as many of each.

use std::collections::BTreeMap;

use grantd::cli::casefile::{Ended, read_case, run};
use grantd::cli::decide::decide_lines;
use serde_json::{Map, Value};

use crate::cases_state::cases;

/// How many seeds are tried.
fn seeds(at_least: u64) -> std::ops::RangeInclusive<u64> {
    let asked = std::env::var("GRANTD_RENAMINGS")
        .ok()
        .and_then(|text| text.parse().ok());
    1..=asked.unwrap_or(at_least)
}

/// Seeded choices (SplitMix64).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % below as u64) as usize
    }

    fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            let other = self.roll(last + 1);
            items.swap(last, other);
        }
    }

    fn permutation(&mut self, of: &str) -> BTreeMap<char, char> {
        let from: Vec<char> = of.chars().collect();
        let mut to = from.clone();
        self.shuffle(&mut to);
        from.into_iter().zip(to).collect()
    }
}

/// What the letters and digits of each kind of name become.
struct Renaming {
    account: BTreeMap<char, char>,
    key: BTreeMap<char, char>,
    name: BTreeMap<char, char>,
    /// A text that compares names with something else by a variable keeps its names.
    keeps_names: bool,
}

/// A text with its letters replaced; policy variables stay what they are.
fn map(by: &BTreeMap<char, char>, text: &str) -> String {
    let mut in_variable = false;
    let mut last = ' ';
    let mut change = |c: char| {
        in_variable = (in_variable && last != '}') || (last == '$' && c == '{');
        last = c;
        if in_variable {
            c
        } else {
            by.get(&c).copied().unwrap_or(c)
        }
    };
    text.chars().map(&mut change).collect()
}

impl Renaming {
    fn new(dice: &mut Dice) -> Self {
        let letters = dice.permutation("abcdefghijklmnopqrstuvwxyz");
        let upper = letters
            .iter()
            .map(|(from, to)| (from.to_ascii_uppercase(), to.to_ascii_uppercase()));
        Self {
            account: dice.permutation("0123456789"),
            key: dice.permutation("0123456789abcdef"),
            name: letters.clone().into_iter().chain(upper).collect(),
            keeps_names: false,
        }
    }

    fn text(&self, text: &str) -> String {
        // A pattern for accounts.
        let digits = text.bytes().filter(u8::is_ascii_digit).count();
        let wildcards = text.bytes().filter(|b| matches!(b, b'*' | b'?')).count();
        if digits >= 5 && wildcards > 0 && digits + wildcards == text.len() {
            return map(&self.account, text);
        }
        let mut renamed = String::new();
        let mut rest = text;
        while !rest.is_empty() {
            let length = if rest.starts_with("arn:") {
                let end = rest.find(|c: char| c.is_whitespace() || "\"'\\,".contains(c));
                let (arn, _) = rest.split_at(end.unwrap_or(rest.len()));
                renamed.push_str(&self.arn(arn));
                arn.len()
            } else {
                let length = rest
                    .find(|c: char| !c.is_ascii_alphanumeric() && c != '-')
                    .unwrap_or(rest.len());
                let (word, _) = rest.split_at(length);
                renamed.push_str(&self.word(word));
                let next = rest[length..].chars().next();
                renamed.extend(next);
                length + next.map_or(0, char::len_utf8)
            };
            rest = &rest[length..];
        }
        renamed
    }

    /// A word outside an ARN: an account, a key id, or something else that stays.
    fn word(&self, word: &str) -> String {
        let is_digits = |word: &str| word.bytes().all(|b| b.is_ascii_digit());
        let is_hex = |word: &str| {
            word.bytes()
                .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
        };
        let groups: Vec<&str> = word.split('-').collect();
        let lengths: Vec<usize> = groups.iter().map(|group| group.len()).collect();
        if word.len() == 12 && is_digits(word) {
            map(&self.account, word)
        } else if lengths == [8, 4, 4, 4, 12] && groups.iter().all(|group| is_hex(group)) {
            map(&self.key, word)
        } else if let Some(digits) = word.strip_prefix("mrk-")
            && digits.len() == 32
            && is_hex(digits)
        {
            format!("mrk-{}", map(&self.key, digits))
        } else {
            word.to_owned()
        }
    }

    fn arn(&self, arn: &str) -> String {
        let mut parts: Vec<String> = arn.splitn(6, ':').map(str::to_owned).collect();
        if parts.len() < 6 {
            return parts
                .iter()
                .map(|part| self.word(part))
                .collect::<Vec<_>>()
                .join(":");
        }
        parts[4] = map(&self.account, &parts[4]);
        let tail = &parts[5];
        let renamed = match (parts[2].as_str(), tail.split_once('/')) {
            // D-3 looks at this path.
            (_, Some(("role", name))) if name.starts_with("aws-service-role/") => tail.clone(),
            ("kms", Some(("key", id))) => match id.strip_prefix("mrk-") {
                Some(digits) => format!("key/mrk-{}", map(&self.key, digits)),
                None => format!("key/{}", map(&self.key, id)),
            },
            ("iam" | "sts", Some((kind, name))) if !self.keeps_names && !name.contains("${") => {
                format!("{kind}/{}", map(&self.name, name))
            }
            _ => tail.clone(),
        };
        parts[5] = renamed;
        parts.join(":")
    }

    fn value(&self, value: &Value) -> Value {
        match value {
            Value::String(text) => Value::String(self.text(text)),
            Value::Array(items) => items.iter().map(|item| self.value(item)).collect(),
            Value::Object(members) => Value::Object(
                members
                    .iter()
                    .map(|(name, value)| (self.text(name), self.value(value)))
                    .collect(),
            ),
            Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
        }
    }
}

/// Shuffles every object, and every list of which `may` says that its order means nothing.
fn shuffled(value: &Value, dice: &mut Dice, may: bool) -> Value {
    const SETS: [&str; 15] = [
        "Statement",
        "Principal",
        "NotPrincipal",
        "Action",
        "NotAction",
        "Resource",
        "NotResource",
        "Condition",
        "Operations",
        "identity_policies",
        "group_policies",
        "scps",
        "rcps",
        "aliases",
        "policies",
    ];
    match value {
        Value::Array(items) => {
            let mut items: Vec<Value> =
                items.iter().map(|item| shuffled(item, dice, may)).collect();
            if may {
                dice.shuffle(&mut items);
            }
            Value::Array(items)
        }
        Value::Object(members) => {
            let mut members: Vec<(String, Value)> = members
                .iter()
                .map(|(name, value)| {
                    let may = may || SETS.contains(&name.as_str());
                    (name.clone(), shuffled(value, dice, may))
                })
                .collect();
            dice.shuffle(&mut members);
            Value::Object(Map::from_iter(members))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value.clone(),
    }
}

fn decisions(lines: &[Value]) -> Vec<(String, String)> {
    let input: String = lines.iter().map(|line| format!("{line}\n")).collect();
    let mut output = Vec::new();
    decide_lines(input.as_bytes(), &mut output).unwrap();
    String::from_utf8(output)
        .unwrap()
        .lines()
        .map(|line| {
            let answer: Value = serde_json::from_str(line).unwrap();
            (answer["id"].to_string(), answer["decision"].to_string())
        })
        .collect()
}

/// Issue 3, item 1: the 2,737 decisions, renamed and shuffled with several seeds.
#[test]
fn decisions_do_not_depend_on_names_and_order() {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/decisions/decisions.jsonl"
    );
    let lines: Vec<Value> = std::fs::read_to_string(path)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let expected: Vec<(String, String)> = lines
        .iter()
        .map(|line| (line["id"].to_string(), line["expect"].to_string()))
        .collect();
    assert_eq!(expected.len(), 2_737);
    for seed in seeds(2) {
        let mut dice = Dice(seed);
        let renaming = Renaming::new(&mut dice);
        let changed: Vec<Value> = lines
            .iter()
            .map(|line| shuffled(&renaming.value(line), &mut dice, false))
            .collect();
        let renamed = changed
            .iter()
            .zip(&lines)
            .filter(|(one, other)| one["request"]["principal"] != other["request"]["principal"]);
        assert!(renamed.count() > 2_500, "the renaming renames");
        let differ: Vec<String> = decisions(&changed)
            .into_iter()
            .zip(&expected)
            .zip(&changed)
            .filter(|((got, expected), _)| got != *expected)
            .map(|((got, expected), line)| format!("{got:?}, expected {expected:?}: {line}"))
            .collect();
        assert!(
            differ.is_empty(),
            "seed {seed}: {} differ, first {}",
            differ.len(),
            differ[0]
        );
    }
}

/// The decisions of our own, shuffled. They compare names with variables and with parts of names, and keep them.
#[test]
fn decisions_of_our_own_do_not_depend_on_order() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/decisions-own.jsonl");
    let text = std::fs::read_to_string(path).unwrap();
    let mut dice = Dice(1);
    let (mut shuffled_lines, mut expected) = (Vec::new(), Vec::new());
    for line in text.lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        expected.push((line["id"].to_string(), line["expect"].to_string()));
        shuffled_lines.push(shuffled(&line, &mut dice, false));
    }
    assert_eq!(decisions(&shuffled_lines), expected);
}

/// Issue 3, item 1: the cases, all renamed, and shuffled where their order means nothing. A case that this version cannot
/// run is not run here either.
#[test]
fn cases_do_not_depend_on_names_and_order() {
    let ends = |case: &Value| match read_case(case).map(|case| run(&case)) {
        Ok(Ended::Passed) => Ok(true),
        Ok(Ended::Failed(difference)) => Err(format!("{difference:?}")),
        Ok(Ended::Broken(_)) => Ok(false),
        Err(problem) => Err(problem.to_string()),
    };
    let all = cases();
    assert_eq!(all.len(), 410);
    let mut differ = Vec::new();
    let mut passed = 0;
    for (at, case) in all.iter().enumerate() {
        if ends(case) != Ok(true) {
            continue;
        }
        passed += 1;
        for seed in seeds(1) {
            let mut dice = Dice(seed * 1_000 + at as u64);
            let mut renaming = Renaming::new(&mut dice);
            let text = case.to_string();
            renaming.keeps_names = ["aws:username", "aws:userid"]
                .iter()
                .any(|name| text.contains(name));
            let mut changed = renaming.value(case);
            changed["id"] = case["id"].clone();
            let mut versions = vec![changed.clone()];
            if case["kind"] == "authz" {
                // Which of several statements is named depends on their order; what is decided does not.
                if let Some(expected) = changed["expected"].as_object_mut() {
                    expected.remove("decided_by");
                    expected.remove("message");
                }
                versions.push(shuffled(&changed, &mut dice, false));
            }
            for version in versions {
                match ends(&version) {
                    Ok(true) => {}
                    other => {
                        differ.push(format!("{} seed {seed}: {other:?}\n{version}", case["id"]))
                    }
                }
            }
        }
    }
    assert!(passed > 300, "{passed} cases can be run");
    assert!(
        differ.is_empty(),
        "{} differ:\n{}",
        differ.len(),
        differ.join("\n")
    );
}
