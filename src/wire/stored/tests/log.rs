//! A recorded log of the first semantics: whatever a later binary knows beside, it replays to the same outcomes and the
//! same state.
//!
//! `GRANTD_BLESS=1 cargo test --lib wire::stored` records it anew, which is right only while no release has written one.

use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use super::samples;
use crate::domain::authz::caller::Identity;
use crate::domain::op::testing::{
    ADMIN, BOB, CAROL, Cluster, OTHER, OWNER, caller, create_grant, key,
};
use crate::domain::op::{self, Command, Entry, Idempotency, Semantics, apply_as, members_changed};
use crate::domain::state::State;
use crate::domain::state::grant::GrantOperation;
use crate::domain::time::Revision;
use crate::wire::stored::{decode_entry, encode_entry};

const NEXT: Semantics = Semantics(Semantics::CURRENT.0 + 1);
const MEMBERS: u8 = 0;
const ENTRY: u8 = 1;

/// One position of the log.
enum Step {
    Members(Vec<u64>),
    Entry(Box<Entry>),
}

fn file(extension: &str) -> PathBuf {
    let name = format!("tests/golden/log/semantics-1.{extension}");
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(name)
}

/// A cluster that comes to be, makes grants, uses, retries, revokes and loses them while its token epochs turn over; then
/// every sample of a command, by the cluster itself, by the operator and by the root of an account, most of them refused.
fn story() -> Vec<Step> {
    let mut cluster = Cluster::new();
    let founding = cluster.log.len();
    // Node 2 tells nothing: the semantics must not be raised in the midst of a log of the first ones.
    for node in [1, 3] {
        let report = op::report_semantics::ReportSemantics { node, newest: NEXT };
        // Whether it is one is said by the log that is told, not by the cluster that the story is made with.
        let _ = cluster.run("system", Command::ReportSemantics(report));
    }
    cluster.organize(OTHER);
    cluster.make_unit("ou-root-1", "r-root");
    cluster.move_account(OTHER, "ou-root-1");
    cluster.make_group("readers", &[BOB, CAROL]);
    for number in 2..=4 {
        for n in 0..8 {
            cluster.now += 1_000;
            grants(&mut cluster, (number - 2) * 8 + n);
        }
        let rotate = op::rotate_token_epoch::RotateTokenEpoch {
            sealed_epoch_secret: [5, 6].into(),
        };
        cluster.done("operator", Command::RotateTokenEpoch(rotate));
        grants(&mut cluster, 100 + number);
        let number = u32::from(number);
        let start = op::start_token_epoch::StartTokenEpoch { number };
        cluster.done("system", Command::StartTokenEpoch(start));
    }
    let revoke = op::revoke_token_epoch::RevokeTokenEpoch { number: 2 };
    cluster.done("operator", Command::RevokeTokenEpoch(revoke));
    // A retry of the first, whose grant is gone by now.
    grants(&mut cluster, 0);
    let account = OWNER.parse().unwrap();
    let root = Identity::Root {
        account,
        task_policy: None,
    };
    let mut entries = std::mem::take(&mut cluster.log);
    for (_, command) in samples::commands() {
        for identity in [Identity::System, Identity::Operator, root.clone()] {
            let mut entry = samples::entry(identity, command.clone());
            entry.idempotency = None;
            entries.push(entry);
        }
    }
    let mut steps = vec![Step::Members(vec![1])];
    for (at, mut entry) in entries.into_iter().enumerate() {
        if at == founding {
            steps.push(Step::Members(vec![1, 2, 3]));
        }
        entry.semantics = Semantics::FIRST;
        steps.push(Step::Entry(Box::new(entry)));
    }
    steps.push(Step::Members(vec![1, 3]));
    steps
}

/// A grant, its retry under the same idempotency key, a use of it, and of some the end.
fn grants(cluster: &mut Cluster, n: u8) {
    let mut create = create_grant(n + 1, if n.is_multiple_of(2) { BOB } else { CAROL });
    create.name = n.is_multiple_of(3).then(|| format!("name-{n}").into());
    create.term.uses = n.is_multiple_of(4).then_some(2);
    let id: Arc<str> = create.grant_id.to_string().into();
    let under = Idempotency {
        key: format!("key-{n}").into(),
        birth: Revision(1),
        request_hash: [n; 32],
    };
    let create = Command::CreateGrant(create);
    for _ in 0..2 {
        let entry = cluster.entry(&caller(ADMIN), Some(under.clone()), create.clone());
        let _ = cluster.apply(&entry);
    }
    let consume = op::consume::Consume {
        key: key(1),
        operation: GrantOperation::Decrypt,
        encryption_context: Arc::default(),
        grant_id: Some(id.clone()),
    };
    let _ = cluster.run(BOB, Command::Consume(consume));
    if n.is_multiple_of(5) {
        let revoke = op::revoke_grant::RevokeGrant {
            key: key(1),
            grant_id: id,
            dry_run: Default::default(),
            descendants: Default::default(),
        };
        let _ = cluster.run(ADMIN, Command::RevokeGrant(revoke));
    }
}

fn write(steps: &[Step]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut put = |kind: u8, body: &[u8]| {
        bytes.push(kind);
        bytes.extend_from_slice(&u32::try_from(body.len()).unwrap().to_le_bytes());
        bytes.extend_from_slice(body);
    };
    for step in steps {
        match step {
            Step::Members(members) => {
                let body: Vec<u8> = members.iter().flat_map(|node| node.to_le_bytes()).collect();
                put(MEMBERS, &body);
            }
            Step::Entry(entry) => put(ENTRY, &encode_entry(entry).unwrap()),
        }
    }
    bytes
}

fn read(mut bytes: &[u8]) -> Vec<Step> {
    let mut steps = Vec::new();
    while let Some((kind, rest)) = bytes.split_first() {
        let (length, rest) = rest.split_first_chunk::<4>().unwrap();
        let length = u32::from_le_bytes(*length) as usize;
        let (body, rest) = rest.split_at(length);
        bytes = rest;
        steps.push(match *kind {
            MEMBERS => {
                let (nodes, []) = body.as_chunks::<8>() else {
                    panic!("half a member")
                };
                Step::Members(nodes.iter().map(|node| u64::from_le_bytes(*node)).collect())
            }
            ENTRY => Step::Entry(Box::new(decode_entry(body).unwrap())),
            other => panic!("kind {other}"),
        });
    }
    steps
}

/// What each position led to in a binary that knows every semantics up to `newest`, and the state at the end.
fn replay(steps: &[Step], newest: Semantics) -> String {
    let (mut state, mut told) = (State::default(), String::new());
    for (at, step) in (1..).zip(steps) {
        let line = match step {
            Step::Members(members) => {
                members_changed(&mut state, Revision(at), members);
                format!("members {members:?}")
            }
            Step::Entry(entry) => {
                assert_eq!(entry.semantics, Semantics::FIRST);
                let name = entry.command.operation().name();
                let applied = apply_as(&mut state, Revision(at), entry, newest);
                match applied.outcome {
                    Ok(_) => format!("{name} done"),
                    Err(rejection) => format!("{name} {}", rejection.code),
                }
            }
        };
        writeln!(told, "{at} {line}").unwrap();
    }
    writeln!(told, "fingerprint {}", state.fingerprint()).unwrap();
    told
}

/// A binary that knows newer semantics answers a log of the first ones as the binary that wrote it did.
#[test]
fn recorded_log_replays_alike_in_a_binary_that_knows_newer_semantics() {
    if std::env::var_os("GRANTD_BLESS").is_some_and(|value| value == "1") {
        fs::create_dir_all(file("bin").parent().unwrap()).unwrap();
        let steps = story();
        fs::write(file("bin"), write(&steps)).unwrap();
        fs::write(file("txt"), replay(&steps, Semantics::CURRENT)).unwrap();
    }
    let steps = read(&fs::read(file("bin")).unwrap());
    let told = fs::read_to_string(file("txt")).unwrap();
    let done = told.lines().filter(|line| line.ends_with(" done")).count();
    assert!(done >= 60, "the log says little: {done} of {}", steps.len());
    for newest in [Semantics::CURRENT, NEXT] {
        let replayed = replay(&steps, newest);
        assert_eq!(replayed, told, "semantics up to {}", newest.0);
    }
}
