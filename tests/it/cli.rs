//! The command line against real processes: the built binary, run as people run it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::support::process::{GRANTD, Process, grantd, run, text};

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The commands of a tour with the exit code that each promises, in the order of the text.
fn promises(tour: &str) -> Vec<(String, i32)> {
    let commands = tour
        .lines()
        .filter(|l| !l.is_empty() && !l.starts_with('#'));
    commands
        .map(|line| match line.rsplit_once(" # exit ") {
            Some((command, code)) => (command.to_owned(), code.parse().unwrap()),
            None => (line.to_owned(), 0),
        })
        .collect()
}

/// The tour is one text: `docs/tour.sh`, what `grantd dev` prints, and the README's; and it does what it says.
#[test]
fn tour_as_printed_works_line_by_line_and_dev_stops_cleanly() {
    let folder = tempfile::tempdir().unwrap();
    let dev = Process::start(folder.path(), "dev", &["dev", "--port", "0"]);
    let ready = dev.ready();
    assert_eq!(ready["region"], "us-west-2");
    assert_eq!(ready["account"], "111122223333");
    assert_eq!(ready["node_ids"], serde_json::json!([1, 2, 3]));
    let data = PathBuf::from(ready["data_dir"].as_str().unwrap());
    assert!(data.join("node-1").is_dir());

    let printed = fs::read_to_string(&dev.stdout).unwrap();
    let documented = fs::read_to_string(repository().join("docs/tour.sh")).unwrap();
    let endpoints = dev.endpoints().join(",");
    let tour = documented.replace("127.0.0.1:7400,127.0.0.1:7401,127.0.0.1:7402", &endpoints);
    assert_ne!(tour, documented);
    assert!(printed.contains(&tour), "{printed}");

    let promises = promises(&tour);
    assert!(
        promises
            .iter()
            .any(|(line, code)| line.contains("authorize") && *code == 1)
    );
    // Every line tells its exit code, in one shell, as somebody who pastes the text.
    let mut script = String::new();
    for (line, _) in &promises {
        script.push_str(&format!("{line}\necho \"exit=$?\" >&3\n"));
    }
    std::os::unix::fs::symlink(repository().join("tests"), folder.path().join("tests")).unwrap();
    let codes = folder.path().join("codes");
    let bin = Path::new(GRANTD).parent().unwrap();
    let path = std::env::join_paths(
        std::iter::once(bin.to_owned())
            .chain(std::env::split_paths(&std::env::var_os("PATH").unwrap())),
    )
    .unwrap();
    let output = Command::new("bash")
        .args(["-c", &format!("exec 3>codes\n{script}")])
        .current_dir(folder.path())
        .env("PATH", path)
        .output()
        .unwrap();
    let codes: Vec<i32> = fs::read_to_string(codes)
        .unwrap()
        .lines()
        .map(|line| line.trim_start_matches("exit=").parse().unwrap())
        .collect();
    let said = format!("{}\n{}", text(&output.stdout), text(&output.stderr));
    assert_eq!(codes.len(), promises.len(), "{said}");
    for ((line, expected), code) in promises.iter().zip(&codes) {
        assert_eq!(code, expected, "{line}\n{said}");
    }

    let ready_file = dev.ready_file.clone();
    let (status, errors) = dev.stop("-TERM");
    assert_eq!(status.code(), Some(0), "{errors}");
    assert!(!data.exists(), "the temporary folder is left over");
    assert!(
        !ready_file.exists(),
        "the ready file says that something serves"
    );
}

/// `--data DIR` keeps the state; the second start goes on with it at the same addresses.
#[test]
fn dev_with_a_data_folder_goes_on_where_it_stopped() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let args = ["dev", "--port", "0", "--data", data.to_str().unwrap()];
    let root = "arn:aws:iam::111122223333:root";

    let dev = Process::start(folder.path(), "first", &args);
    let endpoints = dev.endpoints();
    // Written at a follower or at the leader, whichever the second endpoint is.
    let made = run(
        &endpoints[1],
        [
            "key",
            "create",
            "--as",
            root,
            "--print",
            "KeyMetadata.KeyId",
        ],
    );
    let (status, errors) = dev.stop("-INT");
    assert_eq!(status.code(), Some(0), "{errors}");

    let dev = Process::start(folder.path(), "second", &args);
    assert_eq!(dev.endpoints(), endpoints);
    for endpoint in &endpoints {
        let listed = run(
            endpoint,
            ["key", "list", "--as", root, "--print", "Keys.0.KeyId"],
        );
        assert_eq!(text(&listed.stdout), text(&made.stdout), "{endpoint}");
    }
    assert!(
        fs::read_to_string(&dev.stdout)
            .unwrap()
            .contains("going on where it stopped")
    );
    let (status, errors) = dev.stop("-TERM");
    assert_eq!(status.code(), Some(0), "{errors}");
}

/// A cluster of processes: `serve`, `cluster keygen|init|join|status|remove`.
#[test]
fn serve_makes_and_changes_a_cluster_of_processes() {
    let folder = tempfile::tempdir().unwrap();
    let key = folder.path().join("seal.key");
    let made = grantd(["cluster", "keygen", key.to_str().unwrap()])
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", text(&made.stderr));
    let nodes: Vec<Process> = (1..=3)
        .map(|id| {
            let config = folder.path().join(format!("node-{id}.toml"));
            let data = folder.path().join(format!("data-{id}"));
            fs::write(
                &config,
                format!("node_id = {id}\nlisten = \"127.0.0.1:0\"\ndata_dir = {data:?}\nseal_key_file = {key:?}\n"),
            )
            .unwrap();
            Process::start(folder.path(), &format!("node-{id}"), &["serve", "--config", config.to_str().unwrap()])
        })
        .collect();
    let addresses: Vec<String> = nodes.iter().flat_map(Process::endpoints).collect();
    run(&addresses[0], ["cluster", "init", "--bound", "2s"]);
    for address in &addresses[1..] {
        run(
            address,
            [
                "cluster",
                "join",
                "--via",
                &addresses[0],
                "--deadline",
                "30s",
            ],
        );
    }
    run(&addresses[2], ["account", "create", "111122223333"]);
    let status = run(&addresses.join(","), ["cluster", "status", "-o", "json"]);
    let status: serde_json::Value = serde_json::from_slice(&status.stdout).unwrap();
    let of = |name: &str| -> Vec<serde_json::Value> {
        status["Nodes"]
            .as_array()
            .unwrap()
            .iter()
            .map(|node| node[name].clone())
            .collect()
    };
    assert_eq!(of("NodeId"), [1, 2, 3]);
    assert_eq!(
        of("Role").iter().filter(|role| *role == "leader").count(),
        1,
        "{status:#}"
    );
    assert!(
        of("MaxStalenessMs").iter().all(|bound| *bound == 2000),
        "{status:#}"
    );
    assert_eq!(status["Members"].as_array().unwrap().len(), 3, "{status:#}");

    run(
        &addresses[0],
        ["cluster", "remove", "3", "--deadline", "30s"],
    );
    let status = run(&addresses[0], ["cluster", "status", "-o", "json"]);
    let status: serde_json::Value = serde_json::from_slice(&status.stdout).unwrap();
    assert_eq!(status["Members"].as_array().unwrap().len(), 2, "{status:#}");
    for node in nodes {
        assert!(
            node.errors().contains("callers are not authenticated"),
            "{}",
            node.errors()
        );
        let (status, errors) = node.stop("-TERM");
        assert_eq!(status.code(), Some(0), "{errors}");
    }
}

#[test]
fn serve_refuses_wrong_settings_all_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("node.toml");
    fs::write(
        &config,
        "node_id = 0\nlisten = \"0.0.0.0:7400\"\nlog_levle = \"info\"\n",
    )
    .unwrap();
    let output = grantd(["serve", "--config", config.to_str().unwrap()])
        .env("GRANTD_LOG_FORMAT", "xml")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    let said = text(&output.stderr);
    for part in [
        "node.toml:1: setting `node_id`: got `0`; allowed: ",
        "node.toml:2: setting `listen`: got `0.0.0.0:7400`, which is not a loopback address; that needs TLS",
        "node.toml:3: unknown setting `log_levle` (did you mean `log_level`?)",
        "setting `data_dir`: must be set",
        "setting `seal_key_file`: must be set",
        "variable GRANTD_LOG_FORMAT: setting `log_format`: got `xml`",
    ] {
        assert!(said.contains(part), "{part}\n{said}");
    }
}

#[test]
fn error_of_every_kind_ends_with_exit_code_2_and_says_what_to_do() {
    for (args, part) in [
        (&["key", "list"][..], "--as ARN"),
        (&["key", "list", "--as", "Alice"], "want an ARN"),
        (
            &[
                "key",
                "list",
                "--as",
                "operator",
                "--endpoint",
                "127.0.0.1:1",
                "--deadline",
                "200ms",
            ],
            "grantd dev",
        ),
        (
            &[
                "policy",
                "check",
                "tests/examples/identity-policy-tag-as-published.json",
                "--kind",
                "identity",
            ],
            ":9:31",
        ),
        (&["policy", "check", "no/such/file"], "no/such/file"),
        (&["keys"], "key"),
    ] {
        let output = grantd(args.iter().copied())
            .current_dir(repository())
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        let said = text(&output.stderr);
        assert!(
            said.starts_with("error: ") && said.contains(part),
            "{args:?}: {said}"
        );
    }
}

#[test]
fn offline_commands_need_no_cluster() {
    for (args, part) in [
        (&["config", "sample"][..], "node_id = 1"),
        (&["completions", "bash"], "authorize"),
        (
            &["policy", "check", "tests/examples/key-consolepolicy-2.json"],
            "valid key policy of 4 statements",
        ),
        (&["--help"], "Exit codes"),
        (&["--version"], env!("CARGO_PKG_VERSION")),
    ] {
        let output = grantd(args.iter().copied())
            .current_dir(repository())
            .output()
            .unwrap();
        assert_eq!(
            output.status.code(),
            Some(0),
            "{args:?}: {}",
            text(&output.stderr)
        );
        assert!(text(&output.stdout).contains(part), "{args:?}");
    }
}
