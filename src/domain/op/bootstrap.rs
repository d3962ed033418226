//! `Bootstrap`: the first command of an incarnation: its settings and its first token epoch.

use super::context::{Change, Context};
use super::refusal::{Said, refusals, said};
use super::{ErrorCode, Event, Output};
use crate::domain::authz::{Allowed, Denied, require_system};
use crate::domain::limits::SEALED_SECRET_MAX;
use crate::domain::state::State;
use crate::domain::state::cow_map::HashKey;
use crate::domain::state::fact::Header;
use crate::domain::state::semantics::{Member, Semantics};
use crate::domain::state::settings::Settings;
use crate::domain::state::token_epoch::{SealCheck, TokenEpoch};
use crate::domain::time::{Incarnation, Revision};
use std::sync::Arc;

/// The first command of an incarnation; proposed by the node that initializes the cluster, refused ever after.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Bootstrap {
    /// The random identity of this life of the cluster.
    pub incarnation: Incarnation,
    /// The replicated settings.
    pub settings: Settings,
    /// The first token epoch's secret, sealed under the cluster's seal key.
    pub sealed_epoch_secret: Arc<[u8]>,
    /// What the hashes of the state are keyed with: drawn at random.
    pub hash_key: HashKey,
    /// Tells the cluster's seal key from any other.
    pub seal_check: SealCheck,
    /// What the cluster's entries mean until that is raised.
    pub semantics: Semantics,
}

refusals! {
    /// Why Bootstrap is refused, in the order of its checks.
    Refusal {
        /// It is for the cluster itself.
        Denied(Denied),
        /// It was done before.
        Again(Said),
        /// Settings or secret that cannot be.
        Unfit(Said),
    }
}

/// What Bootstrap writes.
pub struct Plan {
    command: Bootstrap,
    at: Revision,
}

impl Change for Bootstrap {
    type Refusal = Refusal;
    type Plan = Plan;

    fn plan(&self, cx: &Context<'_>) -> Result<(Allowed, Plan), Refusal> {
        let allowed = require_system(cx.caller, "grantd:Bootstrap")?;
        if cx.state.is_bootstrapped() {
            return Err(Refusal::Again(said(
                ErrorCode::AlreadyExists,
                format_args!(
                    "the cluster was bootstrapped before, as incarnation {}",
                    cx.state.incarnation()
                ),
            )));
        }
        let unfit = |what: &str| Refusal::Unfit(said(ErrorCode::Validation, what));
        if self.incarnation == Incarnation::default() {
            return Err(unfit("the incarnation is all zeros: draw it at random"));
        }
        if self.settings.max_staleness_ms == 0 {
            return Err(unfit("max_staleness_ms is 0: no node could ever answer"));
        }
        if self.settings.clock_rate_permille >= 1_000 {
            return Err(unfit("clock_rate_permille must be below 1000"));
        }
        if self.sealed_epoch_secret.is_empty() || self.sealed_epoch_secret.len() > SEALED_SECRET_MAX
        {
            return Err(unfit("the sealed epoch secret is empty or too long"));
        }
        if self.hash_key == HashKey::default() {
            return Err(unfit("the hash key is all zeros: draw it at random"));
        }
        if self.seal_check == SealCheck::default() {
            return Err(unfit("the check value of the seal key is all zeros"));
        }
        if self.semantics == Semantics::default() {
            return Err(unfit("there are no semantics 0"));
        }
        let plan = Plan {
            command: self.clone(),
            at: cx.at,
        };
        Ok((allowed, plan))
    }

    fn enact(plan: Plan, state: &mut State) -> (Output, Vec<Event>) {
        let Plan { command, at } = plan;
        let Bootstrap {
            incarnation,
            settings,
            sealed_epoch_secret,
            hash_key,
            seal_check,
            semantics,
        } = command;
        state.begin(Header {
            incarnation,
            settings,
            hash_key,
            seal_check,
            semantics,
            ..Header::default()
        });
        // Whoever is a member now is the one that founds it, and it knows these.
        let founders: Vec<Member> = state.cluster_members().collect();
        for Member { node, newest: _ } in founders {
            let newest = semantics;
            state.put_member(Member { node, newest });
        }
        state.put_token_epoch(Arc::new(TokenEpoch {
            number: 1,
            sealed_secret: sealed_epoch_secret,
            born: at,
            mints: Some(at),
            ended: None,
            revoked: None,
        }));
        (Output::Done, vec![Event::Bootstrapped])
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::domain::op::Command;
    use crate::domain::op::testing::{Cluster, check_rows};

    pub(in crate::domain::op) fn good() -> Bootstrap {
        Bootstrap {
            incarnation: Incarnation([1; 16]),
            settings: Settings::default(),
            sealed_epoch_secret: Arc::new([1]),
            hash_key: HashKey([2; 16]),
            seal_check: SealCheck([3; 32]),
            semantics: Semantics::CURRENT,
        }
    }

    #[test]
    fn bootstrap_refuses_in_the_order_of_its_checks() {
        let (empty, done) = (Cluster::empty(), Cluster::new());
        let no = |cluster: &Cluster, who, change: fn(&mut Bootstrap)| {
            let mut command = good();
            change(&mut command);
            cluster.refusal(who, Command::Bootstrap(command))
        };
        let zero = |b: &mut Bootstrap| b.incarnation = Incarnation::default();
        check_rows(vec![
            (
                "an operator, zero, again",
                no(&done, "operator", zero),
                "AccessDeniedException",
                "the cluster itself",
            ),
            (
                "zero, again",
                no(&done, "system", zero),
                "AlreadyExistsException",
                "bootstrapped before",
            ),
            (
                "zero",
                no(&empty, "system", zero),
                "ValidationException",
                "all zeros",
            ),
            (
                "no bound",
                no(&empty, "system", |b| b.settings.max_staleness_ms = 0),
                "ValidationException",
                "max_staleness_ms",
            ),
            (
                "rho of one",
                no(&empty, "system", |b| b.settings.clock_rate_permille = 1_000),
                "ValidationException",
                "below 1000",
            ),
            (
                "no secret",
                no(&empty, "system", |b| b.sealed_epoch_secret = Arc::new([])),
                "ValidationException",
                "secret",
            ),
            (
                "no hash key",
                no(&empty, "system", |b| b.hash_key = HashKey::default()),
                "ValidationException",
                "the hash key",
            ),
            (
                "no check value",
                no(&empty, "system", |b| b.seal_check = SealCheck::default()),
                "ValidationException",
                "seal key",
            ),
            (
                "no semantics",
                no(&empty, "system", |b| b.semantics = Semantics(0)),
                "ValidationException",
                "semantics 0",
            ),
        ]);
    }

    #[test]
    fn bootstrap_begins_incarnation_and_first_epoch() {
        let mut cluster = Cluster::empty();
        cluster.done("system", Command::Bootstrap(good()));
        assert_eq!(cluster.state.incarnation(), Incarnation([1; 16]));
        let epoch = cluster.state.minting_epoch().unwrap();
        assert_eq!(
            (epoch.number, &*epoch.sealed_secret, epoch.born.0),
            (1, &[1][..], 1)
        );
    }
}
