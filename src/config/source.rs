//! Where a setting's value comes from: flags, variables, the file.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use toml::de::{DeTable, DeValue};

use super::Config;
use super::check::{Fault, Faults, check};
use super::setting::{Form, SETTINGS};
use super::suggest::closest;

/// Longest `node.toml` that is read: some hundred times the sample, so that a wrong path cannot fill the memory.
const FILE_MAX: u64 = 1 << 20;

/// Where a value stands, so that an error can point at it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Origin {
    /// A line of the file, counted from 1.
    File(PathBuf, usize),
    /// The file as a whole.
    WholeFile(PathBuf),
    /// A variable of the environment.
    Variable(&'static str),
    /// A flag of the command.
    Flag(&'static str),
    /// Nowhere: the setting is missing, and there is no file.
    Nowhere,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path, line) => write!(f, "{}:{line}", path.display()),
            Self::WholeFile(path) => write!(f, "{}", path.display()),
            Self::Variable(name) => write!(f, "variable {name}"),
            Self::Flag(name) => write!(f, "flag --{}", name.replace('_', "-")),
            Self::Nowhere => f.write_str("settings"),
        }
    }
}

/// Values that stand above the file, by setting name.
#[derive(Clone, Default, Debug)]
pub struct Overrides {
    /// From flags: the strongest.
    pub flags: BTreeMap<&'static str, String>,
    /// From `GRANTD_*` variables.
    pub variables: BTreeMap<&'static str, String>,
}

impl Overrides {
    /// The variables of the environment that `look_up` shows, with these flags above them. An empty variable counts
    /// as not set.
    pub fn new(
        flags: BTreeMap<&'static str, String>,
        look_up: impl Fn(&str) -> Option<String>,
    ) -> Self {
        let variables = SETTINGS
            .iter()
            .filter_map(|s| Some((s.name, look_up(s.variable).filter(|v| !v.is_empty())?)))
            .collect();
        Self { flags, variables }
    }
}

/// A value before its check.
#[derive(Clone, Debug)]
pub(super) struct Raw {
    pub text: String,
    pub origin: Origin,
}

/// Reads and checks the settings; a relative path in the file stays relative to the working directory.
///
/// # Errors
/// Every fault of the file, the variables and the flags, in the order of the table of settings.
pub fn load(file: Option<&Path>, overrides: &Overrides) -> Result<Config, Faults> {
    let mut faults = Vec::new();
    let mut raw = BTreeMap::new();
    // What stands in a file that cannot be read is not missing.
    let mut is_read = true;
    if let Some(path) = file {
        match read(path) {
            Ok(text) => is_read = from_file(path, &text, &mut raw, &mut faults),
            Err(fault) => {
                faults.push(fault);
                is_read = false;
            }
        }
    }
    for setting in SETTINGS {
        if let Some(text) = overrides.variables.get(setting.name) {
            let origin = Origin::Variable(setting.variable);
            raw.insert(
                setting.name,
                Raw {
                    text: text.clone(),
                    origin,
                },
            );
        }
        if let Some(text) = overrides.flags.get(setting.name) {
            let origin = Origin::Flag(setting.name);
            raw.insert(
                setting.name,
                Raw {
                    text: text.clone(),
                    origin,
                },
            );
        }
    }
    // An override may have taken the place of a wrong value in the file, but the file is to be right by itself.
    check(&raw, file, is_read, faults)
}

fn read(path: &Path) -> Result<String, Fault> {
    let fault = |message: String| Fault {
        origin: Origin::WholeFile(path.to_owned()),
        setting: None,
        message,
        help: Some("`grantd config sample > node.toml` writes a commented one".to_owned()),
    };
    let size = std::fs::metadata(path)
        .map_err(|e| fault(format!("cannot read the configuration file: {e}")))?
        .len();
    if size > FILE_MAX {
        return Err(fault(format!(
            "the configuration file has {size} bytes, at most {FILE_MAX} are read"
        )));
    }
    std::fs::read_to_string(path)
        .map_err(|e| fault(format!("cannot read the configuration file: {e}")))
}

/// Takes the values of the file; whether it could be read at all.
fn from_file(
    path: &Path,
    text: &str,
    raw: &mut BTreeMap<&'static str, Raw>,
    faults: &mut Vec<Fault>,
) -> bool {
    let line_of = |at: usize| {
        let before = text.get(..at).unwrap_or(text);
        before.bytes().filter(|b| *b == b'\n').count() + 1
    };
    let table = match DeTable::parse(text) {
        Ok(table) => table.into_inner(),
        Err(error) => {
            faults.push(Fault {
                origin: Origin::File(
                    path.to_owned(),
                    line_of(error.span().map_or(0, |s| s.start)),
                ),
                setting: None,
                message: format!("not valid TOML: {}", error.message().replace('\n', ", ")),
                help: None,
            });
            return false;
        }
    };
    for (key, value) in &table {
        let origin = Origin::File(path.to_owned(), line_of(key.span().start));
        let name: &str = key.get_ref();
        let Some(setting) = SETTINGS.iter().find(|s| s.name == name) else {
            let known = SETTINGS.iter().map(|s| s.name);
            faults.push(Fault {
                origin,
                setting: None,
                message: format!("unknown setting `{}`", name.escape_debug()),
                help: Some(match closest(name, known.clone()) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => format!("settings: {}", known.collect::<Vec<_>>().join(", ")),
                }),
            });
            continue;
        };
        let text = match (setting.form, value.get_ref()) {
            (Form::Number, DeValue::Integer(number)) if number.radix() == 10 => {
                number.as_str().replace('_', "")
            }
            (Form::Text, DeValue::String(text)) => text.to_string(),
            (form, other) => {
                let want = match form {
                    Form::Number => "a number without quotes",
                    Form::Text => "a string in quotes",
                };
                faults.push(Fault {
                    origin,
                    setting: Some(setting.name),
                    message: format!(
                        "got a value of type {}, want {want}; allowed: {}",
                        other.type_str(),
                        setting.allowed
                    ),
                    help: None,
                });
                continue;
            }
        };
        raw.insert(setting.name, Raw { text, origin });
    }
    true
}
