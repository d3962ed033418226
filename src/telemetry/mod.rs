//! Log lines to standard error, and how a line gets out without anybody waiting for its reader. Imports tracing. Never: a
//! decision, a metric that somebody acts on.

mod outlet;
mod seldom;

use std::fmt;
use std::fs::File;
use std::io::{self, IsTerminal, Write};
use std::os::fd::AsFd;
use std::sync::{Arc, mpsc};
use std::time::Duration;

use tracing::{Level, Metadata};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};

pub use outlet::{Line, Lost, Outlet, Rank, Target, TellLost};
pub use seldom::Seldom;

/// Bytes of log lines that may wait for the reader of standard error: some thousand lines, a burst of any cause.
pub const WAITING_BYTES_MAX: usize = 1 << 20;

/// How long the end of a process waits for the reader of its last log lines.
const LAST_LINES: Duration = Duration::from_secs(1);

/// The form of the log lines.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Form {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// Keeps the log going; dropped at the end of the process, it waits a moment for the last lines to be read.
#[must_use = "the last lines are lost when it is dropped too early"]
pub struct Log(Outlet);

impl Drop for Log {
    fn drop(&mut self) {
        // Whoever does not read them now will not read them at all.
        let _ = self.0.flush(LAST_LINES);
    }
}

/// Writes the last words of a process to standard error, and waits for their reader no longer than a moment.
pub fn last_words(text: String) {
    let (tell, told) = mpsc::sync_channel(1);
    let write = move || {
        let written =
            Stream::stderr().and_then(|mut stream| stream.file.write_all(text.as_bytes()));
        let _ = tell.send(written);
    };
    if std::thread::Builder::new().spawn(write).is_ok() {
        // Whether they were read or not, the process ends.
        let _ = told.recv_timeout(LAST_LINES);
    }
}

/// Writes the process's log lines of `level` (`off` to `trace`) and above to standard error; once a process. Whoever tells
/// something never waits for the reader: what it does not read in time is lost, and counted in a line of its own.
///
/// # Errors
/// If `level` is none, or if a subscriber is in place already.
pub fn start(level: &str, form: Form) -> Result<Log, String> {
    let filter =
        EnvFilter::try_new(filter(level)).map_err(|e| format!("log level `{level}`: {e}"))?;
    let cannot = |e: &dyn std::fmt::Display| format!("cannot start the log: {e}");
    let stderr = Stream::stderr().map_err(|e| cannot(&e))?;
    let tell_lost: TellLost = match form {
        Form::Text => Arc::new(lost_as_text),
        Form::Json => Arc::new(lost_as_json),
    };
    let outlet =
        Outlet::start("log", WAITING_BYTES_MAX, stderr, tell_lost).map_err(|e| cannot(&e))?;
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        // Colours are for terminals: in a file they would be control characters.
        .with_ansi(io::stderr().is_terminal())
        .with_writer(Lines(outlet.clone()));
    match form {
        Form::Text => lines.try_init(),
        Form::Json => lines.json().try_init(),
    }
    .map_err(|e| cannot(&e))?;
    Ok(Log(outlet))
}

/// Which lines a level lets through. What clients can do to a connection the crates below tell at `warn`, thousands of times
/// a second if the clients like; what matters of it grantd tells itself.
fn filter(level: &str) -> String {
    // openraft speaks several times a second while a peer is down, and takes the end of its own node for an error; what
    // stops a node the node itself reports. From `debug` on all of it is shown.
    const QUIET: &str = "openraft=off";
    match level {
        "error" | "warn" | "info" => format!("error,grantd={level},{QUIET}"),
        "debug" => "info,h2=error,hyper=error,hyper_util=error,grantd=debug".to_owned(),
        other => other.to_owned(),
    }
}

fn lost_as_text(lost: &Lost) -> Vec<u8> {
    format!(
        "{}  WARN grantd::telemetry: log lines were lost: nobody read them in time lines={}\n",
        now(),
        lost.lines
    )
    .into_bytes()
}

fn lost_as_json(lost: &Lost) -> Vec<u8> {
    format!(
        r#"{{"timestamp":"{}","level":"WARN","fields":{{"message":"log lines were lost: nobody read them in time","lines":{}}},"target":"grantd::telemetry"}}"#,
        now(),
        lost.lines
    )
    .into_bytes()
    .into_iter()
    .chain([b'\n'])
    .collect()
}

/// The time as every line of the log tells it.
fn now() -> String {
    let mut text = String::new();
    // A time that cannot be told is left out, as in the lines themselves.
    let _ = SystemTime.format_time(&mut Writer::new(&mut text));
    text
}

/// A stream of this process, written without a buffer and without its lock: a line that `println!` wants to write waits for
/// no line of ours.
pub struct Stream {
    file: File,
    name: &'static str,
}

impl Stream {
    /// Standard output.
    ///
    /// # Errors
    /// The system gives no second descriptor of it.
    pub fn stdout() -> io::Result<Self> {
        Self::of(&io::stdout(), "standard output")
    }

    /// Standard error.
    ///
    /// # Errors
    /// As of standard output.
    pub fn stderr() -> io::Result<Self> {
        Self::of(&io::stderr(), "standard error")
    }

    fn of(stream: &impl AsFd, name: &'static str) -> io::Result<Self> {
        let file = File::from(stream.as_fd().try_clone_to_owned()?);
        Ok(Self { file, name })
    }
}

impl fmt::Display for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

impl Target for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }
}

/// Makes a line of each event.
struct Lines(Outlet);

impl<'a> MakeWriter<'a> for Lines {
    type Writer = EventWriter<'a>;

    fn make_writer(&'a self) -> Self::Writer {
        EventWriter(&self.0, Rank::Second)
    }

    fn make_writer_for(&'a self, meta: &Metadata<'_>) -> Self::Writer {
        // A flood of what is usual leaves room for what is not.
        let rank = match *meta.level() {
            Level::ERROR => Rank::First,
            _ => Rank::Second,
        };
        EventWriter(&self.0, rank)
    }
}

/// Takes the text of one event, which comes whole.
struct EventWriter<'a>(&'a Outlet, Rank);

impl Write for EventWriter<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let line = Line {
            text: bytes.to_vec(),
            mark: 0,
        };
        // What is lost is counted and told in its place.
        self.0.offer(line, self.1);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_filters_and_another_text_is_one_or_refused() {
        for level in ["off", "error", "warn", "info", "debug", "trace"] {
            assert!(EnvFilter::try_new(filter(level)).is_ok(), "{level}");
        }
        assert!(EnvFilter::try_new(filter("grantd=loud")).is_err());
    }

    /// Clients can make these crates warn thousands of times a second.
    #[test]
    fn warnings_of_the_crates_below_are_let_through_by_trace_alone() {
        use tracing_subscriber::layer::SubscriberExt;
        let told = |level: &str| {
            let filter = EnvFilter::try_new(filter(level)).unwrap();
            let subscriber = tracing_subscriber::registry().with(filter);
            tracing::subscriber::with_default(subscriber, || {
                let h2 = tracing::enabled!(target: "h2::proto::streams", tracing::Level::WARN);
                let own = tracing::enabled!(target: "grantd::gate", tracing::Level::INFO);
                (h2, own)
            })
        };
        assert_eq!(told("warn"), (false, false));
        assert_eq!(told("info"), (false, true));
        assert_eq!(told("debug"), (false, true));
        assert_eq!(told("trace"), (true, true));
    }

    #[test]
    fn loss_is_told_in_the_form_of_the_log() {
        let lost = Lost {
            lines: 3,
            marks: None,
        };
        let text = String::from_utf8(lost_as_text(&lost)).unwrap();
        assert!(
            text.contains(" WARN ") && text.ends_with("lines=3\n"),
            "{text}"
        );
        let json: serde_json::Value = serde_json::from_slice(&lost_as_json(&lost)).unwrap();
        assert_eq!(json["fields"]["lines"], 3);
        assert_eq!(json["level"], "WARN");
    }
}
