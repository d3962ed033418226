//! The settings of one node: `node.toml`, overridden by `GRANTD_*` variables, overridden by flags.
//!
//! Checked whole before anything starts: every fault is reported at once, each with its origin, the setting, what was
//! found and what is allowed. Imports std and toml. Never: a component (clock, storage, network), a default that
//! depends on the machine, a setting that nodes must agree on (those live in the replicated state).

mod check;
mod sample;
mod setting;
mod source;
mod suggest;

use std::path::PathBuf;
use std::time::Duration;

pub use check::{Fault, Faults};
pub use sample::sample;
pub use setting::{SETTINGS, Setting};
pub use source::{Origin, Overrides, load};
pub use suggest::closest;

/// The size at which an audit file is closed, unless it is set: 100 MiB, some hundred thousand lines.
const AUDIT_FILE_BYTES: u64 = 100 * 1024 * 1024;

/// How many older audit files are kept, unless it is set: with the newest a little more than a gigabyte.
const AUDIT_FILES_KEPT: u32 = 10;

/// The settings of one node, checked.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Config {
    /// The node's number in its cluster; never reused.
    pub node_id: u64,
    /// Where it listens, `host:port`; loopback. Port 0 takes a free one.
    pub listen: String,
    /// Where the other nodes and the clients reach it, `host:port`; loopback.
    pub advertise: String,
    /// The folder of its log, snapshots and state.
    pub data_dir: PathBuf,
    /// The file with the cluster's seal key.
    pub seal_key_file: PathBuf,
    /// Most connections of clients that it has open at once.
    pub client_connections: usize,
    /// Which log lines are written.
    pub log_level: String,
    /// How they are written.
    pub log_format: LogFormat,
    /// Its audit trail.
    pub audit: AuditSettings,
}

/// The settings of a node's audit trail.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AuditSettings {
    /// Where it goes.
    pub to: AuditTo,
    /// What happens when it cannot.
    pub when_full: AuditWhenFull,
    /// The size in bytes at which a file is closed.
    pub file_bytes: u64,
    /// How many older files are kept.
    pub files_kept: u32,
}

impl Default for AuditSettings {
    fn default() -> Self {
        Self {
            to: AuditTo::default(),
            when_full: AuditWhenFull::default(),
            file_bytes: AUDIT_FILE_BYTES,
            files_kept: AUDIT_FILES_KEPT,
        }
    }
}

/// Where the audit trail goes.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum AuditTo {
    /// Standard output.
    #[default]
    Stdout,
    /// Standard error, between the lines of the log.
    Stderr,
    /// Nowhere.
    Off,
    /// A file.
    File(PathBuf),
}

/// What happens when the audit trail cannot be written and no more lines can wait.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum AuditWhenFull {
    /// Lines are lost and counted.
    #[default]
    Drop,
    /// The node refuses service.
    Refuse,
}

/// The form of the log lines.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// A span written as `250ms`, `2s`, `1m`, `8h` or `30d`.
///
/// # Errors
/// A sentence that says what is allowed.
pub fn parse_span(text: &str) -> Result<Duration, String> {
    const ALLOWED: &str = "want a whole number with a unit: `250ms`, `2s`, `1m`, `8h` or `30d`";
    let at = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (digits, unit) = text.split_at(at);
    let count: u64 = digits
        .parse()
        .map_err(|_| format!("`{text}` is not a span of time: {ALLOWED}"))?;
    let ms = match unit {
        "ms" => Some(count),
        "s" => count.checked_mul(1_000),
        "m" => count.checked_mul(60_000),
        "h" => count.checked_mul(3_600_000),
        "d" => count.checked_mul(86_400_000),
        _ => return Err(format!("`{text}` is not a span of time: {ALLOWED}")),
    };
    ms.map(Duration::from_millis)
        .ok_or_else(|| format!("`{text}` is too long a span"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn span_with_a_unit_is_read_and_without_one_is_refused() {
        assert_eq!(parse_span("250ms"), Ok(Duration::from_millis(250)));
        assert_eq!(parse_span("2s"), Ok(Duration::from_secs(2)));
        assert_eq!(parse_span("1m"), Ok(Duration::from_secs(60)));
        assert_eq!(parse_span("1h"), Ok(Duration::from_secs(3_600)));
        assert_eq!(parse_span("2d"), Ok(Duration::from_secs(172_800)));
        for bad in [
            "",
            "5",
            "s",
            "1w",
            "-1s",
            "1.5s",
            "1 s",
            "99999999999999999999s",
            "18446744073709551615m",
            "18446744073709551615h",
            "18446744073709551615d",
        ] {
            assert!(parse_span(bad).is_err(), "{bad}");
        }
    }
}
