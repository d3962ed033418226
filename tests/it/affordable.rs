//! Long questions of a running node go aside: while they are worked on, healthy clients are answered and the lead is kept.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use grantd::client::api::{
    AuthorizeRequest, BatchAuthorizeRequest, DisableKeyRequest, ErrorDetail, ExplainRequest,
    Outcome, ProposedChange, Question, WhatCanRequest, WhatIfRequest, WhoCanRequest,
    batch_authorize_response::item::Result, proposed_change::Change,
};
use grantd::domain::limits::LONG_ANSWERS_WAITING_MAX;
use grantd::env::Offload;
use grantd::env::real::Threads;
use tokio::sync::watch;
use tokio::time::timeout;

use crate::support::api::{
    Api, key_policy, make_account, make_grant, make_key, make_principal, question, user,
};
use crate::support::cluster::{Cluster, PATIENCE};

const ACCOUNT: &str = "111122223333";
const ADMIN: &str = "arn:aws:iam::111122223333:user/Admin";
const BOB: &str = "arn:aws:iam::111122223333:user/Bob";

/// A place for long answers that lets nothing begin while it is shut.
struct Turnstile {
    is_open: watch::Sender<bool>,
    came: watch::Sender<usize>,
}

impl Turnstile {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            is_open: watch::Sender::new(true),
            came: watch::Sender::new(0),
        })
    }

    fn shut(&self) {
        self.is_open.send_replace(false);
    }

    fn open(&self) {
        self.is_open.send_replace(true);
    }

    /// Returns once `count` works have come.
    async fn has_seen(&self, count: usize) {
        let mut came = self.came.subscribe();
        let enough = came.wait_for(|came| *came >= count);
        timeout(PATIENCE, enough)
            .await
            .expect("work comes")
            .unwrap();
    }
}

#[async_trait]
impl Offload for Turnstile {
    async fn run(&self, work: Box<dyn FnOnce() + Send>) {
        self.came.send_modify(|came| *came += 1);
        let mut is_open = self.is_open.subscribe();
        is_open.wait_for(|is_open| *is_open).await.unwrap();
        Threads.run(work).await;
    }
}

struct World {
    turnstile: Arc<Turnstile>,
    cluster: Cluster,
    leader: usize,
    /// The operator at the leader.
    api: Api,
    /// A key of which each decision takes long, if the request has a long context.
    costly: String,
    /// A key like any other, on which Bob has a grant.
    plain: String,
}

async fn world() -> World {
    let turnstile = Turnstile::new();
    let cluster = Cluster::start_evaluating(3, turnstile.clone()).await;
    let leader = cluster.leader().await;
    let api = cluster.api(leader);
    make_account(&api, ACCOUNT).await;
    for arn in [ADMIN, BOB] {
        make_principal(&api, arn, &[]).await;
    }
    let plain = make_key(&api, ACCOUNT, None).await.arn;
    make_grant(&api, ACCOUNT, &plain, BOB).await;
    let costly = make_key(&api, ACCOUNT, None).await.arn;
    let pattern = format!("*{}b", "?a".repeat(40));
    let patterns = vec![format!("\"{pattern}\""); 2].join(",");
    let policy = format!(
        r#"{{"Version":"2012-10-17","Statement":[
        {{"Effect":"Allow","Principal":{{"AWS":"arn:aws:iam::{ACCOUNT}:root"}},"Action":"kms:*","Resource":"*"}},
        {{"Effect":"Deny","Principal":"*","Action":"kms:*","Resource":"*","Condition":{{"StringLike":{{"kms:EncryptionContext:k":[{patterns}]}}}}}}]}}"#
    );
    api.by_root(ACCOUNT)
        .call(key_policy(&costly, &policy))
        .await
        .unwrap();
    World {
        turnstile,
        cluster,
        leader,
        api,
        costly,
        plain,
    }
}

/// What Bob may do to the costly key, with a value that its patterns almost match, everywhere.
fn long_question(key: &str) -> Question {
    let context = [("k".to_owned(), "a".repeat(4_000))];
    Question {
        subject: Some(user(BOB)),
        encryption_context: BTreeMap::from(context),
        ..question("kms:Decrypt", key)
    }
}

/// Each kind of question that can take long, by name; whether it was answered.
async fn ask(world: &World, kind: &str) -> std::result::Result<(), ErrorDetail> {
    let root = world.api.by_root(ACCOUNT);
    let operator = &world.api;
    let question = long_question(&world.costly);
    match kind {
        "who-can" => {
            let ask = WhoCanRequest {
                key_id: world.plain.clone(),
                ..WhoCanRequest::default()
            };
            root.call(ask).await.map(drop)
        }
        "what-can" => {
            let ask = WhatCanRequest {
                principal: BOB.to_owned(),
                ..WhatCanRequest::default()
            };
            operator.call(ask).await.map(drop)
        }
        "authorize" => {
            let ask = AuthorizeRequest {
                header: None,
                question: Some(question),
            };
            front(operator).call(ask).await.map(drop)
        }
        "batch" => {
            let ask = BatchAuthorizeRequest {
                header: None,
                questions: vec![question; 3],
            };
            front(operator).call(ask).await.map(drop)
        }
        // Nothing about it is long but to read it.
        "pairs" => {
            let pairs = (0..300).map(|n| (n.to_string(), "v".to_owned()));
            let question = Question {
                subject: Some(user(BOB)),
                encryption_context: pairs.collect(),
                ..self::question("kms:Decrypt", &world.plain)
            };
            let ask = BatchAuthorizeRequest {
                header: None,
                questions: vec![question; 50],
            };
            let answer = front(operator).call(ask).await?;
            let allows = answer.items.iter().map(|item| match &item.result {
                Some(Result::Answered(answered)) => answered.decision.clone().unwrap().outcome(),
                other => panic!("{other:?}"),
            });
            assert_eq!(allows.collect::<Vec<_>>(), [Outcome::Allow; 50]);
            Ok(())
        }
        "explain" => {
            let ask = ExplainRequest {
                header: None,
                question: Some(question),
            };
            root.call(ask).await.map(drop)
        }
        "what-if" => {
            let disable = DisableKeyRequest {
                header: None,
                key_id: world.costly.clone(),
            };
            let change = ProposedChange {
                change: Some(Change::DisableKey(disable)),
            };
            let ask = WhatIfRequest {
                header: None,
                changes: vec![change],
                questions: vec![question],
            };
            root.call(ask).await.map(drop)
        }
        other => panic!("{other}"),
    }
}

fn front(api: &Api) -> Api {
    api.by_front(user(BOB), Default::default())
}

/// EC-59: while a long question of any kind is at work, Authorize at the same node is answered, the node goes on leading, and a
/// change is made; then the question is answered as well.
#[tokio::test(flavor = "multi_thread")]
async fn healthy_clients_and_the_lead_do_not_wait_for_long_questions() {
    let world = world().await;
    let term = || world.cluster.node(world.leader).replica().status().term;
    let before = term();
    let kinds = [
        "who-can",
        "what-can",
        "authorize",
        "batch",
        "explain",
        "what-if",
        "pairs",
    ];
    for (n, kind) in kinds.into_iter().enumerate() {
        world.turnstile.shut();
        let asked = ask(&world, kind);
        let meanwhile = async {
            world.turnstile.has_seen(n + 1).await;
            let bob = world.api.by(user(BOB)).at_once();
            let healthy = question("kms:Decrypt", &world.plain);
            assert_eq!(bob.outcome(healthy).await, Outcome::Allow, "{kind}");
            make_grant(&world.api, ACCOUNT, &world.plain, BOB).await;
            assert_eq!(world.cluster.leader().await, world.leader, "{kind}");
            world.turnstile.open();
        };
        let (answered, ()) = tokio::join!(asked, meanwhile);
        answered.unwrap_or_else(|why| panic!("{kind}: {why:?}"));
    }
    assert_eq!(term(), before);
    world.cluster.shutdown().await;
}

/// EC-59: as many as may wait for a place do; the next is refused at once, and may come again.
#[tokio::test(flavor = "multi_thread")]
async fn long_questions_beyond_those_that_may_wait_are_refused() {
    let world = world().await;
    world.turnstile.shut();
    let count = 1 + LONG_ANSWERS_WAITING_MAX + 1;
    let mut asked: FuturesUnordered<_> = (0..count).map(|_| ask(&world, "who-can")).collect();
    let refused = asked.next().await.unwrap().unwrap_err();
    assert_eq!(
        (refused.code.as_str(), refused.retryable),
        ("Overloaded", true)
    );
    assert!(refused.message.contains("ask again later"), "{refused:?}");
    world.turnstile.open();
    while let Some(answered) = asked.next().await {
        answered.unwrap();
    }
    drop(asked);
    world.cluster.shutdown().await;
}
