//! The replicated settings of a cluster.
//!
//! Imports ids, limits, policy, facts of grants. Holds facts; the gate, the engine and the operations act on them.

use crate::domain::ids::{Partition, Regions};
use crate::domain::limits;
use crate::domain::policy::Profile;
use crate::domain::state::grant::ConstraintKeyCase;

/// Settings that every node must agree on, so they live in the state.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Settings {
    /// B: no node answers from state older than this, in milliseconds.
    pub max_staleness_ms: u64,
    /// rho: how much the rates of two nodes' clocks may differ, in thousandths (DESIGN section 1).
    pub clock_rate_permille: u32,
    /// A customer key's quota of grants (G-19).
    pub grants_per_key_max: u32,
    /// How policy variables without a value are taken (C-12).
    pub profile: Profile,
    /// How many grants one grantee may have on one key (G-19); absent: no such quota.
    pub grants_per_principal_max: Option<u32>,
    /// How the keys of constraints on the encryption context compare (G-26, U-12).
    pub constraint_key_case: ConstraintKeyCase,
    /// The Regions that the cluster serves (ID-46).
    pub regions: Regions,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            max_staleness_ms: 1_000,
            clock_rate_permille: 10,
            grants_per_key_max: limits::GRANTS_PER_KEY_MAX,
            profile: Profile::Current,
            grants_per_principal_max: None,
            constraint_key_case: ConstraintKeyCase::Sensitive,
            regions: Regions::of(Partition::Aws),
        }
    }
}
