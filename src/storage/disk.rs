//! Every write and sync of the store's files goes through here, each under a name.
//!
//! A [`Probe`] may watch the steps (the power-loss tests copy what is durable at each of them) or refuse one with an
//! I/O error (the tests of a full or failing disk). Production has none. It never retries: after a failed sync nobody
//! knows what is on the disk.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use super::StorageError;

/// A step at which the store touches the disk. Each `…Sync` is one that durability depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Step {
    /// fsync of the folder in which the node's folder was created.
    ParentFolderSync,
    /// fsync of the node's folder: the names `node.state`, `log`, `snapshots`.
    NodeFolderSync,
    /// fsync of the first content of `node.state`, before it gets its name.
    NodeStateCreateSync,
    /// A slot of `node.state` is written.
    NodeStateWrite,
    /// fdatasync of `node.state`.
    NodeStateSync,
    /// A batch is handed to sled and flushed to the page cache.
    LogWrite,
    /// fdatasync of sled's `db`.
    LogSync,
    /// fsync of sled's small files (`conf`, its own page-table snapshots) after it was opened.
    LogFilesSync,
    /// fsync of sled's folder.
    LogFolderSync,
    /// A piece of a snapshot is written.
    SnapshotWrite,
    /// fsync of a snapshot, before it gets its name.
    SnapshotSync,
    /// fsync of the folder of snapshots, after a snapshot got its name.
    SnapshotFolderSync,
}

impl Step {
    /// The steps that make something durable.
    pub const SYNCS: [Step; 9] = [
        Step::ParentFolderSync,
        Step::NodeFolderSync,
        Step::NodeStateCreateSync,
        Step::NodeStateSync,
        Step::LogSync,
        Step::LogFilesSync,
        Step::LogFolderSync,
        Step::SnapshotSync,
        Step::SnapshotFolderSync,
    ];
}

/// Watches the steps of a store, or makes one fail.
pub trait Probe: Send + Sync + 'static {
    /// Before a step on `path`. An error is taken for the disk's answer.
    fn before(&self, step: Step, path: &Path) -> io::Result<()>;
    /// After a step on `path` has succeeded.
    fn after(&self, step: Step, path: &Path);
}

/// The door to the disk.
#[derive(Clone, Default)]
pub(super) struct Disk {
    pub probe: Option<Arc<dyn Probe>>,
}

impl Disk {
    pub fn step<T>(
        &self,
        step: Step,
        path: &Path,
        act: impl FnOnce() -> io::Result<T>,
    ) -> io::Result<T> {
        match &self.probe {
            None => act(),
            Some(probe) => {
                probe.before(step, path)?;
                let value = act()?;
                probe.after(step, path);
                Ok(value)
            }
        }
    }

    pub fn sync_all(&self, step: Step, file: &File, path: &Path) -> Result<(), StorageError> {
        self.step(step, path, || file.sync_all())
            .map_err(|error| failed("fsync of", path, &error))
    }

    pub fn sync_data(&self, step: Step, file: &File, path: &Path) -> Result<(), StorageError> {
        self.step(step, path, || file.sync_data())
            .map_err(|error| failed("fdatasync of", path, &error))
    }

    /// fsync of a folder: makes the names in it durable.
    pub fn sync_folder(&self, step: Step, folder: &Path) -> Result<(), StorageError> {
        self.step(step, folder, || File::open(folder)?.sync_all())
            .map_err(|error| failed("fsync of the folder", folder, &error))
    }

    pub fn write_at(
        &self,
        step: Step,
        file: &File,
        path: &Path,
        bytes: &[u8],
        at: u64,
    ) -> Result<(), StorageError> {
        self.step(step, path, || file.write_all_at(bytes, at))
            .map_err(|error| failed("writing", path, &error))
    }

    /// Whether so many bytes are free where `folder` is. A system that does not say has room: then the write says no.
    pub fn has_room(&self, folder: &Path, bytes: u64) -> bool {
        match rustix::fs::statvfs(folder) {
            Ok(found) => found.f_bavail.saturating_mul(found.f_frsize) >= bytes,
            Err(_) => true,
        }
    }

    pub fn rename(&self, from: &Path, to: &Path) -> Result<(), StorageError> {
        fs::rename(from, to).map_err(|error| failed("renaming", from, &error))
    }
}

/// An I/O error on a path, as a [`StorageError`].
pub(super) fn failed(doing: &str, path: &Path, error: &io::Error) -> StorageError {
    StorageError::io(format!("{doing} `{}`", path.display()), error)
}
