//! A recorded log of the first semantics: whatever a later binary knows beside, it replays to the same outcomes and the
//! same state.
//!
//! `GRANTD_BLESS=1 cargo test --lib wire::stored` records it anew, which is right only while no release has written one.

use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

use super::samples;
use crate::domain::authz::caller::Identity;
use crate::domain::ids::AccountId;
use crate::domain::op::{
    Command, Entry, Idempotency, Semantics, apply_as, members_changed, report_semantics,
};
use crate::domain::state::State;
use crate::domain::time::{Revision, Timestamp};
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

/// Every command, by the operator, by the cluster itself and by the root of the account, some under an idempotency key and
/// some of them twice.
fn story() -> Vec<Step> {
    let account = AccountId::from_number(111_122_223_333).unwrap();
    let root = || Identity::Root {
        account,
        task_policy: None,
    };
    let entry = |at: u64, identity, command| {
        let mut entry = samples::entry(identity, command);
        entry.proposed_at = Timestamp::from_millis(1_795_313_000_000 + at * 1_000);
        entry.semantics = Semantics::FIRST;
        entry.idempotency = at.is_multiple_of(3).then(|| Idempotency {
            key: format!("key-{}", at / 6).into(),
            birth: Revision(1),
            request_hash: [(at / 6) as u8; 32],
        });
        Step::Entry(Box::new(entry))
    };
    let mut steps = vec![Step::Members(vec![1])];
    let commands = || samples::commands().into_iter().map(|(_, command)| command);
    // Twice: what needs something that a later one makes finds it the second time.
    for command in commands().chain(commands()) {
        for identity in [Identity::System, Identity::Operator, root()] {
            let at = steps.len() as u64 + 1;
            steps.push(entry(at, identity, command.clone()));
        }
        if steps.len() == 4 {
            steps.push(Step::Members(vec![1, 2, 3]));
            let report = report_semantics::ReportSemantics {
                node: 3,
                newest: NEXT,
            };
            let report = Command::ReportSemantics(report);
            steps.push(entry(6, Identity::System, report));
        }
    }
    steps.push(Step::Members(vec![1, 3]));
    steps
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
