//! `GetKeyLastUsage`: tells when a key was last used, as far as is known (W-18).

use super::Answer;
use super::context::{Context, Question};
use super::refusal::refusals;
use crate::domain::authz::Denied;
use crate::domain::authz::request::Parameters;
use crate::domain::authz::resolve::Unresolved;
use crate::domain::ids::{KeyId, KeyRef};
use crate::domain::policy::KmsAction;
use crate::domain::state::key_usage::KeyUse;
use crate::domain::time::Timestamp;

/// Tells when a key was last used.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct GetKeyLastUsage {
    /// The key as the caller named it (ID-6 says which forms an operation takes).
    pub key: KeyRef,
}

refusals! {
    /// Why GetKeyLastUsage is refused, in the order of its checks.
    Refusal {
        /// No such key.
        Key(Unresolved),
        /// Not permitted.
        Denied(Denied),
    }
}

/// What is known of the use of a key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LastUsage {
    /// The key.
    pub key_id: KeyId,
    /// Its last use; `None`: none is known.
    pub last: Option<KeyUse>,
    /// Since when its uses are known.
    pub tracked_since: Timestamp,
    /// When it was created.
    pub created_at: Timestamp,
}

impl Question for GetKeyLastUsage {
    type Refusal = Refusal;

    fn answer(&self, cx: &Context<'_>) -> Result<Answer, Refusal> {
        let key = cx.key_without_alias(&self.key)?;
        cx.allow_key(KmsAction::GetKeyLastUsage, key, Parameters::NONE)?;
        Ok(Answer::LastUsage(LastUsage {
            key_id: key.arn.key_id,
            last: key.last_use,
            // A cluster has told of uses since it was made, and so from a key's first day on.
            tracked_since: key.created_at,
            created_at: key.created_at,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ids::RequestId;
    use crate::domain::op::testing::{ADMIN, BOB, Cluster, EXT, check_rows, key, key_arn, key_id};
    use crate::domain::op::{Command, Query, report_key_usage};
    use crate::domain::state::key::{KeyManager, KeyState};
    use crate::domain::state::key_usage::UsageOperation;

    fn get(text: &str) -> Query {
        Query::GetKeyLastUsage(GetKeyLastUsage {
            key: text.parse().unwrap(),
        })
    }

    fn told(cluster: &Cluster) -> LastUsage {
        match cluster.ask(ADMIN, get(&key(1).to_string())) {
            Ok(Answer::LastUsage(told)) => told,
            other => panic!("{other:?}"),
        }
    }

    /// W-18: no alias, no other account, in every state, of AWS's keys too.
    #[test]
    fn get_key_last_usage_refuses_in_the_order_of_its_checks() {
        let mut cluster = Cluster::new();
        check_rows(vec![
            (
                "an alias",
                cluster.ask(BOB, get("alias/a")).unwrap_err(),
                "NotFoundException",
                "Invalid keyId",
            ),
            (
                "no such key",
                cluster.ask(BOB, get(&key(9).to_string())).unwrap_err(),
                "NotFoundException",
                "does not exist",
            ),
            (
                "no permission",
                cluster.ask(BOB, get(&key(1).to_string())).unwrap_err(),
                "AccessDeniedException",
                "kms:GetKeyLastUsage",
            ),
            (
                "another account",
                cluster.ask(EXT, get(&key_arn(1).to_string())).unwrap_err(),
                "AccessDeniedException",
                "kms:GetKeyLastUsage",
            ),
        ]);
        for state in KeyState::ALL {
            cluster.set_key_state(*state);
            cluster.set_key(|key| key.manager = KeyManager::Aws);
            assert_eq!(told(&cluster).key_id, key_id(1));
        }
    }

    /// W-18: nothing before the first use, then the operation, the time and the request.
    #[test]
    fn last_use_is_told_as_it_was_reported() {
        let mut cluster = Cluster::new();
        let made = cluster.state.key(&key_arn(1)).unwrap().created_at;
        let never = LastUsage {
            key_id: key_id(1),
            last: None,
            tracked_since: made,
            created_at: made,
        };
        assert_eq!(told(&cluster), never);
        let used = KeyUse {
            operation: UsageOperation::GenerateDataKey,
            at: made.after_days(2),
            request_id: Some(RequestId([3; 16])),
        };
        cluster.now = made.after_days(3).as_millis();
        let report = report_key_usage::ReportKeyUsage {
            uses: vec![(key_arn(1), used)],
        };
        cluster.done("system", Command::ReportKeyUsage(report));
        let once = LastUsage {
            last: Some(used),
            ..never
        };
        assert_eq!(told(&cluster), once);
    }
}
