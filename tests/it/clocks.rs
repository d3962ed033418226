//! A node whose wall clock is wrong, and what it decides by it.

use std::time::Duration;

use grantd::client::api::{ErrorDetail, Outcome};

use crate::support::api::{
    Api, make_account, make_key, make_principal, put_identity_policy, question, until, user,
};
use crate::support::cluster::{Cluster, PATIENCE};

const ACCOUNT: &str = "111122223333";
const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const FUTURE: &str = "arn:aws:iam::111122223333:user/Future";
const PLAIN: &str = "arn:aws:iam::111122223333:user/Plain";
const PAST: &str = "arn:aws:iam::111122223333:user/Past";

fn policy(condition: &str) -> String {
    format!(
        r#"{{"Version":"2012-10-17","Statement":{{"Effect":"Allow","Action":"kms:Decrypt","Resource":"*"{condition}}}}}"#
    )
}

async fn asked(api: &Api, who: &str, key: &str) -> Result<Outcome, ErrorDetail> {
    let caller = api.by(user(who));
    let answer = caller.authorize(question("kms:Decrypt", key)).await?;
    Ok(answer.decision.unwrap().outcome())
}

/// What opens at a date is not opened early by a node whose clock runs ahead, and what is over is not gone on with by one
/// whose clock stands still: it refuses what depends on the date, and decides everything else. Set right, it decides again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn node_whose_clock_is_wrong_decides_nothing_by_the_date() {
    let cluster = Cluster::start(3).await;
    let follower = cluster.follower().await;
    let api = cluster.api(follower);
    make_account(&api, ACCOUNT).await;
    for (who, condition) in [
        (
            FUTURE,
            r#","Condition":{"DateGreaterThan":{"aws:CurrentTime":"2099-01-01T00:00:00Z"}}"#,
        ),
        (
            PAST,
            r#","Condition":{"NumericGreaterThan":{"aws:EpochTime":"1000000000"}}"#,
        ),
        (PLAIN, ""),
    ] {
        make_principal(&api, who, &[]).await;
        let put = put_identity_policy(&api, who, "test", &policy(condition)).await;
        put.unwrap();
    }
    let key = make_key(&api, ACCOUNT, None).await.arn;
    let is_right = async || {
        until(PATIENCE, "the clock is known to be right", async || {
            asked(&api, FUTURE, &key).await.ok()
        })
        .await
    };
    assert_eq!(is_right().await, Outcome::ImplicitDeny);
    assert_eq!(asked(&api, PAST, &key).await.unwrap(), Outcome::Allow);
    let clock = &cluster.members[follower].clock;
    let wrong: [&dyn Fn(); 2] = [&|| clock.set_ahead(100 * 365 * DAY), &|| {
        clock.set_ahead(Duration::ZERO);
        clock.set_behind(20 * 365 * DAY);
    }];
    for set_wrong in wrong {
        set_wrong();
        for who in [FUTURE, PAST] {
            let refused = asked(&api, who, &key).await.unwrap_err();
            assert_eq!(refused.code, "TooStale", "{refused:?}");
            assert!(refused.retryable);
            assert!(refused.message.contains("wall clock"), "{refused:?}");
        }
        assert_eq!(asked(&api, PLAIN, &key).await.unwrap(), Outcome::Allow);
        // The others are not kept from it.
        let leader = cluster.api(cluster.leader().await);
        assert_eq!(
            asked(&leader, FUTURE, &key).await.unwrap(),
            Outcome::ImplicitDeny
        );
    }
    clock.set_ahead(Duration::ZERO);
    clock.set_behind(Duration::ZERO);
    assert_eq!(is_right().await, Outcome::ImplicitDeny);
    cluster.shutdown().await;
}
