//! What the generated pages of evidence share: where they stand, and the one way to write them.

use std::fs;
use std::path::PathBuf;

pub fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Compares a text with the file of this name; with `GRANTD_BLESS` set, writes it.
pub fn check_or_bless(name: &str, text: &str) {
    let path = root().join(name);
    if std::env::var_os("GRANTD_BLESS").is_some() {
        fs::write(&path, text).unwrap();
    }
    let held = fs::read_to_string(&path).unwrap_or_default();
    let line = |text: &str, at: usize| text.lines().nth(at).map(str::to_string);
    let lines = held.lines().count().max(text.lines().count());
    let differ = (0..lines).find(|at| line(&held, *at) != line(text, *at));
    if let Some(at) = differ {
        panic!(
            "{name} is stale at line {}: write it with GRANTD_BLESS=1 cargo test --test it\nheld {:?}\nmade {:?}",
            at + 1,
            line(&held, at),
            line(text, at)
        );
    }
}
