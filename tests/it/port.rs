//! Real processes whose port is abused (M-1, M-2, L-12), and what they tell of their health.
//!
//! Each prints what it has seen.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use bytes::{BufMut as _, Bytes, BytesMut};
use grantd::client::api::{
    CreateKeyRequest, DescribeKeyRequest, ErrorDetail, ListKeysRequest, StatusEnvelope,
};
use grantd::domain::limits;
use grantd::env::Clock;
use grantd::env::real::RealClock;
use h2::client::SendRequest;
use http::{HeaderMap, Request};
use prost::Message as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Status};
use tonic_health::ServingStatus;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;
use tonic_reflection::pb::v1::ServerReflectionRequest;
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;

use super::support::api::{Api, REGION, make_account, make_key, question, until};
use super::support::process::{Process, free_ports, grantd, run};

const ACCOUNT: &str = "111122223333";
/// Long enough for anything that must happen on a busy machine.
const PATIENCE: Duration = Duration::from_secs(90);

/// Processes of one cluster and where they are.
struct Nodes {
    folder: tempfile::TempDir,
    endpoints: Vec<String>,
    starts: usize,
}

impl Nodes {
    fn new(count: usize) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let key = folder.path().join("seal.key");
        let made = grantd(["cluster", "keygen", key.to_str().unwrap()])
            .output()
            .unwrap();
        assert!(made.status.success(), "{made:?}");
        let endpoints = free_ports(count).into_iter();
        Self {
            folder,
            endpoints: endpoints.map(|port| format!("127.0.0.1:{port}")).collect(),
            starts: 0,
        }
    }

    /// Starts a node, under a limit of open files if one is given.
    fn start(&mut self, at: usize, files: Option<u32>) -> Process {
        self.starts += 1;
        let folder = self.folder.path();
        let name = format!("node-{at}-start-{}", self.starts);
        let id = (at + 1).to_string();
        let data = folder.join(format!("data-{at}"));
        let key = folder.join("seal.key");
        let args = [
            "serve",
            "--node-id",
            &id,
            "--listen",
            &self.endpoints[at],
            "--data-dir",
            data.to_str().unwrap(),
            "--seal-key-file",
            key.to_str().unwrap(),
        ];
        match files {
            Some(files) => Process::start_with_files(folder, &name, files, &args),
            None => Process::start(folder, &name, &args),
        }
    }

    fn init(&self) {
        run(&self.endpoints[0], ["cluster", "init", "--region", REGION]);
    }

    fn join(&self, at: usize) {
        let via = self.endpoints[0].as_str();
        let join = ["cluster", "join", "--via", via, "--deadline", "60s"];
        run(&self.endpoints[at], join);
    }

    /// The root of an account that has a key, at the first node.
    async fn root_with_key(&self) -> (Api, String) {
        let operator = Api::at(&self.endpoints[0]);
        make_account(&operator, ACCOUNT).await;
        let key = make_key(&operator, ACCOUNT, None).await.arn;
        (operator.by_root(ACCOUNT), key)
    }
}

/// One node with a cluster of its own.
async fn alone() -> (Nodes, Process, Api, String) {
    let mut nodes = Nodes::new(1);
    let process = nodes.start(0, None);
    nodes.init();
    let (root, key) = nodes.root_with_key().await;
    (nodes, process, root, key)
}

/// A client that goes on asking while others do harm.
struct Healthy {
    stop: Arc<AtomicBool>,
    answered: Arc<AtomicU64>,
    task: tokio::task::JoinHandle<(Duration, Vec<ErrorDetail>)>,
}

impl Healthy {
    fn start(api: Api, key: String) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let answered = Arc::new(AtomicU64::new(0));
        let (stopped, count) = (stop.clone(), answered.clone());
        let task = tokio::spawn(async move {
            let mut slowest = Duration::ZERO;
            let mut refused = Vec::new();
            while !stopped.load(Ordering::Relaxed) {
                let began = RealClock.boot();
                match api.authorize(question("kms:DescribeKey", &key)).await {
                    Ok(_) => {
                        count.fetch_add(1, Ordering::Relaxed);
                    }
                    Err(error) => refused.push(error),
                }
                slowest = slowest.max(RealClock.boot().since(began));
            }
            (slowest, refused)
        });
        Self {
            stop,
            answered,
            task,
        }
    }

    /// Returns once it has been answered so many times more.
    async fn goes_on(&self, times: u64) {
        let before = self.answered.load(Ordering::Relaxed);
        until(PATIENCE, "a healthy client is answered", async || {
            tokio::time::sleep(Duration::from_millis(10)).await;
            (self.answered.load(Ordering::Relaxed) >= before + times).then_some(())
        })
        .await;
    }

    /// How often it was answered, and how late at most; nothing was refused.
    async fn end(self) -> (u64, Duration) {
        self.stop.store(true, Ordering::Relaxed);
        let (slowest, refused) = self.task.await.unwrap();
        assert!(refused.is_empty(), "{refused:?}");
        (self.answered.load(Ordering::Relaxed), slowest)
    }
}

/// A connection that speaks HTTP/2 and nothing above it.
async fn raw(endpoint: &str) -> SendRequest<Bytes> {
    let address: SocketAddr = endpoint.parse().unwrap();
    let tcp = TcpStream::connect(address).await.unwrap();
    tcp.set_nodelay(true).unwrap();
    let (send, connection) = h2::client::Builder::new()
        .initial_max_send_streams(100_000)
        .handshake(tcp)
        .await
        .unwrap();
    tokio::spawn(connection);
    send
}

fn post(path: &str, timeout: Option<&str>) -> Request<()> {
    let mut request = Request::post(format!("http://node{path}"))
        .header("content-type", "application/grpc")
        .header("te", "trailers");
    if let Some(timeout) = timeout {
        request = request.header("grpc-timeout", timeout);
    }
    request.body(()).unwrap()
}

const AUTHORIZE: &str = "/grantd.v1.Authorization/Authorize";

/// How a call ended: the status in its head or in its trailers, or the code of a broken connection.
async fn end_of(answer: h2::client::ResponseFuture) -> Status {
    let broken = |error: h2::Error| Status::new(Code::Aborted, error.to_string());
    let status = |headers: &HeaderMap| Status::from_header_map(headers);
    let answer = match answer.await {
        Ok(answer) => answer,
        Err(error) => return broken(error),
    };
    if let Some(status) = status(answer.headers()) {
        return status;
    }
    let mut body = answer.into_body();
    while let Some(data) = body.data().await {
        match data {
            Ok(data) => drop(body.flow_control().release_capacity(data.len())),
            Err(error) => return broken(error),
        }
    }
    match body.trailers().await {
        Ok(Some(trailers)) => status(&trailers).unwrap(),
        Ok(None) => Status::new(Code::Aborted, "no trailers"),
        Err(error) => broken(error),
    }
}

fn detail(status: &Status) -> Option<ErrorDetail> {
    let envelope = StatusEnvelope::decode(status.details()).ok()?;
    ErrorDetail::decode(envelope.details.first()?.value.clone()).ok()
}

/// Streams without a body are bounded in sum, end by their deadline, and leave no memory behind; a healthy client
/// is answered all the while.
#[tokio::test(flavor = "multi_thread")]
async fn streams_without_bodies_are_bounded_and_end_by_their_deadline() {
    const CONNECTIONS: usize = 20;
    // Twice as many calls in all as a node takes at once.
    const STREAMS: usize = 1_000;
    let (nodes, process, root, key) = alone().await;
    let endpoint = nodes.endpoints[0].clone();
    let healthy = Healthy::start(root.fresh(None), key);
    healthy.goes_on(100).await;
    let before = process.resident_kb();
    let began = RealClock.boot();
    let mut clients = JoinSet::new();
    for _ in 0..CONNECTIONS {
        let endpoint = endpoint.clone();
        clients.spawn(async move {
            let mut send = raw(&endpoint).await;
            let mut open = JoinSet::new();
            for _ in 0..STREAMS {
                send = send.ready().await.unwrap();
                // Without the 4 s of its own a call has ten.
                let (answer, body) = send
                    .send_request(post(AUTHORIZE, Some("4S")), false)
                    .unwrap();
                open.spawn(async move {
                    let status = end_of(answer).await;
                    drop(body);
                    let ended = RealClock.boot();
                    (status, ended)
                });
            }
            open.join_all().await
        });
    }
    // How each call ended, and how late the last.
    let counting = tokio::spawn(async move {
        let mut ends: BTreeMap<(i32, String), usize> = BTreeMap::new();
        let mut last = Duration::ZERO;
        while let Some(of_one) = clients.join_next().await {
            for (status, ended) in of_one.unwrap() {
                let code = detail(&status).map(|detail| detail.code);
                let code = code.unwrap_or_default();
                *ends.entry((status.code() as i32, code)).or_default() += 1;
                last = last.max(ended.since(began));
            }
        }
        (ends, last)
    });
    let mut peak = before;
    while !counting.is_finished() {
        peak = peak.max(process.resident_kb());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let (ends, last) = counting.await.unwrap();
    healthy.goes_on(100).await;
    let after = until(PATIENCE, "memory comes back", async || {
        tokio::time::sleep(Duration::from_millis(100)).await;
        let now = process.resident_kb();
        (now < before + 48 * 1024).then_some(now)
    })
    .await;
    let (answered, slowest) = healthy.end().await;
    println!(
        "{CONNECTIONS} connections with {STREAMS} streams without a body each: resident {} MB before, {} at most, {} after; all ended within {} ms as {ends:?}; a healthy client: {answered} answers, the slowest {} ms, none refused",
        before / 1024,
        peak / 1024,
        after / 1024,
        last.as_millis(),
        slowest.as_millis(),
    );
    let late = ends.get(&(Code::DeadlineExceeded as i32, String::new()));
    let refused = ends.get(&(Code::Unavailable as i32, "Overloaded".to_owned()));
    let (late, refused) = (*late.unwrap_or(&0), *refused.unwrap_or(&0));
    // A few streams may be broken off, where their connection is closed for what it asks.
    let all = CONNECTIONS * STREAMS;
    assert!(late + refused + all / 100 >= all, "{ends:?}");
    assert!(late > 0 && refused > 0, "{ends:?}");
    assert!(peak < before + 300 * 1024, "{peak}");
    assert!(last < PATIENCE, "{last:?}");
}

/// What is told to a client whose call has no deadline of its own, and to one that sends a part of a body.
#[tokio::test(flavor = "multi_thread")]
async fn body_that_does_not_come_whole_ends_by_the_deadline() {
    let (nodes, _process, root, key) = alone().await;
    let began = RealClock.boot();
    let send = raw(&nodes.endpoints[0]).await;
    let mut send = send.ready().await.unwrap();
    let (none, _no_body) = send.send_request(post(AUTHORIZE, None), false).unwrap();
    let mut send = send.ready().await.unwrap();
    let (part, mut body) = send
        .send_request(post(AUTHORIZE, Some("2S")), false)
        .unwrap();
    let mut message = BytesMut::new();
    message.put_u8(0);
    message.put_u32(1024 * 1024);
    message.put_bytes(0, 16 * 1024);
    body.send_data(message.freeze(), false).unwrap();
    let status = end_of(part).await;
    let early = RealClock.boot().since(began);
    assert_eq!(status.code(), Code::DeadlineExceeded, "{status:?}");
    assert!(early >= Duration::from_millis(1_900), "{early:?}");
    let status = end_of(none).await;
    let late = RealClock.boot().since(began);
    assert_eq!(status.code(), Code::DeadlineExceeded, "{status:?}");
    assert!(late >= Duration::from_millis(9_900), "{late:?}");
    println!("16 KB of 1 MB: ended after {early:?}; no body and no deadline: after {late:?}");
    // The connection goes on.
    let answer = root.authorize(question("kms:DescribeKey", &key)).await;
    assert!(answer.is_ok(), "{answer:?}");
}

/// Whoever connects and does not speak HTTP/2, or stops speaking it, is cut off.
#[tokio::test(flavor = "multi_thread")]
async fn half_open_connections_are_closed() {
    let (nodes, process, ..) = alone().await;
    const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    // An empty SETTINGS frame.
    const SETTINGS: &[u8] = &[0, 0, 0, 4, 0, 0, 0, 0, 0];
    let files = process.open_files();
    let whole = [PREFACE, SETTINGS].concat();
    let mut cut = JoinSet::new();
    for (what, says) in [
        ("nothing", Vec::new()),
        ("half a preface", PREFACE[..12].to_vec()),
        ("a preface alone", PREFACE.to_vec()),
        ("a preface, settings, and then no sign of life", whole),
    ] {
        let endpoint = nodes.endpoints[0].clone();
        cut.spawn(async move {
            let began = RealClock.boot();
            let mut tcp = TcpStream::connect(endpoint).await.unwrap();
            tcp.write_all(&says).await.unwrap();
            let mut buffer = [0; 4_096];
            // It takes what is sent and says nothing more.
            let closed = async { while matches!(tcp.read(&mut buffer).await, Ok(1..)) {} };
            let closed = tokio::time::timeout(PATIENCE, closed).await;
            assert!(closed.is_ok(), "{what}: still open after {PATIENCE:?}");
            (what, RealClock.boot().since(began))
        });
    }
    let cut = cut.join_all().await;
    println!("closed: {cut:?}");
    until(PATIENCE, "their descriptors are free", async || {
        tokio::time::sleep(Duration::from_millis(20)).await;
        (process.open_files() <= files).then_some(())
    })
    .await;
}

/// Where clients take all descriptors that they may, a peer still gets in, and a client that is in goes on.
#[tokio::test(flavor = "multi_thread")]
async fn clients_that_take_every_place_keep_no_peer_out() {
    let mut nodes = Nodes::new(3);
    let leader = nodes.start(0, Some(256));
    nodes.init();
    let _second = nodes.start(1, None);
    nodes.join(1);
    let third = nodes.start(2, None);
    nodes.join(2);
    let (root, key) = nodes.root_with_key().await;
    let healthy = Healthy::start(root.fresh(None), key.clone());
    healthy.goes_on(10).await;
    // Clients that call once and stay, until no more are let in.
    let endpoint = nodes.endpoints[0].clone();
    let mut stay = Vec::new();
    let mut refused = 0;
    while refused < 20 {
        let send = raw(&endpoint).await;
        let mut send = send.ready().await.unwrap();
        let (answer, _) = send.send_request(post(AUTHORIZE, None), true).unwrap();
        let status = end_of(answer).await;
        match detail(&status).map(|detail| detail.code).as_deref() {
            Some("Overloaded") => {
                assert_eq!(status.code(), Code::Unavailable);
                refused += 1;
            }
            // An empty body is no message.
            _ => assert_eq!(status.code(), Code::InvalidArgument, "{status:?}"),
        }
        stay.push(send);
        assert!(stay.len() < 256, "the node takes everybody");
    }
    let seated = stay.len() - refused;
    // And others that connect and say nothing, again and again.
    let stop = Arc::new(AtomicBool::new(false));
    let (stopped, silent_at) = (stop.clone(), endpoint.clone());
    let silent = tokio::spawn(async move {
        let mut open = VecDeque::new();
        let mut count = 0;
        while !stopped.load(Ordering::Relaxed) {
            if let Ok(tcp) = TcpStream::connect(&silent_at).await {
                open.push_back(tcp);
                count += 1;
            }
            if open.len() > 200 {
                open.pop_front();
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        count
    });
    healthy.goes_on(50).await;
    let files = leader.open_files();
    // A peer that is lost and comes back finds the leader: without it, it proves nothing.
    third.kill();
    let third = nodes.start(2, None);
    let back = Api::at(&nodes.endpoints[2]).by_root(ACCOUNT);
    let began = RealClock.boot();
    until(PATIENCE, "the peer is back", async || {
        let fresh = back.fresh(None);
        let asked = fresh.authorize(question("kms:DescribeKey", &key));
        asked.await.ok()
    })
    .await;
    let took = RealClock.boot().since(began);
    // What is written now is read there.
    let made = root.call(CreateKeyRequest::default()).await.unwrap();
    let key_id = made.key_metadata.unwrap().key_id;
    let read = back.call(DescribeKeyRequest {
        key_id,
        ..DescribeKeyRequest::default()
    });
    read.await.unwrap();
    healthy.goes_on(50).await;
    let health = health(&endpoint, "").await;
    assert_eq!(
        health,
        Ok(ServingStatus::Serving as i32),
        "asked from outside"
    );
    stop.store(true, Ordering::Relaxed);
    let count = silent.await.unwrap();
    let (answered, slowest) = healthy.end().await;
    let told = leader.errors();
    let lines = told
        .lines()
        .filter(|line| line.contains("calls are refused"));
    println!(
        "256 descriptors: {seated} clients seated, {refused} refused and told so, {count} that say nothing, {files} open; a peer that came back was fresh after {took:?}; a healthy client: {answered} answers, the slowest {slowest:?}; told in {} lines",
        lines.count()
    );
    assert!(!told.contains("could not be taken"), "{told}");
    assert!(told.contains("client_connections"), "{told}");
    assert!(files < 256, "{files}");
    drop((stay, third));
}

/// What is no message is the sender's fault, whichever service it is sent to and whatever is wrong with it.
#[tokio::test(flavor = "multi_thread")]
async fn garbage_is_an_invalid_argument() {
    let (nodes, process, root, _) = alone().await;
    let send = raw(&nodes.endpoints[0]).await;
    let framed = |flag: u8, length: u32, bytes: &[u8]| {
        let mut framed = BytesMut::new();
        framed.put_u8(flag);
        framed.put_u32(length);
        framed.put_slice(bytes);
        framed.freeze()
    };
    let whole = |bytes: &[u8]| framed(0, u32::try_from(bytes.len()).unwrap(), bytes);
    // Field 2, a text of two bytes that are no UTF-8; and one that is longer than what follows.
    let large = [&[0x12, 0xff, 0xff, 0xff, 0x7f][..], &[0xff; 100_000]].concat();
    let cases: [(&str, Bytes); 6] = [
        ("a text that is no UTF-8", whole(&[0x12, 0x02, 0xc3, 0x28])),
        ("a field that never ends", whole(&[0xff; 12])),
        ("a long message that ends early", whole(&large)),
        ("less than it says", framed(0, 100, b"abc")),
        ("compressed by nothing", framed(1, 3, b"abc")),
        ("no message", Bytes::new()),
    ];
    for path in [
        AUTHORIZE,
        "/grantd.v1.Authorization/WhoCan",
        "/grantd.v1.Kms/DescribeKey",
    ] {
        for (what, sent) in &cases {
            let mut send = send.clone().ready().await.unwrap();
            let (answer, mut body) = send.send_request(post(path, None), false).unwrap();
            body.send_data(sent.clone(), true).unwrap();
            let status = end_of(answer).await;
            assert_eq!(
                status.code(),
                Code::InvalidArgument,
                "{path}, {what}: {status:?}"
            );
            let detail = detail(&status).expect("a detail of ours");
            assert_eq!(detail.code, "SerializationException", "{path}, {what}");
            assert!(!detail.retryable && detail.safe_to_retry);
        }
    }
    assert!(!process.errors().contains("fault of ours"));
    // Neither the connection nor the node is the worse for it.
    let keys = root.call(ListKeysRequest::default()).await.unwrap();
    assert_eq!(keys.keys.len(), 1);
    let mut get = Request::get("http://node/").body(()).unwrap();
    *get.version_mut() = http::Version::HTTP_2;
    let mut send = send.ready().await.unwrap();
    let (answer, _) = send.send_request(get, true).unwrap();
    assert_eq!(
        answer.await.unwrap().status(),
        http::StatusCode::METHOD_NOT_ALLOWED
    );
}

fn channel(endpoint: &str) -> Channel {
    Endpoint::from_shared(format!("http://{endpoint}"))
        .unwrap()
        .connect_lazy()
}

async fn health(endpoint: &str, service: &str) -> Result<i32, Code> {
    let asked = HealthCheckRequest {
        service: service.to_owned(),
    };
    let answer = HealthClient::new(channel(endpoint)).check(asked).await;
    answer
        .map(|answer| answer.into_inner().status)
        .map_err(|status| status.code())
}

/// Ready means that decisions can be answered; live, that the process is there.
#[tokio::test(flavor = "multi_thread")]
async fn health_follows_whether_decisions_can_be_answered() {
    const SERVING: Result<i32, Code> = Ok(ServingStatus::Serving as i32);
    const NOT_SERVING: Result<i32, Code> = Ok(ServingStatus::NotServing as i32);
    let mut nodes = Nodes::new(3);
    let first = nodes.start(0, None);
    let endpoint = nodes.endpoints[0].clone();
    assert_eq!(health(&endpoint, "").await, NOT_SERVING);
    assert_eq!(health(&endpoint, "grantd.live").await, SERVING);
    assert_eq!(
        health(&endpoint, "grantd.v1.Nothing").await,
        Err(Code::NotFound)
    );
    nodes.init();
    until(PATIENCE, "ready once the cluster is made", async || {
        (health(&endpoint, "grantd.v1.Authorization").await == SERVING).then_some(())
    })
    .await;
    let mut watched = HealthClient::new(channel(&endpoint))
        .watch(HealthCheckRequest::default())
        .await
        .unwrap()
        .into_inner();
    // A busy machine may lose the proof for a moment in between.
    let mut told = async |status: ServingStatus| {
        until(PATIENCE, "the watch tells", async || {
            let told = watched.message().await.unwrap().unwrap();
            (told.status == status as i32).then_some(())
        })
        .await;
    };
    told(ServingStatus::Serving).await;
    let second = nodes.start(1, None);
    nodes.join(1);
    let third = nodes.start(2, None);
    nodes.join(2);
    second.kill();
    third.kill();
    let began = RealClock.boot();
    told(ServingStatus::NotServing).await;
    let lost = RealClock.boot().since(began);
    for name in ["", "grantd.v1.Kms"] {
        until(PATIENCE, "not ready without a quorum", async || {
            (health(&endpoint, name).await == NOT_SERVING).then_some(())
        })
        .await;
    }
    assert_eq!(health(&endpoint, "grantd.live").await, SERVING);
    let began = RealClock.boot();
    let _second = nodes.start(1, None);
    told(ServingStatus::Serving).await;
    println!(
        "told of a lost quorum after {lost:?}, and that it is back {:?} after a node was started",
        RealClock.boot().since(began)
    );
    // Whoever watches does not keep a node from stopping.
    let (status, errors) = first.stop("-TERM");
    assert!(status.success(), "{errors}");
    let end = async {
        loop {
            if let Err(status) = watched.message().await {
                return status;
            }
        }
    };
    let end = tokio::time::timeout(PATIENCE, end).await.unwrap();
    assert_eq!(end.code(), Code::Unavailable, "{end:?}");
}

/// What is served can be asked for; what nodes say to each other cannot.
#[tokio::test(flavor = "multi_thread")]
async fn reflection_tells_what_is_served() {
    let mut nodes = Nodes::new(1);
    let _process = nodes.start(0, None);
    let asked = |message| ServerReflectionRequest {
        host: String::new(),
        message_request: Some(message),
    };
    let questions = [
        asked(MessageRequest::ListServices(String::new())),
        asked(MessageRequest::FileContainingSymbol(
            "grantd.v1.AuthorizeRequest".to_owned(),
        )),
        asked(MessageRequest::FileContainingSymbol(
            "grantd.peer.v1.AppendRequest".to_owned(),
        )),
    ];
    let mut answers = ServerReflectionClient::new(channel(&nodes.endpoints[0]))
        .server_reflection_info(futures::stream::iter(questions))
        .await
        .unwrap()
        .into_inner();
    let mut next = async || {
        answers
            .message()
            .await
            .unwrap()
            .unwrap()
            .message_response
            .unwrap()
    };
    let MessageResponse::ListServicesResponse(list) = next().await else {
        panic!("no list of services");
    };
    let names: Vec<String> = list
        .service
        .into_iter()
        .map(|service| service.name)
        .collect();
    for name in [
        "grantd.v1.Authorization",
        "grantd.v1.Kms",
        "grpc.health.v1.Health",
    ] {
        assert!(names.iter().any(|told| told == name), "{names:?}");
    }
    assert!(!names.iter().any(|told| told.contains("peer")), "{names:?}");
    let MessageResponse::FileDescriptorResponse(file) = next().await else {
        panic!("no file");
    };
    assert!(!file.file_descriptor_proto.is_empty());
    let of_peers = answers.message().await;
    assert!(
        of_peers
            .as_ref()
            .is_err_and(|status| status.code() == Code::NotFound),
        "{of_peers:?}"
    );
}

/// Calls that are taken back as fast as they are made are their own connection's trouble, and nobody else's.
#[tokio::test(flavor = "multi_thread")]
async fn rapid_resets_harm_nobody_else() {
    let (nodes, process, root, key) = alone().await;
    let healthy = Healthy::start(root.fresh(None), key);
    healthy.goes_on(10).await;
    let mut send = raw(&nodes.endpoints[0]).await;
    let mut made = 0;
    let ended = loop {
        send = match send.ready().await {
            Ok(send) => send,
            Err(error) => break Some(error),
        };
        match send.send_request(post(AUTHORIZE, None), false) {
            Ok((_, mut body)) => body.send_reset(h2::Reason::CANCEL),
            Err(error) => break Some(error),
        }
        made += 1;
        if made == 50_000 {
            break None;
        }
    };
    healthy.goes_on(10).await;
    let (answered, slowest) = healthy.end().await;
    let lines = process.errors().lines().count();
    println!(
        "{made} calls taken back until the connection ended ({ended:?}); a healthy client: {answered} answers, the slowest {slowest:?}; {lines} lines told"
    );
}

/// The settings cannot name the bounds, so they are held to them here.
#[test]
fn setting_of_connections_says_what_the_bounds_are() {
    let of_name = |setting: &&grantd::config::Setting| setting.name == "client_connections";
    let setting = grantd::config::SETTINGS.iter().find(of_name).unwrap();
    let (usual, most) = (limits::CLIENT_CONNECTIONS, limits::CLIENT_CONNECTIONS_MAX);
    assert_eq!(setting.default, Some(usual.to_string().as_str()));
    assert_eq!(setting.allowed, format!("a whole number from 8 to {most}"));
}
