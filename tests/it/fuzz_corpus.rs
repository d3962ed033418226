//! The corpus of every fuzz target, replayed: what fuzzing once found stays found, without a nightly compiler.

#[path = "../../fuzz/src/lib.rs"]
mod bodies;

use std::fs;
use std::path::Path;

/// Each folder of the corpus belongs to a target, each target has one, and every file of it is held to what the target
/// promises.
#[test]
fn every_file_of_the_corpus_keeps_its_promises() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus");
    let mut folders: Vec<String> = fs::read_dir(&corpus)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    folders.sort();
    let mut names: Vec<&str> = bodies::TARGETS.iter().map(|(name, _)| *name).collect();
    names.sort_unstable();
    assert_eq!(folders, names);
    for (name, target) in bodies::TARGETS {
        let mut files: Vec<_> = fs::read_dir(corpus.join(name))
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect();
        files.sort();
        assert!(files.len() >= 5, "{name} has a corpus");
        for file in files {
            let bytes = fs::read(&file).unwrap();
            let kept = std::panic::catch_unwind(|| target(&bytes));
            assert!(kept.is_ok(), "{}", file.display());
        }
    }
}

/// The stored records of the golden files are reached behind the header that the target writes: otherwise it would only
/// fuzz refusals.
#[test]
fn header_of_the_stored_target_is_the_one_that_is_stored() {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/stored/v4");
    let mut seen = 0;
    for entry in fs::read_dir(golden).unwrap() {
        let bytes = fs::read(entry.unwrap().path()).unwrap();
        let kind = u16::from_le_bytes([bytes[4], bytes[5]]);
        if kind <= 3 {
            assert_eq!(bodies::record(kind, &bytes[16..]), bytes);
            seen += 1;
        }
    }
    assert!(seen > 20);
}
