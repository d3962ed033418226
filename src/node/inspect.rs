//! What a start would meet on this machine, looked at without changing anything: no folder is made, no file is written.

use std::fs;
use std::io;
use std::net::TcpListener;
use std::path::Path;

use rustix::fs::{Access, access};

use super::process::{ProcessSettings, read_seal_key};
use crate::config::{AuditSettings, AuditTo};

/// What was found.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Inspection {
    /// Why a node would not start, a sentence each.
    pub faults: Vec<String>,
    /// What is worth knowing and may be meant.
    pub notes: Vec<String>,
}

/// Looks at what the settings name: the seal key file, the folder, the address.
pub fn inspect(settings: &ProcessSettings) -> Inspection {
    let ProcessSettings {
        node_id: _,
        listen,
        advertise: _,
        data_dir,
        seal_key_file,
        audit,
        client_connections: _,
        nodes: _,
    } = settings;
    let mut found = Inspection::default();
    if let Err(fault) = read_seal_key(seal_key_file) {
        found
            .faults
            .push(format!("{}: {fault}", seal_key_file.display()));
    }
    folder(data_dir, &mut found);
    address(listen, &mut found);
    trail(audit, &mut found);
    found
}

fn trail(audit: &AuditSettings, found: &mut Inspection) {
    let AuditTo::File(path) = &audit.to else {
        return;
    };
    if path.is_dir() {
        found.faults.push(format!(
            "the audit trail {} is a folder, not a file",
            path.display()
        ));
    }
}

fn folder(path: &Path, found: &mut Inspection) {
    match fs::metadata(path) {
        Ok(folder) if !folder.is_dir() => {
            found
                .faults
                .push(format!("{} is a file, not a folder", path.display()));
        }
        Ok(_) => usable(path, path, found),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            found.notes.push(format!(
                "the folder {} is not there yet: a node that starts with it begins empty",
                path.display()
            ));
            // The start makes it, in the nearest that is there.
            let there = path
                .ancestors()
                .skip(1)
                .map(|above| match above.as_os_str().is_empty() {
                    true => Path::new("."),
                    false => above,
                })
                .find(|above| above.exists());
            if let Some(above) = there {
                usable(path, above, found);
            }
        }
        Err(error) => {
            found.faults.push(format!(
                "the folder {} cannot be used: {error}",
                path.display()
            ));
        }
    }
}

/// Whether files can be made in `at`, for the folder that is named `path`.
fn usable(path: &Path, at: &Path, found: &mut Inspection) {
    let why = if at.is_dir() {
        match access(at, Access::READ_OK | Access::WRITE_OK | Access::EXEC_OK) {
            Ok(()) => return,
            Err(error) => format!("{}: {}", at.display(), io::Error::from(error)),
        }
    } else {
        format!("{} is a file, not a folder", at.display())
    };
    found.faults.push(format!(
        "the folder {} cannot be used: {why}",
        path.display()
    ));
}

fn address(listen: &str, found: &mut Inspection) {
    match TcpListener::bind(listen) {
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => found.notes.push(format!(
            "{listen} is in use now: by this node, if it runs; else it will not start"
        )),
        Err(error) => found
            .faults
            .push(format!("no node can listen at {listen}: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::super::process::create_seal_key;
    use super::*;

    fn settings(folder: &Path) -> ProcessSettings {
        let seal_key_file = folder.join("seal.key");
        create_seal_key(&seal_key_file).unwrap();
        fs::create_dir(folder.join("data")).unwrap();
        ProcessSettings {
            node_id: 1,
            listen: "127.0.0.1:0".to_owned(),
            advertise: None,
            data_dir: folder.join("data"),
            seal_key_file,
            audit: AuditSettings::default(),
            client_connections: 1,
            nodes: 1,
        }
    }

    #[test]
    fn what_is_usable_is_right_and_stays_as_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let mut settings = settings(folder.path());
        assert_eq!(inspect(&settings), Inspection::default());
        settings.data_dir = folder.path().join("a/b");
        let found = inspect(&settings);
        assert!(
            found.faults.is_empty() && found.notes.len() == 1,
            "{found:?}"
        );
        assert!(!folder.path().join("a").exists());
        assert_eq!(fs::read_dir(folder.path().join("data")).unwrap().count(), 0);
        settings.audit.to = AuditTo::File(folder.path().to_owned());
        assert_eq!(inspect(&settings).faults.len(), 1);
    }

    #[test]
    fn what_a_start_would_trip_over_is_said_all_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let good = settings(folder.path());
        let file = folder.path().join("file");
        fs::write(&file, "x").unwrap();
        let found = inspect(&ProcessSettings {
            seal_key_file: folder.path().join("none"),
            data_dir: file.clone(),
            // Of no interface of this machine.
            listen: "192.0.2.1:7400".to_owned(),
            ..good.clone()
        });
        for part in ["cluster keygen", "is a file", "192.0.2.1:7400"] {
            assert!(found.faults.iter().any(|f| f.contains(part)), "{found:?}");
        }
        assert_eq!(found.faults.len(), 3);
        let below_a_file = inspect(&ProcessSettings {
            data_dir: file.join("data"),
            ..good.clone()
        });
        assert!(
            below_a_file
                .faults
                .iter()
                .any(|f| f.contains("cannot be used")),
            "{below_a_file:?}"
        );
        let other = TcpListener::bind("127.0.0.1:0").unwrap();
        let busy = inspect(&ProcessSettings {
            listen: other.local_addr().unwrap().to_string(),
            ..good
        });
        assert!(busy.faults.is_empty() && busy.notes.len() == 1, "{busy:?}");
    }
}
