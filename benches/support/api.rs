//! Clients of a cluster, and where it is measured.

use std::time::Duration;

use grantd::client::{Client, Options, Parts, api};
use tonic::transport::Channel;

const REGION: &str = "eu-west-1";
/// A server takes 200 calls at a time over one connection; callers spread over these.
const CONNECTIONS: usize = 4;
const PATIENCE: Duration = Duration::from_secs(30);

pub fn client(address: &str, who: api::claim::Who) -> Client {
    Client::new([address], options(who), Parts::real()).unwrap()
}

pub fn options(who: api::claim::Who) -> Options {
    Options {
        claim: api::Claim { who: Some(who) },
        region: REGION.to_owned(),
        partition: None,
        demand: None,
        deadline: PATIENCE,
        idempotency_key: None,
    }
}

pub fn header(who: api::claim::Who, position: Option<String>) -> Option<api::RequestHeader> {
    Some(api::RequestHeader {
        claim: Some(api::Claim { who: Some(who) }),
        region: REGION.to_owned(),
        demand: position.map(|position| api::Demand {
            consistency: Some(api::demand::Consistency::AtLeast(position)),
            wait_ms: None,
        }),
        ..Default::default()
    })
}

pub fn principal(arn: &str) -> api::claim::Who {
    api::claim::Who::Principal(api::Subject {
        kind: Some(api::subject::Kind::Principal(arn.to_owned())),
    })
}

/// The same settings for the echo as for the nodes.
pub async fn connect(address: &str) -> Vec<Channel> {
    let endpoint = Channel::from_shared(format!("http://{address}"))
        .unwrap()
        .tcp_nodelay(true);
    let open = (0..CONNECTIONS).map(|_| endpoint.connect());
    futures::future::try_join_all(open).await.unwrap()
}

/// Where this was measured.
pub fn machine() -> String {
    let read = |path| std::fs::read_to_string(path).unwrap_or_default();
    let cpu = read("/proc/cpuinfo");
    let cpu = cpu.lines().find_map(|line| line.strip_prefix("model name"));
    let git = |args: &[&str]| {
        let output = std::process::Command::new("git").args(args).output();
        output.map_or_else(
            |_| String::new(),
            |output| String::from_utf8_lossy(&output.stdout).trim().to_owned(),
        )
    };
    let changed = if git(&["status", "--porcelain", "src", "proto", "Cargo.lock"]).is_empty() {
        ""
    } else {
        " with changes"
    };
    format!(
        "{} cores ({}), Linux {}, commit {}{changed}, load before {}",
        std::thread::available_parallelism().map_or(0, usize::from),
        cpu.map_or("unknown", |name| name.trim_start_matches([' ', '\t', ':'])),
        read("/proc/sys/kernel/osrelease").trim(),
        git(&["rev-parse", "--short", "HEAD"]),
        read("/proc/loadavg").split(' ').next().unwrap_or_default(),
    )
}
