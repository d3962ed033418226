//! Generates the gRPC code from `proto/` with a compiler written in Rust: no protoc is needed. Says which version this is.

use std::path::{Path, PathBuf};
use std::process::Command;

use prost::Message as _;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut protos = Vec::new();
    collect(Path::new("proto"), &mut protos)?;
    // The order of a directory listing is the file system's; the generated code must not depend on it.
    protos.sort();
    let descriptors = protox::compile(&protos, ["proto"])?;
    // What clients call can be asked for by reflection; what nodes say to each other is their own affair.
    let mut told = descriptors.clone();
    told.file.retain(|file| file.package() != "grantd.peer.v1");
    let out = PathBuf::from(std::env::var("OUT_DIR")?);
    std::fs::write(out.join("grantd.v1.bin"), told.encode_to_vec())?;
    // `bytes` fields become `Bytes`, which share one buffer with the message they came in.
    tonic_prost_build::configure()
        .bytes(".")
        // Ordered maps, so that equal messages have equal bytes: an idempotency key is bound to them.
        .btree_map(".")
        // Written by hand, so that it shows nothing.
        .skip_debug([".grantd.v1.SecretText"])
        .compile_fds(descriptors)?;
    println!("cargo:rerun-if-changed=proto");
    println!("cargo:rustc-env=GRANTD_VERSION={}", version());
    Ok(())
}

/// The version of the package, with the commit in a release build. Other builds do not look for it: they would be built
/// anew at each commit.
fn version() -> String {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-env-changed=GRANTD_COMMIT");
    let package = env!("CARGO_PKG_VERSION");
    if std::env::var("PROFILE").as_deref() != Ok("release") {
        return format!("{package} (development build)");
    }
    // Whoever builds from an archive knows the commit, and git does not.
    let given = std::env::var("GRANTD_COMMIT").ok().filter(|c| is_word(c));
    match given.or_else(commit) {
        Some(commit) => format!("{package} (commit {commit})"),
        None => format!("{package} (commit unknown)"),
    }
}

/// The commit of the work tree, if this package is one: a folder that merely stands inside another's repository is not.
fn commit() -> Option<String> {
    let top = PathBuf::from(git(&["rev-parse", "--show-toplevel"])?);
    let here = std::env::current_dir().ok()?;
    if top.canonicalize().ok()? != here.canonicalize().ok()? {
        return None;
    }
    // Written at every commit and checkout. A file that is not there would be taken as changed each time.
    for file in ["logs/HEAD", "HEAD"] {
        let path = git(&["rev-parse", "--git-path", file])?;
        if Path::new(&path).exists() {
            println!("cargo:rerun-if-changed={path}");
        }
    }
    git(&["rev-parse", "--short=12", "HEAD"]).filter(|c| is_word(c))
}

fn git(args: &[&str]) -> Option<String> {
    let output = Command::new("git").args(args).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    (output.status.success()).then(|| text.trim().to_owned())
}

fn is_word(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric())
}

fn collect(folder: &Path, found: &mut Vec<PathBuf>) -> std::io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, found)?;
        } else if path
            .extension()
            .is_some_and(|extension| extension == "proto")
        {
            found.push(path);
        }
    }
    Ok(())
}
