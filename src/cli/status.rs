//! `grantd cluster status`: what every node says of itself, put together to what the operator must know.
//!
//! All are asked at once, so a node that hangs costs no other its row; who belongs to the cluster is what the leader says,
//! or without one what most say, never what some node remembers that was taken out.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures::stream::{FuturesUnordered, StreamExt};
use serde_json::{Value, json};

use super::Exit;
use super::common::{Common, Fallback};
use super::error::CliError;
use super::output::{Shown, columns, headed, object};
use super::signals::Signals;
use super::style::{self, Tone};
use crate::client::{Client, ClientError, Options, Parts, api};

/// How long all nodes together have to answer, unless `--deadline` says otherwise: what lasts longer at night is a fault
/// to be shown, not to be waited for.
const PATIENCE: Duration = Duration::from_secs(1);
/// Between two looks of `--watch`.
const AGAIN: Duration = Duration::from_secs(1);
/// A node that is further behind the leader lags. Nodes answer some milliseconds apart, in which a busy cluster writes tens
/// of entries; one that is fresh is never behind for longer than the bound.
const LAG_MAX: u64 = 1_000;
/// Most addresses that are asked: a cluster has a handful of members.
const ASKED_MAX: usize = 64;

pub(super) async fn run(common: &Common, watch: bool) -> Result<Shown, CliError> {
    if !watch {
        return Ok(Picture::take(common).await?.shown());
    }
    let mut signals = Signals::listen()?;
    let clock = Parts::real().clock;
    loop {
        let (shown, exit) = {
            let picture = Picture::take(common).await?;
            (picture.shown(), picture.exit())
        };
        if !shown.print_again(common)? {
            return Ok(Shown::text("").exit(exit));
        }
        tokio::select! {
            () = clock.sleep(AGAIN) => {}
            () = signals.stop() => return Ok(Shown::text("").exit(exit)),
        }
    }
}

/// What one address said.
struct Told {
    endpoint: String,
    status: Result<api::StatusResponse, ClientError>,
}

/// Asks every endpoint, and every member that an answer names.
async fn ask_all(common: &Common) -> Result<Vec<Told>, CliError> {
    let parts = Parts::real();
    let options = common.client(Fallback::Operator)?.options().clone();
    let until = parts
        .clock
        .boot()
        .after(common.deadline.unwrap_or(PATIENCE));
    let ask = |endpoint: String| {
        let parts = parts.clone();
        let options = Options {
            deadline: until.since(parts.clock.boot()),
            idempotency_key: None,
            ..options.clone()
        };
        async move {
            let asked = match Client::new([endpoint.as_str()], options, parts) {
                Ok(client) => client.call(api::StatusRequest { header: None }).await,
                Err(error) => Err(error),
            };
            Told {
                endpoint,
                status: asked.map(|reply| reply.answer),
            }
        }
    };
    let mut known = BTreeSet::new();
    let mut order = Vec::new();
    let mut flying = FuturesUnordered::new();
    for endpoint in common.endpoints()? {
        // What is no address is a fault of the command, not of a node.
        Client::new([endpoint.as_str()], options.clone(), parts.clone())?;
        if known.len() < ASKED_MAX && known.insert(plain(&endpoint)) {
            order.push(plain(&endpoint));
            flying.push(ask(endpoint));
        }
    }
    let mut told = BTreeMap::new();
    while let Some(one) = flying.next().await {
        if let Ok(status) = &one.status {
            for member in &status.members {
                if known.len() < ASKED_MAX && known.insert(plain(&member.address)) {
                    order.push(plain(&member.address));
                    flying.push(ask(member.address.clone()));
                }
            }
        }
        told.insert(plain(&one.endpoint), one);
    }
    Ok(order
        .iter()
        .filter_map(|endpoint| told.remove(endpoint))
        .collect())
}

/// An address in the form in which the same one is always the same text.
fn plain(endpoint: &str) -> String {
    let bare = endpoint.strip_prefix("http://").unwrap_or(endpoint);
    let bare = bare.trim_end_matches('/');
    match bare.strip_prefix("localhost:") {
        Some(port) => format!("127.0.0.1:{port}"),
        None => bare.to_owned(),
    }
}

/// How the cluster stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Health {
    /// Every member serves, and nothing is under way.
    Ok,
    /// It serves, and something is not as it should be.
    Degraded,
    /// Nobody decides: it was forced from one disk, and the operator has not opened it.
    Closed,
    /// Nobody can decide: no node that was reached can prove its freshness.
    NoQuorum,
}

impl Health {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Degraded => "degraded",
            Self::Closed => "closed",
            Self::NoQuorum => "noQuorum",
        }
    }
}

/// The cluster at one look.
struct Picture {
    told: Vec<Told>,
    /// Whose word counts for who belongs to the cluster: its place in `told`.
    authority: Option<usize>,
    problems: Vec<String>,
    health: Health,
}

impl Picture {
    async fn take(common: &Common) -> Result<Self, CliError> {
        let told = ask_all(common).await?;
        let mut picture = Self::of(told);
        // Whoever may not see one node may see none: a picture of nothing would not say what to do.
        let denied = picture.told.iter().position(
            |told| matches!(&told.status, Err(error) if error.code() == "AccessDeniedException"),
        );
        if let Some(at) = denied
            && let Err(error) = picture.told.swap_remove(at).status
        {
            return Err(error.into());
        }
        Ok(picture)
    }

    fn of(told: Vec<Told>) -> Self {
        let authority = authority(&told);
        let mut picture = Self {
            told,
            authority,
            problems: Vec::new(),
            health: Health::Ok,
        };
        picture.problems = picture.faults();
        picture.health = if !picture.serves() {
            Health::NoQuorum
        } else if picture.closed_after().is_some() {
            Health::Closed
        } else if picture.problems.is_empty() {
            Health::Ok
        } else {
            Health::Degraded
        };
        picture
    }

    fn exit(&self) -> Exit {
        match self.health {
            Health::Ok => Exit::Success,
            Health::Degraded => Exit::Degraded,
            Health::Closed | Health::NoQuorum => Exit::Unavailable,
        }
    }

    /// The answer whose word counts.
    fn view(&self) -> Option<&api::StatusResponse> {
        self.told.get(self.authority?)?.status.as_ref().ok()
    }

    /// The last revision before the gap of a cluster that is closed.
    fn closed_after(&self) -> Option<u64> {
        self.view()?.closed_after_revision
    }

    fn members(&self) -> &[api::Member] {
        self.view().map_or(&[], |view| view.members.as_slice())
    }

    /// The answers of members of the cluster that the picture is of.
    fn of_members(&self) -> impl Iterator<Item = &api::StatusResponse> {
        self.told
            .iter()
            .filter_map(|told| told.status.as_ref().ok())
            .filter(|status| self.belongs(status))
    }

    fn belongs(&self, status: &api::StatusResponse) -> bool {
        let is_member = |member: &api::Member| member.node_id == status.node_id;
        self.view()
            .is_some_and(|view| view.incarnation == status.incarnation)
            && status.role != "removed"
            && self.members().iter().any(is_member)
    }

    /// Whether some member can decide now. That takes a proof which the leader had from a quorum.
    fn serves(&self) -> bool {
        self.of_members().any(is_fresh)
    }

    fn leader(&self) -> Option<&api::StatusResponse> {
        self.view().filter(|view| view.role == "leader")
    }

    /// Revisions behind the leader, which was asked at the same time.
    fn lag(&self, status: &api::StatusResponse) -> Option<u64> {
        let leader = self.leader().filter(|_| self.belongs(status))?;
        Some(
            leader
                .applied_revision
                .saturating_sub(status.applied_revision),
        )
    }

    /// When the leader heard a member last: the outer `None` where nobody can say, the inner where it has not since it leads.
    fn heard(&self, node_id: u64) -> Option<Option<u64>> {
        let heard = self.leader()?.heard.iter();
        let mut of_node = heard.filter(|heard| heard.node_id == node_id);
        of_node.next().map(|heard| heard.ago_ms)
    }

    /// The member at an address.
    fn member_at(&self, endpoint: &str) -> Option<&api::Member> {
        let members = self.members().iter();
        let mut at = members.filter(|member| plain(&member.address) == plain(endpoint));
        at.next()
    }

    /// Everything that is not as it should be, a sentence each.
    fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        if let Some(view) = self.view() {
            if view.leader_id.is_none() {
                faults.push("no leader is known".to_owned());
            }
            if let Some(gap) = view.closed_after_revision {
                faults.push(format!(
                    "the cluster is closed and decides nothing: it was forced from one disk, and what was acknowledged after revision {gap} may be missing; `grantd cluster open --gap {gap}` opens it"
                ));
            }
            if let Some(api::VoterChange { from, to }) = &view.changing {
                faults.push(format!(
                    "the voters are being changed from {} to {}: until that is done a majority of both is needed",
                    list(from),
                    list(to)
                ));
            }
        } else if self.told.iter().any(|told| told.status.is_ok()) {
            faults.push("no node that answered is a member of a cluster".to_owned());
        }
        for told in &self.told {
            match &told.status {
                Ok(status) => self.faults_of(&told.endpoint, status, &mut faults),
                Err(error) => faults.push(self.silence_of(&told.endpoint, error)),
            }
        }
        self.differences(&mut faults);
        faults
    }

    /// What is wrong with a node that answered.
    fn faults_of(&self, endpoint: &str, status: &api::StatusResponse, faults: &mut Vec<String>) {
        let node = status.node_id;
        let Some(view) = self.view() else {
            return;
        };
        if status.incarnation.is_none() {
            faults.push(format!(
                "the node {node} at {endpoint} belongs to no cluster"
            ));
            return;
        }
        if status.incarnation != view.incarnation {
            faults.push(format!(
                "the node {node} at {endpoint} belongs to another cluster (incarnation {})",
                status.incarnation.as_deref().unwrap_or_default()
            ));
            return;
        }
        if !self.belongs(status) {
            faults.push(match status.role.as_str() {
                "joining" => format!(
                    "the node {node} at {endpoint} is joining and no member yet: if nobody waits for it, ask again with `grantd cluster join`"
                ),
                _ => format!("the node {node} at {endpoint} is no member: it was removed"),
            });
            return;
        }
        if status.role == "leader" && view.node_id != node {
            faults.push(format!(
                "node {node} still takes itself for the leader, of term {}; that of term {} is node {}",
                status.term, view.term, view.node_id
            ));
        }
        if !is_fresh(status) {
            let bound = status.max_staleness_ms.unwrap_or_default();
            faults.push(match status.staleness_ms {
                Some(age) => format!(
                    "node {node} refuses to decide: its state was last proven {age} ms ago, the bound is {bound} ms"
                ),
                None => format!(
                    "node {node} refuses to decide: it has not proven its state since it started"
                ),
            });
        }
        if let Some(lag) = self.lag(status).filter(|lag| *lag > LAG_MAX) {
            faults.push(format!("node {node} is {lag} revisions behind the leader"));
        }
        let told = status.faults.iter();
        faults.extend(told.map(|fault| format!("node {node}: {fault}")));
    }

    /// Of a node that did not answer.
    fn silence_of(&self, endpoint: &str, error: &ClientError) -> String {
        let why = why(error);
        let what = match silence(error) {
            Silence::Hung => "does not answer",
            Silence::Unreachable => "cannot be reached",
        };
        let Some(member) = self.member_at(endpoint) else {
            return format!("the node at {endpoint} {what}: {why}");
        };
        let leader = self.leader().map_or(0, |leader| leader.node_id);
        let heard = match self.heard(member.node_id) {
            Some(Some(ago)) => format!(
                "; node {leader}, which leads, heard it last {} ago",
                span(ago)
            ),
            Some(None) => format!("; node {leader} has not heard it since it leads"),
            None => String::new(),
        };
        format!("node {} at {endpoint} {what}: {why}{heard}", member.node_id)
    }

    /// Members that are at one revision and not in one state.
    fn differences(&self, faults: &mut Vec<String>) {
        let mut at: BTreeMap<u64, BTreeMap<&str, Vec<u64>>> = BTreeMap::new();
        for status in self.of_members() {
            at.entry(status.applied_revision)
                .or_default()
                .entry(&status.fingerprint)
                .or_default()
                .push(status.node_id);
        }
        for (revision, states) in at.iter().filter(|(_, states)| states.len() > 1) {
            let groups: Vec<String> = states.values().map(|nodes| list(nodes)).collect();
            faults.push(format!(
                "the nodes {} differ in their state at revision {revision}",
                groups.join(" and ")
            ));
        }
    }

    fn shown(&self) -> Shown {
        let view = self.view();
        let value = object([
            ("State", json!(self.health.as_str())),
            ("LeaderId", json!(view.and_then(|view| view.leader_id))),
            ("Term", json!(view.map(|view| view.term))),
            (
                "Changing",
                json!(view.and_then(|view| view.changing.as_ref().map(show_change))),
            ),
            ("Problems", json!(self.problems)),
            (
                "Nodes",
                self.told.iter().map(|told| self.node(told)).collect(),
            ),
            ("Members", self.members().iter().map(show_member).collect()),
        ]);
        Shown::drawn(value, self.text()).exit(self.exit())
    }

    fn node(&self, told: &Told) -> Value {
        let status = match &told.status {
            Ok(status) => status,
            Err(error) => {
                let member = self.member_at(&told.endpoint);
                let heard = member
                    .and_then(|member| self.heard(member.node_id))
                    .flatten();
                return object([
                    ("Endpoint", json!(told.endpoint)),
                    ("NodeId", json!(member.map(|member| member.node_id))),
                    ("Role", json!(silence(error).as_str())),
                    ("HeardMsAgo", json!(heard)),
                    ("Error", json!(why(error))),
                ]);
            }
        };
        object([
            ("Endpoint", json!(told.endpoint)),
            ("NodeId", json!(status.node_id)),
            ("Role", json!(self.role(status))),
            ("LeaderId", json!(status.leader_id)),
            ("Term", json!(status.term)),
            ("Revision", json!(status.applied_revision)),
            ("CommittedRevision", json!(status.committed_revision)),
            ("Lag", json!(self.lag(status))),
            ("StalenessMs", json!(status.staleness_ms)),
            ("MaxStalenessMs", json!(status.max_staleness_ms)),
            ("HeardMsAgo", json!(self.heard(status.node_id).flatten())),
            ("Fingerprint", json!(status.fingerprint)),
            ("Incarnation", json!(status.incarnation)),
            ("ClosedAfter", json!(status.closed_after_revision)),
            (
                "Snapshot",
                json!(status.snapshots.as_ref().map(show_snapshots)),
            ),
            ("Version", json!(status.version)),
        ])
    }

    /// What a node is, which it may not know yet itself.
    fn role<'a>(&self, status: &'a api::StatusResponse) -> &'a str {
        let of_this = self
            .view()
            .is_some_and(|view| view.incarnation == status.incarnation);
        match status.role.as_str() {
            "leader" | "follower" | "learner" if of_this && !self.belongs(status) => "removed",
            role => role,
        }
    }

    /// For people: how it stands, what is wrong, a line for each node.
    fn text(&self) -> String {
        let health = match self.health {
            Health::Ok => style::out(Tone::Good, "ok"),
            Health::Degraded => style::out(Tone::Warning, "degraded"),
            Health::Closed => style::out(Tone::Bad, "closed"),
            Health::NoQuorum => style::out(Tone::Bad, "without quorum"),
        };
        let mut text = match self.view() {
            Some(view) => {
                let leader = match view.leader_id {
                    Some(leader) => format!("node {leader} leads in term {}", view.term),
                    None => "nobody leads".to_owned(),
                };
                let bound = match view.max_staleness_ms {
                    Some(bound) => format!(", the bound of staleness is {bound} ms"),
                    None => String::new(),
                };
                format!("{health}: {leader}{bound}\n")
            }
            None => format!("{health}\n"),
        };
        for problem in &self.problems {
            text.push_str(&format!("  {} {problem}\n", style::out(Tone::Warning, "!")));
        }
        let heads = [
            "Node",
            "Address",
            "Role",
            "Revision",
            "Lag",
            "ProofAgeMs",
            "HeardMsAgo",
            "Version",
        ];
        let mut lines = vec![heads.map(str::to_owned).to_vec()];
        for told in &self.told {
            let shown = self.node(told);
            let cell = |name: &str| match shown.get(name) {
                Some(Value::String(text)) => text.clone(),
                Some(value) => value.to_string(),
                None => String::new(),
            };
            lines.push(
                [
                    "NodeId",
                    "Endpoint",
                    "Role",
                    "Revision",
                    "Lag",
                    "StalenessMs",
                    "HeardMsAgo",
                    "Version",
                ]
                .map(cell)
                .to_vec(),
            );
        }
        text.push_str(&headed(&columns(&lines)));
        text
    }
}

/// Whose word counts: the leader's, of the latest term. Without one, that of a node whose list of members most members
/// have; of several such, who has seen most.
fn authority(told: &[Told]) -> Option<usize> {
    let answers = || {
        told.iter()
            .enumerate()
            .filter_map(|(at, told)| Some((at, told.status.as_ref().ok()?)))
            .filter(|(_, status)| status.incarnation.is_some() && status.role != "removed")
    };
    // Of two clusters, the one that most of the answers are of.
    let size = |status: &api::StatusResponse| {
        let of_it =
            |(_, other): &(usize, &api::StatusResponse)| other.incarnation == status.incarnation;
        answers().filter(of_it).count()
    };
    let leaders = answers().filter(|(_, status)| status.role == "leader");
    if let Some((at, _)) = leaders.max_by_key(|(_, status)| (size(status), status.term)) {
        return Some(at);
    }
    let names = |status: &api::StatusResponse, node: u64| {
        status.members.iter().any(|member| member.node_id == node)
    };
    let agreeing = |status: &api::StatusResponse| {
        answers()
            .filter(|(_, other)| {
                other.incarnation == status.incarnation
                    && other.members == status.members
                    && names(status, other.node_id)
            })
            .count()
    };
    answers()
        .max_by_key(|(_, status)| (agreeing(status), status.term, status.applied_revision))
        .map(|(at, _)| at)
}

fn is_fresh(status: &api::StatusResponse) -> bool {
    match (status.staleness_ms, status.max_staleness_ms) {
        (Some(age), Some(bound)) => age <= bound,
        _ => false,
    }
}

/// How a node is silent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Silence {
    /// No connection, or one that broke.
    Unreachable,
    /// A connection, and no answer.
    Hung,
}

impl Silence {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Unreachable => "unreachable",
            Self::Hung => "hung",
        }
    }
}

fn silence(error: &ClientError) -> Silence {
    match error.code() {
        "DeadlineExceeded" => Silence::Hung,
        _ => Silence::Unreachable,
    }
}

/// In a few words.
fn why(error: &ClientError) -> String {
    match error {
        ClientError::Unreachable { tried } if tried.is_empty() => {
            "no connection in time".to_owned()
        }
        ClientError::Unreachable { tried } => tried.iter().map(|(_, why)| why.clone()).collect(),
        ClientError::Refused(refusal) if refusal.detail.code == "DeadlineExceeded" => {
            "no answer in time".to_owned()
        }
        other => other.to_string(),
    }
}

/// Milliseconds as people say them.
fn span(ms: u64) -> String {
    match ms {
        0..10_000 => format!("{ms} ms"),
        10_000..600_000 => format!("{} s", ms / 1_000),
        _ => format!("{} min", ms / 60_000),
    }
}

fn list(nodes: &[u64]) -> String {
    let nodes: Vec<String> = nodes.iter().map(u64::to_string).collect();
    format!("[{}]", nodes.join(", "))
}

fn show_snapshots(snapshots: &api::SnapshotStatus) -> Value {
    let api::SnapshotStatus {
        revision,
        bytes,
        log_bytes,
        taking,
        installing,
    } = snapshots;
    object([
        ("Revision", json!(revision)),
        ("Bytes", json!(bytes)),
        ("LogBytes", json!(log_bytes)),
        ("Taking", json!(taking)),
        ("Installing", json!(installing)),
    ])
}

fn show_change(change: &api::VoterChange) -> Value {
    let api::VoterChange { from, to } = change;
    object([("From", json!(from)), ("To", json!(to))])
}

fn show_member(member: &api::Member) -> Value {
    let api::Member {
        node_id,
        address,
        voter,
    } = member;
    object([
        ("NodeId", json!(node_id)),
        ("Address", json!(address)),
        ("Voter", json!(voter)),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::Refusal;

    fn members(ids: &[u64]) -> Vec<api::Member> {
        let member = |id: &u64| api::Member {
            node_id: *id,
            address: format!("127.0.0.1:{}", 7000 + id),
            voter: true,
        };
        ids.iter().map(member).collect()
    }

    /// A node of a cluster of three that node 1 leads, all well.
    fn well(node_id: u64) -> api::StatusResponse {
        api::StatusResponse {
            node_id,
            role: if node_id == 1 { "leader" } else { "follower" }.to_owned(),
            leader_id: Some(1),
            term: 3,
            incarnation: Some("aa".to_owned()),
            applied_revision: 50,
            staleness_ms: Some(40),
            max_staleness_ms: Some(1000),
            members: members(&[1, 2, 3]),
            fingerprint: "f".to_owned(),
            version: "0".to_owned(),
            ..api::StatusResponse::default()
        }
    }

    fn told(statuses: impl IntoIterator<Item = api::StatusResponse>) -> Vec<Told> {
        statuses
            .into_iter()
            .map(|status| Told {
                endpoint: format!("127.0.0.1:{}", 7000 + status.node_id),
                status: Ok(status),
            })
            .collect()
    }

    fn silent(node: u64, code: &str) -> Told {
        Told {
            endpoint: format!("127.0.0.1:{}", 7000 + node),
            status: Err(ClientError::Refused(Box::new(Refusal {
                endpoint: String::new(),
                detail: api::ErrorDetail {
                    code: code.to_owned(),
                    ..api::ErrorDetail::default()
                },
            }))),
        }
    }

    #[track_caller]
    fn check(told: Vec<Told>, health: Health, problems: &[&str]) -> Picture {
        let picture = Picture::of(told);
        assert_eq!(
            picture.problems.len(),
            problems.len(),
            "{:?}",
            picture.problems
        );
        for (said, part) in picture.problems.iter().zip(problems) {
            assert!(said.contains(part), "{said}");
        }
        assert_eq!(picture.health, health);
        picture
    }

    #[test]
    fn three_that_serve_are_well() {
        check(told([well(1), well(2), well(3)]), Health::Ok, &[]);
    }

    #[test]
    fn each_fault_alone_degrades() {
        type Change = fn(&mut api::StatusResponse);
        let cases: [(Change, &str); 8] = [
            (
                |s| s.staleness_ms = Some(1001),
                "last proven 1001 ms ago, the bound is 1000 ms",
            ),
            (|s| s.staleness_ms = None, "has not proven"),
            (
                |s| s.fingerprint = "g".to_owned(),
                "[1, 2] and [3] differ in their state at revision 50",
            ),
            (
                |s| s.incarnation = Some("bb".to_owned()),
                "another cluster (incarnation bb)",
            ),
            (|s| s.incarnation = None, "belongs to no cluster"),
            (
                |s| s.role = "removed".to_owned(),
                "is no member: it was removed",
            ),
            (
                |s| {
                    s.role = "joining".to_owned();
                    s.node_id = 4;
                },
                "the node 4 at 127.0.0.1:7004 is joining",
            ),
            (
                |s| {
                    s.role = "leader".to_owned();
                    s.term = 2;
                },
                "still takes itself for the leader, of term 2",
            ),
        ];
        for (change, part) in cases {
            let mut third = well(3);
            change(&mut third);
            check(told([well(1), well(2), third]), Health::Degraded, &[part]);
        }
        let mut first = well(1);
        first.applied_revision = 50 + LAG_MAX + 1;
        let mut second = well(2);
        second.applied_revision = first.applied_revision - LAG_MAX;
        check(
            told([first, second, well(3)]),
            Health::Degraded,
            &["node 3 is 1001 revisions behind"],
        );
    }

    /// Until a change of the voters is done the cluster stands on two majorities: it serves, and all is not well.
    #[test]
    fn change_of_the_voters_that_is_under_way_degrades_and_is_shown() {
        let changing = |id| api::StatusResponse {
            changing: Some(api::VoterChange {
                from: vec![1, 2],
                to: vec![1, 2, 3],
            }),
            ..well(id)
        };
        let picture = check(
            told([changing(1), changing(2), changing(3)]),
            Health::Degraded,
            &["the voters are being changed from [1, 2] to [1, 2, 3]"],
        );
        let shown = picture.shown();
        assert_eq!(
            shown.as_json().unwrap()["Changing"],
            json!({"From": [1, 2], "To": [1, 2, 3]})
        );
        // Whoever leads knows best: one that has not applied the end of it yet says nothing.
        check(told([well(1), changing(2), well(3)]), Health::Ok, &[]);
    }

    /// What a node remembers that was taken out does not count, be it asked first.
    #[test]
    fn members_are_those_that_the_leader_names() {
        let mut removed = well(4);
        removed.members = members(&[1, 2, 3, 4]);
        let picture = check(
            told([removed, well(1), well(2), well(3)]),
            Health::Degraded,
            &["the node 4 at 127.0.0.1:7004 is no member"],
        );
        assert_eq!(picture.members(), members(&[1, 2, 3]));
        let shown = picture.shown();
        assert_eq!(shown.as_json().unwrap()["Nodes"][0]["Role"], "removed");
    }

    /// Without a leader the word of most counts.
    #[test]
    fn members_are_those_that_most_name_where_nobody_leads() {
        let follower = |id, ids: &[u64]| api::StatusResponse {
            role: "follower".to_owned(),
            leader_id: None,
            members: members(ids),
            ..well(id)
        };
        let mut alone = follower(4, &[1, 2, 3, 4]);
        alone.term = 9;
        let picture = check(
            told([alone, follower(2, &[1, 2, 3]), follower(3, &[1, 2, 3])]),
            Health::Degraded,
            &["no leader is known", "the node 4"],
        );
        assert_eq!(picture.members(), members(&[1, 2, 3]));
    }

    #[test]
    fn silent_member_is_told_with_when_it_was_heard_last() {
        let mut leader = well(1);
        leader.heard = vec![
            api::Heard {
                node_id: 2,
                ago_ms: Some(17_000),
            },
            api::Heard {
                node_id: 3,
                ago_ms: None,
            },
        ];
        let mut all = told([leader]);
        all.push(silent(2, "DeadlineExceeded"));
        all.push(silent(3, "Unavailable"));
        let picture = check(
            all,
            Health::Degraded,
            &[
                "node 2 at 127.0.0.1:7002 does not answer: no answer in time; node 1, which leads, heard it last 17 s ago",
                "node 3 at 127.0.0.1:7003 cannot be reached",
            ],
        );
        let shown = picture.shown();
        let nodes = &shown.as_json().unwrap()["Nodes"];
        assert_eq!(
            (&nodes[1]["Role"], &nodes[1]["HeardMsAgo"]),
            (&json!("hung"), &json!(17_000))
        );
        assert_eq!(nodes[2]["Role"], "unreachable");
    }

    /// A cluster that was forced from one disk decides nothing until it is opened, however fresh its nodes are.
    #[test]
    fn closed_cluster_is_told_with_the_command_that_opens_it() {
        let closed = |id| api::StatusResponse {
            closed_after_revision: Some(49),
            ..well(id)
        };
        let picture = check(
            told([closed(1), closed(2), closed(3)]),
            Health::Closed,
            &["`grantd cluster open --gap 49`"],
        );
        assert_eq!(picture.exit(), Exit::Unavailable);
        let shown = picture.shown();
        let shown = shown.as_json().unwrap();
        assert_eq!(
            (&shown["State"], &shown["Nodes"][0]["ClosedAfter"]),
            (&json!("closed"), &json!(49))
        );
    }

    /// A quorum is what proves freshness: where nobody has a proof, nobody decides.
    #[test]
    fn nobody_fresh_is_no_quorum() {
        let stale = |id| api::StatusResponse {
            staleness_ms: Some(16_850),
            ..well(id)
        };
        let mut all = told([stale(1)]);
        all.push(silent(2, "DeadlineExceeded"));
        let picture = Picture::of(all);
        assert_eq!(
            (picture.health, picture.exit()),
            (Health::NoQuorum, Exit::Unavailable)
        );
        assert_eq!(Picture::of(Vec::new()).health, Health::NoQuorum);
        // A node of another cluster proves nothing about this one.
        let mut other = well(2);
        other.incarnation = Some("bb".to_owned());
        other.role = "follower".to_owned();
        assert_eq!(
            Picture::of(told([stale(1), other])).health,
            Health::NoQuorum
        );
    }
}
