//! Holds the house: which module may use which (DESIGN section 2), where a crate may be named, what `domain` must not touch,
//! and that the code map in `lib.rs` names every module that exists and none that does not.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Left may use right, nothing else. `telemetry` may be used by all but `domain`.
const IMPORTS: &[(&str, &[&str])] = &[
    ("domain", &[]),
    ("env", &[]),
    ("config", &[]),
    ("telemetry", &[]),
    ("wire", &["domain"]),
    ("storage", &["env", "domain"]),
    ("crypto", &["env", "domain"]),
    ("audit", &["env", "domain"]),
    ("authn", &["env", "domain"]),
    ("replica", &["storage", "wire", "env", "audit", "domain"]),
    ("gate", &["replica", "env", "domain"]),
    (
        "app",
        &["gate", "authn", "audit", "crypto", "env", "domain"],
    ),
    ("grpc", &["app", "authn", "wire", "domain"]),
    ("client", &["wire", "env", "domain"]),
    (
        "node",
        &[
            "domain", "env", "config", "wire", "storage", "crypto", "audit", "authn", "replica",
            "gate", "app", "grpc",
        ],
    ),
    ("cli", &["client", "config", "domain", "node"]),
];

/// Inside `domain`, later may use earlier.
const DOMAIN_ORDER: &[&[&str]] = &[
    &["ids", "limits", "time", "effort"],
    &["policy"],
    &["state"],
    &["authz"],
    &["op"],
];

/// A crate and the only modules that may name it.
const CRATES: &[(&str, &[&str])] = &[
    ("openraft", &["replica"]),
    ("openraft_rt", &["replica", "node"]),
    ("openraft_rt_tokio", &["replica", "node"]),
    ("sled", &["storage"]),
    ("tonic", &["wire", "grpc", "replica", "client", "node"]),
    (
        "tonic_prost",
        &["wire", "grpc", "replica", "client", "node"],
    ),
    ("prost", &["wire", "grpc", "replica", "client", "node"]),
    ("tonic_health", &["grpc"]),
    ("tonic_reflection", &["grpc"]),
    ("hyper", &["node"]),
    ("hyper_util", &["client", "replica", "node"]),
    ("http_body", &["node"]),
    ("mimalloc", &["bin"]),
    ("turmoil", &[]),
    ("clap", &["cli"]),
    ("anstream", &["cli"]),
    ("toml", &["config"]),
    ("bincode", &["wire", "storage"]),
    ("chacha20poly1305", &["crypto"]),
];

/// What must not stand in `domain`, with the reason.
const BANNED_IN_DOMAIN: &[(&str, &str)] = &[
    (
        "std::time::",
        "domain reads no clock: instants are stamped before the log",
    ),
    (
        "SystemTime",
        "domain reads no clock: instants are stamped before the log",
    ),
    (
        "Instant::",
        "domain reads no clock: instants are stamped before the log",
    ),
    ("tokio::", "domain is synchronous"),
    ("async fn", "domain is synchronous"),
    ("rand::", "ids and nonces are drawn before the log"),
    (
        "RandomState",
        "a randomly seeded map makes replicas diverge",
    ),
    (
        "std::collections::HashMap",
        "a randomly seeded map makes replicas diverge",
    ),
    (
        "std::collections::HashSet",
        "a randomly seeded map makes replicas diverge",
    ),
    ("std::fs", "domain does no I/O"),
    ("std::net::Tcp", "domain does no I/O"),
    ("std::io", "domain does no I/O"),
    ("tracing::", "domain does not log"),
    (
        "Serialize",
        "a serializable type is a promise: stored forms live in wire",
    ),
    ("unsafe", "domain has no unsafe code"),
];

pub fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

pub fn rust_files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut todo = vec![dir.to_path_buf()];
    while let Some(dir) = todo.pop() {
        for entry in fs::read_dir(&dir).unwrap_or_else(|e| panic!("{}: {e}", dir.display())) {
            let path = entry.unwrap().path();
            if path.is_dir() {
                todo.push(path);
            } else if path.extension().is_some_and(|x| x == "rs") {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// The code of a file without comments and without string literals that could look like paths.
fn code(path: &Path) -> String {
    fs::read_to_string(path)
        .unwrap()
        .lines()
        .map(|line| match line.find("//") {
            Some(at) if !line[..at].contains('"') => &line[..at],
            _ => line,
        })
        .collect::<Vec<_>>()
        .join("\n")
}

/// The first path segments after every `prefix` (for example `crate::`), groups in braces included.
fn heads(code: &str, prefix: &str) -> BTreeSet<String> {
    let mut heads = BTreeSet::new();
    for (at, _) in code.match_indices(prefix) {
        let before = code[..at].chars().next_back();
        if before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == ':') {
            continue;
        }
        let rest = &code[at + prefix.len()..];
        if let Some(group) = rest.strip_prefix('{') {
            let mut depth = 0usize;
            let mut head = String::new();
            let mut take = true;
            for c in group.chars() {
                match c {
                    '{' => depth += 1,
                    '}' if depth == 0 => break,
                    '}' => depth -= 1,
                    ',' if depth == 0 => {
                        heads.insert(std::mem::take(&mut head));
                        take = true;
                    }
                    ':' if depth == 0 => take = false,
                    c if take && depth == 0 && (c.is_alphanumeric() || c == '_') => head.push(c),
                    _ => {}
                }
            }
            heads.insert(head);
        } else {
            heads.insert(
                rest.chars()
                    .take_while(|c| c.is_alphanumeric() || *c == '_')
                    .collect(),
            );
        }
    }
    heads.remove("");
    heads
}

/// The module (first path segment below `dir`) of a file.
fn module_of(dir: &Path, file: &Path) -> String {
    let first = file.strip_prefix(dir).unwrap().iter().next().unwrap();
    first.to_str().unwrap().trim_end_matches(".rs").to_owned()
}

#[test]
fn modules_import_only_what_the_table_lists() {
    let src = root().join("src");
    let table: BTreeMap<&str, &[&str]> = IMPORTS.iter().copied().collect();
    let mut faults = Vec::new();
    for file in rust_files(&src) {
        let module = module_of(&src, &file);
        if module == "lib" || module == "bin" {
            continue;
        }
        let Some(allowed) = table.get(module.as_str()) else {
            faults.push(format!(
                "{}: module `{module}` is not in the import table",
                file.display()
            ));
            continue;
        };
        for used in heads(&code(&file), "crate::") {
            let listed = used == module
                || allowed.contains(&used.as_str())
                || (used == "telemetry" && module != "domain");
            if !listed {
                faults.push(format!("{}: `{module}` uses `{used}`", file.display()));
            }
        }
    }
    assert!(
        faults.is_empty(),
        "arrows the table does not list:\n{}",
        faults.join("\n")
    );
}

#[test]
fn domain_layers_use_only_what_stands_before_them() {
    let domain = root().join("src/domain");
    let rank = |name: &str| DOMAIN_ORDER.iter().position(|layer| layer.contains(&name));
    let mut faults = Vec::new();
    for file in rust_files(&domain) {
        let module = module_of(&domain, &file);
        let Some(own) = rank(&module) else {
            assert_eq!(module, "mod", "{}: no layer of domain", file.display());
            continue;
        };
        let code = code(&file);
        for used in heads(&code, "crate::domain::") {
            if used != module && rank(&used).is_none_or(|other| other >= own) {
                // Names inside the lowest layer may use one another.
                if rank(&used) == Some(0) && own == 0 {
                    continue;
                }
                faults.push(format!("{}: `{module}` uses `{used}`", file.display()));
            }
        }
    }
    assert!(
        faults.is_empty(),
        "arrows against the order of domain:\n{}",
        faults.join("\n")
    );
}

#[test]
fn crates_are_named_only_where_the_table_lists() {
    let src = root().join("src");
    let mut faults = Vec::new();
    for file in rust_files(&src) {
        let module = module_of(&src, &file);
        let code = code(&file);
        for (name, modules) in CRATES {
            let named = !heads(&code, &format!("{name}::")).is_empty()
                || code.contains(&format!("use {name};"));
            if named && !modules.contains(&module.as_str()) {
                faults.push(format!("{}: names `{name}`", file.display()));
            }
        }
        if code.contains("cfg(sim)") || code.contains("feature = \"sim\"") {
            faults.push(format!(
                "{}: behaviour that depends on the simulator",
                file.display()
            ));
        }
    }
    assert!(
        faults.is_empty(),
        "crates outside their module:\n{}",
        faults.join("\n")
    );
}

#[test]
fn domain_touches_no_clock_randomness_io_or_random_order() {
    let mut faults = Vec::new();
    for file in rust_files(&root().join("src/domain")) {
        // Files that are compiled for tests alone may read and write their golden files.
        let stem = file.file_stem().unwrap().to_str().unwrap();
        if stem == "tests" || stem == "testing" || stem.ends_with("_tests") {
            continue;
        }
        let text = code(&file);
        let product = text.split("#[cfg(test)]").next().unwrap_or_default();
        for (banned, reason) in BANNED_IN_DOMAIN {
            if product.contains(banned) {
                faults.push(format!("{}: `{banned}`: {reason}", file.display()));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn simulator_uses_the_library_through_its_seams() {
    let mut faults = Vec::new();
    for file in rust_files(&root().join("sim/src")) {
        for used in heads(&code(&file), "grantd::") {
            // The components that `NodeParts` takes (clock, disk, seal key, audit sink), and what speaks to a node.
            if ![
                "node", "client", "domain", "env", "storage", "config", "crypto", "wire", "audit",
            ]
            .contains(&used.as_str())
            {
                faults.push(format!("{}: uses `{used}`", file.display()));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn code_map_names_every_module_and_no_other() {
    let src = root().join("src");
    let modules: BTreeSet<String> = fs::read_dir(&src)
        .unwrap()
        .map(|e| e.unwrap().path())
        .filter(|p| p.is_dir() && !p.ends_with("bin"))
        .map(|p| p.file_name().unwrap().to_str().unwrap().to_owned())
        .collect();
    let map: BTreeSet<String> = fs::read_to_string(src.join("lib.rs"))
        .unwrap()
        .lines()
        .filter_map(|l| l.strip_prefix("//! | `"))
        .filter_map(|l| l.split('`').next())
        .map(str::to_owned)
        .collect();
    assert_eq!(
        map, modules,
        "the code map in lib.rs (left) and the folders of src (right) differ"
    );
}

/// The tour is one text: what `grantd dev` prints, `docs/tour.sh` and the README's.
#[test]
fn readme_shows_the_tour_that_is_tested() {
    let read = |name: &str| fs::read_to_string(root().join(name)).unwrap();
    assert!(read("README.md").contains(read("docs/tour.sh").trim_end()));
}

#[test]
fn scanner_sees_plain_and_grouped_paths() {
    let found = heads(
        "use crate::{a::b, c::{d, e}, f};\ncrate::g::h(); mycrate::i",
        "crate::",
    );
    let want: BTreeSet<String> = ["a", "c", "f", "g"].map(str::to_owned).into();
    assert_eq!(found, want);
}
