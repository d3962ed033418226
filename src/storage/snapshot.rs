//! Snapshots as files: written under a temporary name, synced, renamed, and the folder synced; the newest two are kept.
//!
//! A file is a head, pieces of at most 64 KiB, and an end. Head: magic `gSnp` · schema u16 · flags u16 · last log id
//! (three u64) · length of the opaque part u32 · the opaque part · crc32. Piece: length u32 · crc32 · bytes. End: length
//! zero u32 · crc32 · total length u64. Each checksum goes on from the one before it, so a piece that is missing, swapped
//! or from another file is noticed, and a file that just ends is not taken for a shorter one. Big-endian. A state of any
//! size passes through one piece's buffer. It never decides which snapshot a node may start on: that is `recovery`.
//!
//! A fault here touches nothing that counts: a snapshot that cannot be written is given up, and the log goes on holding
//! what it would have held. Before and while one is written some room is left for the log, which must never be the one
//! that finds the disk full because of a snapshot.

use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use bytes::Bytes;

use super::bounds::{
    MAX_SNAPSHOT_EXTRA_BYTES, SNAPSHOT_PIECE_BYTES, SNAPSHOT_ROOM_CHECK_BYTES,
    SNAPSHOT_ROOM_KEPT_BYTES,
};
use super::disk::{Disk, Step, failed};
use super::error::{SCHEMA, check_schema};
use super::record::{Reader, put_id};
use super::{LogId, SnapshotMeta, StorageError};

const MAGIC: [u8; 4] = *b"gSnp";
const HAS_LAST: u16 = 1;
const FIXED_HEAD: usize = 4 + 2 + 2 + 24 + 4;
const KEPT: usize = 2;

/// The folder of snapshots.
pub(super) const FOLDER: &str = "snapshots";
const EXTENSION: &str = "snapshot";
const UNFINISHED: &str = "tmp";

/// A finished snapshot.
#[derive(Clone, Debug)]
pub(super) struct Finished {
    pub meta: SnapshotMeta,
    pub path: PathBuf,
    pub bytes: u64,
}

/// Whether the folder holds a finished snapshot.
pub(super) fn any(folder: &Path) -> Result<bool, StorageError> {
    Ok(list(folder)?
        .iter()
        .any(|path| path.extension() == Some(OsStr::new(EXTENSION))))
}

/// Removes what was never finished and returns the newest finished snapshot, of which the head and the length are
/// verified. Its content is verified by whoever reads it, which a start does once: before the node takes part in anything.
///
/// # Errors
/// [`StorageError::Damaged`] when the newest is damaged. An older one is never taken in its place: the log behind it
/// is gone.
pub(super) fn recover(folder: &Path) -> Result<Option<Finished>, StorageError> {
    let mut newest: Option<Finished> = None;
    for path in list(folder)? {
        if path.extension() == Some(OsStr::new(UNFINISHED)) {
            fs::remove_file(&path).map_err(|error| failed("removing", &path, &error))?;
        } else if path.extension() == Some(OsStr::new(EXTENSION)) {
            let meta = open(&path)?.meta;
            if newest
                .as_ref()
                .is_none_or(|known| known.meta.last < meta.last)
            {
                newest = Some(Finished {
                    meta,
                    path,
                    bytes: 0,
                });
            }
        }
    }
    let Some(mut newest) = newest else {
        return Ok(None);
    };
    newest.bytes = stated_length(&newest.path)?;
    Ok(Some(newest))
}

/// The length of the content that the end of a file states; plausible, but not verified.
fn stated_length(path: &Path) -> Result<u64, StorageError> {
    let unread = |error: io::Error| match error.kind() {
        io::ErrorKind::UnexpectedEof | io::ErrorKind::InvalidInput => {
            damaged(path, "it is too short")
        }
        _ => failed("reading", path, &error),
    };
    let mut file = File::open(path).map_err(|error| failed("opening", path, &error))?;
    let whole = file.metadata().map_err(unread)?.len();
    let mut stated = [0; 8];
    file.seek(SeekFrom::End(-8)).map_err(unread)?;
    file.read_exact(&mut stated).map_err(unread)?;
    let stated = u64::from_be_bytes(stated);
    if stated >= whole {
        return Err(damaged(path, "its end states an impossible length"));
    }
    Ok(stated)
}

fn list(folder: &Path) -> Result<Vec<PathBuf>, StorageError> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(failed("reading the folder", folder, &error)),
    };
    let mut paths = Vec::new();
    for entry in entries {
        let entry = entry.map_err(|error| failed("reading the folder", folder, &error))?;
        paths.push(entry.path());
    }
    paths.sort();
    Ok(paths)
}

fn damaged(path: &Path, detail: &str) -> StorageError {
    StorageError::damaged(format!("the snapshot `{}`", path.display()), detail)
}

fn name(last: Option<LogId>) -> String {
    match last {
        None => format!("none.{EXTENSION}"),
        Some(LogId { term, node, index }) => {
            format!("{index:020}-{term:020}-{node:020}.{EXTENSION}")
        }
    }
}

/// A snapshot being written. Removed when it is dropped unfinished.
pub(super) struct Writer {
    disk: Disk,
    folder: PathBuf,
    path: PathBuf,
    file: File,
    meta: SnapshotMeta,
    piece: Vec<u8>,
    hasher: crc32fast::Hasher,
    total: u64,
    /// Bytes until the room is looked at again.
    unchecked: u64,
    sealed: bool,
    named: bool,
}

impl Writer {
    /// Creates the file. `serial` tells apart the unfinished ones of one process.
    pub fn create(
        folder: &Path,
        disk: &Disk,
        meta: SnapshotMeta,
        serial: u64,
    ) -> Result<Self, StorageError> {
        if meta.extra.len() > MAX_SNAPSHOT_EXTRA_BYTES {
            return Err(StorageError::extra_too_long(meta.extra.len()));
        }
        if !disk.has_room(folder, SNAPSHOT_ROOM_KEPT_BYTES) {
            // The one before the newest is a convenience.
            keep_newest(folder, 1);
        }
        let path = folder.join(format!("{serial}.{UNFINISHED}"));
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .open(&path)
            .map_err(|error| failed("creating", &path, &error))?;
        let mut writer = Writer {
            disk: disk.clone(),
            folder: folder.to_owned(),
            path,
            file,
            piece: Vec::with_capacity(SNAPSHOT_PIECE_BYTES),
            hasher: crc32fast::Hasher::new(),
            total: 0,
            unchecked: 0,
            sealed: false,
            named: false,
            meta,
        };
        writer
            .put_head()
            .map_err(|error| failed("writing the snapshot", &writer.path, &error))?;
        Ok(writer)
    }

    fn put_head(&mut self) -> io::Result<()> {
        let mut head = Vec::with_capacity(FIXED_HEAD + self.meta.extra.len() + 4);
        head.extend_from_slice(&MAGIC);
        head.extend_from_slice(&SCHEMA.to_be_bytes());
        let flags = if self.meta.last.is_some() {
            HAS_LAST
        } else {
            0
        };
        head.extend_from_slice(&flags.to_be_bytes());
        put_id(&mut head, self.meta.last);
        let extra = u32::try_from(self.meta.extra.len()).map_err(io::Error::other)?;
        head.extend_from_slice(&extra.to_be_bytes());
        head.extend_from_slice(&self.meta.extra);
        self.hasher.update(&head);
        head.extend_from_slice(&self.hasher.clone().finalize().to_be_bytes());
        self.put(&head)
    }

    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.unchecked == 0 && !self.disk.has_room(&self.folder, SNAPSHOT_ROOM_KEPT_BYTES) {
            return Err(io::Error::new(
                io::ErrorKind::StorageFull,
                format!(
                    "less than {} MiB are free, and those are left for the log",
                    SNAPSHOT_ROOM_KEPT_BYTES >> 20
                ),
            ));
        }
        let length = bytes.len() as u64;
        self.unchecked = match self.unchecked.saturating_add(length) {
            enough if enough >= SNAPSHOT_ROOM_CHECK_BYTES => 0,
            less => less,
        };
        let mut file = &self.file;
        self.disk
            .step(Step::SnapshotWrite, &self.path, || file.write_all(bytes))
    }

    fn put_piece(&mut self) -> io::Result<()> {
        if self.piece.is_empty() {
            return Ok(());
        }
        let piece = std::mem::take(&mut self.piece);
        let length = u32::try_from(piece.len()).map_err(io::Error::other)?;
        self.hasher.update(&length.to_be_bytes());
        self.hasher.update(&piece);
        let mut framed = Vec::with_capacity(8 + piece.len());
        framed.extend_from_slice(&length.to_be_bytes());
        framed.extend_from_slice(&self.hasher.clone().finalize().to_be_bytes());
        framed.extend_from_slice(&piece);
        self.put(&framed)?;
        self.total = self.total.saturating_add(u64::from(length));
        self.piece = piece;
        self.piece.clear();
        Ok(())
    }

    /// Ends the file and makes its content durable, not yet under its name.
    pub fn seal(&mut self) -> Result<(), StorageError> {
        if self.sealed {
            return Ok(());
        }
        let ended = self.put_piece().and_then(|()| {
            let mut end = 0u32.to_be_bytes().to_vec();
            self.hasher.update(&end);
            self.hasher.update(&self.total.to_be_bytes());
            end.extend_from_slice(&self.hasher.clone().finalize().to_be_bytes());
            end.extend_from_slice(&self.total.to_be_bytes());
            self.put(&end)
        });
        ended.map_err(|error| failed("writing the snapshot", &self.path, &error))?;
        self.disk
            .sync_all(Step::SnapshotSync, &self.file, &self.path)?;
        self.sealed = true;
        Ok(())
    }

    /// Makes it durable under its name.
    pub fn finish(mut self) -> Result<Finished, StorageError> {
        // ORDER: content, then name, then the folder: a name never stands for content that a power loss takes away.
        self.seal()?;
        let path = self.folder.join(name(self.meta.last));
        self.disk.rename(&self.path, &path)?;
        self.named = true;
        self.disk
            .sync_folder(Step::SnapshotFolderSync, &self.folder)?;
        Ok(Finished {
            meta: self.meta.clone(),
            path,
            bytes: self.total,
        })
    }
}

impl Write for Writer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let room = SNAPSHOT_PIECE_BYTES.saturating_sub(self.piece.len());
        let taken = bytes.len().min(room);
        self.piece
            .extend_from_slice(bytes.get(..taken).unwrap_or(&[]));
        if self.piece.len() >= SNAPSHOT_PIECE_BYTES {
            self.put_piece()?;
        }
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        if !self.named {
            // Left over at worst, and removed at the next start.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Removes snapshots that are no longer needed. ORDER: only once the newest is what everybody is given.
pub(super) fn remove_surplus(folder: &Path) {
    keep_newest(folder, KEPT);
}

/// One that cannot be read or removed stays where it is: it costs room, and the next time is tried again.
fn keep_newest(folder: &Path, kept: usize) {
    let mut known = Vec::new();
    for path in list(folder).unwrap_or_default() {
        if path.extension() == Some(OsStr::new(EXTENSION))
            && let Ok(content) = open(&path)
        {
            known.push((content.meta.last, path));
        }
    }
    known.sort();
    let surplus = known.len().saturating_sub(kept);
    for (_, path) in known.into_iter().take(surplus) {
        if let Err(error) = fs::remove_file(&path) {
            tracing::warn!(path = %path.display(), %error, "a snapshot that is not needed any more cannot be removed");
        }
    }
}

/// Opens a file and verifies its head.
pub(super) fn open(path: &Path) -> Result<Content, StorageError> {
    let read_failed = |error: io::Error| match error.kind() {
        io::ErrorKind::UnexpectedEof => damaged(path, "it is too short"),
        _ => failed("reading", path, &error),
    };
    let file = File::open(path).map_err(|error| failed("opening", path, &error))?;
    let mut file = BufReader::with_capacity(SNAPSHOT_PIECE_BYTES + 8, file);
    let mut fixed = [0; FIXED_HEAD];
    file.read_exact(&mut fixed).map_err(read_failed)?;
    let mut reader = Reader(&fixed);
    let too_short = |detail: &str| damaged(path, detail);
    if reader.take::<4>().map_err(too_short)? != MAGIC {
        return Err(damaged(
            path,
            "it does not begin with the mark of a snapshot",
        ));
    }
    let schema = u16::from_be_bytes(reader.take().map_err(too_short)?);
    let flags = u16::from_be_bytes(reader.take().map_err(too_short)?);
    let last = reader.id().map_err(too_short)?;
    let extra = u32::from_be_bytes(reader.take().map_err(too_short)?);
    let extra = usize::try_from(extra).unwrap_or(usize::MAX);
    if extra > MAX_SNAPSHOT_EXTRA_BYTES {
        return Err(damaged(path, "its head states an impossible length"));
    }
    let mut rest = vec![0; extra];
    file.read_exact(&mut rest).map_err(read_failed)?;
    let mut stated = [0; 4];
    file.read_exact(&mut stated).map_err(read_failed)?;
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&fixed);
    hasher.update(&rest);
    if hasher.clone().finalize().to_be_bytes() != stated {
        return Err(damaged(path, "the checksum of its head does not match"));
    }
    check_schema(path.display(), schema)?;
    Ok(Content {
        meta: SnapshotMeta {
            last: (flags & HAS_LAST != 0).then_some(last),
            extra: Bytes::from(rest),
        },
        path: path.to_owned(),
        file,
        hasher,
        piece: Vec::new(),
        at: 0,
        total: 0,
        ended: false,
    })
}

/// The content of a snapshot, verified piece by piece.
pub(super) struct Content {
    pub meta: SnapshotMeta,
    path: PathBuf,
    file: BufReader<File>,
    hasher: crc32fast::Hasher,
    piece: Vec<u8>,
    at: usize,
    total: u64,
    ended: bool,
}

impl Content {
    fn invalid(&self, detail: &str) -> io::Error {
        io::Error::new(io::ErrorKind::InvalidData, damaged(&self.path, detail))
    }

    fn exactly(&mut self, bytes: &mut [u8]) -> io::Result<()> {
        self.file
            .read_exact(bytes)
            .map_err(|error| match error.kind() {
                io::ErrorKind::UnexpectedEof => self.invalid("it ends too early"),
                _ => error,
            })
    }

    fn next_piece(&mut self) -> io::Result<()> {
        let mut length = [0; 4];
        let mut stated = [0; 4];
        self.exactly(&mut length)?;
        self.exactly(&mut stated)?;
        self.hasher.update(&length);
        let length = u32::from_be_bytes(length) as usize;
        if length > SNAPSHOT_PIECE_BYTES {
            return Err(self.invalid("a piece states an impossible length"));
        }
        let mut piece = std::mem::take(&mut self.piece);
        piece.resize(if length == 0 { 8 } else { length }, 0);
        self.exactly(&mut piece)?;
        self.hasher.update(&piece);
        if self.hasher.clone().finalize().to_be_bytes() != stated {
            return Err(self.invalid("the checksum of a piece does not match"));
        }
        if length == 0 {
            if piece != self.total.to_be_bytes() {
                return Err(self.invalid("its length is not the one it states"));
            }
            if self.file.read(&mut [0])? != 0 {
                return Err(self.invalid("there is something after its end"));
            }
            self.ended = true;
            piece.clear();
        }
        self.total = self.total.saturating_add(length as u64);
        self.piece = piece;
        self.at = 0;
        Ok(())
    }
}

impl Read for Content {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if into.is_empty() {
            return Ok(0);
        }
        while !self.ended && self.at >= self.piece.len() {
            self.next_piece()?;
        }
        let ready = self.piece.get(self.at..).unwrap_or(&[]);
        let taken = ready.len().min(into.len());
        if let (Some(to), Some(from)) = (into.get_mut(..taken), ready.get(..taken)) {
            to.copy_from_slice(from);
        }
        self.at = self.at.saturating_add(taken);
        Ok(taken)
    }
}

#[cfg(test)]
mod tests {
    use super::super::Refusal;
    use super::*;

    fn meta(index: u64) -> SnapshotMeta {
        SnapshotMeta {
            last: Some(LogId {
                term: 2,
                node: 1,
                index,
            }),
            extra: Bytes::from_static(b"members"),
        }
    }

    fn write(folder: &Path, meta: SnapshotMeta, content: &[u8]) -> Finished {
        let mut writer = Writer::create(folder, &Disk::default(), meta, 1).expect("creates");
        writer.write_all(content).expect("writes");
        writer.finish().expect("finishes")
    }

    fn content(length: usize) -> Vec<u8> {
        (0..length).map(|at| (at * 7 % 253) as u8).collect()
    }

    /// Content of any length comes back, through one piece's buffer.
    #[test]
    fn content_of_any_length_comes_back() {
        let folder = tempfile::tempdir().expect("folder");
        for length in [
            0,
            1,
            SNAPSHOT_PIECE_BYTES - 1,
            SNAPSHOT_PIECE_BYTES,
            3 * SNAPSHOT_PIECE_BYTES + 5,
        ] {
            let written = write(folder.path(), meta(length as u64), &content(length));
            let found = recover(folder.path()).expect("recovers").expect("is one");
            assert_eq!((found.bytes, &found.meta), (length as u64, &written.meta));
            let mut read = Vec::new();
            open(&found.path)
                .expect("opens")
                .read_to_end(&mut read)
                .expect("reads");
            assert_eq!(read, content(length));
        }
        remove_surplus(folder.path());
        let kept = list(folder.path()).expect("lists");
        assert_eq!(kept.len(), KEPT, "{kept:?}");
    }

    /// Every flipped byte, every lost byte and everything added is noticed; an older snapshot is not taken instead.
    #[test]
    fn damage_anywhere_refuses_the_newest() {
        let folder = tempfile::tempdir().expect("folder");
        write(folder.path(), meta(1), b"older");
        let path = write(folder.path(), meta(2), &content(300)).path;
        let good = fs::read(&path).expect("reads");
        let mut bad_ones: Vec<Vec<u8>> = (0..good.len())
            .map(|at| {
                let mut bad = good.clone();
                bad[at] ^= 0x40;
                bad
            })
            .collect();
        bad_ones.extend((0..good.len()).map(|length| good[..length].to_vec()));
        bad_ones.push([good.as_slice(), b"x"].concat());
        for (case, bad) in bad_ones.iter().enumerate() {
            fs::write(&path, bad).expect("writes");
            // A start looks at the heads and reads the newest once, when it loads the state.
            let noticed = match recover(folder.path()) {
                Err(error) => {
                    error.is_corruption()
                        || matches!(error, StorageError::Refused(Refusal::NewerSchema { .. }))
                }
                Ok(found) => {
                    let found = found.expect("is one");
                    assert_eq!(found.path, path, "case {case}: an older one");
                    let mut content = open(&found.path).expect("has a head");
                    let read = content.read_to_end(&mut Vec::new());
                    read.is_err_and(|error| error.kind() == io::ErrorKind::InvalidData)
                }
            };
            assert!(noticed, "case {case}");
        }
    }

    /// An unfinished snapshot leaves nothing behind.
    #[test]
    fn unfinished_snapshot_counts_for_nothing() {
        let folder = tempfile::tempdir().expect("folder");
        let mut writer =
            Writer::create(folder.path(), &Disk::default(), meta(1), 1).expect("creates");
        writer.write_all(b"half").expect("writes");
        drop(writer);
        assert!(list(folder.path()).expect("lists").is_empty());
        fs::write(folder.path().join("9.tmp"), b"left by a crash").expect("writes");
        assert!(recover(folder.path()).expect("recovers").is_none());
        assert!(list(folder.path()).expect("lists").is_empty());
    }

    /// A snapshot of a build before the first release, as it was written then.
    #[test]
    fn snapshot_of_an_earlier_build_is_refused_as_such() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("golden.snapshot");
        fs::write(
            &path,
            include_bytes!("../../tests/golden/storage/snapshot-1.bin"),
        )
        .expect("writes");
        assert!(matches!(
            recover(folder.path()),
            Err(StorageError::Refused(Refusal::EarlierSchema {
                found: 1,
                ..
            }))
        ));
    }

    /// Schema 3, as it is written: these bytes must stay readable.
    #[test]
    fn golden_bytes_of_schema_3_decode() {
        let golden = include_bytes!("../../tests/golden/storage/snapshot-3.bin");
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("golden.snapshot");
        fs::write(&path, golden).expect("writes");
        let mut found = open(&path).expect("opens");
        assert_eq!(found.meta, meta(42));
        let mut read = Vec::new();
        found.read_to_end(&mut read).expect("reads");
        assert_eq!(read, b"golden state");
        let written = write(folder.path(), meta(42), b"golden state").path;
        assert_eq!(
            fs::read(written).expect("reads"),
            golden,
            "schema 3 is still what is written"
        );
    }
}
