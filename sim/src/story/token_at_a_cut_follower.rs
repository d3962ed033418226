//! A follower is cut off; a grant is created at the leader; its token is used at the follower.
//!
//! Within its bound the follower allows with the token, at once, and denies without it; after the bound it refuses both;
//! healed, it decides from its state. A second grant is retired while the follower is cut: its token stops at the latest
//! when the bound has run out, and does nothing at a node that knows.

use std::rc::Rc;
use std::time::Duration;

use super::{Failure, RECOVERY, Removal, Scene};
use crate::hand::{Decided, Trouble};
use crate::oracle::Tag;
use crate::world;

/// The grant that stays.
const KEPT: Tag = 1;
/// The grant that is retired while the follower is cut off.
const RETIRED: Tag = 2;

/// How long a decision from memory may take here: the way there and back, and the steps of the world.
const AT_ONCE: Duration = Duration::from_millis(60);

/// How old a healthy follower's proof of freshness may be: two rounds, and the way of their messages.
const PROOF_AGE: Duration = Duration::from_millis(250);

pub(super) async fn play(scene: Rc<Scene>) -> Result<(), Failure> {
    let mut dice = scene.seed.part("story", 0).dice();
    let key = scene.set_up().await?;
    let leader = scene.leader().await?;
    let others: Vec<_> = scene.nodes().filter(|node| *node != leader).collect();
    let follower = dice.pick(&others);

    // The follower knows the key and the grantee; from here on it learns nothing.
    scene.until_it_decides(follower, &key).await?;
    scene.cut_off(follower);
    world::next_step().await;
    let cut = world::now();

    let within = Duration::from_millis(400);
    let via = [leader];
    let grant = |tag| scene.create_grant(&via, &key, tag, within);
    let kept = grant(KEPT).await.map_err(unserved("creating a grant"))?;
    let retired = grant(RETIRED).await.map_err(unserved("creating a grant"))?;
    let (Some(kept_token), Some(retired_token)) = (&kept.token, &retired.token) else {
        return Err(Failure("a grant was created without a token".to_owned()));
    };

    // Within the bound.
    let surely_fresh = cut + scene.promise.bound.mul_f64(0.99).saturating_sub(PROOF_AGE);
    let mut asked = 0;
    while asked == 0 || world::now() < surely_fresh {
        asked += 1;
        for (tag, token, allow) in [
            (KEPT, Some(kept_token), true),
            (KEPT, None, false),
            (RETIRED, Some(retired_token), true),
            (RETIRED, None, false),
        ] {
            let sent = world::now();
            let answer = scene
                .ask(follower, &key, tag, token.map(String::as_str), AT_ONCE * 2)
                .await?;
            match answer {
                Ok(Decided { allowed, .. }) if allowed == allow => {
                    let took = world::now() - sent;
                    if took > AT_ONCE {
                        return Err(Failure(format!(
                            "the cut follower took {took:?} to decide from its memory"
                        )));
                    }
                }
                Ok(decided) => {
                    return Err(Failure(format!(
                        "the cut follower, asked about grant {tag} {} its token, said {decided:?}",
                        if token.is_some() { "with" } else { "without" }
                    )));
                }
                Err(trouble) if sent < surely_fresh => {
                    return Err(Failure(format!(
                        "the cut follower refused {:?} after the cut, within its bound: {trouble}",
                        sent - cut
                    )));
                }
                // The bound may have run out meanwhile.
                Err(_) => {}
            }
        }
        if asked == 1 {
            let removed = scene
                .remove(&via, &key, &retired, Removal::Retire, within)
                .await
                .map_err(unserved("retiring a grant"))?;
            // Where the retirement is known, the token does nothing.
            let answer = scene
                .ask(leader, &key, RETIRED, Some(retired_token), within)
                .await?
                .map_err(unserved("asking the leader"))?;
            if answer.revision < removed && answer.allowed {
                // Old state within the bound: the oracle has judged it.
                tracing::info!(target: "sim", "the leader answers from before the retirement");
            }
        }
        tokio::time::sleep(dice.millis(5, 40)).await;
    }

    // After the bound.
    let over = cut + scene.promise.window();
    tokio::time::sleep_until(world::instant(over) + Duration::from_millis(1)).await;
    let mut refusals = 0;
    while refusals < 8 {
        for token in [Some(kept_token), None, Some(retired_token)] {
            let tag = if token == Some(retired_token) {
                RETIRED
            } else {
                KEPT
            };
            match scene
                .ask(follower, &key, tag, token.map(String::as_str), AT_ONCE * 2)
                .await?
            {
                Ok(decided) => {
                    return Err(Failure(format!(
                        "cut off for {:?}, beyond its bound, the follower still decided: {decided:?}",
                        world::now() - cut
                    )));
                }
                Err(trouble) if trouble.code() == "TooStale" => refusals += 1,
                Err(trouble) => {
                    return Err(Failure(format!(
                        "beyond its bound the follower did not say TooStale but {trouble}"
                    )));
                }
            }
        }
        tokio::time::sleep(dice.millis(5, 100)).await;
    }

    // Healed, it recovers by itself and decides from its state.
    scene.heal(follower);
    let healed = world::now();
    loop {
        let answer = scene.ask(follower, &key, KEPT, None, AT_ONCE * 2).await?;
        match answer {
            Ok(Decided { allowed: true, .. }) => break,
            Ok(decided) => {
                return Err(Failure(format!(
                    "healed, the follower decided without the grant: {decided:?}"
                )));
            }
            Err(trouble) if world::now() - healed > RECOVERY => {
                return Err(Failure(format!(
                    "healed for {RECOVERY:?}, the follower still does not decide: {trouble}"
                )));
            }
            Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    }
    for (tag, token, allow) in [
        (KEPT, Some(kept_token), true),
        (RETIRED, Some(retired_token), false),
        (RETIRED, None, false),
    ] {
        let answer = scene
            .ask(follower, &key, tag, token.map(String::as_str), within)
            .await?
            .map_err(unserved("asking the healed follower"))?;
        if answer.allowed != allow {
            return Err(Failure(format!(
                "caught up, the follower said {answer:?} about grant {tag}, token {}",
                token.is_some()
            )));
        }
    }
    let tally = scene.oracle.borrow().tally();
    if tally.allowed_by_token == 0 || tally.denied == 0 || tally.refused == 0 {
        return Err(Failure(format!("the story proved nothing: {tally:?}")));
    }
    Ok(())
}

fn unserved(what: &str) -> impl Fn(Trouble) -> Failure {
    move |trouble| Failure(format!("{what} did not work: {trouble}"))
}
