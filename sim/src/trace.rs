//! The trace of a run: every event of the simulated network, of the story and of the product, with simulated time.
//!
//! A trace holds no wall clock, no pointer and no order of a random map, so two runs of one seed have the same bytes.
//! It is hashed as it grows and written out on request.

use std::fmt::{Debug, Write as _};
use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use tracing::field::{Field, Visit};
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::{Context, SubscriberExt};

/// Targets that a trace keeps, each with the most verbose level of it that is kept.
const KEPT: &[(&str, Level)] = &[
    ("turmoil", Level::TRACE),
    ("grantd", Level::DEBUG),
    ("sim", Level::TRACE),
];

/// What a run left behind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Digest {
    pub events: u64,
    /// blake3 of every line, hex.
    pub hash: String,
}

struct Sink {
    hasher: blake3::Hasher,
    events: u64,
    line: String,
    file: Option<BufWriter<File>>,
    broken: Option<std::io::Error>,
}

/// A trace being written. Cheap to clone; every clone is the same trace.
#[derive(Clone)]
pub struct Trace(Arc<Mutex<Sink>>);

impl Trace {
    /// A trace that is hashed, and written to `file` where one is given.
    ///
    /// # Errors
    /// The file cannot be created.
    pub fn start(file: Option<&Path>) -> std::io::Result<Self> {
        Ok(Self(Arc::new(Mutex::new(Sink {
            hasher: blake3::Hasher::new(),
            events: 0,
            line: String::new(),
            file: file.map(File::create).transpose()?.map(BufWriter::new),
            broken: None,
        }))))
    }

    /// Runs `work` with every event of this thread going to the trace.
    pub fn record<T>(&self, work: impl FnOnce() -> T) -> T {
        let subscriber = tracing_subscriber::registry().with(Recorder(self.clone()));
        tracing::subscriber::with_default(subscriber, work)
    }

    /// Count and hash of what was traced.
    ///
    /// # Errors
    /// The file could not be written.
    pub fn finish(self) -> std::io::Result<Digest> {
        let mut sink = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(error) = sink.broken.take() {
            return Err(error);
        }
        if let Some(file) = &mut sink.file {
            file.flush()?;
        }
        Ok(Digest {
            events: sink.events,
            hash: sink.hasher.finalize().to_hex().to_string(),
        })
    }
}

struct Recorder(Trace);

impl<S: Subscriber> Layer<S> for Recorder {
    fn enabled(&self, metadata: &Metadata<'_>, _: Context<'_, S>) -> bool {
        let root = metadata.target().split("::").next().unwrap_or_default();
        KEPT.iter()
            .any(|(target, level)| root == *target && metadata.level() <= level)
    }

    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let now = crate::world::now().as_micros();
        let mut sink = self.0.0.lock().unwrap_or_else(PoisonError::into_inner);
        let sink = &mut *sink;
        sink.line.clear();
        // Writing to a String cannot fail.
        let _ = write!(sink.line, "{now} {}", event.metadata().target());
        event.record(&mut Fields(&mut sink.line));
        sink.line.push('\n');
        sink.hasher.update(sink.line.as_bytes());
        sink.events += 1;
        if let Some(file) = &mut sink.file
            && let Err(error) = file.write_all(sink.line.as_bytes())
        {
            sink.broken.get_or_insert(error);
        }
    }
}

struct Fields<'a>(&'a mut String);

impl Visit for Fields<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let _ = write!(self.0, " {}={value:?}", field.name());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(work: impl FnOnce()) -> Digest {
        let trace = Trace::start(None).unwrap();
        trace.record(work);
        trace.finish().unwrap()
    }

    #[test]
    fn equal_events_have_equal_digests_and_other_events_others() {
        let one = || tracing::info!(target: "sim", node = 1, "ask");
        let two = || tracing::info!(target: "sim", node = 2, "ask");
        assert_eq!(digest(one), digest(one));
        assert_ne!(digest(one), digest(two));
        assert_eq!(digest(one).events, 1);
    }

    #[test]
    fn events_of_other_crates_are_left_out() {
        let nothing = digest(|| tracing::error!(target: "h2::codec", "frame"));
        assert_eq!(nothing.events, 0);
        assert_eq!(
            digest(|| tracing::error!(target: "grantd::node", "x")).events,
            1
        );
    }
}
