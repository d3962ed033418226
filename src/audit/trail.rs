//! The audit trail of a node: what it decided and what changed in it, a line each, written by a thread of its own.
//!
//! Each decision and each change is told once in a node's life. What waits for the writer is bounded; when it is full, lines
//! are lost and counted, or the node refuses service, as it is set. Never: a wait.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::decision::{DecisionRecord, DecisionSink, NotTold};
use super::file::{RotatedFile, Rotation};
use super::line::{self, Stamp};
use super::mark::Mark;
use super::sink::Sink;
use crate::domain::ids::RequestId;
use crate::domain::limits::AUDIT_QUEUE_BYTES_MAX;
use crate::domain::op::{Applied, Entry};
use crate::domain::time::Revision;
use crate::env::Clock;
use crate::telemetry::{Line, Outlet, Rank, Seldom, Stream, Target};

/// How long the end of a node waits for its last lines to be written.
const LAST_LINES: Duration = Duration::from_secs(2);

/// Where the trail goes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum To {
    /// Standard output.
    Stdout,
    /// Standard error, between the lines of the log.
    Stderr,
    /// A file.
    File(PathBuf, Rotation),
    /// Nowhere.
    Off,
}

/// What happens when the trail cannot be written and no more can wait.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum WhenFull {
    /// Lines are lost and counted.
    Drop,
    /// Decisions and changes are refused until it can be written again.
    Refuse,
}

/// The audit trail of one node.
pub struct Trail {
    node: u64,
    clock: Arc<dyn Clock>,
    when_full: WhenFull,
    /// `None`: nothing is told.
    outlet: Option<Outlet>,
    told: Revision,
    lost: Seldom,
    refused: Seldom,
}

impl Trail {
    /// Opens the trail of the node `node`, whose folder `folder` remembers how far it was told.
    ///
    /// # Errors
    /// The place cannot be written.
    pub fn open(
        node: u64,
        to: To,
        when_full: WhenFull,
        folder: &Path,
        clock: Arc<dyn Clock>,
    ) -> io::Result<Self> {
        let place = match to {
            To::Off => None,
            To::Stdout => Some(Place::Stream(Stream::stdout()?)),
            To::Stderr => Some(Place::Stream(Stream::stderr()?)),
            To::File(path, rotation) => {
                let open = RotatedFile::open(path.clone(), rotation, clock.clone());
                let file = open.map_err(|error| {
                    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
                })?;
                Some(Place::File(file))
            }
        };
        let mut told = Revision(0);
        let outlet = match place {
            None => None,
            Some(place) => {
                let (mark, found) = Mark::open(folder)?;
                told = found;
                let target = Told {
                    place,
                    mark,
                    clock: clock.clone(),
                    failures: Seldom::new(),
                };
                let stamped = clock.clone();
                let tell_lost = Arc::new(move |lost: &_| {
                    let now = stamped.wall();
                    line::lost(Stamp { node, now }, lost)
                });
                Some(Outlet::start(
                    "audit",
                    AUDIT_QUEUE_BYTES_MAX,
                    target,
                    tell_lost,
                )?)
            }
        };
        Ok(Self {
            node,
            clock,
            when_full,
            outlet,
            told,
            lost: Seldom::new(),
            refused: Seldom::new(),
        })
    }

    fn stamp(&self) -> Stamp {
        Stamp {
            node: self.node,
            now: self.clock.wall(),
        }
    }

    /// Whether `line` was taken; that lines are lost is told once a second.
    fn offer(&self, outlet: &Outlet, line: Line, rank: Rank) -> bool {
        let taken = outlet.offer(line, rank);
        if !taken && let Some(lines) = self.lost.due(self.clock.boot().since_boot()) {
            tracing::error!(
                lines,
                "audit lines are lost: nobody reads the audit trail, or it cannot be written"
            );
        }
        taken
    }

    fn refuse(&self) -> NotTold {
        if let Some(requests) = self.refused.due(self.clock.boot().since_boot()) {
            tracing::error!(
                requests,
                "requests are refused: nobody reads the audit trail, or it cannot be written (audit_when_full = \"refuse\")"
            );
        }
        NotTold
    }
}

impl Trail {
    /// Waits a moment until the last lines are written; it blocks. Whether they are.
    pub fn finish(&self) -> bool {
        match &self.outlet {
            None => true,
            Some(outlet) => outlet.flush(LAST_LINES),
        }
    }
}

impl Sink for Trail {
    fn told(&self) -> Revision {
        self.told
    }

    fn applied(&self, revision: Revision, entry: &Entry, applied: &Applied) {
        let Some(outlet) = &self.outlet else {
            return;
        };
        for line in line::applied(self.stamp(), revision, entry, applied) {
            self.offer(outlet, line, Rank::First);
        }
    }

    fn reached(&self, revision: Revision) {
        if let Some(outlet) = &self.outlet {
            let mark = Line {
                text: Vec::new(),
                mark: revision.0,
            };
            // One that finds no room comes again with the next.
            outlet.offer(mark, Rank::First);
        }
    }

    fn installed(&self, after: Revision, to: Revision) {
        if let Some(outlet) = &self.outlet {
            self.offer(
                outlet,
                line::installed(self.stamp(), after, to),
                Rank::First,
            );
        }
    }
}

impl DecisionSink for Trail {
    fn accepts(&self) -> Result<(), NotTold> {
        match (&self.outlet, self.when_full) {
            (Some(outlet), WhenFull::Refuse) if !outlet.accepts(Rank::Second) => Err(self.refuse()),
            _ => Ok(()),
        }
    }

    fn decided(&self, record: &DecisionRecord<'_>) -> Result<(), NotTold> {
        let Some(outlet) = &self.outlet else {
            return Ok(());
        };
        let line = line::decided(self.stamp(), record);
        match (self.offer(outlet, line, Rank::Second), self.when_full) {
            (true, _) | (false, WhenFull::Drop) => Ok(()),
            (false, WhenFull::Refuse) => Err(self.refuse()),
        }
    }

    fn withdrawn(&self, request_id: RequestId, why: &str) {
        if let Some(outlet) = &self.outlet {
            let line = line::withdrawn(self.stamp(), request_id, why);
            self.offer(outlet, line, Rank::First);
        }
    }

    fn token_forged(
        &self,
        request_id: RequestId,
        epoch: u32,
        claimed_revision: u64,
        applied_revision: u64,
    ) {
        // An alarm, with the trail or without it.
        tracing::error!(
            request_id = %request_id,
            epoch,
            claimed_revision,
            applied_revision,
            "an authentic grant token names a revision that was never reached: the secret of its epoch is known outside; \
             this node honours no token of that epoch ahead of its state any more; rotate the token epoch"
        );
        if let Some(outlet) = &self.outlet {
            let stamp = self.stamp();
            let line =
                line::token_forged(stamp, request_id, epoch, claimed_revision, applied_revision);
            self.offer(outlet, line, Rank::First);
        }
    }
}

/// Where lines are written.
enum Place {
    Stream(Stream),
    File(RotatedFile),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stream(stream) => stream.fmt(f),
            Self::File(file) => file.path().display().fmt(f),
        }
    }
}

/// Writes lines and then remembers how far the trail was told.
struct Told {
    place: Place,
    mark: Mark,
    clock: Arc<dyn Clock>,
    failures: Seldom,
}

impl Told {
    fn tell(&self, error: &io::Error, waiting_bytes: usize) {
        if let Some(times) = self.failures.due(self.clock.boot().since_boot()) {
            let place = &self.place;
            tracing::error!(%place, %error, waiting_bytes, times, "the audit trail cannot be written; it is tried again");
        }
    }
}

impl Target for Told {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.place {
            Place::Stream(stream) => stream.write(bytes),
            Place::File(file) => file.write(bytes),
        }
    }

    fn written(&mut self, mark: u64) {
        if let Err(error) = self.mark.keep(Revision(mark)) {
            // Lines would be told twice after a restart; nothing is lost by it.
            self.tell(&error, 0);
        }
    }

    fn failed(&mut self, error: &io::Error, waiting: usize) {
        self.tell(error, waiting);
    }
}
