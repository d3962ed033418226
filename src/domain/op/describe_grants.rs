//! `DescribeGrants`: how many grants a key has against its quotas, and who holds most of them. AWS has no such call.

use super::Answer;
use super::context::{Context, Question};
use super::refusal::refusals;
use crate::domain::authz::Denied;
use crate::domain::authz::request::Parameters;
use crate::domain::authz::resolve::Unresolved;
use crate::domain::effort::spend;
use crate::domain::ids::{KeyArn, KeyRef};
use crate::domain::limits::GRANTEES_SHOWN_MAX;
use crate::domain::policy::KmsAction;
use crate::domain::state::grant::GrantPrincipal;
use crate::domain::state::grant_index::{Holder, Purse};
use crate::domain::state::key::KeyManager;
use std::cmp::Reverse;
use std::collections::BTreeMap;

/// Tells how many grants a key has against its quotas, and who holds most of them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DescribeGrants {
    /// The key as the caller named it.
    pub key: KeyRef,
}

/// The grants of a key in figures.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct GrantFigures {
    /// The key.
    pub key: KeyArn,
    /// How many count against its quota; those that have expired do until the cluster has taken them out.
    pub grants: u32,
    /// How many it may have; `None`: an AWS managed key has no quota (G-19).
    pub quota: Option<u32>,
    /// Of them, how many will expire or have (EC-13).
    pub expiring: u32,
    /// Of them, how many have a budget with uses left (EC-13).
    pub budgeted: u32,
    /// Of them, how many have spent their budget (EC-13).
    pub spent: u32,
    /// How many different grantees they have.
    pub grantees: u32,
    /// Those who hold most, the one with most first, at most [`GRANTEES_SHOWN_MAX`] of them.
    pub top: Vec<(GrantPrincipal, u32)>,
}

/// What it costs to compare a grant with the others, in units of [`crate::domain::effort::Effort`].
const WORK_OF_GRANT: u64 = 120;

refusals! {
    /// Why DescribeGrants is refused, in the order of its checks.
    Refusal {
        /// No such key.
        Key(Unresolved),
        /// Not permitted.
        Denied(Denied),
    }
}

impl Question for DescribeGrants {
    type Refusal = Refusal;

    fn answer(&self, cx: &Context<'_>) -> Result<Answer, Refusal> {
        let key = cx.key_without_alias(&self.key)?;
        cx.allow_key(KmsAction::ListGrants, key, Parameters::NONE)?;
        let mut figures = GrantFigures {
            key: key.arn.clone(),
            grants: 0,
            quota: (key.manager == KeyManager::Customer)
                .then(|| cx.state.settings().grants_per_key_max),
            expiring: 0,
            budgeted: 0,
            spent: 0,
            grantees: 0,
            top: Vec::new(),
        };
        let mut held: BTreeMap<Holder, (GrantPrincipal, u32)> = BTreeMap::new();
        let grants = cx.state.grants().of_key(&key.arn, None);
        for grant in grants.take_while(|_| spend(cx.effort, WORK_OF_GRANT)) {
            figures.grants += 1;
            figures.expiring += u32::from(grant.constraints.term.expires_at.is_some());
            match Purse::of(grant) {
                Purse::Unbudgeted => {}
                Purse::Budgeted => figures.budgeted += 1,
                Purse::Spent => figures.spent += 1,
            }
            let entry = held.entry(Holder::from(&grant.grantee));
            entry.or_insert_with(|| (grant.grantee.clone(), 0)).1 += 1;
        }
        figures.grantees = u32::try_from(held.len()).unwrap_or(u32::MAX);
        figures.top = held.into_values().collect();
        // The order among equals is that of the principals: it does not depend on how the grants came.
        figures.top.sort_by_key(|(_, count)| Reverse(*count));
        figures.top.truncate(GRANTEES_SHOWN_MAX);
        Ok(Answer::GrantFigures(figures))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::op::testing::{
        ADMIN, BOB, CAROL, Cluster, check_rows, create_grant, key, key_arn,
    };
    use crate::domain::op::{Command, Query};
    use crate::domain::state::grant::Term;
    use crate::domain::time::Timestamp;

    fn ask(cluster: &Cluster, who: &str, n: u8) -> Result<GrantFigures, (&'static str, String)> {
        let question = Query::DescribeGrants(DescribeGrants { key: key(n) });
        cluster.ask(who, question).map(|answer| match answer {
            Answer::GrantFigures(figures) => figures,
            other => panic!("{other:?}"),
        })
    }

    /// in the order of its checks.
    #[test]
    fn describe_grants_refuses_in_the_order_of_its_checks() {
        let cluster = Cluster::new();
        check_rows(vec![
            (
                "no such key",
                ask(&cluster, BOB, 9).unwrap_err(),
                "NotFoundException",
                "does not exist",
            ),
            (
                "no permission",
                ask(&cluster, BOB, 1).unwrap_err(),
                "AccessDeniedException",
                "kms:ListGrants",
            ),
        ]);
    }

    /// X-2, G-19: the counts beside the quota, by kind and by grantee.
    #[test]
    fn figures_count_every_grant_once() {
        let mut cluster = Cluster::new();
        for n in 1..=6 {
            let mut grant = create_grant(n, if n <= 2 { CAROL } else { BOB });
            grant.term = Term {
                expires_at: (n == 1).then(|| Timestamp::from_millis(cluster.now + 10)),
                uses: (n >= 5).then_some(1),
            };
            cluster.done(ADMIN, Command::CreateGrant(grant));
        }
        let figures = ask(&cluster, ADMIN, 1).unwrap();
        assert_eq!(figures.key, key_arn(1));
        assert_eq!((figures.grants, figures.quota), (6, Some(50_000)));
        assert_eq!(
            (figures.expiring, figures.budgeted, figures.spent),
            (1, 2, 0)
        );
        let top: Vec<(String, u32)> = figures
            .top
            .iter()
            .map(|(who, count)| match who {
                GrantPrincipal::Arn { arn, .. } => (arn.to_string(), *count),
                GrantPrincipal::Service(service) => (service.to_string(), *count),
            })
            .collect();
        assert_eq!(top, [(BOB.to_owned(), 4), (CAROL.to_owned(), 2)]);
        assert_eq!(figures.grantees, 2);
        cluster.set_key(|key| key.manager = KeyManager::Aws);
        assert_eq!(ask(&cluster, ADMIN, 1).unwrap().quota, None);
    }
}
