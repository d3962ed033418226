//! Log lines to standard error. Imports tracing. Never: a decision, a metric that somebody acts on.

mod seldom;

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

pub use seldom::Seldom;

/// The form of the log lines.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Form {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// Writes the process's log lines of `level` (`off` to `trace`) and above to standard error; once a process.
///
/// # Errors
/// If `level` is none, or if a subscriber is in place already.
pub fn start(level: &str, form: Form) -> Result<(), String> {
    // openraft speaks several times a second while a peer is down, and takes the end of its own node for an error; what
    // stops a node the node itself reports. From `debug` on all of it is shown.
    const QUIET: &str = "openraft=off";
    let filter = match level {
        "error" | "warn" => format!("{level},{QUIET}"),
        "info" => format!("warn,grantd=info,audit=info,{QUIET}"),
        "debug" => "info,grantd=debug,audit=info".to_owned(),
        other => other.to_owned(),
    };
    let filter = EnvFilter::try_new(filter).map_err(|e| format!("log level `{level}`: {e}"))?;
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        // Colours are for terminals: in a file they would be control characters.
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr);
    match form {
        Form::Text => lines.try_init(),
        Form::Json => lines.json().try_init(),
    }
    .map_err(|e| format!("cannot start the log: {e}"))
}
