//! `docs/commands.md`: each of its lines is run, and its answers are those of the page.

use std::fs;
use std::path::Path;

use crate::support::process::{GRANTD, Process, text};

/// A command of the page and where its answer stands.
struct Line {
    command: String,
    /// The index of its line in the page.
    at: usize,
}

/// What the page holds: its commands, and its lines without the answers.
fn read(page: &str) -> (Vec<Line>, Vec<String>) {
    let (mut commands, mut kept) = (Vec::new(), Vec::new());
    let mut is_console = false;
    for line in page.lines() {
        if line.starts_with("```") {
            is_console = line == "```console";
        }
        match line.strip_prefix("$ ") {
            Some(command) if is_console => commands.push(Line {
                command: command.to_owned(),
                at: kept.len(),
            }),
            // An answer.
            None if is_console && !line.starts_with("```") => continue,
            Some(_) | None => {}
        }
        kept.push(line.to_owned());
    }
    (commands, kept)
}

/// `NAME=` at the beginning of a command.
fn assigned(command: &str) -> Option<&str> {
    let (name, _) = command.split_once('=')?;
    let is_name = name.bytes().all(|b| b.is_ascii_uppercase() || b == b'_');
    (is_name && !name.is_empty()).then_some(name)
}

/// An answer as the page shows it.
fn shown(answer: &str, variables: &[(String, String)]) -> Vec<String> {
    let mut answer = answer.to_owned();
    for (name, value) in variables.iter().filter(|(_, value)| !value.is_empty()) {
        answer = answer.replace(value, &format!("${name}"));
        // The id alone, of an ARN.
        if let Some((_, id)) = value.split_once(":key/") {
            answer = answer.replace(id, &format!("${{{name}##*/}}"));
        }
    }
    let lines = answer
        .lines()
        .filter(|line| !line.starts_with("(revision "));
    lines
        .map(|line| times(line).trim_end().to_owned())
        .map(|line| {
            if line.starts_with("$ ") {
                format!(" {line}")
            } else {
                line
            }
        })
        .collect()
}

/// A line with its instants as `TIME` and its drawn immutable ids as `UNIQUE_ID`.
fn times(line: &str) -> String {
    let words = line.split_inclusive(' ').map(|word| {
        let bare = word.trim_end_matches([' ', ',', ':']);
        let is_time = bare.len() == 20 && bare.ends_with('Z') && bare.as_bytes()[10] == b'T';
        let is_unique =
            bare.len() == 20 && ["AIDA", "AROA", "AGPA"].iter().any(|p| bare.starts_with(p));
        match (is_time && !bare.starts_with("2126"), is_unique) {
            (true, _) => word.replace(bare, "TIME"),
            (_, true) => word.replace(bare, "UNIQUE_ID"),
            _ => word.to_owned(),
        }
    });
    words.collect()
}

/// The page is what a reader sees who pastes its lines.
#[test]
fn page_of_commands_answers_as_it_says() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/commands.md");
    let page = fs::read_to_string(&path).unwrap();
    let (commands, kept) = read(&page);
    assert!(commands.len() > 40, "{}", commands.len());

    let folder = tempfile::tempdir().unwrap();
    let dev = Process::start(folder.path(), "dev", &["dev", "--port", "0"]);
    // A busy machine may take its time: no answer depends on it.
    let mut script = "grantd() { command grantd --deadline 60s \"$@\"; }\n".to_owned();
    for (n, line) in commands.iter().enumerate() {
        script.push_str(&format!("{{ {}\n}} > {n}.answer 2>&1\n", line.command));
    }
    for name in commands.iter().filter_map(|line| assigned(&line.command)) {
        script.push_str(&format!("printf %s \"${name}\" > {name}.variable\n"));
    }
    let bin = Path::new(GRANTD).parent().unwrap().to_owned();
    let path_of_old = std::env::var_os("PATH").unwrap();
    let search = std::iter::once(bin).chain(std::env::split_paths(&path_of_old));
    let mut bash = std::process::Command::new("bash");
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("GRANTD_")) {
        bash.env_remove(name);
    }
    let output = bash
        .args(["-c", &script])
        .current_dir(folder.path())
        .env("PATH", std::env::join_paths(search).unwrap())
        .env("GRANTD_ENDPOINT", dev.endpoints().join(","))
        .env("GRANTD_OUTPUT", "table")
        .env("GRANTD_AS", "arn:aws:iam::111122223333:root")
        .output()
        .unwrap();
    assert!(output.stderr.is_empty(), "{}", text(&output.stderr));

    let value = |name: &str| fs::read_to_string(folder.path().join(format!("{name}.variable")));
    let mut variables: Vec<(String, String)> = commands
        .iter()
        .filter_map(|line| assigned(&line.command))
        .map(|name| (name.to_owned(), value(name).unwrap()))
        .collect();
    // What another contains comes after it.
    variables.sort_by_key(|(_, value)| std::cmp::Reverse(value.len()));
    for (name, value) in &variables {
        assert!(!value.is_empty(), "{name} is empty");
    }
    let mut told = String::new();
    let mut next = commands.iter().enumerate().peekable();
    for (at, line) in kept.iter().enumerate() {
        told.push_str(line);
        told.push('\n');
        while let Some((n, _)) = next.next_if(|(_, command)| command.at == at) {
            let answer = fs::read_to_string(folder.path().join(format!("{n}.answer"))).unwrap();
            for line in shown(&answer, &variables) {
                told.push_str(&line);
                told.push('\n');
            }
        }
    }
    if std::env::var_os("GRANTD_BLESS").is_some() {
        fs::write(&path, &told).unwrap();
        return;
    }
    assert!(
        told == page,
        "docs/commands.md does not say what its commands answer; GRANTD_BLESS=1 writes it anew:\n{told}"
    );
}
