//! A node as a process of the operating system runs it: its clocks, its TCP, a folder, the seal key from a file.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::front;
use super::start::{Node, NodeParts, NodeSettings, StartError, start};
use crate::audit::Log;
use crate::config::Config;
use crate::crypto::seal::{ParseSealKeyError, SealKey};
use crate::env::Rng;
use crate::env::real::{Evaluators, OsRng, RealClock, Tcp, Threads};
use crate::storage::{SledOptions, SledStorage, StorageError};

/// Longest seal key file that is read: the key, its line end and room for a stray blank.
const SEAL_KEY_FILE_MAX: u64 = 128;

/// What a process must know to run a node.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ProcessSettings {
    /// The node's number.
    pub node_id: u64,
    /// Where to listen; port 0 takes a free one.
    pub listen: String,
    /// Where the others reach it; `None`: where it listens.
    pub advertise: Option<String>,
    /// Its folder.
    pub data_dir: PathBuf,
    /// The file of the cluster's seal key.
    pub seal_key_file: PathBuf,
}

impl From<&Config> for ProcessSettings {
    fn from(config: &Config) -> Self {
        let Config {
            node_id,
            listen,
            advertise,
            data_dir,
            seal_key_file,
            log_level: _,
            log_format: _,
        } = config;
        Self {
            node_id: *node_id,
            listen: listen.clone(),
            // The port may still be unknown; then what the listener got is advertised.
            advertise: (advertise != listen).then(|| advertise.clone()),
            data_dir: data_dir.clone(),
            seal_key_file: seal_key_file.clone(),
        }
    }
}

/// Why a process cannot run its node.
#[derive(Debug, thiserror::Error)]
pub enum ProcessError {
    /// The seal key cannot be used.
    #[error("{file}: {fault}")]
    SealKey {
        /// The file.
        file: String,
        /// What is wrong with it.
        fault: SealKeyFault,
    },
    /// The node does not start.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The system gives no thread.
    #[error("a thread for long questions could not be started: {0}")]
    Evaluators(io::Error),
    /// The process lost a thread.
    #[error("the store could not be opened: {0}")]
    Thread(#[from] tokio::task::JoinError),
}

/// What is wrong with a seal key file.
#[derive(Debug, thiserror::Error)]
pub enum SealKeyFault {
    /// The system refused.
    #[error(
        "the seal key cannot be read or written: {0}; `grantd cluster keygen FILE` makes one, the same for every node"
    )]
    Io(#[from] io::Error),
    /// A new one would take the place of another.
    #[error("the file exists already, and a seal key is never overwritten")]
    Exists,
    /// Others may read it.
    #[error("others may read the seal key (mode {mode:03o}): `chmod 600` it")]
    Open {
        /// Its permission bits.
        mode: u32,
    },
    /// It is none.
    #[error(transparent)]
    Form(#[from] ParseSealKeyError),
}

/// Starts the node of this process.
///
/// # Errors
/// [`ProcessError`]; nothing runs then.
pub async fn start_process(settings: ProcessSettings) -> Result<Node, ProcessError> {
    let ProcessSettings {
        node_id,
        listen,
        advertise,
        data_dir,
        seal_key_file,
    } = settings;
    let seal_key = read_seal_key(&seal_key_file).map_err(|fault| ProcessError::SealKey {
        file: seal_key_file.display().to_string(),
        fault,
    })?;
    let options = SledOptions {
        expected_node: Some(node_id),
        ..SledOptions::default()
    };
    let storage = tokio::task::spawn_blocking(move || SledStorage::open(data_dir, options))
        .await?
        .map_err(|error: StorageError| StartError::Storage(error))?;
    let node = start(NodeParts {
        settings: NodeSettings {
            node_id: Some(node_id),
            advertised: advertise,
            ..NodeSettings::new(listen)
        },
        clock: Arc::new(RealClock),
        rng: Arc::new(OsRng),
        net: Arc::new(Tcp),
        threads: Arc::new(Threads),
        evaluators: Arc::new(Evaluators::start().map_err(ProcessError::Evaluators)?),
        storage: Arc::new(storage),
        seal_key: Arc::new(seal_key),
        sink: Arc::new(Log),
        front: front::api(Arc::new(Log)),
    })
    .await?;
    Ok(node)
}

/// Writes a new random seal key to a file that must not exist yet, readable by its owner alone.
///
/// # Errors
/// [`SealKeyFault::Exists`] or, if the system refuses, [`SealKeyFault::Io`].
pub fn create_seal_key(path: &Path) -> Result<(), SealKeyFault> {
    let mut bytes = [0; 32];
    OsRng.fill(&mut bytes);
    let text = SealKey::from_bytes(bytes).to_file_text();
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => SealKeyFault::Exists,
            _ => SealKeyFault::Io(error),
        })?;
    file.write_all(text.as_bytes())?;
    // The cluster's secrets are lost with this key: it must not be a page that was never written.
    file.sync_all()?;
    Ok(())
}

pub(super) fn read_seal_key(path: &Path) -> Result<SealKey, SealKeyFault> {
    let file = File::open(path)?;
    let mode = file.metadata()?.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(SealKeyFault::Open { mode });
    }
    let mut text = String::new();
    file.take(SEAL_KEY_FILE_MAX).read_to_string(&mut text)?;
    Ok(text.parse()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seal_key_file_is_made_once_for_its_owner_and_read_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("seal.key");
        create_seal_key(&path).unwrap();
        assert!(read_seal_key(&path).is_ok());
        let before = std::fs::read(&path).unwrap();
        assert!(matches!(create_seal_key(&path), Err(SealKeyFault::Exists)));
        assert_eq!(std::fs::read(&path).unwrap(), before);
    }

    #[test]
    fn seal_key_file_that_others_may_read_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("seal.key");
        create_seal_key(&path).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
        let error = read_seal_key(&path).unwrap_err();
        assert_eq!(
            error.to_string(),
            "others may read the seal key (mode 640): `chmod 600` it"
        );
    }

    #[test]
    fn seal_key_file_of_something_else_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("seal.key");
        assert!(matches!(read_seal_key(&path), Err(SealKeyFault::Io(_))));
        for junk in ["", "abc", &"g".repeat(64), &"a".repeat(500)] {
            let mut file = OpenOptions::new()
                .write(true)
                .create(true)
                .truncate(true)
                .mode(0o600)
                .open(&path)
                .unwrap();
            file.write_all(junk.as_bytes()).unwrap();
            assert!(
                matches!(read_seal_key(&path), Err(SealKeyFault::Form(_))),
                "{junk}"
            );
        }
    }
}
