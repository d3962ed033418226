//! Log lines to standard error. Imports tracing. Never: a decision, a metric that somebody acts on.

use tracing_subscriber::EnvFilter;

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
    // The libraries below speak only of trouble at our `info`: a raft heartbeat is no news to an operator.
    let filter = match level {
        "info" => "warn,grantd=info".to_owned(),
        "debug" => "info,grantd=debug".to_owned(),
        other => other.to_owned(),
    };
    let filter = EnvFilter::try_new(filter).map_err(|e| format!("log level `{level}`: {e}"))?;
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    match form {
        Form::Text => lines.try_init(),
        Form::Json => lines.json().try_init(),
    }
    .map_err(|e| format!("cannot start the log: {e}"))
}
