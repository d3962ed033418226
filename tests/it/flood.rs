//! One caller who floods the memory of settled keys, and the others (Q-11, EC-71).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use grantd::client::api::ErrorDetail;
use grantd::domain::limits::{
    IDEMPOTENCY_BYTES_MAX, IDEMPOTENCY_CALLER_PART, IDEMPOTENCY_HORIZON_MS,
    IDEMPOTENCY_RECORD_BYTES, IDEMPOTENCY_REFUSAL_MAX,
};

use crate::support::api::{
    Api, grant_of_decrypt, make_account, make_key, make_principal, until, user,
};
use crate::support::cluster::{Cluster, PATIENCE, folder, polled};

const ACCOUNT: &str = "111122223333";
const BOB: &str = "arn:aws:iam::111122223333:user/Bob";
const FULL: &str = "TooManyIdempotencyKeys";

/// How many requests the flooder has under way at once.
const FLOODERS: usize = 96;

/// A name as long as IAM has them, so that each record takes more and the share is full sooner.
fn flooder() -> String {
    format!("arn:aws:iam::111122223333:user/{}/Flood", "p".repeat(500))
}

/// A key as long as they may be.
fn key_of(n: u64) -> String {
    format!("{n:064}")
}

/// One request under a key of its own: it is refused for want of permission, or for the flooder's share.
async fn refused(api: &Api, key: &str, name: &str, birth: &str) -> ErrorDetail {
    let caller = api.under(name, Some(birth));
    until(PATIENCE, "the request is decided", async || {
        let told = caller.call(grant_of_decrypt(key, BOB)).await;
        let told = told.expect_err("nothing is permitted");
        let is_decided = ["AccessDeniedException", FULL, "IdempotencyKeyExpired"];
        let decided = is_decided.contains(&told.code.as_str());
        // An election on a busy machine: under its key it is safe to send it again.
        assert!(decided || told.retryable, "{told:?}");
        decided.then_some(told)
    })
    .await
}

async fn position(api: &Api, key: &str) -> String {
    let no = api.under("any", None);
    let no = no.call(grant_of_decrypt(key, BOB)).await;
    no.unwrap_err().header.unwrap().position
}

/// A user without any right sends requests under fresh keys, each refused and each kept, until he is refused for his share:
/// it is a small part of the whole. Another caller's writes go on all the while; what was settled stays settled; and his
/// share is free again once his records are five minutes old, however little was written since.
#[tokio::test(flavor = "multi_thread")]
async fn caller_who_floods_fills_his_own_share_alone_and_gets_it_back() {
    let cluster = Cluster::start_with(3, folder, |_| {}).await;
    let node = cluster.leader().await;
    let api = cluster.api(node);
    make_account(&api, ACCOUNT).await;
    let arn = flooder();
    for arn in [arn.as_str(), BOB] {
        make_principal(&api, arn, &[]).await;
    }
    let key = make_key(&api, ACCOUNT, None).await.arn;
    let root = api.by_root(ACCOUNT);
    let birth = position(&root, &key).await;
    let mallory = api.by(user(&arn));
    let first = refused(&mallory, &key, &key_of(0), &birth).await;
    assert_eq!(first.code, "AccessDeniedException");

    let is_over = Arc::new(AtomicBool::new(false));
    let written = Arc::new(AtomicU64::new(0));
    let other = tokio::spawn({
        let (root, key, birth) = (root.clone(), key.clone(), birth.clone());
        let (is_over, written) = (Arc::clone(&is_over), Arc::clone(&written));
        async move {
            while !is_over.load(Ordering::SeqCst) {
                let name = format!("other-{}", written.load(Ordering::SeqCst));
                let under = root.under(&name, Some(&birth));
                match under.call(grant_of_decrypt(&key, BOB)).await {
                    Ok(_) => {
                        written.fetch_add(1, Ordering::SeqCst);
                    }
                    Err(told) => assert!(told.retryable && told.code != FULL, "{told:?}"),
                }
            }
        }
    });
    let next = Arc::new(AtomicU64::new(1));
    let flood = (0..FLOODERS).map(|_| {
        let (mallory, key, birth) = (mallory.clone(), key.clone(), birth.clone());
        let next = Arc::clone(&next);
        async move {
            let mut kept = 0;
            loop {
                let name = key_of(next.fetch_add(1, Ordering::SeqCst));
                let told = refused(&mallory, &key, &name, &birth).await;
                if told.code == FULL {
                    return (kept, told);
                }
                kept += 1;
            }
        }
    });
    let mut kept = 1;
    for (more, told) in futures::future::join_all(flood).await {
        kept += more;
        assert!(
            told.retryable && told.message.starts_with("the caller has"),
            "{told:?}"
        );
    }
    let during = written.load(Ordering::SeqCst);
    let share = IDEMPOTENCY_BYTES_MAX / IDEMPOTENCY_CALLER_PART;
    // What one record takes: its frame, the caller's name, the key, the refusal's text and code, and a few ids.
    let most = IDEMPOTENCY_RECORD_BYTES + (arn.len() + 64 + IDEMPOTENCY_REFUSAL_MAX) as u64 + 128;
    println!("{kept} records fill the share of {share} bytes; the other wrote {during} meanwhile");
    assert!(
        kept * most >= share,
        "{kept} records of {most} bytes at most"
    );
    assert!(kept * IDEMPOTENCY_RECORD_BYTES <= share, "{kept} records");
    assert!(during > 0);

    // He is refused at every node, and nobody else is.
    for at in 0..3 {
        let there = cluster.api(at).by(user(&arn));
        let told = refused(&there, &key, &format!("at-{at}"), &birth).await;
        assert_eq!(told.code, FULL);
    }
    polled("the other's writes go on", || {
        (written.load(Ordering::SeqCst) >= during + 20).then_some(())
    })
    .await;
    // What was settled stays so.
    let again = refused(&mallory, &key, &key_of(0), &birth).await;
    assert_eq!(
        (again.code.as_str(), &again.message),
        ("AccessDeniedException", &first.message)
    );

    // Five minutes later.
    for member in &cluster.members {
        member
            .clock
            .set_ahead(Duration::from_millis(IDEMPOTENCY_HORIZON_MS + 10_000));
    }
    until(PATIENCE, "his requests are decided again", async || {
        let birth = position(&root, &key).await;
        let name = format!("later-{}", next.fetch_add(1, Ordering::SeqCst));
        let told = refused(&mallory, &key, &name, &birth).await;
        (told.code == "AccessDeniedException").then_some(())
    })
    .await;
    // The oldest made room: it is not known any more, and not done again.
    let told = refused(&mallory, &key, &key_of(0), &birth).await;
    assert_eq!(told.code, "IdempotencyKeyExpired");
    is_over.store(true, Ordering::SeqCst);
    other.await.unwrap();
    cluster.shutdown().await;
}
