//! File systems that are really full: a tmpfs of a few megabytes, mounted by root, or by anybody in a user namespace.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Set where the tests are run once more, in a namespace in which they may mount.
const WITHIN: &str = "TEST_MAY_MOUNT";

/// A small file system. It is unmounted at the end, whoever still uses it.
pub struct SmallDisk(PathBuf);

impl SmallDisk {
    /// Mounts one of so many mebibytes at a folder. `None`: this user may not, or not here.
    pub fn mount(at: &Path, mib: u64) -> Option<Self> {
        mount(&format!("size={mib}m"), at).then(|| Self(at.to_owned()))
    }

    /// Gives it another size.
    pub fn resize(&self, mib: u64) {
        assert!(mount(&format!("remount,size={mib}m"), &self.0));
    }

    /// The bytes that are free.
    pub fn free(&self) -> u64 {
        let told = rustix::fs::statvfs(&self.0).unwrap();
        told.f_bavail * told.f_frsize
    }

    /// Fills it with a file until only so many bytes are free; what the file is called.
    pub fn fill_up_to(&self, free: u64) -> PathBuf {
        let ballast = self.0.join("ballast");
        let size = self.free().saturating_sub(free);
        fs::write(&ballast, vec![1; usize::try_from(size).unwrap()]).unwrap();
        ballast
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

fn mount(options: &str, at: &Path) -> bool {
    Command::new("mount")
        .args(["-t", "tmpfs", "-o", options, "tmpfs"])
        .arg(at)
        .output()
        .is_ok_and(|output| output.status.success())
}

fn in_a_namespace(program: &Path) -> Command {
    let mut command = Command::new("unshare");
    command
        .args(["--user", "--map-root-user", "--mount"])
        .arg(program);
    command
}

/// Runs the test of this name again, in a namespace where its user may mount: for one that was refused. Where there are no
/// such namespaces either, that is said, and nothing is shown.
pub fn again_where_one_may_mount(test: &str) {
    assert!(
        std::env::var_os(WITHIN).is_none(),
        "a namespace of its own, and no file system can be mounted in it"
    );
    let probe = in_a_namespace(Path::new("true")).output();
    if !probe.is_ok_and(|output| output.status.success()) {
        eprintln!("{test}: no file system may be mounted here, nor in a user namespace: not run");
        return;
    }
    let status = in_a_namespace(&std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture"])
        .env(WITHIN, "1")
        .status()
        .unwrap();
    assert!(status.success(), "{test}, in a user namespace: {status}");
}
