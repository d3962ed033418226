//! Damage on disk: each start or read ends in a clear refusal, or everything that was acknowledged is there.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use grantd::storage::{Refusal, SledOptions, SledStorage, Storage, StorageError, StoredVote};

use crate::storage_common::{
    SplitMix, append, bind, copy_folder, folder, id, open, read_all, read_snapshot, records,
    write_snapshot,
};

const VOTE: StoredVote = StoredVote {
    term: 3,
    node: 2,
    committed: true,
};

/// A folder with a snapshot up to 9 and records up to 59.
async fn used() -> tempfile::TempDir {
    let folder = folder();
    let storage = open(folder.path()).expect("opens");
    bind(&storage).await.expect("binds");
    for from in (0..60).step_by(5) {
        append(&storage, records(1, from..from + 5, 700))
            .await
            .expect("appends");
    }
    storage.save_vote(VOTE).await.expect("votes");
    write_snapshot(&storage, id(1, 9), &[5; 100_000])
        .await
        .expect("writes a snapshot");
    storage.purge(id(1, 9)).await.expect("purges");
    drop(storage);
    folder
}

/// Starts on a folder: `Ok(None)` when all is there, `Ok(Some(error))` when it is refused, and `Err` when it is silent
/// about something that is missing or different.
async fn outcome(folder: &Path) -> Result<Option<StorageError>, String> {
    let storage = match open(folder) {
        Ok(storage) => storage,
        Err(error) => return Ok(Some(error)),
    };
    if storage.vote() != Some(VOTE) {
        return Err(format!("the vote is {:?}", storage.vote()));
    }
    match read_snapshot(&storage).await {
        Ok(Some((last, content))) if last == id(1, 9) && content == [5; 100_000] => {}
        // Its content is verified as it is read: by a start, before the node takes part in anything.
        Err(error) => match error.downcast::<StorageError>() {
            Ok(error) => return Ok(Some(error)),
            Err(error) => return Err(format!("not an error of the storage: {error}")),
        },
        other => return Err(format!("the snapshot is {other:?}")),
    }
    match read_all(&storage).await {
        Err(error) => Ok(Some(error)),
        Ok(found) if found == records(1, 10..60, 700) => Ok(None),
        Ok(found) => Err(format!("{} records are left", found.len())),
    }
}

async fn damaged(good: &Path, damage: impl Fn(&Path), case: &str) -> Option<StorageError> {
    let copy = folder();
    copy_folder(good, copy.path());
    damage(copy.path());
    let refused = match outcome(copy.path()).await {
        Ok(refused) => refused,
        Err(silent) => panic!("{case}: silently wrong: {silent}"),
    };
    if let Some(error) = &refused {
        assert!(
            error.is_corruption() && error.to_string().contains("grantd cluster join"),
            "{case}: the refusal does not help: {error}"
        );
    }
    refused
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("reads") {
        let path = entry.expect("entry").path();
        if path.is_dir() {
            found.extend(files(&path));
        } else if path.file_name().is_some_and(|name| name != "lock") {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// Flipped bytes in every file, in many places: nothing is silently lost.
#[tokio::test(flavor = "multi_thread")]
async fn flipped_byte_anywhere_is_refused_or_harmless() {
    let good = used().await;
    let mut random = SplitMix(7);
    let mut refused = 0;
    let mut tried = 0;
    for file in files(good.path()) {
        let below = file.strip_prefix(good.path()).expect("below").to_owned();
        let length = fs::metadata(&file).expect("metadata").len();
        for _ in 0..25.min(length) {
            let at = random.below(length) as usize;
            let bit = 1u8 << random.below(8);
            let flip = |folder: &Path| {
                let path = folder.join(&below);
                let mut bytes = fs::read(&path).expect("reads");
                bytes[at] ^= bit;
                fs::write(&path, bytes).expect("writes");
            };
            let case = format!("{} at {at}", below.display());
            tried += 1;
            refused += usize::from(damaged(good.path(), flip, &case).await.is_some());
        }
    }
    assert!(
        refused * 10 > tried,
        "{refused} of {tried} flipped bytes were noticed: the flips do not hit what matters"
    );
}

/// The log cut at any length: refused, because the node has acknowledged what is gone.
#[tokio::test(flavor = "multi_thread")]
async fn truncated_log_is_refused() {
    let good = used().await;
    let length = fs::metadata(good.path().join("log/db")).expect("db").len();
    for part in 0..12 {
        let keep = length * part / 12;
        let cut = |folder: &Path| {
            let file = fs::OpenOptions::new()
                .write(true)
                .open(folder.join("log/db"))
                .expect("opens");
            file.set_len(keep).expect("cuts");
        };
        let case = format!("cut to {keep} of {length}");
        let refused = damaged(good.path(), cut, &case).await;
        assert!(keep > length / 2 || refused.is_some(), "{case}");
    }
}

/// One damaged slot of `node.state` costs nothing, for there are two; but it is told, and mended.
#[tokio::test]
async fn one_damaged_slot_of_node_state_is_told_and_mended() {
    let good = used().await;
    for slot in [0, 1] {
        let state = good.path().join("node.state");
        let mut bytes = fs::read(&state).expect("reads");
        bytes[slot * 4096 + 100] ^= 1;
        fs::write(&state, bytes).expect("writes");
        let storage = open(good.path()).expect("opens");
        let told = storage.recovered().mended.expect("is told");
        assert!(
            told.contains("node.state") && told.contains("disk"),
            "{told}"
        );
        assert_eq!(storage.vote(), Some(VOTE));
        drop(storage);
        let storage = open(good.path()).expect("opens");
        assert_eq!(storage.recovered().mended, None, "it is mended");
    }
}

/// A folder that cannot be one: the sentence speaks of the setting, and not of a disk that failed under a node.
#[tokio::test]
async fn folder_that_cannot_be_used_is_told_as_a_wrong_setting() {
    let parent = folder();
    let file = parent.path().join("file");
    fs::write(&file, "not a folder").expect("writes");
    for wrong in [file.clone(), file.join("below")] {
        let refused = open(&wrong).err().expect("refuses").to_string();
        assert!(refused.contains("data_dir"), "{refused}");
        assert!(!refused.contains("the node stops"), "{refused}");
    }
}

/// Missing parts: each has its own sentence.
#[tokio::test]
async fn missing_parts_are_refused() {
    let good = used().await;
    let without_state = |folder: &Path| fs::remove_file(folder.join("node.state")).expect("rm");
    assert_eq!(
        damaged(good.path(), without_state, "without node.state").await,
        Some(Refusal::StateMissing.into())
    );
    let without_log = |folder: &Path| fs::remove_dir_all(folder.join("log")).expect("rm");
    assert_eq!(
        damaged(good.path(), without_log, "without the log").await,
        Some(Refusal::LogMissing.into())
    );
    let without_snapshots =
        |folder: &Path| fs::remove_dir_all(folder.join("snapshots")).expect("rm");
    assert!(matches!(
        damaged(good.path(), without_snapshots, "without snapshots").await,
        Some(StorageError::Refused(Refusal::SnapshotMissing { .. }))
    ));
    let empty_state = |folder: &Path| fs::write(folder.join("node.state"), "").expect("writes");
    assert!(matches!(
        damaged(good.path(), empty_state, "with an empty node.state").await,
        Some(StorageError::Damaged { .. })
    ));
    let fresh_log = |folder: &Path| {
        let other = crate::storage_common::folder();
        drop(open(other.path()).expect("opens"));
        fs::remove_dir_all(folder.join("log")).expect("rm");
        copy_folder(&other.path().join("log"), &folder.join("log"));
    };
    assert_eq!(
        damaged(good.path(), fresh_log, "with a fresh log").await,
        Some(Refusal::LogMissing.into())
    );
}

/// An emptied folder cannot be told from a new one, and says so: the node knows no one and must join.
#[tokio::test]
async fn emptied_folder_is_a_new_node() {
    let good = used().await;
    for entry in fs::read_dir(good.path()).expect("reads") {
        let path = entry.expect("entry").path();
        if path.is_dir() {
            fs::remove_dir_all(path).expect("rm");
        } else {
            fs::remove_file(path).expect("rm");
        }
    }
    let storage = open(good.path()).expect("opens");
    assert!(storage.recovered().is_new());
}

/// Folders of two nodes, swapped whole or in part.
#[tokio::test]
async fn swapped_folder_is_refused() {
    let good = used().await;
    let as_other = SledStorage::open(
        good.path(),
        SledOptions {
            expected_node: Some(9),
            probe: None,
        },
    );
    assert!(matches!(
        as_other.err(),
        Some(StorageError::Refused(Refusal::OtherNode {
            expected: 9,
            found: 1
        }))
    ));
    let other = folder();
    let storage = SledStorage::open(other.path(), SledOptions::default()).expect("opens");
    storage
        .save_identity(grantd::storage::Identity {
            node_id: 9,
            disk: [9; 16],
            incarnation: None,
        })
        .await
        .expect("binds");
    append(&storage, records(1, 0..100, 700))
        .await
        .expect("appends");
    drop(storage);
    fs::remove_dir_all(good.path().join("log")).expect("rm");
    copy_folder(&other.path().join("log"), &good.path().join("log"));
    assert!(matches!(
        open(good.path()).err(),
        Some(StorageError::Refused(Refusal::OtherNode { .. }))
    ));
}

/// A copy of the log from before: shorter than what was acknowledged since.
#[tokio::test]
async fn older_copy_of_the_log_is_refused() {
    let good = used().await;
    let older = folder();
    copy_folder(good.path(), older.path());
    let storage = open(good.path()).expect("opens");
    append(&storage, records(1, 60..61, 10))
        .await
        .expect("appends");
    drop(storage);
    fs::remove_dir_all(good.path().join("log")).expect("rm");
    copy_folder(&older.path().join("log"), &good.path().join("log"));
    let refused = open(good.path()).err().expect("refuses");
    assert!(
        matches!(refused, StorageError::Refused(Refusal::LogShort { .. })),
        "{refused}"
    );
}

/// A folder of a build before the first release is refused by its version, in a sentence that says what to do; it is not
/// taken for damage. The old bytes are those that such a build wrote.
#[tokio::test]
async fn folder_of_an_earlier_build_is_refused_by_its_schema_version() {
    let good = used().await;
    let golden = |name: &str| {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/storage");
        fs::read(folder.join(name)).expect("reads")
    };
    let slot = golden("node-state-slot-1.bin");
    let state = good.path().join("node.state");
    let kept = fs::read(&state).expect("reads");
    let check = |file: &Path| {
        // The engine of the open before lets go of the folder by a thread of its own.
        let refused = loop {
            match open(good.path()).err().expect("refuses") {
                StorageError::Refused(Refusal::InUse { .. }) => std::thread::yield_now(),
                other => break other,
            }
        };
        assert!(!refused.is_corruption(), "{refused}");
        assert_eq!(
            refused.to_string(),
            format!(
                "`{}` was written by an earlier build of grantd, from before the first release (schema 1, this one \
                 reads 3); there is no conversion: move the folder away and start with a new, empty one, or start the \
                 build that wrote it",
                file.display()
            )
        );
    };
    fs::write(&state, [slot.as_slice(), &slot].concat()).expect("writes");
    check(&state);
    // One slot suffices: an older build was here.
    fs::write(&state, [slot.as_slice(), &kept[4096..]].concat()).expect("writes");
    check(&state);
    fs::write(&state, kept).expect("writes");
    let snapshots = files(&good.path().join("snapshots"));
    fs::write(&snapshots[0], golden("snapshot-1.bin")).expect("writes");
    check(&snapshots[0]);
}

/// Unmounts what it has mounted.
struct Mounted(PathBuf);

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

/// A file system of 1 MiB, where this user may mount one: the write that fills it is refused, and what was
/// acknowledged is there afterwards.
#[tokio::test(flavor = "multi_thread")]
async fn full_file_system_is_refused_and_loses_nothing() {
    let at = folder();
    let mounted = Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=1m", "tmpfs"])
        .arg(at.path())
        .output();
    if !mounted.is_ok_and(|output| output.status.success()) {
        eprintln!("mounting is not permitted here: ENOSPC is covered by the injected faults alone");
        return;
    }
    let _mounted = Mounted(at.path().to_owned());
    let node = at.path().join("node");
    let storage = open(&node).expect("opens");
    bind(&storage).await.expect("binds");
    let mut kept = 0;
    let refused = loop {
        match append(&storage, records(1, kept..kept + 1, 10_000)).await {
            Ok(()) => kept += 1,
            Err(error) => break error,
        }
        assert!(kept < 1000, "1 MiB never fills");
    };
    assert!(
        matches!(refused, StorageError::Full { .. }),
        "after {kept} records: {refused}"
    );
    drop(storage);
    let grown = Command::new("mount")
        .args(["-o", "remount,size=16m"])
        .arg(at.path())
        .status();
    assert!(grown.is_ok_and(|status| status.success()), "grows");
    let storage = open(&node).expect("opens with more space");
    let found = read_all(&storage).await.expect("reads");
    assert!(found.len() as u64 >= kept, "{} of {kept}", found.len());
    append(
        &storage,
        records(1, found.len() as u64..found.len() as u64 + 1, 10),
    )
    .await
    .expect("goes on");
}
