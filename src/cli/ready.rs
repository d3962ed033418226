//! The ready file: what a script waits for, and what it then needs to know.

use std::io::Write;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::error::CliError;

/// A JSON file that is there as long as what it tells of serves.
pub(super) struct ReadyFile(PathBuf);

impl ReadyFile {
    /// Writes the file in one step: who finds it, finds all of it.
    pub(super) fn write(path: &Path, content: &Value) -> Result<Self, CliError> {
        write_whole(path, format!("{content:#}\n").as_bytes())?;
        Ok(Self(path.to_owned()))
    }
}

impl Drop for ReadyFile {
    fn drop(&mut self) {
        // It says that something serves, and that is over; if it is gone already, so much the better.
        let _ = std::fs::remove_file(&self.0);
    }
}

/// Writes a file beside its place, makes it durable, and puts it there in one step.
pub(super) fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), CliError> {
    let cannot = |e: std::io::Error| CliError::new(format!("cannot write {}: {e}", path.display()));
    let folder = match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    };
    let mut file = tempfile::NamedTempFile::new_in(folder).map_err(cannot)?;
    file.write_all(bytes).map_err(cannot)?;
    file.as_file().sync_all().map_err(cannot)?;
    file.persist(path).map_err(|e| cannot(e.error))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ready_file_is_whole_while_it_lives_and_gone_afterwards() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ready.json");
        let content = serde_json::json!({"endpoints": ["127.0.0.1:1"]});
        let ready = ReadyFile::write(&path, &content).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), content);
        drop(ready);
        assert!(!path.exists());
    }

    #[test]
    fn ready_file_without_a_folder_is_refused() {
        assert!(ReadyFile::write(Path::new("/no/such/folder/r.json"), &Value::Null).is_err());
    }
}
