//! How long nobody can write when the leader is stopped as planned: three nodes as `grantd serve` starts them, in one process.
//!
//! `cargo bench --bench stop` stops the leader some times and prints the longest time between two acknowledged writes at a
//! survivor. `cargo test` does it once, with its checks; the time is asserted nowhere.
//!
//! Sketch. The writes under way are finished, the heir is asked, syncs its vote, asks the others, which sync theirs, and
//! writes the first entry of its term: three round trips and three syncs, some tens of milliseconds.

mod support;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use grantd::client::api;
use grantd::config::{AuditSettings, AuditTo};
use grantd::env::Clock;
use grantd::env::real::RealClock;
use grantd::node::{ProcessNode, ProcessSettings, create_seal_key, start_process};

use support::api::{client, machine};

const NODES: u64 = 3;

fn main() {
    // `cargo bench` passes `--bench`; whoever does not asks for a test.
    let is_measuring = std::env::args().any(|arg| arg == "--bench");
    let rounds = if is_measuring { 10 } else { 1 };
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    let mut gaps = runtime.block_on(run(rounds, folder.path()));
    gaps.sort();
    if is_measuring {
        println!("{}\n", machine());
        println!("| longest time without a write | |");
        println!("|---|---:|");
        let ms = |at: usize| gaps[at].as_secs_f64() * 1e3;
        println!(
            "| median of {rounds} planned stops | {:.0} ms |",
            ms(gaps.len() / 2)
        );
        println!("| worst | {:.0} ms |", ms(gaps.len() - 1));
    }
}

fn settings(folder: &Path, node_id: u64, listen: String) -> ProcessSettings {
    ProcessSettings {
        node_id,
        listen,
        advertise: None,
        data_dir: folder.join(format!("node-{node_id}")),
        seal_key_file: folder.join("seal.key"),
        audit: AuditSettings {
            to: AuditTo::Off,
            ..AuditSettings::default()
        },
        client_connections: grantd::domain::limits::CLIENT_CONNECTIONS,
        nodes: 3,
    }
}

async fn run(rounds: usize, folder: &Path) -> Vec<Duration> {
    create_seal_key(&folder.join("seal.key")).unwrap();
    let mut nodes: Vec<Option<ProcessNode>> = Vec::new();
    for node_id in 1..=NODES {
        let settings = settings(folder, node_id, "127.0.0.1:0".to_owned());
        nodes.push(Some(start_process(settings).await.unwrap()));
    }
    let addresses: Vec<String> = nodes
        .iter()
        .flatten()
        .map(|node| node.address().to_owned())
        .collect();
    let operator = || api::claim::Who::Operator(api::Operator {});
    client(&addresses[0], operator())
        .call(api::InitializeRequest::default())
        .await
        .unwrap();
    for other in &addresses[1..] {
        let join = api::JoinRequest {
            via: addresses[0].clone(),
            ..Default::default()
        };
        client(other, operator()).call(join).await.unwrap();
    }
    static ACCOUNTS: AtomicU64 = AtomicU64::new(1);
    let mut gaps = Vec::new();
    for _ in 0..rounds {
        let (leader, _) = nodes[0].as_ref().unwrap().replica().leader().unwrap();
        let leader = usize::try_from(leader).unwrap() - 1;
        let survivor = (leader + 1) % nodes.len();
        let writer = client(&addresses[survivor], operator());
        let (done, longest) = (
            Arc::new(AtomicBool::new(false)),
            Arc::new(AtomicU64::new(0)),
        );
        let writing = {
            let (done, longest) = (done.clone(), longest.clone());
            tokio::spawn(async move {
                let mut last = RealClock.boot();
                while !done.load(Ordering::SeqCst) {
                    let number = ACCOUNTS.fetch_add(1, Ordering::SeqCst);
                    let account = api::CreateAccountRequest {
                        account_id: format!("{number:012}"),
                        ..Default::default()
                    };
                    writer.call(account).await.unwrap();
                    let now = RealClock.boot();
                    let gap = u64::try_from(now.since(last).as_micros()).unwrap();
                    longest.fetch_max(gap, Ordering::SeqCst);
                    last = now;
                }
            })
        };
        while longest.load(Ordering::SeqCst) == 0 {
            RealClock.sleep(Duration::from_millis(5)).await;
        }
        RealClock.sleep(Duration::from_millis(200)).await;
        longest.store(0, Ordering::SeqCst);
        nodes[leader].take().unwrap().shutdown().await;
        RealClock.sleep(Duration::from_millis(200)).await;
        done.store(true, Ordering::SeqCst);
        writing.await.unwrap();
        gaps.push(Duration::from_micros(longest.load(Ordering::SeqCst)));
        let again = settings(folder, leader as u64 + 1, addresses[leader].clone());
        let again = start_process(again).await.unwrap();
        // It has caught up before the next one goes.
        let revision = nodes[survivor].as_ref().unwrap().replica().status().applied;
        again.replica().applied(revision).await;
        nodes[leader] = Some(again);
    }
    for node in nodes.into_iter().flatten() {
        node.shutdown().await;
    }
    gaps
}
