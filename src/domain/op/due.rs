//! What time makes due: the system commands that the leader proposes once enough clocks agree (DESIGN, section 1).
//!
//! Nothing here happens by itself: a command takes effect at its place in the log, and `apply` checks again that it is due.

use super::expire_grants::ExpireGrants;
use super::finish_key_deletion::FinishKeyDeletion;
use super::{Command, Scope};
use crate::domain::limits::DUE_COMMANDS_MAX;
use crate::domain::state::State;
use crate::domain::time::Timestamp;

/// The commands that are due at `now`, at most [`DUE_COMMANDS_MAX`] of them: grants that expire, what is left of deleted
/// keys, for it holds memory, and keys whose waiting period is over, the longest due first.
pub fn due(state: &State, now: Timestamp) -> Vec<Command> {
    let expired = state.grants().expired(now).next();
    let expired = expired.map(|_| Command::ExpireGrants(ExpireGrants {}));
    let keys = state.dying_keys().chain(state.keys_due(now));
    let deletions =
        keys.map(|key| Command::FinishKeyDeletion(FinishKeyDeletion { key: key.clone() }));
    let all = expired.into_iter().chain(deletions);
    all.take(DUE_COMMANDS_MAX).collect()
}

/// The endpoint at which a command is proposed that is of no key: a Region that the cluster serves. `None`: there is no
/// cluster yet.
pub fn home(state: &State) -> Option<Scope> {
    let regions = state.settings().regions;
    let region = regions.names().next()?.parse().ok()?;
    state.is_bootstrapped().then_some(Scope {
        partition: regions.partition(),
        region,
    })
}

/// The endpoint at which the commands of [`due`] are proposed: that of any key, for they name their objects whole.
/// `None`: without a key nothing is ever due.
pub fn endpoint(state: &State) -> Option<Scope> {
    let key = state.first_key()?;
    Some(Scope {
        partition: key.partition,
        region: key.region.clone(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::op::schedule_key_deletion::ScheduleKeyDeletion;
    use crate::domain::op::testing::{ADMIN, BOB, Cluster, create_grant, create_key, key, key_arn};

    fn keys(commands: &[Command]) -> Vec<crate::domain::ids::KeyArn> {
        let key = |command: &Command| match command {
            Command::FinishKeyDeletion(command) => command.key.clone(),
            other => panic!("{other:?}"),
        };
        commands.iter().map(key).collect()
    }

    /// W-5: nothing is due a millisecond before its time; then in the order of the times, and no more than the bound.
    #[test]
    fn keys_are_due_when_their_waiting_period_is_over() {
        let mut cluster = Cluster::new();
        let schedule = |cluster: &mut Cluster, n: u8, window_days| {
            let command = ScheduleKeyDeletion {
                key: key(n),
                window_days: Some(window_days),
            };
            cluster.done(ADMIN, Command::ScheduleKeyDeletion(command));
        };
        cluster.done(ADMIN, Command::CreateKey(create_key(2)));
        schedule(&mut cluster, 1, 8);
        schedule(&mut cluster, 2, 7);
        let begun = cluster.state.clock();
        let before = |days| Timestamp::from_millis(begun.after_days(days).as_millis() - 1);
        assert_eq!(keys(&due(&cluster.state, before(7))), []);
        assert_eq!(
            keys(&due(&cluster.state, begun.after_days(7))),
            [key_arn(2)]
        );
        assert_eq!(
            keys(&due(&cluster.state, begun.after_days(8))),
            [key_arn(2), key_arn(1)]
        );
        for n in 3..=200 {
            cluster.done(ADMIN, Command::CreateKey(create_key(n)));
            schedule(&mut cluster, n, 7);
        }
        let all = due(&cluster.state, begun.after_days(100));
        assert_eq!(all.len(), DUE_COMMANDS_MAX);
        let there = Some(crate::domain::op::testing::scope());
        assert_eq!(endpoint(&cluster.state), there);
        assert_eq!(endpoint(&Cluster::empty().state), None);
        assert_eq!(home(&Cluster::empty().state), None);
        assert!(home(&Cluster::new().state).is_some());
    }

    /// EC-13: grants expire by one command, whatever their number, from the instant on that they name.
    #[test]
    fn grants_are_due_when_they_expire() {
        let mut cluster = Cluster::new();
        let expires = cluster.state.clock().after_days(1);
        for n in 1..=3 {
            let mut grant = create_grant(n, BOB);
            grant.term.expires_at = Some(expires);
            cluster.done(ADMIN, Command::CreateGrant(grant));
        }
        let before = Timestamp::from_millis(expires.as_millis() - 1);
        assert!(due(&cluster.state, before).is_empty());
        let all = due(&cluster.state, expires);
        assert!(matches!(all[..], [Command::ExpireGrants(_)]), "{all:?}");
        cluster.now = expires.as_millis();
        for command in all {
            cluster.done("system", command);
        }
        assert!(due(&cluster.state, expires).is_empty());
    }
}
