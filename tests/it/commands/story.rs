//! Runs commands, notes which they are, and tells which were left out.

use std::collections::BTreeSet;
use std::io::Write;
use std::process::{Output, Stdio};

use clap::{Command, CommandFactory};
use serde_json::Value;

use crate::support::process::{Process, grantd, text};

/// A cluster of processes, and what was done with it.
pub struct Story {
    folder: tempfile::TempDir,
    nodes: Vec<Process>,
    endpoints: Vec<String>,
    used: BTreeSet<String>,
}

impl Story {
    pub fn begin() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            nodes: Vec::new(),
            endpoints: Vec::new(),
            used: BTreeSet::new(),
        }
    }

    /// A path in the story's folder.
    pub fn path(&self, name: &str) -> String {
        self.folder.path().join(name).to_str().unwrap().to_owned()
    }

    /// A file in the story's folder.
    pub fn file(&self, name: &str, content: &str) -> String {
        let path = self.path(name);
        std::fs::write(&path, content).unwrap();
        path
    }

    /// Starts a long-running command.
    pub fn start(&mut self, name: &str, args: &[&str]) -> Vec<String> {
        self.note(args);
        let process = Process::start(self.folder.path(), name, args);
        let endpoints = process.endpoints();
        self.nodes.push(process);
        endpoints
    }

    /// Starts a node that later commands are sent to.
    pub fn serve(&mut self, name: &str, args: &[&str]) {
        let endpoints = self.start(name, args);
        self.endpoints.extend(endpoints);
    }

    pub fn endpoints(&self) -> &[String] {
        &self.endpoints
    }

    /// Runs a command with something on standard input; how it ended is the caller's business.
    #[track_caller]
    pub fn run(&mut self, at: &str, caller: &str, args: &[&str], input: &str) -> Output {
        self.note(args);
        let mut command = grantd(args.iter().copied());
        command.args(["--endpoint", at, "--as", caller]);
        if !args.contains(&"--deadline") {
            command.args(["--deadline", "60s"]);
        }
        if !args.contains(&"--output") && !args.contains(&"--print") {
            command.args(["--output", "json"]);
        }
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        // A command that does not read its input may have ended already.
        let _ = stdin.write_all(input.as_bytes());
        drop(stdin);
        child.wait_with_output().unwrap()
    }

    #[track_caller]
    fn ends(&mut self, at: &str, caller: &str, args: &[&str], code: i32) -> Output {
        let output = self.run(at, caller, args, "");
        let said = format!("{}{}", text(&output.stdout), text(&output.stderr));
        assert_eq!(output.status.code(), Some(code), "{args:?}: {said}");
        assert!(!said.contains("panicked"), "{args:?}: {said}");
        output
    }

    /// Wrong or refused; never unavailable, and never unknown.
    #[track_caller]
    fn ends_badly(&mut self, at: &str, caller: &str, args: &[&str]) -> Output {
        let output = self.run(at, caller, args, "");
        let said = format!("{}{}", text(&output.stdout), text(&output.stderr));
        let code = output.status.code();
        assert!(matches!(code, Some(2 | 3)), "{args:?}: {code:?}: {said}");
        assert!(!said.contains("panicked"), "{args:?}: {said}");
        output
    }

    fn anywhere(&self) -> String {
        self.endpoints.join(",")
    }

    /// The answer of a command that does what it is told.
    #[track_caller]
    pub fn ok(&mut self, caller: &str, args: &[&str]) -> Value {
        self.exits(caller, args, 0)
    }

    /// The answer of a command that ends with an exit code.
    #[track_caller]
    pub fn exits(&mut self, caller: &str, args: &[&str], code: i32) -> Value {
        let at = self.anywhere();
        let output = self.ends(&at, caller, args, code);
        serde_json::from_slice(&output.stdout).unwrap_or_else(|e| {
            panic!("{args:?}: {e}: {}", text(&output.stdout));
        })
    }

    /// What a command prints that does not print JSON.
    #[track_caller]
    pub fn text(&mut self, caller: &str, args: &[&str]) -> String {
        let at = self.anywhere();
        let at = if at.is_empty() { "127.0.0.1:1" } else { &at }.to_owned();
        text(&self.ends(&at, caller, args, 0).stdout)
    }

    /// One member of an answer.
    #[track_caller]
    pub fn member(&mut self, caller: &str, args: &[&str], member: &str) -> String {
        let mut args = args.to_vec();
        args.extend(["--print", member]);
        self.text(caller, &args).trim_end().to_owned()
    }

    /// What a command says that is refused.
    #[track_caller]
    pub fn fails(&mut self, caller: &str, args: &[&str]) -> String {
        let at = self.anywhere();
        let at = if at.is_empty() { "127.0.0.1:1" } else { &at }.to_owned();
        text(&self.ends_badly(&at, caller, args).stderr)
    }

    /// The answer of one node to the operator.
    #[track_caller]
    pub fn ok_at(&mut self, at: &str, args: &[&str]) -> Value {
        let output = self.ends(at, super::OPERATOR, args, 0);
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// What one node says to the operator when it refuses.
    #[track_caller]
    pub fn fails_at(&mut self, at: &str, args: &[&str]) -> String {
        text(&self.ends_badly(at, super::OPERATOR, args).stderr)
    }

    /// What the cluster decides: exit code 0 or 1, and the answer.
    #[track_caller]
    pub fn may(&mut self, principal: &str, action: &str, key: &str, more: &[&str]) -> bool {
        let mut args = vec![
            "authorize",
            "--principal",
            principal,
            "--action",
            action,
            "--key",
            key,
        ];
        args.extend(more);
        let at = self.anywhere();
        let output = self.run(&at, super::OPERATOR, &args, "");
        match output.status.code() {
            Some(0) => true,
            Some(1) => false,
            other => panic!("{args:?}: {other:?}: {}", text(&output.stderr)),
        }
    }

    fn note(&mut self, args: &[&str]) {
        let top = grantd::cli::Cli::command();
        let mut at = &top;
        let mut path = Vec::new();
        for arg in args {
            match at.find_subcommand(arg) {
                Some(inner) => {
                    path.push(inner.get_name().to_owned());
                    at = inner;
                }
                None => break,
            }
        }
        self.used.insert(path.join(" "));
    }

    /// Fails if some command of the command line was not used.
    #[track_caller]
    pub fn has_used_everything(&self) {
        let mut all = BTreeSet::new();
        leaves(&grantd::cli::Cli::command(), "", &mut all);
        let left_out: Vec<&String> = all.difference(&self.used).collect();
        assert!(
            left_out.is_empty(),
            "no part of the story in tests/it/commands uses these commands: {left_out:?}"
        );
    }
}

/// Every command without subcommands, by its path.
fn leaves(command: &Command, path: &str, into: &mut BTreeSet<String>) {
    let mut inner = command.get_subcommands().peekable();
    if inner.peek().is_none() {
        into.insert(path.to_owned());
    }
    for sub in inner {
        let path = format!("{path} {}", sub.get_name());
        leaves(sub, path.trim_start(), into);
    }
}
