//! Real processes of the built binary, run as people run it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::Duration;

use grantd::env::Clock;
use grantd::env::real::RealClock;

pub const GRANTD: &str = env!("CARGO_BIN_EXE_grantd");
/// The longest that a start, a stop or a command may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// A `grantd` command that nothing in the environment of the tests can change.
pub fn grantd<'a>(args: impl IntoIterator<Item = &'a str>) -> Command {
    let mut command = Command::new(GRANTD);
    command.args(args);
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("GRANTD_")) {
        command.env_remove(name);
    }
    command
}

/// A long-running `grantd`, killed if the test ends before it did.
pub struct Process {
    child: Child,
    pub ready_file: PathBuf,
    pub stdout: PathBuf,
    stderr: PathBuf,
}

impl Process {
    /// Starts it and returns once its ready file is there.
    pub fn start(folder: &Path, name: &str, args: &[&str]) -> Self {
        let command = grantd(args.iter().copied());
        let (stdout, stderr) = Self::files(folder, name);
        Self::run(folder, name, command, stdout, stderr)
    }

    /// The same without waiting: for one that may stop before it serves.
    pub fn begin(folder: &Path, name: &str, args: &[&str]) -> Self {
        let command = grantd(args.iter().copied());
        let (stdout, stderr) = Self::files(folder, name);
        Self::spawn(folder, name, command, stdout, stderr)
    }

    /// The same with other streams.
    pub fn start_on(
        folder: &Path,
        name: &str,
        args: &[&str],
        stdout_to: Stdio,
        stderr_to: Stdio,
    ) -> Self {
        let command = grantd(args.iter().copied());
        Self::run(folder, name, command, stdout_to, stderr_to)
    }

    /// The same under a limit of open files that the system lets nobody raise.
    pub fn start_with_files(folder: &Path, name: &str, files: u32, args: &[&str]) -> Self {
        let shell = grantd([]);
        let program = shell.get_program().to_owned();
        let mut command = Command::new("sh");
        command
            .args(["-c", &format!("ulimit -n {files} && exec \"$@\""), "sh"])
            .arg(program)
            .args(args);
        for (name, _) in shell.get_envs() {
            command.env_remove(name);
        }
        let (stdout, stderr) = Self::files(folder, name);
        Self::run(folder, name, command, stdout, stderr)
    }

    fn files(folder: &Path, name: &str) -> (Stdio, Stdio) {
        let into =
            |suffix: &str| fs::File::create(folder.join(format!("{name}.{suffix}"))).unwrap();
        (into("out").into(), into("err").into())
    }

    fn spawn(
        folder: &Path,
        name: &str,
        mut command: Command,
        stdout_to: Stdio,
        stderr_to: Stdio,
    ) -> Self {
        let at = |suffix: &str| folder.join(format!("{name}.{suffix}"));
        let (ready_file, stdout, stderr) = (at("ready"), at("out"), at("err"));
        let child = command
            .arg("--ready-file")
            .arg(&ready_file)
            .stdin(Stdio::null())
            .stdout(stdout_to)
            .stderr(stderr_to)
            .spawn()
            .unwrap();
        Self {
            child,
            ready_file,
            stdout,
            stderr,
        }
    }

    fn run(
        folder: &Path,
        name: &str,
        command: Command,
        stdout_to: Stdio,
        stderr_to: Stdio,
    ) -> Self {
        let mut process = Self::spawn(folder, name, command, stdout_to, stderr_to);
        let began = RealClock.boot();
        while !process.ready_file.exists() {
            if let Some(status) = process.child.try_wait().unwrap() {
                panic!("{name} ended with {status}: {}", process.errors());
            }
            assert!(
                RealClock.boot().since(began) < PATIENCE,
                "{name} is not ready: {}",
                process.errors()
            );
            pause();
        }
        process
    }

    pub fn ready(&self) -> serde_json::Value {
        serde_json::from_str(&fs::read_to_string(&self.ready_file).unwrap()).unwrap()
    }

    pub fn endpoints(&self) -> Vec<String> {
        let ready = self.ready();
        let endpoints = ready["endpoints"].as_array().unwrap();
        endpoints
            .iter()
            .map(|e| e.as_str().unwrap().to_owned())
            .collect()
    }

    /// The memory that it has of the machine, in kilobytes.
    pub fn resident_kb(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS:"));
        let number = line.and_then(|line| line.split_whitespace().nth(1));
        number.unwrap().parse().unwrap()
    }

    /// How many files and connections it has open.
    pub fn open_files(&self) -> usize {
        fs::read_dir(format!("/proc/{}/fd", self.child.id()))
            .unwrap()
            .count()
    }

    pub fn errors(&self) -> String {
        fs::read_to_string(&self.stderr).unwrap_or_default()
    }

    /// Sends it a signal, as `-STOP`.
    pub fn signal(&self, signal: &str) {
        let status = Command::new("kill")
            .args([signal, &self.child.id().to_string()])
            .status()
            .unwrap();
        assert!(status.success());
    }

    /// Ends it with SIGKILL: it gets no chance to do anything more.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        // The next start writes its own; one that was begun and killed has none yet.
        if self.ready_file.exists() {
            fs::remove_file(&self.ready_file).unwrap();
        }
    }

    /// How it has ended by itself; `None`: it runs.
    pub fn has_ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().unwrap()
    }

    /// Asks it to stop and returns how it ended.
    pub fn stop(mut self, signal: &str) -> (ExitStatus, String) {
        self.signal(signal);
        let began = RealClock.boot();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return (status, self.errors());
            }
            assert!(
                RealClock.boot().since(began) < PATIENCE,
                "it does not stop: {}",
                self.errors()
            );
            pause();
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // An error means that it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Between two looks at another process, which cannot be awaited without its help.
fn pause() {
    std::thread::park_timeout(Duration::from_millis(20));
}

pub fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[track_caller]
pub fn run<'a>(endpoint: &str, args: impl IntoIterator<Item = &'a str>) -> Output {
    let output = grantd(args)
        .args(["--endpoint", endpoint])
        .output()
        .unwrap();
    assert_eq!(
        output.status.code(),
        Some(0),
        "{}{}",
        text(&output.stdout),
        text(&output.stderr)
    );
    output
}

/// Ports on loopback that nobody listens on at the moment: for processes that must come back at the same address.
pub fn free_ports(count: usize) -> Vec<u16> {
    let held: Vec<_> = (0..count)
        .map(|_| std::net::TcpListener::bind("127.0.0.1:0").unwrap())
        .collect();
    held.iter()
        .map(|l| l.local_addr().unwrap().port())
        .collect()
}
