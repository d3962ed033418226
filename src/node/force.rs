//! Forcing a new cluster from one stopped node's folder: the way out when a quorum is lost for good.

use std::path::PathBuf;
use std::sync::Arc;

use super::process::{SealKeyFault, read_seal_key};
use crate::crypto::seal::{EpochSecret, SealError};
use crate::domain::op::Semantics;
use crate::domain::op::force::Forced;
use crate::domain::time::{Incarnation, Revision, Timestamp};
use crate::env::Rng;
use crate::env::real::{OsRng, Threads};
use crate::replica::{DiskId, ForceError, Found, Member, NodeId, read_disk, write_disk};
use crate::storage::{SledOptions, SledStorage, Storage as _, StorageError};

/// What is asked for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ForceNew {
    /// The folder of the stopped node; nothing is taken from it. Its log is opened as a start opens it, which may mend a torn
    /// end.
    pub data_dir: PathBuf,
    /// The folder of the new cluster's first node; it must not exist, or be empty.
    pub into: PathBuf,
    /// The file of the cluster's seal key.
    pub seal_key_file: PathBuf,
    /// Where the others will reach the node.
    pub advertise: String,
    /// The life of the cluster that ends, named to say that it is meant. `None`: only to look.
    pub ends: Option<Incarnation>,
}

/// What the folder holds, and what was made of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ForcedNew {
    /// Whose folder it is.
    pub node: NodeId,
    /// The life of the cluster that it belongs to.
    pub was: Incarnation,
    /// The last revision that it has.
    pub after: Revision,
    /// The state's time then.
    pub since: Timestamp,
    /// Who belonged to that cluster, as far as this folder knows.
    pub members: Vec<(NodeId, Member)>,
    /// The new life and the revision at which it begins; `None`: nothing was done.
    pub made: Option<(Incarnation, Revision)>,
}

/// Why no cluster was forced.
#[derive(Debug, thiserror::Error)]
pub enum ForceNewError {
    /// The seal key cannot be used.
    #[error("{file}: {fault}")]
    SealKeyFile {
        /// The file.
        file: String,
        /// What is wrong with it.
        fault: SealKeyFault,
    },
    /// It is another cluster's.
    #[error("{}", super::start::OTHER_SEAL_KEY)]
    OtherSealKey,
    /// The folders.
    #[error(transparent)]
    Force(#[from] ForceError),
    /// The cipher.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// The life that was named is not the one that ends.
    #[error("the folder belongs to incarnation {found}, not to {named}: nothing was done")]
    OtherIncarnation {
        /// The folder's.
        found: Incarnation,
        /// What was named.
        named: Incarnation,
    },
    /// The process lost a thread.
    #[error("the store could not be opened: {0}")]
    Thread(#[from] tokio::task::JoinError),
}

/// Looks at the folder of a stopped node and, if the life that ends is named, makes a new one of it.
///
/// # Errors
/// As [`ForceNewError`] says; of an error after the new folder was begun that folder is to be thrown away.
pub async fn force_new(asked: ForceNew) -> Result<ForcedNew, ForceNewError> {
    let ForceNew {
        data_dir,
        into,
        seal_key_file,
        advertise,
        ends,
    } = asked;
    let seal_key = read_seal_key(&seal_key_file).map_err(|fault| ForceNewError::SealKeyFile {
        file: seal_key_file.display().to_string(),
        fault,
    })?;
    if !data_dir.is_dir() {
        return Err(refused(format!(
            "there is no folder {}",
            data_dir.display()
        )));
    }
    let old = open(data_dir).await?;
    let Some(identity) = old.identity() else {
        return Err(refused("the folder belongs to no node".to_owned()));
    };
    let found: Found = read_disk(&old, &Threads).await?;
    let was = found.state.incarnation();
    if found.state.seal_check() != seal_key.check(was) {
        return Err(ForceNewError::OtherSealKey);
    }
    let mut told = ForcedNew {
        node: identity.node_id,
        was,
        after: Revision(found.last.index),
        since: found.state.clock(),
        members: found.members.clone().into_iter().collect(),
        made: None,
    };
    let Some(named) = ends else {
        return Ok(told);
    };
    if named != was {
        return Err(ForceNewError::OtherIncarnation { found: was, named });
    }
    let rng: &dyn Rng = &OsRng;
    let incarnation = Incarnation(rng.bytes16());
    let (mut secret, mut nonce) = ([0; 32], [0; 24]);
    rng.fill(&mut secret);
    rng.fill(&mut nonce);
    let sealed = seal_key.seal(incarnation, nonce, &EpochSecret::from_bytes(secret))?;
    let forced = Forced {
        node: identity.node_id,
        incarnation,
        sealed_epoch_secret: Arc::from(sealed),
        seal_check: seal_key.check(incarnation),
        newest: Semantics::CURRENT,
    };
    let new = open(into).await?;
    // The folder is another one, and so is the disk: what the old one was told is nothing to the new.
    let member = Member {
        peer_address: advertise,
        disk: DiskId(rng.bytes16()),
    };
    let begins = write_disk(&new, &Threads, found, forced, member).await?;
    let let_go = new.let_go();
    drop(new);
    let_go.wait().await;
    told.made = Some((incarnation, begins));
    Ok(told)
}

fn refused(why: String) -> ForceNewError {
    ForceNewError::Force(ForceError::Refused(why))
}

async fn open(folder: PathBuf) -> Result<SledStorage, ForceNewError> {
    let opened =
        tokio::task::spawn_blocking(move || SledStorage::open(folder, SledOptions::default()));
    let opened: Result<SledStorage, StorageError> = opened.await?;
    Ok(opened.map_err(ForceError::Storage)?)
}
