//! Generates the gRPC code from `proto/` with a compiler written in Rust: no protoc is needed.

use std::path::{Path, PathBuf};

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
    Ok(())
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
