//! `ReportKeyUsage`: the cluster's own command by which a node tells when keys were last used (EC-23).
//!
//! Decisions are taken on every node and leave no trace in the state; this is what the state knows of them. A report that
//! comes late, twice or out of order changes nothing but what it knows better.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::context::{Change, Context};
use super::refusal::{Said, refusals, said};
use super::{ErrorCode, Event, KeyChange, Output};
use crate::domain::authz::{Allowed, Denied, require_system};
use crate::domain::ids::KeyArn;
use crate::domain::limits::KEY_USAGE_REPORT_MAX;
use crate::domain::state::State;
use crate::domain::state::key::Key;
use crate::domain::state::key_usage::KeyUse;

/// Tells of the last uses of keys.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ReportKeyUsage {
    /// Each key with its use: 1 to [`KEY_USAGE_REPORT_MAX`] of them.
    pub uses: Vec<(KeyArn, KeyUse)>,
}

refusals! {
    /// Why ReportKeyUsage is refused, in the order of its checks.
    Refusal {
        /// It is for the cluster itself.
        Denied(Denied),
        /// Nothing is told, or too much.
        Shape(Said),
    }
}

impl Change for ReportKeyUsage {
    type Refusal = Refusal;
    type Plan = Vec<Arc<Key>>;

    fn plan(&self, cx: &Context<'_>) -> Result<(Allowed, Vec<Arc<Key>>), Refusal> {
        let allowed = require_system(cx.caller, "grantd:ReportKeyUsage")?;
        let count = self.uses.len();
        if !(1..=KEY_USAGE_REPORT_MAX).contains(&count) {
            return Err(Refusal::Shape(said(
                ErrorCode::Validation,
                format_args!(
                    "a report tells of the use of 1 to {KEY_USAGE_REPORT_MAX} keys, this one of {count}"
                ),
            )));
        }
        let mut used: BTreeMap<&KeyArn, Arc<Key>> = BTreeMap::new();
        for (arn, told) in &self.uses {
            let Some(key) = used.get(arn).or_else(|| cx.state.key(arn)) else {
                // It was deleted meanwhile.
                continue;
            };
            // The clock of a node may run ahead of the cluster's time.
            let told = KeyUse {
                at: told.at.min(cx.now),
                ..*told
            };
            if let Some(key) = key.with_use(told) {
                used.insert(arn, Arc::new(key));
            }
        }
        Ok((allowed, used.into_values().collect()))
    }

    fn enact(used: Vec<Arc<Key>>, state: &mut State) -> (Output, Vec<Event>) {
        let events = used.into_iter().filter_map(|key| store(key, state));
        (Output::Done, events.collect())
    }
}

/// Stores a key that was used.
pub(super) fn store(key: Arc<Key>, state: &mut State) -> Option<Event> {
    let operation = key.last_use?.operation;
    let event = Event::KeyChanged(key.arn.clone(), KeyChange::Used(operation));
    state.put_key(key);
    Some(event)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ids::RequestId;
    use crate::domain::op::Command;
    use crate::domain::op::create_key::MultiRegion;
    use crate::domain::op::replicate_key::tests::{
        cluster as with_primary, primary_arn, replicate,
    };
    use crate::domain::op::testing::{ADMIN, Cluster, check_rows, create_key, key_arn};
    use crate::domain::state::key_usage::UsageOperation;
    use crate::domain::time::Timestamp;

    fn used(operation: UsageOperation, at: u64) -> KeyUse {
        KeyUse {
            operation,
            at: Timestamp::from_millis(at),
            request_id: Some(RequestId([9; 16])),
        }
    }

    fn report(uses: &[(KeyArn, KeyUse)]) -> Command {
        Command::ReportKeyUsage(ReportKeyUsage {
            uses: uses.to_vec(),
        })
    }

    fn last(cluster: &Cluster, arn: &KeyArn) -> Option<(UsageOperation, u64)> {
        let last = cluster.state.key(arn).unwrap().last_use?;
        Some((last.operation, last.at.as_millis()))
    }

    /// EC-23: it is for the cluster itself, and bounded.
    #[test]
    fn report_key_usage_refuses_in_the_order_of_its_checks() {
        let cluster = Cluster::new();
        let of = |count: usize| {
            let use_of_one = (key_arn(1), used(UsageOperation::Sign, 1));
            report(&vec![use_of_one; count])
        };
        check_rows(vec![
            (
                "an administrator",
                cluster.refusal(ADMIN, of(0)),
                "AccessDeniedException",
                "grantd:ReportKeyUsage is for the cluster itself alone",
            ),
            (
                "the operator",
                cluster.refusal("operator", of(0)),
                "AccessDeniedException",
                "grantd:ReportKeyUsage is for the cluster itself alone",
            ),
            (
                "nothing",
                cluster.refusal("system", of(0)),
                "ValidationException",
                "of 1 to 256 keys, this one of 0",
            ),
            (
                "too much",
                cluster.refusal("system", of(257)),
                "ValidationException",
                "of 1 to 256 keys, this one of 257",
            ),
        ]);
    }

    /// EC-23: the smaller of the report and the state's time, and never back.
    #[test]
    fn use_is_never_later_than_the_state_and_never_goes_back() {
        let mut cluster = Cluster::new();
        let made = cluster.state.clock().as_millis();
        let tell = |cluster: &mut Cluster, operation, at| {
            cluster.now = made + 1_000;
            cluster.done("system", report(&[(key_arn(1), used(operation, at))]));
            last(cluster, &key_arn(1))
        };
        use UsageOperation as O;
        assert_eq!(
            tell(&mut cluster, O::Encrypt, made + 500),
            Some((O::Encrypt, made + 500))
        );
        assert_eq!(
            tell(&mut cluster, O::Decrypt, made + 499),
            Some((O::Encrypt, made + 500))
        );
        let now = cluster.state.clock().as_millis();
        let (operation, at) = tell(&mut cluster, O::Decrypt, u64::MAX).unwrap();
        assert!(operation == O::Decrypt && at >= now && at <= cluster.state.clock().as_millis());
    }

    /// A report of a key that is gone says nothing of the others; of two uses of one key the later counts.
    #[test]
    fn report_tells_of_many_keys_at_once() {
        let mut cluster = Cluster::new();
        cluster.done(ADMIN, Command::CreateKey(create_key(2)));
        let made = cluster.state.clock().as_millis();
        cluster.now = made + 1_000;
        cluster.events.clear();
        cluster.done(
            "system",
            report(&[
                (key_arn(9), used(UsageOperation::Sign, made + 1)),
                (key_arn(2), used(UsageOperation::Sign, made + 2)),
                (key_arn(1), used(UsageOperation::Verify, made + 4)),
                (key_arn(1), used(UsageOperation::Sign, made + 3)),
            ]),
        );
        assert_eq!(
            last(&cluster, &key_arn(1)),
            Some((UsageOperation::Verify, made + 4))
        );
        assert_eq!(
            last(&cluster, &key_arn(2)),
            Some((UsageOperation::Sign, made + 2))
        );
        let told = |n, operation| Event::KeyChanged(key_arn(n), KeyChange::Used(operation));
        assert_eq!(
            cluster.events,
            [
                told(1, UsageOperation::Verify),
                told(2, UsageOperation::Sign)
            ]
        );
    }

    /// W-18: the keys of a multi-Region set are used each for itself, and a new replica was never used.
    #[test]
    fn replica_has_a_last_use_of_its_own() {
        let mut cluster = with_primary();
        assert_eq!(create_key(7).multi_region, MultiRegion::No);
        let at = cluster.state.clock().as_millis();
        let of_primary = (primary_arn(), used(UsageOperation::GenerateMac, at));
        cluster.done("system", report(&[of_primary]));
        cluster.done(ADMIN, Command::ReplicateKey(replicate("us-east-1")));
        let replica = KeyArn {
            region: "us-east-1".parse().unwrap(),
            ..primary_arn()
        };
        assert_eq!(last(&cluster, &replica), None);
        let at = cluster.state.clock().as_millis();
        cluster.now = at + 10;
        cluster.done(
            "system",
            report(&[(replica.clone(), used(UsageOperation::VerifyMac, at))]),
        );
        assert_eq!(
            last(&cluster, &replica),
            Some((UsageOperation::VerifyMac, at))
        );
        assert_ne!(last(&cluster, &primary_arn()), last(&cluster, &replica));
    }
}
