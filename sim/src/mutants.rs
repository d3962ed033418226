//! Whether the stories would notice: each patch in `sim/mutants` takes one promise out of a copy of the product, and a
//! sweep over that copy must fail.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::runs::Scratch;
use crate::story::Name;
use crate::world::Failure;

/// The repository, as it was when this was built.
fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Builds every mutant, in `target` or in a folder that is removed afterwards, and tries `seeds` seeds of every story on
/// it, until one fails.
///
/// # Errors
/// A mutant does not apply or build, or no seed noticed it.
pub fn hunt(seeds: u64, target: Option<&Path>) -> Result<(), Failure> {
    let repository = repository();
    let patches = patches()?;
    let mut survivors = Vec::new();
    // One folder for all builds: of a mutant only the product and the simulator are built again.
    let scratch = Scratch::new("mutants")?;
    let tree = scratch.0.join("tree");
    let target = match target {
        Some(kept) => std::path::absolute(kept)
            .map_err(|error| Failure(format!("{}: {error}", kept.display())))?,
        None => scratch.0.join("target"),
    };
    for patch in &patches {
        let name = patch.file_stem().unwrap_or_default().to_string_lossy();
        copy_tracked(&repository, &tree)?;
        mutate(&tree, patch)?;
        println!("{name}: building");
        succeed(
            Command::new(env!("CARGO"))
                .args(["build", "--quiet", "-p", "grantd-sim", "--target-dir"])
                .arg(&target)
                .current_dir(&tree),
            &format!("building {name}"),
        )?;
        match caught(&target.join("debug/grantd-sim"), seeds)? {
            Some((seed, story, how)) => {
                println!("{name}: caught by seed {seed} of {}: {how}", story.text());
            }
            None => {
                println!("{name}: NOT caught by {seeds} seeds of any story");
                survivors.push(name.into_owned());
            }
        }
    }
    match (patches.is_empty(), survivors.is_empty()) {
        (true, _) => Err(Failure("sim/mutants holds no patch".to_owned())),
        (false, true) => Ok(()),
        (false, false) => Err(Failure(format!("mutants that survived: {survivors:?}"))),
    }
}

/// The committed mutants.
fn patches() -> Result<Vec<PathBuf>, Failure> {
    let folder = repository().join("sim/mutants");
    let mut patches: Vec<_> = std::fs::read_dir(&folder)
        .map_err(|error| Failure(format!("reading {}: {error}", folder.display())))?
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .filter(|path| path.extension().is_some_and(|end| end == "patch"))
        .collect();
    patches.sort();
    Ok(patches)
}

/// Applies a patch to `tree`. Line numbers are not looked at, so sources may move; what a hunk takes out must be found
/// exactly once.
fn mutate(tree: &Path, patch: &Path) -> Result<(), Failure> {
    let text = std::fs::read_to_string(patch)
        .map_err(|error| Failure(format!("reading {}: {error}", patch.display())))?;
    let hunks = hunks(&text);
    if hunks.is_empty() {
        return Err(Failure(format!("{} changes nothing", patch.display())));
    }
    for hunk in hunks {
        let file = tree.join(&hunk.file);
        let source = std::fs::read_to_string(&file)
            .map_err(|error| Failure(format!("reading {}: {error}", file.display())))?;
        if source.matches(&hunk.old).count() != 1 {
            return Err(Failure(format!(
                "{} does not fit {} of today: make it anew",
                patch.display(),
                hunk.file
            )));
        }
        std::fs::write(&file, source.replacen(&hunk.old, &hunk.new, 1))
            .map_err(|error| Failure(format!("writing {}: {error}", file.display())))?;
    }
    Ok(())
}

/// One place that a patch changes.
#[derive(Debug, PartialEq, Eq)]
struct Hunk {
    file: String,
    old: String,
    new: String,
}

/// The hunks of a unified diff.
fn hunks(text: &str) -> Vec<Hunk> {
    let mut file = String::new();
    let mut hunks: Vec<Hunk> = Vec::new();
    let mut inside = false;
    for line in text.split_inclusive('\n') {
        if let Some(name) = line.strip_prefix("+++ b/") {
            file = name.trim_end().to_owned();
            inside = false;
        } else if line.starts_with("@@") {
            inside = true;
            hunks.push(Hunk {
                file: file.clone(),
                old: String::new(),
                new: String::new(),
            });
        } else if line.starts_with("diff ") {
            inside = false;
        } else if let Some(hunk) = hunks.last_mut()
            && inside
        {
            let (sign, rest) = line.split_at(1);
            if sign != "+" {
                hunk.old.push_str(rest);
            }
            if sign != "-" {
                hunk.new.push_str(rest);
            }
        }
    }
    hunks
}

/// The first run that fails, and what it said.
fn caught(simulator: &Path, seeds: u64) -> Result<Option<(u64, Name, String)>, Failure> {
    for seed in 1..=seeds {
        for story in Name::ALL {
            let output = Command::new(simulator)
                .args(["run", "--seed", &seed.to_string()])
                .args(["--story", story.text()])
                .stdin(Stdio::null())
                .output()
                .map_err(|error| Failure(format!("running {}: {error}", simulator.display())))?;
            if !output.status.success() {
                let said = String::from_utf8_lossy(&output.stderr);
                let first = said.lines().next().unwrap_or_default();
                return Ok(Some((seed, story, first.to_owned())));
            }
        }
    }
    Ok(None)
}

/// Copies what git tracks, as it stands in the working tree, to an emptied `tree`.
fn copy_tracked(repository: &Path, tree: &Path) -> Result<(), Failure> {
    let failed = |what: &Path, error: std::io::Error| {
        Failure(format!("copying {}: {error}", what.display()))
    };
    if tree.exists() {
        std::fs::remove_dir_all(tree).map_err(|error| failed(tree, error))?;
    }
    let listing = Command::new("git")
        .args(["ls-files", "-z"])
        .current_dir(repository)
        .output()
        .map_err(|error| failed(repository, error))?;
    if !listing.status.success() {
        return Err(Failure(format!(
            "git ls-files: {}",
            String::from_utf8_lossy(&listing.stderr).trim_end()
        )));
    }
    for name in String::from_utf8_lossy(&listing.stdout)
        .split('\0')
        .filter(|name| !name.is_empty())
    {
        let (from, to) = (repository.join(name), tree.join(name));
        if !from.exists() {
            // Removed, but not committed yet.
            continue;
        }
        if let Some(folder) = to.parent() {
            std::fs::create_dir_all(folder).map_err(|error| failed(folder, error))?;
        }
        std::fs::copy(&from, &to).map_err(|error| failed(&from, error))?;
    }
    Ok(())
}

fn succeed(command: &mut Command, what: &str) -> Result<(), Failure> {
    let output = command
        .output()
        .map_err(|error| Failure(format!("{what}: {error}")))?;
    if output.status.success() {
        return Ok(());
    }
    Err(Failure(format!(
        "{what}: {}",
        String::from_utf8_lossy(&output.stderr).trim_end()
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hunks_of_a_patch_are_what_goes_and_what_comes() {
        let text = "Why.\n\ndiff --git a/x.rs b/x.rs\n--- a/x.rs\n+++ b/x.rs\n@@ -1,3 +1,2 @@ fn f\n one\n-two\n+2\n three\n";
        assert_eq!(
            hunks(text),
            [Hunk {
                file: "x.rs".to_owned(),
                old: "one\ntwo\nthree\n".to_owned(),
                new: "one\n2\nthree\n".to_owned(),
            }]
        );
        assert!(hunks("nothing\n").is_empty());
    }

    #[test]
    fn every_mutant_fits_the_sources_of_today() {
        let patches = patches().unwrap();
        assert!(patches.len() >= 2, "{patches:?}");
        for patch in patches {
            let hunks = hunks(&std::fs::read_to_string(&patch).unwrap());
            assert!(!hunks.is_empty(), "{}", patch.display());
            for hunk in hunks {
                let source = std::fs::read_to_string(repository().join(&hunk.file)).unwrap();
                assert_eq!(
                    source.matches(&hunk.old).count(),
                    1,
                    "{}: make it anew, {} has changed",
                    patch.display(),
                    hunk.file
                );
                assert_ne!(hunk.old, hunk.new);
            }
        }
    }
}
