//! The command line: one file a family of commands.
//!
//! Imports client, config, domain, node, telemetry. Never: a transport, a decision of its own (`decide` and `policy`
//! ask the domain), a write that the client library does not send.

mod access;
mod account;
mod alias;
mod ask;
mod authorize;
pub mod casefile;
mod cluster;
mod common;
mod completions;
pub mod decide;
mod dev;
mod endpoint;
mod error;
mod excerpt;
mod explain;
mod grant;
mod group;
mod guide;
mod identity;
mod input;
mod key;
mod key_store;
mod key_store_backend;
mod organization;
mod output;
mod policy;
mod process;
mod ready;
mod serve;
mod settings;
mod signals;
mod status;
mod style;
mod tour;
mod what_if;

use std::process::ExitCode;

use clap::{FromArgMatches, Parser, Subcommand};

use crate::client::Kind;
use crate::node::VERSION;
use common::Common;
use error::CliError;

/// How a command ended, as its exit code.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Exit {
    /// Done; of `authorize`: allowed.
    Success,
    /// Of `authorize`: denied, explicitly or not, or refused by the state or the kind of the key.
    Denied,
    /// Of `policy lint`: valid, with warnings.
    Warned,
    /// Of `cluster status`: it serves, and something is not as it should be.
    Degraded,
    /// Not done: the request is wrong, or this machine cannot do it.
    Wrong,
    /// Not done: a rule, or the state of things, says no.
    Refused,
    /// Not done: nobody could answer now. Of `cluster status`: without a quorum.
    Unavailable,
    /// Done or not, nobody knows.
    Unknown,
}

impl From<Kind> for Exit {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Wrong => Self::Wrong,
            Kind::Refused => Self::Refused,
            Kind::Unavailable => Self::Unavailable,
            Kind::Unknown => Self::Unknown,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Success => 0,
            Exit::Denied | Exit::Warned | Exit::Degraded => 1,
            Exit::Wrong => 2,
            Exit::Refused => 3,
            Exit::Unavailable => 4,
            Exit::Unknown => 5,
        })
    }
}

const EXIT_CODES: &str = "\
Exit codes:
  0  done; of `authorize`: allowed; of `test`: all passed; of `what-if`: no answer flips; of
     `cluster status`: all is well
  1  of `authorize`: denied; of `explain`: likewise; of `test`: some failed; of `what-if`: some
     answers flip; of `policy lint`: valid, with warnings; of `cluster status`: degraded
  2  wrong: not understood, malformed, or it names what does not exist; mend the command
  3  refused: access denied, a quota, a state of the key or of the cluster that forbids it
  4  unavailable: no node reached, none that can answer, throttled; nothing was done, try again;
     of `cluster status`: without a quorum
  5  unknown: it may have been done; look, or send it again under the same `--idempotency-key`

Variables: GRANTD_ENDPOINT, GRANTD_AS, GRANTD_SESSION_OF, GRANTD_REGION and GRANTD_OUTPUT stand for the options of the
same names. `grantd dev` starts a cluster to try all this on.";

/// A distributed grant store and authorization backend with the semantics of AWS KMS.
#[derive(Parser, Debug)]
#[command(name = "grantd", version = VERSION, after_help = EXIT_CODES, max_term_width = 120, propagate_version = true)]
pub struct Cli {
    /// Options of every command.
    #[command(flatten)]
    pub common: common::Common,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Subcommand, Debug)]
pub enum Command {
    /// Start a three-node cluster in this process, to try things on.
    Dev(process::DevArgs),
    /// Run one node.
    Serve(process::ServeArgs),
    /// Make a cluster of nodes, change it, look at it.
    #[command(subcommand)]
    Cluster(cluster::ClusterCommand),
    /// Accounts; for the operator.
    #[command(subcommand)]
    Account(account::AccountCommand),
    /// Users and roles, their tags and their identity policies.
    #[command(subcommand)]
    Identity(identity::IdentityCommand),
    /// Groups of users and their policies.
    #[command(subcommand)]
    Group(group::GroupCommand),
    /// Organizations and their control policies.
    #[command(subcommand)]
    Organization(organization::OrganizationCommand),
    /// VPC endpoints and their policies; for the operator.
    #[command(subcommand)]
    Endpoint(endpoint::EndpointCommand),
    /// Keys, their policies and their tags.
    #[command(subcommand)]
    Key(key::KeyCommand),
    /// Custom key stores: containers of keys in a CloudHSM cluster or an external key manager.
    #[command(subcommand)]
    KeyStore(key_store::KeyStoreCommand),
    /// Aliases of keys.
    #[command(subcommand)]
    Alias(alias::AliasCommand),
    /// Grants.
    #[command(subcommand)]
    Grant(grant::GrantCommand),
    /// Policies as texts, without a cluster.
    #[command(subcommand)]
    Policy(policy::PolicyCommand),
    /// May this principal do this to this key now? Exit code 0: yes, 1: no, else: no decision.
    Authorize(authorize::AuthorizeArgs),
    /// Why is a request decided as it is, and what would change it? Asked by `--as`, by default the operator.
    ///
    /// Shows every statement and grant that was considered, what of it failed with both values, and the nearest miss; each
    /// line with its rule of docs/KMS-SEMANTICS.md. Whoever is not the operator must be allowed kms:GetKeyPolicy and
    /// kms:ListGrants on the key, and is shown identity policies that it may read.
    Explain(authorize::AuthorizeArgs),
    /// Which answers would changes flip? Tries them without making them. Exit code 0: none, 1: some, else: no answer.
    WhatIf(what_if::WhatIfArgs),
    /// Who can do what to a key; what a principal can do.
    #[command(subcommand)]
    Access(access::AccessCommand),
    /// Decide requests given as JSON lines on standard input, each with its policies, without a cluster.
    ///
    /// Writes a line each, `{"id": …, "decision": "allow|explicitDeny|implicitDeny", "decidedBy": …}`, or
    /// `{"id": …, "error": …}` for one that cannot be read; it goes on after such a line and exits with 2 at the end.
    Decide(decide::DecideArgs),
    /// Test policies by cases, without a cluster.
    Test(casefile::TestArgs),
    /// The settings of a node.
    #[command(subcommand)]
    Config(settings::ConfigCommand),
    /// Print a completion script for a shell.
    Completions(completions::CompletionsArgs),
}

/// How long what still runs at the end of the program may take to end.
const LAST_MOMENT: std::time::Duration = std::time::Duration::from_secs(2);

/// The whole program: reads the arguments, runs the command, gives the exit code.
pub fn main() -> ExitCode {
    let words: Vec<std::ffi::OsString> = std::env::args_os().collect();
    let cli = read(&words).unwrap_or_else(|error| error.exit());
    let cli = match cli.with_variables(|name| std::env::var(name).ok()) {
        Ok(cli) => cli,
        Err(error) => {
            eprint!("{}", error.render());
            return error.exit().into();
        }
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build();
    match runtime {
        Ok(runtime) => {
            let exit = runtime.block_on(run(&cli));
            // Whatever still runs has been told to end; a thread that is stuck must not keep the process.
            runtime.shutdown_timeout(LAST_MOMENT);
            exit.into()
        }
        Err(error) => {
            eprintln!("error: cannot start the runtime: {error}");
            Exit::Wrong.into()
        }
    }
}

/// What the words of a command line say.
fn read(words: &[std::ffi::OsString]) -> Result<Cli, clap::Error> {
    let matches = guide::command()
        .try_get_matches_from(words)
        .map_err(|error| {
            let words = words.iter().map(|word| word.to_string_lossy().into_owned());
            guide::with_tip(error, &words.collect::<Vec<_>>())
        })?;
    guide::check(&matches)?;
    Cli::from_arg_matches(&matches)
}

impl Cli {
    /// With the variables of the environment, which stand for options that were not given. Read here and not by clap, which
    /// would count them as given and tell them in every line of usage.
    fn with_variables(
        mut self,
        look_up: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, CliError> {
        let look_up = |name: &str| look_up(name).filter(|value| !value.is_empty());
        self.common.fill(&look_up)?;
        if let Command::Serve(args) = &mut self.command {
            args.fill(&look_up);
        }
        Ok(self)
    }
}

/// Runs a command; errors go to standard error.
async fn run(cli: &Cli) -> Exit {
    let Cli { common, command } = cli;
    let shown = match command {
        Command::Dev(args) => return stopped(common, dev::run(common, args).await),
        Command::Serve(args) => return stopped(common, serve::run(args).await),
        Command::Cluster(command) => cluster::run(common, command).await,
        Command::Account(command) => account::run(common, command).await,
        Command::Identity(command) => identity::run(common, command).await,
        Command::Group(command) => group::run(common, command).await,
        Command::Organization(command) => organization::run(common, command).await,
        Command::Endpoint(command) => endpoint::run(common, command).await,
        Command::Key(command) => key::run(common, command).await,
        Command::KeyStore(command) => key_store::run(common, command).await,
        Command::Alias(command) => alias::run(common, command).await,
        Command::Grant(command) => grant::run(common, command).await,
        Command::Policy(command) => policy::run(common, command),
        Command::Authorize(args) => authorize::run(common, args).await,
        Command::Explain(args) => explain::run(common, args).await,
        Command::WhatIf(args) => what_if::run(common, args).await,
        Command::Access(command) => access::run(common, command).await,
        Command::Decide(args) => return ended(common, decide::run(common, args)),
        Command::Test(args) => casefile::run_command(common, args),
        Command::Config(command) => settings::run(command),
        Command::Completions(args) => completions::run(args),
    };
    ended(common, shown.and_then(|shown| shown.print(common)))
}

fn ended(common: &Common, outcome: Result<Exit, CliError>) -> Exit {
    outcome.unwrap_or_else(|error| {
        let error = error.advised(common);
        eprint!("{}", error.render());
        error.exit()
    })
}

/// The end of what ran as a service: a standard error that nobody reads must not keep the process from ending.
fn stopped(common: &Common, outcome: Result<Exit, CliError>) -> Exit {
    outcome.unwrap_or_else(|error| {
        let error = error.advised(common);
        crate::telemetry::last_words(error.render());
        error.exit()
    })
}

#[cfg(test)]
mod tests;
