//! How far a node has told its changes, kept over its restarts.
//!
//! It is written after the lines that it speaks of and not synced: a process that is killed in between repeats a few
//! lines, and leaves none out; so does a machine that loses power.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use crate::domain::time::Revision;

/// Its name in the node's folder.
const FILE: &str = "audit.mark";

const MAGIC: [u8; 4] = *b"gaM1";
const LEN: usize = 16;

/// The mark of one node.
#[derive(Debug)]
pub(super) struct Mark(File);

impl Mark {
    /// Opens the mark in a node's folder, which exists, and reads it. One that cannot be understood counts as none: changes
    /// are told twice rather than not at all.
    ///
    /// # Errors
    /// The system refuses.
    pub fn open(folder: &Path) -> io::Result<(Self, Revision)> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(folder.join(FILE))?;
        let mut bytes = [0; LEN];
        let told = match file.read_exact_at(&mut bytes, 0) {
            Ok(()) => read(&bytes),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => None,
            Err(error) => return Err(error),
        };
        Ok((Self(file), told.unwrap_or(Revision(0))))
    }

    /// Keeps `told`.
    ///
    /// # Errors
    /// The system refuses; the mark before may stand.
    pub fn keep(&self, told: Revision) -> io::Result<()> {
        self.0.write_all_at(&written(told), 0)
    }
}

fn written(told: Revision) -> [u8; LEN] {
    let mut bytes = [0; LEN];
    let (magic, rest) = bytes.split_at_mut(4);
    let (number, sum) = rest.split_at_mut(8);
    magic.copy_from_slice(&MAGIC);
    number.copy_from_slice(&told.0.to_le_bytes());
    sum.copy_from_slice(&crc32fast::hash(number).to_le_bytes());
    bytes
}

fn read(bytes: &[u8; LEN]) -> Option<Revision> {
    let number: [u8; 8] = bytes.get(4..12)?.try_into().ok()?;
    let told = Revision(u64::from_le_bytes(number));
    (written(told) == *bytes).then_some(told)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mark_is_there_after_a_restart_and_a_damaged_one_counts_as_none() {
        let folder = tempfile::tempdir().unwrap();
        let (mark, told) = Mark::open(folder.path()).unwrap();
        assert_eq!(told, Revision(0));
        for told in [7, u64::MAX, 8] {
            mark.keep(Revision(told)).unwrap();
            assert_eq!(Mark::open(folder.path()).unwrap().1, Revision(told));
        }
        let path = folder.path().join(FILE);
        let whole = std::fs::read(&path).unwrap();
        for at in 0..LEN {
            let mut damaged = whole.clone();
            damaged[at] ^= 1;
            std::fs::write(&path, &damaged).unwrap();
            assert_eq!(Mark::open(folder.path()).unwrap().1, Revision(0), "{at}");
            std::fs::write(&path, &whole[..at]).unwrap();
            assert_eq!(Mark::open(folder.path()).unwrap().1, Revision(0), "{at}");
        }
    }
}
