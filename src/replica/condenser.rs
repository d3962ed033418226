//! When a snapshot is taken, and taking it.
//!
//! By the size of the log against the size of the state: a snapshot writes the whole state, so one every so many entries
//! would write more for each change the larger the state is. openraft is told once it is on the disk, and then purges the
//! log. A snapshot that cannot be taken is told, and tried again; the log goes on growing meanwhile, and is told by its own
//! limit, the disk. Never: a decision of openraft's to take one.

use std::sync::Arc;
use std::time::Duration;

use super::handle::{Condensing, Replica};
use super::snapshot::{self, Work};
use crate::domain::time::Revision;

/// Between two looks, so that a busy log is not looked at for every batch.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Until a snapshot that could not be taken is tried again; doubled with each failure up to the second.
const RETRY_FIRST: Duration = Duration::from_millis(500);
/// See [`RETRY_FIRST`].
const RETRY_MAX: Duration = Duration::from_secs(5);

/// What is known of the log and of the newest snapshot.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Look {
    /// Entries that are applied and not in the snapshot.
    entries: u64,
    /// Bytes of the log after the snapshot.
    log_bytes: u64,
    /// Bytes of the snapshot.
    snapshot_bytes: u64,
}

/// Whether it is time.
fn is_due(look: Look, condensing: &Condensing) -> bool {
    let Look {
        entries,
        log_bytes,
        snapshot_bytes,
    } = look;
    let Condensing {
        snapshot_every,
        kept: _,
        growth_percent,
        log_bytes_max,
    } = *condensing;
    let as_large =
        u128::from(log_bytes) * 100 >= u128::from(snapshot_bytes) * u128::from(growth_percent);
    entries > 0 && ((entries >= snapshot_every && as_large) || log_bytes >= log_bytes_max)
}

impl Replica {
    /// Takes snapshots when they are due; never returns.
    pub async fn condense(self: Arc<Self>) {
        let mut revisions = self.board().revisions();
        let mut pause = RETRY_FIRST;
        loop {
            revisions.borrow_and_update();
            let wanted = self.workshop().desk.take_wish();
            if wanted || is_due(self.look_at_the_log(), self.condensing()) {
                match self.take_snapshot().await {
                    Ok(_) => pause = RETRY_FIRST,
                    Err(error) => {
                        let desk = &self.workshop().desk;
                        desk.failed(Work::Taking, &error);
                        if wanted {
                            desk.ask_for_a_new_one();
                        }
                        self.clock().sleep(pause).await;
                        pause = (pause * 2).min(RETRY_MAX);
                        continue;
                    }
                }
            }
            self.clock().sleep(LOOK_EVERY).await;
            tokio::select! {
                biased;
                () = self.workshop().desk.wished() => {}
                changed = revisions.changed() => if changed.is_err() {
                    return std::future::pending().await;
                },
            }
        }
    }

    fn look_at_the_log(&self) -> Look {
        let storage = &self.workshop().storage;
        let covered = storage
            .snapshot()
            .and_then(|meta| meta.last)
            .map_or(0, |last| last.index);
        let Revision(applied) = self.board().load().revision();
        Look {
            entries: applied.saturating_sub(covered),
            log_bytes: storage.log_bytes_after(covered),
            snapshot_bytes: storage.snapshot_bytes(),
        }
    }

    /// Writes the published state as the newest snapshot, and has the log purged.
    ///
    /// # Errors
    /// The disk refused. Nothing has changed then.
    pub async fn take_snapshot(&self) -> std::io::Result<Revision> {
        let workshop = self.workshop();
        let _under_way = workshop.desk.begin(Work::Taking);
        let began = self.clock().boot();
        let of = self.board().load();
        snapshot::write(
            &*workshop.storage,
            &*workshop.threads,
            &of.head(),
            of.state.clone(),
        )
        .await?;
        workshop.desk.succeeded(Work::Taking);
        let revision = of.revision();
        tracing::info!(
            revision = revision.0,
            bytes = workshop.storage.snapshot_bytes(),
            took_ms =
                u64::try_from(self.clock().boot().since(began).as_millis()).unwrap_or(u64::MAX),
            "snapshot taken"
        );
        // openraft asks the state machine for the newest, and purges what it covers but for the entries that are kept.
        // A node that stops does not care.
        let _ = self.raft().trigger().snapshot().await;
        let Condensing { kept, .. } = *self.condensing();
        let kept_from = revision.0.saturating_sub(kept);
        let kept_bytes = workshop
            .storage
            .log_bytes_after(kept_from)
            .saturating_sub(workshop.storage.log_bytes_after(revision.0));
        if kept_bytes > crate::domain::limits::LOG_KEPT_BYTES_MAX {
            let _ = self.raft().trigger().purge_log(revision.0).await;
        }
        Ok(revision)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn due(entries: u64, log_bytes: u64, snapshot_bytes: u64) -> bool {
        let look = Look {
            entries,
            log_bytes,
            snapshot_bytes,
        };
        is_due(look, &Condensing::default())
    }

    /// A small state is written every so many entries, a large one when the log has grown as large as it.
    #[test]
    fn snapshot_is_due_by_the_size_of_the_log_against_that_of_the_state() {
        let every = Condensing::default().snapshot_every;
        assert!(!due(every - 1, 3_000_000, 0));
        assert!(due(every, 3_000_000, 2_000_000));
        assert!(!due(every, 3_000_000, 23_000_000));
        assert!(!due(30_000, 22_999_999, 23_000_000));
        assert!(due(30_000, 23_000_000, 23_000_000));
    }

    /// The log is bounded by bytes whatever the entries and the state are like.
    #[test]
    fn snapshot_is_due_at_the_latest_when_the_log_is_as_long_as_it_may_be() {
        let most = Condensing::default().log_bytes_max;
        assert!(due(2, most, 0));
        assert!(due(400_000, most, u64::MAX));
        assert!(!due(400_000, most - 1, most));
        assert!(!due(0, most, 0), "there is nothing new to write");
    }

    /// What all snapshots write is about what the log writes, from the first entry to a state of a hundred megabytes.
    #[test]
    fn bytes_written_a_change_stay_flat_as_the_state_grows() {
        // A change: 600 bytes of log, 230 of state.
        let (mut state, mut log, mut entries, mut written, mut newest) = (0u64, 0, 0, 0u64, 0);
        for change in 1..=1_000_000u64 {
            state += 230;
            log += 600;
            entries += 1;
            if due(entries, log, newest) {
                written += state;
                (newest, log, entries) = (state, 0, 0);
            }
            // Those up to here write no more than the log and the newest of them.
            assert!(
                written <= 600 * change + state,
                "{written} bytes of snapshots after {change} changes"
            );
        }
    }
}
