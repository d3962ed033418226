//! The flags of `grantd serve` and `grantd dev`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::Args;

use crate::config::Overrides;

/// Run one node until SIGTERM or Ctrl-C.
#[derive(Args, Debug, Default)]
#[command(
    after_help = "`grantd config sample` prints a configuration file with every setting explained.\n\
A flag overrides its GRANTD_* variable, which overrides the file."
)]
pub struct ServeArgs {
    /// The configuration file; GRANTD_CONFIG names one, too
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// A JSON file to write once the node serves
    #[arg(long, value_name = "FILE")]
    pub ready_file: Option<PathBuf>,
    /// Overrides `node_id`
    #[arg(long, value_name = "NUMBER")]
    node_id: Option<String>,
    /// Overrides `listen`
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<String>,
    /// Overrides `advertise`
    #[arg(long, value_name = "ADDRESS")]
    advertise: Option<String>,
    /// Overrides `data_dir`
    #[arg(long, value_name = "FOLDER")]
    data_dir: Option<String>,
    /// Overrides `seal_key_file`
    #[arg(long, value_name = "FILE")]
    seal_key_file: Option<String>,
    /// Overrides `client_connections`
    #[arg(long, value_name = "NUMBER")]
    client_connections: Option<String>,
    /// Overrides `log_level`
    #[arg(long, value_name = "LEVEL")]
    log_level: Option<String>,
    /// Overrides `log_format`
    #[arg(long, value_name = "FORMAT")]
    log_format: Option<String>,
    /// Overrides `audit`
    #[arg(long, value_name = "WHERE")]
    audit: Option<String>,
    /// Overrides `audit_when_full`
    #[arg(long, value_name = "WHAT")]
    audit_when_full: Option<String>,
    /// Overrides `audit_file_bytes`
    #[arg(long, value_name = "NUMBER")]
    audit_file_bytes: Option<String>,
    /// Overrides `audit_files_kept`
    #[arg(long, value_name = "NUMBER")]
    audit_files_kept: Option<String>,
}

impl ServeArgs {
    /// Takes from variables what was not given; the settings have theirs by [`ServeArgs::overrides`].
    pub(super) fn fill(&mut self, look_up: &impl Fn(&str) -> Option<String>) {
        if self.config.is_none() {
            self.config = look_up("GRANTD_CONFIG").map(PathBuf::from);
        }
    }

    /// What the flags and the variables of the environment say.
    pub fn overrides(&self) -> Overrides {
        let Self {
            config: _,
            ready_file: _,
            node_id,
            listen,
            advertise,
            data_dir,
            seal_key_file,
            client_connections,
            log_level,
            log_format,
            audit,
            audit_when_full,
            audit_file_bytes,
            audit_files_kept,
        } = self;
        let flags = [
            ("node_id", node_id),
            ("listen", listen),
            ("advertise", advertise),
            ("data_dir", data_dir),
            ("seal_key_file", seal_key_file),
            ("client_connections", client_connections),
            ("log_level", log_level),
            ("log_format", log_format),
            ("audit", audit),
            ("audit_when_full", audit_when_full),
            ("audit_file_bytes", audit_file_bytes),
            ("audit_files_kept", audit_files_kept),
        ];
        let given: BTreeMap<_, _> = flags
            .into_iter()
            .filter_map(|(name, value)| Some((name, value.clone()?)))
            .collect();
        Overrides::new(given, |name| std::env::var(name).ok())
    }
}

/// Start a three-node cluster on loopback, each node with its own store and its own listener.
///
/// It makes an account with a root principal and prints a short tour. Ctrl-C and SIGTERM end it.
#[derive(Args, Debug)]
pub struct DevArgs {
    /// The account to make
    #[arg(long, default_value = "111122223333")]
    pub account: String,
    /// The first of three consecutive ports; 0 takes free ones [default: 7400, or free ones if one of 7400 to 7402 is
    /// taken]
    #[arg(long)]
    pub port: Option<u16>,
    /// Keep the cluster in this folder and go on with it at the next start; without it a temporary folder is used and
    /// removed
    #[arg(long, value_name = "FOLDER")]
    pub data: Option<PathBuf>,
    /// A JSON file to write once all nodes serve: endpoints, node ids, Region, account and data folder
    #[arg(long, value_name = "FILE")]
    pub ready_file: Option<PathBuf>,
    /// Do not print the tour: where the nodes are, and no more
    #[arg(long)]
    pub quiet: bool,
    /// The least severe log lines to write, to standard error: `off`, `error`, `warn`, `info`, `debug` or `trace`
    #[arg(long, default_value = "warn", value_parser = ["off", "error", "warn", "info", "debug", "trace"])]
    pub log_level: String,
}

#[cfg(test)]
mod tests {
    use super::super::{Cli, Command};
    use crate::config::SETTINGS;
    use clap::{CommandFactory, Parser};

    #[test]
    fn serve_has_a_flag_for_every_setting_and_passes_it_on() {
        let command = Cli::command();
        let serve = command.find_subcommand("serve").unwrap();
        for setting in SETTINGS {
            let flag = setting.name.replace('_', "-");
            assert!(
                serve.get_arguments().any(|a| a.get_long() == Some(&flag)),
                "--{flag}"
            );
            let cli = Cli::try_parse_from(["grantd", "serve", &format!("--{flag}=x")]).unwrap();
            let Command::Serve(args) = cli.command else {
                panic!("{flag}: not serve");
            };
            assert_eq!(
                args.overrides().flags.get(setting.name).map(String::as_str),
                Some("x")
            );
        }
    }
}
