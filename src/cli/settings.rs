//! `grantd config`: the settings of a node.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::Subcommand;

use super::error::CliError;
use super::output::Shown;
use crate::config::{Overrides, load, sample};
use crate::node::{Inspection, ProcessSettings, inspect};

/// The settings of a node.
#[derive(Subcommand, Debug)]
pub enum ConfigCommand {
    /// Print a `node.toml` with every setting explained.
    Sample,
    /// Check a configuration file, and the GRANTD_* variables with it, as `serve` would: the seal key file, the folder and
    /// the address are looked at, and nothing is made or written.
    Check {
        /// The file.
        #[arg(default_value = "node.toml")]
        file: PathBuf,
    },
}

pub(super) fn run(command: &ConfigCommand) -> Result<Shown, CliError> {
    match command {
        ConfigCommand::Sample => Ok(Shown::text(sample())),
        ConfigCommand::Check { file } => {
            let overrides = Overrides::new(BTreeMap::new(), |name| std::env::var(name).ok());
            match load(Some(file), &overrides) {
                Ok(config) => {
                    let Inspection { faults, notes } = inspect(&ProcessSettings::from(&config));
                    if !faults.is_empty() {
                        return Err(CliError::new(format!(
                            "the settings are well-formed, and a node would not start with them:\n{}",
                            faults.join("\n")
                        )));
                    }
                    let notes = notes.iter().map(|note| format!("note: {note}\n"));
                    Ok(Shown::text(format!(
                        "{}{} is right\n",
                        notes.collect::<String>(),
                        file.display()
                    )))
                }
                Err(faults) => Err(CliError::new(format!("the settings are wrong:\n{faults}"))),
            }
        }
    }
}
