//! `grantd test`: policies tested by cases, offline, on a whole state.
//!
//! A case says a world (accounts, principals, keys, policies, grants), a request and what is expected; `docs/testing-policies.md`
//! describes the schema. Requests go the way of production: `authorize`, `query`, `apply`. Imports domain. Never: a
//! cluster, a clock; an expectation that comes from anywhere but the file; a panic on input.

mod ask;
mod call;
mod model;
mod outcome;
mod read;
mod report;
mod run;
mod schema;
mod shape;
mod sources;
mod stores;
mod world;

use std::collections::BTreeMap;
use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use serde_json::Value;

pub use self::model::{Case, ReadCase};
pub use self::read::Problem;
pub use self::report::{Ran, Report};
pub use self::run::{Difference, Ended, explained, run};

use self::read::Node;
use self::schema::Reader;
use super::Exit;
use super::common::{Common, OutputForm};
use super::error::CliError;
use super::output::Shown;

/// Pairs of texts.
type Pairs = BTreeMap<Arc<str>, Arc<str>>;
/// Pairs of texts in the order of the file.
type PairList = Vec<(Arc<str>, Arc<str>)>;

/// Largest case file: some thousands of cases.
const FILE_MAX: u64 = 64 << 20;
/// Most files of one run.
const FILES_MAX: usize = 10_000;
/// Deepest folder below a path that is given.
const DEPTH_MAX: usize = 16;

/// Test policies by cases, without a cluster.
///
/// A case says a world (accounts, principals, keys, policies, grants), a request and what is expected. PATH is a file,
/// or a folder whose `.json` files are taken. Every failure is told with what was expected, what happened and why; the
/// last line is `N passed, N failed`.
#[derive(Args, Debug)]
#[command(
    after_help = "Exit codes: 0 all passed, 1 some failed, 2 a file or a case could not be run.\n\n\
Example:\n  grantd test tests/policies --filter orders"
)]
pub struct TestArgs {
    /// Case files, or folders of them
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// Only cases whose id, title or rules contain this text
    #[arg(long, value_name = "TEXT")]
    filter: Option<String>,
    /// Tell why of every case, of those that pass too
    #[arg(long)]
    explain: bool,
    /// Also write the results as JUnit XML, for CI systems
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
}

pub(super) fn run_command(common: &Common, args: &TestArgs) -> Result<Shown, CliError> {
    let TestArgs {
        paths,
        filter,
        explain,
        junit,
    } = args;
    let mut report = run_paths(paths, filter.as_deref())?;
    if *explain {
        report.explanations = explain_paths(paths, filter.as_deref())?;
    }
    if let Some(path) = junit {
        fs::write(path, report.junit())
            .map_err(|e| CliError::new(format!("cannot write {}: {e}", path.display())))?;
    }
    let exit = match (report.broken(), report.failed()) {
        (0, 0) if report.cases.is_empty() => {
            let error = CliError::new("no case was found");
            return Err(match filter {
                Some(_) => error.help("`--filter` looks at id, title and rules of each case"),
                None => error,
            });
        }
        (0, 0) => Exit::Success,
        (0, _) => Exit::Denied,
        _ => Exit::Wrong,
    };
    let shown = match (&common.print, common.output) {
        (Some(_), _) | (None, Some(OutputForm::Json)) => Shown::answer(report.json(), None),
        (None, Some(OutputForm::Table) | None) => Shown::text(report.text()),
    };
    Ok(shown.exit(exit))
}

/// Runs the cases of files and folders.
///
/// # Errors
/// A path cannot be read, or there are too many files.
pub fn run_paths(paths: &[PathBuf], filter: Option<&str>) -> Result<Report, CliError> {
    let mut files = Vec::new();
    for path in paths {
        collect(path, 0, &mut files)?;
    }
    let mut report = Report::default();
    for path in files {
        let name = path.display().to_string();
        let text = read_bounded(&path, FILE_MAX);
        let cases = text
            .map_err(|why| Problem::at("", why))
            .and_then(|text| read_cases(&text, path.parent()));
        match cases {
            Err(problem) => report.files.push((name, problem)),
            Ok(cases) => report.cases.extend(run_cases(cases, filter).map(|ran| Ran {
                file: name.clone(),
                ..ran
            })),
        }
    }
    Ok(report)
}

/// Why every request of the cases of files and folders is decided as it is, request by request.
///
/// # Errors
/// A path cannot be read, or there are too many files.
pub fn explain_paths(paths: &[PathBuf], filter: Option<&str>) -> Result<Vec<String>, CliError> {
    let mut files = Vec::new();
    for path in paths {
        collect(path, 0, &mut files)?;
    }
    let mut told = Vec::new();
    for path in files {
        let text = read_bounded(&path, FILE_MAX).unwrap_or_default();
        let cases = read_cases(&text, path.parent()).unwrap_or_default();
        // What cannot be read is told by the run itself.
        let cases = cases.into_iter().filter_map(Result::ok);
        for case in cases.filter(|case| is_wanted(case, filter)) {
            told.extend(run::explain(&case));
        }
    }
    Ok(told)
}

fn is_wanted(case: &Case, filter: Option<&str>) -> bool {
    let rules = case.rules.join(" ");
    filter.is_none_or(|filter| {
        [&case.id, &case.title, &rules]
            .iter()
            .any(|text| text.contains(filter))
    })
}

/// The cases of a file's text; policies that stand in files of their own are looked for in `folder`.
///
/// # Errors
/// [`Problem`] of the file as a whole; that of one case stands in its place.
pub fn read_cases(text: &str, folder: Option<&Path>) -> Result<Vec<ReadCase>, Problem> {
    let file = read::json(text)?;
    Reader { folder }.file(&file)
}

/// One case as it stands in a file.
///
/// # Errors
/// [`Problem`]
pub fn read_case(case: &Value) -> Result<Case, Problem> {
    Reader { folder: None }.case(&Node::new(case, ""))
}

/// JSON in which no member stands twice.
///
/// # Errors
/// [`Problem`]
pub(super) fn strict_json(text: &str) -> Result<Value, Problem> {
    read::json(text)
}

fn run_cases(cases: Vec<ReadCase>, filter: Option<&str>) -> impl Iterator<Item = Ran> + '_ {
    cases.into_iter().filter_map(move |case| match case {
        Ok(case) => is_wanted(&case, filter).then(|| Ran {
            file: String::new(),
            ended: run(&case),
            warnings: case.warnings(),
            id: case.id,
            title: case.title,
            rules: case.rules,
        }),
        Err((id, problem)) => filter.is_none_or(|f| id.contains(f)).then(|| Ran {
            file: String::new(),
            id,
            title: String::new(),
            rules: Vec::new(),
            ended: Ended::Broken(problem),
            warnings: Vec::new(),
        }),
    })
}

/// The case files of a path, in the order of their names.
fn collect(path: &Path, depth: usize, files: &mut Vec<PathBuf>) -> Result<(), CliError> {
    let cannot = |e: std::io::Error| CliError::new(format!("cannot read {}: {e}", path.display()));
    if !fs::metadata(path).map_err(cannot)?.is_dir() {
        if files.len() >= FILES_MAX {
            return Err(CliError::new(format!("more than {FILES_MAX} files")));
        }
        files.push(path.to_owned());
        return Ok(());
    }
    if depth > DEPTH_MAX {
        return Err(CliError::new(format!(
            "{}: folders are nested more than {DEPTH_MAX} deep",
            path.display()
        )));
    }
    let mut inside = Vec::new();
    for entry in fs::read_dir(path).map_err(cannot)? {
        inside.push(entry.map_err(cannot)?.path());
    }
    inside.sort();
    for path in inside {
        // A folder of policies beside the cases is named by them; its files are no cases.
        let is_case_file = path.extension().is_some_and(|x| x == "json");
        let is_folder = path.is_dir() && path.file_name().is_none_or(|name| name != "policies");
        if is_case_file && !path.is_dir() || is_folder {
            collect(&path, depth + 1, files)?;
        }
    }
    Ok(())
}

/// A text file of at most `max` bytes, or why it cannot be had.
fn read_bounded(path: &Path, max: u64) -> Result<String, String> {
    let cannot = |e: std::io::Error| format!("cannot read {}: {e}", path.display());
    let mut text = String::new();
    let file = fs::File::open(path).map_err(cannot)?;
    file.take(max + 1)
        .read_to_string(&mut text)
        .map_err(cannot)?;
    if text.len() as u64 > max {
        return Err(format!("{} has more than {max} bytes", path.display()));
    }
    Ok(text)
}

#[cfg(test)]
mod tests;
