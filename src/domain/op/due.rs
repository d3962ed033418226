//! What time makes due: the system commands that the leader proposes once enough clocks agree (DESIGN, section 1).
//!
//! Nothing here happens by itself: a command takes effect at its place in the log, and `apply` checks again that it is due.

use super::finish_key_deletion::FinishKeyDeletion;
use super::{Command, Scope};
use crate::domain::limits::DUE_COMMANDS_MAX;
use crate::domain::state::State;
use crate::domain::time::Timestamp;

/// The commands that are due at `now`, the longest due first, at most [`DUE_COMMANDS_MAX`] of them.
pub fn due(state: &State, now: Timestamp) -> Vec<Command> {
    // What is left of a deleted key holds memory: it goes before the next key is deleted.
    let dying = state.dying_keys();
    let keys = dying.chain(state.keys_due(now));
    let deletions =
        keys.map(|key| Command::FinishKeyDeletion(FinishKeyDeletion { key: key.clone() }));
    deletions.take(DUE_COMMANDS_MAX).collect()
}

/// The endpoint at which a command of [`due`] is proposed: that of its key. `None`: it is never due.
pub fn endpoint(command: &Command) -> Option<Scope> {
    let key = match command {
        Command::FinishKeyDeletion(command) => &command.key,
        _ => return None,
    };
    Some(Scope {
        partition: key.partition,
        region: key.region.clone(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::op::schedule_key_deletion::ScheduleKeyDeletion;
    use crate::domain::op::testing::{ADMIN, Cluster, create_key, key, key_arn};

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
        let home = Some(crate::domain::op::testing::scope());
        assert!(all.iter().all(|command| endpoint(command) == home));
    }
}
