//! `FinishKeyDeletion`: deletes a key whose waiting period is over, with its aliases and grants (W-5, G-57, ID-7).
//!
//! The leader proposes it, once and again while grants of the key remain: the first takes the key from every reader, each
//! removes a bounded number of its grants, the last clears it away.

use super::context::{Change, Context};
use super::refusal::{Said, refusals, said};
use super::{Change as What, ErrorCode, Event, KeyChange, Output};
use crate::domain::authz::{Allowed, Denied, require_system};
use crate::domain::ids::KeyArn;
use crate::domain::limits::REMOVED_GRANTS_PER_ENTRY;
use crate::domain::state::State;
use crate::domain::state::key::{Deletion, Key, KeyState, MultiRegionKeyType};
use crate::domain::time::Timestamp;
use std::sync::Arc;

/// Deletes a key whose waiting period is over, or goes on to clear away what it left.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FinishKeyDeletion {
    /// The key.
    pub key: KeyArn,
}

refusals! {
    /// Why FinishKeyDeletion is refused, in the order of its checks.
    Refusal {
        /// It is for the cluster itself.
        Denied(Denied),
        /// No such key.
        NotThere(Said),
        /// It is not to be deleted, or not yet: the deletion was cancelled meanwhile.
        NotDue(Said),
    }
}

/// What is deleted.
pub struct Plan {
    key: KeyArn,
    now: Timestamp,
}

impl Change for FinishKeyDeletion {
    type Refusal = Refusal;
    type Plan = Plan;

    fn plan(&self, cx: &Context<'_>) -> Result<(Allowed, Plan), Refusal> {
        let allowed = require_system(cx.caller, "grantd:FinishKeyDeletion")?;
        if !cx.state.is_dying(&self.key) {
            let key = cx.state.key(&self.key).ok_or_else(|| {
                Refusal::NotThere(said(
                    ErrorCode::NotFound,
                    format_args!("Key '{}' does not exist", self.key),
                ))
            })?;
            let due = key.deletion.and_then(|deletion| deletion.due);
            if key.state != KeyState::PendingDeletion || due.is_none_or(|due| due > cx.now) {
                return Err(Refusal::NotDue(said(
                    ErrorCode::KmsInvalidState,
                    format_args!("{} is not due to be deleted at {}", self.key, cx.now),
                )));
            }
        }
        let plan = Plan {
            key: self.key.clone(),
            now: cx.now,
        };
        Ok((allowed, plan))
    }

    fn enact(plan: Plan, state: &mut State) -> (Output, Vec<Event>) {
        let Plan { key: arn, now } = plan;
        let mut events = Vec::new();
        if let Some(key) = state.key(&arn).cloned() {
            delete(&key, now, state, &mut events);
        }
        let grants = state.grants().of_key(&arn, None);
        let ids: Vec<_> = grants
            .take(REMOVED_GRANTS_PER_ENTRY)
            .map(|grant| grant.id)
            .collect();
        for id in &ids {
            state.take_grant(id);
        }
        if state.grants().count(&arn) == 0 {
            state.drop_dying_key(&arn);
        }
        (Output::Done, events)
    }
}

/// Takes the key and its aliases from every reader. A primary that waited for its last replica begins to wait for itself.
fn delete(key: &Key, now: Timestamp, state: &mut State, events: &mut Vec<Event>) {
    let arn = &key.arn;
    for name in state.aliases_of_key(arn).to_vec() {
        let alias = crate::domain::ids::AliasArn {
            partition: arn.partition,
            region: arn.region.clone(),
            account: arn.account,
            name,
        };
        state.take_alias(&alias);
        events.push(Event::AliasChanged(alias, What::Deleted));
    }
    state.take_key(arn);
    events.push(Event::KeyChanged(arn.clone(), KeyChange::Deleted));
    let left: Vec<Arc<Key>> = state.related_keys(arn).take(2).cloned().collect();
    if let [last] = &left[..]
        && last.multi_region == Some(MultiRegionKeyType::Primary)
        && last.state == KeyState::PendingReplicaDeletion
    {
        let pending = KeyState::PendingDeletion;
        events.push(Event::KeyChanged(
            last.arn.clone(),
            KeyChange::State(pending),
        ));
        state.put_key(Arc::new(Key {
            state: pending,
            deletion: last.deletion.map(|deletion: Deletion| deletion.begun(now)),
            ..(**last).clone()
        }));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ids::{GrantId, KeyId, KeyRef};
    use crate::domain::op::create_key::MultiRegion;
    use crate::domain::op::list_retirable_grants::ListRetirableGrants;
    use crate::domain::op::replicate_key::ReplicateKey;
    use crate::domain::op::schedule_key_deletion::ScheduleKeyDeletion;
    use crate::domain::op::testing::{
        ADMIN, BOB, CAROL, Cluster, check_rows, create_grant, create_key, key, key_arn,
    };
    use crate::domain::op::{
        Answer, Command, Query, cancel_key_deletion, create_alias, describe_key, enable_key,
        list_grants,
    };

    const DAY: u64 = 86_400_000;

    fn finish(key: KeyArn) -> Command {
        Command::FinishKeyDeletion(FinishKeyDeletion { key })
    }

    fn schedule(key: KeyRef) -> Command {
        Command::ScheduleKeyDeletion(ScheduleKeyDeletion {
            key,
            window_days: Some(7),
        })
    }

    fn grant(n: u32) -> Command {
        let mut id = [0; 32];
        id[..4].copy_from_slice(&n.to_be_bytes());
        let mut command = create_grant(0, BOB);
        command.grant_id = GrantId(id);
        command.retiring = Some(CAROL.into());
        Command::CreateGrant(command)
    }

    /// W-5: the leader alone proposes it, of a key that is pending, once its time has come.
    #[test]
    fn finish_key_deletion_refuses_in_the_order_of_its_checks() {
        let mut cluster = Cluster::new();
        let enabled = cluster.copy();
        cluster.done(ADMIN, schedule(key(1)));
        let mut due = cluster.copy();
        due.now += 7 * DAY;
        let mut early = cluster.copy();
        early.now += 7 * DAY - 1;
        let mut cancelled = due.copy();
        let cancel = cancel_key_deletion::CancelKeyDeletion { key: key(1) };
        cancelled.done(ADMIN, Command::CancelKeyDeletion(cancel));
        let not_due = "is not due to be deleted";
        check_rows(vec![
            (
                "not the cluster",
                due.refusal(ADMIN, finish(key_arn(1))),
                "AccessDeniedException",
                "the cluster itself",
            ),
            (
                "no key",
                due.refusal("system", finish(key_arn(2))),
                "NotFoundException",
                "does not exist",
            ),
            (
                "not pending",
                enabled.refusal("system", finish(key_arn(1))),
                "KMSInvalidStateException",
                not_due,
            ),
            (
                "cancelled",
                cancelled.refusal("system", finish(key_arn(1))),
                "KMSInvalidStateException",
                not_due,
            ),
            (
                "a millisecond early",
                early.refusal("system", finish(key_arn(1))),
                "KMSInvalidStateException",
                not_due,
            ),
        ]);
        due.done("system", finish(key_arn(1)));
    }

    /// G-57, ID-2, ID-7: key, aliases and grants go in one entry as every reader sees it, whatever remains to be cleared
    /// away; the steps end, leave nothing, and a replica that restarts from a snapshot in between goes on alike.
    #[test]
    fn deleted_key_is_gone_at_once_and_cleared_away_in_steps() {
        let mut cluster = Cluster::new();
        let count = u32::try_from(2 * REMOVED_GRANTS_PER_ENTRY + 1).unwrap();
        let alias = create_alias::CreateAlias {
            alias: "alias/a".into(),
            target: key(1),
        };
        let empty = cluster.state.export().count();
        cluster.done(ADMIN, Command::CreateAlias(alias.clone()));
        for n in 0..count {
            cluster.done(ADMIN, grant(n));
        }
        cluster.done(ADMIN, schedule(key(1)));
        cluster.now += 7 * DAY;
        cluster.done("system", finish(key_arn(1)));
        assert_eq!(cluster.events.len(), 2, "{:?}", cluster.events);
        let mut steps = 1;
        loop {
            for query in [
                Query::DescribeKey(describe_key::DescribeKey { key: key(1) }),
                Query::DescribeKey(describe_key::DescribeKey {
                    key: "alias/a".parse().unwrap(),
                }),
                Query::ListGrants(list_grants::ListGrants {
                    key: key(1),
                    grant_id: None,
                    grantee: None,
                    grantee_service: None,
                    page: Default::default(),
                }),
            ] {
                let (code, _) = cluster.ask(ADMIN, query).unwrap_err();
                assert_eq!(code, "NotFoundException");
            }
            let retirable = Query::ListRetirableGrants(ListRetirableGrants {
                retiring: Some(CAROL.into()),
                retiring_service: None,
                page: Default::default(),
            });
            match cluster.ask(ADMIN, retirable).unwrap() {
                Answer::Grants(page) => assert!(page.items.is_empty()),
                other => panic!("{other:?}"),
            }
            let enable = enable_key::EnableKey { key: key(1) };
            let (code, _) = cluster.refusal(ADMIN, Command::EnableKey(enable));
            assert_eq!(code, "NotFoundException");
            let copy = State::import(*cluster.state.header(), cluster.state.export()).unwrap();
            assert_eq!(copy.fingerprint(), cluster.state.fingerprint());
            cluster.state = copy;
            let due = super::super::due::due(&cluster.state, cluster.state.clock());
            let Some(next) = due.into_iter().next() else {
                break;
            };
            assert!(cluster.state.is_dying(&key_arn(1)));
            assert_eq!(
                cluster.refusal(ADMIN, Command::CreateKey(create_key(1))).0,
                "AlreadyExistsException"
            );
            cluster.done("system", next);
            assert_eq!(cluster.events, []);
            steps += 1;
        }
        assert_eq!(steps, 3);
        // All that it was, and no more, is gone.
        assert_eq!(cluster.state.export().count(), empty - 1);
        assert_eq!(cluster.state.grants().count(&key_arn(1)), 0);
        let key_arn = key_arn(1);
        let count = cluster
            .state
            .key_count(key_arn.partition, &key_arn.region, key_arn.account);
        assert_eq!(count, 0);
        let (code, _) = cluster.refusal("system", finish(key_arn));
        assert_eq!(code, "NotFoundException");
        cluster.done(ADMIN, Command::CreateKey(create_key(1)));
        cluster.done(ADMIN, Command::CreateAlias(alias));
    }

    /// W-5: the waiting period of a primary begins when the last of its replicas is deleted, not when it is scheduled.
    #[test]
    fn primary_waits_for_its_replicas() {
        let mut cluster = Cluster::new();
        let mut primary = create_key(7);
        primary.key_id = KeyId::MultiRegion([7; 16]);
        primary.multi_region = MultiRegion::Primary;
        cluster.done(ADMIN, Command::CreateKey(primary));
        let primary = KeyArn {
            key_id: KeyId::MultiRegion([7; 16]),
            ..key_arn(7)
        };
        let mut replicas = Vec::new();
        for region in ["us-east-1", "us-west-2"] {
            let region: crate::domain::ids::Region = region.parse().unwrap();
            let replicate = ReplicateKey {
                key: KeyRef::KeyArn(primary.clone()),
                region: region.clone(),
                policy: None,
                lockout_check: Default::default(),
                description: "".into(),
                tags: Default::default(),
            };
            cluster.done(ADMIN, Command::ReplicateKey(replicate));
            replicas.push(KeyArn {
                region,
                ..primary.clone()
            });
        }
        let state_of = |cluster: &Cluster, arn: &KeyArn| {
            let key = cluster.state.key(arn).unwrap();
            (key.state, key.deletion.and_then(|deletion| deletion.due))
        };
        cluster.done(ADMIN, schedule(KeyRef::KeyArn(primary.clone())));
        let waits = (KeyState::PendingReplicaDeletion, None);
        assert_eq!(state_of(&cluster, &primary), waits);
        for replica in &replicas {
            assert_eq!(state_of(&cluster, &primary), waits);
            let entry = cluster.entry_in(
                replica.region.clone(),
                ADMIN,
                schedule(KeyRef::KeyArn(replica.clone())),
            );
            cluster.apply(&entry).unwrap();
            cluster.now += 7 * DAY;
            cluster.done("system", finish(replica.clone()));
            assert!(cluster.state.key(replica).is_none());
        }
        let due = cluster.state.clock().after_days(7);
        let pending = (KeyState::PendingDeletion, Some(due));
        assert_eq!(state_of(&cluster, &primary), pending);
        cluster.now += 7 * DAY;
        cluster.done("system", finish(primary.clone()));
        assert!(cluster.state.key(&primary).is_none());
    }
}
