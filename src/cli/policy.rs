//! `grantd policy`: policies as texts, without a cluster.

use std::path::Path;

use clap::{Subcommand, ValueEnum};
use serde_json::{Value, json};

use super::Exit;
use super::common::{Common, OutputForm};
use super::error::CliError;
use super::excerpt::excerpt;
use super::input::{Text, read_policy};
use super::output::{Shown, object};
use crate::client::api;
use crate::domain::ids::AccountId;
use crate::domain::policy::{Policy, PolicyError, PolicyKind, lint};

/// Policies as texts, without a cluster.
#[derive(Subcommand, Debug)]
pub enum PolicyCommand {
    /// Check a policy as a node would when it is put. Whether its principals exist only a node can tell.
    Check {
        /// File of the JSON text, `-` for standard input, or the text itself.
        policy: String,
        /// What it is for.
        #[arg(long, value_enum, default_value = "key")]
        kind: Kind,
    },
    /// Tell what is legal but surprising: a negated operator on a key that may be absent, `*` principals, an allow that
    /// can never match, and so on, each with its place and its mend.
    ///
    /// Exit code 0: nothing to tell; 1: warnings; 2: some text is no valid policy. With `--output json` one object:
    /// `{"Files": [{"File", "Kind", "Warnings": [...], "Error"?}], "Warnings": n, "Errors": n}`.
    Lint {
        /// Files of the JSON texts, folders of `.json` files, `-` for standard input, or the texts themselves.
        #[arg(required = true, value_name = "FILE")]
        policies: Vec<String>,
        /// What they are for; without it a policy whose statements name principals is a key policy, any other an
        /// identity policy
        #[arg(long, value_enum)]
        kind: Option<Kind>,
        /// The account that the keys or principals belong to: tells what cannot work across accounts
        #[arg(long, value_name = "ACCOUNT")]
        account: Option<AccountId>,
    },
}

/// What a policy is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum Kind {
    /// A key.
    Key,
    /// A user or a role.
    Identity,
    /// The permissions boundary of a user or a role.
    Boundary,
    /// A session.
    Session,
    /// The accounts of an organization: a service control policy.
    #[value(alias = "scp")]
    ServiceControl,
    /// The resources of an organization: a resource control policy.
    #[value(alias = "rcp")]
    ResourceControl,
    /// A VPC endpoint.
    VpcEndpoint,
}

impl Kind {
    const fn of_domain(self) -> (PolicyKind, &'static str) {
        match self {
            Self::Key => (PolicyKind::Key, "key policy"),
            Self::Identity => (PolicyKind::Identity, "identity policy"),
            Self::Boundary => (PolicyKind::Boundary, "permissions boundary"),
            Self::Session => (PolicyKind::Session, "session policy"),
            Self::ServiceControl => (PolicyKind::ServiceControl, "service control policy"),
            Self::ResourceControl => (PolicyKind::ResourceControl, "resource control policy"),
            Self::VpcEndpoint => (PolicyKind::VpcEndpoint, "VPC endpoint policy"),
        }
    }
}

pub(super) fn run(common: &Common, command: &PolicyCommand) -> Result<Shown, CliError> {
    match command {
        PolicyCommand::Check { policy, kind } => check(policy, *kind),
        PolicyCommand::Lint {
            policies,
            kind,
            account,
        } => {
            let mut linted = Vec::with_capacity(policies.len());
            for policy in files(policies)? {
                let text = read_policy(&policy)?;
                let kind = kind.unwrap_or_else(|| guess(&text.text));
                let outcome = lint(&text.text, kind.of_domain().0, *account)
                    .map(|warnings| warnings.into_iter().map(Into::into).collect());
                linted.push(Linted {
                    text,
                    kind,
                    outcome,
                });
            }
            Ok(show(common.output == Some(OutputForm::Json), &linted))
        }
    }
}

/// What is given, each folder as the `.json` files right in it, by name.
fn files(given: &[String]) -> Result<Vec<String>, CliError> {
    let mut files = Vec::with_capacity(given.len());
    for one in given {
        if !Path::new(one).is_dir() {
            files.push(one.clone());
            continue;
        }
        let cannot = |e: std::io::Error| CliError::new(format!("cannot read {one}: {e}"));
        let mut inside = Vec::new();
        for entry in std::fs::read_dir(one).map_err(cannot)? {
            let path = entry.map_err(cannot)?.path();
            if path.extension().is_some_and(|end| end == "json") && path.is_file() {
                inside.push(path.display().to_string());
            }
        }
        if inside.is_empty() {
            return Err(CliError::new(format!("{one} holds no `.json` file")));
        }
        inside.sort_unstable();
        files.append(&mut inside);
    }
    Ok(files)
}

fn check(policy: &str, kind: Kind) -> Result<Shown, CliError> {
    let text = read_policy(policy)?;
    let (kind, name) = kind.of_domain();
    match Policy::parse(&text.text, kind) {
        Ok(policy) => {
            let count = policy.statements().len();
            let s = if count == 1 { "" } else { "s" };
            Ok(Shown::text(format!(
                "{} is a valid {name} of {count} statement{s}\n",
                text.name
            )))
        }
        Err(error) => Err(refusal(&text, &error)),
    }
}

/// Why a text is no policy, with the line at fault.
fn refusal(text: &Text, error: &PolicyError) -> CliError {
    let place = |n: u32| usize::try_from(n).unwrap_or(usize::MAX);
    let lines = excerpt(
        &text.name,
        &text.text,
        place(error.line()),
        place(error.column()),
        error.offending(),
    );
    let refusal = CliError::new(error.message()).excerpt(lines);
    if error.help().is_empty() {
        refusal
    } else {
        refusal.help(error.help())
    }
}

/// What a document is for, by its statements; one that cannot be read is taken for a key policy.
fn guess(text: &str) -> Kind {
    let names_principals = |statement: &Value| {
        statement.get("Principal").is_some() || statement.get("NotPrincipal").is_some()
    };
    let document: Option<Value> = serde_json::from_str(text).ok();
    match document
        .as_ref()
        .and_then(|document| document.get("Statement"))
    {
        Some(Value::Array(statements)) if !statements.iter().any(names_principals) => {
            Kind::Identity
        }
        Some(statement @ Value::Object(_)) if !names_principals(statement) => Kind::Identity,
        _ => Kind::Key,
    }
}

struct Linted {
    text: Text,
    kind: Kind,
    outcome: Result<Vec<api::PolicyWarning>, PolicyError>,
}

fn show(as_json: bool, linted: &[Linted]) -> Shown {
    let errors = linted.iter().filter(|one| one.outcome.is_err()).count();
    let warnings: usize = linted
        .iter()
        .map(|one| one.outcome.as_ref().map_or(0, Vec::len))
        .sum();
    let shown = if as_json {
        let files = linted.iter().map(file_json).collect();
        let value = object([
            ("Files", Value::Array(files)),
            ("Warnings", json!(warnings)),
            ("Errors", json!(errors)),
        ]);
        Shown::answer(value, None)
    } else {
        let mut text = String::new();
        for one in linted {
            match &one.outcome {
                Ok(told) if told.is_empty() => {
                    text.push_str(&format!(
                        "{}: {}, nothing to tell\n",
                        one.text.name,
                        one.kind.of_domain().1
                    ));
                }
                Ok(told) => told
                    .iter()
                    .for_each(|warning| text.push_str(&one.text.render_warning(warning))),
                Err(error) => text.push_str(&refusal(&one.text, error).render()),
            }
        }
        let s = |n: usize| if n == 1 { "" } else { "s" };
        text.push_str(&format!(
            "{} file{}, {warnings} warning{}, {errors} error{}\n",
            linted.len(),
            s(linted.len()),
            s(warnings),
            s(errors)
        ));
        Shown::text(text)
    };
    shown.exit(match (errors, warnings) {
        (0, 0) => Exit::Success,
        (0, _) => Exit::Warned,
        _ => Exit::Wrong,
    })
}

fn file_json(one: &Linted) -> Value {
    let warning = |warning: &api::PolicyWarning| {
        let api::PolicyWarning {
            code,
            rule,
            line,
            column,
            offending,
            message,
            help,
        } = warning;
        json!({
            "Code": code, "Rule": rule, "Line": line, "Column": column,
            "Text": offending, "Message": message, "Help": help,
        })
    };
    let (warnings, error) = match &one.outcome {
        Ok(told) => (told.iter().map(warning).collect(), Value::Null),
        Err(error) => (
            Vec::new(),
            json!({
                "Line": error.line(), "Column": error.column(), "Text": error.offending(),
                "Message": error.message(), "Help": error.help(),
            }),
        ),
    };
    object([
        ("File", json!(one.text.name)),
        ("Kind", json!(one.kind.of_domain().1)),
        ("Warnings", Value::Array(warnings)),
        ("Error", error),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn linted(text: &str, kind: Option<Kind>) -> Linted {
        let text = Text {
            name: "p.json".to_owned(),
            text: text.to_owned(),
        };
        let kind = kind.unwrap_or_else(|| guess(&text.text));
        let outcome = lint(&text.text, kind.of_domain().0, None)
            .map(|warnings| warnings.into_iter().map(Into::into).collect());
        Linted {
            text,
            kind,
            outcome,
        }
    }

    const CLEAN: &str = r#"{"Statement":{"Effect":"Allow","Action":"kms:Decrypt","Resource":"*"}}"#;
    const OPEN: &str =
        r#"{"Statement":[{"Effect":"Allow","Principal":"*","Action":"kms:*","Resource":"*"}]}"#;

    /// X-14: exit codes 0, 1 and 2, in both forms.
    #[test]
    fn lint_ends_with_the_worst_of_its_files() {
        for (files, exit, last) in [
            (vec![CLEAN], Exit::Success, "1 file, 0 warnings, 0 errors\n"),
            (
                vec![CLEAN, OPEN],
                Exit::Warned,
                "2 files, 1 warning, 0 errors\n",
            ),
            (
                vec![OPEN, "{", CLEAN],
                Exit::Wrong,
                "3 files, 1 warning, 1 error\n",
            ),
        ] {
            let linted: Vec<Linted> = files.iter().map(|text| linted(text, None)).collect();
            let shown = show(false, &linted);
            assert!(shown.as_text().unwrap().ends_with(last), "{shown:?}");
            assert_eq!(shown, Shown::text(shown.as_text().unwrap()).exit(exit));
            let value = show(true, &linted);
            assert_eq!(
                value.as_json().unwrap()["Files"].as_array().unwrap().len(),
                files.len()
            );
        }
    }

    #[test]
    fn folder_stands_for_its_json_files() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name).display().to_string();
        let given = vec![at(""), "-".to_owned()];
        assert!(files(&given).is_err());
        for name in ["b.json", "a.json", "c.txt"] {
            std::fs::write(at(name), "{}").unwrap();
        }
        assert_eq!(
            files(&given).unwrap(),
            [at("a.json"), at("b.json"), "-".to_owned()]
        );
    }

    #[test]
    fn kind_is_guessed_by_the_principals() {
        assert_eq!(linted(CLEAN, None).kind, Kind::Identity);
        assert_eq!(linted(OPEN, None).kind, Kind::Key);
        assert!(linted(CLEAN, Some(Kind::Key)).outcome.is_err());
    }

    #[test]
    fn warning_in_json_has_place_text_rule_and_mend() {
        let value = show(true, &[linted(OPEN, None)]);
        let warning = &value.as_json().unwrap()["Files"][0]["Warnings"][0];
        assert_eq!(warning["Code"], "everyone");
        assert_eq!(warning["Rule"], "P-22");
        assert_eq!(
            (warning["Line"].as_u64(), warning["Column"].as_u64()),
            (Some(1), Some(45))
        );
        assert_eq!(warning["Text"], "*");
        assert!(
            warning["Help"]
                .as_str()
                .unwrap()
                .contains("kms:CallerAccount")
        );
    }
}
