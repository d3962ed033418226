//! The audit trail in a file that is rotated by its size.
//!
//! Lines are appended whole. A file that would grow beyond its size becomes `NAME.1`, the one before `NAME.2`, and so on;
//! the oldest goes. A file that somebody has moved away or taken out is made anew, so rotation by others works too.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{FileExt, FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::env::Clock;
use crate::telemetry::Seldom;

/// Who may read a new file: its owner, and the group for a shipper of logs.
const MODE: u32 = 0o640;

/// How a file is rotated.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Rotation {
    /// A file grows to so many bytes; a single line may be longer.
    pub bytes: u64,
    /// So many older files are kept beside it; at least one.
    pub kept: u32,
}

/// A rotated file, open for lines.
pub(super) struct RotatedFile {
    path: PathBuf,
    rotation: Rotation,
    open: Option<Open>,
    clock: Arc<dyn Clock>,
    not_rotated: Seldom,
}

struct Open {
    file: File,
    id: (u64, u64),
    is_regular: bool,
    bytes: u64,
    /// Whether the last line is whole.
    is_whole: bool,
}

impl RotatedFile {
    /// Opens the file, so that a path that cannot be written is known at the start.
    ///
    /// # Errors
    /// The system refuses.
    pub fn open(path: PathBuf, rotation: Rotation, clock: Arc<dyn Clock>) -> io::Result<Self> {
        let open = Open::at(&path)?;
        Ok(Self {
            path,
            rotation,
            open: Some(open),
            clock,
            not_rotated: Seldom::new(),
        })
    }

    /// Writes whole lines, as many as the file has room for, or the rest of a line that was begun.
    ///
    /// # Errors
    /// Nothing was written.
    pub fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self
            .open
            .as_ref()
            .is_some_and(|open| open.is_whole && !open.is_at(&self.path))
        {
            self.open = None;
        }
        let mut open = match self.open.take() {
            Some(open) => open,
            None => Open::at(&self.path)?,
        };
        let mut take = open.fitting(bytes, self.rotation.bytes);
        if take == 0 {
            match self.rotate() {
                Ok(next) => open = next,
                // What cannot be rotated grows: to lose lines would be worse.
                Err(error) => self.tell_not_rotated(&error),
            }
            take = first_line(bytes);
        }
        let written = open.write(bytes.get(..take).unwrap_or(bytes));
        self.open = Some(open);
        written
    }

    fn rotate(&self) -> io::Result<Open> {
        // ORDER: the oldest first, so that nothing but the oldest is replaced whenever this is cut short.
        for n in (1..self.rotation.kept).rev() {
            rename(&self.older(n), &self.older(n + 1))?;
        }
        rename(&self.path, &self.older(1))?;
        Open::at(&self.path)
    }

    fn older(&self, n: u32) -> PathBuf {
        let mut name = self.path.clone().into_os_string();
        name.push(format!(".{n}"));
        name.into()
    }

    fn tell_not_rotated(&self, error: &io::Error) {
        if let Some(times) = self.not_rotated.due(self.clock.boot().since_boot()) {
            let path = self.path.display();
            tracing::error!(%path, %error, times, "the audit file cannot be rotated and grows on");
        }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

fn rename(from: &Path, to: &Path) -> io::Result<()> {
    match fs::rename(from, to) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        done => done,
    }
}

/// The length of the first line, its end included; of a text without an end, all of it.
fn first_line(bytes: &[u8]) -> usize {
    let end = bytes.iter().position(|byte| *byte == b'\n');
    end.map_or(bytes.len(), |end| end + 1)
}

fn id(of: &Metadata) -> (u64, u64) {
    (of.dev(), of.ino())
}

impl Open {
    fn at(path: &Path) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        options.append(true).create(true).mode(MODE);
        if fs::metadata(path).is_ok_and(|found| found.file_type().is_fifo()) {
            // To open a pipe that nobody reads would wait for ever.
            options.custom_flags(rustix::fs::OFlags::NONBLOCK.bits().cast_signed());
        }
        let file = options.open(path)?;
        let metadata = file.metadata()?;
        let is_regular = metadata.is_file();
        let bytes = if is_regular { metadata.len() } else { 0 };
        let mut open = Self {
            id: id(&metadata),
            file,
            is_regular,
            bytes,
            is_whole: true,
        };
        if bytes > 0 && !ends_whole(path, bytes)? {
            // The process before was killed in the middle of a line.
            open.write(b"\n")?;
        }
        Ok(open)
    }

    fn is_at(&self, path: &Path) -> bool {
        fs::metadata(path).is_ok_and(|found| id(&found) == self.id)
    }

    /// How many of `bytes` are to be written now; zero: rotate first.
    fn fitting(&self, bytes: &[u8], most: u64) -> usize {
        if !self.is_whole {
            return first_line(bytes);
        }
        let room = if self.is_regular {
            usize::try_from(most.saturating_sub(self.bytes)).unwrap_or(usize::MAX)
        } else {
            usize::MAX
        };
        let Some(within) = bytes.get(..room) else {
            return bytes.len();
        };
        match within.iter().rposition(|byte| *byte == b'\n') {
            Some(end) => end + 1,
            None if self.bytes == 0 => first_line(bytes),
            None => 0,
        }
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.bytes = self.bytes.saturating_add(written as u64);
        if let Some(last) = written.checked_sub(1).and_then(|last| bytes.get(last)) {
            self.is_whole = *last == b'\n';
        }
        Ok(written)
    }
}

fn ends_whole(path: &Path, bytes: u64) -> io::Result<bool> {
    let mut last = [0];
    File::open(path)?.read_exact_at(&mut last, bytes.saturating_sub(1))?;
    Ok(last == [b'\n'])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::env::real::RealClock;

    fn rotated(folder: &Path, bytes: u64, kept: u32) -> RotatedFile {
        let rotation = Rotation { bytes, kept };
        RotatedFile::open(folder.join("audit"), rotation, Arc::new(RealClock)).unwrap()
    }

    fn write_all(file: &mut RotatedFile, text: &str) {
        let mut rest = text.as_bytes();
        while !rest.is_empty() {
            let written = file.write(rest).unwrap();
            assert!(written > 0);
            rest = &rest[written..];
        }
    }

    fn read(folder: &Path, name: &str) -> String {
        fs::read_to_string(folder.join(name)).unwrap_or_else(|_| "-".to_owned())
    }

    #[test]
    fn lines_go_whole_into_files_of_their_size_and_the_oldest_goes() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        let mut file = rotated(folder, 10, 2);
        write_all(&mut file, "aaaa\nbbbb\ncccc\n");
        assert_eq!(
            (&*read(folder, "audit"), &*read(folder, "audit.1")),
            ("cccc\n", "aaaa\nbbbb\n")
        );
        // A line longer than a file has one to itself.
        write_all(&mut file, "dddddddddddd\ne\n");
        assert_eq!(read(folder, "audit"), "e\n");
        assert_eq!(read(folder, "audit.1"), "dddddddddddd\n");
        assert_eq!(read(folder, "audit.2"), "cccc\n");
        assert_eq!(read(folder, "audit.3"), "-");
    }

    #[test]
    fn file_that_is_there_is_gone_on_with_and_a_torn_line_is_ended() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        fs::write(folder.join("audit"), "whole\nto").unwrap();
        let mut file = rotated(folder, 20, 1);
        write_all(&mut file, "next\n");
        assert_eq!(read(folder, "audit"), "whole\nto\nnext\n");
        drop(file);
        let mut file = rotated(folder, 20, 1);
        write_all(&mut file, "1234567\n");
        assert_eq!(read(folder, "audit"), "1234567\n");
        assert_eq!(read(folder, "audit.1"), "whole\nto\nnext\n");
    }

    #[test]
    fn file_that_was_moved_or_taken_out_is_made_anew() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        let mut file = rotated(folder, 1 << 20, 1);
        write_all(&mut file, "a\n");
        fs::rename(folder.join("audit"), folder.join("moved")).unwrap();
        write_all(&mut file, "b\n");
        fs::remove_file(folder.join("audit")).unwrap();
        write_all(&mut file, "c\n");
        assert_eq!(
            (&*read(folder, "moved"), &*read(folder, "audit")),
            ("a\n", "c\n")
        );
    }

    #[test]
    fn file_that_cannot_be_rotated_grows_and_loses_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        // A folder with something in it cannot be replaced by a file.
        fs::create_dir_all(folder.join("audit.1/x")).unwrap();
        let mut file = rotated(folder, 4, 1);
        write_all(&mut file, "aaa\nbbb\nccc\n");
        assert_eq!(read(folder, "audit"), "aaa\nbbb\nccc\n");
        fs::remove_dir_all(folder.join("audit.1")).unwrap();
        write_all(&mut file, "ddd\n");
        assert_eq!(
            (&*read(folder, "audit.1"), &*read(folder, "audit")),
            ("aaa\nbbb\nccc\n", "ddd\n")
        );
    }

    #[test]
    fn full_disk_is_an_error_and_what_is_no_file_is_not_rotated() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        std::os::unix::fs::symlink("/dev/full", folder.join("audit")).unwrap();
        let mut file = rotated(folder, 4, 1);
        let error = file.write(b"aaa\nbbb\n").unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
        assert_eq!(read(folder, "audit.1"), "-");
        fs::remove_file(folder.join("audit")).unwrap();
        write_all(&mut file, "aaa\n");
        assert_eq!(read(folder, "audit"), "aaa\n");
        assert!(
            RotatedFile::open(
                folder.to_owned(),
                Rotation { bytes: 4, kept: 1 },
                Arc::new(RealClock)
            )
            .is_err()
        );
    }
}
