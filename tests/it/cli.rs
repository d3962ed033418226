//! The command line against real processes: the built binary, run as people run it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use grantd::env::Clock;
use grantd::env::real::RealClock;

use super::support::process::{GRANTD, Process, free_ports, grantd, run, text};

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
    assert!(
        !said.contains('\u{1b}'),
        "colours without a terminal: {said}"
    );
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

/// What is well-formed and would not start is found out before it is tried; and nothing is made or written.
#[test]
fn config_check_says_what_serve_would_trip_over() {
    let folder = tempfile::tempdir().unwrap();
    let (config, data) = (folder.path().join("node.toml"), folder.path().join("data"));
    fs::write(
        &config,
        format!("node_id = 1\ndata_dir = {data:?}\nseal_key_file = \"no/such/key\"\n"),
    )
    .unwrap();
    let output = grantd(["config", "check", config.to_str().unwrap()])
        .output()
        .unwrap();
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(
        said.contains("no/such/key") && said.contains("cluster keygen"),
        "{said}"
    );
    assert!(!data.exists());
}

/// A variable that is set is no option that must be given.
#[test]
fn usage_of_a_fault_names_what_must_be_given_and_no_variable() {
    let output = grantd(["key", "describe"])
        .env("GRANTD_ENDPOINT", "127.0.0.1:1")
        .env("GRANTD_AS", "operator")
        .env("GRANTD_OUTPUT", "table")
        .output()
        .unwrap();
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(
        said.contains("<KEY>") && !said.contains("--endpoint") && !said.contains("--as"),
        "{said}"
    );
}

/// A script tells "mend it" from "try again" by the exit code: without a cluster.
#[test]
fn error_says_what_to_do_and_ends_with_the_exit_code_of_its_kind() {
    for (args, code, part) in [
        (&["key", "list"][..], 2, "--as ARN"),
        (&["key", "list", "--as", "Alice"], 2, "want an ARN"),
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
            4,
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
            2,
            ":9:31",
        ),
        (&["policy", "check", "no/such/file"], 2, "no/such/file"),
        (&["keys"], 2, "key"),
    ] {
        let output = grantd(args.iter().copied())
            .current_dir(repository())
            .output()
            .unwrap();
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{args:?}: {said}");
        assert!(
            said.starts_with("error: ") && said.contains(part),
            "{args:?}: {said}"
        );
    }
}

/// The same against a cluster, of which the first endpoint hangs: it takes connections and never says a word.
#[test]
fn exit_code_is_of_the_kind_and_an_endpoint_that_hangs_costs_half_a_second() {
    let folder = tempfile::tempdir().unwrap();
    let dev = Process::start(folder.path(), "dev", &["dev", "--port", "0"]);
    let hung = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let hung = hung.local_addr().unwrap().to_string();
    let endpoints = dev.endpoints();
    let all = format!("{hung},{}", endpoints.join(","));
    let root = "arn:aws:iam::111122223333:root";
    let user = "arn:aws:iam::111122223333:user/Ana";
    let said = |endpoints: &str, caller: &str, args: &[&str]| {
        let output = grantd(args.iter().copied())
            .args(["--endpoint", endpoints, "--as", caller, "-o", "json"])
            .output()
            .unwrap();
        (
            output.status.code(),
            format!("{}{}", text(&output.stdout), text(&output.stderr)),
        )
    };
    // With a deadline of 60 s half of it would be half a minute.
    for (caller, args, code, part) in [
        (root, &["identity", "create", user][..], 0, user),
        (root, &["key", "list"], 0, "Keys"),
        (root, &["authorize", "--action", "kms:ListKeys"], 0, "allow"),
        (
            user,
            &["authorize", "--action", "kms:ListKeys"],
            1,
            "implicitDeny",
        ),
        (
            root,
            &["key", "describe", "alias/none"],
            2,
            "NotFoundException",
        ),
        (
            root,
            &["key", "create", "--spec", "AES"],
            2,
            "ValidationException",
        ),
        (user, &["key", "create"], 3, "AccessDeniedException"),
        (root, &["account", "list"], 3, "AccessDeniedException"),
        (
            root,
            &["identity", "create", user],
            3,
            "EntityAlreadyExists",
        ),
    ] {
        let args = [args, &["--deadline", "60s"]].concat();
        let began = RealClock.boot();
        let (got, said) = said(&all, caller, &args);
        let took = RealClock.boot().since(began);
        assert_eq!(got, Some(code), "{args:?}: {said}");
        assert!(said.contains(part), "{args:?}: {said}");
        assert!(took < Duration::from_secs(20), "{args:?} took {took:?}");
    }
    // A read has no outcome that could be unknown; a change may have one.
    let patience = ["--deadline", "400ms"];
    let (code, told) = said(&hung, root, &[&["key", "list"][..], &patience].concat());
    assert_eq!(code, Some(4), "{told}");
    assert!(!told.contains("unknown"), "{told}");
    let (code, told) = said(
        &hung,
        "operator",
        &[&["cluster", "init"][..], &patience].concat(),
    );
    assert_eq!(code, Some(5), "{told}");
    assert!(told.contains("the outcome is unknown"), "{told}");
    // A first write without a birth does nothing, wherever it arrives.
    let (code, told) = said(&hung, root, &[&["key", "create"][..], &patience].concat());
    assert_eq!(code, Some(4), "{told}");
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

/// The `sh` blocks of a section of the README.
fn blocks(section: &str) -> String {
    let readme = fs::read_to_string(repository().join("README.md")).unwrap();
    let from = readme.split_once(&format!("\n## {section}\n")).unwrap().1;
    let section = from.split("\n## ").next().unwrap();
    let blocks = section.split("```sh\n").skip(1);
    blocks
        .map(|block| block.split("```").next().unwrap())
        .collect()
}

/// From three empty folders to a first decision and a clean stop, as the README says, line by line.
#[test]
fn cluster_of_processes_of_the_readme_works_as_printed() {
    let folder = tempfile::tempdir().unwrap();
    let mut script = blocks("A cluster of processes");
    for part in ["cluster init", "account create", "authorize", "kill %1"] {
        assert!(script.contains(part), "{script}");
    }
    for (at, port) in free_ports(3).into_iter().enumerate() {
        script = script.replace(&format!("127.0.0.1:750{at}"), &format!("127.0.0.1:{port}"));
        script = script.replace("127.0.0.1:750%d\"", "127.0.0.1:%d\"");
        script = script.replace("$((n+1)) $n $n >", "$((n+1)) ${PORTS[$n]} $n >");
        script = script.replace(
            "unset GRANTD_AS",
            &format!("PORTS[{at}]={port}\nunset GRANTD_AS"),
        );
    }
    // Whatever fails, no node is left behind.
    let whole = format!(
        "set -e\ntrap 'kill -9 $(jobs -p) 2> /dev/null || true' EXIT\n{script}\nwait\necho stopped\n"
    );
    let bin = Path::new(GRANTD).parent().unwrap();
    let path = std::env::join_paths(
        std::iter::once(bin.to_owned())
            .chain(std::env::split_paths(&std::env::var_os("PATH").unwrap())),
    )
    .unwrap();
    let mut bash = Command::new("bash");
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("GRANTD_")) {
        bash.env_remove(name);
    }
    let output = bash
        .args(["-c", &whole])
        .current_dir(folder.path())
        .env("PATH", path)
        .output()
        .unwrap();
    let said = format!("{}\n{}", text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(said.contains("\"Decision\": \"allow\""), "{said}");
    assert!(said.contains("stopped"), "{said}");
    let logs =
        (0..3).map(|n| fs::read_to_string(folder.path().join(format!("node-{n}.log"))).unwrap());
    for log in logs {
        assert!(log.contains("stopping"), "{log}");
    }
}

/// L-7: a node of no cluster says at once that it cannot take anybody in, however long one is ready to wait.
#[test]
fn join_through_a_node_of_no_cluster_does_not_wait_for_its_deadline() {
    let folder = tempfile::tempdir().unwrap();
    let key = folder.path().join("seal.key");
    let made = grantd(["cluster", "keygen", key.to_str().unwrap()]).output();
    assert!(made.unwrap().status.success());
    let start = |id: &str| {
        let data = folder.path().join(id);
        let args = ["serve", "--node-id", id, "--listen", "127.0.0.1:0"];
        let more = ["--data-dir", data.to_str().unwrap()];
        let last = ["--seal-key-file", key.to_str().unwrap()];
        Process::start(folder.path(), id, &[&args[..], &more, &last].concat())
    };
    let [one, two] = ["1", "2"].map(start);
    let (via, joins) = (one.endpoints().remove(0), two.endpoints().remove(0));
    let began = RealClock.boot();
    let args = ["cluster", "join", "--via", &via, "--deadline", "60s"];
    let output = grantd(args).args(["--endpoint", &joins]).output().unwrap();
    let took = RealClock.boot().since(began);
    let said = text(&output.stderr);
    assert!(!output.status.success(), "{said}");
    assert!(said.contains("belongs to no cluster yet"), "{said}");
    println!("refused after {took:?}: {said}");
    assert!(took < Duration::from_secs(6), "{took:?}");
}

/// L-14, L-15: the version says which build it is, and `dev --quiet` leaves the tour out and nothing else.
#[test]
fn version_names_the_build_and_dev_can_be_quiet() {
    let output = grantd(["--version"]).output().unwrap();
    let said = text(&output.stdout);
    let build = said
        .strip_prefix(concat!("grantd ", env!("CARGO_PKG_VERSION"), " ("))
        .and_then(|rest| rest.trim_end().strip_suffix(')'));
    let is_named = |build: &str| build == "development build" || build.starts_with("commit ");
    assert!(build.is_some_and(is_named), "{said}");

    let folder = tempfile::tempdir().unwrap();
    let dev = Process::start(folder.path(), "dev", &["dev", "--port", "0", "--quiet"]);
    let printed = fs::read_to_string(&dev.stdout).unwrap();
    for endpoint in dev.endpoints() {
        assert!(printed.contains(&endpoint), "{printed}");
    }
    assert!(printed.contains("warning: "), "{printed}");
    assert!(!printed.contains("A tour"), "{printed}");
    assert!(printed.lines().count() < 15, "{printed}");
}
