//! `grantd policy`: policies as texts, without a cluster.

use clap::{Subcommand, ValueEnum};

use super::error::CliError;
use super::excerpt::excerpt;
use super::input::read_policy;
use super::output::Shown;
use crate::domain::policy::{Policy, PolicyKind};

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
}

pub(super) fn run(command: &PolicyCommand) -> Result<Shown, CliError> {
    let PolicyCommand::Check { policy, kind } = command;
    let text = read_policy(policy)?;
    let (kind, name) = match kind {
        Kind::Key => (PolicyKind::Key, "key policy"),
        Kind::Identity => (PolicyKind::Identity, "identity policy"),
        Kind::Boundary => (PolicyKind::Boundary, "permissions boundary"),
        Kind::Session => (PolicyKind::Session, "session policy"),
    };
    match Policy::parse(&text.text, kind) {
        Ok(policy) => {
            let count = policy.statements().len();
            let s = if count == 1 { "" } else { "s" };
            Ok(Shown::text(format!(
                "{} is a valid {name} of {count} statement{s}\n",
                text.name
            )))
        }
        Err(error) => {
            let place = |n: u32| usize::try_from(n).unwrap_or(usize::MAX);
            let lines = excerpt(
                &text.name,
                &text.text,
                place(error.line()),
                place(error.column()),
                error.offending(),
            );
            let refusal = CliError::new(error.message()).excerpt(lines);
            Err(if error.help().is_empty() {
                refusal
            } else {
                refusal.help(error.help())
            })
        }
    }
}
