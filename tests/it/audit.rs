//! The audit trail of real processes: what is in it, that nobody waits for its reader, and what becomes of it when it cannot
//! be written.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, PipeReader, Write};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::thread::JoinHandle;
use std::time::Duration;

use futures::stream::{self, StreamExt};
use grantd::client::api::{
    BatchAuthorizeRequest, CreateAliasRequest, ErrorDetail, StatusRequest, TagResourceRequest,
};
use grantd::env::Clock;
use grantd::env::real::RealClock;
use rustix::fs::{OFlags, fcntl_setfl};
use serde_json::Value;

use super::support::api::{
    Api, REGION, grant_of_decrypt, make_account, make_key, make_principal, question, tag, until,
    user,
};
use super::support::cluster::Cluster;
use super::support::process::{Process, free_ports, grantd, run};

const ACCOUNT: &str = "111122223333";
const ALICE: &str = "arn:aws:iam::111122223333:user/Alice";
/// Long enough for anything that must happen on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// A node as a process, with a folder of its own.
struct Seat {
    folder: PathBuf,
    node: u16,
    port: u16,
}

impl Seat {
    fn all(folder: &Path, count: usize) -> Vec<Self> {
        let key = folder.join("seal.key");
        let made = grantd(["cluster", "keygen"]).arg(&key).output().unwrap();
        assert!(made.status.success(), "{made:?}");
        (1..)
            .zip(free_ports(count))
            .map(|(node, port)| Self {
                folder: folder.to_owned(),
                node,
                port,
            })
            .collect()
    }

    fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    fn args(&self, more: &[&str]) -> Vec<String> {
        let text = |path: PathBuf| path.to_str().unwrap().to_owned();
        let (node, listen) = (self.node.to_string(), self.address());
        let data = text(self.folder.join(format!("node-{node}")));
        let key = text(self.folder.join("seal.key"));
        let own = [
            "serve",
            "--node-id",
            &node,
            "--listen",
            &listen,
            "--data-dir",
            &data,
            "--seal-key-file",
            &key,
        ];
        own.iter()
            .chain(more)
            .map(|arg| (*arg).to_owned())
            .collect()
    }

    fn start(&self, more: &[&str]) -> Process {
        let args = self.args(more);
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        Process::start(&self.folder, &format!("node-{}", self.node), &args)
    }

    fn start_on(&self, more: &[&str], stdout: Stdio, stderr: Stdio) -> Process {
        let args = self.args(more);
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        let name = format!("node-{}", self.node);
        Process::start_on(&self.folder, &name, &args, stdout, stderr)
    }

    fn api(&self) -> Api {
        Api::at(&self.address())
    }

    /// How far the node remembers to have told its changes.
    fn told(&self) -> u64 {
        let mark = self.folder.join(format!("node-{}/audit.mark", self.node));
        match fs::read(mark).unwrap_or_default().get(4..12) {
            Some(number) => u64::from_le_bytes(number.try_into().unwrap()),
            None => 0,
        }
    }

    /// Returns once everything up to `position` is told.
    async fn until_told(&self, position: &str) {
        let revision: u64 = position.rsplit_once('.').unwrap().1.parse().unwrap();
        poll("the changes are told", || {
            (self.told() >= revision).then_some(())
        })
        .await;
    }
}

/// Looks again and again at what another process leaves on the disk.
async fn poll<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let began = RealClock.boot();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(RealClock.boot().since(began) < PATIENCE, "in vain: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn parsed(text: &str) -> Vec<Value> {
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect()
}

fn lines(path: &Path) -> Vec<Value> {
    parsed(&fs::read_to_string(path).unwrap_or_default())
}

/// A lone node that serves, with an account and a key of it.
async fn begun(seat: &Seat, more: &[&str]) -> (Process, Api, String) {
    let process = seat.start(more);
    run(&seat.address(), ["cluster", "init", "--region", REGION]);
    let api = seat.api();
    make_account(&api, ACCOUNT).await;
    make_principal(&api, ALICE, &[]).await;
    let key = make_key(&api, ACCOUNT, None).await;
    (process, api, key.arn)
}

async fn create_alias(api: &Api, key: &str, name: &str) -> Result<String, ErrorDetail> {
    let answer = api
        .by_root(ACCOUNT)
        .call(CreateAliasRequest {
            alias_name: format!("alias/{name}"),
            target_key_id: key.to_owned(),
            ..CreateAliasRequest::default()
        })
        .await?;
    Ok(answer.header.unwrap().position)
}

/// A pipe that is full, so that whoever writes another byte waits until somebody reads.
fn full_pipe() -> (PipeReader, Stdio) {
    let (reader, mut writer) = std::io::pipe().unwrap();
    fcntl_setfl(&writer, OFlags::NONBLOCK).unwrap();
    while writer.write_all(&[b'\n'; 512]).is_ok() {}
    while writer.write_all(b"\n").is_ok() {}
    fcntl_setfl(&writer, OFlags::empty()).unwrap();
    (reader, writer.into())
}

/// Reads a pipe to its end, on a thread of its own.
fn read_all(pipe: PipeReader) -> JoinHandle<Vec<String>> {
    std::thread::spawn(move || {
        let lines = BufReader::new(pipe).lines().map(Result::unwrap);
        lines.filter(|line| !line.is_empty()).collect()
    })
}

const WRITES: usize = 5_000;
const AT_ONCE: usize = 64;
/// Fifteen megabytes of lines and more, where there is room for twelve.
const BATCHES: usize = 45;
const BATCH: usize = 1_000;

/// F4: the leader's standard output and standard error are pipes that nobody reads. Writes and decisions go on, the lead
/// stays where it is in its term, and when somebody reads again nothing is missing but what is counted. A machine that is
/// too busy for heartbeats loses a lead, too: then it is played again, and streams that cost the lead cost it each time.
#[tokio::test(flavor = "multi_thread")]
async fn streams_that_nobody_reads_hold_up_nobody() {
    for attempt in 1..=3 {
        match unread().await {
            Ok(term) => return println!("attempt {attempt}: the lead stays in term {term}"),
            Err(lost) => println!("attempt {attempt}: {lost}"),
        }
    }
    panic!("the lead was lost each time");
}

/// In which term the lead has stayed, or how it was lost.
async fn unread() -> Result<u64, String> {
    let folder = tempfile::tempdir().unwrap();
    let seats = Seat::all(folder.path(), 3);
    let (stdout, stdout_end) = full_pipe();
    let (stderr, stderr_end) = full_pipe();
    let leader = seats[0].start_on(&["--audit", "stdout"], stdout_end, stderr_end);
    let others: Vec<Process> = seats[1..]
        .iter()
        .map(|seat| seat.start(&["--audit", "off"]))
        .collect();
    run(&seats[0].address(), ["cluster", "init", "--region", REGION]);
    for seat in &seats[1..] {
        run(
            &seat.address(),
            ["cluster", "join", "--via", &seats[0].address()],
        );
    }
    let api = seats[0].api();
    make_account(&api, ACCOUNT).await;
    make_principal(&api, ALICE, &[]).await;
    let key = make_key(&api, ACCOUNT, None).await.arn;

    let led = api.call(StatusRequest::default()).await.unwrap();
    if led.role != "leader" {
        return Err(format!("lost at the beginning: {led:?}"));
    }
    let root = api.by_root(ACCOUNT);
    let writes = stream::iter(0..WRITES).map(|n| {
        let (root, key) = (root.clone(), key.clone());
        async move {
            let tags = vec![tag("n", &n.to_string())];
            let tagged = TagResourceRequest {
                key_id: key,
                tags,
                ..TagResourceRequest::default()
            };
            until(PATIENCE, "a write is taken", async || {
                root.call(tagged.clone()).await.ok()
            })
            .await;
        }
    });
    writes.buffer_unordered(AT_ONCE).collect::<Vec<()>>().await;

    // More decisions than there is room for.
    let mut asked = 0;
    for _ in 0..BATCHES {
        let batch = BatchAuthorizeRequest {
            header: None,
            questions: vec![question("kms:Decrypt", &key); BATCH],
        };
        let answer = until(PATIENCE, "decisions are answered", async || {
            root.call(batch.clone()).await.ok()
        })
        .await;
        asked += answer.items.len() as u64;
    }
    assert_eq!(asked, (BATCHES * BATCH) as u64);
    for seat in &seats {
        let leads = seat.api().call(StatusRequest::default()).await.unwrap();
        if (leads.leader_id, leads.term) != (Some(1), led.term) {
            return Err(format!("led in term {}, and then {leads:?}", led.term));
        }
    }

    let (stdout, stderr) = (read_all(stdout), read_all(stderr));
    // Only when the reader is there can the last lines be written.
    let (status, _) = leader.stop("-TERM");
    assert!(status.success());
    let audit = parsed(&stdout.join().unwrap().join("\n"));
    let mut count: BTreeMap<&str, u64> = BTreeMap::new();
    let mut lost = 0;
    let mut tagged = Vec::new();
    for line in &audit {
        *count.entry(line["what"].as_str().unwrap()).or_default() += 1;
        if line["what"] == "lost" {
            lost += line["lines"].as_u64().unwrap();
            // A flood of decisions takes no change out of the trail.
            assert!(line.get("from_revision").is_none(), "{line}");
        }
        if line["operation"] == "TagResource" {
            tagged.push(line["revision"].as_u64().unwrap());
        }
    }
    assert!(lost > 0, "{count:?}");
    let told = count["decided"] + lost;
    // What was too old to be answered, on a busy machine, was told and taken back.
    let is_whole = told == asked || (told > asked && count.contains_key("withdrawn"));
    assert!(is_whole, "{told} of {asked}: {count:?}");
    assert!(tagged.len() >= WRITES, "{count:?}");
    assert!(tagged.windows(2).all(|pair| pair[0] < pair[1]));
    let log = stderr.join().unwrap().join("\n");
    assert!(
        log.contains("audit lines are lost") && log.contains("lead won"),
        "{log}"
    );
    drop(others);
    Ok(led.term)
}

/// Each change is told once in a node's life, with who asked for what of what, whether it was done or refused,
/// and a restart tells none of them again.
#[tokio::test(flavor = "multi_thread")]
async fn each_change_is_told_once_over_restarts_with_what_was_asked_of_what() {
    let folder = tempfile::tempdir().unwrap();
    let seat = Seat::all(folder.path(), 1).remove(0);
    let path = folder.path().join("audit.jsonl");
    let more = ["--audit", path.to_str().unwrap()];
    let (process, api, key) = begun(&seat, &more).await;
    let made = api
        .by_root(ACCOUNT)
        .call(grant_of_decrypt(&key, ALICE))
        .await
        .unwrap();
    let alice = api.by(user(ALICE));
    let refused = alice.call(grant_of_decrypt(&key, ALICE)).await.unwrap_err();
    assert_eq!(refused.code, "AccessDeniedException");
    assert!(alice.may("kms:Decrypt", &key).await);
    assert!(!alice.may("kms:Encrypt", &key).await);
    assert!(process.stop("-TERM").0.success());

    let process = seat.start(&more);
    let api = seat.api();
    let position = create_alias(&api, &key, "after-a-stop").await.unwrap();
    seat.until_told(&position).await;
    process.kill();
    let process = seat.start(&more);
    let api = seat.api();
    create_alias(&api, &key, "after-a-kill").await.unwrap();
    assert!(process.stop("-TERM").0.success());

    let audit = lines(&path);
    let told = |what: &str| {
        audit
            .iter()
            .filter(|line| line["what"] == what)
            .collect::<Vec<_>>()
    };
    let mut changes: Vec<String> = audit
        .iter()
        .filter(|line| line["what"] != "decided")
        .map(|line| {
            format!(
                "{} {} {} {} {}",
                line["revision"], line["what"], line["kind"], line["on"], line["change"]
            )
        })
        .collect();
    let all = changes.len();
    changes.sort();
    changes.dedup();
    assert_eq!(changes.len(), all, "{audit:#?}");
    let operations: Vec<_> = told("changed")
        .iter()
        .map(|line| line["operation"].as_str().unwrap())
        .collect();
    for (operation, times) in [
        ("Bootstrap", 1),
        ("CreateAccount", 1),
        ("CreatePrincipal", 1),
        ("CreateKey", 1),
        ("CreateGrant", 1),
        ("CreateAlias", 2),
    ] {
        let found = operations
            .iter()
            .filter(|found| **found == operation)
            .count();
        assert!(found >= times, "{operation}: {operations:?}");
    }
    let grant = told("changed")
        .into_iter()
        .find(|line| line["operation"] == "CreateGrant")
        .unwrap();
    assert_eq!(grant["grant"], made.grant_id.as_str());
    assert_eq!(
        (&grant["key"], &grant["grantee"]),
        (&Value::from(&*key), &Value::from(ALICE))
    );
    assert_eq!(grant["operations"], serde_json::json!(["Decrypt"]));
    assert_eq!(grant["caller"], "root of 111122223333");
    assert_eq!(
        (&grant["outcome"], &grant["node"]),
        (&Value::from("done"), &Value::from(1))
    );
    assert!(
        grant["request_id"]
            .as_str()
            .is_some_and(|id| !id.is_empty())
    );
    let [refused] = told("refused")[..] else {
        panic!("{audit:#?}");
    };
    assert_eq!(
        (&refused["outcome"], &refused["operation"]),
        (
            &Value::from("AccessDeniedException"),
            &Value::from("CreateGrant")
        )
    );
    assert_eq!(
        (&refused["caller"], &refused["grantee"]),
        (&Value::from(ALICE), &Value::from(ALICE))
    );
    assert_eq!(refused["key"], *key);
    let [allowed, denied] = told("decided")[..] else {
        panic!("{audit:#?}");
    };
    assert_eq!(
        (&allowed["outcome"], &allowed["action"]),
        (&Value::from("allow"), &Value::from("kms:Decrypt"))
    );
    assert_eq!(
        (&allowed["grant"], &allowed["key"]),
        (&grant["grant"], &grant["key"])
    );
    assert_eq!(
        (&denied["outcome"], &denied["caller"]),
        (&Value::from("implicitDeny"), &Value::from(ALICE))
    );
}

/// The files of the trail are rotated by their size, and hold every line once and whole.
#[tokio::test(flavor = "multi_thread")]
async fn audit_files_are_rotated_by_their_size() {
    let folder = tempfile::tempdir().unwrap();
    let seat = Seat::all(folder.path(), 1).remove(0);
    let path = folder.path().join("audit.jsonl");
    let more = [
        "--audit",
        path.to_str().unwrap(),
        "--audit-file-bytes",
        "4096",
        "--audit-files-kept",
        "3",
    ];
    let (process, api, key) = begun(&seat, &more).await;
    for n in 0..40 {
        create_alias(&api, &key, &format!("a-{n}")).await.unwrap();
    }
    assert!(process.stop("-TERM").0.success());
    let older = |n: u32| folder.path().join(format!("audit.jsonl.{n}"));
    let mut files: Vec<PathBuf> = (1..=3).rev().map(older).collect();
    files.push(path);
    let mut revisions = Vec::new();
    for file in &files {
        assert!(
            fs::metadata(file).unwrap().len() <= 4_096,
            "{}",
            file.display()
        );
        let told = lines(file);
        revisions.extend(
            told.iter()
                .filter(|line| line["operation"] == "CreateAlias")
                .map(|line| line["revision"].as_u64().unwrap()),
        );
    }
    assert!(!older(4).exists());
    assert!(revisions.len() > 10, "{revisions:?}");
    assert!(
        revisions.windows(2).all(|pair| pair[0] + 1 == pair[1]),
        "{revisions:?}"
    );
}

/// The path of an audit file whose disk is full and is given room, by turns.
struct Disk {
    path: PathBuf,
    good: PathBuf,
}

impl Disk {
    fn new(folder: &Path) -> Self {
        let disk = Self {
            path: folder.join("audit.jsonl"),
            good: folder.join("good.jsonl"),
        };
        symlink(&disk.good, &disk.path).unwrap();
        disk
    }

    fn turn_to(&self, to: &Path) {
        let next = self.path.with_extension("next");
        symlink(to, &next).unwrap();
        fs::rename(next, &self.path).unwrap();
    }
}

/// A full disk of the audit file does not stop a node that is set to drop, is told in its log, and loses nothing while the
/// lines can wait.
#[tokio::test(flavor = "multi_thread")]
async fn full_disk_of_the_audit_file_stops_no_node() {
    let folder = tempfile::tempdir().unwrap();
    let seat = Seat::all(folder.path(), 1).remove(0);
    let disk = Disk::new(folder.path());
    let (process, api, key) = begun(&seat, &["--audit", disk.path.to_str().unwrap()]).await;
    disk.turn_to(Path::new("/dev/full"));
    for n in 0..30 {
        create_alias(&api, &key, &format!("full-{n}"))
            .await
            .unwrap();
    }
    assert!(api.by_root(ACCOUNT).may("kms:Decrypt", &key).await);
    poll("the log tells it", || {
        process
            .errors()
            .contains("the audit trail cannot be written")
            .then_some(())
    })
    .await;
    disk.turn_to(&disk.good);
    let position = create_alias(&api, &key, "room").await.unwrap();
    seat.until_told(&position).await;
    let (status, log) = process.stop("-TERM");
    assert!(status.success(), "{log}");
    let audit = lines(&disk.good);
    let of = |operation: &str| {
        audit
            .iter()
            .filter(|line| line["operation"] == operation)
            .count()
    };
    assert_eq!(of("CreateAlias"), 31, "{log}");
    assert_eq!(
        audit
            .iter()
            .filter(|line| line["what"] == "decided")
            .count(),
        1
    );
    assert!(audit.iter().all(|line| line["what"] != "lost"));
}

/// Set to refuse, the node refuses decisions and changes while the trail cannot be written, retryably, and takes them again
/// afterwards.
#[tokio::test(flavor = "multi_thread")]
async fn full_disk_of_the_audit_file_refuses_service_where_that_is_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let seat = Seat::all(folder.path(), 1).remove(0);
    let disk = Disk::new(folder.path());
    let more = [
        "--audit",
        disk.path.to_str().unwrap(),
        "--audit-when-full",
        "refuse",
    ];
    let (process, api, key) = begun(&seat, &more).await;
    disk.turn_to(Path::new("/dev/full"));
    let root = api.by_root(ACCOUNT);
    let refused = until(PATIENCE, "decisions are refused", async || {
        root.authorize(question("kms:Decrypt", &key)).await.err()
    })
    .await;
    assert_eq!(
        (&*refused.code, refused.retryable),
        ("Unavailable", true),
        "{refused:?}"
    );
    assert!(refused.message.contains("audit"), "{refused:?}");
    let refused = create_alias(&api, &key, "refused").await.unwrap_err();
    assert_eq!(
        (&*refused.code, refused.retryable, refused.safe_to_retry),
        ("Unavailable", true, true)
    );
    disk.turn_to(&disk.good);
    until(PATIENCE, "changes are taken again", async || {
        create_alias(&api, &key, "taken").await.ok()
    })
    .await;
    assert!(root.may("kms:Decrypt", &key).await);
    let (status, log) = process.stop("-TERM");
    assert!(
        status.success() && log.contains("requests are refused"),
        "{log}"
    );
    let audit = lines(&disk.good);
    assert!(
        !audit
            .iter()
            .any(|line| line["on"].as_str().is_some_and(|on| on.contains("refused")))
    );
}

/// a decision that is held up while it is told leaves the node no older than it says: it is refused, and taken back.
#[tokio::test(flavor = "multi_thread")]
async fn decision_that_is_held_up_while_it_is_told_is_not_answered() {
    let cluster = Cluster::start(1).await;
    let api = cluster.api(0);
    make_account(&api, ACCOUNT).await;
    make_principal(&api, ALICE, &[]).await;
    let key = make_key(&api, ACCOUNT, None).await.arn;
    let root = api.by_root(ACCOUNT);
    assert!(root.may("kms:Decrypt", &key).await);
    let alarms = &cluster.members[0].alarms;
    // Longer than the cluster's bound.
    alarms.stall(Duration::from_millis(1_200));
    let error = root
        .authorize(question("kms:Decrypt", &key))
        .await
        .unwrap_err();
    assert_eq!(
        (&*error.code, error.retryable),
        ("TooStale", true),
        "{error:?}"
    );
    assert_eq!(alarms.withdrawn(), 1);
    alarms.stall(Duration::ZERO);
    assert!(root.may("kms:Decrypt", &key).await);
    cluster.shutdown().await;
}
