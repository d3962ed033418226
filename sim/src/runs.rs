//! Runs of stories: one here, many in processes of their own.
//!
//! A process holds one run alone, so that nothing that a run leaves behind (a lazy static, a thread-local) can reach
//! the next, and a panic ends no sweep.

use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::story::{self, Name};
use crate::trace::Trace;
use crate::world::Failure;

/// The command that plays a run again.
fn replay(seed: u64, story: Name) -> String {
    format!(
        "cargo run -p grantd-sim -- run --seed {seed} --story {}",
        story.text()
    )
}

/// `A..B` as a range.
pub fn seeds(text: &str) -> Result<Range<u64>, String> {
    let parsed = text
        .split_once("..")
        .and_then(|(from, to)| Some(from.trim().parse().ok()?..to.trim().parse().ok()?));
    match parsed {
        Some(range) if !Range::is_empty(&range) => Ok(range),
        _ => Err(format!("{text} is no range of seeds like 1..101")),
    }
}

/// Plays one story here.
///
/// # Errors
/// The story failed; the text holds the seed and how to play it again.
pub fn run(seed: u64, story: Name, trace: Option<&Path>) -> Result<(), Failure> {
    let panic = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        panic(info);
        eprintln!("seed {seed} panicked; again: {}", replay(seed, story));
    }));
    let trace = Trace::start(trace)
        .map_err(|error| Failure(format!("the trace file cannot be created: {error}")))?;
    match story::tell(story, seed, trace) {
        Ok(ended) => {
            println!(
                "seed {seed} {} ok after {:?}: {} allowed ({} by token alone), {} denied, {} refused; {} events, trace {}",
                story.text(),
                ended.lasted,
                ended.tally.allowed,
                ended.tally.allowed_by_token,
                ended.tally.denied,
                ended.tally.refused,
                ended.trace.events,
                ended.trace.hash,
            );
            Ok(())
        }
        Err(failure) => Err(Failure(format!(
            "seed {seed} {} failed: {failure}\nagain: {}",
            story.text(),
            replay(seed, story)
        ))),
    }
}

/// Plays every story twice with each seed, each time in a process of its own.
///
/// # Errors
/// A story failed, or two traces of one seed differ.
pub fn meta(seeds: u64, only: Option<Name>) -> Result<(), Failure> {
    let folder = Scratch::new("meta")?;
    for seed in 1..=seeds {
        for story in stories(only) {
            let trace = |turn: u8| -> Result<Vec<u8>, Failure> {
                let file = folder
                    .0
                    .join(format!("{seed}-{}-{turn}.trace", story.text()));
                let output = child(seed, story, Some(&file))
                    .map_err(|error| Failure(format!("starting a run: {error}")))?;
                if !output.status.success() {
                    return Err(said(&output));
                }
                let bytes = std::fs::read(&file)
                    .map_err(|error| Failure(format!("reading {}: {error}", file.display())));
                // Each is a few ten megabytes.
                let _ = std::fs::remove_file(&file);
                bytes
            };
            // Side by side: what one run does must not show in the other.
            let (first, second) = std::thread::scope(|scope| {
                let first = scope.spawn(|| trace(1));
                let second = trace(2);
                (first.join(), second)
            });
            let first = first.map_err(|_| Failure("comparing two runs panicked".to_owned()))??;
            let second = second?;
            if let Some(difference) = difference(&first, &second) {
                return Err(Failure(format!(
                    "seed {seed} {} does not repeat: {difference}\nagain: {} --trace FILE, twice",
                    story.text(),
                    replay(seed, story)
                )));
            }
            println!(
                "seed {seed} {}: two processes, {} bytes of trace, identical",
                story.text(),
                first.len()
            );
        }
    }
    Ok(())
}

/// Where two traces part, or nothing.
fn difference(first: &[u8], second: &[u8]) -> Option<String> {
    if first == second {
        return None;
    }
    let lines = |bytes: &[u8]| -> Vec<String> {
        String::from_utf8_lossy(bytes)
            .lines()
            .map(str::to_owned)
            .collect()
    };
    let (first, second) = (lines(first), lines(second));
    let at = first
        .iter()
        .zip(&second)
        .take_while(|(one, other)| one == other)
        .count();
    let shown = |lines: &[String]| {
        lines.get(at).map_or("(the end)".to_owned(), |line| {
            line.chars().take(400).collect::<String>()
        })
    };
    Some(format!(
        "line {} is\n  {}\nand\n  {}",
        at + 1,
        shown(&first),
        shown(&second)
    ))
}

/// Plays stories with many seeds, several at a time.
///
/// # Errors
/// At least one run failed; each was printed with how to play it again.
pub fn sweep(seeds: Range<u64>, only: Option<Name>, jobs: Option<usize>) -> Result<(), Failure> {
    let jobs = jobs
        .or_else(|| std::thread::available_parallelism().ok().map(Into::into))
        .unwrap_or(1);
    let next = AtomicU64::new(seeds.start);
    let failed = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..jobs.max(1) {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= seeds.end {
                        return;
                    }
                    for story in stories(only) {
                        match child(seed, story, None) {
                            Ok(output) if output.status.success() => {
                                print!("{}", String::from_utf8_lossy(&output.stdout));
                            }
                            Ok(output) => {
                                println!("{}", said(&output));
                                failed
                                    .lock()
                                    .unwrap_or_else(PoisonError::into_inner)
                                    .push(seed);
                            }
                            Err(error) => {
                                println!("seed {seed}: starting a run: {error}");
                                failed
                                    .lock()
                                    .unwrap_or_else(PoisonError::into_inner)
                                    .push(seed);
                            }
                        }
                    }
                }
            });
        }
    });
    let mut failed = failed.into_inner().unwrap_or_else(PoisonError::into_inner);
    failed.sort_unstable();
    if failed.is_empty() {
        println!("all of {} seeds ok", seeds.end - seeds.start);
        Ok(())
    } else {
        Err(Failure(format!("seeds that failed: {failed:?}")))
    }
}

fn stories(only: Option<Name>) -> Vec<Name> {
    only.map_or_else(|| Name::ALL.to_vec(), |name| vec![name])
}

/// One run in a process of its own.
fn child(seed: u64, story: Name, trace: Option<&Path>) -> io::Result<Output> {
    let mut command = Command::new(std::env::current_exe()?);
    command
        .arg("run")
        .args(["--seed", &seed.to_string()])
        .args(["--story", story.text()]);
    if let Some(file) = trace {
        command.arg("--trace").arg(file);
    }
    command.output()
}

/// What a run that failed has said.
fn said(output: &Output) -> Failure {
    let stderr = String::from_utf8_lossy(&output.stderr);
    Failure(stderr.trim_end().to_owned())
}

/// A temporary folder, removed when dropped.
pub struct Scratch(pub PathBuf);

impl Scratch {
    /// # Errors
    /// The folder cannot be made.
    pub fn new(what: &str) -> Result<Self, Failure> {
        let folder = std::env::temp_dir().join(format!("grantd-sim-{what}-{}", std::process::id()));
        std::fs::create_dir_all(&folder)
            .map_err(|error| Failure(format!("making {}: {error}", folder.display())))?;
        Ok(Self(folder))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // A folder that cannot be removed is left to the system's cleaner.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn range_of_seeds_is_read_and_an_empty_one_refused() {
        assert_eq!(seeds("1..101"), Ok(1..101));
        assert!(seeds("5..5").is_err());
        assert!(seeds("7").is_err());
    }

    #[test]
    fn first_difference_of_two_traces_is_shown() {
        assert_eq!(difference(b"a\nb\n", b"a\nb\n"), None);
        let shown = difference(b"a\nb\n", b"a\nc\n").unwrap();
        assert!(shown.contains("line 2"), "{shown}");
        assert!(difference(b"a\n", b"a\nb\n").unwrap().contains("(the end)"));
    }

    #[test]
    fn replay_names_the_seed_and_the_story() {
        assert_eq!(
            replay(7, Name::TokenAtACutFollower),
            "cargo run -p grantd-sim -- run --seed 7 --story token_at_a_cut_follower"
        );
    }
}
