//! `grantd config`: the settings of a node.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::Subcommand;

use super::error::CliError;
use super::output::Shown;
use crate::config::{Overrides, load, sample};

/// The settings of a node.
#[derive(Subcommand, Debug)]
pub enum ConfigCommand {
    /// Print a `node.toml` with every setting explained.
    Sample,
    /// Check a configuration file, and the GRANTD_* variables with it, as `serve` would.
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
                Ok(_) => Ok(Shown::text(format!("{} is right\n", file.display()))),
                Err(faults) => Err(CliError::new(format!("the settings are wrong:\n{faults}"))),
            }
        }
    }
}
